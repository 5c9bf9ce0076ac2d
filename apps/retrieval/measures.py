"""How far apart two codes are: by differing bits, or, at several bits a component, by the angle."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hdc.kernels import BitKernels, SearchIndex
from hdc.words import Words, word_count

Distances = npt.NDArray[Any]
Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

FEW = 8
"""Up to so many queries a scan of the rows as they are is faster than bit-planes, which must be built first."""


@dataclass
class Measure(ABC):
    """Distances of codes of shape (n, planes, words) of ``dim`` bits."""

    bits: BitKernels
    dim: int
    planes: int

    dtype: ClassVar[type[np.int32] | type[np.float32]]
    farthest: ClassVar[float]
    """Stands where no code was found."""

    @abstractmethod
    def scale(self, codes: Words) -> Floats | None:
        """Return what is kept beside each code, ``(n,)``, or None."""

    @abstractmethod
    def top_k(self, queries: Words, codes: Words, scale: Floats | None, k: int) -> tuple[Distances, Ids]:
        """Return the k least distances of each query, and the positions; ties by position."""


class Hamming(Measure):
    """Number of differing bits, of codes of one plane."""

    dtype = np.int32
    farthest = np.iinfo(np.int32).max

    def scale(self, codes: Words) -> Floats | None:
        """Keep nothing beside a code."""
        return None

    def top_k(self, queries: Words, codes: Words, scale: Floats | None, k: int) -> tuple[Distances, Ids]:
        """Scan the packed rows."""
        distances, rows = self.bits.top_k(queries[:, 0], codes[:, 0], k)
        return distances, rows


class Symmetric(Measure):
    """One minus the cosine of what multi-level codes stand for: BEBR's symmetric distance (Gan et al. 2023).

    The dot product is an exact integer; it is divided by both lengths in float32.
    """

    dtype = np.float32
    farthest = np.inf

    def scale(self, codes: Words) -> Floats:
        """Return one by the length of each code."""
        total = np.full(len(codes), self.dim * (2**self.planes - 1) ** 2, dtype=np.int64)
        for i in range(self.planes):
            for j in range(self.planes):
                differing = np.bitwise_count(codes[:, i] ^ codes[:, j]).sum(axis=-1, dtype=np.int64)
                total -= 2 * differing << (2 * self.planes - 2 - i - j)
        return (1 / np.sqrt(total)).astype(np.float32)

    def top_k(self, queries: Words, codes: Words, scale: Floats | None, k: int) -> tuple[Distances, Ids]:
        """Scan the planes."""
        lengths = self.scale(codes) if scale is None else scale
        scores, rows = self.bits.code_top_k(queries, codes, self.dim, lengths, k)
        return 1 - scores * self.scale(queries)[:, None], rows


def measure_of(bits: BitKernels, dim: int, levels: int) -> Measure:
    """Return the measure of codes of so many levels (planes)."""
    return Hamming(bits, dim, 1) if levels == 1 else Symmetric(bits, dim, levels)


def planes_index(bits: BitKernels, dim: int) -> SearchIndex:
    """Return an empty index for batches of queries."""
    return bits.search_index(word_count(dim))


def nearest_of(distances: Distances, ids: Ids, k: int) -> tuple[Distances, Ids]:
    """Return the k nearest of each row, in order of (distance, id); places without an id come last."""
    order = np.lexsort((ids, distances, ids < 0))[:, :k]
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(ids, order, axis=1)
