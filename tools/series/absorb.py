# SPDX-License-Identifier: GPL-2.0-or-later
"""make absorb: commits of $(O)/tree become patches and repository files again.

It is the inverse of assemble.py: assemble and absorb, without an edit in between,
change no byte. Each commit becomes one patch of the part that the last "part NAME"
commit before it has opened. A file that a commit adds stands in no diff: the
repository keeps its last state (see patches.py). Author and date are set to fixed
values.

For a base other than the default, the common patches do not change: what its commits
have in place of them, or besides them, goes to tools/series/PART/BASE/.
"""
import argparse
import re
import sys
from pathlib import Path
from typing import NamedTuple

from tools.series import assemble as S, bases, patches as P, repo as R
from tools.series.repo import SeriesError


class Commit(NamedTuple):
    """A commit of the tree that is to become a patch."""
    commit: str
    parent: str
    part: str
    message: bytes
    adds: list              # the files that it adds

    @property
    def subject(self):
        return self.message.split(b"\n", 1)[0].decode()


def slug(subject, old):
    """File name of a patch without its number; one that exists keeps its name."""
    if subject in old:
        return old[subject]
    text = re.sub(r"^[\w/.-]+:\s*", "", subject).lower()
    return re.sub(r"[^a-z0-9]+", "-", text).strip("-")[:52].rstrip("-")


def split(work, base, head):
    """[Commit] of the tree, in their order."""
    if work.out("rev-list", "--merges", f"{base}..{head}"):
        raise SeriesError("the tree has merge commits: rebase them away")
    found, parent, part = [], base, ""
    for commit in work.out("rev-list", "--reverse", f"{base}..{head}").split():
        message = work.git("log", "-1", "--format=%B", commit).stdout.strip(b"\n") + b"\n"
        opens = P.MARK.fullmatch(message.decode().strip())
        if opens:
            part = opens[1]
            if part not in P.PARTS:
                raise SeriesError(f"no part is called {part}; there are {' '.join(P.PARTS)} (tools/series/patches.py)")
        elif not part:
            raise SeriesError("the first commit does not open a part: 'part NAME'")
        else:
            adds = work.names("diff-tree", "-r", "--no-renames", "--name-only", "--diff-filter=A", parent, commit)
            found.append(Commit(commit, parent, part, message, adds))
        parent = commit
    if not found:
        raise SeriesError("the tree has no patches: git reflog, in the tree, names the commits that it had")
    order = [P.PARTS.index(c.part) for c in found]
    if order != sorted(order):
        raise SeriesError(f"the parts are not in the order {' '.join(P.PARTS)}")
    check_files(work, found, head)
    return found


def check_files(work, commits, head):
    for commit in commits:
        for name in commit.adds:
            if work.git("cat-file", "-e", f"{head}:{name}", check=False).returncode:
                raise SeriesError(f"'{commit.subject}' adds {name}, which a later commit removes")


def without(work, commit):
    """Tree of a commit without the files that it adds."""
    with work.index() as git:
        git("read-tree", commit.commit)
        if commit.adds:
            git("update-index", "--force-remove", "-z", "--stdin",
                data="".join(n + "\0" for n in sorted(commit.adds)).encode())
        return git("write-tree").stdout.decode().strip()


def mail(work, commit, headers):
    made = work.commit(without(work, commit), commit.parent, commit.message)
    return work.git("format-patch", "-1", "--stdout", "-N", *R.FORMAT,
                    *[f"--add-header={h}" for h in headers], made).stdout


def changes_nothing(work, commit):
    return work.out("rev-parse", f"{commit.parent}^{{tree}}") == work.out("rev-parse", f"{commit.commit}^{{tree}}")


def write_files(work, head, final, claimed, top, say):
    """Bring this repository's copies of new files to what `head` has."""
    for name in sorted(final):
        entry = work.out("ls-tree", head, "--", name).split()
        body = work.git("cat-file", "blob", entry[2]).stdout
        path = top / name
        mode = 0o755 if entry[0] == "100755" else 0o644
        if not path.exists() or path.read_bytes() != body or bool(path.stat().st_mode & 0o100) != (mode == 0o755):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
            path.chmod(mode)
            say(f"absorb: wrote {name}")
    for name in sorted(claimed - final):
        if (top / name).exists():
            (top / name).unlink()
            say(f"absorb: removed {name}: no commit adds it any more")


def write_patches(folder, old, wanted, say):
    """Make `folder` hold `wanted` ({name: bytes}) in place of the paths `old`."""
    for path in old:
        if str(path.relative_to(folder)) not in wanted:
            path.unlink()
            say(f"absorb: removed {path.relative_to(folder)}")
    for name, text in wanted.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != text:
            path.write_bytes(text)
            say(f"absorb: wrote {name}")


def absorb(work, base, head, folder, top, say=print):
    """Write all commits of the default base; returns how many."""
    common = P.common(folder)
    old = {patch.subject: patch.slug for patch in common}
    mails, final, numbers = {}, set(), dict.fromkeys(P.PARTS, 0)
    for commit in split(work, base, head):
        if changes_nothing(work, commit):
            say(f"absorb: '{commit.subject}' changes nothing and is dropped")
            continue
        numbers[commit.part] += 1
        name = f"{commit.part}/{numbers[commit.part]:04d}-{slug(commit.subject, old)}.patch"
        mails[name] = mail(work, commit, [f"X-Adds: {n}" for n in sorted(commit.adds)])
        final |= set(commit.adds)
    write_files(work, head, final, {a for patch in common for a in patch.adds}, top, say)
    write_patches(folder, [patch.path for patch in common], mails, say)
    return len(mails)


# -- a base other than the default ------------------------------------------

def fits(work, commit, patch):
    """Does the common patch do what the commit does?"""
    with work.index() as git:
        git("read-tree", commit.parent)
        proc = P.apply(git, patch, exact=False)
        if proc and proc.returncode:
            return False
        return git("write-tree").stdout.decode().strip() == without(work, commit)


def check_common(work, commits, common, states, base):
    """What is common to all bases is as the default base has it."""
    here = [c.subject for c in commits if c.subject in common]
    if here != list(common):
        lost = [s for s in common if s not in here]
        raise SeriesError((f"the tree has no commit '{lost[0]}'" if lost else "the commits are in another order")
                          + f": what is common to all bases is changed with BASE={bases.DEFAULT}, not {base}")
    for commit in commits:
        patch = common.get(commit.subject)
        why = ""
        if patch and (commit.message != patch.message or commit.part != patch.part):
            why = f"the message and the part of '{commit.subject}'"
        for name in commit.adds:
            entry = work.out("ls-tree", commit.commit, "--", name).split()
            if not patch or states.get(name) != (entry[0], entry[2]):
                why = name
        if why:
            raise SeriesError(f"common to all bases: {why}: change that with BASE={bases.DEFAULT}")


def absorb_base(name, work, base, head, folder, top=None, say=print):
    """Write what `name` has of its own; returns how many commits there are."""
    patches = P.common(folder)
    common = {patch.subject: patch for patch in patches}
    commits = split(work, base, head)
    check_common(work, commits, common, P.first_states(work, patches, top), name)
    was = P.of_base(name, folder)
    old, wanted = {patch.subject: patch.slug for patch in was}, {}
    for at, commit in enumerate(commits):
        patch, headers = common.get(commit.subject), []
        if patch and fits(work, commit, patch):
            continue
        if patch:
            headers = [f"X-Instead-Of: {patch.fingerprint()}"]
        else:
            later = [c.subject for c in commits[at + 1:] if c.subject in common and c.part == commit.part]
            headers = [f"X-Before: {later[0]}"] if later else []
        stem = patch.slug if patch else slug(commit.subject, old)
        wanted[f"{commit.part}/{name}/{stem}.patch"] = mail(work, commit, headers)
    write_patches(folder, [patch.path for patch in was], wanted, say)
    return len(commits)


def absorb_tree(top_out, name, force=False):
    """What make absorb does; says what it wrote."""
    out = bases.folder(top_out, name)
    tree = out / "tree"
    if not tree.exists():
        raise SeriesError(f"no {tree}: make tree first")
    work = R.Repo(tree)
    if work.out("status", "--porcelain", "-uno"):
        raise SeriesError(f"{tree} has changes that are not committed")
    stray = work.out("status", "--porcelain", "-unormal")
    if stray:
        raise SeriesError(f"{tree} has files that git does not know: {stray.split()[1]}")
    if work.ref(R.R_PARTIAL):
        raise SeriesError(f"{tree} does not have all patches yet: make tree BASE={name} goes on")
    base = work.ref("refs/atc/tree-base")
    repo, head = R.Repo(out / "linux"), work.ref("HEAD")
    # The repository's copies may have been edited meanwhile.
    if not force and S.tree_key(repo) != S.key_of_tree(base):
        raise SeriesError("patches or files in this repository changed since make tree; "
                          f"bring that into {tree} first, or ABSORB_FORCE=1")
    if name == bases.DEFAULT:
        count = absorb(work, base, head, P.SERIES, P.TOP)
    else:
        count = absorb_base(name, work, base, head, P.SERIES)
    made = P.assemble(repo, name, P.read(name), ref="refs/atc/tree-source", marks=True)
    other = set(repo.names("diff-tree", "-r", "--no-renames", "--name-only", made, head))
    if other:
        raise SeriesError(f"what was written does not give the tree back: {' '.join(sorted(other))}")
    work.git("checkout", "-q", "-B", "edit", made)
    S.mark_tree(repo, made)
    print(f"absorbed {count} patches; the tree stands on the assembled series again")
    for other in bases.others(name):
        try:
            P.read(other)
        except SeriesError as e:
            print(e)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", required=True, type=Path, help="build folder, $(O)")
    ap.add_argument("--base", required=True)
    ap.add_argument("--force", action="store_true",
                    help="also when patches or files changed here since make tree")
    args = ap.parse_args()
    absorb_tree(args.out, args.base, args.force)


if __name__ == "__main__":
    try:
        main()
    except SeriesError as e:
        sys.exit(f"series: {e}")
