"""HDCVectorStore: LlamaIndex's vector store over an EmbeddingIndex."""

import os
from collections.abc import Sequence
from typing import Any

from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.indices.query.embedding_utils import get_top_k_mmr_embeddings
from llama_index.core.schema import BaseNode
from llama_index.core.vector_stores.types import (
    BasePydanticVectorStore,
    FilterOperator,
    MetadataFilter,
    MetadataFilters,
    VectorStoreQuery,
    VectorStoreQueryMode,
    VectorStoreQueryResult,
)
from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict

from hdc.apps.retrieval import EmbeddingIndex
from hdc.apps.stores.collection import Collection
from hdc.apps.stores.documents import Hit
from hdc.apps.stores.for_llama_index.filters import where_of
from hdc.errors import FileFormatError, ParameterError, UnsupportedError

NODE, TYPE = "_node_content", "_node_type"
"""Entries of LlamaIndex's dictionary of a node that are not to be filtered by."""

FETCHED = 4
"""Nodes, for each that is wanted, among which maximal marginal relevance chooses."""


class HDCVectorStore(BasePydanticVectorStore):
    """Nodes and their embeddings in a folder that survives crashes, or in memory.

    All operators and conditions of metadata filters are answered, nested ones too, most from posting lists. Query modes
    are the default and ``mmr``, which chooses among ``mmr_prefetch_factor=4`` times the nodes that are wanted. Other
    keyword arguments of :meth:`query` go to :meth:`hdc.apps.retrieval.EmbeddingIndex.search`: ``candidates``,
    ``probes``, ``effort``.

    Parameters
    ----------
    path : path, optional
        A folder, opened or made; in memory if left out.
    index : EmbeddingIndex, optional
        Instead of a path: an index of any kind and binarizer.
    writable : bool
        One process at a time opens a folder for changes; the others pass False, and see them by :meth:`refresh`.

    Raises
    ------
    ParameterError, FileFormatError, BlockingIOError, OSError
        As :class:`hdc.apps.stores.Collection`.
    """

    stores_text: bool = True
    is_embedding_query: bool = True
    path: str | None = None
    writable: bool = True

    _collection: Collection = PrivateAttr()

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        index: EmbeddingIndex | None = None,
        writable: bool = True,
        **fields: Any,
    ) -> None:
        super().__init__(path=None if path is None else os.fspath(path), writable=writable, **fields)
        self._collection = Collection(path, index=index, writable=writable)

    @classmethod
    def class_name(cls) -> str:
        """Return the name that a saved component has."""
        return "HDCVectorStore"

    @property
    def client(self) -> EmbeddingIndex | None:
        """The index; None before the first nodes."""
        return self._collection.index

    @property
    def collection(self) -> Collection:
        """The nodes, as documents with keys."""
        return self._collection

    # ------------------------------------------------------------------ changes

    def add(self, nodes: Sequence[BaseNode], **_: Any) -> list[str]:
        """Add nodes with their embeddings, or replace those of the same ids; all or, after an error, none.

        Raises
        ------
        ParameterError, DimensionError, OSError
            As :meth:`hdc.apps.stores.Collection.put`.
        """
        keys = [node.node_id for node in nodes]
        self._collection.put(keys, [node.get_embedding() for node in nodes], [_document(node) for node in nodes])
        return keys

    def delete(self, ref_doc_id: str, **_: Any) -> None:
        """Remove the nodes of a document."""
        self.delete_nodes(filters=_of_documents([ref_doc_id]))

    def delete_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **_: Any) -> None:
        """Remove the nodes of some ids, those whose metadata pass filters, or those for which both is so.

        Raises
        ------
        ParameterError
            If neither is given: :meth:`clear` removes all.
        """
        if node_ids is None and where_of(filters) is None:
            raise ParameterError("delete_nodes needs node_ids or filters; clear() removes all nodes")
        self._collection.remove([hit.key for hit in self._chosen(node_ids, filters) if hit.key is not None])

    def clear(self) -> None:
        """Remove all nodes."""
        self._collection.remove()

    # ------------------------------------------------------------------ reading

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """Return the nodes of some ids, those whose metadata pass filters, those for which both is so, or all."""
        return [_node(hit) for hit in self._chosen(node_ids, filters)]

    def _chosen(self, node_ids: list[str] | None, filters: MetadataFilters | None) -> list[Hit]:
        where = where_of(filters)
        if where is None:
            return self._collection.select(_all) if node_ids is None else self._collection.get(node_ids)
        passed = self._collection.select(where)
        if node_ids is None:
            return passed
        asked = set(node_ids)
        return [hit for hit in passed if hit.key in asked]

    def query(self, query: VectorStoreQuery, **kwargs: Any) -> VectorStoreQueryResult:
        """Return the nodes nearest to an embedding, best first.

        Raises
        ------
        ParameterError
            If there is no embedding.
        UnsupportedError
            If the mode is another than the default and ``mmr``.
        """
        if query.query_embedding is None:
            raise ParameterError("a query of a vector store needs a query_embedding")
        filters = query.filters
        if query.doc_ids:
            own = _of_documents(query.doc_ids)
            filters = own if where_of(filters) is None else MetadataFilters(filters=[own, filters])
        # LlamaIndex's retriever passes the ids that its index knows of: none, where the store has the nodes.
        chosen: dict[str, Any] = {"where": where_of(filters), "keys": query.node_ids or None}
        k, vector = query.similarity_top_k, query.query_embedding
        if query.mode == VectorStoreQueryMode.DEFAULT:
            return _result(self._collection.search(vector, k, **chosen, **kwargs))
        if query.mode != VectorStoreQueryMode.MMR:
            raise UnsupportedError(f"the store answers the query modes 'default' and 'mmr', not {query.mode.value!r}")
        threshold = kwargs.pop("mmr_threshold", query.mmr_threshold)
        fetched = k * kwargs.pop("mmr_prefetch_factor", FETCHED)
        hits = self._collection.search(vector, fetched, vectors=True, **chosen, **kwargs)
        scores, places = get_top_k_mmr_embeddings(
            vector,
            [hit.vector for hit in hits],
            similarity_top_k=k,
            embedding_ids=list(range(len(hits))),
            mmr_threshold=threshold,
        )
        return _result([hits[place]._replace(score=float(score)) for score, place in zip(scores, places, strict=True)])

    # ------------------------------------------------------------------ files

    def persist(self, persist_path: str, fs: Any = None) -> None:
        """Do nothing if the nodes are in a folder, where every change is kept; else copy them to a new folder.

        Raises
        ------
        UnsupportedError
            If a file system other than the machine's own is given.
        ParameterError
            If something else is there already.
        """
        if self.path is not None or self._collection.index is None:
            return
        if fs is not None and type(fs).__name__ != "LocalFileSystem":
            raise UnsupportedError("an index is a folder of the machine's own file system; copy the folder elsewhere")
        self._collection.save(persist_path)

    def refresh(self) -> bool:
        """Go on to what a writer in another process has changed since; return whether it did."""
        return self._collection.refresh()

    def close(self) -> None:
        """Close the files and let another process write."""
        self._collection.close()


def _all(metadata: Any) -> Any:
    return metadata.everything()


def _of_documents(names: list[str]) -> MetadataFilters:
    """Return the filter for nodes of some documents."""
    return MetadataFilters(filters=[MetadataFilter(key="ref_doc_id", value=names, operator=FilterOperator.IN)])


def _document(node: BaseNode) -> dict[str, Any]:
    """Return a node as a document: what LlamaIndex keeps of it, apart from what filters ask for."""
    metadata = node_to_metadata_dict(node, remove_text=False, flat_metadata=False)
    return {"node": {NODE: metadata.pop(NODE), TYPE: metadata.pop(TYPE)}, "metadata": metadata}


def _node(hit: Hit) -> BaseNode:
    if not isinstance(hit.document.get("node"), dict):
        raise FileFormatError(f"the row {hit.key!r} of the index is no node of LlamaIndex")
    return metadata_dict_to_node(hit.document["node"])


def _result(hits: list[Hit]) -> VectorStoreQueryResult:
    return VectorStoreQueryResult(
        nodes=[_node(hit) for hit in hits],
        similarities=[hit.score for hit in hits],
        ids=[hit.key or "" for hit in hits],
    )
