# SPDX-License-Identifier: GPL-2.0-or-later
"""The patched guest of the demo, three times: every log is the same, byte for byte.

Under instruction counting a boot may depend on nothing but its inputs, or the
numbers on the demo's screen are those of one lucky run. Prints KTAP. Says
nothing about whether the logs are right: scenarios.py does.
"""

import argparse
import concurrent.futures
import sys
from pathlib import Path

from tools.bench import demo, initramfs, scenarios, vm

RUNS = 3
LOGS = ("console.log", "verdict.log", "trace.log")


def differing(dirs, name):
    """Which of the directories has another NAME than the first, or none."""
    texts = [(d / name).read_bytes() if (d / name).exists() else b"" for d in dirs]
    if not texts[0]:
        return [dirs[0]]
    return [d for d, text in zip(dirs, texts) if text != texts[0]]


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    vm.add_arguments(p)
    p.add_argument("--patched", help="default: OUT/kernel/patched")
    p.add_argument("--limit", type=float, default=180, help="seconds of the host for a guest")
    a = p.parse_args()
    bench = vm.make_bench(a)
    kernel = Path(a.patched or Path(a.out) / "kernel/patched")
    bench.prepare(kernel)
    dirs = [bench.out / "determinism" / str(n) for n in range(1, RUNS + 1)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        boots = list(pool.map(lambda d: bench.boot(kernel, demo.config(a.limit), d), dirs))

    tests = [(not b.trouble(), f"run {n}: the guest finished, no splat{scenarios.reason(b.trouble())}")
             for n, b in enumerate(boots, 1)]
    for name in LOGS:
        other = differing(dirs, name)
        where = f": not in {', '.join(str(d) for d in other)}" if other else ""
        tests.append((not other, f"{name} is the same in {RUNS} runs{where}"))
    print("KTAP version 1")
    print(f"1..{len(tests)}")
    for n, (ok, text) in enumerate(tests, 1):
        print(f"{'ok' if ok else 'not ok'} {n} {text}")
    return 0 if all(ok for ok, _ in tests) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except initramfs.BuildError as e:
        print(f"Bail out! {e}")
        sys.exit(1)
