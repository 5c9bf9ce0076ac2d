"""Break ties where a sum of signs is zero, the same way in every model and on every backend."""

from typing import Any

from hdc import atoms
from hdc.kernels import Array
from hdc.vsa import VSA


def tie_vector(vsa: VSA) -> Array:
    """Return the atom of the model's own stream of ties, ``(storage,)``."""
    return vsa.atoms_of(atoms.stream_keys(vsa.seed, "tie", [None]))[0]


def where_positive(xp: Any, sums: Array, tie: Array) -> Array:
    """Return which components are positive; zeros go by ``tie``, turned where half the sum beside is odd.

    A function of the sums alone, and half of all ties go either way: bundles that share no member are unlike, and
    bundles of bundles agree on all backends.

    Parameters
    ----------
    sums : (..., dim) array
        Of whole numbers, in any dtype; the sum beside component j is that of component j - 1.
    tie : (dim,) bool array

    Returns
    -------
    (..., dim) bool array
    """
    halves = xp.floor(sums / 2) if xp.isdtype(sums.dtype, "real floating") else sums >> 1
    odd = xp.roll(xp.remainder(halves, 2), 1, axis=-1) != 0
    return xp.where(sums == 0, tie ^ odd, sums > 0)
