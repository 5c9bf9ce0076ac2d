"""Searches of RaBitQ codes, in all rows or in the lists nearest to a query, by estimated dot products."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hdc.errors import FileFormatError, ParameterError
from hdc.kernels import CodeLists, ListKernels
from hdc.search.codes import CODES, joined
from hdc.search.measures import Distances, Floats, Ids
from hdc.search.options import FlatOptions, IVFOptions
from hdc.search.partition import Grouping, Partition
from hdc.store import Snapshot
from hdc.words import Words


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


class Estimates:
    """The searcher of RaBitQ codes: a query is rounded to integers of four bits, as in the paper.

    Queries are (q, d) float32 arrays, and distances one minus the estimated dot product.
    """

    def __init__(self, model: EstimateModel, kernels: ListKernels) -> None:
        self.model, self._kernels = model, kernels
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
        return EstimateRows(snapshot, self.model, Partition.of(grouping, before))


@dataclass(frozen=True, eq=False)
class EstimateRows:
    """A snapshot prepared for search by estimates."""

    snapshot: Snapshot
    model: EstimateModel
    partition: Partition
    dtype = np.float32

    def search(
        self, queries: Floats, k: int, options: FlatOptions | IVFOptions, allowed: Ids | None = None
    ) -> tuple[Distances, Ids]:
        """Return the k rows of the greatest estimates; see :meth:`hdc.search.searcher.Prepared.search`."""
        parts, few = self.partition.among(allowed)
        probes = self.model.lists_ if few or isinstance(options, FlatOptions) else options.probes
        asked = self.model.asked(queries, probes)
        found = []
        for part in parts:
            scores, ids = part.held.search(asked.integers, asked.factors, asked.lists, asked.base, part.ids, k)
            found.append((1 - scores, ids))
        return found[0] if len(found) == 1 else joined(found, k)
