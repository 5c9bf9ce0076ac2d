"""MaxSim over packed codes beside float MaxSim, one mean vector per document, and BM25: quality, time and bytes.

The data folder has no vectors of tokens by a trained late-interaction model, so they are made of its texts: an LSA (SVD
of TF-IDF, ``--dim`` components) gives each word, or each finding, a vector, whatever its context. Three collections:

* *utterances*: the 15,000 training utterances of CLINC150, a vector per word; queries: 400 test utterances; relevant
  is what has the same intent.
* *findings*: 1,531 phenopackets, a vector per finding (its label); five folds by paper; relevant is the same disease.
* *passages*: 1,500 documents of ten random utterances, a vector per utterance (the mean of its words by IDF); queries
  as in *utterances*, one vector each; relevant is a document with an utterance of the same intent.

Quality is the precision of the first hit and of the first ten. *Kept* is the share of float MaxSim's first ten that is
found. Words of a query count by their IDF where a row says so. BM25 is bm25s on the same words, findings, or words of
ten utterances. Bytes are those of all vectors that a search reads. Then times per query, one thread, of generated
tokens.

Run: ``HDC_BENCH_DATA=... OMP_NUM_THREADS=1 python benchmarks/bench_retrieval_maxsim.py``; needs scikit-learn and bm25s.
"""

import argparse
import gzip
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import bm25s
import numpy as np
from retrieval_data import Floats, Ids, data_folder
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import StratifiedGroupKFold

from hdc.apps.retrieval import MultiVectorIndex, RecurrentBinarizer, SignBinarizer
from hdc.dispatch import backend

K = 10
BITS = (128, 256, 512)


class Collection(NamedTuple):
    """Documents and queries, as lists of terms and as sets of vectors, and which belong together."""

    name: str
    documents: list[list[str]]
    queries: list[list[str]]
    document_vectors: list[Floats]
    query_vectors: list[Floats]
    document_weights: list[Floats]
    query_weights: list[Floats]
    relevant: Any
    """(queries, documents) bool array."""


def unit(x: Floats) -> Floats:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12), dtype=np.float32)


class Encoder:
    """Vectors and IDF of terms, learned from lists of terms."""

    def __init__(self, documents: Sequence[list[str]], dim: int) -> None:
        counts = TfidfVectorizer(analyzer=list, sublinear_tf=True)
        matrix = counts.fit_transform(documents)
        self.number, self.idf = counts.vocabulary_, counts.idf_.astype(np.float32)
        self.vectors = unit(TruncatedSVD(dim, random_state=0).fit_transform(matrix.T.tocsr()))

    def __call__(self, terms: list[str]) -> tuple[Floats, Floats]:
        """Return the vectors and the IDF of terms; those that were not seen are left out, unless all are."""
        known = [self.number[term] for term in terms if term in self.number] or [0]
        return self.vectors[known], self.idf[known]


def words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9']+", text.lower())


def collection(
    name: str, encoder: Encoder, documents: list[list[str]], queries: list[list[str]], relevant: Any
) -> Collection:
    """Return a collection with a vector per term."""
    held, asked = [encoder(terms) for terms in documents], [encoder(terms) for terms in queries]
    return Collection(
        name, documents, queries, [v for v, _ in held], [v for v, _ in asked], [w for _, w in held],
        [w for _, w in asked], relevant,
    )  # fmt: skip


def utterances(folder: Path, dim: int) -> Iterator[Collection]:
    """Yield CLINC150 by words, and in documents of ten utterances."""
    with gzip.open(folder / "clinc150.json.gz") as file:
        parts = json.load(file)
    documents, intents = [words(text) for text, _ in parts["train"]], np.array([name for _, name in parts["train"]])
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(parts["test"]), 400, replace=False)
    queries = [words(parts["test"][i][0]) for i in chosen]
    asked = np.array([parts["test"][i][1] for i in chosen])
    encoder = Encoder(documents, dim)
    yield collection("utterances", encoder, documents, queries, asked[:, None] == intents)

    def pooled(terms: list[str]) -> Floats:
        vectors, idf = encoder(terms)
        return unit(idf @ vectors)

    groups = rng.permutation(len(documents)).reshape(-1, 10)
    yield Collection(
        "passages",
        [[word for i in group for word in documents[i]] for group in groups],
        queries,
        [np.stack([pooled(documents[i]) for i in group]) for group in groups],
        [pooled(terms)[None] for terms in queries],
        [np.ones(10, np.float32)] * len(groups),
        [np.ones(1, np.float32)] * len(queries),
        (asked[:, None, None] == intents[groups]).any(axis=2),
    )


def findings(folder: Path, dim: int) -> Iterator[Collection]:
    """Yield five folds of phenopackets by findings."""
    with gzip.open(folder / "phenopackets.jsonl.gz") as lines:
        rows = [json.loads(line) for line in lines]
    terms = [
        [f["type"]["label"] for f in row["document"].get("phenotypicFeatures", []) if not f.get("excluded")]
        for row in rows
    ]
    label, paper = (np.array([row[name] for row in rows]) for name in ("label", "paper"))
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0).split(terms, label, paper)
    for known, held in folds:
        documents, queries = [terms[i] for i in known], [terms[i] for i in held]
        yield collection("findings", Encoder(documents, dim), documents, queries, label[held][:, None] == label[known])


def float_max_sim(data: Collection) -> tuple[Ids, Ids]:
    """Return the first ten by float MaxSim, without IDF and with: a product, and the greatest of each document."""
    rows = np.concatenate(data.document_vectors)
    starts = np.cumsum([0, *map(len, data.document_vectors)])[:-1]
    plain, weighted = (np.empty((len(data.queries), K), dtype=np.int64) for _ in range(2))
    for q, (vectors, weights) in enumerate(zip(data.query_vectors, data.query_weights, strict=True)):
        nearest = np.maximum.reduceat(vectors @ rows.T, starts, axis=1)
        plain[q] = np.argsort(-nearest.sum(axis=0), kind="stable")[:K]
        weighted[q] = np.argsort(-(weights @ nearest), kind="stable")[:K]
    return plain, weighted


def pooled(sets: list[Floats], weights: list[Floats], weighted: bool) -> Floats:
    return unit(np.stack([w @ v if weighted else v.sum(axis=0) for v, w in zip(sets, weights, strict=True)]))


def by_mean(data: Collection, weighted: bool, bits: int | None = None) -> Ids:
    """Return the first ten by one mean vector per document, float or as the codes of a SignBinarizer."""
    held = pooled(data.document_vectors, data.document_weights, weighted)
    asked = pooled(data.query_vectors, data.query_weights, weighted)
    if bits is None:
        return np.argsort(-(asked @ held.T), axis=1, kind="stable")[:, :K]
    model = SignBinarizer(bits).fit(held)
    return np.asarray(model.search(asked, model.transform(held), K, asymmetric=False)[1])


def by_terms(data: Collection) -> Ids:
    ranking = bm25s.BM25()
    ranking.index(data.documents, show_progress=False)
    return np.asarray(ranking.retrieve(data.queries, k=K, show_progress=False)[0])


def by_index(data: Collection, index: MultiVectorIndex, weighted: bool, asymmetric: bool) -> Ids:
    weights = data.query_weights if weighted else None
    return index.search(data.query_vectors, K, weights=weights, asymmetric=asymmetric)[1]


def index_of(data: Collection, model: Any) -> MultiVectorIndex:
    index = MultiVectorIndex.create(None, model.fit(np.concatenate(data.document_vectors)))
    index.add(data.document_vectors)
    return index


def found_by(data: Collection, dim: int) -> Iterator[tuple[str, str, bool, Ids]]:
    """Yield methods: the name, its bytes per vector (v) or per document (d), whether IDF counts, the first ten."""
    ideal = float_max_sim(data)
    indexes = {bits: index_of(data, SignBinarizer(bits)) for bits in BITS}
    trained = index_of(data, RecurrentBinarizer(128, rounds=4))
    for weighted in (False, True) if any(len(w) > 1 for w in data.query_weights) else (False,):
        yield "MaxSim, float", f"{4 * dim} v", weighted, ideal[weighted]
        for bits, index in indexes.items():
            yield f"MaxSim, {bits} sign bits, codes", f"{bits // 8} v", weighted, by_index(data, index, weighted, False)
        yield "MaxSim, 128 sign bits, float queries", "16 v", weighted, by_index(data, indexes[128], weighted, True)
        yield "MaxSim, 128 recurrent bits, float queries", "16 v", weighted, by_index(data, trained, weighted, True)
        yield "mean, float", f"{4 * dim} d", weighted, by_mean(data, weighted)
        yield "mean, 512 sign bits", "64 d", weighted, by_mean(data, weighted, 512)
    yield "BM25", "", False, by_terms(data)


def quality(collections: list[Collection], dim: int) -> None:
    """Print a table of one collection, or of its folds."""
    vectors = np.mean([sum(map(len, data.document_vectors)) for data in collections])
    documents = np.mean([len(data.documents) for data in collections])
    queries = sum(len(data.queries) for data in collections)
    print(f"\n{collections[0].name}: {documents:.0f} documents, {vectors:.0f} vectors of {dim}, {queries} queries\n")
    print(f"{'':46}{'bytes':>12}{'P@1':>8}{'P@10':>8}{'kept':>8}")
    sums: dict[tuple[str, str, bool], Any] = {}
    for data in collections:
        exact: dict[bool, Ids] = {}
        for name, size, weighted, found in found_by(data, dim):
            hits = np.take_along_axis(data.relevant, found, axis=1)
            same = exact.setdefault(weighted, found)  # float MaxSim comes first
            kept = sum(len(np.intersect1d(a, b)) for a, b in zip(found, same, strict=True)) / K
            more = np.array([hits[:, 0].sum(), hits.mean(axis=1).sum(), kept])
            sums[name, size, weighted] = sums.get((name, size, weighted), 0) + more
    for (name, size, weighted), total in sums.items():
        each, _, per = size.partition(" ")
        memory = f"{int(each) * (vectors if per == 'v' else documents):12,.0f}" if size else f"{'':12}"
        cells = "".join(f"{share:8.3f}" for share in (total / queries)[: 3 if name.startswith("MaxSim") else 2])
        print(f"{name + (', IDF' if weighted else ''):46}{memory}{cells}", flush=True)


def searched(index: MultiVectorIndex, asymmetric: bool, query: Floats) -> Any:
    return index.search([query], K, asymmetric=asymmetric)


def speed(documents: int, length: int, asked: int, dim: int) -> None:
    """Print times per query of generated tokens, methods in turn, the best of several rounds."""
    rng = np.random.default_rng(0)
    rows = unit(rng.standard_normal((documents * length, dim), dtype=np.float32))
    offsets = np.arange(documents + 1) * length
    queries = [unit(rng.standard_normal((asked, dim), dtype=np.float32)) for _ in range(8)]
    kernels = backend("numba")
    before = kernels.threads(None)
    kernels.threads(1)
    calls: dict[str, tuple[Callable[[Floats], Any], int]] = {}

    def product(query: Floats) -> Any:
        return np.argpartition(-np.maximum.reduceat(query @ rows.T, offsets[:-1], axis=1).sum(axis=0), K)[:K]

    calls["float32, NumPy"] = product, 4 * dim
    try:
        import torch

        held = torch.from_numpy(rows).view(documents, length, dim)
        torch.set_num_threads(1)
        calls["float32, torch"] = (
            lambda query: (held @ torch.from_numpy(query).T).amax(dim=1).sum(dim=1).topk(K), 4 * dim,
        )  # fmt: skip
    except ImportError:
        print("torch is not installed: left out")
    for bits in (128, 512):
        index = MultiVectorIndex.create(None, SignBinarizer(bits).fit(rows[:10_000]))
        index.add(rows, offsets)
        for name, asymmetric in (("codes", False), ("100 candidates by float queries", True)):
            calls[f"{bits} bits, {name}"] = partial(searched, index, asymmetric), bits // 8
    best = dict.fromkeys(calls, np.inf)
    for query in queries:
        for name, (call, _) in calls.items():
            begun = time.perf_counter()
            call(query)
            best[name] = min(best[name], time.perf_counter() - begun)
    kernels.threads(before)
    print(f"\n{documents:,} documents of {length} tokens of {dim} components, {asked} tokens a query, one thread\n")
    print(f"{'':46}{'ms/query':>10}{'MB':>10}")
    for name, seconds in best.items():
        print(f"{name:46}{1e3 * seconds:10.2f}{calls[name][1] * len(rows) / 1e6:10.1f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dim", type=int, default=128, help="components of a vector")
    parser.add_argument("--documents", type=int, default=20_000, help="of the table of times")
    parser.add_argument("--only", choices=("quality", "speed"))
    arguments = parser.parse_args()
    folder = data_folder("clinc150.json.gz", "phenopackets.jsonl.gz")
    if folder is None:
        return 0
    if arguments.only != "speed":
        for data in utterances(folder, arguments.dim):
            quality([data], arguments.dim)
        quality(list(findings(folder, arguments.dim)), arguments.dim)
    if arguments.only != "quality":
        speed(arguments.documents, 30, 32, arguments.dim)
    return 0


if __name__ == "__main__":
    sys.exit(main())
