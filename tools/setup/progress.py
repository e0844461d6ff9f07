# SPDX-License-Identifier: GPL-2.0-or-later
"""One line per step: what, how far, how long so far. Logs go to files.

On a terminal the line is rewritten in place; elsewhere a step prints a start
line, a heartbeat, and a finish line. When a command fails, the name of its
log and the log's last lines are shown. Times are kept in $(O)/budget.tsv.

    steps = Steps(out, total=8)
    with steps.step("building QEMU", "qemu") as s:
        s.run(["ninja", ...], watch=ninja_watch)

This is not a build system: the caller decides whether work is needed.
"""
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

HEARTBEAT = 30.0
TAIL = 20


class StepError(Exception):
    """A step failed; the reason was printed before, or is this text."""


def span(seconds):
    seconds = int(seconds)
    if seconds < 60:
        return f"{seconds}s"
    if seconds < 3600:
        return f"{seconds // 60}m{seconds % 60:02d}s"
    return f"{seconds // 3600}h{seconds // 60 % 60:02d}m"


def count_watch(pattern, total):
    """Watch for a tool whose log has about `total` lines like `pattern`."""
    compiled, seen = re.compile(pattern), [0]

    def watch(line):
        if compiled.match(line):
            seen[0] += 1
            return min(99, seen[0] * 100 // total)
        return None
    return watch


def ninja_watch():
    compiled = re.compile(r"^\[(\d+)/(\d+)\]")

    def watch(line):
        found = compiled.match(line)
        return int(found[1]) * 100 // max(1, int(found[2])) if found else None
    return watch


class Step:
    def __init__(self, steps, number, title, log):
        self.steps, self.number, self.title = steps, number, title
        self.log = log
        self.percent = None
        self.note = ""
        self.state = "done"
        self.began = time.monotonic()
        self._beat = self.began
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    # -- printing --

    def _head(self):
        width = max(2, len(str(self.steps.total)))
        return f"[{self.number:>{width}}/{self.steps.total}] {self.title} ..."

    def _text(self):
        parts = [self._head()]
        if self.percent is not None:
            parts.append(f"{self.percent} %")
        if self.note:
            parts.append(self.note)
        parts.append(span(time.monotonic() - self.began))
        return " ".join(parts)

    def _put(self, text, end="\n"):
        with self._lock:
            if self.steps.tty:
                cols = self.steps.columns()
                sys.stdout.write("\r\x1b[K" + (text[:cols - 1] if end == "" else text) + end)
            else:
                sys.stdout.write(text + end)
            sys.stdout.flush()

    def _tick(self):
        while not self._done.wait(1.0 if self.steps.tty else 5.0):
            if self.steps.tty:
                self._put(self._text(), "")
            elif time.monotonic() - self._beat >= HEARTBEAT:
                self._beat = time.monotonic()
                self._put(self._text())

    def say(self, text):
        """A line of its own, for what the user must know."""
        self._put(" " * self._head().index(self.title) + text)

    # -- life --

    def __enter__(self):
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")
        self._put(self._head(), "" if self.steps.tty else "\n")
        self._ticker.start()
        return self

    def __exit__(self, kind, error, trace):
        self._done.set()
        self._ticker.join()
        took = time.monotonic() - self.began
        if kind is None:
            self._put(f"{self._head()} {self.state} {span(took)}")
        elif issubclass(kind, KeyboardInterrupt):
            self._put(f"{self._head()} interrupted after {span(took)}; the same command goes on from here")
        else:
            self._put(f"{self._head()} FAILED after {span(took)}")
        self.steps.record(self.title, took, self.state if kind is None else "failed")
        return False

    def up_to_date(self):
        self.state = "up to date"

    # -- commands --

    def run(self, cmd, cwd=None, env=None, watch=None, check=True, tail=True):
        """Run cmd, everything it says into the log; returns its exit status."""
        with open(self.log, "ab") as log:
            log.write(("$ " + " ".join(map(str, cmd)) + "\n").encode())
            log.flush()
            try:
                proc = subprocess.Popen(list(map(str, cmd)), cwd=cwd, env=env, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        start_new_session=True)
            except FileNotFoundError as e:
                raise StepError(f"{cmd[0]} is not installed") from e
            try:
                for raw in proc.stdout:
                    log.write(raw)
                    if self.steps.verbose:
                        self._put(raw.decode(errors="replace").rstrip("\n"))
                    if watch:
                        percent = watch(raw.decode(errors="replace").rstrip("\n"))
                        if percent is not None:
                            self.percent = percent
                status = proc.wait()
            except BaseException:
                try:
                    os.killpg(proc.pid, signal.SIGTERM)
                    proc.wait(timeout=10)
                except (OSError, subprocess.TimeoutExpired):
                    pass
                raise
        if status and check:
            raise self.failed(f"{Path(str(cmd[0])).name} ended with status {status}", tail)
        return status

    def failed(self, why, tail=True):
        """The error to raise; prints where the log is and how it ends."""
        text = why
        if tail:
            lines = self.log.read_text(errors="replace").splitlines()[-TAIL:]
            text += f"; log: {self.log}"
            if any("No space left on device" in ln for ln in lines):
                text = f"the disk is full; log: {self.log}"
            text += "\n" + "\n".join("    " + ln for ln in lines)
        return StepError(text)


def _interrupt(number, frame):
    raise KeyboardInterrupt


class Steps:
    """The steps of one command, numbered."""

    def __init__(self, out, total, verbose=False):
        self.out, self.total = Path(out), total
        self.verbose = verbose
        self.next = 1
        self.tty = sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb" and not verbose
        self.times = []
        # Commands run in sessions of their own: whoever ends this program,
        # a CI's time limit for one, has to end them too.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)

    @staticmethod
    def columns():
        try:
            return os.get_terminal_size(sys.stdout.fileno()).columns
        except OSError:
            return 80

    def step(self, title, log):
        number, self.next = self.next, self.next + 1
        return Step(self, number, title, self.out / "log" / f"{log}.log")

    def record(self, title, seconds, state):
        self.times.append((title, seconds, state))

    def write_budget(self, append=False):
        """Minutes per step of this run, for the table of the CI budget."""
        path = self.out / "budget.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a" if append else "w", encoding="utf-8") as fh:
            if not append:
                fh.write("# step\tminutes\tseconds\tstate\n")
            for title, seconds, state in self.times:
                fh.write(f"{title}\t{seconds / 60:.2f}\t{seconds:.1f}\t{state}\n")
