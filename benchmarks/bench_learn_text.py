"""Intents of short texts (CLINC150): hypervectors of words and letters beside TF-IDF of the same, full and few-shot.

Data: ``clinc150.json.gz`` in the folder named by ``HDC_BENCH_DATA``: 150 intents, 15,000 training and 4,500 test
utterances (Larson et al. 2019). Few-shot: 10 utterances a class, drawn three times; figures are means ± the standard
error over draws. No parameter was tuned.

Ours: a text is the bundle of its words, pairs of neighboring words and runs of 3 to 5 letters of words between
borders, each times its idf in the training texts, as sums of symbols of ±1 (MAP-I's) in float32; "signs" are those of
the sums, packed as MAP-B has them. TF-IDF: the same tokens, sublinear and idf, by scikit-learn, exact and sparse; and
words alone. Learners: of TF-IDF 1-NN by cosine, ``LinearSVC`` and ``LogisticRegression``; of ours 1-NN by cosine and
``HDClassifier`` by margin and by ridge. One thread; seconds of training with its encoding, and microseconds of a
prediction with its encoding.

    HDC_BENCH_DATA=... python benchmarks/bench_learn_text.py [--few | --full]      15 minutes; few 3
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import argparse
import gzip
import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

import hdc
from hdc import words
from hdc.apps.learn import HDClassifier

SHOTS = 10
DRAWS = 3
DIM = 4096
BLOCK = 1 << 13
"""Tokens whose symbols are made at a time."""

_WORD = re.compile(r"\w+")


def tokens(text: str) -> Iterator[str]:
    found = _WORD.findall(text.lower())
    yield from found
    yield from (f"{one} {other}" for one, other in pairwise(found))
    for word in found:
        bordered = f"^{word}$"
        for size in (3, 4, 5):
            yield from (f"%{bordered[start : start + size]}" for start in range(len(bordered) - size + 1))


def tfidf(analyzer: Callable[[str], Any]) -> TfidfVectorizer:
    return TfidfVectorizer(analyzer=analyzer, sublinear_tf=True, dtype=np.float32)


class Bundles:
    """Texts as sums of the symbols of their tokens, by idf; ``packed`` as their signs."""

    def __init__(self, dim: int, packed: bool) -> None:
        self.vsa, self.packed, self.weights = hdc.create("MAP-I", dim), packed, tfidf(tokens)

    def fit(self, texts: list[str]) -> "Bundles":
        """Learn idf, and make the symbols of the tokens seen."""
        self.weights.fit(texts)
        names = list(self.weights.get_feature_names_out())
        parts = [
            np.asarray(self.vsa.symbols(names[start : start + BLOCK]), dtype=np.int8)
            for start in range(0, len(names), BLOCK)
        ]
        self.symbols = np.concatenate(parts)
        return self

    def transform(self, texts: list[str]) -> Any:
        """Return a row of each text."""
        counts = self.weights.transform(texts)
        rows = np.empty((len(texts), self.vsa.dim), dtype=np.float32)
        columns, bounds = counts.indices, counts.indptr
        for i in range(len(texts)):
            held = slice(bounds[i], bounds[i + 1])
            rows[i] = counts.data[held] @ self.symbols[columns[held]]
        return words.pack(rows < 0) if self.packed else normalize(rows)


class Exact:
    """TF-IDF's rows."""

    def __init__(self, analyzer: Callable[[str], Any]) -> None:
        self.weights = tfidf(analyzer)

    def fit(self, texts: list[str]) -> "Exact":
        """Learn idf."""
        self.weights.fit(texts)
        return self

    def transform(self, texts: list[str]) -> Any:
        """Return a row of each text."""
        return self.weights.transform(texts)


ENCODINGS: dict[str, Callable[[], Any]] = {
    "TF-IDF, words": lambda: Exact(lambda text: _WORD.findall(text.lower())),
    "TF-IDF, words and letters": lambda: Exact(tokens),
    f"sums, {DIM}": lambda: Bundles(DIM, False),
    f"signs, {DIM} bits": lambda: Bundles(DIM, True),
}


class Nearest:
    """1-NN by dot product."""

    def fit(self, rows: Any, labels: list[str]) -> "Nearest":
        """Keep the rows."""
        self.rows, self.labels = rows, np.array(labels)
        return self

    def predict(self, rows: Any) -> Any:
        """Return the labels of the nearest rows, some rows at a time."""
        parts = (rows[start : start + 500] @ self.rows.T for start in range(0, rows.shape[0], 500))
        return self.labels[np.concatenate([np.asarray(part.argmax(axis=1)).ravel() for part in parts])]


THEIRS: dict[str, Callable[[], Any]] = {
    "1-NN": Nearest,
    "SVM": lambda: LinearSVC(random_state=0),
    "logistic": lambda: LogisticRegression(C=30, max_iter=200),
}

OURS: dict[str, Callable[[], Any]] = {
    "HD margin": lambda: HDClassifier(None, rule="margin", calibration=0),
    "HD ridge": lambda: HDClassifier(None, rule="ridge", calibration=0),
}


def learners(rows: Any) -> dict[str, Callable[[], Any]]:
    """Return what learns from such rows: packed signs have no floats to multiply."""
    if issparse(rows):
        return THEIRS
    return OURS if rows.dtype == np.uint64 else {"1-NN": Nearest, **OURS}


def measure(train: list[Any], test: list[Any], at_once: bool) -> dict[tuple[str, str], tuple[float, float, float]]:
    """Return accuracy, seconds to train and microseconds a prediction, by encoding and learner."""
    known, labels = (list(part) for part in zip(*train, strict=True))
    asked, truth = (list(part) for part in zip(*test, strict=True))
    found = {}
    for title, new in ENCODINGS.items():
        began = time.perf_counter()
        encoder = new().fit(known)
        rows = encoder.transform(known)
        encoded = time.perf_counter()
        questions = encoder.transform(asked)
        asking = time.perf_counter() - encoded
        for name, learner in learners(rows).items():
            start = time.perf_counter()
            model = learner().fit(rows, labels)
            learned = time.perf_counter()
            right = float(np.mean(model.predict(questions) == np.array(truth)))
            spent = time.perf_counter() - learned + asking
            found[title, name] = right, encoded - began + learned - start, 1e6 * spent / len(asked)
            if at_once:
                print(line(title, name, [found[title, name]]), flush=True)
    return found


def line(title: str, name: str, figures: list[tuple[float, float, float]]) -> str:
    right, training, asking = (np.array(column) for column in zip(*figures, strict=True))
    spread = f" ±{right.std(ddof=1) / len(right) ** 0.5:.3f}" if len(right) > 1 else ""
    return f"{title:26} {name:10} {right.mean():.3f}{spread:7} {training.mean():8.2f} s {asking.mean():8.0f} µs"


def few(train: list[Any], test: list[Any]) -> None:
    print(f"\n{SHOTS} utterances a class, {DRAWS} draws")
    by_class: dict[str, list[Any]] = {}
    for case in train:
        by_class.setdefault(case[1], []).append(case)
    runs = []
    for draw in range(DRAWS):
        random = np.random.default_rng(draw)
        some = [cases[i] for cases in by_class.values() for i in random.permutation(len(cases))[:SHOTS]]
        runs.append(measure(some, test, at_once=False))
    for key in runs[0]:
        print(line(*key, [run[key] for run in runs]), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--few", action="store_true", help="10 utterances a class only")
    only.add_argument("--full", action="store_true", help="all utterances only")
    arguments = parser.parse_args()
    path = Path(os.environ.get("HDC_BENCH_DATA", "")) / "clinc150.json.gz"
    if not path.is_file():
        print("skipped: set HDC_BENCH_DATA to a folder that holds clinc150.json.gz")
        return 0
    hdc.threads(1)
    data = json.loads(gzip.decompress(path.read_bytes()))
    train, test = data["train"], data["test"]
    if not arguments.full:
        few(train, test)
    if not arguments.few:
        print(f"\nall {len(train)} utterances")
        measure(train, test, at_once=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
