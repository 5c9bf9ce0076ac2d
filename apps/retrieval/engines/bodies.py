"""HTTP bodies for engines that take JSON: blocks of lines to send, and responses to read."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from hdc.apps.retrieval.engines.tables import Form, Rows
from hdc.errors import FileFormatError, UnsupportedError

BODY = 1 << 22
"""Approximate bytes per block of lines; engines reject requests above 10 to 100 MiB."""


def codes_form(rows: Rows, engine: str, most: int) -> Form:
    """Return the form of rows whose codes are sent to an engine.

    Raises
    ------
    UnsupportedError
        If codes have more bits than the engine accepts, or the metric is not cosine and so needs originals.
    """
    if rows.form.metric != "cosine":
        raise UnsupportedError(
            f"codes alone cannot rank by metric={rows.form.metric!r}, and originals are not sent to {engine}; "
            "use metric='cosine'"
        )
    if 8 * rows.form.size > most:
        raise UnsupportedError(f"{engine} takes at most {most} bits per code, but these codes have {rows.form.dim}")
    return rows.form


def blocks(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Join lines into blocks of about :data:`BODY` bytes."""
    held: list[bytes] = []
    size = 0
    for line in lines:
        held.append(line)
        size += len(line)
        if size >= BODY:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def line(entry: Any) -> bytes:
    """Return a JSON value as one line of bytes."""
    return json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def responses(given: Any) -> list[Any]:
    """Return the responses to several searches as a list; raises FileFormatError if ``given`` is no response."""
    found = given.get("responses", [given]) if isinstance(given, dict) else given
    if not isinstance(found, list) or not all(isinstance(response, dict) for response in found):
        raise FileFormatError("the response is not a JSON object or a list of objects; pass the parsed JSON")
    return found
