"""The demo, and a report on 500 images whose features are known: by this source, and by another.

Each side runs in a process of its own. The demo begins with an empty cache folder. Before a report, its
process trains and predicts once, so that all features are in the cache; `write_report` alone is timed.
`--before` names the `src` folder of another checkout to compare with. Seconds of work are those of all
cores together: other programs on the machine change them less.
"""

import json
import os
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from _common import Benchmark, compare, load_fish

import fishsk

_REPORT = """
import json, sys, time
from _common import load_fish
from fishsk import make_fish_pipeline, write_report

folder, n_train, n_test, explain, params = json.loads(sys.argv[1])
X_train, y_train, _ = load_fish(n_train, subset="train")
X, y, _ = load_fish(n_test, subset="test")
pipeline = make_fish_pipeline(**params, random_state=0, features__cache=folder).fit(X_train, y_train)
pipeline.predict(X)
start, work = time.perf_counter(), time.process_time()
write_report(pipeline, X, y, f"{folder}/report.html", X_train=X_train, y_train=y_train, explain=explain)
print(json.dumps({"seconds": time.perf_counter() - start, "seconds_of_work": time.process_time() - work}))
"""
_CIFAR95 = {"weights": "cifar95"}
_RECIPE = {"backbone": ["EfficientNetLite0", "vgg16.cifar95"], "features__efficientnetlite0__image_size": 160}


def main():
    """Time the demo and the report of each side."""
    bench = Benchmark(
        __file__,
        __doc__,
        repeats=3,
        add_arguments=lambda parser: parser.add_argument("--before", type=Path, help="another src folder"),
    )
    sizes = (100, 40) if bench.quick else (None, 500)
    sources = {"": Path(fishsk.__file__).parents[1]}
    if bench.options.before is not None:
        sources = {", before": bench.options.before} | sources
    with TemporaryDirectory() as folder:
        demos = {f"demo{name}": partial(demonstrate, source, folder) for name, source in sources.items()}
        if not bench.quick:
            bench.table(f"The demo, on {load_fish(1)[2]}", compare(demos, bench.repeats))
        sides = {
            f"write_report{name}": partial(write, source, mkdtemp(dir=folder), *sizes)
            for name, source in sources.items()
        }
        now = partial(write, sources[""], mkdtemp(dir=folder), *sizes)
        sides["write_report(explain=False)"] = partial(now, explain=False)
        sides["write_report, the recipe's two networks"] = partial(now, params=_RECIPE)
        rows = compare(sides, bench.repeats)
    bench.table(f"A report on {sizes[1]} of {load_fish(1)[2]}", rows)
    bench.write()


def demonstrate(source, folder):
    """Return the seconds of the demo with the fishsk of a source folder, and an empty cache folder."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    output = mkdtemp(dir=folder)
    _run(source, ["-m", "fishsk", "demo", "--output", output], FISHSK_CACHE=mkdtemp(dir=folder))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"seconds_of_work": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def write(source, folder, n_train, n_test, *, explain=True, params=_CIFAR95):
    """Return the seconds of a report that another process writes with the fishsk of a source folder."""
    output = _run(source, ["-c", _REPORT, json.dumps([folder, n_train, n_test, explain, params])])
    return json.loads(output.splitlines()[-1])


def _run(source, arguments, **environment):
    """Return what Python prints with the fishsk of a source folder."""
    path = os.pathsep.join([str(source.resolve()), str(Path(__file__).parent)])
    environment = os.environ | {"PYTHONPATH": path} | environment
    run = subprocess.run(
        [sys.executable, *arguments], env=environment, check=True, capture_output=True, text=True
    )
    return run.stdout


if __name__ == "__main__":
    main()
