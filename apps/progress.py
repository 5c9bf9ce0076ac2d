"""A line on standard error that shows how far long work is, where a person is watching."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

CLEAR = "\r\x1b[K"

WIDTH = 30
"""Characters of a progress bar."""

INTERVAL = 0.1
"""Seconds between two updates."""


def counted(items: Iterable[Item], what: str) -> Iterator[Item]:
    """Pass items on and, if standard error is a terminal, show how many and how fast.

    Parameters
    ----------
    items : iterable
    what : str
        Said after the number: ``"documents"``.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    began = shown = time.monotonic()
    number = 0
    try:
        for number, item in enumerate(items, 1):
            now = time.monotonic()
            if now - shown >= INTERVAL:
                shown = now
                print(f"\r{number:,} {what}, {number / (now - began):,.0f} a second", end="", file=sys.stderr)
            yield item
    finally:
        if shown > began:
            print(CLEAR, end="", file=sys.stderr, flush=True)


def tracked(
    items: Iterable[Item], total: int, done: int = 0, *, show: bool = True, what: str = "points"
) -> Iterator[Item]:
    """Pass finished items on and show how many of ``total`` are done.

    Parameters
    ----------
    items : iterable
        Yields ``total - done`` items.
    total : int
    done : int
        Items that were finished before; they do not count for the speed.
    show : bool
        Whether to show anything; nothing is shown where standard error is not a terminal.
    what : str
        The items' name.
    """
    if not (show and sys.stderr.isatty()):
        yield from items
        return
    began, shown = time.monotonic(), 0.0
    try:
        for number, item in enumerate(items, 1):
            now = time.monotonic()
            if now - shown >= INTERVAL:
                shown = now
                print(f"\r{bar(number, total, done, now - began, what)}", end="", file=sys.stderr, flush=True)
            yield item
    finally:
        print(CLEAR, end="", file=sys.stderr, flush=True)


def bar(number: int, total: int, done: int, seconds: float, what: str = "points") -> str:
    """Return one line: a bar, the count, and the time left at the speed so far."""
    finished = done + number
    filled = WIDTH * finished // max(total, 1)
    left = time.strftime("%H:%M:%S", time.gmtime(seconds / number * (total - finished)))
    return f"[{'#' * filled}{'.' * (WIDTH - filled)}] {finished}/{total} {what}, {left} left"
