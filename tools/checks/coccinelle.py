# SPDX-License-Identifier: GPL-2.0-or-later
"""Coccinelle on the files of the kernel series, against the unpatched kernel; KTAP.

Each rule in rules/ has to find the lines of its fixture that say so, and no others;
then it may find nothing in the series that it does not find without it. With --kernel,
the kernel's own rules are run instead. All go through the kernel's scripts/coccicheck.

What is let through stands in allow.tsv beside this file, with a reason a line.
"""

import argparse
import concurrent.futures
import os
import re
import subprocess
import tempfile
from pathlib import Path

from tools import ktap
from tools.bench import kernel as K
from tools.checks import static
from tools.series import repo as R

HERE = Path(__file__).resolve().parent
FINDING = re.compile(r"^(\S+?):(\d+):[\d-]+: (.*)$")
HIT = "/* hit */"


def coccicheck(tree, folder, names, rule=None):
    """({file: [(line, text)]}, what is no finding) of one rule, or the kernel's."""
    found, rest = {}, []
    env = {**os.environ, "PATH": "/usr/bin:/bin", "LC_ALL": "C", "C": "1", "MODE": "report", "VERBOSE": "0",
           "DEBUG_FILE": "/dev/null", "srctree": str(tree), "objtree": str(tree), "LINUXINCLUDE": "",
           **({"COCCI": str(rule)} if rule else {})}

    def run(name):
        return subprocess.run(["bash", str(tree / "scripts/coccicheck"), name], cwd=folder, env=env, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, proc in zip(names, pool.map(run, names)):
            for line in proc.stdout.splitlines():
                match = FINDING.match(line)
                if match and match[1] == name:
                    found.setdefault(name, []).append((int(match[2]), match[3]))
                elif line.strip() and not line.startswith("/usr/bin/spatch "):
                    rest.append(f"{name}: {line.strip()}")
            if proc.returncode:
                rest.append(f"{name}: exit status {proc.returncode}")
    return found, rest


def check_fixture(tree, rule, report):
    fixture = HERE / "tests/rules" / f"{rule.stem}.c"
    lines = fixture.read_text().splitlines()
    wanted = [n for n, line in enumerate(lines, 1) if HIT in line]
    found, rest = coccicheck(tree, fixture.parent, [fixture.name], rule)
    hits = sorted(n for n, _ in found.get(fixture.name, []))
    report.case(f"{rule.name} finds the {len(wanted)} marked lines of its fixture, and no others",
                wanted and hits == wanted and not rest, [f"found {hits}, marked {wanted}", *rest])


def check_out(repo, ref, names, folder):
    """Those of the files that are there in a ref, in a folder of their own."""
    there = []
    for name in names:
        blob = repo.git("cat-file", "blob", f"{ref}:{name}", check=False)
        if blob.returncode == 0:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(blob.stdout)
            there.append(name)
    return there


def texts(found):
    return {name: [text for _, text in lines] for name, lines in found.items()}


def compare(kernels, folders, rule, title, report):
    seen, rest = [], []
    for there, folder in folders:
        found, more = coccicheck(kernels.tree, folder, there, rule)
        seen.append(texts(found))
        rest += more
    new = static.new_lines(*seen, static.allowed("coccinelle"))
    before = sum(map(len, seen[0].values()))
    report.case(f"{title}: nothing new in {len(folders[1][0])} files, {before} findings without the series",
                folders[1][0] and not new and not rest, [*new, *rest])


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", required=True, type=Path)
    ap.add_argument("--base", required=True)
    ap.add_argument("--kernel", action="store_true", help="the kernel's own rules; takes half an hour")
    args = ap.parse_args()
    kernels = K.Kernels(args.out, args.base, 2)
    report = ktap.Writer()
    names = [n for n in static.touched(kernels, ".c") if not n.startswith(("tools/", "Documentation/"))]
    with tempfile.TemporaryDirectory(prefix="atc-cocci.") as tmp:
        folders = []
        for number, ref in enumerate((R.R_BASE, R.R_SERIES)):
            folder = Path(tmp) / str(number)
            folder.mkdir()
            folders.append((check_out(kernels.repo, ref, names, folder), folder))
        if args.kernel:
            compare(kernels, folders, None, "scripts/coccinelle", report)
            return report.close()
        for rule in sorted((HERE / "rules").glob("*.cocci")):
            check_fixture(kernels.tree, rule, report)
            compare(kernels, folders, rule, rule.name, report)
    return report.close()


if __name__ == "__main__":
    ktap.run(main, R.SeriesError, OSError)
