"""Take compact JSON texts apart in compiled code; Python handles each distinct path and value once."""

import secrets
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import orjson

from hdc.apps.json.document.rules import Layout
from hdc.apps.json.document.structure import ANYWHERE, leaf_value
from hdc.kernels import TextKernels, TextTable

if TYPE_CHECKING:
    from hdc.apps.json.document.leaves import Node, Walk

ROOM = 1 << 16
"""Initial capacity for numbers."""

ENTRY_BYTES = 16
"""Bytes of text to reserve per number."""

KEY, ANY, POSITION = range(3)
"""Kinds of paths; see :class:`hdc.kernels.TextTable`."""

_MODES = {"auto": 0, "bag": 1, "sequence": 2}


def mode_of(layout: Layout) -> int | None:
    """Return how compiled code binds the items of arrays; None if it cannot, as there are rules for some paths."""
    modes = layout.arrays.values()
    return _MODES.get(modes[0]) if len(modes) == 1 else None


class TextWalker:
    """Take texts apart into the leaves of a table, as :meth:`LeafTable.walk` does their values.

    Parameters
    ----------
    kernels : TextKernels
    mode : int
        See :func:`mode_of`.
    root : Node
        Of the table.
    """

    def __init__(self, kernels: TextKernels, mode: int, root: "Node") -> None:
        self._kernels, self._mode = kernels, mode
        self._table = _table(ROOM, ROOM * ENTRY_BYTES)
        self._nodes: dict[int, Node] = {0: root}
        self._leaves = np.full(1, -1)  # leaf of each number that is a value

    def walk(self, texts: list[bytes], found: "Walk") -> None:
        """Add the contents of documents. Their texts must be written by orjson, within the limit of levels."""
        content = np.frombuffer(b"".join(texts), np.uint8)
        bounds = np.cumsum([0, *map(len, texts)], dtype=np.int64)
        first = 0
        while first < len(texts):
            before, documents = len(found.leaves), len(found.stops)
            leaves, items, stops = self._kernels.walk(
                content, bounds, first, documents, len(found.places), self._mode, self._table
            )
            self._take_up()
            found.leaves.frombytes(self._leaves[leaves[0]].tobytes())
            found.spots.frombytes(leaves[1].tobytes())
            found.stops.frombytes((stops + before).tobytes())
            for noted, row in zip((found.documents, found.parents, found.places), items, strict=True):
                noted.frombytes(row.tobytes())
            first += len(stops)
            if first < len(texts):
                self._grow(len(texts[first]))

    def _take_up(self) -> None:
        """Create nodes and leaves for new entries of the table."""
        table, nodes, first = self._table, self._nodes, len(self._leaves)
        count = int(table.used[0])
        leaves = np.full(count - first, -1)
        content = table.content
        for number, (_, own, start, length) in enumerate(table.rows[first:count].tolist(), first):
            parent, kind = divmod(own, 4)
            node = nodes[parent]
            if kind == ANY:
                nodes[number] = node.items[ANYWHERE]
            elif kind == POSITION:
                nodes[number] = node.items[start, 1.0]
            else:
                value: Any = orjson.loads(content[start : start + length].data)
                if kind == KEY:
                    nodes[number] = node.keys[value]
                else:
                    leaves[number - first] = node.leaves[leaf_value(value)]
        self._leaves = np.concatenate([self._leaves, leaves])

    def _grow(self, length: int) -> None:
        """Double the capacity, and reserve space for a text of a given size."""
        old = self._table
        count, filled, _ = old.used.tolist()
        new = _table(max(2 * len(old.rows), count + length), max(2 * len(old.content), filled + length))
        new.rows[:count] = old.rows[:count]
        new.content[:filled] = old.content[:filled]
        new.used[:] = old.used
        mask = len(new.slots) - 1
        free = new.slots
        for number, digest in enumerate(old.rows[1:count, 0].tolist(), 1):
            slot = digest & mask
            while free[slot] >= 0:
                slot = (slot + 1) & mask
            free[slot] = number
        self._table = new


def _table(room: int, content: int) -> TextTable:
    """Return a table with only the root and capacity for a given number of entries and bytes.

    Digests start with a random number, so nobody can predict which texts collide in it.
    """
    slots: npt.NDArray[np.int64] = np.full(1 << (2 * room - 1).bit_length(), -1)
    return TextTable(
        slots, np.zeros((room, 4), np.int64), np.zeros(content, np.uint8), np.array([1, 0, secrets.randbits(62)])
    )
