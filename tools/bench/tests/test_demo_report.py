# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the demo's report, of its screen in the README, and of the check that opens the report.

With the logs of one real run cut short, see test_demo.py. No browser here: its
DOM has what the file has, and determinism.py opens a report in one.
"""

import re
import struct
import tempfile
import unittest
import zlib
from pathlib import Path
from unittest import mock

from tools.bench import demo, demo_readme, demo_report
from tools.bench.tests.test_demo import FIXTURES, side
from tools.checks import demo_report as check

STATES = ("unpatched", "patched")
ESCAPE = tuple(bytes.fromhex(re.search(r"--escape:#(\w{6})", demo_report.STYLE)[1]))
SAID = {state: check.facts(FIXTURES / state / "verdict.log") for state in STATES}


def without(*names):
    """An edit of trace.log: no line of these events."""
    def edit(name, text):
        lines = text.splitlines()
        return "\n".join(x for x in lines if x.split(" ")[0] not in names) if name == "trace.log" else text
    return edit


def sides(edit=lambda name, text: text):
    return [side(state, edit) for state in STATES]


def failed(tests):
    return [text for ok, text in tests if not ok]


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.sides = sides()
        cls.page = demo.report(*cls.sides)
        cls.dom = check.Dom(cls.page)
        cls.rows = list(demo.rows(*cls.sides))

    def test_passes(self):
        self.assertEqual(failed(check.judge_pictures(self.dom, SAID)), [])
        self.assertEqual(failed(check.judge_cells(self.dom, self.rows, SAID)), [])

    def test_nothing_outside_of_the_file(self):
        self.assertIsNone(check.OUTSIDE.search(self.page))

    def test_ids_are_unique(self):
        ids = re.findall(r' id="([^"]*)"', self.page)
        self.assertEqual(len(ids), len(set(ids)))
        for refs in re.findall(r'aria-labelledby="([^"]*)"', self.page):
            self.assertLessEqual(set(refs.split()), set(ids))

    def test_the_table_has_headers(self):
        self.assertEqual(len(re.findall(r'<th scope="row">', self.page)), len(self.rows))
        self.assertGreaterEqual(len(re.findall(r'<th scope="col">', self.page)), 3)

    def test_texts_are_escaped(self):
        left, right = sides(lambda name, text: text.replace("ATS is off", "<b>& ATS is off"))
        self.assertIn("&lt;b&gt;&amp; ATS is off", demo.report(left, right))

    def test_the_fence_is_drawn_before_the_return(self):
        p = next(p for p in self.dom.pictures if (p.kernel, p.figure, p.form) == ("patched", "return", "wide"))
        self.assertEqual(p.rects.get("fenced"), 1)
        self.assertIsNotNone(demo_report.Course(self.sides[1], "patched").fence())
        self.assertIsNone(demo_report.Course(self.sides[0], "unpatched").fence())

    def test_names_do_not_overlap(self):
        axis = demo_report.Axis(demo_report.FORMS[1], 0, 100)
        placed = demo_report.place(axis, [(1, "first name"), (2, "second"), (3, "third"), (90, "x"), (91, "y")])
        self.assertEqual([row for _, row, _ in placed], [0, 1, 2, 0, 1])

    def test_a_guest_that_died(self):
        left, right = side("unpatched"), side("patched", lambda name, text: "" if name != "trace.log" else text)
        self.assertIn("no verdict", demo.report(left, right))


class CheckFails(unittest.TestCase):
    """The check of the report notices what is missing."""

    def pictures(self, edit, said=None):
        dom = check.Dom(demo.report(*sides(edit)))
        return failed(check.judge_pictures(dom, SAID if said is None else said))

    def test_an_empty_timeline(self):
        self.assertTrue(self.pictures(without("ats_testdev_write")))
        self.assertTrue(self.pictures(lambda name, text: "" if name == "trace.log" else text))
        self.assertTrue(self.pictures(lambda name, text: "" if name == "verdict.log" else text))
        self.assertTrue(failed(check.judge_pictures(check.Dom("<html></html>"), SAID)))

    def test_an_escape_that_is_not_drawn(self):
        lines = (FIXTURES / "unpatched/trace.log").read_text().splitlines()
        end = int(SAID["unpatched"]["ep1.mark_time"])
        escape = next(x for x in lines if x.startswith("ats_testdev_write") and "name=ep1 outcome=accepted" in x
                      and int(re.search(r"ns=(\d+)", x)[1]) > end)
        self.assertTrue(self.pictures(lambda name, text: text.replace(escape + "\n", "")))

    def test_an_escape_too_many(self):
        said = {**SAID, "patched": {**SAID["patched"], "escapes": "1"}}
        self.assertTrue(self.pictures(lambda name, text: text, said))

    def test_logs_without_a_verdict(self):
        self.assertTrue(self.pictures(lambda name, text: text, {}))

    def test_other_cells(self):
        left, right = sides()
        rows, page = list(demo.rows(left, right)), demo.report(left, right)
        for old, new in (("16 words corrupted", "17 words corrupted"), ('id="result"', 'id="other"'),
                         ("queue errors", "queue")):
            self.assertIn(old, page)
            dom = check.Dom(page.replace(old, new))
            self.assertTrue(failed(check.judge_cells(dom, rows, SAID)), old)
        self.assertTrue(failed(check.judge_cells(check.Dom(page), [], SAID)))

    def test_cells_that_the_screen_has_wrong_too(self):
        left, right = sides(lambda name, text: text.replace("# corrupted=16", "# corrupted=15"))
        rows = list(demo.rows(left, right))
        self.assertTrue(failed(check.judge_cells(check.Dom(demo.report(left, right)), rows, SAID)))

    def test_references(self):
        for text in ('<img src="x.png">', '<a href="https://x">', "background:url(x)", "<script>",
                     "@import 'x'", "//x.y"):
            self.assertIsNotNone(check.OUTSIDE.search(text), text)

    def test_no_chromium(self):
        with tempfile.TemporaryDirectory() as scratch, mock.patch("shutil.which", return_value=None):
            page = Path(scratch) / "demo.html"
            page.write_text("<p>")
            logs = {state: FIXTURES / state for state in STATES}
            bad = failed(check.judge(page, logs, []))
        self.assertEqual(bad, ["the report in a browser: chromium is not installed; tools/setup/packages lists it"])


def png(rows, kind=0):
    """A PNG of rows of (r, g, b), each row with the given filter, made by hand."""
    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    above, raw = bytes(3 * len(rows[0])), b""
    for row in rows:
        flat, line = bytes(b for pixel in row for b in pixel), bytearray()
        for i, b in enumerate(flat):
            a, c = (flat[i - 3], above[i - 3]) if i >= 3 else (0, 0)
            guess = (0, a, above[i], (a + above[i]) // 2, check.paeth(a, above[i], c))[kind]
            line.append((b - guess) & 0xff)
        raw, above = raw + bytes([kind]) + line, flat
    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


class Screenshot(unittest.TestCase):
    def colours(self, rows, kind=0):
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "a.png"
            path.write_bytes(png(rows, kind))
            return check.colours(path)

    def test_filters(self):
        rows = [[(x * 7 % 256, y * 31 % 256, x * y % 256) for x in range(20)] for y in range(9)]
        want = {}
        for pixel in (p for row in rows for p in row):
            want[pixel] = want.get(pixel, 0) + 1
        for kind in range(5):
            self.assertEqual(self.colours(rows, kind), want, f"filter {kind}")

    def judge(self, rows, escapes=1):
        blank = self.colours([[(255, 255, 255)] * 20] * 20)
        return failed(check.judge_screenshot(self.colours(rows), blank, "wide", escapes))

    def test_blank(self):
        self.assertTrue(self.judge([[(255, 255, 255)] * 20] * 20))
        self.assertTrue(self.judge([[ESCAPE] * 20] * 20))

    def test_no_escape_in_sight(self):
        rows = [[(0, x * 12, y) for x in range(20)] for y in range(20)]
        self.assertTrue(self.judge(rows))
        rows[0] = [ESCAPE] * 20
        self.assertFalse(self.judge(rows))
        self.assertTrue(self.judge(rows, 21))
        self.assertTrue(self.judge(rows, 0))

    def test_marks_are_taken_out(self):
        page = demo.report(*sides())
        bare = check.Dom(check.ESCAPE_MARK.sub("", page))
        self.assertEqual([len(p.escapes) for p in bare.pictures], [0] * 8)


class Readme(unittest.TestCase):
    def setUp(self):
        self.left, self.right = sides()
        self.today = self.block()
        self.text = f"# A\n\n{self.today}\n\nrest\n"

    def block(self):
        return demo.readme_block(self.left, self.right, [(True, "unpatched: x"), (True, "patched: y")])

    def differs(self, text, today=None):
        return demo_readme.compare(text, "README.md", today or self.today)[1]

    def test_same(self):
        self.assertEqual(self.differs(self.text), [])

    def test_another_number(self):
        self.assertTrue(self.differs(self.text.replace("138 writes", "139 writes")))

    def test_a_missing_or_second_block(self):
        self.assertTrue(self.differs("# A\n"))
        self.assertTrue(self.differs(self.text + self.text))
        self.assertTrue(self.differs(self.text.replace(demo_readme.END, "")))

    def test_other_kernels(self):
        """Times may differ then; the words of the table may not."""
        other = self.today.replace("Linux 7.2.13", "Linux 7.2.12").replace("1049.5 ms", "1049.6 ms")
        self.assertEqual(self.differs(self.text, other), [])
        self.assertTrue(self.differs(self.text, other.replace("00:02.0, Stream ID", "00:03.0, not the Stream ID")))
        self.assertTrue(self.differs(self.text, other.replace("queue errors", "errors of the queue")))

    def test_update(self):
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "README.md"
            path.write_text(self.text.replace("138 writes", "139 writes"))
            demo_readme.update(path, self.today)
            self.assertEqual(path.read_text(), self.text)
            path.write_text("no block")
            with self.assertRaises(demo_readme.NoBlock):
                demo_readme.update(path, self.today)

    def test_width(self):
        self.assertLessEqual(max(map(len, self.today.splitlines()[2:])), 100)


if __name__ == "__main__":
    unittest.main()
