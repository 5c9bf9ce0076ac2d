"""The source of a table: a file or standard input, with the format detected from its contents."""

import io
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hdc.apps.learn.tables import parquet_rows
from hdc.apps.learn.tables.blocks import ROWS, Block, TableError
from hdc.apps.learn.tables.csv_rows import read_csv
from hdc.apps.unpacking import READ_ERRORS, unpacker
from hdc.errors import ParameterError

STDIN = "-"
"""File name for standard input."""

FORMATS = ("auto", "csv", "json", "parquet")
"""``"json"`` is JSON Lines, an array of documents, or one document after another."""

_JSON_SUFFIXES = (".json", ".jsonl", ".ndjson", ".geojson")
_CSV_SUFFIXES = (".csv", ".tsv", ".txt", ".data", ".dat")


@dataclass(frozen=True)
class Source:
    """A table that can be read again from its beginning.

    Attributes
    ----------
    path : str
        Of a file.
    name : str
        What errors call it.
    format : {"csv", "json", "parquet"}
    delimiter, header, encoding
        Of CSV; see :func:`hdc.apps.learn.tables.csv_rows.read_csv`.
    """

    path: str
    name: str
    format: str
    delimiter: str | None = None
    header: bool = True
    encoding: str = "utf-8"

    def blocks(self, rows: int = ROWS) -> Iterator[Block]:
        """Yield the rows in blocks; raises TableError while iterating if the file is not as it should be."""
        if self.format == "parquet" and not parquet_rows.is_nested(self.path, self.name):
            yield from parquet_rows.read_parquet(self.path, self.name, rows=rows)
        elif self.format in ("json", "parquet"):
            from hdc.apps.learn.tables.json_rows import read_json

            yield from read_json(self.path, self.name, rows=rows)
        else:
            with _unpacked(self.path) as stream:
                yield from read_csv(
                    stream,
                    self.name,
                    delimiter=self.delimiter,
                    header=self.header,
                    encoding=self.encoding,
                    rows=rows,
                )


@contextmanager
def opened(
    path: str, *, format: str = "auto", delimiter: str | None = None, header: bool = True, encoding: str = "utf-8"
) -> Iterator[Source]:
    """Give the table of a file; standard input is copied to a temporary file, so that it can be read twice.

    Raises
    ------
    ParameterError
        If the delimiter is not one character, or there is no such encoding or one in which lines do not end in LF.
    TableError
        If the file cannot be read.
    OSError
        If there is no such file.
    """
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise ParameterError(f"delimiter must be a character such as ';', not {delimiter!r}")
    _check_encoding(encoding)
    with ExitStack() as stack:
        name = path
        if path == STDIN:
            name = "<stdin>"
            spooled = stack.enter_context(tempfile.NamedTemporaryFile())
            shutil.copyfileobj(sys.stdin.buffer, spooled)
            spooled.flush()
            path = spooled.name
        elif Path(path).is_dir():
            raise TableError(f"{path}: a folder; expected a file of CSV, Parquet or JSON Lines")
        found = _format(path, name) if format == "auto" else format
        if delimiter is None and found == "csv" and _plain_suffix(name) == ".tsv":
            delimiter = "\t"
        yield Source(path, name, found, delimiter, header, encoding)


def _check_encoding(encoding: str) -> None:
    try:
        ascii_like = "\n,".encode(encoding) == b"\n,"
    except (LookupError, ValueError):
        raise ParameterError(f"unknown encoding {encoding!r}; expected one such as utf-8, latin-1 or cp1252") from None
    if not ascii_like:
        raise ParameterError(f"encoding must be one that has ASCII inside, such as utf-8, not {encoding!r}")


@contextmanager
def _unpacked(path: str) -> Iterator[io.BufferedReader]:
    with open(path, "rb") as file:
        stream = io.BufferedReader(file.raw, 1 << 20)
        raw = unpacker(stream)
        yield stream if raw is None else io.BufferedReader(raw, 1 << 20)


def _format(path: str, name: str) -> str:
    """Detect the format by the first bytes, or by the suffix if they are ambiguous."""
    try:
        with _unpacked(path) as stream:
            head = stream.peek(64)[:64]
    except READ_ERRORS as error:
        if isinstance(error, OSError) and error.filename:
            raise
        raise TableError(f"{name}: cannot be read: {error}") from error
    if head.startswith(parquet_rows.MAGIC):
        return "parquet"
    suffix = _plain_suffix(name)
    if suffix in _JSON_SUFFIXES or suffix in _CSV_SUFFIXES:
        return "json" if suffix in _JSON_SUFFIXES else "csv"
    return "json" if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") else "csv"


def _plain_suffix(name: str) -> str:
    stem, suffix = os.path.splitext(name.lower())
    return os.path.splitext(stem)[1] if suffix in (".gz", ".zst") else suffix
