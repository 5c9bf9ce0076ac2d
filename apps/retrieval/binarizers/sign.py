"""SignBinarizer: signs of centered, rotated vectors."""

import math
from typing import Any, Self

import numpy as np
import numpy.typing as npt

import hdc
from hdc.apps.retrieval.binarizers.base import MOST_BITS, Binarizer, Floats, blocks, sign_tables
from hdc.apps.retrieval.vectors.rows import finite
from hdc.checks import flag, integer
from hdc.errors import ParameterError
from hdc.kernels import Rotation
from hdc.models.operators import Hadamard
from hdc.words import WORD_BITS, Words, pack, unpack, word_count

CANDIDATE_FLOATS = 1 << 22
"""Components of candidates expanded to floats at a time (16 MiB)."""


class Rotations:
    """Random orthogonal operators side by side: map d components to ``dim`` in O(dim log d), without a matrix.

    Parameters
    ----------
    d, dim, seed : int
    backend : str
    """

    def __init__(self, d: int, dim: int, seed: int, backend: str) -> None:
        self.dim = dim
        self._vsa = hdc.MBAT(d, seed=seed, matrix="hadamard", backend=backend)
        self._roles = [self._vsa.role(f"rotation {i}") ** 2 for i in range(-(-dim // d))]

    @property
    def first(self) -> Rotation:
        """The first operator, in the form that kernels read."""
        (operator,) = self._vsa.operator(self._roles[0])
        assert isinstance(operator, Hadamard)
        moves = operator.last
        return Rotation(operator.first, operator.middle, moves.index, moves.sign, operator.exponent)

    def __call__(self, x: Floats) -> Floats:
        """Rotate ``(n, d)`` float32 rows to ``(n, dim)``; the output of the last operator may be truncated."""
        return np.concatenate([self._vsa.bind(role, x) for role in self._roles], axis=1)[:, : self.dim]


def mean_of(rows: Any) -> Floats:
    """Return the mean row, summed block by block in float64.

    Raises
    ------
    ParameterError
        If there are no rows, or a row contains NaN or infinity.
    """
    if not len(rows):
        raise ParameterError("fit needs at least one vector, but X has none")
    total = np.zeros(rows.shape[1])
    for part in blocks(len(rows), 16 * rows.shape[1]):
        total += finite(rows[part], part.start).sum(axis=0, dtype=np.float64)
    return (total / len(rows)).astype(np.float32)


class SignBinarizer(Binarizer):
    """Codes from the signs of components, after centering and random rotations.

    Parameters
    ----------
    dim : int or None
        Bits per code; None uses the number of components of the vectors.
    center : bool
        Subtract the mean first.
    rotate : bool
        Multiply by random orthogonal operators (random signs and Walsh-Hadamard transforms), one per d bits. Without
        rotation, ``dim`` is at most d, and the first components are used.
    metric : {"cosine", "ip", "l2"}
        Measure of nearness: cosine, inner product or Euclidean distance. The last two need ``rotate``, because they
        append components that encode a vector's length.
    seed : int
        Random seed of the operators.
    backend : str
        ``"auto"``, or one of :func:`hdc.list_backends` that computes on NumPy arrays.
    asymmetric : bool
        How an index without originals searches. False compares the signs of a query with codes. True then reorders
        these candidates by the products of the float query with the signs, which improves recall at the same code
        size. (:meth:`scores` and :meth:`search` have an argument of their own.)

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((100, 64)).astype(np.float32)
    >>> binarizer = SignBinarizer(dim=256).fit(x)
    >>> codes = binarizer.transform(x)
    >>> codes.shape, binarizer.bytes_per_vector
    ((100, 4), 32)
    >>> scores, ids = binarizer.search(x[:2], codes, k=1)
    >>> ids.ravel()
    array([0, 1])
    """

    def __init__(
        self,
        dim: int | None = None,
        center: bool = True,
        rotate: bool = True,
        seed: int = 0,
        backend: str = "auto",
        metric: str = "cosine",
        asymmetric: bool = False,
    ) -> None:
        self.dim = dim
        self.center = center
        self.rotate = rotate
        self.seed = seed
        self.backend = backend
        self.metric = metric
        self.asymmetric = asymmetric

    def fit(self, X: Any, y: Any = None) -> Self:
        """Compute the mean of ``(n, d)`` float vectors, block by block.

        Raises
        ------
        DTypeError, DimensionError, ParameterError
            If X is not such an array, is empty or contains NaN, or ``dim`` does not fit d.
        """
        rows = self._table(X)
        d = rows.shape[1]
        dim = d if self.dim is None else integer(self.dim, "dim", 1, MOST_BITS)
        integer(self.seed, "seed", 0)
        flag(self.center, "center"), flag(self.rotate, "rotate"), flag(self.asymmetric, "asymmetric")
        if dim > d and not self.rotate:
            raise ParameterError(f"dim={dim} exceeds the {d} components of the vectors; set rotate=True")
        if self.metric != "cosine" and not self.rotate:
            raise ParameterError(f"metric={self.metric!r} needs rotate=True, so that all signs reflect lengths")
        mapped = self._mapped(rows, self.metric, centered=self.center)
        mean = mean_of(mapped)
        self.mean_ = mean if self.center and self.metric == "cosine" else np.zeros_like(mean)
        self._prepare()
        return self

    def _prepare(self) -> None:
        self.n_features_in_ = len(self.mean_) - self.space_.added
        self.dim_ = self.n_features_in_ if self.dim is None else self.dim
        self._rotations = Rotations(len(self.mean_), self.dim_, self.seed, self.kernels.name)

    def _project(self, x: Floats) -> Floats:
        return self._rotations(x) if self.rotate else x[:, : self.dim_]

    def _encode(self, x: Floats) -> Words:
        return pack(self._project(x - self.mean_) > 0)

    def nibble_tables(self, queries: Any) -> Floats:
        """Return tables of the dot products of centered, rotated queries with the signs.

        They are scaled as if a centered vector had norm one. The mean is subtracted from queries as from vectors: all
        sign vectors have the same length, so a product of the mean with them says nothing about nearness.
        """
        weights = np.zeros((len(queries), word_count(self.dim_) * WORD_BITS), dtype=np.float32)
        weights[:, : self.dim_] = self._project(queries - self.mean_) * np.float32(self._unit)
        return sign_tables(weights)

    @property
    def _unit(self) -> float:
        """Mean projection of a unit vector on one axis, over the expected sum of its projections on signs."""
        return math.sqrt(math.pi * len(self.mean_) / 2) / self.dim_

    def candidate_products(self, asked: Floats, codes: Words) -> Floats:
        """Return the products of mapped queries with their own candidates' codes, estimated as by :meth:`products`.

        Parameters
        ----------
        asked : (q, d) float32 array
        codes : (q, c, words) uint64 array

        Returns
        -------
        (q, c) float32 array
        """
        weights = self._project(asked - self.mean_) * np.float32(self._unit)
        found = np.empty(codes.shape[:2], dtype=np.float32)
        step = max(1, CANDIDATE_FLOATS // max(1, codes.shape[1] * self.dim_))
        for start in range(0, len(asked), step):
            part = slice(start, start + step)
            bits = unpack(codes[part], self.dim_).astype(np.float32)
            found[part] = 2 * np.matmul(bits, weights[part, :, None])[:, :, 0]
        return np.asarray(found - weights.sum(axis=1)[:, None] + self.beside(asked)[:, None])

    def _own_params(self) -> dict[str, Any]:
        """Return the saved parameters; without ``asymmetric``, the format is that of releases without the parameter."""
        parameters = super()._own_params()
        if not self.asymmetric:
            del parameters["asymmetric"]
        return parameters

    def _state(self) -> dict[str, npt.NDArray[Any]]:
        return {"mean": self.mean_}

    def _set_state(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        self.mean_ = arrays["mean"]
        self._prepare()
