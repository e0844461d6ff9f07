# SPDX-License-Identifier: GPL-2.0-or-later
"""Wrong logs: which assertion of a judge has to fail.

Each row edits a copy of the logs of one real run (fixtures/demo) in one place
that a judge has once let pass, or could. The logs as they are have to pass,
or a row would show nothing.
"""

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


SAYS_FAIL = sub("^# verdict: pass$", "# verdict: fail")

# name: state, {log: edit}, the assertion that fails, what it says
WRONG = {
    "the module cannot be unloaded":
        (PATCHED, {VERDICT: chain(insert("# init: unload ats_testdev: Device or resource busy"), SAYS_FAIL)},
         "the guest finished", "PID 1: unload ats_testdev: Device"),
    "a complaint of PID 1, though it says pass":
        (PATCHED, {VERDICT: insert("# init: tainted: No such file or directory")}, "the guest finished", "PID 1: tainted"),
    "every case passed, but the test exited with 1":
        (PATCHED, {VERDICT: failing()}, "the guest finished", "exited with 1, 0 cases failed"),
    "every case passed, but PID 1 says fail":
        (PATCHED, {VERDICT: SAYS_FAIL}, "the guest finished", "PID 1 says fail, 0 cases failed"),
    "no exit status":
        (PATCHED, {VERDICT: sub("^# exit=0\n", "")}, "the guest finished", "no exit status"),
    "two exit statuses":
        (PATCHED, {VERDICT: insert("# exit=0")}, "the guest finished", "no exit status"),
    "no taint":
        (PATCHED, {VERDICT: sub("^# taint=.*\n", "")}, "the guest finished", "taint unknown"),
    "cases failed on the unpatched kernel, but the test exited with 0":
        (UNPATCHED, {VERDICT: chain(sub("^# exit=1$", "# exit=0"), sub("^# verdict: fail$", "# verdict: pass"))},
         "the guest finished", "exited with 0, [0-9]+ cases failed"),
    "the unpatched kernel's test was skipped by the way":
        (UNPATCHED, {VERDICT: sub("^# exit=1$", "# exit=4")}, "the guest finished", "exited with 4"),
    "killed by a signal":
        (PATCHED, {VERDICT: chain(sub("^# exit=0$", "# signal=11"), SAYS_FAIL)}, "the guest finished", "signal 11"),
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
            return scenarios.judge_patched(boot)
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
