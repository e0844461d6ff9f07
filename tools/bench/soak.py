# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the guest scenarios again and again, idle and beside a load, and says how many failed.

A scenario whose verdict depends on how busy the host is, or on where the kernel's
instructions happen to fall, passes in one run and fails in another. Prints KTAP,
one case for each scenario and load, which passes if no run failed; then a table.

A guest whose instructions are counted does the same in each run. So each round has a
kernel command line of another length: later instructions then fall elsewhere, as they
do with another version of the kernel.

Judges as scenarios.py does, and nothing more. Not part of make check.
"""

import argparse
import concurrent.futures
import contextlib
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tools import PY, ktap
from tools.bench import initramfs, scenarios, vm

BUSY = "while True: pass"
PADDING = 23            # characters that the command line grows by in each round


@contextlib.contextmanager
def busy(processes):
    """So many processes that compute, until the end."""
    running = [subprocess.Popen([PY, "-c", BUSY], stdin=subprocess.DEVNULL) for _ in range(processes)]
    try:
        yield
    finally:
        for proc in running:
            proc.kill()
            proc.wait()


def config(job, limit, number):
    """A scenario's configuration in the round `number`, the first of which is make check's."""
    cfg = scenarios.config(job, limit)
    if number > 1:
        cfg.append = (*cfg.append, "soak.round=" + "x" * (PADDING * (number - 1)))
    return cfg


def run(bench, kernels, job, limit, where, number):
    """What failed in one run of a scenario on both kernels, as texts."""
    boots = {state: bench.boot(kernel, config(job, limit, number), where / str(number) / state)
             for state, kernel in kernels.items()}
    return [text for ok, text in scenarios.judge_job(job, boots) if not ok]


def rounds(bench, kernels, jobs, a, load):
    """{name: [failures of each round]}; the logs of a round that failed are kept."""
    found = {scenarios.job_name(job): [] for job in jobs}
    with busy(load), concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        for n in range(1, a.repeat + 1):
            futures = {scenarios.job_name(job): pool.submit(
                run, bench, kernels, job, a.limit, bench.out / "soak" / f"load-{load}" / scenarios.job_name(job), n)
                for job in jobs}
            for name, future in futures.items():
                found[name].append(future.result())
    return found


def report_load(report, load, found, seconds):
    beside = f"beside {load} busy processes" if load else "idle"
    for name, runs in found.items():
        bad = [texts for texts in runs if texts]
        most = [f"{n}: {text}" for text, n in Counter(text for texts in bad for text in texts).most_common(5)]
        report.case(f"{name}, {beside}: {len(bad)} of {len(runs)} failed", not bad, most)
    runs = [texts for each in found.values() for texts in each]
    report.comment(f"{beside}: {sum(map(bool, runs))} of {len(runs)} runs failed, {seconds / 60:.1f} min")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    vm.add_arguments(p)
    p.add_argument("--unpatched", help="default: OUT/kernel/unpatched")
    p.add_argument("--patched", help="default: OUT/kernel/patched")
    p.add_argument("--only", default=os.environ.get("SCENARIO", ""), help="comma separated names; default: $SCENARIO, else all")
    p.add_argument("--repeat", type=int, default=3, help="runs of each (default: %(default)s)")
    p.add_argument("--load", default=f"0,{os.cpu_count() or 1}",
                   help="busy processes beside the guests, one pass each (default: %(default)s)")
    p.add_argument("--jobs", type=int, default=2, help="scenarios at once")
    p.add_argument("--limit", type=float, default=180, help="seconds of the host for a guest")
    a = p.parse_args()

    jobs = scenarios.all_jobs({n for n in a.only.split(",") if n})
    out = Path(a.out)
    kernels = {state: Path(k or out / "kernel" / state) for state, k in
               ((scenarios.UNPATCHED, a.unpatched), (scenarios.PATCHED, a.patched))}
    bench = vm.make_bench(a)
    report = ktap.Writer()
    try:
        for kernel in kernels.values():
            bench.prepare(kernel, sorted({j.scenario.program for j in jobs}))
    except initramfs.BuildError as e:
        report.case("guests", False, [str(e)])
        return report.close()
    for load in map(int, a.load.split(",")):
        began = time.monotonic()
        found = rounds(bench, kernels, jobs, a, load)
        report_load(report, load, found, time.monotonic() - began)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
