"""Search in ascending arrays."""

from typing import Any

from hdc.backends.numba_kernels.jit import inlined


@inlined
def first_at(values: Any, start: int, stop: int, least: Any) -> int:
    """Return the first index in an ascending run with a value of at least ``least``, or ``stop``."""
    while start < stop:
        middle = (start + stop) >> 1
        if values[middle] < least:
            start = middle + 1
        else:
            stop = middle
    return start
