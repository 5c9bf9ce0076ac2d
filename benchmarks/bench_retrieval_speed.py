"""Queries per second and time of one query at equal recall: EmbeddingIndex beside five libraries, on real embeddings.

FAISS, rabitqlib, turbovec, usearch and hnswlib; those that are not installed are left out.

Data: the folder named by ``HDC_BENCH_DATA`` holds ``debian_minilm.npy``, 40 000 unit vectors of 384 components
(MiniLM of package descriptions), of which the last 1 000 are the queries. The other 39 000 are the first rows of every
size; further rows are the same vectors again, each with isotropic Gaussian noise of half their length added (cosine
0.89 on average) and brought to length 1. Truth is the exact cosine top-10.

One thread everywhere, also to build. Every index is searched at many settings, in one batch and, where it is not far
behind, one query at a time. The settings of a library that no other of its settings beats in recall and time make its
frontier. For each recall asked for, the two settings on either side of it are timed again, all libraries in turns, and
the logarithm of the median time is interpolated at the recall. A library whose least effort finds more counts with
that. Batches are timed by the processor's clock, which other processes disturb less; single queries by the clock on the
wall, the median of all of them. ``as it comes`` is ours with no option given, at the recall it has.

Run ``HDC_BENCH_DATA=... python benchmarks/bench_retrieval_speed.py``: six minutes for 10^5 vectors, nearly all of it
to build. ``--size 1000000`` takes more than an hour, therefore indexes may be kept: ``--keep FOLDER`` stores them with
the time they took, and a second run only loads and searches. ``--libraries`` and ``--only`` choose what is compared.
"""

import argparse
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl
from retrieval_data import QUERIES, data_folder, recall, vectors
from retrieval_rivals import LIBRARIES, PLAIN, K, Made, Search, made

import hdc
from hdc.apps.retrieval.evaluation.exact import exact
from hdc.apps.retrieval.files.vectors import Block

FILE = "debian_minilm.npy"
NOISE = 0.5
SINGLES = 200
"""Queries that are asked one at a time for each look, of which the first 20 are not counted."""


OURS = ("hdc", "hdc graph")
"""Ours: lists and scans, and the graph."""

FAR = 3.0
"""Settings that take so many times the best of their library are not tried with single queries."""

Measure = Callable[[Search, Any], float]


@dataclass(frozen=True)
class Point:
    """A setting of an index, what it found, and how many seconds it takes per query."""

    index: str
    search: Search
    recall: float
    seconds: float

    @property
    def title(self) -> str:
        """Return the index and its setting."""
        return f"{self.index}: {self.search.title}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=100_000, help="vectors")
    parser.add_argument("--recalls", type=float, nargs="+", default=[0.90, 0.95, 0.97, 0.99])
    parser.add_argument("--libraries", nargs="+", default=list(LIBRARIES), choices=list(LIBRARIES))
    parser.add_argument("--only", nargs="+", default=[""], metavar="TEXT", help="indexes whose name holds one of these")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="store indexes here, or load those that are there")
    arguments = parser.parse_args()
    folder = data_folder(FILE)
    if folder is None:
        return 0
    hdc.threads(1)
    threadpoolctl.threadpool_limits(1)
    data = vectors(folder / FILE)
    queries, base = data[-QUERIES:].copy(), enlarged(data[:-QUERIES], arguments.size)
    truth = exact([Block(0, base, None)], queries, K)[1]
    print(f"{len(base):,} vectors of {base.shape[1]} components, {len(queries):,} queries, 1 thread. {installed()}.\n")
    with tempfile.TemporaryDirectory() as passing:
        keep = Path(passing) if arguments.keep is None else arguments.keep / str(arguments.size)
        keep.mkdir(parents=True, exist_ok=True)
        built = build(arguments.libraries, arguments.only, base, keep)
        batches = {library: looks(some, queries, truth) for library, some in built.items()}
        compare(f"Queries per second, batch of {len(queries):,}", batches, queries, at_once, arguments, rates)
        singles = {library: alone(some, queries) for library, some in batches.items()}
        compare("Microseconds for one query", singles, queries, one_by_one, arguments, times)
    return 0


def installed() -> str:
    """Return the versions of what is compared."""
    found = [f"hdc {hdc.__version__}"]
    for name in ("numpy", "numba", "faiss-cpu", "rabitqlib", "turbovec", "usearch", "hnswlib"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def enlarged(base: Any, size: int) -> Any:
    """Return ``size`` unit vectors: the base, then the base again with noise."""
    rng = np.random.default_rng(0)
    out = np.empty((size, base.shape[1]), dtype=np.float32)
    for start in range(0, size, len(base)):
        part = base[: size - start].copy()
        if start:
            part += rng.standard_normal(part.shape, dtype=np.float32) * np.float32(NOISE / base.shape[1] ** 0.5)
        out[start : start + len(part)] = part / np.linalg.norm(part, axis=1, keepdims=True)
    return out


def build(libraries: Sequence[str], only: Sequence[str], base: Any, keep: Path) -> dict[str, list[Made]]:
    """Build what is installed, and print a line for each index."""
    built: dict[str, list[Made]] = {}
    print("| library | index | bytes per vector, all that is stored | build, s |")
    print("|---|---|---|---|")
    for library in dict.fromkeys(["hdc", *libraries]):
        try:
            for contender in LIBRARIES[library](len(base)):
                if any(text in contender.name for text in only):
                    one = made(contender, base, keep)
                    built.setdefault(library, []).append(one)
                    print(f"| {library} | {contender.name} | {one.bytes / len(base):,.0f} | {one.seconds:,.1f} |")
                    sys.stdout.flush()
        except ImportError as error:
            print(f"| {library} | left out: {error} | | |")
    return built


# ---------------------------------------------------------------------- looks


def at_once(search: Search, queries: Any) -> float:
    """Return the processor's seconds per query of one call."""
    search.ready()
    began = time.process_time()
    search.find(queries)
    return (time.process_time() - began) / len(queries)


def one_by_one(search: Search, queries: Any) -> float:
    """Return the median seconds of a query that is asked alone."""
    search.ready()
    seconds = []
    for at in range(SINGLES):
        query = queries[at : at + 1]
        began = time.perf_counter()
        search.find(query)
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[20:])


def looks(some: Sequence[Made], queries: Any, truth: Any) -> list[Point]:
    """Search at each setting once, in a batch; the first search of an index is not timed."""
    points: list[Point] = []
    for one in some:
        for first, search in enumerate(one.contender.searches(one.index)):
            search.ready()
            if first == 0:
                search.find(queries)
            began = time.process_time()
            found = np.asarray(search.find(queries)).astype(np.int64)
            seconds = (time.process_time() - began) / len(queries)
            points.append(Point(one.contender.name, search, recall(found, truth), seconds))
    return points


def alone(points: Sequence[Point], queries: Any) -> list[Point]:
    """Return the settings that are not far behind in batches, with the time of single queries."""
    best = frontier(points)
    return [
        replace(point, seconds=one_by_one(point.search, queries))
        for point in points
        if point.search.title == PLAIN
        or point.seconds <= FAR * min(other.seconds for other in best if other.recall >= point.recall)
    ]


def frontier(points: Sequence[Point]) -> list[Point]:
    """Return the settings that no other one beats, by rising recall."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (-p.recall, p.seconds)):
        if not best or point.seconds < best[-1].seconds:
            best.append(point)
    return best[::-1]


def around(best: Sequence[Point], asked: float) -> list[Point]:
    """Return the settings on either side of a recall; one if none finds less, nothing if none finds as much."""
    above = next((at for at, point in enumerate(best) if point.recall >= asked), None)
    return [] if above is None else list(best[max(0, above - 1) : above + 1])


def between(points: Sequence[Point], seconds: Sequence[float], asked: float) -> float:
    """Return the seconds at a recall."""
    if len(points) == 1 or points[0].recall >= points[1].recall:
        return seconds[-1]
    share = (asked - points[0].recall) / (points[1].recall - points[0].recall)
    return math.exp((1 - share) * math.log(seconds[0]) + share * math.log(seconds[1]))


# ---------------------------------------------------------------------- comparison


def compare(
    what: str,
    points: dict[str, list[Point]],
    queries: Any,
    measure: Measure,
    arguments: argparse.Namespace,
    shown: Callable[[float], str],
) -> None:
    """Time in turns what is needed, and print a table of all libraries and one of their settings."""
    best = {library: frontier(some) for library, some in points.items()}
    chosen = {(library, r): around(some, r) for library, some in best.items() for r in arguments.recalls}
    plain = next((point for point in points.get("hdc", ()) if point.search.title == PLAIN), None)
    every = {id(point): point for some in chosen.values() for point in some}
    if plain is not None:
        every[id(plain)] = plain
    taken: dict[int, list[float]] = {key: [] for key in every}
    for _ in range(arguments.rounds):
        for key, point in every.items():
            taken[key].append(measure(point.search, queries))
    median = {key: statistics.median(some) for key, some in taken.items()}
    at: dict[tuple[str, float], float] = {}
    for place, some in chosen.items():
        if some:
            at[place] = between(some, [median[id(point)] for point in some], place[1])
    print(f"\n**{what}**, interpolated at the recall@{K}; in brackets the time as a multiple of the better of ours\n")
    print(f"| recall | {' | '.join(best)} | the better of ours is faster than the best other by |")
    print("|---|" + "---|" * (len(best) + 1))
    for r in arguments.recalls:
        own = min((at[library, r] for library in OURS if (library, r) in at), default=None)
        cells, ratios = [], []
        for library in best:
            seconds = at.get((library, r))
            cells.append("not reached" if seconds is None else shown(seconds))
            if seconds is not None and own is not None and library not in OURS:
                ratios.append(seconds / own)
                cells[-1] += f" ({seconds / own:.1f}x)"
        print(f"| {r:.2f} | {' | '.join(cells)} | {f'{min(ratios):.2f}x' if ratios else ''} |")
    if plain is not None:
        print(
            f"\nOurs as it comes ({plain.index}): recall {plain.recall:.3f}, {times(median[id(plain)])} us per query."
        )
    print("\n| recall | library | settings timed: recall |\n|---|---|---|")
    for (library, r), some in chosen.items():
        if some:
            print(f"| {r:.2f} | {library} | {'; '.join(f'{point.title}: {point.recall:.3f}' for point in some)} |")
    sys.stdout.flush()


def rates(seconds: float) -> str:
    return f"{1 / seconds:,.0f}"


def times(seconds: float) -> str:
    return f"{1e6 * seconds:,.1f}"


if __name__ == "__main__":
    sys.exit(main())
