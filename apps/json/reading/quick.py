"""Parse texts with a fast parser where it agrees with the strict one, and leave other texts to the strict parser.

The fast parser, orjson, has the same grammar but differs in three ways: it keeps the last of equal keys, it rounds
integers beyond 64 bits, and it has its own error messages. A text in which one of these could occur is left.
"""

import json
from typing import Any

import orjson

LONG = b"0" * 19
"""As many digits, mapped to 0, as the least integer beyond 64 bits has."""

_DIGITS = bytes(48 if 48 <= byte < 58 else 32 for byte in range(256))


def quick(raw: bytes) -> tuple[Any, bytes] | None:
    r"""Return the value of a text, and the value written again, compact; None leaves the text to the strict parser.

    A text that is compact itself is what it is written as, and then nothing was dropped or rounded. In others equal
    keys are noticed by counting quotation marks: written again, the value has those of the text, unless a key
    and its value were dropped. So that no escape can make up for them, texts with ``\u`` are left.

    Levels are not counted: the value may have more than a document may have.
    """
    try:
        value = orjson.loads(raw)
        written = orjson.dumps(value)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return None
    if written == raw:
        return value, written
    if b"\\u" in raw or LONG in raw.translate(_DIGITS) or written.count(b'"') != raw.count(b'"'):
        return None
    return value, written


def read_known(raw: bytes) -> Any:
    """Return the value of a text that is known to be JSON of distinct keys, such as a document of an index.

    Raises
    ------
    ValueError
        If it is not JSON.
    """
    if LONG not in raw.translate(_DIGITS):  # an integer that the fast parser would round
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError:  # a lone surrogate, or many levels
            pass
    return json.loads(raw)
