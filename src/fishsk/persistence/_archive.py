"""The file of a saved pipeline: a zip archive of JSON and arrays, verified when it is read.

::

    manifest.json        format, versions of fishsk and its libraries, SHA-256 and size of the other members
    pipeline.json        steps, parameters, class labels
    arrays.safetensors   what fishsk's own steps have learned
    estimators/0.skops   what is scikit-learn's
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import reprlib
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from fishsk._utils.versions import find_version

_FORMAT = 1
_ARRAYS, _MANIFEST, _DOCUMENT = _MEMBERS = ["arrays.safetensors", "manifest.json", "pipeline.json"]
_ESTIMATOR = "estimators/{}.skops"
_STAMPED = ("fishsk", "keras", "numpy", "scikit-learn", "skops", "tensorflow")
_MAX_JSON = 2**24  # bytes; parsed, JSON takes up to thirty times as much memory


def pack(document: dict[str, Any], arrays: dict[str, np.ndarray], estimators: Sequence[bytes] = ()) -> bytes:
    """Return the bytes of the file, the same for the same contents."""
    members = {
        _ARRAYS: save({name: np.asarray(array, order="C") for name, array in arrays.items()}),
        _DOCUMENT: _to_json(document),
    } | {_ESTIMATOR.format(index): content for index, content in enumerate(estimators)}
    manifest = {
        "format": _FORMAT,
        "versions": {name: find_version(name) for name in _STAMPED},
        "members": {
            name: {"sha256": hashlib.sha256(member).hexdigest(), "size": len(member)}
            for name, member in members.items()
        },
    }
    members[_MANIFEST] = _to_json(manifest)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name)  # dated 1980
            info.create_system = 3
            info.external_attr = 0o644 << 16
            # Stored: weights hardly shrink, and a reader that refuses compression cannot be bombed.
            archive.writestr(info, members[name], zipfile.ZIP_STORED)
    return file.getvalue()


def unpack(content: bytes) -> tuple[dict[str, str | None], Any, dict[str, np.ndarray], list[bytes]]:
    """Return versions, document, arrays and estimators in the bytes of a file, all as they were written.

    Raises
    ------
    ValueError
        If the file was changed, has a newer format, or is something else.
    """
    members = _read_members(content)
    manifest = _from_json(_MANIFEST, members.pop(_MANIFEST))
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if type(found) is int and found > _FORMAT:
        raise ValueError(
            f"its format must be {_FORMAT}, and is {found}: install the newer fishsk that wrote it"
        )
    _, versions, listed = take(manifest, _MANIFEST, format=int, versions=dict, members=dict)
    if found != _FORMAT or not all(type(text) in (str, type(None)) for text in versions.values()):
        raise ValueError(f"its format must be {_FORMAT} and its versions text. Got {found} and {versions}")
    entries = take(listed, "members", **dict.fromkeys(members, dict))
    for (name, member), entry in zip(members.items(), entries, strict=True):
        digest, size = take(entry, name, sha256=str, size=int)
        if len(member) != size or hashlib.sha256(member).hexdigest() != digest:
            raise ValueError(f"its member {name!r} is corrupt: its SHA-256 is not the one in the manifest")
    try:
        arrays = load(members[_ARRAYS])
    except Exception as error:  # safetensors raises kinds of its own on corrupt bytes
        raise ValueError(f"its member {_ARRAYS!r} holds no arrays: {error}") from error
    estimators = [members[_ESTIMATOR.format(index)] for index in range(len(members) - 2)]
    return versions, _from_json(_DOCUMENT, members[_DOCUMENT]), arrays, estimators


def take(mapping: Any, what: str, **types: type) -> list[Any]:
    """Return the values of a JSON object, which must have exactly these keys, of these types."""
    if not isinstance(mapping, dict) or mapping.keys() != types.keys():
        got = sorted(mapping) if isinstance(mapping, dict) else mapping
        raise ValueError(f"{what} must have the keys {sorted(types)}. Got {reprlib.repr(got)}")
    for name, expected in types.items():
        if type(mapping[name]) is not expected:
            raise ValueError(
                f"{name!r} of {what} must be {expected.__name__}. Got {reprlib.repr(mapping[name])}"
            )
    return [mapping[name] for name in types]


def _read_members(content: bytes) -> dict[str, bytes]:
    """Return the members of the archive, if they are the known ones, uncompressed."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            expected = _MEMBERS + [_ESTIMATOR.format(index) for index in range(len(infos) - len(_MEMBERS))]
            if sorted(info.filename for info in infos) == sorted(expected) and not any(
                info.compress_type for info in infos
            ):
                return {name: archive.read(name) for name in expected}
    except Exception as error:  # zipfile raises almost anything on hostile bytes
        raise ValueError(f"it is no zip archive, or a corrupt one: {error!r}") from error
    got = [info.filename for info in infos]
    raise ValueError(
        f"it must be a zip archive of {_MEMBERS}, uncompressed. Got {reprlib.repr(got)}. What pickle, joblib "
        "or Keras have saved is not loaded here"
    )


def _to_json(value: Any) -> bytes:
    content = json.dumps(value, sort_keys=True, indent=1, allow_nan=False).encode()
    if len(content) > _MAX_JSON:
        raise ValueError(
            f"Parameters, labels and names may take {_MAX_JSON} bytes of JSON. Got {len(content)}."
        )
    return content


def _from_json(name: str, content: bytes) -> Any:
    if len(content) > _MAX_JSON:
        raise ValueError(f"its member {name!r} may have {_MAX_JSON} bytes. Got {len(content)}")
    try:
        return json.loads(content.decode(), parse_float=_parse_finite, parse_constant=_parse_finite)
    except (RecursionError, ValueError) as error:
        raise ValueError(f"its member {name!r} is no JSON that fishsk writes: {error}") from error


def _parse_finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not finite")
    return number
