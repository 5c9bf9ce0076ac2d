"""Results of reading: records, counts, and rejected records."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from hdc.apps.json.reading.strict import DocumentError
from hdc.checks import choice
from hdc.errors import ParameterError

OnError: TypeAlias = Literal["raise", "skip"]

REJECT_BYTES = 1 << 20
"""Most bytes of a rejected text in the rejects file."""


@dataclass(frozen=True, init=False)
class Record:
    """A document and where it came from.

    Attributes
    ----------
    document : JSON value
    source : str
        ``file:line``; ``file[item]`` in one big array or a Parquet file; ``file:path`` where items were asked for.
    key : str or None
        The document's key, if documents are the values of an object.
    """

    document: Any
    source: str
    key: str | None = None

    def __init__(self, document: Any, source: str, key: str | None = None) -> None:
        self.__dict__.update(document=document, source=source, key=key)  # in a third of a dataclass's time


class Untouched(Record):
    """A record whose document is unchanged since it was read, so that its text is still valid.

    Builds have such; who reads files gets plain ones. Nobody checks again that the text is compact JSON.
    """

    def __init__(self, document: Any, source: str, text: bytes) -> None:
        self.__dict__.update(document=document, source=source, key=None, text=text)

    def __eq__(self, other: object) -> bool:
        """Compare as a plain one."""
        return self.plain() == (other.plain() if isinstance(other, Untouched) else other)

    __hash__ = Record.__hash__

    @property
    def compact(self) -> bytes:
        """The document as compact JSON."""
        text: bytes = self.__dict__["text"]
        return text

    def plain(self) -> Record:
        """Return the record without its text."""
        return Record(self.document, self.source, self.key)


@dataclass
class Counts:
    """How far reading is.

    Attributes
    ----------
    read, rejected : int
        Documents.
    bytes : int
        Bytes of the files as they lie on disk, packed ones too, so that they can be held against file sizes.
    """

    read: int = 0
    rejected: int = 0
    bytes: int = 0


class Rejects:
    """Decide what becomes of bad records.

    Parameters
    ----------
    on_error : {"raise", "skip"}
    path : path or None
        The rejects file, JSON Lines. Lines are appended, each in one piece, so that several readers can share it.
    counts : Counts

    Raises
    ------
    ParameterError
        If ``on_error`` is something else, or a rejects file is named though nothing is skipped.
    """

    def __init__(self, on_error: OnError, path: str | Path | None, counts: Counts) -> None:
        choice(on_error, "on_error", ("raise", "skip"))
        if path is not None and on_error == "raise":
            raise ParameterError('a rejects file needs on_error="skip"; otherwise the first bad record ends reading')
        self.skips = on_error == "skip"
        self._path, self._counts = path, counts

    def add(self, error: DocumentError, source: str, raw: bytes) -> None:
        """Raise ``error``, or count and write down a bad record: source, reason, and what stood there."""
        if not self.skips:
            raise error
        self._counts.rejected += 1
        if self._path is None:
            return
        line: dict[str, Any] = {"source": source, "reason": str(error)}
        kept = raw[:REJECT_BYTES]
        try:
            line["text"] = kept.decode("utf-8")
        except UnicodeDecodeError:
            line["base64"] = base64.b64encode(kept).decode("ascii")
        if len(kept) < len(raw):
            line["cut"] = True
        try:
            with open(self._path, "ab", buffering=0) as file:
                file.write(json.dumps(line).encode() + b"\n")
        except OSError as fault:
            raise ParameterError(f"{self._path}: the rejects file cannot be written: {fault.strerror}") from fault
