"""K-means by cosine, in bounded memory: centres are directions of the sums of their rows (Dhillon and Modha 2001)."""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hdc.apps.learn.rows import Rows
from hdc.apps.learn.rules.settings import Counts, Floats


class Clustering(NamedTuple):
    """Where k-means ended.

    Attributes
    ----------
    centres : (k, dim) float32
        Of length 1.
    labels : (n,) int64
        The centre of greatest cosine of each row.
    inertia : float
        Weighted sum of ``1 - cosine`` of rows and their centres.
    steps : int
        Rounds of assignment until nothing moved, or the last that was allowed.
    """

    centres: Floats
    labels: Counts
    inertia: float
    steps: int


def unit(rows: npt.NDArray[Any]) -> Floats:
    """Return rows divided by their lengths; rows of zeros stay so."""
    lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None]
    found: Floats = np.divide(rows, np.where(lengths > 0, lengths, 1)).astype(np.float32, copy=False)
    return found


def kmeans(
    rows: Rows,
    k: int,
    weights: Floats,
    rng: np.random.Generator,
    *,
    starts: int = 1,
    steps: int = 100,
) -> Clustering:
    """Cluster rows by cosine, from several starts of k-means++; the best result counts.

    Parameters
    ----------
    rows : Rows
    k : int
        From 1 to the number of rows.
    weights : (n,) float32
        Not negative: a weight of 2 counts as the row twice.
    rng : Generator
    starts, steps : int

    Returns
    -------
    Clustering
    """
    found = (_lloyd(rows, seeded(rows, k, weights, rng), weights, steps) for _ in range(starts))
    return min(found, key=lambda one: one.inertia)


def seeded(rows: Rows, k: int, weights: Floats, rng: np.random.Generator) -> Floats:
    """Draw k rows as first centres, each with a chance of weight times ``1 - cosine`` to the nearest one before it.

    Of a few candidates the one counts that leaves the least sum (Arthur and Vassilvitskii 2007, greedy).

    Returns
    -------
    (k, dim) float32 array
        Of length 1.
    """
    tries = 2 + int(math.log(k))
    places = [_draw(weights.astype(np.float64), 1, rng)[0]]
    distances = _distances(rows, rows.floats(np.array(places)))[:, 0]
    while len(places) < k:
        candidates = _draw(distances * weights, tries, rng)
        near = np.minimum(_distances(rows, rows.floats(candidates)), distances[:, None])
        best = int((weights @ near).argmin())
        places.append(candidates[best])
        distances = near[:, best]
    return rows.floats(np.array(places))


def _draw(chances: npt.NDArray[Any], n: int, rng: np.random.Generator) -> Counts:
    """Draw places with these chances; where all are 0, any."""
    sums = np.cumsum(chances, dtype=np.float64)
    if not sums[-1] > 0:
        return np.asarray(rng.integers(0, len(chances), n), dtype=np.int64)
    places = np.searchsorted(sums, rng.random(n) * sums[-1], side="right")
    return np.minimum(places, len(chances) - 1).astype(np.int64)


def _distances(rows: Rows, centres: Floats) -> Floats:
    """Return ``1 - cosine`` of rows and unit centres, ``(n, k)``, not below 0."""
    out = np.empty((len(rows), len(centres)), dtype=np.float32)
    for part, block in rows.blocks():
        out[part] = np.maximum(0, 1 - block @ centres.T)
    return out


def _lloyd(rows: Rows, centres: Floats, weights: Floats, steps: int) -> Clustering:
    labels = np.full(len(rows), -1, dtype=np.int64)
    for step in range(1, steps + 1):
        now, sums, distances = assigned(rows, centres, weights)
        inertia = float(np.dot(distances, weights.astype(np.float64)))
        if np.array_equal(now, labels):
            return Clustering(centres, now, inertia, step)
        labels, centres = now, _next(rows, sums, labels=now, distances=distances * weights)
    labels, _, distances = assigned(rows, centres, weights)
    return Clustering(centres, labels, float(np.dot(distances, weights.astype(np.float64))), steps)


def assigned(
    rows: Rows, centres: Floats, weights: Floats
) -> tuple[Counts, npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the nearest centre of each row, the weighted sums of the unit rows of each centre, and the distances.

    Returns
    -------
    labels : (n,) int64
    sums : (k, dim) float64
    distances : (n,) float64
        ``1 - cosine``, not below 0.
    """
    labels, distances = np.empty(len(rows), dtype=np.int64), np.empty(len(rows))
    sums = np.zeros((len(centres), rows.dim))
    for part, block in rows.blocks():
        cosines = block @ centres.T
        labels[part] = cosines.argmax(axis=1)
        distances[part] = np.maximum(0, 1 - np.take_along_axis(cosines, labels[part, None], axis=1)[:, 0])
        chosen = np.where(labels[part, None] == np.arange(len(centres)), weights[part, None], np.float32(0))
        sums += chosen.T @ block
    return labels, sums, distances


def _next(rows: Rows, sums: npt.NDArray[np.float64], labels: Counts, distances: npt.NDArray[np.float64]) -> Floats:
    """Return the directions of the sums; a centre without rows moves to a row that is far from its own."""
    centres = unit(sums)
    empty = np.setdiff1d(np.arange(len(sums)), labels)
    if len(empty):
        far = np.argsort(-distances, kind="stable")[: len(empty)]
        centres[empty] = rows.floats(far)
    return centres
