#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""make series, make tree: hooks and new files become commits, mails, a work tree.

Reads tools/series/hooks/ and the files that they claim; writes $(O)/linux
(see repo.py), $(O)/series/<base>/*.patch and $(O)/tree. Same input, same bytes.
Does not fetch or unpack any source (tools/setup does), does not build.
"""
import argparse
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import bases                                                   # noqa: E402
import repo as R                                               # noqa: E402
from repo import SeriesError                                   # noqa: E402


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


def open_repo(out, base):
    """$(O)/linux with base and series assembled; returns (repo, version)."""
    src, version = source_of(out)
    have, _ = R.kernel_version(src)
    if have != base:
        raise SeriesError(f"{src} is a {have} kernel, BASE is {base}")
    own = version.endswith("(own tree)")
    repo = R.import_source(out / "linux", src, version, pristine=not own)
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
    cover = dest / "0000-cover-letter.patch"
    subject, body = cover_text(R.TOP / "tools/series/cover-letter.md")
    # No base-commit: the base is a distribution's tree, in nobody's git.
    body += f"\n\nBase: Linux {version}, imported as it is.\n"
    text = cover.read_text()
    # The mail's own date would be the time of this run.
    text = re.sub(r"^Date: .*$", "Date: Thu, 1 Jan 2026 00:00:00 +0000", text, count=1, flags=re.M)
    text = text.replace("*** SUBJECT HERE ***", subject).replace("*** BLURB HERE ***\n", body)
    cover.write_text(text)
    return count


def make_tree(repo, out):
    """A work tree to edit, one commit per patch; never over unabsorbed work."""
    tree = out / "tree"
    start = repo.ref(R.R_SERIES)
    if tree.exists():
        work = R.Repo(tree)
        dirty = work.out("status", "--porcelain", "-uno")
        head, was = work.ref("HEAD"), repo.ref("refs/atc/tree-start")
        if head == start:
            repo.git("update-ref", "refs/atc/tree-start", start)
            return tree
        if dirty or head != was:
            raise SeriesError(f"{tree} has edits that are not absorbed: make absorb, or remove it")
        work.git("checkout", "-q", "-B", "edit", start)
    else:
        repo.git("worktree", "prune")
        repo.git("worktree", "add", "-q", "-f", "-B", "edit", str(tree.resolve()), start)
    repo.git("update-ref", "refs/atc/tree-start", start)
    repo.git("update-ref", "refs/atc/tree-base", repo.ref(R.R_BASE))
    return tree


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("what", choices=["repo", "series", "tree"])
    ap.add_argument("--out", required=True, type=Path, help="build folder, $(O)")
    ap.add_argument("--base", default=bases.DEFAULT, choices=sorted(bases.BASES))
    ap.add_argument("--sob", default="")
    args = ap.parse_args()
    sob = parse_sob(args.sob)
    repo, version = open_repo(args.out, args.base)
    if args.what == "series":
        dest = args.out / "series" / args.base
        count = export(repo, args.base, version, dest, sob)
        print(f"{dest}: cover letter and {count} patches for Linux {version}")
    elif args.what == "tree":
        tree = make_tree(repo, args.out)
        print(f"{tree}: one commit per patch; edit, commit --amend or rebase -i, then make absorb")


if __name__ == "__main__":
    try:
        main()
    except SeriesError as e:
        sys.exit(f"series: {e}")
