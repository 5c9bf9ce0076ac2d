"""Recall@10 of ScalarBinarizer beside turbovec and rabitqlib, untrained, on every kind of vectors: one table.

Each opponent sets the bytes, and ours has no more: the greatest multiple of eight up to them. turbovec takes b bits a
component and four bytes; rabitqlib what its file grows by, with one list, whose center is the mean. turbovec is
calibrated with 1024 vectors, as its documentation advises, where that is better. Vectors are at length 1, the truth is
the exact cosine; codes alone are compared, without the vectors.

Run: ``HDC_BENCH_DATA=... python benchmarks/bench_retrieval_scalar.py [kind ...]`` (see ``embedding_distributions``);
needs ``pip install turbovec==1.1.2 rabitqlib==0.7.1``.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rabitqlib
import turbovec
from embedding_distributions import distributions, unit
from retrieval_data import Floats, Ids, K, exact, recall

from hdc.apps.retrieval import ScalarBinarizer

CALIBRATION = 1024
VECTORS, QUERIES = 10_000, 500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", help="kinds of vectors; all of them if left out")
    header = f"{'vectors':16}{'opponent':16}{'bytes':>7}{'recall@10':>11}{'ours, bytes':>13}"
    print(header + f"{'principal':>11}{'random':>9}", flush=True)
    wins = rows = 0
    for given in distributions(parser.parse_args().kinds or None, VECTORS, QUERIES):
        vectors, queries = unit(given.vectors), unit(given.queries)
        truth = exact(queries, vectors)
        for name, size, found in opponents(vectors, queries, truth):
            own = min(int(size) // 8 * 8, -(-(8 * vectors.shape[1] + 32) // 64) * 8)
            principal, random = (ours(rotation, own, vectors, queries, truth) for rotation in ("principal", "random"))
            line = f"{given.name:16}{name:16}{size:7.1f}{found:11.3f}{own:13}{principal:11.3f}{random:9.3f}"
            print(line, flush=True)
            rows, wins = rows + 1, wins + (principal >= found)
    print(f"principal at least as good in {wins} of {rows}")


def ours(rotation: str, size: int, vectors: Floats, queries: Floats, truth: Ids) -> float:
    """Return the recall of our codes of a size."""
    model = ScalarBinarizer(size, rotation).fit(vectors)
    return recall(model.search(queries, model.transform(vectors), K)[1], truth)


def opponents(vectors: Floats, queries: Floats, truth: Ids) -> Iterator[tuple[str, float, float]]:
    """Yield names, bytes a vector and recalls."""
    n, d = vectors.shape
    for bits in (2, 4) if d % 8 == 0 else ():
        found = max(of_turbovec(bits, sample, vectors, queries, truth) for sample in (0, min(n, CALIBRATION)))
        yield f"turbovec {bits}", bits * d / 8 + 4, found
    center, lists = vectors.mean(axis=0, keepdims=True), np.zeros(n, dtype=np.uint32)
    for bits in (1, 2, 4):
        index = rabitqlib.IvfIndex(d, n, 1, bits, "ip")
        index.build(vectors, center, lists)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "index"
            index.save(str(file))
            size = file.stat().st_size / n
        ids = np.asarray(index.search(queries, K, 1, True)[0]).astype(np.int64)
        yield f"rabitqlib {bits}", size, recall(ids, truth)


def of_turbovec(bits: int, sample: int, vectors: Floats, queries: Floats, truth: Ids) -> float:
    """Return turbovec's recall, after calibration with some vectors."""
    index = turbovec.TurboQuantIndex(vectors.shape[1], bits)
    if sample:
        index.calibrate(vectors[np.random.default_rng(0).permutation(len(vectors))[:sample]])
    index.add(vectors)
    return recall(index.search(queries, K)[1].astype(np.int64), truth)


if __name__ == "__main__":
    main()
