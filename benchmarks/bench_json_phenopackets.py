"""1-nearest-neighbour accuracy and speed of JSONEncoder beside TF-IDF, on real patients.

Data: the folder named by ``HDC_BENCH_DATA`` holds ``phenopackets.jsonl.gz``, one ``{"label", "paper",
"document"}`` a line (GA4GH phenopackets of the Monarch phenopacket-store). Folds keep the cases of a paper
together, everything is fitted on the training folds only, and the label is in no document.

TF-IDF sees the tokens path, path=value and path~word, hashed to 2^18, sublinear, cosine. Both speeds are on
one thread and include parsing. Run: ``HDC_BENCH_DATA=... python benchmarks/bench_json_phenopackets.py``.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import gzip
import json
import re
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import normalize

from hdc.apps.json import JSONEncoder

FOLDS = 5
REPEATS = 5
CASES: list[dict[str, Any]] = [
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
    {"seed": 1},
    {"seed": 2},
    {"seed": 3},
]


def main() -> int:
    folder = os.environ.get("HDC_BENCH_DATA")
    if not folder or not (Path(folder) / "phenopackets.jsonl.gz").exists():
        print("skipped: set HDC_BENCH_DATA to a folder that holds phenopackets.jsonl.gz")
        return 0
    lines = gzip.decompress((Path(folder) / "phenopackets.jsonl.gz").read_bytes()).splitlines()
    cases = [json.loads(line) for line in lines]
    texts = [json.dumps(case["document"]).encode() for case in cases]
    documents = [case["document"] for case in cases]
    labels, papers = np.array([case["label"] for case in cases]), [case["paper"] for case in cases]
    folds = list(StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(documents, labels, papers))

    print(f"{len(documents)} documents, {len(set(labels))} labels, {len(set(papers))} papers, {FOLDS} folds by paper\n")
    print(f"{'encoding':40}  {'1-NN':>5}  {'documents a second':>18}")
    hashed = [hashable_tokens(document) for document in documents]
    report("TF-IDF, 2^18 features", accuracy(tfidf, hashed, labels, folds), tfidf_speed(texts))
    for parameters in CASES:
        name = ", ".join(f"{key}={value}" for key, value in parameters.items()) or "default"
        encoder = JSONEncoder(**parameters)
        report(f"JSONEncoder, {name}", accuracy(lambda e=encoder: e, documents, labels, folds), speed(encoder, texts))
    return 0


def report(name: str, score: float, per_second: float) -> None:
    print(f"{name:40}  {score:5.3f}  {per_second:18,.0f}", flush=True)


def accuracy(make: Callable[[], Any], documents: list[Any], labels: Any, folds: list[Any]) -> float:
    """Return the mean over the folds of the accuracy of the nearest training document by cosine."""
    scores = []
    for train, test in folds:
        encoder = make()
        known = normalize(encoder.fit_transform([documents[i] for i in train]))
        asked = normalize(encoder.transform([documents[i] for i in test]))
        similarities = asked @ known.T
        nearest = np.asarray(similarities.argmax(axis=1)).ravel()
        scores.append(np.mean(labels[train][nearest] == labels[test]))
    return float(np.mean(scores))


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


def tfidf_speed(texts: list[bytes]) -> float:
    pipeline = tfidf().fit(hashable_tokens(json.loads(text)) for text in texts)
    return rate(lambda: pipeline.transform(hashable_tokens(json.loads(text)) for text in texts), len(texts))


def speed(encoder: JSONEncoder, texts: list[bytes]) -> float:
    encoder.fit(map(json.loads, texts))
    return rate(lambda: encoder.transform(map(json.loads, texts)), len(texts))


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
