"""Records of searches by posting lists, in the form that kernels read: queries, lists and scanned units."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]
Marks = npt.NDArray[np.uint32]
Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]
TERM, EXTRA, NUMBER = 0, 1, 2
"""Location of a list: in the segment, in the query, or in a column of numbers."""

KIND, HASH, PATH, WITHIN, COUNTED, WEIGHT, PLACE, VALUE, EXACT, WIDTHS = range(10)
"""Words of a :data:`hdc.kernels.POSTING_LIST` record, which has ``FIELDS`` words."""

FIELDS, SCALES = 12, 3

BEHIND, DEPTH, MODE, POSITION, GROUP_FIELDS = range(5)
"""Words of a :data:`hdc.kernels.POSTING_GROUP` record."""

FLAT, SPREAD, ITEMS, RUN = range(4)
"""Kinds of scanned units: a list of documents, a list of items, lists of one item, or equally near numbers."""


class Segment(NamedTuple):
    """The arrays of a segment; kernels unpack those that they read in loops."""

    postings: Marks
    item_start: Ints
    item_document: Marks
    item_parent: Marks
    item_place: Marks
    number_spot: Marks
    number_place: Doubles
    number_value: Doubles
    number_order: Marks
    masses: Doubles
    terms: Hashes
    paths: Hashes
    starts: Ints
    columns: Hashes
    column_starts: Ints


class Asked(NamedTuple):
    """What a query asks of a segment.

    Attributes
    ----------
    lists : (l, 7) int64 array
        Lists that the segment contains, the greatest of each group first; see ``L_KIND`` and the following.
    first : (g + 1,) int64 array
        Offset of the lists of each group.
    """

    floats: Doubles
    groups: Ints
    lists: Ints
    first: Ints
    extra: Marks
    cells: int
    overlap: bool
    whole: float
    mass_unit: float
    rank: Ints
    base: int


L_KIND, L_START, L_STOP, L_WEIGHT, L_NESTED, L_ROW, L_CORE, L_FIELDS = range(8)
"""Fields of a list: kind, start, stop, weight, whether of items, record, and whether it is added item by item."""


U_KIND, U_BOUND, U_FALL, U_START, U_STOP, U_AT, U_SURE, U_FIELDS = range(8)
"""Fields of a unit: kind, the most it adds, the fall of the remaining bound after it, start, stop, its list, and
whether documents have at least what it adds to them."""


class Room(NamedTuple):
    """Arrays that a search writes to."""

    bounds: Ints
    most: Ints
    known: Bytes
    touched: Marks
    sums: Ints
    item_sums: Ints
    item_best: Ints
    marks: Marks
    scores: Doubles
    found: Ints
    greatest: Doubles
    keys: Ints
