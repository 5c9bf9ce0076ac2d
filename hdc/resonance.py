"""The algebra of a resonator network: bind, similarity and weighted bundles for many scenes at once.

:class:`~hdc.factorizer.Factorizer` is written once, against a :class:`Space`. The general space calls the model. If
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

FEW = 0.25
"""Largest share of the codewords that a sparse matrix product sums faster than a dense one."""

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
        Share of the components that are negated, once, in the codebooks that mixtures are made from.
    seed : int
        Chooses them.
    """

    vsa: VSA
    books: Sequence[Array]
    flips: float = 0.0
    seed: int = 0

    signed: ClassVar[bool] = False
    """Whether the negatives of two factors have the same product, so that signs of scores carry no information."""

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
        """The codebooks that mixtures are made from."""
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
        """Return the normalized bundles of a codebook under each row of weights ``(p, n)``, ``(p, width)``."""
        xp, code = self.xp, self.mixed_codes[factor]
        scale = (1 << 21) // len(code)
        whole = xp.astype(xp.round(weights * scale), xp.int64)
        step = max(1, MEMBERS // (len(code) * self.vsa.storage))
        parts = [whole[start : start + step] for start in range(0, len(whole), step)]
        bundles = [self.vsa.bundle(xp.broadcast_to(code, (len(w), *code.shape)), w) for w in parts]
        return self.vsa.normalize(xp.concat(bundles, axis=0))

    def products(self, choices: Sequence[Array]) -> Array:
        """Return the products of the chosen codewords, ``(p, width)``, for one list of ``(p,)`` indices per factor."""
        words = [self.xp.take(code, chosen, axis=0) for code, chosen in zip(self.codes, choices, strict=True)]
        return reduce(self.bind, words)

    def agreements(self, products: Array, scenes: Array) -> Array:
        """Return the similarity of each product with its scene, ``(p,)``.

        Binding keeps similarities, so it is that of what is left of the scene with the identity.
        """
        return self.vsa.similarity(self.vsa.unbind(products, scenes), self.vsa.identity)


@dataclass(frozen=True)
class Signs(Space):
    """MAP-I, and what MAP-B is unpacked: signs as floats."""

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
        """A one of the dtype that represents all sums exactly."""
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
        return self.signs(weights @ self.mixed_codes[factor])

    def signs(self, sums: Array) -> Array:
        """Return signs of sums ``(..., dim)``; zeros as MAP-B has them."""
        signs = self.xp.sign(sums)
        if not bool(self.xp.all(signs)):
            places = self.xp.nonzero(signs.reshape(-1) == 0)[0]
            signs.reshape(-1)[places] = self.xp.where(self._positive(sums, places), 1.0, -1.0)
        return signs

    def _positive(self, sums: Array, places: Array) -> Array:
        """Return where sums at a few places, all zero, count as positive; :func:`hdc.models.ties.where_positive`."""
        xp, dim = self.xp, self.vsa.dim
        column = places % dim
        beside = xp.take(sums.reshape(-1), places - xp.where(column > 0, 1, 1 - dim), axis=0)
        return xp.take(self._tie, column, axis=0) ^ (xp.remainder(xp.floor(beside / 2), 2) != 0)

    def left(self, x: Array) -> Array:
        """Return signs as the model has its atoms: what :meth:`entered` undoes."""
        vsa = self.vsa
        return vsa.kernels.bits.pack(x < 0) if isinstance(vsa, MAPB) else self.xp.astype(x, vsa.dtype, copy=False)

    def agreements(self, products: Array, scenes: Array) -> Array:
        """Return cosines, row by row."""
        return self.xp.linalg.vecdot(products, scenes, axis=-1) / self.vsa.dim


@dataclass(frozen=True)
class Packed(Signs):
    """MAP-B: packed signs are bound and scored, and mixed as floats. All is exact: scores are whole numbers."""

    def entered(self, x: Array) -> Array:
        """Return packed vectors unchanged."""
        return x

    @cached_property
    def mixed_codes(self) -> list[Array]:
        """The codebooks that mixtures are made from: signs as floats."""
        return Signs(self.vsa, self.books, self.flips, self.seed).mixed_codes

    def bind(self, a: Array, b: Array) -> Array:
        """Exclusive or."""
        return self.vsa.kernels.bits.xor(a, b)

    def unbind(self, a: Array, b: Array) -> Array:
        """Exclusive or again."""
        return self.vsa.kernels.bits.xor(a, b)

    def scores(self, factor: int, queries: Array) -> Array:
        """Return cosines, by the distances of packed vectors."""
        distances = self.vsa.kernels.bits.hamming(queries, self.codes[factor])
        return 1 - self.xp.astype(distances, self._one.dtype) * (2 / self.vsa.dim)

    def mixtures(self, factor: int, weights: Array) -> Array:
        """Return the signs of the exact sums; zeros as bundles have them. Codewords without a weight are left out."""
        xp, whole = self.xp, self.xp.round(weights * self.vsa.dim)
        some = whole != 0
        sums = self._of_few(factor, whole, some) if bool(xp.mean(xp.astype(some, whole.dtype)) < FEW) else None
        if sums is None:
            sums = whole @ self.mixed_codes[factor]
        negative = sums < 0
        places = xp.nonzero((sums == 0).reshape(-1))[0]
        if len(places):
            negative.reshape(-1)[places] = ~self._positive(sums, places)
        return self.vsa.kernels.bits.pack(negative)

    def _of_few(self, factor: int, weights: Array, some: Array) -> Array:
        """Return the sums by a sparse matrix product."""
        xp = self.xp
        rows, columns = xp.nonzero(some)
        ends = xp.cumulative_sum(xp.sum(some, axis=-1, dtype=xp.int64), include_initial=True)
        return self.vsa.kernels.dense.csr_matmul(weights[rows, columns], columns, ends, self.mixed_codes[factor])

    def agreements(self, products: Array, scenes: Array) -> Array:
        """Return cosines, row by row."""
        return 1 - self.vsa.kernels.bits.popcount(self.bind(products, scenes)) * (2 / self.vsa.dim)


@dataclass(frozen=True)
class Floats(Space):
    """HRR, and models like it: floats whose bundles are sums."""

    signed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Any codebook may be flipped."""

    def entered(self, x: Array) -> Array:
        """Return vectors of length one."""
        xp = self.xp
        norms = xp.sqrt(xp.linalg.vecdot(x, x, axis=-1))[..., None]
        return x / xp.where(norms > 0, norms, 1)

    def bind(self, a: Array, b: Array) -> Array:
        """Bind; of length one again."""
        return self.entered(self.vsa.bind(a, b))

    def unbind(self, a: Array, b: Array) -> Array:
        """Unbind; of length one again."""
        return self.entered(self.vsa.unbind(a, b))

    def scores(self, factor: int, queries: Array) -> Array:
        """Return cosines."""
        return queries @ self.codes[factor].T

    def mixtures(self, factor: int, weights: Array) -> Array:
        """Return the normalized sums."""
        return self.entered(self.vsa.normalize(weights @ self.mixed_codes[factor]))

    def agreements(self, products: Array, scenes: Array) -> Array:
        """Return cosines, row by row."""
        return self.xp.linalg.vecdot(products, scenes, axis=-1)


@dataclass(frozen=True)
class Phasors(Space):
    """FHRR: all real parts, and then all imaginary ones. Cosines are real parts of products, which anchors phases."""

    signed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Any codebook may be flipped."""

    def entered(self, x: Array) -> Array:
        """Return components of mean square length one."""
        xp = self.xp
        parts = self._parts(x)
        norms = xp.sqrt(xp.linalg.vecdot(parts, parts, axis=-1) / self.vsa.dim)[..., None]
        return parts / xp.where(norms > 0, norms, 1)

    def _parts(self, x: Array) -> Array:
        return self.xp.concat([x[..., 0::2], x[..., 1::2]], axis=-1)

    def _negated(self, code: Array, mask: Any) -> Array:
        signs = np.tile(np.where(mask, np.float32(-1), np.float32(1)), 2)
        return code * self.xp.astype(self.vsa.kernels.arrays.from_numpy(signs), code.dtype, copy=False)

    def _halves(self, x: Array) -> tuple[Array, Array]:
        return x[..., : self.vsa.dim], x[..., self.vsa.dim :]

    def bind(self, a: Array, b: Array) -> Array:
        """Multiply phasors."""
        (re, im), (real, imaginary) = self._halves(a), self._halves(b)
        return self.xp.concat([re * real - im * imaginary, re * imaginary + im * real], axis=-1)

    def unbind(self, a: Array, b: Array) -> Array:
        """Multiply by the conjugates of the first."""
        (re, im), (real, imaginary) = self._halves(a), self._halves(b)
        return self.xp.concat([re * real + im * imaginary, re * imaginary - im * real], axis=-1)

    def scores(self, factor: int, queries: Array) -> Array:
        """Return cosines."""
        return (queries @ self.codes[factor].T) / self.vsa.dim

    def mixtures(self, factor: int, weights: Array) -> Array:
        """Return the phases of the sums."""
        return self._phases(*self._halves(weights @ self.mixed_codes[factor]))

    def _phases(self, real: Array, imaginary: Array) -> Array:
        xp = self.xp
        lengths = xp.sqrt(real * real + imaginary * imaginary)
        if not bool(xp.all(lengths)):
            real, lengths = xp.where(lengths > 0, real, 1), xp.where(lengths > 0, lengths, 1)
        return xp.concat([real / lengths, imaginary / lengths], axis=-1)

    def agreements(self, products: Array, scenes: Array) -> Array:
        """Return cosines, row by row."""
        return self.xp.linalg.vecdot(products, scenes, axis=-1) / self.vsa.dim


@dataclass(frozen=True)
class Levels(Phasors):
    """MCR: phasors; mixtures are rounded to levels."""

    vsa: MCR

    @cached_property
    def _tables(self) -> list[Array]:
        """Cosines and sines of the levels."""
        angles = np.arange(self.vsa.levels) * (2 * np.pi / self.vsa.levels)
        return [self.vsa.kernels.arrays.from_numpy(part(angles).astype(np.float32)) for part in (np.cos, np.sin)]

    def _parts(self, x: Array) -> Array:
        levels = self.xp.astype(x, self.xp.int64)
        return self.xp.concat([self._looked_up(table, levels) for table in self._tables], axis=-1)

    def _looked_up(self, table: Array, levels: Array) -> Array:
        return self.xp.take(table, levels.reshape(-1), axis=0).reshape(levels.shape)

    def _phases(self, real: Array, imaginary: Array) -> Array:
        xp = self.xp
        steps = xp.astype(xp.round(xp.atan2(imaginary, real) * (self.vsa.levels / (2 * math.pi))), xp.int64)
        levels = xp.where(steps < 0, steps + self.vsa.levels, steps)
        return xp.concat([self._looked_up(table, levels) for table in self._tables], axis=-1)


def space_of(vsa: VSA, books: Sequence[Array], flips: float, seed: int) -> Space:
    """Return the fastest space that a model has."""
    kinds: list[tuple[Any, type[Space]]] = [
        (MAPB, Packed),
        (MAPI, Signs),
        (MCR, Levels),
        (FHRR, Phasors),
        (Summed, Floats),
    ]
    kind = next((space for models, space in kinds if isinstance(vsa, models)), Space)
    return kind(vsa, books, flips, seed)
