"""Read JSON Lines: one document per line; blank lines are skipped."""

import io
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from hdc.apps.json.reading.items import ItemPath, inside
from hdc.apps.json.reading.limits import Limits
from hdc.apps.json.reading.opening import CHUNK
from hdc.apps.json.reading.records import Record, Rejects, Untouched
from hdc.apps.json.reading.strict import BYTE_ORDER_MARK, DocumentError, parse_line


class Line(NamedTuple):
    """A line.

    Attributes
    ----------
    raw : bytes
        With its end; the beginning of it, if it is too long.
    length : int
        Bytes in the file.
    whole : bool
    """

    raw: bytes
    length: int
    whole: bool


def cut_lines(stream: BinaryIO | io.BufferedReader, most: int) -> Iterator[Line]:
    """Yield lines, holding at most ``most`` bytes of each, and a little more."""
    while part := stream.readline(most + 2):
        length, last = len(part), part
        while not last.endswith(b"\n") and length >= most + 2 and (last := stream.readline(CHUNK)):
            length += len(last)
        yield Line(part, length, len(part) <= most or len(part.rstrip(b"\r\n")) <= most)


def read_lines(
    lines: Iterator[Line], name: str, items: ItemPath, rejects: Rejects, limits: Limits, first: int = 1
) -> Iterator[Record]:
    """Yield the documents of lines, the first of which has the number ``first``; bad ones are rejected one by one."""
    for number, (raw, _, whole) in enumerate(lines, first):
        if whole and (raw.isspace() or (number == 1 and not raw.removeprefix(BYTE_ORDER_MARK).strip())):
            continue
        source = f"{name}:{number}"
        try:
            if not whole:
                raise DocumentError(f"{source}:1: {limits.too_long}")
            document, text = parse_line(raw.rstrip(b"\r\n"), name, number)
            if items:
                yield from inside(document, items, source)
            else:
                yield Untouched(document, source, text) if text is not None else Record(document, source)
        except DocumentError as error:
            rejects.add(error, source, raw)
