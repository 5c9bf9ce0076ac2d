"""Backward-compatible codes: recall@10 of the four combinations of old and new codes, and of mixed indexes.

Data: see ``retrieval_data``. The old embedding is made from the first 192 of 384 components of MiniLM with noise, the
new one is MiniLM itself: other dimensions, better neighbors. Truth is the exact cosine top-10 of the new embedding.
All comparisons are between codes (symmetric), since a float query of one embedding means nothing to the other.

- *independent*: a new model trained without regard to the old one.
- *compatible*: one trained with ``old_codes``, of as many bits as these.
- *basis*: the old model's codes of vectors that an OrthogonalBasis turned; no new model is trained.
- *BT^2*: a basis learned by gradients together with the further bits (``basis_training``).

A code of twice the bits is one of these with the bits of the independent model behind it, or for *BT^2* its own: the
first bits are compared with old codes, all of them with new ones. *mixed* is an index of which every other code is old,
searched by the first bits. The last lines are of float queries against the old index.

Run: ``HDC_BENCH_DATA=... python benchmarks/bench_retrieval_compatible.py [--epochs 6] [--dim 512]``; needs torch.
"""

import argparse
import sys

import numpy as np
from retrieval_data import QUERIES, Floats, data_folder, exact, recall, vectors

from hdc.apps.retrieval import OrthogonalBasis
from hdc.apps.retrieval.binarizers import RecurrentBinarizer
from hdc.words import Words

NOISE = 0.02
"""Standard deviation of the noise of an old component; components of a unit vector are about 0.05."""

LEARNED = ((1.0, 0), (1.0, 32), (4.0, 0), (0.0, 0))
"""Weights of the old codes, and dimensions more, of the learned bases."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--dim", type=int, default=512, help="bits of an old code")
    parser.add_argument("--vectors", type=int, default=39_000, help="size of the index")
    parser.add_argument("--pairs", type=int, nargs="*", default=[500, 2000], help="of the basis, beside all")
    arguments = parser.parse_args()
    folder = data_folder("debian_minilm.npy")
    if folder is None:
        return 0
    new = vectors(folder / "debian_minilm.npy")
    new = np.concatenate([new[: arguments.vectors], new[-QUERIES:]])
    old, base, dim = weaker(new), slice(0, len(new) - QUERIES), arguments.dim
    truth = exact(new[-QUERIES:], new[base])
    plain = RecurrentBinarizer(dim=dim, rounds=0).fit(old[base])
    old_codes = plain.transform(old)

    def trained(bits: int, **options: Words) -> Words:
        model = RecurrentBinarizer(dim=bits, rounds=0, epochs=arguments.epochs)
        return np.asarray(model.fit(new[base], **options).transform(new))

    def found(queries: Words, index: Words) -> float:
        model = RecurrentBinarizer(dim=64 * queries.shape[1], rounds=0).fit(new[:1000])  # any of so many bits
        return recall(np.asarray(model.search(queries[-QUERIES:], index[base])[1]), truth)

    print(f"{len(new) - QUERIES} vectors, old codes of {plain.bytes_per_vector} bytes, {arguments.epochs} epochs\n")
    print(
        f"{'':34}" + "".join(f"{name:>11}" for name in ("new -> old", "old -> new", "mixed", "new -> new", "all bits"))
    )
    print(f"{'old codes alone':34}{found(old_codes, old_codes):>11.4f}   (old -> old)", flush=True)
    words = old_codes.shape[1]

    def show(name: str, codes: Words) -> None:
        """Print a line of codes that begin with those that are compared with old ones."""
        first = codes[:, :words]
        mixed = np.where(np.arange(len(new))[:, None] % 2 == 0, old_codes, first)
        pairs = (first, old_codes), (old_codes, first), (first, mixed), (first, first), (codes, codes)
        cells = "".join(f"{found(*pair):>11.4f}" for pair in (pairs if codes.shape[1] > words else pairs[:4]))
        print(f"{name:34}{cells}", flush=True)

    apart, twice = trained(dim), trained(2 * dim)
    print(f"{'independent':34}{'':33}{found(apart, apart):>11.4f}{found(twice, twice):>11.4f}", flush=True)
    show("compatible", np.hstack([trained(dim, old_codes=old_codes[base]), apart]))
    pairs = [*(n for n in arguments.pairs if n < arguments.vectors), arguments.vectors]
    turned = {n: OrthogonalBasis().fit(new[:n], old[:n]).old(new) for n in pairs}
    for n, rows in turned.items():
        show(f"basis of {n} pairs", np.hstack([plain.transform(rows), apart]))
    from basis_training import LearnedBasis  # which needs torch, and who imports from here does not

    start = RecurrentBinarizer(dim=dim, rounds=0).fit(new[base])
    for weight, extra in LEARNED:
        learned = LearnedBasis(new[base], old[base], plain, start, weight, extra)
        for epoch in range(arguments.epochs):
            learned.epoch(epoch)
        show(f"BT^2, weight {weight:g}, {extra} dimensions more", learned.transform(new))
    for name, asked in {"old floats": old, **{f"new floats, {n} pairs": x for n, x in turned.items()}}.items():
        ids = np.asarray(plain.search(asked[-QUERIES:], old_codes[base])[1])
        print(f"{name + ' -> old':34}{recall(ids, truth):>11.4f}", flush=True)
    return 0


def weaker(x: Floats) -> Floats:
    """Return an older model's vectors of the same objects: half the components, with noise."""
    half = x[:, : x.shape[1] // 2]
    noisy = half + np.random.default_rng(0).normal(0, NOISE, half.shape)
    return np.asarray(noisy / np.linalg.norm(noisy, axis=1, keepdims=True), dtype=np.float32)


if __name__ == "__main__":
    sys.exit(main())
