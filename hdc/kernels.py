"""What a backend supplies: frozen records of functions, each with one signature.

The docstring of a field is the contract. Kernels trust their inputs: the models check dtype, shape and
padding before they call. Packed arrays follow :mod:`hdc.words`; a kernel takes any strides, any byte order
and read-only memory, never writes to an input, and returns a fresh C-contiguous array.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Array = Any
"""A NumPy array, or the backend's own tensor type."""


@dataclass(frozen=True)
class BitKernels:
    """Kernels on packed words.

    Attributes
    ----------
    random_words : (keys (n, 2) uint64, words int) -> (n, words) uint64
        Row i is the first ``words`` outputs of the Philox4x64-10 stream with key ``keys[i]``, counter
        starting at one (Salmon et al. 2011; NumPy's ``np.random.Philox(key=...).random_raw``).
    xor : (a (..., words), b (..., words)) -> (..., words)
        Elementwise exclusive or; batch axes broadcast.
    or_reduce : (x (..., n, words)) -> (..., words)
        Bitwise or along axis -2.
    popcount : (x (..., words)) -> (...) int64
        Number of set bits of each row.
    hamming : (queries (q, words), items (n, words)) -> (q, n) int32
        Number of differing bits of every pair.
    shared_ones : (queries (q, words), items (n, words)) -> (q, n) int32
        Number of bits set in both, of every pair.
    top_k : (queries (q, words), items (n, words), k) -> ((q, k) int32 distances, (q, k) int64 ids)
        The k items of least Hamming distance, in order of (distance, id); ``1 <= k <= n``.
    majority : (x (..., n, words), weights (..., n) int64 or None, tie (words,)) -> (..., words)
        Bit j is set where the weights of rows with bit j set exceed half the total weight, cleared where
        they are less, and ``tie``'s bit where they are equal. Weights may be negative.
    rotate : (x (..., words), shifts int or (...) int64, dim) -> (..., words)
        Component ``(j + shift) mod dim`` of the result is component j of ``x``; ``shifts`` broadcasts
        against the batch axes.
    gather : (x (..., words), index (..., dim) int64, dim) -> (..., words)
        Component j of the result is component ``index[j]`` of ``x``; batch axes broadcast.
    """

    random_words: Callable[[Array, int], Array]
    xor: Callable[[Array, Array], Array]
    or_reduce: Callable[[Array], Array]
    popcount: Callable[[Array], Array]
    hamming: Callable[[Array, Array], Array]
    shared_ones: Callable[[Array, Array], Array]
    top_k: Callable[[Array, Array, int], tuple[Array, Array]]
    majority: Callable[[Array, Array | None, Array], Array]
    rotate: Callable[[Array, Any, int], Array]
    gather: Callable[[Array, Array, int], Array]


@dataclass(frozen=True)
class DenseKernels:
    """Kernels on floating-point arrays (float32 or float64); the result has the dtype of ``x``.

    Attributes
    ----------
    fwht : (x (..., 2**p)) -> (..., 2**p)
        Orthonormal fast Walsh-Hadamard transform along the last axis, in natural (Sylvester) order.
    signed_gather : (x (..., dim), index (dim,) int64, sign (dim,) int8) -> (..., dim)
        Component j of the result is ``sign[j] * x[index[j]]``.
    """

    fwht: Callable[[Array], Array]
    signed_gather: Callable[[Array, Array, Array], Array]


@dataclass(frozen=True)
class Backend:
    """A named set of kernels and the array namespace that dense models compute in.

    Attributes
    ----------
    name : str
        What users write in ``backend=``.
    xp : module
        Array API namespace: NumPy itself, or array-api-compat's torch.
    bits : BitKernels
    dense : DenseKernels
    """

    name: str
    xp: Any
    bits: BitKernels
    dense: DenseKernels
