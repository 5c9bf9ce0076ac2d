"""Rows in lists, kept in a file beside their store and mapped from it: memory only for the pages that searches touch.

The file is derived: it may be missing, damaged or of another state of the store, and lists are then made in memory.
It holds the rows of an edition up to some position. Within an edition, rows keep positions and bytes, and dead ones
stay dead, so that it serves every later snapshot of the edition too, and no earlier one: a row may have died in
between.
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
"""Fewer rows are put in lists as fast as a file is read."""

OPENS = "lists."
"""Opens the names of the files."""

HELD = "held."
"""Opens the names of what a searcher holds of the rows."""

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass
class ListFile:
    """The file of the lists of one store, for one layout.

    Parameters
    ----------
    folder : Path
    layout : str
        Name of the layout of what is held; of the file too, so that backends do not overwrite each other's.
    model : str
        What tells what the lists were made with from anything else.
    arrays_of, held_of : functions
        Turn what is held into arrays, and back, without a copy; ``held_of`` raises FileFormatError where it cannot.
    least : int, optional
        Fewer rows are not kept; LEAST_ROWS if left out.
    """

    folder: Path
    layout: str
    model: str
    arrays_of: Callable[[Any], Arrays]
    held_of: Callable[[Arrays], Any]
    least: int | None = None
    _there: Any = field(default=None, init=False)
    """What is held by the part that is in the file."""

    @property
    def path(self) -> Path:
        """Where the file is."""
        return self.folder / f"{OPENS}{self.layout}"

    def read(self, grouping: Grouping) -> tuple[Part, int] | None:
        """Return the rows in lists and where, in the snapshot, they end; None where there is no sound file of them.

        Every byte is compared with its checksum, and what is an address is held against what it addresses.
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
        """Write the large part of a partition, unless it is the one that is there, or small.

        Raises
        ------
        OSError
            If it cannot be written; a file that is there then stays.
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
        """Return whether so many rows are not worth a file."""
        return rows < (LEAST_ROWS if self.least is None else self.least)

    def check(self) -> None:
        """Raise FileFormatError if a file, of whatever layout, is there and damaged."""
        for path in list_files_in(self.folder):
            files.load(path, KIND, version=VERSION, mmap=True)

    def _serves(self, meta: dict[str, Any], snapshot: Snapshot) -> bool:
        """Return whether the rows of a file are those that a snapshot has up to where the file ends."""
        stop, generation = meta.pop("stop", None), meta.pop("generation", None)
        if type(stop) is not int or type(generation) is not int or not 0 <= stop <= snapshot.count:
            return False
        meta["stop"] = stop
        return generation <= snapshot.generation and meta == self._meta(snapshot, stop)

    def _meta(self, snapshot: Snapshot, stop: int) -> dict[str, Any]:
        """Return what the file is of: the checksums of whole blocks say that the rows are still the same ones."""
        whole = stop * snapshot.state.row_bytes(CODES) // BLOCK
        sums = snapshot.state.extent(CODES).sums[:whole].astype("<u8")
        return {
            "edition": snapshot.edition,
            "stop": stop,
            "model": self.model,
            "codes": xxhash.xxh3_128_hexdigest(sums.tobytes()),
        }


def _sound(part: Part, grouping: Grouping, stop: int) -> bool:
    """Return whether rows and ids are of the snapshot, and as many as the lists have."""
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
    """Return the files of lists in a folder, of all layouts."""
    return sorted(folder.glob(f"{OPENS}*"))


def _partition_of(prepared: Any) -> Partition:
    partition: Partition = prepared.partition
    return partition


def keep_lists(
    engine: Engine, file: ListFile | None, partition_of: Callable[[Any], Partition | None] = _partition_of
) -> None:
    """Write the lists of an index that is open for writing; before its store is closed, and after it was compacted.

    Lists that no search has asked for are made only where a file is there, so that it does not fall behind. A disk
    that is full leaves them to be made by whoever searches. ``partition_of`` returns what of a prepared snapshot is
    written, if anything is.
    """
    store = engine.store
    if file is None or not store.is_open or not store.writable or file.has_few(len(store)):
        return
    if engine.latest is None and not file.path.exists():
        return
    with contextlib.suppress(OSError, FileFormatError):  # what is damaged is told by who searches
        partition = partition_of(engine.prepared())
        if partition is not None:
            file.write(partition)
