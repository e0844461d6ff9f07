# SPDX-License-Identifier: GPL-2.0-or-later
"""Each patch compiles by itself, and each part holds what it promises; KTAP.

Compiles, patch by patch, what depends on the files that the series changes, with W=1,
in the object directory of the lean kernel: a bisection must not stop at a patch of the
series. With --boot parts, the kernel after each part is built and runs the scenarios
that the part claims (CLAIMS); with --boot patches the kernel after each patch runs one
scenario without a fault, too.

Does not compare with the last state of the series: that is static.py's.
"""
import argparse
import subprocess
from pathlib import Path

from tools import TOP, command, ktap
from tools.bench import kernel as K, scenarios
from tools.checks.static import allowed
from tools.series import assemble as S, patches as P, repo as R
from tools.setup import progress

# What depends on a file that the series changes
TARGETS = ("drivers/iommu/", "drivers/pci/", "drivers/vfio/", "kernel/rcu/", "kernel/watchdog.o", "kernel/hung_task.o")
HEALTHY = "all-healthy.2cpu.poll"

# What the kernel after a part does, without the parts after it. A part that is not
# here claims what the one before it does.
CLAIMS = {
    "fixes": (HEALTHY,),
    # The endpoint answers late: what the driver took for a failure that it could ignore
    "queue": (HEALTHY, "late-past-poll.2cpu.poll", "late-past-poll.2cpu.msi"),
    "fence": (HEALTHY, "late-past-poll.2cpu.poll", "one-dead-of-three.1cpu.poll", "one-dead-of-three.2cpu.msi",
              "two-dead.2cpu.poll", "detach-dead.2cpu.poll", "reattach.2cpu.poll", "reset.2cpu.poll",
              "vfio-unmap.2cpu.poll", "pasid-domains.2cpu.poll"),
    "resets": (HEALTHY, "one-dead-of-three.2cpu.poll", "vfio-hot-reset.2cpu.msi", "reset-methods.1cpu.poll",
               "reset-aer.1cpu.poll", "reset-rescan-dead.1cpu.poll"),
    "detectors": (HEALTHY, "stop.1cpu.poll", "everybody-waits.4cpu.poll"),
    "testing": (HEALTHY, "one-dead-of-three.2cpu.poll", "kunit"),
}


def new_diagnostics(known, said, allow):
    """Warnings that the base's build does not have; known is {file: [text]}."""
    return sorted({f"{name}: {text}" for name, text in said
                   if text not in known.get(name, ()) and not any(p.search(f"{name}: {text}") for p in allow)})


class Bisect:
    def __init__(self, kernels, step, report):
        self.kernels, self.step, self.report = kernels, step, report
        self.known = K.Warnings(kernels.dest("unpatched") / "warnings.json", kernels.tree).files

    def compile(self, name, commit):
        """Objects of one patch. Returns whether they could be made."""
        said = []

        def watch(line):
            found = K.DIAGNOSTIC.match(line)
            if found:
                said.append((K.clean_path(found["file"], self.kernels.tree), found["text"]))
        R.switch(self.kernels.repo, commit)
        self.kernels.configure(self.step)
        try:
            self.step.run(self.kernels.make(*TARGETS), env=self.kernels.env(), watch=watch, tail=False)
        except progress.StepError as e:
            self.report.case(f"{name} compiles", False, [str(e), *(f"{n}: {t}" for n, t in said)])
            return False
        new = new_diagnostics(self.known, said, allowed("W=1"))
        self.report.case(f"{name} compiles, without a new warning", not new, new)
        return True

    def boot(self, name, commit, only):
        """Scenarios on the kernel of a commit."""
        state = "bisect-" + name.replace("/", "-").removesuffix(".patch")
        self.kernels.repo.git("update-ref", f"refs/atc/{state}", commit)
        self.kernels.build(state, self.step)
        proc = subprocess.run(command("bench.scenarios", "--out", self.kernels.out, "--unpatched", "none",
                                      "--patched", self.kernels.dest(state), "--only", ",".join(only)), cwd=TOP,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
        found = ktap.Ktap(proc.stdout.splitlines())
        failed = [case.name for case in found.leaves() if case.failed]
        self.report.case(f"{name}: {', '.join(only)}", not proc.returncode and not failed and not found.problems,
                         [*failed, *found.problems][:10])


def walk(bisect, patches, commits, boot):
    """Every patch in order; what is booted after it."""
    for at, (patch, commit) in enumerate(zip(patches, commits)):
        if not bisect.compile(patch.name, commit):
            continue
        if boot == "patches":
            bisect.boot(patch.name, commit, (HEALTHY,))
        last = at + 1 == len(patches) or patches[at + 1].part != patch.part
        if boot != "none" and last and patch.part in CLAIMS:
            bisect.boot(patch.part, commit, CLAIMS[patch.part])


def unknown_claims():
    known = {scenarios.KUNIT, *(scenarios.job_name(job) for job in scenarios.all_jobs())}
    return sorted({name for names in CLAIMS.values() for name in names} - known) + sorted(set(CLAIMS) - set(P.PARTS))


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", required=True, type=Path)
    ap.add_argument("--base", required=True)
    ap.add_argument("--boot", choices=("none", "parts", "patches"), default="none")
    ap.add_argument("--jobs", type=int, default=2)
    args = ap.parse_args()
    out = args.out.resolve()
    repo, _ = S.open_repo(out, args.base)
    patches = P.read(args.base)
    commits = repo.out("rev-list", "--reverse", f"{R.R_BASE}..{R.R_SERIES}").split()
    report = ktap.Writer()
    report.case("each patch has a commit, each claim a scenario", len(patches) == len(commits) and not unknown_claims(),
                unknown_claims())
    step = progress.Step(progress.Steps(out, 1), 1, "bisect", out / "log/bisect.log")
    step.log.parent.mkdir(parents=True, exist_ok=True)
    step.log.write_bytes(b"")
    try:
        walk(Bisect(K.Kernels(out, args.base, args.jobs), step, report), patches, commits, args.boot)
    finally:
        R.switch(repo, R.R_SERIES)
    return report.close()


if __name__ == "__main__":
    ktap.run(main, R.SeriesError, progress.StepError, OSError)
