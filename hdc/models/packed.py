"""The layout that the packed models share: 64 components in a word."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hdc.vsa import VSA
from hdc.words import Words, as_words, word_count


@dataclass(frozen=True)
class Packed(VSA):
    """A model whose arrays are ``(..., words)`` uint64 in the layout of :mod:`hdc.words`."""

    @property
    def storage(self) -> int:
        """Number of 64-bit words."""
        return word_count(self.dim)

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint64 words."""
        return np.dtype(np.uint64)

    def check(self, x: Any, what: str = "array") -> Words:
        """Check for packed words with clear padding."""
        return as_words(x, self.dim, what)
