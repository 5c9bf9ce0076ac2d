"""Texts as vectors, by whatever encoder a user has."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from hdc.apps.retrieval.vectors.rows import finite, shaped
from hdc.errors import DTypeError, MismatchError, ParameterError

Encoder: TypeAlias = Callable[[list[str]], Any]
"""Takes n texts, returns n vectors of equal length: an array, or what NumPy makes one of (a tensor, lists). An object
with a method ``encode``, as sentence-transformers' models are, stands for that."""


def encoded(texts: Sequence[str] | str, encoder: Encoder) -> npt.NDArray[np.float32]:
    """Return the ``(n, d)`` float32 vectors that an encoder makes of texts; of one text, one row.

    Raises
    ------
    ParameterError
        If something is no text, the encoder cannot be called, or a vector holds NaN or infinity.
    DTypeError, DimensionError, MismatchError
        If it returns no numbers, no rows, or not one for each text.
    """
    if not isinstance(encoder, str):
        encoder = getattr(encoder, "encode", encoder)
    if not callable(encoder):
        raise ParameterError(f"encoder must be a function of a list of texts, not {type(encoder).__name__}")
    given = [texts] if isinstance(texts, str) else list(texts)
    for place, text in enumerate(given):
        if not isinstance(text, str):
            raise ParameterError(f"an encoder takes texts, and number {place} is {type(text).__name__}")
    made = np.asarray(encoder(given))
    if made.dtype.kind not in "fiu":
        raise DTypeError(f"the encoder must return numbers, not {made.dtype}")
    rows = shaped(made, None, "what the encoder returned")
    if len(rows) != len(given):
        raise MismatchError(f"the encoder returned {len(rows)} vectors for {len(given)} texts")
    return finite(rows, 0, "what the encoder returned")
