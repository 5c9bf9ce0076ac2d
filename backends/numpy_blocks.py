"""Blocks of rows, so that what the reference computes with stays small."""

from collections.abc import Iterator

BLOCK_BYTES = 1 << 24
"""Temporaries of the pairwise kernels stay under this many bytes (16 MiB)."""


def row_blocks(rows: int, row_bytes: int) -> Iterator[slice]:
    """Cut rows, which need so many bytes each, into slices; a row may be more than a block."""
    step = max(1, BLOCK_BYTES // max(1, row_bytes))
    for start in range(0, rows, step):
        yield slice(start, min(rows, start + step))
