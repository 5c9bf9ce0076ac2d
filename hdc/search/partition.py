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
"""Lists are made again when more than a TAIL-th of the rows came after they were made."""

SPARE = 8
"""Numbers behind rows and ids: kernels read eight at a time."""

FEW_ROWS = 10_000
"""Up to so many rows that a search is restricted to are all looked at, whatever lists they are in."""


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of a snapshot, list by list, and by id in a list.

    Attributes
    ----------
    rows : (n + SPARE,) int64 array
        Positions in the snapshot, and -1 beyond the n rows.
    ids : (n + SPARE,) int64 array
        -1 where a row has died since, and beyond; ``rows`` itself where ids are positions.
    starts : (lists + 1,) int64 array
    held : object
        What a searcher keeps of the rows, in this order; its length is n.
    """

    rows: Ids
    ids: Ids
    starts: Ids
    held: Any

    def only(self, there: npt.NDArray[np.bool_]) -> Ids:
        """Return the ids, with -1 instead of those of rows that are not in a mask of positions."""
        if not len(there):
            return np.full_like(self.ids, -1)
        return np.where(there[self.rows], self.ids, -1)  # beyond the rows it is -1 either way


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
        order = _by_list(cells, ids)
        starts = np.concatenate([[0], np.cumsum(np.bincount(cells, minlength=self.lists))])
        own = _spared(rows, order)
        named = own if np.array_equal(rows, ids) else _spared(ids, order)
        return Part(own, named, starts, self.hold(own[: len(rows)], starts))

    def live(self, start: int) -> Part:
        """Group the live rows from a position on."""
        return self.part(live(self.snapshot, start))


def _by_list(cells: npt.NDArray[Any], ids: Ids) -> Ids:
    """Return the order of rows by list, and by id in a list."""
    if (ids[1:] <= ids[:-1]).any():
        return np.lexsort((ids, cells))
    few = len(cells) == 0 or int(cells.max()) <= np.iinfo(np.uint16).max
    return np.argsort(cells.astype(np.uint16) if few else cells, kind="stable")  # 16 bits are sorted in linear time


def _spared(numbers: Ids, order: Ids) -> Ids:
    """Return numbers in an order, and -1 behind them."""
    out = np.full(len(order) + SPARE, -1, dtype=np.int64)
    np.take(numbers, order, out=out[: len(order)])
    return out


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
    def of(
        cls,
        grouping: Grouping,
        previous: "Partition | None",
        kept: Callable[[Grouping], tuple[Part, int] | None] | None = None,
    ) -> "Partition":
        """Group the live rows of a snapshot; the large part of an older one of the same edition is taken over.

        Parameters
        ----------
        grouping : Grouping
        previous : Partition or None
        kept : function, optional
            Where there is no such part, returns one that was kept in a file, and where it ends; None if none was.
        """
        snapshot = grouping.snapshot
        found = None if previous is None else previous._served(grouping)
        if found is None and kept is not None:
            found = kept(grouping)
        if found is None or TAIL * (snapshot.count - found[1]) > snapshot.count:
            return cls(grouping, (grouping.live(0),), snapshot.count)
        main, stop = found
        main = main if snapshot.alive is None else replace(main, ids=main.only(snapshot.alive))
        return cls(grouping, (main, grouping.live(stop)) if stop < snapshot.count else (main,), stop)

    def _served(self, grouping: Grouping) -> tuple[Part, int] | None:
        """Return the large part and where it ends, if the rows of another grouping are the same ones up to there."""
        own, other = self.grouping, grouping
        same = (own.snapshot.edition, own.lists) == (other.snapshot.edition, other.lists)
        late = TAIL * (other.snapshot.count - self.stop) > other.snapshot.count
        return (self.parts[0], self.stop) if same and not late else None

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
