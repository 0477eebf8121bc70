"""write_report and write_model_card: one file on how a fitted classifier or regressor of images does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sklearn.base import BaseEstimator

from fishsk._utils.files import StrPath
from fishsk.features import describe_parts
from fishsk.inspection import find_fitted
from fishsk.report._gather import gather_report
from fishsk.report._render import write_page

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from fishsk._utils.typing import Folds, ImagesLike


def write_report(
    estimator: BaseEstimator,
    X: ImagesLike,
    y: ArrayLike,
    path: StrPath,
    *,
    X_train: ImagesLike | None = None,
    y_train: ArrayLike | None = None,
    y_pred: ArrayLike | None = None,
    y_proba: ArrayLike | None = None,
    title: str | None = None,
    display_labels: Iterable[object] | None = None,
    target_name: str | None = None,
    image_names: Sequence[str] | None = None,
    image_shape: tuple[int, ...] | None = None,
    input_range: tuple[float, float] | str | None = "auto",
    max_images: int = 24,
    explain: bool = True,
    cv: Folds = None,
    reproduce: str | None = None,
    card: StrPath | None = None,
) -> Path:
    """Write a report on a fitted classifier or regressor of images, one self-contained HTML file.

    The page holds scores with 95 % intervals, a classification table, the confusion matrix, whose cells open
    the images that fell into them, the most confident mistakes with heat maps of what misled the classifier,
    a map of the images by their features, a sample of each class, training curves, calibration, accuracy if
    only probable answers are given, test images unlike all of training, near-duplicates between training and
    test images, the pipeline, versions, timings, and how to reproduce it.

    Of tags, several of which an image may have, it holds precision, recall, average precision and threshold
    of each, and the images with a wrong one; there are neither heat maps nor a model card.

    Of a regressor it holds errors in the unit of the target, beside those of always answering the mean;
    predicted against true numbers, residuals, and the largest errors with heat maps of what raised the answer
    and what lowered it.

    The page has no script, and loads nothing: it works from an e-mail and in an archive, by keyboard, with a
    screen reader, on a phone, in the dark and on paper.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier or regressor of images, such as `make_fish_pipeline` makes, or a fitted search
        over one. Sections that need probabilities (calibration) or the history of a Keras head (training
        curves) are left out where there is none.
    X : array-like or sequence
        Test images, as `KerasFeatureTransformer` describes them.
    y : array-like of shape (n_samples,) or (n_samples, n_tags)
        Their true labels, their numbers, or their tags as 0 and 1.
    path : path-like
        The file to write. It appears whole or not at all.
    X_train : array-like or sequence, default=None
        The images that the estimator was trained on, to look for near-duplicates of test images, and for test
        images that are unlike all of them.
    y_train : array-like of shape (n_train_samples,), default=None
        Their labels, to be counted and compared with those of near-duplicates; or their numbers, whose mean
        is what a regressor has to beat.
    y_pred : array-like of shape (n_samples,), default=None
        Predictions for `X`, where they are known; by default the estimator predicts.
    y_proba : array-like of shape (n_samples, n_classes), default=None
        Predicted probabilities for `X`, where they are known; by default the classifier predicts them.
    title : str, default=None
        The title of the page.
    display_labels : array-like of shape (n_classes,), default=None
        Names to show for ``estimator.classes_``; by default the labels themselves.
    target_name : str, default=None
        Name of a regressor's target, such as "weight in kg"; by default "number".
    image_names : sequence of str, default=None
        Name of each test image; by default its path, or its position in `X`.
    image_shape, input_range : optional
        As in `PredictionGridDisplay.from_estimator`.
    max_images : int, default=24
        The number of images that each cell of the confusion matrix shows at most; fewer if there are many
        classes. The file takes 2 to 4 KB an image.
    explain : bool, default=True
        Whether there are heat maps beside the most confident mistakes, as `ExplanationDisplay` draws them.
        Each of these takes the network about as long as a dozen new images.
    cv : int, cross-validation generator or iterable, default=None
        With it, and with `X_train` and `y_train`, clones are trained in these folds to tell whether more
        images would help (`LearningForecastDisplay`) and which training labels are likely wrong
        (`find_label_issues`). With 5 this takes some fifteen times as long as training. None leaves it out;
        a regressor has neither.
    reproduce : str, default=None
        Lines of Python or commands that make this report again; by default, lines are composed from the
        estimator's parameters.
    card : path-like, default=None
        Where to write a model card, too, as `write_model_card` does, from the same figures.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    ValueError
        If the estimator is neither classifier nor regressor, or images and labels do not belong together.
    OSError
        If the file cannot be written.

    See Also
    --------
    write_model_card : The figures as Markdown, without images.
    TrainingCurveDisplay : The training curves alone.
    PredictionGridDisplay : Images with their predictions as a figure.

    Notes
    -----
    Intervals of accuracy and recall are Wilson's; those of the macro-averaged F1 score are percentiles over
    bootstrap resamples of the test images. Near-duplicates are found by the estimator's features and
    confirmed by a comparison of the aligned pixels.

    Labels, paths and titles are text in the page, never markup.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from fishsk import write_report
    >>> X, y = load_digits(return_X_y=True)
    >>> classifier = KNeighborsClassifier().fit(X[:1500], y[:1500])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "digits.html"
    ...     path = write_report(classifier, X[1500:], y[1500:], path, image_shape=(8, 8), input_range=(0, 16))
    ...     path.read_text(encoding="utf-8")[:15]
    '<!doctype html>'
    """
    report = gather_report(
        estimator,
        X,
        y,
        X_train=X_train,
        y_train=y_train,
        y_pred=y_pred,
        y_proba=y_proba,
        title=title,
        display_labels=display_labels,
        target_name=target_name,
        image_names=image_names,
        pixels={"image_shape": image_shape, "input_range": input_range},
        max_images=max_images,
        explain=explain,
        cv=cv,
        has_card=card is not None,
    )
    if reproduce is None:
        told = {"cv": cv, "target_name": report.get("target")}
        reproduce = _compose_lines(find_fitted(estimator), Path(path).name, X_train is not None, told)
    if card is not None:
        _write_card(card, estimator, report)
    return write_page(path, f"{report['kind']}.html", lines=reproduce, **report)


def write_model_card(
    estimator: BaseEstimator,
    X: ImagesLike,
    y: ArrayLike,
    path: StrPath,
    *,
    X_train: ImagesLike | None = None,
    y_train: ArrayLike | None = None,
    title: str | None = None,
    display_labels: Iterable[object] | None = None,
    target_name: str | None = None,
    image_shape: tuple[int, ...] | None = None,
    input_range: tuple[float, float] | str | None = "auto",
    license: str | None = None,
    intended_use: str | None = None,
) -> Path:
    """Write the model card of a fitted classifier or regressor of images, a Markdown file.

    It says what a stranger needs to know before using the model: intended use, data, scores with 95 %
    intervals, confusion, calibration, limits, and origin and license of the frozen networks. Its front matter
    is YAML that Hugging Face reads. The figures are those of `write_report`.

    Parameters
    ----------
    estimator : estimator
        A fitted classifier or regressor of images, or a fitted search over one.
    X : array-like or sequence
        Test images, as `KerasFeatureTransformer` describes them.
    y : array-like of shape (n_samples,)
        Their true labels, or their numbers.
    path : path-like
        The file to write, such as ``README.md``. It appears whole or not at all.
    X_train, y_train, title, display_labels, target_name, image_shape, input_range : optional
        As in `write_report`.
    license : str, default=None
        The license of the model, as Hugging Face names it, such as "apache-2.0". None says nothing.
    intended_use : str, default=None
        Intended use of the model; by default its classes, or its target and the range.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the estimator is not fitted.
    ValueError
        If the estimator is neither classifier nor regressor, or images and labels do not belong together.
    OSError
        If the file cannot be written.

    See Also
    --------
    write_report : The page with images; ``card=`` writes the card, too.
    export_model : Write the model for other programs.

    Notes
    -----
    The card follows the model cards of Mitchell et al. [1]_.

    References
    ----------
    .. [1] M. Mitchell et al., "Model Cards for Model Reporting", FAT* 2019, https://arxiv.org/abs/1810.03993

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> from fishsk import write_model_card
    >>> X, y = load_digits(return_X_y=True)
    >>> classifier = KNeighborsClassifier().fit(X[:1500], y[:1500])
    >>> path = write_model_card(
    ...     classifier, X[1500:], y[1500:], "card.md", image_shape=(8, 8), input_range=(0, 16), license="mit"
    ... )
    >>> path.read_text(encoding="utf-8").splitlines()[:3]
    ['---', 'library_name: fishsk', 'license: "mit"']
    """
    report = gather_report(
        estimator,
        X,
        y,
        X_train=X_train,
        y_train=y_train,
        title=title,
        display_labels=display_labels,
        target_name=target_name,
        pixels={"image_shape": image_shape, "input_range": input_range},
        max_images=1,
        explain=False,
        has_card=True,
    )
    return _write_card(path, estimator, report, license=license, intended_use=intended_use)


def _write_card(
    path: StrPath,
    estimator: BaseEstimator,
    report: dict[str, Any],
    license: str | None = None,
    intended_use: str | None = None,
) -> Path:
    """Write the model card of what `gather_report` found, as Hugging Face and skops write it."""
    fitted = find_fitted(estimator)
    steps = [step for _, step in getattr(fitted, "steps", [("", fitted)])]
    return write_page(
        path,
        "card.md",
        **report,
        license=license,
        intended_use=intended_use,
        networks=list(describe_parts(steps[0]).values()),
        head=steps[-1].__repr__(N_CHAR_MAX=2000).replace("```", "'''"),  # which would end the block
    )


def _compose_lines(estimator: BaseEstimator, file_name: str, has_train: bool, told: dict[str, object]) -> str:
    """Return the lines of Python that make an estimator and its report, told what is not None."""
    names = {"fishsk": {"write_report"}}
    for each in (estimator, *estimator.get_params().values()):
        if isinstance(each, BaseEstimator):
            # A public class of a private module is imported from the package above it.
            module = type(each).__module__.partition("._")[0]
            names.setdefault(module, set()).add(type(each).__name__)
    imports = [f"from {module} import {', '.join(sorted(names[module]))}" for module in sorted(names)]
    train = ", X_train=X_train, y_train=y_train" if has_train else ""
    train += "".join(f", {name}={value!r}" for name, value in told.items() if value is not None)
    lines = [
        f"estimator = {estimator.__repr__(N_CHAR_MAX=10**6)}",
        "estimator.fit(X_train, y_train)",
        f"write_report(estimator, X, y, {file_name!r}{train})",
    ]
    return "\n".join([*imports, "", *lines])
