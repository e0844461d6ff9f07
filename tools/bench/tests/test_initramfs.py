# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of initramfs.py, with scripts in place of compiler and gen_init_cpio."""

import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from tools.bench import initramfs


class Initramfs(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.dir = Path(scratch.name)
        self.ksrc = self.dir / "linux"
        (self.ksrc / "tools/testing/selftests").mkdir(parents=True)
        (self.ksrc / "tools/testing/selftests/kselftest.h").write_text("/* */")
        (self.ksrc / "usr").mkdir()
        self.cc = self.script("cc", 'echo run >> "$0.log"; while [ "$1" != -o ]; do shift; done;'
                                    'echo binary > "$2"')

    def script(self, name, text):
        path = self.dir / name
        path.write_text("#!/bin/sh\n" + text + "\n")
        path.chmod(0o755)
        return path

    def programs(self, *names):
        with mock.patch.object(initramfs, "CC", str(self.cc)):
            return initramfs.build_programs(self.dir / "programs", self.ksrc,
                                            *([names] if names else []))

    def compilations(self):
        return len((self.dir / "cc.log").read_text().splitlines())

    def test_compiles_once_per_change(self):
        self.programs()
        self.programs()
        self.assertEqual(self.compilations(), 2)
        (self.ksrc / "tools/testing/selftests/kselftest.h").write_text("/* new */")
        self.programs()
        self.assertEqual(self.compilations(), 3)

    def test_unknown_program(self):
        with self.assertRaisesRegex(initramfs.BuildError, "no_such.c: not there"):
            self.programs("no_such")

    def test_a_failed_compilation_is_not_up_to_date(self):
        self.script("cc", "echo broken >&2; exit 1")
        with self.assertRaisesRegex(initramfs.BuildError, "broken"):
            self.programs()
        self.assertEqual(os.listdir(self.dir / "programs"), [])

    def test_missing_kernel_source(self):
        with self.assertRaisesRegex(initramfs.BuildError, "kselftest.h: not there"):
            initramfs.build_programs(self.dir / "programs", self.dir / "nowhere")

    def test_archive(self):
        gen = self.script("gen", 'echo "$1 $2"; cat "$3"')
        archive = initramfs.build(self.dir / "a/i.cpio", "/p", "/k/ats_testdev.ko", gen)
        text = archive.read_text()
        self.assertTrue(text.startswith("-t 0\n"))
        for line in ("file /init /p/init 0755 0 0", "file /ats_fence /p/ats_fence 0755 0 0",
                     "file /ats_testdev.ko /k/ats_testdev.ko 0644 0 0",
                     "nod /dev/console 0600 0 0 c 5 1"):
            self.assertIn(line, text.splitlines())
        self.assertEqual(os.listdir(self.dir / "a"), ["i.cpio"])

    def test_archive_of_other_programs(self):
        gen = self.script("gen", 'cat "$3"')
        text = initramfs.build(self.dir / "i.cpio", "/p", "/k/a.ko", gen, ("a", "b")).read_text()
        self.assertIn("file /a /p/a 0755 0 0\nfile /b /p/b 0755 0 0\nfile /ats_testdev.ko", text)
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
