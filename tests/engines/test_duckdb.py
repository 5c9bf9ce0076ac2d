"""What is DuckDB's own: types, names, transactions, statements."""

import numpy as np
import pytest

from hdc import errors
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, SignBinarizer
from hdc.apps.retrieval.engines import duckdb_engine, tables
from hdc.words import pack

duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed")

X = np.random.default_rng(0).standard_normal((400, 16)).astype(np.float32)
CODES = pack(np.random.default_rng(1).random((400, 70)) < 0.5)


@pytest.fixture
def connection():
    with duckdb.connect() as made:
        yield made


def filled():
    index = BinaryIndex(70)
    index.add(CODES, keys=[f"ké{i}" if i else None for i in range(400)], documents=[b"\0\xff", *[None] * 399])
    return index


def test_bits_are_in_order_and_keys_go_along(connection):
    """Behind the last component, zeros fill the byte."""
    bits = np.zeros((1, 70), dtype=bool)
    bits[0, [0, 9, 69]] = True
    index = filled()
    index.update([0], pack(bits))
    duckdb_engine.write(index, connection, "items")
    rows = connection.execute("SELECT id, code::VARCHAR, key, document FROM items ORDER BY id LIMIT 2").fetchall()
    assert rows[0] == (0, "1" + "0" * 8 + "1" + "0" * 59 + "100", None, b"\0\xff")
    assert rows[1][2:] == ("ké1", None)
    assert connection.execute("DESCRIBE items").fetchnumpy()["column_type"].tolist() == [
        "BIGINT", "BIT", "VARCHAR", "BLOB",
    ]  # fmt: skip


@pytest.mark.parametrize(("keep", "kind"), [("int8", "TINYINT"), ("float16", "FLOAT"), ("float32", "FLOAT")])
def test_types_of_originals(connection, keep, kind):
    index = EmbeddingIndex.create(None, SignBinarizer(70, metric="ip").fit(X), keep=keep)
    index.add(X)
    duckdb_engine.write(index, connection, "items")
    kinds = dict(connection.execute("SELECT column_name, column_type FROM (DESCRIBE items)").fetchall())
    assert (kinds["original"], kinds["length"]) == (f"{kind}[16]", "FLOAT")
    kept = connection.execute("SELECT original, length FROM items ORDER BY id").fetchall()
    np.testing.assert_array_equal(np.float32([row for row, _ in kept]), np.float32(index.store.rows("originals")))
    np.testing.assert_array_equal(np.float32([length for _, length in kept]), index.store.rows("lengths")[:, 0])


@pytest.mark.parametrize("name", ['we"ird; DROP TABLE items; --', "Großes Tab ? $codes {}", "a.b", "select"])
def test_names_are_names(connection, name):
    duckdb_engine.write(filled(), connection, "items")
    connection.execute('CREATE SCHEMA "o\'ther"')
    for table in (name, ("o'ther", name)):
        assert duckdb_engine.write(filled(), connection, table) == 400
        found = duckdb_engine.search(connection, table, CODES[:3], 5)
        np.testing.assert_array_equal(found, filled().search(CODES[:3], 5))
    with pytest.raises(errors.ParameterError, match=r"table .* already exists"):
        duckdb_engine.write(filled(), connection, "Items")  # DuckDB's names have no case
    assert connection.execute("SELECT count(*) FROM items").fetchall() == [(400,)]


def test_a_transaction_of_the_caller_decides(connection):
    connection.begin()
    duckdb_engine.write(filled(), connection, "items")
    assert duckdb_engine.search(connection, "items", CODES[:1], 5)[1].shape == (1, 5)
    connection.rollback()
    with pytest.raises(errors.ParameterError, match=r"table .* does not exist"):
        duckdb_engine.search(connection, "items", CODES[:1], 5)
    assert connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall() == []


def test_a_table_lasts(tmp_path):
    with duckdb.connect(tmp_path / "codes.db") as connection:
        duckdb_engine.write(filled(), connection, "items")
    with duckdb.connect(tmp_path / "codes.db", read_only=True) as connection:
        found = duckdb_engine.search(connection, "items", CODES[:3], 5)
    np.testing.assert_array_equal(found, filled().search(CODES[:3], 5))


def test_the_statement_can_be_read_and_run(connection):
    index = EmbeddingIndex.create(None, SignBinarizer(70).fit(X), keep="int8")
    index.add(X)
    duckdb_engine.write(index, connection, "items")
    (block,) = tables.Rows(index)
    asked = {"codes": [row.tobytes() for row in tables.highest_first(block.codes[:2])]}
    statement = duckdb_engine.sql(connection, "items", 3)
    rows = connection.execute(statement, asked).fetchall()
    assert [row for row in rows if row[1] == 0] == [(0, 0, 0), (1, 0, 1)]
    far = duckdb_engine.sql(connection, "items", 3, where="items.id > 200")
    assert all(number > 200 for _, _, number in connection.execute(far, asked).fetchall())
    asked |= {"originals": X[:2].tolist(), "lengths": [1.0, 1.0]}
    rows = connection.execute(
        duckdb_engine.sql(connection, "items", 3, originals=True, candidates=50), asked
    ).fetchall()
    assert [number for _, _, number in rows] == index.search(X[:2], 3, candidates=50)[1].ravel().tolist()


def test_a_condition_takes_values_and_joins_other_tables(connection):
    index = filled()
    duckdb_engine.write(index, connection, "items")
    connection.execute("CREATE TABLE prices AS SELECT id AS item, id % 10 AS price FROM items")
    where = "items.id IN (SELECT item FROM prices WHERE price < $most)"
    found = duckdb_engine.search(connection, "items", CODES[:3], 5, where=where, parameters={"most": 1})
    np.testing.assert_array_equal(found, index.search(CODES[:3], 5, among=range(0, 400, 10)))


def test_a_table_of_somebody_else_is_told(connection):
    connection.execute("CREATE TABLE theirs (id BIGINT, code BIT)")
    with pytest.raises(errors.FileFormatError, match=r'write did not make the table "theirs"'):
        duckdb_engine.search(connection, "theirs", CODES[:1])
