"""Time of one query at equal recall, and of a batch: EmbeddingIndex beside FAISS, usearch, hnswlib and rabitqlib.

Data: the folder named by ``HDC_BENCH_DATA`` holds ``debian_minilm.npy``, 40 000 unit vectors of 384 components
(MiniLM of package descriptions), of which the last 1 000 are the queries. Truth is the exact cosine top-10.

One thread everywhere. Every setting of every index is looked at once, for its recall and its time. Then, for each
recall asked for, the fastest setting of each library that reaches it is timed in rounds, the libraries in turns. First
all queries one at a time, by the clock: the median over all queries of all rounds. Then all in one call, by the
processor time of the thread, which other processes disturb less: the median of the rounds, per query. Beside it stand
the 95th percentile, the ratio to ours, and the recall of the timed answers.

Run ``HDC_BENCH_DATA=... python benchmarks/bench_single_query.py``: some minutes, most of it to build indexes.
Libraries that are not installed are left out.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl
from measuring import versions

import hdc
from hdc.apps.retrieval import EmbeddingIndex, RaBitQBinarizer
from hdc.apps.retrieval.evaluation.exact import exact
from hdc.apps.retrieval.evaluation.metrics import recall
from hdc.apps.retrieval.files.vectors import Block

FILE, QUERIES, K, LISTS = "debian_minilm.npy", 1000, 10, 1024

FAISS = {
    "IVF{lists},Flat": {"nprobe": (4, 8, 16, 32, 64, 96)},
    "IVF{lists},SQ8": {"nprobe": (4, 8, 16, 32, 64, 96)},
    "IVF{lists},PQ96x4fs,Refine(SQ8)": {"nprobe": (8, 16, 24, 32, 64, 96), "k_factor_rf": (2, 3, 5, 10)},
    "IVF{lists},PQ192x4fs,Refine(SQ8)": {"nprobe": (8, 16, 24, 32, 64, 96), "k_factor_rf": (2, 3, 5)},
    "IVF{lists},RaBitQfs,Refine(SQ8)": {"nprobe": (8, 16, 32, 64, 96), "k_factor_rf": (3, 5, 10)},
    "HNSW32,Flat": {"efSearch": (16, 32, 64, 128)},
    "HNSW32,SQ8": {"efSearch": (16, 32, 64, 128)},
}

Find = Callable[[Any], Any]
"""Takes (q, d) queries, returns (q, k) ids."""


@dataclass(frozen=True)
class Setting:
    """One index with its parameters.

    ``ready`` sets parameters that belong to the index, which is not timed.
    """

    library: str
    name: str
    find: Find
    ready: Callable[[], None] = lambda: None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recalls", type=float, nargs="+", default=[0.90, 0.95, 0.98])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--libraries", nargs="+", default=list(LIBRARIES), choices=list(LIBRARIES))
    arguments = parser.parse_args()
    folder = os.environ.get("HDC_BENCH_DATA")
    if not folder or not (Path(folder) / FILE).exists():
        print(f"skipped: set HDC_BENCH_DATA to a folder that holds {FILE}")
        return 0
    hdc.threads(1)
    threadpoolctl.threadpool_limits(1)
    print(", ".join(f"{name} {number}" for name, number in {**versions(), **installed()}.items()), "; 1 thread")
    data = np.load(Path(folder) / FILE).astype(np.float32)
    data /= np.linalg.norm(data, axis=1, keepdims=True)
    vectors, queries = data[:-QUERIES], data[-QUERIES:]
    truth = exact([Block(0, vectors, None)], queries, K)[1]
    settings: list[Setting] = []
    for library in dict.fromkeys(["hdc", *arguments.libraries]):
        try:
            settings += LIBRARIES[library](vectors)
        except ImportError as error:
            print(f"{library} is left out: {error}")
    for what, measure in (("one query", one_by_one), ("batch of 1,000", at_once)):
        looks = [look(setting, queries, truth, measure) for setting in settings]
        for least in arguments.recalls:
            show(what, least, looks, queries, truth, measure, arguments.rounds)
    return 0


def installed() -> dict[str, str]:
    found = {}
    for name in ("hnswlib", "rabitqlib"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


# ---------------------------------------------------------------------- what is timed

Measure = Callable[[Setting, Any], tuple[list[float], Any]]


def one_by_one(setting: Setting, queries: Any) -> tuple[list[float], Any]:
    """Return the seconds of each query, and the ids."""
    setting.ready()
    seconds, found = [], []
    for at in range(len(queries)):
        query = queries[at : at + 1]
        began = time.perf_counter()
        ids = setting.find(query)
        seconds.append(time.perf_counter() - began)
        found.append(ids)
    return seconds, np.concatenate([np.asarray(ids).reshape(1, -1) for ids in found])


def at_once(setting: Setting, queries: Any) -> tuple[list[float], Any]:
    """Return the processor's seconds per query of one call for all, and the ids."""
    setting.ready()
    began = time.thread_time()
    found = setting.find(queries)
    return [(time.thread_time() - began) / len(queries)], found


def look(setting: Setting, queries: Any, truth: Any, measure: Measure) -> tuple[Setting, float, float]:
    """Return a setting, its recall, and its time at the second look."""
    measure(setting, queries[:50])
    seconds, found = measure(setting, queries)
    return setting, recall(np.asarray(found), truth), statistics.median(seconds)


def show(
    what: str, least: float, looks: Sequence[tuple[Setting, float, float]], queries: Any, truth: Any, measure: Measure,
    rounds: int,
) -> None:  # fmt: skip
    """Time the fastest setting of each library that reaches a recall, in turns, and print a line for each."""
    chosen: dict[str, Setting] = {}
    for setting, reached, _ in sorted(looks, key=lambda one: one[2]):
        if reached >= least:
            chosen.setdefault(setting.library, setting)
    seconds: dict[str, list[float]] = {library: [] for library in chosen}
    found: dict[str, Any] = {}
    for _ in range(rounds):
        for library, setting in chosen.items():
            measure(setting, queries[:20])  # its own data in the caches again
            times, found[library] = measure(setting, queries)
            seconds[library] += times
    if "hdc" not in chosen:
        print(f"{what}, recall@{K} >= {least}: no setting of ours reaches it")
        return
    own = statistics.median(seconds["hdc"])
    print(f"\n{what}, recall@{K} >= {least}: median, 95th percentile, median by ours, recall")
    for library in sorted(chosen, key=lambda name: statistics.median(seconds[name])):
        median = statistics.median(seconds[library])
        reached = recall(np.asarray(found[library]), truth)
        late = statistics.quantiles(seconds[library], n=20)[-1] if len(seconds[library]) > 1 else median
        print(
            f"  {library:10} {1e6 * median:8.1f} us {1e6 * late:8.1f} {median / own:6.2f}  {reached:.4f}  "
            f"{chosen[library].name}"
        )
    sys.stdout.flush()


# ---------------------------------------------------------------------- libraries


def ours(vectors: Any) -> Iterator[Setting]:
    for lists in (LISTS // 2, LISTS):
        index = EmbeddingIndex.create(None, RaBitQBinarizer(lists).fit(vectors), keep="int8")
        index.add(vectors)
        for probes, candidates in product((8, 12, 16, 24, 32, 48, 64, 96, 128), (20, 30, 40, 50, 70, 100)):

            def find(queries: Any, index: Any = index, probes: int = probes, candidates: int = candidates) -> Any:
                return index.search(queries, K, probes=probes, candidates=candidates)[1]

            yield Setting("hdc", f"{lists} lists, {probes} probes, {candidates} candidates", find)


def of_faiss(vectors: Any) -> Iterator[Setting]:
    import faiss

    faiss.omp_set_num_threads(1)
    names = {spec.format(lists=lists): options for spec, options in FAISS.items() for lists in (LISTS // 2, LISTS)}
    for name, options in names.items():
        index = faiss.index_factory(vectors.shape[1], name, faiss.METRIC_INNER_PRODUCT)
        index.train(vectors)
        index.add(vectors)
        for values in product(*options.values()):
            given = dict(zip(options, values, strict=True))

            def ready(index: Any = index, given: dict[str, int] = given) -> None:
                for option, value in given.items():
                    faiss.ParameterSpace().set_index_parameter(index, option, value)

            title = ", ".join([name, *(f"{option} {value}" for option, value in given.items())])
            yield Setting("FAISS", title, lambda queries, index=index: index.search(queries, K)[1], ready)


def of_usearch(vectors: Any) -> Iterator[Setting]:
    from usearch.index import Index

    for dtype in ("f32", "i8"):
        index = Index(ndim=vectors.shape[1], metric="cos", dtype=dtype, connectivity=16, expansion_add=128)
        index.add(np.arange(len(vectors), dtype=np.uint64), vectors, threads=2)
        for effort in (16, 32, 64, 128, 256):

            def ready(index: Any = index, effort: int = effort) -> None:
                index.expansion_search = effort

            def find(queries: Any, index: Any = index) -> Any:
                return index.search(queries, K, threads=1).keys

            yield Setting("usearch", f"{dtype}, expansion {effort}", find, ready)


def of_hnswlib(vectors: Any) -> Iterator[Setting]:
    import hnswlib

    index = hnswlib.Index(space="ip", dim=vectors.shape[1])
    index.init_index(max_elements=len(vectors), ef_construction=200, M=16)
    index.add_items(vectors, num_threads=2)
    index.set_num_threads(1)
    for effort in (16, 24, 32, 48, 64, 96, 128, 256):

        def ready(effort: int = effort) -> None:
            index.set_ef(effort)

        yield Setting("hnswlib", f"M 16, ef {effort}", lambda queries: index.knn_query(queries, k=K)[0], ready)


def of_rabitqlib(vectors: Any) -> Iterator[Setting]:
    import rabitqlib

    n, dim = vectors.shape
    means = rabitqlib.QGKMeans(dim, LISTS)
    means.train(vectors)
    for bits in (4, 8):
        index = rabitqlib.IvfIndex(dim, n, LISTS, bits, "ip")
        index.build(vectors, means.centroids, means.assignments, num_threads=2)
        for probes in (8, 16, 24, 32, 48, 64, 96, 128):

            def find(queries: Any, index: Any = index, probes: int = probes) -> Any:
                return index.search(queries, K, probes)[0]

            yield Setting("rabitqlib", f"IVF {LISTS} lists, {bits} bits, {probes} probes", find)
    graph = rabitqlib.SymqgIndex(dim, 32, "l2")
    graph.build(vectors, 200, num_threads=2)
    for effort in (16, 32, 48, 64, 96, 128, 256):
        yield Setting(
            "rabitqlib", f"SymphonyQG, ef {effort}", lambda queries, ef=effort: graph.search(queries, K, ef)[0]
        )


LIBRARIES = {"hdc": ours, "FAISS": of_faiss, "usearch": of_usearch, "hnswlib": of_hnswlib, "rabitqlib": of_rabitqlib}


if __name__ == "__main__":
    sys.exit(main())
