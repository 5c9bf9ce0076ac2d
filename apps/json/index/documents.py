"""Documents of a store, parsed: those that were read last are held, within a bound."""

import json
from collections.abc import Sequence
from typing import Any

from hdc.store import Store

HELD_BYTES = 1 << 23
"""Text of the documents that are held, which take about ten times as much in memory; then all are dropped."""


class Documents:
    """Read and parse documents; those held are dropped with every change of the store.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: dict[int, Any] = {}
        self._bytes, self._generation = 0, store.generation

    def read(self, ids: Sequence[int]) -> list[Any]:
        """Return the documents of some ids, which are shared with later calls: not to be changed."""
        if self._bytes > HELD_BYTES or self._generation != self._store.generation:
            self._held, self._bytes, self._generation = {}, 0, self._store.generation
        held = self._held
        if missing := [number for number in ids if number not in held]:
            for number, text in zip(missing, self._store.documents(missing), strict=True):
                held[number] = parsed(text)
                self._bytes += len(text or b"")
        return [held[number] for number in ids]


def parsed(text: bytes | None) -> Any:
    """Return the document of a text, null where there is none."""
    return json.loads(text or b"null")
