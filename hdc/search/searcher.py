"""Searcher and Prepared: a searcher prepares a snapshot for search, and the prepared object never changes."""

from typing import Any, Protocol

import numpy as np

from hdc.search.measures import Distances, Ids
from hdc.store import Snapshot


class Prepared(Protocol):
    """A snapshot, with all that its searches need and that does not depend on the query.

    Any number of threads may search it at once. Extending it creates another object.

    Attributes
    ----------
    snapshot : Snapshot
    dtype : type of number
        Type of the distances.
    """

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot that is searched."""

    @property
    def dtype(self) -> type[np.generic]:
        """Type of the distances."""

    def search(self, queries: Any, k: int, options: Any, allowed: Ids | None = None) -> tuple[Distances, Ids]:
        """Find the rows nearest to each query.

        Parameters
        ----------
        queries : array
            Codes or floats, in the form that the searcher expects; the first axis counts queries.
        k : int
            From 1 to the number of live rows, or of allowed ones.
        options : options of the searcher's kind
        allowed : (m,) int64 array, optional
            Positions of the rows that may be found, ascending; by default all live rows.

        Returns
        -------
        distances : (q, k) array
            Ascending; infinity or the greatest integer where no row was found.
        ids : (q, k) int64 array
            Among equal distances, the lower id comes first; -1 where no row was found.
        """


class Searcher(Protocol):
    """A way to search rows.

    Attributes
    ----------
    kind : str
        Kind of options it accepts: a name in :data:`hdc.search.options.OPTIONS`.
    """

    kind: str

    def prepared(self, snapshot: Snapshot, previous: Any) -> Prepared:
        """Prepare a snapshot for search.

        Parameters
        ----------
        snapshot : Snapshot
        previous : Prepared or None
            The object that this searcher prepared last, for an older snapshot. Other threads may be searching it, so it
            must not change.

        Raises
        ------
        FileFormatError
            If the rows, or derived data in a file, are damaged.
        """
