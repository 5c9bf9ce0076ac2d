"""What a search has found."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

Measure: TypeAlias = Literal["coverage", "overlap", "cosine"]


@dataclass(frozen=True)
class Hit:
    """A document that was found.

    Attributes
    ----------
    score : float
        For ``"coverage"`` the part of the query that the document holds, 0 … 1; for ``"overlap"`` the part of the
        query and the document together that both hold; for ``"cosine"`` the cosine of the two vectors.
    id : int
        Number of the document in the index.
    document : JSON value
        Read when it is asked for first, as it was when it was found.
    source : str
        Where it was read, as ``file:line``; empty if it did not come from a file.
    key : str or None
    measure : {"coverage", "overlap", "cosine"}
    """

    score: float
    id: int
    source: str
    key: str | None
    measure: Measure
    read: Callable[[], Any] = field(repr=False, compare=False)

    @cached_property
    def document(self) -> Any:
        """The document."""
        return self.read()
