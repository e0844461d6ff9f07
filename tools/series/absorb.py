#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""make absorb: commits of $(O)/tree become hooks and repository files again.

The counterpart of assemble.py, and its exact inverse: assemble, absorb without
an edit, and not a byte has changed. Each commit gives one hook with the diff of
files that the base has, and one X-Adds: line per file that it adds. A new file
has one source of truth, this repository's copy: what later commits do to it is
folded into that copy (and said). Author and date are set to the fixed ones.
"""
import argparse
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import repo as R                                               # noqa: E402
from repo import SeriesError                                   # noqa: E402


def slug(subject, old):
    """File name of a hook; one that exists keeps its name."""
    if subject in old:
        return old[subject]
    text = re.sub(r"^[\w/.-]+:\s*", "", subject).lower()
    return re.sub(r"[^a-z0-9]+", "-", text).strip("-")[:52].rstrip("-")


def split(work, base, head):
    """Per commit: (commit, message, files it adds that last, folded files)."""
    commits = work.out("rev-list", "--reverse", f"{base}..{head}").split()
    if work.out("rev-list", "--merges", f"{base}..{head}"):
        raise SeriesError("the tree has merge commits: rebase them away")
    final = set(work.names("diff-tree", "-r", "--no-renames", "--name-only",
                           "--diff-filter=A", base, head))
    parts, owner, parent = [], {}, base
    for commit in commits:
        changed = work.names("diff-tree", "-r", "--no-renames", "--name-only", parent, commit)
        adds = [n for n in changed if n in final and n not in owner
                and work.git("cat-file", "-e", f"{commit}:{n}", check=False).returncode == 0]
        folded = [(n, owner[n]) for n in changed if n in owner]
        for name in adds:
            owner[name] = commit
        parts.append((commit, adds, folded))
        parent = commit
    return parts, final


def without(work, commit, names):
    """Tree of `commit` with the series' own new files taken out."""
    with work.index() as git:
        git("read-tree", commit)
        if names:
            git("update-index", "--force-remove", "-z", "--stdin",
                data="".join(n + "\0" for n in sorted(names)).encode())
        return git("write-tree").stdout.decode().strip()


def absorb(work, base, head, hooks_dir, top, say=print):
    old = {}
    for path in sorted(hooks_dir.glob("[0-9]*.patch")):
        old[R.Hook(path).subject] = path.name[5:-len(".patch")]
    parts, final = split(work, base, head)
    # Files that came and went again inside the series are in no hook either.
    drop = set(final)
    parent = base
    for commit, _, _ in parts:
        drop |= set(work.names("diff-tree", "-r", "--no-renames", "--name-only",
                               "--diff-filter=A", parent, commit))
        parent = commit
    drop -= set(work.names("ls-tree", "-r", "--name-only", base, "--", *sorted(drop))) if drop else set()
    mails, used = [], set()
    parent_tree = work.out("rev-parse", f"{base}^{{tree}}")
    parent = base
    for commit, adds, folded in parts:
        message = work.git("log", "-1", "--format=%B", commit).stdout.strip(b"\n") + b"\n"
        subject = message.split(b"\n", 1)[0].decode()
        for name, by in folded:
            first = work.out("log", "-1", "--format=%s", by)
            say(f"absorb: {name}: what '{subject}' changes is folded into '{first}', which adds it")
        tree = without(work, commit, drop)
        if tree == parent_tree and not adds:
            say(f"absorb: '{subject}' has nothing left of its own and is dropped")
            continue
        made = work.commit(tree, parent, message)
        number = len(mails) + 1
        head_lines = [f"--add-header=X-Adds: {n}" for n in sorted(adds)]
        text = work.git("format-patch", "-1", "--stdout", "-N", *R.FORMAT, *head_lines, made).stdout
        name = slug(subject, old)
        if name in used:
            name = f"{name}-{number}"
        used.add(name)
        mails.append((f"{number:04d}-{name}.patch", text))
        parent, parent_tree = made, tree

    claimed = {a for path in hooks_dir.glob("[0-9]*.patch") for a in R.Hook(path).adds}
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
    keep = {n for n, _ in mails}
    hooks_dir.mkdir(parents=True, exist_ok=True)
    for path in sorted(hooks_dir.glob("[0-9]*.patch")):
        if path.name not in keep:
            path.unlink()
            say(f"absorb: removed hook {path.name}")
    for name, text in mails:
        path = hooks_dir / name
        if not path.exists() or path.read_bytes() != text:
            path.write_bytes(text)
            say(f"absorb: wrote hook {name}")
    return len(mails)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", required=True, type=Path, help="build folder, $(O)")
    ap.add_argument("--base", required=True)
    ap.add_argument("--force", action="store_true",
                    help="also when hooks or files changed here since make tree")
    args = ap.parse_args()
    tree = args.out / "tree"
    if not tree.exists():
        raise SeriesError(f"no {tree}: make tree first")
    if (R.HOOKS / args.base).exists():
        raise SeriesError(f"hooks/{args.base} has patches of its own: absorb writes the common ones only")
    work = R.Repo(tree)
    if work.out("status", "--porcelain", "-uno"):
        raise SeriesError(f"{tree} has changes that are not committed")
    stray = work.out("status", "--porcelain", "-unormal")
    if stray:
        raise SeriesError(f"{tree} has files that git does not know: {stray.split()[1]}")
    base, start = work.ref("refs/atc/tree-base"), work.ref("refs/atc/tree-start")
    # Somebody may have edited the repository's copies meanwhile.
    repo = R.Repo(args.out / "linux")
    if not args.force:
        now = R.assemble(repo, args.base, R.read_hooks(args.base), ref="refs/atc/absorb-check")
        if now != start:
            raise SeriesError("hooks or files in this repository changed since make tree; "
                              f"bring that into {tree} first, or ABSORB_FORCE=1")
    count = absorb(work, base, work.ref("HEAD"), R.HOOKS, R.TOP)
    made = R.assemble(repo, args.base, R.read_hooks(args.base))
    if repo.out("rev-parse", f"{made}^{{tree}}") != work.out("rev-parse", "HEAD^{tree}"):
        raise SeriesError("what was written does not give the tree back")
    work.git("checkout", "-q", "-B", "edit", made)
    repo.git("update-ref", "refs/atc/tree-start", made)
    print(f"absorbed {count} patches; the tree stands on the assembled series again")


if __name__ == "__main__":
    try:
        main()
    except SeriesError as e:
        sys.exit(f"series: {e}")
