"""Replace a word that no document has at a path by existing words that differ in a letter or two."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from hdc.apps.json.document.paths import Path
from hdc.apps.json.values.parts import Spelled, path_hash, term_hash
from hdc.kernels import PostingKernels
from hdc.search.postings.segment import Segment

LEAST = 4
"""Fewest letters of a word that may be misspelled."""

LONG = 8
"""Fewest letters of a word that may differ in two, if no word differs in one."""

LIKENESS = (1.0, 0.8, 0.6)
"""Share of its weight that a word gets for a replacement at a distance."""

ALIKE = 8
"""Most words, the most frequent ones, that replace one."""

HELD = 1 << 12
"""Words whose replacements are cached."""


class Spelling:
    """The words of some segments.

    Parameters
    ----------
    segments : sequence of Segment
    kernels : PostingKernels
    """

    def __init__(self, segments: Sequence[Segment], kernels: PostingKernels) -> None:
        self._segments, self._kernels = segments, kernels
        self._held: dict[tuple[int, str], Spelled | None] = {}
        self._around: dict[tuple[str, int], dict[int, str]] = {}

    def __call__(self, path: Path, word: str) -> Spelled | None:
        """Return the replacements of a word at a path; None if the word itself occurs."""
        where, _ = path_hash(path)
        if (where, word) not in self._held:
            if len(self._held) >= HELD:
                self._held.clear()
            self._held[where, word] = self._looked_up(where, word)
        return self._held[where, word]

    def around(self, word: str) -> Iterator[tuple[float, list[int]]]:
        """Yield the terms of the words at each distance at which one may be misspelled, and their likeness."""
        if len(word) >= LEAST and not word.isdecimal():
            for most in (1, 2) if len(word) >= LONG else (1,):
                yield LIKENESS[most], list(self._near(word, most))

    def _looked_up(self, where: int, word: str) -> Spelled | None:
        if len(word) < LEAST or word.isdecimal():
            return None
        term = term_hash("~", word)
        if any(segment.has(term, where) for segment in self._segments):
            return None
        for most in (1, 2) if len(word) >= LONG else (1,):
            near = self._near(word, most)
            counts = self._documents(list(near), where)
            found = sorted((-count, text) for count, text in zip(counts, near.values(), strict=True) if count)
            if found:
                return Spelled(tuple(text for _, text in found[:ALIKE]), LIKENESS[most])
        return None

    def _documents(self, terms: list[int], where: int) -> list[int]:
        """Return the number of documents with each term at a path."""
        asked = np.array(terms, np.uint64)
        counts = [0] * len(terms)
        for segment in self._segments:
            starts, stops = segment.lists(asked, np.full(len(asked), where, np.uint64))
            counts = [count + stop - start for count, start, stop in zip(counts, starts, stops, strict=True)]
        return counts

    def _near(self, word: str, most: int) -> dict[int, str]:
        """Return the words at a distance, at any path, by their hashes."""
        if (word, most) in self._around:
            return self._around[word, most]
        near: dict[int, str] = {}
        for segment in self._segments:
            words = segment.words
            which, distances = self._kernels.near(*words.points, points_of(word), most)
            for number in which[distances == most].tolist():
                near[int(words.hashes[number])] = words[number]
        if len(self._around) >= HELD:
            self._around.clear()
        self._around[word, most] = near
        return near


def points_of(text: str) -> npt.NDArray[np.uint32]:
    """Return the code points of a text."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
