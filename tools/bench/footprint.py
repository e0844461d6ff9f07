# SPDX-License-Identifier: GPL-2.0-or-later
"""Atomics, barriers and cache lines of a flush, as plugin/footprint.c has counted them.

Builds the plugin, reads what it has written in a guest, and judges one kernel by
another. For each number there is a goal. A goal that is missed is printed. footprint.tsv
says by how much that is known; more than that is a failure.

Not a model of a cache or of a memory bus: it says how much there is of each, not how
long it takes. cost.py boots the guests and has the table.
"""
import csv
import shutil
from collections import namedtuple
from pathlib import Path

from tools import TOP
from tools.bench import initramfs, kernel
from tools.bench.vm import PATCHED, UNPATCHED

HERE = Path(__file__).resolve().parent / "plugin"
REGS = TOP / "tools/testing/selftests/iommu/ats"
OUTPUT = "footprint.txt"
CFLAGS = ("-O2", "-Wall", "-Wextra", "-Wno-unused-parameter")
# Where tools/qemu/build has the source of a QEMU, from its binary
HEADER = "../src/include/qemu"

Footprint = namedtuple("Footprint", "instructions atomics exclusives barriers ordered read written touched")
# What a goal is about: its column, and how many more than the other kernel's it grants
Goal = namedtuple("Goal", "column more")
GOALS = (Goal("atomics", 0), Goal("barriers", 0), Goal("touched", 1))

# Kernel: at most this many instructions of the other kernel's
RATIO = {kernel.WITHOUT_SPEED: 1.02, PATCHED: 1.005}

# What of it is missed, and known to be
KNOWN = Path(__file__).resolve().with_suffix(".tsv")


def build(dest, qemu):
    """The plugin for this QEMU, in dest, unless it is up to date."""
    header = Path(qemu).resolve().parent / HEADER
    if not (header / "qemu-plugin.h").exists():
        raise initramfs.BuildError(f"{header / 'qemu-plugin.h'}: not there: tools/qemu/build leaves it beside QEMU")
    dest = Path(dest).resolve()
    dest.mkdir(parents=True, exist_ok=True)
    flags = initramfs.run(["pkg-config", "--cflags", "--libs", "glib-2.0"]).decode().split()
    made, stamp = dest / "footprint.so", dest / "footprint.key"
    command = ["cc", *CFLAGS, "-shared", "-fPIC", "-fvisibility=hidden", f"-I{header.resolve()}", f"-I{REGS}",
               HERE / "footprint.c", *flags]
    key = initramfs.digest([HERE / "footprint.c", HERE / "decode.h", REGS / "ats-testdev-regs.h",
                            header / "qemu-plugin.h"], " ".join(map(str, command)))
    if not (made.exists() and stamp.exists() and stamp.read_text() == key):
        part = made.with_suffix(".part")
        initramfs.run([*command, "-o", part])
        shutil.move(part, made)
        stamp.write_text(key)
    return made


def argument(plugin):
    """QEMU's -plugin"""
    return f"{plugin},out={OUTPUT}"


def read(text):
    """[Footprint] of each round. ValueError: something else is in it."""
    try:
        return [Footprint(*map(int, line.split())) for line in text.splitlines()]
    except TypeError as e:
        raise ValueError(f"a round has {len(Footprint._fields)} numbers: {e}") from e


def read_known(path=KNOWN):
    """{(way, kernel, other, column): [limit or None]}, one for each number of functions."""
    with open(path, encoding="utf-8", newline="") as fh:
        rows = [cells for cells in csv.reader(fh, delimiter="\t") if cells and not cells[0].startswith("#")]
    return {tuple(cells[:4]): [None if cell == "-" else float(cell) for cell in cells[4:]] for cells in rows}


def judge(compared, at, old, new, known):
    """([goal that is missed], is it no worse than known).

    `compared`: way, kernel and the other one; `at`: which of the numbers of functions
    it is, in the order of cost.py.
    """
    values = [("ratio", new.instructions / (old.instructions or 1), RATIO[compared[1]])]
    values += [(goal.column, getattr(new, goal.column) - getattr(old, goal.column), goal.more) for goal in GOALS]
    # A round of nothing is none
    missed, ok = [], min(*old, *new) > 0
    for column, value, goal in values:
        limits = known.get((*compared, column))
        limit = limits[at] if limits and limits[at] is not None else goal
        ok = ok and value <= max(limit, goal)
        if value > goal:
            missed.append(f"{column} {value:.3f}" if column == "ratio" else f"{column} +{value}")
    return missed, ok


def title(names):
    """What is compared, for people."""
    says = {UNPATCHED: "the base", kernel.UNCLEARED: "the base that clears no stack", PATCHED: "all parts",
            kernel.WITHOUT_SPEED: "fixes to resets"}
    return " against ".join(says[name] for name in names)
