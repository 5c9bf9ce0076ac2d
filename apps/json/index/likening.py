"""Strings similar to a query's string by a string encoder: a column of numbers built for one search."""

from collections.abc import Iterable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from hdc.apps.json.values.parts import term_hash
from hdc.apps.json.values.values import Values
from hdc.errors import ParameterError
from hdc.kernels import PostingSegment
from hdc.search.measures import Floats
from hdc.search.postings.names import Ints, runs
from hdc.search.postings.searcher import PostingRows
from hdc.search.postings.segment import Doubles, Marks, Segment

LEAST = 1e-12
"""Cosine below which two strings count as unlike."""


class Likened(NamedTuple):
    """A string that is asked for.

    Attributes
    ----------
    column : int
        The hash that its column goes by, odd where the path leads into an array.
    path : int
        Hash of the path where strings are to be like it.
    text : str
    """

    column: int
    path: int
    text: str


def likened_at(path: int, text: str) -> Likened:
    """Return a string that is asked for at the path of a hash."""
    return Likened(term_hash("encoder", f"{path}\0{text}") & ~1 | path & 1, path, text)


def with_likenesses(rows: PostingRows, asked: Iterable[Likened], columns: Iterable[int], values: Values) -> PostingRows:
    """Return rows as one query needs them.

    Parameters
    ----------
    rows : PostingRows
    asked : iterable of Likened
    columns : iterable of int
        Hashes of the columns that the query needs; others are dropped.
    values : Values
        Those that have the string encoder.
    """
    strings = {like.column: like for like in asked}
    vectors = dict(zip(strings, values.embedded([like.text for like in strings.values()]), strict=True))
    kept = sorted({*columns, *strings})
    segments = []
    for segment in rows.segments:
        made = [
            _likenesses(rows, segment, strings[column], vectors[column])
            if column in strings
            else _column(segment, column)
            for column in kept
        ]
        segments.append(replace(segment, arrays=_with_columns(segment.arrays, kept, made)))
    return replace(rows, segments=tuple(segments))


def check_width(held: int, given: int) -> None:
    """Raise ParameterError for vectors of another length than an index has, if it has any."""
    if held not in (0, given):
        raise ParameterError(
            f"string_encoder returned {given} columns, and {held} when the index was made; open it with the encoder "
            "that made it"
        )


class _Column(NamedTuple):
    """Numbers by place, equal ones by spot, and the order of places by spots."""

    spots: Marks
    places: Doubles
    values: Doubles
    order: Ints


def _column(segment: Segment, column: int) -> _Column:
    start, stop = segment.column(column)
    arrays, own = segment.arrays, slice(start, stop)
    order = arrays.number_order[own].astype(np.int64) - start
    return _Column(arrays.number_spot[own], arrays.number_place[own], arrays.number_value[own], order)


def _likenesses(rows: PostingRows, segment: Segment, like: Likened, vector: Floats) -> _Column:
    """Return a column in which a string is ``sqrt(-2 ln cosine)`` away from the query's string, which is at 0.

    A smooth number at that distance gets ``exp(-distance² / 2)`` of the weight: the cosine.
    """
    arrays = segment.arrays
    lists, held = _strings_at(rows, segment, like.path)
    check_width(segment.vectors.width, len(vector))
    known = segment.vectors.vectors[held] if len(held) else np.empty((0, len(vector)), np.float32)
    cosines = (known @ vector).astype(np.float64)
    cosines[arrays.terms[lists] == np.uint64(term_hash("=", like.text))] = 1.0
    near = np.flatnonzero(cosines > LEAST)
    near = near[np.argsort(-cosines[near], kind="stable")]
    places = np.sqrt(-2 * np.log(np.minimum(1.0, cosines[near])))
    starts, stops = arrays.starts[lists[near]], arrays.starts[lists[near] + 1]
    spots = arrays.postings[runs(starts, stops - starts)]
    spread = np.repeat(places, stops - starts)
    return _Column(spots, spread, np.zeros(len(spots)), np.argsort(spots))


def _strings_at(rows: PostingRows, segment: Segment, path: int) -> tuple[Ints, Ints]:
    """Return the lists of whole strings at a path that have a vector, and their rows of vectors."""
    remembered: dict[tuple[int, int], tuple[Ints, Ints]] = rows.memo.setdefault("strings", {})
    known = remembered.get((segment.first, path))
    if known is None:
        lists = np.flatnonzero(segment.arrays.paths == np.uint64(path))
        held = segment.vectors.places(segment.arrays.terms[lists])
        known = remembered[segment.first, path] = lists[held >= 0], held[held >= 0]
    return known


def _with_columns(arrays: PostingSegment, hashes: list[int], columns: list[_Column]) -> PostingSegment:
    """Return a segment with only these columns of numbers, whose hashes ascend."""
    starts = np.cumsum([0, *(len(column.spots) for column in columns)], dtype=np.int64)
    orders = [column.order + start for column, start in zip(columns, starts.tolist(), strict=False)]
    return arrays._replace(
        number_spot=np.concatenate([column.spots for column in columns]).astype(np.uint32),
        number_place=np.concatenate([column.places for column in columns]),
        number_value=np.concatenate([column.values for column in columns]),
        number_order=np.concatenate(orders).astype(np.uint32),
        columns=np.array(hashes, np.uint64),
        column_starts=starts,
    )
