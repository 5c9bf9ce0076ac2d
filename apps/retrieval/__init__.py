"""Search of embeddings by binary codes: binarizers, indexes of codes, and embedding indexes that combine them."""

from typing import TYPE_CHECKING

from hdc.apps import lazy

if TYPE_CHECKING:
    from hdc.apps.retrieval.anchors import Anchors
    from hdc.apps.retrieval.basis import OrthogonalBasis
    from hdc.apps.retrieval.binarizers import (
        OrthoHashBinarizer,
        RaBitQBinarizer,
        RecurrentBinarizer,
        ScalarBinarizer,
        SignBinarizer,
    )
    from hdc.apps.retrieval.index.binary import BinaryIndex
    from hdc.apps.retrieval.index.embedding import EmbeddingIndex
    from hdc.apps.retrieval.index.multi_vector import MultiVectorIndex
    from hdc.apps.retrieval.index.reshaping import merge, split
    from hdc.apps.retrieval.index.shards import ShardedIndex
    from hdc.apps.retrieval.semantic import semantic_search
    from hdc.apps.retrieval.tuning.tuned import tune
    from hdc.search.options import FlatOptions, GraphOptions, HNSWOptions, IVFOptions

__all__ = [
    "Anchors",
    "BinaryIndex",
    "EmbeddingIndex",
    "FlatOptions",
    "GraphOptions",
    "HNSWOptions",
    "IVFOptions",
    "MultiVectorIndex",
    "OrthoHashBinarizer",
    "OrthogonalBasis",
    "RaBitQBinarizer",
    "RecurrentBinarizer",
    "ScalarBinarizer",
    "ShardedIndex",
    "SignBinarizer",
    "merge",
    "semantic_search",
    "split",
    "tune",
]

__getattr__ = lazy.attributes(
    __name__,
    {
        "Anchors": "hdc.apps.retrieval.anchors",
        "OrthogonalBasis": "hdc.apps.retrieval.basis",
        "OrthoHashBinarizer": "hdc.apps.retrieval.binarizers",
        "RaBitQBinarizer": "hdc.apps.retrieval.binarizers",
        "RecurrentBinarizer": "hdc.apps.retrieval.binarizers",
        "ScalarBinarizer": "hdc.apps.retrieval.binarizers",
        "SignBinarizer": "hdc.apps.retrieval.binarizers",
        "BinaryIndex": "hdc.apps.retrieval.index.binary",
        "EmbeddingIndex": "hdc.apps.retrieval.index.embedding",
        "MultiVectorIndex": "hdc.apps.retrieval.index.multi_vector",
        "ShardedIndex": "hdc.apps.retrieval.index.shards",
        "merge": "hdc.apps.retrieval.index.reshaping",
        "semantic_search": "hdc.apps.retrieval.semantic",
        "split": "hdc.apps.retrieval.index.reshaping",
        "tune": "hdc.apps.retrieval.tuning.tuned",
        "FlatOptions": "hdc.search.options",
        "GraphOptions": "hdc.search.options",
        "HNSWOptions": "hdc.search.options",
        "IVFOptions": "hdc.search.options",
    },
)
