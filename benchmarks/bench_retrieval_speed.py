"""Queries per second at equal recall: EmbeddingIndex beside FAISS, on real embeddings.

Data: the folder named by ``HDC_BENCH_DATA`` holds ``debian_minilm.npy``, 40 000 unit vectors of 384 components
(MiniLM of package descriptions), of which the last 1 000 are the queries. The other 39 000 are the first rows of every
size; further rows are the same vectors again, each with isotropic Gaussian noise of half their length added (cosine
0.89 on average) and brought to length 1. Truth is the exact cosine top-10.

Both sides search all queries in one batch, on as many threads, and end with cosines of 8-bit originals where they
re-rank (FAISS: ``Refine(SQ8)``; ours: ``keep="int8"``), so that the bytes kept are alike. Every setting of every index
is measured for recall; then, for each recall asked for, the fastest setting of each that reaches it is timed again, in
turns with the others, and the median counts. The ratio is ours over FAISS's best.

Run ``HDC_BENCH_DATA=... python benchmarks/bench_retrieval_speed.py``: some minutes for 10^5 vectors; ``--sizes
1000000`` takes an hour, most of it to build FAISS's indexes.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import threadpoolctl
from measuring import versions

import hdc
from hdc.apps.retrieval import EmbeddingIndex, SignBinarizer
from hdc.apps.retrieval.evaluation import exact, recall
from hdc.apps.retrieval.inputs import Block

FILE, QUERIES, K = "debian_minilm.npy", 1000, 10
NOISE = 0.5
ROUNDS = 5
TRAINING = 200_000
"""Most vectors that lists and quantisers are trained on, on both sides."""

OURS = (
    ("flat", {"bits": 1024}, {"candidates": (20, 30, 50, 100)}),
    ("flat", {"bits": 768}, {"candidates": (20, 30, 50, 100)}),
    ("ivf", {"bits": 512}, {"probes": (16, 32, 64, 128), "candidates": (20, 30, 50, 100)}),
    ("ivf", {"bits": 1024}, {"probes": (16, 32, 64, 128), "candidates": (20, 30, 50, 100)}),
    ("hnsw", {"bits": 768}, {"effort": (64, 128, 256), "candidates": (30, 60, 120)}),
)

FAISS = {
    "Flat": {},
    "IVF{lists},Flat": {"nprobe": (4, 8, 16, 32, 64)},
    "IVF{lists},SQ8": {"nprobe": (4, 8, 16, 32, 64)},
    "IVF{lists},PQ96x4fs,Refine(SQ8)": {"nprobe": (8, 16, 32, 64, 128), "k_factor_rf": (2, 3, 5, 10)},
    "IVF{lists},PQ192x4fs,Refine(SQ8)": {"nprobe": (8, 16, 32, 64, 128), "k_factor_rf": (2, 3, 5, 10)},
    "IVF{lists},RaBitQfs,Refine(SQ8)": {"nprobe": (8, 16, 32, 64, 128), "k_factor_rf": (2, 3, 5, 10)},
    "PQ96x4fs,Refine(SQ8)": {"k_factor_rf": (2, 3, 5, 10)},
    "PQ192x4fs,Refine(SQ8)": {"k_factor_rf": (2, 3, 5)},
    "HNSW32,SQ8": {"efSearch": (16, 32, 64, 128, 256)},
}
GRAPH_ROWS = 200_000
"""Above so many vectors, graphs are left out on both sides: building FAISS's takes an hour."""

Search = Callable[[], Any]


@dataclass(frozen=True)
class Setting:
    """An index with its parameters, and how it did in the first look."""

    side: str
    name: str
    recall: float
    seconds: float
    run: Search


@dataclass(frozen=True)
class Row:
    """The best of each side at one recall."""

    vectors: int
    threads: int
    kind: str
    least_recall: float
    ours: str
    our_recall: float
    our_queries_per_second: float
    faiss: str
    faiss_recall: float
    faiss_queries_per_second: float

    @property
    def ratio(self) -> float:
        """Return how many times FAISS's queries per second are ours."""
        return self.our_queries_per_second / self.faiss_queries_per_second


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--recalls", type=float, nargs="+", default=[0.90, 0.95, 0.97])
    parser.add_argument("--only", nargs="+", default=[""], metavar="TEXT", help="FAISS indexes whose name holds this")
    parser.add_argument("--kinds", nargs="+", default=["flat", "ivf", "hnsw"], help="of ours")
    parser.add_argument("--json", metavar="FILE", help="write the rows here too")
    arguments = parser.parse_args()
    folder = os.environ.get("HDC_BENCH_DATA")
    if not folder or not (Path(folder) / FILE).exists():
        print(f"skipped: set HDC_BENCH_DATA to a folder that holds {FILE}")
        return 0
    print(", ".join(f"{name} {version}" for name, version in versions().items()))
    rows: list[Row] = []
    for size in arguments.sizes:
        rows += list(compare(np.load(Path(folder) / FILE).astype(np.float32), size, arguments))
    if arguments.json:
        Path(arguments.json).write_text(json.dumps([asdict(row) | {"ratio": row.ratio} for row in rows], indent=1))
    return 0


def compare(data: Any, size: int, arguments: argparse.Namespace) -> Iterator[Row]:
    """Build all indexes of one size and print and yield what they do."""
    queries, vectors = data[-QUERIES:], enlarged(data[:-QUERIES], size)
    truth = exact([Block(0, vectors, None)], queries, K)[1]
    builds = list(our_indexes(vectors, queries, arguments.kinds))
    builds += list(faiss_indexes(vectors, queries, arguments.only))
    print(f"\n{'N':>9} threads recall  {'ours':38} recall     q/s  {'FAISS':52} recall     q/s  ratio")
    for threads in arguments.threads:
        use_threads(threads)
        settings = [first_look(side, name, run, truth) for side, name, run in builds]
        for least, kind in product(arguments.recalls, arguments.kinds):
            row = best(settings, size, threads, kind, least)
            if row is not None:
                print(shown(row), flush=True)
                yield row


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


def use_threads(n: int) -> None:
    hdc.threads(n)
    faiss.omp_set_num_threads(n)
    threadpoolctl.threadpool_limits(n)


def lists_of(size: int) -> int:
    """Return the lists of an inverted file: as FAISS advises, 4 to 16 times the root; here 1024 and 4096."""
    return 1024 if size <= GRAPH_ROWS else 4096


def our_indexes(vectors: Any, queries: Any, kinds: Sequence[str]) -> Iterator[tuple[str, str, Search]]:
    for kind, made, options in OURS:
        if kind not in kinds or (kind == "hnsw" and len(vectors) > GRAPH_ROWS):
            continue
        began = time.perf_counter()
        index = EmbeddingIndex.create(None, SignBinarizer(made["bits"]).fit(vectors[:TRAINING]), kind=kind, keep="int8")
        if kind == "ivf":
            index.train(vectors[:: max(1, len(vectors) // TRAINING)], lists_of(len(vectors)))
        for start in range(0, len(vectors), TRAINING):
            index.add(vectors[start : start + TRAINING])
        index.search(queries, K)
        name = f"{kind} {made['bits']} bits"
        print(
            f"{name}: built in {time.perf_counter() - began:.0f} s, {index.bytes_per_vector} bytes a vector", flush=True
        )
        for values in product(*options.values()):
            given = dict(zip(options, values, strict=True))
            title = ", ".join([name, *(f"{option} {value}" for option, value in given.items())])
            yield "ours", title, lambda index=index, given=given: index.search(queries, K, **given)[1]


def faiss_indexes(vectors: Any, queries: Any, only: Sequence[str]) -> Iterator[tuple[str, str, Search]]:
    for spec, options in FAISS.items():
        name = spec.format(lists=lists_of(len(vectors)))
        if not any(text in name for text in only) or ("HNSW" in name and len(vectors) > GRAPH_ROWS):
            continue
        began = time.perf_counter()
        index = faiss.index_factory(vectors.shape[1], name, faiss.METRIC_INNER_PRODUCT)
        index.train(vectors[:: max(1, len(vectors) // TRAINING)])
        index.add(vectors)
        print(f"FAISS {name}: built in {time.perf_counter() - began:.0f} s", flush=True)
        for values in product(*options.values()):
            given = dict(zip(options, values, strict=True))
            title = ", ".join([name, *(f"{option} {value}" for option, value in given.items())])
            yield "FAISS", title, lambda index=index, given=given: faiss_search(index, given, queries)


def faiss_search(index: Any, given: dict[str, int], queries: Any) -> Any:
    """Set the parameters, which costs microseconds, and search."""
    space = faiss.ParameterSpace()
    for name, value in given.items():
        space.set_index_parameter(index, name, value)
    return index.search(queries, K)[1]


def first_look(side: str, name: str, run: Search, truth: Any) -> Setting:
    found = run()
    began = time.perf_counter()
    run()
    return Setting(side, name, recall(found, truth), time.perf_counter() - began, run)


def best(settings: Sequence[Setting], size: int, threads: int, kind: str, least: float) -> Row | None:
    """Time the two fastest of each side that reach a recall, in turns; return the best of each, if both have one."""
    ours = fastest([s for s in settings if s.side == "ours" and s.name.startswith(kind)], least)
    theirs = fastest([s for s in settings if s.side == "FAISS"], least)
    if not ours or not theirs:
        return None
    seconds: dict[str, list[float]] = {setting.name: [] for setting in (*ours, *theirs)}
    for _ in range(ROUNDS):
        for setting in (*ours, *theirs):
            began = time.perf_counter()
            setting.run()
            seconds[setting.name].append(time.perf_counter() - began)
    median = {name: statistics.median(times) for name, times in seconds.items()}
    a, b = (min(side, key=lambda s: median[s.name]) for side in (ours, theirs))
    speeds = QUERIES / median[a.name], QUERIES / median[b.name]
    return Row(size, threads, kind, least, a.name, a.recall, speeds[0], b.name, b.recall, speeds[1])


def fastest(settings: Sequence[Setting], least: float) -> list[Setting]:
    """Return the two fastest at the first look that reach a recall."""
    return sorted((s for s in settings if s.recall >= least), key=lambda s: s.seconds)[:2]


def shown(row: Row) -> str:
    return (
        f"{row.vectors:9,} {row.threads:7} {row.least_recall:6.2f}  {row.ours:38} {row.our_recall:6.4f} "
        f"{row.our_queries_per_second:7,.0f}  {row.faiss:52} {row.faiss_recall:6.4f} "
        f"{row.faiss_queries_per_second:7,.0f} {row.ratio:5.2f}x"
    )


if __name__ == "__main__":
    sys.exit(main())
