"""Queries a second and recall of JSONIndex, against the exact comparison of every document.

Collections: the earthquakes and operations of ``hdc demo``, the phenopackets in the folder named by
``HDC_BENCH_DATA``, and changed copies of them (``json_corpus.py``). A query is a part of a document of the
collection: some of its leaves, numbers off by 2 % of their value. Recall is the part of the ten best that search
finds, ties aside: a hit counts if its score is that of the tenth best or better. Single thread; the index is a folder.
Run: ``HDC_BENCH_DATA=... python benchmarks/bench_json_search.py [--documents 100000]``.
"""

import argparse
import gc
import gzip
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import numpy as np
from json_corpus import enlarged, phenopackets

import hdc
from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.json.index.matcher import Matcher

K = 10
LEAVES = (1, 3, 5, 10)
NOISE = 0.02


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=100_000, help="changed copies of phenopackets")
    parser.add_argument("--queries", type=int, default=50, help="of each number of leaves")
    parser.add_argument("--compared", type=int, default=5, help="of these, compared with all changed copies")
    arguments = parser.parse_args()
    hdc.threads(1)
    print(
        f"{'collection':>12}  {'documents':>9}  {'leaves':>6}  {'recall@10':>11}  {'found':>9}  {'queries/s':>9}  all/s"
    )
    for name in ("earthquakes", "operations"):
        data = gzip.decompress((files("hdc.apps.demo") / "data" / f"{name}.jsonl.gz").read_bytes())
        report(name, [json.loads(line) for line in data.splitlines()], arguments.queries, arguments.queries)
    cases = phenopackets()
    if cases is not None:
        real = [case["document"] for case in cases]
        report("phenopackets", real, arguments.queries, arguments.queries)
        if arguments.documents:
            copies = list(enlarged(real, arguments.documents))
            report("copies", copies, arguments.queries, arguments.compared)
    return 0


def report(name: str, documents: list[Any], queries: int, compared: int) -> None:
    random = Random(0)
    encoder = JSONEncoder().fit(documents)
    with tempfile.TemporaryDirectory() as folder, JSONIndex.create(Path(folder) / "index", encoder) as index:
        index.add(documents)
        index.search(documents[0])
        gc.collect()
        gc.freeze()  # the documents are the benchmark's: an index on the disk does not hold them for Python to walk
        for leaves in LEAVES:
            asked = [part(random.choice(documents), leaves, random) for _ in range(queries)]
            began = time.perf_counter()
            hits = [index.search(query, K) for query in asked]
            seconds = time.perf_counter() - began
            found = 0
            began = time.perf_counter()
            for query, best in zip(asked[:compared], hits, strict=False):
                matcher = Matcher(query, encoder.values, encoder.layout)
                scores = np.array([matcher.score(document) for document in documents])
                found += sum(hit.score >= np.sort(scores)[-K] - 1e-9 for hit in best)
            exhaustive = compared / (time.perf_counter() - began)
            print(
                f"{name:>12}  {len(documents):9,}  {leaves:6}  {found / (K * compared):11.3f}  "
                f"{f'{found}/{K * compared}':>9}  {queries / seconds:9.1f}  {exhaustive:5.2f}",
                flush=True,
            )


def part(document: Any, leaves: int, random: Random) -> Any:
    """Return a document of some leaves of another one, arrays closed up, numbers changed a little."""
    every = list(_leaves(document, ()))
    partial: dict[Any, Any] = {}
    for path, value in random.sample(every, min(leaves, len(every))):
        place = partial
        for step in path[:-1]:
            place = place.setdefault(step, {})
        number = isinstance(value, int | float) and not isinstance(value, bool)
        place[path[-1]] = value * random.gauss(1, NOISE) if number else value
    return _closed(partial)


def _leaves(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], Any]]:
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, item in steps:
        yield from _leaves(item, (*path, step))
    if path and (not isinstance(value, dict | list) or not value):
        yield path, value


def _closed(value: Any) -> Any:
    if not isinstance(value, dict) or not value:
        return value
    if all(isinstance(step, int) for step in value):
        return [_closed(value[step]) for step in sorted(value)]
    return {step: _closed(item) for step, item in value.items()}


if __name__ == "__main__":
    sys.exit(main())
