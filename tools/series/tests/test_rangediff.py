# SPDX-License-Identifier: GPL-2.0-or-later
"""make range-diff: what it says of a commit that it cannot compare with."""
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from tools.series import rangediff, repo as R


class RangeDiff(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix="atc-test.")
        self.addCleanup(tmp.cleanup)
        self.top = Path(tmp.name)
        R.run_git(self.top, "init", "-q")
        patcher = mock.patch.object(rangediff, "TOP", self.top)
        patcher.start()
        self.addCleanup(patcher.stop)

    def commit(self, name, text):
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        R.run_git(self.top, "add", "-A")
        R.run_git(self.top, "commit", "-q", "-m", name)
        return rangediff.resolve("HEAD")

    def refuses(self, pattern, call, *args):
        with self.assertRaisesRegex(R.SeriesError, pattern):
            call(*args)

    def test_no_commit(self):
        self.refuses("FROM= is no commit", rangediff.resolve, "")
        self.refuses("FROM=nonsense is no commit", rangediff.resolve, "nonsense")

    def test_commit_without_parts(self):
        old = self.commit("README", "x\n")
        self.refuses("before the series had parts", rangediff.assemble_from, R.Repo(self.top), "7.2", old)

    def test_series_of_then_cannot_be_made(self):
        old = self.commit("tools/series/patches.py", "raise RuntimeError('of then')\n")
        self.refuses("cannot be made: RuntimeError: of then", rangediff.assemble_from, R.Repo(self.top), "7.2", old)


if __name__ == "__main__":
    unittest.main()
