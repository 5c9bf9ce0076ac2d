"""The operations that requests need of an index; each kind of index has a subclass."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal, TypeAlias

from hdc.apps.serve import models
from hdc.apps.serve.answers import not_found, unprocessable
from hdc.apps.serve.conditions import Given
from hdc.checks import shown
from hdc.errors import DTypeError, ParameterError, UnsupportedError
from hdc.search.measures import Ids

Name: TypeAlias = Literal["json", "embeddings", "codes"]

Queries: TypeAlias = Any
"""A list of values, or an array with one row per query."""

Result: TypeAlias = dict[str, Any]
"""``hits`` as JSON, and optional ``notes``."""


class Kind(ABC):
    """Turns request bodies into calls of an index.

    Parameters
    ----------
    index : Index

    Attributes
    ----------
    NAME : str
    SINGLE, SEVERAL : tuple of str
        Fields of a search and of a batch that can have the query.
    IGNORED : tuple of str
        Fields of a search that this kind rejects.
    """

    NAME: ClassVar[Name]
    SINGLE: ClassVar[tuple[str, ...]]
    SEVERAL: ClassVar[tuple[str, ...]]
    IGNORED: ClassVar[tuple[str, ...]]

    def __init__(self, index: Any) -> None:
        self.index = index

    def queries(self, body: models.Search | models.Batch) -> Queries:
        """Return the queries of a body.

        Raises
        ------
        RefusedError
            422 if the body does not have exactly one query field, or this kind does not support it.
        """
        single = isinstance(body, models.Search)
        own, every = (self.SINGLE, SINGLE) if single else (self.SEVERAL, SEVERAL)
        given = models.given(body, *every)
        if len(given) != 1 or given[0] not in own:
            raise unprocessable(
                f"an index of {self.NAME} is searched with {' or '.join(own)}, not {' and '.join(given) or 'nothing'}"
            )
        self.check(body)
        value = getattr(body, given[0])
        return self.asked(given[0], [value] if single else value, body)

    def check(self, found: models.Found) -> None:
        """Raise RefusedError, 422, if a search has a field that this kind rejects."""
        for name in models.given(found, *self.IGNORED):
            raise unprocessable(f"{name} is not for an index of {self.NAME}")

    @abstractmethod
    def asked(self, name: str, values: list[Any], body: models.Found) -> Queries:
        """Turn the values of a query field into queries for :meth:`search`."""

    @abstractmethod
    def search(self, queries: Queries, found: models.Found) -> list[Result]:
        """Return one result per query."""

    @abstractmethod
    def like(self, number: int, found: models.Like) -> Result:
        """Return the rows nearest to a row."""

    @abstractmethod
    def how(self, found: models.Found) -> tuple[bool, dict[str, Any]]:
        """Return whether a search compares every row, and the options it uses."""

    @abstractmethod
    def info(self) -> dict[str, Any]:
        """Return the description of the index that is specific to its kind; ``dim`` at least."""

    @abstractmethod
    def prepare(self) -> None:
        """Build the derived data that the first search would otherwise build."""

    def warm(self) -> None:
        """Search once, so the first request does not wait for compiled code to load."""
        self.prepare()
        with contextlib.suppress(UnsupportedError):  # an index that keeps no vectors
            for number in self.index.ids()[:1].tolist():
                self.like(number, models.Like(k=1))

    def counted(self) -> Iterator[None]:
        """Count what a page asks for first, and keep it; yields now and then, so that it can be left."""
        yield from ()

    @abstractmethod
    def add(self, body: models.Write) -> Ids:
        """Add rows, or replace rows with the same keys; return the ids."""

    # ------------------------------------------------------------------ rows

    def number_of(self, named: models.Named) -> int:
        """Return the id of a row named by id or key.

        Raises
        ------
        RefusedError
            404 if the row does not exist, 422 unless exactly one of id and key is given.
        """
        if (named.id is None) == (named.key is None):
            raise unprocessable("send exactly one of id and key")
        return self.of_key(named.key) if named.id is None else self.of_id(named.id)

    def of_key(self, key: str | None) -> int:
        """Return the id of the row with a key; 404 if it does not exist."""
        number = None if key is None else self.index.find(key)
        if number is None:
            raise not_found(f"there is no {self.index.ROW} with the key {shown(key)}")
        return int(number)

    def of_id(self, number: int) -> int:
        """Check and return the id of a row; 404 if it does not exist."""
        try:
            self.index.store.positions([number])
        except (ParameterError, DTypeError, OverflowError):
            raise not_found(f"there is no {self.index.ROW} {shown(number)}") from None
        return number

    def filtered(self, where: Given) -> Ids:
        """Return the ids of rows that meet conditions, ascending."""
        if where is not None:
            raise unprocessable(f"where is for indexes of documents, and this is an index of {self.NAME}")
        return self.index.ids()  # type: ignore[no-any-return]

    def rows(self, ids: Sequence[int], documents: bool) -> list[dict[str, Any]]:
        """Return rows as JSON."""
        return self.with_keys([{"id": number} for number in ids])

    def with_keys(self, entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Add keys to rows or hits that have one."""
        keys = self.index.keys([entry["id"] for entry in entries]) if entries else []
        return [e if key is None else {**e, "key": key} for e, key in zip(entries, keys, strict=True)]


SINGLE = ("query", "words", "text", "vector", "code")
SEVERAL = ("queries", "texts", "vectors", "codes")


def hits(name: str, measure: str, values: Any, ids: Any) -> list[dict[str, Any]]:
    """Return the hits of a query from arrays of results; id -1 is skipped."""
    rows = zip(values.tolist(), ids.tolist(), strict=True)
    return [{"id": number, name: value, "measure": measure} for value, number in rows if number >= 0]


def named_options(found: models.Found) -> dict[str, int]:
    """Return the options that a search sets."""
    return {} if found.options is None else {name: value for name, value in found.options if value is not None}
