# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots one guest for one scenario and reads its verdict.

Leaves in the output directory: console.log (the kernel's), verdict.log (KTAP
of the test), trace.log (QEMU's events, with --trace), qemu.log (what QEMU said
and was called with).

As a program it prints the verdict and exits with 0 when the guest finished,
every case passed and no splat is in the console log; with 1 otherwise.
Whether a failure was to be expected (an unpatched kernel) is scenarios.py's
part.
"""

import argparse
import dataclasses
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from tools import ktap
from tools.bench import initramfs, qtrace, splats

# In the order that the test knows them by: a trio that shares a domain, one
# with ATS and one without that have their own.
ENDPOINTS = [("ep0", True), ("ep1", True), ("ep2", True), ("ep3", True), ("ep4", False)]
FIRST_SLOT = 1
MAX_ENDPOINTS = 8       # that the module knows; a scenario may add some

# The kernels that are compared, the one without the series first
UNPATCHED, PATCHED = STATES = ("unpatched", "patched")

SHIFT = 4               # an instruction takes 2^SHIFT ns, if they are counted
PERIOD_US = 200         # of the hammers

# Documentation/admin-guide/tainted-kernels.rst
TAINT_MACHINE_CHECK, TAINT_OOT_MODULE, TAINT_SOFTLOCKUP, TAINT_TEST = 0x10, 0x1000, 0x4000, 0x40000
# KUnit says so of itself; in some of its cases the driver stops the fake SMMU, which taints as a real one does
TAINT_KUNIT = TAINT_TEST | TAINT_MACHINE_CHECK

# What the test says before it does what the kernel has to complain about
PROVOKED = "is stuck on purpose"

# Every console log has them: the first line of a kernel, its last one
BOOT_LINES = ("Linux version ", "reboot: Power down")

# How PID 1 ends its part of the verdict
VERDICT = re.compile(r"^# verdict: (pass|fail)$")
INIT_VALUE = re.compile(r"^# (exit|signal|taint)=(\w+)$")

BLAME = re.compile(r"^(?:[\w-]+ )?([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]): (.*)")
ABOUT_ATS = re.compile(r"\b(ATS|ATC)\b")
# The end of a fence, which blames no device
LIFTED = "was reset, ATS may be used again"

TRACE_EVENTS = """\
smmuv3_atc_inv
smmuv3_atc_inv_done
smmuv3_atc_inv_timeout
smmuv3_cmdq_error
smmuv3_cmd_sync
smmuv3_cmd_sync_done
smmuv3_cmdq_ack
smmuv3_cmdq_cmd
smmuv3_cfgi_ste
smmuv3_transl_forbidden
smmuv3_bad_ats_treq
ats_testdev_inv
ats_testdev_hammer
ats_testdev_mark
ats_testdev_reset
"""


@dataclasses.dataclass
class Config:
    """One boot. Times of the guest are virtual, limit is the host's."""
    scenario: str = ""              # of the program; empty: only what the kernel runs
    cpus: int = 2
    msi: bool = False
    icount: bool = False
    timeout_us: int = 200_000       # the SMMU's, for invalidations
    options: dict = dataclasses.field(default_factory=dict)
    smmu: dict = dataclasses.field(default_factory=dict)
    kunit: bool = False
    trace: bool = False
    limit: float = 180.0
    memory: int = 256
    program: str = initramfs.FENCE
    append: tuple = ()              # further words for the kernel
    endpoints: bool = True          # those of ENDPOINTS are there
    devices: tuple = ()             # further -device arguments
    ports: bool = False             # each endpoint on a bus of its own, below a root port
    exits: int | None = None        # the test's status, if not 1 for a failed case and else 0
    pasid: int = 0                  # bits of a PASID, for the SMMU and the endpoints
    pasid_strict: bool = True       # endpoints show a request per PASID that is forgotten
    smmu2_rid: int = 0              # Requester IDs from here on have a second SMMU
    icount_shift: int = SHIFT
    taint: int = TAINT_OOT_MODULE   # what the kernel may be tainted with in the end
    skips: dict = dataclasses.field(default_factory=dict)   # {name of a case: why it may be skipped}
    events: str = TRACE_EVENTS      # that a trace has
    provoked: tuple = ()            # splats that there have to be, but only behind PROVOKED
    besides: tuple = ()             # splats that there may be then, which come with those
    panics: str = ""                # with what words the kernel is to give up
    plugin: str = ""                # of TCG, with its arguments; paths are relative to the output

    def allowed_taint(self):
        return self.taint | (TAINT_KUNIT if self.kunit else 0)


class Init:
    """What PID 1 wrote around the test's own lines."""

    def __init__(self, lines):
        lines = [line.rstrip() for line in lines]
        self.complaints = [line[len("# init: "):] for line in lines if line.startswith("# init: ")]
        last = VERDICT.match(lines[-1]) if lines else None
        self.verdict = last[1] if last else ""
        self.values = {}
        for line in lines:
            found = INIT_VALUE.match(line)
            if found:
                self.values.setdefault(found[1], []).append(found[2])

    def number(self, key):
        """The only value of a key, or None."""
        try:
            text, = self.values.get(key, ())
            return int(text, 0)
        except ValueError:
            return None

    def trouble(self, failed, taint, exits=None):
        """What is wrong, if so many cases failed and so much taint is allowed.

        The test exits with 1 exactly when a case failed, or with `exits`; PID 1
        says fail for a status that is not 0, for taint that it was not told of,
        or for what it has complained of.
        """
        exits = int(bool(failed)) if exits is None else exits
        found = [f"PID 1: {text}" for text in self.complaints]
        status, seen = self.number("exit"), self.number("taint")
        if "signal" in self.values:
            found.append(f"the test died of signal {self.values['signal'][-1]}")
        elif status is None and not self.complaints:
            found.append("no exit status of the test")
        elif status is not None and status != exits:
            found.append(f"the test exited with {status}, {failed} cases failed")
        if seen is None or seen & ~taint:
            found.append(f"taint {'unknown' if seen is None else f'{seen:#x}'}")
        if not found and (self.verdict == "pass") == bool(exits):
            found.append(f"PID 1 says {self.verdict}, {failed} cases failed")
        return found


@dataclasses.dataclass
class Boot:
    out: Path
    config: Config
    seconds: float
    timed_out: bool
    status: int
    ktap: ktap.Ktap
    splats: list
    init: Init

    @property
    def finished(self):
        """PID 1 wrote its last line."""
        return bool(self.init.verdict)

    def console(self):
        return read(self.out / "console.log")

    def inputs(self):
        """A name for the kernel and the initramfs that were booted, by their content."""
        return read(self.out / "inputs").strip()

    def events(self):
        return qtrace.parse(read(self.out / "trace.log").splitlines())

    def endpoints(self, key):
        """Numbers of the endpoints for which the verdict has a non-zero key."""
        return [n for n in range(MAX_ENDPOINTS) if self.ktap.number(f"ep{n}.{key}", 0)]

    def blamed(self):
        """{endpoint: line} that the kernel's log names in connection with ATS.

        Not what it says of the driver's own events, whose lines begin with the
        SMMU: an event of a device is no blame. Nor that a fence was lifted, which
        would make up for a line of blame that is missing.
        """
        bdfs = {self.ktap.values.get(f"ep{n}.bdf"): n for n in range(MAX_ENDPOINTS)}
        found = {}
        for line in self.console().splitlines():
            line = splats.strip(line)
            match = BLAME.search(line)
            if match and bdfs.get(match[1]) is not None and ABOUT_ATS.search(match[2]) and match[2] != LIFTED:
                found.setdefault(bdfs[match[1]], match[0].strip())
        return found

    def panicked(self):
        """The line of the panic that the test is about, if it came to that."""
        words = f"Kernel panic - not syncing: {self.config.panics}"
        return next((s for s in self.splats if self.config.panics and words in s.text), None)

    def provoked(self):
        """The splats that the test has asked for, with what is printed below each."""
        if self.panicked():
            begin, asked = self.panicked().lineno, [re.escape(self.panicked().text)]
        else:
            lines = self.console().splitlines()
            begin = next((n for n, line in enumerate(lines, 1) if PROVOKED in line), len(lines))
            asked = self.config.provoked + self.config.besides if self.config.provoked else ()
        return [s for s in self.splats if s.lineno >= begin and
                (s.reason.startswith(splats.PART) or any(re.search(r, s.text) for r in asked))]

    def unprovoked(self):
        """[regex] of the splats that the test has asked for, and that are missing."""
        return [r for r in self.config.provoked
                if not any(re.search(r, s.text) for s in self.provoked())]

    def skipped(self):
        """The cases that have no plain result, unless the scenario says why.

        Those of KUnit are kunit_log.py's to judge.
        """
        if not self.config.scenario:
            return []
        words = {"SKIP": "skipped"}
        return ["skipped: the whole test"] * self.ktap.skipped_whole + [
            f"{words.get(c.directive, c.directive)}: {c.name}" + (f": {c.reason}" if c.reason else "")
            for c in self.ktap.cases if c.directive and c.name not in self.config.skips]

    def foreign(self):
        """What in the logs is not of this boot, or not all of it."""
        found, console = [], self.console()
        ran = self.ktap.values.get("scenario")
        if self.config.scenario and ran != self.config.scenario:
            found.append(f"the verdict is of the scenario {ran}")
        lost = [text for text in BOOT_LINES if text not in console]
        if self.config.scenario and f" ats.scenario={self.config.scenario} " not in console:
            lost.append(f"ats.scenario={self.config.scenario}")
        if lost and not self.panicked():
            found.append(f"console.log has no '{lost[0]}'")
        if self.config.trace and not self.panicked():
            # Not by name: a virtual function has none
            marks = {e.ns for e in self.events() if e.name == "ats_testdev_mark"}
            mine = {self.ktap.number(f"ep{n}.mark_time") for n in self.endpoints("mark_time")}
            if not marks or mine - marks:
                found.append("trace.log does not have the marks of the verdict")
        return found

    def trouble(self):
        """What makes this boot worthless, whatever the cases say."""
        found = []
        if self.timed_out:
            found.append(f"no end after {self.config.limit:.0f} s")
        elif self.status:
            found.append(f"QEMU ended with {self.status}")
        elif not self.finished and not self.panicked():
            found.append("the guest died")
        if self.config.scenario and not self.panicked():
            found += self.ktap.problems
        found += self.skipped()
        if self.finished or self.panicked():
            found += self.foreign()
        if self.finished:
            failed = len(self.ktap.failed()) if self.config.scenario else 0
            found += self.init.trouble(failed, self.config.allowed_taint(), self.config.exits)
        provoked = self.provoked()
        bad = [s for s in self.splats if s not in provoked]
        found += [f"console.log:{s.lineno}: {s.reason}: {s.text}" for s in bad[:3]]
        return found


def read(path):
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def on(flag):
    return "on" if flag else "off"


def qemu_argv(qemu, image, initrd, cfg):
    """The whole command line. Paths of logs are relative to the output."""
    smmu = {"ats": "on", "msi": on(cfg.msi), "atc-inv-timeout-us": cfg.timeout_us, **cfg.smmu}
    if cfg.pasid:
        smmu["ssidsize"] = cfg.pasid
    machine = "virt,gic-version=3,iommu=smmuv3,dtb-randomness=off"
    if cfg.smmu2_rid:
        machine += f",smmu2-rid={cfg.smmu2_rid:#x}"
    argv = [str(qemu), "-M", machine,
            "-cpu", "cortex-a57", "-smp", str(cfg.cpus), "-m", f"{cfg.memory}M",
            "-nodefaults", "-display", "none", "-monitor", "none", "-no-reboot",
            "-rtc", "clock=vm,base=2026-01-01", "-seed", os.environ.get("SEED") or "1"]
    if cfg.icount:
        argv += ["-icount", f"shift={cfg.icount_shift},sleep=off"]
    for prop, value in smmu.items():
        argv += ["-global", f"arm-smmuv3.{prop}={value}"]
    for n, (name, ats) in enumerate(ENDPOINTS if cfg.endpoints else ()):
        place = f"addr={n + FIRST_SLOT:x}.0"
        if cfg.ports:
            argv += ["-device", f"pcie-root-port,id=port{n},chassis={n},{place}"]
            place = f"bus=port{n},addr=0.0"
        pasid = f",pasid-width={cfg.pasid},pasid-strict={on(cfg.pasid_strict)}" if cfg.pasid else ""
        argv += ["-device", f"ats-testdev,id={name},{place},ats={on(ats)}{pasid}"]
    for device in cfg.devices:
        argv += ["-device", device]
    argv += ["-serial", "file:console.log", "-serial", "file:verdict.log"]
    if cfg.trace:
        argv += ["-trace", "events=trace.events,file=trace.log"]
    if cfg.plugin:
        argv += ["-plugin", cfg.plugin]
    words = ["console=ttyAMA0", "panic=-1", "nokaslr", "iommu.strict=1",
             f"kunit.enable={int(cfg.kunit)}", *cfg.append,
             f"ats.taint={cfg.allowed_taint():#x}"]
    if cfg.scenario:
        if cfg.program != initramfs.FENCE:
            words.append(f"ats.program={cfg.program}")
        words += [f"ats.scenario={cfg.scenario}", f"ats.timeout_us={cfg.timeout_us}"]
        words += [f"ats.{k}={v}" for k, v in cfg.options.items()]
    argv += ["-kernel", str(image), "-initrd", str(initrd), "-append", " ".join(words)]
    return argv


def boot(qemu, kernel, initrd, cfg, out, wait=subprocess.Popen.wait):
    """Boots and waits; returns a Boot. Kills the guest beyond the limit.

    wait: as Popen.wait(), of who knows earlier that the rest is of no interest."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    for name in ("console.log", "verdict.log", "trace.log"):
        (out / name).unlink(missing_ok=True)
    (out / "trace.events").write_text(cfg.events)
    booted = [path for path in (Path(kernel) / "Image", Path(initrd)) if path.exists()]
    (out / "inputs").write_text(initramfs.digest(booted)[:12] + "\n")
    argv = qemu_argv(Path(qemu).resolve(), Path(kernel).resolve() / "Image",
                     Path(initrd).resolve(), cfg)
    start, timed_out = time.monotonic(), False
    with open(out / "qemu.log", "w", encoding="utf-8") as log:
        log.write(shlex.join(argv) + "\n")
        log.flush()
        with subprocess.Popen(argv, cwd=out, stdin=subprocess.DEVNULL, stdout=log,
                              stderr=subprocess.STDOUT, start_new_session=True) as child:
            try:
                status = wait(child, cfg.limit)
            except subprocess.TimeoutExpired:
                timed_out = True
                os.killpg(child.pid, signal.SIGKILL)
                status = child.wait()
            except BaseException:
                os.killpg(child.pid, signal.SIGKILL)
                raise
    return read_boot(out, cfg, time.monotonic() - start, timed_out, status)


def read_boot(out, cfg, seconds=0.0, timed_out=False, status=0):
    """The Boot whose logs are in a directory."""
    verdict = read(out / "verdict.log").splitlines()
    console = read(out / "console.log").splitlines()
    return Boot(out, cfg, seconds, timed_out, status,
                ktap.Ktap(console if cfg.kunit else verdict), splats.scan(console), Init(verdict))


class Bench:
    """What all boots of a run share: QEMU, kernels, the guest's programs."""

    def __init__(self, qemu, out, ksrc, obj=None):
        self.qemu, self.out, self.ksrc, self.obj = Path(qemu), Path(out), Path(ksrc), obj
        self.initrds = {}

    def prepare(self, kernel, names=(initramfs.FENCE,)):
        """Makes the initramfs for one kernel, with the named programs and the module
        that they use. Not to be called from threads."""
        kernel = Path(kernel)
        for name in ("Image", "ats_testdev.ko") if names else ("Image",):
            if not (kernel / name).exists():
                raise initramfs.BuildError(f"{kernel / name}: not there")
        if not os.access(self.qemu, os.X_OK):
            raise initramfs.BuildError(f"{self.qemu}: not there")
        programs = initramfs.build_programs(self.out / "guest", self.ksrc, names)
        gen = initramfs.find_gen_init_cpio(programs, self.ksrc, self.obj)
        module = (kernel / "ats_testdev.ko").resolve() if names else None
        key = initramfs.digest([module] if module else [], " ".join([str(kernel.resolve()), *names]))
        self.initrds[kernel] = initramfs.build(self.out / "guest" / f"initrd-{key[:12]}.cpio",
                                               programs, module, gen, names)

    def boot(self, kernel, cfg, out, wait=subprocess.Popen.wait):
        return boot(self.qemu, kernel, self.initrds[Path(kernel)], cfg, out, wait)


def add_arguments(p):
    """Options that vm.py, scenarios.py and demo.py have in common."""
    p.add_argument("--out", default="build", help="where everything was built (default: build)")
    p.add_argument("--qemu", help="default: OUT/qemu/qemu-system-aarch64")
    p.add_argument("--ksrc", help="kernel source, for kselftest.h (default: OUT/linux)")
    p.add_argument("--obj", help="a kernel's objects, for gen_init_cpio (default: OUT/obj/lean)")


def add_kernels(p):
    """Options of what boots both kernels; kernels_of() reads them."""
    p.add_argument("--unpatched", help="default: OUT/kernel/unpatched")
    p.add_argument("--patched", help="default: OUT/kernel/patched")


def kernels_of(a):
    """{state: directory of the kernel}"""
    return {state: Path(getattr(a, state) or Path(a.out) / "kernel" / state) for state in STATES}


def make_bench(a):
    out = Path(a.out)
    return Bench(a.qemu or out / "qemu/qemu-system-aarch64", out / "bench",
                 a.ksrc or out / "linux", a.obj or out / "obj/lean")


def key_values(words):
    try:
        return dict(w.split("=", 1) for w in words)
    except ValueError as e:
        raise SystemExit("run: an option is KEY=VALUE") from e


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(p)
    p.add_argument("--kernel", required=True, help="directory with Image and ats_testdev.ko")
    p.add_argument("--scenario", default="", help="of the program; none: only boot")
    p.add_argument("--program", default=initramfs.FENCE, help="default: %(default)s")
    p.add_argument("--cpus", type=int, default=2)
    p.add_argument("--msi", action="store_true", help="CMD_SYNC completes by an MSI write")
    p.add_argument("--icount", action="store_true", help="one instruction after the other")
    p.add_argument("--icount-shift", type=int, default=SHIFT,
                   help="an instruction takes 2^N ns (default: %(default)s)")
    p.add_argument("--timeout-us", type=int, default=200_000, help="the SMMU's (virtual)")
    p.add_argument("--option", action="append", default=[], metavar="KEY=VALUE",
                   help="for the test: cpu, late_us, period_us and what the program has")
    p.add_argument("--smmu", action="append", default=[], metavar="KEY=VALUE",
                   help="further properties of the SMMU")
    p.add_argument("--append", action="append", default=[], metavar="WORD",
                   help="for the kernel's command line")
    p.add_argument("--device", action="append", default=[], metavar="NAME,KEY=VALUE",
                   help="a further device of the machine")
    p.add_argument("--ports", action="store_true", help="each endpoint below a root port")
    p.add_argument("--pasid", type=int, default=0, metavar="BITS", help="width of a PASID")
    p.add_argument("--smmu2-rid", type=lambda x: int(x, 0), default=0, metavar="RID",
                   help="Requester IDs from here on have a second SMMU")
    p.add_argument("--kunit", action="store_true", help="let KUnit's built-in suites run")
    p.add_argument("--trace", action="store_true")
    p.add_argument("--limit", type=float, default=180, help="seconds of the host")
    p.add_argument("--dir", help="for the logs (default: OUT/bench/run)")
    a = p.parse_args()
    bench = make_bench(a)
    cfg = Config(a.scenario, a.cpus, a.msi, a.icount, a.timeout_us, key_values(a.option),
                 key_values(a.smmu), a.kunit, a.trace, a.limit, program=a.program,
                 append=tuple(a.append), devices=tuple(a.device), icount_shift=a.icount_shift,
                 ports=a.ports, pasid=a.pasid, smmu2_rid=a.smmu2_rid)
    try:
        bench.prepare(a.kernel, () if a.kunit else (a.program,))
        result = bench.boot(a.kernel, cfg, a.dir or bench.out / "run")
    except initramfs.BuildError as e:
        sys.exit(f"run: {e}")
    if a.scenario:
        sys.stdout.write(read(result.out / "verdict.log"))
    for line in result.trouble():
        print(f"# trouble: {line}")
    print(f"# logs: {result.out}, {result.seconds:.1f} s")
    if result.trouble() or (a.scenario or a.kunit) and result.ktap.failed():
        sys.exit(1)


if __name__ == "__main__":
    main()
