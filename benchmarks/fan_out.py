"""What a query costs that goes to many shards: latency of one shard measured, that of the slowest of many simulated.

``--measured`` shards of ``--rows`` rows each are built in a temporary folder, of vectors (RaBitQ lists with 8-bit
originals; unit vectors of 96 components around as many centers as lists, as ``bench_retrieval_large.py`` makes) and of
JSON documents (phenopackets with changed values, ``json_corpus.py``; a query is three leaves of one of them, a number
off by up to 5 %). The same ``--queries`` are then asked one by one, each shard in turn, ``--tries`` times, on one
thread, while ``--neighbors`` other processes search the same shards without a pause, so that caches and memory are
shared as on a machine at work. Times are of processor time, from the arrays or dictionaries to the answers with their
documents; wall-clock times, which are printed beside them and simulated with ``--clock wall``, have the scheduler's
slices in them where other processes want the same cores. The network is in neither.

From the matrix of a query's times by shard and try, ``fan_out_model.py`` works out and simulates the slowest of S
shards: each on a core of its own, with no queue; with queues, where queries arrive at random and keep each shard busy
for a part of the time; and with two replicas per shard, without and with hedging: a second request to the other replica
after the 95th percentile of the time in which a shard answers at that load, for at most 5 % of the requests.

With ``--per-core N`` a core has N shards, which it searches one after another for each query, and S is of cores.
``--times FILE.npz`` keeps what was measured, or takes it from there if the file exists.

    HDC_BENCH_DATA=... python benchmarks/fan_out.py [--figure FILE.png] [--json FILE] [--times FILE.npz]

Some minutes on two cores, and .5 GB of disk, for shards of 100000 rows. Without the data, vectors only.
"""

import argparse
import importlib.metadata
import itertools
import json
import multiprocessing
import os
import platform
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["NUMBA_NUM_THREADS"] = "1"

import numpy as np
from bench_retrieval_large import blocks
from fan_out_model import Seconds, Setting, mixed, simulate, slowest, slowest_by_query
from json_corpus import changed, phenopackets
from json_queries import document_of, walked, with_noise

import hdc
from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.retrieval import EmbeddingIndex, RaBitQBinarizer

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "processor": time.thread_time}

K = 10
LEVELS = (0.5, 0.99, 0.999)
LEAVES = 3
COMPONENTS, NOISE = 96, 1.0
PROBES, CANDIDATES = 16, 200
LOADS = (0.3, 0.6)
HEDGED = 0.95
"""Part of the answers of a shard that come before the second request; no more than the rest are sent twice."""


class Shards(ABC):
    """Shards of a kind, in folders, and what is asked of them."""

    @abstractmethod
    def build(self, folder: Path, number: int) -> None:
        """Make a shard."""

    @abstractmethod
    def queries(self, count: int) -> list[Any]:
        """Return queries."""

    @abstractmethod
    def open(self, folder: Path) -> Any:
        """Return a shard."""

    @abstractmethod
    def ask(self, shard: Any, query: Any) -> Any:
        """Search a shard."""


class Vectors(Shards):
    """Shards of vectors, in lists of some 300."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.made = argparse.Namespace(lists=max(16, rows // 300), dim=COMPONENTS, noise=NOISE)
        self.model = RaBitQBinarizer(self.made.lists).fit(np.concatenate(list(blocks(self.made, min(rows, 50_000), 1))))

    def build(self, folder: Path, number: int) -> None:
        """Make a shard."""
        with EmbeddingIndex.create(folder, self.model, keep="int8") as index:
            for block in blocks(self.made, self.rows, 10 + number):
                index.add(block)
            index.prepare()

    def queries(self, count: int) -> list[Any]:
        """Return queries."""
        return [row[None] for block in blocks(self.made, count, 2) for row in block]

    def open(self, folder: Path) -> Any:
        """Return a shard."""
        return EmbeddingIndex.open(folder)

    def ask(self, shard: Any, query: Any) -> Any:
        """Search a shard."""
        return shard.search(query, K, probes=PROBES, candidates=CANDIDATES)


class Documents(Shards):
    """Shards of documents."""

    def __init__(self, rows: int, originals: list[Any]) -> None:
        self.rows, self.originals = rows, originals
        self.pool = [finding for document in originals for finding in document.get("phenotypicFeatures", ())]

    def made(self, number: int) -> Any:
        """Return a document."""
        return changed(self.originals[number % len(self.originals)], self.pool, number)

    def build(self, folder: Path, number: int) -> None:
        """Make a shard."""
        encoder = JSONEncoder(64).fit(map(self.made, range(2000)))
        with JSONIndex.create(folder, encoder, vectors=None) as index:
            index.add(map(self.made, range(number * self.rows, (number + 1) * self.rows)))

    def queries(self, count: int) -> list[Any]:
        """Return queries."""
        random = Random(0)
        some = (self.made(random.randrange(self.rows)) for _ in itertools.repeat(None))
        asked = (document_of(with_noise(walked(document, LEAVES, random), random)) for document in some)
        return list(itertools.islice((query for query in asked if query), count))

    def open(self, folder: Path) -> Any:
        """Return a shard."""
        return JSONIndex.open(folder)

    def ask(self, shard: Any, query: Any) -> Any:
        """Search a shard."""
        return [(hit.score, hit.document) for hit in shard.search(query, K)]


def search_on(shards: Shards, folder: Path, queries: list[Any], ready: Any) -> None:
    """Search until the process is ended."""
    shard = shards.open(folder)
    for number, query in enumerate(itertools.cycle(queries)):
        shards.ask(shard, query)
        if number == len(queries):
            ready.release()


@contextmanager
def neighbors(count: int, shards: Shards, folder: Path, queries: list[Any]) -> Iterator[None]:
    """Have other processes search meanwhile."""
    context = multiprocessing.get_context("spawn")
    ready = context.Semaphore(0)
    busy = [context.Process(target=search_on, args=(shards, folder, queries, ready), daemon=True) for _ in range(count)]
    for process in busy:
        process.start()
    try:
        for _ in busy:
            ready.acquire()
        yield
    finally:
        for process in busy:
            process.terminate()
            process.join()


def measured(shards: Shards, options: argparse.Namespace) -> dict[str, Seconds]:
    """Return the seconds of each query by shard and try, by clock: ``(queries, measured * tries)``."""
    with tempfile.TemporaryDirectory() as place:
        folders = [Path(place) / f"shard-{number}" for number in range(options.measured)]
        for number, folder in enumerate(folders):
            shards.build(folder, number)
        queries = shards.queries(options.queries)
        opened = [shards.open(folder) for folder in folders]
        times = {name: np.empty((len(queries), options.measured, options.tries)) for name in CLOCKS}
        with neighbors(options.neighbors, shards, folders[0], queries):
            for shard, query in itertools.product(opened, queries):  # pages are touched, caches are filled
                shards.ask(shard, query)
            for at in range(options.tries):
                for (s, shard), (q, query) in itertools.product(enumerate(opened), enumerate(queries)):
                    began = [clock() for clock in CLOCKS.values()]
                    shards.ask(shard, query)
                    for (name, clock), start in zip(CLOCKS.items(), began, strict=True):
                        times[name][q, s, at] = clock() - start
        for shard in opened:
            shard.close()
    return {name: some.reshape(len(queries), -1) for name, some in times.items()}


def of_query(times: Seconds) -> float:
    """Return the part of the variance of log times that is between queries."""
    logs = np.log(times)
    return float(logs.mean(axis=1).var() / logs.var())


def rows_of(times: Seconds, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the quantiles of the slowest of S shards in every setting."""
    settings = {f"load {load}": {"load": load} for load in LOADS}
    for load in LOADS:
        two = {"load": load, "replicas": 2}
        settings[f"load {load}, 2 replicas"] = two
        late = simulate(times, Setting(1, together=options.per_core, **two), options.simulated).quantile(HEDGED)
        settings[f"load {load}, 2 replicas, hedged"] = {**two, "hedge": late, "budget": 1 - HEDGED}
    rows = []
    for count in options.shards:
        if options.per_core == 1:
            free = [slowest_by_query(times, count, level) for level in LEVELS]
            apart = [slowest(mixed(times), count, level) for level in LEVELS]
            rows.append({"shards": count, "setting": "no queue", "seconds": free, "extra": 0.0})
            rows.append({"shards": count, "setting": "no queue, as if independent", "seconds": apart, "extra": 0.0})
        for name, given in settings.items():
            found = simulate(times, Setting(count, together=options.per_core, **given), options.simulated)
            seconds = [found.quantile(level) for level in LEVELS]
            rows.append({"shards": count, "setting": name, "seconds": seconds, "extra": found.extra})
    return rows


def show(title: str, clocks: dict[str, Seconds], clock: str, rows: list[dict[str, Any]]) -> None:
    print(f"\n{title}; one shard, ms:")
    for name, times in clocks.items():
        p50, p95, p99, p999 = 1e3 * np.quantile(times, (0.5, 0.95, 0.99, 0.999))
        print(f"{name:10} median {p50:.3f}, p95 {p95:.3f}, p99 {p99:.3f}, p99.9 {p999:.3f}; ", end="")
        print(f"mean {1e3 * times.mean():.3f}; {of_query(times):.0%} of the variance of log times is between queries")
    print(f"the slowest, by {clock} time")
    names = list(dict.fromkeys(row["setting"] for row in rows))
    counts = list(dict.fromkeys(row["shards"] for row in rows))
    print(f"{'ms: p50 / p99 / p99.9':36}" + "".join(f"{f'S = {count}':>24}" for count in counts) + "  sent twice")
    for name in names:
        of_name = [row for row in rows if row["setting"] == name]
        cells = [" / ".join(f"{1e3 * seconds:.3g}" for seconds in row["seconds"]) for row in of_name]
        print(f"{name:36}" + "".join(f"{cell:>24}" for cell in cells) + f"  {of_name[0]['extra']:.1%}")


def draw(found: dict[str, list[dict[str, Any]]], path: str) -> None:
    """Draw p99 by the number of shards."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.4 * len(found) + 2.4, 3.2), layout="constrained")
    for axes, (title, rows) in zip(np.ravel(figure.subplots(1, len(found))), found.items(), strict=True):
        for marker, name in zip("os^Dv<>P", dict.fromkeys(row["setting"] for row in rows), strict=False):
            line = [(row["shards"], 1e3 * row["seconds"][1]) for row in rows if row["setting"] == name]
            axes.plot(*zip(*line, strict=True), marker=marker, markersize=4, label=name)
        axes.set(xscale="log", yscale="log", xlabel="shards", ylabel="p99 of the slowest, ms", title=title)
        axes.grid(alpha=0.3)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center", fontsize=8)
    figure.savefig(path, dpi=110)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--measured", type=int, default=3)
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--tries", type=int, default=5)
    parser.add_argument("--neighbors", type=int, default=1)
    parser.add_argument("--simulated", type=int, default=100_000, help="queries of each simulation")
    parser.add_argument("--shards", type=lambda text: [int(n) for n in text.split(",")], default=[1, 4, 16, 64, 256])
    parser.add_argument("--clock", choices=CLOCKS, default="processor")
    parser.add_argument("--per-core", type=int, default=1, metavar="N")
    parser.add_argument("--times", metavar="FILE.npz")
    parser.add_argument("--figure")
    parser.add_argument("--json")
    options = parser.parse_args()
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "numba"))
    print(f"hdc {hdc.__version__}, {packages}, Python {platform.python_version()}, {platform.machine()}")
    found, kept = {}, dict(np.load(options.times)) if options.times and Path(options.times).exists() else {}
    setting = f"{options.measured} shards of {options.rows:,} rows, {options.queries} queries, {options.tries} tries"
    setting = f"times of {options.times}" if kept else f"{setting}, {options.neighbors} neighbors, one thread each"
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before; {setting}; {options.per_core} shards per core"
    )
    originals = phenopackets()
    kinds: dict[str, Callable[[], Shards]] = {"vectors": lambda: Vectors(options.rows)}
    if originals:
        kinds["documents"] = lambda: Documents(options.rows, [one["document"] for one in originals])
    for kind, make in kinds.items():
        names = {clock: f"{kind} {clock}" for clock in CLOCKS}
        if not kept.keys() & names.values():
            clocks = measured(make(), options)
            kept |= {names[clock]: times for clock, times in clocks.items()}
        clocks = {clock: kept[name] for clock, name in names.items()}
        found[kind] = rows_of(clocks[options.clock], options)
        show(kind, clocks, options.clock, found[kind])
    if options.times:
        np.savez(options.times, **kept)
    if options.figure:
        draw(found, options.figure)
    if options.json:
        Path(options.json).write_text(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
