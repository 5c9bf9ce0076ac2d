"""Decode the members of a bundle that is a sum: most similar items, least squares, or orthogonal matching pursuit."""

import math
from typing import Any

from hdc.checks import choice, integer
from hdc.errors import DimensionError, ParameterError, UnsupportedError
from hdc.kernels import Array
from hdc.similarity import blocks
from hdc.vsa import VSA

METHODS = ("top", "least-squares", "pursuit")

COMPONENTS = 1 << 22
"""Components of found members to hold at a time, for as many bundles as have them."""

RIDGE = 1e-9
"""Added to the squared length of each item, relative to it, so that nearly equal items can be solved for."""


def members(vsa: VSA, bundles: Array, items: Array, size: int, method: str = "pursuit") -> tuple[Array, Array]:
    """Find which items bundles were summed from, and with which weights.

    Parameters
    ----------
    vsa : VSA
        A model whose bundle is a sum: that of two copies of an atom is twice the atom.
    bundles : (*p, storage) array
    items : (n, storage) array
    size : int
        Members to find, from 1 to n.
    method : {"top", "least-squares", "pursuit"}
        ``"top"``: the items most similar to the bundle. ``"least-squares"``: those of the greatest weight in the
        combination of all items that is nearest to the bundle; exact for n < dim. ``"pursuit"``: the item most like
        the rest of the bundle, again and again; least squares fits the weights of all items found so far again each
        time (orthogonal matching pursuit; Pati, Rezaiifar and Krishnaprasad 1993).

    Returns
    -------
    weights : (*p, size) float32 or float64 array
        Similarities for ``"top"``; else how often the item was added.
    indices : (*p, size) int64 array
        Of the greatest weight first; for ``"pursuit"`` in the order in which they were found.

    Raises
    ------
    UnsupportedError
        If bundles of the model are no sums.
    ParameterError
        If there are fewer items than ``size``, or not fewer than components for ``"least-squares"``.
    DimensionError
        If ``items`` is not two-dimensional.
    """
    choice(method, "method", METHODS)
    b, x = vsa.check(bundles, "bundles"), vsa.check(items, "items")
    if x.ndim != 2:
        raise DimensionError(f"items must have shape (n, {vsa.storage}), not {tuple(x.shape)}")
    count = integer(size, "size", 1, len(x))
    if method == "top":
        return vsa.nearest(b, x, count)
    check_sums(vsa)
    xp = vsa.xp
    exact = xp.float64
    rows, columns = xp.astype(b.reshape(-1, vsa.storage), exact), xp.astype(x, exact)
    if method == "least-squares":
        weights, indices = _least_squares(vsa, rows, columns, count)
    else:
        cuts = blocks(len(rows), count * vsa.storage, COMPONENTS)
        parts = [_pursued(vsa, rows[cut], columns, count) for cut in cuts]
        weights, indices = (xp.concat(found, axis=0) for found in zip(*parts, strict=True))
    shape = (*b.shape[:-1], count)
    return weights.reshape(shape), indices.reshape(shape)


def check_sums(vsa: VSA) -> None:
    """Raise :class:`~hdc.errors.UnsupportedError` unless bundles are sums: two copies of an atom are twice the atom."""
    atom = vsa.random(1, seed=0)
    twice = vsa.bundle(vsa.xp.concat([atom, atom], axis=0))
    xp = vsa.xp
    if twice.shape[-1] != atom.shape[-1] or xp.isdtype(twice.dtype, "unsigned integer"):
        same = False
    else:
        doubled = 2 * xp.astype(atom[0], xp.float64)
        same = bool(xp.all(xp.abs(xp.astype(twice, xp.float64) - doubled) <= 1e-2 * xp.abs(doubled)))
    if not same:
        raise UnsupportedError(
            f"bundles of {vsa.model} are no sums, so no weights can be fitted; use method='top', or MAP-I, FHRR, HRR, "
            "MBAT or CountingBloom"
        )


def _least_squares(vsa: VSA, bundles: Array, items: Array, size: int) -> tuple[Array, Array]:
    if len(items) >= vsa.storage:
        raise ParameterError(
            f"least squares separates fewer items than there are components; {len(items)} items have {vsa.storage}; "
            "use method='pursuit'"
        )
    weights = vsa.xp.linalg.solve(_gram(vsa, items), items @ bundles.T).T
    order = vsa.xp.argsort(-weights, axis=-1, stable=True)[:, :size]
    return vsa.xp.take_along_axis(weights, order, axis=-1), order


def _gram(vsa: VSA, items: Array) -> Array:
    """Return the dot products of items ``(..., n, storage)``, with a slightly larger diagonal."""
    xp = vsa.xp
    products = items @ xp.matrix_transpose(items)
    return products * (1 + RIDGE * xp.eye(items.shape[-2], dtype=items.dtype, device=items.device))


def _pursued(vsa: VSA, bundles: Array, items: Array, size: int) -> tuple[Array, Array]:
    """Return weights and indices; each step projects the residuals of all bundles on the items in one product.

    An orthonormal basis of the items found so far grows by one vector per step. So nothing is solved again from the
    start, and a step costs little more than the scores of the items.
    """
    xp, count = vsa.xp, len(bundles)
    lengths = xp.sqrt(xp.linalg.vecdot(items, items, axis=-1))
    scale = xp.where(lengths > 0, 1 / xp.where(lengths > 0, lengths, 1), 0)
    unit = items * scale[:, None]
    left = xp.asarray(bundles, copy=True)
    basis = xp.zeros((count, size, items.shape[-1]), dtype=items.dtype, device=items.device)
    free = xp.ones((count, len(items)), dtype=xp.bool, device=items.device)
    numbers = xp.arange(count, device=items.device)
    chosen = []
    for step in range(size):
        scores = xp.where(free, left @ unit.T, -math.inf)
        best = xp.argmax(scores, axis=-1)
        chosen.append(best)
        free[numbers, best] = False
        direction = _orthogonal(vsa, basis[:, :step], xp.take(unit, best, axis=0))
        basis[:, step] = direction
        left = left - xp.linalg.vecdot(direction, left, axis=-1)[:, None] * direction
    indices = xp.stack(chosen, axis=-1)
    return _fitted(vsa, bundles, items, indices), indices


def _orthogonal(vsa: VSA, basis: Array, vectors: Array) -> Array:
    """Return the part of each vector that is orthogonal to its basis ``(p, k, storage)``, with length one or zero.

    Two Gram-Schmidt passes are enough to keep the basis orthogonal.
    """
    xp = vsa.xp
    for _ in range(2):
        shares = basis @ vectors[..., None]
        vectors = vectors - (xp.matrix_transpose(shares) @ basis)[:, 0]
    lengths = xp.sqrt(xp.linalg.vecdot(vectors, vectors, axis=-1))[:, None]
    return xp.where(lengths > RIDGE, vectors / xp.where(lengths > RIDGE, lengths, 1), 0)


def _fitted(vsa: VSA, bundles: Array, items: Array, indices: Array) -> Array:
    """Return the least-squares weights of the chosen items ``(p, size)`` of each bundle."""
    xp = vsa.xp
    found = xp.take(items, indices.reshape(-1), axis=0).reshape(*indices.shape, items.shape[-1])
    weights: Any = xp.linalg.solve(_gram(vsa, found), found @ bundles[..., None])[..., 0]
    return weights
