"""Records of searches by postings: what queries, lists and scans are made of, as kernels read them."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]
Marks = npt.NDArray[np.uint32]
Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]
TERM, EXTRA, NUMBER = 0, 1, 2
"""Where a list is: in the segment, with the query, or in a column of numbers."""

KIND, HASH, PATH, WITHIN, COUNTED, WEIGHT, PLACE, VALUE, EXACT, WIDTHS = range(10)
"""Words of a record of :data:`hdc.kernels.POSTING_LIST`, which has ``FIELDS``."""

FIELDS, SCALES = 12, 3

BEHIND, DEPTH, MODE, POSITION, GROUP_FIELDS = range(5)
"""Words of a record of :data:`hdc.kernels.POSTING_GROUP`."""

FLAT, SPREAD, ITEMS, RUN = range(4)
"""What is scanned at a time: a list of documents, a list of items, lists of one item, or numbers that are as near."""


class Segment(NamedTuple):
    """The arrays of a segment; functions take out of it what they read in loops."""

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
    """What a segment is asked.

    Attributes
    ----------
    lists : (l, 7) int64 array
        Those that the segment has, the greatest of each group first: see ``L_KIND`` and the following.
    first : (g + 1,) int64 array
        The lists of each group.
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
"""Of a list: its kind, where it is, its weight, whether of items, its record, and whether added up item by item."""


U_KIND, U_BOUND, U_FALL, U_START, U_STOP, U_AT, U_SURE, U_FIELDS = range(8)
"""Of what is scanned at a time: its kind, the most it adds, by how much less the rest then adds, where, of what, and
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
