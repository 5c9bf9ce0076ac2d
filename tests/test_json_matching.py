"""Scores and reasons of one query and one document, held against the oracle that tries every reading."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.apps.json import ABSENT, JSONEncoder
from hdc.apps.json.document.constant import plain
from hdc.apps.json.document.rules import MODES, Layout
from hdc.apps.json.document.structure import leaf_value
from hdc.apps.json.index.compiled_query import compiled
from hdc.apps.json.index.matcher import Matcher
from hdc.errors import ParameterError
from tests.naive import json_readings, json_score

SCALARS = st.sampled_from([None, True, False, 0, 1, 2.5, -3, "a b", "a", "b c", ""])
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=2),
    max_leaves=6,
)
WEIGHTS = st.sampled_from([None, {"x": 2.0}, {"x": 0.5, "x.y": 0, "[]": 3}, {"": 0, "y": 1.5}])
FITTED = JSONEncoder(64).fit(
    [{"x": ["a b", "b c", 1], "y": {"x": 2.5, "z": "a"}}, {"x": "a b", "y": [1, 2]}, {"z": [{"x": "b c"}]}, [0, 1, "a"]]
)
UNFITTED = JSONEncoder(64)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(MODES), WEIGHTS, st.sampled_from([FITTED, UNFITTED]), DOCUMENTS, DOCUMENTS)
def test_scores_and_reasons_are_those_of_the_best_reading(mode, weights, encoder, query, document):
    layout, values = Layout.of(mode, weights), encoder.values

    def weight_of(path, leaf, met):
        return layout.weights[path] ** 2 * values.shared(path, leaf_value(leaf), leaf_value(met))

    asked = [(path, leaf) for path, leaf, _, _ in next(json_readings(query, ..., lambda path: layout.arrays[path]))]
    asked = [(path, leaf) for path, leaf in asked if layout.weights[path]]
    if not asked:
        with pytest.raises(ParameterError, match="asks for nothing that weighs anything"):
            Matcher(query, values, layout)
        return
    matcher = Matcher(query, values, layout)
    expected = json_score(query, document, lambda path: layout.arrays[path], weight_of)
    reasons = matcher.reasons(document)
    assert matcher.score(document) == pytest.approx(expected, abs=1e-12)
    assert sum(reason.share for _, reason in reasons) == pytest.approx(matcher.score(document), abs=1e-12)
    assert [(path, typed(reason.query)) for path, reason in reasons] == [(path, typed(leaf)) for path, leaf in asked]
    assert matcher.leaves == len(asked)
    for path, reason in reasons:
        if reason.match is ABSENT:
            assert reason.share == 0
        else:
            most = weight_of(path, reason.query, reason.match) / matcher.asked
            assert -1e-12 <= reason.share <= most + 1e-12


def typed(value):
    return type(value), value


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(MODES), DOCUMENTS)
def test_a_query_holds_all_of_itself(mode, query):
    matcher = Matcher(query, UNFITTED.values, Layout.of(mode))
    assert matcher.score(query) == pytest.approx(1)
    for path, reason in matcher.reasons(query):
        value = leaf_value(reason.query)
        assert matcher.asked * reason.share == pytest.approx(UNFITTED.values.shared(path, value, value))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(MODES), DOCUMENTS, DOCUMENTS, st.floats(0, 1))
def test_what_arrays_leave_multiplies_every_leaf(mode, query, document, kept):
    part = compiled(query, UNFITTED.values, Layout.of(mode))
    whole, some = part.trace(document), part.trace(document, kept)
    assert some[0] == pytest.approx(kept * whole[0])
    assert sum(met.weight for met in some[1]) == pytest.approx(some[0])
    asked = [(leaf.path, leaf.value, leaf.asked) for leaf in part.leaves()]  # scales differ where numbers stand
    for _, met in (whole, some):
        assert [(leaf.path, leaf.value, leaf.asked) for leaf, _, _ in met] == asked


def test_parts_that_weigh_nothing():
    layout, values = Layout.of("auto", {"a": 0}), UNFITTED.values
    part = compiled({"a": {"b": 1}, "c": [{"a": 1}], "d": 2}, values, Layout.of("sequence", {"a": 0, "c": 0}))
    assert [met.leaf.path for met in part.trace({"a": 1})[1]] == [("d",)]
    assert part.weigher()({"d": 2}) == part.trace({"d": 2})[0]
    part = compiled({"a": {"b": [1, "x"]}}, values, layout)
    assert list(part.leaves()) == part.trace({"a": {"b": [1]}})[1] == []
    assert part.weigher()({"a": {"b": [1]}}) == 0
    matcher = Matcher({"a": 1, "d": 2}, values, layout)
    assert matcher.score({"a": 1}) == 0
    assert [plain(reason.match) for _, reason in matcher.reasons({"a": 1, "d": 2})] == [2]
