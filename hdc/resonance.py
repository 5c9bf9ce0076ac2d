"""The algebra of a resonator network: what bind, similarity and weighted bundles are for many scenes at once.

:class:`~hdc.factoriser.Factoriser` is written once, against a :class:`Space`. The general one calls the model. Where
vectors are signs or phasors, two matrix products do the same for all scenes: scores are ``q @ book.T``, and mixtures
are ``weights @ book``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from typing import Any, ClassVar

import numpy as np

from hdc.errors import UnsupportedError
from hdc.kernels import Array
from hdc.models.cyclic import MCR
from hdc.models.fhrr import FHRR
from hdc.models.map import MAPB, MAPI
from hdc.models.summed import Summed
from hdc.models.ties import tie_vector
from hdc.vsa import VSA

MEMBERS = 1 << 22
"""Components of members that the general space bundles at a time."""

EXACT = 2.0**24
"""Integers below it are exact in float32."""


@dataclass(frozen=True)
class Space:
    """The general space: hypervectors as the model has them.

    Parameters
    ----------
    vsa : VSA
        Binds two vectors, commutatively, and has an identity.
    books : sequence of (n, storage) arrays
        One codebook for each factor.
    flips : float
        Share of the components that are negated in the codebooks of which mixtures are made, once.
    seed : int
        Chooses them.
    """

    vsa: VSA
    books: Sequence[Array]
    flips: float = 0.0
    seed: int = 0

    signed: ClassVar[bool] = False
    """Whether the negatives of two factors have the same product, so that signs of scores say nothing."""

    def __post_init__(self) -> None:
        if self.flips:
            raise UnsupportedError(f"flips need components that have a sign, and those of {self.vsa.model} have none")

    @property
    def xp(self) -> Any:
        """The Array API namespace."""
        return self.vsa.xp

    def entered(self, x: Array) -> Array:
        """Return hypervectors ``(..., storage)`` as this space has them, ``(..., width)``."""
        return x

    @cached_property
    def codes(self) -> list[Array]:
        """The codebooks in this space."""
        return [self.entered(book) for book in self.books]

    @cached_property
    def mixed_codes(self) -> list[Array]:
        """The codebooks of which mixtures are made."""
        if not self.flips:
            return self.codes
        generator, dim = np.random.default_rng([self.seed % 2**64, 1]), self.vsa.dim
        masks = (generator.random((len(code), dim)) < self.flips for code in self.codes)
        return [self._negated(code, mask) for code, mask in zip(self.codes, masks, strict=True)]

    def _negated(self, code: Array, mask: Any) -> Array:
        signs = np.repeat(np.where(mask, np.float32(-1), np.float32(1)), code.shape[1] // mask.shape[1], axis=1)
        return code * self.xp.astype(self.vsa.kernels.arrays.from_numpy(signs), code.dtype, copy=False)

    def bind(self, a: Array, b: Array) -> Array:
        """Bind row by row."""
        return self.vsa.bind(a, b)

    def unbind(self, a: Array, b: Array) -> Array:
        """Undo :meth:`bind`, row by row."""
        return self.vsa.unbind(a, b)

    def scores(self, factor: int, queries: Array) -> Array:
        """Return similarities with the codebook of a factor, ``(p, n)`` float32 or float64."""
        return self.vsa.similarity(queries, self.codes[factor])

    def mixtures(self, factor: int, weights: Array) -> Array:
        """Return the normalised bundles of a codebook under each row of weights ``(p, n)``, ``(p, width)``."""
        xp, code = self.xp, self.mixed_codes[factor]
        scale = (1 << 21) // len(code)
        whole = xp.astype(xp.round(weights * scale), xp.int64)
        step = max(1, MEMBERS // (len(code) * self.vsa.storage))
        parts = [whole[start : start + step] for start in range(0, len(whole), step)]
        bundles = [self.vsa.bundle(xp.broadcast_to(code, (len(w), *code.shape)), w) for w in parts]
        return self.vsa.normalise(xp.concat(bundles, axis=0))

    def products(self, choices: Sequence[Array]) -> Array:
        """Return what the chosen codewords bind to, ``(p, width)``, for a list of ``(p,)`` indices a factor."""
        words = [self.xp.take(code, chosen, axis=0) for code, chosen in zip(self.codes, choices, strict=True)]
        return reduce(self.bind, words)

    def agreements(self, products: Array, scenes: Array) -> Array:
        """Return the similarity of each product with its scene, ``(p,)``.

        Binding keeps similarities, so it is that of what is left of the scene with the identity.
        """
        return self.vsa.similarity(self.vsa.unbind(products, scenes), self.vsa.identity)


@dataclass(frozen=True)
class Signs(Space):
    """MAP-B and MAP-I: signs as floats. Scores of packed vectors are whole numbers, and their mixtures exact."""

    signed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Any codebook may be flipped."""

    def entered(self, x: Array) -> Array:
        """Return components of mean square one."""
        xp, vsa = self.xp, self.vsa
        if isinstance(vsa, MAPB):
            return xp.where(vsa.kernels.bits.unpack(x, vsa.dim), self._one * -1, self._one)
        components = xp.astype(x, self._one.dtype)
        norms = xp.sqrt(xp.mean(components * components, axis=-1, keepdims=True))
        return components / xp.where(norms > 0, norms, 1)

    @cached_property
    def _one(self) -> Array:
        """A one of the dtype that holds all sums exactly."""
        xp, kernels = self.xp, self.vsa.kernels
        short = max(map(len, self.books)) * self.vsa.dim < EXACT and self.vsa.dim <= kernels.dense.exact_integers()
        return xp.ones((), dtype=xp.float32 if short else xp.float64, device=self.books[0].device)

    @cached_property
    def _tie(self) -> Array:
        tie = tie_vector(self.vsa)
        return ~self.vsa.kernels.bits.unpack(tie, self.vsa.dim) if isinstance(self.vsa, MAPB) else tie > 0

    def bind(self, a: Array, b: Array) -> Array:
        """Multiply."""
        return a * b

    def unbind(self, a: Array, b: Array) -> Array:
        """Multiply again."""
        return a * b

    def scores(self, factor: int, queries: Array) -> Array:
        """Return cosines."""
        return (queries @ self.codes[factor].T) / self.vsa.dim

    def mixtures(self, factor: int, weights: Array) -> Array:
        """Return the signs of the sums; zeros as MAP-B has them."""
        xp = self.xp
        whole = xp.round(weights * self.vsa.dim) if isinstance(self.vsa, MAPB) else weights
        return self.signs(whole @ self.mixed_codes[factor])

    def signs(self, sums: Array) -> Array:
        """Return signs of sums ``(..., dim)``; zeros as MAP-B has them."""
        signs = self.xp.sign(sums)
        if not bool(self.xp.all(signs)):
            self._break_ties(sums, signs)
        return signs

    def left(self, x: Array) -> Array:
        """Return signs as the model has its atoms: what :meth:`entered` undoes."""
        vsa = self.vsa
        return vsa.kernels.bits.pack(x < 0) if isinstance(vsa, MAPB) else self.xp.astype(x, vsa.dtype, copy=False)

    def _break_ties(self, sums: Array, signs: Array) -> None:
        """Put signs where there is none, as :func:`hdc.models.ties.where_positive` does: few, so one by one."""
        xp, dim = self.xp, self.vsa.dim
        places = xp.nonzero(signs.reshape(-1) == 0)[0]
        column = places % dim
        beside = xp.take(sums.reshape(-1), places - xp.where(column > 0, 1, 1 - dim), axis=0)
        odd = xp.remainder(xp.floor(beside / 2), 2) != 0
        signs.reshape(-1)[places] = xp.where(xp.take(self._tie, column, axis=0) ^ odd, 1.0, -1.0)

    def agreements(self, products: Array, scenes: Array) -> Array:
        """Return cosines, row by row."""
        return self.xp.linalg.vecdot(products, scenes, axis=-1) / self.vsa.dim


@dataclass(frozen=True)
class Floats(Space):
    """FHRR and HRR: floats whose bundles are sums. Cosines of phasors are real parts, which anchors their phases."""

    signed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Any codebook may be flipped."""

    def entered(self, x: Array) -> Array:
        """Return vectors of length one."""
        xp = self.xp
        norms = xp.sqrt(xp.linalg.vecdot(x, x, axis=-1))[..., None]
        return x / xp.where(norms > 0, norms, 1)

    @property
    def _model(self) -> VSA:
        return self.vsa

    def bind(self, a: Array, b: Array) -> Array:
        """Bind; of length one again."""
        return self.entered(self._model.bind(a, b))

    def unbind(self, a: Array, b: Array) -> Array:
        """Unbind; of length one again."""
        return self.entered(self._model.unbind(a, b))

    def scores(self, factor: int, queries: Array) -> Array:
        """Return cosines."""
        return queries @ self.codes[factor].T

    def mixtures(self, factor: int, weights: Array) -> Array:
        """Return the normalised sums."""
        return self.entered(self._model.normalise(weights @ self.mixed_codes[factor]))

    def agreements(self, products: Array, scenes: Array) -> Array:
        """Return cosines, row by row."""
        return self.xp.linalg.vecdot(products, scenes, axis=-1)


@dataclass(frozen=True)
class Levels(Floats):
    """MCR: the phasors of FHRR, mixtures of which are rounded to levels."""

    vsa: MCR

    @cached_property
    def _model(self) -> VSA:
        return FHRR(self.vsa.dim, seed=self.vsa.seed, backend=self.vsa.backend, device=self.vsa.device)

    def entered(self, x: Array) -> Array:
        """Return phasors of levels, and phasors as they are, of length one."""
        xp = self.xp
        if x.dtype == xp.uint8:
            x = self._model.from_phases(xp.astype(x, xp.float64) * (2 * math.pi / self.vsa.levels))
        return super().entered(x)

    def mixtures(self, factor: int, weights: Array) -> Array:
        """Return the phases of the sums, rounded."""
        xp, sums = self.xp, weights @ self.mixed_codes[factor]
        steps = xp.round(xp.atan2(sums[..., 1::2], sums[..., 0::2]) * (self.vsa.levels / (2 * math.pi)))
        return super().entered(self._model.from_phases(steps * (2 * math.pi / self.vsa.levels)))


def space_of(vsa: VSA, books: Sequence[Array], flips: float, seed: int) -> Space:
    """Return the fastest space that a model has."""
    kinds: list[tuple[Any, type[Space]]] = [((MAPB, MAPI), Signs), (MCR, Levels), (Summed, Floats)]
    kind = next((space for models, space in kinds if isinstance(vsa, models)), Space)
    return kind(vsa, books, flips, seed)
