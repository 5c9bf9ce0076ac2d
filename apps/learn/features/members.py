"""What a row is bundled from, and the bundle."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hdc import VSA
from hdc.kernels import Array


class Members(NamedTuple):
    """What rows are bundled from, ``(n, m, storage)``, and its weights, ``(n, m)`` int64 or None for ones."""

    vectors: Array
    weights: npt.NDArray[np.int64] | None


def bundled(vsa: VSA, members: Members, kappa: int | None) -> Array:
    """Return the bundle of each row's members, ``(n, storage)``; of MAP-I clipped to ``kappa``."""
    vectors, weights = members
    given: Any = weights
    if weights is not None and vsa.xp is not np:
        given = vsa.kernels.arrays.from_numpy(weights)
    sums = vsa.bundle(vectors, given)
    return sums if kappa is None else vsa.xp.clip(sums, -kappa, kappa)


def joined(vsa: VSA, parts: list[Members]) -> Members:
    """Return all members of rows, one part after another."""
    if len(parts) == 1:
        return parts[0]
    vectors = vsa.xp.concat([part.vectors for part in parts], axis=1)
    if all(part.weights is None for part in parts):
        return Members(vectors, None)
    ones = [np.ones(tuple(part.vectors.shape[:2]), dtype=np.int64) for part in parts]
    return Members(
        vectors,
        np.concatenate([one if p.weights is None else p.weights for p, one in zip(parts, ones, strict=True)], axis=1),
    )
