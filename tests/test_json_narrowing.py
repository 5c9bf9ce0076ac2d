"""Conditions that postings answer: the same documents as by reading each."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.json.document.paths import show_path
from hdc.apps.json.index.narrowing import narrowed
from hdc.apps.json.index.where import OPERATORS, Condition, parse_where

BIG = (1 << 53) + 1
NUMBERS = st.sampled_from([-2, -1, 0, 1, 2, 0.5, 1.0, -0.0, BIG, BIG + 1, -BIG, 10**400, 1e300])
SCALARS = st.none() | st.booleans() | NUMBERS | st.sampled_from(["", "a", "1", "Red shoes", "true", "ß"])
KEYS = st.sampled_from(["x", "y z", "a.b", "[]", "x'\"]"])
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(NUMBERS, max_size=20) | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=20,
)
STEPS = KEYS | st.sampled_from([0, 1, 2, 17, None, None])
PATHS = st.lists(STEPS, max_size=4).map(tuple)


def paths_of(document):
    """Paths that a document has, some of their positions left out."""
    found = [()]

    def walk(value, here):
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for step, item in pairs:
            for own in {step} if isinstance(step, str) else {step, None}:
                found.append((*here, own))
                walk(item, (*here, own))

    walk(document, ())
    return found


def values_in(document):
    if isinstance(document, dict | list):
        for item in document.values() if isinstance(document, dict) else document:
            yield from values_in(item)
    else:
        yield document


@pytest.mark.slow
def test_every_condition_finds_what_reading_finds():
    certain = set()

    @settings(max_examples=60, deadline=None)
    @given(st.data())
    def check(data):
        documents = data.draw(st.lists(DOCUMENTS, min_size=1, max_size=6))
        arrays = data.draw(st.sampled_from(["auto", "bag", "sequence", "both", {"x": "sequence"}]))
        numbers = data.draw(st.sampled_from(["grid", "smooth"]))
        convert = data.draw(st.sampled_from([(), ("numbers", "dates")]))
        encoder = JSONEncoder(64, arrays=arrays, numbers=numbers, convert=convert)
        if data.draw(st.booleans()):
            encoder.fit(documents)
        index = JSONIndex(encoder).add(documents[:2]).add(documents[2:])
        removed = data.draw(st.sets(st.sampled_from(range(len(documents)))))
        if removed:
            index.remove(sorted(removed))
        for _ in range(8):
            if data.draw(st.booleans()):
                path = data.draw(PATHS)
            else:
                path = data.draw(st.sampled_from(paths_of(data.draw(st.sampled_from(documents)))))
            name = data.draw(st.sampled_from(OPERATORS))
            if name in ("exists", "missing"):
                value = None
            elif name == "~":
                value = data.draw(st.sampled_from(["a", "^R", ""]))
            else:
                held = st.sampled_from(list(values_in(documents)) or [1])
                value = data.draw(SCALARS | held)
                if name[0] in "<>" and (value is None or isinstance(value, bool)):
                    value = 0
            condition = Condition(path, name, value)
            expected = [i for i, one in enumerate(documents) if i not in removed and condition(one)]
            assert index.filter(condition).tolist() == expected
            mask, left = narrowed(index._posting_rows(), condition, index.encoder.layout, bool(convert))
            assert set(expected) <= set(np.flatnonzero(mask).tolist())
            if left is None:
                certain.add(name)

    check()
    assert certain == set(OPERATORS) - {"~"}


def test_texts_that_count_as_numbers_are_texts():
    index = JSONIndex(JSONEncoder(64, convert=("numbers",))).add(["1", 1, str(BIG), BIG])
    found = {where: index.filter(where).tolist() for where in ("$ = 1", "$ != 1", "$ > 0", f"$ = {BIG}", '$ = "1"')}
    assert found == {"$ = 1": [1], "$ != 1": [0, 2, 3], "$ > 0": [1, 3], f"$ = {BIG}": [3], '$ = "1"': [0]}


def test_whole_filters_in_searches(monkeypatch):
    documents = [{"n": i, "even": i % 2 == 0, "tags": [f"t{i % 5}", "all"], "name": f"N{i}"} for i in range(200)]
    index = JSONIndex(JSONEncoder(256).fit(documents)).add(documents)
    for where in (
        ["n >= 20", "n < 60", "even = true"],
        ["tags[] = t3", "name != N3"],
        ["tags[1] = all", "name ~ 7$"],
        "tags[1] = t3",
        "name > N7",
    ):
        several = [where] if isinstance(where, str) else where
        passing = {i for i, one in enumerate(documents) if all(parse_where(text)(one) for text in several)}
        for among in (None, list(range(30, 120))):
            expected = sorted(passing & set(among)) if among else sorted(passing)
            found = index.search({"tags": ["all"]}, 200, where=where, among=among)
            assert sorted(hit.id for hit in found) == expected
            assert found == index.search({"tags": ["all"]}, 200, where=lambda d: d["n"] in passing, among=among)  # noqa: B023
        assert index.filter(where).tolist() == sorted(passing)
    read = []
    monkeypatch.setattr(index._documents, "read", lambda *given: read.append(given))
    assert len(index.search({"tags": ["all"]}, 3, where=["n >= 20", "tags[] = t1", "missing missing"])) == 3
    assert not read


@pytest.mark.parametrize("depth", [3, 4])
def test_sequences_in_sequences(depth):
    """Positions of each have columns of their own: few are asked one by one, many are read."""
    inner = 5
    for _ in range(depth):
        inner = [inner, 7]
    documents = [{"a": inner}, {"a": json.loads(json.dumps(inner).replace("5", "6"))}]
    index = JSONIndex(JSONEncoder(64, arrays="sequence")).add(documents)
    path = show_path(("a", *[None] * depth))
    asked = {f"{path} = 5": [0], f"{path} > 6": [0, 1], f"{path} exists": [0, 1], "a missing": []}
    assert {where: index.filter(where).tolist() for where in asked} == asked
