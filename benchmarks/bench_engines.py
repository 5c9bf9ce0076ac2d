"""Codes in other engines: the same answers, how long it takes to load them, and how long to ask.

An index of random codes around centers, and one of vectors with originals of int8, are written to every engine that is
installed here, and all are asked the same. *Distances* and *ids* are the shares of the answers, hit by hit, that are
ours: of codes to the bit, of cosines to 2e-5. Engines of the second part walk a graph or look into lists: their shares
are no mistakes but what they find. Seconds of a load are of one load, with indexes that the engine makes for it.
Milliseconds of a query are medians of rounds in which all engines take their turn: of one query alone, and of one among
a hundred asked at once. ``hdc`` is our own index in memory. Engines use as many threads as they like.

Run: ``python benchmarks/bench_engines.py [--rows 100000] [engine ...]``; ``pip install 'hdc-toolkit[engines]'`` and
``apt-get install postgresql`` bring the engines.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
from engine_cases import APPROXIMATE, ENGINES, OF_CODES, AbsentError, Running

from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, SignBinarizer
from hdc.words import pack

K, QUERIES, ROUNDS = 10, 100, 3
BITS, COMPONENTS, CENTERS = 256, 128, 500
CLOSE = 2e-5

EVERY = ENGINES | OF_CODES | APPROXIMATE

SLOW = {"qdrant"}
"""The client's local mode compares in Python: minutes with a hundred thousand rows."""

Answer = tuple[Any, Any]


class Task(NamedTuple):
    """An index that is written, and what is asked: ``search(engine's search, queries)`` of ``queries``."""

    name: str
    index: Any
    queries: Any
    options: dict[str, Any]
    own: Callable[[Any], Answer]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engines", nargs="*", help=f"of {', '.join(EVERY)}; left out, all but {', '.join(SLOW)}")
    parser.add_argument("--rows", type=int, default=100_000)
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, k={K}, {ROUNDS} rounds")
    with ExitStack() as running:
        engines = {}
        for name, start in EVERY.items():
            if name in (arguments.engines or EVERY.keys() - SLOW):
                try:
                    engines[name] = running.enter_context(start())
                except AbsentError as absent:
                    print(f"{name}: not run, {absent}")
        for task in (codes_task(arguments.rows), vectors_task(arguments.rows)):
            compare(task, {name: engines[name] for name in engines if not task.options or name not in OF_CODES})


def codes_task(rows: int) -> Task:
    """Return codes around centers: an eighth of the bits flipped."""
    rng = np.random.default_rng(0)
    bits = rng.random((CENTERS, BITS))[rng.integers(0, CENTERS, rows + QUERIES)] < 0.5
    codes = pack(bits ^ (rng.random(bits.shape) < 0.125))
    index = BinaryIndex(BITS)
    index.add(codes[:rows], keys=[f"item {i}" for i in range(rows)])
    return Task(f"{BITS} bits", index, codes[rows:], {}, lambda asked: index.search(asked, K))


def vectors_task(rows: int) -> Task:
    """Return vectors around centers, of which codes find 100 for originals to put in order."""
    rng = np.random.default_rng(1)
    centers = rng.standard_normal((CENTERS, COMPONENTS), dtype=np.float32)
    x = centers[rng.integers(0, CENTERS, rows + QUERIES)]
    x += rng.standard_normal(x.shape, dtype=np.float32)
    index = EmbeddingIndex.create(None, SignBinarizer(BITS).fit(x[:rows]), keep="int8")
    index.add(x[:rows], keys=[f"item {i}" for i in range(rows)])
    name = f"{BITS} bits and {COMPONENTS} int8"
    return Task(name, index, x[rows:], {"model": index.model}, lambda asked: index.search(asked, K))


def compare(task: Task, engines: dict[str, Running]) -> None:
    """Print the rows of a task."""
    searches: dict[str, Callable[[Any], Answer]] = {"hdc": task.own}
    loads, table = {}, f"t_{task.name.replace(' ', '_')}"
    for name, engine in engines.items():
        began = time.perf_counter()
        engine.write(task.index, table)
        loads[name] = time.perf_counter() - began
        searches[name] = lambda asked, engine=engine: engine.search(table, asked, K, **task.options)
    expected = task.own(task.queries)
    shares = {name: agreement(search(task.queries), expected) for name, search in searches.items()}
    alone, together = timed(searches, task.queries[:1]), timed(searches, task.queries)
    print(f"\n{task.name}, {len(task.index)} rows")
    print("| engine | version | started | distances | ids | load s | ms per query | of 100 |")
    print("|---|---|---|---|---|---|---|---|")
    for name, (distances, ids) in shares.items():
        told = (engines[name].version, engines[name].started) if name in engines else ("", "in memory")
        load = f"{loads[name]:.1f}" if name in loads else ""
        times = f"{1000 * alone[name]:.2f} | {1000 * together[name] / len(task.queries):.2f}"
        print(f"| {name} | {' | '.join(told)} | {distances:.3f} | {ids:.3f} | {load} | {times} |")


def agreement(answer: Answer, expected: Answer) -> tuple[float, float]:
    """Return the shares of hits with our distances and with our ids."""
    distances, ids = (np.zeros(expected[1].shape) - 2 for _ in range(2))
    width = answer[1].shape[1]
    distances[:, :width], ids[:, :width] = answer
    close = np.abs(distances - expected[0]) <= (0 if expected[0].dtype.kind == "i" else CLOSE)
    return float(close.mean()), float((ids == expected[1]).mean())


def timed(searches: dict[str, Callable[[Any], Answer]], asked: Any) -> dict[str, float]:
    """Return the median seconds of each search, all of which take their turn in each round."""
    seconds: dict[str, list[float]] = {name: [] for name in searches}
    for _ in range(ROUNDS):
        for name, search in searches.items():
            began = time.perf_counter()
            search(asked)
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(times) for name, times in seconds.items()}


if __name__ == "__main__":
    main()
