"""The fast parser takes no text that the strict one would read otherwise, and most that it would read so."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hdc.apps.json.reading import MAX_DEPTH, DocumentError, parse, parse_bytes
from hdc.apps.json.reading import strict as strict_module
from hdc.apps.json.reading.quick import quick, read_known


def outcome(read, *arguments):
    """Return the value with its types, or the text of the error."""
    try:
        return repr(read(*arguments))
    except DocumentError as error:
        return str(error)


NUMBERS = st.sampled_from(
    [
        "0",
        "-0",
        "-0.0",
        "1.0",
        "1E5",
        "1e400",
        "-1e400",
        "5e-324",
        "1e-400",
        "9007199254740993.0",
        "0.1234567890123456789",
    ]
    + [str(sign * (power + add)) for sign in (1, -1) for power in (2**53, 2**63, 2**64, 10**18) for add in (-1, 0, 1)]
    + ["0.1234567890123456789", "01", "1.", ".5", "-", "NaN", "Infinity", "+1", "9" * 5000]
)
PIECES = [*'ab":\\{}[], é\t', r"\"", r"\u0022", r"\ud800", r"\ud83d\ude00", r"\/", r"\n", '":', '",', "\u2028", "\x7f"]
RAW_STRINGS = st.lists(st.sampled_from(PIECES), max_size=5).map(lambda parts: f'"{"".join(parts)}"')
STRINGS = st.one_of(st.text(max_size=4).map(json.dumps), RAW_STRINGS, st.sampled_from(['"a"', '"b"', '""']))
SPACE = st.sampled_from(["", "", " ", "\n", "\t\r", "\f"])


def containers(inner):
    member = st.tuples(STRINGS, SPACE, inner, SPACE).map(lambda m: f"{m[0]}{m[1]}:{m[3]}{m[2]}")
    objects = st.lists(member, max_size=4).map(lambda items: "{" + ",".join(items) + "}")
    return objects | st.lists(inner, max_size=4).map(lambda items: "[" + " , ".join(items) + "]")


TEXTS = st.recursive(
    NUMBERS | STRINGS | st.sampled_from(["true", "false", "null", "", "nul"]), containers, max_leaves=8
)


@pytest.mark.slow
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXTS, SPACE, SPACE)
def test_bytes_are_read_as_text_is(text, before, after):
    whole = before + text + after
    assert outcome(parse_bytes, whole.encode("utf-8", "surrogatepass"), "f", 2) == outcome(parse, whole, "f", 2)


@settings(deadline=None)
@given(st.binary(max_size=40))
def test_any_bytes_are_read_as_without_it(raw):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strict_module, "quick", lambda raw: None)
        expected = outcome(parse_bytes, raw, "f", 1)
    assert outcome(parse_bytes, raw, "f", 1) == expected


@pytest.mark.parametrize(
    "text",
    [
        '{"a":1,"a":1}',
        '{"a" :1,"a":2,"b":"\\u0022\\u0022"}',
        '[{"k":{"a":"x"},"k":0}]',
        "18446744073709551616",
        "[1234567890123456789 ]",
        r'"\ud800"',
        r'"\u0041"',
        "1e400",
        "NaN",
        "",
        "[1,]",
    ],
)
def test_what_is_left(text):
    assert quick(text.encode()) is None


@pytest.mark.parametrize(
    "value", [{"a": [1, -2.5, None, True, {"é": '"quoted"'}]}, [[]], 0, "x", 10**18 - 1, 2**64 - 1, None, False]
)
@pytest.mark.parametrize("spaces", [None, 2])
def test_what_is_not_left(value, spaces):
    text = json.dumps(value, indent=spaces, ensure_ascii=False).encode()
    compact = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    assert repr(quick(text)) == repr((value, compact))


@pytest.mark.parametrize("depth", [MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 1500])
def test_levels_are_counted(depth):
    raw = b"[" * depth + b"]" * depth
    if depth <= MAX_DEPTH:
        assert parse_bytes(raw, "f", 2) == parse(raw.decode(), "f", 2)
    else:
        with pytest.raises(DocumentError, match=f"f:2:{MAX_DEPTH + 1}: nested deeper than {MAX_DEPTH} levels"):
            parse_bytes(raw, "f", 2)
    many = b"[" + b",".join([b"[]"] * 1000) + b"]"
    assert parse_bytes(many, "f", 2) == [[]] * 1000


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False)
    | st.integers(-(2**70), 2**70)
    | st.text(st.characters(), max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(), max_size=2), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(VALUES, st.booleans())
def test_what_was_written_is_read_back(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    if ascii_only or text.decode("utf-8", "replace").encode() == text:
        assert repr(read_known(text)) == repr(value)


def test_what_is_known_may_have_as_many_levels_as_documents():
    text = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert read_known(text) == json.loads(text)
    with pytest.raises(ValueError, match="Expecting"):
        read_known(b"{")
