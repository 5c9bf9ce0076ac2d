"""What is PostgreSQL's own: types, names, transactions, statements, the graph of pgvector."""

import struct

import numpy as np
import pytest

from hdc import errors
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, SignBinarizer
from hdc.apps.retrieval.engines import postgresql, tables
from hdc.apps.retrieval.engines.postgresql_copy import copied
from hdc.store import Snapshot
from hdc.words import pack

X = np.random.default_rng(0).standard_normal((400, 16)).astype(np.float32)
CODES = pack(np.random.default_rng(1).random((400, 70)) < 0.5)

NO_VECTORS = "this server has no pgvector"


@pytest.fixture
def connection(server):
    """Yield a connection to a database that is new, with pgvector where the server has it."""
    import psycopg

    with psycopg.connect(server, autocommit=True) as owner:
        owner.execute("DROP DATABASE IF EXISTS new WITH (FORCE)")
        owner.execute("CREATE DATABASE new")
    with psycopg.connect(f"{server} dbname=new", autocommit=True) as made:
        if made.execute("SELECT count(*) FROM pg_available_extensions WHERE name = 'vector'").fetchone()[0]:
            made.execute("CREATE EXTENSION vector")
        yield made


def has_vectors(connection):
    return connection.execute("SELECT to_regtype('halfvec') IS NOT NULL").fetchone()[0]


def version_of_vectors(connection):
    """Return the version of pgvector."""
    told = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'vector'").fetchone()[0]
    return tuple(map(int, told.split(".")))


def filled(**options):
    index = BinaryIndex(70, **options)
    index.add(CODES, keys=[f"ké{i}" if i else None for i in range(400)], documents=[b"\0\xff", *[None] * 399])
    return index


def embedded(keep, metric="cosine"):
    index = EmbeddingIndex.create(None, SignBinarizer(70, metric=metric).fit(X), keep=keep)
    index.add(X)
    return index


def types(connection, table):
    query = (
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = to_regclass(%s) AND attnum > 0 ORDER BY attnum"
    )
    return dict(connection.execute(query, [table]).fetchall())


def test_bits_are_in_order_and_keys_go_along(connection):
    bits = np.zeros((1, 70), dtype=bool)
    bits[0, [0, 9, 69]] = True
    index = filled()
    index.update([0], pack(bits))
    postgresql.write(index, connection, "items")
    assert types(connection, "items") == {
        "id": "bigint", "code": "bit(70)", "key": "text", "document": "bytea",
    }  # fmt: skip
    rows = connection.execute("SELECT id, code::text, key, document FROM items ORDER BY id LIMIT 2").fetchall()
    assert rows[0] == (0, "1" + "0" * 8 + "1" + "0" * 59 + "1", None, b"\0\xff")
    assert rows[1][2:] == ("ké1", None)
    with pytest.raises(Exception, match="items_pkey"):
        connection.execute("INSERT INTO items (id, code) SELECT id, code FROM items LIMIT 1")


@pytest.mark.parametrize(("keep", "kind"), [("int8", "halfvec"), ("float16", "halfvec"), ("float32", "vector")])
def test_types_of_originals(connection, keep, kind):
    index = embedded(keep, "l2")
    postgresql.write(index, connection, "items")
    found = types(connection, "items")
    assert found["original"] == (f"{kind}(16)" if has_vectors(connection) else "real[]")
    assert found["length"] == "real"
    kept = connection.execute("SELECT original::real[], length FROM items ORDER BY id").fetchall()
    np.testing.assert_array_equal(
        np.float32([row for row, _ in kept]), index.store.rows("originals").astype(np.float32)
    )
    np.testing.assert_array_equal(np.float32([length for _, length in kept]), index.store.rows("lengths")[:, 0])


@pytest.mark.parametrize("name", ['we"ird; DROP TABLE items; --', "Großes Tab %s {}", "a.b", "select"])
def test_names_are_names(connection, name):
    postgresql.write(filled(), connection, "items")
    connection.execute('CREATE SCHEMA "o\'ther"')
    for table in (name, ("o'ther", name)):
        assert postgresql.write(filled(), connection, table) == 400
        np.testing.assert_array_equal(postgresql.search(connection, table, CODES[:3], 5), filled().search(CODES[:3], 5))
    assert len(types(connection, "items")) == 4


def test_a_connection_stays_as_it_was(connection):
    """Of any settings: rows as dicts, another encoding, no commits of its own."""
    from psycopg.pq import TransactionStatus
    from psycopg.rows import dict_row

    connection.row_factory = dict_row
    connection.autocommit = False
    connection.execute("SET client_encoding = 'LATIN1'")
    connection.commit()
    postgresql.write(filled(), connection, "items")
    assert connection.info.transaction_status == TransactionStatus.IDLE
    postgresql.search(connection, "items", CODES[:1], 5)
    assert connection.info.transaction_status == TransactionStatus.IDLE
    assert connection.info.encoding == "iso8859-1"
    found = connection.execute("SELECT key FROM items WHERE id = 7").fetchone()
    assert found == {"key": "ké7"}


def test_a_transaction_of_the_caller_decides(connection):
    connection.autocommit = False
    connection.execute("SELECT 1")
    postgresql.write(filled(), connection, "items")
    assert postgresql.search(connection, "items", CODES[:1], 5)[1].shape == (1, 5)
    connection.rollback()
    with pytest.raises(errors.ParameterError, match=r"table .* does not exist"):
        postgresql.search(connection, "items", CODES[:1], 5)


def test_a_connection_that_is_lost_leaves_nothing(server, connection, monkeypatch):
    import psycopg

    monkeypatch.setattr(tables, "BLOCK_ROWS", 100)
    entries = Snapshot.entries
    with psycopg.connect(f"{server} dbname=new", autocommit=True) as other:

        def killed(self, positions):
            if 399 in positions:
                other.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
            return entries(self, positions)

        monkeypatch.setattr(Snapshot, "entries", killed)
        with pytest.raises(psycopg.OperationalError):
            postgresql.write(filled(), connection, "items")
        assert other.execute("SELECT to_regclass('items')").fetchone() == (None,)


def test_the_statement_can_be_read_and_run(connection):
    index = embedded("int8")
    postgresql.write(index, connection, "items")
    statement = postgresql.sql(connection, "items", 3)
    assert 'FROM "items" AS items ORDER BY differing, id LIMIT 3' in statement
    (block,) = tables.Rows(index)
    bits = [row.tobytes().decode() for row in np.unpackbits(block.codes[:2], 1, 70, "little") + ord("0")]
    rows = connection.execute(statement, {"codes": bits}).fetchall()
    assert [row for row in rows if row[1] == 0] == [(0, 0, 0), (1, 0, 1)]
    far = postgresql.sql(connection, "items", 3, where="items.id > 200")
    assert all(number > 200 for _, _, number in connection.execute(far, {"codes": bits}).fetchall())
    whole = postgresql.sql(connection, "items", 3, originals=True, candidates=50)
    asked = {"codes": bits, "originals": ["{" + ",".join(map(str, row)) + "}" for row in X[:2].tolist()]}
    rows = connection.execute(whole, {**asked, "lengths": [1.0, 1.0]}).fetchall()
    assert [number for _, _, number in rows] == index.search(X[:2], 3, candidates=50)[1].ravel().tolist()


def test_a_condition_takes_values_and_joins_other_tables(connection):
    from psycopg.sql import SQL, Literal

    index = filled()
    postgresql.write(index, connection, "items")
    connection.execute("CREATE TABLE prices AS SELECT id AS item, id % 10 AS price FROM items")
    expected = index.search(CODES[:3], 5, among=range(0, 400, 10))
    for where, most in (("items.id IN (SELECT item FROM prices WHERE price < %(most)s)", 1), ("1 = %(most)s", 1)):
        found = postgresql.search(connection, "items", CODES[:3], 5, where=where, parameters={"most": most})
        np.testing.assert_array_equal(found, expected if "prices" in where else index.search(CODES[:3], 5))
    where = SQL("key = {}").format(Literal("ké7' OR 'a' = 'a"))
    assert postgresql.search(connection, "items", CODES[:3], 5, where=where)[1].size == 0


def test_a_table_of_somebody_else_is_told(connection):
    connection.execute("CREATE TABLE theirs (id bigint, code bit(70))")
    with pytest.raises(errors.FileFormatError, match=r'write did not make the table "theirs"'):
        postgresql.search(connection, "theirs", CODES[:1])
    with pytest.raises(errors.ParameterError, match="a pair"):
        postgresql.search(connection, ("a", "b", "c"), CODES[:1])


def test_the_graph_finds_what_a_scan_finds(connection):
    if not has_vectors(connection):
        with pytest.raises(errors.BackendUnavailableError, match="CREATE EXTENSION vector"):
            postgresql.write(filled(), connection, "items", hnsw=True)
        assert types(connection, "items") == {}
        pytest.skip(NO_VECTORS)
    index = embedded("int8")
    postgresql.write(index, connection, "plain")
    with pytest.raises(errors.ParameterError, match="hnsw=True"):
        postgresql.search(connection, "plain", CODES[:1], effort=10)
    postgresql.write(index, connection, "items", hnsw=True)
    connection.execute("SET enable_seqscan = off")  # of few rows a scan is faster, and is what would be chosen
    plan = connection.execute("EXPLAIN " + postgresql.sql(connection, "items", hnsw=True), {"codes": ["0" * 70]})
    assert "items_code_idx" in str(plan.fetchall())
    expected = index.search(X[:50], 10)
    scores, ids = postgresql.search(connection, "items", X[:50], 10, model=index.model, effort=400)
    assert np.mean(ids == expected[1]) > 0.95
    np.testing.assert_allclose(scores[ids == expected[1]], expected[0][ids == expected[1]], atol=1e-4)
    if version_of_vectors(connection) >= (0, 8):  # of the 12 nearest few would pass
        few = {"where": "id %% 20 = 3", "effort": 12}
        _, ids = postgresql.search(connection, "items", CODES[:5], 10, **few)
        assert ids.shape == (5, 10)
        assert (ids % 20 == 3).all()
    for wrong in (0, 1001, True):
        with pytest.raises(errors.ParameterError, match="effort must be"):
            postgresql.search(connection, "items", CODES[:1], effort=wrong)
    with pytest.raises(errors.ParameterError, match="at most 1000 rows"):
        postgresql.search(connection, "items", CODES[:1], 1001, effort=10)


def test_what_is_sent_is_the_format_of_the_manual():
    """Without a server: a signature, fields with their lengths, and a trailer."""
    index = BinaryIndex(9, originals=("int8", 2))
    bits = np.zeros((2, 9), dtype=bool)
    bits[0, [0, 8]] = True
    index.add(pack(bits), keys=["é", None], originals=np.array([[1, -1], [0, 0]], dtype=np.float32))
    rows = tables.Rows(index)
    start, content, end = copied(rows, rows.form, "halfvec")
    assert (start, end) == (b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff")
    original = struct.pack(">ihh", 8, 2, 0) + np.array([127, -127], ">f2").tobytes()
    first = struct.pack(">hiqii", 5, 8, 0, 6, 9) + b"\x80\x80" + original + struct.pack(">i", 2) + "é".encode()
    assert content.startswith(first + b"\xff\xff\xff\xff" + struct.pack(">hiq", 5, 8, 1))
    assert content.endswith(b"\xff" * 8)
    array = struct.pack(">iiiiiiififif", 36, 1, 0, 700, 2, 1, 4, 127, 4, -127, 0, 0)[:-8]
    assert array in list(copied(rows, rows.form, "real[]"))[1]
