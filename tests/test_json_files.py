"""Files of every kind, in folders, packed, in parts, and inside wrapping objects."""

import datetime
import decimal
import gzip
import io
import json
import sys

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from hdc.apps.json import DocumentError, Record, read
from hdc.apps.json.reading import detecting, plan, read_part, scanner, write_parquet
from hdc.apps.json.reading.items import parse_items
from hdc.apps.json.reading.records import Counts, Rejects
from hdc.apps.json.reading.whole import read_whole
from hdc.errors import DimensionError, ParameterError

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


class Trickle(io.RawIOBase):
    """A stream that gives a few bytes at a time."""

    def __init__(self, raw, most):
        self.raw, self.most = io.BytesIO(raw), most

    def readable(self):
        return True

    def readinto(self, buffer):
        part = self.raw.read(min(self.most, len(buffer)))
        buffer[: len(part)] = part
        return len(part)


def trickled(raw, most, items=(), on_error="raise"):
    counts = Counts()
    stream = io.BufferedReader(Trickle(raw, most), 1)
    rejects = Rejects(on_error, None, counts)
    return list(read_whole(scanner.Scanner(stream, "f"), "f", items, rejects)), counts.rejected


def documents(*paths, **options):
    return [record.document for record in read(paths, **options)]


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# ---------------------------------------------------------------------- streams


@given(st.lists(VALUES, min_size=1, max_size=5), st.integers(1, 9), st.sampled_from([None, 0, 2]), st.booleans())
def test_any_chunks_give_the_same_items(values, most, indent, ascii):
    text = json.dumps(values, indent=indent, ensure_ascii=ascii)
    records, _ = trickled(text.encode(), most)
    assert [r.document for r in records] == values
    assert [r.source for r in records] == [f"f[{i}]" for i in range(len(values))]


@pytest.mark.slow
@given(st.dictionaries(st.text(alphabet="ab é\n"), st.lists(VALUES, max_size=3)), st.integers(1, 9))
def test_items_of_a_stream_are_those_of_the_value(value, most):
    text = json.dumps({"before": [1, {}], "wrapped": value, "after": 2.5}).encode()
    records, _ = trickled(text, most, parse_items("wrapped{}"), "skip")
    assert [(r.key, r.document) for r in records] == list(value.items())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2", "f:1:6: Expecting ',' delimiter"),
        ("[1,\n 2,\n]", "f:3:1: Expecting value"),
        ("[1,\n {'a': 2}]", "f:2:3: Expecting property name enclosed in double quotes"),
        ("[1]\n\n  x", "f:3:3: Extra data"),
        ('["a", "b', "f:1:7: Unterminated string starting at"),
        ('["aé", tru]', "f:1:8: Expecting value"),
        ("[1e5, 1e999]", "f:1:7: a number beyond the range of a double"),
        ('["é", {"a": 1, "a": 2}]', 'f:1:16: the key "a" occurs twice in one object'),
        ("[1, 1.]", "f:1:6: Expecting ',' delimiter"),
        ("[" + "9" * 4301 + "]", "f:1:2: an integer of 4301 digits; at most 4300 are read"),
        ('["\\ud800\\u"]', "f:1:10: Invalid \\uXXXX escape"),
        (b'["\xc3\xa9", \xff]', "f:1:7: not UTF-8: byte 0xff, invalid start byte"),
        (b'["\xc3\xa9",\n "a\xe9"]', "f:2:4: not UTF-8: byte 0xe9, invalid continuation byte"),
        (b'["\xc3', "f:1:3: not UTF-8: byte 0xc3, unexpected end of data"),
    ],
)
@pytest.mark.parametrize("most", [1, 3, 100_000])
def test_places_do_not_depend_on_chunks(text, message, most):
    with pytest.raises(DocumentError) as caught:
        trickled(text if isinstance(text, bytes) else text.encode(), most)
    assert str(caught.value) == message


def test_a_stream_holds_one_item_at_a_time(tmp_path):
    seen = []

    class Watched(scanner.Scanner):
        def more(self):
            seen.append(len(self.text) - self.at)
            return super().more()

    item = json.dumps({"a": "x" * 1000})
    raw = f"[{', '.join([item] * 20_000)}]".encode()
    records = read_whole(Watched(io.BufferedReader(io.BytesIO(raw)), "f"), "f", (), Rejects("raise", None, Counts()))
    assert sum(1 for _ in records) == 20_000
    assert len(seen) > 10
    assert max(seen) < 2 * len(item)


# ---------------------------------------------------------------------- packed


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
@pytest.mark.parametrize("text", ['{"a": 1}\n{"a": 2}', '[{"a": 1}, {"a": 2}]'])
def test_packed_files_are_recognized_by_content(tmp_path, pack, text):
    assert documents(write(tmp_path / "x", pack(text.encode()))) == [{"a": 1}, {"a": 2}]


def test_several_zstd_frames_are_one_file(tmp_path):
    pack = zstandard.ZstdCompressor().compress
    assert documents(write(tmp_path / "x", pack(b"1\n2") + pack(b"3\n4\n"))) == [1, 23, 4]


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.ZstdCompressor().compress])
@pytest.mark.parametrize("damage", [lambda raw: raw[:-9], lambda raw: raw[:-30] + b"\xff" * 30])
def test_a_damaged_archive_gives_what_is_before_the_damage(tmp_path, pack, damage):
    noise = np.random.default_rng(3).integers(0, 10**9, 20_000)
    path = write(tmp_path / "x.jsonl", damage(pack("".join(f"{n}\n" for n in noise).encode())))
    with pytest.raises(DocumentError, match=r"x\.jsonl: cannot be read: "):
        documents(path)
    reading = read([path], on_error="skip")
    found = [record.document for record in reading]
    assert reading.counts.rejected >= 1
    assert reading.counts.bytes == path.stat().st_size
    assert found == noise[: len(found)].tolist()


def test_the_extra_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DocumentError, match=r"pip install 'hdc-toolkit\[parquet\]'"):
        documents(write(tmp_path / "x.parquet", b"PAR1"), on_error="skip")
    with pytest.raises(DocumentError, match=r"pip install 'hdc-toolkit\[parquet\]'"):
        write_parquet(tmp_path / "y.parquet", np.zeros((1, 2)))


# ---------------------------------------------------------------------- names and formats


def test_a_folder_gives_its_files_in_order_and_says_what_it_skips(tmp_path):
    (tmp_path / "b" / ".git").mkdir(parents=True)
    write(tmp_path / "b" / "2.json", "[2, 3]")
    write(tmp_path / "b" / "1.NDJSON.GZ", gzip.compress(b"1\n"))
    hidden = write(tmp_path / "b" / ".git" / "x.json", "broken")
    write(tmp_path / "c.geojson", "4")
    pyarrow.parquet.write_table(pyarrow.table({"a": [5]}), tmp_path / "d.parquet")
    note = write(tmp_path / "a.txt", "a note")
    reading = read([tmp_path])
    assert [record.document for record in reading] == [1, 2, 3, 4, {"a": 5}]
    assert reading.skipped == [note, hidden]


def test_a_folder_without_documents_is_an_error(tmp_path):
    with pytest.raises(DocumentError, match="a folder without documents"):
        read([tmp_path])


@pytest.mark.parametrize(
    ("name", "format", "text", "expected"),
    [
        ("x.jsonl", "auto", "[1, 2]", [[1, 2]]),
        ("x.jsonl.gz", "auto", "[1, 2]\n", [[1, 2]]),
        ("x", "lines", "[1, 2]", [[1, 2]]),
        ("x.jsonl", "json", "[1, 2]", [1, 2]),
        ("x", "json", "\n [1,\r\n 2]\r\n", [1, 2]),
        ("x", "auto", "\ufeff\r\n[1]\r\n\r\n[2]\r\n", [[1], [2]]),
        ("x.jsonl", "auto", "\ufeff\n1\n", [1]),
    ],
)
def test_the_format_is_that_of_the_name_the_text_or_as_asked(tmp_path, name, format, text, expected):
    assert documents(write(tmp_path / name, text), format=format) == expected


def test_the_first_line_may_come_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(detecting, "CHUNK", 3)
    assert documents(write(tmp_path / "x", '{"a": [1, 2]}\n\n\n{"a": 2}')) == [{"a": [1, 2]}, {"a": 2}]
    assert documents(write(tmp_path / "y", '[{"a": 1}]')) == [{"a": 1}]


def test_unknown_choices_are_told(tmp_path):
    path = write(tmp_path / "x", "1")
    with pytest.raises(ParameterError, match="on_error must be"):
        read([path], on_error="ignore")
    with pytest.raises(ParameterError, match="format must be one of"):
        read([path], format="csv")
    with pytest.raises(ParameterError, match="is no path"):
        read([path], items="a..b")
    with pytest.raises(ParameterError, match="part_bytes must be an integer of at least 1"):
        plan([path], 0)


# ---------------------------------------------------------------------- items

WRAPPED = {"type": "F", "features": [{"id": 1, "tags": ["a", "b"]}, {"id": 2, "tags": []}], "by id": {"p": 1, "q": [2]}}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("features[]", [("features[0]", None), ("features[1]", None)]),
        ("features[1].id", [("features[1].id", None)]),
        ("features[].tags[]", [("features[0].tags[0]", None), ("features[0].tags[1]", None)]),
        ("['by id']{}", [("['by id'].p", "p"), ("['by id'].q", "q")]),
        ("{}", [("type", "type"), ("features", "features"), ("['by id']", "by id")]),
    ],
)
@pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
def test_items_at_a_path(tmp_path, name, items, expected):
    path = write(tmp_path / name, json.dumps(WRAPPED))
    line = ":1" if name == "x.jsonl" else ""
    records = list(read([path], items=items))
    joins = ["" if place[0] == "[" else ":" for place, _ in expected]
    sources = [(f"{path}{line}{join}{place}", key) for join, (place, key) in zip(joins, expected, strict=True)]
    assert [(record.source, record.key) for record in records] == sources
    assert [record.document for record in records] == [eval_path(place) for place, _ in expected]


def eval_path(place):
    value = WRAPPED
    for step in parse_items(place):
        value = value[step]
    return value


@pytest.mark.parametrize(
    ("text", "items", "message"),
    [
        ('{"a": 1}', "b[]", ": has nothing at b[]; check the path"),
        ('{"a": 1}', "a[]", ":1:7: expected an array here, found a number or constant"),
        ('{"a": [1]}', "a.b", ":1:7: expected an object here, found an array"),
        ('{"a": [1], "a": 2}', "a[]", ':1:12: the key "a" occurs twice in one object'),
        ('{"a": [1], }', "a[]", ":1:12: Expecting property name"),
        ('{"a" [1]}', "a[]", ":1:6: Expecting ':' delimiter"),
        ('{"a": [1]', "a[]", ":1:10: Expecting ',' delimiter"),
        ('{"a": [1], "b": }', "a[]", ":1:17: Expecting value"),
        ('{"a": [1]} 2', "a[]", ":1:12: Extra data"),
    ],
)
def test_what_is_wrong_around_items_is_told(tmp_path, text, items, message):
    path = write(tmp_path / "x.json", text)
    with pytest.raises(DocumentError) as caught:
        documents(path, items=items)
    assert str(caught.value).startswith(f"{path}{message}")


@pytest.mark.parametrize(
    ("items", "message"),
    [("b[]", ":1: has nothing at b[]"), ("a{}", ":1:a: expected an object here, found an array")],
)
def test_what_is_wrong_in_a_line_with_items_is_told(tmp_path, items, message):
    path = write(tmp_path / "x.jsonl", '{"a": [1]}')
    with pytest.raises(DocumentError) as caught:
        documents(path, items=items)
    assert str(caught.value).startswith(f"{path}{message}")


# ---------------------------------------------------------------------- parts


@given(
    st.lists(st.sampled_from(['{"a": 1}', "", "[2]", '"é"', "3  ", "x"]), min_size=1, max_size=12),
    st.integers(1, 30),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_parts_cover_a_file_exactly(tmp_path_factory, lines, part_bytes, end, mark):
    path = tmp_path_factory.mktemp("parts") / "x.jsonl"
    write(path, "\ufeff" * mark + end.join(lines))
    parts = plan([path], part_bytes)
    assert [part.start for part in parts] == [0, *(part.stop for part in parts[:-1])]
    assert parts[-1].stop == path.stat().st_size
    assert len({part.fingerprint for part in parts}) == len(parts)
    whole, pieces = read([path], on_error="skip"), [read_part(part, on_error="skip") for part in parts]
    assert [record for piece in pieces for record in piece] == list(whole)
    if any(lines):
        assert sum(piece.counts.rejected for piece in pieces) == whole.counts.rejected == lines.count("x")
    assert sum(piece.counts.bytes for piece in pieces) == path.stat().st_size


def test_what_cannot_be_divided_is_one_part(tmp_path, monkeypatch):
    files = [
        write(tmp_path / "a.json", "[1, 2, 3]"),
        write(tmp_path / "b.jsonl.gz", gzip.compress(b"4\n5\n")),
        write(tmp_path / "c.json", "6\n7\n"),
    ]
    pyarrow.parquet.write_table(pyarrow.table({"a": [8]}), tmp_path / "d.parquet")
    parts = plan([tmp_path, "-"], 1)
    assert [part.path for part in parts] == [*map(str, [*files, files[-1], tmp_path / "d.parquet"]), "-"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"9"))))
    assert [r.document for part in parts for r in read_part(part)] == [1, 2, 3, 4, 5, 6, 7, {"a": 8}, 9]


def test_a_file_that_has_changed_is_planned_again(tmp_path):
    path = write(tmp_path / "x.jsonl", "1\n2\n")
    parts = plan([path], 1)
    write(path, "1\n2\n3\n")
    with pytest.raises(DocumentError, match="has changed since its parts were planned"):
        read_part(parts[0])
    path.unlink()
    with pytest.raises(DocumentError, match="cannot be read: No such file"):
        read_part(parts[0])
    with pytest.raises(DocumentError, match="cannot be read: No such file"):
        plan([path])


# ---------------------------------------------------------------------- Parquet


def test_parquet_rows_are_documents(tmp_path):
    instant = datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    nested = pyarrow.struct([("at", pyarrow.timestamp("ns")), ("xs", pyarrow.list_(pyarrow.float32()))])
    table = pyarrow.table(
        {
            "text": ["a", None],
            "nested": pyarrow.array([{"at": 1_500, "xs": [1.5, float("nan")]}, None], nested),
            "instant": pyarrow.array([instant, None], pyarrow.timestamp("ms", "UTC")),
            "day": [datetime.date(2020, 1, 2), None],
            "clock": pyarrow.array([1_001, None], pyarrow.time64("ns")),
            "spent": pyarrow.array([1_500_000_000, None], pyarrow.duration("ns")),
            "price": [decimal.Decimal("1.50"), decimal.Decimal("2.00")],
            "raw": [b"\xff\x00", None],
            "map": pyarrow.array(
                [[(1, decimal.Decimal("1"))], []], pyarrow.map_(pyarrow.int64(), pyarrow.decimal128(3))
            ),
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
    first, second = read([tmp_path / "x.parquet"])
    assert first == Record(
        {
            "text": "a",
            "nested": {"at": "1970-01-01T00:00:00.000001", "xs": [1.5, None]},
            "instant": "2020-01-02T03:04:05+00:00",
            "day": "2020-01-02",
            "clock": "00:00:00.000001",
            "spent": 1.5,
            "price": 1.5,
            "raw": "/wA=",
            "map": {"1": 1},
        },
        f"{tmp_path / 'x.parquet'}[0]",
    )
    assert second.document == {**dict.fromkeys(first.document), "price": 2, "map": {}}
    json.dumps([first.document, second.document], allow_nan=False)


def test_parquet_rows_that_are_no_json_are_rejected(tmp_path):
    path, rejects = tmp_path / "x.parquet", tmp_path / "rejects"
    pyarrow.parquet.write_table(pyarrow.table({"a": [1.0, float("inf"), 3.0]}), path)
    with pytest.raises(DocumentError, match=r"x\.parquet\[1\]: an infinite number"):
        documents(path)
    assert documents(path, on_error="skip", rejects=rejects) == [{"a": 1.0}, {"a": 3.0}]
    assert json.loads(rejects.read_text())["text"] == "{'a': inf}"
    assert documents(path, items="a", on_error="skip") == [1.0, 3.0]


def test_a_damaged_parquet_file_is_told(tmp_path):
    pyarrow.parquet.write_table(pyarrow.table({"a": [1, 2]}), tmp_path / "x")
    path = write(tmp_path / "y", (tmp_path / "x").read_bytes()[:-20])
    with pytest.raises(DocumentError, match="y: cannot be read: "):
        documents(path)
    assert documents(path, on_error="skip") == []


def test_parquet_cannot_come_from_a_pipe(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"PAR1"))))
    with pytest.raises(DocumentError, match="cannot be read from a pipe"):
        documents("-")


@pytest.mark.parametrize("dtype", [np.float32, np.uint64])
def test_vectors_written_to_parquet_come_back(tmp_path, dtype):
    vectors = np.random.default_rng(1).integers(0, 2**50, (5, 3)).astype(dtype)
    write_parquet(tmp_path / "x.parquet", vectors, sources=list("abcde"), keys=["k", None, "l", "m", "n"])
    table = pyarrow.parquet.read_table(tmp_path / "x.parquet")
    assert table.column_names == ["key", "source", "vector"]
    np.testing.assert_array_equal(np.array(table["vector"].to_pylist(), dtype), vectors)
    assert table["key"].to_pylist() == ["k", None, "l", "m", "n"]
    assert [path.name for path in tmp_path.iterdir()] == ["x.parquet"]


def test_vectors_of_another_shape_are_refused(tmp_path):
    with pytest.raises(DimensionError, match=r"got shape \(3,\)"):
        write_parquet(tmp_path / "x", np.zeros(3))
    with pytest.raises(DimensionError, match="1 of source"):
        write_parquet(tmp_path / "x", np.zeros((2, 3)), sources=["a"])
