"""Exchange rows with other libraries: read rows in order of ids, map ids and keys, fill a new index."""

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
"""Rows per block."""


def codes_in(index: BinaryIndex | EmbeddingIndex) -> BinaryIndex:
    """Return the codes of an index; raises ParameterError if ``index`` is of another type."""
    if not isinstance(index, BinaryIndex | EmbeddingIndex):
        raise wrong(index, "index", "a BinaryIndex or EmbeddingIndex; merge makes one index of shards")
    return index.codes if isinstance(index, EmbeddingIndex) else index


def codes_compared_by_bits(index: BinaryIndex | EmbeddingIndex) -> BinaryIndex:
    """Return the codes of an index if another library can compare them by Hamming distance.

    Raises
    ------
    ParameterError
        If ``index`` is of another type.
    UnsupportedError
        If Hamming distance cannot compare the codes; those of a :class:`RaBitQBinarizer`, for example, have factors.
    """
    codes = codes_in(index)
    form_of(index)
    return codes


class Numbered:
    """A snapshot of the live rows of an index, in ascending order of ids.

    Parameters
    ----------
    index : BinaryIndex or EmbeddingIndex
    ids : (n,) integers, optional
        Ids of the rows in the other library, in the order of ``index.ids()``: any 64-bit integers, all different.

    Attributes
    ----------
    snapshot : Snapshot
    positions : (n,) int64 array
        Positions of the rows in the snapshot.
    ids : (n,) int64 array

    Raises
    ------
    DTypeError, DimensionError, ParameterError
        If the ids are not integers, are not one per row, or repeat.
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
        """Yield slices of at most :data:`BATCH` rows."""
        for start in range(0, len(self), BATCH):
            yield slice(start, start + BATCH)

    def take(self, column: str, part: slice | Ids) -> npt.NDArray[Any]:
        """Return rows of a column of the store."""
        return self.snapshot.take(column, self.positions[part])


def _checked(ids: npt.ArrayLike, count: int) -> Ids:
    given = np.asarray(ids)
    if not given.size:
        given = given.astype(np.int64)  # NumPy takes an empty list for floats
    if given.dtype.kind not in "iu" or (given.dtype == np.uint64 and len(given) and given.max() >= 2**63):
        raise DTypeError(f"ids must be integers that fit int64, not {given.dtype}")
    if given.shape != (count,):
        raise DimensionError(f"ids must have shape ({count},), one per row of index.ids(), not {given.shape}")
    if len(np.unique(given)) != count:
        raise ParameterError("ids must all be different; two are the same")
    return np.ascontiguousarray(given, dtype=np.int64)


def names_of(ids: Ids, keys: Mapping[int, str] | None) -> tuple[Ids | None, list[str | None] | None]:
    """Return the ids and keys that rows of another library get here.

    Ids are kept if they are all different and from 0 to below 2**32. Otherwise each id becomes a key, ``str(id)``, and
    rows are numbered; 64-bit hashes are an example.

    Parameters
    ----------
    ids : (n,) int64 array
    keys : mapping of ids to texts, optional
        Keys of rows; they take precedence over keys made of ids.
    """
    kept = not len(ids) or (ids.min() >= 0 and ids.max() < MOST_ROWS and len(np.unique(ids)) == len(ids))
    if kept and not keys:
        return ids, None
    known = {} if keys is None else keys
    names = [known.get(number, None if kept else str(number)) for number in ids.tolist()]
    return (ids if kept else None), names


def codes_of(dim: int, kind: Kind, options: dict[str, Any], fill: Callable[[BinaryIndex], None]) -> BinaryIndex:
    """Create an index with the options ``path`` and ``backend`` and fill it; see :func:`filled`."""
    more = {name: value for name, value in options.items() if name != "path"}

    def create(folder: Path | None) -> BinaryIndex:
        return BinaryIndex(dim, kind=kind, path=folder, **more)

    return filled(options.get("path"), create, fill, lambda folder: BinaryIndex.open(folder, writable=True, **more))
