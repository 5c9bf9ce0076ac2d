"""Bad records are raised, or skipped and written down, and the good ones after them are read."""

import base64
import gzip
import io
import json
import random

import pytest

from hdc.apps.json import DocumentError, read
from hdc.apps.json.reading import plan, read_part, records, scanner
from hdc.apps.json.reading.records import Counts, Rejects
from hdc.apps.json.reading.whole import read_whole
from hdc.errors import ParameterError


@pytest.fixture
def skipping(tmp_path):
    """Read a text with errors skipped: documents, and the lines of the rejects file without the folder."""

    def run(content, name="in.json", **options):
        path, rejects = tmp_path / name, tmp_path / "rejects.jsonl"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        reading = read([path], on_error="skip", rejects=rejects, **options)
        documents = [record.document for record in reading]
        lines = [json.loads(line.replace(f"{tmp_path}/", "")) for line in rejects.read_text().splitlines()]
        assert reading.counts.read == len(documents)
        assert reading.counts.rejected == len(lines)
        return documents, lines

    return run


def test_bad_lines_are_written_down_with_their_place(skipping):
    documents, rejected = skipping(b'{"a": 1}\n{"a": }\r\n"\xff"\n\n[NaN]\n2 3\n{"a": 2}', "x.jsonl")
    assert documents == [{"a": 1}, {"a": 2}]
    assert rejected == [
        {"source": "x.jsonl:2", "reason": "x.jsonl:2:7: Expecting value", "text": '{"a": }\r\n'},
        {
            "source": "x.jsonl:3",
            "reason": "x.jsonl:3:2: not UTF-8: byte 0xff, invalid start byte",
            "base64": base64.b64encode(b'"\xff"\n').decode(),
        },
        {
            "source": "x.jsonl:5",
            "reason": "x.jsonl:5:2: NaN is not JSON; write null or leave the field out",
            "text": "[NaN]\n",
        },
        {"source": "x.jsonl:6", "reason": "x.jsonl:6:3: Extra data", "text": "2 3\n"},
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": }\n{"a": 2}\n3', [{"a": 2}, 3]),
        ('{"a": "x\n{"a": 2}', [{"a": 2}]),
        ("NaN\n2", [2]),
        ('{"a": }', []),
        ('{"a":\n{"b": 2}\n{"c": 3}', []),
    ],
)
def test_a_bad_first_line_without_a_telling_name(skipping, text, expected):
    documents, rejected = skipping(text)
    assert documents == expected
    assert len(rejected) == 1


GOOD = '{"a": 1}'


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('{"a": }', "Expecting value"),
        ('{"a": NaN, "b": [1, 2]}', "NaN is not JSON"),
        ('{"a": 1, "a": [1, {}]}', 'the key "a" occurs twice'),
        ('{"a": {"b": 1,}, "c": "x, y]"}', "Expecting property name"),
        ("9" * 5000, "an integer of 5000 digits"),
        ("nul", "Expecting value"),
        ("[" * 300 + "]" * 300, "nested deeper than"),
        ('{"a": [1, 2}', "Expecting ',' delimiter"),
        ('{"a": "x}', "Invalid control character"),
        ('{"a": "b" "c"}', "Expecting ',' delimiter"),
        ('{"a": 1', "Expecting "),
    ],
)
@pytest.mark.parametrize(
    "layout", ["[\n  {0},\n  {1},\n  {0},\n  {0}\n]", "[\n{0},\n{1},\n{0},\n{0}\n]", "[\n{0},\n{0},\n{0},\n{1}\n]\n"]
)
def test_the_array_goes_on_behind_a_bad_item_on_its_own_line(skipping, bad, reason, layout):
    documents, rejected = skipping(layout.replace("{0}", GOOD).replace("{1}", bad))
    assert documents == [{"a": 1}] * 3
    assert len(rejected) == 1
    assert reason in rejected[0]["reason"]
    assert bad in rejected[0]["text"]


@pytest.mark.parametrize(
    "bad",
    ['{"a": }', '{"a": NaN}', '{"a": 1,}', "1.5e999", "nul", '{"a": "x\\q"}', b'{"a": "\xff"}', "[" * 300 + "]" * 300],
)
@pytest.mark.parametrize("most", [1, 1 << 20])
def test_a_compact_array_goes_on_behind_an_item_whose_brackets_are_in_order(bad, most):
    raw = b'[{"a": 1}, %s, {"a": 1}]' % (bad if isinstance(bad, bytes) else bad.encode())
    counts = Counts()
    stream = io.BufferedReader(io.BytesIO(raw), most)
    found = read_whole(scanner.Scanner(stream, "f"), "f", (), Rejects("skip", None, counts))
    assert [(record.source, record.document) for record in found] == [("f[0]", {"a": 1}), ("f[2]", {"a": 1})]
    assert counts.rejected == 1


def test_a_missing_comma_costs_no_item(skipping):
    documents, rejected = skipping('[{"a": 1} {"a": 2}, {"a": 3}]')
    assert documents == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert [line["reason"] for line in rejected] == ["in.json:1:11: Expecting ',' delimiter"]


@pytest.mark.parametrize(
    "text", ['[1, {"a": "x}, {"b": "z"}, {"c": 1}]', '[1, {"a": [1}, 2]', "[1, 2", "[1, 2] 3", '[1, {"a":\n\n']
)
def test_where_going_on_is_not_safe_the_rest_is_rejected_as_one(skipping, text):
    documents, rejected = skipping(text)
    assert documents in ([1], [1, 2])
    assert len(rejected) == 1
    assert "the rest is left out" in rejected[0]["reason"]


def test_lines_of_another_array_are_not_taken_for_items(skipping):
    text = '{"features": [\n  {"a": 1},\n  {"a": 2, "b": "}\n ],\n "others": [\n  {"c": 1},\n  {"c": 2}\n ]}'
    documents, rejected = skipping(text, items="features[]")
    assert documents == [{"a": 1}]
    assert len(rejected) == 1


def test_objects_keyed_by_id_go_on_behind_a_bad_value(skipping):
    documents, rejected = skipping('{"p": 1, "q": {"a": }, "r": NaN, "s": 4}', items="{}")
    assert documents == [1, 4]
    assert [line["source"] for line in rejected] == ["in.json:q", "in.json:r"]


def test_an_item_that_is_pretty_printed_is_passed_as_a_whole(skipping):
    items = [{"a": {"b": [{"c": i}, {"d": [1]}]}} for i in range(4)]
    text = json.dumps(items, indent=1).replace('"c": 1', '"c": "').replace('"c": 2', '"c" 2')
    documents, rejected = skipping(text)
    assert documents == [items[0], items[3]]
    assert len(rejected) == 2


@pytest.mark.parametrize("text", ["", " \n", "[]"])
def test_an_empty_file_is_a_reject(skipping, text):
    assert skipping(text)[0] == []
    assert len(skipping(text)[1]) == 1


def test_files_behind_a_bad_one_are_read(tmp_path):
    (tmp_path / "a.json").write_bytes(gzip.compress(b'{"a": 1}' * 50)[:-12])
    (tmp_path / "b.json").write_text("[1")
    (tmp_path / "c.json").write_text("3")
    reading = read([tmp_path], on_error="skip")
    assert [record.document for record in reading] == [1, 3]
    assert reading.counts.rejected == 2
    assert reading.counts.bytes == sum(path.stat().st_size for path in tmp_path.iterdir())


def test_a_file_that_is_not_there_is_never_skipped(tmp_path):
    with pytest.raises(DocumentError, match="cannot be read: No such file"):
        list(read([tmp_path / "missing"], on_error="skip"))


def test_a_long_reject_is_cut(skipping, monkeypatch):
    monkeypatch.setattr(records, "REJECT_BYTES", 5)
    assert skipping('"a\n"bcdefgh\n1', "x.jsonl")[1][1] | {"reason": ""} == {
        "source": "x.jsonl:2",
        "reason": "",
        "text": '"bcde',
        "cut": True,
    }


def test_parts_share_a_rejects_file(tmp_path):
    path, rejects = tmp_path / "x.jsonl", tmp_path / "rejects"
    path.write_text("1\nx\n3\ny\n")
    found = [list(read_part(part, on_error="skip", rejects=rejects)) for part in plan([path], 4)]
    assert [[record.source for record in part] for part in found] == [[f"{path}:1"], [f"{path}:3"]]
    assert [json.loads(line)["source"] for line in rejects.read_text().splitlines()] == [f"{path}:2", f"{path}:4"]


def test_a_rejects_file_that_cannot_be_is_told_before_the_work(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("1")
    with pytest.raises(ParameterError, match="is an input"):
        read([tmp_path], on_error="skip", rejects=path)
    assert path.read_text() == "1"
    with pytest.raises(ParameterError, match="the rejects file cannot be written"):
        read([path], on_error="skip", rejects=tmp_path / "no" / "rejects")
    with pytest.raises(ParameterError, match='needs on_error="skip"'):
        read([path], rejects=tmp_path / "rejects")


# ---------------------------------------------------------------------- fuzz

SEEDS = [
    b'{"id": 1, "at": [1.5, -2e3], "s": "\\u00e9\\ud83d\\ude00", "t": {"x": null, "y": true}}\n{"id": 2}\n',
    b'[\n  {"id": 1, "tags": ["a", "b"]},\n  {"id": 2, "tags": []},\n  {"id": 3}\n]\n',
    b'{"features": [{"id": 1}, {"id": "a b"}], "n": 12345678901234567890}',
    gzip.compress(b'[{"a": 1}, {"a": 2}]', mtime=0),
]
PIECES = [
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\n",
    b"\r\n",
    b"\xff",
    b"\xc3",
    b"NaN",
    b"1e999",
    b"\x00",
    b"",
]


def mutated(raw, random):
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(raw) + 1)
        piece = random.choice([*PIECES, random.randbytes(2), raw[at : at + 9] * 2])
        raw = raw[:at] + piece + raw[at + random.choice([0, 1, len(piece), 20]) :]
    return raw


@pytest.mark.slow
@pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
def test_any_damage_is_a_document_error_or_a_reject(tmp_path, name):
    chance, path = random.Random(name), tmp_path / name
    ends = set()
    for _ in range(1500):
        path.write_bytes(mutated(chance.choice(SEEDS), chance))
        items = chance.choice([None, None, "features[]", "{}"])
        try:
            strict = [(record.source, record.document) for record in read([path], items=items)]
        except DocumentError:
            strict = None
        reading = read([path], on_error="skip", items=items)
        found = [(record.source, record.document) for record in reading]
        assert (reading.counts.rejected == 0) == (strict is not None)
        if strict is not None:
            assert found == strict
        ends.add((strict is None, bool(found)))
    assert ends >= {(False, True), (True, True), (True, False)}


def test_no_good_line_is_lost(tmp_path):
    chance, path = random.Random(1), tmp_path / "x.jsonl"
    good = [json.dumps({"id": i, "text": "é, ]}" * 3}, ensure_ascii=bool(i % 2)).encode() for i in range(200)]
    lines = [mutated(line, chance).replace(b"\n", b" ") if chance.random() < 0.3 else line for line in good]
    path.write_bytes(b"\n".join(lines))
    expected = [i for i, line in enumerate(good) if lines[i] == line]
    found = {record.source: record.document for record in read([path], on_error="skip")}
    assert len(expected) > 100
    assert all(found[f"{path}:{i + 1}"] == json.loads(good[i]) for i in expected)
