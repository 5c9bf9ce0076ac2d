"""SBC and GSBC: blocks with one component of 1, as positions and as floats.

Sparse block codes (Laiho et al. 2015; Frady, Kleyko and Sommer 2021) and their generalization (Hersche et al. 2024).
With one seed the atoms of both are the same, and those of CountingBloom with ``binding="segment"``.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hdc import atoms
from hdc.bounds.moments import Moments, linear
from hdc.checks import choice, integer
from hdc.errors import ParameterError
from hdc.kernels import Array
from hdc.models.cyclic import Plural
from hdc.models.summed import Summed
from hdc.vsa import VSA
from hdc.words import MAX_DIM

LONGEST = 1 << 15
"""Number of positions that an int16 can distinguish."""

BUNDLES = ("sum", "share")
PRECISIONS = ("float32", "float64")


def _multiple(least: int, length: int) -> int:
    return -(-least // length) * length


@dataclass(frozen=True)
class _Blocks(VSA):
    """Base of both models: ``dim`` is a number of blocks times their length.

    Parameters
    ----------
    length : int
        Components per block, 2 to 32768; :meth:`next_dim` finds a multiple.
    """

    _: KW_ONLY
    length: int = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "length", integer(self.length, "length", 2, LONGEST))
        if self.dim % self.length:
            raise ParameterError(
                f"dim of {self.model} is a number of blocks times length={self.length}, not {self.dim}; "
                f"take dim={_multiple(self.dim, self.length)}"
            )

    @classmethod
    def next_dim(cls, least: int, **parameters: Any) -> int:
        """Return the least multiple of ``length`` that is at least ``least``; see :meth:`hdc.VSA.next_dim`."""
        length = integer(parameters.get("length", cls.length), "length", 2, LONGEST)
        dim = _multiple(integer(least, "least", 1, MAX_DIM), length)
        return cls.from_parameters(**{**parameters, "dim": dim}).dim

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return self.dim // self.length


@dataclass(frozen=True)
class SBC(_Blocks, Plural):
    """Sparse block codes: one 1 in each block of ``length`` components; positions add modulo it to bind.

    Arrays are ``(..., blocks)``, the positions of the ones: uint8, or int16 in blocks longer than 256. ``dim`` counts
    the components that are 0 or 1, as the papers do, so unrelated atoms are as dissimilar as those of other models:
    their similarity has variance ``1 / (blocks (length - 1))``. A bundle has in each block the position of the greatest
    weight; ties go to the first position from a random one on, as in CGR. The algebra is that of CGR: SBC of ``dim``
    components is CGR of ``dim / length`` components and ``length`` levels. For sums of the blocks, which preserve more
    of their members, use :class:`GSBC` (floats) or CountingBloom with ``binding="segment"`` (integers).

    Parameters
    ----------
    dim : int
        Blocks times length.
    length : int
        Components per block, 2 to 32768.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("SBC", 1024, length=16)
    >>> vsa.symbol("a").shape
    (64,)
    >>> pair = vsa.bind(vsa.symbol("a"), vsa.symbol("b"))
    >>> bool((vsa.unbind(vsa.symbol("a"), pair) == vsa.symbol("b")).all())
    True
    """

    model: ClassVar[str] = "SBC"
    levels_name: ClassVar[str] = "length"

    @property
    def storage(self) -> int:
        """One position per block."""
        return self.blocks

    @property
    def levels(self) -> int:
        """Positions per block."""
        return self.length


@dataclass(frozen=True)
class GSBC(_Blocks, Summed):
    """Generalized sparse block codes: blocks of floats, convolved to bind, added to bundle.

    Arrays are ``(..., dim)``. An atom has one 1 in each block, so that binding with it rotates blocks and is undone
    exactly; that of two bundles is a circular convolution of each block, and undone approximately. Similarity is the
    cosine of what differs from the mean of each block. Gradients flow.

    Parameters
    ----------
    dim : int
        Blocks times length.
    length : int
        Components per block, 2 to 32768.
    bundles : {"sum", "share"}
        Whether a bundle is the sum, or each block of it is divided by its L1 norm, so that a component is the share of
        the members that have a 1 there.
    precision : {"float32", "float64"}

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("GSBC", 1024, length=16, bundles="share")
    >>> a, b = vsa.symbols(["a", "b"])
    >>> mixed = vsa.bundle(vsa.symbols(["a", "b"]))
    >>> float(mixed[:16].sum())
    1.0
    >>> bool((vsa.normalize(vsa.unbind(a, vsa.bind(a, b))) == b).all())
    True
    """

    _: KW_ONLY
    bundles: str = "sum"

    model: ClassVar[str] = "GSBC"

    def __post_init__(self) -> None:
        super().__post_init__()
        choice(self.bundles, "bundles", BUNDLES)
        choice(self.precision, "precision", PRECISIONS)

    @property
    def commutative(self) -> bool:
        """Convolutions commute."""
        return True

    @property
    def square(self) -> float:
        """Squared norm of what of an atom differs from the mean of each block."""
        return self.blocks * (1 - 1 / self.length)

    def atoms_of(self, keys: npt.NDArray[np.uint64]) -> Array:
        """Draw a position in each block."""
        return self._with_ones(atoms.scale_to(self.kernels.bits.random_words(keys, self.blocks), self.length))

    def _with_ones(self, positions: npt.NDArray[np.int64]) -> Array:
        out = np.zeros((len(positions), self.blocks, self.length), dtype=self.precision)
        np.put_along_axis(out, positions[..., None], 1, axis=-1)
        return self.kernels.arrays.from_numpy(out.reshape(len(positions), self.dim))

    def _in_blocks(self, x: Array) -> Array:
        return x.reshape(*x.shape[:-1], self.blocks, self.length)

    def _convolved(self, a: Any, x: Any, back: bool) -> Array:
        (one, other), xp = self.check_pair(a, x), self.xp
        batch = self.check_batches(one, other)
        if 0 in batch:  # not every library has a transform for it
            return xp.zeros((*batch, self.dim), dtype=other.dtype, device=other.device)
        spectrum = xp.fft.rfft(self._in_blocks(one))
        product = (xp.conj(spectrum) if back else spectrum) * xp.fft.rfft(self._in_blocks(other))
        blocks = xp.fft.irfft(product, n=self.length)
        return xp.astype(blocks.reshape(*batch, self.dim), other.dtype, copy=False)

    def bind(self, role: Any, x: Array) -> Array:
        """Convolve block by block: a rotation of each, if ``role`` is an atom."""
        return self._convolved(role, x, back=False)

    def unbind(self, role: Any, y: Array) -> Array:
        """Correlate block by block: the exact inverse, if ``role`` is an atom."""
        return self._convolved(role, y, back=True)

    def of_sums(self, sums: Array) -> Array:
        """Return sums as they are, or each block divided by its L1 norm; blocks of zeros stay."""
        if self.bundles == "sum":
            return sums
        blocks, xp = self._in_blocks(sums), self.xp
        whole = xp.sum(xp.abs(blocks), axis=-1, keepdims=True)
        return (blocks / xp.where(whole > 0, whole, 1)).reshape(sums.shape)

    def normalize(self, x: Array) -> Array:
        """Return a 1 where each block has its greatest component, the first of equal ones, and zeros elsewhere."""
        checked, xp = self.check(x), self.xp
        greatest = xp.argmax(self._in_blocks(checked), axis=-1)[..., None]
        here = xp.arange(self.length, dtype=greatest.dtype, device=checked.device)
        return xp.astype(here == greatest, self.dtype).reshape(checked.shape)

    @property
    def identity(self) -> Array:
        """A 1 at the start of each block."""
        return self._with_ones(np.zeros((1, self.blocks), np.int64))[0]

    def inverse(self, x: Array) -> Array:
        """Mirror blocks: position i moves to ``-i modulo length``."""
        checked = self.check(x)
        mirrored = self.xp.flip(self._in_blocks(checked), axis=-1)
        return self.xp.roll(mirrored, 1, axis=-1).reshape(checked.shape)

    def permute(self, x: Array, shift: int = 1) -> Array:
        """Rotate blocks: block i moves to ``(i + shift) mod blocks``."""
        return self.xp.roll(self.check(x), integer(shift, "shift") % self.blocks * self.length, axis=-1)

    def _centered(self, x: Any, what: str) -> Array:
        """Subtract the mean of each block."""
        checked = self.check(x, what)
        blocks = self._in_blocks(checked)
        return (blocks - self.xp.mean(blocks, axis=-1, keepdims=True)).reshape(checked.shape)

    def similarity(self, queries: Array, items: Array) -> Array:
        """Return cosines of what differs from the mean of each block."""
        return super().similarity(self._centered(queries, "queries"), self._centered(items, "items"))

    def scores(self, size: npt.ArrayLike, *, read: str | None = None) -> Moments:
        """Return the moments of a sum, whose blocks have one free number less; see :meth:`hdc.VSA.scores`."""
        return linear(size, self.dim - self.blocks)

    def contains(self, bundle: Array, items: Array, size: int | None = None) -> Array:
        """Decide whether the dot product with a sum is at least half a member's, or by the similarity with shares."""
        if self.bundles == "share":
            return self._near(bundle, items, size)
        return super().contains(self._centered(bundle, "bundle"), self._centered(items, "items"))

    def intersection_size(self, x: Array, y: Array, sizes: tuple[int, int] | None = None) -> Array:
        """Estimate the number of common members from sums, without what chance gives."""
        return super().intersection_size(self._centered(x, "x"), self._centered(y, "y"))
