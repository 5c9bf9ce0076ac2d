"""Vectors of angles as phasors, and the search for the values of given phasors."""

import math
from typing import Any

from hdc.errors import UnsupportedError
from hdc.kernels import Array
from hdc.models.cyclic import MCR
from hdc.models.fhrr import FHRR
from hdc.models.ghrr import GHRR
from hdc.models.hrr import HRR
from hdc.similarity import blocks
from hdc.values.encoder import CACHED, CHANGE_POINT, COMPONENTS, Estimate, in_blocks, noise_of
from hdc.vsa import VSA

NEWTON_STEPS = 4
"""From a third of a bandwidth on, each step triples the number of digits."""

ZOOMS, ZOOM_POINTS = 8, 9
"""Rounds of a search around the best point, each over a quarter of the width of the one before."""


def check_phases(vsa: VSA, what: str) -> None:
    """Raise :class:`UnsupportedError` unless a model makes vectors of angles."""
    if not vsa.phases:
        raise UnsupportedError(
            f"{what} needs a model that makes vectors of angles (FHRR, HRR, GHRR, MCR), and {vsa.model} does not; "
            "take Level, Scatter, Thermometer or Circular"
        )


def turned_back(xp: Any, angles: Array) -> Array:
    """Return angles less whole turns, from -π to π, in float32: sines of these are ten times as fast as of float64."""
    return xp.astype(angles - 2 * math.pi * xp.round(angles / (2 * math.pi)), xp.float32)


def vectors_of(vsa: VSA, values: Array, frequencies: Array) -> Array:
    """Return vectors whose angles are products of values ``(..., axes)`` and frequencies ``(axes, phases)``.

    Angles are of any size, and computed in float64; the rest at the model's precision.
    """
    xp, short = vsa.xp, isinstance(vsa, FHRR | HRR | GHRR) and vsa.precision != "float64"

    def coded(rows: Array) -> Array:
        angles = rows @ frequencies if len(frequencies) > 1 else rows * frequencies
        return vsa.from_phases(turned_back(xp, angles) if short else angles)

    flat = in_blocks(xp, coded, values.reshape(-1, len(frequencies)), vsa.phases, CACHED)
    return flat.reshape(*values.shape[:-1], vsa.storage)


def phasors_of(vsa: VSA, x: Array) -> tuple[Array, Array]:
    """Return real and imaginary parts of what :meth:`hdc.VSA.from_phases` made of angles, and of bundles of such.

    Parameters
    ----------
    x : (..., storage) array

    Returns
    -------
    two (..., phases) float64 arrays

    Raises
    ------
    UnsupportedError
        For models of third parties, whose layout is not known.
    """
    xp, checked = vsa.xp, vsa.check(x)
    if isinstance(vsa, FHRR):
        wide = xp.astype(checked, xp.float64, copy=False)
        return wide[..., 0::2], wide[..., 1::2]
    if isinstance(vsa, GHRR):  # angles do not affect what is off the diagonal
        matrices = xp.astype(checked, xp.float64, copy=False).reshape(*checked.shape[:-1], vsa.dim, vsa.block**2, 2)
        diagonal = matrices[..., :: vsa.block + 1, :].reshape(*checked.shape[:-1], vsa.phases, 2)
        return diagonal[..., 0], diagonal[..., 1]
    if isinstance(vsa, HRR):
        spectrum = xp.fft.rfft(xp.astype(checked, xp.float64, copy=False))[..., 1 : vsa.phases + 1]
        return xp.real(spectrum), xp.imag(spectrum)
    if isinstance(vsa, MCR):
        angles = xp.astype(checked, xp.float64) * (2 * math.pi / vsa.levels)
        return xp.cos(angles), xp.sin(angles)
    raise UnsupportedError(f"{vsa.model} does not say how its angles are read back; take FHRR, HRR, GHRR or MCR")


class Search:
    """The search for values whose phasors agree best with given ones, over a box of one or more axes.

    Parameters
    ----------
    xp : module
    frequencies : (axes, phases) float64 array
    grids : list of (n,) float64 arrays
        For each axis values to begin at, close enough together for the best to lie on the right peak.
    slopes : list of float
        Of the kernels of the axes, in units of values; 0 where smooth.
    """

    def __init__(self, xp: Any, frequencies: Array, grids: list[Array], slopes: list[float]) -> None:
        self._xp, self._frequencies, self._grids, self._slopes = xp, frequencies, grids, slopes
        self._steps = [float(grid[1] - grid[0]) if len(grid) > 1 else 0.0 for grid in grids]
        self._phases = int(frequencies.shape[-1])

    def find(self, across: Array, up: Array) -> Estimate:
        """Return the best values, ``(n, axes)``, of phasors ``(n, phases)``.

        The errors of smooth axes are those of least squares, from the phasors themselves: the root of
        ``sum of (θ Im r)²`` over ``sum of θ² Re r``, r being the phasors less the angles of the value. Those of axes
        whose kernel has an edge are those of a change point.
        """
        xp = self._xp
        parts = [
            self._found(across[rows], up[rows]) for rows in blocks(len(across), self._phases * ZOOM_POINTS, COMPONENTS)
        ]
        return Estimate(*(xp.concat(list(column), axis=0) for column in zip(*parts, strict=True)))

    def _found(self, across: Array, up: Array) -> Estimate:
        xp, axes = self._xp, range(len(self._grids))
        values = self._on_grid(across, up)
        for _ in range(NEWTON_STEPS):
            for axis in axes:
                if not self._slopes[axis]:
                    values = self._newton(values, axis, across, up)
        for axis in (axis for axis in axes if self._slopes[axis]):
            values = self._zoomed(values, axis, across, up)
        real, imaginary = self._turned(values, across, up)
        length = xp.sqrt(xp.sum(across * across + up * up, axis=-1) * self._phases)
        similarity = xp.clip(xp.sum(real, axis=-1) / xp.where(length > 0, length, 1.0), -1.0, 1.0)
        errors = [self._error(axis, real, imaginary, similarity) for axis in axes]
        return Estimate(values, xp.stack(errors, axis=-1), similarity)

    def _turned(self, values: Array, across: Array, up: Array) -> tuple[Array, Array]:
        """Remove the angles of values, ``(..., axes)``, from phasors."""
        cosines, sines = self._waves(values @ self._frequencies)
        return across * cosines + up * sines, up * cosines - across * sines

    def _on_grid(self, across: Array, up: Array) -> Array:
        """Return the best points of the grid: every point of all axes but the last turns the phasors once."""
        xp, (*outer, last) = self._xp, self._grids
        across, up = (xp.astype(part, xp.float32) for part in (across, up))
        best = xp.full((len(across),), -math.inf, dtype=xp.float32, device=across.device)
        chosen = xp.zeros((len(across), len(self._grids)), dtype=xp.float64, device=across.device)
        rows = max(1, COMPONENTS // max(1, self._phases * len(across)))
        for part in blocks(len(last), self._phases, COMPONENTS):
            codes = self._waves(last[part, None] * self._frequencies[-1])
            for combination in _batched(outer, rows, xp, across):
                place, high = self._best(self._rotated(combination, across, up), codes)
                point = xp.concat(
                    [combination[place // len(codes[0])], last[part][place % len(codes[0]), None]], axis=-1
                )
                better = high > best
                best, chosen = xp.where(better, high, best), xp.where(better[:, None], point, chosen)
        return chosen

    def _waves(self, angles: Array) -> tuple[Array, Array]:
        short = turned_back(self._xp, angles)
        return self._xp.cos(short), self._xp.sin(short)

    def _best(self, parts: tuple[Array, Array], codes: tuple[Array, Array]) -> tuple[Array, Array]:
        """Return where the scores of phasors ``(n, m, phases)`` with codes ``(g, phases)`` are greatest, and these."""
        n = len(parts[0])
        scores: Any = 0.0
        for part, code in zip(parts, codes, strict=True):  # of two axes, because few libraries multiply stacks fast
            scores = scores + part.reshape(-1, self._phases) @ code.T
        scores = scores.reshape(n, -1)
        return self._xp.argmax(scores, axis=-1), self._xp.max(scores, axis=-1)

    def _rotated(self, combination: Array, across: Array, up: Array) -> tuple[Array, Array]:
        if combination.shape[-1] == 0:
            return across[:, None], up[:, None]
        cosines, sines = self._waves(combination @ self._frequencies[:-1])
        a, u = across[:, None], up[:, None]
        return a * cosines + u * sines, u * cosines - a * sines

    def _newton(self, values: Array, axis: int, across: Array, up: Array) -> Array:
        """Go to the top of the parabola that touches here, no farther than half a step of the grid."""
        xp, theta = self._xp, self._frequencies[axis]
        real, imaginary = self._turned(values, across, up)
        slope, bend = xp.sum(theta * imaginary, axis=-1), xp.sum(theta * theta * real, axis=-1)
        move, most = xp.where(bend > 0, slope / xp.where(bend > 0, bend, 1.0), xp.sign(slope)), self._steps[axis] / 2
        return self._moved(values, axis, xp.clip(move, -most, most))

    def _zoomed(self, values: Array, axis: int, across: Array, up: Array) -> Array:
        xp, width = self._xp, self._steps[axis]
        steps = xp.linspace(-1, 1, ZOOM_POINTS, dtype=xp.float64, device=across.device)
        for _ in range(ZOOMS):
            points = xp.stack([self._moved(values, axis, width * step) for step in steps], axis=1)
            scores = xp.sum(self._turned(points, across[:, None], up[:, None])[0], axis=-1)
            values = self._moved(values, axis, width * steps[xp.argmax(scores, axis=-1)])
            width /= 4
        return values

    def _moved(self, values: Array, axis: int, move: Any) -> Array:
        xp, low, high = self._xp, float(self._grids[axis][0]), float(self._grids[axis][-1])
        columns = [values[:, number] for number in range(len(self._grids))]
        columns[axis] = xp.clip(columns[axis] + move, low, high)
        return xp.stack(columns, axis=-1)

    def _error(self, axis: int, real: Array, imaginary: Array, similarity: Array) -> Array:
        xp, theta = self._xp, self._frequencies[axis]
        if self._slopes[axis]:
            return CHANGE_POINT * noise_of(xp, similarity) / (2 * self._phases * self._slopes[axis])
        bend = xp.sum(theta * theta * real, axis=-1)
        spread = xp.sqrt(xp.sum((theta * imaginary) ** 2, axis=-1))
        return xp.where(bend > 0, spread / xp.where(bend > 0, bend, 1.0), math.inf)


def _batched(grids: list[Array], rows: int, xp: Any, like: Array) -> Any:
    """Yield all combinations of points of grids, ``(m, axes)``, in blocks; one empty combination without grids."""
    shape = [len(grid) for grid in grids]
    total = math.prod(shape)
    for start in range(0, total, rows):
        flat = xp.arange(start, min(total, start + rows), dtype=xp.int64, device=like.device)
        columns, below = [], total
        for grid, length in zip(grids, shape, strict=True):
            below //= length
            columns.append(grid[(flat // below) % length])
        yield xp.stack(columns, axis=-1) if columns else xp.zeros((1, 0), dtype=xp.float64, device=like.device)
