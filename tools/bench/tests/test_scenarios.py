# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of scenarios.py: which boots it must not let pass."""

import tempfile
import unittest
from pathlib import Path

from tools import ktap
from tools.bench import scenarios, splats, vm

CASES = ["positive control: every hammer is seen in memory", "the flush took all pages away",
         "no write lands after the flush returned", "targets tried in vain at least 100 times"]


class FakeBoot(vm.Boot):
    log = ()

    def console(self):
        return "\n".join([*self.log, "Linux version 7", f"Kernel command line: x ats.scenario={self.config.scenario} y",
                          "reboot: Power down"])


def boot(bad=(), finished=True, console=(), **values):
    values = {"scenario": "one-dead-of-three", "escapes": 0, "corrupted": 0, "rejected": 138,
              "ep1.target": 1, "ep1.accepted_after": values.get("escapes", 0),
              "ep1.refused_after": 138, "ep1.missed_after": 0, **values}
    lines = [f"1..{len(CASES)}"] + [f"# {k}={v}" for k, v in values.items()]
    lines += [f"{'not ok' if n in bad else 'ok'} {n} {c}" for n, c in enumerate(CASES, 1)]
    if finished:
        lines += [f"# exit={int(bool(bad))}", "# taint=0x1000", f"# verdict: {'fail' if bad else 'pass'}"]
    result = FakeBoot(Path("/nowhere"), vm.Config("one-dead-of-three"), 1.0, False, 0,
                      ktap.Ktap(lines), splats.scan(console), vm.Init(lines))
    result.log = console
    return result


def good(tests):
    return bool(tests) and all(ok for ok, _ in tests)


class Unpatched(unittest.TestCase):
    def test_escapes(self):
        b = boot(bad=(3, 4), escapes=140, corrupted=16, rejected=0)
        self.assertTrue(good(scenarios.judge_unpatched(b, True)))

    def test_without_escapes_a_scenario_shows_nothing(self):
        self.assertFalse(good(scenarios.judge_unpatched(boot(), True)))

    def test_escapes_that_memory_does_not_confirm(self):
        self.assertFalse(good(scenarios.judge_unpatched(boot(escapes=140), True)))

    def test_every_target_has_to_escape(self):
        values = {"escapes": 140, "corrupted": 16, "ep2.target": 1}
        self.assertFalse(good(scenarios.judge_unpatched(
            boot(**values, **{"ep2.accepted_after": 0}), True)))
        self.assertTrue(good(scenarios.judge_unpatched(
            boot(**values, **{"ep2.accepted_after": 3}), True)))

    def test_dead_hammer(self):
        b = boot(bad=(1, 3, 4), escapes=140, corrupted=16)
        self.assertFalse(good(scenarios.judge_unpatched(b, True)))

    def test_healthy_scenario_is_safe_there_too(self):
        self.assertTrue(good(scenarios.judge_unpatched(boot(), False)))
        self.assertFalse(good(scenarios.judge_unpatched(boot(bad=(3,), escapes=1), False)))

    def test_splat(self):
        b = boot(escapes=140, corrupted=16, console=["Call trace:"])
        self.assertFalse(good(scenarios.judge_unpatched(b, True)))


class Fenced(unittest.TestCase):
    BEFORE = ["smmuv3_atc_inv ns=10 sid=0x10 addr=0x0 size=52"]
    VALUES = {"ep1.sid": "0x10", "fenced.start": 100, "fenced.end": 200}

    def judge(self, trace, dead=(1,), **values):
        with tempfile.TemporaryDirectory() as tmp:
            b = boot(**{**self.VALUES, **values})
            b.out = Path(tmp)
            (b.out / "trace.log").write_text("\n".join(trace) + "\n")
            return good(scenarios.judge_fenced(b, dead))

    def test_left_alone(self):
        self.assertTrue(self.judge(self.BEFORE + [
            "smmuv3_atc_inv ns=150 sid=0x8 addr=0x0 size=52",
            "smmuv3_cfgi_ste ns=150 sid=0x10 eats=0",
            "smmuv3_cfgi_ste ns=210 sid=0x10 eats=1",
            "smmuv3_atc_inv ns=220 sid=0x10 addr=0x0 size=52"]))

    def test_asked(self):
        self.assertFalse(self.judge(self.BEFORE + [
            "smmuv3_atc_inv ns=150 sid=0x10 addr=0x0 size=52"]))

    def test_eats(self):
        self.assertFalse(self.judge(self.BEFORE + ["smmuv3_cfgi_ste ns=150 sid=0x10 eats=1"]))

    def test_a_trace_without_it_shows_nothing(self):
        self.assertFalse(self.judge([]))

    def test_two_marks_and_one_dead(self):
        self.assertFalse(self.judge(self.BEFORE, **{"fenced.end": 0}))
        self.assertFalse(self.judge(self.BEFORE, dead=()))
        self.assertFalse(self.judge(self.BEFORE, dead=(1, 2)))


class Patched(unittest.TestCase):
    def test_good(self):
        self.assertTrue(good(scenarios.judge_patched(boot())))

    def test_any_failed_case(self):
        for n in range(1, len(CASES) + 1):
            with self.subTest(n):
                self.assertFalse(good(scenarios.judge_patched(boot(bad=(n,)))))

    def test_numbers_count_also_when_the_cases_pass(self):
        for values in ({"escapes": 1}, {"corrupted": 1}, {"rejected": 99}):
            with self.subTest(values):
                self.assertFalse(good(scenarios.judge_patched(boot(**values))))

    def test_blame(self):
        line = "[    1.0] pci 0000:00:02.0: ATC invalidation was not answered"
        event = "[    1.0] arm-smmu-v3 9050000.smmuv3: event: UNKNOWN client: 0000:00:02.0 sid: 0x10"
        ids = {"ep1.bdf": "0000:00:02.0", "ep2.bdf": "0000:00:03.0"}
        dead = {**ids, "ep1.inv_ignored": 2}
        for console, values, ok in (([line], dead, True), ([], ids, True), ([event], ids, True),
                                    ([], dead, False), ([line], ids, False),
                                    ([event], dead, False),
                                    ([line, line.replace("02.0", "03.0")], dead, False)):
            with self.subTest(console=console, values=values):
                self.assertEqual(good(scenarios.judge_patched(boot(console=console, **values))),
                                 ok)

    def test_blame_that_depends_on_who_comes_first(self):
        line = "[    1.0] pci 0000:00:02.0: ATC invalidation was not answered"
        values = {"ep1.bdf": "0000:00:02.0", "ep1.spared": 1}
        for console, more in (([line], {}), ([], {}), ([], {"ep1.inv_ignored": 1})):
            with self.subTest(console=console, more=more):
                self.assertTrue(good(scenarios.judge_patched(
                    boot(console=console, **values, **more))))

    def test_time(self):
        for ns, ok in ((209_000_000, True), (211_000_000, False), (0, False)):
            with self.subTest(ns):
                self.assertEqual(good(scenarios.judge_patched(
                    boot(**{"flush.ns": ns}), 1.05)), ok)

    def test_errors_are_seen_in_time(self):
        events = [scenarios.qtrace.Event(ns, f"smmuv3_cmdq_{name}", {}) for ns, name in
                  ((1000, "error"), (28_000, "ack"), (50_000, "ack"), (60_000, "error"),
                   (160_100, "ack"))]
        self.assertEqual(scenarios.unseen_us(events), [27.0, 100.1])
        self.assertEqual(scenarios.unseen_us(events[:-1]), [27.0, float("inf")])
        self.assertEqual(scenarios.unseen_us(events[:1] + events), [27.0, 100.1])
        b = boot()
        b.config.icount = True
        self.assertFalse(good(scenarios.judge_patched(b, seen_us=100)))

    def test_unpatched_polls(self):
        b = boot(bad=(3, 4), escapes=140, corrupted=16, rejected=0, **{"flush.ns": 10 ** 9})
        self.assertTrue(good(scenarios.judge_unpatched(b, True, 1_000_000)))
        self.assertFalse(good(scenarios.judge_unpatched(b, True, 1_000_001)))

    def test_no_end(self):
        self.assertFalse(good(scenarios.judge_patched(boot(finished=False))))

    def test_splat(self):
        self.assertFalse(good(scenarios.judge_patched(boot(console=["Call trace:"]))))


class Provoked(unittest.TestCase):
    STALL = "rcu: INFO: rcu_preempt self-detected stall on CPU"

    def judge(self, *console):
        b = boot(console=console)
        b.config.provoked, b.config.besides = ("detected stall",), scenarios.STARVED
        return good(scenarios.judge_patched(b))

    def test_asked_for(self):
        self.assertTrue(self.judge("ats_wait: a CPU " + vm.PROVOKED, self.STALL))

    def test_missing(self):
        self.assertFalse(self.judge())
        self.assertFalse(self.judge("ats_wait: a CPU " + vm.PROVOKED))

    def test_too_early(self):
        self.assertFalse(self.judge(self.STALL))
        self.assertFalse(self.judge(self.STALL, "ats_wait: a CPU " + vm.PROVOKED, self.STALL))


    def test_another_one_among_them(self):
        begin = "ats_wait: a CPU " + vm.PROVOKED
        starved = "rcu: rcu_preempt kthread starved for 823 jiffies!"
        self.assertTrue(self.judge(begin, self.STALL, starved))
        self.assertFalse(self.judge(starved, begin, self.STALL))
        self.assertTrue(self.judge(begin, self.STALL, "Call trace:"))
        for splat in ("BUG: KASAN: use-after-free", "WARNING: drivers/iommu/x.c:1 at y", "Internal error: Oops"):
            with self.subTest(splat):
                self.assertFalse(self.judge(begin, self.STALL, splat, "Call trace:"))


class Panics(unittest.TestCase):
    LINE = "Kernel panic - not syncing: 9050000.smmuv3: cannot be stopped"

    def judge(self, *console, words="9050000.smmuv3: cannot be stopped"):
        b = boot(console=console, finished=False)
        b.config.panics = words
        return good(scenarios.judge_patched(b))

    def test_expected(self):
        self.assertTrue(self.judge("fine", self.LINE, "Call trace:"))

    def test_another(self):
        self.assertFalse(self.judge("Kernel panic - not syncing: Oops"))
        self.assertFalse(self.judge())

    def test_not_before_a_splat(self):
        self.assertFalse(self.judge(self.LINE, "Call trace:", "BUG: KASAN: use-after-free"))

    def test_not_after_a_splat(self):
        self.assertFalse(self.judge("Call trace:", self.LINE))


class KUnit(unittest.TestCase):
    GOOD = "1..1\n    1..1\n    ok 1 case\nok 1 suite\n"

    def judge(self, text, verdict="pass", **wanted):
        b = FakeBoot(Path("/nowhere"), vm.Config(kunit=True), 1.0, False, 0, ktap.Ktap(text.splitlines()), [],
                     vm.Init(["# exit=0", "# taint=0x40000", f"# verdict: {verdict}"]))
        b.log = text.splitlines()
        return good(scenarios.judge_kunit(b, "patched", wanted or {"suite": {"case": False}}))

    def test_good(self):
        self.assertTrue(self.judge(self.GOOD))

    def test_a_suite_without_cases_has_not_run(self):
        self.assertFalse(self.judge("1..1\nok 1 suite\n"))
        self.assertFalse(self.judge("1..1\n    1..25\nok 1 suite\n"))

    def test_failed_skipped_or_missing_case(self):
        self.assertFalse(self.judge(self.GOOD.replace("ok 1 case", "not ok 1 case")))
        self.assertFalse(self.judge(self.GOOD.replace("case", "case # SKIP why")))
        self.assertFalse(self.judge(self.GOOD, suite={"case": False, "more": False}))

    def test_the_suite_of_the_series_is_missing(self):
        self.assertFalse(self.judge(self.GOOD, suite={"case": False}, series={"case": False}))

    def test_pid_1_has_a_say(self):
        self.assertFalse(self.judge(self.GOOD, "fail"))
        self.assertFalse(self.judge(self.GOOD, ""))


class Table(unittest.TestCase):
    def test_names_are_unique(self):
        names = [scenarios.job_name(j) for j in scenarios.all_jobs()]
        self.assertEqual(len(names), len(set(names)))

    def test_both_completions_and_both_cpu_counts(self):
        jobs = [j for j in scenarios.all_jobs() if j.scenario.name == "one-dead-of-three"]
        self.assertEqual(len(jobs), 4)

    def test_slow_instructions_keep_the_hammer_in_step(self):
        job = next(j for j in scenarios.all_jobs() if j.scenario.name == "reset-twice")
        cfg = scenarios.config(job, 1)
        self.assertEqual((cfg.icount, cfg.icount_shift, cfg.options["period_us"]),
                         (True, 8, 3200))

    def test_not_part_of_a_run_without_only(self):
        extra = [s.name for s in scenarios.SCENARIOS if not s.default]
        self.assertFalse({j.scenario.name for j in scenarios.all_jobs()} & set(extra))
        for name in extra:
            self.assertTrue(scenarios.all_jobs({name}))

    def test_every_stop_says_when(self):
        for s in scenarios.SCENARIOS:
            if "stop_ms" in s.options:
                with self.subTest(s.name):
                    self.assertTrue(s.tells)
                    self.assertTrue(all(scenarios.config(j, 1).icount for j in scenarios.all_jobs({s.name})))

    def test_filter(self):
        self.assertEqual(len(scenarios.all_jobs({"reset.1cpu.msi"})), 1)
        self.assertEqual(len(scenarios.all_jobs({"reset"})), 4)

    def test_the_guest_knows_every_scenario(self):
        for s in scenarios.SCENARIOS:
            with self.subTest(s.name):
                source = scenarios.initramfs.source(s.program).read_text(encoding="utf-8")
                self.assertIn(f'{{ {{ "{s.guest}",', source)

    def test_texts_hold_no_hash(self):
        self.assertNotIn("#", scenarios.reason(["a # b"]))


if __name__ == "__main__":
    unittest.main()
