# SPDX-License-Identifier: GPL-2.0-or-later
"""Draws the pictures of the README from their sources with Graphviz, or checks them.

A picture is NAME.svg beside NAME.dot, committed, so that a reader needs no
Graphviz. Versions of Graphviz and fonts place things differently: the check
compares which nodes, edges and clusters there are, and the words on each, not
where they are. Whether a picture is good to look at is for a person to say.

usage: pictures.py [--check]     --check writes nothing and prints KTAP
"""

import argparse
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from tools import ktap

HERE = Path(__file__).resolve().parent
SVG = "{http://www.w3.org/2000/svg}"
KINDS = ("node", "edge", "cluster")


class PictureError(Exception):
    """One line for a person."""


def render(source):
    """The SVG of a source, without the version of Graphviz."""
    try:
        proc = subprocess.run(["dot", "-Tsvg", str(source)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              check=False)
    except FileNotFoundError as e:
        raise PictureError("dot is not installed; tools/setup/packages lists graphviz") from e
    if proc.returncode:
        raise PictureError(f"{source.name}: {' '.join(proc.stderr.split())}")
    return re.sub(r"<!--.*?-->\n?", "", proc.stdout, flags=re.S)


def words(svg):
    """Sorted [(kind, name, words on it)] of everything in a picture."""
    found = []
    for group in ET.fromstring(svg.encode()).iter(f"{SVG}g"):
        if group.get("class") in KINDS:
            said = " ".join("".join(t.itertext()) for t in group.iter(f"{SVG}text"))
            found.append((group.get("class"), group.findtext(f"{SVG}title"), " ".join(said.split())))
    return sorted(found)


def differences(source):
    """[text] of what the committed picture has or lacks against its source."""
    picture = source.with_suffix(".svg")
    if not picture.exists():
        return [f"{picture.name} is not there"]
    try:
        want, have = words(render(source)), words(picture.read_text(encoding="utf-8"))
    except (PictureError, ET.ParseError) as e:
        return [str(e)]
    if not want:
        return [f"{source.name}: nothing in it"]
    return [f"not in {picture.name}: {x}" for x in want if x not in have] + \
           [f"not in {source.name}: {x}" for x in have if x not in want] + \
           ([] if len(want) == len(have) else [f"{len(have)} things in {picture.name}, {len(want)} in {source.name}"])


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--check", action="store_true", help="compare only, and print KTAP")
    args = ap.parse_args()
    sources = sorted(HERE.glob("*.dot"))
    if not args.check:
        for source in sources:
            source.with_suffix(".svg").write_text(render(source), encoding="utf-8")
            print(f"drawn: {source.with_suffix('.svg').relative_to(HERE.parents[1])}")
        return 0
    writer = ktap.Writer(len(sources))
    for source in sources:
        other = differences(source)
        writer.case(f"{source.stem}.svg shows what {source.name} says", not other,
                    [*other, "make pictures"] if other else ())
    return writer.close()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PictureError as e:
        sys.exit(f"pictures: {e}")
