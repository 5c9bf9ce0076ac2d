"""R2 and training time of HDRegressor beside scikit-learn's regressors, on three tables that need no download.

``diabetes`` (442 rows, ten columns, nearly linear), ``friedman`` (Friedman 1991: five of ten columns matter, two of
them by a product in a sine; noise 1) and ``wave`` (``sin(3 x) * y`` in a square, noise .1; 1500 rows each). Means of
three folds. All have their defaults but for what is said in ``LEARNERS``.

Run: ``OMP_NUM_THREADS=1 python benchmarks/bench_learn_regression.py [--dim 2048]``
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.datasets import load_diabetes, make_friedman1
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from hdc.apps.learn import Features, HDRegressor

Numbers = npt.NDArray[np.float64]


def _vectors() -> Any:
    """Return a support vector machine whose C and width are chosen within the training part."""
    grid = {"svr__C": [1, 10, 100, 1000], "svr__gamma": ["scale", 1.0]}
    return GridSearchCV(make_pipeline(StandardScaler(), SVR()), grid, cv=3)


LEARNERS: dict[str, Callable[[int], Any]] = {
    "linear (RidgeCV)": lambda dim: make_pipeline(StandardScaler(), RidgeCV()),
    "SVR, C and gamma searched": lambda dim: _vectors(),
    "boosting": lambda dim: HistGradientBoostingRegressor(random_state=0),
    "HDRegressor ridge": lambda dim: HDRegressor(Features(dim)),
    "HDRegressor online": lambda dim: HDRegressor(Features(dim), rule="online"),
    "online, 6 models": lambda dim: HDRegressor(Features(dim), rule="online", models=6, rate=1.0),
    "online, one pass": lambda dim: HDRegressor(Features(dim), rule="online", epochs=1, rate=1.0),
    "6 models, one pass": lambda dim: HDRegressor(Features(dim), rule="online", models=6, epochs=1, rate=1.0),
}


def tables() -> dict[str, tuple[Numbers, Numbers]]:
    """Return features and targets of each table."""
    rng = np.random.default_rng(0)
    square = rng.uniform(-3, 3, (1500, 2))
    wave = np.sin(3 * square[:, 0]) * square[:, 1] + 0.1 * rng.standard_normal(1500)
    friedman = make_friedman1(1500, noise=1.0, random_state=0)
    return {"diabetes": load_diabetes(return_X_y=True), "friedman": friedman, "wave": (square, wave)}


def measured(learner: Any, X: Numbers, y: Numbers) -> tuple[float, float]:
    """Return the mean R2 of three folds, and seconds of learning."""
    scores, seconds = [], 0.0
    for known, new in KFold(3, shuffle=True, random_state=0).split(X):
        start = time.perf_counter()
        learner.fit(X[known], y[known])
        seconds += time.perf_counter() - start
        scores.append(learner.score(X[new], y[new]))
    return float(np.mean(scores)), seconds / 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dim", type=int, default=2048)
    dim = parser.parse_args().dim
    data = tables()
    HDRegressor(Features(64)).fit(data["wave"][0][:9], data["wave"][1][:9])  # load what the first one would
    print("| R2 (seconds to learn) | " + " | ".join(data) + " |")
    print("|---" * (len(data) + 1) + "|")
    for name, make in LEARNERS.items():
        found = [measured(make(dim), X, y) for X, y in data.values()]
        print(f"| {name} | " + " | ".join(f"{score:.3f} ({seconds:.2f})" for score, seconds in found) + " |")


if __name__ == "__main__":
    main()
