"""What every benchmark needs: options, taking turns, memory, images, a table, and a JSON file."""

import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import re
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import joblib
import numpy as np
from _table import format_value
from rich import box
from rich.console import Console
from rich.table import Table

import fishsk
from fishsk.datasets import fetch_cifar100_fish, make_fish_images

RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("tensorflow", "keras", "scikit-learn", "scikeras", "numpy", "opencv-python-headless", "torch")


class Benchmark:
    """The options of one program, the tables that it prints, and the JSON file that it leaves.

    Parameters
    ----------
    file : str
        The program's ``__file__``, whose stem names the JSON file.
    doc : str
        The program's docstring, whose first line says what is compared.
    repeats : int
        How often each side runs, where ``--repeats`` does not say.
    add_arguments : callable or None, default=None
        Adds options of the program's own to an `ArgumentParser`.

    Attributes
    ----------
    quick : bool
        Whether tiny sizes are wanted, which show that the program works and measure nothing.
    repeats : int
        How often each side runs.
    options : argparse.Namespace
        All options, the program's own among them.
    """

    def __init__(self, file, doc, *, repeats, add_arguments=None):
        title = doc.partition("\n")[0]
        parser = argparse.ArgumentParser(description=title)
        parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it works, no more")
        parser.add_argument("--repeats", type=int, help=f"runs of each side (default {repeats}; quick: 2)")
        parser.add_argument("--output", type=Path, help="the JSON file (default: benchmarks/results/)")
        if add_arguments is not None:
            add_arguments(parser)
        self.options = arguments = parser.parse_args()
        self.quick = arguments.quick
        self.repeats = arguments.repeats or (2 if self.quick else repeats)
        name = Path(file).stem
        self.output = arguments.output or RESULTS / f"{name}{'.quick' if self.quick else ''}.json"
        self._document = {
            "benchmark": name,
            "title": title,
            "quick": self.quick,
            "repeats": self.repeats,
            "started": _now(),
            "machine": describe_machine(),
            "tables": [],
            "notes": [],
        }
        self._console = Console(highlight=False, soft_wrap=True)
        self._console.width = max(120, self._console.width)  # a file or pipe counts as 80 columns
        self._console.print(title, style="bold")

    def table(self, title, rows):
        """Print rows, which are dicts, and write them with their lists, so that a stopped run keeps them."""
        columns = [
            name
            for name in dict.fromkeys(name for row in rows for name in row)
            if not any(isinstance(row.get(name), list) for row in rows)
        ]
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
        for name in columns:
            table.add_column(name.replace("_", " "), justify="left" if name == columns[0] else "right")
        for row in rows:
            table.add_row(*(format_value(row.get(name, "")) for name in columns))
        self._console.print(table)
        self._document["tables"].append({"title": title, "rows": rows})
        self._save()

    def note(self, text):
        """Print a sentence that a reader of the tables must know, and keep it for the JSON file."""
        self._console.print(text, markup=False)
        self._document["notes"].append(text)

    def write(self):
        """Write the JSON file, and say where it is."""
        self._save()
        self._console.print(f"Written to {self.output}", markup=False)

    def _save(self):
        """Write the JSON file, whole or not at all."""
        self._document |= {"ended": _now(), "load_average_at_end": os.getloadavg()}
        self.output.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.output.with_suffix(".tmp")
        temporary.write_text(json.dumps(self._document, indent=2) + "\n", encoding="utf-8")
        os.replace(temporary, self.output)


def compare(sides, repeats, *, warm_up=False):
    """Run all sides in turn, several times, and return a row for each.

    A load that comes and goes falls on all sides alike, so that ratios within a round are steadier than
    seconds.

    Parameters
    ----------
    sides : dict of str to callable
        The first is what the others are compared with. A side may return a dict of numbers, whose medians
        join its row; one with "seconds" has timed itself.
    repeats : int
        Rounds, in each of which every side runs once; every other round begins at the other end.
    warm_up : bool, default=False
        Whether each side runs once before, uncounted.

    Returns
    -------
    list of dict
        "side", the median "seconds", the median "speed" (how many times as fast as the first side of the same
        round), its "lowest" and "highest", and "runs", the seconds of each round; and what the side returned.
    """
    found = {name: [] for name in sides}
    if warm_up:
        for side in sides.values():
            side()
    for turn in range(repeats):
        for name in list(sides)[:: -1 if turn % 2 else 1]:
            start = time.perf_counter()
            value = sides[name]()
            seconds = time.perf_counter() - start
            found[name].append({"seconds": seconds} | (value if isinstance(value, dict) else {}))
    runs = {name: np.array([facts["seconds"] for facts in found[name]]) for name in sides}
    reference = next(iter(runs.values()))
    rows = []
    for name, seconds in runs.items():
        speeds = reference / seconds
        medians = {key: float(np.median([facts[key] for facts in found[name]])) for key in found[name][0]}
        rows.append(
            {
                "side": name,
                **medians,
                "speed": float(np.median(speeds)),
                "lowest": float(speeds.min()),
                "highest": float(speeds.max()),
                "runs": seconds.tolist(),
            }
        )
    return rows


def choose_batch_size(run, batch_sizes):
    """Return the batch size at which `run`, a function of it, is fastest, and the rows of the comparison."""
    sides = {f"batch size {size}": lambda size=size: run(size) for size in batch_sizes}
    rows = compare(sides, 3, warm_up=True)
    return batch_sizes[int(np.argmin([row["seconds"] for row in rows]))], rows


def per_second(rows, n_images):
    """Return rows with a column of images a second after that of the seconds."""
    return [
        {"side": row["side"], "seconds": row["seconds"], "images_per_second": n_images / row["seconds"]} | row
        for row in rows
    ]


def largest_difference(features, expected):
    """Return how much two arrays differ at most, as a fraction of the largest number expected."""
    return np.abs(features - expected).max() / np.abs(expected).max()


def timed(function, *args, **kwargs):
    """Return what a function returns, and the seconds that it took."""
    start = time.perf_counter()
    value = function(*args, **kwargs)
    return value, time.perf_counter() - start


def timed_cpu(function, *args, **kwargs):
    """Return what a function returns, its seconds, and the seconds of processors that its threads took.

    The latter hardly depend on what else the machine does.
    """
    start = time.process_time()
    value, seconds = timed(function, *args, **kwargs)
    return value, seconds, time.process_time() - start


def in_fresh_process(function, *args):
    """Return what a function of a module's top level returns in a new interpreter."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        return executor.submit(function, *args).result()


def memory_mb(kind="VmHWM"):
    """Return this process's memory in MB: "VmHWM" is its highest so far, "VmRSS" that of now."""
    # getrusage's highest is no substitute on Linux: a new process starts with that of its parent.
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except FileNotFoundError:
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    return int(re.search(rf"{kind}:\s+(\d+) kB", status)[1]) * 1024 / 1e6


def load_fish(n_samples=None, *, subset="all"):
    """Return fish images, labels and where they come from: FISHSK_DATA's real ones, else drawn ones.

    Parameters
    ----------
    n_samples : int or None, default=None
        How many, drawn with a fixed seed; None is all of them.
    subset : {"all", "train", "test"}, default="all"
        Which of CIFAR-100's parts. Drawn ones are as many.
    """
    try:
        X, y = fetch_cifar100_fish(subset=subset, download_if_missing=False, return_X_y=True)
        source = "CIFAR-100's fish"
    except OSError:
        size, seed = {"all": (3000, 0), "train": (2500, 0), "test": (500, 1)}[subset]
        X, y = make_fish_images(size if n_samples is None else n_samples, random_state=seed)
        source = "drawn fish"
    chosen = np.random.RandomState(0).permutation(len(X))[:n_samples]
    return X[chosen], y[chosen], source


def describe_machine():
    """Return what a reader needs to know to compare these seconds with their own."""
    versions = {"python": platform.python_version(), "fishsk": fishsk.__version__}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": joblib.cpu_count(),
        "system": platform.platform(terse=True),
        "load_average": os.getloadavg(),
        # fishsk sets it before TensorFlow is imported, so it holds for every side.
        "TF_ENABLE_ONEDNN_OPTS": os.environ.get("TF_ENABLE_ONEDNN_OPTS"),
        "versions": versions,
    }


def _processor():
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except FileNotFoundError:
        return platform.processor()
    found = re.search(r"model name\s*:\s*(.+)", lines)
    return found[1] if found else platform.machine()


def _now():
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
