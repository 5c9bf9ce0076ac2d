"""Scores of documents by posting lists: exact scores, the best of them, and which documents can still win."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.ascending import first_at
from hdc.backends.numba_kernels.jit import inlined, kernel
from hdc.backends.numba_kernels.posting_lists import first_number_at, near_part
from hdc.backends.numba_kernels.posting_numbers import weight_of
from hdc.backends.numba_kernels.posting_records import (
    DEPTH,
    EXTRA,
    GROUP_FIELDS,
    L_KIND,
    L_ROW,
    L_START,
    L_STOP,
    L_WEIGHT,
    MODE,
    NUMBER,
    POSITION,
    VALUE,
    Asked,
    Doubles,
    Ints,
    Marks,
    Room,
    Segment,
)
from hdc.kernels import NO_ITEM

LOW = 0xFFFFFFFF


@inlined
def _held(segment: Segment, asked: Asked, at: int, document: int) -> int:
    """Return what a list at the top level adds to the score of a document."""
    lists = asked.lists
    start, stop = lists[at, L_START], lists[at, L_STOP]
    if lists[at, L_KIND] == NUMBER:
        spots, order = segment.number_spot, segment.number_order
        place = first_number_at(spots, order, start, stop, document)
        if place < stop:
            number = order[place]
            if spots[number] == document:
                row = lists[at, L_ROW]
                equal = segment.number_value[number] == asked.floats[row + VALUE]
                return weight_of(
                    asked.floats, row, asked.cells, lists[at, L_WEIGHT], segment.number_place[number], equal
                )
        return 0
    positions = asked.extra if lists[at, L_KIND] == EXTRA else segment.postings
    place = first_at(positions, start, stop, document)
    if place < stop and positions[place] == document:
        return int(lists[at, L_WEIGHT])
    return 0


@inlined
def add_item(sums: Ints, marks: Marks, depth: int, item: int, weight: int) -> None:
    """Add a weight to an item's sum, and note the item if it is new."""
    if weight > 0:
        if sums[item] == 0:
            marks[depth, 0] += 1
            marks[depth, marks[depth, 0]] = item
        sums[item] += weight


@kernel
def _exact(segment: Segment, asked: Asked, room: Room, document: int, total: int, least: float) -> int:
    """Return the weight that a document matches, or -1 as soon as it falls below ``least``.

    Parameters
    ----------
    total : int
        The most that all lists can add.
    """
    lists, first, groups = asked.lists, asked.first, asked.groups
    matched, rest, last = 0, total, len(first) - 2
    for at in range(first[last], first[last + 1]):
        matched += _held(segment, asked, at, document)
        rest -= lists[at, L_WEIGHT]
        if float(matched + rest) < least:
            return -1
    if last == 0:
        return matched
    sums, best, marks = room.item_sums, room.item_best, room.marks
    low, high = segment.item_start[document], segment.item_start[document + 1]
    for depth in range(marks.shape[0]):
        marks[depth, 0] = 0
    pruned = False
    for group in range(last):
        depth = groups[group * GROUP_FIELDS + DEPTH]
        for at in range(first[group], first[group + 1]):
            start, stop, weight = lists[at, L_START], lists[at, L_STOP], lists[at, L_WEIGHT]
            rest -= weight
            if pruned:
                continue
            if lists[at, L_KIND] == NUMBER:
                spots, order, row = segment.number_spot, segment.number_order, lists[at, L_ROW]
                place = first_number_at(spots, order, start, stop, low)
                while place < stop:
                    number = order[place]
                    spot = spots[number]
                    if spot >= high:
                        break
                    equal = segment.number_value[number] == asked.floats[row + VALUE]
                    held = weight_of(asked.floats, row, asked.cells, weight, segment.number_place[number], equal)
                    add_item(sums, marks, depth, spot - low, held)
                    place += 1
            else:
                positions = asked.extra if lists[at, L_KIND] == EXTRA else segment.postings
                place = first_at(positions, start, stop, low)
                while place < stop and positions[place] < high:
                    add_item(sums, marks, depth, positions[place] - low, weight)
                    place += 1
        top = 0
        count = marks[depth, 0]
        above = 0
        mode, position = groups[group * GROUP_FIELDS + MODE], groups[group * GROUP_FIELDS + POSITION]
        for i in range(1, count + 1):
            item = marks[depth, i]
            near = near_part(mode, position, segment.item_place[low + item])
            held = sums[item] if near == 1.0 else int(sums[item] * near)
            sums[item] = 0
            parent = segment.item_parent[low + item]
            if parent == NO_ITEM:
                top = max(top, held)
            elif depth > 1 and held > 0:
                own = parent - low
                if best[own] == 0:
                    above += 1
                    marks[depth, above] = own  # not after the item that is read here
                best[own] = max(best[own], held)
        if depth == 1:
            matched += top
        for i in range(1, above + 1):
            own = marks[depth, i]
            add_item(sums, marks, depth - 1, own, best[own])
            best[own] = 0
        marks[depth, 0] = 0
        if depth == 1 and float(matched + rest) < least:
            pruned = True
    return -1 if pruned else matched


@inlined
def _final(segment: Segment, asked: Asked, document: Any, matched: int) -> Any:
    """Return the score that orders documents: the matched weight, or with ``overlap`` its share of both together."""
    if not asked.overlap:
        return float(matched)
    beyond = segment.masses[document] * asked.mass_unit - matched
    return matched * (asked.whole / (asked.whole + max(0.0, beyond)))


@inlined
def key_of(asked: Asked, document: Any) -> Any:
    """Return the key that orders documents of equal scores, with their position in its lower half."""
    position = asked.base + np.int64(document)
    return (asked.rank[position] << 32 | position) if len(asked.rank) > 0 else position


@inlined
def comes_before(score: float, key: int, other: float, another: int) -> bool:
    """Return whether one document precedes another: by greater score or, if equal, by smaller key."""
    return score > other or (score == other and key < another)


@inlined
def _sink(scores: Doubles, keys: Ints, room: int, score: float, key: int) -> None:
    """Replace the top of a heap whose top is the worst pair, and restore the heap."""
    at = 0
    while True:
        child = 2 * at + 1
        if child >= room:
            break
        if child + 1 < room and comes_before(scores[child], keys[child], scores[child + 1], keys[child + 1]):
            child += 1
        if not comes_before(score, key, scores[child], keys[child]):
            break
        scores[at], keys[at] = scores[child], keys[child]
        at = child
    scores[at], keys[at] = score, key


@kernel
def _sift(scores: Doubles, keys: Ints, room: int, held: int, score: float, key: int) -> int:
    """Offer a pair to the best, a heap whose top is the worst; return the heap's new size."""
    if held == room:
        if comes_before(score, key, scores[0], keys[0]):
            _sink(scores, keys, room, score, key)
        return held
    at = held
    while at > 0:
        above = (at - 1) >> 1
        if not comes_before(scores[above], keys[above], score, key):
            break
        scores[at], keys[at] = scores[above], keys[above]
        at = above
    scores[at], keys[at] = score, key
    return held + 1


@kernel
def sort_best(scores: Doubles, keys: Ints, held: int) -> None:
    """Sort a heap, the best first."""
    for end in range(held - 1, 0, -1):
        score, key = scores[end], keys[end]
        scores[end], keys[end] = scores[0], keys[0]
        _sink(scores, keys, end, score, key)


@kernel
def kth_score(
    segment: Segment, asked: Asked, room: Room, k: int, allowed: npt.NDArray[np.bool_], count: int
) -> float:  # fmt: skip
    """Return the k-th greatest score by the bounds so far, or 0 if fewer documents have one."""
    bounds, touched, best = room.bounds, room.touched, room.greatest
    if count < k:
        return 0.0
    held = 0
    for i in range(count):
        document = np.int64(touched[i])
        bound = float(bounds[document])
        if held == k and bound <= best[0]:
            continue
        if len(allowed) > 0 and not allowed[asked.base + document]:
            continue
        score = _final(segment, asked, document, bounds[document])
        if held < k or score > best[0]:
            held = _sift(best, room.keys, k, held, score, 0)
    return float(best[0]) if held == k else 0.0


@kernel
def those_left(
    segment: Segment, asked: Asked, room: Room, k: int, held: int, allowed: npt.NDArray[np.bool_], count: int,
    rest: int, least: float,
) -> int:  # fmt: skip
    """Drop documents that can no longer be among the best; return how many are left.

    Parameters
    ----------
    least : float
        At most the score of the last of the best.
    """
    bounds, known, touched = room.bounds, room.known, room.touched
    left = 0
    plain = not asked.overlap and len(allowed) == 0
    worst = room.scores[0] if held == k else 0.0
    least = max(least, worst)
    enough = np.int64(least) - rest
    for i in range(count):
        document = np.int64(touched[i])
        bound = bounds[document]
        keep = bound >= enough and not known[document]
        if keep and not (plain and bound > enough):
            most = _final(segment, asked, document, bound + rest)
            keep = most >= least and (len(allowed) == 0 or allowed[asked.base + document])
            if keep and held == k:
                keep = comes_before(most, key_of(asked, document), worst, room.found[0])
        if keep:
            touched[left] = document
            left += 1
        else:
            bounds[document] = 0
            known[document] = 0
    return left


@kernel
def compare(
    segment: Segment, asked: Asked, room: Room, k: int, held: int, allowed: npt.NDArray[np.bool_], count: int,
    rest: int, total: int, several: int, exact: bool,
) -> int:  # fmt: skip
    """Score several documents exactly, those with the greatest bounds, and offer them to the best.

    Parameters
    ----------
    exact : bool
        Whether their bounds are exact.
    """
    bounds, known, touched, scores, found = room.bounds, room.known, room.touched, room.scores, room.found
    several = min(several, count)
    likely, which, many = np.empty(several, np.float64), np.empty(several, np.int64), 0
    plain = not asked.overlap and len(allowed) == 0
    for i in range(count):
        document = np.int64(touched[i])
        bound = bounds[document]
        if plain and many == several and bound + rest < likely[0]:
            continue
        if known[document] or (len(allowed) > 0 and not allowed[asked.base + document]):
            continue
        most = _final(segment, asked, document, bound + rest)
        key = key_of(asked, document)
        if held == k and not comes_before(most, key, scores[0], found[0]):
            continue
        many = _sift(likely, which, several, many, most, key)
    sort_best(likely, which, many)
    for i in range(many):
        most, key = likely[i], which[i]
        if held == k:
            if most < scores[0]:
                break
            if not comes_before(most, key, scores[0], found[0]):
                continue
        document = (key & LOW) - asked.base
        known[document] = 1
        if exact:
            held = _sift(scores, found, k, held, most, key)
            continue
        matched = _exact(segment, asked, room, document, total, scores[0] if held == k else 0.0)
        if matched > 0:
            held = _sift(scores, found, k, held, _final(segment, asked, document, matched), key)
    return held
