"""Vectors as Arrow columns of lists of fixed length, beside the rows of a frame, and back."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.frames.rows import arrow_library
from hdc.checks import array, choice, text
from hdc.errors import DimensionError, DTypeError, ParameterError
from hdc.words import BITORDERS, WORD_BITS, BitOrder, from_bytes, to_bytes

BITORDER, DIM = b"bitorder", b"dim"
"""Metadata of a column of packed bits: the order of bits in a byte, and how many bits count."""


def to_arrow(
    vectors: npt.ArrayLike, *, name: str = "vector", dim: int | None = None, bitorder: BitOrder = "little"
) -> Any:
    """Return vectors as a ``pyarrow.Table`` of one column of lists of fixed length, to put beside the rows of a frame.

    Parameters
    ----------
    vectors : (n, d) array of numbers, or (n, words) uint64 array of packed bits
        Numbers keep their dtype; bits become ``ceil(dim / 8)`` uint8, and the column's metadata say ``bitorder`` and
        ``dim``.
    name : str
        Of the column.
    dim : int, optional
        Bits of packed vectors; all 64 of each word if left out.
    bitorder : {"little", "big"}
        Which bit of a byte is its first component: ``"little"`` for FAISS and DuckDB, say, ``"big"`` for what is
        compared with :func:`numpy.packbits`.

    Raises
    ------
    DTypeError, DimensionError, PaddingError, ParameterError
        If they are no such vectors.
    BackendUnavailableError
        If pyarrow is not installed.

    Examples
    --------
    >>> from hdc.apps.frames import to_arrow
    >>> from hdc.apps.json import JSONEncoder
    >>> packed = JSONEncoder(128, output="packed").fit_transform([{"a": 1}, {"b": [2, 3]}])
    >>> to_arrow(packed).schema.field("vector").type
    FixedSizeListType(fixed_size_list<item: uint8>[16])
    """
    rows, metadata = array(vectors, "vectors"), None
    choice(bitorder, "bitorder", BITORDERS)
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise DimensionError(f"vectors must have shape (n, d), not {rows.shape}")
    if rows.dtype == np.uint64:
        dim = WORD_BITS * rows.shape[1] if dim is None else dim
        rows = to_bytes(rows, dim, bitorder=bitorder)
        metadata = {BITORDER: bitorder, DIM: str(dim)}
    elif rows.dtype.kind not in "fiu" or rows.dtype.itemsize > 8:
        raise DTypeError(f"vectors must be numbers or packed uint64 words, not {rows.dtype}")
    elif dim is not None:
        raise ParameterError(f"dim is for packed uint64 words, and vectors are {rows.dtype}")
    arrow = arrow_library("Arrow columns")
    values = arrow.array(np.ascontiguousarray(rows).reshape(-1))
    column = arrow.FixedSizeListArray.from_arrays(values, rows.shape[1])
    return arrow.table([column], schema=arrow.schema([arrow.field(text(name, "name"), column.type, metadata=metadata)]))


def from_arrow(
    frame: Any, name: str = "vector", *, dim: int | None = None, bitorder: BitOrder | None = None
) -> npt.NDArray[Any]:
    """Return a column of vectors: the inverse of :func:`to_arrow`.

    Parameters
    ----------
    frame : anything that Arrow reads
        A frame of PyArrow, polars, pandas or DuckDB, say, with a column of lists of equal length.
    name : str
        Of the column.
    dim, bitorder : optional
        Of uint8, which are packed bits; the column's metadata say them, unless a library has dropped these. Bytes
        without a known order are an error.

    Returns
    -------
    (n, d) array of the column's dtype, or (n, words) uint64 array of packed bits

    Raises
    ------
    ParameterError
        If there is no such column, a vector is missing, or the order of bits is not known.
    DTypeError, DimensionError, PaddingError
        If it has something else than vectors of one length.
    BackendUnavailableError
        If pyarrow is not installed.
    """
    table = arrow_library("Arrow columns").table(frame)
    if name not in table.schema.names:
        raise ParameterError(f"there is no column {name!r}; there are {', '.join(map(repr, table.schema.names))}")
    field, said = table.schema.field(name), table.schema.field(name).metadata or {}
    rows = _rows_of_lists(name, table.column(name))
    if rows.dtype != np.uint8:
        if dim is not None or bitorder is not None:
            raise ParameterError(f"dim and bitorder are for packed bits, uint8, and {name!r} has {field.type}")
        return rows
    if bitorder is None and BITORDER not in said:
        raise ParameterError(
            f"{name!r} has bytes; give their bitorder: 'big' (as numpy.packbits) or 'little' (as to_arrow and FAISS)"
        )
    known = said.get(DIM, b"").decode()
    order: Any = bitorder or said[BITORDER].decode()
    return from_bytes(rows, dim or (int(known) if known.isdecimal() else None), bitorder=order)


def _rows_of_lists(name: str, column: Any) -> npt.NDArray[Any]:
    from pyarrow import types

    kind = column.type
    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        raise DTypeError(f"the column {name!r} has {kind}; expected lists of numbers")
    if not (types.is_integer(kind.value_type) or types.is_floating(kind.value_type)):
        raise DTypeError(f"the column {name!r} has lists of {kind.value_type}; expected numbers")
    lists = column.combine_chunks()
    lengths = lists.value_lengths().to_numpy(zero_copy_only=False) if len(lists) else np.array([kind.list_size])
    if lists.null_count or lists.flatten().null_count:
        raise ParameterError(f"the column {name!r} has missing values; leave out such rows")
    if (lengths != lengths[0]).any():
        raise DimensionError(f"the column {name!r} has lists of {lengths.min()} to {lengths.max()} numbers")
    values: npt.NDArray[Any] = lists.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(lists), int(lengths[0]))
