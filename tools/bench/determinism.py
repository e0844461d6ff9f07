# SPDX-License-Identifier: GPL-2.0-or-later
"""Both guests of the demo, three times each: the logs are the same, byte for byte.

Under instruction counting a boot may depend on nothing but its inputs, or the
numbers on the demo's screen are those of one lucky run. Since these boots are
the demo's, its report and its screen in the README are compared with them, too.
Prints KTAP. Says nothing about whether the logs are right: scenarios.py does.
"""

import argparse
import concurrent.futures
from pathlib import Path

from tools import ktap
from tools.bench import demo, demo_readme, initramfs, scenarios, vm
from tools.checks import demo_report

RUNS = 3
LOGS = ("console.log", "verdict.log", "trace.log")
README = Path(__file__).resolve().parents[2] / "README.md"


def differing(dirs, name):
    """Which of the directories has another NAME than the first, or none."""
    texts = [(d / name).read_bytes() if (d / name).exists() else b"" for d in dirs]
    if not texts[0]:
        return [dirs[0]]
    return [d for d, text in zip(dirs, texts) if text != texts[0]]


def judge_same(state, boots):
    """[(ok, text)] of all boots of one kernel."""
    tests = [(not b.trouble(), f"{state}, run {n}: the guest finished, no splat{scenarios.reason(b.trouble())}")
             for n, b in enumerate(boots, 1)]
    for name in LOGS:
        other = differing([b.out for b in boots], name)
        where = f": not in {', '.join(str(d) for d in other)}" if other else ""
        tests.append((not other, f"{state}: {name} is the same in {len(boots)} runs{where}"))
    return tests


def judge_report(left, right, folder):
    page = folder / "demo.html"
    page.write_text(demo.report(left, right), encoding="utf-8")
    logs = {state: side.boot.out for state, side in zip(vm.STATES, (left, right))}
    return demo_report.judge(page, logs, list(demo.rows(left, right)))


def judge_readme(left, right):
    today = demo.readme_block(left, right, demo.judge(left.boot, right.boot))
    what, other = demo_readme.compare(README.read_text(encoding="utf-8"), README.name, today)
    hint = f": {other[0]}; make demo UPDATE_README=1" if other else ""
    return [(not other, f"the demo's screen in {README.name} is that of these boots, compared: {what}{hint}")]


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    vm.add_arguments(p)
    vm.add_kernels(p)
    p.add_argument("--limit", type=float, default=180, help="seconds of the host for a guest")
    a = p.parse_args()
    bench = vm.make_bench(a)
    folder = bench.out / "determinism"
    kernels = vm.kernels_of(a)
    for kernel in kernels.values():
        bench.prepare(kernel)
    jobs = [(state, folder / state / str(n)) for n in range(1, RUNS + 1) for state in vm.STATES]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda job: bench.boot(kernels[job[0]], demo.config(a.limit), job[1]), jobs))
    boots = {state: [b for (s, _), b in zip(jobs, done) if s == state] for state in vm.STATES}

    writer = ktap.Writer(4)
    for state in vm.STATES:
        writer.test(f"{state}: determinism", judge_same(state, boots[state]))
    left, right = demo.sides(*(boots[state][0] for state in vm.STATES))
    writer.test("report", judge_report(left, right, folder), f"{folder / 'demo.html'}")
    writer.test("screen in the README", judge_readme(left, right))
    return writer.close()


if __name__ == "__main__":
    ktap.run(main, initramfs.BuildError)
