# SPDX-License-Identifier: GPL-2.0-or-later
"""The project's own scripts: their unit tests, shellcheck, that Python compiles; KTAP.

Each test method is one case. Nothing here needs a kernel or QEMU.
"""
import ast
import subprocess
import sys

from tools import PY, TOP, ktap


def tracked():
    proc = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others",
                           "--exclude-standard"], cwd=TOP, stdout=subprocess.PIPE, check=True)
    return [TOP / n for n in proc.stdout.decode().split("\0") if n and (TOP / n).is_file()]


def interpreter(path):
    with open(path, "rb") as fh:
        first = fh.readline(80)
    return first.decode(errors="replace") if first.startswith(b"#!") else ""


def run_tests(folder):
    """unittest in a process of its own: one that dies takes no other along."""
    program = ("import sys, unittest\n"
               "class R(unittest.TextTestResult):\n"
               "    def row(self, word, test, why=''):\n"
               "        print('ROW', word, test.id(), why.replace(chr(10), chr(1)), sep=chr(2), flush=True)\n"
               "    def addSuccess(self, t): super().addSuccess(t); self.row('ok', t)\n"
               "    def addError(self, t, e): super().addError(t, e); self.row('bad', t, self._exc_info_to_string(e, t))\n"
               "    def addFailure(self, t, e): super().addFailure(t, e); self.row('bad', t, self._exc_info_to_string(e, t))\n"
               "    def addSkip(self, t, r): super().addSkip(t, r); self.row('skip', t, r)\n"
               "    def addSubTest(self, t, s, e):\n"
               "        super().addSubTest(t, s, e)\n"
               "        if e: self.row('bad', t, self._exc_info_to_string(e, t))\n"
               "suite = unittest.defaultTestLoader.loadTestsFromNames(sys.argv[1:])\n"
               "unittest.TextTestRunner(resultclass=R, stream=open('/dev/null', 'w')).run(suite)\n")
    modules = [".".join(p.relative_to(TOP).with_suffix("").parts) for p in sorted(folder.glob("test_*.py"))]
    proc = subprocess.run([PY, "-c", program, *modules], cwd=TOP, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    rows = [ln.split("\2") for ln in proc.stdout.splitlines() if ln.startswith("ROW\2")]
    return [(r[1], r[2], r[3].replace("\1", "\n")) for r in rows], proc


def main():
    report = ktap.Writer()
    files = tracked()
    for folder in sorted({p.parent for p in files if p.name.startswith("test_") and p.suffix == ".py"
                          and TOP / "tools" in p.parents}):
        rows, proc = run_tests(folder)
        where = folder.relative_to(TOP)
        if not rows or proc.returncode:
            report.case(f"{where}: tests run", False, proc.stdout.splitlines()[-10:])
        for word, name, why in rows:
            report.case(f"{where}: {name}", word == "ok", why.splitlines()[-8:] if word == "bad" else (),
                        skip=why.splitlines()[0] if word == "skip" else "")
    shells = [p for p in files if p.suffix == ".sh" or ("sh" in interpreter(p).split("/")[-1]
              and "python" not in interpreter(p))]
    for path in sorted(shells):
        proc = subprocess.run(["shellcheck", "-x", str(path)], cwd=path.parent, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        report.case(f"shellcheck {path.relative_to(TOP)}", proc.returncode == 0, proc.stdout.splitlines()[:20])
    pythons = [p for p in files if p.suffix == ".py" or "python" in interpreter(p)]
    bad = []
    for path in pythons:
        try:
            ast.parse(path.read_text(), str(path))
        except SyntaxError as e:
            bad.append(str(e))
    report.case(f"{len(pythons)} Python files parse", pythons and not bad, bad)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
