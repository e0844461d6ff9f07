# SPDX-License-Identifier: GPL-2.0-or-later
"""The patches of the series as they are kept, and the commits that are made of them.

tools/series/PART/NNNN-NAME.patch is a mail: message, and the diff of files that the
kernel has or that an earlier patch adds. An X-Adds: line names a file that this patch
adds. Such a file is kept at its kernel path in this repository, in its last state.
What the patch adds is that state with the diffs of the later patches taken back.

tools/series/PART/BASE/NAME.patch is for one base other than the default:

  with X-Instead-Of:  the diff that this base has in place of PART/NNNN-NAME.patch, which
                      does not fit there. The value is the fingerprint of the diff that
                      it replaces: when that is edited, this text needs a review. The
                      message is that of the common patch.
  without             a patch that only this base has. It goes before the patch that
                      X-Before: names, or to the end of its part.
"""
import email.parser
import email.policy
import hashlib
import os
import re
import tempfile
from pathlib import Path

from tools import TOP
from tools.series import bases
from tools.series.repo import AUTHOR, DATE, R_BASE, R_SERIES, SeriesError, run_git

SERIES = TOP / "tools/series"

# In the order in which they apply. Each is a mail series of its own.
PARTS = ("fixes", "queue", "fence", "resets", "speed", "detectors", "testing")

# Where files that the series adds live in this repository.
KERNEL_DIRS = ("drivers", "include", "Documentation", "tools/testing")

# A commit of make tree that opens a part; it changes nothing.
MARK = re.compile(r"part ([a-z]+)")


class Patch:
    """One mail: its diff, its message, and the files that it adds."""

    def __init__(self, path, part):
        self.path, self.part = Path(path), part
        self.slug = re.sub(r"^\d{4}-", "", self.path.stem)
        self.name = f"{part}/{self.path.name}"
        raw = self.path.read_bytes()
        if raw.startswith(b"From "):
            raw = raw.split(b"\n", 1)[1]
        head = email.parser.BytesHeaderParser(policy=email.policy.compat32).parsebytes(raw)
        self.adds = [a.strip() for a in head.get_all("X-Adds", [])]
        self.before = " ".join((head.get("X-Before") or "").split())
        self.instead = (head.get("X-Instead-Of") or "").strip()
        self.own = False            # of one base only
        self.common = self          # what this is instead of
        with tempfile.TemporaryDirectory(prefix="atc-patch.") as tmp:
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

    def changes(self):
        """What the diff does, without where it does it."""
        return [ln for ln in self.diff.splitlines() if ln.startswith((b"diff --git ", b"+", b"-"))]

    def fingerprint(self):
        return hashlib.sha256(b"\n".join(self.changes())).hexdigest()[:12]


# -- reading ------------------------------------------------------------------

def common(folder=None):
    """The patches of every base, in their order."""
    patches = []
    for part in PARTS:
        numbers = {}
        for path in sorted((Path(folder or SERIES) / part).glob("[0-9][0-9][0-9][0-9]-*.patch")):
            number = path.name[:4]
            if number in numbers:
                raise SeriesError(f"{part}: {path.name} and {numbers[number]} have the same number")
            numbers[number] = path.name
            patches.append(Patch(path, part))
    return patches


def of_base(base, folder=None):
    """What one base has in place of common patches, or besides them."""
    return [Patch(path, part) for part in PARTS
            for path in sorted((Path(folder or SERIES) / part / base).glob("*.patch"))]


def insert(patches, own):
    """Put one patch of a base in its place; says why that cannot be done, or nothing."""
    own.own = True
    if own.instead:
        at = next((n for n, p in enumerate(patches) if (p.part, p.slug) == (own.part, own.slug)), None)
        if at is None:
            return f"is instead of {own.part}/NNNN-{own.slug}.patch, which does not exist"
        if own.instead != patches[at].fingerprint():
            return f"is instead of {patches[at].name}, which was edited since"
        own.common, own.adds, own.message = patches[at], patches[at].adds, patches[at].message
        patches[at] = own
        return ""
    before = [n for n, p in enumerate(patches) if p.part == own.part and p.subject == own.before]
    if own.before and not before:
        return f"goes before '{own.before}': no patch of this part is called that"
    last = max((n for n, p in enumerate(patches) if PARTS.index(p.part) <= PARTS.index(own.part)), default=-1)
    patches.insert(before[0] if before else last + 1, own)
    return ""


def read(base, folder=None):
    """The patches of `base`: the common ones, and its own."""
    patches = common(folder)
    for own in of_base(base, folder) if base != bases.DEFAULT else ():
        why = insert(patches, own)
        if why:
            raise SeriesError(f"{own.part}/{base}/{own.path.name} {why}; make tree BASE={base} helps")
    subjects = [p.subject for p in patches]
    twice = next((s for s in subjects if subjects.count(s) > 1), None)
    if twice:
        raise SeriesError(f"two patches are called '{twice}'")
    return patches


def check_claims(patches, top=None):
    """No file is added twice, and each that is added is in the repository."""
    claimed = {}
    for patch in patches:
        for path in patch.adds:
            if path in claimed:
                raise SeriesError(f"{path} is added by {claimed[path]} and by {patch.name}")
            claimed[path] = patch.name
            if not ((top or TOP) / path).is_file():
                raise SeriesError(f"{patch.name} adds {path}, which is not in the repository")
        if patch.own and patch.adds and not patch.instead:
            raise SeriesError(f"{patch.name} is for one base only and adds {patch.adds[0]}")


def key(start, patches, top=None, sob=None):
    """Hash of all that an assembled series depends on."""
    digest = hashlib.sha256(f"{start} {sob} {DATE} {AUTHOR}".encode())
    for patch in patches:
        for text in (patch.name.encode(), patch.message, patch.diff, patch.common.diff):
            digest.update(b"%d\0" % len(text) + text)
        for path in patch.adds:
            full = (top or TOP) / path
            digest.update(path.encode() + b"\0%o\0" % (full.stat().st_mode & 0o100) + full.read_bytes())
    return digest.hexdigest()


# -- commits ------------------------------------------------------------------

def entry(git, path, top=None):
    """(mode, blob) of a file as the repository has it."""
    full = (top or TOP) / path
    blob = git("hash-object", "-w", "--no-filters", "--stdin", data=full.read_bytes()).stdout.decode().strip()
    return "100755" if full.stat().st_mode & 0o100 else "100644", blob


def first_states(repo, patches, top=None):
    """{path: (mode, blob)} of each added file, as the patch that adds it has it."""
    found, diffs = {}, [p.common for p in patches if not p.own or p.instead]
    with repo.index() as git:
        for n, patch in enumerate(diffs):
            for path in patch.adds:
                mode, blob = entry(git, path, top)
                git("update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}")
                for later in (p for p in reversed(diffs[n + 1:]) if path in p.touched()):
                    proc = git("apply", "--cached", "-R", "--whitespace=nowarn", f"--include={path}", "-",
                               data=later.diff, check=False)
                    if proc.returncode:
                        raise SeriesError(f"{path} is edited where {later.name} changes it: "
                                          "make that edit in make tree")
                found[path] = (mode, git("rev-parse", f":{path}").stdout.decode().strip())
    return found


def apply(git, patch, exact=True):
    """Apply a diff to the index of `git`; what git says if it does not fit.

    Not `exact`: a common patch on another base, where lines around it may differ.
    """
    if not patch.diff:
        return None
    return git("apply", "--cached", "--whitespace=nowarn", *([] if exact else ["-C1"]), "-",
               data=patch.diff, check=False)


def commit(repo, git, base, patch, parent, states, sob=None):
    """The commit of one patch on `parent`, which the index of `git` holds."""
    proc = apply(git, patch, exact=base == bases.DEFAULT)
    if proc and proc.returncode:
        err = proc.stderr.decode(errors="replace").strip().replace("\n", "; ")
        raise SeriesError(f"{patch.name} does not apply to {base}: {err}"
                          + ("" if base == bases.DEFAULT else f"; make tree BASE={base} helps"))
    for path in patch.adds:
        if repo.git("cat-file", "-e", f"{R_BASE}:{path}", check=False).returncode == 0:
            raise SeriesError(f"{patch.name} adds {path}, which {base} already has")
        git("update-index", "--add", "--cacheinfo", ",".join([*states[path], path]))
    tree = git("write-tree").stdout.decode().strip()
    message = patch.message
    if sob:
        message = repo.git("interpret-trailers", "--if-exists=addIfDifferent", "--trailer",
                           f"Signed-off-by: {sob[0]} <{sob[1]}>", data=message).stdout
    made = repo.commit(tree, parent, message, sob)
    new = [n for n in repo.names("diff-tree", "-r", "--no-renames", "--name-only",
                                 "--diff-filter=A", parent, made) if n not in patch.adds]
    if new:
        raise SeriesError(f"{patch.name} creates {new[0]} by its diff: a new file stands in "
                          "the repository and is named by an X-Adds: line")
    return made


def mark(repo, part, parent):
    """The commit of make tree that opens a part."""
    return repo.commit(repo.out("rev-parse", f"{parent}^{{tree}}"), parent, f"part {part}\n".encode())


def assemble(repo, base, patches, top=None, sob=None, ref=R_SERIES, marks=False):
    """Commit every patch on top of refs/atc/base; returns the last commit.

    `marks`: with a commit that opens each part, for make tree.
    """
    start = repo.ref(R_BASE)
    check_claims(patches, top)
    want = f"{key(start, patches, top, sob)} {marks}"
    keyfile = repo.path / ".git" / ("atc-key-" + ref.replace("/", "-"))
    if keyfile.exists() and keyfile.read_text() == want and repo.ref(ref):
        return repo.ref(ref)
    head, part, states = start, "", first_states(repo, patches, top)
    with repo.index() as git:
        git("read-tree", start)
        for patch in patches:
            if marks and patch.part != part:
                part, head = patch.part, mark(repo, patch.part, head)
            head = commit(repo, git, base, patch, head, states, sob)
    repo.git("update-ref", ref, head)
    keyfile.write_text(want)
    return head


def own_kernel_files(top=None):
    """Files of this repository that stand at kernel paths."""
    top = top or TOP
    proc = run_git(top, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *KERNEL_DIRS)
    names = sorted({n for n in proc.stdout.decode().split("\0") if n})
    return [n for n in names if (top / n).exists()]
