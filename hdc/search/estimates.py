"""Searches of RaBitQ codes, in all rows or in the lists nearest to a query, by estimated dot products."""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hdc.errors import FileFormatError, ParameterError
from hdc.kernels import CodeLists, ListKernels
from hdc.search.measures import Distances, Floats, Ids
from hdc.search.partition import Part, Partition
from hdc.search.snapshot import View, joined
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
    """The searcher of an index of RaBitQ codes: a query is rounded to integers of four bits, as in the paper."""

    def __init__(self, model: EstimateModel, kernels: ListKernels) -> None:
        self.model, self._kernels = model, kernels
        self._partition = Partition(model.lists_, self._hold)
        self._views: tuple[View, View] | None = None

    def _hold(self, view: View, rows: Ids, starts: Ids) -> CodeLists:
        codes = view.codes[rows, 0]
        known = self.model.factors(codes)
        if not np.isfinite(known.scale).all() or not np.isfinite(known.offset).all():
            raise FileFormatError("a code of the index holds no numbers where it should; hdc embed verify says more")
        return self._kernels.code_lists(self.model.signs(codes), known.scale, known.offset, starts)

    def _in_lists(self, view: View) -> View:
        """Return a view that says which list each row is in.

        Raises
        ------
        FileFormatError
            If the model has no such list.
        """
        views = self._views
        if views is None or views[0] is not view:
            try:
                cells = self.model.cells(view.codes[:, 0])
            except ParameterError as error:
                raise FileFormatError(f"the index and its model do not go together: {error}") from None
            views = self._views = view, replace(view, cells=cells.astype(np.int32))
        return views[1]

    def parts(self, view: View) -> list[Part]:
        """Return the rows of a view as :meth:`search` takes them."""
        return self._partition.of(self._in_lists(view))

    def search(self, parts: list[Part], queries: Floats, k: int, probes: int) -> tuple[Distances, Ids]:
        """Return the k rows of the greatest estimates in the ``probes`` nearest lists.

        Parameters
        ----------
        parts : list of Part
            Of :meth:`parts`.
        queries : (q, d) float32 array
        k, probes : int

        Returns
        -------
        distances : (q, k) float32 array
            One minus the estimated dot product, ascending; infinity beyond the last row.
        ids : (q, k) int64 array
            -1 beyond the last row.
        """
        asked = self.model.asked(queries, probes)
        found = []
        for part in parts:
            scores, ids = part.held.search(asked.integers, asked.factors, asked.lists, asked.base, part.ids, k)
            found.append((1 - scores, ids))
        return joined(found, k) if len(found) > 1 else found[0]
