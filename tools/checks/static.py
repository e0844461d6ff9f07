# SPDX-License-Identifier: GPL-2.0-or-later
"""Static checks of the kernel series, against the unpatched kernel; KTAP.

W=1 and sparse: what the build of the patched kernel said that the build of the
unpatched one did not (tools/bench/kernel.py recorded both). kernel-doc on the
touched files, checkpatch --strict on the mails. sparse has to find a planted
defect first: in Debian 12 it can silently check nothing.

What is let through stands in allow.tsv beside this file, with a reason a line.
"""
import argparse
import collections
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
from tools import ktap
from tools.bench import kernel as K
from tools.series import assemble as S, repo as R
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


def check_sparse(kernels, report, step):
    said = kernels.sparse_control(step)
    report.case("sparse reports a planted defect",
                any("restricted __le64" in s or "incorrect type" in s for s in said), said)
    one, two = (load(kernels.dest(s) / "sparse.json") for s in ("unpatched", "patched"))
    touched = [n for n in kernels.repo.names("diff-tree", "-r", "--no-renames", "--name-only",
                                             "--diff-filter=d", R.R_BASE, R.R_SERIES)
               if n.endswith(".c") and not n.startswith(("tools/", "Documentation/"))]
    lost = sorted(set(touched) - set(two["checked"]))
    report.case(f"sparse looked at {len(touched) - len(lost)} of {len(touched)} C files of the series",
                len(touched) > len(lost))
    if lost:
        said = [ln for ln in kernels.rest(step, lost)
                if not any(p.search(ln) for p in allowed("sparse"))]
        report.case(f"W=1 and sparse with defconfig: {' '.join(lost)}", not said, said)
    new = new_lines(one["files"], two["files"], allowed("sparse"))
    report.case("sparse: no new warning", not new, new)


def kernel_doc(kernels, ref, names, folder):
    """What kernel-doc says of files as they are in `ref`, line numbers taken off."""
    repo, found = kernels.repo, {}
    there = []
    for name in names:
        blob = repo.git("cat-file", "blob", f"{ref}:{name}", check=False)
        if blob.returncode == 0:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(blob.stdout)
            there.append(name)
    if not there:
        return found
    tool = kernels.tree / "tools/docs/kernel-doc"
    if not tool.exists():
        tool = kernels.tree / "scripts/kernel-doc"
    proc = subprocess.run(["/usr/bin/python3", str(tool), "-none", "-Wall", *there], cwd=folder, check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in proc.stderr.splitlines():
        match = re.match(r"^(?:(?:Warning|Error|info): )?(\S+?):\d+:? (.*)$", line, re.I)
        if match:
            found.setdefault(match[1], []).append(match[2])
        elif line.strip():
            found.setdefault("kernel-doc", []).append(line.strip())
    return found


def check_kernel_doc(kernels, report):
    names = [n for n in kernels.repo.names("diff-tree", "-r", "--no-renames", "--name-only",
                                           R.R_BASE, R.R_SERIES) if n.endswith((".c", ".h"))]
    with tempfile.TemporaryDirectory(prefix="atc-doc.") as tmp:
        one, two, control = Path(tmp) / "1", Path(tmp) / "2", Path(tmp) / "3"
        for folder in (one, two, control):
            folder.mkdir()
        before = kernel_doc(kernels, R.R_BASE, names, one)
        after = kernel_doc(kernels, R.R_SERIES, names, two)
    new = new_lines(before, after, allowed("kernel-doc"))
    report.case(f"kernel-doc: nothing new in {len(names)} files", not new, new)


def check_checkpatch(kernels, base, report, differing=False):
    """`differing`: only the patches that are not what the default base has."""
    allow = allowed("checkpatch")
    hooks = R.read_hooks(base)
    with tempfile.TemporaryDirectory(prefix="atc-cp.") as tmp:
        dest = Path(tmp) / "mails"
        try:
            S.export(kernels.repo, base, kernels.version, dest, None)
        except R.SeriesError as e:
            report.case("checkpatch", False, [str(e)])
            return
        for hook, path in zip(hooks, sorted(dest.glob("*.patch"))):
            if differing and not hook.own and not hook.overlay:
                continue
            # PATH: checkpatch calls whatever python3 comes first
            proc = subprocess.run(["perl", str(kernels.tree / "scripts/checkpatch.pl"), "--strict", "--no-signoff",
                                   "--terse", "--show-types", "--no-summary", "--color=never",
                                   f"--root={kernels.tree}", str(path)], cwd=kernels.tree, check=False,
                                  env=dict(os.environ, PATH="/usr/bin:/bin"),
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            lines = [ln.replace(str(path), path.name) for ln in proc.stdout.splitlines() if ln.strip()]
            bad = [ln for ln in lines if re.search(r": (ERROR|WARNING|CHECK):", ln)
                   and not any(p.search(ln) for p in allow)]
            # A checkpatch that died says so in lines of another form.
            bad += [ln for ln in lines if not re.search(r": (ERROR|WARNING|CHECK):", ln)]
            report.case(f"checkpatch --strict {path.name}", not bad, bad)


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
    try:
        sys.exit(main())
    except (R.SeriesError, progress.StepError, OSError) as e:
        print(f"Bail out! {e}")
        sys.exit(1)
