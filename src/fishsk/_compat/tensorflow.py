"""Private names of TensorFlow 2, and its silence."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from typing import Any
from unittest import mock


def uses_onednn() -> bool:
    """Return whether TensorFlow runs on oneDNN, which it decides when it is imported. It loads TensorFlow."""
    from tensorflow.python.util import _pywrap_util_port

    return bool(_pywrap_util_port.IsMklEnabled())


def freeze(function: Any) -> Any:
    """Return a `tf.function` of one signature as a concrete function whose weights are constants.

    Of variables, the converter of TensorFlow 2.21 to LiteRT makes networks that give NaN.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    return convert_variables_to_constants_v2(function.get_concrete_function())


def silent_tensorflow() -> AbstractContextManager[object]:
    """Keep off standard error what TensorFlow logs of names that others call, and it deprecates."""
    return mock.patch.object(logging.getLogger("tensorflow"), "disabled", True)
