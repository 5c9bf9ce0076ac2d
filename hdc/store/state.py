"""The state after a transaction, and its form in the log's records."""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hdc.errors import FileFormatError
from hdc.store.blocks import BLOCK, NO_SUMS, Sums, block_count

IDS, DEAD, TABLE, TEXTS = "row.ids", "row.dead", "row.table", "row.texts"
"""Files beside the columns; the name of a column has no dot."""

ROW_BYTES = {IDS: 8, DEAD: 8, TABLE: 32, TEXTS: 1}

DTYPES = ("|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8")
"""Dtypes of a column."""

RESERVED = ("commits", "seal", "con", "prn", "aux", "nul")
"""Names that a column cannot have, because other files have them or Windows reserves them."""

MOST = 1 << 62

MOST_ROWS = 1 << 32
"""Most rows of an edition, dead ones included, and ids of a store; search kernels store both in 32 bits."""


@dataclass(frozen=True, eq=False)
class Extent:
    """How far a file counts: its committed length, and the checksums of its blocks (none in memory)."""

    length: int = 0
    sums: Sums = field(default_factory=lambda: NO_SUMS)


NOTHING = Extent()


@dataclass(frozen=True, eq=False)
class State:
    """A state of a store.

    Attributes
    ----------
    columns : mapping of names to (dtype, width)
    meta : str
        The caller's setting, in JSON.
    generation : int
        Number of the transaction that made it.
    rows : int
        Rows, dead ones included.
    next_id : int
        The id of the next new row.
    edition : int
        A random number. While it is the same, rows keep their positions. Compacting or building again changes it, and
        so does taking back a record that a reader may have seen.
    extents : mapping of names of files to Extent
        Of all files that are not empty.
    """

    columns: Mapping[str, tuple[str, int]]
    meta: str
    generation: int = 0
    rows: int = 0
    next_id: int = 0
    edition: int = field(default_factory=lambda: new_edition())
    extents: Mapping[str, Extent] = field(default_factory=dict)

    def extent(self, name: str) -> Extent:
        """Return how far a file counts."""
        return self.extents.get(name, NOTHING)

    @property
    def dead(self) -> int:
        """Number of dead rows."""
        return self.extent(DEAD).length // ROW_BYTES[DEAD]

    def row_bytes(self, name: str) -> int:
        """Return the bytes of a row in a file."""
        if name in ROW_BYTES:
            return ROW_BYTES[name]
        dtype, width = self.columns[name]
        return np.dtype(dtype).itemsize * width

    # ------------------------------------------------------------------ records

    def record(self, before: "State | None" = None) -> bytes:
        """Return the state as the body of a record: as a whole, or what differs from the one before."""
        body: dict[str, Any] = {"generation": self.generation, "rows": self.rows, "next_id": self.next_id}
        body["edition"] = self.edition
        if before is None:
            body["columns"] = self.columns
        body["files"] = {}
        for name, extent in self.extents.items():
            length = 0 if before is None else before.extent(name).length
            if extent.length != length:
                first = length // BLOCK
                body["files"][name] = [extent.length, extent.sums[first:].astype(">u8").tobytes().hex()]
        text = json.dumps(body, separators=(",", ":"), allow_nan=False)
        if before is None or self.meta != before.meta:  # kept as text, which may be megabytes
            text = f'{text[:-1]},"meta":{self.meta}}}'
        return text.encode()

    @classmethod
    def read(cls, record: bytes, before: "State | None") -> "State":
        """Return the state of a record, checked against the schema.

        Raises
        ------
        ValueError
            If it is not such a record; the message says why.
        """
        body = _mapping(_parsed(record), "a record")
        if before is None:
            before = cls(_columns(body.get("columns")), _meta(body))
            least = 0
        else:
            before = replace(before, meta=_meta(body)) if "meta" in body else before
            least = before.generation + 1
        generation = _integer(body, "generation", least)
        if least and generation != least:
            raise ValueError(f"transaction {generation} follows {before.generation}")
        extents = dict(before.extents)
        for name, value in _mapping(body.get("files"), "files").items():
            if name not in ROW_BYTES and name not in before.columns:
                raise ValueError(f"{name!r} is the name of no file")
            extents[name] = _extent(name, value, before.extent(name))
        state = cls(
            before.columns,
            before.meta,
            generation,
            _integer(body, "rows", before.rows, MOST_ROWS),
            _integer(body, "next_id", before.next_id, MOST_ROWS),
            _integer(body, "edition", 0),
            extents,
        )
        state._check_lengths()
        return state

    def _check_lengths(self) -> None:
        lengths = {name: self.extent(name).length for name in (*self.columns, *ROW_BYTES)}
        for name in self.columns:
            if lengths[name] != self.rows * self.row_bytes(name):
                raise ValueError(f"{name!r} has {lengths[name]} bytes for {self.rows} rows")
        for name in (IDS, TABLE):
            if lengths[name] not in (0, self.rows * ROW_BYTES[name]):
                raise ValueError(f"{name!r} has {lengths[name]} bytes for {self.rows} rows")
        if lengths[DEAD] % ROW_BYTES[DEAD] or self.dead > self.rows:
            raise ValueError(f"{DEAD!r} has {lengths[DEAD]} bytes for {self.rows} rows")
        if lengths[TEXTS] and not lengths[TABLE]:
            raise ValueError("there are texts that belong to no row")
        if not lengths[IDS] and self.next_id < self.rows:
            raise ValueError(f"the next id is {self.next_id}, and {self.rows} were given")

    def follows(self, before: "State") -> bool:
        """Return whether this may be the same store later: the bytes that the other one counts are the same."""
        return (
            self.columns == before.columns
            and self.edition == before.edition
            and self.generation >= before.generation
            and all(self.extent(name).length >= extent.length for name, extent in before.extents.items())
        )


def new_edition() -> int:
    """Return a number that no other edition has."""
    return secrets.randbits(60)


def column_name(name: object) -> bool:
    """Return whether a column can have a name."""
    return isinstance(name, str) and bool(re.fullmatch("[a-z][a-z0-9_]{0,63}", name)) and name not in RESERVED


def _parsed(record: bytes) -> Any:
    try:
        return json.loads(record)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{what} must be an object, not {value!r:.50}")
    return value


def _integer(body: Mapping[str, Any], name: str, least: int, most: int = MOST - 1) -> int:
    value = body.get(name)
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name} must be an integer from {least} to {most}, not {value!r:.50}")
    return value


def _meta(body: Mapping[str, Any]) -> str:
    return json.dumps(_mapping(body.get("meta"), "meta"))


def _columns(value: Any) -> dict[str, tuple[str, int]]:
    columns: dict[str, tuple[str, int]] = {}
    for name, column in _mapping(value, "columns").items():
        if not column_name(name):
            raise ValueError(f"{name!r} is no name for a column")
        if not isinstance(column, list) or len(column) != 2 or column[0] not in DTYPES:
            raise ValueError(f"column {name!r} is {column!r:.50}")
        columns[name] = column[0], _integer({"width": column[1]}, "width", 1)
    if not columns:
        raise ValueError("there is no column")
    return columns


def _extent(name: str, value: Any, before: Extent) -> Extent:
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[1], str):
        raise ValueError(f"file {name!r} is {value!r:.50}")
    length = _integer({"length": value[0]}, "length", before.length)
    first = before.length // BLOCK
    new = bytes.fromhex(value[1])
    if len(new) != 8 * (block_count(length) - first):
        raise ValueError(f"file {name!r} of {length} bytes has {len(value[1])} digits of checksums")
    sums = np.frombuffer(new, ">u8").astype(np.uint64)
    return Extent(length, np.concatenate([before.sums[:first], sums]))


def damaged(path: Any, why: object) -> FileFormatError:
    """Return the error for a damaged file."""
    return FileFormatError(f"{path} is damaged: {why}; restore it from a copy")
