"""Clean-up by softmax and dense rules, sparse distributed memory, and decoded bundles, each beside its formula.

Run ``python benchmarks/bench_memories.py [-o FILE]``: prints four tables and writes them as JSON. About a minute on two
processors.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import hdc
from hdc import decoding
from hdc.cleanup import softmax_error
from hdc.distributed import activation

Row = list[Any]


def softmax() -> Iterator[Row]:
    """Weight of the wrong items in one step of the softmax: Gaussian items, one item and noise in the query."""
    yield ["d", "N", "noise", "beta", "wrong weight", "formula", "ms per query"]
    for dim, items, noise, beta in ((64, 1000, 0, 8), (64, 1000, 0, 16), (64, 10_000, 0, 16), (64, 10_000, 0, 32)):
        yield softmax_row(dim, items, noise, beta)
    for items, beta in ((1000, 24), (10_000, 24), (10_000, 48)):
        yield softmax_row(256, items, 1, beta)


def softmax_row(dim: int, items: int, noise: int, beta: int, queries: int = 300) -> Row:
    vsa = hdc.create("HRR", dim)
    memory = hdc.ItemMemory(vsa)
    atoms = vsa.random(items + queries, seed=0)
    memory.add(range(items), atoms[:items])
    own = np.arange(queries)
    asked = atoms[:queries] + noise * atoms[items:]
    began = time.perf_counter()
    weights = hdc.Cleanup(memory, beta=beta).weights(asked)
    spent = time.perf_counter() - began
    cosine = 1 / math.sqrt(1 + noise * noise)
    wrong = float(1 - weights[own, own].mean())
    formula = softmax_error(items, dim, beta, cosine)
    return [dim, items, noise, beta, round(wrong, 4), round(formula, 4), round(1e3 * spent / queries, 2)]


def dense() -> Iterator[Row]:
    """Bits wrong after two updates of all 100 bits by a dense associative memory; a tenth were flipped."""
    yield ["rule", "items", "bit error", "formula: without errors up to", "ms per query"]
    dim, queries = 100, 200
    for rule, degree, sizes in (
        ("polynomial", 2, (10, 14)),
        ("polynomial", 3, (300, 600)),
        ("polynomial", 4, (3000, 9000)),
        ("exponential", 2, (20_000,)),
    ):
        double = math.prod(range(2 * degree - 3, 0, -2))
        most = dim ** (degree - 1) / (2 * double * math.log(dim)) if rule == "polynomial" else 2 ** (dim / 2)
        for size in sizes:
            error, spent = np.mean([flipped_bits(dim, size, rule, degree, queries, s) for s in range(3)], axis=0)
            name = f"{rule} {degree}" if rule == "polynomial" else rule
            yield [name, size, round(error, 5), float(f"{most:.4g}"), round(1e3 * spent, 3)]


def flipped_bits(dim: int, size: int, rule: str, degree: int, queries: int, seed: int) -> tuple[float, float]:
    vsa = hdc.create("MAP-B", dim, seed=seed)
    memory = hdc.ItemMemory(vsa, range(size))
    words = memory.vectors[np.arange(queries) % size]
    flips = np.random.default_rng(seed).random((queries, dim)).argsort(axis=1) < dim // 10
    began = time.perf_counter()
    found = hdc.Cleanup(memory, rule, degree=degree).recall(vsa.bind(vsa.kernels.bits.pack(flips), words), steps=2)
    spent = (time.perf_counter() - began) / queries
    wrong = np.bitwise_count(found ^ words).sum() / (queries * dim)
    return float(wrong), spent


def distributed() -> Iterator[Row]:
    """Bits wrong in words read from a sparse distributed memory of 20 000 locations of 256 bits."""
    yield ["words", "flipped address bits", "radius", "shared locations", "bit error", "formula", "us per read"]
    dim, locations = 256, 20_000
    vsa = hdc.create("MAP-B", dim)
    for words, flipped in ((50, 0), (200, 0), (200, 20), (800, 0), (800, 20)):
        memory = hdc.SparseDistributedMemory(vsa, locations, words=words)
        stored = vsa.random(words, seed=1)
        memory.write(stored)
        flips = np.random.default_rng(0).random((words, dim)).argsort(axis=1) < flipped
        asked = vsa.bind(vsa.kernels.bits.pack(flips), stored)
        began = time.perf_counter()
        found = memory.read(asked)
        spent = time.perf_counter() - began
        wrong = np.bitwise_count(found ^ stored).sum() / (words * dim)
        share = activation(dim)[memory.radius]
        near = [vsa.kernels.bits.hamming(x, memory.addresses) <= memory.radius for x in (asked, stored)]
        shared = float((near[0] & near[1]).sum(axis=1).mean())
        mean = locations * share * share
        error = 0.5 * math.erfc(shared / math.sqrt(words * (mean + mean * mean)) / math.sqrt(2))
        errors = [float(f"{value:.2g}") for value in (wrong, error)]
        yield [words, flipped, memory.radius, round(shared, 1), *errors, round(1e6 * spent / words)]


def bundles() -> Iterator[Row]:
    """Share of members found in a bundle of k of N items."""
    yield ["model", "D", "N", "k", "top", "least squares", "pursuit", "ms per bundle (pursuit)"]
    for model, dim, items, sizes in (
        ("MAP-I", 256, 1000, (15, 30, 45, 60)),
        ("HRR", 256, 1000, (30, 60)),
        ("FHRR", 128, 1000, (30, 60)),
        ("MBAT", 256, 1000, (30, 60)),
        ("CountingBloom", 256, 1000, (8, 15)),
        ("MAP-I", 200, 150, (60,)),
    ):
        for size in sizes:
            yield bundle_row(model, dim, items, size)


def bundle_row(model: str, dim: int, items: int, size: int, trials: int = 40) -> Row:
    vsa = hdc.create(model, dim)
    vectors = vsa.random(items, seed=0)
    generator = np.random.default_rng(0)
    right = np.stack([generator.choice(items, size, replace=False) for _ in range(trials)])
    summed = vsa.bundle(vectors[right])
    cells: dict[str, Any] = {}
    for method in decoding.METHODS:
        if method == "least-squares" and items >= vsa.storage:
            cells[method] = None
            continue
        began = time.perf_counter()
        found = decoding.members(vsa, summed, vectors, size, method)[1]
        cells["time"] = round(1e3 * (time.perf_counter() - began) / trials, 2)
        cells[method] = round(float(np.mean([np.isin(*pair).mean() for pair in zip(found, right, strict=True)])), 3)
    return [model, dim, items, size, *(cells[method] for method in decoding.METHODS), cells["time"]]


TABLES: dict[str, Callable[[], Iterator[Row]]] = {
    "softmax": softmax,
    "dense": dense,
    "distributed": distributed,
    "bundles": bundles,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, help="JSON file for the tables")
    output = parser.parse_args().output
    found: dict[str, list[Row]] = {}
    for name, table in TABLES.items():
        print(f"\n{table.__doc__}")
        found[name] = []
        for row in table():
            found[name].append(row)
            print(" | ".join(map(str, row)), flush=True)
    if output:
        output.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
