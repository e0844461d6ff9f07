# SPDX-License-Identifier: GPL-2.0-or-later
"""The list of phrases: found across lines and comment marks, not in names; allowed ones are counted."""
import unittest

from tools.checks import words as W

LIST = ("# a comment\n"
        "ban\tnobody('s)?\tname the subject\n"
        "ban\tends no wait\tthe driver does not give up after\n"
        "allow\tolder/* oldest.c\t1\trewritten later\n")


class Words(unittest.TestCase):
    def setUp(self):
        self.bans, self.allows = W.read_list(LIST)

    def found(self, text):
        return [(line, phrase) for line, phrase, _ in W.hits(text, self.bans)]

    def test_found_across_lines(self):
        text = "/*\n * A timeout ends\n * no wait. Nobody's fault\n */\n"
        self.assertEqual(self.found(text), [(2, "ends no wait"), (3, "nobody's")])

    def test_names_are_no_words(self):
        self.assertEqual(self.found("retry_of_nobody SID_NOBODY blame-nobody nobodyx"), [])

    def judge(self, texts):
        return [ok for _, ok, _ in W.judge(texts, self.bans, self.allows)]

    def test_allowed_files_are_counted(self):
        self.assertEqual(self.judge({"a.md": "fine", "older/b.c": "nobody"}), [True, True])
        self.assertEqual(self.judge({"a.md": "fine", "older/b.c": "nobody", "oldest.c": "nobody"}), [True, False])
        self.assertEqual(self.judge({"a.md": "nobody", "older/b.c": ""}), [False, True])

    def test_no_file_is_a_failure(self):
        self.assertEqual(self.judge({}), [False, True])

    def test_of_a_patch(self):
        diff = ("a message, nobody's\n---\n a.c | 2 +-\n\ndiff --git a/a.c b/a.c\n--- a/a.c\n+++ b/nobody.c\n"
                "@@ -1,4 +1,4 @@\n nobody is left\n-\t/* nobody moves */\n-nobody goes\n+/* nobody moves */\n"
                "+ * A timeout ends\n+ * no wait\n")
        self.assertEqual([phrase for _, phrase in self.found(W.of_patch(diff))], ["nobody's", "ends no wait"])

    def test_malformed_lines(self):
        for bad in ("ban\tx\t\n", "ban\tx\n", "allow\tx\tmany\treason\n", "allow\tx\t1\t\n", "x\ty\tz\n"):
            with self.assertRaises(SystemExit):
                W.read_list(bad)

    def test_the_real_list_finds_the_examples(self):
        bans, _ = W.read_list(W.LIST.read_text(encoding="utf-8"))
        for text in ("A software timeout ends no wait", "Nothing can be taken away from any device behind it then",
                     "resets that pass the IOMMU by", "Whoever finds a fence half made completes it",
                     "Keep what is rare off the path", "takes no more instructions than without the series"):
            self.assertTrue(W.hits(text, bans), text)


if __name__ == "__main__":
    unittest.main()
