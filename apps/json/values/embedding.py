"""A user's string encoder: called in batches, once per string; its output is checked and projected into the space."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

import hdc
from hdc.errors import ParameterError

Floats: TypeAlias = npt.NDArray[np.float32]

StringEncoder: TypeAlias = Callable[[list[str]], Any]
"""Function that takes n strings and returns an (n, e) array of floats."""

BATCH = 1024
"""Most strings per call of an encoder."""

CACHE = 1 << 14
"""Strings whose embeddings are cached; at 384 dimensions 25 MB."""

MAX_CACHED = 4096
"""Most characters of a string whose embedding is cached."""


class Embeddings:
    """Embed strings by a user's encoder, each to length one (or zero).

    Parameters
    ----------
    encoder : callable
        From a list of n strings to an ``(n, e)`` array of finite floats, e the same for all calls.
    """

    def __init__(self, encoder: StringEncoder) -> None:
        self.encoder = encoder
        self._known: dict[str, Floats] = {}
        self._width = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return Embeddings, (self.encoder,)

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Return the embeddings of at least one string: ``(n, e)`` float32.

        Raises
        ------
        ParameterError
            If the encoder's output is not an ``(n, e)`` array of finite floats.
        """
        known = self._known  # other threads may change it meanwhile
        found = {text: held for text in texts if (held := known.get(text)) is not None}
        new = [text for text in dict.fromkeys(texts) if text not in found]
        for start in range(0, len(new), BATCH):
            batch = new[start : start + BATCH]
            found.update(zip(batch, self._embed(batch), strict=True))
        known.update({text: found[text].copy() for text in new if len(text) <= MAX_CACHED})
        for oldest in list(known)[: max(0, len(known) - CACHE)]:
            known.pop(oldest, None)
        return np.stack([found[text] for text in texts])

    def vectors(self, vsa: hdc.VSA, texts: Sequence[str]) -> Floats:
        """Project the embeddings by random signs, which keeps dot products to 1/sqrt(dim): ``(n, dim)`` float32."""
        embedded = self(texts)
        signs = vsa.symbols([("encoder", place) for place in range(embedded.shape[1])])
        return np.asarray(embedded @ signs, dtype=np.float32)

    def cosine(self, one: str, other: str) -> float:
        """Return the cosine of two strings' embeddings."""
        first, second = self([one, other])
        return float(first @ second)

    def _embed(self, texts: list[str]) -> Floats:
        output = np.asarray(self.encoder(texts))
        if output.ndim != 2 or len(output) != len(texts) or not output.shape[1] or output.dtype.kind not in "fiu":
            raise ParameterError(
                f"string_encoder must turn {len(texts)} strings into a ({len(texts)}, e) array of floats, and it "
                f"returned shape {output.shape} of {output.dtype}"
            )
        if self._width not in (0, output.shape[1]):
            raise ParameterError(f"string_encoder returned {output.shape[1]} columns, and {self._width} before")
        self._width = output.shape[1]
        wide = output.astype(np.float64)
        if not np.isfinite(wide).all():
            row = int(np.flatnonzero(~np.isfinite(wide).all(axis=1))[0])
            raise ParameterError(f"string_encoder returned NaN or infinity for {texts[row][:60]!r}")
        largest = np.maximum(np.abs(wide).max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
        wide /= largest
        lengths = np.linalg.norm(wide, axis=1, keepdims=True)
        return np.asarray(wide / np.where(lengths > 0, lengths, 1), dtype=np.float32)
