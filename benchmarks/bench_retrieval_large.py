"""An index larger than what is comfortable in memory: made, opened and searched, with time and memory of each step.

Data: ``--rows`` generated unit vectors of ``--dim`` components around as many centers as lists (centers normal, with
components whose spread falls as ``(1 + j / 16) ** -.5``, noise ``--noise`` times as long as a center), written block by
block as ``.npy``, and ``--queries`` more of the same distribution. Truth is the exact cosine top-10 of all rows.

Every step is a process of its own, so that its greatest memory is its own: ``peak`` is the resident set (``VmHWM``),
which counts pages of mapped files that the system could drop, and ``own`` the anonymous memory (``RssAnon``) when the
step ends. The steps: write the vectors; train RaBitQ with ``--lists`` lists on a sample, as ``hdc embed train`` does;
build the index with 8-bit originals, as ``hdc embed index`` does, with ``--workers``; open it and answer one query,
with lists put in memory (the file of lists taken away) and with lists mapped; search at several numbers of probes and
candidates, all queries in a batch and one by one; cut the index into ``--shards`` and compare what they find.

Run ``python benchmarks/bench_retrieval_large.py``: a quarter of an hour for 10^7 rows on two cores, and 10 GB of disk
in ``--folder``, which is removed at the end. ``--rows 100000 --lists 256`` takes a minute.
"""

import argparse
import importlib.metadata
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import hdc
from hdc.apps.retrieval import EmbeddingIndex, RaBitQBinarizer, ShardedIndex, split
from hdc.apps.retrieval.files.vectors import open_vectors
from hdc.apps.retrieval.index.building import build
from hdc.apps.retrieval.vectors.rows import unit

Floats = npt.NDArray[np.float32]

BLOCK = 1 << 17
TRUTH_BLOCK = 1 << 14
"""Vectors that all queries are compared with at a time."""

K = 10
PER_LIST = 64
"""Vectors for each list that are trained on."""

PROBES, CANDIDATES = (8, 16, 32, 64, 128, 256), (200, 1000)
SINGLE = 200
"""Queries that are asked one by one."""

Found = dict[str, Any]


def blocks(options: argparse.Namespace, rows: int, seed: int) -> Iterator[Floats]:
    """Yield unit vectors, the same for the same seed."""
    spread = (1 + np.arange(options.dim) / 16) ** -0.5
    centers = (np.random.default_rng(1).standard_normal((options.lists, options.dim)) * spread).astype(np.float32)
    for start in range(0, rows, BLOCK):
        rng = np.random.default_rng([seed, start])
        count = min(BLOCK, rows - start)
        noise = rng.standard_normal((count, options.dim), dtype=np.float32) * spread.astype(np.float32)
        x = centers[rng.integers(0, options.lists, count)] + np.float32(options.noise) * noise
        yield x / np.linalg.norm(x, axis=1, keepdims=True)


def generate(folder: Path, options: argparse.Namespace) -> Found:
    """Write vectors and queries."""
    shape = options.rows, options.dim
    out = np.lib.format.open_memmap(folder / "vectors.npy", mode="w+", dtype=np.float32, shape=shape)
    at = 0
    for block in blocks(options, options.rows, 2):
        out[at : at + len(block)] = block
        at += len(block)
    out.flush()
    np.save(folder / "queries.npy", np.concatenate(list(blocks(options, options.queries, 3))))
    return {"bytes": 4 * options.rows * options.dim}


def truth(folder: Path, options: argparse.Namespace) -> Found:
    """Find the exact neighbors of the queries."""
    queries = np.load(folder / "queries.npy")
    best = np.full((len(queries), K), -np.inf, dtype=np.float32), np.full((len(queries), K), -1)
    for block in open_vectors(folder / "vectors.npy").blocks(0, TRUTH_BLOCK):
        scores = queries @ block.vectors.T
        better = np.flatnonzero(scores.max(axis=1) > best[0][:, -1])  # fewer and fewer
        near = np.argpartition(-scores[better], min(K, scores.shape[1]) - 1, axis=1)[:, :K]
        found = np.take_along_axis(scores[better], near, axis=1), near + block.start
        both = [np.concatenate([old[better], new], axis=1) for old, new in zip(best, found, strict=True)]
        order = np.argsort(-both[0], axis=1, kind="stable")[:, :K]
        for old, new in zip(best, both, strict=True):
            old[better] = np.take_along_axis(new, order, axis=1)
    np.save(folder / "truth.npy", best[1])
    return {}


def train(folder: Path, options: argparse.Namespace) -> Found:
    """Fit the model to a sample."""
    sample = unit(open_vectors(folder / "vectors.npy").sample(PER_LIST * options.lists, 0))
    read = time.perf_counter()
    RaBitQBinarizer(options.lists).fit(sample).save(folder / "model")
    return {"vectors": len(sample), "fit": time.perf_counter() - read}


def index(folder: Path, options: argparse.Namespace) -> Found:
    """Build the index."""
    vectors = open_vectors(folder / "vectors.npy")
    build(vectors, folder / "model", folder / "index", keep="int8", workers=options.workers, block=options.block)
    return {"bytes": size(folder / "index"), "lists": sum(size(path) for path in lists_of(folder))}


def size(path: Path) -> int:
    """Return the bytes of a file, or of all files of a folder."""
    return sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())


def lists_of(folder: Path) -> list[Path]:
    return list((folder / "index" / "codes").glob("lists.*"))


def first_query(folder: Path, options: argparse.Namespace) -> Found:
    """Open the index, and answer one query."""
    query = np.load(folder / "queries.npy")[:1]
    RaBitQBinarizer(2).fit(np.eye(4, dtype=np.float32)).transform(np.eye(4, dtype=np.float32))  # loads the kernels
    began = time.perf_counter()
    with EmbeddingIndex.open(folder / "index") as opened:
        opened.search(query, K)
        return {"seconds": time.perf_counter() - began}


def opened_in_memory(folder: Path, options: argparse.Namespace) -> Found:
    """Open the index as if no lists had been kept."""
    kept = lists_of(folder)
    for path in kept:
        path.rename(folder / path.name)
    try:
        return first_query(folder, options)
    finally:
        for path in kept:
            (folder / path.name).rename(path)


def search(folder: Path, options: argparse.Namespace) -> Found:
    """Search at several numbers of probes."""
    queries, exact = np.load(folder / "queries.npy"), np.load(folder / "truth.npy")
    rows = []
    with EmbeddingIndex.open(folder / "index") as opened:
        for probes, candidates in product((p for p in PROBES if p <= options.lists), CANDIDATES):
            asked = {"probes": probes, "candidates": candidates}
            opened.search(queries, K, **asked)  # touches the pages
            began = time.perf_counter()
            _, ids = opened.search(queries, K, **asked)
            batch, single = time.perf_counter() - began, []
            for query in queries[:SINGLE]:
                began = time.perf_counter()
                opened.search(query[None], K, **asked)
                single.append(time.perf_counter() - began)
            recall = np.mean([len(set(a) & set(b)) / K for a, b in zip(ids.tolist(), exact.tolist(), strict=True)])
            rows.append(
                {
                    **asked,
                    "recall": float(recall),
                    "per_second": len(queries) / batch,
                    "ms": 1000 * statistics.median(single),
                }
            )
    return {"searches": rows}


def shards(folder: Path, options: argparse.Namespace) -> Found:
    """Cut the index into shards, and search both."""
    queries = np.load(folder / "queries.npy")
    split(folder / "index", options.shards, folder / "shards")
    with EmbeddingIndex.open(folder / "index") as one, ShardedIndex.open(folder / "shards") as many:
        expected = one.search(queries, K, candidates=CANDIDATES[0])
        many.search(queries, K, candidates=CANDIDATES[0])
        began = time.perf_counter()
        found = many.search(queries, K, candidates=CANDIDATES[0])
        seconds = time.perf_counter() - began
    same = all(np.array_equal(mine, theirs) for mine, theirs in zip(found, expected, strict=True))
    return {"same": same, "per_second": len(queries) / seconds}


STEPS: dict[str, Callable[[Path, argparse.Namespace], Found]] = {
    "write the vectors": generate,
    "exact neighbors": truth,
    "train": train,
    "build": index,
    "open, lists made in memory": opened_in_memory,
    "open, lists mapped": first_query,
    "search": search,
    "shards": shards,
}


def memory() -> dict[str, float]:
    """Return the greatest resident set and the anonymous memory now, in gigabytes."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {"peak": int(lines["VmHWM"].split()[0]) / 1e6, "own": int(lines["RssAnon"].split()[0]) / 1e6}


def step(name: str, folder: Path, options: argparse.Namespace) -> Found:
    """Run a step in a process of its own."""
    words = [sys.executable, __file__, "--step", name, "--folder", str(folder)]
    for option in ("rows", "dim", "lists", "queries", "noise", "workers", "block", "shards"):
        words += [f"--{option}", str(getattr(options, option))]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True)
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


def run_step(options: argparse.Namespace) -> None:
    """Run a step here, and print what it took."""
    began = time.perf_counter()
    found = STEPS[options.step](Path(options.folder), options)
    print(json.dumps({"seconds": time.perf_counter() - began, **found, **memory()}))


def show(name: str, found: Found) -> None:
    extra = {k: v for k, v in found.items() if k not in ("seconds", "peak", "own", "searches")}
    told = ", ".join(f"{k} {v:,.1f}" if isinstance(v, float) else f"{k} {v:,}" for k, v in extra.items())
    print(f"| {name} | {found['seconds']:,.2f} | {found['peak']:.2f} | {found['own']:.2f} | {told} |", flush=True)


def main() -> None:
    """Run all steps and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--dim", type=int, default=96)
    parser.add_argument("--lists", type=int, default=4096)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--noise", type=float, default=1.3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--block", type=int, default=1 << 17)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--folder", default=tempfile.gettempdir(), help="where the data is put, and removed again")
    parser.add_argument("--step", choices=list(STEPS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        run_step(options)
        return
    folder = Path(tempfile.mkdtemp(dir=options.folder, prefix="hdc-large-"))
    packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "numba"))
    print(f"{packages}, {hdc.threads()} threads; {options.rows:,} x {options.dim}, {options.lists:,} lists")
    print("\n| step | seconds | peak GB | own GB | |\n|---|---|---|---|---|")
    try:
        found = {}
        for name in STEPS:
            found = {**found, name: step(name, folder, options)}
            show(name, found[name])
        print("\n| probes | candidates | recall@10 | queries a second, in a batch | ms, one by one |")
        print("|---|---|---|---|---|")
        for row in found["search"]["searches"]:
            told = f"{row['recall']:.4f} | {row['per_second']:,.0f} | {row['ms']:.2f}"
            print(f"| {row['probes']} | {row['candidates']} | {told} |")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
