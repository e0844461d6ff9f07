# SPDX-License-Identifier: GPL-2.0-or-later
"""static.py: a tool that does not run, or that looks at one file of many, is no success."""
import io
import json
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from tools import ktap
from tools.checks import static as T

# In kernel-doc's place: tells of the planted defect in the files that it looks at
KERNEL_DOC = """\
import sys
for name in sys.argv[3:][{looks}]:
    for n, line in enumerate(open(name), 1):
        if "atc_planted(int" in line:
            print(f"Warning: {{name}}:{{n}} function parameter 'parameter' not described in 'atc_planted'",
                  file=sys.stderr)
        if line.startswith("bad doc"):
            print(f"Warning: {{name}}:{{n}} This comment starts with '/**'\\n * bad", file=sys.stderr)
{end}
"""
NAMES = ["drivers/a.c", "drivers/b.c", "include/c.h"]


class Repo:
    """Two refs whose files differ in nothing but what `series` adds to a.c."""

    def __init__(self, series=""):
        self.series = series

    def names(self, *_):
        return NAMES

    def git(self, _cat_file, _blob, what, check=True):
        ref, name = what.split(":")
        text = "int x;\n" + (self.series if name == NAMES[0] and ref == T.R.R_SERIES else "")
        return subprocess.CompletedProcess([], 0, text.encode())


class Fake(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="atc-test.")
        self.addCleanup(scratch.cleanup)
        self.tree = Path(scratch.name)
        self.out = io.StringIO()
        self.report = ktap.Writer(out=self.out)

    def bad(self):
        return [ln for ln in self.out.getvalue().splitlines() if ln.startswith("not ok")]


class KernelDoc(Fake):
    def judge(self, looks=":", end="", series=""):
        tool = self.tree / "scripts/kernel-doc"
        tool.parent.mkdir()
        tool.write_text(KERNEL_DOC.format(looks=looks, end=end))
        T.check_kernel_doc(mock.Mock(tree=self.tree, repo=Repo(series)), self.report)
        return self.bad()

    def test_good(self):
        self.assertEqual(self.judge(), [])

    def test_it_does_not_run(self):
        T.check_kernel_doc(mock.Mock(tree=self.tree, repo=Repo()), self.report)
        self.assertEqual(len(self.bad()), 2)

    def test_it_dies_without_a_word(self):
        self.assertIn("0 of 3 files", " ".join(self.judge(looks=":0", end="sys.exit(3)")))

    def test_it_dies_behind_its_work(self):
        self.assertIn("speaks of files only", " ".join(self.judge(end="raise OSError")))

    def test_it_looks_at_one_file(self):
        self.assertIn("1 of 3 files", " ".join(self.judge(looks=":1")))

    def test_something_new(self):
        self.assertEqual(len(self.judge(series="bad doc\n")), 1)


class Sparse(Fake):
    SAID = ["warning: restricted __le64 degrades to integer", "warning: 'planted_const' defined but not used"]

    def judge(self, checked, objects=NAMES, rest=(), said=None):
        obj = self.tree / "obj"
        for state in ("unpatched", "patched"):
            (self.tree / state).mkdir()
            (self.tree / state / "sparse.json").write_text(json.dumps({"checked": checked, "files": {}}))
        for name in objects:
            (obj / name).parent.mkdir(parents=True, exist_ok=True)
            (obj / name).with_suffix(".o").touch()
        kernels = mock.Mock(obj=obj, repo=Repo(), dest=lambda state: self.tree / state,
                            sparse_control=lambda step: self.SAID if said is None else said,
                            rest=lambda step, names: ([], set(names) & set(rest)))
        T.check_sparse(kernels, self.report, None)
        return " ".join(self.bad())

    def test_good(self):
        self.assertEqual(self.judge(NAMES), "")
        self.setUp()
        self.assertEqual(self.judge(NAMES[:1], rest=NAMES), "")

    def test_one_file_was_looked_at(self):
        self.assertIn("1 of 2 C files", self.judge(NAMES[:1]))

    def test_a_file_was_checked_and_not_compiled(self):
        self.assertIn("1 of 2 C files", self.judge(NAMES, objects=NAMES[:1]))

    def test_planted_defects(self):
        self.assertIn("sparse reports", self.judge(NAMES, said=self.SAID[1:]))
        self.setUp()
        self.assertIn("W=1 reports", self.judge(NAMES, said=self.SAID[:1]))


class Checkpatch(Fake):
    PERL = 'foreach (@ARGV) {{ print "$_:14: ERROR:TRAILING_WHITESPACE: trailing whitespace\\n" if {cond}; }}\n'

    def judge(self, mails, patches=2, cond="/planted/"):
        tool = self.tree / "scripts/checkpatch.pl"
        tool.parent.mkdir()
        tool.write_text(self.PERL.format(cond=cond))

        def export(_repo, _base, _version, dest, _sob):
            dest.mkdir()
            names = [dest / f"{n:04}-x.patch" for n in range(1, mails + 1)]
            for name in names:
                name.touch()
            return names
        with mock.patch.object(T.S, "export", export), \
                mock.patch.object(T.P, "read", lambda base: [mock.Mock()] * patches):
            T.check_checkpatch(mock.Mock(tree=self.tree), "7.2", self.report)
        return " ".join(self.bad())

    def test_good(self):
        self.assertEqual(self.judge(2), "")

    def test_a_mail_is_missing(self):
        self.assertIn("1 mails of 2", self.judge(1))

    def test_it_finds_nothing(self):
        self.assertIn("planted", self.judge(2, cond="0"))

    def test_a_finding(self):
        self.assertIn("0002-x.patch", self.judge(2, cond="/planted|0002/"))


if __name__ == "__main__":
    unittest.main()
