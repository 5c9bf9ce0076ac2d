"""Locks for data that is built once and then only read, and turns for a shared setting.

A forked child gets fresh locks: the thread that held a lock in the parent does not exist in the child to release it.
"""

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any


class BuildLock:
    """A lock, as a context manager; it is free again in a forked child."""

    def __init__(self) -> None:
        self.renew()
        _LOCKS.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def renew(self) -> None:
        """Replace the lock by a free one."""
        self._lock = threading.Lock()


class Turns:
    """Lets callers with the same setting of a shared object run together; it is free again in a forked child.

    While a caller waits for another setting, later callers wait too, so nobody waits longer than for the earlier turns.

    Parameters
    ----------
    change : (setting) -> None
        Called before a turn with another setting, while nothing runs.
    """

    def __init__(self, change: Callable[[Any], None]) -> None:
        self._change = change
        self._setting: Any = None
        self.renew()
        _LOCKS.add(self)

    @contextmanager
    def at(self, setting: Any) -> Iterator[None]:
        """Run with a setting; callers with another setting wait."""
        free = self._free
        with free:
            if self._waiting or (self._running and self._setting != setting):
                self._wait(setting)
            if not self._running:
                self._turn += 1
                free.notify_all()
            if self._setting != setting:
                self._change(setting)
                self._setting = setting
            self._running += 1
        try:
            yield
        finally:
            with free:
                self._running -= 1
                if not self._running:
                    free.notify_all()

    def _wait(self, setting: Any) -> None:
        """Wait until nothing runs and this caller is first, or a later turn has the same setting."""
        place, seen = object(), self._turn
        self._waiting.append(place)

        def mine() -> bool:
            first = not self._running and self._waiting[0] is place
            return first or (self._running > 0 and self._turn != seen and self._setting == setting)

        try:
            self._free.wait_for(mine)
        finally:
            self._waiting.remove(place)
            self._free.notify_all()  # another caller is first now

    def renew(self) -> None:
        """Forget all running and waiting callers."""
        self._free, self._running, self._turn = threading.Condition(), 0, 0
        self._waiting: list[object] = []


_LOCKS: "weakref.WeakSet[BuildLock | Turns]" = weakref.WeakSet()


def _renew() -> None:
    for lock in list(_LOCKS):
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
