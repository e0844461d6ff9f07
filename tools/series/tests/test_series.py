# SPDX-License-Identifier: GPL-2.0-or-later
"""assemble and absorb on a toy kernel: inverse of each other, and their refusals."""
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from tools.series import absorb as A, assemble as S, patches as P, repo as R, verify as V

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
        self.folder = self.top / "series"
        for part in ("fixes", "fence"):
            write(self.folder / part / "cover-letter.md", f"# About {part}\n\nText.\n")
        for name, value in (("SERIES", self.folder), ("TOP", self.top)):
            self.addCleanup(setattr, P, name, getattr(P, name))
            setattr(P, name, value)
        write(self.src / "Makefile", MAKEFILE)
        write(self.src / "Kconfig", "\n")
        write(self.src / "drivers/a.c", "".join(f"line {n}\n" for n in range(20)))
        write(self.src / "odd name é.txt", "x")
        (self.src / "link").symlink_to("Makefile")
        self.repo = R.import_source(self.tmp / "out/linux", self.src, "7.2.13 (test)")
        self.seed()

    def seed(self):
        """Two parts with a patch each: a pure diff, and a diff that brings a new file in."""
        work = self.tmp / "seed"
        self.repo.git("worktree", "add", "-q", "-f", "-B", "edit", str(work), R.R_BASE)
        self.work = R.Repo(work)
        self.open("fixes")
        self.edit("drivers/a.c", "line 3\n", "line three\n")
        self.save("iommu/smmu: A first change of a line that is so long that the mail has to fold it\n\nBody é.\n")
        self.open("fence")
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

    def open(self, part):
        self.work.git("commit", "-q", "--allow-empty", "-m", f"part {part}")

    def absorb(self):
        self.said = []
        return A.absorb(self.work, self.repo.ref(R.R_BASE), self.work.ref("HEAD"),
                        self.folder, self.top, self.said.append)

    def assemble(self, **kw):
        return P.assemble(self.repo, "7.2", P.read("7.2"), **kw)

    def mails(self):
        return sorted(self.folder.glob("*/*.patch"), key=lambda p: (P.PARTS.index(p.parent.name), p.name))

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

    def test_patches_hold_no_new_file(self):
        first, second = self.mails()
        self.assertEqual([p.parent.name for p in (first, second)], ["fixes", "fence"])
        self.assertEqual([p.name[:5] for p in (first, second)], ["0001-", "0001-"])
        self.assertIn("\nX-Adds: drivers/new.c\n", second.read_text())
        self.assertNotIn("+one", second.read_text())
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
        made = self.assemble(ref="refs/t/marked", marks=True)
        self.work.git("checkout", "-q", made)
        self.absorb()
        self.assertEqual(self.said, [])

    def grow(self):
        write(self.work.path / "drivers/new.c", "one\ntwo\nthree\n")
        self.edit("drivers/a.c", "line 15\n", "line fifteen\n")
        self.save("iommu/smmu: Third\n")

    def state(self, commit):
        return self.repo.out("show", f"{commit}:drivers/new.c").split()

    def test_new_file_grows(self):
        self.grow()
        self.assertEqual(self.absorb(), 3)
        self.assertIn("+two\n", self.mails()[2].read_text())
        self.assertEqual((self.top / "drivers/new.c").read_text(), "one\ntwo\nthree\n")
        made = self.same_tree()
        self.assertEqual([self.state(made), self.state(f"{made}~1")], [["one", "two", "three"], ["one"]])

    def test_edit_of_a_file_that_grows(self):
        self.grow()
        self.absorb()
        (self.top / "drivers/new.c").write_text("ONE\ntwo\nthree\n")
        with self.assertRaisesRegex(R.SeriesError, "new.c is edited where fence/0002-third.patch changes it"):
            self.assemble()

    def test_edit_elsewhere_belongs_to_the_first_state(self):
        lines = [f"{n}\n" for n in range(9)]
        write(self.work.path / "drivers/long.c", "".join(lines))
        self.save("iommu/smmu: Long\n")
        write(self.work.path / "drivers/long.c", "".join([*lines, "end\n"]))
        self.save("iommu/smmu: Longer\n")
        self.absorb()
        (self.top / "drivers/long.c").write_text("".join(["first\n", *lines, "end\n"]))
        made = self.assemble()
        self.assertEqual(self.repo.out("show", f"{made}~1:drivers/long.c").split(), ["first", *map(str, range(9))])
        self.assertEqual(self.repo.out("show", f"{made}:drivers/long.c").split()[-1], "end")

    def test_commit_with_nothing_left_is_dropped(self):
        self.work.git("commit", "-q", "--allow-empty", "-m", "a: Nothing")
        self.assertEqual(self.absorb(), 2)
        self.assertTrue(any("dropped" in s for s in self.said))
        self.same_tree()

    def test_file_that_came_and_went(self):
        write(self.work.path / "drivers/tmp.c", "x\n")
        self.save("a: in\n")
        (self.work.path / "drivers/tmp.c").unlink()
        self.save("a: out\n")
        with self.assertRaisesRegex(R.SeriesError, "'a: in' adds drivers/tmp.c, which a later commit removes"):
            self.absorb()

    def test_file_that_is_added_no_more_leaves_the_repository(self):
        (self.work.path / "drivers/new.c").unlink()
        self.work.git("commit", "-q", "-a", "--amend", "-C", "HEAD")
        self.absorb()
        self.assertFalse((self.top / "drivers/new.c").exists())
        self.same_tree()

    def refuses_to_absorb(self, pattern):
        with self.assertRaisesRegex(R.SeriesError, pattern):
            self.absorb()

    def test_parts(self):
        self.work.git("commit", "-q", "--allow-empty", "-m", "part nonsense")
        self.refuses_to_absorb("no part is called nonsense; there are fixes queue")
        self.work.git("commit", "-q", "--allow-empty", "--amend", "-m", "part fixes")
        self.edit("drivers/a.c", "line 15\n", "line fifteen\n")
        self.save("a: Late\n")
        self.refuses_to_absorb("the parts are not in the order fixes queue")
        self.work.git("checkout", "-q", R.R_BASE)
        self.edit("drivers/a.c", "line 15\n", "line fifteen\n")
        self.save("a: Early\n")
        self.refuses_to_absorb("does not open a part: 'part NAME'")

    def test_tree_at_its_base(self):
        self.work.git("reset", "-q", "--hard", R.R_BASE)
        self.refuses_to_absorb("the tree has no patches")
        self.assertTrue((self.top / "drivers/new.c").exists())

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
        path = self.mails()[0]
        path.write_text(path.read_text().replace("Subject:", "X-Adds: drivers/new.c\nSubject:", 1))
        self.refuses("is added by")

    def test_refuses_a_patch_that_creates(self):
        path = self.mails()[0]
        path.write_text(path.read_text() + "diff --git a/x b/x\nnew file mode 100644\n"
                        "--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+x\n")
        self.refuses("creates x by its diff")

    def test_refuses_what_does_not_apply(self):
        path = self.mails()[0]
        path.write_text(path.read_text().replace("-line 3", "-line 33"))
        self.refuses("fixes/0001-.* does not apply to 7.2")

    def test_refuses_numbers_used_twice(self):
        path = self.mails()[0]
        path.with_name("0001-other.patch").write_text(path.read_text())
        self.refuses("same number")

    def export(self, dest):
        self.assemble()
        return S.export(self.repo, "7.2", "7.2.13 (test)", dest, None)

    def test_names_the_mutants_that_do_not_apply(self):
        self.assemble()
        mutants = self.top / "mutants"
        diff = "--- a/drivers/a.c\n+++ b/drivers/a.c\n@@ -1,2 +1,2 @@\n-{}\n+mutant\n line 1\n"
        head = "What.\n\nX-Killed-by: kunit.case\n\ndiff --git a/drivers/a.c b/drivers/a.c\n"
        write(mutants / "good.patch", head + diff.format("line 0"))
        with mock.patch.object(V, "MUTANTS", mutants):
            self.assertEqual(V.check_mutants(self.repo, "7.2", "", None), "1 mutants")
            write(mutants / "stale.patch", head + diff.format("line zero"))
            with self.assertRaisesRegex(R.SeriesError, r"stale\.patch does not apply to the series: error: .*drivers/a\.c"):
                V.check_mutants(self.repo, "7.2", "", None)

    def test_readme_commands_apply(self):
        dest = self.tmp / "clone/build/series/7.2"
        self.export(dest)
        parts = "for part in fixes fence; do {} || exit; done"
        command = parts.format('git -C ~/linux-7.2 am "$PWD"/build/series/7.2/$part/*.patch')
        V.run_readme(self.repo, "7.2", self.tmp, command)
        V.run_readme(self.repo, "7.2", self.tmp, parts.format("cat build/series/7.2/$part/*.patch | patch -p1 -d ~/linux-7.2"))
        # What git am said of a cover letter among the patches
        (dest / "fence" / S.COVER).rename(dest / "fence/0000-cover-letter.patch")
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
        names = self.export(dest)
        self.assertEqual([p.parent.name for p in names], ["fixes", "fence"])
        for part in ("fixes", "fence"):
            self.assertEqual([p.name[:5] for p in sorted((dest / part).iterdir())], ["0001-", "cover"])
            self.assertIn(f"Subject: [PATCH 0/1] About {part}\n", (dest / part / S.COVER).read_text())
        tree = self.tmp / "plain"
        subprocess.run(["cp", "-r", self.src, tree], check=True)
        for name in names:
            with open(name, "rb") as fh:
                subprocess.run(["patch", "-p1", "-s"], cwd=tree, stdin=fh, check=True)
        self.assertEqual((tree / "drivers/new.c").read_text(), "one\n")

    def test_export_needs_a_cover_letter(self):
        (self.folder / "fence/cover-letter.md").unlink()
        with self.assertRaisesRegex(R.SeriesError, "no .*/fence/cover-letter.md"):
            self.export(self.tmp / "mails")

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
