"""How long a search of JSON documents takes, what building costs, and whether the answers are the best ones.

JSONIndex in a folder beside bm25s and tantivy (``json_engines.py``), all with the same queries in one run. Each engine
lives in a process of its own, on one thread; the processes take turns, ten queries at a time. A query is some leaves of
a document of the collection, one number off by up to 5 % (``json_queries.py``), or 3 leaves with a typing error too.
Times are of processor time, taking the query apart included, in ms: median and 95th percentile. ``--json`` has the
wall-clock times as well.

*documents/s* is per second of processor time, without the time that the documents take to be made; JSONIndex is fitted
first and reads them twice. *MB* is what memory grew by at most meanwhile. *bytes* are those of the index per document,
and *of text* how many times those of the JSON. *recall* is the part of the 10 best that ours finds, ties aside, where
the best are those of a search for as many hits as there are documents: it compares every one.

Collections at their own size come first. Then phenopackets and mdn grow to each of ``--sizes``: their copies have
changed values (``json_corpus.py``). 1000000 documents need 15 GB of memory and half an hour.

    HDC_BENCH_DATA=... python benchmarks/bench_json_latency.py [--sizes 4000,20000,80000,1000000] [--json FILE]
"""

import json_engines  # first: it sets the threads of the libraries that the others import

# isort: split
import argparse
import gc
import itertools
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from json_collections import MissingError, chosen, load
from json_corpus import enlarged, recombined
from json_queries import document_of, walked, with_noise, with_typing_error

K = 10
WARMUP = 50
"""Documents and queries of each kind before what is measured."""

TURN = 10
"""Queries that an engine answers before the next one has its turn."""

KINDS = {"1 leaf": (1, False), "3 leaves": (3, False), "10 leaves": (10, False), "3, typing error": (3, True)}
"""Leaves of a query, and whether it has a typing error."""

OURS = json_engines.Ours.title
GROWN: dict[str, Callable[[list[Any], int], Iterator[Any]]] = {"phenopackets": enlarged, "mdn": recombined}


@dataclass(frozen=True)
class Stream:
    """A collection, at its own size or grown."""

    name: str
    count: int | None

    def documents(self) -> json_engines.Documents:
        """Return what starts the documents."""
        real = load(self.name)
        count = self.count
        return (lambda: real) if count is None else lambda: GROWN[self.name](real, count)


@dataclass(frozen=True)
class Built:
    """What building an index cost: documents, their bytes, seconds of the processor, bytes of memory and index."""

    documents: int
    text: int
    seconds: float
    memory: int
    size: int


def main() -> int:
    arguments = command().parse_args()
    streams = [Stream(name, None) for name in chosen(arguments.collections)] if arguments.collections else []
    sizes = [int(size) for size in arguments.sizes.split(",") if size]
    streams += [Stream(name, size) for name in GROWN for size in sizes]
    results = []
    for stream in streams:
        try:
            own = len(load(stream.name))
        except MissingError as error:
            print(f"{stream.name} skipped: {error}", flush=True)
            continue
        if stream.count is None or stream.count > own:
            results.append(measured(stream, arguments))
            if arguments.json:
                Path(arguments.json).write_text(json.dumps({"settings": vars(arguments), "results": results}))
    return 0


def command() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--collections", default="earthquakes,operations,phenopackets,mdn", help="at their own size; '' for none"
    )
    parser.add_argument("--sizes", default="4000,20000,80000", help="that phenopackets and mdn grow to; '' for none")
    parser.add_argument("--queries", type=int, default=200, help="of each kind (200)")
    parser.add_argument("--compared", type=int, default=10, help="queries of each kind compared with everything (10)")
    parser.add_argument("--exhaustive", type=int, default=25_000, help="most documents for that (25000)")
    parser.add_argument(
        "--engines", default=f"{OURS},BM25 (bm25s),BM25 (tantivy)", help=f"of {', '.join(json_engines.ENGINES)}"
    )
    parser.add_argument("--json", metavar="FILE", help="write every time there")
    return parser


def measured(stream: Stream, arguments: argparse.Namespace) -> dict[str, Any]:
    """Build all indexes, ask all queries, print the lines of a collection."""
    titles = arguments.engines.split(",")
    asked = queries(stream, arguments.queries)
    with ExitStack() as stack:
        built: dict[str, Built] = {}
        engines: dict[str, Connection] = {}
        for title in titles:
            engines[title] = stack.enter_context(running(title, stream))
            built[title] = answer(engines[title], None)
        times = interleaved(engines, asked)
        count = built[titles[0]].documents
        recall = {}
        if OURS in engines and count <= arguments.exhaustive:
            recall = {kind: recalled(engines[OURS], some[: arguments.compared], count) for kind, some in asked.items()}
    report(stream, built, times, recall)
    return {
        "collection": asdict(stream),
        "built": {title: asdict(one) for title, one in built.items()},
        "processor and wall-clock seconds": times,
        "recall": recall,
    }


def queries(stream: Stream, count: int) -> dict[str, list[Any]]:
    """Return as many queries of each kind, made of documents from all over the collection."""
    documents = stream.documents()
    total = sum(1 for _ in documents())
    random = Random(0)
    numbers = sorted(random.sample(range(total), min(count, total)))
    taken = picked(documents(), numbers)
    asked = {}
    for kind, (leaves, wrong) in KINDS.items():
        some = []
        for document in itertools.islice(itertools.cycle(taken), count):
            left = with_noise(walked(document, leaves, random), random)
            some.append(document_of(with_typing_error(left, random) if wrong else left))
        random.shuffle(some)
        asked[kind] = some
    return asked


def picked(documents: Any, numbers: Sequence[int]) -> list[Any]:
    wanted = set(numbers)
    return [document for number, document in enumerate(documents) if number in wanted]


# ---------------------------------------------------------------------- processes


@contextmanager
def running(title: str, stream: Stream) -> Iterator[Connection]:
    """Start an engine in a process of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, title, stream), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        ours.close()
        process.join()


def answer(engine: Connection, request: Any) -> Any:
    """Send a request and return what the process says."""
    engine.send(request)
    value = engine.recv()
    if isinstance(value, Exception):
        raise value
    return value


def serve(connection: Connection, title: str, stream: Stream) -> None:
    """Build an index; then answer lists of queries, with k, until told to end.

    Answers are scores and seconds of each but the first, which is for warming up.
    """
    with tempfile.TemporaryDirectory() as folder:
        engine = None
        while True:
            try:
                request = connection.recv()
            except EOFError:
                break
            try:
                if request is None:
                    engine, built = build(title, stream, Path(folder))
                    connection.send(built)
                else:
                    engine.search(*request[0])  # awake again after the others' turns
                    connection.send([searched(engine, query, k) for query, k in request[1:]])
            except Exception as error:
                connection.send(RuntimeError(f"{title}: {type(error).__name__}: {error}"))
        del engine


def build(title: str, stream: Stream, folder: Path) -> tuple[Any, Built]:
    documents = stream.documents()
    (folder / "warm-up").mkdir()
    some = list(itertools.islice(documents(), WARMUP))
    json_engines.ENGINES[title](lambda: some, folder / "warm-up")  # loads what the engine compiled
    gc.collect()
    gc.freeze()  # the documents of the collection are the benchmark's, not the index's, for Python to walk
    began = time.process_time()
    count = sum(1 for _ in documents())
    making = time.process_time() - began
    passes = 0

    def counted() -> Any:
        nonlocal passes
        passes += 1
        return documents()

    before = reset_peak()
    began = time.process_time()
    engine = json_engines.ENGINES[title](counted, folder)
    seconds = time.process_time() - began - passes * making
    memory = memory_of("VmHWM") - before
    return engine, Built(count, json_engines.text_bytes(documents), seconds, memory, engine.size())


def searched(engine: Any, query: Any, k: int) -> tuple[list[float], float, float]:
    began, wall = time.process_time(), time.perf_counter()
    _, scores = engine.search(query, k)
    return scores.tolist(), time.process_time() - began, time.perf_counter() - wall


def reset_peak() -> int:
    """Forget the peak of this process's memory; return what it has now, in bytes (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory_of("VmRSS")


def memory_of(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(field))


# ---------------------------------------------------------------------- figures

Times = dict[str, dict[str, list[tuple[float, float]]]]
"""Seconds of the processor and of the clock, of each query of each kind, by engine."""


def interleaved(engines: dict[str, Connection], asked: dict[str, list[Any]]) -> Times:
    """Return the times of all queries, engines in turns."""
    for engine in engines.values():
        answer(engine, [(query, K) for some in asked.values() for query in some[-WARMUP:]])
    times: Times = {title: {kind: [] for kind in asked} for title in engines}
    for kind, some in asked.items():
        for start in range(0, len(some), TURN):
            for title, engine in engines.items():
                turn = [some[start - 1], *some[start : start + TURN]]
                answers = answer(engine, [(query, K) for query in turn])
                times[title][kind] += [(cpu, wall) for _, cpu, wall in answers]
    return times


def recalled(engine: Connection, asked: Sequence[Any], count: int) -> float:
    """Return the part of the K best scores that a search for K finds."""
    found = wanted = 0
    for query in asked:
        [(scores, *_), (every, *_)] = answer(engine, [(query, K), (query, K), (query, count)])
        best = sorted(every, reverse=True)[:K]
        wanted += len(best)
        found += sum(score >= best[-1] - 1e-9 for score in scores[: len(best)])
    return found / max(wanted, 1)


def report(stream: Stream, built: dict[str, Built], times: Times, recall: dict[str, float]) -> None:
    some = next(iter(built.values()))
    grown = " (grown)" if stream.count else ""
    print(f"\n{stream.name}{grown}: {some.documents:,} documents of {some.text / some.documents:,.0f} bytes")
    kinds = "".join(f"{kind:>19}" for kind in KINDS)
    print(f"  {'':18}{'documents/s':>12}{'MB':>8}{'bytes':>8}{'of text':>8}{kinds}")
    for title, one in built.items():
        cells = ""
        for seconds in times[title].values():
            cpu = [1e3 * processor for processor, _ in seconds]
            cells += f"{f'{statistics.median(cpu):.3f} / {np.quantile(cpu, 0.95):.3f}':>19}"
        print(
            f"  {title:18}{one.documents / one.seconds:12,.0f}{one.memory / 1e6:8,.0f}"
            f"{one.size / one.documents:8,.0f}{one.size / one.text:8.2f}{cells}"
        )
    if recall:
        print(f"  {'recall@10 of ours':54}{''.join(f'{value:19.3f}' for value in recall.values())}")
    sys.stdout.flush()


if __name__ == "__main__":
    print(f"load before the start: {os.getloadavg()[0]:.1f}", flush=True)
    sys.exit(main())
