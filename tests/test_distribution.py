"""What is packed: the source distribution passes its own tests, the wheel holds the package alone."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[1]
LARGEST = 10 * 2**20  # it has 6 MB, of which 4.4 are the weights that ship


@pytest.fixture(scope="module")
def tracked():
    if not (ROOT / ".git").exists():
        pytest.skip("needs the repository, to tell what belongs to it")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return {name for name in names.decode().split("\0") if (ROOT / name).is_file()}


def list_packed(builder):
    return {file.relative_path for file in builder(str(ROOT)).recurse_included_files()}


def test_the_source_distribution_holds_all_that_is_tracked(tracked):
    # Hatchling adds .gitignore by itself.
    assert sorted(tracked - list_packed(SdistBuilder)) in ([], [".gitignore"])


def test_the_source_distribution_holds_nothing_that_is_ignored(tracked):
    for name in list_packed(SdistBuilder) - tracked:
        ignored = subprocess.run(["git", "check-ignore", "-q", name], cwd=ROOT, check=False)
        assert ignored.returncode, name


def test_the_source_distribution_is_small():
    assert sum((ROOT / name).stat().st_size for name in list_packed(SdistBuilder)) < LARGEST


def test_the_wheel_holds_the_package_alone(tracked):
    packed = {Path(name).as_posix() for name in list_packed(WheelBuilder)}
    assert packed >= {name for name in tracked if name.startswith("src/fishsk/")}
    assert all(name.startswith("src/fishsk/") for name in packed)


def test_the_workflow_and_the_hooks_run_what_tox_has():
    tox = (ROOT / "tox.ini").read_text(encoding="utf-8")
    environments = set(re.findall(r"^\[testenv:(\w+)\]", tox, re.MULTILINE)) | {"py"}
    workflow = (ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"tox run -e ([\w,]+)", workflow)) | set(
        re.findall(r"environment: \[(.*)\]", workflow)
    )
    assert {name.strip() for names in named for name in names.split(",")} <= environments
    lint = tox.partition("[testenv:lint]")[2].partition("[testenv:types]")[0]
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    for tool in re.findall(r'additional_dependencies: \["(.*)"\]', hooks):
        assert tool in lint


def test_the_workflow_runs_every_python_that_is_promised():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    promised = [name.rsplit(" ", 1)[1] for name in project["classifiers"] if "Python :: 3." in name]
    workflow = (ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8")
    assert re.findall(r'"(3\.\d+)"', re.search(r"python: \[(.*)\]", workflow)[1]) == promised
