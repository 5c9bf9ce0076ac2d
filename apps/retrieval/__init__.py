"""Search of embeddings by binary codes: binarisers, indexes of codes, and the two together."""

from hdc.apps.retrieval.binarisers import RaBitQBinarizer, RecurrentBinarizer, SignBinarizer
from hdc.apps.retrieval.index.binary import BinaryIndex
from hdc.apps.retrieval.index.embedding import EmbeddingIndex
from hdc.search.options import FlatOptions, HNSWOptions, IVFOptions

__all__ = [
    "BinaryIndex",
    "EmbeddingIndex",
    "FlatOptions",
    "HNSWOptions",
    "IVFOptions",
    "RaBitQBinarizer",
    "RecurrentBinarizer",
    "SignBinarizer",
]
