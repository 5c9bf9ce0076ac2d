"""Encoded documents on their way to an index: rows, and a posting segment, as bytes between processes."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from hdc import files
from hdc.apps.json.encoder.encoder import JSONEncoder
from hdc.apps.json.index.index import JSONIndex
from hdc.apps.json.index.rows import Rows, Stored
from hdc.errors import FileFormatError, MismatchError
from hdc.search.postings import keeping
from hdc.search.postings.segment import Segment

KIND = "json-encoded"

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Encoded:
    """Documents in a row.

    Attributes
    ----------
    batches : list of Rows
        Batches to add, without their postings.
    segment : Segment
        Postings of all batches; the first document is number 0.
    """

    batches: list[Rows]
    segment: Segment

    @classmethod
    def joined(cls, batches: Iterable[Rows]) -> list["Encoded"]:
        """Return batches as one piece, in a list; none if there is no document."""
        kept, segments, first = list[Rows](), list[Segment](), 0
        for rows in batches:
            if rows.found is not None:
                segments.append(Segment.of(first, rows.found))
            kept.append(replace(rows, found=None))
            first += len(rows.texts)
        return [cls(kept, Segment.merged(segments))] if segments else []

    @classmethod
    def one_by_one(cls, batches: Iterable[Rows]) -> Iterator["Encoded"]:
        """Yield each batch as a piece of its own, so that no more than one is held."""
        for rows in batches:
            yield from cls.joined([rows])

    @property
    def bytes(self) -> int:
        """Bytes of the texts."""
        return sum(len(text) for rows in self.batches for text in rows.texts)


def add(
    index: JSONIndex, pieces: Iterable[Encoded], *, done: int = 0, note: Callable[[int], None] = lambda batch: None
) -> None:
    """Add pieces to an index that has the first ``done`` batches of them.

    Parameters
    ----------
    index : JSONIndex
    pieces : iterable of Encoded
    done : int
    note : function
        Called with the number of each batch before it is added.
    """
    batch = 0
    for piece in pieces:
        before, whole = index.rows(), batch >= done
        for rows in piece.batches:
            if batch >= done:
                note(batch)
                index.append(rows, replace=True)
            batch += 1
        if whole:
            index.add_segment(piece.segment, before)


def settings_of(encoder: JSONEncoder, key: str | None, vectors: Stored) -> str:
    """Return a digest of all that encoded documents depend on beside themselves."""
    said = json.dumps([encoder.to_json(), key, vectors], sort_keys=True)
    return xxhash.xxh3_128_hexdigest(said.encode())


def to_bytes(pieces: Iterable[Encoded], rejects: bytes = b"", settings: str = "") -> bytes:
    """Return pieces as bytes, versioned and checksummed, with the lines of a rejects file.

    Parameters
    ----------
    pieces : iterable of Encoded
    rejects : bytes
    settings : str
        Of :func:`settings_of`, where the bytes may come to another index than they were made for.
    """
    metas, arrays = list[dict[str, Any]](), {"rejects": np.frombuffer(rejects, np.uint8)}
    for number, piece in enumerate(pieces):
        own = keeping.to_arrays(piece.segment) | _rows_arrays(piece.batches)
        arrays |= {f"{number}.{name}": array for name, array in own.items()}
        metas.append(
            {
                "lengths": [len(rows.texts) for rows in piece.batches],
                "sources": [source for rows in piece.batches for source in rows.sources],
                "keys": [rows.keys for rows in piece.batches],
            }
        )
    return files.pack(KIND, {"settings": settings, "pieces": metas}, arrays, quick=True)


def from_bytes(data: bytes, settings: str = "", name: str = "the encoded documents") -> tuple[list[Encoded], bytes]:
    """Return the pieces, and the rejected records, that :func:`to_bytes` wrote.

    Raises
    ------
    FileFormatError
        If they are damaged, something else, or of a newer version.
    MismatchError
        If they were made with other settings.
    """
    meta, arrays = files.unpack(data, KIND, name=name)
    if meta.get("settings") != settings:
        raise MismatchError(
            f"{name} were made with another encoder, key or vectors than the index has; encode them with its own"
        )
    try:
        pieces = [_piece(own, _of(arrays, f"{number}."), name) for number, own in enumerate(meta["pieces"])]
        return pieces, arrays["rejects"].tobytes()
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"{name} are damaged ({error!r}); encode them again") from error


_TEXTS, _STARTS, _ROW = "texts", "text starts", "row."


def _rows_arrays(batches: list[Rows]) -> dict[str, npt.NDArray[Any]]:
    texts = [text for rows in batches for text in rows.texts]
    arrays = {_ROW + name: np.concatenate([rows.arrays[name] for rows in batches]) for name in batches[0].arrays}
    starts = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    return {**arrays, _TEXTS: np.frombuffer(b"".join(texts), np.uint8), _STARTS: starts}


def _of(arrays: Arrays, begin: str) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays whose names start with a prefix, without it."""
    return {name.removeprefix(begin): array for name, array in arrays.items() if name.startswith(begin)}


def _piece(meta: Any, arrays: dict[str, npt.NDArray[Any]], name: str) -> Encoded:
    content, starts, columns = arrays.pop(_TEXTS), arrays.pop(_STARTS), _of(arrays, _ROW)
    bounds = np.cumsum([0, *meta["lengths"]]).tolist()
    texts = [content[start:stop].tobytes() for start, stop in pairwise(starts.tolist())]
    words = [*meta["sources"], *(key for keys in meta["keys"] for key in keys or ())]
    if not {*map(type, words)} <= {str}:
        raise ValueError("a source or a key is no text")
    alike = {len(texts), len(meta["sources"]), *map(len, columns.values())} == {bounds[-1]}
    if not alike or len(meta["keys"]) != len(meta["lengths"]) or starts[0] or starts[-1] != len(content):
        raise ValueError("numbers of rows differ")
    batches = []
    for (first, stop), keys in zip(pairwise(bounds), meta["keys"], strict=True):
        if first >= stop or (keys is not None and len(keys) != stop - first):
            raise ValueError("a batch has no rows, or another number of keys")
        mine = {column: array[first:stop] for column, array in columns.items()}
        batches.append(Rows(mine, texts[first:stop], meta["sources"][first:stop], keys))
    segment = {field: array for field, array in arrays.items() if not field.startswith(_ROW)}
    return Encoded(batches, keeping.from_arrays(0, bounds[-1], segment, name))
