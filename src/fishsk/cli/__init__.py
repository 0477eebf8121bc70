"""The command line, ``python -m fishsk``: one file a command; nothing imports it."""

from fishsk.cli._main import main

__all__ = ["main"]
