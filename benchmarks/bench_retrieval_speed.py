"""Queries per second at equal recall: EmbeddingIndex beside FAISS, on real embeddings.

Data: the folder named by ``HDC_BENCH_DATA`` holds ``debian_minilm.npy``, 40 000 unit vectors of 384 components
(MiniLM of package descriptions), of which the last 1 000 are the queries. The other 39 000 are the first rows of every
size; further rows are the same vectors again, each with isotropic Gaussian noise of half their length added (cosine
0.89 on average) and brought to length 1. Truth is the exact cosine top-10.

Both sides search all queries in one batch, on as many threads, and end with cosines of 8-bit originals where they
re-rank (FAISS: ``Refine(SQ8)``; ours: ``keep="int8"``), so that the bytes kept are alike. Every setting of every index
is measured for recall; then, for each recall asked for, the two fastest settings of ours, of FAISS's indexes of the
same kind, and of all of FAISS's that reach it are timed again, in turns, and the median counts. The first ratio is
ours over FAISS's best of the same kind, the second over its best of any kind.

Run ``HDC_BENCH_DATA=... python benchmarks/bench_retrieval_speed.py``: some minutes for 10^5 vectors; ``--sizes
1000000`` takes half an hour, most of it to build FAISS's indexes.
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
from hdc.apps.retrieval import EmbeddingIndex
from hdc.apps.retrieval.binarisers import RaBitQBinarizer, SignBinarizer
from hdc.apps.retrieval.evaluation.exact import exact
from hdc.apps.retrieval.evaluation.metrics import recall
from hdc.apps.retrieval.files.vectors import Block

FILE, QUERIES, K = "debian_minilm.npy", 1000, 10
NOISE = 0.5
LOOKS, ROUNDS = 2, 5
"""Times that each setting is timed at first, and that the fastest ones are timed in turns."""

TRAINING = 200_000
"""Most vectors that lists and quantisers are trained on, on both sides."""

PROBES = {"probes": (8, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192), "candidates": (15, 20, 30, 40, 50, 70, 100, 150)}

OURS: tuple[tuple[str, dict[str, int], dict[str, tuple[int, ...]]], ...] = (
    ("flat", {"bits": 1024}, {"candidates": (15, 20, 30, 50, 100)}),
    ("flat", {"bits": 768}, {"candidates": (15, 20, 30, 50, 100)}),
    ("flat", {"bits": 512}, {"candidates": (30, 50, 100, 150, 200)}),
    ("ivf", {"lists": 1}, PROBES),
    ("ivf", {"lists": 2}, PROBES),
    ("hnsw", {"bits": 1024}, {"effort": (16, 32, 64, 128, 256), "candidates": (15, 20, 30, 50, 100)}),
    ("hnsw", {"bits": 768}, {"effort": (16, 32, 64, 128, 256), "candidates": (15, 20, 30, 50, 100)}),
)
"""Kind; bits of a SignBinarizer, or lists of a RaBitQBinarizer, times :func:`lists_of`; what searches are given."""

PROBED = {"nprobe": (8, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192), "k_factor_rf": (2, 3, 4, 5, 7, 10, 15)}

FAISS = {
    "Flat": {},
    "IVF{lists},Flat": {"nprobe": (4, 8, 16, 32, 64)},
    "IVF{lists},SQ8": {"nprobe": (4, 8, 16, 32, 64)},
    "IVF{lists},PQ96x4fs,Refine(SQ8)": PROBED,
    "IVF{lists},PQ192x4fs,Refine(SQ8)": PROBED,
    "IVF{more},PQ96x4fs,Refine(SQ8)": PROBED,
    "IVF{more},PQ192x4fs,Refine(SQ8)": PROBED,
    "OPQ96,IVF{lists},PQ96x4fs,Refine(SQ8)": PROBED,
    "IVF{lists},RaBitQfs,Refine(SQ8)": PROBED,
    "PQ96x4fs,Refine(SQ8)": {"k_factor_rf": (2, 3, 5, 10)},
    "PQ192x4fs,Refine(SQ8)": {"k_factor_rf": (2, 3, 5)},
    "RaBitQfs,Refine(SQ8)": {"k_factor_rf": (2, 3, 5, 10)},
    "HNSW32,Flat": {"efSearch": (16, 32, 64, 128, 256)},
    "HNSW32,SQ8": {"efSearch": (16, 32, 64, 128, 256)},
}
"""Indexes by FAISS's names, {more} being twice as many lists, and what searches are given."""

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
class Best:
    """The best of one side at one recall."""

    name: str
    recall: float
    queries_per_second: float


@dataclass(frozen=True)
class Row:
    """The best of each side at one recall; of FAISS, also of the same kind, if that reaches it."""

    vectors: int
    threads: int
    kind: str
    least_recall: float
    ours: Best
    alike: Best | None
    faiss: Best

    @property
    def ratios(self) -> tuple[float | None, float]:
        """Return how many times FAISS's queries per second, of the same kind and of any, are ours."""
        own = self.ours.queries_per_second
        return own / self.alike.queries_per_second if self.alike else None, own / self.faiss.queries_per_second


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--recalls", type=float, nargs="+", default=[0.90, 0.95, 0.97, 0.98])
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
        Path(arguments.json).write_text(json.dumps([asdict(row) | {"ratios": row.ratios} for row in rows], indent=1))
    return 0


def compare(data: Any, size: int, arguments: argparse.Namespace) -> Iterator[Row]:
    """Build all indexes of one size and print and yield what they do."""
    queries, vectors = data[-QUERIES:], enlarged(data[:-QUERIES], size)
    truth = exact([Block(0, vectors, None)], queries, K)[1]
    builds = list(our_indexes(vectors, queries, arguments.kinds))
    builds += list(faiss_indexes(vectors, queries, arguments.only))
    print(f"\n{'N':>9} threads recall  {'ours':44} recall     q/s  {'FAISS':54} recall     q/s  ratios")
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
    return 1024 if size <= 200_000 else 4096


def our_indexes(vectors: Any, queries: Any, kinds: Sequence[str]) -> Iterator[tuple[str, str, Search]]:
    for kind, made, options in OURS:
        if kind not in kinds:
            continue
        began = time.perf_counter()
        model: Any
        if kind == "ivf":
            lists = made["lists"] * lists_of(len(vectors))
            model, name = RaBitQBinarizer(lists), f"ivf {lists} lists"
        else:
            model, name = SignBinarizer(made["bits"]), f"{kind} {made['bits']} bits"
        index = EmbeddingIndex.create(None, model.fit(sample(vectors)), kind=kind, keep="int8")
        for start in range(0, len(vectors), TRAINING):
            index.add(vectors[start : start + TRAINING])
        index.search(queries, K)
        seconds = time.perf_counter() - began
        print(f"{name}: built in {seconds:.0f} s, {index.bytes_per_vector} bytes a vector", flush=True)
        for values in product(*options.values()):
            given = dict(zip(options, values, strict=True))
            title = ", ".join([name, *(f"{option} {value}" for option, value in given.items())])
            yield "ours", title, lambda index=index, given=given: index.search(queries, K, **given)[1]


def sample(vectors: Any) -> Any:
    """Return what lists and quantisers are trained on, on both sides."""
    return vectors[:: -(-len(vectors) // TRAINING)]


def faiss_indexes(vectors: Any, queries: Any, only: Sequence[str]) -> Iterator[tuple[str, str, Search]]:
    for spec, options in FAISS.items():
        name = spec.format(lists=lists_of(len(vectors)), more=2 * lists_of(len(vectors)))
        if not any(text in name for text in only):
            continue
        began = time.perf_counter()
        index = faiss.index_factory(vectors.shape[1], name, faiss.METRIC_INNER_PRODUCT)
        index.train(sample(vectors))
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
    found, seconds = run(), []
    for _ in range(LOOKS):
        began = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - began)
    return Setting(side, name, recall(found, truth), min(seconds), run)


def best(settings: Sequence[Setting], size: int, threads: int, kind: str, least: float) -> Row | None:
    """Time the two fastest of each side that reach a recall, in turns; return the best of each, if both have one."""
    every = [s for s in settings if s.side == "FAISS"]
    ours = fastest([s for s in settings if s.side == "ours" and s.name.startswith(kind)], least)
    alike, theirs = fastest([s for s in every if kind_of(s.name) == kind], least), fastest(every, least)
    if not ours or not theirs:
        return None
    timed = {setting.name: setting for setting in (*ours, *alike, *theirs)}
    seconds: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(ROUNDS):
        for name, setting in timed.items():
            began = time.perf_counter()
            setting.run()
            seconds[name].append(time.perf_counter() - began)

    def first(side: Sequence[Setting]) -> Best:
        setting = min(side, key=lambda s: statistics.median(seconds[s.name]))
        return Best(setting.name, setting.recall, QUERIES / statistics.median(seconds[setting.name]))

    return Row(size, threads, kind, least, first(ours), first(alike) if alike else None, first([*alike, *theirs]))


def kind_of(name: str) -> str:
    """Return which of our kinds is searched as a FAISS index is."""
    return "ivf" if "IVF" in name else "hnsw" if "HNSW" in name else "flat"


def fastest(settings: Sequence[Setting], least: float) -> list[Setting]:
    """Return the two fastest at the first look that reach a recall."""
    return sorted((s for s in settings if s.recall >= least), key=lambda s: s.seconds)[:2]


def shown(row: Row) -> str:
    """Return a line for FAISS's best of any kind, and another one for the same kind where that is not it."""
    lines = []
    for theirs in (row.alike, row.faiss) if row.alike != row.faiss else (row.faiss,):
        if theirs is not None:
            ratio = row.ours.queries_per_second / theirs.queries_per_second
            lines.append(
                f"{row.vectors:9,} {row.threads:7} {row.least_recall:6.2f}  {row.ours.name:44} {row.ours.recall:6.4f} "
                f"{row.ours.queries_per_second:7,.0f}  {theirs.name:54} {theirs.recall:6.4f} "
                f"{theirs.queries_per_second:7,.0f} {ratio:6.2f}x"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
