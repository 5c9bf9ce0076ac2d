"""Recall@10 of every binarizer beside FAISS at equal bytes, before and after re-ranking: one table.

Data: 39 000 MiniLM vectors to search, 1 000 more as queries (see ``retrieval_data``); truth is the exact cosine
top-10; everything is trained on the 39 000 only. Bytes are all that is stored for a vector, norms included; the
FAISS figures are its own ``sa_code_size``. Re-ranked: the first 100 ordered again by int8 originals, 388 bytes more.
Queries are answered in one batch on one thread.

Run: ``HDC_BENCH_DATA=... python benchmarks/bench_retrieval_recall.py [32] [64] [128]``; all three take about an hour
on two cores, most of it FAISS's PQ and OPQ.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # else idle threads of one library spin in the turn of the next

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
from retrieval_data import CANDIDATES, QUERIES, Floats, Ids, K, data_folder, exact, recall, rerank, to_int8, vectors

import hdc
from hdc.apps.retrieval.binarizers import Binarizer, RaBitQBinarizer, RecurrentBinarizer, SignBinarizer

FAISS = {
    32: ["LSH256r", "ITQ256,LSH", "PCA64,SQ4", "PCA192,RaBitQ", "PQ32x8", "OPQ32,PQ32x8"],
    64: ["LSH512r", "ITQ384,LSH", "PCA128,SQ4", "RaBitQ", "PCA176,RaBitQ2", "PQ64x8", "OPQ64,PQ64x8"],
    128: ["LSH1024r", "PCA256,SQ4", "RaBitQ2", "PCA288,RaBitQ3", "PQ128x8", "OPQ128,PQ128x8"],
}
"""Index descriptions by bytes; ITQ makes at most d bits, and RaBitQ of more than one bit adds 20 bytes to them."""

Search = Callable[[Floats, int], Ids]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=list(FAISS), help="bytes a vector")
    sizes = parser.parse_args().sizes
    folder = data_folder("debian_minilm.npy")
    if folder is None:
        return 0
    x = vectors(folder / "debian_minilm.npy")
    base, queries = x[:-QUERIES].copy(), x[-QUERIES:].copy()
    data = base, queries, exact(queries, base)
    print(f"{len(base)} vectors of {base.shape[1]} components, {len(queries)} queries\n")
    print(f"{'method':44}{'bytes':>6}{'recall@10':>11}{'re-ranked':>11}{'queries/s':>11}{'fit s':>8}{'encode s':>10}")
    for size in sizes:
        for description in FAISS[size]:
            faiss_row(description, *data)
        for name, binarizer in binarizers(size):
            our_rows(name, binarizer, *data)
        print()
    return 0


def binarizers(size: int) -> list[tuple[str, Binarizer]]:
    """Return our binarizers of so many bytes; RaBitQ has one size, 56 bytes for these vectors, 64 with lists."""
    ours: list[tuple[str, Binarizer]] = [("SignBinarizer", SignBinarizer(dim=8 * size))]
    if size == 64:
        ours.append(("RaBitQBinarizer", RaBitQBinarizer()))
        ours.append(("RaBitQBinarizer, 1024 lists", RaBitQBinarizer(lists=1024)))
    ours.append(("RecurrentBinarizer, plain", RecurrentBinarizer(dim=8 * size, rounds=0)))
    ours.append(("RecurrentBinarizer, u=1, plain", RecurrentBinarizer(dim=4 * size, loops=1, rounds=0)))
    ours.append(("RecurrentBinarizer", RecurrentBinarizer(dim=8 * size)))
    ours.append(("RecurrentBinarizer, u=1", RecurrentBinarizer(dim=4 * size, loops=1)))
    return ours


def our_rows(name: str, binarizer: Any, base: Floats, queries: Floats, truth: Ids) -> None:
    began = time.perf_counter()
    binarizer.fit(base)
    fitted = time.perf_counter()
    codes = binarizer.transform(base)
    seconds = fitted - began, time.perf_counter() - fitted
    for asymmetric in (False, True) if binarizer.symmetric else (True,):

        def search(q: Floats, k: int, asymmetric: bool = asymmetric) -> Ids:
            return np.asarray(binarizer.search(q, codes, k, asymmetric=asymmetric)[1])

        way = "float queries" if asymmetric else "codes as queries"
        report(f"{name}, {way}", binarizer.bytes_per_vector, search, base, queries, truth, seconds)


def faiss_row(description: str, base: Floats, queries: Floats, truth: Ids) -> None:
    index = faiss.index_factory(base.shape[1], description)
    began = time.perf_counter()
    index.train(base)
    trained = time.perf_counter()
    index.add(base)
    seconds = trained - began, time.perf_counter() - trained
    size = index.sa_code_size()
    report(f"FAISS {description}", size, lambda q, k: index.search(q, k)[1], base, queries, truth, seconds)


def report(
    name: str, size: int, search: Search, base: Floats, queries: Floats, truth: Ids, seconds: tuple[float, float]
) -> None:
    threads = hdc.threads()
    hdc.threads(1)
    faiss.omp_set_num_threads(1)
    search(queries[:10], K)
    began = time.perf_counter()
    found = search(queries, K)
    rate = len(queries) / (time.perf_counter() - began)
    candidates = search(queries, CANDIDATES)
    hdc.threads(threads)
    faiss.omp_set_num_threads(threads)
    again = recall(rerank(queries, candidates, to_int8(base)), truth)
    figures = f"{size:6}{recall(found, truth):11.4f}{again:11.4f}{rate:11,.0f}{seconds[0]:8.0f}{seconds[1]:10.1f}"
    print(f"{name:44}{figures}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
