"""Ridge regression; of class indicators the read-out of intRVFL (Kleyko 2020), a least-squares support vector machine.

With rows h of unit length, weights W and intercepts b minimize ``sum w |h @ W + b - y|**2 + alpha |W|**2``. For
classes, y is 1 for the class of a row and -1 for others. Where ``alpha`` is not given, the least leave-one-out error
chooses it from a grid around the mean eigenvalue. That error is exact and needs no refitting: the residual over one
less the leverage (Allen's PRESS).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hdc.apps.learn.rows import Rows
from hdc.apps.learn.rules.settings import Counts, Floats, Learned

Doubles = npt.NDArray[np.float64]

GRID = 10.0 ** np.arange(-5, 3.25, 0.5)
"""Candidates for ``alpha``, in units of the mean eigenvalue of all components."""

FILLED = 1e6
"""Value that acts as infinite, in units of the sum of all eigenvalues."""

USUAL = 1e-2
"""``alpha`` of a stream, whose rows are gone, in units of the mean eigenvalue."""


class Fitted(NamedTuple):
    """Weights ``(dim, targets)``, intercepts ``(targets,)``, and the alpha that was taken."""

    weights: Doubles
    intercept: Doubles
    alpha: float


@dataclass(frozen=True)
class Sums:
    """What ridge regression needs to know of all rows: sums that can be added up.

    Attributes
    ----------
    gram : (dim + 1, dim + 1) float64
        Of weighted rows with a last component 1.
    moments : (dim + 1, targets) float64
        Products of these with the targets.
    """

    gram: Doubles
    moments: Doubles

    @property
    def count(self) -> float:
        """Sum of the weights."""
        return float(self.gram[-1, -1])


def empty(dim: int, targets: int) -> Sums:
    """Return the sums of no rows."""
    return Sums(np.zeros((dim + 1, dim + 1)), np.zeros((dim + 1, targets)))


def signs(labels: Counts, classes: int) -> Doubles:
    """Return ``(n, classes)`` targets: 1 for the class of a row, -1 for others."""
    return np.where(labels[:, None] == np.arange(classes), 1.0, -1.0)


def added(sums: Sums, rows: Rows, targets: Doubles, sample_weight: Floats) -> Sums:
    """Return the sums with more rows."""
    gram, moments = sums.gram.copy(), sums.moments.copy()
    for which, block in rows.blocks():
        root = np.sqrt(sample_weight[which, None])
        wide = np.concatenate([block, np.ones((len(block), 1), dtype=np.float32)], axis=1) * root
        gram += wide.T @ wide
        moments += wide.T.astype(np.float64) @ (targets[which] * root)
    return Sums(gram, moments)


def solved(sums: Sums, alpha: float | None) -> Fitted:
    """Solve for sums alone: where alpha is not given, a hundredth of the mean eigenvalue."""
    mean, spread, products = _centered(sums)
    if alpha is None:
        alpha = USUAL * _unit(float(np.trace(spread)), len(spread))
    weights = np.linalg.solve(spread + alpha * np.eye(len(spread)), products)
    return _with_intercept(weights.astype(np.float64), mean, sums.moments[-1] / sums.count, alpha)


def fit(rows: Rows, targets: Doubles, sample_weight: Floats, alpha: float | None = None) -> Fitted:
    """Fit all targets with one alpha, by whichever matrix is smaller: of rows, or of components."""
    if len(rows) <= rows.dim:
        return _by_rows(rows, targets, sample_weight, alpha)
    sums = added(empty(rows.dim, targets.shape[1]), rows, targets, sample_weight)
    if alpha is not None:
        return solved(sums, alpha)
    mean, spread, products = _centered(sums)
    values, vectors = np.linalg.eigh(spread)
    values = np.maximum(values, 0)
    turned, center = vectors.T @ products, sums.moments[-1] / sums.count
    candidates = GRID * _unit(float(values.sum()), rows.dim)
    errors = np.zeros(len(candidates))
    narrow = vectors.astype(np.float32)
    for which, block in rows.blocks():
        coordinates = (block - mean.astype(np.float32)) @ narrow
        weight = sample_weight[which, None]
        for i, candidate in enumerate(candidates):
            shares = 1 / (values + candidate)
            leverage = weight[:, 0] * ((coordinates**2) @ shares + 1 / sums.count)
            residual = targets[which] - center - coordinates @ (turned * shares[:, None])
            errors[i] += _left_out(residual * np.sqrt(weight), leverage)
    alpha = _best(candidates, errors)
    return _with_intercept(vectors @ (turned / (values + alpha)[:, None]), mean, center, alpha)


def _by_rows(rows: Rows, targets: Doubles, sample_weight: Floats, alpha: float | None) -> Fitted:
    root = np.sqrt(sample_weight.astype(np.float64))
    count = float(sample_weight.sum())
    x = rows.floats(slice(0, len(rows)))
    mean = np.asarray((root * root) @ x / count, dtype=np.float64)
    center = np.asarray((root * root) @ targets / count, dtype=np.float64)
    x = ((x - mean) * root[:, None]).astype(np.float32)
    y = (targets - center) * root[:, None]
    # A large value on the direction that centering empties makes what the intercept fits count as fitted.
    gram = (x @ x.T).astype(np.float64)
    spread = np.trace(gram)
    gram += np.outer(root, root) * (FILLED * spread / count + 1) / count
    if alpha:
        duals = np.linalg.solve(gram + alpha * np.eye(len(gram)), y)
        return _with_intercept(x.T.astype(np.float64) @ duals, mean, center, alpha)
    values, vectors = np.linalg.eigh(gram)
    values = np.maximum(values, 0)
    turned = vectors.T @ y
    if alpha is None:
        candidates, errors = GRID * _unit(float(spread), rows.dim), np.zeros(len(GRID))
        for i, candidate in enumerate(candidates):
            shares = candidate / (values + candidate)
            errors[i] = _left_out(vectors @ (turned * shares[:, None]), 1 - (vectors**2) @ shares)
        alpha = _best(candidates, errors)
    duals = vectors @ (turned / (values + alpha)[:, None])
    return _with_intercept(x.T.astype(np.float64) @ duals, mean, center, alpha)


def _centered(sums: Sums) -> tuple[Doubles, Doubles, Doubles]:
    """Return the mean row, the Gram matrix of centered rows, and their products with the targets."""
    mean = sums.gram[-1, :-1] / sums.count
    spread = sums.gram[:-1, :-1] - sums.count * np.outer(mean, mean)
    return mean, spread, sums.moments[:-1] - np.outer(mean, sums.moments[-1])


def _unit(trace: float, dim: int) -> float:
    return max(trace / dim, float(np.finfo(np.float32).tiny))


def _left_out(residual: Doubles, leverage: Doubles) -> float:
    return float(((residual / np.maximum(1 - leverage, 1e-9)[:, None]) ** 2).sum())


def _best(candidates: Doubles, errors: Doubles) -> float:
    """Return the candidate with the least error; the greatest wins ties."""
    return float(candidates[np.flatnonzero(errors <= errors.min() * (1 + 1e-9))[-1]])


def _with_intercept(weights: Doubles, mean: Doubles, center: Doubles, alpha: float) -> Fitted:
    return Fitted(weights, center - mean @ weights, alpha)


def learned(fitted: Fitted) -> Learned:
    """Return a fit of class indicators as one vector per class."""
    weights = np.ascontiguousarray(fitted.weights.T, dtype=np.float32)
    return Learned(weights, np.arange(len(weights)), fitted.intercept.astype(np.float32))
