# SPDX-License-Identifier: GPL-2.0-or-later
"""mutants.py: what a patch says of itself, and wrong logs that must kill nothing."""
import io
import tempfile
import unittest
from pathlib import Path

from tools import ktap
from tools.bench import kernel as K, vm
from tools.checks import mutants as M
from tools.series import repo as R

KNOWN = {"stop.1cpu.poll", "reset.2cpu.msi"}
DIFF = '\ndiff --git a/x b/x\n+X-Killed-by: c\n'


class Header(unittest.TestCase):
    def killers(self, *lines):
        return M.killers("m", "Why.\n\n" + "\n".join(lines) + "\n" + DIFF, KNOWN)

    def refused(self, words, *lines):
        with self.assertRaises(R.SeriesError) as raised:
            self.killers(*lines)
        self.assertIn(words, str(raised.exception))
        self.assertEqual(len(str(raised.exception).splitlines()), 1)

    def test_forms(self):
        self.assertEqual(self.killers('X-Killed-by: reset.2cpu.msi: "a reset brings ATS back"',
                                      'X-Killed-by: stop.1cpu.poll: hang',
                                      'X-Killed-by: kunit.search: "Expected 1 == x"', 'X-Killed-by: kunit.cxl',
                                      'X-Killed-by: kunit.cxl: hang'),
                         [("reset.2cpu.msi", "a reset brings ATS back"), ("stop.1cpu.poll", "hang"),
                          ("kunit.search", "Expected 1 == x"), ("kunit.cxl", ""),
                          ("kunit.cxl", "hang")])

    def test_a_scenario_alone_names_no_assertion(self):
        self.refused("m: not X-Killed-by:", "X-Killed-by: reset.2cpu.msi")

    def test_old_forms(self):
        self.refused("m: not X-Killed-by:", "X-Killed-by: kunit.cxl, kunit.search")
        self.refused("m: not X-Killed-by:", "X-Killed-by: kunit.guest*")
        self.refused("m: not X-Killed-by:", "X-Killed-by: kunit.cxl", "X-Hangs: yes")

    def test_unknown_forms(self):
        for line in ("X-killed-by: kunit.cxl", 'X-Killed-by: reset.2cpu.msi: ""', "X-Killed-by: kunit.cxl: hangs",
                     'X-Killed-by: reset.2cpu.msi: "a" or hang', "X-Killed-by:  kunit.cxl", "X-Killed-by: kunit"):
            with self.subTest(line):
                self.refused("m: not X-Killed-by:", line)

    def test_no_scenario_of_that_name(self):
        self.refused("m: no scenario stop.9cpu.poll", "X-Killed-by: stop.9cpu.poll: hang")

    def test_trouble_of_any_kind_is_no_assertion(self):
        self.refused("no assertion", 'X-Killed-by: reset.2cpu.msi: "the guest finished, no splat"')

    def test_twice(self):
        self.refused("named twice", "X-Killed-by: kunit.cxl", "X-Killed-by: kunit.cxl")

    def test_none(self):
        self.refused("no X-Killed-by: line", "Just words.")

    def test_every_patch_of_ours(self):
        for name in K.mutant_names():
            with self.subTest(name):
                self.assertTrue(M.read_killers(name))


def scenario(*subtests, status=1):
    """A run of scenarios.py as it prints it."""
    out = io.StringIO()
    report = ktap.Writer(1, out)
    report.test("reset.2cpu.msi", subtests, "escapes: - unpatched, 0 patched (9 in vain)")
    report.close()
    return M.scenario_run(out.getvalue().splitlines(), status)


FINE = (True, "patched: the guest finished, no splat")
BACK = "patched: a reset brings ATS back"
KILLER = M.Killer("reset.2cpu.msi", "a reset brings ATS back")
PASSED = scenario(FINE, (True, BACK), status=0)


class Scenarios(unittest.TestCase):
    def why(self, run, killer=KILLER, control=PASSED):
        return M.why_not(killer, run, control)

    def test_dies_of_the_named_one(self):
        run = scenario(FINE, (False, BACK))
        self.assertEqual(self.why(run), "")
        self.assertEqual(M.assertion(KILLER, run), BACK)

    def test_dies_of_another_one(self):
        self.assertEqual(self.why(scenario(FINE, (True, BACK), (False, "patched: 3 writes escaped"))),
                         "another assertion failed")

    def test_lives(self):
        self.assertEqual(self.why(PASSED), "nothing failed")

    def test_guest_dies_before(self):
        dead = (False, "patched: the guest finished, no splat: the guest died (QEMU: 0)")
        self.assertIn("died", self.why(scenario(dead)))
        # also where the judge's own sums fail for want of numbers
        self.assertIn("died", self.why(scenario(dead, (False, "patched: None writes escaped, None came to nothing")),
                                       M.Killer("reset.2cpu.msi", "writes escaped")))

    def test_guest_could_not_start(self):
        lines = ["KTAP version 1", "1..1", "not ok 1 guests # no kernel", "# 0 passed, 1 failed, 0 skipped"]
        self.assertIn("did not start", self.why(M.scenario_run(lines, 1)))
        self.assertIn("did not start", self.why(M.scenario_run([], 1)))
        self.assertIn("did not start", self.why(M.scenario_run(["Traceback (most recent call last):"], 1)))

    def test_hang_instead_of_the_named_one(self):
        hung = scenario((False, f"patched: the guest finished, no splat: no end after {M.LIMIT} s"), (False, BACK))
        self.assertIn("did not end", self.why(hung))

    def test_hang(self):
        hang = M.Killer("reset.2cpu.msi", M.HANG)
        hung = scenario((False, f"patched: the guest finished, no splat: no end after {M.LIMIT} s"))
        self.assertEqual(self.why(hung, hang), "")
        self.assertEqual(self.why(scenario(FINE, (False, BACK)), hang), "the guest ended")
        self.assertEqual(self.why(hung, hang, control=hung), "its control failed")

    def test_control_failed(self):
        run = scenario(FINE, (False, BACK))
        for control in (run, scenario(FINE, (False, "patched: another")), M.scenario_run([], 1),
                        scenario(FINE, (True, BACK), status=1)):
            self.assertEqual(self.why(run, control=control), "its control failed")

    def test_output_cut_off_is_no_passed_control(self):
        lines = ["KTAP version 1", "1..1", "  KTAP version 1", "  1..2", "  ok 1 " + FINE[1]]
        self.assertFalse(M.scenario_run(lines, 0).passed)

    def test_a_splat_is_an_assertion(self):
        run = scenario((False, "patched: the guest finished, no splat: console.log:7: rcu stall: rcu: INFO: detected "
                        "stalls"), (True, BACK))
        self.assertEqual(self.why(run, M.Killer("reset.2cpu.msi", "detected stall")), "")

    def test_words_of_vm(self):
        """The words by which a guest that has not ended is told from others are vm.py's."""
        with tempfile.TemporaryDirectory(prefix="atc-test.") as tmp:
            cfg = vm.Config("reset", limit=M.LIMIT)
            hung = vm.read_boot(Path(tmp), cfg, 60.0, timed_out=True, status=-9).trouble()
            died = vm.read_boot(Path(tmp), cfg, 1.0).trouble()
        self.assertTrue(any(M.HUNG in line for line in hung))
        self.assertTrue(any(M.DIED in line for line in died))


def console(*lines):
    return [f"[    1.{n:06}] {line}" for n, line in enumerate(lines)]


SUITE = ("KTAP version 1", "1..1", "    KTAP version 1", "    # Subtest: arm-smmu-v3-atc-queue", "    1..1")
BAD = ("    # arm_smmu_atc_test_cxl: EXPECTATION FAILED at drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3-atc-test.c:9",
       "    Expected smmu->told == 1, but", "        smmu->told == 0 (0x0)", "arm-smmu-v3: something else",
       "    not ok 1 arm_smmu_atc_test_cxl", "not ok 1 arm-smmu-v3-atc-queue")
GOOD = ("    ok 1 arm_smmu_atc_test_cxl", "ok 1 arm-smmu-v3-atc-queue")
LOGS = ["# logs: x, 2.0 s"]


class Cases(unittest.TestCase):
    good = M.case_run(LOGS, console(*SUITE, *GOOD), 0, "cxl")

    def why(self, run, text="", control=None):
        return M.why_not(M.Killer("kunit.cxl", text), run, control or self.good)

    def test_dies(self):
        run = M.case_run(LOGS, console(*SUITE, *BAD), 1, "cxl")
        self.assertEqual(self.why(run), "")
        self.assertEqual(self.why(run, "smmu->told == 1"), "")
        self.assertEqual(M.assertion(M.Killer("kunit.cxl"), run),
                         "Expected smmu->told == 1, but smmu->told == 0 (0x0)")

    def test_dies_of_another_expectation(self):
        run = M.case_run(LOGS, console(*SUITE, *BAD), 1, "cxl")
        self.assertEqual(self.why(run, "smmu->asked"), "another assertion failed")

    def test_another_case_failed(self):
        for name in ("arm_smmu_atc_test_cxl_off", "arm_smmu_atc_test_other"):
            lines = [line.replace("arm_smmu_atc_test_cxl", name) for line in BAD]
            self.assertEqual(self.why(M.case_run(LOGS, console(*SUITE, *lines), 1, "cxl")), "nothing failed")

    def test_one_parameter_of_several(self):
        lines = ("        not ok 2 MSI", "    not ok 1 arm_smmu_atc_test_cxl", "not ok 1 arm-smmu-v3-atc-queue")
        run = M.case_run(LOGS, console(*SUITE, "        ok 1 polled", *lines), 1, "cxl")
        self.assertEqual(self.why(run), "")
        self.assertEqual(M.assertion(M.Killer("kunit.cxl"), run), "the case cxl failed")

    def test_guest_died_or_hung(self):
        died = M.case_run(["# trouble: the guest died (QEMU: 0)"], console(*SUITE, *BAD), 1, "cxl")
        self.assertIn("died", self.why(died))
        hung = M.case_run([f"# trouble: no end after {M.LIMIT} s"], console(*SUITE), 1, "cxl")
        self.assertIn("did not end", self.why(hung))

    def test_nothing_ran(self):
        self.assertIn("did not start", self.why(M.case_run([], [], 1, "cxl")))
        empty = M.case_run(LOGS, console("KTAP version 1", "1..0"), 0, "cxl")
        self.assertEqual(self.why(empty), "nothing failed")
        self.assertFalse(empty.passed)

    def test_control_that_skips_has_not_passed(self):
        lines = ("    ok 1 arm_smmu_atc_test_cxl # SKIP too few CPUs", "ok 1 arm-smmu-v3-atc-queue # SKIP")
        skipped = M.case_run(LOGS, console(*SUITE, *lines), 0, "cxl")
        run = M.case_run(LOGS, console(*SUITE, *BAD), 1, "cxl")
        self.assertEqual(self.why(run, control=skipped), "its control failed")

    def test_control_with_a_splat_has_not_passed(self):
        self.assertFalse(M.case_run(LOGS, console(*SUITE, *GOOD), 1, "cxl").passed)


class All(unittest.TestCase):
    def report(self, runs, killers):
        calls = []

        def run(out, where, limit, kernel, label):
            calls.append((where, limit, kernel.name))
            return runs[kernel.name]
        killing = M.Killing(Path("/out"), run)
        out = io.StringIO()
        report = ktap.Writer(out=out)
        verdicts = M.report_all(report, [killing.verdict(name, Path("/out/kernel/mutant"), killer)
                                         for name, killer in killers])
        return report.close(), out.getvalue(), calls, M.table(verdicts)

    def test_one_control_for_each_killer(self):
        status, text, calls, table = self.report({"patched": PASSED, "mutant": scenario(FINE, (False, BACK))},
                                                 [("m1", KILLER), ("m2", KILLER)])
        self.assertEqual(status, 0)
        self.assertEqual([call for call in calls if call[2] == "patched"], [("reset.2cpu.msi", M.LIMIT, "patched")])
        self.assertEqual(text.count("control of reset.2cpu.msi"), 1)
        self.assertEqual(len(table.splitlines()), 3)
        self.assertIn(BACK, table)

    def test_same_command_but_for_the_kernel(self):
        for where in ("reset.2cpu.msi", "kunit.cxl"):
            one = M.argv_of(Path("/out"), where, 77, "KERNEL1", "/logs")
            two = M.argv_of(Path("/out"), where, 77, "KERNEL2", "/logs")
            self.assertEqual([a.replace("KERNEL1", "KERNEL2") for a in one], two)
            self.assertIn("77", one)

    def test_same_limit(self):
        hang = M.Killer(KILLER.where, M.HANG)
        _, _, calls, _ = self.report({"patched": PASSED, "mutant": PASSED}, [("m1", KILLER), ("m2", hang)])
        self.assertEqual([call[1:] for call in calls], [(M.LIMIT, "patched"), (M.LIMIT, "mutant"),
                                                        (M.HANG_LIMIT, "patched"), (M.HANG_LIMIT, "mutant")])

    def test_control_that_fails(self):
        bad = scenario(FINE, (False, BACK))
        status, text, _, table = self.report({"patched": bad, "mutant": bad}, [("m1", KILLER)])
        self.assertEqual(status, 1)
        self.assertIn("not ok 1 control of reset.2cpu.msi", text)
        self.assertIn("not ok 2 m1", text)
        self.assertIn("ALIVE: its control failed", table)

    def test_mutant_that_lives(self):
        status, text, _, table = self.report({"patched": PASSED, "mutant": PASSED}, [("m1", KILLER)])
        self.assertEqual(status, 1)
        self.assertIn("# wanted: reset.2cpu.msi", text)
        self.assertIn("ALIVE: nothing failed", table)

    def test_a_race_has_three_tries(self):
        case = M.Killer("kunit.store_races")
        status, _, calls, _ = self.report({"patched": PASSED, "mutant": PASSED}, [("m1", case)])
        self.assertEqual((status, [call[2] for call in calls]), (1, ["patched"] + ["mutant"] * M.TRIES))

    def test_mutant_that_does_not_build(self):
        out = io.StringIO()
        report = ktap.Writer(out=out)
        M.report_all(report, [("m1", "does not apply")])
        self.assertEqual(report.close(), 1)
        self.assertIn("not ok 1 m1", out.getvalue())


if __name__ == "__main__":
    unittest.main()
