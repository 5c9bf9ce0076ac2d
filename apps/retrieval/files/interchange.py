"""Codes as bytes for other libraries, and the metadata that states their bit order."""

import numpy as np
import numpy.typing as npt

from hdc.words import Words
from hdc.words import to_bytes as bytes_in_order

Bytes = npt.NDArray[np.uint8]

BITORDER = "bitorder"
"""Metadata key of a column of codes: the order of bits in its bytes."""


def to_bytes(codes: Words, dim: int) -> Bytes:
    """Return ``(n, words)`` uint64 codes as ``(n, ceil(dim / 8))`` uint8 rows, the lowest bit of each byte first."""
    return bytes_in_order(codes, dim, bitorder="little")
