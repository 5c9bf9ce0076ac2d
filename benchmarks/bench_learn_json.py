"""Classes of JSON documents: ``Documents`` and ``JSONEncoder`` beside TF-IDF, the same learners on the same folds.

Collections: ``phenopackets`` (the disease, of 22; folds grouped by paper), ``mdn`` (area of the web platform that a
feature belongs to; every 14th document of MDN's compatibility data; grouped by source file; identifiers, addresses
and file names removed), ``caniuse`` (first category of a browser feature, of those with ten or more; removed), and
``movies`` (genre, of those with ten or more; grouped by director). What ``Documents`` does was chosen on caniuse and
on phenopackets, whose figures flatter it by so much; mdn and movies were only reported. ``json_collections.py`` says
where they come from.

Five folds, ``StratifiedGroupKFold(5, shuffle=True, random_state=0)``; each encoding is fitted on the training folds,
rows are scaled to length 1. Figures are mean accuracy ± its standard error over folds, which includes how folds
differ; the last lines therefore compare fold by fold. TF-IDF: tokens path, path=value, path~word; sublinear. "TF-IDF,
views" adds words without path, letters and pairs to these tokens: beside it, Documents with all views has the weights
of sections, and loses what 4096 components cannot hold. Learners: 1-NN by cosine; ``LinearSVC`` (C = 1) and
``LogisticRegression`` (C = 10); ``HDClassifier`` by margin and by ridge (alpha by leave-one-out error). TF-IDF's rows
reach all but 1-NN in an orthonormal basis of the training rows, which changes no inner product. Seconds: fit of the
encoding and encoding of the training fold; encoding of the test fold, a document in ms; training and prediction of
the learner that is named, on one thread.

    HDC_BENCH_DATA=... python benchmarks/bench_learn_json.py [--only mdn] [--no-views] [--learners ridge]   30 minutes
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import json_collections
import json_corpus
import numpy as np
from scipy.linalg import qr
from scipy.sparse import issparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

import hdc
from hdc.apps.json import JSONEncoder
from hdc.apps.learn import Documents, HDClassifier
from hdc.apps.learn.documents.views import VIEWS, viewed

FOLDS = 5
LEAST = 10
"""Documents that a class has at least."""

EVERY = 14
"""Of mdn, so many documents are one."""

LEARNERS: dict[str, Callable[[], Any]] = {
    "SVM": lambda: LinearSVC(random_state=0),
    "logistic": lambda: LogisticRegression(C=10, max_iter=1000),
    "margin": lambda: HDClassifier(None, rule="margin", calibration=0),
    "ridge": lambda: HDClassifier(None, rule="ridge", calibration=0),
}


@dataclass(frozen=True)
class Task:
    """Documents without what tells their labels."""

    documents: list[Any]
    labels: Any
    groups: Any

    @classmethod
    def of(cls, cases: list[tuple[Any, str, str]]) -> "Task":
        """Keep the cases, as (document, label, group), whose label is not rare."""
        counts = Counter(label for _, label, _ in cases)
        documents, labels, groups = zip(*(case for case in cases if counts[case[1]] >= LEAST), strict=True)
        return cls(list(documents), np.array(labels), np.array(groups))

    def folds(self) -> Iterator[tuple[Any, Any]]:
        """Yield training and test documents, by number."""
        splitter = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
        return splitter.split(np.zeros(len(self.labels)), self.labels, self.groups)  # type: ignore[no-any-return]


def phenopackets() -> Task:
    cases = json_corpus.phenopackets()
    if cases is None:
        raise json_collections.MissingError("no phenopackets")
    return Task.of([(case["document"], case["label"], case["paper"]) for case in cases])


def mdn() -> Task:
    hidden = ("id", "source_file", "spec_url", "mdn_url")
    documents = json_collections.load("mdn")[::EVERY]
    return Task.of([(without(each, *hidden), each["id"].split(".")[0], each["source_file"]) for each in documents])


def caniuse() -> Task:
    documents = json_collections.load("caniuse")
    hidden = ("id", "categories", "spec")
    return Task.of([(without(each, *hidden), each["categories"][0], each["id"]) for each in documents])


def movies() -> Task:
    documents = [each for each in json_collections.load("movies") if each["Major Genre"]]
    return Task.of(
        [
            (without(each, "Major Genre"), each["Major Genre"], str(each["Director"] or f"{place}"))
            for place, each in enumerate(documents)
        ]
    )


TASKS = {"phenopackets": phenopackets, "mdn": mdn, "caniuse": caniuse, "movies": movies}


def without(document: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in keys}


# ---------------------------------------------------------------------- encodings


def tokens(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from tokens(item, f"{path}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from tokens(item, f"{path}[]")
    else:
        yield path
        yield f"{path}={value}"
        if isinstance(value, str):
            yield from (f"{path}~{word}" for word in re.findall(r"\w+", value.lower()))


def more_tokens(document: Any) -> Iterator[str]:
    yield from tokens(document)
    views = viewed(document, VIEWS)
    yield from (f"{view} {item}" for view in VIEWS for item in views[view])


def encodings(dims: list[int], views: bool) -> dict[str, Callable[[], Any]]:
    made: dict[str, Callable[[], Any]] = {
        "TF-IDF": lambda: TfidfVectorizer(analyzer=tokens, sublinear_tf=True, dtype=np.float32),
        "TF-IDF, views": lambda: TfidfVectorizer(analyzer=more_tokens, sublinear_tf=True, dtype=np.float32),
    }
    for dim in dims:
        made[f"JSONEncoder, {dim}"] = lambda dim=dim: JSONEncoder(dim)
        made[f"Documents, {dim}"] = lambda dim=dim: Documents(dim)
        made[f"all views, {dim}"] = lambda dim=dim: Documents(dim, views=VIEWS)
    return {title: new for title, new in made.items() if views or "views" not in title}


# ---------------------------------------------------------------------- measuring


def accuracies(
    task: Task, new: Callable[[], Any], learners: list[str]
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return accuracies by learner and seconds by part, fold by fold."""
    right: dict[str, list[float]] = {}
    seconds: dict[str, list[float]] = {}
    for train, test in task.folds():
        known, asked = ([task.documents[i] for i in part] for part in (train, test))
        labels, truth = task.labels[train], task.labels[test]
        encoder = new()
        began = time.perf_counter()
        rows = normalize(encoder.fit(known, labels).transform(known))
        encoded = time.perf_counter()
        questions = normalize(encoder.transform(asked))
        seconds.setdefault("fit", []).append(encoded - began)
        seconds.setdefault("encode", []).append((time.perf_counter() - encoded) / len(asked))
        nearest = np.asarray((questions @ rows.T).argmax(axis=1)).ravel()
        right.setdefault("1-NN", []).append(float(np.mean(labels[nearest] == truth)))
        rows, questions = reduced(rows, questions)
        for name in learners:
            began = time.perf_counter()
            model = LEARNERS[name]().fit(rows, labels)
            learned = time.perf_counter()
            right.setdefault(name, []).append(float(np.mean(model.predict(questions) == truth)))
            seconds.setdefault(f"{name} train", []).append(learned - began)
            seconds.setdefault(f"{name} predict", []).append(time.perf_counter() - learned)
    return right, seconds


def reduced(rows: Any, questions: Any) -> tuple[Any, Any]:
    """Return dense rows, those of TF-IDF in an orthonormal basis of the training rows."""
    if not issparse(rows):
        return rows, questions
    dense = rows.toarray()
    basis, _ = qr(dense.T, mode="economic", check_finite=False, overwrite_a=True)
    return np.ascontiguousarray(rows @ basis), np.ascontiguousarray(questions @ basis)


def shown(values: list[float], form: str = ".3f") -> str:
    return f"{np.mean(values):{form}} ±{np.std(values, ddof=1) / len(values) ** 0.5:.3f}"


def report(name: str, task: Task, dims: list[int], learners: list[str], views: bool) -> None:
    count = f"{len(task.documents)} documents, {len(set(task.labels))} classes, {len(set(task.groups))} groups"
    print(f"\n{name}: {count}")
    print(f"{'encoding':25}" + "".join(f"{learner:>14}" for learner in ("1-NN", *learners)) + "   seconds", flush=True)
    found: dict[str, dict[str, list[float]]] = {}
    for title, new in encodings(dims, views).items():
        found[title], seconds = accuracies(task, new, learners)
        mean = {part: float(np.mean(values)) for part, values in seconds.items()}
        parts = f"fit {mean['fit']:.1f}, a document {1000 * mean['encode']:.2f} ms; train/predict " + ", ".join(
            f"{learner} {mean[f'{learner} train']:.2f}/{mean[f'{learner} predict']:.3f}" for learner in learners
        )
        print(
            f"{title:25}" + "".join(f"{shown(each):>14}" for each in found[title].values()) + f"   {parts}", flush=True
        )
    compared = ((f"Documents, {dims[-1]}", "TF-IDF"), (f"all views, {dims[-1]}", "TF-IDF, views"))
    for ours, title in compared if views else compared[:1]:
        gains = {key: [a - b for a, b in zip(found[ours][key], found[title][key], strict=True)] for key in found[ours]}
        line = "".join(f"{shown(each, '+.3f'):>14}" for each in gains.values())
        print(f"{ours.split(',')[0] + ' - ' + title:25}{line}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(TASKS), help="collections, apart by commas")
    parser.add_argument("--dims", default="4096", help="dimensions, apart by commas")
    parser.add_argument("--learners", default=",".join(LEARNERS), help="names, apart by commas")
    parser.add_argument(
        "--no-views", dest="views", action="store_false", help="leave out words and letters: half the time"
    )
    arguments = parser.parse_args()
    hdc.threads(1)
    for name in arguments.only.split(","):
        try:
            task = TASKS[name]()
        except json_collections.MissingError as error:
            print(f"{name} skipped: {error}")
            continue
        dims = [int(dim) for dim in arguments.dims.split(",")]
        report(name, task, dims, arguments.learners.split(","), arguments.views)
    return 0


if __name__ == "__main__":
    sys.exit(main())
