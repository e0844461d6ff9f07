# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables beside checks. Exceptions: what a check lets through, and why.

A row is three fields that say what, and a reason, separated by tabs. Empty lines and
lines that begin with # are comments. What the fields mean is the check's affair.
"""


def read_exceptions(path, is_good, columns, error):
    """{(three fields): reason}. Raises `error` for a row that is not `columns`, or is there twice."""
    found = {}
    for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        fields = [f.strip() for f in line.split("\t")]
        if len(fields) != 4 or not all(fields) or not is_good(fields):
            raise error(f"{path.name}:{n}: not {columns}")
        if tuple(fields[:3]) in found:
            raise error(f"{path.name}:{n}: twice")
        found[tuple(fields[:3])] = fields[3]
    return found
