"""Where a fit begins, and the trial that says where.

There are three starts, each of which finds most on some vectors. *Signs* are those of rotated axes, with tables that
decode them. *Residuals* are tables found by k-means group after group
(:mod:`~hdc.apps.retrieval.binarizers.bebr.residual`). *Levels* are tables along principal axes
(:mod:`~hdc.apps.retrieval.binarizers.bebr.level_tables`). From the last two, codes are chosen one group after another,
also those of new vectors.

An index has vectors that the model learned from, and later ones. So a trial learns in one round, and looks for the
nearest among vectors half of which it learned from, encoded as ``transform`` encodes. Codes that training found do not
count: they can fit tables so well that no new encoding does.
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
"""Names of the starts, in the order in which models are saved with them."""

TABLES = {RESIDUALS: residual_tables, LEVELLED: level_tables}
"""What makes the tables of a start that has some before it has codes."""

TRIED_ON = 6000
"""Most vectors that starts are compared on; a third of them are learned from and not searched."""

TRIED_SHARE = 0.2
"""Part of the others that are queries."""

LEAST_TRIED, MOST_DRAWS = 250, 4
"""Queries that are asked at least: of few vectors, others are drawn for further trials, of which there are so many."""


class Start(NamedTuple):
    """Codes and tables that a fit begins with, and how much the error of each vector counts; None: all the same."""

    kind: str
    codes: Groups
    decoder: TableDecoder
    counts: Floats | None


@dataclass(frozen=True)
class Starts:
    """Makes starts; each attribute has the meaning of the parameter of :class:`RecurrentBinarizer` of its name.

    Attributes
    ----------
    maps : Recurrence
        Whose signs are one start.
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
        """Return the start of this name from ``(n, d)`` float32 vectors, for codes of so many bits."""
        return self._signs(x, self.maps.first(bits)) if kind == SIGNS else self._tables(kind, x, bits)

    def chosen(self, x: Floats, sizes: Sequence[int], of_one_length: bool) -> str:
        """Return the name of the start that finds most in trials, summed over codes of some sizes in bits.

        Where there are too few vectors for a trial it is levels, which need the fewest.
        """
        found, asked = dict.fromkeys(STARTS, 0.0), 0
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
                found[kind] += sum(trial.recall(self._tried(kind, learned, rows, bits)) for bits in sizes)
            asked += len(trial.queries)
            if asked >= LEAST_TRIED:
                break
        return max(found, key=lambda kind: found[kind])

    def _tried(self, kind: str, learned: Floats, rows: Floats, bits: int) -> Floats:
        """Return what rows decode to, encoded as by a model of one round of learning, but with half the search.

        Codes that were chosen one group after another are good enough to fit tables to.
        """
        start = self.of(kind, learned, bits)
        steps = self.effort.of(start.decoder.groups) // 2
        codes = start.codes if kind != SIGNS else start.decoder.refine(learned, start.codes, steps)
        decoder = fit_tables(learned, codes, start.decoder, start.counts)
        again = encoded_anew(kind, rows, decoder, (learned, codes), len(self.maps.decode) + 1, steps)
        return decoder.decode(again)

    def _signs(self, x: Floats, maps: Recurrence) -> Start:
        """Return codes of a recurrence, and tables that decode them linearly."""
        signs, mean = maps.signs(x), x.mean(axis=0)
        tables = linear_tables(x - mean, signs.reshape(len(x), -1))
        return Start(SIGNS, groups_of(signs), self._decoder(x, mean, None, tables, self.parallel), None)

    def _tables(self, kind: str, x: Floats, bits: int) -> Start:
        """Return tables, codes chosen one group after another, and how much each vector counts."""
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


def begin(kind: str, x: Floats, decoder: TableDecoder, maps: Recurrence) -> Groups:
    """Return the codes that the search for those of new vectors begins with, by a model of a start of this name."""
    return groups_of(maps.signs(x)) if kind == SIGNS else decoder.greedy(x)


def encoded_anew(
    kind: str, x: Floats, decoder: TableDecoder, learned: tuple[Floats, Groups], levels: int, steps: int
) -> Groups:
    """Return codes of vectors as a model encodes them that has learned from other vectors and their codes."""
    if kind == SIGNS:
        rows, codes = learned
        signs = group_signs(codes).reshape(len(rows), levels, -1)
        return decoder.refine(x, groups_of(regressed(rows, signs).signs(x)), steps)
    return decoder.refine(x, decoder.greedy(x), steps)
