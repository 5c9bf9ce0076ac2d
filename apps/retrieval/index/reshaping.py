"""Indexes put together of others, and cut into shards; codes are copied, not made again."""

import os
from collections.abc import Sequence
from pathlib import Path

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

    def fill(shard: EmbeddingIndex, snapshot: Snapshot, rows: Ids, ids: Ids | None) -> None:
        reshaping.copy(snapshot, rows, shard.store, ids)
        _prepare(shard)

    with EmbeddingIndex.open(path) as source:
        return reshaping.divided(source, n, output, _created, fill)


def _prepare(index: EmbeddingIndex) -> None:
    """Make what searches need, but for a graph: that takes long, and the first search makes it."""
    if index.kind not in ("hnsw", "graph"):
        index.prepare()


def _created(folder: Path, like: EmbeddingIndex) -> EmbeddingIndex:
    """Make an index of no rows that takes those of another one."""
    originals = like.codes.originals
    kind = like.kind if like.kind in (like.codes.kind, "graph") else None
    index = EmbeddingIndex.create(folder, like.model, kind=kind, keep=None if originals is None else originals.dtype)
    index.store.set_meta({**index.store.meta, "coarse": like.store.meta.get("coarse")})
    return index


def _check_same(places: Sequence[Path], snapshots: Sequence[Snapshot]) -> None:
    """Raise ParameterError if rows of one index mean something else in another."""
    metas = [snapshot.meta for snapshot in snapshots]
    for place, meta in zip(places, metas, strict=True):
        for name in SAME:
            if meta.get(name) != metas[0].get(name):
                what = "has lists of its own" if name == "coarse" else f"differs in {name}"
                raise ParameterError(f"{place} {what}, and {places[0]} others; make one index of the vectors instead")
