"""Codes in PostgreSQL: a table with a column ``bit(n)``, searched by ``bit_count(code # query)`` or by pgvector's HNSW.

``bit_count`` of bits is PostgreSQL's own from version 14 on, so that no extension is needed. Where pgvector 0.7 or
later is installed in the database (``CREATE EXTENSION vector``), originals are stored as ``halfvec`` or ``vector`` and
compared by it, and a graph of the codes (HNSW, ``bit_hamming_ops``) can be built and searched by ``<~>``.

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
"""Queries that one statement asks."""

MOST_EFFORT = 1000
"""Largest ``hnsw.ef_search``."""


def write(index: Source, connection: Any, table: Table, *, hnsw: bool = False) -> int:
    """Write an index to a new table, as a whole or, after an error, not at all; return the number of rows.

    The columns are ``id bigint`` (the primary key), ``code bit(n)``, ``key text``, ``document bytea``, and, of an index
    that keeps originals, ``original`` and, for inner products and Euclidean distances, ``length real``. Rows are read
    and sent in blocks. If the connection has begun a transaction, they are committed with it, else at once.

    Parameters
    ----------
    index : BinaryIndex, EmbeddingIndex or ShardedIndex
        Of codes that are compared by differing bits.
    connection : psycopg.Connection
    table : str or (str, str)
        Name of the new table, or of its schema and the table, as it is: quotes and capitals are parts of it.
    hnsw : bool
        Build a graph of the codes too; needs pgvector. For other parameters than its own, build it afterwards:
        ``CREATE INDEX ON items USING hnsw (code bit_hamming_ops) WITH (m = 32)``.

    Raises
    ------
    UnsupportedError
        If the codes are not compared by differing bits (RaBitQ's, for example), or the server is older than
        PostgreSQL 14.
    BackendUnavailableError
        If psycopg is not installed, or the graph is asked for and pgvector is not in the database.
    ParameterError
        If ``table`` is no name, or there is such a table.
    FileFormatError
        If the index is damaged.
    psycopg.Error
        What the server says.
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
            raise ParameterError(f"there is a table {told}; drop it, or give another name")
        _fill(cursor, name, rows, "real[]" if not vectors else "vector" if rows.form.dtype == "float32" else "halfvec")
        if hnsw:
            cursor.execute(_sql("CREATE INDEX ON {} USING hnsw (code bit_hamming_ops)").format(name))
    return len(rows)


def _fill(cursor: Any, name: Any, rows: Rows, original: str) -> None:
    """Make a table of rows."""
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
    """Find the k rows of a table of :func:`write` that are nearest to each query, in the database.

    Parameters
    ----------
    connection : psycopg.Connection
    table : str or (str, str)
    queries : (q, words) uint64 array, or (q, d) float array with ``model``
    k : int
        At least 1; at most as many results come back as there are rows.
    model : fitted binarizer, optional
        That of the index. Queries are vectors then, and answers those of :meth:`EmbeddingIndex.search`: scores, greater
        is nearer. Without it they are codes, and answers those of :meth:`BinaryIndex.search`.
    originals : (q, width) array of floats, optional
        With codes, the queries before they were made codes, of a table with originals.
    candidates : int, optional
        Rows that codes find and that originals put in order; ``10 * k`` if left out.
    where : str or psycopg.sql.Composable, optional
        Search only the rows that pass: a condition in SQL on columns of ``items``, such as
        ``"items.key = ANY(%(keys)s)"`` or ``"items.id IN (SELECT item FROM prices WHERE price < %(most)s)"``. A graph
        drops what does not pass after it was found, and walks on (pgvector 0.8) or finds fewer rows.
    parameters : mapping, optional
        Values of the condition's parameters. Never write values of others into the condition itself.
    effort : int, optional
        Walk the graph with so many candidates in hand, at most 1000, and at least as many as rows are asked of it. Left
        out, all rows are compared.

    Returns
    -------
    distances : (q, k) int32 or float32 array
        Ascending differing bits; with originals, one minus the cosine, or for the other metrics the score times -1.
        With a model, scores, descending.
    ids : (q, k) int64 array
        Of equal distances the lower id comes first. Where the graph finds fewer than k, -1, with the farthest distance.

    Raises
    ------
    DTypeError, DimensionError, PaddingError
        If the queries are not those of the table.
    ParameterError
        If a parameter is out of range, there is no such table, or effort is given and the table has no graph.
    MismatchError
        If the model is another one.
    UnsupportedError
        If originals are given, and the table has none.
    FileFormatError
        If the table was not made by :func:`write`.
    psycopg.Error
        What the server says.
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
    """Return the statement that :func:`search` runs, to read it or to make a part of another one.

    It takes the parameters ``codes``, texts such as ``"0110"``, one per query, and, with ``originals``, the texts
    ``originals``, such as ``"{0.5,-1}"``, and their ``lengths``.

    Parameters
    ----------
    connection, table, k, candidates, where
        As of :func:`search`.
    originals : bool
        Compare what the codes find by originals.
    hnsw : bool
        Find by the graph, as ``effort`` does; the transaction sets ``hnsw.ef_search`` itself.

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
    """Return the SQL of a search: for each query, the nearest rows by codes, and of these the nearest by originals."""
    literal = library("psycopg", "postgresql").sql.Literal
    differing = "items.code <~> queries.code" if hnsw else "bit_count(items.code # queries.code)"
    order = "differing" if hnsw else "differing, id"  # a graph knows no ids
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
    table = _sql(name.as_string(None).replace("%", "%%"))  # a parameter begins with one
    return _sql(statement).format(dim=literal(form.dim), table=table, wanted=wanted, k=literal(k), where=condition)


def _distance(form: Form, vectors: bool) -> str:
    """Return the distance of an original: one minus the cosine, or the score of the metric times -1."""
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
    """Yield a cursor in a transaction: one of its own, or a part of the one that the connection has begun."""
    rows = library("psycopg.rows", "postgresql").tuple_row
    with connection.transaction(), connection.cursor(row_factory=rows) as cursor:
        yield cursor


def _sql(text: str) -> Any:
    return library("psycopg", "postgresql").sql.SQL(text)


def _name(table: Table) -> Any:
    return library("psycopg", "postgresql").sql.Identifier(*table_name(table))


def _form(cursor: Any, table: str) -> Form:
    """Return the form that the comment of a table tells."""
    query = "SELECT to_regclass(%(name)s), obj_description(to_regclass(%(name)s), 'pg_class')"
    found, comment = cursor.execute(query, {"name": table}).fetchone()
    if found is None:
        raise ParameterError(f"there is no table {table}; write an index to it first")
    return Form.of_json(comment, table)


def _check_server(connection: Any) -> None:
    if (version := connection.info.server_version) < 140_000:
        raise UnsupportedError(f"PostgreSQL {version // 10_000} has no bit_count of bits; 14 and later versions do")


def _has_vectors(cursor: Any) -> bool:
    """Return whether there is pgvector of version 0.7 or later: the first with half precision and bits."""
    found: bool = cursor.execute("SELECT to_regtype('halfvec') IS NOT NULL").fetchone()[0]
    return found


def _set_effort(cursor: Any, table: str, effort: int, wanted: int) -> None:
    """Let the transaction walk graphs with so many candidates in hand, and at least as many as it wants."""
    effort = integer(effort, "effort", 1, MOST_EFFORT)
    graphs = (
        "SELECT count(*) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam "
        "WHERE indrelid = to_regclass(%s) AND amname = 'hnsw' AND indisvalid"
    )
    if not cursor.execute(graphs, [table]).fetchone()[0]:
        raise ParameterError(f"the table {table} has no graph that effort={effort} could walk; write it with hnsw=True")
    if wanted > MOST_EFFORT:
        raise ParameterError(f"a graph of pgvector finds at most {MOST_EFFORT} rows, and {wanted} are asked for")
    cursor.execute("SELECT set_config('hnsw.ef_search', %s, true)", [str(max(effort, wanted))])


def _let_walk_on(cursor: Any) -> None:
    """Let the transaction walk graphs until enough rows have passed a condition, if pgvector can: from 0.8 on."""
    query = "SELECT string_to_array(extversion, '.')::int[] >= '{0,8}' FROM pg_extension WHERE extname = 'vector'"
    if cursor.execute(query).fetchone() == (True,):
        cursor.execute("SELECT set_config('hnsw.iterative_scan', 'relaxed_order', true)")
