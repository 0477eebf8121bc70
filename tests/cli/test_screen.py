"""What a command prints is what the user named, whole."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from fishsk.cli import main
from fishsk.cli._evaluation import show_evaluation
from fishsk.cli._screen import Screen, to_plain
from fishsk.inspection._classification import evaluate_classification


@pytest.fixture(params=[80, 160])
def screen(request):
    """Return a screen of a terminal's width, whose text is in ``screen.text()``."""
    screen = Screen()
    screen.console = Console(
        file=io.StringIO(), width=request.param, markup=False, emoji=False, soft_wrap=True, highlight=False
    )
    screen.text = screen.console.file.getvalue
    return screen


def evaluate_constant(n_classes=2, dtype=object):
    """Return the evaluation of a classifier that answers its first class to ten images."""
    classes = np.array([f"kind {index:03d}" for index in range(n_classes)], dtype=dtype)
    proba = np.tile(np.eye(n_classes)[0], (10, 1))
    return evaluate_classification(classes[np.arange(10) % n_classes], proba, classes)


@pytest.mark.parametrize("name", ["x[new].png", "a[/old]/b.png", ":fish:.png", "[bold]"])
def test_fault_61_a_name_is_no_markup(screen, name):
    screen.say(name)
    screen.table([(name, "1")], header=("image", name))
    assert screen.text().count(name) == 3


def test_fault_61_a_name_does_not_steer_the_terminal(screen):
    screen.say("\x1b[2Jgone\udcff.png")
    assert screen.text() == "\\x1b[2Jgone\\udcff.png\n"


def test_the_path_of_a_mistake_is_never_cut(screen):
    origins = [f"{'long_folder/' * 20}{index}.png" for index in range(10)]
    show_evaluation(screen, evaluate_constant(), origins)
    assert origins[1] in screen.text()


def test_labels_of_dtype_object_are_shown(screen):
    show_evaluation(screen, evaluate_constant(dtype=object), [f"{index}.png" for index in range(10)])
    assert json.loads(json.dumps(to_plain(screen.facts)))["mistakes"][0]["true"] == "kind 001"


def test_a_matrix_of_many_classes_is_not_squeezed(screen):
    show_evaluation(screen, evaluate_constant(60), [f"{index}.png" for index in range(10)])
    assert "60 classes is wider than this terminal" in screen.text()
    assert "…" not in screen.text()


def test_facts_are_valid_json():
    facts = {"a": np.float32("nan"), 1: np.arange(2), "b": [np.int64(3), None, True], "c": np.str_("x")}
    assert to_plain(facts) == {"a": None, "1": [0, 1], "b": [3, None, True], "c": "x"}


def test_the_cache_is_described_in_words(model, photos, capsys):
    main(["predict", str(model), str(photos), "--output", "-"])
    capsys.readouterr()
    assert main(["cache", "info"]) == 0
    out = capsys.readouterr().out
    assert out.lower().count("folder:") == 1
    assert "120 rows of features" in out
    assert "block3_pool, block4_pool, block5_pool" in out
    assert "{" not in out


@pytest.mark.parametrize(
    ("n_corrupt", "n_unreadable", "code"), [(0, 0, 0), (2, 0, 1), (0, 1, 1)], ids=["whole", "row", "file"]
)
def test_verify_exits_with_1_where_anything_is_wrong(monkeypatch, n_corrupt, n_unreadable, code):
    found = {"n_rows": 5, "n_corrupt": n_corrupt, "n_unreadable": n_unreadable, "files": []}
    monkeypatch.setattr("fishsk.store.verify_cache", lambda folder: found)
    assert main(["cache", "verify"]) == code
