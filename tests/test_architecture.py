"""The floors of the package, and what its import costs."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import fishsk

PACKAGE = Path(fishsk.__file__).parent
FLOORS = [
    {"_images", "_process", "_progress", "_shards", "_stamp", "_store"},
    {"_head", "_training", "_vgg16", "_weights", "datasets"},
    {"_pipeline"},
    {
        "_axes",
        "_duplicates",
        "_evaluation",
        "_persistence",
        "_persistence_archive",
        "_persistence_keras",
        "_persistence_steps",
        "_prediction_grid",
        "_search",
        "_search_space",
        "_search_study",
        "_search_trials",
        "_training_curve",
    },
    {"_report", "_report_figures"},
    {"_cli", "_console", "_demo"},
]
# Modules of one part, which may import each other.
PARTS = [
    {"_shards", "_store"},
    {"_vgg16", "_weights"},
    {"_head", "_training"},
    {"_axes", "_prediction_grid", "_training_curve"},
    {"_persistence", "_persistence_archive", "_persistence_keras", "_persistence_steps"},
    {"_search", "_search_space", "_search_study", "_search_trials"},
    {"_report", "_report_figures"},
    {"_cli", "_console", "_demo"},
]
HEAVY = {"tensorflow", "keras", "scikeras", "matplotlib", "optuna", "jinja2", "dask", "pandas"}


def find_modules():
    return sorted(path for path in PACKAGE.rglob("*.py") if path.name not in ("__init__.py", "__main__.py"))


def find_name(path):
    """Return the module's name, or the name of its sub-package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def find_floor(name):
    floors = [floor for floor, names in enumerate(FLOORS) if name in names]
    assert floors, f"{name} stands on no floor: add it to DESIGN and to this test"
    return floors[0]


def find_imports(path):
    """Return the names of the modules of fishsk that a file imports, at its top or inside functions."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("fishsk"))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            if node.module == "fishsk":
                yield from (f"fishsk.{alias.name}" for alias in node.names)
            elif node.module and node.module.startswith("fishsk."):
                yield node.module


@pytest.mark.parametrize("path", find_modules(), ids=lambda path: path.stem)
def test_a_floor_imports_only_lower_floors(path):
    name = find_name(path)
    for module in find_imports(path):
        imported = module.split(".")[1]
        together = imported == name or any({name, imported} <= part for part in PARTS)
        instruments = find_floor(name) == find_floor(imported) >= 3
        assert together or instruments or find_floor(imported) < find_floor(name), (
            f"{name} imports {imported}"
        )


@pytest.mark.parametrize("path", find_modules(), ids=lambda path: path.stem)
def test_nothing_imports_the_package_itself_or_the_command_line(path):
    assert {"fishsk", "fishsk._cli", "fishsk.__main__"}.isdisjoint(find_imports(path))


@pytest.mark.parametrize("path", find_modules(), ids=lambda path: path.stem)
def test_every_module_says_what_lives_there(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


def test_only_the_head_and_its_training_import_keras_at_their_top():
    importers = set()
    for path in find_modules():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if HEAVY & {name.partition(".")[0] for name in names}:
                importers.add(path.stem)
    assert importers == {"_head", "_training"}


def test_import_fishsk_loads_no_heavy_library():
    program = "import json, sys, fishsk; dir(fishsk); print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True).stdout
    assert HEAVY.isdisjoint(json.loads(out))


@pytest.mark.parametrize("name", fishsk.__all__)
def test_every_public_name_is_there_and_documented(name):
    assert getattr(fishsk, name).__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'VGG19'"):
        fishsk.VGG19  # noqa: B018
