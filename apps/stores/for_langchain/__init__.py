"""Components for LangChain: a vector store, and a retriever and a document index of JSON documents.

They need the extra ``langchain``.
"""

from hdc.errors import BackendUnavailableError

try:
    from hdc.apps.stores.for_langchain.json_documents import HDCDocumentIndex, HDCJSONRetriever
    from hdc.apps.stores.for_langchain.vectors import HDCVectorStore
except ModuleNotFoundError as error:
    if error.name is None or not error.name.startswith("langchain"):
        raise
    raise BackendUnavailableError(
        "stores for LangChain need langchain-core; pip install 'hdc-toolkit[langchain]'"
    ) from error

__all__ = ["HDCDocumentIndex", "HDCJSONRetriever", "HDCVectorStore"]
