"""Levels of the components of RaBitQ codes: find the grid vector with the smallest angle to a residual.

A code with b bits per component is a vector y of odd integers from ``1 - 2**b`` to ``2**b - 1`` (extended RaBitQ, Gao
et al. 2024, arXiv 2409.09913). For a step t, the nearest grid vector to ``2 r / t`` is known, but not the step with the
smallest angle between y and r. A coarse list of steps is tried, and the best is refined: the factor that brings y
closest to r gives the next step, as in Lloyd's method. A refined step is kept only if the angle shrinks.
"""

import numpy as np
import numpy.typing as npt

from hdc.words import Words, pack

Floats = npt.NDArray[np.float32]

MOST_BITS = 9
"""Most bits of a component; a finer step is below the rounding of the estimates."""

SPANS = np.geomspace(0.2, 1.06, 12).astype(np.float32)
"""Widths to try: half the grid, as a share of the greatest component. Components outside are clipped."""

NEARBY, NEARBY_OF_MANY = (np.geomspace(0.87, 1.15, count).astype(np.float32) for count in (8, 24))
"""Factors of the best width to try next: the first for fewer than MANY bits, the second from MANY. With more levels,
the angle varies more between the tried widths."""

MANY = 5

REFINEMENTS = 2
"""Rounds of refinement; a third round changes one vector in a thousand."""

TINY = np.float32(1e-30)


def grid_vectors(rotated: Floats, bits: int) -> Floats:
    """Return the grid vectors of ``(n, d)`` residuals: odd integers as float32, with the signs of the residuals.

    Zero components count as negative, as in one-bit codes.
    """
    half = np.float32(1 << (bits - 1))
    magnitudes = np.abs(rotated)
    y = np.ones_like(magnitudes)
    if bits > 1:
        slopes = (half / np.maximum(magnitudes.max(axis=1), TINY)).astype(np.float32)
        best = np.full(len(rotated), -1, dtype=np.float32)
        for shares in (1 / SPANS, NEARBY if bits < MANY else NEARBY_OF_MANY):
            steepest, around = slopes, slopes
            for share in shares:
                tried = (around * share).astype(np.float32)
                found = _cosines(magnitudes, _levels(magnitudes, tried, half))[0]
                better = found > best
                best, steepest = np.where(better, found, best), np.where(better, tried, steepest)
            slopes = steepest
        y = _levels(magnitudes, np.asarray(slopes, dtype=np.float32), half)
        for _ in range(REFINEMENTS):
            best, length = _cosines(magnitudes, y)
            again = _levels(magnitudes, (0.5 / np.maximum(length, TINY)).astype(np.float32), half)
            y = np.where((_cosines(magnitudes, again)[0] > best)[:, None], again, y)
    return np.where(rotated > 0, y, -y)


def _levels(magnitudes: Floats, slopes: Floats, half: np.float32) -> Floats:
    """Return the odd integers nearest to ``2 slopes magnitudes``, at most ``2 half - 1``."""
    y = magnitudes * slopes[:, None]
    np.floor(y, out=y)
    np.minimum(y, half - 1, out=y)
    y *= 2
    y += 1
    return y


def _cosines(magnitudes: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return, per pair of rows, the cosine times the length of the first, and the factor that brings y closest."""
    dots, squares = np.einsum("nd,nd->n", magnitudes, y), np.einsum("nd,nd->n", y, y)
    return dots / np.sqrt(squares), dots / squares


def grid_planes(y: Floats, bits: int) -> Words:
    """Pack grid vectors into ``(n, bits * words)`` words of bit planes, the heaviest plane first."""
    levels = ((y + np.float32((1 << bits) - 1)) / 2).astype(np.uint16)
    return np.concatenate([pack(levels >> shift & 1 > 0) for shift in range(bits - 1, -1, -1)], axis=1)
