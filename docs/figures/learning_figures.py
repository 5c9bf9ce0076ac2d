"""Draw the figures of the tutorials on learning: ``python docs/figures/learning_figures.py``.

Needs the extras ``learn`` and ``plot``. They are read without color: learners and rules differ in marker and lightness.
"""

from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_breast_cancer, load_digits, load_wine

from hdc.apps.json import JSONEncoder, read
from hdc.apps.learn import Features, HDClassifier
from hdc.apps.learn.cli.trained import size
from hdc.apps.learn.comparison.baselines import GUESSES, baselines
from hdc.apps.learn.comparison.cross_validation import Contender, Outcome, evaluate, folds_of
from hdc.apps.learn.tables.frames import Rows, frame
from hdc.apps.learn.tables.schema import Schema

IMAGES = Path(__file__).parent.parent / "images"

MARKERS = {"hdc margin": "o", "logistic regression": "s", "RBF support vectors": "^", "gradient boosting": "D"}

RULES = {"centroid": ("o", "0.6"), "online": ("s", "0.4"), "margin": ("^", "0")}

BATCH = 100

LEAST = 0.92
"""Accuracies below are drawn at the edge, with their number."""


def tables() -> dict[str, tuple[Any, Any]]:
    """Return four tables of numbers: three that come with scikit-learn, and four rings that no line separates."""
    random = np.random.default_rng(0)
    radius, angle = np.repeat([1.0, 2.0, 3.0, 4.0], 200), random.uniform(0, 2 * np.pi, 800)
    rings = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1) + 0.2 * random.standard_normal((800, 2))
    return {
        "four rings": (rings, radius.astype(int)),
        "breast cancer": load_breast_cancer(return_X_y=True),
        "digits": load_digits(return_X_y=True),
        "wine": load_wine(return_X_y=True),
    }


def outcomes(X: Any, y: Any) -> list[Outcome]:
    """Return what ``hdc learn eval`` measures of a table of numbers, in five folds."""
    names = [f"column {column}" for column in range(X.shape[1])]
    schema = Schema("class", "classify", dict.fromkeys(names, "numeric"))
    rows = Rows(frame(dict(zip(names, np.asarray(X, dtype=np.float64).T, strict=True))), y)
    ours = Contender("hdc margin", lambda: HDClassifier(Features(4096)), size)
    others = [one for one in baselines(schema) if one.name not in GUESSES]
    found = evaluate(rows, [ours, *others], folds_of(rows, "classify", 5), "classify")
    return list({outcome.name: outcome for outcome in found}.values())


def opponents() -> Figure:
    """Draw accuracies on small tables: a row per table, a marker with its standard error per learner."""
    figure = Figure((7, 3), layout="constrained")
    axes = figure.subplots()
    known = tables()
    for place, (X, y) in enumerate(known.values()):
        for number, outcome in enumerate(outcomes(X, y)):
            at, color = place + 0.27 - 0.18 * number, "C0" if number == 0 else "0.35"
            shown = max(outcome.mean, LEAST)
            label = None if place else outcome.name
            axes.errorbar(
                shown, at, xerr=outcome.standard_error if shown == outcome.mean else 0, fmt=MARKERS[outcome.name],
                color=color, capsize=2, markersize=5, label=label,
            )  # fmt: skip
            if shown > outcome.mean:
                axes.annotate(
                    f"\u25c0 {outcome.mean:.2f}", (shown, at), (6, -3), textcoords="offset points", fontsize=8
                )
    axes.set_yticks(range(len(known)), list(known))
    axes.set(xlabel="accuracy, five folds: mean and standard error", xlim=(LEAST - 0.002, 1.002))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, loc="upper left")
    return figure


def operations() -> tuple[list[Any], Any]:
    """Return the demo's API operations in a random order, without their services, and the services."""
    records = read([str(files("hdc.apps.demo") / "data" / "operations.jsonl.gz")])
    documents = [dict(record.document) for record in records]
    services = np.array([document.pop("service") for document in documents])
    order = np.random.default_rng(0).permutation(len(documents))
    return [documents[row] for row in order], services[order]


def stream() -> Figure:
    """Draw how many documents of the next batch each rule gets right before it learns from them."""
    documents, services = operations()
    figure = Figure((7, 3), layout="constrained")
    axes = figure.subplots()
    for rule, (marker, color) in RULES.items():
        learner = HDClassifier(JSONEncoder(1024), rule=rule)
        learner.partial_fit(documents[:BATCH], services[:BATCH], classes=np.unique(services))
        starts = range(BATCH, len(documents), BATCH)
        right = []
        for start in starts:
            batch, known = documents[start : start + BATCH], services[start : start + BATCH]
            right.append(np.mean(learner.predict(batch) == known))
            learner.partial_fit(batch, known)
        axes.plot(starts, right, marker=marker, color=color, markersize=4, linewidth=1, label=rule)
    axes.set(xlabel="documents learned from, each once", ylabel="accuracy on the next 100", ylim=(0.5, 1.01))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(title="rule", fontsize=8, loc="lower right")
    return figure


FIGURES = {"learning_opponents.png": opponents, "learning_stream.png": stream}


def main() -> None:
    """Draw the figures into ``docs/images``."""
    for name, draw in FIGURES.items():
        draw().savefig(IMAGES / name, dpi=110)


if __name__ == "__main__":
    main()
