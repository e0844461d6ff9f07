# SPDX-License-Identifier: GPL-2.0-or-later
"""What the fence costs: instructions, commands and time, on both kernels.

It answers three questions, with a limit beside every row:

- A strict map + unmap while nothing fails, in domains with 0 to 200 functions
  with ATS: instructions, commands, CMD_SYNCs and accesses to the SMMU's
  registers. Before a fault, while another function is fenced, after its reset.
- What the CMD_SYNC costs that ends every 64 CMD_ATC_INVs.
- How many atomics, barriers and cache lines a round has (footprint.py). With
  --variants, also for the kernel without the part `speed`, and compared with the base
  that does not clear the stack: two more kernels, which make bench builds.
- After how many timeouts T of the SMMU a flush returns that some functions do not
  answer, for one flush and for several flushes at once.

Guests run with instruction counting, so the numbers are exact and repeatable. They do
not show how long an instruction, a cache miss or a bus access takes on real hardware:
the model completes a CMD_SYNC within the write that queues it.

Writes cost.txt and cost.tsv to OUT/bench/cost, and footprint.tsv with --variants. Exit status 0 only if each row is
within its limit. A row that is not stays in the table.
"""

import argparse
import concurrent.futures
import statistics
import sys
from collections import Counter, namedtuple
from pathlib import Path

from tools import ktap
from tools.bench import footprint, initramfs, kernel, qtrace, vm
from tools.bench.vm import PATCHED, STATES, UNPATCHED

PROGRAM = "ats_cost"

NS_PER_INSTRUCTION = 1 << vm.Config.icount_shift
CLOCK = "ep4"                   # the endpoint that is marked, ats_cost.c's CLOCK

# Functions with ATS in the domain; ROUNDS as in ats_cost.c
SIZES = (0, 1, 8, 64, 65, 200)
ROUNDS = 16
BATCH = 64                      # CMDQ_BATCH_ENTRIES
FUNCTIONS, SLOTS, FIRST_SLOT = 8, 25, 6

# phase, what it is, at most this many instructions of the unpatched kernel's
PHASES = (("healthy", "nothing has failed", 1.005),
          ("fenced", "another function is fenced", 1.02),
          ("after", "that one was reset", 1.005))

# Kernels whose footprints are compared, the first with the second
COMPARED = ((PATCHED, UNPATCHED),)
VARIANTS = ((PATCHED, kernel.UNCLEARED), (kernel.WITHOUT_SPEED, UNPATCHED),
            (kernel.WITHOUT_SPEED, kernel.UNCLEARED))

COST_T = 20_000                 # us: of the one fault, which is not measured
TIME_T = 250_000
TOLERANCE = 0.02
# Submitters at once, each on a CPU of its own; dead and asked functions
TIMES = ((1, ((1, 1), (1, 7), (2, 7), (3, 7), (7, 7))),
         (2, ((1, 1), (1, 7), (2, 7))),
         (4, ((1, 1), (1, 7), (2, 7))))

EVENTS = """\
ats_testdev_mark
smmuv3_cmdq_cmd
smmuv3_cmd_sync
smmuv3_read_mmio
smmuv3_write_mmio
"""

Counts = namedtuple("Counts", "instructions commands syncs mmio")
# number: what is judged; limit: text; ok: the verdict
Row = namedtuple("Row", "section name cells limit ok")


def excess(n):
    """CMD_SYNCs more than one for n CMD_ATC_INVs: what I10 of the design grants."""
    return max(-(-n // BATCH) - 1, 0)


def between_marks(lines):
    """One Counter of events for each pair of marks of the clock endpoint."""
    found, current = [], None
    for line in lines:
        match = qtrace.LINE.match(line.strip())
        if not match:
            continue
        if match[1] != "ats_testdev_mark":
            if current is not None:
                current[match[1]] += 1
            continue
        if f"name={CLOCK}" not in match[2].split():
            continue
        if current is None:
            current = Counter()
        else:
            found.append(current)
            current = None
    return found


def steady(values, phase, n):
    """Instructions of a round. The median: the first one allocates page tables,
    and on either kernel one in ten or so takes a few dozen more."""
    rounds = [int(values[f"{phase}.{n}.{i}"]) for i in range(ROUNDS)]
    return statistics.median_low(rounds) / NS_PER_INSTRUCTION


def read_costs(boot):
    """{(phase, n): Counts} of a boot. KeyError or ValueError: it did not finish."""
    events = between_marks(vm.read(boot.out / "trace.log").splitlines())
    keys = [(phase, n) for phase, _, _ in PHASES for n in SIZES]
    if len(events) != len(keys):
        raise ValueError(f"{len(events)} measurements in the trace, not {len(keys)}")
    costs = {}
    for (phase, n), found in zip(keys, events):
        costs[phase, n] = Counts(
            steady(boot.ktap.values, phase, n),
            found["smmuv3_cmdq_cmd"] / ROUNDS, found["smmuv3_cmd_sync"] / ROUNDS,
            (found["smmuv3_read_mmio"] + found["smmuv3_write_mmio"]) / ROUNDS)
    return costs


def read_footprints(boot):
    """{n: Footprint} while nothing fails: the median of each number.

    ValueError: the plugin's rounds are not those whose instructions the guest printed.
    """
    rounds = footprint.read(vm.read(boot.out / footprint.OUTPUT))
    keys = [f"{phase}.{n}.{i}" for phase, _, _ in PHASES for n in SIZES for i in range(ROUNDS)]
    if [found.instructions * NS_PER_INSTRUCTION for found in rounds] != [int(boot.ktap.values[key]) for key in keys]:
        raise ValueError(f"{len(rounds)} rounds of the plugin are not the guest's {len(keys)}")
    phase = PHASES[0][0]
    return {n: footprint.Footprint(*map(statistics.median_low, zip(
        *(found for found, key in zip(rounds, keys) if key.startswith(f"{phase}.{n}."))))) for n in SIZES}


def number(value):
    return f"{value:.0f}" if value == int(value) else f"{value:.2f}"


def price(old, new):
    """Instructions of a CMD_SYNC in the middle of a flush instead of none there."""
    def step(costs):
        return costs["healthy", BATCH + 1].instructions - costs["healthy", BATCH].instructions
    return step(new) - step(old)


def cost_row(section, phase, limit, n, old, new, sync):
    """instructions without the excess CMD_SYNCs, everything else with them."""
    a, b, more = old[phase, n], new[phase, n], excess(n)
    net = (b.instructions - more * sync) / (a.instructions or 1)
    wanted = Counts(0, a.commands + more, a.syncs + more, a.mmio + more)
    # A round of nothing is none: a trace without these events, or a clock that stands still
    ok = min(*a, *b) > 0 and net <= limit and b.commands == wanted.commands and b.syncs == wanted.syncs and \
        b.mmio <= wanted.mmio
    cells = [number(a.instructions), number(b.instructions),
             f"{b.instructions / (a.instructions or 1):.4f}", f"{net:.4f}"]
    for key in ("commands", "syncs", "mmio"):
        cells += [number(getattr(a, key)), number(getattr(b, key))]
    bound = f"{limit:.3f}" + (f", +{more} CMD_SYNC" if more else "")
    return Row(section, f"{phase}, {n} with ATS", cells, bound, ok)


COST_HEAD = ["instr.", "patched", "ratio", "net", "cmds", "patched", "SYNCs", "patched",
             "MMIO", "patched"]
PRICE_HEAD = ["a list more", "in the middle"]
FOOTPRINT, MISSED = "atomics and lines", "missed: "
FOOTPRINT_HEAD = ["instr.", "other", "ratio", "atomics", "other", "barriers", "other", "ordered", "other",
                  "read", "other", "written", "other", "touched", "other"]
TIME_HEAD = ["T", "unpatched", "patched", "ATC_INVs", "patched"]


def cost_rows(name, old, new):
    """Rows of one way to wait for a CMD_SYNC."""
    sync = price(old, new)
    rows = []
    for phase, _, limit in PHASES:
        rows += [cost_row(name, phase, limit, n, old, new, sync) for n in SIZES]
    # A list of its own with a CMD_SYNC, which is what the second half now is
    own = old["healthy", 1].instructions - old["healthy", 0].instructions
    rows.append(Row(f"{name}, one CMD_SYNC", "instructions", [number(own), number(sync)],
                    f"<= {number(own)}", 0 <= sync <= own))
    return rows


def footprint_rows(way, names, old, new, known):
    """Rows of one kernel compared with another; a goal that is missed stands in the row."""
    rows = []
    for at, n in enumerate(SIZES):
        missed, ok = footprint.judge((way, *names), at, old[n], new[n], known)
        cells = [number(new[n].instructions), number(old[n].instructions),
                 f"{new[n].instructions / (old[n].instructions or 1):.4f}"]
        for key in ("atomics", "barriers", "ordered", "read", "written", "touched"):
            cells += [number(getattr(new[n], key)), number(getattr(old[n], key))]
        rows.append(Row(f"{FOOTPRINT}, CMD_SYNC {way}: {footprint.title(names)}", f"{n} with ATS", cells,
                        f"{MISSED}{', '.join(missed)}" if missed else "goals met", ok))
    return rows


def expected(submitters, dead, asked):
    """Timeouts T, and whether less is as good.

    One flush: T for the batch and, if it asks several, T for each that is dead.
    M flushes have M batches in the queue, each of which costs a T.
    """
    if submitters == 1:
        return (1 if asked == 1 else 1 + dead), False
    return submitters + dead, True


def time_row(submitters, dead, asked, old, new):
    want, less = expected(submitters, dead, asked)
    key = f"dead{dead}of{asked}"
    times = [int(b.ktap.values[f"{key}.ns"]) / (b.config.timeout_us * 1000) for b in (old, new)]
    sent = [b.ktap.values[f"{key}.asked"] for b in (old, new)]
    # Somebody is dead: no flush ends before the SMMU has given up once
    least = 1 if less else want
    ok = least * (1 - TOLERANCE) <= times[1] <= want * (1 + TOLERANCE)
    who = "1 flush" if submitters == 1 else f"{submitters} flushes at once"
    return Row("time to fence", f"{dead} of {asked}, {who}",
               [str(want), *(f"{t:.3f}" for t in times), *sent],
               ("<= " if less else "") + f"{want} T, {TOLERANCE:.0%}", ok)


def cost_config(msi, limit, plugin=""):
    devices = tuple(f"ats-testdev,id=f{slot}.{fn},multifunction=on,addr={slot:x}.{fn}"
                    for slot in range(FIRST_SLOT, FIRST_SLOT + SLOTS) for fn in range(FUNCTIONS))
    return vm.Config("cost", 1, msi, True, COST_T, trace=True, limit=limit, program=PROGRAM,
                      devices=devices, events=EVENTS, plugin=plugin)


def time_config(submitters, limit):
    devices = tuple(f"ats-testdev,id=ep{n},addr={n + vm.FIRST_SLOT:x}.0" for n in (5, 6, 7))
    return vm.Config("time", submitters, False, True, TIME_T, {"submitters": submitters},
                      trace=True, limit=limit, program=PROGRAM, devices=devices)


def jobs(limit, plugin=""):
    """{name: configuration}; those that take longest first."""
    found = {f"time-{m}": time_config(m, limit) for m, _ in reversed(TIMES)}
    found.update({f"cost-{'msi' if msi else 'poll'}": cost_config(msi, limit, plugin)
                  for msi in (False, True)})
    return found


def cost_job(boots, compared):
    """Rows of the guests that differ in how a CMD_SYNC completes."""
    way = "by MSI" if boots[PATCHED].config.msi else "polled"
    rows = cost_rows(f"CMD_SYNC {way}", *(read_costs(boots[s]) for s in STATES))
    found = {state: read_footprints(boot) for state, boot in boots.items()}
    known = footprint.read_known()
    for names in compared:
        rows += footprint_rows(way, names, found[names[1]], found[names[0]], known)
    return rows


def rows_of(name, boots, compared=COMPARED):
    """Rows of a job, or one that says why there are none."""
    trouble = [f"{state}: {text}" for state in boots for text in boots[state].trouble()]
    failed = [f"{state}: {case!r}" for state in boots for case in boots[state].ktap.failed()]
    rows = []
    if trouble or failed:
        rows.append(Row(name, "; ".join(trouble + failed), [], "the guests finish", False))
    try:
        if name.startswith("cost-"):
            return rows + cost_job(boots, compared)
        submitters = int(name.rpartition("-")[2])
        for m, cases in TIMES:
            if m == submitters:
                rows += [time_row(m, dead, asked, *(boots[s] for s in STATES))
                         for dead, asked in cases]
    except (KeyError, ValueError) as e:
        rows.append(Row(name, f"no numbers: {e}", [], "the guests finish", False))
    return rows


def head_of(section):
    if section == "time to fence":
        return TIME_HEAD
    if section.startswith(FOOTPRINT):
        return FOOTPRINT_HEAD
    return PRICE_HEAD if section.endswith("one CMD_SYNC") else COST_HEAD


def verdict(row):
    return "PASS" if row.ok else "FAIL"


def sections(rows):
    found = {}
    for row in rows:
        found.setdefault(row.section, []).append(row)
    return found


def table(section, rows):
    lines = [["", *head_of(section), "limit", ""]]
    for row in rows:
        cells = row.cells or [""] * (len(lines[0]) - 3)
        lines.append([row.name, *cells, row.limit, verdict(row)])
    # A row without numbers is text, which widens nothing
    full = [line for line, row in zip(lines[1:], rows) if row.cells] + lines[:1]
    widths = [max(len(line[i]) for line in full) for i in range(len(lines[0]))]
    text = [section]
    for line in lines:
        cells = [line[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(line[1:-2], widths[1:-2])]
        cells += [line[-2].ljust(widths[-2]), line[-1]]
        text.append("  ".join(cells).rstrip())
    return "\n".join(text)


def text_of(rows):
    parts = [table(section, found) for section, found in sections(rows).items()]
    bad = sum(not row.ok for row in rows)
    parts.append(f"{len(rows) - bad} of {len(rows)} rows within their limits")
    goals = [row for row in rows if row.section.startswith(FOOTPRINT)]
    if goals:
        missed = sum(row.limit.startswith(MISSED) for row in goals)
        parts.append(f"{missed} of {len(goals)} rows of atomics and lines miss a goal: footprint.tsv says which may")
    return "\n\n".join(parts) + "\n"


def tsv_of(rows):
    lines = []
    for section, found in sections(rows).items():
        lines.append("\t".join(["section", "row", *head_of(section), "limit", "verdict"]))
        lines += ["\t".join([section, row.name, *row.cells, row.limit, verdict(row)])
                  for row in found]
    return "\n".join(lines) + "\n"


def print_ktap(rows):
    found = sections(rows)
    report = ktap.Writer(len(found))
    for section, group in found.items():
        report.test(section, [(row.ok, f"{row.name}: {' '.join(row.cells)}, limit {row.limit}")
                              for row in group])
        report.comment(table(section, group))
    report.close()


def boot_all(bench, kernels, configs, workers):
    """{name: {state: Boot}}"""
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        try:
            pending = {name: {state: pool.submit(bench.boot, kernels[state], cfg,
                                                 bench.out / "cost" / name / state)
                              for state in (kernels if name.startswith("cost-") else STATES)}
                       for name, cfg in configs.items()}
            return {name: {state: f.result() for state, f in futures.items()}
                    for name, futures in pending.items()}
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    vm.add_arguments(p)
    vm.add_kernels(p)
    p.add_argument("--jobs", type=int, default=2, help="guests at once")
    p.add_argument("--limit", type=float, default=300, help="seconds of the host for a guest")
    p.add_argument("--variants", action="store_true",
                   help=f"also OUT/kernel/{kernel.UNCLEARED} and {kernel.WITHOUT_SPEED}")
    p.add_argument("--ktap", action="store_true", help="print KTAP")
    a = p.parse_args()

    kernels, compared = vm.kernels_of(a), COMPARED
    if a.variants:
        compared = COMPARED + VARIANTS
        kernels.update({state: Path(a.out) / "kernel" / state for state in (kernel.UNCLEARED, kernel.WITHOUT_SPEED)})
    bench = vm.make_bench(a)
    try:
        for folder in kernels.values():
            bench.prepare(folder, (PROGRAM,))
        plugin = footprint.build(bench.out / "plugin", bench.qemu)
    except initramfs.BuildError as e:
        sys.exit(f"cost: {e}")
    boots = boot_all(bench, kernels, jobs(a.limit, footprint.argument(plugin)), a.jobs)
    rows = [row for name in reversed(boots) for row in rows_of(name, boots[name], compared)]

    dest = bench.out / "cost"
    (dest / "cost.txt").write_text(text_of(rows))
    (dest / "cost.tsv").write_text(tsv_of(rows))
    if a.variants:
        (dest / "footprint.tsv").write_text(tsv_of([row for row in rows if row.section.startswith(FOOTPRINT)]))
    if a.ktap:
        print_ktap(rows)
    else:
        sys.stdout.write(text_of(rows))
        print(f"logs, cost.txt, cost.tsv: {dest}")
    return 0 if rows and all(row.ok for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
