"""Fixed targets of classes: codes or vectors as far apart as possible, independent of the data.

``hadamard`` chooses rows of a Hadamard matrix, which are orthogonal. ``bernoulli`` uses the MAP-B atoms of the classes'
names: cosines have mean 0 and deviation ``1 / sqrt(bits)``, and a new class changes no other. ``equiangular`` (Shen et
al. 2023, "Equiangular Basis Vectors") uses real vectors whose greatest absolute cosine is minimized by descent;
:func:`welch_bound` is its lower bound.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

import hdc
from hdc.checks import choice, integer
from hdc.errors import ParameterError
from hdc.words import unpack

Floats = npt.NDArray[np.float32]

METHODS = ("auto", "hadamard", "bernoulli", "equiangular")

MOST_EQUIANGULAR = 1024
"""Most classes with equiangular targets; each step uses a classes by classes matrix."""

DOUBLINGS, STEPS = range(2, 10), 100
"""Powers of two to minimize cosines to, one after another, and the most steps for each."""


def class_targets(names: Sequence[Any], bits: int, method: str = "auto", seed: int = 0) -> Floats:
    """Return a target of norm ``sqrt(bits)`` per class.

    Parameters
    ----------
    names : sequence of str or int
        Names of the classes, all different; other methods than ``"bernoulli"`` use only their number.
    bits : int
        Components of a target.
    method : {"auto", "hadamard", "bernoulli", "equiangular"}
        ``"auto"`` is ``"hadamard"`` where possible, else ``"bernoulli"``.
    seed : int
        Random seed of the chosen rows, the atoms, or the vectors that descent starts from.

    Returns
    -------
    (classes, bits) float32 array
        Components are 1 and -1, except for ``"equiangular"``.

    Raises
    ------
    ParameterError
        If the method has no such targets. A Hadamard matrix has a power of two rows, one per class.

    Examples
    --------
    >>> targets = class_targets(["cat", "dog", "newt"], 8)
    >>> (targets @ targets.T).tolist()
    [[8.0, 0.0, 0.0], [0.0, 8.0, 0.0], [0.0, 0.0, 8.0]]
    """
    method = choice(method, "method", METHODS)
    bits, seed, classes = integer(bits, "bits", 1), integer(seed, "seed", 0), len(names)
    if method == "auto":
        method = "hadamard" if _is_power_of_two(bits) and classes <= bits else "bernoulli"
    if method == "hadamard":
        return _hadamard(classes, bits, seed)
    if method == "bernoulli":
        atoms = hdc.MAPB(bits, seed=seed).symbols(list(names))
        return 2 * unpack(np.asarray(atoms), bits).astype(np.float32) - 1
    return _equiangular(classes, bits, seed)


def welch_bound(classes: int, dim: int) -> float:
    """Return the lower bound of the greatest absolute cosine among this many vectors (Welch 1974).

    ``sqrt((classes - dim) / (dim (classes - 1)))``, or 0 if there are at most as many vectors as dimensions.
    """
    return math.sqrt((classes - dim) / (dim * (classes - 1))) if classes > dim else 0.0


def _is_power_of_two(number: int) -> bool:
    return number & (number - 1) == 0


def _hadamard(classes: int, bits: int, seed: int) -> Floats:
    """Return random rows of Sylvester's matrix; the constant row only if all rows are needed."""
    if not _is_power_of_two(bits) or classes > bits:
        raise ParameterError(
            f"Hadamard targets of {classes} classes need a power of two of at least {classes} bits, not {bits}; "
            "'bernoulli' allows any number"
        )
    first = int(classes < bits)
    rows = first + np.random.default_rng(seed).permutation(bits - first)[:classes]
    odd = np.bitwise_count(rows[:, None] & np.arange(bits)) & 1
    signs: Floats = 1 - 2 * odd.astype(np.float32)
    return signs


def _equiangular(classes: int, dim: int, seed: int) -> Floats:
    """Minimize a mean of growing powers of the cosines between vectors, by quasi-Newton steps."""
    from scipy.optimize import minimize

    if classes > MOST_EQUIANGULAR:
        raise ParameterError(f"equiangular targets are found for at most {MOST_EQUIANGULAR} classes, not {classes}")
    vectors = np.random.default_rng(seed).standard_normal((classes, dim))
    if classes <= dim:
        return (math.sqrt(dim) * np.linalg.qr(vectors.T)[0].T).astype(np.float32)
    point = vectors.ravel()
    for doublings in DOUBLINGS:
        options = {"maxiter": STEPS}
        point = minimize(_log_power, point, (classes, doublings), method="L-BFGS-B", jac=True, options=options).x
    return (math.sqrt(dim) * _units(point.reshape(classes, dim))[0]).astype(np.float32)


def _units(vectors: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / norms, norms


def _log_power(point: npt.NDArray[np.float64], classes: int, doublings: int) -> tuple[float, npt.NDArray[np.float64]]:
    """Return the logarithm of the sum of a power of all cosines between different vectors, and its gradient."""
    units, norms = _units(point.reshape(classes, -1))
    cosines = units @ units.T
    np.fill_diagonal(cosines, 0)
    greatest = np.abs(cosines).max()
    cosines /= greatest
    power, steep, factor = 1 << doublings, cosines.copy(), cosines.copy()
    for _ in range(doublings - 1):  # to the power less one, by squares
        factor *= factor
        steep *= factor
    total = float(np.vdot(steep, cosines))
    along = 2 * power / (total * greatest) * (steep @ units)
    gradient = (along - units * np.einsum("cd,cd->c", along, units)[:, None]) / norms
    return math.log(total) + power * math.log(greatest), gradient.ravel()
