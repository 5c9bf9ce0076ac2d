"""semantic_search: find the nearest texts or vectors of a corpus or an index, in one call."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hdc.apps.retrieval.evaluation.exact import exact
from hdc.apps.retrieval.files.vectors import Rows
from hdc.apps.retrieval.index.embedding import EmbeddingIndex, Floats, Ids
from hdc.apps.retrieval.vectors.quantized import Precision
from hdc.apps.retrieval.vectors.rows import as_rows, finite
from hdc.apps.retrieval.vectors.texts import Encoder, encoded
from hdc.checks import array, integer
from hdc.errors import DTypeError, ParameterError


def semantic_search(
    queries: Any,
    corpus: Any,
    k: int = 10,
    *,
    encoder: Encoder | None = None,
    precision: Precision | None = None,
    ranges: Any = None,
    candidates: int | None = None,
) -> list[list[dict[str, Any]]]:
    """Return the k nearest rows of a corpus by cosine for each query, in the format of sentence-transformers.

    Parameters
    ----------
    queries : text, sequence of q texts, (q, d) array of floats, or one (d,) vector
    corpus : sequence of n texts, (n, d) array, or EmbeddingIndex
        Texts and floats are compared exactly, in blocks. Quantized embeddings are put into an index and searched with
        float queries; see :meth:`EmbeddingIndex.from_quantized`. To search more than once, create the index yourself
        and pass it.
    k : int
        At least 1. At most as many hits are returned as the corpus has rows.
    encoder : function, or object with a method ``encode``, optional
        Turns texts into vectors: a sentence-transformers model, or any function of a list of texts.
    precision : {"int8", "uint8", "binary", "ubinary"}, optional
        Format of quantized embeddings.
    ranges : (2, d) array, optional
        Ranges that int8 or uint8 embeddings were quantized with.
    candidates : int, optional
        Rows per query that codes find and float queries rescore; ``10 * k`` by default.

    Returns
    -------
    list of q lists of dict
        ``{"corpus_id": int, "score": float}``, best first. The id is a row number, or an id of the index.

    Raises
    ------
    ParameterError
        If texts come without an encoder, integers without a precision, or a vector contains NaN or infinity.
    DTypeError, DimensionError, MismatchError
        If queries and corpus have other dtypes or shapes than described above, or do not match.

    Examples
    --------
    >>> from hdc.apps.retrieval import semantic_search
    >>> def letters(texts):
    ...     return [[text.count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"] for text in texts]
    >>> hits = semantic_search("a boat", ["boats at sea", "zebra", "sky"], k=1, encoder=letters)
    >>> hits[0][0]["corpus_id"], round(hits[0][0]["score"], 3)
    (0, 0.845)
    """
    k, asked = integer(k, "k", 1), _floats(queries, encoder, "queries")
    if isinstance(corpus, EmbeddingIndex):
        if precision is not None or ranges is not None:
            raise ParameterError("precision and ranges are for arrays; an index stores its own")
        return _hits(*corpus.search(asked, k, candidates=candidates))
    if precision is not None:
        index = EmbeddingIndex.from_quantized(corpus, precision, ranges=ranges)
        return _hits(*index.search(asked, k, candidates=candidates))
    if ranges is not None or candidates is not None:
        raise ParameterError(
            "ranges and candidates are for quantized embeddings and indexes; floats are compared exactly"
        )
    vectors = as_rows(_floats(corpus, encoder, "corpus"), asked.shape[1], "corpus")
    return _hits(*exact(Rows(vectors, "the corpus").blocks(), asked, k))


def _floats(given: Any, encoder: Encoder | None, what: str) -> Floats:
    """Return texts or vectors as ``(n, d)`` floats."""
    texts = isinstance(given, str) or (isinstance(given, Sequence) and len(given) and isinstance(given[0], str))
    if texts:
        if encoder is None:
            raise ParameterError(f"{what} are texts; pass encoder=..., a function that turns texts into vectors")
        return encoded(given, encoder)
    rows = array(given, what)
    if rows.dtype.kind in "iu":
        hint = "pass their precision: int8, uint8, binary or ubinary" if what == "corpus" else "pass floats"
        raise DTypeError(f"{what} are {rows.dtype}; {hint}")
    rows = as_rows(rows[None] if rows.ndim == 1 and what == "queries" else rows, None, what)
    return rows if what == "corpus" else finite(rows, 0, what)


def _hits(scores: Floats, ids: Ids) -> list[list[dict[str, Any]]]:
    pairs = zip(np.asarray(scores, np.float64).tolist(), ids.tolist(), strict=True)
    return [
        [{"corpus_id": found, "score": score} for score, found in zip(*row, strict=True) if found >= 0] for row in pairs
    ]
