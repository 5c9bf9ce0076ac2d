r"""The log: one record for each transaction, each chained to the one before.

A record is one line, and nothing in it but its end is a newline::

    16 digits  XXH3 of the first 16 digits of the record before (zeros at the beginning of the file) and the body
    8 digits   Adler-32 of the body, which locates a single changed byte
    8 digits   length of the body
    body       JSON, see :mod:`hdc.store.state`

all hexadecimal, separated by spaces. A writer that is killed leaves the beginning of a record behind the whole ones,
or, after a power loss, a record with missing parts: it was never reported as durable, and it does not
count. A record that is whole but for one byte was written whole, and has been damaged since; as is any record that is
wrong and has others behind it.
"""

import contextlib
import secrets
import sys
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hdc.errors import ConflictError
from hdc.store import disk
from hdc.store.blocks import digest
from hdc.store.state import State, damaged

NAME = "commits"

HEAD = 16 + 1 + 8 + 1 + 8 + 1
"""Bytes of a record before its body."""

BEGIN = b"0" * 16
"""Value that the first record is chained to."""

ADLER = 65521

GROWN = 1 << 18
"""Bytes after the first record beyond which the log is rewritten as one record: some thousand transactions."""


@dataclass(frozen=True)
class Record:
    """A record and where it is: from ``start`` to ``end``; ``head`` is what comes before the body."""

    start: int
    head: bytes
    body: bytes

    @property
    def end(self) -> int:
        """Where the next record begins."""
        return self.start + HEAD + len(self.body) + 1

    @property
    def checksum(self) -> bytes:
        """Value that the next record is chained to."""
        return self.head[:16]


def encoded(previous: bytes, body: bytes) -> bytes:
    """Return the bytes of a record behind one of the checksum ``previous``."""
    return b"%016x %08x %08x %b\n" % (digest(previous + body), zlib.adler32(body), len(body), body)


def decoded(content: bytes, start: int, previous: bytes) -> list[Record]:
    """Return the records of the bytes that a log has from ``start`` on, without a torn one at the end.

    Raises
    ------
    ValueError
        If a record is damaged; the message says where.
    """
    records: list[Record] = []
    place = 0
    while place < len(content):
        record = _whole(content, place, previous)
        if record is None:
            rest = content[place:]
            first = _first(rest)
            if (
                b"\n" in rest[:-1]
                or one_byte_away(rest, previous, last=True)
                or one_byte_away(first, previous, last=len(first) == len(rest))
            ):
                raise ValueError(f"the record at byte {start + place} does not match its checksum")
            break
        records.append(Record(start + place, record[:HEAD], record[HEAD:-1]))
        previous, place = record[:16], place + len(record)
    return records


def _whole(content: bytes, place: int, previous: bytes) -> bytes | None:
    """Return the record at a place; None if there is no valid one."""
    found = _first(content, place)
    return found if found and found == encoded(previous, found[HEAD:-1]) else None


def _first(content: bytes, place: int = 0) -> bytes:
    """Return as many bytes as the record at a place claims to have; none if it claims nothing."""
    try:
        length = int(content[place + HEAD - 9 : place + HEAD - 1], 16)
    except ValueError:
        return b""
    return content[place : place + HEAD + length + 1] if length >= 0 else b""


def one_byte_away(content: bytes, previous: bytes, *, last: bool) -> bool:
    """Return whether changing a single byte could turn a valid record into these bytes.

    A ``last`` record that a power loss has torn at the border of a sector may lack its first or last byte alone, which
    is zero then.
    """
    given = np.frombuffer(content, np.uint8)
    for body in _repaired(content):
        record = np.frombuffer(encoded(previous, body), np.uint8)
        wrong = np.flatnonzero(record != given) if len(record) == len(given) else given[:0]
        if len(wrong) == 1 and not (last and given[wrong[0]] == 0 and wrong[0] in (0, len(given) - 1)):
            return True
    return False


def _repaired(content: bytes) -> list[bytes]:
    """Return the body of a record, and its possible forms before a single byte changed, by its Adler-32.

    Of its two sums, modulo 65521, a changed byte changes one by the difference, and the other by the difference times
    the distance from the end.
    """
    body = content[HEAD:-1]
    found = [body]
    try:
        stored = int(content[17:25], 16)
    except ValueError:
        return found
    now = zlib.adler32(body)
    change, times = ((stored & 0xFFFF) - (now & 0xFFFF)) % ADLER, (stored >> 16) - (now >> 16)
    if change:
        distance = times * pow(change, -1, ADLER) % ADLER
        places = range(len(body) - distance, -1, -ADLER)
        bytes_there = [
            (place, body[place] + min(change, change - ADLER, key=abs)) for place in places if place < len(body)
        ]
        found += [body[:place] + bytes([byte]) + body[place + 1 :] for place, byte in bytes_there if 0 <= byte < 256]
    return found


def read(path: Path, after: Record | None = None) -> tuple[list[Record], bool]:
    """Read the records of a log.

    Parameters
    ----------
    path : Path
    after : Record, optional
        The last one that is known.

    Returns
    -------
    records : list of Record
    continued : bool
        Whether the log still has the known record where it was, and these come behind it; else they are all.

    Raises
    ------
    FileFormatError
        If a record is damaged.
    OSError
        If the file cannot be read.
    """
    descriptor = disk.open_file(path)
    try:
        size = disk.size(descriptor)
        continued = (
            after is not None and size >= after.end and disk.read_at(descriptor, HEAD, after.start) == after.head
        )
        start, previous = (after.end, after.checksum) if after is not None and continued else (0, BEGIN)
        content = disk.read_at(descriptor, size - start, start)
    finally:
        disk.close(descriptor)
    try:
        records = decoded(content, start, previous)
    except ValueError as error:
        raise damaged(path, error) from None
    if not continued and not records:
        raise damaged(path, "it has no whole record")
    return records, continued


def states(path: Path, records: Iterable[Record], state: State | None) -> State:
    """Return the state that records lead to, from the one before them, if there is one.

    Raises
    ------
    FileFormatError
        If they are not such.
    """
    for record in records:
        try:
            state = State.read(record.body, state)
        except ValueError as error:
            raise damaged(path, error) from None
    if state is None:
        raise damaged(path, "it has no record")
    return state


class Log:
    """The log of a writer.

    Parameters
    ----------
    path : Path
    last : Record
        The last record; what lies behind it is cut off.

    Raises
    ------
    OSError
        If the file cannot be opened, or a torn record not be cut off.
    """

    def __init__(self, path: Path, last: Record, first: int) -> None:
        self.path, self.last, self._first = path, last, first
        self.unknown = False
        """Whether an error has left it unknown if the last change is committed."""
        self.seen = False
        """Whether a reader may have seen a record that was withdrawn."""
        self._file = -1
        self.reopen()
        try:
            if disk.size(self._file) > last.end:
                disk.truncate(self._file, last.end)
                self.sync()
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(cls, path: Path, body: bytes) -> "Log":
        """Write a log of one record, replacing an existing one; its name is not synced.

        Raises
        ------
        OSError
            If that fails; an existing log is then untouched.
        """
        record = encoded(BEGIN, body)
        aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
        try:
            descriptor = disk.open_file(aside, write=True)
            try:
                disk.write_at(descriptor, record, 0)
                disk.sync(descriptor)
            finally:
                disk.close(descriptor)
            disk.rename(aside, path)
        except BaseException:
            with contextlib.suppress(OSError):
                disk.unlink(aside)
            raise
        return cls(path, Record(0, record[:HEAD], body), len(record))

    @property
    def long(self) -> bool:
        """Whether it is time to rewrite the log."""
        return self.last.end - self._first > GROWN

    @property
    def single(self) -> bool:
        """Whether there is one record only."""
        return self.last.start == 0

    def check_unchanged(self) -> None:
        """Raise ConflictError if somebody else has written or replaced the log, or its end is not known."""
        if self.unknown:
            raise ConflictError(
                f"after a disk error it is unknown whether the last change of {self.path.parent.parent} was made; "
                "close it and open it again, which shows"
            )
        if not disk.is_at(self._file, self.path) or disk.size(self._file) != self.last.end:
            raise ConflictError(
                f"{self.path} is not as this writer left it: somebody else has changed the store; nothing was changed "
                "now; open it again"
            )

    def append(self, body: bytes) -> None:
        """Add a record, which is durable then.

        Raises
        ------
        ConflictError
            As :meth:`check_unchanged`.
        OSError
            If that fails. The record is taken back; where that fails too, :attr:`unknown` says so.
        """
        self.check_unchanged()
        record = encoded(self.last.checksum, body)
        following = Record(self.last.end, record[:HEAD], body)
        self.unknown, self.seen = True, False
        try:
            disk.write_at(self._file, record, following.start)
            self.seen = True
            disk.sync(self._file)
            self.last = following
        except BaseException:
            with contextlib.suppress(OSError):
                disk.truncate(self._file, self.last.end)
                disk.sync(self._file)
                self.unknown = False
            raise
        self.unknown = False

    def sync(self) -> None:
        """Wait until the disk has the file."""
        disk.sync(self._file)

    def reopen(self) -> None:
        """Open the file again after :meth:`close`."""
        self._file = disk.open_file(self.path, write=True)

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            disk.close(self._file)
        self._file = -1

    def __del__(self, ending: Callable[[], bool] = sys.is_finalizing) -> None:
        if not ending():  # at interpreter exit modules are gone, and the system closes it
            with contextlib.suppress(OSError):
                self.close()
