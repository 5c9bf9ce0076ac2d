"""The searcher by posting lists: consecutive segments, merged as they arrive, and stored in the index's folder."""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hdc.errors import FileFormatError
from hdc.kernels import PostingKernels, PostingQuery, PostingSearch
from hdc.search.live import alive
from hdc.search.measures import Ids
from hdc.search.once import BuildLock
from hdc.search.options import FlatOptions
from hdc.search.postings import keeping
from hdc.search.postings.segment import Segment
from hdc.store import Snapshot

LARGEST = 1 << 17
"""Documents above which segments are no longer merged, so that merging needs bounded memory."""

SMALL = 1 << 11
"""Segments of up to this many documents are merged with whatever follows."""

FAN = 8
"""Segments of one size that are merged into one while many arrive."""

LEAST_KEPT = 1 << 10
"""Fewest documents of a segment that is stored in a file."""

Read = Callable[[Snapshot, int, int], Segment]
"""Builds the segment of a snapshot's rows between two positions."""

NOBODY = np.empty(0, np.bool_)
NOBODY.flags.writeable = False
NO_RANK: Ids = np.empty(0, np.int64)

COMPARED = 1 << 12
"""Documents compared at a time after a compaction."""


class Asked(Protocol):
    """What a query asks of documents."""

    def of(self, segments: Sequence[Segment]) -> PostingQuery:
        """Return the query in terms of some segments."""


class Postings:
    """The searcher by posting lists.

    Parameters
    ----------
    kernels : PostingKernels
    read : function
        Parses documents into a segment.
    """

    kind = "flat"

    def __init__(self, kernels: PostingKernels, read: Read) -> None:
        self.kernels, self._read = kernels, read
        self._fresh: tuple[int, tuple[Segment, ...]] = -1, ()  # the edition, and the segments added to it
        self._adding = BuildLock()

    def prepared(self, snapshot: Snapshot, previous: "PostingRows | None") -> "PostingRows":
        """Add the rows that are new since the last snapshot: from files, from added segments, or from documents."""
        segments: list[Segment] = []
        if previous is not None and previous.snapshot.edition == snapshot.edition:
            segments = list(previous.segments)
        position = segments[-1].stop if segments else 0
        edition, added = self._fresh
        fresh = {segment.first: segment for segment in added if edition == snapshot.edition}
        while position < snapshot.count:
            segment = _kept(snapshot, position) or fresh.get(position)
            if segment is None or segment.stop > snapshot.count:
                ends = [first for first in fresh if first > position]
                segment = self._read(snapshot, position, min([snapshot.count, position + LARGEST, *ends]))
            segments.append(segment)
            position = segment.stop
        self._drop(snapshot.edition, position)
        return PostingRows(snapshot, tuple(together(segments)), self.kernels)

    def _drop(self, edition: int, position: int) -> None:
        """Forget added segments before a position: they are prepared, and later ones are not merged with them."""
        with self._adding:
            held, segments = self._fresh
            if held == edition and all(segment.stop <= position for segment in segments):
                self._fresh = -1, ()

    def add(self, snapshot: Snapshot, segment: Segment) -> None:
        """Pass the segment of rows that were just added, so that the documents need not be parsed again.

        Memory is bounded: large segments are written to files if the store has a folder.
        """
        with self._adding:
            edition, held = self._fresh
            if not held or held[-1].stop != segment.first or edition != snapshot.edition:
                held = ()
            merged = in_tiers([*held, segment])
            folder = folder_of(snapshot)
            while folder is not None and len(merged) > 1 and 2 * len(merged[0]) > LARGEST:
                try:
                    keeping.save(merged[0], snapshot, folder)
                except OSError:  # the segment will be rebuilt from the documents
                    break
                merged = merged[1:]
            self._fresh = snapshot.edition, tuple(merged)

    def keep(self, prepared: "PostingRows") -> None:
        """Write segments to files beside the rows, unless the files exist; small segments are not written."""
        folder = folder_of(prepared.snapshot)
        if folder is None:
            return
        for segment in prepared.segments:
            if len(segment) >= LEAST_KEPT and not keeping.is_there(segment, prepared.snapshot, folder):
                keeping.save(segment, prepared.snapshot, folder)
        keeping.remove_others(prepared.segments, folder)


def in_tiers(segments: list[Segment]) -> list[Segment]:
    """Merge the last ``FAN`` segments while they are of similar size, so that each is merged only a few times."""
    while len(segments) >= FAN:
        last = segments[-FAN:]
        size = sum(map(len, last))
        if len(last[0]) > 2 * len(last[-1]) * FAN or size > LARGEST or len(last[0]) > size // 2:
            break
        segments = [*segments[:-FAN], Segment.merged(last)]
    return segments


def together(segments: list[Segment]) -> list[Segment]:
    """Merge segments at the end that are about as large as those before them."""
    done: list[Segment] = []
    for segment in segments:
        run = [segment]
        size = len(segment)
        while done and len(done[-1]) <= max(SMALL, 2 * size) and len(done[-1]) + size <= LARGEST:
            size += len(done[-1])
            run.append(done.pop())
        done.append(Segment.merged(run[::-1]))
    return done


def _kept(snapshot: Snapshot, position: int) -> Segment | None:
    folder = folder_of(snapshot)
    if folder is None:
        return None
    with contextlib.suppress(FileFormatError, OSError):  # rebuilt from the documents
        return keeping.load(snapshot, position, folder)
    return None


def folder_of(snapshot: Snapshot) -> Path | None:
    """Return the folder with the files of a snapshot's edition, or None in memory."""
    folder = Path(snapshot.place)
    return folder if folder.is_absolute() or folder.is_dir() else None


def appended(before: Snapshot, after: Snapshot, ids: Ids) -> int | None:
    """Return the position of the first of some rows appended between two snapshots, or None if it is unknown.

    Other rows may have changed since. A row that replaced one of these comes after all of them.
    """
    if before.edition != after.edition or not len(ids):
        return None
    new = after.ids[before.count :]
    (found,) = np.nonzero(new == ids[0])
    if not len(found) or not np.array_equal(new[found[0] : found[0] + len(ids)], ids):
        return None
    return before.count + int(found[0])


def followed(previous: "PostingRows", snapshot: Snapshot) -> "PostingRows | None":
    """Convert what was prepared for one edition to another that was copied from it, or return None if it was not."""
    before = previous.snapshot
    keep = alive(before).copy()
    numbers = before.ids[keep]
    kept = np.isin(numbers, snapshot.ids, assume_unique=True)
    keep[np.flatnonzero(keep)[~kept]] = False
    old = np.flatnonzero(keep)
    if before.state.meta != snapshot.state.meta or not np.array_equal(before.ids[old], snapshot.ids[: len(old)]):
        return None
    for start in range(0, len(old), COMPARED):
        rows = np.arange(start, min(start + COMPARED, len(old)))
        if before.documents(old[rows]) != snapshot.documents(rows):
            return None
    segments, first = [], 0
    for segment in previous.segments:
        own = keep[segment.first : segment.stop]
        if own.any():
            segments.append(segment.kept(first, own))
            first += int(own.sum())
    return PostingRows(snapshot, tuple(together(segments)), previous.kernels)


@dataclass(frozen=True, eq=False)
class PostingRows:
    """A snapshot prepared for search by posting lists.

    Attributes
    ----------
    segments : tuple of Segment
        In order; together they cover every row, including dead ones.
    """

    snapshot: Snapshot
    segments: tuple[Segment, ...]
    kernels: PostingKernels
    dtype = np.float64

    def search(
        self, queries: Sequence[Asked], k: int, options: FlatOptions, allowed: Ids | None = None
    ) -> tuple[npt.NDArray[np.float64], Ids]:
        """Return the k rows of the greatest scores; see :meth:`hdc.search.searcher.Prepared.search`."""
        distances = np.full((len(queries), k), np.inf)
        ids = np.full((len(queries), k), -1, np.int64)
        for row, asked in enumerate(queries):
            scores, positions = self.best(asked, k, allowed)
            distances[row, : len(scores)] = 1 - scores
            ids[row, : len(scores)] = self.snapshot.ids[positions]
        return distances, ids

    def best(self, asked: Asked, k: int, allowed: Ids | None = None) -> tuple[npt.NDArray[np.float64], Ids]:
        """Return the scores and positions of at most k best rows for one query, without rows of score 0.

        Among equal scores, the lower id comes first.
        """
        mask = NOBODY if self.snapshot.alive is None else alive(self.snapshot)
        if allowed is not None:
            mask = np.zeros(self.snapshot.count, np.bool_)
            mask[allowed] = True
            mask.flags.writeable = False  # as a snapshot's mask: kernels are compiled once per type of array
        return self._prepared.best(asked.of(self.segments), k, mask)

    @cached_property
    def _prepared(self) -> PostingSearch:
        ids = self.snapshot.ids
        ascends = bool((ids[1:] > ids[:-1]).all())
        rank = NO_RANK if ascends else np.argsort(np.argsort(ids, kind="stable"), kind="stable")
        return self.kernels.prepare([segment.arrays for segment in self.segments], rank)

    @cached_property
    def memo(self) -> dict[str, Any]:
        """A cache that callers may use for data about these segments."""
        return {}
