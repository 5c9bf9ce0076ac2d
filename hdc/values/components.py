"""Vectors taken apart into what can be chosen one by one: components, or the segments of sparse block codes."""

import math
from typing import Any

from hdc.errors import UnsupportedError
from hdc.kernels import Array
from hdc.models.cyclic import MCR, Plural
from hdc.models.fhrr import FHRR
from hdc.models.map import MAPB, MAPI
from hdc.models.mbat import MBAT
from hdc.models.packed import Packed
from hdc.models.products import HLB, MAPC
from hdc.models.sparse import Bloom, CountingBloom
from hdc.models.summed import Summed
from hdc.vsa import VSA


def units(vsa: VSA) -> int:
    """Return how many parts of an atom are drawn independently of one another, and stand beside each other.

    Raises
    ------
    UnsupportedError
        If the layout of the model has no such parts.
    """
    if getattr(vsa, "binding", "") == "segment":
        return int(vsa.ones)  # type: ignore[attr-defined]
    if isinstance(vsa, Plural):
        return vsa.storage
    if not isinstance(vsa, Packed) and vsa.storage % vsa.dim:
        raise UnsupportedError(f"{vsa.model} does not store components one after another, of which codes are made")
    return vsa.dim


def choose(vsa: VSA, mask: Array, chosen: Array, other: Array) -> Array:
    """Take units of one vector where a mask is set, and of another one elsewhere.

    Parameters
    ----------
    mask : (..., units) bool array
    chosen, other : (..., storage) arrays, batch axes broadcast

    Returns
    -------
    (..., storage) array
    """
    xp, packed = vsa.xp, isinstance(vsa, Packed)
    spread = (vsa.dim if packed else vsa.storage) // mask.shape[-1]
    wide = mask if spread == 1 else xp.repeat(mask, spread, axis=-1)
    if packed:
        return other ^ ((other ^ chosen) & vsa.kernels.bits.pack(wide))
    if xp.isdtype(other.dtype, "integral"):  # four times as fast as where, whose branches cannot be foretold
        return other ^ ((other ^ chosen) * xp.astype(wide, other.dtype))
    return xp.where(wide, chosen, other)


def agreement(vsa: VSA, x: Array, y: Array) -> Array:
    """Return what each unit adds to the similarity of two vectors, ``(..., units)`` float64.

    Similarities are the sums, over the roots of those of each vector with itself.

    Raises
    ------
    UnsupportedError
        For models of third parties, of which it is not known.
    """
    xp = vsa.xp
    if isinstance(vsa, Plural):
        return xp.astype(x == y, xp.float64) - 1 / vsa.levels
    products = _reals(vsa, x) * _reals(vsa, y)
    count = units(vsa)
    if products.shape[-1] == count:
        return products
    return xp.sum(products.reshape(*products.shape[:-1], count, -1), axis=-1)


def _reals(vsa: VSA, x: Array) -> Array:
    """Return vectors whose cosine is the similarity, the numbers of a unit beside each other."""
    xp = vsa.xp
    if isinstance(vsa, MAPB):
        return 1 - 2 * xp.astype(vsa.kernels.bits.unpack(x, vsa.dim), xp.float64)
    if isinstance(vsa, Bloom | CountingBloom):
        counts = xp.astype(vsa.components(x), xp.float64)
        return counts - xp.mean(counts, axis=-1, keepdims=True)
    if isinstance(vsa, MCR):
        angles = xp.astype(x, xp.float64) * (2 * math.pi / vsa.levels)
        pairs = xp.stack([xp.cos(angles), xp.sin(angles)], axis=-1)
        return pairs.reshape(*x.shape[:-1], 2 * vsa.dim)
    if isinstance(vsa, MAPI | Summed):
        return xp.astype(x, xp.float64, copy=False)
    raise UnsupportedError(f"values of {vsa.model} are encoded, but not decoded: it is not known what a component adds")


def effective(vsa: VSA) -> float:
    """Return how many real components a vector is worth: one over the variance of the similarity of unrelated atoms."""
    spread: Any = vsa.scores(1).reject_sd
    return float(1 / spread**2)


def opposites(vsa: VSA) -> Array:
    """Return two vectors of the components of atoms that are each other's negative, ``(2, storage)``: all -1, all +1.

    Raises
    ------
    UnsupportedError
        If components of the model have no sign.
    """
    xp, bits = vsa.xp, vsa.kernels.bits
    if isinstance(vsa, MAPB):
        return bits.pack(xp.stack([xp.ones_like(one := bits.unpack(vsa.identity, vsa.dim)), one]))
    if isinstance(vsa, MAPI | MAPC | HLB):
        return xp.stack([-vsa.identity, vsa.identity])
    if isinstance(vsa, MBAT):
        one = xp.full((vsa.dim,), vsa.dim**-0.5, dtype=vsa.dtype, device=vsa.device)
        return xp.stack([-one, one])
    if isinstance(vsa, FHRR) or (isinstance(vsa, MCR) and vsa.levels % 2 == 0):
        return vsa.from_phases([[math.pi] * vsa.phases, [0.0] * vsa.phases])
    raise UnsupportedError(
        f"components of {vsa.model} have no opposite, which a thermometer needs; take Level, or MAP-I, MAP-B, MAP-C, "
        "MBAT, HLB, FHRR, or MCR of an even number of levels"
    )
