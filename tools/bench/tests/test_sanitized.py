# SPDX-License-Identifier: GPL-2.0-or-later
"""sanitized.py: the rule for the trace, and that its names exist."""
import unittest

from tools.bench import qtrace, sanitized

MARK = "ats_testdev_mark ns=2 name=ep1"
RESET = "ats_testdev_reset ns=4 name=ep1"


def cfgi(sid, eats):
    return f"smmuv3_cfgi_ste ns=3 sid={sid} eats={eats}"


def looks(*lines):
    found, seen = sanitized.eats_while_fenced(qtrace.parse(lines), 0x10)
    return found, len(seen)


class Trace(unittest.TestCase):
    def test_eats_of_a_fenced_target(self):
        self.assertEqual(looks(MARK, cfgi("0x10", 0), cfgi("0x10", 1)), (2, 1))

    def test_a_healthy_target_may(self):
        self.assertEqual(looks(cfgi("0x10", 1), MARK, RESET, cfgi("0x10", 1)), (0, 0))

    def test_others_may(self):
        self.assertEqual(looks("ats_testdev_mark ns=2 name=ep0", cfgi("0x10", 1)), (0, 0))
        self.assertEqual(looks(MARK, cfgi("0x8", 1)), (0, 0))
        self.assertEqual(looks(MARK, "ats_testdev_reset ns=3 name=ep0", cfgi("0x10", 1)), (1, 1))


class Names(unittest.TestCase):
    def test_every_boot_of_make_check_is_known(self):
        for names in sanitized.DEFAULT.values():
            self.assertLessEqual(set(names), set(sanitized.known()))

    def test_a_storm_has_its_program_and_real_cpus(self):
        cfg = sanitized.config("storm.msi", 10, 7)
        self.assertEqual((cfg.program, cfg.cpus, cfg.icount, cfg.msi), ("ats_storm", 4, False, True))
        self.assertEqual(cfg.options, {"seed": 7})


if __name__ == "__main__":
    unittest.main()
