"""Search by posting lists of several stores as one: the segments of all stores, one after another."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from hdc.errors import ParameterError
from hdc.search.engine import Engine
from hdc.search.postings.searcher import PostingRows
from hdc.search.postings.segment import Segment
from hdc.store import JoinedSnapshot, Snapshot

MOST = 1 << 31
"""Most rows, including dead ones, that kernels can number."""


@dataclass(frozen=True, eq=False)
class JoinedPostingRows(PostingRows):
    """A joined snapshot prepared for search by posting lists.

    Frequencies, known words and known paths cover all parts, and one search reads all segments.

    Attributes
    ----------
    parts : tuple of PostingRows
    """

    parts: tuple[PostingRows, ...] = ()


class JoinedPostings:
    """The searcher of joined snapshots by posting lists.

    Parameters
    ----------
    engines : sequence of Engine
        One per part; each has :class:`Postings` as its searcher.
    """

    kind = "flat"

    def __init__(self, engines: Sequence[Engine]) -> None:
        self.engines = list(engines)

    def prepared(self, snapshot: Snapshot, previous: Any) -> JoinedPostingRows:
        """Add what is new in each part; see :meth:`~hdc.search.postings.searcher.Postings.prepared`."""
        assert isinstance(snapshot, JoinedSnapshot)
        if snapshot.count > MOST:
            raise ParameterError(f"shards of {snapshot.count:,} documents cannot be searched as one, only {MOST:,}")
        before = list(previous.parts) if isinstance(previous, JoinedPostingRows) else []
        parts, segments = list[PostingRows](), list[Segment]()
        for at, (engine, part) in enumerate(zip(self.engines, snapshot.parts, strict=False)):
            rows, start = _prepared(engine, part, before[at] if at < len(before) else None), int(snapshot.starts[at])
            parts.append(rows)
            segments += [replace(segment, first=start + segment.first) for segment in rows.segments]
        return JoinedPostingRows(snapshot, tuple(segments), parts[0].kernels, tuple(parts))


def _prepared(engine: Engine, part: Snapshot, known: PostingRows | None) -> PostingRows:
    """Return a prepared part: by its own engine, unless that has a later snapshot already."""
    if known is not None and known.snapshot is part:
        return known
    rows = engine.prepared() if engine.snapshot is part else None
    if rows is None or rows.snapshot is not part:
        rows = engine.searcher.prepared(part, known)
    assert isinstance(rows, PostingRows)
    return rows
