# SPDX-License-Identifier: GPL-2.0-or-later
"""coverage.py: the rule for conditions, counters in a log, exceptions."""
import tempfile
import unittest
from pathlib import Path

from tools.bench import coverage

SOURCE = """\
/* if (comment) && */
#define MACRO(a) ((a) ? 1 : 2)
static int f(int a, int b)
{
	guard(rcu)();
	if (a == 1 ||
	    b == 2)
		return 1;
	print("if (string) || %d", a);
	do {
		a--;
	} while (a > 0);
	b = a ?
		1 : 2;
	return a &&
		b;
}
"""


class Lines(list):
    """What report.Report is given."""

    def case(self, title, ok, details=()):
        self.append((title, bool(ok), list(details)))


def line(number, count, branches=()):
    return {"line_number": number, "function_name": "f", "count": count,
            "branches": [{"count": c, "throw": False, "fallthrough": False} for c in branches]}


class Conditions(unittest.TestCase):
    def test_only_what_is_written_in_the_source(self):
        self.assertEqual(coverage.condition_lines(SOURCE), {6, 7, 8, 12, 13, 14, 15, 16})


class Sums(unittest.TestCase):
    def setUp(self):
        self.coverage = coverage.Coverage(SOURCE)

    def test_guests_add_up(self):
        self.coverage.add([line(6, 3, [3, 0])])
        self.assertEqual([g.what for g in self.coverage.gaps()[6]], ["branch"])
        self.coverage.add([line(6, 1, [0, 1])])
        self.assertEqual(dict(self.coverage.gaps()), {})

    def test_a_macro_has_no_say(self):
        self.coverage.add([line(5, 1, [1, 0])])
        self.assertEqual(dict(self.coverage.gaps()), {})

    def test_a_line_that_did_not_run(self):
        self.coverage.add([line(8, 0)])
        self.assertEqual(self.coverage.gaps()[8], [coverage.Gap("f", "line", "return 1;")])


class Judging(unittest.TestCase):
    def judge(self, lines, exceptions):
        found = coverage.Coverage(SOURCE)
        found.add(lines)
        report = Lines()
        coverage.judge(found, exceptions, report)
        return [ok for _, ok, _ in report]

    def test_a_gap_fails_unless_listed(self):
        gap = coverage.Gap("f", "line", "return 1;")
        self.assertEqual(self.judge([line(8, 0)], {}), [False])
        self.assertEqual(self.judge([line(8, 0)], {gap: "why"}), [True, True])

    def test_an_exception_that_is_covered_fails(self):
        gap = coverage.Gap("f", "line", "return 1;")
        self.assertEqual(self.judge([line(8, 1)], {gap: "why"}), [True, False])

    def test_the_file_of_exceptions_is_well_formed(self):
        coverage.read_exceptions(coverage.EXCEPTIONS)

    def test_an_exception_without_a_reason_is_refused(self):
        with tempfile.TemporaryDirectory() as tmp:
            path = Path(tmp) / "x.tsv"
            path.write_text("f\tline\treturn 1;\t\n")
            with self.assertRaises(coverage.CoverageError):
                coverage.read_exceptions(path)


class Logs(unittest.TestCase):
    def test_counters_of_one_object(self):
        with tempfile.TemporaryDirectory() as tmp:
            log = Path(tmp) / "verdict.log"
            log.write_text("ok 1\n# gcda /tmp/o/a.gcda 0aff\r\n# gcda /tmp/o/b.gcda 00\n# verdict: pass\n")
            self.assertEqual(coverage.counters([log], "a"), [(log, b"\x0a\xff")])


if __name__ == "__main__":
    unittest.main()
