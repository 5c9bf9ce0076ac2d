"""Documents inside other values: keys, arrays, and several of them."""

import contextlib
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.apps.cli import main
from hdc.apps.json.reading import DocumentError, read
from hdc.apps.json.reading.items import Members, parse_items, show_items
from hdc.errors import ParameterError

LIBRARY = {
    "ada": {"born": 1815, "entries": [{"word": "engine"}, {"word": "note"}]},
    "alan": {"born": 1912, "entries": [{"word": "machine"}]},
}


@pytest.fixture
def files(tmp_path):
    """The same value as one big one, on one line, and inside another."""
    (tmp_path / "whole.json").write_text(json.dumps(LIBRARY, indent=1))
    (tmp_path / "lines.jsonl").write_text(json.dumps(LIBRARY) + "\n\n" + json.dumps({"eve": {"entries": [{}]}}) + "\n")
    (tmp_path / "deep.json").write_text(json.dumps({"data": [{"people": LIBRARY}]}))
    return tmp_path


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("{}", (Members(),)),
        ("{id}", (Members("id"),)),
        ("$.a{}", ("a", Members())),
        ("{}.entries[]", (Members(), "entries", None)),
        ("data[].people{name}.entries[0]", ("data", None, "people", Members("name"), "entries", 0)),
        ("a{x}{y}[]", ("a", Members("x"), Members("y"), None)),
        ("['{}'].b", ("{}", "b")),
        ("a['x{y}']{}", ("a", "x{y}", Members())),
    ],
)
def test_paths_are_read_and_written(text, steps):
    assert parse_items(text) == steps
    assert parse_items(show_items(steps)) == steps


@pytest.mark.parametrize("text", ["{}.", "{}a", "a.{}", "{}..b", "{}.[]", "{a b}", "{}}", "a{x}.b{x}"])
def test_what_is_no_path(text):
    with pytest.raises(ParameterError):
        parse_items(text)


def test_arrays_in_the_values_of_an_object(files):
    records = list(read([files / "whole.json"], items="{}.entries[]"))
    assert [(record.document["word"], record.key) for record in records] == [
        ("engine", "ada"),
        ("note", "ada"),
        ("machine", "alan"),
    ]
    assert records[1].source == f"{files / 'whole.json'}:ada.entries[1]"


def test_keys_become_fields(files):
    for name, items in (("whole.json", "{who}"), ("deep.json", "data[].people{who}")):
        records = list(read([files / name], items=items))
        assert [record.document for record in records] == [{"who": key, **value} for key, value in LIBRARY.items()]
        assert [record.key for record in records] == ["ada", "alan"]
    records = list(read([files / "lines.jsonl"], items="{who}.entries[]"))
    assert [record.document.get("who") for record in records] == ["ada", "ada", "alan", "eve"]


def test_several_keys_are_joined(tmp_path):
    (tmp_path / "a.json").write_text('{"x": {"1": {"n": 1}, "2": {"n": 2}}, "y": {"1": {"n": 3}}}')
    records = list(read([tmp_path / "a.json"], items="{outer}{inner}"))
    assert [record.key for record in records] == ["x/1", "x/2", "y/1"]
    assert records[2].document == {"outer": "y", "inner": "1", "n": 3}


@pytest.mark.parametrize("suffix", ["json", "jsonl"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 5}', "its key needs an object to be put into"),
        ('{"a": {"id": "other"}}', "already has id; write another name"),
    ],
)
def test_a_key_that_cannot_be_put_into_a_document(tmp_path, suffix, text, message):
    path = tmp_path / f"a.{suffix}"
    path.write_text(f"{text[:-1]}, " + '"b": {"id": "b"}, "c": {}}')
    form = "json" if suffix == "json" else "lines"
    with pytest.raises(DocumentError, match=re.escape(message)):
        list(read([path], items="{id}", format=form))
    reading = read([path], items="{id}", format=form, on_error="skip", rejects=tmp_path / "rejects")
    documents = [record.document for record in reading]
    assert documents == ([{"id": "b"}, {"id": "c"}] if suffix == "json" else [])
    assert reading.counts.rejected == 1
    assert message in json.loads((tmp_path / "rejects").read_text())["reason"]


KEYS = st.sampled_from(["a", "b", "x.y", "{}", ""])
VALUES = st.recursive(
    st.sampled_from([1, None, "t"]),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(KEYS, v, max_size=3),
    max_leaves=9,
)
STEPS = st.lists(KEYS | st.sampled_from([None, 0, 1, Members(), Members()]), min_size=1, max_size=3).map(tuple)


def walked(value, steps, keys=()):
    """Documents and keys by definition; None where a container is of the wrong kind."""
    if not steps:
        return [(value, "/".join(keys) if keys else None)]
    step, found = steps[0], []
    if isinstance(step, str | Members) is not isinstance(value, dict) or not isinstance(value, dict | list):
        return None
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in pairs:
        if isinstance(step, Members) or step is None or step == key:
            more = walked(item, steps[1:], (*keys, key) if isinstance(step, Members) else keys)
            if more is None:
                return None
            found += more
    return found


@settings(max_examples=150, deadline=None)
@given(VALUES, STEPS)
def test_reading_whole_and_by_lines_finds_what_is_there(tmp_path_factory, value, steps):
    path = tmp_path_factory.getbasetemp() / "items.json"
    path.write_text(json.dumps(value))
    expected = walked(value, steps)
    for form in ("json", "lines"):
        reading = read([path], items=show_items(steps), format=form)
        if expected == [] and form == "json":  # of a big value an empty container on the way is not an error
            with contextlib.suppress(DocumentError):
                assert not list(reading)
        elif not expected:
            with pytest.raises(DocumentError):
                list(reading)
        else:
            assert [(record.document, record.key) for record in reading] == expected


def test_keys_are_keys_of_an_index_and_searched(files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    assert main(["json", "index", "whole.json", "-o", "people", "--items", "{who}", "--key", "who"]) == 0
    assert main(["json", "search", "people", '{"who": "alan"}', "-k", "1", "--json"]) == 0
    (hit,) = json.loads(capsys.readouterr().out.split("\n", 1)[1])
    assert (hit["key"], hit["document"]["who"], hit["document"]["born"]) == ("alan", "alan", 1912)
    assert main(["json", "remove", "people", "--key", "ada"]) == 0
