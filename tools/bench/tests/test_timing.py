# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of timing.py, with the logs of one real run of stop-all cut short.

Three CPUs wait for a queue that stands still; the SMMU is stopped after 150 s.
"""

import re
import unittest
from pathlib import Path

from tools.bench import qtrace, timing

FIXTURE = Path(__file__).resolve().parent / "fixtures/stop-all"
TRACE, CONSOLE = ((FIXTURE / name).read_text() for name in ("trace.log", "console.log"))
NAMES = [f"ep{n}" for n in range(5)]
STOPPED, WAITING = "stopped: all DMA", "waiting on"


def later(text, name, seconds):
    """The first refused write of an endpoint, so much later."""
    def edit(match):
        return f"ats_testdev_hammer ns={int(match[1]) + int(seconds * 10 ** 9)} name={name} {match[2]} refused=1\n"
    new, n = re.subn(rf"^ats_testdev_hammer ns=(\d+) name={name} (\S+) refused=1\n", edit, text, flags=re.M)
    assert n == 1
    return new


class Stop(unittest.TestCase):
    def judge(self, trace=TRACE, names=tuple(NAMES), at_least=150_000):
        (ok, text), = timing.judge_stop(qtrace.parse(trace.splitlines()), names, at_least, at_least + 3000)
        return ok, text

    def test_as_it_was(self):
        self.assertEqual(self.judge(), (True, "stopped for 5 of 5 endpoints 151035 to 151136 ms after the queue, "
                                        "150000 to 153000"))

    def test_too_early_for_one(self):
        self.assertFalse(self.judge(later(TRACE, "ep4", -1.1))[0])

    def test_too_late_for_one(self):
        self.assertFalse(self.judge(later(TRACE, "ep2", 2.1))[0])

    def test_another_limit(self):
        self.assertFalse(self.judge(at_least=200_000)[0])

    def test_one_of_them_is_never_refused(self):
        self.assertFalse(self.judge(re.sub(r"^ats_testdev_hammer .* name=ep0 .*\n", "", TRACE, flags=re.M))[0])

    def test_a_queue_that_went_on(self):
        """What was refused 151 s after an earlier command was refused at once after the last one."""
        went_on = "smmuv3_cmdq_cmd ns=311000000000 opcode=SMMU_CMD_SYNC cons=0x7c\n"
        at = TRACE.index("ats_testdev_hammer ns=3126")
        again = "smmuv3_cmd_sync ns=312000000000 cons=0x7e waiting=1\n"
        self.assertFalse(self.judge(TRACE[:at] + went_on + again + TRACE[at:])[0])

    def test_nothing_to_see(self):
        self.assertFalse(self.judge("")[0])
        self.assertFalse(self.judge(names=())[0])


class Lines(unittest.TestCase):
    def judge(self, expected, console=CONSOLE, trace=TRACE):
        found = timing.judge_lines(qtrace.parse(trace.splitlines()), console.splitlines(), expected)
        return [ok for ok, _ in found], found[0][1]

    def test_the_two_clocks(self):
        lines = timing.log_lines(CONSOLE.splitlines())
        self.assertIn((152733855744, "init: the clock is at 152733855744 ns"), lines)

    def test_as_it_was(self):
        self.assertEqual(self.judge({WAITING: (1000, 153_000), STOPPED: (150_000, 153_000)})[0], [True, True])
        self.assertIn("'waiting on' 151094 ms after", self.judge({WAITING: (1000, 2000)})[1])

    def test_too_late(self):
        self.assertEqual(self.judge({WAITING: (1000, 2000)})[0], [False])

    def test_too_early(self):
        self.assertEqual(self.judge({STOPPED: (152_000, 153_000)})[0], [False])

    def test_never(self):
        self.assertIn("never", self.judge({"words that nobody says": (0, 10 ** 6)})[1])

    def test_a_line_from_before_is_not_it(self):
        before = "[  150.000000] arm-smmu-v3: CMD_SYNC timeout, waiting on\n"
        console = CONSOLE.replace("[  303.5996", before + "[  903.5996")
        self.assertEqual(self.judge({WAITING: (0, 153_000)}, console)[0], [False])

    def test_clocks_that_cannot_be_compared(self):
        console = re.sub(r"^.*the clock is at.*\n", "", CONSOLE, flags=re.M)
        self.assertEqual(self.judge({WAITING: (0, 153_000)}, console)[0], [False])

    def test_the_first_standstill_that_is_long(self):
        """From the one of 200 ms that went before, the line would come later."""
        short = "smmuv3_cmd_sync ns=160100000000 cons=0x7a waiting=1\nsmmuv3_cmdq_cmd ns=160300000000 opcode=SMMU_CMD_SYNC\n"
        at = TRACE.index("smmuv3_cmdq_cmd ns=161589774592")
        self.assertIn("151094 ms", self.judge({WAITING: (1000, 2000)}, trace=TRACE[:at] + short + TRACE[at:])[1])
        long = short.replace("160300", "161200")
        self.assertIn("152586 ms", self.judge({WAITING: (1000, 2000)}, trace=TRACE[:at] + long + TRACE[at:])[1])

    def test_no_standstill(self):
        self.assertEqual(self.judge({WAITING: (0, 153_000)}, trace="")[0], [False])


if __name__ == "__main__":
    unittest.main()
