"""Diagnosis of rare diseases from JSONEncoder's vectors, beside TF-IDF and beside a language model's embeddings.

Data: the folder named by ``HDC_BENCH_DATA`` holds ``phenopackets.jsonl.gz``, one ``{"label", "paper", "document"}`` a
line (GA4GH phenopackets of the Monarch phenopacket-store), and ``phenopackets_minilm.npy``, the MiniLM-L6-v2
embeddings of the documents' JSON text in the same order. The label is in no document.

Protocol, the same for every encoding: ``StratifiedGroupKFold(5, shuffle=True, random_state=0)`` by paper; the encoding
is fitted on the training folds; rows are scaled to length 1; sign bits count as +-1. 1-NN takes the training document
of the largest cosine. The linear classifier is scikit-learn's ``LinearSVC``, its C chosen from 0.1, 1 and 10 by 3-fold
cross-validation grouped by paper within the training folds. Vectors longer than the number of training documents are
first written in an orthonormal basis of the training documents, which changes no inner product with them and so not
the classifier.

TF-IDF sees the tokens path, path=value and path~word, hashed to 2^18, sublinear. Bytes of a document: 4 a float, 1 for
8 sign bits, 8 a TF-IDF entry that is not zero (column and value as 4 bytes each). Speeds are on one thread and include
parsing.

    HDC_BENCH_DATA=... python benchmarks/bench_json_phenopackets.py                     5 to 15 minutes
    ... bench_json_phenopackets.py --only JSON --no-linear --encoder '{"balance": 0.1}'     a minute
    ... bench_json_phenopackets.py --parameters                                         1-NN and speed of each option
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import argparse
import gzip
import json
import re
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg import qr
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

from hdc import words
from hdc.apps.json import JSONEncoder

FOLDS = 5
REPEATS = 5
PENALTIES = {"C": [0.1, 1, 10]}
OURS: list[dict[str, Any]] = [{"dim": 2048}, {"dim": 8192, "output": "packed"}]
PARAMETERS: list[dict[str, Any]] = [
    {},
    {"arrays": "bag"},
    {"arrays": "sequence"},
    {"arrays": "both"},
    {"balance": 0.5},
    {"balance": 1.0},
    {"matrix": "hadamard"},
    {"matrix": "haar"},
    {"dim": 512},
    {"dim": 1024},
    {"dim": 4096},
    {"dim": 8192},
    {"output": "packed"},
]


@dataclass(frozen=True)
class Task:
    """Documents, what to tell about them, and the folds."""

    documents: list[Any]
    texts: list[bytes]
    labels: Any
    papers: Any
    folds: list[Any]

    @classmethod
    def load(cls, folder: Path) -> "Task":
        """Read the data and draw the folds."""
        lines = gzip.decompress((folder / "phenopackets.jsonl.gz").read_bytes()).splitlines()
        cases = [json.loads(line) for line in lines]
        documents = [case["document"] for case in cases]
        labels, papers = (np.array([case[name] for case in cases]) for name in ("label", "paper"))
        folds = list(StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(documents, labels, papers))
        return cls(documents, [json.dumps(document).encode() for document in documents], labels, papers, folds)


@dataclass(frozen=True)
class Encoding:
    """A way to turn documents into rows.

    Attributes
    ----------
    rows : function of the numbers of the training documents
        Returns the rows of all documents, fitted on those.
    speed : function
        Returns documents a second; None where it cannot be measured here.
    """

    name: str
    rows: Callable[[Any], Any]
    size: Callable[[Any], float]
    speed: Callable[[], float] | None = None


def main() -> int:
    arguments = command().parse_args()
    folder = os.environ.get("HDC_BENCH_DATA")
    if not folder or not (Path(folder) / "phenopackets.jsonl.gz").exists():
        print("skipped: set HDC_BENCH_DATA to a folder that holds phenopackets.jsonl.gz")
        return 0
    task = Task.load(Path(folder))
    print(f"{len(task.documents)} documents, {len(set(task.labels))} labels, {len(set(task.papers))} papers")
    print(f"{FOLDS} folds by paper; ± is half the range over seeds\n")
    print(f"{'encoding':44}  {'1-NN':>11}  {'linear':>11}  {'bytes':>6}  {'documents/s':>11}", flush=True)
    given = json.loads(arguments.encoder)
    if arguments.parameters:
        for parameters in PARAMETERS:
            report(task, [ours(task, {**given, **parameters})], linear=False)
        return 0
    for rows in compared(task, Path(folder), given, arguments.seeds):
        if arguments.only in rows[0].name:
            report(task, rows, arguments.linear)
    return 0


def command() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="models of ours to draw")
    parser.add_argument("--encoder", default="{}", help="parameters of JSONEncoder, as JSON")
    parser.add_argument("--only", default="", help="measure the encodings whose name contains this")
    parser.add_argument("--no-linear", dest="linear", action="store_false", help="leave out the linear classifier")
    parser.add_argument("--parameters", action="store_true", help="measure one change of the defaults after another")
    return parser


def compared(task: Task, folder: Path, given: dict[str, Any], seeds: int) -> Iterator[list[Encoding]]:
    """Yield the encodings of the table, each as one or more drawn with different seeds."""
    yield [tfidf_encoding(task)]
    embeddings = folder / "phenopackets_minilm.npy"
    if embeddings.exists():
        rows = np.load(embeddings).astype(np.float32)
        yield [Encoding("MiniLM of the JSON text, 384", lambda train: rows, lambda rows: 4 * rows.shape[1])]
    for parameters in OURS:
        yield [ours(task, {**given, **parameters, "seed": seed}) for seed in range(seeds)]


def report(task: Task, draws: Sequence[Encoding], linear: bool) -> None:
    """Measure and print one line of the table."""
    results = [accuracies(task, encoding, linear) for encoding in draws]
    nearest, classified = (column for column in zip(*(result[:2] for result in results), strict=True))
    speed = draws[0].speed
    print(
        f"{draws[0].name:44}  {spread(nearest):>11}  {spread(classified) if linear else '-':>11}"
        f"  {results[0][2]:6,.0f}  {format(speed(), '11,.0f') if speed else '-':>11}",
        flush=True,
    )


def spread(values: Sequence[float]) -> str:
    around = f" ±{(max(values) - min(values)) / 2:.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{around}"


def accuracies(task: Task, encoding: Encoding, linear: bool) -> tuple[float, float, float]:
    """Return the means over the folds: accuracy of 1-NN and of the linear classifier, and bytes a document."""
    figures = []
    for train, test in task.folds:
        rows = encoding.rows(train)
        size = encoding.size(rows)
        known, asked = normalize(rows[train]), normalize(rows[test])
        nearest = np.asarray((asked @ known.T).argmax(axis=1)).ravel()
        right = task.labels[train][nearest] == task.labels[test]
        classified = classify(known, task.labels[train], task.papers[train], asked) if linear else task.labels[test]
        figures.append((np.mean(right), np.mean(classified == task.labels[test]), size))
    nearest_mean, linear_mean, size_mean = np.mean(figures, axis=0)
    return float(nearest_mean), float(linear_mean), float(size_mean)


def classify(known: Any, labels: Any, papers: Any, asked: Any) -> Any:
    """Return the labels that a linear classifier gives, C chosen within the training documents."""
    if isinstance(known, np.ndarray) and known.shape[1] > len(known):
        basis, _ = qr(known.T, mode="economic", check_finite=False)
        known, asked = known @ basis, asked @ basis
    warnings.simplefilter("ignore", ConvergenceWarning)  # at C = 100 liblinear may stop at its 1000 iterations
    search = GridSearchCV(LinearSVC(random_state=0), PENALTIES, cv=StratifiedGroupKFold(3))
    return search.fit(known, labels, groups=papers).predict(asked)


# ---------------------------------------------------------------------- encodings


def ours(task: Task, parameters: dict[str, Any]) -> Encoding:
    encoder = JSONEncoder(**parameters)
    shown = ", ".join(f"{key}={value}" for key, value in parameters.items() if key != "seed")

    def rows(train: Any) -> Any:
        vectors = encoder.fit(task.documents[i] for i in train).transform(task.documents)
        return vectors if encoder.output == "float" else np.where(words.unpack(vectors, encoder.dim), 1.0, -1.0)

    def speed() -> float:
        encoder.fit(map(json.loads, task.texts))
        return rate(lambda: encoder.transform(map(json.loads, task.texts)), len(task.texts))

    width = 4 * encoder.dim if encoder.output == "float" else 8 * words.word_count(encoder.dim)
    return Encoding(f"JSONEncoder, {shown or 'defaults'}", rows, lambda rows: width, speed)


def tfidf_encoding(task: Task) -> Encoding:
    hashed = [hashable_tokens(document) for document in task.documents]

    def speed() -> float:
        pipeline = tfidf().fit(hashed)
        return rate(lambda: pipeline.transform(hashable_tokens(json.loads(t)) for t in task.texts), len(task.texts))

    def rows(train: Any) -> Any:
        return tfidf().fit([hashed[i] for i in train]).transform(hashed)

    return Encoding("TF-IDF, 2^18 features", rows, lambda rows: 8 * rows.nnz / rows.shape[0], speed)


def tfidf() -> Any:
    hasher = FeatureHasher(2**18, input_type="string", alternate_sign=False)
    return make_pipeline(hasher, TfidfTransformer(sublinear_tf=True))


def hashable_tokens(document: Any) -> list[str]:
    return list(_tokens(document))


def _tokens(document: Any) -> Iterator[str]:
    stack = [("", document)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, dict):
            stack += [(f"{path}.{key}", item) for key, item in value.items()]
        elif isinstance(value, list):
            stack += [(f"{path}[]", item) for item in value]
        else:
            yield path
            yield f"{path}={value}"
            if isinstance(value, str):
                yield from (f"{path}~{word}" for word in re.findall(r"\w+", value.lower()))


def rate(action: Callable[[], Any], documents: int) -> float:
    """Return documents a second, by the median time of a few runs."""
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - began)
    return documents / statistics.median(seconds)


if __name__ == "__main__":
    sys.exit(main())
