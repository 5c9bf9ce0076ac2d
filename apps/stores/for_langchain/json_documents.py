"""Search JSON documents in LangChain by text or partial document, with explanations."""

import os
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Self

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.indexing import DeleteResponse, DocumentIndex, UpsertResponse
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict

from hdc import checks
from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.stores.found_json import FoundDocument, as_text, found
from hdc.errors import FileFormatError, ParameterError

KEY = "id"
"""Field of the ids in a document index."""


class HDCJSONRetriever(BaseRetriever):
    """Retriever of the documents of a JSONIndex that match most of a query.

    Search with a text, which any field may match, or with a partial document: ``'{"author": {"name": "Ada"}}'``, or the
    dictionary itself. You can also pass ``k`` and ``where`` to ``invoke``.

    Parameters
    ----------
    index : JSONIndex
    k : int
        Number of documents to return.
    where : str or list of str, optional
        Conditions that a document must all meet.
    text : function of a document, optional
        Returns the ``page_content``; by default the document as JSON text.
    explain : bool
        Add ``"score"`` and ``"reasons"`` to the metadata: path, query, match and share of each leaf of the query.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    index: JSONIndex
    k: int = 4
    where: str | list[str] | None = None
    text: Callable[[Any], str] = as_text
    explain: bool = True

    def _get_relevant_documents(
        self,
        query: Any,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        where: str | list[str] | None = None,
    ) -> list[Document]:
        chosen = self.k if k is None else k, self.where if where is None else where
        hits = found(self.index, query, *chosen, text_at="*", explain=self.explain)
        return [
            Document(
                id=hit.key, page_content=self.text(hit.document), metadata={"document": hit.document} | hit.explanation
            )
            for hit in hits
        ]


class HDCDocumentIndex(DocumentIndex):
    """Texts with metadata, searched by words and metadata values, without embeddings.

    Search with a text, or with a partial document:
    ``'{"text": "red shoes", "metadata": {"brand": "Acme"}}'``. You can also pass ``k`` and ``where`` to ``invoke``:
    ``where="metadata.year >= 2020"``.

    Parameters
    ----------
    index : JSONIndex
        An index with ``key="id"`` of documents with ``"id"``, ``"text"`` and ``"metadata"``; see :meth:`at`.
    k : int
    where : str or list of str, optional
    explain : bool
        Add ``"score"`` and ``"reasons"`` to the metadata of hits.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    index: JSONIndex
    k: int = 4
    where: str | list[str] | None = None
    explain: bool = False

    @classmethod
    def at(cls, path: str | os.PathLike[str] | None = None, *, writable: bool = True, **settings: Any) -> Self:
        """Open or create the index in a folder; without a path, create one in memory.

        Raises
        ------
        FileFormatError, BlockingIOError, OSError
            As in :meth:`JSONIndex.open`.
        """
        if path is None:
            return cls(index=JSONIndex(JSONEncoder(64), key=KEY, vectors=None), **settings)
        folder = checks.path(path)
        if writable and not (folder.exists() and any(folder.iterdir())):
            return cls(index=JSONIndex.create(folder, JSONEncoder(64), key=KEY, vectors=None), **settings)
        index = JSONIndex.open(folder, writable=writable)
        if (key := index.key) != KEY:
            index.close()
            raise FileFormatError(f"{folder}: the index must have key={KEY!r}, not {key!r}")
        return cls(index=index, **settings)

    def upsert(self, items: Sequence[Document], /, **_: Any) -> UpsertResponse:
        """Add documents, or replace documents with the same ids. A document without an id gets a random one."""
        keys = [item.id or str(uuid.uuid4()) for item in items]
        rows = [{KEY: key, "text": d.page_content, "metadata": d.metadata} for key, d in zip(keys, items, strict=True)]
        self.index.put(rows)
        return UpsertResponse(succeeded=keys, failed=[])

    def delete(self, ids: list[str] | None = None, **_: Any) -> DeleteResponse:
        """Remove the documents with these ids; ids that do not exist are ignored.

        Raises
        ------
        ParameterError
            If you pass no ids.
        """
        if ids is None:
            raise ParameterError("delete needs ids")
        there = [key for key in dict.fromkeys(ids) if self.index.find(key) is not None]
        if there:
            self.index.remove(keys=there)
        return DeleteResponse(succeeded=there, num_deleted=len(there), failed=[], num_failed=0)

    def get(self, ids: Sequence[str], /, **_: Any) -> list[Document]:
        """Return the documents with these ids, in the same order; ids that do not exist are skipped."""
        numbers = [number for key in ids if (number := self.index.find(key)) is not None]
        return [_document(row) for row in self.index.documents(numbers)]

    def _get_relevant_documents(
        self,
        query: Any,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        where: str | list[str] | None = None,
    ) -> list[Document]:
        chosen = self.k if k is None else k, self.where if where is None else where
        return [_found(hit) for hit in found(self.index, query, *chosen, text_at="text", explain=self.explain)]

    def close(self) -> None:
        """Close the files and let another process write."""
        self.index.close()


def _document(row: dict[str, Any], **beside: Any) -> Document:
    return Document(id=row[KEY], page_content=row["text"], metadata=row["metadata"] | beside)


def _found(hit: FoundDocument) -> Document:
    return _document(hit.document, **hit.explanation)
