"""Exact top-k Hamming search for many queries, without a popcount: bit-planes and carry-save adders.

Rows are stored in blocks of 512, transposed: plane d of a block is the vector of bit d of its 512 rows. So one
instruction processes 512 rows. Here are eight rows of four dimensions, and two queries::

    rows              planes          q0  q1  class        the sum of class 3, for eight rows at once
    row 0: 1010       d=0: 10110100   1   1   3 = q0,q1      d=0    1 0 1 1 0 1 0 0
    row 1: 0110       d=1: 01100011   0   1   2 = q1         d=3  + 0 0 1 0 0 1 1 0
    row 2: 1101       d=2: 11010010   0   0   0              ones   1 0 0 1 0 0 1 0   d0 ^ d3
    ...               d=3: 00100110   1   1   3              twos   0 0 1 0 0 1 0 0   d0 & d3

1. *Only |row AND query| is counted*, since |row XOR query| = |row| + |query| - 2 |row AND query|, and |row| is stored.
   |row AND query| is the sum of the planes at the query's set bits, and sums of planes are bit-sliced: plane i of a sum
   has bit i of 512 counts. A carry-save adder turns three planes of weight 1 into one of weight 1 (``a ^ b ^ c``) and
   one of weight 2 (the majority): two instructions for 512 rows.
2. *Queries share sums* (the "method of the Four Russians"). A group of b queries puts each dimension into one of 2**b
   classes: which of the queries have it set. Each class is summed once. The count of query j is the sum of the classes
   whose number has bit j. This is one pass over the planes for b queries.
3. *Most blocks contain no answer.* Distances are compared with the query's k-th best while still bit-sliced. A row's
   distance is extracted only where it is smaller.

Memory is that of the packed rows, plus ``bits + 2`` planes per block: the norms |row| bit-sliced, increased by
``2**bits`` so that ``norm - 2 |row AND query|`` is never negative, and a plane of zeros.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.arrays import frozen
from hdc.backends.numba_kernels.jit import inlined, kernel
from hdc.backends.numba_kernels.parallel import run, slices
from hdc.backends.numba_kernels.scan import top_k
from hdc.backends.numba_kernels.simd import (
    LANES,
    VECTOR_BITS,
    Pointer,
    Vector,
    aligned_zeros,
    any_bit,
    ctpop,
    load,
    majority,
    pointer,
    prefetch,
    splat,
    store,
)
from hdc.backends.numba_kernels.topk import ID_BITS, Integer, Pairs, merge, nearest_pairs, new_heaps, replace_worst
from hdc.words import Words

STEP = 8
"""Planes added at a time; a class is padded to a multiple with the plane of zeros."""

WORD_TIME = 0.03
"""Approximate nanoseconds to compare a word of planes with a query, to decide how many threads to use."""

SLAB = 2048
"""Queries whose class lists are in memory at a time: at most 8 MiB per thousand dimensions."""

Ints = npt.NDArray[np.int64]
Offsets = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Planes:
    """Rows as bit planes.

    Attributes
    ----------
    blocks : (capacity * block_words,) uint64 array
        Block after block; see :func:`block_words` for the order inside a block.
    words : int
        Words per row.
    n : int
        Number of rows.
    filled : (1,) int64 array
        Rows in ``blocks``, shared by records made by :func:`append`; more than ``n`` after an append.
    """

    blocks: Words
    words: int
    n: int
    filled: Ints


def norm_bits(words: int) -> int:
    """Return the number of bits that can count up to ``64 * words`` bits."""
    return (64 * words).bit_length()


def block_words(words: int) -> int:
    """Return the words per block: planes of the dimensions, then norms (bits + 1 planes), then zeros."""
    return (64 * words + norm_bits(words) + 2) * LANES


@inlined
def _add_eight(
    blocks: Pointer, base: int, order: Pointer, i: int, ones: Vector, twos: Vector, fours: Vector
) -> tuple[Vector, Vector, Vector, Vector]:
    """Add eight planes to a number; return its three low planes and the carry, which has weight 8."""
    a, b = load(blocks, base + order[i]), load(blocks, base + order[i + 1])
    c, d = load(blocks, base + order[i + 2]), load(blocks, base + order[i + 3])
    carry_a, ones = majority(ones, a, b), ones ^ a ^ b
    carry_b, ones = majority(ones, c, d), ones ^ c ^ d
    low, twos = majority(twos, carry_a, carry_b), twos ^ carry_a ^ carry_b
    a, b = load(blocks, base + order[i + 4]), load(blocks, base + order[i + 5])
    c, d = load(blocks, base + order[i + 6]), load(blocks, base + order[i + 7])
    carry_a, ones = majority(ones, a, b), ones ^ a ^ b
    carry_b, ones = majority(ones, c, d), ones ^ c ^ d
    high, twos = majority(twos, carry_a, carry_b), twos ^ carry_a ^ carry_b
    return ones, twos, fours ^ low ^ high, majority(fours, low, high)


@inlined
def _add_plane(scratch: Pointer, at: int, stop: int, plane: Vector) -> None:
    """Add a plane to the bit-sliced number ``scratch[at:stop]``; the plane has the weight of its lowest plane."""
    for i in range(at, stop, LANES):
        digit = load(scratch, i)
        store(scratch, i, digit ^ plane)
        plane = digit & plane


@kernel
def _sum_planes(
    blocks: Pointer, base: int, order: Pointer, start: int, stop: int, scratch: Pointer, at: int, width: int
) -> None:
    """Write the sum of a block's planes ``order[start:stop]`` to ``scratch[at:]``: ``width >= 4`` planes."""
    ones = twos = fours = eights = splat(0)
    sixteens, end = at + 4 * LANES, at + width * LANES
    for i in range(sixteens, end, LANES):
        store(scratch, i, splat(0))
    i = start
    while i + 2 * STEP <= stop:
        ones, twos, fours, low = _add_eight(blocks, base, order, i, ones, twos, fours)
        ones, twos, fours, high = _add_eight(blocks, base, order, i + STEP, ones, twos, fours)
        _add_plane(scratch, sixteens, end, majority(eights, low, high))
        eights = eights ^ low ^ high
        i += 2 * STEP
    if i < stop:
        ones, twos, fours, low = _add_eight(blocks, base, order, i, ones, twos, fours)
        _add_plane(scratch, sixteens, end, eights & low)
        eights = eights ^ low
    store(scratch, at, ones)
    store(scratch, at + LANES, twos)
    store(scratch, at + 2 * LANES, fours)
    store(scratch, at + 3 * LANES, eights)


@inlined
def _add(scratch: Pointer, a: int, b: int, width: int, out: int) -> None:
    """Write the sum of two bit-sliced numbers of ``width`` planes, as ``width + 1`` planes."""
    carry = splat(0)
    for i in range(0, width * LANES, LANES):
        x, y = load(scratch, a + i), load(scratch, b + i)
        store(scratch, out + i, x ^ y ^ carry)
        carry = majority(x, y, carry)
    store(scratch, out + width * LANES, carry)


@inlined
def _accumulate(scratch: Pointer, total: int, bits: int, a: int, width: int) -> None:
    """Add a bit-sliced number of ``width`` planes to a total of ``bits`` planes, which does not overflow."""
    carry = splat(0)
    for i in range(0, min(width, bits) * LANES, LANES):
        x, y = load(scratch, total + i), load(scratch, a + i)
        store(scratch, total + i, x ^ y ^ carry)
        carry = majority(x, y, carry)
    _add_plane(scratch, total + width * LANES, total + bits * LANES, carry)


@kernel
def _count_shared(
    blocks: Pointer,
    base: int,
    order: Pointer,
    starts: Pointer,
    first: int,
    group: int,
    bits: int,
    scratch: Pointer,
    slot: int,
) -> None:
    """Count |row AND query| for a group of queries: slot j of scratch, ``bits`` planes, is query j's.

    Class c is ``order[starts[first + c] : starts[first + c + 1]]``. The classes are the leaves of a binary tree, added
    from left to right. Level l joins classes that differ in bit l, so its right nodes are the classes with query l. The
    current nodes are in slots ``group + 2 l`` (left) and ``group + 2 l + 1`` (right): few, so always cached. A slot
    starts with a plane that its number does not use.
    """
    largest = 0
    for c in range(first + 1, first + (1 << group)):
        largest = max(largest, starts[c + 1] - starts[c])
    leaf_width = 4
    while largest >> leaf_width:
        leaf_width += 1
    for i in range(0, group * slot, LANES):
        store(scratch, i, splat(0))
    for c in range(1 << group):
        leaf = (group + (c & 1)) * slot + LANES
        _sum_planes(blocks, base, order, starts[first + c], starts[first + c + 1], scratch, leaf, leaf_width)
        level, width = 0, leaf_width
        while (c >> level) & 1:
            left = (group + 2 * level) * slot + LANES
            _accumulate(scratch, level * slot + LANES, bits, left + slot, width)
            level += 1
            if level == group:
                break
            side = (c >> level) & 1
            _add(scratch, left, left + slot, width, (group + 2 * level + side) * slot + LANES)
            width = min(width + 1, bits)


@kernel
def _subtract_and_compare(
    blocks: Pointer, norms: int, scratch: Pointer, count: int, difference: int, bits: int, limit: int
) -> Vector:
    """Write norm - 2 count, ``bits + 1`` planes, to ``scratch[difference:]``; return where it is < limit."""
    borrow = below = splat(0)
    for i in range(bits + 1):
        norm = load(blocks, norms + i * LANES)
        twice = load(scratch, count + (i - 1) * LANES)  # the plane before a count is zero
        digit = norm ^ twice ^ borrow
        store(scratch, difference + i * LANES, digit)
        borrow = majority(~norm, twice, borrow)
        below = majority(~digit, splat(-((limit >> i) & 1)), below)
    return below


@kernel
def _count_marked(rows: Vector, scratch: Words, at: int) -> np.int64:
    """Count the marked rows; ``scratch[at:]`` is overwritten."""
    store(scratch, at, ctpop(rows))
    total = np.int64(0)
    for lane in range(LANES):
        total += np.int64(scratch[at + lane])
    return total


@kernel
def _existing(rows: Vector, scratch: Words, at: int, count: int) -> Vector:
    """Return the marked rows that are among the first ``count`` of the block."""
    store(scratch, at, rows)
    for lane in range(LANES):
        here = count - 64 * lane
        if here < 64:
            scratch[at + lane] &= (np.uint64(1) << np.uint64(max(here, 0))) - np.uint64(1)
    return load(scratch, at)


@kernel
def _least(scratch: Words, difference: int, bits: int, rows: Vector, k: Integer, spare: int) -> Vector:
    """Return the marked rows whose difference is among the k smallest, with ties, by a search bit by bit."""
    chosen, undecided = splat(0), rows
    for i in range(bits, -1, -1):
        digit = load(scratch, difference + i * LANES)
        zeros = undecided & ~digit
        count = _count_marked(zeros, scratch, spare)
        if count >= k:
            undecided = zeros
        else:
            k -= count
            chosen = chosen | zeros
            undecided = undecided & digit
    return chosen | undecided


@kernel
def _keep(
    scratch: Words, difference: int, bits: int, rows: Vector, first_row: int, n: int, offset: int, heap: Pairs
) -> None:
    """Extract the distances of the marked rows, difference + offset, and offer them to the heap."""
    spare = difference + (bits + 1) * LANES
    if first_row + VECTOR_BITS > n:
        rows = _existing(rows, scratch, spare, n - first_row)
    if _count_marked(rows, scratch, spare) > len(heap):
        rows = _least(scratch, difference, bits, rows, len(heap), spare)
    store(scratch, spare, rows)
    for lane in range(LANES):
        left = scratch[spare + lane]
        while left:
            bit = ctpop(~left & (left - np.uint64(1)))  # number of zeros below the lowest one
            left &= left - np.uint64(1)
            row = first_row + 64 * lane + np.int64(bit)
            distance = np.int64(offset)
            for i in range(bits + 1):
                distance += np.int64((scratch[difference + i * LANES + lane] >> bit) & np.uint64(1)) << i
            pair = distance << ID_BITS | row
            if pair < heap[0]:
                replace_worst(heap, pair)


@kernel
def _search_blocks(
    blocks: Words,
    words: int,
    bits: int,
    n: int,
    order: Offsets,
    starts: Ints,
    group: int,
    norms: Ints,
    heaps: Pairs,
    scratch: Words,
    first: int,
    last: int,
) -> None:
    """Search blocks ``first`` to ``last - 1`` for every query; the heaps (q, k) store the best."""
    dims, slot = 64 * words, (bits + 3) * LANES
    block = (dims + bits + 2) * LANES
    difference = 3 * group * slot
    groups = len(starts)
    ahead = -(-block // (groups * LANES)) * LANES
    planes, sums = pointer(blocks), pointer(scratch)
    planes_of, starts_of = pointer(order), pointer(starts)
    for base in range(first * block, last * block, block):
        row = base // block * VECTOR_BITS
        for g in range(groups):
            if base + block < last * block:
                for i in range(g * ahead, min((g + 1) * ahead, block), LANES):
                    prefetch(planes, base + block + i)
            class_0 = g * ((1 << group) + 1)
            _count_shared(planes, base, planes_of, starts_of, class_0, group, bits, sums, slot)
            for q in range(g * group, min((g + 1) * group, len(norms))):
                offset = norms[q] - (1 << bits)
                worst = min(heaps[q, 0] >> ID_BITS, dims + 1)
                count = (q - g * group) * slot + LANES
                rows = _subtract_and_compare(planes, base + dims * LANES, sums, count, difference, bits, worst - offset)
                if any_bit(rows):
                    _keep(scratch, difference, bits, rows, row, n, offset, heaps[q])


@kernel
def _class_of_dimensions(members: Words, class_of: Ints) -> None:
    """Fill (dims,) ``class_of``: bit j of a dimension's class is that dimension's bit of member j."""
    class_of[:] = 0
    for j in range(len(members)):
        for d in range(len(class_of)):
            bit = (members[j, d >> 6] >> np.uint64(d & 63)) & np.uint64(1)
            class_of[d] |= np.int64(bit) << j


@kernel
def _classify(queries: Words, group: int, order: Offsets, starts: Ints) -> None:
    """Sort the dimensions of each group of queries by class.

    Parameters
    ----------
    queries : (q, words) uint64 array
    group : int
    order : flat int32 array, filled with the offset of the plane of zeros
        Receives the offsets of planes in a block, class after class, each padded to whole steps.
    starts : (groups, 2**group + 1) int64 array
        Receives the start of each class; class 0 is not counted and stays empty.
    """
    dims, classes = 64 * queries.shape[1], 1 << group
    class_of = np.empty(dims, np.int64)
    sizes, free = np.empty(classes, np.int64), np.empty(classes, np.int64)
    end = 0
    for g in range(len(starts)):
        _class_of_dimensions(queries[g * group : (g + 1) * group], class_of)
        sizes[:] = 0
        for d in range(dims):
            sizes[class_of[d]] += 1
        sizes[0] = 0
        starts[g, 0] = end
        for c in range(classes):
            free[c] = end
            end += (sizes[c] + STEP - 1) // STEP * STEP
            starts[g, c + 1] = end
        for d in range(dims):
            c = class_of[d]
            if c:
                order[free[c]] = d * LANES
                free[c] += 1


@kernel
def _transpose(matrices: Words) -> None:
    """Transpose eight 64 x 64 bit matrices in place: word [r, lane], bit c becomes word [c, lane], bit r.

    Swaps blocks of 32, 16, ... 1 bits (Warren, Hacker's Delight, 7-3).
    """
    step, mask = 32, np.uint64(0xFFFFFFFF)
    while step:
        shift = np.uint64(step)
        for r in range(64):
            if not r & step:
                for lane in range(LANES):
                    swap = ((matrices[r, lane] >> shift) ^ matrices[r + step, lane]) & mask
                    matrices[r, lane] ^= swap << shift
                    matrices[r + step, lane] ^= swap
        step >>= 1
        mask ^= mask << np.uint64(step)


@kernel
def _fill_block(blocks: Words, base: int, items: Words, first: int) -> None:
    """Write the planes of a block whose row r is ``items[first + r]``; rows before the first item are kept."""
    n, words = items.shape
    matrices, kept = np.empty((64, LANES), np.uint64), np.empty(LANES, np.uint64)
    for lane in range(LANES):
        old = min(max(-first - 64 * lane, 0), 64)
        kept[lane] = (np.uint64(1) << np.uint64(old)) - np.uint64(1) if old < 64 else ~np.uint64(0)
    for w in range(words):
        for lane in range(LANES):
            for r in range(64):
                i = first + 64 * lane + r
                matrices[r, lane] = items[i, w] if 0 <= i < n else np.uint64(0)
        _transpose(matrices)
        for d in range(64):
            at = base + (64 * w + d) * LANES
            for lane in range(LANES):
                blocks[at + lane] = blocks[at + lane] & kept[lane] | matrices[d, lane]


@kernel
def _fill(blocks: Words, bits: int, filled: int, items: Words, every_plane: Offsets) -> None:
    """Add rows after the first ``filled`` ones, and write the norms of their blocks."""
    n, words = items.shape
    dims = 64 * words
    block = (dims + bits + 2) * LANES
    out, order = pointer(blocks), pointer(every_plane)
    zero: Any = np.int64(0)  # a plain 0 has another type, for which _sum_planes would be compiled again
    for b in range(filled // VECTOR_BITS, -(-(filled + n) // VECTOR_BITS)):
        norms = b * block + dims * LANES
        _fill_block(blocks, b * block, items, b * VECTOR_BITS - filled)
        _sum_planes(out, b * block, order, zero, dims, out, norms, bits)
        store(out, norms + bits * LANES, splat(-1))


def empty(words: int) -> Planes:
    """Return planes without rows, for rows of ``words`` words."""
    return Planes(aligned_zeros(0), words, 0, np.zeros(1, np.int64))


def build(items: Words) -> Planes:
    """Transpose (n, words) uint64 rows to planes."""
    return append(empty(items.shape[-1]), items)


def append(planes: Planes, items: Words) -> Planes:
    """Return the planes of all rows so far and of (n, words) uint64 ``items``, in time linear in the latter.

    The result usually shares memory with ``planes``, which stays valid. The second of two appends to one record copies
    it. Appends to a record are serialized with all other operations on it.
    """
    n, block = planes.n + len(items), block_words(planes.words)
    needed = -(-n // VECTOR_BITS) * block
    blocks, filled = planes.blocks, planes.filled
    if needed > len(blocks) or filled[0] != planes.n:
        used = -(-planes.n // VECTOR_BITS)
        blocks = aligned_zeros(max(needed, len(blocks) // block * 3 // 2 * block))
        blocks[: used * block] = planes.blocks[: used * block]
        filled = np.zeros(1, np.int64)
    bits = norm_bits(planes.words)
    if len(items):
        every_plane = np.arange(0, 64 * planes.words * LANES, LANES, dtype=np.int32)
        _fill(blocks, bits, planes.n, frozen(items, np.uint64, *items.shape), every_plane)
    filled[0] = n
    return Planes(blocks, planes.words, n, filled)


def group_size(queries: int, words: int) -> int:
    """Return how many queries should share a pass over the planes: the number with the least additions per query.

    An addition in scratch memory costs about as much as two in registers.
    """
    dims, bits = 64 * words, norm_bits(words)

    def cost(group: int) -> float:
        classes = (1 << group) - 1
        per_class = STEP / 2 + 2 * (bits + max(4, (dims >> group).bit_length()))
        return (dims * classes / (classes + 1) + classes * per_class) / group

    best = min(range(1, 9), key=cost)
    passes = -(-queries // best)
    return -(-queries // passes)


def _class_lists(queries: Words, group: int) -> tuple[Offsets, Ints]:
    """Return ``order`` and ``starts`` as :func:`_classify` fills them."""
    words = queries.shape[1]
    groups, classes = -(-len(queries) // group), 1 << group
    zeros = block_words(words) - LANES
    order = np.full(groups * (64 * words + classes * STEP), zeros, dtype=np.int32)
    starts = np.empty((groups, classes + 1), dtype=np.int64)
    _classify(queries, group, order, starts)
    return order, starts


def search(queries: Words, planes: Planes, k: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Find the k rows nearest to each query: the contract of :attr:`hdc.kernels.BitKernels.top_k`.

    Parameters
    ----------
    queries : (q, words) uint64 array
    planes : Planes
    k : int, ``1 <= k <= planes.n``

    Returns
    -------
    distances : (q, k) int32 array
    ids : (q, k) int64 array
    """
    found = [_search_slab(slab, planes, k) for slab in slabs(frozen(queries, np.uint64, *queries.shape))]
    return np.concatenate([d for d, _ in found]), np.concatenate([i for _, i in found])


def slabs(queries: Words) -> list[Words]:
    """Cut queries into runs of ``SLAB``, so that not all class lists are in memory at once."""
    return [queries[start : start + SLAB] for start in range(0, max(1, len(queries)), SLAB)]


def _search_slab(queries: Words, planes: Planes, k: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    if len(queries) == 0:
        return np.empty((0, k), np.int32), np.empty((0, k), np.int64)
    bits, group = norm_bits(planes.words), group_size(len(queries), planes.words)
    order, starts = _class_lists(queries, group)
    norms = np.bitwise_count(queries).sum(axis=-1, dtype=np.int64)
    parts = slices(-(-planes.n // VECTOR_BITS), len(queries) * block_words(planes.words) * WORD_TIME)
    heaps = new_heaps(len(parts), len(queries), k)
    scratch = aligned_zeros(len(parts) * (3 * group + 1) * (bits + 3) * LANES).reshape(len(parts), -1)
    common = (
        frozen(planes.blocks, np.uint64, planes.blocks.size),
        planes.words,
        bits,
        planes.n,
        order,
        starts,
        group,
        norms,
    )
    run([partial(_search_blocks, *common, heaps[i], scratch[i], *part) for i, part in enumerate(parts)])
    return merge(heaps, k)


class PlaneIndex:
    """The search index of this backend: whole blocks of :class:`Planes`, and up to 511 packed rows after them.

    An extension only writes new blocks, so the extended index may be searched meanwhile.
    """

    def __init__(self, words: int) -> None:
        self._planes, self._loose = empty(words), np.empty((0, words), np.uint64)

    def __len__(self) -> int:
        return self._planes.n + len(self._loose)

    def extended(self, items: Words) -> "PlaneIndex":
        """Return an index of these rows and ``(n, words)`` more."""
        rows = np.concatenate([self._loose, items])
        whole = len(rows) // VECTOR_BITS * VECTOR_BITS
        made = PlaneIndex(self._planes.words)
        made._planes = append(self._planes, rows[:whole]) if whole else self._planes
        made._loose = rows[whole:].copy()
        return made

    def search(self, queries: Words, k: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Find the k rows nearest to each query; see :func:`search`."""
        n = self._planes.n
        if len(self._loose) == 0:
            return search(queries, self._planes, k)
        distances, rows = top_k(queries, self._loose, min(k, len(self._loose)))
        found = [(distances, rows + n)]
        if n:
            found.append(search(queries, self._planes, min(k, n)))
        return nearest_pairs(found, k)
