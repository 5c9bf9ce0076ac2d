"""Accuracy and training time of the rules of HDClassifier on the same rows, beside linear learners of the raw numbers.

Of each set three splits, 70 % to learn from; accuracy on the rest and seconds of learning are means of them. Rows are
packed signs of random Fourier features (``Features``), encoded once for all rules. Everything runs with the defaults of
``HDClassifier`` but for what a column says. ``neuralhd`` and ``disthd`` choose their components among twice as many.

Data: that of ``learn_data``; sets of numbers only.
Run: ``OMP_NUM_THREADS=1 python benchmarks/bench_learn_rules.py [--dim 2000] [--sets digits,vowel] [--rules glvq,bnn]``
"""

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from learn_data import digits, keel, keel_folder
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestCentroid
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from hdc.apps.learn import Features, HDClassifier

SETS = ("digits", "segment", "vowel", "satimage")
SPLITS = 3
SHARE = 0.3

RAW: dict[str, Callable[[], Any]] = {
    "raw logistic": lambda: LogisticRegression(max_iter=1000),
    "raw centroid": lambda: NearestCentroid(metric="euclidean"),
    "raw RBF SVM": lambda: SVC(C=10),
}
RULES: dict[str, dict[str, Any]] = {
    "centroid": {"rule": "centroid"},
    "adapt": {"rule": "adapt"},
    "online": {"rule": "online"},
    "margin": {"rule": "margin"},
    "refine": {"rule": "refine"},
    "ridge": {"rule": "ridge"},
    "lvq": {"rule": "lvq"},
    "glvq": {"rule": "glvq"},
    "bnn": {"rule": "bnn"},
    "margin signs": {"rule": "margin"},
    "neuralhd": {"rule": "margin", "regenerate": "neuralhd"},
    "disthd": {"rule": "margin", "regenerate": "disthd"},
    "half sparse": {"rule": "margin", "sparsity": 0.5},
}
"""Columns on hypervectors. ``margin signs`` predicts by the signs of class vectors, as ``bnn`` does."""

Split = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]
Score = tuple[float, float]


def table_of(name: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[Any]] | None:
    """Return numbers and classes of a set, or say what is missing and return None."""
    if name == "digits":
        found = digits()
        return found.numbers, found.labels
    folder = keel_folder()
    if folder is None:
        return None
    found = keel(folder, name)
    return found.numbers, found.labels


def splits(X: npt.NDArray[Any], y: npt.NDArray[Any]) -> Iterator[Split]:
    """Yield rows to learn from and to predict, and their classes, of each split."""
    for seed in range(SPLITS):
        yield tuple(train_test_split(X, y, test_size=SHARE, random_state=seed, stratify=y))


def raw_scores(split: Split, wanted: list[str]) -> dict[str, Score]:
    """Return accuracy and seconds of learners of the standardized numbers."""
    known, new, labels, truth = split
    scaler = StandardScaler().fit(known)
    return {name: _timed(RAW[name](), scaler.transform(known), labels, scaler.transform(new), truth) for name in wanted}


def rule_scores(split: Split, wanted: list[str], dim: int) -> dict[str, Score]:
    """Return accuracy and seconds of rules on hypervectors of the split."""
    known, new, labels, truth = split
    encoded: dict[int, tuple[Any, Any, Any]] = {}
    found = {}
    for name in wanted:
        size = 2 * dim if "regenerate" in RULES[name] else dim
        if size not in encoded:
            encoder = Features(size)
            encoded[size] = encoder.fit_transform(known), encoder.transform(new), encoder.vsa
        rows, others, vsa = encoded[size]
        learner = HDClassifier(vsa, calibration=0, **RULES[name])
        found[name] = _timed(learner, rows, labels, others, truth, signs=name.endswith("signs"))
    return found


def _timed(learner: Any, known: Any, labels: Any, new: Any, truth: Any, signs: bool = False) -> Score:
    start = time.perf_counter()
    learner.fit(known, labels)
    seconds = time.perf_counter() - start
    if signs:
        learner.weights_ = np.sign(learner.weights_)
    return float(np.mean(learner.predict(new) == truth)), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dim", type=int, default=2000)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--rules", default=",".join([*RAW, *RULES]))
    options = parser.parse_args()
    wanted = options.rules.split(",")
    if unknown := set(wanted) - {*RAW, *RULES}:
        parser.error(f"no such rules: {', '.join(sorted(unknown))}; there are {', '.join([*RAW, *RULES])}")
    warnings.filterwarnings("ignore", "self.within_class_std_dev_", UserWarning)  # pixels that are always 0
    results: dict[str, dict[str, list[Score]]] = {}
    for name in options.sets.split(","):
        data = table_of(name)
        if data is None:
            continue
        each = results[f"{name} {data[0].shape[0]} {data[0].shape[1]} {len(np.unique(data[1]))}"] = {}
        for split in splits(*data):
            scores = raw_scores(split, [one for one in wanted if one in RAW])
            scores |= rule_scores(split, [one for one in wanted if one in RULES], options.dim)
            for rule, score in scores.items():
                each.setdefault(rule, []).append(score)
    for title, place, form in (("accuracy", 0, "{:.3f}"), ("seconds to learn", 1, "{:.2f}")):
        print(f"\n| {title} | " + " | ".join(results) + " |")
        print("|---" * (len(results) + 1) + "|")
        for rule in wanted:
            means = (np.mean(each[rule], axis=0)[place] for each in results.values())
            print(f"| {rule} | " + " | ".join(form.format(mean) for mean in means) + " |")
    deviations = [np.std([s[0] for s in scores], ddof=1) for each in results.values() for scores in each.values()]
    if deviations:
        print(
            f"\nStandard deviation between splits: {np.median(deviations):.3f} (median), {max(deviations):.3f} (most)"
        )


if __name__ == "__main__":
    main()
