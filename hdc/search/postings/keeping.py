"""Files of segments beside the rows they were built from: derived data, rebuilt if missing."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from hdc import files
from hdc.errors import FileFormatError
from hdc.kernels import NO_ITEM, PostingSegment
from hdc.search.postings.names import Names
from hdc.search.postings.segment import Segment, of_items
from hdc.search.postings.vectors import TermVectors
from hdc.store import Snapshot

KIND = "postings"

TERMS = 2
"""Increased when rows are parsed into other terms; files with older numbers are rebuilt."""

PREFIX = "postings-"
"""Prefix of the file names; the position of the first document follows."""


def source_of(snapshot: Snapshot, start: int, stop: int) -> str:
    """Return what identifies the rows of a segment: a digest of the settings and of the documents' locations."""
    table = snapshot.table(np.arange(start, stop))
    said = b"%d " % TERMS + snapshot.state.meta.encode()
    return xxhash.xxh3_128_hexdigest(said + np.ascontiguousarray(table).tobytes())


def save(segment: Segment, snapshot: Snapshot, folder: Path) -> Path:
    """Write a segment of rows of a snapshot; return its path."""
    meta: dict[str, Any] = {"first": segment.first, "documents": len(segment)}
    meta["source"] = source_of(snapshot, segment.first, segment.stop)
    path = folder / f"{PREFIX}{segment.first}"
    files.save(path, KIND, meta, to_arrays(segment), quick=True)
    return path


def to_arrays(segment: Segment) -> dict[str, npt.NDArray[Any]]:
    """Return a segment as arrays for a file; :func:`from_arrays` restores it."""
    arrays = segment.arrays._asdict()
    for name in ("words", "names"):
        held: Names = getattr(segment, name)
        arrays |= {f"{name}.hashes": held.hashes, f"{name}.starts": held.starts, f"{name}.content": held.content}
    arrays |= {"vectors.hashes": segment.vectors.hashes, "vectors.content": segment.vectors.vectors.ravel()}
    return arrays


def is_there(segment: Segment, snapshot: Snapshot, folder: Path) -> bool:
    """Return whether an undamaged file of a segment exists for these rows."""
    try:
        meta, _ = files.load(folder / f"{PREFIX}{segment.first}", KIND, mmap=True)
    except (OSError, FileFormatError):
        return False
    source = source_of(snapshot, segment.first, segment.stop)
    return bool(meta.get("documents") == len(segment) and meta.get("source") == source)


def remove_others(segments: Sequence[Segment], folder: Path) -> None:
    """Remove the files of segments that were merged into others."""
    named = {f"{PREFIX}{segment.first}" for segment in segments}
    for path in folder.glob(f"{PREFIX}*"):
        if path.name not in named:
            with contextlib.suppress(OSError):
                path.unlink()


def verify(folder: Path) -> None:
    """Raise FileFormatError if a file is damaged."""
    for path in folder.glob(f"{PREFIX}*"):
        files.load(path, KIND, mmap=True)


def load(snapshot: Snapshot, first: int, folder: Path) -> Segment | None:
    """Return the segment that was written for a snapshot's rows from a position on, or None if there is none.

    Raises
    ------
    FileFormatError
        If the file is damaged.
    """
    path = folder / f"{PREFIX}{first}"
    if not path.exists():
        return None
    meta, arrays = files.load(path, KIND, mmap=True)
    documents = meta.get("documents")
    if meta.get("first") != first or type(documents) is not int or documents < 1:
        raise FileFormatError(f"{path} is damaged: its description is {meta!s:.80}")
    if first + documents > snapshot.count or meta.get("source") != source_of(snapshot, first, first + documents):
        return None
    return from_arrays(first, documents, arrays, path)


def from_arrays(first: int, documents: int, arrays: Mapping[str, npt.NDArray[Any]], path: Any) -> Segment:
    """Rebuild a segment from the arrays of :func:`to_arrays`, which are checked because they may be forged.

    Raises
    ------
    FileFormatError
        If they are not such arrays, or point out of range; the message names ``path``.
    """
    if not _are_of_their_kinds(arrays):
        raise FileFormatError(f"{path} is damaged: its arrays are not those of posting lists")
    try:
        words, names = (
            Names(*(arrays[f"{of}.{part}"] for part in ("hashes", "starts", "content"))) for of in ("words", "names")
        )
        hashes, content = arrays["vectors.hashes"], arrays["vectors.content"]
        vectors = TermVectors(hashes, content.reshape(len(hashes), len(content) // max(1, len(hashes))))
        whole = PostingSegment(*(arrays[name] for name in PostingSegment._fields))
        segment = Segment(first, whole, words, names, vectors)
        sound = _is_sound(segment, documents)
    except ValueError as error:
        raise FileFormatError(f"{path} is damaged: {error!r}") from None
    if not sound:
        raise FileFormatError(f"{path} is damaged: its lists point out of range")
    return segment


def _is_sound(segment: Segment, documents: int) -> bool:
    """Return whether the arrays of a possibly forged file are in order and point into each other only."""
    arrays, items = segment.arrays, len(segment.arrays.item_document)
    bounds = (
        (arrays.starts, len(arrays.postings), len(arrays.terms)),
        (arrays.column_starts, len(arrays.number_spot), len(arrays.columns)),
        (arrays.item_start, items, documents),
        (segment.words.starts, len(segment.words.content), len(segment.words)),
        (segment.names.starts, len(segment.names.content), len(segment.names)),
    )
    return (
        all(_ascends(starts, end, count) for starts, end, count in bounds)
        and len(arrays.paths) == len(arrays.terms)
        and len(arrays.masses) == documents
        and len(arrays.item_place) == len(arrays.item_parent) == items
        and len(arrays.number_place) == len(arrays.number_value) == len(arrays.number_spot) == len(arrays.number_order)
        and max(items, documents) < NO_ITEM
        and bool((np.isfinite(arrays.masses) & (arrays.masses >= 0)).all())
        and _items_are_sound(arrays, documents)
        and _terms_ascend(segment)
        and _numbers_are_sound(segment)
        and _spots_are_below(segment, items, documents)
        and all(_texts_are_sound(names) for names in (segment.words, segment.names))
        and bool((segment.vectors.hashes[1:] > segment.vectors.hashes[:-1]).all())
        and bool(np.isfinite(segment.vectors.vectors).all())
    )


_DTYPES = dict.fromkeys(PostingSegment._fields, "<u4") | dict.fromkeys(("item_start", "starts", "column_starts"), "<i8")
_DTYPES |= dict.fromkeys(("number_place", "number_value", "masses"), "<f8")
_DTYPES |= dict.fromkeys(("terms", "paths", "columns", "words.hashes", "names.hashes", "vectors.hashes"), "<u8")
_DTYPES |= dict.fromkeys(("words.starts", "names.starts"), "<i8")
_DTYPES |= dict.fromkeys(("words.content", "names.content"), "|u1") | {"vectors.content": "<f4"}
"""Dtype of every array in a file."""


def _are_of_their_kinds(arrays: Mapping[str, npt.NDArray[Any]]) -> bool:
    return {name: array.dtype.newbyteorder("<").str for name, array in arrays.items()} == _DTYPES and all(
        array.ndim == 1 for array in arrays.values()
    )


def _ascends(starts: npt.NDArray[Any], end: int, count: int) -> bool:
    whole = len(starts) == count + 1 and starts[0] == 0 and starts[-1] == end
    return bool(whole and (starts[1:] >= starts[:-1]).all())


def _rises(values: npt.NDArray[Any], starts: npt.NDArray[np.int64]) -> bool:
    """Return whether each value is greater than the one before it, except where a run begins."""
    rises = np.ones(len(values) + 1, np.bool_)
    rises[1:-1] = values[1:] > values[:-1]
    rises[starts] = True
    return bool(rises.all())


def _items_are_sound(arrays: PostingSegment, documents: int) -> bool:
    """Return whether items are in order of documents, and their parents are earlier items of the same document."""
    lengths = np.diff(arrays.item_start)
    owners, parents = np.repeat(np.arange(documents), lengths), arrays.item_parent.astype(np.int64)
    lowest = np.repeat(arrays.item_start[:-1], lengths)
    inside = (parents >= lowest) & (parents < np.arange(len(parents)))
    return bool(np.array_equal(arrays.item_document, owners) and (inside | (parents == NO_ITEM)).all())


def _terms_ascend(segment: Segment) -> bool:
    """Return whether lists are in order and distinct, and the spots of each list ascend."""
    terms, paths = segment.arrays.terms, segment.arrays.paths
    later = (terms[1:] > terms[:-1]) | ((terms[1:] == terms[:-1]) & (paths[1:] > paths[:-1]))
    return bool(later.all()) and _rises(segment.arrays.postings, segment.arrays.starts)


def _numbers_are_sound(segment: Segment) -> bool:
    """Return whether columns are in order, and the numbers of each are ordered by place and, separately, by spot."""
    arrays, columns, starts = segment.arrays, segment.arrays.columns, segment.arrays.column_starts
    order, owners = arrays.number_order, np.repeat(np.arange(len(columns)), np.diff(starts))
    if not (np.isfinite(arrays.number_place).all() and (columns[1:] > columns[:-1]).all()):
        return False
    if (order >= max(1, len(order))).any() or not np.array_equal(owners[order], owners):
        return False
    falls = np.zeros(len(order) + 1, np.bool_)
    falls[1:-1] = arrays.number_place[1:] < arrays.number_place[:-1]
    falls[starts] = False
    return not falls.any() and _rises(arrays.number_spot[order], starts)


def _spots_are_below(segment: Segment, items: int, documents: int) -> bool:
    """Return whether lists and columns contain only existing items and documents."""
    for hashes, starts, spots in (
        (segment.arrays.paths, segment.arrays.starts, segment.arrays.postings),
        (segment.arrays.columns, segment.arrays.column_starts, segment.arrays.number_spot),
    ):
        most = np.where(of_items(hashes), items, documents)
        if (spots >= np.repeat(most, np.diff(starts))).any():
            return False
    return True


def _texts_are_sound(names: Names) -> bool:
    """Return whether hashes are in order, and texts are UTF-8 and start at character boundaries."""
    names.content.tobytes().decode("utf-8", "surrogatepass")  # raises ValueError
    begins = names.starts[:-1][np.diff(names.starts) > 0]
    return bool((names.hashes[1:] > names.hashes[:-1]).all() and (names.content[begins] & 0xC0 != 0x80).all())
