# SPDX-License-Identifier: GPL-2.0-or-later
"""Find, fetch, check and unpack the kernel's and QEMU's source packages.

apt reads its signed indexes (Debian's archive keyring), which list each version, its
place and its SHA256. It reads them in a private state under $(CACHE)/apt, with suites
that the machine need not have, from the mirror that the machine's configuration names.

This file downloads by itself, because apt-get download starts again from the beginning
after an interruption. $(CACHE)/dl/<name>.json describes what was fetched, and the
network is not used again. Each file is used only after its SHA256 was checked.
"""
import functools
import hashlib
import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from tools.setup.progress import StepError

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
HINT = "KSRC=, QEMU_SRC= or a filled CACHE= replace the downloads"


class Package(NamedTuple):
    name: str
    version: str
    uri: str
    file: str
    size: int
    sha256: str


def compare(a, b):
    """-1, 0, 1 as dpkg sees two versions."""
    for sign, op in ((-1, "lt"), (1, "gt")):
        if subprocess.run(["dpkg", "--compare-versions", a, op, b], check=False).returncode == 0:
            return sign
    return 0


def newest(versions):
    return max(versions, key=functools.cmp_to_key(compare))


# -- apt's indexes, in a private state --------------------------------------

def codename():
    found = re.search(r"^VERSION_CODENAME=\"?(\w+)", Path("/etc/os-release").read_text(), re.M)
    return found[1] if found else "stable"


def mirror():
    """URI of the Debian archive in the machine's own apt configuration."""
    out = subprocess.run(["apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)",
                          "Created-By: Packages"], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, check=False, text=True).stdout
    seen = [ln.split(None, 1) for ln in out.splitlines() if " " in ln]
    seen = [(r, u) for r, u in seen if "security" not in r and "security" not in u]
    for wanted in (codename(), "stable"):
        for release, uri in seen:
            if release == wanted:
                return uri.rstrip("/")
    for release, uri in seen:
        if release.startswith(codename()):
            return uri.rstrip("/")
    raise StepError("this machine's apt configuration names no Debian archive for "
                    f"{codename()}; {HINT}")


class Apt:
    """apt with its own lists, sources and cache; the machine's stay as they are."""

    def __init__(self, cache, suites, source_suites):
        self.dir = cache / "apt/sources"
        self.suites, self.source_suites = suites, source_suites
        self.conf = self.dir / "apt.conf"
        self.failed = False
        self.expired = []
        self.old_is_fine = False

    def prepare(self):
        if not Path(KEYRING).exists():
            raise StepError(f"no {KEYRING}: install debian-archive-keyring")
        for sub in ("lists/partial", "cache/archives/partial", "empty"):
            (self.dir / sub).mkdir(parents=True, exist_ok=True)
        uri = mirror()
        text = ""
        for kind, suites in (("deb", self.suites), ("deb-src", self.source_suites)):
            text += (f"Types: {kind}\nURIs: {uri}\nSuites: {' '.join(suites)}\n"
                     f"Components: main\nSigned-By: {KEYRING}\n\n")
        (self.dir / "debian.sources").write_text(text)
        self.conf.write_text(
            f'Dir::Etc::sourcelist "{self.dir}/debian.sources";\n'
            f'Dir::Etc::sourceparts "{self.dir}/empty";\n'
            f'Dir::Etc::preferences "{self.dir}/empty/none";\n'
            f'Dir::Etc::preferencesparts "{self.dir}/empty";\n'
            f'Dir::State::lists "{self.dir}/lists";\n'
            f'Dir::Cache "{self.dir}/cache";\n'
            'Acquire::Languages "none";\nAPT::Sandbox::User "root";\nAcquire::Retries "2";\n'
            'Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";\n'
            'Acquire::AllowInsecureRepositories "false";\nAPT::Get::AllowUnauthenticated "false";\n')

    def env(self):
        return dict(os.environ, APT_CONFIG=str(self.conf), LC_ALL="C.UTF-8")

    def update(self, step):
        self.prepare()
        step.note = "package lists"
        # A mirror may lack a suite: what is not found is told by name later.
        options = ["-o", "Acquire::Check-Valid-Until=false"] if self.old_is_fine else []
        self.failed = step.run(["apt-get", "-q", "update", *options], env=self.env(), check=False) != 0
        self.expired = sorted(set(re.findall(r"dists/([\w-]+)/InRelease is expired",
                                             step.log.read_text(errors="replace"))))
        if self.expired and not self.old_is_fine:
            step.say(f"the mirror's lists of {', '.join(self.expired)} are out of date: not used")
        step.note = ""

    def accept_expired(self, step):
        """Signed, but old: better than no source at all. Said aloud; once."""
        if not self.expired or self.old_is_fine:
            return False
        self.old_is_fine = True
        step.say(f"found nowhere else: the out-of-date lists of {', '.join(self.expired)} are used after all")
        self.update(step)
        return True

    def query(self, *cmd):
        proc = subprocess.run(cmd, env=self.env(), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, check=False, text=True)
        return proc.stdout if proc.returncode == 0 else ""

    def not_found(self, step, what, suites):
        why = "the package sources cannot be reached" if self.failed else \
            f"not in {', '.join(suites)}"
        return step.failed(f"{what}: {why}; {HINT}", tail=self.failed)

    def _uri(self, name, version, text):
        found = re.search(r"^'([^']+)' (\S+) (\d+) SHA256:([0-9a-f]{64})$", text, re.M)
        return found and Package(name, version, found[1], found[2], int(found[3]), found[4])

    def binary(self, step, name, accept=lambda v: True, suites=()):
        """The newest version of a binary package that `accept` likes."""
        rows = [r.split("|") for r in self.query("apt-cache", "madison", name).splitlines()]
        versions = {r[1].strip() for r in rows if len(r) == 3 and " Packages" in r[2] + " "
                    and (not suites or any(f" {s}/" in r[2] for s in suites))}
        versions = [v for v in versions if accept(v)]
        if not versions and self.accept_expired(step):
            return self.binary(step, name, accept, suites)
        if not versions:
            raise self.not_found(step, name, suites or self.suites)
        version = newest(versions)
        found = self._uri(name, version, self.query("apt-get", "download", "--print-uris", f"{name}={version}"))
        if not found:
            raise self.not_found(step, name, suites or self.suites)
        return found

    def source(self, step, name, accept, suites):
        rows = [r.split("|") for r in self.query("apt-cache", "madison", name).splitlines()]
        versions = {r[1].strip() for r in rows if len(r) == 3 and "Sources" in r[2]}
        versions = [v for v in versions if accept(v)]
        if not versions and self.accept_expired(step):
            return self.source(step, name, accept, suites)
        if not versions:
            raise self.not_found(step, f"source package {name}", suites)
        version = newest(versions)
        text = self.query("apt-get", "source", "--print-uris", "--tar-only", f"{name}={version}")
        text = "\n".join(ln for ln in text.splitlines() if ".orig.tar." in ln)
        found = self._uri(name, version, text)
        if not found:
            raise self.not_found(step, f"source package {name}", suites)
        return found


# -- download ---------------------------------------------------------------

def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as fh:
        while chunk := fh.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def opener():
    """urllib with the proxy that apt would use, else the environment's."""
    proxies = urllib.request.getproxies()
    out = subprocess.run(["apt-config", "dump"], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, check=False, text=True).stdout
    for scheme, value in re.findall(r'^Acquire::(https?)::Proxy "([^"]*)";$', out, re.M | re.I):
        if value.upper() == "DIRECT":
            proxies.pop(scheme.lower(), None)
        elif value:
            proxies[scheme.lower()] = value
    return urllib.request.build_opener(urllib.request.ProxyHandler(proxies))


def pull(uri, part, size, step):
    """Append what is missing of `uri` to `part`. OSError when that fails."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(uri, headers={"Range": f"bytes={have}-"} if have else {})
    with opener().open(request, timeout=60) as answer:
        resumed = have and answer.status == 206
        if resumed:
            step.say(f"{part.stem}: goes on at {have >> 20} of {size >> 20} MB")
        done = have if resumed else 0
        with open(part, "ab" if resumed else "wb") as fh:
            while chunk := answer.read(1 << 18):
                fh.write(chunk)
                done += len(chunk)
                step.percent = min(100, done * 100 // max(1, size))
    if done < size:
        raise OSError(f"the connection ended after {done} of {size} bytes")


def fetch(package, folder, step):
    """The package's file in `folder`, complete and checked."""
    folder.mkdir(parents=True, exist_ok=True)
    dest = folder / package.file.replace("%2b", "+")
    part = dest.with_name(dest.name + ".part")
    if dest.exists():
        if dest.stat().st_size == package.size and sha256(dest) == package.sha256:
            return dest
        step.say(f"{dest.name} in the cache has a wrong SHA256: thrown away, fetched again")
        dest.unlink()
    why = ""
    for attempt in range(4):
        # A complete part whose rename was cut off, or one of another version.
        if part.exists() and part.stat().st_size >= package.size and sha256(part) != package.sha256:
            part.unlink()
        try:
            if not (part.exists() and part.stat().st_size == package.size):
                if urlsplit(package.uri).scheme in ("http", "https"):
                    pull(package.uri, part, package.size, step)
                else:
                    step.run(["/usr/lib/apt/apt-helper", "-q", "download-file", package.uri, str(part),
                              f"SHA256:{package.sha256}"])
        except urllib.error.HTTPError as e:
            why = f"{e.code} {e.reason}"
            if e.code == 416:
                part.unlink(missing_ok=True)
                continue
            if e.code in (404, 410):
                break
            continue
        except OSError as e:
            if e.errno == 28:
                raise StepError(f"the disk is full: {package.file} does not fit into {folder}") from e
            why = str(getattr(e, "reason", e))
            continue
        step.percent = None
        if sha256(part) == package.sha256:
            part.replace(dest)
            return dest
        why = "what arrives has a wrong SHA256"
        step.say(f"{dest.name}: wrong SHA256: thrown away, fetched again")
        part.unlink()
    raise StepError(f"cannot download {unquote(package.file)}: {why}; {HINT}")


# -- what is known without the network --------------------------------------

def recall(path, accept):
    """The package described by an earlier run, when it still fits."""
    try:
        package = Package(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return package if accept(package.version) else None


def remember(path, package):
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(package._asdict(), indent=1) + "\n")
    part.replace(path)


# -- unpacking --------------------------------------------------------------

def unpack(archive, dest, step, inner=None):
    """Unpack into `dest`, which appears only when it is complete.

    `inner`: path of the tarball inside a .deb.
    """
    part = dest.with_name(dest.name + ".part")
    if part.exists():
        step.say("an unpacking that was cut short is started again")
        shutil.rmtree(part)
    part.mkdir(parents=True)
    if inner:
        command = 'set -o pipefail; dpkg-deb --fsys-tarfile "$1" | tar -xO "$2" | tar -xJ --no-same-owner ' \
                  '--strip-components=1 -C "$3"'
    else:
        command = 'tar -xJf "$1" --no-same-owner --strip-components=1 -C "$3"'
    step.note = "unpacking"
    step.percent = None
    step.run(["bash", "-c", command, "unpack", str(archive), inner or "", str(part)])
    step.note = ""
    part.rename(dest)
