"""find_data_issues: is a data set sound, before anything is learned from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.stats import median_abs_deviation
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length

from fishsk._compat.sklearn import safe_indexing
from fishsk._utils.progress import ProgressBar
from fishsk.datasets import describe_left_out
from fishsk.features import check_images
from fishsk.inspection._classification import check_one_target
from fishsk.inspection._duplicates import find_near_pairs
from fishsk.inspection._estimators import check_classifier, find_pixels, run_frozen_steps
from fishsk.inspection._image_facts import ImageFacts, measure_images
from fishsk.inspection._label_issues import rank_label_issues

if TYPE_CHECKING:
    from fishsk._utils.typing import ArrayLike, Folds, ImagesLike

_LARGEST_RATIO = 5  # of the sizes of two classes
_DARK, _BRIGHT = 20, 235  # mean gray values
_PLAIN = 6  # standard deviation of gray values
_BLURRED = 4.0  # robust standard deviations below the median of the logarithm of sharpness
_SIZE_RATIO, _ASPECT_RATIO = 4, 2  # to the median
_UNLIKELY = 0.1  # the probability of a label that is worth a look
_RESIZED = "All are resized to one shape: smaller ones, or those of other proportions, look different then."
_SHOWN = "Remove what shows nothing; what does may be all right."
_KINDS = {  # the level of each, what it is, and what to do
    "unreadable": (
        "error",
        "Files that cannot be read",
        "Fix or remove them; --skip-bad of the other commands goes on without them.",
    ),
    "unknown_class": (
        "error",
        "Test images of classes without training images",
        "Nothing can recognize them. Rename the folder, or add training images.",
    ),
    "leak": ("error", "The same picture in training and test", "Remove one: the test would test memory."),
    "conflict": ("error", "The same picture with different labels", "Keep the one in the right folder."),
    "few": (
        "warning",
        "Classes with fewer than {min_images} training images",
        "Add images, or leave the class out: so few are hardly learned from, and hardly tested.",
    ),
    "imbalance": (
        "warning",
        "Classes of very different sizes",
        "Look at the recall of each class, too, and try head__class_weight='balanced'.",
    ),
    "plain": (
        "warning",
        "Images of hardly more than one color",
        "Nothing can be seen in them: remove them, or export them again.",
    ),
    "dark": ("warning", "Very dark images", _SHOWN),
    "bright": ("warning", "Very bright images", _SHOWN),
    "blurred": (
        "warning",
        "Images far less sharp than the others",
        "Remove what is out of focus, or enlarged from something small.",
    ),
    "size": ("warning", "Images of odd size", _RESIZED),
    "aspect": ("warning", "Images of odd proportions", _RESIZED),
    "label": (
        "warning",
        "Labels that are likely wrong",
        "Look at the first ones: some are wrong labels, others the classifier's own mistakes. It agrees with "
        "{agreement} of all labels.",
    ),
    "duplicate": ("warning", "The same picture several times in a class", "Keep one of them."),
    "rotated": (
        "note",
        "Images that are turned by their EXIF tag",
        "fishsk obeys the tag. Other programs may not: save the pictures upright if you use any.",
    ),
    "left_out": (
        "note",
        "Files that were not looked at",
        "{left_out} Rename those that are images, or save them in another format.",
    ),
}


@dataclass(frozen=True)
class Found:
    """One thing that was found."""

    rows: tuple[int, ...]  # the images that it is about, by their number: those of `X`, then of `X_test`
    detail: str  # what was found, in words


@dataclass(frozen=True)
class DataIssue:
    """Everything of one kind that was found."""

    kind: str  # a name for programs, such as "unreadable"
    level: str  # "error", "warning" or "note": whether it spoils training or its test, or may do so
    title: str  # what it is, in words
    advice: str  # what to do, in words
    found: tuple[Found, ...]  # the worst first


@dataclass(frozen=True)
class DataIssues:
    """Result of `find_data_issues`."""

    issues: tuple[DataIssue, ...]  # errors first; kinds of which nothing was found are left out
    names: list[str]  # the path of each image, or its number in words: those of `X`, then those of `X_test`
    y: np.ndarray  # the label of each image
    is_test: np.ndarray  # whether an image is one of `X_test`
    facts: ImageFacts  # what was measured of each image

    @property
    def level(self) -> str | None:
        """The worst level among the issues; None where there are none."""
        return self.issues[0].level if self.issues else None


def find_data_issues(
    X: ImagesLike,
    y: ArrayLike,
    *,
    X_test: ImagesLike | None = None,
    y_test: ArrayLike | None = None,
    pipeline: BaseEstimator | None = None,
    cv: Folds = 5,
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
    Kind           Level    Finds
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
    pixels = {}
    if pipeline is not None:
        check_classifier(pipeline)
        pixels = find_pixels(pipeline)
    sets = [(X, y)] if X_test is None else [(X, y), (X_test, y_test)]
    labels = [check_one_target(given, "y") for _, given in sets]
    for (images, _), given in zip(sets, labels, strict=True):
        check_consistent_length(images, given)
    checked = [check_images(images, **pixels) for images, _ in sets]
    names = [images.name(row) for images in checked for row in range(len(images))]
    with ProgressBar("Read", len(names), unit="images", shown=bool(verbose)) as bar:
        facts = measure_images(*checked, advance=bar.advance)
    is_test = np.repeat([False, True][: len(sets)], [len(each) for each in labels])
    data = DataIssues((), names, np.concatenate(labels), is_test, facts)
    words = {"min_images": f"{min_images}", "left_out": describe_left_out(left_out) if left_out else ""}
    known = list(np.unique(labels[0])) if classes is None else list(classes)
    found = _check_classes(data, known, min_images) | _check_looks(facts)
    found |= {
        "unreadable": [Found((row,), error) for row, error in enumerate(facts.error.tolist()) if error],
        "rotated": [
            Found((row,), f"orientation {tag}") for row, tag in enumerate(facts.orientation) if tag > 1
        ],
        "left_out": [Found((), f"{path}: {reason}") for path, reason in (left_out or {}).items()],
    }
    readable = np.flatnonzero(facts.error == "")
    first: dict[str, int] = {}  # of the images with the same pixels
    copies = ((first.setdefault(facts.digest[row], row), row, 1.0) for row in readable.tolist())
    pairs = [pair for pair in copies if pair[0] < pair[1]]
    if pipeline is not None and len(readable):
        n_train, parts = len(labels[0]), []
        for (images, _), errors in zip(sets, np.split(facts.error, [n_train]), strict=False):
            if len(rows := np.flatnonzero(errors == "")):
                learner, values = run_frozen_steps(pipeline, safe_indexing(images, rows))
                parts.append(np.asarray(values).reshape(len(rows), -1))
        features = np.concatenate(parts)

        def read(place: int) -> np.ndarray:
            row = int(readable[place])
            return checked[0][row] if row < n_train else checked[1][row - n_train]

        near, similarity = find_near_pairs(features, facts.small[readable], read)
        pairs += [(*readable[pair].tolist(), each) for pair, each in zip(near, similarity, strict=True)]
        if cv is not None:
            found["label"], words["agreement"] = _check_labels(data, learner, features, cv, verbose=verbose)
    found |= _check_duplicates(data, pairs)
    issues = (
        DataIssue(kind, level, title.format(**words), advice.format(**words), tuple(found[kind]))
        for kind, (level, title, advice) in _KINDS.items()
        if found.get(kind)
    )
    return replace(data, issues=tuple(issues))


def _check_classes(data: DataIssues, classes: list, min_images: int) -> dict[str, list[Found]]:
    """Look for classes that are small, of very different sizes, or in the test alone."""
    is_train = (data.facts.error == "") & ~data.is_test
    counts = {label: int(np.sum((data.y == label) & is_train)) for label in classes}
    ordered = sorted(classes, key=counts.__getitem__)
    found = {
        "few": [Found((), f"{label}: {counts[label]}") for label in ordered if counts[label] < min_images],
        "unknown_class": [
            Found(tuple(np.flatnonzero(data.is_test & (data.y == label)).tolist()), str(label))
            for label in np.unique(data.y[data.is_test]).tolist()
            if not counts.get(label)
        ],
    }
    smallest, largest = ordered[0], ordered[-1]
    if counts[largest] > _LARGEST_RATIO * counts[smallest]:
        sizes = f"{largest}: {counts[largest]}, {smallest}: {counts[smallest]}"
        found["imbalance"] = [Found((), sizes)]
    return found


def _check_looks(facts: ImageFacts) -> dict[str, list[Found]]:
    """Look for images that show little, or are unlike the others in sharpness, size and proportions."""
    readable = np.flatnonzero(facts.error == "")
    if not len(readable):
        return {}
    facts = ImageFacts(*(values[readable] for values in vars(facts).values()))

    def collect(chosen: np.ndarray, order: np.ndarray, describe: Callable[[int], str]) -> list[Found]:
        rows = np.flatnonzero(chosen)
        rows = rows[np.argsort(order[rows], kind="stable")].tolist()
        return [Found((int(readable[row]),), describe(row)) for row in rows]

    def describe_light(row: int) -> str:
        return f"mean {facts.brightness[row]:.0f} of 255"

    def describe_size(row: int) -> str:
        return f"{facts.width[row]} x {facts.height[row]} pixels"

    plain = facts.contrast < _PLAIN
    sharpness = np.log(np.maximum(facts.sharpness, 1e-6))
    usual = sharpness if plain.all() else sharpness[~plain]
    middle, spread = np.median(usual), max(0.1, median_abs_deviation(usual, scale="normal"))
    sides, aspects = np.sqrt(facts.height * facts.width), facts.width / facts.height
    size, aspect = (np.abs(np.log(values / np.median(values))) for values in (sides, aspects))
    return {
        "plain": collect(plain, facts.contrast, lambda row: f"contrast {facts.contrast[row]:.1f} of 255"),
        "dark": collect(facts.brightness < _DARK, facts.brightness, describe_light),
        "bright": collect(facts.brightness > _BRIGHT, -facts.brightness, describe_light),
        "blurred": collect(
            ~plain & (sharpness < middle - _BLURRED * spread),
            sharpness,
            lambda row: f"sharpness {np.exp(sharpness[row] - middle):.0%} of the median",
        ),
        "size": collect(size > np.log(_SIZE_RATIO), -size, describe_size),
        "aspect": collect(aspect > np.log(_ASPECT_RATIO), -aspect, describe_size),
    }


def _check_labels(
    data: DataIssues, learner: BaseEstimator, features: np.ndarray, cv: Folds, *, verbose: int
) -> tuple[list[Found], str]:
    """Look for wrong labels among the classes that all folds can have; return the share agreed with, too."""
    readable = data.facts.error == ""
    labels, counts = np.unique(data.y[readable & ~data.is_test], return_counts=True)
    labels = labels[counts >= (2 * cv if isinstance(cv, int) else 2)]
    if len(labels) < 2:
        return [], ""
    chosen = readable & ~data.is_test & np.isin(data.y, labels)
    rows, features = np.flatnonzero(chosen), features[chosen[readable]]
    # How far scikit-learn has come in its folds cannot be asked: the bar moves, and counts in the end.
    with ProgressBar("Labels", None, unit="images", shown=bool(verbose)) as bar:
        ranked = rank_label_issues(learner, features, data.y[rows], cv=cv)
        bar.advance(len(rows))
    found = [
        Found((int(rows[row]),), f"{given}: probability {score:.2f}; likely {likely}: {likely_score:.2f}")
        for row, given, score, likely, likely_score in zip(
            ranked.rows, ranked.given, ranked.score, ranked.likely, ranked.likely_score, strict=True
        )
        if score <= _UNLIKELY
    ]
    return found, f"{ranked.agreement:.0%}"


def _check_duplicates(data: DataIssues, pairs: list[tuple[int, int, float]]) -> dict[str, list[Found]]:
    """Put images that are the same into groups, and tell what is wrong with each group."""
    found: dict[str, list[Found]] = {"leak": [], "conflict": [], "duplicate": []}
    if pairs:
        left, right, similarity = (np.array(column) for column in zip(*pairs, strict=True))
        graph = coo_array((np.ones(len(left)), (left, right)), shape=(len(data.y), len(data.y)))
        group = connected_components(graph, directed=False)[1]
        for number in np.unique(group[left]):
            rows = np.flatnonzero(group == number)
            lowest = similarity[group[left] == number].min()
            are_equal = len(set(data.facts.digest[rows].tolist())) == 1
            changed = f"very likely the same picture, changed (similarity {lowest:.2f})"
            kind = "conflict" if len(set(data.y[rows].tolist())) > 1 else "duplicate"
            kind = "leak" if len(set(data.is_test[rows].tolist())) > 1 else kind
            found[kind].append(Found(tuple(rows.tolist()), "the same pixels" if are_equal else changed))
    return found
