# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of determinism.py: logs that are empty, or missing, are not the same."""

import tempfile
import unittest
from pathlib import Path

from tools.bench import determinism


class Differing(unittest.TestCase):
    def differing(self, *texts):
        with tempfile.TemporaryDirectory(prefix="atc-test.") as tmp:
            dirs = [Path(tmp) / str(n) for n in range(len(texts))]
            for where, text in zip(dirs, texts):
                where.mkdir()
                if text is not None:
                    (where / "console.log").write_text(text)
            return [dirs.index(d) for d in determinism.differing(dirs, "console.log")]

    def test_same(self):
        self.assertEqual(self.differing("a", "a", "a"), [])

    def test_one_differs(self):
        self.assertEqual(self.differing("a", "a", "ab"), [2])
        self.assertEqual(self.differing("b", "a", "a"), [1, 2])

    def test_empty_or_missing(self):
        self.assertTrue(self.differing("", "", ""))
        self.assertTrue(self.differing(None, None, None))
        self.assertEqual(self.differing("a", "", None), [1, 2])


if __name__ == "__main__":
    unittest.main()
