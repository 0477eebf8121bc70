"""Let eight processes storm one feature cache, kill and stop them, and check every row that they read.

Run ``python tools/storm_cache.py --seconds 180``. Each process writes, reads, clears, evicts, merges, counts
and verifies rows of two settings in one folder, at random. Meanwhile processes are killed with SIGKILL and
replaced, stopped and continued, the folder is removed under them, and foreign things are put into it. What is
read must be, bit for bit, what belongs to its key. Exits with 1 if a row was wrong, if verifying found one,
if a process died by itself, or if anything was raised or logged that a user would see.
"""

import argparse
import contextlib
import hashlib
import logging
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from fishsk.store import FeatureStore, cache_info, clear_cache, open_store, verify_cache

N_PROCESSES = 8
N_KEYS = 5000
WIDTHS = (7, 64)  # of the rows of the two settings
LIMIT = 1_000_000  # bytes, less than all rows take: writers evict
COUNTERS = ("read", "wrong", "written", "raised", "warned", "cleared", "verified", "corrupt")


def make_keys(indices):
    """Return the keys of rows."""
    return [hashlib.sha256(b"%d" % index).digest() for index in indices]


def make_rows(indices, width):
    """Return what must be read under the keys."""
    return np.sin(np.outer(np.asarray(indices) + 1, np.arange(1, width + 1))).astype(np.float32)


class Listener(logging.Handler):
    """What counts the warnings of a process."""

    def __init__(self, stormer):
        super().__init__(logging.WARNING)
        self.stormer = stormer

    def emit(self, record):
        """Count a warning."""
        self.stormer.report("warned", record.getMessage())


class Stormer:
    """One process at work: its counters are a row of a file, which outlives it."""

    def __init__(self, folder, log, number, seed):
        self.folder, self.log = folder, log
        counts = np.memmap(log.with_suffix(".counts"), dtype=np.int64, mode="r+", shape=(N_PROCESSES, 8))
        self.counts = dict(zip(COUNTERS, counts[number].reshape(-1, 1), strict=True))
        self.random = random.Random(seed)
        logging.getLogger("fishsk").addHandler(Listener(self))

    def report(self, counter, text):
        """Count something that a user would see, and write it down."""
        self.counts[counter] += 1
        with open(self.log, "a", encoding="utf-8") as file:
            file.write(f"{counter}: {text}\n")

    def storm(self):
        """Do one thing after another until somebody kills this process."""
        deeds = {self.read: 45, self.write: 30, self.write_few: 15, self.count: 3, self.verify: 3}
        deeds[self.clear] = 0.3
        while True:
            (deed,) = self.random.choices(list(deeds), list(deeds.values()))
            try:
                deed()
            except Exception:
                self.report("raised", traceback.format_exc())

    def open(self):
        """Open a store as users do: the one that the process keeps, or another."""
        width = self.random.choice(WIDTHS)
        if self.random.random() < 0.8:
            return open_store(self.folder, {"width": width}, width), width
        return FeatureStore(self.folder, {"width": width}, width), width

    def draw(self, n):
        """Draw some neighboring numbers of rows, so that processes meet."""
        first = self.random.randrange(N_KEYS)
        return [(first + i) % N_KEYS for i in range(n)]

    def read(self):
        """Read rows, and compare those that are found."""
        store, width = self.open()
        indices = self.draw(self.random.choice((1, 20, 1000)))
        rows, found = store.read(make_keys(indices))
        expected = make_rows(indices, width)
        wrong = (rows[found] != expected[found]).any(axis=1).sum()
        self.counts["read"] += found.sum()
        if wrong:
            self.report("wrong", f"{wrong} of {found.sum()} rows of width {width}")
            self.counts["wrong"] += wrong - 1

    def write(self):
        """Write rows."""
        store, width = self.open()
        indices = self.draw(self.random.choice((1, 10, 200)))
        store.write(make_keys(indices), make_rows(indices, width))
        self.counts["written"] += len(indices)

    def write_few(self):
        """Write a row as services do."""
        width = self.random.choice(WIDTHS)
        indices = self.draw(1)
        store = open_store(self.folder, {"width": width}, width)
        store.write(make_keys(indices), make_rows(indices, width), durable=False)
        self.counts["written"] += 1

    def count(self):
        """Describe the cache."""
        cache_info(self.folder)

    def verify(self):
        """Verify the cache, in which nothing is corrupt."""
        found = verify_cache(self.folder)
        self.counts["verified"] += found["n_rows"]
        if found["n_corrupt"] or found["n_unreadable"]:
            self.report("corrupt", str(found))

    def clear(self):
        """Clear the cache."""
        clear_cache(self.folder)
        self.counts["cleared"] += 1


def run(folder, log, number, seed):
    """Storm, in a process of its own."""
    os.environ["FISHSK_CACHE_LIMIT"] = str(LIMIT)
    Stormer(folder, log, number, seed).storm()


def put_foreign_things(folder):
    """Put a file where settings have folders, and folders where they have files of rows."""
    with contextlib.suppress(OSError):
        (folder / ("0" * 32)).touch()
        for store in folder.iterdir():
            if store.is_dir():
                (store / "foreign.rows1").mkdir(exist_ok=True)


def main(argv=None):
    """Run the storm, print what came of it, and return 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=180)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    context = get_context("forkserver")
    context.set_forkserver_preload(["fishsk.store"])
    chance = random.Random(arguments.seed)
    n_kills = n_stops = n_removals = n_died = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as parent:
        folder, log = Path(parent, "cache"), Path(parent, "log")
        counts = np.memmap(log.with_suffix(".counts"), dtype=np.int64, mode="w+", shape=(N_PROCESSES, 8))

        def start(number):
            process = context.Process(target=run, args=(folder, log, number, chance.random()), daemon=True)
            process.start()
            return process

        def kill(process):
            was_alive = process.is_alive()
            process.kill()
            process.join()
            return was_alive and process.exitcode == -signal.SIGKILL

        processes = [start(number) for number in range(N_PROCESSES)]
        end = time.monotonic() + arguments.seconds
        while time.monotonic() < end:
            time.sleep(chance.uniform(0, 0.5))
            number = chance.randrange(N_PROCESSES)
            victim = processes[number]
            deed = chance.random()
            if deed < 0.5:
                n_died += not kill(victim)
                processes[number] = start(number)
                n_kills += 1
            elif deed < 0.75 and victim.is_alive():
                os.kill(victim.pid, signal.SIGSTOP)
                time.sleep(chance.uniform(0, 0.5))
                os.kill(victim.pid, signal.SIGCONT)
                n_stops += 1
            elif deed < 0.85:
                with contextlib.suppress(OSError):  # somebody writes into it at this very moment
                    shutil.rmtree(folder)
                n_removals += 1
            else:
                put_foreign_things(folder)
        n_died += sum(not kill(process) for process in processes)
        seen = log.read_text(encoding="utf-8") if log.exists() else ""
        totals = dict(zip(COUNTERS, counts.sum(axis=0).tolist(), strict=True))
    print(seen[:10_000], end="", file=sys.stderr)
    print(
        f"{arguments.seconds:.0f} s, {N_PROCESSES} processes, {n_kills} killed, {n_stops} stopped, folder "
        f"removed {n_removals} times, cleared {totals['cleared']:,} times: {totals['read']:,} rows read, "
        f"{totals['wrong']} wrong; {totals['written']:,} written, {totals['verified']:,} verified, "
        f"{totals['corrupt']} corrupt; {totals['raised']} exceptions, {totals['warned']} warnings, "
        f"{n_died} died"
    )
    failures = n_died + sum(totals[counter] for counter in ("wrong", "corrupt", "raised", "warned"))
    return int(failures > 0 or totals["read"] == 0)


if __name__ == "__main__":
    sys.exit(main())
