"""Networks beside the rows: whole or not there, and within the limit of the folder."""

import os
import time

import pytest

from fishsk.store import cache_info, clear_cache, keep

SUBJECT = {"weights": "drawn:1", "precision": ["int8", "fishsk 1"]}


def write_network(folder, subject, content):
    assert keep(folder, subject, lambda: content) == content


def read_network(folder, subject):
    """Return what is kept, or None, in a folder that is left as it was."""
    files = {path: path.read_bytes() for path in folder.glob("networks/*")}
    content = keep(folder, subject, lambda: b"made")
    if content != b"made":
        return content
    for path in set(folder.glob("networks/*")) - files.keys():
        path.unlink()
    return None


def find_file(folder):
    (path,) = (folder / "networks").iterdir()
    return path


def test_a_network_comes_back_for_its_subject_alone(tmp_path):
    assert read_network(tmp_path, SUBJECT) is None
    write_network(tmp_path, SUBJECT, b"one\ntwo\n\n")
    assert read_network(tmp_path, SUBJECT) == b"one\ntwo\n\n"
    assert read_network(tmp_path, SUBJECT | {"weights": "drawn:2"}) is None


@pytest.mark.parametrize("place", [3, 40, -1])
def test_fault_05_a_flipped_bit_makes_it_anew(tmp_path, place, caplog):
    write_network(tmp_path, SUBJECT, bytes(100))
    path = find_file(tmp_path)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert keep(tmp_path, SUBJECT, lambda: b"anew") == b"anew"
    assert read_network(tmp_path, SUBJECT) == b"anew"
    assert "is corrupt and is discarded" in caplog.text


def test_fault_04_a_truncated_network_is_made_anew(tmp_path):
    write_network(tmp_path, SUBJECT, bytes(100))
    path = find_file(tmp_path)
    for length in (0, 10, len(path.read_bytes()) - 1):
        os.truncate(path, length)
        write_network(tmp_path, SUBJECT, bytes(100))
        assert read_network(tmp_path, SUBJECT) == bytes(100)


def test_fault_07_a_folder_that_cannot_be_written_is_a_warning(tmp_path, caplog):
    (tmp_path / "networks").symlink_to(tmp_path / "nowhere" / "at all")
    write_network(tmp_path, SUBJECT, b"network")
    assert read_network(tmp_path, SUBJECT) is None
    assert "cannot be written" in caplog.text


def test_fault_10_networks_of_another_user_are_refused(tmp_path, monkeypatch):
    write_network(tmp_path, SUBJECT, b"network")
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(PermissionError, match="must belong to user 12345"):
        read_network(tmp_path, SUBJECT)


def test_a_description_is_kept_beside_its_network(tmp_path):
    keep(tmp_path, SUBJECT, lambda: b"described", kind="description")
    write_network(tmp_path, SUBJECT, b"network")
    assert keep(tmp_path, SUBJECT, lambda: b"", kind="description") == b"described"
    assert cache_info(tmp_path)["n_networks"] == 1
    clear_cache(tmp_path)
    assert not list(tmp_path.iterdir())


def test_networks_count_are_cleared_and_the_least_recently_used_is_evicted(tmp_path, monkeypatch):
    write_network(tmp_path, SUBJECT, bytes(1000))
    os.utime(find_file(tmp_path), (time.time() - 100,) * 2)
    write_network(tmp_path, {"second": 2}, bytes(1000))
    assert cache_info(tmp_path)["n_networks"] == 2
    assert 2000 < cache_info(tmp_path)["n_bytes"] < 3000
    assert read_network(tmp_path, SUBJECT) is not None  # and is the last used now
    monkeypatch.setenv("FISHSK_CACHE_LIMIT", "2500")
    write_network(tmp_path, {"third": 3}, bytes(1000))
    assert read_network(tmp_path, {"second": 2}) is None
    assert read_network(tmp_path, SUBJECT) is not None
    assert 2000 < clear_cache(tmp_path) < 3000
    assert cache_info(tmp_path)["n_bytes"] == cache_info(tmp_path)["n_networks"] == 0
    assert not (tmp_path / "networks").exists()
