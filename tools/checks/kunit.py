# SPDX-License-Identifier: GPL-2.0-or-later
"""KUnit in a guest, read by the kernel's own kunit.py; each case a KTAP line.

Both kernels boot with their built-in suites. The arm-smmu-v3 suite must have
printed its case lines (a suite that printed none has not run, though it says
ok), and on the patched kernel that of the series as well.
"""
import argparse
import json
import subprocess
import sys
from pathlib import Path

from tools import PY, TOP, command, ktap

# Cases that a suite has at least, by kernel
SUITES = {
    "unpatched": {"arm-smmu-v3-kunit-test": 25},
    "patched": {"arm-smmu-v3-kunit-test": 25, "arm-smmu-v3-atc-queue": 55, "arm-smmu-v3-atc-fence": 165,
                "arm-smmu-v3-atc-vcmdq": 15, "arm-smmu-v3-atc-race": 57, "arm-smmu-v3-atc-master": 8,
                "arm-smmu-v3-atc-reset": 24, "arm-smmu-v3-atc-guest": 14},
}
CPUS = 4            # the fake SMMU and two flushes have one each


def leaves(group, suite="", path=""):
    """(suite, case, status) of kunit.py's JSON, where a case with parameters is a group."""
    for case in group.get("test_cases", []):
        yield suite, path + case["name"], case["status"]
    for sub in group.get("sub_groups", []):
        if suite:
            yield from leaves(sub, suite, f"{path}{sub.get('name', '')}: ")
        else:
            yield from leaves(sub, sub.get("name", ""))


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
        return list(leaves(json.loads(result.read_text())))
    except (OSError, ValueError):
        return []


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", required=True, type=Path)
    args = ap.parse_args()
    out = args.out.resolve()
    report = ktap.Writer()
    for state, suites in SUITES.items():
        log, trouble = boot(out, state)
        report.case(f"{state}: guest ends without a splat", not trouble, [*trouble, f"log: {log}"])
        cases = parse(out, log)
        for suite, name, status in cases:
            report.case(f"{state}: {suite}: {name}", status == "PASS",
                        skip="as KUnit says" if status == "SKIP" else "")
        for wanted, least in suites.items():
            ran = sum(1 for suite, _, _ in cases if suite == wanted)
            report.case(f"{state}: {wanted} printed at least {least} cases", ran >= least, [f"{ran} cases"])
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
