# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads the trace of the SMMU and of the endpoints, as QEMU's log backend
writes it: one event a line, its name, then "key=value" or "key value" pairs;
the first pair is "ns", the virtual clock.

Not a general reader of QEMU traces: events without "ns" are left out.
"""

import re
from collections import namedtuple

Event = namedtuple("Event", "ns name args")

# "1234@1700000000.123456:" stands in front when time stamps of messages are on
LINE = re.compile(r"^(?:\d+@\d+\.\d+:)?(\w+) (.*)$")
PAIR = re.compile(r"(\w+)(?:=|: | )(\S+?)(?=[,;]?(?:\s|$))")


def parse_line(line):
    """Returns an Event or None."""
    found = LINE.match(line.strip())
    if not found:
        return None
    args = dict(PAIR.findall(found[2]))
    try:
        ns = int(args.pop("ns"), 0)
    except (KeyError, ValueError):
        return None
    return Event(ns, found[1], args)


def parse(lines):
    return [e for e in map(parse_line, lines) if e]


def number(event, key):
    """An argument as a number; None when it is not there or not one."""
    try:
        return int(event.args[key], 0)
    except (KeyError, ValueError):
        return None


def window(events, start, end):
    return [e for e in events if start <= e.ns <= end]


def count(events, name, /, **args):
    return sum(1 for e in events if e.name == name
               and all(e.args.get(k) == v for k, v in args.items()))
