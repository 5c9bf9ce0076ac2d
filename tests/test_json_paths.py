import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdc.apps.json.document.paths import PathRules, parse_path, show_path
from hdc.errors import ParameterError

KEYS = st.text(max_size=4) | st.sampled_from(["$", "$ref", "a b", "it's", 'a"b', "['x']", "[]", ".", "\\", "\ud800"])
PATHS = st.lists(KEYS | st.none() | st.integers(0, 10**6), max_size=4).map(tuple)


@given(PATHS)
def test_a_shown_path_is_read_back(path):
    assert parse_path(show_path(path)) == path


@given(PATHS, PATHS)
def test_different_paths_look_different(one, other):
    assert (show_path(one) == show_path(other)) is (one == other)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", ()),
        ("$", ()),
        ("$ref", ("$ref",)),
        ("$.a", ("a",)),
        ("$[2]", (2,)),
        ("[]", (None,)),
        ("phenotypicFeatures[].type.label", ("phenotypicFeatures", None, "type", "label")),
        ("coordinates[0]", ("coordinates", 0)),
        ("['odd key'].x", ("odd key", "x")),
        ('a["it\'s"]', ("a", "it's")),
        (r"['\x00\u2028\U0001f600']", ("\0\u2028\U0001f600",)),
    ],
)
def test_paths_are_read(text, path):
    assert parse_path(text) == path


@pytest.mark.parametrize(
    "text", [".a", "a.", "a..b", "a b", "a[", "a[-1]", "a[x]", "a['x]", "a]", "a[0]b", r"['\q']", "a['x'", "$$.", " "]
)
def test_what_is_no_path_is_refused(text):
    with pytest.raises(ParameterError, match=r"is no path: a step cannot begin with ."):
        parse_path(text)


def test_a_path_is_a_string():
    with pytest.raises(ParameterError, match=r"must be a string such as 'type\.label', not 3"):
        parse_path(3)


def test_the_longest_rule_holds():
    rules = PathRules({"a": 1, "a.b": 2, "a.b[].c": 3, "a.b[1]": 4, "a.b[1].c": 5, "l[]": 6, "l[0]": 7}, 0)
    values = {
        (): 0, ("b",): 0, ("a",): 1, ("a", "x"): 1, ("a", "b"): 2, ("a", "b", None): 2, ("a", "b", 1): 4,
        ("a", "b", 0, "c"): 3, ("a", "b", None, "c", "d"): 3, ("a", "b", 1, "c"): 5, ("ab",): 0,
        ("l",): 0, ("l", None): 6, ("l", 0): 7, ("l", 1, "x"): 6, ("l", "x"): 0,
    }  # fmt: skip
    assert {path: rules[path] for path in values} == values


def test_a_rule_for_everything():
    assert PathRules({"": 2}, 0)["a", 1] == PathRules({"$": 2}, 0)[()] == 2
    assert PathRules({}, 5)["a",] == 5
    with pytest.raises(ParameterError, match=r"two rules for \$; give one"):
        PathRules({"": 2, "$": 3}, 0)
