"""Several stores read as one: their snapshots side by side, with ids and positions of their own."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn, Self, TypeVar

import numpy as np
import numpy.typing as npt

from hdc import checks
from hdc.errors import ConflictError, ParameterError, UnsupportedError
from hdc.store.blocks import Ints
from hdc.store.edition import Edition
from hdc.store.entries import Entry
from hdc.store.snapshot import Mask, Rows, Snapshot
from hdc.store.state import State
from hdc.store.store import Store

T = TypeVar("T")

Read = Callable[[int, Snapshot, list[bytes | None]], list[bytes | None]]
"""Function of a part's number, the part, and its documents; returns the documents as the whole has them."""


def as_they_are(at: int, part: Snapshot, documents: list[bytes | None]) -> list[bytes | None]:
    """Return documents as the part has them."""
    return documents


@dataclass(frozen=True, eq=False)
class JoinedSnapshot(Snapshot):
    """Snapshots of several stores as one: an immutable value too.

    The id of a row is its id in its part plus the part's offset; its position is the rows of the parts before it plus
    its position there.

    Attributes
    ----------
    parts : tuple of Snapshot
    offsets : tuple of int
        Ascending; ids of two parts never meet.
    read : function
    """

    parts: tuple[Snapshot, ...] = ()
    offsets: tuple[int, ...] = ()
    read: Read = as_they_are

    @classmethod
    def of(cls, parts: Sequence[Snapshot], offsets: Sequence[int], read: Read = as_they_are) -> Self:
        """Join snapshots of the same columns; the meta is that of the first one."""
        first = parts[0].state
        state = State(
            first.columns,
            first.meta,
            sum(part.generation for part in parts),
            sum(part.count for part in parts),
            max(at + part.state.next_id for part, at in zip(parts, offsets, strict=True)),
            next(_EDITIONS),
        )
        return cls(state, {}, {}, "shards", tuple(parts), tuple(offsets), read)

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    @cached_property
    def starts(self) -> Ints:
        """The position at which each part begins, and where the last one ends."""
        return np.cumsum([0, *(part.count for part in self.parts)])

    def divided(self, positions: Ints) -> Iterator[tuple[int, Ints, Ints]]:
        """Yield each part that some positions are in: its number, which of them these are, and their positions there.

        Raises
        ------
        ParameterError
            If the position does not exist.
        """
        self._check_range(positions)
        owners = np.searchsorted(self.starts, positions, side="right") - 1
        for at in np.unique(owners).tolist():
            places = np.flatnonzero(owners == at)
            yield at, places, positions[places] - self.starts[at]

    # ------------------------------------------------------------------ columns

    def rows(self, name: str) -> Rows:
        """Return a copy of a column of all parts; :meth:`take` copies some rows only."""
        return np.concatenate([part.rows(name) for part in self.parts])

    def raw(self, name: str) -> Rows:
        """Return a copy of a column of all parts, unchecked."""
        return np.concatenate([part.raw(name) for part in self.parts])

    def take(self, name: str, positions: npt.ArrayLike) -> Rows:
        """Return some rows of a column; see :meth:`Snapshot.take`."""
        chosen = np.asarray(positions, np.int64)
        dtype, width = self._column(name)
        rows = np.empty((len(chosen), width), dtype)
        for at, places, own in self.divided(chosen):
            rows[places] = self.parts[at].take(name, own)
        return rows

    def check(self, name: str, positions: Ints | None = None) -> None:
        """Compare blocks with their checksums; see :meth:`Snapshot.check`."""
        if positions is None:
            for part in self.parts:
                part.check(name)
            return
        for at, _, own in self.divided(positions):
            self.parts[at].check(name, own)

    def checked(self, name: str) -> bool:
        """Return whether all rows of a column were compared with their checksums."""
        return all(part.checked(name) for part in self.parts)

    # ------------------------------------------------------------------ ids

    @cached_property
    def ids(self) -> Ints:
        """The id of each row: ``(count,)`` int64."""
        return _read_only(np.concatenate([part.ids + at for part, at in zip(self.parts, self.offsets, strict=True)]))

    @cached_property
    def alive(self) -> Mask | None:
        """Which rows are neither removed nor replaced, ``(count,)`` bool; None if all."""
        if all(part.alive is None for part in self.parts):
            return None
        masks = [np.ones(part.count, np.bool_) if part.alive is None else part.alive for part in self.parts]
        return _read_only(np.concatenate(masks))

    def owners(self, ids: Ints) -> Ints:
        """Return the number of the part in whose range each id is; raises as :meth:`positions`."""
        starts = np.array(self.offsets, np.int64)
        ends = starts + [part.state.next_id for part in self.parts]
        owners = np.searchsorted(starts, ids, side="right") - 1
        outside = (owners < 0) | (ids >= ends[owners])
        if outside.any():
            raise ParameterError(f"there is no row with id {ids[outside][0]}")
        return np.asarray(owners, np.int64)

    def positions(self, ids: npt.ArrayLike) -> Ints:
        """Return where the rows of some ids are; see :meth:`Snapshot.positions`."""
        asked = checks.ids(ids).ravel()
        owners, rows = self.owners(asked), np.empty(len(asked), np.int64)
        for at in np.unique(owners).tolist():
            places, offset = owners == at, self.offsets[at]
            try:
                rows[places] = self.starts[at] + self.parts[at].positions(asked[places] - offset)
            except ParameterError as error:
                raise ParameterError(f"in the shard whose ids begin at {offset}: {error}") from error
        return rows

    # ------------------------------------------------------------------ keys and documents

    def entries(self, positions: npt.ArrayLike) -> list[Entry]:
        """Return key, document and source of rows; see :meth:`Snapshot.entries`."""

        def entries(at: int, part: Snapshot, rows: Ints) -> list[Entry]:
            found = part.entries(rows)
            documents = self.read(at, part, [document for _, document, _ in found])
            return [(key, text, source) for (key, _, source), text in zip(found, documents, strict=True)]

        return self._gathered(positions, entries)

    def keys(self, positions: npt.ArrayLike) -> list[str | None]:
        """Return the keys of rows; None if there is none."""
        return self._gathered(positions, lambda _, part, rows: part.keys(rows))

    def documents(self, positions: npt.ArrayLike) -> list[bytes | None]:
        """Return the documents of rows; None if there is none."""
        return self._gathered(positions, lambda at, part, rows: self.read(at, part, part.documents(rows)))

    def sources(self, positions: npt.ArrayLike) -> list[str | None]:
        """Return the sources of rows; None if there is none."""
        return self._gathered(positions, lambda _, part, rows: part.sources(rows))

    def text_bytes(self, positions: Ints) -> Ints:
        """Return the bytes of key, source and document of rows: ``(n,)``."""
        sizes = np.empty(len(positions), np.int64)
        for at, places, own in self.divided(positions):
            sizes[places] = self.parts[at].text_bytes(own)
        return sizes

    def raw_entries(self, positions: npt.ArrayLike) -> NoReturn:
        """Raise UnsupportedError: :meth:`entries` reads entries of several stores."""
        raise UnsupportedError("entries of several stores are read by entries(), not as one of them has them")

    def table(self, positions: Ints) -> NoReturn:
        """Raise UnsupportedError: each store has a table of its own."""
        raise UnsupportedError("each of several stores has a table of its own; ask the parts")

    def find_all(self, keys: Sequence[str | None]) -> list[int | None]:
        """Return the position of the row with each key, None if there is none; of several parts the first counts."""
        found: list[int | None] = [None] * len(keys)
        for start, part in zip(self.starts.tolist(), self.parts, strict=False):
            for place, row in enumerate(part.find_all(keys)):
                if row is not None and found[place] is None:
                    found[place] = start + row
        return found

    def _gathered(self, positions: npt.ArrayLike, read: Callable[[int, Snapshot, Ints], list[T]]) -> list[T]:
        """Return the values of rows from the parts, in the order of the positions."""
        asked = np.asarray(positions, np.int64)
        out: list[Any] = [None] * len(asked)
        for at, places, own in self.divided(asked):
            for place, value in zip(places.tolist(), read(at, self.parts[at], own), strict=True):
                out[place] = value
        return out


class JoinedStore(Store):
    """Several open stores read as one. They are changed themselves, each change within :meth:`changing`.

    :attr:`snapshot` stays the same while a change of several stores is made, and shows all of it afterwards.

    Parameters
    ----------
    stores : sequence of Store
        Of the same columns; in the order of their offsets.
    offsets : sequence of int
    read : function
        Of documents.

    Raises
    ------
    ParameterError
        If ids of two would be the same.
    """

    def __init__(self, stores: Sequence[Store], offsets: Sequence[int], read: Read = as_they_are) -> None:
        first = stores[0]
        super().__init__(first.kind, first._opened())
        self._edition = None  # each store has its own
        self._stores, self._offsets, self._read = tuple(stores), tuple(offsets), read
        self._joined = self._of_now(self._stores, self._offsets)

    @property
    def snapshot(self) -> JoinedSnapshot:
        """The contents of all stores together."""
        if not self.is_open:
            raise ParameterError("the store is closed; open it again")
        return self._joined

    @property
    def writable(self) -> bool:
        """Whether all stores may be changed."""
        return all(store.writable for store in self._stores)

    @property
    def is_open(self) -> bool:
        """Whether no store was closed, by this process."""
        return all(store.is_open for store in self._stores)

    @contextmanager
    def changing(self) -> Iterator[JoinedSnapshot]:
        """Keep other threads from changing the stores by this object; show the change at the end.

        Raises
        ------
        ConflictError
            If ids of two stores have become the same; then the view does not change.
        """
        with self._changing:
            try:
                yield self.snapshot
            finally:
                pairs = zip(self._stores, self._joined.parts, strict=True)
                if self.is_open and any(store.snapshot is not part for store, part in pairs):
                    try:
                        self._joined = self._of_now(self._stores, self._offsets)
                    except ParameterError as error:
                        raise ConflictError(f"{error} since rows were added") from None

    def add_store(self, store: Store, offset: int) -> None:
        """Take another store, with the greatest ids; within :meth:`changing`.

        Raises
        ------
        ParameterError
            If ids of it and of another one would be the same; it is not taken then.
        """
        stores, offsets = (*self._stores, store), (*self._offsets, offset)
        self._joined = self._of_now(stores, offsets)
        self._stores, self._offsets = stores, offsets

    def close(self) -> None:
        """Close all stores."""
        for store in self._stores:
            store.close()

    def _of_now(self, stores: Sequence[Store], offsets: Sequence[int]) -> JoinedSnapshot:
        parts = [store.snapshot for store in stores]
        ends = [at + part.state.next_id for part, at in zip(parts, offsets, strict=True)]
        for at, (end, start) in enumerate(zip(ends, offsets[1:], strict=False)):
            if end > start:
                raise ParameterError(
                    f"shard {at} has ids up to {end - 1}, and shard {at + 1} begins at {start}; "
                    "give offsets= that keep them apart"
                )
        return JoinedSnapshot.of(parts, offsets, self._read)

    def _opened(self) -> Edition:
        raise UnsupportedError("joined stores cannot be changed as one; change each of them")


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    array.flags.writeable = False
    return array


_EDITIONS = itertools.count()
"""Snapshots that are joined, each with its own positions."""
