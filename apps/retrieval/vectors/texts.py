"""Encode texts as vectors with the user's encoder."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.vectors.rows import finite, shaped
from hdc.errors import DTypeError, MismatchError, ParameterError

Encoder: TypeAlias = Callable[[list[str]], Any]
"""Maps n texts to n vectors of equal length: an array, or what NumPy converts to one (a tensor, lists). An object with
a method ``encode``, such as a sentence-transformers model, is accepted too."""


def encoded(texts: Sequence[str] | str, encoder: Encoder) -> npt.NDArray[np.float32]:
    """Return the ``(n, d)`` float32 vectors of texts by an encoder; a single text becomes one row.

    Raises
    ------
    ParameterError
        If an item is not text, the encoder is not callable, or a vector contains NaN or infinity.
    DTypeError, DimensionError, MismatchError
        If the encoder returns no numbers, no rows, or not one row per text.
    """
    if not isinstance(encoder, str):
        encoder = getattr(encoder, "encode", encoder)
    if not callable(encoder):
        raise ParameterError(f"encoder must be a function of a list of texts, not {type(encoder).__name__}")
    given = [texts] if isinstance(texts, str) else list(texts)
    for place, text in enumerate(given):
        if not isinstance(text, str):
            raise ParameterError(f"an encoder needs texts, but item {place} is {type(text).__name__}")
    made = np.asarray(encoder(given))
    if made.dtype.kind not in "fiu":
        raise DTypeError(f"the encoder must return numbers, not {made.dtype}")
    rows = shaped(made, None, "what the encoder returned")
    if len(rows) != len(given):
        raise MismatchError(f"the encoder returned {len(rows)} vectors for {len(given)} texts")
    return finite(rows, 0, "what the encoder returned")
