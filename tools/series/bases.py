# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel versions that the series is made for, and where Debian has them.

To add one: a line here, and what really differs in tools/series/hooks/<base>/
(see README.md beside this file). What is not here: versions of packages; the
newest one that the suites offer is taken.
"""
from pathlib import Path
from typing import NamedTuple


class Base(NamedTuple):
    package: str         # Debian binary package that holds the source tarball
    suites: tuple        # where to look for it; the newest version wins


BASES = {
    "7.2": Base("linux-source-7.2", ("trixie-backports", "forky", "sid")),
    "7.3": Base("linux-source-7.3", ("trixie-backports", "forky", "sid", "experimental")),
}
DEFAULT = "7.2"


def folder(out, base):
    """Where a base is unpacked, built and run: $(O), or a folder in it."""
    return Path(out) if base == DEFAULT else Path(out) / base


def others(base):
    """The bases besides `base`."""
    return [name for name in BASES if name != base]
