"""The parser, and which errors are the user's."""

import argparse
import json
import subprocess
import sys

import pytest

from fishsk.cli import build_parser, main
from fishsk.cli._main import COMMANDS

HEAVY = {"tensorflow", "keras", "sklearn", "scipy", "matplotlib", "optuna", "numpy", "cv2", "rich"}


def find_commands():
    (commands,) = (a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    return commands.choices


@pytest.fixture
def run_instead(monkeypatch):
    """Let ``cache info`` run a function of the test."""

    def replace(run):
        monkeypatch.setattr("fishsk.cli.commands.cache.run", run)
        return main(["cache", "info"])

    return replace


@pytest.mark.parametrize("arguments", [["--help"], ["tune", "--help"]])
def test_help_loads_no_heavy_library(arguments):
    program = (
        "import json, sys\nfrom fishsk.cli import main\ntry: main(sys.argv[1:])\n"
        "except SystemExit: print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", program, *arguments], check=True, capture_output=True)
    assert HEAVY.isdisjoint(json.loads(run.stderr))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_argument_is_described_and_every_option_shows_its_default(name):
    for action in find_commands()[name]._actions:
        assert action.help, action.dest
        if action.option_strings and action.nargs != 0 and not action.required:
            assert "default: " in action.help, action.dest


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_speaks_json(name):
    assert "--json" in find_commands()[name]._option_string_actions


def test_without_a_command_it_says_how_to_train_on_photographs(capsys):
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.lstrip().startswith("python -m fishsk fit photos/") for line in lines)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_opens_with_an_example(name):
    usage, _, summary, _, heading, example, *_ = find_commands()[name].format_help().splitlines()
    assert usage.startswith(f"usage: python -m fishsk {name} [options]")
    assert summary.endswith(".")
    assert heading.startswith("examples")
    assert example.startswith(f"  python -m fishsk {name}")


def test_a_slip_is_called_a_bug_and_exits_with_70(run_instead, capsys):
    assert run_instead(lambda arguments, screen: None + 1) == 70
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    assert "this is a bug in fishsk (TypeError: unsupported" in error
    assert "--debug" in error


def test_a_missing_key_is_a_bug_too(run_instead, capsys):
    assert run_instead(lambda arguments, screen: {}["features"]) == 70
    assert "(KeyError: 'features')" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error", [ValueError("too few"), OSError(28, "No space left"), ImportError("no pandas"), MemoryError()]
)
def test_what_users_can_fix_is_one_line_and_no_bug(run_instead, capsys, error):
    def fail(arguments, screen):
        raise error

    assert run_instead(fail) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"fishsk: error: {str(error) or 'MemoryError'} (what helps: https://")


def test_debug_shows_the_traceback_of_a_bug(monkeypatch):
    monkeypatch.setattr("fishsk.cli.commands.cache.run", lambda arguments, screen: {}["features"])
    with pytest.raises(KeyError):
        main(["cache", "info", "--debug"])
