"""Read packed codes and their keys from files: NumPy's ``.npy`` of bytes or words, or Parquet columns of bytes."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc import checks
from hdc.apps.retrieval.files.interchange import BITORDER
from hdc.apps.retrieval.files.npy import mapped
from hdc.apps.retrieval.files.vectors import NUMPY, PARQUET, key_lines
from hdc.checks import choice
from hdc.errors import (
    BackendUnavailableError,
    DimensionError,
    DTypeError,
    FileFormatError,
    PaddingError,
    ParameterError,
)
from hdc.words import BITORDERS, BitOrder, Words, from_bytes

BLOCK = 1 << 16
"""Codes per block that is read."""

Bytes = npt.NDArray[np.uint8]

Rows = Callable[[int, int], Iterator[tuple[Bytes, list[str] | None]]]
"""From (start, step), yields the bytes of rows from ``start`` on, at most ``step`` at a time, and their keys."""


@dataclass(frozen=True)
class CodeBlock:
    """Consecutive rows of a file: ``(n, words)`` uint64 codes, and their keys or None."""

    codes: Words
    keys: list[str] | None


@dataclass(frozen=True)
class CodeFile:
    """Rows of packed bits in a file, with or without keys; created by :func:`open_codes`.

    Attributes
    ----------
    path : str
    rows, bits : int
        At least 1.
    bitorder : {"little", "big"}
    keys : str or None
        A text file with one key per line, in the order of the rows.
    """

    path: str
    rows: int
    bits: int
    bitorder: BitOrder
    keys: str | None
    _read: Rows

    def blocks(self, start: int = 0, rows: int = BLOCK) -> Iterator[CodeBlock]:
        """Yield blocks of at most ``rows`` rows, from row ``start`` on.

        Raises
        ------
        PaddingError
            If a row has set bits beyond ``bits``.
        FileFormatError, DimensionError, ParameterError
            If the file is damaged, or a row has another length or no key.
        """
        start, rows = checks.integer(start, "start", 0), checks.integer(rows, "rows", 1)
        lines = None if self.keys is None else islice(key_lines(self.keys), start, None)
        for content, own in self._read(start, rows):
            try:
                codes = from_bytes(content, self.bits, bitorder=self.bitorder)
            except PaddingError as error:
                raise PaddingError(f"{self.path}: {error}") from None
            yield CodeBlock(codes, own if lines is None else list(islice(lines, len(codes))))

    def sample(self, most: int, seed: int = 0) -> Words:
        """Return the codes of ``min(most, rows)`` random rows, without replacement, in the file's order."""
        most, seed = checks.integer(most, "most", 1), checks.integer(seed, "seed", 0)
        chosen = np.sort(np.random.default_rng(seed).permutation(self.rows)[:most])
        bounds = np.searchsorted(chosen, range(0, self.rows + BLOCK, BLOCK))
        parts = zip(self.blocks(), pairwise(bounds), range(0, self.rows, BLOCK), strict=False)
        return np.concatenate([block.codes[chosen[first:last] - start] for block, (first, last), start in parts])

    def read(self) -> CodeBlock:
        """Return all rows as one block; use it for files that fit into memory."""
        blocks = list(self.blocks())
        keys = None if blocks[0].keys is None else [key for block in blocks for key in block.keys or ()]
        return CodeBlock(np.concatenate([block.codes for block in blocks]), keys)


def open_codes(
    path: str | os.PathLike[str],
    *,
    bitorder: BitOrder | None = None,
    default: BitOrder | None = None,
    bits: int | None = None,
    keys: str | os.PathLike[str] | None = None,
    column: str | None = None,
    key_column: str | None = None,
) -> CodeFile:
    """Open a file of packed codes; its first bytes decide between ``.npy`` and Parquet.

    Parameters
    ----------
    path : path
        A ``.npy`` file with an ``(n, bytes)`` uint8 array or an ``(n, words)`` uint64 array, in which bit i is bit
        i % 64 of word i // 64; or a Parquet file with a column of binary values.
    bitorder : {"little", "big"}, optional
        Which bit of a byte comes first. Words are always ``"little"``; a Parquet column may state it in its metadata.
    default : {"little", "big"}, optional
        Order of bytes if ``bitorder`` is not given; without both, bytes raise ParameterError.
    bits : int, optional
        Number of bits that count; by default all.
    keys, column, key_column
        As :func:`open_vectors`; the default column is the only binary one.

    Raises
    ------
    FileFormatError
        If the file has neither format, or is damaged.
    DTypeError, DimensionError
        If the file does not contain rows of bytes or words.
    ParameterError
        If the file is empty, the bit order or a column is missing, or the numbers of keys and rows differ.
    BackendUnavailableError
        If a Parquet file is given and pyarrow is not installed.
    OSError
        If a file cannot be read.
    """
    name = os.fspath(checks.path(path))
    keys = None if keys is None else checks.path(keys, "keys")
    column = None if column is None else checks.text(column, "column")
    key_column = None if key_column is None else checks.text(key_column, "key_column")
    for order in (bitorder, default):
        if order is not None:
            choice(order, "bitorder", BITORDERS)
    with open(name, "rb") as file:
        begin = file.read(len(NUMPY))
    if begin.startswith(PARQUET):
        rows, size, read, order = _parquet(name, column, key_column)
    elif begin != NUMPY:
        raise FileFormatError(f"{name} is neither .npy nor Parquet; write codes with numpy.save")
    elif column or key_column:
        raise ParameterError(f"{name} is a .npy file, which has no columns; pass keys in a text file")
    else:
        rows, size, read, order = _npy(name)
    if not rows or not size:
        raise ParameterError(f"{name} has no codes: {rows} rows of {size} bytes")
    if bits is not None:
        checks.integer(bits, f"bits (of a row of {name})", 1, 8 * size)
    if order is not None and bitorder not in (None, order):
        what = "states for its codes" if begin.startswith(PARQUET) else "has words of 64 bits, the lowest bit first:"
        raise ParameterError(f"{name} {what} bitorder={order!r}, not {bitorder!r}")
    order = order or bitorder or default
    if order is None:
        raise ParameterError(
            f"{name} has bytes; pass their bitorder: big (as numpy.packbits) or little (as hdc.words and FAISS)"
        )
    if keys is not None and (count := sum(1 for _ in key_lines(keys))) != rows:
        raise ParameterError(f"{os.fspath(keys)} has {count} keys, but {name} has {rows} rows; write one per row")
    lines = None if keys is None else os.fspath(keys)
    return CodeFile(name, rows, bits or 8 * size, order, lines, read)


def _npy(path: str) -> tuple[int, int, Rows, BitOrder | None]:
    array = mapped(path)
    if array.dtype not in (np.uint8, np.uint64):
        raise DTypeError(f"{path} has dtype {array.dtype}; expected packed bits, uint8 or uint64")
    if array.ndim != 2:
        raise DimensionError(f"{path} has shape {array.shape}; expected rows of codes, (n, bytes) or (n, words)")

    def read(start: int, step: int) -> Iterator[tuple[Bytes, None]]:
        for first in range(start, len(array), step):
            rows = array[first : first + step]
            yield np.ascontiguousarray(rows, dtype=rows.dtype.newbyteorder("<")).view(np.uint8), None

    return len(array), array.shape[1] * array.dtype.itemsize, read, None if array.dtype == np.uint8 else "little"


def _parquet(path: str, column: str | None, key_column: str | None) -> tuple[int, int, Rows, BitOrder | None]:
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise BackendUnavailableError("Parquet needs pyarrow; pip install 'hdc-toolkit[parquet]'") from error
    damage = (pyarrow.ArrowException, OSError)
    try:
        file = ParquetFile(path, memory_map=True)
        schema = file.schema_arrow
        name = _binary_column(path, schema, column)
        first = next(file.iter_batches(1, columns=[name]), None)
    except damage as error:
        raise _damaged(path, error) from error
    if key_column is not None and key_column not in schema.names:
        raise ParameterError(f"{path} has no column {key_column!r}; it has {', '.join(schema.names)}")
    size = 0 if first is None else len(first.column(0)[0].as_py() or b"")

    def read(start: int, step: int) -> Iterator[tuple[Bytes, list[str] | None]]:
        row = 0
        try:
            for batch in file.iter_batches(step, columns=[name] if key_column is None else [name, key_column]):
                row += batch.num_rows
                if row > start:
                    rest = batch.slice(max(0, batch.num_rows - (row - start)))
                    values = rest.column(name).to_pylist()
                    at = row - rest.num_rows
                    keys = None if key_column is None else _keys(path, rest.column(key_column).to_pylist(), at)
                    yield _bytes(path, values, size, at), keys
        except damage as error:
            raise _damaged(path, error) from error

    return file.metadata.num_rows, size, read, _order(path, schema.field(name))


def _order(path: str, field: Any) -> BitOrder | None:
    """Return the bit order in the metadata of a column, if stated."""
    said = (field.metadata or {}).get(BITORDER.encode())
    if said is None:
        return None
    try:
        return choice(said.decode(), "bitorder", BITORDERS)
    except ValueError as error:
        raise FileFormatError(f"{path}: column {field.name!r} has the unknown bitorder {said!r}") from error


def _bytes(path: str, values: list[bytes | None], size: int, first: int) -> Bytes:
    for row, value in enumerate(values, first):
        if value is None or len(value) != size:
            raise DimensionError(f"{path}: row {row} has {len(value or b'')} bytes, expected {size}")
    return np.frombuffer(b"".join(value or b"" for value in values), dtype=np.uint8).reshape(len(values), size)


def _keys(path: str, keys: list[Any], first: int) -> list[str]:
    if None in keys:
        raise ParameterError(f"{path}: row {first + keys.index(None)} has no key")
    return [str(key) for key in keys]


def _damaged(path: str, error: Exception) -> FileFormatError:
    return FileFormatError(f"{path} is a damaged Parquet file: {' '.join(str(error).split())}")


def _binary_column(path: str, schema: Any, column: str | None) -> str:
    """Return the name of the column of bytes."""
    from pyarrow import types

    kinds = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary)
    found = [field.name for field in schema if any(is_kind(field.type) for is_kind in kinds)]
    if column is None:
        if len(found) != 1:
            text = f"the columns {', '.join(found)}" if found else "no column"
            raise ParameterError(f"{path} has {text} of bytes; name the column to read")
        return str(found[0])
    if column not in schema.names:
        raise ParameterError(f"{path} has no column {column!r}; it has {', '.join(schema.names)}")
    if column not in found:
        raise DTypeError(f"{path}: column {column!r} has type {schema.field(column).type}; expected bytes")
    return column
