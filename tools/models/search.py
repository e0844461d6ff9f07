# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks the models with Spin, and that it finds each mutant of them; KTAP.

A model is searched in full: a search that was cut short by depth, memory or time
has failed, and so has one in which a statement is never reached. A mutant has to
violate the property that its line in the head of the model names. What is to be
run is read from these heads: "Runs:", "Mutants:" and "Known:", see README.md.

Trails of what was found are left in $(O)/models/, as text.

usage: python3 -m tools.models.search --out DIR [MODEL...]
"""
import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
from tools import ktap

MODELS = tuple(sorted(path.stem for path in HERE.glob("*.pml")))
LIVE = "LIVE"                # the run that searches for endless repetition
DEPTH = 100000
TIMEOUT = 540                # seconds for one search: on a machine that is busy

PROPERTY = re.compile(r"^ \*  ([a-z][a-z-]+)\s")
RUN = re.compile(r"^ \*  ([A-Z][A-Z_]*): ")
MUTANT = re.compile(r"^ \*  ([A-Z][A-Z_]*)((?: [A-Z_]+)*) \(([a-z-]+)\): (.+)$")
CUT_SHORT = ("max search depth too small", "out of memory", "Search not completed",
             "hashtable full", "VECTORSZ", "aborting", "pan: reached -DMEMLIM")


class Mutant(NamedTuple):
    name: str
    runs: tuple              # macros beside its own
    found_as: str            # the property
    text: str


class Head(NamedTuple):
    properties: list
    runs: list               # without the plain one
    mutants: list
    known: list              # as mutants, but what the driver does


class Search(NamedTuple):
    error: str               # what pan says, or ""
    complete: bool
    states: int
    unreached: frozenset     # lines


def read_head(text):
    """What a model says of itself in its first comment after the licence."""
    section = ""
    head = Head([], [], [], [])
    for line in text[:text.index("\n */")].splitlines():
        if line.startswith(" * ") and line.endswith(":") and not line.startswith(" *  "):
            section = line[3:-1]
        found = {"Properties": PROPERTY, "Runs": RUN, "Mutants": MUTANT,
                 "Known": MUTANT}.get(section)
        found = found and found.match(line)
        if not found:
            continue
        if section == "Properties":
            head.properties.append(found[1])
        elif section == "Runs":
            head.runs.append(found[1])
        else:
            mutants = head.mutants if section == "Mutants" else head.known
            mutants.append(Mutant(found[1], tuple(found[2].split()), found[3], found[4]))
    return head


def read_search(out):
    """pan's report. Without its closing part, nothing has been searched in full."""
    found = re.search(r"^pan:1: (.+?) \(at depth \d+\)$", out, re.M)
    error = found[1] if found else ""
    states = re.search(r"^ *([\d.e+]+) states, stored", out, re.M)
    full = (re.search(r"^Full statespace search for:$", out, re.M)
            and re.search(r"^State-vector \d+ byte, depth reached \d+, errors: 0$", out, re.M)
            and states and not any(word in out for word in CUT_SHORT))
    unreached = frozenset(int(m[1]) for m in re.finditer(r"^\t[\w.-]+:(\d+), state \d+, \"(?!-end-)", out, re.M))
    return Search(error, bool(full) and not error, int(float(states[1])) if states else 0, unreached)


def violated(error, trail, source, properties):
    """Name of the property: for an assertion the one in the comment on its line."""
    if error.startswith("invalid end state"):
        return "no-deadlock"
    if error.startswith("non-progress cycle"):
        return "no-livelock"
    found = re.search(r":(\d+), Error: assertion violated", trail)
    if not found:
        return ""
    names = re.findall(r"/\* ([a-z-]+) \*/", source.splitlines()[int(found[1]) - 1])
    return names[-1] if names and names[-1] in properties else ""


def call(command, where):
    try:
        proc = subprocess.run(command, cwd=where, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return 1, f"not done after {TIMEOUT} s"
    return proc.returncode, proc.stdout


def search(model, macros, where):
    """Returns the search, and what pan or the compiler said."""
    for path in (HERE / f"{model}.pml", HERE / "order.h"):
        shutil.copy(path, where)
    status, out = call(["spin", "-a", *(f"-D{m}" for m in macros), f"{model}.pml"], where)
    if status or not (where / "pan.c").exists():
        return read_search(""), out
    status, out = call(["gcc", "-O1", "-w", "-DNOFAIR", "-DNP" if LIVE in macros else "-DSAFETY",
                        "-o", "pan", "pan.c"], where)
    if status:
        return read_search(""), out
    status, out = call(["./pan", f"-m{DEPTH}", *(["-l"] if LIVE in macros else [])], where)
    return (read_search(out) if not status else read_search("")), out


class Checker:
    def __init__(self, out):
        self.trails = out / "models"
        self.comments = []

    def trail(self, model, macros, where):
        """Replays what was found; the text stays for a reader."""
        if not (where / f"{model}.pml.trail").exists():
            return ""
        _, text = call(["spin", "-t", "-p", "-g", *(f"-D{m}" for m in macros), f"{model}.pml"], where)
        path = self.trails / f"{'.'.join([model, *macros])}.txt"
        path.write_text(text, encoding="utf-8")
        return text

    def run(self, model, macros):
        with tempfile.TemporaryDirectory(dir=self.trails) as folder:
            where = Path(folder)
            result, out = search(model, macros, where)
            trail = self.trail(model, macros, where) if result.error else ""
        return result, out, trail

    def plain(self, model, head):
        """The model as it is, in all of its runs."""
        rows, unreached = [], None
        for run in ("", *head.runs):
            macros = [run] if run else []
            result, out, trail = self.run(model, macros)
            name = f"run {run}" if run else "model"
            rows.append((result.complete, f"{name}: searched in full, {result.states} states"))
            if not result.complete:
                self.comments += [f"{model} {name}: {result.error or 'not searched in full'}"]
                self.comments += (trail or out).splitlines()[-30:]
            unreached = result.unreached if unreached is None else unreached & result.unreached
        rows.append((not unreached, "every statement is reached"))
        if unreached:
            self.comments.append(f"{model}.pml: never reached: lines {sorted(unreached)}")
        return rows

    def mutant(self, model, head, mutant):
        macros = [mutant.name, *mutant.runs]
        result, out, trail = self.run(model, macros)
        source = (HERE / f"{model}.pml").read_text(encoding="utf-8")
        name = violated(result.error, trail, source, head.properties) if result.error else ""
        ok = name == mutant.found_as
        if not ok:
            self.comments.append(f"{model} {mutant.name}: {mutant.found_as} expected, "
                                 f"{name or result.error or 'nothing'} found")
            if not result.error and not result.complete:
                self.comments += out.splitlines()[-10:]
        kind = "known" if mutant in head.known else "mutant"
        return ok, f"{kind} {mutant.name}: found as {mutant.found_as}"

    def check(self, model):
        head = read_head((HERE / f"{model}.pml").read_text(encoding="utf-8"))
        return self.plain(model, head) + [self.mutant(model, head, m) for m in head.mutants + head.known]


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", required=True, type=Path)
    ap.add_argument("models", nargs="*", choices=[[], *MODELS], metavar="MODEL")
    args = ap.parse_args()
    for tool in ("spin", "gcc"):
        if not shutil.which(tool):
            sys.exit(f"models: {tool} is not installed, see tools/setup/packages")
    checker = Checker(args.out.resolve())
    checker.trails.mkdir(parents=True, exist_ok=True)
    models = args.models or MODELS
    writer = ktap.Writer(len(models))
    for model in models:
        checker.comments = []
        rows = checker.check(model)
        writer.comment("\n".join(checker.comments))
        writer.test(model, rows)
    return writer.close()


if __name__ == "__main__":
    sys.exit(main())
