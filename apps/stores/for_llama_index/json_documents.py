"""JSON documents in LlamaIndex: found by text or partial document, and explained."""

from collections.abc import Callable, Iterable
from typing import Any

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from hdc.apps.json import JSONIndex
from hdc.apps.stores.found_json import as_text, found


class HDCJSONRetriever(BaseRetriever):
    """Documents of a JSONIndex that hold most of what a query asks for.

    A query is a text, which any field may have, or a partial document as JSON text:
    ``'{"author": {"name": "Ada"}}'``.

    Parameters
    ----------
    index : JSONIndex
    similarity_top_k : int
        Documents that are returned.
    where : str or iterable of str, optional
        Conditions that all must hold.
    text : function of a document, optional
        Returns the text of a node; the document as JSON text if left out.
    explain : bool
        Whether the nodes' metadata have ``"score"`` and ``"reasons"``: path, query, match and share of each leaf of
        the query.
    settings
        As LlamaIndex's ``BaseRetriever`` takes them: ``callback_manager``, ``verbose``.
    """

    def __init__(
        self,
        index: JSONIndex,
        similarity_top_k: int = 4,
        *,
        where: str | Iterable[str] | None = None,
        text: Callable[[Any], str] = as_text,
        explain: bool = True,
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.index, self.similarity_top_k, self.where = index, similarity_top_k, where
        self.text, self.explain = text, explain

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        asked, k = query_bundle.query_str, self.similarity_top_k
        hits = found(self.index, asked, k, self.where, text_at="*", explain=self.explain)
        return [
            NodeWithScore(
                node=TextNode(
                    id_=hit.key, text=self.text(hit.document), metadata={"document": hit.document} | hit.explanation
                ),
                score=hit.score,
            )
            for hit in hits
        ]
