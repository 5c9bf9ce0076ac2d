"""What goes to other libraries and comes from them: rows in the order of ids, their ids and keys, a new index."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.engines.tables import form_of
from hdc.apps.retrieval.index.binary import BinaryIndex, Kind
from hdc.apps.retrieval.index.embedding import EmbeddingIndex
from hdc.checks import wrong
from hdc.errors import DimensionError, DTypeError, ParameterError
from hdc.search.folders import filled
from hdc.search.live import live
from hdc.store import Snapshot
from hdc.store.state import MOST_ROWS

Ids = npt.NDArray[np.int64]

BATCH = 1 << 16
"""Rows that are handed over at a time."""


def codes_in(index: BinaryIndex | EmbeddingIndex) -> BinaryIndex:
    """Return the codes of an index; raises ParameterError if it is another one."""
    if not isinstance(index, BinaryIndex | EmbeddingIndex):
        raise wrong(index, "index", "a BinaryIndex or EmbeddingIndex; merge makes one index of shards")
    return index.codes if isinstance(index, EmbeddingIndex) else index


def codes_compared_by_bits(index: BinaryIndex | EmbeddingIndex) -> BinaryIndex:
    """Return the codes of an index, which another library may compare by differing bits.

    Raises
    ------
    ParameterError
        If it is another index.
    UnsupportedError
        If they say something else; those of a :class:`RaBitQBinarizer`, say, also hold factors.
    """
    codes = codes_in(index)
    form_of(index)
    return codes


class Numbered:
    """The live rows of an index as they are now, by ascending ids.

    Parameters
    ----------
    index : BinaryIndex or EmbeddingIndex
    ids : (n,) integers, optional
        What the other library is to call the rows, in the order of ``index.ids()``; any of 64 bits, all different.

    Attributes
    ----------
    snapshot : Snapshot
    positions : (n,) int64 array
        Of the rows in the snapshot.
    ids : (n,) int64 array

    Raises
    ------
    DTypeError, DimensionError, ParameterError
        If the ids are no integers, not as many as rows, or two are the same.
    """

    def __init__(self, index: BinaryIndex | EmbeddingIndex, ids: npt.ArrayLike | None = None) -> None:
        self.snapshot: Snapshot = index.store.snapshot
        positions = live(self.snapshot)
        self.positions: Ids = positions[np.argsort(self.snapshot.ids[positions], kind="stable")]
        own: Ids = self.snapshot.ids[self.positions]
        self.ids = own if ids is None else _checked(ids, len(own))

    def __len__(self) -> int:
        return len(self.ids)

    def parts(self) -> Iterator[slice]:
        """Yield which rows to hand over at a time."""
        for start in range(0, len(self), BATCH):
            yield slice(start, start + BATCH)

    def take(self, column: str, part: slice | Ids) -> npt.NDArray[Any]:
        """Return some rows of a column of the store."""
        return self.snapshot.take(column, self.positions[part])


def _checked(ids: npt.ArrayLike, count: int) -> Ids:
    given = np.asarray(ids)
    if not given.size:
        given = given.astype(np.int64)  # NumPy takes an empty list for floats
    if given.dtype.kind not in "iu" or (given.dtype == np.uint64 and len(given) and given.max() >= 2**63):
        raise DTypeError(f"ids must be integers that int64 has, not {given.dtype}")
    if given.shape != (count,):
        raise DimensionError(f"ids must have shape ({count},), one for each of index.ids(), not {given.shape}")
    if len(np.unique(given)) != count:
        raise ParameterError("ids must all be different, and two are the same")
    return np.ascontiguousarray(given, dtype=np.int64)


def names_of(ids: Ids, keys: Mapping[int, str] | None) -> tuple[Ids | None, list[str | None] | None]:
    """Return the ids that rows of another library keep here, and their keys.

    Ids from 0 to 2**32 that are all different are kept. Others, such as hashes of 64 bits, become keys, ``str(id)``,
    and ids are counted.

    Parameters
    ----------
    ids : (n,) int64 array
    keys : mapping of ids to texts, optional
        Keys of rows, which come before those that are made of ids.
    """
    kept = not len(ids) or (ids.min() >= 0 and ids.max() < MOST_ROWS and len(np.unique(ids)) == len(ids))
    if kept and not keys:
        return ids, None
    known = {} if keys is None else keys
    names = [known.get(number, None if kept else str(number)) for number in ids.tolist()]
    return (ids if kept else None), names


def codes_of(dim: int, kind: Kind, options: dict[str, Any], fill: Callable[[BinaryIndex], None]) -> BinaryIndex:
    """Return an index with the options ``path`` and ``backend`` that was filled; see :func:`filled`."""
    more = {name: value for name, value in options.items() if name != "path"}

    def create(folder: Path | None) -> BinaryIndex:
        return BinaryIndex(dim, kind=kind, path=folder, **more)

    return filled(options.get("path"), create, fill, lambda folder: BinaryIndex.open(folder, writable=True, **more))
