# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes the KTAP of a check that is made of Python functions.

Not for reading KTAP: run.py counts, tools/bench/ktap.py reads guests' logs.
"""
import re


class Report:
    def __init__(self):
        self.results = []

    def case(self, title, ok, details=(), skip=""):
        self.results.append(bool(ok) or bool(skip))
        for line in details:
            print(f"# {line}")
        title = re.sub(r"\s+", " ", title.replace("#", ""))
        print(f"{'ok' if ok or skip else 'not ok'} {len(self.results)} {title}"
              + (f" # SKIP {skip}" if skip else ""), flush=True)

    def close(self):
        """Plan at the end: how many there are is known only now."""
        print(f"1..{len(self.results)}", flush=True)
        return 0 if self.results and all(self.results) else 1
