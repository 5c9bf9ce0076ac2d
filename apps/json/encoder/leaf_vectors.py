"""Vectors of leaves: computed when a batch needs them, and cached while there is room."""

from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

import hdc
from hdc.apps.json.document.batches import Doubles, Ints, distinct
from hdc.apps.json.document.leaves import LeafTable
from hdc.apps.json.encoder.path_roles import path_roles
from hdc.apps.json.values.tokens import Token, Tokens
from hdc.apps.json.values.values import Values

Floats = npt.NDArray[np.float32]

HELD_BYTES = 1 << 26
"""Leaf vectors to cache, the most recently used: 8192 at dim 2048."""

HELD_TOKENS = 1 << 12
"""Token vectors to cache: 32 MiB at dim 2048. A leaf with more tokens takes what it needs."""

BLOCK = 1 << 8
"""Leaf vectors to compute per block: 2 MiB at dim 2048, which fit the processor's cache."""

DRAWN = 1 << 8
"""Token vectors to draw per block, for the same reason."""


class LeafVectors:
    """Sum the vectors of the leaves of a table.

    Parameters
    ----------
    table : LeafTable
        May grow.
    vsa : hdc.VSA
        On any backend and device: vectors of leaves and tokens are held there, and bound and added there.
    values : Values

    Attributes
    ----------
    table : LeafTable
    values : Values
    """

    def __init__(self, table: LeafTable, vsa: hdc.VSA, values: Values) -> None:
        self.table, self.values, self._vsa = table, values, vsa
        self._tokens: dict[int, Tokens] = {}
        self._atoms = TokenVectors(vsa, values)
        self._roles = path_roles(vsa)
        self._masses = np.empty(0)
        self._slots = np.empty(0, dtype=np.int64)
        room = max(1, HELD_BYTES // (4 * vsa.dim))
        self._vectors = _floats(vsa, room)
        self._owners = np.full(room, -1)
        self._used = np.zeros(room, dtype=np.int64)
        self._round = 0

    def masses(self, leaves: Ints) -> Doubles:
        """Return the expected squared norm of each leaf of the table; of others than ``leaves`` it may be NaN."""
        new = len(self.table) - len(self._masses)
        if new > 0:
            more = max(new, len(self._masses))
            self._masses = np.concatenate([self._masses, np.full(more, np.nan)])
            self._slots = np.concatenate([self._slots, np.full(more, -1)])
        for leaf in distinct(leaves[np.isnan(self._masses[leaves])]).tolist():
            tokens = self._tokens[leaf] = self._tokens_of(leaf)
            self._masses[leaf] = sum(weight * weight for weight in tokens.values())
        return self._masses

    def sums(self, weights: Doubles, leaves: Ints, starts: Ints) -> Floats:
        """Return weighted sums of leaf vectors.

        Parameters
        ----------
        weights, leaves : arrays of the same length
            Of leaves whose masses have been asked for.
        starts : (n + 1,) int64 array
            Where each sum begins.

        Returns
        -------
        (n, dim) float32 NumPy array
        """
        return self._vsa.to_numpy(self._sums(weights, leaves, starts))

    def _sums(self, weights: Doubles, leaves: Ints, starts: Ints) -> Any:
        needed, room = distinct(leaves), len(self._used)
        if len(needed) <= room:
            self._hold(needed)
            return self._product(weights, self._slots[leaves], starts, self._vectors)
        total: Any = 0
        for first in range(0, len(needed), room):
            part = needed[first : first + room]
            self._hold(part)
            inside = (leaves >= part[0]) & (leaves <= part[-1])
            bounds = np.concatenate([[0], np.cumsum(inside)])[starts]
            total = total + self._product(weights[inside], self._slots[leaves[inside]], bounds, self._vectors)
        return total

    def _product(self, weights: npt.ArrayLike, columns: npt.ArrayLike, starts: npt.ArrayLike, vectors: Any) -> Any:
        from_numpy = self._vsa.kernels.arrays.from_numpy
        data, indices, bounds = (
            from_numpy(np.asarray(weights, np.float32)),
            from_numpy(np.asarray(columns, np.int64)),
            from_numpy(np.asarray(starts, np.int64)),
        )
        return self._vsa.kernels.dense.csr_matmul(data, indices, bounds, vectors)

    # ------------------------------------------------------------------ what is held

    def _hold(self, leaves: Ints) -> None:
        """Compute the vectors of distinct leaves, as many as there is room for, and replace the least recently used."""
        self._round += 1
        missing = leaves[self._slots[leaves] < 0]
        self._used[self._slots[leaves[self._slots[leaves] >= 0]]] = self._round
        if len(missing):
            free = np.sort(np.argpartition(self._used, len(missing) - 1)[: len(missing)])
            missing = missing[np.argsort([self.table.nodes[leaf].number for leaf in missing.tolist()], kind="stable")]
            owners = self._owners[free]
            self._slots[owners[owners >= 0]] = -1
            self._slots[missing], self._owners[free], self._used[free] = free, missing, self._round
            self._make(missing.tolist())

    def _make(self, leaves: list[int]) -> None:
        """Compute the vectors of leaves, grouped by path, into their ascending places."""
        nodes, known = self.table.nodes, self._tokens
        tokens = [known.pop(leaf) if leaf in known else self._tokens_of(leaf) for leaf in leaves]
        for start, stop in _blocks(tokens, [nodes[leaf].depth for leaf in leaves], self._roles.steps):
            part = leaves[start:stop]
            bound = self._roles.bind([nodes[leaf] for leaf in part], self._mix(tokens[start:stop]))
            slots = self._slots[part]
            first, last = int(slots[0]), int(slots[-1])
            if last - first == len(part) - 1:
                self._vectors[first : last + 1] = bound
            else:
                self._vectors[self._vsa.kernels.arrays.from_numpy(slots)] = bound

    def _mix(self, tokens: list[Tokens]) -> Any:
        """Return the weighted sum of each leaf's atoms, ``(leaves, dim)``."""
        rows = self._atoms.rows([token for leaf in tokens for token in leaf])
        weights = [weight for leaf in tokens for weight in leaf.values()]
        return self._product(weights, rows, np.cumsum([0, *map(len, tokens)]), self._atoms.vectors)

    def _tokens_of(self, leaf: int) -> Tokens:
        return self.values.windows(self.table.nodes[leaf].path(), self.table.values[leaf])


class TokenVectors:
    """The vectors of tokens, held until ``HELD_TOKENS`` are and another is needed; then those used most are kept.

    Attributes
    ----------
    vectors : (rows, dim) float32 array
        On the device of the algebra.
    """

    def __init__(self, vsa: hdc.VSA, values: Values) -> None:
        self._vsa, self._host, self._values = vsa, on_host(vsa), values
        self._make_room(HELD_TOKENS)

    def _make_room(self, rows: int) -> None:
        self.vectors = _floats(self._vsa, rows)
        self._rows: dict[Token, int] = {}
        self._free, self._used = np.arange(rows), np.zeros(rows, dtype=np.int64)

    def rows(self, tokens: list[Token]) -> list[int]:
        """Return the row of each token in ``vectors``, until the next call."""
        wanted = dict.fromkeys(tokens)
        new = [token for token in wanted if token not in self._rows]
        if len(new) > len(self._free):
            self._drop(wanted)
            new = [token for token in wanted if token not in self._rows]
        for first in range(0, len(new), DRAWN):
            part = new[first : first + DRAWN]
            places, self._free = np.split(self._free, [len(part)])
            drawn = self._vsa.from_numpy(self._values.vectors(self._host, part))
            self.vectors[self._vsa.kernels.arrays.from_numpy(places)] = drawn
            self._rows.update(zip(part, places.tolist(), strict=True))
        rows = list(map(self._rows.__getitem__, tokens))
        self._used += np.bincount(np.array(rows, dtype=np.int64), minlength=len(self._used))
        return rows

    def _drop(self, wanted: Collection[Token]) -> None:
        """Make room: keep the wanted and, of the reused ones, the most used, at most half of the cache."""
        room = len(self.vectors)
        if len(wanted) > room:
            self._make_room(len(wanted))
            return
        used = dict(zip(self._rows, self._used[list(self._rows.values())].tolist(), strict=True))
        others = [token for token, count in used.items() if count > 1 and token not in wanted]
        others.sort(key=used.__getitem__, reverse=True)
        kept = [token for token in wanted if token in used] + others[: min(room // 2, room - len(wanted))]
        self._rows = {token: self._rows[token] for token in kept}
        self._free = np.setdiff1d(np.arange(room), list(self._rows.values()))
        self._used[self._free] = 0
        self._used //= 2  # so rows used long ago are dropped


def on_host(vsa: hdc.VSA) -> hdc.VSA:
    """Return the same algebra on NumPy arrays, in which values have their vectors made."""
    return vsa if vsa.xp is np else vsa.with_backend("auto")


def _floats(vsa: hdc.VSA, rows: int) -> Any:
    """Return an uninitialized array of the algebra's library and device."""
    xp, arrays = vsa.xp, vsa.kernels.arrays
    return arrays.lasting(lambda: xp.empty((rows, vsa.dim), dtype=arrays.dtype("float32"), device=vsa.device))


def _blocks(tokens: list[Tokens], depths: list[int], steps: int) -> Iterator[tuple[int, int]]:
    """Cut the leaves into runs of at most ``BLOCK`` leaves, ``HELD_TOKENS`` tokens and some steps (or one leaf)."""
    start, room, left = 0, HELD_TOKENS, steps
    for leaf, (content, depth) in enumerate(zip(tokens, depths, strict=True)):
        if leaf > start and (leaf - start == BLOCK or len(content) > room or depth > left):
            yield start, leaf
            start, room, left = leaf, HELD_TOKENS, steps
        room -= len(content)
        left -= depth
    if start < len(tokens):
        yield start, len(tokens)
