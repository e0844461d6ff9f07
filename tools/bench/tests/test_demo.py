# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of demo.py's screen, with the logs of one real run cut short."""

import os
import re
import shutil
import tempfile
import unittest
from pathlib import Path

HERE = os.path.dirname(os.path.abspath(__file__))
from tools.bench import demo, vm

FIXTURES = Path(HERE) / "fixtures/demo"


def side(state, edit=lambda name, text: text):
    """A Side from a copy of the fixture; edit changes its files."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / state
        shutil.copytree(FIXTURES / state, out)
        for path in out.iterdir():
            path.write_text(edit(path.name, path.read_text()))
        return demo.Side(vm.read_boot(out, vm.Config("demo"), 1.0))


class Screen(unittest.TestCase):
    def setUp(self):
        self.left, self.right = side("unpatched"), side("patched")
        self.text = demo.screen(self.left, self.right, False)

    def row(self, label):
        return next(x for x in self.text.splitlines() if x.startswith(label))

    def test_fits(self):
        lines = self.text.splitlines()
        self.assertLessEqual(max(map(len, lines)), 100)
        self.assertLessEqual(len(lines), 55)
        self.assertNotIn("...", re.sub(r"\.\.\. \d+ more in trace\.log", "", self.text), "a text was cut")

    def test_plain_and_colour(self):
        self.assertNotIn("\033", self.text)
        colour = demo.screen(self.left, self.right, True)
        self.assertEqual(re.sub(r"\033\[\d+m", "", colour), self.text)

    def test_rows(self):
        self.assertRegex(self.row("ESCAPES"), r" \d+ writes, 16 words corrupted +0 writes, 0 words")
        self.assertRegex(self.row("blamed"), r"no device +00:02\.0, Stream ID 0x10")
        self.assertRegex(self.row("the flush returned"), r"(64 KiB unmapped: success *){2}")
        self.assertRegex(self.row("commands"), r"3 ATC_INV, 2 CMD_SYNC +14, of these 6 ATC_INV, 6")
        self.assertRegex(self.row("queue errors"), r" 1 +2$")
        self.assertRegex(self.row("reset of 00:02.0"), r"ATS on.*ATS on")

    def test_timeline(self):
        left = [t for _, t in self.left.timeline()]
        right = [t for _, t in self.right.timeline()]
        self.assertIn("00:02.0: WRITES INTO FREED MEMORY", left)
        self.assertNotIn("00:02.0: WRITES INTO FREED MEMORY", right)
        fence = right.index("STE of 00:02.0 read: EATS = 0")
        returned = right.index("the flush has returned")
        self.assertLess(fence, returned)
        self.assertIn("00:02.0: write refused", right[returned:])
        self.assertEqual([ns for ns, _ in self.left.timeline()],
                         sorted(ns for ns, _ in self.left.timeline()))


class Measured(unittest.TestCase):
    """What the logs do not say is not on the screen."""

    def test_escapes_come_from_the_verdict(self):
        s = side("patched", lambda name, text: text.replace("# escapes=0", "# escapes=7"))
        self.assertIn("7 writes", s.escape_text())

    def test_blame_comes_from_the_log(self):
        s = side("patched", lambda name, text: "\n".join(
            x for x in text.splitlines() if "ATC invalidation" not in x and "was reset" not in x))
        self.assertEqual(s.blamed(), "no device")

    def test_blame_of_another_device(self):
        s = side("patched", lambda name, text: re.sub(r"0000:00:02.0: (ATC|was reset)", r"0000:00:03.0: \1", text))
        self.assertEqual(s.blamed(), "00:03.0, Stream ID 0x18")

    def test_events_are_not_blame(self):
        s = side("unpatched")
        self.assertEqual(s.blamed(), "no device")

    def test_a_guest_that_died(self):
        s = side("patched", lambda name, text: "" if name != "trace.log" else text)
        self.assertEqual((s.returned(), s.took(), s.escape_text(), s.reset_text()),
                         ("nothing: the guest died", "?", "?", "not reached"))
        demo.screen(side("unpatched"), s, False)


if __name__ == "__main__":
    unittest.main()
