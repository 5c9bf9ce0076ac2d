"""Vector stores and retrievers for other frameworks; :class:`Collection` needs no framework.

``hdc.apps.stores.for_langchain`` needs the extra ``langchain``; ``hdc.apps.stores.for_llama_index`` needs the extra
``llama-index``.
"""

from typing import TYPE_CHECKING

from hdc.apps import lazy

if TYPE_CHECKING:
    from hdc.apps.stores.collection import Collection
    from hdc.apps.stores.documents import Hit
    from hdc.apps.stores.metadata import Metadata

__all__ = ["Collection", "Hit", "Metadata"]

__getattr__ = lazy.attributes(
    __name__,
    {
        "Collection": "hdc.apps.stores.collection",
        "Hit": "hdc.apps.stores.documents",
        "Metadata": "hdc.apps.stores.metadata",
    },
)
