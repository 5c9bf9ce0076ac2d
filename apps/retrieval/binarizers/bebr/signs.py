"""Convert between signs and the values of four-bit groups, which index tables."""

import numpy as np

from hdc.apps.retrieval.binarizers.base import Floats
from hdc.apps.retrieval.binarizers.bebr.decoder import Groups


def groups_of(signs: Floats) -> Groups:
    """Return ``(n, bits / 4)`` uint8 values of ``(n, ...)`` signs, four per value, the first in the lowest bit."""
    bits = (signs.reshape(len(signs), -1, 4) > 0).astype(np.uint8)
    return bits @ np.array([1, 2, 4, 8], dtype=np.uint8)


def group_signs(codes: Groups) -> Floats:
    """Return the ``(n, bits)`` float32 signs of group values."""
    bits = (codes[:, :, None] >> np.arange(4, dtype=np.uint8)) & np.uint8(1)
    return 2 * bits.reshape(len(codes), -1).astype(np.float32) - 1
