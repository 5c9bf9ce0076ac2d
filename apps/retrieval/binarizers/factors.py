"""The two factors of a scalar code in the upper bits of its last word: a scale, and the share of an error.

The scale is a float16, or the upper 24 bits of a float32 after its sign. The share is between -1 and 1, and mostly
near 0: the root of its magnitude is rounded to an integer.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hdc.words import WORD_BITS, Words

Floats = npt.NDArray[np.float32]

SHORT_SCALE, LONG_SCALE = 16, 24
"""Bits of a scale."""

SHORT_SHARE, LONG_SHARE = 8, 16
"""Bits of a share."""

HALF_MOST = np.float32(np.finfo(np.float16).max)

DROPPED = 7
"""Lowest bits of a float32 that a scale of 24 bits lacks."""


class FactorBits(NamedTuple):
    """How many bits each factor has; the scale's are the uppermost of the word."""

    scale: int
    share: int

    @property
    def total(self) -> int:
        """Bits of both."""
        return self.scale + self.share


def rounded_scale(scale: Floats, bits: int) -> Floats:
    """Return scales, of at least 0, as so many bits keep them; those beyond the greatest become that."""
    if bits == SHORT_SCALE:
        return np.minimum(scale, HALF_MOST).astype(np.float16).astype(np.float32)
    greatest = np.finfo(np.float32).max / 2
    up = np.minimum(scale, greatest).astype(np.float32).view(np.uint32) + np.uint32(1 << DROPPED - 1)
    return (up >> np.uint32(DROPPED) << np.uint32(DROPPED)).view(np.float32)


def written(scale: Floats, share: Floats, bits: FactorBits) -> Words:
    """Return words of scales, as :func:`rounded_scale` returns them, and of shares."""
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
    """Return the scales and shares of :func:`written`."""
    upper = words >> np.uint64(WORD_BITS - bits.scale)
    if bits.scale == SHORT_SCALE:
        scale = upper.astype("<u2").view("<f2").astype(np.float32)
    else:
        scale = (upper.astype(np.uint32) << np.uint32(DROPPED)).view(np.float32)
    most = 2 ** (bits.share - 1) - 1
    root = (words >> np.uint64(WORD_BITS - bits.total) & np.uint64(2**bits.share - 1)).astype(np.float32) - most
    root /= np.float32(most)
    return scale, root * np.abs(root)
