"""Segments of JSON documents: merged, cut down, kept in files; and which files are taken for what they say."""

import shutil
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc import files
from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.json.index.taking import Taker
from hdc.errors import FileFormatError
from hdc.kernels import NO_ITEM
from hdc.search.postings import keeping, searcher
from hdc.search.postings.searcher import together
from hdc.search.postings.segment import Segment
from hdc.search.postings.vectors import NONE, TermVectors

ENCODER = JSONEncoder(64)
SCALARS = st.sampled_from([None, True, 0, 1, 2.5, -3, 2**60 + 1, "red shoes", "red", "été \ud800", ""])
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=9,
)


def taken(first, documents, encoder=ENCODER):
    return Segment.of(first, Taker(encoder.values, encoder.layout).take(documents))


def same(one, other):
    """Whether two segments have the same lists, of nothing aside."""
    assert (one.first, len(one)) == (other.first, len(other))
    assert lists(one) == lists(other)
    assert columns(one) == columns(other)
    for name in ("item_start", "item_document", "item_parent", "item_place", "masses"):
        mine, theirs = getattr(one.arrays, name), getattr(other.arrays, name)
        assert mine.dtype == theirs.dtype
        assert mine.tolist() == theirs.tolist(), name
    for array in (one.arrays.postings, one.arrays.number_spot, one.arrays.number_order):
        assert array.dtype == np.uint32
    return True


def lists(segment):
    assert len(segment.arrays.starts) == len(segment.arrays.terms) + 1
    pairs = list(zip(segment.arrays.terms.tolist(), segment.arrays.paths.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    held = [segment.arrays.postings[a:b].tolist() for a, b in pairwise(segment.arrays.starts)]
    assert all(spots == sorted(set(spots)) for spots in held)
    return {pair: spots for pair, spots in zip(pairs, held, strict=True) if spots}


def columns(segment):
    assert segment.arrays.columns.tolist() == sorted(set(segment.arrays.columns.tolist()))
    found, arrays = {}, segment.arrays
    for column in segment.arrays.columns.tolist():
        part = slice(*segment.column(column))
        rows = [arrays.number_spot[part], arrays.number_place[part], arrays.number_value[part].astype(str)]
        found[column] = list(zip(*(row.tolist() for row in rows), strict=True))
        assert [row[1] for row in found[column]] == sorted(row[1] for row in found[column])
        order = arrays.number_order[part]
        assert sorted(order.tolist()) == list(range(part.start, part.stop))
        assert (np.diff(arrays.number_spot[order].astype(np.int64)) > 0).all()
    return found


def texts(names):
    return dict(zip(names.hashes.tolist(), names, strict=True))


@settings(max_examples=100, deadline=None)
@given(st.lists(DOCUMENTS, min_size=1, max_size=12), st.data())
def test_merged_segments_are_those_of_all_documents(documents, data):
    cuts = sorted(data.draw(st.sets(st.integers(1, len(documents)), max_size=4)) | {0, len(documents)})
    first = data.draw(st.sampled_from([0, 7]))
    parts = [taken(first + a, documents[a:b]) for a, b in pairwise(cuts)]
    merged, whole = Segment.merged(parts), taken(first, documents)
    assert same(merged, whole)
    assert merged.stop == first + len(documents)
    for name in ("words", "names"):
        assert texts(getattr(merged, name)) == texts(getattr(whole, name))
    for (term, path), spots in lists(whole).items():
        starts, stops = merged.lists(np.array([term, 5], np.uint64), np.array([path, 5], np.uint64))
        assert (merged.arrays.postings[starts[0] : stops[0]].tolist(), starts[1:], stops[1:]) == (spots, [0], [0])


@settings(max_examples=100, deadline=None)
@given(st.lists(DOCUMENTS, min_size=1, max_size=12), st.data())
def test_what_is_kept_is_that_of_the_documents_kept(documents, data):
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(documents), max_size=len(documents))))
    rest = [document for document, kept in zip(documents, keep, strict=True) if kept]
    kept = taken(3, documents).kept(1, keep)
    assert same(kept, taken(1, rest))
    assert texts(taken(1, rest).words).items() <= texts(kept.words).items()


@settings(max_examples=60, deadline=None)
@given(st.lists(DOCUMENTS, max_size=4), st.sampled_from(["soft", "both"]))
def test_an_item_that_is_bound_in_several_ways_is_one_item(documents, mode):
    assert same(taken(0, documents, JSONEncoder(64, arrays=mode)), taken(0, documents, JSONEncoder(64, arrays="bag")))


@settings(max_examples=60, deadline=None)
@given(st.lists(DOCUMENTS, max_size=8), st.integers(0, 8))
def test_one_table_serves_documents_that_come_later(documents, cut):
    taker = Taker(ENCODER.values, ENCODER.layout)
    for part in (documents[:cut], documents[cut:], documents):
        assert same(Segment.of(0, taker.take(part)), taken(0, part))


def test_documents_of_a_term_wherever_it_is():
    segment = taken(0, [{"a": "red"}, {"b": ["red", "blue"]}, {"a": "blue"}, {"c": [{"d": "red"}, {"d": "red"}]}])
    (term,) = (number for number, text in texts(segment.words).items() if text == "red")
    assert segment.union(segment.anywhere([term])).tolist() == [0, 1, 3]
    assert segment.union(segment.anywhere([term + 1])).tolist() == []
    assert segment.column(4) == (0, 0)


def test_segments_do_not_change():
    for array in taken(0, [{"a": [1, "b"]}]).arrays:
        if isinstance(array, np.ndarray):
            with pytest.raises(ValueError, match="read-only"):
                array[:] = 0


# ---------------------------------------------------------------------- following each other


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=25))
def test_segments_together_are_few_in_order_and_never_too_large(sizes):
    before, segments = searcher.LARGEST, []
    try:
        searcher.LARGEST = 20
        for size in sizes:
            first = segments[-1].stop if segments else 0
            segments = together([*segments, taken(first, [{"a": first + i} for i in range(size)])])
    finally:
        searcher.LARGEST = before
    assert [segment.first for segment in segments] == [0, *(segment.stop for segment in segments)][:-1]
    assert segments[-1].stop == sum(sizes)
    assert max(map(len, segments)) <= 20
    for one, other in pairwise(segments):
        assert len(one) > 2 * len(other) or len(one) + len(other) > 20
    values = [row[2] for segment in segments for held in columns(segment).values() for row in sorted(held)]
    assert list(map(float, values)) == list(range(sum(sizes)))


# ---------------------------------------------------------------------- files

SOME = [{"a": f"w{i % 5} x{i % 3}", "n": i % 7, "t": [{"u": i % 2, "v": ["p", {"w": 1}]}, i, "z"]} for i in range(12)]


@pytest.fixture
def store(tmp_path):
    with JSONIndex.create(tmp_path / "index", ENCODER).add(SOME) as index:
        yield index.store


def folder_of(store):
    return searcher.folder_of(store.snapshot)


def kept(store):
    path = keeping.save(taken(0, SOME), store.snapshot, folder_of(store))
    assert path.parent == folder_of(store)
    return path


def test_a_kept_segment_is_what_was_kept(store):
    path = kept(store)
    segment = keeping.load(store.snapshot, 0, path.parent)
    assert same(segment, taken(0, SOME))
    assert texts(segment.words) == texts(taken(0, SOME).words)
    assert texts(segment.names) == texts(taken(0, SOME).names)
    assert keeping.is_there(segment, store.snapshot, path.parent)
    assert keeping.load(store.snapshot, 5, path.parent) is None
    keeping.remove_others([segment], path.parent)
    assert path.exists()
    keeping.remove_others([taken(12, SOME)], path.parent)
    assert not path.exists()
    assert not keeping.is_there(segment, store.snapshot, path.parent)


def test_a_file_of_other_rows_or_settings_is_not_taken(tmp_path, store):
    path = kept(store)
    for name, encoder, documents in (
        ("settings", JSONEncoder(64, strings={"words": 1}), SOME),
        ("fewer", ENCODER, SOME[:11]),
        ("others", ENCODER, [*SOME[:11], {"a": "another one"}]),
    ):
        with JSONIndex.create(tmp_path / name, encoder).add(documents) as index:
            place = folder_of(index.store)
            shutil.copy(path, place / path.name)
            assert keeping.load(index.store.snapshot, 0, place) is None
            if len(documents) == 12:
                assert not keeping.is_there(taken(0, SOME), index.store.snapshot, place)


def parts_of(path):
    meta, arrays = files.load(path, keeping.KIND)
    return meta, {name: np.array(array) for name, array in arrays.items()}


@pytest.mark.slow
def test_every_flipped_byte_is_told_or_changes_nothing(store):
    path = kept(store)
    whole, expected = path.read_bytes(), parts_of(path)[0]
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
        with pytest.raises(FileFormatError):
            keeping.load(store.snapshot, 0, path.parent)
    for length in (0, 7, 100, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(FileFormatError):
            keeping.load(store.snapshot, 0, path.parent)
        assert not keeping.is_there(taken(0, SOME), store.snapshot, path.parent)
    path.write_bytes(whole)
    assert parts_of(path)[0] == expected


def edited(change):
    """Return what writes a kept file anew, with right checksums, after a change of its meta and arrays."""

    def write(path):
        meta, arrays = parts_of(path)
        change(meta, arrays)
        files.save(path, keeping.KIND, meta, arrays, quick=True)

    return write


def put(name, at, value):
    def change(meta, arrays):
        arrays[name][at] = value

    return edited(change)


def swap(name, one, other):
    def change(meta, arrays):
        arrays[name][[one, other]] = arrays[name][[other, one]]

    return edited(change)


def said(**more):
    return edited(lambda meta, arrays: meta.update(more))


def recast(name, dtype):
    return edited(lambda meta, arrays: arrays.update({name: arrays[name].astype(dtype)}))


def cut(name):
    return edited(lambda meta, arrays: arrays.update({name: arrays[name][:-1]}))


def wrapped(meta, arrays):
    arrays["starts"][1:5] = 2**63 - 1, -(2**63), -1, 0


def spot_of_a_document(meta, arrays):
    """A list of a path outside of arrays that names an item."""
    at = int(np.flatnonzero(arrays["paths"] & np.uint64(1) == 0)[0])
    arrays["postings"][arrays["starts"][at + 1] - 1] = 12


def unsorted_spots(meta, arrays):
    at = int(np.flatnonzero(np.diff(arrays["starts"]) > 1)[0])
    start = arrays["starts"][at]
    arrays["postings"][start : start + 2] = arrays["postings"][start : start + 2][::-1].copy()


def parent_in_another_document(meta, arrays):
    arrays["item_parent"][int(arrays["item_start"][5]) + 1] = 0


def inside_a_letter(meta, arrays):
    content = "é".encode() * len(arrays["words.content"])
    arrays["words.content"] = np.frombuffer(content, np.uint8)
    arrays["words.starts"][1:] = len(content)
    arrays["words.starts"][1] = 1


def vectors(hashes, content):
    """Give terms vectors."""
    made = {"vectors.hashes": np.array(hashes, np.uint64), "vectors.content": np.array(content, np.float32)}
    return edited(lambda meta, arrays: arrays.update(made))


def test_vectors_of_terms_come_back(store):
    path = kept(store)
    vectors([3, 9], range(6))(path)
    found = keeping.load(store.snapshot, 0, path.parent).vectors
    assert found.vectors.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found.places(np.array([9, 1, 3, 10], np.uint64)).tolist() == [1, -1, 0, -1]
    more = TermVectors(np.array([2, 9], np.uint64), np.float32([[6, 7, 8], [3, 4, 5]]))
    both = TermVectors.union([NONE, found, more])
    assert both.hashes.tolist() == [2, 3, 9]
    assert both.vectors.tolist() == [[6, 7, 8], [0, 1, 2], [3, 4, 5]]
    assert TermVectors.union([NONE, NONE]).places(np.array([1], np.uint64)).tolist() == [-1]


WRONG = {
    "no documents": said(documents=0),
    "documents that are none": said(documents="12"),
    "another first": said(first=1),
    "an array less": edited(lambda meta, arrays: arrays.pop("masses")),
    "an array more": edited(lambda meta, arrays: arrays.update(more=np.zeros(1))),
    "an array of rows": edited(lambda meta, arrays: arrays.update(terms=arrays["terms"].reshape(1, -1))),
    "no axis": edited(lambda meta, arrays: arrays.update(columns=np.uint64(1))),
    "a list that begins behind": put("starts", 0, 1),
    "a list that ends behind": put("starts", -1, 10**6),
    "lists that fall": put("starts", 3, 0),
    "lists that wrap around": edited(wrapped),
    "columns that end behind": put("column_starts", -1, 10**6),
    "items that end behind": put("item_start", -1, 10**6),
    "a parent that comes later": put("item_parent", 1, 5),
    "a parent that is itself": put("item_parent", 1, 1),
    "a parent beyond": put("item_parent", 1, NO_ITEM - 1),
    "a parent in another document": edited(parent_in_another_document),
    "an item of another document": put("item_document", 0, 1),
    "an item of no document": put("item_document", -1, 12),
    "a spot too large": put("postings", 0, 10**6),
    "an item as a document": edited(spot_of_a_document),
    "spots that fall": edited(unsorted_spots),
    "a number's spot too large": put("number_spot", 0, 10**6),
    "an order beyond": put("number_order", 0, 10**6),
    "an order of another column": put("number_order", 0, -1 % 2**8),
    "an order twice": edited(lambda m, a: a["number_order"].__setitem__(1, a["number_order"][0])),
    "orders that fall": swap("number_order", 0, 1),
    "a place that is none": put("number_place", 0, np.nan),
    "an endless place": put("number_place", 0, -np.inf),
    "places that fall": put("number_place", 0, 1e9),
    "a mass that is none": put("masses", 3, np.nan),
    "a mass below nothing": put("masses", 3, -1.0),
    "terms out of order": swap("terms", 0, -1),
    "equal terms and paths": edited(lambda m, a: (a["terms"].fill(1), a["paths"].fill(2))),
    "columns out of order": swap("columns", 0, 1),
    "terms of vectors out of order": vectors([9, 3], range(4)),
    "vectors that are no numbers": vectors([3, 9], [0, 1, np.nan, 1]),
    "vectors of two lengths": vectors([3, 9], range(5)),
    "vectors of no term": vectors([], range(5)),
    "words out of order": swap("words.hashes", 0, 1),
    "names out of order": swap("names.hashes", 0, 1),
    "words that are no text": put("words.content", 0, 255),
    "a word that begins inside a letter": edited(inside_a_letter),
} | {
    f"{name} as another type": recast(name, dtype)
    for name, dtype in {
        "postings": np.int64, "terms": np.int64, "paths": np.float64, "starts": np.float64, "columns": np.uint32,
        "column_starts": np.uint64, "item_start": np.float64, "item_parent": np.int32, "masses": np.float32,
        "words.content": np.int8, "names.hashes": np.float64, "words.starts": np.int32,
    }.items()
} | {
    f"too few {name}": cut(name)
    for name in ("terms", "paths", "starts", "postings", "columns", "masses", "item_place", "item_parent",
                 "number_place", "number_value", "number_spot", "number_order", "names.starts", "words.hashes")
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_a_file_made_by_hand_is_told(store, wrong):
    path = kept(store)
    edited(lambda meta, arrays: None)(path)
    assert keeping.load(store.snapshot, 0, path.parent) is not None
    WRONG[wrong](path)
    with pytest.raises(FileFormatError, match="is damaged"):
        keeping.load(store.snapshot, 0, path.parent)
