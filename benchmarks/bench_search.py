"""Exact top-10 Hamming search beside FAISS IndexBinaryFlat, plain NumPy and the machine's limits.

Run ``python benchmarks/bench_search.py`` (minutes) or with ``--quick`` (seconds). Contenders take turns
within each round and the median over rounds is shown; answers are compared before anything is timed. Speed
is the database bits compared a second (rows x queries x dimension / time). Limits, on the same number of
threads: reading memory, as a search reads every row once, and counting bits in registers, which bounds any
search that uses a popcount.
"""

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# Idle OpenMP threads of one library would otherwise spin through the turn of the next.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numba
import numpy as np

from hdc.backends import numpy_backend
from hdc.backends.numba_kernels import planes, scan, simd
from hdc.words import Words

K = 10
Answer = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Case:
    """A size to measure at."""

    dim: int
    rows: int
    queries: int
    threads: int


@dataclass(frozen=True)
class Result:
    """The median time of one contender at one size, and the time of FAISS divided by it."""

    case: Case
    name: str
    seconds: float
    faiss_ratio: float

    @property
    def terabits(self) -> float:
        """Database bits compared a second, in 10**12."""
        return self.case.rows * self.case.queries * self.case.dim / self.seconds / 1e12


def interleaved_medians(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each contender; in each round every one runs once, after a warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for timed in [False] + [True] * rounds:
        for name, run in contenders.items():
            start = time.perf_counter()
            run()
            if timed:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


@numba.njit(parallel=True)
def _read(words, chunks):
    total = np.zeros(chunks, np.uint64)
    for chunk in numba.prange(chunks):
        partial = np.uint64(0)
        for i in range(chunk * len(words) // chunks, (chunk + 1) * len(words) // chunks):
            partial += words[i]
        total[chunk] = partial
    return total


@numba.njit(parallel=True)
def _count_in_registers(words, repeats, chunks):
    out = np.zeros(chunks * 8, np.uint64)
    for chunk in numba.prange(chunks):
        rows = simd.pointer(words)
        x, step = simd.load(rows, 0), simd.load(rows, 8)
        a = b = c = d = simd.splat(0)
        for _ in range(repeats):
            x = x + step
            a = a + simd.ctpop(x ^ simd.load(rows, 16))
            b = b + simd.ctpop(x ^ simd.load(rows, 24))
            c = c + simd.ctpop(x ^ simd.load(rows, 32))
            d = d + simd.ctpop(x ^ simd.load(rows, 40))
        simd.store(simd.pointer(out), chunk * 8, a + b + c + d)
    return out


def limits(threads: int, rounds: int = 7, read_bytes: int = 1 << 30) -> dict[str, float]:
    """Measure the machine: bytes read a second, bytes copied (read + written), bits xored and counted."""
    numba.set_num_threads(threads)
    source = np.ones(read_bytes // 8, dtype=np.uint64)
    target = np.zeros_like(source)
    words = random_rows(48, 64).reshape(-1)
    repeats = 4_000_000
    medians = interleaved_medians(
        {
            "read": lambda: _read(source, threads),
            "copy": lambda: np.copyto(target, source),
            "count": lambda: _count_in_registers(words, repeats, threads),
        },
        rounds,
    )
    return {
        "read bytes/s": read_bytes / medians["read"],
        "copy bytes/s": 2 * read_bytes / medians["copy"],
        "popcount bits/s": 4 * 512 * repeats * threads / medians["count"],
    }


def random_rows(n: int, dim: int, seed: int = 0) -> Words:
    """Return n packed rows of independent fair bits; ``dim`` a multiple of 64."""
    return np.random.default_rng(seed).integers(0, 2**64, (n, dim // 64), dtype=np.uint64)


def check(answer: Answer, expected: Answer, name: str, same_ids: bool) -> None:
    """Stop the benchmark if an answer is wrong; FAISS leaves the order of equal distances open."""
    if not np.array_equal(answer[0], expected[0]) or (same_ids and not np.array_equal(answer[1], expected[1])):
        raise SystemExit(f"{name} gave a wrong answer")


def compare(case: Case, items: Words, by_planes: planes.Planes, index: object, rounds: int) -> list[Result]:
    """Measure both searches and FAISS at one size; NumPy too where that takes seconds, not minutes."""
    import faiss

    numba.set_num_threads(case.threads)
    faiss.omp_set_num_threads(case.threads)
    queries = random_rows(case.queries, case.dim, seed=1)
    contenders: dict[str, Callable[[], Answer]] = {
        "planes": lambda: planes.search(queries, by_planes, K),
        "FAISS": lambda: index.search(queries.view(np.uint8), K),
    }
    if case.queries <= 100:
        contenders["scan"] = lambda: scan.top_k(queries, items, K)
    if case.rows * case.queries * case.dim <= 2 * 10**10:
        contenders["NumPy"] = lambda: numpy_backend.top_k(queries, items, K)
    expected = contenders["planes"]()
    for name, run in contenders.items():
        check(run(), expected, name, same_ids=name != "FAISS")
    medians = interleaved_medians(contenders, rounds)
    return [Result(case, name, t, medians["FAISS"] / t) for name, t in medians.items()]


def run(dims: list[int], rows: list[int], queries: list[int], threads: list[int], rounds: int = 7) -> Iterator[Result]:
    """Yield the results of every combination."""
    import faiss

    for dim in dims:
        for n in rows:
            items = random_rows(n, dim)
            by_planes = planes.build(items)
            index = faiss.IndexBinaryFlat(dim)
            index.add(items.view(np.uint8))
            for q in queries:
                for count in threads:
                    yield from compare(Case(dim, n, q, count), items, by_planes, index, rounds)


def versions() -> str:
    """Return the machine and the versions, in a line."""
    import faiss

    return (
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores; Python"
        f" {platform.python_version()}, NumPy {np.__version__}, Numba {numba.__version__},"
        f" faiss-cpu {faiss.__version__}"
    )


def print_row(result: Result) -> None:
    """Print a line of the table; GB/s counts each row once, however many queries there are."""
    case = result.case
    scanned = case.rows * case.dim / 8 / result.seconds / 1e9
    print(
        f"{case.dim:>6}{case.rows:>9}{case.queries:>9}{case.threads:>9}  {result.name:<8}"
        f"{result.seconds * 1e3:>10.2f}{result.terabits:>9.3f}{scanned:>8.1f}{result.faiss_ratio:>11.2f}x",
        flush=True,
    )


def main() -> None:
    """Print the limits and the table."""
    every_thread = sorted({1, numba.config.NUMBA_NUM_THREADS})
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one small size")
    parser.add_argument("--dims", type=int, nargs="+", default=[256, 1024, 8192])
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--queries", type=int, nargs="+", default=[1, 100, 1000])
    parser.add_argument("--threads", type=int, nargs="+", default=every_thread)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    if options.quick:
        options.dims, options.rows, options.queries = [1024], [100_000], [1, 100]
    print(versions())
    for threads in options.threads:
        measured = limits(threads, options.rounds, read_bytes=1 << 28)
        print(
            f"limits, {threads} thread(s): read {measured['read bytes/s'] / 1e9:.1f} GB/s, "
            f"copy {measured['copy bytes/s'] / 1e9:.1f} GB/s (one thread), "
            f"popcount {measured['popcount bits/s'] / 1e12:.2f} Tbit/s"
        )
    print(f"\nexact top-{K}, uniform random bits, medians of {options.rounds} interleaved rounds")
    print(f"{'D':>6}{'N':>9}{'queries':>9}{'threads':>9}  {'method':<8}", end="")
    print(f"{'ms':>10}{'Tbit/s':>9}{'GB/s':>8}  FAISS/this")
    for result in run(options.dims, options.rows, options.queries, options.threads, options.rounds):
        print_row(result)


if __name__ == "__main__":
    main()
