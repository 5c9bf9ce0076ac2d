"""What finds rows: a searcher prepares what a snapshot is searched with, and what it prepared never changes."""

from typing import Any, Protocol

import numpy as np

from hdc.search.measures import Distances, Ids
from hdc.store import Snapshot


class Prepared(Protocol):
    """A snapshot and all that its searches need and that does not depend on the query.

    Any number of threads may search it at once. What an extension adds goes into another object.

    Attributes
    ----------
    snapshot : Snapshot
    dtype : type of number
        Of the distances.
    """

    @property
    def snapshot(self) -> Snapshot:
        """What is searched."""

    @property
    def dtype(self) -> type[np.generic]:
        """Type of the distances."""

    def search(self, queries: Any, k: int, options: Any, allowed: Ids | None = None) -> tuple[Distances, Ids]:
        """Find rows near to each query.

        Parameters
        ----------
        queries : array
            Codes or floats, as the searcher takes them; the first axis is the queries'.
        k : int
            From 1 to the number of live rows, or of allowed ones.
        options : options of the searcher's kind
        allowed : (m,) int64 array, optional
            Positions of the rows that may be found, ascending; all live rows if left out.

        Returns
        -------
        distances : (q, k) array
            Ascending; the greatest integer, or infinity, where no row was found.
        ids : (q, k) int64 array
            Of equal distances the lower id comes first; -1 where no row was found.
        """


class Searcher(Protocol):
    """A way to find rows.

    Attributes
    ----------
    kind : str
        Which options it takes: a name in :data:`hdc.search.options.OPTIONS`.
    """

    kind: str

    def prepared(self, snapshot: Snapshot, previous: Any) -> Prepared:
        """Return what a snapshot is searched with.

        Parameters
        ----------
        snapshot : Snapshot
        previous : Prepared or None
            What this searcher prepared last, of an older snapshot; it may be searched at this moment, and stays as
            it is.

        Raises
        ------
        FileFormatError
            If the rows, or derived data in a file, are damaged.
        """
