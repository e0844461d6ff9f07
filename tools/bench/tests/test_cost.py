# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of cost.py's arithmetic and verdicts, without a guest."""

import unittest
from types import SimpleNamespace

from tools.bench import cost, vm


def costs(base=1000, per=100, split=0, **healthy):
    """Numbers of a kernel that takes base, per function, and split at each 64."""
    found = {}
    for phase, _, _ in cost.PHASES:
        for n in cost.SIZES:
            more = cost.excess(n)
            found[phase, n] = cost.Counts(base + per * n + split * more,
                                          2 + n + (more if split else 0),
                                          1 + (more if split else 0), 2 + more)
    return found


def timed(ns, asked=1, timeout_us=1000, key="dead1of7"):
    values = {f"{key}.ns": str(ns), f"{key}.asked": str(asked)}
    return SimpleNamespace(ktap=SimpleNamespace(values=values),
                           config=vm.Config(timeout_us=timeout_us))


class Reading(unittest.TestCase):
    def test_events_between_marks_of_the_clock(self):
        lines = ["smmuv3_cmdq_cmd ns=1 opcode=a cons=0x0", "ats_testdev_mark ns=2 name=ep4",
                 "smmuv3_cmdq_cmd ns=3 opcode=a cons=0x1", "ats_testdev_mark ns=3 name=ep0",
                 "smmuv3_read_mmio addr: 0x9c val:0x0 size: 0x4(0)",
                 "ats_testdev_mark ns=4 name=ep4", "smmuv3_cmdq_cmd ns=5 opcode=a cons=0x2"]
        self.assertEqual(cost.between_marks(lines),
                         [{"smmuv3_cmdq_cmd": 1, "smmuv3_read_mmio": 1}])

    def test_steady_is_not_the_first_round(self):
        values = {f"healthy.8.{i}": "1600" for i in range(cost.ROUNDS)}
        values["healthy.8.0"] = "99999"
        self.assertEqual(cost.steady(values, "healthy", 8), 100)

    def test_a_missing_round_is_no_number(self):
        with self.assertRaises(KeyError):
            cost.steady({"healthy.8.0": "1"}, "healthy", 8)

    def test_excess(self):
        self.assertEqual([cost.excess(n) for n in (0, 1, 64, 65, 128, 129, 200)],
                         [0, 0, 0, 1, 1, 2, 3])


class CostRows(unittest.TestCase):
    def row(self, old, new, n=8, limit=1.005):
        return cost.cost_row("s", "healthy", limit, n, old, new, cost.price(old, new))

    def test_same(self):
        row = self.row(costs(), costs())
        self.assertTrue(row.ok)
        self.assertEqual(row.cells[2:4], ["1.0000", "1.0000"])

    def test_too_many_instructions(self):
        self.assertFalse(self.row(costs(), costs(base=1010)).ok)
        self.assertTrue(self.row(costs(), costs(base=1010), limit=1.02).ok)

    def test_excess_syncs_are_taken_off_once(self):
        old, new = costs(), costs(split=300)
        row = self.row(old, new, 200)
        self.assertTrue(row.ok)
        self.assertEqual(row.cells[2:4], [f"{21900 / 21000:.4f}", "1.0000"])
        self.assertFalse(self.row(old, costs(split=300, per=102), 200).ok)

    def test_another_command_sync_or_access(self):
        old = costs()
        for field in ("commands", "syncs", "mmio"):
            new = dict(old)
            counts = new["healthy", 8]
            new["healthy", 8] = counts._replace(**{field: getattr(counts, field) + 1})
            self.assertFalse(self.row(old, new).ok, field)

    def test_a_round_of_nothing_is_none(self):
        for field in cost.Counts._fields:
            both = {key: counts._replace(**{field: 0}) for key, counts in costs().items()}
            self.assertFalse(self.row(both, both).ok, field)
        self.assertFalse(self.row(costs(), costs(base=-800)).ok)

    def test_price_has_a_limit(self):
        rows = cost.cost_rows("s", costs(), costs(split=101))
        self.assertFalse(rows[-1].ok)
        self.assertTrue(cost.cost_rows("s", costs(), costs(split=99))[-1].ok)

    def test_no_row_is_left_out(self):
        rows = cost.cost_rows("s", costs(), costs(base=5000))
        self.assertEqual(len(rows), len(cost.PHASES) * len(cost.SIZES) + 1)


class TimeRows(unittest.TestCase):
    def test_expected(self):
        self.assertEqual(cost.expected(1, 1, 1), (1, False))
        self.assertEqual(cost.expected(1, 1, 7), (2, False))
        self.assertEqual(cost.expected(1, 3, 7), (4, False))
        self.assertEqual(cost.expected(4, 1, 7), (5, True))

    def row(self, ns, submitters=1):
        return cost.time_row(submitters, 1, 7, timed(1_000_000), timed(ns))

    def test_one_flush_takes_what_it_takes(self):
        self.assertTrue(self.row(2_030_000).ok)
        self.assertFalse(self.row(2_050_000).ok)
        self.assertFalse(self.row(1_000_000).ok)

    def test_several_may_be_faster(self):
        self.assertTrue(self.row(3_000_000, 4).ok)
        self.assertFalse(self.row(5_200_000, 4).ok)

    def test_none_returns_before_the_smmu_gave_up(self):
        self.assertFalse(self.row(0, 4).ok)
        self.assertFalse(self.row(900_000, 4).ok)


class Output(unittest.TestCase):
    def test_failed_guest_is_a_row(self):
        boot = SimpleNamespace(trouble=lambda: ["the guest died"], config=vm.Config(),
                               ktap=SimpleNamespace(failed=lambda: [], values={}))
        rows = cost.rows_of("time-2", {s: boot for s in cost.STATES})
        self.assertTrue(rows and not any(row.ok for row in rows))
        self.assertIn("the guest died", cost.text_of(rows))

    def test_table_and_tsv_have_every_row(self):
        rows = cost.cost_rows("s", costs(), costs(base=1010))
        text, tsv = cost.text_of(rows), cost.tsv_of(rows)
        for row in rows:
            self.assertIn(row.name, text)
            self.assertIn(f"\t{row.name}\t", tsv)
        self.assertIn("FAIL", text)
        widths = {len(line.split("\t")) for line in tsv.splitlines() if line.startswith("s\t")}
        self.assertEqual(len(widths), 1)

    def test_200_functions_with_ats(self):
        cfg = cost.cost_config(False, 1)
        self.assertEqual(len(cfg.devices), 200)
        self.assertIn("addr=1e.7", cfg.devices[-1])


if __name__ == "__main__":
    unittest.main()
