"""Backward-compatible training: recall@10 of the four combinations of old and new codes, and of mixed indexes.

Data: see ``retrieval_data``. The old embedding is made from the first 192 of 384 components of MiniLM with noise, the
new one is MiniLM itself: other dimensions, better neighbours. Truth is the exact cosine top-10 of the new embedding.
All comparisons are between codes (symmetric), since a float query of one embedding means nothing to the other.
``independent`` is a new model trained without regard to the old one, at the same settings. ``basis`` turns the new
vectors by an OrthogonalBasis fitted to pairs of old and new ones: its first components are read by the old model, and
new vectors among themselves by the independent one, whose cosines no rotation changes. The last lines are of float
queries against the old index.

Run: ``HDC_BENCH_DATA=... python benchmarks/bench_retrieval_compatible.py [--epochs 6] [--dim 512]``; needs torch.
"""

import argparse
import sys

import numpy as np
from retrieval_data import QUERIES, Floats, Ids, data_folder, exact, recall, vectors

from hdc.apps.retrieval import OrthogonalBasis
from hdc.apps.retrieval.binarisers import RecurrentBinarizer
from hdc.words import Words

NOISE = 0.02
"""Standard deviation of the noise of an old component; components of a unit vector are about 0.05."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--vectors", type=int, default=39_000, help="size of the index")
    parser.add_argument("--pairs", type=int, nargs="*", default=[500, 2000], help="of the basis, beside all")
    arguments = parser.parse_args()
    folder = data_folder("debian_minilm.npy")
    if folder is None:
        return 0
    new = vectors(folder / "debian_minilm.npy")
    new = np.concatenate([new[: arguments.vectors], new[-QUERIES:]])
    old = weaker(new)
    truth = exact(new[-QUERIES:], new[:-QUERIES])
    plain = RecurrentBinarizer(dim=arguments.dim, rounds=0).fit(old[:-QUERIES])
    old_codes = plain.transform(old)
    trained = RecurrentBinarizer(dim=arguments.dim, rounds=0, epochs=arguments.epochs)
    compatible = trained.fit(new[:-QUERIES], old_codes=old_codes[:-QUERIES]).transform(new)
    independent = RecurrentBinarizer(dim=arguments.dim, rounds=0, epochs=arguments.epochs)
    apart = independent.fit(new[:-QUERIES]).transform(new)

    def found(queries: Words, index: Words) -> Ids:
        return np.asarray(trained.search(queries[-QUERIES:], index[:-QUERIES])[1])

    print(f"{len(new) - QUERIES} vectors, {plain.bytes_per_vector} bytes each, {arguments.epochs} epochs\n")
    print(f"{'queries':12}{'index':28}{'recall@10':>10}")
    mixed = np.where(np.arange(len(new))[:, None] % 2 == 0, old_codes, compatible)
    rows = [
        ("old", "old", old_codes, old_codes),
        ("old", "new, compatible", old_codes, compatible),
        ("new", "old", compatible, old_codes),
        ("new", "new, compatible", compatible, compatible),
        ("new", "half old, half new", compatible, mixed),
        ("new", "old, independent training", apart, old_codes),
        ("new", "new, independent training", apart, apart),
    ]
    pairs = [*(n for n in arguments.pairs if n < arguments.vectors), arguments.vectors]
    turned = {n: OrthogonalBasis().fit(new[:n], old[:n]).old(new) for n in pairs}
    for n, vectors_of in turned.items():
        codes = plain.transform(vectors_of)
        rows += [
            ("new", f"old, basis of {n} pairs", codes, old_codes),
            ("old", f"new, basis of {n} pairs", old_codes, codes),
            (
                "new",
                f"half and half, basis of {n}",
                codes,
                np.where(np.arange(len(new))[:, None] % 2, codes, old_codes),
            ),
        ]
    for queries_name, index_name, queries, index in rows:
        print(f"{queries_name:12}{index_name:28}{recall(found(queries, index), truth):10.4f}", flush=True)
    for name, asked in {"old floats": old, **{f"new floats, {n} pairs": x for n, x in turned.items()}}.items():
        ids = np.asarray(plain.search(asked[-QUERIES:], old_codes[:-QUERIES])[1])
        print(f"{name:26}{'old':14}{recall(ids, truth):10.4f}", flush=True)
    return 0


def weaker(x: Floats) -> Floats:
    """Return an older model's vectors of the same objects: half the components, with noise."""
    half = x[:, : x.shape[1] // 2]
    noisy = half + np.random.default_rng(0).normal(0, NOISE, half.shape)
    return np.asarray(noisy / np.linalg.norm(noisy, axis=1, keepdims=True), dtype=np.float32)


if __name__ == "__main__":
    sys.exit(main())
