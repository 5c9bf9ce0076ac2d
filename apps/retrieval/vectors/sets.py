"""Sets of float vectors, such as the tokens of documents: check them, and concatenate their rows."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.vectors.rows import as_rows
from hdc.checks import array, listed
from hdc.errors import DimensionError, DTypeError, ParameterError

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


def as_sets(x: Any, offsets: Any, dim: int, what: str) -> tuple[npt.NDArray[Any], Ids]:
    """Return the rows of all sets, and the bounds of each set.

    Parameters
    ----------
    x : sequence of (t_i, dim) arrays of floats, (m, t, dim) array, or (n, dim) array with offsets
    offsets : (m + 1,) integers or None
        Set i consists of rows ``offsets[i]`` to ``offsets[i + 1] - 1``.
    dim : int
    what : str
        Name of a set in errors, such as "document".

    Returns
    -------
    rows : (n, dim) array of floats
    bounds : (m + 1,) int64 array

    Raises
    ------
    DTypeError
        If the vectors are not floats, or the offsets not integers.
    DimensionError
        If the vectors have another length than ``dim``, or are not sets.
    ParameterError
        If a set is empty, or the offsets do not go from 0 to n.
    """
    if offsets is not None:
        rows = as_rows(x, dim, f"the {what}s")
        return rows, _checked_offsets(offsets, len(rows), what)
    if isinstance(x, np.ndarray) and x.ndim == 2:
        raise DimensionError(
            f"an array of shape {x.shape} does not show which rows belong to which {what}; pass offsets=, or a list of "
            f"(t, {dim}) arrays, [x] for a single {what}"
        )
    if not isinstance(x, Iterable):
        raise DTypeError(f"{what}s must be a list of (t, {dim}) arrays of floats, not {type(x).__name__}")
    sets = [as_rows(one, dim, f"{what} {number}") for number, one in enumerate(x)]
    bounds = np.zeros(len(sets) + 1, dtype=np.int64)
    np.cumsum([len(one) for one in sets], out=bounds[1:])
    _check_filled(bounds, what)
    return np.concatenate([np.empty((0, dim), np.float32), *sets]), bounds


def _checked_offsets(offsets: Any, rows: int, what: str) -> Ids:
    found = np.asarray(offsets)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise DTypeError(f"offsets must be (m + 1,) integers, not {found.dtype} of shape {found.shape}")
    if not len(found) or found[0] != 0 or found[-1] != rows:
        ends = f"{found[0]} to {found[-1]}" if len(found) else "nothing"
        raise ParameterError(f"offsets must go from 0 to the number of rows, {rows}; these go from {ends}")
    bounds: Ids = found.astype(np.int64)
    _check_filled(bounds, what)
    return bounds


def _check_filled(bounds: Ids, what: str) -> None:
    empty = np.diff(bounds) <= 0
    if empty.any():
        raise ParameterError(f"{what} {empty.argmax()} has no vectors; leave it out, or pass at least one")


def shares_of(weights: Any, bounds: Ids) -> Floats:
    """Return the weight of each vector as a share of its set's sum: ``(n,)`` float32.

    Parameters
    ----------
    weights : sequence of (t_i,) arrays, (n,) array of numbers, or None
        None weights all vectors equally.
    bounds : (m + 1,) int64 array
        From :func:`as_sets`.

    Raises
    ------
    DTypeError, DimensionError
        If weights are not numbers, or not one per vector.
    ParameterError
        If a weight is negative or not finite, or all weights of a set are 0.
    """
    total = int(bounds[-1])
    if weights is None:
        given = np.ones(total)
    elif isinstance(weights, np.ndarray) and weights.ndim == 1 and weights.dtype != object:
        given = array(weights, "weights")
    else:
        given = np.concatenate([np.empty(0), *(array(one, "weights").ravel() for one in listed(weights, "weights"))])
    if given.dtype.kind not in "iuf":
        raise DTypeError(f"weights must be numbers, not {given.dtype}")
    if len(given) != total:
        raise DimensionError(f"weights must be one per vector, {total} in all, not {len(given)}")
    given = given.astype(np.float64)
    if not (np.isfinite(given) & (given >= 0)).all():
        raise ParameterError("weights must be finite and at least 0")
    sums = np.add.reduceat(given, bounds[:-1]) if total else given
    if not (sums > 0).all():
        raise ParameterError(f"all weights of query {int((sums <= 0).argmax())} are 0; set at least one above 0")
    shares: Floats = (given / np.repeat(sums, np.diff(bounds))).astype(np.float32)
    return shares
