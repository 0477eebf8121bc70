"""A report on 500 images whose features are known: with heat maps and without, by this source and another.

Each side runs in a process of its own: it trains, predicts once, so that all features are in the cache, and
times `write_report` alone. `--before` names the `src` folder of another checkout to compare with.
"""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from _common import Benchmark, compare, load_fish

import fishsk

_PROGRAM = """
import json, sys, time
from _common import load_fish
from fishsk import make_fish_pipeline, write_report

folder, n_train, n_test, explain = json.loads(sys.argv[1])
X_train, y_train, _ = load_fish(n_train, subset="train")
X, y, _ = load_fish(n_test, subset="test")
pipeline = make_fish_pipeline(weights="cifar95", random_state=0, features__cache=folder).fit(X_train, y_train)
pipeline.predict(X)
start, work = time.perf_counter(), time.process_time()
write_report(pipeline, X, y, f"{folder}/report.html", X_train=X_train, y_train=y_train, explain=explain)
print(json.dumps({"seconds": time.perf_counter() - start, "seconds_of_work": time.process_time() - work}))
"""


def main():
    """Time the report of each side."""
    bench = Benchmark(
        __file__,
        __doc__,
        repeats=3,
        add_arguments=lambda parser: parser.add_argument("--before", type=Path, help="another src folder"),
    )
    sizes = (100, 40) if bench.quick else (None, 500)
    now = Path(fishsk.__file__).parents[1]
    with TemporaryDirectory() as folder:
        sides = {"write_report": partial(write, now, folder, *sizes)}
        if bench.options.before is not None:
            other = mkdtemp(dir=folder)
            sides = {"write_report, before": partial(write, bench.options.before, other, *sizes)} | sides
        sides["write_report(explain=False)"] = partial(write, now, folder, *sizes, explain=False)
        rows = compare(sides, bench.repeats)
    bench.table(f"A report on {sizes[1]} of {load_fish(1)[2]}", rows)
    bench.write()


def write(source, folder, n_train, n_test, *, explain=True):
    """Return the seconds of a report that another process writes with the fishsk of a source folder."""
    path = os.pathsep.join([str(source.resolve()), str(Path(__file__).parent)])
    run = subprocess.run(
        [sys.executable, "-c", _PROGRAM, json.dumps([folder, n_train, n_test, explain])],
        env=os.environ | {"PYTHONPATH": path},
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(run.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
