# SPDX-License-Identifier: GPL-2.0-or-later
"""No phrase that stops a reader stands in pages, comments and messages of patches; KTAP.

words.tsv beside this file lists phrases and what to write instead. Each file is
read as one text, without the marks of comments, so that a phrase is also found
across lines. Files that cannot be changed now have a line "allow", with the number
of hits that they may have at most. Lower that number with each rewrite.

The check knows phrases, not grammar: a text that passes may still be unclear.
"""
import bisect
import fnmatch
import re
import sys
from pathlib import Path
from typing import NamedTuple

from tools import TOP, ktap
from tools.checks import scripts

LIST = Path(__file__).with_suffix(".tsv")
PAGES = ("README.md", "MAINTAINERS", "Documentation/*", "drivers/*", "tools/*.md",
         "tools/testing/selftests/iommu/ats/*", "tools/series/*.patch")
# The marks of a comment or of a list item at the start of a line.
MARK = re.compile(r"^[\s]*(?:/\*+|\*/|\*|//|#+|-|>)?[ \t]*")


class Ban(NamedTuple):
    pattern: re.Pattern
    instead: str


class Allow(NamedTuple):
    files: str
    most: int
    reason: str


def read_list(text, name="words.tsv"):
    """([Ban], [Allow]); SystemExit with the line that is malformed."""
    bans, allows = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) == 3 and fields[0] == "ban" and fields[2].strip():
            bans.append(Ban(re.compile(rf"(?<![\w-])(?:{fields[1]})(?![\w-])"), fields[2]))
        elif len(fields) == 4 and fields[0] == "allow" and fields[2].isdigit() and fields[3].strip():
            allows.append(Allow(fields[1], int(fields[2]), fields[3]))
        else:
            raise SystemExit(f"{name}:{number}: neither 'ban<TAB>phrase<TAB>instead' "
                             "nor 'allow<TAB>files<TAB>number<TAB>reason'")
    return bans, allows


def joined(text):
    """(the lines as one text in lower case, where each line starts in it)."""
    parts, starts, at = [], [], 0
    for line in text.splitlines():
        part = MARK.sub("", line, count=1).rstrip().lower() + " "
        starts.append(at)
        parts.append(part)
        at += len(part)
    return "".join(parts), starts


def hits(text, bans):
    """[(line number, phrase, what to write instead)]"""
    whole, starts = joined(text)
    found = [(bisect.bisect_right(starts, m.start()), m[0], ban.instead)
             for ban in bans for m in ban.pattern.finditer(whole)]
    return sorted(found)


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, p) for p in patterns)


def judge(texts, bans, allows):
    """[(title, ok, lines)] of {name: text}."""
    found = {name: hits(text, bans) for name, text in texts.items()}
    free = {name: found[name] for name in found if not matches(name, [f for a in allows for f in a.files.split()])}
    lines = [f"{name}:{line}: \"{phrase}\": {instead}"
             for name in sorted(free) for line, phrase, instead in free[name]]
    results = [(f"{len(free)} files have no phrase of words.tsv", bool(free) and not lines, lines)]
    for allow in allows:
        mine = [f"{name}:{hit[0]}: \"{hit[1]}\"" for name in sorted(found) if matches(name, allow.files.split())
                for hit in found[name]]
        many = len(mine) > allow.most
        results.append((f"{allow.files}: {len(mine)} phrases, at most {allow.most}", not many, mine if many else []))
    return results


def of_patch(text):
    """The message of a patch, and the lines that it adds: what is left or moved is the kernel's own text."""
    message, _, diff = text.partition("\n---\n")
    lines = diff.splitlines()
    moved = {line[1:].strip() for line in lines if line.startswith("-")}
    added = [line[1:] if line.startswith("+") and not line.startswith("+++ ") and line[1:].strip() not in moved else ""
             for line in lines]
    return "\n".join([message, "", *added])


def main():
    bans, allows = read_list(LIST.read_text(encoding="utf-8"))
    texts = {}
    for path in scripts.tracked():
        name = str(path.relative_to(TOP))
        if matches(name, PAGES):
            text = path.read_text(encoding="utf-8", errors="replace")
            texts[name] = of_patch(text) if path.suffix == ".patch" else text
    report = ktap.Writer()
    for title, ok, lines in judge(texts, bans, allows):
        report.case(title, ok, lines)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
