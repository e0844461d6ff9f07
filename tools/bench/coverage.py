# SPDX-License-Identifier: GPL-2.0-or-later
"""Did every line of the series run, and every condition go both ways? KTAP.

Reads the counters (.gcda) that the debug kernel's guests left at the end of
their verdict.log, whatever they ran: sanitized.py debug comes first. gcov reads
each together with the notes and the sources that kernel.py kept beside the
kernel; here they are added up.

What counts are the lines that the series adds, in each file of the kernel that
it adds or changes, headers included; what only tests the series is left out.

The rule for conditions: a branch counts where the source has a condition
written in it, that is, on the lines of the parentheses of if, while, for and
switch, and of a statement with &&, || or ?:. All other branches are those of
macros and inline functions, which are not these files' to test. Nor are the
branches of a header counted, which each of its users has again. What the
compiler makes one comparison (a range of enumerators) is one condition here.

What is not reached stands in coverage.tsv with its reason, a whole file if the
guest's kernel does not have it. An exception that is covered, or whose line is
gone, is a failure as well. One whose reason begins with "by chance: " may be covered.

Not a measure of tests: a line that ran was not necessarily checked. That is
what the mutants are for.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict, namedtuple
from itertools import zip_longest
from pathlib import Path

HERE = Path(__file__).resolve().parent
from tools import ktap, tables
from tools.bench import kernel as K

GCOV = "aarch64-linux-gnu-gcov"
EXCEPTIONS = HERE / "coverage.tsv"
CHANCE = "by chance: "
COUNTERS = re.compile(r"^# gcda (\S+) ([0-9a-f]+)$")

# What was missed: a line ("line") or one way of a condition ("branch"); or a file
Gap = namedtuple("Gap", "function what text")


class CoverageError(Exception):
    pass


# -- where the source has a condition ----------------------------------------

def blank(text):
    """The source without comments, strings and directives; lines stay."""
    pattern = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
                         r"|^[ \t]*#(?:\\\n|[^\n])*", re.S | re.M)
    return pattern.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)


def closing(code, start):
    """Index of the parenthesis that closes the one at start."""
    depth = 0
    for i in range(start, len(code)):
        depth += {"(": 1, ")": -1}.get(code[i], 0)
        if not depth:
            return i
    return len(code) - 1


def condition_lines(text):
    """Numbers of the lines that a source-level condition stands on."""
    code = blank(text)
    spans = []
    for found in re.finditer(r"\b(?:if|while|for|switch)\s*\(", code):
        spans.append((found.start(), closing(code, found.end() - 1)))
    for found in re.finditer(r"&&|\|\||\?", code):
        ends = [code.find(c, found.end()) for c in ";{}"]
        spans.append((max(code.rfind(c, 0, found.start()) for c in ";{}") + 1,
                      min((e for e in ends if e >= 0), default=len(code) - 1)))
    lines = set()
    for start, end in spans:
        while start < end and code[start].isspace():
            start += 1
        lines.update(range(code.count("\n", 0, start) + 1, code.count("\n", 0, end) + 2))
    return lines


# -- what ran ----------------------------------------------------------------

def counters(logs, name):
    """[(log, bytes)] of the .gcda of one source file in the guests' logs."""
    found = []
    suffix = "/" + str(Path(name).with_suffix(".gcda"))
    for log in logs:
        for line in log.read_text(errors="replace").splitlines():
            match = COUNTERS.match(line.strip())
            if match and match[1].endswith(suffix):
                found.append((log, bytes.fromhex(match[2])))
    return found


def read_gcov(notes, gcda, tree):
    """gcov's view of one object in one guest: {source file: its lines}."""
    with tempfile.TemporaryDirectory(prefix="atc-gcov.") as tmp:
        work = Path(tmp)
        (work / notes.name).write_bytes(notes.read_bytes())
        (work / f"{notes.stem}.gcda").write_bytes(gcda)
        proc = subprocess.run([GCOV, "--json-format", "--stdout", "--branch-probabilities",
                               f"{notes.stem}.gcda"], cwd=work, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)
    # Counters of another build are told on stderr, and read as 0
    if proc.returncode or "mismatch" in proc.stderr:
        raise CoverageError(proc.stderr.strip().replace("\n", "; "))
    return {K.clean_path(entry["file"], tree): entry["lines"] for entry in json.loads(proc.stdout)["files"]}


class Coverage:
    """Counts of all guests for one file, added up; of these lines only."""

    def __init__(self, source, only, branches=True):
        self.text = source.splitlines()
        self.only = set(only)
        self.conditions = condition_lines(source) if branches else set()
        self.lines = defaultdict(int)
        self.branches = {}
        self.function = {}

    def add(self, lines):
        for line in lines:
            n = line["line_number"]
            if n not in self.only:
                continue
            # Of a function that was inlined everywhere gcov gives no name
            self.function[n] = line.get("function_name", "(inlined)")
            self.lines[n] += line["count"]
            if n not in self.conditions:
                continue
            new = [b["count"] for b in line["branches"] if not b["throw"]]
            self.branches[n] = [a + b for a, b in zip_longest(self.branches.get(n, []), new, fillvalue=0)]

    def gaps(self):
        """{line number: [Gap]}"""
        found = defaultdict(list)
        for n, count in sorted(self.lines.items()):
            text = self.text[n - 1].strip()
            if not count:
                found[n].append(Gap(self.function[n], "line", text))
            elif not all(self.branches.get(n, [])):
                found[n].append(Gap(self.function[n], "branch", text))
        return found


# -- judging -----------------------------------------------------------------

def read_exceptions(path):
    """{Gap: reason} of lines "function, line or branch, source text, reason", or "path, file, -, reason"."""
    rows = tables.read_exceptions(path, lambda fields: fields[1] in ("line", "branch", "file"),
                                  "function, line or branch or file, text, reason", CoverageError)
    return {Gap(*what): reason for what, reason in rows.items()}


def judge_file(name, coverage, exceptions, report):
    """Results for each function of one file. Returns its gaps."""
    gaps = coverage.gaps()
    for function in dict.fromkeys(coverage.function[n] for n in sorted(coverage.function)):
        mine = [n for n in coverage.lines if coverage.function[n] == function]
        branches = [c for n in mine for c in coverage.branches.get(n, [])]
        missed = [f"line {n}: {gap.what} not covered: {gap.text}"
                  + (f" {coverage.branches[n]}" if gap.what == "branch" else "")
                  for n in sorted(mine) for gap in gaps.get(n, []) if gap not in exceptions]
        report.case(f"{name}: {function}: {len(mine)} lines, {len(branches)} ways of conditions", not missed, missed)
    return {gap for found in gaps.values() for gap in found}


def judge(files, exceptions, report):
    """files: {path: Coverage}, of all that the series adds lines to."""
    open_gaps = set()
    for path, coverage in files.items():
        whole = Gap(path, "file", "-")
        if coverage.lines:
            open_gaps |= judge_file(Path(path).name, coverage, exceptions, report)
        elif path.endswith(".c"):
            open_gaps.add(whole)
            report.case(f"{path}: is counted", whole in exceptions,
                        [] if whole in exceptions else ["no guest of the debug kernel has counters of it"])
    counted = {(c.function[n], c.text[n - 1].strip()) for c in files.values() for n in c.lines}
    for gap, reason in exceptions.items():
        ok = gap in open_gaps or reason.startswith(CHANCE) and (gap.function, gap.text) in counted
        report.case(f"exception in {gap.function}: {reason}", ok,
                    [] if ok else [f"covered, or gone: {gap.text}"])


def read_all(kept, logs, tree):
    """{path: Coverage} of all files, from all guests."""
    lines = json.loads((kept / "added.json").read_text())
    files = {name: Coverage((kept / name).read_text(encoding="utf-8"), numbers, name.endswith(".c"))
             for name, numbers in lines.items()}
    for name in files:
        notes = (kept / name).with_suffix(".gcno")
        if not name.endswith(".c") or not notes.exists():
            continue
        for _, gcda in counters(logs, name):
            for path, found in read_gcov(notes, gcda, tree).items():
                if path in files:
                    files[path].add(found)
    return files


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", default="build", type=Path)
    args = ap.parse_args()
    kept = args.out / "kernel" / f"patched-{K.DEBUG}" / "gcov"
    logs = sorted((args.out / "bench" / K.DEBUG).glob("*/verdict.log"))
    report = ktap.Writer()
    try:
        guests = sorted({log.parent.name for log, _ in counters(logs, f"{K.DRIVER}/arm-smmu-v3-atc.c")})
        report.case(f"guests of the debug kernel left counters: {len(guests)}", guests,
                    [] if guests else [f"none in {args.out}/bench/{K.DEBUG}/*/verdict.log: run sanitized.py first"])
        report.comment("\n".join(guests))
        judge(read_all(kept, logs, args.out / "linux"), read_exceptions(EXCEPTIONS), report)
    except (CoverageError, OSError, ValueError) as e:
        report.case("coverage can be read", False, [str(e)])
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
