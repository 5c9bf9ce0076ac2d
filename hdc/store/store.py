"""Store: rows of fixed width with keys and documents, durable in a folder or in memory."""

import json
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hdc import checks
from hdc.checks import integer
from hdc.distinct import distinct
from hdc.errors import (
    ConflictError,
    DimensionError,
    DTypeError,
    FileFormatError,
    ParameterError,
    UnsupportedError,
)
from hdc.store import disk, entries, integrity, layout
from hdc.store.edition import Edition
from hdc.store.entries import Entries, Entry
from hdc.store.locking import WriterLock
from hdc.store.snapshot import Mask, Rows, Snapshot
from hdc.store.state import DTYPES, MOST_ROWS, State, column_name

Ids = npt.NDArray[np.int64]


class Store:
    """Rows in columns of fixed width, each with an id and, if wanted, a key, a document and a source.

    Made by :meth:`create` and :meth:`open`. Once a method that changes the store returns, the change is durable: the
    files that grew are synced before the record that makes their new rows count is added to the log, and that is
    synced too. A change happens as a whole or not at all, whatever ends the process. There is one writer and any
    number of readers; a reader sees the store as it was when it was opened, until :meth:`refresh`.

    Any number of threads may use one object. Reading takes no lock: every method that reads takes :attr:`snapshot`
    once and answers from it. Changes are made one after another.

    An id is never assigned twice. Rows are addressed by id, the arrays of :meth:`rows`, :meth:`ids` and :meth:`alive`
    by position, in step; positions change in :meth:`compact` alone. Whoever asks for several of them takes one
    snapshot first, for a change in between makes them differ.

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
    >>> snapshot = store.snapshot
    >>> store.remove(keys=["Oslo"]), len(store), len(snapshot), snapshot.keys(snapshot.positions([1]))
    (1, 1, 2, ['Oslo'])
    """

    def __init__(
        self,
        kind: str,
        edition: Edition,
        folder: Path | None = None,
        lock: WriterLock | None = None,
        mark: tuple[int, ...] = (),
    ) -> None:
        self.kind, self._mark = kind, mark
        self._folder, self._lock, self._process = folder, lock, os.getpid()
        self._edition: Edition | None = edition
        self._changing = threading.RLock()
        _OPEN.add(self)

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
            Kind of the contents, for instance ``"binary-index"``; :meth:`open` asks for it.
        columns : mapping of names to (dtype, width)
            At least one; names of lower-case letters, digits and underscores; dtypes of bools, integers and floats.
        meta : mapping of JSON values, optional

        Raises
        ------
        ParameterError, DTypeError
            If the columns are invalid, or the folder contains something else.
        OSError
            If the folder cannot be written.
        """
        state = State(_checked_columns(columns), _text({} if meta is None else meta))
        return cls._made(path, kind, lambda folder: _begun(Edition.create(folder, 0, state)))

    @classmethod
    def _made(cls, path: str | os.PathLike[str] | None, kind: str, make: Callable[[Path | None], Edition]) -> Self:
        """Return a new store with the edition that ``make`` creates in a folder."""
        if path is None:
            return cls(kind, make(None))
        folder = checks.path(path)
        folder.mkdir(parents=True, exist_ok=True)
        disk.sync_folder(folder.parent)
        layout.check_unused(folder)
        lock = WriterLock(folder)
        try:
            layout.check_unused(folder)
            edition = make(layout.new_edition(folder, -1))
            layout.write_current(folder, kind, folder / "0")
            edition.name_unsynced(folder)
            return cls(kind, edition, folder, lock, layout.mark(folder))
        except BaseException:
            lock.release()
            raise

    @classmethod
    def open(cls, path: str | os.PathLike[str], kind: str, *, writable: bool = False) -> Self:
        """Open a store, in milliseconds whatever its size: the columns are mapped, not read.

        Raises
        ------
        FileFormatError
            If it is not a store, of another kind or a newer version, or visibly damaged;
            :meth:`verify` looks everywhere.
        BlockingIOError
            If it is opened for writing and another process writes; the message says which.
        OSError
            If it cannot be read.
        """
        folder = checks.path(path)
        if not checks.flag(writable, "writable"):
            mark, edition = _current(folder, kind)
            return cls(kind, edition, folder, mark=mark)
        layout.read_current(folder, kind)
        lock = WriterLock(folder)
        try:
            version, current = layout.read_current(folder, kind)
            if version < layout.FORMAT:
                from hdc.store.migration import migrate  # loads SQLite

                current = migrate(folder, kind, version, current)
            edition = Edition.open(current, writable=True)
            layout.remove_leftovers(folder, current)
            return cls(kind, edition, folder, lock, layout.mark(folder))
        except BaseException as error:
            lock.release()
            if isinstance(error, FileNotFoundError):
                raise _incomplete(folder, error) from error
            raise

    def close(self) -> None:
        """Close the files and let another writer in. A store that was killed instead has lost nothing.

        Snapshots that were taken stay unchanged.
        """
        if self._process != os.getpid():  # it is the parent's, who still uses it
            self._edition = None
            return
        with self._changing:
            edition, self._edition = self._edition, None
            if edition is not None:
                edition.close()
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self.snapshot)

    def __repr__(self) -> str:
        place = "in memory" if self._folder is None else f"at {self._folder}"
        rows = "closed" if self._edition is None else f"{len(self)} rows"
        return f"Store({self.kind!r}, {rows}, {place})"

    # ------------------------------------------------------------------ reading

    @property
    def snapshot(self) -> Snapshot:
        """The current contents of the store; this snapshot does not change when the store does.

        Raises
        ------
        ParameterError
            If the store is closed.
        """
        return self._opened().snapshot

    def _opened(self) -> Edition:
        edition = self._edition
        if edition is None:
            raise ParameterError("the store is closed; open it again")
        return edition

    @property
    def meta(self) -> dict[str, Any]:
        """The meta passed to :meth:`create` or :meth:`set_meta`."""
        return self.snapshot.meta

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.snapshot.columns

    @property
    def writable(self) -> bool:
        """Whether this object may change the store."""
        return self._opened().writable

    @property
    def folder(self) -> Path | None:
        """Folder of the store; None in memory."""
        return self._folder

    @property
    def is_open(self) -> bool:
        """Whether this process has the store open."""
        return self._edition is not None and self._process == os.getpid()

    @property
    def generation(self) -> tuple[int, int]:
        """Edition and number of the last change: with the same first number, positions are the same."""
        snapshot = self.snapshot
        return snapshot.edition, snapshot.generation

    def rows(self, name: str) -> Rows:
        """Return a column, dead rows included, read-only and memory-mapped: ``(committed, width)``.

        Raises
        ------
        ParameterError
            If the column does not exist.
        FileFormatError
            If a block does not match its checksum; each is compared when it is first asked for.
        """
        return self.snapshot.rows(name)

    def ids(self) -> Ids:
        """Return the id of each row of :meth:`rows`: ``(committed,)`` int64."""
        return self.snapshot.ids

    def alive(self) -> Mask | None:
        """Return which rows of :meth:`rows` are live, ``(committed,)`` bool, or None if all are."""
        return self.snapshot.alive

    def positions(self, ids: npt.ArrayLike) -> Ids:
        """Return the positions of ids in :meth:`rows`: ``(n,)`` int64.

        Raises
        ------
        ParameterError
            If an id has no row, or was removed.
        """
        return self.snapshot.positions(ids)

    def entry(self, number: int) -> Entry:
        """Return the key, document and source of a row, checked; None for each that it lacks.

        Raises
        ------
        ParameterError
            If the id has no row.
        FileFormatError
            If they do not match their checksum.
        """
        return self.entries([number])[0]

    def entries(self, ids: npt.ArrayLike) -> list[Entry]:
        """Return the entries of rows; see :meth:`entry`."""
        snapshot = self.snapshot
        return snapshot.entries(snapshot.positions(ids))

    def key(self, number: int) -> str | None:
        """Return the key of a row; see :meth:`entry`."""
        return self.keys([number])[0]

    def keys(self, ids: npt.ArrayLike) -> list[str | None]:
        """Return the keys of rows; see :meth:`entry`."""
        snapshot = self.snapshot
        return snapshot.keys(snapshot.positions(ids))

    def document(self, number: int) -> bytes | None:
        """Return the document of a row; see :meth:`entry`."""
        return self.documents([number])[0]

    def documents(self, ids: npt.ArrayLike) -> list[bytes | None]:
        """Return the documents of rows; see :meth:`entry`."""
        snapshot = self.snapshot
        return snapshot.documents(snapshot.positions(ids))

    def source(self, number: int) -> str | None:
        """Return the source of a row; see :meth:`entry`."""
        return self.sources([number])[0]

    def sources(self, ids: npt.ArrayLike) -> list[str | None]:
        """Return the sources of rows; see :meth:`entry`."""
        snapshot = self.snapshot
        return snapshot.sources(snapshot.positions(ids))

    def find(self, key: str) -> int | None:
        """Return the id of the row with a key, or None.

        Raises
        ------
        ParameterError
            If the key is not text.
        """
        snapshot = self.snapshot
        row = snapshot.find(key)
        return None if row is None else int(snapshot.ids[row])

    def refresh(self, check: Callable[[Snapshot], None] | None = None) -> bool:
        """Move to the latest state; return whether it differs.

        A reader sees changes only through this call. For a writer and for a store in memory it does nothing.

        Parameters
        ----------
        check : function of a Snapshot, optional
            Raises an error if the caller cannot use the new state.

        Raises
        ------
        FileFormatError, OSError
            As :meth:`open`; the reader then keeps its state.
        """
        if self._folder is None or self._opened().writable:
            return False
        with self._changing:
            seen = self.generation
            mark, latest = self._latest(self._folder)
            if check is not None:
                check(latest.snapshot)
            self._mark, self._edition = mark, latest
            return self.generation != seen

    def _latest(self, folder: Path) -> tuple[tuple[int, ...], Edition]:
        """Return the mark and the edition that a reader continues with."""
        if (mark := layout.mark(folder)) == self._mark:
            try:
                return mark, self._opened().refresh()
            except FileNotFoundError as error:
                if layout.mark(folder) == mark:
                    raise _incomplete(folder, error) from error
        return _current(folder, self.kind)

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
            All different, above every id ever assigned, and below 2**32; by default the next ones.

        Raises
        ------
        ParameterError
            If a key exists (:meth:`put` replaces its row) or occurs twice, a text or column is missing, the ids are
            invalid, or no ids are left.
        DTypeError, DimensionError
            If an array is not of its column's dtype and width.
        UnsupportedError
            If the store is open for reading.
        OSError
            If the disk is full or fails; the store is as it was then.
        """
        rows, found, known = self._checked(arrays, keys, documents, sources)
        with self._change() as edition:
            for key, held in zip(known or (), edition.snapshot.find_all(known or ()), strict=True):
                if held is not None:
                    raise ParameterError(f"the key {key!r} already exists; put replaces its row")
            given = None if ids is None else _new_ids(edition.state, ids, len(next(iter(rows.values()))))
            return edition.write(rows, found, given)

    def put(
        self,
        arrays: Mapping[str, npt.ArrayLike],
        keys: Sequence[str | None],
        documents: Sequence[bytes | None] | None = None,
        sources: Sequence[str | None] | None = None,
    ) -> Ids:
        """Append rows, or replace those with the same keys, which keep their ids; otherwise as :meth:`append`."""
        rows, found, known = self._checked(arrays, keys, documents, sources)
        if known is None:
            raise ParameterError("put needs keys to find the rows it replaces; use append for rows without keys")
        with self._change() as edition:
            held = edition.snapshot.find_all(known)
            own = edition.snapshot.ids
            ids = np.array([-1 if row is None else own[row] for row in held], dtype=np.int64)
            return edition.write(rows, found, ids, [row for row in held if row is not None])

    def replace(
        self,
        ids: npt.ArrayLike,
        arrays: Mapping[str, npt.ArrayLike],
        documents: Sequence[bytes | None] | None = None,
        sources: Sequence[str | None] | None = None,
    ) -> None:
        """Replace the columns of rows. They keep ids and keys, and documents and sources unless you pass new ones.

        Raises as :meth:`append`.
        """
        with self._change() as edition:
            snapshot = edition.snapshot
            dying = snapshot.positions(ids)
            if len(distinct(dying)) != len(dying):
                raise ParameterError("ids must all be different; one is given twice")
            if documents is None and sources is None:
                rows, found = self._checked_rows(arrays, len(dying)), snapshot.raw_entries(dying)
            else:
                documents = snapshot.documents(dying) if documents is None else documents
                sources = snapshot.sources(dying) if sources is None else sources
                rows, found, _ = self._checked(arrays, snapshot.keys(dying), documents, sources)
            edition.write(rows, found, snapshot.ids[dying], dying.tolist())

    def remove(self, ids: npt.ArrayLike | None = None, keys: Sequence[str] | None = None) -> int:
        """Remove rows by id, by key, or both; return how many.

        Raises
        ------
        ParameterError
            If an id or key has no row; then nothing is removed.
        UnsupportedError
            If the store is open for reading.
        OSError
            If the disk is full or fails; the store is as it was then.
        """
        known = [] if keys is None else checks.listed(keys, "keys")
        with self._change() as edition:
            snapshot = edition.snapshot
            rows = set(snapshot.positions(ids).tolist()) if ids is not None else set()
            for key, row in zip(known, snapshot.find_all(known), strict=True):
                if row is None:
                    raise ParameterError(f"there is no row with key {key!r}")
                rows.add(row)
            if rows:
                with edition.change() as change:
                    change.kill(sorted(rows))
            return len(rows)

    def set_meta(self, meta: Mapping[str, Any]) -> None:
        """Replace the meta; raises as :meth:`remove`."""
        text = _text(meta)
        with self._change() as edition, edition.change() as change:
            change.set_meta(text)

    def reserve(self, next_id: int) -> None:
        """Assign no id below ``next_id`` from now on, because other stores use them; raises as :meth:`append` does."""
        next_id = integer(next_id, "next_id", 0, MOST_ROWS)
        with self._change() as edition, edition.change() as change:
            change.reserve(next_id)

    def compact(self) -> None:
        """Rewrite the live rows and drop the others; ids stay, positions change.

        Readers keep their edition until they refresh. It temporarily needs the space of both.

        Raises
        ------
        FileFormatError
            If the store is damaged: a copy would hide it.
        UnsupportedError, ConflictError, OSError
            As :meth:`remove`.
        """
        with self._change() as old:
            old.check_unchanged()
            try:
                self.verify()
                new = self._compacted(old)
            except OSError as error:
                raise OSError(error.errno, f"{error.strerror or error}: {self._folder}; nothing was changed") from error
            self._edition = new
            if self._folder is not None and new.folder is not None:
                self._mark = layout.mark(self._folder)
                new.name_unsynced(self._folder)
                old.abandon()
                if not new.unsynced:
                    layout.remove_leftovers(self._folder, new.folder)

    def _compacted(self, old: Edition) -> Edition:
        """Return a new edition with the live rows of another one. In a folder, it becomes the current one."""
        try:
            folder = old.folder and layout.new_edition(old.folder.parent, old.number)
            state = State(old.state.columns, old.state.meta, old.state.generation + 1)
            new = Edition.create(folder, old.number + 1, state)
            old.copy_to(new)
            if self._folder is not None and folder is not None:
                layout.write_current(self._folder, self.kind, folder)
        except BaseException:
            if self._folder is not None and old.folder is not None and layout.mark(self._folder) == self._mark:
                layout.remove_leftovers(self._folder, old.folder)
            raise
        return new

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
        source = self._opened()

        def make(folder: Path | None) -> Edition:
            copy = Edition.create(folder, 0, State(source.state.columns, source.state.meta))
            source.copy_to(copy)
            return copy

        return Store._made(path, self.kind, make)

    def verify(self) -> None:
        """Read every byte again and compare it with its checksum; the state that a reader sees does not change.

        Raises
        ------
        FileFormatError
            If anything differs from what was written; the message says what.
        """
        edition = self._opened()
        found = list(integrity.damage(edition.snapshot))
        if self._folder is not None and edition.folder is not None:
            mark = layout.mark(self._folder)
            try:
                layout.read_current(self._folder, self.kind)
                if mark == self._mark:
                    found = [*integrity.log_damage(edition.state, edition.folder), *found]
            except FileNotFoundError as error:
                if layout.mark(self._folder) == mark:  # otherwise it has just been compacted, and its log is gone
                    raise _incomplete(self._folder, error) from error
        if found:
            more = f" and {len(found) - 3} more" if len(found) > 3 else ""
            raise FileFormatError(f"the store is damaged: {'; '.join(found[:3])}{more}; restore it from a copy")

    # ------------------------------------------------------------------ checks

    @contextmanager
    def _change(self) -> Iterator[Edition]:
        """Lock out changes by other threads; yield the edition to change."""
        self._check_writable()
        with self._changing:
            edition = self._opened()
            if self._folder is not None and layout.mark(self._folder) != self._mark:
                raise ConflictError(
                    f"{self._folder} has been replaced or compacted by another writer; nothing was changed; "
                    "open it again"
                )
            yield edition

    def _check_writable(self) -> None:
        if not self._opened().writable:
            raise UnsupportedError(f"{self._folder} is open for reading; open it with writable=True")
        if self._folder is not None and self._process != os.getpid():
            raise ConflictError(
                f"{self._folder} was opened for writing by process {self._process}, and this is process {os.getpid()}, "
                "a child made by fork, which cannot write with it; open the store here, once the parent has closed it"
            )

    def _checked(
        self,
        arrays: Mapping[str, npt.ArrayLike],
        keys: Sequence[str | None] | None,
        documents: Sequence[bytes | None] | None,
        sources: Sequence[str | None] | None,
    ) -> tuple[dict[str, Rows], Entries | None, list[str | None] | None]:
        """Check columns, entries and keys, and return them in the form of the store."""
        self._check_writable()
        rows = self._checked_rows(arrays, None)
        count = len(next(iter(rows.values())))
        given = {"keys": keys, "documents": documents, "sources": sources}
        texts = [None if values is None else checks.listed(values, what) for what, values in given.items()]
        for what, values, kind in zip(("keys", "documents", "sources"), texts, (str, bytes, str), strict=True):
            if values is not None:
                _check_texts(what, values, kind, count)
        return rows, entries.encoded(count, *texts), texts[0]

    def _checked_rows(self, arrays: Mapping[str, npt.ArrayLike], count: int | None) -> dict[str, Rows]:
        columns = self._opened().state.columns
        if arrays.keys() != columns.keys():
            raise ParameterError(f"the columns are {', '.join(columns)}, not {', '.join(arrays) or 'none'}")
        rows: dict[str, Rows] = {}
        for name, (dtype, width) in columns.items():
            rows[name] = _checked_column(name, dtype, width, arrays[name], count)
            count = len(rows[name])
        return rows


def _begun(edition: Edition) -> Edition:
    """Start the log of an empty edition."""
    edition.checkpoint()
    return edition


def _current(folder: Path, kind: str) -> tuple[tuple[int, ...], Edition]:
    """Return the current edition, for reading, and the mark of the file that names it."""
    for attempt in range(layout.ATTEMPTS):
        mark = layout.mark(folder)
        version, current = layout.read_current(folder, kind)
        if version < layout.FORMAT:
            raise FileFormatError(
                f"{folder} has format {version}, and this release reads {layout.FORMAT}; "
                "open it for writing once, which migrates it (on the command line: compact)"
            )
        try:
            edition = Edition.open(current, writable=False)
            if layout.mark(folder) == mark:
                return mark, edition
        except FileNotFoundError as error:  # a writer may just have made another edition current
            if attempt == layout.ATTEMPTS - 1 or layout.mark(folder) == mark:
                raise _incomplete(folder, error) from error
    return mark, edition


def _incomplete(folder: Path, error: FileNotFoundError) -> Exception:
    """Return the error for a missing file."""
    if not folder.is_dir() or error.filename is None:
        return error
    return FileFormatError(f"{error.filename} is missing; restore {folder} from a copy")


def _text(meta: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(meta), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ParameterError(f"meta must be a mapping of JSON values: {error}") from None


def _new_ids(state: State, ids: npt.ArrayLike, count: int) -> Ids:
    given, least = np.asarray(ids), state.next_id
    if given.shape != (count,) or given.dtype.kind not in "iu" or len(distinct(given)) != count:
        raise ParameterError(f"ids must be {count} different integers, not {given.dtype} of shape {given.shape}")
    if count and not least <= int(given.min()) <= int(given.max()) < MOST_ROWS:
        what = given.min() if int(given.min()) < least else given.max()
        raise ParameterError(f"ids must be new, from {least} on, and below 2**32, which {what} is not")
    return given.astype(np.int64)


def _checked_column(name: str, dtype: str, width: int, array: Any, count: int | None) -> Rows:
    """Return rows in the form that a column stores.

    Raises
    ------
    DTypeError
        If the dtype differs in more than byte order.
    DimensionError
        If the shape is not ``(count, width)``; with ``None`` any count is allowed.
    """
    try:
        rows = np.asarray(array)
    except ValueError as error:
        raise DimensionError(f"column {name!r} takes rows of {width} items: {error}") from None
    if rows.dtype.newbyteorder("<") != np.dtype(dtype):
        raise DTypeError(f"column {name!r} has dtype {np.dtype(dtype)}, got {rows.dtype}; convert with astype")
    if rows.ndim != 2 or rows.shape[1] != width or (count is not None and len(rows) != count):
        expected = f"({'n' if count is None else count}, {width})"
        raise DimensionError(f"column {name!r} takes rows of shape {expected}, not {rows.shape}")
    return np.ascontiguousarray(rows, dtype=dtype)


def _column(name: str, column: Any) -> tuple[np.dtype[Any], Any]:
    """Return dtype and width of a column."""
    try:
        kind, width = column
        return np.dtype(kind), width
    except (TypeError, ValueError):
        raise checks.wrong(column, f"column {name!r}", "a dtype and a width, such as ('uint64', 4)") from None


def _checked_columns(columns: Mapping[str, tuple[npt.DTypeLike, int]]) -> dict[str, tuple[str, int]]:
    checked: dict[str, tuple[str, int]] = {}
    for name, column in checks.mapping(columns, "columns").items():
        kind, width = _column(name, column)
        dtype = kind.newbyteorder("<").str
        if not column_name(name):
            raise ParameterError(f"{name!r} is no name for a column; use lower-case letters, digits, underscores")
        if dtype not in DTYPES:
            raise DTypeError(f"column {name!r} cannot have dtype {kind}; expected one of {', '.join(DTYPES)}")
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
        if isinstance(value, str) and len(value) > entries.LONGEST:
            raise ParameterError(f"{what} are texts of at most {entries.LONGEST} characters, not {len(value)}")
        if isinstance(value, str) and value.encode("utf-8", "replace").decode() != value:
            raise ParameterError(f"{what} must be text that UTF-8 can encode, got {value!r}")
    given = [value for value in values if value is not None]
    if what == "keys" and len(set(given)) != len(given):
        raise ParameterError("keys must all be different; one is given twice")


_OPEN: weakref.WeakSet[Store] = weakref.WeakSet()


def _renew_locks() -> None:
    """Give the stores of a forked child new locks, because another thread of the parent may have held one."""
    for store in list(_OPEN):
        store._changing = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)
