"""Random words from counter-based streams."""

from typing import Any

import numpy as np

from hdc.backends.numba_kernels.arrays import rows_of
from hdc.backends.numba_kernels.jit import kernel, multiply_wide
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.words import Words

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
def _fill(keys: Any, out: Any, start: int, stop: int) -> None:
    """Fill rows with the outputs of their key, counter starting at one; the last four may be cut off."""
    words = out.shape[1]
    for i in range(start, stop):
        key, row = keys[i], out[i]
        for block in range(words // 4):
            a, b, c, d = philox(key, np.uint64(block + 1))
            row[4 * block], row[4 * block + 1], row[4 * block + 2], row[4 * block + 3] = a, b, c, d
        if words % 4:
            last = philox(key, np.uint64(words // 4 + 1))
            for j in range(words % 4):
                row[words - words % 4 + j] = last[j]


def random_words(keys: Words, words: int) -> Words:
    """Draw each row from the Philox4x64-10 stream of its key."""
    out = np.empty((len(keys), words), dtype=np.uint64)
    over_rows(_fill, len(out), words * 2.5 + 20, rows_of(keys), out)
    return out
