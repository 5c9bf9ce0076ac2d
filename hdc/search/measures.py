"""Distances between codes: the number of differing bits or, for several bits per component, the angle."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hdc.kernels import SearchIndex, SearchKernels
from hdc.topk import read_keys, sort_keys
from hdc.words import Words, word_count

Distances = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

NONE = np.iinfo(np.int64).max
"""Sorts after every key of a distance and an id."""

FEW = 8
"""Up to this many queries, scanning rows is faster than bit planes, which must be built first."""


@dataclass
class Measure(ABC):
    """Distances of codes of shape (n, planes, words) of ``dim`` bits."""

    kernels: SearchKernels
    dim: int
    planes: int

    dtype: ClassVar[type[np.int32] | type[np.float32]]
    farthest: ClassVar[float]
    """Distance reported where no code was found."""

    @abstractmethod
    def scale(self, codes: Words) -> Floats | None:
        """Return the ``(n,)`` numbers to store beside codes, or None."""

    @abstractmethod
    def top_k(self, queries: Words, codes: Words, scale: Floats | None, k: int) -> tuple[Distances, Ids]:
        """Return the k smallest distances of each query, and the positions; ties by position."""


class Hamming(Measure):
    """Number of differing bits, for codes of one plane."""

    dtype = np.int32
    farthest = np.iinfo(np.int32).max

    def scale(self, codes: Words) -> Floats | None:
        """Return None: Hamming distance needs no stored numbers."""
        return None

    def top_k(self, queries: Words, codes: Words, scale: Floats | None, k: int) -> tuple[Distances, Ids]:
        """Scan the packed rows."""
        distances, rows = self.kernels.top_k(queries[:, 0], codes[:, 0], k)
        return distances, rows


class Symmetric(Measure):
    """One minus the cosine of the vectors of multi-level codes: BEBR's symmetric distance (Gan et al. 2023).

    The dot product is an exact integer, divided by both lengths in float32.
    """

    dtype = np.float32
    farthest = np.inf

    def scale(self, codes: Words) -> Floats:
        """Return one over the length of each code."""
        total = np.full(len(codes), self.dim * (2**self.planes - 1) ** 2, dtype=np.int64)
        for i in range(self.planes):
            for j in range(self.planes):
                differing = np.bitwise_count(codes[:, i] ^ codes[:, j]).sum(axis=-1, dtype=np.int64)
                total -= 2 * differing << (2 * self.planes - 2 - i - j)
        return (1 / np.sqrt(total)).astype(np.float32)

    def top_k(self, queries: Words, codes: Words, scale: Floats | None, k: int) -> tuple[Distances, Ids]:
        """Scan the planes."""
        lengths = self.scale(codes) if scale is None else scale
        scores, rows = self.kernels.code_top_k(queries, codes, self.dim, lengths, k)
        return 1 - scores * self.scale(queries)[:, None], rows


def measure_of(kernels: SearchKernels, dim: int, levels: int) -> Measure:
    """Return the measure for codes with this many levels (planes)."""
    return Hamming(kernels, dim, 1) if levels == 1 else Symmetric(kernels, dim, levels)


def planes_index(kernels: SearchKernels, dim: int) -> SearchIndex:
    """Return an empty index for batches of queries."""
    return kernels.search_index(word_count(dim))


def nearest_of(distances: Distances, ids: Ids, k: int) -> tuple[Distances, Ids]:
    """Return the k nearest of each row, in order of (distance, id); entries without an id come last.

    Parameters
    ----------
    distances : (q, c) int32 or float32 array
    ids : (q, c) int64 array
        Below 2**32; -1 means none.
    k : int
    """
    floats = distances.dtype.kind == "f"
    keys = sort_keys(np, -distances, 0) >> 32 if floats else distances.astype(np.int64)
    keys = np.where(ids < 0, NONE, keys << 32 | ids)
    keys.sort(axis=1)
    keys = keys[:, :k]
    there = keys != NONE
    nearest = -read_keys(np, keys)[0] if floats else (keys >> 32).astype(distances.dtype)
    farthest = np.inf if floats else np.iinfo(distances.dtype).max
    return np.where(there, nearest, nearest.dtype.type(farthest)), np.where(there, keys & (2**32 - 1), -1)
