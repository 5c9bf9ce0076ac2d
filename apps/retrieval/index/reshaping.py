"""Indexes put together of others, and cut into shards; codes are copied, not made again."""

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hdc import checks
from hdc.apps.progress import tracked
from hdc.apps.retrieval.binarisers.files import digest
from hdc.apps.retrieval.index.embedding import EmbeddingIndex
from hdc.apps.retrieval.index.folders import CODES_FOLDER, MODEL_FOLDER
from hdc.apps.retrieval.index.shards import OFFSET, SHARD, ShardedIndex, shard_paths
from hdc.checks import integer
from hdc.errors import ParameterError
from hdc.files import sync_folder
from hdc.search.build import Build
from hdc.search.live import live
from hdc.search.measures import Ids
from hdc.store import Snapshot, Store
from hdc.store.state import MOST_ROWS

BLOCK = 1 << 16
"""Rows that are copied at a time."""

MOST_SHARDS = 1 << 16

SAME = ("dim", "levels", "kind", "originals", "coarse")
"""Entries of the meta that indexes have in common whose rows may be in one."""


def merge(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], output: str | os.PathLike[str]) -> int:
    """Make one index of the rows of several, with keys and documents; return how many.

    Rows keep the ids that they have in :class:`ShardedIndex` if :func:`split` numbered them; else they are counted,
    shard by shard in the order of ids. Interrupted, the same call goes on.

    Parameters
    ----------
    paths
        As :meth:`ShardedIndex.open`.
    output : path
        An index that is there is replaced.

    Raises
    ------
    ParameterError
        If the indexes differ in model, kind, lists or originals, two have the same key, they hold more than 2**32
        rows, or something else is at ``output``.
    FileFormatError
        If one is damaged.
    BlockingIOError
        If another process builds or writes ``output``.
    OSError
        If the disk is full or fails; the same call goes on afterwards.
    """
    places = shard_paths(paths)
    with ShardedIndex.open(places) as source:
        snapshots = [shard.store.snapshot for shard in source.shards]
        _check_same(places, snapshots)
        order = sorted(range(len(places)), key=lambda at: source.offsets[at])
        ends = [source.offsets[at] + snapshots[at].state.next_id for at in order]
        kept = max(ends) <= MOST_ROWS
        if sum(map(len, snapshots)) > MOST_ROWS:
            raise ParameterError(f"an index has at most 2**32 rows, not {sum(map(len, snapshots))}; search the shards")
        with Build(output, EmbeddingIndex.KIND, inside=CODES_FOLDER, inputs=places) as build:
            states = [[s.edition, s.generation] for s in snapshots]
            build.begin(
                {"inputs": [list(map(os.path.abspath, places)), states], "model": digest(places[0] / MODEL_FOLDER)}
            )
            first = source.shards[0]
            with build.opened(
                lambda folder: EmbeddingIndex.open(folder, writable=True),
                lambda folder: _created(folder, first),
            ) as index:
                done = len(index)
                blocks = [
                    (snapshots[at], source.offsets[at] if kept else None, rows)
                    for at in order
                    for rows in _blocks(_by_id(snapshots[at]))
                ]
                for snapshot, offset, rows in tracked(blocks, len(blocks), 0, unit="blocks"):
                    left = rows[max(0, done) :]
                    done -= len(rows)
                    if len(left):
                        _copy(snapshot, left, index.store, None if offset is None else snapshot.ids[left] + offset)
                meta = {**first.store.meta}
                meta.pop(OFFSET, None)
                index.store.set_meta(meta)
                if index.kind != "hnsw":
                    index.prepare()
                count = len(index)
            build.finish()
    return count


def split(path: str | os.PathLike[str], n: int, output: str | os.PathLike[str]) -> list[Path]:
    """Cut an index into n shards of nearly equally many rows, in order of ids; return their folders.

    Each says in its meta what its id 0 stands for, so that rows keep their ids in :class:`ShardedIndex`.

    Parameters
    ----------
    path : path
        Of an index.
    n : int
        From 1 to its number of rows.
    output : path
        A new folder, which is there as a whole or not at all.

    Raises
    ------
    ParameterError
        If n is out of range, or ``output`` is there.
    FileFormatError, OSError
        As :func:`merge`.
    """
    folder = Path(os.path.abspath(checks.path(output, "output")))
    if os.path.lexists(folder):
        raise ParameterError(f"{folder} exists; name a new folder")
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.new")
    with EmbeddingIndex.open(path) as source:
        snapshot = source.store.snapshot
        rows = _by_id(snapshot)
        parts = np.array_split(rows, integer(n, "n", 1, min(MOST_SHARDS, max(1, len(rows)))))
        try:
            aside.mkdir()
            for at, part in enumerate(tracked(parts, len(parts), 0, unit="shards")):
                with _created(aside / f"{SHARD}{at}", source) as shard:
                    offset = int(snapshot.ids[part[0]]) if len(part) else 0
                    for block in _blocks(part):
                        _copy(snapshot, block, shard.store, snapshot.ids[block] - offset)
                    shard.store.set_meta({**source.store.meta, OFFSET: offset})
                    if shard.kind != "hnsw":
                        shard.prepare()
            sync_folder(aside)
            os.rename(aside, folder)
            sync_folder(folder.parent)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
    return [folder / f"{SHARD}{at}" for at in range(len(parts))]


def _created(folder: Path, like: EmbeddingIndex) -> EmbeddingIndex:
    """Make an index of no rows that takes those of another one."""
    originals = like.codes.originals
    kind = None if like.codes.kind != like.kind else like.codes.kind
    index = EmbeddingIndex.create(folder, like.model, kind=kind, keep=None if originals is None else originals.dtype)
    index.store.set_meta({**index.store.meta, "coarse": like.store.meta.get("coarse")})
    return index


def _by_id(snapshot: Snapshot) -> Ids:
    """Return the positions of the live rows in order of their ids."""
    rows = live(snapshot)
    return rows[np.argsort(snapshot.ids[rows], kind="stable")]


def _blocks(rows: Ids) -> Iterator[Ids]:
    for start in range(0, len(rows), BLOCK):
        yield rows[start : start + BLOCK]


def _copy(snapshot: Snapshot, rows: Ids, store: Store, ids: Ids | None) -> None:
    """Append rows of a snapshot to a store, with all that they have."""
    columns: dict[str, Any] = {name: snapshot.take(name, rows) for name in snapshot.columns}
    entries: list[Any] = [None] * 3
    if snapshot.raw_entries(rows) is not None:
        entries = [snapshot.keys(rows), snapshot.documents(rows), snapshot.sources(rows)]
    store.append(columns, *entries, ids=ids)


def _check_same(places: Sequence[Path], snapshots: Sequence[Snapshot]) -> None:
    """Raise ParameterError if rows of one index mean something else in another."""
    metas = [snapshot.meta for snapshot in snapshots]
    for place, meta in zip(places, metas, strict=True):
        for name in SAME:
            if meta.get(name) != metas[0].get(name):
                what = "has lists of its own" if name == "coarse" else f"differs in {name}"
                raise ParameterError(f"{place} {what}, and {places[0]} others; make one index of the vectors instead")
