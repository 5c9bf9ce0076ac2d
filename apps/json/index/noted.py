"""What a search returns: hits, and what there is to say of the query."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hdc.apps.json.index.index import Hit


class Hits(list["Hit"]):
    """A list of hits, best first.

    Attributes
    ----------
    notes : tuple of str
        What there is to say of the query: at which paths no document has a value, and how they were read.
    """

    def __init__(self, hits: Iterable["Hit"] = (), notes: tuple[str, ...] = ()) -> None:
        super().__init__(hits)
        self.notes = notes
