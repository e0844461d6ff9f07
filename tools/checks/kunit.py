# SPDX-License-Identifier: GPL-2.0-or-later
"""KUnit in a guest, read by the kernel's own kunit.py; each case a KTAP line.

Both kernels boot with their built-in suites. What must have run is read from
the source, by tools/bench/kunit_log.py, whose reader of the console has to see
the same as kunit.py.
"""
import argparse
import json
import subprocess
import sys
from pathlib import Path

from tools import PY, TOP, command, ktap
from tools.bench import kunit_log

CPUS = 4            # the fake SMMU and two flushes have one each
STATUS = {"PASS": kunit_log.PASS, "SKIP": kunit_log.SKIP}


def read_case(group):
    """A case, or a group of kunit.py's JSON that is a case with its parameters."""
    params = [kunit_log.Param(p["name"], STATUS.get(p["status"], kunit_log.FAIL)) for p in group.get("test_cases", [])]
    # A group has no status of its own, its parameters do
    states = {p.status for p in params} or {STATUS.get(group.get("status"), kunit_log.FAIL)}
    status = next(s for s in (kunit_log.FAIL, kunit_log.PASS, kunit_log.SKIP) if s in states)
    return kunit_log.Case(group["name"], status, params)


def read_suites(found):
    """kunit_log's suites of kunit.py's JSON."""
    suites = []
    for group in found.get("sub_groups", []):
        cases = [read_case(g) for g in [*group.get("test_cases", []), *group.get("sub_groups", [])]]
        good = all(c.status != kunit_log.FAIL for c in cases)
        suites.append(kunit_log.Suite(group["name"], kunit_log.PASS if good else kunit_log.FAIL, cases))
    return suites


def boot(out, state):
    """(console log, complaint)"""
    where = out / "bench/check-kunit" / state
    proc = subprocess.run([*command("bench.vm"), "--out", str(out), "--kernel",
                           str(out / "kernel" / state), "--kunit", "--cpus", str(CPUS), "--limit", "500",
                           "--dir", str(where)], cwd=TOP,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    trouble = [ln for ln in proc.stdout.splitlines() if ln.strip()] if proc.returncode else []
    return where / "console.log", trouble


def parse(out, log):
    """kunit.py's view of a console log."""
    result = log.with_name("kunit.json")
    result.unlink(missing_ok=True)
    subprocess.run([PY, str(out / "linux/tools/testing/kunit/kunit.py"), "parse", f"--json={result}", str(log)],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
                   cwd=log.parent, stdin=subprocess.DEVNULL)
    try:
        return read_suites(json.loads(result.read_text()))
    except (OSError, ValueError, KeyError):
        return []


def results(suites):
    """[(suite, case or case: parameter, status)]"""
    return [(suite.name, name, status) for suite in suites for case in suite.cases
            for name, status in ([(f"{case.name}: {p.name}", p.status) for p in case.params]
                                 or [(case.name, case.status)])]


def check(report, state, out, log):
    """Every result of kunit.py, and what is missing, as cases of the report."""
    seen = parse(out, log)
    for suite, name, status in results(seen):
        # One that may be skipped is still no success
        why = kunit_log.SKIPS.get((suite, name.split(":")[0]), "") if status == kunit_log.SKIP else ""
        report.case(f"{state}: {suite}: {name}", status == kunit_log.PASS, [status], skip=why)
    for ok, text in kunit_log.judge(seen, kunit_log.planned(out, state)):
        report.case(f"{state}: {text}", ok)
    own, problems = kunit_log.read_console(log.read_text(errors="replace").splitlines())
    report.case(f"{state}: results as planned", not problems, problems)
    differ = sorted(set(results(own)) ^ set(results(seen)))
    report.case(f"{state}: this repository's reader sees the same as kunit.py", own and not differ, map(str, differ[:5]))


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", required=True, type=Path)
    args = ap.parse_args()
    out = args.out.resolve()
    report = ktap.Writer()
    for state in kunit_log.REFS:
        log, trouble = boot(out, state)
        report.case(f"{state}: guest ends without a splat", not trouble, [*trouble, f"log: {log}"])
        try:
            check(report, state, out, log)
        except (OSError, kunit_log.SourceError) as e:
            report.case(f"{state}: results can be judged", False, [str(e)])
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
