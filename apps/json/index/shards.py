"""ShardedJSONIndex: several indexes of one encoder, searched as one."""

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hdc import checks
from hdc.apps.json.encoder.encoder import JSONEncoder
from hdc.apps.json.index.documents import Documents
from hdc.apps.json.index.index import JSONIndex, _unsaved
from hdc.apps.json.index.meaning import Meanings
from hdc.apps.json.index.rows import Rows, Stored, columns
from hdc.apps.json.index.texts import NAME, Texts
from hdc.apps.json.values.embedding import StringEncoder
from hdc.checks import integer
from hdc.distinct import distinct
from hdc.errors import ConflictError, ParameterError
from hdc.search.engine import Engine
from hdc.search.folders import made_aside, new_folder
from hdc.search.measures import Ids
from hdc.search.postings.joined import JoinedPostings
from hdc.search.shards import (
    MOST_IDS,
    OFFSET,
    SHARD,
    STEP,
    JoinedSearcher,
    Sharded,
    note_count,
    offsets_of,
    shard_paths,
)
from hdc.store import JoinedSnapshot, Snapshot, Store
from hdc.store.state import MOST_ROWS

ROWS = "shard_rows"
"""Entry of a shard's meta: the number of rows from which another shard is started."""

SHARD_ROWS = 1 << 20

OWN = {NAME, OFFSET, ROWS}
"""Entries of the meta that may differ between shards of one index."""


class ShardedJSONIndex(Sharded[JSONIndex], JSONIndex):
    """Several indexes of JSON documents as one, with the methods of :class:`JSONIndex`.

    It answers as one index of the same rows does: the same scores, order, explanations and notes. How rare a word is,
    what a misspelled one stands for, and which paths there are, is counted over all shards; what the encoder learned is
    the same in each.

    Ids are those that the rows had before :func:`~hdc.apps.json.index.reshaping.split`; of indexes made apart, shard i
    has ids from ``i * 2**32`` on. New documents go to the last shard, and a document that replaces another one goes to
    the shard of that one. So ids are stable, and the next ones are those that one index would give.

    Made by :meth:`open`, of open indexes, or by :meth:`create`.

    Parameters
    ----------
    shards : sequence of JSONIndex
        Closed by :meth:`close`. Change them by the methods of this object; what is changed otherwise shows after
        :meth:`refresh`.
    offsets : sequence of int, optional
        Offset of the ids of each shard, at most 2**62.

    Raises
    ------
    ParameterError
        If there are no shards, ids of two would overlap, or they differ in encoder, key or stored vectors.

    Examples
    --------
    >>> import tempfile
    >>> from hdc.apps.json import JSONEncoder, JSONIndex
    >>> cities, folder = [{"name": "Rome"}, {"name": "Oslo"}, {"name": "Roma"}], tempfile.mkdtemp()
    >>> encoder = JSONEncoder(256).fit(cities)
    >>> for i in range(3):
    ...     with JSONIndex.create(f"{folder}/shard-{i}", encoder) as shard:
    ...         _ = shard.add(cities[i : i + 1])
    >>> with JSONIndex.open(folder) as index:
    ...     [(hit.id, hit.document["name"]) for hit in index.search({"name": "Oslo"}, k=1)]
    [(4294967296, 'Oslo')]
    """

    def __init__(self, shards: Sequence[JSONIndex], offsets: Sequence[int] | None = None) -> None:
        metas = [shard.store.meta for shard in shards]
        for at, meta in enumerate(metas):
            _check_alike(metas[0], meta, f"shard {at}")
        self._begin_with(shards, offsets_of(metas) if offsets is None else offsets)

    def _begin_with(
        self, shards: Sequence[JSONIndex], offsets: Sequence[int], folder: Path | None = None, rows: int = MOST_ROWS
    ) -> None:
        """Join open shards that are alike; start another one in the folder when the last one has enough rows."""
        self._engines = JoinedPostings([])
        self._join(shards, offsets, read=partial(_plain, held := list[JSONIndex]()))
        held += self.shards
        self._engines.engines += [shard._engine for shard in self.shards]
        self._held, self._folder, self._rows = held, folder, rows
        known = self.shards[0]._meanings.known
        self._meanings = Meanings(known, *_unsaved(known.encoder))
        self._signs = JoinedSearcher(self.shards[0]._signs)
        self._engine = Engine(self.store, self._engines)
        self._documents, self._width = Documents(), 0

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str] | None,
        encoder: JSONEncoder,
        *,
        key: str | None = None,
        vectors: Stored = "packed",
        shard_rows: int = SHARD_ROWS,
    ) -> Self:
        """Create an empty index that starts another shard whenever the last one has enough documents.

        Parameters
        ----------
        path : path or None
            A folder of shards to be, which does not exist or is empty; None keeps the shards in memory.
        encoder, key, vectors
            As :class:`JSONIndex`.
        shard_rows : int
            Rows of a shard, dead ones included, from which on the next batch goes to another one.

        Raises
        ------
        ParameterError, OSError
            As :meth:`JSONIndex.create`.
        """
        rows, folder = integer(shard_rows, "shard_rows", 1, MOST_ROWS), None
        if path is not None:
            folder = new_folder(path)
            folder.mkdir(parents=True, exist_ok=True)
        model = JSONIndex(encoder, key=key, vectors=vectors)
        shard = _made(folder, 0, model, {**model.store.meta, OFFSET: 0, ROWS: rows})
        index = cls.__new__(cls)
        index._begin_with([shard], [0], folder, rows)
        return index

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
        *,
        writable: bool = False,
        string_encoder: StringEncoder | None = None,
        backend: str = "auto",
        device: str = "cpu",
    ) -> "ShardedJSONIndex":
        """Open indexes as one.

        Parameters
        ----------
        path : path or sequence of paths
            A folder of shards, or indexes.
        writable : bool
            Each shard then lets no other process write.
        string_encoder, backend, device
            As :meth:`JSONIndex.open`.

        Raises
        ------
        ParameterError
            If there are no shards, one is given twice, or they differ in encoder, key or stored vectors.
        FileFormatError, BlockingIOError, OSError
            As :meth:`JSONIndex.open`; also if a shard of a folder is missing.
        """
        places, opened, metas = shard_paths(path), list[JSONIndex](), list[dict[str, Any]]()
        shared, common = dict[str, Any](), ""
        try:
            for place in places:
                store = Store.open(place, cls.KIND, writable=writable)
                metas.append(_meta_of(store, shared, common) if opened else store.meta)
                if opened:
                    opened.append(_alike(store, metas[-1], opened[0], metas[0], place))
                else:
                    opened.append(JSONIndex._of(store, None, string_encoder, backend, device))
                    shared = {name: value for name, value in metas[0].items() if name not in OWN}
                    common = json.dumps(shared)[:-1] + ", "
            index = cls.__new__(cls)
            if isinstance(path, str | os.PathLike):
                index._begin_with(opened, offsets_of(metas), checks.path(path), metas[-1].get(ROWS, MOST_ROWS))
            else:
                index._begin_with(opened, offsets_of(metas))
            return index
        except BaseException:
            for shard in opened:
                shard.close()
            raise

    # ------------------------------------------------------------------ documents

    def append(self, rows: Rows, *, replace: bool = False) -> Ids:
        """Add a batch, with all its new documents in the last shard; see :meth:`JSONIndex.append`."""
        self._check_writable()
        with self.store.changing():
            self._check_width(rows.width)
            self._grow_if_full()
            snapshot = self.store.snapshot
            known = [] if rows.keys is None else snapshot.find_all(rows.keys)
            if rows.keys is not None and not replace:
                for key, row in zip(rows.keys, known, strict=True):
                    if row is not None:
                        raise ParameterError(f"the key {key!r} already exists; put replaces its row")
            if any(row is not None and row < snapshot.starts[-2] for row in known):
                return self._put(rows, known, snapshot)
            return self.shards[-1].append(rows, replace=replace) + self.offsets[-1]

    def _put(self, rows: Rows, known: list[int | None], snapshot: JoinedSnapshot) -> Ids:
        """Replace documents in their shards, and add new ones."""
        last, keys = len(self.shards) - 1, rows.keys or []
        there = np.array([snapshot.starts[-1] if row is None else row for row in known], np.int64)
        owners = np.minimum(last, np.searchsorted(snapshot.starts, there, side="right") - 1)
        chosen = np.array(sorted({key: row for row, key in enumerate(keys)}.values()), np.int64)
        ids: dict[str, int] = {}
        for at in np.unique(owners[chosen]).tolist():
            own = chosen[owners[chosen] == at].tolist()
            numbers = self.shards[at].append(rows.take(own), replace=True) + self.offsets[at]
            ids.update(zip([keys[row] for row in own], numbers.tolist(), strict=True))
        return np.array([ids[key] for key in keys], np.int64)

    def update(self, ids: npt.ArrayLike, documents: Iterable[Any]) -> None:
        """Replace the documents of some ids; see :meth:`JSONIndex.update`."""
        self._check_writable()
        with self.store.changing():
            super().update(ids, documents)

    def _replace(self, ids: Ids, rows: Rows) -> None:
        if len(distinct(ids)) != len(ids):
            raise ParameterError("an id is given twice")
        owners = self.store.snapshot.owners(ids)
        for at in np.unique(owners).tolist():
            own = np.flatnonzero(owners == at)
            self.shards[at]._replace(ids[own] - self.offsets[at], rows.take(own.tolist()))

    def _grow_if_full(self) -> None:
        """Start another shard if the last one is full and the index was created to do so."""
        last = self.shards[-1]
        if last.rows() >= self._rows:
            offset = self.offsets[-1] + last.store.snapshot.state.next_id
            self._take(_made(self._folder, len(self.shards), last, {**last.store.meta, OFFSET: offset}), offset)

    def _take(self, shard: JSONIndex, offset: int) -> None:
        self._held.append(shard)
        try:
            self._added(shard, offset)
        except ParameterError:
            self._held.pop()
            raise
        self._engines.engines.append(shard._engine)

    # ------------------------------------------------------------------ files

    def refresh(self) -> bool:
        """Go on to what writers have changed since, shards that have begun included; see :meth:`Sharded.refresh`."""
        with self.store.changing():
            changed = any(self._of_each(lambda shard: shard.store.refresh(partial(_check_settings, shard))))
            begun = len(self.shards)
            while not self.writable and self._folder is not None:
                place = self._folder / f"{SHARD}{len(self.shards)}"
                if not place.is_dir():
                    break
                store, first = Store.open(place, self.KIND), self.shards[0]
                shard = _alike(store, meta := store.meta, first, first.store.meta, place)
                try:
                    self._take(shard, integer(meta.get(OFFSET, STEP * len(self.shards)), "an offset", 0, MOST_IDS))
                except ParameterError as error:
                    shard.close()
                    raise ConflictError(f"{place} is new, and {error}") from None
            return changed or len(self.shards) > begun


def _meta_of(store: Store, shared: dict[str, Any], common: str) -> dict[str, Any]:
    """Return the meta of a store; parts that equal those of others, perhaps megabytes, are not parsed again."""
    text = store.snapshot.state.meta
    return {**shared, **json.loads("{" + text[len(common) :])} if text.startswith(common) else store.meta


def _check_settings(shard: JSONIndex, later: Snapshot) -> None:
    """Raise ConflictError if a later snapshot means something else."""
    before = shard.store.snapshot
    if later.state.meta == before.state.meta:
        return
    try:
        _check_alike(before.meta, later.meta, "it")
    except ParameterError as error:
        raise ConflictError(f"it was built anew with other settings ({error}); open it again") from None


def _alike(
    store: Store, meta: dict[str, Any], first: JSONIndex, first_meta: dict[str, Any], place: Path | str
) -> JSONIndex:
    """Return the index of a store with the settings of the first one; raises ParameterError if they differ."""
    try:
        _check_alike(first_meta, meta, str(place))
        known = replace(first._meanings.known, meta=store.snapshot.state.meta, texts=Texts.of(meta))
    except BaseException:
        store.close()
        raise
    return JSONIndex._of(store, known, *_unsaved(known.encoder))


def _made(folder: Path | None, number: int, like: JSONIndex, meta: dict[str, Any]) -> JSONIndex:
    """Create an empty shard; after an error it does not exist."""
    known = like._meanings.of(like.store.snapshot)
    described = columns(known.encoder.dim, known.vectors)
    if folder is None:
        return _alike(Store.create(None, JSONIndex.KIND, described, meta), meta, like, meta, "memory")
    place = folder / f"{SHARD}{number}"
    with made_aside(place) as aside:
        Store.create(aside, JSONIndex.KIND, described, meta).close()
    note_count(folder, number + 1)
    return _alike(Store.open(place, JSONIndex.KIND, writable=True), meta, like, meta, place)


def _check_alike(first: dict[str, Any], other: dict[str, Any], place: str) -> None:
    """Raise ParameterError if the indexes cannot share documents."""
    for name in {*first, *other} - OWN:
        if first.get(name) != other.get(name):
            what = {"encoder": "another encoder", "key": "another key path"}.get(name, f"other {name}")
            raise ParameterError(
                f"{place} has {what} than the first shard; index its documents with that one's settings"
            )


def _plain(shards: list[JSONIndex], at: int, part: Snapshot, documents: list[bytes | None]) -> list[bytes | None]:
    """Return the documents of a shard unpacked, because each shard has its own dictionary."""
    unpacked = shards[at]._meanings.of(part).texts.unpacked
    return [None if text is None else unpacked(text) for text in documents]
