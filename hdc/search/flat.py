"""Exact search: compare every row.

Most rows are in order of their ids and are searched together. Updates put a few rows out of order; these are scanned
separately. A search also finds removed rows, asks for more than k hits, and leaves them out. When too many rows are
removed or out of order, the searcher regroups the live rows.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from hdc.kernels import SearchIndex
from hdc.search.codes import CodeRows, joined
from hdc.search.live import alive, live
from hdc.search.measures import FEW, Distances, Hamming, Ids, Measure, planes_index
from hdc.search.once import BuildLock
from hdc.search.options import FlatOptions
from hdc.store import Snapshot
from hdc.words import Words

WORN = 8
"""Regroup when a WORN-th of the rows is dead or out of order."""

NO_ROWS: Ids = np.empty(0, np.int64)

Find = Callable[[int], tuple[Distances, Ids]]


class Flat:
    """The exact searcher of codes."""

    kind = "flat"

    def __init__(self, measure: Measure) -> None:
        self.measure = measure
        self._no_planes = Planes(planes_index(measure.kernels, measure.dim), BuildLock())

    def prepared(self, snapshot: Snapshot, previous: "FlatRows | None") -> "FlatRows":
        """Add what has changed since the previous snapshot, or regroup all rows."""
        rows = CodeRows.of(snapshot, self.measure)
        if previous is not None and previous.snapshot.edition == snapshot.edition:
            main, odd = _sorted_out(snapshot, previous.main, previous.odd, previous.snapshot.count)
            if WORN * (len(odd) + (~alive(snapshot)[main]).sum()) <= len(main):
                return FlatRows(rows, main, odd, previous.planes)
        return FlatRows(rows, *_sorted_out(snapshot, NO_ROWS, NO_ROWS, 0), self._no_planes)


def _sorted_out(snapshot: Snapshot, main: Ids, odd: Ids, seen: int) -> tuple[Ids, Ids]:
    """Split rows from ``seen`` on: return positions in order of ids, and live positions out of order."""
    ids = snapshot.ids
    new = live(snapshot, seen)
    if seen == 0:
        new = new[np.argsort(ids[new], kind="stable")]
    last = ids[main[-1]] if len(main) else -1
    highest = np.maximum.accumulate(np.concatenate([[last], ids[new]]))[:-1]
    ordered = ids[new] > highest
    odd = np.concatenate([odd, new[~ordered]])
    return np.concatenate([main, new[ordered]]), odd[alive(snapshot)[odd]]


class Planes:
    """Bit planes that batches of queries search; the first batch builds them, and later ones extend them.

    Parameters
    ----------
    index : SearchIndex
        Planes of the first rows.
    making : BuildLock
        Held while the index is extended.
    """

    def __init__(self, index: SearchIndex, making: BuildLock) -> None:
        self._index, self._making = index, making

    def __len__(self) -> int:
        return len(self._index)

    def of(self, codes: Words, main: Ids) -> SearchIndex:
        """Return the planes of the rows ``main``, which start with the rows that the planes already cover."""
        if len(self._index) < len(main):
            with self._making:
                if (done := len(self._index)) < len(main):
                    self._index = self._index.extended(codes[main[done:]])
        return self._index

    def fork(self) -> "Planes":
        """Return a copy that is extended independently."""
        return Planes(self._index, self._making)


class FlatRows:
    """A snapshot prepared for exact search.

    Attributes
    ----------
    main : (m,) int64 array
        Positions in order of ids, including dead rows.
    odd : int64 array
        Positions of the other live rows.
    """

    def __init__(self, rows: CodeRows, main: Ids, odd: Ids, planes: Planes) -> None:
        self.main, self.odd = main, odd
        self._rows, self._planes = rows, planes.fork()
        self._live = alive(rows.snapshot)[main]
        self._living = int(self._live.sum())
        self._ids = rows.snapshot.ids[main]
        self._hamming = isinstance(rows.measure, Hamming)
        self._together = bool((np.diff(main) == 1).all())
        first = int(main[0]) if len(main) else 0
        chosen = slice(first, first + len(main)) if self._together else main
        self._codes = rows.codes[chosen] if self._together or not self._hamming else None
        self._scale = None if rows.scale is None else rows.scale[chosen]

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot that is searched."""
        return self._rows.snapshot

    @property
    def dtype(self) -> type[np.generic]:
        """Type of the distances."""
        return self._rows.measure.dtype

    @property
    def planes(self) -> Planes:
        """Bit planes for batches, built on demand."""
        return self._planes

    def search(self, queries: Words, k: int, options: FlatOptions, allowed: Ids | None = None) -> tuple[Distances, Ids]:
        """Return the k nearest live rows; see :meth:`hdc.search.searcher.Prepared.search`."""
        if allowed is not None:
            return self._rows.scan(queries, allowed, k)
        found = []
        if self._living:
            most = min(k, self._living)
            if self._living == len(self.main):
                distances, rows = self._find(queries, most)
            else:
                distances, rows = _alive(lambda wider: self._find(queries, wider), self._live, most)
            found.append((distances, self._ids[rows]))
        if len(self.odd):
            found.append(self._rows.scan(queries, self.odd, k))
        return found[0] if len(found) == 1 else joined(found, k)

    def _find(self, queries: Words, k: int) -> tuple[Distances, Ids]:
        """Return the k nearest of the main rows, including dead ones, as distances and indices into them."""
        few = len(queries) <= (FEW if len(self._planes) == 0 else 1)
        if self._codes is None or (self._hamming and not few):
            distances, rows = self._planes.of(self._rows.first_planes, self.main).search(queries[:, 0], k)
            return distances, rows
        return self._rows.measure.top_k(queries, self._codes, self._scale, k)


def _alive(find: Find, living: npt.NDArray[np.bool_], k: int) -> tuple[Distances, Ids]:
    """Return the k nearest live rows, asking ``find`` for more rows until there are k."""
    n = len(living)
    wider = min(n, 2 * k + 16)
    while True:
        distances, rows = find(wider)
        found = living[rows]
        if wider == n or (found.sum(axis=1) >= k).all():
            break
        wider = min(n, 2 * wider)
    order = np.argsort(~found, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(rows, order, axis=1)
