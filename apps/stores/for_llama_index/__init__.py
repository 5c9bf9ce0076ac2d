"""Components for LlamaIndex: a vector store, and a retriever of JSON documents.

They need the extra ``llama-index``.
"""

from hdc.errors import BackendUnavailableError

try:
    from hdc.apps.stores.for_llama_index.json_documents import HDCJSONRetriever
    from hdc.apps.stores.for_llama_index.vectors import HDCVectorStore
except ModuleNotFoundError as error:
    if error.name is None or not error.name.startswith("llama_index"):
        raise
    raise BackendUnavailableError(
        "stores for LlamaIndex need llama-index-core; pip install 'hdc-toolkit[llama-index]'"
    ) from error

__all__ = ["HDCJSONRetriever", "HDCVectorStore"]
