"""K-means on hypervectors in bounded memory: starts by k-means++, and Lloyd's rounds, in one of two spaces.

Centers are the directions of the sums of their rows (spherical k-means, Dhillon and Modha 2001), compared by cosine; or
bundles, hypervectors of the model themselves, compared by its similarity: on packed bits majorities and Hamming
distances.
"""

import math
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

import hdc
from hdc.apps.learn.rows import Rows
from hdc.apps.learn.rules.settings import Counts, Floats

Doubles = npt.NDArray[np.float64]

BLOCK_BYTES = 1 << 23
"""Bytes of similarities to compute per block (8 MiB)."""


class Step(NamedTuple):
    """A round of assignment.

    Attributes
    ----------
    labels : (n,) int64
        The nearest center of each row, the first of equal ones.
    distances : (n,) float64
        One less the similarity, not below 0.
    moved : (k, storage) array
        The centers that these rows make; a center without rows is the row, of another one, that is farthest away.
    """

    labels: Counts
    distances: Doubles
    moved: Any


class Clustering(NamedTuple):
    """Where k-means ended.

    Attributes
    ----------
    centers : (k, storage) array
    labels : (n,) int64
        The nearest center of each row.
    inertia : float
        Weighted sum of the distances of rows and their centers, a distance being one less the similarity.
    steps : int
        Rounds of assignment until nothing moved, or the last that was allowed.
    """

    centers: Any
    labels: Counts
    inertia: float
    steps: int


class Space(Protocol):
    """Rows to cluster, and the kind of their centers."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def at(self, places: Counts) -> Any:
        """Return rows as centers."""

    def distances(self, centers: Any) -> Floats:
        """Return ``(n, k)`` distances."""

    def step(self, centers: Any, weights: Floats) -> Step:
        """Assign rows to centers, and move these."""


class Directions:
    """Centers are directions of sums of rows, ``(k, dim)`` float32 of length 1."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def at(self, places: Counts) -> Floats:
        """Return rows, of length 1."""
        return self.rows.floats(places)

    def distances(self, centers: Floats) -> Floats:
        """Return ``1 - cosine``, not below 0."""
        out = np.empty((len(self.rows), len(centers)), dtype=np.float32)
        for which, block in self.rows.blocks():
            out[which] = np.maximum(0, 1 - block @ centers.T)
        return out

    def step(self, centers: Floats, weights: Floats) -> Step:
        """Assign, and add up the rows of each center."""
        labels, distances, sums = summed(self.rows, centers, weights)
        moved = directions(sums)
        _fill(moved, labels, distances * weights, self.at)
        return Step(labels, distances, moved)


class Bundles:
    """Centers are bundles of a model, ``(k, storage)``.

    Weights must be whole numbers where the model counts.
    """

    def __init__(self, vsa: "hdc.VSA", data: npt.NDArray[Any]) -> None:
        self.vsa, self.data = vsa, data

    def __len__(self) -> int:
        return len(self.data)

    def at(self, places: Counts) -> Any:
        """Return rows."""
        return self.data[places]

    def distances(self, centers: Any) -> Floats:
        """Return ``1 - similarity``, not below 0."""
        out = np.empty((len(self.data), len(centers)), dtype=np.float32)
        step = max(1, BLOCK_BYTES // (8 * len(centers)))
        for start in range(0, len(out), step):
            part = slice(start, start + step)
            out[part] = np.maximum(0, 1 - self.vsa.similarity(self.data[part], centers))
        return out

    def step(self, centers: Any, weights: Floats) -> Step:
        """Assign, and bundle the rows of each center."""
        found = self.distances(centers)
        labels = found.argmin(axis=1)
        distances = np.take_along_axis(found, labels[:, None], axis=1)[:, 0].astype(np.float64)
        whole = None if (weights == 1).all() else weights.astype(np.int64)
        moved = np.array(centers)
        for place in range(len(moved)):
            members = np.flatnonzero(labels == place)
            if len(members):
                moved[place] = self.vsa.bundle(self.data[members], None if whole is None else whole[members])
        _fill(moved, labels, distances * weights, self.at)
        return Step(labels, distances, moved)


def _fill(moved: Any, labels: Counts, losses: Doubles, at: Any) -> None:
    """Move empty centers to the rows with the greatest losses."""
    counts = np.bincount(labels, minlength=len(moved))
    empty = np.flatnonzero(counts == 0)
    if len(empty):
        moved[empty] = at(np.argsort(-losses, kind="stable")[: len(empty)])


def summed(rows: Rows, centers: Floats, weights: Floats) -> tuple[Counts, Doubles, Doubles]:
    """Return the nearest center of each row, ``1 - cosine``, and the weighted sums of the rows of each center.

    Returns
    -------
    labels : (n,) int64
    distances : (n,) float64
        Not below 0.
    sums : (k, dim) float64
    """
    labels, distances = np.empty(len(rows), dtype=np.int64), np.empty(len(rows))
    sums = np.zeros((len(centers), rows.dim))
    for which, block in rows.blocks():
        cosines = block @ centers.T
        labels[which] = cosines.argmax(axis=1)
        distances[which] = np.maximum(0, 1 - cosines.max(axis=1))
        sums += np.where(labels[which, None] == np.arange(len(centers)), weights[which, None], np.float32(0)).T @ block
    return labels, distances, sums


def directions(sums: npt.NDArray[Any]) -> Floats:
    """Return rows divided by their lengths; rows of zeros stay so."""
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(sums / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def kmeans(
    space: Space, k: int, weights: Floats, rng: np.random.Generator, *, starts: int = 1, steps: int = 100
) -> Clustering:
    """Cluster rows from several starts of k-means++; the result of least inertia counts.

    Parameters
    ----------
    space : Space
    k : int
        From 1 to the number of rows.
    weights : (n,) float32
        Not negative: a weight of 2 counts as the row twice.
    rng : Generator
    starts, steps : int
    """
    found = (lloyd(space, seeded(space, k, weights, rng), weights, steps) for _ in range(starts))
    return min(found, key=lambda one: one.inertia)


def seeded(space: Space, k: int, weights: Floats, rng: np.random.Generator) -> Any:
    """Draw k rows as first centers, each with a chance of weight times distance to the nearest one before it.

    Of a few candidates the one counts that leaves the least sum (Arthur and Vassilvitskii 2007, greedy). Distances of
    hypervectors are squared Euclidean ones already.
    """
    tries = 2 + int(math.log(k))
    places = [int(_drawn(weights, 1, rng)[0])]
    distances = space.distances(space.at(np.array(places)))[:, 0]
    while len(places) < k:
        candidates = _drawn(distances * weights, tries, rng)
        near = np.minimum(space.distances(space.at(candidates)), distances[:, None])
        best = int((weights @ near).argmin())
        places.append(int(candidates[best]))
        distances = near[:, best]
    return space.at(np.array(places))


def _drawn(chances: Floats, n: int, rng: np.random.Generator) -> Counts:
    """Draw places with the given chances; if all are 0, draw uniformly."""
    sums = np.cumsum(chances, dtype=np.float64)
    if not sums[-1] > 0:
        return np.asarray(rng.integers(0, len(chances), n), dtype=np.int64)
    places = np.searchsorted(sums, rng.random(n) * sums[-1], side="right")
    return np.asarray(np.minimum(places, len(chances) - 1), dtype=np.int64)


def lloyd(space: Space, centers: Any, weights: Floats, steps: int) -> Clustering:
    """Assign rows and move centers in turn, until no row changes its center or a limit is reached."""
    labels = np.full(len(space), -1, dtype=np.int64)
    for number in range(1, steps + 1):
        now = space.step(centers, weights)
        if number == steps or np.array_equal(now.labels, labels):
            break
        labels, centers = now.labels, now.moved
    return Clustering(centers, now.labels, float(now.distances @ weights.astype(np.float64)), number)
