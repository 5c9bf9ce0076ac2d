"""Read JSON, JSON Lines and nested Parquet: rows are documents, and flat ones are also columns."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from hdc.apps.json import DocumentError, read
from hdc.apps.learn.tables.blocks import MOST_COLUMNS, ROWS, Block, TableError


def read_json(path: str, name: str, *, rows: int = ROWS) -> Iterator[Block]:
    """Yield the documents of a file, which must be objects; a field that a document lacks is None.

    Raises
    ------
    TableError
        While iterating, if the file is empty, is no strict JSON, or a document is no object.
    """
    records = read([path])
    empty = True
    while block := list(_caught(islice(records, rows), path, name)):
        empty = False
        places = [record.source.replace(path, name, 1) for record in block]
        documents = [record.document for record in block]
        for document, place in zip(documents, places, strict=True):
            if not isinstance(document, dict):
                raise TableError(f"{place}: expected an object with a field for each column")
        yield Block(_columns(documents, name), places, documents)
    if empty:
        raise TableError(f"{name}:1: empty; expected documents")


def _caught(records: Iterator[Any], path: str, name: str) -> Iterator[Any]:
    try:
        yield from records
    except DocumentError as error:
        raise TableError(str(error).replace(path, name, 1)) from None


def _columns(documents: list[dict[str, Any]], name: str) -> dict[str, list[Any]]:
    names = dict.fromkeys(key for document in documents for key in document)
    if len(names) > MOST_COLUMNS:
        raise TableError(f"{name}: {len(names):,} fields; expected at most {MOST_COLUMNS:,}")
    return {key: [document.get(key) for document in documents] for key in names}
