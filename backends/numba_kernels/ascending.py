"""Looking up in ascending arrays."""

from typing import Any

from hdc.backends.numba_kernels.jit import inlined


@inlined
def first_at(values: Any, start: int, stop: int, least: Any) -> int:
    """Return the first place in an ascending run that holds ``least`` or more; ``stop`` if there is none."""
    while start < stop:
        middle = (start + stop) >> 1
        if values[middle] < least:
            start = middle + 1
        else:
            stop = middle
    return start
