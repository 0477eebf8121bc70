"""Run the benchmarks one after the other, each in a process of its own."""

import argparse
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent


def main():
    """Run those that are named, or all, and return 1 if one of them failed."""
    names = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=names, help="one benchmark; may be repeated")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that they work, no more")
    parser.add_argument("--repeats", type=int, help="runs of each side (default: each benchmark's own)")
    arguments = parser.parse_args()
    options = ["--quick"] if arguments.quick else []
    if arguments.repeats:
        options += ["--repeats", str(arguments.repeats)]
    failed = []
    for name in arguments.only or names:
        start = time.monotonic()
        if subprocess.run([sys.executable, HERE / f"bench_{name}.py", *options]).returncode:
            failed.append(name)
        print(f"bench_{name}: {(time.monotonic() - start) / 60:.1f} minutes\n", flush=True)
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
