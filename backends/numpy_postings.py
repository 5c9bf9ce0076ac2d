"""Reference search by posting lists: add up every list, score every document."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.kernels import NO_ITEM, PostingQuery, PostingSegment

Ints = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]

EXTRA, NUMBER = 1, 2
"""Kinds of lists; 0 is a list in the segment."""

BAG, SEQUENCE, SOFT = 0, 1, 2

AT_PATHS = 1
"""Value of ``counted`` for weights that the query's ``asked`` includes; greater values are beyond it."""


class Postings:
    """Segments prepared for search; see :attr:`hdc.kernels.PostingKernels.prepare`."""

    def __init__(self, segments: Sequence[PostingSegment], rank: Ints) -> None:
        self._segments, self._rank = segments, rank

    def best(self, query: PostingQuery, k: int, allowed: npt.NDArray[np.bool_]) -> tuple[Doubles, Ints]:
        """Return the best documents; see :attr:`hdc.kernels.PostingKernels.prepare`."""
        weights = np.rint(query.lists["weight"] * query.unit).astype(np.int64)
        counted = query.lists["counted"]
        own = sum(query.lists["weight"][counted == AT_PATHS].tolist())
        whole = int(weights[counted > 0].sum()) + round((query.asked - own) * query.unit)
        parts = [
            _scores(_Lists(segment, query, weights, number), whole) for number, segment in enumerate(self._segments)
        ]
        scores = np.concatenate([np.empty(0), *parts])
        wanted = scores > 0
        if len(allowed):
            wanted &= allowed
        positions = np.flatnonzero(wanted)
        if k < len(positions):
            least = -np.partition(-scores[positions], k - 1)[k - 1]
            positions = positions[scores[positions] >= least]
        ranks = self._rank[positions] if len(self._rank) else positions
        order = positions[np.lexsort((ranks, -scores[positions]))[:k]]
        return scores[order] / whole, order


class _Lists:
    """The lists that a query asks of one segment."""

    def __init__(self, segment: PostingSegment, query: PostingQuery, weights: Ints, number: int) -> None:
        self.segment, self.query, self._weights = segment, query, weights
        extras = int((query.lists["kind"] == EXTRA).sum())
        bounds = query.extra_starts[number * extras : (number + 1) * extras + 1].tolist()
        self._extra = [query.extra[start:stop] for start, stop in pairwise(bounds)]

    def of(self, at: int) -> tuple[Ints, Ints]:
        """Return the distinct spots of a list, and their weights."""
        segment, one, weight = self.segment, self.query.lists[at], self._weights[at]
        if one["kind"] != NUMBER:
            spots = self._extra[int(one["hash"])] if one["kind"] == EXTRA else self._postings(one)
            return spots.astype(np.int64), np.full(len(spots), weight)
        (place,) = np.nonzero(segment.columns == one["hash"])
        part = slice(*segment.column_starts[place[0] : place[0] + 2].tolist()) if len(place) else slice(0)
        exact, cells = one["exact"], self.query.cells
        places = segment.number_place[part]
        close = np.where(segment.number_value[part] == one["value"], exact, 0.0)
        if one["widths"][0] <= 0:
            close += (1 - exact) * np.exp(-((places - one["place"]) ** 2) / 2)
        else:
            share = (1 - exact) / (cells * len(one["widths"]))
            for width in one["widths"]:
                apart = np.abs(np.floor(places * cells / width) - np.floor(one["place"] * cells / width))
                close += np.where(apart < cells, share * (cells - apart), 0.0)
        return segment.number_spot[part].astype(np.int64), (weight * close + 0.5).astype(np.int64)

    def _postings(self, one: Any) -> npt.NDArray[np.uint32]:
        segment = self.segment
        (place,) = np.nonzero((segment.terms == one["hash"]) & (segment.paths == one["path"]))
        spots: npt.NDArray[np.uint32] = segment.postings[:0]
        if len(place):
            spots = segment.postings[segment.starts[place[0]] : segment.starts[place[0] + 1]]
        return spots


def _scores(lists: _Lists, whole: int) -> Doubles:
    """Return the scores that order the documents of a segment."""
    segment, query = lists.segment, lists.query
    matched = _matched(lists)
    scores = matched.astype(np.float64)
    if query.overlap:
        beyond = np.maximum(0.0, segment.masses * query.mass_unit - matched)
        scores *= whole / (whole + beyond)
    return scores


def _matched(lists: _Lists) -> Ints:
    """Return the part of the query's weight that each document matches."""
    segment, groups = lists.segment, lists.query.groups
    open_sums: dict[int, tuple[Ints, Ints]] = {}
    total = np.zeros(len(segment.masses), np.int64)
    first = 0
    for behind, depth, mode, position in groups.tolist():
        found = [lists.of(at) for at in range(first, behind)]
        first = behind
        if depth == 0:
            for spots, weights in found:
                total[spots] += weights
            continue
        if depth in open_sums:
            found.append(open_sums.pop(depth))
        spots, sums = _added(found)
        apart = np.abs(position - segment.item_place[spots].astype(np.int64))
        sums = (sums * _near(mode, apart)).astype(np.int64)
        parents = segment.item_parent[spots]
        top = parents == NO_ITEM
        if depth == 1:
            most = np.zeros(len(total), np.int64)
            np.maximum.at(most, segment.item_document[spots[top]], sums[top])
            total += most
        else:
            above, places = np.unique(parents[~top], return_inverse=True)
            most = np.zeros(len(above), np.int64)
            np.maximum.at(most, places, sums[~top])
            open_sums[depth - 1] = _added([open_sums.get(depth - 1, _NOTHING), (above.astype(np.int64), most)])
    return total


_NOTHING = (np.empty(0, np.int64), np.empty(0, np.int64))


def _near(mode: int, apart: Ints) -> Doubles:
    if mode == BAG:
        return np.ones(len(apart))
    if mode == SEQUENCE:
        return np.asarray(apart == 0, np.float64)
    if mode == SOFT:
        return np.maximum(0.0, 1.0 - apart / 3.0)
    return np.where(apart == 0, 1.0, 0.5)


def _added(found: list[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    """Return the distinct spots of several lists, with the sums of their weights."""
    spots = np.concatenate([_NOTHING[0], *(spots for spots, _ in found)])
    weights = np.concatenate([_NOTHING[1], *(weights for _, weights in found)])
    distinct, places = np.unique(spots, return_inverse=True)
    sums = np.zeros(len(distinct), np.int64)
    np.add.at(sums, places, weights)
    there = sums > 0
    return distinct[there], sums[there]
