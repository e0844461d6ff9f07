# SPDX-License-Identifier: GPL-2.0-or-later
"""The kernel work repository: pristine source as one commit, one commit per hook.

$(O)/linux is a git repository made from the unpacked source in one pass of
fast-import (a single uncompressed pack: seconds, not minutes). Its work tree
is what gets built; it is switched between refs/atc/base and refs/atc/series
by git, which touches only files whose content differs, so that an incremental
build stays small. All commits are made in a private index with fixed dates and
identities: the same input gives the same hashes and the same mails.

$(O)/linux is not for editing: edit in $(O)/tree (make tree).
"""
import email.parser
import email.policy
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

from tools import TOP
from tools.series import bases, overlay as O

HOOKS = TOP / "tools/series/hooks"

AUTHOR = "ATC fence"
MAIL = "atc-fence@invalid"
DATE = "2026-01-01T00:00:00+0000"

# Where new kernel files of the series live in this repository.
KERNEL_DIRS = ("drivers", "include", "Documentation", "tools/testing")

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


# -- hooks ------------------------------------------------------------------

class Hook:
    """One patch of the series: a mail, its diff, and the files it adds."""

    def __init__(self, path):
        self.path = Path(path)
        self.name = self.path.name
        raw = self.path.read_bytes()
        if raw.startswith(b"From "):
            raw = raw.split(b"\n", 1)[1]
        head = email.parser.BytesHeaderParser(policy=email.policy.compat32).parsebytes(raw)
        self.adds = [a.strip() for a in head.get_all("X-Adds", [])]
        self.before = " ".join((head.get("X-Before") or "").split())
        self.overlay = None
        self.own = False            # of one base only
        with tempfile.TemporaryDirectory(prefix="atc-hook.") as tmp:
            msg, diff = os.path.join(tmp, "msg"), os.path.join(tmp, "diff")
            info = run_git(tmp, "mailinfo", "-b", "--encoding=UTF-8", msg, diff,
                           data=self.path.read_bytes()).stdout.decode()
            found = re.search(r"^Subject: (.*)$", info, re.M)
            if not found:
                raise SeriesError(f"{self.name}: no Subject: line")
            self.subject = re.sub(r"^\[PATCH[^]]*\]\s*", "", found.group(1)).strip()
            body = Path(msg).read_bytes().strip(b"\n")
            self.diff = Path(diff).read_bytes()
        # mailinfo leaves everything after "---" in the diff: keep the diff alone.
        start = re.search(rb"^diff --git ", self.diff, re.M)
        self.diff = self.diff[start.start():] if start else b""
        self.message = self.subject.encode() + b"\n" + (b"\n" + body + b"\n" if body else b"")

    def touched(self):
        return [p.decode() for p in re.findall(rb"^diff --git a/\S+ b/(\S+)$", self.diff, re.M)]


def common_hooks(hooks_dir=None):
    """The hooks of every base, in their order."""
    hooks, numbers = [], {}
    for path in sorted(Path(hooks_dir or HOOKS).glob("[0-9][0-9][0-9][0-9]-*.patch")):
        number = path.name[:4]
        if number in numbers:
            raise SeriesError(f"{path.name} and {numbers[number]} have the same number")
        numbers[number] = path.name
        hooks.append(Hook(path))
    return hooks


def read_hooks(base, hooks_dir=None):
    """The hooks of `base`: the common ones with their overlays, and its own."""
    hooks = common_hooks(hooks_dir)
    folder = Path(hooks_dir or HOOKS) / base
    by_subject = {hook.subject: hook for hook in hooks}
    for path in sorted(folder.glob("*.overlay")):
        try:
            overlay = O.Overlay(path)
        except O.OverlayError as e:
            raise SeriesError(f"hooks/{base}: {e}") from e
        if overlay.subject not in by_subject:
            raise SeriesError(f"hooks/{base}/{path.name} is for no hook: none is called '{overlay.subject}'")
        by_subject[overlay.subject].overlay = overlay
    for path in sorted(folder.glob("*.patch")):
        own = Hook(path)
        own.own = True
        if own.subject in by_subject:
            raise SeriesError(f"hooks/{base}/{path.name} has the subject of {by_subject[own.subject].name}")
        if own.before and own.before not in by_subject:
            raise SeriesError(f"hooks/{base}/{path.name} goes before no hook: none is called '{own.before}'")
        at = hooks.index(by_subject[own.before]) if own.before else len(hooks)
        hooks.insert(at, own)
    return hooks


def apply_hook(git, base, hook):
    """Apply a hook's diff to the index that `git` uses."""
    proc = git("apply", "--cached", "--whitespace=nowarn", "-", data=hook.diff, check=False) \
        if hook.diff and not hook.overlay else None
    if not hook.diff or (proc and not proc.returncode):
        return
    if base == bases.DEFAULT:
        err = proc.stderr.decode(errors="replace").strip().replace("\n", "; ")
        raise SeriesError(f"{hook.name} does not apply to {base}: {err}")
    try:
        texts = O.apply(hook, hook.overlay, lambda name: git("cat-file", "blob", f":{name}").stdout)
    except O.OverlayError as e:
        raise SeriesError(f"{hook.name} does not apply to {base}: {e}; make tree BASE={base} helps") from e
    store(git, texts)


def store(git, texts):
    """Put {path: bytes} into the index that `git` uses; modes stay."""
    for name, text in texts.items():
        mode = git("ls-files", "-s", "--", name).stdout.decode().split()[0]
        blob = git("hash-object", "-w", "--no-filters", "--stdin", data=text).stdout.decode().strip()
        git("update-index", "--cacheinfo", f"{mode},{blob},{name}")


def series_key(start, hooks, top=None, sob=None, files=True):
    """Hash of all that an assembled series depends on; without `files`: but new files."""
    digest = hashlib.sha256(f"{start} {sob} {DATE} {AUTHOR}".encode())
    digest.update(Path(O.__file__).read_bytes())
    for hook in hooks:
        digest.update(hook.name.encode() + b"\0" + hook.message + hook.diff)
        if hook.overlay:
            digest.update(hook.overlay.path.read_bytes())
        for path in hook.adds if files else ():
            full = (top or TOP) / path
            if not full.is_file() and not full.is_symlink():
                raise SeriesError(f"{hook.name} adds {path}, which is not in the repository")
            digest.update(path.encode() + b"\0%o\0" % (full.lstat().st_mode & 0o100)
                          + full.read_bytes())
    return digest.hexdigest()


def check_claims(hooks):
    """No file is added twice, and none that is added is in a common diff."""
    claimed = {}
    for hook in hooks:
        for path in hook.adds:
            if path in claimed:
                raise SeriesError(f"{path} is added by {claimed[path]} and by {hook.name}")
            claimed[path] = hook.name
        if hook.own and hook.adds:
            raise SeriesError(f"{hook.name} is for one base only and adds {hook.adds[0]}")
    for hook in hooks:
        for path in () if hook.own else hook.touched():
            if path in claimed:
                raise SeriesError(f"{hook.name} changes {path}, which {claimed[path]} adds: "
                                  "its text belongs into the repository's file")


def commit_hook(repo, git, base, hook, parent, top=None, sob=None):
    """The commit of one hook on `parent`, which the index of `git` holds.

    Raises SeriesError where the hook does not fit.
    """
    apply_hook(git, base, hook)
    for path in hook.adds:
        if repo.git("cat-file", "-e", f"{R_BASE}:{path}", check=False).returncode == 0:
            raise SeriesError(f"{hook.name} adds {path}, which {base} already has")
        full = (top or TOP) / path
        blob = git("hash-object", "-w", "--no-filters", "--stdin",
                   data=full.read_bytes()).stdout.decode().strip()
        mode = "100755" if full.stat().st_mode & 0o100 else "100644"
        git("update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}")
    tree = git("write-tree").stdout.decode().strip()
    message = hook.message
    if sob:
        message = repo.git("interpret-trailers", "--if-exists=addIfDifferent", "--trailer",
                           f"Signed-off-by: {sob[0]} <{sob[1]}>", data=message).stdout
    made = repo.commit(tree, parent, message, sob)
    new = [n for n in repo.names("diff-tree", "-r", "--no-renames", "--name-only",
                                 "--diff-filter=A", parent, made) if n not in hook.adds]
    if new:
        raise SeriesError(f"{hook.name} creates {new[0]} by its diff: a new file stands in "
                          "the repository and is named by an X-Adds: line")
    return made


def assemble(repo, base, hooks, top=None, sob=None, ref=R_SERIES):
    """Commit every hook on top of refs/atc/base; returns the last commit."""
    start = repo.ref(R_BASE)
    check_claims(hooks)
    key = series_key(start, hooks, top, sob)
    keyfile = repo.path / ".git" / ("atc-key-" + ref.replace("/", "-"))
    if keyfile.exists() and keyfile.read_text() == key and repo.ref(ref):
        return repo.ref(ref)
    commit = start
    with repo.index() as git:
        git("read-tree", start)
        for hook in hooks:
            commit = commit_hook(repo, git, base, hook, commit, top, sob)
    repo.git("update-ref", ref, commit)
    keyfile.write_text(key)
    return commit


def own_kernel_files(top=TOP):
    """Files of this repository that stand at kernel paths."""
    proc = run_git(top, "ls-files", "-z", "--cached", "--others", "--exclude-standard",
                   "--", *KERNEL_DIRS)
    names = sorted({n for n in proc.stdout.decode().split("\0") if n})
    return [n for n in names if (top / n).exists()]
