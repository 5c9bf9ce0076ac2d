"""The IVF lists of a RaBitQ model: directions of nearly parallel vectors, and the mean length along each direction."""

import numpy as np
import numpy.typing as npt

from hdc.dispatch import list_kernels, search_kernels
from hdc.kernels import Backend
from hdc.search.kmeans import spherical_means

Floats = npt.NDArray[np.float32]
Directions = npt.NDArray[np.int8]
Ids = npt.NDArray[np.int64]


def find_lists(kernels: Backend, sample: Floats, lists: int, rng: np.random.Generator) -> tuple[Directions, Floats]:
    """Return directions ``(lists, d)``, and the factors that make each the mean of its vectors along it.

    Parameters
    ----------
    kernels : Backend
    sample : (n, d) float32 array
        At least as many vectors as lists.
    lists : int
    rng : Generator
    """
    integers = search_kernels(kernels).rounded(sample, 127)[0].astype(np.int8)
    units = sample / np.maximum(np.linalg.norm(sample, axis=1, keepdims=True), np.float32(1e-30))

    def nearest_of(directions: Directions) -> Ids:
        return np.asarray(list_kernels(kernels).centroids(directions).nearest(integers, 1)[1][:, 0])

    directions = spherical_means(len(sample), lists, units.__getitem__, nearest_of, rng)
    cells = nearest_of(directions)
    along = np.einsum("nd,nd->n", sample, directions[cells], dtype=np.float32)
    squares = (directions.astype(np.int64) ** 2).sum(axis=1)
    counts = np.maximum(1, np.bincount(cells, minlength=lists))
    means = np.bincount(cells, weights=along, minlength=lists) / counts
    return directions, (means / np.maximum(1, squares)).astype(np.float32)
