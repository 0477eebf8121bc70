"""The command line, ``python -m fishsk``: one file a command, in ``commands``.

It reads arguments and prints; it computes nothing that Python users could not call, and no room imports it.
"""

from fishsk.cli._main import build_parser, main

__all__ = ["build_parser", "main"]
