"""Search of RaBitQ codes by estimated dot products, in all rows or in the lists nearest to a query."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hdc.errors import FileFormatError, ParameterError
from hdc.kernels import AskedOfLists, CodeLists, Compared, EstimatePart, EstimatePlan, EstimateSearch, ListKernels
from hdc.search.codes import CODES, candidates_of, joined, mask
from hdc.search.list_files import ListFile
from hdc.search.live import positions_of
from hdc.search.measures import Distances, Floats, Ids, nearest_of
from hdc.search.options import FlatOptions, IVFOptions, Options
from hdc.search.partition import FEW_ROWS, Grouping, Part, Partition
from hdc.search.reranking import LENGTHS, ORIGINALS
from hdc.store import Snapshot
from hdc.words import Words

CHECKED_AT_ONCE = 1 << 30
"""Originals of up to this many bytes (1 GiB) are checked against their checksums before the first search: this takes
some tenths of a second at most, and no search checks what it read, which for one query takes as long as its walk
through a graph, and a good part of that through lists."""


HELD_AT_ONCE = 1 << 18
"""Codes that are decoded at a time."""


@dataclass(frozen=True)
class Factors:
    """Factors of n codes, stored beside their signs.

    Attributes
    ----------
    scale : (n,) float32 array
        |r| / f, which makes the estimate unbiased.
    offset : (n,) float32 array
        ``r . c`` less its own estimate.
    cells : (n,) int64 array
        List of each code.
    """

    scale: Floats
    offset: Floats
    cells: Ids


class EstimateModel(Protocol):
    """The model that made the codes, and decodes them."""

    lists_: int
    levels_: int

    def signs(self, codes: Words) -> Words:
        """Return the sign bits of (n, words) codes."""

    def factors(self, codes: Words) -> Factors:
        """Return the factors of codes."""

    def whole(self, codes: Words) -> tuple[Floats, Floats]:
        """Return the scale and offset of all planes, for codes with several."""

    def whole_scores(self, queries: Floats, codes: Words, rows: Ids) -> Floats:
        """Estimate, by all planes, dot products of (q, d) queries with (q, c) rows of codes; -inf for row -1."""

    def cells(self, codes: Words) -> Ids:
        """Return the list of each code; raises ParameterError if the list does not exist."""

    def asked(self, queries: Floats, probes: int) -> AskedOfLists:
        """Round (q, d) mapped queries to the form that kernels read."""

    def plan(
        self,
        parts: Sequence[EstimatePart],
        originals: npt.NDArray[np.int8] | None,
        codes: Words | None = None,
        lengths: Floats | None = None,
    ) -> EstimatePlan | None:
        """Return the plan of a search in one compiled call, or None if kernels cannot rotate as the model does."""


class Estimates:
    """The searcher of RaBitQ codes; it rounds a query to four-bit integers, as the paper does.

    Queries are (q, d) float32 arrays of length 1. Distances are one minus the estimated dot product.

    Parameters
    ----------
    model : EstimateModel
    kernels : ListKernels
    kept : sequence of str
        Columns for the exact step of compiled searches: int8 originals, and their lengths if these count.
    whole : bool
        Whether searches end by comparing all planes of the codes that signs found.
    place : (Path, str), optional
        Folder where lists are stored in a file, and a digest of the model.
    """

    def __init__(
        self,
        model: EstimateModel,
        kernels: ListKernels,
        kept: Sequence[str] = (),
        whole: bool = False,
        place: tuple[Path, str] | None = None,
    ) -> None:
        self.model, self._kernels, self.kept, self._whole = model, kernels, kept, whole
        self.kind = "ivf" if model.lists_ > 1 else "flat"
        self.file: ListFile | None = None
        if place is not None:
            folder, digest = place
            self.file = ListFile(folder, kernels.layout, digest, lambda held: held.arrays, kernels.restored)

    def prepared(self, snapshot: Snapshot, previous: "EstimateRows | None") -> "EstimateRows":
        """Group the rows by list, reusing the groups of ``previous`` for rows that are not new."""
        grouping = Grouping(snapshot, self.model.lists_, partial(self._cells, snapshot), partial(self._hold, snapshot))
        before = None if previous is None else previous.partition
        partition = Partition.of(grouping, before, None if self.file is None else self.file.read)
        parts = [EstimatePart(part.held, part.rows, part.ids) for part in partition.parts]
        kept = {name: snapshot.raw(name) for name in self.kept}
        if sum(array.nbytes for array in kept.values()) <= CHECKED_AT_ONCE:
            for name in kept:
                snapshot.check(name)
        compared = snapshot.rows(CODES) if self._whole else None
        lengths = kept[LENGTHS][:, 0] if LENGTHS in kept else None
        plan = self.model.plan(parts, kept.get(ORIGINALS), compared, lengths)
        whole = None if plan is None else self._kernels.estimate_search(plan)
        unchecked = tuple(name for name in kept if not snapshot.checked(name))
        return EstimateRows(snapshot, self.model, partition, whole, unchecked, compared)

    def _cells(self, snapshot: Snapshot, rows: Ids) -> Ids:
        """Return the list of each row."""
        cells = np.empty(len(rows), dtype=np.int64)
        try:
            for part, codes in _codes(snapshot, rows):
                cells[part] = self.model.cells(codes)
        except ParameterError as error:
            raise FileFormatError(f"the index and its model do not match: {error}") from None
        return cells

    def _hold(self, snapshot: Snapshot, rows: Ids, starts: Ids) -> CodeLists:
        """Return rows in the layout of the kernels."""
        words = self.model.signs(snapshot.raw(CODES)[:0]).shape[1]
        signs = np.empty((len(rows), words), dtype=np.uint64)
        scale, offset = np.empty((2, len(rows)), dtype=np.float32)
        for part, codes in _codes(snapshot, rows):
            known = self.model.factors(codes)
            factors = [known.scale, known.offset, *(self.model.whole(codes) if self.model.levels_ > 1 else ())]
            if not all(np.isfinite(factor).all() for factor in factors):
                raise FileFormatError(
                    "a code of the index contains NaN or infinity in its factors; run hdc embed verify for details"
                )
            signs[part], scale[part], offset[part] = self.model.signs(codes), known.scale, known.offset
        return self._kernels.code_lists(signs, scale, offset, starts)


def _codes(snapshot: Snapshot, rows: Ids) -> Iterator[tuple[slice, Words]]:
    """Yield the codes of rows, one slice of the rows at a time."""
    if len(rows) > FEW_ROWS:
        snapshot.check(CODES)  # checks the file sequentially
    for start in range(0, len(rows), HELD_AT_ONCE):
        part = slice(start, start + HELD_AT_ONCE)
        yield part, snapshot.take(CODES, rows[part])


@dataclass(frozen=True, eq=False)
class EstimateRows:
    """A snapshot prepared for search by estimates.

    Attributes
    ----------
    snapshot : Snapshot
    model : EstimateModel
    partition : Partition
    whole : EstimateSearch or None
        Searches all rows; None if the model has no compiled search, and then :meth:`find` must not be called.
    unchecked : tuple of str
        Columns for the exact step that were not checked against their checksums as a whole.
    codes : (n, words) uint64 array or None
        Codes of the snapshot, if searches end by comparing all their planes.
    """

    snapshot: Snapshot
    model: EstimateModel
    partition: Partition
    whole: EstimateSearch | None
    unchecked: tuple[str, ...]
    codes: Words | None = None
    dtype = np.float32

    @property
    def alone(self) -> bool:
        """Whether batches, too, are fastest query by query: with all planes in lists."""
        return self.codes is not None and self.model.lists_ > 1 and self.whole is not None

    def find(
        self,
        queries: npt.NDArray[Any],
        k: int,
        candidates: int,
        options: Options,
        allowed: Ids | None,
        compared: Compared | None = None,
        *,
        mapped: bool = False,
    ) -> tuple[Floats, Ids]:
        """Search for a few queries in one call, from floats to the exact order by int8 originals.

        Parameters
        ----------
        queries : (q, d) float array
            Of any length; lengths are ignored unless ``mapped``.
        k, candidates, options, allowed
            As in :class:`hdc.search.engine.Search`; k is at least 1.
        compared : Compared, optional
            Required if lengths of originals are stored.
        mapped : bool
            Whether queries are mapped, so that their lengths count.

        Returns
        -------
        scores : (q, k) float32 array
            Descending: cosines, estimates if no originals are stored, or scores that use stored lengths; -inf where no
            row was found.
        ids : (q, k) int64 array

        Raises
        ------
        ParameterError
            If a query contains NaN or infinity.
        FileFormatError
            If an original is damaged.
        """
        probes = options.probes if isinstance(options, IVFOptions) else 1
        there = None if allowed is None else mask(allowed, self.snapshot.count)
        asked = self.model.asked(queries, probes) if mapped else queries
        assert self.whole is not None
        if not self.unchecked:
            return self.whole.search(asked, k, probes, candidates, there, None, compared)
        read = np.empty((len(queries), candidates), dtype=np.int64)
        found = self.whole.search(asked, k, probes, candidates, there, read, compared)
        for name in self.unchecked:
            self.snapshot.check(name, read[read >= 0])
        return found

    def search(
        self, queries: Floats | AskedOfLists, k: int, options: FlatOptions | IVFOptions, allowed: Ids | None = None
    ) -> tuple[Distances, Ids]:
        """Return the k rows of the greatest estimates; see :meth:`hdc.search.searcher.Prepared.search`.

        Queries that :meth:`asked` returned search all rows.
        """
        if isinstance(queries, AskedOfLists):
            return self.by_signs(queries, self.partition.among(None)[0], k)
        if self.codes is None:
            return self._of_floats(queries, k, options, allowed)
        rows = self.snapshot.count if allowed is None else len(allowed)
        ids = self._of_floats(queries, candidates_of(options, k, rows), options, allowed)[1]
        scores = self.model.whole_scores(queries, self.codes, positions_of(self.snapshot, ids))
        less, ids = nearest_of(-scores, ids, k)  # ordered by estimates, because 1 - x rounds
        return 1 + less, ids

    def asked(self, queries: Floats, options: FlatOptions | IVFOptions) -> Floats | AskedOfLists:
        """Return queries in a form that :meth:`search` reads for all rows, reusable for snapshots of the same model."""
        probes = self.model.lists_ if isinstance(options, FlatOptions) else options.probes
        return queries if self.codes is not None else self.model.asked(queries, probes)

    def _of_floats(
        self, queries: Floats, k: int, options: FlatOptions | IVFOptions, allowed: Ids | None
    ) -> tuple[Distances, Ids]:
        parts, few = self.partition.among(allowed)
        probes = self.model.lists_ if few or isinstance(options, FlatOptions) else options.probes
        return self.by_signs(self.model.asked(queries, probes), parts, k)

    def by_signs(self, asked: AskedOfLists, parts: Sequence[Part], k: int) -> tuple[Distances, Ids]:
        """Return the k rows with the greatest estimates in some parts."""
        found = []
        for part in parts:
            numbered = part.ids[: len(part.held)]
            scores, ids = part.held.search(asked.integers, asked.factors, asked.lists, asked.base, numbered, k)
            found.append((-scores, ids))
        less, ids = found[0] if len(found) == 1 else joined(found, k)  # ordered by estimates, because 1 - x rounds
        return 1 + less, ids
