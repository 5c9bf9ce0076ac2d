"""Two factors in the upper bits of a scalar code's last word: a scale, and an error share.

The scale is a float16, or the 24 bits of a float32 after its sign bit. The share lies between -1 and 1, mostly near 0,
so the square root of its magnitude is rounded to an integer.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hdc.words import WORD_BITS, Words

Floats = npt.NDArray[np.float32]

SHORT_SCALE, LONG_SCALE = 16, 24
"""Bits of a short and of a long scale."""

SHORT_SHARE, LONG_SHARE = 8, 16
"""Bits of a short and of a long share."""

HALF_MOST = np.float32(np.finfo(np.float16).max)

DROPPED = 7
"""Lowest bits of a float32 that a 24-bit scale drops."""


class FactorBits(NamedTuple):
    """Number of bits of each factor; the scale comes first, in the uppermost bits."""

    scale: int
    share: int

    @property
    def total(self) -> int:
        """Bits of both."""
        return self.scale + self.share


def rounded_scale(scale: Floats, bits: int) -> Floats:
    """Round non-negative scales to a number of bits; larger ones become the greatest value that fits."""
    if bits == SHORT_SCALE:
        return np.minimum(scale, HALF_MOST).astype(np.float16).astype(np.float32)
    greatest = np.finfo(np.float32).max / 2
    up = np.minimum(scale, greatest).astype(np.float32).view(np.uint32) + np.uint32(1 << DROPPED - 1)
    return (up >> np.uint32(DROPPED) << np.uint32(DROPPED)).view(np.float32)


def written(scale: Floats, share: Floats, bits: FactorBits) -> Words:
    """Return words with scales, as rounded by :func:`rounded_scale`, and shares."""
    if bits.scale == SHORT_SCALE:
        upper = scale.astype("<f2").view("<u2").astype(np.uint64)
    else:
        upper = (scale.view(np.uint32) >> np.uint32(DROPPED)).astype(np.uint64)
    most = 2 ** (bits.share - 1) - 1
    roots = np.rint(most * np.sqrt(np.minimum(np.abs(share), 1))) * np.sign(share) + most
    words: Words = upper << np.uint64(WORD_BITS - bits.scale)
    words |= roots.astype(np.uint64) << np.uint64(WORD_BITS - bits.total)
    return words


def read(words: Words, bits: FactorBits) -> tuple[Floats, Floats]:
    """Return the scales and shares that :func:`written` stored."""
    upper = words >> np.uint64(WORD_BITS - bits.scale)
    if bits.scale == SHORT_SCALE:
        scale = upper.astype("<u2").view("<f2").astype(np.float32)
    else:
        scale = (upper.astype(np.uint32) << np.uint32(DROPPED)).view(np.float32)
    most = 2 ** (bits.share - 1) - 1
    root = (words >> np.uint64(WORD_BITS - bits.total) & np.uint64(2**bits.share - 1)).astype(np.float32) - most
    root /= np.float32(most)
    return scale, root * np.abs(root)
