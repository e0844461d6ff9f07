# SPDX-License-Identifier: GPL-2.0-or-later
"""The checks' own logic: running a check, comparing warnings, the allow list."""
import contextlib
import io
import tempfile
import unittest
from pathlib import Path

from tools.bench import kernel as K
from tools.checks import runner as R, static as T


class Running(unittest.TestCase):
    def outcome(self, script, timeout=20):
        with tempfile.TemporaryDirectory(prefix="atc-test.") as tmp:
            runner = R.Runner(Path(tmp), False)
            return runner.execute(R.Check("x", ["sh", "-c", script], timeout))

    def test_good(self):
        got = self.outcome("echo 1..1; echo ok 1 a")
        self.assertEqual((got.passed, got.failed, got.why), (1, 0, ""))

    def test_bad_status_though_all_passed(self):
        self.assertEqual(self.outcome("echo 1..1; echo ok 1 a; exit 1").failed, 1)

    def test_died_half_way(self):
        self.assertEqual(self.outcome("echo 1..2; echo ok 1 a").failed, 1)

    def test_silence_is_no_success(self):
        self.assertEqual(self.outcome("true").failed, 1)

    def test_time_limit(self):
        got = self.outcome("echo 1..1; echo ok 1 a; sleep 60", timeout=1)
        self.assertEqual((got.failed, got.why[:8]), (1, "not done"))
        self.assertLess(got.seconds, 20)

    def test_missing_program(self):
        with tempfile.TemporaryDirectory(prefix="atc-test.") as tmp:
            got = R.Runner(Path(tmp), False).execute(R.Check("x", ["/none"], 5, needs="/none"))
        self.assertEqual(got.failed, 1)

    def test_closing_line_of_a_part_is_not_ours(self):
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            R.report(1, self.outcome("echo 1..1; echo ok 1 a; echo 1 passed, 0 failed, 0 skipped"))
        self.assertNotRegex(text.getvalue(), r"(?m)^\s*\d+ passed")
        self.assertIn("ok 1 x", text.getvalue())


class Order(unittest.TestCase):
    def test_table_is_the_order_of_the_run(self):
        checks = R.table(Path("build"), "7.2")
        self.assertEqual(checks, sorted(checks, key=lambda c: c.alone))
        self.assertEqual((checks[0].name, checks[-1].name), ("scripts", "mutants"))
        self.assertEqual(len({c.name for c in checks}), len(checks))

    def test_failure_is_told_at_once(self):
        text = io.StringIO()
        checks = [R.Check("slow", ["sh", "-c", "sleep 1; echo 1..1; echo ok 1 a"], 20),
                  R.Check("bad", ["sh", "-c", "echo 1..1; echo not ok 1 a"], 20)]
        with tempfile.TemporaryDirectory(prefix="atc-test.") as tmp, contextlib.redirect_stdout(text):
            R.run_all(checks, R.Runner(Path(tmp), False), 2)
        lines = [ln for ln in text.getvalue().splitlines() if not ln.startswith(" ")]
        self.assertEqual([ln for ln in lines if "Subtest" not in ln],
                         ["# bad failed after 0s", "ok 1 slow", "not ok 2 bad"])


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


if __name__ == "__main__":
    unittest.main()
