# SPDX-License-Identifier: GPL-2.0-or-later
"""Opens the demo's report in Chromium and compares what it shows with the guests' logs.

The logs are read here once more, with nothing of demo.py: marks and cells are
counted in the DOM that the browser has made, and colours in its screenshot. Not
a judge of the kernels. tools/bench/determinism.py calls this, with a report of
its own boots.
"""

import itertools
import re
import shutil
import struct
import subprocess
import tempfile
import zlib
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

KERNELS = ("unpatched", "patched")
FIGURES = {"return", "overview"}
WINDOWS = {"wide": (1280, 1000), "narrow": (500, 1400)}
COLOURS = 30                    # a page with text and both pictures has hundreds
ESCAPE_MARK = re.compile(r'<line [^>]*class="escape"[^>]*/>')

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
         "--force-device-scale-factor=1", "--host-resolver-rules=MAP * ~NOTFOUND"]
OUTSIDE = re.compile(r"https?:|//\w|\burl\(|@import|<(?:script|link|img|iframe|object|embed|base)\b|\b(?:src|href)=",
                     re.I)


class BrowserError(Exception):
    """One line for a person."""


class Picture:
    """An SVG of the report, as the browser has it."""

    def __init__(self, attributes):
        self.kernel, self.figure = attributes.get("data-kernel"), attributes.get("data-figure")
        self.form = attributes.get("class")
        self.escapes, self.returns, self.marks, self.rects, self.text = [], [], {}, {}, {}

    def element(self, name, a):
        kinds = (a.get("class") or "").split()
        if name == "line" and "escape" in kinds:
            self.escapes.append(float(a["x1"]))
        elif name == "line" and "return" in kinds:
            self.returns.append(float(a["x1"]))
        elif name == "path":
            for kind in kinds:
                self.marks[kind] = self.marks.get(kind, 0) + len(re.findall(r"M", a.get("d") or ""))
        elif name == "rect":
            for kind in kinds:
                self.rects[kind] = self.rects.get(kind, 0) + 1

    def name(self):
        return f"{self.kernel}, {self.figure}, {self.form}"


class Dom(HTMLParser):
    """Pictures and the table's cells of a report."""

    def __init__(self, text):
        super().__init__()
        self.pictures, self.rows = [], []
        self.picture = self.table = self.cell = self.label = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        a = dict(attrs)
        if tag == "svg" and "data-kernel" in a:
            self.picture = Picture(a)
            self.pictures.append(self.picture)
        elif tag in ("title", "desc") and self.picture:
            self.label = tag
        elif self.picture:
            self.picture.element(tag, a)
        elif tag == "table":
            self.table = a.get("id") == "result"
        elif self.table and tag == "tr":
            self.rows.append([])
        elif self.table and tag in ("td", "th") and self.rows:
            self.cell = tag
            self.rows[-1].append("")

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag):
        if tag == "svg":
            self.picture = None
        elif tag == self.label:
            self.label = None
        elif tag == "table":
            self.table = None
        elif tag == self.cell:
            self.cell = None

    def handle_data(self, data):
        if self.label and self.picture:
            self.picture.text[self.label] = data
        elif self.cell:
            self.rows[-1][-1] += data

    def cells(self):
        """{label: [unpatched, patched]}"""
        return {row[0]: row[1:] for row in self.rows[1:] if row}


def chromium(page, *more):
    """What Chromium writes to its standard output. It has no network and a profile of its own."""
    program = shutil.which("chromium")
    if not program:
        raise BrowserError("chromium is not installed; tools/setup/packages lists it")
    with tempfile.TemporaryDirectory() as profile:
        try:
            proc = subprocess.run([program, *FLAGS, f"--user-data-dir={profile}", *more, page.resolve().as_uri()],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=120, check=False)
        except subprocess.TimeoutExpired as e:
            raise BrowserError("chromium: no end after 120 s") from e
    if proc.returncode:
        last = proc.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise BrowserError(f"chromium: exit status {proc.returncode}: {' '.join(last)}")
    return proc.stdout.decode(errors="replace")


def screenshot(page, form):
    """Path of a PNG beside the page."""
    png = page.with_name(f"{page.stem}-{form}.png")
    png.unlink(missing_ok=True)
    chromium(page, f"--screenshot={png.resolve()}", "--window-size={},{}".format(*WINDOWS[form]))
    if not png.exists():
        raise BrowserError("chromium: no screenshot")
    return png


def paeth(a, b, c):
    pa, pb, pc = abs(b - c), abs(a - c), abs(a + b - 2 * c)
    return a if pa <= pb and pa <= pc else b if pb <= pc else c


def unfilter(kind, row, above, step):
    """One row of a PNG, in place (ISO/IEC 15948, 9.2). The usual kinds need no loop over bytes."""
    if kind == 1:
        for n in range(step):
            row[n::step] = bytes(x & 0xff for x in itertools.accumulate(row[n::step]))
        return
    if kind == 2:
        row[:] = bytes((a + b) & 0xff for a, b in zip(row, above))
        return
    for i in range(len(row) if kind else 0):
        a = row[i - step] if i >= step else 0
        b = above[i]
        c = above[i - step] if i >= step else 0
        row[i] = (row[i] + (a, b, (a + b) // 2, paeth(a, b, c))[kind - 1]) & 0xff


def colours(png):
    """{(r, g, b): pixels} of a PNG with eight bits a sample, as Chromium writes it."""
    data = png.read_bytes()
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise BrowserError(f"{png.name} is no PNG")
    at, packed, header = 8, b"", None
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", data[at + 8:at + 21])
        elif kind == b"IDAT":
            packed += data[at + 8:at + 8 + size]
        at += size + 12
    wide, high, depth, kind, _, _, interlaced = header
    if depth != 8 or kind not in (2, 6) or interlaced:
        raise BrowserError(f"{png.name}: a kind of PNG that is not read here")
    step, raw, found = {2: 3, 6: 4}[kind], zlib.decompress(packed), Counter()
    above = bytearray(wide * step)
    for y in range(high):
        begin = y * (wide * step + 1)
        row = bytearray(raw[begin + 1:begin + 1 + wide * step])
        unfilter(raw[begin], row, above, step)
        found.update(zip(row[0::step], row[1::step], row[2::step]))
        above = row
    return found


def facts(log):
    """{key: text} of the guest's verdict."""
    return dict(re.findall(r"^# ([\w.]+)=(\S+)$", log.read_text(encoding="utf-8", errors="replace"), re.M))


def dead_of(said):
    return next((n for n in range(8) if said.get(f"ep{n}.inv_ignored", "0") != "0"), None)


def judge_pictures(dom, said):
    """[(ok, text)]: both timelines are there, with as many marks as the logs count."""
    have = {(p.kernel, p.figure, p.form) for p in dom.pictures}
    wanted = {(k, f, w) for k in KERNELS for f in FIGURES for w in WINDOWS}
    tests = [(have == wanted and len(dom.pictures) == len(wanted),
              f"{len(dom.pictures)} pictures: two figures of two kernels, wide and narrow")]
    for p in dom.pictures:
        drawn = p.marks if p.figure == "return" else p.rects
        labelled = all(p.text.get(k) for k in ("title", "desc"))
        tests.append((drawn.get("accepted", 0) > 0 and len(p.returns) == 1 and labelled,
                      f"{p.name()}: writes, one return of the flush, title and description"))
    for p in [p for p in dom.pictures if p.figure == "return"]:
        values = said.get(p.kernel, {})
        refused = values.get(f"ep{dead_of(values)}.refused_after")
        escapes, judged = str(len(p.escapes)), str(p.marks.get("judged", 0))
        tests.append((escapes == values.get("escapes") and judged == refused,
                      f"{p.name()}: {escapes} escapes, {judged} refused; the guest: {values.get('escapes')}, "
                      f"{refused}"))
        tests.append((all(x >= r for x in p.escapes for r in p.returns),
                      f"{p.name()}: every escape is behind the return"))
    return tests


def judge_cells(dom, rows, said):
    cells = dom.cells()
    differing = [f"{r.label}: {cells.get(r.label)} and not {r.cells}" for r in rows if cells.get(r.label) != r.cells]
    tests = [(bool(rows) and not differing and len(cells) == len(rows),
              f"{len(cells)} rows of the table are those of the screen" + "".join(f"; {d}" for d in differing[:3]))]
    for n, kernel in enumerate(KERNELS):
        v = said.get(kernel, {})
        wanted = {"ESCAPES after the flush": ("escapes", "corrupted"),
                  "refused after the flush": (f"ep{dead_of(v)}.refused_after",)}
        for ep in range(5):
            label = next((c for c in cells if c.startswith(v.get(f"ep{ep}.bdf", "?")[5:] + " ")), "")
            if ep != dead_of(v):
                wanted[label] = (f"ep{ep}.accepted_during", f"ep{ep}.accepted_after")
        for label, keys in wanted.items():
            shown = re.findall(r"\d+", (cells.get(label) or ["", ""])[n])
            tests.append((shown == [v.get(k) for k in keys], f"{kernel}: {label or 'an endpoint without a row'}: "
                          f"{' and '.join(shown) or 'nothing'}, as the guest's log says"))
    return tests


def red_pixels(found):
    """Also where a mark is thinner than a pixel, and its colour a mixture."""
    return sum(n for (r, g, b), n in found.items() if r - max(g, b) > 60)


def judge_screenshot(found, without, form, escapes):
    """found, without: the colours with and without the marks of the escapes."""
    red = red_pixels(found) - red_pixels(without)
    return [(len(found) > COLOURS and escapes > 0 and red >= escapes,
             f"{form} screenshot: {len(found)} colours, the marks of {escapes} escapes are {red} pixels")]


def without_escapes(page):
    """A copy of the page beside it, with no mark of an escape."""
    other = page.with_name(f"{page.stem}-without.html")
    other.write_text(ESCAPE_MARK.sub("", page.read_text(encoding="utf-8")), encoding="utf-8")
    return other


def judge(page, logs, rows):
    """[(ok, text)] of a report. logs: {kernel: folder}; rows: the screen's table."""
    text = page.read_text(encoding="utf-8")
    outside = OUTSIDE.search(text)
    tests = [(not outside, "the report refers to nothing outside of the file"
              + (f": {text[outside.start():outside.start() + 40]!r}" if outside else ""))]
    said = {kernel: facts(Path(folder) / "verdict.log") for kernel, folder in logs.items()}
    try:
        dom = Dom(chromium(page, "--dump-dom"))
        tests += judge_pictures(dom, said) + judge_cells(dom, rows, said)
        for form in WINDOWS:
            found, without = (colours(screenshot(p, form)) for p in (page, without_escapes(page)))
            tests += judge_screenshot(found, without, form, int(said["unpatched"].get("escapes", "0")))
    except BrowserError as e:
        tests.append((False, f"the report in a browser: {e}"))
    return tests
