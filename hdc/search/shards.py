"""Shards: several indexes searched as one, with joint ids."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from hdc import checks
from hdc.checks import integer
from hdc.errors import ConflictError, FileFormatError, ParameterError, UnsupportedError
from hdc.files import replacing
from hdc.search.folders import made_aside
from hdc.search.index import Index
from hdc.search.measures import Distances, Ids
from hdc.search.searcher import Prepared, Searcher
from hdc.store import JoinedSnapshot, JoinedStore, Snapshot

I = TypeVar("I", bound=Index)  # noqa: E741

OFFSET = "offset"
"""Entry of the meta of a shard: the joint id of its id 0."""

STEP = 1 << 32
"""Ids per shard if no offsets are stored; more than one index can have."""

SHARD = "shard-"
"""Prefix of the names of shards in a folder."""

MANIFEST, SHARDS = "shards.json", "shards"
"""File in a folder of shards, and its entry: the number of shards, at least."""

MOST_IDS, MOST_SHARDS, MOST_NOTED = 1 << 62, 1 << 16, 1 << 10


class Sharded(Index, Generic[I]):
    """Several indexes as one; the base of sharded indexes.

    The id of a row is its shard's offset plus its id there. A shard stores up to 2**32 rows; all ids fit in 62 bits.
    Each method reads one moment. A change of several shards is applied shard by shard: each shard changes completely or
    not at all, but a crash in between leaves some shards changed and others not.

    Attributes
    ----------
    shards : tuple of indexes
        In the order of their offsets.
    offsets : tuple of int
    """

    shards: tuple[I, ...]
    offsets: tuple[int, ...]
    _joined: JoinedStore

    def _join(self, shards: Sequence[I], offsets: Sequence[int] | None, **read: Any) -> None:
        """Join open shards, in the order of their ids.

        Raises
        ------
        ParameterError
            If there are no shards, or two would have the same ids.
        """
        if not shards:
            raise ParameterError("there are no shards; pass at least one index")
        given = offsets_of([shard.store.meta for shard in shards]) if offsets is None else _checked(offsets, shards)
        ends = [at + shard.store.snapshot.state.next_id for shard, at in zip(shards, given, strict=True)]
        order = sorted(range(len(shards)), key=lambda at: (given[at], ends[at]))
        self.shards, self.offsets = tuple(shards[at] for at in order), tuple(given[at] for at in order)
        self._joined = JoinedStore([shard.store for shard in self.shards], self.offsets, **read)

    @property
    def store(self) -> JoinedStore:
        """The rows of all shards; change them with the methods of the index."""
        return self._joined

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.shards)} shards, {self._content()})"

    # ------------------------------------------------------------------ changes

    def remove(self, ids: npt.ArrayLike | None = None, keys: Sequence[str] | None = None) -> int:
        """Remove rows by id, by key, or both; see :meth:`Index.remove`."""
        if ids is not None:
            self._check_ids(ids)
        known = [] if keys is None else checks.listed(keys, "keys")
        self._check_writable()
        with self.store.changing() as snapshot:
            rows = set() if ids is None else set(snapshot.positions(ids).tolist())
            for key, row in zip(known, snapshot.find_all(known), strict=True):
                if row is None:
                    raise ParameterError(f"there is no row with key {key!r}")
                rows.add(row)
            for at, _, own in snapshot.divided(np.array(sorted(rows), np.int64)):
                self.shards[at].remove(snapshot.parts[at].ids[own])
            return len(rows)

    def compact(self) -> None:
        """Compact each shard; see :meth:`Index.compact`. For a while, the largest shard needs its space twice."""
        self._check_writable()
        self._of_each(lambda shard: shard.compact(), changing=True)

    # ------------------------------------------------------------------ files

    def refresh(self) -> bool:
        """Read what writers have changed since; see :meth:`Index.refresh`.

        Raises
        ------
        ConflictError
            Also if two shards now have the same ids.
        """
        return any(self._of_each(lambda shard: shard.refresh(), changing=True))

    def verify(self) -> None:
        """Check every byte of all shards; see :meth:`Index.verify`. The message names the shard."""
        self._of_each(lambda shard: shard.verify())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Copy all shards, or none after an error, to a new or empty folder; see :meth:`Index.save`."""
        with made_aside(path) as aside:
            for at, shard in enumerate(self.shards):
                shard.save(aside / f"{SHARD}{at}")
            note_count(aside, len(self.shards))

    def close(self) -> None:
        """Close all shards, and let other processes write."""
        for shard in self.shards:
            shard.close()

    def _added(self, shard: I, offset: int) -> None:
        """Add another shard, with the greatest ids; call it within ``store.changing()``."""
        self.store.add_store(shard.store, offset)
        self.shards, self.offsets = (*self.shards, shard), (*self.offsets, offset)

    def _of_each(self, call: Callable[[I], Any], *, changing: bool = False) -> list[Any]:
        """Call a function with each shard and return the results; errors name the shard."""
        if changing:
            with self.store.changing():
                return self._of_each(call)
        results = []
        for at, shard in enumerate(self.shards):
            try:
                results.append(call(shard))
            except (FileFormatError, ConflictError) as error:
                raise type(error)(f"shard {at}: {error}") from error
        return results

    def _check_writable(self) -> None:
        if not self.writable:
            raise UnsupportedError("the shards are open for reading; open them with writable=True")


# ---------------------------------------------------------------------- which shards


def shard_paths(paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    """Return the folders of shards: those in a folder of shards, or the given ones.

    A folder without shards in it is returned itself.

    Raises
    ------
    ParameterError
        If there are no folders, or one is repeated.
    FileFormatError
        If a folder of shards lacks one.
    """
    if isinstance(paths, str | os.PathLike):
        return _inside(checks.path(paths)) or [checks.path(paths)]
    places = [checks.path(path) for path in checks.listed(paths, "paths")]
    if not places:
        raise ParameterError("there are no shards; pass the path of at least one index")
    real = [os.path.realpath(place) for place in places]
    for at, place in enumerate(real):
        if place in real[:at]:
            raise ParameterError(f"{places[at]} is given twice; list each shard once")
    return places


def is_of_shards(path: str | os.PathLike[str]) -> bool:
    """Return whether a folder contains shards."""
    return any(path.is_dir() for path in checks.path(path).glob(f"{SHARD}*"))


def note_count(folder: Path, count: int) -> None:
    """Write the number of shards to a folder, so that missing ones are detected; raises OSError."""
    with replacing(folder / MANIFEST) as file:
        file.write(json.dumps({SHARDS: count}).encode())


def _noted(file: Path) -> int:
    """Return the smallest number of shards that a folder has had; 0 if none was noted, as in old folders."""
    try:
        count = json.loads(file.read_bytes()[:MOST_NOTED])[SHARDS]
    except FileNotFoundError:
        return 0
    except (ValueError, KeyError, TypeError):
        count = None
    if type(count) is not int or not 0 < count <= MOST_SHARDS:
        raise FileFormatError(f"{file} is damaged: it has no number of shards; restore it from a copy or remove it")
    return count


def _inside(folder: Path) -> list[Path]:
    """Return the shards in a folder, by number."""
    found = {path.name: path for path in folder.glob(f"{SHARD}*") if path.is_dir()}
    count = max(len(found), _noted(folder / MANIFEST))
    for at in range(count):
        if f"{SHARD}{at}" not in found:
            raise FileFormatError(
                f"{folder} lacks {SHARD}{at} of {count} shards; restore it from a copy, or name the folders to search "
                "without it"
            )
    return [found[f"{SHARD}{at}"] for at in range(len(found))]


def offsets_of(metas: Sequence[Mapping[str, Any]]) -> tuple[int, ...]:
    """Return the offsets stored in the metas of all shards, or multiples of :data:`STEP` if any is missing."""
    noted = [offset for meta in metas if type(offset := meta.get(OFFSET)) is int]
    if len(noted) == len(metas) > 0 and 0 <= min(noted) <= max(noted) <= MOST_IDS:
        return tuple(noted)
    return tuple(STEP * at for at in range(len(metas)))


def _checked(offsets: Sequence[int], shards: Sequence[Index]) -> tuple[int, ...]:
    if len(offsets) != len(shards):
        raise ParameterError(f"there are {len(offsets)} offsets for {len(shards)} shards; pass one offset per shard")
    return tuple(integer(offset, "an offset", 0, MOST_IDS) for offset in offsets)


# ---------------------------------------------------------------------- searching


def nearest(parts: Sequence[tuple[Distances, Ids]], k: int) -> tuple[Distances, Ids]:
    """Merge several results into the k nearest, in order of (distance, id); entries without an id come last.

    Parameters
    ----------
    parts : sequence of ((q, c) distances, (q, c) int64 ids)
        Ids of any size; -1 means none.
    k : int

    Returns
    -------
    distances, ids : (q, k) arrays
        -1, with infinity or the greatest integer, where there are fewer than k.
    """
    distances, ids = (np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True))
    farthest = np.inf if distances.dtype.kind == "f" else np.iinfo(distances.dtype).max
    distances = np.where(ids < 0, distances.dtype.type(farthest), distances)
    if (missing := k - ids.shape[1]) > 0:
        distances = np.pad(distances, ((0, 0), (0, missing)), constant_values=farthest)
        ids = np.pad(ids, ((0, 0), (0, missing)), constant_values=-1)
    if 0 < 2 * k < ids.shape[1]:  # sorts far fewer than all
        farthest_of_k = np.partition(distances, k - 1, axis=1)[:, k - 1 : k]
        near = int((distances <= farthest_of_k).sum(axis=1).max(initial=k))
        if near < ids.shape[1]:
            order = np.argpartition(distances, near - 1, axis=1)[:, :near]
            distances, ids = np.take_along_axis(distances, order, axis=1), np.take_along_axis(ids, order, axis=1)
    order = np.lexsort((np.where(ids < 0, np.iinfo(np.int64).max, ids), distances), axis=1)[:, :k]
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(ids, order, axis=1)


class JoinedSearcher:
    """Searches the parts of joined snapshots with another searcher.

    Parameters
    ----------
    searcher : Searcher
    """

    def __init__(self, searcher: Searcher) -> None:
        self.searcher, self.kind = searcher, searcher.kind

    def prepared(self, snapshot: Snapshot, previous: Any) -> "JoinedRows":
        """Prepare each part; see :meth:`Searcher.prepared`."""
        assert isinstance(snapshot, JoinedSnapshot)
        return JoinedRows(snapshot, tuple(self.searcher.prepared(part, None) for part in snapshot.parts))


@dataclass(frozen=True, eq=False)
class JoinedRows:
    """A joined snapshot prepared for search, part by part."""

    snapshot: JoinedSnapshot
    parts: tuple[Prepared, ...]

    @property
    def dtype(self) -> type[np.generic]:
        """Type of the distances."""
        return self.parts[0].dtype

    def search(self, queries: Any, k: int, options: Any, allowed: Ids | None = None) -> tuple[Distances, Ids]:
        """Search all parts and merge the results; see :meth:`hdc.search.searcher.Prepared.search`."""
        found = [(np.empty((len(queries), 0), self.dtype), np.empty((len(queries), 0), np.int64))]
        for at, (part, offset) in enumerate(zip(self.parts, self.snapshot.offsets, strict=True)):
            own, rows = None, len(part.snapshot)
            if allowed is not None:
                first, last = np.searchsorted(allowed, self.snapshot.starts[at : at + 2])
                own, rows = allowed[first:last] - self.snapshot.starts[at], int(last - first)
            if rows:
                distances, ids = part.search(queries, min(k, rows), options, own)
                found.append((distances, np.where(ids < 0, -1, ids + offset)))
        return nearest(found, k)
