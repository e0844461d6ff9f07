# SPDX-License-Identifier: GPL-2.0-or-later
"""A second base: what its own text of a patch survives, what it does not, and how it is made again."""
import contextlib
import io
import tempfile
import unittest
from pathlib import Path

from tools.series import absorb as A, assemble as S, bases, patches as P, repo as R, verify as V

NEW = "".join(f"{line}\n" for line in ("a", "b", "c", "d", "one", "two", "three", "e", "f", "g", "h"))
MAKEFILE = Path(__file__).resolve().parents[3] / "Makefile"


class Toy(unittest.TestCase):
    """Two patches and a new file; 7.3 has another text where the first one changes it."""

    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix="atc-test.")
        self.addCleanup(tmp.cleanup)
        self.tmp = Path(tmp.name)
        self.top = self.tmp / "top"
        self.folder = self.top / "series"
        self.own_texts = self.folder / "queue/7.3"
        for name, value in (("TOP", self.top), ("SERIES", self.folder)):
            self.addCleanup(setattr, P, name, getattr(P, name))
            setattr(P, name, value)
        self.lines = [f"line {n}" for n in range(40)]
        self.seed()
        self.repo = self.source("7.3", [ln.replace("line 3", "7.3's 3") if n == 3 else ln
                                        for n, ln in enumerate(self.lines)])
        self.tree = self.out / "7.3/tree"

    @property
    def out(self):
        return self.tmp / "out"

    def source(self, base, lines):
        src = self.tmp / f"src-{base}"
        major, minor = base.split(".")
        for name, body in (("Makefile", f"VERSION = {major}\nPATCHLEVEL = {minor}\nSUBLEVEL = 0\n"), ("Kconfig", "\n"),
                           ("drivers/a.c", "\n".join(lines) + "\n")):
            (src / name).parent.mkdir(parents=True, exist_ok=True)
            (src / name).write_text(body)
        return R.import_source(bases.folder(self.out, base) / "linux", src, base)

    def seed(self):
        repo = self.source("7.2", self.lines)
        self.common = R.Repo(self.tmp / "common")
        repo.git("worktree", "add", "-q", "-f", "-B", "common", str(self.common.path), R.R_BASE)
        self.common.git("commit", "-q", "--allow-empty", "-m", "part queue")
        self.edit(self.common, ("line 3", "line three"), ("line 20", "line twenty"))
        self.save(self.common, "a: First\n")
        (self.common.path / "drivers/new.c").write_text(NEW)
        self.edit(self.common, ("line 9", "line nine"))
        self.save(self.common, "a: Second\n")
        self.absorb_common()

    @staticmethod
    def edit(work, *pairs, name="drivers/a.c"):
        path = work.path / name
        lines = path.read_text().splitlines()
        for old, new in pairs:
            lines[lines.index(old)] = new
        path.write_text("\n".join(lines) + "\n")

    @staticmethod
    def save(work, message, *options):
        work.git("add", "-A")
        work.git("commit", "-q", *options, "-m", message)

    def absorb_common(self):
        head = self.common.ref("HEAD")
        root = self.common.out("rev-list", "--max-parents=0", head)
        A.absorb(self.common, root, head, self.folder, self.top, lambda said: None)

    def common_edit(self, *pairs, first=""):
        """Change the first common patch, or put another one in front of it."""
        one, two = self.common.ref("HEAD~1"), self.common.ref("HEAD")
        self.common.git("checkout", "-q", "--detach", f"{one}~1" if first else one)
        self.edit(self.common, *pairs)
        self.save(self.common, first or "a: First\n", *([] if first else ["--amend"]))
        for commit in [one, two] if first else [two]:
            self.common.git("cherry-pick", commit)
        self.absorb_common()

    def refresh(self):
        with contextlib.redirect_stdout(io.StringIO()):
            return S.refresh_tree(self.repo, self.out / "7.3", "7.3", self.tmp / "src-7.2")

    def resolve(self, *pairs):
        """Take ours, and edit it."""
        work = R.Repo(self.tree)
        work.git("checkout", "-q", "--ours", "drivers/a.c")
        self.edit(work, *pairs)
        work.git("add", "-A")
        work.git("-c", "core.editor=true", "cherry-pick", "--continue")

    def absorb(self):
        with contextlib.redirect_stdout(io.StringIO()):
            A.absorb_tree(self.out, "7.3")

    def made(self):
        self.assertFalse(self.refresh())
        self.resolve(("7.3's 3", "7.3's three"), ("line 20", "line twenty"))
        self.assertTrue(self.refresh())
        self.absorb()

    def assemble(self):
        made = P.assemble(self.repo, "7.3", P.read("7.3"))
        return self.repo.out("show", f"{made}:drivers/a.c").splitlines(), made

    def expect(self, *lines):
        have, _ = self.assemble()
        for line in lines:
            self.assertIn(line, have)

    def refuses(self, pattern):
        with self.assertRaisesRegex(R.SeriesError, pattern):
            self.assemble()

    def test_what_does_not_fit_is_refused(self):
        self.refuses("queue/0001-first.patch does not apply to 7.3: .*; make tree BASE=7.3 helps")

    def test_one_text_instead_of_one_patch(self):
        self.made()
        self.assertEqual([p.name for p in self.own_texts.iterdir()], ["first.patch"])
        self.assertRegex((self.own_texts / "first.patch").read_text(), r"(?m)^X-Instead-Of: [0-9a-f]{12}$")
        self.expect("7.3's three", "line twenty", "line nine")

    def test_the_check_says_what_differs(self):
        self.made()
        self.assemble()
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            self.assertEqual(V.check_differences(self.repo, "7.3", "", self.out), "1 patches have another text")
        self.assertEqual(said.getvalue().splitlines(),
                         ["# queue/first.patch instead of queue/0001-first.patch: 2 lines go, 2 come",
                          "#   -line 3", "#   +line three", "#   -7.3's 3", "#   +7.3's three"])

    def test_absorb_is_the_inverse(self):
        self.made()
        was = (self.own_texts / "first.patch").read_bytes()
        head = P.assemble(self.repo, "7.3", P.read("7.3"), ref="refs/t/marked", marks=True)
        A.absorb_base("7.3", self.repo, self.repo.ref(R.R_BASE), head, self.folder, say=lambda said: None)
        self.assertEqual((self.own_texts / "first.patch").read_bytes(), was)

    def test_survives_other_numbers(self):
        self.made()
        for path in sorted(self.folder.glob("queue/0*.patch"), reverse=True):
            path.rename(path.with_name(f"{int(path.name[:4]) + 7:04d}{path.name[4:]}"))
        self.expect("7.3's three", "line twenty")

    def test_survives_other_lines_around(self):
        self.made()
        self.common_edit(("line 30", "line thirty"), first="a: Zeroth")
        self.expect("7.3's three", "line twenty", "line thirty")

    def test_is_stale_when_its_patch_was_edited(self):
        self.made()
        self.common_edit(("line three", "line drei"))
        self.refuses("queue/7.3/first.patch is instead of queue/0001-first.patch, which was edited since")
        self.assertFalse(self.refresh())
        self.resolve(("7.3's 3", "7.3's drei"), ("line 20", "line twenty"))
        self.assertTrue(self.refresh())
        self.absorb()
        self.expect("7.3's drei", "line twenty", "line nine")

    def test_goes_when_the_patch_fits(self):
        self.made()
        self.common_edit(("line three", "line 3"))
        self.assertTrue(self.refresh())
        self.absorb()
        self.assertEqual(list(self.own_texts.iterdir()), [])

    def test_is_for_a_patch_that_exists(self):
        self.made()
        (self.own_texts / "first.patch").rename(self.own_texts / "erste.patch")
        self.refuses("erste.patch is instead of queue/NNNN-erste.patch, which does not exist")

    def test_absorb_of_the_default_base_leaves_it_alone(self):
        self.made()
        was = (self.own_texts / "first.patch").read_bytes()
        self.common_edit(("line 30", "line thirty"))
        self.assertEqual((self.own_texts / "first.patch").read_bytes(), was)

    def test_new_files_are_common(self):
        self.made()
        work = R.Repo(self.tree)
        (work.path / "drivers/new.c").write_text("1\n")
        self.save(work, "a: Second\n", "--amend")
        with self.assertRaisesRegex(R.SeriesError, "common to all bases: drivers/new.c"):
            self.absorb()

    def test_messages_are_common(self):
        self.made()
        R.Repo(self.tree).git("commit", "-q", "--amend", "-m", "a: Second\n\nOther.\n")
        with self.assertRaisesRegex(R.SeriesError, "the message and the part of 'a: Second'"):
            self.absorb()

    def test_files_that_changed_meanwhile(self):
        self.made()
        (self.top / "drivers/new.c").write_text("3\n")
        with self.assertRaisesRegex(R.SeriesError, "changed since make tree"):
            self.absorb()

    def own(self):
        """One patch of 7.3 only in front of the second, one behind all."""
        self.made()
        work = R.Repo(self.tree)
        second = work.ref("HEAD")
        work.git("checkout", "-q", "-B", "edit", "HEAD~1")
        self.edit(work, ("line 35", "7.3's 35"))
        self.save(work, "a: Of 7.3\n\nWhy.\n")
        work.git("cherry-pick", second)
        self.edit(work, ("two", "7.3's two"), name="drivers/new.c")
        self.save(work, "a: On top\n")
        self.absorb()

    def test_own_patches(self):
        self.own()
        self.assertEqual(sorted(p.name for p in self.own_texts.iterdir()), ["first.patch", "of-7-3.patch", "on-top.patch"])
        self.assertEqual((self.top / "drivers/new.c").read_text(), NEW)
        self.expect("7.3's three", "7.3's 35")
        _, made = self.assemble()
        self.assertEqual(self.repo.out("log", "--reverse", "--format=%s", f"{R.R_BASE}..{made}").splitlines(),
                         ["a: First", "a: Of 7.3", "a: Second", "a: On top"])
        self.assertEqual(self.repo.out("show", f"{made}:drivers/new.c") + "\n", NEW.replace("two", "7.3's two"))

    def test_own_patch_follows_its_file(self):
        self.own()
        (self.top / "drivers/new.c").write_text("zero\n" + NEW)
        _, made = self.assemble()
        self.assertEqual(self.repo.out("show", f"{made}:drivers/new.c") + "\n", "zero\n" + NEW.replace("two", "7.3's two"))

    def test_own_patch_adds_no_file(self):
        self.made()
        work = R.Repo(self.tree)
        (work.path / "drivers/more.c").write_text("x\n")
        self.save(work, "a: More\n")
        with self.assertRaisesRegex(R.SeriesError, "common to all bases: drivers/more.c"):
            self.absorb()

    def test_make_knows_the_default(self):
        self.assertIn(f"\nBASE     ?= {bases.DEFAULT}\n", MAKEFILE.read_text())


if __name__ == "__main__":
    unittest.main()
