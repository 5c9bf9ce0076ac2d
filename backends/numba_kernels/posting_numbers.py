"""Numbers in posting lists: their nearness to a query's number, and runs of a column that are about equally near."""

import math

from hdc.backends.numba_kernels.ascending import first_at
from hdc.backends.numba_kernels.jit import inlined, kernel
from hdc.backends.numba_kernels.posting_records import EXACT, PLACE, SCALES, WIDTHS, Doubles, Ints

SMOOTH = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 9.0)
"""Deviations at which a column is divided around a smooth number; beyond the last one, nothing is left of a match."""


@inlined
def _closeness(floats: Doubles, row: int, cells: int, place: float, equal: bool) -> float:
    """Return the share of a number's weight that another number gets."""
    exact = floats[row + EXACT]
    part = exact if equal else 0.0
    if floats[row + WIDTHS] <= 0.0:
        apart = place - floats[row + PLACE]
        return float(part + (1.0 - exact) * math.exp(-apart * apart / 2.0))
    for scale in range(SCALES):
        width = floats[row + WIDTHS + scale]
        steps = abs(math.floor(place * cells / width) - math.floor(floats[row + PLACE] * cells / width))
        if steps < cells:
            part += (1.0 - exact) / (cells * SCALES) * (cells - steps)
    return float(part)


@inlined
def weight_of(floats: Doubles, row: int, cells: int, weight: int, place: float, equal: bool) -> int:
    """Return the weight of a number at ``place``; ``equal`` if it is the number that was asked for."""
    return int(weight * _closeness(floats, row, cells, place, equal) + 0.5)


@kernel
def _edge(places: Doubles, start: int, stop: int, cells: int, width: float, cell: float) -> int:
    """Return the first number of a column in a cell of a scale or in a later cell."""
    about = cell * width / cells
    low = first_at(places, start, stop, about)
    if (low == start or math.floor(places[low - 1] * cells / width) < cell) and (
        low == stop or math.floor(places[low] * cells / width) >= cell
    ):
        return low
    low, high = start, stop  # exact search by cells, because widths round
    while low < high:
        middle = (low + high) >> 1
        if math.floor(places[middle] * cells / width) < cell:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def edges_of(places: Doubles, start: int, stop: int, floats: Doubles, row: int, cells: int, edges: Ints) -> int:
    """Write the positions, ascending, at which to divide a column; return their number."""
    count = 0
    place = floats[row + PLACE]
    if floats[row + WIDTHS] <= 0.0:
        for step in range(len(SMOOTH)):
            edges[count] = first_at(places, start, stop, place - SMOOTH[step])
            edges[count + 1] = first_at(places, start, stop, place + SMOOTH[step])
            count += 2
    else:
        low, high = start, stop
        for scale in range(SCALES):
            width = floats[row + WIDTHS + scale]
            own = math.floor(place * cells / width)
            for step in range(1 - cells, cells + 1):
                edges[count] = _edge(places, low, high, cells, width, own + step)
                count += 1
    for i in range(1, count):
        edge, at = edges[i], i
        while at > 0 and edges[at - 1] > edge:
            edges[at] = edges[at - 1]
            at -= 1
        edges[at] = edge
    return count
