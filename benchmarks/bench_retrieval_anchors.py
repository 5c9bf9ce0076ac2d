"""Anchors: recall@10 when queries of one encoder search vectors of another, beside maps that are fitted to both.

Pairs of encoders of the same objects: MiniLM of package descriptions (Debian) and a random rotation of it; MiniLM and
the first half of its components with noise, as ``bench_retrieval_compatible`` makes an older model; MiniLM of the JSON
text of phenopackets and an LSA of their TF-IDF (256 components), which has nothing to do with MiniLM. Truth: the exact
cosine top ten that the index's own encoder finds for the query's object. Nothing is searched that is a query's object.

Every method sees the same k objects, drawn at random. Those of anchors describe each encoder by itself; Procrustes (an
orthogonal map) and least squares (ridge .1) are fitted to the pair, and map queries to the index's encoder. Columns:
float vectors; ``SignBinarizer`` codes of ``--bits``, queries as codes too; ``RecurrentBinarizer`` codes of as many,
with float queries, at the ``--recurrent`` number of anchors and for some methods only, since it trains. The binarizer
is fitted to the index's side. *own* is what the index's encoder finds for queries of its own, *other* what the queries'
encoder finds in an index of its own.

Run: ``HDC_BENCH_DATA=... python benchmarks/bench_retrieval_anchors.py``; the LSA needs scikit-learn. ``--pairs 2
--anchors 512`` measures a part.
"""

import argparse
import gzip
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from bench_retrieval_compatible import weaker
from retrieval_data import Floats, Ids, K, data_folder, exact, recall, vectors

from hdc.apps.retrieval import Anchors, RecurrentBinarizer, SignBinarizer

ANCHORS = (64, 128, 256, 512, 1024)
RIDGE = 0.1
LSA = 256

Method = Callable[[Floats, Floats, Ids], tuple[Floats, Floats]]
"""Takes all vectors of the queries' and of the index's encoder, and the anchors; returns both, comparable."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bits", type=int, default=256)
    parser.add_argument("--vectors", type=int, default=10_000, help="size of the Debian index")
    parser.add_argument("--recurrent", type=int, default=512, help="anchors of the rows with RecurrentBinarizer")
    parser.add_argument("--anchors", type=int, nargs="+", default=ANCHORS, help="how many")
    parser.add_argument("--pairs", type=int, nargs="+", default=range(5), help="which pairs of encoders, from 0")
    parser.add_argument("--methods", nargs="+", choices=tuple(METHODS), default=tuple(METHODS))
    arguments = parser.parse_args()
    folder = data_folder("debian_minilm.npy", "phenopackets.jsonl.gz", "phenopackets_minilm.npy")
    if folder is None:
        return 0
    for number, (title, queries, base, held) in enumerate(pairs(folder, arguments.vectors)):
        if number in arguments.pairs:
            report(title, queries, base, held, arguments)
    return 0


def pairs(folder: Path, size: int) -> Iterator[tuple[str, Floats, Floats, int]]:
    """Yield a title, vectors of the queries' encoder, of the index's, and how many at the end are queries."""
    rows = vectors(folder / "debian_minilm.npy")
    mini = np.concatenate([rows[:size], rows[-500:]])
    turned = mini @ np.linalg.qr(np.random.default_rng(0).standard_normal((384, 384)))[0].astype(np.float32)
    half = weaker(mini)
    yield "queries: rotated MiniLM; index: MiniLM (Debian)", turned, mini, 500
    yield "queries: half of MiniLM with noise; index: MiniLM (Debian)", half, mini, 500
    yield "queries: MiniLM; index: half of MiniLM with noise (Debian)", mini, half, 500
    order = np.random.default_rng(0).permutation(1531)
    mini, lsa = vectors(folder / "phenopackets_minilm.npy")[order], text_vectors(folder)[order]
    yield "queries: LSA; index: MiniLM (phenopackets)", lsa, mini, 300
    yield "queries: MiniLM; index: LSA (phenopackets)", mini, lsa, 300


def text_vectors(folder: Path) -> Floats:
    """Return an LSA of the JSON texts of phenopackets."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    with gzip.open(folder / "phenopackets.jsonl.gz") as lines:
        texts = [json.dumps(json.loads(line)["document"]) for line in lines]
    counted = TfidfVectorizer(sublinear_tf=True, min_df=2).fit_transform(texts)
    return unit(TruncatedSVD(LSA, random_state=0).fit_transform(counted))


def unit(rows: Floats) -> Floats:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), dtype=np.float32)


def by_anchors(queries: Floats, base: Floats, anchors: Ids, **options: bool) -> tuple[Floats, Floats]:
    one, other = (Anchors(anchors, **options).fit_transform(rows) for rows in (queries, base))
    return one, other


def standardized(queries: Floats, base: Floats, anchors: Ids) -> tuple[Floats, Floats]:
    """Centered cosines, less the mean of those of the other anchors to each anchor, over their deviation."""

    def one(rows: Floats) -> Floats:
        mean = rows[anchors].mean(axis=0)
        chosen = unit(rows[anchors] - mean)
        between = chosen @ chosen.T
        np.fill_diagonal(between, np.nan)
        cosines = unit(rows - mean) @ chosen.T
        return unit((cosines - np.nanmean(between, axis=0)) / np.nanstd(between, axis=0))

    return one(queries), one(base)


def procrustes(queries: Floats, base: Floats, anchors: Ids, centered: bool = False) -> tuple[Floats, Floats]:
    """Map queries by the orthogonal map that puts the anchors nearest to each other, and to the mean or from it."""
    width = max(queries.shape[1], base.shape[1])
    padded = [np.pad(rows, ((0, 0), (0, width - rows.shape[1]))) for rows in (queries, base)]
    means = [rows[anchors].mean(axis=0) for rows in padded]
    left, _, right = np.linalg.svd((padded[0][anchors] - means[0]).T @ (padded[1][anchors] - means[1]))
    mapped = (padded[0] - means[0]) @ (left @ right)
    return (unit(mapped), unit(padded[1] - means[1])) if centered else (unit(mapped + means[1]), padded[1])


def least_squares(queries: Floats, base: Floats, anchors: Ids) -> tuple[Floats, Floats]:
    """Map queries by the affine map of least squared error on the anchors, with a ridge."""
    means = queries[anchors].mean(axis=0), base[anchors].mean(axis=0)
    known, wanted = queries[anchors] - means[0], base[anchors] - means[1]
    square = known.T @ known
    square += np.eye(len(square), dtype=np.float32) * (RIDGE * np.trace(square) / len(square))
    return unit((queries - means[0]) @ np.linalg.solve(square, known.T @ wanted) + means[1]), base


METHODS: dict[str, Method] = {
    "cosines (the paper)": partial(by_anchors, whiten=False, center=False),
    "cosines, centered": partial(by_anchors, whiten=False),
    "cosines, standardized": standardized,
    "whitened, not centered": partial(by_anchors, center=False),
    "whitened (the default)": by_anchors,
    "Procrustes": procrustes,
    "Procrustes, centered": partial(procrustes, centered=True),
    "least squares": least_squares,
}

TRAINED = ("cosines (the paper)", "whitened (the default)", "Procrustes", "least squares")
"""Methods that a binarizer is trained for."""


def found(queries: Floats, base: Floats, truth: Ids, bits: int, recurrent: bool) -> list[float]:
    """Return the recall of float vectors, of sign codes, and of trained ones; NaN if these are not asked for."""
    recalls = [recall(exact(queries, base), truth)]
    for model in (SignBinarizer(bits), RecurrentBinarizer(bits) if recurrent else None):
        if model is None:
            recalls.append(float("nan"))
            continue
        model.fit(base)
        found_by = model.search(queries, model.transform(base), K, asymmetric=isinstance(model, RecurrentBinarizer))
        recalls.append(recall(found_by[1], truth))
    return recalls


def report(title: str, queries: Floats, base: Floats, held: int, arguments: argparse.Namespace) -> None:
    """Print the table of one pair."""
    size = len(base) - held
    truth = exact(base[size:], base[:size])
    bits, columns = arguments.bits, ("float", f"sign {arguments.bits}", f"recurrent {arguments.bits}")
    print(f"\n{title}; {size} vectors, {held} queries\n")
    print(f"{'':26}{'anchors':>8}" + "".join(f"{name:>15}" for name in columns))
    own = found(base[size:], base[:size], truth, bits, True)
    show("own", None, own)
    show("other", None, [recall(exact(queries[size:], queries[:size]), truth)])
    for k in (k for k in arguments.anchors if k <= size):
        anchors = np.random.default_rng(k).choice(size, k, replace=False)
        for name in arguments.methods:
            asked, searched = METHODS[name](queries, base, anchors)
            show(
                name, k, found(asked[size:], searched[:size], truth, bits, k == arguments.recurrent and name in TRAINED)
            )


def show(name: str, anchors: int | None, recalls: list[float]) -> None:
    cells = "".join(f"{'' if np.isnan(value) else f'{value:.3f}':>15}" for value in recalls)
    print(f"{name:26}{anchors or '':>8}{cells}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
