"""Draw the JSON tutorial's figures from the data in the package: ``python docs/figures/json_figures.py``.

Needs the extra ``plot``. Every figure is read without color: groups differ in marker and lightness.
"""

from importlib.resources import files
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from hdc.apps.json import JSONEncoder, JSONIndex, read

IMAGES = Path(__file__).parent.parent / "images"

QUERY = {"properties": {"mag": 5, "time": 1517932800000}, "geometry": {"coordinates": [121.6, 24.0]}}
"""A quake of about magnitude 5 near 24.0 N 121.6 E, on 6 February 2018 at 16:00."""

WEIGHTS = {"properties.net": 0, "properties.magType": 0, "properties.status": 0, "id": 0}
"""Weights that leave out who measured an event and how."""

GROUPS = {"Amazon S3": "o", "AWS Lambda": "^", "Amazon Athena": "D", "IAM": "v", "Route 53": "P"}
"""Services that the map of operations shows, each with its marker."""

DIMS = (128, 256, 512, 1024, 2048)


def load(name: str) -> list[Any]:
    """Read the documents of one collection."""
    return [record.document for record in read([str(files("hdc.apps.demo") / "data" / f"{name}.jsonl.gz")])]


def explanation(quakes: list[Any]) -> Figure:
    """Draw the shares of the best answer to ``QUERY``: one bar for each field that was asked for."""
    index = JSONIndex(JSONEncoder().fit(quakes)).add(quakes)
    hit = index.search(QUERY, 1)[0]
    reasons = index.explain(QUERY, hit)[::-1]
    figure, axes = _axes(7, 2.4)
    bars = axes.barh([reason.path for reason in reasons], [reason.share for reason in reasons], color="0.45")
    axes.bar_label(bars, [f"{reason.query} ~ {reason.match}" for reason in reasons], padding=4)
    axes.set(
        xlim=(0, 0.5), xlabel="share of the score", title=f"{hit.document['properties']['place']}: {hit.score:.2f}"
    )
    return figure


def neighbors(quakes: list[Any]) -> Figure:
    """Draw the strongest quake and its nearest documents on a map, over all others of the region."""
    index = JSONIndex(JSONEncoder(weights=WEIGHTS).fit(quakes)).add(quakes)
    strongest = max(range(len(quakes)), key=lambda number: quakes[number]["properties"]["mag"])
    hits = index.like(strongest, 10)
    figure, axes = _axes(7, 3.9)
    axes.scatter(*_places(quakes), s=9, color="0.75", label="all events of the week")
    near = axes.scatter(
        *_places([hit.document for hit in hits]), s=50, facecolors="none", edgecolors="k", linewidths=1.3
    )
    near.set_label("10 most similar documents")
    axes.scatter(*_places([quakes[strongest]]), s=130, marker="*", color="C3", edgecolors="k", label="magnitude 6.4")
    axes.set(xlim=(-180, 180), ylim=(-60, 75), xlabel="longitude", ylabel="latitude")
    axes.legend(loc="lower left", frameon=True)
    zoom = axes.inset_axes((0.57, 0.1, 0.33, 0.45), xlim=(121.45, 121.95), ylim=(23.85, 24.3))
    zoom.scatter(*_places(quakes), s=9, color="0.75")
    zoom.scatter(*_places([hit.document for hit in hits]), s=50, facecolors="none", edgecolors="k", linewidths=1.3)
    zoom.scatter(*_places([quakes[strongest]]), s=130, marker="*", color="C3", edgecolors="k")
    zoom.tick_params(labelsize=7)
    zoom.set_title("Hualian, Taiwan", fontsize=8)
    return figure


def decoding(quakes: list[Any]) -> Figure:
    """Draw how often a value is read back rightly, against the dimension: predicted and measured."""
    sample, paths = quakes[:200], {"properties.net": "o", "properties.magType": "s", "properties.status": "^"}
    found: dict[str, list[tuple[float, float]]] = {path: [] for path in paths}
    for dim in DIMS:
        encoder = JSONEncoder(dim).fit(quakes)
        vectors = encoder.transform(sample)
        predicted = {row.path: row.accuracy for row in encoder.capacity(sample).paths}
        for path, rows in found.items():
            name = path.rpartition(".")[2]
            answers = [answer[0].value for answer in encoder.decode(vectors, path)]
            truth = [quake["properties"][name] for quake in sample]
            rows.append((predicted[path], float(np.mean([a == b for a, b in zip(answers, truth, strict=True)]))))
    figure, axes = _axes(7, 3.4)
    for gray, (path, rows) in zip(("0", "0.35", "0.6"), found.items(), strict=True):
        axes.plot(DIMS, [expected for expected, _ in rows], color=gray)
        axes.plot(DIMS, [right for _, right in rows], paths[path], color=gray, label=path)
    axes.set_xscale("log", base=2)
    axes.set_xticks(DIMS, [str(dim) for dim in DIMS])
    axes.set(xlabel="dimension", ylabel="read back rightly", title="lines: capacity(), markers: decode()")
    axes.legend(loc="lower right")
    return figure


def operations_map(operations: list[Any]) -> Figure:
    """Draw the two main axes of the vectors of some services' operations."""
    shown = [operation for operation in operations if operation["service"] in GROUPS]
    vectors = JSONEncoder().fit_transform([features(operation) for operation in shown])
    centered = vectors - vectors.mean(axis=0)
    left, sizes, _ = np.linalg.svd(centered, full_matrices=False)
    places = left[:, :2] * sizes[:2]
    places *= np.sign(places[np.abs(places).argmax(axis=0), [0, 1]])  # the decomposition leaves the signs open
    east, north = places.T
    figure, axes = _axes(7, 4.2)
    for number, (service, marker) in enumerate(GROUPS.items()):
        of = np.array([operation["service"] == service for operation in shown])
        axes.scatter(
            east[of],
            north[of],
            s=26,
            marker=marker,
            color=mpl.colormaps["viridis"](number / 4),
            edgecolors="k",
            linewidths=0.4,
            label=service,
        )
    axes.set(xlabel="first principal axis", ylabel="second principal axis")
    axes.legend()
    return figure


def features(operation: Any) -> Any:
    """Return what the classifier may see of an operation: not its service, nor the texts that name it."""
    return {name: operation[name] for name in ("input", "output", "errors")}


def main() -> None:
    """Draw all figures into ``docs/images``."""
    quakes, operations = load("earthquakes"), load("operations")
    for draw, documents in (
        (explanation, quakes),
        (neighbors, quakes),
        (decoding, quakes),
        (operations_map, operations),
    ):
        draw(documents).savefig(IMAGES / f"json_{draw.__name__}.png", dpi=110)


def _axes(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure((width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _places(quakes: list[Any]) -> tuple[list[float], list[float]]:
    """Return longitudes and latitudes."""
    points = [quake["geometry"]["coordinates"] for quake in quakes]
    return [point[0] for point in points], [point[1] for point in points]


if __name__ == "__main__":
    main()
