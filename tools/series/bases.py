# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel versions that the series is made for, and where Debian has them.

To add one: a line here, and, only where a hook's text really differs, a
tools/series/hooks/<base>/NNNN-slug.patch of the same name, which then stands
in for the common one. What is not here: versions of packages; the newest one
that the suites offer is taken.
"""
from typing import NamedTuple


class Base(NamedTuple):
    package: str         # Debian binary package that holds the source tarball
    suites: tuple        # where to look for it; the newest version wins


BASES = {
    "7.2": Base("linux-source-7.2", ("trixie-backports", "forky", "sid")),
}
DEFAULT = "7.2"
