"""Segments of postings against lists in plain Python: made, merged, cut down."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.kernels import NO_ITEM
from hdc.search.postings import keeping
from hdc.search.postings import searcher as searcher_module
from hdc.search.postings.names import Names, runs
from hdc.search.postings.searcher import PostingRows, Postings, folder_of, followed, together
from hdc.search.postings.segment import Occurrences, Segment, of_items
from hdc.store import Store

# ---------------------------------------------------------------------- names


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), max_size=8))
def test_runs(pairs):
    starts, lengths = (np.array([pair[i] for pair in pairs], np.int64) for i in (0, 1))
    assert runs(starts, lengths).tolist() == [start + i for start, length in pairs for i in range(length)]


TEXTS = st.dictionaries(st.integers(0, 2**64 - 1) | st.integers(0, 9), st.text(max_size=4), max_size=6)


@given(TEXTS, TEXTS)
def test_names(mine, theirs):
    theirs = {number: mine.get(number, text) for number, text in theirs.items()}
    held = Names.of(mine)
    assert len(held) == len(mine)
    assert list(held) == [mine[number] for number in sorted(mine)]
    both = Names.union([held, Names.of(theirs), Names.of({})])
    assert both.hashes.tolist() == sorted(mine | theirs)
    for number in {*mine, *theirs, 0, 2**64 - 1}:
        assert held.text(number) == mine.get(number)
        assert both.text(number) == (mine | theirs).get(number)
    assert (both.starts.dtype, both.hashes.dtype) == (np.int64, np.uint64)


# ---------------------------------------------------------------------- segments

PATHS = (2, 4, 7, 9)
"""Odd ones are inside arrays."""


@st.composite
def documents(draw, most=5):
    """Documents as a list of items (parent, place), leaves (path, item, terms), numbers and a mass."""
    found = []
    for _ in range(draw(st.integers(1, most))):
        items = [(draw(st.none() | st.integers(0, i - 1)) if i else None, draw(st.integers(0, 3)))
                 for i in range(draw(st.integers(0, 3)))]  # fmt: skip
        leaves = []
        for path in draw(st.lists(st.sampled_from(PATHS), max_size=4)):
            if path % 2 and not items:
                continue
            item = draw(st.integers(0, len(items) - 1)) if path % 2 else None
            terms = draw(st.lists(st.sampled_from([1, 2, 3]), min_size=1, max_size=2, unique=True))
            number = draw(st.none() | st.tuples(st.sampled_from([0.25, 0.5, 1.0]), st.sampled_from([-3.0, 8.0])))
            leaves.append((path, item, terms, number))
        found.append((items, leaves, float(draw(st.integers(1, 9)))))
    return found


def segment_of(several, first=0):
    """Make the segment of documents, each occurrence a leaf of its own."""
    item_document, item_parent, item_place, spots, terms, paths, columns, places, values = ([] for _ in range(9))
    for number, (items, leaves, _) in enumerate(several):
        begin = len(item_document)
        for parent, place in items:
            item_document.append(number)
            item_parent.append(NO_ITEM if parent is None else begin + parent)
            item_place.append(place)
        for path, item, own, value in leaves:
            spots.append(number if item is None else begin + item)
            terms.append(own)
            paths.append(path)
            columns.append(0 if value is None else 10 * path + path % 2)
            places.append(0.0 if value is None else value[0])
            values.append(0.0 if value is None else value[1])
    starts = np.cumsum([0, *map(len, terms)])
    flat = np.array([term for own in terms for term in own], np.uint64)
    words, names = {term: f"t{term}" for term in flat.tolist()}, {path: f"p{path}" for path in paths}
    return Segment.of(
        first,
        Occurrences(
            len(several), item_document, item_parent, item_place, np.array(spots, np.int64), np.arange(len(spots)),
            starts, flat, np.array(paths, np.uint64), np.array(columns, np.uint64), np.array(places, float),
            np.array(values, float), np.array([mass for *_, mass in several]), words, names,
        ),
    )  # fmt: skip


def told(segment):
    """Return all that a segment says, but for lists of which nothing is left, as plain values."""
    arrays = segment.arrays
    lists = {}
    for term, path, (start, stop) in zip(arrays.terms, arrays.paths, pairwise(arrays.starts), strict=True):
        if stop > start:
            lists[int(term), int(path)] = arrays.postings[start:stop].tolist()
    columns = {}
    bounds = zip(
        segment.arrays.columns, segment.arrays.column_starts[:-1], segment.arrays.column_starts[1:], strict=True
    )
    for column, start, stop in bounds:
        own = slice(start, stop)
        held = arrays.number_spot[own], arrays.number_place[own], arrays.number_value[own]
        columns[int(column)] = sorted(zip(*(part.tolist() for part in held), strict=True))
        assert (np.diff(held[1]) >= 0).all()
        order = arrays.number_order[own] - start
        assert held[0][order].tolist() == sorted(held[0].tolist())
    rest = (arrays.item_start, arrays.item_document, arrays.item_parent, arrays.item_place, arrays.masses)
    return (segment.first, segment.stop, lists, columns, *(part.tolist() for part in rest))


def expected(several, first):
    """Return the same of documents, worked out one by one."""
    lists, columns, start, parents, places = {}, {}, [0], [], []
    for number, (items, leaves, _) in enumerate(several):
        begin = start[-1]
        start.append(begin + len(items))
        parents += [NO_ITEM if parent is None else begin + parent for parent, _ in items]
        places += [place for _, place in items]
        for path, item, terms, value in leaves:
            spot = number if item is None else begin + item
            for term in terms:
                lists.setdefault((term, path), set()).add(spot)
            if value is not None:
                columns.setdefault(10 * path + path % 2, []).append((spot, *value))
    of_items = [number for number, (items, *_) in enumerate(several) for _ in items]
    return (
        first, first + len(several),
        {key: sorted(spots) for key, spots in lists.items()}, {key: sorted(held) for key, held in columns.items()},
        start, of_items, parents, places, [mass for *_, mass in several],
    )  # fmt: skip


@settings(max_examples=60)
@given(documents())
def test_a_segment_says_what_documents_hold(several):
    segment = segment_of(several, 3)
    assert told(segment) == expected(several, 3)
    _, _, lists, columns, _, owners, *_ = expected(several, 3)
    asked = [(term, path) for term in range(5) for path in (*PATHS, 1, 5)]
    begins, ends = segment.lists(*(np.array(part, np.uint64) for part in zip(*asked, strict=True)))
    for pair, begin, end in zip(asked, begins, ends, strict=True):
        assert segment.arrays.postings[begin:end].tolist() == lists.get(pair, [])
    for term in range(5):
        have = {owners[spot] if path % 2 else spot for (own, path), spots in lists.items() if own == term
                for spot in spots}  # fmt: skip
        assert segment.union(segment.anywhere([term])).tolist() == sorted(have)
    for column in (0, 20, 40, 71, 91, 99):
        begin, end = segment.column(column)
        assert end - begin == len(columns.get(column, []))
    assert of_items(np.array(PATHS, np.uint64)).tolist() == [False, False, True, True]


@pytest.mark.slow
@settings(max_examples=60)
@given(documents(), documents(), documents(2), st.integers(0, 3))
def test_merged_segments_are_the_segment_of_all(one, two, three, first):
    parts, position = [], first
    for several in (one, two, three):
        parts.append(segment_of(several, position))
        position = parts[-1].stop
    merged = Segment.merged(parts)
    assert told(merged) == expected(one + two + three, first)
    assert set(merged.words) == {word for part in parts for word in part.words}
    assert set(merged.names) == {name for part in parts for name in part.names}
    assert Segment.merged(parts[:1]) is parts[0]


@settings(max_examples=60)
@given(documents(), st.data())
def test_what_is_kept_of_a_segment_is_the_segment_of_these(several, data):
    keep = data.draw(st.lists(st.booleans(), min_size=len(several), max_size=len(several)).filter(any))
    kept = segment_of(several, 5).kept(2, np.array(keep))
    left = [document for document, own in zip(several, keep, strict=True) if own]
    assert told(kept) == expected(left, 2)


def test_segments_are_merged_with_smaller_and_equal_ones(monkeypatch):
    monkeypatch.setattr(searcher_module, "LARGEST", 12)
    monkeypatch.setattr(searcher_module, "SMALL", 0)
    document = ([], [(2, None, [1], None)], 1.0)

    def sizes(*lengths):
        parts, position = [], 0
        for length in lengths:
            parts.append(segment_of([document] * length, position))
            position += length
        done = together(parts)
        assert [part.first for part in done] == np.cumsum([0, *map(len, done)])[:-1].tolist()
        return [*map(len, done)]

    assert sizes(2, 1) == [3]
    assert sizes(3, 1) == [3, 1]
    assert sizes(5, 2, 1) == [8]
    assert sizes(8, 4) == [12]
    assert sizes(8, 5) == [8, 5]
    assert sizes(1, 1, 1, 1, 9) == [3, 10]
    monkeypatch.setattr(searcher_module, "SMALL", 4)
    assert sizes(3, 1) == [4]
    assert sizes(4, 1, 5) == [10]
    assert sizes(5, 1) == [5, 1]


# ---------------------------------------------------------------------- the searcher

LEAVES = [([], [(2, None, [number % 3 + 1], None)], 1.0 + number) for number in range(6)]


def stored(documents, path=None):
    store = Store.create(path, "thing", {"codes": ("u1", 1)})
    store.append({"codes": np.zeros((len(documents), 1), np.uint8)}, documents=documents)
    return store


def test_what_was_added_is_not_taken_apart():
    store, apart = stored([b"{}"] * 6), []

    def read(snapshot, start, stop):
        apart.append((start, stop))
        return segment_of(LEAVES[start:stop], start)

    for added, expected_apart in (([(0, 2), (2, 3), (3, 6)], []), ([(0, 2), (3, 6)], [(0, 3)]), ([(4, 6)], [(0, 4)])):
        postings = Postings(None, read)
        for start, stop in added:
            postings.add(store.snapshot, segment_of(LEAVES[start:stop], start))
        rows = postings.prepared(store.snapshot, None)
        assert apart == expected_apart
        assert told(Segment.merged(rows.segments)) == expected(LEAVES, 0)
        apart.clear()


def test_what_was_prepared_follows_a_compaction_to_the_same_documents():
    texts = [b"%d" % number for number in range(6)]
    store = stored(texts)
    store.remove([1])
    before = PostingRows(store.snapshot, (segment_of(LEAVES[:4], 0), segment_of(LEAVES[4:], 4)), None)
    store.remove([2])
    store.compact()
    left = [LEAVES[number] for number in (0, 3, 4, 5)]
    assert told(Segment.merged(followed(before, store.snapshot).segments)) == expected(left, 0)
    for number in (0, 3, 5):
        other = stored([b"other" if at == number else text for at, text in enumerate(texts)])
        other.remove([1, 2])
        other.compact()
        assert followed(before, other.snapshot) is None


def test_one_document_may_be_kept(tmp_path):
    with stored([b"{}"], tmp_path / "s") as store:
        path = keeping.save(segment_of(LEAVES[:1]), store.snapshot, folder_of(store.snapshot))
        assert told(keeping.load(store.snapshot, 0, path.parent)) == expected(LEAVES[:1], 0)
