"""What the feature store does about rows 1 to 10, 49 and 50 of the table of faults."""

import contextlib
import errno
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from test_store import N_FEATURES, SETTINGS, holds, shard_paths, write

from fishsk._utils import files
from fishsk.store import FeatureStore, _folders, _shards, _store, cache_info, clear_cache, verify_cache

N_IMAGES = 24

# Imports once, then forks a process for each line of its input. Those extract features, with a line of NumPy
# in the network's place, and log what they have computed ("c") and stored ("s").
FORKER = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from test_store import N_FEATURES, SETTINGS, make_keys, make_rows
from fishsk.store import _store

_store._MAX_SHARDS = 4
signal.signal(signal.SIGCHLD, signal.SIG_IGN)


def extract(folder, log, start, stop, step):
    log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    store = _store.FeatureStore(folder, SETTINGS, N_FEATURES)
    _, found = store.read(make_keys(range(start, stop)))
    left = [i for i in range(start, stop) if not found[i - start]]
    for at in range(0, len(left), step):
        batch = left[at : at + step]
        rows = make_rows(batch)
        os.write(log, b"".join(b"c %d\\n" % i for i in batch))
        store.write(make_keys(batch), rows)
        os.write(log, b"".join(b"s %d\\n" % i for i in batch))


for line in sys.stdin:
    folder, log, *numbers = line.split("|")
    pid = os.fork()
    if pid == 0:
        extract(folder, log, *map(int, numbers))
        os._exit(0)
    print(pid, flush=True)
"""

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture(scope="module")
def fork():
    """Return a function that starts an extraction in a process of its own and returns the process id."""
    forker = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", FORKER, os.path.dirname(__file__)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )

    def start(*arguments):
        print(*arguments, sep="|", file=forker.stdin, flush=True)
        return int(forker.stdout.readline())

    yield start
    forker.stdin.close()
    forker.stdout.close()
    assert forker.wait(10) == 0


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(pids):
    deadline = time.monotonic() + 60
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def leftovers(folder):
    """Return the names of files that are neither settings nor shards."""
    names = {path.name for path in folder.rglob("*") if path.is_file()} - {"settings.json"}
    return {name for name in names if not name.endswith(_shards.SUFFIX)}


def logged(caplog):
    messages = [record.getMessage() for record in caplog.records if record.name.startswith("fishsk")]
    caplog.clear()
    return messages


@pytest.fixture
def fast_disk(monkeypatch):
    """Do without fsync, in tests that cut no power."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def template(tmp_path):
    """Return a folder with two shards, to be copied."""
    store = FeatureStore(tmp_path / "template", SETTINGS, N_FEATURES)
    write(store, range(N_IMAGES // 2))
    write(store, range(N_IMAGES // 2, N_IMAGES))
    return tmp_path / "template"


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@needs_fork
@pytest.mark.parametrize("least", [4, pytest.param(24, marks=pytest.mark.slow)])
@pytest.mark.parametrize("n_workers", [1, 2])
def test_fault_01_what_was_stored_outlives_kill(fork, tmp_path, n_workers, least):
    rng = random.Random(n_workers)
    log, n_images, step, n_kills = tmp_path / "log", 3000, 3, 0
    log.touch()
    while n_kills < least or "s" not in log.read_text():
        size = log.stat().st_size
        pids = [fork(tmp_path / "cache", log, 0, n_images, step) for _ in range(n_workers)]
        while (
            rng.random() < 0.99 and log.stat().st_size == size
        ):  # some die before they have computed anything
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.06))
        n_kills += sum(is_running(pid) for pid in pids)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        wait_for(pids)
    events = [(line[0], int(line[2:])) for line in log.read_text().splitlines()]
    stored = {i for event, i in events if event == "s"}
    found = holds(FeatureStore(tmp_path / "cache", SETTINGS, N_FEATURES), range(n_images))
    assert 0 < len(stored) < n_images
    assert found[sorted(stored)].all()
    assert leftovers(tmp_path) <= {"log"}
    wait_for([fork(tmp_path / "cache", tmp_path / "rerun", 0, n_images, 500)])
    computed = [int(line[2:]) for line in (tmp_path / "rerun").read_text().splitlines() if line[0] == "c"]
    assert computed == np.flatnonzero(~found).tolist()
    assert holds(FeatureStore(tmp_path / "cache", SETTINGS, N_FEATURES), range(n_images)).all()


@pytest.mark.parametrize(
    ("owner", "age", "remains"),
    [
        ("dead", 0, False),
        ("alive", 0, True),
        ("alive", 4000, False),
        ("elsewhere", 0, True),
        ("elsewhere", 4000, False),
    ],
)
def test_fault_01_temporary_files_without_an_owner_are_swept(template, owner, age, remains):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    host, pid = {
        "dead": (files._HOST, dead.pid),
        "alive": (files._HOST, os.getpid()),
        "elsewhere": ("0" * 8, dead.pid),
    }[owner]
    path = shard_paths(template)[0].with_name(f"0123{_shards.SUFFIX}.4567.{host}.{pid}.tmp")
    path.write_bytes(b"half a shard")
    os.utime(path, (time.time() - age,) * 2)
    FeatureStore(template, SETTINGS, N_FEATURES)
    assert path.exists() == remains


def test_fault_02_what_is_named_is_on_disk_before_and_after(tmp_path, monkeypatch):
    calls = []

    def record(name, describe):
        function = getattr(os, name)

        def operation(*args):
            calls.append((name, len(shard_paths(tmp_path)), describe(args)))
            return function(*args)

        monkeypatch.setattr(os, name, operation)

    monkeypatch.setattr(_store, "_MAX_SHARDS", 1)
    store = FeatureStore(tmp_path, SETTINGS, N_FEATURES)
    write(store, range(3))
    record("fsync", lambda args: os.fstat(args[0]))
    record("replace", lambda args: os.stat(args[0]))
    record("unlink", lambda args: None)
    write(store, range(3, 6))
    assert [name for name, *_ in calls] == ["fsync", "replace", "fsync"] * 2 + ["unlink"] * 2
    assert [n_shards for _, n_shards, _ in calls] == [1, 1, 2, 2, 2, 3, 3, 2]  # merged to one of three
    synced, replaced, folder = (status for _, _, status in calls[3:6])
    assert (synced.st_ino, synced.st_size) == (replaced.st_ino, replaced.st_size)
    assert folder.st_ino == shard_paths(tmp_path)[0].parent.stat().st_ino


class Disk:
    """File operations, counted, of which one fails, or one and all that follow."""

    def __init__(self, monkeypatch, fail_at, error, *, lasting):
        self.count, self.fail_at, self.error, self.lasting = 0, fail_at, error, lasting
        for name in ["open", "fsync", "replace", "unlink", "mkdir", "scandir", "stat", "fstat", "utime"]:
            monkeypatch.setattr(os, name, self.wrap(getattr(os, name)))
        for module in (files, _shards):
            monkeypatch.setattr(module, "open", self.wrap(self.open), raising=False)

    def wrap(self, function):
        def operation(*args, **kwargs):
            self.count += 1
            if self.count == self.fail_at or (self.lasting and self.count > self.fail_at):
                raise self.error
            return function(*args, **kwargs)

        return operation

    def open(self, path, mode):
        base, names = (
            (io.BufferedWriter, ["write", "flush"]) if mode == "xb" else (io.BufferedReader, ["read"])
        )
        file = type("File", (base,), {name: self.wrap(getattr(base, name)) for name in names})
        return file(io.FileIO(path, mode))


class Death(BaseException):
    """The end of a process, in the middle of whatever it does."""


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), Death()])
def test_fault_02_any_file_operation_may_fail(tmp_path, monkeypatch, fast_disk, error):
    monkeypatch.setattr(_store, "_MAX_SHARDS", 2)
    death = isinstance(error, Death)
    for fail_at in range(1, 1000):
        folder, stored, disk = tmp_path / str(fail_at), [], None
        with monkeypatch.context() as patch, contextlib.suppress(Death):
            disk = Disk(patch, fail_at, error, lasting=death)
            store = FeatureStore(folder, SETTINGS, N_FEATURES, max_bytes=10_000)
            for i in range(0, N_IMAGES, 6):
                write(store, range(i, i + 6))
                stored += range(i, i + 6)
                holds(store, range(N_IMAGES))
        if disk.count < fail_at:
            break
        store = FeatureStore(folder, SETTINGS, N_FEATURES)
        found = holds(store, range(N_IMAGES))
        assert found[stored].all() if death else found.sum() >= N_IMAGES - 6
        write(store, [*np.flatnonzero(~found), N_IMAGES])
        assert holds(store, range(N_IMAGES + 1)).all()
    assert 50 < fail_at < 999


@needs_fork
@pytest.mark.parametrize("n_processes", [2, 4])
def test_fault_03_processes_extract_the_same_images_at_once(fork, tmp_path, n_processes):
    cache, n_images = tmp_path / "cache", 120
    wait_for([fork(cache, tmp_path / f"log{i}", 0, n_images, 3) for i in range(n_processes)])
    lines = [line for i in range(n_processes) for line in (tmp_path / f"log{i}").read_text().splitlines()]
    assert {int(line.split()[1]) for line in lines if line[0] == "s"} == set(range(n_images))
    assert holds(FeatureStore(cache, SETTINGS, N_FEATURES), range(n_images)).all()
    assert verify_cache(cache)["files"] == []
    assert leftovers(cache) == set()


@needs_fork
def test_fault_03_no_row_is_lost_between_processes_that_merge(fork, tmp_path):
    cache = tmp_path / "cache"
    wait_for([fork(cache, tmp_path / f"log{i}", i * 150, i * 150 + 150, 2) for i in range(4)])
    assert holds(FeatureStore(cache, SETTINGS, N_FEATURES), range(600)).all()
    assert len(shard_paths(cache)) < 60  # of 300 written
    assert leftovers(cache) == set()


def test_fault_03_shards_are_merged_between_listing_and_opening(template, monkeypatch, caplog):
    def list_then_merge(folder):
        names = _shards.list_shards(folder)
        monkeypatch.undo()
        _shards.merge_shards([_shards.Shard(folder / name) for name in names])
        return names

    monkeypatch.setattr(_store, "list_shards", list_then_merge)
    assert holds(FeatureStore(template, SETTINGS, N_FEATURES), range(N_IMAGES)).all()
    assert logged(caplog) == []


def damage_and_recover(folder, path, change, caplog, *, mapped):
    """Damage a file of a cache; assert that it is found, logged once and healed; return if rows were lost."""
    store = FeatureStore(folder, SETTINGS, N_FEATURES)
    if mapped:
        assert holds(store, range(N_IMAGES)).all()
    content = change(path.read_bytes())
    with open(path, "r+b") as file:
        file.write(content)
        file.truncate(len(content))
    if not mapped:
        store = FeatureStore(folder, SETTINGS, N_FEATURES)
    found = holds(store, range(N_IMAGES))
    assert holds(store, range(N_IMAGES)).tolist() == found.tolist()
    messages = logged(caplog)
    if not mapped:
        assert len(messages) == 1
        assert path.name in messages[0]
    write(store, [*np.flatnonzero(~found), N_IMAGES])
    assert holds(FeatureStore(folder, SETTINGS, N_FEATURES), range(N_IMAGES + 1)).all()
    assert logged(caplog) == []
    assert len(list(folder.rglob("settings.json"))) == 1
    return not found.all()


def test_fault_04_a_hundred_truncations_are_found(template, tmp_path, caplog, fast_disk):
    rng = random.Random(0)
    for i in range(100):
        folder = shutil.copytree(template, tmp_path / str(i))
        path = rng.choice(files_of(folder))
        length = rng.randrange(path.stat().st_size)
        lost = damage_and_recover(folder, path, lambda content, n=length: content[:n], caplog, mapped=False)
        assert lost == (path.suffix != ".json")


def test_fault_04_a_mapped_shard_is_truncated(template, tmp_path, caplog, fast_disk):
    for i in range(20):
        folder = shutil.copytree(template, tmp_path / str(i))
        path = shard_paths(folder)[i % 2]
        length = path.stat().st_size * i // 20
        assert damage_and_recover(folder, path, lambda content, n=length: content[:n], caplog, mapped=True)


def flip(content, bit):
    flipped = bytearray(content)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)


def test_fault_05_three_hundred_flipped_bits_are_found(template, tmp_path, caplog, fast_disk):
    rng = random.Random(0)
    n_lost = 0
    for i in range(300):
        folder = shutil.copytree(template, tmp_path / str(i))
        path = rng.choice(files_of(folder))
        bit = rng.randrange(8 * path.stat().st_size)
        lost = damage_and_recover(folder, path, lambda content, b=bit: flip(content, b), caplog, mapped=False)
        assert lost == (path.suffix != ".json")
        n_lost += lost
    assert 100 < n_lost < 300


def test_fault_05_bits_flip_under_a_mapped_shard(template, tmp_path, caplog, fast_disk):
    rng = random.Random(0)
    for i in range(40):
        folder = shutil.copytree(template, tmp_path / str(i))
        path = rng.choice(shard_paths(folder))
        n_bits = 8 * path.stat().st_size
        bit = rng.randrange(n_bits - 32 * N_FEATURES * N_IMAGES // 2, n_bits)  # among the rows
        assert damage_and_recover(folder, path, lambda content, b=bit: flip(content, b), caplog, mapped=True)


def test_fault_05_one_bad_row_leaves_its_neighbours(template, tmp_path, caplog):
    path = shard_paths(template)[0]
    path.write_bytes(flip(path.read_bytes(), 8 * path.stat().st_size - 1))
    found = holds(FeatureStore(template, SETTINGS, N_FEATURES), range(N_IMAGES))
    assert found.sum() == N_IMAGES - 1
    assert not path.exists()
    assert cache_info(template)["n_rows"] == N_IMAGES - 1


def test_fault_05_a_good_copy_serves_for_a_bad_row(tmp_path, caplog):
    write(FeatureStore(tmp_path, SETTINGS, N_FEATURES), range(6))
    (path,) = shard_paths(tmp_path)
    path.write_bytes(path.read_bytes()[: -6 * 4 * N_FEATURES] + bytes(6 * 4 * N_FEATURES))
    write(FeatureStore(tmp_path, SETTINGS, N_FEATURES), range(3))
    found = holds(FeatureStore(tmp_path, SETTINGS, N_FEATURES), range(6))
    assert found.tolist() == [True] * 3 + [False] * 3


def test_fault_05_verify_finds_and_removes_what_is_corrupt(template, caplog):
    bad_index, bad_row = shard_paths(template)
    bad_index.write_bytes(flip(bad_index.read_bytes(), 8 * 50))
    bad_row.write_bytes(flip(bad_row.read_bytes(), 8 * bad_row.stat().st_size - 1))
    report = verify_cache(template)
    assert (report["n_rows"], report["n_corrupt"], report["n_unreadable"]) == (N_IMAGES // 2 - 1, 1, 1)
    assert sorted(report["files"]) == [str(bad_index), str(bad_row)]
    assert verify_cache(template) == {
        "n_rows": N_IMAGES // 2 - 1,
        "n_corrupt": 0,
        "n_unreadable": 0,
        "files": [],
    }
    assert len(logged(caplog)) == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_fault_06_a_full_disk_costs_one_warning(tmp_path, monkeypatch, caplog):
    def open_full(path, mode):
        return open("/dev/full" if mode == "xb" else path, "wb" if mode == "xb" else mode)

    store = FeatureStore(tmp_path, SETTINGS, N_FEATURES)
    write(store, range(5))
    for module in (files, _shards):
        monkeypatch.setattr(module, "open", open_full, raising=False)
    for i in range(5, 20, 5):
        write(store, range(i, i + 5))
    (message,) = logged(caplog)
    assert os.strerror(errno.ENOSPC) in message
    assert "cache=None" in message
    assert holds(store, range(20)).tolist() == [True] * 5 + [False] * 15


@pytest.mark.skipif(os.name == "nt", reason="needs resource limits")
def test_fault_06_a_file_that_may_not_grow_leaves_nothing(tmp_path):
    code = f"""if True:
        import resource, sys
        sys.path.insert(0, {os.path.dirname(__file__)!r})
        from test_store import *
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        store = FeatureStore({str(tmp_path)!r}, SETTINGS, N_FEATURES)
        write(store, range(10))
        write(store, range(10, 1000))
        assert holds(store, range(1000)).tolist() == [True] * 10 + [False] * 990
        write(store, range(10, 20))
        assert holds(store, range(20)).all()
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.count("cannot be stored") == 1
    assert os.strerror(errno.EFBIG) in done.stderr
    assert leftovers(tmp_path) == set()


def test_fault_07_a_read_only_cache_is_read(template, monkeypatch, caplog):
    def refuse(*args, **kwargs):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    def open_to_read(path, mode):
        return refuse() if mode == "xb" else open(path, mode)

    for name in ["mkdir", "replace", "unlink", "utime"]:
        monkeypatch.setattr(os, name, refuse)
    for module in (files, _shards):
        monkeypatch.setattr(module, "open", open_to_read, raising=False)
    for i in range(3):
        store = FeatureStore(template, SETTINGS, N_FEATURES)
        write(store, range(N_IMAGES + i, N_IMAGES + 9))
        assert holds(store, range(N_IMAGES + 9)).tolist() == [True] * N_IMAGES + [False] * 9
    (message,) = logged(caplog)
    assert os.strerror(errno.EROFS) in message


def test_fault_07_a_corrupt_row_of_a_read_only_cache_costs_one_warning(template, monkeypatch, caplog):
    def open_to_read(path, mode):
        if mode == "xb":
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return open(path, mode)

    path = shard_paths(template)[0]
    path.write_bytes(flip(path.read_bytes(), 8 * path.stat().st_size - 1))
    for module in (files, _shards):
        monkeypatch.setattr(module, "open", open_to_read, raising=False)
    store = FeatureStore(template, SETTINGS, N_FEATURES)
    for _ in range(3):
        assert holds(store, range(N_IMAGES)).sum() == N_IMAGES - 1
    assert len(logged(caplog)) == 1


def test_fault_07_an_unreachable_folder_costs_one_warning(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    store = FeatureStore(tmp_path / "file" / "cache", SETTINGS, N_FEATURES)
    write(store, range(3))
    write(store, range(3))
    assert len(logged(caplog)) == 1


@pytest.mark.parametrize("change", [{"layers": ["block5_pool"]}, {"mirror": True}, {"weights": "imagenet"}])
def test_fault_08_other_settings_miss(template, change):
    assert not holds(FeatureStore(template, SETTINGS | change, N_FEATURES), range(N_IMAGES)).any()
    assert not holds(FeatureStore(template, SETTINGS, N_FEATURES + 1), range(N_IMAGES)).any()
    assert holds(FeatureStore(template, SETTINGS, N_FEATURES), range(N_IMAGES)).all()


def test_fault_08_a_shard_of_other_settings_is_refused(template, tmp_path, caplog):
    write(FeatureStore(tmp_path / "other", SETTINGS | {"mirror": True}, N_FEATURES), [N_IMAGES])
    shutil.copy(shard_paths(tmp_path / "other")[0], shard_paths(template)[0].parent)
    assert not holds(FeatureStore(template, SETTINGS, N_FEATURES), [N_IMAGES]).any()
    assert "belongs to other settings" in logged(caplog)[0]


def test_fault_09_a_newer_format_is_refused_and_left_alone(template):
    (path,) = template.rglob("settings.json")
    document = json.loads(path.read_text()) | {"format": 2, "compression": "zstd"}
    del document["sha256"]
    path.write_text(json.dumps(document | {"sha256": _folders.sha256_of(document)}))
    newer = path.with_name("0123.rows2")
    newer.write_bytes(b"from the future")
    before = {path: path.read_bytes() for path in files_of(template)}
    with pytest.raises(ValueError, match=r"must have format 1.*says format 2: a newer fishsk"):
        FeatureStore(template, SETTINGS, N_FEATURES)
    write(FeatureStore(template, {}, N_FEATURES, max_bytes=1), [0])
    assert newer.read_bytes() == b"from the future"
    clear_cache(template)
    assert {newer: before[newer], path: before[path]}.items() <= {
        p: p.read_bytes() for p in files_of(template)
    }.items()


def test_fault_09_a_flipped_bit_is_no_newer_format(template, caplog):
    (path,) = template.rglob("settings.json")
    path.write_text(path.read_text().replace('"format": 1', '"format": 3'))
    assert holds(FeatureStore(template, SETTINGS, N_FEATURES), range(N_IMAGES)).all()
    assert "settings.json" in logged(caplog)[0]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_fault_10_the_folder_is_its_owners_alone(tmp_path):
    write(FeatureStore(tmp_path / "cache", SETTINGS, N_FEATURES), [0])
    folders = [tmp_path / "cache", shard_paths(tmp_path)[0].parent]
    assert [oct(folder.stat().st_mode & 0o777) for folder in folders] == ["0o700"] * 2


@pytest.mark.skipif(os.name == "nt", reason="POSIX owners")
def test_fault_10_a_foreign_folder_is_refused(template, monkeypatch):
    uid = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    for use in (lambda folder: FeatureStore(folder, SETTINGS, N_FEATURES), clear_cache, verify_cache):
        with pytest.raises(PermissionError, match=f"must belong to user {uid}.*cache=None"):
            use(template)


def test_fault_10_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="must be a folder"):
        FeatureStore(tmp_path / "file", SETTINGS, N_FEATURES)


class Rival:
    """Another process that does something right before a file operation of this one."""

    def __init__(self, monkeypatch, at, deed):
        self.count, self.at, self.deed = 0, at, deed
        for name in ["replace", "unlink", "mkdir", "rmdir", "scandir", "listdir", "stat", "utime"]:
            monkeypatch.setattr(os, name, self.wrap(getattr(os, name)))
        for module in (files, _shards):
            monkeypatch.setattr(module, "open", self.wrap(open), raising=False)

    def wrap(self, function):
        def operation(*args, **kwargs):
            self.count += 1
            if self.count == self.at:
                self.deed()
            return function(*args, **kwargs)

        return operation


def evict_all(folder):
    _folders.evict(folder, 0)


def merge_all(folder):
    for store in _folders.list_stores(folder):
        shards = [_shards.Shard(store / name) for name in _shards.list_shards(store)]
        if shards:
            _shards.merge_shards(shards)


@pytest.mark.parametrize("max_bytes", [600, 20_000])  # it evicts, it merges
@pytest.mark.parametrize("deed", [clear_cache, shutil.rmtree, evict_all, merge_all])
def test_fault_49_others_clear_remove_evict_and_merge_at_any_moment(
    tmp_path, monkeypatch, fast_disk, caplog, deed, max_bytes
):
    monkeypatch.setattr(_store, "_MAX_SHARDS", 2)
    for at in range(1, 1000):
        folder = tmp_path / str(at)
        write(FeatureStore(folder, SETTINGS, N_FEATURES), range(3))
        with monkeypatch.context() as patch:
            rival = Rival(patch, at, lambda folder=folder: deed(folder))
            store = FeatureStore(folder, SETTINGS, N_FEATURES, max_bytes=max_bytes)
            for i in range(3, 15, 3):
                write(store, range(i, i + 3))
                holds(store, range(15))
            verified, _ = verify_cache(folder), cache_info(folder)
            clear_cache(folder)
        assert not verified["files"]
        assert logged(caplog) == []
        write(store, range(3))
        assert holds(store, range(3)).all()
        if rival.count < at:
            break
    assert 50 < at < 999


def test_fault_49_a_merge_between_index_and_rows_loses_none(template):
    store = FeatureStore(template, SETTINGS, N_FEATURES)
    assert holds(store, range(N_IMAGES)).all()
    refresh = store._refresh

    def refresh_then_merge():
        shards = refresh()
        store._refresh = refresh
        merge_all(template)
        return shards

    store._refresh = refresh_then_merge
    assert holds(store, range(N_IMAGES)).all()


def test_fault_50_foreign_things_in_the_cache_folder_are_left_alone(template, caplog):
    foreign = [shard_paths(template)[0].with_name(f"0123{_shards.SUFFIX}"), template / ("f" * 32)]
    foreign[0].mkdir()
    foreign[1].write_text("mine")
    store = FeatureStore(template, SETTINGS, N_FEATURES, max_bytes=1)
    assert holds(store, range(N_IMAGES)).all()
    assert verify_cache(template)["files"] == []
    info = cache_info(template)
    assert (info["n_rows"], len(info["stores"])) == (N_IMAGES, 1)
    clear_cache(template)
    write(store, range(3))  # and evicts them
    assert not holds(store, range(N_IMAGES)).any()
    assert foreign[0].is_dir()
    assert foreign[1].read_text() == "mine"
    assert logged(caplog) == []


def test_fault_50_a_shard_that_cannot_be_read_is_counted_and_stays(template, monkeypatch):
    unreadable, _ = shard_paths(template)

    def open_but_one(path, mode):
        if path == unreadable:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return open(path, mode)

    monkeypatch.setattr(_shards, "open", open_but_one, raising=False)
    report = verify_cache(template)
    assert (report["n_rows"], report["n_corrupt"], report["n_unreadable"]) == (N_IMAGES // 2, 0, 1)
    assert report["files"] == [str(unreadable)]
    assert unreadable.exists()


def test_fault_50_a_shard_that_could_not_be_read_once_is_tried_again(template, monkeypatch):
    store = FeatureStore(template, SETTINGS, N_FEATURES)
    with monkeypatch.context() as patch:
        patch.setattr(_shards, "open", raise_io_error, raising=False)
        assert not holds(store, range(N_IMAGES)).any()
    assert holds(store, range(N_IMAGES)).all()


def raise_io_error(path, mode):
    raise OSError(errno.EIO, os.strerror(errno.EIO))
