"""Map documents of several vectors to the rows of a store that has one row per vector."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from hdc.errors import ParameterError
from hdc.search.live import alive
from hdc.store import Snapshot
from hdc.words import Words

Ids = npt.NDArray[np.int64]

CODES, DOCUMENT = "codes", "document"
"""Columns of the store. A row has the code of a vector and, at a document's first vector, its id; else INSIDE."""

INSIDE = 2**32 - 1
"""Value for a vector that is not the first one of its document."""

NEXT = "next_id"
"""Entry of the meta: the lowest id never used when rows were last dropped."""


@dataclass(frozen=True, eq=False)
class Documents:
    """The documents of a snapshot, in order of their ids.

    Attributes
    ----------
    snapshot : Snapshot
    begins, numbers : (h,) int64 arrays
        Positions of the first vectors of all documents, dead ones too, and the ids of these documents.
    ids : (m,) int64 array
        Ids of live documents, ascending.
    spans : (m, 2) int64 array
        First position of a document's vectors, and the position after the last.
    """

    snapshot: Snapshot
    begins: Ids
    numbers: Ids
    ids: Ids
    spans: Ids

    @classmethod
    def of(cls, snapshot: Snapshot, previous: "Documents | None" = None) -> "Documents":
        """Find the documents of a snapshot, reading only the rows after ``previous``.

        A document is live if its first row is.
        """
        column = snapshot.rows(DOCUMENT)[:, 0]
        known = previous if previous is not None and previous.snapshot.edition == snapshot.edition else None
        done = 0 if known is None else known.snapshot.count
        begins = done + np.flatnonzero(column[done:] != INSIDE)
        numbers = column[begins].astype(np.int64)
        if known is not None:
            begins, numbers = np.concatenate([known.begins, begins]), np.concatenate([known.numbers, numbers])
        spans = np.stack([begins, np.append(begins, snapshot.count)[1:]], axis=1)
        living = alive(snapshot)[begins]
        order = np.argsort(numbers[living], kind="stable")
        return cls(snapshot, begins, numbers, numbers[living][order], spans[living][order])

    @property
    def next_id(self) -> int:
        """The lowest id that no document ever had."""
        return max(int(self.snapshot.meta.get(NEXT, 0)), int(self.numbers.max(initial=-1)) + 1)

    @cached_property
    def codes(self) -> Words:
        """Codes of all rows, mapped and checked."""
        codes: Words = self.snapshot.rows(CODES)
        return codes

    def places(self, ids: Ids) -> Ids:
        """Return the places of ids among the documents.

        Raises
        ------
        ParameterError
            If an id has no document.
        """
        places = np.searchsorted(self.ids, ids)
        missing = places == len(self.ids)
        if len(self.ids):
            missing |= self.ids[places.clip(max=len(self.ids) - 1)] != ids
        if missing.any():
            held = f"the index has ids {self.ids[0]} to {self.ids[-1]}" if len(self.ids) else "the index is empty"
            raise ParameterError(f"there is no document {ids[missing][0]}; {held}")
        return places

    def ids_at(self, rows: Sequence[int | None]) -> Ids:
        """Return the ids of the documents that begin at rows, -1 for None."""
        places = np.array([-1 if row is None else row for row in rows], dtype=np.int64)
        found = self.snapshot.take(DOCUMENT, places[places >= 0])[:, 0]
        ids = np.full(len(places), -1, dtype=np.int64)
        ids[places >= 0] = found
        return ids

    def named(self, keys: list[str]) -> Ids:
        """Return the places of keys among the documents.

        Raises
        ------
        ParameterError
            If a key has no document.
        """
        rows = self.snapshot.find_all(keys)
        if None in rows:
            raise ParameterError(f"there is no document with key {keys[rows.index(None)]!r}")
        return self.places(self.ids_at(rows))

    def rows_of(self, numbers: Ids) -> tuple[Ids, Ids]:
        """Return the positions of all vectors of documents, and the ``(m, 2)`` span of each document among them."""
        lengths = self.spans[numbers, 1] - self.spans[numbers, 0]
        stops = np.cumsum(lengths)
        starts = stops - lengths
        rows = np.arange(stops[-1] if len(stops) else 0) + np.repeat(self.spans[numbers, 0] - starts, lengths)
        return rows, np.stack([starts, stops], axis=1)
