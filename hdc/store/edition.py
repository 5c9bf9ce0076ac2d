"""One edition of a store: a log and its files, in a folder or in memory."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hdc.errors import ConflictError, ParameterError
from hdc.store import disk, layout, log
from hdc.store.blocks import BLOCK, Hasher, Ints, extended
from hdc.store.entries import Entries
from hdc.store.growing import DiskBytes, Growing, MemoryBytes
from hdc.store.log import Log
from hdc.store.lookup import Lookup
from hdc.store.snapshot import Rows, Snapshot
from hdc.store.state import DEAD, IDS, MOST_ROWS, ROW_BYTES, TABLE, TEXTS, Extent, State, damaged, new_edition
from hdc.store.watching import shown

MEMORY = "memory"
"""Name of a store without a folder in messages."""

COPIED_ROWS, COPIED_BYTES = 10_000, 1 << 24
"""Most bytes to copy at a time (and at least one row)."""


class Edition:
    """Rows, their keys and documents; made by :meth:`create` and :meth:`open`.

    :attr:`snapshot` is the current state. A change replaces it by one assignment once the change is durable. The
    caller ensures that nobody else changes the edition at the same time.
    """

    def __init__(self, folder: Path | None, number: int, state: State, last: Log | log.Record | None) -> None:
        self.folder, self.number = folder, number
        self._log = last if isinstance(last, Log) else None
        self._last = last if isinstance(last, log.Record) else None
        self._files: dict[str, Growing] = {}
        self._tails: dict[str, Any] = {}
        self._lookups = {IDS: Lookup(), TABLE: Lookup()}
        self._sealed = self._renew = False
        self.unsynced: list[Path] = []
        """Folders with names that are not durable yet."""
        self.snapshot = self._snapshot(state)

    @classmethod
    def create(cls, folder: Path | None, number: int, state: State) -> "Edition":
        """Create an edition without rows in an empty folder, where :meth:`begin` starts its log; or in memory."""
        return cls(folder, number, state, None)

    @classmethod
    def open(cls, folder: Path, *, writable: bool) -> "Edition":
        """Open the edition in a folder. Opening for writing cuts off what a killed writer left.

        Raises
        ------
        FileFormatError
            If the edition is damaged where that is seen at once.
        OSError
            If it cannot be read or written.
        """
        sealed, records = layout.read_log(folder)
        state = log.states(folder / log.NAME, records, None)
        last: Log | log.Record = records[-1]
        if writable:
            last = Log(folder / log.NAME, records[-1], records[0].end)
        edition = cls(folder, int(folder.name), state, last)
        edition._sealed, edition._renew = sealed, writable and not sealed
        if isinstance(last, Log):
            edition._clear()
            if not sealed:  # what a killed writer wrote last counts now, and may not be durable
                last.sync()
                edition.name_unsynced(folder.parent)
                edition.name_unsynced(folder)
        return edition

    @property
    def state(self) -> State:
        """The state that counts."""
        return self.snapshot.state

    @property
    def writable(self) -> bool:
        """Whether it may be changed."""
        return self.folder is None or self._last is None

    def _snapshot(self, state: State) -> Snapshot:
        """Return a state as a snapshot; its files are open and long enough."""
        for name, extent in state.extents.items():
            file = self._file(name)
            if isinstance(file, DiskBytes):
                file.check_size(extent.length)
        files = {name: self._files[name] for name in state.extents}
        place = MEMORY if self.folder is None else str(self.folder)
        return Snapshot(state, files, self._lookups, place)

    def _file(self, name: str) -> Growing:
        if name not in self._files:
            self._files[name] = (
                MemoryBytes() if self.folder is None else DiskBytes(self.folder / name, writable=self._last is None)
            )
        return self._files[name]

    def _clear(self) -> None:
        """Drop what a killed writer left: bytes after the committed ones, and files that are in no state."""
        if self.folder is None:
            return
        for name, file in self._files.items():
            file.cut(self.state.extent(name).length)
        with contextlib.suppress(OSError):
            for name in {*self.state.columns, *ROW_BYTES} - self._files.keys():
                disk.unlink(self.folder / name)
            for path in self.folder.glob(f".{log.NAME}.*.tmp"):
                disk.unlink(path)

    # ------------------------------------------------------------------ reading

    def refresh(self) -> "Edition":
        """Return the edition at the latest state of its log: this one, or a new one if its bytes are others."""
        if self.folder is None or self._last is None:
            return self
        records, continued = log.read(self.folder / log.NAME, self._last)
        if continued and not records:
            return self
        state = log.states(self.folder / log.NAME, records, self.state if continued else None)
        if not state.follows(self.state):
            return Edition.open(self.folder, writable=False)
        if state.generation > self.state.generation:
            self.snapshot = self._snapshot(state)
        self._last = records[-1]
        return self

    # ------------------------------------------------------------------ writing

    @contextlib.contextmanager
    def change(self) -> Iterator["Change"]:
        """Open a transaction: durable, and shown by the snapshot, at the end of the block; undone after an error.

        Raises
        ------
        ConflictError
            If somebody else has changed the edition.
        OSError
            If the disk fails. The text says whether the change was made.
        """
        change = Change(self)
        try:
            self.check_unchanged()
            self._prepare_folder()
            yield change
            change.sync()
            state = replace(change.state, generation=self.state.generation + 1)
            self._commit(state, change.tails)
        except BaseException as error:
            change.undo()
            if isinstance(error, OSError):
                raise self._told(error) from error
            raise
        if self._log is not None and self._log.long:
            with contextlib.suppress(OSError):
                self.checkpoint()

    def check_unchanged(self) -> None:
        """Raise ConflictError if somebody else has changed the edition, or an error has left its end unknown."""
        if self._log is not None:
            self._log.check_unchanged()

    def _commit(self, state: State, tails: Mapping[str, Any]) -> None:
        snapshot = self._snapshot(state)
        if (records := self._log) is None:
            self._adopt(snapshot, tails)
            return
        before = records.last
        try:
            records.append(state.record(self.state))
        finally:
            if records.last is not before:  # it is committed, whatever interrupts this code
                self._adopt(snapshot, tails)
            elif records.seen and not records.unknown:
                self._tell_withdrawal()

    def _adopt(self, snapshot: Snapshot, tails: Mapping[str, Any]) -> None:
        self._tails.update(tails)
        self.snapshot = snapshot

    def _tell_withdrawal(self) -> None:
        """Warn readers who saw a record that was withdrawn not to build on it."""
        self.snapshot = self._snapshot(replace(self.state, edition=new_edition()))
        with contextlib.suppress(OSError):
            self.checkpoint()

    def _told(self, error: OSError) -> OSError:
        where = self.folder if error.filename is None else error.filename
        why = error.strerror or str(error)
        if self._log is not None and self._log.unknown:
            then = "it is not known whether the change was made: close the store and open it again, which shows"
        else:
            then = "nothing was changed"
        return OSError(error.errno, f"{why}: {where}; {then}")

    def _prepare_folder(self) -> None:
        """Make the log's name durable, and remove the seal, which would say that the log is complete."""
        if self.folder is None:
            return
        while self.unsynced:
            disk.sync_folder(self.unsynced[-1])
            self.unsynced.pop()
        if self._sealed:
            layout.break_seal(self.folder)
            self._sealed = False
        if self._renew:  # after a killed writer, its last bytes may be only in the system's cache
            self._renew = False
            try:
                self.checkpoint()
            except BaseException:
                self._renew = True
                raise

    def checkpoint(self) -> None:
        """Rewrite the log as one record.

        Raises
        ------
        OSError
            If that fails. What there is stays as durable as it was.
        """
        if self.folder is None:
            return
        self._prepare_folder()
        if self._log is not None:
            self._log.close()  # some systems cannot replace an open file
        try:
            new = Log.create(self.folder / log.NAME, self.state.record())
        except BaseException:
            if self._log is not None:
                self._log.reopen()
            raise
        self._log = new
        self.name_unsynced(self.folder)

    def name_unsynced(self, folder: Path) -> None:
        """Sync a folder in which a name has changed, now or, if that fails, before the next change."""
        self.unsynced.append(folder)
        with contextlib.suppress(OSError):
            disk.sync_folder(folder)
            self.unsynced.remove(folder)

    def write(
        self,
        arrays: Mapping[str, Rows],
        entries: Entries | None = None,
        ids: Ints | None = None,
        dying: Sequence[int] = (),
    ) -> Ints:
        """Append rows and mark others as dead, in one transaction; as :meth:`Change.write`."""
        with self.change() as change:
            return change.write(arrays, entries, ids, dying)

    def copy_to(self, target: "Edition") -> None:
        """Put the live rows, with their ids, into an edition of the same columns and no rows, which is durable then."""
        snapshot, change = self.snapshot, Change(target)
        live = np.arange(snapshot.count) if snapshot.alive is None else np.flatnonzero(snapshot.alive)
        row_bytes = sum(self.state.row_bytes(name) for name in snapshot.columns)
        portions = list(_portions(live, row_bytes + snapshot.text_bytes(live)))
        for rows in shown(portions, len(portions), "blocks of rows"):
            arrays = {name: snapshot.take(name, rows) for name in snapshot.columns}
            change.write(arrays, snapshot.raw_entries(rows), snapshot.ids[rows])
        change.finish(self.state.next_id)

    def close(self) -> None:
        """Rewrite the log if it has several records, and seal it; failures are ignored."""
        if self._log is None or self.folder is None:
            return
        with contextlib.suppress(OSError, ConflictError):  # on a full disk: without a seal, everything is still there
            self.check_unchanged()
            if self._renew or not self._log.single:
                self._renew = False
                self.checkpoint()
            if not self._sealed and not self.unsynced and self._exact():
                layout.write_seal(self.folder, self._log.last)
                self._sealed = True
        self._log.close()

    def _exact(self) -> bool:
        """Return whether files durably have exactly the committed bytes; the disk may have refused to cut them.

        Raises
        ------
        OSError
            If a file that was cut cannot be synced.
        """
        for file in self._files.values():
            file.sync_cut()
        sizes = ((self.state.extent(name).length, file.size()) for name, file in self._files.items())
        return all(length == size for length, size in sizes)

    def abandon(self) -> None:
        """Close the log and leave everything unchanged."""
        if self._log is not None:
            self._log.close()


def _portions(rows: Ints, size: Ints) -> Iterator[Ints]:
    """Divide rows of given sizes into portions to copy."""
    ends = np.cumsum(size)
    first = 0
    while first < len(rows):
        before = int(ends[first - 1]) if first else 0
        stop = int(np.searchsorted(ends, before + COPIED_BYTES, "right"))
        stop = min(max(stop, first + 1), first + COPIED_ROWS)
        yield rows[first:stop]
        first = stop


def _check_numbers(rows: int, next_id: int) -> None:
    """Raise ParameterError if an edition would exceed the limit of rows or ids."""
    if next_id > MOST_ROWS:
        raise ParameterError(
            f"the store has no new ids left: ids are below 2**32, and {next_id - 1} would be the last; build it anew"
        )
    if rows > MOST_ROWS:
        raise ParameterError(f"a store has at most 2**32 rows, replaced ones included, not {rows}; compact it")


class Change:
    """A transaction in the making. It writes behind what counts, so that nobody sees it.

    Attributes
    ----------
    state : State
        What it would leave behind.
    tails : dict
        Running checksums of the files that grew.
    """

    def __init__(self, edition: Edition) -> None:
        self._edition = edition
        self.state = edition.state
        self.tails: dict[str, Any] = {}

    def extend(self, name: str, *parts: Any) -> None:
        """Append bytes to a file."""
        parts = tuple(part for part in (memoryview(part).cast("B") for part in parts) if len(part))
        if not parts:
            return
        extent, file = self.state.extent(name), self._edition._file(name)
        length = extent.length
        for part in parts:
            file.write(length, part)
            length += len(part)
        sums = extent.sums
        if isinstance(file, DiskBytes):
            sums, self.tails[name] = extended(sums, extent.length, self._tail(name, file, extent), parts)
        self.state = replace(self.state, extents={**self.state.extents, name: Extent(length, sums)})

    def _tail(self, name: str, file: DiskBytes, extent: Extent) -> Any:
        """Return the running checksum of a file's last block; damage that it would hide is reported."""
        if name in self.tails:
            return self.tails[name]
        if name in self._edition._tails:
            return self._edition._tails[name]
        hasher = Hasher()
        if inside := extent.length % BLOCK:
            hasher.update(file.view(extent.length)[-inside:].data)
            if hasher.intdigest() != int(extent.sums[-1]):
                raise damaged(file.path, f"block {extent.length // BLOCK} does not match its checksum")
        return hasher

    def write(
        self, arrays: Mapping[str, Rows], entries: Entries | None, ids: Ints | None, dying: Sequence[int] = ()
    ) -> Ints:
        """Append rows and mark others as dead; return the ids of the new ones.

        Parameters
        ----------
        arrays : mapping of names to (n, width) arrays
            One for each column.
        entries : Entries of n rows, or None
        ids : (n,) int64 array, or None
            Ids of the rows, -1 for a new one; None assigns new ones to all.
        dying : positions of live rows

        Raises
        ------
        ParameterError
            If there are no ids left, or no rows.
        """
        rows, count = self.state.rows, len(next(iter(arrays.values())))
        ids = np.full(count, -1, np.int64) if ids is None else ids
        new = ids < 0
        ids = np.where(new, self.state.next_id + np.cumsum(new) - 1, ids)
        next_id = max(self.state.next_id, int(ids.max(initial=-1)) + 1)
        _check_numbers(rows + count, next_id)
        for name, array in arrays.items():
            self.extend(name, raw(array))
        has_ids = self.state.extent(IDS).length > 0
        if has_ids or not np.array_equal(ids, np.arange(rows, rows + count)):
            self.extend(IDS, *(() if has_ids else (raw(np.arange(rows)),)), raw(ids))
        self._write_entries(entries, rows, count)
        self.kill(dying)
        self.state = replace(self.state, rows=rows + count, next_id=next_id)
        return ids

    def _write_entries(self, entries: Entries | None, rows: int, count: int) -> None:
        has_table = self.state.extent(TABLE).length > 0
        size = self.state.row_bytes(TABLE)
        if entries is not None:
            table = entries.table.copy()
            table["start"] += np.uint64(self.state.extent(TEXTS).length)
            self.extend(TEXTS, entries.texts)
            self.extend(TABLE, *(() if has_table else (bytes(rows * size),)), raw(table))
        elif has_table:
            self.extend(TABLE, bytes(count * size))

    def kill(self, rows: Sequence[int]) -> None:
        """Mark live rows as dead."""
        self.extend(DEAD, raw(np.asarray(rows, dtype="<i8")))

    def set_meta(self, meta: str) -> None:
        """Replace the caller's setting."""
        self.state = replace(self.state, meta=meta)

    def reserve(self, next_id: int) -> None:
        """Assign no id below this one from now on."""
        _check_numbers(self.state.rows, next_id)
        self.state = replace(self.state, next_id=max(self.state.next_id, next_id))

    def finish(self, next_id: int) -> None:
        """Commit the written rows as the first state of an edition that has no log yet."""
        _check_numbers(self.state.rows, next_id)
        self.sync()
        state = replace(self.state, next_id=next_id)
        self._edition._adopt(self._edition._snapshot(state), self.tails)
        self._edition.checkpoint()

    def sync(self) -> None:
        """Wait until the disk has everything that was written."""
        grown = [name for name in self.state.extents if name in self.tails]
        for name in grown:
            self._edition._files[name].sync()
        if self._edition.folder is not None and any(name not in self._edition.state.extents for name in grown):
            disk.sync_folder(self._edition.folder)

    def undo(self) -> None:
        """Drop the written bytes, unless they are, or may be, committed, or belong to another writer."""
        try:
            self._edition.check_unchanged()
        except (ConflictError, OSError):
            return
        for name, file in self._edition._files.items():
            file.cut(self._edition.state.extent(name).length)


def raw(array: Rows) -> memoryview:
    """Return the bytes of an array."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
