"""RaBitQBinarizer: signs of rotated residuals, an unbiased estimate of the dot product, and its error bound."""

import math
from typing import Any, Self

import numpy as np

from hdc.apps.retrieval.binarisers.base import Floats, as_rows, finite, sign_tables
from hdc.apps.retrieval.binarisers.sign import Centred, Rotations, mean_of
from hdc.errors import ParameterError
from hdc.words import WORD_BITS, Words, pack, word_count

E0 = 1.9
"""Default width of the bound, in standard deviations of an unrelated query's error: 5.7 % of those fall outside."""

OWN_WORDS = 1
"""Words of a code that hold not signs but two float32."""


class RaBitQBinarizer(Centred):
    """RaBitQ codes (Gao & Long 2024): one bit a dimension, the residual's norm, and how well the signs fit it.

    A vector x with residual ``r = x - mean`` has the code ``s = sign(P r)``, P a random orthogonal operator. The
    unit vector ``s / sqrt(d)`` makes an angle with ``P r`` whose cosine f is kept. For a query q,
    ``|r| (P q . s) / (sqrt(d) f)`` estimates ``r . q`` without bias over the choice of P.

    The last word of a code is two little-endian float32: ``|r|`` and f, 8 bytes as in FAISS.

    Parameters
    ----------
    seed : int
        Of the operator.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def fit(self, X: Any, y: None = None) -> Self:
        """Compute the mean of ``(n, d)`` float vectors; raises as :meth:`SignBinarizer.fit`, and if d is 1."""
        rows = as_rows(X)
        if rows.shape[1] < 2:
            raise ParameterError("RaBitQ needs vectors of at least 2 components")
        self.mean_ = mean_of(rows)
        self._prepare()
        return self

    def _prepare(self) -> None:
        self.n_features_in_ = len(self.mean_)
        self.dim_ = self.n_features_in_
        self._rotate = Rotations(self.dim_, self.dim_, self.seed)

    @property
    def words(self) -> int:
        """Words of a code: signs, then one of two float32."""
        self._check_fitted()
        return word_count(self.dim_) + OWN_WORDS

    def _encode(self, x: Floats) -> Words:
        residual = self._rotate(x - self.mean_)
        norm = np.linalg.norm(residual, axis=1)
        fit = np.abs(residual).sum(axis=1) / (math.sqrt(self.dim_) * np.maximum(norm, np.float32(1e-30)))
        factors = np.stack([norm, np.where(norm > 0, fit, 1)], axis=1).astype("<f4")
        return np.concatenate([pack(residual > 0), factors.view("<u8").astype(np.uint64)], axis=1)

    def factors(self, codes: Words) -> tuple[Floats, Floats]:
        """Return ``(n,)`` float32 norms of the residuals and cosines between signs and residuals."""
        pairs = np.ascontiguousarray(codes[:, -OWN_WORDS:], dtype="<u8").view("<f4")
        return pairs[:, 0].astype(np.float32), pairs[:, 1].astype(np.float32)

    def scale(self, codes: Words) -> Floats:
        """Return norm over cosine, which makes the estimate unbiased."""
        norm, fit = self.factors(codes)
        return norm / fit

    def nibble_tables(self, queries: Any) -> Floats:
        """Look up the dot products of the rotated queries with ``signs / sqrt(d)``."""
        weights = np.zeros((len(queries), word_count(self.dim_) * WORD_BITS), dtype=np.float32)
        weights[:, : self.dim_] = self._rotate(queries) / np.float32(math.sqrt(self.dim_))
        return sign_tables(weights)

    def _signs(self, codes: Words) -> Words:
        return codes[:, :-OWN_WORDS]

    def error_bound(self, queries: Any, codes: Words, e0: float = E0) -> Floats:
        """Bound the error of :meth:`scores`.

        Parameters
        ----------
        queries : (q, d) float array
        codes : (n, words) uint64 array
        e0 : float
            At least ``2 (1 - Phi(e0))`` of unrelated queries are expected outside, 5.7 % at 1.9; of near ones less.

        Returns
        -------
        (q, n) float32 array
            ``|q| |r| sqrt((1 - f^2) / f^2) e0 / sqrt(d - 1)`` (Gao & Long 2024, Theorem 3.2).
        """
        rows = finite(as_rows(queries, self._check_fitted(), "queries"), 0, "queries")
        norm, fit = self.factors(self._as_codes(codes))
        width = norm * np.sqrt(np.maximum(0, 1 - fit**2)) / fit * np.float32(e0 / math.sqrt(self.dim_ - 1))
        bound: Floats = np.linalg.norm(rows, axis=1)[:, None] * width
        return bound
