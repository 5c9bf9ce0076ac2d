"""The system calls that read and write a store; every change of a disk goes through here.

They are few and simple, so tests can make each of them fail. What a system lacks is handled here, too: Windows has
neither ``pwrite`` nor folders that can be synced.
"""

import os
import shutil
import threading
from pathlib import Path
from typing import Any

from hdc import files

_BINARY = getattr(os, "O_BINARY", 0)

_SEEKING = threading.Lock()
"""Lock around seek and read or write, for systems without a call that does both."""


def open_file(path: Path, *, write: bool = False) -> int:
    """Open a file; for writing, create it if it does not exist."""
    return os.open(path, (os.O_RDWR | os.O_CREAT if write else os.O_RDONLY) | _BINARY, 0o644)


def write_at(descriptor: int, data: Any, start: int) -> None:
    """Write bytes at a position."""
    left = memoryview(data).cast("B")
    while left:
        written = _pwrite(descriptor, left, start)
        left, start = left[written:], start + written


def read_at(descriptor: int, length: int, start: int) -> bytes:
    """Read bytes from a position, fewer only at the end of the file."""
    parts = []
    while length and (part := _pread(descriptor, length, start)):
        parts.append(part)
        length, start = length - len(part), start + len(part)
    return b"".join(parts)


def size(descriptor: int) -> int:
    """Return the bytes of a file."""
    return os.fstat(descriptor).st_size


def is_at(descriptor: int, path: Path) -> bool:
    """Return whether an open file is still the one of a name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def sync(descriptor: int) -> None:
    """Wait until the disk has a file."""
    os.fsync(descriptor)


def sync_folder(path: Path) -> None:
    """Wait until the disk has the names in a folder."""
    files.sync_folder(path)


def truncate(descriptor: int, length: int) -> None:
    """Cut a file."""
    os.ftruncate(descriptor, length)


def rename(path: Path, target: Path) -> None:
    """Rename a file; it replaces a file with that name."""
    os.replace(path, target)


def unlink(path: Path) -> None:
    """Remove a file, if it exists."""
    path.unlink(missing_ok=True)


def make_folder(path: Path) -> None:
    """Make an empty folder, replacing an existing one."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()


def close(descriptor: int) -> None:
    """Close a file."""
    os.close(descriptor)


def _pwrite(descriptor: int, data: memoryview, start: int) -> int:
    if hasattr(os, "pwrite"):
        return os.pwrite(descriptor, data, start)
    with _SEEKING:
        os.lseek(descriptor, start, os.SEEK_SET)
        return os.write(descriptor, data)


def _pread(descriptor: int, length: int, start: int) -> bytes:
    if hasattr(os, "pread"):
        return os.pread(descriptor, length, start)
    with _SEEKING:
        os.lseek(descriptor, start, os.SEEK_SET)
        return os.read(descriptor, length)
