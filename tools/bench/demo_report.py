# SPDX-License-Identifier: GPL-2.0-or-later
"""The demo's report: one HTML file with both timelines as pictures, and the table.

Draws what demo.py has read from the logs of the two boots (its Side) and adds
no value of its own: each mark is an event of the trace, each number one of the
guest's. The file needs no script, no network and no other file. Each picture is
in it twice, for wide and for narrow windows; the style shows one of the two.

Not a judge: demo.py's exit status is. determinism.py opens a report in a browser
and compares it with the logs (tools/checks/demo_report.py).
"""

import html
import re
from collections import namedtuple

from tools.bench import qtrace

KERNELS = ("unpatched", "patched")
ACCEPTED, REFUSED, MISSED = "accepted", "refused", "missed"

GAP_MS = 2.0            # writes closer than this are one bar of the overview
BEFORE_MS, AFTER_MS = 4, 3      # of the detail, around what it has to show
DETAIL_MS = 60          # of the detail to each side, at most

Moment = namedtuple("Moment", "ns text kind")
Flush = namedtuple("Flush", "start end text")
Lane = namedtuple("Lane", "ep name note")
# One of the pictures: its class, how wide it is, room for the names at the left
Form = namedtuple("Form", "name width gutter")

FORMS = (Form("wide", 1200, 178), Form("narrow", 460, 0))
CHAR = 8.0              # pixels that a bold character of 12 px takes, on average
ROW = 17                # of the names of moments

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1b1f24;--dim:#59636e;--line:#d1d9e0;--soft:#f6f8fa;
--accepted:#2f6fb0;--refused:#8a5a00;--missed:#8c959f;--escape:#c4161c;--good:#1a7f37;--flush:#c9d1d9;--fence:#ebe3fb;
--fence-line:#6e40c9;--error:#a04100}
@media (prefers-color-scheme:dark){:root{--bg:#0d1117;--fg:#e6edf3;--dim:#9198a1;--line:#30363d;--soft:#161b22;
--accepted:#58a6ff;--refused:#e3a73b;--missed:#6e7681;--escape:#ff6b66;--good:#56d364;--flush:#3d444d;--fence:#2a2140;
--fence-line:#b392f0;--error:#ffa657}}
*{box-sizing:border-box}
body{margin:0 auto;padding:20px 24px 40px;max-width:1280px;background:var(--bg);color:var(--fg);
font:15px/1.45 system-ui,"DejaVu Sans",sans-serif}
h1{font-size:24px;line-height:1.25;margin:0 0 6px}
h2{font-size:19px;margin:34px 0 4px}
p{margin:4px 0 12px;max-width:80ch}
.dim,figcaption{color:var(--dim)}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(280px,1fr));gap:14px;margin:16px 0 6px}
.card{border:1px solid var(--line);border-left-width:6px;border-radius:6px;padding:10px 16px;background:var(--soft)}
.card h3{margin:0;font-size:13px;letter-spacing:.06em;text-transform:uppercase;color:var(--dim)}
.card strong{display:block;font-size:27px;line-height:1.25}
.card.bad{border-left-color:var(--escape)}.card.bad strong{color:var(--escape)}
.card.good{border-left-color:var(--good)}.card.good strong{color:var(--good)}
.legend{display:flex;flex-wrap:wrap;gap:4px 22px;list-style:none;margin:10px 0 4px;padding:0;font-size:13px}
.legend svg{width:34px;height:20px;vertical-align:middle;margin-right:6px}
figure{margin:10px 0 0}
figcaption{font-size:14px;margin-bottom:4px;max-width:90ch}
figure>svg{display:block;width:100%;height:auto;border:1px solid var(--line);border-radius:6px;margin:10px 0}
figure>svg.narrow{display:none}
@media (max-width:900px){body{padding:14px 12px 30px}figure>svg.wide{display:none}figure>svg.narrow{display:block}}
svg text{font:12px system-ui,"DejaVu Sans",sans-serif;fill:var(--fg)}
svg text.kernel{font-size:14px;font-weight:700}
svg text.note,svg text.tick{fill:var(--dim);font-size:11px}
svg text.escapes{fill:var(--escape);font-weight:700}svg text.refusals{fill:var(--refused);font-weight:700}
svg text.eats{fill:var(--fence-line);font-weight:700}svg text.error{fill:var(--error);font-weight:700}
svg text.return{font-weight:700}
svg text.over{paint-order:stroke;stroke:var(--bg);stroke-width:4px;stroke-linejoin:round}
.grid{stroke:var(--line);stroke-width:1}.base{stroke:var(--line);stroke-width:1}
.lead{stroke:var(--dim);stroke-width:1}.lead.return{stroke:var(--fg);stroke-width:2}
.lead.eats{stroke:var(--fence-line);stroke-width:1.5}.lead.error{stroke:var(--error);stroke-width:1.5}
.flush{fill:var(--flush);stroke:var(--dim);stroke-width:1}
.fenced{fill:var(--fence);stroke:var(--fence-line);stroke-width:1;stroke-dasharray:4 3}
path.accepted{stroke:var(--accepted)}path.refused{stroke:var(--refused)}path.missed{stroke:var(--missed)}
path{fill:none}
rect.accepted{fill:var(--accepted)}rect.refused{fill:var(--refused)}rect.missed{fill:var(--missed)}
.escape{stroke:var(--escape)}rect.escaped{fill:var(--escape)}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px}
caption{text-align:left;color:var(--dim);padding-bottom:6px}
th,td{text-align:left;vertical-align:top;padding:5px 12px 5px 8px;border-bottom:1px solid var(--line)}
thead th{border-bottom:2px solid var(--dim)}tbody th{font-weight:600}
td{font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
td.good::before{content:"\\2713\\a0";color:var(--good);font-weight:700}
td.bad::before{content:"\\2717\\a0";color:var(--escape);font-weight:700}
td.bad{color:var(--escape)}
td.ms{text-align:right;white-space:nowrap;color:var(--dim)}
code,pre{font:13px/1.4 ui-monospace,"DejaVu Sans Mono",monospace}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--soft);border:1px solid var(--line);border-radius:6px;
padding:8px 12px;margin:6px 0}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(320px,1fr));gap:0 28px}
"""


class Course:
    """What happened in one boot, with the time of each event."""

    def __init__(self, side, kernel):
        self.side, self.kernel = side, kernel
        self.dead, self.start, self.end = side.dead, side.start, side.end
        self.writes = {}
        for e in side.events:
            ep = endpoint(e) if e.name == "ats_testdev_write" else None
            if ep is not None:
                self.writes.setdefault(ep, []).append((e.ns, e.args.get("outcome")))
        self.reset = next((e.ns for e in side.events if e.name == "ats_testdev_reset"
                           and endpoint(e) == self.dead and e.ns > self.end), None)
        # The hammers rest before the second flush: its begin ends what the guest judged
        self.judged = side.n("second.start") or self.reset or float("inf")
        self.eats = self.eats_changes()

    def eats_changes(self):
        """[(ns, value)] of the dead endpoint's STE as the SMMU has read it."""
        sid, changes, last = self.side.n(f"ep{self.dead}.sid"), [], 1
        for e in self.side.events:
            if e.name == "smmuv3_cfgi_ste" and e.ns >= self.start and qtrace.number(e, "sid") == sid:
                value = qtrace.number(e, "eats")
                if value is not None and value != last:
                    changes.append((e.ns, value))
                    last = value
        return changes

    def after(self, outcome):
        """Times of the dead endpoint's writes that the guest judged."""
        return [ns for ns, o in self.writes.get(self.dead, ())
                if o == outcome and self.end <= ns < self.judged and self.end]

    def escapes(self):
        return self.after(ACCEPTED)

    def flushes(self):
        found = []
        for key, text in (("flush", "flush"), ("second", "2nd flush"), ("after_reset", "3rd flush")):
            start, end = self.side.n(f"{key}.start"), self.side.n(f"{key}.end")
            if start and end:
                found.append(Flush(start, end, f"{text}, {(end - start) / 1e6:.1f} ms"))
        return found

    def moments(self, until):
        """What the pictures name, in the order of time."""
        if not self.start:
            return []
        found = [Moment(self.start, "unmap", "unmap")]
        found += [Moment(e.ns, "CMDQ error", "error") for e in self.side.events
                  if e.name == "smmuv3_cmdq_error" and e.ns >= self.start]
        found += [Moment(ns, f"EATS = {value}", "eats") for ns, value in self.eats]
        if self.end:
            found.append(Moment(self.end, "flush returns", "return"))
        if self.reset:
            found.append(Moment(self.reset, "reset", "reset"))
        return sorted(m for m in found if m.ns <= until)

    def last(self):
        """Where the overview ends: what follows is the end of the test."""
        flushes = self.flushes()
        begin = max([self.end, self.reset or 0] + [f.end for f in flushes])
        return begin + 25_000_000

    def fence(self):
        """When the SMMU saw the fence, within the flush; None without one."""
        return next((ns for ns, value in self.eats if value == 0 and ns <= self.end), None)

    def fenced(self):
        """[(from, to)] with EATS = 0; to is None at the end of the log."""
        spans = []
        for ns, value in self.eats:
            if value == 0:
                spans.append([ns, None])
            elif spans and spans[-1][1] is None:
                spans[-1][1] = ns
        return spans

    def version(self):
        return next((m[1] for m in (re.search(r"Linux version (\S+)", x) for x in self.side.console) if m), "?")


def endpoint(event):
    found = re.fullmatch(r"ep(\d+)", event.args.get("name", ""))
    return int(found[1]) if found else None


class Axis:
    """Virtual time in ms since an origin, to pixels."""

    def __init__(self, form, lo, hi):
        self.lo, self.hi, self.form = lo, hi, form
        self.left, self.right = form.gutter + 10, form.width - 12

    def x(self, ms):
        return self.left + (ms - self.lo) * (self.right - self.left) / (self.hi - self.lo)

    def shows(self, ms):
        return self.lo <= ms <= self.hi

    def ticks(self):
        wanted = (self.hi - self.lo) / max(4, (self.right - self.left) / 95)
        step = next(s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10 ** 4, 10 ** 5, 10 ** 9)
                    if s >= wanted)
        first = -int(-self.lo // step) * step
        return [n for n in range(first, int(self.hi) + 1, step)]


def width(text):
    return len(text) * CHAR


def place(axis, labels):
    """[(x, row, label)]: each in a row below all names that it would touch.

    A line leads down from the left end of a name, so nothing may be written
    below it further to the left either: a later name is always in a lower row.
    """
    placed, ends = [], []
    for ms, label in labels:
        x = axis.x(ms)
        row = max((n + 1 for n, end in enumerate(ends) if end > x), default=0)
        ends[row:] = [x + width(label) + 16]
        placed.append((x, row, label))
    return placed


def fit(form, lo, hi, labels):
    """An axis with room for the names at its right end."""
    axis = Axis(form, lo, hi)
    while any(axis.x(ms) + width(text) + 8 > form.width for ms, text in labels):
        axis = Axis(form, lo, axis.hi + (hi - lo) / 50)
    return axis


def runs(times, gap):
    """[[first, last]] of times in ms that are not further apart than gap."""
    found = []
    for t in times:
        if found and t - found[-1][1] <= gap:
            found[-1][1] = t
        else:
            found.append([t, t])
    return found


def tag(name, text=None, **attributes):
    values = {k.rstrip("_").replace("_", "-"): f"{v:.1f}" if isinstance(v, float) else str(v)
              for k, v in attributes.items()}
    words = "".join(f' {k}="{html.escape(v)}"' for k, v in values.items())
    return f"<{name}{words}/>" if text is None else f"<{name}{words}>{html.escape(text)}</{name}>"


def line(x1, y1, x2, y2, class_, **more):
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_, **more)


def rect(x1, y, x2, height, class_, least=1.0):
    return tag("rect", x=x1, y=y, width=max(x2 - x1, least), height=height, class_=class_)


class Picture:
    """One kernel, one stretch of time, one form. Subclasses draw the writes."""

    figure = ""

    def __init__(self, course, axis, lanes, origin):
        self.course, self.axis, self.lanes, self.origin = course, axis, lanes, origin
        self.form, self.out = axis.form, []
        self.narrow = not self.form.gutter

    def ms(self, ns):
        return (ns - self.origin) / 1e6

    def labels(self):
        return [(self.ms(m.ns), m) for m in self.course.moments(self.course.last())
                if self.axis.shows(self.ms(m.ns))]

    def svg(self):
        named = place(self.axis, [(ms, m.text) for ms, m in self.labels()])
        kinds = [m.kind for _, m in self.labels()]
        rows = 1 + max((row for _, row, _ in named), default=0)
        top = 32 + rows * ROW
        y = self.top_of_lanes = top + 28
        half = {}       # a lane's height to each side of its line
        for lane in self.lanes:
            y += 15 if self.narrow else 0
            half[lane.ep] = 20 if lane.ep == self.course.dead else 10 if self.narrow else 15
            y += 2 * half[lane.ep] + 6
        self.bottom = y + 4
        height = self.bottom + 38
        self.draw_axis()
        self.draw_flushes(top)
        self.draw_lines(named, kinds)
        self.draw_lanes(half)
        self.draw_labels(named, kinds)
        ident = f"{self.course.kernel}-{self.figure}-{self.form.name}"
        head = (f'<svg class="{self.form.name}" viewBox="0 0 {self.form.width} {height}" role="img" '
                f'data-kernel="{self.course.kernel}" data-figure="{self.figure}" '
                f'aria-labelledby="{ident}-title {ident}-desc">')
        return "\n".join([head, tag("title", self.title(), id=f"{ident}-title"),
                          tag("desc", self.description(), id=f"{ident}-desc"),
                          tag("text", self.heading(), x=10, y=20, class_="kernel"), *self.out, "</svg>"])

    def heading(self):
        return f"{self.course.kernel.upper()} kernel, Linux {self.course.version()}"

    def title(self):
        return f"{self.course.kernel} kernel: {self.subject}"

    def description(self):
        told = [f"{m.text} at {ms:.3f} ms" for ms, m in self.labels()]
        told.append(f"{len(self.course.escapes())} writes of the dead endpoint were accepted and "
                    f"{len(self.course.after(REFUSED))} refused after the flush returned")
        return "; ".join(told) + "."

    def draw_axis(self):
        for ms in self.axis.ticks():
            x = self.axis.x(ms)
            self.out.append(line(x, self.top_of_lanes - 6, x, self.bottom, "grid"))
            self.out.append(tag("text", f"{ms}", x=x, y=self.bottom + 14, text_anchor="middle", class_="tick"))
        self.out.append(line(self.axis.left, self.bottom, self.axis.right, self.bottom, "base"))
        self.out.append(tag("text", self.unit, x=self.axis.right, y=self.bottom + 30, text_anchor="end",
                            class_="note"))

    def draw_lanes(self, half):
        y = self.top_of_lanes
        for lane in self.lanes:
            if self.narrow:
                y += 15
                self.out.append(tag("text", f"{lane.name}, {lane.note}", x=10, y=y - 3, class_="note over"))
            base = y + half[lane.ep]
            if not self.narrow:
                self.out.append(tag("text", lane.name, x=10, y=base - 1))
                self.out.append(tag("text", lane.note, x=10, y=base + 12, class_="note"))
            if lane.ep == self.course.dead:
                self.draw_fenced(y, 2 * half[lane.ep])
            self.out.append(line(self.axis.left, base, self.axis.right, base, "base"))
            self.draw_writes(lane.ep, base, half[lane.ep] - 2)
            y += 2 * half[lane.ep] + 6

    def draw_fenced(self, y, height):
        for begin, end in self.course.fenced():
            lo = max(self.ms(begin), self.axis.lo)
            hi = self.axis.hi if end is None else min(self.ms(end), self.axis.hi)
            if lo < hi:
                self.out.append(rect(self.axis.x(lo), y, self.axis.x(hi), height, "fenced"))

    def draw_flushes(self, y):
        if not self.narrow:
            self.out.append(tag("text", "driver", x=10, y=y + 14))
        for flush in self.course.flushes():
            lo, hi = max(self.ms(flush.start), self.axis.lo), min(self.ms(flush.end), self.axis.hi)
            if lo >= hi:
                continue
            x1, x2 = self.axis.x(lo), self.axis.x(hi)
            self.out.append(rect(x1, y, x2, 20, "flush", least=3))
            self.name_bar(flush.text, x1, x2, y + 14)

    def name_bar(self, text, x1, x2, y):
        """In a bar, at the first place that no line crosses."""
        leads = [self.axis.x(ms) for ms, _ in self.labels()]
        x = x1 + 6
        while x + width(text) + 6 < x2:
            if not any(x - 3 < lead < x + width(text) + 3 for lead in leads):
                self.out.append(tag("text", text, x=x, y=y))
                return
            x += 10

    def draw_lines(self, named, kinds):
        for (x, row, _), kind in zip(named, kinds):
            foot = self.bottom if kind in ("return", "eats") else self.top_of_lanes - 6
            self.out.append(line(x, 34 + row * ROW, x, foot, f"lead {kind}"))

    def draw_labels(self, named, kinds):
        for (x, row, text), kind in zip(named, kinds):
            self.out.append(tag("text", text, x=x + 5, y=44 + row * ROW, class_=kind))

    def times(self, ep, outcome):
        """In ms, those in the picture; without the escapes, which are drawn apart."""
        escapes = set(self.course.escapes()) if ep == self.course.dead else ()
        return [self.ms(ns) for ns, o in self.course.writes.get(ep, ())
                if o == outcome and ns not in escapes and self.axis.shows(self.ms(ns))]


class Overview(Picture):
    """All of the demo; writes that follow each other closely are one bar."""

    figure, subject = "overview", "from the unmap to the reset"
    unit = "ms of virtual time since the unmap began"

    def draw_writes(self, ep, base, half):
        for outcome in (MISSED, ACCEPTED, REFUSED):
            y, height = {ACCEPTED: (base - half * .7, half * .7), REFUSED: (base, half * .7),
                         MISSED: (base - 1, 2)}[outcome]
            for lo, hi in runs(self.times(ep, outcome), GAP_MS):
                self.out.append(rect(self.axis.x(lo), y, self.axis.x(hi), height, outcome))
        if ep != self.course.dead:
            return
        for lo, hi in runs([self.ms(ns) for ns in self.course.escapes()], GAP_MS):
            self.out.append(rect(self.axis.x(lo), base - half, self.axis.x(hi), half, "escaped", least=4))
            self.out.append(tag("text", f"{len(self.course.escapes())} writes escape", x=self.axis.x(hi) + 5,
                                y=base - 6, class_="escapes over"))


class Detail(Picture):
    """Around the return of the flush: each write is a mark."""

    figure, subject = "return", "the moment when the flush returns, write by write"
    unit = "ms of virtual time since the flush returned"

    def pitch(self):
        """Pixels from one write to the next."""
        return (self.axis.right - self.axis.left) / (self.axis.hi - self.axis.lo) * .2

    def draw_writes(self, ep, base, half):
        thin = round(min(1.6, self.pitch() * .5), 2)
        judged = set(self.course.after(REFUSED)) if ep == self.course.dead else set()
        for outcome in (MISSED, ACCEPTED, REFUSED):
            move = {ACCEPTED: -half * .7, REFUSED: half * .7, MISSED: 3}[outcome]
            start = base - 1.5 if outcome == MISSED else base
            marks = {"": [], " judged": []}
            for ms in self.times(ep, outcome):
                kind = " judged" if outcome == REFUSED and round(ms * 1e6) + self.origin in judged else ""
                marks[kind].append(f"M{self.axis.x(ms):.1f} {start:.1f}v{move:.1f}")
            for kind, parts in marks.items():
                if parts:
                    self.out.append(tag("path", d="".join(parts), class_=outcome + kind, stroke_width=thin))
        if ep == self.course.dead:
            self.draw_judged(base, half)

    def draw_judged(self, base, half):
        escapes = [self.ms(ns) for ns in self.course.escapes() if self.axis.shows(self.ms(ns))]
        refused = [self.ms(ns) for ns in self.course.after(REFUSED) if self.axis.shows(self.ms(ns))]
        bold = round(min(2.4, self.pitch() * .7), 2)
        for ms in escapes:
            x = self.axis.x(ms)
            self.out.append(line(x, base, x, base - half, "escape", stroke_width=bold))
        if escapes:
            more = "" if self.narrow else " into freed memory"
            self.out.append(tag("text", f"{len(escapes)} writes escape{more}", x=self.axis.x(escapes[0]) + 4,
                                y=base + 14, class_="escapes"))
        if refused:
            more = "" if self.narrow or escapes else ", 0 escape"
            self.out.append(tag("text", f"{len(refused)} writes refused{more}", x=self.axis.x(refused[0]) + 4,
                                y=base - 6, class_="refusals"))


def draw(kind, courses, lanes, origins, lo, hi):
    """The pictures of one figure: both kernels on the same axis, in each form."""
    found = []
    for form in FORMS:
        labels = [((m.ns - o) / 1e6, m.text) for c, o in zip(courses, origins) for m in c.moments(c.last())
                  if lo <= (m.ns - o) / 1e6 <= hi]
        axis = fit(form, lo, hi, labels)
        found += [kind(c, axis, lanes[c.kernel], o).svg() for c, o in zip(courses, origins)]
    return "\n".join(found)


def overview(courses, lanes):
    hi = max((c.last() - c.start) / 1e6 for c in courses)
    return draw(Overview, courses, lanes, [c.start for c in courses], -hi * .02, hi)


def detail(courses, lanes):
    early = [(c.fence() - c.end) / 1e6 - BEFORE_MS for c in courses if c.fence()]
    late = [(ns - c.end) / 1e6 + AFTER_MS for c in courses for o in (ACCEPTED, REFUSED) for ns in c.after(o)[-1:]]
    lo = max(min(early, default=-10), -DETAIL_MS)
    hi = min(max(late, default=30), DETAIL_MS)
    return draw(Detail, courses, lanes, [c.end for c in courses], lo, hi)


def legend():
    def item(text, *parts):
        return f'<li><svg viewBox="0 0 34 20" aria-hidden="true">{"".join(parts)}</svg>{html.escape(text)}</li>'

    def marks(kind, y, move, size=1.6):
        return tag("path", d="".join(f"M{x} {y}v{move}" for x in range(3, 34, 4)), class_=kind, stroke_width=size)
    base = line(0, 10, 34, 10, "base")
    return '<ul class="legend">' + "".join([
        item("write accepted (above the line)", base, marks("accepted", 10, -7)),
        item("write refused by the SMMU (below the line)", base, marks("refused", 10, 7)),
        item("not sent: the ATC has no translation", base, marks("missed", 8.5, 3)),
        item("escape: accepted after the flush returned", base,
             *[line(x, 10, x, 0, "escape sample", stroke_width=2.4) for x in range(3, 34, 4)]),
        item("the SMMU has read EATS = 0", rect(1, 2, 33, 16, "fenced")),
        item("the driver flushes", rect(1, 3, 33, 14, "flush"))]) + "</ul>"


def card(course):
    side, escaped = course.side, course.side.escapes()
    good = escaped == 0
    big = "no verdict" if escaped < 0 else f"{escaped} writes escape"
    what = (f"The flush returned after {side.took()}. Afterwards {side.rejected()} writes of the endpoint were refused "
            f"and {side.n('corrupted', '?')} words of the unmapped pages were corrupted.")
    return (f'<section class="card {"good" if good else "bad"}"><h3>{course.kernel} kernel</h3>'
            f"<strong>{'✓' if good else '✗'} {html.escape(big)}</strong>{html.escape(what)}</section>")


def table(rows):
    out = ['<div class="scroll"><table id="result"><caption>As on the screen of the demo</caption>'
           '<thead><tr><th scope="col">measured</th><th scope="col">unpatched</th><th scope="col">patched</th></tr>'
           "</thead><tbody>"]
    for row in rows:
        cells = "".join(tag("td", text, **({} if good is None else {"class_": "good" if good else "bad"}))
                        for text, good in zip(row.cells, row.good))
        out.append(f'<tr>{tag("th", row.label, scope="row")}{cells}</tr>')
    return "\n".join(out) + "</tbody></table></div>"


def events(course):
    body = "\n".join(f'<tr>{tag("td", f"{(ns - course.start) / 1e6:.3f}", class_="ms")}{tag("td", text)}</tr>'
                     for ns, text in course.side.timeline())
    return (f'<div><table class="events" data-kernel="{course.kernel}"><caption>{course.kernel} kernel</caption><thead>'
            f'<tr><th scope="col">ms</th><th scope="col">event</th></tr></thead><tbody>{body}</tbody></table></div>')


def log_lines(course):
    lines = "\n".join(course.side.blame.values()) or "(it names no endpoint)"
    return f"<p>The log of the {course.kernel} kernel about the endpoints:</p>{tag('pre', lines)}"


def lanes_of(side, notes):
    return [Lane(ep, side.bdf(ep), note) for ep, note in notes.items()]


def page(left, right, rows, notes):
    """The report. notes: {endpoint: what it is}, in the order of the lanes."""
    courses = [Course(side, kernel) for side, kernel in zip((left, right), KERNELS)]
    lanes = {c.kernel: lanes_of(c.side, notes) for c in courses}
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>What an ATS endpoint that stops answering does to an unpatched and to a patched kernel</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>An ATS endpoint stops answering invalidations; its pages are unmapped</h1>
<p class="dim">Two boots of the same emulated machine: three ATS endpoints share a domain, the fourth and one without ATS
have a domain each. All five write to memory every 200 µs of virtual time. Every value on this page was measured in these
two boots.</p>
<div class="cards">{"".join(card(c) for c in courses)}</div>
<h2>The moment when the flush returns</h2>
<figure><figcaption>When the flush returns, the kernel may reuse the pages. Each mark is one write of an endpoint. The
unpatched kernel returns while {html.escape(left.bdf(left.dead))} still has the old translation. The patched kernel first
makes the SMMU refuse the translated writes of that endpoint (EATS = 0).</figcaption>
{legend()}
{detail(courses, lanes)}
</figure>
<h2>The whole course</h2>
<figure><figcaption>Both kernels on the same scale, from the unmap to the flush after the reset. Writes that follow each
other closely are one bar; the endpoints pause after those that the guest counts.</figcaption>
{overview(courses, lanes)}
</figure>
<h2>Measured</h2>
{table(rows)}
{"".join(log_lines(c) for c in courses)}
<h2>Events of the SMMU</h2>
<p class="dim">Milliseconds of virtual time since the unmap began, from the trace of the emulated SMMU and of the
endpoints.</p>
<div class="pair">{"".join(events(c) for c in courses)}</div>
</main>
</body>
</html>
"""
