# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel versions that the series is made for, and where Debian has them.

To add a version, add a line here, and what differs to tools/series/PART/BASE/ (see
README.md beside this file). Versions of packages are not listed: set-up takes the
newest one in the suites.
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
