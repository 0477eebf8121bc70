"""OpenVINO and NNCF, which fishsk imports and calls without what they do besides."""

from __future__ import annotations

import contextlib
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
