"""Permutations of components that models apply any number of times: rotations, and any fixed permutation."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc import atoms
from hdc.checks import integer
from hdc.kernels import Array, Backend
from hdc.models.operators import CACHE
from hdc.vsa import VSA


@dataclass(frozen=True)
class Rotating(VSA):
    """A model whose vectors have one number per component, and whose permutation is a rotation."""

    @property
    def storage(self) -> int:
        """Number of components."""
        return self.dim

    def permute(self, x: Array, shift: int = 1) -> Array:
        """Rotate: component i moves to ``(i + shift) mod dim``."""
        return self.xp.roll(self.check(x), integer(shift, "shift") % self.dim, axis=-1)


Order = npt.NDArray[np.int64]


def power(base: Order, exponent: int) -> Order:
    """Return the index array of a power of a permutation, by repeated squaring."""
    if exponent < 0:
        base, exponent = np.argsort(base), -exponent
    result = np.arange(len(base))
    while exponent:
        if exponent & 1:
            result = result[base]
        base, exponent = base[base], exponent >> 1
    return result


def order_of(kernels: Backend, key: tuple[Any, ...], base: Order, exponent: int) -> Array:
    """Return :func:`power` as an array of the backend, remembered by a key that names the permutation."""

    def make() -> Array:
        return kernels.arrays.from_numpy(power(base, exponent))

    return CACHE.get(("order", *key, exponent, kernels.name, kernels.device), make, lambda order: int(order.nbytes))


@dataclass(frozen=True)
class Shuffling(VSA):
    """A model of one number a component whose permutation is a fixed random one.

    For models in which a rotation is nearly a binding, so that it would not mark an order.
    """

    def permute(self, x: Array, shift: int = 1) -> Array:
        """Apply a fixed random permutation ``shift`` times."""
        key = "shuffle", self.dim, self.seed
        order = order_of(self.kernels, key, self._permutation, integer(shift, "shift"))
        return self.xp.take(self.check(x), order, axis=-1)

    @cached_property
    def _permutation(self) -> Order:
        return atoms.permutation(self.kernels.bits, atoms.stream_keys(self.seed, "permute", [0])[0], self.dim)
