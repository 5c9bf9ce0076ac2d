"""Collect rows whose scores reach a bound, and prune them to the best when there are many; used by list searches."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.jit import kernel
from hdc.backends.numba_kernels.simd import Pointer, lowest_bit
from hdc.backends.numba_kernels.topk import ID_BITS, WORST, Pairs, key_score, least_pairs, score_key

Floats = npt.NDArray[np.float32]


@kernel
def tighten(best: Pairs, q: int, k: int, bits: Any, scores: Floats) -> Any:
    """Prune query q's rows to the k best; return the score that later rows must reach."""
    key = least_pairs(best[q, 1:], best[q, 0], k) >> ID_BITS
    best[q, 0] = k
    bits[0] = key_score(key)
    return scores[0]


@kernel
def take(reached: int, bits: Pointer, ids: Pointer, row: int, best: Pointer, at: int) -> int:
    """Store the rows ``row + l`` for the set bits l of ``reached``; return the number of stored pairs.

    That number is at ``best[at]``, and the pairs follow it.
    """
    held = best[at]
    while reached:
        lane = lowest_bit(reached)
        reached &= reached - 1
        number = ids[row + lane]
        best[at + 1 + held] = score_key(np.int64(bits[lane])) << ID_BITS | number
        held += number >= 0
    best[at] = held
    return int(held)


@kernel
def finish(best: Pairs, k: int, bits: Any, scores: Floats, first: int, last: int) -> None:
    """Prune the rows of queries ``first`` to ``last - 1`` to the k best."""
    for q in range(first, last):
        if best[q, 0] > k:
            tighten(best, q, k, bits, scores)
        for at in range(1 + best[q, 0], 1 + k):
            best[q, at] = WORST  # overwrites a leftover pair
