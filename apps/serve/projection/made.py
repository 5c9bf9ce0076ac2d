"""A finished map: where each row is, by which axes, of which state of the index; and its file."""

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
"""Points of a map; of more rows, evenly spaced ones are shown."""

NEIGHBORS = 5
"""Landmarks that say where a new row is on a map of neighbors."""


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Rows of a map of neighbors that say where others are: by which axes, and where on the map."""

    reduced: Floats
    placed: Floats

    def place(self, reduced: Floats) -> Floats:
        """Return where rows are: at the mean of their nearest landmarks, weighted by nearness."""
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
        What the vectors were made of.
    state : list
        Of the rows: edition, generation and number of each store, as :func:`state_of`.
    model : str
        Digest of what gives rows their vectors: axes of other vectors say nothing.
    positions, ids : (n,) int64 arrays
        Of live rows, ascending by position.
    points : (n, 2) float32 array
    axes : Axes
    landmarks : Landmarks, optional
        Of a map of neighbors.
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
        """The generation of the index that the map reflects."""
        return sum(generation for _, generation, _ in self.state)

    def place(self, rows: Floats) -> Floats:
        """Return the points of ``(n, dim)`` vectors by the axes of this map."""
        reduced = self.axes.place(rows)
        return reduced[:, :2] if self.landmarks is None else self.landmarks.place(reduced)

    def save(self, path: Path) -> None:
        """Write the map aside and rename it; raises OSError if that fails, and an older map then stays."""
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
    """Return what says whether rows are still the same ones at the same positions, in each store of a snapshot."""
    parts = snapshot.parts if isinstance(snapshot, JoinedSnapshot) else (snapshot,)
    return [[part.edition, part.generation, part.count] for part in parts]


def model_of(snapshot: Snapshot, vectors: Vectors) -> str:
    """Return a digest of what gives the rows of an index their vectors."""
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
    """Return the ``(n, width)`` places of rows, which are read block by block."""
    found = np.empty((len(positions), width), np.float32)
    for start in range(0, len(positions), vectors.step):
        part = slice(start, start + vectors.step)
        found[part] = place(vectors.read(snapshot, positions[part]))
        tick()
    return found


def caught_up(made: Map, vectors: Vectors, snapshot: Snapshot) -> Map | None:
    """Return a map with the rows that came since it was made, and without those that went.

    Rows that were added or replaced are placed by the axes of the map. After a compaction all rows are placed anew:
    which ones were replaced is not known then.

    Returns
    -------
    Map or None
        None where the map says nothing of these rows: vectors of another model, or neighbors of another edition.
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
