import gzip
import io
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdc.apps.json import DocumentError, Record, read
from hdc.apps.json.reading import MAX_DEPTH, parse, parse_bytes

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


@pytest.fixture
def file(tmp_path):
    def write(content):
        path = tmp_path / "in.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def documents(path):
    return [record.document for record in read([path])]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"a": 1}', [{"a": 1}]),
        ('{"a": 1}\n{"a": 2}\n\n{"b": 3}\n', [{"a": 1}, {"a": 2}, {"b": 3}]),
        ('[1, {"a": [2]}]', [1, {"a": [2]}]),
        ('[\n {"a": 1},\n {"a": 2}\n]\n', [{"a": 1}, {"a": 2}]),
        ("[1]\n[2]", [[1], [2]]),
        ('{\n "a": [\n 1]\n}', [{"a": [1]}]),
        ("3", [3]),
        (b"\xef\xbb\xbf" + b'{"a": 1}', [{"a": 1}]),
        ('\n\n  {"a": 1}', [{"a": 1}]),
        (r'"\ud83d\ude00"', ["\U0001f600"]),
    ],
)
def test_json_json_lines_and_arrays(file, content, expected):
    assert documents(file(content)) == expected


def test_sources_name_line_or_item(file):
    path = file('{"a": 1}\n\n{"a": 2}')
    assert list(read([path])) == [Record({"a": 1}, f"{path}:1"), Record({"a": 2}, f"{path}:3")]
    path = file("[7, 8]")
    assert [record.source for record in read([path])] == [f"{path}[0]", f"{path}[1]"]


def test_gzip_is_recognized_by_content(file):
    assert documents(file(gzip.compress(b'{"a": 1}\n{"a": 2}'))) == [{"a": 1}, {"a": 2}]


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b'{"a": 1}\n2'))))
    assert list(read(["-"])) == [Record({"a": 1}, "<stdin>:1"), Record(2, "<stdin>:2")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ":1: empty"),
        (b"\n  \n", ":1: empty"),
        (b"[]", ":1: an empty array"),
        (b'{"a": 1,}', ":1:9: Expecting property name"),
        (b'{"a": 1}\n{"a":,}', ":2:6: Expecting value"),
        (b'{"a": 1}\n\n{"a": 1} x', ":3:10: Extra data"),
        (b"[\n1,\n  NaN]", ":3:3: NaN is not JSON"),
        (b'{"a": [-Infinity]}', ":1:8: -Infinity is not JSON"),
        (b"[1e999]", ":1:2: a number beyond the range of a double"),
        (b"[1.5, -2e999.5]", ":1:7: a number beyond the range of a double"),
        (b"[0, 1-1e999]", ":1:6: Expecting ',' delimiter"),
        (b'{"a": 1,\n "b": {"x": 1, "y": {}, "x": 2}}', ':2:25: the key "x" occurs twice'),
        (b'{"a": 1, "\\u0061": 2}', ':1:10: the key "\\u0061" occurs twice'),
        (b'{"NaN": "NaN", "n": NaN}', ":1:21: NaN is not JSON"),
        (b"[" * 100_000, f":1:{MAX_DEPTH + 1}: nested deeper than {MAX_DEPTH} levels"),
        (b"[" * 100_000 + b"]" * 100_000, f":1:{MAX_DEPTH + 1}: nested deeper"),
        (b'{"a":' * 300 + b"1" + b"}" * 300, f":1:{5 * MAX_DEPTH + 1}: nested deeper"),
        (b'{"a": ' + b"9" * 5000 + b"}", ":1:7: an integer of 5000 digits; at most 4300"),
        (b'{"a": "\xff"}', ":1:8: not UTF-8: byte 0xff"),
        ('{"é": 1}\n{"é": "'.encode() + b'\xe9"}', ":2:8: not UTF-8: byte 0xe9"),
        ('[\n"é", "'.encode() + b'\xe9"]', ":2:7: not UTF-8: byte 0xe9"),
        (b'"a\x01"', ":1:3: Invalid control character"),
        (gzip.compress(b'{"a": 1}' * 50, mtime=0)[:-12], ": cannot be read: Compressed file ended"),
        (b"\x1f\x8b\x07nonsense", ": cannot be read: "),
        (b"PK\x03\x04", ":1:1: Expecting value"),
    ],
)
def test_bad_input_names_the_place(file, content, message):
    path = file(content)
    with pytest.raises(DocumentError) as caught:
        documents(path)
    assert str(caught.value).startswith(f"{path}{message}")


def test_documents_before_a_bad_line_are_read(file):
    records = read([file('{"a": 1}\n{"a": 2}\n{"a": }')])
    assert [next(records).document, next(records).document] == [{"a": 1}, {"a": 2}]
    with pytest.raises(DocumentError, match=":3:7: Expecting value"):
        next(records)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(DocumentError, match="cannot be read: "):
        documents(tmp_path / "missing.json")


def test_limits_are_reached_exactly(file):
    nested = b"[" * MAX_DEPTH + b"]" * MAX_DEPTH
    assert json.dumps(documents(file(b'{"a":1}\n' + nested))[1]).encode() == nested
    assert documents(file("9" * 4300)) == [int("9" * 4300)]


def test_a_string_of_ten_megabytes(file):
    assert documents(file('{"a": "' + "x" * 10_000_000 + '"}')) == [{"a": "x" * 10_000_000}]


@pytest.mark.parametrize(
    ("escaped", "expected"),
    [
        (r"\ud800", "\ufffd"),
        (r"a\udfffb", "a\ufffdb"),
        (r"\ud83d\ude00\ud83d", "\U0001f600\ufffd"),
        (r"\\ud800", r"\ud800"),
        (r"\\\ud800", "\\\ufffd"),
    ],
)
def test_lone_surrogates_read_as_the_replacement_character(escaped, expected):
    assert parse(f'{{"{escaped}": "{escaped}"}}', "text") == {expected: expected}


@given(VALUES)
def test_what_json_writes_is_read(value):
    assert parse(json.dumps(value), "text") == value


@given(st.binary(max_size=40) | st.text(alphabet='[]{}",:0e-.\\uNa \n', max_size=40).map(str.encode))
def test_any_bytes_give_a_value_or_a_document_error(raw):
    try:
        value = parse_bytes(raw, "text")
    except DocumentError:
        with pytest.raises(DocumentError, match=r"^text:\d+:\d+: "):
            parse_bytes(raw, "text")
    else:
        assert json.loads(json.dumps(value)) == value


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_line_cut_short_is_told_on_its_own_line(file, end):
    path = file(f'{{"a": 1}}{end}{{"a":{end}{{"a": 3}}{end}')
    with pytest.raises(DocumentError) as raised:
        documents(path)
    assert str(raised.value) == f"{path}:2:6: Expecting value"
