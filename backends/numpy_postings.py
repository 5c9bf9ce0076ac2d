"""The reference kernel of search by postings: every list is added up, every document scored."""

import numpy as np
import numpy.typing as npt

from hdc.kernels import NO_ITEM, PostingQuery, PostingSegment

Ints = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]

EXTRA, NUMBER = 1, 2
"""Kinds of lists; 0 is a list of the segment."""

BAG, SEQUENCE, SOFT = 0, 1, 2


def best_documents(
    segment: PostingSegment,
    query: PostingQuery,
    k: int,
    floor: float,
    allowed: npt.NDArray[np.bool_],
    rank: Ints,
) -> tuple[Doubles, Ints]:
    """Return the best documents of one segment; see :attr:`hdc.kernels.PostingKernels.best`."""
    matched = _matched(segment, query)
    scores = matched.astype(np.float64)
    if query.overlap:
        beyond = np.maximum(0.0, segment.masses * query.unit - matched)
        scores *= query.whole / (query.whole + beyond)
    wanted = (scores > 0) & (scores >= floor)
    if len(allowed):
        wanted &= allowed
    documents = np.flatnonzero(wanted)
    if k < len(documents):
        least = -np.partition(-scores[documents], k - 1)[k - 1]
        documents = documents[scores[documents] >= least]
    ranks = rank[documents] if len(rank) else documents
    order = documents[np.lexsort((ranks, -scores[documents]))[:k]]
    return scores[order], order


def _matched(segment: PostingSegment, query: PostingQuery) -> Ints:
    """Return what each document holds of the query's weight."""
    open_sums: dict[int, tuple[Ints, Ints]] = {}
    total = np.zeros(len(segment.item_start) - 1, np.int64)
    for group, depth in enumerate(query.depth.tolist()):
        lists = range(query.first[group], query.first[group + 1])
        found = [_of_list(segment, query, at) for at in lists]
        if depth == 0:
            for spots, weights in found:
                total[spots] += weights
            continue
        if depth in open_sums:
            found.append(open_sums.pop(depth))
        spots, sums = _added(found)
        apart = np.abs(int(query.position[group]) - segment.item_place[spots].astype(np.int64))
        sums = (sums * _near(int(query.mode[group]), apart)).astype(np.int64)
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


def _of_list(segment: PostingSegment, query: PostingQuery, at: int) -> tuple[Ints, Ints]:
    """Return the spots of a list, each once, and their weights."""
    part = slice(int(query.start[at]), int(query.stop[at]))
    if query.kind[at] != NUMBER:
        positions = query.extra if query.kind[at] == EXTRA else segment.postings
        spots = positions[part].astype(np.int64)
        return spots, np.full(len(spots), query.weight[at])
    exact = query.exact[at]
    places = segment.number_place[part]
    close = np.where(segment.number_value[part] == query.value[at], exact, 0.0)
    if query.widths[at, 0] <= 0:
        close += (1 - exact) * np.exp(-((places - query.place[at]) ** 2) / 2)
    else:
        share = (1 - exact) / (query.cells * query.widths.shape[1])
        for width in query.widths[at]:
            apart = np.abs(np.floor(places * query.cells / width) - np.floor(query.place[at] * query.cells / width))
            close += np.where(apart < query.cells, share * (query.cells - apart), 0.0)
    return segment.number_spot[part].astype(np.int64), (query.weight[at] * close + 0.5).astype(np.int64)


def _added(found: list[tuple[Ints, Ints]]) -> tuple[Ints, Ints]:
    """Return the spots of several lists, each once, with the sums of their weights."""
    spots = np.concatenate([_NOTHING[0], *(spots for spots, _ in found)])
    weights = np.concatenate([_NOTHING[1], *(weights for _, weights in found)])
    distinct, places = np.unique(spots, return_inverse=True)
    sums = np.zeros(len(distinct), np.int64)
    np.add.at(sums, places, weights)
    there = sums > 0
    return distinct[there], sums[there]
