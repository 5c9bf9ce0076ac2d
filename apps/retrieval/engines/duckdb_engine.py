"""Codes in DuckDB: a table with a ``BIT`` column, searched by ``bit_count(xor(code, query))``.

A bit string has whole bytes: zeros pad a code to a multiple of eight bits. The first component of a code is the first
bit of the string.
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
"""Queries per statement."""

READER = "hdc_rows_to_be_written"
"""Name of the rows in the connection while they are written."""


def write(index: Source, connection: Any, table: Table) -> int:
    """Write an index to a new table and return the number of rows. After an error, the table does not exist.

    The columns are ``id BIGINT``, ``code BIT``, ``key VARCHAR`` and ``document BLOB``. If the index keeps originals,
    the table also has ``original TINYINT[d]`` or ``FLOAT[d]`` and, for inner products and Euclidean distances,
    ``length FLOAT``. DuckDB reads the rows in blocks. If the connection is in a transaction, the rows are part of it;
    otherwise they are committed at once.

    Parameters
    ----------
    index : BinaryIndex, EmbeddingIndex or ShardedIndex
        Its codes must be compared by Hamming distance.
    connection : duckdb.DuckDBPyConnection
    table : str or (str, str)
        Name of the new table, or (schema, table).

    Raises
    ------
    UnsupportedError
        If the codes are not compared by Hamming distance (RaBitQ codes, for example).
    BackendUnavailableError
        If DuckDB or pyarrow is not installed.
    ParameterError
        If ``table`` is not a name, or the table exists.
    FileFormatError
        If the index is damaged.
    duckdb.Error
        Errors of DuckDB itself.

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
                raise ParameterError(f"the table {name} already exists; drop it or pass another name")
            connection.execute(f"CREATE TABLE {name} AS SELECT * REPLACE (code::BIT AS code) FROM {READER}")
            connection.execute(f"COMMENT ON TABLE {name} IS '{rows.form.to_json()}'")
    finally:
        with suppress(library("duckdb", "duckdb").Error):  # a failed transaction of the caller drops it at its end
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
    """Find the k nearest rows to each query in a table of :func:`write`. DuckDB compares every row.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
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
    where : str, optional
        Search only rows that meet this SQL condition on the columns of ``items``, for example
        ``"items.key IN (SELECT unnest($keys))"`` or ``"items.id IN (SELECT item FROM prices WHERE price < $most)"``.
    parameters : mapping, optional
        Values of the condition's parameters. Pass user input here; never write it into the condition.

    Returns
    -------
    distances : (q, k) int32 or float32 array
        Hamming distances, ascending. With originals: one minus the cosine, or the negated score of another metric.
        With a model: scores, descending.
    ids : (q, k) int64 array
        Ties are in ascending order of ids.

    Raises
    ------
    DTypeError, DimensionError, PaddingError
        If the queries do not fit the table.
    ParameterError
        If a parameter is out of range, or the table does not exist.
    MismatchError
        If the model did not make these codes.
    UnsupportedError
        If you pass originals but the table has none.
    FileFormatError
        If :func:`write` did not make the table.
    duckdb.Error
        Errors of DuckDB itself.
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
    """Return the SQL statement that :func:`search` runs, to read it or to build it into another one.

    Pass the statement a parameter ``codes``, a list of bytes with the highest bit of a byte first. With ``originals``,
    also pass lists of floats, ``originals`` and ``lengths``. Parameters and errors are those of :func:`search`.
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
    """Return the SQL of a search: per query, codes find the nearest rows and originals then rank them."""
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
    """Return SQL for the distance of an original: one minus the cosine, or the negated score of another metric."""
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
    """Run a block in the transaction of the connection, or in a new one."""
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
    """Return whether the connection is in a transaction: outside one, every statement gets a new transaction id."""
    numbers = [connection.execute("SELECT txid_current()").fetchall() for _ in range(2)]
    return bool(numbers[0] == numbers[1])


def _quoted(table: Table) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in table_name(table))


def _form(connection: Any, table: Table) -> Form:
    comment = _comment(connection, table)
    if comment is None:
        raise ParameterError(f"the table {_quoted(table)} does not exist; write an index to it first")
    return Form.of_json(comment, _quoted(table))


def _comment(connection: Any, table: Table) -> str | None:
    """Return the comment of a table, "" if it has none; None if the table does not exist."""
    *schema, name = table_name(table)
    query = (
        "SELECT coalesce(comment, '') FROM duckdb_tables() WHERE database_name = current_database() "
        "AND lower(schema_name) = lower(coalesce($schema, current_schema())) AND lower(table_name) = lower($name)"
    )
    found = connection.execute(query, {"schema": schema[0] if schema else None, "name": name}).fetchall()
    return str(found[0][0]) if found else None
