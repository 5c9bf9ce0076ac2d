"""Store: rows of fixed width with keys and documents, durable in a folder or in memory."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hdc import checks, files
from hdc.checks import integer
from hdc.errors import DimensionError, DTypeError, FileFormatError, ParameterError, UnsupportedError
from hdc.store import layout
from hdc.store.catalogue import Entry
from hdc.store.columns import DTYPES, Rows
from hdc.store.edition import ID, Edition, some
from hdc.store.locking import WriterLock

Ids = npt.NDArray[np.int64]

ATTEMPTS = 10
"""Times a reader looks for the current edition, which a writer may just be replacing."""


class Store:
    """Rows in columns of fixed width, each with an id and, if wanted, a key, a document and a source.

    Made by :meth:`create` and :meth:`open`. What a method that changes the store has returned from is durable: the
    columns' files are synced before the SQLite transaction that makes their new rows count, and that is synced
    too. A change happens as a whole or not at all, whatever ends the process. There is one writer and any number of
    readers; a reader sees the store as it was when it was opened, until :meth:`refresh`.

    An id is never given twice. Rows are addressed by id, the arrays of :meth:`rows`, :meth:`ids` and :meth:`alive`
    by position, in step; positions change in :meth:`compact` alone.

    Examples
    --------
    >>> import numpy as np
    >>> from hdc.store import Store
    >>> store = Store.create(None, "cities", {"codes": ("uint64", 1)})
    >>> store.append({"codes": np.array([[1], [2]], np.uint64)}, keys=["Rome", "Oslo"])
    array([0, 1])
    >>> store.put({"codes": np.array([[3]], np.uint64)}, keys=["Rome"])
    array([0])
    >>> store.rows("codes")[store.alive()].tolist(), store.ids()[store.alive()].tolist()
    ([[2], [3]], [1, 0])
    """

    def __init__(self, kind: str, edition: Edition, folder: Path | None = None, lock: WriterLock | None = None) -> None:
        self.kind, self._edition, self._folder, self._lock = kind, edition, folder, lock
        self._positions: tuple[Ids, Ids] | None = None
        self._compacted = 0 if edition.folder is None else int(edition.folder.name)

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str] | None,
        kind: str,
        columns: Mapping[str, tuple[npt.DTypeLike, int]],
        meta: Mapping[str, Any] | None = None,
    ) -> Self:
        """Create a store of no rows, open for writing.

        Parameters
        ----------
        path : path or None
            A folder that does not exist or is empty; None keeps the store in memory.
        kind : str
            What the store holds, for instance ``"binary-index"``; :meth:`open` asks for it.
        columns : mapping of names to (dtype, width)
            At least one; names of lower-case letters, digits and underscores; dtypes of bools, integers and floats.
        meta : mapping of JSON values, optional

        Raises
        ------
        ParameterError, DTypeError
            If the columns are not such, or the folder holds something else.
        OSError
            If the folder cannot be written.
        """
        settings = {"columns": _checked_columns(columns), "meta": dict(meta or {})}
        if path is None:
            return cls(kind, Edition(None, settings=settings))
        folder = checks.path(path)
        folder.mkdir(parents=True, exist_ok=True)
        files.sync_folder(folder.parent)
        layout.check_unused(folder)
        lock = WriterLock(folder)
        try:
            layout.check_unused(folder)
            edition = Edition(layout.new_edition(folder, -1), settings=settings)
            layout.write_current(folder, kind, folder / "0")
        except BaseException:
            lock.release()
            raise
        return cls(kind, edition, folder, lock)

    @classmethod
    def open(cls, path: str | os.PathLike[str], kind: str, *, writable: bool = False) -> Self:
        """Open a store, in milliseconds whatever its size: the columns are mapped, not read.

        Raises
        ------
        FileFormatError
            If it is no store, of another kind or a newer version, or damaged where that is seen at once;
            :meth:`verify` looks everywhere.
        BlockingIOError
            If it is opened for writing and another process writes; the text says which.
        OSError
            If it cannot be read.
        """
        folder = checks.path(path)
        if not writable:
            return cls(kind, _open_current(folder, kind), folder)
        layout.read_current(folder, kind)
        lock = WriterLock(folder)
        try:
            version, current = layout.read_current(folder, kind)
            if version < layout.FORMAT:
                current = layout.migrate(folder, kind, version, current)
            edition = Edition(current)
            layout.remove_leftovers(folder, current)
        except BaseException:
            lock.release()
            raise
        return cls(kind, edition, folder, lock)

    def close(self) -> None:
        """Close the files and let another writer in. A store that was killed instead has lost nothing."""
        self._edition.close()
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return self._edition.count - len(self._edition.dead)

    def __repr__(self) -> str:
        place = "in memory" if self._folder is None else f"at {self._folder}"
        return f"Store({self.kind!r}, {len(self)} rows, {place})"

    # ------------------------------------------------------------------ reading

    @property
    def meta(self) -> dict[str, Any]:
        """What :meth:`create` or :meth:`set_meta` was given."""
        meta: dict[str, Any] = self._edition.meta
        return meta

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(name for name in self._edition.columns if name != ID)

    @property
    def writable(self) -> bool:
        """Whether this object may change the store."""
        return self._edition.writable

    @property
    def generation(self) -> tuple[int, int]:
        """What counts :meth:`compact` and then changes: with the same first number, positions are the same."""
        return self._compacted, self._edition.catalogue.state.generation

    def rows(self, name: str) -> Rows:
        """Return a column, dead rows included, read-only and memory-mapped: ``(committed, width)``.

        Raises
        ------
        ParameterError
            If there is no column of that name.
        """
        column = self._edition.columns.get(name)
        if column is None:
            raise ParameterError(f"there is no column {name!r}; there are {', '.join(self._edition.columns)}")
        return column.rows(self._edition.count)

    def ids(self) -> Ids:
        """Return the id of each row of :meth:`rows`: ``(committed,)`` int64."""
        return self._edition.ids()

    def alive(self) -> npt.NDArray[np.bool_] | None:
        """Return which rows of :meth:`rows` count, ``(committed,)`` bool, or None if all do."""
        if not len(self._edition.dead):
            return None
        mask = np.ones(self._edition.count, dtype=bool)
        mask[self._edition.dead] = False
        return mask

    def positions(self, ids: npt.ArrayLike) -> Ids:
        """Return where in :meth:`rows` the rows of some ids are: ``(n,)`` int64.

        Raises
        ------
        ParameterError
            If an id is of no row, or of a removed one.
        """
        asked = np.atleast_1d(np.asarray(ids))
        if asked.ndim != 1 or (asked.size and asked.dtype.kind not in "iu"):
            raise ParameterError(f"ids are a list of integers, not {asked.dtype} of shape {asked.shape}")
        if ID not in self._edition.columns and not len(self._edition.dead):
            wrong = asked[(asked < 0) | (asked >= self._edition.count)]
            if len(wrong):
                raise ParameterError(f"there is no row with id {wrong[0]}")
            return asked.astype(np.int64)
        known, rows = self._known()
        place = np.searchsorted(known, asked.astype(np.int64))
        found = place < len(known)
        found[found] = known[place[found]] == asked[found]
        if not found.all():
            raise ParameterError(f"there is no row with id {asked[~found][0]}")
        return rows[place]

    def _known(self) -> tuple[Ids, Ids]:
        """Return the ids of the live rows, ascending, and their positions."""
        if self._positions is None:
            alive, ids = self.alive(), self.ids()
            rows = np.arange(len(ids)) if alive is None else np.flatnonzero(alive)
            order = np.argsort(ids[rows], kind="stable")
            self._positions = ids[rows][order], rows[order]
        return self._positions

    def entry(self, number: int) -> Entry:
        """Return the key, document and source of a row, checked; None where it has none.

        Raises
        ------
        ParameterError
            If there is no row of that id.
        FileFormatError
            If they do not match their checksum.
        """
        return self._edition.catalogue.entry(int(self.positions(number)[0]))

    def key(self, number: int) -> str | None:
        """Return the key of a row, as :meth:`entry`."""
        return self.entry(number)[0]

    def document(self, number: int) -> bytes | None:
        """Return the document of a row, as :meth:`entry`."""
        return self.entry(number)[1]

    def source(self, number: int) -> str | None:
        """Return the source of a row, as :meth:`entry`."""
        return self.entry(number)[2]

    def documents(self, ids: npt.ArrayLike) -> list[bytes | None]:
        """Return the documents of rows, as :meth:`entry`."""
        return [document for _, document, _ in self._edition.catalogue.entries_of(self.positions(ids).tolist())]

    def find(self, key: str) -> int | None:
        """Return the id of the row with a key, or None."""
        row = self._edition.catalogue.find(key)
        return None if row is None else int(self.ids()[row])

    def refresh(self) -> bool:
        """Go on to the latest state; return whether it is another one."""
        if self._folder is None or self._lock is not None:
            return False
        _, current = layout.read_current(self._folder, self.kind)
        if current == self._edition.folder:
            changed = self._edition.refresh()
        else:
            newer = _open_current(self._folder, self.kind)
            self._edition.close()
            self._edition, self._compacted, changed = newer, int(newer.folder.name) if newer.folder else 0, True
        self._positions = None if changed else self._positions
        return changed

    # ------------------------------------------------------------------ writing

    def append(
        self,
        arrays: Mapping[str, npt.ArrayLike],
        keys: Sequence[str | None] | None = None,
        documents: Sequence[bytes | None] | None = None,
        sources: Sequence[str | None] | None = None,
        *,
        ids: npt.ArrayLike | None = None,
    ) -> Ids:
        """Append rows and return their ids: ``(n,)`` int64.

        Parameters
        ----------
        arrays : mapping of every column's name to a (n, width) array of its dtype
        keys, documents, sources : sequences of n, optional
        ids : (n,) integers, optional
            All different, and above every id that was ever given; else they are counted on.

        Raises
        ------
        ParameterError
            If a key is there already (:meth:`put` replaces), or is given twice, a text or column is missing, or the
            ids are not as said.
        DTypeError, DimensionError
            If an array is not of its column's dtype and width.
        UnsupportedError
            If the store is open for reading.
        OSError
            If the disk is full or fails; the store is as it was then.
        """
        rows, entries = self._checked(arrays, keys, documents, sources)
        for key, held in zip(keys or (), self._held(keys), strict=True):
            if held is not None:
                raise ParameterError(f"the key {key!r} is there already; put replaces its row")
        given = None if ids is None else self._new_ids(ids, len(next(iter(rows.values()))))
        return self._written(self._edition.write(rows, entries, given))

    def put(
        self,
        arrays: Mapping[str, npt.ArrayLike],
        keys: Sequence[str | None],
        documents: Sequence[bytes | None] | None = None,
        sources: Sequence[str | None] | None = None,
    ) -> Ids:
        """Append rows, or replace those whose keys are there, which keep their ids; the rest as :meth:`append`."""
        rows, entries = self._checked(arrays, keys, documents, sources)
        held = self._held(keys)
        dying = [row for row in held if row is not None]
        own = self.ids() if dying else None
        ids = np.array([-1 if own is None or row is None else own[row] for row in held], dtype=np.int64)
        return self._written(self._edition.write(rows, entries, ids, dying))

    def replace(self, ids: npt.ArrayLike, arrays: Mapping[str, npt.ArrayLike]) -> None:
        """Replace the columns of rows, which keep ids, keys, documents and sources; raises as :meth:`append`."""
        dying = self.positions(ids)
        if len(np.unique(dying)) != len(dying):
            raise ParameterError("an id is given twice")
        rows = self._checked_rows(arrays, len(dying))
        entries = [self._edition.catalogue.entry(row) for row in dying.tolist()]
        self._written(self._edition.write(rows, some(entries), self.ids()[dying], dying.tolist()))

    def remove(self, ids: npt.ArrayLike | None = None, keys: Sequence[str] | None = None) -> int:
        """Remove rows by id, by key, or both; return how many.

        Raises
        ------
        ParameterError
            If an id or key is of no row; nothing is removed then.
        UnsupportedError
            If the store is open for reading.
        OSError
            If the disk is full or fails; the store is as it was then.
        """
        self._check_writable()
        rows = set(self.positions(ids).tolist()) if ids is not None else set()
        for key, row in zip(keys or (), self._held(keys), strict=True):
            if row is None:
                raise ParameterError(f"there is no row with key {key!r}")
            rows.add(row)
        if rows:
            self._edition.remove(sorted(rows))
            self._positions = None
        return len(rows)

    def set_meta(self, meta: Mapping[str, Any]) -> None:
        """Replace the meta; raises as :meth:`remove`."""
        self._check_writable()
        self._edition.set_meta(dict(meta))

    def compact(self) -> None:
        """Write the live rows anew and drop the others; ids stay, positions change.

        Readers keep the edition that they have until they refresh. Needs the space of both for a while.

        Raises
        ------
        FileFormatError
            If the store is damaged: a copy would hide it.
        UnsupportedError, OSError
            As :meth:`remove`.
        """
        self._check_writable()
        self.verify()
        old = self._edition
        folder = old.folder and layout.new_edition(old.folder.parent, int(old.folder.name))
        new = Edition(folder, settings=_settings(old))
        try:
            old.copy_to(new)
            if self._folder is not None and folder is not None:
                layout.write_current(self._folder, self.kind, folder)
        except BaseException:
            new.close(seal=False)
            if self._folder is not None and old.folder is not None:
                layout.remove_leftovers(self._folder, old.folder)
            raise
        self._edition, self._positions, self._compacted = new, None, self._compacted + 1
        old.close(seal=False)

    def save_copy(self, path: str | os.PathLike[str] | None) -> "Store":
        """Copy the live rows to a new store, which is returned open for writing; None copies into memory.

        Raises
        ------
        FileFormatError
            If the store is damaged.
        ParameterError, OSError
            As :meth:`create`.
        """
        self.verify()
        settings = _settings(self._edition)
        copy = Store.create(path, self.kind, settings["columns"], settings["meta"])
        self._edition.copy_to(copy._edition)
        return copy

    def verify(self) -> None:
        """Check every byte: of the columns and the catalogue's rows always, of the catalogue's file if it was closed.

        Raises
        ------
        FileFormatError
            If anything differs from what was written; the text says what.
        """
        if self._folder is not None:
            layout.read_current(self._folder, self.kind)
        found = list(self._edition.damage())
        if found:
            more = f" and {len(found) - 3} more" if len(found) > 3 else ""
            raise FileFormatError(f"the store is damaged: {'; '.join(found[:3])}{more}; restore it from a copy")

    # ------------------------------------------------------------------ checks

    def _check_writable(self) -> None:
        if not self._edition.writable:
            raise UnsupportedError(f"{self._folder} is open for reading; open it with writable=True")

    def _checked(
        self,
        arrays: Mapping[str, npt.ArrayLike],
        keys: Sequence[str | None] | None,
        documents: Sequence[bytes | None] | None,
        sources: Sequence[str | None] | None,
    ) -> tuple[dict[str, Rows], Iterable[Entry] | None]:
        self._check_writable()
        rows = self._checked_rows(arrays, None)
        count = len(next(iter(rows.values())))
        texts = {"keys": (keys, str), "documents": (documents, bytes), "sources": (sources, str)}
        for what, (values, kind) in texts.items():
            if values is not None:
                _check_texts(what, values, kind, count)
        if keys is None and documents is None and sources is None:
            return rows, None
        nothing = [None] * count
        return rows, zip(keys or nothing, documents or nothing, sources or nothing, strict=True)

    def _checked_rows(self, arrays: Mapping[str, npt.ArrayLike], count: int | None) -> dict[str, Rows]:
        columns = {name: column for name, column in self._edition.columns.items() if name != ID}
        if arrays.keys() != columns.keys():
            raise ParameterError(f"the columns are {', '.join(columns)}, not {', '.join(arrays) or 'none'}")
        rows: dict[str, Rows] = {}
        for name, column in columns.items():
            rows[name] = column.checked(arrays[name], count)
            count = len(rows[name])
        return rows

    def _new_ids(self, ids: npt.ArrayLike, count: int) -> Ids:
        given, least = np.asarray(ids), self._edition.catalogue.state.next_id
        if given.shape != (count,) or given.dtype.kind not in "iu" or len(np.unique(given)) != count:
            raise ParameterError(f"ids must be {count} different integers, not {given.dtype} of shape {given.shape}")
        if count and not least <= int(given.min()) <= int(given.max()) < 2**63:
            raise ParameterError(f"ids must be new: from {least} on, which {given.min()} is not")
        return given.astype(np.int64)

    def _held(self, keys: Sequence[str | None] | None) -> list[int | None]:
        """Return the live row of each key."""
        find = self._edition.catalogue.find
        return [None if key is None else find(key) for key in keys or ()]

    def _written(self, ids: Ids) -> Ids:
        self._positions = None
        return ids


def _open_current(folder: Path, kind: str) -> Edition:
    for attempt in range(ATTEMPTS):
        version, current = layout.read_current(folder, kind)
        if version < layout.FORMAT:
            raise FileFormatError(
                f"{folder} has format {version}, and this release reads {layout.FORMAT}; "
                "open it for writing once, which migrates it"
            )
        try:
            return Edition(current, writable=False)
        except OSError:
            if current.exists() or attempt == ATTEMPTS - 1:
                raise
    raise AssertionError


def _settings(edition: Edition) -> dict[str, Any]:
    columns = {n: (c.dtype.str, c.width) for n, c in edition.columns.items() if n != ID}
    return {"columns": columns, "meta": edition.meta}


def _checked_columns(columns: Mapping[str, tuple[npt.DTypeLike, int]]) -> dict[str, tuple[str, int]]:
    checked: dict[str, tuple[str, int]] = {}
    for name, (kind, width) in columns.items():
        dtype = np.dtype(kind).newbyteorder("<").str
        if not re.fullmatch("[a-z][a-z0-9_]*", name) or name in (ID, layout.CATALOGUE, layout.SEAL):
            raise ParameterError(f"{name!r} is no name for a column; use lower-case letters, digits, underscores")
        if dtype not in DTYPES:
            raise DTypeError(f"column {name!r} cannot hold {np.dtype(kind)}; it holds one of {', '.join(DTYPES)}")
        checked[name] = dtype, integer(width, f"the width of column {name!r}", 1)
    if not checked:
        raise ParameterError("a store has at least one column")
    return checked


def _check_texts(what: str, values: Sequence[Any], kind: type, count: int) -> None:
    if len(values) != count:
        raise DimensionError(f"there are {len(values)} {what} for {count} rows")
    for value in values:
        if value is not None and not isinstance(value, kind):
            raise ParameterError(f"{what} are {kind.__name__}, not {type(value).__name__}")
        if isinstance(value, str) and value.encode("utf-8", "replace").decode() != value:
            raise ParameterError(f"{what} are text that UTF-8 holds, which {value!r} is not")
    given = [value for value in values if value is not None]
    if what == "keys" and len(set(given)) != len(given):
        raise ParameterError("a key is given twice")
