"""Principal axes of rows that are read block by block: a randomized SVD whose memory does not grow with the rows.

Halko, Martinsson and Tropp (2011), "Finding structure with randomness", algorithm 4.4: multiply random directions with
the covariance a few times, once per pass over the rows; they then span the leading axes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

PASSES = 4
"""Multiplications with the covariance."""

SPARE = 8
"""Extra directions, which speed up the convergence of those asked for."""

RANK = 1e-9
"""A remainder of a column below this share of its length is rounding."""

MOST_SAMPLED = 30_000
"""Most rows to learn axes from; more rows move them by less than a point's width."""


@dataclass(frozen=True, eq=False)
class Axes:
    """The directions in which rows vary most.

    Attributes
    ----------
    mean : (dim,) float32 array
    directions : (dim, m) float32 array
        Orthonormal, the widest first; the largest component of each is positive.
    shares : (m,) float32 array
        Share of the variance along each direction.
    """

    mean: Floats
    directions: Floats
    shares: Floats

    def place(self, rows: Floats) -> Floats:
        """Return ``(n, m)`` coordinates of ``(n, dim)`` rows."""
        placed: Floats = rows @ self.directions - self.mean @ self.directions
        return placed


def learn(
    blocks: Callable[[], Iterator[Floats]], dim: int, count: int, *, seed: int = 0, tick: Callable[[], None]
) -> Axes:
    """Return the ``count`` widest axes of rows.

    Parameters
    ----------
    blocks : function
        Starts a pass: yields ``(n, dim)`` float32 rows, the same in each pass.
    dim, count : int
        Axes beyond ``dim``, or beyond the span of the rows, are zeros.
    seed : int
    tick : function
        Called after each block; an exception that it raises ends the work.
    """
    width = min(dim, count + SPARE)
    basis = _orthonormal(np.random.default_rng(seed).standard_normal((dim, width)))
    mean, squares, total = np.zeros(dim), 0.0, 0
    for turn in range(PASSES + 1):
        asked = basis.astype(np.float32)
        product, sums = np.zeros((dim, width)), np.zeros(dim)
        small, squares, total = np.zeros((width, width)), 0.0, 0
        for rows in blocks():
            placed = rows @ asked
            if turn < PASSES:
                product += rows.T @ placed
            else:
                small += placed.T @ placed
            if turn in (0, PASSES):
                sums += np.ones(len(rows), np.float32) @ rows
                squares += float(np.vdot(rows, rows))
            total += len(rows)
            tick()
        if turn == 0:
            mean = sums / max(total, 1)
        if turn < PASSES:
            basis = _orthonormal(product - total * np.outer(mean, mean @ basis))
    along = mean @ basis
    variances, turns = np.linalg.eigh(small - total * np.outer(along, along))
    directions = _fixed(basis @ turns[:, ::-1])[:, :count]
    whole = max(squares - total * float(mean @ mean), np.finfo(np.float32).tiny)
    shares = np.clip(variances[::-1][:count] / whole, 0, 1)
    missing = count - directions.shape[1]
    return Axes(
        mean.astype(np.float32),
        np.pad(directions, ((0, 0), (0, missing))).astype(np.float32),
        np.pad(shares, (0, missing)).astype(np.float32),
    )


def _orthonormal(columns: Doubles) -> Doubles:
    """Return orthonormal columns with the same span; columns that depend on earlier ones become zeros.

    Gram-Schmidt, twice (Giraud et al. 2005). On a busy machine, LAPACK's threads would cost more than the work.
    """
    done = np.zeros_like(columns)
    for place, column in enumerate(columns.T):
        before, length = done[:, :place], np.linalg.norm(column)
        rest = column
        for _ in range(2):
            rest = rest - before @ (rest @ before)
        if (own := np.linalg.norm(rest)) > RANK * length:
            done[:, place] = rest / own
    return done


def _fixed(directions: Doubles) -> Doubles:
    """Turn each direction so that its largest component is positive."""
    largest = np.abs(directions).argmax(axis=0)
    signs = np.where(directions[largest, np.arange(directions.shape[1])] < 0, -1.0, 1.0)
    return directions * signs


def spread(positions: Ids, most: int) -> Ids:
    """Return at most ``most`` of the positions, evenly spaced."""
    if len(positions) <= most:
        return positions
    return positions[np.linspace(0, len(positions) - 1, most).astype(np.int64)]
