"""Stores that a process keeps open, and rows that are written behind the caller."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from test_store import N_FEATURES, SETTINGS, holds, make_keys, make_rows, shard_paths, write
from test_store_faults import flip, logged

from fishsk.store import FeatureStore, _kept, _shards, _store, cache_info, clear_cache, open_store

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture(autouse=True)
def nothing_kept():
    """Let each test begin with no store open, and leave none."""
    yield
    _kept.flush()
    _kept._kept.clear()


@pytest.fixture
def kept(tmp_path):
    return open_store(tmp_path, SETTINGS, N_FEATURES)


@pytest.fixture
def slow_disk(monkeypatch):
    """Hold back every write of the thread until the event is set."""
    may_write = threading.Event()
    write = FeatureStore.write

    def wait_and_write(*args):
        may_write.wait(10)
        write(*args)

    monkeypatch.setattr(FeatureStore, "write", wait_and_write)
    yield may_write
    may_write.set()
    _kept.flush()


def write_behind(kept, indices):
    kept.write_behind(make_keys(indices), make_rows(indices))


def kept_holds(kept, indices):
    rows, found = kept.read(make_keys(indices))
    np.testing.assert_array_equal(rows[found], make_rows(indices)[found])
    return found


def open_again(tmp_path):
    return open_store(tmp_path, SETTINGS, N_FEATURES)


def test_an_index_is_read_once(tmp_path, kept, monkeypatch):
    kept.write(make_keys([0]), make_rows([0]))
    assert kept_holds(kept, [0]).all()
    monkeypatch.setattr(_store, "Shard", None)
    assert kept_holds(open_again(tmp_path), [0]).all()


def test_shards_of_other_processes_are_seen(tmp_path, kept):
    assert not kept_holds(kept, [0]).any()
    write(FeatureStore(tmp_path, SETTINGS, N_FEATURES), [0])
    assert kept_holds(open_again(tmp_path), [0]).all()


def test_a_corrupt_row_of_a_kept_store_is_found(tmp_path, kept, caplog):
    kept.write(make_keys([0, 1]), make_rows([0, 1]))
    assert kept_holds(kept, [0, 1]).all()
    (path,) = shard_paths(tmp_path)
    content = flip(path.read_bytes(), 8 * path.stat().st_size - 1)
    with open(path, "r+b") as file:
        file.write(content)
    assert kept_holds(open_again(tmp_path), [0, 1]).sum() == 1
    assert "corrupt" in logged(caplog)[0]


def test_a_kept_store_outlives_its_folder(tmp_path, kept):
    kept.write(make_keys([0]), make_rows([0]))
    shutil.rmtree(tmp_path)
    assert not kept_holds(open_again(tmp_path), [0]).any()
    kept.write(make_keys([0]), make_rows([0]))
    assert kept_holds(open_again(tmp_path), [0]).all()


def test_the_limit_of_now_holds(tmp_path, kept, monkeypatch):
    monkeypatch.setenv("FISHSK_CACHE_LIMIT", "100")
    open_again(tmp_path).write(make_keys(range(9)), make_rows(range(9)))
    assert not kept_holds(kept, range(9)).any()


def test_a_relative_folder_is_that_of_the_working_directory(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        open_store("cache", SETTINGS, N_FEATURES).write(make_keys([0]), make_rows([0]))
    assert len(shard_paths(tmp_path)) == 2


@pytest.mark.skipif(os.name == "nt", reason="POSIX owners")
def test_fault_10_a_kept_store_refuses_a_folder_that_has_become_foreign(tmp_path, kept, monkeypatch):
    kept.write(make_keys([0]), make_rows([0]))
    uid = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    with pytest.raises(PermissionError, match=f"must belong to user {uid}"):
        open_again(tmp_path)


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="needs /proc")
def test_a_kept_store_holds_no_file(tmp_path, kept):
    kept.write(make_keys(range(5)), make_rows(range(5)))
    assert kept_holds(kept, range(5)).all()
    with open("/proc/self/maps") as file:
        assert _shards.SUFFIX not in file.read()


def test_few_stores_are_kept(tmp_path):
    for number in range(3 * _kept._MAX_STORES):
        open_store(tmp_path, {"number": number}, N_FEATURES)
    assert len(_kept._kept) == _kept._MAX_STORES


def test_large_indexes_are_not_kept(tmp_path, kept, monkeypatch):
    monkeypatch.setattr(_kept, "_MAX_INDEX_BYTES", 100)
    kept.write(make_keys(range(2)), make_rows(range(2)))
    kept_holds(kept, range(2))
    assert len(_kept._kept) == 1
    kept.write(make_keys(range(2, 9)), make_rows(range(2, 9)))
    kept_holds(kept, range(9))
    assert _kept._kept == {}


def test_what_was_merged_is_forgotten(kept):
    for number in range(4 * _store._MAX_SHARDS):
        kept.write(make_keys([number]), make_rows([number]))
    assert len(kept.store._ignored) <= _store._MAX_SHARDS


def test_threads_share_a_kept_store(tmp_path):
    def work(i):
        kept = open_again(tmp_path)
        write_behind(kept, [i])
        kept.write(make_keys([1000 + i]), make_rows([1000 + i]))
        return kept_holds(kept, [i, 1000 + i]).all()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(60)))
    _kept.flush()
    asked = [*range(60), *range(1000, 1060)]
    assert holds(FeatureStore(tmp_path, SETTINGS, N_FEATURES), asked).all()


def test_rows_are_known_before_they_are_on_disk(tmp_path, kept, slow_disk):
    write_behind(kept, [0])
    assert kept_holds(open_again(tmp_path), [1, 0]).tolist() == [False, True]
    assert not holds(FeatureStore(tmp_path, SETTINGS, N_FEATURES), [0]).any()
    slow_disk.set()
    _kept.flush()
    assert holds(FeatureStore(tmp_path, SETTINGS, N_FEATURES), [0]).all()


def test_rows_that_come_meanwhile_are_written_together(tmp_path, kept, slow_disk):
    for number in range(20):
        write_behind(kept, [number])
    slow_disk.set()
    _kept.flush()
    assert len(shard_paths(tmp_path)) <= 2
    assert kept_holds(kept, range(20)).all()


def test_rows_written_behind_are_the_caller_s_no_more(kept, slow_disk):
    rows = make_rows([0])
    kept.write_behind(make_keys([0]), rows)
    rows[:] = 0
    assert kept_holds(kept, [0]).all()


def test_looking_after_the_cache_waits_for_rows(tmp_path, kept):
    write_behind(kept, [0])
    assert cache_info(tmp_path)["n_rows"] == 1
    write_behind(kept, [1])
    clear_cache(tmp_path)
    assert not kept_holds(kept, [0, 1]).any()


def test_a_thread_that_cannot_start_leaves_the_work_to_its_caller(tmp_path, kept, monkeypatch):
    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    write_behind(kept, [0])
    assert holds(FeatureStore(tmp_path, SETTINGS, N_FEATURES), [0]).all()


WRITER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from test_store import N_FEATURES, SETTINGS, make_keys, make_rows
from fishsk.store import open_store

open_store(sys.argv[2], SETTINGS, N_FEATURES).write_behind(make_keys([0]), make_rows([0]))
"""


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise ValueError"])
def test_fault_51_a_process_that_ends_has_written_its_rows(tmp_path, end):
    command = [sys.executable, "-c", WRITER + end, os.path.dirname(__file__), str(tmp_path)]
    subprocess.run(command, stderr=subprocess.DEVNULL, check=False)
    assert holds(FeatureStore(tmp_path, SETTINGS, N_FEATURES), [0]).all()


def test_fault_51_a_process_that_is_killed_leaves_a_cache_that_is_whole(tmp_path):
    kill = f"os.kill(os.getpid(), {int(signal.SIGTERM)})"
    command = [sys.executable, "-c", WRITER + kill, os.path.dirname(__file__), str(tmp_path)]
    for _ in range(5):
        subprocess.run(command, check=False)
    store = FeatureStore(tmp_path, SETTINGS, N_FEATURES)
    holds(store, [0])
    write(store, [0])
    assert holds(store, [0]).all()
    assert not list(tmp_path.rglob("*.tmp"))


@needs_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_fault_52_a_fork_while_rows_are_written(tmp_path, kept, slow_disk):
    write_behind(kept, [0])
    with _kept._lock:  # as another thread may hold it
        pid = os.fork()
    if pid == 0:
        try:
            slow_disk.set()
            write_behind(open_again(tmp_path), [1])
            _kept.flush()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    slow_disk.set()
    _kept.flush()
    assert kept_holds(kept, [0, 1]).all()
