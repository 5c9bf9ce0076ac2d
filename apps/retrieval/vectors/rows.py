"""Rows of float vectors: checks and normalization."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.checks import array
from hdc.errors import DimensionError, DTypeError, ParameterError

Floats = npt.NDArray[np.float32]


def as_rows(x: Any, dim: int | None = None, what: str = "X") -> npt.NDArray[Any]:
    """Return ``x`` as an ``(n, d)`` array of floats without copying; it may be memory-mapped from a file.

    Raises
    ------
    DTypeError
        If ``x`` is not an array of floats.
    DimensionError
        If it is not two-dimensional, has no columns, or not ``dim`` columns.
    """
    rows = x if type(x) is np.ndarray else array(x, what)
    if rows.dtype.kind != "f":
        raise DTypeError(f"{what} must contain floats, not {rows.dtype}; convert it with astype(np.float32)")
    return shaped(rows, dim, what)


def shaped(rows: npt.NDArray[Any], dim: int | None, what: str, who: str = "it") -> npt.NDArray[Any]:
    """Return rows if they are two-dimensional and have columns, ``dim`` of them if given.

    Raises
    ------
    DimensionError
        If they do not. ``who`` expects them; the message uses scikit-learn's words.
    """
    if rows.ndim == 2 and rows.shape[1] == dim and rows.shape[1]:
        return rows  # without making a text for an error
    expected = f"{what} must have shape (n, {dim or 'd'}), not {rows.shape}"
    if rows.ndim != 2:
        raise DimensionError(f"{expected}. Reshape your data: {what}.reshape(1, -1) is one row")
    if rows.shape[1] == 0:
        raise DimensionError(f"{expected}: 0 feature(s) (shape={rows.shape}) while a minimum of 1 is required.")
    if dim is not None and rows.shape[1] != dim:
        raise DimensionError(
            f"{expected}: {what} has {rows.shape[1]} features, but {who} is expecting {dim} features as input"
        )
    return rows


def finite(rows: npt.NDArray[Any], start: int, what: str = "X") -> Floats:
    """Return a block of rows as float32; ``start`` is the number of its first row, for the error.

    Raises
    ------
    ParameterError
        If a row contains NaN or infinity.
    """
    block = np.ascontiguousarray(rows, dtype=np.float32)
    bad = ~np.isfinite(block).all(axis=1)
    if bad.any():
        raise ParameterError(f"row {start + int(bad.argmax())} of {what} contains NaN or infinity; remove it first")
    return block


def unit(vectors: Floats) -> Floats:
    """Divide ``(n, d)`` float32 rows by their norms; zero rows stay zero."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    divided = vectors / np.where(norms > 0, norms, np.float32(1))
    return divided.astype(np.float32, copy=False)
