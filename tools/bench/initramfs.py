# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the initramfs of a guest: PID 1, tests, the module of one kernel.

A program NAME is NAME.c in the selftest's directory, or in guest/ beside this
file, and what the tests share. Programs are compiled once per change of their
sources, statically, and only those that somebody asks for; the archive is written by the kernel's own gen_init_cpio with all times 0, so that
equal inputs make equal archives.

Not a root file system: there is no shell in it.
"""

import argparse
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from tools import TOP

HERE = Path(__file__).resolve().parent
ATS = TOP / "tools/testing/selftests/iommu/ats"
GUEST = HERE / "guest"
FENCE = "ats_fence"     # the program of a scenario that names none
CC = "aarch64-linux-gnu-gcc"
CFLAGS = ["-static", "-s", "-O2", "-Wall", "-pthread", "-Wl,--build-id=none"]

SPEC = """\
dir /dev 0755 0 0
nod /dev/console 0600 0 0 c 5 1
dir /proc 0755 0 0
dir /sys 0755 0 0
file /init {programs}/init 0755 0 0
{tests}file /ats_testdev.ko {module} 0644 0 0
"""


class BuildError(Exception):
    pass


def run(argv, **kw):
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              check=False, **kw)
    except OSError as e:
        raise BuildError(f"{argv[0]}: {e.strerror}") from e
    if done.returncode:
        raise BuildError(f"{' '.join(map(str, argv))}:\n{done.stderr.decode(errors='replace')}")
    return done.stdout


def digest(paths, extra=""):
    h = hashlib.sha256(extra.encode())
    for path in paths:
        h.update(path.name.encode() + b"\0" + path.read_bytes())
    return h.hexdigest()


def source(name):
    for folder in (ATS, GUEST):
        path = folder / f"{name}.c"
        if path.exists():
            return path
    raise BuildError(f"{ATS / name}.c: not there")


def build_program(name, dest, ksrc):
    """Compiles one program into dest, unless it is up to date.

    The kernel's uapi headers are its own, not the compiler's older ones, and not
    installed: that would take a kernel build.
    """
    kselftest = ksrc / "tools/testing/selftests"
    sources, headers = [source(name)], []
    if name != "init":
        sources.append(ATS / "ats_common.c")
        headers = [*sorted(ATS.glob("*.h")), ATS / "module/ats_testdev_uapi.h",
                   kselftest / "kselftest.h"]
    missing = [p for p in headers if not p.exists()]
    if missing:
        raise BuildError(f"{missing[0]}: not there")
    flags = [*CFLAGS, "-isystem", kselftest, "-iquote", ATS, "-isystem", ksrc / "include/uapi",
             "-D__EXPORTED_HEADERS__", "-D__user="]
    key = digest(sources + headers, " ".join(map(str, [CC, *flags])))
    stamp = dest / f"{name}.key"
    if stamp.exists() and stamp.read_text() == key and (dest / name).exists():
        return
    # Another run may be at it, or about to pack the old one
    part = dest / f"{name}.{os.getpid()}.part"
    try:
        run([CC, *flags, "-o", part, *sources])
        part.replace(dest / name)
    finally:
        part.unlink(missing_ok=True)
    stamp.write_text(key)


def build_programs(dest, ksrc, names=(FENCE,)):
    """Compiles init and the named programs into dest, and returns dest."""
    dest = Path(dest)
    dest.mkdir(parents=True, exist_ok=True)
    for name in ("init", *names):
        build_program(name, dest, Path(ksrc))
    return dest


def find_gen_init_cpio(dest, ksrc, obj=None):
    """The one that a kernel build left, or one compiled from its source."""
    if obj and os.access(Path(obj) / "usr/gen_init_cpio", os.X_OK):
        return Path(obj) / "usr/gen_init_cpio"
    tool = Path(dest) / "gen_init_cpio"
    if not tool.exists():
        tool.parent.mkdir(parents=True, exist_ok=True)
        run(["cc", "-O2", "-o", tool, Path(ksrc) / "usr/gen_init_cpio.c"])
    return tool


def build(dest, programs, module, gen, names=(FENCE,)):
    """Writes the archive for one module and the named programs to dest."""
    dest = Path(dest)
    dest.parent.mkdir(parents=True, exist_ok=True)
    # Two runs may make the same archive at the same time
    spec = dest.with_suffix(f".{os.getpid()}.spec")
    tests = "".join(f"file /{name} {programs}/{name} 0755 0 0\n" for name in names)
    spec.write_text(SPEC.format(programs=programs, tests=tests, module=module))
    part = dest.with_suffix(f".{os.getpid()}.part")
    try:
        part.write_bytes(run([gen, "-t", "0", spec]))
        part.replace(dest)
    finally:
        spec.unlink()
        part.unlink(missing_ok=True)
    return dest


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--module", required=True, help="ats_testdev.ko of the kernel to boot")
    p.add_argument("--ksrc", required=True, help="kernel source, for kselftest.h")
    p.add_argument("--obj", help="object directory of a kernel, for gen_init_cpio")
    p.add_argument("--programs", required=True, help="directory for the compiled programs")
    p.add_argument("archive")
    p.add_argument("names", nargs="*", default=[FENCE], help=f"programs (default: {FENCE})")
    a = p.parse_args()
    try:
        programs = build_programs(a.programs, a.ksrc, a.names)
        gen = find_gen_init_cpio(a.programs, a.ksrc, a.obj)
        build(a.archive, programs, Path(a.module).resolve(), gen, a.names)
    except BuildError as e:
        sys.exit(f"initramfs: {e}")


if __name__ == "__main__":
    main()
