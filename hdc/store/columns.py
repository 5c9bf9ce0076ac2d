"""Columns: rows of fixed width in one growing file, or in memory; checksums a block at a time."""

import contextlib
import mmap
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.errors import DimensionError, DTypeError, FileFormatError

BLOCK = 1 << 20
"""Bytes that share a checksum."""

DTYPES = ("|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8")

Rows = npt.NDArray[Any]


def block_sums(start: int, data: memoryview, last: int) -> Iterator[tuple[int, int]]:
    """Yield (block, CRC-32) of each block that ``data``, put at byte ``start`` of a file, extends or begins.

    Parameters
    ----------
    start : int
    data : memoryview of bytes
    last : int
        The sum, so far, of the block that ``start`` lies in.
    """
    while data:
        block, inside = divmod(start, BLOCK)
        part = data[: BLOCK - inside]
        last = zlib.crc32(part, last if inside else 0)
        yield block, last
        start, data = start + len(part), data[len(part) :]


class Column:
    """Rows of one dtype and width.

    Parameters
    ----------
    name : str
    dtype : str
        One of :data:`DTYPES`.
    width : int
        Items of a row.
    """

    def __init__(self, name: str, dtype: str, width: int) -> None:
        self.name, self.dtype, self.width = name, np.dtype(dtype), width
        self.row_bytes = self.dtype.itemsize * width

    def checked(self, array: Any, count: int | None) -> Rows:
        """Return rows as this column stores them.

        Raises
        ------
        DTypeError
            If the dtype is another one, byte order aside.
        DimensionError
            If the shape is not ``(count, width)``; ``None`` leaves the count open.
        """
        rows = np.asarray(array)
        if rows.dtype.newbyteorder("<") != self.dtype:
            raise DTypeError(f"column {self.name!r} holds {self.dtype}, not {rows.dtype}; convert with astype")
        if rows.ndim != 2 or rows.shape[1] != self.width or (count is not None and len(rows) != count):
            expected = f"({'n' if count is None else count}, {self.width})"
            raise DimensionError(f"column {self.name!r} takes rows of shape {expected}, not {rows.shape}")
        return np.ascontiguousarray(rows, dtype=self.dtype)

    def raw(self, rows: Rows) -> memoryview:
        """Return the bytes of C-contiguous rows."""
        return rows.reshape(-1).view(np.uint8).data

    def write(self, first: int, rows: Rows) -> None:
        """Put rows at position ``first``, what is there or beyond being of no use to anyone; they are durable then."""
        raise NotImplementedError

    def rows(self, count: int) -> Rows:
        """Return the first rows, read-only: ``(count, width)``."""
        raise NotImplementedError

    def cut(self, count: int) -> None:
        """Drop what lies behind the first rows."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the file; arrays from :meth:`rows` stay valid."""


class MemoryColumn(Column):
    """A column in a buffer that doubles."""

    def __init__(self, name: str, dtype: str, width: int) -> None:
        super().__init__(name, dtype, width)
        self._buffer = np.empty((0, width), dtype=self.dtype)

    def write(self, first: int, rows: Rows) -> None:
        """Put rows at position ``first``."""
        stop = first + len(rows)
        if stop > len(self._buffer):
            grown = np.empty((max(stop, 2 * len(self._buffer)), self.width), dtype=self.dtype)
            grown[:first] = self._buffer[:first]
            self._buffer = grown
        self._buffer[first:stop] = rows

    def rows(self, count: int) -> Rows:
        """Return a read-only view of the first rows."""
        view = self._buffer[:count]
        view.flags.writeable = False
        return view

    def cut(self, count: int) -> None:
        """Leave the buffer: rows beyond the count are overwritten by the next write."""


class FileColumn(Column):
    """A column in a file, mapped for reading; every write is on the disk before it returns.

    Raises
    ------
    OSError
        If the file cannot be opened.
    """

    def __init__(self, name: str, dtype: str, width: int, path: Path, writable: bool) -> None:
        super().__init__(name, dtype, width)
        self.path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT if writable else os.O_RDONLY, 0o644)
        self._mapped = np.empty((0, width), dtype=self.dtype)

    def write(self, first: int, rows: Rows) -> None:
        """Put rows at position ``first`` and wait until the disk has them."""
        data, start = self.raw(rows), first * self.row_bytes
        while data:
            written = os.pwrite(self._file, data, start)
            data, start = data[written:], start + written
        os.fsync(self._file)

    def rows(self, count: int) -> Rows:
        """Return the first rows, memory-mapped.

        Raises
        ------
        FileFormatError
            If the file holds fewer.
        """
        if len(self._mapped) < count:
            size = os.fstat(self._file).st_size
            if size < count * self.row_bytes:
                raise FileFormatError(
                    f"{self.path} is damaged: it has {size} bytes, and {count * self.row_bytes} were written; "
                    "restore it from a copy"
                )
            content = mmap.mmap(self._file, count * self.row_bytes, access=mmap.ACCESS_READ)
            self._mapped = np.frombuffer(content, dtype=self.dtype).reshape(count, self.width)
        return self._mapped[:count]

    def cut(self, count: int) -> None:
        """Shorten the file to the first rows, if it is longer: what lies behind was never acknowledged."""
        with contextlib.suppress(OSError):
            if os.fstat(self._file).st_size > count * self.row_bytes:
                os.ftruncate(self._file, count * self.row_bytes)

    def size(self) -> int:
        """Return the bytes of the file."""
        return os.fstat(self._file).st_size

    def close(self) -> None:
        """Close the file; mapped rows stay valid."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1
