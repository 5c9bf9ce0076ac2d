"""The steps of a search among estimates for one query, as :mod:`one_query` puts them together.

Each does for one query what a kernel of batches does for many, with the same roundings.
"""

from typing import Any

import numpy as np

from hdc.backends.numba_kernels.addresses import array_at
from hdc.backends.numba_kernels.estimates import shared_planes, weighted, write_planes
from hdc.backends.numba_kernels.gather import AHEAD, LINE, ask_for, dot_and_square
from hdc.backends.numba_kernels.jit import inlined, kernel
from hdc.backends.numba_kernels.lanes import not_negative, packed, pair_lanes
from hdc.backends.numba_kernels.nearest import reached, those_reaching
from hdc.backends.numba_kernels.rounding import round_row
from hdc.backends.numba_kernels.simd import (
    LANES,
    Pointer,
    Vector,
    ctpop,
    dot_bytes,
    load,
    lowest_bit,
    pointer,
    prefetch,
    scale_lanes,
    splat,
    splat32,
    store,
)
from hdc.backends.numba_kernels.topk import ID_BITS, key_score, least_pairs, ordered, rank_of, score_key, select_pairs
from hdc.kernels import ESTIMATE_BITS

LOW = (1 << ID_BITS) - 1
"""The bits of a pair that are an id."""

AHEAD_LISTS, AHEAD_ROWS = 3, 256
"""Lists from the one in hand to the one that is asked for from memory, and how many of its rows are."""

FLOATS, WORDS = LINE // 4, LINE // 8
"""Numbers in a cache line."""


@kernel
def dots_of_one(table: Pointer, quads: int, groups: int, asked: Pointer, out: Pointer) -> None:
    """Fill ``out`` (int32, seen as words) with the products of all centroids with one query."""
    last, step = groups - 1, quads * LANES
    for group in range(0, groups, 8):
        # Fewer than eight are left at the end: the places beyond repeat the last.
        b, c, d, e = min(group + 1, last), min(group + 2, last), min(group + 3, last), min(group + 4, last)
        f, g, h = min(group + 5, last), min(group + 6, last), min(group + 7, last)
        dot_a = dot_b = dot_c = dot_d = dot_e = dot_f = dot_g = dot_h = splat(0)
        for quad in range(quads):
            four, at = splat32(asked[quad]), quad * LANES
            dot_a = dot_bytes(dot_a, load(table, group * step + at), four)
            dot_b = dot_bytes(dot_b, load(table, b * step + at), four)
            dot_c = dot_bytes(dot_c, load(table, c * step + at), four)
            dot_d = dot_bytes(dot_d, load(table, d * step + at), four)
            dot_e = dot_bytes(dot_e, load(table, e * step + at), four)
            dot_f = dot_bytes(dot_f, load(table, f * step + at), four)
            dot_g = dot_bytes(dot_g, load(table, g * step + at), four)
            dot_h = dot_bytes(dot_h, load(table, h * step + at), four)
        store(out, group * LANES, dot_a)
        store(out, b * LANES, dot_b)
        store(out, c * LANES, dot_c)
        store(out, d * LANES, dot_d)
        store(out, e * LANES, dot_e)
        store(out, f * LANES, dot_f)
        store(out, g * LANES, dot_g)
        store(out, h * LANES, dot_h)


@kernel
def find_lists(
    model: Any, x: Any, bits: Any, unit: Any, quads: Any, integers: Any, words: Any, dots: Any, pairs: Any,
    chosen: Any, base: Any,
) -> None:  # fmt: skip
    """Fill ``chosen`` with the nearest lists, nearest first, and ``base`` with the products with their centers.

    ``bits`` are those of ``x``, and ``integers`` and ``dots`` the bytes of ``quads`` and the halves of ``words``.
    """
    lists, probes = model["lists"], len(chosen)
    lengths = array_at(model["lengths"], lists, np.float32)
    round_row(x, bits, np.float32(127), unit, integers)
    more: Any = 0  # what 128 more of each byte of a centroid amount to
    for j in range(len(x)):
        more += 128 * np.int64(integers[j])
    table = array_at(model["table"], model["table_size"], np.uint64)
    dots_of_one(pointer(table), len(quads), model["groups"], pointer(quads), pointer(words))
    held = those_reaching(dots, words, 0, lists, reached(dots, lists, probes), pairs)
    for at in range(held):
        pairs[at] |= -np.int64(dots[pairs[at]]) << ID_BITS
    if held > probes:
        least_pairs(pairs, held, probes)
    in_order = ordered(pairs, chosen, probes)
    for at in range(probes):
        p = at if in_order else rank_of(pairs, probes, at)
        nearest = pairs[at] & LOW
        chosen[p] = nearest
        base[p] = np.float32(np.int64(dots[nearest]) - more) * unit[0] * lengths[nearest]


@kernel
def mean_product(model: Any, x: Any, bits: Any, unit: Any, integers: Any) -> Any:
    """Return the product with the mean, which is kept in 16 bits, and the only center where there is one list."""
    mean = array_at(model["mean"], len(x), np.int16)
    round_row(x, bits, np.float32(32767), unit, integers)
    dot = np.int64(0)
    for j in range(len(x)):
        dot += np.int64(integers[j]) * np.int64(mean[j])
    return np.float32(np.float64(dot) * (np.float64(unit[0]) * model["mean_unit"]))


@kernel
def round_query(
    rotated: Any, bits: Any, root: Any, unit: Any, integers: Any, numbers: Any, planes: Any, factors: Any
) -> None:
    """Write the bit-planes of the rotated query's integers, and what turns sums of them to estimates.

    ``numbers`` are the words of ``integers``, which end with zeros where there are more than ``rotated`` has.
    """
    round_row(rotated, bits, np.float32(2 ** (ESTIMATE_BITS - 1) - 1), unit, integers)
    total = np.int64(0)
    for j in range(len(rotated)):
        total += np.int64(integers[j])
    write_planes(numbers, planes.shape[2], planes, 0, 1)
    one = unit[0] / root
    factors[0] = np.float32(2) * one
    factors[1] = np.float32(np.float64(-one) * np.float64(total))


@kernel
def take_asked(
    model: Any, query: int, integers: Any, numbers: Any, planes: Any, factors: Any, chosen: Any, base: Any
) -> None:
    """Take integers, factors, lists and products with their centers as they were given; write the bit-planes."""
    dim, probes = model["dim"], len(chosen)
    own = array_at(model["given"], model["given_size"], np.int8)
    own_factors = array_at(model["given_factors"], model["given_factors_size"], np.float32)
    lists = array_at(model["given_lists"], model["given_lists_size"], np.int64)
    products = array_at(model["given_base"], model["given_base_size"], np.float32)
    for j in range(dim):
        integers[j] = own[query * dim + j]
    for at in range(probes):
        chosen[at], base[at] = lists[query * probes + at], products[query * probes + at]
    factors[0], factors[1] = own_factors[2 * query], own_factors[2 * query + 1]
    write_planes(numbers, planes.shape[2], planes, 0, 1)


@inlined
def _sums(rows: Pointer, at: int, words: int, planes: Pointer) -> Vector:
    """Return the sums of the query's integers where the bits of eight rows are set."""
    a = b = c = d = splat(0)
    for w in range(words):
        bits = load(rows, at + w * LANES)
        a = a + shared_planes(bits, planes, w)
        b = b + shared_planes(bits, planes, words + w)
        c = c + shared_planes(bits, planes, 2 * words + w)
        d = d + shared_planes(bits, planes, 3 * words + w)
    return weighted(a, b, c, d)


@kernel
def _ask_for_list(
    block: Pointer, scales: Pointer, offsets: Pointer, ids: Pointer, at: int, words: int, row: int, stop: int
) -> None:
    """Ask for the rows of a list, the first of which are at ``block[at:]`` and at ``row`` elsewhere."""
    stop = min(stop, row + AHEAD_ROWS)
    for word in range(at, at + words * (stop - row), WORDS):
        prefetch(block, word)
    for first in range(row, stop, FLOATS):
        prefetch(scales, first)
        prefetch(offsets, first)
    for first in range(row, stop, WORDS):
        prefetch(ids, first)


@kernel
def _allowed(found: int, rows: Pointer, row: int, mask: Any) -> int:
    """Return the bits of ``found`` whose rows are in the mask."""
    left = found
    while left:
        bit = left & -left
        if not mask[rows[row + lowest_bit(left)]]:
            found ^= bit
        left ^= bit
    return found


@kernel
def scan(
    part: Any, lists: Any, base: Any, planes: Any, factors: Any, mask: Any, k: int, held: int, least: Any, scores: Any,
    bits: Any, pairs: Any, places: Any,
) -> int:  # fmt: skip
    """Hold the rows of some lists of a part whose scores reach ``least[0]``, and raise that when there are many.

    Return how many are held: their pairs of score and id, and their places. ``bits`` are those of ``scores``.
    """
    n, words, full, probes = part["ids_size"], planes.shape[2], len(pairs) - LANES, len(lists)
    begins = array_at(part["begins"], part["begins_size"], np.int64)
    starts = array_at(part["starts"], part["starts_size"], np.int64)
    ids, rows = pointer(array_at(part["ids"], n, np.int64)), pointer(array_at(part["rows"], n, np.int64))
    block = pointer(array_at(part["block"], part["block_size"], np.uint64))
    scales = pointer(array_at(part["scale"], part["scale_size"], np.float32))
    offsets = pointer(array_at(part["offset"], part["offset_size"], np.float32))
    masks, out, kept, at_places = pointer(planes), pointer(scores), pointer(pairs), pointer(places)
    for p in range(1 - AHEAD_LISTS, probes):
        after = p + AHEAD_LISTS - 1
        if after < probes:
            one = lists[after]
            _ask_for_list(block, scales, offsets, ids, begins[one], words, starts[one], starts[one + 1])
        if p < 0:
            continue
        begin, stop = starts[lists[p]], starts[lists[p] + 1]
        at = begins[lists[p]] - begin * words
        for row in range(begin, stop, LANES):
            sums = _sums(block, at + row * words, words, masks)
            found = (1 << min(LANES, stop - row)) - 1
            found &= scale_lanes(sums, factors[0], factors[1], scales, offsets, row, base[p], least[0], out)
            if found:
                numbers = load(ids, row)
                found &= not_negative(numbers)
                if len(mask):
                    found = _allowed(found, rows, row, mask)
                store(kept, held, packed(pair_lanes(out, numbers), found))
                store(at_places, held, packed(load(rows, row), found))
                held += int(ctpop(np.uint64(found)))
                if held >= full:
                    bits[0] = key_score(select_pairs(pairs, places, held, k) >> ID_BITS)
                    least[0] = scores[0]
                    held = k
    return held


@kernel
def compare(
    model: Any, x: Any, bits: Any, unit: Any, integers: Any, low: Any, high: Any, asked: float, less: Any,
    less_bits: Any, pairs: Any, places: Any, held: int,
) -> None:  # fmt: skip
    """Replace the scores of pairs by minus one minus the cosine with the original at their place.

    Where originals have lengths, by the inner product, or the square of the distance times -1; ``asked`` is the square
    of the query's length.

    ``low`` and ``high`` take the bytes of the query's integers, and ``less_bits`` are those of ``less``.
    """
    width = len(x)
    round_row(x, bits, np.float32(32767), unit, integers)
    own, sums = np.int64(0), np.int64(0)
    for j in range(width):
        own += np.int64(integers[j]) * np.int64(integers[j])
        low[j] = integers[j] & 0xFF
        high[j] = integers[j] >> 8
    for j in range(width // LINE * LINE):
        sums += np.int64(high[j])
    memory = pointer(array_at(model["originals"], model["originals_size"], np.int8))
    lows, highs = pointer(low), pointer(high)
    lengths, far = (
        array_at(model["lengths_of_originals"], model["lengths_of_originals_size"], np.float32),
        np.sqrt(asked),
    )
    for at in range(min(AHEAD, held)):
        ask_for(memory, places[at], width)
    length = np.sqrt(np.float64(own))
    for at in range(held):
        ask_for(memory, places[min(at + AHEAD, held - 1)], width)
        dot, square = dot_and_square(memory, places[at] * width, width, lows, highs, 0, sums)
        both = np.sqrt(np.float64(square)) * length
        cosine = np.float32(np.float64(dot) / both) if both > 0 else np.float32(0)
        if len(lengths):
            near, own_length = np.float32(1) - (np.float32(1) - cosine), np.float64(lengths[places[at]])
            product = np.float64(near) * own_length * far
            if model["by_distance"]:
                product = 2 * product - own_length * own_length - asked
            less[0] = np.float32(product) + np.float32(0)
        else:
            less[0] = np.float32(0) - (np.float32(1) - cosine)
        pairs[at] = score_key(np.int64(less_bits[0])) << ID_BITS | (pairs[at] & LOW)


@kernel
def write_found(
    pairs: Any, places: Any, held: int, less: Any, more: Any, score: Any, bits: Any, q: int, scores: Any, ids: Any
) -> None:
    """Write the best of what is held to row q of ``scores`` and ``ids``, best first, and -inf and -1 behind them.

    From scores ``less`` is subtracted, and then ``more`` is added. ``bits`` are those of ``score``.
    """
    k = ids.shape[1]
    if held > k:
        select_pairs(pairs, places, held, k)
        held = k
    in_order = ordered(pairs, places, held)
    for at in range(held):
        place = at if in_order else rank_of(pairs, held, at)
        bits[0] = key_score(pairs[at] >> ID_BITS)
        scores[q, place] = (score[0] - less) + more
        ids[q, place] = pairs[at] & LOW
    for place in range(held, k):
        scores[q, place] = -np.inf
        ids[q, place] = -1
