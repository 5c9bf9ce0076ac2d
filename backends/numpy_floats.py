"""Reference kernels that rotate, normalize and round floats."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numpy_blocks import cyclic_rows
from hdc.kernels import LEAST_UNIT

Floats = npt.NDArray[np.floating[Any]]


def rounded(x: npt.NDArray[np.float32], most: int) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.float32]]:
    """Divide rows by their units, and round."""
    unit = np.abs(x).max(axis=1, initial=0) / np.float32(most)
    unit[unit < LEAST_UNIT] = 1
    return np.rint(x / unit[:, None]).astype(np.int16), unit.astype(np.float32)


def units(x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Divide rows by their lengths, computed from integers whose squares float64 adds exactly."""
    exponents = np.frexp(np.abs(x).max(axis=1, initial=0).astype(np.float64))[1]
    more = ((53 - x.shape[1].bit_length()) // 2 - exponents)[:, None]
    integers = np.rint(np.ldexp(x.astype(np.float64), more))
    lengths = np.ldexp(np.sqrt(np.einsum("nd,nd->n", integers, integers))[:, None], -more)
    lengths[~np.isfinite(x).all(axis=1)] = np.nan
    return (x / np.where(lengths == 0, 1, lengths)).astype(np.float32)


def fwht(x: Floats) -> Floats:
    """Apply log2(dim) rounds of butterflies, the widest first, and scale at the same point as the compiled transform.

    A float sum depends on the order of its terms; the same order gives the same bits.
    """
    dim = x.shape[-1]
    rounds = dim.bit_length() - 1
    y = x.astype(x.dtype.newbyteorder("="), copy=True)
    scale = y.dtype.type(2.0 ** (-rounds / 2))
    if rounds % 2 == 0:
        y *= scale
    half = dim // 2
    while half:
        pairs = y.reshape(*y.shape[:-1], dim // (2 * half), 2, half)
        left, right = pairs[..., 0, :], pairs[..., 1, :]
        y = np.stack([left + right, left - right], axis=-2).reshape(y.shape)
        if rounds % 2 and 2 * half == dim:
            y *= scale
        half //= 2
    return y


def hadamard(
    x: Floats,
    first: npt.NDArray[np.int8],
    middle: npt.NDArray[np.int8],
    index: npt.NDArray[np.int64],
    sign: npt.NDArray[np.int8],
    steps: int,
) -> Floats:
    """Apply the other kernels, step by step."""
    dim = x.shape[-1]
    p = 1 << (dim.bit_length() - 1)
    parts = (slice(0, p), slice(dim - p, dim))[:: 1 if steps > 0 else -1]
    y = x.astype(x.dtype.newbyteorder("="))
    for _ in range(abs(steps)):
        y = y * first if steps > 0 else signed_gather(y, index, sign)
        y[..., parts[0]] = fwht(y[..., parts[0]])
        if p < dim:
            y *= middle
            y[..., parts[1]] = fwht(y[..., parts[1]])
        y = signed_gather(y, index, sign) if steps > 0 else y * first
    return y


def signed_gather(x: Floats, index: npt.NDArray[np.int64], sign: npt.NDArray[np.int8]) -> Floats:
    """Permute the components and flip signs: a signed permutation matrix times each row."""
    return np.take(x, index, axis=-1) * sign.astype(x.dtype.newbyteorder("="))


def signed_products(
    entries: npt.NDArray[np.int32], outer: npt.NDArray[np.int64], inner: npt.NDArray[np.int64]
) -> npt.NDArray[np.int32]:
    """Look up inner entries where the outer ones point, and flip their signs where the outer ones are negative."""
    after, before = entries[outer].astype(np.int32), entries[inner].astype(np.int32)
    return np.take_along_axis(before, after >> 1, axis=-1) ^ (after & 1)


def signed_gathers(
    x: Floats, entries: npt.NDArray[np.int32], outer: npt.NDArray[np.int64], inner: npt.NDArray[np.int64]
) -> Floats:
    """Permute and flip each row by its own product; the lowest bits are signs."""
    native, own = x.astype(x.dtype.newbyteorder("=")), signed_products(entries, outer, inner)
    return np.take_along_axis(native, own >> 1, axis=-1) * (1 - 2 * (own & 1)).astype(native.dtype)


def _complex(x: Floats) -> npt.NDArray[np.complexfloating[Any, Any]]:
    """View alternating real and imaginary parts as complex numbers, in place if possible."""
    native = x.astype(x.dtype.newbyteorder("="), copy=False)
    gapless = native if native.strides[-1] == native.itemsize else np.ascontiguousarray(native)
    return gapless.view(np.result_type(native.dtype, np.complex64))


def phasor_product(a: Floats, b: Floats, conjugate: bool) -> Floats:
    """Multiply complex numbers."""
    one, other = _complex(a), _complex(b)
    product = np.multiply(one.conj() if conjugate else one, other, order="C")
    parts: Floats = product.view(one.real.dtype)
    return parts


TOGETHER = 1 << 18
"""Bytes of rows transformed at a time, unless eight rows need more; their frequencies stay in a cache."""


def convolver(rows: int, a: Floats, b: Floats, back: bool, fft: Any) -> Callable[[slice], Floats]:
    """Return a function that convolves a slice of ``rows`` rows; row ``i % len`` of each operand belongs to row i.

    Repeated rows are transformed once.
    """

    def spectra(x: Floats) -> Callable[[slice], Any]:
        if len(x) == rows:
            return lambda part: fft.rfft(x[part])
        whole = fft.rfft(x)
        return lambda part: whole[np.arange(part.start, part.stop) % len(whole)] if len(whole) > 1 else whole

    one, other, dim = spectra(a), spectra(b), b.shape[1]

    def convolved(part: slice) -> Floats:
        left = one(part)
        found: Floats = fft.irfft((left.conj() if back else left) * other(part), n=dim)
        return found

    return convolved


def convolve(a: Floats, b: Floats, back: bool) -> Floats:
    """Multiply frequencies, a few rows at a time."""
    batch = np.broadcast_shapes(a.shape[:-1], b.shape[:-1])
    native = b.dtype.newbyteorder("=")
    out = np.empty((math.prod(batch), b.shape[-1]), dtype=native)
    if len(out):
        one, other = (cyclic_rows(x.astype(native, copy=False), batch) for x in (a, b))
        convolved = convolver(len(out), one, other, back, np.fft)
        for part in convolved_parts(0, len(out), out[:1].nbytes):
            out[part] = convolved(part)
    return out.reshape(*batch, b.shape[-1])


def convolved_parts(start: int, stop: int, row_bytes: int) -> Iterator[slice]:
    """Yield slices of rows to transform at a time."""
    step = max(8, TOGETHER // row_bytes)
    return (slice(at, min(stop, at + step)) for at in range(start, stop, step))


def row_sums(x: Floats) -> Floats:
    """Add along axis -2."""
    return np.asarray(np.sum(x, axis=-2, dtype=x.dtype.newbyteorder("=")))
