# SPDX-License-Identifier: GPL-2.0-or-later
"""make series, make tree: hooks and new files become commits, mails, a work tree.

Reads tools/series/hooks/ and the files that they claim; writes $(O)/linux
(see repo.py), $(O)/series/<base>/ and $(O)/tree. The same input gives the same
bytes. Does not fetch or unpack any source (tools/setup does), does not build.
"""
import argparse
import json
import re
import sys
from pathlib import Path

from tools.series import bases, overlay as overlays, repo as R
from tools.series.repo import SeriesError

# The mail of the cover letter, beside the patches in $(O)/series/<base>.
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
    R.assemble(repo, base, R.read_hooks(base))
    return repo, version


def cover_text(path):
    """Subject and body of tools/series/cover-letter.md."""
    if not path.exists():
        return ("(no tools/series/cover-letter.md)", "(no tools/series/cover-letter.md)")
    lines = path.read_text().splitlines()
    lines = [ln for ln in lines if not re.fullmatch(r"<!--.*-->", ln)]
    while lines and not lines[0].strip():
        lines.pop(0)
    if not lines or not lines[0].startswith("# "):
        raise SeriesError("cover-letter.md: the first line must be '# ' and the subject")
    return lines[0][2:].strip(), "\n".join(lines[1:]).strip("\n")


def export(repo, base, version, dest, sob):
    ref = R.R_SERIES
    if sob:
        ref = "refs/atc/series-signed"
        R.assemble(repo, base, R.read_hooks(base), sob=sob, ref=ref)
    count = int(repo.out("rev-list", "--count", f"{R.R_BASE}..{ref}"))
    if not count:
        raise SeriesError("no hooks in tools/series/hooks: nothing to send")
    dest.mkdir(parents=True, exist_ok=True)
    for old in dest.glob("*.patch"):
        old.unlink()
    repo.git("-c", "format.coverFromDescription=none", "format-patch", "-q", *R.FORMAT,
             "-n", "--cover-letter", "-o", str(dest.resolve()), f"{R.R_BASE}..{ref}",
             env={"GIT_COMMITTER_NAME": sob[0], "GIT_COMMITTER_EMAIL": sob[1]} if sob else None)
    subject, body = cover_text(R.TOP / "tools/series/cover-letter.md")
    # No base-commit: the base is a distribution's tree, which has no public commit.
    body += f"\n\nBase: Linux {version}, imported as it is.\n"
    text = (dest / "0000-cover-letter.patch").read_text()
    # The mail's own date would be the time of this run.
    text = re.sub(r"^Date: .*$", "Date: Thu, 1 Jan 2026 00:00:00 +0000", text, count=1, flags=re.M)
    text = text.replace("*** SUBJECT HERE ***", subject).replace("*** BLURB HERE ***\n", body)
    (dest / COVER).write_text(text)
    # It has no diff: git am on *.patch would stop at it
    (dest / "0000-cover-letter.patch").unlink()
    return count


def key_of_tree(base, start):
    """Hash of what the work tree of `base` is made from and absorb writes to."""
    return R.series_key(start, R.common_hooks(), files=base == bases.DEFAULT)


def tree_key(repo):
    return (repo.path / ".git/atc-tree-key").read_text()


def tree_files(repo):
    """added_files() when the work tree was made."""
    return json.loads((repo.path / ".git/atc-tree-files").read_text())


def mark_tree(repo, start, base):
    """Remember what the work tree was made from; absorb looks at it."""
    repo.git("update-ref", "refs/atc/tree-start", start)
    repo.git("update-ref", "refs/atc/tree-base", repo.ref(R.R_BASE))
    (repo.path / ".git/atc-tree-key").write_text(key_of_tree(base, repo.ref(R.R_BASE)))
    mark_files(repo, start)


def added_files(repo, head):
    """{path: blob} of the files that the commits up to `head` add, as they add them."""
    rows = repo.git("log", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", "--diff-filter=A", "--format=",
                    f"{R.R_BASE}..{head}").stdout.decode("utf-8", "surrogateescape").split("\0")
    rows = [row for row in rows if row]
    return {path: meta.split()[3] for meta, path in zip(rows[::2], rows[1::2])}


def mark_files(repo, head):
    (repo.path / ".git/atc-tree-files").write_text(json.dumps(added_files(repo, head)))


def place_tree(repo, tree, start):
    """The work tree at `start`, on a branch of its own."""
    if tree.exists():
        R.Repo(tree).git("checkout", "-q", "-B", "edit", start)
    else:
        repo.git("worktree", "prune")
        repo.git("worktree", "add", "-q", "-f", "-B", "edit", str(tree.resolve()), start)


def make_tree(repo, out, base):
    """A work tree to edit, one commit per patch; edits that are not absorbed are kept."""
    tree = out / "tree"
    start = repo.ref(R.R_SERIES)
    if tree.exists():
        work = R.Repo(tree)
        dirty = work.out("status", "--porcelain", "-uno")
        head, was = work.ref("HEAD"), repo.ref("refs/atc/tree-start")
        if head != start and (dirty or head != was):
            raise SeriesError(f"{tree} has edits that are not absorbed: make absorb, or remove it")
    if not tree.exists() or head != start:
        place_tree(repo, tree, start)
    mark_tree(repo, start, base)
    return tree


# -- a base that the hooks do not fit any more -------------------------------

def common_commits(repo, src):
    """{subject: commit} of the common hooks on the default base, for git to merge.

    Of the default base only the files that the series touches, in the tree of
    this base: enough for a three-way merge, and nothing else differs.
    """
    hooks = R.common_hooks()
    names = sorted({n for hook in hooks for n in hook.touched()})
    found = {}
    with repo.index() as git:
        git("read-tree", R.R_BASE)
        R.store(git, {n: (src / n).read_bytes() for n in names if (src / n).exists()})
        parent = repo.commit(git("write-tree").stdout.decode().strip(), repo.ref(R.R_BASE),
                             f"Files of {bases.DEFAULT}\n".encode())
        for hook in hooks:
            parent = found[hook.subject] = R.commit_hook(repo, git, bases.DEFAULT, hook, parent)
    return found


def hooks_so_far(base):
    """The hooks of a base; files in its folder that name no hook are reported and left out."""
    hooks, lost = R.common_hooks(), []
    subjects = {hook.subject: hook for hook in hooks}
    for path in sorted((R.HOOKS / base).glob("*.overlay")):
        overlay = overlays.Overlay(path)
        if overlay.subject in subjects:
            subjects[overlay.subject].overlay = overlay
        else:
            lost.append(path.name)
    for path in sorted((R.HOOKS / base).glob("*.patch")):
        own = R.Hook(path)
        own.own = True
        at = hooks.index(subjects[own.before]) if own.before in subjects else len(hooks)
        hooks.insert(at, own)
        if own.before and own.before not in subjects:
            lost.append(path.name)
    for name in lost:
        print(f"hooks/{base}/{name}: no hook is called what it names; absorb sorts that out")
    return hooks


def refresh_tree(repo, out, base, src):
    """Apply the hooks one by one; stop in a cherry-pick where one does not fit.

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
        mark_tree(repo, repo.ref(R.R_BASE), base)
    work, hooks = R.Repo(tree), hooks_so_far(base)
    head = work.ref("HEAD")
    done = work.out("log", "--reverse", "--format=%s", f"{R.R_BASE}..{head}").splitlines()
    if done != [hook.subject for hook in hooks[:len(done)]]:
        raise SeriesError(f"{tree}: its commits are not the first {len(done)} hooks: remove it, make tree again")
    common = None
    for hook in hooks[len(done):]:
        try:
            with repo.index() as git:
                git("read-tree", head)
                head = R.commit_hook(repo, git, base, hook, head)
            mark_files(repo, head)
            continue
        except SeriesError as e:
            why = e
        work.git("checkout", "-q", "-B", "edit", head)
        repo.git("update-ref", R.R_PARTIAL, head)
        common = common or common_commits(repo, src)
        if hook.subject not in common:
            raise SeriesError(f"{why}; commit what it is to be in {tree}, under its subject, then make tree again")
        proc = work.git("-c", "merge.conflictStyle=diff3", "cherry-pick", "--keep-redundant-commits",
                        common[hook.subject], check=False)
        if proc.returncode:
            print(f"{why}\nresolve that in {tree}"
                  + (f" (as {hook.overlay.path.name} did before)" if hook.overlay else "")
                  + ": git add, git cherry-pick --continue; then make tree again")
            return False
        print(f"{hook.name}: merged by git")
        head = work.ref("HEAD")
        mark_files(repo, head)
    work.git("checkout", "-q", "-B", "edit", head)
    repo.git("update-ref", "-d", R.R_PARTIAL)
    return True


def tree_for(args, out):
    """make tree; for a base that the hooks do not fit, as far as they do."""
    repo, _ = import_base(out, args.base)
    try:
        if repo.ref(R.R_PARTIAL):
            raise SeriesError("going on")
        R.assemble(repo, args.base, R.read_hooks(args.base))
    except SeriesError:
        if args.base == bases.DEFAULT:
            raise
        src, _ = source_of(bases.folder(args.out, bases.DEFAULT))
        if not refresh_tree(repo, out, args.base, src):
            sys.exit(1)
        print(f"{out / 'tree'}: all patches are in; make absorb BASE={args.base} writes what differs")
        return
    tree = make_tree(repo, out, args.base)
    print(f"{tree}: one commit per patch; edit, commit --amend or rebase -i, then make absorb")


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
    count = export(repo, args.base, version, dest, sob)
    print(f"{dest}: cover letter and {count} patches for Linux {version}")


if __name__ == "__main__":
    try:
        main()
    except SeriesError as e:
        sys.exit(f"series: {e}")
