# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of soak.py: every run counts, and the load is there and goes away."""

import io
import subprocess
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from tools import ktap
from tools.bench import scenarios, soak


class Soak(unittest.TestCase):
    def test_every_run_counts(self):
        job = scenarios.all_jobs({"reset.1cpu.poll"})[0]
        verdicts = iter([[(True, "a")], [(False, "b"), (True, "a")], [(True, "a")]])
        bench = SimpleNamespace(out=Path("/nowhere"), boot=lambda kernel, cfg, out: out)
        options = SimpleNamespace(repeat=3, jobs=1, limit=1)
        with mock.patch.object(scenarios, "judge_job", lambda job, boots: next(verdicts)):
            found = soak.rounds(bench, {"patched": "k"}, [job], options, 0)
        self.assertEqual(found, {"reset.1cpu.poll": [[], ["b"], []]})
        out = io.StringIO()
        report = ktap.Writer(out=out)
        soak.report_load(report, 0, found, 60)
        self.assertIn("not ok 1 reset.1cpu.poll, idle: 1 of 3 failed", out.getvalue())
        self.assertIn("# 1: b", out.getvalue())
        self.assertIn("# idle: 1 of 3 runs failed", out.getvalue())
        self.assertEqual(report.close(), 1)

    def test_rounds_differ(self):
        job = scenarios.all_jobs({"reset.1cpu.poll"})[0]
        lines = ["".join(soak.config(job, 1, n).append) for n in (1, 2, 3)]
        self.assertEqual(lines[0], "".join(scenarios.config(job, 1).append))
        self.assertEqual(len({len(line) for line in lines}), 3)

    def test_load(self):
        started = []
        popen = subprocess.Popen

        def start(*args, **kw):
            started.append(popen(*args, **kw))
            return started[-1]
        with mock.patch.object(subprocess, "Popen", start), self.assertRaises(KeyboardInterrupt):
            with soak.busy(2):
                self.assertEqual([p.poll() for p in started], [None, None])
                raise KeyboardInterrupt
        self.assertEqual([p.returncode for p in started], [-9, -9])


if __name__ == "__main__":
    unittest.main()
