"""Checked parts of a BitClassifier: classes of prototypes, intercepts of scores, the mean of rows."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.learn.bits.encoders import Encoder
from hdc.checks import array
from hdc.dispatch import numpy_backend
from hdc.errors import DimensionError, DTypeError, ParameterError
from hdc.words import as_words, word_count

Counts = npt.NDArray[np.int64]
Reals = npt.NDArray[np.float64]

MOST_BIAS = 1 << 52

BLOCK_BYTES = 1 << 24


def kept(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return a read-only view or copy, which no one changes."""
    kept = np.ascontiguousarray(values)
    if kept.flags.writeable:
        kept = kept.copy()
        kept.flags.writeable = False
    return kept


def owners_of(prototype_classes: Any, prototypes: int, classes: int) -> Counts:
    """Return the number of each prototype's class, checked; raises as :meth:`BitClassifier.of`."""
    owners = array(prototype_classes, "prototype_classes")
    if owners.dtype.kind not in "iu":
        raise DTypeError(f"prototype_classes must be integers, not of dtype {owners.dtype}")
    if owners.shape != (prototypes,):
        raise DimensionError(f"prototype_classes must be of shape ({prototypes},), one a vector, not {owners.shape}")
    if owners.min() < 0 or owners.max() >= classes:
        raise ParameterError(f"prototype_classes must be from 0 to {classes - 1}, not {owners.min()} to {owners.max()}")
    return owners.astype(np.int64)


def mean_of(tables: Encoder | None, X: Any, dim: int, backend: str = "auto") -> Reals:
    """Return the mean of rows as components, ``(dim,)``: what :meth:`BitClassifier.of` takes.

    Parameters
    ----------
    tables : Density, Fourier, Signs or None
        What encodes X; None if X are packed rows.
    X : (n, features) array of numbers, or (n, words) uint64
    dim : int
    backend : str

    Raises
    ------
    DTypeError, DimensionError, PaddingError, ParameterError
        If X does not have that shape and dtype, or has no rows.
    """
    kernels = numpy_backend(backend, "inference on bits")
    checked: npt.NDArray[Any] = as_words(X, dim, "X") if tables is None else tables.check(X)
    if checked.ndim != 2 or not len(checked):
        raise ParameterError(f"X must be of at least one row, not of shape {checked.shape}")
    total, step = np.zeros(dim, np.int64), max(1, BLOCK_BYTES // (8 * word_count(dim)))
    for start in range(0, len(checked), step):
        part = checked[start : start + step]
        rows = part if tables is None else tables.encode_block(part, kernels)
        total -= kernels.bits.signed_sums(rows, None, dim)
    return np.asarray(total / len(checked))


def added_to(intercept: Any, owners: Counts, classes: int) -> Reals:
    """Return the intercept of the score of each prototype; raises as :meth:`BitClassifier.of` does."""
    if intercept is None:
        return np.zeros(len(owners))
    given = array(intercept, "intercept")
    if given.dtype.kind not in "iuf" or given.shape != (classes,) or not np.isfinite(given).all():
        raise ParameterError(
            f"intercept must be {classes} finite numbers, one a class, not of {given.dtype} and shape {given.shape}"
        )
    return given.astype(np.float64)[owners]


def whole_biases(added: Reals, unit: float) -> Counts:
    """Return biases in units of scores; raises as :meth:`BitClassifier.of`."""
    biases = np.rint(added / unit)
    if np.abs(biases).max() > MOST_BIAS:
        raise ParameterError("intercept is too great beside the weights: no dot product could change a prediction")
    return biases.astype(np.int64)
