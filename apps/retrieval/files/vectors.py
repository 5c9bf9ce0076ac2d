"""Read vectors and their keys from files, NumPy's ``.npy`` or Parquet, in blocks that are checked row by row.

Only one block is in memory, so a file may be larger than memory. Every returned row has been checked. Errors name the
file and the row, counted from 0.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc import checks
from hdc.apps.retrieval.files.npy import mapped
from hdc.apps.retrieval.vectors.rows import as_rows
from hdc.errors import BackendUnavailableError, DimensionError, DTypeError, FileFormatError, ParameterError

Floats = npt.NDArray[np.float32]

BLOCK_BYTES = 1 << 25
"""Size of a block of vectors as float32: 32 MiB."""

MOST_KEY = 1 << 16
"""Most characters of a key in a text file."""

PARQUET, NUMPY = b"PAR1", b"\x93NUMPY"
"""First bytes of each format."""


@dataclass(frozen=True)
class Block:
    """Consecutive rows of a file.

    Attributes
    ----------
    start : int
        Number of the first row.
    vectors : (n, dim) float32 array
        Finite.
    keys : list of n str, or None
        None if the file has no keys.
    """

    start: int
    vectors: Floats
    keys: list[str] | None


class VectorFile(ABC):
    """Rows of floats in a file, with or without keys.

    Attributes
    ----------
    path : str
    rows, dim : int
        At least 1.
    given : dict or None
        Arguments with which :func:`open_vectors` opens the same file in another process; None for an array.
    """

    path: str
    rows: int
    dim: int
    given: dict[str, Any] | None = None

    @abstractmethod
    def _read(self, start: int, step: int) -> Iterator[tuple[npt.NDArray[Any], list[str] | None]]:
        """Yield unchecked rows from ``start`` on, at most ``step`` at a time, and their keys."""

    def state(self) -> list[Any]:
        """Return JSON values that change if the file, or its content, changes."""
        return [self.rows, self.dim, *file_state(self.path)]

    def blocks(self, start: int = 0, rows: int | None = None) -> Iterator[Block]:
        """Yield blocks of checked rows.

        Parameters
        ----------
        start : int
            Number of the first row.
        rows : int, optional
            Most rows per block; by default as many as fit into 32 MiB.

        Yields
        ------
        Block

        Raises
        ------
        ParameterError
            If a row contains NaN or infinity.
        DimensionError, FileFormatError
            If a row is missing or has another length, or the file is damaged.
        OSError
            If the file cannot be read.
        """
        start = checks.integer(start, "start", 0)
        step = max(1, BLOCK_BYTES // (4 * self.dim)) if rows is None else checks.integer(rows, "rows", 1)
        for values, keys in self._read(start, step):
            with np.errstate(over="ignore"):  # float64 beyond float32 becomes infinite, and raises below
                vectors = np.ascontiguousarray(values, dtype=np.float32)
            finite = np.isfinite(vectors).all(axis=1)
            if not finite.all():
                row = start + int(finite.argmin())
                raise ParameterError(f"{self.path}: row {row} contains NaN or infinity; remove such rows first")
            yield Block(start, vectors, keys)
            start += len(vectors)

    def span(self, start: int, stop: int) -> Block:
        """Return the existing rows from ``start`` up to ``stop`` as one block; raises as :meth:`blocks`."""
        held, blocks = list[Block](), self.blocks(start, stop - start)
        while sum(len(block.vectors) for block in held) < stop - start:
            held.append(next(blocks))
        keys = None if held[0].keys is None else [key for block in held for key in block.keys or ()][: stop - start]
        return Block(start, np.concatenate([block.vectors for block in held])[: stop - start], keys)

    def check(self, dim: int | None = None) -> None:
        """Read all blocks once, to raise every error before the work begins; raises as :meth:`blocks`.

        Parameters
        ----------
        dim : int, optional
            Required dimension of the rows.

        Raises
        ------
        DimensionError
            If the rows have another dimension.
        """
        if dim is not None and self.dim != dim:
            raise DimensionError(f"{self.path}: vectors have {self.dim} components, expected {dim}")
        for _ in self.blocks():
            pass

    def sample(self, most: int, seed: int = 0) -> Floats:
        """Return ``(min(most, rows), dim)`` float32 random rows, without replacement, in the file's order."""
        return self.keyed_sample(most, seed)[0]

    def keyed_sample(self, most: int, seed: int = 0) -> tuple[Floats, list[str] | None]:
        """Return the rows of :meth:`sample` and their keys, or None if the file has no keys."""
        return self.keyed_rows(self.drawn(most, seed))

    def drawn(self, most: int, seed: int = 0) -> npt.NDArray[np.int64]:
        """Return the numbers of the rows of :meth:`sample`, ascending."""
        most, seed = checks.integer(most, "most", 1), checks.integer(seed, "seed", 0)
        return np.sort(np.random.default_rng(seed).permutation(self.rows)[:most])

    def keyed_rows(self, chosen: npt.NDArray[np.int64]) -> tuple[Floats, list[str] | None]:
        """Return the vectors of ascending row numbers, all in range, and their keys, or None without keys."""
        out, keys = np.empty((len(chosen), self.dim), dtype=np.float32), None
        for block in self.blocks():
            first, last = np.searchsorted(chosen, (block.start, block.start + len(block.vectors)))
            inside = chosen[first:last] - block.start
            out[first:last] = block.vectors[inside]
            if block.keys is not None:
                keys = [*(keys or []), *(block.keys[row] for row in inside)]
        return out, keys

    def read(self) -> Block:
        """Return all rows as one block; use it for files that fit into memory."""
        blocks = list(self.blocks())
        keys = None if blocks[0].keys is None else [key for block in blocks for key in block.keys or ()]
        return Block(0, np.concatenate([block.vectors for block in blocks]), keys)


def open_vectors(
    path: str | os.PathLike[str],
    *,
    keys: str | os.PathLike[str] | None = None,
    column: str | None = None,
    key_column: str | None = None,
) -> VectorFile:
    """Open a file of vectors; its first bytes decide between ``.npy`` and Parquet.

    Parameters
    ----------
    path : path
        A ``.npy`` file with an ``(n, d)`` array of floats, which is memory-mapped; or a Parquet file.
    keys : path, optional
        A UTF-8 text file with one key per line, in the order of the rows.
    column, key_column : str, optional
        Columns of a Parquet file: the lists of floats (by default the only such column), and the keys, which are
        converted to text.

    Returns
    -------
    VectorFile

    Raises
    ------
    FileFormatError
        If the file has neither format, or is damaged.
    DTypeError, DimensionError
        If the file does not contain floats, or rows of one length.
    ParameterError
        If the file is empty, a column is missing, or the numbers of keys and rows differ.
    BackendUnavailableError
        If a Parquet file is given and pyarrow is not installed.
    OSError
        If a file cannot be read.
    """
    name = os.fspath(checks.path(path))
    column = None if column is None else checks.text(column, "column")
    key_column = None if key_column is None else checks.text(key_column, "key_column")
    with open(name, "rb") as file:
        begin = file.read(len(NUMPY))
    if not begin:
        raise ParameterError(f"{name} is empty; pass a .npy or Parquet file of vectors")
    opened: VectorFile
    if begin.startswith(PARQUET):
        opened = _Parquet(name, column, key_column)
    elif begin != NUMPY:
        raise FileFormatError(f"{name} is neither .npy nor Parquet; write vectors with numpy.save")
    elif column or key_column:
        raise ParameterError(f"{name} is a .npy file, which has no columns; pass keys in a text file")
    else:
        opened = _Numpy(name)
    if not opened.rows or not opened.dim:
        raise ParameterError(f"{name} has no vectors: {opened.rows} rows of {opened.dim} components")
    whole = opened if keys is None else _Keyed(opened, os.fspath(checks.path(keys, "keys")))
    whole.given = {"path": os.path.abspath(name), "column": column, "key_column": key_column}
    whole.given["keys"] = None if keys is None else os.path.abspath(keys)
    return whole


class _Array(VectorFile):
    """An ``(n, d)`` array of floats, possibly memory-mapped from a file."""

    def __init__(self, path: str, array: npt.NDArray[Any]) -> None:
        self.path, self._array = path, array
        self.rows, self.dim = array.shape

    def _read(self, start: int, step: int) -> Iterator[tuple[npt.NDArray[Any], None]]:
        for first in range(start, self.rows, step):
            yield self._array[first : first + step], None


class Rows(_Array):
    """Rows of an ``(n, d)`` array of floats, possibly memory-mapped from a file, without keys.

    Raises
    ------
    DTypeError, DimensionError
        If the array has another dtype or shape.
    ParameterError
        If it has no rows.
    """

    def __init__(self, array: Any, path: str = "the array") -> None:
        super().__init__(path, as_rows(array, what=path))
        if not self.rows:
            raise ParameterError(f"{path} has no vectors: 0 rows of {self.dim} components")


class _Numpy(_Array):
    """A memory-mapped ``.npy`` file."""

    def __init__(self, path: str) -> None:
        array = mapped(path)
        if array.dtype.kind != "f" or array.dtype.itemsize > 8:
            hint = "; for codes, use hdc codes or EmbeddingIndex.from_quantized" if array.dtype.kind in "iu" else ""
            raise DTypeError(f"{path} has dtype {array.dtype}; expected float16, float32 or float64{hint}")
        if array.ndim != 2:
            raise DimensionError(f"{path} has shape {array.shape}; expected rows of vectors, (n, d)")
        super().__init__(path, array)


class _Parquet(VectorFile):
    """A column of lists of floats in a Parquet file, and optionally one of keys."""

    def __init__(self, path: str, column: str | None, key_column: str | None) -> None:
        try:
            import pyarrow
            from pyarrow.parquet import ParquetFile
        except ImportError as error:
            raise BackendUnavailableError("Parquet needs pyarrow; pip install 'hdc-toolkit[parquet]'") from error
        self.path = path
        try:
            self._file = ParquetFile(path, memory_map=True)
            schema = self._file.schema_arrow
        except (pyarrow.ArrowException, OSError) as error:
            raise self._damaged(error) from error
        self._column, self._key_column = _vector_column(path, schema, column), key_column
        if key_column is not None and key_column not in schema.names:
            raise ParameterError(f"{path} has no column {key_column!r}; it has {', '.join(schema.names)}")
        self.rows = self._file.metadata.num_rows
        first = next(self._batches(1), None)
        self.dim = 0 if first is None else len(first.column(self._column)[0].as_py() or ())

    def state(self) -> list[Any]:
        return [*super().state(), self._column, self._key_column]

    def _batches(self, step: int, group: int = 0) -> Iterator[Any]:
        import pyarrow

        names = [self._column] + ([] if self._key_column is None else [self._key_column])
        groups = range(group, self._file.metadata.num_row_groups)
        try:
            yield from self._file.iter_batches(step, row_groups=groups, columns=names)
        except (pyarrow.ArrowException, OSError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> FileFormatError:
        return FileFormatError(f"{self.path} is a damaged Parquet file: {' '.join(str(error).split())}")

    def _read(self, start: int, step: int) -> Iterator[tuple[npt.NDArray[Any], list[str] | None]]:
        row, group = self._group_of(start)
        for batch in self._batches(step, group):
            row += batch.num_rows
            if row > start:
                rest = batch.slice(max(0, batch.num_rows - (row - start)))
                first = row - rest.num_rows
                keys = None if self._key_column is None else self._keys(rest.column(self._key_column), first)
                yield self._vectors(rest.column(self._column), first), keys

    def _group_of(self, row: int) -> tuple[int, int]:
        """Return the first row and the number of the row group that contains a row."""
        metadata, first = self._file.metadata, 0
        for group in range(metadata.num_row_groups):
            stop = first + metadata.row_group(group).num_rows
            if row < stop:
                return first, group
            first = stop
        return first, metadata.num_row_groups

    def _vectors(self, lists: Any, first: int) -> npt.NDArray[Any]:
        lengths = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
        wrong = np.flatnonzero(lengths != self.dim)
        if len(wrong):
            row, length = first + int(wrong[0]), lengths[wrong[0]]
            raise DimensionError(f"{self.path}: row {row} has {length} components, expected {self.dim}")
        values = lists.flatten().to_numpy(zero_copy_only=False)  # a missing number becomes NaN
        return np.asarray(values).reshape(len(lists), self.dim)

    def _keys(self, column: Any, first: int) -> list[str]:
        keys = column.to_pylist()
        if None in keys:
            raise ParameterError(f"{self.path}: row {first + keys.index(None)} has no key")
        return [str(key) for key in keys]


def _vector_column(path: str, schema: Any, column: str | None) -> str:
    """Return the name of the column of lists of floats."""
    from pyarrow import types

    def holds_floats(kind: Any) -> bool:
        lists = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
        return bool(lists and types.is_floating(kind.value_type))

    if column is None:
        found = [field.name for field in schema if holds_floats(field.type)]
        if len(found) != 1:
            text = f"the columns {', '.join(found)}" if found else "no column"
            raise ParameterError(f"{path} has {text} of lists of floats; name the column to read")
        return str(found[0])
    if column not in schema.names:
        raise ParameterError(f"{path} has no column {column!r}; it has {', '.join(schema.names)}")
    if not holds_floats(schema.field(column).type):
        raise DTypeError(f"{path}: column {column!r} has type {schema.field(column).type}; expected lists of floats")
    return column


def file_state(path: str) -> list[int]:
    """Return the size and the modification time of a file."""
    state = os.stat(path)
    return [state.st_size, state.st_mtime_ns]


def key_lines(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the lines of a text file of keys.

    Raises
    ------
    ParameterError
        If a line is empty, or too long for a key.
    FileFormatError
        If it is not UTF-8.
    """
    name = os.fspath(path)
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(iter(lambda: file.readline(MOST_KEY + 2), "")):
                if len(line) > MOST_KEY + 1:
                    raise ParameterError(f"{name}: line {number + 1} is longer than {MOST_KEY:,} characters")
                if not line.strip():
                    raise ParameterError(f"{name}: line {number + 1} is empty; each row needs a key")
                yield line.rstrip("\n")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{name} is not UTF-8 text: {error.reason}") from error


class _Keyed(VectorFile):
    """Another file's vectors, with keys from the lines of a text file."""

    def __init__(self, vectors: VectorFile, keys: str) -> None:
        self.path, self.rows, self.dim = vectors.path, vectors.rows, vectors.dim
        self._vectors, self._keys = vectors, keys
        count = sum(1 for _ in key_lines(keys))
        if count != self.rows:
            raise ParameterError(f"{keys} has {count} keys, but {self.path} has {self.rows} rows; write one per row")

    def state(self) -> list[Any]:
        return [*self._vectors.state(), *file_state(self._keys)]

    def _read(self, start: int, step: int) -> Iterator[tuple[npt.NDArray[Any], list[str]]]:
        lines = islice(key_lines(self._keys), start, None)
        for values, _ in self._vectors._read(start, step):
            yield values, list(islice(lines, len(values)))
