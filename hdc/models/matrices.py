"""Hypervectors that are square matrices: the nearest matrix that keeps lengths."""

from typing import Any

from hdc.kernels import Array


def nearest_unitary(xp: Any, matrices: Array) -> Array:
    """Return the nearest orthogonal, or unitary, matrix of each: the first factor of its polar decomposition.

    Parameters
    ----------
    xp : module
        Array API namespace.
    matrices : (..., m, m) array
        Of float32, float64 or complex numbers of these.

    Returns
    -------
    (..., m, m) array
        For a singular matrix, several are equally near; one of them is returned.
    """
    left, _, right = xp.linalg.svd(matrices, full_matrices=False)
    return left @ right
