"""OpenVINO and NNCF, which fishsk imports and calls without what they do besides."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import logging
import sys
from collections.abc import Iterator
from types import ModuleType
from unittest import mock

import rich


def load_module(name: str) -> ModuleType:
    """Return the module "openvino" or "nncf".

    Both report their import and their use to Google Analytics, unless openvino_telemetry is missing: here it
    is, for the time of the import. And NNCF makes its own kind of logger that of all loggers to come.
    """
    names = [each for each in sys.modules if each.partition(".")[0] == "openvino_telemetry"]
    telemetry = {each: sys.modules.pop(each) for each in names}
    loggers = logging.getLoggerClass()
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # an import of it raises ImportError
    try:
        return importlib.import_module(name)
    finally:
        del sys.modules["openvino_telemetry"]
        sys.modules.update(telemetry)
        logging.setLoggerClass(loggers)


@contextlib.contextmanager
def silent_nncf() -> Iterator[None]:
    """Keep NNCF's log and its progress bars, which rich's own console draws, off standard output."""
    with (
        mock.patch.object(rich.get_console(), "quiet", True),
        mock.patch.object(logging.getLogger("nncf"), "disabled", True),
    ):
        yield


@contextlib.contextmanager
def kept_signal_stack() -> Iterator[None]:
    """Leave the stack on which this thread handles signals as it is.

    On Linux each load of OpenVINO's CPU plugin makes one of its own, and each unload unmaps that, also where
    a later plugin has noted it as the one to go back to: the next Ctrl-C would be a segmentation fault.
    """
    if sys.platform != "linux":
        yield
        return
    before, libc = ctypes.create_string_buffer(64), ctypes.CDLL(None)  # a stack_t has 24 bytes
    libc.sigaltstack(None, before)
    try:
        yield
    finally:
        libc.sigaltstack(before, None)
