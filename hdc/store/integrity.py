"""Verify an edition: compare every byte with its checksum again, and check that the contents are consistent."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from hdc.distinct import distinct
from hdc.errors import FileFormatError
from hdc.store import entries, layout, log
from hdc.store.blocks import BLOCK, digest
from hdc.store.growing import DiskBytes
from hdc.store.snapshot import Snapshot
from hdc.store.state import DEAD, IDS, ROW_BYTES, TABLE, State
from hdc.store.watching import shown

READ = 10_000
"""Rows whose texts are read per block."""


def damage(snapshot: Snapshot) -> Iterator[str]:
    """Yield descriptions of damage in the files of a snapshot, which stays unchanged."""
    found = list(_block_damage(snapshot))
    if not found:
        try:
            found += _sense(snapshot)
        except FileFormatError as error:
            found.append(str(error))
    yield from found


def log_damage(state: State, folder: Path) -> Iterator[str]:
    """Yield descriptions of damage in the log of an edition, given its state."""
    try:
        sealed, records = layout.read_log(folder)
        latest = log.states(folder / log.NAME, records, None)
    except FileFormatError as error:
        yield str(error)
        return
    if not latest.follows(state):
        yield f"{folder}: its log ends at transaction {latest.generation}, and {state.generation} is known"
    if not sealed:
        return
    sizes = {name: _size(folder / name) for name in (*latest.columns, *ROW_BYTES)}
    if layout.read_seal(folder) is not None:  # no writer has started meanwhile
        for name, size in sizes.items():
            if size != latest.extent(name).length:
                yield f"{folder / name}: it has {size} bytes instead of {latest.extent(name).length}"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _block_damage(snapshot: Snapshot) -> Iterator[str]:
    for name, extent in snapshot.state.extents.items():
        file = snapshot.files[name]
        if not isinstance(file, DiskBytes):
            continue
        try:
            content = file.view(extent.length)
        except FileFormatError as error:
            yield str(error)
            continue
        sums = extent.sums.tolist()
        for block, expected in shown(enumerate(sums), len(sums), f"blocks of {name}"):
            if digest(content[block * BLOCK : (block + 1) * BLOCK].data) != expected:
                yield f"{file.path}: block {block} (of {BLOCK} bytes) does not match its checksum"


def _sense(snapshot: Snapshot) -> Iterator[str]:
    """Yield contents that no writer can have written, even if every checksum is right."""
    for name in (IDS, DEAD):
        if snapshot.state.extent(name).length:
            snapshot.files[name].sound = 0
    fresh = replace(snapshot)  # before anything is derived from it
    alive = np.ones(fresh.count, bool) if fresh.alive is None else fresh.alive
    if len(distinct(fresh.ids[alive])) != len(fresh):
        yield f"{fresh.place}: rows share an id"
    keys: set[str] = set()
    starts = range(0, fresh.count if fresh.state.extent(TABLE).length else 0, READ)
    for start in shown(starts, len(starts), "blocks of keys"):
        rows = np.arange(start, min(start + READ, fresh.count))
        hashes = fresh.table(rows)["hash"].tolist()
        for row, number, (key, _, _) in zip(rows.tolist(), hashes, fresh.entries(rows), strict=True):
            if number != (0 if key is None else entries.hash_of(key)):
                yield f"{fresh.place}: the hash of row {row}'s key is another one"
            if key is not None and alive[row]:
                if key in keys:
                    yield f"{fresh.place}: rows share the key {key!r}"
                keys.add(key)
