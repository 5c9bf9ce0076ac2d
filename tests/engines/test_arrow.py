"""An index in an Arrow table or a Parquet file comes back as it was: kind, lists, model, settings and every row."""

import json

import numpy as np
import pytest

from hdc import errors, words
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, RaBitQBinarizer, ScalarBinarizer, SignBinarizer
from hdc.apps.retrieval.engines import arrow_table
from hdc.apps.retrieval.engines.arrow_table import arrow_batches, from_arrow, from_parquet, to_arrow, to_parquet
from hdc.search.options import FlatOptions

arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed", exc_type=ImportError)

X = np.random.default_rng(0).standard_normal((300, 24)).astype(np.float32)
QUERIES = X[:5] + np.float32(0.1)


def codes(n, dim, seed=0, levels=None):
    shape = (n, dim) if levels is None else (n, levels, dim)
    return words.pack(np.random.default_rng(seed).random(shape) < 0.5)


def same(one, other):
    """Compare everything that two indexes have."""
    assert type(one) is type(other)
    codes_of = [index.codes if isinstance(index, EmbeddingIndex) else index for index in (one, other)]
    a, b = codes_of
    assert (a.dim, a.levels, a.kind, a.originals) == (b.dim, b.levels, b.kind, b.originals)
    np.testing.assert_array_equal(a.ids(), b.ids())
    for name in a.store.columns:
        mine, theirs = (x.store.snapshot.take(name, x.store.snapshot.positions(a.ids())) for x in codes_of)
        np.testing.assert_array_equal(mine, theirs)
    assert [a.store.entry(i)[:2] for i in a.ids()] == [b.store.entry(i)[:2] for i in a.ids()]
    if a.kind == "ivf":
        np.testing.assert_array_equal(a.coarse.centroids, b.coarse.centroids)


@pytest.fixture(params=["flat", "ivf", "hnsw", "levels", "originals"])
def index(request):
    kind, levels, originals = request.param, None, None
    if kind == "hnsw":
        pytest.importorskip("usearch", reason="usearch is not installed: no graphs", exc_type=ImportError)
    if kind in ("levels", "originals"):
        kind, levels, originals = "flat", 2, ("float16", 24, True) if kind == "originals" else None
    made, rows = BinaryIndex(70, kind=kind, levels=levels or 1, originals=originals), codes(300, 70, levels=levels)
    if kind == "ivf":
        made.train(rows, 7)
    made.add(
        rows,
        keys=[f"ké{i}" if i % 3 else None for i in range(300)],
        documents=[b"%d" % i if i % 2 else None for i in range(300)],
        originals=X if originals else None,
    )
    made.remove(ids=[4])
    made.update([9], rows[:1], originals=X[:1] if originals else None)
    return made


def test_codes_there_and_back(index, tmp_path, monkeypatch):
    monkeypatch.setattr("hdc.apps.retrieval.engines.exchange.BATCH", 70)
    same(from_arrow(to_arrow(index)), index)
    same(from_arrow(arrow_batches(index)), index)
    to_parquet(index, tmp_path / "codes.parquet")
    with from_parquet(tmp_path / "codes.parquet", to=tmp_path / "index") as back:
        same(back, index)
    with BinaryIndex.open(tmp_path / "index") as opened:
        same(opened, index)
        asked = codes(5, 70, seed=1, levels=None if index.levels == 1 else index.levels)
        np.testing.assert_array_equal(opened.search(asked, 10)[0], index.search(asked, 10)[0])


@pytest.mark.parametrize("metric", ["cosine", "l2"])
@pytest.mark.parametrize(
    ("model", "kind", "keep"),
    [
        (SignBinarizer(100), "flat", "int8"),
        (SignBinarizer(100), "ivf", None),
        (RaBitQBinarizer(lists=5, component_bits=2), None, None),
        (RaBitQBinarizer(), None, "float32"),
        (ScalarBinarizer(8), None, "float16"),
    ],
)
def test_embeddings_there_and_back(model, kind, keep, metric, tmp_path):
    index = EmbeddingIndex.create(None, model.set_params(metric=metric).fit(X), kind=kind, keep=keep)
    if not index.trained:
        index.train(X, 5)
    index.add(X, keys=[f"item {i}" for i in range(300)])
    index.remove(ids=[3])
    if index.kind == "flat":
        index.set_defaults(FlatOptions(candidates=33))
    to_parquet(index, tmp_path / "x.parquet")
    with from_parquet(tmp_path / "x.parquet", to=tmp_path / "index") as back:
        same(back, index)
        assert (back.metric, back.kind, back.lists, back.defaults) == (metric, index.kind, index.lists, index.defaults)
        for found, expected in zip(back.search(QUERIES), index.search(QUERIES), strict=True):
            np.testing.assert_array_equal(found, expected)
    with EmbeddingIndex.open(tmp_path / "index") as opened:
        np.testing.assert_array_equal(opened.search(QUERIES)[1], index.search(QUERIES)[1])


def test_codes_are_lists_of_bytes_that_say_their_order():
    index, bits = BinaryIndex(70), np.zeros((1, 70), dtype=bool)
    bits[0, [0, 9, 69]] = True
    index.add(words.pack(bits))
    table = to_arrow(index)
    assert table.schema.field("code").type == arrow.list_(arrow.uint8(), 9)
    assert table.schema.field("code").metadata == {b"bitorder": b"little"}
    assert table["code"].to_pylist() == [[1, 2, 0, 0, 0, 0, 0, 0, 32]]
    other = table.set_column(
        1,
        arrow.field("code", arrow.list_(arrow.uint8(), 9), metadata={"bitorder": "big"}),
        arrow.array([[128, 64, 0, 0, 0, 0, 0, 0, 4]], arrow.list_(arrow.uint8(), 9)),
    )
    same(from_arrow(other), index)
    estimated = EmbeddingIndex.create(None, RaBitQBinarizer().fit(X))
    assert to_arrow(estimated).schema.field("code").metadata[b"reader"] == b"RaBitQBinarizer"


def test_tables_of_earlier_releases_are_read():
    index = BinaryIndex(70)
    index.add(codes(3, 70), keys=["a", None, "c"])
    table = to_arrow(index)
    old = arrow.array([bytes(row) for row in table["code"].to_pylist()], arrow.binary(9))
    form = {b"hdc-binary-index": json.dumps({"dim": 70, "levels": 1, "originals": None})}
    same(from_arrow(table.set_column(1, "code", old).replace_schema_metadata(form)), index)


def changed(table, name, values, kind=None):
    """Return a table with other values in a column."""
    at = table.schema.get_field_index(name)
    return table.set_column(at, name, arrow.array(values, kind or table.schema.field(name).type))


def test_other_tables_are_refused(tmp_path):
    index = BinaryIndex(70, kind="ivf", originals=("float32", 2))
    index.train(codes(30, 70), 3)
    index.add(codes(2, 70), originals=[[1.0, 2.0], [3.0, 4.0]])
    table = to_arrow(index)
    form = json.loads(table.schema.metadata[b"hdc-binary-index"])
    ones = [255] * 9
    for wrong, what in [
        (arrow.table({"id": [1]}), "hdc-binary-index"),
        (table.replace_schema_metadata({b"hdc-binary-index": b"[]"}), "TypeError"),
        (table.replace_schema_metadata({b"hdc-binary-index": b"{"}), "Expecting"),
        (table.replace_schema_metadata({b"hdc-binary-index": json.dumps({**form, "dim": 0})}), "dim"),
        (table.replace_schema_metadata({b"hdc-binary-index": json.dumps({**form, "dim": 80})}), "int8 must have shape"),
        (table.replace_schema_metadata({**table.schema.metadata, b"hdc-model": b'{"model.json": "!"}'}), "base64"),
        (table.drop_columns(["list"]), "list"),
        (changed(table, "list", [0, 3]), "numbers of lists, which are below 3"),
        (changed(table, "code", [ones, ones]), "beyond"),
        (changed(table, "code", [ones, None]), "nulls"),
        (changed(table, "id", [0, None]), "nulls"),
        (changed(table, "id", [0, 0]), "id"),
        (changed(table, "id", [0, 1], arrow.float64()), "must have int64, not double"),
        (changed(table, "original", [[1, 2], [3, None]]), "nulls"),
        (changed(table, "original", [[1, 2], [3, np.inf]]), "infinity"),
        (changed(table, "key", ["a", "a"]), "twice"),
    ]:
        with pytest.raises(errors.FileFormatError, match=what):
            from_arrow(wrong, path=tmp_path / "index")
        assert list(tmp_path.iterdir()) == []
    (tmp_path / "no.parquet").write_bytes(b"PAR1 is not enough")
    with pytest.raises(errors.FileFormatError, match=r"no\.parquet is not a Parquet file"):
        from_parquet(tmp_path / "no.parquet")


def test_a_damaged_model_is_refused():
    table = to_arrow(EmbeddingIndex.create(None, SignBinarizer(64).fit(X)))
    files = json.loads(table.schema.metadata[b"hdc-model"])
    files["model.safetensors"] = files["model.safetensors"][:-8] + "AAAAAAA="
    damaged = table.replace_schema_metadata({**table.schema.metadata, b"hdc-model": json.dumps(files)})
    with pytest.raises(errors.FileFormatError, match="does not match the checksum"):
        from_arrow(damaged)


def test_a_file_is_replaced_as_a_whole(tmp_path, monkeypatch):
    index = BinaryIndex(64)
    index.add(codes(3, 64))
    to_parquet(index, tmp_path / "x.parquet")
    before = (tmp_path / "x.parquet").read_bytes()
    monkeypatch.setattr(arrow_table, "_lists", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        to_parquet(index, tmp_path / "x.parquet")
    assert (tmp_path / "x.parquet").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["x.parquet"]
    monkeypatch.undo()
    empty = from_arrow(to_arrow(BinaryIndex(70)))
    assert len(empty) == 0


def test_lancedb_searches_the_codes_of_a_table(tmp_path):
    lancedb = pytest.importorskip("lancedb", reason="lancedb is not installed", exc_type=ImportError)
    index, asked = BinaryIndex(70), codes(4, 70, seed=1)
    index.add(codes(300, 70))
    table = lancedb.connect(str(tmp_path)).create_table("codes", data=to_arrow(index))
    for code, expected in zip(words.to_bytes(asked, 70, bitorder="little"), index.search(asked, 10)[0], strict=True):
        found = table.search(code, vector_column_name="code").distance_type("hamming").limit(10).to_arrow()
        assert found["_distance"].to_pylist() == expected.tolist()
