"""Orthogonal axes that few bits describe well: principal axes, rotated among those with equally many bits.

Variances differ most along principal axes, so bits can go where they matter most. But a component along a principal
axis may have heavy tails or clusters. A random rotation among axes of similar variance makes each component a sum of
many, so it is nearly normal, and loses little of the benefit of unequal variances.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.base import Floats, blocks
from hdc.apps.retrieval.vectors.rows import finite

Numbers = npt.NDArray[np.float64]

SAMPLE = 1 << 14
"""Most vectors that the covariance is computed from."""


def sampled_rows(rows: Any, rng: np.random.Generator) -> Floats:
    """Return a random sample of the rows, without replacement, in random order."""
    chosen = rng.permutation(len(rows))[:SAMPLE]
    if len(chosen) < len(rows):
        return finite(rows[np.sort(chosen)], 0)[np.argsort(np.argsort(chosen))]
    return finite(rows[:], 0)[chosen]


def principal(sample: Floats, mean: Floats) -> tuple[Numbers, Numbers]:
    """Return the variances, descending, and the principal axes, as columns, of centered vectors.

    Variances are shrunk by the oracle-approximating rule (Chen, Wiesel, Eldar & Hero 2010). In a small sample the
    largest variances are too large, and many are zero that should not be.

    Returns
    -------
    variances : (d,) float64 array
    axes : (d, d) float64 array
    """
    d = len(mean)
    covariance = np.zeros((d, d))
    for part in blocks(len(sample), 16 * d):
        centered = sample[part] - mean
        covariance += centered.T @ centered
    variances, axes = np.linalg.eigh(covariance / len(sample))
    variances, axes = np.maximum(variances[::-1], 0), axes[:, ::-1]
    return _shrunk(variances, len(sample)), axes


def _shrunk(variances: Numbers, n: int) -> Numbers:
    d, total, squares = len(variances), variances.sum(), (variances**2).sum()
    spread = squares - total**2 / d
    bottom = (n + 1 - 2 / d) * spread
    share = 1.0 if bottom <= 0 else min(1.0, ((1 - 2 / d) * squares + total**2) / bottom)
    drawn: Numbers = (1 - share) * variances + share * total / d
    return drawn


def mixed(
    variances: Numbers, axes: Numbers, groups: npt.NDArray[np.int64], rng: np.random.Generator
) -> tuple[Numbers, Numbers]:
    """Rotate axes at random within each group of ``groups``; return the axes' variances, and the axes."""
    variances, axes = variances.copy(), axes.copy()
    for number in np.unique(groups):
        own = groups == number
        axes[:, own] = np.dot(axes[:, own], random_rotation(int(own.sum()), rng))
        variances[own] = variances[own].mean()
    return variances, axes


def random_rotation(size: int, rng: np.random.Generator) -> Numbers:
    """Return a uniformly random orthogonal matrix (Stewart 1980)."""
    q, r = np.linalg.qr(rng.standard_normal((size, size)))
    return np.asarray(q * np.where(np.diag(r) < 0, -1, 1))
