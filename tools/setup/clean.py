# SPDX-License-Identifier: GPL-2.0-or-later
"""make clean: remove the build folder, unless edits of make tree would be lost.

It removes $(O) only when this project made it, and nothing outside of $(O). The cache
of downloads stays.
"""
import os
import shutil
import sys
from pathlib import Path

from tools import TOP
from tools.series import assemble, bases


def main():
    out = Path(os.environ["O"]).resolve()
    if not out.exists():
        return
    if out in (TOP, *TOP.parents) or out == Path.home():
        sys.exit(f"clean: {out} is not a build folder")
    if any(out.iterdir()) and not (out / "log").is_dir():
        sys.exit(f"clean: {out} was not made by this Makefile (no log in it): not removed")
    for tree in [bases.folder(out, base) / "tree" for base in bases.BASES]:
        if assemble.edited(tree):
            sys.exit(f"clean: {tree} has edits that are not absorbed: make absorb, or remove it")
    shutil.rmtree(out)


if __name__ == "__main__":
    main()
