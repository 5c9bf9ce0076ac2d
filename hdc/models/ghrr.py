"""GHRR: blocks of unitary matrices, multiplied to bind (Yeung, Zou and Imani 2024)."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hdc import atoms
from hdc.bounds.moments import Moments, linear
from hdc.checks import integer, number
from hdc.kernels import Array
from hdc.models.matrices import nearest_unitary
from hdc.models.summed import Summed

MOST_ROWS = 16
"""Most rows of a block, because products go row by row."""

NUMBERS = 1 << 16
"""Complex numbers to draw at a time, or one vector; they fit a cache."""

Entries = tuple[Array, Array]
"""Real and imaginary parts of blocks, ``(block, block, ..., dim)``."""


@dataclass(frozen=True)
class GHRR(Summed):
    """Generalized holographic reduced representations: random unitary blocks, their product, sum, mean real trace.

    Arrays are ``(..., 2 * block ** 2 * dim)`` floats: ``dim`` matrices row by row, real and imaginary part of each
    number in turn. With ``block=1`` this is FHRR. From 2 rows on, ``bind(a, b)``, which multiplies each block of b by
    that of a from the left, does not commute, so that products know the order of their operands without a permutation:
    the similarity of ``bind(a, b)`` and ``bind(b, a)`` is ``block ** -2`` on average.

    Parameters
    ----------
    dim : int
        Number of blocks.
    block : int
        Rows per block, 1 to 16.
    precision : str
        A float that the backend has.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("GHRR", 500, block=3)
    >>> a, b = vsa.symbols(["a", "b"])
    >>> a.shape
    (9000,)
    >>> round(float(vsa.similarity(vsa.bind(a, b), vsa.bind(b, a))), 1)
    0.1
    >>> round(float(vsa.similarity(vsa.unbind(a, vsa.bind(a, b)), b)), 5)
    1.0
    """

    _: KW_ONLY
    block: int = 2

    model: ClassVar[str] = "GHRR"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "block", integer(self.block, "block", 1, MOST_ROWS))

    @property
    def storage(self) -> int:
        """Two numbers for each of a block's."""
        return 2 * self.block**2 * self.dim

    @property
    def square(self) -> float:
        """Each row of a block has length one."""
        return float(self.block * self.dim)

    @property
    def commutative(self) -> bool:
        """Blocks of one number commute."""
        return self.block == 1

    # ------------------------------------------------------------------ layout of blocks

    def _interleaved(self, real: Array, imaginary: Array) -> Array:
        """Return vectors of blocks ``(..., dim, block, block)``."""
        blocks = self.xp.stack((real, imaginary), axis=-1)
        return blocks.reshape(*blocks.shape[:-4], self.storage)

    def _complex(self, x: Array) -> Array:
        """Return blocks as complex numbers of at least single precision, for matrix functions of libraries."""
        exact = self.xp.float64 if x.dtype == self.xp.float64 else self.xp.float32
        blocks = self.xp.astype(x, exact, copy=False).reshape(*x.shape[:-1], self.dim, self.block, self.block, 2)
        return blocks[..., 0] + 1j * blocks[..., 1]

    def _real(self, blocks: Array, dtype: Any) -> Array:
        made = self._interleaved(self.xp.real(blocks), self.xp.imag(blocks))
        return self.xp.astype(made, dtype, copy=False)

    def _entries(self, x: Array) -> Entries:
        """Return the entries at the same place of all blocks side by side, so that products run along long axes."""
        places = x.reshape(*x.shape[:-1], self.dim, 2 * self.block**2)
        side_by_side = self.xp.stack([places[..., place] for place in range(places.shape[-1])])
        entries = side_by_side.reshape(self.block, self.block, 2, *x.shape[:-1], self.dim)
        return entries[:, :, 0], entries[:, :, 1]

    def _of_entries(self, real: Array, imaginary: Array) -> Array:
        """Undo :meth:`_entries`."""
        rows = range(self.block)
        places = [part[i, j, ...] for i in rows for j in rows for part in (real, imaginary)]
        made = self.xp.stack(places, axis=-1)
        return made.reshape(*made.shape[:-2], self.storage)

    # ------------------------------------------------------------------ atoms

    def atoms_of(self, keys: npt.NDArray[np.uint64]) -> Array:
        """Draw blocks uniform over the unitary group: Gaussian matrices, made orthonormal column by column."""
        held = np.float64 if self.precision == "float64" else np.float32
        drawn = np.empty((len(keys), self.dim, self.block, self.block, 2), held)
        step = max(1, NUMBERS // (self.block**2 * self.dim))
        for start in range(0, len(keys), step):
            some = slice(start, start + step)
            normal = atoms.normal_rows(self.kernels.bits, keys[some], self.storage)
            parts = np.moveaxis(normal.reshape(-1, self.block, self.block, 2, self.dim), 0, 3)
            unitary = np.moveaxis(_orthonormal(parts[:, :, 0] + 1j * parts[:, :, 1]), (0, 1), (2, 3))
            drawn[some, ..., 0], drawn[some, ..., 1] = unitary.real, unitary.imag
        rows = self.kernels.arrays.from_numpy(drawn.reshape(len(keys), self.storage))
        return self.xp.astype(rows, self.dtype, copy=False)

    # ------------------------------------------------------------------ algebra

    def _multiplied(self, role: Any, x: Any, back: bool) -> Array:
        """Multiply blocks as sums of outer products, because they are too small for one call per block."""
        one, other = self.check_pair(role, x)
        axes = max(one.ndim, other.ndim)
        (left, left_up), (right, right_up) = (
            self._entries(each.reshape((1,) * (axes - each.ndim) + tuple(each.shape))) for each in (one, other)
        )
        if back:
            left, left_up = self.xp.moveaxis(left, 1, 0), -self.xp.moveaxis(left_up, 1, 0)
        real: Any = 0
        imaginary: Any = 0
        for k in range(self.block):
            column, column_up, row, row_up = left[:, k, None], left_up[:, k, None], right[None, k], right_up[None, k]
            real = real + (column * row - column_up * row_up)
            imaginary = imaginary + (column * row_up + column_up * row)
        return self._of_entries(real, imaginary)

    def bind(self, role: Any, x: Array) -> Array:
        """Multiply each block of ``x`` by that of ``role`` from the left."""
        return self._multiplied(role, x, back=False)

    def unbind(self, role: Any, y: Array) -> Array:
        """Multiply by conjugate transposes from the left: the exact inverse of unitary blocks."""
        return self._multiplied(role, y, back=True)

    def permute(self, x: Array, shift: int = 1) -> Array:
        """Rotate: block i moves to ``(i + shift) mod dim``."""
        places = integer(shift, "shift") % self.dim
        return self.xp.roll(self.check(x), 2 * self.block**2 * places, axis=-1)

    @property
    def identity(self) -> Array:
        """Identity matrices."""
        return self.from_phases(self.kernels.arrays.from_numpy(np.zeros(self.phases)))

    def inverse(self, x: Array) -> Array:
        """Transpose and conjugate."""
        real, imaginary = self._entries(self.check(x))
        return self._of_entries(self.xp.moveaxis(real, 1, 0), -self.xp.moveaxis(imaginary, 1, 0))

    def normalize(self, x: Array) -> Array:
        """Return the nearest unitary blocks; see :meth:`hdc.VSA.normalize`."""
        return self._real(nearest_unitary(self.xp, self._complex(self.check(x))), self.dtype)

    def power(self, x: Array, exponent: float) -> Array:
        """Raise blocks to a power: their eigenvalues, of angles between -π and π; see :meth:`hdc.VSA.power`."""
        checked, real = self.check(x), number(exponent, "the exponent")
        if real == int(real):
            return super().power(checked, int(real))
        xp = self.xp
        values, vectors = xp.linalg.eig(self._complex(checked))
        raised = xp.exp(1j * real * xp.atan2(xp.imag(values), xp.real(values))) * xp.abs(values) ** real
        blocks = (vectors * raised[..., None, :]) @ xp.linalg.inv(vectors)
        return self._real(blocks, checked.dtype)

    @property
    def phases(self) -> int:
        """One angle for each row of a block."""
        return self.block * self.dim

    def from_phases(self, angles: Any) -> Array:
        """Make diagonal blocks of phasors, which commute; see :meth:`hdc.VSA.from_phases`."""
        xp, given = self.xp, self.check_phases(angles)
        rows = given.reshape(*given.shape[:-1], self.dim, self.block, 1)
        diagonal = xp.eye(self.block, dtype=given.dtype, device=given.device)
        made = self._interleaved(diagonal * xp.cos(rows), diagonal * xp.sin(rows))
        return xp.astype(made, self.dtype, copy=False)

    def scores(self, size: npt.ArrayLike, *, read: str | None = None) -> Moments:
        """Return the moments of a sum of as many real numbers as are stored; see :meth:`hdc.VSA.scores`."""
        return linear(size, self.storage)


def _orthonormal(matrices: npt.NDArray[np.complex128]) -> npt.NDArray[np.complex128]:
    """Make the columns of matrices ``(m, m, ...)`` orthonormal in their order, each twice for rounding (Gram-Schmidt).

    Of Gaussian matrices the result is uniform over the unitary group: it is the Q of the QR decomposition whose R has a
    positive diagonal (Mezzadri 2007).
    """
    made = np.empty_like(matrices)
    for column in range(len(matrices)):
        rest = matrices[:, column]
        for before in 2 * list(range(column)):
            other = made[:, before]
            rest = rest - other * (other.conj() * rest).sum(axis=0)
        made[:, column] = rest / np.sqrt((rest.real**2 + rest.imag**2).sum(axis=0))
    return made
