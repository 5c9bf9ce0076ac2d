"""Parse the texts that a fast parser reads as the strict one does, and leave the others to that.

The fast parser, orjson, has the same grammar. Three things it does otherwise, and a text in which one could be is left:
it keeps the last of equal keys, it rounds integers beyond 64 bits, and it has its own words for what is wrong.
"""

import json
from enum import Enum
from typing import Any

import orjson

LONG = b"0" * 19
"""As many digits as the least integer that is beyond 64 bits has; a digit counts as 0."""

_DIGITS = bytes(48 if 48 <= byte < 58 else 32 for byte in range(256))


class Left(Enum):
    """What :func:`quick` returns for a text that it leaves to the strict parser."""

    TO_STRICT = "-"


def quick(raw: bytes) -> Any:
    r"""Return the value of a text, or :attr:`Left.TO_STRICT`.

    Equal keys are noticed by counting quotation marks: written again, the value has those of the text, unless a key
    and its value were dropped. So that no escape can make up for them, texts with ``\u`` are left too.

    Levels are not counted: the value may have more than a document may have.
    """
    if b"\\u" in raw or LONG in raw.translate(_DIGITS):
        return Left.TO_STRICT
    try:
        value = orjson.loads(raw)
        written = orjson.dumps(value)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):
        return Left.TO_STRICT
    return value if written.count(b'"') == raw.count(b'"') else Left.TO_STRICT


def read_known(raw: bytes) -> Any:
    """Return the value of a text that is known to be JSON of distinct keys, such as a document of an index.

    Raises
    ------
    ValueError
        If it is no JSON.
    """
    if LONG not in raw.translate(_DIGITS):  # an integer that the fast parser would round
        try:
            return orjson.loads(raw)
        except orjson.JSONDecodeError:  # half a surrogate pair, or many levels
            pass
    return json.loads(raw)
