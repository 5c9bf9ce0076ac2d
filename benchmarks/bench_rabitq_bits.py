"""Recall@10 of RaBitQ codes by their bits a component, beside rabitqlib and FAISS, in one list and in several.

Vectors of several kinds, at unit length; truth is the exact cosine top-10. Of ``lists`` lists, all three look into as
many: rabitqlib is given our lists, FAISS finds its own. A search of ours ends with ``candidates`` of what the signs
find; the other two compare all planes of all rows that their bounds do not exclude. Bytes are a code's, without the
number of its list and its id, which all three keep somewhere. Times are of one batch on one thread, and rough.

MiniLM vectors are ``debian_minilm.npy`` in the folder ``HDC_BENCH_DATA``; without it that part is left out. Run
``HDC_BENCH_DATA=... python benchmarks/bench_rabitq_bits.py [minilm] [digits] [clustered] [offset] [--bits 2,4]``.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # else idle threads of one library spin in the turn of the next

import argparse
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from retrieval_data import Floats, Ids, K, data_folder, exact, recall, vectors

import hdc
from hdc.apps.retrieval import EmbeddingIndex, RaBitQBinarizer

BITS = (1, 2, 3, 4, 5, 7, 8)
CANDIDATES = (100, 400, 1600)
PROBES = (4, 16)

Find = Callable[[Floats], Any]


def minilm() -> tuple[Floats, Floats]:
    folder = data_folder("debian_minilm.npy")
    if folder is None:
        return np.empty((0, 384), np.float32), np.empty((0, 384), np.float32)
    x = vectors(folder / "debian_minilm.npy")
    return x[:-1000], x[-1000:]


def digits() -> tuple[Floats, Floats]:
    from sklearn.datasets import load_digits

    x = load_digits().data.astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    x = x[np.random.default_rng(0).permutation(len(x))]
    return x[:-300], x[-300:]


def drawn(n: int, dim: int, clusters: int, mean: float) -> tuple[Floats, Floats]:
    """Draw vectors around centers, all of them around a mean."""
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((clusters, dim))
    x = (mean + centers[rng.integers(0, clusters, n)] + rng.standard_normal((n, dim))).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x[:-500], x[-500:]


DATA: dict[str, Callable[[], tuple[Floats, Floats]]] = {
    "minilm": minilm,
    "digits": digits,
    "clustered": lambda: drawn(20_500, 128, 50, 0.0),
    "offset": lambda: drawn(20_500, 96, 50, 3.0),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(DATA), choices=list(DATA))
    parser.add_argument("--bits", type=lambda text: [int(part) for part in text.split(",")], default=BITS)
    arguments = parser.parse_args()
    hdc.threads(1)
    for name in arguments.names:
        base, queries = DATA[name]()
        if len(base):
            of_vectors(name, np.ascontiguousarray(base), np.ascontiguousarray(queries), arguments.bits)
    return 0


def of_vectors(name: str, base: Floats, queries: Floats, every: Any) -> None:
    truth = exact(queries, base)
    lists = round(2 * len(base) ** 0.5)
    print(f"\n{name}: {len(base)} vectors of {base.shape[1]} components, {len(queries)} queries, {lists} lists")
    for bits in every:
        for count in (1, lists):
            print(f"  {bits} bits, {count} lists", flush=True)
            ours(base, queries, truth, bits, count)
            theirs(base, queries, truth, bits, count)
            faiss_row(base, queries, truth, bits, count)


def ours(base: Floats, queries: Floats, truth: Ids, bits: int, lists: int) -> None:
    model = RaBitQBinarizer(lists, component_bits=bits).fit(base)
    began = time.perf_counter()
    index = EmbeddingIndex.create(None, model)
    index.add(base)
    index.search(queries[:1])
    built = time.perf_counter() - began
    size = model.bytes_per_vector - 8 * (lists > 1)
    for probes in PROBES if lists > 1 else (None,):
        for candidates in CANDIDATES if bits > 1 else (None,):
            options = {"probes": probes, "candidates": candidates}
            name = "ours" if candidates is None else f"ours, {candidates} candidates"
            report(name, size, probes, built, partial(our_ids, index, options), queries, truth)


def our_ids(index: EmbeddingIndex, options: dict[str, int | None], queries: Floats) -> Ids:
    return index.search(queries, K, **options)[1]


def theirs(base: Floats, queries: Floats, truth: Ids, bits: int, lists: int) -> None:
    import rabitqlib

    model = RaBitQBinarizer(lists).fit(base)
    centers = model.mean_[None] if lists == 1 else (model.directions_ * model.lengths_[:, None]).astype(np.float32)
    cells = model.cells(model.transform(base)).astype(np.uint32)
    began = time.perf_counter()
    index = rabitqlib.IvfIndex(base.shape[1], len(base), lists, bits, metric="ip", initializer="flat")
    index.build(base, centers, cells, 1, False)
    built = time.perf_counter() - began
    size = -(-base.shape[1] // 64) * 8 * bits + (12 if bits == 1 else 20)
    for probes in PROBES if lists > 1 else (None,):
        report("rabitqlib", size, probes, built, partial(their_ids, index, probes or 1), queries, truth)


def their_ids(index: Any, probes: int, queries: Floats) -> Any:
    return index.search(queries, K, probes, True)[0]


def faiss_row(base: Floats, queries: Floats, truth: Ids, bits: int, lists: int) -> None:
    import faiss

    faiss.omp_set_num_threads(1)
    kind = f"RaBitQ{bits}" if bits > 1 else "RaBitQ"
    index = faiss.index_factory(base.shape[1], kind if lists == 1 else f"IVF{lists},{kind}", faiss.METRIC_INNER_PRODUCT)
    index.train(base)
    began = time.perf_counter()
    index.add(base)
    built = time.perf_counter() - began
    size = faiss.downcast_index(index).sa_code_size() if lists == 1 else index.code_size
    for probes in PROBES if lists > 1 else (None,):
        if probes:
            index.nprobe = probes
        report("FAISS", size, probes, built, lambda q: index.search(q, K)[1], queries, truth)


def report(name: str, size: int, probes: int | None, built: float, find: Find, queries: Floats, truth: Ids) -> None:
    find(queries[:100])
    began = time.perf_counter()
    found = np.asarray(find(queries), dtype=np.int64)
    rate = len(queries) / (time.perf_counter() - began)
    looked = "" if probes is None else f"{probes} probes"
    print(
        f"    {name:24}{size:5} bytes {looked:10}{recall(found, truth):8.4f}{rate:10,.0f}/s  {built:7.2f} s", flush=True
    )


if __name__ == "__main__":
    sys.exit(main())
