"""Learn the weight of each section of documents, by the leave-one-out error of a ridge regression.

The vector of a document is the sum of those of its sections. A large section with little information, such as a table
of versions, drowns one with much, such as a title. Coordinate search finds weights from the labels of the training
documents alone: it doubles, halves or zeroes one weight at a time and keeps what lowers the error. The error is
Allen's PRESS of a ridge regression of class indicators, which needs one eigendecomposition and no refitting.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

STEPS = (2.0, 0.5, 0.0)
"""Factors to try on a weight."""

RIDGES = 10.0 ** np.arange(-2, 2)
"""Ridge parameters for rows of unit length; the best one counts."""

GAIN = 0.02
"""Share of the error that a change must save, so that noise changes nothing."""

SMALLEST = 1e-9


def balanced(parts: Floats) -> Doubles:
    """Return the weights that let all sections have the same mean squared length; 0 of a section that is empty.

    Parameters
    ----------
    parts : (sections, n, dim) float32
    """
    masses = np.einsum("sid,sid->s", parts, parts) / parts.shape[1]
    return np.where(masses > SMALLEST, 1 / np.sqrt(np.maximum(masses, SMALLEST)), 0.0).astype(np.float64)


def searched(parts: Floats, targets: Floats, sweeps: int = 2) -> Doubles:
    """Return weights of sections, beginning with equal ones, or with :func:`balanced` ones where these save ``GAIN``.

    Parameters
    ----------
    parts : (sections, n, dim) float32
        Vectors of each section of each document.
    targets : (n, classes) float32
        1 for the class of a document, -1 for others.
    sweeps : int
        Over all sections, at most.

    Returns
    -------
    (sections,) float64, the greatest 1
    """
    equal, even = np.ones(len(parts)), balanced(parts)
    weights, error = equal, left_out_error(_total(parts, equal), targets)
    if (found := left_out_error(_total(parts, even), targets)) < error * (1 - GAIN):
        weights, error = even, found
    total = _total(parts, weights)
    for _ in range(sweeps):
        before = error
        for section in np.argsort(-weights * np.sqrt(np.einsum("sid,sid->s", parts, parts))).tolist():
            for factor in STEPS:
                changed = total + np.float32((factor - 1) * weights[section]) * parts[section]
                if (found := left_out_error(changed, targets)) < error * (1 - GAIN):
                    weights[section] *= factor
                    total, error = changed, found
                    break
        if error == before:
            break
    greatest = float(weights.max())
    return weights / greatest if greatest else np.ones(len(parts))


def left_out_error(rows: Floats, targets: Floats) -> float:
    """Return the mean squared leave-one-out residual of the best ridge, of rows scaled to length 1.

    Parameters
    ----------
    rows : (n, dim) float32
    targets : (n, classes) float32
    """
    lengths = np.sqrt(np.einsum("id,id->i", rows, rows))[:, None]
    unit = rows / np.maximum(lengths, np.float32(SMALLEST))
    values, vectors = np.linalg.eigh(unit.T @ unit)
    turned = unit @ vectors
    products, squares = turned.T @ targets, turned * turned
    errors = []
    for ridge in RIDGES:
        shares = (1 / (np.maximum(values, 0) + ridge)).astype(np.float32)
        residual = targets - turned @ (products * shares[:, None])
        leverage = np.minimum(squares @ shares, np.float32(0.9999))
        errors.append(float(np.mean((residual / (1 - leverage)[:, None]) ** 2)))
    return min(errors)


def _total(parts: Floats, weights: Doubles) -> Floats:
    return np.tensordot(weights.astype(np.float32), parts, axes=1)
