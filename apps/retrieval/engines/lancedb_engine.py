"""Codes in LanceDB: a table with a ``FixedSizeList<uint8>`` column, searched by LanceDB's ``hamming`` distance.

The lowest bit of a byte is the first of its eight components; zeros pad a code to a multiple of eight bits.
"""

from contextlib import suppress
from typing import Any

import numpy as np

from hdc.apps.retrieval.binarizers import Binarizer
from hdc.apps.retrieval.engines.asking import HITS, Asked, asked_of, from_hits
from hdc.apps.retrieval.engines.record_batches import lists, reader
from hdc.apps.retrieval.engines.tables import Form, Rows, Source, library
from hdc.apps.retrieval.engines.ties import settled
from hdc.checks import integer, text
from hdc.errors import ParameterError
from hdc.search.measures import Distances, Ids
from hdc.search.reranking import float_cosines
from hdc.search.shards import nearest

QUERIES = 1 << 6
"""Queries per search."""

FORM = b"hdc-codes"
"""Key of the form in the metadata of a table's schema."""


def write(index: Source, connection: Any, table: str) -> int:
    """Write an index to a new table and return the number of rows. After an error, the table does not exist.

    The columns are ``id`` (int64), ``code`` (lists of uint8), ``key`` and ``document``. If the index keeps originals,
    the table also has ``original`` (lists of int8, float16 or float32) and, for inner products and Euclidean distances,
    ``length`` (float32). LanceDB reads the rows in blocks. For approximate search, build IVF lists: call
    ``create_index("code", config=lancedb.index.IvfFlat(distance_type="hamming"))`` on LanceDB's table.

    Parameters
    ----------
    index : BinaryIndex, EmbeddingIndex or ShardedIndex
        Its codes must be compared by Hamming distance.
    connection : lancedb.DBConnection
    table : str
        Name of the new table: letters, digits, ``_``, ``-`` and ``.``.

    Raises
    ------
    UnsupportedError
        If the codes are not compared by Hamming distance (RaBitQ codes, for example).
    BackendUnavailableError
        If LanceDB is not installed.
    ParameterError
        If ``table`` is not text, or the table exists.
    FileFormatError
        If the index is damaged.
    ValueError, OSError, RuntimeError
        Errors of LanceDB itself.

    Examples
    --------
    >>> import tempfile
    >>> import lancedb
    >>> import hdc
    >>> from hdc.apps.retrieval import BinaryIndex
    >>> from hdc.apps.retrieval.engines import lancedb_engine
    >>> codes, index = hdc.MAPB(256).symbols(range(1000)), BinaryIndex(256)
    >>> _ = index.add(codes)
    >>> connection = lancedb.connect(tempfile.mkdtemp())
    >>> lancedb_engine.write(index, connection, "items")
    1000
    >>> distances, ids = lancedb_engine.search(connection, "items", codes[[5, 7]], k=1)
    >>> distances.tolist(), ids.tolist()
    ([[0], [0]], [[5], [7]])
    """
    rows, name = Rows(index), text(table, "table")
    library("lancedb", "lancedb")
    metadata = {FORM.decode(): rows.form.to_json()}
    source = reader(rows, "lancedb", lists, half=True, metadata=metadata)
    if _there(connection, name):
        raise ParameterError(f"the table {name} already exists; drop it or pass another name")
    with rows.errors_told():
        try:
            connection.create_table(name, data=source, mode="create")
        except BaseException:
            if not _there(connection, name):  # frees the space of rows written before the error
                with suppress(Exception):
                    connection.drop_table(name)
            raise
    return len(rows)


def search(
    connection: Any,
    table: str,
    queries: Any,
    k: int = 10,
    *,
    model: Binarizer | None = None,
    originals: Any = None,
    candidates: int | None = None,
    where: str | None = None,
    probes: int | None = None,
) -> tuple[Distances, Ids]:
    """Find the k nearest rows to each query in a table of :func:`write`.

    LanceDB compares the codes; this function reads the originals of the candidates and compares them.

    Parameters
    ----------
    connection : lancedb.DBConnection
    table : str
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
        Search only rows that meet this condition in LanceDB's SQL, for example ``"key LIKE 'book %'"``.
    probes : int, optional
        IVF lists to read per query, if LanceDB has built some. By default every row is compared.

    Returns
    -------
    distances : (q, k) int32 or float32 array
        Hamming distances, ascending. With originals: one minus the cosine, or the negated score of another metric.
        With a model: scores, descending.
    ids : (q, k) int64 array
        Ties are in ascending order of ids. If the lists have fewer than k rows, -1 with the farthest distance.

    Raises
    ------
    DTypeError, DimensionError, PaddingError
        If the queries do not fit the table.
    ParameterError
        If a parameter is out of range, the table does not exist, or you pass ``probes`` and it has no IVF lists.
    MismatchError
        If the model did not make these codes.
    UnsupportedError
        If you pass originals but the table has none.
    FileFormatError
        If :func:`write` did not make the table.
    OSError, RuntimeError
        Errors of LanceDB itself.
    """
    library("lancedb", "lancedb")
    if not _there(connection, text(table, "table")):
        raise ParameterError(f"the table {table} does not exist; write an index to it first")
    rows = connection.open_table(table)
    form = Form.of_json((rows.schema.metadata or {}).get(FORM), table)
    asked = asked_of(form, table, queries, k, model=model, originals=originals, candidates=candidates)
    if probes is not None:
        integer(probes, "probes", 1)
        if not any("code" in index.columns for index in rows.list_indices()):
            raise ParameterError(f"the table {table} has no IVF lists for probes={probes}; build them or omit probes")
    found = []
    for part in asked.parts(QUERIES):
        distances, ids, places = _by_codes(rows, part, where, probes)
        found.append((distances, ids) if part.originals is None else _by_originals(rows, part, ids, places))
    return asked.answer(found)


def _there(connection: Any, table: str) -> bool:
    """Return whether a complete table exists."""
    try:
        connection.open_table(table)
    except ValueError:
        return False
    return True


def _by_codes(rows: Any, asked: Asked, where: str | None, probes: int | None) -> tuple[Distances, Ids, Ids]:
    """Return distances and ids of the nearest rows by codes, and LanceDB's row numbers."""
    last: list[Any] = []

    def ask(limit: int) -> Any:
        last[:] = _hits(rows, asked, where, probes, limit)
        return last[0]

    distances, ids = settled(ask, len(asked), asked.wanted, rows.count_rows(where))
    hits, places = last
    hits["id"] = places
    return distances, ids, from_hits(hits, len(asked), floats=False)[1][:, : ids.shape[1]]


def _hits(rows: Any, asked: Asked, where: str | None, probes: int | None, limit: int) -> tuple[Any, Ids]:
    """Return the nearest rows of each query, sorted by (query, distance, id), and LanceDB's row numbers."""
    search = rows.search([*asked.codes], vector_column_name="code").distance_type("hamming")
    search = search.bypass_vector_index() if probes is None else search.nprobes(probes)
    search = search if where is None else search.where(where, prefilter=True)
    found = search.select(["id", "_distance"]).with_row_id(True).limit(limit).to_arrow()
    hits = np.zeros(len(found), dtype=HITS)
    if "query_index" in found.schema.names:  # absent if there is one query
        hits["query"] = found["query_index"].to_numpy()
    hits["distance"], hits["id"] = found["_distance"].to_numpy(), found["id"].to_numpy()
    order = np.lexsort((hits["id"], hits["distance"], hits["query"]))
    return hits[order], found["_rowid"].to_numpy()[order].astype(np.int64)


def _by_originals(rows: Any, asked: Asked, ids: Ids, places: Ids) -> tuple[Distances, Ids]:
    """Rank the candidates of each query by originals, which are read by LanceDB's row numbers."""
    assert asked.originals is not None
    assert asked.lengths is not None
    wanted = np.unique(places[ids >= 0])
    columns = ["original", *(["length"] if asked.form.lengths else [])]
    read = rows.take_row_ids(wanted.tolist()).select(columns).with_row_id().to_arrow().sort_by("_rowid")
    kept = read["original"].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, asked.form.width)
    own = np.searchsorted(wanted, places)
    cosines = float_cosines(asked.originals, kept, own)
    if asked.form.metric == "cosine":
        distances = 1 - cosines
    else:
        lengths = read["length"].to_numpy().astype(np.float64)[own]
        products = cosines * lengths * asked.lengths[:, None]
        squares = lengths**2 + asked.lengths[:, None] ** 2
        distances = -products if asked.form.metric == "ip" else squares - 2 * products
    return nearest([(distances.astype(np.float32), ids)], min(asked.k, ids.shape[1]))
