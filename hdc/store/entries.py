"""Keys, sources and documents of rows: their bytes one after the other, and a table of where they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.store.blocks import Bytes, Ints, digest

ENTRY = np.dtype([("start", "<u8"), ("hash", "<u8"), ("key", "<u4"), ("source", "<u4"), ("document", "<u8")])
"""A row of the table: where its bytes begin, the hash of its key, and the lengths of key, source and document, which
lie one after the other. A length is one more than it says, and 0 where there is no such text."""

Entry = tuple[str | None, bytes | None, str | None]
"""Key, document and source of a row."""

Table = npt.NDArray[np.void]

LONGEST = (1 << 30) - 1
"""Characters of a key or source, whose bytes are counted with 32 bits."""


@dataclass(frozen=True)
class Entries:
    """Entries of n rows as a store has them: ``table`` of n, ``texts`` the bytes, from 0 on."""

    table: Table
    texts: bytes


def hash_of(key: str) -> int:
    """Return the hash of a key; one that UTF-8 cannot hold has one too, and is nowhere."""
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
    total = lengths(table).sum(axis=1)
    table["start"] = np.cumsum(total) - total
    return Entries(table, b"".join(value for row in zip(*parts, strict=True) for value in row if value is not None))


def _bytes(values: Sequence[str | None] | None) -> list[bytes | None] | None:
    return None if values is None else [None if value is None else value.encode() for value in values]


def lengths(table: Table) -> Ints:
    """Return the bytes of key, source and document: ``(n, 3)``."""
    said = np.stack([table[name].astype(np.int64) for name in ("key", "source", "document")], axis=1)
    found: Ints = np.maximum(said - 1, 0)
    return found


def wrong(table: Table, length: int) -> npt.NDArray[np.bool_]:
    """Return which entries of a table lie, in part, outside the ``length`` bytes of texts."""
    fits = (table["start"] <= length) & (table["document"] <= length + 1)
    starts = np.where(fits, table["start"], 0).astype(np.int64)
    outside: npt.NDArray[np.bool_] = ~fits | (starts + lengths(table).sum(axis=1) > length)
    return outside


def part(table: Table, name: str, texts: Bytes) -> list[bytes | None]:
    """Return the bytes of the ``"key"``, ``"source"`` or ``"document"`` of each row, None where there is none."""
    start, stop = span(table, name)
    there = (table[name] > 0).tolist()
    content = texts.data
    return [
        bytes(content[a:b]) if some else None for a, b, some in zip(start.tolist(), stop.tolist(), there, strict=True)
    ]


def span(table: Table, name: str) -> tuple[Ints, Ints]:
    """Return where a part of each row begins and ends."""
    own = {"key": 0, "source": 1, "document": 2}[name]
    size = lengths(table)
    start = table["start"].astype(np.int64) + size[:, :own].sum(axis=1)
    return start, start + size[:, own]


def gathered(table: Table, texts: Bytes) -> Entries:
    """Return the entries of some rows of a store, as a copy that begins at 0."""
    size = lengths(table).sum(axis=1)
    starts = table["start"].astype(np.int64)
    content = texts.data
    parts: list[Any] = [content[a:b] for a, b in zip(starts.tolist(), (starts + size).tolist(), strict=True)]
    moved = table.copy()
    moved["start"] = np.cumsum(size) - size
    return Entries(moved, b"".join(parts))
