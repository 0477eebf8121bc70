"""The command line, ``python -m fishsk``: one file a command, in ``commands``; nothing imports it."""

from fishsk.cli._main import build_parser, main

__all__ = ["build_parser", "main"]
