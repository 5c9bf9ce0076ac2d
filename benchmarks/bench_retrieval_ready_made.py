"""Recall@10 of ready-made binary and int8 embeddings: sentence-transformers' searches beside ours, of the same codes.

``quantize_embeddings`` of sentence-transformers makes the codes, ``ubinary`` and ``int8`` with ranges of a calibration
set; its ``semantic_search_faiss`` and ``semantic_search_usearch``, exact and with rescoring, are the opponents. Both
sides get the same float queries and the same number of candidates per query, ``rescore_multiplier`` times ten: two is
their default, four is what their documentation shows, ten is our default. The truth is the exact cosine of the floats.

Seconds are those of a search of all queries, codes being in place, best of three runs that alternate. Of bits, both
sides must find the same, but for the order of equal distances.

Run: ``HDC_BENCH_DATA=... python benchmarks/bench_retrieval_ready_made.py``; needs sentence-transformers, faiss-cpu and
usearch.
"""

import logging
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
from retrieval_data import Ids, K, data_folder, exact, recall, vectors
from sentence_transformers.quantization import (
    quantize_embeddings,
    semantic_search_faiss,
    semantic_search_usearch,
)

from hdc import words
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex

QUERIES, CALIBRATION, RUNS = 500, 5_000, 3
MULTIPLIERS = (2, 4, 10)

Search = Callable[[], Ids]


def main() -> None:
    folder = data_folder("debian_minilm.npy")
    if folder is None:
        return
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    rows = vectors(folder / "debian_minilm.npy")
    rows = rows[np.random.default_rng(0).permutation(len(rows))]
    queries, base = rows[:QUERIES], rows[QUERIES:]
    truth = exact(queries, base)
    names = ("sentence-transformers", "faiss-cpu", "usearch", "numpy")
    print(
        ", ".join(f"{name} {version(name)}" for name in names), f"; {len(base)} MiniLM vectors, {len(queries)} queries"
    )
    print(f"{'codes':10}{'search':30}{'candidates':>11}{'recall@10':>11}{'seconds':>10}")
    for precision in ("ubinary", "int8"):
        sample = np.random.default_rng(1).choice(len(base), CALIBRATION, replace=False)
        ranges = np.stack([base[sample].min(axis=0), base[sample].max(axis=0)])
        codes = quantize_embeddings(base, precision=precision, ranges=ranges if precision == "int8" else None)
        index = EmbeddingIndex.from_quantized(codes, precision, ranges=ranges if precision == "int8" else None)
        index.search(queries[:1])
        if precision == "ubinary":
            report(precision, K, truth, {"ours, bits alone": of_bits(codes, queries)})
            report(precision, K, truth, {"theirs, rescore=False": theirs(codes, queries, 1, None, rescore=False)})
        for multiplier in MULTIPLIERS:
            opponents = {
                "sentence-transformers": theirs(codes, queries, multiplier, ranges if precision == "int8" else None),
                "EmbeddingIndex": lambda index=index, m=multiplier: index.search(queries, K, candidates=m * K)[1],
            }
            report(precision, multiplier * K, truth, opponents)


def theirs(codes: Any, queries: Any, multiplier: int, ranges: Any, rescore: bool = True) -> Search:
    """Return their search, with the index made."""
    options: dict[str, Any] = {"top_k": K, "rescore": rescore, "rescore_multiplier": multiplier, "ranges": ranges}
    if ranges is None:
        search, options["corpus_precision"] = semantic_search_faiss, "ubinary"
    else:
        search, options["corpus_precision"] = semantic_search_usearch, "int8"
    made = search(queries[:1], corpus_embeddings=codes, output_index=True, **options)[-1]

    def found() -> Ids:
        hits = search(queries, corpus_index=made, **options)[0]
        return np.array([[hit["corpus_id"] for hit in row] for row in hits])

    return found


def of_bits(codes: Any, queries: Any) -> Search:
    """Return a search by differing bits."""
    index = BinaryIndex.from_packed(codes, bitorder="big")
    asked = words.from_bytes(np.packbits(queries > 0, axis=1), bitorder="big")
    return lambda: index.search(asked, K)[1]


def report(codes: str, candidates: int, truth: Ids, searches: dict[str, Search]) -> None:
    """Run searches one after another, some times, and print a line for each."""
    seconds = dict.fromkeys(searches, np.inf)
    found: dict[str, Ids] = {}
    for _ in range(RUNS):
        for name, search in searches.items():
            start = time.perf_counter()
            found[name] = search()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
    if codes == "ubinary" and len(found) > 1:
        first, second = found.values()
        assert recall(first, second) > 0.98, "the same bits are to find the same"
    for name in searches:
        print(f"{codes:10}{name:30}{candidates:11}{recall(found[name], truth):11.3f}{seconds[name]:10.3f}", flush=True)


if __name__ == "__main__":
    main()
