# SPDX-License-Identifier: GPL-2.0-or-later
"""The checks' own logic: counting KTAP, comparing warnings, the allow list."""
import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path

TOP = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(TOP / d) for d in ("tools/bench", "tools/series", "tools/setup", "tools/checks")]
import kernel as K                                             # noqa: E402
import mutants as M                                            # noqa: E402
import static as T                                             # noqa: E402


def load_run():
    """tools/checks/run.py, whose name tools/bench/run.py has as well."""
    import importlib.util
    spec = importlib.util.spec_from_file_location("check_run", TOP / "tools/checks/run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


R = load_run()


def count(text):
    found = R.Count(text.splitlines())
    return found.passed, found.failed, found.skipped, found.problems


class Counting(unittest.TestCase):
    def test_flat(self):
        self.assertEqual(count("KTAP version 1\n1..3\nok 1 a\nnot ok 2 b\nok 3 c # SKIP no\n"), (1, 1, 1, []))

    def test_plan_at_the_end(self):
        self.assertEqual(count("ok 1 a\nok 2 b\n1..2\n"), (2, 0, 0, []))

    def test_nested_counts_leaves(self):
        self.assertEqual(count("1..2\n  1..2\n  ok 1 x\n  ok 2 y\nok 1 a\nok 2 b\n"), (3, 0, 0, []))

    def test_nested_failure_counts_once(self):
        self.assertEqual(count("1..1\n  1..2\n  ok 1 x\n  not ok 2 y\nnot ok 1 a\n"), (1, 1, 0, []))

    def test_parent_fails_for_a_reason_of_its_own(self):
        self.assertEqual(count("1..1\n  1..1\n  ok 1 x\nnot ok 1 a\n")[:2], (1, 1))

    def test_lost_result(self):
        self.assertEqual(count("1..3\nok 1 a\n")[3], ["3 results planned, 1 seen"])

    def test_lost_nested_result(self):
        self.assertEqual(count("1..1\n  1..2\n  ok 1 x\nok 1 a\n")[3], ["2 results planned, 1 seen"])

    def test_two_sub_plans_in_a_row(self):
        self.assertEqual(count("1..2\n  1..1\n  ok 1 x\nok 1 a\n  1..2\n  ok 1 x\n  ok 2 y\nok 2 b\n"), (3, 0, 0, []))

    def test_silence_is_no_success(self):
        self.assertEqual(count("hello\n")[3], ["no result line"])

    def test_bail_out(self):
        self.assertTrue(count("1..1\nok 1 a\nBail out! oh\n")[3])

    def test_all_skipped(self):
        self.assertEqual(count("1..0 # SKIP nothing here\n")[:3], (0, 0, 1))

    def test_qtest_tap(self):
        text = "TAP version 13\n# random seed: x\n1..2\n# Start of aarch64 tests\nok 1 /a/b\nok 2 /a/c # SKIP no\n"
        self.assertEqual(count(text), (1, 0, 1, []))


class Running(unittest.TestCase):
    def outcome(self, script, kind="ktap", timeout=20):
        with tempfile.TemporaryDirectory(prefix="atc-test.") as tmp:
            runner = R.Runner(Path(tmp), False)
            return runner.execute(R.Check("x", ["sh", "-c", script], kind, timeout))

    def test_good(self):
        got = self.outcome("echo 1..1; echo ok 1 a")
        self.assertEqual((got.passed, got.failed, got.why), (1, 0, ""))

    def test_bad_status_though_all_passed(self):
        self.assertEqual(self.outcome("echo 1..1; echo ok 1 a; exit 1").failed, 1)

    def test_died_half_way(self):
        self.assertEqual(self.outcome("echo 1..2; echo ok 1 a").failed, 1)

    def test_exit(self):
        self.assertEqual(self.outcome("true", "exit").passed, 1)
        self.assertEqual(self.outcome("false", "exit").failed, 1)

    def test_time_limit(self):
        got = self.outcome("echo 1..1; echo ok 1 a; sleep 60", timeout=1)
        self.assertEqual((got.failed, got.why[:8]), (1, "not done"))
        self.assertLess(got.seconds, 20)

    def test_missing_program(self):
        with tempfile.TemporaryDirectory(prefix="atc-test.") as tmp:
            got = R.Runner(Path(tmp), False).execute(R.Check("x", ["/none"], "ktap", 5, needs="/none"))
        self.assertEqual(got.failed, 1)

    def test_closing_line_of_a_part_is_not_ours(self):
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            R.report(1, self.outcome("echo 1..1; echo ok 1 a; echo 1 passed, 0 failed, 0 skipped"))
        self.assertNotRegex(text.getvalue(), r"(?m)^\s*\d+ passed")
        self.assertIn("ok 1 x", text.getvalue())


class Warnings(unittest.TestCase):
    def watch(self, *lines):
        with tempfile.TemporaryDirectory(prefix="atc-test.") as tmp:
            found = K.Warnings(Path(tmp) / "w.json", Path("/src/linux"))
            for line in lines:
                found.watch(line)
            return found.files

    def test_recompiled_file_forgets(self):
        self.assertEqual(self.watch("../a/b.c:3:4: warning: old [-Wx]", "  CC      a/b.o",
                                    "../a/b.c:9:4: warning: new [-Wx]"), {"a/b.c": ["warning: new [-Wx]"]})

    def test_module_line(self):
        self.assertEqual(self.watch("a.c:1:1: warning: x", "  CC [M]  a.o"), {})

    def test_absolute_path_and_header(self):
        line = "/src/linux/include/l.h:3:4: warning: h"
        self.assertEqual(self.watch(line, line), {"include/l.h": ["warning: h"]})

    def test_compare(self):
        one = {"a.c": ["warning: x"], "b.c": ["warning: y"]}
        two = {"a.c": ["warning: x", "warning: x"], "c.c": ["warning: z"]}
        self.assertEqual(T.new_lines(one, two, []), ["a.c: warning: x", "c.c: warning: z"])

    def test_allow_list(self):
        allow = T.allowed("sparse")
        self.assertEqual(T.new_lines({}, {"drivers/pci/quirks.c": ["warning: restricted pci_power_t degrades to integer"]},
                                     allow), [])
        self.assertEqual(len(T.new_lines({}, {"drivers/pci/pci.c": ["warning: restricted pci_power_t degrades to integer"]},
                                         allow)), 1)

    def test_allow_list_wants_reasons(self):
        with tempfile.NamedTemporaryFile("w", suffix=".tsv") as fh:
            fh.write("sparse\tx\t\n")
            fh.flush()
            with self.assertRaises(SystemExit):
                T.allowed("sparse", Path(fh.name))

    def test_config_lines(self):
        with tempfile.NamedTemporaryFile("w") as fh:
            fh.write("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_D=y\n")
            fh.flush()
            have = Path(fh.name)
            self.assertEqual(K.Kernels.missing("CONFIG_A=y\nCONFIG_B=n\nCONFIG_X=n\n", have), [])
            self.assertEqual(K.Kernels.missing("CONFIG_C=y\nCONFIG_D=n\n", have), ["CONFIG_C=y", "CONFIG_D=n"])

    def test_killers(self):
        with tempfile.NamedTemporaryFile("w") as fh:
            fh.write("Why.\n\nX-Killed-by: a, b\n\ndiff --git a/x b/x\n+X-Killed-by: c\n")
            fh.flush()
            self.assertEqual(M.killers(Path(fh.name)), ["a", "b"])


if __name__ == "__main__":
    unittest.main()
