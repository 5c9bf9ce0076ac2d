import json
import operator
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.apps.json.document.paths import show_path, values_at
from hdc.apps.json.index.where import Condition, as_filter, parse_where
from hdc.errors import ParameterError

DOCUMENT = {
    "name": "Ada Lovelace",
    "age": 36,
    "score": 2.0,
    "active": True,
    "note": None,
    "tags": ["maths", "poetry"],
    "empty": [],
    "zip": "10115",
    "odd key": {"a=b": 1},
    "visits": [{"year": 1842, "at": [51.5, -0.1]}, {"year": 1843}],
}


@pytest.mark.parametrize(
    "text",
    [
        "age = 36",
        "age=36.0",
        "age >= 36",
        "age<37",
        "age != 37",
        'age != "36"',
        "score = 2",
        "active = true",
        "active != 1",
        "note = null",
        "note exists",
        "nothing missing",
        "empty exists",
        "empty[] missing",
        "name = Ada Lovelace",
        '  name   =   "Ada Lovelace"  ',
        "name ~ ^Ada",
        "name ~ (?i)LOVE",
        'name ~ "a L"',
        "name > Ada",
        'zip = "10115"',
        "zip ~ 0115",
        "tags[] = poetry",
        "tags[0] = maths",
        "tags[] != prose",
        "tags[] ~ et",
        "tags exists",
        "tags[5] missing",
        "visits[].year > 1842",
        "visits[0].at[] < 0",
        "visits[].at[1] <= -0.1",
        "['odd key']['a=b'] = 1",
        "$.age > 1",
        "$ exists",
    ],
)
def test_conditions_that_hold(text):
    assert parse_where(text)(DOCUMENT)


@pytest.mark.parametrize(
    "text",
    [
        'age = "36"',
        "age > 36",
        "age missing",
        "active = 1",
        "score = true",
        "note != null",
        "nothing != 3",
        "nothing = null",
        "note > a",
        "tags = maths",
        "tags[] != maths",
        "tags[] = Maths",
        "age ~ 36",
        "empty[] exists",
        "zip = 10115",
        "name[] = A",
        "name.first exists",
        "visits.year exists",
        "visits[].year > 1843",
    ],
)
def test_conditions_that_do_not_hold(text):
    assert not parse_where(text)(DOCUMENT)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read; expected"),
        ("age", "cannot be read"),
        ("age 3", "cannot be read"),
        ("> 3", "cannot be read"),
        ("age >", "needs a value"),
        ("age == 3", "== is no operator"),
        ("age => 3", "=> is no operator"),
        ("age =~ 3", "=~ is no operator"),
        ("age = [1]", "not an object or array"),
        ('age = "x', "the value is no JSON"),
        ("age = {", "the value is no JSON"),
        ("age < true", "compares numbers or texts, not true"),
        ("age >= null", "compares numbers or texts, not null"),
        ("name ~ (", "no regular expression"),
        ("a..b = 3", "no path"),
        ("a[x] = 3", "no path"),
    ],
)
def test_bad_conditions_say_why(text, message):
    with pytest.raises(ParameterError, match=re.escape(message)):
        parse_where(text)


def test_filters():
    assert as_filter(None) is None
    assert as_filter([]) is None
    assert as_filter("age = 36")(DOCUMENT)
    both = as_filter(["age = 36", "name ~ Turing"])
    assert not both(DOCUMENT)
    assert both({"age": 36, "name": "Turing"})
    assert as_filter(bool) is bool


SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.5, 1.0]) | st.sampled_from(["", "a", "1"])
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "y z"]), inner, max_size=2),
)
PATHS = st.lists(st.sampled_from(["x", "y z", 0, 1, None]), max_size=3).map(tuple)


def naive_values(document, path):
    """All (path, value) pairs of a document, those kept whose path fits."""
    found = []

    def walk(value, here):
        found.append((here, value))
        pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for step, item in pairs:
            walk(item, (*here, step))

    walk(document, ())
    return [
        value
        for here, value in found
        if len(here) == len(path)
        and all(
            step == asked or (asked is None and isinstance(step, int)) for step, asked in zip(here, path, strict=True)
        )
    ]


def naive_holds(operation, value, held):
    if isinstance(held, bool) is not isinstance(value, bool):
        return False
    numbers = isinstance(held, int | float) and isinstance(value, int | float)
    if not numbers and type(held) is not type(value):
        return False
    return {"=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}[operation](
        held, value
    )


@settings(max_examples=300, deadline=None)
@given(DOCUMENTS, PATHS, st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "exists", "missing"]), SCALARS)
def test_conditions_agree_with_a_slow_reading(document, path, operation, value):
    held = naive_values(document, path)
    assert list(values_at(document, path)) == held
    words = operation in ("exists", "missing")
    if operation[0] in "<>" and (value is None or isinstance(value, bool)):
        value = 0
    text = f"{show_path(path)} {operation} {'' if words else json.dumps(value)}"
    expected = {
        "exists": lambda: bool(held),
        "missing": lambda: not held,
        "!=": lambda: bool(held) and not any(naive_holds("=", value, one) for one in held),
    }.get(operation, lambda: any(naive_holds(operation, value, one) for one in held))
    assert parse_where(text)(document) == expected()
    if not words:
        assert parse_where(text) == Condition(path, operation, value)


class TestExpressions:
    @pytest.mark.parametrize("pattern", ["^(a+)+$", "^(a|aa)*$", "(a*)*b", "(?i)(.*a){20}$"])
    def test_the_time_is_linear(self, pattern):
        """With backtracking, 33 characters take minutes."""
        assert not parse_where(f"name ~ {pattern}")({"name": "a" * 100_000 + "!"})

    @pytest.mark.parametrize("pattern", [r"(a)\1", "(?=a)", "(?!a)", "(?<=a)b", "(?<!a)b", r"(?P<x>a)(?P=x)"])
    def test_what_takes_more_than_linear_time_is_refused(self, pattern):
        with pytest.raises(ParameterError, match="linear time, without backreferences and lookaround"):
            parse_where(f"name ~ {pattern}")

    @pytest.mark.parametrize("pattern", ["(", "[", "*", "a{2,1}", r"\Z", "((a{99}){99}){99}", "x" * 10_000_000])
    def test_other_mistakes_and_giants(self, pattern, capfd):
        with pytest.raises(ParameterError, match="is no regular expression of RE2") as caught:
            parse_where(f"name ~ {pattern}")
        assert len(str(caught.value)) < 500
        assert "RE2 searches" not in str(caught.value)
        assert capfd.readouterr().err == ""

    @pytest.mark.parametrize(
        ("pattern", "name"),
        [
            ("ß", "Straße"),
            ("(?i)STRAßE", "straße"),
            ("^.$", "😀"),
            (r"^\pL+$", "Zoë"),
            ("x", "\ud800x"),
            ("a\nb", "a\nb"),
        ],
    )
    def test_texts_are_unicode(self, pattern, name):
        assert Condition(("name",), "~", pattern)({"name": name})


def test_long_conditions_are_read_at_once():
    blanks = " " * 200_000
    assert parse_where(f"a = {blanks}x{blanks}y{blanks}").value == f"x{blanks}y"
    assert len(parse_where(".".join("a" * 100_000) + " exists").path) == 100_000
