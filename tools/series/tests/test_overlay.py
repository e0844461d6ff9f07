# SPDX-License-Identifier: GPL-2.0-or-later
"""A second base: what an overlay survives, what it does not, and how it is made again."""
import contextlib
import io
import tempfile
import unittest
from pathlib import Path

from tools.series import absorb as A, assemble as S, bases, overlay as O, repo as R

MAKEFILE = Path(__file__).resolve().parents[3] / "Makefile"


def diff(at, *lines, path="a.c"):
    """A git diff with one hunk, whose old side begins at line `at`."""
    old = sum(ln[0] in " -" for ln in lines)
    new = sum(ln[0] in " +" for ln in lines)
    return (f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n"
            f"@@ -{at},{old} +{at},{new} @@\n" + "".join(ln + "\n" for ln in lines)).encode()


def text(*lines):
    return "".join(ln + "\n" for ln in lines).encode()


class Changes(unittest.TestCase):
    def patch(self, old, *hunk, drop=()):
        new, missed = O.patch_file(old, O.split(diff(*hunk))["a.c"], drop)
        return new, len(missed)

    def test_two_runs_are_two_changes(self):
        found = O.split(diff(1, " a", "-b", "+B", " c", "+d", " e"))["a.c"]
        self.assertEqual([(c.line, c.removed, c.added) for c in found],
                         [(0, (b"b\n",), (b"B\n",)), (2, (), (b"d\n",))])

    def test_key_is_of_the_text_alone(self):
        one = O.split(diff(1, " a", "-b", "+B", " c"))["a.c"][0]
        two = O.split(diff(90, " x", " y", "-b", "+B", " z"))["a.c"][0]
        other = O.split(diff(1, " a", "-b", "+C", " c"))["a.c"][0]
        self.assertEqual(one.key, two.key)
        self.assertNotEqual(one.key, other.key)

    def test_the_same_text_twice_has_two_keys(self):
        found = O.split(diff(1, "-b", "+B", " c", "-b", "+B"))["a.c"]
        self.assertNotEqual(found[0].key, found[1].key)

    def test_moved(self):
        self.assertEqual(self.patch(text("new", "a", "b", "c"), 1, " a", "-b", "+B", " c"),
                         (text("new", "a", "B", "c"), 0))

    def test_nearest_of_several(self):
        old = text(*["a", "b", "c"] * 3)
        self.assertEqual(self.patch(old, 4, " a", "-b", "+B", " c")[0],
                         text(*["a", "b", "c", "a", "B", "c", "a", "b", "c"]))

    def test_less_context_where_there_is_one_place(self):
        self.assertEqual(self.patch(text("other", "a", "b", "c"), 1, " x", " a", "-b", "+B", " c"),
                         (text("other", "a", "B", "c"), 0))

    def test_less_context_where_there_are_two(self):
        old = text("1", "a", "b", "c", "2", "a", "b", "c")
        self.assertEqual(self.patch(old, 1, " x", " a", "-b", "+B", " c"), (old, 1))

    def test_never_without_any_context(self):
        old = text("1", "b", "c")
        self.assertEqual(self.patch(old, 1, " a", "-b", "+B", " c"), (old, 1))

    def test_in_order(self):
        # The second change may not be found in front of the first
        old = text("c", "d", "e", "a", "b")
        self.assertEqual(self.patch(old, 1, " a", "-b", "+B", " c", "-d", "+D", " e")[1], 1)

    def test_no_newline_at_the_end_is_refused(self):
        with self.assertRaises(O.OverlayError):
            O.split(diff(1, " a", "+b", "\\ No newline at end of file"))


class Toy(unittest.TestCase):
    """Two hooks and a new file; 7.3 has another text where the first one changes it."""

    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix="atc-test.")
        self.addCleanup(tmp.cleanup)
        self.tmp = Path(tmp.name)
        self.top = self.tmp / "top"
        self.hooks = self.top / "hooks"
        self.hooks.mkdir(parents=True)
        for name, value in (("TOP", self.top), ("HOOKS", self.hooks)):
            self.addCleanup(setattr, R, name, getattr(R, name))
            setattr(R, name, value)
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
        self.edit(self.common, ("line 3", "line three"), ("line 20", "line twenty"))
        self.save(self.common, "a: First\n")
        (self.common.path / "drivers/new.c").write_text("one\ntwo\nthree\n")
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
        A.absorb(self.common, root, head, self.hooks, self.top, lambda said: None)

    def common_edit(self, *pairs):
        """Change the first common patch."""
        second = self.common.ref("HEAD")
        self.common.git("checkout", "-q", "--detach", "HEAD~1")
        self.edit(self.common, *pairs)
        self.save(self.common, "a: First\n", "--amend")
        self.common.git("cherry-pick", second)
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
        made = R.assemble(self.repo, "7.3", R.read_hooks("7.3"))
        return self.repo.out("show", f"{made}:drivers/a.c").splitlines(), made

    def expect(self, *lines):
        have, _ = self.assemble()
        for line in lines:
            self.assertIn(line, have)

    def refuses(self, pattern):
        with self.assertRaisesRegex(R.SeriesError, pattern):
            self.assemble()

    def test_what_does_not_fit_is_refused(self):
        self.refuses("0001-first.patch does not apply to 7.3")

    def test_one_overlay_with_one_change(self):
        self.made()
        self.assertEqual([p.name for p in (self.hooks / "7.3").iterdir()], ["first.overlay"])
        self.assertNotIn("twenty", (self.hooks / "7.3/first.overlay").read_text())
        self.expect("7.3's three", "line twenty", "line nine")

    def test_absorb_is_the_inverse(self):
        self.made()
        was = (self.hooks / "7.3/first.overlay").read_bytes()
        _, head = self.assemble()
        A.absorb_base("7.3", self.repo, self.repo.ref(R.R_BASE), head, self.hooks, lambda said: None)
        self.assertEqual((self.hooks / "7.3/first.overlay").read_bytes(), was)

    def test_survives_other_numbers(self):
        self.made()
        for path in sorted(self.hooks.glob("0*.patch"), reverse=True):
            path.rename(path.with_name(f"{int(path.name[:4]) + 7:04d}{path.name[4:]}"))
        self.expect("7.3's three", "line twenty")

    def test_survives_other_changes_of_the_hook(self):
        self.made()
        self.common_edit(("line twenty", "line 2 * 10"), ("line 30", "line thirty"), ("line 1", "line one"))
        self.expect("7.3's three", "line 2 * 10", "line thirty", "line one")

    def test_is_stale_when_its_change_was_edited(self):
        self.made()
        self.common_edit(("line three", "line drei"))
        self.refuses("first.overlay replaces a change that the hook no longer has")
        self.assertFalse(self.refresh())
        self.resolve(("7.3's 3", "7.3's drei"), ("line 20", "line twenty"))
        self.assertTrue(self.refresh())
        self.absorb()
        self.expect("7.3's drei", "line twenty", "line nine")

    def test_goes_when_the_hook_fits(self):
        self.made()
        self.common_edit(("line three", "line 3"))
        self.assertTrue(self.refresh())
        self.absorb()
        self.assertEqual(list((self.hooks / "7.3").iterdir()), [])

    def test_is_for_a_hook_that_exists(self):
        self.made()
        path = self.hooks / "7.3/first.overlay"
        path.write_text(path.read_text().replace("a: First", "a: Erste"))
        self.refuses("is for no hook: none is called 'a: Erste'")

    def test_absorb_of_the_default_base_leaves_it_alone(self):
        self.made()
        was = (self.hooks / "7.3/first.overlay").read_bytes()
        self.common_edit(("line 30", "line thirty"))
        self.assertEqual((self.hooks / "7.3/first.overlay").read_bytes(), was)

    def test_new_files_are_common(self):
        self.made()
        work = R.Repo(self.tree)
        (work.path / "drivers/new.c").write_text("1\n")
        self.save(work, "a: Second\n", "--amend")
        with self.assertRaisesRegex(R.SeriesError, "drivers/new.c is common to all bases"):
            self.absorb()

    def test_new_files_that_change_here_do_not_matter(self):
        self.made()
        (self.top / "drivers/new.c").write_text("one\ntwo\n3\n")
        self.absorb()
        self.assertEqual((self.top / "drivers/new.c").read_text(), "one\ntwo\n3\n")

    def test_hooks_that_changed_meanwhile(self):
        self.made()
        self.common_edit(("line 30", "line thirty"))
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
        self.assertEqual(sorted(p.name for p in (self.hooks / "7.3").iterdir()),
                         ["first.overlay", "of-7-3.patch", "on-top.patch"])
        self.assertEqual((self.top / "drivers/new.c").read_text(), "one\ntwo\nthree\n")
        self.expect("7.3's three", "7.3's 35")
        _, made = self.assemble()
        self.assertEqual(self.repo.out("log", "--reverse", "--format=%s", f"{R.R_BASE}..{made}").splitlines(),
                         ["a: First", "a: Of 7.3", "a: Second", "a: On top"])
        self.assertEqual(self.repo.out("show", f"{made}:drivers/new.c"), "one\n7.3's two\nthree")

    def test_own_patch_follows_its_file(self):
        self.own()
        (self.top / "drivers/new.c").write_text("zero\none\ntwo\nthree\n")
        _, made = self.assemble()
        self.assertEqual(self.repo.out("show", f"{made}:drivers/new.c"), "zero\none\n7.3's two\nthree")

    def test_own_patch_adds_no_file(self):
        self.made()
        work = R.Repo(self.tree)
        (work.path / "drivers/more.c").write_text("x\n")
        self.save(work, "a: More\n")
        with self.assertRaisesRegex(R.SeriesError, "drivers/more.c is common"):
            self.absorb()

    def test_make_knows_the_default(self):
        self.assertIn(f"\nBASE     ?= {bases.DEFAULT}\n", MAKEFILE.read_text())


if __name__ == "__main__":
    unittest.main()
