"""Blocks of rows, which bound the reference's temporaries."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

BLOCK_BYTES = 1 << 24
"""Most bytes of a pairwise kernel's temporaries (16 MiB)."""


def row_blocks(rows: int, row_bytes: int) -> Iterator[slice]:
    """Yield slices of rows that need ``row_bytes`` each; a single row may exceed a block."""
    step = max(1, BLOCK_BYTES // max(1, row_bytes))
    for start in range(0, rows, step):
        yield slice(start, min(rows, start + step))


def cyclic_rows(x: npt.NDArray[Any], batch: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return ``(..., dim)`` as rows such that row ``i % len`` belongs to row i of the batch it broadcasts to.

    The array is copied only if it repeats within the leading axes.
    """
    own = x.shape[:-1]
    while own and own[0] == 1 and own != batch:
        own = own[1:]
    if own != batch[len(batch) - len(own) :]:
        x = np.broadcast_to(x, (*batch, x.shape[-1]))
    return x.reshape(-1, x.shape[-1])
