"""Blocks of rows, so that what the reference computes with stays small."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

BLOCK_BYTES = 1 << 24
"""Temporaries of the pairwise kernels stay under this many bytes (16 MiB)."""


def row_blocks(rows: int, row_bytes: int) -> Iterator[slice]:
    """Cut rows, which need so many bytes each, into slices; a row may be more than a block."""
    step = max(1, BLOCK_BYTES // max(1, row_bytes))
    for start in range(0, rows, step):
        yield slice(start, min(rows, start + step))


def cyclic_rows(x: npt.NDArray[Any], batch: tuple[int, ...]) -> npt.NDArray[Any]:
    """Return ``(..., dim)`` as rows of which row ``i % len`` belongs to row i of the batch that it broadcasts to.

    Only an array that is repeated within the leading axes is copied.
    """
    own = x.shape[:-1]
    while own and own[0] == 1 and own != batch:
        own = own[1:]
    if own != batch[len(batch) - len(own) :]:
        x = np.broadcast_to(x, (*batch, x.shape[-1]))
    return x.reshape(-1, x.shape[-1])
