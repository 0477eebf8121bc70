"""Downloads: whole and verified or not at all."""

import hashlib
import http.server
import threading

import pytest

from fishsk._utils import downloads
from fishsk._utils.downloads import download

CONTENT = bytes(range(256)) * 4096
KNOWN = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


class Handler(http.server.BaseHTTPRequestHandler):
    """Serve the content; cut the first answers short."""

    def do_GET(self):
        self.server.n_requests += 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: self.server.cuts.pop(0) if self.server.cuts else None])

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.n_requests, server.cuts = 0, []
    server.url = f"http://127.0.0.1:{server.server_port}/weights.h5"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("known_hash", [KNOWN, None])
def test_fault_37_a_cut_download_starts_again(server, tmp_path, known_hash):
    server.cuts = [300_000]
    path = download(server.url, tmp_path, known_hash=known_hash, name="fish.h5")
    assert path.read_bytes() == CONTENT
    assert server.n_requests == 2
    assert [each.name for each in tmp_path.iterdir()] == ["fish.h5"]


@pytest.mark.parametrize("known_hash", [KNOWN, None])
def test_fault_37_what_stays_cut_leaves_nothing(server, tmp_path, known_hash):
    server.cuts = [300_000, 200_000]
    with pytest.raises(OSError, match="broken"):
        download(server.url, tmp_path, known_hash=known_hash, retries=1)
    assert list(tmp_path.iterdir()) == []


def test_two_threads_download_a_file_once(server, tmp_path):
    threads = [
        threading.Thread(target=download, args=(server.url, tmp_path), kwargs={"known_hash": KNOWN})
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.n_requests == 1


def test_the_bar_learns_the_length_from_the_server_and_ends_full(server, tmp_path, monkeypatch):
    bars = []

    class Bar(downloads._Bar):
        def close(self):
            bars.append(self._progress.tasks[0])

    monkeypatch.setattr(downloads, "_Bar", Bar)
    server.cuts = [300_000]
    download(server.url, tmp_path, known_hash=KNOWN)
    assert (bars[-1].total, bars[-1].completed) == (len(CONTENT), len(CONTENT))
