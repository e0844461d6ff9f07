# SPDX-License-Identifier: GPL-2.0-or-later
"""numbers.py: tables that are stale, pasted, or of nobody knows when."""
import os
import tempfile
import unittest
from pathlib import Path

from tools import TOP
from tools.bench import cost
from tools.checks import numbers as N

TABLE = "| a | b |\n| --- | --- |\n| 0.95 | 1.02 |"
PAGE = f"# Page\n\n<!-- numbers: cost begin -->\n\n{TABLE}\n\n<!-- numbers: cost end -->\n\nMore.\n"
ORIGIN = "Measured by `make check` at commit 0123abc on 2026-11-20."


class Blocks(unittest.TestCase):
    def test_round_trip(self):
        self.assertEqual(N.join(N.split(PAGE, "x")), PAGE)
        self.assertEqual(N.blocks(PAGE, "x"), [("cost", TABLE)])

    def test_marks_that_do_not_match(self):
        for bad in (PAGE.replace("cost end", "storm end"), PAGE.replace("<!-- numbers: cost end -->", ""),
                    PAGE.replace("<!-- numbers: cost begin -->", ""), PAGE.replace("cost", "prices")):
            with self.subTest(bad), self.assertRaises(N.NumbersError):
                N.split(bad, "x")

    def test_update_writes_only_what_was_named(self):
        with tempfile.TemporaryDirectory(prefix="atc-test.") as tmp:
            page, out = Path(tmp) / "x.md", Path(tmp)
            page.write_text(PAGE)
            N.update(page, ["storm"], out)
            self.assertEqual(page.read_text(), PAGE)
            with self.assertRaises(N.NumbersError):
                N.update(page, ["cost"], out)


class Exact(unittest.TestCase):
    def test_same_but_for_an_instruction_or_two(self):
        self.assertEqual(N.differences(TABLE, TABLE), [])
        self.assertEqual(N.differences(TABLE, TABLE.replace("0.95", "0.96")), [])

    def test_rows_that_are_a_race(self):
        row = "| 1 of 1, 4 flushes at once | 5 T | 8.41 | 3.01 |"
        self.assertEqual(N.differences(row, row.replace("3.01", "4.02")), [])
        self.assertEqual(len(N.differences(row, row.replace("5 T", "6 T"))), 1)

    def test_stale(self):
        self.assertEqual(N.differences(TABLE, TABLE.replace("0.95", "0.97")), ["0.95 here, 0.97 measured"])
        self.assertEqual(len(N.differences(TABLE, TABLE.replace("| a ", "| c "))), 1)
        self.assertEqual(len(N.differences(TABLE, TABLE + "\n| 1.00 | 1.00 |")), 1)
        self.assertEqual(len(N.differences("", TABLE)), 1)

    def test_not_measured(self):
        with tempfile.TemporaryDirectory(prefix="atc-test.") as tmp:
            self.assertIn("run python3 -m tools.bench.cost", N.judge(N.BLOCKS["cost"], TABLE, Path(tmp))[0])
            path = Path(tmp) / N.BLOCKS["cost"].source
            path.parent.mkdir(parents=True)
            path.write_text("")
            self.assertIn("cannot be read", N.judge(N.BLOCKS["cost"], TABLE, Path(tmp))[0])


class Footprints(unittest.TestCase):
    def write(self, path, barriers):
        """footprint.tsv of kernels that differ in this number only."""
        new = N.footprint.Footprint(1000, 12, 12, barriers, 10, 57, 40, 65)
        rows = []
        for names in cost.COMPARED + cost.VARIANTS:
            rows += cost.footprint_rows("polled", names, dict.fromkeys(cost.SIZES, new._replace(barriers=14)),
                                        dict.fromkeys(cost.SIZES, new), {})
        path.write_text(cost.tsv_of(rows))

    def test_what_is_missed_is_bold(self):
        with tempfile.TemporaryDirectory(prefix="atc-test.") as tmp:
            path = Path(tmp) / "footprint.tsv"
            self.write(path, 14)
            self.assertNotIn("**", N.render_footprint(path))
            self.write(path, 16)
            text = N.render_footprint(path)
            self.assertEqual(text.count("**16 (14)**"), 4 * len(cost.SIZES))
            self.assertEqual(text.count("**"), 8 * len(cost.SIZES))
            self.assertEqual(N.render_footprint_mail(path).count("1.000"), 4 * len(cost.SIZES))


class Measured(unittest.TestCase):
    def judge(self, text, known=True):
        return N.judge_origin(N.BLOCKS["budget"], text, lambda commit: known)

    def test_origin(self):
        self.assertEqual(self.judge(f"{ORIGIN}\n\n{TABLE}"), [])
        self.assertEqual(self.judge(f"{ORIGIN}\n\n{TABLE}", None), [])

    def test_pasted(self):
        self.assertIn("says not by which command", self.judge(TABLE)[0])

    def test_wrong_origin(self):
        self.assertIn("not in the history", self.judge(f"{ORIGIN}\n\n{TABLE}", False)[0])
        self.assertIn("is no date", self.judge(f"{ORIGIN}\n\n{TABLE}".replace("11-20", "13-40"))[0])
        self.assertIn("not by make check", self.judge(f"{ORIGIN}\n\n{TABLE}".replace("`make check`", "`me`"))[0])

    def test_no_numbers(self):
        self.assertEqual(self.judge(ORIGIN), ["there are no numbers"])

    def test_older_than_the_commit(self):
        with tempfile.TemporaryDirectory(prefix="atc-test.") as tmp:
            source = Path(tmp) / "budget.tsv"
            source.write_text("# step\nQEMU\t2.60\t156.0\tdone\n")
            os.utime(source, (1, 1))
            with self.assertRaises(N.NumbersError):
                N.origin(N.BLOCKS["budget"], source)


class Rendering(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="atc-test.")
        self.addCleanup(scratch.cleanup)
        self.path = Path(scratch.name) / "x"

    def rows(self):
        cells = ["1000", "950", "0.9500", "0.9401", "3", "3", "1", "1", "2", "2"]
        rows = [cost.Row(way, f"{phase}, {n} with ATS", cells, "1.005", True)
                for _, way in N.WAYS for phase, _, _ in cost.PHASES for n in cost.SIZES]
        rows.append(cost.Row("CMD_SYNC polled, one CMD_SYNC", "instructions", ["170", "120"], "<= 170", True))
        rows.append(cost.Row("time to fence", "1 of 7, 1 flush", ["2", "4.001", "2.004", "7", "7"], "2 T, 2%", True))
        return rows

    def test_cost(self):
        self.path.write_text(cost.tsv_of(self.rows()))
        text = N.render_cost(self.path)
        self.assertEqual(len(text.splitlines()), 2 + 2 * len(cost.PHASES))
        self.assertIn("| 0.95 | 0.95 | 0.95 | 0.95 | 0.95 | 0.95 | 1.005 |", text)
        self.assertEqual(N.render_times(self.path).splitlines()[2:], ["| 1 of 7, 1 flush | 2 T | 4.00 | 2.00 |"])
        self.assertIn("nothing has failed             0.95", N.render_cost_mail(self.path))

    def test_cost_of_a_run_that_failed(self):
        self.path.write_text(cost.tsv_of([cost.Row("cost-poll", "no numbers", [], "the guests finish", False)]))
        with self.assertRaises(KeyError):
            N.render_cost(self.path)

    def test_budget(self):
        self.path.write_text("# step\tminutes\tseconds\tstate\nQEMU\t2.60\t156.0\tdone\npackages\t0.01\t0.6\tdone\n")
        self.assertEqual(N.render_budget(self.path).splitlines()[2:],
                         ["| QEMU | 2.6 |", "| sum, some of it side by side | 3 |"])

    def test_storm(self):
        self.path.write_text("# storm.attaches=1000\n# storm.faults=180\n# storm.resets=276\n"
                             "# storm.samples=2170176\n# rejected=17382\n# escapes=0\n")
        self.assertEqual(N.render_storm(self.path).splitlines()[2], "| 1,000 | 180 | 276 | 2,170,176 | 17,382 | 0 |")
        self.path.write_text("# storm.attaches=1000\n")
        with self.assertRaises(N.NumbersError):
            N.render_storm(self.path)


class Ours(unittest.TestCase):
    def test_documents_have_whole_blocks(self):
        for document in N.DOCUMENTS:
            N.blocks((TOP / document).read_text(encoding="utf-8"), document)


if __name__ == "__main__":
    unittest.main()
