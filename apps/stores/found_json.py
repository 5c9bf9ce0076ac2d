"""The common part of retrievers of JSON documents: read a text as a query, and return hits with explanations."""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from hdc.apps.json import JSONIndex
from hdc.errors import ParameterError


class FoundDocument(NamedTuple):
    """A document that was found.

    Attributes
    ----------
    key : str
        Its key, or its id in the index.
    score : float
    document : JSON value
    explanation : dict
        ``"score"``, ``"reasons"`` (path, query, match and share of each leaf of the query) and ``"notes"`` on the query
        if there are any.
    """

    key: str
    score: float
    document: Any
    explanation: dict[str, Any]


def query_of(asked: Any, text_at: str) -> Any:
    """Return a query for :meth:`JSONIndex.search`.

    Parameters
    ----------
    asked : JSON value
        A text that is a JSON object is read as a partial document. Any other text is searched for in a field.
    text_at : str
        That field; ``"*"`` for any field.

    Raises
    ------
    ParameterError
        If a text begins like an object but is not valid JSON.
    """
    if not isinstance(asked, str):
        return asked
    if not asked.lstrip().startswith("{"):
        return {text_at: asked}
    try:
        return json.loads(asked)
    except (ValueError, RecursionError) as error:
        raise ParameterError(f"the query begins like a JSON object but is not valid JSON: {error}") from None


def found(
    index: JSONIndex, asked: Any, k: int, where: str | Iterable[str] | None, *, text_at: str, explain: bool
) -> list[FoundDocument]:
    """Search, and explain each hit; raises as :meth:`JSONIndex.search` and :func:`query_of`."""
    query = query_of(asked, text_at)
    hits = index.search(query, k, where=where)
    explanations: list[dict[str, Any]] = [{} for _ in hits]
    if explain:
        noted = {"notes": list(hits.notes)} if hits.notes else {}
        explanations = [
            {"score": hit.score, "reasons": [reason._asdict() for reason in reasons], **noted}
            for hit, reasons in zip(hits, index.explain(query, hits), strict=True)
        ]
    return [
        FoundDocument(str(hit.id) if hit.key is None else hit.key, hit.score, hit.document, explanation)
        for hit, explanation in zip(hits, explanations, strict=True)
    ]


def as_text(document: Any) -> str:
    """Return a document as JSON text."""
    return json.dumps(document, ensure_ascii=False)
