# SPDX-License-Identifier: GPL-2.0-or-later
"""Mutants: the series with one safeguard taken out; a test has to notice. KTAP.

Each is tools/bench/mutants/NAME.patch on top of the series. Its text before the
diff says what was taken out, and names what must fail:

    X-Killed-by: one-dead-of-three.2cpu.poll, kunit

the names being those of tools/bench/scenarios.py --list, an attach storm of
sanitized.py, or kunit.CASE for one case of the series' suite. It must have run
and failed; a mutant that does not build, or a guest that could not be started,
has not been caught but wasted. Nor has one whose guest hangs, which a busy host
may do to any, unless "X-Hangs: yes" says that this is what it does.
"""
import argparse
import collections
import concurrent.futures
import re
import subprocess
import sys
import time
from pathlib import Path

from tools import TOP, command, ktap
from tools.bench import kernel as K, sanitized
from tools.series import repo as R
from tools.setup import progress


# Seconds of the host: a mutant may well hang its guest. A guest takes about 5.
LIMIT = 60


def killers(path):
    text = path.read_text().split("\ndiff --git ", 1)[0]
    found = re.search(r"^X-Killed-by:\s*(.+)$", text, re.M)
    return [n.strip() for n in found[1].split(",") if n.strip()] if found else []


def hangs(path):
    return "\nX-Hangs: yes\n" in path.read_text().split("\ndiff --git ", 1)[0] + "\n"


def unit_case(out, kernel, case, hang):
    """As scenario(), for one case of the suite: all of it takes many times as long."""
    where = out / "bench/mutant-kunit"
    glob = f"arm-smmu-v3-atc-kunit-test.arm_smmu_atc_test_{case}"
    subprocess.run([*command("bench.vm"), "--out", str(out), "--kernel", str(kernel),
                    "--kunit", "--cpus", "4", "--append", f"kunit.filter_glob={glob}", "--limit", str(LIMIT),
                    "--dir", str(where)], cwd=TOP, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    lines = (where / "console.log").read_text(errors="replace").splitlines()
    begun = any("Subtest: arm-smmu-v3-atc-kunit-test" in ln for ln in lines)
    bad = [ln.split("] ", 1)[-1].strip() for ln in lines if re.search(r"\bnot ok \d", ln)]
    ended = any("reboot: Power down" in ln for ln in lines)
    return begun and (not ended if hang else ended and bool(bad)), bad[:3] or lines[-5:]


def scenario(out, kernel, name, hang):
    """(noticed, lines): did this scenario run on the kernel, and fail as it should?"""
    if name.startswith("kunit."):
        return unit_case(out, kernel, name[6:], hang)
    if name in sanitized.STORMS:
        argv = ["bench.sanitized", sanitized.MUTANT, "--kernel", str(kernel), "--limit", str(3 * LIMIT)]
    else:
        argv = ["bench.scenarios", "--unpatched", "none", "--patched", str(kernel), "--limit", str(LIMIT)]
    proc = subprocess.run([*command(*argv), "--out", str(out), "--only", name], cwd=TOP,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    lines = proc.stdout.splitlines()
    bad = [ln.strip() for ln in lines if re.match(r"^\s+not ok\b", ln)]
    hung = any("no end after" in ln for ln in bad)
    return proc.returncode == 1 and bool(bad) and hung == hang, bad[:3] or lines[-5:]


def timed(*args):
    begun = time.monotonic()
    noticed, lines = scenario(*args)
    return noticed, lines, time.monotonic() - begun


def build(kernels, name, steps):
    """The state of the tree that was built, and the names of what must fail."""
    kills = killers(K.MUTANTS / f"{name}.patch")
    if not kills:
        raise R.SeriesError(f"{name}.patch has no X-Killed-by: line")
    state = kernels.mutant(name)
    step = progress.Step(steps, 1, f"mutant {name}", kernels.out / "log" / f"kernel-{state}.log")
    step.log.parent.mkdir(parents=True, exist_ok=True)
    step.log.write_bytes(b"")
    kernels.build(state, step)
    return state, kills


def results(kernels, names, steps):
    """[(title, ok, lines)], as they come: while one is tried the next one is built."""
    tried = collections.deque()

    def ended(at_once):
        while tried and (at_once or tried[0][2].done()):
            name, kill, job = tried.popleft()
            noticed, lines, seconds = job.result()
            yield f"mutant {name} is noticed by {kill} within {seconds:.0f} s", noticed, lines
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        for name in names:
            try:
                state, kills = build(kernels, name, steps)
            except (R.SeriesError, progress.StepError) as e:
                yield f"mutant {name} builds", False, str(e).splitlines()
                continue
            hang = hangs(K.MUTANTS / f"{name}.patch")
            tried += [(name, kill, pool.submit(timed, kernels.out, kernels.dest(state), kill, hang)) for kill in kills]
            yield from ended(False)
        yield from ended(True)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", required=True, type=Path)
    ap.add_argument("--base", required=True)
    ap.add_argument("names", nargs="*")
    args = ap.parse_args()
    names = args.names or K.mutant_names()
    report = ktap.Writer()
    if not names:
        report.case("mutants", False, [f"no {K.MUTANTS}/*.patch"])
        return report.close()
    kernels = K.Kernels(args.out.resolve(), args.base, 2)
    quiet = progress.Steps(kernels.out, len(names))
    for title, ok, lines in results(kernels, names, quiet):
        report.case(title, ok, lines)
    R.switch(kernels.repo, R.R_SERIES)
    return report.close()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (R.SeriesError, OSError) as e:
        print(f"Bail out! {e}")
        sys.exit(1)
