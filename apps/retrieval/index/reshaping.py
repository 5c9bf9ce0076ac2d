"""Merge indexes into one and split one into shards; codes are copied, not encoded again."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hdc.apps.retrieval.binarizers.files import digest
from hdc.apps.retrieval.index.embedding import EmbeddingIndex
from hdc.apps.retrieval.index.folders import CODES_FOLDER, MODEL_FOLDER
from hdc.apps.retrieval.index.shards import ShardedIndex
from hdc.errors import ParameterError
from hdc.search import reshaping
from hdc.search.measures import Ids
from hdc.search.shards import OFFSET, shard_paths
from hdc.store import Snapshot

SAME = ("dim", "levels", "kind", "originals", "coarse")
"""Entries of the meta that must be equal in indexes to merge."""


def merge(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], output: str | os.PathLike[str]) -> int:
    """Merge the rows of several indexes, with keys and documents, into one index; return the number of rows.

    If :func:`split` numbered the rows, they keep their ids of :class:`ShardedIndex`. Otherwise rows are numbered shard
    by shard, in order of ids. After an interruption, the same call resumes.

    Parameters
    ----------
    paths
        As in :meth:`ShardedIndex.open`.
    output : path
        An existing index is replaced.

    Raises
    ------
    ParameterError
        If the indexes differ in model, kind, lists or originals, two share a key, they have more than 2**32 rows in
        total, or ``output`` is not an index.
    FileFormatError
        If one is damaged.
    BlockingIOError
        If another process builds or writes ``output``.
    OSError
        If the disk is full or fails; the same call resumes.
    """
    places = shard_paths(paths)
    with ShardedIndex.open(places) as source:
        _check_same(places, source.store.snapshot.parts)
        meta = {name: value for name, value in source.shards[0].store.meta.items() if name != OFFSET}

        def fill(index: EmbeddingIndex, snapshot: Snapshot, rows: Ids, ids: Ids | None) -> None:
            reshaping.copy(snapshot, rows, index.store, ids)
            index.store.set_meta(meta)
            _prepare(index)

        return reshaping.merged(
            source,
            places,
            output,
            {"model": digest(places[0] / MODEL_FOLDER)},
            _created,
            lambda folder: EmbeddingIndex.open(folder, writable=True),
            fill,
            inside=CODES_FOLDER,
        )


def split(path: str | os.PathLike[str], n: int, output: str | os.PathLike[str]) -> list[Path]:
    """Split an index into n shards of nearly equal size, in order of ids; return their folders.

    The meta of each shard stores the offset of its ids, so rows keep their ids in :class:`ShardedIndex`.

    Parameters
    ----------
    path : path
        Folder of an index.
    n : int
        From 1 to the number of rows.
    output : path
        A new folder; after an error it does not exist.

    Raises
    ------
    ParameterError
        If ``n`` is out of range, or ``output`` exists.
    FileFormatError, OSError
        As in :func:`merge`.
    """

    def fill(shard: EmbeddingIndex, snapshot: Snapshot, rows: Ids, ids: Ids | None) -> None:
        reshaping.copy(snapshot, rows, shard.store, ids)
        _prepare(shard)

    with EmbeddingIndex.open(path) as source:
        return reshaping.divided(source, n, output, _created, fill)


def without(index: EmbeddingIndex, ids: Ids, path: Path | None = None) -> EmbeddingIndex:
    """Copy an index except for the rows of some ids; the others keep theirs. Its graph is not copied, but built anew.

    Parameters
    ----------
    index : EmbeddingIndex
    ids : (n,) int64 array
    path : Path, optional
        A new folder; None makes one in memory.

    Returns
    -------
    EmbeddingIndex
        Open for writing.
    """
    snapshot, copied = index.store.snapshot, _created(path, index)
    rows = reshaping.by_id(snapshot)
    rows = rows[~np.isin(snapshot.ids[rows], ids)]
    reshaping.copy(snapshot, rows, copied.store, snapshot.ids[rows])
    return copied


def _prepare(index: EmbeddingIndex) -> None:
    """Build what searches need, except a graph; a graph takes long, so the first search builds it."""
    if index.kind not in ("hnsw", "graph"):
        index.prepare()


def _created(folder: Path | None, like: EmbeddingIndex) -> EmbeddingIndex:
    """Create an empty index for rows of another one."""
    originals = like.codes.originals
    kind = like.kind if like.kind in (like.codes.kind, "graph") else None
    index = EmbeddingIndex.create(folder, like.model, kind=kind, keep=None if originals is None else originals.dtype)
    index.store.set_meta({**index.store.meta, "coarse": like.store.meta.get("coarse")})
    return index


def _check_same(places: Sequence[Path], snapshots: Sequence[Snapshot]) -> None:
    """Raise ParameterError if the indexes cannot share rows."""
    metas = [snapshot.meta for snapshot in snapshots]
    for place, meta in zip(places, metas, strict=True):
        for name in SAME:
            if meta.get(name) != metas[0].get(name):
                what = "lists" if name == "coarse" else name
                raise ParameterError(f"{place} and {places[0]} differ in {what}; build one index of all vectors")
