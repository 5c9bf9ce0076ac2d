"""Kernels of bytes: products of signs, sums of columns, dot products of all pairs.

The dot-product instruction multiplies unsigned by signed bytes. So items become unsigned by adding 128, and 128 times
the sum of the other factor corrects for this. Four queries and four items share each other's reads.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels import parallel
from hdc.backends.numba_kernels.arrays import AnyArray, frozen, rows_of, sets_of
from hdc.backends.numba_kernels.jit import inlined, kernel
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.backends.numba_kernels.simd import (
    Pointer,
    Vector,
    any_bit,
    dot_bytes,
    load_bytes,
    pointer,
    splat,
    store_bytes,
    sum32,
)
from hdc.backends.numpy_blocks import cyclic_rows

Bytes = npt.NDArray[np.int8]
Sums = npt.NDArray[np.int64]

LINE = 64
"""Bytes of a cache line, and of a vector."""

LONGEST = 1 << 16
"""Most bytes whose products fit a 32-bit sum: 255 times 128 is less than ``2**15``."""

BLOCK = 1 << 18
"""Bytes of items that all queries use before the next ones; they stay in the second-level cache."""

TOGETHER = 4
"""Queries, and items, that share each other's reads."""

STRETCH = 4096
"""Bytes of them multiplied at a time; those of four queries stay in the first-level cache."""

SPAN = 8192
"""Columns summed together; their sums stay in the first-level cache."""

FEW = 255
"""Most rows of bytes whose sums fit 16 bits."""

BYTE_TIME = 0.03
"""Approximate nanoseconds per byte read, to decide how many threads to use."""

PRODUCT_TIME = 0.003
"""Approximate nanoseconds per product of two bytes."""

_TOP_BITS = np.int64(-0x7F7F7F7F7F7F7F80)  # 0x80 in every byte
_ONES = np.int64(0x0101010101010101)
_NEIGHBORS = np.int64(-0x0303030303030304)  # 0xFC in every byte: bits to compare with the bit below


# ---------------------------------------------------------------------- products of signs


@kernel
def _multiply_signs(a: Any, b: Any, out: Any, wrong: Any, start: int, stop: int) -> None:
    """Fill ``out[start:stop]`` with 1 where signs agree. A sign has equal bits except the lowest, which is set."""
    dim = out.shape[1]
    left, right, product = pointer(a), pointer(b), pointer(out)
    ones, lowest, others = splat(_ONES), splat(_ONES), splat(_NEIGHBORS)
    bad, bytes_bad = splat(0), np.uint8(0)
    for i in range(start, stop):
        one, other, row = i % len(a) * dim, i % len(b) * dim, i * dim
        whole = dim // LINE * LINE
        for j in range(0, whole, LINE):
            x, y = load_bytes(left, one + j) ^ ones, load_bytes(right, other + j)
            store_bytes(product, row + j, x ^ y)
            y = y ^ ones
            bad = bad | (((x ^ (x + x)) | (y ^ (y + y))) & others) | ((x | y) & lowest)
        for j in range(whole, dim):
            p, q = left[one + j], right[other + j]
            bytes_bad |= np.uint8(p + np.uint8(1)) & np.uint8(0xFD) | np.uint8(q + np.uint8(1)) & np.uint8(0xFD)
            product[row + j] = p ^ q ^ np.uint8(1)
    if any_bit(bad) or bytes_bad:
        wrong[0] = 1


@kernel
def _multiply(a: Any, b: Any, least: Any, out: Any, wrong: Any, start: int, stop: int) -> None:
    """Fill ``out[start:stop]`` for a wider second factor, whose least number has no negative."""
    for i in range(start, stop):
        one, other, result = a[i % len(a)], b[i % len(b)], out[i]
        bad = np.uint8(0)
        for j in range(len(result)):
            x, y = one[j], other[j]
            bad |= np.uint8((np.uint8(x) + np.uint8(1)) & np.uint8(0xFD)) | np.uint8(y == least)
            result[j] = x * y
        if bad:
            wrong[0] = 1


def sign_product(a: Bytes, b: AnyArray) -> tuple[AnyArray, np.bool_]:
    """Multiply and check in one pass; see :attr:`hdc.kernels.DenseKernels.sign_product`."""
    batch = a.shape[:-1] if a.shape == b.shape else np.broadcast_shapes(a.shape[:-1], b.shape[:-1])
    dim, dtype = b.shape[-1], b.dtype.newbyteorder("=")
    out, wrong = np.empty((*batch, dim), dtype=dtype), np.zeros(1, dtype=np.uint8)
    rows = math.prod(batch)
    if rows == 0:
        return out, np.True_
    one, other = rows_of(cyclic_rows(a, batch), np.int8), rows_of(cyclic_rows(b, batch), dtype)
    product = out.reshape(rows, dim)
    time = dim * dtype.itemsize * BYTE_TIME
    if dtype == np.int8:
        signs = one.view(np.uint8), other.view(np.uint8), product.view(np.uint8), wrong
        if rows * time < parallel.GRAIN:  # saves a microsecond
            _multiply_signs(*signs, 0, rows)
        else:
            over_rows(_multiply_signs, rows, time, *signs)
    else:
        over_rows(_multiply, rows, time, one, other, dtype.type(np.iinfo(dtype).min), product, wrong)
    return out, wrong[0] == 0


# ---------------------------------------------------------------------- sums


@kernel
def _sum_rows(x: Any, out: Any, start: int, stop: int) -> None:
    """Fill ``out[start:stop]``: four rows at a time, in 16 bits as long as the sums fit."""
    n, dim = x.shape[1:]
    short = np.empty(SPAN, np.int16)
    for i in range(start, stop):
        for column in range(0, dim, SPAN):
            total = out[i, column : min(dim, column + SPAN)]
            for j in range(len(total)):
                total[j] = 0
            for first in range(0, n, FEW):
                last = min(n, first + FEW)
                for j in range(len(total)):
                    short[j] = 0
                whole = last - (last - first) % 4
                for r in range(first, whole, 4):
                    a, b = x[i, r, column : column + SPAN], x[i, r + 1, column : column + SPAN]
                    c, d = x[i, r + 2, column : column + SPAN], x[i, r + 3, column : column + SPAN]
                    for j in range(len(total)):
                        short[j] += np.int16(np.int16(a[j] + b[j]) + np.int16(c[j] + d[j]))
                for r in range(whole, last):
                    a = x[i, r, column : column + SPAN]
                    for j in range(len(total)):
                        short[j] += a[j]
                for j in range(len(total)):
                    total[j] += short[j]


def byte_sums(x: Bytes) -> npt.NDArray[np.int32]:
    """Add along axis -2; see :attr:`hdc.kernels.DenseKernels.byte_sums`."""
    sets = sets_of(x, np.int8)
    out = np.empty((*x.shape[:-2], x.shape[-1]), dtype=np.int32)
    over_rows(_sum_rows, len(sets), sets[:1].size * BYTE_TIME, sets, out.reshape(len(sets), x.shape[-1]))
    return out


# ---------------------------------------------------------------------- dot products


@kernel
def _dot_and_square(items: Pointer, row: int, asked: Pointer, mask: Vector, dim: int) -> Any:
    """Return for one item, with 128 added to its bytes: its products with the first query and itself, and its sum.

    The last vector of a row ends at the row's end; ``mask`` selects the bytes that no earlier vector covered.
    """
    dots = squares = sums = splat(0)
    whole = dim // LINE * LINE
    for at in range(0, whole, LINE):
        signed = load_bytes(items, row + at)
        unsigned = signed ^ splat(_TOP_BITS)
        dots = dot_bytes(dots, unsigned, load_bytes(asked, at))
        squares = dot_bytes(squares, unsigned, signed)
        sums = dot_bytes(sums, splat(_ONES), signed)
    if whole < dim:
        signed = load_bytes(items, row + dim - LINE)
        unsigned, signed = signed ^ splat(_TOP_BITS), signed & mask
        dots = dot_bytes(dots, unsigned, load_bytes(asked, whole))
        squares = dot_bytes(squares, unsigned, signed)
        sums = dot_bytes(sums, splat(_ONES), signed)
    return sum32(dots), sum32(squares), sum32(sums)


@inlined
def _four_more(sums: Any, unsigned: Vector, queries: Any) -> Any:
    """Add the products of a vector of an item with those of four queries."""
    a, b, c, d = queries
    return (
        dot_bytes(sums[0], unsigned, a),
        dot_bytes(sums[1], unsigned, b),
        dot_bytes(sums[2], unsigned, c),
        dot_bytes(sums[3], unsigned, d),
    )


@inlined
def _four_sums(sums: Any) -> Any:
    return sum32(sums[0]), sum32(sums[1]), sum32(sums[2]), sum32(sums[3])


@kernel
def _sixteen_dots(items: Pointer, own: Any, asked: Pointer, at: Any, start: int, stop: int, dim: int) -> Any:
    """Return the products of four items, with 128 added to their bytes, with four queries; rows end as above."""
    w, x, y, z = own
    a, b, c, d = at
    none = splat(0), splat(0), splat(0), splat(0)
    one, two, three, four = none, none, none, none
    for byte in range(start, stop, LINE):
        queries = (
            load_bytes(asked, a + byte),
            load_bytes(asked, b + byte),
            load_bytes(asked, c + byte),
            load_bytes(asked, d + byte),
        )
        place = min(byte, dim - LINE)
        one = _four_more(one, load_bytes(items, w + place) ^ splat(_TOP_BITS), queries)
        two = _four_more(two, load_bytes(items, x + place) ^ splat(_TOP_BITS), queries)
        three = _four_more(three, load_bytes(items, y + place) ^ splat(_TOP_BITS), queries)
        four = _four_more(four, load_bytes(items, z + place) ^ splat(_TOP_BITS), queries)
    return _four_sums(one), _four_sums(two), _four_sums(three), _four_sums(four)


@kernel
def _dots(items: Any, asked: Any, masks: Any, more: Any, dots: Any, squares: Any, start: int, stop: int) -> None:
    """Fill columns ``start`` to ``stop``, block by block: the first query reads a block, the others find it cached."""
    dim, width, queries = items.shape[1], asked.shape[1], len(dots)
    memory, rows, mask = pointer(items), pointer(asked), load_bytes(pointer(masks), 0)
    step = max(2, BLOCK // dim)
    for first in range(start, stop, step):
        last = min(stop, first + step)
        for i in range(first, last):
            dot, square, total = _dot_and_square(memory, i * dim, rows, mask, dim)
            dots[0, i] = dot - more[0]
            squares[i] = square - 128 * total
        for begin in range(0, dim, STRETCH):
            end = min(dim, begin + STRETCH)
            for a in range(1, queries, TOGETHER):
                b, c, d = min(a + 1, queries - 1), min(a + 2, queries - 1), min(a + 3, queries - 1)
                at = a * width, b * width, c * width, d * width
                for i in range(first, last, TOGETHER):
                    x, y, z = min(i + 1, last - 1), min(i + 2, last - 1), min(i + 3, last - 1)
                    own = i * dim, x * dim, y * dim, z * dim
                    products = _sixteen_dots(memory, own, rows, at, begin, end, dim)
                    for number in range(min(TOGETHER, last - i)):
                        p = products[number]
                        for which in range(min(TOGETHER, queries - a)):
                            q = a + which
                            before = -more[q] if begin == 0 else dots[q, i + number]
                            dots[q, i + number] = before + p[which]


def _padded(queries: Bytes, width: int) -> Bytes:
    """Pad queries to whole vectors; the last vector ends at the row's end and is zero where vectors overlap."""
    q, dim = queries.shape
    whole = dim // LINE * LINE
    padded = np.zeros((q, width), dtype=np.int8)
    padded[:, :whole] = queries[:, :whole]
    padded[:, width - (dim - whole) :] = queries[:, whole:]
    return padded


def _at_most(queries: Bytes, items: Bytes) -> tuple[Sums, Sums]:
    """Multiply rows of at most ``LONGEST`` bytes."""
    q, dim = queries.shape
    if dim < LINE:
        queries, items = (np.pad(np.asarray(x), ((0, 0), (0, LINE - dim))) for x in (queries, items))
        dim = LINE
    width = -(-dim // LINE) * LINE
    mask = np.zeros(LINE, dtype=np.int8)
    mask[width - dim :] = -1
    dots, squares = np.empty((q, len(items)), dtype=np.int64), np.empty(len(items), dtype=np.int64)
    inputs = (
        frozen(items, np.int8, *items.shape),
        frozen(_padded(queries, width), np.int8, q, width),
        frozen(mask, np.int8, LINE),
        frozen(128 * queries.sum(axis=1, dtype=np.int64), np.int64, q),
    )
    over_rows(_dots, len(items), dim * (BYTE_TIME + q * PRODUCT_TIME), *inputs, dots, squares)
    return dots, squares


def _digits(queries: AnyArray) -> list[Bytes]:
    """Split queries into signed bytes: the first byte, plus 256 times the next, and so on."""
    digits: list[Bytes] = []
    rest = queries.astype(np.int64)
    while not digits or rest.any():
        digits.append(rest.astype(np.int8))  # the lowest byte as a signed number
        rest = (rest - digits[-1]) >> 8
    return digits


def byte_dots(queries: AnyArray, items: Bytes) -> tuple[Sums, Sums]:
    """Multiply and add; see :attr:`hdc.kernels.DenseKernels.byte_dots`."""
    (q, dim), n = queries.shape, len(items)
    digits = [np.asarray(queries)] if queries.dtype == np.int8 else _digits(queries)
    asked = np.concatenate(digits) if q else np.zeros((1, dim), dtype=np.int8)  # the first query also computes squares
    dots, squares = _at_most(asked[:, :LONGEST], items[:, :LONGEST])
    for part in range(LONGEST, dim, LONGEST):
        more = _at_most(asked[:, part : part + LONGEST], items[:, part : part + LONGEST])
        dots, squares = dots + more[0], squares + more[1]
    if q == 0 or len(digits) == 1:
        return dots[:q], squares
    weights = 256 ** np.arange(len(digits), dtype=np.int64)
    return (dots.reshape(len(digits), q, n) * weights[:, None, None]).sum(axis=0), squares
