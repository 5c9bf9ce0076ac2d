"""Read JSON Lines: one document a line, blank lines left out."""

import io
from collections.abc import Iterator

from hdc.apps.json.reading.items import ItemPath, inside
from hdc.apps.json.reading.records import Record, Rejects
from hdc.apps.json.reading.strict import BYTE_ORDER_MARK, DocumentError, parse_bytes


def read_lines(
    lines: Iterator[bytes] | io.BufferedReader, name: str, items: ItemPath, rejects: Rejects, first: int = 1
) -> Iterator[Record]:
    """Yield the documents of lines, the first of which has the number ``first``; bad ones are rejected one by one."""
    for number, raw in enumerate(lines, first):
        if raw.isspace() or (number == 1 and not raw.removeprefix(BYTE_ORDER_MARK).strip()):
            continue
        source = f"{name}:{number}"
        try:
            document = parse_bytes(raw.rstrip(b"\r\n"), name, number)
            records = inside(document, items, source) if items else (Record(document, source),)
            yield from records
        except DocumentError as error:
            rejects.add(error, source, raw)
