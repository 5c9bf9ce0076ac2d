"""Exact search: every row is compared.

Most rows lie in order of their ids and are searched together; the few that an update has put out of order are
scanned beside them. Removed rows are found too and left out, for which more than k are asked for. When either
have become many, the search starts afresh with the live rows.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from hdc.kernels import SearchIndex
from hdc.search.measures import FEW, Distances, Hamming, Ids, Measure, planes_index
from hdc.search.snapshot import View, joined
from hdc.words import Words

WORN = 8
"""Start afresh when a WORN-th of the rows is dead or out of order."""

Search = Callable[[int], tuple[Distances, Ids]]


class Flat:
    """The exact searcher of an index."""

    def __init__(self, measure: Measure) -> None:
        self.measure = measure
        self._view: View | None = None
        self._begin()

    def _begin(self) -> None:
        self._seen = 0
        self._planes: SearchIndex | None = None
        self._main = self._odd = np.empty(0, np.int64)

    def _follow(self, view: View) -> None:
        """Take up what changed since the last search."""
        if self._view is None or view.edition != self._view.edition or self._worn(view):
            self._begin()
        new = np.arange(self._seen, len(view))
        new = new[view.alive[new]]
        if self._seen == 0:
            new = new[np.argsort(view.ids[new], kind="stable")]
        before = view.ids[self._main[-1:]]
        highest = np.maximum.accumulate(np.concatenate([[-1], before, view.ids[new]]))[len(before) : -1]
        ordered = view.ids[new] > highest
        self._main = np.concatenate([self._main, new[ordered]])
        self._odd = np.concatenate([self._odd, new[~ordered]])
        self._odd = self._odd[view.alive[self._odd]]
        self._live = view.alive[self._main]
        self._living = int(self._live.sum())
        self._whole = len(self._main) == len(view) and bool((np.diff(self._main) == 1).all())
        self._seen, self._view = len(view), view

    def _worn(self, view: View) -> bool:
        return bool(WORN * (len(self._odd) + (~view.alive[self._main]).sum()) > len(self._main))

    def search(self, view: View, queries: Words, k: int) -> tuple[Distances, Ids]:
        """Return the k nearest live rows of each query as distances and ids; ``k`` at most their number."""
        if view is not self._view:
            self._follow(view)
        found = []
        if self._living == len(self._main) > 0:
            distances, rows = self._search_main(view, queries, min(k, self._living))
            found.append((distances, view.ids[self._main[rows]]))
        elif self._living:
            distances, rows = _alive(
                lambda wider: self._search_main(view, queries, wider), self._live, min(k, self._living)
            )
            found.append((distances, view.ids[self._main[rows]]))
        if len(self._odd):
            found.append(view.scan(self.measure, queries, self._odd, k))
        return joined(found, k) if len(found) > 1 else found[0]

    def _search_main(self, view: View, queries: Words, k: int) -> tuple[Distances, Ids]:
        as_they_are = self._whole and len(queries) <= FEW and self._planes is None
        if isinstance(self.measure, Hamming) and not as_they_are:
            return self._search_planes(view, queries, k)
        rows = slice(len(view)) if self._whole else self._main
        scale = None if view.scale is None else view.scale[rows]
        return self.measure.top_k(queries, view.codes[rows], scale, k)

    def _search_planes(self, view: View, queries: Words, k: int) -> tuple[Distances, Ids]:
        if self._planes is None:
            self._planes = planes_index(self.measure.kernels, self.measure.dim)
        self._planes.append(view.codes[self._main[len(self._planes) :], 0])
        distances, rows = self._planes.search(queries[:, 0], k)
        return distances, rows


def _alive(search: Search, live: npt.NDArray[np.bool_], k: int) -> tuple[Distances, Ids]:
    """Return the k nearest live rows, asking for more until so many are there."""
    n = len(live)
    wider = min(n, 2 * k + 16)
    while True:
        distances, rows = search(wider)
        alive = live[rows]
        if wider == n or (alive.sum(axis=1) >= k).all():
            break
        wider = min(n, 2 * wider)
    order = np.argsort(~alive, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, axis=1), np.take_along_axis(rows, order, axis=1)
