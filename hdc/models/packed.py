"""The layout of the packed models: 64 components per word."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hdc.kernels import Array
from hdc.vsa import VSA
from hdc.words import Words, word_count


@dataclass(frozen=True)
class Packed(VSA):
    """A model whose arrays are ``(..., words)`` in the layout of :mod:`hdc.words`: uint64, or int64 in torch."""

    @property
    def storage(self) -> int:
        """Number of 64-bit words."""
        return word_count(self.dim)

    @property
    def dtype(self) -> Any:
        """64-bit words."""
        return self.kernels.arrays.dtype("uint64")

    def check(self, x: Any, what: str = "array") -> Array:
        """Check for packed words with clear padding."""
        return self.kernels.arrays.check_words(x, self.dim, what)

    def to_numpy(self, x: Array) -> Words:
        """Bring packed words back to the host as uint64."""
        return super().to_numpy(x).view(np.uint64)
