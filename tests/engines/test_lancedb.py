"""What is LanceDB's own: types, ties, lists."""

import numpy as np
import pytest

from hdc import errors
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, SignBinarizer
from hdc.apps.retrieval.engines import lancedb_engine
from hdc.words import pack

lancedb = pytest.importorskip("lancedb", reason="LanceDB is not installed")
IvfFlat = pytest.importorskip("lancedb.index").IvfFlat
arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")

X = np.random.default_rng(0).standard_normal((1000, 16)).astype(np.float32)
CODES = pack(np.random.default_rng(1).random((1000, 70)) < 0.5)


@pytest.fixture
def connection(tmp_path):
    return lancedb.connect(tmp_path / "tables")


def filled(codes=CODES, **options):
    index = BinaryIndex(70, **options)
    index.add(codes, keys=[f"ké{i}" if i else None for i in range(len(codes))])
    return index


@pytest.mark.parametrize("keep", ["int8", "float16", "float32"])
def test_types_and_order_of_bits(connection, keep):
    index = EmbeddingIndex.create(None, SignBinarizer(70, metric="ip").fit(X), keep=keep)
    index.add(X)
    lancedb_engine.write(index, connection, "items")
    table = connection.open_table("items")
    kinds = {"int8": arrow.int8(), "float16": arrow.float16(), "float32": arrow.float32()}
    assert table.schema.field("code").type == arrow.list_(arrow.uint8(), 9)
    assert table.schema.field("original").type == arrow.list_(kinds[keep], 16)
    first = table.search().where("id = 0").limit(1).to_arrow()["code"].to_pylist()
    bits = np.unpackbits(np.uint8(first), axis=1, count=70, bitorder="little")
    np.testing.assert_array_equal(pack(bits == 1), index.codes.codes([0]))


def test_among_many_at_one_distance_the_lowest_ids_are_found(connection):
    """LanceDB returns any of them: more are asked for, as often as it needs."""
    index = filled(np.repeat(CODES[:2], [700, 300], axis=0))
    lancedb_engine.write(index, connection, "items")
    for k in (1, 10, 650, 900):
        found = lancedb_engine.search(connection, "items", CODES[:2], k)
        np.testing.assert_array_equal(found, index.search(CODES[:2], k))


def test_lists_of_lancedb(connection):
    index = filled()
    lancedb_engine.write(index, connection, "items")
    with pytest.raises(errors.ParameterError, match="no IVF lists for probes=2"):
        lancedb_engine.search(connection, "items", CODES[:2], probes=2)
    table = connection.open_table("items")
    table.create_index("code", config=IvfFlat(distance_type="hamming", num_partitions=8))
    expected = index.search(CODES[:50], 5)
    np.testing.assert_array_equal(lancedb_engine.search(connection, "items", CODES[:50], 5), expected)
    np.testing.assert_array_equal(lancedb_engine.search(connection, "items", CODES[:50], 5, probes=8), expected)
    distances, ids = lancedb_engine.search(connection, "items", CODES[:50], 5, probes=1)
    assert (ids[:, 0] == np.arange(50)).mean() > 0.9
    assert (distances >= expected[0]).all()
    assert (ids != expected[1]).any()
    with pytest.raises(errors.ParameterError, match="probes must be"):
        lancedb_engine.search(connection, "items", CODES[:2], probes=0)


def test_a_table_of_somebody_else_is_told(connection):
    connection.create_table("theirs", data=arrow.table({"id": [1]}))
    with pytest.raises(errors.FileFormatError, match="write did not make the table theirs"):
        lancedb_engine.search(connection, "theirs", CODES[:1])
    with pytest.raises(errors.ParameterError, match="the table theirs already exists"):
        lancedb_engine.write(filled(), connection, "theirs")
    assert connection.open_table("theirs").count_rows() == 1
    with pytest.raises(errors.ParameterError, match="table must be a text"):
        lancedb_engine.write(filled(), connection, ("a", "b"))
