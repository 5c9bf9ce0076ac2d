"""Starts of a fit, and the trial that chooses one.

There are three starts; each has the best recall on some vectors. *Signs* are those of rotated axes, with tables that
decode them. *Residuals* are tables found by k-means, group after group
(:mod:`~hdc.apps.retrieval.binarizers.bebr.residual`). *Levels* are tables along principal axes
(:mod:`~hdc.apps.retrieval.binarizers.bebr.level_tables`). The last two choose codes group after group, also for new
vectors.

The search for a new code begins from signs of maps that were fitted to the learned codes, or from groups chosen by
tables: by the learned ones, or by those of the start if there are few vectors per table entry (:func:`few_vectors`).
Learned tables then follow the training codes so closely that groups chosen by them are others, from which local search
does not find the training codes. From the codes of the start it finds them, in fewer steps.

An index contains vectors that the model learned from, and later ones. So a trial learns for one round, and searches
vectors half of which it learned from, encoded as ``transform`` does. Training codes do not count: they can fit tables
better than any new encoding does.

Signs are not tried with fewer vectors than table entries. Maps fitted to the codes of so few vectors return them in a
trial, which learns from two thirds of the vectors, but not in the fit: there signs found less than levels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from hdc.apps.retrieval.binarizers.base import GROUP_BITS, Floats
from hdc.apps.retrieval.binarizers.bebr.decoder import (
    LEVELS,
    Groups,
    TableDecoder,
    fit_tables,
    linear_tables,
    metric_of,
)
from hdc.apps.retrieval.binarizers.bebr.level_tables import level_tables
from hdc.apps.retrieval.binarizers.bebr.nested import Effort
from hdc.apps.retrieval.binarizers.bebr.recurrence import Recurrence, regressed, unit
from hdc.apps.retrieval.binarizers.bebr.residual import residual_tables, weights_of
from hdc.apps.retrieval.binarizers.bebr.signs import group_signs, groups_of
from hdc.apps.retrieval.binarizers.bebr.validation import Validation

SIGNS, RESIDUALS, LEVELLED = STARTS = "signs", "residuals", "levels"
"""Names of the starts; saved models store their position."""

TABLES = {RESIDUALS: residual_tables, LEVELLED: level_tables}
"""Functions that find the tables of the starts in which tables come before codes."""

TRIED_ON = 6000
"""Most vectors on which starts are compared; a third of them are learned from but not searched."""

TRIED_SHARE = 0.2
"""Share of the other vectors used as queries."""

FEW_PER_ENTRY = 4
"""Vectors per table entry below which the search for a code begins from the tables of the start."""

FEW_STEPS = 128
"""Most local search steps per vector with so few vectors; more find no better codes."""

LEAST_TRIED, MOST_DRAWS = 250, 4
"""Fewest queries over all trials, and most trials. With few vectors, further trials draw others."""


class Start(NamedTuple):
    """Codes and tables that a fit starts from, and the weight of each vector's error; None weights all equally."""

    kind: str
    codes: Groups
    decoder: TableDecoder
    counts: Floats | None


@dataclass(frozen=True)
class Starts:
    """Creates starts; attributes mean the same as the parameters of :class:`RecurrentBinarizer` with their names.

    Attributes
    ----------
    maps : Recurrence
        Its signs are one start.
    whitening, parallel : float
    seed : int
    effort : Effort
    backend : str
    """

    maps: Recurrence
    whitening: float
    parallel: float
    seed: int
    effort: Effort
    backend: str

    def of(self, kind: str, x: Floats, bits: int) -> Start:
        """Return the named start of ``(n, d)`` float32 vectors, for codes of this many bits."""
        return self._signs(x, self.maps.first(bits)) if kind == SIGNS else self._tables(kind, x, bits)

    def chosen(self, x: Floats, sizes: Sequence[int], of_one_length: bool, few: bool) -> str:
        """Return the name of the start with the best recall in trials, summed over codes of the given sizes in bits.

        ``few`` is what :func:`few_vectors` returns for the fit. With too few vectors for a trial, this is levels, which
        need the fewest.
        """
        found, asked = dict.fromkeys(STARTS, 0.0), 0
        if few and len(x) < LEVELS * max(sizes) * (len(self.maps.decode) + 1) // GROUP_BITS:
            del found[SIGNS]  # see the head of the module
        for draw in range(MOST_DRAWS):
            rng = np.random.default_rng([self.seed, 1, draw])
            chosen = rng.permutation(len(x))[:TRIED_ON]
            searched = x[np.sort(chosen[len(chosen) // 3 :])]
            as_asked = None if of_one_length else unit(searched)
            trial = Validation.draw(searched, rng, as_asked, share=TRIED_SHARE, of_one_length=of_one_length)
            if not len(trial.queries):
                return LEVELLED
            rows = searched[trial.training]
            learned = np.concatenate([x[np.sort(chosen[: len(chosen) // 3])], rows[::2]])
            for kind in found:
                found[kind] += sum(trial.recall(self._tried(kind, learned, rows, bits, few)) for bits in sizes)
            asked += len(trial.queries)
            if asked >= LEAST_TRIED:
                break
        return max(found, key=lambda kind: found[kind])

    def _tried(self, kind: str, learned: Floats, rows: Floats, bits: int, few: bool) -> Floats:
        """Encode rows as a model does after one round of learning, with half the search, and return them decoded.

        Codes chosen group after group are good enough to fit tables to.
        """
        start = self.of(kind, learned, bits)
        steps = self.effort.of(start.decoder.groups) // 2
        codes = start.codes if kind != SIGNS else start.decoder.refine(learned, start.codes, steps)
        decoder = fit_tables(learned, codes, start.decoder, start.counts)
        first, levels = start.decoder if few else decoder, len(self.maps.decode) + 1
        return decoder.decode(decoder.refine(rows, begun_anew(kind, rows, first, (learned, codes), levels), steps))

    def _signs(self, x: Floats, maps: Recurrence) -> Start:
        """Return the codes of a recurrence, and tables that decode them linearly."""
        signs, mean = maps.signs(x), x.mean(axis=0)
        tables = linear_tables(x - mean, signs.reshape(len(x), -1))
        return Start(SIGNS, groups_of(signs), self._decoder(x, mean, None, tables, self.parallel), None)

    def _tables(self, kind: str, x: Floats, bits: int) -> Start:
        """Return tables, codes chosen group after group, and the weight of each vector."""
        rng = np.random.default_rng([self.seed, len(x)])
        counts = weights_of(x, rng)
        mean = np.asarray(counts @ x / counts.sum(), dtype=np.float32)
        groups = bits * (len(self.maps.decode) + 1) // GROUP_BITS
        bare = self._decoder(x, mean, counts, np.zeros((LEVELS * groups, x.shape[1]), dtype=np.float32), parallel=0)
        decoder = replace(bare, tables=TABLES[kind](x - mean, counts, groups, bare.metric, rng))
        return Start(kind, decoder.greedy(x), decoder, counts)

    def _decoder(self, x: Floats, mean: Floats, counts: Floats | None, tables: Floats, parallel: float) -> TableDecoder:
        squares = np.einsum("nd,nd->n", x - mean, x - mean)
        spread = float(squares.mean() if counts is None else np.average(squares, weights=counts))
        metric = metric_of(x - mean, self.whitening)
        return TableDecoder(mean, metric, parallel / max(spread, 1e-30), tables, self.backend)


def few_vectors(vectors: int, groups: int) -> bool:
    """Return whether there are so few vectors per table entry that searches begin from the tables of the start."""
    return vectors < FEW_PER_ENTRY * LEVELS * groups


def usual_steps(bits: int, few: bool) -> int:
    """Return the local search steps per vector for codes of this many bits."""
    return min(bits // 2, FEW_STEPS) if few else bits // 2


def begin(kind: str, x: Floats, first: TableDecoder, maps: Recurrence) -> Groups:
    """Return the codes from which the search begins: signs, or groups chosen one after another by the first tables."""
    return groups_of(maps.signs(x)) if kind == SIGNS else first.greedy(x)


def begun_anew(kind: str, x: Floats, first: TableDecoder, learned: tuple[Floats, Groups], levels: int) -> Groups:
    """Return the codes from which the search begins in a model that learned from other vectors and their codes."""
    if kind != SIGNS:
        return first.greedy(x)
    rows, codes = learned
    return groups_of(regressed(rows, group_signs(codes).reshape(len(rows), levels, -1)).signs(x))
