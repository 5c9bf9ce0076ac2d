"""Accuracy with flipped bits of the model: class vectors of 1, 2 and 4 bits beside logistic regression in 8 bits.

Each model is learned once, from 70 % of the rows, and predicts the rest, at most 600 rows, with 0 to 20 % of its bits
flipped, five times each. Ours: ``HDClassifier`` with random Fourier features or the density code, as ``BitClassifier``;
flipped are the class vectors alone, or the tables of the encoder, too. Logistic regression, on standardized features,
has weights and intercepts of 8 bits, one scale for all, all of which are flipped.
Data: scikit-learn's digits, and ``keel`` of ``HDC_BENCH_DATA`` (see ``learn_data``).
Run ``HDC_BENCH_DATA=... python benchmarks/bench_learn_flips.py [-o FILE] [--plot FILE]``: about two minutes.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from learn_data import digits, keel, keel_folder
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hdc.apps.learn import Features, HDClassifier
from hdc.apps.learn.bits import BitClassifier, Flips, accuracy_under_flips
from hdc.apps.learn.bits.flips import flip_bits
from hdc.apps.learn.bits.robustness import SHARES, save

SETS = ("segment", "satimage", "vowel")
DIM = 4096
REPEATS = 5
TEST = 600
PLANES = (1, 2, 4)

Real = npt.NDArray[np.float64]


def logistic(X: Real, y: Any, test: Real, truth: Any) -> tuple[Flips, int]:
    """Return the accuracy of logistic regression with weights of 8 bits, and its bytes."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000)).fit(X, y)
    linear = model[-1]
    weights = np.column_stack([linear.coef_, linear.intercept_])
    scale = np.abs(weights).max() / 127
    small = np.rint(weights / scale).astype(np.int8)
    rows = np.column_stack([model[0].transform(test), np.ones(len(test))])
    accuracy = np.empty((len(SHARES), REPEATS))
    for s, share in enumerate(SHARES):
        for seed in range(REPEATS):
            scores = rows @ flip_bits(small, share, np.random.default_rng(seed)).astype(np.float64).T
            best = scores.argmax(axis=1) if scores.shape[1] > 1 else (scores[:, 0] > 0).astype(int)
            accuracy[s, seed] = np.mean(linear.classes_[best] == truth)
    return Flips(np.array(SHARES), accuracy), small.nbytes


def measured(X: Real, y: Any) -> tuple[dict[str, Flips], list[list[Any]]]:
    """Return what every model keeps, and rows of a table."""
    train, test, labels, truth = train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)
    test, truth = test[:TEST], truth[:TEST]
    found, size = logistic(train, labels, test, truth)
    kept, rows = {"logistic regression, 8 bits": found}, [["logistic regression, 8 bits", size]]
    for numeric in ("fourier", "density"):
        learned = HDClassifier(Features(DIM, numeric=numeric)).fit(train, labels)
        for bits in PLANES:
            model = BitClassifier.of_classifier(learned, bits, train)
            for parts in (["classes"], ["classes", "tables"]):
                name = f"{numeric}, {bits} bit{'s' * (bits > 1)}, {' and '.join(parts)}"
                kept[name] = accuracy_under_flips(model, test, truth, SHARES, repeats=REPEATS, parts=parts)
                rows.append([name, model.planes.nbytes if parts == ["classes"] else model.bytes])
    for row in rows:
        row += [round(float(value), 4) for value in kept[row[0]].accuracy.mean(axis=1)]
    return kept, rows


def print_table(title: str, rows: Sequence[Sequence[Any]]) -> None:
    print(f"\n{title}\n\n| model | bytes flipped | " + " | ".join(f"{share:.0%}" for share in SHARES) + " |")
    print("|---" * (len(SHARES) + 2) + "|")
    for name, size, *accuracy in rows:
        print(f"| {name} | {size:,} | " + " | ".join(f"{value:.3f}" for value in accuracy) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, help="write the numbers as JSON")
    parser.add_argument("--plot", type=Path, help="write the figure: .png, .svg or .pdf")
    arguments = parser.parse_args()
    folder = keel_folder()
    tables = [digits(), *(keel(folder, name) for name in SETS if folder is not None)]
    panels, results = {}, {}
    for table in tables:
        kept, rows = measured(table.numbers, table.labels)
        results[table.name] = rows
        print_table(f"{table.name}: {len(table)} rows, {table.features} features, {table.classes} classes", rows)
        shown = [name for name in kept if "2 bits" not in name and "density" not in name]
        panels[table.name] = {name: kept[name] for name in shown}
    if arguments.output is not None:
        arguments.output.write_text(json.dumps({"shares": SHARES, "accuracy": results}, indent=1))
    if arguments.plot is not None:
        save(panels, arguments.plot)


if __name__ == "__main__":
    main()
