# SPDX-License-Identifier: GPL-2.0-or-later
"""Mutants: the series with one safeguard taken out; a named assertion has to fail. KTAP.

Each is tools/bench/mutants/NAME.patch on top of the series. Its text before the
diff says what was taken out, and names what must fail, one line for each killer:

    X-Killed-by: one-dead-of-three.2cpu.poll: "no write lands"
    X-Killed-by: kunit.queue_sticky: "Expected atc_fenced(master)"
    X-Killed-by: kunit.queue_sticky
    X-Killed-by: stop.1cpu.poll: hang

The first word is a scenario of scenarios.py --list, or kunit.CASE. The text in
quotes is part of the assertion that must be among the failed ones; a case of
KUnit is an assertion by itself. A mutant that does not build, a guest that could
not be started or died on the way, and one that failed for another reason, have
killed nothing.

Each killer runs on the unmutated kernel as well, once, with the same command
and the same limit: its control. A mutant counts as dead only if its control
passed, and so a hang counts only if the guest of the control has ended.
"""
import argparse
import collections
import concurrent.futures
import re
import subprocess
import time
from pathlib import Path
from typing import NamedTuple

from tools import TOP, command, ktap
from tools.bench import kernel as K, scenarios
from tools.series import repo as R
from tools.setup import progress

# Seconds of the host for a guest, which takes about 5 if the host is idle. Shorter
# where a hang is what is waited for.
LIMIT, HANG_LIMIT = 180, 60
KUNIT, CASE = "kunit.", "arm_smmu_atc_test_"
TRIES = 3
SUITES = "arm-smmu-v3-atc-*"
HANG = "hang"

# What vm.Boot.trouble() says of a guest that has not ended by itself
HUNG, DIED = "no end after", "the guest died"
# and scenarios.py before it, which is no assertion: anything can be wrong with a guest
GUEST = "the guest finished, no splat"

LINE = re.compile(r'^X-Killed-by: (?:(kunit\.\w+)|([a-z0-9.-]+)(?=: ))(?:: (?:"([^"]+)"|(hang)))?$')
FAILURE = re.compile(r"^\s*# (\w+): (?:EXPECTATION|ASSERTION) FAILED at \S+$")
MORE = re.compile(r"^\s+(?!not ok\b|ok\b|#)\S")


class Killer(NamedTuple):
    where: str          # a scenario, or kunit.CASE
    text: str = ""      # part of the assertion, or HANG; of a case of KUnit possibly none

    def limit(self):
        return HANG_LIMIT if self.text == HANG else LIMIT

    def __str__(self):
        return f"{self.where}: {self.text}" if self.text == HANG else \
            f'{self.where}: "{self.text}"' if self.text else self.where


class Run(NamedTuple):
    passed: bool        # as a whole, and something ran
    ended: bool         # the guest, by itself
    hung: bool
    failed: list        # texts of the assertions that failed
    tail: list          # last lines, to find out what it was
    seconds: float = 0.0


# -- what a mutant says of itself ---------------------------------------------

def killers(name, text, known):
    """[Killer] of a patch; known are the names of the scenarios."""
    found = []
    for line in text.split("\ndiff --git ", 1)[0].splitlines():
        if not re.match(r"X-", line, re.I):
            continue
        match = LINE.match(line)
        if not match:
            raise R.SeriesError(f'{name}: not X-Killed-by: SCENARIO: "assertion", SCENARIO: hang or kunit.CASE: {line}')
        killer = Killer(match[1] or match[2], match[3] or match[4] or "")
        if match[2] and killer.where not in known:
            raise R.SeriesError(f"{name}: no scenario {killer.where}")
        if killer.text and killer.text in f"patched: {GUEST}":
            raise R.SeriesError(f'{name}: "{killer.text}" is no assertion')
        if killer in found:
            raise R.SeriesError(f"{name}: named twice: {killer}")
        found.append(killer)
    if not found:
        raise R.SeriesError(f"{name}: no X-Killed-by: line")
    return found


def read_killers(name):
    known = {scenarios.job_name(job) for job in scenarios.all_jobs()}
    return killers(f"{name}.patch", (K.MUTANTS / f"{name}.patch").read_text(), known)


# -- one run -------------------------------------------------------------------

def stripped(lines):
    """A console log without the kernel's time stamps."""
    return [ktap.STAMP.sub("", line) for line in lines]


def expectations(lines, case):
    """What KUnit says that it expected in a case, in one line for each that failed."""
    found = []
    for n, line in enumerate(lines):
        match = FAILURE.match(line)
        if not match or match[1] != CASE + case:
            continue
        text = []
        for more in lines[n + 1:n + 7]:
            if not MORE.match(more):
                break
            text.append(more.strip())
        found.append(" ".join(text))
    return found


def case_run(said, console, status, case):
    """Run of one case of KUnit: what vm.py said, its exit status, and the console."""
    lines = stripped(console)
    results = [(bad, skip) for bad, skip in re.findall(
        rf"^ *(not )?ok \d+ (?:- )?{CASE}{case}\b *(# SKIP)?", "\n".join(lines), re.M)]
    failed = [*expectations(lines, case), f"the case {case} failed"] if any(bad for bad, _ in results) else []
    hung = any(HUNG in line for line in said)
    ended = bool(said) and not hung and not any(DIED in line for line in said)
    passed = not status and ended and bool(results) and not any(bad or skip for bad, skip in results)
    return Run(passed, ended, hung, failed, said[-3:] + console[-3:])


def scenario_run(said, status):
    """Run of a scenario: what scenarios.py printed, and its exit status."""
    found = ktap.Ktap(said)
    leaves = [case for case in found.leaves() if case.depth]
    failed = [case.name for case in leaves if case.failed]
    finish = [case.name for case in leaves if GUEST in case.name]
    hung = any(HUNG in name for name in finish)
    ended = bool(finish) and not hung and not any(DIED in name for name in finish)
    passed = not status and ended and not failed and not found.problems
    return Run(passed, ended, hung, failed, said[-5:])


def argv_of(out, where, limit, kernel, logs):
    """The command of a killer: the same for a mutant and for its control."""
    if not where.startswith(KUNIT):
        return command("bench.scenarios", "--unpatched", "none", "--patched", kernel, "--limit", limit,
                       "--out", out, "--only", where)
    glob = f"{SUITES}.{CASE}{where[len(KUNIT):]}"
    return command("bench.vm", "--out", out, "--kernel", kernel, "--kunit", "--cpus", 4,
                   "--append", f"kunit.filter_glob={glob}", "--limit", limit, "--dir", logs)


def execute(out, where, limit, kernel, label):
    """Boots what kills on a kernel. What was said stays in OUT/bench/mutants/LABEL."""
    logs = out / "bench/mutants" / label
    logs.mkdir(parents=True, exist_ok=True)
    (logs / "console.log").unlink(missing_ok=True)
    begun = time.monotonic()
    proc = subprocess.run(argv_of(out, where, limit, kernel, logs), cwd=TOP, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    took = time.monotonic() - begun
    (logs / "said.log").write_text(proc.stdout)
    said = proc.stdout.splitlines()
    if not where.startswith(KUNIT):
        return scenario_run(said, proc.returncode)._replace(seconds=took)
    try:
        console = (logs / "console.log").read_text(errors="replace").splitlines()
    except OSError:
        console = []
    return case_run(said, console, proc.returncode, where[len(KUNIT):])._replace(seconds=took)


# -- judging -------------------------------------------------------------------

def assertion(killer, run):
    """The text of the failed assertion that the killer names; "" if it has not failed."""
    if killer.text == HANG:
        return "the guest does not end" if run.hung else ""
    if not run.ended:
        return ""
    return next((text for text in run.failed if killer.text in text), "")


def why_not(killer, run, control):
    """Why a mutant does not count as dead; "" if it does."""
    if not control.passed:
        return "its control failed"
    if assertion(killer, run):
        return ""
    if killer.text == HANG:
        return "the guest ended"
    if run.hung:
        return f"the guest did not end in {killer.limit()} s"
    if not run.ended:
        return "the guest died, or did not start"
    return "another assertion failed" if run.failed else "nothing failed"


class Verdict(NamedTuple):
    mutant: str
    killer: Killer
    run: Run
    control: Run

    def ok(self):
        return not why_not(self.killer, self.run, self.control)

    def title(self):
        found, control = assertion(self.killer, self.run), self.control
        return f"{self.mutant}: {self.killer.where}: " + \
            (f"{found}, {self.run.seconds:.0f} s" if self.ok() else why_not(self.killer, self.run, control)) + \
            f"; control {'passed' if control.passed else 'failed'}, {control.seconds:.0f} s"

    def details(self):
        if self.ok():
            return []
        return [f"wanted: {self.killer}", *[f"failed: {text}" for text in self.run.failed[:5]],
                *(self.run.tail if not self.run.failed else [])]


def table(verdicts):
    """Which mutant died by which assertion, in how long, and beside which control."""
    lines = [("mutant", "killer", "s", "control s", "assertion that died")]
    for v in verdicts:
        lines.append((v.mutant, v.killer.where, f"{v.run.seconds:.0f}",
                      f"{v.control.seconds:.0f}" if v.control.passed else "failed",
                      assertion(v.killer, v.run) if v.ok() else f"ALIVE: {why_not(v.killer, v.run, v.control)}"))
    widths = [max(len(line[i]) for line in lines) for i in range(4)]
    return "\n".join("  ".join([line[0].ljust(widths[0]), line[1].ljust(widths[1]), line[2].rjust(widths[2]),
                                line[3].rjust(widths[3]), line[4]]) for line in lines)


# -- all of them ---------------------------------------------------------------

class Killing:
    """Runs one killer after the other; a control when it is wanted first."""

    def __init__(self, out, run=execute):
        self.out, self.run = out, run
        self.controls = {}

    def control(self, where, limit):
        if (where, limit) not in self.controls:
            self.controls[where, limit] = self.run(self.out, where, limit, self.out / "kernel/patched",
                                                   f"control/{where}")
        return self.controls[where, limit]

    def verdict(self, name, kernel, killer):
        """A case of KUnit runs up to TRIES times: some are races, which come out
        as they should now and then without the safeguard, too."""
        control = self.control(killer.where, killer.limit())
        for _ in range(TRIES if killer.where.startswith(KUNIT) else 1):
            run = self.run(self.out, killer.where, killer.limit(), kernel, f"{name}/{killer.where}")
            if not run.passed:
                break
        return Verdict(name, killer, run, control)


def build(kernels, name, steps):
    """The kernel of a mutant, and what must fail on it."""
    kills = read_killers(name)
    state = kernels.mutant(name)
    step = progress.Step(steps, 1, f"mutant {name}", kernels.out / "log" / f"kernel-{state}.log")
    step.log.parent.mkdir(parents=True, exist_ok=True)
    step.log.write_bytes(b"")
    kernels.build(state, step, module=not all(kill.where.startswith(KUNIT) for kill in kills))
    return kernels.dest(state), kills


def results(kernels, names, steps, killing):
    """Verdicts as they come, or (name, text) of a mutant that could not be built:
    while one is tried the next one is built."""
    tried = collections.deque()

    def ended(at_once):
        while tried and (at_once or tried[0].done()):
            yield tried.popleft().result()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        for name in names:
            try:
                dest, kills = build(kernels, name, steps)
            except (R.SeriesError, progress.StepError) as e:
                yield name, str(e)
                continue
            tried += [pool.submit(killing.verdict, name, dest, killer) for killer in kills]
            yield from ended(False)
        yield from ended(True)


def report_all(report, found):
    """Prints results and controls as they come. Returns the verdicts."""
    verdicts, told = [], set()
    for result in found:
        if not isinstance(result, Verdict):
            report.case(f"{result[0]}: builds, and says what kills it", False, result[1].splitlines())
            continue
        where, limit, control = result.killer.where, result.killer.limit(), result.control
        if (where, limit) not in told:
            told.add((where, limit))
            report.case(f"control of {where}: passes on the unmutated kernel within {limit} s, {control.seconds:.0f} s",
                        control.passed, [] if control.passed else [*control.failed[:5], *control.tail])
        report.case(result.title(), result.ok(), result.details())
        verdicts.append(result)
    return verdicts


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", required=True, type=Path)
    ap.add_argument("--base", required=True)
    ap.add_argument("--units", action="store_true", help="only those that cases of KUnit notice, which takes half as long")
    ap.add_argument("names", nargs="*")
    args = ap.parse_args()
    names = args.names or K.mutant_names()
    if args.units:
        names = [n for n in names if all(k.where.startswith(KUNIT) for k in read_killers(n))]
    report = ktap.Writer()
    if not names:
        report.case("mutants", False, [f"no {K.MUTANTS}/*.patch"])
        return report.close()
    kernels = K.Kernels(args.out.resolve(), args.base, 2)
    killing = Killing(kernels.out)
    quiet = progress.Steps(kernels.out, len(names))
    verdicts = report_all(report, results(kernels, names, quiet, killing))
    R.switch(kernels.repo, R.R_SERIES)
    report.comment(table(verdicts))
    return report.close()


if __name__ == "__main__":
    ktap.run(main, R.SeriesError, OSError)
