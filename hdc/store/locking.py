"""The lock of a writer: only one writer at a time; the next one is told the holder's name."""

import contextlib
import errno
import os
import socket
import sys
import time
import weakref
from collections.abc import Callable
from pathlib import Path

from hdc.errors import UnsupportedError
from hdc.store import disk

NAME = "lock"

_ADVICE = "wait until it is done, or open it for reading"

WORDS = 1
"""Place of the holder's name in the file: on Windows nobody can read the first byte, which is locked."""


class WriterLock:
    """An advisory lock on a folder; the system drops it when the process ends, however it ends.

    A child made by fork does not inherit it: the lock would survive there after the parent's death.

    Parameters
    ----------
    folder : Path
        Exists.
    refusal : str, optional
        Message for a second writer, with ``{holder}`` for the process that has the lock.

    Raises
    ------
    BlockingIOError
        If another writer has the lock; the message says which process, where and since when.
    UnsupportedError
        If the file system cannot lock files.
    OSError
        If the lock's file cannot be written.
    """

    def __init__(self, folder: Path, refusal: str = "") -> None:
        self._file = -1
        _HELD.add(self)
        try:
            while True:
                self._file = disk.open_file(folder / NAME, write=True)
                if not _locked(self._file, folder):
                    named = disk.read_at(self._file, 1000, WORDS).decode("utf-8", "replace").strip()
                    holder = named or "a process that has not named itself yet"
                    told = refusal or f"{folder} is being written by {{holder}}; {_ADVICE}"
                    raise BlockingIOError(errno.EAGAIN, told.replace("{holder}", holder))
                if disk.is_at(self._file, folder / NAME):
                    break
                self._drop()  # the folder was replaced between opening the file and locking it
            since = time.strftime("%Y-%m-%d %H:%M:%S")
            with contextlib.suppress(OSError):  # the lock is held even on a full disk
                disk.truncate(self._file, 0)
                name = f"\nprocess {os.getpid()} on {socket.gethostname()} since {since}\n"
                disk.write_at(self._file, name.encode(), 0)
        except BaseException:
            self._drop()
            raise

    def release(self) -> None:
        """Release the lock; the empty file stays, because the next writer may be waiting on it."""
        if self._file >= 0:
            with contextlib.suppress(OSError):
                disk.truncate(self._file, 0)
            from filelock import unlock_descriptor

            with contextlib.suppress(OSError):
                unlock_descriptor(self._file)
        self._drop()

    def _drop(self) -> None:
        """Close the file. A forked process that shares it leaves the lock to its parent."""
        descriptor, self._file = self._file, -1
        if descriptor >= 0:
            disk.close(descriptor)

    def __del__(self, ending: Callable[[], bool] = sys.is_finalizing) -> None:
        if not ending():  # at interpreter exit modules are gone, and the system closes it
            with contextlib.suppress(OSError):
                self._drop()


def _locked(descriptor: int, folder: Path) -> bool:
    from filelock import lock_descriptor  # imported here, because readers do not need it

    try:
        return lock_descriptor(descriptor, blocking=False)
    except OSError as error:
        raise UnsupportedError(
            f"the file system of {folder} cannot lock files ({error.strerror}); write the store on another one"
        ) from None


_HELD: weakref.WeakSet[WriterLock] = weakref.WeakSet()


def _drop_all() -> None:
    for lock in list(_HELD):
        with contextlib.suppress(OSError):
            lock._drop()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_drop_all)
