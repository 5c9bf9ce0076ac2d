"""Kernels other than search, beside their peers and the machine's limits, from one run.

``python benchmarks/kernel_cases.py [name ...]`` prints the table. Everything of a case is timed in interleaved
rounds of one process, on the same number of threads, and the answers are compared.
"""

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import faiss
import numpy as np
import scipy.sparse
import torch
import torchhd

from hdc.backends.numba_backend import BACKEND, threads
from hdc.backends.numba_kernels.parallel import over_rows
from hdc.words import mask_tail, unpack, word_count

ROUNDS = 9
BITS, DENSE = BACKEND.bits, BACKEND.dense

Run = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """A kernel and what it is measured against.

    Attributes
    ----------
    name : str
    ours : function of no arguments
    peers : other ways to the same answer, by name
    limits : what the machine can do at best, by name: work and traffic of the same size
    equal : function of our answer and all peers' that says whether they agree
    """

    name: str
    ours: Run
    peers: dict[str, Run]
    limits: dict[str, Run] = field(default_factory=dict)
    equal: Callable[..., bool] = np.array_equal


def use_threads(n: int) -> None:
    """Limit this project and all peers to ``n`` threads."""
    threads(n)
    torch.set_num_threads(n)
    faiss.omp_set_num_threads(n)


def measure(case: Case) -> dict[str, Any]:
    """Time all parts of a case in interleaved rounds.

    Returns
    -------
    dict with the name, whether the answers agree, and the median seconds of every part
    """
    parts = {"ours": case.ours, **case.peers, **case.limits}
    answers = {name: run() for name, run in parts.items()}
    agree = bool(case.equal(answers["ours"], *(answers[name] for name in case.peers)))
    del answers
    seconds: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(ROUNDS):
        for name, run in parts.items():
            start = time.perf_counter()
            result = run()
            seconds[name].append(time.perf_counter() - start)
            del result
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    return {"case": case.name, "equal": agree, "seconds": medians, "limits": list(case.limits)}


def packed(dim: int, *shape: int, seed: int = 0) -> Any:
    """Draw packed hypervectors."""
    words = np.random.default_rng(seed).integers(0, 2**64, (*shape, word_count(dim)), dtype=np.uint64)
    return mask_tail(words, dim)


def _copy_rows(source: Any, out: Any, start: int, stop: int) -> None:
    out[start:stop] = source[start:stop]


def copies(traffic: int) -> dict[str, Run]:
    """Return copies that move so many bytes, read and written: into new memory, and into memory in use."""
    source = np.ones((traffic // 16384, 1024), dtype=np.float64)
    used = np.zeros_like(source)

    def into(out: Any) -> Any:
        over_rows(_copy_rows, len(source), 1000.0, source, out)
        return out

    return {"copy (new)": lambda: into(np.empty_like(source)), "copy (in use)": lambda: into(used)}


def majority() -> Case:
    """1000 vectors of 10 000 components, 100 sets; an odd 999 makes torchhd's random ties irrelevant."""
    dim, sets, n = 10_000, 100, 999
    x, tie = packed(dim, sets, n), packed(dim)
    hypervectors = torchhd.BSCTensor(torch.from_numpy(unpack(x, dim)))
    return Case(
        "majority of 999, D=10000, 100 sets",
        lambda: BITS.majority(x, None, tie),
        {"torchhd BSC": lambda: hypervectors.multibundle()},
        {"read once": lambda: np.bitwise_or.reduce(x, axis=None)},
        lambda ours, theirs: np.array_equal(unpack(ours, dim), theirs.numpy()),
    )


def majority_weighted() -> Case:
    """Take the same majority with weights, on one set."""
    dim, n = 10_000, 1000
    x, tie = packed(dim, n), packed(dim)
    weights = np.random.default_rng(1).integers(-5, 6, n)
    signs = np.where(unpack(x, dim), 1, -1).astype(np.float32)

    def by_matrix() -> Any:
        return weights.astype(np.float32) @ signs

    def agree(ours: Any, sums: Any) -> bool:
        clear = sums != 0
        return np.array_equal(unpack(mask_tail(ours, dim), dim)[clear], sums[clear] > 0)

    return Case(
        "weighted majority of 1000, D=10000",
        lambda: BITS.majority(x, weights, tie),
        {"numpy float32 product": by_matrix},
        equal=agree,
    )


def counters() -> Case:
    """One vector into a streaming bundle."""
    dim = 10_000
    x, sums = packed(dim, 1), np.arange(dim) % 100 - 50
    return Case(
        "add one vector to counters, D=10000",
        lambda: BITS.counters_add(sums, x, None),
        {"numpy": lambda: sums + (2 * unpack(x[0], dim).astype(np.int64) - 1)},
    )


def bind() -> Case:
    """10^5 pairs of 10 000 components."""
    a, b = packed(10_000, 100_000), packed(10_000, 100_000, seed=1)
    return Case("bind 100k pairs, D=10000", lambda: BITS.xor(a, b), {"numpy": lambda: a ^ b}, copies(3 * a.nbytes))


def _rotation(shift: int) -> Case:
    dim = 10_000
    x = packed(dim, 100_000)
    few = unpack(x[:2000], dim)
    peer = {"np.roll on a fiftieth as bool": lambda: np.roll(few, shift, axis=-1)}
    return Case(
        f"rotate 100k by {shift}, D=10000",
        lambda: BITS.rotate(x, shift, dim),
        peer,
        copies(2 * x.nbytes),
        lambda ours, theirs: np.array_equal(unpack(ours[:2000], dim), theirs),
    )


def rotation_by_1() -> Case:
    """Rotate by one component."""
    return _rotation(1)


def rotation_by_777() -> Case:
    """Rotate by an arbitrary shift."""
    return _rotation(777)


def permutation() -> Case:
    """One random permutation of 10 000 rows."""
    dim = 10_000
    x, index = packed(dim, 10_000), np.random.default_rng(0).permutation(dim)
    spread = unpack(x, dim)
    return Case(
        "permute 10k rows, D=10000",
        lambda: BITS.gather(x, index, dim),
        {"numpy take on bool rows": lambda: np.take(spread, index, axis=-1)},
        equal=lambda ours, theirs: np.array_equal(unpack(ours, dim), theirs),
    )


def packing() -> Case:
    """Pack 10 000 rows of booleans."""
    rows = unpack(packed(10_000, 10_000), 10_000)
    return Case(
        "pack 10k rows, D=10000",
        lambda: BITS.pack(rows),
        {"numpy packbits": lambda: np.packbits(rows, axis=-1, bitorder="little")},
        equal=lambda ours, theirs: np.array_equal(ours.view(np.uint8)[:, :1250], theirs),
    )


def unpacking() -> Case:
    """Unpack 10 000 rows."""
    x = packed(10_000, 10_000)
    return Case(
        "unpack 10k rows, D=10000",
        lambda: BITS.unpack(x, 10_000),
        {"numpy unpackbits": lambda: np.unpackbits(x.view(np.uint8), axis=-1, count=10_000, bitorder="little")},
    )


def union() -> Case:
    """Or of 100 rows, 1000 sets."""
    x = packed(10_000, 1000, 100)
    return Case(
        "or of 100, D=10000, 1000 sets",
        lambda: BITS.or_reduce(x),
        {"numpy": lambda: np.bitwise_or.reduce(x, axis=-2)},
    )


def hadamard_bind() -> Case:
    """One MBAT operator (signs, permutation, Walsh-Hadamard) at d=4096, batch 1000, against a dense one."""
    d, batch = 4096, 1000
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch, d)).astype(np.float32)
    index, sign = rng.permutation(d), rng.choice(np.int8([-1, 1]), d)

    def bound(rows: Any) -> Any:
        return DENSE.fwht(DENSE.signed_gather(rows, index, sign))

    matrix = torch.from_numpy(bound(np.eye(d, dtype=np.float32)))
    rows = torch.from_numpy(x)
    return Case(
        "MBAT hadamard bind, d=4096, batch 1000",
        lambda: bound(x),
        {"dense float32 GEMM": lambda: rows @ matrix},
        copies(4 * x.nbytes),
        lambda ours, theirs: np.allclose(ours, theirs.numpy(), rtol=1e-4, atol=1e-4),
    )


def code_dots() -> Case:
    """Two planes (4 levels) of 1024 components, 10^5 codes, 100 queries; FAISS finds the best, we all dots."""
    dim, n, q = 1024, 100_000, 100
    items, queries = packed(dim, n, 2), packed(dim, q, 2, seed=1)

    def values(codes: Any) -> Any:
        signs = 2 * unpack(codes, dim).astype(np.float32) - 1
        return 2 * signs[:, 0] + signs[:, 1]

    floats = values(queries)
    index = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_4bit, faiss.METRIC_INNER_PRODUCT)
    index.train(values(items[:20_000]))
    for start in range(0, n, 20_000):
        index.add(values(items[start : start + 20_000]))
    few = values(items[:500])
    return Case(
        "code dots, 4 levels x 1024, 100k codes, 100 queries",
        lambda: BITS.code_dots(queries, items, dim),
        {"faiss SQ QT_4bit": lambda: index.search(floats, 10)},
        equal=lambda ours, theirs: np.array_equal(ours[:, :500], floats @ few.T),
    )


def accumulate() -> Case:
    """5000 documents of about 60 weighted tokens, 20 000 tokens of 2048 components."""
    x = np.random.default_rng(0).standard_normal((20_000, 2048)).astype(np.float32)
    docs = scipy.sparse.random(5000, 20_000, 0.003, "csr", np.float32, np.random.default_rng(1))
    return Case(
        "sparse (5000 x 20000, 60 a row) times dense 2048",
        lambda: DENSE.csr_matmul(docs.data, docs.indices, docs.indptr, x),
        {"scipy": lambda: docs @ x},
        equal=lambda ours, theirs: np.allclose(ours, theirs, rtol=1e-4, atol=1e-4),
    )


def draw() -> Case:
    """10 000 rows of 157 words, each from its own key."""
    keys = np.random.default_rng(0).integers(0, 2**64, (10_000, 2), dtype=np.uint64)
    return Case(
        "random words, 10k keys, D=10000",
        lambda: BITS.random_words(keys, 157),
        {"numpy Philox": lambda: np.stack([np.random.Philox(key=key).random_raw(157) for key in keys])},
    )


CASES: dict[str, Callable[[], Case]] = {
    build.__name__: build
    for build in (
        majority,
        majority_weighted,
        counters,
        bind,
        rotation_by_1,
        rotation_by_777,
        permutation,
        packing,
        unpacking,
        union,
        hadamard_bind,
        code_dots,
        accumulate,
        draw,
    )
}
"""Builders, so that only one case's data is in memory."""


def rows(names: list[str], thread_counts: list[int]) -> Iterator[dict[str, Any]]:
    """Measure the named cases at each number of threads."""
    for name in names:
        case = CASES[name]()
        for n in thread_counts:
            use_threads(n)
            yield {"threads": n, **measure(case)}


def line(row: dict[str, Any]) -> str:
    """Format one measurement: our milliseconds, then how many times longer each other part took."""
    seconds = dict(row["seconds"])
    ours = seconds.pop("ours")
    ratios = "  ".join(
        f"{name} {time / ours:.0%}" if name in row["limits"] else f"{name} {time / ours:.1f}x"
        for name, time in seconds.items()
    )
    return f"{row['case']:52s} {row['threads']}T {1e3 * ours:9.3f} ms  equal={row['equal']}  {ratios}"


if __name__ == "__main__":
    for row in rows(sys.argv[1:] or list(CASES), sorted({1, threads()})):
        print(line(row), flush=True)
