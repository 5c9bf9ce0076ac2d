"""Regression that goes from row to row: RegHD (Hernandez-Cano et al. 2021), with one model or several.

A row h of length 1 has confidences c in k clusters, a softmax of its cosines with their centers; its prediction is
``intercept + sum_j c_j <h, M_j>``. A row of error e moves model j by ``rate * weight * e * c_j * h`` and the intercept
by ``rate * weight * e``. Two things differ from the paper. The error is the one after the step (an implicit step, Kulis
and Bartlett 2010), so that no rate and no weight makes it diverge. Centers are found by k-means beforehand, and stay.

Errors of a block of rows come from one triangular system instead of a loop: the error of a row is that of the models
before the block less what the rows before it, and itself, have added, which are products of rows that are known.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hdc.apps.learn.rows import Rows
from hdc.apps.learn.rules.settings import Counts, Floats

Doubles = npt.NDArray[np.float64]

TOGETHER = 64
"""Rows per triangular system: its cost grows with their square, but a matrix product needs some."""


class Models(NamedTuple):
    """The learned state.

    Attributes
    ----------
    centers : (k, dim) float32
        Of length 1.
    weights : (k, targets, dim) float32
    intercept : (targets,) float64
    """

    centers: Floats
    weights: Floats
    intercept: Doubles


@dataclass(frozen=True)
class StepSettings:
    """How models learn.

    Attributes
    ----------
    epochs : int
    rate : float
        Of the first epoch; it falls to a tenth along a line.
    sharpness : float
        What cosines with centers are multiplied by, before the softmax.
    seed : int
    """

    epochs: int = 20
    rate: float = 0.3
    sharpness: float = 10.0
    seed: int = 0


def empty(centers: Floats, targets: int) -> Models:
    """Return models of zeros."""
    return Models(centers, np.zeros((len(centers), targets, centers.shape[1]), dtype=np.float32), np.zeros(targets))


def fit(rows: Rows, targets: Doubles, sample_weight: Floats, settings: StepSettings, start: Models) -> Models:
    """Go over rows in a new random order each epoch."""
    rng, models = np.random.default_rng(settings.seed), start
    for epoch in range(settings.epochs):
        rate = settings.rate * (1 - 0.9 * epoch / max(1, settings.epochs - 1))
        order = rng.permutation(len(rows))
        models = partial(rows, targets, sample_weight, models, rate, settings.sharpness, order)
    return models


def partial(
    rows: Rows,
    targets: Doubles,
    sample_weight: Floats,
    models: Models,
    rate: float,
    sharpness: float,
    order: Counts | None = None,
) -> Models:
    """Go over rows once, as they come or in an order."""
    weights, intercept = models.weights.copy(), models.intercept.copy()
    for which, block in rows.blocks(order):
        trust = confidences(block @ models.centers.T, sharpness)
        expected, steps = targets[which], rate * sample_weight[which].astype(np.float64)
        for start in range(0, len(block), TOGETHER):
            part = slice(start, start + TOGETHER)
            h, c = block[part], trust[part]
            residual = expected[part] - predicted(h, c, weights) - intercept
            moves = steps[part, None] * _errors(h, c, residual, steps[part])
            intercept += moves.sum(axis=0)
            for j, model in enumerate(weights):
                model += (moves * c[:, j : j + 1]).T.astype(np.float32) @ h
    return Models(models.centers, weights, intercept)


def _errors(h: Floats, c: Floats, residual: Doubles, steps: Doubles) -> Doubles:
    """Return the error of each row after its own step, ``(n, targets)``."""
    from scipy.linalg import solve_triangular

    products = ((h @ h.T) * (c @ c.T)).astype(np.float64) + 1  # of rows and models, and of the intercept
    system = np.tril(products) * steps + np.eye(len(h))
    return np.asarray(solve_triangular(system, residual, lower=True, check_finite=False))


def confidences(cosines: Floats, sharpness: float) -> Floats:
    """Return the softmax of cosines with centers, ``(n, k)`` float32."""
    scores = sharpness * cosines
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def predicted(block: Floats, trust: Floats, weights: Floats) -> Doubles:
    """Return predictions less the intercept, ``(n, targets)``."""
    out = np.zeros((len(block), weights.shape[1]))
    for j, model in enumerate(weights):
        out += trust[:, j : j + 1] * (block @ model.T)
    return out
