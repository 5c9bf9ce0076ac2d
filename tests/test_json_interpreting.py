"""Queries at paths that no document has, and what they are read as."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.apps.json import Hits, JSONEncoder, JSONIndex
from hdc.errors import ParameterError

DOCUMENTS = [
    {"author": {"name": "Ada", "born": 1815}, "tags": ["red", "blue"], "title": "Notes", "at": [1, 2]},
    {"author": {"name": "Alan", "born": 1912}, "tags": ["green"], "firstName": "x", "parts": [{"label": "Seizure"}]},
    {"year1": 5},
]


@pytest.fixture(scope="module")
def index():
    return JSONIndex(JSONEncoder(128).fit(DOCUMENTS)).add(DOCUMENTS)


@pytest.mark.parametrize(
    ("query", "meant", "notes"),
    [
        ({"author": "Ada"}, {"author": {"name": "Ada"}}, ["no document has a value at author; read as author.name"]),
        ({"author": 1912}, {"author": {"born": 1912}}, ["no document has a value at author; read as author.born"]),
        ({"tags": "red"}, {"tags": ["red"]}, ["no document has a value at tags; read as tags[]"]),
        ({"tags": "pink"}, {"tags": ["pink"]}, ["no document has a value at tags; read as tags[]"]),
        ({"title": ["Notes"]}, {"title": "Notes"}, ["title is no array; looked for the item itself"]),
        ({"parts": {"label": "x"}}, {"parts": [{"label": "x"}]}, ["parts is an array; looked in its items"]),
        ({"parts": "x"}, {"parts": [{"label": "x"}]}, ["no document has a value at parts; read as parts[].label"]),
        ({"label": "x"}, {"parts": [{"label": "x"}]}, ["no document has a value at label; read as parts[].label"]),
        ({"first_name": "x"}, {"firstName": "x"}, ["no document has a value at first_name; read as firstName"]),
        (
            {"auhtor": {"nmae": "Ada"}, "title": "Notes"},
            {"author": {"name": "Ada"}, "title": "Notes"},
            [
                "no document has a value at auhtor; read as author",
                "no document has a value at author.nmae; read as author.name",
            ],
        ),
        ("red", {"*": "red"}, ["no document is a text or number itself; looked for it in any field"]),
        (1912, {"*": 1912}, ["no document is a text or number itself; looked for it in any field"]),
    ],
)
def test_what_can_mean_one_thing(index, query, meant, notes):
    assert index.interpret(query) == (meant, tuple(notes))
    hits = index.search(query)
    assert (hits, hits.notes) == (index.search(meant), tuple(notes))
    assert isinstance(hits, Hits)
    for hit in hits:
        assert index.explain(query, hit) == index.explain(meant, hit)


@pytest.mark.parametrize(
    ("query", "notes"),
    [
        ({"xyz": 1}, ["no document has a value at xyz"]),
        ({"author": "Zoe"}, ["no document has a value at author; did you mean author.born or author.name?"]),
        ({"at": 1}, ["no document has a value at at; did you mean at[]?"]),
        ({"title": ["Notes", "x"]}, ["title is no array"]),
        ({"year2": 5}, ["no document has a value at year2"]),
        ({"author": {"name": "Ada"}, "auhtor": "Ada"}, ["no document has a value at auhtor; did you mean author?"]),
        (None, []),
        (True, []),
        ({"author": {}}, []),
        ({"author": {"name": "Nobody"}}, []),
        ({"author": {"*": "Ada"}}, []),
    ],
)
def test_what_can_mean_several_things_or_nothing_is_left(index, query, notes):
    assert index.interpret(query) == (query, tuple(notes))
    assert index.search(query).notes == tuple(notes)


def test_an_index_of_texts_or_of_nothing():
    index = JSONIndex(JSONEncoder(64)).add(["red", {"a": "red"}])
    assert [hit.id for hit in index.search("red")] == [0]
    assert index.search("red").notes == ()
    assert JSONIndex(JSONEncoder(64)).search({"a": "red"}).notes == ()


def test_many_places(index):
    several = JSONIndex(JSONEncoder(64)).add([{"o": {f"k{letter}": letter for letter in "abcde"}}])
    assert several.search({"o": "nothing"}).notes == (
        "no document has a value at o; did you mean o.ka or o.kb or o.kc, …?",
    )
    assert several.interpret({"o": "d"}).query == {"o": {"kd": "d"}}


KEYS = st.sampled_from(["name", "nmae", "title", "a", "*"])
VALUES = st.recursive(
    st.sampled_from(["red", "blue", 1, None, True, 2.5]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=6,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=4), VALUES.filter(lambda value: value not in ({}, [])))
def test_any_query_is_read_once(documents, query):
    """What it is read as is searched for as it stands, and a stored document means itself."""
    index = JSONIndex(JSONEncoder(64)).add(documents)
    try:
        hits = index.search(query)
    except ParameterError:  # such as words inside an array
        return
    for hit in hits:
        assert sum(reason.share for reason in index.explain(query, hit)) == pytest.approx(hit.score, abs=1e-6)
    for document in documents:
        assert index.interpret(document) == (document, ())


TEXT = '{"a": 1}'


@pytest.mark.parametrize("text", [TEXT, "[1]", '  {"a": {"b": []}}\n', "{}"])
def test_json_text_is_refused_with_the_remedy(text, tmp_path):
    message = re.escape("pass json.loads(text) instead")
    index = JSONIndex(JSONEncoder(64)).add([{"a": 1}])
    for call in (
        lambda: index.search(text),
        lambda: index.add([{"a": 2}, text]),
        lambda: index.update([0], [text]),
        lambda: JSONEncoder(64).transform([text]),
        lambda: JSONEncoder(64).fit([text]),
        lambda: JSONEncoder(64).fit_transform([text]),
    ):
        with pytest.raises(ParameterError, match=message):
            call()
    assert len(index) == 1


def test_other_texts_are_documents():
    index = JSONIndex(JSONEncoder(64)).add(["{no json", "[", "1", '"a"', "plain"])
    assert len(index) == 5
    assert [hit.id for hit in index.search("{no json")][:1] == [0]


def test_a_query_that_is_nested_too_deep_is_refused():
    deep = 1
    for _ in range(2000):
        deep = [deep]
    index = JSONIndex(JSONEncoder(64)).add([{"a": 1}])
    for query in (deep, {"a": deep}):
        with pytest.raises(ParameterError, match="the query is nested deeper than 256 levels"):
            index.search(query)
