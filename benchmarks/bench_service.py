"""`python -m fishsk serve` over loopback: answers a second, latency and memory with 1, 8 and 64 clients.

A model of the default recipe is trained in this process. The service is another process, as a user starts it;
each client keeps a connection, and sends the next photograph of 400 x 400 pixels when the last is answered.
The clients are threads of this process, and share the cores with the service. "CPU ms" are those of the
service, of user and system, which hardly depend on what else the machine does. Growth of memory is the mean
of the last quarter of the time less that of the second quarter, of all processes of the service together.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import numpy as np
from _common import Benchmark
from bench_predict import save_photograph, train

_SIZE = (400, 400)
_CLIENTS = (1, 8, 64)
_MAIN = "import sys; from fishsk.cli import main; sys.exit(main(sys.argv[1:]))"
_AS_USUAL = ("-m", "fishsk")
_ONE_BY_ONE = (
    "-c",
    f"from fishsk.serve._batches import Batches as b; b.__init__.__kwdefaults__['most'] = 1; {_MAIN}",
)


def main():
    """Ask services with one process and with one for each core, and one that makes no batches."""
    bench = Benchmark(__file__, __doc__, repeats=1, add_arguments=add_arguments)
    seconds = bench.options.seconds or (2 if bench.quick else 120)
    n_cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    with TemporaryDirectory() as folder:
        os.environ["FISHSK_CACHE"] = str(Path(folder, "cache"))
        model = train(Path(folder), 20 if bench.quick else 100)
        paths = [save_photograph(Path(folder, f"{seed}.jpg"), seed, _SIZE) for seed in range(50)]
        photographs = [path.read_bytes() for path in paths]
        services = {
            "1 worker": (_AS_USUAL, 1, _CLIENTS),
            f"{n_cores} workers": (_AS_USUAL, n_cores, _CLIENTS),
            "1 worker, one image at a time": (_ONE_BY_ONE, 1, _CLIENTS[1:]),
        }
        rows = []
        for name, (program, n_workers, counts) in services.items():
            with serving(program, model, n_workers) as (process, address):
                for _ in range(20):  # networks, pages of memory
                    load(address, photographs[:1], 1, seconds=0)
                for n_clients in counts:
                    before = find_cpu_seconds(process.pid)
                    with measured_memory(process.pid, seconds) as memory:
                        found = load(address, photographs, n_clients, seconds)
                    work = 1000 * (find_cpu_seconds(process.pid) - before) / max(1, found["answers"])
                    facts = found | {"CPU_ms_an_answer": work} | memory
                    rows.append({"service": name, "clients": n_clients} | facts)
    bench.table(f"Photographs of {_SIZE[0]} x {_SIZE[1]}, the default recipe, {seconds:g} seconds", rows)
    bench.write()


def add_arguments(parser):
    """Add the option of this program."""
    parser.add_argument("--seconds", type=float, help="of each number of clients (default 120; quick: 2)")


@contextmanager
def serving(program, model, n_workers):
    """Yield the process of a service, and its host and port."""
    command = [sys.executable, *program, "serve", model, "--port", "0", "--json", "--workers", str(n_workers)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines = "".join(iter(process.stdout.readline, "}\n"))
        yield process, urlsplit(json.loads(f"{lines}}}")["url"]).netloc
        process.send_signal(signal.SIGINT)
    if process.returncode:
        raise RuntimeError(f"The service ended with {process.returncode}.")


def load(address, photographs, n_clients, seconds):
    """Return what clients found who ask, each again and again."""
    end = time.perf_counter() + seconds
    milliseconds, errors = [], []

    def ask(number):
        with closing(http.client.HTTPConnection(address, timeout=60)) as connection:
            for turn in range(number, sys.maxsize, n_clients):
                start = time.perf_counter()
                try:
                    connection.request("POST", "/predict", photographs[turn % len(photographs)])
                    response = connection.getresponse()
                    (answer,) = json.load(response)["images"]
                    if response.status != 200 or "class" not in answer:
                        errors.append(answer)
                except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                    errors.append(repr(error))
                    connection.close()
                milliseconds.append(1000 * (time.perf_counter() - start))
                if time.perf_counter() > end:
                    return

    clients = [threading.Thread(target=ask, args=(number,)) for number in range(n_clients)]
    start = time.perf_counter()
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    for error in errors[:3]:
        print(error, file=sys.stderr)
    middle, most = np.percentile(milliseconds, [50, 95])
    return {
        "answers_per_second": (len(milliseconds) - len(errors)) / (time.perf_counter() - start),
        "median_ms": middle,
        "95_of_100_below_ms": most,
        "slowest_ms": max(milliseconds),
        "answers": len(milliseconds) - len(errors),
        "errors": len(errors),
    }


@contextmanager
def measured_memory(pid, seconds):
    """Yield a dict that in the end holds the memory of a process and its children, and its growth."""
    found, ended = {}, threading.Event()
    kept = []

    def watch():
        while not ended.wait(seconds / 100):
            kept.append(find_memory(pid))

    thread = threading.Thread(target=watch)
    thread.start()
    yield found
    ended.set()
    thread.join()
    quarters = np.array_split(kept, 4)
    found |= {"memory_MB": max(kept), "growth_MB": np.mean(quarters[3]) - np.mean(quarters[1])}


def list_processes(pid):
    """Return a process and its children."""
    return [pid, *Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def find_cpu_seconds(pid):
    """Return the seconds of processors that a process and its children have taken."""
    stats = [Path(f"/proc/{each}/stat").read_text(encoding="ascii") for each in list_processes(pid)]
    ticks = [sum(map(int, stat.rpartition(")")[2].split()[11:13])) for stat in stats]  # of user and system
    return sum(ticks) / os.sysconf("SC_CLK_TCK")


def find_memory(pid):
    """Return the MB that a process and its children take, pages that they share counted once."""
    n_kilobytes = 0
    for each in list_processes(pid):
        text = Path(f"/proc/{each}/smaps_rollup").read_text(encoding="ascii")
        n_kilobytes += next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return n_kilobytes / 1000


if __name__ == "__main__":
    main()
