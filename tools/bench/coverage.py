# SPDX-License-Identifier: GPL-2.0-or-later
"""Did every line of the fence run, and every condition go both ways? KTAP.

Reads the counters (.gcda) that the debug kernel's guests left at the end of
their verdict.log, whatever they ran: sanitized.py debug comes first. gcov reads
each together with the notes and the source that kernel.py kept beside the
kernel; here they are added up.

The rule for conditions: a branch counts where the source has a condition
written in it, that is, on the lines of the parentheses of if, while, for and
switch, and of a statement with &&, || or ?:. All other branches are those of
macros and inline functions, which are not this file's to test. What the
compiler makes one comparison (a range of enumerators) is one condition here.

What cannot be reached, by design, stands in coverage.tsv with its reason. An
exception that is covered, or whose line is gone, is a failure as well.

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
from pathlib import Path

HERE = Path(__file__).resolve().parent
from tools import ktap
from tools.bench import kernel as K

GCOV = "aarch64-linux-gnu-gcov"
EXCEPTIONS = HERE / "coverage.tsv"
COUNTERS = re.compile(r"^# gcda (\S+) ([0-9a-f]+)$")

# What was missed: a line ("line") or one way of a condition ("branch")
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
    """[(log, bytes)] of the .gcda of one object in the guests' logs."""
    found = []
    for log in logs:
        for line in log.read_text(errors="replace").splitlines():
            match = COUNTERS.match(line.strip())
            if match and Path(match[1]).name == f"{name}.gcda":
                found.append((log, bytes.fromhex(match[2])))
    return found


def read_gcov(kernel, name, gcda):
    """gcov's view of one guest: the lines of the source file."""
    with tempfile.TemporaryDirectory(prefix="atc-gcov.") as tmp:
        work = Path(tmp)
        (work / f"{name}.gcno").write_bytes((kernel / f"{name}.gcno").read_bytes())
        (work / f"{name}.gcda").write_bytes(gcda)
        proc = subprocess.run([GCOV, "--json-format", "--stdout", "--branch-probabilities",
                               f"{name}.gcda"], cwd=work, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)
    # Counters of another build are told on stderr, and read as 0
    if proc.returncode or "mismatch" in proc.stderr:
        raise CoverageError(proc.stderr.strip().replace("\n", "; "))
    for entry in json.loads(proc.stdout)["files"]:
        if entry["file"].endswith(f"/{name}.c"):
            return entry["lines"]
    raise CoverageError(f"gcov knows no {name}.c")


class Coverage:
    """Counts of all guests, added up."""

    def __init__(self, source):
        self.text = source.splitlines()
        self.conditions = condition_lines(source)
        self.lines = defaultdict(int)
        self.branches = {}
        self.function = {}

    def add(self, lines):
        for line in lines:
            n = line["line_number"]
            # Of a function that was inlined everywhere gcov gives no name
            self.function[n] = line.get("function_name", "(inlined)")
            self.lines[n] += line["count"]
            if n not in self.conditions:
                continue
            new = [b["count"] for b in line["branches"] if not b["throw"]]
            old = self.branches.setdefault(n, [0] * len(new))
            self.branches[n] = [a + b for a, b in zip(old, new)]

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
    """{Gap: reason} of lines "function, line or branch, source text, reason"."""
    found = {}
    for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        fields = [f.strip() for f in line.split("\t")]
        if len(fields) != 4 or fields[1] not in ("line", "branch") or not fields[3]:
            raise CoverageError(f"{path.name}:{n}: not function, line or branch, text, reason")
        found[Gap(*fields[:3])] = fields[3]
    return found


def judge(coverage, exceptions, report):
    gaps = coverage.gaps()
    for function in dict.fromkeys(coverage.function[n] for n in sorted(coverage.function)):
        mine = [n for n in coverage.lines if coverage.function[n] == function]
        branches = [c for n in mine for c in coverage.branches.get(n, [])]
        missed = [f"line {n}: {gap.what} not covered: {gap.text}"
                  + (f" {coverage.branches[n]}" if gap.what == "branch" else "")
                  for n in sorted(mine) for gap in gaps.get(n, []) if gap not in exceptions]
        report.case(f"{function}: {len(mine)} lines, {len(branches)} ways of conditions", not missed, missed)
    open_gaps = {gap for found in gaps.values() for gap in found}
    for gap, reason in exceptions.items():
        report.case(f"exception in {gap.function}: {reason}", gap in open_gaps,
                    [] if gap in open_gaps else [f"covered, or gone: {gap.text}"])


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", default="build", type=Path)
    args = ap.parse_args()
    kernel = args.out / "kernel" / f"patched-{K.DEBUG}"
    logs = sorted((args.out / "bench" / K.DEBUG).glob("*/verdict.log"))
    report = ktap.Writer()
    try:
        guests = counters(logs, K.COVERED)
        report.case(f"guests of the debug kernel left counters: {len(guests)}", guests,
                    [] if guests else [f"none in {args.out}/bench/{K.DEBUG}/*/verdict.log: run sanitized.py first"])
        coverage = Coverage((kernel / f"{K.COVERED}.c").read_text(encoding="utf-8"))
        for log, gcda in guests:
            print(f"# {log.parent.name}")
            coverage.add(read_gcov(kernel, K.COVERED, gcda))
        judge(coverage, read_exceptions(EXCEPTIONS), report)
    except (CoverageError, OSError, ValueError) as e:
        report.case("coverage can be read", False, [str(e)])
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
