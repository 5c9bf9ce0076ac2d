"""Rows of an index grouped by list, kept up with what is added and removed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.search.measures import Ids
from hdc.search.snapshot import View

TAIL = 8
"""Lists are made anew when more than a TAIL-th of the rows came after they were made."""


@dataclass(frozen=True)
class Part:
    """Rows of a view, list by list, and by id in a list.

    Attributes
    ----------
    rows : (n,) int64 array
        Positions in the view.
    ids : (n,) int64 array
        -1 where a row has died since.
    starts : (lists + 1,) int64 array
    held : object
        What a searcher keeps of the rows, in this order.
    """

    rows: Ids
    ids: Ids
    starts: Ids
    held: Any

    def among(self, view: View, allowed: npt.NDArray[np.bool_]) -> Ids:
        """Return the ids of the rows of a view that are allowed, and -1 for the others."""
        return np.where(allowed[self.rows], view.ids[self.rows], -1)


class Partition:
    """Two parts: nearly all rows, and those that came later.

    Parameters
    ----------
    lists : int
    hold : (view, rows (n,) int64, starts (lists + 1,) int64) -> object
        What is kept of rows, which are in the order of a part.
    """

    def __init__(self, lists: int, hold: Callable[[View, Ids, Ids], Any]) -> None:
        self._lists, self._hold = lists, hold
        self._state: tuple[View, list[Part], int] | None = None
        """The last view, its parts, and where the first of them ends."""

    def of(self, view: View) -> list[Part]:
        """Return the parts of a view; between changes, the same ones. Searches in several threads may ask at once."""
        state = self._state
        if state is None or state[0] is not view:
            state = self._state = self._following(view, state)
        return state[1]

    def _following(self, view: View, state: tuple[View, list[Part], int] | None) -> tuple[View, list[Part], int]:
        """Return the state for another view; what running searches hold stays as it is."""
        if state is None or state[0].edition != view.edition or TAIL * (len(view) - state[2]) > len(view):
            main, stop = self._part(view, 0), len(view)
        else:
            main, stop = replace(state[1][0], ids=state[1][0].among(view, view.alive)), state[2]
        return view, [main, self._part(view, stop)] if stop < len(view) else [main], stop

    def _part(self, view: View, start: int) -> Part:
        """Group the live rows from position ``start`` on."""
        rows = start + np.flatnonzero(view.alive[start:])
        cells = view.cells[rows]
        rows = rows[np.lexsort((view.ids[rows], cells))]
        starts = np.concatenate([[0], np.cumsum(np.bincount(cells, minlength=self._lists))])
        return Part(rows, view.ids[rows], starts, self._hold(view, rows, starts))
