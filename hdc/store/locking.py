"""The lock that a writer holds: one writer at a time, who is named to the next one."""

import contextlib
import os
import socket
import time
from pathlib import Path

from hdc.errors import UnsupportedError

NAME = "lock"


class WriterLock:
    """An advisory lock on a folder; the system drops it when the process ends, however it ends.

    Parameters
    ----------
    folder : Path
        Exists.

    Raises
    ------
    BlockingIOError
        If another writer holds the lock; the text says which process, where and since when.
    UnsupportedError
        If the system has no ``flock``.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import fcntl
        except ImportError:
            raise UnsupportedError(
                "writing a store on disk needs flock, which this system lacks; use one in memory"
            ) from None
        while True:
            self._file = os.open(folder / NAME, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = (
                    os.pread(self._file, 1000, 0).decode("utf-8", "replace").strip()
                    or "a process that names itself not"
                )
                os.close(self._file)
                raise BlockingIOError(
                    f"{folder} is being written by {holder}; wait until it is done, or open it for reading"
                ) from None
            if _is_at(self._file, folder / NAME):
                break
            os.close(self._file)  # the folder was replaced between our opening the file and locking it
        os.ftruncate(self._file, 0)
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        os.pwrite(self._file, f"process {os.getpid()} on {socket.gethostname()} since {since}\n".encode(), 0)

    def release(self) -> None:
        """Give the lock back; the file stays, empty, for the next writer may be waiting on it."""
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, 0)
        os.close(self._file)


def _is_at(descriptor: int, path: Path) -> bool:
    """Say whether an open file is still the one of this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
