"""Facets: what documents have at their paths, against a count over the documents themselves."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.json.document.paths import parse_path, values_at
from hdc.apps.json.index.histogram import Histogram, bins
from hdc.errors import ParameterError

VALUES = st.one_of(
    st.sampled_from(["red", "blue", "dark red", "", "12", "ÅNGSTRÖM", "\u202eabc"]),
    st.integers(-3, 3),
    st.sampled_from([0.5, 1e300]),
    st.booleans(),
    st.none(),
    st.sampled_from([{}, []]),
)
DOCUMENTS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "color": VALUES,
            "size": st.integers(0, 50),
            "tags": st.lists(st.fixed_dictionaries({"name": VALUES}), max_size=3),
            "at": st.lists(st.integers(0, 3), min_size=1, max_size=3),
        },
    ),
    min_size=1,
    max_size=30,
)


def kind_of(value):
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int | float):
        return "number"
    return {str: "text", type(None): "null"}.get(type(value), "empty")


def marked(value):
    """Return what tells 1, True and 1.0 apart where JSON does."""
    return (kind_of(value), str(value) if isinstance(value, dict | list) else value)


def counted(documents, path):
    """Return how many documents have each value, and each kind of value, at a path: by reading them all."""
    values, kinds, there = Counter(), Counter(), 0
    for document in documents:
        held = [v for v in values_at(document, parse_path(path)) if not isinstance(v, dict | list) or not v]
        values.update({marked(value) for value in held})
        kinds.update({kind_of(value) for value in held})
        there += bool(held)
    return values, kinds, there


def check(facet, documents):
    values, kinds, there = counted(documents, facet.path)
    assert {marked(value): count for value, count in facet.values} == dict(values)
    assert facet.documents == there
    assert facet.kinds == dict(kinds)
    counts = [count for _, count in facet.values]
    assert counts == sorted(counts, reverse=True)


@given(DOCUMENTS, st.booleans())
@settings(max_examples=20, deadline=None)
def test_facets_are_what_the_documents_have(documents, fitted):
    encoder = JSONEncoder(64)
    if fitted:
        encoder.fit(documents)
    index = JSONIndex(encoder).add(documents)
    for path in ("color", "size", "tags[].name"):
        check(index.facets([path], most=100)[0], documents)
    passing = [document for document in documents if document.get("size", -1) >= 20]
    for path in ("color", "tags[].name"):
        check(index.facets([path], where="size >= 20", most=100)[0], passing)


def test_facets_follow_changes_and_shards(tmp_path):
    documents = [{"id": i, "color": ["red", "blue"][i % 2], "n": i} for i in range(60)]
    encoder = JSONEncoder(64).fit(documents)
    for number in range(3):
        with JSONIndex.create(tmp_path / f"shard-{number}", encoder) as shard:
            shard.add(documents[20 * number : 20 * number + 20])
    with JSONIndex.open(tmp_path, writable=True) as index:
        assert index.facets(["color"])[0].values == (("blue", 30), ("red", 30))
        index.remove([hit.id for hit in index.search({"n": 1, "color": "blue"}, 1)])
        assert index.facets(["color"])[0].values == (("red", 30), ("blue", 29))
        index.add([{"color": "green", "n": 5}] * 40)
        assert index.facets(["color"])[0].values == (("green", 40), ("red", 30), ("blue", 29))
        assert index.facets(["color"], where="n < 10")[0].documents == 49
        ids = index.filter("n >= 58")
        found = index.facets(["n"], among=ids)
        assert found.documents == 2
        assert found[0].values == ((58, 1), (59, 1))


def test_paths_come_in_the_order_of_documents():
    index = JSONIndex(JSONEncoder(64)).add([{"z": 1, "at": [1.5, 2], "a": {"y": [{"b": 1}], "x": "t"}}, {"new": 1}])
    assert index.paths() == ["z", "at[0]", "at[1]", "a.y[].b", "a.x", "new"]
    assert [facet.documents for facet in index.facets(index.paths())] == [1] * 6
    assert index.facets(["at[1]"])[0].values == ((2, 1),)
    assert index.facets(["nowhere"])[0].documents == 0


def test_suggestions_begin_with_what_was_typed():
    index = JSONIndex(JSONEncoder(64)).add([{"t": "Amazon SQS"}, {"t": "Amazon SNS"}, {"t": "sqs"}, {"t": 12}])
    assert index.suggest("t", "SQ") == [("sqs", 1), ("Amazon SQS", 1)]
    assert index.suggest("t", "1") == [(12, 1)]
    assert len(index.suggest("t", "", most=2)) == 2


def test_dates_have_a_histogram():
    days = [{"day": f"2024-02-{1 + i % 28:02}"} for i in range(100)]
    facet = JSONIndex(JSONEncoder(64, convert=["dates"]).fit(days)).add(days).facets(["day"])[0]
    assert facet.kinds == {"date": 100}
    assert facet.histogram.kind == "date"
    assert sum(facet.histogram.counts) == 100


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, unique=True))
@settings(max_examples=50, deadline=None)
def test_bins_hold_every_number(numbers):
    every = np.unique(numbers)
    if len(every) < 2:
        return
    edges = bins(every)
    assert len(edges) >= 2
    assert all(a <= b for a, b in pairwise(edges))
    assert edges[0] <= every[0] <= every[-1] <= edges[-1]
    assert sum(Histogram.of(every, every).counts) == len(every)


def test_wrong_arguments():
    index = JSONIndex(JSONEncoder(64)).add([{"a": 1}])
    with pytest.raises(ParameterError, match="no path"):
        index.facets(["a b c"])
    with pytest.raises(ParameterError, match="most"):
        index.facets(["a"], most=0)
    with pytest.raises(ParameterError, match="cannot be read"):
        index.facets(["a"], where="nonsense")


def test_capacity_is_predicted_from_the_documents():
    documents = [{"color": f"c{i % 7}", "n": i} for i in range(200)]
    index = JSONIndex(JSONEncoder(512).fit(documents)).add(documents)
    assert {row.path for row in index.capacity().paths} == {"color", "n"}
