"""VTB and TVTB: Gaussian atoms, multiplied as matrices to bind (Gosmann and Eliasmith 2019)."""

import math
from abc import abstractmethod
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hdc import atoms
from hdc.atoms import Name
from hdc.bounds.moments import Moments, linear
from hdc.checks import choice, integer
from hdc.errors import ParameterError, UnsupportedError
from hdc.kernels import Array
from hdc.models.matrices import nearest_unitary
from hdc.models.operators import orthogonal
from hdc.models.rearranging import Shuffling
from hdc.models.summed import Summed
from hdc.words import MAX_DIM

ROLES = ("orthogonal", "gaussian")


@dataclass(frozen=True)
class _Matrices(Shuffling, Summed):
    """Base of both models: N(0, 1/dim) atoms, read row by row as square matrices; sums; cosines."""

    _: KW_ONLY
    roles: str = "orthogonal"

    def __post_init__(self) -> None:
        super().__post_init__()
        choice(self.roles, "roles", ROLES)
        root = math.isqrt(self.dim)
        if root * root != self.dim:
            raise ParameterError(
                f"{self.model} binds square matrices: dim must be a square, such as {root**2} or {(root + 1) ** 2}, "
                f"not {self.dim}"
            )

    @classmethod
    def next_dim(cls, least: int, **parameters: Any) -> int:
        """Return the next square."""
        return (math.isqrt(integer(least, "least", 1, MAX_DIM) - 1) + 1) ** 2

    @property
    def side(self) -> int:
        """Rows, and columns, of a matrix."""
        return math.isqrt(self.dim)

    @property
    def commutative(self) -> bool:
        """Matrices of more than one number do not change places."""
        return self.dim == 1

    @property
    def exact_unbind(self) -> bool:
        """Orthogonal roles are undone exactly."""
        return self.roles == "orthogonal"

    @property
    def isometric(self) -> bool:
        """Orthogonal roles keep norms and similarities."""
        return self.roles == "orthogonal"

    def unbound_similarity(self, depth: int = 1) -> float:
        """Return 1 for orthogonal roles, else ``(depth + 1) ** -0.5``.

        What is left of X is X P P^T with P a product of ``depth`` Gaussian matrices, and ``tr (P P^T)² / m`` is
        ``depth + 1`` on average for many rows m.
        """
        levels = integer(depth, "depth", 0)
        return 1.0 if self.exact_unbind else (levels + 1) ** -0.5

    def _native(self, rows: npt.NDArray[np.float64]) -> Array:
        return self.xp.astype(self.kernels.arrays.from_numpy(rows), self.dtype, copy=False)

    def atoms_of(self, keys: npt.NDArray[np.uint64]) -> Array:
        """Draw normal components of variance 1/dim; the same as HRR's atoms."""
        return self._native(atoms.normal_rows(self.kernels.bits, keys, self.dim) / self.side)

    def role(self, name: Name) -> Array:
        """Return the role of a name: a random orthogonal matrix over the root of its rows, or an atom."""
        keys = atoms.stream_keys(self.seed, "role", (name,))
        if self.roles == "gaussian":
            return self.atoms_of(keys)[0]
        drawn = orthogonal(keys[0], self.side, self.kernels) / math.sqrt(self.side)
        return self._native(drawn.reshape(self.dim))

    def _squares(self, x: Array) -> Array:
        return x.reshape(*x.shape[:-1], self.side, self.side)

    def _flat(self, matrices: Array) -> Array:
        return matrices.reshape(*matrices.shape[:-2], self.dim)

    @abstractmethod
    def _product(self, role: Array, x: Array, back: bool) -> Array:
        """Multiply matrices of the shapes of two roles and vectors, or undo it."""

    def _multiplied(self, role: Any, x: Any, back: bool) -> Array:
        one, other = self.check_pair(role, x)
        product = self._product(self._squares(one), self._squares(other), back) * math.sqrt(self.side)
        return self._flat(product)

    def bind(self, role: Any, x: Array) -> Array:
        """Multiply as matrices, by the root of the number of rows."""
        return self._multiplied(role, x, back=False)

    def unbind(self, role: Any, y: Array) -> Array:
        """Multiply by the transpose: the exact inverse of an orthogonal role, the stable one of any other vector."""
        return self._multiplied(role, y, back=True)

    @property
    def identity(self) -> Array:
        """The identity matrix over the root of its rows."""
        return self._native(np.eye(self.side).reshape(self.dim) / math.sqrt(self.side))

    def inverse(self, x: Array) -> Array:
        """Transpose."""
        turned = self.xp.matrix_transpose(self._squares(self.check(x)))
        return self.xp.asarray(self._flat(turned), copy=True)

    def normalize(self, x: Array) -> Array:
        """Return the nearest orthogonal matrices, over the root of their rows; see :meth:`hdc.VSA.normalize`."""
        xp, matrices = self.xp, self._squares(self.check(x))
        exact = xp.float64 if matrices.dtype == xp.float64 else xp.float32
        nearest = nearest_unitary(xp, xp.astype(matrices, exact, copy=False)) / math.sqrt(self.side)
        return xp.astype(self._flat(nearest), self.dtype, copy=False)

    def scores(self, size: npt.ArrayLike, *, read: str | None = None) -> Moments:
        """Return the moments of a sum; symbols, and Gaussian roles, as keys add noise; see :meth:`hdc.VSA.scores`.

        What an atom scores with itself varies with its length, by 1/2. Unbound by a Gaussian matrix, it is
        ``tr(X S X^T)`` of a Wishart matrix S: by 9/2, beside the noise of ``1 + 1/m`` members.
        """
        if read == "symbol" or (read == "role" and not self.exact_unbind):
            noise = 1 + 1 / self.side
            return linear(size, self.dim, own=4.5 - noise, keys=noise)
        return linear(size, self.dim, own=0.5)


@dataclass(frozen=True)
class VTB(_Matrices):
    """Vector-derived transformation binding: N(0, 1/dim) atoms, a matrix made of the role times each row, cosine.

    With vectors read row by row as matrices of ``m = sqrt(dim)`` rows, ``bind(r, x)`` is ``sqrt(m) X R^T``: the role
    turns every row of x by the same matrix. It neither commutes nor associates, so that the nesting of bindings is kept
    without a permutation. A role that :meth:`role` makes is orthogonal: binding with it keeps norms and similarities
    and is undone exactly. Symbols are not: what is bound with a symbol comes back with a cosine of about ``2 ** -0.5``.

    Parameters
    ----------
    dim : int
        A square; :meth:`next_dim` finds one.
    roles : {"orthogonal", "gaussian"}
        ``"gaussian"`` draws roles as symbols are drawn, as in the paper's experiments.
    precision : str
        A float that the backend has.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("VTB", hdc.VTB.next_dim(1000))
    >>> vsa.dim
    1024
    >>> person = vsa.bundle(vsa.bind(vsa.role("name"), vsa.symbols(["Ada"])))
    >>> round(float(vsa.similarity(vsa.unbind(vsa.role("name"), person), vsa.symbol("Ada"))), 5)
    1.0
    """

    model: ClassVar[str] = "VTB"

    @property
    def associative(self) -> bool:
        """``bind(bind(a, b), c)`` transposes b twice, and ``bind(a, bind(b, c))`` does not."""
        return self.dim == 1

    def _product(self, role: Array, x: Array, back: bool) -> Array:
        return x @ (role if back else self.xp.matrix_transpose(role))

    def power(self, x: Array, exponent: float) -> Array:
        """Refuse: without associativity a power depends on the order of its products.

        Raises
        ------
        UnsupportedError
        """
        raise UnsupportedError("VTB has no powers, since its bind is not associative; take TVTB")


@dataclass(frozen=True)
class TVTB(_Matrices):
    """Transposed VTB: N(0, 1/dim) atoms, the matrix product, cosine.

    With vectors read row by row as matrices of ``m = sqrt(dim)`` rows, ``bind(a, b)`` is ``sqrt(m) A B``: it associates
    and does not commute, and its identity is one on both sides. Roles are as in :class:`VTB`.

    Parameters
    ----------
    dim : int
        A square; :meth:`next_dim` finds one.
    roles : {"orthogonal", "gaussian"}
        ``"gaussian"`` draws roles as symbols are drawn.
    precision : str
        A float that the backend has.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("TVTB", 1024)
    >>> path = vsa.bind(vsa.role("address"), vsa.role("city"))
    >>> x = vsa.symbol("Paris")
    >>> nested = vsa.bind(vsa.role("address"), vsa.bind(vsa.role("city"), x))
    >>> round(float(vsa.similarity(vsa.bind(path, x), nested)), 5)
    1.0
    """

    model: ClassVar[str] = "TVTB"

    def _product(self, role: Array, x: Array, back: bool) -> Array:
        return (self.xp.matrix_transpose(role) if back else role) @ x
