"""A finished map and its file: the place of each row, the axes, and the state of the index."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import xxhash

from hdc import files
from hdc.apps.serve.projection.axes import Axes, spread
from hdc.apps.serve.projection.rows import Vectors
from hdc.errors import FileFormatError
from hdc.search.live import alive, live
from hdc.store import JoinedSnapshot, Snapshot

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.int64]

KIND, VERSION = "map", 1

METHODS = ("pca", "umap")

MOST_POINTS = 1 << 20
"""Most points of a map; of more rows, evenly spaced ones are shown."""

NEIGHBORS = 5
"""Nearest landmarks that place a new row on a map of neighbors."""


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Rows of a map of neighbors that place other rows: their coordinates on the axes, and on the map."""

    reduced: Floats
    placed: Floats

    def place(self, reduced: Floats) -> Floats:
        """Place rows at the mean of their nearest landmarks, weighted by inverse distance."""
        squares = (self.reduced**2).sum(axis=1) - 2 * reduced @ self.reduced.T
        count = min(NEIGHBORS, len(self.reduced))
        nearest = np.argpartition(squares, count - 1, axis=1)[:, :count]
        own = np.take_along_axis(squares, nearest, axis=1) + (reduced**2).sum(axis=1, keepdims=True)
        weights = 1 / (np.sqrt(np.maximum(own, 0)) + 1e-6)
        weights /= weights.sum(axis=1, keepdims=True)
        found: Floats = np.einsum("nk,nkd->nd", weights, self.placed[nearest]).astype(np.float32)
        return found


@dataclass(frozen=True, eq=False)
class Map:
    """Points of rows.

    Attributes
    ----------
    method : {"pca", "umap"}
    source : str
        Where the vectors come from.
    state : list
        State of the rows: edition, generation and number of rows per store; see :func:`state_of`.
    model : str
        Digest of the source of the vectors, because axes of other vectors do not apply.
    positions, ids : (n,) int64 arrays
        Positions and ids of live rows, ascending by position.
    points : (n, 2) float32 array
    axes : Axes
    landmarks : Landmarks, optional
        Only for a map of neighbors.
    """

    method: str
    source: str
    state: list[list[int]]
    model: str
    positions: Ids
    ids: Ids
    points: Floats
    axes: Axes
    landmarks: Landmarks | None = None

    @property
    def generation(self) -> int:
        """Generation of the index that the map reflects."""
        return sum(generation for _, generation, _ in self.state)

    def place(self, rows: Floats) -> Floats:
        """Return the points of ``(n, dim)`` vectors by the axes of this map."""
        reduced = self.axes.place(rows)
        return reduced[:, :2] if self.landmarks is None else self.landmarks.place(reduced)

    def save(self, path: Path) -> None:
        """Write the map to a temporary file and rename it; raises OSError if that fails, and keeps an older map."""
        meta = {"method": self.method, "source": self.source, "state": self.state, "model": self.model}
        arrays: files.Arrays = {"positions": self.positions, "ids": self.ids, "points": self.points}
        arrays |= {"mean": self.axes.mean, "directions": self.axes.directions, "shares": self.axes.shares}
        if self.landmarks is not None:
            arrays |= {"reduced": self.landmarks.reduced, "placed": self.landmarks.placed}
        files.save(path, KIND, meta, arrays, version=VERSION, quick=True)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a map.

        Raises
        ------
        FileFormatError
            If it is damaged, of another kind or of a newer version.
        OSError
            If it cannot be read.
        """
        meta, arrays = files.load(path, KIND, version=VERSION)
        try:
            axes = Axes(arrays["mean"], arrays["directions"], arrays["shares"])
            landmarks = Landmarks(arrays["reduced"], arrays["placed"]) if "reduced" in arrays else None
            rows = arrays["positions"], arrays["ids"], arrays["points"]
            made = cls(meta["method"], meta["source"], meta["state"], meta["model"], *rows, axes, landmarks)
        except (KeyError, TypeError) as error:
            raise FileFormatError(f"{path} is damaged: it has no {error}; the map can be made again") from error
        if not made._sound():
            raise FileFormatError(f"{path} is damaged: its arrays do not belong together; the map can be made again")
        return made

    def _sound(self) -> bool:
        n, axes, numbers = len(self.positions), self.axes, (self.positions, self.ids)
        return (
            self.method in METHODS
            and (self.landmarks is not None) == (self.method == "umap")
            and all(array.shape == (n,) and array.dtype == np.int64 for array in numbers)
            and self.points.shape == (n, 2)
            and bool(np.isfinite(self.points).all())
            and axes.directions.ndim == 2
            and axes.mean.shape == axes.directions.shape[:1]
        )


def state_of(snapshot: Snapshot) -> list[list[int]]:
    """Return edition, generation and row count per store, which are equal if the rows and positions are the same."""
    parts = snapshot.parts if isinstance(snapshot, JoinedSnapshot) else (snapshot,)
    return [[part.edition, part.generation, part.count] for part in parts]


def model_of(snapshot: Snapshot, vectors: Vectors) -> str:
    """Return a digest of the source of an index's vectors."""
    meta = {name: value for name, value in snapshot.meta.items() if name in ("encoder", "model", "dim", "levels")}
    return str(xxhash.xxh3_128_hexdigest(f"{vectors.dim} {vectors.source} {sorted(meta.items())}".encode()))


def placed(
    vectors: Vectors,
    snapshot: Snapshot,
    positions: Ids,
    place: Callable[[Floats], Floats],
    width: int = 2,
    tick: Callable[[], None] = lambda: None,
) -> Floats:
    """Read rows block by block and return their ``(n, width)`` places."""
    found = np.empty((len(positions), width), np.float32)
    for start in range(0, len(positions), vectors.step):
        part = slice(start, start + vectors.step)
        found[part] = place(vectors.read(snapshot, positions[part]))
        tick()
    return found


def caught_up(made: Map, vectors: Vectors, snapshot: Snapshot) -> Map | None:
    """Return a map with the rows added since it was made, and without removed rows.

    The axes of the map place rows that were added or replaced. After a compaction all rows are placed again, because it
    is unknown which ones were replaced.

    Returns
    -------
    Map or None
        None if the map does not apply: vectors of another model, or a map of neighbors of another edition.
    """
    state = state_of(snapshot)
    if made.model != model_of(snapshot, vectors):
        return None
    if made.state == state:
        return made
    known = len(state) == len(made.state) == 1 and made.state[0][0] == state[0][0] and made.state[0][2] <= state[0][2]
    if not known:
        return None if made.landmarks is not None else _anew(made, vectors, snapshot, state)
    kept = alive(snapshot)[made.positions]
    new = live(snapshot, made.state[0][2])
    if len(new) + int(kept.sum()) > 2 * MOST_POINTS:
        return None
    positions = np.concatenate([made.positions[kept], new])
    points = np.concatenate([made.points[kept], placed(vectors, snapshot, new, made.place)])
    return replace(made, state=state, positions=positions, ids=snapshot.ids[positions], points=points)


def _anew(made: Map, vectors: Vectors, snapshot: Snapshot, state: list[list[int]]) -> Map:
    positions = spread(live(snapshot), MOST_POINTS)
    points = placed(vectors, snapshot, positions, made.place)
    return replace(made, state=state, positions=positions, ids=snapshot.ids[positions], points=points)
