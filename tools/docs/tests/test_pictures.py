# SPDX-License-Identifier: GPL-2.0-or-later
"""Tests of the check of the pictures."""

import tempfile
import unittest
from pathlib import Path
from unittest import mock

from tools.docs import pictures

DOT = 'digraph g { a [label="first"]; a -> b [label="then"] }'


class Differences(unittest.TestCase):
    def of(self, edit, dot=DOT):
        with tempfile.TemporaryDirectory() as scratch:
            source = Path(scratch) / "p.dot"
            source.write_text(DOT)
            svg = edit(pictures.render(source))
            if svg is not None:
                source.with_suffix(".svg").write_text(svg)
            source.write_text(dot)
            return pictures.differences(source)

    def test_same(self):
        self.assertEqual(self.of(lambda svg: svg), [])

    def test_place_and_version_do_not_matter(self):
        self.assertEqual(self.of(lambda svg: svg.replace("-18", "-19")), [])

    def test_words(self):
        self.assertTrue(self.of(lambda svg: svg.replace(">first<", ">second<")))
        self.assertTrue(self.of(lambda svg: svg.replace(">then<", "><")))

    def test_a_missing_node(self):
        self.assertTrue(self.of(lambda svg: svg.replace('class="node"', 'class="gone"', 1)))

    def test_an_edge_more_in_the_source(self):
        self.assertTrue(self.of(lambda svg: svg, DOT.replace("}", "b -> a }")))

    def test_an_edge_twice(self):
        self.assertTrue(self.of(lambda svg: svg, DOT.replace("}", 'a -> b [label="then"] }')))

    def test_no_picture(self):
        self.assertTrue(self.of(lambda svg: None))
        self.assertTrue(self.of(lambda svg: ""))

    def test_an_empty_source(self):
        self.assertTrue(self.of(lambda svg: svg, "digraph g {}"))
        self.assertTrue(self.of(lambda svg: svg, "this is no graph"))

    def test_without_graphviz(self):
        with mock.patch("subprocess.run", side_effect=FileNotFoundError):
            with self.assertRaisesRegex(pictures.PictureError, "dot is not installed"):
                pictures.render(Path("p.dot"))


if __name__ == "__main__":
    unittest.main()
