"""Orthogonal operators by key: the three families that MBAT binds with.

Each family draws from the role's stream and is exact to rounding at any depth; nothing but the haar family's
bounded cache holds d x d numbers.
"""

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc import atoms
from hdc.kernels import Backend
from hdc.words import Words

Floats = npt.NDArray[np.floating[Any]]
Index = npt.NDArray[np.int64]


class ByteCache:
    """A least-recently-used cache bounded by the bytes it holds; safe to share between threads."""

    def __init__(self, limit: int) -> None:
        self.limit, self.held = limit, 0
        self._entries: OrderedDict[Any, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Any, make: Callable[[], Any], size: Callable[[Any], int]) -> Any:
        """Return the entry of ``key``, made on first use; an entry above the limit is not kept."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
                return self._entries[key][0]
        entry = make()
        with self._lock:
            if key not in self._entries and size(entry) <= self.limit:
                self._entries[key] = (entry, size(entry))
                self.held += size(entry)
            while self.held > self.limit:
                _, (_, dropped) = self._entries.popitem(last=False)
                self.held -= dropped
        return entry


CACHE = ByteCache(256 << 20)
"""Operators and permutations of all models of the process: 256 MiB (sixteen haar matrices at dim 2048, float32)."""


@dataclass(frozen=True)
class Operator(ABC):
    """An orthogonal map of ``dim`` components, of determinant ±1."""

    @abstractmethod
    def apply(self, x: Floats, kernels: Backend) -> Floats:
        """Return the image of each row of ``x``, ``(..., dim)``, in the dtype of ``x``."""

    @abstractmethod
    def power(self, exponent: int) -> "Operator":
        """Return the operator applied ``exponent`` times; negative exponents invert."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes held."""


@dataclass(frozen=True, eq=False)
class Haar(Operator):
    """A dense matrix, uniform over the orthogonal group: QR of a Gaussian matrix, signs fixed (Mezzadri 2007)."""

    matrix: Floats

    @classmethod
    def draw(cls, key: Words, dim: int, dtype: npt.DTypeLike, kernels: Backend) -> "Haar":
        """Draw the operator of a stream key."""
        gaussian = atoms.normals(kernels.bits, key, dim * dim).reshape(dim, dim)
        q, r = np.linalg.qr(gaussian)
        return cls(np.ascontiguousarray(q * np.where(np.diagonal(r) < 0, -1.0, 1.0), dtype=dtype))

    def apply(self, x: Floats, kernels: Backend) -> Floats:
        """Multiply by the matrix, in the wider of the two dtypes' precision."""
        return np.asarray(x @ self.matrix.T.astype(x.dtype, copy=False))

    def power(self, exponent: int) -> "Haar":
        """Return the matrix power (the transpose for -1)."""
        base = self.matrix if exponent >= 0 else self.matrix.T
        return Haar(np.linalg.matrix_power(base, abs(exponent)))

    @property
    def nbytes(self) -> int:
        """Bytes of the matrix."""
        return self.matrix.nbytes


@dataclass(frozen=True, eq=False)
class SignedPermutation(Operator):
    """Component j of the image is ``sign[j] * x[index[j]]``."""

    index: Index
    sign: npt.NDArray[np.int8]

    @classmethod
    def draw(cls, key: Words, dim: int, dtype: npt.DTypeLike, kernels: Backend) -> "SignedPermutation":
        """Draw the operator of a stream key: the order of its words, and their lowest bits as signs."""
        words = kernels.bits.random_words(key.reshape(1, 2), dim)[0]
        sign = (1 - 2 * (words & np.uint64(1)).astype(np.int8)).astype(np.int8)
        return cls(np.argsort(words, kind="stable").astype(np.int64), sign)

    def apply(self, x: Floats, kernels: Backend) -> Floats:
        """Move and flip the components."""
        return np.asarray(kernels.dense.signed_gather(x, self.index, self.sign))

    def after(self, other: "SignedPermutation") -> "SignedPermutation":
        """Return the operator that applies ``other``, then this one."""
        return SignedPermutation(other.index[self.index], self.sign * other.sign[self.index])

    def power(self, exponent: int) -> "SignedPermutation":
        """Return the power, again a signed permutation, by repeated squaring."""
        base = self if exponent >= 0 else self._inverse()
        result = SignedPermutation(np.arange(len(self.index)), np.ones(len(self.index), dtype=np.int8))
        exponent = abs(exponent)
        while exponent:
            if exponent & 1:
                result = base.after(result)
            base, exponent = base.after(base), exponent >> 1
        return result

    def _inverse(self) -> "SignedPermutation":
        order = np.argsort(self.index)
        return SignedPermutation(order, self.sign[order])

    @property
    def nbytes(self) -> int:
        """Bytes of the index and the signs."""
        return self.index.nbytes + self.sign.nbytes


@dataclass(frozen=True, eq=False)
class Hadamard(Operator):
    """Random signs, fast Walsh-Hadamard transform, random signed permutation: O(d log d), no matrix.

    For a ``dim`` that is no power of two, the transform runs on the first and then, after the signs of
    ``middle``, on the last ``p`` components, where p is the largest power of two below: again orthogonal.
    """

    first: npt.NDArray[np.int8]
    middle: npt.NDArray[np.int8]
    last: SignedPermutation
    exponent: int = 1

    @classmethod
    def draw(cls, key: Words, dim: int, dtype: npt.DTypeLike, kernels: Backend) -> "Hadamard":
        """Draw the operator of a stream key; every word gives an order and two signs, two more words signs."""
        words = kernels.bits.random_words(key.reshape(1, 2), dim)[0]
        bit = [(1 - 2 * ((words >> np.uint64(b)) & np.uint64(1)).astype(np.int8)).astype(np.int8) for b in range(3)]
        order = np.argsort(words, kind="stable").astype(np.int64)
        return cls(bit[1], bit[2], SignedPermutation(order, bit[0]))

    def apply(self, x: Floats, kernels: Backend) -> Floats:
        """Apply the operator, or its inverse, as often as the exponent says."""
        step = self._forward if self.exponent > 0 else self._backward
        for _ in range(abs(self.exponent)):
            x = step(x, kernels)
        return x if self.exponent else x.copy()

    def _forward(self, x: Floats, kernels: Backend) -> Floats:
        return self.last.apply(self._transform(x * self.first.astype(x.dtype), kernels, last=False), kernels)

    def _backward(self, y: Floats, kernels: Backend) -> Floats:
        y = self._transform(self.last.power(-1).apply(y, kernels), kernels, last=True)
        return np.asarray(y * self.first.astype(y.dtype))

    def _transform(self, x: Floats, kernels: Backend, *, last: bool) -> Floats:
        dim = x.shape[-1]
        p = 1 << (dim.bit_length() - 1)
        if p == dim:
            return np.asarray(kernels.dense.fwht(x))
        parts = (slice(dim - p, dim), slice(0, p)) if last else (slice(0, p), slice(dim - p, dim))
        x = x.copy()
        x[..., parts[0]] = kernels.dense.fwht(x[..., parts[0]])
        x *= self.middle.astype(x.dtype)
        x[..., parts[1]] = kernels.dense.fwht(x[..., parts[1]])
        return x

    def power(self, exponent: int) -> "Hadamard":
        """Return the operator with another exponent; applying it costs one transform a step."""
        return replace(self, exponent=self.exponent * exponent)

    @property
    def nbytes(self) -> int:
        """Bytes of the signs and the permutation."""
        return self.first.nbytes + self.middle.nbytes + self.last.nbytes


FAMILIES: dict[str, Callable[[Words, int, npt.DTypeLike, Backend], Operator]] = {
    "haar": Haar.draw,
    "hadamard": Hadamard.draw,
    "permutation": SignedPermutation.draw,
}
