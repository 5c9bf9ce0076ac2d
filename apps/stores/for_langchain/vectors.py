"""HDCVectorStore: LangChain's vector store over an EmbeddingIndex."""

import math
import os
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.runnables import run_in_executor
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from hdc.apps.retrieval import EmbeddingIndex
from hdc.apps.stores.collection import Accept, Collection
from hdc.apps.stores.documents import Hit
from hdc.apps.stores.for_langchain.filters import Filter, where_of
from hdc.errors import DimensionError

Scored = list[tuple[Document, float]]


class HDCVectorStore(VectorStore):
    """Documents and their embeddings in a crash-safe folder or in memory.

    Every search takes ``filter``: a dictionary (``{"source": "a.pdf", "year": {"$gte": 2020}}``), conditions in the
    language of :class:`hdc.apps.json.JSONIndex` (``"year >= 2020"``), or a function of a Document. Posting lists answer
    the first two. Other keyword arguments are passed to :meth:`hdc.apps.retrieval.EmbeddingIndex.search`:
    ``candidates``, ``probes``, ``effort``. Any number of threads and tasks may use one object.

    Parameters
    ----------
    embedding : Embeddings
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

    def __init__(
        self,
        embedding: Embeddings,
        path: str | os.PathLike[str] | None = None,
        *,
        index: EmbeddingIndex | None = None,
        writable: bool = True,
    ) -> None:
        self._embedding = embedding
        self.collection = Collection(path, index=index, writable=writable)

    @property
    def embeddings(self) -> Embeddings:
        """The model that makes the embeddings."""
        return self._embedding

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **options: Any,
    ) -> Self:
        """Create a store with the options of the class, and add texts."""
        store = cls(embedding, **options)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    @classmethod
    async def afrom_texts(
        cls,
        texts: list[str],
        embedding: Embeddings,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **options: Any,
    ) -> Self:
        """Like :meth:`from_texts`, by the embedding's asynchronous call."""
        store: Self = await run_in_executor(None, lambda: cls(embedding, **options))
        await store.aadd_texts(texts, metadatas, ids=ids)
        return store

    # ------------------------------------------------------------------ changes

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **_: Any,
    ) -> list[str]:
        """Add texts as :meth:`add_documents` does."""
        return self.add_documents(_documents(texts, metadatas), ids)

    async def aadd_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        **_: Any,
    ) -> list[str]:
        """Add texts as :meth:`aadd_documents` does."""
        return await self.aadd_documents(_documents(texts, metadatas), ids)

    def add_documents(self, documents: list[Document], ids: list[str] | None = None, **_: Any) -> list[str]:
        """Add documents, or replace documents with the same ids; return the ids. After an error, nothing changes.

        Parameters
        ----------
        documents : list of Document
            Their metadata must be JSON.
        ids : list of str, optional
            The documents' own ids by default; a document without an id gets a random one.

        Raises
        ------
        DimensionError, ParameterError, OSError
            As in :meth:`hdc.apps.stores.Collection.put`.
        """
        return self._put(documents, ids, self._embedding.embed_documents([d.page_content for d in documents]))

    async def aadd_documents(self, documents: list[Document], ids: list[str] | None = None, **_: Any) -> list[str]:
        """Like :meth:`add_documents`, by the embedding's asynchronous call."""
        vectors = await self._embedding.aembed_documents([d.page_content for d in documents])
        keys: list[str] = await run_in_executor(None, self._put, documents, ids, vectors)
        return keys

    def _put(self, documents: list[Document], ids: list[str] | None, vectors: list[list[float]]) -> list[str]:
        if ids is not None and len(ids) != len(documents):
            raise DimensionError(f"pass one id per document, not {len(ids)} ids for {len(documents)} documents")
        given = [d.id for d in documents] if ids is None else ids
        keys = [key or str(uuid.uuid4()) for key in given]
        rows = [{"text": d.page_content, "metadata": d.metadata} for d in documents]
        self.collection.put(keys, vectors, rows)
        return keys

    def delete(self, ids: list[str] | None = None, **_: Any) -> bool:
        """Remove the documents with these ids, or all documents; ids that do not exist are ignored."""
        self.collection.remove(ids)
        return True

    # ------------------------------------------------------------------ reading

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Return the documents with these ids, in the same order; ids that do not exist are skipped."""
        return [_document(hit) for hit in self.collection.get(ids)]

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Return the k documents nearest to a text, best first; see the class for ``filter`` and other options."""
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    async def asimilarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        """Like :meth:`similarity_search`, by the embedding's asynchronous call."""
        return [document for document, _ in await self.asimilarity_search_with_score(query, k, **kwargs)]

    def similarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> Scored:
        """Return documents and scores: cosines, or scores of the index's metric. Higher is nearer."""
        return self.similarity_search_with_score_by_vector(self._embedding.embed_query(query), k, **kwargs)

    async def asimilarity_search_with_score(self, query: str, k: int = 4, **kwargs: Any) -> Scored:
        """Like :meth:`similarity_search_with_score`, by the embedding's asynchronous call."""
        vector = await self._embedding.aembed_query(query)
        search = self.similarity_search_with_score_by_vector
        found: Scored = await run_in_executor(None, search, vector, k, **kwargs)
        return found

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> list[Document]:
        """Return the k documents nearest to a vector, best first."""
        return [_document(hit) for hit in self._search(embedding, k, **kwargs)]

    def similarity_search_with_score_by_vector(self, embedding: list[float], k: int = 4, **kwargs: Any) -> Scored:
        """Like :meth:`similarity_search_with_score`, by a vector."""
        return [(_document(hit), hit.score) for hit in self._search(embedding, k, **kwargs)]

    def _search(self, embedding: list[float], k: int, *, filter: Filter = None, **options: Any) -> list[Hit]:
        if callable(filter):
            return self.collection.search(embedding, k, accept=_accepting(filter), **options)
        return self.collection.search(embedding, k, where=where_of(filter), **options)

    def max_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Return k diverse documents among the ``fetch_k`` nearest to a text.

        Parameters
        ----------
        lambda_mult : float
            From 0, most diverse, to 1, nearest.
        """
        vector = self._embedding.embed_query(query)
        return self.max_marginal_relevance_search_by_vector(vector, k, fetch_k, lambda_mult, **kwargs)

    async def amax_marginal_relevance_search(
        self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Like :meth:`max_marginal_relevance_search`, by the embedding's asynchronous call."""
        vector = await self._embedding.aembed_query(query)
        search = self.max_marginal_relevance_search_by_vector
        found: list[Document] = await run_in_executor(None, search, vector, k, fetch_k, lambda_mult, **kwargs)
        return found

    def max_marginal_relevance_search_by_vector(
        self, embedding: list[float], k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5, **kwargs: Any
    ) -> list[Document]:
        """Like :meth:`max_marginal_relevance_search`, by a vector."""
        hits = self._search(embedding, fetch_k, vectors=True, **kwargs)
        vectors: list[Any] = [hit.vector for hit in hits]
        chosen = maximal_marginal_relevance(np.asarray(embedding, np.float32), vectors, lambda_mult, k)
        return [_document(hits[i]) for i in chosen]

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        index = self.collection.index
        return RELEVANCE["cosine" if index is None else index.metric]

    # ------------------------------------------------------------------ files

    def refresh(self) -> bool:
        """Show the changes of a writer in another process; return whether there were any."""
        return self.collection.refresh()

    def close(self) -> None:
        """Close the files and let another process write."""
        self.collection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


RELEVANCE: dict[str, Callable[[float], float]] = {
    "cosine": lambda score: min(1.0, max(0.0, (1 + score) / 2)),
    "ip": lambda score: 0.5 + math.atan(score) / math.pi,
    "l2": lambda score: 1 / (1 + math.sqrt(max(0.0, -score))),
}
"""Functions that map a score to 0 to 1, by metric; scores of ``l2`` are negated squared distances."""


def _documents(texts: Iterable[str], metadatas: list[dict[str, Any]] | None) -> list[Document]:
    listed = list(texts)
    if metadatas is not None and len(metadatas) != len(listed):
        raise DimensionError(f"pass one metadata per text, not {len(metadatas)} metadatas for {len(listed)} texts")
    return [Document(text, metadata=own) for text, own in zip(listed, metadatas or [{} for _ in listed], strict=True)]


def _document(hit: Hit) -> Document:
    return _as_document(hit.key, hit.document)


def _as_document(key: str | None, row: dict[str, Any]) -> Document:
    return Document(id=key, page_content=row.get("text", ""), metadata=row.get("metadata", {}))


def _accepting(accept: Callable[[Document], bool]) -> Accept:
    return lambda key, row: accept(_as_document(key, row))
