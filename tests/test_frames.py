"""Frames of every library: the same rows as documents, vectors as Arrow columns, and what is refused."""

import datetime as dt
import decimal
import itertools
import subprocess
import sys
import uuid

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc import errors, words
from hdc.apps.frames import from_arrow, is_frame, json_value, rows_of, to_arrow
from hdc.apps.json import JSONEncoder, JSONIndex, read

WHY = "frames of this library are read where it is installed"
pd = pytest.importorskip("pandas", reason=WHY)
pa = pytest.importorskip("pyarrow", reason=WHY)
pl = pytest.importorskip("polars", reason=WHY)
pytest.importorskip("narwhals", reason=WHY)

DATA = {
    "name": ["Ada", "Zoë", None],
    "n": [1, None, 3],
    "score": [0.5, float("nan"), None],
    "born": [dt.date(1815, 12, 10), None, dt.date(1906, 12, 9)],
    "at": [dt.datetime(2020, 1, 1, 2, 3, 4, 500), None, dt.datetime(2021, 1, 1, tzinfo=None)],
    "took": [dt.timedelta(seconds=90), None, dt.timedelta(milliseconds=5)],
    "price": [decimal.Decimal("1.50"), None, decimal.Decimal("2.00")],
    "raw": [b"ab", None, b""],
    "ok": [True, None, False],
    "who": [{"first": "A", "last": None}, {"first": None, "last": "B"}, None],
    "tags": [["x", None], [], None],
    "deep": [[{"a": [1, 2], "b": None}], None, [{"a": None, "b": "c"}]],
}
DOCUMENTS = [
    {
        **{"name": "Ada", "n": 1, "score": 0.5, "born": "1815-12-10", "at": "2020-01-01T02:03:04.000500", "took": 90.0},
        **{"price": 1.5, "raw": "YWI=", "ok": True, "who": {"first": "A"}, "tags": ["x", None]},
        "deep": [{"a": [1, 2]}],
    },
    {"name": "Zoë", "who": {"last": "B"}, "tags": []},
    {
        **{
            "n": 3,
            "born": "1906-12-09",
            "at": "2021-01-01T00:00:00",
            "took": 0.005,
            "price": 2,
            "raw": "",
            "ok": False,
        },
        "deep": [{"b": "c"}],
    },
]


def duckdb_relation(table):
    duckdb = pytest.importorskip("duckdb", reason=WHY)
    return duckdb.from_arrow(table)


def of_duckdb():
    """Return DATA as a relation whose durations are seconds: DuckDB's own are intervals, which have days and months."""
    seconds = [None if took is None else took.total_seconds() for took in DATA["took"]]
    return duckdb_relation(pa.table({**DATA, "took": seconds}))


def hugging_face(table):
    datasets = pytest.importorskip("datasets", reason=WHY)
    return datasets.Dataset(table)


FRAMES = {
    "pandas": lambda: pd.DataFrame({name: pd.Series(column, dtype=object) for name, column in DATA.items()}),
    "pandas of Arrow": lambda: pa.table(DATA).to_pandas(types_mapper=pd.ArrowDtype),
    "polars": lambda: pl.from_arrow(pa.table(DATA)),
    "lazy polars": lambda: pl.from_arrow(pa.table(DATA)).lazy(),
    "Arrow table": lambda: pa.table(DATA),
    "Arrow batch": lambda: pa.table(DATA).to_batches()[0],
    "Arrow reader": lambda: pa.table(DATA).to_reader(),
    "DuckDB": of_duckdb,
    "Hugging Face": lambda: hugging_face(pa.table(DATA)),
    "Hugging Face, a stream": lambda: hugging_face(pa.table(DATA)).to_iterable_dataset(),
    "narwhals": lambda: pytest.importorskip("narwhals").from_native(pl.from_arrow(pa.table(DATA))),
    "narwhals of DuckDB": lambda: pytest.importorskip("narwhals").from_native(of_duckdb()),
}
every_frame = pytest.mark.parametrize("made", FRAMES.values(), ids=FRAMES)


@every_frame
def test_rows_are_documents(made):
    frame = made()
    assert is_frame(frame)
    assert list(rows_of(frame)) == DOCUMENTS
    assert [list(row) for row in rows_of(made())] == [list(row) for row in DOCUMENTS]  # in the columns' order


@every_frame
def test_the_encoder_and_the_index_take_frames(made):
    vectors = JSONEncoder(128).fit_transform(DOCUMENTS)
    np.testing.assert_array_equal(JSONEncoder(128).fit_transform(made()), vectors)
    if "reader" not in repr(type(made())).lower():
        np.testing.assert_array_equal(JSONEncoder(128).fit(made()).transform(made()), vectors)
    index = JSONIndex(JSONEncoder(128)).add(made())
    assert [index.document(i) for i in index.ids().tolist()] == DOCUMENTS
    assert index.search({"born": dt.date(1906, 12, 9)}, 1)[0].id == 2
    assert index.search({"price": decimal.Decimal("1.50"), "n": np.int64(1)}, 1)[0].score == 1


def test_a_data_set_of_files(tmp_path):
    from pyarrow import dataset, parquet

    parquet.write_table(pa.table(DATA), tmp_path / "a.parquet")
    assert list(rows_of(dataset.dataset(tmp_path))) == DOCUMENTS
    kept = [record.document for record in read([tmp_path / "a.parquet"])]
    for row, whole in zip(DOCUMENTS, kept, strict=True):  # a file's rows have null where a frame's have nothing
        assert {**dict.fromkeys(DATA), **row} == {**whole, **{n: row[n] for n in ("who", "deep") if n in row}}


def test_a_stream_whose_batches_have_other_types():
    datasets = pytest.importorskip("datasets", reason=WHY)

    def rows():
        for i in range(4):
            yield {"a": i, "b": None if i % 2 else "x", "v": np.arange(2)}

    stream = datasets.IterableDataset.from_generator(rows)
    assert list(rows_of(stream))[:2] == [{"a": 0, "b": "x", "v": [0, 1]}, {"a": 1, "v": [0, 1]}]
    shuffled = datasets.Dataset.from_dict({"a": list(range(9))}).shuffle(seed=1).select(range(4))
    assert list(rows_of(shuffled)) == list(shuffled)


def test_partitions_of_dask():
    dask = pytest.importorskip("dask.dataframe", reason=WHY)
    frame = dask.from_pandas(pd.DataFrame({"a": range(5), "b": ["x", None, "x", None, "y"]}), npartitions=2)
    assert is_frame(frame)
    assert list(rows_of(frame)) == [{"a": 0, "b": "x"}, {"a": 1}, {"a": 2, "b": "x"}, {"a": 3}, {"a": 4, "b": "y"}]


def test_put_extend_and_update_take_frames():
    index = JSONIndex(JSONEncoder(64), key="id")
    index.put(pl.DataFrame({"id": ["a", "b"], "x": [1, 2]}))
    index.put(pd.DataFrame({"id": ["b", "c"], "x": [5, 6]}))
    assert [index.document(index.find(key))["x"] for key in "abc"] == [1, 5, 6]
    assert [len(ids) for ids in index.extend(pa.table({"id": ["d"]}))] == [1]
    index.update([index.find("a")], pl.DataFrame({"id": ["a"], "x": [9]}))
    assert index.document(0) == {"id": "a", "x": 9}


def test_types_of_pandas():
    frame = pd.DataFrame(
        {
            "int": pd.array([1, None], dtype="Int64"),
            "bool": pd.array([None, True], dtype="boolean"),
            "text": pd.array(["a", None], dtype="string"),
            "category": pd.Categorical(["x", None]),
            "numbers": pd.Categorical([2, 1]),
            "zone": pd.to_datetime(["2020-01-01 00:00:00.123456789", None]).tz_localize("Europe/Berlin"),
            "took": pd.to_timedelta([None, "1.5s"]),
            "month": pd.period_range("2020-01", periods=2, freq="M"),
            "objects": [np.float32(0.5), np.array([1.0, np.nan])],
            "missing": [pd.NaT, pd.NA],
            "mixed": [{"u": uuid.UUID(int=1), "x": np.nan, 3: pd.NA}, [np.int8(1), np.datetime64("NaT"), (True,)]],
        }
    )
    assert list(rows_of(frame)) == [
        {
            **{"int": 1, "text": "a", "category": "x", "numbers": 2, "zone": "2020-01-01T00:00:00.123456+01:00"},
            **{"month": "2020-01", "objects": 0.5, "mixed": {"u": "00000000-0000-0000-0000-000000000001"}},
        },
        {
            **{"bool": True, "numbers": 1, "took": 1.5, "month": "2020-02", "objects": [1.0, None]},
            "mixed": [1, None, [True]],
        },
    ]


def test_types_of_polars():
    frame = pl.DataFrame(
        {
            "enum": pl.Series(["a", None], dtype=pl.Enum(["a", "b"])),
            "category": pl.Series([None, "c"], dtype=pl.Categorical),
            "array": pl.Series([[1, 2], None], dtype=pl.Array(pl.Int16, 2)),
            "zone": pl.Series([dt.datetime(2020, 7, 1), None]).dt.replace_time_zone("Europe/Berlin"),
            "time": [dt.time(1, 2, 3, 4), None],
            "large": pl.Series([2**100, None], dtype=pl.Int128),
            "nan": [[float("nan"), 1.0], None],
            "null": [None, None],
        }
    )
    assert list(rows_of(frame)) == [
        {
            **{"enum": "a", "array": [1, 2], "zone": "2020-07-01T00:00:00+02:00", "time": "01:02:03.000004"},
            **{"large": 2**100, "nan": [None, 1.0]},
        },
        {"category": "c"},
    ]


def test_types_of_arrow():
    nanoseconds = pa.scalar(1_577_836_800_123_456_789).cast(pa.timestamp("ns"))
    table = pa.table(
        {
            "dictionary": pa.array(["a", "b"]).dictionary_encode(),
            "map": pa.array([[("k", 1), ("l", None)], []], pa.map_(pa.string(), pa.int32())),
            "numbered": pa.array([[(1, "x")], None], pa.map_(pa.int32(), pa.string())),
            "ns": pa.array([nanoseconds, None]),
            "list of ns": pa.array([[nanoseconds], None], pa.list_(pa.timestamp("ns"), 1)),
            "large": pa.array([["x"], None], pa.large_list(pa.large_string())),
            "interval": pa.array([(1, 2, 3_500_000_000), (0, 0, 0)], pa.month_day_nano_interval()),
            "half": pa.array(np.array([0.5, np.nan], np.float16)),
        }
    )
    assert list(rows_of(table)) == [
        {
            **{"dictionary": "a", "map": {"k": 1}, "numbered": {"1": "x"}, "ns": "2020-01-01T00:00:00.123456"},
            **{"list of ns": ["2020-01-01T00:00:00.123456"], "large": ["x"], "interval": "P1M2DT3.5S", "half": 0.5},
        },
        {"dictionary": "b", "map": {}, "interval": "PT0S"},
    ]


def test_types_of_duckdb():
    duckdb = pytest.importorskip("duckdb", reason=WHY)
    made = duckdb.connect().sql("""select 170141183460469231731687303715884105::hugeint big, 1.25::decimal(9, 3) price,
        '00000000-0000-0000-0000-000000000007'::uuid id, {'a': 1, 'b': {'c': null, 'd': [1, null]}} s, map {'k': 2.5} m,
        'x'::enum('x', 'y') e, 'nan'::double nan, null as nothing, [1, 2]::int[2] pair,
        timestamptz '2020-01-01 00:00:00Z' t, interval '90 seconds' took
    """)
    (row,) = rows_of(made)
    assert row == {
        **{"big": 170141183460469231731687303715884105, "price": 1.25, "id": "00000000-0000-0000-0000-000000000007"},
        **{"s": {"a": 1, "b": {"d": [1, None]}}, "m": {"k": 2.5}, "e": "x", "pair": [1, 2], "took": "PT90S"},
        "t": row["t"],
    }
    assert dt.datetime.fromisoformat(row["t"]) == dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (lambda: pd.DataFrame([[1, 2]]), "must be a text, not 0"),
        (lambda: pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), r"not \('a', 'b'\)"),
        (lambda: pd.DataFrame([[1, 2]], columns=["a", "a"]), "give each column its own name"),
        (lambda: pa.table([[1], [2]], names=["a", "a"]), "'a' occurs twice"),
        (lambda: pa.table({"m": pa.array([[("k", 1), ("k", 2)]], pa.map_(pa.string(), pa.int8()))}), "as objects"),
    ],
)
def test_what_names_do_not_say_is_refused(made, text):
    with pytest.raises(errors.ParameterError, match=text):
        list(rows_of(made()))


@pytest.mark.parametrize("bad", [float("inf"), {1, 2}, 1j, object()])
def test_values_that_are_no_json_name_their_place(bad):
    for documents in (pd.DataFrame({"a": [{"b": bad}]}), [{"a": {"b": bad}}]):
        with pytest.raises(errors.ParameterError, match=r"a\.b: .* is no JSON value"):
            JSONEncoder(64).fit_transform(documents)
        with pytest.raises(errors.ParameterError, match=r"a\.b: .* is no JSON value|cannot be stored"):
            JSONIndex(JSONEncoder(64)).add(documents)


def test_documents_may_have_values_of_python_and_numpy():
    plain = [{"n": 3, "x": [0.5, 1.5], "t": "2020-01-01", "u": str(uuid.UUID(int=5)), "d": 1.25, "b": True, "s": 60.0}]
    own = {
        **{"n": np.int32(3), "x": np.array([0.5, 1.5], np.float32), "t": np.datetime64("2020-01-01")},
        **{"u": uuid.UUID(int=5), "d": decimal.Decimal("1.25"), "b": np.bool_(True), "s": dt.timedelta(minutes=1)},
    }
    encoder = JSONEncoder(256)
    for given_ in ([own], iter([own]), (row for row in [own])):
        np.testing.assert_array_equal(encoder.fit_transform(given_), JSONEncoder(256).fit_transform(plain))
    index = JSONIndex(JSONEncoder(64), key="u").add([own])
    assert index.document(0) == plain[0]
    assert index.keys([0]) == [str(uuid.UUID(int=5))]
    (hit,) = index.search(own)
    assert hit.score == pytest.approx(1)
    assert sum(reason.share for reason in index.explain(own, hit)) == pytest.approx(1)
    assert own["n"].dtype == np.int32  # what was given stays as it was


def test_nan_in_a_document_is_still_an_error():
    for value in (float("nan"), np.float32("nan"), np.array([np.nan])):
        with pytest.raises(errors.ParameterError, match="nan is no JSON value"):
            JSONEncoder(64).fit_transform([{"x": value}])


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda held: st.lists(held) | st.dictionaries(st.text(), held),
    )
)
def test_json_is_left_as_it_is(value):
    assert json_value(value) == value


def test_json_value_of_all_kinds():
    assert json_value((np.uint8(1), np.longdouble(0.5), np.str_("x"), bytearray(b"a"), memoryview(b"a"))) == [
        *(1, 0.5, "x", "YQ==", "YQ==")
    ]
    assert json_value(np.array(["2020-01-01", "NaT"], "M8[ns]")) == ["2020-01-01T00:00:00", None]
    assert json_value(np.timedelta64(1500, "ms")) == 1.5
    assert json_value(np.array([[1, 2], [3, 4]])) == [[1, 2], [3, 4]]
    assert json_value(dt.time(12, tzinfo=dt.UTC)) == "12:00:00+00:00"
    left = [np.timedelta64(1, "Y"), np.datetime64(2**62, "D"), np.complex64(1j).item()]
    assert json_value(left) == left
    assert np.isnan(json_value(decimal.Decimal("NaN")))


def test_a_value_inside_itself_is_refused():
    held = {}
    held["a"] = held
    with pytest.raises(errors.ParameterError, match="nested deeper"):
        JSONEncoder(64).fit_transform([held])


@pytest.mark.parametrize("library", ["arrow", "polars", "pandas"])
def test_rows_come_in_blocks(monkeypatch, library):
    """Of many rows, few are objects at a time: the next block is made when it is asked for."""
    from hdc.apps.frames import rows

    table = pa.table({"x": list(range(10_000))})
    frame = {"arrow": table, "polars": pl.from_arrow(table), "pandas": table.to_pandas()}[library]
    made = []
    name = "_of_batch" if library == "arrow" else "_present"
    whole = getattr(rows, name)
    monkeypatch.setattr(rows, name, lambda given: made.append(given) or whole(given))
    assert [row["x"] for row in itertools.islice(rows_of(frame), 1500)] == list(range(1500))
    assert len(made) == (2 if library == "arrow" else 1500)
    assert sum(1 for _ in rows_of(frame)) == 10_000


def test_frames_of_no_rows_or_columns():
    assert list(rows_of(pl.DataFrame({"a": []}))) == []
    assert list(rows_of(pd.DataFrame(index=[0, 1]))) == []
    assert len(JSONIndex(JSONEncoder(64)).add(pa.table({"a": pa.array([], pa.int8())}))) == 0
    with pytest.raises(errors.ParameterError, match="at least one document"):
        JSONEncoder(64).fit(pd.DataFrame({"a": []}))


def test_what_is_no_frame():
    for value in ([], {}, "x", np.zeros((2, 2)), pd.Series([1]), pl.Series([1]), pa.array([1]), iter([])):
        assert not is_frame(value)
    column = pd.Series([{"a": 1}, {"a": 2}])
    assert JSONEncoder(64).fit_transform(column).shape == (2, 64)


def test_nothing_is_imported_to_see_that_a_list_is_no_frame():
    code = "import sys; from hdc.apps.frames import is_frame; is_frame([]); print('narwhals' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


@pytest.mark.parametrize("missing", ["narwhals", "pyarrow"])
def test_a_library_that_is_missing_is_named(monkeypatch, missing):
    frame = pd.DataFrame({"a": [1]}) if missing == "narwhals" else pa.table({"a": [1]})
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(errors.BackendUnavailableError, match=rf"need {missing}; pip install 'hdc-toolkit\[frames\]'"):
        list(rows_of(frame))


@pytest.mark.parametrize(
    "library", ["Arrow table", "Arrow reader", "DuckDB", "Hugging Face", "lazy polars", "narwhals"]
)
def test_learners_take_frames_whose_columns_have_no_names_of_their_own(library):
    pytest.importorskip("sklearn", reason="learners need it")
    from hdc.apps.learn import Features

    table = pa.table({"size": [1.5, None, 3.0, 2.0] * 5, "kind": ["a", "b", "b", None] * 5})
    made = {
        "Arrow table": lambda: table,
        "Arrow reader": table.to_reader,
        "DuckDB": lambda: duckdb_relation(table),
        "Hugging Face": lambda: hugging_face(table),
        "lazy polars": lambda: pl.from_arrow(table).lazy(),
        "narwhals": lambda: pytest.importorskip("narwhals").from_native(pl.from_arrow(table)),
    }[library]
    expected = Features(256).fit(table.to_pandas())
    learned = Features(256).fit(made())
    assert learned.feature_names_in_.tolist() == ["size", "kind"]
    np.testing.assert_array_equal(learned.transform(made()), expected.transform(table.to_pandas()))


def test_what_learners_take_stays_as_it_is():
    from hdc.apps.frames import in_memory

    for value in (pd.DataFrame({"a": [1]}), pl.DataFrame({"a": [1]}), np.zeros((2, 2)), [[1]], pd.Series([1])):
        assert in_memory(value) is value
    with pytest.raises(errors.ParameterError, match="no rows"):
        in_memory(pa.table({"a": pa.array([], pa.int8())}))


# ---------------------------------------------------------------------- vectors


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8"])
def test_numbers_go_to_arrow_and_back(dtype):
    vectors = (np.random.default_rng(0).standard_normal((5, 7)) * 10).astype(dtype)
    table = to_arrow(vectors, name="v")
    assert table.schema.field("v").type == pa.list_(pa.from_numpy_dtype(np.dtype(dtype)), 7)
    back = from_arrow(table, "v")
    assert back.dtype == vectors.dtype
    np.testing.assert_array_equal(back, vectors)
    np.testing.assert_array_equal(from_arrow(pl.from_arrow(table), "v"), vectors)
    if dtype != "float16":  # which DuckDB has not
        np.testing.assert_array_equal(from_arrow(duckdb_relation(table), "v"), vectors)
    lists = pa.table({"v": vectors.tolist()})
    assert from_arrow(lists, "v").shape == (5, 7)
    np.testing.assert_array_equal(from_arrow(table.slice(2, 2), "v"), vectors[2:4])


@pytest.mark.parametrize("order", words.BITORDERS)
@pytest.mark.parametrize("dim", [64, 70, 100])
def test_bits_go_to_arrow_and_back(order, dim):
    bits = np.random.default_rng(0).random((5, dim)) < 0.5
    table = to_arrow(words.pack(bits), dim=dim, bitorder=order)
    field = table.schema.field("vector")
    assert field.type == pa.list_(pa.uint8(), -(-dim // 8))
    assert field.metadata == {b"bitorder": order.encode(), b"dim": str(dim).encode()}
    assert table.column("vector").to_pylist() == np.packbits(bits, axis=1, bitorder=order).tolist()
    np.testing.assert_array_equal(from_arrow(table), words.pack(bits))
    other = pl.from_arrow(table)  # drops the metadata
    np.testing.assert_array_equal(from_arrow(other, dim=dim, bitorder=order), words.pack(bits))


def test_vectors_of_no_rows():
    assert from_arrow(to_arrow(np.zeros((0, 3), np.float32))).shape == (0, 3)
    assert from_arrow(to_arrow(np.zeros((0, 2), np.uint64), dim=100)).shape == (0, 2)


@pytest.mark.parametrize(
    ("vectors", "options", "error", "text"),
    [
        (np.zeros(3), {}, errors.DimensionError, "must have shape"),
        (np.zeros((2, 0)), {}, errors.DimensionError, "must have shape"),
        (np.zeros((2, 2), complex), {}, errors.DTypeError, "complex128"),
        (np.zeros((2, 2)), {"dim": 3}, errors.ParameterError, "dim is for packed"),
        (np.zeros((2, 2), np.uint64), {"dim": 64}, errors.DimensionError, "needs 1 words"),
        (np.full((2, 2), 2**63, np.uint64), {"dim": 100}, errors.PaddingError, "beyond component 99"),
        (np.zeros((2, 2)), {"bitorder": "msb"}, errors.ParameterError, "one of little, big"),
        (np.zeros((2, 2)), {"name": 3}, errors.ParameterError, "name must be a text"),
    ],
)
def test_to_arrow_says_what_is_wrong(vectors, options, error, text):
    with pytest.raises(error, match=text):
        to_arrow(vectors, **options)


@pytest.mark.parametrize(
    ("column", "options", "error", "text"),
    [
        (pa.array([[1, 2]], pa.list_(pa.uint8())), {}, errors.ParameterError, "pass their bitorder"),
        (pa.array([[1, 2]], pa.list_(pa.uint8())), {"bitorder": "big", "dim": 17}, errors.DimensionError, "3 bytes"),
        (pa.array([[1.0]]), {"bitorder": "big"}, errors.ParameterError, "are for packed bits"),
        (pa.array([[1.0], None]), {}, errors.ParameterError, "missing values"),
        (pa.array([[1.0, None]]), {}, errors.ParameterError, "missing values"),
        (pa.array([[1.0], [1.0, 2.0]]), {}, errors.DimensionError, "lists of one length, not of 1 to 2 numbers"),
        (pa.array(["x"]), {}, errors.DTypeError, "must have lists of numbers, not string"),
        (pa.array([["x"]]), {}, errors.DTypeError, "must have lists of numbers, not of string"),
    ],
)
def test_from_arrow_says_what_is_wrong(column, options, error, text):
    with pytest.raises(error, match=text):
        from_arrow(pa.table({"vector": column}), **options)
    with pytest.raises(errors.ParameterError, match="there is no column 'v'; there are 'vector'"):
        from_arrow(pa.table({"vector": column}), "v")
