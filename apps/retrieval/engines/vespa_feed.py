"""Codes for Vespa: a schema, documents to feed, and queries, to send with your own client.

A code is a ``tensor<int8>(x[BYTES])``, sent as a string of hex digits. A byte packs eight components, the first one in
the highest bit; zeros pad the last byte. (docs.vespa.ai: "Binarizing Vectors", ``pack_bits``; "Document JSON format",
"indexed tensors representing binary data"; "Nearest neighbor search", "Using binary embeddings with hamming distance".)
``closeness`` is ``1 / (1 + hamming)``. Vespa returns ties in any order.
"""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from hdc.apps.retrieval.engines.asking import asked_of, from_hits
from hdc.apps.retrieval.engines.bodies import blocks, codes_form, line, responses
from hdc.apps.retrieval.engines.tables import Block, Form, Rows, Source, fields_of, highest_first
from hdc.apps.retrieval.engines.ties import MORE, hits_of
from hdc.checks import flag, integer, text
from hdc.errors import FileFormatError, ParameterError
from hdc.search.measures import Distances, Ids
from hdc.words import MAX_DIM

SCHEMA = """schema {name} {{
  document {name} {{
    field id type long {{
      indexing: summary | attribute
      attribute: fast-search
    }}
    field key type string {{
      indexing: summary | attribute
    }}
    field document type raw {{
      indexing: summary
    }}
    field code type tensor<int8>(x[{size}]) {{
      indexing: attribute{graph}
      attribute {{
        distance-metric: hamming
      }}
    }}
  }}
  rank-profile hamming {{
    inputs {{
      query(code) tensor<int8>(x[{size}])
    }}
    first-phase {{
      expression: closeness(field, code)
    }}
  }}
}}
"""


def schema(index: Source, name: str, *, exact: bool = False) -> str:
    """Return the text of ``schemas/NAME.sd`` for a Vespa application.

    Parameters
    ----------
    index : BinaryIndex, EmbeddingIndex or ShardedIndex
        Its codes must be compared by Hamming distance.
    name : str
        Name of the schema and its document type: letters, digits and ``_``.
    exact : bool
        Build no graph of the codes.

    Raises
    ------
    UnsupportedError
        If the codes are not compared by Hamming distance.
    ParameterError
        If ``name`` has other characters.
    """
    form = codes_form(Rows(index), "Vespa", MAX_DIM)
    return SCHEMA.format(name=_name(name), size=form.size, graph="" if flag(exact, "exact") else " | index")


def _name(name: Any) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*", text(name, "name"), re.ASCII):
        raise ParameterError(f"name must be letters, digits and _, not {name!r}")
    return str(name)


def write(index: Source, name: str, *, namespace: str = "hdc") -> Iterator[bytes]:
    r"""Yield JSON lines for ``vespa feed``, a few megabytes at a time, one ``put`` per line.

    Parameters
    ----------
    index, name
        As in :func:`schema`, which lists further errors.
    namespace : str
        Namespace of the document ids, ``id:NAMESPACE:NAME::ID``.

    Raises
    ------
    FileFormatError
        If the index is damaged.

    Examples
    --------
    >>> from hdc.apps.retrieval import BinaryIndex
    >>> from hdc.apps.retrieval.engines import vespa_feed
    >>> from hdc.words import pack
    >>> index = BinaryIndex(10)
    >>> _ = index.add(pack([[1, 0, 0, 0, 0, 0, 0, 1, 1, 0]]))
    >>> next(vespa_feed.write(index, "codes"))
    b'{"put":"id:hdc:codes::0","fields":{"id":0,"code":{"values":"8180"}}}\n'
    """
    rows, place = Rows(index), f"id:{_name(namespace)}:{_name(name)}::"
    codes_form(rows, "Vespa", MAX_DIM)
    return blocks(entry for block in rows for entry in _documents(block, place))


def _documents(block: Block, place: str) -> Iterator[bytes]:
    codes = highest_first(block.codes)
    for number, code, key, document in zip(block.ids.tolist(), codes, block.keys, block.documents, strict=True):
        fields = {"id": number, "code": {"values": code.tobytes().hex()}, **fields_of(key, document)}
        yield line({"put": f"{place}{number}", "fields": fields})


def search(name: str, queries: Any, k: int = 10, *, dim: int, exact: bool = False) -> list[dict[str, Any]]:
    """Return one body of ``POST /search/`` per query that asks for the k nearest codes, plus some to break ties.

    Parameters
    ----------
    name : str
        Name of the schema.
    queries : (q, words) uint64 array
    k : int
    dim : int
        Bits of a code.
    exact : bool
        Compare every code, even if the schema has a graph.

    Raises
    ------
    DTypeError, DimensionError, PaddingError
        If the queries are not codes of ``dim`` bits.
    ParameterError
        If a parameter is out of range.
    """
    place, wanted = _name(name), integer(k, "k", 1) + MORE
    form = Form(integer(dim, "dim", 1, MAX_DIM))
    asked = asked_of(form, place, queries, k, model=None, originals=None, candidates=None)
    how = f"targetHits:{wanted}{', approximate:false' if flag(exact, 'exact') else ''}"
    yql = f"select id from {place} where {{{how}}}nearestNeighbor(code, code)"
    common = {"yql": yql, "hits": wanted, "ranking": "hamming"}
    codes = highest_first(asked.codes).view(np.int8).tolist()
    return [{**common, "input.query(code)": code} for code in codes]


def found(given: Any, k: int = 10) -> tuple[Distances, Ids]:
    """Read the parsed responses to :func:`search`.

    Parameters
    ----------
    given : dict, or list of dicts
        The parsed JSON of each response.
    k : int
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
        If one is a response to something else, or reports an error.
    """
    k, rows = integer(k, "k", 1), []
    for response in responses(given):
        try:
            root = response["root"]
            if "errors" in root:
                raise ValueError(root["errors"])
            hits = [(float(hit["relevance"]), int(hit["fields"]["id"])) for hit in root.get("children", [])]
            rows.append([(round(1 / closeness - 1), number) for closeness, number in hits])
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise FileFormatError(f"Vespa's response has no hits of codes: {error!r} in {response}") from None
    distances, ids = from_hits(hits_of(rows), len(rows), floats=False)
    return distances[:, :k], ids[:, :k]
