"""Rows of an index: each document's text, and its vector as sign bits and short floats."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt
import orjson

from hdc import words
from hdc.apps.json.document.batches import Batch, batches
from hdc.apps.json.document.given import given
from hdc.apps.json.document.leaves import LeafTable
from hdc.apps.json.document.paths import Path, show_path, values_at
from hdc.apps.json.encoder.encoder import Floats, JSONEncoder
from hdc.apps.json.encoder.sign_bits import sign_bits
from hdc.apps.json.index.taking import Taker
from hdc.apps.json.reading.records import Record, Untouched
from hdc.errors import ParameterError
from hdc.search.postings.segment import Occurrences

NORM, LENGTH, SHRINKAGE = range(3)
"""Columns of ``scales``: the divisor of the vector; its length, about 1; and the factor that turns the dot product with
its signs into an unbiased estimate of the dot product with itself, ``length**2 / sum(|x|)`` (Gao and Long 2024)."""


@dataclass(frozen=True)
class Rows:
    """Encoded documents.

    Attributes
    ----------
    arrays : dict of arrays
        ``codes`` (n, words) uint64, see :func:`sign_bits`, and ``scales`` (n, 3) float32, where vectors are stored;
        ``vectors`` (n, dim) float16, where they are so too; where they are not, ``mass`` (n, 1) float32.
    texts : list of bytes
        The documents as JSON.
    sources : list of str
    keys : list of str, or None
    found : Occurrences, or None
        Postings of the documents, unless a segment of several batches has them.
    """

    arrays: dict[str, npt.NDArray[Any]]
    texts: list[bytes]
    sources: list[str]
    keys: list[str] | None
    found: Occurrences | None = None

    @property
    def width(self) -> int:
        """Numbers in a vector of what was found; 0 where that has none."""
        return 0 if self.found is None else self.found.vectors.width

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


Stored: TypeAlias = Literal["packed", "float16"] | None

STORED: tuple[Literal["packed", "float16"], ...] = ("packed", "float16")
"""What to store of vectors: sign bits, or also short floats; None for nothing."""


def columns(dim: int, vectors: Stored) -> dict[str, tuple[str, int]]:
    """Return dtype and width of the arrays of :class:`Rows`."""
    if vectors is None:
        return {"mass": ("<f4", 1)}
    short = {"vectors": ("<f2", dim)} if vectors == "float16" else {}
    return {"codes": ("<u8", words.word_count(dim)), **short, "scales": ("<f4", 3)}


def encode_rows(
    encoder: JSONEncoder,
    documents: Iterable[Any],
    key: Path | None,
    taker: Taker,
    vectors: Stored,
) -> Iterator[Rows]:
    """Encode documents, batch by batch.

    Parameters
    ----------
    encoder : JSONEncoder
    documents : iterable of JSON values or of :class:`Record`, or a data frame
    key : Path, optional
        Where a document has its key, a text or an integer.
    taker : Taker
        What takes them apart.
    vectors : {"packed", "float16", None}
        The form of stored vectors.

    Raises
    ------
    ParameterError
        If a document is not JSON, or has no key.
    """
    texts: list[bytes] = []
    sources: list[str] = []
    keys: list[str] = []

    def noted() -> Iterator[Any]:
        """Yield documents one by one, so that none is held when it was walked: its memory is used again while warm."""
        for item in given(documents):
            if isinstance(item, Record):
                document, source = item.document, item.source
                text = item.compact if isinstance(item, Untouched) else None
            else:
                document, source, text = item, "", None
            texts.append(_text(document, source) if text is None else text)
            sources.append(source)
            if key is not None:
                keys.append(key_of(document, key, source))
            yield item

    for batch, arrays in _encoded(encoder, noted(), vectors, taker.table):
        found = taker.taken(batch)
        arrays = arrays or {"mass": found.masses[:, None].astype(np.float32)}
        yield Rows(arrays, texts[:], sources[:], keys[:] if key is not None else None, found)
        for held in (texts, sources, keys):
            held.clear()


def key_of(document: Any, path: Path, source: str = "") -> str:
    """Return the key of a document, an integer in digits.

    Raises
    ------
    ParameterError
        If the path does not have a single text or integer.
    """
    found = list(values_at(document, path))
    if len(found) != 1 or isinstance(found[0], bool) or not isinstance(found[0], str | int | UUID):
        what = "nothing" if not found else json.dumps(found[0])[:40] if len(found) == 1 else f"{len(found)} values"
        place = f"{source}: " if source else ""
        raise ParameterError(f"{place}a key must be one text or integer, and {show_path(path)} has {what}")
    return str(found[0])


def _text(document: Any, source: str) -> bytes:
    try:
        return orjson.dumps(document)  # NaN, for example, passes here and is rejected when the document is taken apart
    except TypeError:  # also integers of more than 64 bits, and lone surrogates
        pass
    try:
        return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{source or 'a document'} cannot be stored: {error}") from None


def _encoded(
    encoder: JSONEncoder, documents: Iterator[Any], vectors: Stored, table: LeafTable
) -> Iterator[tuple[Batch, dict[str, npt.NDArray[Any]]]]:
    """Yield batches of documents, taken apart, and the columns of their vectors."""
    if vectors is None:
        for batch in batches(documents, table):
            yield batch, {}
        return
    for batch, made, norms in encoder.encode_batches(documents):
        arrays = _arrays(made, norms)
        if vectors == "float16":
            arrays["vectors"] = made.astype(np.float16)
        yield batch, arrays


def _arrays(vectors: Floats, norms: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[Any]]:
    squares = np.einsum("nd,nd->n", vectors, vectors)
    sums = np.abs(vectors).sum(axis=1)
    shrinkage = np.divide(squares, sums, out=np.zeros_like(sums), where=sums > 0)
    scales = np.stack([norms, np.sqrt(squares), shrinkage], axis=1)
    return {"codes": sign_bits(vectors), "scales": scales.astype(np.float32)}
