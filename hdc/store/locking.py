"""The lock of a writer: one writer at a time, whose name the next one is told."""

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
"""Where the holder's name begins in the file: Windows lets nobody read the first byte, which is what is locked."""


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
        If another writer has the lock; the text says which process, where and since when.
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
            with contextlib.suppress(OSError):  # a full disk: the lock holds all the same
                disk.truncate(self._file, 0)
                name = f"\nprocess {os.getpid()} on {socket.gethostname()} since {since}\n"
                disk.write_at(self._file, name.encode(), 0)
        except BaseException:
            self._drop()
            raise

    def release(self) -> None:
        """Give the lock back; the file stays, empty, for the next writer may be waiting on it."""
        if self._file >= 0:
            with contextlib.suppress(OSError):
                disk.truncate(self._file, 0)
            from filelock import unlock_descriptor

            with contextlib.suppress(OSError):
                unlock_descriptor(self._file)
        self._drop()

    def _drop(self) -> None:
        """Close the file. A process that shares it with another one, by fork, leaves the lock to that one."""
        descriptor, self._file = self._file, -1
        if descriptor >= 0:
            disk.close(descriptor)

    def __del__(self, ending: Callable[[], bool] = sys.is_finalizing) -> None:
        if not ending():  # then modules are taken apart, and the system closes it
            with contextlib.suppress(OSError):
                self._drop()


def _locked(descriptor: int, folder: Path) -> bool:
    from filelock import lock_descriptor  # here, because readers need it not

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
