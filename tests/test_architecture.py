"""The rooms of the package, and what its import costs."""

import ast
import json
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import grimp
import pytest
from importlinter.api import read_configuration
from importlinter.contracts.acyclic_siblings import AcyclicSiblingsContract
from importlinter.contracts.layers import LayersContract
from importlinter.contracts.protected import ProtectedContract

import fishsk

PACKAGE = Path(fishsk.__file__).parent
PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
HEAVY = {"tensorflow", "keras", "scikeras", "matplotlib", "optuna", "jinja2", "dask", "pandas", "openvino"}
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
LONGEST = 450  # lines
CONTRACTS = {
    "acyclic_siblings": AcyclicSiblingsContract,
    "layers": LayersContract,
    "protected": ProtectedContract,
}


def name_module(path):
    return path.relative_to(PACKAGE).with_suffix("").as_posix()


def find_broken(graph):
    """Return the names of this project's contracts that a graph of imports breaks."""
    project = read_configuration(str(PYPROJECT))
    contracts = [
        CONTRACTS[options["type"]](options["name"], project["session_options"], options)
        for options in project["contracts_options"]
    ]
    return [each.name for each in contracts if not each.check(deepcopy(graph), verbose=False).kept]


@pytest.fixture(scope="module")
def graph():
    options = read_configuration(str(PYPROJECT))["session_options"]
    without = options["exclude_type_checking_imports"] == "True"
    return grimp.build_graph("fishsk", cache_dir=None, exclude_type_checking_imports=without)


def test_the_contract_is_kept(graph):
    assert find_broken(graph) == []


@pytest.mark.parametrize(
    ("importer", "imported", "contract"),
    [
        ("features._images", "report", "A room uses only the rooms below it"),
        ("head._trainer", "features", "A room uses only the rooms below it"),
        ("inspection._evaluation", "search", "A room uses only the rooms below it"),
        ("store._shards", "store._store", "The modules of a room import each other without a circle"),
        ("report._report", "cli", "Nothing but __main__ imports the command line"),
        ("report._report", "features._weights", "Only features knows the modules of features"),
        ("cli._main", "head._trainer", "Only head knows the modules of head"),
    ],
)
def test_the_contract_fails_where_an_import_breaks_it(graph, importer, imported, contract):
    broken = deepcopy(graph)
    assert {f"fishsk.{importer}", f"fishsk.{imported}"} <= broken.modules
    broken.add_import(importer=f"fishsk.{importer}", imported=f"fishsk.{imported}")
    assert contract in find_broken(broken)


def test_the_contract_fails_where_a_room_is_not_in_it(graph):
    broken = deepcopy(graph)
    broken.add_module("fishsk.attic")
    assert find_broken(broken) == ["A room uses only the rooms below it"]


@pytest.mark.parametrize("path", MODULES, ids=name_module)
def test_every_module_says_what_lives_there_and_is_not_too_long(path):
    text = path.read_text(encoding="utf-8")
    docstring = ast.get_docstring(ast.parse(text))
    assert docstring
    assert len(text.splitlines()) <= LONGEST or f"{LONGEST} lines" in docstring, (
        f"give a reason for more than {LONGEST}"
    )


def test_only_the_head_and_what_it_needs_of_keras_import_keras_at_their_top():
    importers = set()
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if HEAVY & {name.partition(".")[0] for name in names}:
                importers.add(path.relative_to(PACKAGE).parts[0])
    assert importers == {"_compat", "head"}


def test_import_fishsk_loads_no_heavy_library():
    program = "import json, sys, fishsk; dir(fishsk); print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout
    assert (HEAVY | {"sklearn", "numpy"}).isdisjoint(json.loads(out))


@pytest.mark.parametrize("name", fishsk.__all__)
def test_every_public_name_is_there_and_documented(name):
    assert getattr(fishsk, name).__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'VGG19'"):
        fishsk.VGG19  # noqa: B018


@pytest.mark.parametrize("path", MODULES, ids=name_module)
def test_annotations_are_not_evaluated_where_there_are_any(path):
    text = path.read_text(encoding="utf-8")
    annotated = any(
        isinstance(node, ast.AnnAssign)
        or (isinstance(node, ast.arg) and node.annotation)
        or (isinstance(node, ast.FunctionDef) and node.returns)
        for node in ast.walk(ast.parse(text))
    )
    assert "from __future__ import annotations" in text or not annotated
