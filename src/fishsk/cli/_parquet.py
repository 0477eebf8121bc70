"""Features written as Parquet, part by part: a run that was cut goes on, and none needs the memory of all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from fishsk._utils.files import write_atomically
from fishsk.cli._targets import to_utf8

_KEY = b"fishsk"


class Parts:
    """The finished parts of a Parquet file, in a folder beside it, until it is whole."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = path.with_name(f"{path.name}.parts")

    def read(self, number: int, key: str) -> dict[str, str] | None:
        """Return why files of a part cannot be read, or None where none was written under the same key."""
        try:
            known = json.loads(parquet.read_schema(self._file(number)).metadata[_KEY])
        except (OSError, KeyError, TypeError, ValueError):  # ArrowInvalid is a ValueError
            return None
        return known["errors"] if known["key"] == key else None

    def write(
        self, number: int, columns: Mapping[str, list], features: np.ndarray, key: str, errors: dict[str, str]
    ) -> None:
        """Write a part whole or not at all, under a key, with why others of its files cannot be read."""
        rows = np.ascontiguousarray(features, dtype=np.float32)
        arrays = {name: pa.array([*map(to_utf8, values)]) for name, values in columns.items()}
        if any(isinstance(label, list) for label in columns.get("label", [])):  # tags, perhaps none
            arrays["label"] = pa.array(columns["label"], pa.list_(pa.string()))
        arrays["features"] = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
        table = pa.table(arrays).replace_schema_metadata({_KEY: json.dumps({"key": key, "errors": errors})})
        sink = pa.BufferOutputStream()
        parquet.write_table(table, sink, compression="zstd", use_dictionary=False)
        self.folder.mkdir(exist_ok=True)
        write_atomically(self._file(number), [sink.getvalue()])

    def join(self, n_parts: int, described: Mapping[str, object]) -> int:
        """Put the parts together, one at a time, remove them, and return the number of rows."""
        sizes = [parquet.read_metadata(self._file(number)).num_rows for number in range(n_parts)]
        filled = [number for number, size in enumerate(sizes) if size]  # columns without rows have no type
        first = self._file(filled[0] if filled else 0)
        schema = parquet.read_schema(first).with_metadata({_KEY: json.dumps(described)})
        whole = self.folder / "whole.parquet"
        with parquet.ParquetWriter(whole, schema, compression="zstd", use_dictionary=False) as writer:
            for number in filled:
                part = parquet.read_table(self._file(number)).replace_schema_metadata(schema.metadata)
                writer.write_table(part, row_group_size=part.num_rows)
        whole.replace(self.path)
        shutil.rmtree(self.folder)
        return sum(sizes)

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:06}.parquet"
