r"""Read documents from JSON, JSON Lines or one big array: strictly, and with the place of every error.

Accepted is RFC 8259 JSON in UTF-8 (a byte order mark is skipped), gzipped or not. Beyond the grammar:

* a key that occurs twice in one object, ``NaN``, ``Infinity`` and a float beyond the range of a double are
  errors, as is nesting deeper than :data:`MAX_DEPTH` levels;
* integers have any size up to Python's limit on digits (``sys.get_int_max_str_digits()``, 4300 by default);
* an escaped lone surrogate (``"\ud800"``) is no character and reads as U+FFFD, the replacement character.
"""

import gzip
import io
import json
import math
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from hdc.errors import ParameterError

MAX_DEPTH = 256
"""Levels of arrays and objects that a document may have."""

STDIN = "-"
"""The file name that stands for standard input."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_GZIP_MAGIC = b"\x1f\x8b"
_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|-?Infinity|NaN|[\[\]{}]', re.DOTALL)
_KEY_END = re.compile(r"[ \t\r\n]*:")
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    r"|\\.",
    re.DOTALL,
)


class DocumentError(ParameterError):
    """A file or text that does not hold documents; the message says where and why."""


@dataclass(frozen=True)
class Record:
    """A document and where it came from, as ``file:line`` or, inside one big array, ``file[item]``."""

    document: Any
    source: str


class _RefusedError(ValueError):
    """Valid for the scanner, refused by us: the place is found by a slower second look."""


def read(paths: Iterable[str | Path]) -> Iterator[Record]:
    """Yield the documents of files in turn, JSON Lines one line at a time.

    A file whose first line is a complete value followed by others is JSON Lines. Any other file is one JSON
    value: an array gives its items as documents, anything else is one document. ``-`` is standard input.

    Raises
    ------
    DocumentError
        If a file cannot be read, is empty or is not strict JSON; the text begins with file, line and column.
    """
    for path in paths:
        name = "<stdin>" if str(path) == STDIN else str(path)
        try:
            with _open(path) as stream:
                yield from _read_stream(stream, name)
        except (OSError, EOFError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise DocumentError(f"{name}: cannot be read: {reason}") from error


def parse(text: str, source: str, line: int = 1) -> Any:
    """Return the value of one strict JSON text that begins on ``line`` of ``source``.

    Raises
    ------
    DocumentError
        With file, line, column and reason.
    """
    if "\\u" in text:
        text = _ESCAPE.sub(lambda match: r"\ufffd" if match[1] else match[0], text)
    try:
        value = _DECODER.decode(text)
        if text.count("[") + text.count("{") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
            raise _RefusedError
    except json.JSONDecodeError as error:
        raise _error(text, error.pos, error.msg, source, line) from None
    except (ValueError, RecursionError) as error:
        offset, reason = _first_refusal(text) or (0, str(error))
        raise _error(text, offset, reason, source, line) from None
    return value


def parse_bytes(raw: bytes, source: str) -> Any:
    """Return the value of one strict JSON text in UTF-8; errors as :func:`parse`."""
    return parse(_decode(raw.removeprefix(_BYTE_ORDER_MARK), source, 1), source)


@contextmanager
def _open(path: str | Path) -> Iterator[BinaryIO]:
    with ExitStack() as stack:
        raw = sys.stdin.buffer if str(path) == STDIN else stack.enter_context(open(path, "rb"))
        stream = cast(io.BufferedReader, raw)
        if stream.peek(2)[:2] == _GZIP_MAGIC:
            yield cast(BinaryIO, stack.enter_context(gzip.open(stream)))
        else:
            yield stream


def _read_stream(stream: BinaryIO, name: str) -> Iterator[Record]:
    lines = _filled_lines(stream)
    line, raw = next(lines, (1, b""))
    if not raw:
        raise DocumentError(f"{name}:{line}: empty; expected a JSON document")
    text = _decode(raw, name, line)
    try:
        value = parse(text, name, line)
    except DocumentError:
        rest = stream.read()
        if rest.strip():
            text += _decode(rest, name, line + 1)
        yield from _items(parse(text, name, line), name, line)
        return
    second = next(lines, None)
    if second is None:
        yield from _items(value, name, line)
        return
    yield Record(value, f"{name}:{line}")
    yield _parse_line(second, name)
    for numbered in lines:
        yield _parse_line(numbered, name)


def _filled_lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    for number, raw in enumerate(stream, 1):
        content = raw.removeprefix(_BYTE_ORDER_MARK) if number == 1 else raw
        if content.strip():
            yield number, content


def _parse_line(numbered: tuple[int, bytes], name: str) -> Record:
    line, raw = numbered
    return Record(parse(_decode(raw.rstrip(b"\r\n"), name, line), name, line), f"{name}:{line}")


def _items(value: Any, name: str, line: int) -> Iterator[Record]:
    if isinstance(value, list):
        if not value:
            raise DocumentError(f"{name}:{line}: an empty array; expected documents in it")
        yield from (Record(item, f"{name}[{i}]") for i, item in enumerate(value))
    else:
        yield Record(value, f"{name}:{line}")


def _decode(raw: bytes, name: str, line: int) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8")) + 1
        place = f"{name}:{line + before.count(10)}:{column}"
        raise DocumentError(f"{place}: not UTF-8: byte 0x{raw[error.start]:02x}, {error.reason}") from None


def _error(text: str, offset: int, reason: str, source: str, line: int) -> DocumentError:
    row = line + text.count("\n", 0, offset)
    column = offset - text.rfind("\n", 0, offset)
    return DocumentError(f"{source}:{row}:{column}: {reason}")


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


def _deeper_than(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            item
            for container in level
            if isinstance(container, dict | list)
            for item in (container.values() if isinstance(container, dict) else container)
            if isinstance(item, dict | list)
        ]
        if not level:
            return False
    return True


def _first_refusal(text: str) -> tuple[int, str] | None:
    """Return offset and reason of the first thing in ``text`` that the grammar allows and we do not."""
    open_keys: list[set[str] | None] = []
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token in "[{":
            open_keys.append(set() if token == "{" else None)
            if len(open_keys) > MAX_DEPTH:
                return match.start(), f"nested deeper than {MAX_DEPTH} levels"
        elif token in "]}":
            open_keys.pop()
        elif token[0] == '"':
            keys = open_keys[-1] if open_keys else None
            if keys is not None and _KEY_END.match(text, match.end()):
                key = json.loads(token)
                if key in keys:
                    return match.start(), f"the key {token} occurs twice in one object"
                keys.add(key)
        elif reason := _number_refusal(token):
            return match.start(), reason
    return None


def _number_refusal(token: str) -> str | None:
    if token[-1] in "yN":
        return f"{token} is not JSON; write null or leave the field out"
    digits, limit = len(token.lstrip("-")), sys.get_int_max_str_digits()
    if not set(token) & set(".eE"):
        return f"an integer of {digits} digits; at most {limit} are read" if 0 < limit < digits else None
    return "a number beyond the range of a double" if math.isinf(float(token)) else None
