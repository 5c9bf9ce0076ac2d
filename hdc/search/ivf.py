"""Inverted file: rows in lists by their nearest centroid; a query looks into the lists of its nearest centroids.

Centroids are means of codes, found by spherical k-means on the codes' components +1 and -1 and kept as small
integers, so that dot products with them are exact and a code falls into the same list on every machine.
"""

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.kernels import SearchKernels
from hdc.search.kmeans import as_bytes, sampled, spherical_means
from hdc.search.measures import Distances, Ids, Measure
from hdc.search.partition import Partition
from hdc.search.snapshot import View, joined
from hdc.words import Words, pack, unpack

PART = 1 << 20
"""Dot products that are computed at a time (8 MiB)."""


@dataclass
class Coarse:
    """The centroids.

    Attributes
    ----------
    kernels : SearchKernels
    centroids : (lists, dim) int8 array
    """

    kernels: SearchKernels
    centroids: npt.NDArray[np.int8]

    def __post_init__(self) -> None:
        lists = len(self.centroids)
        bits = np.unpackbits(self.centroids.view(np.uint8)[:, :, None], axis=2)
        self._planes = pack(bits.astype(bool).transpose(0, 2, 1))
        self._middle = np.arange(lists) + lists * self.centroids.sum(axis=1, dtype=np.int64)

    def nearest(self, codes: Words, count: int) -> Ids:
        """Return the ``count`` lists nearest to each of (n, words) codes, nearest first: ``(n, count)``.

        With components +1 and -1, the dot product with a centroid is twice the sum of its components where the code's
        bits are set, less the sum of all. Ties go to the lower list.
        """
        lists = len(self.centroids)
        out = np.empty((len(codes), count), dtype=np.int64)
        for start in range(0, len(codes), step := max(1, PART // lists)):
            keys = self.kernels.plane_sums(codes[start : start + step], self._planes)
            keys *= -2 * lists
            keys += self._middle
            if count == 1:
                keys = keys.min(axis=1, keepdims=True)
            elif count < lists:
                keys = np.partition(keys, count - 1, axis=1)[:, :count]
            keys.sort(axis=1)
            out[start : start + step] = keys % lists
        return out

    @classmethod
    def of_codes(cls, kernels: SearchKernels, codes: Words, dim: int) -> "Coarse":
        """Return codes as centroids."""
        return cls(kernels, as_bytes(_signs(codes, dim)))

    def to_json(self) -> dict[str, Any]:
        """Return the centroids as JSON."""
        return {"shape": self.centroids.shape, "base64": base64.b64encode(self.centroids.tobytes()).decode()}

    @classmethod
    def from_json(cls, kernels: SearchKernels, state: dict[str, Any]) -> "Coarse":
        """Return the centroids of :meth:`to_json`."""
        return cls(kernels, np.frombuffer(base64.b64decode(state["base64"]), dtype=np.int8).reshape(state["shape"]))


def train(kernels: SearchKernels, codes: Words, dim: int, lists: int, seed: int) -> Coarse:
    """Find centroids by spherical k-means.

    Parameters
    ----------
    kernels : SearchKernels
    codes : (n, words) uint64 array
    dim, lists, seed : int

    Raises
    ------
    ParameterError
        If there are fewer codes than lists.
    """
    rng = np.random.default_rng(seed)
    sample = codes[sampled(len(codes), lists, rng)]

    def nearest_of(directions: npt.NDArray[np.int8]) -> Ids:
        return Coarse(kernels, directions).nearest(sample, 1)[:, 0]

    return Coarse(kernels, spherical_means(len(sample), lists, lambda rows: _signs(sample[rows], dim), nearest_of, rng))


def _signs(codes: Words, dim: int) -> npt.NDArray[np.float32]:
    """Unpack codes to +1 and -1."""
    signs: npt.NDArray[np.float32] = unpack(codes, dim).astype(np.float32)
    signs *= 2
    signs -= 1
    return signs


class InvertedFile:
    """The searcher of an index of lists. Codes of several planes are found by their first, and then compared."""

    def __init__(self, measure: Measure, coarse: Coarse) -> None:
        self.measure, self.coarse = measure, coarse
        self._partition = Partition(len(coarse.centroids), _first_planes)

    def search(
        self, view: View, queries: Words, k: int, probes: int, among: npt.NDArray[np.bool_] | None = None
    ) -> tuple[Distances, Ids]:
        """Return the k nearest rows in the ``probes`` nearest lists, by differing bits of the first plane.

        Parameters
        ----------
        view : View
        queries : (q, planes, words) uint64 array
        k, probes : int
        among : (n,) bool array, optional
            Rows that may be found, where not all may.
        """
        signs = np.ascontiguousarray(queries[:, 0])
        lists = self.coarse.nearest(signs, min(probes, len(self.coarse.centroids)))
        found = []
        for part in self._partition.of(view):
            ids = part.ids if among is None else part.among(view, view.alive & among)
            found.append(self.measure.kernels.top_k_lists(signs, part.held, ids, part.starts, lists, k))
        return joined(found, k) if len(found) > 1 else found[0]


def _first_planes(view: View, rows: Ids, starts: Ids) -> Words:
    return np.ascontiguousarray(view.codes[rows, 0])
