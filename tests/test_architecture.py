"""The rooms of the package, and what its import costs."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fishsk

PACKAGE = Path(fishsk.__file__).parent
PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
HEAVY = {"tensorflow", "keras", "scikeras", "matplotlib", "optuna", "jinja2", "dask", "pandas", "openvino"}
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))
LONGEST = 450  # lines


def name_module(path):
    return path.relative_to(PACKAGE).with_suffix("").as_posix()


def check_contract(folder):
    """Run import-linter on the package in a folder, with the contract of this project."""
    program = "from importlinter.cli import lint_imports_command as run; run()"
    command = [sys.executable, "-c", program, "--config", str(PYPROJECT), "--no-cache"]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Return a folder with a copy of the package's modules, to be broken."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(PACKAGE, folder / "fishsk", ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    return folder


def test_the_contract_is_kept(copy):
    run = check_contract(copy)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("features/_images.py", "import fishsk.report", "A room uses only the rooms below it"),
        ("head/_training.py", "import fishsk.features", "A room uses only the rooms below it"),
        ("search/_space.py", "def f():\n    import fishsk.report", "A room uses only the rooms below it"),
        ("inspection/_evaluation.py", "import fishsk._pipeline as p\nimport fishsk.search", "A room uses"),
        ("attic.py", "", "A room uses only the rooms below it"),
        ("store/_shards.py", "def f():\n    import fishsk.store._store", "without a circle"),
        ("report/_report.py", "import fishsk.cli", "Nothing but __main__ imports the command line"),
        ("report/_report.py", "import fishsk.features._weights", "Only features knows"),
        ("cli/_main.py", "def f():\n    import fishsk.head._training", "Only head knows"),
    ],
)
def test_the_contract_fails_where_it_is_broken(copy, module, line, contract):
    path = copy / "fishsk" / module
    before = path.read_text(encoding="utf-8") if path.exists() else None
    path.write_text(f"{before or ''}\n{line}\n", encoding="utf-8")
    run = check_contract(copy)
    path.unlink() if before is None else path.write_text(before, encoding="utf-8")
    assert run.returncode == 1, run.stdout + run.stderr
    assert f"{contract}" in run.stdout.partition("Broken contracts")[2]


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
