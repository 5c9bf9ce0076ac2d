"""Search of embeddings by binary codes: binarisers, indexes of codes, and the two together."""

from hdc.apps.retrieval.binarisers import RaBitQBinarizer, RecurrentBinarizer, SignBinarizer
from hdc.apps.retrieval.index.binary import BinaryIndex
from hdc.apps.retrieval.index.embedding import EmbeddingIndex

__all__ = ["BinaryIndex", "EmbeddingIndex", "RaBitQBinarizer", "RecurrentBinarizer", "SignBinarizer"]
