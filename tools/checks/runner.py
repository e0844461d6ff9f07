# SPDX-License-Identifier: GPL-2.0-or-later
"""make check: run every check of the table below, as one KTAP document.

The KTAP or TAP of a check appears indented under its name, and its leaf cases are
counted. A check that prints no case has failed. The last line is "N passed, N
failed, N skipped". The exit status is 0 only when a case passed and none failed.
The minutes of each check are appended to $(O)/budget.tsv, its output is kept in
$(O)/log/check-NAME.log.

usage: python3 -m tools.checks.runner [NAME...]   runs only these checks; it sets nothing up
"""
import argparse
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from tools import TOP, command, ktap
from tools.series import bases

HEARTBEAT = 30.0


class Check(NamedTuple):
    name: str
    command: list
    timeout: int             # seconds
    alone: bool = False      # uses both processors, or the common kernel tree
    needs: str = ""          # file that must exist, or the check fails
    env: dict = {}
    skip: str = ""           # why it is not run here


def other_base(top, base):
    """Checks of a base besides BASE: few guests, no sparse, and none needs the machine alone."""
    out = bases.folder(top, base)
    skip = "KSRC= is set: no other base is fetched" if os.environ.get("KSRC") else ""
    return [
        Check(f"series-{base}", command("series.verify", "--out", top, "--base", base), 600, skip=skip),
        Check(f"static-{base}", command("checks.static", "--out", out, "--base", base, "--differing"),
              600, skip=skip),
        Check(f"kunit-{base}", command("checks.kunit", "--out", out), 900, skip=skip),
        Check(f"guests-{base}", command("bench.scenarios", "--out", out, "--only",
                                        "one-dead-of-three.2cpu.poll"), 300, skip=skip),
    ]


def table(top, base):
    """Every check, in the order of the run and of the report.

    Short checks and checks that fail often come first. run_all() starts those
    that share the machine before the others, so they stand first here, too.
    """
    out = bases.folder(top, base)
    qemu = out / "qemu/qemu-system-aarch64"
    qtest = out / "qemu/work/build/tests/qtest/ats-testdev-test"
    return [
        Check("scripts", command("checks.scripts"), 600),
        Check("words", command("checks.words"), 60),
        Check("proofs", command("checks.proofs"), 120),
        Check("pictures", command("docs.pictures", "--check"), 60),
        Check("series", command("series.verify", "--out", top, "--base", base), 600),
        Check("qemu-mails", command("qemu.mails", "check", top / "src/qemu"), 300),
        Check("qtest", [qtest, "--tap", "-k"], 600, needs=str(qtest),
              env={"QTEST_QEMU_BINARY": str(qemu), "G_TEST_DBUS_DAEMON": ""}),
        *[check for other in bases.others(base) for check in other_base(top, other)],
        Check("determinism", command("bench.determinism", "--out", out), 600),
        Check("selftests", command("bench.selftests", "--out", out), 1200),
        Check("models", command("models.search", "--out", top), 900),
        Check("static", command("checks.static", "--out", out, "--base", base), 900, alone=True),
        Check("coccinelle", command("checks.coccinelle", "--out", out, "--base", base), 600, alone=True),
        Check("kunit", command("checks.kunit", "--out", out), 1200, alone=True),
        Check("guests", command("bench.scenarios", "--out", out, "--jobs", "2"), 2400, alone=True),
        Check("patches", command("checks.bisect", "--out", out, "--base", base), 1500, alone=True),
        Check("configs", command("checks.configs", "--out", out, "--base", base), 900, alone=True),
        Check("debug", command("bench.sanitized", "debug", "--out", out), 1800, alone=True),
        # Reads the counters that the guests of debug left
        Check("coverage", command("bench.coverage", "--out", out), 300, alone=True),
        Check("cost", command("bench.cost", "--out", out, "--ktap"), 900, alone=True),
        # Compares documents with what cost has left
        Check("numbers", command("checks.numbers", "--out", out, "--base", base), 60, alone=True),
        Check("mutants", command("checks.mutants", "--out", out, "--base", base, "--units"), 2400, alone=True),
    ]


class Outcome(NamedTuple):
    check: Check
    lines: list
    passed: int
    failed: int
    skipped: int
    why: str
    seconds: float


class Runner:
    def __init__(self, out, verbose):
        self.out, self.verbose = out, verbose
        self.running = {}
        self.children = set()
        self.lock = threading.Lock()

    def execute(self, check):
        """Run one check; copy its output to $(O)/log/check-NAME.log."""
        began = time.monotonic()
        log_path = self.out / "log" / f"check-{check.name}.log"
        log_path.parent.mkdir(parents=True, exist_ok=True)
        lines, why = [], ""
        if check.skip:
            return Outcome(check, [f"1..0 # SKIP {check.skip}"], 0, 0, 1, "", 0.0)
        if check.needs and not Path(check.needs).exists():
            return Outcome(check, [], 0, 1, 0, f"{check.needs} does not exist", 0.0)
        env = dict(os.environ, **check.env)
        for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
            env.pop(name, None)
        with open(log_path, "wb") as log:
            try:
                proc = subprocess.Popen([str(c) for c in check.command], cwd=TOP, env=env,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, start_new_session=True)
            except OSError as e:
                return Outcome(check, [], 0, 1, 0, str(e), 0.0)
            with self.lock:
                self.children.add(proc)
                self.running[check.name] = (began, lines)
            timed_out = []

            def end():
                timed_out.append(True)
                self.kill(proc)
            timer = threading.Timer(check.timeout, end)
            timer.start()
            for raw in proc.stdout:
                log.write(raw)
                log.flush()
                lines.append(raw.decode(errors="replace").rstrip("\r\n"))
            status = proc.wait()
            timer.cancel()
            with self.lock:
                self.children.discard(proc)
                self.running.pop(check.name, None)
        took = time.monotonic() - began
        if timed_out:
            why = f"not done after {check.timeout} s"
        found = ktap.Ktap(lines)
        passed, failed, skipped = found.count()
        why = why or "; ".join(found.problems)
        if status and not failed and not why:
            why = f"exit status {status}, though no case failed"
        if why:
            failed += 1
        return Outcome(check, lines, passed, failed, skipped, why, took)

    @staticmethod
    def kill(proc):
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(proc.pid, number)
            except OSError:
                return
            time.sleep(2)

    def kill_all(self):
        with self.lock:
            procs = list(self.children)
        for proc in procs:
            self.kill(proc)

    def beat(self, stop):
        while not stop.wait(HEARTBEAT):
            now = time.monotonic()
            with self.lock:
                for name, (began, lines) in self.running.items():
                    done = sum(1 for ln in lines if re.match(r"(not )?ok\b", ln))
                    plan = next((m[1] for m in (re.match(r"1\.\.(\d+)", ln) for ln in lines) if m), "?")
                    print(f"# {name}: {done} of {plan}, {span(now - began)}", flush=True)


def span(seconds):
    return f"{int(seconds) // 60}m{int(seconds) % 60:02d}s" if seconds >= 60 else f"{int(seconds)}s"


def report(number, outcome):
    """KTAP of one check, its own document indented."""
    name = outcome.check.name
    print(f"# Subtest: {name}, {span(outcome.seconds)}")
    for line in outcome.lines:
        if not outcome.failed and line.startswith("# starting QEMU: "):
            continue                         # libqtest's; kept in the log
        if re.match(r"^\s*\d+ passed, \d+ failed, \d+ skipped$", line):
            line = "# " + line.strip()       # only make check's own closing line stands alone
        print("    " + line)
    if outcome.why:
        print(f"    # {outcome.why}")
    ok = not outcome.failed
    note = ""
    if ok and not outcome.passed and outcome.skipped:
        note = " # SKIP everything in it was skipped"
    print(f"{'ok' if ok else 'not ok'} {number} {name}{note}", flush=True)


def run_all(checks, runner, workers):
    """Run the checks that share the machine, then those that need it alone."""
    outcomes = {}
    printed = 0

    def done(outcome):
        nonlocal printed
        outcomes[outcome.check.name] = outcome
        if outcome.failed and checks[printed].name not in outcomes:
            # Its report waits for an earlier check; the news need not
            print(f"# {outcome.check.name} failed after {span(outcome.seconds)}", flush=True)
        while printed < len(checks) and checks[printed].name in outcomes:
            report(printed + 1, outcomes[checks[printed].name])
            printed += 1
    shared = [c for c in checks if not c.alone]
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        try:
            futures = [pool.submit(runner.execute, c) for c in shared]
            for future in concurrent.futures.as_completed(futures):
                done(future.result())
            for check in checks:
                if check.alone:
                    done(runner.execute(check))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            runner.kill_all()
            raise
    return [outcomes[c.name] for c in checks]


def interrupt(number, frame):
    raise KeyboardInterrupt


def print_budget(path):
    """Minutes of each step, those of set-up included."""
    rows = [ln.split("\t") for ln in path.read_text(encoding="utf-8").splitlines() if not ln.startswith("#")]
    for step, minutes, *_ in rows:
        print(f"# {float(minutes):6.2f} min  {step}")
    print(f"# {sum(float(row[1]) for row in rows):6.2f} min  in all, some of it side by side", flush=True)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("names", nargs="*", help="only these checks")
    ap.add_argument("--out", default=os.environ.get("O", "build"), type=Path)
    ap.add_argument("--base", default=os.environ.get("BASE") or bases.DEFAULT)
    ap.add_argument("--list", action="store_true")
    args = ap.parse_args()
    out = args.out.resolve()
    checks = table(out, args.base)
    if args.list:
        print("\n".join(c.name for c in checks))
        return 0
    unknown = set(args.names) - {c.name for c in checks}
    if unknown:
        sys.exit(f"check: no such check: {' '.join(sorted(unknown))}; see --list")
    checks = [c for c in checks if not args.names or c.name in args.names]
    signal.signal(signal.SIGTERM, interrupt)
    runner = Runner(out, bool(os.environ.get("V")))
    print("KTAP version 1")
    print(f"1..{len(checks)}", flush=True)
    stop = threading.Event()
    threading.Thread(target=runner.beat, args=(stop,), daemon=True).start()
    outcomes = run_all(checks, runner, 2)
    stop.set()
    with open(out / "budget.tsv", "a", encoding="utf-8") as fh:
        for o in outcomes:
            fh.write(f"check: {o.check.name}\t{o.seconds / 60:.2f}\t{o.seconds:.1f}\t"
                     f"{'failed' if o.failed else 'done'}\n")
    print_budget(out / "budget.tsv")
    passed, failed, skipped = (sum(getattr(o, k) for o in outcomes) for k in ("passed", "failed", "skipped"))
    if not passed:
        print("# nothing passed: that is a failure")
        failed = max(failed, 1)
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
