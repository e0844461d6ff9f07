# SPDX-License-Identifier: GPL-2.0-or-later
"""proofs.py: pages that say what is not so."""
import unittest

from tools.checks import mutants as M, proofs as P

HAVE = {"guest": {"reset", "lazy"}, "kunit": {"search"}, "model": {"attach", "attach.NO_LOCK"},
        "mutant": {"m1", "m2"}, "check": {"debug"}}
MUTANTS = {"m1": P.Mutant(["guest:reset"], {"I1"}), "m2": P.Mutant(["kunit:search"], {"I1", "H2"})}

PAGE = """# Page

| word | is |
| --- | --- |
| `guest:NAME` | a word, and no row |

## Promises

| promise | tests |
| --- | --- |
| I1 one | `guest:reset`, `kunit:search`; `mutant:m1`, `mutant:m2` |

## Hazards

| hazard | met by | tests |
| --- | --- | --- |
| H2 two | a lock | `kunit:search`; `mutant:m2` |

## Watched by no row

| test | why |
| --- | --- |
| `guest:lazy` | seen in passing |
"""


class Pages(unittest.TestCase):
    def row(self, text):
        return P.judge_row(P.Row(text.split("|")[1].strip(), text, P.WORD.findall(text)), HAVE, MUTANTS)

    def all(self, page):
        rows, unwatched = P.read_page(page)
        return [bad for row in rows for bad in P.judge_row(row, HAVE, MUTANTS)] + P.judge_labels(rows, MUTANTS), \
            dict(P.judge_all(rows, unwatched, HAVE))

    def test_good_page(self):
        rows, unwatched = P.read_page(PAGE)
        self.assertEqual([row.heading for row in rows], ["I1 one", "H2 two"])
        self.assertEqual([row.named("guest") for row in unwatched], [["guest:lazy"]])
        complaints, gaps = self.all(PAGE)
        self.assertEqual(complaints, [])
        gaps.pop("every promise and hazard has a row")
        self.assertFalse(any(gaps.values()), gaps)

    def test_test_that_is_gone(self):
        self.assertIn("there is no guest:nothing", self.row("| I1 x | `guest:reset`, `guest:nothing` |"))
        self.assertIn("there is no model:attach.NO_CFGI", self.row("| I1 x | `model:attach.NO_CFGI` |"))

    def test_row_without_a_test(self):
        self.assertIn("names no test", self.row("| H8 x | said in the code | the model is synchronous |")[0])
        self.assertIn("names no test", self.row("| I1 x | `mutant:m1` |")[0])
        self.assertEqual(self.row("| H8 x | said in the code | No test: nothing is left to drain |"), [])
        self.assertIn("says No test", self.row("| H8 x | said | `kunit:search`. No test: it cannot be |")[0])

    def test_mutant_that_dies_elsewhere(self):
        self.assertEqual(self.row("| path | `guest:lazy`; `mutant:m1` |"),
                         ["mutant:m1 is killed by none of the row's tests, but by guest:reset"])

    def test_mutant_about_something_else(self):
        self.assertEqual(self.row("| H2 x | `guest:reset`; `mutant:m1` |"),
                         ["mutant:m1 does not say that it is about H2"])
        complaints, _ = self.all(PAGE.replace("; `mutant:m2` |\n\n## Watched", " |\n\n## Watched"))
        self.assertEqual(complaints, ["m2 says that it is about H2, whose row does not name it"])

    def test_not_in_a_guest(self):
        self.assertIn("says Not in a guest", self.row("| path | `guest:reset`. Not in a guest: no CMDQV |")[0])
        self.assertEqual(self.row("| path | `kunit:search`. Not in a guest: no CMDQV |"), [])

    def test_nobody_names_it(self):
        _, gaps = self.all(PAGE[:PAGE.index("## Watched")])
        self.assertEqual(gaps["every scenario is in a row"], ["guest:lazy"])
        _, gaps = self.all(PAGE.replace("`kunit:search`", "`guest:reset`"))
        self.assertEqual(gaps["every case of KUnit is in a row"], ["kunit:search"])
        _, gaps = self.all(PAGE.replace("`mutant:m1`, ", ""))
        self.assertEqual(gaps["every mutant is in a row"], ["mutant:m1"])
        self.assertIn("H30", gaps["every promise and hazard has a row"])

    def test_unwatched(self):
        what = "Watched by no row: each with a reason, none of them in a row"
        _, gaps = self.all(PAGE.replace("`guest:reset`,", "`guest:reset`, `guest:lazy`,"))
        self.assertEqual(gaps[what], ["guest:lazy"])
        _, gaps = self.all(PAGE.replace("seen in passing", ""))
        self.assertEqual(gaps[what], ["`guest:lazy`"])


class Sources(unittest.TestCase):
    def test_mutant(self):
        text = "Blames anyone (I3, H19), see\nH7 (said\nof I2).\n\nX-Killed-by: kunit.search\n" + \
            "\ndiff --git a/x b/x\n+(I9)\n"
        killers = [M.Killer("kunit.search"), M.Killer("reset.2cpu.msi", "x")]
        self.assertEqual(P.read_mutant(text, killers), (["kunit:search", "guest:reset"], {"I3", "H19", "I2"}))

    def test_what_there_is(self):
        self.assertIn("store_races", P.kunit_cases())
        self.assertIn("search", P.kunit_cases())
        self.assertFalse([name for name in P.kunit_cases() if name.startswith("arm_smmu")])
        self.assertNotIn("init", P.kunit_cases())
        self.assertLess({"attach", "attach.ATTACH_NO_LOCK"}, P.models())


if __name__ == "__main__":
    unittest.main()
