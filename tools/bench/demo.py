# SPDX-License-Identifier: GPL-2.0-or-later
"""One screen: what a dead ATS device does to an unpatched and a patched kernel.

Boots both at the same time, on the same emulated machine: three ATS endpoints
share a domain, a fourth and a device without ATS have their own. While all of
them do DMA, one of the three stops answering invalidations; pages are unmapped;
later the dead endpoint is reset. Every value on the screen was measured in
these two boots: by the guest, by the kernel's log, or by the events of the
emulated SMMU.

Exit status 0 only when the unpatched kernel failed as it should and the patched
one held. Colour only on a terminal, and not with NO_COLOR.
"""

import argparse
import concurrent.futures
import os
import re
import sys
import textwrap
from collections import namedtuple
from pathlib import Path

from tools.bench import demo_readme, demo_report, initramfs, qtrace, scenarios, splats, vm

TIMEOUT_US = 1_000_000
LABEL, COLUMN = 25, 37  # together at most 100: the screen stands in the README
WIDTH = LABEL + 2 * COLUMN
ROWS = 22               # of the timeline

EVENT_FORBIDDEN = re.compile(r"event 0x07 received")
EVENT_ANY = re.compile(r"event 0x[0-9a-f]+ received")
BANNER = re.compile(r"Linux version (\S+) .*?gcc \(.*?\) ([\d.]+)")
ERROR = re.compile(r"CMDQ error|CMD_SYNC timeout")

ANSWERS = " answers"

Row = namedtuple("Row", "label cells good")      # good: None, or a bool per cell


class Side:
    """All that one boot left behind, in the words of the screen."""

    def __init__(self, boot):
        self.boot = boot
        self.values, self.n = boot.ktap.values, boot.ktap.number
        with open(boot.out / "trace.log", encoding="utf-8", errors="replace") as f:
            self.events = qtrace.parse(f)
        self.console = [splats.strip(line) for line in boot.console().splitlines()]
        self.blame = boot.blamed()
        self.names = {}
        for ep in range(len(vm.ENDPOINTS)):
            sid = self.n(f"ep{ep}.sid")
            if sid is not None:
                self.names[sid] = self.values.get(f"ep{ep}.bdf", f"ep{ep}")
        self.dead = (boot.endpoints("inv_ignored") or [1])[0]
        self.start = self.n("flush.start", 0)
        self.end = self.n(f"ep{self.dead}.mark_time", 0)
        self.flush = qtrace.window(self.events, self.start, self.end)

    def bdf(self, ep):
        return self.values.get(f"ep{ep}.bdf", "?").replace("0000:", "", 1)

    def name(self, sid):
        return self.names.get(sid, f"Stream ID {sid}").replace("0000:", "", 1)

    def returned(self):
        ret = self.n("flush.ret")
        return "nothing: the guest died" if ret is None else f"{ret >> 10} KiB unmapped: success"

    def took(self):
        ns = self.n("flush.ns")
        return "?" if ns is None else f"{ns / 1e6:.1f} ms"

    def blamed(self):
        names = [f"{self.bdf(ep)}, Stream ID {self.n(f'ep{ep}.sid', 0):#x}" for ep in self.blame]
        return "; ".join(names) or "no device"

    def commands(self):
        cmds = [e for e in self.flush if e.name == "smmuv3_cmdq_cmd"]
        syncs = [e for e in cmds if "SYNC" in e.args.get("opcode", "")]
        atc = qtrace.count(self.flush, "smmuv3_atc_inv")
        return f"{len(cmds)}, of these {atc} ATC_INV, {len(syncs)} CMD_SYNC"

    def queue_errors(self):
        return f"{qtrace.count(self.flush, 'smmuv3_cmdq_error')}"

    def built_from(self):
        """Kernel, compiler and what was booted: the inputs that change the screen's numbers."""
        found = next(filter(None, (BANNER.search(x) for x in self.console)), None)
        return f"Linux {found[1]}, gcc {found[2]}, guest {self.boot.inputs() or '?'}" if found else "?"

    def escapes(self):
        return self.n("escapes", -1)

    def escape_text(self):
        if self.escapes() < 0:
            return "?"
        return f"{self.escapes()} writes, {self.n('corrupted', -1)} words corrupted"

    def rejected(self):
        return f"{self.n(f'ep{self.dead}.refused_after', 0)}"

    def event_lines(self):
        lines = sum(bool(EVENT_FORBIDDEN.search(x)) for x in self.console)
        others = sum(bool(EVENT_ANY.search(x)) for x in self.console) - lines
        recorded = qtrace.count(self.events, "smmuv3_transl_forbidden")
        text = f"{lines} F_TRANSL_FORBIDDEN (of {recorded})"
        return text + (f", {others} other" if others else "")

    def error_lines(self):
        return f"{sum(bool(ERROR.search(x)) for x in self.console)}"

    def healthy(self, ep):
        return (self.n(f"ep{ep}.accepted_during", 0), self.n(f"ep{ep}.accepted_after", 0))

    def healthy_text(self, ep):
        during, after = self.healthy(ep)
        return f"{during} writes during, {after} after"

    def reset_text(self):
        if "reset.ats" not in self.values:
            return "not reached"
        state = "on" if self.n("reset.ats") else "OFF"
        took = self.n("after_reset.ns")
        took = "no flush" if took is None else f"flush {took / 1e6:.1f} ms"
        return f"ATS {state}, {self.n('reset.accepted', 0)} writes, {took}"

    def timeline(self):
        """[(ns, text)], consecutive equal texts joined."""
        entries = [(self.start, "unmap begins")]
        told_after = False
        reset = next((e.ns for e in self.events
                      if e.name == "ats_testdev_reset" and e.ns > self.end), None)
        dead_sid = self.n(f"ep{self.dead}.sid")
        for e in self.events:
            if e.ns < self.start:
                continue
            text = self.describe(e)
            if not text:
                continue
            if e.name == "ats_testdev_hammer":
                if e.args.get("name") == f"ep{self.dead}" and not told_after:
                    entries.append((e.ns, text))
                    told_after = e.ns > self.end
            elif e.ns <= self.end:
                entries.append((e.ns, text))
            elif reset and e.ns >= reset:
                if e.name == "ats_testdev_reset" or (
                        e.name == "smmuv3_cfgi_ste" and qtrace.number(e, "sid") == dead_sid):
                    entries.append((e.ns, text))
        entries.append((self.end, "the flush has returned"))
        entries.sort(key=lambda x: x[0])
        joined = []
        for ns, text in entries:
            if joined and joined[-1][1] == text:
                joined[-1][2] += 1
            elif joined and text.endswith(ANSWERS) and \
                    joined[-1][1] == f"ATC_INV to {text[:-len(ANSWERS)]}":
                joined[-1][1] += ": answered"
            else:
                joined.append([ns, text, 1])
        return [(ns, text + (f" (x{n})" if n > 1 else "")) for ns, text, n in joined]

    def describe(self, e):
        sid = qtrace.number(e, "sid")
        if e.name == "smmuv3_atc_inv":
            return f"ATC_INV to {self.name(sid)}"
        if e.name == "smmuv3_atc_inv_done":
            return self.name(sid) + ANSWERS
        if e.name == "smmuv3_cmd_sync":
            waiting = qtrace.number(e, "waiting")
            return f"CMD_SYNC waits for {waiting}" if waiting else None
        if e.name == "smmuv3_cmdq_error":
            return f"{trace_error(e)}: the queue stops"
        if e.name == "smmuv3_cmdq_ack":
            return "acknowledged: the queue goes on"
        if e.name == "smmuv3_cfgi_ste":
            return f"STE of {self.name(sid)} read: EATS = {e.args.get('eats')}"
        if e.name == "ats_testdev_reset":
            return f"{self.device(e)} is reset"
        if e.name == "ats_testdev_hammer":
            if e.ns > self.end and self.escapes() > 0:
                return f"{self.device(e)}: WRITES INTO FREED MEMORY"
            return f"{self.device(e)}: write refused" if qtrace.number(e, "refused") else None
        return None

    def device(self, e):
        name = e.args.get("name", "")
        found = re.fullmatch(r"ep(\d+)", name)
        return self.bdf(int(found[1])) if found else name


def trace_error(event):
    """CMDQ_CONS.ERR, in the words of IHI 0070 7.1."""
    names = {1: "CERROR_ILL", 2: "CERROR_ABT", 3: "CERROR_ATC_INV_SYNC"}
    return names.get(qtrace.number(event, "err"), f"error {event.args.get('err')}")


def kind(ep):
    return "shares" if ep < 3 else "own" if vm.ENDPOINTS[ep][1] else "no ATS"


def notes(dead):
    """{endpoint: what it is}, in the words of the report."""
    words = {"shares": "shares the domain", "own": "domain of its own", "no ATS": "no ATS, own domain"}
    return {ep: "stops answering" if ep == dead else words[kind(ep)] for ep in range(len(vm.ENDPOINTS))}


def rows(left, right):
    sides = (left, right)
    healthy = [ep for ep in range(len(vm.ENDPOINTS)) if ep != left.dead]

    def row(label, text, good=None):
        return Row(label, [text(s) for s in sides],
                   [good(s) for s in sides] if good else [None, None])

    yield row("the flush returned", Side.returned)
    yield row("after", Side.took)
    yield row("commands consumed", Side.commands)
    yield row("queue errors", Side.queue_errors)
    yield row("blamed in the log", Side.blamed,
              lambda s: list(s.blame) == [s.dead])
    yield row("ESCAPES after the flush", Side.escape_text, lambda s: s.escapes() == 0)
    yield row("refused after the flush", Side.rejected)
    yield row("event lines in the log", Side.event_lines)
    yield row("error lines in the log", Side.error_lines)
    for ep in healthy:
        yield row(f"{left.bdf(ep)} ({kind(ep)})", lambda s, ep=ep: s.healthy_text(ep),
                  lambda s, ep=ep: all(s.healthy(ep)))
    yield row(f"reset of {left.bdf(left.dead)}", Side.reset_text,
              lambda s: s.n("reset.ats") == 1)


def paint(text, good, colour):
    if not colour or good is None:
        return text
    return f"\033[{32 if good else 31}m{text}\033[0m"


def cut(text, width):
    return text if len(text) <= width else text[:width - 3] + "..."


def shorten(entries, limit):
    """Drops lines from the middle, saying how many."""
    if len(entries) <= limit:
        return entries
    head = limit * 2 // 3
    tail = limit - head - 1
    gone = len(entries) - head - tail
    return entries[:head] + [(None, f"... {gone} more in trace.log")] + entries[-tail:]


def screen(left, right, colour):
    lines = ["One of three ATS endpoints that share a domain stops answering "
             "invalidations; pages are unmapped.", ""]
    head = f"{'':{LABEL}}{'UNPATCHED':{COLUMN}}PATCHED"
    lines += [head, "-" * WIDTH]
    for r in rows(left, right):
        texts = [cut(c, COLUMN - 1) for c in r.cells]
        cells = [paint(c, g, colour) for c, g in zip(texts, r.good)]
        lines.append(f"{r.label:{LABEL}}{cells[0]}{' ' * (COLUMN - len(texts[0]))}{cells[1]}")
    for side in (left, right):
        for text in side.blame.values():
            lines += ["", *textwrap.wrap("the kernel's log: " + text, WIDTH, subsequent_indent=" " * 18,
                                         break_on_hyphens=False)]
    half = WIDTH // 2
    lines += ["", "Timeline of the SMMU, ms of virtual time since the unmap began",
              f"{'UNPATCHED':{half}}PATCHED", "-" * WIDTH]
    columns = []
    for side in (left, right):
        columns.append([f"{'' if ns is None else format((ns - side.start) / 1e6, '.3f'):>9} {text}"
                        for ns, text in shorten(side.timeline(), ROWS)])
    for n in range(max(map(len, columns))):
        a, b = (c[n] if n < len(c) else "" for c in columns)
        lines.append(f"{cut(a, half - 1):{half}}{cut(b, half)}".rstrip())
    return "\n".join(lines)


def verdict(name, tests, good, bad):
    failed = [text for ok, text in tests if not ok]
    return (not failed, f"{name}: {bad}: {'; '.join(failed)}" if failed else f"{name}: {good}")


def judge(unpatched, patched):
    """[(ok, text)] of the two boots."""
    return [verdict("unpatched", scenarios.judge_unpatched(unpatched, True),
                    "writes escaped, as they should", "did not fail as it should"),
            verdict("patched", scenarios.judge_patched(patched), "held", "did not hold")]


def sides(unpatched, patched):
    return Side(unpatched), Side(patched)


def whole_screen(left, right, judged, colour):
    return "\n".join([screen(left, right, colour), "", *(paint(text, ok, colour) for ok, text in judged)])


def report(left, right):
    return demo_report.page(left, right, list(rows(left, right)), notes(left.dead))


def readme_block(left, right, judged):
    return demo_readme.block(whole_screen(left, right, judged, False), [left.built_from(), right.built_from()])


def config(limit):
    """Instruction counting: what the screen shows is the same in every run."""
    return vm.Config("demo", cpus=2, icount=True, timeout_us=TIMEOUT_US, trace=True, limit=limit,
                      events=vm.TRACE_EVENTS + "ats_testdev_write\n")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    vm.add_arguments(p)
    vm.add_kernels(p)
    p.add_argument("--limit", type=float, default=180, help="seconds of the host for a guest")
    p.add_argument("--report", metavar="FILE", type=Path, help="write an HTML page with both timelines as pictures")
    p.add_argument("--update-readme", metavar="FILE", type=Path, help="write the screen into FILE's block for it")
    a = p.parse_args()

    if a.report and not a.report.absolute().parent.is_dir():
        sys.exit(f"demo: {a.report}: no such directory")
    if a.update_readme:
        try:
            demo_readme.find(a.update_readme.read_text(encoding="utf-8"), a.update_readme.name)
        except (OSError, demo_readme.NoBlock) as e:
            sys.exit(f"demo: {e}")
    kernels = list(vm.kernels_of(a).values())
    bench = vm.make_bench(a)
    cfg = config(a.limit)
    try:
        for kernel in kernels:
            bench.prepare(kernel)
    except initramfs.BuildError as e:
        sys.exit(f"demo: {e}")
    logs = [bench.out / "demo" / name for name in vm.STATES]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        boots = list(pool.map(lambda kl: bench.boot(kl[0], cfg, kl[1]), zip(kernels, logs)))

    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    judged = judge(*boots)
    left, right = sides(*boots)
    print(whole_screen(left, right, judged, colour))
    print(f"logs: {bench.out / 'demo'}")
    if a.report:
        a.report.write_text(report(left, right), encoding="utf-8")
        print(f"report: {a.report}")
    passed = all(ok for ok, _ in judged)
    if a.update_readme and not passed:
        print(f"{a.update_readme}: not updated, since a kernel did not do as expected")
    elif a.update_readme:
        demo_readme.update(a.update_readme, readme_block(left, right, judged))
        print(f"updated: {a.update_readme}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
