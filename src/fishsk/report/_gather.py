"""Everything that a report shows, gathered as plain numbers, text, lists and dicts."""

from __future__ import annotations

import contextlib
import hashlib
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn import config_context, get_config
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import check_is_fitted

from fishsk._compat.sklearn import safe_indexing
from fishsk._utils.versions import find_version
from fishsk.features import Images, check_images
from fishsk.inspection import (
    ClassificationEvaluation,
    Evaluation,
    Explanation,
    TagsEvaluation,
    check_one_target,
    evaluate,
    explain_images,
    find_features,
    find_fitted,
    find_near_duplicates,
    find_pixels,
    find_setting,
    format_number,
    is_of_tags,
    lay_over,
    name_classes,
    predicts_tags,
    split_at_features,
)
from fishsk.report import _classification, _regression
from fishsk.report._figures import Album, draw_diagram, draw_training
from fishsk.report._training import (
    ImageSet,
    gather_duplicates,
    gather_forecast,
    gather_labels,
    gather_unfamiliar,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from fishsk._utils.typing import Folds, ImagesLike

TARGET = "number"
_N_WORST = 10
# Of integrated gradients, a quarter as many as otherwise: the colors are relative to a map's strongest place,
# and the maps find the fish about as well (benchmarks/bench_explanations.py).
_N_STEPS = 4
_SECTIONS = {
    "scores": "Scores",
    "confusion": "Confusion",
    "errors": "Predicted against true",
    "mistakes": "Mistakes",
    "worst": "Largest errors",
    "map": "Map",
    "data": "Data",
    "training": "Training",
    "calibration": "Calibration",
    "trust": "When not to trust it",
    "duplicates": "Near-duplicates",
    "forecast": "More images",
    "labels": "Labels",
    "pipeline": "Pipeline",
    "reproduce": "Reproduce",
}
_LACKING = {  # these are not of the kind; others than training, forecast and labels say it if they are empty
    "classification": {"errors", "worst"},
    "tags": {"confusion", "errors", "worst", "map", "calibration"},
    "regression": {"confusion", "mistakes", "map", "calibration"},
}
_PACKAGES = ("fishsk", "scikit-learn", "numpy", "tensorflow", "keras", "scikeras", "opencv-python-headless")


def gather_report(
    estimator: BaseEstimator,
    X: ImagesLike,
    y: ArrayLike,
    *,
    X_train: ImagesLike | None = None,
    y_train: ArrayLike | None = None,
    y_pred: ArrayLike | None = None,
    y_proba: ArrayLike | None = None,
    title: str | None = None,
    display_labels: Iterable[object] | None = None,
    target_name: str | None = None,
    image_names: Sequence[str] | None = None,
    pixels: Mapping[str, Any],
    max_images: int = 24,
    explain: bool = True,
    cv: Folds = None,
    has_card: bool = False,
) -> dict[str, Any]:
    """Check what `write_report` was given, and return what its page shows, by the names in the templates.

    `pixels` are `image_shape` and `input_range`; `has_card` tells that a model card is written of it, too.
    """
    options = {"display_labels": display_labels, "cv": cv, "y_proba": y_proba, "target_name": target_name}
    kind = _find_kind(estimator, y, options, has_card=has_card)
    if cv is not None and y_train is None:
        raise ValueError(
            "cv trains on training images: pass X_train and y_train with it. Got cv without y_train."
        )
    form = find_pixels(estimator, **pixels)
    check_targets = (lambda y, name: np.asarray(y)) if kind == "tags" else check_one_target
    y = check_targets(y, "y")
    check_consistent_length(X, y, y_proba, y_pred, image_names)
    learned = None if y_train is None else check_targets(y_train, "y_train")
    if X_train is not None:
        check_consistent_length(X_train, learned)
    images = check_images(X, **form)
    known = name_classes(estimator.classes_, display_labels) if kind == "classification" else {}

    timings = Timings()
    with timings("Read features"):
        rows, rest, values = split_at_features(estimator, X, **pixels)
    train = None
    if X_train is not None:
        with timings("Read features of the training images"):
            train_rows = find_features(estimator, X_train, **pixels)
        train = ImageSet(X_train, check_images(X_train, **form), learned, train_rows)
    with timings("Predict the test images"):
        evaluation = evaluate(rest, values, y, y_pred=y_pred, y_proba=y_proba, y_train=learned)
    worst = evaluation.worst[:_N_WORST]
    explained = copies = None
    pool = ThreadPoolExecutor(1)  # what follows keeps another core busy, t-SNE most of the time
    if explain and kind != "tags":
        maps_of = partial(_explain, estimator, X, evaluation, pixels)
        explained = pool.submit(timings.run, "Explain the worst predictions", maps_of, get_config())
    if train is not None:
        # What two numbers or sets of tags are apart says nothing of a pair, as two classes do.
        labels = train.y if kind == "classification" else None
        find = partial(find_near_duplicates, (rows, images, y), (train.rows, train.images, labels))
        copies = pool.submit(timings.run, "Look for near-duplicates", find, get_config())
    pool.shutdown(wait=False)
    album = Album()
    write_label: Callable[[Any], str]

    def show(index: int) -> dict[str, Any]:
        name = images.name(index) if image_names is None else str(image_names[index])
        return {"image": album.add("test", images, index), "name": name} | describe(index, name)

    with timings("Gather scores and images, draw figures"):
        if isinstance(evaluation, ClassificationEvaluation):
            names = {label: known.get(label, str(label)) for label in evaluation.classes.tolist()}
            describe = partial(_classification.describe, evaluation, names)
            found = _classification.gather(evaluation, rows, show, names, learned, max_images)
            write_label = lambda label: names.get(label, str(label))  # noqa: E731
        elif isinstance(evaluation, TagsEvaluation):
            describe = partial(_classification.describe_tags, evaluation)
            found = _classification.gather_tags(evaluation, show, learned)
            write_label = partial(_classification.write_tags, names=evaluation.names)
        else:
            describe = partial(_regression.describe, evaluation)
            found = _regression.gather(evaluation, show, target_name or TARGET)
            write_label = partial(format_number, digits=3)
    report: dict[str, Any] = found | {
        "kind": kind,
        "worst": [show(index) for index in worst],
        "n_train": None if train is None else len(train.images),
        **dict.fromkeys(("explained", "unfamiliar", "duplicates", "forecast", "labels")),
    }
    if train is not None:
        with timings("Look for unfamiliar images"):
            report["unfamiliar"] = gather_unfamiliar(rows, train, album, show, evaluation)
    if cv is not None and train is not None:
        with timings("Train on growing parts"):
            report["forecast"] = gather_forecast(estimator, train, cv)
        with timings("Look for wrong labels"):
            report["labels"] = gather_labels(estimator, train, cv, album, write_label)
    with timings("Draw the training"):
        report["training"] = draw_training(estimator)
    with timings("Describe the pipeline and the data"):
        report["diagram"] = draw_diagram(find_fitted(estimator))
        sets = {"Test": (images, y)} | ({} if train is None else {"Training": (train.images, train.y)})
        report["digests"] = _find_digests(estimator, sets)
    if train is not None and copies is not None:
        report["duplicates"] = gather_duplicates(copies.result(), train, album, show, evaluation, write_label)
    if explained is not None and (maps := explained.result()) is not None:
        report["explained"] = maps.method
        for shown, index, image, heat in zip(report["worst"], worst, maps.images, maps.maps, strict=True):
            shown["heat"] = album.add("heat", {index: lay_over(image, heat)}, index)
    lacking = {id for id in ("training", "forecast", "labels") if not report[id]} | _LACKING[kind]
    default = {"regression": f"Predicted {target_name or TARGET} of", "tags": "Tags of"}
    return report | {
        "title": title or f"{default.get(kind, 'Classification of')} {len(y):,} test images",
        "sections": {id: name for id, name in _SECTIONS.items() if id not in lacking},
        "images": album.images,
        "versions": {"Python": f"{platform.python_version()} on {platform.system()} {platform.machine()}"}
        | {package: find_version(package) for package in _PACKAGES},
        "timings": timings,
    }


def _find_kind(
    estimator: BaseEstimator, y: ArrayLike, options: Mapping[str, object], *, has_card: bool
) -> str:
    """Return what a fitted estimator predicts: "classification", "tags" or "regression".

    ValueError if it is neither classifier nor regressor, or if an option is not None that its kind has not.
    """
    check_is_fitted(estimator)
    if not (is_regressor(estimator) or is_classifier(estimator)):
        raise ValueError(f"estimator must be a classifier or a regressor. Got {estimator!r}.")
    given, other = ("regressor", "classifier") if is_regressor(estimator) else ("classifier", "regressor")
    for name, value in options.items():
        if value is not None and (name == "target_name") == (given == "classifier"):
            raise ValueError(f"{name} is for a {other}. Got {value!r} and a {given}: pass None.")
    if given == "regressor":
        return "regression"
    if not (predicts_tags(estimator) and is_of_tags(y)):
        return "classification"
    if options["cv"] is not None or options["display_labels"] is not None:
        raise ValueError("cv and display_labels are for classes: this model predicts tags. Pass None.")
    if has_card:
        raise ValueError("A model card is of classes or numbers: this model predicts tags. Pass card=None.")
    return "tags"


def _explain(
    estimator: BaseEstimator, X: ImagesLike, evaluation: Evaluation, pixels: Mapping[str, object]
) -> Explanation | None:
    """Return what spoke for the worst predictions, or None where there are no maps.

    Covered images must be in a form that the estimator takes: `X` holds pixels, or the estimator's own
    transformer reads images in any form.
    """
    worst = evaluation.worst[:_N_WORST]
    array = np.asarray(X) if hasattr(X, "__array__") else np.empty(0)
    takes_images = find_setting(estimator.get_params(), "input_range", "none") != "none"
    if not len(worst) or not (takes_images or (array.dtype.kind in "buif" and array.ndim > 1)):
        return None
    asked: dict[str, Any] = {}
    if isinstance(evaluation, ClassificationEvaluation):
        classes = evaluation.known_classes.tolist()
        true = [label if label in classes else None for label in evaluation.y_true[worst].tolist()]
        asked = {"target": evaluation.y_pred[worst], "against": np.array(true, dtype=object)}
    return explain_images(estimator, safe_indexing(X, worst), **asked, **pixels, n_steps=_N_STEPS)


def _find_digests(
    estimator: BaseEstimator, sets: Mapping[str, tuple[Images, np.ndarray | None]]
) -> dict[str, str]:
    """Return the digests of sets of images with their labels, in their order, and of the frozen weights."""
    digests = {}
    for name, (images, y) in sets.items():
        content = hashlib.sha256()
        for index in range(len(images)):
            content.update(images.digest(index))
        content.update(repr(None if y is None else y.tolist()).encode())
        digests[f"{name} images and labels"] = content.hexdigest()
    for step in find_fitted(estimator).get_params().values():
        if hasattr(step, "weights_digest") and step.weights_digest not in digests.values():
            n_weights = sum(name.startswith("Frozen weights") for name in digests)
            digests[f"Frozen weights{f' {n_weights + 1}' if n_weights else ''}"] = step.weights_digest
    return digests


class Timings(dict[str, float]):
    """The seconds of named stages."""

    @contextlib.contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self[name] = time.perf_counter() - start

    def run(self, name: str, work: Callable[[], Any], config: Mapping[str, Any]) -> Any:
        """Return the result of a thread's work, done with the caller's configuration of scikit-learn."""
        with config_context(**config), self(f"{name}, meanwhile"):
            return work()
