# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads KTAP, and writes it.

Reading: results with their nesting, the "# key=value" lines, and what is wrong
with the form (plan and number of results differ, a bail out, no results at
all): a test that printed nothing has not passed. Kernel time stamps in front of
the lines are taken off, so that a console log with KUnit's results can be read.

Not a replacement for kunit.py parse, which knows many more dialects.
"""

import re
import sys

STAMP = re.compile(r"^\[ *\d+\.\d+\](\[ *[TC]\d+\])? ?")
RESULT = re.compile(r"^( *)(not ok|ok) (\d+)(?: (?:- )?(.*))?$")
PLAN = re.compile(r"^( *)1\.\.(\d+)(?: # SKIP.*)?$")
VALUE = re.compile(r"^ *# ([A-Za-z][\w.]*)=(.*)$")
DIRECTIVE = re.compile(r"\s*#\s*(SKIP|XFAIL|TODO|TIMEOUT|ERROR)\b", re.I)


class Case:
    """One result line; depth counts the nesting."""

    def __init__(self, depth, ok, number, text):
        self.depth, self.ok, self.number = depth, ok, number
        found = DIRECTIVE.search(text or "")
        self.directive = found.group(1).upper() if found else ""
        # A directive may stand first: "ok 3 # SKIP name", as kselftest.h does
        name = re.sub(r"^# (SKIP|XFAIL|XPASS|error)\s*", "", text or "")
        self.name = re.split(r"\s+#\s", name)[0].strip()

    def __repr__(self):
        return f"{'ok' if self.ok else 'not ok'} {self.number} {self.name}"


class Ktap:
    """All results of a log, in order."""

    def __init__(self, lines):
        self.cases, self.values, self.problems = [], {}, []
        plans, counts = {}, {}
        for line in lines:
            line = STAMP.sub("", line.rstrip("\r\n"))
            found = PLAN.match(line)
            if found:
                depth = len(found[1])
                plans[depth], counts[depth] = int(found[2]), 0
                continue
            found = RESULT.match(line)
            if found:
                depth = len(found[1])
                self._close(plans, counts, lambda d, depth=depth: d > depth)
                self.cases.append(Case(depth, found[2] == "ok", int(found[3]), found[4]))
                counts[depth] = counts.get(depth, 0) + 1
                continue
            found = VALUE.match(line)
            if found:
                self.values[found[1]] = found[2].strip()
            elif re.match(r"^ *Bail out!", line):
                self.problems.append(line.strip())
        self._close(plans, counts, lambda d: True)
        if not self.cases:
            self.problems.append("no result line")

    def _close(self, plans, counts, chosen):
        """Compares plan and count of the levels that end here."""
        for depth in [d for d in plans if chosen(d)]:
            if plans[depth] != counts.get(depth, 0):
                self.problems.append(f"{plans[depth]} results planned, {counts.get(depth, 0)} seen")
            del plans[depth]

    def failed(self):
        return [c for c in self.cases if not c.ok and c.directive != "SKIP"]

    def leaves(self):
        """Results that do not sum up others."""
        return [c for i, c in enumerate(self.cases)
                if i == 0 or self.cases[i - 1].depth <= c.depth]

    def number(self, key, default=None):
        try:
            return int(self.values[key], 0)
        except (KeyError, ValueError):
            return default


class Writer:
    """Prints results as they come, one level of subtests below the top."""

    def __init__(self, plan, out=sys.stdout):
        self.out, self.count = out, 0
        self.passed = self.failed = self.skipped = 0
        self._print("KTAP version 1")
        self._print(f"1..{plan}")

    def _print(self, text):
        print(text, file=self.out, flush=True)

    def comment(self, text):
        for line in text.splitlines():
            self._print(f"# {line}")

    def test(self, name, subtests, note=""):
        """subtests: list of (ok, text). A test without any has failed."""
        self.count += 1
        self._print("  KTAP version 1")
        self._print(f"  1..{len(subtests)}")
        for n, (ok, text) in enumerate(subtests, 1):
            self._print(f"  {'ok' if ok else 'not ok'} {n} {text}")
        good = bool(subtests) and all(ok for ok, _ in subtests)
        self.passed += good
        self.failed += not good
        note = f" # {note}" if note else ""
        self._print(f"{'ok' if good else 'not ok'} {self.count} {name}{note}")
        return good

    def skip(self, name, why):
        self.count += 1
        self.skipped += 1
        self._print(f"ok {self.count} {name} # SKIP {why}")

    def close(self):
        self._print(f"# {self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        return self.failed == 0 and self.passed > 0
