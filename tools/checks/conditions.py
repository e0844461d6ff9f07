# SPDX-License-Identifier: GPL-2.0-or-later
"""Does a test notice when a condition of the series is taken out? KTAP.

Every leaf condition (cparse.py) on a line that the series adds becomes a call that
tells whether the boot parameter atc_cond=N:0 or atc_cond=N:1 has it false or true.
The expression is evaluated nevertheless. So one kernel is built for all of them,
$(O)/kernel/conditions, and each condition is tried with each value by boots.

First the control: nothing is forced, and each suite of KUnit runs in a boot of its
own. It has to pass. The guest prints which values each condition had, so that a
condition is tried only where the forced value makes a difference. Then each
condition runs these suites, the short ones first, until the first failed
expectation, splat, or hang. A guest hangs if it prints nothing for much longer than
the control did. What survives KUnit runs the scenarios in which it makes a difference.

A condition that survives all is a failure, unless conditions.tsv says why no test
can notice it: function, condition, forced value, reason. An exception that dies,
or whose condition is gone, is a failure as well.

Results are kept in $(O)/bench/conditions/results.tsv. A result holds as long as the
function that the condition is in, and all tests of the pass, have the same text. So a
run that was interrupted goes on from there, and a change of one function has only its
conditions tried again. That a change elsewhere made a test blind is not seen:
--again tries all. A result that no longer holds tells which suite to try first.

Not for the order of operations, nor for statements: mutants.py has patches for them.
"""
import argparse
import collections
import concurrent.futures
import fnmatch
import hashlib
import os
import queue
import re
import subprocess
import threading
import time
from pathlib import Path
from typing import NamedTuple

from tools import TOP, ktap, tables
from tools.bench import initramfs, kernel as K, kunit_log, scenarios, splats, vm
from tools.checks import cparse, mutants as M
from tools.series import repo as R
from tools.setup import progress

STATE = "conditions"
EXCEPTIONS = Path(__file__).with_suffix(".tsv")
# By default: the driver. The rest of what the series changes is tried by name
FILES = [f"{K.DRIVER}/arm-smmu-v3-atc.c", f"{K.DRIVER}/arm-smmu-v3-iommufd.c", f"{K.DRIVER}/arm-smmu-v3.c"]
SUITE = "arm-smmu-v3-*"
BOOT = "boot"               # a guest in which no suite runs
CPUS = 4
# Measures how long so many instructions take, and this kernel executes more of them; stop-panic-all allows for that
UNFIT = ("stop-panic",)
# What scenarios are made of, besides the kernel
SCENARIO_FILES = ("tools/bench/scenarios.py", "tools/bench/guest", "tools/testing/selftests/iommu/ats")
# A guest hangs after that many times as long as the control took, and so many seconds
TIMES, SECONDS = 3, 15
HANG = "hang: "
KILLED, ALIVE, SAME = "killed", "ALIVE", "no difference"

HEADER = """\
/* SPDX-License-Identifier: GPL-2.0-only */
/* Made by tools/checks/conditions.py, no part of the series */
#ifndef ATC_COND_H
#define ATC_COND_H
#include <linux/types.h>
extern int atc_cond_forced;
extern bool atc_cond_seen[];
static __always_inline bool atc_cond(int n, bool is)
{
	if (!atc_cond_seen[2 * n + is])
		atc_cond_seen[2 * n + is] = true;
	return __builtin_expect(atc_cond_forced >> 1 == n, 0) ? atc_cond_forced & 1 : is;
}
#define ATC_COND(n, expr) atc_cond(n, !!(expr))
#endif
"""

# Values are printed when initcalls are done, which is before KUnit, and in the end
SOURCE = """\
// SPDX-License-Identifier: GPL-2.0-only
/* Made by tools/checks/conditions.py, no part of the series */
#include <linux/atc_cond.h>
#include <linux/init.h>
#include <linux/export.h>
#include <linux/kernel.h>
#include <linux/printk.h>
#include <linux/reboot.h>
#include <linux/string.h>
int atc_cond_forced = -1;
EXPORT_SYMBOL(atc_cond_forced);
bool atc_cond_seen[2 * COUNT];
EXPORT_SYMBOL(atc_cond_seen);
static int __init atc_cond_set(char *arg)
{
	int n, value;

	if (sscanf(arg, "%d:%d", &n, &value) == 2)
		atc_cond_forced = 2 * n + value;
	return 0;
}
early_param("atc_cond", atc_cond_set);
static void atc_cond_print(const char *when)
{
	char line[65];
	int i, n;

	for (i = 0; i < COUNT; i += n) {
		for (n = 0; n < 64 && i + n < COUNT; n++)
			line[n] = '0' + atc_cond_seen[2 * (i + n)] + 2 * atc_cond_seen[2 * (i + n) + 1];
		line[n] = 0;
		pr_info("atc_cond: %s %d %s\\n", when, i, line);
	}
}
static int atc_cond_end(struct sys_off_data *data)
{
	atc_cond_print("end");
	return NOTIFY_DONE;
}
static int __init atc_cond_init(void)
{
	atc_cond_print("init");
	memset(atc_cond_seen, 0, sizeof(atc_cond_seen));
	register_sys_off_handler(SYS_OFF_MODE_POWER_OFF_PREPARE, SYS_OFF_PRIO_DEFAULT, atc_cond_end, NULL);
	return 0;
}
late_initcall_sync(atc_cond_init);
"""
NOT_OK = re.compile(r"\s*not ok \d")
FAULT = re.compile(r"\s*# (\w+): (try (?:faulted|timed out|failed).*)$")
SEEN = re.compile(r"atc_cond: (init|end) (\d+) ([0-3]+)$")


class Mutant(NamedTuple):
    number: int
    file: str
    condition: cparse.Condition
    value: int

    def key(self):
        return self.condition.function, self.condition.text, str(self.value)

    def title(self):
        value = ("false", "true")[self.value]
        return f"{self.number}: {self.condition.function}: {self.condition.text}: forced {value}"


class Result(NamedTuple):
    outcome: str        # KILLED, ALIVE or SAME
    where: str          # what noticed it, or all that was tried
    text: str
    seconds: float
    kernel: str = ""    # that it was seen on


class ConditionError(Exception):
    pass


# -- the kernel ----------------------------------------------------------------

def instrumented(texts, lines):
    """({path: source}, {number: (path, Condition)}) of {path: source} and {path: its lines, or None for all}."""
    every, wrapped = {}, {}
    for path, text in texts.items():
        mine = {len(every) + n: c for n, c in enumerate(cparse.conditions(text, lines.get(path)), 1)}
        every.update({n: (path, c) for n, c in mine.items()})
        head, rest = cparse.wrap(text, mine).split("\n", 1)
        wrapped[path] = f"{head}\n#include <linux/atc_cond.h>\n#line 2\n{rest}"
    return wrapped, every


def read_series(repo, files):
    """({path: source}, {path: lines that the series adds})"""
    texts = {f: repo.git("cat-file", "blob", f"{R.R_SERIES}:{f}").stdout.decode() for f in files}
    return texts, {f: set(K.added(repo.out("diff", "-U0", "--no-renames", R.R_BASE, R.R_SERIES, "--", f)))
                   for f in files}


def commit(repo, files):
    """Makes refs/atc/conditions; returns {number: (path, Condition)}."""
    wrapped, every = instrumented(*read_series(repo, files))
    makefile = repo.git("cat-file", "blob", f"{R.R_SERIES}:lib/Makefile").stdout.decode()
    wrapped |= {"include/linux/atc_cond.h": HEADER, "lib/Makefile": makefile + "obj-y += atc_cond.o\n",
                "lib/atc_cond.c": SOURCE.replace("COUNT", str(len(every) + 1))}
    series = repo.ref(R.R_SERIES)
    with repo.index() as git:
        git("read-tree", series)
        for path, text in wrapped.items():
            blob = git("hash-object", "-w", "--stdin", data=text.encode()).stdout.decode().strip()
            git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
        tree = git("write-tree").stdout.decode().strip()
    repo.git("update-ref", f"refs/atc/{STATE}", repo.commit(tree, series, b"conditions\n"))
    return every


def build(kernels, files):
    every = commit(kernels.repo, files)
    step = progress.Step(progress.Steps(kernels.out, 1), 1, STATE, kernels.out / "log" / f"kernel-{STATE}.log")
    step.log.parent.mkdir(parents=True, exist_ok=True)
    step.log.write_bytes(b"")
    kernels.build(STATE, step)
    return every


# -- what a console says -------------------------------------------------------

def seen(lines):
    """({number: values that it had}) of a guest since initcalls were done, and while they ran."""
    found = {"init": {}, "end": {}}
    for line in lines:
        match = SEEN.search(line)
        if match:
            for n, digit in enumerate(match[3], int(match[2])):
                found[match[1]][n] = int(digit)
    return found["init"], found["end"]


def had(what, init, end):
    """Values that the conditions had in a suite or a scenario. None where the guest panicked, which is not known."""
    if what == BOOT:
        return init
    if isinstance(what, str) or not end:
        return end
    return {n: init.get(n, 0) | end.get(n, 0) for n in init | end}


def differs(values, number, value):
    """Has the condition ever had the other value?"""
    return bool(values.get(number, 0) & (1 << (1 - value)))


def running(lines):
    """The case of KUnit that runs, or ran last."""
    name = ""
    for line in lines:
        match = re.match(r"\s+# Subtest: (\w+)$|\s+ok \d+ (\w+)", line)
        name = (match[1] or match[2]) if match and (match[1] or match[2]).startswith(M.CASE) else name
    return name.removeprefix(M.CASE)


def first_failure(lines):
    """(case, what it expected) of the first expectation that failed."""
    for line in lines:
        match = M.FAILURE.match(line)
        if match:
            case = match[1].removeprefix(M.CASE)
            return case, next(iter(M.expectations(lines, case)), line.strip())
        match = FAULT.match(line)
        if match:
            return match[1].removeprefix(M.CASE), match[2]
    return None


class Watch:
    """Follows a console; ends the guest when it has failed, or hangs."""
    RULES = splats.load_rules()

    def __init__(self, path, quiet, limit, judged=True):
        self.path, self.quiet, self.limit, self.judged = path, quiet, limit, judged
        self.why, self.gap = "", 0.0

    def bad(self, lines):
        """A splat, or the first result that is not ok, in new lines."""
        found = splats.scan(lines, self.RULES)
        failed = [line.strip() for line in lines if NOT_OK.match(line)]
        return f"{found[0].reason}: {found[0].text}" if found else failed[0] if failed else ""

    def wait(self, child, _):
        """As Popen.wait() with a limit."""
        begun = last = time.monotonic()
        at, rest = 0, ""
        while True:
            try:
                return child.wait(0.1)
            except subprocess.TimeoutExpired:
                pass
            now, text = time.monotonic(), b""
            if self.path.exists():
                with open(self.path, "rb") as fh:
                    fh.seek(at)
                    text = fh.read()
                at += len(text)
            if text:
                self.gap, last = max(self.gap, now - last), now
            *lines, rest = (rest + text.decode(errors="replace")).split("\n")
            if self.judged:
                self.why = self.bad(M.stripped([line.rstrip("\r") for line in lines]))
            if not self.why and (now - last > self.quiet or now - begun > self.limit):
                self.why = HANG + (f"{now - last:.0f} s without a line" if now - last > self.quiet else
                                   f"no end after {self.limit:.0f} s")
            if self.why:
                raise subprocess.TimeoutExpired(child.args, self.limit)


def read_lines(where):
    return M.stripped(vm.read(where / "console.log").replace("\r", "").splitlines())


# -- trying --------------------------------------------------------------------

def name_of(what):
    """Of a suite, which is its name, or a scenario."""
    return what if isinstance(what, str) else scenarios.job_name(what)


class Control(NamedTuple):
    seconds: float
    gap: float          # the longest time without a line
    values: dict        # {number: values} where the suite or the scenario ran
    trouble: list
    results: int        # of KUnit


class Guests:
    """Boots of the kernel with one condition forced, or none."""

    def __init__(self, bench, kernel, limit=600):
        self.bench, self.kernel, self.limit = bench, kernel, limit
        self.controls = {}

    def kunit(self, suite, forced, where, control=None, patience=1):
        """(boot, watch) of one suite."""
        glob = suite if suite != BOOT else "none"
        cfg = vm.Config(cpus=CPUS, kunit=True, limit=self.limit,
                        append=(f"kunit.filter_glob={glob}", f"atc_cond={forced}"))
        quiet, limit = (self.limit, self.limit) if not control else \
            (SECONDS + TIMES * control.gap, SECONDS + TIMES * control.seconds)
        watch = Watch(where / "console.log", patience * quiet, patience * limit)
        return self.bench.boot(self.kernel, cfg, where, watch.wait), watch

    def scenario(self, job, forced, where, control=None, patience=1):
        cfg = scenarios.config(job, self.limit)
        cfg.append = (*cfg.append, f"atc_cond={forced}")
        limit = patience * (self.limit if not control else 2 * SECONDS + TIMES * control.seconds)
        watch = Watch(where / "console.log", limit, limit, judged=False)
        return self.bench.boot(self.kernel, cfg, where, watch.wait), watch

    def control(self, what, where):
        """The control of a suite (a name) or a scenario (a Job); runs once."""
        if isinstance(what, str):
            boot, watch = self.kunit(what, "0:0", where)
            trouble = boot.trouble() + [c.name for c in boot.ktap.failed()]
            results = len(boot.ktap.cases)
            if not results and what != BOOT:
                trouble.append("no case ran")
        else:
            boot, watch = self.scenario(what, "0:0", where)
            trouble = [text for ok, text in scenarios.judge_job(what, {vm.PATCHED: boot}) if not ok]
            results = 0
        init, end = seen(read_lines(where))
        if not end and not boot.panicked():
            trouble.append("no values of conditions")
        self.controls[name_of(what)] = Control(boot.seconds, watch.gap, had(what, init, end), trouble, results)
        return self.controls[name_of(what)]

    def try_kunit(self, suite, forced, where, patience):
        """(where it was noticed, how), or nothing."""
        control = self.controls[suite]
        boot, watch = self.kunit(suite, forced, where, control, patience)
        lines = read_lines(where)
        failed, case = first_failure(lines), running(lines)
        if failed:
            return f"kunit.{failed[0]}", failed[1]
        place = f"kunit.{case}" if case else suite if suite != BOOT else BOOT
        if watch.why:
            return place, watch.why
        trouble = [text for text in boot.trouble() if "no result line" not in text]
        if trouble:
            return place, trouble[0]
        if len(boot.ktap.cases) != control.results:
            return place, f"{len(boot.ktap.cases)} results, {control.results} of the control"
        return None

    def try_scenario(self, job, forced, where, patience):
        boot, watch = self.scenario(job, forced, where, self.controls[name_of(job)], patience)
        name = scenarios.job_name(job)
        if watch.why:
            return name, watch.why
        bad = [text for ok, text in scenarios.judge_job(job, {vm.PATCHED: boot}) if not ok]
        return (name, bad[0]) if bad else None

    def tries(self, what, mutant, where):
        """(where it was noticed, how), or nothing. A hang counts if it comes again with twice the
        time: the host may have been busy with something else."""
        found = self.once(what, mutant, where, 1)
        return self.once(what, mutant, where, 2) if found and found[1].startswith(HANG) else found

    def once(self, what, mutant, where, patience):
        forced = f"{mutant.number}:{mutant.value}"
        run = self.try_kunit if isinstance(what, str) else self.try_scenario
        return run(what, forced, where, patience)


def attempt(mutant, whats, guests, where, before=None):
    """Result of a mutant in suites or scenarios: what noticed it before, then the short ones first."""
    begun, tried = time.monotonic(), []
    known = [(guests.controls[name_of(w)], w) for w in whats]
    useful = [(c.seconds, w) for c, w in known
              if not c.trouble and (not c.values or differs(c.values, mutant.number, mutant.value))]
    for _, what in sorted(useful, key=lambda pair: (name_of(pair[1]) != before, pair[0])):
        tried.append(name_of(what))
        found = guests.tries(what, mutant, where)
        if found:
            return Result(KILLED, *found, time.monotonic() - begun)
    return Result(ALIVE if tried else SAME, ", ".join(tried), "", time.monotonic() - begun)


# -- results and exceptions ----------------------------------------------------

def read_exceptions(path):
    """{(function, condition, forced value): reason}"""
    return tables.read_exceptions(path, lambda fields: fields[2] in ("0", "1"),
                                  "function, condition, 0 or 1, reason", ConditionError)


def digest(*parts):
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def tests_of(repo, which):
    """Digest of all that judges in a pass: KUnit's files, and for scenarios those of the guests."""
    tree = repo.out("ls-tree", "-r", R.R_SERIES, f"{K.DRIVER}/").splitlines()
    parts = [line for line in tree if K.TEST_CODE.search(line)]
    if which != "kunit":
        paths = [p for name in SCENARIO_FILES for p in [TOP / name, *sorted((TOP / name).rglob("*"))] if p.is_file()]
        parts += [f"{p.relative_to(TOP)} {hashlib.sha256(p.read_bytes()).hexdigest()}" for p in paths
                  if p.suffix != ".pyc"]
    return digest(*parts)


class Keys:
    """What a result depends on: the function of its condition, and the tests of its pass."""

    def __init__(self, texts, tests):
        self.functions = {path: cparse.functions(text) for path, text in texts.items()}
        self.tests, self.known = tests, {}

    def of(self, mutant, which):
        if which not in self.known:
            self.known[which] = self.tests(which)
        return digest(self.functions[mutant.file][mutant.condition.function], self.known[which])


class Store:
    """The table of results: what an earlier run has found is not tried again while it holds."""
    HEAD = "file\tline\tfunction\tcondition\tvalue\tpass\tkey\tkernel\toutcome\twhere\ttext\tseconds\n"

    def __init__(self, path, keys, kernel="", again=False):
        self.path, self.keys, self.kernel, self.lock = path, keys, kernel[:12], threading.Lock()
        self.found, self.last = {}, {}
        text = vm.read(path)
        self.begin = not text.startswith(self.HEAD)
        for fields in (line.split("\t") for line in text.splitlines()[1:] if not self.begin):
            if len(fields) == 12 and (not again or fields[7] == self.kernel):
                self.found[(*fields[2:6], fields[6])] = Result(*fields[8:11], float(fields[11]), fields[7])
            if len(fields) == 12 and fields[8] == KILLED:
                self.last[tuple(fields[2:6])] = fields[9]

    def get(self, mutant, which):
        """The Result that holds, or None."""
        return self.found.get((*mutant.key(), which, self.keys.of(mutant, which)))

    def before(self, mutant, which):
        """What noticed it last, on whatever kernel."""
        return self.last.get((*mutant.key(), which), "")

    def has_all(self, which, mutants):
        return all(self.get(m, which) for m in mutants)

    def add(self, mutant, which, result):
        """Returns the Result as it is kept."""
        result = result._replace(kernel=self.kernel)
        with self.lock:
            key = self.keys.of(mutant, which)
            self.found[(*mutant.key(), which, key)] = result
            fields = [mutant.file, mutant.condition.line, *mutant.key(), which, key, self.kernel, result.outcome,
                      result.where, ktap.clean(result.text), f"{result.seconds:.1f}"]
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "w" if self.begin else "a", encoding="utf-8") as fh:
                fh.write(self.HEAD * self.begin + "\t".join(map(str, fields)) + "\n")
            self.begin = False
        return result


def what_of(where, suites):
    """Name of the suite or the scenario of a Result's `where`. suites: {suite: its cases}."""
    case = M.CASE + where.removeprefix("kunit.")
    return next((suite for suite, cases in suites.items() if case in cases), where)


def run_pass(which, mutants, whats, guests, store, jobs, where, suites=None):
    """Yields (mutant, Result) as they come."""
    places = queue.SimpleQueue()
    for n in range(jobs):
        places.put(where / f"guest{n}")

    def one(mutant):
        known = store.get(mutant, which)
        if known:
            return mutant, known
        place = places.get()
        try:
            result = attempt(mutant, whats, guests, place, what_of(store.before(mutant, which), suites or {}))
        finally:
            places.put(place)
        return mutant, store.add(mutant, which, result)
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        try:
            for future in concurrent.futures.as_completed([pool.submit(one, m) for m in mutants]):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def controls(report, guests, whats, where):
    """Did all pass? Where one fails nothing can be said."""
    good = True
    for what in whats:
        name = name_of(what)
        control = guests.control(what, where / "control" / name)
        good &= report.case(f"control of {name}: passes with nothing forced, {control.seconds:.0f} s",
                            not control.trouble, control.trouble[:5])
    return good


def judge(report, mutant, result, exceptions):
    """One result of the document."""
    reason = exceptions.get(mutant.key())
    if result.outcome == KILLED:
        report.case(f"{mutant.title()}: {result.where}: {result.text}, {result.seconds:.0f} s", not reason,
                    [f"conditions.tsv says that no test can notice it: {reason}"] if reason else [])
    else:
        report.case(f"{mutant.title()}: {reason or 'no test notices it'}", bool(reason),
                    [] if reason else [f"{mutant.file}:{mutant.condition.line}",
                                       f"tried in: {result.where or 'nothing, it makes a difference nowhere'}"])


def judge_gone(report, exceptions, mutants, whole):
    """Exceptions whose condition is no longer there; in parts only those of functions that were tried."""
    have = {m.key() for m in mutants}
    functions = {key[0] for key in have}
    gone = [key for key in exceptions if key not in have and (whole or key[0] in functions)]
    report.case(f"{len(exceptions)} exceptions are of conditions that are there", not gone,
                [f"{function}: {text}: {value}" for function, text, value in gone])


def choose(every, patterns):
    """[Mutant]: both values of the conditions in these functions."""
    return [Mutant(n, path, c, value) for n, (path, c) in every.items() for value in (0, 1)
            if any(fnmatch.fnmatchcase(c.function, p) for p in patterns or ["*"])]


def summary(results):
    """How many died by what."""
    kinds = collections.Counter()
    for result in results:
        place = "KUnit" if result.where.startswith("kunit.") else result.where.split(".")[0]
        how = "hang" if result.text.startswith(HANG) else "assertion or splat"
        kinds[f"{place}, {how}" if result.outcome == KILLED else result.outcome] += 1
    return "\n".join(f"{count:5} {kind}" for kind, count in kinds.most_common())


def test_all(report, args, guests, mutants, store):
    """The passes. Yields (mutant, Result) as soon as it is final."""
    where = guests.bench.out / "conditions"
    planned = kunit_log.planned(args.out, "patched")
    suites = [BOOT, *[s for s in planned if fnmatch.fnmatchcase(s, SUITE)]]
    rest = []
    if not store.has_all("kunit", mutants) and not controls(report, guests, suites, where):
        return
    for mutant, result in run_pass("kunit", mutants, suites, guests, store, args.jobs, where, planned):
        if result.outcome == KILLED or args.kunit_only:
            yield mutant, result
        else:
            rest.append(mutant)
    which = f"scenarios {args.scenarios or 'all'}"
    jobs = [j for j in scenarios.all_jobs({n for n in args.scenarios.split(",") if n}) if j.scenario.name not in UNFIT]
    if store.has_all(which, rest) or controls(report, guests, jobs, where):
        yield from run_pass(which, rest, jobs, guests, store, args.jobs, where)


def prepare(kernels, out):
    """Guests of the kernel."""
    bench = vm.Bench(out / "qemu/qemu-system-aarch64", out / "bench", out / "linux", out / "obj/lean")
    kernel = kernels.dest(STATE)
    bench.prepare(kernel, sorted({j.scenario.program for j in scenarios.all_jobs()}))
    return Guests(bench, kernel)


def open_store(kernels, files, args):
    texts, _ = read_series(kernels.repo, files)
    key = vm.read(kernels.dest(STATE) / "key").strip()
    return Store(args.out / "bench/conditions/results.tsv",
                 Keys(texts, lambda which: tests_of(kernels.repo, which)), key, args.again)


def is_whole(args):
    return not args.functions and args.files == ",".join(FILES)


def run(report, args, kernels, files, exceptions):
    every = build(kernels, files)
    R.switch(kernels.repo, R.R_SERIES)
    mutants = chosen(every, args.functions)
    store = open_store(kernels, files, args)
    found = []
    for mutant, result in test_all(report, args, prepare(kernels, args.out), mutants, store):
        judge(report, mutant, result, exceptions)
        found.append(result)
    judge_gone(report, exceptions, mutants, is_whole(args))
    report.comment(f"{len(mutants) // 2} conditions, {len(mutants)} times one forced:\n{summary(found)}\n"
                   f"{sum(r.kernel != store.kernel for r in found)} results are of an earlier kernel, "
                   "in which these functions and the tests had the same text")


def show(report, args, kernels, files, exceptions):
    """All conditions with what is known of them. Builds and boots nothing."""
    _, every = instrumented(*read_series(kernels.repo, files))
    mutants = chosen(every, args.functions)
    store = open_store(kernels, files, args)
    results = {m: store.get(m, "kunit") for m in mutants}
    for mutant, result in results.items():
        known = [f"{result.outcome} {result.where}"] if result else []
        known += ["exception"] if mutant.key() in exceptions else []
        report.comment(f"{Path(mutant.file).name}:{mutant.condition.line}: {mutant.title()}: "
                       f"{', '.join(known) or 'not tried'}")
    judge_gone(report, exceptions, mutants, is_whole(args))
    report.comment(f"{len(mutants) // 2} conditions, {len(mutants)} times one forced; "
                   f"{sum(r is not None for r in results.values())} results of KUnit hold")


def chosen(every, functions):
    mutants = choose(every, functions)
    if not mutants:
        raise ConditionError("no condition in functions of these names")
    return mutants


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("--out", required=True, type=Path)
    ap.add_argument("--base", required=True)
    ap.add_argument("--files", default=",".join(FILES), help="files of the kernel, with commas between")
    ap.add_argument("--jobs", type=int, default=int(os.environ.get("JOBS") or os.cpu_count() or 1),
                    help="guests at once; default: $JOBS, else one per processor")
    ap.add_argument("--list", action="store_true", help="print the conditions and what is known of them, try none")
    ap.add_argument("--again", action="store_true", help="use no result of an earlier kernel")
    ap.add_argument("--kunit-only", action="store_true", help="without the scenarios")
    ap.add_argument("--scenarios", default=os.environ.get("SCENARIO", ""), help="default: $SCENARIO, else all")
    ap.add_argument("functions", nargs="*", default=os.environ.get("FUNCTION", "").replace(",", " ").split(),
                    help="only conditions in functions of these names, * and ? allowed; default: $FUNCTION, else all")
    args = ap.parse_args()
    args.out = args.out.resolve()
    report = ktap.Writer()
    exceptions = read_exceptions(EXCEPTIONS)
    kernels = K.Kernels(args.out, args.base, os.cpu_count() or 1)
    (show if args.list else run)(report, args, kernels, args.files.split(","), exceptions)
    return report.close()


if __name__ == "__main__":
    ktap.run(main, ConditionError, R.SeriesError, progress.StepError, initramfs.BuildError, kunit_log.SourceError,
             OSError)
