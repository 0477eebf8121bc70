"""The file of a saved pipeline: skops's zip archive, and a manifest by which it is verified when it is read.

No pickle is in it, and no type that is not on a list.

::

    schema.json, 0.npy, 1.npy, ...   what skops writes of the pipeline
    fishsk.json                      format, digests of the frozen weights, SHA-256 of the other members
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from fishsk._compat.sklearn import check_compiled
from fishsk.features import (
    FrozenUnion,
    KerasFeatureTransformer,
    OnnxFeatureTransformer,
    VGG16FeatureTransformer,
)
from fishsk.head import DATA_TYPES

_FORMAT = 1
_MANIFEST, _SCHEMA = "fishsk.json", "schema.json"
_MAX_JSON = 2**26  # bytes; parsed, JSON takes up to thirty times as much memory
#: Types beside those that skops trusts by itself. The arrays of trees are checked here; search trees of
#: neighbors, whose compiled code believes its arrays, are left out.
_TRUSTED_NAMES = {
    "functools": "partial",
    "numpy": "dtype mean",
    "scipy.interpolate._bsplines": "BSpline",
    "sklearn._loss.loss": "HalfTweedieLossIdentity",
    "sklearn.calibration": "_CalibratedClassifier _SigmoidCalibration _TemperatureScaling",
    "sklearn.ensemble._hist_gradient_boosting.predictor": "TreePredictor",
    "sklearn.feature_selection._univariate_selection": "chi2 f_classif f_regression",
    "sklearn.gaussian_process._gpc": "_BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process.kernels": (
        "ConstantKernel DotProduct Matern Product RBF RationalQuadratic Sum WhiteKernel"
    ),
    "sklearn.neural_network._stochastic_optimizers": "AdamOptimizer SGDOptimizer",
    "sklearn.tree._tree": "Tree",
    "sklearn.utils._bunch": "Bunch",
    "sklearn.utils._metadata_requests": "MetadataRequest MethodMetadataRequest",
    "sklearn.utils.validation": "check_array",
}
_OWN = (*DATA_TYPES, FrozenUnion, KerasFeatureTransformer, OnnxFeatureTransformer, VGG16FeatureTransformer)
_TRUSTED = [
    *(f"{kind.__module__}.{kind.__name__}" for kind in _OWN),
    *(f"{module}.{name}" for module, names in _TRUSTED_NAMES.items() for name in names.split()),
]


def pack(content: bytes, weights: dict[str, str]) -> bytes:
    """Return the bytes of the file for what skops wrote, the same for the same pipeline."""
    members = dict(_renumber(_read_members(content)))
    manifest = {
        "format": _FORMAT,
        "members": {name: hashlib.sha256(member).hexdigest() for name, member in members.items()},
        "weights": weights,
    }
    members[_MANIFEST] = json.dumps(manifest, indent=1, sort_keys=True).encode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in sorted(members):
            # Dated 1980. Stored: weights hardly shrink, and who refuses compression cannot be bombed.
            archive.writestr(zipfile.ZipInfo(name), members[name], zipfile.ZIP_STORED)
    return file.getvalue()


def unpack(content: bytes) -> dict[str, str]:
    """Return the digests of the frozen weights that the bytes of a file name, once it is as it was written.

    ValueError if the file was changed, has a newer format, or is something else.
    """
    members = _read_members(content)
    if not {_MANIFEST, _SCHEMA} <= members.keys():
        raise ValueError(
            f"it must be a zip archive with the members {_MANIFEST!r} and {_SCHEMA!r}. Got {[*members][:5]}. "
            "What pickle, joblib or Keras have saved is not loaded here"
        )
    manifest = json.loads(members.pop(_MANIFEST))
    if manifest["format"] != _FORMAT:
        raise ValueError(
            f"its format must be {_FORMAT}, and is {manifest['format']!r}: install the fishsk that wrote it"
        )
    found = {name: hashlib.sha256(member).hexdigest() for name, member in members.items()}
    if found != manifest["members"]:
        raise ValueError("it is corrupt: the SHA-256 of its members are not those in its manifest")
    return manifest["weights"]


def _read_members(content: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            if any(info.compress_type for info in infos):
                raise ValueError("its members must be uncompressed")
            if any(info.file_size > _MAX_JSON for info in infos if info.filename.endswith(".json")):
                raise ValueError(f"its JSON may have {_MAX_JSON} bytes")
            return {info.filename: archive.read(info) for info in infos}
    except Exception as error:  # zipfile raises almost anything on hostile bytes
        raise ValueError(f"it is no zip archive of fishsk, or a corrupt one: {error}") from error


def _renumber(members: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield what skops wrote, with numbers in order for the addresses of objects."""
    numbers: dict[int | str, int] = {}
    names: dict[str, str] = {}

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
            key = int(stem) if stem.isdigit() else stem
            state["file"] = names[file] = f"{numbers.setdefault(key, len(numbers))}{dot}{suffix}"
        return state

    yield _SCHEMA, json.dumps(renumber(json.loads(members[_SCHEMA])), indent=1).encode()
    for old, new in names.items():
        yield new, members[old]


def dump(pipeline: Pipeline, trusted: Sequence[str | type]) -> bytes:
    """Return a pipeline as the bytes of skops; ValueError names the step that cannot be saved."""
    try:
        return _dump(pipeline, trusted)
    except ValueError:
        parts = {
            name: part for name, part in pipeline.get_params().items() if isinstance(part, BaseEstimator)
        }
        for name, step in sorted(parts.items(), key=lambda each: -each[0].count("__")):  # the innermost
            try:
                _dump(step, trusted)
            except ValueError as error:
                raise ValueError(
                    f"The step {name!r} cannot be saved as data: {str(error).rstrip('.')}. Save the pipeline "
                    "with pickle, for your own use, or fit it with another step; of custom types that are "
                    "safe to build from any file, pass trusted=[...] to save_pipeline and load_pipeline."
                ) from error
        raise


def _dump(step: BaseEstimator, trusted: Sequence[str | type]) -> bytes:
    import skops.io
    from skops.io.exceptions import UnsupportedTypeException

    try:
        content = skops.io.dumps(step)
    except (UnsupportedTypeException, AttributeError, NotImplementedError, TypeError) as error:
        raise ValueError(str(error)) from error
    if unknown := _find_untrusted(content, trusted):
        raise ValueError(f"it holds {', '.join(unknown)}, not among the types that files may name")
    return content


def load(content: bytes, trusted: Sequence[str | type]) -> object:
    """Return the pipeline in the bytes of `dump`.

    ValueError if a type is not on the list, in which case nothing was built, or arrays of trees or support
    vectors do not fit.
    """
    import skops.io

    if unknown := _find_untrusted(content, trusted):
        raise ValueError(
            f"it names {', '.join(unknown)}, not among the types that files may name. If you trust the file "
            "and these, pass trusted=[...]"
        )
    pipeline = skops.io.loads(content, trusted=[*_TRUSTED, *trusted])
    for part in _walk(pipeline):
        check_compiled(part)
    return pipeline


def _find_untrusted(content: bytes, trusted: Sequence[str | type]) -> list[str]:
    import skops.io

    names = {each if isinstance(each, str) else f"{each.__module__}.{each.__qualname__}" for each in trusted}
    return sorted(set(skops.io.get_untrusted_types(data=content)) - {*_TRUSTED, *names})


def _walk(value: object, seen: set[int] | None = None) -> Iterator[BaseEstimator]:
    """Return the estimators inside of a value."""
    seen = set() if seen is None else seen
    if id(value) in seen or isinstance(value, str | bytes | int | float | type | None):
        return
    seen.add(id(value))
    if isinstance(value, BaseEstimator):
        yield value
    parts: Iterable[object] = ()
    if isinstance(value, dict):
        parts = value.values()
    elif isinstance(value, list | tuple | set):
        parts = value
    elif isinstance(value, np.ndarray) and value.dtype.kind == "O":
        parts = value.ravel().tolist()
    elif hasattr(value, "__dict__"):
        parts = vars(value).values()
    for part in list(parts):
        yield from _walk(part, seen)
