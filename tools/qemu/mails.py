# SPDX-License-Identifier: GPL-2.0-or-later
"""The ATS model as a series of mails for QEMU, in the order in which it builds.

A mail is a patch of patches/ with the files that it needs: a trailer "New-file:"
of the patch names each of them, at its path in QEMU's tree. The trailers are not
part of the mails. git am takes the mails on a pristine QEMU 10.0 tree.

Nothing here sends mail or edits patches; build does not use the mails.

usage, from the top of the clone:
  python3 -m tools.qemu.mails write OUT [--sob "Name <mail>"]
  python3 -m tools.qemu.mails check SRC     KTAP: they apply, and give the tree that is built
  python3 -m tools.qemu.mails bisect SRC WORK     KTAP: build QEMU after each mail
SRC is a pristine QEMU source tree, which is not written to.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tools import ktap
from tools.qemu import tree
from tools.qemu.tree import Failure

TRAILER = re.compile(r"^New-file: (\S+)\n", re.M)
BENCH = Path("configs/devices/aarch64-softmmu/bench.mak")
AUTHOR = "ATC fence <atc-fence@invalid>"
ENV = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
       "GIT_COMMITTER_NAME": "mails", "GIT_COMMITTER_EMAIL": "mails@invalid",
       "GIT_AUTHOR_NAME": "mails", "GIT_AUTHOR_EMAIL": "mails@invalid"}


class Mail(NamedTuple):
    name: str                # of its file
    subject: str
    files: list              # new ones, paths in QEMU's tree
    text: str


def git(where, *command, stdin=None):
    """Run git in a work tree whose repository lies beside it; its output."""
    run = subprocess.run(["git", f"--git-dir={where.parent / 'git'}", f"--work-tree={where}", *map(str, command)],
                         cwd=where, env={**os.environ, **ENV}, input=stdin, text=True, check=False,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if run.returncode:
        raise Failure(f"git {command[0]}: {run.stdout.strip()}")
    return run.stdout


# -- the mails --

def new_file(source, name):
    """The part of a patch that adds a file."""
    data = tree.content(source)
    if not data.endswith(b"\n"):
        raise Failure(f"{source} has no newline at its end")
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    lines = data.decode("ascii").splitlines()
    count = f",{len(lines)}" if len(lines) > 1 else ""
    return (f"diff --git a/{name} b/{name}\nnew file mode 100644\nindex {'0' * 40}..{blob}\n"
            f"--- /dev/null\n+++ b/{name}\n@@ -0,0 +1{count} @@\n" + "".join(f"+{line}\n" for line in lines))


def summary(diff):
    run = subprocess.run(["git", "apply", "--stat", "--summary"], input=diff, text=True, check=False,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if run.returncode:
        raise Failure(f"git apply --stat: {run.stdout.strip()}")
    return run.stdout


def mail(patch, number, total, ours, sob):
    """One patch as a mail."""
    head, text = patch.read_text(encoding="ascii").split("\n\n", 1)
    subject = re.search(r"^Subject: \[PATCH\] (.*(?:\n .*)*)", head, re.M)[1].replace("\n", "")
    date = re.search(r"^Date: .*", head, re.M)[0]
    message, diff = text.split("\n---\n", 1)
    diff = diff[diff.index("diff --git"):]
    files = TRAILER.findall(message + "\n")
    missing = [name for name in files if name not in ours]
    if missing:
        raise Failure(f"{patch.name}: New-file: {missing[0]} is not here")
    diff += "".join(new_file(ours[name], name) for name in files)
    message = TRAILER.sub("", message + "\n").rstrip()
    if sob:
        message += f"\n\nSigned-off-by: {sob}"
    return Mail(f"{number:04}-{patch.name.split('-', 1)[1]}", subject, files,
                f"From {'0' * 40} Mon Sep 17 00:00:00 2001\nFrom: {sob or AUTHOR}\n{date}\n"
                f"Subject: [PATCH {number:02}/{total:02}] {subject}\n\n{message}\n---\n{summary(diff)}\n{diff}")


def series(sob=""):
    """All mails. Each file of ours has to be in one of them."""
    ours = {str(name): path for path, name in tree.overlay_files()}
    patches = sorted((tree.HERE / "patches").glob("*.patch"))
    mails = [mail(patch, n, len(patches), ours, sob) for n, patch in enumerate(patches, 1)]
    added = [name for m in mails for name in m.files]
    for name in ours:
        if added.count(name) != 1:
            raise Failure(f"{name} is in {added.count(name)} mails: name it by New-file: in the patch that needs it")
    return mails


def write(out, mails):
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("[0-9][0-9][0-9][0-9]-*.patch"):
        old.unlink()
    for m in mails:
        (out / m.name).write_text(m.text, encoding="ascii")


# -- do they apply? --

def repository(where, src, names):
    """A repository with files of the pristine tree: those in names, or all."""
    where.mkdir(parents=True)
    if names is None:
        shutil.copytree(src, where, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git"))
    for name in names or ():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(src / name, where / name)
    git(where, "init", "-q")
    git(where, "add", "-A", "-f", ".")
    git(where, "commit", "-q", "-m", "pristine")


def apply(work, m):
    git(work, "am", "-q", stdin=m.text)


def differences(result, src):
    """Where the tree that the mails give is not the one that is built."""
    stage = result.parent / "stage"
    built = tree.stage_tree(src, stage)
    there = {Path(name) for name in git(result, "ls-files").splitlines()}
    found = [f"{name}: {'only built' if name in built else 'only in the mails'}" for name in there ^ set(built)]
    return found + [f"{name}: not what is built" for name in there & set(built)
                    if (result / name).read_bytes() != (stage / name).read_bytes()]


def style(src, m):
    """Errors that QEMU's checkpatch.pl finds. The sign-off is the submitter's to add."""
    run = subprocess.run(["perl", src / "scripts/checkpatch.pl", "--no-tree", "--no-signoff", "-q", "-"],
                         input=m.text, text=True, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    found = re.findall(r"^ERROR: .*\n(?:#.*)?", run.stdout, re.M)
    return [f"{m.name}: " + " ".join(f.split()) for f in found] or [f"{m.name}: {run.stdout}"] * (run.returncode > 1)


def attempt(function, *args):
    """The problems that a function returns, or the one that it fails with."""
    try:
        return function(*args) or []
    except Failure as failure:
        return str(failure).splitlines()


def check(src):
    report = ktap.Writer(4)
    mails = []

    def case(title, problems):
        report.case(title, not problems, problems)
    case("each new file is in one mail", attempt(lambda: mails.extend(series())))
    with tempfile.TemporaryDirectory() as scratch:
        result = Path(scratch) / "src"
        names = {name for p in (tree.HERE / "patches").glob("*.patch") for name in tree.patched_paths(p)}

        def apply_all():
            repository(result, src, names)
            for m in mails:
                apply(result, m)
            return [] if mails else ["no mails"]
        applied = attempt(apply_all)
        case("git am takes the mails on a pristine tree", applied)
        case("they give the tree that is built",
             ["they do not apply"] if applied else attempt(differences, result, src))
    case("checkpatch.pl finds no error",
         [line for m in mails for line in style(src, m)] if mails else ["no mails"])
    return report.close()


# -- does each build? --

def devices(work, source):
    """The bench's devices as far as the tree has them, until a mail adds them."""
    text = source.read_text(encoding="ascii")
    if "config ATS_TESTDEV" not in (work / "hw/misc/Kconfig").read_text(encoding="utf-8"):
        text = text.replace("CONFIG_ATS_TESTDEV=y\n", "")
    (work / BENCH).write_text(text, encoding="ascii")


def build(work, jobs):
    begun = not git(work, "ls-files", BENCH).strip()
    if begun:
        devices(work, tree.HERE / BENCH)
    targets = [tree.QEMU]
    if (work / f"{tree.QTEST}.c").exists():
        targets.append(tree.QTEST)
    try:
        with open(work.parent / "log", "ab") as log:
            tree.compile_tree(work, work.parent / "build", jobs, targets, log)
    finally:
        if begun:
            (work / BENCH).unlink()


def bisect(src, where, jobs):
    """Apply and build mail by mail. Goes on behind a mail that does not build."""
    work = where / "src"
    mails = series()
    report = ktap.Writer(len(mails))
    shutil.rmtree(where, ignore_errors=True)
    repository(work, src, None)
    for m in mails:
        began = time.monotonic()
        problems = attempt(apply, work, m) or attempt(build, work, jobs)
        report.case(f"{m.subject}, {time.monotonic() - began:.0f} s", not problems, problems)
    return report.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    verb = verbs.add_parser("write", help="write the mails")
    verb.add_argument("out", type=Path)
    verb.add_argument("--sob", default="", metavar="NAME <MAIL>", help="author and Signed-off-by")
    verb = verbs.add_parser("check", help="KTAP: they apply, and give the tree that is built")
    verb.add_argument("src", type=Path)
    verb = verbs.add_parser("bisect", help="KTAP: build QEMU after each mail")
    verb.add_argument("src", type=Path)
    verb.add_argument("work", type=Path, help="is emptied")
    args = parser.parse_args()
    if args.verb == "write":
        mails = series(args.sob)
        write(args.out, mails)
        print(f"{len(mails)} mails in {args.out}")
        return 0
    src = args.src.resolve()
    if not (src / "VERSION").is_file():
        raise Failure(f"{src} is not a QEMU source tree")
    if args.verb == "check":
        return check(src)
    return bisect(src, args.work.resolve(), int(os.environ.get("JOBS") or os.cpu_count() or 1))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        sys.exit(f"mails: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
