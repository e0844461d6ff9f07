# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of selftests.py's judges, with verdicts that a program could have left."""

import unittest
from unittest import mock

from tools.bench import selftests, vm

SCENARIO = """\
  KTAP version 1
  # scenario={name}
  1..2
  ok 1 positive control: every hammer is seen in memory
  {result} 2 no write lands after the flush returned
"""
END = """\
ok 4 the module is unloaded
# Totals: pass:3 fail:0 xfail:0 xpass:0 skip:1 error:0
# exit=0
# taint=0x1000
# verdict: pass
"""


def scenario(number, name, result="ok"):
    return SCENARIO.format(name=name, result=result) + f"{result} {number} {name} #  what it is\n"


GOOD = ("TAP version 13\n1..4\n" + scenario(1, "one") + scenario(2, "two")
        + "ok 3 three # SKIP only by name: it takes long\n" + END)
# What a program left before it ran anything without arguments
USAGE = ("TAP version 13\n# one: what it is\n1..0 # SKIP usage: /ats_fence SCENARIO [key=value...]\n"
         "# exit=4\n# taint=0x1000\n# verdict: fail\n")
GUEST = selftests.Guest("guest", "ats_fence", {}, ["three"])


class ExitStatus(unittest.TestCase):
    LINES = "1..0 # SKIP no ats-testdev endpoint\n# exit={}\n# taint=0x1000\n# verdict: {}\n"

    def trouble(self, status, verdict):
        return vm.Init(self.LINES.format(status, verdict).splitlines()).trouble(0, 0x1000, selftests.KSFT_SKIP)

    def test_a_program_that_skips_says_so(self):
        self.assertEqual(self.trouble(4, "fail"), [])

    def test_no_other_status_will_do(self):
        self.assertTrue(self.trouble(0, "pass"))
        self.assertTrue(self.trouble(1, "fail"))
        self.assertTrue(self.trouble(4, "pass"))


class Judge(unittest.TestCase):
    def wrong(self, text, guest=GUEST):
        with mock.patch.object(selftests, "scenarios_of", return_value=["one", "two", "three"]):
            return [t for ok, t in selftests.judge(guest, text) if not ok]

    def test_good(self):
        self.assertEqual(self.wrong(GOOD), [])

    def test_a_program_that_runs_nothing(self):
        wrong = "\n".join(self.wrong(USAGE))
        self.assertIn("one: missing instead of ok", wrong)
        self.assertIn("exit status 4, has to be 0", wrong)

    def test_skipped_but_not_stated(self):
        text = GOOD.replace("ok 2 two #  what", "ok 2 two # SKIP what")
        self.assertIn("two: skip instead of ok", self.wrong(text)[0])

    def test_skip_without_a_reason(self):
        text = GOOD.replace("# SKIP only by name: it takes long", "# SKIP")
        self.assertEqual(self.wrong(text), ["each skip has a reason: three"])

    def test_run_but_stated_as_skipped(self):
        self.assertTrue(self.wrong(GOOD.replace("# SKIP only by name: it takes long", "")))

    def test_truncated(self):
        for cut in ("  ok 1 positive", "ok 2 two", "ok 4 the module", "# exit=", "# taint="):
            self.assertTrue(self.wrong(GOOD[:GOOD.rindex(cut)]), cut)
        self.assertTrue(self.wrong(""))

    def test_a_scenario_without_a_positive_control(self):
        text = GOOD.replace("ok 1 positive control: every hammer is seen in memory", "ok 1 something", 1)
        self.assertEqual(self.wrong(text), ["1 positive controls for 2 scenarios"])

    def test_taint_and_status(self):
        self.assertEqual(len(self.wrong(GOOD.replace("taint=0x1000", "taint=0x1200"))), 1)
        self.assertEqual(len(self.wrong(GOOD.replace("exit=0", "exit=1"))), 1)

    def test_has_to_fail(self):
        guest = GUEST._replace(fails=("two",))
        text = GOOD.replace(scenario(2, "two"), scenario(2, "two", "not ok")).replace("exit=0", "exit=1")
        self.assertEqual(self.wrong(text, guest), [])
        self.assertTrue(self.wrong(GOOD, guest))

    def test_all_skipped(self):
        text = ("TAP version 13\n1..4\nok 1 one # SKIP no PASIDs\nok 2 two # SKIP no PASIDs\nok 3 three # SKIP no\n"
                + END.replace("exit=0", "exit=4"))
        guest = GUEST._replace(skipped=selftests.ALL)
        self.assertEqual(self.wrong(text, guest), [])
        self.assertTrue(self.wrong(text))

    def test_skip(self):
        good = "TAP version 13\n1..0 # SKIP no ats-testdev endpoint: no PCI device 1234:11ea\n# exit=4\n"
        for text, ok in ((good, True), (USAGE, False), ("", False), (good.replace("=4", "=0"), False),
                         (good + "ok 1 one\n", False)):
            self.assertEqual(all(t[0] for t in selftests.judge_skip(text)), ok, text)

    def test_runner(self):
        def part(program, number, why="no ats-testdev endpoint"):
            return (f"# selftests: iommu/ats: {program}\n# TAP version 13\n# 1..0 # SKIP {why}\n"
                    f"ok {number} selftests: iommu/ats: {program} # SKIP\n")
        good = "".join(part(p, n) for n, p in enumerate(selftests.PROGRAMS, 1))
        for text, ok in ((good, True), ("", False), (good.replace("no ats-testdev endpoint", "usage", 1), False),
                         (good.replace("ats_wait # SKIP", "ats_wait"), False),
                         (good + part("ats_cost", 7), False)):
            self.assertEqual(all(t[0] for t in selftests.judge_runner(text)), ok)

    def test_the_scenarios_come_from_the_source(self):
        for program in selftests.PROGRAMS:
            self.assertTrue(selftests.scenarios_of(program), program)
        for guest in [*selftests.GUESTS, selftests.UNPATCHED]:
            named = () if guest.skipped == selftests.ALL else guest.skipped
            self.assertLessEqual({*named, *guest.fails}, set(selftests.scenarios_of(guest.program)), guest.name)


if __name__ == "__main__":
    unittest.main()
