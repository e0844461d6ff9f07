# SPDX-License-Identifier: GPL-2.0-or-later
"""Looks for splats (WARN, Oops, lockdep, stalls...) in a kernel console log.

The rules are data, in splats.txt beside this file. As a program: reads the
files named, prints each finding as FILE:LINE: reason: text, and exits with 1
when there is any, with 2 when a file cannot be read.

Not a judge of anything else in the log.
"""

import os
import re
import sys
from collections import namedtuple

RULES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "splats.txt")

# The reason of lines that stand below what a splat is about
PART = "part of any splat"

Rule = namedtuple("Rule", "verdict regex reason")
Splat = namedtuple("Splat", "lineno reason text")

# "[    1.234567] ", with CONFIG_PRINTK_CALLER "[    1.234567][    T1] "
STAMP = re.compile(r"^(<\d+>)?(\[ *\d+\.\d+\])?(\[ *[TC]\d+\])? ?")


def load_rules(path=RULES):
    """Returns the rules; raises ValueError on a malformed line."""
    rules = []
    with open(path, encoding="utf-8") as f:
        for n, line in enumerate(f, 1):
            line = line.rstrip("\n")
            if not line or line.startswith("#"):
                continue
            fields = line.split("\t")
            if len(fields) != 3 or fields[0] not in ("deny", "allow") \
                    or not fields[2].strip():
                raise ValueError(f"{path}:{n}: not verdict, regex, reason")
            rules.append(Rule(fields[0], re.compile(fields[1]), fields[2]))
    if not any(r.verdict == "deny" for r in rules):
        raise ValueError(f"{path}: no deny rule")
    return rules


def strip(line):
    """Takes the carriage return and the time stamp off a console line."""
    return STAMP.sub("", line.rstrip("\r\n"))


def scan(lines, rules=None):
    """Returns the list of splats in the lines of a log."""
    rules = load_rules() if rules is None else rules
    allow = [r for r in rules if r.verdict == "allow"]
    deny = [r for r in rules if r.verdict == "deny"]
    found = []
    for n, line in enumerate(lines, 1):
        text = strip(line)
        if any(r.regex.search(text) for r in allow):
            continue
        for rule in deny:
            if rule.regex.search(text):
                found.append(Splat(n, rule.reason, text))
                break
    return found


def scan_file(path, rules=None):
    with open(path, encoding="utf-8", errors="replace") as f:
        return scan(f, rules)


def main(argv):
    rules = load_rules()
    status = 0
    for path in argv[1:]:
        try:
            for s in scan_file(path, rules):
                print(f"{path}:{s.lineno}: {s.reason}: {s.text}")
                status = max(status, 1)
        except OSError as e:
            print(f"{path}: {e.strerror}", file=sys.stderr)
            status = 2
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv))
