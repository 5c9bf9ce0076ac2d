"""Bytes that grow at the end, in a file or in memory, read as arrays that never change."""

import contextlib
import mmap
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from hdc import files
from hdc.errors import FileFormatError
from hdc.store import disk
from hdc.store.blocks import Bytes, Checked

EMPTY: Bytes = np.empty(0, np.uint8)
EMPTY.flags.writeable = False


class Growing(ABC):
    """Bytes that do not change below a committed length; the next change writes behind it."""

    def __init__(self) -> None:
        self.checked = Checked()
        self.sound = 0
        """Number of rows from the start that were found to be in range; see :mod:`hdc.store.snapshot`."""

    @abstractmethod
    def view(self, length: int) -> Bytes:
        """Return the first bytes, read-only: ``(length,)``. It stays valid whatever becomes of the object."""

    @abstractmethod
    def in_large_pages(self) -> None:
        """Expect that what :meth:`view` returned last is read as a whole."""

    @abstractmethod
    def write(self, start: int, data: Any) -> None:
        """Put bytes at a position that no committed length covers."""

    @abstractmethod
    def sync(self) -> None:
        """Wait until the written bytes are durable."""

    @abstractmethod
    def size(self) -> int:
        """Return the bytes that take space, committed or not."""

    @abstractmethod
    def cut(self, length: int) -> None:
        """Drop what lies behind, if that can be done; it is of no use to anyone."""

    @abstractmethod
    def sync_cut(self) -> None:
        """Wait until what :meth:`cut` dropped is gone for good."""


class MemoryBytes(Growing):
    """Bytes in a buffer that doubles: a view shows the buffer it was taken of, which is never written below its end."""

    def __init__(self) -> None:
        super().__init__()
        self._buffer = np.empty(0, np.uint8)

    def view(self, length: int) -> Bytes:
        """Return the first bytes."""
        view = self._buffer[:length]
        view.flags.writeable = False
        return view

    def in_large_pages(self) -> None:
        """Leave it: NumPy asks for them."""

    def write(self, start: int, data: Any) -> None:
        """Put bytes at a position."""
        new = np.frombuffer(data, np.uint8)
        stop = start + len(new)
        if stop > len(self._buffer):
            grown = np.empty(max(stop, 2 * len(self._buffer)), np.uint8)
            grown[:start] = self._buffer[:start]
            self._buffer = grown
        self._buffer[start:stop] = new

    def sync(self) -> None:
        """Leave it: memory lasts as long as it can."""

    def size(self) -> int:
        """Return the bytes of the buffer."""
        return len(self._buffer)

    def cut(self, length: int) -> None:
        """Leave the buffer: what lies behind is overwritten by the next write."""

    def sync_cut(self) -> None:
        """Leave it, as :meth:`sync` does."""


class DiskBytes(Growing):
    """Bytes in a file, mapped for reading. The file is closed when the last reference to the object is gone.

    Raises
    ------
    OSError
        If the file cannot be opened.
    """

    def __init__(self, path: Path, writable: bool) -> None:
        super().__init__()
        self.path, self._file = path, -1
        self._file = disk.open_file(path, write=writable)
        self._mapped = EMPTY
        self._cut = False

    def view(self, length: int) -> Bytes:
        """Return the first bytes, memory-mapped.

        Raises
        ------
        FileFormatError
            If the file has fewer.
        """
        mapped = self._mapped
        if len(mapped) < length:
            self.check_size(length)
            content = mmap.mmap(self._file, length, access=mmap.ACCESS_READ)
            mapped = self._mapped = np.frombuffer(content, np.uint8)
        return mapped[:length]

    def in_large_pages(self) -> None:
        """Map what is mapped in large pages, if the system does that."""
        if len(self._mapped):
            files.in_large_pages(self._mapped.base.obj)  # type: ignore[union-attr]

    def check_size(self, length: int) -> None:
        """Raise FileFormatError if the file has fewer bytes."""
        if (size := disk.size(self._file)) < length:
            raise FileFormatError(
                f"{self.path} is damaged: it has {size} bytes, and {length} were written; restore it from a copy"
            )

    def write(self, start: int, data: Any) -> None:
        """Write bytes at a position."""
        disk.write_at(self._file, data, start)

    def sync(self) -> None:
        """Wait until the disk has the file."""
        disk.sync(self._file)
        self._cut = False

    def size(self) -> int:
        """Return the bytes of the file."""
        return disk.size(self._file)

    def cut(self, length: int) -> None:
        """Shorten the file, if it is longer."""
        with contextlib.suppress(OSError):
            if disk.size(self._file) > length:
                self._cut = True
                disk.truncate(self._file, length)

    def sync_cut(self) -> None:
        """Sync the file, if it was cut."""
        if self._cut:
            self.sync()

    def __del__(self, ending: Callable[[], bool] = sys.is_finalizing) -> None:
        if self._file >= 0 and not ending():  # at interpreter exit modules are gone, and the system closes it
            with contextlib.suppress(OSError):
                disk.close(self._file)
