# SPDX-License-Identifier: GPL-2.0-or-later
"""cparse.py: which conditions are found. conditions.py: what counts as noticed."""
import io
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from tools import ktap
from tools.checks import conditions as C, cparse

FILE = """\
#define BOTH(a, b) ((a) && (b))
static const int table[] = { X ? 1 : 2 };
struct s {
	int a[N > 3 ? N : 3];
};

/* if (comment && more) */
static bool one(struct s *p, int n)
{
	static int once = A && B;
	const char *text = "a && b ? c : d";
	bool all = p && n > 3, never = false;
	int i, size = sizeof(p ? 1 : 2);

	BUILD_BUG_ON(sizeof(*p) != 4 || sizeof(n) != 4);
	if (!(p && !n) ||
	    likely(i == 3))
		return false;
	else if (all)
		n = n ? one(p, n || i) : 7;
	for (i = 0; i < n; i++)
		use(text[i ? 0 : 1]);
	while (true) {
		switch (n) {
		case X ? 1 : 2:
			break;
		}
	}
	do
		n--;
	while (n-- && (i = n));
	return n == size;
}

int two(void)
{
	smp_cond_load_relaxed(cmd, !VAL || (ret = poll()));
	return readl_poll_timeout(reg, val, !(val & BIT), 1, 2) ?: three(1);
}
"""


def texts(source, lines=None):
    return [c.text for c in cparse.conditions(source, lines)]


def body(*lines):
    return "int f(void)\n{\n" + "\n".join(lines) + "\n}\n"


class Finding(unittest.TestCase):
    def test_all_of_a_file(self):
        self.assertEqual([(c.function, c.text) for c in cparse.conditions(FILE)], [
            ("one", "p"), ("one", "n > 3"), ("one", "p [2]"), ("one", "!n"), ("one", "i == 3"), ("one", "all"),
            ("one", "n"), ("one", "n [2]"), ("one", "i"), ("one", "i < n"), ("one", "i [2]"), ("one", "n--"),
            ("one", "i = n"), ("one", "n == size"),
            ("two", "!VAL"), ("two", "ret = poll()"), ("two", "val & BIT")])

    def test_where(self):
        found = cparse.conditions(FILE)[4]
        self.assertEqual((FILE[found.start:found.end], found.line), ("i == 3", 17))

    def test_lines(self):
        self.assertEqual(texts(FILE, {17}), ["i == 3"])
        self.assertEqual(texts(body("if (a ==", "    b)", "x();"), {4}), ["a == b"])

    def test_directive(self):
        self.assertEqual(texts("#define M(x) do { \\\n\tif (x) \\\n\ty(); } while (0)\n#if A && B\n#endif\n"), [])

    def test_initial_values(self):
        self.assertEqual(texts(body("int a = b, c = d ? 1 : 2;")), ["d"])
        self.assertEqual(texts(body("struct s x = {", ".a = b,", ".c = d && e,", "};")), ["d", "e"])
        self.assertEqual(texts("static bool x = a && b;\nstruct ops o = { .f = a ? b : c };\n"), [])

    def test_constants(self):
        self.assertEqual(texts(body("while (1) x();", "if (IS_ENABLED(CONFIG_A) && CONST_A) y();",
                                    "do z(); while (0);")),
                         ["IS_ENABLED(CONFIG_A)"])

    def test_nested(self):
        self.assertEqual(texts(body("if (g(a && b, c))", "x(d ? e : f);")), ["g(a && b, c)", "a", "b", "d"])
        self.assertEqual(texts(body("x = a ? b ? 1 : 2 : c ? 3 : 4;")), ["a", "b", "c"])

    def test_macro_that_loops(self):
        self.assertEqual(texts(body("for_each_x(i, j)", "if (i && j)", "y();")), ["i", "j"])
        self.assertEqual(texts(body("scoped_guard(lock, &x) {", "if (i)", "y();", "}")), ["i"])

    def test_bool_function(self):
        code = "bool f(int x)\n{\n\treturn x & 3;\n}\n"
        self.assertEqual(texts(code + code.replace("bool", "int")), ["x & 3"])


class Functions(unittest.TestCase):
    def test_names(self):
        self.assertEqual(list(cparse.functions(FILE)), ["one", "two"])
        self.assertIn('"a && b ? c : d"', cparse.functions(FILE)["one"])

    def test_comments_and_line_breaks_do_not_count(self):
        old = cparse.functions(body("if (a) /* b */", "x(\"/* c */\"); // d"))
        self.assertEqual(cparse.functions("/* e */\n" + body("", "/* f */ if (a)", "\tx(\"/* c */\");")), old)
        self.assertNotEqual(cparse.functions(body("if (a)", "x(\"/* g */\");")), old)

    def test_both_of_ifdef(self):
        both = "#ifdef A\n" + body("x();") + "#else\n" + body("y();") + "#endif\n"
        self.assertRegex(cparse.functions(both)["f"], r"x\(\);.*y\(\);")


class Wrapping(unittest.TestCase):
    def wrapped(self, source):
        return cparse.wrap(source, dict(enumerate(cparse.conditions(source), 1)))

    def test_text(self):
        self.assertEqual(self.wrapped(body("if (!(a && g(b || c)))", "x();")),
                         body("if (!(ATC_COND(1, (a)) && ATC_COND(2, (g(ATC_COND(3, (b)) || ATC_COND(4, (c)))))))",
                              "x();"))

    def test_lines_stay(self):
        self.assertEqual(self.wrapped(FILE).count("\n"), FILE.count("\n"))

    def test_head(self):
        wrapped, every = C.instrumented({"a.c": "// SPDX\n" + body("if (a)", "x();"),
                                         "b.c": "// SPDX\n" + body("x(a && b);")},
                                        {"a.c": None, "b.c": None})
        self.assertEqual(wrapped["a.c"].splitlines()[:3], ["// SPDX", "#include <linux/atc_cond.h>", "#line 2"])
        self.assertEqual([(n, path, c.text) for n, (path, c) in every.items()],
                         [(1, "a.c", "a"), (2, "b.c", "a"), (3, "b.c", "b")])
        self.assertIn("x(ATC_COND(2, (a)) && ATC_COND(3, (b)));", wrapped["b.c"])

    def test_compiles(self):
        """Types of all kinds, side effects, and no warning."""
        source = ("#include <stdbool.h>\n#define likely(x) __builtin_expect(!!(x), 1)\n"
                  "static inline bool atc_cond(int n, bool is) { return n == 7 ? 1 : is; }\n"
                  "#define ATC_COND(n, expr) atc_cond(n, !!(expr))\n")
        code = ("bool f(int *p, unsigned long n)\n{\n\tint i, ret = 0;\n\tbool all = p && n > 3, x = false;\n"
                "\tif (!(p && !*p) || likely(n & 1ul << 40))\n\t\treturn false;\n"
                "\tfor (i = 0; p && i < 3; i++)\n\t\tret += p[i] ? p[i] : n ? 2 : 3;\n"
                "\twhile (n-- && (ret = *p++))\n\t\tx = ret == 3 || all;\n\treturn x;\n}\n")
        with tempfile.TemporaryDirectory() as tmp:
            path = Path(tmp, "a.c")
            path.write_text(source + self.wrapped(code))
            done = subprocess.run([C.K.CROSS + "gcc", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", path],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.returncode, 0)


MUTANT = C.Mutant(7, "a.c", cparse.Condition("f", "a", 0, 1, 3), 1)


def control(values, seconds=1.0, trouble=()):
    return C.Control(seconds, 0.1, values, list(trouble), 3)


class Guests:
    """Stands for C.Guests: what is tried notices as the table says."""

    def __init__(self, controls, finds=None):
        self.controls, self.finds, self.tried = controls, finds or {}, []

    def tries(self, what, _, __):
        self.tried.append(what)
        return self.finds.get(C.name_of(what))


class Trying(unittest.TestCase):
    def attempt(self, guests):
        return C.attempt(MUTANT, list(guests.controls), guests, None)

    def test_only_where_it_differs(self):
        guests = Guests({"same": control({7: 2}), "never": control({}), "both": control({7: 3, 1: 0}),
                         "other": control({7: 1})})
        guests.controls["never"].values[6] = 3
        self.assertEqual(self.attempt(guests)[:3], (C.ALIVE, "both, other", ""))

    def test_nowhere(self):
        guests = Guests({"same": control({7: 2})})
        self.assertEqual((self.attempt(guests)[:2], guests.tried), ((C.SAME, ""), []))

    def test_unknown_values_are_tried(self):
        self.assertEqual(self.attempt(Guests({"panics": control({})}))[:2], (C.ALIVE, "panics"))

    def test_values(self):
        job = C.scenarios.all_jobs({"stop.1cpu.poll"})[0]
        init, end = {1: 1, 2: 2}, {1: 2, 3: 3}
        self.assertEqual(C.had(C.BOOT, init, end), init)
        self.assertEqual(C.had("suite", init, end), end)
        self.assertEqual(C.had(job, init, end), {1: 3, 2: 2, 3: 3})
        self.assertEqual(C.had(job, init, {}), {})

    def test_failed_control_kills_nothing(self):
        guests = Guests({"bad": control({7: 3}, trouble=["x"])}, {"bad": ("kunit.x", "not ok")})
        self.assertEqual((self.attempt(guests).outcome, guests.tried), (C.SAME, []))

    def test_scenarios(self):
        job = C.scenarios.all_jobs({"stop.1cpu.poll"})[0]
        guests = Guests({C.scenarios.job_name(job): control({7: 3})})
        self.assertEqual(C.attempt(MUTANT, [job], guests, None)[:2], (C.ALIVE, "stop.1cpu.poll"))

    def test_short_ones_first_and_no_more_than_needed(self):
        guests = Guests({"long": control({7: 3}, 9), "short": control({7: 3}, 1), "mid": control({7: 3}, 2)},
                        {"mid": ("kunit.x", "Expected y")})
        self.assertEqual(self.attempt(guests)[:3], (C.KILLED, "kunit.x", "Expected y"))
        self.assertEqual(guests.tried, ["short", "mid"])


class Hanging(unittest.TestCase):
    def tries(self, *found):
        guests, found = C.Guests(None, None), list(found)
        asked = []

        def once(_, __, ___, patience):
            asked.append(patience)
            return found.pop(0)
        guests.once = once
        return guests.tries("suite", MUTANT, None), asked

    def test_counts_if_it_comes_again(self):
        hang = ("kunit.a", "hang: 20 s without a line")
        self.assertEqual(self.tries(hang, hang), (hang, [1, 2]))
        self.assertEqual(self.tries(hang, None), (None, [1, 2]))

    def test_others_count_at_once(self):
        failed = ("kunit.a", "Expected hang: x")
        self.assertEqual(self.tries(failed), (failed, [1]))
        self.assertEqual(self.tries(None), (None, [1]))


class Consoles(unittest.TestCase):
    def test_seen(self):
        init, end = C.seen(["atc_cond: init 0 012", "noise", "atc_cond: end 0 000", "atc_cond: end 3 31"])
        self.assertEqual((init, end), ({0: 0, 1: 1, 2: 2}, {0: 0, 1: 0, 2: 0, 3: 3, 4: 1}))
        self.assertTrue(C.differs(end, 4, 1))
        self.assertFalse(C.differs(end, 4, 0))
        self.assertFalse(C.differs(end, 9, 0))

    def test_first_failure(self):
        lines = ["    # arm_smmu_atc_test_a: EXPECTATION FAILED at x.c:3", "    Expected 1 == x, but", "        x == 2",
                 "    # arm_smmu_atc_test_b: EXPECTATION FAILED at x.c:9", "    not ok 1 arm_smmu_atc_test_a"]
        self.assertEqual(C.first_failure(lines), ("a", "Expected 1 == x, but x == 2"))
        self.assertEqual(C.first_failure(["    # arm_smmu_atc_test_c: try faulted: last line seen x.c:3"]),
                         ("c", "try faulted: last line seen x.c:3"))
        self.assertIsNone(C.first_failure(["    ok 1 arm_smmu_atc_test_a"]))

    def test_running(self):
        self.assertEqual(C.running(["        # Subtest: arm_smmu_atc_test_a", "        ok 1 polled"]), "a")
        self.assertEqual(C.running(["Booting Linux"]), "")


class Watching(unittest.TestCase):
    def watch(self, script, quiet=5, limit=5, judged=True):
        with tempfile.TemporaryDirectory() as tmp:
            watch = C.Watch(Path(tmp, "console.log"), quiet, limit, judged)
            with subprocess.Popen([sys.executable, "-c", script], cwd=tmp) as child:
                try:
                    return watch.wait(child, 0), watch
                except subprocess.TimeoutExpired:
                    return None, watch
                finally:
                    child.kill()

    @staticmethod
    def prints(*lines, after="time.sleep(60)"):
        return f"import time\nwith open('console.log', 'w') as f:\n f.write({chr(10).join(lines) + chr(10)!r})\n{after}"

    def test_ends(self):
        status, watch = self.watch(self.prints("ok 1 a", after="exit(3)"))
        self.assertEqual((status, watch.why), (3, ""))

    def test_not_ok(self):
        self.assertEqual(self.watch(self.prints("[    1.0]     not ok 1 arm_smmu_atc_test_a"))[1].why,
                         "not ok 1 arm_smmu_atc_test_a")

    def test_splat(self):
        self.assertIn("KASAN", self.watch(self.prints("[    1.0] BUG: KASAN: use-after-free"))[1].why)

    def test_judged_by_who_reads_the_verdict(self):
        self.assertIn("hang", self.watch(self.prints("not ok 1 a"), 0.5, judged=False)[1].why)

    def test_quiet(self):
        self.assertIn("without a line", self.watch(self.prints("ok 1 a"), 0.5)[1].why)

    def test_limit(self):
        talks = "import time\nwhile 1:\n open('console.log', 'a').write('waiting on\\n')\n time.sleep(.05)"
        self.assertIn("no end after", self.watch(talks, 5, 0.7)[1].why)


class Judging(unittest.TestCase):
    def judged(self, outcome, exceptions=None):
        out = io.StringIO()
        report = ktap.Writer(out=out)
        C.judge(report, MUTANT, C.Result(outcome, "kunit.a", "Expected x", 1.0), exceptions or {})
        return report.failed, out.getvalue()

    def test_killed(self):
        failed, text = self.judged(C.KILLED)
        self.assertFalse(failed)
        self.assertIn("7: f: a: forced true: kunit.a: Expected x", text)

    def test_alive(self):
        self.assertTrue(self.judged(C.ALIVE)[0])
        self.assertTrue(self.judged(C.SAME)[0])
        self.assertFalse(self.judged(C.ALIVE, {MUTANT.key(): "why"})[0])

    def test_exception_that_dies(self):
        failed, text = self.judged(C.KILLED, {MUTANT.key(): "why"})
        self.assertTrue(failed)
        self.assertIn("no test can notice it: why", text)

    def test_exception_that_is_gone(self):
        for exception, whole, failed in ((("f", "b", "0"), False, 1), (("g", "b", "0"), False, 0),
                                         (("g", "b", "0"), True, 1), (MUTANT.key(), True, 0)):
            report = ktap.Writer(out=io.StringIO())
            C.judge_gone(report, {exception: "why"}, [MUTANT], whole)
            self.assertEqual(report.failed, failed, exception)

    def test_exceptions_file(self):
        self.assertIsInstance(C.read_exceptions(C.EXCEPTIONS), dict)
        with tempfile.TemporaryDirectory() as tmp:
            path = Path(tmp, "x.tsv")
            for text in ("f\ta\t2\twhy\n", "f\ta\t1\n", "f\ta\t1\t \n", "f\ta\t1\tw\nf\ta\t1\tv\n"):
                path.write_text(text)
                with self.assertRaises(C.ConditionError):
                    C.read_exceptions(path)
            path.write_text("# x\n\nf\ta && b\t1\twhy\n")
            self.assertEqual(C.read_exceptions(path), {("f", "a && b", "1"): "why"})


TEXT = body("if (a)", "x();")
RESULT = C.Result(C.KILLED, "kunit.a", "Expected x", 2.5)


def keys(text=TEXT, tests="tests"):
    return C.Keys({"a.c": text}, lambda which: f"{tests} of {which}")


class Keeping(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory()
        self.addCleanup(tmp.cleanup)
        self.path = Path(tmp.name, "sub", "results.tsv")

    def store(self, *args, kernel="k1", **kw):
        return C.Store(self.path, keys(*args), kernel, **kw)

    def test_kept(self):
        self.store().add(MUTANT, "kunit", RESULT)
        for kernel in ("k1", "k2"):
            self.assertEqual(self.store(kernel=kernel).get(MUTANT, "kunit"), RESULT._replace(kernel="k1"))
        self.assertTrue(self.store().has_all("kunit", [MUTANT]))
        self.assertFalse(self.store().has_all("scenarios all", [MUTANT]))

    def test_holds_for_the_same_function_and_tests(self):
        self.store().add(MUTANT, "kunit", RESULT)
        self.assertIsNotNone(self.store(TEXT + body("y();").replace("f(", "g(")).get(MUTANT, "kunit"))
        self.assertIsNotNone(self.store("/* new */" + TEXT).get(MUTANT, "kunit"))
        self.assertIsNone(self.store(body("if (a)", "y();")).get(MUTANT, "kunit"))
        self.assertIsNone(self.store(TEXT, "other tests").get(MUTANT, "kunit"))
        self.assertEqual(self.store(TEXT, "other tests").before(MUTANT, "kunit"), "kunit.a")
        self.assertEqual(self.store().before(MUTANT, "scenarios all"), "")

    def test_again(self):
        self.store().add(MUTANT, "kunit", RESULT)
        self.assertIsNotNone(self.store(again=True).get(MUTANT, "kunit"))
        self.assertIsNone(self.store(kernel="k2", again=True).get(MUTANT, "kunit"))

    def test_the_last_one_counts(self):
        self.store().add(MUTANT, "kunit", RESULT._replace(outcome=C.ALIVE))
        self.store().add(MUTANT, "kunit", RESULT)
        self.assertEqual(self.store().get(MUTANT, "kunit").outcome, C.KILLED)

    def test_a_table_of_another_form_is_replaced(self):
        self.path.parent.mkdir()
        self.path.write_text("# kernel k1\nfile\n")
        self.assertIsNone(self.store().get(MUTANT, "kunit"))
        self.assertIn("# kernel", self.path.read_text())
        self.store().add(MUTANT, "kunit", RESULT)
        self.assertEqual(len(self.path.read_text().splitlines()), 2)

    def test_what_noticed_it_before_goes_first(self):
        guests = Guests({"long": control({7: 3}, 9), "short": control({7: 3}, 1)}, {"long": ("kunit.b", "Expected y")})
        store = self.store(TEXT, "old")
        store.add(MUTANT, "kunit", RESULT._replace(where="kunit.b"))
        suites = {"long": {C.M.CASE + "b": False}, "short": {}}
        found = dict(C.run_pass("kunit", [MUTANT], list(guests.controls), guests, self.store(), 1, self.path, suites))
        self.assertEqual((found[MUTANT].where, guests.tried), ("kunit.b", ["long"]))

    def test_what_of(self):
        self.assertEqual(C.what_of("kunit.b", {"s": {C.M.CASE + "b": True}}), "s")
        self.assertEqual(C.what_of("stop.1cpu.poll", {"s": {}}), "stop.1cpu.poll")
        self.assertEqual(C.what_of("", {"s": {}}), "")

    def test_tests_of(self):
        listed = [f"100644 blob {n}\t{C.K.DRIVER}/{name}" for n, name in
                  enumerate(("arm-smmu-v3.c", "arm-smmu-v3-fake.h", "arm-smmu-v3-atc-queue-test.c"))]

        class Repo:
            @staticmethod
            def out(*_):
                return "\n".join(listed)
        old = {which: C.tests_of(Repo, which) for which in ("kunit", "scenarios all")}
        self.assertEqual(len(set(old.values())), 2)
        listed[0] = listed[0].replace("blob 0", "blob 9")
        self.assertEqual({which: C.tests_of(Repo, which) for which in old}, old)
        for n in (1, 2):
            listed[n] = listed[n].replace(f"blob {n}", "blob 9")
            self.assertFalse({C.tests_of(Repo, which) for which in old} & set(old.values()))


class Passes(unittest.TestCase):
    def test_failed_control_ends_it(self):
        report = ktap.Writer(out=io.StringIO())
        guests = Guests({})
        guests.control = lambda what, where: control({}, trouble=["x"] if what == "b" else [])
        self.assertFalse(C.controls(report, guests, ["a", "b", "c"], Path("x")))
        self.assertEqual((report.passed, report.failed), (2, 1))

    def test_run_pass(self):
        with tempfile.TemporaryDirectory() as tmp:
            store = C.Store(Path(tmp, "results.tsv"), keys(), "k")
            guests = Guests({"a": control({7: 3})})
            for _ in range(2):
                found = dict(C.run_pass("kunit", [MUTANT], ["a"], guests, store, 2, Path(tmp)))
            self.assertEqual((found[MUTANT].outcome, guests.tried), (C.ALIVE, ["a"]))


class Choosing(unittest.TestCase):
    def test_both_values(self):
        every = {1: ("a.c", MUTANT.condition), 2: ("b.c", MUTANT.condition._replace(function="g"))}
        self.assertEqual([(m.number, m.value) for m in C.choose(every, ["g*"])], [(2, 0), (2, 1)])
        self.assertEqual(len(C.choose(every, [])), 4)


if __name__ == "__main__":
    unittest.main()
