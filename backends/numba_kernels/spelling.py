"""Words that differ from another word by few letters."""

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.jit import kernel

Ints = npt.NDArray[np.int64]
Points = npt.NDArray[np.uint32]


@kernel
def near_words(points: Points, starts: Ints, word: Points, most: int) -> tuple[Ints, Ints]:
    """Return the words within a small distance; see :attr:`hdc.kernels.PostingKernels.near`.

    Common beginnings and endings exclude most words: what remains between them must be short.
    """
    size, found = len(word), 0
    which, distances = np.empty(len(starts) - 1, np.int64), np.empty(len(starts) - 1, np.int64)
    rows = np.empty((3, size + most + 1), np.int64)
    for number in range(len(starts) - 1):
        start, length = starts[number], starts[number + 1] - starts[number]
        if abs(length - size) > most:
            continue
        least = min(length, size)
        head = 0
        while head < least and points[start + head] == word[head]:
            head += 1
        tail = 0
        while tail < least - head and points[start + length - 1 - tail] == word[size - 1 - tail]:
            tail += 1
        wide, high = length - head - tail, size - head - tail
        if wide == 0 or high == 0:
            distance = max(wide, high)
        elif most == 1 and max(wide, high) > 2:
            continue
        else:
            distance = _distance(points, start + head, wide, word, head, high, rows)
        if distance <= most:
            which[found], distances[found] = number, distance
            found += 1
    return which[:found], distances[:found]


@kernel
def _distance(points: Points, start: int, wide: int, word: Points, head: int, high: int, rows: Ints) -> int:
    """Return the distance of two runs of letters, by rows of the table of distances of their prefixes."""
    for column in range(wide + 1):
        rows[0, column] = column
    for row in range(1, high + 1):
        now, before, earlier = row % 3, (row - 1) % 3, (row - 2) % 3
        rows[now, 0] = row
        for column in range(1, wide + 1):
            differs = 0 if points[start + column - 1] == word[head + row - 1] else 1
            least = min(rows[before, column] + 1, rows[now, column - 1] + 1, rows[before, column - 1] + differs)
            if (
                row > 1
                and column > 1
                and points[start + column - 1] == word[head + row - 2]
                and points[start + column - 2] == word[head + row - 1]
            ):
                least = min(least, rows[earlier, column - 2] + 1)
            rows[now, column] = least
    return int(rows[high % 3, wide])
