"""Progress of long work on standard error, where a person is watching: a terminal or a notebook."""

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")

INTERVAL = 0.1
"""Seconds between two updates."""


def counted(items: Iterable[Item], what: str) -> Iterator[Item]:
    """Pass items on and show how many and how fast.

    Parameters
    ----------
    items : iterable
    what : str
        Said before the number: ``"documents"``.
    """
    return _shown(items, desc=what, unit="") if watched() else iter(items)


def tracked(
    items: Iterable[Item], total: int, done: int = 0, *, unit: str = "points", show: bool = True
) -> Iterator[Item]:
    """Pass finished items on and show how many of ``total`` are done, and the time left.

    Parameters
    ----------
    items : iterable
        Yields ``total - done`` items.
    total : int
    done : int
        Items that were finished before; they do not count for the speed.
    unit : str
        What the items are.
    show : bool
        Whether to show anything; nothing is shown where nobody watches.
    """
    if not (show and watched()):
        return iter(items)
    return _shown(items, total=total, initial=done, desc=unit, unit="")


@contextmanager
def measured(total: int, what: str) -> Iterator[Callable[[int], object]]:
    """Show how much of one long work is done, and the time left, in a ``with`` block.

    Parameters
    ----------
    total : int
        Steps of the work.
    what : str
        What is made.

    Yields
    ------
    function
        Takes how many more steps are done.
    """
    if not watched():
        yield lambda steps: None
        return
    with _bar(
        None, total=total, desc=what, bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}<{remaining}"
    ) as bar:
        yield bar.update


def watched() -> bool:
    """Return whether a person sees standard error: it is a terminal, or this process serves a notebook."""
    return sys.stderr.isatty() or "ipykernel" in sys.modules


def _shown(items: Iterable[Item], **options: Any) -> Iterator[Item]:
    with _bar(items, **options) as bar:
        yield from bar


def _bar(items: Any, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without ipywidgets a notebook shows the bar as text
        from tqdm.auto import tqdm
    return tqdm(items, leave=False, mininterval=INTERVAL, dynamic_ncols=True, file=sys.stderr, **options)
