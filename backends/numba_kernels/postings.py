"""The best documents of a query by postings: lists of great weight are scanned, the others asked about candidates.

A scan adds the weights of lists, the greatest first, to a bound of each document. As soon as what the other lists
could add is less than the k-th best score found so far, no further document can win; those that still could are
looked up in every list, the likely ones first, and that gives their exact scores. All weights are integers, so that
sums are the same in any order.
"""

import math
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.jit import inlined, kernel
from hdc.kernels import NO_ITEM, PostingQuery, PostingSegment

Ints = npt.NDArray[np.int64]
Marks = npt.NDArray[np.uint32]

TERM, EXTRA, NUMBER = 0, 1, 2
"""Where a list is: in the segment, with the query, or in a column of numbers."""

PROBE, SCAN = 60.0, 1.2
"""Nanoseconds that it takes to look up a document in a list, and to add one posting."""

LOW = 0xFFFFFFFF

TRIAL = 4096
"""Postings of a list from which on it is worth asking, before it is scanned, whether it need be."""


@inlined
def _closeness(query: PostingQuery, at: int, place: float, value: float) -> float:
    """Return the part of a number's weight that another one holds."""
    exact = query.exact[at]
    part = exact if value == query.value[at] else 0.0
    width = query.widths[at, 0]
    if width <= 0.0:
        apart = place - query.place[at]
        return float(part + (1.0 - exact) * math.exp(-apart * apart / 2.0))
    cells = query.cells
    for scale in range(query.widths.shape[1]):
        width = query.widths[at, scale]
        apart = abs(math.floor(place * cells / width) - math.floor(query.place[at] * cells / width))
        if apart < cells:
            part += (1.0 - exact) / (cells * query.widths.shape[1]) * (cells - apart)
    return float(part)


@inlined
def _weight(query: PostingQuery, at: int, place: float, value: float) -> int:
    return int(query.weight[at] * _closeness(query, at, place, value) + 0.5)


@inlined
def _first(positions: Marks, start: int, stop: int, spot: int) -> int:
    """Return the first place in an ascending run that holds ``spot`` or more."""
    while start < stop:
        middle = (start + stop) >> 1
        if positions[middle] < spot:
            start = middle + 1
        else:
            stop = middle
    return start


@inlined
def _first_number(segment: PostingSegment, start: int, stop: int, spot: int) -> int:
    """Return the first place in a column's order by spots that holds ``spot`` or more."""
    while start < stop:
        middle = (start + stop) >> 1
        if segment.number_spot[segment.number_order[middle]] < spot:
            start = middle + 1
        else:
            stop = middle
    return start


@inlined
def _near(mode: int, asked: int, place: int) -> float:
    """Return the part of an item's match that is left at another place: bag, sequence, soft, both."""
    if mode == 0:
        return 1.0
    apart = abs(asked - place)
    if mode == 1:
        return 1.0 if apart == 0 else 0.0
    if mode == 2:
        return max(0.0, 1.0 - apart / 3.0)
    return 1.0 if apart == 0 else 0.5


@kernel
def _exact(segment: PostingSegment, query: PostingQuery, document: int, sums: Ints, best: Ints, marks: Marks) -> int:
    """Return the exact score of a document.

    Parameters
    ----------
    sums, best : int64 arrays
        Zeros, one for each item of the document at least; left as zeros.
    marks : (depth + 1, items + 1) uint32 array
        Scratch: in each row a number of items, and which.
    """
    low, high = segment.item_start[document], segment.item_start[document + 1]
    total = 0
    for depth in range(marks.shape[0]):
        marks[depth, 0] = 0
    for group in range(len(query.depth)):
        depth = query.depth[group]
        if depth == 0:
            for at in range(query.first[group], query.first[group + 1]):
                total += _held(segment, query, at, document)
            continue
        for at in range(query.first[group], query.first[group + 1]):
            if query.kind[at] == NUMBER:
                place = _first_number(segment, query.start[at], query.stop[at], low)
                while place < query.stop[at]:
                    number = segment.number_order[place]
                    spot = segment.number_spot[number]
                    if spot >= high:
                        break
                    weight = _weight(query, at, segment.number_place[number], segment.number_value[number])
                    _add(sums, marks, depth, spot - low, weight)
                    place += 1
            else:
                positions = query.extra if query.kind[at] == EXTRA else segment.postings
                place = _first(positions, query.start[at], query.stop[at], low)
                while place < query.stop[at] and positions[place] < high:
                    _add(sums, marks, depth, positions[place] - low, query.weight[at])
                    place += 1
        top = 0
        count = marks[depth, 0]
        above = 0
        for i in range(1, count + 1):
            item = marks[depth, i]
            near = _near(query.mode[group], query.position[group], segment.item_place[low + item])
            found = sums[item] if near == 1.0 else int(sums[item] * near)
            sums[item] = 0
            parent = segment.item_parent[low + item]
            if parent == NO_ITEM:
                top = max(top, found)
            elif depth > 1 and found > 0:
                own = parent - low
                if best[own] == 0:
                    above += 1
                    marks[depth, above] = own  # no later than the item that is read here
                best[own] = max(best[own], found)
        if depth == 1:
            total += top
        for i in range(1, above + 1):
            own = marks[depth, i]
            _add(sums, marks, depth - 1, own, best[own])
            best[own] = 0
        marks[depth, 0] = 0
    return total


@inlined
def _add(sums: Ints, marks: Marks, depth: int, item: int, weight: int) -> None:
    if weight > 0:
        if sums[item] == 0:
            marks[depth, 0] += 1
            marks[depth, marks[depth, 0]] = item
        sums[item] += weight


@inlined
def _held(segment: PostingSegment, query: PostingQuery, at: int, document: int) -> int:
    """Return what a list at the top of documents adds to the score of one."""
    if query.kind[at] == NUMBER:
        place = _first_number(segment, query.start[at], query.stop[at], document)
        if place < query.stop[at]:
            number = segment.number_order[place]
            if segment.number_spot[number] == document:
                return _weight(query, at, segment.number_place[number], segment.number_value[number])
        return 0
    positions = query.extra if query.kind[at] == EXTRA else segment.postings
    place = _first(positions, query.start[at], query.stop[at], document)
    if place < query.stop[at] and positions[place] == document:
        return int(query.weight[at])
    return 0


@inlined
def _final(segment: PostingSegment, query: PostingQuery, document: Any, matched: int) -> Any:
    """Return what documents are ordered by: the weight that they hold, or the part of both that they share."""
    if not query.overlap:
        return float(matched)
    whole = float(query.whole)
    beyond = segment.masses[document] * query.unit - matched
    return matched * (whole / (whole + max(0.0, beyond)))


@kernel
def _scan(
    segment: PostingSegment,
    query: PostingQuery,
    at: int,
    start: int,
    stop: int,
    bounds: Ints,
    touched: Marks,
    count: int,
) -> int:
    """Add a part of a list to the bounds of documents; return how many have one."""
    nested = query.nested[at]
    if query.kind[at] == NUMBER:
        for number in range(start, stop):
            spot = segment.number_spot[number]
            document = segment.item_document[spot] if nested else spot
            weight = _weight(query, at, segment.number_place[number], segment.number_value[number])
            if weight > 0:
                if bounds[document] == 0:
                    touched[count] = document
                    count += 1
                bounds[document] += weight
        return count
    positions = query.extra if query.kind[at] == EXTRA else segment.postings
    weight, last = query.weight[at], np.int64(-1)
    if weight == 0:
        return count
    for place in range(start, stop):
        document = np.int64(segment.item_document[positions[place]] if nested else positions[place])
        if document != last:
            last = document
            if bounds[document] == 0:
                touched[count] = document
                count += 1
            bounds[document] += weight
    return count


@inlined
def _document_at(segment: PostingSegment, query: PostingQuery, at: int, place: int) -> Any:
    """Return the document of a place in a list that is no column."""
    position = query.extra[place] if query.kind[at] == EXTRA else segment.postings[place]
    return np.int64(segment.item_document[position] if query.nested[at] else position)


@inlined
def _key(rank: Ints, document: Any) -> Any:
    """Return what documents of equal scores are ordered by, with the document in its lower half."""
    return (rank[document] << 32 | document) if len(rank) > 0 else document


@inlined
def _before(score: float, document: int, other: float, another: int) -> bool:
    return score > other or (score == other and document < another)


@kernel
def _sift(scores: npt.NDArray[np.float64], documents: Ints, held: int, score: float, document: int) -> int:
    """Put a pair among the best, a heap with the worst on top; return how many are held."""
    room = len(scores)
    if held < room:
        at = held
        while at > 0:
            above = (at - 1) >> 1
            if not _before(scores[above], documents[above], score, document):
                break
            scores[at], documents[at] = scores[above], documents[above]
            at = above
        scores[at], documents[at] = score, document
        return held + 1
    if not _before(score, document, scores[0], documents[0]):
        return held
    at = 0
    while True:
        child = 2 * at + 1
        if child >= room:
            break
        if child + 1 < room and _before(scores[child], documents[child], scores[child + 1], documents[child + 1]):
            child += 1
        if not _before(score, document, scores[child], documents[child]):
            break
        scores[at], documents[at] = scores[child], documents[child]
        at = child
    scores[at], documents[at] = score, document
    return held


class _Scratch(threading.local):
    """Arrays of a thread, zeros between searches: documents are many, and those that a search touches few."""

    def __init__(self) -> None:
        self.bounds = np.zeros(0, np.int64)
        self.known = np.zeros(0, np.uint8)
        self.touched = np.zeros(0, np.uint32)

    def of(self, documents: int) -> tuple[Ints, npt.NDArray[np.uint8], Marks]:
        """Return arrays for so many documents."""
        if len(self.bounds) < documents:
            self.bounds, self.known = np.zeros(documents, np.int64), np.zeros(documents, np.uint8)
            self.touched = np.zeros(documents, np.uint32)
        return self.bounds, self.known, self.touched


_SCRATCH = _Scratch()


def best_documents(
    segment: PostingSegment,
    query: PostingQuery,
    k: int,
    floor: float,
    allowed: npt.NDArray[np.bool_],
    rank: Ints,
) -> tuple[npt.NDArray[np.float64], Ints]:
    """Return the best documents of one segment; see :attr:`hdc.kernels.PostingKernels.best`."""
    documents = len(segment.item_start) - 1
    return _best(segment, query, min(k, max(1, documents)), floor, allowed, rank, *_SCRATCH.of(documents))


@kernel
def _best(
    segment: PostingSegment,
    query: PostingQuery,
    k: int,
    floor: float,
    allowed: npt.NDArray[np.bool_],
    rank: Ints,
    bounds: Ints,
    known: npt.NDArray[np.uint8],
    touched: Marks,
) -> tuple[npt.NDArray[np.float64], Ints]:
    """Search with arrays of zeros, which are zeros again afterwards."""
    count, scans, rest, cost = 0, len(query.scan), 0, 0.0
    for scan in range(scans):
        rest += query.bound[scan]
        cost += SCAN * (query.scan_stop[scan] - query.scan_start[scan])
    if float(rest) < floor:
        return np.empty(0, np.float64), np.empty(0, np.int64)
    items = 1
    if len(query.depth) > 1:
        items += segment.most_items
    sums, best = np.zeros(items, np.int64), np.zeros(items, np.int64)
    marks = np.zeros((query.deepest + 1, items + 1), np.uint32)
    scores, found, held = np.empty(k, np.float64), np.empty(k, np.int64), 0
    scan = 0
    while scan < scans:
        at, start, stop = query.scan[scan], query.scan_start[scan], query.scan_stop[scan]
        long = stop - start > TRIAL
        if long and count > 0 and cost > 3.0 * count:
            held = _try(
                segment,
                query,
                k,
                floor,
                allowed,
                rank,
                bounds,
                touched,
                count,
                known,
                scores,
                found,
                held,
                sums,
                best,
                marks,
            )
            least = max(floor, scores[0] if held == k else 0.0)
            if float(rest) < least:
                left = 0
                for i in range(count):
                    document = touched[i]
                    most = _final(segment, query, document, bounds[document] + rest)
                    tried = known[document] or most < floor
                    if not tried and (held < k or _before(most, _key(rank, np.int64(document)), scores[0], found[0])):
                        left += 1
                if left * PROBE * len(query.kind) < cost:
                    break
        if long and count == 0 and query.kind[at] != NUMBER and len(rank) == 0:
            # The documents of a list ascend: once the best of its first ones are as good as can be, none behind is.
            count = _scan(segment, query, at, start, start + TRIAL, bounds, touched, count)
            held = _try(
                segment,
                query,
                k,
                floor,
                allowed,
                rank,
                bounds,
                touched,
                count,
                known,
                scores,
                found,
                held,
                sums,
                best,
                marks,
            )
            start += TRIAL
            if held == k and not _before(float(rest), _document_at(segment, query, at, start), scores[0], found[0]):
                rest -= query.bound[scan]
                break
        count = _scan(segment, query, at, start, stop, bounds, touched, count)
        rest -= query.bound[scan]
        cost -= SCAN * (query.scan_stop[scan] - query.scan_start[scan])
        scan += 1
    held = _decide(
        segment,
        query,
        k,
        floor,
        allowed,
        rank,
        bounds,
        rest,
        touched,
        count,
        known,
        scores,
        found,
        held,
        sums,
        best,
        marks,
    )
    for i in range(count):
        bounds[touched[i]] = 0
        known[touched[i]] = 0
    order = np.empty(held, np.int64)
    for i in range(held):
        at = i
        while at > 0 and _before(scores[i], found[i], scores[order[at - 1]], found[order[at - 1]]):
            order[at] = order[at - 1]
            at -= 1
        order[at] = i
    documents_found = np.empty(held, np.int64)
    for i in range(held):
        documents_found[i] = found[order[i]] & LOW
    return scores[order], documents_found


@kernel
def _try(
    segment: PostingSegment,
    query: PostingQuery,
    k: int,
    floor: float,
    allowed: npt.NDArray[np.bool_],
    rank: Ints,
    bounds: Ints,
    touched: Marks,
    count: int,
    known: npt.NDArray[np.uint8],
    scores: npt.NDArray[np.float64],
    found: Ints,
    held: int,
    sums: Ints,
    best: Ints,
    marks: Marks,
) -> int:
    """Compare exactly the k documents of the greatest bounds so far."""
    likely, which, many = np.empty(k, np.float64), np.empty(k, np.int64), 0
    for i in range(count):
        document = np.int64(touched[i])
        if len(allowed) == 0 or allowed[document]:
            most = _final(segment, query, document, bounds[document])
            many = _sift(likely, which, many, most, _key(rank, document))
    for i in range(many):
        document = which[i] & LOW
        if not known[document]:
            known[document] = 1
            score = _final(segment, query, document, _exact(segment, query, document, sums, best, marks))
            if score > 0 and score >= floor:
                held = _sift(scores, found, held, score, _key(rank, document))
    return held


@kernel
def _decide(
    segment: PostingSegment,
    query: PostingQuery,
    k: int,
    floor: float,
    allowed: npt.NDArray[np.bool_],
    rank: Ints,
    bounds: Ints,
    rest: int,
    touched: Marks,
    count: int,
    known: npt.NDArray[np.uint8],
    scores: npt.NDArray[np.float64],
    found: Ints,
    held: int,
    sums: Ints,
    best: Ints,
    marks: Marks,
) -> int:
    """Compare exactly all documents that could still be among the best k, the likely ones first."""
    several = 2 * k + 30
    summed = rest == 0 and query.deepest == 0 and query.depth[0] == 0  # the bounds are the scores
    candidates, many_left = touched[:count].copy(), count
    while True:
        several = min(several, max(1, many_left))
        likely, which, many = np.empty(several, np.float64), np.empty(several, np.int64), 0
        left = 0
        for i in range(many_left):
            document = np.int64(candidates[i])
            if known[document] or (len(allowed) > 0 and not allowed[document]):
                continue
            most = _final(segment, query, document, bounds[document] + rest)
            if most < floor or (held == k and not _before(most, _key(rank, document), scores[0], found[0])):
                continue
            candidates[left] = document
            left += 1
            many = _sift(likely, which, many, most, _key(rank, document))
        many_left = left
        if many == 0:
            return held
        order = np.argsort(-likely[:many])
        for i in range(many):
            document, most = which[order[i]] & LOW, likely[order[i]]
            if held == k:
                if most < scores[0]:
                    break
                if not _before(most, _key(rank, document), scores[0], found[0]):
                    continue
            known[document] = 1
            score = most
            if not summed:
                score = _final(segment, query, document, _exact(segment, query, document, sums, best, marks))
            if score > 0 and score >= floor:
                held = _sift(scores, found, held, score, _key(rank, document))
        several *= 4
