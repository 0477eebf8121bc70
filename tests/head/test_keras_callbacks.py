"""Callbacks of Keras on KerasHeadClassifier: each works as with Keras's own fit."""

import http.server
import subprocess
import sys
import textwrap
import threading

import keras
import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.model_selection import GridSearchCV

from fishsk import KerasHeadClassifier


@pytest.fixture(scope="module")
def data():
    """Return 120 rows of 3 classes."""
    X, y = make_classification(120, 6, n_informative=5, n_redundant=0, n_classes=3, random_state=0)
    return X.astype(np.float32), y


def make_head(**params):
    defaults = {"hidden_units": 8, "learning_rate": 0.02, "epochs": 3, "l2": 1e-3, "random_state": 0}
    return KerasHeadClassifier(**defaults | params)


def same(first, second):
    return all(map(np.array_equal, first._network.weights, second._network.weights))


class Server:
    """Count the requests of a RemoteMonitor."""

    def __enter__(self):
        bodies = self.bodies = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


# How each built-in callback is made, and what it must leave behind.
CALLBACKS = {
    "BackupAndRestore": lambda folder: (keras.callbacks.BackupAndRestore(folder / "backup"), None),
    "Callback": lambda folder: (keras.callbacks.Callback(), None),
    "CSVLogger": lambda folder: (keras.callbacks.CSVLogger(folder / "log.csv"), "log.csv"),
    "EarlyStopping": lambda folder: (keras.callbacks.EarlyStopping(patience=9), None),
    "LambdaCallback": lambda folder: (keras.callbacks.LambdaCallback(), None),
    "LearningRateScheduler": lambda folder: (keras.callbacks.LearningRateScheduler(lambda e: 0.02), None),
    "ModelCheckpoint": lambda folder: (keras.callbacks.ModelCheckpoint(folder / "m.keras"), "m.keras"),
    "ProgbarLogger": lambda folder: (keras.callbacks.ProgbarLogger(), None),
    "ReduceLROnPlateau": lambda folder: (keras.callbacks.ReduceLROnPlateau(patience=9), None),
    "TensorBoard": lambda folder: (keras.callbacks.TensorBoard(folder / "logs", write_graph=False), "logs"),
    "TerminateOnNaN": lambda folder: (keras.callbacks.TerminateOnNaN(), None),
}
ELSEWHERE = {
    "CallbackList",  # no callback, but a list of them
    "History",  # history_ says the same
    "OrbaxCheckpoint",  # needs orbax
    "RemoteMonitor",
    "SwapEMAWeights",
}


def test_every_callback_of_keras_is_looked_at():
    known = {name for name, value in vars(keras.callbacks).items() if isinstance(value, type)}
    assert known == CALLBACKS.keys() | ELSEWHERE


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_callback_of_keras_works_and_changes_no_bit(data, tmp_path, name, capsys):
    callback, left = CALLBACKS[name](tmp_path)
    assert same(make_head(callbacks=callback).fit(*data), make_head().fit(*data))
    assert left is None or (tmp_path / left).exists()


def test_a_remote_monitor_tells_each_epoch(data):
    with Server() as server:
        make_head(callbacks=keras.callbacks.RemoteMonitor(root=server.url)).fit(*data)
    assert len(server.bodies) == 3


def test_averages_of_weights_are_refused_as_keras_does(data):
    with pytest.raises(ValueError, match="use_ema"):
        make_head(callbacks=keras.callbacks.SwapEMAWeights()).fit(*data)


@pytest.mark.slow
def test_a_checkpoint_loads_where_there_is_no_fishsk(data, tmp_path):
    checkpoint = keras.callbacks.ModelCheckpoint(tmp_path / "m.keras")
    head = make_head(callbacks=checkpoint, calibration=None).fit(*data)
    np.save(tmp_path / "X.npy", data[0])
    script = """
        import sys
        sys.modules |= dict.fromkeys(["fishsk", "sklearn", "scikeras"])
        import keras, numpy as np
        model = keras.saving.load_model("m.keras")
        np.save("proba.npy", model.predict(np.load("X.npy"), verbose=0))
        model.fit(np.load("X.npy"), np.zeros(120), verbose=0)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "proba.npy"), head.predict_proba(data[0]), atol=1e-6)


def test_validation_is_a_test_to_callbacks(data):
    seen = []

    class Recorder(keras.callbacks.Callback):
        def on_test_begin(self, logs=None):
            seen.append("begin")

        def on_test_batch_end(self, batch, logs=None):
            seen.append((batch, sorted(logs)))

        def on_test_end(self, logs=None):
            seen.append(logs["loss"])

    head = make_head(epochs=1, callbacks=Recorder()).fit(*data)
    assert seen == ["begin", (0, ["accuracy", "loss"]), head.history_["val_loss"][0]]


def test_a_callback_that_compiles_the_model_anew_changes_no_later_fit(data):
    class Recompiler(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.compile(keras.optimizers.SGD(1.0), "mse")

    before = make_head().fit(*data)
    make_head(callbacks=Recompiler()).fit(*data)
    after = make_head(callbacks=keras.callbacks.ReduceLROnPlateau("loss", min_delta=9, patience=1)).fit(*data)
    assert same(make_head().fit(*data), before)
    assert not same(after, before)


def test_parameters_of_a_callback_that_is_taken_away_do_nothing(data):
    head = make_head(callbacks="EarlyStopping").set_params(callbacks__patience=1, callbacks__min_delta=100)
    assert head.fit(*data).n_iter_ == 2
    assert head.set_params(callbacks=None).fit(*data).n_iter_ == 3
    grid = {"callbacks": [None, "EarlyStopping"], "callbacks__patience": [1, 2]}
    search = GridSearchCV(head, grid, cv=2, scoring=lambda head, X, y: head.n_iter_).fit(*data)
    assert search.cv_results_["mean_test_score"].tolist() == [3, 3, 2, 3]


def test_fault_57_an_interrupted_fit_goes_on_from_its_backup(data, tmp_path):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    backup = keras.callbacks.BackupAndRestore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        make_head(epochs=5, callbacks=[backup, Interrupt()]).fit(*data)
    head = make_head(epochs=5, callbacks=backup).fit(*data)
    assert head.n_iter_ == 3
    assert same(head, make_head(epochs=5).fit(*data))
    assert make_head(epochs=5).fit(*data).n_iter_ == 5


def test_accuracy_counts_rows_as_keras_does(data):
    X, y = data
    weight = np.arange(len(y)) % 3 + 1.0
    params = {"dropout": 0.0, "batch_size": len(y), "validation_fraction": 0, "lr_factor": 1}
    model = make_head(**params).initialize(X, y).model_
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(0.02), loss, metrics=["accuracy"], weighted_metrics=[loss])
    fit = {"batch_size": len(y), "epochs": 3, "verbose": 0}
    history = model.fit(X, y, sample_weight=weight / weight.mean(), **fit).history
    head = make_head(**params).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(head.history_["accuracy"], history["accuracy"], rtol=1e-6)
    np.testing.assert_allclose(head.history_["loss"], history[loss], rtol=1e-5)


def test_an_orbax_checkpoint_needs_orbax_or_works(data, tmp_path):
    try:
        callback = keras.callbacks.OrbaxCheckpoint(directory=tmp_path)
    except ImportError as error:
        pytest.skip(str(error))
    assert same(make_head(callbacks=callback).fit(*data), make_head().fit(*data))
    assert list(tmp_path.iterdir())
