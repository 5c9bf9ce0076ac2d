"""Hooks to show the progress of long work on a store."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

Item = TypeVar("Item")

Watcher = Callable[[Iterable[Any], int, str], Iterable[Any]]
"""Function that receives the items of some work, their number and their unit, and passes them on."""

_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Let this thread's checks and copies of stores go through a watcher.

    Examples
    --------
    >>> from hdc.store import Store
    >>> from hdc.store.watching import watched
    >>> store = Store.create(None, "x", {"a": ("uint64", 1)})
    >>> def tell(items, total, unit):
    ...     print(total, unit)
    ...     yield from items
    >>> with watched(tell):
    ...     store.compact()
    0 blocks of keys
    0 blocks of rows
    """
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def shown(items: Iterable[Item], total: int, unit: str) -> Iterable[Item]:
    """Pass the items of some work through the watcher."""
    watcher = _watcher.get()
    return items if watcher is None else watcher(items, total, unit)
