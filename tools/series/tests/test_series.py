# SPDX-License-Identifier: GPL-2.0-or-later
"""assemble and absorb on a toy kernel: inverse of each other, and their refusals."""
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from tools.series import absorb as A, assemble as S, repo as R, verify as V

MAKEFILE = "VERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = 13\n"


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


class Toy(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix="atc-test.")
        self.addCleanup(tmp.cleanup)
        self.tmp = Path(tmp.name)
        self.src, self.top = self.tmp / "src", self.tmp / "top"
        self.hooks = self.top / "hooks"
        self.hooks.mkdir(parents=True)
        write(self.src / "Makefile", MAKEFILE)
        write(self.src / "Kconfig", "\n")
        write(self.src / "drivers/a.c", "".join(f"line {n}\n" for n in range(20)))
        write(self.src / "odd name é.txt", "x")
        (self.src / "link").symlink_to("Makefile")
        self.repo = R.import_source(self.tmp / "out/linux", self.src, "7.2.13 (test)")
        self.seed()

    def seed(self):
        """Two hooks: a pure diff, and a diff that brings a new file in."""
        work = self.tmp / "seed"
        self.repo.git("worktree", "add", "-q", "-f", "-B", "edit", str(work), R.R_BASE)
        self.work = R.Repo(work)
        self.edit("drivers/a.c", "line 3\n", "line three\n")
        self.save("iommu/smmu: A first change of a line that is so long that the mail has to fold it\n\nBody é.\n")
        self.edit("drivers/a.c", "line 9\n", "line nine\n")
        write(work / "drivers/new.c", "one\n")
        self.save("iommu/smmu: Add the new file\n\nWhy.\n")
        self.said = []
        self.absorb()

    def edit(self, name, old, new):
        path = self.work.path / name
        text = path.read_text()
        self.assertIn(old, text)
        path.write_text(text.replace(old, new))

    def save(self, message):
        self.work.git("add", "-A")
        self.work.git("commit", "-q", "-m", message)

    def absorb(self):
        self.said = []
        return A.absorb(self.work, self.repo.ref(R.R_BASE), self.work.ref("HEAD"),
                        self.hooks, self.top, self.said.append)

    def assemble(self, **kw):
        return R.assemble(self.repo, "7.2", R.read_hooks("7.2", self.hooks), top=self.top, **kw)

    def same_tree(self):
        made = self.assemble()
        self.assertEqual(self.repo.out("rev-parse", f"{made}^{{tree}}"),
                         self.work.out("rev-parse", "HEAD^{tree}"))
        return made

    def test_import_is_the_source(self):
        names = self.repo.names("ls-tree", "-r", "--name-only", R.R_BASE)
        self.assertEqual(sorted(names), sorted(["Makefile", "Kconfig", "drivers/a.c", "odd name é.txt", "link"]))
        self.assertEqual(self.repo.out("status", "--porcelain"), "")

    def test_import_twice_is_once(self):
        before = (self.repo.path / ".git/atc-import").stat().st_mtime_ns
        R.import_source(self.repo.path, self.src, "7.2.13 (test)")
        self.assertEqual((self.repo.path / ".git/atc-import").stat().st_mtime_ns, before)

    def test_import_cut_short_is_redone(self):
        (self.repo.path / ".git/atc-import").unlink()
        repo = R.import_source(self.repo.path, self.src, "7.2.13 (test)")
        self.assertTrue(repo.ref(R.R_BASE))

    def test_own_tree_is_looked_at_again(self):
        kw = {"pristine": False}
        R.import_source(self.tmp / "o2/linux", self.src, "own 7.2.13", **kw)
        write(self.src / "drivers/b.c", "b\n")
        repo = R.import_source(self.tmp / "o2/linux", self.src, "own 7.2.13", **kw)
        self.assertIn("drivers/b.c", repo.names("ls-tree", "-r", "--name-only", R.R_BASE))

    def test_hooks_hold_no_new_file(self):
        names = sorted(p.name for p in self.hooks.iterdir())
        self.assertEqual([n[:5] for n in names], ["0001-", "0002-"])
        second = (self.hooks / names[1]).read_text()
        self.assertIn("\nX-Adds: drivers/new.c\n", second)
        self.assertNotIn("+one", second)
        self.assertEqual((self.top / "drivers/new.c").read_text(), "one\n")

    def test_round_trip(self):
        self.same_tree()
        self.absorb()
        self.assertEqual(self.said, [])

    def test_copied_repository_is_not_written_anew(self):
        self.assemble()
        R.switch(self.repo, R.R_BASE)
        copy = self.tmp / "copy/linux"
        shutil.copytree(self.repo.path, copy, symlinks=True)
        before = (copy / "Kconfig").stat().st_mtime_ns
        R.switch(R.Repo(copy), R.R_SERIES)
        self.assertEqual((copy / "Kconfig").stat().st_mtime_ns, before)
        self.assertIn("line nine\n", (copy / "drivers/a.c").read_text())

    def test_same_input_same_commit(self):
        one = self.assemble(ref="refs/t/1")
        two = self.assemble(ref="refs/t/2")
        self.assertEqual(one, two)

    def test_from_assembled_commits_too(self):
        made = self.assemble()
        self.work.git("checkout", "-q", made)
        self.absorb()
        self.assertEqual(self.said, [])

    def test_later_change_of_a_new_file_is_folded(self):
        write(self.work.path / "drivers/new.c", "one\ntwo\n")
        self.edit("drivers/a.c", "line 15\n", "line fifteen\n")
        self.save("iommu/smmu: Third\n")
        self.assertEqual(self.absorb(), 3)
        self.assertTrue(any("folded" in s for s in self.said))
        self.assertEqual((self.top / "drivers/new.c").read_text(), "one\ntwo\n")
        self.same_tree()

    def test_commit_with_nothing_left_is_dropped(self):
        write(self.work.path / "drivers/new.c", "one\ntwo\n")
        self.save("fixup\n")
        self.assertEqual(self.absorb(), 2)
        self.assertTrue(any("dropped" in s for s in self.said))
        self.same_tree()

    def test_file_that_came_and_went(self):
        write(self.work.path / "drivers/tmp.c", "x\n")
        self.save("a: in\n")
        (self.work.path / "drivers/tmp.c").unlink()
        self.save("a: out\n")
        self.absorb()
        self.assertFalse((self.top / "drivers/tmp.c").exists())
        self.same_tree()

    def test_removed_file_leaves_the_repository(self):
        (self.work.path / "drivers/new.c").unlink()
        self.save("a: out\n")
        self.absorb()
        self.assertFalse((self.top / "drivers/new.c").exists())
        self.same_tree()

    def test_only_new_files(self):
        write(self.work.path / "drivers/more.c", "m\n")
        (self.work.path / "drivers/more.c").chmod(0o755)
        self.save("a: More\n")
        self.absorb()
        self.same_tree()
        self.absorb()
        self.assertEqual(self.said, [])

    def refuses(self, pattern):
        with self.assertRaisesRegex(R.SeriesError, pattern):
            self.assemble()

    def test_refuses_a_missing_file(self):
        (self.top / "drivers/new.c").unlink()
        self.refuses("adds drivers/new.c, which is not in the repository")

    def test_refuses_a_double_claim(self):
        path = sorted(self.hooks.iterdir())[0]
        path.write_text(path.read_text().replace("Subject:", "X-Adds: drivers/new.c\nSubject:", 1))
        self.refuses("is added by")

    def test_refuses_a_hook_that_creates(self):
        path = sorted(self.hooks.iterdir())[0]
        path.write_text(path.read_text() + "diff --git a/x b/x\nnew file mode 100644\n"
                        "--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+x\n")
        self.refuses("creates x by its diff")

    def test_refuses_a_hook_that_changes_a_new_file(self):
        path = sorted(self.hooks.iterdir())[1]
        path.write_text(path.read_text() + "diff --git a/drivers/new.c b/drivers/new.c\n"
                        "--- a/drivers/new.c\n+++ b/drivers/new.c\n@@ -1 +1 @@\n-one\n+x\n")
        self.refuses("belongs into the repository's file")

    def test_refuses_what_does_not_apply(self):
        path = sorted(self.hooks.iterdir())[0]
        path.write_text(path.read_text().replace("-line 3", "-line 33"))
        self.refuses("0001-.* does not apply to 7.2")

    def test_refuses_numbers_used_twice(self):
        path = sorted(self.hooks.iterdir())[0]
        (self.hooks / "0001-other.patch").write_text(path.read_text())
        self.refuses("same number")

    def export(self, dest):
        self.assemble()
        real = R.read_hooks
        R.read_hooks = lambda base: real(base, self.hooks)
        self.addCleanup(setattr, R, "read_hooks", real)
        return S.export(self.repo, "7.2", "7.2.13 (test)", dest, None)

    def test_readme_commands_apply(self):
        dest = self.tmp / "clone/build/series/7.2"
        self.export(dest)
        command = 'git -C ~/linux-7.2 am "$PWD"/build/series/7.2/*.patch'
        V.run_readme(self.repo, "7.2", self.tmp, command)
        V.run_readme(self.repo, "7.2", self.tmp, "cat build/series/7.2/*.patch | patch -p1 -d ~/linux-7.2")
        # What git am said of a cover letter among the patches
        (dest / S.COVER).rename(dest / "0000-cover-letter.patch")
        with self.assertRaisesRegex(R.SeriesError, "exit status 128"):
            V.run_readme(self.repo, "7.2", self.tmp, command)

    def test_readme_commands_must_do_something(self):
        self.assemble()
        (self.tmp / "clone").mkdir()
        with self.assertRaisesRegex(R.SeriesError, "drivers/a.c is not what gets built"):
            V.run_readme(self.repo, "7.2", self.tmp, "true")

    def test_readme_has_one_pair_of_markers(self):
        text = "x\n<!-- apply: begin -->\n\n    git am 7.2\n\n<!-- apply: end -->\n"
        self.assertEqual(V.readme_commands(text, "7.3"), ["git am 7.3"])
        for bad in ("", text * 2):
            with self.assertRaisesRegex(R.SeriesError, "pairs of apply markers"):
                V.readme_commands(bad, "7.2")

    def test_export(self):
        dest = self.tmp / "mails"
        self.assertEqual(self.export(dest), 2)
        names = sorted(p.name for p in dest.iterdir())
        self.assertEqual([n[:5] for n in names], ["0001-", "0002-", "cover"])
        self.assertRegex((dest / S.COVER).read_text(), r"(?m)^Subject: \[PATCH 0/2\] \S")
        tree = self.tmp / "plain"
        subprocess.run(["cp", "-r", self.src, tree], check=True)
        for name in names[:2]:
            with open(dest / name, "rb") as fh:
                subprocess.run(["patch", "-p1", "-s"], cwd=tree, stdin=fh, check=True)
        self.assertEqual((tree / "drivers/new.c").read_text(), "one\n")

    def test_not_a_kernel(self):
        with self.assertRaisesRegex(R.SeriesError, "not a kernel tree"):
            R.kernel_version(self.tmp)
        self.assertEqual(R.kernel_version(self.src), ("7.2", "7.2.13"))

    def test_sob(self):
        self.assertEqual(S.parse_sob("A B <a@b.org>"), ("A B", "a@b.org"))
        with self.assertRaises(R.SeriesError):
            S.parse_sob("A B")


if __name__ == "__main__":
    unittest.main()
