"""Split vectors into parts that can be chosen independently: components, or the segments of sparse block codes."""

import math
from typing import Any

from hdc.dtypes import kind
from hdc.errors import UnsupportedError
from hdc.kernels import Array
from hdc.models.blocks import GSBC
from hdc.models.cyclic import MCR, Plural
from hdc.models.fhrr import FHRR
from hdc.models.map import MAPB
from hdc.models.mbat import MBAT
from hdc.models.packed import Packed
from hdc.models.sparse import Bloom, CountingBloom
from hdc.vsa import VSA


def units(vsa: VSA) -> int:
    """Return the number of adjacent parts of an atom that are drawn independently.

    Raises
    ------
    UnsupportedError
        If the layout of the model has no such parts.
    """
    if getattr(vsa, "binding", "") == "segment":
        return int(vsa.ones)  # type: ignore[attr-defined]
    if isinstance(vsa, Plural | GSBC):
        return vsa.blocks if isinstance(vsa, GSBC) else vsa.storage
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
    if xp.isdtype(other.dtype, "integral"):  # four times as fast as where, whose branches are unpredictable
        return other ^ ((other ^ chosen) * xp.astype(wide, other.dtype))
    return xp.where(wide, chosen, other)


def agreement(vsa: VSA, x: Array, y: Array) -> Array:
    """Return what each unit adds to the similarity of two vectors, ``(..., units)`` float64.

    Similarities are the sums, over the roots of those of each vector with itself.

    Raises
    ------
    UnsupportedError
        For models of third parties, where it is not known.
    """
    xp = vsa.xp
    if isinstance(vsa, Plural):
        return xp.astype(x == y, xp.float64) - 1 / vsa.levels
    products = reals(vsa, x) * reals(vsa, y)
    count = units(vsa)
    if products.shape[-1] == count:
        return products
    return xp.sum(products.reshape(*products.shape[:-1], count, -1), axis=-1)


def reals(vsa: VSA, x: Array) -> Array:
    """Return vectors whose cosine is the similarity, the numbers of a unit beside each other.

    Returns
    -------
    (..., m) float64 array
        m is ``dim`` of real models; two or more times as much where a component is a phasor or one of some levels.

    Raises
    ------
    UnsupportedError
        For models of third parties, where it is not known.
    """
    xp = vsa.xp
    if isinstance(vsa, MAPB):
        return 1 - 2 * xp.astype(vsa.kernels.bits.unpack(x, vsa.dim), xp.float64)
    if isinstance(vsa, Bloom | CountingBloom):
        counts = xp.astype(vsa.components(x), xp.float64)
        return counts - xp.mean(counts, axis=-1, keepdims=True)
    if isinstance(vsa, GSBC):
        blocks = xp.astype(x, xp.float64).reshape(*x.shape[:-1], vsa.blocks, vsa.length)
        return (blocks - xp.mean(blocks, axis=-1, keepdims=True)).reshape(x.shape)
    if isinstance(vsa, MCR):
        angles = xp.astype(x, xp.float64) * (2 * math.pi / vsa.levels)
        pairs = xp.stack([xp.cos(angles), xp.sin(angles)], axis=-1)
        return pairs.reshape(*x.shape[:-1], 2 * vsa.dim)
    if isinstance(vsa, Plural):
        levels = xp.arange(vsa.levels, dtype=xp.int64, device=x.device)
        chosen = xp.astype(xp.astype(x, xp.int64)[..., None] == levels, xp.float64) - 1 / vsa.levels
        return chosen.reshape(*x.shape[:-1], -1)
    if kind(xp, x) in "if":
        return xp.astype(x, xp.float64, copy=False)
    raise UnsupportedError(f"values of {vsa.model} are encoded, but not decoded: it is not known what a component adds")


def check_agreement(vsa: VSA, x: Array, y: Array) -> None:
    """Raise unless what units add, of one vector with others ``(n, storage)``, makes the similarity of the model.

    Raises
    ------
    UnsupportedError
        If the similarity of a third party's model is neither a cosine nor one of those that are known.
    """
    xp = vsa.xp
    dot, own, other = (xp.sum(agreement(vsa, *pair), axis=-1) for pair in ((x, y), (x, x), (y, y)))
    expected = xp.astype(vsa.similarity(x, y), xp.float64)
    if bool(xp.any(xp.abs(dot / xp.sqrt(own * other) - expected) > 1e-2)):
        raise UnsupportedError(f"values of {vsa.model} are encoded, but not decoded: its similarity is no cosine")


def effective(vsa: VSA) -> float:
    """Return how many real components a vector is worth: one over the variance of the similarity of unrelated atoms."""
    spread: Any = vsa.scores(1).reject_sd
    return float(1 / spread**2)


def _ones(vsa: VSA) -> Array | None:
    """Return the identity of models whose components multiply: ones."""
    try:
        identity = vsa.identity
    except UnsupportedError:
        return None
    return identity if kind(vsa.xp, identity) in "if" and bool(vsa.xp.all(identity == 1)) else None


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
    if isinstance(vsa, MBAT):
        one = xp.full((vsa.dim,), vsa.dim**-0.5, dtype=vsa.dtype, device=vsa.device)
        return xp.stack([-one, one])
    if isinstance(vsa, FHRR) or (isinstance(vsa, MCR) and vsa.levels % 2 == 0):
        return vsa.from_phases([[math.pi] * vsa.phases, [0.0] * vsa.phases])
    if (one := _ones(vsa)) is not None:
        return xp.stack([-one, one])
    raise UnsupportedError(
        f"components of {vsa.model} have no opposite, which a thermometer needs; take Level, or MAP-I, MAP-B, "
        "MAP-C, MAP-T, MBAT, HLB, FHRR, or MCR of an even number of levels"
    )
