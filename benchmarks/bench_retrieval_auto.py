"""``tune`` on several kinds of vectors: what was asked, what was chosen, and what unseen queries get.

For each kind and each wish, an index is chosen and made; the queries of the kind, which nothing saw, are then compared
with exact search. Prints a Markdown table.

Run: ``HDC_BENCH_DATA=... python benchmarks/bench_retrieval_auto.py``
"""

import argparse
import os
import time
from typing import Any

import numpy as np
from embedding_distributions import distributions, unit

from hdc.apps.retrieval import tune

KINDS = "texts", "digits", "patches", "clusters 128", "heavy tails"
WISHES: tuple[dict[str, Any], ...] = (
    {"recall": 0.9},
    {"recall": 0.95},
    {"recall": 0.99},
    {"recall": 0.8, "bytes_per_vector": 64},
)

MEASURED = "bytes", "held-out recall", "recall of new queries", "queries/s", "s"
COLUMNS = "kind", "vectors", "asked", "metric", "chosen", *MEASURED


def recall(found: Any, queries: Any, x: Any, metric: str) -> float:
    """Return the part of the ten nearest that was found; of equal neighbors, any counts."""
    scores = queries @ x.T
    if metric == "l2":
        scores = 2 * scores - (x**2).sum(axis=1)
    elif metric == "cosine":
        scores /= np.maximum(np.linalg.norm(x, axis=1), 1e-30)
    tenth = -np.sort(-scores, axis=1)[:, 9:10]
    got = np.take_along_axis(scores, found, axis=1) >= tenth - 1e-5 * np.abs(tenth)
    return float(got.mean())


def main() -> None:
    """Measure every kind."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--size", type=int, default=20_000, help="vectors of each kind (20000)")
    parser.add_argument("--queries", type=int, default=500, help="of each kind (500)")
    parser.add_argument("--kinds", nargs="+", default=KINDS, metavar="KIND", help="of vectors (all five)")
    arguments = parser.parse_args()
    print(f"numpy {np.__version__}, {os.cpu_count()} cores, up to {arguments.size:,} vectors of each kind\n")
    print(f"| {' | '.join(COLUMNS)} |\n{'|---' * len(COLUMNS)}|")
    for kind in distributions(arguments.kinds, arguments.size, arguments.queries):
        x, queries = kind.vectors, kind.queries
        if kind.name == "texts":
            x, queries = unit(x), unit(queries)
        for wish in WISHES:
            began = time.monotonic()
            found = tune(x, **wish)
            asked = ", ".join(f"{name.split('_')[0]} {value}" for name, value in wish.items())
            begin = f"| {kind.name} | {len(x):,} x {x.shape[1]} | {asked} | {found.wish.metric} |"
            if found.chosen is None:
                best = max(found.trials, key=lambda trial: trial.measured.recall).measured
                print(f"{begin} none: {best.name} finds {best.recall:.3f} | | | | | {time.monotonic() - began:.0f} |")
                continue
            index, measured = found.index()
            got = recall(index.search(queries)[1], queries, x, found.wish.metric)
            print(
                f"{begin} {measured.name} | {measured.bytes_per_vector:g} | {measured.recall:.3f} | {got:.3f} | "
                f"{measured.queries_per_second:,.0f} | {time.monotonic() - began:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
