"""Find a document that one half remembers: JSONIndex beside TF-IDF and BM25, with and without 3-grams.

A query is made of a document of the collection: 3 of its leaves, a typing error in one text, one number off by up to
5 % (``json_queries.py``). It is right to find that document: reciprocal rank among the first 10 (MRR@10) and whether
it is among them (recall@10). Equal scores are no order: the document's rank is the mean over all orders of those that
have its score, for every engine alike; lists are asked for long enough to hold all that tie with the tenth.
Equal documents of a collection are taken once. Leaves are drawn by walks from the top, each field of an object as
likely as the others (``--leaves any``: each leaf as likely as any other; most of them may be of one kind).

All engines get the very same queries, of a fixed seed; their defaults are those of their libraries
(``json_engines.py``). *difference* is ours less that of the best opponent of the collection, with its 95 % bootstrap
interval; *p* is of a two-sided test that flips the signs of the differences at random, those of one document
together. A difference counts as one below alpha = .05. ms is the median of processor time per query.

Parameters of ours may be fitted on ``--collections tune``: earthquakes, phenopackets and movies.

    python benchmarks/json_collections.py --fetch
    HDC_BENCH_DATA=... python benchmarks/bench_json_known_item.py [--collections tune] [--queries 500] [--json FILE]
"""

import json_engines  # first: it sets the threads of the libraries that the others import

# isort: split
import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from json_collections import TUNE, chosen, present
from json_queries import document_of, drawn, walked, with_noise, with_typing_error
from json_ranking import CUTOFF, Comparison, compare, cut_in_ties, expected

LEAVES = 3
ASKED = 50
"""Hits that are asked for at first."""

OURS = json_engines.Ours.title


@dataclass(frozen=True)
class Query:
    """A document to find by what is left of it."""

    target: int
    document: Any


@dataclass(frozen=True)
class Run:
    """What an engine answered: for each query the expected reciprocal rank, the chance to be in the list, seconds."""

    reciprocal: list[float]
    found: list[float]
    seconds: list[float]


def main() -> int:
    arguments = command().parse_args()
    print(f"{'collection':14}{'documents':>10}  {'engine':24}{'MRR@10':>7}{'recall':>8}{'ms':>8}", flush=True)
    results: dict[str, Any] = {}
    for name, documents in present(chosen(arguments.collections)):
        asked = queries(name, documents, arguments)
        runs = compared(documents, asked)
        versus = against(runs, asked)
        report(name, len(documents), runs, versus)
        results[name] = {
            "queries": [asdict(query) for query in asked],
            "engines": {engine: asdict(run) for engine, run in runs.items()},
            "ours against": {engine: asdict(comparison) for engine, comparison in versus.items()},
        }
    summary(results)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps({"settings": vars(arguments), "collections": results}))
    return 0


def command() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--collections", default="all", help="all (the default), tune, or names apart by commas")
    parser.add_argument("--queries", type=int, default=500, help="queries of each collection (500)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--leaves", choices=("walk", "any"), default="walk", help="how leaves are drawn")
    parser.add_argument("--no-typo", dest="typo", action="store_false", help="make no typing errors")
    parser.add_argument("--no-noise", dest="noise", action="store_false", help="leave the numbers as they are")
    parser.add_argument("--json", metavar="FILE", help="write every query and every rank there")
    return parser


def queries(name: str, documents: Sequence[Any], arguments: argparse.Namespace) -> list[Query]:
    """Draw the queries: each of another document, as far as there are so many."""
    random = Random(f"{arguments.seed}/{name}")
    numbers = range(len(documents))
    count = arguments.queries
    targets = random.sample(numbers, count) if count <= len(numbers) else random.choices(numbers, k=count)
    draw = walked if arguments.leaves == "walk" else drawn
    asked = []
    for target in targets:
        left = draw(documents[target], LEAVES, random)
        if arguments.typo:
            left = with_typing_error(left, random)
        if arguments.noise:
            left = with_noise(left, random)
        asked.append(Query(target, document_of(left)))
    return asked


def compared(documents: Sequence[Any], asked: Sequence[Query]) -> dict[str, Run]:
    """Ask every engine every query."""
    runs = {}
    for title, engine in json_engines.ENGINES.items():
        with tempfile.TemporaryDirectory() as folder:
            built = engine(lambda: documents, Path(folder))
            built.search(asked[0].document, CUTOFF)
            answers = [answered(built, query, len(documents)) for query in asked]
            del built
        runs[title] = Run(*(list(column) for column in zip(*answers, strict=True)))
    return runs


def answered(engine: Any, query: Query, count: int) -> tuple[float, float, float]:
    """Return expected reciprocal rank, chance to be among the first, and the processor time of the first search."""
    began = time.process_time()
    engine.search(query.document, CUTOFF)
    seconds = time.process_time() - began
    asked = ASKED
    while True:
        ids, scores = engine.search(query.document, asked)
        if len(ids) < asked or asked >= count or not cut_in_ties(scores):
            return *expected(ids, scores, query.target), seconds
        asked *= 4


def against(runs: dict[str, Run], asked: Sequence[Query]) -> dict[str, Comparison]:
    """Compare ours with each opponent."""
    targets = np.array([query.target for query in asked])
    ours = np.array(runs[OURS].reciprocal)
    return {title: compare(ours - np.array(run.reciprocal), targets) for title, run in runs.items() if title != OURS}


def report(name: str, count: int, runs: dict[str, Run], versus: dict[str, Comparison]) -> None:
    for title, run in runs.items():
        head = f"{name + (' *' if name in TUNE else ''):14}{count:10,}" if title == OURS else " " * 24
        mrr, recall, ms = statistics.mean(run.reciprocal), statistics.mean(run.found), statistics.median(run.seconds)
        beside = versus.get(title)
        tested = f"   ours {beside.difference:+.3f}, p = {beside.p:.4f}: {beside.verdict}" if beside else ""
        print(f"{head}  {title:24}{mrr:7.3f}{recall:8.3f}{1e3 * ms:8.3f}{tested}", flush=True)


def summary(results: dict[str, Any]) -> None:
    """Print ours beside the best opponent of each collection."""
    print(f"\n{'':14}{'ours':>8}{'best':>8}  {'opponent':24}{'difference':>11}  {'95 % interval':17}{'p':>7}")
    verdicts = []
    for name, result in results.items():
        mrr = {title: statistics.mean(run["reciprocal"]) for title, run in result["engines"].items()}
        best = max((title for title in mrr if title != OURS), key=mrr.__getitem__)
        beside = Comparison(**result["ours against"][best])
        verdicts.append(beside.verdict)
        print(
            f"{name + (' *' if name in TUNE else ''):14}{mrr[OURS]:8.3f}{mrr[best]:8.3f}  {best:24}"
            f"{beside.difference:+11.3f}  [{beside.low:+.3f}, {beside.high:+.3f}] {beside.p:7.4f}  {beside.verdict}"
        )
    print(f"\n{', '.join(f'{verdict} on {verdicts.count(verdict)}' for verdict in ('above', 'level', 'BELOW'))}")
    print("* parameters may be fitted on this one", flush=True)


if __name__ == "__main__":
    sys.exit(main())
