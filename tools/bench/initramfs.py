# SPDX-License-Identifier: GPL-2.0-or-later
"""Makes the initramfs of a guest: PID 1, tests, the module of one kernel.

A program NAME is NAME.c in the selftest's directory. It is built there by the
selftest's own Makefile, with the lib.mk of a kernel tree, statically; PID 1,
guest/init.c beside this file, is compiled here. A program is built once per
change of its sources, and only if it is asked for. The kernel's own
gen_init_cpio writes the archive with all times 0, so that equal inputs make
equal archives.

The archive is not a root file system: it has no shell.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tools import TOP

HERE = Path(__file__).resolve().parent
ATS = TOP / "tools/testing/selftests/iommu/ats"
INIT = HERE / "guest/init.c"
COMMON = ("ats_common.c", "ats_runner.c")       # of every program
FENCE = "ats_fence"     # the program of a scenario that names none
MAKE = "make"
CROSS = "aarch64-linux-gnu-"
LINK = ["-static", "-s", "-Wl,--build-id=none"]
CFLAGS = [*LINK, "-O2", "-Wall"]

SELFTESTS = "tools/testing/selftests"
# What the build takes from a kernel tree, but for the headers of the ABI
FROM_TREE = (f"{SELFTESTS}/lib.mk", f"{SELFTESTS}/kselftest.h")
# Some directory as deep as iommu/ats, which the base's tree does not have: make
# looks for "include ../../lib.mk" from there
AS_DEEP = f"{SELFTESTS}/drivers/net"
# Variables of a calling make, and what would change the programs
NOT_FOR_MAKE = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "O", "V", "W", "CFLAGS", "CPPFLAGS",
                "LDFLAGS", "LDLIBS", "TARGET_ARCH", "USERCFLAGS", "LLVM", "ARCH")

SPEC = """\
dir /dev 0755 0 0
nod /dev/console 0600 0 0 c 5 1
dir /proc 0755 0 0
dir /sys 0755 0 0
dir /module 0755 0 0
file /init {programs}/init 0755 0 0
{tests}{module}"""


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
    return INIT if name == "init" else ATS / f"{name}.c"


def env_for_make():
    return {k: v for k, v in os.environ.items() if k not in NOT_FOR_MAKE}


def make_argv(name, output, ksrc):
    """The selftest's own Makefile, for one program in output.

    The tests use interfaces of the kernel beside them: its headers, not the
    compiler's older ones, and not installed: that would take a kernel build.
    """
    headers = f"-isystem {ksrc}/include/uapi -D__EXPORTED_HEADERS__ -D__user="
    return [MAKE, "-s", "-C", ATS, "-I", ksrc / AS_DEEP, f"CROSS_COMPILE={CROSS}", f"OUTPUT={output}",
            f"KHDR_INCLUDES={headers}", f"USERLDFLAGS={' '.join(LINK)}", output / name]


def recipe(name, output, ksrc):
    """(command, files that it depends on) to build a program in output."""
    if name == "init":
        return [f"{CROSS}gcc", *CFLAGS, "-o", output / name, INIT], [INIT]
    sources = [ATS / "Makefile", source(name), *(ATS / c for c in COMMON), *sorted(ATS.glob("*.h")),
               ATS / "module/ats_testdev_uapi.h", *(ksrc / f for f in FROM_TREE)]
    return make_argv(name, output, ksrc), sources


def build_program(name, dest, ksrc):
    """Builds one program into dest, unless it is up to date."""
    # Another run may be at it, or about to pack the old one
    part = dest / f"{name}.{os.getpid()}.part"
    command, sources = recipe(name, part, ksrc)
    missing = [p for p in sources if not p.exists()]
    if missing:
        raise BuildError(f"{missing[0]}: not there")
    key = digest(sources, " ".join(map(str, command)).replace(str(part), ""))
    stamp = dest / f"{name}.key"
    if stamp.exists() and stamp.read_text() == key and (dest / name).exists():
        return
    part.mkdir()
    try:
        run(command, env=env_for_make())
        (part / name).replace(dest / name)
    finally:
        shutil.rmtree(part)
    stamp.write_text(key)


def build_programs(dest, ksrc, names=(FENCE,)):
    """Builds init and the named programs into dest, and returns dest."""
    dest = Path(dest).resolve()
    dest.mkdir(parents=True, exist_ok=True)
    for name in ("init", *names):
        build_program(name, dest, Path(ksrc).resolve())
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
    """Writes the archive for one module and the named programs to dest. For KUnit there are neither."""
    dest = Path(dest)
    dest.parent.mkdir(parents=True, exist_ok=True)
    # Two runs may make the same archive at the same time
    spec = dest.with_suffix(f".{os.getpid()}.spec")
    tests = "".join(f"file /{name} {programs}/{name} 0755 0 0\n" for name in names)
    line = f"file /module/ats_testdev.ko {module} 0644 0 0\n" if module else ""
    spec.write_text(SPEC.format(programs=programs, tests=tests, module=line))
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
