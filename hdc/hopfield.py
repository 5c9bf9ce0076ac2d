"""Hopfield: a set of symbols as one matrix, with membership and intersection size."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from hdc import atoms, bounds
from hdc.atoms import Name
from hdc.checks import choice, flag, instance
from hdc.dispatch import backend as find_backend
from hdc.errors import MismatchError
from hdc.models.map import MAPI
from hdc.similarity import dots

FORMS = ("low-rank", "dense")

Scores = npt.NDArray[np.float64]


class Hopfield:
    """The matrix memory ``W = Σ s_i x_i x_iᵀ`` of a set, over ±1 atoms x_i with random signs s_i.

    With the signs (Hopfield±) the cross-talk cancels on average; without them (Hopfield, ``s_i = 1``) it adds up to
    a known mean, which is subtracted. Sizes that are enough: bounds D16 and D17 of :mod:`hdc.bounds`, models
    ``"Hopfield±"`` and ``"Hopfield"`` (after Clarkson, Ubaru and Yang 2023; Hopfield 1982).

    Parameters
    ----------
    dim : int
        Order of the matrix.
    names : iterable of names, optional
        The first members.
    signed : bool
        Hopfield± or Hopfield.
    form : {"low-rank", "dense"}
        Keep the n members, ``(n, dim)`` int8, or only the sum, ``(dim, dim)`` int64. Both give equal scores.
    seed : int
        Opens the stream of atoms: they are those of ``hdc.MAPI(dim, seed=seed)``.
    backend : str
        Draws the atoms.

    Examples
    --------
    >>> import hdc
    >>> basket = hdc.Hopfield(300, ["apple", "pear", "plum"])
    >>> basket.contains(["pear", "fig"]).tolist()
    [True, False]
    >>> round(basket.intersection_size(hdc.Hopfield(300, ["pear", "plum", "fig"])))
    2
    """

    def __init__(
        self,
        dim: int,
        names: Iterable[Name] = (),
        *,
        signed: bool = True,
        form: str = "low-rank",
        seed: int = 0,
        backend: str = "auto",
    ) -> None:
        self.vsa = MAPI(dim, seed=seed, backend=backend)
        self.signed = flag(signed, "signed")
        self.form = choice(form, "form", FORMS)
        self._size = 0
        self._members = np.zeros((0, self.vsa.dim), dtype=np.int8)
        self._signs = np.zeros(0, dtype=np.int8)
        self._matrix = np.zeros((self.vsa.dim,) * 2 if form == "dense" else (0, 0), dtype=np.int64)
        self.add(names)

    def __len__(self) -> int:
        """Return how many members were added."""
        return self._size

    def __repr__(self) -> str:
        return f"Hopfield({self.vsa.dim}, signed={self.signed}, form={self.form!r}, {len(self)} members)"

    @property
    def model(self) -> str:
        """The name under which :mod:`hdc.bounds` knows it."""
        return "Hopfield±" if self.signed else "Hopfield"

    @property
    def matrix(self) -> npt.NDArray[np.int64]:
        """W, ``(dim, dim)`` int64."""
        if self.form == "dense":
            return self._matrix.copy()
        return _outer_sum(self._members, self._signs)

    def add(self, names: Iterable[Name]) -> None:
        """Add members; a name added twice counts twice."""
        names = list(atoms.check_names(names)) if not isinstance(names, str | bytes) else names
        vectors, signs = self.vsa.to_numpy(self.vsa.symbols(names)), self._signs_of(names)
        if self.form == "dense":
            self._matrix += _outer_sum(vectors, signs)
        else:
            self._members = np.concatenate([self._members, vectors])
            self._signs = np.concatenate([self._signs, signs])
        self._size += len(names)

    def scores(self, names: Sequence[Name]) -> Scores:
        """Estimate how often each name was added, without bias.

        ``s_j x_jᵀ W x_j / m²`` for non-members has mean 0 and variance ``n (3m² - 2m)/m⁴``; without signs the
        estimate is ``(x_jᵀ W x_j / m - n) / (m - 1)``.

        Parameters
        ----------
        names : sequence of n names

        Returns
        -------
        (n,) float64 array
        """
        vectors = self.vsa.to_numpy(self.vsa.symbols(names))
        if self.form == "dense":
            forms = ((vectors.astype(np.float64) @ self._matrix) * vectors).sum(axis=-1)
        else:
            forms = _dots(vectors, self._members).astype(np.float64) ** 2 @ self._signs
        return self._estimate(forms * self._signs_of(names), len(self))

    def contains(self, names: Sequence[Name]) -> npt.NDArray[np.bool_]:
        """Decide which names are members: a score of at least 1/2 (D16).

        Returns
        -------
        (n,) bool array
        """
        return np.asarray(self.scores(names) >= 0.5)

    def intersection_size(self, other: "Hopfield") -> float:
        """Estimate the number of common members from ``<W, W'>`` (Frobenius), without bias (D17).

        Raises
        ------
        MismatchError
            If the memories differ in dimension, seed or signs.
        """
        self.vsa.check_same(instance(other, "other", Hopfield).vsa)
        if self.signed != other.signed:
            raise MismatchError(f"a {self.model} and a {other.model} memory have no intersection size")
        if self.form == other.form == "low-rank":
            squares = _dots(self._members, other._members).astype(np.float64) ** 2
            product = float(self._signs.astype(np.float64) @ squares @ other._signs)
        else:
            product = float(np.vdot(self.matrix.astype(np.float64), other.matrix.astype(np.float64)))
        return float(self._estimate(np.asarray(product), len(self) * len(other)))

    def capacity(self, *, universe: int, error: float = 0.01, bound: str = "rigorous") -> int:
        """Return how many members can be distinguished within a universe; see :func:`hdc.bounds.capacity`."""
        found: int = bounds.capacity(
            "membership", self.model, dim=self.vsa.dim, universe=universe, error=error, bound=bound
        )
        return found

    def _estimate(self, forms: Scores, terms: int) -> Scores:
        m = self.vsa.dim
        if self.signed:
            return np.asarray(forms / m**2)
        return np.asarray((forms / m - terms) / max(m - 1, 1))

    def _signs_of(self, names: Sequence[Name]) -> npt.NDArray[np.int8]:
        if not self.signed:
            return np.ones(len(names), dtype=np.int8)
        return atoms.signs(self.vsa.kernels.bits, atoms.stream_keys(self.vsa.seed, "hopfield", names), 1)[:, 0]


def _dots(x: npt.NDArray[np.int8], y: npt.NDArray[np.int8]) -> Scores:
    return np.asarray(dots(find_backend("numpy"), x, y))


def _outer_sum(vectors: npt.NDArray[np.int8], signs: npt.NDArray[np.int8]) -> npt.NDArray[np.int64]:
    """Return ``Σ s_i x_i x_iᵀ``; float64 BLAS is exact for sums below 2^53."""
    x = vectors.astype(np.float64)
    return np.asarray(np.rint((x * signs[:, None]).T @ x), dtype=np.int64)
