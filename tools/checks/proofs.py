# SPDX-License-Identifier: GPL-2.0-or-later
"""Does each proof that tools/bench/proofs.md names exist?

The page says by which tests each invariant, hazard and path is shown, as words
like `guest:reset` or `kunit:queue_sticky`. A test that was renamed or removed
must not stay there as a claim. Whether the tests pass is for the other checks,
and whether they prove what the page says, for its reader.

Prints KTAP.
"""
import os
import re
import subprocess
import sys

from tools import TOP, command, ktap

PAGE = TOP / "tools/bench/proofs.md"
WORD = re.compile(r"`(guest|kunit|model|mutant|bench|check):([^`]+)`")


def guests():
    out = subprocess.run(command("bench.scenarios", "--list"),
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    return {line.split(".")[0] for line in out.split()}


def kunit_cases():
    text = (TOP / "drivers/iommu/arm/arm-smmu-v3/arm-smmu-v3-atc-test.c").read_text()
    return set(re.findall(r"\barm_smmu_atc_test_(\w+)\(struct kunit", text)) | \
        set(re.findall(r"\bQUEUE_CASE\((\w+)\)", text))


def names(folder, suffix):
    return {p.stem for p in (TOP / folder).glob(f"*{suffix}")}


def checks():
    out = subprocess.run(command("checks.runner", "--list"),
                         stdout=subprocess.PIPE, text=True, check=True).stdout
    return set(out.split())


def known():
    return {"guest": guests(), "kunit": kunit_cases(), "model": names("tools/models", ".pml"),
            "mutant": names("tools/bench/mutants", ".patch"), "check": checks()}


def claims(text):
    """{heading: [(kind, name)]}; a heading is the first cell of a table's row."""
    found = {}
    for line in text.splitlines():
        words = WORD.findall(line)
        if line.startswith("| ") and words:
            found.setdefault(line.split("|")[1].strip(), []).extend(words)
    return found


def missing(words, have):
    return [f"{kind}:{name}" for kind, name in words if kind in have and name not in have[kind]]


def unnamed(text, have):
    """Mutants that no row says what for."""
    return sorted(have["mutant"] - {name for kind, name in WORD.findall(text) if kind == "mutant"})


def main():
    text = PAGE.read_text()
    have = known()
    rows = claims(text)
    report = ktap.Writer(len(rows) + 2)
    for heading, words in rows.items():
        lost = missing(words, have)
        report.test(heading, [(not lost, f"{len(words)} proofs exist" if not lost
                               else "no such test: " + ", ".join(lost))])
    wanted = [f"I{n}" for n in range(1, 13)] + [f"H{n}" for n in range(1, 31)]
    absent = [w for w in wanted if not re.search(rf"^\| {w}\b", text, re.M)]
    report.test("every invariant and hazard has a row", [(not absent, ", ".join(absent) or "all of them")])
    orphans = unnamed(text, have)
    report.test("every mutant is named", [(not orphans, ", ".join(orphans) or f"{len(have['mutant'])} mutants")])
    return report.close()


if __name__ == "__main__":
    os.chdir(TOP)
    sys.exit(main())
