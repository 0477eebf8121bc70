"""Saved pipelines: what survives, what is refused, and what a hostile or damaged file can do."""

import copy
import io
import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
import tracemalloc
import warnings
import zipfile
from hashlib import sha256
from pathlib import Path

import joblib
import numpy as np
import pytest
from quick import write_safetensors
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from fishsk import (
    KerasHeadClassifier,
    export_model,
    load_pipeline,
    make_fish_pipeline,
    save_pipeline,
)
from fishsk._version import __version__
from fishsk.persistence._archive import dump, pack
from fishsk.persistence._steps import get_digests, to_file

DOCUMENT, MANIFEST = "schema.json", "fishsk.json"
LABELS = np.array(["ray", "shark", "trout"] * 8)

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_safetensors(tmp_path_factory.mktemp("weights") / "narrow.safetensors")


@pytest.fixture(scope="module")
def images():
    """Return smooth images, which stay what they are when they are resized."""
    colors = np.random.default_rng(0).integers(0, 256, (24, 2, 2, 3))
    return np.repeat(np.repeat(colors, 16, axis=1), 16, axis=2).astype(np.uint8)


def make_pipeline(weights, **params):
    pipeline = make_fish_pipeline(
        weights=weights,
        features__layers=["block1_pool", "block2_pool"],
        features__pooling="avg",
        features__cache=None,
        head__hidden_units=3,
        head__l2=0.0,
        head__epochs=2,
        head__validation_fraction=0.25,
        random_state=0,
    )
    return pipeline.set_params(**params)


@pytest.fixture(scope="module")
def fitted(weights, images):
    return make_pipeline(weights).fit(images, LABELS)


@pytest.fixture(scope="module")
def partly_fitted():
    """Return a pipeline that has learned an optimizer's state and the names of features, from no images."""
    import pandas as pd

    X = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 4)), columns=list("abcd"))
    head = KerasHeadClassifier(hidden_units=2, random_state=0)
    for _ in range(2):
        head.partial_fit(X, np.arange(20) % 2, classes=[0, 1, 2])
    return Pipeline([("head", head)])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "fish model.zip"


@pytest.fixture
def saved(fitted, path):
    save_pipeline(fitted, path)
    return path


def read_members(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def join_members(members, *, seal=True, compression=zipfile.ZIP_STORED):
    """Return a model file of these members, with the manifest's digests put right."""
    members = dict(members)
    if seal:
        manifest = json.loads(members[MANIFEST])
        for name in manifest["members"].keys() & members.keys():
            manifest["members"][name] = sha256(members[name]).hexdigest()
        members[MANIFEST] = json.dumps(manifest).encode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return file.getvalue()


def write(pipeline, path):
    """Write a pipeline as it is, without the checks of `save_pipeline`."""
    path.write_bytes(pack(dump(to_file(pipeline), []), get_digests(pipeline)))


@pytest.mark.parametrize("scale", [StandardScaler(), StandardScaler(with_mean=False), "passthrough", None])
def test_a_loaded_pipeline_predicts_the_same_bits(weights, images, path, scale):
    pipeline = make_pipeline(weights, scale=scale).fit(images, LABELS)
    save_pipeline(pipeline, path)
    loaded = load_pipeline(path)
    np.testing.assert_array_equal(loaded.predict_proba(images), pipeline.predict_proba(images))
    assert loaded.predict(images).tolist() == pipeline.predict(images).tolist()


def test_everything_learned_survives(fitted, saved):
    before, after = fitted["head"], load_pipeline(saved)["head"]
    for name in ("classes_", "n_features_in_", "history_", "n_iter_", "best_epoch_", "overfit_epoch_"):
        np.testing.assert_equal(getattr(after, name), getattr(before, name))
    assert after.classes_.dtype == before.classes_.dtype
    scale = load_pipeline(saved)["scale"]
    assert {name: type(value) for name, value in vars(scale).items()} == {
        name: type(value) for name, value in vars(fitted["scale"]).items()
    }


def test_feature_names_and_partial_fit_go_on_where_they_were(partly_fitted, path):
    save_pipeline(partly_fitted, path)
    heads = [load_pipeline(path)["head"], copy.deepcopy(partly_fitted["head"])]
    assert heads[0].feature_names_in_.tolist() == list("abcd")
    assert heads[0].classes_.tolist() == [0, 1, 2]
    X = np.random.default_rng(1).normal(size=(20, 4))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        proba = [head.partial_fit(X, np.arange(20) % 3).predict_proba(X) for head in heads]
    np.testing.assert_array_equal(*proba)


def test_flattened_images_keep_their_number_of_columns(weights, images, path):
    pipeline = make_pipeline(weights, features__image_shape=(32, 32, 3)).fit(images.reshape(24, -1), LABELS)
    save_pipeline(pipeline, path)
    with pytest.raises(ValueError, match="3072 features"):
        load_pipeline(path).predict(images.reshape(24, -1)[:, 1:])


def test_parameters_come_back_as_they_were(fitted, weights, path, tmp_path):
    pipeline = copy.deepcopy(fitted).set_params(
        features__image_size=(32, 32),
        features__input_range=[0, 255],
        features__batch_size=np.int64(7),
        features__cache=tmp_path / "féatures",
        head__class_weight={"ray": 1.5, "shark": 2, "trout": 1},
        head__l2=1e-300,
    )
    save_pipeline(pipeline, path)
    before, after = pipeline.get_params(), load_pipeline(path).get_params()
    assert before.keys() == after.keys()
    for name in before.keys() - {"steps", "features", "scale", "head"}:
        expected = os.fspath(before[name]) if isinstance(before[name], os.PathLike) else before[name]
        assert (after[name], type(after[name])) == (expected, type(expected)), name
    assert after["features__weights"] == str(weights)


def test_the_best_estimator_of_a_search_is_saved(weights, images, path):
    pipeline = make_pipeline(weights, head__validation_fraction=0)
    search = GridSearchCV(pipeline, {"head__dropout": [0.2]}, cv=2).fit(images, LABELS)
    with pytest.raises(TypeError, match=r"must be a sklearn\.pipeline\.Pipeline(?s:.*)best_estimator_"):
        save_pipeline(search, path)
    save_pipeline(search.best_estimator_, path)
    np.testing.assert_array_equal(load_pipeline(path).predict_proba(images), search.predict_proba(images))


@pytest.mark.parametrize("compress", [0, 3])
def test_joblib_works_too(fitted, images, path, compress):
    joblib.dump(fitted, path, compress=compress)
    np.testing.assert_array_equal(joblib.load(path).predict_proba(images), fitted.predict_proba(images))


def test_pickle_works_too(fitted, images):
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.predict_proba(images), fitted.predict_proba(images))
    assert loaded["head"].history_ == fitted["head"].history_


def test_the_same_pipeline_gives_the_same_bytes(fitted, saved, tmp_path):
    save_pipeline(load_pipeline(saved), tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == saved.read_bytes()
    assert {DOCUMENT, MANIFEST} < read_members(saved.read_bytes()).keys()


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"head__callbacks": "TerminateOnNaN"}, r"set_params\(head__callbacks=None\)"),
        ({"head__fit__callbacks": "TerminateOnNaN"}, r"set_params\(head__fit__callbacks=None\)"),
        ({"head__dropout": 2.0}, "dropout"),
        ({"features__layers": ["block1_pool"]}, "as many features as it was fitted on, 8.* give 4"),
        ({"scale": FunctionTransformer(os.path.join)}, "The step 'scale' cannot be saved.*join"),
        ({"scale": Pipeline([("pca", PCA())])}, "The step 'scale__pca' has not learned anything"),
        ({"scale": StandardScaler()}, "The step 'scale' has not learned anything"),
        (
            {"scale": type("StandardScaler", (MinMaxScaler,), {})().fit(np.eye(8))},
            "it holds .*StandardScaler",
        ),
        ({"memory": "folder"}, r"set_params\(memory=None\)"),
    ],
)
def test_what_cannot_be_saved_is_named(fitted, path, params, match):
    with pytest.raises(ValueError, match=match):
        save_pipeline(copy.deepcopy(fitted).set_params(**params), path)
    assert not path.exists()


def test_an_unfitted_pipeline_is_not_saved(weights, path):
    with pytest.raises(NotFittedError):
        save_pipeline(make_pipeline(weights), path)


def test_a_missing_file_or_folder_is_an_oserror(fitted, tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        load_pipeline(tmp_path / "absent.zip")
    with pytest.raises(FileNotFoundError, match="absent"):
        save_pipeline(fitted, tmp_path / "absent" / "model.zip")


class Offset(BaseEstimator):
    """A transformer that keeps what it has learned to itself."""

    def fit(self, X, y=None):
        self._offset = X.mean(axis=0)
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X - self._offset


def test_fault_35_types_of_ones_own_are_refused_unless_they_are_trusted(weights, images, path):
    pipeline = make_pipeline(weights, scale=Offset()).fit(images, LABELS)
    with pytest.raises(ValueError, match=r"The step 'scale' cannot be saved as data: it holds .*Offset"):
        save_pipeline(pipeline, path)
    save_pipeline(pipeline, path, trusted=[Offset])
    with pytest.raises(ValueError, match=r"it names .*Offset, not among .*pass trusted="):
        load_pipeline(path)
    loaded = load_pipeline(path, trusted=[Offset])
    np.testing.assert_array_equal(loaded.predict_proba(images), pipeline.predict_proba(images))


def test_fault_33_a_model_from_another_version_gives_a_warning(saved, images):
    version = json.dumps(f'"{__version__}"')
    members = read_members(saved.read_bytes())
    members[DOCUMENT] = members[DOCUMENT].replace(version.encode(), rb'"\"0.0.7\""')
    saved.write_bytes(join_members(members))
    with pytest.warns(UserWarning, match=r"was written by fishsk 0\.0\.7, and is read by \d"):
        loaded = load_pipeline(saved)
    assert loaded.predict(images).shape == (24,)


def test_fault_33_a_newer_format_is_refused(saved):
    members = read_members(saved.read_bytes())
    members[MANIFEST] = members[MANIFEST].replace(b'"format": 1', b'"format": 2')
    saved.write_bytes(join_members(members))
    with pytest.raises(ValueError, match=r"format must be 1, and is 2: install the fishsk"):
        load_pipeline(saved)


@pytest.mark.parametrize("step", ["features", "head"])
def test_fault_33_a_pickle_from_another_version_gives_a_warning(fitted, step):
    from importlib.metadata import version

    content = pickle.dumps(fitted[step])
    stamp = version("fishsk").encode()
    assert content.count(stamp) == 1
    with pytest.warns(UserWarning, match="was written by fishsk 9"):
        pickle.loads(content.replace(stamp, b"9" + stamp[1:]))


@pytest.mark.parametrize(
    ("index", "change", "match"),
    [
        (2, lambda array: array[:2], r"'output_kernel' .* float32 of shape \(3, 3\)"),
        (1, lambda array: array * np.nan, "'hidden_bias' must be an array of finite"),
        (1, np.float64, "Got float64"),
    ],
)
def test_fault_34_a_weight_that_does_not_fit_is_named(fitted, path, index, change, match):
    pipeline = copy.deepcopy(fitted)
    weights = pipeline["head"]._network.weights
    weights[index] = change(weights[index])
    write(pipeline, path)
    with pytest.raises(ValueError, match=rf"fish model\.zip.*{match}"):
        load_pipeline(path)


@pytest.mark.parametrize("fault", ["cut", "zeros", "empty", "flipped"])
def test_fault_34_a_corrupt_model_is_named(saved, fault):
    content = saved.read_bytes()
    at = content.index("trout".encode("utf-32-le"))
    saved.write_bytes(
        {
            "cut": content[:-100],
            "zeros": bytes(len(content)),
            "empty": b"",
            "flipped": content[:at] + b"T" + content[at + 1 :],
        }[fault]
    )
    with pytest.raises(
        ValueError, match=r"fish model\.zip' cannot be loaded: it is no zip.*save the pipeline"
    ):
        load_pipeline(saved)


def test_fault_34_a_member_that_was_exchanged_is_found_by_its_digest(saved):
    members = read_members(saved.read_bytes())
    members[DOCUMENT] = members[DOCUMENT].replace(b"relu", b"tanh")
    saved.write_bytes(join_members(members, seal=False))
    with pytest.raises(ValueError, match=r"it is corrupt: the SHA-256"):
        load_pipeline(saved)


def test_fault_34_frozen_weights_that_have_changed_are_named(tmp_path, images, path):
    weights = write_safetensors(tmp_path / "own.safetensors")
    save_pipeline(make_pipeline(str(weights)).fit(images, LABELS), path)
    write_safetensors(weights, mean="[0, 0, 0]")
    with pytest.raises(
        ValueError, match=r"fish model\.zip.*own\.safetensors.* of step 'features' must be those"
    ):
        load_pipeline(path)
    weights.unlink()
    with pytest.raises(ValueError, match=r"fish model\.zip.*own\.safetensors', which is no file"):
        load_pipeline(path)


class Bomb:
    """Leave a file behind if it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def write_hostile_file(kind, path, members, bomb):
    code = pickle.dumps(bomb)
    if kind == "pickle":
        path.write_bytes(code)
    elif kind == "joblib":
        joblib.dump(bomb, path)
    elif kind == "numpy":
        with open(path, "wb") as file:
            np.savez(file, arrays=np.array([bomb], dtype=object))
    elif kind == "keras":
        import keras

        model = keras.Sequential([keras.Input((1,)), keras.layers.Lambda(lambda x: x)])
        model.save(path.with_suffix(".keras"))
        path.with_suffix(".keras").replace(path)
    elif kind == "pickle beside":
        path.write_bytes(join_members(members | {"model.pkl": code}))
    else:
        path.write_bytes(join_members(members | {kind: code}))


@pytest.mark.parametrize(
    "kind", ["pickle", "joblib", "numpy", "keras", "pickle beside", DOCUMENT, "../climbs.json"]
)
def test_fault_35_nothing_in_a_hostile_file_is_executed(saved, tmp_path, kind):
    members = read_members(saved.read_bytes())
    write_hostile_file(kind, saved, members, Bomb(tmp_path / "executed"))
    with pytest.raises(ValueError, match=r"fish model\.zip' cannot be loaded"):
        load_pipeline(saved)
    assert os.listdir(tmp_path) == ["fish model.zip"]


def test_fault_35_a_zip_bomb_is_not_inflated(saved):
    members = read_members(saved.read_bytes())
    members[DOCUMENT] += b" " * 50_000_000
    saved.write_bytes(join_members(members, compression=zipfile.ZIP_DEFLATED))
    del members
    tracemalloc.start()
    with pytest.raises(ValueError, match="uncompressed"):
        load_pipeline(saved)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


HOSTILE_EDITS = {
    "callbacks": lambda model: model["head"].set_params(callbacks="BackupAndRestore"),
    "routed callbacks": lambda model: model["head"].set_params(fit__callbacks="BackupAndRestore"),
    "a model": lambda model: vars(model["head"]).update(model="os.system"),
    "a network": lambda model: vars(model["head"]).update(_network={"weights": []}),
    "a backbone": lambda model: vars(model["features"]).update(layers=3),
    "a folder of pickles": lambda model: vars(model).update(memory="folder"),
    "width": lambda model: model["features"].set_params(layers=["block1_pool"]),
    "size": lambda model: model["features"].set_params(image_size=("a", "b")),
    "no steps": lambda model: model.steps.clear(),
    "nothing learned": lambda model: vars(model["head"]).pop("_seed"),
}


@pytest.mark.parametrize("name", HOSTILE_EDITS)
def test_fault_35_files_of_what_no_pipeline_can_be_are_refused(fitted, path, name):
    data = to_file(fitted)
    HOSTILE_EDITS[name](data)
    path.write_bytes(pack(dump(data, []), get_digests(fitted)))
    with pytest.raises(ValueError, match=r"fish model\.zip' cannot be loaded: .*save_pipeline"):
        load_pipeline(path)


def damage(rng, content, other):
    """Return a damaged model file."""
    action = rng.random()
    at, length = rng.randrange(len(content)), rng.choice([1, 4, 30, 300])
    if action < 0.4:
        damaged = bytearray(content)
        for _ in range(rng.choice([1, 1, 2, 8])):
            damaged[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        return bytes(damaged)
    if action < 0.5:
        return content[:at]
    start = rng.randrange(len(other))
    if action < 0.8:
        return content[:at] + other[start : start + length] + content[rng.choice([at, at + length]) :]
    members, others = read_members(content), read_members(other)
    name = rng.choice(sorted(members.keys() & others.keys()))
    return join_members(members | {name: others[name]}, seal=False)


@pytest.mark.parametrize("n_files", [100, pytest.param(10_000, marks=pytest.mark.slow)])
def test_fault_35_damaged_files_load_right_or_not_at_all(partly_fitted, path, n_files):
    rng = random.Random(0)
    scale = StandardScaler().fit(np.eye(4))
    contents = []
    for pipeline in (partly_fitted, Pipeline([("scale", scale)])):
        save_pipeline(pipeline, path)
        contents.append(path.read_bytes())
    n_refused = 0
    for _ in range(n_files):
        path.write_bytes(damage(rng, contents[0], contents[1]))
        try:
            loaded = load_pipeline(path)
        except ValueError:
            n_refused += 1
            continue
        save_pipeline(loaded, path)
        assert path.read_bytes() in contents
    assert 0.5 * n_files < n_refused < n_files


# Imports once, then forks a process for each line of its input, which saves two pipelines by turns for ever.
SAVER = """
import os, signal, sys
import joblib
import skops.io
from fishsk.persistence._save import save_pipeline

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
pipelines = joblib.load(sys.argv[1])
for line in sys.stdin:
    pid = os.fork()
    while pid == 0:
        for pipeline in pipelines[:: int(line)]:
            save_pipeline(pipeline, sys.argv[2])
    print(pid, flush=True)
"""


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@needs_fork
@pytest.mark.parametrize(
    ("n_kills", "n_torn"), [(4, 1), pytest.param(32, 4, marks=pytest.mark.slow)], ids=["few", "dozens"]
)
def test_fault_47_the_old_file_outlives_kill(tmp_path, path, n_kills, n_torn):
    rng = random.Random(0)
    X = np.random.default_rng(0).normal(size=(2, 3, 30_000))
    pipelines = [Pipeline([("scale", StandardScaler())]).fit(rows) for rows in X]
    joblib.dump(pipelines, tmp_path / "pipelines.joblib")
    contents = []
    for pipeline in pipelines:
        save_pipeline(pipeline, path)
        contents.append(path.read_bytes())
    saver = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SAVER, tmp_path / "pipelines.joblib", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
    )
    seen: list[int] = []  # which of the two was found whole
    n_halves = 0  # temporary files of those that died while they wrote
    path.write_bytes(contents[0])
    while len(seen) < n_kills or n_halves < n_torn or len(set(seen)) < 2:
        print(1 if seen[-1:] == [1] else -1, file=saver.stdin, flush=True)  # the other one first
        pid = int(saver.stdout.readline())
        time.sleep(rng.uniform(0, 0.1))
        os.kill(pid, signal.SIGKILL)
        while is_running(pid):
            time.sleep(0.001)
        seen.append(contents.index(path.read_bytes()))
        for half in tmp_path.glob("*.tmp"):
            n_halves += 1
            half.unlink()
        assert len(seen) < 1000
    saver.communicate(timeout=60)
    assert load_pipeline(path)["scale"].n_features_in_ == 30_000


@pytest.mark.parametrize("operation", ["fsync", "replace"])
@pytest.mark.parametrize("save", [save_pipeline, export_model])
def test_fault_47_a_failed_save_leaves_the_old_file(fitted, tmp_path, monkeypatch, save, operation):
    def fail(*args):
        raise OSError(28, os.strerror(28))

    (tmp_path / "model.keras").write_bytes(b"old")
    monkeypatch.setattr(os, operation, fail)
    with pytest.raises(OSError, match="No space left"):
        save(fitted, tmp_path / "model.keras")
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]


EXPORTED = {
    "default": {},
    "report": {
        "features__pooling": None,
        "features__preprocessing": "unit",
        "features__image_size": (32, 48),
        "scale": "passthrough",
        "head__hidden_units": 16,
    },
    "mirrored": {"features__views": "mirror", "features__pooling": "max", "head__hidden_units": 0},
    "views": {
        "features__views": "mirror",
        "features__image_size": (40, 32),
    },
    "caffe": {"features__preprocessing": "caffe", "features__input_range": (0, 1)},
}
SIZES = [(32, 32), (20, 24), (64, 96), (20, 77), (133, 211)]

# Keras alone: what else the models might need cannot be imported.
PREDICTOR = """
import sys
import numpy as np

sys.modules |= dict.fromkeys(["fishsk", "sklearn", "scikeras", "cv2"])
import keras

with np.load("images.npz") as images:
    models = {name: keras.saving.load_model(f"{name}.keras") for name in {key.split()[0] for key in images}}
    np.savez("proba.npz", **{key: models[key.split()[0]](images[key]) for key in images})
"""


@pytest.mark.parametrize(
    ("names", "sizes"),
    [
        (["views"], [(32, 32), (20, 77)]),
        pytest.param(list(EXPORTED), SIZES, marks=pytest.mark.slow),
    ],
    ids=["one", "all"],
)
def test_exported_models_need_keras_alone_and_agree(weights, images, tmp_path, names, sizes):
    import cv2

    batches, expected = {}, {}
    for name in names:
        params = EXPORTED[name]
        scale = np.float32(1 / 255) if name == "caffe" else 1
        pipeline = make_pipeline(weights, **params).fit(images * scale, LABELS)
        export_model(pipeline, tmp_path / f"{name}.keras")
        for height, width in sizes:
            key = f"{name} {height} x {width}"
            resized = np.array([cv2.resize(image, (width, height)) for image in images])
            batches[key] = resized * scale
            expected[key] = pipeline.predict_proba(batches[key])
    np.savez(tmp_path / "images.npz", **batches)
    subprocess.run([sys.executable, "-W", "ignore", "-c", PREDICTOR], cwd=tmp_path, check=True)
    with np.load(tmp_path / "proba.npz") as proba:
        assert proba.keys() == expected.keys()
        for key in expected:
            np.testing.assert_allclose(proba[key], expected[key], rtol=0, atol=1e-5, err_msg=key)
            assert expected[key].std(axis=0).max() > 0.01


def test_only_what_an_exported_model_can_hold_is_exported(fitted, partly_fitted, weights, tmp_path):
    with pytest.raises(ValueError, match=r"path must end in .*'\.keras'"):
        export_model(fitted, tmp_path / "model.h5")
    with pytest.raises(ValueError, match=r"optionally a StandardScaler.*Got \[KerasHeadClassifier"):
        export_model(partly_fitted, tmp_path / "model.keras")
    with pytest.raises(NotFittedError):
        export_model(make_pipeline(weights), tmp_path / "model.keras")
