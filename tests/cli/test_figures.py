"""The figures of a search."""

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from PIL import Image
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from fishsk.cli import _figures
from fishsk.inspection import evaluate

SPACE = {
    "head__dropout": optuna.distributions.FloatDistribution(0, 0.8),
    "head__l2": optuna.distributions.FloatDistribution(1e-6, 1e-1, log=True),
    "head__hidden_units": optuna.distributions.CategoricalDistribution([0, 128]),
}


def make_study(n_finished, n_pruned=0):
    """Return a study of made-up accuracies."""
    study = optuna.create_study(direction="maximize")
    for index in range(n_finished + n_pruned):
        params = {
            "head__dropout": index / 40,
            "head__l2": 10.0 ** -(1 + index % 5),
            "head__hidden_units": 128,
        }
        state = TrialState.COMPLETE if index < n_finished else TrialState.PRUNED
        value = 0.6 + 0.3 * index / 40 if state == TrialState.COMPLETE else None
        study.add_trial(
            create_trial(
                params=params,
                distributions=SPACE,
                value=value,
                state=state,
                intermediate_values={0: 0.4, 1: 0.45},
            )
        )
    return study


@pytest.mark.parametrize(("n_finished", "importances"), [(4, False), (12, True)])
def test_importances_need_ten_trials(tmp_path, n_finished, importances):
    written = [path.name for path in _figures.save_study_figures(tmp_path, make_study(n_finished, 2))]
    assert written == ["history.png", "parameters.png", *(["importances.png"] if importances else [])]
    for name in written:
        with Image.open(tmp_path / name) as picture:
            assert picture.width > 400


def test_long_choices_are_named_by_their_numbers_and_trials_are_whole(tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        _figures, "_save", lambda folder, figures: drawn.update(figures) or [*map(folder.joinpath, figures)]
    )
    space = {"features": optuna.distributions.CategoricalDistribution(["0: the first network", "1: another"])}
    study = optuna.create_study(direction="maximize")
    for value, choice in ((0.5, "1: another"), (0.6, "0: the first network")):
        study.add_trial(create_trial(params={"features": choice}, distributions=space, value=value))
    _figures.save_study_figures(tmp_path, study)
    assert "accuracy" in drawn["history.png"].axes[0].get_ylabel()
    assert [tick for tick in drawn["history.png"].axes[0].get_xticks() if 0 <= tick <= 1] == [0, 1]
    assert sorted(tick.get_text() for tick in drawn["parameters.png"].axes[0].get_xticklabels()) == ["0", "1"]


def test_the_confusion_matrix_is_titled_and_its_names_end_at_their_ticks():
    X, y = load_iris(return_X_y=True)
    (ax, _) = _figures._draw_confusion(evaluate(LogisticRegression(max_iter=1000).fit(X, y), X, y)).axes
    assert ax.get_title() == "150 test images by true and predicted class"
    assert {label.get_rotation_mode() for label in ax.get_xticklabels()} == {"anchor"}
    assert {label.get_ha() for label in ax.get_xticklabels()} == {"right"}


def test_a_search_without_a_finished_trial_has_no_figures(tmp_path):
    assert _figures.save_study_figures(tmp_path, make_study(0, 2)) == []
