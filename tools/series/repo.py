# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel work repository: pristine source as one commit, one commit per patch.

$(O)/linux is a git repository made from the unpacked source in one pass of
fast-import (a single uncompressed pack: seconds, not minutes). Its work tree
is what gets built; it is switched between refs/atc/base and refs/atc/series
by git, which touches only files whose content differs, so that an incremental
build stays small. All commits are made in a private index with fixed dates and
identities: the same input gives the same hashes and the same mails.

$(O)/linux is not for editing: edit in $(O)/tree (make tree).
"""
import fcntl
import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

AUTHOR = "ATC fence"
MAIL = "atc-fence@invalid"
DATE = "2026-01-01T00:00:00+0000"

R_BASE = "refs/atc/base"
R_SERIES = "refs/atc/series"
# Where make tree stands while it still waits for conflicts to be resolved.
R_PARTIAL = "refs/atc/tree-partial"

FORMAT = ["--zero-commit", "--full-index", "--no-signature", "--no-renames",
          "--no-thread", "--always", "--encode-email-headers",
          "--stat=72", "--unified=3", "--diff-algorithm=myers",
          "--no-ext-diff", "--no-textconv", "--no-attach",
          "--src-prefix=a/", "--dst-prefix=b/"]


class SeriesError(Exception):
    """An error that the user can act on; its text is the line that is printed."""


def git_env(extra=None):
    """An environment without the user's git configuration."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    env.update(GIT_CONFIG_NOSYSTEM="1", GIT_CONFIG_GLOBAL=os.devnull,
               GIT_AUTHOR_NAME=AUTHOR, GIT_AUTHOR_EMAIL=MAIL,
               GIT_AUTHOR_DATE=DATE, GIT_COMMITTER_NAME=AUTHOR,
               GIT_COMMITTER_EMAIL=MAIL, GIT_COMMITTER_DATE=DATE,
               GIT_TERMINAL_PROMPT="0", LC_ALL="C.UTF-8", TZ="UTC")
    env.update(extra or {})
    return env


def run_git(cwd, *args, data=None, check=True, env=None):
    # safe.directory: a clone made by one user and built by root is no attack.
    proc = subprocess.run(["git", "-c", "safe.directory=*", *args], cwd=cwd,
                          input=data, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=git_env(env), check=False)
    if check and proc.returncode:
        err = proc.stderr.decode(errors="replace").strip().splitlines()
        raise SeriesError(f"git {args[0]}: {err[-1] if err else 'failed'}")
    return proc


class Repo:
    """A git repository with a private index, so that commits do not touch its own."""

    def __init__(self, path):
        self.path = Path(path)

    def git(self, *args, **kw):
        return run_git(self.path, *args, **kw)

    def out(self, *args, **kw):
        return self.git(*args, **kw).stdout.decode("utf-8", "surrogateescape").strip()

    def ref(self, name):
        proc = self.git("rev-parse", "-q", "--verify", f"{name}^{{commit}}", check=False)
        return proc.stdout.decode().strip() if proc.returncode == 0 else None

    def names(self, *args):
        raw = self.git(*args, "-z").stdout.decode("utf-8", "surrogateescape")
        return [n for n in raw.split("\0") if n]

    @contextmanager
    def index(self):
        """A throw-away index: yields a git() that uses it."""
        with tempfile.TemporaryDirectory(prefix="atc-index.") as tmp:
            env = {"GIT_INDEX_FILE": os.path.join(tmp, "index")}
            yield lambda *a, **kw: self.git(*a, env=env, **kw)

    def tree_with(self, ref, path):
        """The tree of `ref` with the diff in the file `path` applied."""
        with self.index() as git:
            git("read-tree", ref)
            proc = git("apply", "--cached", "--whitespace=nowarn", str(path), check=False)
            if proc.returncode:
                err = proc.stderr.decode(errors="replace").strip().replace("\n", "; ")
                raise SeriesError(f"{Path(path).name} does not apply to the series: {err}")
            return git("write-tree").stdout.decode().strip()

    def commit(self, tree, parent, message, sob=None):
        env = {}
        if sob:
            name, mail = sob
            env = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": mail}
        args = ["commit-tree", tree] + (["-p", parent] if parent else [])
        return self.git(*args, data=message, env=env).stdout.decode().strip()


@contextmanager
def locked(path):
    """One writer at a time; a second `make` waits instead of corrupting."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", encoding="ascii") as fh:
        fcntl.flock(fh, fcntl.LOCK_EX)
        yield


# -- the pristine source ----------------------------------------------------

def kernel_version(src):
    """(\"7.2\", \"7.2.13\") of a kernel tree, or a clear complaint."""
    makefile = Path(src) / "Makefile"
    try:
        head = makefile.read_text(errors="replace")[:600]
    except OSError as e:
        raise SeriesError(f"{src} is not a kernel tree: no Makefile in it") from e
    found = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL) = (\d*)$", head, re.M))
    if len(found) != 3 or not (Path(src) / "Kconfig").exists():
        raise SeriesError(f"{src} is not a kernel tree: its Makefile names no version")
    base = f"{found['VERSION']}.{found['PATCHLEVEL']}"
    sub = found["SUBLEVEL"]
    return base, base if sub in ("", "0") else f"{base}.{sub}"


def fast_import(src, out, message):
    """Write `src` as one commit to a fast-import stream; returns file count."""
    count = 0
    top = os.fsencode(src)
    out.write(b"commit refs/atc/import\ncommitter %s <%s> 1767225600 +0000\ndata %d\n%s\n"
              % (AUTHOR.encode(), MAIL.encode(), len(message), message))
    for root, dirs, files in os.walk(top):
        dirs[:] = sorted(d for d in dirs if d != b".git")
        links = [d for d in dirs if os.path.islink(os.path.join(root, d))]
        for name in sorted(files + links):
            full = os.path.join(root, name)
            rel = os.path.relpath(full, top)
            st = os.lstat(full)
            if stat.S_ISLNK(st.st_mode):
                mode, body = b"120000", os.readlink(full)
            elif stat.S_ISREG(st.st_mode):
                mode = b"100755" if st.st_mode & 0o100 else b"100644"
                with open(full, "rb") as fh:
                    body = fh.read()
            else:
                continue
            quoted = rel
            if rel[:1] == b'"' or b"\n" in rel:
                quoted = b'"' + rel.replace(b"\\", b"\\\\").replace(b'"', b'\\"') \
                                   .replace(b"\n", b"\\n") + b'"'
            out.write(b"M %s inline %s\ndata %d\n" % (mode, quoted, len(body)))
            out.write(body)
            out.write(b"\n")
            count += 1
    return count


def own_tree_key(src):
    """Changes whenever a file of an own kernel tree does: names, sizes, times."""
    digest = hashlib.sha256()
    top = os.fsencode(src)
    for root, dirs, files in os.walk(top):
        dirs[:] = sorted(d for d in dirs if d != b".git")
        for name in sorted(files):
            st = os.lstat(os.path.join(root, name))
            digest.update(b"%s/%s %d %d\n" % (root, name, st.st_size, st.st_mtime_ns))
    return digest.hexdigest()


def import_source(repo_dir, src, version, pristine=True):
    """Make `repo_dir` a repository whose refs/atc/base is `src`; cheap when done.

    `version` goes into the commit message and the stamp. `pristine` says that
    the source never changes under this version (the cache); otherwise its files
    are looked at each time.
    """
    repo_dir = Path(repo_dir)
    repo = Repo(repo_dir)
    key = version if pristine else f"{version} {own_tree_key(src)}"
    stamp = repo_dir / ".git/atc-import"
    with locked(repo_dir.parent / ".linux.lock"):
        if stamp.exists() and stamp.read_text() == key + "\n" and repo.ref(R_BASE):
            return repo
        # A repository whose import was cut short holds nothing worth keeping,
        # but the one being replaced may have a tree with edits.
        if (repo_dir.parent / "tree").exists():
            raise SeriesError(f"{repo_dir.parent}/tree was made from another kernel source: "
                              "make absorb, remove it, and run this again")
        if repo_dir.exists():
            print(f"importing anew: {repo_dir} does not hold {version}", file=sys.stderr)
            shutil.rmtree(repo_dir)
        repo_dir.mkdir(parents=True)
        repo.git("init", "-q", "-b", "scratch")
        for name, value in (("core.compression", "0"), ("pack.compression", "0"),
                            ("core.looseCompression", "0"), ("gc.auto", "0"),
                            ("maintenance.auto", "false"), ("core.fsync", "none"),
                            ("checkout.workers", "2"), ("index.threads", "2"),
                            ("core.autocrlf", "false"), ("advice.detachedHead", "false"),
                            ("core.attributesFile", os.devnull),
                            ("user.name", AUTHOR), ("user.email", MAIL),
                            ("commit.gpgSign", "false")):
            repo.git("config", name, value)
        with subprocess.Popen(["git", "-c", "safe.directory=*", "fast-import", "--quiet", "--depth=0"],
                              cwd=repo_dir, stdin=subprocess.PIPE,
                              env=git_env()) as proc:
            fast_import(src, proc.stdin, f"Linux {version}\n".encode())
            proc.stdin.close()
            if proc.wait():
                raise SeriesError("git fast-import failed (is the disk full?)")
        repo.git("update-ref", R_BASE, "refs/atc/import")
        repo.git("update-ref", "-d", "refs/atc/import")
        repo.git("checkout", "-q", "--detach", R_BASE)
        stamp.write_text(key + "\n")
    return repo


def switch(repo, ref):
    """Put the work tree at `ref`; only files that differ are written."""
    with locked(repo.path.parent / ".linux.lock"):
        # In a copied build folder, checkout would write each file anew, and make compile each
        repo.git("update-index", "-q", "--refresh", check=False)
        repo.git("checkout", "-q", "-f", "--detach", ref)
