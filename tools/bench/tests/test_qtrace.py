# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of qtrace.py."""

import unittest

from tools.bench import qtrace

TRACE = """\
smmuv3_cmdq_cmd ns=1562962720 opcode=SMMU_CMD_ATC_INV cons=0x65
smmuv3_atc_inv ns=1562962730 sid=0x10 addr=0x10010000 size=4
77@1700000000.123456:smmuv3_cmd_sync ns=1562962740 cons=0x66 waiting=1
ats_testdev_hammer ns=2613769968 name=ep1 accepted=1 refused=0
smmuv3_cmdq_opcode <--- SMMU_CMD_SYNC
qemu: terminating on signal 15
"""


class Parse(unittest.TestCase):
    def setUp(self):
        self.events = qtrace.parse(TRACE.splitlines())

    def test_only_ours(self):
        self.assertEqual([e.name for e in self.events],
                         ["smmuv3_cmdq_cmd", "smmuv3_atc_inv", "smmuv3_cmd_sync",
                          "ats_testdev_hammer"])

    def test_arguments(self):
        self.assertEqual(self.events[0].args["opcode"], "SMMU_CMD_ATC_INV")
        self.assertEqual(qtrace.number(self.events[1], "sid"), 0x10)
        self.assertIsNone(qtrace.number(self.events[1], "eats"))
        self.assertIsNone(qtrace.number(self.events[3], "name"))
        self.assertEqual(self.events[3].args["name"], "ep1")

    def test_window_and_count(self):
        inside = qtrace.window(self.events, 1562962730, 1562962740)
        self.assertEqual(len(inside), 2)
        self.assertEqual(qtrace.count(inside, "smmuv3_atc_inv"), 1)
        self.assertEqual(qtrace.count(self.events, "ats_testdev_hammer", name="ep0"), 0)


if __name__ == "__main__":
    unittest.main()
