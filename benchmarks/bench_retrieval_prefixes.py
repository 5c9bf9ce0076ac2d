"""Codes whose prefixes are codes: recall@10 of cut codes beside models trained for each size, and two-stage search.

Data: MiniLM vectors (see ``retrieval_data``) and generated ones around centers; truth is the exact cosine top-10. All
models are trained on the vectors that are searched (of two-stage search, on the first 4,000); the queries are others.
``trained`` is a model of that size alone, ``prefix`` the first bits of one model with all prefixes, ``cut`` the first
bits of a model of the greatest size that was trained without prefixes, read through its own tables and ``refitted``
through tables that are fitted to the cut codes. With ``--codes``, codes are the queries, of models trained by
gradients (needs torch).

Run: ``HDC_BENCH_DATA=... python benchmarks/bench_retrieval_prefixes.py [--vectors 10000] [--codes] [--search]``
"""

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from retrieval_data import QUERIES, Floats, Ids, K, data_folder, exact, recall, vectors

import hdc
from hdc.apps.retrieval import EmbeddingIndex
from hdc.apps.retrieval.binarizers import RecurrentBinarizer
from hdc.apps.retrieval.binarizers.bebr.decoder import TableDecoder, fit_tables
from hdc.apps.retrieval.binarizers.bebr.recurrence import unit
from hdc.apps.retrieval.binarizers.bebr.signs import groups_of

SIZES = (64, 128, 256, 512)

CENTERS, WIDTH = 300, 128
"""Of the generated vectors."""

LEARNED = 4000
"""Vectors that the model of two-stage search learns from."""

EPOCHS = 4
"""Of gradient training."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=10_000, help="size of the index")
    parser.add_argument("--codes", action="store_true", help="codes as queries, trained by gradients")
    parser.add_argument("--search", action="store_true", help="two-stage search only")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    folder = data_folder("debian_minilm.npy")
    if folder is None:
        return 0
    sets = {
        "packages": vectors(folder / "debian_minilm.npy"),
        "generated": generated(arguments.vectors + QUERIES),
    }
    for name, x in sets.items():
        base, queries = x[:-QUERIES][: arguments.vectors].copy(), x[-QUERIES:].copy()
        print(f"\n{name}: {len(base)} vectors of {base.shape[1]} components, {len(queries)} queries", flush=True)
        if arguments.search:
            searches(base, queries, arguments.seed)
        elif arguments.codes:
            codes_as_queries(base, queries, arguments.seed)
        else:
            floats_as_queries(base, queries, arguments.seed)
    return 0


def generated(n: int) -> Floats:
    """Return unit vectors around centers, on axes of falling variance."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((CENTERS, WIDTH))[rng.integers(0, CENTERS, n)] + rng.standard_normal((n, WIDTH))
    x *= 0.98 ** np.arange(WIDTH)
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True), dtype=np.float32)


def floats_as_queries(base: Floats, queries: Floats, seed: int) -> None:
    """Print what float queries find by tables."""
    truth = exact(queries, base)
    nested, seconds = timed(lambda: RecurrentBinarizer(dim=SIZES[-1], prefixes=SIZES[:-1], seed=seed).fit(base))
    codes, encoding = timed(lambda: nested.transform(base))
    print(f"trained with prefixes in {seconds:.0f} s, encoded in {encoding:.1f} s")
    whole, seconds = timed(lambda: RecurrentBinarizer(dim=SIZES[-1], seed=seed).fit(base))
    whole_codes, encoding = timed(lambda: whole.transform(base))
    print(f"trained without in {seconds:.0f} s, encoded in {encoding:.1f} s")
    print(f"{'bits':>5}{'trained':>9}{'prefix':>9}{'cut':>9}{'refitted':>10}")
    for bits in SIZES:
        alone = whole if bits == SIZES[-1] else RecurrentBinarizer(dim=bits, seed=seed).fit(base)
        own = whole_codes if bits == SIZES[-1] else alone.transform(base)
        figures = [
            recall(alone.search(queries, own, K)[1], truth),
            recall(nested.prefix(bits).search(queries, nested.cut(codes, bits), K)[1], truth),
            *(recall(found, truth) for found in truncated(whole, whole_codes, bits, base, queries)),
        ]
        print(f"{bits:5}{figures[0]:9.4f}{figures[1]:9.4f}{figures[2]:9.4f}{figures[3]:10.4f}", flush=True)


def truncated(whole: RecurrentBinarizer, codes: Any, bits: int, base: Floats, queries: Floats) -> list[Ids]:
    """Return what the first bits of a model without prefixes find, by its tables and by tables fitted to them."""
    decoder = whole.decoder_
    tables = decoder.tables.reshape(16, decoder.groups, -1)[:, : bits // 4].reshape(-1, base.shape[1])
    cut = TableDecoder(decoder.mean, decoder.metric, decoder.parallel, np.ascontiguousarray(tables), decoder.backend)
    groups = groups_of(whole._as_signs(codes)[..., :bits])
    decoded = [cut.decode(groups), fit_tables(base, groups, cut).decode(groups)]
    return [np.argsort(-(queries @ unit(v).T), axis=1)[:, :K] for v in decoded]


def codes_as_queries(base: Floats, queries: Floats, seed: int) -> None:
    """Print what codes find by differing bits."""
    truth = exact(queries, base)

    def found(model: RecurrentBinarizer, bits: int) -> float:
        asked, codes = (np.ascontiguousarray(model.transform(x)[:, : bits // 64]) for x in (queries, base))
        return recall(reader(bits).search(asked, codes, K)[1], truth)

    def trained(prefixes: tuple[int, ...], bits: int) -> RecurrentBinarizer:
        return RecurrentBinarizer(dim=bits, prefixes=prefixes, rounds=0, epochs=EPOCHS, seed=seed).fit(base)

    readers: dict[int, RecurrentBinarizer] = {}

    def reader(bits: int) -> RecurrentBinarizer:
        if bits not in readers:
            readers[bits] = RecurrentBinarizer(dim=bits, rounds=0).fit(base[:1000])
        return readers[bits]

    nested, whole = trained(SIZES[:-1], SIZES[-1]), trained((), SIZES[-1])
    print(f"{'bits':>5}{'trained':>9}{'prefix':>9}{'cut':>9}")
    for bits in SIZES:
        alone = whole if bits == SIZES[-1] else trained((), bits)
        print(f"{bits:5}{found(alone, bits):9.4f}{found(nested, bits):9.4f}{found(whole, bits):9.4f}", flush=True)


def searches(base: Floats, queries: Floats, seed: int) -> None:
    """Print recall and speed of a scan of whole codes, and of prefixes first; interleaved, on one thread."""
    truth = exact(queries, base)
    model = RecurrentBinarizer(dim=SIZES[-1], prefixes=SIZES[:-1], seed=seed).fit(base[:LEARNED])
    index = EmbeddingIndex.create(None, model)
    index.add(base)
    ways: dict[str, dict[str, int]] = {"whole code": {}}
    for bits in SIZES[:-1]:
        for candidates in (50, 100, 200, 500):
            ways[f"{bits} bits, {candidates} candidates"] = {"prefix": bits, "candidates": candidates}
    threads = hdc.threads()
    hdc.threads(1)
    best = dict.fromkeys(ways, float("inf"))
    for _ in range(5):
        for name, options in ways.items():
            (_, ids), seconds = timed(lambda options=options: index.search(queries, K, **options))
            best[name] = min(best[name], seconds)
    for name, options in ways.items():
        ids = index.search(queries, K, **options)[1]
        print(f"{name:28}{recall(ids, truth):8.4f}{len(queries) / best[name]:10,.0f} queries/s", flush=True)
    hdc.threads(threads)


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    return work(), time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
