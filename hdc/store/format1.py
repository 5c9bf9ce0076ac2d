"""Format 1, which stored the catalog in SQLite: read it, check it, and rewrite it in format 2."""

import contextlib
import hashlib
import json
import sqlite3
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hdc import files
from hdc.errors import FileFormatError
from hdc.store import entries
from hdc.store.blocks import Ints
from hdc.store.edition import Change, Edition
from hdc.store.state import DTYPES, State, column_name, damaged

BLOCK = 1 << 20
"""Bytes per CRC-32 of a column."""

COUNTED = {
    "settings": "SELECT name, value, digest FROM settings",
    "rows": "SELECT row, key, document, source, digest FROM rows",
    "dead": "SELECT row, generation FROM dead",
    "blocks": "SELECT name, block, sum FROM blocks",
}
"""Tables whose rows counted into one total, and their columns."""

OWN_DIGEST = ("settings", "rows")
"""Tables whose rows also have their own digest as the last value."""

COPIED = 10_000
"""Rows to copy per block."""


def migrate(old: Path, new: Path) -> None:
    """Write an edition of format 1 to an empty folder in format 2, every byte of it checked.

    Raises
    ------
    FileFormatError
        If the old edition is damaged.
    OSError
        If the new one cannot be written; the old one is as it was then.
    """
    path = old / "catalogue"
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as tables:
            generation, rows, next_id = _checked(old, tables)
            settings = {name: json.loads(text) for name, text in tables.execute("SELECT name, value FROM settings")}
            columns = _columns(settings["columns"])
            arrays = {name: _column(old / name, *kind, rows, tables) for name, kind in columns.items()}
            ids = arrays.pop("id", np.arange(rows)[:, None])[:, 0]
            dead: Ints = np.array(tables.execute("SELECT row FROM dead ORDER BY row").fetchall(), np.int64).reshape(-1)
            columns.pop("id", None)
            state = State(columns, json.dumps(settings["meta"]), generation, next_id=0)
            edition = Edition.create(new, int(new.name), state)
            change = Change(edition)
            for start in range(0, rows, COPIED):
                stop = min(start + COPIED, rows)
                part = {name: array[start:stop] for name, array in arrays.items()}
                change.write(part, _entries(tables, start, stop), ids[start:stop])
            change.kill(dead.tolist())
            change.finish(next_id)
    except (sqlite3.DatabaseError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise damaged(path, error) from error


def _checked(old: Path, tables: sqlite3.Connection) -> tuple[int, int, int]:
    """Return generation, rows and next id, after comparing every row of every table with its digest."""
    path = old / "catalogue"
    with contextlib.suppress(FileNotFoundError):
        seal, _ = files.load(old / "seal", "store-seal")
        with open(path, "rb") as file:
            if hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest() != seal["digest"]:
                raise damaged(path, "its bytes are not those it was closed with")
    ((*state, number),) = tables.execute("SELECT generation, rows, next_id, total, digest FROM state")
    total = 0
    for table, query in COUNTED.items():
        for values in tables.execute(query):
            own = values[:-1] if table in OWN_DIGEST else values
            count = _digest(table, *own)
            if table in OWN_DIGEST and count != values[-1]:
                raise damaged(path, f"a row of {table} does not match its checksum")
            total += count
    if number != _digest("state", *state) or (total + 2**63) % 2**64 - 2**63 != state[3]:
        raise damaged(path, "its rows do not match their checksum")
    return state[0], state[1], state[2]


def _digest(*values: Any) -> int:
    hasher = hashlib.blake2b(digest_size=8)
    for value in values:
        content = value if isinstance(value, bytes) else b"" if value is None else str(value).encode()
        hasher.update(f"{type(value).__name__}{len(content)}:".encode())
        hasher.update(content)
    number: int = struct.unpack("<q", hasher.digest())[0]
    return number


def _columns(found: dict[str, Any]) -> dict[str, tuple[str, int]]:
    columns = {}
    for name, (dtype, width) in found.items():
        if not column_name(name) or dtype not in DTYPES or type(width) is not int or width < 1:
            raise ValueError(f"there is no column {name!r} of {dtype!r} and {width!r}")
        columns[name] = dtype, width
    return columns


def _column(path: Path, dtype: str, width: int, rows: int, tables: sqlite3.Connection) -> Any:
    """Return a mapped column, after comparing every block with its checksum."""
    size = rows * width * np.dtype(dtype).itemsize
    if path.stat().st_size < size:
        raise damaged(path, f"it has {path.stat().st_size} bytes, and {size} were written")
    content = np.memmap(path, np.uint8, "r", shape=(size,)) if size else np.empty(0, np.uint8)
    sums = dict(tables.execute("SELECT block, sum FROM blocks WHERE name = ?", (path.name,)))
    for block in range(-(-size // BLOCK)):
        if zlib.crc32(content[block * BLOCK : (block + 1) * BLOCK].data) != sums.get(block):
            raise damaged(path, f"block {block} (of {BLOCK} bytes) does not match its checksum")
    return content.view(dtype).reshape(rows, width)


def _entries(tables: sqlite3.Connection, start: int, stop: int) -> entries.Entries | None:
    held: Iterator[tuple[int, Any, Any, Any]] = tables.execute(
        "SELECT row, key, document, source FROM rows WHERE row >= ? AND row < ?", (start, stop)
    )
    by_row = {row: entry for row, *entry in held}
    found = [by_row.get(row, (None, None, None)) for row in range(start, stop)]
    return entries.encoded(stop - start, *([entry[i] for entry in found] for i in range(3)))
