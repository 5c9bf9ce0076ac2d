"""What a leaf's value is made of: named atoms with weights, whose squares sum to one.

Two values are as similar as the weights of the atoms they share: strings share words, numbers share cells of
a grid, and everything else is equal or not.
"""

import math
import re
from typing import Any, TypeAlias

from hdc.apps.json.leaves import Constant

Token: TypeAlias = tuple[str, Any]
"""Kind and content: ``("=", string)``, ``("~", word)``, ``("number", value)``, ``("#0", cell)`` for a cell of
scale 0 and so on, ``("constant", "true")``. Kinds keep types apart: 1, ``"1"`` and true share nothing."""

Tokens: TypeAlias = dict[Token, float]

NUMBER = "number"
"""Kind of a number's token; dates and durations have kinds of their own."""

EXACT_STRING = 0.5
"""Share of a string's squared weight that only the same string has; its words share the rest equally."""

EXACT_NUMBER = 0.1
"""Share of a number's squared weight that only the equal number has; the scales share the rest equally."""

MAX_WORDS = 1024
"""Distinct words of a string that count; those beyond are in the exact value alone."""

CELLS = 8
"""Neighbouring cells that a number covers on each scale: the similarity falls to zero in so many steps."""

DECADE_WIDTHS = (1.0, 0.2, 0.04)
"""Width of each scale in decades of 1 + |x|: where numbers have no known distribution."""

QUANTILE_WIDTHS = (0.5, 0.1, 0.02)
"""Width of each scale as a part of the path's distribution."""

_WORD = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_INT64 = 1 << 63


def string_tokens(text: str) -> Tokens:
    """Return the exact string and its distinct words, case-folded.

    ``sendMessage_v2`` has the words send, message and v2.
    """
    words: dict[str, None] = {}
    for match in _WORD.finditer(_HUMP.sub(" ", text)):
        words[match[0].casefold()] = None
        if len(words) == MAX_WORDS:
            break
    exact = EXACT_STRING if words else 1.0
    tokens: Tokens = {("=", text): math.sqrt(exact)}
    if words:
        weight = math.sqrt((1 - exact) / len(words))
        tokens.update({("~", word): weight for word in words})
    return tokens


def number_tokens(value: int | float, position: float, widths: tuple[float, ...]) -> Tokens:
    """Return the exact number and the cells it covers on each scale (a windowed thermometer).

    The similarity of two numbers is a sum of triangles, so it never rises as their positions move apart.

    Parameters
    ----------
    value : int or float
        Equal values of the two types are one number.
    position : float
        Where the number lies, in the unit of ``widths``.
    widths : tuple of float
        Distance at which the similarity on each scale has fallen to zero.
    """
    tokens: Tokens = {(NUMBER, _exact_number(value)): math.sqrt(EXACT_NUMBER)}
    weight = math.sqrt((1 - EXACT_NUMBER) / (CELLS * len(widths)))
    for scale, width in enumerate(widths):
        first = math.floor(position * CELLS / width)
        tokens.update({(f"#{scale}", cell): weight for cell in range(first, first + CELLS)})
    return tokens


def constant_tokens(value: Constant | None) -> Tokens:
    """Return the one atom of true, false, null, ``{}`` or ``[]``."""
    text = "null" if value is None else value.value
    return {("constant", text): 1.0}


def decades(value: int | float) -> float:
    """Return the sign of ``value`` times log10(1 + |value|), for integers of any size."""
    try:
        magnitude = math.log1p(abs(float(value))) / math.log(10)
    except OverflowError:
        magnitude = math.log10(abs(value))
    return math.copysign(magnitude, 1 if value >= 0 else -1)


def _exact_number(value: int | float) -> int | float | str:
    """Return one name for equal numbers; a large integer by its hexadecimal digits, which files can hold."""
    number = int(value) if isinstance(value, float) and value.is_integer() else value
    if isinstance(number, int) and abs(number) >= _INT64:
        return f"{number:#x}"
    return number
