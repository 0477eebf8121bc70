import re
import shlex
from pathlib import Path

import pytest

from fishsk.cli._main import build_parser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.rst"))]
TRAINING = ("fit", "tune")


def find_commands(page):
    """Return the arguments of each command of fishsk that stands on a line of its own."""
    lines = re.findall(r"^(?:   +\$ )?python -m fishsk (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return [shlex.split(line.split(" || ")[0], comments=True) for line in lines]


@pytest.mark.parametrize("page", [page for page in PAGES if find_commands(page)], ids=lambda page: page.stem)
def test_documented_commands_are_understood_and_use_models_that_were_trained_above(page):
    written = set()
    for arguments in find_commands(page):
        parsed = build_parser().parse_args(arguments)
        used = {argument for argument in arguments if argument.endswith(".fishsk")}
        if arguments[0] in TRAINING:
            written.add(parsed.model)
        elif written:  # a page that trains nothing starts from a model of the reader's
            assert used <= written, f"{' '.join(arguments)}: no command above writes {used - written}"
