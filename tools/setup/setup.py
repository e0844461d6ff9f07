# SPDX-License-Identifier: GPL-2.0-or-later
"""The steps between a fresh clone and the verb of make that was asked for.

tools/setup/bootstrap calls this file when Python is installed. Each step finds out
whether it has work to do. So the same command continues after an interruption, and a
second run takes seconds:

  packages, meson         tools/setup/bootstrap, Debian's backports
  kernel and QEMU source  $(CACHE)/dl, $(CACHE)/src; $(O)/src/{kernel,qemu} point there
  work repository         $(O)/linux with base and series (tools/series)
  QEMU                    $(O)/qemu (tools/qemu/build)
  kernels                 $(O)/kernel/{unpatched,patched} (tools/bench/kernel.py)
  debug, kcsan            $(O)/kernel/patched-{debug,kcsan}, the same way
  compiled objects        $(CCACHE_DIR), in $(CACHE) unless it is set

Those tools decide what they build and how.
"""
import argparse
import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tools import TOP
from tools.bench import kernel
from tools.series import assemble, bases, repo as R
from tools.setup import progress, sources
from tools.setup.progress import StepError

QEMU_SUITES = ("trixie",)
QEMU_VERSION = re.compile(r"^(?:\d+:)?10\.0\.\d+")
MESON_NEEDED = (1, 5)
MESON_SUITES = {"bookworm": ("bookworm-backports",)}
GIB = 1 << 30

# The steps that write to the cache.
SOURCES = ("kernel-source", "qemu-source")

# The steps that a demo and the guests need, in order.
GUESTS = (*SOURCES, "repo", "qemu", "unpatched", "patched")

# Verb -> the steps that it needs, in order.
NEEDS = {
    "setup": SOURCES,
    "series": ("kernel-source", "repo"),
    "kernels": ("kernel-source", "repo", "unpatched", "patched"),
    "qemu": ("qemu-source", "qemu"),
    "tree": ("kernel-source", "repo"),
    "all": GUESTS,
    "check": (*GUESTS, kernel.DEBUG),
    "kcsan": (*SOURCES, "repo", "qemu", kernel.KCSAN),
}
# What the checks of a base besides BASE take (other_base() in tools/checks/runner.py).
OTHERS = NEEDS["kernels"]


def upstream(version):
    """7.2.13 of 7.2.13-1~bpo13+1, 10.0.13+ds of 1:10.0.13+ds-0+deb13u1."""
    return version.split(":", 1)[-1].rsplit("-", 1)[0]


def point(link, target):
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink() and os.readlink(link) == str(target):
        return
    part = link.with_name(link.name + ".part")
    part.unlink(missing_ok=True)
    part.symlink_to(target)
    part.replace(link)


def need_room(path, gib, what):
    path.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(path).free
    if free < gib * GIB:
        raise StepError(f"the disk is full: {what} needs about {gib} GB below {path}, "
                        f"{free / GIB:.1f} GB are free")


@contextlib.contextmanager
def locked(folder):
    """One set-up at a time in `folder`; says so when it has to wait."""
    with open(folder / ".lock", "w", encoding="ascii") as fh:
        try:
            fcntl.flock(fh, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"setup: waiting for another make that uses {folder}", flush=True)
            fcntl.flock(fh, fcntl.LOCK_EX)
        yield


class Setup:
    def __init__(self, args, steps, base):
        self.args, self.steps, self.name = args, steps, base
        self.out, self.cache = args.out, args.cache
        self.work = bases.folder(args.out, base)
        self.base = bases.BASES[base]
        self.apt = None

    def step(self, title, log):
        """A step on the kernel; its title names a base other than BASE."""
        if self.name == self.args.base:
            return self.steps.step(title, log)
        return self.steps.step(f"{self.name}: {title}", f"{log}-{self.name}")

    def indexes(self, step):
        """apt's package lists of the suites that matter, read at most once a run."""
        if not self.apt:
            suites = list(self.base.suites) + list(MESON_SUITES.get(sources.codename(), ()))
            self.apt = sources.Apt(self.cache, list(dict.fromkeys(suites)), QEMU_SUITES)
            self.apt.update(step)
        return self.apt

    # -- meson: the only package that Debian 12 has too old --

    @staticmethod
    def meson_version():
        try:
            out = subprocess.run(["/usr/bin/meson", "--version"], stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, check=False, text=True).stdout
        except OSError:
            return ()
        return tuple(int(n) for n in re.findall(r"\d+", out)[:2])

    def meson(self, step):
        if self.meson_version() >= MESON_NEEDED:
            return
        memo = self.cache / "dl/meson.json"
        package = sources.recall(memo, lambda v: True)
        if not package:
            package = self.indexes(step).binary(step, "meson")
            sources.remember(memo, package)
        deb = sources.fetch(package, self.cache / "dl", step)
        root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        lists = self.cache / "apt/tools"
        step.note = "installing meson"
        step.run([*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "install", "-y",
                  "--no-install-recommends", *self.tool_lists(root, lists, step),
                  "-o", "DPkg::Lock::Timeout=300", str(deb.resolve())])
        step.note = ""
        if self.meson_version() < MESON_NEEDED:
            raise step.failed("meson is still older than 1.5")

    @staticmethod
    def tool_lists(root, folder, step):
        """Options for apt-get with the private package lists of tools/setup/bootstrap."""
        options = ["-o", f"Dir::State::lists={folder}/lists", "-o", f"Dir::Cache={folder}/cache",
                   "-o", "APT::Sandbox::User=root", "-o", "Acquire::Languages=none"]
        if not any((folder / "lists").glob("*Packages*")) and not any((folder / "lists").glob("*Release")):
            for sub in ("lists/partial", "cache/archives/partial"):
                (folder / sub).mkdir(parents=True, exist_ok=True)
            step.run([*root, "apt-get", "-q", "update", *options], check=False)
        return options

    # -- sources --

    def kernel_source(self):
        with self.step("kernel source", "kernel-source") as step:
            if self.args.ksrc:
                tree = Path(self.args.ksrc).resolve()
                base, version = R.kernel_version(tree)
                if base != self.name:
                    raise StepError(f"KSRC={tree} is a {base} kernel, BASE is {self.name}")
                self.use(self.work, "kernel", tree, f"{version} (own tree)")
                step.state = f"own tree, {version}"
                return
            wanted = self.name + "."

            def fits(v):
                return (upstream(v) + ".").startswith(wanted) or upstream(v).startswith(self.name + "~")
            memo = self.cache / "dl" / f"{self.base.package}.json"
            package = sources.recall(memo, fits)
            tree = package and self.cache / "src" / f"linux-{upstream(package.version)}"
            if tree and (tree / "Makefile").exists():
                step.up_to_date()
            else:
                need_room(self.cache, 3, "the kernel source")
                if not package:
                    package = self.indexes(step).binary(step, self.base.package, fits, self.base.suites)
                    sources.remember(memo, package)
                    tree = self.cache / "src" / f"linux-{upstream(package.version)}"
                deb = self.fetch_or_look_again(package, memo, step, lambda apt: apt.binary(
                    step, self.base.package, fits, self.base.suites))
                package = sources.recall(memo, fits)
                tree = self.cache / "src" / f"linux-{upstream(package.version)}"
                sources.unpack(deb, tree, step, f"./usr/src/{self.base.package}.tar.xz")
                step.state = f"{package.version}, done"
            self.use(self.work, "kernel", tree,
                     f"{upstream(package.version)} (Debian {self.base.package} {package.version})")

    def qemu_source(self):
        with self.steps.step("QEMU source", "qemu-source") as step:
            if self.args.qemu_src:
                tree = Path(self.args.qemu_src).resolve()
                try:
                    version = (tree / "VERSION").read_text().strip()
                except OSError as e:
                    raise StepError(f"QEMU_SRC={tree} is not a QEMU source tree: no VERSION in it") from e
                if not QEMU_VERSION.match(version):
                    raise StepError(f"QEMU_SRC={tree} is QEMU {version}; the model is for 10.0.x")
                self.use(self.out, "qemu", tree, f"{version} (own tree)")
                step.state = f"own tree, {version}"
                self.meson(step)
                return
            memo = self.cache / "dl/qemu.json"
            package = sources.recall(memo, QEMU_VERSION.match)
            tree = package and self.cache / "src" / f"qemu-{upstream(package.version)}"
            if tree and (tree / "configure").exists():
                step.up_to_date()
            else:
                need_room(self.cache, 1, "the QEMU source")

                def look(apt):
                    return apt.source(step, "qemu", QEMU_VERSION.match, QEMU_SUITES)
                if not package:
                    package = look(self.indexes(step))
                    sources.remember(memo, package)
                tar = self.fetch_or_look_again(package, memo, step, look)
                package = sources.recall(memo, QEMU_VERSION.match)
                tree = self.cache / "src" / f"qemu-{upstream(package.version)}"
                sources.unpack(tar, tree, step)
                step.state = f"{package.version}, done"
            self.use(self.out, "qemu", tree, f"{upstream(package.version)} (Debian {package.version})")
            self.meson(step)

    def fetch_or_look_again(self, package, memo, step, look):
        """Fetch; when the archive has moved on to another version, take that."""
        try:
            return sources.fetch(package, self.cache / "dl", step)
        except StepError:
            if self.apt:
                raise
            found = look(self.indexes(step))
            if found == package:
                raise
            step.say(f"{package.version} is gone from the archive: {found.version} instead")
            sources.remember(memo, found)
            return sources.fetch(found, self.cache / "dl", step)

    @staticmethod
    def use(out, name, tree, version):
        point(out / "src" / name, tree.resolve())
        (out / "src" / f"{name}.version").write_text(version + "\n")

    # -- builds --

    def repo(self):
        with self.step("series on the kernel source", "series") as step:
            if not (self.work / "linux/.git/atc-import").exists():
                need_room(self.work, 6, "the work trees and builds")
            began = time.monotonic()
            if self.args.verb == "tree":
                assemble.import_base(self.work, self.name)
            else:
                assemble.open_repo(self.work, self.name)
            if time.monotonic() - began < 2:
                step.up_to_date()
            if self.args.verb != "tree" and assemble.edited(self.work / "tree"):
                step.say(f"{self.work}/tree has edits that are not absorbed: they are not part of what is built")

    def qemu(self):
        with self.steps.step("building QEMU", "qemu") as step:
            work = self.out / "qemu/work"
            began = time.monotonic()
            env = dict(os.environ, JOBS=str(self.args.jobs))
            step.run([TOP / "tools/qemu/build", self.out / "src/qemu", work], env=env,
                     watch=progress.ninja_watch())
            binary = work / "build/qemu-system-aarch64"
            if not binary.exists():
                raise step.failed(f"no {binary}")
            point(self.out / "qemu/qemu-system-aarch64", "work/build/qemu-system-aarch64")
            if time.monotonic() - began < 5:
                step.up_to_date()

    def kernel(self, state):
        with self.step(f"building the {state} kernel", f"kernel-{state}") as step:
            kernels = kernel.Kernels(self.work, self.name, self.args.jobs)
            # The baseline always: it needs the tree in its pristine state,
            # and going back there later recompiles what the series touches.
            sparse = (self.args.sparse or state == "unpatched") and self.name == self.args.base
            kernels.build(state, step, sparse=sparse)

    def flavour(self, name):
        with self.steps.step(f"building the {name} kernel", f"kernel-patched-{name}") as step:
            kernel.Kernels(self.work, self.name, self.args.jobs, name).build("patched", step)

    def kernel_order(self, needs):
        """Begin with the kernel that the tree stands at: one switch less."""
        repo = R.Repo(self.work / "linux")
        if "unpatched" in needs and (self.work / "obj/lean/vmlinux").exists() and \
           (self.work / "linux/.git").exists() and repo.ref("HEAD") != repo.ref(R.R_BASE):
            return [n for n in needs if n != "unpatched"] + ["unpatched"]
        return needs

    def run(self, needs):
        todo = {"kernel-source": self.kernel_source, "qemu-source": self.qemu_source,
                "repo": self.repo, "qemu": self.qemu,
                "unpatched": lambda: self.kernel("unpatched"),
                "patched": lambda: self.kernel("patched"),
                **{name: lambda name=name: self.flavour(name) for name in (kernel.DEBUG, kernel.KCSAN)}}
        for need in self.kernel_order(needs):
            # Clones share the cache: they wait for a download, not for a build
            with locked(self.cache) if need in SOURCES else contextlib.nullcontext():
                todo[need]()
        if self.work != self.out:
            point(self.work / "qemu", "../qemu")


def plan(args):
    """[(base, what it needs)] of a verb, in order."""
    # git merges with the default base's source what does not fit
    first = [(bases.DEFAULT, ("kernel-source",))] if args.verb == "tree" and args.base != bases.DEFAULT else []
    # An own tree is of one version; then nothing is fetched for the others.
    others = bases.others(args.base) if args.others and not args.ksrc else []
    return [*first, (args.base, NEEDS[args.verb]), *[(base, OTHERS) for base in others]]


def total(args):
    return sum(len(needs) for _, needs in plan(args))


def run(args, steps):
    """All steps of a verb."""
    for base, needs in plan(args):
        Setup(args, steps, base).run(needs)


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("verb", choices=sorted(NEEDS))
    ap.add_argument("--packages-took", type=int, default=0)
    ap.add_argument("--sparse", action="store_true")
    ap.add_argument("--others", action="store_true", help="what make check needs of the other bases, too")
    args = ap.parse_args()
    env = os.environ
    args.base = env.get("BASE") or bases.DEFAULT
    if args.base not in bases.BASES:
        raise StepError(f"BASE={args.base}: known are {', '.join(sorted(bases.BASES))} (tools/series/bases.py)")
    args.ksrc, args.qemu_src = env.get("KSRC"), env.get("QEMU_SRC")
    args.out, args.cache = Path(env["O"]).resolve(), Path(env["CACHE"]).resolve()
    jobs = env.get("JOBS") or str(len(os.sched_getaffinity(0)))
    if not jobs.isdigit() or int(jobs) < 1:
        raise StepError(f"JOBS={jobs} is not a number of jobs")
    args.jobs = int(jobs)
    args.out.mkdir(parents=True, exist_ok=True)
    args.cache.mkdir(parents=True, exist_ok=True)
    if " " in str(args.out):
        raise StepError(f"O={args.out}: the kernel cannot be built in a path with a space")
    with locked(args.out):
        steps = progress.Steps(args.out, total(args), verbose=bool(env.get("V")))
        steps.record("packages", args.packages_took, "")
        try:
            run(args, steps)
        finally:
            steps.write_budget()


if __name__ == "__main__":
    try:
        main()
    except (R.SeriesError, StepError) as e:
        sys.exit(f"setup: {e}")
    except OSError as e:
        if e.errno != 28:
            raise
        sys.exit(f"setup: the disk is full: {e.filename or ''}")
    except KeyboardInterrupt:
        sys.exit(130)
