"""Scalar codes in the layout of a scan: level numbers of equal width packed into words, queries as integers."""

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
"""A slice of a code's components with equally many levels."""

SCANNED_BITS = {1: (1, 2, 4, 8), 2: (2, 4, 8), 3: (4, 8), 4: (4, 8)}
"""Widths in bits that numbers of each width may have in a scan. Wider ones become bytes that encode levels directly."""

GREATEST = 255
"""Byte of the greatest level; byte 0 is the least level, and the middle of the range means zero."""

MOST = 127
"""Greatest integer of a rounded query."""


class LevelWords:
    """Layout in which a scan reads the codes of a model.

    Parameters
    ----------
    runs : sequence of Run
    spreads : (dim,) float32 array
        Factor of the levels of each component.
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
        # Shifts of the first runs' sums are limited so that no sum reaches 2**31.
        self._most_raise = int(math.log2((2**31 - 1) / (GREATEST * MOST * len(spreads))))

    def numbers(self, places: npt.NDArray[np.uint8]) -> Words:
        """Pack the level numbers of ``(n, dim)`` components into ``(n, words)`` words."""
        parts = []
        for own, as_bytes, run in zip(self._components, self._bytes, self.runs, strict=True):
            each = WORD_BITS // run.bits
            numbers = np.zeros((len(places), run.words * each), dtype=np.uint8)
            numbers[:, : own.stop - own.start] = as_bytes[places[:, own]] if run.bits == 8 else places[:, own]
            parts.append(_joined(numbers, run.bits))
        return np.concatenate(parts, axis=1)

    def asked(self, rotated: Floats, base: Floats) -> LevelQueries:
        """Round the components of queries to integers, with one unit per run.

        Each unit is the last run's unit times a power of two, and units do not grow from run to run. So sums of
        integers stay exact. If variances are similar, the error of an integer is below a hundredth of the greatest
        component of its run, and below the error that rounding to levels caused in the codes.
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
    """Return the number width for a scan of ``count`` numbers that minimizes words read and products.

    One product handles eight numbers of a word; a half-empty word needs as many products as a full one.
    """

    def steps(wide: int) -> int:
        return -(-count * wide // WORD_BITS) * (1 + 8 // wide)

    return min(SCANNED_BITS.get(bits, (8,)), key=steps)


def _joined(numbers: npt.NDArray[np.uint8], bits: int) -> Words:
    """Pack numbers of this many bits into words, the first number in the lowest bits."""
    for _ in range(round(math.log2(8 // bits))):
        numbers = numbers[:, 0::2] | (numbers[:, 1::2] << bits).astype(np.uint8)
        bits *= 2
    return np.ascontiguousarray(numbers).view("<u8").astype(np.uint64, copy=False)
