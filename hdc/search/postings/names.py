"""Names: texts by their hashes, the words and paths that a segment contains."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Self

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Names:
    """Texts in order of their hashes.

    Attributes
    ----------
    hashes : (n,) uint64 array
        Ascending, all different.
    starts : (n + 1,) int64 array
        Offset of each text.
    content : uint8 array
        The texts as UTF-8, one after another.
    """

    hashes: Hashes
    starts: Ints
    content: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.hashes)

    def __iter__(self) -> Iterator[str]:
        content = self.content.tobytes()
        bounds = self.starts.tolist()
        for start, stop in pairwise(bounds):
            yield content[start:stop].decode("utf-8", "surrogatepass")

    @cached_property
    def texts(self) -> list[str]:
        """The texts, decoded once."""
        return list(self)

    @cached_property
    def members(self) -> frozenset[int]:
        """The set of hashes, built once."""
        return frozenset(self.hashes.tolist())

    @classmethod
    def of(cls, texts: Mapping[int, str]) -> Self:
        """Return the texts of a mapping from hashes."""
        hashes = np.array(sorted(texts), np.uint64)
        encoded = [texts[number].encode("utf-8", "surrogatepass") for number in hashes.tolist()]
        starts = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
        return cls(hashes, starts, np.frombuffer(b"".join(encoded), np.uint8))

    @classmethod
    def union(cls, several: Sequence[Self]) -> Self:
        """Return the texts of several, each once."""
        hashes = np.concatenate([names.hashes for names in several])
        lengths = np.concatenate([np.diff(names.starts) for names in several])
        shifts = np.cumsum([0, *(len(names.content) for names in several)])[:-1]
        begins = np.concatenate([names.starts[:-1] + shift for names, shift in zip(several, shifts, strict=True)])
        distinct, which = np.unique(hashes, return_index=True)
        content = np.concatenate([names.content for names in several])
        starts = np.concatenate([[0], np.cumsum(lengths[which])]).astype(np.int64)
        return cls(distinct, starts, content[runs(begins[which], lengths[which])])

    def __getitem__(self, place: int) -> str:
        return self.content[self.starts[place] : self.starts[place + 1]].tobytes().decode("utf-8", "surrogatepass")

    @cached_property
    def points(self) -> tuple[npt.NDArray[np.uint32], Ints]:
        """The code points of all texts, and the offset of each text among them."""
        letters = np.concatenate([[0], np.cumsum((self.content & 0xC0) != 0x80)])
        text = self.content.tobytes().decode("utf-8", "surrogatepass")
        return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32), letters[self.starts]

    def text(self, number: int) -> str | None:
        """Return the text of a hash, or None if the hash is unknown."""
        place = int(np.searchsorted(self.hashes, np.uint64(number)))
        if place == len(self.hashes) or int(self.hashes[place]) != number:
            return None
        return self[place]


def runs(starts: Ints, lengths: Ints) -> Ints:
    """Return the numbers of consecutive runs, one run after another."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - lengths), lengths) + np.arange(total)
