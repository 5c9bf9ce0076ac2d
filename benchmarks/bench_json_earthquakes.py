"""Neighbors of earthquakes by place, size and time: a task of numbers, where exact tokens fail.

Data: the 1 707 events of one week that ``hdc demo`` brings along (U.S. Geological Survey). Ten folds, drawn at random;
everything is fitted on the other nine, whose events are the neighbors that may be found. Rows are scaled to length 1
and neighbors are those of the largest cosine. Two tasks:

*Neighbors.* A document is ``{"mag": ..., "time": "2018-02-07T01:26:13.840Z", "coordinates": [longitude, latitude]}``,
the time as ISO 8601 text. Events are apart by sqrt((km / 100)² + (magnitudes / 0.5)² + (days / 1)²), km along the great
circle: 100 km, half a magnitude and a day count alike. Recall: part of the 10 truly nearest events that are among the
10 found. Rank: how well the distance of all events agrees with their similarity (Spearman, mean over queries). The
medians of the three differences are those of the nearest event found; ties are broken by the order of the file.

*Depth.* A document is a whole event without its depth and its id; the depth is predicted as the median of the 5 nearest
events' depths. Scored by the median absolute error in km and by Spearman's correlation with the truth.

Beside JSONEncoder (dim 2048): TF-IDF over the tokens path, path=value and path~word, hashed to 2^18, sublinear, as in
``bench_json_phenopackets.py``; the same over numbers rounded to two digits, which is what one does to give exact tokens
a chance; and standardized columns of numbers (time as a number), Euclidean, which know the schema and see no text.

    python benchmarks/bench_json_earthquakes.py          half a minute
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import gzip
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
from bench_json_phenopackets import hashable_tokens, tfidf
from scipy.stats import rankdata, spearmanr
from sklearn.model_selection import KFold
from sklearn.preprocessing import StandardScaler, normalize

from hdc.apps.json import JSONEncoder

Matrix = npt.NDArray[np.float64]
Similarities = Callable[[list[Any], list[Any]], Matrix]
"""From training and test documents to the (test, training) similarities."""

FOLDS = 10
NEAREST, VOTERS = 10, 5
EARTH = 6371.0
SCALES = np.array([100.0, 0.5, 1.0])
"""Kilometers, magnitudes and days that count as one."""

DATES = {"convert": ("dates",)}
ENCODERS: list[dict[str, Any]] = [
    {},
    DATES,
    {"numbers": "smooth", **DATES},
    {"numbers": "smooth", "bandwidth": 0.05, **DATES},
    {"numbers": "smooth", "bandwidth": 0.2, **DATES},
]


def main() -> int:
    packed = files("hdc.apps.demo").joinpath("data", "earthquakes.jsonl.gz").read_bytes()
    events = [json.loads(line) for line in gzip.decompress(packed).splitlines()]
    events = [event for event in events if isinstance(event["properties"].get("mag"), int | float)]
    folds = list(KFold(FOLDS, shuffle=True, random_state=0).split(events))
    print(f"{len(events)} events, {FOLDS} folds\n")
    print(f"{'':60} {'neighbors':>38}  {'depth':>16}")
    print(f"{'':60} {'recall':>7}{'rank':>7}{'km':>7}{'mag':>7}{'hours':>9}  {'error km':>9}{'rank':>7}")
    for name, similarities in methods():
        recall, agreement, differences = neighbors(similarities, events, folds)
        error, rank = depth(similarities, events, folds)
        found = "{:7.0f}{:7.2f}{:9.1f}".format(*differences)
        print(f"{name:60} {recall:7.3f}{agreement:7.3f}{found}  {error:9.2f}{rank:7.3f}", flush=True)
    return 0


def methods() -> list[tuple[str, Similarities]]:
    hashed = [("TF-IDF, exact tokens", hashable_tokens), ("TF-IDF, numbers to two digits", rounded_tokens)]
    return [
        *((name, lambda known, asked, tokens=tokens: by_tfidf(tokens, known, asked)) for name, tokens in hashed),
        *((title(p), lambda known, asked, p=p: by_vectors(JSONEncoder(**p), known, asked)) for p in ENCODERS),
        ("standardized columns", by_columns),
    ]


def title(parameters: dict[str, Any]) -> str:
    options = [f"{key}={value if key != 'convert' else 'dates'}" for key, value in parameters.items()]
    return f"JSONEncoder, {', '.join(options) or 'default'}"


# ---------------------------------------------------------------------- tasks


def neighbors(similarities: Similarities, events: list[Any], folds: list[Any]) -> tuple[float, float, Matrix]:
    """Return recall, rank correlation, and the median differences of the nearest: km, magnitudes, hours."""
    documents = [place_size_time(event) for event in events]
    recalls, ranks, differences = [], [], []
    for train, test in folds:
        apart = parts_apart([events[i] for i in test], [events[i] for i in train])
        distances = np.sqrt(((apart / SCALES) ** 2).sum(axis=-1))
        found = similarities([documents[i] for i in train], [documents[i] for i in test])
        true, given = nearest(-distances, NEAREST), nearest(found, NEAREST)
        recalls += [len({*one} & {*other}) / NEAREST for one, other in zip(true, given, strict=True)]
        ranks += row_correlations(-distances, found)
        differences.append(apart[np.arange(len(test)), given[:, 0]])
    medians = np.median(np.concatenate(differences), axis=0)
    return float(np.mean(recalls)), float(np.mean(ranks)), medians * [1, 1, 24]


def depth(similarities: Similarities, events: list[Any], folds: list[Any]) -> tuple[float, float]:
    """Return median absolute error and Spearman's correlation of predicted depths."""
    documents = [without_depth(event) for event in events]
    truth = np.array([event["geometry"]["coordinates"][2] for event in events])
    predicted = np.empty_like(truth)
    for train, test in folds:
        found = similarities([documents[i] for i in train], [documents[i] for i in test])
        predicted[test] = np.median(truth[train][nearest(found, VOTERS)], axis=1)
    return float(np.median(np.abs(predicted - truth))), float(spearmanr(predicted, truth).statistic)


def place_size_time(event: Any) -> Any:
    properties = event["properties"]
    moment = datetime.fromtimestamp(properties["time"] / 1000, UTC).isoformat(timespec="milliseconds")
    time = moment.replace("+00:00", "Z")
    return {"mag": properties["mag"], "time": time, "coordinates": event["geometry"]["coordinates"][:2]}


def without_depth(event: Any) -> Any:
    return {"properties": event["properties"], "coordinates": event["geometry"]["coordinates"][:2]}


def parts_apart(some: list[Any], others: list[Any]) -> Matrix:
    """Return great-circle km, magnitudes and days between events: ``(some, others, 3)``."""
    columns = [np.array([event["geometry"]["coordinates"][:2] for event in events]) for events in (some, others)]
    one, other = (np.radians(places)[:, ::-1] for places in columns)
    (north, east), (to_north, to_east) = one.T[:, :, None], other.T[:, None, :]
    half = np.sin((to_north - north) / 2) ** 2 + np.cos(north) * np.cos(to_north) * np.sin((to_east - east) / 2) ** 2
    km = 2 * EARTH * np.arcsin(np.sqrt(np.minimum(half, 1)))
    size, time = (
        np.abs(np.subtract.outer(*([event["properties"][key] for event in events] for events in (some, others))))
        for key in ("mag", "time")
    )
    return np.stack([km, size, time / 86_400_000], axis=-1)


def nearest(similarities: Matrix, count: int) -> npt.NDArray[np.int64]:
    return np.argsort(-similarities, axis=1, kind="stable")[:, :count]


def row_correlations(truth: Matrix, found: Matrix) -> list[float]:
    """Return Spearman's correlation of each row; 0 where all found are alike."""
    one, other = (rankdata(values, axis=1) for values in (truth, found))
    one -= one.mean(axis=1, keepdims=True)
    other -= other.mean(axis=1, keepdims=True)
    lengths = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    return list((one * other).sum(axis=1) / np.where(lengths > 0, lengths, 1))


# ---------------------------------------------------------------------- methods


def by_vectors(encoder: JSONEncoder, known: list[Any], asked: list[Any]) -> Matrix:
    vectors = normalize(encoder.fit_transform(known))
    return np.asarray(normalize(encoder.transform(asked)) @ vectors.T)


def by_tfidf(tokens: Callable[[Any], list[str]], known: list[Any], asked: list[Any]) -> Matrix:
    pipeline = tfidf()
    vectors = pipeline.fit_transform([tokens(document) for document in known])
    return np.asarray((pipeline.transform([tokens(document) for document in asked]) @ vectors.T).toarray())


def rounded_tokens(document: Any) -> list[str]:
    return hashable_tokens(json.loads(json.dumps(document), parse_float=two_digits, parse_int=two_digits))


def two_digits(text: str) -> float:
    return float(f"{float(text):.1e}")


def by_columns(known: list[Any], asked: list[Any]) -> Matrix:
    scaler = StandardScaler().fit(columns(known))
    one, other = scaler.transform(columns(asked)), scaler.transform(columns(known))
    return np.asarray(-((one[:, None] - other) ** 2).sum(axis=-1))


def columns(documents: list[Any]) -> Matrix:
    rows = []
    for document in documents:
        properties = document.get("properties", document)
        time = properties["time"]
        seconds = datetime.fromisoformat(time).timestamp() if isinstance(time, str) else time / 1000
        rows.append([properties["mag"], seconds, *document["coordinates"]])
    return np.array(rows)


if __name__ == "__main__":
    sys.exit(main())
