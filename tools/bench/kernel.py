# SPDX-License-Identifier: GPL-2.0-or-later
"""Build the guest kernels: unpatched, patched, and one per mutant.

All kernels share one source tree ($(O)/linux, switched by git) and one object
directory for each flavour ($(O)/obj/lean). The unpatched kernel is a full build. Each
other kernel recompiles what differs from the last one. The results are in
$(O)/kernel/<state>/{Image,ats_testdev.ko,key}. A kernel is built again only when the
source, the config, the compiler or the module has changed.

Two more kernels show what a part costs: the base with the one patch of the series that
is of use without the fence (UNCLEARED), and the series without the part `speed` and
those after it (WITHOUT_SPEED). tools/bench/cost.py compares with them.

The flavours debug and kcsan are full builds of their own, of the patched kernel and
of mutants, in $(O)/kernel/<state>-<flavour>.

Everything is compiled with W=1, once. The warnings of the unpatched build
($(O)/kernel/<state>/warnings.json, sparse.json) are the baseline for the others.
tools/checks/static.py judges them.

This file does not boot a kernel.
"""
import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
from tools import TOP
from tools.series import assemble as S, bases, patches as P, repo as R
from tools.setup import progress

CROSS = "aarch64-linux-gnu-"
LEAN, DEBUG, KCSAN = "lean", "debug", "kcsan"
FLAVOURS = (LEAN, DEBUG, KCSAN)
DRIVER = "drivers/iommu/arm/arm-smmu-v3"

UNCLEARED, WITHOUT_SPEED = "unpatched-uncleared", "without-speed"
# The patch that UNCLEARED has, and the last part that WITHOUT_SPEED has
UNCLEARED_SLUG, LAST_BEFORE_SPEED = "do-not-clear-stack-memory-that-is-written-anyway", "resets"

# Stack that a function of the driver may use: flushes run on top of anything.
FRAME = "-Wframe-larger-than=1280"
# What the series adds to test itself: not what the debug kernel's guests have to reach.
TEST_CODE = re.compile(r"-test\.c$|/arm-smmu-v3-fake")
MODULE = TOP / "tools/testing/selftests/iommu/ats/module"
MUTANTS = HERE / "mutants"

# Compiler calls in a full build of the lean config; only for the percentage.
FULL_LINES = 790
COMPILES = r"^  (CC|AS|HOSTCC) "

# Where sparse looks, besides the directories of what the series touches.
SPARSE_DIRS = ("drivers/iommu", "drivers/pci")

# Debian 12's sparse does not know the name that the kernel probes it with, and
# make C=2 then checks nothing, without failing. It also takes the static
# assertion in MODULE_INFO() for an error, and prints no warning any more in a
# file with an error: so the assertions, which the compiler has seen, go.
SPARSE_ARGS = ["C=2", "CF=-D__typeof_unqual__=__typeof__ '-D_Static_assert(...)='"]

MAKE_LINE = re.compile(r"^  [A-Z][A-Z0-9]*(?: \[M\])? +(\S+)")
DIAGNOSTIC = re.compile(r"^(?P<file>[^\s:]+\.[chS]):(?P<line>\d+):(?:\d+:)? "
                        r"(?P<text>(?:warning|error): .*)$")


def clean_path(name, tree):
    """A path as it is in the kernel tree, whatever way the compiler said it."""
    name = os.path.normpath(name)
    for top in (str(tree), str(Path(tree).resolve())):
        if name.startswith(top + "/"):
            return name[len(top) + 1:]
    while name.startswith("../"):
        name = name[3:]
    return name


def added(diff):
    """Numbers of the lines that a diff without context adds."""
    found = []
    for start, count in re.findall(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@", diff, re.M):
        found += range(int(start), int(start) + int(count or 1))
    return found


class Warnings:
    """What the compiler said of each file the last time it compiled it."""

    def __init__(self, path, tree):
        self.path, self.tree = path, tree
        try:
            self.files = json.loads(path.read_text())
        except (OSError, ValueError):
            self.files = {}

    def save(self):
        part = self.path.with_suffix(".part")
        part.write_text(json.dumps(self.files, indent=1, sort_keys=True) + "\n")
        part.replace(self.path)

    def forget(self, names):
        for name in names:
            self.files.pop(name, None)

    def watch(self, line):
        found = MAKE_LINE.match(line)
        if found and line.startswith("  CC ") and found[1].endswith(".o"):
            self.forget([found[1][:-2] + ".c"])
            return
        found = DIAGNOSTIC.match(line)
        if found:
            name = clean_path(found["file"], self.tree)
            texts = self.files.setdefault(name, [])
            text = re.sub(r"^(warning|error): ", r"\1: ", found["text"])
            # A header's warning comes once per file that includes it.
            if not (name.endswith(".h") and text in texts):
                texts.append(text)
            self.save()


class Kernels:
    def __init__(self, out, base, jobs, flavour=LEAN):
        self.out, self.base, self.jobs = Path(out).resolve(), base, jobs
        self.flavour = flavour
        self.repo, self.version = S.open_repo(self.out, base)
        self.tree = self.out / "linux"
        self.obj = self.out / "obj" / flavour
        self.fragments = [p for f in dict.fromkeys((LEAN, flavour))
                          for p in (HERE / "config" / f"{f}.config",
                                    HERE / "config" / f"{f}-{base}.config") if p.exists()]
        self.extra = self.per_object()

    def stems(self, *dirs):
        """Objects that the sources right below dirs are compiled to."""
        names = self.repo.names("ls-tree", "--name-only", R.R_SERIES, *[d + "/" for d in dirs])
        return sorted(Path(n).stem for n in names if n.endswith(".c"))

    def changed(self):
        """Kernel code that the series adds or changes, without what tests it."""
        names = self.repo.names("diff-tree", "-r", "--no-renames", "--name-only", R.R_BASE, R.R_SERIES)
        return sorted(n for n in names if n.endswith((".c", ".h")) and not TEST_CODE.search(n)
                      and not n.startswith("tools/"))

    def per_object(self):
        """Kbuild's switches for single objects, as make's variables.

        On the command line instead of in a Makefile, so that the tree which is
        built is the one of the series. KCSAN looks at what takes part in the
        fence and an attach, and no further: a kernel that is instrumented all
        over takes as long again to build, and finds races of others.
        """
        if self.flavour == DEBUG:
            return [f"GCOV_PROFILE_{Path(name).stem}.o=y" for name in self.changed() if name.endswith(".c")]
        if self.flavour == KCSAN:
            return ["KCSAN_SANITIZE=n", *[f"KCSAN_SANITIZE_{stem}.o=y" for stem in
                                          self.stems(DRIVER, "drivers/iommu") + ["ats_testdev"]]]
        return [f"CFLAGS_{stem}.o={FRAME}" for stem in self.stems(DRIVER)]

    # -- keys --

    def ref(self, state):
        if state == "unpatched":
            return R.R_BASE
        if state == "patched":
            return R.R_SERIES
        return f"refs/atc/{state}"

    def module_files(self):
        if not (MODULE / "Kbuild").exists():
            return []
        return sorted(p for p in [*MODULE.iterdir(), *MODULE.parent.glob("*.h")] if p.is_file())

    def key(self, state):
        digest = hashlib.sha256()
        digest.update(self.repo.out("rev-parse", self.ref(state) + "^{tree}").encode())
        for path in [*self.fragments, *self.module_files()]:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        digest.update(" ".join(self.extra).encode())
        gcc = subprocess.run([CROSS + "gcc", "--version"], stdout=subprocess.PIPE, check=False)
        digest.update(gcc.stdout)
        return digest.hexdigest()

    def dest(self, state):
        return self.out / "kernel" / (state if self.flavour == LEAN else f"{state}-{self.flavour}")

    def up_to_date(self, state, module=True):
        dest = self.dest(state)
        try:
            return (dest / "key").read_text() == self.key(state) + "\n" and (dest / "Image").exists() and \
                (not module or (dest / "ats_testdev.ko").exists())
        except OSError:
            return False

    # -- build --

    def make(self, *args):
        return ["make", "-C", str(self.tree), f"O={self.obj}", f"-j{self.jobs}", "ARCH=arm64",
                f"CROSS_COMPILE={CROSS}", f"CC={self.compiler()}", "W=1",
                # W=1 would run kernel-doc on each file: static.py does, on the touched ones
                "cmd_checkdoc=", *self.extra, *args]

    @staticmethod
    def compiler():
        """gcc, through ccache where that is installed. Where its results are, and which
        paths make no difference to them, is in the environment (Makefile)."""
        return f"ccache {CROSS}gcc" if shutil.which("ccache") else f"{CROSS}gcc"

    @staticmethod
    def env():
        env = {k: v for k, v in os.environ.items()
               if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES", "O", "V", "C", "W", "M", "MO",
                            "KBUILD_OUTPUT", "ARCH", "CROSS_COMPILE", "LOCALVERSION")}
        env.update(KBUILD_BUILD_TIMESTAMP="2026-01-01", KBUILD_BUILD_VERSION="1", KBUILD_BUILD_USER="atc",
                   KBUILD_BUILD_HOST="fence", LC_ALL="C.UTF-8", LOCALVERSION="")
        return env

    def configure(self, step):
        """allnoconfig + fragments; every line of a fragment must have made it."""
        text = "".join(p.read_text() for p in self.fragments)
        merged = self.obj / "fragments.config"
        config = self.obj / ".config"
        if config.exists() and merged.exists() and merged.read_text() == text and \
           not self.missing(text, config):
            return
        self.obj.mkdir(parents=True, exist_ok=True)
        merged.write_text(text)
        env = self.env()
        env["KCONFIG_ALLCONFIG"] = str(merged)
        step.run(self.make("-s", "allnoconfig"), env=env)
        missing = self.missing(text, config)
        if missing:
            merged.unlink()
            raise progress.StepError(f"Kconfig dropped {', '.join(missing)}: "
                                     "a dependency is not in tools/bench/config")

    @staticmethod
    def missing(text, config):
        have = set(config.read_text().splitlines())
        lost = []
        # A later fragment may say otherwise
        wanted = dict(ln.partition("=")[::2] for ln in text.splitlines() if ln.startswith("CONFIG_"))
        for name, value in wanted.items():
            line = f"{name}={value}"
            good = f"# {name} is not set" if value == "n" else line
            if value == "n" and not any(h.startswith(name + "=") for h in have):
                continue
            if good not in have:
                lost.append(line)
        return lost

    def switch(self, state):
        """Put the tree at a state; what changes loses its old warnings."""
        was, want = self.repo.ref("HEAD"), self.repo.ref(self.ref(state))
        warnings = Warnings(self.obj / "warnings.json", self.tree)
        if was != want:
            warnings.forget(self.repo.names("diff-tree", "-r", "--no-renames", "--name-only", was, want))
            self.obj.mkdir(parents=True, exist_ok=True)
            warnings.save()
        R.switch(self.repo, want)
        return warnings

    def build(self, state, step, sparse=False, module=True):
        """Build a kernel, and the test endpoint's driver for it unless only KUnit runs there."""
        if self.up_to_date(state, module) and not (sparse and not self.sparse_done(state)):
            step.up_to_date()
            return
        (self.dest(state) / "key").unlink(missing_ok=True)
        key = self.key(state)
        with R.locked(self.out / "obj/.lock"):
            warnings = self.switch(state)
            self.configure(step)
            full = not (self.obj / "vmlinux").exists()
            percent = progress.count_watch(COMPILES, FULL_LINES if full else 60)

            def watch(line):
                warnings.watch(line)
                return percent(line)
            step.run(self.make("Image", "modules"), env=self.env(), watch=watch)
            dest = self.dest(state)
            dest.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.obj / "arch/arm64/boot/Image", dest / "Image")
            shutil.copy2(self.obj / "System.map", dest / "System.map")
            shutil.copy2(self.obj / ".config", dest / "config")
            if self.flavour == DEBUG:
                self.keep_notes(dest / "gcov")
            warnings.save()
            shutil.copy2(warnings.path, dest / "warnings.json")
            if module:
                self.build_module(state, step)
            if sparse:
                self.sparse(state, step)
        (dest / "key").write_text(key + "\n")

    def keep_notes(self, dest):
        """What coverage.py needs besides the counters, of this very build: the
        compiler's notes, the sources, and which of their lines the series adds."""
        shutil.rmtree(dest, ignore_errors=True)
        dest.mkdir(parents=True)
        lines = {}
        for name in self.changed():
            (dest / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.tree / name, dest / name)
            lines[name] = added(self.repo.out("diff", "-U0", "--no-renames", R.R_BASE, R.R_SERIES, "--", name))
            notes = (self.obj / name).with_suffix(".gcno")
            if name.endswith(".c") and notes.exists():
                shutil.copy2(notes, (dest / name).with_suffix(".gcno"))
        (dest / "added.json").write_text(json.dumps(lines) + "\n")

    def build_module(self, state, step):
        """The test endpoint's driver, out of tree, against this very kernel."""
        if not self.module_files():
            step.say("no test driver yet: ats_testdev.ko is not built")
            return
        mo = self.out / "obj" / f"module-{self.dest(state).name}"
        shutil.rmtree(mo, ignore_errors=True)
        mo.mkdir(parents=True)
        warnings = Warnings(self.dest(state) / "module-warnings.json", TOP)
        warnings.files = {}

        def watch(line):
            warnings.watch(line)
        step.run(self.make(f"M={MODULE}", f"MO={mo}", "modules"), env=self.env(), watch=watch)
        warnings.save()
        shutil.copy2(mo / "ats_testdev.ko", self.dest(state) / "ats_testdev.ko")

    # -- sparse --

    def sparse_targets(self):
        """SPARSE_DIRS, and the single files that the series touches elsewhere."""
        touched = self.repo.names("diff-tree", "-r", "--no-renames", "--name-only", R.R_BASE, R.R_SERIES)
        files = [n for n in touched if n.endswith(".c") and
                 not n.startswith((*[d + "/" for d in SPARSE_DIRS], "tools/", "Documentation/"))]
        return [d + "/" for d in SPARSE_DIRS] + [n[:-2] + ".o" for n in sorted(files)]

    def sparse_done(self, state):
        try:
            found = json.loads((self.dest(state) / "sparse.json").read_text())
        except (OSError, ValueError):
            return False
        return found.get("targets") == self.sparse_targets() and found.get("args") == SPARSE_ARGS and \
            found.get("tree") == self.repo.out("rev-parse", self.ref(state) + "^{tree}")

    def sparse(self, state, step):
        """Check the directories as they are in this state. Tree must stand there."""
        targets = self.sparse_targets()
        result = Warnings(self.obj / "sparse.part.json", self.tree)
        result.files = {}
        checked = set()

        def watch(line):
            if line.startswith("  CHECK "):
                checked.add(clean_path(line.split()[-1], self.tree))
            found = DIAGNOSTIC.match(line)
            if found:
                result.files.setdefault(clean_path(found["file"], self.tree), []).append(found["text"])
        step.note = "sparse"
        step.run(self.make("-k", *SPARSE_ARGS, *targets), env=self.env(), watch=watch)
        found = {"targets": targets, "args": SPARSE_ARGS, "tree": self.repo.out("rev-parse", self.ref(state) + "^{tree}"),
                 "checked": sorted(checked), "files": result.files}
        (self.dest(state) / "sparse.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")

    def rest(self, step, names):
        """Compile and check files that the guest's config leaves out.

        With arm64's defconfig, as single objects. Returns what compiler and
        sparse said of these very files, and which of them both have seen.
        """
        obj = self.out / "obj/defconfig"
        obj.mkdir(parents=True, exist_ok=True)
        self.switch("patched")
        make = [a if not a.startswith("O=") else f"O={obj}" for a in self.make()]
        said, checked = [], set()

        def watch(line):
            if line.startswith("  CHECK "):
                checked.add(clean_path(line.split()[-1], self.tree))
            found = DIAGNOSTIC.match(line)
            if found and clean_path(found["file"], self.tree) in names:
                said.append(f"{clean_path(found['file'], self.tree)}: {found['text']}")
        if not (obj / ".config").exists():
            step.run([*make, "-s", "defconfig"], env=self.env())
        for name in names:
            (obj / name).with_suffix(".o").unlink(missing_ok=True)
        step.run([*make, *SPARSE_ARGS, *[n[:-2] + ".o" for n in names]], env=self.env(), watch=watch)
        return said, {n for n in checked if (obj / n).with_suffix(".o").exists()}

    def sparse_control(self, step):
        """Does sparse report a planted defect? Returns what it said."""
        work = self.out / "obj/sparse-control"
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        (work / "Kbuild").write_text("obj-m := planted.o\n")
        (work / "planted.c").write_text(
            "#include <linux/module.h>\n"
            "static const int planted_const = 1;\n"
            "__le64 planted(__le64 x);\n__le64 planted(__le64 x) { return x + 1; }\n"
            "MODULE_DESCRIPTION(\"planted\");\nMODULE_LICENSE(\"GPL\");\n")
        said = []

        def watch(line):
            found = DIAGNOSTIC.match(line)
            if found and found["file"].endswith("planted.c"):
                said.append(found["text"])
        step.run(self.make(*SPARSE_ARGS, f"M={work}", "modules"), env=self.env(), watch=watch)
        return said

    # -- what a part costs --

    def variant(self, name):
        """UNCLEARED or WITHOUT_SPEED as refs/atc/NAME."""
        patches = P.read(self.base)
        if name == UNCLEARED:
            commit = self.uncleared(next(p for p in patches if p.slug == UNCLEARED_SLUG))
        else:
            ends = {part: last for part, _, last in S.ends_of_parts(self.repo, patches, R.R_SERIES)}
            commit = ends[LAST_BEFORE_SPEED]
        self.repo.git("update-ref", self.ref(name), commit)
        return name

    def uncleared(self, patch):
        """The commit of that patch on the base, where lines around its hunks differ."""
        with self.repo.index() as git:
            git("read-tree", R.R_BASE)
            said = P.apply(git, patch, exact=False)
            if said.returncode:
                raise R.SeriesError(f"{patch.name} does not apply to the base: {said.stderr.decode().strip()}")
            return self.repo.commit(git("write-tree").stdout.decode().strip(), self.repo.ref(R.R_BASE), patch.message)

    # -- mutants --

    def mutant(self, name):
        """series + tools/bench/mutants/NAME.patch as refs/atc/mutant-NAME."""
        path = MUTANTS / f"{name}.patch"
        if not path.exists():
            raise R.SeriesError(f"no such mutant: {path}")
        series = self.repo.ref(R.R_SERIES)
        commit = self.repo.commit(self.repo.tree_with(series, path), series, f"mutant {name}\n".encode())
        self.repo.git("update-ref", f"refs/atc/mutant-{name}", commit)
        return f"mutant-{name}"


def mutant_names():
    return sorted(p.stem for p in MUTANTS.glob("*.patch"))


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("what", choices=["build", "mutant", "list-mutants"])
    ap.add_argument("names", nargs="*", help=f"build: unpatched patched (default both) {UNCLEARED} {WITHOUT_SPEED}; "
                    "mutant: names")
    ap.add_argument("--flavour", default=LEAN, choices=FLAVOURS)
    ap.add_argument("--out", required=True, type=Path, help="build folder, $(O)")
    ap.add_argument("--base", default=bases.DEFAULT, choices=sorted(bases.BASES))
    ap.add_argument("--jobs", default=os.cpu_count() or 1, type=int)
    ap.add_argument("--sparse", action="store_true", help="also run sparse on what the series touches")
    ap.add_argument("--verbose", action="store_true")
    args = ap.parse_args()
    if args.what == "list-mutants":
        print("\n".join(mutant_names()))
        return
    names = args.names or (mutant_names() if args.what == "mutant" else ["unpatched", "patched"])
    kernels = Kernels(args.out, args.base, args.jobs, args.flavour)
    steps = progress.Steps(args.out, len(names), verbose=args.verbose)
    for name in names:
        if args.what == "mutant":
            state = kernels.mutant(name)
        else:
            state = kernels.variant(name) if name in (UNCLEARED, WITHOUT_SPEED) else name
        with steps.step(f"building the {name} kernel" if state == name else f"building mutant {name}",
                        f"kernel-{kernels.dest(state).name}") as step:
            kernels.build(state, step, sparse=args.sparse and state == name)


if __name__ == "__main__":
    try:
        main()
    except (R.SeriesError, progress.StepError) as e:
        sys.exit(f"kernel: {e}")
    except KeyboardInterrupt:
        sys.exit(130)
