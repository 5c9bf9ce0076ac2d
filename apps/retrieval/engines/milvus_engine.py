"""Codes in Milvus: a ``BINARY_VECTOR``, compared by ``HAMMING`` in an index ``BIN_FLAT``.

Milvus packs eight components into a byte, the first one highest, and takes multiples of eight; what is missing is 0.
(milvus.io/docs/binary-vector.md: ``dim``, "must be a multiple of 8", and ``convert_bool_list_to_bytes``.) Keys and
documents are dynamic fields. Originals stay here: give their vectors to Milvus as a field of your own. Milvus Lite
(3.2.2) has no binary vectors; a server does.
"""

from dataclasses import replace
from typing import Any

from hdc.apps.retrieval.binarizers import Binarizer
from hdc.apps.retrieval.engines.asking import asked_of
from hdc.apps.retrieval.engines.bodies import codes_form
from hdc.apps.retrieval.engines.tables import Block, Form, Rows, Source, fields_of, highest_first, library
from hdc.apps.retrieval.engines.ties import hits_of, settled
from hdc.checks import text
from hdc.errors import ParameterError
from hdc.search.measures import Distances, Ids
from hdc.words import MAX_DIM

ROWS, QUERIES = 1 << 12, 64
"""Rows that are sent, and queries that are asked, at a time."""

MOST_HITS = 1 << 14
"""Rows that Milvus returns to a query."""


def write(index: Source, client: Any, collection: str) -> int:
    """Write the codes of an index to a new collection; return the number of rows. After an error, it is dropped.

    The fields are ``id`` (INT64, the primary key), ``code`` (BINARY_VECTOR), and where there are any ``key`` and
    ``document`` (base64). For an approximate search, drop the index of ``code`` and make one of ``BIN_IVF_FLAT``.

    Parameters
    ----------
    index : BinaryIndex, EmbeddingIndex or ShardedIndex
        Of codes that are compared by differing bits.
    client : pymilvus.MilvusClient
    collection : str

    Raises
    ------
    UnsupportedError
        If the codes are not compared by differing bits, or need originals for another metric than the cosine.
    ParameterError
        If there is such a collection.
    BackendUnavailableError
        If pymilvus is not installed.
    FileFormatError
        If the index is damaged.
    pymilvus.MilvusException
        What Milvus says, of a name with other characters than letters, digits and ``_``, say.
    """
    rows, name = Rows(index), text(collection, "collection")
    kinds = library("pymilvus", "milvus").DataType
    form = replace(codes_form(rows, "Milvus", MAX_DIM), dtype=None, width=0)
    if client.has_collection(name):
        raise ParameterError(f"there is a collection {name}; drop it, or give another name")
    schema = client.create_schema(auto_id=False, enable_dynamic_field=True, description=form.to_json())
    schema.add_field("id", kinds.INT64, is_primary=True)
    schema.add_field("code", kinds.BINARY_VECTOR, dim=8 * form.size)
    indexes = client.prepare_index_params()
    indexes.add_index(field_name="code", index_type="BIN_FLAT", metric_type="HAMMING")
    client.create_collection(name, schema=schema, index_params=indexes, consistency_level="Strong")
    try:
        for block in rows:
            entities = _entities(block)
            for start in range(0, len(entities), ROWS):
                client.insert(name, entities[start : start + ROWS])
    except BaseException:
        client.drop_collection(name)
        raise
    return len(rows)


def _entities(block: Block) -> list[dict[str, Any]]:
    entities: list[dict[str, Any]] = []
    codes = highest_first(block.codes)
    rows = zip(block.ids.tolist(), codes, block.keys, block.documents, strict=True)
    for number, code, key, document in rows:
        entities.append({"id": number, "code": code.tobytes(), **fields_of(key, document)})
    return entities


def search(
    client: Any, collection: str, queries: Any, k: int = 10, *, model: Binarizer | None = None, where: str = ""
) -> tuple[Distances, Ids]:
    """Find the k rows of a collection of :func:`write` that are nearest to each query.

    Parameters
    ----------
    client : pymilvus.MilvusClient
    collection : str
    queries : (q, words) uint64 array, or (q, d) float array with ``model``
    k : int
        From 1 to 16,384, the most that Milvus returns.
    model : fitted binarizer, optional
        That of the index. Queries are vectors then, and answers are scores, greater is nearer: those of an
        :class:`EmbeddingIndex` without originals.
    where : str
        Find only rows of this condition, in the language of Milvus: ``id in [1, 2] or key == "a"``.

    Returns
    -------
    distances : (q, k) int32 or float32 array
        Ascending differing bits; with a model, scores, descending.
    ids : (q, k) int64 array
        Of equal distances the lower id comes first.

    Raises
    ------
    DTypeError, DimensionError, PaddingError
        If the queries are not those of the collection.
    ParameterError
        If k is out of range, or there is no such collection.
    MismatchError
        If the model is another one.
    FileFormatError
        If the collection was not made by :func:`write`.
    """
    library("pymilvus", "milvus")
    if not client.has_collection(text(collection, "collection")):
        raise ParameterError(f"there is no collection {collection}; write an index to it first")
    form = Form.of_json(client.describe_collection(collection).get("description"), collection)
    asked = asked_of(form, collection, queries, k, model=model, originals=None, candidates=None)
    if k > MOST_HITS:
        raise ParameterError(f"Milvus returns at most {MOST_HITS} rows, not {k}")
    count = int(client.query(collection, filter=where, output_fields=["count(*)"])[0]["count(*)"])
    found = []
    for part in asked.parts(QUERIES):
        data = [row.tobytes() for row in highest_first(part.codes)]

        def ask(limit: int, data: list[bytes] = data) -> Any:
            request = {"anns_field": "code", "limit": limit, "search_params": {"metric_type": "HAMMING"}}
            request["filter"] = where
            answers = client.search(collection, data, **request) if count else [[] for _ in data]
            return hits_of([[(hit["distance"], hit["id"]) for hit in answer] for answer in answers])

        found.append(settled(ask, len(part), part.wanted, min(count, MOST_HITS)))
    return asked.answer(found)
