"""Kernels other than search, each beside the NumPy reference, the best peer and the limit of the machine.

``scale`` divides the number of rows of a case: 1 is the size that the targets are stated for.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import faiss
import numkong
import numpy as np
import scipy.sparse
import torch
import torchhd
from measuring import Case, Rival, reading, traffic

from hdc.backends import numba_backend, numpy_backend
from hdc.dispatch import class_kernels, feature_kernels, learn_kernels, search_kernels, token_kernels
from hdc.words import mask_tail, unpack, word_count

BITS, DENSE = numba_backend.BACKEND.bits, numba_backend.BACKEND.dense
SEARCH, NAIVE_SEARCH = numba_backend.SEARCH, search_kernels(numpy_backend.BACKEND)
CLASSES, NAIVE_CLASSES = (class_kernels(backend.BACKEND) for backend in (numba_backend, numpy_backend))
FEATURES, NAIVE_FEATURES = (feature_kernels(backend.BACKEND) for backend in (numba_backend, numpy_backend))
LEARN, NAIVE_LEARN = (learn_kernels(backend.BACKEND) for backend in (numba_backend, numpy_backend))
TOKENS, NAIVE_TOKENS = (token_kernels(backend.BACKEND) for backend in (numba_backend, numpy_backend))
NAIVE_BITS, NAIVE_DENSE = numpy_backend.BACKEND.bits, numpy_backend.BACKEND.dense

DIM = 10_000

close = partial(np.allclose, rtol=1e-4, atol=1e-4)


def naive(run: Callable[[], Any], same: Callable[[Any, Any], bool] = np.array_equal) -> dict[str, Rival]:
    """Name a call of the reference backend."""
    return {"NumPy": Rival(run, same, naive=True)}


def packed(dim: int, *shape: int, seed: int = 0) -> Any:
    """Draw packed hypervectors."""
    words = np.random.default_rng(seed).integers(0, 2**64, (*shape, word_count(dim)), dtype=np.uint64)
    return mask_tail(words, dim)


def flat(x: Any) -> Any:
    """View packed words as rows, for a limit that reads them."""
    return x.reshape(-1, x.shape[-1])


def bind(scale: int) -> Case:
    """Bind pairs; NumPy's own operator is the reference and the best peer at once."""
    a, b = packed(DIM, 100_000 // scale), packed(DIM, 100_000 // scale, seed=1)
    limits = traffic(a, b)
    return Case(f"bind {len(a):,} pairs, D={DIM}", lambda: BITS.xor(a, b), naive(lambda: NAIVE_BITS.xor(a, b)), limits)


def rotation(shift: int, scale: int) -> Case:
    """Rotate rows."""
    x = packed(DIM, 100_000 // scale)
    return Case(
        f"rotate {len(x):,} rows by {shift}, D={DIM}",
        lambda: BITS.rotate(x, shift, DIM),
        naive(lambda: NAIVE_BITS.rotate(x, shift, DIM)),
        traffic(x),
    )


def permutation(scale: int) -> Case:
    """Permute the components of many rows; the peer has them as booleans, eight times the memory."""
    x, index = packed(DIM, 10_000 // scale), np.random.default_rng(0).permutation(DIM)
    spread = torch.from_numpy(unpack(x, DIM))
    places = torch.from_numpy(index)
    return Case(
        f"permute {len(x):,} rows, D={DIM}",
        lambda: BITS.gather(x, index, DIM),
        naive(lambda: NAIVE_BITS.gather(x, index, DIM))
        | {"torch on bool": Rival(lambda: spread[:, places], _unpacked_equal)},
        traffic(x),
    )


def _unpacked_equal(ours: Any, theirs: Any) -> bool:
    return np.array_equal(unpack(ours, DIM), theirs.numpy())


def majority(scale: int) -> Case:
    """Bundle 999 vectors, an odd number, as torchhd breaks ties at random."""
    sets, n = max(1, 100 // scale), 999
    x, tie = packed(DIM, sets, n), packed(DIM)
    hypervectors = torchhd.BSCTensor(torch.from_numpy(unpack(x, DIM)))
    return Case(
        f"majority of {n}, D={DIM}, {sets} sets",
        lambda: BITS.majority(x, None, tie, DIM),
        naive(lambda: NAIVE_BITS.majority(x, None, tie, DIM))
        | {"torchhd BSC": Rival(lambda: hypervectors.multibundle(), _unpacked_equal)},
        {"read once": reading(flat(x))},
    )


def majority_weighted(scale: int) -> Case:
    """Bundle 1000 vectors with weights; the peer multiplies them as float32 and leaves ties open."""
    x, tie = packed(DIM, 1000), packed(DIM)
    weights = np.random.default_rng(1).integers(-5, 6, 1000)
    signs = np.where(unpack(x, DIM), 1, -1).astype(np.float32)

    def clear_equal(ours: Any, sums: Any) -> bool:
        clear = sums != 0
        return np.array_equal(unpack(mask_tail(ours.copy(), DIM), DIM)[clear], sums[clear] > 0)

    return Case(
        f"weighted majority of 1000, D={DIM}",
        lambda: BITS.majority(x, weights, tie, DIM),
        naive(lambda: NAIVE_BITS.majority(x, weights, tie, DIM))
        | {"BLAS on float32": Rival(lambda: weights.astype(np.float32) @ signs, clear_equal)},
    )


def union(scale: int) -> Case:
    """Or of 100 rows."""
    x = packed(DIM, 1000 // scale, 100)
    return Case(
        f"or of 100, D={DIM}, {len(x):,} sets",
        lambda: BITS.or_reduce(x),
        naive(lambda: NAIVE_BITS.or_reduce(x)),
        {"read once": reading(flat(x))},
    )


def ones(scale: int) -> Case:
    """Count the set bits of rows."""
    x = packed(DIM, 100_000 // scale)
    return Case(
        f"popcount of {len(x):,} rows, D={DIM}",
        lambda: BITS.popcount(x),
        naive(lambda: NAIVE_BITS.popcount(x)),
        {"read once": reading(x)},
    )


def distances(scale: int) -> Case:
    """All distances of 100 queries, without a search."""
    items, queries = packed(1024, 100_000 // scale), packed(1024, 100, seed=1)
    ready = numkong.hammings_pack(items.view(np.uint8), dtype="uint1")
    return Case(
        f"Hamming distances, 100 x {len(items):,}, D=1024",
        lambda: BITS.hamming(queries, items),
        naive(lambda: NAIVE_BITS.hamming(queries, items))
        | {"NumKong": Rival(lambda: np.asarray(numkong.hammings_packed(queries.view(np.uint8), ready)))},
    )


def packing(scale: int) -> Case:
    """Pack booleans; the reference is NumPy's packbits and a little more."""
    rows = unpack(packed(DIM, 10_000 // scale), DIM)
    return Case(
        f"pack {len(rows):,} rows, D={DIM}",
        lambda: BITS.pack(rows),
        naive(lambda: NAIVE_BITS.pack(rows)),
        {"read once": reading(rows.view(np.uint64))},
    )


def unpacking(scale: int) -> Case:
    """Unpack to booleans."""
    x = packed(DIM, 10_000 // scale)
    return Case(
        f"unpack {len(x):,} rows, D={DIM}", lambda: BITS.unpack(x, DIM), naive(lambda: NAIVE_BITS.unpack(x, DIM))
    )


def hadamard_bind(scale: int) -> Case:
    """Apply one MBAT operator (signs, permutation, Walsh-Hadamard) to rows, against a dense matrix of it."""
    d = 4096
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1000 // scale, d)).astype(np.float32)
    index, sign = rng.permutation(d), rng.choice(np.int8([-1, 1]), d)

    ones = np.ones(d, dtype=np.int8)

    def bound(kernels: Any, rows: Any) -> Any:
        return kernels.hadamard(rows, ones, ones, index, sign, 1)

    rows, matrix = torch.from_numpy(x), torch.from_numpy(bound(DENSE, np.eye(d, dtype=np.float32)))
    return Case(
        f"MBAT hadamard bind, d={d}, batch {len(x):,}",
        lambda: bound(DENSE, x),
        naive(lambda: bound(NAIVE_DENSE, x), close)
        | {"float32 GEMM": Rival(lambda: rows @ matrix, lambda ours, theirs: close(ours, theirs.numpy()))},
        traffic(x.view(np.uint64)),
    )


def code_dots(scale: int) -> Case:
    """Dot products of 4-level codes, 1024 components; FAISS finds the ten best, we write all of them."""
    dim, n, q = 1024, 100_000 // scale, 100
    items, queries = packed(dim, n, 2), packed(dim, q, 2, seed=1)

    def values(codes: Any) -> Any:
        signs = 2 * unpack(codes, dim).astype(np.float32) - 1
        return 2 * signs[:, 0] + signs[:, 1]

    floats = values(queries)
    quantizer = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_4bit, faiss.METRIC_INNER_PRODUCT)
    quantizer.train(values(items[:10_000]))
    for start in range(0, n, 10_000):
        quantizer.add(values(items[start : start + 10_000]))

    def as_near(ours: Any, found: Any) -> bool:
        """Say whether what an approximate search found is within 5 % of the best ten."""
        return np.allclose(np.take_along_axis(ours, found, -1), np.sort(ours, axis=-1)[:, :-11:-1], rtol=0.05)

    return Case(
        f"dots of 4-level codes, 1024 dims, {n:,} codes, {q} queries",
        lambda: SEARCH.code_dots(queries, items, dim),
        naive(lambda: NAIVE_SEARCH.code_dots(queries, items, dim))
        | {"FAISS SQ 4 bit": Rival(lambda: quantizer.search(floats, 10)[1], as_near)},
    )


def gather_planes(scale: int) -> Case:
    """Multiply 100 queries with a thousand codes each, of four bits a component; int8 rows are twice the bytes."""
    dim, n, levels, rng = 384, 100_000 // scale, 4, np.random.default_rng(0)
    codes = packed(dim, n, levels).reshape(n, -1)
    queries = rng.integers(-999, 1000, (100, dim)).astype(np.int16)
    rows = rng.integers(0, n, (100, 1000))
    originals = rng.integers(-127, 128, (n, dim)).astype(np.int8)
    return Case(
        f"dots with 1000 of {n:,} codes of 4 bits, 384 dims, 100 queries",
        lambda: SEARCH.gather_planes(queries, codes, rows, levels),
        naive(lambda: NAIVE_SEARCH.gather_planes(queries, codes, rows, levels)),
        {"rows of int8 alone": lambda: SEARCH.gather_dots(queries, originals, rows)[0]},
    )


def classify(scale: int) -> Case:
    """Find the nearest of ten classes, in bits; torch multiplies the same vectors as floats."""
    dim, n = 4096, 100_000 // scale
    rows, classes = packed(dim, n), packed(dim, 10, 1, seed=1)
    ones, none, stops = np.ones(10, np.int64), np.zeros((1, 10), np.int64), np.array([word_count(dim)])
    spans = np.empty((0, 10, 10), np.int64)
    floats, prototypes = (torch.from_numpy(1 - 2 * unpack(x, dim).astype(np.float32)) for x in (rows, classes[:, 0]))
    return Case(
        f"best of 10 classes, {n:,} rows, {dim} dims",
        lambda: CLASSES.best(rows, classes, ones, none, stops, spans, dim)[0],
        naive(lambda: NAIVE_CLASSES.best(rows, classes, ones, none, stops, spans, dim)[0])
        | {
            "our distances": Rival(lambda: BITS.hamming(rows, classes[:, 0]).argmin(axis=1)),
            "torch float32": Rival(lambda: (floats @ prototypes.T).argmax(dim=1).numpy()),
        },
        {"read once": reading(rows)},
    )


def chamfer(scale: int) -> Case:
    """Compare a query of 32 tokens with documents of 30: in bits, and as float32 products of the same vectors."""
    dim, documents, length = 128, 20_000 // scale, 30
    queries, items = packed(dim, 32), packed(dim, documents * length, seed=1)
    stops = np.arange(1, documents + 1) * length
    rest = np.ones(32, np.int64), np.array([0, 32]), items, np.stack([stops - length, stops], axis=1), None
    asked, held = (torch.from_numpy(2 * unpack(x, dim).astype(np.float32) - 1) for x in (queries, items))

    def product() -> Any:
        greatest = (held.view(documents, length, dim) @ asked.T).amax(dim=1).sum(dim=1)
        return (32 * dim - greatest.numpy()[None]) / 2

    return Case(
        f"MaxSim of 32 tokens, {documents:,} documents of {length}, {dim} dims",
        lambda: TOKENS.chamfer(queries, *rest),
        naive(lambda: NAIVE_TOKENS.chamfer(queries, *rest)) | {"torch float32": Rival(product)},
        {"read once": reading(items)},
    )


def attract(scale: int) -> Case:
    """Learn one pass of GLVQ with 50 prototypes; the products alone, all at once, are what no pass can do without."""
    rng, dim, n = np.random.default_rng(0), 2048, 10_000 // scale
    rows, prototypes = (SEARCH.units(rng.standard_normal((m, dim)).astype(np.float32)) for m in (n, 50))
    args = rng.integers(0, 10, n), np.ones(n, np.float32), prototypes, np.arange(50) % 10, 30.0, 0.05
    return Case(
        f"a pass of GLVQ, {n:,} rows, 50 prototypes, {dim} dims",
        lambda: LEARN.attract(rows, *args),
        naive(lambda: NAIVE_LEARN.attract(rows, *args), partial(np.allclose, atol=1e-3)),
        {"products alone": lambda: rows @ prototypes.T},
    )


def accumulate(scale: int) -> Case:
    """Documents of about 60 weighted tokens, 20 000 tokens of 2048 components."""
    x = np.random.default_rng(0).standard_normal((20_000, 2048)).astype(np.float32)
    docs = scipy.sparse.random(5000 // scale, 20_000, 0.003, "csr", np.float32, np.random.default_rng(1))
    parts = docs.data, docs.indices, docs.indptr
    return Case(
        f"sparse ({docs.shape[0]:,} x 20,000, 60 a row) times dense 2048",
        lambda: DENSE.csr_matmul(*parts, x),
        naive(lambda: NAIVE_DENSE.csr_matmul(*parts, x), close) | {"SciPy": Rival(lambda: docs @ x, close)},
    )


def draw(scale: int) -> Case:
    """Rows of 157 random words, each from its own key; the reference is NumPy's own Philox."""
    keys = np.random.default_rng(0).integers(0, 2**64, (10_000 // scale, 2), dtype=np.uint64)
    return Case(
        f"random words, {len(keys):,} keys, D={DIM}",
        lambda: BITS.random_words(keys, 157),
        naive(lambda: NAIVE_BITS.random_words(keys, 157)),
    )


def record(scale: int) -> Case:
    """Encode rows of 64 numbers as records; the majority alone, of members that are put together already."""
    rng, rows = np.random.default_rng(0), 1000 // scale
    first, second, tie = packed(DIM, 64), packed(DIM, 64, seed=1), packed(DIM, 1)[0]
    marks = rng.integers(0, DIM + 1, (rows, 64), dtype=np.int32)
    members = packed(DIM, rows, 64, seed=2)
    return Case(
        f"records of {rows:,} rows of 64 numbers, D={DIM}",
        lambda: FEATURES.record_majority(first, second, marks, tie, DIM),
        naive(lambda: NAIVE_FEATURES.record_majority(first, second, marks, tie, DIM)),
        {"majority alone": lambda: BITS.majority(members, None, tie, DIM)},
    )


def fourier(scale: int) -> Case:
    """Encode rows of 64 numbers as signs of Fourier features, beside the exact product of BLAS; a float32 one alone."""
    rng, dim, turn = np.random.default_rng(0), 10_240, 1 << 24
    rows = rng.integers(-3000, 3000, (1000 // scale, 64), dtype=np.int32)
    frequencies = rng.integers(-turn // 2, turn // 2, (64, dim), dtype=np.int32)
    offsets = rng.integers(0, turn, (1, dim), dtype=np.int32)
    spans = np.ascontiguousarray(frequencies.reshape(64, -1, 256).swapaxes(0, 1))
    wide, single = frequencies.astype(np.float64), frequencies.astype(np.float32)
    return Case(
        f"Fourier signs of {len(rows):,} rows of 64 numbers, D={dim}",
        lambda: FEATURES.fourier_signs(rows, spans, offsets, turn),
        naive(lambda: NAIVE_FEATURES.fourier_signs(rows, spans, offsets, turn))
        | {"BLAS": Rival(lambda: FEATURES.phase_signs(rows.astype(np.float64) @ wide + offsets, turn))},
        {"float32 product alone": lambda: rows.astype(np.float32) @ single},
    )


BUILDERS: dict[str, Callable[[int], Case]] = {
    "bind": bind,
    "rotate-1": partial(rotation, 1),
    "rotate-777": partial(rotation, 777),
    "permute": permutation,
    "majority": majority,
    "majority-weighted": majority_weighted,
    "or": union,
    "popcount": ones,
    "hamming": distances,
    "pack": packing,
    "unpack": unpacking,
    "mbat-bind": hadamard_bind,
    "code-dots": code_dots,
    "gather-planes": gather_planes,
    "best-class": classify,
    "max-sim": chamfer,
    "sparse-dense": accumulate,
    "random-words": draw,
    "glvq": attract,
    "record": record,
    "fourier-signs": fourier,
}


def builders(quick: bool) -> dict[str, Callable[[], Case]]:
    """Return the cases by name, at a tenth of the rows if quick; built one by one, to hold one's data at a time."""
    return {name: partial(build, 10 if quick else 1) for name, build in BUILDERS.items()}
