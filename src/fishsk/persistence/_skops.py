"""Pipelines as skops writes them: a list of trusted types, and no pickle."""

from __future__ import annotations

from collections.abc import Sequence

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
from fishsk.persistence._parts import walk

TRANSFORMERS = (FrozenUnion, KerasFeatureTransformer, OnnxFeatureTransformer, VGG16FeatureTransformer)

_CALIBRATIONS = ("CalibratedClassifier", "SigmoidCalibration", "TemperatureScaling")
_KERNELS = (
    "ConstantKernel",
    "DotProduct",
    "Matern",
    "Product",
    "RBF",
    "RationalQuadratic",
    "Sum",
    "WhiteKernel",
)
_SCORES = ("chi2", "f_classif", "f_regression")
#: Types beside those that skops trusts by itself. The arrays of trees are checked here; search trees of
#: neighbors, whose compiled code believes its arrays, are left out.
TRUSTED = (
    *(f"{kind.__module__}.{kind.__name__}" for kind in (*DATA_TYPES, *TRANSFORMERS)),
    "functools.partial",
    "numpy.dtype",
    "numpy.mean",
    "scipy.interpolate._bsplines.BSpline",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    *(f"sklearn.calibration._{each}" for each in _CALIBRATIONS),
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    *(f"sklearn.feature_selection._univariate_selection.{each}" for each in _SCORES),
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    *(f"sklearn.gaussian_process.kernels.{each}" for each in _KERNELS),
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    "sklearn.utils._metadata_requests.MetadataRequest",
    "sklearn.utils._metadata_requests.MethodMetadataRequest",
    "sklearn.utils.validation.check_array",
)


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
    pipeline = skops.io.loads(content, trusted=[*TRUSTED, *trusted])
    for part in walk(pipeline):
        check_compiled(part)
    return pipeline


def _find_untrusted(content: bytes, trusted: Sequence[str | type]) -> list[str]:
    import skops.io

    names = {each if isinstance(each, str) else f"{each.__module__}.{each.__qualname__}" for each in trusted}
    return sorted(set(skops.io.get_untrusted_types(data=content)) - {*TRUSTED, *names})
