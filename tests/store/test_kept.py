"""Stores that a process keeps open, and the rows of a burst, which are written together."""

import os
import shutil
import signal
import subprocess
import sys
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
    _kept.flush()  # of other tests, before anything is patched
    _kept._kept.clear()
    yield
    _kept._kept.clear()


@pytest.fixture
def kept(tmp_path):
    return open_store(tmp_path, SETTINGS, N_FEATURES)


@pytest.fixture
def burst(kept, monkeypatch):
    """Begin a burst that does not end: a row of it is written, those that follow wait."""
    monkeypatch.setattr(_kept, "_BURST_SECONDS", 3600)
    write_few(kept, [100])


def write_few(kept, indices):
    kept.write_few(make_keys(indices), make_rows(indices))


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
        write_few(kept, [i])
        kept.write(make_keys([1000 + i]), make_rows([1000 + i]))
        return kept_holds(kept, [i, 1000 + i]).all()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(60)))
    _kept.flush()
    asked = [*range(60), *range(1000, 1060)]
    assert holds(FeatureStore(tmp_path, SETTINGS, N_FEATURES), asked).all()


def test_a_row_alone_is_written_at_once(tmp_path, kept):
    write_few(kept, [0])
    assert holds(FeatureStore(tmp_path, SETTINGS, N_FEATURES), [0]).all()


def test_rows_of_a_burst_are_known_before_they_are_on_disk(tmp_path, kept, burst):
    write_few(kept, [0])
    assert kept_holds(open_again(tmp_path), [1, 0]).tolist() == [False, True]
    assert not holds(FeatureStore(tmp_path, SETTINGS, N_FEATURES), [0]).any()


def test_the_first_call_after_a_second_writes_what_waits(tmp_path, kept, burst, monkeypatch):
    for number in range(20):
        write_few(kept, [number])
    monkeypatch.setattr(_kept, "_BURST_SECONDS", 0)
    write_few(kept, [20])
    assert len(shard_paths(tmp_path)) == 2
    assert holds(FeatureStore(tmp_path, SETTINGS, N_FEATURES), range(21)).all()


def test_what_waits_is_little(tmp_path, kept, burst, monkeypatch):
    monkeypatch.setattr(_kept, "_MAX_WAITING_BYTES", 3 * 4 * N_FEATURES)
    for number in range(3):
        write_few(kept, [number])
    assert holds(FeatureStore(tmp_path, SETTINGS, N_FEATURES), range(3)).all()


def test_rows_that_wait_are_the_caller_s_no_more(kept, burst):
    rows = make_rows([0])
    kept.write_few(make_keys([0]), rows)
    rows[:] = 0
    assert kept_holds(kept, [0]).all()


def test_a_store_that_is_forgotten_writes_what_waits(tmp_path, kept, burst):
    write_few(kept, [0])
    for number in range(_kept._MAX_STORES):
        open_store(tmp_path, {"number": number}, N_FEATURES)
    assert holds(FeatureStore(tmp_path, SETTINGS, N_FEATURES), [0]).all()
    write_few(kept, [1])  # by a thread that still has it
    assert holds(FeatureStore(tmp_path, SETTINGS, N_FEATURES), [1]).all()


def test_looking_after_the_cache_counts_what_waits(tmp_path, kept, burst):
    write_few(kept, [0])
    assert cache_info(tmp_path)["n_rows"] == 2
    write_few(kept, [1])
    clear_cache(tmp_path)
    assert not kept_holds(kept, [0, 1]).any()


def test_a_folder_that_was_removed_does_not_come_back_at_the_end(tmp_path, kept, burst):
    write_few(kept, [0])
    shutil.rmtree(tmp_path)
    _kept.flush()
    assert not tmp_path.exists()


WRITER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from test_store import N_FEATURES, SETTINGS, make_keys, make_rows
from fishsk.store import _kept, open_store

_kept._BURST_SECONDS = 3600
store = open_store(sys.argv[2], SETTINGS, N_FEATURES)
for i in range(3):
    store.write_few(make_keys([i]), make_rows([i]))
"""


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "raise ValueError"])
def test_fault_51_a_process_that_ends_has_written_its_rows(tmp_path, end):
    command = [sys.executable, "-c", WRITER + end, os.path.dirname(__file__), str(tmp_path)]
    subprocess.run(command, stderr=subprocess.DEVNULL, check=False)
    assert holds(FeatureStore(tmp_path, SETTINGS, N_FEATURES), range(3)).all()


def test_fault_51_a_process_that_is_killed_loses_a_second_at_most(tmp_path):
    kill = f"os.kill(os.getpid(), {int(signal.SIGTERM)})"
    command = [sys.executable, "-c", WRITER + kill, os.path.dirname(__file__), str(tmp_path)]
    subprocess.run(command, check=False)
    store = FeatureStore(tmp_path, SETTINGS, N_FEATURES)
    assert holds(store, range(3)).tolist() == [True, False, False]


@needs_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_fault_52_a_fork_while_rows_wait_and_a_thread_holds_the_lock(tmp_path, kept, burst):
    write_few(kept, [0])
    with _kept._lock:
        pid = os.fork()
    if pid == 0:
        try:
            write_few(open_again(tmp_path), [1])
            _kept.flush()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert holds(FeatureStore(tmp_path, SETTINGS, N_FEATURES), [0, 1]).tolist() == [False, True]
    _kept.flush()
    assert kept_holds(kept, [0, 1]).all()
