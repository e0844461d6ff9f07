# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU's source tree with the ATS model in it, and its build.

The files beside this one are laid over a pristine tree at their own paths, and
the patches in patches/ change files that are there. A file of the result is
rewritten when its content changes and not otherwise, so that ninja rebuilds as
little as possible. The pristine tree is never written to.

It does not download anything and installs no packages. The command lines are
those of build and of mails.py.
"""

import filecmp
import os
import re
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent

# Directories of QEMU's tree that exist here with the same name
OVERLAY = ("configs", "docs", "hw", "include", "tests")

# One source of truth for the registers, outside of this directory
REGS = HERE.parent / "testing/selftests/iommu/ats/ats-testdev-regs.h"
REGS_DEST = Path("include/hw/misc/ats-testdev-regs.h")

CONFIGURE = [
    "--target-list=aarch64-softmmu",
    "--without-default-features",
    "--without-default-devices",
    "--with-devices-aarch64=bench",
    "--enable-system",
    "--enable-tcg",
    "--enable-plugins",
    "--enable-fdt=system",
    "--enable-trace-backends=log",
    "--disable-download",
    "--disable-install-blobs",
    "--disable-docs",
    "--disable-tools",
    "--disable-guest-agent",
    "--disable-debug-info",
    "--disable-werror",
    "--python=/usr/bin/python3",
]

QEMU = "qemu-system-aarch64"
QTEST = "tests/qtest/ats-testdev-test"


class Failure(Exception):
    """Something the caller can act upon; its text is the only output."""


def overlay_files():
    """Yield (source, path in QEMU's tree) for every file of ours."""
    for top in OVERLAY:
        for path in sorted((HERE / top).rglob("*")):
            if path.is_file():
                yield path, path.relative_to(HERE)
    if not REGS.is_file():
        raise Failure(f"missing register header {REGS}")
    yield REGS, REGS_DEST


def content(path):
    """What a file of ours is in QEMU's tree, where C has no tabs."""
    data = path.read_bytes()
    return data.expandtabs() if path == REGS else data


def patched_paths(patch):
    """Files of QEMU's tree that a patch changes. It adds and removes none."""
    text = patch.read_text(encoding="utf-8")
    if re.search(r"^(---|\+\+\+) /dev/null$", text, re.M):
        raise Failure(f"{patch.name}: adds or removes a file; "
                      "new files belong beside the patches")
    return re.findall(r"^\+\+\+ b/(\S+)", text, re.M)


def stage_tree(src, stage):
    """Make the files that differ from the pristine tree, in a scratch tree."""
    if stage.exists():
        shutil.rmtree(stage)
    stage.mkdir(parents=True)
    for patch in sorted((HERE / "patches").glob("*.patch")):
        for name in patched_paths(patch):
            dest = stage / name
            if dest.exists():
                continue
            if not (src / name).is_file():
                raise Failure(f"{patch.name}: {name} is not in {src}")
            dest.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(src / name, dest)
        run = subprocess.run(
            ["patch", "-p1", "-s", "-f", "--no-backup-if-mismatch",
             "-r", "-", "-i", str(patch)],
            cwd=stage, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if run.returncode:
            why = run.stdout.strip().splitlines()
            raise Failure(f"{patch.name} does not apply to {src}: "
                          f"{why[0] if why else 'patch failed'}")
    for path, name in overlay_files():
        if (src / name).exists():
            raise Failure(f"{name} exists in {src}: change it by a patch")
        dest = stage / name
        dest.parent.mkdir(parents=True, exist_ok=True)
        dest.write_bytes(content(path))
    return sorted(p.relative_to(stage) for p in stage.rglob("*")
                  if p.is_file())


def write_file(path, dest):
    """Replace dest by a copy of path, at once, unless it is the same."""
    if dest.is_file() and filecmp.cmp(path, dest, shallow=False):
        return
    dest.parent.mkdir(parents=True, exist_ok=True)
    part = dest.with_name(dest.name + ".part")
    shutil.copy(path, part)
    os.utime(part)          # newer than what was built from the old content
    os.replace(part, dest)


def make_tree(src, work):
    """Bring work/src to: pristine, plus patches, plus files of ours."""
    tree = work / "src"
    copied = work / "src.copied"
    if not copied.exists():
        shutil.rmtree(tree, ignore_errors=True)
        # Without .git: configure turns -Werror on in a checkout
        shutil.copytree(src, tree, symlinks=True,
                        ignore=shutil.ignore_patterns(".git"))
        copied.touch()

    changed = stage_tree(src, work / "stage")
    manifest = work / "src.changed"
    before = manifest.read_text().split() if manifest.exists() else []
    # The union first: an interruption must not lose sight of a file
    names = {str(n) for n in changed}
    manifest.write_text("\n".join(sorted(names | set(before))) + "\n")
    for name in changed:
        write_file(work / "stage" / name, tree / name)
    for name in set(before) - names:
        if (src / name).is_file():
            write_file(src / name, tree / name)
        else:
            (tree / name).unlink(missing_ok=True)
    manifest.write_text("\n".join(sorted(names)) + "\n")
    return tree


def call(cmd, cwd, log=None):
    """Run a tool; its output goes to a log, or is the caller's to keep or to show."""
    try:
        subprocess.run(cmd, cwd=cwd, check=True, stdout=log, stderr=log)
    except FileNotFoundError as err:
        raise Failure(f"{cmd[0]} is not installed") from err
    except subprocess.CalledProcessError as err:
        raise Failure(f"failed ({err.returncode}) in {cwd}: "
                      f"{' '.join(map(str, cmd[:4]))}") from err


def compile_tree(tree, out, jobs, targets, log=None):
    """Configure when that was not done with these options, then compile."""
    out.mkdir(parents=True, exist_ok=True)
    options = list(CONFIGURE)
    ccache = Path("/usr/lib/ccache/gcc")
    if ccache.exists():
        # --cc='ccache gcc' is refused: it must be one word
        options.append(f"--cc={ccache}")
    done = out / "configured-with"
    want = "\n".join([str(tree)] + options) + "\n"
    if not done.exists() or done.read_text() != want:
        shutil.rmtree(out)
        out.mkdir()
        call([str(tree / "configure")] + options, out, log)
        done.write_text(want)
    call(["ninja", f"-j{jobs}", *targets], out, log)
