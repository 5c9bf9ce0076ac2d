"""Tables of ``hdc learn``: what cells and columns are taken for, in every format, and what hostile files are told."""

import csv
import gzip
import io
import json
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.apps.learn.tables import cells
from hdc.apps.learn.tables.blocks import TableError
from hdc.apps.learn.tables.csv_rows import read_csv
from hdc.apps.learn.tables.schema import Schema, learn_schema, without
from hdc.apps.learn.tables.source import opened
from hdc.errors import FileFormatError, HDCError, ParameterError

ROWS = 40


def generated():
    """Return columns of every kind, as Python values."""
    return {
        "id": [f"p{row:03}" for row in range(ROWS)],
        "row": list(range(ROWS)),
        "size": [row * 0.5 + row % 3 for row in range(ROWS)],
        "count": [row % 7 for row in range(ROWS)],
        "color": ["red", "green", "blue", "red"] * 10,
        "born": [f"1990-01-{row % 28 + 1:02}" for row in range(ROWS)],
        "note": [f"patient number {row} said word{row * 7 % 31} again" for row in range(ROWS)],
        "same": ["x"] * ROWS,
        "empty": [None] * ROWS,
        "kind": ["a", "b"] * 20,
    }


KINDS = {"size": "numeric", "count": "numeric", "color": "category", "born": "date", "note": "text"}
LEFT_OUT = {"id", "row", "same", "empty"}


def rows_of(columns):
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def written(tmp_path, name):
    """Write the generated table in the format that a name says, and return its path."""
    path, columns = tmp_path / name, generated()
    if "parquet" in name:
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.table(columns), path)
        return path
    text = io.StringIO()
    if "json" in name:
        text.writelines(json.dumps(row) + "\n" for row in rows_of(columns))
    else:
        writer = csv.writer(text, delimiter=";" if "semicolon" in name else "\t" if "tsv" in name else ",")
        writer.writerows([columns, *zip(*columns.values(), strict=True)])
    raw = text.getvalue().encode()
    if name.endswith(".gz"):
        raw = gzip.compress(raw)
    elif name.endswith(".zst"):
        import zstandard

        raw = zstandard.compress(raw)
    path.write_bytes(raw)
    return path


FORMATS = ["t.csv", "t.csv.gz", "t.csv.zst", "semicolon.csv", "t.tsv", "t.jsonl", "t.jsonl.gz", "t.parquet", "unnamed"]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_the_same_table(name, tmp_path):
    if name == "t.parquet":
        pytest.importorskip("pyarrow", reason="Parquet is an extra")
    with opened(str(written(tmp_path, name))) as source:
        schema = learn_schema(source, "kind")
        blocks = list(source.blocks(rows=7))
    assert schema.columns == KINDS
    assert {*schema.left_out} == LEFT_OUT
    assert (schema.task, schema.classes, schema.rows) == ("classify", ["a", "b"], ROWS)
    assert [len(block) for block in blocks] == [7] * 5 + [5]
    parts = [schema.features(block) for block in blocks]
    found = {name: np.concatenate([part[name] for part in parts]) for name in KINDS}
    expected = generated()
    assert found["size"].tolist() == expected["size"]
    assert found["born"].tolist() == [7305 + row % 28 for row in range(ROWS)]
    assert found["note"].tolist() == expected["note"]
    assert found["color"].tolist() == expected["color"]
    assert np.concatenate([schema.targets(block) for block in blocks]).tolist() == expected["kind"]


@given(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12), st.dates(), st.datetimes(),
        st.sampled_from(sorted(cells.MISSING)), st.sampled_from(["1e999", "-inf", "1_0", " 2 ", "0x10", "٣"]),
    )
)  # fmt: skip
def test_a_cell_is_missing_or_a_word_and_perhaps_a_number(value):
    found = cells.number(value)
    assert math.isnan(found) or math.isfinite(found)
    assert (cells.words([value])[0] is None) == cells.is_missing(value)
    assert np.array_equal(cells.numbers([value]), [found], equal_nan=True)
    if isinstance(value, float) and abs(value) <= cells.GREATEST:
        assert found == value == cells.number(repr(value))
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        assert found == value == cells.number(str(value))
        assert cells.word(value) == cells.word(str(value)) == str(value)


@given(st.lists(st.one_of(st.floats().map(repr), st.text(max_size=5), st.just("1_0")), max_size=20))
def test_numbers_at_once_are_numbers_one_by_one(values):
    assert np.array_equal(cells.numbers(values), [cells.number(value) for value in values], equal_nan=True)


CELLS = st.text(st.characters(codec="utf-8"), max_size=8)


@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=9))
def test_what_the_csv_module_writes_is_read(rows):
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([["a", "b", "c"], *rows])
    stream = io.BufferedReader(io.BytesIO(text.getvalue().encode()))
    found = [
        list(row)
        for block in read_csv(stream, "t", delimiter=None, header=True, encoding="utf-8", rows=2)
        for row in zip(*block.columns.values(), strict=True)
    ]
    assert found == rows


@settings(max_examples=300)
@given(
    raw=st.one_of(
        st.binary(max_size=60),
        st.text('ab12,;"\n\r\t |', max_size=60).map(str.encode),
        st.text('{}[]:,"ab1\n', max_size=40).map(str.encode),
        st.binary(max_size=30).map(b"\x1f\x8b".__add__),
        st.binary(max_size=30).map(b"PAR1".__add__),
        st.binary(max_size=30).map(b"\x28\xb5\x2f\xfd".__add__),
    ),
    name=st.sampled_from(["t.csv", "t.jsonl", "t"]),
)
def test_no_bytes_raise_anything_but_a_typed_error(raw, name, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / f"fuzzed_{name}"
    path.write_bytes(raw)
    said = ""
    try:
        with opened(str(path)) as source:
            schema = learn_schema(source, "a")
            for block in source.blocks():
                schema.features(block)
                schema.targets(block)
    except HDCError as error:
        said = str(error)
    assert not said or said.startswith(str(path))


HOSTILE = {
    "": "t.csv:1: empty",
    "a,b\n": "a header, and no rows",
    "a,b\n1,2\n3\n": "t.csv:3: 1 cell, and the first line has 2",
    "a,b\n1,2\n\n3,4,5\n": "t.csv:4: 3 cells, and the first line has 2",
    "a,a\n1,2\n": "t.csv:1: two columns have the name 'a'",
    "1,2\n3,4\n": "t.csv:1: only numbers; expected names of columns, or --no-header",
    'a,b\n1,"2\n3,4\n': "t.csv:2: a quote opens that nothing closes",
    'a,b\n1,"2"3\n': "t.csv:2: something follows a closing quote",
    f'a,b\n1,2\n3,"{"x" * 200_000}': "t.csv:3: a cell of more than 131,072 characters; is a quote not closed?",
    "a,b\r1,2\r": "t.csv:1: a carriage return inside a cell that is not quoted",
    "a\n" + "x\n" * 3: "t.csv: every known 'a' is 'x'; expected two classes or more",
    "a,b\nNA,1\n,2\n": "t.csv: no value of 'a' is known",
    "a,b\nx,1\ny,1\n": "no column to learn from beside 'a': b (one value only)",
    "b,c\nx,1\n": "t.csv: no column 'a'; it has b, c",
    "a,b\n" + "".join(f"k{row},{row % 5}\n" for row in range(1500)): "'a' has more than 1,000 different values",
}


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_a_bad_table_is_told_where_and_why(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_text(text, newline="")
    with pytest.raises(TableError, match=re.escape(HOSTILE[text])), opened("t.csv") as source:
        learn_schema(source, "a")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"a,b\n1,\xff\n", "t.csv:2: byte 3 is not utf-8; name the encoding"),
        ("a,b\n1,2\n".encode("utf-16"), "t.csv:1: UTF-16; expected UTF-8"),
        (gzip.compress(b"a,b\n" + bytes(range(200)) * 9, mtime=0)[:-30], "t.csv:.*cannot be read"),
        (b"PAR1 and nothing", "t.csv: cannot be read as Parquet"),
    ],
)
def test_bad_bytes(raw, message, tmp_path, monkeypatch):
    pytest.importorskip("pyarrow", reason="Parquet is an extra")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_bytes(raw)
    with pytest.raises(TableError, match=message), opened("t.csv") as source:
        learn_schema(source, "a")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoding": "utf-16"}, "ASCII inside"),
        ({"encoding": "x"}, "unknown encoding"),
        ({"delimiter": ",,"}, "a char"),
    ],
)
def test_bad_options(options, message, tmp_path):
    with pytest.raises(ParameterError, match=message), opened(str(written(tmp_path, "t.csv")), **options):
        pass


def test_a_line_has_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr("hdc.apps.learn.tables.csv_rows.LINE", 1000)
    (tmp_path / "t.csv").write_text("a,b\n1," + "2" * 1000)
    path = str(tmp_path / "t.csv")
    with pytest.raises(TableError, match=r"t\.csv:2: a line of more than 1,000 bytes"), opened(path) as source:
        learn_schema(source, "a")


def test_columns_have_a_limit():
    stream = io.BufferedReader(io.BytesIO(b"a," * 30_000))
    with pytest.raises(TableError, match="expected at most 20,000"):
        next(read_csv(stream, "t", delimiter=None, header=True, encoding="utf-8"))


def test_what_a_number_is_not_is_missing_and_said(tmp_path):
    cells_of_a = [str(row / 7) for row in range(99)] + ["oops"]
    (tmp_path / "t.csv").write_text(
        "a,y\n" + "".join(f"{cell},{'pq'[row % 2]}\n" for row, cell in enumerate(cells_of_a))
    )
    with opened(str(tmp_path / "t.csv")) as source:
        schema = learn_schema(source, "y")
        (block,) = source.blocks()
    assert schema.columns == {"a": "numeric"}
    assert re.search(r"a: 1 of 100 values are no numbers .* 'oops' \(.*t\.csv:101\)", schema.notes[0])
    assert np.flatnonzero(np.isnan(schema.features(block)["a"])).tolist() == [99]


@pytest.mark.parametrize(
    ("targets", "task"),
    [
        ([0, 1] * 30, "classify"),
        (list(range(26)) * 3, "classify"),
        (list(range(60)), "regress"),
        (list(range(30)), "regress"),
        (list(range(8)), "classify"),
        ([0.5, 1.5, 2.5] * 20, "classify"),
        ([row / 3 for row in range(60)], "regress"),
    ],
)
def test_the_task_follows_from_the_target(targets, task, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("x,y\n" + "".join(f"{row * row % 7},{target}\n" for row, target in enumerate(targets)))
    with opened(str(path)) as source:
        schema = learn_schema(source, "y")
        assert schema.task == task
        assert (task == "classify") == bool(schema.classes)
        assert learn_schema(source, "y", task="regress").task == "regress"


def test_classes_keep_their_words_and_whole_numbers_are_numbers(tmp_path):
    for text, classes in [("1 2 10", [1, 2, 10]), ("01 2 3", ["01", "2", "3"]), ("yes no", ["no", "yes"])]:
        path = tmp_path / "t.csv"
        path.write_text("x,y\n" + "".join(f"{row},{target}\n" for row, target in enumerate(text.split() * 5)))
        with opened(str(path)) as source:
            schema = learn_schema(source, "y", kinds={"x": "numeric"})
            (block,) = source.blocks()
        assert schema.classes == classes
        assert {*schema.targets(block)} == {*classes}


def test_documents_are_told_from_flat_rows_and_lose_their_target(tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(
        "".join(json.dumps({"a": {"b": [row % 3]}, "y": {"name": "pq"[row % 2]}}) + "\n" for row in range(9))
    )
    with opened(str(path)) as source:
        schema = learn_schema(source, "y.name")
        (block,) = source.blocks()
    assert schema.documents
    assert schema.classes == ["p", "q"]
    assert schema.features(block)[:2] == [{"a": {"b": [0]}, "y": {}}, {"a": {"b": [1]}, "y": {}}]
    assert block.documents[0]["y"] == {"name": "p"}
    assert without({"a": {"b": 1, "c": 2}}, ["a.b"]) == {"a": {"c": 2}}


def test_a_row_that_is_no_object_is_told_where(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"a": 1}\n[2]\n')
    path = str(tmp_path / "t.jsonl")
    with pytest.raises(TableError, match=r"t\.jsonl:2: expected an object"), opened(path) as source:
        learn_schema(source, "a")


def test_a_schema_survives_json_and_other_json_is_refused():
    schema = Schema("y", "classify", {"a": "numeric", "b": "text"}, left_out={"c": "dropped"})
    again = Schema.from_json(json.loads(json.dumps(schema.to_json())))
    assert (again.target, again.task, again.columns, {*again.left_out}) == ("y", "classify", schema.columns, {"c"})
    for wrong in (None, {}, {**schema.to_json(), "task": "x"}, {**schema.to_json(), "columns": [["a", "x"]]}):
        with pytest.raises(FileFormatError, match="says nothing of a table"):
            Schema.from_json(wrong)
