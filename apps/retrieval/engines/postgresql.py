"""Codes in PostgreSQL: a table with a ``bit(n)`` column, searched by ``bit_count(code # query)`` or by pgvector's HNSW.

PostgreSQL has ``bit_count`` of bit strings from version 14 on, so you need no extension. If the database has pgvector
0.7 or later (``CREATE EXTENSION vector``), originals are stored as ``halfvec`` or ``vector`` and pgvector compares
them. You can then also build a graph of the codes (HNSW, ``bit_hamming_ops``), which ``<~>`` searches.

The first component of a code is the first bit of the string, as in ``B'100'``.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from hdc.apps.retrieval.binarizers import Binarizer
from hdc.apps.retrieval.engines.asking import Asked, asked_of, candidates_of, from_hits
from hdc.apps.retrieval.engines.postgresql_copy import copied
from hdc.apps.retrieval.engines.tables import Form, Rows, Source, library, table_name
from hdc.checks import flag, integer
from hdc.errors import BackendUnavailableError, ParameterError, UnsupportedError
from hdc.search.measures import Distances, Ids

Table = str | tuple[str, str]

QUERIES = 1 << 9
"""Queries per statement."""

MOST_EFFORT = 1000
"""Largest ``hnsw.ef_search``."""


def write(index: Source, connection: Any, table: Table, *, hnsw: bool = False) -> int:
    """Write an index to a new table and return the number of rows. After an error, the table does not exist.

    The columns are ``id bigint`` (the primary key), ``code bit(n)``, ``key text`` and ``document bytea``. If the index
    keeps originals, the table also has ``original`` and, for inner products and Euclidean distances, ``length real``.
    Rows are sent in blocks. If the connection is in a transaction, they are part of it; otherwise they are committed at
    once.

    Parameters
    ----------
    index : BinaryIndex, EmbeddingIndex or ShardedIndex
        Its codes must be compared by Hamming distance.
    connection : psycopg.Connection
    table : str or (str, str)
        Name of the new table, or (schema, table). It is quoted: capitals and quotes are part of the name.
    hnsw : bool
        Also build a graph of the codes; needs pgvector. To set its parameters, build it yourself afterwards:
        ``CREATE INDEX ON items USING hnsw (code bit_hamming_ops) WITH (m = 32)``.

    Raises
    ------
    UnsupportedError
        If the codes are not compared by Hamming distance (RaBitQ codes, for example), or the server is older than
        PostgreSQL 14.
    BackendUnavailableError
        If psycopg is not installed, or you ask for a graph and the database has no pgvector.
    ParameterError
        If ``table`` is not a name, or the table exists.
    FileFormatError
        If the index is damaged.
    psycopg.Error
        Errors of the server.
    """
    rows, name, hnsw = Rows(index), _name(table), flag(hnsw, "hnsw")
    with _begun(connection) as cursor:
        _check_server(connection)
        vectors = _has_vectors(cursor)
        if hnsw and not vectors:
            raise BackendUnavailableError(
                "the database has no pgvector of version 0.7 or later; install it and run CREATE EXTENSION vector"
            )
        told = name.as_string(connection)
        if cursor.execute("SELECT to_regclass(%s)", [told]).fetchone()[0] is not None:
            raise ParameterError(f"the table {told} already exists; drop it or pass another name")
        _fill(cursor, name, rows, "real[]" if not vectors else "vector" if rows.form.dtype == "float32" else "halfvec")
        if hnsw:
            cursor.execute(_sql("CREATE INDEX ON {} USING hnsw (code bit_hamming_ops)").format(name))
    return len(rows)


def _fill(cursor: Any, name: Any, rows: Rows, original: str) -> None:
    """Create the table and copy the rows into it."""
    literal = library("psycopg", "postgresql").sql.Literal
    columns = _sql(", ").join(map(_sql, _columns(rows.form, original)))
    cursor.execute("SET LOCAL client_encoding = 'UTF8'")
    cursor.execute(_sql("CREATE TABLE {} ({})").format(name, columns))
    with cursor.copy(_sql("COPY {} FROM STDIN (FORMAT binary)").format(name)) as copy:
        for chunk in copied(rows, rows.form, original):
            copy.write(chunk)
    cursor.execute(_sql("ALTER TABLE {} ADD PRIMARY KEY (id)").format(name))
    cursor.execute(_sql("COMMENT ON TABLE {} IS {}").format(name, literal(rows.form.to_json())))


def search(
    connection: Any,
    table: Table,
    queries: Any,
    k: int = 10,
    *,
    model: Binarizer | None = None,
    originals: Any = None,
    candidates: int | None = None,
    where: Any = None,
    parameters: Mapping[str, Any] | None = None,
    effort: int | None = None,
) -> tuple[Distances, Ids]:
    """Find the k nearest rows to each query in a table of :func:`write`. The database does all comparisons.

    Parameters
    ----------
    connection : psycopg.Connection
    table : str or (str, str)
    queries : (q, words) uint64 array, or (q, d) float array with ``model``
    k : int
        At least 1. You get fewer results if fewer rows exist.
    model : fitted binarizer, optional
        The model of the index. With it, queries are vectors and answers the scores of :meth:`EmbeddingIndex.search`.
        Without it, queries are codes and answers the distances of :meth:`BinaryIndex.search`.
    originals : (q, width) array of floats, optional
        Vectors of the queries, to compare with the originals of the table. Pass them only with codes as queries.
    candidates : int, optional
        Rows that codes find and originals then rank; ``10 * k`` by default.
    where : str or psycopg.sql.Composable, optional
        Search only rows that meet this SQL condition on the columns of ``items``, for example
        ``"items.key = ANY(%(keys)s)"`` or ``"items.id IN (SELECT item FROM prices WHERE price < %(most)s)"``. A graph
        search filters the rows it finds, then walks on (pgvector 0.8) or returns fewer rows.
    parameters : mapping, optional
        Values of the condition's parameters. Pass user input here; never write it into the condition.
    effort : int, optional
        Walk the graph with this many candidates in hand: at most 1000, raised to the number of rows wanted. By default
        every row is compared.

    Returns
    -------
    distances : (q, k) int32 or float32 array
        Hamming distances, ascending. With originals: one minus the cosine, or the negated score of another metric.
        With a model: scores, descending.
    ids : (q, k) int64 array
        Ties are in ascending order of ids. If the graph finds fewer than k rows, -1 with the farthest distance.

    Raises
    ------
    DTypeError, DimensionError, PaddingError
        If the queries do not fit the table.
    ParameterError
        If a parameter is out of range, the table does not exist, or you pass ``effort`` and it has no graph.
    MismatchError
        If the model did not make these codes.
    UnsupportedError
        If you pass originals but the table has none.
    FileFormatError
        If :func:`write` did not make the table.
    psycopg.Error
        Errors of the server.
    """
    name, found = _name(table), []
    with _begun(connection) as cursor:
        form = _form(cursor, told := name.as_string(connection))
        asked = asked_of(form, told, queries, k, model=model, originals=originals, candidates=candidates)
        if effort is not None:
            _set_effort(cursor, told, effort, asked.wanted)
            if where is not None:
                _let_walk_on(cursor)
        compared = None if asked.originals is None else asked.candidates
        statement = _statement(name, form, asked.k, compared, effort is not None, _has_vectors(cursor), where)
        for part in asked.parts(QUERIES):
            hits = cursor.execute(statement, {**(parameters or {}), **_parameters(part)}).fetchall()
            found.append(from_hits(hits, len(part), floats=part.originals is not None))
    return asked.answer(found)


def sql(
    connection: Any,
    table: Table,
    k: int = 10,
    *,
    originals: bool = False,
    candidates: int | None = None,
    where: Any = None,
    hnsw: bool = False,
) -> str:
    """Return the SQL statement that :func:`search` runs, to read it or to build it into another one.

    Pass the statement a parameter ``codes``, one text such as ``"0110"`` per query. With ``originals``, also pass
    ``originals``, texts such as ``"{0.5,-1}"``, and their ``lengths``.

    Parameters
    ----------
    connection, table, k, candidates, where
        As in :func:`search`.
    originals : bool
        Rank the rows that codes find by originals.
    hnsw : bool
        Search the graph, as ``effort`` does. Set ``hnsw.ef_search`` in your transaction.

    Raises
    ------
    ParameterError, FileFormatError, psycopg.Error
        As :func:`search`.
    """
    k, name = integer(k, "k", 1), _name(table)
    least = candidates_of(k, candidates)
    with _begun(connection) as cursor:
        form = _form(cursor, name.as_string(connection))
        compared = least if flag(originals, "originals") else None
        statement = _statement(name, form, k, compared, flag(hnsw, "hnsw"), _has_vectors(cursor), where)
    return str(statement.as_string(connection))


def _parameters(asked: Asked) -> dict[str, Any]:
    bits = np.unpackbits(asked.codes, axis=1, count=asked.form.dim, bitorder="little") + ord("0")
    parameters: dict[str, Any] = {"codes": [row.tobytes().decode() for row in bits]}
    if asked.originals is not None and asked.lengths is not None:
        parameters["originals"] = ["{" + ",".join(map(str, row)) + "}" for row in asked.originals.tolist()]
        parameters["lengths"] = asked.lengths.tolist()
    return parameters


def _statement(name: Any, form: Form, k: int, candidates: int | None, hnsw: bool, vectors: bool, where: Any) -> Any:
    """Return the SQL of a search: per query, codes find the nearest rows and originals then rank them."""
    literal = library("psycopg", "postgresql").sql.Literal
    differing = "items.code <~> queries.code" if hnsw else "bit_count(items.code # queries.code)"
    order = "differing" if hnsw else "differing, id"  # a graph cannot order by id
    columns, given, taken, more, distance = "id", "code", "", "", "differing::int"
    passing = "" if where is None else " WHERE ({where})"
    if candidates is not None:
        columns, given = "id, original, length" if form.lengths else "id, original", "code, original, length"
        more, kind = ", %(originals)s::text[], %(lengths)s::float8[]", "::vector" if vectors else ""
        taken, distance = f", original::real[]{kind} AS original, length", f"({_distance(form, vectors)})::real"
    statement = f"""\
WITH queries AS MATERIALIZED (
  SELECT number, code::bit({{dim}}) AS code{taken}
  FROM unnest(%(codes)s::text[]{more}) WITH ORDINALITY AS given({given}, number))
SELECT number - 1 AS query, distance, id
FROM queries CROSS JOIN LATERAL (
  SELECT id, {distance} AS distance
  FROM (
    SELECT {columns}, {differing} AS differing
    FROM {{table}} AS items{passing} ORDER BY {order} LIMIT {{wanted}}) AS found
  ORDER BY distance, id LIMIT {{k}}) AS hits
ORDER BY query, distance, id"""
    wanted = literal(k if candidates is None else candidates)
    condition = _sql(where) if isinstance(where, str) else where
    table = _sql(name.as_string(None).replace("%", "%%"))  # psycopg reads % as the start of a parameter
    return _sql(statement).format(dim=literal(form.dim), table=table, wanted=wanted, k=literal(k), where=condition)


def _distance(form: Form, vectors: bool) -> str:
    """Return SQL for the distance of an original: one minus the cosine, or the negated score of another metric."""
    if vectors:
        cosine = "1 - coalesce(nullif(found.original::vector <=> queries.original, 'NaN'), 1)"
    else:
        cosine = (
            "coalesce((SELECT sum(a::float8 * b) / nullif(sqrt(sum(a::float8 * a)) * sqrt(sum(b::float8 * b)), 0) "
            "FROM unnest(found.original, queries.original) AS components(a, b)), 0)"
        )
    if form.metric == "cosine":
        return f"1 - ({cosine})"
    products = f"({cosine}) * found.length * queries.length"
    if form.metric == "ip":
        return f"-({products})"
    return f"found.length ^ 2 + queries.length ^ 2 - 2 * {products}"


def _columns(form: Form, original: str) -> Sequence[str]:
    columns = ["id bigint NOT NULL", f"code bit({form.dim}) NOT NULL"]
    if form.dtype is not None:
        kind = original if original == "real[]" else f"{original}({form.width})"
        columns.append(f"original {kind} NOT NULL")
        if form.lengths:
            columns.append("length real NOT NULL")
    return [*columns, "key text", "document bytea"]


@contextmanager
def _begun(connection: Any) -> Iterator[Any]:
    """Yield a cursor in the transaction of the connection, or in a new one."""
    rows = library("psycopg.rows", "postgresql").tuple_row
    with connection.transaction(), connection.cursor(row_factory=rows) as cursor:
        yield cursor


def _sql(text: str) -> Any:
    return library("psycopg", "postgresql").sql.SQL(text)


def _name(table: Table) -> Any:
    return library("psycopg", "postgresql").sql.Identifier(*table_name(table))


def _form(cursor: Any, table: str) -> Form:
    """Read the form of a table from its comment."""
    query = "SELECT to_regclass(%(name)s), obj_description(to_regclass(%(name)s), 'pg_class')"
    found, comment = cursor.execute(query, {"name": table}).fetchone()
    if found is None:
        raise ParameterError(f"the table {table} does not exist; write an index to it first")
    return Form.of_json(comment, table)


def _check_server(connection: Any) -> None:
    if (version := connection.info.server_version) < 140_000:
        raise UnsupportedError(f"PostgreSQL {version // 10_000} has no bit_count of bits; use version 14 or later")


def _has_vectors(cursor: Any) -> bool:
    """Return whether the database has pgvector 0.7 or later, the first version with half precision and bits."""
    found: bool = cursor.execute("SELECT to_regtype('halfvec') IS NOT NULL").fetchone()[0]
    return found


def _set_effort(cursor: Any, table: str, effort: int, wanted: int) -> None:
    """Set how many candidates graph searches of the transaction keep in hand: ``effort``, but at least ``wanted``."""
    effort = integer(effort, "effort", 1, MOST_EFFORT)
    graphs = (
        "SELECT count(*) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam "
        "WHERE indrelid = to_regclass(%s) AND amname = 'hnsw' AND indisvalid"
    )
    if not cursor.execute(graphs, [table]).fetchone()[0]:
        raise ParameterError(f"the table {table} has no graph for effort={effort}; write it with hnsw=True")
    if wanted > MOST_EFFORT:
        raise ParameterError(f"pgvector's graph finds at most {MOST_EFFORT} rows, and you want {wanted}; omit effort")
    cursor.execute("SELECT set_config('hnsw.ef_search', %s, true)", [str(max(effort, wanted))])


def _let_walk_on(cursor: Any) -> None:
    """Let graph searches of the transaction walk on until enough rows meet a condition; needs pgvector 0.8."""
    query = "SELECT string_to_array(extversion, '.')::int[] >= '{0,8}' FROM pg_extension WHERE extname = 'vector'"
    if cursor.execute(query).fetchone() == (True,):
        cursor.execute("SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true)")
