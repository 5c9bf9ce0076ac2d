"""What a store holds at a moment, as searchers see it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.search.measures import Ids
from hdc.store import Store


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Rows by position.

    Attributes
    ----------
    edition : int
        Snapshots of the same edition have the same rows at the same positions.
    count : int
        Rows, dead ones included.
    ids : (count,) int64 array
    alive : (count,) bool array
    meta : dict
    """

    store: Store
    edition: int
    count: int
    ids: Ids
    alive: npt.NDArray[np.bool_]
    live: int
    meta: dict[str, Any]
    columns: dict[str, npt.NDArray[Any]]

    def __len__(self) -> int:
        return self.live

    def rows(self, name: str) -> npt.NDArray[Any]:
        """Return a column: ``(count, width)``."""
        return self.columns[name]

    def checked(self, name: str, positions: Ids) -> npt.NDArray[Any]:
        """Return a column of which some rows, -1 aside, are to be read."""
        return self.columns[name]

    def take(self, name: str, positions: Ids) -> npt.NDArray[Any]:
        """Return some rows of a column."""
        taken: npt.NDArray[Any] = self.columns[name][positions]
        return taken

    def positions(self, ids: npt.ArrayLike) -> Ids:
        """Return the positions of the live rows of some ids."""
        return self.store.positions(ids)

    def positions_of(self, ids: Ids) -> Ids:
        """Return the positions of ids of any shape; -1 for -1."""
        there = ids >= 0
        if there.all():
            return self.positions(ids.ravel()).reshape(ids.shape)
        positions = np.full(ids.shape, -1, dtype=np.int64)
        positions[there] = self.positions(ids[there])
        return positions


def snapshot_of(store: Store) -> Snapshot:
    """Return what a store holds: the same object until it changes."""
    known: tuple[Any, Snapshot] | None = store.__dict__.get("_snapshot_seen")
    key = store.generation, store._edition._meta
    if known is None or known[0] != key:
        alive = store.alive()
        ids = store.ids()
        taken = Snapshot(
            store,
            store.generation[0],
            len(ids),
            ids,
            np.ones(len(ids), dtype=bool) if alive is None else alive,
            len(store),
            store.meta,
            {name: store.rows(name) for name in store.columns},
        )
        known = store.__dict__["_snapshot_seen"] = key, taken
    return known[1]
