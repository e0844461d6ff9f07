# SPDX-License-Identifier: GPL-2.0-or-later
"""The demo's screen in the README: writes the marked block, and compares it.

Under instruction counting the screen depends on its inputs alone: kernels, QEMU
and the test. The block names the kernels' versions, their compilers, and what was
booted by its hash. Where these are the same, the block has to be the same, character
by character. With other guests the times differ, so then only the words of the table
are compared; a module that was built in another folder is another guest.

Does not boot anything: demo.py and determinism.py do.
"""

import re

BEGIN, END = "<!-- demo: begin -->", "<!-- demo: end -->"
BLOCK = re.compile(re.escape(BEGIN) + r"\n.*?" + re.escape(END), re.S)


class NoBlock(Exception):
    """The file has not exactly one block; the text says so."""


def block(screen, built_from):
    inputs = "; ".join(f"{name}: {text}" for name, text in zip(("unpatched", "patched"), built_from))
    return f"{BEGIN}\n<!-- {inputs} -->\n```text\n{screen.rstrip()}\n```\n{END}"


def find(text, name):
    found = BLOCK.findall(text)
    if len(found) != 1:
        raise NoBlock(f"{name}: {len(found)} blocks from {BEGIN} to {END}, there has to be one")
    return found[0]


def update(path, new):
    text = path.read_text(encoding="utf-8")
    old = find(text, path.name)
    path.write_text(text.replace(old, new), encoding="utf-8")


def inputs(text):
    return (text.splitlines() + ["", ""])[1]


def words(text):
    """The table's words, and of its numbers only which are 0: what other kernels of the series have to show, too."""
    table = text.split("\nTimeline of the SMMU")[0].splitlines()[2:]
    return [re.sub(r"\s+", " ", re.sub(r"\d[\d.]*", lambda m: "0" if m[0] == "0" else "N", line)).strip(" -")
            for line in table]


def compare(text, name, today):
    """(what was compared, [what differs]) of a README's text with today's block."""
    try:
        old = find(text, name)
    except NoBlock as e:
        return "the block", [str(e)]
    exact = inputs(old) == inputs(today)
    mine, theirs = (old.splitlines(), today.splitlines()) if exact else (words(old), words(today))
    what = "every character" if exact else f"the table's words; {inputs(old)} and not {inputs(today)}"
    differing = [f"{a!r} is now {b!r}" for a, b in zip(mine, theirs) if a != b]
    if len(mine) != len(theirs):
        differing.append(f"{len(mine)} lines are now {len(theirs)}")
    return what, differing
