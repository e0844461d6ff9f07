# SPDX-License-Identifier: GPL-2.0-or-later
"""The one judge of KUnit's results: did every case of the source run, and pass?

The suites and their cases are read from the test files of the kernel tree that
was built, as KUNIT_CASE() and its like name them, also within macros of a file.
A suite that is missing, a case that did not run, one that was skipped and one
that the source does not have are failures: then either the guest or this reader
is wrong. The test files of this repository have to be among those of the tree.

What a case checks is not known here. kunit.py parse, the kernel's reader, is
used by tools/checks/kunit.py, which hands what it read to the same judge.
"""

import re
import subprocess
from collections import namedtuple
from pathlib import Path

from tools import TOP, ktap

DRIVER = "drivers/iommu/arm/arm-smmu-v3"
# As tools/series/repo.py names them
REFS = {"unpatched": "refs/atc/base", "patched": "refs/atc/series"}

# (suite, case): why it may be skipped in a guest of ours
SKIPS = {}

PASS, FAIL, SKIP = "PASS", "FAIL", "SKIP"

# params: results of a case that has parameters, else empty
Case = namedtuple("Case", "name status params")
Suite = namedtuple("Suite", "name status cases")
Param = namedtuple("Param", "name status")


class SourceError(Exception):
    """The test files cannot be read, or not understood."""


# -- what the source has -------------------------------------------------------

DEFINE = re.compile(r"^[ \t]*#[ \t]*define[ \t]+(\w+)\(([^)]*)\)[ \t]*((?:\\\n|[^\n])*)", re.M)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+"([^"]+)"', re.M)
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.S)
MATTERS = re.compile(r"\bKUNIT_CASE|\bstruct\s+kunit_suite\b")
ARRAY = re.compile(r"\bstruct\s+kunit_case\s+(\w+)\s*\[\s*\]\s*=\s*\{(.*?)\}\s*;", re.S)
SUITE = re.compile(r"\bstruct\s+kunit_suite\s+\w+\s*=\s*\{(.*?)\}\s*;", re.S)
CASE = re.compile(r"\b(KUNIT_CASE\w*)\s*\(")
NAME = re.compile(r'\.name\s*=\s*((?:"[^"]*"\s*)+)')


def arguments(text, start, most=0):
    """(arguments of the call whose parenthesis opens at start, index behind it)"""
    depth, found, last = 0, [], start + 1
    for i in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if not depth or (depth == 1 and text[i] == "," and len(found) + 1 != most):
            found.append(text[last:i].strip())
            last = i + 1
        if not depth:
            return found, i + 1
    raise SourceError(f"no closing parenthesis: {text[start:start + 60]}")


def macros_of(texts):
    """{name: (parameters, body)} of the macros that make cases or suites."""
    every = {m[1]: ([a.strip() for a in m[2].split(",")], m[3].replace("\\\n", " "))
             for text in texts for m in DEFINE.finditer(text)}
    found, before = {}, -1
    while len(found) != before:
        before = len(found)
        calls = re.compile(rf"\b(?:{'|'.join(found)})\s*\(") if found else MATTERS
        found.update({name: m for name, m in every.items() if MATTERS.search(m[1]) or calls.search(m[1])})
    return found


def expand(text, macros):
    """The text with these macros expanded."""
    if not macros:
        return text
    call = re.compile(rf"\b({'|'.join(macros)})\s*\(")
    while found := call.search(text):
        names, body = macros[found[1]]
        values, end = arguments(text, found.end() - 1, len(names))
        for name, value in zip(names, values):
            name = "__VA_ARGS__" if name == "..." else name
            body = re.sub(rf"\b{name}\b", lambda m, value=value: value, body)
        text = text[:found.start()] + re.sub(r"\s*##\s*", "", body) + text[end:]
    return text


def cases_of(text):
    """{case: whether it has parameters} of an array's text."""
    return {arguments(text, m.end() - 1)[0][0]: "PARAM" in m[1] for m in CASE.finditer(text)}


def read_source(text, headers=()):
    """{suite: {case: whether it has parameters}} of a test file and the headers that it includes."""
    texts = [COMMENT.sub(" ", t) for t in (*headers, text)]
    text = expand(DEFINE.sub("", texts[-1]), macros_of(texts))
    arrays = {m[1]: cases_of(m[2]) for m in ARRAY.finditer(text)}
    suites, used = {}, set()
    for found in SUITE.finditer(text):
        name = NAME.search(found[1])
        array = re.search(r"\.test_cases\s*=\s*(\w+)", found[1])
        if not name or not array or not arrays.get(array[1]):
            raise SourceError(f"a suite without name or cases: {found[0][:80]}")
        suites["".join(re.findall(r'"([^"]*)"', name[1]))] = arrays[array[1]]
        used.add(array[1])
    lost = sorted(set(arrays) - used)
    if lost or not suites:
        raise SourceError(f"cases without a suite: {', '.join(lost)}" if lost else "no suite")
    return suites


def read_sources(names, read):
    """As read_source(), of files that read() gives the text of; with the headers beside them."""
    suites = {}
    for path in names:
        try:
            text = read(path)
            headers = [read(str(Path(path).with_name(h))) for h in INCLUDE.findall(text) if "/" not in h]
            found = read_source(text, headers)
        except SourceError as e:
            raise SourceError(f"{path}: {e}") from e
        twice = set(found) & set(suites)
        if twice:
            raise SourceError(f"{path}: suite {', '.join(twice)} is in another file, too")
        suites.update(found)
    return suites


def git(tree, *args):
    proc = subprocess.run(["git", "-c", "safe.directory=*", "-C", str(tree), *args], check=False,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if proc.returncode:
        raise SourceError(f"{tree}: {proc.stderr.strip()}")
    return proc.stdout


def planned(out, state, top=TOP):
    """{suite: {case: whether it has parameters}} of the kernel `state` in OUT."""
    tree, ref = Path(out) / "linux", REFS[state]
    names = [n for n in git(tree, "ls-tree", "--name-only", ref, f"{DRIVER}/").split() if n.endswith("-test.c")]
    suites = read_sources(names, lambda n: git(tree, "cat-file", "blob", f"{ref}:{n}"))
    if state == "patched":
        lost = sorted(set(ours(tree, ref, top)) - set(suites))
        if lost:
            raise SourceError(f"not in the tree that was built: {', '.join(lost)}")
    return suites


def ours(tree, ref, top):
    """The suites of this repository. A header that it does not have is the kernel's."""
    def read(name):
        path = top / name
        return path.read_text(encoding="utf-8") if path.exists() else git(tree, "cat-file", "blob", f"{ref}:{name}")
    suites = read_sources([f"{DRIVER}/{p.name}" for p in sorted((top / DRIVER).glob("*-test.c"))], read)
    if not suites:
        raise SourceError(f"{top / DRIVER}: no test file")
    return suites


# -- what a console has --------------------------------------------------------

def status(case):
    return SKIP if case.skipped else PASS if case.ok and not case.directive else FAIL


def read_console(lines):
    """(suites, problems): results of a console log, as KUnit printed them."""
    log = ktap.Ktap(lines)
    depths = sorted({c.depth for c in log.cases})[:3]
    suites, cases, params = [], [], []
    for case in log.cases:
        if case.depth == depths[0]:
            suites.append(Suite(case.name, status(case), cases))
            cases, params = [], []
        elif case.depth == depths[1]:
            cases.append(Case(case.name, status(case), params))
            params = []
        else:
            params.append(Param(case.name, status(case)))
    return suites, log.problems


# -- the judge -----------------------------------------------------------------

def wrong_case(suite, case, has_params, skips):
    """What is wrong with a case that ran, or nothing."""
    if case.status == SKIP and (suite, case.name) in skips:
        return ""
    bad = [p.name for p in case.params if p.status != PASS]
    if bad:
        return f"{case.name}: not passed: {', '.join(bad)}"
    if case.status != PASS:
        return f"{case.name}: {'skipped' if case.status == SKIP else 'failed'}"
    if has_params and not case.params:
        return f"{case.name}: ran with no parameter"
    return ""


def judge_suite(suite, wanted, skips):
    """What is wrong with a suite."""
    names = [c.name for c in suite.cases]
    found = [f"{name}: did not run" for name in wanted if name not in names]
    found += [f"{name}: ran {names.count(name)} times" for name in wanted if names.count(name) > 1]
    for case in suite.cases:
        text = wrong_case(suite.name, case, wanted.get(case.name), skips) if case.name in wanted else \
            f"{case.name}: not in the source"
        found += [text] if text else []
    if suite.status != PASS and not found:
        found.append(f"says {suite.status}, though its cases passed")
    return found


def judge(suites, wanted, skips=None):
    """[(ok, text)]: each suite that the source has, and that nothing else failed."""
    skips = SKIPS if skips is None else skips
    tests = []
    for name, cases in wanted.items():
        mine = [s for s in suites if s.name == name]
        if len(mine) != 1:
            tests.append((False, f"suite {name} ran {len(mine)} times"))
            continue
        bad = judge_suite(mine[0], cases, skips)
        text = f"suite {name}: all {len(cases)} cases of the source ran and passed"
        tests.append((not bad, text + (f": {'; '.join(bad[:5])}" if bad else "")))
    others = [s.name for s in suites if s.name not in wanted]
    bad = [s.name for s in suites if s.name in others and s.status != PASS]
    tests.append((bool(wanted) and not bad, f"{len(others)} other suites passed" + (f": {', '.join(bad)}" if bad else "")))
    return tests
