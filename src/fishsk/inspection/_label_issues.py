"""find_label_issues: images whose label is likely wrong, found by confident learning."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import check_cv, cross_val_predict
from sklearn.utils import check_consistent_length

from fishsk._compat.sklearn import safe_indexing
from fishsk.inspection._classification import check_one_target
from fishsk.inspection._estimators import check_classifier, run_frozen_steps


@dataclass(frozen=True)
class LabelIssues:
    """Images whose given label is likely wrong, the worst first."""

    rows: np.ndarray  # their places in the data
    given: np.ndarray  # the labels that they have
    likely: np.ndarray  # the labels that they probably should have
    score: np.ndarray  # the out-of-fold probability of the given label, in 0 to 1: the lower, the worse
    likely_score: np.ndarray  # that of the likely label
    # The share of all images whose given label is the most probable one: where it is low, most of what is
    # found are the classifier's own mistakes.
    agreement: float


def find_label_issues(pipeline: Any, X: Any, y: Any, *, cv: Any = 5, n_jobs: int | None = None) -> Any:
    """Return the images whose label is likely wrong, by confident learning [1]_.

    Clones of the classifier are trained in folds, so that each image is judged by one that has not seen it.
    An image is listed if another class than the given one is probable enough: at least as probable as that
    class is, on average, for the images that bear its label. Frozen features are computed once, or read from
    the cache.

    Parameters
    ----------
    pipeline : estimator
        A classifier of images, fitted or not, such as `make_fish_pipeline` makes; of a fitted search the best
        estimator counts. Any classifier will do that has ``predict_proba`` or, such as `SVC`,
        ``decision_function``, whose values a logistic regression turns into probabilities, out of fold as
        well.
    X : array-like or sequence
        Images, as `KerasFeatureTransformer` describes them.
    y : array-like of shape (n_samples,)
        Their given labels.
    cv : int, cross-validation generator or iterable, default=5
        The folds, each image in one test part, as in `sklearn.model_selection.cross_val_predict`. An int
        makes stratified folds without shuffling, so that pictures which follow each other, and may be of one
        scene, mostly stay together.
    n_jobs : int, default=None
        Processes that train the folds, as in scikit-learn.

    Returns
    -------
    pandas.DataFrame
        One row for each image that is listed, the worst first, indexed by the image's number in `X`:
        "image" (its path, or else its number in words), "given_label", "likely_label", "score" (the
        probability of the given label, in 0 to 1: the lower, the worse) and "likely_score" (that of the
        likely label).

    Raises
    ------
    ImportError
        If pandas is not installed.
    ValueError
        If `pipeline` is no classifier, or `y` has a single class.

    See Also
    --------
    PredictionGridDisplay : Shows the images, as in the example.

    Notes
    -----
    The list ranks images to look at, and decides nothing: it also holds mistakes of the classifier. The user
    guide measures how many.

    References
    ----------
    .. [1] C. Northcutt, L. Jiang and I. Chuang, "Confident Learning: Estimating Uncertainty in Dataset
       Labels", Journal of Artificial Intelligence Research 70 (2021), https://doi.org/10.1613/jair.1.12125

    Examples
    --------
    >>> from fishsk import find_label_issues
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = load_iris(return_X_y=True)
    >>> y[7] = 2  # a setosa, labeled as a virginica
    >>> issues = find_label_issues(LogisticRegression(), X, y)
    >>> int(issues.index[0])
    7
    >>> issues.loc[7, ["given_label", "likely_label"]].tolist()
    [2, 0]

    Of images, the grid shows them with the label that they have and the one that they likely should have:

    >>> from fishsk import PredictionGridDisplay
    >>> display = PredictionGridDisplay.from_predictions(
    ...     images[issues.index], issues["given_label"], issues["likely_label"], select="first"
    ... )  # doctest: +SKIP
    """
    import pandas as pd

    found = rank_label_issues(pipeline, X, y, cv=cv, n_jobs=n_jobs)
    return pd.DataFrame(
        {
            "image": [
                os.fspath(item) if isinstance(item, str | os.PathLike) else f"image {row}"
                for row, item in zip(found.rows.tolist(), safe_indexing(X, found.rows), strict=True)
            ],
            "given_label": found.given,
            "likely_label": found.likely,
            "score": found.score,
            "likely_score": found.likely_score,
        },
        index=found.rows,
    )


def rank_label_issues(
    estimator: BaseEstimator, X: object, y: object, *, cv: object = 5, n_jobs: int | None = None
) -> LabelIssues:
    """Do the work of `find_label_issues`, with plain arrays, which need no pandas."""
    y = check_one_target(y, "y")
    check_consistent_length(X, y)
    classes, codes = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"y must have at least two classes. Got {classes.tolist()!r} alone.")
    check_classifier(estimator)
    learner, features = run_frozen_steps(estimator, X)
    cv = check_cv(cv, y, classifier=True)
    method = "predict_proba" if hasattr(learner, "predict_proba") else "decision_function"
    proba = cross_val_predict(learner, features, y, cv=cv, n_jobs=n_jobs, method=method)
    if method == "decision_function":
        values = proba.reshape(len(y), -1)  # of two classes there is one column
        proba = cross_val_predict(LogisticRegression(), values, y, cv=cv, method="predict_proba")
    likely = _find_likely(proba, codes)
    samples = np.arange(len(codes))
    score = proba[samples, codes]
    rows = np.flatnonzero(likely != codes)
    rows = rows[np.argsort(score[rows], kind="stable")]
    return LabelIssues(
        rows=rows,
        given=y[rows],
        likely=classes[likely[rows]],
        score=score[rows],
        likely_score=proba[rows, likely[rows]],
        agreement=float(np.mean(proba.argmax(axis=1) == codes)),
    )


def _find_likely(proba: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the class that each image confidently belongs to; the given one where there is none.

    A class is confident of an image if its probability reaches the mean of its probabilities for the images
    that bear its label; of several such classes the most probable counts.
    """
    own = proba[np.arange(len(codes)), codes]
    thresholds = np.bincount(codes, weights=own) / np.bincount(codes)
    confident = proba >= thresholds
    likely = np.where(confident, proba, -1).argmax(axis=1)
    return np.where(confident.any(axis=1), likely, codes)
