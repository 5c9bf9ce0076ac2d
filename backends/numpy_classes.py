"""Reference classification of packed rows: distances to all planes, stage by stage."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numpy_blocks import row_blocks
from hdc.words import WORD_BITS, Words

Counts = npt.NDArray[np.int64]


def best(
    rows: Words, planes: Words, factors: Counts, biases: Counts, stops: Counts, spans: Counts, dim: int
) -> tuple[Counts, Counts]:
    """Score all prototypes at each stop, and continue with the rows whose leader is not far enough ahead."""
    leaders, read = np.empty(len(rows), np.int64), np.empty(len(rows), np.int64)
    for block in row_blocks(len(rows), 16 * planes.size + 8 * len(planes) ** 2):
        leaders[block], read[block] = _best(rows[block], planes, factors, biases, stops, spans, dim)
    return leaders, read


def _best(rows: Words, planes: Words, *rest: Any) -> tuple[Counts, Counts]:
    factors, biases, stops, spans, dim = rest
    leaders, read = np.zeros(len(rows), np.int64), np.full(len(rows), planes.shape[2], np.int64)
    open_rows, begin = np.arange(len(rows)), 0
    differing = np.zeros((len(rows), len(planes)), np.int64)
    for stage, end in enumerate(stops):
        differing[open_rows] += _differing(rows[open_rows, begin:end], planes[:, :, begin:end])
        most = min(dim, int(end) * WORD_BITS) * (2 ** planes.shape[1] - 1)
        scores = factors * (most - 2 * differing[open_rows]) + biases[stage]
        leaders[open_rows] = found = scores.argmax(axis=1)
        if stage < len(spans):
            ahead = scores[np.arange(len(scores)), found][:, None] - scores >= spans[stage][found]
            ahead[np.arange(len(scores)), found] = True
            done = ahead.all(axis=1)
            read[open_rows[done]] = end
            open_rows, begin = open_rows[~done], int(end)
    return leaders, read


def _differing(rows: Words, planes: Words) -> Counts:
    """Return the weighted numbers of differing bits of all pairs: ``(n, p)``."""
    weights = 1 << np.arange(planes.shape[1], dtype=np.int64)[::-1]
    counts = np.bitwise_count(rows[:, None, None] ^ planes).sum(axis=-1, dtype=np.int64)
    return np.asarray(counts @ weights)
