"""Words in any field."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.apps.json import ABSENT, JSONEncoder, JSONIndex
from hdc.apps.json.values.strings import words_of
from hdc.errors import ParameterError

DOCUMENTS = [
    {"title": "Red shoes", "tags": ["sport", "red"], "price": 5},
    {"title": "shoes that are red", "by": {"author": {"name": "Ada"}}},
    {"title": "Blue shoes", "year": 2018},
    {"title": "Green", "author": {"name": "Ada Red", "ids": ["HP:1"]}},
    {"a": [1, 2, "red"], "author": "red"},
]


@pytest.fixture(scope="module")
def index():
    return JSONIndex(JSONEncoder(64)).add(DOCUMENTS[:3]).add(DOCUMENTS[3:])


def ids(hits):
    return [hit.id for hit in hits]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"*": "red shoes"}, [0, 1, 2, 3, 4]),
        ({"*": "Red shoes"}, [0, 1, 2, 3, 4]),
        ({"*": 2018}, [2]),
        ({"*": "2018 shoes"}, [2, 0, 1]),
        ({"author": {"*": "red"}}, [4, 3]),
        ({"by": {"author": {"*": "ada"}}}, [1]),
        ({"a": {"*": 2}}, [4]),
        ({"price": {"*": 2}}, []),
        ({"*": ["sport", "2"]}, [0, 4]),
        ({"*": "HP:1"}, [3, 4]),
        ({"*": "red", "title": "Blue shoes"}, [2, 0, 1, 3, 4]),
        ({"*": "€"}, []),
        ({"*": "nowhere"}, []),
    ],
)
def test_who_has_the_words(index, query, expected):
    for missing in ("ignore", "count"):
        hits = index.search(query, missing=missing)
        assert sorted(ids(hits)) == sorted(expected)
        for hit in hits:
            assert sum(reason.share for reason in index.explain(query, hit)) == pytest.approx(hit.score, abs=1e-6)
        if missing == "ignore":
            assert ids(hits)[:1] == expected[:1]


def test_an_equal_field_counts_a_little_more_than_all_words(index):
    scores = {hit.id: hit.score for hit in index.search({"*": "Red shoes"})}
    assert scores[0] == pytest.approx(1)
    assert scores[1] == pytest.approx(0.95)
    assert scores[2] > scores[3]  # fewer documents have shoes than red


def test_reasons_name_each_field_that_has_a_word(index):
    hit = index.search({"*": "red sport"})[0]
    reasons = index.explain({"*": "red sport"}, hit)
    assert [(reason.query, reason.path, reason.match) for reason in reasons] == [
        ("sport", "tags[]", "sport"),
        ("red", "title", "Red shoes"),
        ("red", "tags[]", "red"),
    ]
    (absent,) = (reason for reason in index.explain({"*": "red nowhere"}, hit) if reason.match is ABSENT)
    assert (absent.path, absent.query, absent.share) == ("*", "nowhere", 0)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"tags": [{"*": "red"}]}, '"*" cannot stand inside an array; for all of tags write'),
        ({"*": True}, "looks for words or a number in any field, not True"),
        ({"*": {"a": 1}}, "looks for words or a number"),
        ({"*": [None]}, "looks for words or a number"),
        ({"*": []}, "there is none"),
        ({"*": ""}, "looks for words or a number"),
    ],
)
def test_what_cannot_be_looked_for(index, query, message):
    with pytest.raises(ParameterError, match=re.escape(message)):
        index.search(query)


def test_where_documents_have_the_key_itself_it_is_a_key():
    index = JSONIndex(JSONEncoder(64)).add([{"*": {"x": "red"}, "y": "red"}, {"y": "red"}])
    assert ids(index.search({"*": {"x": "red"}})) == [0]


def test_paths_of_weight_zero_ask_for_nothing():
    index = JSONIndex(JSONEncoder(64, weights={"a": 0})).add([{"a": "red"}])
    with pytest.raises(ParameterError, match="weighs anything"):
        index.search({"a": {"*": "red"}})


WORDS = st.sampled_from(["red", "blue", "Ada", "5", "x y", "red blue"])
VALUES = st.recursive(
    WORDS | st.sampled_from([5, 5.0, 7, None, True, (1 << 53) + 1]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def leaves(value):
    if isinstance(value, dict | list):
        return [leaf for item in (value.values() if isinstance(value, dict) else value) for leaf in leaves(item)]
    return [value]


def has(document, word):
    texts = [str(leaf) for leaf in leaves(document) if isinstance(leaf, str)]
    numbers = [leaf for leaf in leaves(document) if isinstance(leaf, int | float) and not isinstance(leaf, bool)]
    return any(word in words_of(text) for text in texts) or (word.isdigit() and int(word) in numbers)


@settings(max_examples=60, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=6), st.lists(WORDS, min_size=1, max_size=2), st.data())
def test_scores_are_those_of_a_slow_reading(documents, asked, data):
    split = data.draw(st.integers(0, len(documents)))
    index = JSONIndex(JSONEncoder(64)).add(documents[:split]).add(documents[split:])
    weights, whole = np.zeros(len(documents)), 0.0
    for text in asked:
        words = words_of(text)
        parts = [[has(document, word) for document in documents] for word in words]
        rarities = [(np.log((1 + len(documents)) / (1 + max(1, sum(part)))) + 0.1) ** 2 for part in parts]
        equal = [text in leaves(one) or (text == "5" and has(one, "5") and 5 in leaves(one)) for one in documents]
        for rarity, part in zip(rarities, parts, strict=True):
            weights += 0.95 / len(words) * rarity * np.array(part)
        weights += 0.05 / len(words) * sum(rarities) * np.array(equal)
        whole += sum(rarities) / len(words)
    hits = index.search({"*": asked}, len(documents))
    expected = {number: score for number, score in enumerate(weights / whole) if score > 0}
    assert {hit.id: hit.score for hit in hits} == pytest.approx(expected, abs=1e-6)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    for hit in hits:
        assert sum(r.share for r in index.explain({"*": asked}, hit)) == pytest.approx(hit.score, abs=1e-6)


BIG = (1 << 53) + 1


def test_integers_that_no_double_is():
    index = JSONIndex(JSONEncoder(64)).add([{"a": BIG}, {"a": BIG - 1}, {"b": [str(BIG)]}])
    assert sorted(ids(index.search({"*": BIG}))) == [0, 2]
    assert sorted(ids(index.search({"*": BIG - 1}))) == [1]
