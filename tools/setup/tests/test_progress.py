# SPDX-License-Identifier: GPL-2.0-or-later
"""Steps: what is printed, what a failure shows, what the watches count."""
import contextlib
import io
import tempfile
import unittest
from pathlib import Path

from tools.setup import progress


class Progress(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix="atc-test.")
        self.addCleanup(tmp.cleanup)
        self.dir = Path(tmp.name)
        self.steps = progress.Steps(self.dir, 12)
        self.steps.tty = False

    def run_step(self, body):
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            try:
                with self.steps.step("doing", "doing") as step:
                    body(step)
            except progress.StepError as e:
                return text.getvalue(), str(e)
        return text.getvalue(), ""

    def test_lines(self):
        text, _ = self.run_step(lambda s: s.run(["true"]))
        self.assertEqual(text, "[ 1/12] doing ...\n[ 1/12] doing ... done 0s\n")

    def test_failure_shows_the_log_and_its_end(self):
        text, error = self.run_step(lambda s: s.run(["sh", "-c", "seq 100; exit 3"]))
        self.assertIn("FAILED", text)
        self.assertIn("sh ended with status 3", error)
        self.assertIn(str(self.dir / "log/doing.log"), error)
        lines = error.splitlines()
        self.assertEqual([ln.strip() for ln in lines[1:]], [str(n) for n in range(81, 101)])

    def test_full_disk_is_named(self):
        _, error = self.run_step(lambda s: s.run(["sh", "-c", "echo 'x: No space left on device'; exit 1"]))
        self.assertTrue(error.startswith("the disk is full"))

    def test_missing_tool(self):
        _, error = self.run_step(lambda s: s.run(["no-such-tool"]))
        self.assertEqual(error, "no-such-tool is not installed")

    def test_heartbeat(self):
        old, progress.HEARTBEAT = progress.HEARTBEAT, 1.0
        self.addCleanup(setattr, progress, "HEARTBEAT", old)
        text, _ = self.run_step(lambda s: s.run(["sleep", "6"]))
        self.assertGreaterEqual(len(text.splitlines()), 3)

    def test_watches(self):
        watch = progress.count_watch(r"^  CC ", 4)
        self.assertIsNone(watch("  LD x"))
        self.assertEqual([watch("  CC x") for _ in range(5)], [25, 50, 75, 99, 99])
        self.assertEqual(progress.ninja_watch()("[13/26] cc"), 50)

    def test_span(self):
        self.assertEqual([progress.span(n) for n in (5, 80, 3700)], ["5s", "1m20s", "1h01m"])

    def test_budget(self):
        self.run_step(lambda s: s.run(["true"]))
        self.steps.write_budget()
        self.assertIn("doing\t0.00\t", (self.dir / "budget.tsv").read_text())


if __name__ == "__main__":
    unittest.main()
