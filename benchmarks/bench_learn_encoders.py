"""Measure how fast rows of numbers become hypervectors, beside torchhd's encoders of the same kind and dimension.

Run ``python benchmarks/bench_learn_encoders.py``: two minutes, on one thread; ``--quick`` takes a tenth of the rows.
All encoders take their turn in each round, and medians count. The times of ``Features`` have all that ``transform``
does: the checks of scikit-learn and the scaling too. Of the density code the answers are compared first: torchhd gets
our roles, and has to give the same sums.
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

from measuring import ROUNDS, interleaved_medians, use_threads, versions

# measuring comes first: it quiets idle OpenMP threads, before anything loads them
# isort: split
import numpy as np
import torch
import torchhd
from torchhd import embeddings

import hdc
from hdc.apps.learn import Features

DIM = 10_000
LEVELS = 100
ROWS = {16: 256, 64: 128, 617: 16}
"""Rows of a batch by their columns: torchhd makes rows times columns times DIM floats."""

Run = Callable[[], Any]


def theirs(X: Any, roles: Any) -> dict[str, Run]:
    """Return torchhd's encoders of rows in float32, from 0 to 1."""
    columns = X.shape[1]
    rows = torch.from_numpy(X.astype(np.float32))
    level = embeddings.Level(LEVELS, DIM, low=0.0, high=1.0)
    keys = torchhd.MAPTensor(torch.from_numpy(roles.astype(np.float32)))
    density = embeddings.Density(columns, DIM)
    density.key.weight = torch.nn.Parameter(keys, requires_grad=False)
    sinusoid = embeddings.Sinusoid(columns, DIM)
    return {
        "torchhd ID-level": lambda: torchhd.hash_table(keys, level(rows)),
        "torchhd Density": lambda: density(rows),
        "torchhd Sinusoid": lambda: sinusoid(rows),
    }


def ours(X: Any) -> dict[str, Run]:
    """Return transformers that take rows from 0 to 1, their roles and matrices drawn."""
    chosen = {
        "level, MAP-B": Features(DIM, numeric="level", ranges=(0, 1)),
        "density, MAP-B": Features(DIM, numeric="density", ranges=(0, 1)),
        "density, MAP-I, kappa 3": Features(DIM, model="MAP-I", numeric="density", kappa=3, ranges=(0, 1)),
        "fourier, MAP-B": Features(DIM, ranges=(0, 1)),
        "fourier, MAP-I": Features(DIM, model="MAP-I", ranges=(0, 1)),
        "fourier, FHRR": Features(DIM // 2, model="FHRR", ranges=(0, 1)),
    }
    return {name: partial(features.transform, X) for name, features in chosen.items()}


def same_density(columns: int, roles: Any) -> bool:
    """Say whether torchhd's density code has our sums, of numbers that float32 does not round to another step."""
    X = np.random.default_rng(1).integers(0, DIM + 1, (4, columns)) / DIM
    features = Features(DIM, model="MAP-I", numeric="density", ranges=(0, 1))
    return bool(np.array_equal(features.transform(X), theirs(X, roles)["torchhd Density"]().numpy()))


def main() -> None:
    """Print a table of times per row, rows per second, and how many times longer each of torchhd's encoders takes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    quick = parser.parse_args().quick
    use_threads(1)
    print(", ".join(f"{name} {value}" for name, value in versions().items()))
    for columns, rows in ROWS.items():
        X = np.random.default_rng(0).random((max(1, rows // 10) if quick else rows, columns))
        vsa = hdc.create("MAP-I", DIM)
        roles = np.stack([vsa.role(("column", column)) for column in range(columns)])
        rivals = theirs(X, roles)
        print(f"\n{columns} columns, {len(X)} rows, D={DIM}; density codes agree: {same_density(columns, roles)}")
        parts = rivals | ours(X)
        medians = interleaved_medians(parts, dict.fromkeys(parts, ROUNDS), least=0.05)
        for name, seconds in medians.items():
            times = "".join(f" {medians[rival] / seconds:8.1f}" for rival in rivals)
            print(f"{name:26} {1e6 * seconds / len(X):10.1f} us/row {len(X) / seconds:12.0f} rows/s {times}")


if __name__ == "__main__":
    main()
