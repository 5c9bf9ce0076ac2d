"""The catalogue: what rows there are, their keys and documents, and the checksums of everything, in SQLite.

Every row of every table counts with a digest into one total, kept in the ``state`` and renewed by each
transaction: a row that was changed, lost or added behind our back shows. Nothing is updated in place but the
state and the checksum of a block that still fills; a replaced or removed row is only marked as dead, with the
generation (the number of the transaction) that ended it, so that a reader keeps the generation it began with.
"""

import contextlib
import hashlib
import json
import sqlite3
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.errors import FileFormatError, ParameterError

SCHEMA = """
CREATE TABLE state (one INTEGER PRIMARY KEY, generation INTEGER, rows INTEGER, next_id INTEGER, total INTEGER,
                    digest INTEGER);
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT, digest INTEGER) WITHOUT ROWID;
CREATE TABLE rows (row INTEGER PRIMARY KEY, key TEXT, document BLOB, source TEXT, digest INTEGER);
CREATE INDEX keys ON rows (key) WHERE key IS NOT NULL;
CREATE TABLE dead (row INTEGER PRIMARY KEY, generation INTEGER);
CREATE TABLE blocks (name TEXT, block INTEGER, sum INTEGER, PRIMARY KEY (name, block)) WITHOUT ROWID;
"""

COUNTED = {
    "settings": "SELECT name, value FROM settings",
    "rows": "SELECT row, key, document, source FROM rows",
    "dead": "SELECT row, generation FROM dead",
    "blocks": "SELECT name, block, sum FROM blocks",
}
"""The tables whose rows count into the total, and what of them."""

WAIT_S = 30.0
"""Seconds to wait for a transaction of another process before giving up."""

_OUTSIDE = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_READONLY", "SQLITE_CANTOPEN")

Value = str | bytes | int | None

Entry = tuple[str | None, bytes | None, str | None]
"""Key, document and source of a row."""

CACHE_KIB = 1 << 15
"""Memory that a writer gives SQLite: a large transaction otherwise goes back and forth to the disk."""


@dataclass(frozen=True)
class State:
    """What a transaction leaves behind.

    Attributes
    ----------
    generation : int
        Number of the transaction.
    rows : int
        Committed length of every column.
    next_id : int
        The id that the next new row is given.
    total : int
        Sum of all digests, modulo 2**64.
    """

    generation: int = 0
    rows: int = 0
    next_id: int = 0
    total: int = 0


def digest(*values: Value) -> int:
    """Return 64 bits that any change of the values changes, as a signed integer, which SQLite can hold."""
    hasher = hashlib.blake2b(digest_size=8)
    for value in values:
        content = value if isinstance(value, bytes) else b"" if value is None else str(value).encode()
        hasher.update(f"{type(value).__name__}{len(content)}:".encode())
        hasher.update(content)
    number: int = struct.unpack("<q", hasher.digest())[0]
    return number


def _wrapped(total: int) -> int:
    """Return a sum modulo 2**64, as a signed integer."""
    return (total + 2**63) % 2**64 - 2**63


class Catalogue:
    """The tables of one store.

    Parameters
    ----------
    path : Path or None
        None keeps the tables in memory.
    writable : bool
    settings : dict of JSON values, optional
        Given, the catalogue is created with them, of no rows; else it is there already.

    Raises
    ------
    FileFormatError
        If the file is no catalogue, or damaged where it is read.
    OSError
        If it cannot be read or written.
    """

    def __init__(self, path: Path | None, *, writable: bool = True, settings: dict[str, Any] | None = None) -> None:
        self.path = path
        mode = "rw" if settings is None else "rwc"
        name = ":memory:" if path is None else f"{path.absolute().as_uri()}?mode={mode}"
        with self._told():
            self._tables = sqlite3.connect(
                name, timeout=WAIT_S, isolation_level=None, check_same_thread=False, uri=path is not None
            )
        try:
            with self._told():
                # TRUNCATE ends a transaction by cutting the journal and syncing that: no sync of the folder is needed.
                self._tables.execute("PRAGMA synchronous = FULL")
                if writable:
                    self._tables.execute("PRAGMA journal_mode = TRUNCATE")
                    self._tables.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
                if settings is not None:
                    self._create(settings)
                if not writable:
                    self._tables.execute("PRAGMA query_only = ON")
                self.state = self._read_state()
        except BaseException:
            self._tables.close()
            raise

    def _create(self, settings: dict[str, Any]) -> None:
        for statement in SCHEMA.split(";"):
            self._tables.execute(statement)
        self._tables.execute("INSERT INTO state VALUES (0, ?, ?, ?, ?, ?)", _state_row(State()))
        self.state = State()
        with self.change() as change:
            for setting, value in settings.items():
                change.set(setting, value)

    def close(self) -> None:
        """Close the file."""
        self._tables.close()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Turn SQLite's errors into ours: trouble with the disk, or a damaged file."""
        try:
            yield
        except sqlite3.ProgrammingError as error:
            raise ParameterError(f"the store is closed ({error}); open it again") from None
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            if getattr(error, "sqlite_errorname", "").startswith(_OUTSIDE):
                raise OSError(f"{self.path}: {error}; nothing was changed") from error
            raise FileFormatError(f"{self.path} is damaged: {error}; restore it from a copy") from error

    # ------------------------------------------------------------------ reading

    def refresh(self) -> bool:
        """Read the state anew; return whether a transaction has come to pass."""
        with self._told():
            before, self.state = self.state, self._read_state()
        return self.state != before

    def _read_state(self) -> State:
        found = self._tables.execute("SELECT generation, rows, next_id, total, digest FROM state").fetchall()
        if len(found) != 1 or found[0] != _state_row(state := State(*found[0][:4])):
            raise FileFormatError(f"{self.path} is damaged: its state does not match its checksum; restore a copy")
        return state

    def setting(self, name: str) -> str:
        """Return a setting, in JSON."""
        with self._told():
            found = self._tables.execute("SELECT value, digest FROM settings WHERE name = ?", (name,)).fetchone()
        if found is None or digest("settings", name, found[0]) != found[1]:
            raise FileFormatError(f"{self.path} is damaged: its setting {name!r} does not match its checksum")
        return str(found[0])

    def entry(self, row: int) -> Entry:
        """Return the key, document and source of a row, checked.

        Raises
        ------
        FileFormatError
            If they do not match their checksum.
        """
        return self.entries(row, row + 1)[0]

    def entries(self, start: int, stop: int) -> list[Entry]:
        """Return the entry of each row of a range, as :meth:`entry`."""
        held = self._entries("row >= ? AND row < ?", start, stop)
        return [held.get(row, (None, None, None)) for row in range(start, stop)]

    def entries_of(self, rows: Sequence[int]) -> list[Entry]:
        """Return the entry of each of some rows, as :meth:`entry`."""
        held = self._entries("row IN (SELECT value FROM json_each(?))", json.dumps(rows))
        return [held.get(row, (None, None, None)) for row in rows]

    def _entries(self, condition: str, *parameters: Value) -> dict[int, Entry]:
        with self._told():
            found = self._tables.execute(
                f"SELECT row, key, document, source, digest FROM rows WHERE {condition}",
                parameters,
            ).fetchall()
        held: dict[int, Entry] = {}
        for row, key, document, source, number in found:
            if digest("rows", row, key, document, source) != number:
                raise FileFormatError(f"{self.path} is damaged: row {row} does not match its checksum; restore a copy")
            held[row] = key, document, source
        return held

    def find(self, key: str) -> int | None:
        """Return the live row of a key."""
        with self._told():
            found = self._tables.execute(
                "SELECT row FROM rows LEFT JOIN dead USING (row) WHERE key = ? AND row < ? "
                "AND (dead.generation IS NULL OR dead.generation > ?)",
                (key, self.state.rows, self.state.generation),
            ).fetchone()
        return None if found is None else int(found[0])

    def dead(self) -> npt.NDArray[np.int64]:
        """Return the rows that are replaced or removed, ascending."""
        with self._told():
            found = self._tables.execute(
                "SELECT row FROM dead WHERE row < ? AND generation <= ? ORDER BY row",
                (self.state.rows, self.state.generation),
            )
            return np.fromiter((row for (row,) in found), dtype=np.int64)

    def block_sum(self, name: str, block: int) -> int:
        """Return the checksum of a column's block, 0 if it is not begun."""
        with self._told():
            found = self._tables.execute(
                "SELECT sum FROM blocks WHERE name = ? AND block = ?", (name, block)
            ).fetchone()
        return 0 if found is None else int(found[0])

    def block_sums(self, name: str) -> dict[int, int]:
        """Return the checksums of a column's blocks."""
        with self._told():
            return dict(self._tables.execute("SELECT block, sum FROM blocks WHERE name = ?", (name,)))

    # ------------------------------------------------------------------ writing

    @contextlib.contextmanager
    def change(self) -> Iterator["Change"]:
        """Open a transaction; at the end of the block it is durable, or undone if an error leaves the block."""
        with self._told():
            self._tables.execute("BEGIN IMMEDIATE")
            try:
                change = Change(self._tables, self.state)
                yield change
                self._tables.execute(
                    "UPDATE state SET generation = ?, rows = ?, next_id = ?, total = ?, digest = ?",
                    _state_row(change.state),
                )
                self._tables.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # some errors have ended it already
                    self._tables.execute("ROLLBACK")
                raise
        self.state = change.state

    # ------------------------------------------------------------------ checking

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """Keep other processes from writing for a while."""
        with self._told():
            self._tables.execute("BEGIN")
            self.refresh()
            try:
                yield
            finally:
                self._tables.execute("COMMIT")

    def damage(self) -> Iterator[str]:
        """Yield what is wrong with the tables; within :meth:`still`."""
        with self._told():
            for (problem,) in self._tables.execute("PRAGMA integrity_check"):
                if problem != "ok":
                    yield f"{self.path}: {problem}"
            total = 0
            for table, query in COUNTED.items():
                for values in self._tables.execute(query):
                    total += digest(table, *values)
        if _wrapped(total) != self.state.total:
            yield f"{self.path}: its rows do not match their checksum"


class Change:
    """A transaction in the making; made by :meth:`Catalogue.change`."""

    def __init__(self, tables: sqlite3.Connection, state: State) -> None:
        self._tables = tables
        self._generation, self._total = state.generation + 1, state.total
        self._rows, self._next_id = state.rows, state.next_id

    @property
    def state(self) -> State:
        """The state that the transaction leaves behind."""
        return State(self._generation, self._rows, self._next_id, _wrapped(self._total))

    def _count(self, *values: Value) -> int:
        number = digest(*values)
        self._total += number
        return number

    def _recount(self, table: str, key: tuple[Value, ...], old: tuple[Value, ...] | None, *new: Value) -> int:
        if old is not None:
            self._total -= digest(table, *key, *old)
        return self._count(table, *key, *new)

    def set(self, name: str, value: Any) -> None:
        """Set a setting to a JSON value."""
        text = json.dumps(value, allow_nan=False)
        old = self._tables.execute("SELECT value FROM settings WHERE name = ?", (name,)).fetchone()
        if old != (text,):
            number = self._recount("settings", (name,), old, text)
            self._tables.execute("INSERT OR REPLACE INTO settings VALUES (?, ?, ?)", (name, text, number))

    def add(self, entries: Iterable[Entry] | None, count: int, next_id: int) -> None:
        """Add ``count`` rows at the end; rows with nothing to say need no entry."""
        if entries is not None:
            self._tables.executemany(
                "INSERT INTO rows VALUES (?, ?, ?, ?, ?)",
                ((row, *entry, self._count("rows", row, *entry)) for row, entry in enumerate(entries, self._rows)),
            )
        self._rows, self._next_id = self._rows + count, next_id

    def kill(self, rows: Iterable[int]) -> None:
        """Mark live rows as dead from this transaction on."""
        for row in rows:
            self._tables.execute("INSERT INTO dead VALUES (?, ?)", (row, self._generation))
            self._count("dead", row, self._generation)

    def sum_blocks(self, name: str, blocks: Iterable[tuple[int, int]]) -> None:
        """Set the checksums of a column's blocks."""
        for block, value in blocks:
            old = self._tables.execute("SELECT sum FROM blocks WHERE name = ? AND block = ?", (name, block)).fetchone()
            self._tables.execute("INSERT OR REPLACE INTO blocks VALUES (?, ?, ?)", (name, block, value))
            self._recount("blocks", (name, block), old, value)


def _state_row(state: State) -> tuple[int, int, int, int, int]:
    values = (state.generation, state.rows, state.next_id, state.total)
    return (*values, digest("state", *values))
