# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of vm.py, with a script in QEMU's place."""

import tempfile
import unittest
from pathlib import Path

from tools.bench import vm


class Argv(unittest.TestCase):
    def argv(self, **kw):
        return vm.qemu_argv("qemu", "/k/Image", "/i.cpio", vm.Config(**kw))

    def test_defaults(self):
        argv = self.argv(scenario="reset", options={"late_us": 5})
        line = " ".join(argv)
        self.assertIn("iommu=smmuv3,dtb-randomness=off", line)
        self.assertIn("-global arm-smmuv3.ats=on", line)
        self.assertIn("-global arm-smmuv3.msi=off", line)
        self.assertIn("id=ep0,addr=1.0,ats=on", line)
        self.assertIn("id=ep4,addr=5.0,ats=off", line)
        self.assertIn("ats.scenario=reset ats.timeout_us=200000 ats.late_us=5", argv[-1])
        self.assertIn("ats.taint=0x1000 ", argv[-1])
        self.assertNotIn("-icount", argv)
        self.assertNotIn("-trace", argv)

    def test_options(self):
        argv = self.argv(icount=True, msi=True, trace=True, smmu={"atc-inv-sticky": 2})
        self.assertEqual(argv[argv.index("-icount") + 1], "shift=4,sleep=off")
        self.assertIn("arm-smmuv3.msi=on", argv)
        self.assertIn("arm-smmuv3.atc-inv-sticky=2", argv)
        self.assertIn("events=trace.events,file=trace.log", argv)

    def test_another_program(self):
        argv = self.argv(scenario="chain", program="ats_reset", append=("watchdog_thresh=5",),
                         devices=("pcie-root-port,id=rp",), icount=True, icount_shift=8)
        self.assertIn("watchdog_thresh=5 ats.taint=0x1000 ats.program=ats_reset ats.scenario=chain", argv[-1])
        self.assertEqual(argv[argv.index("pcie-root-port,id=rp") - 1], "-device")
        self.assertEqual(argv[argv.index("-icount") + 1], "shift=8,sleep=off")

    def test_no_scenario_no_options_for_the_guest(self):
        self.assertNotIn("ats.scenario", self.argv(kunit=True)[-1])
        self.assertIn("kunit.enable=1", self.argv(kunit=True)[-1])

    def test_a_machine_without_the_endpoints(self):
        argv = self.argv(endpoints=False, append=("ats.program=ats_fence",))
        self.assertNotIn("ats-testdev", " ".join(argv))
        self.assertIn(" ats.program=ats_fence", argv[-1])
        self.assertNotIn("ats.scenario", argv[-1])


class Boots(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.dir = Path(scratch.name)

    CONSOLE = "Linux version 7\\nKernel command line: ats.scenario=reset x\\n%s\\nreboot: Power down\\n"

    def boot(self, script, console="", **kw):
        script = f"printf '{self.CONSOLE % console}' > console.log; {script}"
        qemu = self.dir / "qemu"
        qemu.write_text("#!/bin/sh\n" + script)
        qemu.chmod(0o755)
        kw.setdefault("scenario", "reset")
        return vm.boot(qemu, self.dir, self.dir / "i.cpio", vm.Config(**kw), self.dir / "out")

    GOOD = "1..1\\n# scenario=reset\\n# escapes=0\\nok 1 a\\n# exit=0\\n# taint=0x1000\\n# verdict: pass\\n"

    def test_good(self):
        b = self.boot(f"printf '{self.GOOD}' > verdict.log")
        self.assertEqual((b.trouble(), b.finished, b.ktap.number("escapes")), ([], True, 0))
        self.assertIn("iommu=smmuv3", (b.out / "qemu.log").read_text())

    def test_splat(self):
        b = self.boot(f"printf '{self.GOOD}' > verdict.log", "[    1.000000] BUG: KASAN: use-after-free")
        self.assertEqual(b.trouble(), ["console.log:3: memory error: BUG: KASAN: use-after-free"])

    def test_taint(self):
        b = self.boot(f"printf '{self.GOOD}' | sed s/0x1000/0x1200/ > verdict.log")
        self.assertEqual(b.trouble(), ["taint 0x1200"])

    def test_death_without_a_verdict(self):
        b = self.boot("printf '1..1\\nok 1 a\\n' > verdict.log; exit 3")
        self.assertIn("QEMU ended with 3", b.trouble())
        self.assertIn("the guest died", self.boot("printf '1..1\\nok 1 a\\n' > verdict.log").trouble())

    def test_qemu_dies_behind_the_verdict(self):
        self.assertEqual(self.boot(f"printf '{self.GOOD}' > verdict.log; kill -SEGV $$").trouble(),
                         ["QEMU ended with -11"])

    def test_silence(self):
        self.assertIn("no result line", self.boot("exit 0").trouble())

    def test_limit_kills(self):
        b = self.boot("sleep 60", limit=0.2)
        self.assertTrue(b.timed_out)
        self.assertIn("no end after 0 s", b.trouble())
        self.assertLess(b.seconds, 30)

    def test_old_logs_do_not_count(self):
        self.boot(f"printf '{self.GOOD}' > verdict.log")
        self.assertFalse(self.boot("exit 0").finished)


if __name__ == "__main__":
    unittest.main()
