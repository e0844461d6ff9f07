# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything around the series: build, boot, judge, report.

One package, run from the top of the clone: python3 -m tools.bench.scenarios.
What each folder is for stands in README.md.
"""
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
# The distribution's, whatever else is in PATH: set-up installs its modules.
PY = "/usr/bin/python3"


def command(module, *args):
    """argv that runs a module of this package; to be started in TOP."""
    return [PY, "-m", f"tools.{module}", *map(str, args)]
