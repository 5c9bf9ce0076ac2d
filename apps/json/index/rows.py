"""The rows of an index: each document's text, and its vector as sign bits and as short floats."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc import words
from hdc.apps.json.document.batches import check_several
from hdc.apps.json.document.given import check_value
from hdc.apps.json.document.paths import Path, show_path, values_at
from hdc.apps.json.encoder.encoder import Floats, JSONEncoder
from hdc.apps.json.encoder.sign_bits import sign_bits
from hdc.apps.json.index.taking import Taker
from hdc.apps.json.reading import Record
from hdc.errors import ParameterError
from hdc.search.postings.segment import Occurrences

NORM, LENGTH, SHRINKAGE = range(3)
"""Columns of ``scales``: what the vector was divided by; its length, about 1; and what turns the dot product with
its signs into an unbiased estimate of the dot product with itself, ``length**2 / sum(|x|)`` (Gao and Long 2024)."""


@dataclass(frozen=True)
class Rows:
    """Encoded documents.

    Attributes
    ----------
    arrays : dict of arrays
        ``codes`` (n, words) uint64, see :func:`sign_bits`; ``vectors`` (n, dim) float16;
        ``scales`` (n, 3) float32.
    texts : list of bytes
        The documents as JSON.
    sources : list of str
    keys : list of str, or None
    found : Occurrences, or None
        What the documents hold, where that is known.
    """

    arrays: dict[str, npt.NDArray[Any]]
    texts: list[bytes]
    sources: list[str]
    keys: list[str] | None
    found: Occurrences | None = None

    def take(self, rows: list[int]) -> "Rows":
        """Return some of the rows, by position."""
        arrays = {name: array[rows] for name, array in self.arrays.items()}
        keys = None if self.keys is None else [self.keys[row] for row in rows]
        return Rows(arrays, [self.texts[row] for row in rows], [self.sources[row] for row in rows], keys)


def joined(batches: Iterable[Rows]) -> Rows:
    """Return batches as one."""
    parts = list(batches)
    names = parts[0].arrays if parts else {}
    arrays = {name: np.concatenate([part.arrays[name] for part in parts]) for name in names}
    keys = [part.keys for part in parts if part.keys is not None]
    texts, sources = [text for part in parts for text in part.texts], [s for part in parts for s in part.sources]
    return Rows(arrays, texts, sources, [key for part in keys for key in part] if keys else None)


def columns(dim: int) -> dict[str, tuple[str, int]]:
    """Return dtype and width of the arrays of :class:`Rows`."""
    return {"codes": ("<u8", words.word_count(dim)), "vectors": ("<f2", dim), "scales": ("<f4", 3)}


def encode_rows(
    encoder: JSONEncoder, documents: Iterable[Any], key: Path | None = None, taker: Taker | None = None
) -> Iterator[Rows]:
    """Encode documents, batch by batch.

    Parameters
    ----------
    encoder : JSONEncoder
    documents : iterable of JSON values or of :class:`Record`
    key : Path, optional
        Where a document has its key, a text or an integer.
    taker : Taker, optional
        What takes them apart for :attr:`Rows.found`.

    Raises
    ------
    ParameterError
        If a document is no JSON, or has no key.
    """
    check_several(documents)
    texts: list[bytes] = []
    sources: list[str] = []
    keys: list[str] = []
    held: list[Any] = []

    def noted() -> Iterator[Any]:
        for item in documents:
            if not isinstance(item, Record):
                check_value(item)
            document, source = (item.document, item.source) if isinstance(item, Record) else (item, "")
            texts.append(_text(document, source))
            sources.append(source)
            if key is not None:
                keys.append(key_of(document, key, source))
            if taker is not None:
                held.append(document)
            yield document

    for vectors, norms in encoder.encode(noted()):
        n = len(vectors)
        found = None if taker is None else taker.take(held[:n])
        yield Rows(_arrays(vectors, norms), texts[:n], sources[:n], keys[:n] if key is not None else None, found)
        del texts[:n], sources[:n], keys[:n], held[:n]


def key_of(document: Any, path: Path, source: str = "") -> str:
    """Return the key of a document, an integer in digits.

    Raises
    ------
    ParameterError
        If there is no single text or integer at the path.
    """
    found = list(values_at(document, path))
    if len(found) != 1 or isinstance(found[0], bool) or not isinstance(found[0], str | int):
        what = "nothing" if not found else json.dumps(found[0])[:40] if len(found) == 1 else f"{len(found)} values"
        place = f"{source}: " if source else ""
        raise ParameterError(f"{place}a key must be one text or integer, and {show_path(path)} has {what}")
    return str(found[0])


def _text(document: Any, source: str) -> bytes:
    try:
        return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{source or 'a document'} cannot be stored: {error}") from None


def _arrays(vectors: Floats, norms: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[Any]]:
    squares = np.einsum("nd,nd->n", vectors, vectors)
    sums = np.abs(vectors).sum(axis=1)
    shrinkage = np.divide(squares, sums, out=np.zeros_like(sums), where=sums > 0)
    scales = np.stack([norms, np.sqrt(squares), shrinkage], axis=1)
    return {
        "codes": sign_bits(vectors),
        "vectors": vectors.astype(np.float16),
        "scales": scales.astype(np.float32),
    }
