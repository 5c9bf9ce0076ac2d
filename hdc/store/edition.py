"""One edition of a store: a catalogue and its columns, in a folder or in memory."""

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc import files
from hdc.store import layout
from hdc.store.catalogue import Catalogue, Change, Entry
from hdc.store.columns import BLOCK, Column, FileColumn, MemoryColumn, Rows, block_sums

ID = "id"
"""The column of ids, made when ids first differ from positions."""

COPIED = 10_000
"""Rows that are copied in one transaction."""

Ids = npt.NDArray[np.int64]


def some(entries: list[Entry]) -> list[Entry] | None:
    """Return the entries, or None if they are all empty and need no place in the catalogue."""
    return entries if any(value is not None for entry in entries for value in entry) else None


class Edition:
    """Rows, their keys and documents, addressed by position.

    Parameters
    ----------
    folder : Path or None
        None keeps everything in memory.
    writable : bool
        Whether to write; what a killed writer left behind the committed rows is cut off then.
    settings : dict, optional
        Given, the edition is created, of no rows: ``"columns"`` maps names to [dtype, width], ``"meta"`` is the
        caller's.

    Raises
    ------
    FileFormatError
        If the edition is damaged where it is read.
    OSError
        If it cannot be read or written.
    """

    def __init__(self, folder: Path | None, *, writable: bool = True, settings: dict[str, Any] | None = None) -> None:
        self.folder, self.writable = folder, writable
        path = None if folder is None else folder / layout.CATALOGUE
        self._sealed = folder is not None and layout.read_seal(folder) is not None
        self.catalogue = Catalogue(path, writable=writable, settings=settings)
        self.columns: dict[str, Column] = {}
        try:
            self._load()
            if writable:
                self._cut()
        except BaseException:
            self.close(seal=False)
            raise

    @property
    def count(self) -> int:
        """Number of rows, dead ones included."""
        return self.catalogue.state.rows

    @property
    def meta(self) -> Any:
        """The caller's setting."""
        return json.loads(self._meta)

    def _load(self) -> None:
        """Read what a transaction may have changed, all of the same one."""
        with self.catalogue.still():
            columns: dict[str, tuple[str, int]] = json.loads(self.catalogue.setting("columns"))
            self._meta = self.catalogue.setting("meta")
            self.dead = self.catalogue.dead()
        for name in self.columns.keys() - columns.keys():
            self.columns.pop(name).close()
        for name, (dtype, width) in columns.items():
            if name not in self.columns:
                self.columns[name] = self._column(name, dtype, width)
            self.columns[name].rows(self.count)

    def _column(self, name: str, dtype: str, width: int) -> Column:
        if self.folder is None:
            return MemoryColumn(name, dtype, width)
        return FileColumn(name, dtype, width, self.folder / name, self.writable)

    def _cut(self) -> None:
        for column in self.columns.values():
            column.cut(self.count)

    def refresh(self) -> bool:
        """Go on to the latest transaction; return whether there was one."""
        before = self.catalogue.state
        self._load()
        return self.catalogue.state != before

    def ids(self) -> Ids:
        """Return the id of every row."""
        if ID in self.columns:
            ids: Ids = self.columns[ID].rows(self.count)[:, 0]
            return ids
        return np.arange(self.count, dtype=np.int64)

    def close(self, *, seal: bool = True) -> None:
        """Close the files, and seal the catalogue if it was written."""
        for column in self.columns.values():
            column.close()
        self.catalogue.close()
        if seal and self.folder is not None and self.writable and not self._sealed:
            with contextlib.suppress(OSError):  # a full disk: unsealed, everything is there and checked row by row
                layout.write_seal(self.folder)

    # ------------------------------------------------------------------ writing

    @contextlib.contextmanager
    def _change(self, prepare: Callable[[], None] = lambda: None) -> Iterator[Change]:
        """Open a transaction, after writing what it is going to point at; undo both if an error leaves the block."""
        if self._sealed and self.folder is not None:
            layout.break_seal(self.folder)
            self._sealed = False
        try:
            prepare()
            with self.catalogue.change() as change:
                yield change
        except BaseException:
            self._load()
            self._cut()
            raise

    def write(
        self,
        arrays: Mapping[str, Rows],
        entries: Iterable[Entry] | None = None,
        ids: Ids | None = None,
        dying: Sequence[int] = (),
    ) -> Ids:
        """Append rows and mark others as dead, in one transaction; return the ids of the new ones.

        Parameters
        ----------
        arrays : mapping of names to (n, width) arrays
            One for each column but the ids.
        entries : iterable of n (key, document, source), or None
        ids : (n,) int64 array, or None
            Of the rows, -1 where a new one is to be given; None gives new ones to all.
        dying : positions of live rows
        """
        state = self.catalogue.state
        count = len(next(iter(arrays.values())))
        ids = np.full(count, -1, np.int64) if ids is None else ids
        new = ids < 0
        ids = np.where(new, state.next_id + np.cumsum(new) - 1, ids)
        next_id = max(state.next_id, int(ids.max(initial=-1)) + 1)
        if ID in self.columns or not np.array_equal(ids, np.arange(state.rows, state.rows + count)):
            arrays = {**arrays, ID: ids[:, None]}
        sums: dict[str, list[tuple[int, int]]] = {}
        with self._change(lambda: sums.update(self._write_columns(arrays))) as change:
            change.set("columns", {name: (column.dtype.str, column.width) for name, column in self.columns.items()})
            for name, blocks in sums.items():
                change.sum_blocks(name, blocks)
            change.kill(dying)
            change.add(entries, count, next_id)
        if len(dying):
            self.dead = np.union1d(self.dead, np.asarray(dying, dtype=np.int64))
        return ids

    def _write_columns(self, arrays: Mapping[str, Rows]) -> Iterator[tuple[str, list[tuple[int, int]]]]:
        """Write rows behind the committed ones; yield the block checksums of each column."""
        for name, rows in arrays.items():
            first = self.count
            if name not in self.columns:
                self.columns[name] = self._column(name, "<i8", 1)
                rows, first = np.concatenate([np.arange(first)[:, None], rows]), 0
                if self.folder is not None:
                    files.sync_folder(self.folder)
            column = self.columns[name]
            start = first * column.row_bytes
            last = self.catalogue.block_sum(name, start // BLOCK)
            column.write(first, rows)
            yield name, list(block_sums(start, column.raw(rows), last))

    def remove(self, rows: Sequence[int]) -> None:
        """Mark live rows as dead."""
        with self._change() as change:
            change.kill(rows)
        self.dead = np.union1d(self.dead, np.asarray(rows, dtype=np.int64))

    def set_meta(self, meta: Any) -> None:
        """Replace the caller's setting."""
        with self._change() as change:
            change.set("meta", meta)
        self._meta = self.catalogue.setting("meta")

    def copy_to(self, target: "Edition") -> None:
        """Append the live rows, with their ids, to an edition of the same columns."""
        ids = self.ids()
        live = np.setdiff1d(np.arange(self.count), self.dead, assume_unique=True)
        names = [name for name in self.columns if name != ID]
        for start in range(0, self.count, COPIED):
            rows = live[slice(*np.searchsorted(live, [start, start + COPIED]))]
            if len(rows):
                arrays = {name: self.columns[name].rows(self.count)[rows] for name in names}
                held = self.catalogue.entries(start, start + COPIED)
                target.write(arrays, some([held[row - start] for row in rows.tolist()]), ids[rows])
        with target._change() as change:
            change.add(None, 0, self.catalogue.state.next_id)

    # ------------------------------------------------------------------ checking

    def damage(self) -> Iterator[str]:
        """Yield what is wrong with the edition."""
        with self.catalogue.still():
            seal = None if self.folder is None else layout.read_seal(self.folder)
            if self.folder is not None and seal is not None:
                path = self.folder / layout.CATALOGUE
                if layout.file_digest(path) != seal["digest"]:
                    yield f"{path}: its bytes are not those it was closed with"
            yield from self.catalogue.damage()
            for column in self.columns.values():
                yield from self._column_damage(column, exact=seal is not None)

    def _column_damage(self, column: Column, exact: bool) -> Iterator[str]:
        if isinstance(column, FileColumn) and exact and column.size() != self.count * column.row_bytes:
            yield f"{column.path}: it has {column.size()} bytes instead of {self.count * column.row_bytes}"
        found = dict(block_sums(0, column.raw(column.rows(self.count)), 0))
        stored = self.catalogue.block_sums(column.name)
        for block in sorted(found.keys() | stored.keys()):
            if found.get(block) != stored.get(block):
                yield f"column {column.name!r}: block {block} (of {BLOCK} bytes) does not match its checksum"
