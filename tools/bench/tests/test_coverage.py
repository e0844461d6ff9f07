# SPDX-License-Identifier: GPL-2.0-or-later
"""coverage.py: the rule for conditions, counters in a log, exceptions."""
import tempfile
import unittest
from pathlib import Path

from tools.bench import coverage, kernel

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
    """What the report is given."""

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
        self.coverage = coverage.Coverage(SOURCE, range(1, 20))

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


    def test_only_what_the_series_adds(self):
        found = coverage.Coverage(SOURCE, [6])
        found.add([line(6, 0), line(8, 0)])
        self.assertEqual(list(found.gaps()), [6])

    def test_branches_of_a_header_are_its_users(self):
        found = coverage.Coverage(SOURCE, [6], branches=False)
        found.add([line(6, 1, [1, 0])])
        self.assertEqual(dict(found.gaps()), {})

    def test_as_many_ways_as_the_longest(self):
        self.coverage.add([line(6, 1, [1, 1]), line(6, 1, [1, 1, 1, 0])])
        self.assertEqual([g.what for g in self.coverage.gaps()[6]], ["branch"])


class Judging(unittest.TestCase):
    def judge(self, lines, exceptions):
        found = coverage.Coverage(SOURCE, range(1, 20))
        found.add(lines)
        report = Lines()
        coverage.judge({"d/a.c": found}, exceptions, report)
        return [ok for _, ok, _ in report]

    def test_a_file_that_nothing_counts_fails_unless_listed(self):
        gap = coverage.Gap("d/a.c", "file", "-")
        self.assertEqual(self.judge([], {}), [False])
        self.assertEqual(self.judge([], {gap: "no such hardware"}), [True, True])
        self.assertEqual(self.judge([line(8, 1)], {gap: "no such hardware"}), [True, False])

    def test_a_header_need_not_have_code(self):
        report = Lines()
        coverage.judge({"d/a.h": coverage.Coverage("int a;\n", [1], False)}, {}, report)
        self.assertEqual(report, [])

    def test_a_gap_fails_unless_listed(self):
        gap = coverage.Gap("f", "line", "return 1;")
        self.assertEqual(self.judge([line(8, 0)], {}), [False])
        self.assertEqual(self.judge([line(8, 0)], {gap: "why"}), [True, True])

    def test_an_exception_that_is_covered_fails(self):
        gap = coverage.Gap("f", "line", "return 1;")
        self.assertEqual(self.judge([line(8, 1)], {gap: "why"}), [True, False])

    def test_an_exception_by_chance_may_be_covered_but_not_gone(self):
        gap = coverage.Gap("f", "line", "return 1;")
        for count in (0, 1):
            self.assertEqual(self.judge([line(8, count)], {gap: "by chance: why"}), [True, True])
        self.assertEqual(self.judge([line(7, 1, [1, 1])], {gap: "by chance: why"}), [True, False])

    def test_the_file_of_exceptions_is_well_formed(self):
        coverage.read_exceptions(coverage.EXCEPTIONS)

    def test_what_is_no_exception_is_refused(self):
        good = "f\tline\treturn 1;\twhy\n"
        for text, why in (("f\tline\treturn 1;\t\n", "no reason"), ("d/a.c\tleast\t50 %\twhy\n", "a share of a file"),
                          (good + good, "twice")):
            with self.subTest(why), tempfile.TemporaryDirectory() as tmp:
                path = Path(tmp) / "x.tsv"
                path.write_text(text)
                with self.assertRaises(coverage.CoverageError):
                    coverage.read_exceptions(path)


class Logs(unittest.TestCase):
    def test_counters_of_one_object(self):
        with tempfile.TemporaryDirectory() as tmp:
            log = Path(tmp) / "verdict.log"
            log.write_text("ok 1\n# gcda /tmp/o/x/a.gcda 0aff\r\n# gcda /tmp/o/x/b.gcda 00\n"
                           "# gcda /tmp/o/other/a.gcda 01\n# verdict: pass\n")
            self.assertEqual(coverage.counters([log], "x/a.c"), [(log, b"\x0a\xff")])


class Diffs(unittest.TestCase):
    def test_lines_that_a_diff_adds(self):
        diff = ("--- a/x.c\n+++ b/x.c\n@@ -1,0 +2,3 @@ int f(void)\n+a\n+b\n+c\n"
                "@@ -9 +12 @@\n-a\n+b\n@@ -20,2 +22,0 @@\n-a\n-b\n")
        self.assertEqual(kernel.added(diff), [2, 3, 4, 12])

    def test_what_tests_the_series_is_not_counted(self):
        for name in ("arm-smmu-v3-atc-queue-test.c", "arm-smmu-v3-fake.c", "arm-smmu-v3-fake-steps.c"):
            self.assertTrue(kernel.TEST_CODE.search(f"{kernel.DRIVER}/{name}"))
        self.assertFalse(kernel.TEST_CODE.search(f"{kernel.DRIVER}/arm-smmu-v3-atc.c"))


if __name__ == "__main__":
    unittest.main()
