"""What threads wait for: the lock of what is built once and then only read, and turns of one setting.

A forked child has its own locks: the thread that had its parent's does not exist there to release it.
"""

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any


class BuildLock:
    """A lock, as a context; free again in a forked child."""

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
        """Take a free lock."""
        self._lock = threading.Lock()


class Turns:
    """Lets those run together who need the same setting of something shared; free again in a forked child.

    While somebody waits for another setting, who comes later waits too: nobody waits for more than the turns before.

    Parameters
    ----------
    change : (setting) -> None
        Called before a turn of another setting, while nobody runs.
    """

    def __init__(self, change: Callable[[Any], None]) -> None:
        self._change = change
        self._setting: Any = None
        self.renew()
        _LOCKS.add(self)

    @contextmanager
    def at(self, setting: Any) -> Iterator[None]:
        """Run at a setting; callers with another setting wait."""
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
        """Wait until nobody runs and nobody waits for longer, or a later turn is of the same setting."""
        place, seen = object(), self._turn
        self._waiting.append(place)

        def mine() -> bool:
            first = not self._running and self._waiting[0] is place
            return first or (self._running > 0 and self._turn != seen and self._setting == setting)

        try:
            self._free.wait_for(mine)
        finally:
            self._waiting.remove(place)
            self._free.notify_all()  # another one is first now

    def renew(self) -> None:
        """Forget who runs and who waits."""
        self._free, self._running, self._turn = threading.Condition(), 0, 0
        self._waiting: list[object] = []


_LOCKS: "weakref.WeakSet[BuildLock | Turns]" = weakref.WeakSet()


def _renew() -> None:
    for lock in list(_LOCKS):
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
