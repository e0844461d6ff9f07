# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs the guest scenarios on both kernels and prints KTAP.

Each scenario boots the unpatched and the patched kernel on the same machine
with the same dead endpoint. The patched kernel has to pass every case. The
unpatched one has to let writes escape wherever an endpoint does not answer in
time: otherwise the scenario shows nothing. Any splat in any log is a failure.

The last line is "# N passed, N failed, N skipped"; the exit status is 0 only
when something passed and nothing failed.
"""

import argparse
import concurrent.futures
import os
import sys
from collections import namedtuple
from pathlib import Path

from tools import ktap
from tools.bench import initramfs, kunit_log, qtrace, timing, vm
from tools.bench.vm import PATCHED, UNPATCHED

CONTROL = "positive control"
ENOUGH = 100            # attempts, as in ats_common.h

# escapes: the unpatched kernel has to fail. guest: the scenario of the program.
# cpus, msi: in which variants. machine: further fields of vm.Config. within: the
# patched kernel's flush ends after at most so many hardware timeouts. seen_us: it
# has acknowledged an error after at most so long, where instructions are counted.
# polls_us: the unpatched one's flush ends only after so long. tells: what the patched
# kernel's log says, and how long after the queue stood still, in ms (least and most;
# or these by the number of CPUs), where instructions are counted. default: part of a
# run without --only.
Scenario = namedtuple("Scenario", "name guest escapes timeout_us options cpus program msi machine "
                                  "within seen_us polls_us tells default",
                      defaults=({}, (1, 2), initramfs.FENCE, (False, True), {}, None, None, None,
                                {}, True))

FAST = 200_000          # us of virtual time until the SMMU gives up
REAL = 3_000_000        # beyond the 1 s for which the driver polls

VFIO, RESET, WAIT, PASID = "ats_vfio", "ats_reset", "ats_wait", "ats_pasid"

# Long waits at 256 ns for an instruction instead of 16: as deterministic, and cheap.
# The hammer keeps its period in instructions, or its events would drown the guest.
SLOW = {"icount": True, "icount_shift": 8}
PORT = "pcie-root-port,id=port5,chassis=5,addr=6.0"
PLUGGED = {"devices": (PORT, "ats-testdev,id=ep5,bus=port5,addr=0.0")}
WITH_VFS = {"devices": (PORT, "ats-testdev,id=ep5,bus=port5,addr=0.0,vfs=2")}
CONTAINED = {**SLOW, "devices": (PORT + ",dpc=on", *PLUGGED["devices"][1:])}
TWINS = {"devices": (PORT, "ats-testdev,id=ep5,bus=port5,addr=0.0,multifunction=on",
                     "ats-testdev,id=ep6,bus=port5,addr=0.1")}


def pasid(name, msi=(True,), program=PASID):
    return Scenario(name, name, True, FAST, cpus=(2,), program=program, msi=msi,
                    machine={"pasid": 8})


DETECTORS = ("watchdog_thresh=5", "rcupdate.rcu_cpu_stall_timeout=10",
             "sysctl.kernel.hung_task_timeout_secs=20")
# Part of a stall's report, if RCU's thread was to run on that CPU
STARVED = (r"^rcu: rcu_\w+ kthread (starved|timer wakeup)",)
COMPLAINTS = ("hard LOCKUP", "soft lockup", "detected stall", "blocked for more than")


def reset(name, machine=None, cpus=(1,)):
    """How the error is found makes no difference to a reset: one variant each."""
    slow = SLOW if cpus == (1,) else {}
    return Scenario(f"reset-{name}", name, True, FAST, cpus=cpus, program=RESET, msi=(False,),
                    machine={**slow, **(machine or {})})


# What the driver gives a queue that stands still; steps of a second, and the hammers' periods
STOP_MS, STOP_SLACK_MS = 150_000, 5_000
# When the log says that a flush waits: after a second, where a CPU has the time for it. The
# work item that says so may come seconds later, when that CPU prints events.
# Where every CPU waits, only when that is over: bounds of today's driver, which a
# driver that says so at once would bring down to AT_ONCE.
STOPPED = "stopped: all DMA"
# An unmap in panic: at once, and no other CPU is left
IN_PANIC = r"unmapped in panic, after \d{1,5} us, 1 online"
WAITS, AT_ONCE = "CMD_SYNC timeout .* waiting on", (950, 8_000)


def late(ms):
    return AT_ONCE[0], ms


def stop(name, cpus=(1,), msi=(False,), guest="stop", after=STOP_MS, smmu=None, append=(), panics="",
         tells=None, slack=STOP_SLACK_MS, options=None):
    """No CMD_SYNC completes any more. Every CPU waits for one, until the SMMU is stopped."""
    end = after + slack
    machine = {**SLOW, "icount_shift": 9, "smmu": {"cmd-sync-hang": "on", **(smmu or {})}, "append": append,
               "panics": panics, "taint": vm.TAINT_MACHINE_CHECK | vm.TAINT_OOT_MODULE}
    return Scenario(name, guest, True, FAST, {"stop_ms": after, **(options or {})}, cpus, WAIT, msi, machine,
                    tells=tells or {WAITS: late(end), STOPPED: (after, end)})


SCENARIOS = [
    # With one CPU, GERROR's interrupt cannot be taken while it polls
    Scenario("one-dead-of-one", "one-dead-of-one", True, FAST, seen_us=100),
    Scenario("one-dead-of-three", "one-dead-of-three", True, FAST),
    # GERROR's interrupt goes to CPU 0: here the CPU that flushes, so that the
    # handler runs only after it; above, with two CPUs, another one.
    Scenario("one-dead-of-three-cpu0", "one-dead-of-three", True, FAST, {"cpu": 0}, (2,)),
    Scenario("two-dead", "two-dead", True, FAST),
    Scenario("detach-dead", "detach-dead", True, FAST),
    Scenario("reattach", "reattach", True, FAST),
    Scenario("reset", "reset", True, FAST),
    Scenario("hw-timeout-3s", "one-dead-of-three", True, REAL, tells={WAITS: {1: late(8_000)}}),
    Scenario("non-ats-neighbour", "non-ats-neighbour", True, REAL),
    # Answered, but after the driver stopped polling
    Scenario("late-past-poll", "late-in-time", True, REAL, {"late_us": 2_000_000}),
    Scenario("late-in-time", "late-in-time", False, FAST, {"late_us": 100_000}),
    Scenario("all-healthy", "all-healthy", False, FAST),
    # What finds the error is the same as above: here it is about the callers
    Scenario("vfio-unmap", "vfio-unmap", True, FAST, cpus=(2,), program=VFIO),
    Scenario("vfio-close", "vfio-close", True, FAST, cpus=(2,), program=VFIO),
    Scenario("vfio-move", "vfio-move", True, FAST, cpus=(2,), program=VFIO),
    # Long enough to tell the queue that stands still from the one that does not
    Scenario("vfio-two-smmus", "vfio-two-smmus", True, 1_500_000, cpus=(2,), program=VFIO,
             msi=(True,), machine={"icount": True, "smmu2_rid": 0x18}),
    Scenario("vfio-hot-reset", "vfio-hot-reset", True, FAST, cpus=(2,), program=VFIO,
             msi=(True,), machine={"ports": True}),
    pasid("vfio-pasid", program=VFIO),
    # An invalidation without a PASID drops the entries of all PASIDs, as PCIe has it
    Scenario("vfio-pasid-all", "vfio-pasid", True, FAST, cpus=(2,), program=VFIO, msi=(True,),
             machine={"pasid": 8, "pasid_strict": False}),
    pasid("pasid-domains", (False, True)),
    pasid("pasid-attach"),
    pasid("pasid-identity"),
    Scenario("pasid-attach-3s", "pasid-attach", True, REAL, {}, (2,), PASID, (False,),
             {**SLOW, "pasid": 8}, tells={WAITS: AT_ONCE}),
    pasid("sva-munmap", (False, True)),
    pasid("sva-exit"),
    reset("methods", PLUGGED),
    reset("twice"),
    reset("fails", TWINS),
    reset("in-vain"),
    reset("reload"),
    reset("rescan-healed"),
    reset("meanwhile", cpus=(2,)),
    reset("pulled", PLUGGED, cpus=(2,)),
    # Long enough for the other CPU to come across it
    Scenario("reset-removed", "removed", True, 800_000, {}, (2,), RESET, (False,), PLUGGED),
    reset("aer", PLUGGED),
    # Longer than what pciehp gives a recovery
    Scenario("reset-dpc", "dpc", True, 10_000_000, {}, (1,), RESET, (False,), CONTAINED),
    reset("vf", WITH_VFS),
    Scenario("reset-pulled-vfs", "pulled-vfs", True, REAL, {}, (1,), RESET, (False,), WITH_VFS),
    reset("rescan-dead"),
    # T = 10 s, and n more errors for the same CMD_SYNC
    Scenario("hw-timeout-10s", "one-dead-of-three", True, 10_000_000, msi=(False,), machine=SLOW,
             tells={WAITS: {1: late(23_000), 2: AT_ONCE}}),
    Scenario("sticky-1", "one-dead-of-one", True, REAL, {}, (1,), msi=(False,), within=3,
             machine={**SLOW, "smmu": {"atc-inv-sticky": 1}}),
    Scenario("sticky-3", "one-dead-of-one", True, REAL, {}, (1,), msi=(False,), within=5,
             machine={**SLOW, "smmu": {"atc-inv-sticky": 3}}),
    Scenario("sticky-3-neighbour", "non-ats-neighbour", True, REAL, {}, (2,), msi=(False,),
             machine={**SLOW, "smmu": {"atc-inv-sticky": 3}}, tells={WAITS: late(15_000)}),
    Scenario("sticky-1-of-three", "one-dead-of-three", True, REAL, {}, (1,), msi=(False,), within=4.5,
             machine={**SLOW, "smmu": {"atc-inv-sticky": 1}}),
    # The error is seen at once, wherever its interrupt goes; by whom is certain where it
    # goes to the CPU that polls. Few hammer strokes: the events of those that are
    # refused cost the flush time that this is not about.
    *[Scenario(f"gerror-cpu{cpu}{'-of-three' if three else ''}",
               "one-dead-of-three" if three else "one-dead-of-one", True, 500_000,
               {"gerror_cpu": cpu, "period_us": 20_000}, (2,), within=2.05 if three else 1.05,
               seen_us=100 if cpu else None, polls_us=1_000_000 if cpu else None,
               machine={"icount": True})
      for cpu in (0, 1) for three in (False, True)],
    Scenario("lazy", "lazy", True, FAST, program=WAIT, msi=(False,),
             machine={"append": ("iommu.strict=0",)}),
    Scenario("neighbour-detach", "neighbour-detach", True, 10_000_000, program=WAIT, msi=(False,),
             machine=SLOW, tells={WAITS: late(23_000)}),
    Scenario("two-domains", "two-domains", True, FAST, {}, (1,), WAIT, (False,), SLOW),
    Scenario("two-domains-at-once", "two-domains-at-once", True, FAST, {}, (2,), WAIT, (False,)),
    Scenario("detach-meanwhile", "detach-meanwhile", True, FAST, {}, (2,), WAIT, (False,)),
    # The fifth CPU is for the one who looks for hung tasks. Few hammer strokes: an event
    # takes longer to print than the usual period, and the CPU that prints them all, in a
    # thread of high priority, is kept from what RCU wants of it.
    Scenario("everybody-waits", "everybody-waits", True, 30_000_000, {"period_us": 50_000}, (4, 5), WAIT, (False,),
             {**SLOW, "append": DETECTORS, "provoked": COMPLAINTS, "besides": STARVED,
              "taint": vm.TAINT_OOT_MODULE | vm.TAINT_SOFTLOCKUP},
             tells={WAITS: {4: late(95_000), 5: AT_ONCE}}),
    stop("stop", msi=(False, True)),
    # The work item that says that a flush waits needs a CPU, and all three print events then
    stop("stop-all", cpus=(3,), guest="stop-all",
         tells={WAITS: late(STOP_MS + 2 * STOP_SLACK_MS), STOPPED: (STOP_MS, STOP_MS + STOP_SLACK_MS)}),
    # Nor can the SMMU be switched off. The panic comes 46 s after that was tried: the kernel's
    # poll of a register counts its rounds, a million of them, and instructions are slow here. An
    # unmap in panic, of a console perhaps, waits for nothing.
    stop("stop-panic", smmu={"smmuen-stuck": "on"}, panics="9050000.smmuv3: cannot be stopped",
         tells={"Kernel panic": (STOP_MS, STOP_MS + 50_000), IN_PANIC: (STOP_MS, STOP_MS + 55_000)}),
    # The other CPUs, which wait for the SMMU with interrupts off, are stopped as well
    stop("stop-panic-all", cpus=(3,), guest="stop-all", smmu={"smmuen-stuck": "on"},
         panics="9050000.smmuv3: cannot be stopped",
         tells={"Kernel panic": (STOP_MS, STOP_MS + 60_000), IN_PANIC: (STOP_MS, STOP_MS + 65_000)}),
    # The parameter of the driver
    stop("stop-later", after=200_000, append=("arm_smmu_v3.stop_timeout=200",)),
    # It cannot be less than what PCIe gives a device
    stop("stop-least", append=("arm_smmu_v3.stop_timeout=1",)),
    # Nor does it help that each error is answered, by the same CMD_SYNC failing again. The
    # driver counts steps of a second, and with the errors in between each takes longer: 163 s.
    # Few hammer strokes: with as many events as elsewhere, and the errors that do not end, the
    # one CPU does little but print.
    stop("stop-sticky", slack=15_000, smmu={"cmd-sync-hang": "off", "atc-inv-sticky": 1 << 30},
         options={"period_us": 100_000}),
]
KUNIT = "kunit"

Job = namedtuple("Job", "scenario cpus msi")


def job_name(job):
    cpus = f"{job.cpus}cpu"
    return f"{job.scenario.name}.{cpus}.{'msi' if job.msi else 'poll'}"


def all_jobs(only=()):
    jobs = [Job(s, cpus, msi) for s in SCENARIOS for cpus in s.cpus for msi in s.msi]
    if not only:
        return [j for j in jobs if j.scenario.default]
    return [j for j in jobs if j.scenario.name in only or job_name(j) in only]


def config(job, limit):
    """One CPU: every instruction counted. Two: they really run at once."""
    s = job.scenario
    machine = {"icount": job.cpus == 1, **s.machine}
    if machine["icount"] and s.timeout_us >= REAL:
        machine = {**SLOW, **machine}
    slower = machine.get("icount_shift", vm.SHIFT) - vm.SHIFT
    options = {**({"period_us": vm.PERIOD_US << slower} if slower else {}), **s.options}
    return vm.Config(s.guest, job.cpus, job.msi, timeout_us=s.timeout_us, options=options,
                      limit=limit, trace=True, program=s.program, **machine)


def judge_unpatched(boot, escapes, polls_us=None):
    """[(ok, text)] of a boot of the kernel without a fence."""
    trouble = boot.trouble()
    tests = [(not trouble, "unpatched: the guest finished, no splat" + reason(trouble))]
    control = [c for c in boot.ktap.cases if c.name.startswith(CONTROL)]
    tests.append((bool(control) and control[0].ok, "unpatched: positive control"))
    tests += judge_provoked(boot, "unpatched")
    if polls_us:
        took = boot.ktap.number("flush.ns", 0) / 1e3
        tests.append((took >= polls_us, f"unpatched: the flush took {took / 1e3:.1f} ms, "
                      f"at least {polls_us / 1e3:.0f}"))
    landed = boot.ktap.number("escapes", 0)
    words = boot.ktap.number("corrupted", 0)
    if escapes:
        # Each of them: a scenario with two targets is about both
        each = [boot.ktap.number(k.replace("target", "accepted_after"), 0)
                for k in sorted(boot.ktap.values) if k.endswith(".target")]
        tests.append((bool(each) and min(each) > 0 and words > 0,
                      f"unpatched: {' + '.join(map(str, each)) or landed} writes escaped, "
                      f"{words} words corrupted"))
    else:
        failed = boot.ktap.failed()
        tests.append((not failed and "escapes" in boot.ktap.values,
                      "unpatched: safe as well" + reason([repr(c) for c in failed])))
    return tests


def judge_patched(boot, within=None, seen_us=None, dies=False, stop_ms=None, tells=None, rounds=False):
    """dies: an endpoint does not answer. rounds: the test lets one die again and again, so
    that the counters are those of its last life. The rest: what the table says of the scenario."""
    trouble = boot.trouble()
    tests = [(not trouble, "patched: the guest finished, no splat" + reason(trouble))]
    tests += [(c.ok, f"patched: {c.name}") for c in boot.ktap.cases]
    if not any(c.name.startswith(CONTROL) for c in boot.ktap.cases):
        tests.append((False, f"patched: {CONTROL}: there is none"))
    if boot.config.panics:
        # Where nothing else helps: the numbers are lost with it
        tests.append((boot.panicked() is not None, f"patched: panics: {boot.config.panics}"))
        return tests + judge_when(boot, None, tells)
    dead, blamed = boot.endpoints("inv_ignored"), sorted(boot.blamed())
    # It did not answer, but what it was asked may have been dropped by a reset
    spared = set(boot.endpoints("spared"))
    tests.append((set(dead) <= set(blamed) | spared and set(blamed) <= set(dead) | spared
                  and bool(dead or spared or not dies),
                  f"patched: dead: {names(dead)}, blamed in the log: {names(blamed)}"))
    if "fenced.start" in boot.ktap.values:
        tests += judge_fenced(boot, dead)
    return (tests + judge_vain(boot, dead, rounds) + judge_provoked(boot, "patched")
            + judge_time(boot, within, seen_us) + judge_when(boot, stop_ms, tells))


def judge_job(job, boots):
    """The boots of a scenario, by kernel, with all that the table says of it."""
    s, tests = job.scenario, []
    tells = {text: when[job.cpus] if isinstance(when, dict) else when for text, when in s.tells.items()
             if not isinstance(when, dict) or job.cpus in when}
    dies = s.escapes and "late_us" not in s.options
    if UNPATCHED in boots:
        tests += judge_unpatched(boots[UNPATCHED], s.escapes, s.polls_us)
    if PATCHED in boots:
        tests += judge_patched(boots[PATCHED], s.within, s.seen_us, dies, s.options.get("stop_ms"), tells)
    return tests


def judge_vain(boot, dead, rounds):
    """Nothing landed, though every target tried: 100 times or more, and in the way that it should.

    The test says so itself; a bench that cannot fail proves nothing. What a dead
    endpoint has tried the SMMU has to have refused: one that has lost its ATC, or
    may not do DMA at all, tries nothing that shows a fence. Of a test that lets one die
    again and again only the sum is looked at: its last life may be a short one.
    """
    counts = {key: {n: boot.ktap.number(f"ep{n}.{key}") for n in boot.endpoints("target")}
              for key in ("accepted_after", "refused_after", "missed_after")}
    landed, rejected = boot.ktap.number("escapes"), boot.ktap.number("rejected", 0)
    known = None not in [n for values in counts.values() for n in values.values()]
    tests = [(landed == 0 and boot.ktap.number("corrupted") == 0 and rejected >= ENOUGH
              and (rounds or not known or landed == sum(counts["accepted_after"].values())),
              f"patched: {landed} writes escaped, {rejected} came to nothing")]
    if counts["refused_after"] and not rounds:
        idle = [n for n, refused in counts["refused_after"].items()
                if not known or (refused if n in dead else max(refused, counts["missed_after"][n])) < ENOUGH]
        tests.append((not idle, f"patched: each target was refused, or answered and missed, {ENOUGH} times"
                      + reason(names(idle).split(", ") if idle else [])))
    return tests


def judge_when(boot, stop_ms, tells):
    """When the SMMU was stopped, and when the log says something."""
    tests, events = [], boot.events() if stop_ms or tells else []
    if stop_ms:
        eps = [f"ep{n}" for n in range(vm.MAX_ENDPOINTS) if f"ep{n}.accepted_before" in boot.ktap.values]
        most = (tells or {}).get(STOPPED, (stop_ms, stop_ms + STOP_SLACK_MS))[1]
        tests += timing.judge_stop(events, eps, stop_ms, most)
    if tells and boot.config.icount:
        tests += timing.judge_lines(events, boot.console().splitlines(), tells)
    return [(ok, f"patched: {text}") for ok, text in tests]


def judge_fenced(boot, dead):
    """What the SMMU was sent between the test's two marks, for the one that is dead."""
    start, end = (boot.ktap.number(f"fenced.{k}", 0) for k in ("start", "end"))
    sid = boot.ktap.number(f"ep{dead[0]}.sid") if len(dead) == 1 else None
    events = [e for e in boot.events()
              if qtrace.number(e, "sid") == sid]
    asked = qtrace.count(qtrace.window(events, 0, start), "smmuv3_atc_inv")
    meanwhile = qtrace.window(events, start, end)
    again = qtrace.count(meanwhile, "smmuv3_atc_inv")
    eats = sum(1 for e in meanwhile if e.name == "smmuv3_cfgi_ste" and qtrace.number(e, "eats"))
    return [(bool(asked) and start < end and not again,
             f"patched: {again} CMD_ATC_INVs while it was fenced, {asked} before"),
            (not eats, f"patched: {eats} times the SMMU saw EATS meanwhile")]


def unseen_us(events):
    """How long each error of the queue was there before somebody acknowledged it; for ever, if nobody did."""
    since, found = None, []
    for e in events:
        if e.name == "smmuv3_cmdq_error" and since is None:
            since = e.ns
        elif e.name == "smmuv3_cmdq_ack" and since is not None:
            found.append((e.ns - since) / 1e3)
            since = None
    return found + ([float("inf")] if since is not None else [])


def judge_time(boot, within, seen_us):
    """What the patched kernel's flush took, by the SMMU's timeout and by its errors."""
    tests = []
    if within:
        took, limit = boot.ktap.number("flush.ns", 0) / 1e6, within * boot.config.timeout_us / 1e3
        tests.append((0 < took <= limit,
                      f"patched: the flush took {took:.1f} ms, at most {limit:.1f}"))
    if seen_us and boot.config.icount:
        seen = unseen_us(boot.events())
        tests.append((bool(seen) and max(seen) <= seen_us,
                      f"patched: {len(seen)} errors, seen within "
                      f"{max(seen, default=0):.1f} us, at most {seen_us}"))
    return tests


def judge_provoked(boot, state):
    """Does the kernel still complain where it should?"""
    if not boot.config.provoked:
        return []
    missing = boot.unprovoked()
    return [(not missing, f"{state}: {len(boot.config.provoked)} detectors speak when no CPU "
             f"waits on purpose" + reason(missing))]


def names(endpoints):
    return ", ".join(f"ep{n}" for n in endpoints) or "no endpoint"


def judge_kunit(boot, name, wanted):
    """wanted: the suites and cases of the source, as kunit_log.planned() gives them."""
    trouble = boot.trouble()
    tests = [(not trouble, "the guest finished, no splat" + reason(trouble))]
    suites, problems = kunit_log.read_console(boot.console().splitlines())
    tests.append((not problems, "results as planned" + reason(problems)))
    tests += kunit_log.judge(suites, wanted)
    return [(ok, f"{name}: {text}") for ok, text in tests]


def reason(found):
    """Text after the name of a case; no hash sign, which KTAP keeps for itself."""
    return f": {'; '.join(found)}".replace("#", "") if found else ""


def note(boots):
    def escapes(state):
        return boots[state].ktap.values.get("escapes", "?") if state in boots else "-"
    rejected = boots[PATCHED].ktap.values.get("rejected", "?") if PATCHED in boots else "-"
    return (f"escapes: {escapes(UNPATCHED)} unpatched, {escapes(PATCHED)} patched "
            f"({rejected} in vain)")


def summary(rows):
    width = max(len(name) for name, _ in rows)
    lines = [f"{'scenario':{width}}  {'unpatched':>21}  {'patched':>29}",
             f"{'':{width}}  {'escapes':>10} {'flush ms':>10}  "
             f"{'escapes':>9} {'in vain':>9} {'flush ms':>9}"]
    for name, boots in rows:
        def cell(state, key, width, boots=boots):
            if state not in boots:
                return f"{'-':>{width}}"
            value = boots[state].ktap.number(key)
            if key == "flush.ns" and value is not None:
                return f"{value / 1e6:>{width}.1f}"
            return f"{'?' if value is None else value:>{width}}"
        lines.append(f"{name:{width}}  {cell(UNPATCHED, 'escapes', 10)} "
                     f"{cell(UNPATCHED, 'flush.ns', 10)}  {cell(PATCHED, 'escapes', 9)} "
                     f"{cell(PATCHED, 'rejected', 9)} {cell(PATCHED, 'flush.ns', 9)}")
    return "\n".join(lines)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    vm.add_arguments(p)
    p.add_argument("--unpatched", help="default: OUT/kernel/unpatched; 'none' leaves it out")
    p.add_argument("--patched", help="default: OUT/kernel/patched; 'none' leaves it out")
    p.add_argument("--only", default=os.environ.get("SCENARIO", ""),
                   help="comma separated names; default: $SCENARIO, else all")
    p.add_argument("--jobs", type=int, default=2, help="guests at once")
    p.add_argument("--limit", type=float, default=180, help="seconds of the host for a guest")
    p.add_argument("--list", action="store_true", help="print the names and exit")
    a = p.parse_args()

    only = {n for n in a.only.split(",") if n}
    jobs = all_jobs(only)
    kunit = KUNIT in only           # by name: a check of its own otherwise
    unknown = only - {KUNIT} - {n for j in jobs for n in (j.scenario.name, job_name(j))}
    if unknown:
        sys.exit(f"scenarios: no scenario {', '.join(sorted(unknown))}; "
                 "python3 -m tools.bench.scenarios --list prints the names")
    if a.list:
        print("\n".join([job_name(j) for j in jobs] + [KUNIT] * kunit))
        return 0

    out = Path(a.out)
    kernels = {UNPATCHED: a.unpatched or out / "kernel/unpatched",
               PATCHED: a.patched or out / "kernel/patched"}
    kernels = {state: Path(k) for state, k in kernels.items() if str(k) != "none"}
    bench = vm.make_bench(a)
    programs = sorted({j.scenario.program for j in jobs})
    try:
        for kernel in kernels.values():
            bench.prepare(kernel, programs)
        planned = {state: kunit_log.planned(out, state) for state in kernels} if kunit else {}
    except (initramfs.BuildError, kunit_log.SourceError) as e:
        print("KTAP version 1\n1..1")
        print(f"not ok 1 guests # {e}")
        print("# 0 passed, 1 failed, 0 skipped")
        return 1

    report = ktap.Writer(len(jobs) + kunit)
    rows = []
    with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
        def submit(state, cfg, name):
            return pool.submit(bench.boot, kernels[state], cfg, bench.out / name / state)

        kunit_boots = {}
        if kunit:
            # The fake SMMU of the series' suite and two flushes have a CPU each
            cfg = vm.Config(cpus=4, kunit=True, limit=a.limit)
            kunit_boots = {state: submit(state, cfg, KUNIT) for state in kernels}
        pending = [(job, {state: submit(state, config(job, a.limit), job_name(job))
                          for state in kernels}) for job in jobs]
        try:
            if kunit:
                tests = []
                for state, future in kunit_boots.items():
                    tests += judge_kunit(future.result(), state, planned[state])
                report.test(KUNIT, tests, f"log: {bench.out / KUNIT}")
            for job, futures in pending:
                boots = {state: f.result() for state, f in futures.items()}
                name = job_name(job)
                if not report.test(name, judge_job(job, boots), note(boots)):
                    report.comment(f"logs: {bench.out / name}")
                rows.append((name, boots))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    if rows:
        report.comment(summary(rows))
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
