"""The file of a saved pipeline: skops's zip archive, and a manifest by which it is verified when it is read.

::

    schema.json, 0.npy, 1.npy, ...   what skops writes of the pipeline
    fishsk.json                      format, digests of the frozen weights, SHA-256 of the other members
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

_FORMAT = 1
_MANIFEST, _SCHEMA = "fishsk.json", "schema.json"
_MAX_JSON = 2**26  # bytes; parsed, JSON takes up to thirty times as much memory


def pack(content: bytes, weights: dict[str, str]) -> bytes:
    """Return the bytes of the file for what skops wrote, the same for the same pipeline."""
    members = dict(_renumber(_read_members(content)))
    manifest = {
        "format": _FORMAT,
        "members": {name: hashlib.sha256(member).hexdigest() for name, member in members.items()},
        "weights": weights,
    }
    members[_MANIFEST] = json.dumps(manifest, indent=1, sort_keys=True).encode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in sorted(members):
            # Dated 1980. Stored: weights hardly shrink, and who refuses compression cannot be bombed.
            archive.writestr(zipfile.ZipInfo(name), members[name], zipfile.ZIP_STORED)
    return file.getvalue()


def unpack(content: bytes) -> dict[str, str]:
    """Return the digests of the frozen weights that the bytes of a file name, once it is as it was written.

    ValueError if the file was changed, has a newer format, or is something else.
    """
    members = _read_members(content)
    if not {_MANIFEST, _SCHEMA} <= members.keys():
        raise ValueError(
            f"it must be a zip archive with the members {_MANIFEST!r} and {_SCHEMA!r}. Got {[*members][:5]}. "
            "What pickle, joblib or Keras have saved is not loaded here"
        )
    manifest = json.loads(members.pop(_MANIFEST))
    if manifest["format"] != _FORMAT:
        raise ValueError(
            f"its format must be {_FORMAT}, and is {manifest['format']!r}: install the fishsk that wrote it"
        )
    found = {name: hashlib.sha256(member).hexdigest() for name, member in members.items()}
    if found != manifest["members"]:
        raise ValueError("it is corrupt: the SHA-256 of its members are not those in its manifest")
    return manifest["weights"]


def _read_members(content: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            if any(info.compress_type for info in infos):
                raise ValueError("its members must be uncompressed")
            if any(info.file_size > _MAX_JSON for info in infos if info.filename.endswith(".json")):
                raise ValueError(f"its JSON may have {_MAX_JSON} bytes")
            return {info.filename: archive.read(info) for info in infos}
    except Exception as error:  # zipfile raises almost anything on hostile bytes
        raise ValueError(f"it is no zip archive of fishsk, or a corrupt one: {error}") from error


def _renumber(members: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield what skops wrote, with numbers in order for the addresses of objects."""
    numbers: dict[Any, int] = {}
    names: dict[str, str] = {}

    def renumber(state: Any) -> Any:
        if isinstance(state, list):
            return [renumber(each) for each in state]
        if not isinstance(state, dict):
            return state
        state = {key: renumber(value) for key, value in state.items()}
        if isinstance(state.get("__id__"), int):
            state["__id__"] = numbers.setdefault(state["__id__"], len(numbers))
        file = state.get("file")
        if isinstance(file, str) and file in members:
            stem, dot, suffix = file.partition(".")
            key = int(stem) if stem.isdigit() else stem
            state["file"] = names[file] = f"{numbers.setdefault(key, len(numbers))}{dot}{suffix}"
        return state

    yield _SCHEMA, json.dumps(renumber(json.loads(members[_SCHEMA])), indent=1).encode()
    for old, new in names.items():
        yield new, members[old]
