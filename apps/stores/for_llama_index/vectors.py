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
"""Entries of LlamaIndex's dictionary of a node that filters do not read."""

FETCHED = 4
"""Nodes per wanted node from which maximal marginal relevance chooses."""


class HDCVectorStore(BasePydanticVectorStore):
    """Nodes and their embeddings in a crash-safe folder or in memory.

    Metadata filters may use all operators and conditions, also nested; posting lists answer most of them. Query modes
    are the default and ``mmr``, which chooses among ``mmr_prefetch_factor=4`` times the nodes wanted. :meth:`query`
    passes other keyword arguments to :meth:`hdc.apps.retrieval.EmbeddingIndex.search`: ``candidates``, ``probes``,
    ``effort``.

    Parameters
    ----------
    path : path, optional
        A folder to open or create; by default the store is in memory.
    index : EmbeddingIndex, optional
        An index of any kind and binarizer, instead of a path.
    writable : bool
        Only one process at a time can open a folder for changes. Others pass False and call :meth:`refresh`.

    Raises
    ------
    ParameterError, FileFormatError, BlockingIOError, OSError
        As in :class:`hdc.apps.stores.Collection`.
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
        """Return the name of a saved component."""
        return "HDCVectorStore"

    @property
    def client(self) -> EmbeddingIndex | None:
        """The index; None before the first :meth:`add`."""
        return self._collection.index

    @property
    def collection(self) -> Collection:
        """The nodes as documents with keys."""
        return self._collection

    # ------------------------------------------------------------------ changes

    def add(self, nodes: Sequence[BaseNode], **_: Any) -> list[str]:
        """Add nodes with their embeddings, or replace nodes with the same ids. After an error, nothing changes.

        Raises
        ------
        ParameterError, DimensionError, OSError
            As in :meth:`hdc.apps.stores.Collection.put`.
        """
        keys = [node.node_id for node in nodes]
        self._collection.put(keys, [node.get_embedding() for node in nodes], [_document(node) for node in nodes])
        return keys

    def delete(self, ref_doc_id: str, **_: Any) -> None:
        """Remove the nodes of a document."""
        self.delete_nodes(filters=_of_documents([ref_doc_id]))

    def delete_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None, **_: Any) -> None:
        """Remove the nodes with these ids, the nodes whose metadata pass filters, or the nodes that meet both.

        Raises
        ------
        ParameterError
            If you pass neither; call :meth:`clear` to remove all nodes.
        """
        if node_ids is None and where_of(filters) is None:
            raise ParameterError("delete_nodes needs node_ids or filters; clear() removes all nodes")
        self._collection.remove([hit.key for hit in self._chosen(node_ids, filters) if hit.key is not None])

    def clear(self) -> None:
        """Remove all nodes."""
        self._collection.remove()

    # ------------------------------------------------------------------ reading

    def get_nodes(self, node_ids: list[str] | None = None, filters: MetadataFilters | None = None) -> list[BaseNode]:
        """Return the nodes with these ids, the nodes whose metadata pass filters, the nodes that meet both, or all."""
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
            If the query has no embedding.
        UnsupportedError
            If the mode is neither the default nor ``mmr``.
        """
        if query.query_embedding is None:
            raise ParameterError("a query of a vector store needs a query_embedding")
        filters = query.filters
        if query.doc_ids:
            own = _of_documents(query.doc_ids)
            filters = own if where_of(filters) is None else MetadataFilters(filters=[own, filters])
        # LlamaIndex's retriever passes the ids that its index knows: none if the store has the nodes.
        chosen: dict[str, Any] = {"where": where_of(filters), "keys": query.node_ids or None}
        k, vector = query.similarity_top_k, query.query_embedding
        if query.mode == VectorStoreQueryMode.DEFAULT:
            return _result(self._collection.search(vector, k, **chosen, **kwargs))
        if query.mode != VectorStoreQueryMode.MMR:
            raise UnsupportedError(f"the query mode must be 'default' or 'mmr', not {query.mode.value!r}")
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
        """Copy nodes in memory to a new folder. If they are in a folder, do nothing: every change is already saved.

        Raises
        ------
        UnsupportedError
            If ``fs`` is not the local file system.
        ParameterError
            If the folder is not empty.
        """
        if self.path is not None or self._collection.index is None:
            return
        if fs is not None and type(fs).__name__ != "LocalFileSystem":
            raise UnsupportedError("an index must be in the local file system; save it there, then copy the folder")
        self._collection.save(persist_path)

    def refresh(self) -> bool:
        """Show the changes of a writer in another process; return whether there were any."""
        return self._collection.refresh()

    def close(self) -> None:
        """Close the files and let another process write."""
        self._collection.close()


def _all(metadata: Any) -> Any:
    return metadata.everything()


def _of_documents(names: list[str]) -> MetadataFilters:
    """Return the filter for the nodes of documents."""
    return MetadataFilters(filters=[MetadataFilter(key="ref_doc_id", value=names, operator=FilterOperator.IN)])


def _document(node: BaseNode) -> dict[str, Any]:
    """Return a node as a document, with LlamaIndex's content apart from the metadata for filters."""
    metadata = node_to_metadata_dict(node, remove_text=False, flat_metadata=False)
    return {"node": {NODE: metadata.pop(NODE), TYPE: metadata.pop(TYPE)}, "metadata": metadata}


def _node(hit: Hit) -> BaseNode:
    if not isinstance(hit.document.get("node"), dict):
        raise FileFormatError(f"the row {hit.key!r} of the index is not a LlamaIndex node")
    return metadata_dict_to_node(hit.document["node"])


def _result(hits: list[Hit]) -> VectorStoreQueryResult:
    return VectorStoreQueryResult(
        nodes=[_node(hit) for hit in hits],
        similarities=[hit.score for hit in hits],
        ids=[hit.key or "" for hit in hits],
    )
