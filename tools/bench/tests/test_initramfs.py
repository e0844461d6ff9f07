# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of initramfs.py, with scripts in place of make, compiler and gen_init_cpio."""

import os
import re
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from tools.bench import initramfs


class Initramfs(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.dir = Path(scratch.name).resolve()
        self.ksrc = self.dir / "linux"
        self.selftests = self.ksrc / "tools/testing/selftests"
        (self.selftests / "drivers/net").mkdir(parents=True)
        (self.selftests / "kselftest.h").write_text("/* */")
        (self.selftests / "lib.mk").write_text("# of no use")
        (self.ksrc / "usr").mkdir()
        self.script("x-gcc", 'echo init >> "$0.log"; while [ "$1" != -o ]; do shift; done; echo binary > "$2"')
        self.make = self.script("make", 'echo "$*" >> "$0.log"; env >> "$0.env";'
                                        'while [ $# != 1 ]; do shift; done; echo binary > "$1"')

    def script(self, name, text):
        path = self.dir / name
        path.write_text("#!/bin/sh\n" + text + "\n")
        path.chmod(0o755)
        return path

    def programs(self, *names, make=None):
        with mock.patch.multiple(initramfs, CROSS=f"{self.dir}/x-", MAKE=str(make or self.make)):
            return initramfs.build_programs(self.dir / "programs", self.ksrc, *([names] if names else []))

    def log(self, name):
        return (self.dir / f"{name}.log").read_text().splitlines()

    def test_builds_once_per_change(self):
        self.programs()
        self.programs()
        self.assertEqual((len(self.log("x-gcc")), len(self.log("make"))), (1, 1))
        for name in ("kselftest.h", "lib.mk"):
            (self.selftests / name).write_text("/* new */")
            self.programs()
        self.assertEqual((len(self.log("x-gcc")), len(self.log("make"))), (1, 3))
        self.assertEqual(sorted(os.listdir(self.dir / "programs")),
                         ["ats_fence", "ats_fence.key", "init", "init.key"])

    def test_calls_the_makefile_of_the_selftest(self):
        with mock.patch.dict(os.environ, {"MAKEFLAGS": "n", "CFLAGS": "-O0", "O": "/elsewhere"}):
            self.programs()
        call = self.log("make")[0]
        self.assertIn(f"-C {initramfs.ATS} ", call)
        self.assertRegex(call, r"OUTPUT=(\S+) .*USERLDFLAGS=-static .* \1/ats_fence$")
        self.assertNotRegex((self.dir / "make.env").read_text(), "(?m)^(MAKEFLAGS|CFLAGS|O)=")

    def test_the_makefile_finds_lib_mk_in_the_kernel_tree(self):
        (self.selftests / "lib.mk").write_text("all:\n$(OUTPUT)/%: %.c; echo $(CFLAGS) > $@\n"
                                               "TEST_GEN_PROGS := $(patsubst %,$(OUTPUT)/%,$(TEST_GEN_PROGS))\n")
        programs = self.programs(make="make")
        self.assertIn(f"-isystem {self.ksrc}/include/uapi", (programs / "ats_fence").read_text())

    def test_every_program_is_one_of_the_makefile(self):
        listed = re.findall(r"\bats_\w+", "".join(re.findall(
            r"(?m)^TEST_GEN_PROGS.*:=(.*)", (initramfs.ATS / "Makefile").read_text())))
        mains = [p.stem for p in initramfs.ATS.glob("*.c") if "int main(" in p.read_text()]
        self.assertEqual(sorted(listed), sorted(mains))

    def test_unknown_program(self):
        with self.assertRaisesRegex(initramfs.BuildError, "no_such.c: not there"):
            self.programs("no_such")

    def test_a_failed_build_is_not_up_to_date(self):
        self.programs()
        self.script("make", "echo broken >&2; exit 1")
        (self.selftests / "lib.mk").write_text("# new")
        for _ in range(2):
            with self.assertRaisesRegex(initramfs.BuildError, "broken"):
                self.programs()
        self.assertEqual(len(os.listdir(self.dir / "programs")), 4)

    def test_missing_kernel_source(self):
        with self.assertRaisesRegex(initramfs.BuildError, "lib.mk: not there"):
            initramfs.build_programs(self.dir / "programs", self.dir / "nowhere")

    def test_archive(self):
        gen = self.script("gen", 'echo "$1 $2"; cat "$3"')
        archive = initramfs.build(self.dir / "a/i.cpio", "/p", "/k/ats_testdev.ko", gen)
        text = archive.read_text()
        self.assertTrue(text.startswith("-t 0\n"))
        for line in ("file /init /p/init 0755 0 0", "file /ats_fence /p/ats_fence 0755 0 0",
                     "file /module/ats_testdev.ko /k/ats_testdev.ko 0644 0 0",
                     "nod /dev/console 0600 0 0 c 5 1"):
            self.assertIn(line, text.splitlines())
        self.assertEqual(os.listdir(self.dir / "a"), ["i.cpio"])

    def test_archive_of_other_programs(self):
        gen = self.script("gen", 'cat "$3"')
        text = initramfs.build(self.dir / "i.cpio", "/p", "/k/a.ko", gen, ("a", "b")).read_text()
        self.assertIn("file /a /p/a 0755 0 0\nfile /b /p/b 0755 0 0\nfile /module/ats_testdev.ko", text)
        self.assertNotIn("ats_fence", text)

    def test_broken_archiver_leaves_nothing(self):
        gen = self.script("gen", "exit 1")
        with self.assertRaises(initramfs.BuildError):
            initramfs.build(self.dir / "a/i.cpio", "/p", "/k.ko", gen)
        self.assertEqual(os.listdir(self.dir / "a"), [])

    def test_the_kernel_build_has_the_archiver(self):
        obj = self.dir / "obj"
        (obj / "usr").mkdir(parents=True)
        (obj / "usr/gen_init_cpio").write_text("")
        (obj / "usr/gen_init_cpio").chmod(0o755)
        self.assertEqual(initramfs.find_gen_init_cpio(self.dir, self.ksrc, obj),
                         obj / "usr/gen_init_cpio")


if __name__ == "__main__":
    unittest.main()
