# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of splats.py and of the rules in splats.txt."""

import contextlib
import io
import os
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
from tools.bench import splats

FIXTURES = os.path.join(HERE, "fixtures/splats")


def fixtures():
    return sorted(os.listdir(FIXTURES))


class Fixtures(unittest.TestCase):
    def test_clean_log_is_clean(self):
        self.assertEqual(splats.scan_file(os.path.join(FIXTURES, "clean.log")), [])

    def test_every_other_log_has_exactly_its_splat(self):
        for name in fixtures():
            if name == "clean.log":
                continue
            with self.subTest(name):
                found = splats.scan_file(os.path.join(FIXTURES, name))
                self.assertEqual([s.lineno for s in found], [2])

    def test_every_rule_has_a_fixture(self):
        hit = set()
        rules = [r for r in splats.load_rules() if r.verdict == "deny"]
        for name in fixtures():
            with open(os.path.join(FIXTURES, name), encoding="utf-8") as f:
                for line in f:
                    hit |= {r.regex.pattern for r in rules if r.regex.search(splats.strip(line))}
        self.assertEqual([r.regex.pattern for r in rules if r.regex.pattern not in hit], [])


class Rules(unittest.TestCase):
    def load(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:
            f.write(text)
            f.flush()
            return splats.load_rules(f.name)

    def test_allow_wins(self):
        rules = self.load("allow\t^WARNING: known\twhy\ndeny\t^WARNING\tbad\n")
        found = splats.scan(["WARNING: known thing\n", "WARNING: other\n"], rules)
        self.assertEqual([s.lineno for s in found], [2])

    def test_malformed_lines_are_refused(self):
        for text in ("deny\tx\n", "maybe\tx\ty\n", "deny\tx\t \n", "# nothing\n"):
            with self.subTest(text), self.assertRaises(ValueError):
                self.load(text)

    def test_stamps_are_stripped(self):
        for line in ("[    1.500000] Call trace:\r\n", "[   21.500000][   T60] Call trace:\n",
                     "<4>[    1.500000] Call trace:\n", "Call trace:\n"):
            with self.subTest(line):
                self.assertEqual(len(splats.scan([line])), 1)


class Program(unittest.TestCase):
    def run_main(self, *names):
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            status = splats.main(["splats", *names])
        return status, out.getvalue()

    def test_exit_status(self):
        self.assertEqual(self.run_main(os.path.join(FIXTURES, "clean.log"))[0], 0)
        status, text = self.run_main(os.path.join(FIXTURES, "kasan.log"))
        self.assertEqual(status, 1)
        self.assertIn("kasan.log:2: memory error:", text)
        self.assertEqual(self.run_main("/nonexistent")[0], 2)


if __name__ == "__main__":
    unittest.main()
