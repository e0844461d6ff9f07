# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of coccinelle.py with a coccicheck that says what the test wants."""

import io
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from tools import ktap
from tools.checks import coccinelle


class Coccicheck(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.tree = Path(tmp.name)
        (self.tree / "scripts").mkdir()

    def says(self, text, status=0):
        (self.tree / "said").write_text(text)
        (self.tree / "scripts/coccicheck").write_text(f'cat "$srctree/said"; exit {status}\n')

    def run_it(self, rule=None):
        return coccinelle.coccicheck(self.tree, self.tree, ["a.c"], rule)

    def test_findings(self):
        self.says("/usr/bin/spatch -D report a.c\na.c:7:1-4: wrong\n\na.c:9:2-3: worse\n")
        self.assertEqual(self.run_it(), ({"a.c": [(7, "wrong"), (9, "worse")]}, []))

    def test_other_lines_are_no_findings(self):
        self.says("a.c: cannot be parsed\nb.c:7:1-4: of another file\n")
        self.assertEqual(self.run_it(), ({}, ["a.c: a.c: cannot be parsed", "a.c: b.c:7:1-4: of another file"]))

    def test_exit_status(self):
        self.says("", 2)
        self.assertEqual(self.run_it(), ({}, ["a.c: exit status 2"]))

    def compare(self, before, after, there=("a.c",)):
        out = io.StringIO()
        folders = [(list(there), self.tree)] * 2
        with mock.patch.object(coccinelle, "coccicheck", side_effect=[before, after]), \
             mock.patch("sys.stdout", out):
            report = ktap.Writer()
            coccinelle.compare(SimpleNamespace(tree=self.tree), folders, None, "rule", report)
        return "not ok" not in out.getvalue()

    def test_compare(self):
        one, two = {"a.c": [(1, "wrong")]}, {"a.c": [(5, "wrong"), (6, "wrong")]}
        self.assertTrue(self.compare((one, []), (one, [])))
        self.assertFalse(self.compare((one, []), (two, [])))
        self.assertFalse(self.compare((one, []), (one, ["a.c: exit status 2"])))
        self.assertFalse(self.compare(({}, []), ({}, []), there=()))

    def test_fixture(self):
        for lines, ok in (([3], True), ([], False), ([3, 4], False)):
            out = io.StringIO()
            rule = self.tree / "rules/r.cocci"
            (self.tree / "tests/rules").mkdir(parents=True, exist_ok=True)
            (self.tree / "tests/rules/r.c").write_text("\n\nwrong; /* hit */\nright;\n")
            found = ({"r.c": [(n, "wrong") for n in lines]}, [])
            with mock.patch.object(coccinelle, "HERE", self.tree), mock.patch("sys.stdout", out), \
                 mock.patch.object(coccinelle, "coccicheck", return_value=found):
                coccinelle.check_fixture(self.tree, rule, ktap.Writer())
            self.assertEqual("not ok" not in out.getvalue(), ok)


if __name__ == "__main__":
    unittest.main()
