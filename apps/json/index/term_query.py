"""Compile a query for posting segments: lists with weights, in groups that are items of arrays."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hdc.apps.json.document.rules import Mode, resolved
from hdc.apps.json.document.structure import ARRAY
from hdc.apps.json.index.leaf_lists import COLUMN, LeafLists, Place, Places
from hdc.apps.json.index.likening import Likened
from hdc.apps.json.values.numbers import CELLS
from hdc.distinct import distinct
from hdc.errors import ParameterError
from hdc.kernels import POSTING_GROUP, POSTING_LIST, PostingQuery
from hdc.search.postings.segment import Segment

WHOLE = 1 << 30
"""Approximate integer weight of a whole query."""

MODES: dict[Mode, int] = {"bag": 0, "sequence": 1, "soft": 2, "both": 3}

NO_EXTRA = np.empty(0, np.uint32)
NO_STARTS = np.zeros(1, np.int64)


class _Group(NamedTuple):
    """An item of an array, or the document; see :data:`hdc.kernels.POSTING_GROUP`."""

    depth: int
    mode: int
    position: int
    leaves: list[LeafLists]


class TermQuery:
    """A query compiled for posting segments.

    Parameters
    ----------
    query : JSON value
    places : Places
    overlap : bool
        Whether content of a document beyond the query lowers its score.

    Attributes
    ----------
    asked : float
        Its weight.
    unit, mass_unit : float
        What makes integers of weights, and of those of documents.
    known : bool
        Whether documents have something at each path.

    Raises
    ------
    ParameterError
        If the query is not JSON, or asks for nothing that weighs anything.
    """

    def __init__(self, query: Any, places: Places, overlap: bool = False) -> None:
        self._places, self._overlap = places, overlap
        self.asked, self.known = 0.0, True
        self._groups: list[_Group] = []
        leaves: list[LeafLists] = []
        self._add(query, places.begin(), 0, leaves)
        self._groups.append(_Group(0, 0, 0, leaves))
        if self.asked:
            self.unit = WHOLE / self.asked

    def check(self) -> "TermQuery":
        """Return the query; raise ParameterError if nothing in it weighs anything."""
        if not self.asked:
            raise ParameterError("the query asks for nothing that weighs anything: all its paths have weight 0")
        return self

    def _add(self, query: Any, place: Place, depth: int, leaves: list[LeafLists]) -> None:
        if isinstance(query, dict) and query:
            keys = place.keys
            for key, item in query.items():
                child = keys.get(key) or self._places.key(place, key)
                kind = type(item)
                if kind is str or kind is int:
                    leaf = child.leaves.get(item) or self._places.leaf(child, item)
                    self.known = self.known and child.known
                    self.asked += leaf.asked
                    leaves.append(leaf)
                else:
                    self._add(item, child, depth, leaves)
        elif isinstance(query, ARRAY) and query:
            mode = resolved(place.mode, query)
            for number, item in enumerate(query):
                own: list[LeafLists] = []
                self._add(item, self._places.item(place, number if mode == "sequence" else None), depth + 1, own)
                self._groups.append(_Group(depth + 1, MODES[mode], number, own))
        else:
            leaf = self._places.leaf(place, query)
            self.known = self.known and place.known
            self.asked += leaf.asked
            leaves.append(leaf)

    @property
    def likened(self) -> list[Likened]:
        """Strings to compare by the string encoder."""
        return [leaf.likened for group in self._groups for leaf in group.leaves if leaf.likened is not None]

    def columns(self) -> list[int]:
        """Return the hashes of the columns of numbers that are asked for."""
        records = np.frombuffer(
            b"".join([leaf.records for group in self._groups for leaf in group.leaves]), POSTING_LIST
        )
        numbers: list[int] = records["hash"][records["kind"] == COLUMN].tolist()
        return numbers

    def of(self, segments: Sequence[Segment]) -> PostingQuery:
        """Return what segments are asked."""
        records, groups, others, count = list[bytes](), list[int](), list[tuple[int, int, tuple[int, ...]]](), 0
        for depth, mode, position, leaves in self._groups:
            for leaf in leaves:
                records.append(leaf.records)
                if leaf.others:
                    others += [(count + at, path, terms) for at, path, terms in leaf.others]
                count += leaf.lists
            groups += (count, depth, mode, position)
        lists = np.frombuffer(bytearray().join(records), POSTING_LIST)
        extra, starts = NO_EXTRA, NO_STARTS
        if others:
            lists["hash"][[at for at, _, _ in others]] = np.arange(len(others))
            found = [_joined(segment, path, terms) for segment in segments for _, path, terms in others]
            extra = np.concatenate([NO_EXTRA, *found])
            starts = np.cumsum([0, *map(len, found)], dtype=np.int64)
        return PostingQuery(
            lists,
            np.array(groups, np.int64).view(POSTING_GROUP),
            extra,
            starts,
            CELLS,
            self._overlap,
            self.asked,
            self.unit,
            self.unit * (1 - count / WHOLE),  # an equal document has nothing beyond it, up to rounding
        )


def _joined(segment: Segment, path: int, terms: Sequence[int]) -> npt.NDArray[np.uint32]:
    """Return the spots of any of several terms."""
    bounds = zip(*segment.lists(np.array(terms, np.uint64), np.full(len(terms), path, np.uint64)), strict=True)
    return distinct(np.concatenate([segment.arrays.postings[start:stop] for start, stop in bounds]))
