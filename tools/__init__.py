# SPDX-License-Identifier: GPL-2.0-or-later
"""Everything around the series: build, boot, judge, report.

It is one package, run from the top of the clone: python3 -m tools.bench.scenarios.
README.md describes each folder.
"""
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
# Not the one in PATH: set-up installs the modules of the distribution's Python.
PY = "/usr/bin/python3"


def command(module, *args):
    """argv that runs a module of this package, in the folder TOP."""
    return [PY, "-m", f"tools.{module}", *map(str, args)]
