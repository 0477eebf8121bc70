"""find_data_issues: is a data set sound, before anything is learned from it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.utils import check_consistent_length, column_or_1d

from fishsk._compat.sklearn import safe_indexing
from fishsk._utils.progress import ProgressBar
from fishsk.datasets import describe_left_out
from fishsk.features import Images, check_images
from fishsk.inspection._duplicates import find_near_pairs
from fishsk.inspection._frozen import run_frozen_steps
from fishsk.inspection._image_facts import ImageFacts, concatenate_facts, find_middle, measure_images
from fishsk.inspection._label_issues import name_images, rank_label_issues
from fishsk.inspection._settings import check_classifier, find_pixels

_LARGEST_RATIO = 5  # of the sizes of two classes
_DARK, _BRIGHT = 20, 235  # mean gray values
_PLAIN = 6  # standard deviation of gray values
_BLURRED = 4.0  # robust standard deviations below the median of the logarithm of sharpness
_SIZE_RATIO, _ASPECT_RATIO = 4, 2  # to the median
_UNLIKELY = 0.1  # the probability of a label that is worth a look


@dataclass(frozen=True)
class Found:
    """One thing that was found.

    Attributes
    ----------
    rows : tuple of int
        The images that it is about, by their number: those of `X`, then those of `X_test`.
    detail : str
        What was found, in words.
    """

    rows: tuple[int, ...]
    detail: str


@dataclass(frozen=True)
class DataIssue:
    """Everything of one kind that was found.

    Attributes
    ----------
    kind : str
        A name for programs, such as "unreadable".
    level : {"error", "warning", "note"}
        Whether it spoils training or its test, may do so, or is good to know.
    title, advice : str
        What it is, and what to do, in words.
    found : tuple of Found
        The worst first.
    """

    kind: str
    level: str
    title: str
    advice: str
    found: tuple[Found, ...]


@dataclass(frozen=True)
class DataIssues:
    """What `find_data_issues` found.

    Attributes
    ----------
    issues : tuple of DataIssue
        Errors first; kinds of which nothing was found are left out.
    names : list of str
        The path of each image, or else its number in words: those of `X`, then those of `X_test`.
    y : ndarray
        The label of each image.
    is_test : ndarray of bool
        Whether an image is one of `X_test`.
    facts : ImageFacts
        What was measured of each image.
    """

    issues: tuple[DataIssue, ...]
    names: list[str]
    y: np.ndarray
    is_test: np.ndarray
    facts: ImageFacts

    @property
    def level(self) -> str | None:
        """The worst level among the issues; None where there are none."""
        return self.issues[0].level if self.issues else None


def find_data_issues(
    X: Any,
    y: Any,
    *,
    X_test: Any = None,
    y_test: Any = None,
    pipeline: Any = None,
    cv: Any = 5,
    classes: Sequence | None = None,
    min_images: int = 20,
    left_out: Mapping[str, str] | None = None,
    verbose: int = 0,
) -> DataIssues:
    """Find problems of a data set: broken files, duplicates, wrong labels, odd images.

    Parameters
    ----------
    X : array-like or sequence
        Training images, as `KerasFeatureTransformer` describes them; files that cannot be read are found, not
        raised.
    y : array-like of shape (n_samples,)
        Their labels.
    X_test : array-like or sequence, default=None
        Test images, none of which may be a training image.
    y_test : array-like of shape (n_test_samples,), default=None
        Their labels; needed with `X_test`.
    pipeline : estimator, default=None
        A classifier of images, fitted or not, such as `make_fish_pipeline` makes. Its features propose
        near-duplicates, and clones trained in folds tell likely wrong labels. None leaves both out.
    cv : int, cross-validation generator, iterable or None, default=5
        The folds, as in `find_label_issues`; None does not look for wrong labels.
    classes : sequence, default=None
        All labels there should be, so that those without images are found.
    min_images : int, default=20
        Classes with fewer training images are found.
    left_out : dict of str to str, default=None
        Files that were left out, and why, as `~fishsk.datasets.load_image_folder` returns them.
    verbose : int, default=0
        1 shows a progress bar while images are read.

    Returns
    -------
    DataIssues
        Its ``issues`` are the kinds of things found, errors first, each with the images it is about.

    Raises
    ------
    ValueError
        If images and labels do not belong together.

    See Also
    --------
    find_label_issues : The likely wrong labels alone, as a frame.
    write_data_issues : The same as a page with the images.

    Notes
    -----
    =============  =======  ==================================================================
    Kind           Level    What is found
    =============  =======  ==================================================================
    unreadable     error    files that are empty, corrupt, truncated or too large
    leak           error    the same picture, or nearly the same, in training and test
    conflict       error    the same picture, or nearly the same, with different labels
    unknown_class  error    test images of a class that has no training images
    few            warning  classes with fewer than `min_images` training images
    imbalance      warning  the largest class is more than 5 times as large as the smallest
    label          warning  an out-of-fold probability of at most 0.1, by confident learning
    duplicate      warning  the same picture, or nearly the same, several times in a class
    plain          warning  hardly any contrast: gray values of a standard deviation below 6
    dark, bright   warning  a mean gray value below 20, or above 235, of 255
    blurred        warning  far less sharp than the others, relative to its contrast
    size           warning  sides of 4 times, or a quarter of, the median image's
    aspect         warning  twice as wide or as tall, for its size, as the median image
    rotated        note     turned by the file's EXIF tag: fishsk obeys it, others may not
    left_out       note     files in the folder that were not looked at, by their endings
    =============  =======  ==================================================================

    Near-duplicates are found as in the report: features propose, and a comparison of aligned images at 128
    pixels decides. Of copies that were cropped, scaled, mirrored, compressed again, made brighter or darker,
    framed or written on, it finds 98 of 100 or more, and 99 of 100 pairs that it finds are one picture
    (:doc:`/benchmarks`). So look at a pair before you remove one of it.

    Examples
    --------
    >>> import numpy as np
    >>> from fishsk import find_data_issues
    >>> from fishsk.datasets import make_fish_images
    >>> X, y = make_fish_images(200, random_state=0)
    >>> X[7] = 3  # black
    >>> X[11], y[11] = X[10], (y[10] + 1) % 5  # the same picture with two labels
    >>> for issue in find_data_issues(X, y).issues:
    ...     print(issue.level, issue.kind, issue.found[0].rows)
    error conflict (10, 11)
    warning plain (7,)
    warning dark (7,)
    """
    sets = [(X, y)] if X_test is None else [(X, y), (X_test, y_test)]
    labels, names = [], []
    pixels = {} if pipeline is None else find_pixels(pipeline, None, "auto")
    for images, given in sets:
        labels.append(column_or_1d(given))
        check_consistent_length(images, labels[-1])
        names += name_images(images, np.arange(len(labels[-1])))
    checked = [check_images(images, **pixels) for images, _ in sets]
    with ProgressBar("Read", len(names), unit="images", shown=bool(verbose)) as bar:
        facts = [measure_images(images, bar.advance) for images in checked]
    is_test = np.repeat([False, True][: len(sets)], [len(each) for each in labels])
    known = list(np.unique(labels[0])) if classes is None else list(classes)
    data = DataIssues((), names, np.concatenate(labels), is_test, concatenate_facts(*facts))
    found = [*_check_files(data), *_check_classes(data, known, min_images), *_check_looks(data)]
    if left_out:
        found.append(_report_left_out(left_out))
    pairs = _find_same(data)
    if pipeline is not None:
        learner, features = _extract(pipeline, sets, data)
        pairs += _find_near(data, features, checked)
        if cv is not None:
            found += _check_labels(data, learner, features, cv, verbose=verbose)
    found += _check_duplicates(data, pairs)
    levels = ("error", "warning", "note")
    found = sorted((issue for issue in found if issue.found), key=lambda issue: levels.index(issue.level))
    return DataIssues(tuple(found), data.names, data.y, data.is_test, data.facts)


def _extract(pipeline: Any, sets: list[tuple[Any, Any]], data: DataIssues) -> tuple[Any, np.ndarray]:
    """Return what learns, and the features of all images that can be read."""
    start, rows = 0, []
    for images, given in sets:
        readable = np.flatnonzero(data.facts.error[start : start + len(given)] == "")
        start += len(given)
        if len(readable):
            check_classifier(pipeline)
            learner, features = run_frozen_steps(pipeline, safe_indexing(images, readable))
            rows.append(np.asarray(features).reshape(len(readable), -1))
    return (learner, np.concatenate(rows)) if rows else (None, np.empty((0, 0)))


def _check_files(data: DataIssues) -> Iterator[DataIssue]:
    yield DataIssue(
        "unreadable",
        "error",
        "Files that cannot be read",
        "Fix or remove them; --skip-bad of the other commands goes on without them.",
        tuple(
            Found((row,), str(data.facts.error[row]))
            for row in np.flatnonzero(data.facts.error != "").tolist()
        ),
    )
    turned = np.flatnonzero(data.facts.orientation > 1).tolist()
    yield DataIssue(
        "rotated",
        "note",
        "Images that are turned by their EXIF tag",
        "fishsk obeys the tag. Other programs may not: save the pictures upright if you use any.",
        tuple(Found((row,), f"orientation {data.facts.orientation[row]}") for row in turned),
    )


def _report_left_out(left_out: Mapping[str, str]) -> DataIssue:
    return DataIssue(
        "left_out",
        "note",
        "Files that were not looked at",
        f"{describe_left_out(left_out)} Rename those that are images, or save them in another format.",
        tuple(Found((), f"{path}: {reason}") for path, reason in left_out.items()),
    )


def _check_classes(data: DataIssues, classes: list, min_images: int) -> Iterator[DataIssue]:
    readable = data.facts.error == ""
    counts = {label: int(np.sum((data.y == label) & readable & ~data.is_test)) for label in classes}
    few = sorted((label for label in classes if counts[label] < min_images), key=lambda label: counts[label])
    yield DataIssue(
        "few",
        "warning",
        f"Classes with fewer than {min_images} training images",
        "Add images, or leave the class out: so few are hardly learned from, and hardly tested.",
        tuple(Found((), f"{label}: {counts[label]}") for label in few),
    )
    largest, smallest = (
        max(classes, key=lambda label: counts[label]),
        min(classes, key=lambda label: counts[label]),
    )
    if counts[largest] > _LARGEST_RATIO * counts[smallest]:
        detail = f"{largest}: {counts[largest]}, {smallest}: {counts[smallest]}"
        yield DataIssue(
            "imbalance",
            "warning",
            "Classes of very different sizes",
            "Look at the recall of each class, too, and try head__class_weight='balanced'.",
            (Found((), detail),),
        )
    trained = {label for label in classes if counts[label]}
    unknown = [label for label in np.unique(data.y[data.is_test]).tolist() if label not in trained]
    yield DataIssue(
        "unknown_class",
        "error",
        "Test images of classes without training images",
        "Nothing can recognize them. Rename the folder, or add training images.",
        tuple(
            Found(tuple(np.flatnonzero(data.is_test & (data.y == label)).tolist()), str(label))
            for label in unknown
        ),
    )


def _check_looks(data: DataIssues) -> Iterator[DataIssue]:
    facts = data.facts
    readable = facts.error == ""
    if not readable.any():
        return

    def collect(chosen: np.ndarray, order: np.ndarray, describe: Callable[[int], str]) -> tuple[Found, ...]:
        rows = np.flatnonzero(chosen & readable)
        return tuple(
            Found((row,), describe(row)) for row in rows[np.argsort(order[rows], kind="stable")].tolist()
        )

    plain = facts.contrast < _PLAIN
    yield DataIssue(
        "plain",
        "warning",
        "Images of hardly more than one color",
        "Nothing can be seen in them: remove them, or export them again.",
        collect(plain, facts.contrast, lambda row: f"contrast {facts.contrast[row]:.1f} of 255"),
    )
    for kind, chosen, order in (
        ("dark", facts.brightness < _DARK, facts.brightness),
        ("bright", facts.brightness > _BRIGHT, -facts.brightness),
    ):
        yield DataIssue(
            kind,
            "warning",
            f"Very {kind} images",
            "Remove what shows nothing; what does may be all right.",
            collect(chosen, order, lambda row: f"mean {facts.brightness[row]:.0f} of 255"),
        )
    sharpness = np.log(np.maximum(facts.sharpness, 1e-6))
    usable = readable & ~plain
    middle, spread = find_middle(sharpness[usable]) if usable.any() else (0.0, 1.0)
    yield DataIssue(
        "blurred",
        "warning",
        "Images far less sharp than the others",
        "Remove what is out of focus, or enlarged from something small.",
        collect(
            usable & (sharpness < middle - _BLURRED * spread),
            sharpness,
            lambda row: f"sharpness {np.exp(sharpness[row] - middle):.0%} of the median",
        ),
    )
    sides, aspects = np.sqrt(facts.height * facts.width), facts.width / np.maximum(facts.height, 1)
    for kind, title, values, ratio in (
        ("size", "Images of odd size", sides, _SIZE_RATIO),
        ("aspect", "Images of odd proportions", aspects, _ASPECT_RATIO),
    ):
        distance = np.abs(np.log(np.maximum(values, 1e-6) / np.median(values[readable])))
        yield DataIssue(
            kind,
            "warning",
            title,
            "All are resized to one shape: smaller ones, or those of other proportions, look different then.",
            collect(
                distance > np.log(ratio),
                -distance,
                lambda row: f"{facts.width[row]} x {facts.height[row]} pixels",
            ),
        )


def _check_labels(
    data: DataIssues, learner: Any, features: np.ndarray, cv: Any, *, verbose: int
) -> list[DataIssue]:
    """Look for wrong labels among the classes that all folds can have."""
    rows = np.flatnonzero(data.facts.error == "")
    of_train = ~data.is_test[rows]
    rows, features = rows[of_train], features[of_train]
    labels, counts = np.unique(data.y[rows], return_counts=True)
    enough = np.isin(data.y[rows], labels[counts >= (2 * cv if isinstance(cv, int) else 2)])
    rows, features = rows[enough], features[enough]
    if len(np.unique(data.y[rows])) < 2:
        return []
    # How far scikit-learn has come in its folds cannot be asked: the bar moves, and counts in the end.
    with ProgressBar("Labels", None, unit="images", shown=bool(verbose)) as bar:
        ranked = rank_label_issues(learner, features, data.y[rows], cv=cv)
        bar.advance(len(rows))
    found = tuple(
        Found((int(rows[row]),), f"{given}: probability {score:.2f}; likely {likely}: {likely_score:.2f}")
        for row, given, score, likely, likely_score in zip(
            ranked.rows, ranked.given, ranked.score, ranked.likely, ranked.likely_score, strict=True
        )
        if score <= _UNLIKELY
    )
    advice = (
        "Look at the first ones: some are wrong labels, others the classifier's own mistakes. It agrees with "
        f"{ranked.agreement:.0%} of all labels."
    )
    return [DataIssue("label", "warning", "Labels that are likely wrong", advice, found)]


def _find_same(data: DataIssues) -> list[tuple[int, int, float]]:
    """Return pairs of images with the same pixels: each with the first such."""
    first: dict[str, int] = {}
    pairs = []
    for row, digest in enumerate(data.facts.digest.tolist()):
        if digest and first.setdefault(digest, row) != row:
            pairs.append((first[digest], row, 1.0))
    return pairs


def _find_near(
    data: DataIssues, features: np.ndarray, checked: Sequence[Images]
) -> list[tuple[int, int, float]]:
    """Return pairs of images that are nearly the same."""
    rows = np.flatnonzero(data.facts.error == "")

    def read(place: int) -> np.ndarray:
        row = int(rows[place])
        return checked[0][row] if row < len(checked[0]) else checked[1][row - len(checked[0])]

    pairs, similarity = find_near_pairs(features, data.facts.small[rows], read)
    return [(*rows[pair].tolist(), float(each)) for pair, each in zip(pairs, similarity, strict=True)]


def _check_duplicates(data: DataIssues, pairs: list[tuple[int, int, float]]) -> list[DataIssue]:
    """Put images that are the same into groups, and tell what is wrong with each group."""
    found: dict[str, list[Found]] = {"leak": [], "conflict": [], "duplicate": []}
    if pairs:
        left, right, similarity = (np.array(column) for column in zip(*pairs, strict=True))
        graph = coo_array((np.ones(len(left)), (left, right)), shape=(len(data.y), len(data.y)))
        group = connected_components(graph, directed=False)[1]
        for number in np.unique(group[left]):
            rows = np.flatnonzero(group == number)
            lowest = similarity[group[left] == number].min()
            same = (
                "the same pixels"
                if len(set(data.facts.digest[rows].tolist())) == 1
                else f"very likely the same picture, changed (similarity {lowest:.2f})"
            )
            if len(set(data.is_test[rows].tolist())) > 1:
                kind = "leak"
            else:
                kind = "conflict" if len(set(data.y[rows].tolist())) > 1 else "duplicate"
            found[kind].append(Found(tuple(rows.tolist()), same))
    described = {
        "leak": ("error", "The same picture in training and test", "Remove one: the test would test memory."),
        "conflict": ("error", "The same picture with different labels", "Keep the one in the right folder."),
        "duplicate": ("warning", "The same picture several times in a class", "Keep one of them."),
    }
    return [DataIssue(kind, *described[kind], tuple(each)) for kind, each in found.items()]
