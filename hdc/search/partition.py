"""Rows of a snapshot grouped by list, kept up with what is added and removed."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.errors import FileFormatError
from hdc.search.codes import mask
from hdc.search.live import live
from hdc.search.measures import Ids
from hdc.store import Snapshot

TAIL = 8
"""Lists are made anew when more than a TAIL-th of the rows came after they were made."""

FEW_ROWS = 10_000
"""Up to so many rows that a search is restricted to are all looked at, whatever lists they are in."""


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of a snapshot, list by list, and by id in a list.

    Attributes
    ----------
    rows : (n,) int64 array
        Positions in the snapshot.
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

    def only(self, there: npt.NDArray[np.bool_]) -> Ids:
        """Return the ids, with -1 instead of those of rows that are not in a mask of positions."""
        return np.where(there[self.rows], self.ids, -1)


@dataclass(frozen=True)
class Grouping:
    """How the rows of a snapshot are grouped.

    Attributes
    ----------
    snapshot : Snapshot
    lists : int
    cells : function
        Takes positions (n,), returns the list of each, an integer.
    hold : function
        Takes rows (n,) and starts (lists + 1,), both int64; returns what is kept of the rows, which are in that order.
    """

    snapshot: Snapshot
    lists: int
    cells: Callable[[Ids], npt.NDArray[Any]]
    hold: Callable[[Ids, Ids], Any]

    def part(self, rows: Ids) -> Part:
        """Group some live rows.

        Raises
        ------
        FileFormatError
            If there is no list that a row is in.
        """
        cells, ids = self.cells(rows), self.snapshot.ids[rows]
        if len(cells) and not 0 <= int(cells.min()) <= int(cells.max()) < self.lists:
            wrong = int(np.flatnonzero((cells < 0) | (cells >= self.lists))[0])
            raise FileFormatError(
                f"row {ids[wrong]} is in list {cells[wrong]}, and there are {self.lists}; the index is damaged: "
                "restore it from a copy"
            )
        order = np.lexsort((ids, cells))
        starts = np.concatenate([[0], np.cumsum(np.bincount(cells, minlength=self.lists))])
        return Part(rows[order], ids[order], starts, self.hold(rows[order], starts))

    def live(self, start: int) -> Part:
        """Group the live rows from a position on."""
        return self.part(live(self.snapshot, start))


@dataclass(frozen=True, eq=False)
class Partition:
    """Two parts at most: nearly all rows, and those that came later.

    Attributes
    ----------
    grouping : Grouping
    parts : tuple of Part
    stop : int
        Where, in the snapshot, the first of them ends.
    """

    grouping: Grouping
    parts: tuple[Part, ...]
    stop: int

    @classmethod
    def of(cls, grouping: Grouping, previous: "Partition | None") -> "Partition":
        """Group the live rows of a snapshot; the large part of an older one of the same edition is taken over."""
        snapshot = grouping.snapshot
        old = None if previous is None else previous.grouping
        if (
            previous is None
            or old is None
            or (old.snapshot.edition, old.lists) != (snapshot.edition, grouping.lists)
            or TAIL * (snapshot.count - previous.stop) > snapshot.count
        ):
            return cls(grouping, (grouping.live(0),), snapshot.count)
        main, stop = previous.parts[0], previous.stop
        main = main if snapshot.alive is None else replace(main, ids=main.only(snapshot.alive))
        return cls(grouping, (main, grouping.live(stop)) if stop < snapshot.count else (main,), stop)

    def among(self, allowed: Ids | None) -> tuple[tuple[Part, ...], bool]:
        """Return the parts with only the allowed rows, and whether they are so few that all lists are looked into.

        Parameters
        ----------
        allowed : (m,) int64 array, or None
            Positions; None allows all rows.
        """
        if allowed is None:
            return self.parts, False
        if len(allowed) <= FEW_ROWS:
            return (self.grouping.part(allowed),), True
        there = mask(allowed, self.grouping.snapshot.count)
        return tuple(replace(part, ids=part.only(there)) for part in self.parts), False
