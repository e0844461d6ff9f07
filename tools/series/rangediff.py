# SPDX-License-Identifier: GPL-2.0-or-later
"""make range-diff FROM=COMMIT: the series as a commit of this repository has it, against now.

Makes the commits of the series of then with the tools of then, in a clone of this
repository, on the same kernel source, and leaves the comparison to git range-diff. Does
not write to $(O)/tree, and knows no commit from before the series had parts.
"""
import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tools import PY, TOP
from tools.series import assemble as S, bases, repo as R
from tools.series.repo import SeriesError

R_FROM = "refs/atc/from"

ASSEMBLE = """
import sys
from tools.series import patches as P, repo as R
P.assemble(R.Repo(sys.argv[1]), sys.argv[2], P.read(sys.argv[2]), ref=sys.argv[3])
"""


def assemble_from(repo, base, commit):
    """refs/atc/from: the series of `commit`."""
    with tempfile.TemporaryDirectory(prefix="atc-from.") as tmp:
        clone = Path(tmp) / "clone"
        R.run_git(TOP, "clone", "-q", "--shared", "--no-checkout", str(TOP), str(clone))
        R.run_git(clone, "checkout", "-q", "--detach", commit)
        if not (clone / "tools/series/patches.py").exists():
            raise SeriesError(f"{commit} is from before the series had parts")
        proc = subprocess.run([PY, "-c", ASSEMBLE, str(repo.path.resolve()), base, R_FROM], cwd=clone, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if proc.returncode:
            raise SeriesError(f"the series of {commit} cannot be made: {proc.stdout.strip().splitlines()[-1]}")


def resolve(commit):
    proc = R.run_git(TOP, "rev-parse", "-q", "--verify", f"{commit}^{{commit}}", check=False)
    if not commit or proc.returncode:
        raise SeriesError(f"FROM={commit} is no commit of this repository")
    return proc.stdout.decode().strip()


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", required=True, type=Path, help="build folder, $(O)")
    ap.add_argument("--base", default=bases.DEFAULT, choices=sorted(bases.BASES))
    ap.add_argument("commit")
    args = ap.parse_args()
    commit = resolve(args.commit)
    repo, _ = S.open_repo(bases.folder(args.out, args.base), args.base)
    assemble_from(repo, args.base, commit)
    # Patches that were edited a lot are still the same patch
    sys.stdout.write(repo.git("range-diff", "--creation-factor=90", "--no-color",
                              f"{R.R_BASE}..{R_FROM}", f"{R.R_BASE}..{R.R_SERIES}").stdout.decode(errors="replace"))


if __name__ == "__main__":
    try:
        main()
    except SeriesError as e:
        sys.exit(f"range-diff: {e}")
