"""Merge indexes into one, and split an index into shards; rows are copied unchanged."""

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from hdc import checks
from hdc.checks import integer
from hdc.errors import ParameterError
from hdc.files import sync_folder
from hdc.search.build import Build
from hdc.search.index import Index
from hdc.search.live import live
from hdc.search.measures import Ids
from hdc.search.shards import MOST_SHARDS, OFFSET, SHARD, Sharded, note_count
from hdc.store import JoinedSnapshot, Snapshot, Store
from hdc.store.state import MOST_ROWS
from hdc.store.watching import shown

I = TypeVar("I", bound=Index)  # noqa: E741

BLOCK = 1 << 16
"""Rows copied at a time."""

Pack = Callable[[Iterable[bytes]], list[bytes]]

Create = Callable[[Path, Any], I]
"""Creates an empty index that can store the rows of another one."""

Fill = Callable[[I, Snapshot, Ids, Ids | None], None]
"""Copies rows of a snapshot, in order of ids, to an index: with the given ids, or renumbered."""


def merged(
    source: Sharded[Any],
    places: list[Path],
    output: str | os.PathLike[str],
    settings: Mapping[str, Any],
    create: Create[I],
    open: Callable[[Path], I],
    fill: Fill[I],
    *,
    inside: str = "",
) -> int:
    """Merge the rows of shards into one index; return how many rows it has.

    Rows keep their ids if one index can store them. Otherwise they are renumbered in order of ids. After an
    interruption, the same call resumes.

    Parameters
    ----------
    source : Sharded
        Must be open.
    places : list of Path
        Folders of its shards.
    output : path
        An existing index is replaced.
    settings : mapping of JSON values
        What the index depends on besides its rows.
    create : function of a folder and an index
        Creates an empty index that can store the rows of the other one.
    open : function of a folder
        Opens the unfinished index for writing.
    fill : function
    inside : str
        Relative path of the store in an index's folder.

    Raises
    ------
    ParameterError
        If the shards have more than 2**32 rows, two rows have the same key, or something else exists at ``output``.
    FileFormatError, BlockingIOError, OSError
        As :class:`Build` and the index.
    """
    snapshot = source.store.snapshot
    if len(snapshot) > MOST_ROWS:
        raise ParameterError(f"an index has at most 2**32 rows, not {len(snapshot)}; search the shards instead")
    with Build(output, source.KIND, inside=inside, inputs=places) as build:
        states = [[part.edition, part.generation] for part in snapshot.parts]
        build.begin({"inputs": [list(map(os.path.abspath, places)), states], **settings})
        with build.opened(open, lambda folder: create(folder, source.shards[0])) as index:
            rows, kept = by_id(snapshot)[len(index) :], snapshot.state.next_id <= MOST_ROWS
            fill(index, snapshot, rows, snapshot.ids[rows] if kept else None)
            if kept:
                index.store.reserve(snapshot.state.next_id)
            count = len(index)
        build.finish()
    return count


def divided(source: Index, n: int, output: str | os.PathLike[str], create: Create[I], fill: Fill[I]) -> list[Path]:
    """Split an index into n shards of nearly equally many rows, in order of ids; return their folders.

    Each shard stores in its meta the id of its row 0 in the whole, so rows keep their ids.

    Parameters
    ----------
    source : Index
        Must be open.
    n : int
        From 1 to its number of rows.
    output : path
        A new folder. It is created completely or not at all.
    create : function of a folder and an index
        As for :func:`merged`.
    fill : function

    Raises
    ------
    ParameterError
        If n is out of range, or ``output`` exists.
    FileFormatError, OSError
        As the index.
    """
    folder = Path(os.path.abspath(checks.path(output, "output")))
    if os.path.lexists(folder):
        raise ParameterError(f"{folder} exists; name a new folder")
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.new")
    snapshot = source.store.snapshot
    rows = by_id(snapshot)
    parts = np.array_split(rows, integer(n, "n", 1, min(MOST_SHARDS, max(1, len(rows)))))
    try:
        aside.mkdir()
        for at, part in enumerate(shown(parts, len(parts), "shards")):
            with create(aside / f"{SHARD}{at}", source) as shard:
                offset = int(snapshot.ids[part[0]]) if len(part) else 0
                shard.store.set_meta({**source.store.meta, OFFSET: offset})
                fill(shard, snapshot, part, snapshot.ids[part] - offset)
                if at == len(parts) - 1:
                    shard.store.reserve(snapshot.state.next_id - offset)
        note_count(aside, len(parts))
        sync_folder(aside)
        os.rename(aside, folder)
        sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return [folder / f"{SHARD}{at}" for at in range(len(parts))]


def by_id(snapshot: Snapshot) -> Ids:
    """Return the positions of the live rows in order of their ids."""
    rows = live(snapshot)
    return rows[np.argsort(snapshot.ids[rows], kind="stable")]


def copy(snapshot: Snapshot, rows: Ids, store: Store, ids: Ids | None, pack: Pack = list) -> None:
    """Append rows of a snapshot to a store, block by block, with keys and documents.

    Parameters
    ----------
    snapshot : Snapshot
    rows : (n,) int64 array
        Positions, in the order of their ids.
    store : Store
    ids : (n,) int64 array, or None to number the rows
    pack : function
        Encodes documents for the store.
    """
    blocks = list(_blocks(snapshot, rows))
    for block in shown(blocks, len(blocks), "blocks of rows"):
        copy_block(snapshot, rows[block], store, None if ids is None else ids[block], pack)


def _blocks(snapshot: Snapshot, rows: Ids) -> Iterator[slice]:
    """Yield blocks of rows, each within one part of a joined snapshot, so that errors name the part."""
    borders = [0, len(rows)]
    if isinstance(snapshot, JoinedSnapshot):
        owners = np.searchsorted(snapshot.starts, rows, side="right")
        borders[1:1] = (np.flatnonzero(np.diff(owners)) + 1).tolist()
    for begin, end in pairwise(borders):
        for start in range(begin, end, BLOCK):
            yield slice(start, min(start + BLOCK, end))


def copy_block(snapshot: Snapshot, rows: Ids, store: Store, ids: Ids | None, pack: Pack = list) -> None:
    """Append one block of rows of a snapshot to a store."""
    columns: dict[str, Any] = {name: snapshot.take(name, rows) for name in snapshot.columns}
    entries = snapshot.entries(rows)
    if not any(part is not None for entry in entries for part in entry):
        store.append(columns, ids=ids)
        return
    keys, documents, sources = (list(part) for part in zip(*entries, strict=True))
    there = [text for text in documents if text is not None]
    packed = iter(pack(there))
    store.append(columns, keys, [None if text is None else next(packed) for text in documents], sources, ids=ids)
