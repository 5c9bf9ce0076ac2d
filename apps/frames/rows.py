"""Read the rows of data frames of any library as documents, in blocks.

narwhals reads frames of pandas, polars and similar libraries. Frames that provide Arrow batches, such as a DuckDB
relation, are read by batch.
"""

import importlib
from collections.abc import Iterable, Iterator
from typing import Any

from hdc.apps.frames.values import json_value
from hdc.errors import BackendUnavailableError, ParameterError

ROWS = 1024
"""Rows per block."""

NARWHALS = "data frames need narwhals; pip install 'hdc-toolkit[frames]'"

FRAMES = {
    **dict.fromkeys(("pandas", "modin", "cudf", "dask", "pyspark"), frozenset({"DataFrame"})),
    **dict.fromkeys(("polars", "narwhals"), frozenset({"DataFrame", "LazyFrame"})),
    **dict.fromkeys(("duckdb", "_duckdb"), frozenset({"DuckDBPyRelation"})),
    "pyarrow": frozenset({"Table", "RecordBatch", "RecordBatchReader", "Dataset"}),
    "datasets": frozenset({"Dataset", "IterableDataset"}),
    "ibis": frozenset({"Table"}),
}
"""Classes of frames, by library."""

ARROW = frozenset({"datasets", "duckdb", "_duckdb", "pyarrow"})
"""Libraries whose frames provide Arrow batches."""


def is_frame(value: Any) -> bool:
    """Return whether a value is a frame, by its class, without an import. A column or a list of dicts is not one."""
    return _library(value) is not None


def _library(value: Any) -> str | None:
    """Return the library of a frame; None if the value is not a frame."""
    for kind in type(value).__mro__:
        library = kind.__module__.partition(".")[0]
        if kind.__name__ in FRAMES.get(library, ()):
            return library if library != "datasets" or hasattr(value, "with_format") else None  # a common name
    return None


# ---------------------------------------------------------------------- rows


def rows_of(frame: Any) -> Iterator[dict[str, Any]]:
    """Yield the rows of a frame as JSON objects; only ``ROWS`` rows at a time are in memory as objects.

    Missing values (null, NaN, ``NaT``, ``NA``) are left out, also in structs; in a list, where positions matter, they
    are null. :func:`~hdc.apps.frames.values.json_value` converts values to JSON; maps become objects with text keys.

    Parameters
    ----------
    frame : data frame
        A frame of pandas, polars (also lazy), PyArrow (a table, batch, reader or data set), DuckDB (a relation),
        Hugging Face ``datasets``, or another library that narwhals knows. The index of pandas is not a column.

    Raises
    ------
    ParameterError
        If a column's name is not text or occurs twice, or a value cannot be read.
    BackendUnavailableError
        If the frame needs narwhals, which is not installed.

    Examples
    --------
    >>> import pandas as pd
    >>> from hdc.apps.frames import rows_of
    >>> frame = pd.DataFrame({"name": ["Ada", None], "born": pd.to_datetime(["1815-12-10", "1906-12-09"])})
    >>> list(rows_of(frame))
    [{'name': 'Ada', 'born': '1815-12-10T00:00:00'}, {'born': '1906-12-09T00:00:00'}]
    """
    library = _library(frame)
    if library == "narwhals":
        frame = frame.to_native()
        library = _library(frame)
    if library == "dask":
        for part in frame.partitions:
            yield from rows_of(part.compute())
        return
    if _streams_dicts(frame, library):
        blocks: Iterable[Block] = ((list(row), [tuple(row.values())]) for row in frame.with_format(None))
    else:
        batches = _arrow_batches(frame, library)
        blocks = _eager_blocks(frame) if batches is None else map(_of_batch, batches)
    for names, rows in blocks:
        _check_names(names)
        for row in rows:
            yield {name: held for name, value in zip(names, row, strict=True) if (held := _present(value)) is not None}


def _streams_dicts(frame: Any, library: str | None) -> bool:
    """Return whether a frame has no fixed types: a Hugging Face stream, whose batches may differ in types."""
    return library == "datasets" and not hasattr(frame, "__len__")


def in_memory(frame: Any) -> Any:
    """Load lazy and Arrow frames into a frame of pandas or polars; return any other value unchanged.

    Raises
    ------
    BackendUnavailableError
        If the frame needs pandas (Arrow data do) or narwhals, which is not installed.
    """
    library = _library(frame)
    if library == "narwhals":
        return in_memory(frame.to_native())
    if library == "dask":
        return frame.compute()
    if library in ARROW:
        pandas = _imported("pandas", "columns of Arrow data need pandas; pip install 'hdc-toolkit[learn]'")
        if _streams_dicts(frame, library):
            return pandas.DataFrame(list(frame.with_format(None)))
        found = list(_arrow_batches(frame, library) or ())
        arrow = arrow_library("Arrow data")
        if not found:
            raise ParameterError("the frame has no rows; pass at least one")
        return arrow.Table.from_batches(found).to_pandas()
    if library is None or not hasattr(type(frame), "collect"):
        return frame
    return in_memory(_imported("narwhals", NARWHALS).from_native(frame).collect().to_native())


def _check_names(names: Iterable[Any]) -> None:
    seen = set()
    for name in names:
        if not isinstance(name, str):
            raise ParameterError(
                f"a column's name must be a text, not {name!r}; rename the columns, as by frame.columns.astype(str)"
            )
        if name in seen:
            raise ParameterError(f"the column {name!r} occurs twice; give each column its own name")
        seen.add(name)


def _present(value: Any) -> Any:
    """Return a cell as JSON; None if it is missing."""
    kind = type(value)
    if kind is str or kind is int or kind is bool:
        return value
    if kind is float:
        return value if value == value else None
    return None if value is None else _without_missing(json_value(value))


def _without_missing(value: Any) -> Any:
    if isinstance(value, float):
        return value if value == value else None
    if isinstance(value, list):
        return [_without_missing(held) for held in value]
    if not isinstance(value, dict):
        return value
    held = {key: _without_missing(one) for key, one in value.items()}
    return {key if isinstance(key, str) else str(json_value(key)): one for key, one in held.items() if one is not None}


Block = tuple[list[Any], Iterable[tuple[Any, ...]]]
"""Names of columns, and rows."""


def _eager_blocks(frame: Any) -> Iterator[Block]:
    """Yield the rows of a frame that narwhals reads, in blocks."""
    narwhals = _imported("narwhals", NARWHALS)
    try:
        known = narwhals.from_native(frame)
    except ValueError as error:
        if type(error).__name__ != "DuplicateError":
            raise
        raise ParameterError(f"{' '.join(str(error).split())}; give each column its own name") from None
    if isinstance(known, narwhals.LazyFrame):
        streamed = hasattr(frame, "collect_batches")
        for part in frame.collect_batches(chunk_size=ROWS) if streamed else [known.collect().to_native()]:
            batches = _arrow_batches(part, _library(part))
            yield from _eager_blocks(part) if batches is None else map(_of_batch, batches)
        return
    for start in range(0, len(known), ROWS):
        columns = list(known[start : start + ROWS].iter_columns())
        yield [column.name for column in columns], zip(*(column.to_list() for column in columns), strict=True)


def _imported(name: str, message: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise BackendUnavailableError(message) from error


# ---------------------------------------------------------------------- Arrow


def _arrow_batches(frame: Any, library: str | None) -> Iterator[Any] | None:
    """Return the record batches of a frame, cut to ``ROWS``; None if the frame provides none."""
    if library not in ARROW:
        return None
    arrow = arrow_library("Arrow data")
    if library == "datasets":
        found: Iterable[Any] = (
            batch for table in frame.with_format("arrow").iter(batch_size=ROWS) for batch in table.to_batches()
        )
    elif library != "pyarrow":
        found = frame.to_arrow_reader(ROWS) if hasattr(frame, "to_arrow_reader") else frame.fetch_record_batch(ROWS)
    elif isinstance(frame, arrow.RecordBatch):
        found = [frame]
    else:
        found = frame.to_batches() if hasattr(frame, "to_batches") else frame
    return (batch.slice(start, ROWS) for batch in found for start in range(0, batch.num_rows, ROWS))


def _of_batch(batch: Any) -> Block:
    names = list(batch.schema.names)
    _check_names(names)
    try:
        return names, [tuple(row.values()) for row in batch_rows(batch)]
    except (KeyError, ValueError) as error:  # a map key or a struct field occurs twice
        raise ParameterError(f"rows cannot be read as objects: {error}") from error


def batch_rows(batch: Any) -> list[dict[str, Any]]:
    """Return the rows of a record batch as Python objects: maps as dicts, times in microseconds.

    Raises
    ------
    KeyError, ValueError
        If a map key or a struct field occurs twice.
    """
    arrow = arrow_library("Arrow data")
    table = arrow.Table.from_batches([batch])
    coarse = arrow.schema([field.with_type(_microseconds(arrow, field.type)) for field in batch.schema])
    if coarse != batch.schema:
        table = table.cast(coarse, safe=False)
    rows: list[dict[str, Any]] = table.to_pylist(maps_as_pydicts="strict")
    return rows


def _microseconds(arrow: Any, kind: Any) -> Any:
    """Return a type with microseconds instead of nanoseconds, which Python lacks, at any depth."""
    types = arrow.types
    if types.is_timestamp(kind) and kind.unit == "ns":
        return arrow.timestamp("us", kind.tz)
    if types.is_duration(kind) and kind.unit == "ns":
        return arrow.duration("us")
    if types.is_time64(kind) and kind.unit == "ns":
        return arrow.time64("us")
    if types.is_struct(kind):
        return arrow.struct([field.with_type(_microseconds(arrow, field.type)) for field in kind])
    if types.is_map(kind):
        return arrow.map_(_microseconds(arrow, kind.key_type), _microseconds(arrow, kind.item_type))
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        value = kind.value_field.with_type(_microseconds(arrow, kind.value_type))
        if types.is_fixed_size_list(kind):
            return arrow.list_(value, kind.list_size)
        return arrow.large_list(value) if types.is_large_list(kind) else arrow.list_(value)
    return kind


def arrow_library(what: str) -> Any:
    """Import pyarrow; raises BackendUnavailableError, which says what needs it, if it is not installed."""
    return _imported("pyarrow", f"{what} need pyarrow; pip install 'hdc-toolkit[frames]'")
