# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of bisect.py: each patch is compiled, each part boots what it claims, a new warning counts."""
import re
import unittest
from types import SimpleNamespace

from tools.checks import bisect as B
from tools.series import patches as P


class Fake:
    """Notes what it is asked for; the patches in `broken` do not compile."""

    def __init__(self, broken=()):
        self.broken, self.compiled, self.booted = broken, [], []

    def compile(self, name, commit):
        self.compiled.append((name, commit))
        return name not in self.broken

    def boot(self, name, commit, only):
        self.booted.append((name, commit, only))


def patch(part, name):
    return SimpleNamespace(part=part, name=f"{part}/{name}")


PATCHES = [patch("fixes", "1"), patch("fixes", "2"), patch("queue", "1")]


class Walk(unittest.TestCase):
    def walk(self, boot, **kw):
        fake = Fake(**kw)
        B.walk(fake, PATCHES, "abc", boot)
        return fake

    def test_each_patch_is_compiled(self):
        fake = self.walk("none")
        self.assertEqual(fake.compiled, [("fixes/1", "a"), ("fixes/2", "b"), ("queue/1", "c")])
        self.assertEqual(fake.booted, [])

    def test_parts_boot_at_their_end(self):
        self.assertEqual(self.walk("parts").booted, [("fixes", "b", B.CLAIMS["fixes"]), ("queue", "c", B.CLAIMS["queue"])])

    def test_patches_boot_each(self):
        booted = self.walk("patches").booted
        self.assertEqual([(name, commit) for name, commit, only in booted if only == (B.HEALTHY,)],
                         [("fixes/1", "a"), ("fixes/2", "b"), ("fixes", "b"), ("queue/1", "c")])

    def test_what_does_not_compile_does_not_boot(self):
        self.assertEqual([name for name, *_ in self.walk("parts", broken=["queue/1"]).booted], ["fixes"])

    def test_claims(self):
        self.assertEqual(B.unknown_claims(), [])
        self.assertEqual(set(B.CLAIMS) - set(P.PARTS), set())


class Diagnostics(unittest.TestCase):
    def test_new(self):
        known = {"a.c": ["warning: old"]}
        said = [("a.c", "warning: old"), ("a.c", "warning: new"), ("a.c", "warning: new"), ("b.c", "warning: let through")]
        self.assertEqual(B.new_diagnostics(known, said, [re.compile("let through")]), ["a.c: warning: new"])


if __name__ == "__main__":
    unittest.main()
