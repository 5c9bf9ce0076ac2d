"""Live rows of a snapshot, by position and by id."""

import numpy as np
import numpy.typing as npt

from hdc.search.measures import Ids
from hdc.store import Snapshot

Mask = npt.NDArray[np.bool_]


def alive(snapshot: Snapshot) -> Mask:
    """Return which rows are neither removed nor replaced: ``(count,)`` bool."""
    return np.ones(snapshot.count, dtype=bool) if snapshot.alive is None else snapshot.alive


def live(snapshot: Snapshot, start: int = 0) -> Ids:
    """Return the positions, ascending, of live rows from a position on."""
    if snapshot.alive is None:
        return np.arange(start, snapshot.count)
    return start + np.flatnonzero(snapshot.alive[start:])


def positions_of(snapshot: Snapshot, ids: Ids) -> Ids:
    """Return the positions of ids, in their shape; -1 stays -1.

    Raises
    ------
    ParameterError
        If an id has no live row.
    """
    there = ids >= 0
    if there.all():
        return snapshot.positions(ids.ravel()).reshape(ids.shape)
    positions = np.full(ids.shape, -1, dtype=np.int64)
    positions[there] = snapshot.positions(ids[there])
    return positions
