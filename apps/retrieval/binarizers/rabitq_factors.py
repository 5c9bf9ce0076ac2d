"""Factors of RaBitQ codes, stored after the bit planes in words of 8 bytes."""

import math

import numpy as np
import numpy.typing as npt

from hdc.words import Words

Floats = npt.NDArray[np.float32]

UPPER = np.dtype([("scale", "<f4"), ("share", "<f2"), ("fit", "<u2")])
"""Factors of the signs: |r| / f; the offset as a share of |r| |c|; and f in 65535ths."""

WHOLE = np.dtype([("scale", "<f4"), ("offset", "<f4")])
"""Factors of all planes, if there are several: |r| / (f |y|), and the offset."""


def upper_word(residual: Floats, norm: Floats, centers: Floats, lengths: Floats, by_distance: bool) -> Words:
    """Return the factors ``(n, 1)`` of the signs of ``(n, d)`` rotated residuals.

    Parameters
    ----------
    residual, centers : (n, d) float32 arrays
        Rotated.
    norm, lengths : (n,) float32 arrays
        Lengths of residuals and centers.
    by_distance : bool
        Whether the offset leaves out the product with the center, which squared distances do not need.
    """
    root = math.sqrt(residual.shape[1])
    fit = np.abs(residual).sum(axis=1) / (root * np.maximum(norm, np.float32(1e-30)))
    factors = np.zeros(len(residual), dtype=UPPER)
    factors["fit"] = np.rint(65535 * np.where(norm > 0, np.minimum(fit, 1), 1))
    factors["scale"] = 65535 * norm / factors["fit"]
    signs = np.where(residual > 0, np.float32(1), np.float32(-1))
    signs *= (factors["scale"] / root)[:, None].astype(np.float32)
    offset = np.einsum("nd,nd->n", centers, -signs if by_distance else residual - signs)
    whole = norm * lengths
    factors["share"] = np.divide(offset, whole, out=np.zeros_like(offset), where=whole > 0)
    return factors.view("<u8").astype(np.uint64)[:, None]


def whole_word(residual: Floats, y: Floats, centers: Floats, square: np.float32 | None) -> Words:
    """Return the factors ``(n, 1)`` of the grid vectors y; with them, ``scale y . q`` is an unbiased estimate.

    With a mean squared length ``square``, it estimates ``x . q - (|x|^2 - square) / 2``, which orders rows by distance.
    """
    factors = np.zeros(len(residual), dtype=WHOLE)
    dots = np.einsum("nd,nd->n", residual, y)  # at least the greatest component: zero only for a zero residual
    squares = np.einsum("nd,nd->n", residual, residual)
    factors["scale"] = np.divide(squares, dots, out=np.zeros_like(dots), where=dots > 0)
    estimate = y * factors["scale"][:, None]
    if square is None:
        factors["offset"] = np.einsum("nd,nd->n", centers, residual - estimate)
    else:
        lengths = np.einsum("nd,nd->n", centers, centers)
        factors["offset"] = (square - squares - lengths) / 2 - np.einsum("nd,nd->n", centers, estimate)
    return factors.view("<u8").astype(np.uint64)[:, None]


def read(words: Words, dtype: np.dtype[np.void]) -> npt.NDArray[np.void]:
    """View a column ``(n, 1)`` of factor words as ``(n,)`` records."""
    records: npt.NDArray[np.void] = np.ascontiguousarray(words, dtype="<u8").view(dtype)[:, 0]
    return records
