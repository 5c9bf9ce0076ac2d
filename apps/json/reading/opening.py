"""Open sources of documents: files, gzip, zstd, standard input, folders."""

import errno
import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from hdc import checks
from hdc.apps import storage
from hdc.apps.json.reading.limits import FREELY, Limits
from hdc.apps.json.reading.records import Counts
from hdc.apps.json.reading.strict import DocumentError
from hdc.apps.unpacking import unpacker

STDIN = "-"
"""File name for standard input."""

CHUNK = 1 << 20
"""Bytes to read per call."""

LINES_SUFFIXES = (".jsonl", ".ndjson")
"""Files with these suffixes are JSON Lines, whatever their first line looks like."""

SUFFIXES = (".json", ".geojson", *LINES_SUFFIXES)
"""Suffixes of files to read in a folder, compressed or not, and ``.parquet``."""

PACKED_SUFFIXES = (".gz", ".zst")


def name_of(path: str | Path) -> str:
    """Return what errors and sources call a path."""
    return "<stdin>" if str(path) == STDIN else str(path)


def plain_suffix(path: str | Path) -> str:
    """Return the suffix of a file in lower case, without that of its compression: ``.jsonl`` for ``a.JSONL.gz``."""
    name = Path(path)
    return Path(name.stem if name.suffix.lower() in PACKED_SUFFIXES else name).suffix.lower()


def expand(paths: Iterable[str | Path]) -> tuple[list[str | Path], list[Path]]:
    """Replace folders by the files in them, at any depth and sorted.

    Returns
    -------
    files : list of path
    skipped : list of Path
        Files in folders that have no known suffix, or are hidden: a part of their name begins with a dot.

    Raises
    ------
    DocumentError
        If a folder has no file with a known suffix.
    """
    files: list[str | Path] = []
    skipped: list[Path] = []
    for path in checks.listed(paths, "paths"):
        if storage.is_url(path):
            files += _of_url(str(path), skipped)
            continue
        if checks.path(path) == Path(STDIN) or not Path(path).is_dir():
            files.append(path)
            continue
        inside = sorted(Path(folder, name) for folder, _, names in os.walk(path) for name in names)
        known = [file for file in inside if _is_known(file.relative_to(path))]
        if not known:
            raise DocumentError(f"{path}: a folder without documents; expected files *{', *'.join(SUFFIXES)}, …")
        files += known
        skipped += sorted({*inside} - {*known})
    return files, skipped


def _of_url(url: str, skipped: list[Path]) -> list[str]:
    """Return the URL of a file, or the URLs of the files to read in its folder."""
    try:
        inside = storage.inside(url)
    except OSError as error:
        raise unreadable(url, error) from error
    if inside is None:
        return [url]
    base = url.partition("*")[0]
    known = [file for file in inside if "*" in url or _is_known(Path(file.removeprefix(base)))]
    if not known:
        raise DocumentError(f"{url}: no documents there; expected files *{', *'.join(SUFFIXES)}, …")
    skipped += sorted(map(Path, {*inside} - {*known}))
    return known


def _is_known(file: Path) -> bool:
    return plain_suffix(file) in (*SUFFIXES, ".parquet") and not any(part[0] == "." for part in file.parts)


def unreadable(name: str, error: Exception) -> DocumentError:
    """Return the error for a file that cannot be read, or unpacked."""
    return DocumentError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}")


@contextmanager
def opened(path: str | Path, counts: Counts, limits: Limits) -> Iterator[io.BufferedReader]:
    """Open a file or standard input and unpack it, if it is packed: that is seen by its first bytes.

    Reading past the limit of unpacking raises OSError.

    Raises
    ------
    OSError
        If it cannot be opened.
    """
    with ExitStack() as stack:
        raw: Any = sys.stdin.buffer if str(path) == STDIN else stack.enter_context(_raw(path))
        metered = _Metered(raw, counts)
        stream: Any = io.BufferedReader(metered, CHUNK)
        unpacked = unpacker(stream)
        yield stream if unpacked is None else io.BufferedReader(_Limited(unpacked, metered, limits), CHUNK)


def _raw(path: str | Path) -> Any:
    return storage.open_file(path) if storage.is_url(path) else open(path, "rb", buffering=0)


def is_packed(stream: io.BufferedReader) -> bool:
    """Return whether :func:`opened` unpacks this stream."""
    return not isinstance(stream.raw, _Metered)


class Prefixed(io.RawIOBase):
    """A stream whose first bytes were already taken from it."""

    def __init__(self, head: bytes, rest: io.BufferedReader) -> None:
        self._head, self._rest = head, rest

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, with what there is."""
        part = self._head[: len(buffer)] or self._rest.read1(len(buffer))
        self._head = self._head[len(part) :]
        buffer[: len(part)] = part
        return len(part)


class _Metered(io.RawIOBase):
    def __init__(self, raw: Any, counts: Counts) -> None:
        self._raw, self._counts = raw, counts
        self.taken = 0
        self._read = getattr(raw, "read1", raw.read)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._raw.seekable())

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._raw.seek(offset, whence))

    def readinto(self, buffer: Any) -> int:
        part = self._read(len(buffer))
        buffer[: len(part)] = part
        self._counts.bytes += len(part)
        self.taken += len(part)
        return len(part)


class _Limited(io.RawIOBase):
    """Unpacked data, within a limit in proportion to the packed size."""

    def __init__(self, unpacker: Any, packed: _Metered, limits: Limits) -> None:
        self._unpacker, self._packed, self._limits = unpacker, packed, limits
        self._made = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        length = int(self._unpacker.readinto(buffer))
        self._made += length
        if self._made > max(FREELY, self._limits.ratio * self._packed.taken):
            raise OSError(errno.EFBIG, self._limits.too_large)
        return length
