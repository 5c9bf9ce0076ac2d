"""Orthogonal axes in which few bits say most: principal ones, mixed among those that get equally many bits.

Along principal axes the variances differ most, so that bits can go where they count; but a component along one of them
may have heavy tails or lumps. A random rotation among axes of about equal variance makes each component the sum of
many, and nearly normal, at little loss of what the differences are worth.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.base import Floats, blocks
from hdc.apps.retrieval.vectors.rows import finite

Numbers = npt.NDArray[np.float64]

SAMPLE = 1 << 14
"""Vectors at most whose covariance is computed."""


def sampled_rows(rows: Any, rng: np.random.Generator) -> Floats:
    """Return some of the rows in a random order, drawn without replacement."""
    chosen = rng.permutation(len(rows))[:SAMPLE]
    if len(chosen) < len(rows):
        return finite(rows[np.sort(chosen)], 0)[np.argsort(np.argsort(chosen))]
    return finite(rows[:], 0)[chosen]


def principal(sample: Floats, mean: Floats) -> tuple[Numbers, Numbers]:
    """Return variances, descending, and principal axes, as columns, of vectors less their mean.

    The variances are drawn together as the oracle-approximating shrinkage says (Chen, Wiesel, Eldar & Hero 2010): of
    few vectors, the greatest are too great, and many are zero that are not.

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
    """Rotate axes at random among those of an equal number in ``groups``; return their variances, and the axes."""
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
