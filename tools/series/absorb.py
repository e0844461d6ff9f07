# SPDX-License-Identifier: GPL-2.0-or-later
"""make absorb: commits of $(O)/tree become hooks and repository files again.

It is the inverse of assemble.py: assemble and absorb, without an edit in between,
change no byte. Each commit becomes one hook with the diff of the files that the base
has, and one X-Adds: line for each file that it adds. This repository's copy is the
only source of a new file: absorb folds the changes of later commits into that copy,
and says so. It sets the author and the date to fixed values.

For a base other than the default, the common hooks do not change: the differences of
its commits go to tools/series/hooks/<base>/ (see overlay.py).
"""
import argparse
import re
import sys
from pathlib import Path

from tools.series import assemble as S, bases, overlay as O, repo as R
from tools.series.repo import SeriesError


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


def own_files(work, base, parts, final):
    """Files that the series adds, also those that a later commit of it removes."""
    drop, parent = set(final), base
    for commit, _, _ in parts:
        drop |= set(work.names("diff-tree", "-r", "--no-renames", "--name-only",
                               "--diff-filter=A", parent, commit))
        parent = commit
    if drop:
        drop -= set(work.names("ls-tree", "-r", "--name-only", base, "--", *sorted(drop)))
    return drop


def message_of(work, commit):
    """(message, subject)"""
    message = work.git("log", "-1", "--format=%B", commit).stdout.strip(b"\n") + b"\n"
    return message, message.split(b"\n", 1)[0].decode()


def say_folded(work, subject, folded, say):
    for name, by in folded:
        first = work.out("log", "-1", "--format=%s", by)
        say(f"absorb: {name}: what '{subject}' changes is folded into '{first}', which adds it")


def mail(work, commit, headers):
    return work.git("format-patch", "-1", "--stdout", "-N", *R.FORMAT,
                    *[f"--add-header={h}" for h in headers], commit).stdout


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


def write_hooks(folder, old, wanted, say):
    """Make `folder` hold `wanted` ({name: bytes}) in place of the paths `old`."""
    for path in old:
        if path.name not in wanted:
            path.unlink()
            say(f"absorb: removed hook {path.name}")
    for name, text in wanted.items():
        path = folder / name
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != text:
            path.write_bytes(text)
            say(f"absorb: wrote hook {name}")


def absorb(work, base, head, hooks_dir, top, say=print):
    """Write all commits of the default base; returns how many."""
    common = R.common_hooks(hooks_dir)
    old = {hook.subject: hook.name[5:-len(".patch")] for hook in common}
    parts, final = split(work, base, head)
    drop = own_files(work, base, parts, final)
    mails, used = {}, set()
    parent_tree = work.out("rev-parse", f"{base}^{{tree}}")
    parent = base
    for commit, adds, folded in parts:
        message, subject = message_of(work, commit)
        say_folded(work, subject, folded, say)
        tree = without(work, commit, drop)
        if tree == parent_tree and not adds:
            say(f"absorb: '{subject}' has nothing left of its own and is dropped")
            continue
        made = work.commit(tree, parent, message)
        number = len(mails) + 1
        name = slug(subject, old)
        if name in used:
            name = f"{name}-{number}"
        used.add(name)
        mails[f"{number:04d}-{name}.patch"] = mail(work, made, [f"X-Adds: {n}" for n in sorted(adds)])
        parent, parent_tree = made, tree
    write_files(work, head, final, {a for hook in common for a in hook.adds}, top, say)
    write_hooks(hooks_dir, [hook.path for hook in common], mails, say)
    return len(mails)


# -- a base other than the default ------------------------------------------

def overlay_of(work, parent_tree, tree, hook):
    """Bytes of the overlay that makes `hook` lead from one tree to the other, or b''."""
    def read(name):
        return work.git("cat-file", "blob", f"{parent_tree}:{name}").stdout
    with work.index() as git:
        git("read-tree", parent_tree)
        plain = not hook.diff or \
            git("apply", "--cached", "--whitespace=nowarn", "-", data=hook.diff, check=False).returncode == 0
        if plain and git("write-tree").stdout.decode().strip() == tree:
            return b""
        git("read-tree", parent_tree)
        texts, left_out = O.fitting(hook, read)
        R.store(git, texts)
        fitted = git("write-tree").stdout.decode().strip()
    if fitted == tree and not left_out:
        return b""
    diff = work.git("diff-tree", "-p", "-r", "--no-renames", "--unified=3", "--diff-algorithm=myers",
                    "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/",
                    fitted, tree).stdout
    return O.render(hook.subject, left_out, diff)


def check_files(repo, head):
    """New files are what they were when the tree was made."""
    was, now = S.tree_files(repo), S.added_files(repo, head)
    for path in sorted(was.keys() | now.keys()):
        if was.get(path) != now.get(path):
            raise SeriesError(f"{path} is common to all bases: change it with BASE={bases.DEFAULT}")


def again(work, parent, commit):
    """The same commit, with the fixed author and date."""
    made = work.commit(work.out("rev-parse", f"{parent}^{{tree}}"), None, b"parent\n")
    return work.commit(work.out("rev-parse", f"{commit}^{{tree}}"), made, message_of(work, commit)[0])


def check_order(subjects, common, base):
    here = [s for s in subjects if s in common]
    if here != list(common):
        lost = [s for s in common if s not in here]
        raise SeriesError((f"the tree has no commit '{lost[0]}'" if lost else "the commits are in another order")
                          + f": what is common to all bases is changed with BASE={bases.DEFAULT}, not {base}")


def absorb_base(name, work, base, head, hooks_dir, say=print):
    """Write what `name` has of its own; returns how many commits there are.

    New files are common to all bases and are left alone, see check_files().
    """
    hooks = R.common_hooks(hooks_dir)
    common = {hook.subject: hook for hook in hooks}
    folder = hooks_dir / name
    parts, final = split(work, base, head)
    drop = own_files(work, base, parts, final)
    subjects = [message_of(work, commit)[1] for commit, _, _ in parts]
    check_order(subjects, common, name)
    last = max((at for at, subject in enumerate(subjects) if subject in common), default=-1)
    old_own = {R.Hook(p).subject: p.stem for p in sorted(folder.glob("*.patch"))}
    wanted = {}
    parent, parent_tree = base, work.out("rev-parse", f"{base}^{{tree}}")
    for at, (commit, adds, folded) in enumerate(parts):
        message, subject = message_of(work, commit)
        hook = common.get(subject)
        if hook:
            say_folded(work, subject, folded, say)
        elif adds or (folded and at < last):
            raise SeriesError(f"'{subject}' is for {name} only: it may add no file, and change one "
                              "that the series adds only behind all that is common")
        elif at > last:
            wanted[slug(subject, old_own) + ".patch"] = mail(work, again(work, parts[at - 1][0], commit), [])
            continue
        tree = without(work, commit, drop)
        made = work.commit(tree, parent, message)
        if not hook:
            before = next(s for s in subjects[at + 1:] if s in common)
            wanted[slug(subject, old_own) + ".patch"] = mail(work, made, [f"X-Before: {before}"])
        elif message != hook.message:
            raise SeriesError(f"'{subject}' has another message than the common hook: "
                              f"change that with BASE={bases.DEFAULT}")
        else:
            text = overlay_of(work, parent_tree, tree, hook)
            if text:
                wanted[hook.name[5:-len(".patch")] + ".overlay"] = text
        parent, parent_tree = made, tree
    write_hooks(folder, [*sorted(folder.glob("*.patch")), *sorted(folder.glob("*.overlay"))], wanted, say)
    return len(parts)


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
    if not force and S.tree_key(repo) != S.key_of_tree(name, base):
        raise SeriesError("hooks or files in this repository changed since make tree; "
                          f"bring that into {tree} first, or ABSORB_FORCE=1")
    if name == bases.DEFAULT:
        count = absorb(work, base, head, R.HOOKS, R.TOP)
    else:
        check_files(repo, head)
        count = absorb_base(name, work, base, head, R.HOOKS)
    made = R.assemble(repo, name, R.read_hooks(name))
    other = set(repo.names("diff-tree", "-r", "--no-renames", "--name-only", made, head))
    if name != bases.DEFAULT:
        other -= {path for hook in R.common_hooks() for path in hook.adds}
    if other:
        raise SeriesError(f"what was written does not give the tree back: {' '.join(sorted(other))}")
    work.git("checkout", "-q", "-B", "edit", made)
    S.mark_tree(repo, made, name)
    print(f"absorbed {count} patches; the tree stands on the assembled series again")
    for other in bases.others(name):
        try:
            R.read_hooks(other)
        except SeriesError as e:
            print(f"{e}: see make tree BASE={other}")


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", required=True, type=Path, help="build folder, $(O)")
    ap.add_argument("--base", required=True)
    ap.add_argument("--force", action="store_true",
                    help="also when hooks or files changed here since make tree")
    args = ap.parse_args()
    absorb_tree(args.out, args.base, args.force)


if __name__ == "__main__":
    try:
        main()
    except SeriesError as e:
        sys.exit(f"series: {e}")
