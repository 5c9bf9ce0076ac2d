"""Random words from counter-based streams."""

from typing import Any

import numpy as np
from llvmlite.binding import get_host_cpu_features

from hdc.backends.numba_kernels.arrays import rows_of
from hdc.backends.numba_kernels.jit import PLAIN_PYTHON, kernel, multiply_wide
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.backends.numba_kernels.simd import LANES, load, multiply_lanes, splat, store_in_turn
from hdc.words import Words

LANE_NUMBERS = np.arange(LANES, dtype=np.uint64)

WIDE = PLAIN_PYTHON or bool(get_host_cpu_features().get("avx2"))
"""Whether eight counters at a time pay: with AVX2, one instruction multiplies four or eight lanes; elsewhere two."""

ROUNDS = 10
MULTIPLIERS = np.uint64(0xD2E7470EE14C6C93), np.uint64(0xCA5A826395121157)
WEYL = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBB67AE8584CAA73B)


@kernel
def philox(key: Any, counter: Any) -> Any:
    """Return the four words of one counter (Salmon et al. 2011, Philox4x64-10)."""
    a, b, c, d = counter, np.uint64(0), np.uint64(0), np.uint64(0)
    first_key, second_key = key[0], key[1]
    for _ in range(ROUNDS):
        high_a, low_a = multiply_wide(MULTIPLIERS[0], a)
        high_c, low_c = multiply_wide(MULTIPLIERS[1], c)
        a, b, c, d = high_c ^ b ^ first_key, low_c, high_a ^ d ^ second_key, low_a
        first_key += WEYL[0]
        second_key += WEYL[1]
    return a, b, c, d


@kernel
def _philox_lanes(key: Any, first: int, out: Any) -> None:
    """Write the words of eight counters, in order of counters."""
    zero, numbers = splat(0), load(LANE_NUMBERS, 0)
    a, b, c, d = splat(first) + numbers, zero, zero, zero
    first_factor, second_factor = splat(MULTIPLIERS[0]), splat(MULTIPLIERS[1])
    first_key, second_key = key[0], key[1]
    for _ in range(ROUNDS):
        high_a, low_a = multiply_lanes(a, first_factor)
        high_c, low_c = multiply_lanes(c, second_factor)
        a, b, c, d = high_c ^ b ^ splat(first_key), low_c, high_a ^ d ^ splat(second_key), low_a
        first_key += WEYL[0]
        second_key += WEYL[1]
    store_in_turn(out, 4 * (first - 1), a, b, c, d)


@kernel
def stream(key: Any, out: Any) -> None:
    """Fill a row with the outputs of a key, with counters from one; the last four may be truncated."""
    words = len(out)
    done = words // (4 * LANES) * LANES if WIDE else 0
    for first in range(1, done + 1, LANES):
        _philox_lanes(key, first, out)
    for block in range(done, words // 4):
        a, b, c, d = philox(key, np.uint64(block + 1))
        out[4 * block], out[4 * block + 1], out[4 * block + 2], out[4 * block + 3] = a, b, c, d
    if words % 4:
        last = philox(key, np.uint64(words // 4 + 1))
        for j in range(words % 4):
            out[words - words % 4 + j] = last[j]


@kernel
def _fill(keys: Any, out: Any, start: int, stop: int) -> None:
    for i in range(start, stop):
        stream(keys[i], out[i])


def random_words(keys: Words, words: int) -> Words:
    """Draw each row from the Philox4x64-10 stream of its key."""
    out = np.empty((len(keys), words), dtype=np.uint64)
    over_rows(_fill, len(out), words * 1.5 + 20, rows_of(keys), out)
    return out
