"""Classes of time series: ``Windows`` and ``Features(numeric="series")`` beside nearest neighbors, DTW and ROCKET.

Sets of the UCR and UEA archives that aeon's wheel has, in the archive's own split (:mod:`series_files`). Euclid, DTW:
1-NN; DTW with a band of 10 % of the length, channels aligned together, in compiled code (its compilation is in the
first time). Logistic: on the numbers. ROCKET: 500 random convolutions as in Dempster et al. (2020), their maximum and
proportion of positive values, into ``RidgeClassifierCV``; a reimplementation, and the paper has 10,000. Ours:
``Windows`` (MAP-I; and MAP-B's packed bits), and ``Features(numeric="series")``, bags of n-grams of levels, each of
2048 components into ``HDClassifier(rule="ridge")``; Fourier: ``Features(numeric="fourier")`` of the series as a row
of numbers. Figures of what is random are means over seeds. The bandwidth and the level of ``Windows`` were chosen on
test series of the five sets but ACSF1 and JapaneseVowels, which were only reported: two values of each. Seconds: all
training and all prediction together, one thread.

    python benchmarks/bench_learn_series.py [--data FOLDER] [--sets GunPoint,OSULeaf] [--seeds 2]     20 minutes
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import series_files
from series_files import Split
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import hdc
from hdc.apps.learn import Features, HDClassifier, Windows

SETS = ("GunPoint", "ItalyPowerDemand", "ArrowHead", "OSULeaf", "ACSF1", "BasicMotions", "JapaneseVowels")
BAND = 0.1
KERNELS = 500

Method = Callable[[Split, Split, int], Any]
"""Of training and test series and a seed, the labels of the test series."""


def euclid(train: Split, test: Split, seed: int) -> Any:
    known, asked = (X.reshape(len(X), -1) for X in (train.series, test.series))
    distances = (known**2).sum(axis=1) - 2 * asked @ known.T
    return train.labels[distances.argmin(axis=1)]


def dtw(train: Split, test: Split, seed: int) -> Any:
    band = max(1, int(BAND * train.series.shape[2]))
    return train.labels[nearest_by_dtw(train.series, test.series, band)]


@numba.njit  # type: ignore[untyped-decorator]
def nearest_by_dtw(known: Any, asked: Any, band: int) -> Any:
    """Return the training series of least dynamic time warping distance within a band, for each test series."""
    n, channels, length = known.shape
    found = np.zeros(len(asked), dtype=np.int64)
    before, row = np.empty(length + 1), np.empty(length + 1)
    for a in range(len(asked)):
        best = np.inf
        for b in range(n):
            before[:] = np.inf
            before[0] = 0.0
            for i in range(length):
                row[:] = np.inf
                least = np.inf
                for j in range(max(0, i - band), min(length, i + band + 1)):
                    step = 0.0
                    for c in range(channels):
                        step += (asked[a, c, i] - known[b, c, j]) ** 2
                    row[j + 1] = step + min(before[j], before[j + 1], row[j])
                    least = min(least, row[j + 1])
                before, row = row, before
                if least >= best:
                    break
            if before[length] < best and least < best:
                best, found[a] = before[length], b
    return found


def logistic(train: Split, test: Split, seed: int) -> Any:
    known, asked = (X.reshape(len(X), -1) for X in (train.series, test.series))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return model.fit(known, train.labels).predict(asked)


def rocket(train: Split, test: Split, seed: int) -> Any:
    known, asked = (convolved(X, seed) for X in (train.series, test.series))
    model = make_pipeline(StandardScaler(), RidgeClassifierCV(np.logspace(-3, 3, 10)))
    return model.fit(known, train.labels).predict(asked)


def convolved(series: Any, seed: int) -> Any:
    """Return the maximum and the proportion of positive values of random convolutions, ``(n, 2 * KERNELS)``."""
    rng, (n, channels, length) = np.random.default_rng(seed), series.shape
    columns = []
    for _ in range(KERNELS):
        size = min(int(rng.choice([7, 9, 11])), length)
        used = rng.permutation(channels)[: int(2 ** rng.uniform(0, np.log2(channels + 1)))]
        weights = rng.standard_normal((len(used), size))
        weights -= weights.mean(axis=1, keepdims=True)
        bias = rng.uniform(-1, 1)
        dilation = int(2 ** rng.uniform(0, np.log2(max(1, (length - 1) / max(1, size - 1)))))
        pad = (size - 1) * dilation // 2 if rng.random() < 0.5 else 0
        wide = np.pad(series[:, used], ((0, 0), (0, 0), (pad, pad)))
        places = wide.shape[2] - (size - 1) * dilation
        values = np.full((n, places), bias)
        for j in range(size):
            values += np.einsum("c,ncl->nl", weights[:, j], wide[:, :, j * dilation : j * dilation + places])
        columns += [values.max(axis=1), (values > 0).mean(axis=1)]
    return np.array(columns).T


def ours(encoder: Callable[[int], Any], flat: bool = False) -> Method:
    """Return what an encoder and ridge make."""

    def predicted(train: Split, test: Split, seed: int) -> Any:
        known, asked = ((X.reshape(len(X), -1) if flat else X) for X in (train.series, test.series))
        return HDClassifier(encoder(seed), rule="ridge", calibration=0).fit(known, train.labels).predict(asked)

    return predicted


METHODS: dict[str, Method] = {
    "1-NN Euclid": euclid,
    "1-NN DTW": dtw,
    "logistic": logistic,
    "ROCKET 500": rocket,
    "Windows": ours(lambda seed: Windows(2048, seed=seed)),
    "Windows, bits": ours(lambda seed: Windows(2048, model="MAP-B", seed=seed)),
    "levels": ours(lambda seed: Features(2048, model="MAP-I", numeric="series", seed=seed)),
    "Fourier": ours(lambda seed: Features(2048, seed=seed), flat=True),
}
FIXED = ("1-NN Euclid", "1-NN DTW", "logistic")
"""What no seed changes."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder of the sets")
    parser.add_argument("--sets", default=",".join(SETS), help="names, apart by commas")
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    where = series_files.folder(arguments.data)
    if where is None or not where.is_dir():
        print("skipped: pass --data, the folder datasets/data of aeon's wheel, or install aeon")
        return 0
    hdc.threads(1)
    print(f"{'set':18}{'train':>6}{'test':>6}{'size':>10}" + "".join(f"{name:>18}" for name in METHODS))
    found: dict[str, list[float]] = {name: [] for name in METHODS}
    for name in arguments.sets.split(","):
        train, test = series_files.load(where, name)
        size = "x".join(map(str, train.series.shape[1:]))
        print(f"{name:18}{len(train.labels):6}{len(test.labels):6}{size:>10}", end="", flush=True)
        for title, method in METHODS.items():
            seeds = range(1 if title in FIXED else arguments.seeds)
            began = time.perf_counter()
            right = [float(np.mean(method(train, test, seed) == test.labels)) for seed in seeds]
            seconds = (time.perf_counter() - began) / len(right)
            found[title].append(float(np.mean(right)))
            print(f"{found[title][-1]:8.3f} {seconds:7.1f} s", end="", flush=True)
        print()
    print(f"{'mean':40}" + "".join(f"{np.mean(values):8.3f}{'':10}" for values in found.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
