"""Tables found one group after another, from the residual of earlier groups: a start for vectors with few strong axes.

Signs of rotated axes, the usual start, suit vectors whose variance is spread over many axes. Other vectors, such as
image patches and spectra, differ from their neighbors by little compared with their length. For them, tables start as
16 means of what earlier groups leave (residual quantization: Chen, Guan & Wang 2010). Each vector is weighted by one
over the distance to its neighbors: recall needs each error to be small beside that distance, not a small sum of
squares. The error's part along the vector gets no extra weight: it helps codes that start from signs, but costs recall
here.
"""

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.base import Floats, blocks
from hdc.apps.retrieval.binarizers.bebr.decoder import LEVELS

NEIGHBORS = 10
"""Number of the neighbor whose distance scales a vector's error."""

AMONG = 2048
"""Most vectors searched for neighbors."""

MEANS_FROM = 16_384
"""Most vectors that the means are computed from."""

ROUNDS = 8
"""Rounds of k-means per group."""

HEAVIEST = 20.0
"""Greatest weight of a vector, relative to the mean; without it, exact copies would have infinite weight."""


def weights_of(x: Floats, rng: np.random.Generator) -> Floats:
    """Return ``(n,)`` float32 weights of mean about 1: one over the distance to the tenth neighbor in a sample.

    Parameters
    ----------
    x : (n, d) float32
    rng : Generator
    """
    sample = x[np.sort(rng.permutation(len(x))[:AMONG])]
    nearest = min(NEIGHBORS, len(sample) - 1)  # a sampled vector counts itself as its first neighbor
    squares = np.einsum("nd,nd->n", sample, sample)
    distances = np.empty(len(x), dtype=np.float32)
    for rows in blocks(len(x), 8 * len(sample)):
        own = np.einsum("nd,nd->n", x[rows], x[rows])
        found = np.partition(squares - 2 * (x[rows] @ sample.T), nearest, axis=1)[:, nearest]
        distances[rows] = np.sqrt(np.maximum(found + own, 0))
    weights = 1 / np.maximum(distances, np.float32(1e-3) * max(float(distances.mean()), 1e-30))
    weights = np.minimum(weights, np.float32(HEAVIEST) * weights.mean())
    return np.asarray(weights / weights.mean(), dtype=np.float32)


def residual_tables(x: Floats, weights: Floats, groups: int, metric: Floats, rng: np.random.Generator) -> Floats:
    """Return the tables of centered vectors, ``(16 * groups, d)`` float32 in the order of a decoder.

    Parameters
    ----------
    x : (n, d) float32
        Vectors less their mean.
    weights : (n,) float32
    groups : int
    metric : (d, d) float32
        Metric of distances.
    rng : Generator
    """
    chosen = np.sort(rng.permutation(len(x))[:MEANS_FROM])
    left, weights = (x[chosen] @ metric).astype(np.float32), weights[chosen]
    tables = np.empty((LEVELS, groups, x.shape[1]), dtype=np.float32)
    for group in range(groups):
        means, cells = _means(left, weights, rng)
        left -= means[cells]
        tables[:, group] = means
    back: npt.NDArray[np.float64] = np.linalg.inv(metric.astype(np.float64))
    return (tables.reshape(LEVELS * groups, -1) @ back).astype(np.float32)


def _means(x: Floats, weights: Floats, rng: np.random.Generator) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return 16 weighted means, and the number of the nearest one per row."""
    means = x[rng.choice(len(x), LEVELS, p=weights / weights.sum(dtype=np.float64))]
    weighed, eye = x * weights[:, None], np.eye(LEVELS, dtype=np.float32)
    for _ in range(ROUNDS):
        of_cells = eye[_nearest(x, means)]
        counts = weights @ of_cells
        means = np.where(counts[:, None] > 0, (of_cells.T @ weighed) / np.maximum(counts, 1e-30)[:, None], means)
    return means, _nearest(x, means)


def _nearest(x: Floats, means: Floats) -> npt.NDArray[np.int64]:
    found: npt.NDArray[np.int64] = np.argmin(np.einsum("nd,nd->n", means, means) - 2 * (x @ means.T), axis=1)
    return found
