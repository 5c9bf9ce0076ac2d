"""Inputs that can be read more than once: standard input, which can be read once, is first copied to a file."""

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from hdc.apps.json.document import paths
from hdc.apps.json.index.rows import key_of
from hdc.apps.json.reading import PART_BYTES, STDIN, Counts, OnError, Part, Record, plan, read_part
from hdc.apps.json.reading.limits import LIMITS, Limits
from hdc.apps.json.reading.reader import begin_rejects
from hdc.apps.json.reading.records import Rejects
from hdc.apps.json.reading.strict import DocumentError
from hdc.errors import ParameterError

SPOOL = "stdin"
"""File that stores a copy of standard input."""


def plan_again(paths: Sequence[str], folder: Path, part_bytes: int = PART_BYTES, limits: Limits = LIMITS) -> list[Part]:
    """Divide files into parts, as :func:`plan` does; standard input is kept in a folder."""
    if STDIN not in paths:
        return plan(paths, part_bytes, limits=limits)
    spool = folder / SPOOL
    with open(spool, "wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
    parts = plan([str(spool) if path == STDIN else path for path in paths], part_bytes, limits=limits)
    return [replace(part, name="<stdin>") if part.path == str(spool) else part for part in parts]


class Inputs:
    """Files to read, and what becomes of their bad records.

    Attributes
    ----------
    parts : list of Part
    on_error : {"raise", "skip"}
    items : str or None
        Where documents are inside each JSON value.
    counts : Counts
        Documents read and rejected in the last reading.
    """

    def __init__(self, parts: list[Part], on_error: OnError, items: str | None) -> None:
        self.parts, self.on_error, self.items = parts, on_error, items
        self.counts = Counts()

    @classmethod
    @contextmanager
    def of(
        cls,
        paths: Sequence[str],
        on_error: OnError,
        items: str | None,
        limits: Limits = LIMITS,
        part_bytes: int = PART_BYTES,
    ) -> Iterator["Inputs"]:
        """Open inputs for a while."""
        with TemporaryDirectory(prefix="hdc-") as folder:
            yield cls(plan_again(paths, Path(folder), part_bytes, limits), on_error, items)

    def read(self, rejects: str | None = None) -> Iterator[Record]:
        """Yield all records from the beginning, and start a new rejects file."""
        if rejects is not None:
            begin_rejects(rejects, [part.path for part in self.parts])
        self.counts = counts = Counts()
        for part in self.parts:
            reading = read_part(part, on_error=self.on_error, rejects=rejects, items=self.items)
            for record in reading:
                counts.read += 1
                yield record
            counts.rejected += reading.counts.rejected


def keyed(
    records: Iterable[Record], key: str | None, sink: Rejects, find: Callable[[str], int | None] | None = None
) -> Iterator[Record]:
    """Yield the records that have a key, where an index asks for one; the others are rejected.

    Parameters
    ----------
    records : iterable of Record
    key : str or None
        Path of the key; None asks for none.
    sink : Rejects
    find : function, optional
        Returns the id of the document with a key, if there is one; such a record is rejected too, and so is one whose
        key came before.

    Raises
    ------
    DocumentError
        If ``sink`` rejects none.
    """
    if key is None:
        yield from records
        return
    path, seen = paths.parse_path(key), set[str]()
    for record in records:
        try:
            own = key_of(record.document, path, record.source)
            if find is not None and (own in seen or find(own) is not None):
                raise ParameterError(f"{record.source}: the key {own!r} already exists; put replaces its document")
        except ParameterError as error:
            sink.add(DocumentError(str(error)), record.source, json.dumps(record.document).encode())
            continue
        if find is not None:
            seen.add(own)
        yield record
