"""nDCG@10 on Cranfield (225 queries with human judgments): float vectors and binarizers at 1/16 of their size.

Data: see ``retrieval_data``. A judged document of grade 1 (best) to 4 gains 4 to 1; other documents gain nothing.
Models are fitted to the 1 400 documents that are indexed, to those and 8 000 other vectors of the same language model
(``debian_minilm.npy``), or to the others alone; never to queries or judgments. Re-ranked: the first 100 ordered
again by int8 originals.

Run: ``HDC_BENCH_DATA=... python benchmarks/bench_retrieval_cranfield.py``.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from retrieval_data import CANDIDATES, Floats, Ids, K, data_folder, exact, rerank, to_int8, vectors

from hdc.apps.retrieval.binarizers import RaBitQBinarizer, RecurrentBinarizer, SignBinarizer

BYTES = 96
OTHERS = 8000


def main() -> int:
    names = "cranfield_docs_minilm.npy", "cranfield_queries_minilm.npy", "cranfield_qrels.txt", "debian_minilm.npy"
    folder = data_folder(*names)
    if folder is None:
        return 0
    documents, queries, others = (vectors(folder / names[i]) for i in (0, 1, 3))
    gains = judgments(folder / names[2], len(queries), len(documents))
    best = ndcg(exact(queries, documents, K), gains)
    print(f"{'method':52}{'bytes':>6}{'nDCG@10':>9}{'loss':>8}{'re-ranked':>11}{'loss':>8}")
    print(f"{'float32, exact':52}{4 * documents.shape[1]:6}{best:9.4f}", flush=True)
    others = others[:OTHERS]
    trainings = {"documents": documents, "both": np.concatenate([documents, others]), "others": others}
    for training, x in trainings.items():
        for binarizer in binarizers():
            codes = binarizer.fit(x).transform(documents)
            candidates = binarizer.search(queries, codes, CANDIDATES)[1]
            again = rerank(queries, candidates, to_int8(documents))
            scores = [ndcg(found[:, :K], gains) for found in (candidates, again)]
            figures = f"{scores[0]:9.4f}{1 - scores[0] / best:8.2%}{scores[1]:11.4f}{1 - scores[1] / best:8.2%}"
            name = f"{type(binarizer).__name__}, fitted to {training}"
            print(f"{name:52}{binarizer.bytes_per_vector:6}{figures}", flush=True)
    return 0


def binarizers() -> list[Any]:
    return [SignBinarizer(dim=8 * BYTES), RaBitQBinarizer(), RecurrentBinarizer(dim=8 * BYTES)]


def judgments(path: Path, queries: int, documents: int) -> Floats:
    """Return the ``(queries, documents)`` gains of lines ``query document grade``, both counted from one."""
    gains = np.zeros((queries, documents), dtype=np.float32)
    for line in path.read_text().splitlines():
        query, document, grade = (int(part) for part in line.split())
        gains[query - 1, document - 1] = 5 - grade if 1 <= grade <= 4 else 0
    return gains


def ndcg(found: Ids, gains: Floats) -> float:
    """Return the mean over the queries of the discounted gain of ten results over the best that there is."""
    discounts = 1 / np.log2(np.arange(2, K + 2))
    gained = (np.take_along_axis(gains, found, axis=1) * discounts).sum(axis=1)
    possible = (-np.sort(-gains, axis=1)[:, :K] * discounts).sum(axis=1)
    return float((gained[possible > 0] / possible[possible > 0]).mean())


if __name__ == "__main__":
    sys.exit(main())
