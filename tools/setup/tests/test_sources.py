# SPDX-License-Identifier: GPL-2.0-or-later
"""Downloads against a local server: whole, resumed, broken, gone; unpacking."""
import hashlib
import http.server
import io
import json
import os
import subprocess
import tarfile
import tempfile
import threading
import unittest
from pathlib import Path

from tools.setup import progress, sources as S

BODY = bytes(range(256)) * 4000


class Server(http.server.BaseHTTPRequestHandler):
    """Serves BODY; the class attributes say how badly."""
    ranges, cut, seen = True, 0, []

    def do_GET(self):                                          # noqa: N802
        wanted = self.headers.get("Range")
        Server.seen.append(wanted)
        if self.path != "/file.tar.xz":
            self.send_error(404)
            return
        start = int(wanted[6:-1]) if wanted and Server.ranges else 0
        self.send_response(206 if start else 200)
        body = BODY[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if Server.cut:
            body, Server.cut = body[:Server.cut], 0
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Quiet:
    """Stands in for a progress.Step."""
    percent = None
    note = ""

    def __init__(self):
        self.said = []

    def say(self, text):
        self.said.append(text)

    def run(self, cmd, **kw):
        return subprocess.run(cmd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode


class Fetch(unittest.TestCase):
    def setUp(self):
        for name in ("http_proxy", "HTTP_PROXY"):
            os.environ.pop(name, None)
        Server.ranges, Server.cut, Server.seen = True, 0, []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        tmp = tempfile.TemporaryDirectory(prefix="atc-test.")
        self.addCleanup(tmp.cleanup)
        self.dir = Path(tmp.name)
        self.step = Quiet()
        real = S.opener
        S.opener = lambda: S.urllib.request.build_opener(S.urllib.request.ProxyHandler({}))
        self.addCleanup(setattr, S, "opener", real)
        self.part = self.dir / "file.tar.xz.part"
        self.dest = self.dir / "file.tar.xz"

    def package(self, name="file.tar.xz", body=BODY):
        return S.Package("p", "1", f"http://127.0.0.1:{self.server.server_port}/{name}", name,
                         len(body), hashlib.sha256(body).hexdigest())

    def fetch(self, **kw):
        path = S.fetch(self.package(**kw), self.dir, self.step)
        self.assertEqual(path.read_bytes(), BODY)
        self.assertFalse(self.part.exists())

    def test_whole(self):
        self.fetch()
        self.assertEqual(self.step.said, [])

    def test_complete_file_asks_nothing(self):
        self.dest.write_bytes(BODY)
        self.fetch()
        self.assertEqual(Server.seen, [])

    def test_resumes(self):
        self.part.write_bytes(BODY[:1000])
        self.fetch()
        self.assertEqual(Server.seen, ["bytes=1000-"])

    def test_server_without_ranges(self):
        Server.ranges = False
        self.part.write_bytes(BODY[:1000])
        self.fetch()

    def test_connection_ends_early(self):
        Server.cut = 5000
        self.fetch()
        self.assertEqual(Server.seen, [None, "bytes=5000-"])

    def test_finished_part_is_taken(self):
        self.part.write_bytes(BODY)
        self.fetch()
        self.assertEqual(Server.seen, [])

    def test_broken_part(self):
        self.part.write_bytes(b"x" * 1000)
        self.fetch()
        self.assertEqual(len([s for s in self.step.said if "wrong SHA256" in s]), 1)

    def test_oversized_part(self):
        self.part.write_bytes(BODY + b"more")
        self.fetch()

    def test_truncated_in_the_cache(self):
        self.dest.write_bytes(BODY[:5000])
        self.fetch()
        self.assertEqual(len(self.step.said), 1)
        self.assertIn("wrong SHA256: thrown away, fetched again", self.step.said[0])

    def test_flipped_bit_in_the_cache(self):
        self.dest.write_bytes(b"X" + BODY[1:])
        self.fetch()
        self.assertIn("wrong SHA256", self.step.said[0])

    def test_never_right(self):
        package = self.package()._replace(sha256="0" * 64)
        with self.assertRaisesRegex(progress.StepError, "wrong SHA256"):
            S.fetch(package, self.dir, self.step)
        self.assertFalse(self.dest.exists())

    def test_gone(self):
        with self.assertRaisesRegex(progress.StepError, "404"):
            S.fetch(self.package(name="other"), self.dir, self.step)

    def test_no_network(self):
        package = self.package()._replace(uri="http://127.0.0.1:1/file.tar.xz")
        with self.assertRaisesRegex(progress.StepError, "cannot download file.tar.xz: .*refused.*KSRC="):
            S.fetch(package, self.dir, self.step)


class Other(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix="atc-test.")
        self.addCleanup(tmp.cleanup)
        self.dir = Path(tmp.name)

    def archive(self):
        path = self.dir / "a.tar.xz"
        with tarfile.open(path, "w:xz") as tar:
            for name in ("top/one", "top/sub/two"):
                info = tarfile.TarInfo(name)
                info.size = 3
                tar.addfile(info, io.BytesIO(b"abc"))
        return path

    def test_unpack(self):
        S.unpack(self.archive(), self.dir / "out", Quiet())
        self.assertEqual((self.dir / "out/sub/two").read_text(), "abc")

    def test_unpack_again_after_an_interruption(self):
        (self.dir / "out.part").mkdir()
        (self.dir / "out.part/stale").touch()
        step = Quiet()
        S.unpack(self.archive(), self.dir / "out", step)
        self.assertFalse((self.dir / "out/stale").exists())
        self.assertEqual(len(step.said), 1)

    def test_broken_archive_leaves_nothing(self):
        path = self.archive()
        path.write_bytes(path.read_bytes()[:50])
        with self.assertRaises(subprocess.CalledProcessError):
            S.unpack(path, self.dir / "out", Quiet())
        self.assertFalse((self.dir / "out").exists())

    def test_memory(self):
        package = S.Package("n", "7.2.1-1", "u", "f", 1, "0" * 64)
        path = self.dir / "dl/n.json"
        S.remember(path, package)
        self.assertEqual(S.recall(path, lambda v: True), package)
        self.assertIsNone(S.recall(path, lambda v: v.startswith("7.3")))
        path.write_text("{")
        self.assertIsNone(S.recall(path, lambda v: True))
        path.write_text(json.dumps({"name": "n"}))
        self.assertIsNone(S.recall(path, lambda v: True))

    def test_newest(self):
        self.assertEqual(S.newest(["7.2.9-1", "7.2.13-1~bpo13+1", "7.2.13-1"]), "7.2.13-1")


if __name__ == "__main__":
    unittest.main()
