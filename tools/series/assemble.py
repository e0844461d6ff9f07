# SPDX-License-Identifier: GPL-2.0-or-later
"""make series, make tree: patches and new files become commits, mails, a work tree.

Reads tools/series/PART/ and the files that the patches add (patches.py); writes
$(O)/linux (repo.py), $(O)/series/BASE/PART/ and $(O)/tree. The same input gives the
same bytes. Does not fetch or unpack any source (tools/setup does), does not build.
"""
import argparse
import re
import shutil
import sys
from pathlib import Path

from tools.series import bases, patches as P, repo as R
from tools.series.repo import SeriesError

# The mail of the cover letter, beside the patches in $(O)/series/BASE/PART.
COVER = "cover-letter.txt"


def parse_sob(text):
    if not text:
        return None
    found = re.fullmatch(r"\s*([^<>]+?)\s*<([^<>\s]+@[^<>\s]+)>\s*", text)
    if not found:
        raise SeriesError(f'SOB="{text}" is not of the form "Name <mail>"')
    return found.groups()


def source_of(out):
    """The unpacked source that set-up left under $(O), and what it is."""
    link = out / "src/kernel"
    if not link.exists():
        raise SeriesError(f"no kernel source in {link}: run make setup first")
    version = (out / "src/kernel.version").read_text().strip()
    return link.resolve(), version


def import_base(out, base):
    """linux/ in the base's folder with refs/atc/base; returns (repo, version)."""
    src, version = source_of(out)
    have, _ = R.kernel_version(src)
    if have != base:
        raise SeriesError(f"{src} is a {have} kernel, BASE is {base}")
    own = version.endswith("(own tree)")
    return R.import_source(out / "linux", src, version, pristine=not own), version


def open_repo(out, base):
    """The same with the series assembled."""
    repo, version = import_base(out, base)
    P.assemble(repo, base, P.read(base))
    return repo, version


def cover_text(path):
    """Subject and body of a part's cover-letter.md."""
    if not path.exists():
        raise SeriesError(f"no {path}")
    lines = path.read_text().splitlines()
    lines = [ln for ln in lines if not re.fullmatch(r"<!--.*-->", ln)]
    while lines and not lines[0].strip():
        lines.pop(0)
    if not lines or not lines[0].startswith("# "):
        raise SeriesError(f"{path}: the first line must be '# ' and the subject")
    return lines[0][2:].strip(), "\n".join(lines[1:]).strip("\n")


def ends_of_parts(repo, patches, head):
    """[(part, commit before it, its last commit)] of the parts that have patches."""
    found, before = [], repo.ref(R.R_BASE)
    commits = repo.out("rev-list", "--reverse", f"{before}..{head}").split()
    for part in P.PARTS:
        mine = [c for c, p in zip(commits, patches) if p.part == part]
        if mine:
            found.append((part, before, mine[-1]))
            before = mine[-1]
    return found


def export_part(repo, version, dest, commits, sob):
    """The mails of one part in the folder `dest`."""
    dest.mkdir(parents=True)
    repo.git("-c", "format.coverFromDescription=none", "format-patch", "-q", *R.FORMAT,
             "-n", "--cover-letter", "-o", str(dest.resolve()), commits,
             env={"GIT_COMMITTER_NAME": sob[0], "GIT_COMMITTER_EMAIL": sob[1]} if sob else None)
    subject, body = cover_text(P.SERIES / dest.name / "cover-letter.md")
    # No base-commit: the base is a distribution's tree, which has no public commit.
    body += f"\n\nBase: Linux {version}, imported as it is.\n"
    text = (dest / "0000-cover-letter.patch").read_text()
    # The mail's own date would be the time of this run.
    text = re.sub(r"^Date: .*$", "Date: Thu, 1 Jan 2026 00:00:00 +0000", text, count=1, flags=re.M)
    text = text.replace("*** SUBJECT HERE ***", subject).replace("*** BLURB HERE ***\n", body)
    (dest / COVER).write_text(text)
    # It has no diff: git am on *.patch would stop at it
    (dest / "0000-cover-letter.patch").unlink()


def export(repo, base, version, dest, sob):
    """Write the mails of each part to a folder of its own; [their paths], as they apply."""
    ref, patches = R.R_SERIES, P.read(base)
    if sob:
        ref = "refs/atc/series-signed"
        P.assemble(repo, base, patches, sob=sob, ref=ref)
    if not patches:
        raise SeriesError(f"no patches in {P.SERIES}: nothing to send")
    shutil.rmtree(dest, ignore_errors=True)
    mails = []
    for part, before, last in ends_of_parts(repo, patches, repo.ref(ref)):
        export_part(repo, version, dest / part, f"{before}..{last}", sob)
        mails += sorted((dest / part).glob("*.patch"))
    return mails


def key_of_tree(start):
    """Hash of what the work tree is made from and absorb writes to."""
    return P.key(start, P.common())


def tree_key(repo):
    return (repo.path / ".git/atc-tree-key").read_text()


def mark_tree(repo, start):
    """Remember what the work tree was made from; absorb looks at it."""
    repo.git("update-ref", "refs/atc/tree-start", start)
    repo.git("update-ref", "refs/atc/tree-base", repo.ref(R.R_BASE))
    (repo.path / ".git/atc-tree-key").write_text(key_of_tree(repo.ref(R.R_BASE)))


def place_tree(repo, tree, start):
    """The work tree at `start`, on a branch of its own."""
    if tree.exists():
        R.Repo(tree).git("checkout", "-q", "-B", "edit", start)
    else:
        repo.git("worktree", "prune")
        repo.git("worktree", "add", "-q", "-f", "-B", "edit", str(tree.resolve()), start)


def edited(tree):
    """Does the work tree have edits that are not absorbed? Yes, if git cannot read it."""
    if not tree.exists():
        return False
    work = R.Repo(tree)
    head = work.ref("HEAD")
    return not head or head != work.ref("refs/atc/tree-start") or bool(work.out("status", "--porcelain"))


def make_tree(repo, out, base):
    """A work tree to edit, one commit per patch; edits that are not absorbed are kept."""
    tree = out / "tree"
    start = P.assemble(repo, base, P.read(base), ref="refs/atc/tree-source", marks=True)
    if tree.exists():
        work = R.Repo(tree)
        dirty = work.out("status", "--porcelain", "-uno")
        head, was = work.ref("HEAD"), repo.ref("refs/atc/tree-start")
        if head != start and (dirty or head != was):
            raise SeriesError(f"{tree} has edits that are not absorbed: make absorb, or remove it")
    if not tree.exists() or head != start:
        place_tree(repo, tree, start)
    mark_tree(repo, start)
    return tree


# -- a base that the patches do not fit any more -----------------------------

def common_commits(repo, src):
    """{subject: commit} of the common patches on the default base, for git to merge.

    Of the default base only the files that the series touches, in the tree of
    this base: enough for a three-way merge, and nothing else differs.
    """
    patches = P.common()
    names = sorted({n for patch in patches for n in patch.touched() if (src / n).exists()})
    found, states = {}, P.first_states(repo, patches)
    with repo.index() as git:
        git("read-tree", R.R_BASE)
        for name in names:
            mode, blob = P.entry(git, name, src)
            git("update-index", "--add", "--cacheinfo", f"{mode},{blob},{name}")
        parent = repo.commit(git("write-tree").stdout.decode().strip(), repo.ref(R.R_BASE),
                             f"Files of {bases.DEFAULT}\n".encode())
        for patch in patches:
            parent = found[patch.subject] = P.commit(repo, git, bases.DEFAULT, patch, parent, states)
    return found


def patches_so_far(base):
    """The patches of a base; what it has of its own and does not fit is reported and left out."""
    patches = P.common()
    for own in P.of_base(base):
        why = P.insert(patches, own)
        if why:
            print(f"{own.part}/{base}/{own.path.name} {why}")
    return patches


def with_marks(patches):
    """The patches, with the name of each part in front of its first one."""
    part = ""
    for patch in patches:
        if patch.part != part:
            part = patch.part
            yield f"part {part}", None
        yield patch.subject, patch


def refresh_tree(repo, out, base, src):
    """Apply the patches one by one; stop in a cherry-pick where one does not fit.

    Called again after that was resolved, it goes on from there. Returns whether
    the tree has all of them.
    """
    tree = out / "tree"
    partial = repo.ref(R.R_PARTIAL)
    if tree.exists():
        work = R.Repo(tree)
        if work.ref("CHERRY_PICK_HEAD") or work.out("status", "--porcelain", "-uno"):
            raise SeriesError(f"{tree}: resolve, git add, git cherry-pick --continue; then make tree again")
        if not partial and work.ref("HEAD") != repo.ref("refs/atc/tree-start"):
            raise SeriesError(f"{tree} has edits that are not absorbed: make absorb, or remove it")
    if not partial or not tree.exists():
        place_tree(repo, tree, repo.ref(R.R_BASE))
        mark_tree(repo, repo.ref(R.R_BASE))
    work, patches = R.Repo(tree), patches_so_far(base)
    steps, states = list(with_marks(patches)), P.first_states(repo, patches)
    head = work.ref("HEAD")
    done = work.out("log", "--reverse", "--format=%s", f"{R.R_BASE}..{head}").splitlines()
    if done != [subject for subject, _ in steps[:len(done)]]:
        raise SeriesError(f"{tree}: its commits are not the first {len(done)} patches: remove it, make tree again")
    merged = None
    for subject, patch in steps[len(done):]:
        if not patch:
            head = P.mark(repo, subject.removeprefix("part "), head)
            continue
        try:
            with repo.index() as git:
                git("read-tree", head)
                head = P.commit(repo, git, base, patch, head, states)
            continue
        except SeriesError as e:
            why = e
        work.git("checkout", "-q", "-B", "edit", head)
        repo.git("update-ref", R.R_PARTIAL, head)
        merged = merged or common_commits(repo, src)
        if subject not in merged:
            raise SeriesError(f"{why}; commit what it is to be in {tree}, under its subject, then make tree again")
        proc = work.git("-c", "merge.conflictStyle=diff3", "cherry-pick", "--keep-redundant-commits",
                        merged[subject], check=False)
        if proc.returncode:
            print(f"{why}\nresolve that in {tree}: git add, git cherry-pick --continue; then make tree again")
            return False
        print(f"{patch.name}: merged by git")
        head = work.ref("HEAD")
    work.git("checkout", "-q", "-B", "edit", head)
    repo.git("update-ref", "-d", R.R_PARTIAL)
    return True


def tree_for(args, out):
    """make tree; for a base that the patches do not fit, as far as they do."""
    repo, _ = import_base(out, args.base)
    try:
        if repo.ref(R.R_PARTIAL):
            raise SeriesError("going on")
        P.assemble(repo, args.base, P.read(args.base))
    except SeriesError:
        if args.base == bases.DEFAULT:
            raise
        src, _ = source_of(bases.folder(args.out, bases.DEFAULT))
        if not refresh_tree(repo, out, args.base, src):
            sys.exit(1)
        print(f"{out / 'tree'}: all patches are in; make absorb BASE={args.base} writes what differs")
        return
    tree = make_tree(repo, out, args.base)
    print(f"{tree}: one commit per patch, and one that opens each part; edit, rebase -i, then make absorb")


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("what", choices=["series", "tree"])
    ap.add_argument("--out", required=True, type=Path, help="build folder, $(O)")
    ap.add_argument("--base", default=bases.DEFAULT, choices=sorted(bases.BASES))
    ap.add_argument("--sob", default="")
    args = ap.parse_args()
    sob = parse_sob(args.sob)
    out = bases.folder(args.out, args.base)
    if args.what == "tree":
        tree_for(args, out)
        return
    repo, version = open_repo(out, args.base)
    dest = args.out / "series" / args.base
    count = len(export(repo, args.base, version, dest, sob))
    print(f"{dest}: {count} patches in {len(list(dest.iterdir()))} parts for Linux {version}")


if __name__ == "__main__":
    try:
        main()
    except SeriesError as e:
        sys.exit(f"series: {e}")
