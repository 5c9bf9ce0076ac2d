"""Models of ready-made embeddings: bits that are signs, or numbers of eight bits."""

from typing import Any

import numpy as np

from hdc.apps.retrieval.binarizers import Binarizer, RaBitQBinarizer, SignBinarizer
from hdc.apps.retrieval.index.packed import blocks, sampled
from hdc.apps.retrieval.vectors.quantized import Quantized


def signs_of(dim: int) -> SignBinarizer:
    """Return the model of codes that are plain signs of vectors; its float queries rank the candidates of bits."""
    return SignBinarizer(center=False, rotate=False, asymmetric=True).fit(np.zeros((1, dim), np.float32))


def model_of(quantized: Quantized) -> Binarizer:
    """Return the model of bits; for numbers, a model whose codes find candidates, which the numbers then rank."""
    if quantized.of_bits:
        return signs_of(8 * quantized.rows.shape[1])
    return RaBitQBinarizer().fit(quantized.floats(sampled(len(quantized))))


def add_quantized(index: Any, quantized: Quantized, keys: list[Any] | None, start: int = 0) -> None:
    """Add rows from row ``start`` on to an :class:`EmbeddingIndex` of their model, block by block."""
    bits = index.codes.dim
    if index.codes.kind == "ivf" and index.codes.coarse is None:
        index.codes.train(quantized.words(sampled(len(quantized)), bits))
    for part in blocks(len(quantized), start):
        own = None if keys is None else keys[part]
        if quantized.of_bits:
            index.codes.add(quantized.words(part, bits), keys=own)
        else:
            index.add(quantized.floats(part), own)
