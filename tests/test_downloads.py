"""Downloads: whole and verified or not at all, and never from the beginning where a part is there."""

import hashlib
import http.server
import subprocess
import sys
import threading

import pytest

from fishsk._utils import downloads
from fishsk._utils.downloads import download
from fishsk._utils.files import adopt

CONTENT = bytes(range(256)) * 4096
KNOWN = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


class Handler(http.server.BaseHTTPRequestHandler):
    """Serve the content from where it is asked for; cut the first answers short."""

    def do_GET(self):
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.server.starts.append(start)
        if start >= len(CONTENT) or (start and not self.server.knows_ranges):
            start, status = (0, 200) if start < len(CONTENT) else (0, 416)
        else:
            status = 206 if start else 200
        body = b"" if status == 416 else CONTENT[start:]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = self.server.cuts.pop(0) if self.server.cuts else len(body)
        self.wfile.write(body[:cut])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.starts, server.cuts, server.knows_ranges = [], [], True
    server.url = f"http://127.0.0.1:{server.server_port}/weights.h5"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def list_names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_fault_37_what_came_before_a_cut_is_not_asked_for_again(server, tmp_path):
    server.cuts = [300_000, 200_000]
    path = download(server.url, tmp_path, known_hash=KNOWN, name="fish.h5")
    assert path.read_bytes() == CONTENT
    assert len(server.starts) == 3
    assert 0 == server.starts[0] < server.starts[1] < server.starts[2] <= 500_000
    assert list_names(tmp_path) == ["fish.h5"]


def test_fault_37_another_process_goes_on_where_a_dead_one_was(server, tmp_path):
    program = (
        "import sys; from pathlib import Path; from fishsk._utils.downloads import download;"
        "download(sys.argv[1], Path(sys.argv[2]), known_hash=sys.argv[3], retries=0)"
    )
    server.cuts = [500_000]
    command = [sys.executable, "-c", program, server.url, str(tmp_path), KNOWN]
    assert subprocess.run(command, capture_output=True, check=False).returncode
    (part,) = list_names(tmp_path)
    assert part.startswith("weights.h5.")
    assert part.endswith(".part")
    assert download(server.url, tmp_path, known_hash=KNOWN).read_bytes() == CONTENT
    assert server.starts[1] > 0
    assert list_names(tmp_path) == ["weights.h5"]


def test_a_server_without_ranges_starts_again(server, tmp_path):
    server.cuts, server.knows_ranges = [300_000], False
    assert download(server.url, tmp_path, known_hash=KNOWN).read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * (len(CONTENT) + 1)])
def test_fault_38_a_part_of_something_else_is_thrown_away(server, tmp_path, left):
    adopt(tmp_path / "weights.h5").write_bytes(left)
    assert download(server.url, tmp_path, known_hash=KNOWN).read_bytes() == CONTENT
    assert len(server.starts) == 2


def test_without_a_hash_a_cut_download_starts_again(server, tmp_path):
    server.cuts = [300_000]
    assert download(server.url, tmp_path, known_hash=None).read_bytes() == CONTENT
    assert server.starts == [0, 0]


def test_two_threads_download_a_file_once(server, tmp_path):
    threads = [
        threading.Thread(target=download, args=(server.url, tmp_path), kwargs={"known_hash": KNOWN})
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.starts == [0]


def test_the_bar_learns_the_length_from_the_server(server, tmp_path, monkeypatch):
    seen = []

    class Bar(downloads.ProgressBar):
        def expect(self, total):
            seen.append(total)

    monkeypatch.setattr(downloads, "ProgressBar", Bar)
    download(server.url, tmp_path, known_hash=KNOWN)
    assert seen == [len(CONTENT)]
