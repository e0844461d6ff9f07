# SPDX-License-Identifier: GPL-2.0-or-later
"""When something happened, on the machine's clock: of the SMMU, and of a line in the kernel's log.

QEMU's trace has the machine's clock. The log has one of its own, which begins
later; the line that PID 1 writes at its beginning ("the clock is at") tells how
much. So what a line says can be held against the moment that it is about.

What counts is how long the command queue stood still, which one act of a test
does not know: another one may have begun when it did not run.

Only for guests whose instructions are counted: elsewhere the machine's clock
goes on while the host does something else.
"""

import re
from collections import namedtuple

from tools.bench import qtrace

STAMP = re.compile(r"^\[ *(\d+)\.(\d{6})\](?:\[ *[TC]\d+\])? ?(.*)$")
ANCHOR = re.compile(r"^init: the clock is at (\d+) ns$")

# end: None if it went on never
Standstill = namedtuple("Standstill", "start end")


def log_lines(lines):
    """[(ns, text)] of a console log, on the machine's clock; empty if the log does not tell it."""
    found, offset = [], None
    for line in lines:
        match = STAMP.match(line.rstrip("\r\n"))
        if not match:
            continue
        ns = int(match[1]) * 10 ** 9 + int(match[2]) * 1000
        anchor = ANCHOR.match(match[3])
        if anchor and offset is None:
            offset = int(anchor[1]) - ns
        found.append((ns, match[3]))
    return [] if offset is None else [(ns + offset, text) for ns, text in found]


def standstills(events):
    """Each time that a CMD_SYNC did not complete at once, until the next command was consumed."""
    found, since = [], None
    for event in events:
        if event.name == "smmuv3_cmd_sync" and since is None:
            since = event.ns
        elif event.name == "smmuv3_cmdq_cmd" and since is not None:
            if event.ns > since:
                found.append(Standstill(since, event.ns))
            since = None
    return found + ([Standstill(since, None)] if since is not None else [])


def longest(events):
    """The standstill that did not end, or else the longest one; None if there is none."""
    found = standstills(events)
    return max(found, key=lambda s: (s.end is None, (s.end or 0) - s.start), default=None)


def first(events):
    """The first standstill of a second or more, after which the driver says that it waits."""
    return next((s for s in standstills(events) if s.end is None or s.end - s.start >= 10 ** 9), None)


def refusals(events, since):
    """{endpoint: ns} of the first write that was refused since then."""
    found = {}
    for event in events:
        if event.name == "ats_testdev_hammer" and event.ns > since and qtrace.number(event, "refused"):
            found.setdefault(event.args.get("name"), event.ns)
    return found


def judge_stop(events, names, at_least, at_most):
    """[(ok, text)]: how long the queue stood still until the SMMU refused the writes of all of these; in ms."""
    still = longest(events)
    since = still.start if still else 0
    when = refusals(events, since)
    took = [(when[name] - since) / 1e6 for name in names if name in when]
    good = bool(still and names) and len(took) == len(names) and at_least <= min(took) and max(took) <= at_most
    span = f"{min(took):.0f} to {max(took):.0f}" if took else "no"
    return [(good, f"stopped for {len(took)} of {len(names)} endpoints {span} ms after the queue, "
             f"{at_least:.0f} to {at_most:.0f}")]


def judge_lines(events, console, expected):
    """[(ok, text)] of {regular expression: (at least, at most)}, ms after the queue first stood still."""
    still, lines, tests = first(events), log_lines(console), []
    for pattern, (at_least, at_most) in expected.items():
        after = [(ns - still.start) / 1e6 for ns, text in lines if re.search(pattern, text)] if still else []
        when = next((ms for ms in after if ms >= 0), None)
        told = "never" if when is None else f"{when:.0f} ms after the queue stopped"
        tests.append((when is not None and at_least <= when <= at_most,
                      f"the log says '{pattern}' {told}, {at_least:.0f} to {at_most:.0f}"))
    return tests
