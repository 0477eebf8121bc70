"""save_pipeline and load_pipeline: fitted pipelines in files that hold data and no code."""

from __future__ import annotations

import os
import warnings
from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from fishsk._utils.files import expand, write_atomically
from fishsk._utils.versions import find_version
from fishsk.persistence._archive import pack, unpack
from fishsk.persistence._export import export_keras
from fishsk.persistence._steps import check_pipeline, describe, find_step_types, rebuild

__all__ = ["export_keras", "load_pipeline", "save_pipeline"]


def save_pipeline(pipeline: Any, path: str | os.PathLike) -> None:
    """Write a fitted pipeline to a file that holds data and no code.

    The file is a zip archive of JSON (parameters, class labels, versions, the SHA-256 of each member) and of
    arrays in the safetensors format. It appears under its name whole or not at all: an older file of that
    name stays until the new one is on disk. The same pipeline gives the same bytes.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Fitted, of `VGG16FeatureTransformer` or `KerasFeatureTransformer`, or several of them in a
        `FeatureUnion`, `StandardScaler`, "passthrough", `KerasHeadClassifier` and `KerasHeadRegressor`; of
        scikit-learn's regressors that the notes name; or of other types that these describe.
    path : path-like
        Where to write.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the pipeline is not fitted.
    TypeError
        If `pipeline` is no Pipeline.
    ValueError
        If a step or a parameter cannot be saved as data, such as Keras callbacks.
    OSError
        If the file cannot be written.

    See Also
    --------
    load_pipeline : Read the file.
    export_keras : Write one Keras model instead, which needs neither fishsk nor scikit-learn.

    Notes
    -----
    Frozen weights are not copied into the file: it holds their name or path, and their digest. A keras.Model
    that was given as `backbone` has no name: save it as a ``.keras`` file, and give that.

    Of scikit-learn's regressors, ``SVR``, ``Ridge``, ``RidgeCV``, ``LinearRegression``, ``Lasso`` and
    ``ElasticNet`` are known, and any regressor that can be saved inside of a ``TransformedTargetRegressor``
    whose transformer is a ``StandardScaler`` or None.

    A head with a network of one's own is saved as that network, its configuration and its weights; it must be
    made of Keras's own parts. The function that built it is code, and is not saved: the `model` of the head
    that is loaded is the trained network.

    A step of another type can be saved if its parameters are plain values (None, numbers, text, paths, and
    lists, tuples and dicts of these), and if all it has learned is such values and NumPy arrays, in
    attributes whose names end in ``_``. Or else it has two methods: ``_get_fitted_state()`` returns a dict
    for JSON and a dict of arrays, which ``_set_fitted_state(state, arrays)`` takes back. `load_pipeline` must
    be told of it.

    Among parameters, NumPy numbers and arrays come back as Python's numbers and lists, arrays of text with
    dtype object, and path-likes as `pathlib.Path`. Metadata requests and `set_output` are saved,
    scikit-learn's callbacks are not.

    `pickle` and `joblib` can store a pipeline too. But whoever can change such a file can run any code on the
    machine that loads it, and it suits only the versions that wrote it.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from fishsk import KerasHeadClassifier, load_pipeline, save_pipeline
    >>> X, y = load_iris(return_X_y=True)
    >>> head = KerasHeadClassifier(hidden_units=0, epochs=2, random_state=0)
    >>> pipeline = make_pipeline(StandardScaler(), head).fit(X, y)
    >>> save_pipeline(pipeline, "iris.fishsk")
    >>> loaded = load_pipeline("iris.fishsk")
    >>> bool((loaded.predict_proba(X) == pipeline.predict_proba(X)).all())
    True
    """
    if not isinstance(pipeline, Pipeline):
        raise TypeError(
            f"pipeline must be a sklearn.pipeline.Pipeline. Got {pipeline!r}. Of a search, pass its "
            "best_estimator_; of a single estimator, a Pipeline of one step that is fitted."
        )
    check_is_fitted(pipeline)
    for name in ("memory", "transform_input"):  # what unpickles from a folder, and what only fit looks at
        if getattr(pipeline, name) is not None:
            raise ValueError(
                f"{name} must be None in a pipeline that is saved. Got {getattr(pipeline, name)!r}. Pass "
                f"pipeline.set_params({name}=None)."
            )
    check_pipeline(pipeline)
    write_atomically(expand(path), [pack(*describe(pipeline))])


def load_pipeline(path: str | os.PathLike, *, custom_steps: dict[str, type] | None = None) -> Pipeline:
    """Read a pipeline that `save_pipeline` wrote, without running anything in the file.

    Every member is checked against its SHA-256, every parameter by the step that it belongs to, and every
    array against the parameters. Estimators and layers are built by fishsk's own code, and no pickle is read.
    Of a network of one's own Keras gets the configuration, in its safe mode, once each name in it was found
    among Keras's own parts that neither run code nor read files.

    Parameters
    ----------
    path : path-like
        The file.
    custom_steps : dict of str to class, default=None
        Further types of steps that the file may use, by the names of their classes, as in ``{"PCA": PCA}``.
        They are called with parameters from the file, so name only classes for which any are safe.

    Returns
    -------
    sklearn.pipeline.Pipeline
        Fitted, with the parameters, class labels and training history of the pipeline that was saved.

    Raises
    ------
    ValueError
        If the file is corrupt, is no file of `save_pipeline`, has a newer format, or uses a type of step that
        is not known; or if the frozen weights are missing or are not those that it was fitted with.
    OSError
        If the file cannot be read.

    Warns
    -----
    UserWarning
        If another version of fishsk saved the file.

    See Also
    --------
    save_pipeline : Write the file; its notes say what `pickle` and `joblib` risk.

    Notes
    -----
    Parameters in a file may name places on this machine: a path in `weights` or `backbone` is read, and to
    one in `cache` features are written when the pipeline is used. In a stranger's file, look at these first,
    in ``get_params()``.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.decomposition import PCA
    >>> from sklearn.pipeline import make_pipeline
    >>> from fishsk import KerasHeadClassifier, load_pipeline, save_pipeline
    >>> head = KerasHeadClassifier(hidden_units=0, epochs=2, random_state=0)
    >>> save_pipeline(make_pipeline(PCA(3), head).fit(*load_iris(return_X_y=True)), "iris.fishsk")
    >>> load_pipeline("iris.fishsk")
    Traceback (most recent call last):
    ...
    ValueError: ... pass custom_steps...
    >>> load_pipeline("iris.fishsk", custom_steps={"PCA": PCA})["pca"]
    PCA(n_components=3)
    """
    path = expand(path)
    content = path.read_bytes()
    try:
        versions, document, arrays = unpack(content)
        saved, current = versions.get("fishsk"), find_version("fishsk")
        if saved != current:
            warnings.warn(
                f"{str(path)!r} was saved by fishsk {saved}, and is loaded by {current}: it may not work, or "
                "give other results. Fit and save it again, or load it with the version that saved it.",
                UserWarning,
                stacklevel=2,
            )
        return rebuild(document, arrays, find_step_types() | (custom_steps or {}))
    except (AttributeError, OSError, OverflowError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(
            f"{str(path)!r} cannot be loaded: {str(error).rstrip('.')}. It must be as save_pipeline wrote "
            "it, and weights that it names must be in place; else fit and save the pipeline again."
        ) from error
