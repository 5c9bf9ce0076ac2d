"""Rows of an index grouped by list, kept up with what is added and removed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.measures import Ids
from hdc.apps.retrieval.view import View

TAIL = 8
"""Lists are made anew when more than a TAIL-th of the rows came after they were made."""


@dataclass
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
        self._view: View | None = None
        self._parts: list[Part] = []
        self._main_stop = 0

    def of(self, view: View) -> list[Part]:
        """Return the parts of a view; between changes, the same ones."""
        if view is not self._view:
            self._follow(view)
        return self._parts

    def _follow(self, view: View) -> None:
        main = self._parts[:1]
        if self._view is None or self._view.edition != view.edition or TAIL * (len(view) - self._main_stop) > len(view):
            main = [self._part(view, 0)]
            self._main_stop = len(view)
        tail = [self._part(view, self._main_stop)] if self._main_stop < len(view) else []
        for part in main:
            part.ids = part.among(view, view.alive)
        self._parts, self._view = main + tail, view

    def _part(self, view: View, start: int) -> Part:
        """Group the live rows from position ``start`` on."""
        rows = start + np.flatnonzero(view.alive[start:])
        cells = view.cells[rows]
        rows = rows[np.lexsort((view.ids[rows], cells))]
        starts = np.concatenate([[0], np.cumsum(np.bincount(cells, minlength=self._lists))])
        return Part(rows, view.ids[rows], starts, self._hold(view, rows, starts))
