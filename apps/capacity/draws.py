"""Random numbers of experiments: functions of (experiment, parameters, seed, trial), never of the order of work.

Trials run in blocks of ``BLOCK`` that share one codebook, so a block is one batched comparison. Everything else (which
symbols are members, which values) is drawn again in each trial. Trials of a block are identically distributed. Their
errors correlate only through symbols that two trials happen to share, by less than 0.001 in the settings of the tests,
so intervals treat them as independent.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

import hdc
from hdc import atoms
from hdc.kernels import Array
from hdc.words import Words

BLOCK = 128
"""Trials that share a codebook, unless a protocol sets another number."""
MEMORY = 1 << 26
"""Most bytes of hypervectors of a batch or a part of a codebook (64 MiB)."""

Ints = npt.NDArray[np.int64]


def canonical(parameters: Mapping[str, Any]) -> str:
    """Return parameters as JSON with sorted keys: equal parameters, equal text."""
    return json.dumps(dict(parameters), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True)
class Draws:
    """The streams of one point of an experiment.

    Parameters
    ----------
    vsa : hdc.VSA
        Its kernels draw; every backend draws the same.
    experiment : str
    parameters : str
        Canonical JSON without backend and device.
    seed : int
    """

    vsa: hdc.VSA
    experiment: str
    parameters: str
    seed: int

    def keys(self, what: str, scope: int, numbers: Ints) -> Words:
        """Return one stream key for each number, ``(n, 2)``: a hashed origin, counted up."""
        name = (self.experiment, self.parameters, what, scope)
        origin = atoms.stream_keys(self.seed, "capacity", [name])
        return origin + np.stack([np.zeros_like(numbers), numbers], axis=-1).astype(np.uint64)

    def words(self, what: str, trials: Ints, count: int) -> Words:
        """Draw ``count`` words in each trial, ``(trials, count)``."""
        drawn: Words = self.vsa.kernels.bits.random_words(self.keys(what, 0, trials), count)
        return drawn

    def integers(self, what: str, trials: Ints, count: int, size: int) -> Ints:
        """Draw ``count`` numbers below ``size`` (< 2^31) in each trial, ``(trials, count)``."""
        return atoms.scale_to(self.words(what, trials, count), size)

    def distinct(self, what: str, trials: Ints, count: int, size: int) -> Ints:
        """Draw ``count`` different numbers below ``size`` in random order in each trial, ``(trials, count)``."""
        chosen = atoms.sample_distinct(self.vsa.kernels.bits, self.keys(what, 0, trials), count, size)
        order = np.argsort(self.words(f"{what} order", trials, count), axis=1)
        return np.take_along_axis(chosen, order, axis=1)

    def atoms(self, what: str, block: int, numbers: Ints) -> Array:
        """Return the atoms of numbers in a block's alphabet, ``numbers.shape + (storage,)``."""
        drawn = self.vsa.atoms_of(self.keys(what, block, numbers.reshape(-1)))
        return drawn.reshape(*numbers.shape, drawn.shape[-1])


@dataclass(frozen=True)
class Codebook:
    """The symbols of one block of trials: kept if they fit ``MEMORY``, else drawn again part by part."""

    draws: Draws
    block: int
    size: int

    @cached_property
    def _row_bytes(self) -> int:
        return int(self.draws.vsa.storage * self.draws.vsa.dtype.itemsize)

    @cached_property
    def _all(self) -> Array | None:
        return self._part(0, self.size) if self.size * self._row_bytes <= MEMORY else None

    def _part(self, start: int, stop: int) -> Array:
        return self.draws.atoms("symbol", self.block, np.arange(start, stop, dtype=np.int64))

    def take(self, numbers: Ints) -> Array:
        """Return the symbols of numbers, ``numbers.shape + (storage,)``."""
        if self._all is None:
            return self.draws.atoms("symbol", self.block, numbers)
        return self._all[self.draws.vsa.kernels.arrays.from_numpy(numbers)]

    def parts(self) -> Iterator[tuple[int, Array]]:
        """Yield all symbols in order, as parts that fit: (number of the first, ``(n, storage)`` array)."""
        if self._all is not None:
            yield 0, self._all
            return
        step = max(1, MEMORY // self._row_bytes)
        for start in range(0, self.size, step):
            yield start, self._part(start, min(self.size, start + step))

    def nearest(self, queries: Array, k: int) -> Ints:
        """Return the numbers of the k most similar symbols of each query, ``(*p, k)``."""
        vsa, best = self.draws.vsa, None
        for start, part in self.parts():
            scores, numbers = map(vsa.kernels.arrays.to_numpy, vsa.nearest(queries, part, k))
            if best is not None:
                scores = np.concatenate([best[0], scores], axis=-1)
                numbers = np.concatenate([best[1], numbers + start], axis=-1)
                order = np.argsort(-scores, axis=-1, kind="stable")[..., :k]
                scores, numbers = np.take_along_axis(scores, order, -1), np.take_along_axis(numbers, order, -1)
            best = scores, numbers
        return np.asarray(best[1] if best is not None else np.zeros((0, k)), dtype=np.int64)
