"""Files of rows in lists, beside their store and memory-mapped: only pages that searches read use memory.

The file is derived data. If it is missing, damaged or of another state of the store, lists are built in memory. It
covers the rows of an edition up to a position. Within an edition, rows keep their positions and bytes, and dead rows
stay dead. So the file serves every later snapshot of the edition, but no earlier one, in which a row may still live.
"""

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from hdc import files
from hdc.errors import FileFormatError
from hdc.search.codes import CODES
from hdc.search.engine import Engine
from hdc.search.partition import Grouping, Part, Partition
from hdc.store import Snapshot
from hdc.store.blocks import BLOCK

KIND, VERSION = "search-lists", 1

LEAST_ROWS = 1 << 16
"""With fewer rows, building lists is as fast as reading a file."""

OPENS = "lists."
"""Prefix of the file names."""

HELD = "held."
"""Prefix of the names of a searcher's own arrays."""

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass
class ListFile:
    """The file of the lists of one store, in one layout.

    Parameters
    ----------
    folder : Path
    layout : str
        Name of the layout. It is part of the file name, so backends do not overwrite each other's files.
    model : str
        Identifies what the lists were built with.
    arrays_of, held_of : functions
        Convert a searcher's data to arrays and back, without a copy; ``held_of`` raises FileFormatError if it cannot.
    least : int, optional
        Fewest rows that are stored; LEAST_ROWS by default.
    """

    folder: Path
    layout: str
    model: str
    arrays_of: Callable[[Any], Arrays]
    held_of: Callable[[Arrays], Any]
    least: int | None = None
    _there: Any = field(default=None, init=False)
    """Data of the part that the file contains."""

    @property
    def path(self) -> Path:
        """Path of the file."""
        return self.folder / f"{OPENS}{self.layout}"

    def read(self, grouping: Grouping) -> tuple[Part, int] | None:
        """Return the rows in lists and the position where they end, or None if there is no valid file for them.

        Every byte is checked against its checksum, and every index against the array that it points into.
        """
        snapshot = grouping.snapshot
        try:
            meta, arrays = files.load(self.path, KIND, version=VERSION, mmap=True)
            if not self._serves(meta, snapshot):
                return None
            plain = {name: array.view(np.ndarray) for name, array in arrays.items()}
            held = self.held_of({n.removeprefix(HELD): a for n, a in plain.items() if n.startswith(HELD)})
            part = Part(plain["rows"], plain.get("ids", plain["rows"]), plain["starts"], held)
        except (FileFormatError, OSError, KeyError):
            return None
        if not _sound(part, grouping, meta["stop"]):
            return None
        self._there = held
        return part, meta["stop"]

    def write(self, partition: Partition) -> None:
        """Write the large part of a partition, unless the file contains it already, or it is small.

        Raises
        ------
        OSError
            If it cannot be written; an existing file is then unchanged.
        """
        part = partition.parts[0]
        if part.held is self._there or self.has_few(len(part.held)):
            return
        arrays = {"rows": part.rows, "starts": part.starts}
        if part.ids is not part.rows:
            arrays["ids"] = part.ids
        arrays |= {HELD + name: array for name, array in self.arrays_of(part.held).items()}
        snapshot = partition.grouping.snapshot
        meta = {**self._meta(snapshot, partition.stop), "generation": snapshot.generation}
        files.save(self.path, KIND, meta, arrays, version=VERSION, quick=True)
        self._there = part.held

    def has_few(self, rows: int) -> bool:
        """Return whether so few rows are not worth a file."""
        return rows < (LEAST_ROWS if self.least is None else self.least)

    def check(self) -> None:
        """Raise FileFormatError if a file, of any layout, is damaged."""
        for path in list_files_in(self.folder):
            files.load(path, KIND, version=VERSION, mmap=True)

    def _serves(self, meta: dict[str, Any], snapshot: Snapshot) -> bool:
        """Return whether a file contains exactly the rows of a snapshot up to the file's end."""
        stop, generation = meta.pop("stop", None), meta.pop("generation", None)
        if type(stop) is not int or type(generation) is not int or not 0 <= stop <= snapshot.count:
            return False
        meta["stop"] = stop
        return generation <= snapshot.generation and meta == self._meta(snapshot, stop)

    def _meta(self, snapshot: Snapshot, stop: int) -> dict[str, Any]:
        """Return what identifies the file's rows; checksums of whole blocks show that they are unchanged."""
        whole = stop * snapshot.state.row_bytes(CODES) // BLOCK
        sums = snapshot.state.extent(CODES).sums[:whole].astype("<u8")
        return {
            "edition": snapshot.edition,
            "stop": stop,
            "model": self.model,
            "codes": xxhash.xxh3_128_hexdigest(sums.tobytes()),
        }


def _sound(part: Part, grouping: Grouping, stop: int) -> bool:
    """Return whether rows and ids belong to the snapshot and match the lists."""
    n, starts, numbers = len(part.held), part.starts, (part.rows, part.ids)
    if any(array.dtype != np.int64 or array.ndim != 1 for array in (starts, *numbers)):
        return False
    if len(starts) != grouping.lists + 1 or (starts[0], starts[-1]) != (0, n) or (np.diff(starts) < 0).any():
        return False
    if not all(len(array) >= n and bool((array[n:] == -1).all()) for array in numbers):
        return False
    if n == 0:
        return True
    rows, ids, next_id = part.rows[:n], part.ids[:n], grouping.snapshot.state.next_id
    return bool(rows.min() >= 0 and rows.max() < stop and ids.min() >= -1 and ids.max() < next_id)


def list_files_in(folder: Path) -> list[Path]:
    """Return the files of lists in a folder, in all layouts."""
    return sorted(folder.glob(f"{OPENS}*"))


def _partition_of(prepared: Any) -> Partition:
    partition: Partition = prepared.partition
    return partition


def keep_lists(
    engine: Engine, file: ListFile | None, partition_of: Callable[[Any], Partition | None] = _partition_of
) -> None:
    """Write the lists of an index open for writing; call it before the store closes and after compaction.

    Lists that no search has built are built only if a file exists, so that it stays up to date. If the disk is full,
    the next searcher builds the lists. ``partition_of`` returns the part of a prepared snapshot to write, or None.
    """
    store = engine.store
    if file is None or not store.is_open or not store.writable or file.has_few(len(store)):
        return
    if engine.latest is None and not file.path.exists():
        return
    with contextlib.suppress(OSError, FileFormatError):  # a search raises the error for damaged data
        partition = partition_of(engine.prepared())
        if partition is not None:
            file.write(partition)
