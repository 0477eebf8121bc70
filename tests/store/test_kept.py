"""Stores that a process keeps open."""

import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from test_store import N_FEATURES, SETTINGS, holds, make_keys, make_rows, shard_paths, write
from test_store_faults import flip, logged

from fishsk.store import FeatureStore, _shards, _store, open_store

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture(autouse=True)
def nothing_kept():
    """Let each test begin with no store open, and leave none."""
    _store._kept.clear()
    yield
    _store._kept.clear()


@pytest.fixture
def kept(tmp_path):
    return open_store(tmp_path, SETTINGS, N_FEATURES)


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
    for number in range(3 * _store._MAX_STORES):
        open_store(tmp_path, {"number": number}, N_FEATURES)
    assert len(_store._kept) == _store._MAX_STORES


def test_large_indexes_are_not_kept(tmp_path, kept, monkeypatch):
    monkeypatch.setattr(_store, "_MAX_INDEX_BYTES", 100)
    kept.write(make_keys(range(9)), make_rows(range(9)))
    assert kept_holds(kept, range(9)).all()
    assert open_again(tmp_path) is kept
    assert _store._kept == {}


def test_the_limit_is_of_all_kept_indexes_together(tmp_path, monkeypatch):
    stores = [open_store(tmp_path, {"number": number}, N_FEATURES) for number in range(2)]
    for store in stores:
        store.write(make_keys(range(9)), make_rows(range(9)))
        assert store.read(make_keys(range(9)))[1].all()
    monkeypatch.setattr(_store, "_MAX_INDEX_BYTES", stores[1].n_index_bytes + 1)
    assert open_store(tmp_path, {"number": 1}, N_FEATURES) is stores[1]
    assert [*_store._kept.values()] == stores[1:]


def test_what_was_merged_is_forgotten(kept):
    for number in range(4 * _store._MAX_SHARDS):
        kept.write(make_keys([number]), make_rows([number]))
    assert len(kept._ignored) <= _store._MAX_SHARDS


def test_threads_share_a_kept_store(tmp_path):
    def work(i):
        kept = open_again(tmp_path)
        kept.write(make_keys([i]), make_rows([i]), durable=False)
        return kept_holds(kept, [i]).all()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(60)))
    assert holds(FeatureStore(tmp_path, SETTINGS, N_FEATURES), range(60)).all()


def test_few_rows_do_not_wait_for_the_disk(tmp_path, kept, monkeypatch):
    kept.write(make_keys([0]), make_rows([0]))
    monkeypatch.setattr(os, "fsync", None)
    kept.write(make_keys([1]), make_rows([1]), durable=False)
    assert holds(FeatureStore(tmp_path, SETTINGS, N_FEATURES), [0, 1]).all()


def test_fault_51_a_process_that_is_killed_has_written_its_rows(tmp_path):
    program = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from test_store import N_FEATURES, SETTINGS, make_keys, make_rows
from fishsk.store import open_store

store = open_store(sys.argv[2], SETTINGS, N_FEATURES)
for i in range(3):
    store.write(make_keys([i]), make_rows([i]), durable=False)
os.kill(os.getpid(), signal.SIGTERM)
"""
    subprocess.run([sys.executable, "-c", program, os.path.dirname(__file__), str(tmp_path)], check=False)
    assert holds(FeatureStore(tmp_path, SETTINGS, N_FEATURES), range(3)).all()


@needs_fork
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_fault_52_a_fork_while_a_thread_opens_the_cache(tmp_path, kept, monkeypatch):
    opening, go_on = threading.Event(), threading.Event()
    with ThreadPoolExecutor(1) as pool:
        with monkeypatch.context() as patch:
            patch.setattr(kept, "check", lambda: opening.set() or go_on.wait(60))
            pool.submit(open_again, tmp_path)
            assert opening.wait(60)
        if (pid := os.fork()) == 0:
            try:
                open_again(tmp_path).write(make_keys([1]), make_rows([1]))
                os._exit(0)
            finally:
                os._exit(1)
        go_on.set()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert kept_holds(kept, [0, 1]).tolist() == [False, True]
