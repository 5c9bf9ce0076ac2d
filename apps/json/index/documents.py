"""Parsed documents of a store, with a bounded cache of those read last."""

from typing import Any

from hdc.apps.json.index.texts import Texts
from hdc.apps.json.reading.quick import read_known
from hdc.search.measures import Ids
from hdc.store import Snapshot

HELD_BYTES = 1 << 23
"""Characters of text of the cached documents, whose memory is about ten times as large; beyond it, all are dropped."""


class _Held:
    """Cached documents of one edition by position; they never change."""

    def __init__(self, edition: int) -> None:
        self.edition, self.bytes = edition, 0
        self.documents: dict[int, Any] = {}


class Documents:
    """Read and parse documents. Any number of threads may do so at once, each with its own snapshot."""

    def __init__(self) -> None:
        self._held = _Held(-1)

    def read(self, snapshot: Snapshot, texts: Texts, positions: Ids) -> list[Any]:
        """Return the documents of some rows, which are shared with later calls: not to be changed."""
        held = self._held
        if held.edition != snapshot.edition or held.bytes > HELD_BYTES:
            held = self._held = _Held(snapshot.edition)
        rows, known = positions.tolist(), held.documents
        if missing := [row for row in rows if row not in known]:
            for row, text in zip(missing, snapshot.documents(missing), strict=True):
                plain = texts.unpacked(text or b"null")
                known[row] = read_known(plain)
                held.bytes += len(plain)
        return [known[row] for row in rows]


def parsed(text: bytes | None, texts: Texts) -> Any:
    """Return the document of a compressed text; None without one."""
    return read_known(texts.unpacked(text or b"null"))
