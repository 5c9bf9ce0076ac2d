"""HDCJSONRetriever: search JSON documents in LlamaIndex by text or partial document, with explanations."""

from collections.abc import Callable, Iterable
from typing import Any

from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from hdc.apps.json import JSONIndex
from hdc.apps.stores.found_json import as_text, found


class HDCJSONRetriever(BaseRetriever):
    """Retriever of the documents of a JSONIndex that match most of a query.

    Search with a text, which any field may match, or with a partial document as JSON text:
    ``'{"author": {"name": "Ada"}}'``.

    Parameters
    ----------
    index : JSONIndex
    similarity_top_k : int
        Number of documents to return.
    where : str or iterable of str, optional
        Conditions that a document must all meet.
    text : function of a document, optional
        Returns the text of a node; by default the document as JSON text.
    explain : bool
        Add ``"score"`` and ``"reasons"`` to the nodes' metadata: path, query, match and share of each leaf of the
        query.
    settings
        Settings of LlamaIndex's ``BaseRetriever``: ``callback_manager``, ``verbose``.
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
