"""Searches of RaBitQ codes, in all rows or in the lists nearest to a query, by estimated dot products."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hdc.errors import FileFormatError, ParameterError
from hdc.kernels import CodeLists, EstimatePart, EstimatePlan, EstimateSearch, ListKernels
from hdc.search.codes import CODES, joined, mask
from hdc.search.measures import Distances, Floats, Ids
from hdc.search.options import FlatOptions, IVFOptions
from hdc.search.partition import Grouping, Part, Partition
from hdc.search.reranking import ORIGINALS
from hdc.store import Snapshot
from hdc.words import Words


CHECKED_AT_ONCE = 1 << 26
"""Bytes of originals (64 MiB) up to which all of them are checked before the first search, and none in a search."""


@dataclass(frozen=True)
class Factors:
    """What a code says beside its signs, of n codes.

    Attributes
    ----------
    scale : (n,) float32 array
        |r| / f, which makes the estimate unbiased.
    offset : (n,) float32 array
        How much more ``r . c`` is than its own estimate.
    norm, fit : (n,) float32 arrays
        |r|, and f: the cosine between the residual and its signs.
    cells : (n,) int64 array
        The list of each.
    """

    scale: Floats
    offset: Floats
    norm: Floats
    fit: Floats
    cells: Ids


@dataclass(frozen=True)
class Asked:
    """Queries as the list kernels take them; see :class:`hdc.kernels.CodeLists`."""

    integers: npt.NDArray[np.int8]
    factors: Floats
    lists: Ids
    base: Floats


class EstimateModel(Protocol):
    """What made the codes, and says what they stand for."""

    lists_: int

    def signs(self, codes: Words) -> Words:
        """Return the sign bits of (n, words) codes."""

    def factors(self, codes: Words) -> Factors:
        """Return what codes say beside their signs."""

    def cells(self, codes: Words) -> Ids:
        """Return the list of each code; raises ParameterError if there is no such list."""

    def asked(self, queries: Floats, probes: int) -> Asked:
        """Return (q, d) queries as the kernels take them."""

    def plan(self, parts: Sequence[EstimatePart], originals: npt.NDArray[np.int8] | None) -> EstimatePlan:
        """Return what whole searches read."""


class Estimates:
    """The searcher of RaBitQ codes: a query is rounded to integers of four bits, as in the paper.

    Queries are (q, d) float32 arrays, and distances one minus the estimated dot product.

    Parameters
    ----------
    model : EstimateModel
    kernels : ListKernels
    compares : bool
        Whether :meth:`EstimateRows.at_once` ends with cosines of originals, which the store keeps as int8.
    """

    def __init__(self, model: EstimateModel, kernels: ListKernels, compares: bool = False) -> None:
        self.model, self._kernels, self._compares = model, kernels, compares
        self.kind = "ivf" if model.lists_ > 1 else "flat"

    def prepared(self, snapshot: Snapshot, previous: "EstimateRows | None") -> "EstimateRows":
        """Group the rows by list, or those only that are new."""
        codes = snapshot.rows(CODES)

        def cells(rows: Ids) -> Ids:
            try:
                return self.model.cells(codes[rows])
            except ParameterError as error:
                raise FileFormatError(f"the index and its model do not go together: {error}") from None

        def hold(rows: Ids, starts: Ids) -> CodeLists:
            own = codes[rows]
            known = self.model.factors(own)
            if not np.isfinite(known.scale).all() or not np.isfinite(known.offset).all():
                raise FileFormatError(
                    "a code of the index holds no numbers where it should; hdc embed verify says more"
                )
            return self._kernels.code_lists(self.model.signs(own), known.scale, known.offset, starts)

        before = None if previous is None else previous.partition
        grouping = Grouping(snapshot, self.model.lists_, cells, hold)
        return EstimateRows(snapshot, self.model, Partition.of(grouping, before), self._kernels, self._compares)


@dataclass(frozen=True, eq=False)
class EstimateRows:
    """A snapshot prepared for search by estimates."""

    snapshot: Snapshot
    model: EstimateModel
    partition: Partition
    kernels: ListKernels
    compares: bool
    dtype = np.float32

    def search(
        self, queries: Floats, k: int, options: FlatOptions | IVFOptions, allowed: Ids | None = None
    ) -> tuple[Distances, Ids]:
        """Return the k rows of the greatest estimates; see :meth:`hdc.search.searcher.Prepared.search`."""
        parts, few = self.partition.among(allowed)
        asked = self.model.asked(queries, self.model.lists_ if few else self._probes(options))
        found = []
        for part in parts:
            scores, ids = part.held.search(asked.integers, asked.factors, asked.lists, asked.base, part.ids, k)
            found.append((-scores, ids))
        less, ids = found[0] if len(found) == 1 else joined(found, k)
        return 1 + less, ids

    def at_once(
        self, queries: Floats, k: int, candidates: int, options: FlatOptions | IVFOptions, allowed: Ids | None = None
    ) -> tuple[Floats, Ids]:
        """Search for few queries, each in one compiled call.

        Parameters
        ----------
        queries : (q, d) float32 array
            C-contiguous; of any length.
        k, candidates : int
            At least 1.
        options, allowed
            As :meth:`search`.

        Returns
        -------
        scores : (q, k) float32 array
            One minus the distances that :meth:`search` and the comparison with originals find; -inf beyond the last.
        ids : (q, k) int64 array
            -1 beyond the last find.

        Raises
        ------
        ParameterError
            If a query holds NaN or infinity.
        FileFormatError
            If an original that was read is damaged.
        """
        if allowed is None:
            scores, ids, read = self._whole.search(queries, k, self._probes(options), candidates)
        else:
            parts, few = self.partition.among(allowed)
            if few:
                whole = self._planned(parts)
                scores, ids, read = whole.search(queries, k, self.model.lists_, candidates)
            else:
                there = mask(allowed, self.snapshot.count)
                scores, ids, read = self._whole.search(queries, k, self._probes(options), candidates, there)
        if self.compares and not self._sound:
            self.snapshot.check(ORIGINALS, read[read >= 0])
        return scores, ids

    def _probes(self, options: FlatOptions | IVFOptions) -> int:
        return options.probes if isinstance(options, IVFOptions) else self.model.lists_

    @cached_property
    def _whole(self) -> EstimateSearch:
        return self._planned(self.partition.parts)

    def _planned(self, parts: Sequence[Part]) -> EstimateSearch:
        own = [EstimatePart(part.held, part.rows, part.ids) for part in parts]
        return self.kernels.estimate_search(self.model.plan(own, self._originals))

    @cached_property
    def _originals(self) -> npt.NDArray[np.int8] | None:
        if not self.compares:
            return None
        originals: npt.NDArray[np.int8] = self.snapshot.raw(ORIGINALS)
        if originals.size <= CHECKED_AT_ONCE:
            self.snapshot.check(ORIGINALS)
        return originals

    @cached_property
    def _sound(self) -> bool:
        """Whether all originals are checked."""
        return self._originals is None or self._originals.size <= CHECKED_AT_ONCE
