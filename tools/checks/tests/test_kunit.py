# SPDX-License-Identifier: GPL-2.0-or-later
"""checks/kunit.py: what it makes of kunit.py's JSON, and that a skip is no success."""
import io
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from tools import ktap
from tools.bench import kunit_log
from tools.checks import kunit

CONSOLE = """\
[    1.000000] KTAP version 1
[    1.000000] 1..1
[    1.000000]     KTAP version 1
[    1.000000]     # Subtest: s
[    1.000000]     1..2
[    1.000000]     ok 1 plain{plain}
[    1.000000]         KTAP version 1
[    1.000000]         # Subtest: modes
[    1.000000]         ok 1 polled
[    1.000000]         ok 2 MSI
[    1.000000]     # modes: pass:2 fail:0 skip:0 total:2
[    1.000000]     ok 2 modes
[    1.000000] ok 1 s
"""


def found(plain="PASS", msi="PASS"):
    """As kunit.py parse --json has it."""
    return {"name": "KUnit Test Group", "test_cases": [], "sub_groups": [
        {"name": "s", "test_cases": [{"name": "plain", "status": plain}], "sub_groups": [
            {"name": "modes", "sub_groups": [], "test_cases": [{"name": "polled", "status": "PASS"},
                                                               {"name": "MSI", "status": msi}]}]}]}


class Check(unittest.TestCase):
    def bad(self, json=None, console=CONSOLE.format(plain=""), wanted=None):
        out = io.StringIO()
        wanted = wanted or {"s": {"plain": False, "modes": True}}
        with tempfile.TemporaryDirectory(prefix="atc-test.") as tmp, \
                mock.patch.object(kunit, "parse", lambda *_: kunit.read_suites(json or found())), \
                mock.patch.object(kunit_log, "planned", lambda *_: wanted):
            log = Path(tmp) / "console.log"
            log.write_text(console)
            report = ktap.Writer(out=out)
            kunit.check(report, "patched", Path(tmp), log)
            status = report.close()
        lines = [ln for ln in out.getvalue().splitlines() if ln.startswith("not ok")]
        self.assertEqual(status, int(bool(lines)))
        return "; ".join(lines)

    def test_good(self):
        self.assertEqual(self.bad(), "")

    def test_a_parameter_that_fails(self):
        self.assertIn("s: modes: MSI", self.bad(found(msi="FAIL")))

    def test_skipped(self):
        text = self.bad(found(plain="SKIP"), CONSOLE.format(plain=" # SKIP no CPU"))
        self.assertIn("s: plain", text)
        self.assertIn("plain: skipped", text)

    def test_a_suite_or_case_that_is_missing(self):
        self.assertIn("suite t ran 0 times", self.bad(wanted={"s": {"plain": False, "modes": True}, "t": {"x": False}}))
        self.assertIn("more: did not run", self.bad(wanted={"s": {"plain": False, "modes": True, "more": False}}))

    def test_kunit_py_saw_nothing(self):
        self.assertIn("suite s ran 0 times", self.bad({"name": "KUnit Test Group", "sub_groups": []}))

    def test_the_two_readers_differ(self):
        self.assertIn("sees the same", self.bad(console=CONSOLE.format(plain="").replace("ok 2 MSI", "ok 2 other")))

    def test_a_console_that_was_cut_off(self):
        self.assertIn("as planned", self.bad(console=CONSOLE[:CONSOLE.index("[    1.000000]     ok 2")]))


if __name__ == "__main__":
    unittest.main()
