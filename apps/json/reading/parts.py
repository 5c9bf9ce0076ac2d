"""Parts of the input, files or ranges of lines in large files, to read in parallel and to resume."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from hdc.apps import storage
from hdc.apps.json.reading.detecting import Format, check_format, detect
from hdc.apps.json.reading.limits import LIMITS, Limits
from hdc.apps.json.reading.opening import CHUNK, STDIN, expand, is_packed, name_of, opened, unreadable
from hdc.apps.json.reading.parquet import is_parquet
from hdc.apps.json.reading.records import Counts
from hdc.apps.json.reading.strict import DocumentError
from hdc.checks import instance, integer

PART_BYTES = 64 << 20
"""Approximate bytes of a part of uncompressed JSON Lines."""


@dataclass(frozen=True)
class Part:
    """A file, or a range of whole lines of one.

    Attributes
    ----------
    path : str
    start, stop : int
        Offsets of the first byte and of what follows the last; the whole file if it is packed or no JSON Lines.
    first_line : int
        The number of the line at ``start``, so that sources are right.
    size, mtime_ns : int
        Of the file when the parts were planned, a digest in place of the time for a URL; -1 for standard input.
    format : {"auto", "lines", "json"}
        As asked for; ``"lines"`` for a range.
    name : str
        What errors and sources call the file.
    limits : Limits
        As asked for.
    """

    path: str
    start: int
    stop: int
    first_line: int
    size: int
    mtime_ns: int
    format: Format
    name: str
    limits: Limits = LIMITS

    @property
    def fingerprint(self) -> str:
        """The same text if and only if path, size, time of change and range are the same."""
        return f"{self.path}:{self.size}:{self.mtime_ns}:{self.start}-{self.stop}"

    @property
    def bytes(self) -> int:
        """Bytes on disk."""
        return self.stop - self.start


def plan(
    paths: Iterable[str | Path],
    part_bytes: int = PART_BYTES,
    *,
    format: Format = "auto",
    limits: Limits = LIMITS,
) -> list[Part]:
    """Divide files into parts.

    Uncompressed JSON Lines are divided at ends of lines; the lines are counted on the way, which reads such files
    once, at the speed of the disk. Any other file is one part.

    Parameters
    ----------
    paths : iterable of path
        As for :func:`read`.
    part_bytes : int
        Length that a part is cut at, at the next end of a line. At least 1.
    format : str
        As for :func:`read`.
    limits : Limits
        For :func:`read_part`.

    Returns
    -------
    list of Part
        In the order in which :func:`read` reads.

    Raises
    ------
    DocumentError
        If a file cannot be read, or is empty.
    ParameterError
        If ``part_bytes`` is below 1.
    """
    check_format(format)
    part_bytes = integer(part_bytes, "part_bytes", 1)
    files, _ = expand(paths)
    instance(limits, "limits", Limits)
    return [replace(part, limits=limits) for path in files for part in _parts_of(path, part_bytes, format, limits)]


def check_unchanged(part: Part) -> None:
    """Raise DocumentError if a file has changed since its parts were planned."""
    if part.path == STDIN:
        return
    try:
        state = storage.state(part.path)
    except OSError as error:
        raise unreadable(part.path, error) from error
    if state != (part.size, part.mtime_ns):
        raise DocumentError(f"{part.path} has changed since its parts were planned; plan it again")


def _parts_of(path: str | Path, part_bytes: int, format: Format, limits: Limits) -> Iterator[Part]:
    if str(path) == STDIN:
        yield Part(STDIN, 0, 0, 1, -1, -1, format, name_of(path))
        return
    try:
        size, changed = storage.state(path)
        whole = Part(str(path), 0, size, 1, size, changed, format, name_of(path))
        if size > part_bytes and _has_plain_lines(path, format, limits):
            yield from _ranges(whole, part_bytes)
        else:
            yield whole
    except OSError as error:
        raise unreadable(name_of(path), error) from error


def _has_plain_lines(path: str | Path, format: Format, limits: Limits) -> bool:
    with opened(path, Counts(), limits) as stream:
        if is_packed(stream) or is_parquet(stream):
            return False
        try:
            return detect(stream, name_of(path), format, limits)[0] == "lines"
        except DocumentError:  # reading the part reports an empty file
            return False


def _ranges(whole: Part, part_bytes: int) -> Iterator[Part]:
    start, line = 0, 1
    with storage.open_file(whole.path) as file:
        while start < whole.size:
            left, newlines, block = part_bytes, 0, b""
            while left and (block := file.read(min(left, CHUNK))):
                newlines += block.count(b"\n")
                left -= len(block)
            if not block.endswith(b"\n"):
                newlines += _rest_of_line(file)
            stop = file.tell()
            yield replace(whole, start=start, stop=stop, first_line=line, format="lines")
            start, line = stop, line + newlines


def _rest_of_line(file: BinaryIO) -> int:
    """Skip to the end of a line of any length, and return whether it ends."""
    part = b""
    while not part.endswith(b"\n") and (part := file.readline(CHUNK)):
        pass
    return part.count(b"\n")
