"""Codes in DuckDB: a table with a column ``BIT``, searched by ``bit_count(xor(code, query))``.

A bit string has whole bytes: behind the last component, zeros follow up to a multiple of eight. The first component of
a code is the first bit of the string.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from hdc.apps.retrieval.binarizers import Binarizer
from hdc.apps.retrieval.engines.asking import Asked, asked_of, candidates_of, from_hits
from hdc.apps.retrieval.engines.record_batches import binaries, reader
from hdc.apps.retrieval.engines.tables import Form, Rows, Source, highest_first, library, table_name
from hdc.checks import flag, integer
from hdc.errors import ParameterError
from hdc.search.measures import Distances, Ids

Table = str | tuple[str, str]

QUERIES = 1 << 9
"""Queries that one statement asks."""

READER = "hdc_rows_to_be_written"
"""Name under which a connection reads rows while they are written."""


def write(index: Source, connection: Any, table: Table) -> int:
    """Write an index to a new table, as a whole or, after an error, not at all; return the number of rows.

    The columns are ``id BIGINT``, ``code BIT``, ``key VARCHAR``, ``document BLOB``, and, of an index that keeps
    originals, ``original TINYINT[d]`` or ``FLOAT[d]`` and, for inner products and Euclidean distances,
    ``length FLOAT``. DuckDB reads the rows in blocks. If the connection has begun a transaction, they are committed
    with it, else at once.

    Parameters
    ----------
    index : BinaryIndex, EmbeddingIndex or ShardedIndex
        Of codes that are compared by differing bits.
    connection : duckdb.DuckDBPyConnection
    table : str or (str, str)
        Name of the new table, or of its schema and the table.

    Raises
    ------
    UnsupportedError
        If the codes are not compared by differing bits (RaBitQ's, for example).
    BackendUnavailableError
        If DuckDB or pyarrow is not installed.
    ParameterError
        If ``table`` is no name, or there is such a table.
    FileFormatError
        If the index is damaged.
    duckdb.Error
        What DuckDB says.

    Examples
    --------
    >>> import duckdb
    >>> import hdc
    >>> from hdc.apps.retrieval import BinaryIndex
    >>> from hdc.apps.retrieval.engines import duckdb_engine
    >>> codes, index = hdc.MAPB(256).symbols(range(1000)), BinaryIndex(256)
    >>> _ = index.add(codes)
    >>> connection = duckdb.connect()
    >>> duckdb_engine.write(index, connection, "items")
    1000
    >>> distances, ids = duckdb_engine.search(connection, "items", codes[[5, 7]], k=1)
    >>> distances.tolist(), ids.tolist()
    ([[0], [0]], [[5], [7]])
    """
    rows, name = Rows(index), _quoted(table)
    source = reader(rows, "duckdb", lambda arrow, codes: binaries(arrow, highest_first(codes)), half=False)
    connection.register(READER, source)
    try:
        with rows.errors_told(), _begun(connection):
            if _comment(connection, table) is not None:
                raise ParameterError(f"there is a table {name}; drop it, or give another name")
            connection.execute(f"CREATE TABLE {name} AS SELECT * REPLACE (code::BIT AS code) FROM {READER}")
            connection.execute(f"COMMENT ON TABLE {name} IS '{rows.form.to_json()}'")
    finally:
        with suppress(library("duckdb", "duckdb").Error):  # the caller's transaction has failed, and ends it
            connection.unregister(READER)
    return len(rows)


def search(
    connection: Any,
    table: Table,
    queries: Any,
    k: int = 10,
    *,
    model: Binarizer | None = None,
    originals: Any = None,
    candidates: int | None = None,
    where: str | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> tuple[Distances, Ids]:
    """Find the k rows of a table of :func:`write` that are nearest to each query, in DuckDB; all rows are compared.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
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
    where : str, optional
        Search only the rows that pass: a condition in SQL on columns of ``items``, such as
        ``"items.key IN (SELECT unnest($keys))"`` or ``"items.id IN (SELECT item FROM prices WHERE price < $most)"``.
    parameters : mapping, optional
        Values of the condition's parameters. Never write values of others into the condition itself.

    Returns
    -------
    distances : (q, k) int32 or float32 array
        Ascending differing bits; with originals, one minus the cosine, or for the other metrics the score times -1.
        With a model, scores, descending.
    ids : (q, k) int64 array
        Of equal distances the lower id comes first.

    Raises
    ------
    DTypeError, DimensionError, PaddingError
        If the queries are not those of the table.
    ParameterError
        If a parameter is out of range, or there is no such table.
    MismatchError
        If the model is another one.
    UnsupportedError
        If originals are given, and the table has none.
    FileFormatError
        If the table was not made by :func:`write`.
    duckdb.Error
        What DuckDB says.
    """
    form, name, found = _form(connection, table), _quoted(table), []
    asked = asked_of(form, name, queries, k, model=model, originals=originals, candidates=candidates)
    statement = _statement(name, form, asked.k, None if asked.originals is None else asked.candidates, where)
    for part in asked.parts(QUERIES):
        hits = connection.execute(statement, {**(parameters or {}), **_parameters(part)}).fetchall()
        found.append(from_hits(hits, len(part), floats=part.originals is not None))
    return asked.answer(found)


def sql(
    connection: Any,
    table: Table,
    k: int = 10,
    *,
    originals: bool = False,
    candidates: int | None = None,
    where: str | None = None,
) -> str:
    """Return the statement that :func:`search` runs, to read it or to make a part of another one.

    It takes the parameters ``codes``, a list of bytes, the highest bit of each first, and, with ``originals``, the
    lists of floats ``originals`` and their ``lengths``. Parameters and errors are those of :func:`search`.
    """
    k = integer(k, "k", 1)
    least = candidates_of(k, candidates)
    compared = least if flag(originals, "originals") else None
    return _statement(_quoted(table), _form(connection, table), k, compared, where)


def _parameters(asked: Asked) -> dict[str, Any]:
    parameters: dict[str, Any] = {"codes": [row.tobytes() for row in highest_first(asked.codes)]}
    if asked.originals is not None and asked.lengths is not None:
        parameters |= {"originals": asked.originals.tolist(), "lengths": asked.lengths.tolist()}
    return parameters


def _statement(name: str, form: Form, k: int, candidates: int | None, where: str | None) -> str:
    """Return the SQL of a search: for each query, the nearest rows by codes, and of these the nearest by originals."""
    by_codes = "{'distance': bit_count(xor(items.code, queries.code)), 'id': items.id}"
    passing = "" if where is None else f"WHERE ({where}) "
    found = f"FROM queries CROSS JOIN {name} AS items {passing}GROUP BY number"
    if candidates is None:
        given, hits = "", f"SELECT number, unnest(min({by_codes}, {k})) AS hit\n  {found}"
    else:
        given = f",\n    unnest($originals::DOUBLE[{form.width}][]) AS original, unnest($lengths::DOUBLE[]) AS length"
        hits = f"""\
SELECT number, unnest(min({{'distance': ({_distance(form)})::FLOAT, 'id': items.id}}, {k})) AS hit
  FROM (
    SELECT number, unnest(min({by_codes}, {candidates})).id AS id
    {found}) AS found
  JOIN queries USING (number) JOIN {name} AS items USING (id) GROUP BY number"""
    return f"""\
WITH queries AS MATERIALIZED (
  SELECT unnest($codes::BLOB[])::BIT AS code, unnest(range(len($codes))) AS number{given})
SELECT number, hit.distance, hit.id FROM (
  {hits})
ORDER BY ALL"""


def _distance(form: Form) -> str:
    """Return the distance of an original: one minus the cosine, or the score of the metric times -1."""
    original, asked = f"items.original::DOUBLE[{form.width}]", "queries.original"
    dot = "array_inner_product({}, {})".format
    squares = f"{dot(original, original)} * {dot(asked, asked)}"
    cosine = f"coalesce({dot(original, asked)} / nullif(sqrt({squares}), 0), 0)"
    if form.metric == "cosine":
        return f"1 - {cosine}"
    products = f"{cosine} * items.length::DOUBLE * queries.length"
    if form.metric == "ip":
        return f"-({products})"
    return f"items.length::DOUBLE ** 2 + queries.length ** 2 - 2 * {products}"


@contextmanager
def _begun(connection: Any) -> Iterator[None]:
    """Run a block in a transaction: one of its own, or the one that the connection has begun."""
    if _has_begun(connection):
        yield
        return
    connection.begin()
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _has_begun(connection: Any) -> bool:
    """Return whether the caller has begun a transaction: outside of one, every statement is a new one."""
    numbers = [connection.execute("SELECT txid_current()").fetchall() for _ in range(2)]
    return bool(numbers[0] == numbers[1])


def _quoted(table: Table) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in table_name(table))


def _form(connection: Any, table: Table) -> Form:
    comment = _comment(connection, table)
    if comment is None:
        raise ParameterError(f"there is no table {_quoted(table)}; write an index to it first")
    return Form.of_json(comment, _quoted(table))


def _comment(connection: Any, table: Table) -> str | None:
    """Return what a table says of itself, which is "" for many; None if there is none."""
    *schema, name = table_name(table)
    query = (
        "SELECT coalesce(comment, '') FROM duckdb_tables() WHERE database_name = current_database() "
        "AND lower(schema_name) = lower(coalesce($schema, current_schema())) AND lower(table_name) = lower($name)"
    )
    found = connection.execute(query, {"schema": schema[0] if schema else None, "name": name}).fetchall()
    return str(found[0][0]) if found else None
