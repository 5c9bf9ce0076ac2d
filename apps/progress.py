"""A line on standard error that counts what passes, where a person is watching."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

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
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
