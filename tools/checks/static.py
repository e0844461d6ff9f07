# SPDX-License-Identifier: GPL-2.0-or-later
"""Static checks of the kernel series, against the unpatched kernel; KTAP.

W=1 and sparse: what the build of the patched kernel said that the build of the
unpatched one did not (tools/bench/kernel.py recorded both). kernel-doc on the
touched files, checkpatch --strict on the mails. Each has to find a planted defect
first (in Debian 12 sparse can silently check nothing), and to have looked at
every file, or mail, that the series has.

What is let through stands in allow.tsv beside this file, with a reason a line.
"""
import argparse
import collections
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
from tools import ktap
from tools.bench import kernel as K
from tools.series import assemble as S, patches as P, repo as R
from tools.setup import progress


def allowed(check, path=HERE / "allow.tsv"):
    """Compiled patterns of allow.tsv for one check."""
    found = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != 3 or not fields[2].strip():
            raise SystemExit(f"{path.name}:{number}: not 'check<TAB>pattern<TAB>reason'")
        if fields[0] == check:
            found.append(re.compile(fields[1]))
    return found


def new_lines(before, after, allow):
    """What `after` has more of than `before`: "file: text" lines."""
    new = []
    for name in sorted(after):
        more = collections.Counter(after[name]) - collections.Counter(before.get(name, []))
        for text, count in sorted(more.items()):
            line = f"{name}: {text}"
            if not any(p.search(line) for p in allow):
                new.append(line + (f" ({count} times)" if count > 1 else ""))
    return new


def load(path):
    return json.loads(path.read_text())


def check_warnings(kernels, report):
    one, two = (load(kernels.dest(s) / "warnings.json") for s in ("unpatched", "patched"))
    new = new_lines(one, two, allowed("W=1"))
    report.case("W=1: no new warning", not new, new)
    for state in ("unpatched", "patched"):
        path = kernels.dest(state) / "module-warnings.json"
        found = load(path) if path.exists() else {}
        said = new_lines({}, found, allowed("W=1"))
        report.case(f"W=1: no warning in the test driver, {state}", path.exists() and not said, said)


def touched(kernels, *suffixes):
    """Files that the series leaves behind changed or new."""
    return [n for n in kernels.repo.names("diff-tree", "-r", "--no-renames", "--name-only", "--diff-filter=d",
                                          R.R_BASE, R.R_SERIES) if n.endswith(suffixes)]


def check_sparse(kernels, report, step):
    said = kernels.sparse_control(step)
    report.case("sparse reports a planted defect",
                any("restricted __le64" in s or "incorrect type" in s for s in said), said)
    report.case("W=1 reports a planted defect", any("planted_const" in s for s in said), said)
    one, two = (load(kernels.dest(s) / "sparse.json") for s in ("unpatched", "patched"))
    names = [n for n in touched(kernels, ".c") if not n.startswith(("tools/", "Documentation/"))]
    # What the guests' config leaves out has no object, or sparse has not seen it
    rest = [n for n in names if n not in two["checked"] or not (kernels.obj / n).with_suffix(".o").exists()]
    checked = set(names) - set(rest)
    if rest:
        said, seen = kernels.rest(step, rest)
        said = [ln for ln in said if not any(p.search(ln) for p in allowed("sparse"))]
        report.case(f"W=1 and sparse with defconfig: {' '.join(rest)}", not said, said)
        checked |= seen
    lost = sorted(set(names) - checked)
    report.case(f"W=1 and sparse looked at {len(names) - len(lost)} of {len(names)} C files of the series",
                names and not lost, lost)
    new = new_lines(one["files"], two["files"], allowed("sparse"))
    report.case("sparse: no new warning", not new, new)


class KernelDoc:
    """What kernel-doc says of files as they are in a ref, line numbers taken off."""

    def __init__(self, kernels, ref, names, folder, more=""):
        self.found = {}
        self.complaints = []         # not about a line of a file: it did not do its work
        self.there = []
        for name in names:
            blob = kernels.repo.git("cat-file", "blob", f"{ref}:{name}", check=False)
            if blob.returncode == 0:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(blob.stdout + more.encode())
                self.there.append(name)
        if self.there:
            self.run(kernels.tree, folder)

    def run(self, tree, folder):
        tool = tree / "tools/docs/kernel-doc"
        if not tool.exists():
            tool = tree / "scripts/kernel-doc"
        proc = subprocess.run(["/usr/bin/python3", str(tool), "-none", "-Wall", *self.there], cwd=folder, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        last = []
        for line in proc.stdout.splitlines():
            match = re.match(r"^(?:(?:Warning|Error|info): )?(\S+?):\d+:? (.*)$", line, re.I)
            if match and match[1] in self.there:
                self.found.setdefault(match[1], []).append(match[2])
                last = self.found[match[1]]
            elif last and line.startswith(" * "):
                last[-1] += line[2:]         # the comment that it is about
            elif line.strip():
                self.complaints.append(line.strip())
        if proc.returncode:
            self.complaints.append(f"exit status {proc.returncode}")


PLANTED_DOC = """
/**
 * atc_planted() - a parameter that is not described
 */
int atc_planted(int parameter);
"""


def check_kernel_doc(kernels, report):
    names = touched(kernels, ".c", ".h")
    with tempfile.TemporaryDirectory(prefix="atc-doc.") as tmp:
        folders = [Path(tmp) / n for n in ("1", "2", "3")]
        for folder in folders:
            folder.mkdir()
        before = KernelDoc(kernels, R.R_BASE, names, folders[0])
        after = KernelDoc(kernels, R.R_SERIES, names, folders[1])
        control = KernelDoc(kernels, R.R_SERIES, names, folders[2], PLANTED_DOC)
    blind = [n for n in names if not any("atc_planted" in text for text in control.found.get(n, []))]
    report.case(f"kernel-doc reports a planted defect in {len(names) - len(blind)} of {len(names)} files",
                names and not blind, blind)
    complaints = [*before.complaints, *after.complaints, *control.complaints]
    report.case("kernel-doc speaks of files only", not complaints, complaints)
    new = new_lines(before.found, after.found, allowed("kernel-doc"))
    report.case(f"kernel-doc: nothing new in {len(names)} files", not new, new)


# As a mail: a line that ends in a blank
PLANTED_MAIL = """\
From: A Tester <a@example.org>
Subject: [PATCH] planted: Add a line that ends in a blank

A control: this has to be found.
---
 planted.c | 1 +

diff --git a/planted.c b/planted.c
index 1111111..2222222 100644
--- a/planted.c
+++ b/planted.c
@@ -1,1 +1,2 @@
 int one;
+int two;""" + " \n"
FINDING = re.compile(r": (ERROR|WARNING|CHECK):")


def checkpatch(kernels, path):
    """What checkpatch says of a mail, a line each."""
    # PATH: checkpatch calls whatever python3 comes first
    proc = subprocess.run(["perl", str(kernels.tree / "scripts/checkpatch.pl"), "--strict", "--no-signoff",
                           "--terse", "--show-types", "--no-summary", "--color=never",
                           f"--root={kernels.tree}", str(path)], cwd=kernels.tree, check=False,
                          env=dict(os.environ, PATH="/usr/bin:/bin"),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return [ln.replace(str(path), path.name) for ln in proc.stdout.splitlines() if ln.strip()]


def check_checkpatch(kernels, base, report, differing=False):
    """`differing`: only the patches that are not what the default base has."""
    allow = allowed("checkpatch")
    patches = P.read(base)
    with tempfile.TemporaryDirectory(prefix="atc-cp.") as tmp:
        dest = Path(tmp) / "mails"
        try:
            mails = S.export(kernels.repo, base, kernels.version, dest, None)
        except R.SeriesError as e:
            report.case("checkpatch", False, [str(e)])
            return
        report.case(f"checkpatch: {len(mails)} mails of {len(patches)} patches", patches and len(mails) == len(patches))
        planted = Path(tmp) / "planted.patch"
        planted.write_text(PLANTED_MAIL)
        said = checkpatch(kernels, planted)
        report.case("checkpatch reports a planted defect", any("TRAILING_WHITESPACE" in ln for ln in said), said)
        for patch, path in zip(patches, mails):
            if differing and not patch.own:
                continue
            lines = checkpatch(kernels, path)
            # A checkpatch that died says so in lines of another form.
            bad = [ln for ln in lines if not FINDING.search(ln) or not any(p.search(ln) for p in allow)]
            report.case(f"checkpatch --strict {path.parent.name}/{path.name}", not bad, bad)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", required=True, type=Path)
    ap.add_argument("--base", required=True)
    ap.add_argument("--differing", action="store_true",
                    help="only what differs from the default base, whose check has seen the rest; no sparse")
    args = ap.parse_args()
    kernels = K.Kernels(args.out, args.base, 2)
    quiet = progress.Steps(args.out, 1)
    step = progress.Step(quiet, 1, "static checks", args.out / "log/static.log")
    step.log.parent.mkdir(parents=True, exist_ok=True)
    step.log.write_bytes(b"")
    report = ktap.Writer()
    check_warnings(kernels, report)
    if not args.differing:
        check_sparse(kernels, report, step)
        check_kernel_doc(kernels, report)
    check_checkpatch(kernels, args.base, report, args.differing)
    return report.close()


if __name__ == "__main__":
    ktap.run(main, R.SeriesError, progress.StepError, OSError)
