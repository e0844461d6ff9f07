# SPDX-License-Identifier: GPL-2.0-or-later
"""Wrong logs: which assertion of a judge has to fail.

Each row edits a copy of the logs of one real run (fixtures/demo): cut off, empty,
of another boot, or with a line that contradicts the others. The logs as they are
have to pass, or a row would show nothing.
"""

import itertools
import re
import shutil
import tempfile
import unittest
from pathlib import Path

from tools.bench import scenarios, vm

HERE = Path(__file__).resolve().parent
FIXTURES = HERE / "fixtures/demo"
UNPATCHED, PATCHED = scenarios.UNPATCHED, scenarios.PATCHED

VERDICT, CONSOLE, TRACE = "verdict.log", "console.log", "trace.log"


def sub(pattern, text, count=1):
    """An edit: replaces, and insists that there was something to replace."""
    def edit(old):
        new, n = re.subn(pattern, text, old, count=count, flags=re.M)
        if not n:
            raise AssertionError(f"{pattern} is not in the fixture")
        return new
    return edit


def chain(*edits):
    def edit(text):
        for one in edits:
            text = one(text)
        return text
    return edit


def insert(line, before=r"^# verdict: "):
    return sub(f"(?={before})", line + "\n")


def empty(_):
    return ""


def failing(*edits):
    """Each of the lines of PID 1 as it is after a test that failed."""
    return chain(*edits, sub("^# exit=0$", "# exit=1"), sub("^# verdict: pass$", "# verdict: fail"))


def renumber(text):
    numbers = itertools.count(1)
    return re.sub(r"^(ok|not ok) \d+", lambda m: f"{m[1]} {next(numbers)}", text, flags=re.M)


FINISHED = "the guest finished"
SAYS_FAIL = sub("^# verdict: pass$", "# verdict: fail")

# name: state, {log: edit}, the assertion that fails, what it says
WRONG = {
    "the module cannot be unloaded":
        (PATCHED, {VERDICT: chain(insert("# init: unload ats_testdev: Device or resource busy"), SAYS_FAIL)},
         FINISHED, "PID 1: unload ats_testdev: Device"),
    "a complaint of PID 1, though it says pass":
        (PATCHED, {VERDICT: insert("# init: tainted: No such file or directory")}, FINISHED, "PID 1: tainted"),
    "every case passed, but the test exited with 1":
        (PATCHED, {VERDICT: failing()}, FINISHED, "exited with 1, 0 cases failed"),
    "every case passed, but PID 1 says fail":
        (PATCHED, {VERDICT: SAYS_FAIL}, FINISHED, "PID 1 says fail, 0 cases failed"),
    "no exit status":
        (PATCHED, {VERDICT: sub("^# exit=0\n", "")}, FINISHED, "no exit status"),
    "two exit statuses":
        (PATCHED, {VERDICT: insert("# exit=0")}, FINISHED, "no exit status"),
    "no taint":
        (PATCHED, {VERDICT: sub("^# taint=.*\n", "")}, FINISHED, "taint unknown"),
    "cases failed on the unpatched kernel, but the test exited with 0":
        (UNPATCHED, {VERDICT: chain(sub("^# exit=1$", "# exit=0"), sub("^# verdict: fail$", "# verdict: pass"))},
         FINISHED, "exited with 0, [0-9]+ cases failed"),
    "the unpatched kernel's test was skipped by the way":
        (UNPATCHED, {VERDICT: sub("^# exit=1$", "# exit=4")}, FINISHED, "exited with 4"),
    "killed by a signal":
        (PATCHED, {VERDICT: chain(sub("^# exit=0$", "# signal=11"), SAYS_FAIL)}, FINISHED, "signal 11"),
    "empty verdict":
        (PATCHED, {VERDICT: empty}, FINISHED, "the guest died"),
    "cut off in the middle":
        (PATCHED, {VERDICT: sub(r"(?s)^ok 5 .*", "")}, FINISHED, "the guest died; 9 results planned, 4 seen"),
    "cut out of the middle":
        (PATCHED, {VERDICT: sub(r"^ok [56] .*\n", "", 2)}, FINISHED, "9 results planned, 7 seen"),
    "a plan without cases":
        (PATCHED, {VERDICT: sub(r"^ok \d .*\n", "", 0)}, FINISHED, "9 results planned, 0 seen"),
    "all of it skipped":
        (PATCHED, {VERDICT: lambda _: "TAP version 13\n1..0 # SKIP no device\n# exit=4\n# taint=0x1000\n# verdict: fail\n"},
         FINISHED, "skipped: the whole test; .*exited with 4"),
    "a case was skipped":
        (PATCHED, {VERDICT: sub("^ok 5 .*", "ok 5 # SKIP everybody else's DMA went on")}, FINISHED,
         "skipped: everybody else's DMA went on"),
    "a case was expected to fail":
        (PATCHED, {VERDICT: sub("^ok 5 .*", "ok 5 # XFAIL everybody else's DMA went on")}, FINISHED,
         "XFAIL: everybody else's DMA went on"),
    "a case was skipped on the unpatched kernel":
        (UNPATCHED, {VERDICT: sub("^ok 5 .*", "ok 5 # SKIP everybody else's DMA went on")}, FINISHED, "skipped"),
    "another scenario's verdict":
        (PATCHED, {VERDICT: sub("^# scenario=demo$", "# scenario=reset")}, FINISHED, "of the scenario reset"),
    "another scenario's console":
        (PATCHED, {CONSOLE: sub("ats.scenario=demo", "ats.scenario=reset")}, FINISHED, "has no 'ats.scenario=demo'"),
    "a program that does not say what it ran":
        (PATCHED, {VERDICT: sub("^# scenario=demo\n", "")}, FINISHED, "of the scenario None"),
    "another boot's trace":
        (PATCHED, {TRACE: sub(r"(^ats_testdev_mark ns=\d+)\d name=ep1$", r"\g<1>9 name=ep1")}, FINISHED, "marks"),
    "no trace":
        (PATCHED, {TRACE: empty}, FINISHED, "marks"),
    "no console":
        (PATCHED, {CONSOLE: empty}, FINISHED, "console.log has no 'Linux version"),
    "half a console":
        (PATCHED, {CONSOLE: sub("^.*reboot: Power down\n", "")}, FINISHED, "console.log has no 'reboot"),
    "a splat behind the verdict":
        (PATCHED, {CONSOLE: lambda old: old + "[    4.000000] BUG: KASAN: use-after-free in x\n"}, FINISHED, "KASAN"),
    "no positive control":
        (PATCHED, {VERDICT: chain(sub("^1..9$", "1..8"), sub("^ok 1 .*\n", ""), renumber)}, "positive control", "none"),
    "no positive control on the unpatched kernel":
        (UNPATCHED, {VERDICT: chain(sub("^1..9$", "1..8"), sub("^ok 1 .*\n", ""), renumber)}, "positive control", ""),
    "the target's hammer missed, which shows no fence":
        (PATCHED, {VERDICT: chain(sub(r"^# ep1.refused_after=\d+$", "# ep1.refused_after=99"),
                                  sub("^# ep1.missed_after=0$", "# ep1.missed_after=1000"))}, "each target was refused", "ep1"),
    "what the target tried is not known":
        (PATCHED, {VERDICT: sub("^# ep1.refused_after=.*\n", "")}, "each target was refused", "ep1"),
    "a counter has escapes that the sum does not have":
        (PATCHED, {VERDICT: sub("^# ep1.accepted_after=0$", "# ep1.accepted_after=3")}, "writes escaped", "0 writes"),
    "nobody was dead":
        (PATCHED, {VERDICT: sub("^# ep1.inv_ignored=2$", "# ep1.inv_ignored=0"),
                   CONSOLE: sub(r"^.*ATC invalidation was not answered.*\n", "", 0)}, "dead: no endpoint", "blamed in the log: no endpoint"),
    "the log blames nobody":
        (PATCHED, {CONSOLE: sub(r"^.*ATC invalidation was not answered.*\n", "")}, "dead: ep1",
         "blamed in the log: no endpoint"),
    "the unpatched kernel had no escape":
        (UNPATCHED, {VERDICT: sub(r"^# ep1.accepted_after=.*", "# ep1.accepted_after=0")}, "writes escaped", ""),
    "memory does not confirm the escapes":
        (UNPATCHED, {VERDICT: sub("^# corrupted=.*", "# corrupted=0")}, "0 words corrupted", ""),
}


def judged(state, edits):
    """[(ok, text)] of the fixture's logs, edited."""
    with tempfile.TemporaryDirectory(prefix="atc-test.") as tmp:
        out = Path(tmp) / state
        shutil.copytree(FIXTURES / state, out)
        for name, edit in edits.items():
            (out / name).write_text(edit((out / name).read_text()))
        boot = vm.read_boot(out, vm.Config("demo", trace=True))
        if state == PATCHED:
            return scenarios.judge_patched(boot, dies=True)
        return scenarios.judge_unpatched(boot, True)


class WrongLogs(unittest.TestCase):
    def test_the_logs_as_they_are_pass(self):
        for state in (UNPATCHED, PATCHED):
            with self.subTest(state):
                self.assertEqual([text for ok, text in judged(state, {}) if not ok], [])

    def test_wrong_ones_do_not(self):
        for name, (state, edits, assertion, says) in WRONG.items():
            with self.subTest(name):
                bad = [text for ok, text in judged(state, edits) if not ok]
                self.assertTrue([t for t in bad if assertion in t and re.search(says, t)],
                                f"{assertion}: {says} is not among {bad}")


if __name__ == "__main__":
    unittest.main()
