"""The members that a row is bundled from, and the bundle."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hdc import VSA
from hdc.errors import UnsupportedError
from hdc.kernels import Array

BLOCK = 1 << 23
"""Bytes to process per block (8 MiB)."""


class Members(NamedTuple):
    """What rows are bundled from, ``(n, m, storage)``, and its weights, ``(n, m)`` int64 or None for ones."""

    vectors: Array
    weights: npt.NDArray[np.int64] | None


def bundled(vsa: VSA, members: Members, kappa: int | None) -> Array:
    """Return the bundle of each row's members, ``(n, storage)``; of MAP-I clipped to ``kappa``."""
    vectors, weights = members
    sums = vsa.bundle(vectors, None if weights is None else vsa.kernels.arrays.from_numpy(weights))
    return sums if kappa is None else vsa.xp.clip(sums, -kappa, kappa)


def joined(vsa: VSA, parts: list[Members]) -> Members:
    """Return all members of rows, one part after another."""
    if len(parts) == 1:
        return parts[0]
    vectors = vsa.xp.concat([part.vectors for part in parts], axis=1)
    if all(part.weights is None for part in parts):
        return Members(vectors, None)
    return Members(vectors, np.concatenate([_weights(part) for part in parts], axis=1))


def _weights(part: Members) -> npt.NDArray[np.int64]:
    return np.ones(tuple(part.vectors.shape[:2]), dtype=np.int64) if part.weights is None else part.weights


def column_member(vsa: VSA, name: Any, vectors: Array, present: npt.NDArray[np.bool_]) -> Members:
    """Return vectors ``(n, storage)`` bound to the role of a column, of weight 0 where nothing is present."""
    bound = vsa.bind(vsa.role(("column", name)), vectors)
    return Members(bound[:, None], None if present.all() else present.astype(np.int64)[:, None])


def taken(vsa: VSA, vectors: Array, which: npt.NDArray[np.int64]) -> Array:
    """Return some of some vectors by number, ``(..., storage)`` for numbers of shape ``(...)``."""
    flat = vsa.xp.take(vectors, vsa.kernels.arrays.from_numpy(which.reshape(-1)), axis=0)
    return flat.reshape(*which.shape, vectors.shape[-1])


def unit(vsa: VSA, sums: Array) -> Array:
    """Return bundles in the form of atoms, where the model has one: each weighs as much as a symbol then."""
    try:
        return vsa.normalize(sums)
    except UnsupportedError:
        return sums
