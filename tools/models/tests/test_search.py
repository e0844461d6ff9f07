# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of search.py: what it takes for a full search, and that heads, models and
README agree. Runs neither Spin nor a compiler."""
import re
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
from tools.models import search

FULL = """
(Spin Version 6.5.2 -- 6 December 2019)
	+ Partial Order Reduction

Full statespace search for:
	never claim         	- (none specified)
	assertion violations	+

State-vector 72 byte, depth reached 117, errors: 0
 10127106 states, stored
 13238021 states, matched

unreached in proctype Hardware
	reset.pml:118, state 38, "-end-"
	(1 of 38 states)
unreached in proctype Cpu
	(0 of 157 states)
pan: elapsed time 25.9 seconds
"""
VIOLATED = """pan:1: assertion violated  !(entered) (at depth 64)
pan: wrote helping.pml.trail

(Spin Version 6.5.2 -- 6 December 2019)
Warning: Search not completed
	+ Partial Order Reduction

Full statespace search for:

State-vector 80 byte, depth reached 74, errors: 1
     1944 states, stored
"""
HEAD = """/* SPDX */
/*
 * What it is.
 *
 * Properties:
 *  no-escape	 nothing passes
 *  once	 and once
 *
 * Runs:
 *  PROMPT: quick
 *	and more of it
 *
 * Mutants:
 *  NO_LOCK (no-escape): without the lock
 *  TWICE PROMPT (once): twice (or more): often
 *
 * Known:
 *  OLD (no-escape): as ever
 */
bool x;
"""


class Searches(unittest.TestCase):
    def test_full(self):
        result = search.read_search(FULL)
        self.assertEqual((result.error, result.complete, result.states), ("", True, 10127106))
        self.assertFalse(result.unreached)

    def test_violated(self):
        result = search.read_search(VIOLATED)
        self.assertEqual(result.error, "assertion violated  !(entered)")
        self.assertFalse(result.complete)

    def test_cut_short(self):
        for line in ("error: max search depth too small", "pan: out of memory",
                     "Warning: Search not completed", "pan: reached -DMEMLIM bound"):
            self.assertFalse(search.read_search(f"{line}\n{FULL}").complete, line)

    def test_no_end(self):
        self.assertFalse(search.read_search(FULL[:FULL.index("State-vector")]).complete)
        self.assertFalse(search.read_search("").complete)
        self.assertFalse(search.read_search(f"not done after {search.TIMEOUT} s").complete)

    def test_bit_state_is_not_full(self):
        self.assertFalse(search.read_search(FULL.replace("Full statespace", "Bit statespace")).complete)

    def test_unreached(self):
        out = FULL.replace('state 38, "-end-"', 'state 38, "x = 1"')
        self.assertEqual(search.read_search(out).unreached, {118})


class Properties(unittest.TestCase):
    def test_names(self):
        source = "one\nassert(x)\t/* once */\n"
        trail = "spin: a.pml:2, Error: assertion violated\n"
        known = ["once"]
        self.assertEqual(search.violated("assertion violated x", trail, source, known), "once")
        self.assertEqual(search.violated("assertion violated x", trail, source, []), "")
        self.assertEqual(search.violated("assertion violated x", "", source, known), "")
        self.assertEqual(search.violated("invalid end state", "", source, known), "no-deadlock")
        self.assertEqual(search.violated("non-progress cycle", "", source, known), "no-livelock")


class Heads(unittest.TestCase):
    def test_head(self):
        head = search.read_head(HEAD)
        self.assertEqual(head.properties, ["no-escape", "once"])
        self.assertEqual(head.runs, ["PROMPT"])
        self.assertEqual([m.name for m in head.mutants], ["NO_LOCK", "TWICE"])
        self.assertEqual(head.mutants[1].runs, ("PROMPT",))
        self.assertEqual(head.mutants[1].text, "twice (or more): often")
        self.assertEqual([m.name for m in head.known], ["OLD"])

    def test_all_models_are_checked(self):
        self.assertIn("attach", search.MODELS)
        self.assertNotIn("order", search.MODELS)


class Models(unittest.TestCase):
    """Of each model: no macro without a line in the head, and the other way round."""
    @staticmethod
    def each():
        texts = [(name, (search.HERE / f"{name}.pml").read_text(encoding="utf-8")) for name in search.MODELS]
        return [(name, text, search.read_head(text)) for name, text in texts]

    def test_macros(self):
        for name, text, head in self.each():
            used = set()
            for line in re.findall(r"^#(?:if|ifdef|ifndef|elif) (.*)$", text, re.M):
                used |= set(re.findall(r"\b[A-Z][A-Z_]+\b", line))
            said = {m.name for m in head.mutants + head.known} | set(head.runs)
            self.assertEqual(used, said, name)
            self.assertTrue(head.mutants)
            for mutant in head.mutants + head.known:
                self.assertIn(mutant.found_as, head.properties)
                self.assertLessEqual(set(mutant.runs), set(head.runs))

    def test_assertions_are_named(self):
        for _, text, head in self.each():
            body = text[text.index("\n */"):]
            for line in re.findall(r"^.*\bassert\(.*$", body, re.M):
                names = re.findall(r"/\* ([a-z-]+) \*/", line)
                self.assertTrue(names and names[-1] in head.properties, line)

    def test_readme(self):
        readme = (search.HERE / "README.md").read_text(encoding="utf-8")
        for name, _, head in self.each():
            for mutant in head.mutants + head.known:
                self.assertIn(f"| {name} | {mutant.name} | {mutant.found_as} | {mutant.text} |", readme)


if __name__ == "__main__":
    unittest.main()
