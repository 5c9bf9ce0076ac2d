"""Step of a one-query search that rescores candidates, found by signs, with all planes of their codes."""

from typing import Any

import numpy as np

from hdc.backends.numba_kernels.addresses import array_at
from hdc.backends.numba_kernels.gather import AHEAD, LINE, dot_and_square
from hdc.backends.numba_kernels.jit import kernel
from hdc.backends.numba_kernels.plane_dots import ask_for_code, plane_dot
from hdc.backends.numba_kernels.rounding import round_row
from hdc.backends.numba_kernels.simd import pointer
from hdc.backends.numba_kernels.topk import ID_BITS, score_key
from hdc.kernels import PLANE_QUERY

LOW_ID = (1 << ID_BITS) - 1
"""Bits of a pair that store the id."""


@kernel
def _split(integers: Any, low: Any, high: Any) -> Any:
    """Split integers into two signed bytes, ``256 high + low``, and return their sum."""
    total = np.int64(0)
    for j in range(len(integers)):
        total += np.int64(integers[j])
        low[j] = np.int8(integers[j])
        high[j] = (integers[j] - np.int16(low[j])) >> 8
    for j in range(len(integers), len(low)):
        low[j] = high[j] = 0
    return total


@kernel
def compare_planes(
    model: Any, x: Any, bits: Any, rotated: Any, rotated_bits: Any, unit: Any, integers: Any, low: Any, high: Any,
    lows: Any, highs: Any, base: Any, score: Any, score_bits: Any, pairs: Any, places: Any, held: int,
) -> None:  # fmt: skip
    """Replace the scores of pairs by the estimates of all planes of the codes at their places.

    ``low`` and ``high`` receive the bytes of the query's integers, ``lows`` and ``highs`` those of the rotated query's,
    padded to whole words. ``score_bits`` are the bits of ``score``.
    """
    dim, words, levels, width, lists = len(x), model["words"], model["levels"], model["width"], model["lists"]
    codes = pointer(array_at(model["codes"], model["codes_size"], np.uint64))
    round_row(rotated, rotated_bits, np.float32(PLANE_QUERY), unit, integers)
    slope = unit[0]
    total = _split(integers, lows, highs)
    sums = np.int64(0)
    if lists > 1:
        round_row(x, bits, np.float32(32767), unit, integers)
        for j in range(dim):
            low[j] = integers[j] & 0xFF
            high[j] = integers[j] >> 8
        for j in range(dim // LINE * LINE):
            sums += np.int64(high[j])
    lengths = array_at(model["lengths"], lists, np.float32)
    directions = pointer(array_at(model["directions"], model["directions_size"], np.int8))
    turned_low, turned_high, own_low, own_high = pointer(lows), pointer(highs), pointer(low), pointer(high)
    factors = levels * words + 1
    for at in range(min(AHEAD, held)):
        ask_for_code(codes, places[at] * width, width)
    for at in range(held):
        ask_for_code(codes, places[min(at + AHEAD, held - 1)] * width, width)
        row = places[at] * width
        dot = plane_dot(codes, row, words, levels, turned_low, turned_high, 0, total)
        center = base[0]
        if lists > 1:
            cell: Any = np.int64(codes[row + factors + 1])
            product, _ = dot_and_square(directions, cell * dim, dim, own_low, own_high, 0, sums)
            center = np.float32(product) * unit[0] * lengths[cell]
        score_bits[0] = np.int32(codes[row + factors] & np.uint64(0xFFFFFFFF))
        score_bits[1] = np.int32(codes[row + factors] >> np.uint64(32))
        score[0] = ((np.float32(dot) * slope * score[0] + score[1]) + center) + np.float32(0)
        pairs[at] = score_key(np.int64(score_bits[0])) << ID_BITS | (pairs[at] & LOW_ID)
