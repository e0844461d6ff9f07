# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds the leaf conditions in the functions of a C file, and wraps each in a macro.

A leaf condition is what if, while, for, ?:, && and || decide by, without the &&,
||, ! and parentheses that combine several: `a && !(b || c)` has three. So are the
value that a function of type bool returns, the initial value of a bool, and the
condition that is an argument of a macro which waits for it.

Left alone: directives, and with them the bodies of macros; strings and comments;
case labels; what is not evaluated at run time (sizeof, static_assert ...); static
objects; and constants.

It knows the C of the kernel's style, not all of C: no expression is evaluated, and
no macro expanded. A wrapped file that does not compile is for the caller to report.
"""
import re
from typing import NamedTuple

from tools.bench.coverage import blank

TOKEN = re.compile(r"\w+|->|\+\+|--|<<=|>>=|[-+*/%&|^<>=!]=|&&|\|\||<<|>>|\S")
ASSIGN = {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="}
PAIRS = {"(": ")", "[": "]", "{": "}"}
CONTROL = {"if", "while", "for", "switch"}
# Where a statement ends though no semicolon is there
BREAKS = CONTROL | {"{", "}", ";", "else", "do", "return", "case", "default", "goto"}
# Not evaluated when the code runs
CONSTANT = {"sizeof", "typeof", "__typeof__", "__typeof_unqual__", "offsetof", "container_of", "IS_ENABLED",
            "BUILD_BUG_ON", "BUILD_BUG_ON_MSG", "static_assert", "_Static_assert", "ARRAY_SIZE", "__attribute__",
            "asm", "__builtin_constant_p", "_Generic"}
TRANSPARENT = {"likely", "unlikely"}
# Which argument is a condition
WAITS = [(re.compile(r"read\w*_poll_timeout\w*"), 2), (re.compile(r"smp_cond_load_\w+"), 1),
         (re.compile(r"wait_event\w*"), 1)]
LITERAL = re.compile(r"true|false|NULL|\d\w*|[A-Z][A-Z0-9_]*")


class Condition(NamedTuple):
    function: str
    text: str           # on one line; the second of the same text in a function ends with [2]
    start: int          # offsets in the source
    end: int
    line: int


class Token(NamedTuple):
    text: str
    start: int
    end: int


class Reader:
    """The tokens of a file, and the leaf conditions that were found in them."""

    def __init__(self, source):
        self.source = source
        self.tokens = [Token(m[0], m.start(), m.end()) for m in TOKEN.finditer(blank(source))]
        self.closes = self.match()
        self.function, self.leaves, self.spans = "", [], []
        self.functions()

    def match(self):
        """{index of a bracket: index of what closes it}; unbalanced ones are left out."""
        found, stack = {}, []
        for i, token in enumerate(self.tokens):
            if token.text in PAIRS:
                stack.append(i)
            elif token.text in PAIRS.values():
                if stack and PAIRS[self.tokens[stack[-1]].text] == token.text:
                    found[stack.pop()] = i
        return found

    def at(self, i):
        return self.tokens[i].text if 0 <= i < len(self.tokens) else ""

    def after(self, i):
        """Index behind the token, or the group that it opens."""
        return self.closes.get(i, i) + 1

    # -- functions and statements --

    def functions(self):
        i = begin = 0
        while i < len(self.tokens):
            if self.at(i) == ";":
                begin = i + 1
            elif self.at(i) == "{":
                end = self.closes.get(i, len(self.tokens) - 1)
                heads = [k for k in range(begin, i) if self.at(k) == "(" and re.match(r"\w", self.at(k - 1))]
                if heads and self.at(i - 1) == ")" and "=" not in [t.text for t in self.tokens[begin:i]]:
                    self.function = self.at(heads[0] - 1)
                    self.spans.append((self.function, self.tokens[begin].start, self.tokens[end].end))
                    returns_bool = "bool" in [t.text for t in self.tokens[begin:heads[0]]]
                    self.block(i + 1, end, returns_bool)
                begin = end + 1
            i = self.after(i)

    def statement_end(self, i):
        i = self.after(i)
        while i < len(self.tokens) and self.at(i) not in BREAKS:
            i = self.after(i)
        return i

    def block(self, i, end, returns_bool):
        while i < end:
            word = self.at(i)
            if word in CONTROL and self.at(i + 1) == "(":
                self.control(word, i + 2, self.closes[i + 1])
                i = self.closes[i + 1] + 1
            elif word in ("case", "default"):
                i = next((k for k in range(i, end) if self.at(k) == ":"), end) + 1
            elif word == "static":
                while i < end and self.at(i) != ";":
                    i = self.after(i)
            elif word in BREAKS and word != "return":
                i += 1
            else:
                stop = min(self.statement_end(i), end)
                first = i + (word == "return")
                self.expression(first, stop, (word == "return" and returns_bool) or word == "bool")
                i = max(stop, i + 1)

    def control(self, word, i, j):
        if word != "for":
            return self.expression(i, j, word != "switch")
        for n, (a, b) in enumerate(self.split(i, j, {";"})):
            self.expression(a, b, n == 1)
        return None

    # -- expressions --

    def split(self, i, j, operators):
        """Ranges between these operators, outside of brackets."""
        found, last = [], i
        while i < j:
            if self.at(i) in operators:
                found.append((last, i))
                last = i + 1
            i = self.after(i)
        return [*found, (last, j)]

    def expression(self, i, j, boolean):
        if i >= j:
            return
        for operators, truth in (({","}, boolean), (ASSIGN, None)):
            parts = self.split(i, j, operators)
            if len(parts) > 1:
                return self.assigned(i, j, parts, boolean) if truth is None else self.listed(parts, boolean)
        if len(parts := self.split(i, j, {"?"})) > 1:
            return self.ternary(i, j, parts[0][1], boolean)
        for operator in ("||", "&&"):
            parts = self.split(i, j, {operator})
            if len(parts) > 1:
                for a, b in parts:
                    self.expression(a, b, True)
                return None
        return self.operand(i, j, boolean)

    def listed(self, parts, boolean):
        declares = boolean and self.at(parts[0][0]) == "bool"
        for n, (a, b) in enumerate(parts):
            if declares and n:
                self.assigned(a, b, self.split(a, b, ASSIGN), False, True)
            else:
                self.expression(a, b, declares or (boolean and n == len(parts) - 1))

    def assigned(self, i, j, parts, boolean, declares=False):
        """An assignment, or a declaration with an initial value."""
        declares = declares or self.at(i) == "bool"
        if boolean and not declares:
            self.leaf(i, j)
        self.groups(*parts[0])
        for a, b in parts[1:]:
            self.expression(a, b, declares)

    def ternary(self, i, j, mark, boolean):
        depth, k = 0, mark + 1
        while k < j and (self.at(k) != ":" or depth):
            depth += {"?": 1, ":": -1}.get(self.at(k), 0)
            k = self.after(k)
        # Of "a ?: b" the value is used as well
        self.expression(i, mark, k > mark + 1)
        self.expression(mark + 1, k, boolean)
        self.expression(k + 1, j, boolean)

    def operand(self, i, j, boolean):
        """What no && or || and no ?: is in, but for what stands in brackets."""
        if boolean and self.at(i) == "!" and self.plain(i + 1, j):
            return self.operand(i + 1, j, True)
        if boolean and self.at(i) == "(" and self.after(i) == j and self.at(i + 1) != "{":
            return self.expression(i + 1, j - 1, True)
        if boolean and self.at(i) in TRANSPARENT and self.after(i + 1) == j:
            return self.expression(i + 2, j - 1, True)
        # Nothing but a name: a declaration
        if boolean and self.at(i) != "bool" and not (j == i + 1 and LITERAL.fullmatch(self.at(i))):
            self.leaf(i, j)
        return self.groups(i, j)

    def plain(self, i, j):
        """Is it a group, or likely() of one, that ! stands in front of?"""
        return (self.at(i) == "(" and self.after(i) == j) or (self.at(i) in TRANSPARENT and self.after(i + 1) == j)

    def groups(self, i, j):
        """Looks into the brackets."""
        while i < j:
            if i in self.closes:
                self.group(i, self.closes[i])
            i = self.after(i)

    def group(self, i, end):
        before = self.at(i - 1)
        if before in CONSTANT:
            return
        if self.at(i) == "{" or self.at(i + 1) == "{":
            return self.block(i + 1, end, False)
        which = next((n for pattern, n in WAITS if pattern.fullmatch(before)), None)
        if which is None:
            return self.expression(i + 1, end, False)
        for n, (a, b) in enumerate(self.split(i + 1, end, {","})):
            self.expression(a, b, n == which)
        return None

    def leaf(self, i, j):
        self.leaves.append((self.function, self.tokens[i].start, self.tokens[j - 1].end))


def conditions(source, lines=None):
    """[Condition] of a file, in its order; lines: only those that have a part on these."""
    found, seen = [], {}
    for function, start, end in sorted(Reader(source).leaves, key=lambda leaf: leaf[1:]):
        text = re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", "", source[start:end], flags=re.S)).strip()
        seen[function, text] = count = seen.get((function, text), 0) + 1
        first, last = source.count("\n", 0, start) + 1, source.count("\n", 0, end) + 1
        if lines is None or not lines.isdisjoint(range(first, last + 1)):
            found.append(Condition(function, text + (f" [{count}]" if count > 1 else ""), start, end, first))
    return found


def code(text):
    """The text without comments and line breaks: what stays when only those were changed."""
    parts = re.finditer(r"\"(?:\\.|[^\"\\])*\"|/\*.*?\*/|//[^\n]*|.", text, re.S)
    return " ".join("".join(" " if m[0].startswith(("/*", "//")) else m[0] for m in parts).split())


def functions(source):
    """{name: code} of a file's functions. One that is there twice, by #ifdef, has both."""
    found = {}
    for name, start, end in Reader(source).spans:
        found[name] = found.get(name, "") + code(source[start:end])
    return found


def wrap(source, numbered, macro="ATC_COND"):
    """The source with each condition of {number: Condition} as MACRO(number, (condition))."""
    marks = [(c.start, 1, -c.end, f"{macro}({n}, (") for n, c in numbered.items()]
    marks += [(c.end, 0, -c.start, "))") for n, c in numbered.items()]
    for at, _, _, text in sorted(marks, reverse=True):
        source = source[:at] + text + source[at:]
    return source
