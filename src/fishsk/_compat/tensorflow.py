"""Private names of TensorFlow 2."""

from __future__ import annotations


def uses_onednn() -> bool:
    """Return whether TensorFlow runs on oneDNN, which it decides when it is imported. It loads TensorFlow."""
    from tensorflow.python.util import _pywrap_util_port

    return bool(_pywrap_util_port.IsMklEnabled())
