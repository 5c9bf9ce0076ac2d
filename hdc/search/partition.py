"""Rows of a snapshot grouped by list, updated as rows are added and removed."""

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
"""Lists are rebuilt when more than a TAIL-th of the rows was added after them."""

SPARE = 8
"""Padding after rows and ids, because kernels read eight at a time."""

FEW_ROWS = 10_000
"""Up to this many allowed rows, a search compares them all, whatever their lists."""


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of a snapshot, list by list, and by id within a list.

    Attributes
    ----------
    rows : (n + SPARE,) int64 array
        Positions in the snapshot, and -1 beyond the n rows.
    ids : (n + SPARE,) int64 array
        -1 for rows that died since, and beyond n; the same array as ``rows`` if ids are positions.
    starts : (lists + 1,) int64 array
    held : object
        A searcher's own data of the rows, in this order; its length is n.
    """

    rows: Ids
    ids: Ids
    starts: Ids
    held: Any

    def only(self, there: npt.NDArray[np.bool_]) -> Ids:
        """Return the ids, with -1 for rows that are False in a mask of positions."""
        if not len(there):
            return np.full_like(self.ids, -1)
        return np.where(there[self.rows], self.ids, -1)  # padding is -1 either way


@dataclass(frozen=True)
class Grouping:
    """How the rows of a snapshot are grouped.

    Attributes
    ----------
    snapshot : Snapshot
    lists : int
    cells : function
        Maps positions (n,) to the list number of each.
    hold : function
        Maps rows (n,) and starts (lists + 1,), both int64, to a searcher's own data of the rows, in that order.
    """

    snapshot: Snapshot
    lists: int
    cells: Callable[[Ids], npt.NDArray[Any]]
    hold: Callable[[Ids, Ids], Any]

    def part(self, rows: Ids) -> Part:
        """Group live rows by list.

        Raises
        ------
        FileFormatError
            If the list of a row does not exist.
        """
        cells, ids = self.cells(rows), self.snapshot.ids[rows]
        if len(cells) and not 0 <= int(cells.min()) <= int(cells.max()) < self.lists:
            wrong = int(np.flatnonzero((cells < 0) | (cells >= self.lists))[0])
            raise FileFormatError(
                f"row {ids[wrong]} is in list {cells[wrong]}, but there are {self.lists} lists; the index is damaged: "
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
    return np.argsort(cells.astype(np.uint16) if few else cells, kind="stable")  # uint16 sorts in linear time


def _spared(numbers: Ids, order: Ids) -> Ids:
    """Return numbers in the given order, padded with -1."""
    out = np.full(len(order) + SPARE, -1, dtype=np.int64)
    np.take(numbers, order, out=out[: len(order)])
    return out


@dataclass(frozen=True, eq=False)
class Partition:
    """At most two parts: nearly all rows, and rows added later.

    Attributes
    ----------
    grouping : Grouping
    parts : tuple of Part
    stop : int
        Position in the snapshot where the first part ends.
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
        """Group the live rows of a snapshot; reuse the large part of an older snapshot of the same edition.

        Parameters
        ----------
        grouping : Grouping
        previous : Partition or None
        kept : function, optional
            Reads a large part from a file, and the position where it ends, if there is none to reuse; None if no file.
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
        """Return the large part and its end if another grouping has the same rows up to there, else None."""
        own, other = self.grouping, grouping
        same = (own.snapshot.edition, own.lists) == (other.snapshot.edition, other.lists)
        late = TAIL * (other.snapshot.count - self.stop) > other.snapshot.count
        return (self.parts[0], self.stop) if same and not late else None

    def among(self, allowed: Ids | None) -> tuple[tuple[Part, ...], bool]:
        """Return the parts with only the allowed rows, and whether these are so few that all lists are searched.

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
