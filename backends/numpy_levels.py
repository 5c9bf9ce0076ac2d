"""Reference search of rows of level numbers: compute every product and every score, and sort."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hdc.backends.numpy_blocks import row_blocks
from hdc.kernels import LevelRun
from hdc.words import Words

Bytes = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

PAIR_BYTES = 64
"""Approximate bytes of temporaries per score."""


class LevelRows:
    """Unconverted rows; see :class:`hdc.kernels.LevelRows`."""

    def __init__(self, rows: Words, runs: Sequence[LevelRun], scale: Floats, offset: Floats) -> None:
        self._rows, self._runs = rows.copy(), list(runs)
        self._scale, self._offset = scale.copy(), offset.copy()

    def __len__(self) -> int:
        return len(self._rows)

    def search(
        self, queries: Bytes, raises: npt.NDArray[np.uint8], factors: Floats, ids: Ints, k: int
    ) -> tuple[Floats, Ints]:
        """Merge the scores of each block of rows into the best so far, by sorting."""
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        found = np.full((len(queries), k), -1, dtype=np.int64)
        members = np.flatnonzero(ids >= 0)
        for some in row_blocks(len(members), 9 * queries.shape[1]):
            rows = members[some]
            for part in row_blocks(len(queries), PAIR_BYTES * (len(rows) + k) + 8 * queries.shape[1]):
                sums = self._sums(rows, queries[part], raises[part]).astype(np.float32)
                own = (sums * factors[part, :1] + factors[part, 1:]) * self._scale[rows] + self._offset[rows]
                every = np.hstack([scores[part], own + np.float32(0)])  # adding zero turns -0.0 into 0.0
                named = np.hstack([found[part], np.broadcast_to(ids[rows], own.shape)])
                first = np.lexsort((named, -every), axis=1)[:, :k]
                scores[part], found[part] = (np.take_along_axis(x, first, axis=1) for x in (every, named))
        return scores, found

    def _sums(self, rows: Ints, queries: Bytes, raises: npt.NDArray[np.uint8]) -> Ints:
        """Return the sums of products; float64 represents those of a run exactly."""
        total = np.zeros((len(queries), len(rows)), dtype=np.int64)
        word = number = 0
        for run, raised in zip(self._runs, raises.T, strict=True):
            words = self._rows[rows, word : word + run.words]
            places = np.arange(0, 64, run.bits, dtype=np.uint64)
            numbers = (words[:, :, None] >> places & np.uint64(2**run.bits - 1)).reshape(len(rows), -1)
            levels = numbers if run.bits == 8 else run.levels[numbers]
            own = queries[:, number : number + numbers.shape[1]].astype(np.float64)
            total = (total << raised[:, None].astype(np.int64)) + (own @ levels.T.astype(np.float64)).astype(np.int64)
            word, number = word + run.words, number + numbers.shape[1]
        return total
