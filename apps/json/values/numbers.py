"""Numbers as tokens: cells of grids, or one place whose vector is computed.

The grid is a windowed thermometer. The smooth encoding is fractional power encoding: random Fourier features of
a Gaussian kernel (Rahimi & Recht 2007; Plate 1995; Frady et al. 2021).
"""

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

import hdc
from hdc import atoms
from hdc.apps.json.values.tokens import Tokens

Quantities: TypeAlias = Literal["number", "date", "duration"]
"""What a number measures; only numbers that measure the same share tokens."""

NUMBER: Quantities = "number"

SMOOTH = "≈"
"""Prefix of the kind of a token whose vector is computed from its place."""

WINDOW = "["
"""Prefix of the kind of a token for ``CELLS`` consecutive cells of a scale, those that a number covers."""

EXACT_NUMBER = 0.1
"""Share of a number's squared weight that only an equal number gets; the scales share the rest equally."""

CELLS = 8
"""Neighboring cells that a number covers on each scale; similarity falls to zero in as many steps."""

DECADE_WIDTHS = (1.0, 0.2, 0.04)
"""Width of each scale in decades of 1 + |x|, for numbers without a known distribution."""

QUANTILE_WIDTHS = (0.5, 0.1, 0.02)
"""Width of each scale as a share of the path's distribution."""

DECADE = 3652.425 * 86_400
"""Seconds in ten years: the unit of dates without a known distribution."""

WINDOWS = 128
"""Windows whose cells are held per block: at most 8 MiB at dim 2048."""

_EXACT_WEIGHT = math.sqrt(EXACT_NUMBER)

ROWS = 256
"""Places whose phases are held per block."""

_INT64 = 1 << 63


def grid_tokens(kind: Quantities, value: int | float, place: float, widths: tuple[float, ...]) -> Tokens:
    """Return the exact number and the cells it covers on each scale (a windowed thermometer).

    The similarity of two numbers is a sum of triangles, so it never rises as their places move apart.

    Parameters
    ----------
    kind : {"number", "date", "duration"}
    value : int or float
        Equal values of the two types are one number.
    place : float
        Where the number lies, in the unit of ``widths``.
    widths : tuple of float
        Distance at which the similarity on each scale has fallen to zero.
    """
    tokens: Tokens = {}
    for (name, content), weight in grid_windows(kind, value, place, widths).items():
        if name[0] == WINDOW:
            each = weight / math.sqrt(CELLS)
            tokens.update({(name[1:], cell): each for cell in range(content, content + CELLS)})
        else:
            tokens[name, content] = weight
    return tokens


def shared_cells(one: float, other: float, widths: tuple[float, ...]) -> float:
    """Return the part of the cells of :func:`grid_tokens` that two places share."""
    shared = 0
    for width in widths:
        shared += max(0, CELLS - abs(math.floor(one * CELLS / width) - math.floor(other * CELLS / width)))
    return shared / (CELLS * len(widths))


def grid_windows(kind: Quantities, value: int | float, place: float, widths: tuple[float, ...]) -> Tokens:
    """Return what :func:`grid_tokens` does, the cells that are covered on a scale as one token: the same vector."""
    weight = math.sqrt((1 - EXACT_NUMBER) / len(widths))
    grid = WINDOW if kind == NUMBER else WINDOW + kind
    windows: Tokens = {(kind, _exact_number(value)): _EXACT_WEIGHT}
    for scale, width in enumerate(widths):
        windows[f"{grid}#{scale}", math.floor(place * CELLS / width)] = weight
    return windows


def window_vectors(vsa: hdc.VSA, kind: str, firsts: Sequence[int]) -> npt.NDArray[np.float32]:
    """Add up the atoms of windows, to an expected norm of 1.

    Parameters
    ----------
    vsa : MBAT model
    kind : str
        Of a window: ``WINDOW`` before the kind of its cells.
    firsts : (n,) int
        First cell of each window, of any size.

    Returns
    -------
    (n, dim) float32 array
    """
    vectors = np.empty((len(firsts), vsa.dim), dtype=np.float32)
    order = sorted(range(len(firsts)), key=firsts.__getitem__)  # neighbors share cells
    for start in range(0, len(order), WINDOWS):
        rows = order[start : start + WINDOWS]
        cells = list(dict.fromkeys(cell for row in rows for cell in range(firsts[row], firsts[row] + CELLS)))
        atoms_of_cells = np.asarray(vsa.symbols([(kind[1:], cell) for cell in cells]), dtype=np.float32)
        place = {cell: number for number, cell in enumerate(cells)}
        begins = np.array([place[firsts[row]] for row in rows])  # the cells of a window are consecutive
        sums = atoms_of_cells[begins]
        for step in range(1, CELLS):
            sums += atoms_of_cells[begins + step]
        vectors[rows] = sums
    vectors *= np.float32(CELLS**-0.5)
    return vectors


def smooth_tokens(kind: Quantities, value: int | float, place: float, bandwidth: float) -> Tokens:
    """Return the exact number and its place, counted in bandwidths.

    The similarity of two numbers falls with their distance as :func:`kernel`.
    """
    exact, smooth = math.sqrt(EXACT_NUMBER), math.sqrt(1 - EXACT_NUMBER)
    return {(kind, _exact_number(value)): exact, (SMOOTH + kind, place / bandwidth): smooth}


def kernel(one: float, other: float) -> float:
    """Return the expected similarity of two places: ``exp(-(one - other)² / 2)``."""
    return math.exp(-((one - other) ** 2) / 2)


def smooth_vectors(vsa: hdc.VSA, kind: str, places: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Compute the vectors of places: cosines and sines of random multiples, from random angles on.

    Their dot product has the expectation :func:`kernel`, over the seeds, and a variance of at most
    ``(1 - kernel²)² / dim`` where dim is even; a place with itself has 1.

    Parameters
    ----------
    vsa : MBAT model
        Its seed gives the multiples, standard normals, and the angles from the stream that gives its atoms.
    kind : str
        Places of different kinds have different multiples and angles, so they are unlike.
    places : (n,) floats

    Returns
    -------
    (n, dim) float32 array
    """
    half = -(-vsa.dim // 2)
    (key,) = atoms.stream_keys(vsa.seed, "frequency", [kind])
    multiples, abscissas, ordinates = atoms.normals(vsa.kernels.bits, key, 3 * half).reshape(3, half)
    angles = np.arctan2(ordinates, abscissas)
    where = np.asarray(places, dtype=np.float64)
    vectors = np.empty((len(where), 2 * half), dtype=np.float32)
    for start in range(0, len(where), ROWS):
        phases = np.outer(where[start : start + ROWS], multiples) + angles
        vectors[start : start + ROWS, :half] = np.cos(phases)
        vectors[start : start + ROWS, half:] = np.sin(phases)
    vectors *= np.float32((2 / vsa.dim) ** 0.5)
    return vectors[:, : vsa.dim]


def unfitted_place(kind: Quantities, value: int | float) -> float:
    """Return the place of a number whose distribution is unknown: decades of its size, of a date calendar decades."""
    return value / DECADE if kind == "date" else decades(value)


def decades(value: int | float) -> float:
    """Return the sign of ``value`` times log10(1 + |value|), for integers of any size."""
    try:
        magnitude = math.log1p(abs(float(value))) / math.log(10)
    except OverflowError:
        magnitude = math.log10(abs(value))
    return math.copysign(magnitude, 1 if value >= 0 else -1)


def _exact_number(value: int | float) -> int | float | str:
    """Return one name for equal numbers; a large integer by its hexadecimal digits, which files can store."""
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    if isinstance(number, int) and abs(number) >= _INT64:
        return f"{number:#x}"
    return number
