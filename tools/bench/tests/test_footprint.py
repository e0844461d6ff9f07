# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the plugin's decoder and of the judgement of what it counts, without a guest."""

import subprocess
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

from tools.bench import cost, footprint, initramfs, kernel, vm
from tools.bench.vm import PATCHED, UNPATCHED

ATOMIC, STORE, BARRIER, ORDERED, ZERO = 1, 2, 4, 8, 16

# What the cross assembler makes of it, and which classes decode.h has for that
INSTRUCTIONS = (
    ("ldxr x0, [x1]", ATOMIC), ("ldxrb w0, [x1]", ATOMIC), ("ldxp x0, x2, [x1]", ATOMIC),
    ("ldaxr w0, [x1]", ATOMIC | ORDERED), ("ldaxp x0, x2, [x1]", ATOMIC | ORDERED),
    ("stxr w3, x0, [x1]", STORE), ("stxp w3, x0, x2, [x1]", STORE), ("stlxr w3, w0, [x1]", STORE | ORDERED),
    ("stlxp w3, w0, w2, [x1]", STORE | ORDERED),
    ("cas x0, x2, [x1]", ATOMIC), ("casa w0, w2, [x1]", ATOMIC | ORDERED), ("casl x0, x2, [x1]", ATOMIC | ORDERED),
    ("casalb w0, w2, [x1]", ATOMIC | ORDERED), ("casp x0, x1, x2, x3, [x4]", ATOMIC),
    ("caspal w0, w1, w2, w3, [x4]", ATOMIC | ORDERED),
    ("swp x0, x2, [x1]", ATOMIC), ("swpal w0, w2, [x1]", ATOMIC | ORDERED), ("swph w0, w2, [x1]", ATOMIC),
    ("ldadd x0, x2, [x1]", ATOMIC), ("ldadda x0, x2, [x1]", ATOMIC | ORDERED), ("ldclr w0, w2, [x1]", ATOMIC),
    ("ldeorl x0, x2, [x1]", ATOMIC | ORDERED), ("ldsetb w0, w2, [x1]", ATOMIC), ("ldsmax x0, x2, [x1]", ATOMIC),
    ("ldumin x0, x2, [x1]", ATOMIC), ("stadd x0, [x1]", ATOMIC), ("stset w0, [x1]", ATOMIC),
    ("stclrl x0, [x1]", ATOMIC | ORDERED),
    ("ldar x0, [x1]", ORDERED), ("ldarb w0, [x1]", ORDERED), ("stlr x0, [x1]", ORDERED), ("stlrh w0, [x1]", ORDERED),
    ("ldlar x0, [x1]", ORDERED), ("stllr x0, [x1]", ORDERED), ("ldapr x0, [x1]", ORDERED),
    ("ldaprb w0, [x1]", ORDERED), ("ldapur x0, [x1, #8]", ORDERED), ("stlur w0, [x1, #-4]", ORDERED),
    ("ldapursb x0, [x1]", ORDERED),
    ("dmb ish", BARRIER), ("dmb oshld", BARRIER), ("dmb ishst", BARRIER), ("dsb sy", BARRIER), ("dsb nsh", BARRIER),
    ("isb", BARRIER), ("sb", BARRIER), ("ssbb", BARRIER), (".inst 0xd503323f // dsb with nXS", BARRIER),
    ("dc zva, x5", ZERO), ("dc zva, xzr", ZERO),
    # What has neighbouring encodings, or does the same to memory and orders nothing
    ("clrex", 0), ("nop", 0), ("wfe", 0), ("sev", 0), ("yield", 0), ("hint #20", 0), ("dc civac, x5", 0),
    ("dc cvac, x5", 0), ("ldr x0, [x1]", 0), ("str x0, [x1], #8", 0), ("ldur x0, [x1, #1]", 0),
    ("ldr x0, [x1, x2]", 0), ("str w0, [x1, x2, lsl #2]", 0), ("ldtr x0, [x1]", 0), ("stp x0, x1, [sp, #-16]!", 0),
    ("ldnp x0, x1, [x2]", 0), ("ldp q0, q1, [x2]", 0), ("ldr q0, [x1, x2]", 0), ("prfm pstl1strm, [x1]", 0),
    ("add x0, x1, x2", 0), ("cmp x0, #1", 0), ("b .", 0), ("mrs x0, cntvct_el0", 0), ("tlbi vmalle1is", 0),
    ("crc32b w0, w1, w2", 0), ("ld1 {v0.16b}, [x1]", 0), ("msr daifset, #2", 0),
)
KEYS = [f"{phase}.{n}.{i}" for phase, _, _ in cost.PHASES for n in cost.SIZES for i in range(cost.ROUNDS)]
NAMES = ("polled", PATCHED, UNPATCHED)
SAME = footprint.Footprint(1000, 12, 12, 14, 10, 57, 40, 65)


class Decoder(unittest.TestCase):
    def test_known_encodings(self):
        with tempfile.TemporaryDirectory() as tmp:
            tmp = Path(tmp)
            initramfs.run(["cc", *footprint.CFLAGS, "-Werror", "-o", tmp / "decode", footprint.HERE / "decode.c"])
            (tmp / "all.s").write_text(".arch armv8.5-a+crc\n" + "".join(f"{text}\n" for text, _ in INSTRUCTIONS))
            initramfs.run([f"{initramfs.CROSS}as", "-o", tmp / "all.o", tmp / "all.s"])
            initramfs.run([f"{initramfs.CROSS}objcopy", "-O", "binary", "-j", ".text", tmp / "all.o", tmp / "all"])
            said = subprocess.run([tmp / "decode"], input=(tmp / "all").read_bytes(), stdout=subprocess.PIPE,
                                  check=True).stdout.decode().split()
        self.assertEqual(len(said), len(INSTRUCTIONS))
        wrong = [(text, int(word)) for (text, classes), word in zip(INSTRUCTIONS, said) if int(word) != classes]
        self.assertEqual(wrong, [])


class Reading(unittest.TestCase):
    """A boot whose logs are made here."""

    def boot(self, rounds, values=None):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        text = "".join(" ".join(map(str, found)) + "\n" for found in rounds)
        (Path(folder.name) / footprint.OUTPUT).write_text(text)
        values = values or {key: str(SAME.instructions * cost.NS_PER_INSTRUCTION) for key in KEYS}
        return SimpleNamespace(out=Path(folder.name), ktap=SimpleNamespace(values=values), config=vm.Config())

    def test_each_round_is_read(self):
        self.assertEqual(cost.read_footprints(self.boot([SAME] * len(KEYS))), {n: SAME for n in cost.SIZES})

    def test_first_round_is_not_the_number(self):
        rounds = [SAME._replace(barriers=99) if key.endswith(".0") else SAME for key in KEYS]
        self.assertEqual(cost.read_footprints(self.boot(rounds))[8], SAME)

    def test_only_while_nothing_fails(self):
        rounds = [SAME if key.startswith("healthy") else SAME._replace(barriers=99) for key in KEYS]
        self.assertEqual(cost.read_footprints(self.boot(rounds))[200], SAME)

    def test_another_window_than_the_guests(self):
        for at in (0, 100, len(KEYS) - 1):
            rounds = [SAME] * len(KEYS)
            rounds[at] = SAME._replace(instructions=SAME.instructions + 1)
            with self.assertRaises(ValueError):
                cost.read_footprints(self.boot(rounds))

    def test_rounds_are_missing_or_too_many(self):
        for count in (0, len(KEYS) - 1, len(KEYS) + 1):
            with self.assertRaises(ValueError):
                cost.read_footprints(self.boot([SAME] * count))

    def test_no_numbers(self):
        for bad in ("x30 cannot be read\n", "1 2 3\n", "1 2 3 4 5 6 7 8 9\n"):
            with self.assertRaises(ValueError):
                footprint.read(bad)

    def test_guest_that_did_not_finish(self):
        with self.assertRaises(KeyError):
            cost.read_footprints(self.boot([SAME] * len(KEYS), {KEYS[0]: "16"}))


class Judgement(unittest.TestCase):
    def judge(self, new, names=NAMES, at=2, old=SAME, known=None):
        return footprint.judge(names, at, old, new, known or {})

    def test_the_same(self):
        self.assertEqual(self.judge(SAME), ([], True))

    def test_one_more_of_each(self):
        for column in ("atomics", "barriers"):
            new = SAME._replace(**{column: getattr(SAME, column) + 1})
            self.assertEqual(self.judge(new), ([f"{column} +1"], False))

    def test_one_line_more_is_granted(self):
        self.assertEqual(self.judge(SAME._replace(touched=66)), ([], True))
        self.assertEqual(self.judge(SAME._replace(touched=67)), (["touched +2"], False))

    def test_instructions_have_the_limit_of_the_kernel(self):
        self.assertEqual(self.judge(SAME._replace(instructions=1005)), ([], True))
        self.assertEqual(self.judge(SAME._replace(instructions=1006)), (["ratio 1.006"], False))
        names = ("polled", kernel.WITHOUT_SPEED, UNPATCHED)
        self.assertEqual(self.judge(SAME._replace(instructions=1020), names), ([], True))
        self.assertEqual(self.judge(SAME._replace(instructions=1021), names), (["ratio 1.021"], False))

    def test_what_is_known_is_printed_and_no_more_is_granted(self):
        known = {(*NAMES, "barriers"): [1.0, 2.0, None, 2.0, 8.0, 20.0]}
        self.assertEqual(self.judge(SAME._replace(barriers=16), at=1, known=known), (["barriers +2"], True))
        self.assertEqual(self.judge(SAME._replace(barriers=17), at=1, known=known), (["barriers +3"], False))
        # Neither for the number of functions beside it, nor for another kernel, way or column
        self.assertFalse(self.judge(SAME._replace(barriers=15), at=2, known=known)[1])
        for n, other in enumerate(("by MSI", kernel.WITHOUT_SPEED, kernel.UNCLEARED)):
            names = [*NAMES[:n], other, *NAMES[n + 1:]]
            self.assertFalse(self.judge(SAME._replace(barriers=16), tuple(names), 1, known=known)[1], other)
        self.assertFalse(self.judge(SAME._replace(atomics=13), at=1, known=known)[1])

    def test_a_round_of_nothing_is_none(self):
        for column in footprint.Footprint._fields:
            none = SAME._replace(**{column: 0})
            self.assertFalse(self.judge(none, old=none)[1], column)

    def test_known_ones_are_of_kernels_that_are_compared(self):
        compared = {(way, *names) for way in ("polled", "by MSI") for names in cost.COMPARED + cost.VARIANTS}
        columns = {"ratio", *(goal.column for goal in footprint.GOALS)}
        for key, limits in footprint.read_known().items():
            self.assertIn(key[:3], compared)
            self.assertIn(key[3], columns)
            self.assertEqual(len(limits), len(cost.SIZES))

    def test_a_goal_that_holds_has_no_other_limit(self):
        """Up to 64 functions there is no atomic more, and up to 8 at most one line more."""
        known = footprint.read_known()
        for way in ("polled", "by MSI"):
            names = (way, PATCHED, UNPATCHED)
            for at in range(4):
                lines = {"touched": 67 if at < 3 else 69}
                for wrong in ({"atomics": 13}, lines, {"instructions": 1006}, {"barriers": 17}):
                    self.assertFalse(self.judge(SAME._replace(**wrong), names, at, known=known)[1], (way, at, wrong))


class Rows(unittest.TestCase):
    def test_missed_goals_stand_in_the_row(self):
        found = {n: SAME for n in cost.SIZES}
        worse = {n: SAME._replace(barriers=16) for n in cost.SIZES}
        rows = cost.footprint_rows("polled", NAMES[1:], found, worse, {})
        self.assertEqual(len(rows), len(cost.SIZES))
        self.assertFalse(any(row.ok for row in rows))
        text = cost.text_of(rows)
        self.assertIn("missed: barriers +2", text)
        self.assertIn(f"{len(rows)} of {len(rows)} rows of atomics and lines miss a goal", text)
        widths = {len(line.split("\t")) for line in cost.tsv_of(rows).splitlines()}
        self.assertEqual(len(widths), 1)
        self.assertTrue(all(row.ok and row.limit == "goals met"
                            for row in cost.footprint_rows("polled", NAMES[1:], found, found, {})))


if __name__ == "__main__":
    unittest.main()
