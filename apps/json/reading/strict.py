r"""Parse JSON strictly, and report the place of every error.

Accepted is RFC 8259 JSON in UTF-8. Beyond the grammar:

* a key that occurs twice in one object, ``NaN``, ``Infinity`` and a float beyond the range of a double are
  errors, as is nesting deeper than :data:`MAX_DEPTH` levels;
* integers have any size up to Python's limit on digits (``sys.get_int_max_str_digits()``, 4300 by default);
* an escaped lone surrogate (``"\ud800"``) is not a character and reads as U+FFFD, the replacement character.
"""

import json
import math
import re
import sys
from typing import Any

from hdc.apps.json.reading.quick import quick
from hdc.checks import integer, wrong
from hdc.errors import ParameterError

MAX_DEPTH = 256
"""Most levels of arrays and objects in a document."""

CONTAINER = (dict, list, tuple)
"""Types of objects and arrays."""

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

SPACE = re.compile(r"[ \t\r\n]*")

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|-?Infinity|NaN|[\[\]{}]', re.DOTALL)
_KEY_END = re.compile(r"[ \t\r\n]*:")
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|\\.",
    re.DOTALL,
)


class DocumentError(ParameterError):
    """A file or text that does not contain documents; the message says where and why."""


class Fault(Exception):  # noqa: N818 - it never leaves this package: DocumentError does
    """What is wrong with a text.

    Attributes
    ----------
    start, end : int
        Offsets of the first thing that is wrong, and of what follows it.
    reason : str
    grammatical : bool
        Whether the text is JSON, though none that is accepted: such a value has a known end.
    """

    def __init__(self, start: int, end: int, reason: str, *, grammatical: bool = False) -> None:
        super().__init__(reason)
        self.start, self.end, self.reason, self.grammatical = start, end, reason, grammatical


class _RefusedError(ValueError):
    """Valid for the scanner but rejected here; a slower second pass finds the place."""


def parse(text: str, source: str, line: int = 1) -> Any:
    """Return the value of one strict JSON text that begins on ``line`` of ``source``.

    Raises
    ------
    DocumentError
        With file, line, column and reason.
    """
    if not isinstance(text, str):
        raise wrong(text, "text", "a text (str)")
    line = integer(line, "line")
    try:
        value, end = decode(text, SPACE.match(text).end())  # type: ignore[union-attr]  # it matches anything
        end = SPACE.match(text, end).end()  # type: ignore[union-attr]
        if end != len(text):
            raise Fault(end, end, "Extra data")
    except Fault as fault:
        row = line + text.count("\n", 0, fault.start)
        column = fault.start - text.rfind("\n", 0, fault.start)
        raise DocumentError(f"{source}:{row}:{column}: {fault.reason}") from None
    return value


def parse_bytes(raw: bytes, source: str, line: int = 1) -> Any:
    """Return the value of one strict JSON text in UTF-8; errors as :func:`parse`."""
    if not isinstance(raw, bytes):
        raise wrong(raw, "raw", "bytes")
    return parse_line(raw, source, integer(line, "line"))[0]


def parse_line(raw: bytes, source: str, line: int) -> tuple[Any, bytes | None]:
    """Return the value of one strict JSON text in UTF-8, and where that is at hand the value written compactly."""
    raw = raw.removeprefix(BYTE_ORDER_MARK) if line == 1 else raw
    found = quick(raw)
    if found is not None:
        brackets = raw.count(b"[") + raw.count(b"{")
        if brackets <= MAX_DEPTH or not deeper_than(found[0], MAX_DEPTH):
            return found
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8")) + 1
        place = f"{source}:{line + before.count(10)}:{column}"
        raise DocumentError(f"{place}: {not_utf8(error)}") from None
    return parse(text, source, line), None


def not_utf8(error: UnicodeDecodeError) -> str:
    """Say which byte is wrong."""
    return f"not UTF-8: byte 0x{error.object[error.start]:02x}, {error.reason}"


def decode(text: str, start: int, outer: int = 0) -> tuple[Any, int]:
    """Return the value that begins at ``start``, and the offset after it.

    Parameters
    ----------
    text : str
    start : int
        Of the value itself, not of blanks before it.
    outer : int
        Levels of arrays and objects around the value; they count towards :data:`MAX_DEPTH`.

    Raises
    ------
    Fault
        If the text has no acceptable value there.
    """
    try:
        value, end = _DECODER.raw_decode(text, start)
        if text.find("\\u", start, end) >= 0:
            item = _ESCAPE.sub(lambda match: r"\ufffd" if match[1] else match[0], text[start:end])
            value, _ = _DECODER.raw_decode(item)
        brackets = text.count("[", start, end) + text.count("{", start, end)
        if brackets > MAX_DEPTH - outer and deeper_than(value, MAX_DEPTH - outer):
            raise _RefusedError
    except json.JSONDecodeError as error:
        raise Fault(error.pos, error.pos, error.msg) from None
    except (ValueError, RecursionError) as error:
        raise _first_refusal(text, start, outer) or Fault(start, start, str(error)) from None
    return value, end


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _RefusedError
    return result


def _float(literal: str) -> float:
    value = float(literal)
    if math.isinf(value):
        raise _RefusedError
    return value


def _constant(literal: str) -> Any:
    raise _RefusedError


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_constant)


def deeper_than(value: Any, limit: int) -> bool:
    """Say whether arrays and objects are nested in more levels."""
    level = [value]
    for _ in range(limit):
        level = [
            item
            for container in level
            if isinstance(container, CONTAINER)
            for item in (container.values() if isinstance(container, dict) else container)
            if isinstance(item, CONTAINER)
        ]
        if not level:
            return False
    return bool(level)


def _first_refusal(text: str, start: int, outer: int) -> Fault | None:
    """Return the first thing from ``start`` on that the grammar allows but this parser rejects."""
    open_keys: list[set[str] | None] = []
    for match in _TOKEN.finditer(text, start):
        token, reason = match[0], None
        if token in "[{":
            open_keys.append(set() if token == "{" else None)
            if len(open_keys) > MAX_DEPTH - outer:
                reason = f"nested deeper than {MAX_DEPTH} levels"
        elif token in "]}":
            open_keys.pop()
        elif token[0] == '"':
            keys = open_keys[-1] if open_keys else None
            if keys is not None and _KEY_END.match(text, match.end()):
                key = json.loads(_ESCAPE.sub(lambda found: r"\ufffd" if found[1] else found[0], token))
                reason = f"the key {token} occurs twice in one object" if key in keys else None
                keys.add(key)
        else:
            reason = _number_refusal(token)
        if reason:
            return Fault(match.start(), match.end(), reason, grammatical=True)
        if not open_keys:
            return None
    return None


def _number_refusal(token: str) -> str | None:
    if token[-1] in "yN":
        return f"{token} is not JSON; write null or leave the field out"
    digits, limit = len(token.lstrip("-")), sys.get_int_max_str_digits()
    if not set(token) & set(".eE"):
        return f"an integer of {digits} digits; at most {limit} are read" if 0 < limit < digits else None
    return "a number beyond the range of a double" if math.isinf(float(token)) else None
