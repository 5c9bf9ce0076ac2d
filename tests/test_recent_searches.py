"""Searches that were planned before: they answer as new ones do, until rows or remembered options change."""

import gc
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from hdc.apps.retrieval import EmbeddingIndex, GraphOptions, IVFOptions, RaBitQBinarizer
from hdc.errors import ParameterError
from hdc.search import graph

X = np.random.default_rng(5).standard_normal((400, 32)).astype(np.float32)


@pytest.fixture(params=["ivf", "graph"])
def index(request, monkeypatch):
    """Return an index whose searches look at few rows."""
    monkeypatch.setattr(graph.GraphEstimates, "least", 50)
    made = EmbeddingIndex.create(None, RaBitQBinarizer(lists=9).fit(X), kind=request.param, keep="int8")
    made.add(X)
    return made


def few(index):
    """Return options by which a search finds less than all, as values and by name."""
    return (IVFOptions(1, 10), {"probes": 1}) if index.kind == "ivf" else (GraphOptions(1, 10), {"effort": 1})


def planned_anew(index, *args, **options):
    """Search as the first time."""
    index._recent._kept = None
    return index.search(*args, **options)


def test_a_search_that_was_planned_finds_the_same(index):
    options, named = few(index)
    for given in ({}, {"options": options}, named, {"candidates": 30}, {"candidates": np.int64(30)}):
        first = index.search(X[:3], 5, **given)
        for again in (index.search(X[:3], 5, **given), planned_anew(index, X[:3], 5, **given)):
            for mine, theirs in zip(again, first, strict=True):
                np.testing.assert_array_equal(mine, theirs)
        assert first[1].shape == (3, 5)
    assert index.search(X[:2], 7)[1].shape == (2, 7)


def test_what_equals_a_number_and_is_none_is_no_number(index):
    index.search(X[:1], 1, candidates=1)
    for wrong in (True, 1.0, [1]):
        with pytest.raises(ParameterError, match="k must be an integer"):
            index.search(X[:1], wrong)
        with pytest.raises(ParameterError, match="candidates must be an integer"):
            index.search(X[:1], 1, candidates=wrong)


def test_rows_that_came_and_went_are_seen(index):
    assert index.search(X[7:8], 1)[1].tolist() == [[7]]
    index.remove([7])
    assert index.search(X[7:8], 1)[1].tolist() != [[7]]
    ids = index.add(X[7:8])
    for _ in range(2):
        assert index.search(X[7:8], 1)[1].tolist() == [ids.tolist()]


def test_options_that_the_index_remembers_anew_count(index):
    options, _ = few(index)
    index.search(X, 10)
    expected = index.search(X, 10, options=options)[1]
    index.set_defaults(options)
    for _ in range(2):
        np.testing.assert_array_equal(index.search(X, 10)[1], expected)


def test_a_closed_index_is_told(index):
    index.search(X[:1], 1)
    index.close()
    with pytest.raises(ParameterError, match="closed"):
        index.search(X[:1], 1)


def test_an_index_that_nobody_holds_is_gone(index):
    made = EmbeddingIndex.create(None, index.model, kind=index.kind, keep="int8")
    made.add(X)
    made.search(X[:1], 1)
    made.search(X[:1], 1)
    gone = weakref.ref(made)
    gc.disable()
    try:
        del made
        assert gone() is None
    finally:
        gc.enable()


def test_threads_that_search_while_rows_change_find_what_is_there(index):
    def searched(_):
        return [int(index.search(X[at : at + 1], 1)[1][0, 0]) for at in range(0, 40, 2)]

    with ThreadPoolExecutor(4) as threads:
        running = threads.map(searched, range(12))
        for at in range(1, 40, 2):
            index.remove([at])
        assert all(found == list(range(0, 40, 2)) for found in running)
