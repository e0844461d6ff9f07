# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the selftests as the runner of kselftests does, without arguments, and prints KTAP.

On a machine with the endpoints each program has to load its module, run its
scenarios and judge them: all pass on the patched kernel, and those with a dead
endpoint fail on the unpatched one. What the machine does not allow for is skipped,
with a reason; which scenarios that are is stated here, so that nothing else is.
Without the endpoints each program skips with the reason and exits with 4, in a
guest and, by the kernel tree's own "make run_tests", on this machine.

Not a test of what the scenarios show: see scenarios.py.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections import namedtuple
from pathlib import Path

from tools import ktap
from tools.bench import initramfs, vm

KSFT_SKIP = 4
UNLOADED = "the module is unloaded"
PROGRAMS = ("ats_fence", "ats_pasid", "ats_reset", "ats_storm", "ats_vfio", "ats_wait")

# machine: fields of vm.Config. skipped: scenarios that it does not allow for, or that
# are run by name only. fails: those that have to fail, on the unpatched kernel.
Guest = namedtuple("Guest", "name program machine skipped fails", defaults=((),))

ALL = "all"
# As QEMU makes it: the SMMU gives up after a second
PLAIN = {"timeout_us": 1_000_000}
FAST = {"timeout_us": 200_000}
PORT = ("pcie-root-port,id=port5,chassis=5,addr=6.0", "ats-testdev,id=ep5,bus=port5,addr=0.0")

GUESTS = [
    Guest("fence", "ats_fence", PLAIN, ["demo"]),
    Guest("pasid", "ats_pasid", PLAIN, ALL),
    Guest("pasid-with-pasids", "ats_pasid", {**FAST, "pasid": 8}, []),
    Guest("reset", "ats_reset", PLAIN, ["methods", "fails", "vf", "aer", "dpc", "removed", "pulled-vfs", "pulled"]),
    Guest("reset-below-a-port", "ats_reset", {**FAST, "devices": PORT}, ["fails", "vf", "dpc", "pulled-vfs"]),
    Guest("storm", "ats_storm", PLAIN, ALL),
    Guest("storm-short-timeout", "ats_storm",
          {"timeout_us": 2_000, "cpus": 4, "append": ("ats.timeout_us=2000",)}, ["storm-long"]),
    Guest("vfio", "ats_vfio", PLAIN, ["vfio-hot-reset", "vfio-pasid", "vfio-two-smmus"]),
    Guest("vfio-below-ports", "ats_vfio", {**FAST, "pasid": 8, "ports": True}, ["vfio-two-smmus"]),
    Guest("wait", "ats_wait", PLAIN, ["everybody-waits", "lazy", "stop", "stop-all"]),
]
UNPATCHED = Guest("unpatched", "ats_fence", PLAIN, ["demo"],
                  ("one-dead-of-one", "one-dead-of-three", "two-dead", "detach-dead", "non-ats-neighbour",
                   "reattach", "reset"))


def scenarios_of(program):
    """Names in the program's table, from its source."""
    text = initramfs.source(program).read_text(encoding="utf-8")
    return re.findall(r'^\t\{ \{ "([\w-]+)"', text, re.M)


def results(read):
    """{name: ("ok", "not ok" or "skip", reason)} of the cases at the top level."""
    return {case.name: ("skip" if case.skipped else "ok" if case.ok else "not ok", case.reason)
            for case in read.cases if not case.depth}


def controls(text):
    """How many scenarios have begun with a positive control that passed."""
    return len(re.findall(r"^  ok 1 positive control", text, re.M))


def skipped_by(guest):
    """Names of the scenarios that the machine does not allow for."""
    return scenarios_of(guest.program) if guest.skipped == ALL else guest.skipped


def status_of(guest):
    """The exit status that the program has to have."""
    if guest.fails:
        return 1
    return 0 if set(scenarios_of(guest.program)) - set(skipped_by(guest)) else KSFT_SKIP


def judge(guest, text):
    """[(ok, text)] of the verdict of a program that was started without arguments."""
    read = ktap.Ktap(text.splitlines())
    names, found = scenarios_of(guest.program), results(read)
    skipped = skipped_by(guest)
    states = {name: found.get(name, ("missing", ""))[0] for name in [*names, UNLOADED]}
    want = {name: "skip" if name in skipped else "not ok" if name in guest.fails else "ok"
            for name in [*names, UNLOADED]}
    wrong = [f"{name}: {states[name]} instead of {want[name]}" for name in want if states[name] != want[name]]
    silent = [name for name, (state, note) in found.items() if state == "skip" and not note]
    ran = [name for name in names if want[name] != "skip"]
    status = status_of(guest)
    return [
        (bool(names) and not wrong, f"{len(ran)} scenarios run, {len(skipped)} skipped, as stated" + reason(wrong)),
        (not read.problems and set(found) == set(want), "results as planned" + reason(read.problems)),
        (not silent, "each skip has a reason" + reason(silent)),
        (controls(text) == len(ran), f"{controls(text)} positive controls for {len(ran)} scenarios"),
        (read.number("exit") == status, f"exit status {read.values.get('exit')}, has to be {status}"),
        (read.number("taint", ~0) & ~vm.TAINT_OOT_MODULE == 0, f"taint {read.values.get('taint')}"),
    ]


def judge_skip(text):
    """[(ok, text)] of a program that has no endpoints."""
    plans = re.findall(r"^1\.\.(.*)$", text, re.M)
    exits = re.findall(r"^# exit=(.*)$", text, re.M)
    return [
        (len(plans) == 1 and plans[0].startswith("0 # SKIP no ats-testdev endpoint"), f"1..{' '.join(plans)}"),
        (not ktap.Ktap(text.splitlines()).cases, "no case"),
        (exits == [str(KSFT_SKIP)], f"exit status {' '.join(exits)}, has to be {KSFT_SKIP}"),
    ]


def judge_runner(text):
    """[(ok, text)] of "make run_tests" on a machine without the endpoints."""
    tests = []
    for program in PROGRAMS:
        begin = f"# selftests: iommu/ats: {program}\n"
        part = text.partition(begin)[2].partition("# selftests: ")[0]
        tests += [
            ("# 1..0 # SKIP no ats-testdev endpoint" in part, f"{program}: says why"),
            (re.search(rf"^ok \d+ selftests: iommu/ats: {program} # SKIP$", text, re.M) is not None,
             f"{program}: the runner counts it as skipped"),
        ]
    run_by_runner = re.findall(r"^(?:not )?ok \d+ selftests: iommu/ats: (\S+)", text, re.M)
    return tests + [(sorted(run_by_runner) == sorted(PROGRAMS), f"{len(run_by_runner)} programs run")]


def reason(found):
    return f": {'; '.join(found)}".replace("#", "") if found else ""


def boot(bench, kernel, guest, endpoints=True, limit=600):
    """(boot, verdict) of one program without arguments."""
    machine = dict(guest.machine)
    append = (f"ats.program={guest.program}", *machine.pop("append", ()))
    cfg = vm.Config(cpus=machine.pop("cpus", 2), limit=limit, program=guest.program, endpoints=endpoints,
                    append=append, exits=status_of(guest) if endpoints else KSFT_SKIP, **machine)
    where = bench.out / "selftests" / (guest.name if endpoints else f"{guest.name}.none")
    result = bench.boot(kernel, cfg, where)
    return result, vm.read(where / "verdict.log")


def guest_tests(bench, kernel, guest):
    result, text = boot(bench, kernel, guest)
    trouble = result.trouble()
    return [(not trouble, "the guest finished, no splat" + reason(trouble)), *judge(guest, text)]


def skip_tests(bench, kernel, program):
    result, text = boot(bench, kernel, Guest(program, program, FAST, ALL), endpoints=False)
    trouble = result.trouble()
    return [(not trouble, "the guest finished, no splat" + reason(trouble)), *judge_skip(text)]


def unpack_series(linux, top):
    """The selftests as the series leaves them, below top; [what differs from the repository]."""
    folder = initramfs.SELFTESTS
    done = subprocess.run(["git", "-c", "safe.directory=*", "-C", linux, "archive", "refs/atc/series",
                           *(f"{folder}/{n}" for n in ("Makefile", "lib.mk", "kselftest.h", "kselftest_harness.h",
                                                       "kselftest", "iommu")), "scripts/subarch.include"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        raise initramfs.BuildError(f"{linux}: {done.stderr.decode().strip()}")
    subprocess.run(["tar", "-x", "-C", top], input=done.stdout, check=True)
    ours = subprocess.run(["git", "-c", "safe.directory=*", "-C", initramfs.ATS, "ls-files", "-z", "--cached",
                           "--others", "--exclude-standard"], stdout=subprocess.PIPE, check=True).stdout.decode()
    there = top / folder / "iommu/ats"
    return [n for n in ours.split("\0") if n and not ((there / n).is_file() and (initramfs.ATS / n).is_file() and
            (there / n).read_bytes() == (initramfs.ATS / n).read_bytes())]


def runner_tests(ksrc, linux):
    """The series' tree runs them as a target; for this machine, by its compiler."""
    with tempfile.TemporaryDirectory(prefix="atc-selftests.") as tmp:
        differ = unpack_series(linux, Path(tmp))
        headers = f"-isystem {ksrc}/include/uapi -D__EXPORTED_HEADERS__ -D__user="
        done = subprocess.run(["make", "-C", f"{tmp}/{initramfs.SELFTESTS}", "TARGETS=iommu/ats", "FORCE_TARGETS=1",
                               f"KHDR_INCLUDES={headers}", "run_tests"], env=initramfs.env_for_make(),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        targets = (Path(tmp) / initramfs.SELFTESTS / "Makefile").read_text(encoding="utf-8")
    text = done.stdout.decode(errors="replace")
    return [(not differ, "the series has the files of this repository" + reason(differ)),
            (re.search(r"^TARGETS \+= iommu/ats$", targets, re.M) is not None, "iommu/ats is a target"),
            (done.returncode == 0, "make run_tests" + reason(text.splitlines()[-3:] if done.returncode else [])),
            *judge_runner(text)]


def checks(bench, a):
    """[(name, function)], the quick ones first."""
    out = Path(a.out)
    patched, unpatched = out / "kernel/patched", out / "kernel/unpatched"
    found = [("make run_tests", lambda: runner_tests(bench.ksrc.resolve(), a.linux or out / "linux"))]
    found += [(f"no endpoint: {p}", lambda p=p: skip_tests(bench, patched, p)) for p in PROGRAMS]
    found += [(f"patched: {g.name}", lambda g=g: guest_tests(bench, patched, g)) for g in GUESTS]
    found.append((UNPATCHED.name, lambda: guest_tests(bench, unpatched, UNPATCHED)))
    only = {n for n in a.only.split(",") if n}
    for kernel in (patched, unpatched):
        bench.prepare(kernel, PROGRAMS)
    return [(name, fn) for name, fn in found if not only or name in only]


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    vm.add_arguments(p)
    p.add_argument("--linux", help="git repository with the series (default: OUT/linux)")
    p.add_argument("--only", default="", help="comma separated names")
    a = p.parse_args()
    bench = vm.make_bench(a)
    try:
        todo = checks(bench, a)
    except initramfs.BuildError as e:
        print(f"KTAP version 1\n1..1\nnot ok 1 selftests # {e}\n# 0 passed, 1 failed, 0 skipped")
        return 1
    report = ktap.Writer(len(todo))
    for name, fn in todo:
        report.test(name, fn())
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
