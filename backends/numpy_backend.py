"""The reference backend: simple, slow, correct. Every other backend must agree with it exactly on bits."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends import array_levels
from hdc.backends.numpy_blocks import row_blocks
from hdc.backends.numpy_classes import best
from hdc.backends.numpy_floats import (
    convolve,
    hadamard,
    phasor_product,
    rounded,
    row_sums,
    signed_gather,
    signed_gathers,
    signed_products,
    units,
)
from hdc.backends.numpy_int8 import byte_dots, byte_sums, sign_product
from hdc.backends.numpy_learning import dots, perceptron
from hdc.backends.numpy_levels import LevelRows
from hdc.backends.numpy_lists import Centroids, CodeLists
from hdc.backends.numpy_postings import Postings
from hdc.backends.numpy_prototypes import attract
from hdc.backends.numpy_records import fourier_signs, phase_signs, record_majority, record_sums
from hdc.backends.numpy_search import EstimateSearch, gather_dots, gather_planes
from hdc.backends.numpy_spelling import near_words
from hdc.backends.numpy_tokens import chamfer, max_sim
from hdc.errors import DTypeError, ParameterError
from hdc.kernels import (
    Arrays,
    Backend,
    BitKernels,
    ClassKernels,
    DenseKernels,
    FeatureKernels,
    LearnKernels,
    ListKernels,
    PostingKernels,
    SearchKernels,
    TableKernels,
    TokenKernels,
)
from hdc.words import Words, as_words, pack, unpack, word_count

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.floating[Any]]
Counters = npt.NDArray[np.int64]


def random_words(keys: Words, words: int) -> Words:
    """Draw each row from NumPy's own Philox4x64-10, keyed by the row's key."""
    out = np.empty((len(keys), words), dtype=np.uint64)
    for row, key in zip(out, keys.astype(np.uint64, copy=False), strict=True):
        row[:] = np.random.Philox(key=key).random_raw(words)
    return out


def signed_orders(keys: Words, dim: int) -> npt.NDArray[np.int32]:
    """Sort the words of each stream, and use their lowest bits as signs."""
    words = random_words(keys, dim)
    return (2 * np.argsort(words, axis=-1, kind="stable") + (words & np.uint64(1)).astype(np.int64)).astype(np.int32)


def xor(a: Words, b: Words) -> Words:
    """Bind packed bipolar vectors: exclusive or."""
    return np.bitwise_xor(a, b, dtype=np.uint64, order="C")


def or_reduce(x: Words) -> Words:
    """Bundle packed binary vectors: bitwise or along axis -2."""
    return np.asarray(np.bitwise_or.reduce(x.astype(np.uint64, copy=False), axis=-2))


def popcount(x: Words) -> npt.NDArray[np.int64]:
    """Count the set bits of each row."""
    return np.asarray(np.bitwise_count(x).sum(axis=-1, dtype=np.int64))


def _pairwise(combine: Callable[[Words, Words], Words], queries: Words, items: Words) -> npt.NDArray[np.int32]:
    counts = np.empty((len(queries), len(items)), dtype=np.int32)
    for rows in row_blocks(len(items), 9 * items.shape[-1]):
        block = items[rows]
        for q, query in enumerate(queries):
            counts[q, rows] = np.bitwise_count(combine(block, query)).sum(axis=-1, dtype=np.int32)
    return counts


def hamming(queries: Words, items: Words) -> npt.NDArray[np.int32]:
    """Count the differing bits of every (query, item) pair."""
    return _pairwise(np.bitwise_xor, queries, items)


def shared_ones(queries: Words, items: Words) -> npt.NDArray[np.int32]:
    """Count the bits set in both, of every (query, item) pair."""
    return _pairwise(np.bitwise_and, queries, items)


def top_k(queries: Words, items: Words, k: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Find the k nearest items of each query; packing (distance, id) into one integer orders ties exactly."""
    best = np.empty((len(queries), k), dtype=np.int64)
    ids = np.arange(len(items), dtype=np.int64)
    for rows in row_blocks(len(queries), 16 * max(1, len(items))):
        ranks = (hamming(queries[rows], items).astype(np.int64) << 32) | ids
        best[rows] = np.sort(np.partition(ranks, k - 1, axis=-1)[:, :k], axis=-1)
    return (best >> 32).astype(np.int32), best & 0xFFFFFFFF


def top_k_lists(
    queries: Words, items: Words, ids: Counters, starts: Counters, probes: Counters, k: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Compare each query with the rows of its lists."""
    best = np.full((len(queries), k), np.iinfo(np.int64).max)
    for q, lists in enumerate(probes):
        rows = np.concatenate([np.arange(starts[i], starts[i + 1]) for i in lists] or [np.empty(0, np.int64)])
        rows = rows[ids[rows] >= 0]
        pairs = np.sort((hamming(queries[q : q + 1], items[rows])[0].astype(np.int64) << 32) | ids[rows])[:k]
        best[q, : len(pairs)] = pairs
    distances = (best >> 32).astype(np.int32)
    return distances, np.where(distances == np.iinfo(np.int32).max, -1, best & 0xFFFFFFFF)


def plane_sums(queries: Words, items: Words) -> Counters:
    """Weight the shared ones of each plane; the heaviest plane counts negative."""
    n, planes, words = items.shape
    ones = shared_ones(queries, items.reshape(n * planes, words)).reshape(len(queries), n, planes)
    weights = 1 << np.arange(planes, dtype=np.int64)[::-1]
    weights[0] *= -1
    return np.asarray(ones.astype(np.int64) @ weights)


class RowIndex:
    """The search index of the reference: the packed rows themselves."""

    def __init__(self, words: int) -> None:
        self._rows = np.empty((0, words), dtype=np.uint64)

    def __len__(self) -> int:
        return len(self._rows)

    def extended(self, items: Words) -> "RowIndex":
        """Return an index of these rows and more."""
        made = RowIndex(self._rows.shape[1])
        made._rows = np.concatenate([self._rows, items])
        return made

    def search(self, queries: Words, k: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """Compare the queries with every row."""
        return top_k(queries, self._rows, k)


def check_weights(weights: Ints) -> Ints:
    """Return ``(..., n)`` weights as native int64; raise ParameterError if a sum of them might overflow."""
    magnitude = np.abs(weights.astype(np.float64)).sum(axis=-1).max(initial=0.0)
    if magnitude >= 2.0**62:
        raise ParameterError(f"the magnitudes of the weights sum to {magnitude:.3g}; keep them below 2^62")
    return weights.astype(np.int64, copy=False)


def signed_sums(x: Words, weights: Ints | None, dim: int) -> Counters:
    """Sum, component by component, the weights of the rows: plus where the bit is set, minus where clear."""
    *batch, n, _ = x.shape
    w = check_weights(np.ones(n, dtype=np.int64) if weights is None else weights)
    sums = np.zeros((*np.broadcast_shapes(tuple(batch), w.shape[:-1]), dim), dtype=np.int64)
    for i in range(n):
        sums += np.where(unpack(x[..., i, :], dim), w[..., i, None], -w[..., i, None])
    return sums


def majority(x: Words, weights: Ints | None, tie: Words, dim: int) -> Words:
    """Pack the signs of the weighted sums; where one is zero, the tie vector and the sum before it decide."""
    sums = signed_sums(x, weights, dim)
    odd = np.roll(sums >> 1 & 1, 1, axis=-1).astype(np.bool_)
    return pack(np.where(sums == 0, unpack(tie, dim) ^ odd, sums > 0))


def rotate(x: Words, shifts: int | Ints, dim: int) -> Words:
    """Move component j to ``(j + shift) mod dim``."""
    shifts = np.asarray(shifts, dtype=np.int64)
    if shifts.ndim == 0:
        return pack(np.roll(unpack(x, dim), int(shifts) % dim, axis=-1))
    return gather(x, (np.arange(dim) - shifts[..., None]) % dim, dim)


def gather(x: Words, index: npt.NDArray[np.int64], dim: int) -> Words:
    """Move component ``index[j]`` to component j."""
    bits = unpack(x, dim)
    batch = np.broadcast_shapes(bits.shape[:-1], index.shape[:-1])
    if index.ndim == 1:
        return pack(bits[..., index])
    flat = np.broadcast_to(bits, (*batch, dim)).reshape(-1, dim)
    flat_index = np.broadcast_to(index, (*batch, dim)).reshape(-1, dim)
    out = np.empty((len(flat), word_count(dim)), dtype=np.uint64)
    for rows in row_blocks(len(flat), 18 * dim):
        out[rows] = pack(np.take_along_axis(flat[rows], flat_index[rows], axis=-1))
    return out.reshape(*batch, word_count(dim))


def dot_dtype(dim: int, planes: int) -> type[np.int32] | type[np.int64]:
    """Return the smallest integer type for every dot product of codes with this many planes."""
    return np.int32 if dim * (2**planes - 1) ** 2 < 2**31 else np.int64


def code_dots(queries: Words, items: Words, dim: int) -> Ints:
    """Add the dot products of all pairs of planes, ``dim - 2 hamming``, times both planes' weights."""
    planes = items.shape[1]
    dots = np.zeros((len(queries), len(items)), dtype=dot_dtype(dim, planes))
    for i in range(planes):
        for j in range(planes):
            differing = hamming(queries[:, i], items[:, j]).astype(dots.dtype, copy=False)
            dots += (dim - 2 * differing) << (2 * planes - 2 - i - j)
    return dots


LEVELS = 16
"""Values of a four-bit group in :func:`refine`."""


def table_top_k(
    tables: npt.NDArray[np.float32],
    codes: npt.NDArray[np.uint8],
    scale: npt.NDArray[np.float32],
    offset: npt.NDArray[np.float32],
    k: int,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Sum the entries group by group, then sort by (descending score, id)."""
    scores = np.empty((len(tables), k), dtype=np.float32)
    ids = np.empty((len(tables), k), dtype=np.int64)
    for q, table in enumerate(tables):
        sums = np.zeros(len(codes), dtype=np.float32)
        for g, values in enumerate(codes.T):
            sums += table[g, values]
        sums *= scale
        sums += offset
        ids[q] = np.argsort(-sums, kind="stable")[:k]
        scores[q] = sums[ids[q]]
    return scores, ids


def tenure_of(groups: int) -> int:
    """Return how many steps a changed group of :func:`refine` must rest; at least one group stays free."""
    return groups // 8


def refine(
    linear: npt.NDArray[np.float32],
    side: npt.NDArray[np.float32],
    pair: npt.NDArray[np.float32],
    codes: npt.NDArray[np.uint8],
    steps: int,
) -> npt.NDArray[np.uint8]:
    """Refine row by row; a step costs one pass over the entries."""
    native = (a.astype(np.float32, copy=False) for a in (linear, side, pair))
    linear, side, pair = native
    return np.array(
        [_refined(linear[i], side[i], pair, code, steps) for i, code in enumerate(codes)], dtype=np.uint8
    ).reshape(codes.shape)


def _refined(linear: Any, side: Any, pair: Any, start: npt.NDArray[np.uint8], steps: int) -> npt.NDArray[np.uint8]:
    groups = len(start)
    code, every, group_of = start.astype(np.int64), np.arange(groups), np.arange(LEVELS * groups) % groups
    cost = linear.copy()
    for j, row in enumerate(code * groups + every):
        own = group_of == j
        added = _moved(pair[row], side, side[:, row])
        cost += added
        cost[own] -= added[own]
    best, total, least = start.copy(), np.float32(0), np.float32(0)
    free = np.zeros(groups, dtype=np.int64)
    for step in range(steps):
        others = cost.reshape(LEVELS, groups).copy()
        others[code, every] = np.inf
        value = others.argmin(axis=0)
        change = np.where(free <= step, others[value, every] - cost[code * groups + every], np.float32(np.inf))
        j = int(change.argmin())
        old, new = code[j] * groups + j, value[j] * groups + j
        moved = _moved(pair[new] - pair[old], side, side[:, new] - side[:, old])
        cost += np.where(group_of == j, np.float32(0), moved)
        code[j], free[j] = value[j], step + 1 + tenure_of(groups)
        total += change[j]
        if total < least:
            best, least = code.astype(np.uint8), total
    return best


def _moved(pairs: Any, side: Any, factors: Any) -> Any:
    """Return the change of every entry's cost: pairs first, then term by term."""
    for term, factor in zip(side, factors, strict=True):
        pairs = pairs + term * factor
    return pairs


Ranked = tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]
"""Scores and ids."""


def ranks(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return 32-bit integers that ascend as the scores descend."""
    bits = scores.view(np.int32).astype(np.int64)
    return ~(bits ^ ((bits >> 31) & 0x7FFFFFFF))


def ranked(pairs: npt.NDArray[np.int64]) -> Ranked:
    """Return the scores and ids of ``rank << 32 | id``."""
    bits = ~(pairs >> 32)
    return (bits ^ ((bits >> 31) & 0x7FFFFFFF)).astype(np.int32).view(np.float32), pairs & 0xFFFFFFFF


def code_top_k(queries: Words, items: Words, dim: int, scale: npt.NDArray[np.float32], k: int) -> Ranked:
    """Compute all scores and sort them with their ids."""
    scores = code_dots(queries, items, dim).astype(np.float32) * scale
    pairs = ranks(scores) << 32 | np.arange(len(items))
    return ranked(np.sort(np.partition(pairs, k - 1, axis=-1)[:, :k], axis=-1))


def csr_matmul(data: Floats, indices: Ints, indptr: Ints, x: Floats) -> Floats:
    """Sum the chosen rows of ``x`` times their weights, row by row."""
    native = x.dtype.newbyteorder("=")
    out = np.zeros((len(indptr) - 1, x.shape[1]), dtype=native)
    for row, first, last in zip(out, indptr[:-1], indptr[1:], strict=True):
        row += data[first:last].astype(native, copy=False) @ x[indices[first:last]].astype(native, copy=False)
    return out


def smallest(keys: npt.NDArray[np.int64], k: int) -> npt.NDArray[np.int64]:
    """Partition, then sort the smaller part."""
    least = keys if keys.shape[1] <= k else np.partition(keys, k - 1, axis=1)[:, :k]
    return np.sort(least.astype(np.int64, copy=False), axis=1)


def exact_integers() -> int:
    """Return 2^24: BLAS multiplies float32 without rounding inputs."""
    return 1 << 24


def as_array(x: Any, what: str) -> npt.NDArray[Any]:
    """Return a NumPy array in native byte order; copy only foreign byte orders."""
    if not isinstance(x, np.ndarray):
        raise DTypeError(f"{what} must be a NumPy array, not {type(x).__name__}")
    return x.astype(x.dtype.newbyteorder("="), copy=False)


def unchanged(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the array itself: NumPy needs no bridge."""
    return x


def read_only(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a read-only view."""
    view = x[...]
    view.flags.writeable = False
    return view


def threads(n: int | None = None) -> int:
    """Return 1: the reference runs on the calling thread, whatever ``n`` (NumPy's BLAS has its own setting)."""
    return 1


def share(work: Callable[[int, int], None], rows: int, nanoseconds: float) -> None:
    """Run all the work on the calling thread."""
    work(0, rows)


def warmup() -> None:
    """Do nothing: NumPy is already compiled."""


BACKEND = Backend(
    name="numpy",
    xp=np,
    arrays=Arrays(
        floats=("float32", "float64"),
        dtype=np.dtype,
        check=as_array,
        check_words=as_words,
        from_numpy=unchanged,
        to_numpy=unchanged,
        read_only=read_only,
        lasting=lambda make: make(),
    ),
    bits=BitKernels(
        random_words=random_words,
        signed_orders=signed_orders,
        xor=xor,
        or_reduce=or_reduce,
        popcount=popcount,
        hamming=hamming,
        shared_ones=shared_ones,
        majority=majority,
        signed_sums=signed_sums,
        rotate=rotate,
        gather=gather,
        pack=pack,
        unpack=unpack,
    ),
    dense=DenseKernels(
        signed_gather=signed_gather,
        signed_gathers=signed_gathers,
        signed_products=signed_products,
        hadamard=hadamard,
        csr_matmul=csr_matmul,
        sign_product=sign_product,
        byte_dots=byte_dots,
        byte_sums=byte_sums,
        phasor_product=phasor_product,
        convolve=convolve,
        row_sums=row_sums,
        smallest=smallest,
        exact_integers=exact_integers,
    ),
    levels=array_levels.kernels(np),
    threads=threads,
    share=share,
    warmup=warmup,
    search=SearchKernels(
        top_k=top_k,
        search_index=RowIndex,
        top_k_lists=top_k_lists,
        plane_sums=plane_sums,
        code_dots=code_dots,
        code_top_k=code_top_k,
        gather_dots=gather_dots,
        gather_planes=gather_planes,
        rounded=rounded,
        units=units,
    ),
    tables=TableKernels(top_k=table_top_k, refine=refine, level_rows=LevelRows),
    lists=ListKernels(Centroids, CodeLists, EstimateSearch, CodeLists.restored, CodeLists.LAYOUT),
    postings=PostingKernels(Postings, near_words),
    learn=LearnKernels(dots, perceptron, attract),
    features=FeatureKernels(record_majority, record_sums, phase_signs, fourier_signs),
    classes=ClassKernels(best),
    tokens=TokenKernels(chamfer, max_sim),
)
