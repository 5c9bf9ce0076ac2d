"""Read documents from files of all formats; errors are raised or their records are skipped."""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from hdc import checks
from hdc.apps import storage
from hdc.apps.json.reading.detecting import Format, check_format, detect
from hdc.apps.json.reading.items import ItemPath, parse_items
from hdc.apps.json.reading.limits import LIMITS, Limits
from hdc.apps.json.reading.lines import Line, cut_lines, read_lines
from hdc.apps.json.reading.opening import STDIN, expand, name_of, opened, unreadable
from hdc.apps.json.reading.parquet import is_parquet, read_parquet
from hdc.apps.json.reading.parts import Part, check_unchanged
from hdc.apps.json.reading.records import Counts, OnError, Record, Rejects, Untouched
from hdc.apps.json.reading.scanner import Scanner
from hdc.apps.json.reading.strict import DocumentError
from hdc.apps.json.reading.whole import read_whole
from hdc.apps.unpacking import READ_ERRORS
from hdc.checks import instance
from hdc.errors import ParameterError


class Reading(Iterator[Record]):
    """Records as they are read, and how far reading is.

    Attributes
    ----------
    counts : Counts
        Documents read and rejected, and bytes, so far.
    skipped : list of Path
        Files in the folders given that are not read: their names have no known suffix, or are hidden.
    """

    def __init__(self, records: Iterator[Record], counts: Counts, skipped: list[Path]) -> None:
        self._records, self.counts, self.skipped = records, counts, skipped

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Record:
        record = next(self._records)
        self.counts.read += 1
        return record


def read(
    paths: Iterable[str | Path],
    *,
    on_error: OnError = "raise",
    rejects: str | Path | None = None,
    items: str | None = None,
    format: Format = "auto",
    limits: Limits = LIMITS,
) -> Reading:
    """Yield the documents of files in turn.

    Parameters
    ----------
    paths : iterable of path
        Files of JSON, JSON Lines or Parquet, the first two plain or compressed by gzip or zstd, recognized by content.
        A folder means the files in it, at any depth, in order of their names; ``-`` is standard input. URLs that fsspec
        reads, of files, folders or with a ``*``, are paths too: ``s3://bucket/people/*.jsonl``.
    on_error : {"raise", "skip"}
        Whether a bad record ends reading, or is counted and skipped.
    rejects : path, optional
        File for skipped records, as JSON Lines: ``source``, ``reason``, and the ``text`` (``base64`` if it is not
        UTF-8; ``cut`` if it was too long). An existing file is replaced.
    items : str, optional
        Path of the documents inside each JSON value: ``features[]``, or ``patients{}`` for the values of an object,
        whose keys become keys of the records.
    format : {"auto", "lines", "json"}
        See :data:`FORMATS`.
    limits : Limits
        Limits of a document and of unpacking.

    Returns
    -------
    Reading
        An iterator with counts. Memory is bounded by the largest document that ``limits`` allow (with ``items``
        the largest value that is read on the way to them; of objects on that way, the keys too) and, for Parquet, by a
        row group.

    Raises
    ------
    DocumentError
        While iterating, if a file cannot be read, is empty or is not strict JSON; the text begins with file, line
        and column. Also if a limit is exceeded; a file that unpacks to too much is read up to there. A file that cannot
        be opened is never skipped.
    ParameterError
        If a parameter is not one of those allowed.
    """
    counts = Counts()
    check_format(format)
    instance(limits, "limits", Limits)
    sink, path = Rejects(on_error, rejects, counts), parse_items(items)
    files, skipped = expand(paths)
    if rejects is not None:
        begin_rejects(rejects, files)
    given = format, path, sink, counts, limits
    documents = (record for file in files for record in _read_file(file, name_of(file), *given))
    return Reading((_plain(record) for record in documents), counts, skipped)


def _plain(record: Record) -> Record:
    return record.plain() if isinstance(record, Untouched) else record


def read_part(
    part: Part, *, on_error: OnError = "raise", rejects: str | Path | None = None, items: str | None = None
) -> Reading:
    """Yield the documents of a part that :func:`plan` made; all parts of a file yield the same as :func:`read`.

    They are not to be changed: records of lines have their texts, too.

    Parameters
    ----------
    part : Part
    on_error, rejects, items
        As for :func:`read`, but a rejects file is appended to, so that all parts can share one.

    Raises
    ------
    DocumentError
        As :func:`read`, and if the file has changed since it was planned.
    """
    counts = Counts()
    sink, path = Rejects(on_error, rejects, counts), parse_items(items)
    check_unchanged(part)
    if part.stop - part.start == part.size or part.path == STDIN:
        documents = _read_file(part.path, part.name, part.format, path, sink, counts, part.limits)
    else:
        documents = read_lines(_lines_of(part, counts), part.name, path, sink, part.limits, part.first_line)
    return Reading(documents, counts, [])


def begin_rejects(rejects: str | Path, files: Sequence[str | Path]) -> None:
    """Create an empty rejects file before the work starts; raises ParameterError if that fails."""
    place = checks.path(rejects, "rejects")
    if os.path.exists(place) and any(os.path.exists(file) and os.path.samefile(file, rejects) for file in files):
        raise ParameterError(f"{rejects} is an input; name another file for rejects")
    try:
        open(rejects, "wb").close()
    except OSError as error:
        raise ParameterError(f"{rejects}: the rejects file cannot be written: {error.strerror}") from error


def _read_file(
    path: str | Path, name: str, format: Format, items: ItemPath, rejects: Rejects, counts: Counts, limits: Limits
) -> Iterator[Record]:
    with ExitStack() as stack:
        try:
            stream: Any = stack.enter_context(opened(path, counts, limits))
        except OSError as error:
            raise unreadable(name, error) from error
        try:
            if is_parquet(stream):
                yield from read_parquet(path, name, items, rejects, counts)
                return
            try:
                found, stream = detect(stream, name, format, limits)
            except DocumentError as error:
                rejects.add(error, f"{name}:1", b"")
                return
            if found == "lines":
                yield from read_lines(cut_lines(stream, limits.document_bytes), name, items, rejects, limits)
            else:
                yield from read_whole(Scanner(stream, name, limits), name, items, rejects)
        except READ_ERRORS as error:
            rejects.add(unreadable(name, error), name, b"")


def _lines_of(part: Part, counts: Counts) -> Iterator[Line]:
    with storage.open_file(part.path) as file:
        file.seek(part.start)
        left = part.bytes
        for line in cut_lines(file, part.limits.document_bytes):
            counts.bytes += line.length
            yield line
            left -= line.length
            if left <= 0:
                break
