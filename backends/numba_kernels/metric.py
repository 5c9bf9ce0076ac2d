"""The Hamming distance as a C function, for libraries that accept a function pointer."""

from functools import cache

import numba
from numba import types

from hdc.backends.numba_kernels.jit import popcount

WORD_BYTES = 8


@cache
def hamming_pointer() -> int:
    """Return the address of ``float hamming(const uint64_t *a, const uint64_t *b, uint64_t bytes)``.

    ``bytes`` must be a multiple of 8. The function is compiled on first use and stays for the lifetime of the process.
    """
    rows = types.CPointer(types.uint64)

    @numba.cfunc(types.float32(rows, rows, types.uint64), error_model="numpy")
    def hamming(a, b, size):  # type: ignore[no-untyped-def]
        differing = 0
        for w in range(size // WORD_BYTES):
            differing += popcount(a[w] ^ b[w])
        return numba.float32(differing)

    _KEPT.append(hamming)
    return int(hamming.address)


_KEPT: list[object] = []
"""Keeps functions alive whose addresses were returned."""
