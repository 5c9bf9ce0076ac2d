"""The interface of BitClassifier's encoders: rows of numbers to rows of bits, equal in Python, C and JavaScript."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hdc.checks import array, integer
from hdc.dispatch import numpy_backend
from hdc.errors import DimensionError, DTypeError, ParameterError
from hdc.kernels import Backend
from hdc.words import Words, as_words, pack, word_count

Reals = npt.NDArray[np.float64]

MOST_DIM = 1 << 24
"""Most components and features of a model; scores are then exact in doubles, JavaScript's numbers."""

BLOCK_BYTES = 1 << 24
"""Approximate bytes of working memory for a block of rows, besides the result (16 MiB)."""


class Encoder(ABC):
    """The interface of an encoder for :class:`BitClassifier`: rows of features to rows of bits."""

    kind: ClassVar[int]
    """Number of the encoder in a model file."""

    dim: int

    @property
    @abstractmethod
    def features(self) -> int:
        """Number of features."""

    @property
    @abstractmethod
    def bytes(self) -> int:
        """Memory of the tables."""

    @property
    @abstractmethod
    def _row_bytes(self) -> int:
        """Bytes that encoding one row needs."""

    @abstractmethod
    def _encoded(self, rows: Reals, backend: Backend) -> Words:
        """Encode checked rows."""

    def encode(self, X: Any, backend: str = "auto") -> Words:
        """Return the bits of rows of numbers; a set bit is a component of -1.

        Parameters
        ----------
        X : (n, features) array of numbers
            NaN is missing.
        backend : str
            ``"auto"`` or one of :func:`hdc.list_backends` whose arrays are NumPy's.

        Returns
        -------
        (n, words) uint64 array

        Raises
        ------
        DTypeError, DimensionError
            If X does not have that shape and dtype.
        """
        return self.encode_block(self.check(X), numpy_backend(backend, "inference on bits"))

    def encode_block(self, rows: Reals, backend: Backend) -> Words:
        """Encode rows that :meth:`check` returned, block by block."""
        out = np.empty((len(rows), word_count(self.dim)), np.uint64)
        step = max(1, BLOCK_BYTES // self._row_bytes)
        for start in range(0, len(rows), step):
            out[start : start + step] = self._encoded(rows[start : start + step], backend)
        return out

    def check(self, X: Any) -> Reals:
        """Return rows of numbers as ``(n, features)`` float64; raises as :meth:`encode`."""
        rows = array(X, "X")
        if rows.dtype.kind not in "biuf":
            rows = _converted(rows)
        if rows.ndim != 2 or rows.shape[1] != self.features:
            hint = "; one row is X[None]" if rows.shape == (self.features,) else ""
            raise DimensionError(f"X must be of shape (rows, {self.features}), not {rows.shape}{hint}")
        return rows.astype(np.float64, copy=False)

    def agreement(self, X: Any, rows: Any) -> float:
        """Return the share of bits that are as those of the same rows from another encoder.

        Parameters
        ----------
        X : (n, features) array of numbers
        rows : (n, words) uint64 array
            Output of the original encoder of these tables for X.

        Raises
        ------
        DTypeError, DimensionError, PaddingError, ParameterError
            If they do not have those shapes and dtypes, or have no rows.
        """
        own, other = self.encode(X), as_words(rows, self.dim, "rows")
        if own.shape != other.shape or not len(own):
            raise ParameterError(f"X and rows must be of the same rows, at least one, not {len(own)} and {other.shape}")
        return 1 - int(np.bitwise_count(own ^ other).sum()) / (len(own) * self.dim)


def _converted(rows: npt.NDArray[Any]) -> Reals:
    try:
        if rows.dtype.kind == "O":
            return rows.astype(np.float64)
    except (ValueError, TypeError):
        pass
    raise DTypeError(f"X must be numbers, not of dtype {rows.dtype}; encode texts and categories first")


@dataclass(frozen=True)
class Signs(Encoder):
    """No encoder: the features are components themselves, and a bit is set where one is negative.

    For hypervectors that come from elsewhere; NaN is not negative.

    Parameters
    ----------
    dim : int
    """

    dim: int

    kind: ClassVar[int] = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "dim", integer(self.dim, "dim", 1, MOST_DIM))

    @property
    def features(self) -> int:
        """As many as components."""
        return self.dim

    @property
    def bytes(self) -> int:
        """None."""
        return 0

    @property
    def _row_bytes(self) -> int:
        return 2 * self.dim

    def _encoded(self, rows: Reals, backend: Backend) -> Words:
        return pack(rows < 0)
