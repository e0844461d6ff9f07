# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of kunit_log.py: what it reads from sources, and which consoles it must not let pass."""

import unittest

from tools import TOP
from tools.bench import kunit_log as K

HEADER = """\
#define FAKE_CASE(name) KUNIT_CASE(fake_##name)
#define FAKE_CASE_MODES(name) \\
	KUNIT_CASE_PARAM(fake_##name, fake_mode_gen_params)
#define FAKE_SUITE(subject, cases) \\
static struct kunit_suite fake_suite = {	\\
	.name = "arm-smmu-v3-atc-" subject,	\\
	.test_cases = cases,	\\
};	\\
kunit_test_suite(fake_suite)
"""

CASES = """\
static struct kunit_case queue_cases[] = {
	FAKE_CASE(one),		/* KUNIT_CASE(comment) */
	FAKE_CASE_MODES(two),
#if IS_ENABLED(CONFIG_X)
	KUNIT_CASE_PARAM(three,
			 gen(1, 2)),
#endif
	KUNIT_CASE_SLOW(four),
	{},
};
"""

SUITE = """
static struct kunit_suite suite = {
	.name = "plain",
	.init = init,
	.test_cases = queue_cases,
};
kunit_test_suite(suite);
"""

FOUR = {"fake_one": False, "fake_two": True, "three": True, "four": False}


class Source(unittest.TestCase):
    def test_macros_of_the_file(self):
        self.assertEqual(K.read_source(HEADER + CASES + SUITE), {"plain": FOUR})

    def test_macros_of_a_header_make_the_suite(self):
        text = CASES + 'FAKE_SUITE("queue", queue_cases);\n'
        self.assertEqual(K.read_source(text, [HEADER]), {"arm-smmu-v3-atc-queue": FOUR})

    def test_what_is_not_understood_is_no_empty_list(self):
        for text in ("", CASES, HEADER + CASES, SUITE, CASES.replace("FAKE", "OTHER") + SUITE.replace("queue", "no"),
                     HEADER + CASES + CASES.replace("queue", "lost") + SUITE):
            with self.subTest(text), self.assertRaises(K.SourceError):
                K.read_source(text)

    def test_a_suite_twice(self):
        with self.assertRaises(K.SourceError):
            K.read_sources(["a", "b"], lambda name: HEADER + CASES + SUITE)

    def test_every_case_of_this_repository(self):
        """Each line of a list of cases is one; a header that is the kernel's has no macros of cases."""
        names = [str(p) for p in (TOP / K.DRIVER).glob("*-test.c")]

        def read(name):
            path = TOP / K.DRIVER / name
            return path.read_text() if path.exists() else ""
        found = K.read_sources(names, read)
        entries = sum(line.strip().startswith(("FAKE_CASE", "KUNIT_CASE")) and "##" not in line
                      for name in names for line in read(name).splitlines())
        self.assertEqual(sum(map(len, found.values())), entries)


WANTED = {"s": {"plain": False, "modes": True}}
GOOD = """\
[    0.100000] KTAP version 1
[    0.100000] 1..2
[    0.200000]     KTAP version 1
[    0.200000]     # Subtest: s
[    0.200000]     1..2
[    0.300000]     ok 1 plain
[    0.300000]         KTAP version 1
[    0.300000]         # Subtest: modes
[    0.300000] arm-smmu-v3: a line of somebody else
[    0.300000]         ok 1 polled
[    0.300000]         ok 2 MSI
[    0.300000]     # modes: pass:2 fail:0 skip:0 total:2
[    0.300000]     ok 2 modes
[    0.300000] # s: pass:2 fail:0 skip:0 total:2
[    0.300000] ok 1 s
[    0.300000]     KTAP version 1
[    0.300000]     # Subtest: other
[    0.300000]     1..1
[    0.300000]     ok 1 x
[    0.300000] ok 2 other
"""


class Console(unittest.TestCase):
    def bad(self, old="", new="", wanted=None, skips=None):
        self.assertIn(old, GOOD)
        suites, problems = K.read_console(GOOD.replace(old, new, 1).splitlines())
        return problems + [text for ok, text in K.judge(suites, wanted or WANTED, skips) if not ok]

    def test_good(self):
        self.assertEqual(self.bad(), [])

    def test_wrong(self):
        stamp = "[    0.300000]"
        for old, new, says in (
                ("ok 1 plain", "not ok 1 plain", "plain: failed"),
                ("ok 1 plain", "ok 1 plain # SKIP needs CPUs", "plain: skipped"),
                ("ok 1 plain", "ok 1 simple", "plain: did not run; simple: not in the source"),
                ("ok 2 MSI", "ok 2 MSI # SKIP no", "modes: not passed: MSI"),
                ("ok 2 MSI", "not ok 2 MSI", "modes: not passed: MSI"),
                (f"{stamp}         ok 1 polled\n{stamp}         ok 2 MSI\n", "", "modes: ran with no parameter"),
                ("ok 1 s\n", "not ok 1 s\n", "says FAIL"),
                ("ok 1 s\n", "ok 1 s # SKIP\n", "says SKIP"),
                ("ok 1 s\n", "ok 1 t\n", "suite s ran 0 times"),
                ("ok 2 other", "not ok 2 other", "other suites passed: other"),
                ("ok 2 other", "ok 2 s", "suite s ran 2 times"),
                (f"{stamp}     ok 2 modes\n", "", "2 results planned, 1 seen"),
                (GOOD[GOOD.index("[    0.300000] ok 1 s"):], "", "suite s ran 0 times")):
            with self.subTest(new or old):
                self.assertIn(says, "; ".join(self.bad(old, new)))

    def test_a_suite_that_is_not_there(self):
        both = {**WANTED, "arm-smmu-v3-atc-queue": {"x": False}}
        self.assertEqual(self.bad(wanted=both), ["suite arm-smmu-v3-atc-queue ran 0 times"])

    def test_nothing_wanted_is_no_success(self):
        suites, _ = K.read_console(GOOD.splitlines())
        self.assertFalse(all(ok for ok, _ in K.judge(suites, {})))

    def test_a_skip_with_a_reason(self):
        self.assertEqual(self.bad("ok 1 plain", "ok 1 plain # SKIP needs CPUs",
                                  skips={("s", "plain"): "why"}), [])

    def test_empty_and_cut_short(self):
        for lines in ([], GOOD.splitlines()[:2], GOOD.splitlines()[:6]):
            suites, problems = K.read_console(lines)
            self.assertTrue(problems)
            self.assertFalse(all(ok for ok, _ in K.judge(suites, WANTED)))


if __name__ == "__main__":
    unittest.main()
