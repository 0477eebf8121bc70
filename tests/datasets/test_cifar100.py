"""The five fish classes of CIFAR-100: layouts, cache, downloads."""

import hashlib
import io
import socket
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from fishsk._utils.downloads import TIMEOUT
from fishsk.datasets import _cifar100, fetch_cifar100_fish
from fishsk.datasets._cifar100 import fetch_fish

COARSE = {1: 1, 32: 1, 67: 1, 73: 1, 91: 1, 3: 8, 80: 16}  # of the fine labels used here
NAMES = ["aquarium_fish", "flatfish", "ray", "shark", "trout"]


def make_records(n_rounds, seed=0):
    """Return records in CIFAR-100's binary layout, each of a few fine labels in turn."""
    fine = np.array(list(COARSE) * n_rounds, dtype=np.uint8)
    coarse = np.array([COARSE[label] for label in fine], dtype=np.uint8)
    pixels = np.random.default_rng(seed).integers(256, size=(len(fine), 3072), dtype=np.uint8)
    return np.column_stack([coarse, fine, pixels])


def write_folder(home, train=None, test=None):
    folder = home / "cifar-100-binary"
    folder.mkdir(parents=True)
    (folder / "train.bin").write_bytes((make_records(4) if train is None else train).tobytes())
    (folder / "test.bin").write_bytes((make_records(2, seed=1) if test is None else test).tobytes())
    return folder


def make_archive(members=()):
    """Return the bytes of an archive of the two files, with other members before them."""
    buffer = io.BytesIO()
    files = [("train", make_records(4)), ("test", make_records(2, seed=1))]
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
        for part, records in files:
            member = tarfile.TarInfo(f"cifar-100-binary/{part}.bin")
            member.size = records.nbytes
            archive.addfile(member, io.BytesIO(records.tobytes()))
    return buffer.getvalue()


def use_digest_of(content, monkeypatch):
    monkeypatch.setattr(_cifar100, "_MD5", hashlib.md5(content).hexdigest())


@pytest.fixture
def archive(monkeypatch):
    """Return the bytes of an archive that passes for the official one."""
    content = make_archive()
    use_digest_of(content, monkeypatch)
    return content


@pytest.fixture
def serve(monkeypatch):
    """Return a function that starts a server; the n-th request gets the n-th, or the last, answer."""
    released = threading.Event()
    servers = []

    def start(*answers):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.n_requests += 1
                self.wait = released.wait
                answers[min(server.n_requests, len(answers)) - 1](self)

            def log_message(self, *args):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.n_requests = 0
        servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        monkeypatch.setattr(_cifar100, "_BASE_URL", f"http://127.0.0.1:{server.server_port}/")
        return server

    yield start
    released.set()
    for server in servers:
        server.shutdown()
        server.server_close()


def answer(content, length=None):
    """Return an answer of these bytes, announced as `length` bytes."""

    def respond(request):
        request.send_response(200)
        request.send_header("Content-Length", str(length or len(content)))
        request.end_headers()
        request.wfile.write(content)

    return respond


def test_an_unpacked_folder_is_used_as_it_is(tmp_path):
    records = make_records(4)
    folder = write_folder(tmp_path, train=records)
    fish = fetch_cifar100_fish(data_home=tmp_path)
    assert fish.images.shape == (20, 32, 32, 3)
    assert fish.images.dtype == np.uint8
    assert fish.target.dtype == np.int64
    np.testing.assert_array_equal(fish.target, [0, 1, 2, 3, 4] * 4)
    assert fish.target_names == NAMES
    assert fish.source == str(folder)
    assert "Krizhevsky" in fish.DESCR
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["cifar-100-binary", "test.bin", "train.bin"]


def test_pixels_are_three_planes_of_rows(tmp_path):
    records = make_records(1)
    write_folder(tmp_path, train=records)
    image = fetch_cifar100_fish(data_home=tmp_path).images[0]
    assert image[0, 1].tolist() == [records[0, 2 + 1], records[0, 2 + 1024 + 1], records[0, 2 + 2048 + 1]]
    assert image[1, 0, 0] == records[0, 2 + 32]


def test_all_is_train_followed_by_test(tmp_path):
    write_folder(tmp_path)
    parts = [fetch_cifar100_fish(subset=s, data_home=tmp_path, return_X_y=True) for s in ("train", "test")]
    X, y = fetch_cifar100_fish(subset="all", data_home=str(tmp_path), return_X_y=True)
    np.testing.assert_array_equal(X, np.concatenate([part[0] for part in parts]))
    np.testing.assert_array_equal(y, np.concatenate([part[1] for part in parts]))


def test_the_environment_names_the_default_folder(tmp_path, monkeypatch):
    write_folder(tmp_path)
    monkeypatch.setenv("FISHSK_DATA", str(tmp_path))
    assert len(fetch_cifar100_fish().images) == 20


def test_without_environment_the_users_cache_is_the_default_folder(tmp_path, monkeypatch):
    import platformdirs

    write_folder(tmp_path / "data")
    monkeypatch.delenv("FISHSK_DATA")
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *args, **kwargs: tmp_path)
    assert len(fetch_cifar100_fish().images) == 20


def test_an_unknown_subset_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"subset must be one of .*'both'"):
        fetch_cifar100_fish(subset="both", data_home=tmp_path)


@pytest.mark.parametrize(
    ("row", "column", "value", "message"),
    [
        (0, 0, 20, r"Got \[32, 67, 73, 91\]"),
        (3, 1, 100, r"Got \[1, 32, 67, 91, 100\]"),
        (5, 0, 1, r"Got \[1, 3, 32, 67, 73, 91\]"),
    ],
)
def test_wrong_labels_are_refused(tmp_path, row, column, value, message):
    records = make_records(1)
    records[row, column] = value
    write_folder(tmp_path, train=records)
    with pytest.raises(ValueError, match=message):
        fetch_cifar100_fish(data_home=tmp_path)


def test_a_missing_class_is_refused(tmp_path):
    records = make_records(2)
    write_folder(tmp_path, train=records[records[:, 1] != 91])
    with pytest.raises(ValueError, match=r"must hold images of .*Got \[1, 32, 67, 73\]"):
        fetch_cifar100_fish(data_home=tmp_path)


def test_a_cut_file_is_refused(tmp_path):
    write_folder(tmp_path, train=make_records(2).reshape(-1)[:-100])
    with pytest.raises(ValueError, match=r"train.bin.*whole records of 3074 bytes. Got 2974"):
        fetch_cifar100_fish(data_home=tmp_path)


def test_a_missing_file_is_named(tmp_path):
    (write_folder(tmp_path) / "test.bin").unlink()
    assert len(fetch_cifar100_fish(data_home=tmp_path).images) == 20
    with pytest.raises(FileNotFoundError, match=r"test\.bin"):
        fetch_cifar100_fish(subset="test", data_home=tmp_path)


def test_missing_data_are_not_downloaded_against_ones_will(tmp_path, serve, archive):
    server = serve(answer(archive))
    with pytest.raises(OSError, match=r"Data not found and `download_if_missing` is False.*FISHSK_DATA"):
        fetch_cifar100_fish(data_home=tmp_path, download_if_missing=False)
    assert server.n_requests == 0


def test_a_download_leaves_a_small_cache_and_nothing_else(tmp_path, serve, archive):
    server = serve(answer(archive))
    fish = fetch_cifar100_fish(subset="all", data_home=tmp_path / "new" / "home")
    assert fish.source == f"{_cifar100._BASE_URL}cifar-100-binary.tar.gz"
    found = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")]
    assert sorted(found) == ["new/home/cifar-100-fish/test.bin", "new/home/cifar-100-fish/train.bin"]
    again = fetch_cifar100_fish(subset="all", data_home=tmp_path / "new" / "home")
    np.testing.assert_array_equal(again.images, fish.images)
    np.testing.assert_array_equal(again.target, fish.target)
    assert again.source == str(tmp_path / "new" / "home" / "cifar-100-fish")
    assert server.n_requests == 1


def test_download_and_folder_give_the_same_images(tmp_path, serve, archive):
    serve(answer(archive))
    write_folder(tmp_path / "unpacked")
    for subset in ("train", "test"):
        downloaded = fetch_cifar100_fish(subset=subset, data_home=tmp_path)
        unpacked = fetch_cifar100_fish(subset=subset, data_home=tmp_path / "unpacked")
        np.testing.assert_array_equal(downloaded.images, unpacked.images)
        np.testing.assert_array_equal(downloaded.target, unpacked.target)


def test_an_archive_put_there_by_hand_is_used_and_kept(tmp_path, archive):
    path = tmp_path / "cifar-100-binary.tar.gz"
    path.write_bytes(archive)
    fish = fetch_cifar100_fish(data_home=tmp_path, download_if_missing=False)
    assert len(fish.images) == 20
    assert fish.source == str(path)
    assert path.read_bytes() == archive
    assert fetch_cifar100_fish(data_home=tmp_path).source == str(tmp_path / "cifar-100-fish")


def test_a_foreign_archive_put_there_by_hand_is_not_used(tmp_path, archive):
    (tmp_path / "cifar-100-binary.tar.gz").write_bytes(archive[:-1])
    with (
        pytest.warns(UserWarning, match="is not the official archive"),
        pytest.raises(OSError, match="Data not found"),
    ):
        fetch_cifar100_fish(data_home=tmp_path, download_if_missing=False)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_cache_is_made_anew_with_one_warning(tmp_path, archive, damage):
    (tmp_path / "cifar-100-binary.tar.gz").write_bytes(archive)
    whole = fetch_cifar100_fish(subset="all", data_home=tmp_path)
    for path in (tmp_path / "cifar-100-fish").iterdir():
        content = bytearray(path.read_bytes())
        content[5000] ^= 4
        path.write_bytes({"flip": content, "cut": content[:-3074], "empty": b""}[damage])
    with pytest.warns(UserWarning, match="damaged and made anew") as caught:
        fixed = fetch_cifar100_fish(subset="all", data_home=tmp_path)
    assert len(caught) == 1
    np.testing.assert_array_equal(fixed.images, whole.images)
    assert fetch_cifar100_fish(data_home=tmp_path).source == str(tmp_path / "cifar-100-fish")


def test_a_cache_that_cannot_be_written_costs_a_warning_only(tmp_path, archive, monkeypatch):
    def refuse(*args):
        raise OSError(28, "No space left on device")

    (tmp_path / "cifar-100-binary.tar.gz").write_bytes(archive)
    monkeypatch.setattr(_cifar100.os, "replace", refuse)
    with pytest.warns(UserWarning, match="could not be kept.*No space left"):
        fish = fetch_cifar100_fish(data_home=tmp_path)
    assert len(fish.images) == 20
    assert list((tmp_path / "cifar-100-fish").iterdir()) == []


def stall(request):
    request.wait(30)


def stall_in_the_middle(request):
    request.send_response(200)
    request.send_header("Content-Length", "1000000")
    request.end_headers()
    request.wfile.write(b"half")
    request.wfile.flush()
    request.wait(30)


@pytest.mark.parametrize("behavior", [stall, stall_in_the_middle])
def test_fault_36_a_stalled_server_is_given_up_and_help_is_offered(tmp_path, serve, behavior):
    server = serve(behavior)
    start = time.monotonic()
    with pytest.raises(OSError, match=r"timed out(.|\n)*FISHSK_DATA.*make_fish_images"):
        fetch_fish(data_home=tmp_path, timeout=0.4, retries=1)
    assert time.monotonic() - start < 5
    assert server.n_requests == 2
    assert list(tmp_path.iterdir()) == []


def test_fault_36_the_default_patience_is_less_than_10_seconds():
    assert TIMEOUT < 10


def test_fault_36_a_refused_connection_says_how_to_work_offline(tmp_path, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setattr(_cifar100, "_BASE_URL", f"http://127.0.0.1:{unused.getsockname()[1]}/")
        with pytest.raises(OSError, match=r"Could not download(.|\n)*To work offline, get http"):
            fetch_fish(data_home=tmp_path, retries=0)


def test_fault_36_a_server_that_trickles_is_given_up_at_the_limit(tmp_path, serve):
    def trickle(request):
        stall_after = time.monotonic() + 20
        request.send_response(200)
        request.send_header("Content-Length", "1000000000")
        request.end_headers()
        while time.monotonic() < stall_after and not request.wait(0.02):
            request.wfile.write(bytes(2**16))

    def trickle_until_hung_up(request):
        try:
            trickle(request)
        except OSError:
            request.close_connection = True

    serve(trickle_until_hung_up)
    start = time.monotonic()
    with pytest.raises(OSError, match="longer than it may"):
        fetch_fish(data_home=tmp_path, timeout=5, max_seconds=0.6)
    assert time.monotonic() - start < 5


def test_fault_37_a_cut_download_is_tried_again(tmp_path, serve, archive):
    server = serve(answer(archive[:5000], length=len(archive)), answer(archive))
    assert len(fetch_cifar100_fish(data_home=tmp_path).images) == 20
    assert server.n_requests == 2


def test_fault_37_a_cut_download_leaves_nothing_and_a_later_one_works(tmp_path, serve, archive):
    serve(answer(archive[:5000], length=len(archive)))
    with pytest.raises(OSError, match="Could not download"):
        fetch_fish(data_home=tmp_path, retries=0)
    assert list(tmp_path.iterdir()) == []
    serve(answer(archive))
    assert len(fetch_fish(data_home=tmp_path, retries=0).images) == 20


def test_fault_38_wrong_bytes_are_discarded(tmp_path, serve, archive):
    serve(answer(make_archive([(tarfile.TarInfo("note"), b"")])))
    with pytest.raises(OSError, match="hash"):
        fetch_fish(data_home=tmp_path, retries=0)
    assert list(tmp_path.iterdir()) == []


def test_fault_39_members_that_climb_out_are_ignored(tmp_path, monkeypatch):
    names = ["../escaped", "../cifar-100-binary/train.bin", str(tmp_path / "absolute"), "other/train.bin"]
    members = [(tarfile.TarInfo(name), b"") for name in names]
    content = make_archive(members)
    use_digest_of(content, monkeypatch)
    home = tmp_path / "home"
    home.mkdir()
    (home / "cifar-100-binary.tar.gz").write_bytes(content)
    assert len(fetch_cifar100_fish(data_home=home).images) == 20
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert [name for name in written if "cifar-100-fish" not in name] == [
        "home",
        "home/cifar-100-binary.tar.gz",
    ]


def test_fault_39_a_link_in_place_of_a_member_is_not_followed(tmp_path, monkeypatch):
    link = tarfile.TarInfo("cifar-100-binary/train.bin")
    link.type, link.linkname = tarfile.SYMTYPE, "../outside"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.addfile(link)
    use_digest_of(buffer.getvalue(), monkeypatch)
    (tmp_path / "outside").write_bytes(make_records(2).tobytes())
    (tmp_path / "cifar-100-binary.tar.gz").write_bytes(buffer.getvalue())
    with pytest.raises(ValueError, match=r"must hold .*Got \[\] only"):
        fetch_cifar100_fish(data_home=tmp_path)


@pytest.mark.shared_data
def test_the_development_copy_has_400_and_100_images_a_class(shared_dir, monkeypatch):
    monkeypatch.setenv("FISHSK_DATA", str(shared_dir))
    for subset, count in (("train", 400), ("test", 100)):
        assert np.bincount(fetch_cifar100_fish(subset=subset).target).tolist() == [count] * 5


@pytest.mark.shared_data
def test_the_development_copy_looks_like_photographs_of_fish(shared_dir):
    images, target = fetch_cifar100_fish(subset="test", data_home=shared_dir, return_X_y=True)
    rows = images[:, :, :-1].ravel().astype(float), images[:, :, 1:].ravel().astype(float)
    assert np.corrcoef(*rows)[0, 1] > 0.9  # neighbors are alike: the planes are cut where they should be
    red_over_blue = [
        (images[target == k, ..., 0].mean() - images[target == k, ..., 2].mean()) for k in range(5)
    ]
    assert np.argmin(red_over_blue) == 3  # sharks swim in blue water
