"""Search of 1, 4 and 16 shards of the same rows: times of one query and of a batch, and whether answers are equal.

*JSON*: generated products of eight fields, indexed once, without vectors, and cut by ``split``. Queries have one, three
and seven leaves of a document, or words for any field, one of them misspelled. *Embeddings*: MiniLM vectors, enlarged
as in ``bench_retrieval_speed.py``, in RaBitQ lists with int8 originals, in sign codes (flat), and, of fewer vectors, in
a graph. The contenders take turns, ten queries at a time. Times are of the wall and, in brackets, of the processor, in
ms: the median of single queries, and a batch divided by its queries.

*equal* counts queries whose ids and scores are those of one index. For JSON, explanations and notes too. A graph may
find other rows in each shard: its *recall* is of the exact ten.

``--each`` adds, for JSON, searches of each shard by itself whose hits are put in one order: one after the other, in
threads, and in processes that hold the shards open. Their scores are of each shard's own statistics.

    HDC_BENCH_DATA=... python benchmarks/bench_shards.py [--documents 1000000] [--vectors 1000000] [--keep FOLDER]
"""

import argparse
import heapq
import multiprocessing
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl
from bench_retrieval_speed import FILE, enlarged
from retrieval_data import QUERIES, data_folder, recall, vectors

import hdc
from hdc.apps import json as documents
from hdc.apps import retrieval
from hdc.apps.retrieval.evaluation.exact import exact
from hdc.apps.retrieval.files.vectors import Block

K = 10
TURN = 10
ROUNDS = 5
SHARDS = (1, 4, 16)
FITTED = 20_000
BATCH = 5000

Find = Callable[[Any], Any]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=1_000_000, help="0: no JSON")
    parser.add_argument("--vectors", type=int, default=1_000_000, help="0: no embeddings")
    parser.add_argument("--graph", type=int, default=20_000, help="vectors of the graph; 0: none")
    parser.add_argument("--queries", type=int, default=50, help="of each kind")
    parser.add_argument("--each", action="store_true", help="also search each JSON shard by itself")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="store indexes here, or take those that are there")
    arguments = parser.parse_args()
    hdc.threads(1)
    threadpoolctl.threadpool_limits(1)
    print(
        f"hdc {hdc.__version__}, numpy {version('numpy')}, numba {version('numba')}; {os.cpu_count()} processors, ",
        end="",
    )
    print(f"load {os.getloadavg()[0]:.1f}, 1 thread a search. {platform.machine()}\n", flush=True)
    with tempfile.TemporaryDirectory() as passing:
        folder = arguments.keep or Path(passing)
        folder.mkdir(parents=True, exist_ok=True)
        if arguments.documents:
            of_documents(folder / f"json-{arguments.documents}", arguments)
        if arguments.vectors and (data := data_folder(FILE)) is not None:
            of_vectors(folder, vectors(data / FILE), arguments)
    return 0


def timed(finders: dict[str, Find], asked: Sequence[Any]) -> dict[str, tuple[float, float]]:
    """Return the median seconds of one query by each finder, of the wall and of the processor, in turns."""
    wall: dict[str, list[float]] = {name: [] for name in finders}
    busy: dict[str, list[float]] = {name: [] for name in finders}
    for start in range(0, len(asked), TURN):
        for name, find in finders.items():
            for query in asked[start : start + TURN]:
                at, used = time.perf_counter(), time.process_time()
                find(query)
                wall[name].append(time.perf_counter() - at)
                busy[name].append(time.process_time() - used)
    return {name: (statistics.median(wall[name]), statistics.median(busy[name])) for name in finders}


def of_batches(finders: dict[str, Callable[[], Any]], count: int) -> dict[str, tuple[float, float]]:
    """Return the least seconds per query of a batch, in turns."""
    best = dict.fromkeys(finders, (np.inf, np.inf))
    for _ in range(ROUNDS):
        for name, find in finders.items():
            at, used = time.perf_counter(), time.process_time()
            find()
            taken = (time.perf_counter() - at) / count, (time.process_time() - used) / count
            best[name] = min(best[name], taken)
    return best


def shown(pair: tuple[float, float]) -> str:
    return f"{1e3 * pair[0]:.2f} ({1e3 * pair[1]:.2f})"


def head(first: str, names: Iterable[str]) -> None:
    """Print the head of a table."""
    cells = [first, *(f"{name}, one" for name in names), *(f"{name}, batch" for name in names), "equal"]
    print(f"\n| {' | '.join(cells)} |\n|{'---|' * len(cells)}", flush=True)


def cut(whole: Path, n: int, split: Callable[[Path, int, Path], Any]) -> Path:
    """Return the folder of n shards, made if it is not there."""
    place = whole.with_name(f"{whole.name}-shards-{n}")
    if not place.exists():
        began = time.perf_counter()
        split(whole, n, place)
        print(f"cut into {n} shards: {time.perf_counter() - began:.0f} s", flush=True)
    return place


# ---------------------------------------------------------------------- JSON


def products(count: int) -> Iterator[dict[str, Any]]:
    """Yield documents, the same ones whenever it is called."""
    rng = np.random.default_rng(7)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(rng.choice(letters, rng.integers(4, 10))) for _ in range(20_000)]
    for start in range(0, count, BATCH):
        names = np.minimum(rng.zipf(1.3, (BATCH, 7)) - 1, len(words) - 1).tolist()
        numbers = rng.random((BATCH, 8)).tolist()
        for at in range(min(BATCH, count - start)):
            name, draw = [words[i] for i in names[at]], numbers[at]
            yield {
                "id": f"p{start + at}",
                "name": " ".join(name[:4]),
                "brand": words[int(draw[0] ** 3 * 2000)],
                "price": round(10 ** (1 + 3 * draw[1]), 2),
                "year": 1990 + int(35 * draw[2]),
                "stock": draw[3] < 0.8,
                "tags": list(dict.fromkeys(name[4:6])),
                "parts": [{"label": name[6], "weight": int(20 * draw[4])}],
            }


def leaves(document: dict[str, Any], rng: Any, count: int) -> dict[str, Any]:
    """Return so many fields of a document."""
    names = rng.permutation([name for name in document if name != "id"])[:count]
    return {name: document[name] for name in names.tolist()}


def questions(some: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return queries by kind."""
    rng = np.random.default_rng(1)

    def misspelled(text: str) -> str:
        words = text.split()
        return " ".join([words[0][:-1] + "q", *words[1:3]])

    return {
        "1 leaf": [leaves(document, rng, 1) for document in some],
        "3 leaves": [leaves(document, rng, 3) for document in some],
        "7 leaves": [leaves(document, rng, 7) for document in some],
        "words, one misspelled": [{"*": misspelled(document["name"])} for document in some],
    }


def of_documents(whole: Path, arguments: argparse.Namespace) -> None:
    """Measure shards of documents."""
    count = arguments.documents
    if not whole.exists():
        began, building = time.perf_counter(), whole.with_name(whole.name + ".new")
        encoder = documents.JSONEncoder(64).fit(islice(products(count), FITTED))
        with documents.JSONIndex.create(building, encoder, vectors=None) as index:
            index.add(products(count))
        building.rename(whole)
        print(f"{count:,} documents indexed: {time.perf_counter() - began:.0f} s", flush=True)
    places = {"one index": whole, **{f"{n} shards": cut(whole, n, documents.split) for n in SHARDS}}
    opened, step = {}, max(1, count // arguments.queries)
    asked = questions(list(islice(islice(products(count), 0, None, step), arguments.queries)))
    print(f"\n{count:,} documents, {arguments.queries} queries of each kind, k={K}")
    for name, place in places.items():
        began = time.perf_counter()
        opened[name] = documents.JSONIndex.open(place)
        ready = time.perf_counter()
        opened[name].search(asked["1 leaf"][0], K)
        done = time.perf_counter()
        print(f"{name}: opened in {1e3 * (ready - began):.0f} ms, first search {1e3 * (done - ready):.0f} ms")
    first = opened["one index"]
    head("query", opened)
    for kind, some in asked.items():
        equal = {name: sum(answer(first, q) == answer(index, q) for q in some) for name, index in opened.items()}
        one = timed({name: lambda q, index=index: index.search(q, K) for name, index in opened.items()}, some)
        batch = of_batches({name: partial(index.search_many, some, K) for name, index in opened.items()}, len(some))
        cells = [*map(shown, one.values()), *map(shown, batch.values())]
        print(f"| {kind} | {' | '.join(cells)} | {min(equal.values())}/{len(some)} |", flush=True)
    if arguments.each:
        for n in SHARDS[1:]:
            by_each(places[f"{n} shards"], opened[f"{n} shards"], asked)
    for index in opened.values():
        index.close()


def answer(index: Any, query: Any) -> Any:
    """Return all that an index says of a query."""
    hits = index.search(query, K)
    return (
        hits.notes,
        [(hit.id, hit.score, hit.document, index.explain(query, hit)) for hit in hits[:3]],
        [h.id for h in hits],
    )


def by_each(place: Path, whole: Any, asked: dict[str, list[Any]]) -> None:
    """Measure searches of each shard by itself."""
    paths = sorted(place.iterdir())
    shards = [documents.JSONIndex.open(path) for path in paths]
    workers = min(2, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(workers)
    context = multiprocessing.get_context("spawn")
    pipes = []
    for at in range(workers):
        ours, theirs = context.Pipe()
        context.Process(target=serve, args=(theirs, paths[at::workers]), daemon=True).start()
        pipes.append(ours)

    def found(index: Any, query: Any) -> list[tuple[float, int]]:
        return [(-hit.score, hit.id) for hit in index.search(query, K)]

    def best(parts: Any) -> list[Any]:
        return heapq.nsmallest(K, [pair for part in parts for pair in part])

    def of_processes(query: Any) -> list[Any]:
        for pipe in pipes:
            pipe.send(query)
        return best([pipe.recv() for pipe in pipes])

    finders: dict[str, Find] = {
        "as one": lambda query: whole.search(query, K),
        "one after the other": lambda query: best(found(shard, query) for shard in shards),
        f"{workers} threads": lambda query: best(pool.map(lambda shard: found(shard, query), shards)),
        f"{workers} processes": of_processes,
    }
    print(f"\n{len(paths)} shards, wall: | {' | '.join(finders)} |")
    for kind, some in asked.items():
        for find in finders.values():
            find(some[0])
        print(
            f"| {kind} | {' | '.join(f'{1e3 * pair[0]:.2f}' for pair in timed(finders, some).values())} |", flush=True
        )
    for pipe in pipes:
        pipe.send(None)
    pool.shutdown()


def serve(pipe: Any, paths: list[Path]) -> None:
    """Answer queries until there is None."""
    hdc.threads(1)
    shards = [documents.JSONIndex.open(path) for path in paths]
    while (query := pipe.recv()) is not None:
        pipe.send([(-hit.score, hit.id) for shard in shards for hit in shard.search(query, K)])


# ---------------------------------------------------------------------- embeddings


def of_vectors(folder: Path, data: Any, arguments: argparse.Namespace) -> None:
    """Measure shards of embeddings."""
    queries, base = data[-QUERIES:].copy(), enlarged(data[:-QUERIES], arguments.vectors)
    sample = base[: 1 << 17]
    lists = max(16, int(len(base) ** 0.5))
    print(f"\n{len(base):,} vectors of {base.shape[1]} components, {len(queries):,} queries, k={K}")
    kinds = {
        f"RaBitQ, {lists} lists, int8": (
            lambda: retrieval.RaBitQBinarizer(lists=lists, seed=0).fit(sample),
            {"keep": "int8"},
            {"probes": 16, "candidates": 200},
            len(base),
        ),
        "signs of 512 bits, flat": (lambda: retrieval.SignBinarizer(512).fit(sample), {}, {}, len(base)),
        "signs of 512 bits, graph": (
            lambda: retrieval.SignBinarizer(512).fit(sample),
            {"kind": "hnsw", "keep": "int8"},
            {"effort": 100, "candidates": 100},
            min(arguments.graph, len(base)),
        ),
    }
    names = ["one index", *(f"{n} shards" for n in SHARDS)]
    head("index", names)
    for at, (kind, (model, made, options, count)) in enumerate(kinds.items()):
        if not count:
            continue
        whole = folder / f"vectors-{at}-{count}"
        if not whole.exists():
            building = whole.with_name(whole.name + ".new")
            with retrieval.EmbeddingIndex.create(building, model(), **made) as index:
                for start in range(0, count, 1 << 16):
                    index.add(base[start : min(count, start + (1 << 16))])
                index.prepare()
            building.rename(whole)
        places = [cut(whole, n, retrieval.split) for n in SHARDS]
        indexes = [retrieval.EmbeddingIndex.open(whole), *map(retrieval.ShardedIndex.open, places)]
        opened = dict(zip(names, indexes, strict=True))
        found = {name: index.search(queries, K, **options) for name, index in opened.items()}
        first = found[names[0]]
        equal = [int((ids == first[1]).all(axis=1).sum()) for _, ids in found.values()]
        one = timed(
            {name: partial(single, index, options) for name, index in opened.items()},
            queries[: 4 * arguments.queries],
        )
        batch = of_batches(
            {name: partial(index.search, queries, K, **options) for name, index in opened.items()},
            len(queries),
        )
        cells = [*map(shown, one.values()), *map(shown, batch.values())]
        told = f"{min(equal)}/{len(queries)}"
        if made.get("kind") == "hnsw":
            truth = exact([Block(0, base[:count], None)], queries, K)[1]
            told = "recall " + ", ".join(f"{recall(ids, truth):.3f}" for _, ids in found.values())
        print(f"| {kind} | {' | '.join(cells)} | {told} |", flush=True)
        for index in opened.values():
            index.close()


def single(index: Any, options: dict[str, int], query: Any) -> Any:
    return index.search(query[None], K, **options)


if __name__ == "__main__":
    raise SystemExit(main())
