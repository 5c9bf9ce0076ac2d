"""Segments in files beside the rows that they were made of: derived data, which is made again where it is missing."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from hdc import files
from hdc.errors import FileFormatError
from hdc.kernels import NO_ITEM, PostingSegment
from hdc.search.postings.names import Names
from hdc.search.postings.segment import Segment
from hdc.store import Snapshot

KIND = "postings"

PREFIX = "postings-"
"""Names of the files begin so; the position of the first document follows."""

_ARRAYS = (
    "postings",
    "item_start",
    "item_document",
    "item_parent",
    "item_place",
    "number_spot",
    "number_place",
    "number_value",
    "number_order",
    "masses",
)
_TABLES = ("terms", "paths", "starts", "columns", "column_starts")


def source_of(snapshot: Snapshot, start: int, stop: int) -> str:
    """Return what says of which rows a segment is: a digest of the settings and of where the documents are."""
    table = snapshot.table(np.arange(start, stop))
    return xxhash.xxh3_128_hexdigest(snapshot.state.meta.encode() + np.ascontiguousarray(table).tobytes())


def save(segment: Segment, snapshot: Snapshot, folder: Path) -> Path:
    """Write a segment of rows of a snapshot; return its file."""
    arrays = {name: getattr(segment.arrays, name) for name in _ARRAYS}
    arrays |= {name: getattr(segment, name) for name in _TABLES}
    for name in ("words", "names"):
        held: Names = getattr(segment, name)
        arrays |= {f"{name}.hashes": held.hashes, f"{name}.starts": held.starts, f"{name}.content": held.content}
    meta: dict[str, Any] = {"first": segment.first, "documents": len(segment)}
    meta |= {"most_items": segment.arrays.most_items, "source": source_of(snapshot, segment.first, segment.stop)}
    path = folder / f"{PREFIX}{segment.first}"
    files.save(path, KIND, meta, arrays, quick=True)
    return path


def is_there(segment: Segment, folder: Path) -> bool:
    """Whether a segment's file is there, as long as it should be."""
    try:
        meta, _ = files.load(folder / f"{PREFIX}{segment.first}", KIND, mmap=True)
    except (OSError, FileFormatError):
        return False
    return meta.get("documents") == len(segment)


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
    """Return the segment from a position on that was written for the rows of a snapshot; None if there is none.

    Raises
    ------
    FileFormatError
        If it is damaged.
    """
    path = folder / f"{PREFIX}{first}"
    if not path.exists():
        return None
    meta, arrays = files.load(path, KIND, mmap=True)
    documents, most = meta.get("documents"), meta.get("most_items")
    if meta.get("first") != first or type(documents) is not int or type(most) is not int or documents < 1:
        raise FileFormatError(f"{path} is damaged: it says {meta!r:.80}")
    if first + documents > snapshot.count or meta.get("source") != source_of(snapshot, first, first + documents):
        return None
    try:
        words, names = (
            Names(*(arrays[f"{of}.{part}"] for part in ("hashes", "starts", "content"))) for of in ("words", "names")
        )
        held: dict[str, Any] = {name: arrays[name] for name in _ARRAYS}
        tables: dict[str, Any] = {name: arrays[name] for name in _TABLES}
        whole = PostingSegment(**held, most_items=most)
        segment = Segment(first=first, arrays=whole, words=words, names=names, **tables)
        sound = _is_sound(segment, documents)
    except (KeyError, ValueError, IndexError) as error:
        raise FileFormatError(f"{path} is damaged: {error!r}") from None
    if not sound:
        raise FileFormatError(f"{path} is damaged: its lists point outside of what there is")
    return segment


def _is_sound(segment: Segment, documents: int) -> bool:
    """Return whether a file that may be made by hand points nowhere outside its arrays."""
    arrays, items = segment.arrays, len(segment.arrays.item_document)
    dtypes = {name: getattr(arrays, name).dtype.str for name in _ARRAYS}
    expected = dict.fromkeys(_ARRAYS, "<u4") | {"item_start": "<i8"}
    expected |= dict.fromkeys(("number_place", "number_value", "masses"), "<f8")
    if dtypes != expected or any(getattr(arrays, name).ndim != 1 for name in _ARRAYS):
        return False
    spots = max(items, documents)
    bounds = (
        (segment.starts, len(arrays.postings), len(segment.terms)),
        (segment.column_starts, len(arrays.number_spot), len(segment.columns)),
        (arrays.item_start, items, documents),
        (segment.words.starts, len(segment.words.content), len(segment.words)),
        (segment.names.starts, len(segment.names.content), len(segment.names)),
    )
    parents = arrays.item_parent
    return (
        all(_ascends(starts, end, count) for starts, end, count in bounds)
        and len(segment.paths) == len(segment.terms)
        and len(arrays.masses) == documents
        and len(arrays.item_place) == len(parents) == items
        and len(arrays.number_place) == len(arrays.number_value) == len(arrays.number_spot) == len(arrays.number_order)
        and int(np.diff(arrays.item_start).max(initial=0)) == arrays.most_items
        and _spots_are_below(segment, items, documents)
        and bool((arrays.number_order < max(1, len(arrays.number_order))).all())
        and np.array_equal(arrays.item_document, np.repeat(np.arange(documents), np.diff(arrays.item_start)))
        and bool(((parents == NO_ITEM) | (parents < np.arange(items))).all())
        and spots < NO_ITEM
    )


def _ascends(starts: npt.NDArray[Any], end: int, count: int) -> bool:
    whole = len(starts) == count + 1 and starts.dtype == np.int64
    return bool(whole and starts[0] == 0 and starts[-1] == end and (np.diff(starts) >= 0).all())


def _spots_are_below(segment: Segment, items: int, documents: int) -> bool:
    """Return whether lists and columns hold items and documents that there are."""
    for hashes, starts, spots in (
        (segment.paths, segment.starts, segment.arrays.postings),
        (segment.columns, segment.column_starts, segment.arrays.number_spot),
    ):
        most = np.where((hashes & np.uint64(1)).astype(bool), items, documents)
        if (spots >= np.repeat(most, np.diff(starts))).any():
            return False
    return True
