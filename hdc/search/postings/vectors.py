"""TermVectors: vectors of terms, for searches by similarity of terms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from hdc.search.measures import Floats
from hdc.search.postings.names import Hashes, Ints


@dataclass(frozen=True, eq=False)
class TermVectors:
    """Vectors in order of the hashes of their terms.

    Attributes
    ----------
    hashes : (n,) uint64 array
        Ascending, all different.
    vectors : (n, width) float32 array
    """

    hashes: Hashes
    vectors: Floats

    def __len__(self) -> int:
        return len(self.hashes)

    @property
    def width(self) -> int:
        """Numbers per vector; 0 if there is none."""
        return self.vectors.shape[1] if len(self) else 0

    @classmethod
    def union(cls, several: Sequence[Self]) -> Self:
        """Return the vectors of several, each once."""
        parts = [part for part in several if len(part)] or list(several[:1])
        if len(parts) == 1:
            return parts[0]
        hashes, which = np.unique(np.concatenate([part.hashes for part in parts]), return_index=True)
        return cls(hashes, np.concatenate([part.vectors for part in parts])[which])

    def places(self, terms: Hashes) -> Ints:
        """Return the positions of terms among these, ``(n,)`` int64; -1 for missing ones."""
        if not len(self):
            return np.full(len(terms), -1)
        places = np.minimum(np.searchsorted(self.hashes, terms), len(self) - 1)
        return np.where(self.hashes[places] == terms, places, -1)


NONE = TermVectors(np.empty(0, np.uint64), np.empty((0, 0), np.float32))
