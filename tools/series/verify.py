# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of the series as a whole; prints KTAP.

Every new file is claimed by one patch. The mails apply to the pristine source with
git am, with patch -p1 and by the commands that README.md shows, and give the tree
that is built. absorb is the inverse of assemble. A second make series writes the
same bytes. Each mutant applies. What the patches contain is checked by
tools/checks/static.py, not here.
"""
import argparse
import collections
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.series import absorb as A, assemble as S, bases, patches as P, repo as R
from tools.series.repo import SeriesError

# Files at kernel paths that stay with this project: "path  reason" per line.
LOCAL = P.TOP / "tools/series/local-files"
MUTANTS = P.TOP / "tools/bench/mutants"


# Patches that a reviewer takes in one mail series.
MOST = 12


def local_files():
    found = {}
    if LOCAL.exists():
        for line in LOCAL.read_text().splitlines():
            if line.strip() and not line.startswith("#"):
                path, _, why = line.partition(" ")
                if not why.strip():
                    raise SeriesError(f"local-files: {path} has no reason")
                found[path] = why.strip()
    return found


def check_claims(repo, base, version, out):
    patches = P.read(base)
    claimed = {path: patch.name for patch in patches for path in patch.adds}
    for path, name in claimed.items():
        if not path.startswith(tuple(d + "/" for d in P.KERNEL_DIRS)):
            raise SeriesError(f"{name} adds {path}, outside of {' '.join(P.KERNEL_DIRS)}")
    local = local_files()
    loose = [n for n in P.own_kernel_files() if n not in claimed and
             not any(n == p or (p.endswith("/") and n.startswith(p)) for p in local)]
    if loose:
        raise SeriesError(f"claimed by no patch: {' '.join(loose)}")
    return f"{len(claimed)} files"


def check_parts(repo, base, version, out):
    """No patch is where nothing looks for it, and no part is too long for a review."""
    read = {patch.path for patch in P.read(base)}
    stray = [path for path in P.SERIES.rglob("*.patch")
             if path not in read and path.parent.name not in (*P.PARTS, *bases.BASES)]
    if stray:
        raise SeriesError(f"{stray[0].relative_to(P.SERIES)} is in no part ({' '.join(P.PARTS)})")
    long = [part for part in P.PARTS if sum(p.part == part for p in P.common()) > MOST]
    if long:
        raise SeriesError(f"the part {long[0]} has more than {MOST} patches")
    return f"{len(P.PARTS)} parts"


def touched(repo):
    return repo.names("diff-tree", "-r", "--no-renames", "--name-only", R.R_BASE, R.R_SERIES)


def pristine(repo, dest):
    """The base's version of the files that the series touches, and nothing else."""
    base = [n for n in touched(repo)
            if repo.git("cat-file", "-e", f"{R.R_BASE}:{n}", check=False).returncode == 0]
    for name in base:
        path = dest / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(repo.git("cat-file", "blob", f"{R.R_BASE}:{name}").stdout)
        if repo.out("ls-tree", R.R_BASE, "--", name).startswith("100755"):
            path.chmod(0o755)


def compare(repo, dest):
    for name in touched(repo):
        want = repo.git("cat-file", "blob", f"{R.R_SERIES}:{name}", check=False)
        path = dest / name
        have = path.read_bytes() if path.exists() else None
        if have != (want.stdout if want.returncode == 0 else None):
            raise SeriesError(f"{name} is not what gets built")


def mails(repo, base, version, dest):
    return [str(path) for path in S.export(repo, base, version, dest, None)]


@contextlib.contextmanager
def mails_and_tree(repo, base, version):
    """The mails, and a pristine tree, which has to be what gets built at the end."""
    with tempfile.TemporaryDirectory(prefix="atc-apply.") as tmp:
        tree = Path(tmp) / "tree"
        tree.mkdir()
        pristine(repo, tree)
        yield mails(repo, base, version, Path(tmp) / "mails"), tree
        compare(repo, tree)


def check_git_am(repo, base, version, out):
    with mails_and_tree(repo, base, version) as (files, tree):
        R.run_git(tree, "init", "-q")
        R.run_git(tree, "add", "-A", "-f")
        R.run_git(tree, "commit", "-q", "--allow-empty", "-m", "base")
        R.run_git(tree, "am", "-q", *files)
    return f"{len(files)} patches"


def check_patch_p1(repo, base, version, out):
    with mails_and_tree(repo, base, version) as (files, tree):
        for name in files:
            with open(name, "rb") as fh:
                proc = subprocess.run(["patch", "-p1", "-s", "-f"], cwd=tree, stdin=fh, check=False,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            # patch says 2 and "garbage" for a mail without any diff: such a patch is a mistake
            if proc.returncode:
                raise SeriesError(f"{os.path.basename(name)}: patch -p1: "
                                  + proc.stdout.decode(errors="replace").strip().replace("\n", "; "))
    return f"{len(files)} patches"


def readme_commands(text, base):
    """The commands between the "apply" markers of README.md, for `base`."""
    parts = re.findall(r"^<!-- apply: begin -->$(.*?)^<!-- apply: end -->$", text, re.M | re.S)
    if len(parts) != 1:
        raise SeriesError(f"README.md has {len(parts)} pairs of apply markers, not 1")
    return [ln.strip().replace(bases.DEFAULT, base) for ln in parts[0].splitlines() if ln.startswith("    ")]


def run_readme(repo, base, tmp, command):
    """One command of README.md, as it stands there, on the pristine source in ~/linux-<base>."""
    tree = tmp / f"linux-{base}"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir()
    pristine(repo, tree)
    if "git" in command:
        R.run_git(tree, "init", "-q")
        R.run_git(tree, "add", "-A", "-f")
        R.run_git(tree, "commit", "-q", "--allow-empty", "-m", "base")
    proc = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=tmp / "clone", check=False,
                          env=R.git_env({"HOME": str(tmp)}), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if proc.returncode:
        said = proc.stdout.decode(errors="replace").strip().replace("\n", "; ")
        raise SeriesError(f"README.md: {command}: exit status {proc.returncode}: {said[-400:]}")
    compare(repo, tree)


def check_readme(repo, base, version, out):
    commands = readme_commands((P.TOP / "README.md").read_text(), base)
    for word in ("git", "patch -p1"):
        if not any(word in command for command in commands):
            raise SeriesError(f"README.md: no command with {word} between the apply markers")
    with tempfile.TemporaryDirectory(prefix="atc-readme.") as tmp:
        tmp = Path(tmp)
        mails(repo, base, version, tmp / "clone/build/series" / base)
        for command in commands:
            run_readme(repo, base, tmp, command)
    return f"{len(commands)} commands"


def digest(folder):
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        total.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def check_repeat(repo, base, version, out):
    with tempfile.TemporaryDirectory(prefix="atc-rep.") as tmp:
        one, two = Path(tmp) / "1", Path(tmp) / "2"
        mails(repo, base, version, one)
        P.assemble(repo, base, P.read(base), ref="refs/atc/again")
        if repo.ref("refs/atc/again") != repo.ref(R.R_SERIES):
            raise SeriesError("assembled twice, two different commits")
        repo.git("update-ref", "-d", "refs/atc/again")
        mails(repo, base, version, two)
        if digest(one) != digest(two):
            raise SeriesError("the second run wrote other bytes")
    return ""


def check_sob(repo, base, version, out):
    with tempfile.TemporaryDirectory(prefix="atc-sob.") as tmp:
        dest = Path(tmp) / "s"
        S.export(repo, base, version, dest, ("A Submitter", "submitter@example.org"))
        for path in sorted(dest.glob("*/*")):
            text = path.read_text()
            want = 0 if path.name == S.COVER else 1
            if text.count("\nSigned-off-by: A Submitter <submitter@example.org>\n") != want:
                raise SeriesError(f"{path.name}: sign-off missing or double")
        for name in mails(repo, base, version, Path(tmp) / "plain"):
            if "\nSigned-off-by:" in Path(name).read_text():
                raise SeriesError(f"{os.path.basename(name)}: a sign-off without SOB=")
    return ""


def essence(patch):
    """A patch without what differs between point releases of the base.

    Those are the places of its hunks, the lines around them, and the hashes and
    the statistics that follow from them.
    """
    message, _, diff = patch.read_text().partition("\n---\n")
    return message, [line for line in diff.splitlines()
                     if line.startswith(("diff --git ", "+", "-"))]


def check_absorb(repo, base, version, out):
    with tempfile.TemporaryDirectory(prefix="atc-abs.") as tmp:
        tmp = Path(tmp)
        for part in P.PARTS:
            shutil.copytree(P.SERIES / part, tmp / part)
        adds = {a for patch in P.read(base) for a in patch.adds}
        for name in adds:
            (tmp / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(P.TOP / name, tmp / name)
        first = repo.ref(R.R_BASE)
        last = P.assemble(repo, base, P.read(base), ref="refs/atc/again", marks=True)
        if base == bases.DEFAULT:
            A.absorb(repo, first, last, tmp, tmp, lambda said: None)
        else:
            A.absorb_base(base, repo, first, last, tmp, say=lambda said: None)
        repo.git("update-ref", "-d", "refs/atc/again")
        was, now = ({str(path.relative_to(top)): essence(path) for part in P.PARTS for path in (top / part).rglob("*.patch")}
                    for top in (P.SERIES, tmp))
        other = [n for n in sorted(was.keys() | now.keys()) if was.get(n) != now.get(n)]
        other += [n for n in sorted(adds) if (tmp / n).read_bytes() != (P.TOP / n).read_bytes()]
        if other:
            raise SeriesError("absorb without an edit changes " + ", ".join(other))
    return ""


def differing(patch):
    """(only in the common patch, only in the base's own): the changed lines that differ."""
    was, now = (collections.Counter(p.changes()) for p in (patch.common, patch))
    return [[ln.decode(errors="replace") for ln in (a - b).elements()] for a, b in ((was, now), (now, was))]


def check_differences(repo, base, version, out):
    """Prints in which lines the base has another text."""
    instead = [patch for patch in P.read(base) if patch.instead]
    for patch in instead:
        common, own = differing(patch)
        print(f"# {patch.name} instead of {patch.common.name}: {len(common)} lines go, {len(own)} come")
        for line in [*common, *own]:
            print(f"#   {line}")
    return f"{len(instead)} patches have another text"


def check_mutants(repo, base, version, out):
    """Within seconds, what make mutants would say only when it builds that mutant."""
    if base != bases.DEFAULT:
        return f"they are for {bases.DEFAULT}"
    names, stale = sorted(MUTANTS.glob("*.patch")), []
    for path in names:
        try:
            repo.tree_with(R.R_SERIES, path)
        except SeriesError as e:
            stale.append(str(e))
    if stale:
        raise SeriesError("\n# ".join(stale))
    return f"{len(names)} mutants"


CHECKS = (
    ("each new file is claimed by one patch", check_claims),
    ("each patch is in a part", check_parts),
    ("git am on the pristine source gives the built tree", check_git_am),
    ("patch -p1 on the pristine source gives the built tree", check_patch_p1),
    ("README's commands on the pristine source give the built tree", check_readme),
    ("a second run writes the same bytes", check_repeat),
    ("SOB signs each patch once, and nothing else does", check_sob),
    ("absorb without an edit changes nothing", check_absorb),
    ("where a base has another text", check_differences),
    ("each mutant applies to the series", check_mutants),
)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", required=True, type=Path)
    ap.add_argument("--base", required=True)
    args = ap.parse_args()
    repo, version = S.open_repo(bases.folder(args.out, args.base), args.base)
    print(f"KTAP version 1\n1..{len(CHECKS)}")
    bad = 0
    for number, (title, func) in enumerate(CHECKS, 1):
        try:
            note = func(repo, args.base, version, args.out)
        except SeriesError as e:
            bad += 1
            print(f"# {e}\nnot ok {number} {title}", flush=True)
        else:
            print(f"ok {number} {title}" + (f" # {note}" if note else ""), flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SeriesError as e:
        sys.exit(f"series: {e}")
