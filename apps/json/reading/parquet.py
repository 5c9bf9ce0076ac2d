"""Parquet: read rows as documents, and write vectors as rows."""

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps import storage
from hdc.apps.frames.rows import batch_rows
from hdc.apps.frames.values import json_value
from hdc.apps.json.reading.items import ItemPath, inside
from hdc.apps.json.reading.opening import STDIN, is_packed, unreadable
from hdc.apps.json.reading.records import Counts, Record, Rejects
from hdc.apps.json.reading.strict import DocumentError
from hdc.checks import listed, text, wrong
from hdc.errors import DimensionError, DTypeError
from hdc.files import replacing

ROWS = 1024
"""Rows to read per block."""

ROW_GROUP = 65536
"""Rows per row group."""

_MAGIC = b"PAR1"


def is_parquet(stream: io.BufferedReader) -> bool:
    """Say whether a stream begins as a Parquet file does."""
    return not is_packed(stream) and stream.peek(4)[:4] == _MAGIC


def read_parquet(path: str | Path, name: str, items: ItemPath, rejects: Rejects, counts: Counts) -> Iterator[Record]:
    """Yield the rows of a Parquet file as documents, ``name[row]``; rows that cannot be JSON are rejected.

    Structs become objects, lists arrays, maps objects whose keys are text; timestamps, dates and times ISO-8601
    text (to the microsecond), durations seconds, decimals numbers (a double, unless they are whole), bytes base64
    text, and NaN null. Infinity is an error.

    Raises
    ------
    DocumentError
        If it comes from standard input, or pyarrow is missing.
    """
    if str(path) == STDIN:
        raise DocumentError(f"{name}: Parquet cannot be read from a pipe; name a file")
    arrow = _pyarrow(name)
    try:
        with _source(path) as source, arrow.parquet.ParquetFile(source) as file:
            rows = (row for batch in file.iter_batches(ROWS) for row in batch_rows(batch))
            for number, row in enumerate(rows):
                yield from _records(row, f"{name}[{number}]", items, rejects)
        counts.bytes += storage.state(path)[0]
    except (arrow.ArrowException, OSError) as error:
        rejects.add(unreadable(name, error), name, b"")


def _source(path: str | Path) -> Any:
    return storage.open_file(path) if storage.is_url(path) else nullcontext(path)


def write_parquet(
    path: str | Path,
    vectors: npt.NDArray[Any],
    *,
    sources: Sequence[str] | None = None,
    keys: Sequence[str | None] | None = None,
) -> None:
    """Write vectors to a Parquet file: the column ``vector`` of lists of fixed length, ``key`` and ``source`` if given.

    Parameters
    ----------
    path : path
        Written aside and renamed, so that an existing file is replaced as a whole or not at all.
    vectors : (n, d) float32 or uint64 array
        Any numeric dtype that Parquet has; read in blocks, so a memory-mapped array may be larger than memory.
    sources, keys : n strings, optional

    Raises
    ------
    DimensionError
        If ``vectors`` has not two axes, or another number of sources or keys is given.
    DocumentError
        If pyarrow is missing.
    """
    try:
        vectors = np.asanyarray(vectors)
    except ValueError:
        raise wrong(vectors, "vectors", "an (n, d) array") from None
    columns = {"key": keys, "source": sources}
    given = {name: _texts(values, f"{name}s") for name, values in columns.items() if values is not None}
    if vectors.ndim != 2 or any(len(values) != len(vectors) for values in given.values()):
        lengths = "".join(f", {len(values)} of {name}" for name, values in given.items())
        raise DimensionError(f"expected an (n, d) array and n strings a column, got shape {vectors.shape}{lengths}")
    arrow = _pyarrow(str(path))
    if vectors.dtype.kind not in "iuf":
        raise DTypeError(f"vectors must be numbers, not {vectors.dtype}")
    vector = arrow.list_(arrow.from_numpy_dtype(vectors.dtype), vectors.shape[1])
    schema = arrow.schema([*((name, arrow.string()) for name in given), ("vector", vector)])
    with replacing(path) as file, arrow.parquet.ParquetWriter(file, schema) as writer:
        for start in range(0, len(vectors), ROW_GROUP):
            block = np.ascontiguousarray(vectors[start : start + ROW_GROUP])
            flat = arrow.FixedSizeListArray.from_arrays(arrow.array(block.reshape(-1)), type=vector)
            texts = [arrow.array(values[start : start + ROW_GROUP], arrow.string()) for values in given.values()]
            writer.write_table(arrow.table([*texts, flat], schema=schema))


def _texts(values: Any, what: str) -> list[str | None]:
    return [None if value is None else text(value, f"each of {what}") for value in listed(values, what)]


def _pyarrow(name: str) -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DocumentError(f"{name}: Parquet needs the package pyarrow: pip install 'hdc-toolkit[parquet]'") from None
    return pyarrow


def _records(row: Any, source: str, items: ItemPath, rejects: Rejects) -> Iterator[Record]:
    try:
        document = _json_value(row, source)
        yield from inside(document, items, source) if items else (Record(document, source),)
    except DocumentError as error:
        rejects.add(error, source, repr(row).encode("utf-8", "replace"))


def _json_value(value: Any, source: str) -> Any:
    if isinstance(value, dict):
        return {_key(key, source): _json_value(item, source) for key, item in value.items()}
    if isinstance(value, list):
        return [_json_value(item, source) for item in value]
    if isinstance(value, float):
        if math.isinf(value):
            raise DocumentError(f"{source}: an infinite number, which is not JSON")
        return None if math.isnan(value) else value
    return json_value(value)


def _key(key: Any, source: str) -> str:
    plain = _json_value(key, source)
    return plain if isinstance(plain, str) else str(plain)
