"""Try a library that docs/comparison.rst compares with fishsk: a JSON line of what a small program of it did.

    uv venv peers
    uv pip install -p peers torch torchvision skorch "embetter[vision]" fastai ultralytics keras
    KERAS_BACKEND=torch peers/bin/python tools/try_neighbors.py skorch

Orange3-ImageAnalytics and autogluon.multimodal need environments of their own. Each program trains on 30
drawn images in three folders, with a small network of the library, as its documentation begins. Where
something fails, such as weights that cannot be downloaded, the line holds the error.
"""

import json
import pickletools
import sys
import tempfile
import warnings
import zipfile
from functools import partial
from importlib.metadata import version
from pathlib import Path
from unittest import mock

import numpy as np
from PIL import Image

N_IMAGES, SIZE = 30, 64
_TIMM = "mobilenetv3_small_100"


def main():
    """Run the program of one library and print what it did."""
    name = sys.argv[1]
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        paths, y = draw(Path(folder, "photos"))
        found = {"library": name} | PROGRAMS[name](Path(folder), paths, y)
    print(json.dumps(found))


def draw(folder):
    """Return the paths and labels of images of noise around three colors."""
    rng = np.random.default_rng(0)
    y = np.repeat(["blue", "green", "red"], N_IMAGES // 3)
    paths = []
    for number, label in enumerate(y):
        pixels = rng.integers(0, 128, (SIZE, SIZE, 3), dtype=np.uint8)
        pixels[..., ["red", "green", "blue"].index(label)] += 100
        paths.append(folder / "train" / label / f"{number}.png")
        paths[-1].parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(paths[-1])
    return list(map(str, paths)), y


def attempt(function):
    """Return True, or the first line of what a function raises."""
    try:
        function()
    except BaseException as error:  # some libraries exit
        return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"[
            :200
        ]
    return True


def holds_pickle(path):
    """Return whether a file, or a member of a zip file, is a pickle, whose loading can execute code."""
    contents = [Path(path).read_bytes()]
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            contents = [file.read(name) for name in file.namelist()]
    return any(map(_is_pickle, contents))


def _is_pickle(content):
    try:
        return any(opcode.name in ("GLOBAL", "STACK_GLOBAL") for opcode, _, _ in pickletools.genops(content))
    except Exception:
        return False


def cross_validate(estimator, X, y):
    """Return whether scikit-learn's cross-validation takes an estimator, and calls it a classifier."""
    from sklearn.base import is_classifier
    from sklearn.model_selection import cross_val_score

    return {
        "cross_val_score": attempt(lambda: cross_val_score(estimator, X, y, cv=3, error_score="raise")),
        "is_classifier": attempt(lambda: is_classifier(estimator) or sys.exit("is_classifier is False")),
    }


def try_embetter(folder, paths, y):
    """Images as rows of one of timm's networks."""
    import joblib
    import timm
    from embetter.vision import ImageLoader, TimmEncoder
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    found = {"version": version("embetter"), "weights_offline": attempt(partial(TimmEncoder, _TIMM))}
    create = timm.create_model
    with mock.patch(
        "timm.create_model", lambda name, **params: create(name, **params | {"pretrained": False})
    ):
        encoder = TimmEncoder(_TIMM)
    encoder.model.eval()
    pipeline = make_pipeline(ImageLoader(), encoder, LogisticRegression())
    found |= cross_validate(pipeline, paths, y)
    joblib.dump(pipeline.fit(paths, y), folder / "model")
    return found | {"saved_as_pickle": holds_pickle(folder / "model")}


def try_skorch(folder, paths, y):
    """A network of PyTorch as a classifier of scikit-learn."""
    import torch
    from skorch import NeuralNetClassifier

    X = np.stack([np.asarray(Image.open(path), dtype=np.float32).transpose(2, 0, 1) / 255 for path in paths])
    labels = np.unique(y, return_inverse=True)[1].astype(np.int64)
    module = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(3 * SIZE**2, 3), torch.nn.Softmax(dim=-1)
    )
    net = NeuralNetClassifier(module, max_epochs=2, verbose=0)
    found = {"version": version("skorch")} | cross_validate(net, X, labels)
    found["labels_of_text"] = attempt(lambda: net.fit(X, y))
    net.fit(X, labels).save_params(f_params=folder / "torch.pt")
    net.save_params(f_params=folder / "net.safetensors", use_safetensors=True)
    return found | {
        "saved_as_pickle": {name: holds_pickle(folder / name) for name in ("torch.pt", "net.safetensors")}
    }


def try_keras(folder, paths, y):
    """Keras's own wrapper for scikit-learn."""
    import keras
    from keras.wrappers import SKLearnClassifier

    def build(X, y):
        layers = [keras.Input(X.shape[1:]), keras.layers.Flatten(), keras.layers.Dense(y.shape[1], "softmax")]
        model = keras.Sequential(layers)
        model.compile("adam", "categorical_crossentropy")
        return model

    X = np.stack([np.asarray(Image.open(path), dtype=np.float32) / 255 for path in paths])
    flat = X.reshape(len(X), -1)
    found = {
        "version": version("keras"),
        "images": attempt(lambda: SKLearnClassifier(build).fit(X, y, verbose=0)),
    }
    found |= cross_validate(SKLearnClassifier(build, fit_kwargs={"verbose": 0}), flat, y)
    found["predict_proba"] = hasattr(SKLearnClassifier(build), "predict_proba")
    found["weights_offline"] = attempt(lambda: keras.applications.MobileNetV2(include_top=False))
    model = build(flat, np.eye(3)[np.zeros(3, dtype=int)])
    model.save(folder / "model.keras")
    return found | {"saved_as_pickle": holds_pickle(folder / "model.keras")}


def try_fastai(folder, paths, y):
    """The vision_learner of fastai, as its documentation begins."""
    from fastai.vision.all import ImageDataLoaders, Resize, resnet18, vision_learner

    data = ImageDataLoaders.from_folder(
        folder / "photos", train="train", valid_pct=0.2, item_tfms=Resize(64), bs=8
    )
    found = {
        "version": version("fastai"),
        "weights_offline": attempt(lambda: vision_learner(data, resnet18)),
    }
    learner = vision_learner(data, resnet18, pretrained=False)
    found["trains"] = attempt(lambda: learner.fit_one_cycle(1))
    found |= cross_validate(learner, paths, y)
    learner.export(folder / "model.pkl")
    return found | {"saved_as_pickle": holds_pickle(folder / "model.pkl")}


def try_ultralytics(folder, paths, y):
    """Ultralytics's classification, of which the network is drawn where its weights cannot be had."""
    from ultralytics import YOLO

    found = {"version": version("ultralytics"), "weights_offline": attempt(lambda: YOLO("yolo11n-cls.pt"))}
    model = YOLO("yolo11n-cls.yaml")
    (folder / "photos" / "val").symlink_to(folder / "photos" / "train")
    run = {"data": str(folder / "photos"), "epochs": 1, "imgsz": SIZE, "project": str(folder)}
    run |= {"device": "cpu", "workers": 0, "plots": False, "verbose": False}
    found["trains"] = attempt(lambda: model.train(**run))
    found |= cross_validate(model, paths, y)
    saved = next(folder.rglob("last.pt"), None)
    return found | {"saved_as_pickle": None if saved is None else holds_pickle(saved)}


def try_orange(folder, paths, y):
    """The embedder of Orange's add-on for images."""
    from orangecontrib.imageanalytics.image_embedder import MODELS, ImageEmbedder

    local = [name for name, model in MODELS.items() if model.get("is_local")]
    found = {
        "version": version("Orange3-ImageAnalytics"),
        "local_networks": local,
        "networks": sorted(MODELS),
    }
    for name in (local[0], "inception-v3"):
        with ImageEmbedder(model=name) as embedder:
            found[name] = attempt(lambda: np.array(list(embedder(paths[:3])), dtype=float).sum())
    return found


def try_autogluon(folder, paths, y):
    """AutoGluon's MultiModalPredictor on a table of paths."""
    import pandas as pd
    from autogluon.multimodal import MultiModalPredictor

    table = pd.DataFrame({"image": paths, "label": y})
    predictor = MultiModalPredictor(label="label", path=str(folder / "model"), verbosity=0)
    drawn = {"model.names": ["timm_image"], "model.timm_image.checkpoint_name": _TIMM}
    small = {"optim.max_epochs": 1, "env.num_workers": 0, "env.per_gpu_batch_size": 4}
    return {
        "version": version("autogluon.multimodal"),
        "trains_offline": attempt(
            lambda: predictor.fit(table, hyperparameters=drawn | small, time_limit=120)
        ),
    } | cross_validate(predictor, paths, y)


PROGRAMS = {
    name.removeprefix("try_"): each for name, each in dict(globals()).items() if name.startswith("try_")
}

if __name__ == "__main__":
    main()
