"""suggest_labels: which unlabeled images to label next, so that a classifier learns most from them."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, field
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.preprocessing import normalize
from sklearn.utils.validation import check_is_fitted

from fishsk._compat.sklearn import safe_indexing
from fishsk._utils.reading import read_once
from fishsk.features import Images, check_images
from fishsk.inspection._classification import check_one_target, find_confidence
from fishsk.inspection._duplicates import find_near_pairs
from fishsk.inspection._estimators import (
    check_classifier,
    find_features,
    find_pixels,
    find_transformers,
    go_past_bad,
    split_at_features,
)
from fishsk.inspection._image_facts import measure_images
from fishsk.inspection._unfamiliar import FamiliarRows, find_nearest

if TYPE_CHECKING:
    from fishsk._utils.typing import ImagesLike

FALSE_ALARMS = 0.05  # the share of images like those of training that are set apart as unlike them
_N_NEAR = 3  # labeled images that may be the same picture as an image
_FARTHEST = 2**0.5  # a right angle between rows of length 1
_FAR = 0.75  # of the images are nearer to the labeled ones than what is said to be far from them


@dataclass(frozen=True)
class LabelSuggestions:
    """Unlabeled images whose labels would teach most, the best first, and those that are set apart.

    Which these are, and why, say dicts from their places in the data to words.
    """

    rows: np.ndarray  # places of what is suggested in the data
    guess: np.ndarray  # the class that the classifier gives each image of the data
    probability: np.ndarray  # of that; NaN where the classifier gives none
    score: np.ndarray  # how much each suggested label is thought to teach: squared uncertainty times distance
    reason: list[str]  # why each is suggested
    duplicate: dict[int, str]  # the same picture as another one
    unfamiliar: dict[int, str]  # unlike all labeled images, the most so first
    unreadable: dict[int, str] = field(default_factory=dict)


def suggest_labels(
    pipeline: BaseEstimator,
    X_unlabeled: ImagesLike,
    n: int = 50,
    *,
    X_train: ImagesLike | None = None,
    false_alarms: float = FALSE_ALARMS,
    image_shape: tuple[int, ...] | None = None,
    input_range: tuple[float, float] | str | None = "auto",
) -> Any:
    """Return the unlabeled images whose labels would teach a classifier most, the best first.

    An image teaches the more, the less the classifier is sure of it, and the less it resembles the images
    that are labeled already, or suggested before it. Images are chosen one by one: the next is that of the
    largest product of squared uncertainty (1 less the margin between the two most probable classes [1]_) and
    distance to the nearest of the others, as in the greedy choice of centers [2]_, in the features of the
    frozen network. Uncertainty alone would choose many of a kind, distance alone what is odd [3]_.

    Parameters
    ----------
    pipeline : estimator
        A fitted classifier of images, such as `make_fish_pipeline` makes, or a search over one. Its
        probabilities should be calibrated; a classifier without any, such as `SVC`, needs
        ``decision_function``.
    X_unlabeled : array-like or sequence
        Images, as `KerasFeatureTransformer` describes them. Files that cannot be read are named, not raised.
    n : int, default=50
        How many to suggest; fewer where there are no more.
    X_train : array-like or sequence, default=None
        The images that are labeled already. With them, suggestions differ from labeled images, and images
        that equal a labeled one, or are unlike all of them, are set apart.
    false_alarms : float, default=0.05
        The share of images like those of `X_train` that may be set apart as unlike them.
    image_shape, input_range : optional
        As in `PredictionGridDisplay.from_estimator`.

    Returns
    -------
    pandas.DataFrame
        One row for each suggestion, the best first, indexed by its place in `X_unlabeled`, with the columns
        ``image`` (its path, or its number in words), ``reason`` (in words), ``guess`` (the class that the
        classifier gives it), ``probability`` of that, and ``score``. ``frame.attrs["apart"]`` has the places
        of the images that are set apart, in dicts from each to the reason, under ``"unreadable"``,
        ``"duplicate"`` and ``"unfamiliar"``.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the pipeline is not fitted.
    ValueError
        If it is no classifier of one label an image, or no image can be read.
    ImportError
        If pandas is not installed.

    Warns
    -----
    UserWarning
        If there are too few images in `X_train` to tell what is unlike them.

    See Also
    --------
    find_unfamiliar : Images unlike those of training.
    find_label_issues : Labels that are likely wrong.

    Notes
    -----
    Equal pictures are found among all images. Pictures that are nearly the same, cropped or compressed again,
    are looked for among the suggestions and the labeled images nearest to each.

    ``benchmarks/bench_next.py`` measures how many labels it saves (:doc:`/how_to/label_next`).

    References
    ----------
    .. [1] T. Scheffer, C. Decomain and S. Wrobel, "Active Hidden Markov Models for Information Extraction",
       2001, https://doi.org/10.1007/3-540-44816-0_31
    .. [2] O. Sener and S. Savarese, "Active Learning for Convolutional Neural Networks: A Core-Set Approach",
       ICLR 2018, https://arxiv.org/abs/1708.00489
    .. [3] J. T. Ash et al., "Deep Batch Active Learning by Diverse, Uncertain Gradient Lower Bounds", ICLR
       2020, https://arxiv.org/abs/1906.03671

    Examples
    --------
    >>> from fishsk import make_fish_pipeline, suggest_labels
    >>> from fishsk.datasets import make_fish_images
    >>> X, y = make_fish_images(200, random_state=0)
    >>> pipeline = make_fish_pipeline(weights="cifar95", random_state=0).fit(X[:50], y[:50])
    >>> suggested = suggest_labels(pipeline, X[50:], n=20, X_train=X[:50])
    >>> suggested.shape, list(suggested)
    ((20, 5), ['image', 'reason', 'guess', 'probability', 'score'])
    >>> to_label = X[50:][suggested.index]
    """
    import pandas as pd

    check_is_fitted(pipeline)
    check_classifier(pipeline)
    pixels = {"image_shape": image_shape, "input_range": input_range}
    form = find_pixels(pipeline, **pixels)
    images = check_images(X_unlabeled, **form)
    names = [images.name(row) for row in range(len(images))]
    are_files = [isinstance(item, str | os.PathLike) for item in images.items]
    is_frozen = bool(find_transformers(pipeline))
    with read_once():
        with go_past_bad([pipeline], [*compress(names, are_files)]) as known:
            if is_frozen:
                features, rest, values = split_at_features(pipeline, X_unlabeled, **pixels)
        errors = {row: known[name] for row, name in enumerate(names) if name in known}
        place = [row for row in range(len(names)) if row not in errors]
        if not place:
            raise ValueError(f"There must be images that can be read. Got none of {len(names)}: {errors[0]}")
        if not is_frozen:
            features, rest, values = split_at_features(pipeline, safe_indexing(X_unlabeled, place), **pixels)
        elif errors:
            features, values = features[place], safe_indexing(values, place)
        labeled = None
        if X_train is not None:
            labeled = find_features(pipeline, X_train, **pixels), check_images(X_train, **form)
        unlabeled = features, images.choose(np.array(place))
        found = rank_suggestions(unlabeled, rest, values, n, labeled=labeled, false_alarms=false_alarms)
    chosen = np.array(place)[found.rows]
    frame = pd.DataFrame(
        {
            "image": [names[row] for row in chosen],
            "reason": found.reason,
            "guess": found.guess[found.rows],
            "probability": found.probability[found.rows],
            "score": found.score,
        },
        index=chosen,
    )
    apart = {kind: getattr(found, kind) for kind in ("duplicate", "unfamiliar")}
    frame.attrs["apart"] = {"unreadable": errors} | {
        kind: {place[row]: reason for row, reason in rows.items()} for kind, rows in apart.items()
    }
    return frame


def rank_suggestions(
    unlabeled: tuple[np.ndarray, Images],
    rest: BaseEstimator,
    values: object,
    n: int,
    *,
    labeled: tuple[np.ndarray, Images] | None = None,
    false_alarms: float = FALSE_ALARMS,
) -> LabelSuggestions:
    """Do the work of `suggest_labels` for images that can be read, with plain arrays, which need no pandas.

    `unlabeled` and `labeled` are features and images; `rest` and `values` are of `split_at_features`.
    """
    features, images = unlabeled
    guess = check_one_target(rest.predict(values), "The prediction")
    uncertainty, probability, doubts = _find_doubts(rest, values, guess)
    first: dict[bytes, str] = {}  # of equal images
    distance, unfamiliar = np.full(len(features), _FARTHEST), dict[int, str]()
    if labeled is not None:
        distance, unfamiliar = _compare(features, labeled, false_alarms)
        for row in range(len(labeled[1])):
            first.setdefault(labeled[1].digest(row), f"labeled {labeled[1].name(row)}")
    duplicate = {}
    for row in range(len(images)):
        other = first.setdefault(images.digest(row), name := images.name(row))
        if other is not name:
            duplicate[row] = f"equal to {other}"
    unfamiliar = {row: reason for row, reason in unfamiliar.items() if row not in duplicate}
    free = np.setdiff1d(np.arange(len(features)), [*duplicate, *unfamiliar])
    order, score = choose_rows(features[free], uncertainty[free], n + n // 2, distance[free])
    rows = free[order]
    same = _find_near(rows, unlabeled, labeled)
    kept = ~np.isin(rows, [*same])
    rows, score = rows[kept][:n], score[kept][:n]
    is_far = distance > np.quantile(distance, _FAR)
    reason = [f"{doubts[row]}; unlike most labeled images" if is_far[row] else doubts[row] for row in rows]
    return LabelSuggestions(rows, guess, probability, score, reason, duplicate | same, unfamiliar)


def choose_rows(
    features: np.ndarray, uncertainty: np.ndarray, n: int, distance: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Choose rows one by one, by squared uncertainty times distance to the nearest row chosen before.

    Uncertainty is at least 0; distances are those of rows of length 1; `distance` is that to what was chosen
    earlier, if anything was. Returned are the rows, at most `n`, and the product that chose each: it never
    rises.
    """
    unit = normalize(features) if len(features) else features
    nearest = np.full(len(unit), _FARTHEST) if distance is None else distance
    rows, score = np.empty(min(n, len(unit)), dtype=int), np.empty(min(n, len(unit)))
    is_free = np.ones(len(unit), dtype=bool)
    for place in range(len(rows)):
        worth = np.where(is_free, uncertainty**2 * nearest, -1.0)
        best = rows[place] = int(worth.argmax())
        score[place], is_free[best] = worth[best], False
        nearest = np.minimum(nearest, np.sqrt(np.maximum(2 - 2 * (unit @ unit[best]), 0)))
    return rows, score


def _find_doubts(rest: Any, values: Any, guess: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return how unsure a classifier is of each image, 0 to 1, the probability of its guess, and why."""
    labels = np.asarray(rest.classes_)
    has_proba = hasattr(rest, "predict_proba")
    sure = np.asarray(rest.predict_proba(values) if has_proba else rest.decision_function(values))
    if sure.ndim == 1:  # of two classes: how far to the side of the second
        sure = np.column_stack([-sure, sure]) / 2
    if sure.shape[1] != len(labels):
        raise ValueError(f"pipeline must give a number for each of the {len(labels)} classes. Got {rest!r}.")
    order = np.argsort(-sure, axis=1, kind="stable")[:, :2]
    top = np.take_along_axis(sure, order, axis=1)
    margin = top[:, 0] - top[:, -1]
    if not has_proba:
        words = [f"near the border of {' and '.join(map(str, labels[pair]))}" for pair in order]
        return np.exp(-margin), np.full(len(guess), np.nan), words
    words = [
        " or ".join(f"{label} {share:.2f}" for label, share in zip(labels[pair], shares, strict=True))
        for pair, shares in zip(order, top, strict=True)
    ]
    return 1 - margin, find_confidence(guess, sure, labels), words


def _compare(
    features: np.ndarray, labeled: tuple[np.ndarray, Images], false_alarms: float
) -> tuple[np.ndarray, dict[int, str]]:
    """Return the distances to the nearest labeled images, and which images are unlike all of them."""
    train = normalize(labeled[0])
    nearest = find_nearest(normalize(features), train, 1)[0][:, 0]
    try:
        found = FamiliarRows(labeled[0], false_alarms=false_alarms).compare(features)
    except ValueError as error:
        warnings.warn(f"No image is set apart as unlike the labeled ones: {error}", stacklevel=4)
        return nearest, {}
    rows = np.flatnonzero(found.is_unfamiliar)
    rows = rows[np.argsort(-found.distance[rows], kind="stable")]
    words = "unlike all labeled images: distance {:.2f}, of {:.2f} that is usual at most"
    return nearest, {row: words.format(found.distance[row], found.threshold) for row in rows.tolist()}


def _find_near(
    rows: np.ndarray, unlabeled: tuple[np.ndarray, Images], labeled: tuple[np.ndarray, Images] | None
) -> dict[int, str]:
    """Return which rows, the best first, show the same picture as a better one or a labeled image."""
    features, groups = unlabeled[0][rows], [(unlabeled[1], rows)]
    if labeled is not None and len(rows):
        n_near = min(_N_NEAR, len(labeled[0]))
        near = np.unique(find_nearest(normalize(features), normalize(labeled[0]), n_near)[1])
        features = np.concatenate([features, labeled[0][near]])
        groups.append((labeled[1], near))
    small = measure_images(*(images.choose(chosen) for images, chosen in groups)).small
    places = [(images, row) for images, chosen in groups for row in chosen.tolist()]
    names = [images.name(row) for images, row in places]

    def read(place: int) -> np.ndarray:
        images, row = places[place]
        return images[row]

    pairs, _ = find_near_pairs(features, small, read)
    found: dict[int, str] = {}
    for left, right in pairs[np.lexsort(pairs.T)].tolist() if len(pairs) else []:
        if right >= len(rows) > left:
            found[int(rows[left])] = f"the same picture as labeled {names[right]}"
        elif right < len(rows) and int(rows[left]) not in found:
            found[int(rows[right])] = f"the same picture as {names[left]}"
    return found
