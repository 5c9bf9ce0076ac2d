"""Read CSV: strict about quotes and the number of cells, in bounded memory, with errors that name the line."""

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice

from hdc.apps.learn.tables.blocks import MOST_COLUMNS, ROWS, Block, Places, TableError
from hdc.apps.unpacking import READ_ERRORS

LINE = 64 << 20
"""Most bytes of a line. ``csv.field_size_limit`` limits the characters of a cell: 131,072."""

DELIMITERS = ",;\t|"
"""Separators that can be detected: the one that is most frequent in the first line outside quotes."""

_MARK = "\N{ZERO WIDTH NO-BREAK SPACE}"
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff")


def read_csv(
    stream: io.BufferedReader, name: str, *, delimiter: str | None, header: bool, encoding: str, rows: int = ROWS
) -> Iterator[Block]:
    """Yield the rows of a CSV file; lines without a cell are left out.

    Parameters
    ----------
    stream : binary stream
    name : str
        What errors call the file.
    delimiter : str, optional
        A character; without it, one of :data:`DELIMITERS`.
    header : bool
        Whether the first line has the names of the columns; without it they are ``column 1`` and so on.
    encoding : str
        One in which a line ends with the byte of LF.
    rows : int
        Most of them in a block.

    Raises
    ------
    TableError
        While iterating, if the file has no rows or cannot be read or decoded; if quotes are not closed, a cell or a
        line is too long, names of columns are missing or occur twice, or a row has another number of cells.
    """
    lines = _Lines(stream, name, encoding)
    records = _records(lines, delimiter)
    first = next(records, None)
    if first is None:
        raise TableError(f"{name}:1: empty; expected a table")
    number, cells = first
    names = _names(cells, f"{name}:{number}") if header else [f"column {place}" for place in range(1, len(cells) + 1)]
    pending = iter(() if header else (first,))
    while block := [*islice(pending, rows), *islice(records, rows)][: rows + 1]:
        for number, cells in block:
            if len(cells) != len(names):
                raise TableError(f"{name}:{number}: {_counted(cells)}, and the first line has {len(names)}")
        columns = dict(zip(names, zip(*(cells for _, cells in block), strict=True), strict=True))
        yield Block(dict(columns), Places(name, [number for number, _ in block]))


class _Lines(Iterator[str]):
    """The decoded lines of a file; ``number`` is the number of the last one."""

    def __init__(self, stream: io.BufferedReader, name: str, encoding: str) -> None:
        self._stream, self.name, self._encoding = stream, name, encoding
        self.number = 0

    def __next__(self) -> str:
        place = f"{self.name}:{self.number + 1}"
        try:
            raw = self._stream.readline(LINE + 1)
        except READ_ERRORS as error:
            raise TableError(f"{place}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
        if not raw:
            raise StopIteration
        if len(raw) > LINE:
            raise TableError(f"{place}: a line of more than {LINE:,} bytes; expected a table with a row on each line")
        self.number += 1
        try:
            text = raw.decode(self._encoding)
        except UnicodeDecodeError as error:
            if self.number == 1 and raw.startswith(_WIDE_MARKS):
                raise TableError(f"{place}: UTF-16; expected UTF-8, to which iconv converts it") from None
            raise TableError(
                f"{place}: byte {error.start + 1} is not {self._encoding}; name the encoding, such as --encoding cp1252"
            ) from None
        return text.removeprefix(_MARK) if self.number == 1 else text


def _records(lines: _Lines, delimiter: str | None) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number at which a row starts, and its cells."""
    opening = next(lines, None)
    if opening is None:
        return
    reader = csv.reader(_again(opening, lines), delimiter=delimiter or _likely(opening), strict=True)
    begins = 1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise TableError(f"{lines.name}:{begins}: {_reason(str(error))}") from None
        if cells:
            if len(cells) > MOST_COLUMNS:
                raise TableError(f"{lines.name}:{begins}: {_counted(cells)}; expected at most {MOST_COLUMNS:,}")
            yield begins, cells
        begins = lines.number + 1


def _again(first: str, lines: _Lines) -> Iterator[str]:
    yield first
    yield from lines


def _likely(line: str) -> str:
    plain = re.sub(r'"[^"]*"', "", line)
    return max(DELIMITERS, key=plain.count)


def _reason(error: str) -> str:
    if "field larger" in error:
        return f"a cell of more than {csv.field_size_limit():,} characters; is a quote not closed?"
    if "unexpected end" in error:
        return "a quote opens that nothing closes"
    if "expected after" in error:
        return "something follows a closing quote; a quote inside a cell is written twice"
    if "new-line" in error:
        return "a carriage return inside a cell that is not quoted"
    return error


def _names(cells: list[str], place: str) -> list[str]:
    names = [cell.strip() or f"column {number}" for number, cell in enumerate(cells, 1)]
    repeated = sorted({name for name in names if names.count(name) > 1}) if len({*names}) < len(names) else []
    if repeated:
        raise TableError(f"{place}: two columns have the name {repeated[0]!r}; expected a name of its own for each")
    if all(_is_number(cell) for cell in cells):
        raise TableError(f"{place}: only numbers; expected names of columns, or --no-header if there are none")
    return names


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _counted(cells: list[str]) -> str:
    return "1 cell" if len(cells) == 1 else f"{len(cells):,} cells"
