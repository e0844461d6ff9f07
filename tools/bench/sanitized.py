# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs KUnit, a few scenarios and the attach storm on a kernel that looks for
more than wrong results, and prints KTAP.

The flavour debug looks for locking that could go wrong and for memory errors,
kcsan for data races (tools/bench/config). What such a kernel finds stands in its
log, where it is a splat and so a failure. The boots of debug are what
coverage.py reads.

Not for the unpatched kernel, and not for times: these kernels are slow.
"""

import argparse
import os
import sys
from pathlib import Path

from tools import ktap
from tools.bench import initramfs, kunit_log, qtrace, scenarios, vm

KUNIT_CPUS = 4          # the fake SMMU and two flushes have one each
MEMORY = 512            # MiB: shadow and quarantine take their part
STORM_CPUS = 4
STORM_T = 2_000         # us: the SMMU's; attaches and faults are to meet often
STORM_TARGET = "ep1"
STORMS = [f"{name}.{end}" for name in ("storm", "storm-long") for end in ("poll", "msi")]

# In make check; the long storms are run by name
DEFAULT = {
    "debug": ["kunit", "storm.poll", "storm.msi", "two-dead.2cpu.poll", "detach-dead.2cpu.msi",
              "reattach.2cpu.poll", "reset.2cpu.msi", "reset-rescan-healed.1cpu.poll",
              # What the series changes in the core of PCI and of IOMMUs. Not reset-aer and
              # reset-pulled: lockdep stops at a lock of aer_inject, and at pciehp's reset_lock.
              "reset-removed.2cpu.poll", "reset-methods.1cpu.poll", "reset-fails.1cpu.poll", "reset-in-vain.1cpu.poll",
              "reset-vf.1cpu.poll", "vfio-hot-reset.2cpu.msi", "reset-dpc.1cpu.poll"],
    "kcsan": ["kunit", "storm.poll", "reset.2cpu.msi"],
}


def known():
    return ["kunit", *STORMS, *[scenarios.job_name(j) for j in scenarios.all_jobs()]]


def config(name, limit, seed):
    if name == "kunit":
        cfg = vm.Config(cpus=KUNIT_CPUS, kunit=True, limit=limit)
    elif name in STORMS:
        storm, end = name.split(".")
        cfg = vm.Config(storm, STORM_CPUS, end == "msi", False, STORM_T, {"seed": seed},
                         trace=True, limit=limit, program="ats_storm")
    else:
        cfg = scenarios.config(scenarios.all_jobs([name])[0], limit)
        cfg.icount = False  # these kernels execute many times the instructions
    cfg.memory = MEMORY
    return cfg


def eats_while_fenced(events, sid):
    """(looks, those that saw EATS) of the SMMU at the STE while the test held
    the target for fenced: from its mark, which the storm makes nowhere else, to
    the reset."""
    fenced, looks, seen = False, 0, []
    for event in events:
        if event.args.get("name") == STORM_TARGET and event.name == "ats_testdev_mark":
            fenced = True
        elif event.args.get("name") == STORM_TARGET and event.name == "ats_testdev_reset":
            fenced = False
        elif fenced and event.name == "smmuv3_cfgi_ste" and qtrace.number(event, "sid") == sid:
            looks += 1
            if qtrace.number(event, "eats"):
                seen.append(f"at {event.ns} ns")
    return looks, seen


def judge_storm(boot):
    tests = scenarios.judge_patched(boot, rounds=True)
    with open(boot.out / "trace.log", encoding="utf-8", errors="replace") as fh:
        looks, seen = eats_while_fenced(qtrace.parse(fh), boot.ktap.number(f"{STORM_TARGET}.sid"))
    tests.append((looks > 0 and not seen,
                  f"{looks} looks of the SMMU at a fenced STE, {len(seen)} saw EATS"
                  + scenarios.reason(seen[:3])))
    return tests


def judge(name, boot, planned):
    if name == "kunit":
        return scenarios.judge_kunit(boot, "patched", planned)
    return judge_storm(boot) if name in STORMS else scenarios.judge_patched(boot)


def numbers(boot):
    """What the storm says of itself."""
    found = [f"{key[6:]} {value}" for key, value in boot.ktap.values.items() if key.startswith("storm.")]
    return ", ".join([*found, f"{boot.seconds:.0f} s"])


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    vm.add_arguments(p)
    p.add_argument("flavour", choices=sorted(DEFAULT))
    p.add_argument("--kernel", help="default: OUT/kernel/patched-FLAVOUR")
    p.add_argument("--only", default="", help="comma separated names; default: "
                   + "; ".join(f"{k}: {','.join(v)}" for k, v in sorted(DEFAULT.items())))
    p.add_argument("--seed", type=int, default=int(os.environ.get("SEED") or 1), help="of the storm")
    p.add_argument("--limit", type=float, default=900, help="seconds of the host for a guest")
    a = p.parse_args()

    names = [n for n in a.only.split(",") if n] or DEFAULT[a.flavour]
    unknown = set(names) - set(known())
    if unknown:
        sys.exit(f"sanitized: unknown: {', '.join(sorted(unknown))}; known: {', '.join(known())}")
    bench = vm.make_bench(a)
    kernel = Path(a.kernel or Path(a.out) / "kernel" / f"patched-{a.flavour}")
    report = ktap.Writer(len(names))
    try:
        bench.prepare(kernel, sorted({config(n, 0, 0).program for n in names}))
        planned = kunit_log.planned(a.out, "patched")
    except (initramfs.BuildError, kunit_log.SourceError) as e:
        report.test(a.flavour, [(False, str(e).splitlines()[0])])
        return 1
    for name in names:
        out = bench.out / a.flavour / name
        boot = bench.boot(kernel, config(name, a.limit, a.seed), out)
        if not report.test(name, judge(name, boot, planned), numbers(boot)):
            report.comment(f"logs: {out}")
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
