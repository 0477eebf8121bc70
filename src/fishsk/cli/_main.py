"""The table of the commands, the parser they share, and what the command line says of errors."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import shlex
import sys
from collections.abc import Sequence

from fishsk._utils.reading import read_once
from fishsk._utils.versions import find_url
from fishsk.cli._screen import Screen

# In the order of the help; each is a module of `commands`.
COMMANDS = (
    *("demo", "fit", "evaluate", "predict", "tune", "report", "compare", "curve", "check"),
    *("similar", "next", "sort", "drift", "features", "serve", "export", "cache"),
)

_START = """\
fishsk trains classifiers of photographs, on frozen deep features, with scikit-learn.

Your own photographs, one folder per class (photos/ray/1.jpg, photos/shark/2.jpg, ...):
  python -m fishsk check photos/                     broken files, duplicates, likely wrong labels
  python -m fishsk fit photos/                       train, and write model.fishsk
  python -m fishsk predict model.fishsk unknown/     write predictions.csv

No photographs at hand:
  python -m fishsk demo                              train, test and explain a fish classifier
"""
# fishsk and the libraries it rests on refuse values with ValueError; files, networks and missing packages
# come as OSError and ImportError. All other errors are bugs.
_FOR_USERS = (ValueError, OSError, ImportError, MemoryError)
_BUG = 70  # sysexits.h's EX_SOFTWARE, an internal software error


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command, by the arguments of the process or `argv`, and return its exit status.

    It is 0 where all went well, 1 where something could not be done, 2 where the arguments are wrong (by
    SystemExit, as argparse does it), 70 where fishsk has a bug, and 130 where the user interrupted.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    argv = sys.argv[1:] if argv is None else list(argv)
    if not argv:
        print(f"{_START}\nAll commands: python -m fishsk --help")
        return 0
    arguments = build_parser().parse_args(argv)
    arguments.command_line = shlex.join(["python", "-m", "fishsk", *argv])
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        screen = Screen(as_json=arguments.json)
        with read_once():
            code = arguments.run(arguments, screen) or 0
        screen.show_facts()
        return code
    except KeyboardInterrupt:
        print("fishsk: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if arguments.debug:
            raise
        text = " ".join(str(error).split())
        if isinstance(error, _FOR_USERS):
            site = find_url("Documentation")
            page = f" (what helps: {site}troubleshooting.html)" if site else ""
            print(f"fishsk: error: {text or type(error).__name__}{page}", file=sys.stderr)
            return 1
        issues = find_url("Issues")
        print(
            f"fishsk: this is a bug in fishsk ({type(error).__name__}: {text}). Run the same command with "
            f"--debug, and report it{f' at {issues}' if issues else ''} with the traceback that this prints.",
            file=sys.stderr,
        )
        return _BUG


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m fishsk", description=_START, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(metavar="command", required=True)
    for name in COMMANDS:
        module = importlib.import_module(f"fishsk.cli.commands.{name}")
        summary = (module.__doc__ or name).partition("\n")[0]  # python -OO leaves the name
        command = commands.add_parser(
            name,
            help=f"{summary[0].lower()}{summary[1:-1]}",
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.add_argument(
            "--json", action="store_true", help="print one JSON object, words go to standard error"
        )
        command.add_argument("--debug", action="store_true", help="show the traceback of an error")
        command.set_defaults(run=module.run)
        words = ["%(prog)s [options]"]
        for action in command._actions:
            if not action.option_strings:
                words.append(f"{action.metavar or action.dest}{' ...' if action.nargs == '+' else ''}")
            elif action.nargs != 0 and not action.required and "(default: " not in str(action.help):
                default = "none" if action.default is None else "%(default)s"
                action.help = f"{action.help} (default: {default})"
        command.usage = " ".join(words)  # the options are listed once, below the examples
    return parser
