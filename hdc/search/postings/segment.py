"""Segments: the contents of adjacent documents as posting lists; merging segments creates a new one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hdc.distinct import distinct, firsts
from hdc.kernels import NO_ITEM, PostingSegment
from hdc.search.postings.names import Hashes, Ints, Names, runs
from hdc.search.postings.vectors import NONE, TermVectors

Doubles = npt.NDArray[np.float64]
Marks = npt.NDArray[np.uint32]

MARKED = 8
"""Documents per posting from which on sorting postings is faster than marking documents."""


@dataclass(frozen=True, eq=False)
class Occurrences:
    """Contents of some documents: leaves, each at a spot.

    Attributes
    ----------
    documents : int
    item_document, item_parent, item_place : (items,) arrays
        As :class:`hdc.kernels.PostingSegment`; items in order of documents.
    spots, leaves : (n,) int64 arrays
        Spot and leaf number of each occurrence.
    starts : (leaves + 1,) int64 array
        Offset of the terms of each leaf.
    terms : (t,) uint64 array
    paths : (leaves,) uint64 array
    columns : (leaves,) uint64 array
        Column of each numeric leaf; 0 for others.
    places, values : (leaves,) float64 arrays
        Places and values of numbers.
    masses : (documents,) float64 array
    words, names : mapping of hashes to str
        Words among the terms, and paths.
    vectors : TermVectors
        Vectors of the terms that have one.
    """

    documents: int
    item_document: npt.ArrayLike
    item_parent: npt.ArrayLike
    item_place: npt.ArrayLike
    spots: Ints
    leaves: Ints
    starts: Ints
    terms: Hashes
    paths: Hashes
    columns: Hashes
    places: Doubles
    values: Doubles
    masses: Doubles
    words: Mapping[int, str]
    names: Mapping[int, str]
    vectors: TermVectors = NONE


@dataclass(frozen=True, eq=False)
class Segment:
    """Contents of some adjacent documents, as posting lists.

    Attributes
    ----------
    first : int
        Position of the first document.
    arrays : PostingSegment
        Arrays that kernels read.
    words, names : Names
        Words among the terms, and paths.
    vectors : TermVectors
        Vectors of the terms that have one.
    """

    first: int
    arrays: PostingSegment
    words: Names
    names: Names
    vectors: TermVectors = NONE

    def __post_init__(self) -> None:
        """Make the arrays read-only, contiguous and plain, so that kernels compile for one form."""
        plain = [np.ascontiguousarray(array).view(np.ndarray) for array in self.arrays]
        for array in plain:
            array.flags.writeable = False
        object.__setattr__(self, "arrays", PostingSegment(*plain))

    def __len__(self) -> int:
        return len(self.arrays.item_start) - 1

    @property
    def stop(self) -> int:
        """Position after the last document."""
        return self.first + len(self)

    # ------------------------------------------------------------------ looking up

    def lists(self, terms: Hashes, paths: Hashes) -> tuple[list[int], list[int]]:
        """Return the starts and stops of the lists of terms at paths; both are 0 for an unknown list."""
        arrays = self.arrays
        low = np.searchsorted(arrays.terms, terms, "left").tolist()
        high = np.searchsorted(arrays.terms, terms, "right").tolist()
        starts, stops = [0] * len(low), [0] * len(low)
        for i, (begin, end) in enumerate(zip(low, high, strict=True)):
            if begin < end:
                at = begin
                if end - begin > 1:
                    at += int(np.searchsorted(arrays.paths[begin:end], paths[i]))
                if at < end and arrays.paths[at] == paths[i]:
                    starts[i], stops[i] = int(arrays.starts[at]), int(arrays.starts[at + 1])
        return starts, stops

    def has(self, term: int, path: int) -> bool:
        """Return whether a term occurs at a path; for a single one, faster than :meth:`lists`."""
        arrays = self.arrays
        low = int(arrays.terms.searchsorted(np.uint64(term)))
        high = low + int(arrays.terms[low:].searchsorted(np.uint64(term), "right"))
        at = low + int(arrays.paths[low:high].searchsorted(np.uint64(path)))
        return at < high and int(arrays.paths[at]) == path and bool(arrays.starts[at] < arrays.starts[at + 1])

    def anywhere(self, terms: Iterable[int], paths: Hashes | None = None) -> list[Marks]:
        """Return the documents with any of some terms, list by list: at every path, or at some paths only."""
        arrays, found = self.arrays, []
        for term in terms:
            low, high = (int(np.searchsorted(arrays.terms, np.uint64(term), side)) for side in ("left", "right"))
            lists = np.arange(low, high)
            for at in (lists if paths is None else lists[np.isin(arrays.paths[low:high], paths)]).tolist():
                spots = arrays.postings[arrays.starts[at] : arrays.starts[at + 1]]
                found.append(arrays.item_document[spots] if int(arrays.paths[at]) & 1 else spots)
        return found

    def union(self, lists: Sequence[Marks]) -> Marks:
        """Return the documents that are in any of some lists, ascending."""
        every = np.concatenate([np.empty(0, np.uint32), *lists])
        if len(every) * MARKED < len(self):
            return distinct(every)
        there = np.zeros(len(self), bool)
        there[every] = True
        return np.flatnonzero(there).astype(np.uint32)

    def column(self, column: int) -> tuple[int, int]:
        """Return where a column of numbers starts and stops."""
        columns, starts = self.arrays.columns, self.arrays.column_starts
        at = int(np.searchsorted(columns, np.uint64(column)))
        if at == len(columns) or int(columns[at]) != column:
            return 0, 0
        return int(starts[at]), int(starts[at + 1])

    # ------------------------------------------------------------------ making

    @classmethod
    def of(cls, first: int, found: Occurrences) -> Self:
        """Build the segment of documents; ``first`` is the position of the first one."""
        counts = np.diff(found.starts)[found.leaves]
        terms, paths, numbers = _numbered(found.terms, np.repeat(found.paths, np.diff(found.starts)))
        held = numbers[runs(found.starts[found.leaves], counts)]
        keys = held.astype(np.uint64) << np.uint64(32) | np.repeat(found.spots, counts).astype(np.uint64)
        keys.sort()  # in place: there are as many keys as postings
        keys = keys[firsts(keys)]
        starts = np.searchsorted(keys, np.arange(len(terms) + 1, dtype=np.uint64) << np.uint64(32)).astype(np.int64)
        item_document = np.asarray(found.item_document, np.uint32)
        item_start = np.searchsorted(item_document, np.arange(found.documents + 1)).astype(np.int64)
        is_number = found.columns[found.leaves] > 0
        leaves = found.leaves[is_number]
        columns, column_starts, numbers_of = _columns(
            found.columns[leaves], found.spots[is_number], found.places[leaves], found.values[leaves]
        )
        arrays = PostingSegment(
            (keys & np.uint64(0xFFFFFFFF)).astype(np.uint32),
            item_start,
            item_document,
            np.asarray(found.item_parent, np.uint32),
            np.asarray(found.item_place, np.uint32),
            *numbers_of,
            np.asarray(found.masses, np.float64),
            terms,
            paths,
            starts,
            columns,
            column_starts,
        )
        return cls(first, arrays, Names.of(found.words), Names.of(found.names), found.vectors)

    @classmethod
    def merged(cls, several: Sequence[Self]) -> Self:
        """Merge several consecutive segments into one."""
        if len(several) == 1:
            return several[0]
        held = [segment.arrays for segment in several]
        documents = np.cumsum([0, *map(len, several)])[:-1]
        items = np.cumsum([0, *(len(arrays.item_document) for arrays in held)])[:-1]
        terms, paths, numbers = _numbered(
            np.concatenate([arrays.terms for arrays in held]), np.concatenate([arrays.paths for arrays in held])
        )
        lengths = np.concatenate([np.diff(arrays.starts) for arrays in held])
        starts = np.concatenate([[0], np.cumsum(np.bincount(numbers, lengths, len(terms)))]).astype(np.int64)
        order = np.argsort(numbers, kind="stable")
        begins = np.empty(len(numbers), np.int64)
        begins[order] = np.concatenate([[0], np.cumsum(lengths[order])])[: len(order)]
        postings = np.empty(int(starts[-1]), np.uint32)
        done = 0
        for arrays, document, item in zip(held, documents.tolist(), items.tolist(), strict=True):
            own = np.diff(arrays.starts)
            shift = np.where(of_items(arrays.paths), item, document).astype(np.uint32)
            places = runs(begins[done : done + len(own)], own)
            postings[places] = arrays.postings + np.repeat(shift, own)
            done += len(own)
        owners = [np.repeat(arrays.columns, np.diff(arrays.column_starts)) for arrays in held]
        spots = [
            arrays.number_spot.astype(np.int64) + np.where(of_items(own), item, document)
            for arrays, own, item, document in zip(held, owners, items, documents, strict=True)
        ]
        columns, column_starts, numbers_of = _columns(
            np.concatenate(owners),
            np.concatenate(spots),
            np.concatenate([arrays.number_place for arrays in held]),
            np.concatenate([arrays.number_value for arrays in held]),
        )
        whole = PostingSegment(
            postings,
            np.concatenate([[0], *(a.item_start[1:] + i for a, i in zip(held, items.tolist(), strict=True))]),
            _shifted([arrays.item_document for arrays in held], documents),
            _shifted([arrays.item_parent for arrays in held], items),
            np.concatenate([arrays.item_place for arrays in held]),
            *numbers_of,
            np.concatenate([arrays.masses for arrays in held]),
            terms,
            paths,
            starts,
            columns,
            column_starts,
        )
        words, names = (Names.union([getattr(segment, of) for segment in several]) for of in ("words", "names"))
        vectors = TermVectors.union([segment.vectors for segment in several])
        return cls(several[0].first, whole, words, names, vectors)

    def kept(self, first: int, keep: npt.NDArray[np.bool_]) -> Self:
        """Return the segment of the documents that ``keep``, ``(n,)`` bool, selects; ``first`` is its new position.

        Words, paths, vectors and lists stay even if they become empty.
        """
        arrays = self.arrays
        item_kept = keep[arrays.item_document]
        document, item = np.cumsum(keep) - 1, np.cumsum(item_kept) - 1
        nested = np.repeat(of_items(arrays.paths), np.diff(arrays.starts))
        spots = arrays.postings
        there = np.where(nested, _taken(item_kept, spots, nested), _taken(keep, spots, ~nested)).astype(bool)
        moved = np.where(nested, _taken(item, spots, nested), _taken(document, spots, ~nested))[there]
        starts = np.concatenate([[0], np.cumsum(there)])[arrays.starts]
        owners = np.repeat(arrays.columns, np.diff(arrays.column_starts))
        inside, number_spot = of_items(owners), arrays.number_spot
        held = np.where(inside, _taken(item_kept, number_spot, inside), _taken(keep, number_spot, ~inside)) > 0
        number = np.where(inside, _taken(item, number_spot, inside), _taken(document, number_spot, ~inside))
        columns, column_starts, numbers_of = _columns(
            owners[held], number[held], arrays.number_place[held], arrays.number_value[held]
        )
        parents = arrays.item_parent[item_kept]
        top = parents == NO_ITEM
        parents = np.where(top, NO_ITEM, item[np.where(top, 0, parents)] if len(item) else 0).astype(np.uint32)
        whole = PostingSegment(
            moved.astype(np.uint32),
            np.concatenate([[0], np.cumsum(np.diff(arrays.item_start)[keep])]).astype(np.int64),
            document[arrays.item_document[item_kept]].astype(np.uint32),
            parents,
            arrays.item_place[item_kept],
            *numbers_of,
            arrays.masses[keep],
            arrays.terms,
            arrays.paths,
            starts,
            columns,
            column_starts,
        )
        return type(self)(first, whole, self.words, self.names, self.vectors)


def of_items(hashes: Hashes) -> npt.NDArray[np.bool_]:
    """Return which hashes of paths or columns lie inside an array of a document: the odd ones."""
    return (hashes & np.uint64(1)).astype(bool)


def _taken(array: npt.NDArray[Any], spots: Marks, mine: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Return an array's values at its own spots; values at other spots are arbitrary."""
    return array[np.where(mine, spots, 0)] if len(array) else np.zeros(len(spots), np.int64)


def _shifted(parts: Sequence[Marks], shifts: Ints) -> Marks:
    moved = [
        np.where(part == NO_ITEM, NO_ITEM, part + np.uint32(shift)) for part, shift in zip(parts, shifts, strict=True)
    ]
    return np.concatenate(moved).astype(np.uint32)


def _numbered(terms: Hashes, paths: Hashes) -> tuple[Hashes, Hashes, Ints]:
    """Return the distinct pairs in order, and the number of each given pair."""
    order = np.lexsort((paths, terms))
    terms, paths = terms[order], paths[order]
    new = firsts(terms, paths)
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.cumsum(new) - 1
    return terms[new], paths[new], numbers


def _columns(
    columns: Hashes, spots: npt.NDArray[Any], places: Doubles, values: Doubles
) -> tuple[Hashes, Ints, tuple[Marks, Doubles, Doubles, Marks]]:
    """Return the distinct columns of numbers, their starts and their contents; see :class:`PostingSegment`."""
    order = np.lexsort((spots, places, columns))
    columns, spots = columns[order], spots[order].astype(np.uint32)
    by_spot = np.lexsort((spots, columns)).astype(np.uint32)
    distinct, starts = np.unique(columns, return_index=True)
    bounds = np.concatenate([starts, [len(columns)]]).astype(np.int64)
    return distinct, bounds, (spots, places[order], values[order], by_spot)
