"""Detect from the beginning of a text whether it is JSON Lines or one JSON value."""

import io
from typing import Literal, TypeAlias

from hdc.apps.json.reading.limits import Limits
from hdc.apps.json.reading.opening import CHUNK, LINES_SUFFIXES, Prefixed, plain_suffix
from hdc.apps.json.reading.strict import BYTE_ORDER_MARK, DocumentError, Fault, decode, parse_bytes
from hdc.checks import choice

Format: TypeAlias = Literal["auto", "lines", "json"]

FORMATS: tuple[Format, ...] = ("auto", "lines", "json")
"""Format of the documents in a text.

``"lines"``: one per line. ``"json"``: one JSON value, an array of documents or a document. ``"auto"``: lines, if
the file's name ends in ``.jsonl`` or ``.ndjson`` (and ``.gz`` or ``.zst``), or if its first line is a complete value
and others follow; otherwise one value.
"""

_BLANK = b" \t\r\n"


def check_format(format: Format) -> None:
    """Raise ParameterError for a format that there is not."""
    choice(format, "format", FORMATS)


def detect(stream: io.BufferedReader, name: str, format: Format, limits: Limits) -> tuple[Format, io.BufferedReader]:
    """Return the format of a text and the text, without a byte order mark and from the beginning.

    As much is read as the first line takes and no more than needed, so that a pipe gives its first documents at
    once. An array whose first line is longer than a chunk is taken for one value, and so is a first line that is longer
    than a document may be.

    Raises
    ------
    DocumentError
        If the text is empty.
    """
    head = b""
    found: Format | None = None
    ended = False
    while found is None:
        part = stream.read1(CHUNK) if len(head) < CHUNK else stream.read(len(head))
        head, ended = head + part, not part
        text = head.removeprefix(BYTE_ORDER_MARK)
        if ended and not text.strip(_BLANK):
            raise DocumentError(f"{name}:1: empty; expected a JSON document")
        if len(head) < len(BYTE_ORDER_MARK) and not ended:
            continue
        found = format if format != "auto" else "lines" if plain_suffix(name) in LINES_SUFFIXES else None
        found = found or _judge(text, ended) or ("json" if len(text) > limits.document_bytes else None)
    return found, io.BufferedReader(Prefixed(text, stream), CHUNK)


def _judge(head: bytes, ended: bool) -> Format | None:
    """Return the format that the first bytes show; None if more bytes are needed."""
    content = head.lstrip(_BLANK)
    line, newline, rest = content.partition(b"\n")
    if not newline and not ended:
        return "json" if content[:1] == b"[" and len(content) >= CHUNK else None
    try:
        parse_bytes(line.rstrip(b"\r"), "", 0)
    except DocumentError:
        return "json" if _may_go_on(line) or not rest.strip(_BLANK) else "lines"
    return "lines" if rest.strip(_BLANK) else "json" if ended else None


def _may_go_on(line: bytes) -> bool:
    """Return whether a first line that is not JSON may be the beginning of a longer value.

    Otherwise the file cannot be one value, and the line is a bad one among others.
    """
    text = line.decode("utf-8", "replace")
    if text[0] == "[":
        return True
    try:
        _, end = decode(text, 0)
    except Fault as fault:
        return not fault.grammatical and fault.end >= len(text.rstrip())
    return not text[end:].strip()
