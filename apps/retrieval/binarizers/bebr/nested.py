"""Codes whose prefixes are codes: nested training of one code for several sizes (Kusupati et al. 2022, Matryoshka).

Sizes share the bits but not the tables; tables are small beside the codes. A code grows block by block. A new block
starts from what the prefix before it leaves of a vector: from its signs, or from tables found in it, depending on the
model's start (:mod:`~hdc.apps.retrieval.binarizers.bebr.starts`). The block is then chosen alone, and together with the
block before it, by local search over

    loss(prefix with the new block) + SHORTER * loss(prefix before it)

with the loss of :mod:`~hdc.apps.retrieval.binarizers.bebr.decoder`. Earlier blocks stay fixed. So a shorter prefix
loses only where the next size gains several times as much, and no size pays for those beyond the next.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.binarizers.base import GROUP_BITS, Floats, blocks
from hdc.apps.retrieval.binarizers.bebr.checkpoint import Checkpoint
from hdc.apps.retrieval.binarizers.bebr.decoder import LEVELS, Groups, TableDecoder, fit_tables, linear_tables
from hdc.apps.retrieval.binarizers.bebr.recurrence import Recurrence, initial, regressed
from hdc.apps.retrieval.binarizers.bebr.signs import group_signs, groups_of
from hdc.apps.retrieval.binarizers.bebr.validation import Progress, Validation, not_worse
from hdc.checks import integer, wrong
from hdc.dispatch import backend as find_backend
from hdc.dispatch import table_kernels
from hdc.errors import ParameterError
from hdc.words import WORD_BITS

TablesOf: TypeAlias = Callable[[Floats, Floats, int, Floats, np.random.Generator], Floats]
"""Maps centered vectors, their weights, a number of groups, a metric and a generator to tables."""

SHORTER = 0.25
"""Weight of the loss of the prefix before the growing one."""


@dataclass(frozen=True)
class Effort:
    """Training effort: rounds, rounds without gain before stopping, and search steps per bit."""

    rounds: int
    patience: int
    steps: float
    seed: int

    def of(self, groups: int) -> int:
        """Return the search steps for a number of groups."""
        return round(self.steps * GROUP_BITS * groups)


@dataclass(frozen=True)
class Nested:
    """Decoders of the prefixes of a code, the shortest first; the last one decodes the whole code.

    Attributes
    ----------
    decoders : tuple of TableDecoder
    starts : tuple of Recurrence
        One per block: maps what the prefix before it leaves of a vector to the signs from which the search starts.
        Empty if the search starts from groups chosen one after another.
    """

    decoders: tuple[TableDecoder, ...]
    starts: tuple[Recurrence, ...]

    @property
    def ends(self) -> tuple[int, ...]:
        """Number of groups in each prefix."""
        return tuple(decoder.groups for decoder in self.decoders)

    def encode(self, x: Floats, effort: Effort) -> Groups:
        """Encode ``(n, d)`` float32 vectors as ``(n, groups)`` uint8 codes."""
        codes = np.empty((len(x), 0), dtype=np.uint8)
        for i, decoder in enumerate(self.decoders):
            if self.starts:
                signs = self.starts[i].signs(_left(x, self.decoders[:i], codes))
                codes = np.concatenate([codes, groups_of(signs)], axis=1)
            else:
                codes = decoder.greedy(x, codes)
            codes = _block_chosen(x, codes, self.decoders[: i + 1], effort)
            codes = _pair_chosen(x, codes, self.decoders[: i + 1], effort)
        return codes

    def to_arrays(self) -> dict[str, Floats]:
        """Return named arrays of everything beyond the whole code's tables and the first block's start."""
        arrays = {f"prefix.{i}.tables": decoder.tables for i, decoder in enumerate(self.decoders[:-1])}
        for i, start in enumerate(self.starts[1:], start=1):
            arrays |= {f"block.{i}.{name}": array for name, array in start.to_arrays().items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Floats], whole: TableDecoder, prefixes: int, starts: int) -> "Nested":
        """Rebuild from :meth:`to_arrays`, with ``prefixes`` below the whole code and ``starts`` including the first."""
        shorter = [replace(whole, tables=arrays[f"prefix.{i}.tables"]) for i in range(prefixes)]
        blocks_of = [
            {name.removeprefix(own): array for name, array in arrays.items() if name.startswith(own)}
            for own in ("", *(f"block.{i}." for i in range(1, starts)))[:starts]
        ]
        return cls((*shorter, whole), tuple(Recurrence.from_arrays(block, 0) for block in blocks_of))

    def with_backend(self, name: str) -> "Nested":
        """Return a copy that computes on another backend."""
        return replace(self, decoders=tuple(replace(decoder, backend=name) for decoder in self.decoders))


def train_nested(
    x: Floats,
    ends: Sequence[int],
    first: TableDecoder,
    counts: Floats | None,
    tables_of: TablesOf | None,
    effort: Effort,
    validation: Validation,
    state: Checkpoint,
) -> Nested:
    """Learn the codes and tables of every prefix, one size after another.

    Parameters
    ----------
    x : (n, d) float32
    ends : sequence of int
        Four-bit groups of each prefix, ascending; the last is the whole code.
    first : TableDecoder
        Its mean, metric and parallel weight are shared by all; its tables are not used.
    counts : (n,) float32 or None
        Weight of the error of each vector.
    tables_of : function or None
        Finds the tables that a block starts from. None starts from signs and weights all errors equally.
    effort : Effort
    validation : Validation
    state : Checkpoint
        Stores one stage per size.
    """
    decoders: tuple[TableDecoder, ...] = ()
    codes = np.empty((len(x), 0), dtype=np.uint8)
    for end in ends:
        decoders, codes = _grown(x, codes, decoders, first, counts, tables_of, end, effort)
        decoders, codes = _alternated(x, codes, decoders, counts, effort, validation, state)
    return Nested(decoders, () if tables_of is not None else _regressions(x, codes, decoders))


def _regressions(x: Floats, codes: Groups, decoders: tuple[TableDecoder, ...]) -> tuple[Recurrence, ...]:
    """Return the maps, fitted to codes, whose signs each block's search starts from."""
    starts, begin = [], 0
    for i, decoder in enumerate(decoders):
        left, end = _left(x, decoders[:i], codes[:, :begin]), decoder.groups
        starts.append(regressed(left, group_signs(codes[:, begin:end])[:, None]))
        begin = end
    return tuple(starts)


def cut_tables(x: Floats, codes: Groups, whole: TableDecoder, ends: Sequence[int]) -> tuple[TableDecoder, ...]:
    """Return decoders of the prefixes of given codes, followed by that of the whole code."""
    shorter = []
    for end in ends:
        cut = _cut(codes, end)
        start = replace(whole, tables=linear_tables(x - whole.mean, group_signs(cut)))
        shorter.append(fit_tables(x, cut, start))
    return (*shorter, whole)


def check_prefixes(prefixes: Any, dim: int, loops: int) -> None:
    """Raise ParameterError unless prefixes are ascending multiples of 64 below dim, and codes have one level."""
    if isinstance(prefixes, str) or not isinstance(prefixes, Sequence):
        raise wrong(prefixes, "prefixes", "a sequence of sizes in bits, such as (64, 128)")
    sizes = [integer(size, "a prefix", WORD_BITS, dim - 1) for size in prefixes]
    if any(size % WORD_BITS for size in sizes) or sorted(set(sizes)) != sizes:
        raise ParameterError(f"prefixes must be ascending multiples of {WORD_BITS}, not {prefixes!r}")
    if sizes and loops:
        raise ParameterError(f"codes of several levels have no prefixes; set loops=0 or prefixes=(), not {loops=}")


def _left(x: Floats, before: Sequence[TableDecoder], codes: Groups) -> Floats:
    """Return the part of vectors that the prefix before a block does not explain."""
    return x - before[-1].decode(np.ascontiguousarray(codes)) if before else x


def _grown(
    x: Floats,
    codes: Groups,
    before: tuple[TableDecoder, ...],
    first: TableDecoder,
    counts: Floats | None,
    tables_of: TablesOf | None,
    end: int,
    effort: Effort,
) -> tuple[tuple[TableDecoder, ...], Groups]:
    """Add a block: extend the tables and the codes, both started from what the shorter prefix leaves."""
    left, groups = _left(x, before, codes), end - codes.shape[1]
    if tables_of is None or counts is None:
        signs = initial(left, GROUP_BITS * groups, 0, effort.seed).signs(left)
        codes = np.concatenate([codes, groups_of(signs)], axis=1)
        added = linear_tables(left - left.mean(axis=0), signs[:, 0])
    else:
        rng = np.random.default_rng([effort.seed, end])
        added = tables_of(left if before else left - first.mean, counts, groups, first.metric, rng)
    decoder = replace(first, tables=_side_by_side(before[-1].tables, added) if before else added)
    if tables_of is not None:
        codes = decoder.greedy(x, codes)
    return (*before, fit_tables(x, codes, decoder, counts)), codes


def _alternated(
    x: Floats,
    codes: Groups,
    decoders: tuple[TableDecoder, ...],
    counts: Floats | None,
    effort: Effort,
    validation: Validation,
    state: Checkpoint,
) -> tuple[tuple[TableDecoder, ...], Groups]:
    """Choose codes and fit tables in turns until the mean recall of the last two prefixes stops growing."""
    stage = f"prefix-{GROUP_BITS * codes.shape[1]}"
    progress = Progress(stage, effort.rounds, effort.patience)
    best = now = _Learned(decoders[-2:], codes)
    if saved := state.load(stage, progress):
        now, best = now.taken(saved, "now"), now.taken(saved, "best")
    while progress.goes_on():
        codes = _block_chosen(x, now.codes, now.decoders, effort)
        codes = _pair_chosen(x, codes, now.decoders, effort)
        now = _Learned(tuple(fit_tables(x, _cut(codes, d.groups), d, counts) for d in now.decoders), codes)
        found = [validation.recall(d.decode(_cut(codes, d.groups))) for d in now.decoders]
        if progress.step(not_worse(float(np.mean(found)), progress.best, validation)):
            best = now
        state.save(stage, progress, now.arrays("now") | best.arrays("best"))
    return (*decoders[:-2], *best.decoders), best.codes


@dataclass(frozen=True)
class _Learned:
    """Decoders and codes, which rounds change."""

    decoders: tuple[TableDecoder, ...]
    codes: Groups

    def arrays(self, name: str) -> dict[str, npt.NDArray[Any]]:
        tables = {f"{name}.tables.{i}": decoder.tables for i, decoder in enumerate(self.decoders)}
        return {**tables, f"{name}.codes": self.codes}

    def taken(self, arrays: dict[str, npt.NDArray[Any]], name: str) -> "_Learned":
        tables = [arrays[f"{name}.tables.{i}"] for i in range(len(self.decoders))]
        decoders = (replace(d, tables=t) for d, t in zip(self.decoders, tables, strict=True))
        return _Learned(tuple(decoders), arrays[f"{name}.codes"])


def _block_chosen(x: Floats, codes: Groups, decoders: Sequence[TableDecoder], effort: Effort) -> Groups:
    """Choose the last block with all others fixed."""
    begin = decoders[-2].groups if len(decoders) > 1 else 0
    return search_codes(x, codes, decoders[-1:], [1.0], begin, effort.of(codes.shape[1] - begin))


def _pair_chosen(x: Floats, codes: Groups, decoders: Sequence[TableDecoder], effort: Effort) -> Groups:
    """Choose the last two blocks together, with those before them fixed."""
    if len(decoders) < 2:
        return codes
    begin = decoders[-3].groups if len(decoders) > 2 else 0
    return search_codes(x, codes, decoders[-2:], [SHORTER, 1.0], begin, effort.of(codes.shape[1] - begin))


def search_codes(
    x: Floats, codes: Groups, decoders: Sequence[TableDecoder], weights: Sequence[float], begin: int, steps: int
) -> Groups:
    """Improve groups from ``begin`` on by local search over a weighted sum of the losses of several prefixes.

    Parameters
    ----------
    x : (n, d) float32
    codes : (n, groups) uint8
    decoders : sequence of TableDecoder
        Decoders of prefixes longer than ``begin``, with one metric; the last covers all groups.
    weights : sequence of float
        One per decoder.
    begin : int
    steps : int

    Returns
    -------
    (n, groups) uint8
        Groups before ``begin`` are unchanged.
    """
    kernel = table_kernels(find_backend(decoders[-1].backend)).refine
    free = codes.shape[1] - begin
    losses = [_Loss(decoder, weight, begin, free) for decoder, weight in zip(decoders, weights, strict=True)]
    pair = sum(loss.pairs for loss in losses)
    out = codes.copy()
    for rows in blocks(len(x), 4 * LEVELS * free * (4 + 2 * len(losses))):
        linear = np.tile(np.diagonal(pair), (len(x[rows]), 1))
        sides = np.empty((len(linear), len(losses), LEVELS * free), dtype=np.float32)
        for t, loss in enumerate(losses):
            sides[:, t] = loss.added(x[rows], codes[rows], linear)
        out[rows, begin:] = kernel(linear, sides, 2 * pair, np.ascontiguousarray(codes[rows, begin:]), steps)
    return out


class _Loss:
    """The loss of one prefix over the free groups, as terms for :attr:`hdc.kernels.TableKernels.refine`."""

    def __init__(self, decoder: TableDecoder, weight: float, begin: int, free: int) -> None:
        self._decoder, self._weight, self._begin = decoder, np.float32(weight), begin
        by_group = decoder.tables.reshape(LEVELS, decoder.groups, -1)
        entries = np.zeros((LEVELS, free, by_group.shape[2]), dtype=np.float32)  # stays zero beyond the prefix
        entries[:, : decoder.groups - begin] = by_group[:, begin:]
        self._entries = entries.reshape(LEVELS * free, -1)
        self._seen = self._entries @ decoder.metric
        self._fixed = None
        if begin:
            self._fixed = replace(decoder, tables=_first_groups(decoder, begin))
        self.pairs: Floats = self._weight * (self._seen @ self._seen.T)

    def added(self, x: Floats, codes: Groups, linear: Floats) -> Floats:
        """Add the cost of single entries to the ``(n, entries)`` costs; return the factors of the squared term."""
        decoder, centered = self._decoder, x - self._decoder.mean
        left = centered if self._fixed is None else x - self._fixed.decode(_cut(codes, self._begin))
        root = np.float32(np.sqrt(decoder.parallel))
        side = root * (centered @ self._entries.T)
        goal = root * np.einsum("nd,nd->n", left, centered)[:, None]
        linear += self._weight * (side * (side - 2 * goal) - 2 * ((left @ decoder.metric) @ self._seen.T))
        return np.asarray(side * np.float32(np.sqrt(2 * self._weight)))


def _first_groups(decoder: TableDecoder, groups: int) -> Floats:
    """Return the tables of the first groups."""
    by_group = decoder.tables.reshape(LEVELS, decoder.groups, -1)
    return np.ascontiguousarray(by_group[:, :groups].reshape(LEVELS * groups, -1))


def _cut(codes: Groups, groups: int) -> Groups:
    return np.ascontiguousarray(codes[:, :groups])


def _side_by_side(tables: Floats, more: Floats) -> Floats:
    """Join tables of ``(16 * groups, d)`` each into the tables of all their groups."""
    parts = [part.reshape(LEVELS, -1, part.shape[1]) for part in (tables, more)]
    return np.ascontiguousarray(np.concatenate(parts, axis=1).reshape(-1, tables.shape[1]))
