"""Reference searches by estimates, which call its kernels one after another; and dot products with chosen rows."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numpy_floats import hadamard, rounded, units
from hdc.errors import ParameterError
from hdc.kernels import ESTIMATE_BITS, PLANE_QUERY, AskedOfLists, Compared, EstimatePlan, WholeCodes
from hdc.words import Words, unpack, word_count

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.integer[Any]]
Ids = npt.NDArray[np.int64]


def gather_dots(queries: Ints, items: Ints, rows: Ids) -> tuple[Ids, Ids]:
    """Gather the rows of one query at a time."""
    dots, squares = np.zeros(rows.shape, dtype=np.int64), np.zeros(rows.shape, dtype=np.int64)
    for q, chosen in enumerate(rows):
        gathered = items[chosen[chosen >= 0]].astype(np.int64)
        dots[q, chosen >= 0] = gathered @ queries[q].astype(np.int64)
        squares[q, chosen >= 0] = (gathered**2).sum(axis=1)
    return dots, squares


def gather_planes(queries: Ints, codes: Words, rows: Ids, levels: int) -> Ids:
    """Gather the codes of one query at a time, and multiply plane by plane."""
    dots, dim = np.zeros(rows.shape, dtype=np.int64), queries.shape[1]
    words = word_count(dim)
    for q, chosen in enumerate(rows):
        gathered = codes[chosen[chosen >= 0]]
        for plane in range(levels):
            signs = 2 * unpack(gathered[:, plane * words : (plane + 1) * words], dim).astype(np.int64) - 1
            dots[q, chosen >= 0] += (signs @ queries[q].astype(np.int64)) << (levels - 1 - plane)
    return dots


class EstimateSearch:
    """Searches by estimates; see :class:`hdc.kernels.EstimateSearch`."""

    def __init__(self, plan: EstimatePlan) -> None:
        self._plan = plan

    def search(
        self,
        queries: Floats | AskedOfLists,
        k: int,
        probes: int,
        candidates: int,
        allowed: npt.NDArray[np.bool_] | None = None,
        read: Ids | None = None,
        compared: Compared | None = None,
    ) -> tuple[Floats, Ids]:
        """Find lists, then rows, then compare these with their originals."""
        originals, whole = self._plan.originals, self._plan.whole
        if isinstance(queries, AskedOfLists):
            x, asked = np.empty((0, 0), np.float32), queries
        else:
            bad = ~np.isfinite(queries).all(axis=1)
            if bad.any():
                raise ParameterError(f"row {bad.argmax()} of queries contains NaN or infinity; remove it first")
            x = units(queries)
            asked = self._asked(x, probes)
        wanted = k if originals is None and whole is None else candidates
        scores, ids, rows = self._estimates(asked, wanted, allowed)
        if read is not None:
            read[:] = rows
        if compared is not None:
            scores = np.where(ids < 0, np.float32(-np.inf), self._by_lengths(compared, rows))
            order = np.lexsort((np.where(ids < 0, np.iinfo(np.int64).max, ids), -scores), axis=1)[:, :k]
            return np.take_along_axis(scores, order, axis=1), np.take_along_axis(ids, order, axis=1)
        if originals is None:
            if whole is not None:
                scores = np.where(ids < 0, np.float32(-np.inf), self._by_all_planes(x, whole, rows))
                order = np.lexsort((np.where(ids < 0, np.iinfo(np.int64).max, ids), -scores), axis=1)[:, :k]
                scores, ids = np.take_along_axis(scores, order, axis=1), np.take_along_axis(ids, order, axis=1)
            return 1 - (1 - scores), ids
        distances = np.where(ids < 0, np.float32(np.inf), 1 - _cosines(x, originals, rows))
        order = np.lexsort((np.where(ids < 0, np.iinfo(np.int64).max, ids), distances), axis=1)[:, :k]
        return 1 - np.take_along_axis(distances, order, axis=1), np.take_along_axis(ids, order, axis=1)

    def _lists(self, x: Floats, probes: int) -> tuple[Floats, Ids]:
        """Return the products with the nearest centroids, and their lists."""
        plan = self._plan
        if plan.centroids is None:
            integers, unit = rounded(x, 2**15 - 1)
            mean, unit_of_mean = plan.mean
            products = (integers.astype(np.int64) @ mean.astype(np.int64)) * (unit.astype(np.float64) * unit_of_mean)
            return products.astype(np.float32)[:, None], np.zeros((len(x), 1), dtype=np.int64)
        integers, unit = rounded(x, 127)
        dots, lists = plan.centroids.nearest(integers.astype(np.int8), min(probes, len(plan.lengths)))
        return dots.astype(np.float32) * unit[:, None] * plan.lengths[lists], lists

    def _rotated(self, x: Floats) -> Floats:
        r = self._plan.rotation
        return hadamard(x, r.first, r.middle, r.index, r.sign, r.steps)

    def _by_all_planes(self, x: Floats, whole: WholeCodes, rows: Ids) -> Floats:
        """Return the estimates of all planes of the codes in some rows; those of row -1 are meaningless."""
        integers, unit = rounded(self._rotated(x), PLANE_QUERY)
        dots = gather_planes(integers, whole.codes, rows, whole.levels).astype(np.float32)
        at = whole.levels * word_count(x.shape[1]) + 1
        if not len(whole.codes):
            return np.zeros(rows.shape, np.float32)
        factors = np.ascontiguousarray(whole.codes[rows, at], "<u8")[..., None].view("<f4").astype(np.float32)
        if len(self._plan.lengths) == 1:
            base = self._lists(x, 1)[0]
        else:
            cells = np.where(rows < 0, 0, whole.codes[rows, at + 1]).astype(np.int64)
            asked, unit_asked = rounded(x, 2**15 - 1)
            products, _ = gather_dots(asked, whole.directions, cells)
            base = products.astype(np.float32) * unit_asked[:, None] * self._plan.lengths[cells]
        scores: Floats = ((dots * unit[:, None] * factors[..., 0] + factors[..., 1]) + base) + np.float32(0)
        return scores

    def _by_lengths(self, compared: Compared, rows: Ids) -> Floats:
        """Return inner products with the originals of some rows, or negated distances; row -1 is meaningless."""
        plan, lengths = self._plan, np.zeros(rows.shape)
        assert plan.originals is not None
        assert plan.lengths_of_originals is not None
        lengths[rows >= 0] = plan.lengths_of_originals[rows[rows >= 0]]
        cosines, squares = 1 - (1 - _cosines(compared.queries, plan.originals, rows)), compared.squares[:, None]
        products = cosines * lengths * np.sqrt(squares)
        return np.asarray(2 * products - lengths**2 - squares if plan.by_distance else products, dtype=np.float32)

    def _asked(self, x: Floats, probes: int) -> AskedOfLists:
        """Round rotated queries, and find their lists."""
        integers, unit = rounded(self._rotated(x), 2 ** (ESTIMATE_BITS - 1) - 1)
        unit = unit / np.float32(math.sqrt(x.shape[1]))
        total = integers.sum(axis=1, dtype=np.int64)
        factors = np.stack([2 * unit, -unit.astype(np.float64) * total], axis=1).astype(np.float32)
        base, lists = self._lists(x, probes)
        return AskedOfLists(integers.astype(np.int8), factors, lists, base)

    def _estimates(
        self, asked: AskedOfLists, wanted: int, allowed: npt.NDArray[np.bool_] | None
    ) -> tuple[Floats, Ids, Ids]:
        """Return the best of all parts: scores, ids, and rows in order of ids."""
        found = []
        for part in self._plan.parts:
            ids, own_rows = part.ids[: len(part.lists)], part.rows[: len(part.lists)]
            own = ids if allowed is None else np.where(allowed[own_rows], ids, -1)
            found.append(part.lists.search(*asked, own, wanted))
        scores, ids = (np.concatenate(parts, axis=1) for parts in zip(*found, strict=True))
        order = np.lexsort((np.where(ids < 0, np.iinfo(np.int64).max, ids), -scores), axis=1)[:, :wanted]
        ids = np.take_along_axis(ids, order, axis=1)
        return np.take_along_axis(scores, order, axis=1), ids, self._rows_of(ids)

    def _rows_of(self, ids: Ids) -> Ids:
        rows = np.full(ids.shape, -1, dtype=np.int64)
        for part in self._plan.parts:
            order = np.argsort(part.ids[: len(part.lists)], kind="stable")
            own, place = part.ids[order], np.searchsorted(part.ids[order], ids).clip(max=len(order) - 1)
            if len(own):
                rows = np.where((ids >= 0) & (own[place] == ids), part.rows[order[place]], rows)
        return rows


def _cosines(x: Floats, originals: npt.NDArray[np.int8], rows: Ids) -> Floats:
    """Return the cosines with originals, 0 for zero vectors."""
    integers, _ = rounded(x, 2**15 - 1)
    dots, squares = gather_dots(integers, originals, rows)
    own = (integers.astype(np.int64) ** 2).sum(axis=1, keepdims=True)
    lengths = np.sqrt(squares.astype(np.float64)) * np.sqrt(own.astype(np.float64))
    cosines: Floats = np.divide(dots, lengths, out=np.zeros(rows.shape), where=lengths > 0).astype(np.float32)
    return cosines
