"""Reference kernels that encode rows of numbers: records with two vectors per column, and signs of angles."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numpy_blocks import row_blocks
from hdc.words import Words, pack, unpack

Marks = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int32]


def _sums(first: Words, second: Words, marks: Marks, dim: int) -> npt.NDArray[np.int64]:
    """Add the members of rows, column by column; a set bit is -1."""
    before, after = (1 - 2 * unpack(vectors, dim).astype(np.int64) for vectors in (first, second))
    places, total = np.arange(dim), np.zeros((len(marks), dim), dtype=np.int64)
    for column, row_marks in enumerate(marks.T[:, :, None].astype(np.int64)):
        member = np.where(places < row_marks, before[column], after[column])
        total += np.where(row_marks < 0, 0, member)
    return total


def record_sums(first: Words, second: Words, marks: Marks, most: int, dim: int) -> npt.NDArray[Any]:
    """Add and clip, block by block."""
    out = np.empty((len(marks), dim), dtype=np.int8 if most <= 127 else np.int32)
    for rows in row_blocks(len(marks), 24 * dim):
        out[rows] = np.clip(_sums(first, second, marks[rows], dim), -most, most)
    return out


def record_majority(first: Words, second: Words, marks: Marks, tie: Words, dim: int) -> Words:
    """Pack the signs of the sums; where one is zero, the tie vector and the sum before it decide."""
    out = np.empty((len(marks), first.shape[1]), dtype=np.uint64)
    for rows in row_blocks(len(marks), 24 * dim):
        sums = -_sums(first, second, marks[rows], dim)
        odd = np.roll(sums >> 1 & 1, 1, axis=-1).astype(np.bool_)
        out[rows] = pack(np.where(sums == 0, unpack(tie, dim) ^ odd, sums > 0))
    return out


def phase_signs(phases: npt.NDArray[np.float64], turn: int) -> Words:
    """Read the half-turn bit a quarter turn further on."""
    out = np.empty((len(phases), -(-phases.shape[1] // 64)), dtype=np.uint64)
    for rows in row_blocks(len(phases), 16 * phases.shape[1]):
        turned = phases[rows].astype(np.int64) + turn // 4
        out[rows] = pack((turned & (turn // 2)).astype(np.bool_))
    return out


def fourier_signs(rows: Ints, frequencies: Ints, offsets: Ints, turn: int) -> Words:
    """Multiply in float64 where that is exact, otherwise in integers."""
    d, dim = rows.shape[1], offsets.shape[1]
    out = np.empty((len(rows), -(-dim // 64)), dtype=np.uint64)
    exact = d * _magnitude(rows) * _magnitude(frequencies) < 2**52
    kind = np.float64 if exact else np.int64
    matrix = frequencies.transpose(1, 0, 2).reshape(d, -1)[:, :dim].astype(kind)
    for part in row_blocks(len(rows), 24 * dim):
        added = offsets[part] if len(offsets) > 1 else offsets
        with np.errstate(over="ignore"):
            phases = (rows[part].astype(kind) @ matrix).astype(np.int64) + added
        out[part] = phase_signs((phases % turn).astype(np.float64), turn)
    return out


def _magnitude(x: Ints) -> int:
    return max(int(x.max(initial=0)), -int(x.min(initial=0)))
