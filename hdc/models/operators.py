"""Orthogonal operators by key: the three families that MBAT binds with.

Each family draws from the role's stream and is exact to rounding at any depth. Only the bounded cache of the haar
family stores d x d numbers.
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
from hdc.kernels import Array, Backend
from hdc.words import Words

MOST_ENTRIES = 1 << 30
"""Components of the signed permutations that a kernel draws at a time."""


class ByteCache:
    """A least-recently-used cache bounded by its bytes; safe to share between threads."""

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
"""Bytes of operators and permutations to cache for all models of the process, on every device: 256 MiB (sixteen haar
matrices at dim 2048, float32).
"""


@dataclass(frozen=True)
class Operator(ABC):
    """An orthogonal map of ``dim`` components, of determinant ±1, in arrays of one backend and device."""

    @abstractmethod
    def apply(self, x: Array, kernels: Backend) -> Array:
        """Return the image of each row of ``x``, ``(..., dim)``, in the dtype of ``x``."""

    @abstractmethod
    def power(self, exponent: int, kernels: Backend) -> "Operator":
        """Return the operator applied ``exponent`` times; negative exponents invert."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes in the cache."""


def orthogonal(key: Words, size: int, kernels: Backend) -> npt.NDArray[np.float64]:
    """Draw a matrix uniform over the orthogonal group: QR of a Gaussian one, signs fixed (Mezzadri 2007)."""
    gaussian = atoms.normals(kernels.bits, key, size * size).reshape(size, size)
    q, r = np.linalg.qr(gaussian)
    signed: npt.NDArray[np.float64] = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
    return signed


@dataclass(frozen=True, eq=False)
class Haar(Operator):
    """A dense matrix, as :func:`orthogonal` draws it."""

    matrix: Array

    @classmethod
    def draw(cls, key: Words, dim: int, precision: str, kernels: Backend) -> "Haar":
        """Draw the operator of a stream key, in at least float32."""
        held = np.float64 if precision == "float64" else np.float32
        return cls(kernels.arrays.from_numpy(np.ascontiguousarray(orthogonal(key, dim, kernels), dtype=held)))

    def apply(self, x: Array, kernels: Backend) -> Array:
        """Multiply by the matrix in the dtype of ``x``."""
        return x @ kernels.xp.astype(self.matrix, x.dtype, copy=False).T

    def power(self, exponent: int, kernels: Backend) -> "Haar":
        """Return the matrix power (the transpose for -1)."""
        base = self.matrix if exponent >= 0 else self.matrix.T
        return Haar(kernels.xp.linalg.matrix_power(base, abs(exponent)))

    @property
    def nbytes(self) -> int:
        """Bytes of the matrix."""
        return int(self.matrix.nbytes)


@dataclass(frozen=True, eq=False)
class SignedPermutation(Operator):
    """Component j of the image is ``sign[j] * x[index[j]]``."""

    index: Array
    sign: Array

    @classmethod
    def draw(cls, key: Words, dim: int, precision: str, kernels: Backend) -> "SignedPermutation":
        """Draw the operator of a stream key: the order of its words, and their lowest bits as signs."""
        if dim > MOST_ENTRIES:
            words = kernels.bits.random_words(key.reshape(1, 2), dim)[0]
            return cls(kernels.arrays.from_numpy(np.argsort(words, kind="stable")), _signs_at(words, 0, kernels))
        entries = kernels.bits.signed_orders(key.reshape(1, 2), dim)[0]
        signs = kernels.arrays.from_numpy((1 - 2 * (entries & 1)).astype(np.int8))
        return cls(kernels.arrays.from_numpy((entries >> 1).astype(np.int64)), signs)

    def apply(self, x: Array, kernels: Backend) -> Array:
        """Move and flip the components."""
        return kernels.dense.signed_gather(x, self.index, self.sign)

    def after(self, other: "SignedPermutation") -> "SignedPermutation":
        """Return the operator that applies ``other``, then this one."""
        return SignedPermutation(other.index[self.index], self.sign * other.sign[self.index])

    def power(self, exponent: int, kernels: Backend) -> "SignedPermutation":
        """Return the power, again a signed permutation, by repeated squaring."""
        xp, sign = kernels.xp, self.sign
        base = self if exponent >= 0 else self.inverse(kernels)
        result = SignedPermutation(xp.arange(len(sign), device=sign.device), xp.ones_like(sign))
        exponent = abs(exponent)
        while exponent:
            if exponent & 1:
                result = base.after(result)
            base, exponent = base.after(base), exponent >> 1
        return result

    def inverse(self, kernels: Backend) -> "SignedPermutation":
        """Return the transpose."""
        order = kernels.xp.argsort(self.index)
        return SignedPermutation(order, self.sign[order])

    @property
    def nbytes(self) -> int:
        """Bytes of the index and the signs."""
        return int(self.index.nbytes + self.sign.nbytes)


@dataclass(frozen=True, eq=False)
class Hadamard(Operator):
    """Random signs, fast Walsh-Hadamard transform, random signed permutation: O(d log d), no matrix.

    For a ``dim`` that is no power of two, the transform runs on the first and then, after the signs of
    ``middle``, on the last ``p`` components, where p is the largest power of two below: again orthogonal.
    """

    first: Array
    middle: Array
    last: SignedPermutation
    undo: SignedPermutation
    exponent: int = 1

    @classmethod
    def draw(cls, key: Words, dim: int, precision: str, kernels: Backend) -> "Hadamard":
        """Draw the operator of a stream key: every word determines a place in the order and three signs."""
        words = kernels.bits.random_words(key.reshape(1, 2), dim)[0]
        order = kernels.arrays.from_numpy(np.argsort(words, kind="stable").astype(np.int64))
        last, first, middle = (_signs_at(words, bit, kernels) for bit in range(3))
        permutation = SignedPermutation(order, last)
        return cls(first, middle, permutation, permutation.inverse(kernels))

    def apply(self, x: Array, kernels: Backend) -> Array:
        """Apply the operator, or its inverse, as often as the exponent says."""
        if not self.exponent:
            return kernels.xp.asarray(x, copy=True)
        moves = self.last if self.exponent > 0 else self.undo
        return kernels.dense.hadamard(x, self.first, self.middle, moves.index, moves.sign, self.exponent)

    def power(self, exponent: int, kernels: Backend) -> "Hadamard":
        """Return the operator with another exponent; applying it costs one transform a step."""
        return replace(self, exponent=self.exponent * exponent)

    @property
    def nbytes(self) -> int:
        """Bytes of the signs and the permutations."""
        return int(self.first.nbytes + self.middle.nbytes) + self.last.nbytes + self.undo.nbytes


def _signs_at(words: Words, bit: int, kernels: Backend) -> Array:
    """Read a ±1 from one bit of each word, ``(n,)`` int8, on the backend's device."""
    drawn = ((words >> np.uint64(bit)) & np.uint64(1)).astype(np.int8)
    return kernels.arrays.from_numpy((1 - 2 * drawn).astype(np.int8))


FAMILIES: dict[str, Callable[[Words, int, str, Backend], Operator]] = {
    "haar": Haar.draw,
    "hadamard": Hadamard.draw,
    "permutation": SignedPermutation.draw,
}
