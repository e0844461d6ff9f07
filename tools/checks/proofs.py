# SPDX-License-Identifier: GPL-2.0-or-later
"""Does tools/bench/proofs.md say the truth about which test watches what? KTAP.

The page has a row for each promise, hazard and path, and names tests in words
like `guest:reset` or `kunit:queue_sticky`. Of each row:

- the tests that it names exist, and there is one that can fail, or the row says
  "No test:" and why;
- a mutant that it names is killed by a test of the same row, and the mutant's
  own text names the same promises and hazards;
- a row that says "Not in a guest" names no guest.

And of all: every scenario, every case of the series' suites and every mutant is
in a row, or stands under "Watched by no row" with the reason.

Whether the tests pass is for the other checks. Whether a test is good enough for
its row is for the reader to judge; mutants say how good at least.
"""
import os
import re
import subprocess
from typing import NamedTuple

from tools import TOP, command, ktap
from tools.bench import kernel as K
from tools.checks import mutants as M
from tools.models import search
from tools.series import repo as R

PAGE = TOP / "tools/bench/proofs.md"
WORD = re.compile(r"`(guest|kunit|model|mutant|check):([^`]+)`")
TESTS = ("guest", "kunit", "model", "check")
NO_TEST = re.compile(r"\bNo test: \w")
NO_GUEST = "Not in a guest"
UNWATCHED = "Watched by no row"
LABEL = re.compile(r"\b([IH]\d+)\b")
LABELS = [f"I{n}" for n in range(1, 13)] + [f"H{n}" for n in range(1, 31)]


class Row(NamedTuple):
    heading: str        # first cell
    text: str
    words: list         # [(kind, name)]

    def label(self):
        found = LABEL.match(self.heading)
        return found[1] if found else ""

    def named(self, *kinds):
        return [f"{kind}:{name}" for kind, name in self.words if kind in kinds]


# -- what there is -------------------------------------------------------------

def guests():
    out = subprocess.run(command("bench.scenarios", "--list"),
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    return {line.split(".")[0] for line in out.split()}


def kunit_cases():
    """Cases that the series' suites register, in whatever files they stand."""
    text = "".join(p.read_text() for p in sorted((TOP / K.DRIVER).glob("*-test.c")))
    return set(re.findall(r"^\t[A-Z]+_CASE\w*\((?:arm_smmu_atc_test_)?(\w+)\b(?!##)", text, re.M))


def models():
    """Models, and MODEL.MUTANT for each that the model says of itself."""
    found = set()
    for path in (TOP / "tools/models").glob("*.pml"):
        found |= {path.stem, *(f"{path.stem}.{m.name}" for m in search.read_head(path.read_text()).mutants)}
    return found


def checks():
    out = subprocess.run(command("checks.runner", "--list"),
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    return set(out.split())


def known():
    return {"guest": guests(), "kunit": kunit_cases(), "model": models(),
            "mutant": set(K.mutant_names()), "check": checks()}


class Mutant(NamedTuple):
    killers: list       # "guest:reset", "kunit:search"
    labels: set         # I1, H20


def read_mutant(text, killers):
    """What a patch says of itself; killers as mutants.py reads them."""
    words = [f"kunit:{k.where[len(M.KUNIT):]}" if k.where.startswith(M.KUNIT) else f"guest:{k.where.split('.')[0]}"
             for k in killers]
    head = text.split("\ndiff --git ", 1)[0].split("X-Killed-by:", 1)[0]
    return Mutant(words, set(LABEL.findall(" ".join(re.findall(r"\(([^()]*)\)", head)))))


def read_mutants():
    return {name: read_mutant((K.MUTANTS / f"{name}.patch").read_text(), M.read_killers(name))
            for name in K.mutant_names()}


# -- what the page says ----------------------------------------------------------

def read_page(text):
    """(rows, rows of "Watched by no row")"""
    rows, unwatched, section, before = [], [], "", ""
    for line in text.splitlines():
        if line.startswith("## "):
            section = line[3:].strip()
        # The first line of a table is its head, the second one a rule
        if section and line.startswith("| ") and before.startswith("|") and not set(line) <= set("|- "):
            row = Row(line.split("|")[1].strip(), line, WORD.findall(line))
            (unwatched if section == UNWATCHED else rows).append(row)
        before = line
    return rows, unwatched


def judge_row(row, have, mutants):
    """[complaint]"""
    lost = [f"{kind}:{name}" for kind, name in row.words if name not in have[kind]]
    found = [f"there is no {word}" for word in lost]
    tests = row.named(*TESTS)
    if not tests and not NO_TEST.search(row.text):
        found.append("names no test, and not why (No test: ...)")
    if tests and NO_TEST.search(row.text):
        found.append(f"says No test, and names {tests[0]}")
    if NO_GUEST in row.text and row.named("guest"):
        found.append(f"says {NO_GUEST}, and names {row.named('guest')[0]}")
    for name in [name for kind, name in row.words if kind == "mutant" and name in mutants]:
        if not set(mutants[name].killers) & set(tests):
            killers = ", ".join(mutants[name].killers)
            found.append(f"mutant:{name} is killed by none of the row's tests, but by {killers}")
        if row.label() and row.label() not in mutants[name].labels:
            found.append(f"mutant:{name} does not say that it is about {row.label()}")
    return found


def judge_labels(rows, mutants):
    """Promises and hazards that a mutant's text names, and whose row does not name it."""
    named = {row.label(): row.named("mutant") for row in rows if row.label()}
    return [f"{name} says that it is about {label}, whose row does not name it"
            for name, mutant in mutants.items() for label in sorted(mutant.labels)
            if f"mutant:{name}" not in named.get(label, [])]


def judge_all(rows, unwatched, have):
    """[(what, complaints)] about what no row names."""
    watched = {word for row in rows for word in row.named("guest", "kunit", "mutant")}
    excused = {word for row in unwatched for word in row.named("guest", "kunit")}
    found = []
    for kind, what in (("guest", "scenario"), ("kunit", "case of KUnit"), ("mutant", "mutant")):
        lost = [f"{kind}:{name}" for name in sorted(have[kind])
                if f"{kind}:{name}" not in watched | excused]
        found.append((f"every {what} is in a row", lost))
    stale = sorted(watched & excused)
    stale += [row.heading for row in unwatched if len([c for c in row.text.split("|") if c.strip()]) < 2]
    found.append((f"{UNWATCHED}: each with a reason, none of them in a row", stale))
    absent = [label for label in LABELS if label not in [row.label() for row in rows]]
    found.append(("every promise and hazard has a row", absent))
    return found


def main():
    rows, unwatched = read_page(PAGE.read_text())
    have, mutants = known(), read_mutants()
    report = ktap.Writer()
    for row in rows:
        bad = judge_row(row, have, mutants)
        report.case(f"{row.heading}: {len(row.words)} tests and mutants", not bad, bad)
    bad = judge_labels(rows, mutants)
    report.case("mutants stand where they say that they belong", not bad, bad)
    for what, bad in judge_all(rows, unwatched, have):
        report.case(what, not bad, bad)
    return report.close()


if __name__ == "__main__":
    os.chdir(TOP)
    ktap.run(main, R.SeriesError, OSError)
