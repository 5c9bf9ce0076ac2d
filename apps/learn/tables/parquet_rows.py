"""Read Parquet: batches of columns through pyarrow, the extra ``parquet``."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from hdc.apps.learn.tables.blocks import MOST_COLUMNS, ROWS, Block, Places, TableError
from hdc.errors import BackendUnavailableError

MAGIC = b"PAR1"


def is_nested(path: str, name: str) -> bool:
    """Say whether a column has lists or objects, so that rows are documents."""
    with _opened(path, name) as (arrow, file):
        return any(arrow.types.is_nested(field.type) for field in file.schema_arrow)


def read_parquet(path: str, name: str, *, rows: int = ROWS) -> Iterator[Block]:
    """Yield the rows of a Parquet file; numbers as float64, missing ones as NaN.

    Raises
    ------
    TableError
        While iterating, if the file is damaged, has no rows, or two columns of one name.
    BackendUnavailableError
        If pyarrow is missing.
    """
    with _opened(path, name) as (arrow, file):
        names = file.schema_arrow.names
        if len({*names}) < len(names) or len(names) > MOST_COLUMNS:
            raise TableError(f"{name}: expected at most {MOST_COLUMNS:,} columns, each with a name of its own")
        first = 1
        for batch in file.iter_batches(batch_size=rows):
            columns = {key: _values(arrow, column) for key, column in zip(names, batch.columns, strict=True)}
            if batch.num_rows:
                yield Block(columns, Places(f"{name}:row", range(first, first + batch.num_rows)))
            first += batch.num_rows
        if first == 1:
            raise TableError(f"{name}: empty; expected a table")


@contextmanager
def _opened(path: str, name: str) -> Iterator[tuple[Any, Any]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise BackendUnavailableError(
            f"{name}: Parquet needs the package pyarrow: pip install 'hdc-toolkit[parquet]'"
        ) from error
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield pyarrow, file
    except pyarrow.ArrowException as error:
        raise TableError(f"{name}: cannot be read as Parquet: {' '.join(str(error).split())}") from None
    except OSError as error:
        why = error.strerror or " ".join(str(error).split())
        raise TableError(f"{name}: cannot be read as Parquet: {why}") from None


def _values(arrow: Any, column: Any) -> Any:
    kinds = arrow.types
    if kinds.is_integer(column.type) or kinds.is_floating(column.type):
        return column.cast(arrow.float64(), safe=False).to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
    if kinds.is_timestamp(column.type) and column.type.unit == "ns":
        column = column.cast(arrow.timestamp("us", column.type.tz), safe=False)
    return column.to_pylist()
