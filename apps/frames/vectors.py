"""Convert vectors to Arrow columns of fixed-size lists, to put beside the rows of a frame, and back."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.frames.rows import arrow_library
from hdc.checks import array, choice, text
from hdc.errors import DimensionError, DTypeError, ParameterError
from hdc.words import BITORDERS, WORD_BITS, BitOrder, from_bytes, to_bytes

BITORDER, DIM = b"bitorder", b"dim"
"""Metadata of a column of packed bits: the order of bits in a byte, and the bits of a vector."""


def to_arrow(
    vectors: npt.ArrayLike, *, name: str = "vector", dim: int | None = None, bitorder: BitOrder = "little"
) -> Any:
    """Return vectors as a ``pyarrow.Table`` with one column of fixed-size lists, to put beside the rows of a frame.

    Parameters
    ----------
    vectors : (n, d) array of numbers, or (n, words) uint64 array of packed bits
        Numbers keep their dtype. Bits become ``ceil(dim / 8)`` uint8; the column's metadata store ``bitorder`` and
        ``dim``.
    name : str
        Name of the column.
    dim : int, optional
        Bits of packed vectors; by default all 64 bits of each word.
    bitorder : {"little", "big"}
        Order of the bits in a byte: ``"little"`` for FAISS and DuckDB, for example; ``"big"`` to compare with
        :func:`numpy.packbits`.

    Raises
    ------
    DTypeError, DimensionError, PaddingError, ParameterError
        If the vectors have another shape or dtype, or bits after ``dim`` are set.
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
        raise ParameterError(f"dim is for packed uint64 words, but vectors are {rows.dtype}; leave it out")
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
        A frame of PyArrow, polars, pandas or DuckDB, for example, with a column of lists of equal length.
    name : str
        Name of the column.
    dim, bitorder : optional
        For a column of uint8, which is packed bits. By default the column's metadata supply them; pass them if a
        library has dropped the metadata. Bytes of unknown order are an error.

    Returns
    -------
    (n, d) array of the column's dtype, or (n, words) uint64 array of packed bits

    Raises
    ------
    ParameterError
        If the column does not exist, a vector is missing, or the order of bits is unknown.
    DTypeError, DimensionError, PaddingError
        If the column does not have vectors of one length.
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
            raise ParameterError(f"dim and bitorder are for packed bits, uint8, but {name!r} has {field.type}")
        return rows
    if bitorder is None and BITORDER not in said:
        raise ParameterError(
            f"{name!r} has bytes; pass their bitorder: 'big' (as numpy.packbits) or 'little' (as to_arrow and FAISS)"
        )
    known = said.get(DIM, b"").decode()
    order: Any = bitorder or said[BITORDER].decode()
    return from_bytes(rows, dim or (int(known) if known.isdecimal() else None), bitorder=order)


def _rows_of_lists(name: str, column: Any) -> npt.NDArray[Any]:
    from pyarrow import types

    kind = column.type
    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        raise DTypeError(f"the column {name!r} must have lists of numbers, not {kind}")
    if not (types.is_integer(kind.value_type) or types.is_floating(kind.value_type)):
        raise DTypeError(f"the column {name!r} must have lists of numbers, not of {kind.value_type}")
    lists = column.combine_chunks()
    lengths = lists.value_lengths().to_numpy(zero_copy_only=False) if len(lists) else np.array([kind.list_size])
    if lists.null_count or lists.flatten().null_count:
        raise ParameterError(f"the column {name!r} has missing values; drop these rows")
    if (lengths != lengths[0]).any():
        raise DimensionError(
            f"the column {name!r} must have lists of one length, not of {lengths.min()} to {lengths.max()} numbers"
        )
    values: npt.NDArray[Any] = lists.flatten().to_numpy(zero_copy_only=False)
    return values.reshape(len(lists), int(lengths[0]))
