"""Codes for Elasticsearch and OpenSearch: request bodies to send with your own client.

Both pack eight components into a byte, the first one in the highest bit. Zeros pad a code to a multiple of eight bits.

- Elasticsearch: ``dense_vector`` with ``element_type: bit``; a code is a string of hex digits, a query a list of signed
  bytes; ``_score`` is ``(bits - hamming) / bits``. (Reference, "Dense vector field type"; at most 4096 bytes.)
- OpenSearch: ``knn_vector`` with ``data_type: binary`` and ``space_type: hamming``; codes and queries are lists of
  signed bytes; ``_score`` is ``1 / (1 + hamming)``. (Documentation, "Memory-optimized vectors", "Binary vectors";
  "Spaces"; at most 16,000 bits.)

Both return ties in any order. So a search asks for more rows than you want, and :func:`found` sorts them.
"""

from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from hdc.apps.retrieval.engines.asking import asked_of, from_hits
from hdc.apps.retrieval.engines.bodies import blocks, codes_form, line, responses
from hdc.apps.retrieval.engines.tables import Block, Form, Rows, Source, fields_of, highest_first
from hdc.apps.retrieval.engines.ties import MORE, hits_of
from hdc.checks import choice, flag, integer, text
from hdc.errors import FileFormatError
from hdc.search.measures import Distances, Ids
from hdc.words import MAX_DIM

Engine = Literal["elasticsearch", "opensearch"]

ENGINES: tuple[Engine, ...] = ("elasticsearch", "opensearch")

MOST_BITS: dict[Engine, int] = {"elasticsearch": 1 << 15, "opensearch": 16_000}

MOST_CANDIDATES = 10_000
"""Largest ``num_candidates`` that Elasticsearch accepts."""

LONGEST_KEY = 8191
"""Most characters of a searchable key: a term has at most 32,766 bytes."""


def mapping(index: Source, *, engine: Engine, exact: bool = False) -> dict[str, Any]:
    """Return the body of the request that creates an index, ``PUT /NAME``.

    Parameters
    ----------
    index : BinaryIndex, EmbeddingIndex or ShardedIndex
        Its codes must be compared by Hamming distance.
    engine : {"elasticsearch", "opensearch"}
    exact : bool
        Let Elasticsearch compare every code instead of walking a graph. OpenSearch ignores this: pass ``exact=True`` to
        :func:`search` instead.

    Raises
    ------
    UnsupportedError
        If the codes are not compared by Hamming distance, or are too long.
    ParameterError
        If ``engine`` is unknown.
    """
    form = codes_form(Rows(index), choice(engine, "engine", ENGINES), MOST_BITS[engine])
    bits, others = (
        8 * form.size,
        {"key": {"type": "keyword", "ignore_above": LONGEST_KEY}, "document": {"type": "binary"}},
    )
    if engine == "opensearch":
        method = {"name": "hnsw", "engine": "faiss"}
        code = {
            "type": "knn_vector",
            "dimension": bits,
            "data_type": "binary",
            "space_type": "hamming",
            "method": method,
        }
        return {"settings": {"index": {"knn": True}}, "mappings": {"properties": {"code": code, **others}}}
    kind = {"type": "flat" if flag(exact, "exact") else "hnsw"}
    code = {"type": "dense_vector", "element_type": "bit", "dims": bits, "similarity": "l2_norm", "index_options": kind}
    return {"mappings": {"properties": {"code": code, **others}}}


def write(index: Source, name: str, *, engine: Engine) -> Iterator[bytes]:
    """Yield bodies of ``POST /_bulk`` of a few megabytes each. You can safely send a body twice.

    Documents have the ids of the index as ``_id``, a field ``code``, and fields ``key`` and ``document`` (base64) if
    the row has them.

    Parameters
    ----------
    index, engine
        As in :func:`mapping`, which lists further errors.
    name : str
        Name of the engine's index.

    Raises
    ------
    FileFormatError
        If the index is damaged.

    Examples
    --------
    >>> from hdc.apps.retrieval import BinaryIndex
    >>> from hdc.apps.retrieval.engines import elastic
    >>> from hdc.words import pack
    >>> index = BinaryIndex(8)
    >>> _ = index.add(pack([[0, 1, 1, 0, 0, 0, 1, 1]]), keys=["a"])
    >>> for block in elastic.write(index, "codes", engine="opensearch"):
    ...     print(block.decode(), end="")
    {"index":{"_index":"codes","_id":"0"}}
    {"code":[99],"key":"a"}
    """
    rows, place = Rows(index), text(name, "name")
    codes_form(rows, choice(engine, "engine", ENGINES), MOST_BITS[engine])
    return blocks(entry for block in rows for entry in _documents(block, place, engine))


def _documents(block: Block, name: str, engine: Engine) -> Iterator[bytes]:
    codes = highest_first(block.codes)
    rows = zip(block.ids.tolist(), codes, block.keys, block.documents, strict=True)
    for number, code, key, document in rows:
        entry = {"code": code.tobytes().hex() if engine == "elasticsearch" else code.view(np.int8).tolist()}
        yield line({"index": {"_index": name, "_id": str(number)}}) + line({**entry, **fields_of(key, document)})


def search(
    name: str, queries: Any, k: int = 10, *, dim: int, engine: Engine, exact: bool = False, effort: int | None = None
) -> bytes:
    """Return the body of ``POST /_msearch`` that asks for the k nearest codes to each query, plus some to break ties.

    Parameters
    ----------
    name : str
        Name of the engine's index.
    queries : (q, words) uint64 array
    k : int
    dim : int
        Bits of a code.
    engine : {"elasticsearch", "opensearch"}
    exact : bool
        Let OpenSearch compare every code by its script ``knn_score``. Elasticsearch follows its mapping instead.
    effort : int, optional
        Elasticsearch's ``num_candidates``. The default is ten times the rows asked for, at most 10,000.

    Raises
    ------
    DTypeError, DimensionError, PaddingError
        If the queries are not codes of ``dim`` bits.
    ParameterError
        If a parameter is out of range.
    """
    place, wanted = text(name, "name"), integer(k, "k", 1) + MORE
    choice(engine, "engine", ENGINES)
    form = Form(integer(dim, "dim", 1, MAX_DIM))
    asked = asked_of(form, place, queries, k, model=None, originals=None, candidates=None)
    lines = []
    for code in highest_first(asked.codes).view(np.int8).tolist():
        if engine == "elasticsearch":
            most = max(wanted, min(10 * wanted, MOST_CANDIDATES) if effort is None else integer(effort, "effort", 1))
            near = {"field": "code", "query_vector": code, "k": wanted, "num_candidates": most}
            body: dict[str, Any] = {"knn": near}
        elif flag(exact, "exact"):
            given = {"field": "code", "query_value": code, "space_type": "hamming"}
            script = {"source": "knn_score", "lang": "knn", "params": given}
            body = {"query": {"script_score": {"query": {"match_all": {}}, "script": script}}}
        else:
            body = {"query": {"knn": {"code": {"vector": code, "k": wanted}}}}
        lines += [line({"index": place}), line({"size": wanted, "_source": False, **body})]
    return b"".join(lines)


def found(given: Any, k: int = 10, *, dim: int, engine: Engine) -> tuple[Distances, Ids]:
    """Read the parsed response to :func:`search`.

    Parameters
    ----------
    given : dict or list
        The parsed JSON of the response.
    k, dim, engine
        As passed to :func:`search`.

    Returns
    -------
    distances : (q, k) int32 array
        Hamming distances, ascending.
    ids : (q, k) int64 array
        Ties are in ascending order of ids.

    Raises
    ------
    FileFormatError
        If it is a response to something else, or reports an error.
    """
    bits, k = 8 * Form(integer(dim, "dim", 1, MAX_DIM)).size, integer(k, "k", 1)
    elastic = choice(engine, "engine", ENGINES) == "elasticsearch"
    rows = []
    for response in responses(given):
        try:
            hits = [(float(hit["_score"]), int(hit["_id"])) for hit in response["hits"]["hits"]]
            rows.append([(round(bits * (1 - s) if elastic else 1 / s - 1), number) for s, number in hits])
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise FileFormatError(f"the engine's response has no hits of codes: {error!r} in {response}") from None
    distances, ids = from_hits(hits_of(rows), len(rows), floats=False)
    return distances[:, :k], ids[:, :k]
