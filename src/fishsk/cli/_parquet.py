"""Features written as Parquet, part by part: a run that was cut goes on, and none needs the memory of all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fishsk._utils.files import write_atomically
from fishsk.cli._targets import to_text

_KEY = b"fishsk"


class Parts:
    """The finished parts of a Parquet file, in a folder beside it, until it is whole.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = path.with_name(f"{path.name}.parts")

    def read(self, number: int, key: str) -> dict[str, Any] | None:
        """Return what is known of a part that was written under the same key, or None."""
        from pyarrow import parquet

        try:
            known = json.loads(parquet.read_schema(self._file(number)).metadata[_KEY])
        except (OSError, KeyError, TypeError, ValueError):  # ArrowInvalid is a ValueError
            return None
        return known if known["key"] == key else None

    def write(
        self, number: int, columns: Mapping[str, Any], features: np.ndarray, known: dict[str, Any]
    ) -> None:
        """Write a part whole or not at all, with what is to be known of it."""
        import pyarrow as pa
        from pyarrow import parquet

        rows = np.ascontiguousarray(features, dtype=np.float32)
        arrays = {name: _to_arrow(values) for name, values in columns.items()}
        arrays["features"] = pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1])
        table = pa.table(arrays).replace_schema_metadata({_KEY: json.dumps(known)})
        sink = pa.BufferOutputStream()
        parquet.write_table(table, sink, compression="zstd", use_dictionary=False)
        self.folder.mkdir(exist_ok=True)
        write_atomically(self._file(number), [sink.getvalue()])

    def join(self, n_parts: int, described: Mapping[str, Any]) -> int:
        """Put the parts together, one at a time, remove them, and return the number of rows."""
        from pyarrow import parquet

        schema = parquet.read_schema(self._file(0)).with_metadata({_KEY: json.dumps(described)})
        whole = self.folder / "whole.parquet"
        n_rows = 0
        with parquet.ParquetWriter(whole, schema, compression="zstd", use_dictionary=False) as writer:
            for number in range(n_parts):
                part = parquet.read_table(self._file(number)).replace_schema_metadata(schema.metadata)
                if part.num_rows:
                    writer.write_table(part, row_group_size=part.num_rows)
                n_rows += part.num_rows
        whole.replace(self.path)
        shutil.rmtree(self.folder)
        return n_rows

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:06}.parquet"


def cut(n_items: int, n_part: int) -> Iterator[slice]:
    """Yield slices of so many items each, the last of fewer."""
    yield from (slice(start, start + n_part) for start in range(0, n_items, n_part))


def _to_arrow(values: Sequence[Any] | Iterable[Any]) -> Any:
    import pyarrow as pa

    values = [*map(to_text, values)]
    return (
        pa.array(values, pa.list_(pa.string()))
        if values and isinstance(values[0], list)
        else pa.array(values)
    )
