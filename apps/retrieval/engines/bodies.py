"""Bodies of HTTP requests for engines that take JSON: blocks of lines to send, and answers read as ours."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from hdc.apps.retrieval.engines.tables import Form, Rows
from hdc.errors import FileFormatError, UnsupportedError

BODY = 1 << 22
"""Bytes of a block of lines, about: engines refuse requests of some 10 to 100 MiB."""


def codes_form(rows: Rows, engine: str, most: int) -> Form:
    """Return the form of rows whose codes go to an engine.

    Raises
    ------
    UnsupportedError
        If codes have more bits than the engine takes, or need originals for another metric than the cosine.
    """
    if rows.form.metric != "cosine":
        raise UnsupportedError(f"bits do not tell of metric={rows.form.metric!r}, and originals do not go to {engine}")
    if 8 * rows.form.size > most:
        raise UnsupportedError(f"{engine} takes at most {most} bits, and codes have {rows.form.dim}")
    return rows.form


def blocks(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Join lines to blocks of about :data:`BODY` bytes."""
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
    """Return a JSON value as a line."""
    return json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def responses(given: Any) -> list[Any]:
    """Return the responses of several searches: of one, or of a list; raises FileFormatError if they are none."""
    found = given.get("responses", [given]) if isinstance(given, dict) else given
    if not isinstance(found, list) or not all(isinstance(response, dict) for response in found):
        raise FileFormatError("the response is no object, nor a list of them; give what its JSON was parsed to")
    return found
