"""Scalar codes as a scan reads them: levels as bytes, numbers in words of equally many bits, queries as integers."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.base import Floats
from hdc.apps.retrieval.binarizers.levels import Levels
from hdc.kernels import LevelRun
from hdc.search.levels import LevelQueries
from hdc.words import WORD_BITS, Words

Run = tuple[slice, Levels]
"""Components of a code that have equally many levels."""

SCANNED_BITS = {1: (1, 2, 4, 8), 2: (2, 4, 8), 3: (4, 8), 4: (4, 8)}
"""Bits that numbers of so many bits may have in a scan; those of more are bytes, and stand for their levels at once."""

GREATEST = 255
"""Byte of the greatest level; that of the least is 0, and the middle stands for zero."""

MOST = 127
"""Greatest integer of a query."""


class LevelWords:
    """The form of the codes of a model.

    Parameters
    ----------
    runs : sequence of Run
    spreads : (dim,) float32 array
        What the levels of each component are multiplied by.
    """

    def __init__(self, runs: Sequence[Run], spreads: Floats) -> None:
        self._components = [own for own, _ in runs]
        self._bytes, self.runs, steps, places, first = [], [], [], [], 0
        for own, levels in runs:
            greatest, count = float(levels.values[-1]), own.stop - own.start
            as_bytes = np.rint((levels.values / greatest + 1) * (GREATEST / 2)).astype(np.uint8)
            bits = _scanned_bits(count, len(as_bytes).bit_length() - 1)
            words = -(-count * bits // WORD_BITS)
            self._bytes.append(as_bytes)
            self.runs.append(LevelRun(words, bits, as_bytes))
            steps.append(np.full(count, 2 * greatest / GREATEST))
            places.append(np.arange(first, first + count))
            first += words * (WORD_BITS // bits)
        self._weights = np.concatenate(steps) * spreads
        self._places, self._numbers = np.concatenate(places), first
        self._starts = [own.start for own in self._components]
        self._run_of = np.repeat(np.arange(len(runs)), np.diff([*self._starts, len(spreads)]))
        # So far may sums of the first runs be raised that no sum reaches 2**31.
        self._most_raise = int(math.log2((2**31 - 1) / (GREATEST * MOST * len(spreads))))

    def numbers(self, places: npt.NDArray[np.uint8]) -> Words:
        """Return ``(n, words)`` words of the numbers of levels of ``(n, dim)`` components."""
        parts = []
        for own, as_bytes, run in zip(self._components, self._bytes, self.runs, strict=True):
            each = WORD_BITS // run.bits
            numbers = np.zeros((len(places), run.words * each), dtype=np.uint8)
            numbers[:, : own.stop - own.start] = as_bytes[places[:, own]] if run.bits == 8 else places[:, own]
            parts.append(_joined(numbers, run.bits))
        return np.concatenate(parts, axis=1)

    def asked(self, rotated: Floats, base: Floats) -> LevelQueries:
        """Round the components of queries to integers, in units of their own for each run.

        The units are the last one's times powers of two that do not grow from run to run, so that sums of integers
        stay exact; where variances differ little, an integer's error is less than a hundredth of the greatest component
        of its run, and less than what rounding to levels did to the codes.
        """
        weights = rotated * self._weights
        units = np.maximum.reduceat(np.abs(weights), self._starts, axis=1) / MOST
        units = np.maximum.accumulate(units[:, ::-1], axis=1)[:, ::-1]  # no unit is less than a later one
        least = np.maximum(units[:, -1], units[:, 0] / 2**self._most_raise)
        least = np.where(least > 0, least, 1.0)
        shifts = np.ceil(np.log2(np.maximum(units / least[:, None], 1.0)))
        powers = np.exp2(np.minimum(shifts, self._most_raise))
        scaled = weights / (least[:, None] * powers)[:, self._run_of]
        rounded = np.rint(scaled, out=scaled)
        sums = (np.add.reduceat(rounded, self._starts, axis=1) * powers).sum(axis=1)
        integers = np.zeros((len(rotated), self._numbers), dtype=np.int8)
        integers[:, self._places] = rounded
        raises = np.zeros(shifts.shape, dtype=np.uint8)
        raises[:, 1:] = shifts[:, :-1] - shifts[:, 1:]
        factors = np.stack([least, -least * sums * (GREATEST / 2)], axis=1).astype(np.float32)
        return LevelQueries(integers, raises, factors, base)


def _scanned_bits(count: int, bits: int) -> int:
    """Return how many bits ``count`` numbers take in a scan, so that words to read and products are fewest.

    A product is of eight numbers of a word, and a word of short numbers takes as many products if it is half empty.
    """

    def steps(wide: int) -> int:
        return -(-count * wide // WORD_BITS) * (1 + 8 // wide)

    return min(SCANNED_BITS.get(bits, (8,)), key=steps)


def _joined(numbers: npt.NDArray[np.uint8], bits: int) -> Words:
    """Put numbers of so many bits side by side into words, the first ones lowest."""
    for _ in range(round(math.log2(8 // bits))):
        numbers = numbers[:, 0::2] | (numbers[:, 1::2] << bits).astype(np.uint8)
        bits *= 2
    return np.ascontiguousarray(numbers).view("<u8").astype(np.uint64, copy=False)
