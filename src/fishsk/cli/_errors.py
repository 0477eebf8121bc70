"""Which errors are the user's to mend, and which are bugs."""

from __future__ import annotations

import dis

_SPEAKERS = {"fishsk", "sklearn", "optuna", "sqlalchemy", "keras"}


def is_for_users(error: Exception) -> bool:
    """Return whether an error's message is for users; all other errors are bugs.

    fishsk and the libraries it rests on refuse values with ValueError, and files, networks and missing
    packages come as OSError and ImportError. Of other types are both refusals and slips, such as calling
    None: a refusal ends in a ``raise`` of a library that words it, a slip in the operation that failed.
    """
    if isinstance(error, (ValueError, OSError, ImportError, MemoryError)):
        return True
    if isinstance(error, (LookupError, AttributeError, AssertionError, NameError)):
        return False
    traceback = error.__traceback__
    if traceback is None:
        return False
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    frame = traceback.tb_frame
    speaker = frame.f_globals.get("__name__", "").partition(".")[0]
    operation = dis.opname[frame.f_code.co_code[traceback.tb_lasti]]
    return speaker in _SPEAKERS and operation == "RAISE_VARARGS"
