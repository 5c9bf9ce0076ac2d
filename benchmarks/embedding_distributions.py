"""Vectors of many kinds, for recall tables: what a code must keep its recall on.

Made vectors need nothing. Of real ones, ``digits`` and ``patches`` need scikit-learn, and texts and words a folder
named by ``HDC_BENCH_DATA`` (see ``retrieval_data``); what is not there is said and left out. Vectors come as they
are made, of any length and about any mean: :func:`unit` makes them what cosines compare.

Run: ``HDC_BENCH_DATA=... python benchmarks/embedding_distributions.py`` prints what there is.
"""

import argparse
import gzip
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from retrieval_data import data_folder

Floats = npt.NDArray[np.float32]
Make = Callable[[int, np.random.Generator], npt.NDArray[np.floating] | None]


@dataclass(frozen=True)
class Distribution:
    """One kind of vectors, and queries drawn like them that are none of them.

    Attributes
    ----------
    name : str
    vectors : (n, d) float32
    queries : (q, d) float32
    about : str
        Where they are from, in a line.
    """

    name: str
    vectors: Floats
    queries: Floats
    about: str


def unit(rows: Floats) -> Floats:
    """Return rows at length 1; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1), dtype=np.float32)


# Made vectors


def gaussian(n: int, rng: np.random.Generator, d: int, decay: float = 0.0) -> npt.NDArray[np.float64]:
    """Draw normal vectors whose axis i, turned at random, has a standard deviation of ``(1 + i) ** -decay``."""
    rows = rng.standard_normal((n, d)) * (1.0 + np.arange(d)) ** -decay
    turn, _ = np.linalg.qr(rng.standard_normal((d, d)))
    turned: npt.NDArray[np.float64] = rows @ turn
    return turned


def clustered(n: int, rng: np.random.Generator, d: int, clusters: int) -> npt.NDArray[np.float64]:
    """Draw normal vectors about centers, of a spread of .6 beside theirs of 1, both along axes that decay."""
    centers = gaussian(clusters, rng, d, 0.5)
    return centers[rng.integers(0, clusters, n)] + 0.6 * gaussian(n, rng, d, 0.5)


def far_off(n: int, rng: np.random.Generator, d: int) -> npt.NDArray[np.float64]:
    """Draw clustered vectors about a mean ten times as long as they are."""
    rows, mean = clustered(n, rng, d, 50), rng.standard_normal(d)
    return rows + 10 * mean * np.sqrt(np.square(rows).sum(axis=1).mean() / np.square(mean).sum())


def heavy(n: int, rng: np.random.Generator, d: int) -> npt.NDArray[np.float64]:
    """Draw t-distributed components of three degrees of freedom, mixed by a low rank."""
    mixed = rng.standard_t(3, (n, 32)) @ rng.standard_normal((32, d)) / 6
    rows: npt.NDArray[np.float64] = mixed + 0.5 * rng.standard_t(3, (n, d))
    return rows


def outlying(n: int, rng: np.random.Generator, d: int) -> npt.NDArray[np.float64]:
    """Draw clustered vectors of which four components are 20 times as large: as of language models."""
    rows = clustered(n, rng, d, 50)
    rows[:, rng.permutation(d)[:4]] *= 20
    return rows


def duplicated(n: int, rng: np.random.Generator, d: int) -> npt.NDArray[np.float64]:
    """Draw vectors of which a third are the same as another, to the bit."""
    rows = clustered(n, rng, d, 50)
    again = rng.permutation(n)[: n // 3]
    rows[again] = rows[rng.permutation(n)[: n // 3]]
    return rows


def positive(n: int, rng: np.random.Generator, d: int) -> npt.NDArray[np.float64]:
    """Draw vectors of no negative component, most of them zero: as after a rectifier."""
    return np.maximum(clustered(n, rng, d, 50) - 0.1, 0)


def noise_pictures(count: int, side: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Make gray pictures of 0 to 1 whose spectrum falls as that of photographs: with one over the frequency."""
    frequencies = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequencies[0, 0] = 1 / side
    spectrum = np.fft.rfft2(rng.standard_normal((count, side, side))) / frequencies
    pictures = np.fft.irfft2(spectrum, s=(side, side))
    pictures -= pictures.min(axis=(1, 2), keepdims=True)
    scaled: npt.NDArray[np.float64] = pictures / pictures.max(axis=(1, 2), keepdims=True)
    return scaled


def cut(pictures: Iterable[npt.NDArray[np.float64]], n: int, side: int, rng: np.random.Generator) -> Floats:
    """Cut n square patches out of pictures, as many of each."""
    pictures = list(pictures)
    rows = []
    for i, picture in enumerate(pictures):
        share = n // len(pictures) + (i < n % len(pictures))
        windows = np.lib.stride_tricks.sliding_window_view(picture, (side, side), axis=(0, 1))
        at = rng.integers(0, windows.shape[0], share), rng.integers(0, windows.shape[1], share)
        rows.append(windows[at].reshape(share, -1))
    return rng.permutation(np.concatenate(rows)).astype(np.float32)


def made_patches(n: int, rng: np.random.Generator) -> Floats:
    """Cut patches of 12 x 12 out of made pictures."""
    return cut(noise_pictures(20, 256, rng), n, 12, rng)


# Real vectors


def digits(n: int, rng: np.random.Generator) -> Floats | None:
    """Return scikit-learn's 1,797 handwritten digits of 8 x 8 gray pixels."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        return None
    rows = load_digits().data.astype(np.float32)
    return rows[rng.permutation(len(rows))[:n]]


def patches(n: int, rng: np.random.Generator) -> Floats | None:
    """Cut patches of 8 x 8 pixels of three colors out of scikit-learn's two photographs."""
    try:
        from sklearn.datasets import load_sample_images
    except ImportError:
        return None
    return cut([picture / 255 for picture in load_sample_images().images], n, 8, rng)


def stored(n: int, rng: np.random.Generator, file: str) -> Floats | None:
    """Return rows of a file of the data folder."""
    folder = data_folder(file)
    if folder is None:
        return None
    rows = np.load(folder / file, mmap_mode="r")
    return np.asarray(rows[np.sort(rng.permutation(len(rows))[:n])], dtype=np.float32)[
        rng.permutation(min(n, len(rows)))
    ]


def words(n: int, rng: np.random.Generator) -> Floats | None:
    """Make word vectors of CLINC150's utterances: the positive mutual information of neighbors, at rank 128."""
    folder = data_folder("clinc150.json.gz")
    if folder is None:
        return None
    from scipy.sparse import csr_matrix
    from scipy.sparse.linalg import svds

    texts = [re.findall(r"[a-z']+", text.lower()) for text in _utterances(folder / "clinc150.json.gz")]
    number = {word: i for i, (word, _) in enumerate(Counter(w for text in texts for w in text).most_common())}
    pairs = [(number[a], number[b]) for text in texts for i, a in enumerate(text) for b in text[i + 1 : i + 5]]
    first, second = np.array(pairs).T
    both = np.concatenate([first, second]), np.concatenate([second, first])
    counts = csr_matrix((np.ones(len(both[0])), both), shape=(len(number), len(number)))
    row, column = counts.nonzero()
    sums = np.asarray(counts.sum(axis=1)).ravel()
    seen = np.asarray(counts[row, column]).ravel()
    information = np.maximum(np.log(seen * sums.sum() / (sums[row] * sums[column] ** 0.75) / sums.sum() ** 0.25), 0)
    start = rng.standard_normal(len(number))
    u, s, _ = svds(csr_matrix((information, (row, column)), shape=counts.shape), 128, v0=start)
    vectors = (u * np.sqrt(s)).astype(np.float32)
    vectors = vectors[np.linalg.norm(vectors, axis=1) > 0]
    return vectors[rng.permutation(len(vectors))[:n]]


def _utterances(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for part in json.load(file).values():
            yield from (text for text, _ in part)


KINDS: dict[str, tuple[Make, str]] = {
    "texts": (partial(stored, file="debian_minilm.npy"), "MiniLM vectors of Debian package descriptions"),
    "abstracts": (partial(stored, file="cranfield_docs_minilm.npy"), "MiniLM vectors of Cranfield's 1,400 abstracts"),
    "words": (words, "word vectors of CLINC150's utterances: mutual information, rank 128"),
    "digits": (digits, "scikit-learn's 1,797 digits, 8 x 8 gray"),
    "patches": (patches, "8 x 8 patches of scikit-learn's two photographs, three colors, of 0 to 1"),
    "made patches": (made_patches, "12 x 12 patches of made pictures of a spectrum of 1/f, gray, of 0 to 1"),
    "gaussian 64": (partial(gaussian, d=64), "normal, the same in every direction"),
    "gaussian 256": (partial(gaussian, d=256, decay=0.5), "normal, axes that decay"),
    "clusters 128": (partial(clustered, d=128, clusters=100), "normal about 100 centers"),
    "clusters 1536": (partial(clustered, d=1536, clusters=200), "normal about 200 centers"),
    "clusters 3072": (partial(clustered, d=3072, clusters=200), "normal about 200 centers"),
    "far off": (partial(far_off, d=256), "clusters about a mean ten times as long as they are"),
    "heavy tails": (partial(heavy, d=256), "components of Student's t of three degrees of freedom, low rank and noise"),
    "outliers": (partial(outlying, d=384), "clusters; four components are 20 times as large"),
    "duplicates": (partial(duplicated, d=256), "clusters; a third of the vectors are copies of others"),
    "positive": (partial(positive, d=512), "clusters cut off at zero: no component is negative"),
}
"""What makes each kind, and what it is."""


def distributions(
    names: Iterable[str] | None = None, n: int = 10_000, queries: int = 500, seed: int = 0
) -> Iterator[Distribution]:
    """Make the kinds of these names, or all of :data:`KINDS`, one after another; leave out what is not to be had.

    Parameters
    ----------
    names : iterable of str or None
    n : int
        Most vectors of each; a set that has fewer gives what it has, a tenth of it, at most, as queries.
    queries : int
        Most queries of each; they are none of the vectors.
    seed : int
        A kind's vectors depend on it and on the kind's name only.
    """
    for name in KINDS if names is None else names:
        make, about = KINDS[name]
        rows = make(n + queries, np.random.default_rng([seed, zlib.crc32(name.encode())]))
        if rows is not None:
            held = min(queries, len(rows) // 10)
            single = np.ascontiguousarray(rows, dtype=np.float32)
            yield Distribution(name, single[held:][:n], single[:held], about)


def main() -> None:
    """Print each kind: size, length of the mean over the mean length, and what it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="kinds; all of them if left out")
    parser.add_argument("-n", type=int, default=10_000)
    arguments = parser.parse_args()
    print(f"{'kind':<14} {'vectors':>7} {'queries':>7} {'d':>5} {'mean':>5}  what")
    for kind in distributions(arguments.names or None, arguments.n):
        mean = np.linalg.norm(unit(kind.vectors).mean(axis=0))
        sizes = f"{len(kind.vectors):>7} {len(kind.queries):>7} {kind.vectors.shape[1]:>5}"
        print(f"{kind.name:<14} {sizes} {mean:>5.2f}  {kind.about}")


if __name__ == "__main__":
    main()
