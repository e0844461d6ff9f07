# SPDX-License-Identifier: GPL-2.0-or-later
"""What a kernel base other than the default needs beyond the common hooks.

tools/series/hooks/<base>/ holds two kinds of files:

  NAME.overlay  says which changes of the hook with that Subject do not fit this
                base ("Replaces:", by a hash of the lines that they remove and
                add), and has a diff that does instead what they do.
  NAME.patch    a mail of its own, for what only this base has. It goes in front
                of the hook named by "X-Before:", or to the end.

An overlay finds its hook by the subject and a change by its text, so a new number of
the hook, or other edits of it, do not make the overlay stale. A change is one run of
removed and added lines. It is searched around its line number with all of its context
and, if that is not found, with less context, if only one place has that.

This is not a merge. A hook whose replaced change was edited needs a review, see "make
tree" in tools/series/README.md. No file of a kernel is kept here.
"""
import hashlib
import re
from pathlib import Path
from typing import NamedTuple

HUNK = re.compile(rb"^@@ -(\d+)(?:,\d+)? \+\d+(?:,\d+)? @@")
# Lines of context that have to be left on each side when not all are found.
LEAST = 1


class OverlayError(Exception):
    """The one line that a user sees."""


class Change(NamedTuple):
    """One run of removed and added lines, with what stands around it."""
    path: str
    line: int               # where its context begins in the old file, from 0
    before: tuple           # context lines
    removed: tuple
    added: tuple
    after: tuple
    key: str


def split(diff):
    """{path: [Change]} of a git diff; files that come, go or are binary have none."""
    files, seen = {}, {}
    for part in re.split(rb"^(?=diff --git )", diff, flags=re.M):
        name = re.match(rb"diff --git a/\S+ b/(\S+)\n", part)
        if not name:
            continue
        path = name[1].decode()
        changes = files.setdefault(path, [])
        for hunk in re.split(rb"^(?=@@ )", part, flags=re.M)[1:]:
            changes += _hunk(path, hunk, seen)
    return files


def _hunk(path, hunk, seen):
    head, *lines = hunk.splitlines(keepends=True)
    at = int(HUNK.match(head)[1]) - 1
    # Runs of context (" ") and of changes ("+-"), alternating.
    runs = []
    for line in lines:
        if line.startswith(b"\\"):
            raise OverlayError(f"{path}: a file that does not end in a newline")
        kind = b" " if line[:1] in (b" ", b"\n") else b"+"
        if not runs or runs[-1][0] != kind:
            runs.append((kind, []))
        runs[-1][1].append(line)
    if runs and runs[0][0] == b"+":
        runs.insert(0, (b" ", []))
    if runs and runs[-1][0] == b"+":
        runs.append((b" ", []))
    found = []
    for i in range(1, len(runs), 2):
        before = tuple(ln[1:] if ln != b"\n" else ln for ln in runs[i - 1][1])
        after = tuple(ln[1:] if ln != b"\n" else ln for ln in runs[i + 1][1])
        at += len(before)
        removed = tuple(ln[1:] for ln in runs[i][1] if ln.startswith(b"-"))
        added = tuple(ln[1:] for ln in runs[i][1] if ln.startswith(b"+"))
        text = path.encode() + b"\0" + b"".join(runs[i][1])
        seen[text] = seen.get(text, 0) + 1
        key = hashlib.sha256(b"%d\0" % seen[text] + text).hexdigest()[:12]
        found.append(Change(path, at - len(before[-3:]), before[-3:], removed, added, after[:3], key))
        at += len(removed)
    return found


def places(lines, start, want):
    """Where the sequence `want` stands in `lines` from `start` on."""
    if not want:
        return []
    first, count = want[0], len(want)
    return [i for i in range(start, len(lines) - count + 1)
            if lines[i] == first and tuple(lines[i:i + count]) == want]


def locate(lines, change, start, expected):
    """(index of the removed lines, or None), see the top of the file."""
    for keep in range(3, LEAST - 1, -1):
        before, after = change.before[-keep:], change.after[:keep]
        found = places(lines, max(0, start - len(before)), before + change.removed + after)
        found = [p + len(before) for p in found if p + len(before) >= start]
        if not found:
            continue
        if keep == 3:
            return min(found, key=lambda p: abs(p - expected))
        return found[0] if len(found) == 1 else None
    return None


def patch_file(text, changes, drop):
    """(new text, [changes that do not fit]); those in `drop` are left out."""
    lines = text.splitlines(keepends=True)
    missed, drift, start = [], 0, 0
    for change in changes:
        if change.key in drop:
            continue
        expected = change.line + len(change.before) + drift
        at = locate(lines, change, start, expected)
        if at is None:
            missed.append(change)
            continue
        lines[at:at + len(change.removed)] = change.added
        grown = len(change.added) - len(change.removed)
        drift += at - expected + grown
        start = at + len(change.added)
    return b"".join(lines), missed


class Overlay:
    """hooks/<base>/NAME.overlay"""

    def __init__(self, path):
        self.path = Path(path)
        head, _, diff = self.path.read_bytes().partition(b"\n\n")
        self.subject, self.replaces = "", []
        for line in head.decode().splitlines():
            name, _, value = line.partition(": ")
            if name == "Hook":
                self.subject = value.strip()
            elif name == "Replaces":
                self.replaces.append(value.split()[0])
            else:
                raise OverlayError(f"{self.path.name}: '{line}' is neither Hook: nor Replaces:")
        if not self.subject:
            raise OverlayError(f"{self.path.name}: no Hook: line")
        self.diff = diff


def render(subject, replaced, diff):
    """Bytes of an overlay. `diff`: what stands for the replaced changes."""
    diff = re.sub(rb"^index .*\n", b"", diff, flags=re.M)
    head = f"Hook: {subject}\n" + "".join(f"Replaces: {c.key} {c.path}\n" for c in replaced)
    return head.encode() + b"\n" + diff


def apply(hook, overlay, read):
    """{path: new text} after hook and overlay; `read(path)` gives the old text.

    Raises OverlayError with what does not fit.
    """
    out, missed, have = {}, [], set()
    drop = set(overlay.replaces) if overlay else set()
    for path, changes in split(hook.diff).items():
        have |= {c.key for c in changes}
        out[path], lost = patch_file(read(path), changes, drop)
        missed += lost
    if drop - have:
        raise OverlayError(f"{overlay.path.name} replaces a change that the hook no longer has")
    if missed:
        raise OverlayError(f"{len(missed)} changes do not fit, the first to {missed[0].path}")
    for path, changes in (split(overlay.diff).items() if overlay else ()):
        out[path], lost = patch_file(out.get(path) or read(path), changes, ())
        if lost:
            raise OverlayError(f"{overlay.path.name} does not fit {path}")
    return out


def fitting(hook, read):
    """({path: text}, [changes left out]): as much of the hook as fits."""
    out, missed = {}, []
    for path, changes in split(hook.diff).items():
        text, lost = patch_file(read(path), changes, ())
        missed += lost
        # What fits depends on what was left out before it: take those out at once.
        out[path], again = patch_file(read(path), changes, {c.key for c in lost})
        missed += again
    return out, missed
