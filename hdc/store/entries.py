"""Keys, sources and documents of rows: their bytes one after another, and a table of their places."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.store.blocks import Bytes, Ints, digest

ENTRY = np.dtype([("start", "<u8"), ("hash", "<u8"), ("key", "<u4"), ("source", "<u4"), ("document", "<u8")])
"""A row of the table: the place of its first byte, the hash of its key, and the lengths of key, source and document,
which follow each other. A stored length is one more than the real one; 0 means that there is no such text.
"""

PARTS = ("key", "source", "document")

Entry = tuple[str | None, bytes | None, str | None]
"""Key, document and source of a row."""

Table = npt.NDArray[np.void]

LONGEST = (1 << 30) - 1
"""Most characters of a key or source, whose bytes are counted with 32 bits."""


@dataclass(frozen=True)
class Entries:
    """Entries of n rows as a store has them: ``table`` of n, ``texts`` the bytes, from 0 on."""

    table: Table
    texts: bytes


def hash_of(key: str) -> int:
    """Return the hash of a key; a key that UTF-8 cannot encode has one too, and matches nothing."""
    return digest(key.encode("utf-8", "surrogatepass"))


def encoded(
    count: int,
    keys: Sequence[str | None] | None,
    documents: Sequence[bytes | None] | None,
    sources: Sequence[str | None] | None,
) -> Entries | None:
    """Return entries of rows, None if all are empty and need no place."""
    table = np.zeros(count, ENTRY)
    parts: list[Sequence[bytes | None]] = []
    texts = {"key": _bytes(keys), "source": _bytes(sources), "document": documents}
    for name, values in texts.items():
        if values is not None:
            parts.append(values)
            table[name] = [0 if value is None else len(value) + 1 for value in values]
    if texts["key"] is not None:
        table["hash"] = [0 if key is None else digest(key) for key in texts["key"]]
    if not any(table[name].any() for name in texts):
        return None
    total = sizes(table)
    table["start"] = np.cumsum(total) - total
    return Entries(table, b"".join(value for row in zip(*parts, strict=True) for value in row if value is not None))


def _bytes(values: Sequence[str | None] | None) -> list[bytes | None] | None:
    return None if values is None else [None if value is None else value.encode() for value in values]


def borders(table: Table) -> Ints:
    """Return where key, source and document begin and the last ends: ``(n, 4)``."""
    found = np.empty((len(table), 4), np.int64)
    found[:, 0] = table["start"]
    for i, name in enumerate(PARTS):
        said = table[name].astype(np.int64)
        np.add(found[:, i], said - (said != 0), out=found[:, i + 1])
    return found


def sizes(table: Table) -> Ints:
    """Return the bytes of key, source and document together: ``(n,)``."""
    lines = borders(table)
    found: Ints = lines[:, 3] - lines[:, 0]
    return found


def outside(lines: Ints, length: int) -> bool:
    """Return whether any of the texts between borders is not within ``length`` bytes, or is less than empty."""
    start, _, last, end = lines.T
    return bool(((start < 0) | (last < start) | (end < last) | (end > length)).any())


def part(table: Table, lines: Ints, name: str, texts: Bytes) -> list[bytes | None]:
    """Return the bytes of the ``"key"``, ``"source"`` or ``"document"`` of each row, None if there is none."""
    own = PARTS.index(name)
    rows = zip(lines[:, own].tolist(), lines[:, own + 1].tolist(), (table[name] > 0).tolist(), strict=True)
    content = texts.data
    return [bytes(content[a:b]) if there else None for a, b, there in rows]


def decoded(table: Table, lines: Ints, name: str, texts: Bytes) -> list[str | None]:
    """Return the ``"key"`` or ``"source"`` of each row, None if there is none.

    Raises
    ------
    UnicodeDecodeError
        If one is not UTF-8.
    """
    own = PARTS.index(name)
    start, size = lines[:, own], lines[:, own + 1] - lines[:, own]
    ends = np.cumsum(size)
    begins = ends - size
    joined = texts[np.repeat(start - begins, size) + np.arange(ends[-1] if len(ends) else 0)].tobytes()
    text = joined.decode()
    rows = zip(begins.tolist(), ends.tolist(), (table[name] > 0).tolist(), strict=True)
    if len(text) == len(joined):  # all ASCII: decode at once
        return [text[a:b] if there else None for a, b, there in rows]
    return [joined[a:b].decode() if there else None for a, b, there in rows]


def gathered(table: Table, lines: Ints, texts: Bytes) -> Entries:
    """Return the entries of some rows of a store, as a copy that begins at 0."""
    content = texts.data
    parts: list[Any] = [content[a:b] for a, b in lines[:, [0, 3]].tolist()]
    moved, size = table.copy(), lines[:, 3] - lines[:, 0]
    moved["start"] = np.cumsum(size) - size
    return Entries(moved, b"".join(parts))
