"""scikit-learn's estimators as members of a file, by skops: a list of trusted types, and no pickle."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from fishsk._compat.sklearn import check_compiled

_PREFIX = "skops/"
_SCHEMA = f"{_PREFIX}schema.json"
_MAX_SCHEMA = 2**26  # bytes; parsed, JSON takes up to thirty times as much memory

#: Types beside those that skops trusts by itself. The arrays of trees are checked here; search trees of
#: neighbors, whose compiled code believes its arrays, are left out.
TRUSTED = (
    "fishsk.persistence._parts.Part",
    "functools.partial",
    "numpy.dtype",
    "numpy.mean",
    "scipy.interpolate._bsplines.BSpline",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.feature_selection._univariate_selection.chi2",
    "sklearn.feature_selection._univariate_selection.f_classif",
    "sklearn.feature_selection._univariate_selection.f_regression",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels.ConstantKernel",
    "sklearn.gaussian_process.kernels.DotProduct",
    "sklearn.gaussian_process.kernels.Matern",
    "sklearn.gaussian_process.kernels.Product",
    "sklearn.gaussian_process.kernels.RBF",
    "sklearn.gaussian_process.kernels.RationalQuadratic",
    "sklearn.gaussian_process.kernels.Sum",
    "sklearn.gaussian_process.kernels.WhiteKernel",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    "sklearn.utils.validation.check_array",
)


def dump_estimator(name: str, step: Any, trusted: Sequence[str | type]) -> bytes:
    """Return an estimator as the bytes of skops, the same for the same estimator.

    Raises
    ------
    ValueError
        If it holds something that skops cannot save, or whose type is not on the list.
    """
    import skops.io
    from skops.io.exceptions import UnsupportedTypeException

    advice = (
        "Save the pipeline with pickle, for your own use, or fit it with another step; of custom types "
        "that are safe to build from any file, pass trusted=[...] to save_pipeline and load_pipeline."
    )
    try:
        content = skops.io.dumps(step)
    except (UnsupportedTypeException, AttributeError, NotImplementedError, TypeError, ValueError) as error:
        raise ValueError(f"The step {name!r} cannot be saved: {str(error).rstrip('.')}. {advice}") from error
    unknown = _find_untrusted(content, trusted)
    if unknown:
        raise ValueError(
            f"The step {name!r} cannot be saved as data: it holds {', '.join(unknown)}, not among the types "
            f"that files may name. {advice}"
        )
    return _canonical(content)


def load_estimator(content: bytes, trusted: Sequence[str | type]) -> Any:
    """Return the estimator in the bytes of `dump_estimator`.

    Raises
    ------
    ValueError
        If a type is not on the list, in which case nothing was built, or the arrays of trees or support
        vectors do not fit.
    """
    import skops.io

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        infos = archive.infolist()
        if any(info.compress_type for info in infos):
            raise ValueError("the members of an estimator must not be compressed")
        if any(info.filename == "schema.json" and info.file_size > _MAX_SCHEMA for info in infos):
            raise ValueError(f"an estimator's schema may have {_MAX_SCHEMA} bytes")
    unknown = _find_untrusted(content, trusted)
    if unknown:
        raise ValueError(
            f"it names {', '.join(unknown)}, not among the types that files may name. If you trust the file "
            "and these, pass trusted=[...]"
        )
    estimator = skops.io.loads(content, trusted=[*TRUSTED, *trusted])
    for part in _walk(estimator, set()):
        check_compiled(part)
    return estimator


def _find_untrusted(content: bytes, trusted: Sequence[str | type]) -> list[str]:
    import skops.io

    names = {each if isinstance(each, str) else f"{each.__module__}.{each.__qualname__}" for each in trusted}
    return sorted(set(skops.io.get_untrusted_types(data=content)) - {*TRUSTED, *names})


def _canonical(content: bytes) -> bytes:
    """Return what skops wrote with numbers in order for the addresses of objects, and without dates."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    numbers: dict[int, int] = {}

    def renumber(state: Any) -> Any:
        if isinstance(state, list):
            return [renumber(each) for each in state]
        if not isinstance(state, dict):
            return state
        state = {key: renumber(value) for key, value in state.items()}
        if isinstance(state.get("__id__"), int):
            state["__id__"] = numbers.setdefault(state["__id__"], len(numbers))
        file = state.get("file")
        if isinstance(file, str) and file in members:
            stem, dot, suffix = file.partition(".")
            key = int(stem) if stem.isdigit() else hash(stem)
            state["file"] = f"{numbers.setdefault(key, len(numbers))}{dot}{suffix}"
            files[state["file"]] = members[file]
        return state

    files: dict[str, bytes] = {}
    schema = renumber(json.loads(members["schema.json"]))
    files["schema.json"] = json.dumps(schema, indent=1).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name), files[name], zipfile.ZIP_STORED)
    return buffer.getvalue()


def _walk(value: Any, seen: set[int]) -> Iterator[Any]:
    """Return the estimators inside of a value."""
    if id(value) in seen or isinstance(value, str | bytes | int | float | None):
        return
    seen.add(id(value))
    if isinstance(value, BaseEstimator):
        yield value
        parts: Any = list(vars(value).values())
    elif isinstance(value, dict):
        parts = list(value.values())
    elif isinstance(value, list | tuple | set):
        parts = list(value)
    elif isinstance(value, np.ndarray) and value.dtype.kind == "O":
        parts = value.ravel().tolist()
    else:
        parts = (
            list(vars(value).values()) if hasattr(value, "__dict__") and not isinstance(value, type) else []
        )
    for part in parts:
        yield from _walk(part, seen)
