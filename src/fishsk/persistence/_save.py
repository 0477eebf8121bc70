"""save_pipeline and load_pipeline: fitted pipelines in files that hold data and no code."""

from __future__ import annotations

import os
from collections.abc import Sequence

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from fishsk._utils.files import expand, write_atomically
from fishsk.persistence._archive import dump, load, pack, unpack
from fishsk.persistence._steps import check_pipeline, from_file, get_digests, to_file


def save_pipeline(pipeline: Pipeline, path: str | os.PathLike, *, trusted: Sequence[str | type] = ()) -> None:
    """Write a fitted pipeline to a file that holds data and no code.

    The file is that of skops [1]_, a zip archive of JSON and arrays, and a manifest with the SHA-256 of each
    member. It appears under its name whole or not at all: an older file of that name stays until the new one
    is on disk. The same pipeline gives the same bytes.

    Parameters
    ----------
    pipeline : sklearn.pipeline.Pipeline
        Fitted, of fishsk's transformers and heads and any estimators of scikit-learn, also those that hold
        others: FeatureUnion, ColumnTransformer, StackingClassifier, TransformedTargetRegressor.
    path : path-like
        Where to write.
    trusted : sequence of type or str, default=()
        Further types that the file may hold, or their full names, as in ``["package.module.Class"]``. Name
        only types that are safe to build from any file; `load_pipeline` must be told of them, too.

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
    export_model : Write one model for another runtime instead, which needs neither fishsk nor scikit-learn.

    Notes
    -----
    Frozen weights are not copied into the file: it holds their name or path, and their digest. A keras.Model
    that was given as `backbone` has no name: save it as a ``.keras`` file, and give that.

    A head with a custom network is saved as that network, its configuration and its weights; it must be
    made of Keras's own parts. The function that built it is code, and is not saved: the `model` of the head
    that is loaded is the trained network.

    Of scikit-learn everything is saved but search trees of neighbors (pass ``algorithm="brute"``), functions
    of your own, and what skops does not know, such as Birch; an error names the step.

    Path-likes come back as text. Metadata requests and `set_output` are saved, scikit-learn's callbacks are
    not.

    `pickle` and `joblib` can store a pipeline too. But whoever can change such a file can run any code on the
    machine that loads it, and it suits only the versions that wrote it.

    References
    ----------
    .. [1] skops, "Secure persistence", https://skops.readthedocs.io/en/stable/persistence.html

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
    check_pipeline(pipeline)
    write_atomically(expand(path), [pack(dump(to_file(pipeline), trusted), get_digests(pipeline))])


def load_pipeline(path: str | os.PathLike, *, trusted: Sequence[str | type] = ()) -> Pipeline:
    """Read a pipeline that `save_pipeline` wrote, without running anything in the file.

    Every member is checked against its SHA-256; no pickle is read. skops builds the estimators if their types
    are all on a list, once it has looked at all of them; parameters, a head's weights, and the arrays that
    compiled code follows (trees, support vectors) are checked. Of a custom network Keras gets the
    configuration, in its safe mode, once each name in it was found among Keras's own parts that neither run
    code nor read files.

    Parameters
    ----------
    path : path-like
        The file.
    trusted : sequence of type or str, default=()
        Further types that the file may hold, as of `save_pipeline`. Name only types that are safe to build
        from any file.

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
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import PowerTransformer
    >>> from fishsk import load_pipeline, save_pipeline
    >>> X, y = load_iris(return_X_y=True)
    >>> pipeline = make_pipeline(PowerTransformer(), RandomForestClassifier(10, random_state=0)).fit(X, y)
    >>> save_pipeline(pipeline, "iris.fishsk")
    >>> bool((load_pipeline("iris.fishsk").predict(X) == pipeline.predict(X)).all())
    True
    """
    path = expand(path)
    content = path.read_bytes()
    try:
        digests = unpack(content)
        return from_file(load(content, trusted), digests)
    except Warning:  # where warnings are errors
        raise
    except Exception as error:  # skops and Keras raise almost anything on hostile bytes
        raise ValueError(
            f"{str(path)!r} cannot be loaded: {str(error).rstrip('.')}. It must be as save_pipeline wrote "
            "it, and weights that it names must be in place; else fit and save the pipeline again."
        ) from error
