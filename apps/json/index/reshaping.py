"""Merge indexes of documents, and split them into shards; vectors are copied, not encoded again."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hdc.apps.json.index.index import JSONIndex
from hdc.apps.json.index.rows import columns
from hdc.apps.json.index.shards import ROWS, ShardedJSONIndex
from hdc.apps.json.values.embedding import StringEncoder
from hdc.search import reshaping
from hdc.search.measures import Ids
from hdc.search.postings.searcher import PostingRows
from hdc.search.shards import OFFSET, shard_paths
from hdc.store import Snapshot, Store


def merge(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    *,
    string_encoder: StringEncoder | None = None,
) -> int:
    """Make one index of the documents of several, with keys, sources and vectors; return how many.

    Documents keep the ids that they have in :class:`ShardedJSONIndex` if these are below 2**32; else they are counted,
    in the order of ids. After an interruption, the same call resumes.

    Parameters
    ----------
    paths
        As :meth:`ShardedJSONIndex.open`.
    output : path
        An index that is there is replaced.
    string_encoder
        As :meth:`JSONIndex.open`.

    Raises
    ------
    ParameterError
        If the indexes differ in encoder, key or stored vectors, two have the same key, they hold more than 2**32
        documents, or something else is at ``output``.
    FileFormatError, BlockingIOError, OSError
        As :meth:`JSONIndex.open`; after an OSError, the same call resumes.
    """
    places = shard_paths(paths)
    with ShardedJSONIndex.open(places, string_encoder=string_encoder) as source:
        rows = source._posting_rows()

        def fill(index: JSONIndex, snapshot: Snapshot, positions: Ids, ids: Ids | None) -> None:
            _copy(index, rows, positions, ids, packed=False)

        return reshaping.merged(
            source,
            places,
            output,
            {"first": source.shards[0].store.snapshot.edition},
            _created,
            lambda folder: JSONIndex.open(folder, writable=True, string_encoder=string_encoder),
            fill,
        )


def split(
    path: str | os.PathLike[str],
    n: int,
    output: str | os.PathLike[str],
    *,
    string_encoder: StringEncoder | None = None,
) -> list[Path]:
    """Cut an index into n shards of nearly equally many documents, in order of ids; return their folders.

    Documents keep their ids in :class:`ShardedJSONIndex`, which :meth:`JSONIndex.open` makes of the folder.

    Parameters
    ----------
    path : path
        Of an index.
    n : int
        From 1 to its number of documents.
    output : path
        A new folder, which is there as a whole or not at all.
    string_encoder
        As :meth:`JSONIndex.open`.

    Raises
    ------
    ParameterError
        If n is out of range, or ``output`` is there.
    FileFormatError, OSError
        As :meth:`JSONIndex.open`.
    """
    with JSONIndex.open(path, string_encoder=string_encoder) as source:
        rows = source._posting_rows()

        def fill(shard: JSONIndex, snapshot: Snapshot, positions: Ids, ids: Ids | None) -> None:
            _copy(shard, rows, positions, ids, packed=not isinstance(source, ShardedJSONIndex))

        return reshaping.divided(source, n, output, _created, fill)


def _created(folder: Path, like: JSONIndex) -> JSONIndex:
    """Create an empty index for documents of another one, packed with the same dictionary."""
    meta = {name: value for name, value in like.store.meta.items() if name not in (OFFSET, ROWS)}
    described: Any = columns(like.encoder.dim, like._meanings.known.vectors)
    store = Store.create(folder, JSONIndex.KIND, described, meta)
    return JSONIndex.of(store, string_encoder=like.encoder.string_encoder, backend=like.encoder.backend)


def _copy(index: JSONIndex, source: PostingRows, positions: Ids, ids: Ids | None, *, packed: bool) -> None:
    """Copy documents, and their postings if they are in the order of ids.

    Otherwise the first search takes the documents apart again.
    """
    snapshot, pack = source.snapshot, list if packed else index._meanings.known.texts.packed
    if (positions[1:] < positions[:-1]).any():
        reshaping.copy(snapshot, positions, index.store, ids, pack)
        return
    for segment in source.segments:
        begin, end = np.searchsorted(positions, [segment.first, segment.stop])
        own, first = positions[begin:end], index.rows()
        if len(own):
            reshaping.copy(snapshot, own, index.store, None if ids is None else ids[begin:end], pack)
            kept = np.zeros(len(segment), np.bool_)
            kept[own - segment.first] = True
            index.add_segment(segment.kept(first, kept), first)
