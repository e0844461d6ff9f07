# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of ktap.py: what a parser of results must never take for a pass."""

import io
import unittest

from tools import ktap

KSELFTEST = """\
TAP version 13
1..3
# scenario=reset
# ep0.sid=0x8
# what it is about
ok 1 positive control: every hammer is seen in memory
not ok 2 no write lands after the flush returned
ok 3 # SKIP not here
# Totals: pass:1 fail:1 xfail:0 xpass:0 skip:1 error:0
# verdict: fail
"""

KUNIT = """\
[    0.300000] KTAP version 1
[    0.300001] 1..2
[    0.300002]     KTAP version 1
[    0.300003]     # Subtest: arm-smmu-v3-kunit-test
[    0.300004]     # module: arm_smmu_v3_test
[    0.300005]     1..2
[    0.300006]     ok 1 arm_smmu_v3_write_ste_test_bypass_to_abort
[    0.300007] random: crng init done
[    0.300008]     ok 2 arm_smmu_v3_write_ste_test_abort_to_bypass
[    0.300009] # arm-smmu-v3-kunit-test: pass:2 fail:0 skip:0 total:2
[    0.300010] ok 1 arm-smmu-v3-kunit-test
[    0.300011]     KTAP version 1
[    0.300012]     1..1
[    0.300013]         KTAP version 1
[    0.300014]         # Subtest: params
[    0.300015]         ok 1 first
[    0.300016]         ok 2 second # SKIP no such thing
[    0.300017]     ok 1 params
[    0.300018] ok 2 other
"""


def parse(text):
    return ktap.Ktap(text.splitlines())


class Read(unittest.TestCase):
    def test_kselftest(self):
        k = parse(KSELFTEST)
        self.assertEqual(k.problems, [])
        self.assertEqual([c.name for c in k.cases],
                         ["positive control: every hammer is seen in memory",
                          "no write lands after the flush returned", "not here"])
        self.assertEqual([c.number for c in k.failed()], [2])
        self.assertEqual(k.cases[2].directive, "SKIP")
        self.assertEqual(k.values["scenario"], "reset")
        self.assertEqual(k.number("ep0.sid"), 8)
        self.assertIsNone(k.number("scenario"))
        self.assertEqual(k.number("nothing", -1), -1)

    def test_kunit_in_a_console_log(self):
        k = parse(KUNIT)
        self.assertEqual(k.problems, [])
        self.assertEqual(len(k.leaves()), 4)
        self.assertEqual([c.name for c in k.cases if c not in k.leaves()],
                         ["arm-smmu-v3-kunit-test", "params", "other"])

    def test_a_suite_without_case_lines_is_no_parent(self):
        k = parse("1..1\n    KTAP version 1\n    1..25\nok 1 suite\n")
        self.assertEqual(k.problems, ["25 results planned, 0 seen"])
        self.assertEqual([c.name for c in k.leaves()], ["suite"])

    def test_nothing_is_a_problem(self):
        self.assertEqual(parse("").problems, ["no result line"])
        self.assertEqual(parse("1..2\n").problems, ["2 results planned, 0 seen", "no result line"])

    def test_a_plan_that_was_not_kept(self):
        self.assertEqual(parse("1..3\nok 1 a\nok 2 b\n").problems, ["3 results planned, 2 seen"])

    def test_bail_out(self):
        k = parse("TAP version 13\n1..7\nok 1 a\nBail out! /dev/ats_testdev: gone\n")
        self.assertIn("Bail out! /dev/ats_testdev: gone", k.problems)

    def test_carriage_returns(self):
        k = parse("1..1\r\n# a=1\r\nok 1 b\r\n")
        self.assertEqual((k.values, k.cases[0].name), ({"a": "1"}, "b"))

    def test_a_log_without_a_plan_was_cut_off(self):
        self.assertIn("no plan", parse("KTAP version 1\nok 1 a\n").problems[0])

    def test_a_result_that_was_lost_leaves_a_gap(self):
        self.assertEqual(parse("1..2\nok 1 a\nok 3 c\n").problems, ["result 2 has the number 3"])

    def test_two_documents_have_a_plan_each(self):
        self.assertEqual(parse("TAP version 13\n1..1\nok 1 a\nTAP version 13\n1..2\nok 1 b\n").problems,
                         ["2 results planned, 1 seen"])

    def test_a_skip_has_its_reason(self):
        k = parse("1..2\nok 1 a # SKIP no such device\nok 2 # SKIP neither\n")
        self.assertEqual([(c.name, c.reason) for c in k.skipped()], [("a", "no such device"), ("neither", "neither")])

    def test_skipped_failure_is_no_failure(self):
        self.assertEqual(parse("1..1\nnot ok 1 a # SKIP why\n").failed(), [])


def count(text):
    found = parse(text)
    return (*found.count(), found.problems)


class Count(unittest.TestCase):
    def test_flat(self):
        self.assertEqual(count("KTAP version 1\n1..3\nok 1 a\nnot ok 2 b\nok 3 c # SKIP no\n"), (1, 1, 1, []))

    def test_plan_at_the_end(self):
        self.assertEqual(count("ok 1 a\nok 2 b\n1..2\n"), (2, 0, 0, []))

    def test_nested_counts_leaves(self):
        self.assertEqual(count("1..2\n  1..2\n  ok 1 x\n  ok 2 y\nok 1 a\nok 2 b\n"), (3, 0, 0, []))

    def test_nested_failure_counts_once(self):
        self.assertEqual(count("1..1\n  1..2\n  ok 1 x\n  not ok 2 y\nnot ok 1 a\n"), (1, 1, 0, []))

    def test_parent_fails_for_a_reason_of_its_own(self):
        self.assertEqual(count("1..1\n  1..1\n  ok 1 x\nnot ok 1 a\n")[:2], (1, 1))

    def test_lost_result(self):
        self.assertEqual(count("1..3\nok 1 a\n")[3], ["3 results planned, 1 seen"])

    def test_lost_nested_result(self):
        self.assertEqual(count("1..1\n  1..2\n  ok 1 x\nok 1 a\n")[3], ["2 results planned, 1 seen"])

    def test_two_sub_plans_in_a_row(self):
        self.assertEqual(count("1..2\n  1..1\n  ok 1 x\nok 1 a\n  1..2\n  ok 1 x\n  ok 2 y\nok 2 b\n"), (3, 0, 0, []))

    def test_silence_is_no_success(self):
        self.assertEqual(count("hello\n")[3], ["no result line"])

    def test_bail_out(self):
        self.assertTrue(count("1..1\nok 1 a\nBail out! oh\n")[3])

    def test_all_skipped(self):
        self.assertEqual(count("1..0 # SKIP nothing here\n")[:3], (0, 0, 1))

    def test_qtest_tap(self):
        text = "TAP version 13\n# random seed: x\n1..2\n# Start of aarch64 tests\nok 1 /a/b\nok 2 /a/c # SKIP no\n"
        self.assertEqual(count(text), (1, 0, 1, []))


class Write(unittest.TestCase):
    def test_what_is_written_can_be_read(self):
        out = io.StringIO()
        w = ktap.Writer(3, out)
        self.assertTrue(w.test("good", [(True, "a"), (True, "b")], "note"))
        self.assertFalse(w.test("bad", [(True, "a"), (False, "b")]))
        w.skip("rest", "no time")
        self.assertEqual(w.close(), 1)
        k = parse(out.getvalue())
        self.assertEqual(k.problems, [])
        self.assertEqual([c.name for c in k.cases], ["a", "b", "good", "a", "b", "bad", "rest"])
        self.assertEqual([c.name for c in k.failed()], ["b", "bad"])
        self.assertTrue(out.getvalue().endswith("# 1 passed, 1 failed, 1 skipped\n"))

    def test_a_plan_at_the_end(self):
        out = io.StringIO()
        w = ktap.Writer(out=out)
        w.case("a # b", True)
        w.case("c", True, skip="no d")
        self.assertEqual(w.close(), 0)
        self.assertEqual(parse(out.getvalue()).count(), (1, 0, 1))
        self.assertIn("1..2\n", out.getvalue())

    def test_fewer_than_planned_is_no_pass(self):
        w = ktap.Writer(2, io.StringIO())
        w.case("a", True)
        self.assertEqual(w.close(), 1)

    def test_nothing_tested_is_no_pass(self):
        w = ktap.Writer(1, io.StringIO())
        self.assertFalse(w.test("empty", []))
        self.assertEqual(ktap.Writer(0, io.StringIO()).close(), 1)


if __name__ == "__main__":
    unittest.main()
