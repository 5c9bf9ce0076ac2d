"""Reference search for words that differ by few letters: distance tables of all words of one length at once."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Points = npt.NDArray[np.uint32]


def near_words(points: Points, starts: Ints, word: Points, most: int) -> tuple[Ints, Ints]:
    """Return the words within a small distance; see :attr:`hdc.kernels.PostingKernels.near`."""
    lengths = np.diff(starts)
    which, distances = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for length in range(max(0, len(word) - most), len(word) + most + 1):
        same = np.flatnonzero(lengths == length)
        if len(same):
            found = _distances(points[starts[same][:, None] + np.arange(length)], word)
            which.append(same[found <= most])
            distances.append(found[found <= most])
    numbers = np.concatenate(which)
    order = np.argsort(numbers)
    return numbers[order], np.concatenate(distances)[order]


def _distances(words: Points, word: Points) -> Ints:
    """Return the distances of words of one length, ``(n, length)``, to another word."""
    n, length = words.shape
    table = np.empty((len(word) + 1, length + 1, n), np.int64)
    table[:, 0] = np.arange(len(word) + 1)[:, None]
    table[0] = np.arange(length + 1)[:, None]
    for row in range(1, len(word) + 1):
        for column in range(1, length + 1):
            differs = words[:, column - 1] != word[row - 1]
            least = np.minimum(table[row - 1, column], table[row, column - 1]) + 1
            least = np.minimum(least, table[row - 1, column - 1] + differs)
            if row > 1 and column > 1:
                swapped = (words[:, column - 1] == word[row - 2]) & (words[:, column - 2] == word[row - 1])
                least = np.where(swapped, np.minimum(least, table[row - 2, column - 2] + 1), least)
            table[row, column] = least
    return np.asarray(table[-1, -1])
