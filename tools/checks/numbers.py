# SPDX-License-Identifier: GPL-2.0-or-later
"""Measured numbers in documents: written by a command, and still true? KTAP.

A table of measured numbers stands in a block,

    <!-- numbers: NAME begin -->
    ...
    <!-- numbers: NAME end -->

which --update writes from what the measuring command has left in OUT:

    python3 -m tools.checks.numbers --out build --update [NAME...]

Numbers that are the same in each run (those of cost.py) are compared with the
ones that cost.py has just measured. A ratio may differ by 0.01: other patch
levels of the kernel and of the compiler give another instruction or two. Numbers
that differ from run to run say by which command, at which commit and when they
were measured. --update refuses those that are older than the commit.

Not a search for numbers in prose: there should be none.
"""
import argparse
import csv
import datetime
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Callable, NamedTuple

from tools import TOP, ktap
from tools.bench import cost, footprint, kernel
from tools.bench.vm import PATCHED, UNPATCHED
from tools.series import bases

MARK = re.compile(r"^<!-- numbers: ([\w-]+) (begin|end) -->$")
ORIGIN = re.compile(r"^Measured by `([^`]+)` at commit ([0-9a-f]{7,40}) on (\d{4}-\d\d-\d\d)", re.M)
RATIO = re.compile(r"(?<![\w.])\d+\.\d\d(?![\w.])")
TOLERANCE = 0.01
# Which of several flushes waits for which timeout is a race; tools/bench/cost.py has a limit for it
VARIES = "flushes at once"
DOCUMENTS = ("README.md", "tools/bench/README.md", *sorted(str(p.relative_to(TOP)) for p in TOP.glob("tools/series/*/cover-letter.md")))


class NumbersError(Exception):
    pass


class Block(NamedTuple):
    command: str            # that measures
    source: str             # what it leaves in OUT
    render: Callable        # (path of source) -> text
    exact: bool             # the same in each run


# -- rendering -------------------------------------------------------------------

def markdown(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def read_cost(path):
    """{(section, row): {column: cell}} of cost.tsv. A column "patched" or "other" belongs
    to the one before it."""
    found, head = {}, []
    with open(path, encoding="utf-8", newline="") as fh:
        for cells in csv.reader(fh, delimiter="\t"):
            if cells[:2] == ["section", "row"]:
                head = [f"{cells[n - 1]} patched" if name == "patched" else
                        f"other, {cells[n - 1]}" if name == "other" else name for n, name in enumerate(cells)]
            elif cells:
                found[cells[0], cells[1]] = dict(zip(head, cells))
    return found


def cost_cells(rows, way, phase, column):
    return [rows[way, f"{phase}, {n} with ATS"][column] for n in cost.SIZES]


WAYS = (("polled", "CMD_SYNC polled"), ("by MSI", "CMD_SYNC by MSI"))


def render_cost(path):
    """Instructions compared with the unpatched kernel, and the limit of each row."""
    rows, table = read_cost(path), []
    for name, way in WAYS:
        for phase, what, limit in cost.PHASES:
            ratios = [f"{float(cell):.2f}" for cell in cost_cells(rows, way, phase, "ratio")]
            table.append([name, what, *ratios, f"{limit:.3f}"])
    return markdown(["CMD_SYNC", "functions with ATS:", *map(str, cost.SIZES), "limit of `net`"], table)


def render_times(path):
    """Timeouts T until a flush returns."""
    found = [(name, row) for (section, name), row in read_cost(path).items() if section == "time to fence"]
    return markdown(["dead functions, flushes", "design", "unpatched", "patched"],
                    [[name, f"{row['T']} T", f"{float(row['unpatched']):.2f}", f"{float(row['unpatched patched']):.2f}"]
                     for name, row in found])


def render_cost_mail(path):
    """The same for the cover letter, where a CMD_SYNC is polled."""
    rows = read_cost(path)
    lines = [f"  {'endpoints with ATS':28}" + "".join(f"{n:7}" for n in cost.SIZES)]
    for phase, what, _ in cost.PHASES[:2]:
        lines.append(f"  {what:28}" + "".join(f"{float(cell):7.2f}"
                                              for cell in cost_cells(rows, WAYS[0][1], phase, "ratio")))
    return "\n".join(lines)


FOOTPRINTS = ("ratio", *(goal.column for goal in footprint.GOALS), "ordered")


def footprint_goal(names, column):
    """(most that the goal grants, what it is called) of a column, or (None, "")."""
    if column == "ratio":
        limit = footprint.RATIO[names[0]]
        return limit, f"{limit:.3f}"
    more = next((goal.more for goal in footprint.GOALS if goal.column == column), None)
    return more, "" if more is None else f"+{more}"


def footprint_cell(row, names, column):
    """A number and that of the other kernel, or their ratio; in bold if the goal is missed."""
    goal, _ = footprint_goal(names, column)
    if column == "ratio":
        text, value = f"{float(row['ratio']):.3f}", float(row["ratio"])
    else:
        new, old = int(row[column]), int(row[f"other, {column}"])
        text, value = f"{new} ({old})", new - old
    return text if goal is None or value <= goal else f"**{text}**"


def read_footprints(path, way):
    """[(names, {n: {column: cell}})] of footprint.tsv."""
    rows, found = read_cost(path), []
    for names in cost.COMPARED + cost.VARIANTS:
        section = f"{cost.FOOTPRINT}, CMD_SYNC {way}: {footprint.title(names)}"
        found.append((names, {n: rows[section, f"{n} with ATS"] for n in cost.SIZES}))
    return found


def render_footprint(path):
    """Instructions, atomics, barriers and lines, where a CMD_SYNC is polled."""
    words = {"ratio": "instructions", "touched": "lines touched", "ordered": "ordered accesses"}
    table = []
    for names, found in read_footprints(path, WAYS[0][0]):
        for column in FOOTPRINTS:
            cells = [footprint_cell(found[n], names, column) for n in cost.SIZES]
            table.append([footprint.title(names), words.get(column, column), *cells, footprint_goal(names, column)[1]])
    return markdown(["kernels", "", *map(str, cost.SIZES), "goal"], table)


def render_footprint_mail(path):
    """Ratios of instructions for the cover letter of `speed`, which says what "it" is."""
    words = {UNPATCHED: "7.2", kernel.UNCLEARED: "7.2 with it", PATCHED: "all parts",
             kernel.WITHOUT_SPEED: "earlier parts"}
    lines = [f"  {'endpoints with ATS':28}" + "".join(f"{n:7}" for n in cost.SIZES)]
    for names, found in read_footprints(path, WAYS[0][0]):
        what = " : ".join(words[name] for name in names)
        lines.append(f"  {what:28}" + "".join(f"{float(found[n]['ratio']):7.3f}" for n in cost.SIZES))
    return "\n".join(lines)


def render_budget(path):
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()
            if line and not line.startswith("#")]
    table = [[row[0], f"{float(row[1]):.1f}"] for row in rows if float(row[1]) >= 0.05]
    table.append(["sum, some of it side by side", f"{sum(float(row[1]) for row in rows):.0f}"])
    return markdown(["step", "minutes"], table)


STORM = (("attaches", "attaches"), ("faults seen", "faults"), ("resets", "resets"),
         ("looks at EATS in memory", "samples"))


def render_storm(path):
    values = ktap.Ktap(path.read_text(errors="replace").splitlines()).values
    keys = [*((what, f"storm.{key}") for what, key in STORM), ("writes in vain", "rejected"), ("escapes", "escapes")]
    missing = [key for _, key in keys if key not in values]
    if missing:
        raise NumbersError(f"{path}: no {', '.join(missing)}")
    return markdown([what for what, _ in keys], [[f"{int(values[key], 0):,}" for _, key in keys]])


COST, BENCH = "python3 -m tools.bench.cost", "make bench"
SANITIZED = "python3 -m tools.bench.sanitized debug --only"
BLOCKS = {
    "cost": Block(COST, "bench/cost/cost.tsv", render_cost, True),
    "cost-mail": Block(COST, "bench/cost/cost.tsv", render_cost_mail, True),
    "times": Block(COST, "bench/cost/cost.tsv", render_times, True),
    "footprint": Block(BENCH, "bench/cost/footprint.tsv", render_footprint, False),
    "footprint-mail": Block(BENCH, "bench/cost/footprint.tsv", render_footprint_mail, False),
    "budget": Block("make check", "budget.tsv", render_budget, False),
    "storm": Block(f"{SANITIZED} storm.poll", "bench/debug/storm.poll/verdict.log", render_storm, False),
    "storm-long": Block(f"{SANITIZED} storm-long.poll --limit 3000", "bench/debug/storm-long.poll/verdict.log",
                        render_storm, False),
}


# -- blocks in documents -----------------------------------------------------------

def split(text, name):
    """[(block or "", [line])] of a document. Marks belong to what is around them."""
    parts, inside = [("", [])], ""
    for line in text.split("\n"):
        mark = MARK.match(line)
        if not mark:
            parts[-1][1].append(line)
            continue
        if mark[2] == "begin" and inside or mark[2] == "end" and inside != mark[1]:
            raise NumbersError(f"{name}: {line}: not closed, or not open")
        if mark[1] not in BLOCKS:
            raise NumbersError(f"{name}: {line}: nobody writes such a block")
        if mark[2] == "begin":
            parts[-1][1].append(line)
            parts.append((mark[1], []))
            inside = mark[1]
        else:
            parts.append(("", [line]))
            inside = ""
    if inside:
        raise NumbersError(f"{name}: block {inside} does not end")
    return parts


def blocks(text, name):
    return [(block, "\n".join(lines).strip("\n")) for block, lines in split(text, name) if block]


def join(parts):
    return "\n".join(line for _, lines in parts for line in lines)


# -- are they true -----------------------------------------------------------------

def ratios(text):
    """Those of the lines that are the same in each run."""
    return [found for line in text.splitlines() if VARIES not in line for found in RATIO.findall(line)]


def differences(here, measured):
    """What in a block is not what was measured: anything but ratios has to be equal."""
    if RATIO.sub("#", here) != RATIO.sub("#", measured):
        return ["another table than the one that was measured"]
    return [f"{a} here, {b} measured" for a, b in zip(ratios(here), ratios(measured))
            if round(abs(float(a) - float(b)), 4) > TOLERANCE]


def judge_exact(block, here, out):
    source = out / block.source
    if not source.exists():
        return [f"{source} is not there: run {block.command}"]
    try:
        return differences(here, block.render(source))
    except (KeyError, ValueError, NumbersError) as e:
        return [f"{source} cannot be read: {e!r}"]


def is_ancestor(commit):
    """None where the history is not there to tell."""
    def git(*args):
        return subprocess.run(["git", "-c", "safe.directory=*", *args], cwd=TOP, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, check=False)
    if git("rev-parse", "--is-shallow-repository").stdout.strip() != "false":
        return None
    return git("merge-base", "--is-ancestor", commit, "HEAD").returncode == 0


def judge_origin(block, here, ancestor=is_ancestor):
    found = ORIGIN.search(here)
    if not found:
        return ["says not by which command, at which commit and when it was measured"]
    bad = []
    if found[1] != block.command:
        bad.append(f"measured by {found[1]}, not by {block.command}")
    if ancestor(found[2]) is False:
        bad.append(f"measured at {found[2]}, which is not in the history")
    try:
        datetime.date.fromisoformat(found[3])
    except ValueError:
        bad.append(f"{found[3]} is no date")
    if len(here.splitlines()) < 4:
        bad.append("there are no numbers")
    return bad


def judge(block, here, out):
    return judge_exact(block, here, out) if block.exact else judge_origin(block, here)


# -- writing -------------------------------------------------------------------------

def origin(block, source):
    """When and at which commit a file was measured. It must not be older than that."""
    def git(*args):
        return subprocess.run(["git", "-c", "safe.directory=*", *args], cwd=TOP, stdout=subprocess.PIPE,
                              text=True, check=True).stdout.strip()
    commit, stamp = git("log", "-1", "--format=%h %ct").split()
    measured = source.stat().st_mtime
    if measured < int(stamp):
        raise NumbersError(f"{source} was measured before {commit}: run {block.command}")
    day = datetime.datetime.fromtimestamp(measured, datetime.timezone.utc).date()
    return f"Measured by `{block.command}` at commit {commit} on {day}."


def written(name, out):
    block = BLOCKS[name]
    source = out / block.source
    if not source.exists():
        raise NumbersError(f"{source} is not there: run {block.command}")
    text = block.render(source)
    return text if block.exact else f"{origin(block, source)}\n\n{text}"


def update(path, names, out):
    parts = split(path.read_text(encoding="utf-8"), path.name)
    parts = [(block, written(block, out).split("\n") if block in names else lines)
             for block, lines in parts]
    path.write_text(join(parts), encoding="utf-8")


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", default="build", type=Path)
    ap.add_argument("--base", default=bases.DEFAULT)
    ap.add_argument("--update", action="store_true", help="write the blocks instead of judging them")
    ap.add_argument("names", nargs="*", help=f"blocks: {', '.join(BLOCKS)}; default: all")
    args = ap.parse_args()
    names = args.names or list(BLOCKS)
    unknown = set(names) - set(BLOCKS)
    if unknown:
        sys.exit(f"numbers: no block {', '.join(sorted(unknown))}")
    if args.update:
        for document in DOCUMENTS:
            update(TOP / document, names, args.out)
        return 0
    # The blocks are about the default base, and about the distribution's kernel
    other = "BASE is not the one of the tables" if args.base != bases.DEFAULT else \
        "KSRC= is set: numbers are those of another kernel" if os.environ.get("KSRC") else ""
    report, seen = ktap.Writer(), set()
    for document in DOCUMENTS:
        for name, here in blocks((TOP / document).read_text(encoding="utf-8"), document):
            seen.add(name)
            bad = [] if other and BLOCKS[name].exact else judge(BLOCKS[name], here, args.out)
            report.case(f"{document}: {name}", not bad, bad, skip=other if BLOCKS[name].exact else "")
    lost = [name for name in BLOCKS if name not in seen]
    report.case("each block stands in a document", not lost, lost)
    return report.close()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (NumbersError, OSError) as e:
        sys.exit(f"numbers: {e}")
