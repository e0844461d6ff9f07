# SPDX-License-Identifier: GPL-2.0-or-later
"""The one reader and the one writer of KTAP and TAP of this repository.

Reads what KUnit, kselftest.h, GLib and the checks print: results at any depth,
"# key=value" lines, plans at the beginning or at the end. Strips the kernel's
time stamps, so that a console log with KUnit's results can be read.

A document is whole only if every plan was kept, every result has its number,
and it has a plan and a result at all: a log that was cut off, or in which
nothing ran, has problems.

Not a replacement for kunit.py parse, which knows more dialects.
"""

import re
import sys

STAMP = re.compile(r"^\[ *\d+\.\d+\](\[ *[TC]\d+\])? ?")
VERSION = re.compile(r"^( *)(?:K?TAP) version \d+$")
RESULT = re.compile(r"^( *)(not ok|ok)\b(?: (\d+))?(?: (?:- )?(.*))?$")
PLAN = re.compile(r"^( *)1\.\.(\d+)(\s*# SKIP.*)?\s*$", re.I)
VALUE = re.compile(r"^ *# ([A-Za-z][\w.]*)=(.*)$")
# A directive may stand first: "ok 3 # SKIP name", as kselftest.h does
DIRECTIVE = re.compile(r"(?:^|\s)#\s*(SKIP|XFAIL|TODO|TIMEOUT|ERROR)\b\s*", re.I)


class Case:
    """One result line; depth counts the nesting."""

    def __init__(self, depth, ok, number, text):
        self.depth, self.ok, self.number = depth, ok, number
        found = DIRECTIVE.search(text)
        self.directive = found[1].upper() if found else ""
        self.reason = text[found.end():].strip() if found else ""
        self.name = re.split(r"\s+#\s", DIRECTIVE.sub("", text, 1) if text.startswith("#") else text)[0].strip()

    @property
    def skipped(self):
        return self.directive == "SKIP"

    @property
    def failed(self):
        return not self.ok and not self.skipped

    def __repr__(self):
        return f"{'ok' if self.ok else 'not ok'} {self.number} {self.name}"


class Ktap:
    """All results of a log, in order."""

    def __init__(self, lines):
        self.cases, self.values, self.problems = [], {}, []
        self.skipped_whole = 0          # documents "1..0 # SKIP why"
        self._plans, self._counts = {}, {}
        for line in lines:
            self._read(STAMP.sub("", line.rstrip("\r\n")))
        top = min((c.depth for c in self.cases), default=0)
        if self.cases and top not in self._plans:
            self.problems.append("no plan: cut off, or not a whole document")
        self._close(-1)
        if not self.cases and not self.skipped_whole:
            self.problems.append("no result line")

    def _read(self, line):
        found = VERSION.match(line)
        if found:
            return self._close(len(found[1]) - 1)
        found = PLAN.match(line)
        if found:
            return self._plan(len(found[1]), int(found[2]), found[3])
        found = RESULT.match(line)
        if found:
            return self._result(found)
        found = VALUE.match(line)
        if found:
            self.values[found[1]] = found[2].strip()
        elif re.match(r"^ *Bail out!", line):
            self.problems.append(line.strip())
        return None

    def _plan(self, depth, count, skip):
        self._close(depth)
        if depth in self._plans:
            self.problems.append("two plans")
        self._plans[depth] = count
        self._counts.setdefault(depth, 0)
        if skip and not count:
            self.skipped_whole += 1

    def _result(self, found):
        depth = len(found[1])
        self._close(depth)
        self._counts[depth] = count = self._counts.get(depth, 0) + 1
        number = int(found[3]) if found[3] else count
        if number != count:
            self.problems.append(f"result {count} has the number {number}")
        self.cases.append(Case(depth, found[2] == "ok", number, found[4] or ""))

    def _close(self, depth):
        """Compares plan and count of the levels that end here: the deeper ones."""
        for deeper in sorted(d for d in self._counts if d > depth):
            planned, seen = self._plans.pop(deeper, None), self._counts.pop(deeper)
            if planned is not None and planned != seen:
                self.problems.append(f"{planned} results planned, {seen} seen")

    def failed(self):
        return [c for c in self.cases if c.failed]

    def skipped(self):
        return [c for c in self.leaves() if c.skipped]

    def _parent(self, i):
        return i > 0 and self.cases[i - 1].depth > self.cases[i].depth

    def _children(self, i):
        """The results that the one at i sums up, at any depth."""
        for case in reversed(self.cases[:i]):
            if case.depth <= self.cases[i].depth:
                return
            yield case

    def leaves(self):
        """Results that do not sum up others."""
        return [c for i, c in enumerate(self.cases) if not self._parent(i)]

    def count(self):
        """(passed, failed, skipped) leaves. A parent that fails though its
        children passed has a reason of its own, and counts."""
        leaves = self.leaves()
        failed = sum(c.failed for c in leaves)
        failed += sum(c.failed and not any(child.failed for child in self._children(i))
                      for i, c in enumerate(self.cases) if self._parent(i))
        skipped = sum(c.skipped for c in leaves)
        return sum(c.ok and not c.skipped for c in leaves), failed, skipped + self.skipped_whole

    def number(self, key, default=None):
        try:
            return int(self.values[key], 0)
        except (KeyError, ValueError):
            return default


def run(main, *errors):
    """Exits with the status of a check's main(). What keeps it from its work is
    said in the document."""
    try:
        sys.exit(main())
    except errors as e:
        print(f"Bail out! {e}")
        sys.exit(1)


def clean(text):
    """On one line, and without the hash sign, which KTAP keeps for itself."""
    return re.sub(r"\s+", " ", text.replace("#", "")).strip()


class Writer:
    """Prints results as they come, one level of subtests below the top.

    plan: how many results there will be; None where only the end tells. What
    was planned and did not come is a failure.
    """

    def __init__(self, plan=None, out=None):
        self.out, self.plan, self.total = out or sys.stdout, plan, 0
        self.passed = self.failed = self.skipped = 0
        self._print("KTAP version 1")
        if plan is not None:
            self._print(f"1..{plan}")

    def _print(self, text):
        print(text, file=self.out, flush=True)

    def comment(self, text):
        for line in text.splitlines():
            self._print(f"# {line}")

    def _result(self, good, name, note=""):
        self.total += 1
        self._print(f"{'ok' if good else 'not ok'} {self.total} {clean(name)}" + (f" # {note}" if note else ""))

    def case(self, name, ok, details=(), skip=""):
        """One result; details are printed before it."""
        if skip:
            return self.skip(name, skip)
        for line in details:
            self.comment(line)
        self.passed += bool(ok)
        self.failed += not ok
        self._result(ok, name)
        return bool(ok)

    def test(self, name, subtests, note=""):
        """subtests: list of (ok, text). A test without any has failed."""
        self._print("  KTAP version 1")
        self._print(f"  1..{len(subtests)}")
        for n, (ok, text) in enumerate(subtests, 1):
            self._print(f"  {'ok' if ok else 'not ok'} {n} {clean(text)}")
        good = bool(subtests) and all(ok for ok, _ in subtests)
        self.passed += good
        self.failed += not good
        self._result(good, name, note)
        return good

    def skip(self, name, why):
        self.skipped += 1
        self._result(True, name, f"SKIP {why}")
        return True

    def close(self):
        """The exit status: 0 only when something passed and nothing failed."""
        if self.plan is None:
            self._print(f"1..{self.total}")
        self.comment(f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        whole = self.plan in (None, self.total)
        return 0 if whole and self.passed and not self.failed else 1
