"""Where the modules that version 0.1 pickled by name are now, so that such pickles still load."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

_MOVED = {
    "fishsk._head": "fishsk.head._classifier",
    "fishsk._prediction_grid": "fishsk.inspection._prediction_grid",
    "fishsk._search": "fishsk.search._search",
    "fishsk._search_study": "fishsk.search._study",
    "fishsk._training": "fishsk.head._training",
    "fishsk._training_curve": "fishsk.inspection._training_curve",
    "fishsk._vgg16": "fishsk.features._vgg16",
}


class _MovedFinder(MetaPathFinder, Loader):
    """Import an old name as a module that hands on what the new one holds."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in _MOVED else None

    def exec_module(self, module: ModuleType) -> None:
        moved = importlib.import_module(_MOVED[module.__name__])
        vars(module)["__getattr__"] = lambda name: getattr(moved, name)


def install() -> None:
    """Let ``import`` find the old names; nothing is loaded before one is asked for."""
    if not any(isinstance(finder, _MovedFinder) for finder in sys.meta_path):
        sys.meta_path.append(_MovedFinder())
