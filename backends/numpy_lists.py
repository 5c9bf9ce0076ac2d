"""Reference kernels of IVF lists of float vectors: compute every product and every score, and sort."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hdc.backends.numpy_blocks import row_blocks
from hdc.errors import FileFormatError
from hdc.words import Words, unpack

Bytes = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

PAIR_BYTES = 64
"""Approximate bytes of temporaries per score."""


class Centroids:
    """Unconverted byte vectors; see :class:`hdc.kernels.Centroids`."""

    def __init__(self, centroids: Bytes) -> None:
        self._centroids = centroids.copy()

    def nearest(self, queries: Bytes, p: int) -> tuple[npt.NDArray[np.int32], Ints]:
        """Multiply as float64, which represents the products exactly, and sort stably."""
        n, width = self._centroids.shape
        dots = np.empty((len(queries), p), dtype=np.int32)
        lists = np.empty((len(queries), p), dtype=np.int64)
        for asked in row_blocks(len(queries), PAIR_BYTES * n + 8 * width):
            every = np.empty((asked.stop - asked.start, n), dtype=np.int32)
            for rows in row_blocks(n, 8 * width):
                every[:, rows] = queries[asked].astype(np.float64) @ self._centroids[rows].T.astype(np.float64)
            lists[asked] = np.argsort(-every, axis=1, kind="stable")[:, :p]
            dots[asked] = np.take_along_axis(every, lists[asked], axis=1)
        return dots, lists


class CodeLists:
    """Unconverted rows of signs; see :class:`hdc.kernels.CodeLists`."""

    LAYOUT = "rows-1"

    def __init__(self, signs: Words, scale: Floats, offset: Floats, starts: Ints) -> None:
        self._signs, self._starts = signs.copy(), starts.copy()
        self._scale, self._offset = scale.copy(), offset.copy()

    @property
    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Arrays that :meth:`restored` accepts."""
        return {"signs": self._signs, "starts": self._starts, "scale": self._scale, "offset": self._offset}

    @classmethod
    def restored(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Rebuild from arrays; see :class:`hdc.kernels.ListKernels`."""
        made = cls.__new__(cls)
        made._signs, made._starts = arrays["signs"], arrays["starts"]
        made._scale, made._offset = arrays["scale"], arrays["offset"]
        n = len(made._signs)
        forms = [(array.dtype.str, array.ndim) for array in made.arrays.values()]
        sizes = made._signs.ndim == 2 and (made._starts[-1], len(made._scale), len(made._offset)) == (n, n, n)
        if forms != [("<u8", 2), ("<i8", 1), ("<f4", 1), ("<f4", 1)] or not sizes:
            raise FileFormatError("the arrays of the lists do not match each other")
        return made

    def __len__(self) -> int:
        return len(self._signs)

    def _scores(self, rows: Ints, queries: Bytes, factors: Floats, base: Floats) -> Floats:
        """Score the rows of one list for some queries; float64 represents the sums exactly."""
        signs = unpack(self._signs[rows], queries.shape[1])
        sums = (queries.astype(np.float64) @ signs.T.astype(np.float64)).astype(np.float32)
        own = (sums * factors[:, :1] + factors[:, 1:]) * self._scale[rows] + self._offset[rows]
        return np.asarray((own + base[:, None]) + np.float32(0))  # adding zero turns -0.0 into 0.0

    def search(
        self, queries: Bytes, factors: Floats, lists: Ints, base: Floats, ids: Ints, k: int
    ) -> tuple[Floats, Ints]:
        """Go list by list, and merge the scores of its rows into the best of every query that probes it."""
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        found = np.full((len(queries), k), -1, dtype=np.int64)
        dim = queries.shape[1]
        for at in np.unique(lists):
            asking, places = np.nonzero(lists == at)
            members = np.arange(self._starts[at], self._starts[at + 1])
            members = members[ids[members] >= 0]
            for some in row_blocks(len(members), 9 * dim):
                rows = members[some]
                for part in row_blocks(len(asking), PAIR_BYTES * (len(rows) + k) + 8 * dim):
                    q = asking[part]
                    new = self._scores(rows, queries[q], factors[q], base[q, places[part]])
                    named = np.broadcast_to(ids[rows], new.shape)
                    scores[q], found[q] = _greatest(np.hstack([scores[q], new]), np.hstack([found[q], named]), k)
        return scores, found


def _greatest(scores: Floats, ids: Ints, k: int) -> tuple[Floats, Ints]:
    """Return the first k of each row in order of (descending score, id)."""
    first = np.lexsort((ids, -scores), axis=1)[:, :k]
    return np.take_along_axis(scores, first, axis=1), np.take_along_axis(ids, first, axis=1)
