"""The lock of what is built once and then only read.

A forked child has a lock of its own: the thread that held its parent's is not there to let go of it.
"""

import os
import threading
import weakref
from types import TracebackType


class BuildLock:
    """A lock, as a context; free again in a forked child."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        _LOCKS.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def renew(self) -> None:
        """Take a lock that nobody holds."""
        self._lock = threading.Lock()


_LOCKS: "weakref.WeakSet[BuildLock]" = weakref.WeakSet()


def _renew() -> None:
    for lock in list(_LOCKS):
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
