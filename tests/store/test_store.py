"""What the feature store promises while nothing goes wrong."""

import hashlib
import json
import os
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from fishsk.store import (
    FeatureStore,
    _shards,
    _store,
    cache_info,
    clear_cache,
    default_folder,
    verify_cache,
)

N_FEATURES = 5
SETTINGS = {"weights": "cifar95", "layers": ["block4_pool"]}


def make_keys(indices):
    return [hashlib.sha256(b"%d" % i).digest() for i in indices]


def make_rows(indices, n_features=N_FEATURES):
    return np.array([np.random.default_rng(i).normal(size=n_features) for i in indices], dtype=np.float32)


def write(store, indices):
    store.write(make_keys(indices), make_rows(indices, store.n_features))


def holds(store, indices):
    """Return which rows the store holds, having checked that those are right."""
    rows, found = store.read(make_keys(indices))
    np.testing.assert_array_equal(rows[found], make_rows(indices, store.n_features)[found])
    return found


@pytest.fixture
def store(tmp_path):
    return FeatureStore(tmp_path, SETTINGS, N_FEATURES)


def shard_paths(folder):
    return sorted(Path(folder).rglob(f"*{_shards.SUFFIX}"))


def test_rows_come_back_bit_for_bit_from_another_store(tmp_path, store):
    rows = np.array([[0.0, -0.0, np.nan, np.inf, 1e-45], [1, 2, 3, 4, 5]], dtype=np.float32)
    store.write(make_keys([0, 1]), rows)
    read, found = FeatureStore(tmp_path, SETTINGS, N_FEATURES).read(make_keys([0, 1]))
    assert found.all()
    assert read.dtype == np.float32
    assert read.tobytes() == rows.tobytes()


def test_read_follows_the_order_of_keys_that_may_repeat(store):
    write(store, range(10))
    assert holds(store, [7, 2, 2, 9, 7, 0]).all()


def test_what_is_missing_is_nan(store):
    write(store, [1])
    rows, found = store.read(make_keys([0, 1, 2]))
    assert found.tolist() == [False, True, False]
    assert np.isnan(rows[[0, 2]]).all()


def test_nothing_asked_is_nothing_found(store):
    rows, found = store.read([])
    assert rows.shape == (0, N_FEATURES)
    assert found.shape == (0,)
    store.write([], rows)


def test_reading_creates_nothing(tmp_path):
    store = FeatureStore(tmp_path / "cache", SETTINGS, N_FEATURES)
    assert not holds(store, range(3)).any()
    assert not (tmp_path / "cache").exists()


def test_equal_keys_in_one_write_are_stored_once(tmp_path, store):
    write(store, [3, 1, 3, 3])
    assert holds(store, [1, 3]).all()
    assert cache_info(tmp_path)["n_rows"] == 2


def test_rows_that_another_store_wrote_meanwhile_are_seen(tmp_path, store):
    assert not holds(store, [0]).any()
    write(FeatureStore(tmp_path, SETTINGS, N_FEATURES), [0])
    assert holds(store, [0]).all()


def test_keys_may_share_beginnings_and_end_in_zeros(store):
    keys = [bytes(31) + b"\1", bytes(32), b"\1" + bytes(31), b"\1" * 31 + b"\0", b"\xff" * 32]
    rows = np.arange(25, dtype=np.float32).reshape(5, 5)
    store.write(keys, rows)
    read, found = store.read([*keys, b"\1" * 32])
    assert found.tolist() == [True] * 5 + [False]
    np.testing.assert_array_equal(read[:5], rows)


def test_settings_are_written_for_human_readers(tmp_path, store):
    write(store, [0])
    (path,) = tmp_path.rglob("settings.json")
    document = json.loads(path.read_text())
    assert document["settings"] == SETTINGS
    assert document["format"] == _shards.FORMAT


def test_order_within_the_settings_does_not_matter(tmp_path, store):
    write(store, [0])
    assert holds(FeatureStore(tmp_path, dict(reversed(SETTINGS.items())), N_FEATURES), [0]).all()


def test_many_small_shards_become_few(tmp_path, store):
    for i in range(0, 300, 3):
        write(store, range(i, i + 3))
    assert len(shard_paths(tmp_path)) <= _store._MAX_SHARDS
    assert holds(store, range(300)).all()
    assert cache_info(tmp_path)["n_rows"] == 300


def test_merging_drops_copies(tmp_path, store):
    for _ in range(_store._MAX_SHARDS + 1):
        write(store, range(4))
    assert cache_info(tmp_path)["n_rows"] < 4 * (_store._MAX_SHARDS + 1)


def test_a_mapped_shard_outlives_its_name(tmp_path, store):
    write(store, range(4))
    opened = _shards.Rows(_shards.Shard(shard_paths(tmp_path)[0]))
    clear_cache(tmp_path)
    rows, valid = opened.take(np.arange(4))
    assert valid.all()
    assert rows.shape == (4, N_FEATURES)


def test_random_histories_agree_with_a_dict(tmp_path, monkeypatch, rng):
    monkeypatch.setattr(_store, "_MAX_SHARDS", 3)
    monkeypatch.setattr(_shards, "_BLOCK_BYTES", 3 * 4 * N_FEATURES)
    stores = [FeatureStore(tmp_path, SETTINGS, N_FEATURES) for _ in range(2)]
    written = set()
    for _ in range(60):
        store = stores[rng.integers(2)]
        indices = rng.integers(100, size=rng.integers(1, 12)).tolist()
        write(store, indices)
        written.update(indices)
        asked = rng.permutation(100).tolist()
        np.testing.assert_array_equal(holds(store, asked), [i in written for i in asked])


def test_threads_share_a_store(tmp_path, monkeypatch, store):
    monkeypatch.setattr(_store, "_MAX_SHARDS", 3)

    def work(i):
        write(store, range(i, i + 5))
        return holds(store, range(i, i + 5)).all()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(0, 200, 5)))
    assert holds(store, range(200)).all()


def test_memory_is_the_output_and_little_more(tmp_path):
    n_samples, n_features = 100_000, 64
    store = FeatureStore(tmp_path, SETTINGS, n_features)
    keys = make_keys(range(n_samples))
    store.write(keys, np.zeros((n_samples, n_features), np.float32))
    tracemalloc.start()
    rows, found = FeatureStore(tmp_path, SETTINGS, n_features).read(keys)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.all()
    assert peak < rows.nbytes + 25e6


def test_the_least_recently_used_rows_are_evicted(tmp_path):
    other = FeatureStore(tmp_path, {"another": "network"}, 100, max_bytes=8000)
    write(other, range(5))
    store = FeatureStore(tmp_path, SETTINGS, 100, max_bytes=8000)
    write(store, range(5, 10))
    write(store, range(10, 15))
    for age, path in enumerate(sorted(shard_paths(tmp_path), key=lambda path: path.stat().st_mtime_ns)):
        os.utime(path, (1e9 + age, 1e9 + age))
    assert holds(other, range(5)).all()
    write(store, range(15, 20))
    assert holds(other, range(5)).all()
    assert not holds(store, range(5, 10)).any()
    assert holds(store, range(10, 20)).all()
    assert cache_info(tmp_path)["n_bytes"] <= 8000


@pytest.mark.parametrize("max_bytes", [100, 0])
def test_rows_beyond_the_whole_limit_are_not_kept(tmp_path, max_bytes):
    store = FeatureStore(tmp_path, SETTINGS, N_FEATURES, max_bytes=max_bytes)
    write(store, range(100))
    assert shard_paths(tmp_path) == []


def test_the_limit_comes_from_the_environment(tmp_path, monkeypatch):
    assert FeatureStore(tmp_path, SETTINGS, N_FEATURES).max_bytes == 10 * 2**30
    monkeypatch.setenv("FISHSK_CACHE_LIMIT", "2e9")
    assert FeatureStore(tmp_path, SETTINGS, N_FEATURES).max_bytes == 2_000_000_000
    monkeypatch.setenv("FISHSK_CACHE_LIMIT", "plenty")
    with pytest.raises(ValueError, match=r"FISHSK_CACHE_LIMIT must be a number of bytes.*'plenty'"):
        FeatureStore(tmp_path, SETTINGS, N_FEATURES)


def test_default_folder_is_in_the_environment_or_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("FISHSK_CACHE", str(tmp_path))
    assert default_folder() == tmp_path
    monkeypatch.delenv("FISHSK_CACHE")
    assert default_folder().parts[-2:] == ("fishsk", "features")


def test_cache_info_counts_by_settings(tmp_path, store):
    write(store, range(3))
    write(store, range(3, 5))
    write(FeatureStore(tmp_path, {"layers": []}, 2), range(4))
    info = cache_info(tmp_path)
    assert (info["n_rows"], info["n_shards"], len(info["stores"])) == (9, 3, 2)
    assert info["max_bytes"] == 10 * 2**30
    assert info["n_bytes"] == sum(path.stat().st_size for path in shard_paths(tmp_path))
    assert {store["n_features"]: store["settings"] for store in info["stores"]} == {
        N_FEATURES: SETTINGS,
        2: {"layers": []},
    }


def test_clear_cache_frees_all_rows_and_nothing_else(tmp_path, store):
    write(store, range(3))
    (tmp_path / "thesis.txt").write_text("mine")
    n_bytes = cache_info(tmp_path)["n_bytes"]
    assert clear_cache(tmp_path) == n_bytes
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    assert not holds(store, range(3)).any()
    write(store, range(3))
    assert holds(store, range(3)).all()


def test_an_absent_folder_is_an_empty_cache(tmp_path):
    absent = tmp_path / "absent"
    assert cache_info(absent)["n_rows"] == 0
    assert clear_cache(absent) == 0
    assert verify_cache(absent) == {"n_rows": 0, "n_corrupt": 0, "n_unreadable": 0, "files": []}


def test_the_store_loads_nothing_heavy():
    code = "import sys, fishsk.store; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    heavy = {
        "tensorflow",
        "keras",
        "sklearn",
        "scipy",
        "pandas",
        "matplotlib",
        "cv2",
        "optuna",
        "platformdirs",
    }
    assert not heavy & set(loaded.split())
