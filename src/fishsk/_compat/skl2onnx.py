"""skl2onnx 1.20, which calls scikit-learn and protobuf as older versions were called."""

from __future__ import annotations

import warnings
from typing import Any
from unittest import mock


def convert_sklearn(estimator: object, **keywords: object) -> Any:
    """Return `skl2onnx.convert_sklearn` of an estimator.

    It reads attributes of SVC that scikit-learn 1.9 deprecates, and of HistGradientBoosting it says of a
    leaf's side for missing values False, where protobuf 7 wants an integer.
    """
    import skl2onnx
    from skl2onnx.common import tree_ensemble

    add_node = tree_ensemble.add_node

    def add(*args: object, nodes_missing_value_tracks_true: bool = False, **named: object) -> None:
        add_node(*args, nodes_missing_value_tracks_true=int(nodes_missing_value_tracks_true), **named)

    with (
        mock.patch.object(tree_ensemble, "add_node", add),
        warnings.catch_warnings(action="ignore", category=FutureWarning),
    ):
        return skl2onnx.convert_sklearn(estimator, **keywords)
