"""Real vectors as a few planes of bits and a scale: dot products with signs become sums of Hamming distances."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hdc.checks import array, shown
from hdc.errors import DimensionError, DTypeError, ParameterError
from hdc.words import MAX_DIM, Words, pack, unpack

Floats = npt.NDArray[np.float32]
Reals = npt.NDArray[np.float64]

BITS = (1, 2, 4)
"""Possible numbers of planes."""

TRIED = 12
"""Scales at which the search for the best one starts."""

STEPS = 8
"""Most improvements per start."""

BLOCK = 1 << 20
"""Components to hold per block (8 MiB of float64, a few times)."""


class Planes(NamedTuple):
    """Quantized vectors.

    Attributes
    ----------
    words : (n, bits, words) uint64 array
        Component j of a vector is ``scale * sum_i 2**(bits-1-i) s_i``, with s_i = -1 where bit j of plane i is set, and
        +1 elsewhere: an odd number of magnitude up to ``2**bits - 1``, times the scale.
    scale : (n,) float64 array
    shift : (n,) float64 array
        Constant to add to dot products with rows of the given mean.
    """

    words: Words
    scale: Reals
    shift: Reals


def quantize(weights: Any, bits: int, mean: Any = None) -> Planes:
    """Quantize vectors so that the least is lost of their dot products with rows of signs.

    For independent signs h of mean m, ``a q . h + shift`` estimates ``w . h`` with the least mean squared error

        ``sum_j (1 - m_j²) (w_j - a q_j)²``  if  ``shift = (w - a q) . m``.

    This loss is made small over the scale a and the odd integers q of magnitude up to ``2**bits - 1``; components that
    hardly change do not count. Given the scale, q is the odd integer nearest to ``w / a``: the thresholds are ``0, ±2a,
    ±4a, ...``. Given q, the scale is that of least squares. Of one bit these are the signs and the weighted mean of
    ``|w|``, exactly; of more, the two steps are repeated from several scales, and the best is taken. On normal
    components, of mean 0, the loss is .363, .119 and .0115 of ``|w|²`` (Max 1960, table II).

    Parameters
    ----------
    weights : (n, dim) array of finite numbers
    bits : 1, 2 or 4
    mean : (dim,) array of numbers from -1 to 1, optional
        Of the rows, as components; 0 if not given. Rows of features that are all positive, or all much the same, have
        means far from 0, and quantized vectors that do not know of them are biased.

    Returns
    -------
    Planes
        A vector of zeros has scale 0.

    Raises
    ------
    DTypeError, DimensionError, ParameterError
        If the weights do not have that shape and dtype, or ``bits`` is another number.

    Examples
    --------
    >>> from hdc.apps.learn.bits import quantize
    >>> found = quantize([[1.0, -3.0, 2.5, 0.5]], bits=2)
    >>> [round(float(scale), 2) for scale in found.scale]
    [0.9]
    """
    rows = as_weights(weights)
    width, middle = as_bits(bits), _mean(mean, rows.shape[1])
    spread = 1 - middle**2
    words, scale, shift = [], np.empty(len(rows)), np.empty(len(rows))
    step = max(1, BLOCK // rows.shape[1])
    for start in range(0, len(rows), step):
        part, which = rows[start : start + step].astype(np.float64), slice(start, start + step)
        scale[which] = found = _scales(part, width, spread)
        levels = _levels(part, found, width)
        shift[which] = (part - found[:, None] * levels) @ middle
        words.append(_planes(levels, width))
    return Planes(np.concatenate(words), scale, shift)


def as_bits(bits: Any) -> int:
    """Return the number of planes, checked."""
    if isinstance(bits, bool) or bits not in BITS:
        raise ParameterError(f"bits must be one of {', '.join(map(str, BITS))}, not {shown(bits)}")
    return int(bits)


def as_weights(weights: Any, what: str = "weights") -> npt.NDArray[Any]:
    """Return a matrix of finite numbers; raises as :func:`quantize`."""
    rows = array(weights, what)
    if rows.dtype.kind not in "iuf":
        raise DTypeError(f"{what} must be numbers, not of dtype {rows.dtype}")
    if rows.ndim != 2 or 0 in rows.shape or rows.shape[1] > MAX_DIM:
        raise DimensionError(f"{what} must be of shape (vectors, components), at least one of both, not {rows.shape}")
    bad = ~np.isfinite(rows).all(axis=1)
    if bad.any():
        raise ParameterError(f"row {int(bad.argmax())} of {what} has NaN or infinity; remove it")
    return rows


def _mean(mean: Any, dim: int) -> Reals:
    if mean is None:
        return np.zeros(dim)
    middle = array(mean, "mean")
    if middle.dtype.kind not in "iuf" or middle.shape != (dim,) or not (np.abs(middle) <= 1).all():
        raise ParameterError(
            f"mean must be {dim} numbers from -1 to 1, those of rows as components; not of {middle.dtype} and shape "
            f"{middle.shape}"
        )
    return middle.astype(np.float64)


def integers(planes: Words, dim: int) -> npt.NDArray[np.int8]:
    """Return the odd integers of planes ``(..., bits, words)``: ``(..., dim)``."""
    bits = planes.shape[-2]
    total = np.zeros((*planes.shape[:-2], dim), np.int8)
    for i in range(bits):
        total += np.int8(2 ** (bits - 1 - i)) * (1 - 2 * unpack(planes[..., i, :], dim).view(np.int8))
    return total


def _levels(rows: Reals, scale: Reals, bits: int) -> Reals:
    """Return the odd integers nearest to rows divided by their scales, 1 for 0."""
    top = 2**bits - 1
    over = np.divide(rows, scale[:, None], out=np.zeros_like(rows), where=scale[:, None] > 0)
    return np.asarray(np.clip(2 * np.floor(over / 2) + 1, -top, top))


def _fitted(rows: Reals, levels: Reals, spread: Reals) -> tuple[Reals, Reals]:
    """Return the best scale of each row for its integers, and the squared error that it removes."""
    product, square = (rows * levels) @ spread, (levels * levels) @ spread
    scale = np.divide(product, square, out=np.zeros_like(product), where=square > 0)
    return scale, scale * product


def _scales(rows: Reals, bits: int, spread: Reals) -> Reals:
    if bits == 1:
        return _fitted(np.abs(rows), np.ones_like(rows), spread)[0]
    best, most = np.zeros(len(rows)), np.full(len(rows), -1.0)
    greatest = np.abs(rows).max(axis=1) / (2**bits - 1)
    for share in np.linspace(0.05, 1.1, TRIED):
        scale = share * greatest
        for _ in range(STEPS):
            better, spared = _fitted(rows, _levels(rows, scale, bits), spread)
            if np.allclose(better, scale, rtol=1e-9, atol=0):
                break
            scale = better
        gains = spared > most
        best[gains], most[gains] = scale[gains], spared[gains]
    return best


def _planes(levels: Reals, bits: int) -> Words:
    """Pack odd integers: ``(top - level) / 2`` in binary, the heaviest digit in the first plane; set bits mean less."""
    below = ((2**bits - 1 - levels) / 2).astype(np.uint8)
    return np.stack([pack(below >> (bits - 1 - i) & 1) for i in range(bits)], axis=1)
