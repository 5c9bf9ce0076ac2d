"""Blocks of rows as columns, with the place of each row in its file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hdc.errors import HDCError

ROWS = 8192
"""Rows per block."""

MOST_COLUMNS = 20_000
"""Most columns of a table; a file with more is not a table."""


class TableError(HDCError, ValueError):
    """A file that is not a table, or not the expected one; the message starts with the file and the line."""


@dataclass(frozen=True)
class Block:
    """Rows that follow one another in a file.

    Attributes
    ----------
    columns : dict of name to sequence of n values
        Strings, numbers, bools, dates or None; of CSV strings only. A column of numbers of Parquet is a float64 array.
    places : sequence of n strings
        Where each row is: ``file:line``.
    documents : list of n dicts, optional
        The rows as JSON documents, where the file has such.
    """

    columns: Mapping[str, Any]
    places: Sequence[str]
    documents: list[dict[str, Any]] | None = None

    def __len__(self) -> int:
        return len(self.places)


class Places(Sequence[str]):
    """The places of rows whose lines are known, put into words where they are asked for."""

    def __init__(self, name: str, lines: Sequence[int]) -> None:
        self._name, self._lines = name, lines

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, row: Any) -> Any:
        return f"{self._name}:{self._lines[row]}"
