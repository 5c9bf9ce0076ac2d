"""Snapshot: the rows of a store at one moment; later writes do not change it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc import checks
from hdc.errors import FileFormatError, ParameterError
from hdc.store import entries as entry_codec
from hdc.store.blocks import Bytes, Ints, blocks_of
from hdc.store.entries import ENTRY, Entry, Table
from hdc.store.growing import Growing, MemoryBytes
from hdc.store.lookup import Lookup
from hdc.store.state import DEAD, IDS, TABLE, TEXTS, State

Rows = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A state of a store: an immutable value, which any number of threads may read without a lock.

    Rows are addressed by position, from 0 to ``count``; dead rows (removed, or replaced) keep theirs. Within one
    ``edition`` a position is the same row for ever, and later snapshots have more of them.

    Bytes are compared with their checksums when they are first handed out, once for all snapshots. Every method
    raises :class:`~hdc.errors.FileFormatError` if they do not match.

    Attributes
    ----------
    state : State
    files : mapping of names to Growing
    lookups : mapping of names to Lookup
        Of the edition, as the files.
    place : str
        Where the files are, for messages.
    """

    state: State
    files: Mapping[str, Growing]
    lookups: Mapping[str, Lookup]
    place: str

    def __len__(self) -> int:
        return self.state.rows - self.state.dead

    @property
    def edition(self) -> int:
        """Snapshots of the same edition have the same rows at the same positions."""
        return self.state.edition

    @property
    def generation(self) -> int:
        """Number of the transaction that made the state."""
        return self.state.generation

    @property
    def count(self) -> int:
        """Number of rows, dead ones included."""
        return self.state.rows

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.state.columns)

    @property
    def meta(self) -> dict[str, Any]:
        """The caller's setting, a copy."""
        meta: dict[str, Any] = json.loads(self.state.meta)
        return meta

    # ------------------------------------------------------------------ columns

    def rows(self, name: str) -> Rows:
        """Return a column, dead rows included, read-only and memory-mapped, all of it checked: ``(count, width)``.

        Raises
        ------
        ParameterError
            If the column does not exist.
        """
        self.check(name)
        return self.raw(name)

    def take(self, name: str, positions: npt.ArrayLike) -> Rows:
        """Return some rows of a column, ``(n, width)``; only the blocks they touch are checked.

        Raises
        ------
        ParameterError
            If the column or a position does not exist.
        """
        chosen = np.asarray(positions, np.int64)
        self.check(name, chosen)
        rows: Rows = self.raw(name)[chosen]
        return rows

    def raw(self, name: str) -> Rows:
        """Return a column unchecked, as :meth:`rows` otherwise; :meth:`check` the rows before they count."""
        dtype, width = self._column(name)
        rows: Rows = self._view(name).view(dtype).reshape(self.count, width)
        return rows

    def check(self, name: str, positions: Ints | None = None) -> None:
        """Compare the blocks in which some rows of a column lie with their checksums, unless that was done.

        Parameters
        ----------
        name : str
        positions : (n,) int64 array, optional
            All rows by default.

        Raises
        ------
        ParameterError
            If the column or a position does not exist.
        """
        self._column(name)
        if positions is not None:
            self._check_range(positions)
        self._check_rows(name, positions)

    def checked(self, name: str) -> bool:
        """Return whether all rows of a column were compared with their checksums: :meth:`check` then does nothing."""
        return not self._unchecked(name)

    def _check_range(self, positions: Ints) -> None:
        if len(positions):
            least, most = int(positions.min()), int(positions.max())
            if least < 0 or most >= self.count:
                raise ParameterError(f"there is no row at {least if least < 0 else most}; there are {self.count}")

    def _column(self, name: str) -> tuple[str, int]:
        column = self.state.columns.get(name)
        if column is None:
            raise ParameterError(f"there is no column {name!r}; there are {', '.join(self.state.columns)}")
        return column

    def _view(self, name: str) -> Bytes:
        """Return the committed bytes of a file."""
        extent = self.state.extent(name)
        return self.files[name].view(extent.length) if extent.length else NOTHING

    def _check_rows(self, name: str, positions: Ints | None) -> None:
        size = self.state.row_bytes(name)
        if positions is None:
            self._check_blocks(name, None)
        elif self._unchecked(name):
            self._check_blocks(name, blocks_of(positions * size, (positions + 1) * size))

    def _unchecked(self, name: str) -> bool:
        length = self.state.extent(name).length
        if length == 0 or isinstance(self.files.get(name), MemoryBytes):
            return False
        return self.files[name].checked.whole < length

    def _check_blocks(self, name: str, blocks: Ints | None) -> None:
        if self._unchecked(name):
            sums, file, view = self.state.extent(name).sums, self.files[name], self._view(name)
            if blocks is None:
                file.in_large_pages()
            file.checked.check(view, sums, f"{self.place}/{name}", blocks)

    def _whole(self, name: str, dtype: npt.DTypeLike) -> Rows:
        """Return one of the files beside the columns, with all of it checked."""
        self._check_blocks(name, None)
        return self._view(name).view(dtype)

    def _damaged(self, name: str, why: str) -> FileFormatError:
        return FileFormatError(f"{self.place}/{name} is damaged: {why}; restore it from a copy")

    # ------------------------------------------------------------------ ids

    @cached_property
    def ids(self) -> Ints:
        """The id of each row: ``(count,)`` int64."""
        if not self.state.extent(IDS).length:
            numbers = np.arange(self.count)
            numbers.flags.writeable = False
            return numbers
        ids: Ints = self._whole(IDS, "<i8")
        sound = self.files[IDS].sound
        if (new := ids[sound:]).size:
            if new.min() < 0 or new.max() >= self.state.next_id:
                raise self._damaged(IDS, f"it has ids outside 0 to {self.state.next_id - 1}")
            self.files[IDS].sound = len(ids)
        return ids

    @cached_property
    def alive(self) -> Mask | None:
        """Which rows are neither removed nor replaced, ``(count,)`` bool; None if all."""
        if not self.state.dead:
            return None
        dead: Ints = self._whole(DEAD, "<i8")
        alive = np.ones(self.count, dtype=bool)
        if dead.min() >= 0 and dead.max() < self.count:
            alive[dead] = False
        if self.count - np.count_nonzero(alive) != len(dead):
            raise self._damaged(DEAD, f"its rows are not different ones of {self.count}")
        alive.flags.writeable = False
        return alive

    def positions(self, ids: npt.ArrayLike) -> Ints:
        """Return where the rows of some ids are: ``(n,)`` int64.

        Raises
        ------
        ParameterError
            If an id is of no row, or of a removed one.
        """
        asked = checks.ids(ids)
        there = (asked >= 0) & (asked < self.state.next_id)
        if self.state.extent(IDS).length:
            rows = self.lookups[IDS].last(asked.view(np.uint64), self.ids.view(np.uint64))
            there &= rows >= 0
        else:
            rows = asked
            there &= asked < self.count
        alive = self.alive
        if alive is not None:
            there[there] = alive[rows[there]]
        if not there.all():
            raise ParameterError(f"there is no row with id {np.asarray(ids).ravel()[~there][0]}")
        return rows

    # ------------------------------------------------------------------ keys and documents

    def entries(self, positions: npt.ArrayLike) -> list[Entry]:
        """Return key, document and source of rows; None for what they do not have."""
        found = self._entries(positions, "key", "document")
        return list(zip(self._decoded("key", found), self._part(found), self._decoded("source", found), strict=True))

    def keys(self, positions: npt.ArrayLike) -> list[str | None]:
        """Return the keys of rows; None if there is none."""
        return self._decoded("key", self._entries(positions, "key", "key"))

    def documents(self, positions: npt.ArrayLike) -> list[bytes | None]:
        """Return the documents of rows; None if there is none."""
        return self._part(self._entries(positions, "document", "document"))

    def sources(self, positions: npt.ArrayLike) -> list[str | None]:
        """Return the sources of rows; None if there is none."""
        return self._decoded("source", self._entries(positions, "source", "source"))

    def raw_entries(self, positions: npt.ArrayLike) -> entry_codec.Entries | None:
        """Return the entries of rows as a store has them, to write them elsewhere; None if all are empty."""
        table, lines, texts = self._entries(positions, "key", "document")
        there = any(table[name].any() for name in entry_codec.PARTS)
        return entry_codec.gathered(table, lines, texts) if there else None

    def text_bytes(self, positions: Ints) -> Ints:
        """Return the bytes of key, source and document of rows: ``(n,)``."""
        return entry_codec.sizes(self.table(positions))

    def find(self, key: str) -> int | None:
        """Return the position of the row with a key, or None."""
        return self.find_all([key])[0]

    def find_all(self, keys: Sequence[str | None]) -> list[int | None]:
        """Return the position of the row with each key, None if there is none.

        Raises
        ------
        ParameterError
            If a key is not text.
        """
        for key in keys:
            if key is not None and not isinstance(key, str):
                raise ParameterError(f"a key is a text, not {key!r:.50}")
        found: list[int | None] = [None] * len(keys)
        asked = [i for i, key in enumerate(keys) if key is not None]
        if not asked or not self.state.extent(TABLE).length:
            return found
        hashes = np.array([entry_codec.hash_of(keys[i] or "") for i in asked], np.uint64)
        column = self._whole(TABLE, ENTRY)["hash"]
        rows = self.lookups[TABLE].last(hashes, column)
        known, alive = np.flatnonzero(rows >= 0), self.alive
        for i, row, key in zip(known.tolist(), rows[known].tolist(), self.keys(rows[known]), strict=True):
            place, wanted = asked[i], keys[asked[i]]
            if key == wanted:  # dead: this row replaced an earlier row of the key, or came after its removal
                found[place] = row if alive is None or alive[row] else None
            else:
                found[place] = self._among(self.lookups[TABLE].all(hashes[i], column), wanted)
        return found

    def _among(self, rows: Ints, key: str | None) -> int | None:
        """Return the live row of a key among rows with the same hash."""
        rows = rows if self.alive is None else rows[self.alive[rows]]
        return next((row for row, own in zip(rows.tolist(), self.keys(rows), strict=True) if own == key), None)

    def table(self, positions: Ints) -> Table:
        """Return where the entries of rows are, as :data:`hdc.store.entries.ENTRY` says it."""
        self._check_range(positions)
        if not self.state.extent(TABLE).length:
            return np.zeros(len(positions), ENTRY)
        self._check_rows(TABLE, positions)
        table: Table = self._view(TABLE).view(ENTRY)[positions]
        return table

    def _entries(self, positions: npt.ArrayLike, first: str, last: str) -> tuple[Table, Ints, Bytes]:
        """Return the table's rows, their bounds and the texts, checked from the first part to the last."""
        table = self.table(np.asarray(positions, np.int64))
        lines, texts = entry_codec.borders(table), self._view(TEXTS)
        if entry_codec.outside(lines, len(texts)):
            raise self._damaged(TABLE, "it points outside the texts")
        if self._unchecked(TEXTS):
            begin, end = entry_codec.PARTS.index(first), entry_codec.PARTS.index(last) + 1
            self._check_blocks(TEXTS, blocks_of(lines[:, begin], lines[:, end]))
        return table, lines, texts

    def _part(self, found: tuple[Table, Ints, Bytes]) -> list[bytes | None]:
        table, lines, texts = found
        return entry_codec.part(table, lines, "document", texts)

    def _decoded(self, name: str, found: tuple[Table, Ints, Bytes]) -> list[str | None]:
        table, lines, texts = found
        try:
            return entry_codec.decoded(table, lines, name, texts)
        except UnicodeDecodeError as error:
            raise self._damaged(TEXTS, str(error)) from None


NOTHING: Bytes = np.empty(0, np.uint8)
NOTHING.flags.writeable = False
