"""scikit-learn's own callbacks on KerasHeadClassifier: each epoch is a task of the fit."""

import numpy as np
import pytest
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import make_classification
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV

from fishsk import KerasHeadClassifier


@pytest.fixture(scope="module")
def data():
    """Return 120 rows of 3 classes."""
    return make_classification(120, 6, n_informative=5, n_redundant=0, n_classes=3, random_state=0)


def make_head(**params):
    defaults = {"hidden_units": 8, "learning_rate": 0.02, "epochs": 3, "random_state": 0}
    return KerasHeadClassifier(**defaults | params)


class Recorder:
    """Write down what it is told; ask to stop after epoch `stop`, and fail in epoch `fail`."""

    def __init__(self, stop=None, fail=None):
        self.stop, self.fail, self.tasks = stop, fail, []

    def setup(self, estimator, context):
        self.tasks.append("setup")

    def on_fit_task_begin(self, estimator, context):
        self.tasks.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self.tasks.append(("end", context.task_name, context.task_id))
        self.last = X, y, metadata, fitted_estimator
        if context.task_name == "epoch" and context.task_id == self.fail:
            raise ValueError("the callback failed")
        return context.task_name == "epoch" and context.task_id == self.stop

    def teardown(self, estimator, context):
        self.tasks.append("teardown")


def test_epochs_are_tasks_inside_the_fit(data):
    recorder = Recorder()
    make_head(epochs=2).set_callbacks(recorder).fit(*data)
    epochs = [(event, "epoch", epoch) for epoch in range(2) for event in ("begin", "end")]
    assert recorder.tasks == ["setup", ("begin", "fit", 0), *epochs, ("end", "fit", 0), "teardown"]


def test_a_callback_can_stop_training(data):
    head = make_head(epochs=9).set_callbacks(Recorder(stop=1)).fit(*data)
    assert head.n_iter_ == 2


def test_a_failing_callback_ends_the_fit_and_is_torn_down(data):
    recorder = Recorder(fail=1)
    with pytest.raises(ValueError, match="the callback failed"):
        make_head().set_callbacks(recorder).fit(*data)
    assert recorder.tasks[-1] == "teardown"


def test_callbacks_get_the_training_part_and_a_head_that_predicts(data):
    X, y = data
    recorder, weight = Recorder(), np.arange(1.0, len(y) + 1)
    head = make_head(validation_fraction=0.25).set_callbacks(recorder).fit(X, y, sample_weight=weight)
    part, labels, metadata, fitted = recorder.last
    assert len(part) == len(labels) == 90
    rows = metadata["sample_weight"].astype(int) - 1
    np.testing.assert_array_equal(part, X[rows].astype(np.float32))
    np.testing.assert_array_equal(labels, y[rows])
    np.testing.assert_array_equal(fitted.predict_proba(X), head.predict_proba(X))


def test_watching_changes_no_bit(data):
    watched, plain = make_head().set_callbacks(Recorder()).fit(*data), make_head().fit(*data)
    np.testing.assert_array_equal(watched.predict_proba(data[0]), plain.predict_proba(data[0]))


def test_the_scoring_monitor_scores_each_epoch(data):
    monitor = ScoringMonitor(scoring="accuracy")
    head = make_head(validation_fraction=0, dropout=0.0).set_callbacks(monitor).fit(*data)
    scores = {(row["task_name"], row["task_id"]): row["accuracy"] for row in monitor.get_logs().data}
    assert sorted(scores) == [("epoch", 0), ("epoch", 1), ("epoch", 2), ("fit", 0)]
    assert scores["epoch", 2] == scores["fit", 0] == accuracy_score(data[1], head.predict(data[0]))
    assert scores["epoch", 0] != scores["epoch", 2]


def test_epochs_show_inside_a_searchs_progress(data, capsys):
    search = GridSearchCV(make_head(), {"dropout": [0.2, 0.5]}, cv=2).set_callbacks(ProgressBar())
    search.fit(*data)
    assert capsys.readouterr().out.count("KerasHeadClassifier - fit") >= 4


def test_the_two_kinds_of_callbacks_are_told_apart(data):
    with pytest.raises(TypeError, match="to set_callbacks"):
        make_head(callbacks=[Recorder()]).fit(*data)
    with pytest.raises(TypeError, match="FitCallback"):
        make_head().set_callbacks("EarlyStopping")
    both = make_head(epochs=9, callbacks="EarlyStopping").set_params(callbacks__min_delta=100)
    recorder = Recorder()
    both.set_callbacks(recorder).fit(*data)
    assert recorder.tasks.count(("end", "epoch", 1)) == 1
    assert both.n_iter_ == 2
