"""Indexes under check: how one is made, changed and searched, and what it should hold."""

import contextlib
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hdc.search.index import Index

Found = list[tuple[float, int]]
"""What a search found: scores or distances, and ids, best first."""

Held = dict[int, tuple[int, str | None]]
"""What an index should hold: id to the number of the row, and its key."""

ROWS = 48
"""Rows are numbered below this."""


class IndexCase(ABC):
    """An index to be checked: how it is made, changed and searched, and what a search must find.

    Rows have numbers from 0 to ``ROWS - 1``; the case makes a row of each, always the same one. Some should be equal
    and some near to one another, because the order of equal scores is checked too.

    Attributes
    ----------
    name : str
        Named in errors.
    greatest : bool
        Whether the best score is the greatest (a similarity) rather than the least (a distance).
    recall : float
        1 if a search finds the best rows; else the part of them that it finds on average, at least.
    tolerance : float
        What a score may differ by from :meth:`score`.
    positive : bool
        Whether a search leaves out rows whose score is not above 0.
    keyless : bool
        Whether rows may be without a key.
    chooses : bool
        Whether :meth:`search` can be restricted to some ids.
    updates : bool
        Whether the index has ``update``.
    """

    name: str
    greatest: bool = False
    recall: float = 1.0
    tolerance: float = 0.0
    positive: bool = False
    keyless: bool = True
    chooses: bool = True
    updates: bool = True

    @abstractmethod
    def create(self, path: Path | None) -> Index:
        """Make an index of no rows, to which rows can be added, in a new folder, or in memory if there is no path."""

    @abstractmethod
    def open(self, path: Path, *, writable: bool = False) -> Index:
        """Open the index of a folder."""

    @abstractmethod
    def add(self, index: Any, numbers: Sequence[int], keys: Sequence[str] | None) -> Sequence[int]:
        """Add rows; return their ids. ``keys`` is None only if the case is ``keyless``."""

    @abstractmethod
    def put(self, index: Any, numbers: Sequence[int], keys: Sequence[str]) -> Sequence[int]:
        """Add rows or replace those of the same keys, which all differ; return their ids."""

    def update(self, index: Any, ids: Sequence[int], numbers: Sequence[int], keys: Sequence[str | None]) -> None:
        """Replace the rows of ids, which keep their keys; these are given for rows that contain them."""
        raise NotImplementedError

    @abstractmethod
    def search(self, index: Any, number: int, k: int, among: Sequence[int] | None) -> Found:
        """Return what is found for the row of a number, as thoroughly as the index can, among all rows or some ids."""

    @abstractmethod
    def score(self, query: int, row: int) -> float:
        """Return the score or distance of two rows, by other means than the index."""

    def document(self, number: int, key: str | None) -> Any:
        """Return the document that ``index.documents`` returns for a row."""
        return None


class Place:
    """A case in memory or in a folder.

    Parameters
    ----------
    case : IndexCase
    path : Path or None
    times : int
        How often to do what depends on chance.
    """

    def __init__(self, case: IndexCase, path: Path | None, times: int) -> None:
        self.case, self.path, self.times = case, path, times

    @property
    def folder(self) -> Path:
        """The folder of a place that has one."""
        assert self.path is not None
        return self.path

    def another(self) -> "Place":
        """Return a place like this one, of its own folder."""
        path = None if self.path is None else self.path.with_name(f"index {next(_NAMES)}")
        return Place(self.case, path, self.times)

    @contextlib.contextmanager
    def pair(self) -> "Iterator[Pair]":
        """Create an index, and close what has become of it."""
        pair = Pair(self.case, self.case.create(self.path))
        try:
            yield pair
        finally:
            pair.index.close()

    def open(self, *, writable: bool = False) -> Index:
        """Open the folder."""
        return self.case.open(self.folder, writable=writable)


class Pair:
    """An index and what it should hold; a change is made in both."""

    def __init__(self, case: IndexCase, index: Index, held: Held | None = None, next_id: int = 0) -> None:
        self.case, self.index, self.held, self.next_id = case, index, dict(held or {}), next_id

    def add(self, numbers: Sequence[int], keys: Sequence[str] | None = None) -> list[int]:
        """Add rows; those of a case that is not keyless get keys of their own."""
        if keys is None and not self.case.keyless:
            keys = [f"own {next(_NAMES)}" for _ in numbers]
        ids = [int(number) for number in self.case.add(self.index, numbers, keys)]
        self._check_new(ids)
        assert len(ids) == len(numbers), f"{len(numbers)} rows were given and {len(ids)} ids returned"
        self._hold(ids, numbers, keys or [None] * len(ids))
        return ids

    def put(self, numbers: Sequence[int], keys: Sequence[str]) -> None:
        """Add or replace rows."""
        known = {key: number for number, (_, key) in self.held.items()}
        ids = [int(number) for number in self.case.put(self.index, numbers, keys)]
        assert len(ids) == len(numbers), f"{len(numbers)} rows were given and {len(ids)} ids returned"
        for number, key in zip(ids, keys, strict=True):
            assert known.get(key, number) == number, f"key {key!r} had id {known.get(key)} and has {number}"
        self._check_new([number for number, key in zip(ids, keys, strict=True) if key not in known])
        self._hold(ids, numbers, keys)

    def _check_new(self, ids: list[int]) -> None:
        least = self.next_id
        assert all(number >= least for number in ids), f"ids {ids} are not new: {least} is the least that was not given"
        assert sorted(set(ids)) == ids, f"ids {ids} do not ascend"

    def _hold(self, ids: Sequence[int], numbers: Sequence[int], keys: Sequence[str | None]) -> None:
        self.held.update(zip(ids, zip(numbers, keys, strict=True), strict=True))
        self.next_id = max([self.next_id, *(number + 1 for number in ids)])

    def update(self, ids: Sequence[int], numbers: Sequence[int]) -> None:
        """Replace rows."""
        keys = [self.held[number][1] for number in ids]
        self.case.update(self.index, ids, numbers, keys)
        self._hold(ids, numbers, keys)

    def remove(self, ids: Sequence[int] = (), keys: Sequence[str] = ()) -> None:
        """Remove rows by id and by key."""
        gone = {*ids, *(number for number, (_, key) in self.held.items() if key in keys)}
        removed = self.index.remove(list(ids), list(keys))
        assert removed == len(gone), f"{len(gone)} rows were to be removed, and {removed} were, it says"
        for number in gone:
            del self.held[number]

    def compact_and_check(self) -> None:
        """Compact the index, which shows in nothing."""
        self.index.compact()
        self.check(range(4))
        self.index.verify()

    def reopen(self, place: Place) -> None:
        """Close the index and open its folder for writing; an index in memory stays."""
        if place.path is not None:
            self.index.close()
            self.index = place.open(writable=True)

    def check(self, queries: Sequence[int] = (), k: int = 5) -> None:
        """Compare everything that the index says, and searches, with what it should hold."""
        check_content(self.case, self.index, self.held)
        for query in queries:
            check_search(self.case, self.index, self.held, query, k)


def check_content(case: IndexCase, index: Index, held: Held) -> None:
    """Compare ids, keys and documents."""
    ids = sorted(held)
    assert len(index) == len(held), f"it says that it has {len(index)} rows, and {len(held)} are in it"
    found = index.ids()
    assert found.dtype == np.int64, f"ids are {found.dtype}, not int64"
    assert found.tolist() == ids, f"its ids are {found.tolist()}, not {ids}"
    keys = [held[number][1] for number in ids]
    assert index.keys(ids) == keys, f"the keys of {ids} are {index.keys(ids)}, not {keys}"
    documents = [case.document(*held[number]) for number in ids]
    read = index.documents(ids)
    assert read == documents, f"the documents of {ids} are {read}, not {documents}"
    for number, key in zip(ids, keys, strict=True):
        if key is not None:
            assert index.find(key) == number, f"key {key!r} is found at {index.find(key)}, not {number}"
    assert index.find("a key that nobody has") is None, "a key that nobody has is found"


def check_search(
    case: IndexCase, index: Index, held: Held, query: int, k: int, among: Sequence[int] | None = None
) -> None:
    """Compare what one search finds."""
    found = case.search(index, query, k, among)
    problem = wrong_with(case, held if among is None else {i: held[i] for i in among}, query, k, found)
    assert not problem, f"search for row {query}, k={k}{'' if among is None else f', among {among}'}: {problem}"


def wrong_with(case: IndexCase, held: Held, query: int, k: int, found: Found) -> str:
    """Say what is wrong with an answer; nothing is "". Of an index that may miss rows, whether it misses is not."""
    sign = -1 if case.greatest else 1
    scores = {number: case.score(query, row) for number, (row, _) in held.items()}
    best = sorted((sign * score, number) for number, score in scores.items() if score > 0 or not case.positive)[:k]
    ids = [number for _, number in found]
    if len(set(ids)) < len(ids) or not held.keys() >= set(ids):
        return f"found ids {ids}, not all of them once and there; there are {sorted(held)}"
    if len(found) > len(best) or (case.recall == 1 and len(found) < len(best)):
        return f"found {len(found)} rows instead of {len(best)}"
    for score, number in found:
        right = case.score(query, held[number][0])
        if not abs(score - right) <= case.tolerance:
            return f"id {number} has score {score}, and {right} is right"
    order = [(sign * score, number) for score, number in found]
    if order != sorted(order):
        return f"found {found}, which is not in the order of scores and then ids"
    if case.recall == 1:
        for (score, number), (right, other) in zip(order, best, strict=True):
            if score > right + case.tolerance or (not case.tolerance and number != other):
                return f"found ids {ids}, and the best are {[number for _, number in best]}"
    return ""


_NAMES = itertools.count()
