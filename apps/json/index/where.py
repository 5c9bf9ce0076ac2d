"""Filters on documents: ``age >= 30``, ``findings[].label = Seizure``, ``$.note missing``."""

import json
import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from hdc.apps.json.document.paths import Path, parse_path, values_at
from hdc.errors import ParameterError

Filter: TypeAlias = Callable[[Any], bool]
"""Says of a document whether it may be found."""

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

WORDS = ("exists", "missing")
"""Operators without a value."""

EXAMPLES = "expected 'PATH OPERATOR VALUE' such as 'age >= 30', 'tags[] = red', 'name ~ ^A' or 'note missing'"

_CONDITION = re.compile(
    r"""\s*(?P<path>(?:\[\s*(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\s*\]|[^\s=!<>~'"])+)
        \s*(?:(?P<operator>!=|<=|>=|=|<|>|~)\s*(?P<value>.*?)|(?<=\s)(?P<word>exists|missing))\s*""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Condition:
    """One condition on what a document has at a path; an empty bracket in the path stands for any item.

    Attributes
    ----------
    path : Path
    operator : str
        ``=``, ``<``, ``<=``, ``>``, ``>=`` and ``~`` hold if one of the values at the path does; ``!=`` if there
        is a value and none is equal; ``exists`` if there is one, be it null; ``missing`` if there is none.
        Values are compared within their type: no text, number, truth value or null equals or exceeds another.
        Texts are ordered by code point; ``~`` searches a text for a regular expression.
    value : str, int, float, bool or None
    """

    path: Path
    operator: str
    value: Any = None
    _holds: Callable[[Any], bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_holds", _test(self.operator, self.value))

    def __call__(self, document: Any) -> bool:
        """Say whether the condition holds for a document."""
        found = values_at(document, self.path)
        if self.operator == "missing":
            return next(found, _NOTHING) is _NOTHING
        if self.operator == "!=":
            held = list(found)
            return bool(held) and not any(map(self._holds, held))
        return any(map(self._holds, found))


_NOTHING = object()


def parse_where(text: str) -> Condition:
    """Read one condition.

    A value is a JSON scalar or, if it is none, the text as it stands: ``name = Ada`` asks for ``"Ada"``, and
    ``zip = "10115"`` for a text of digits. The pattern of ``~`` is the text as it stands, or a JSON string. A key
    that holds a blank, quote or one of ``=!<>~`` is written ``['key']``.

    Raises
    ------
    ParameterError
        If the text is no condition, its path is none, or the value does not suit the operator.
    """
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise ParameterError(f"condition {text!r} cannot be read; {EXAMPLES}")
    path = parse_path(match["path"])
    if match["word"]:
        return Condition(path, match["word"])
    try:
        return Condition(path, match["operator"], _value(match["value"], match["operator"]))
    except ParameterError as error:
        raise ParameterError(f"condition {text!r}: {error}") from None


def as_filter(where: str | Iterable[str] | Filter | None) -> Filter | None:
    """Return a filter that takes the documents for which all conditions hold, or None for no condition.

    Parameters
    ----------
    where : str, iterable of str, function of a document, or None

    Raises
    ------
    ParameterError
        As :func:`parse_where`.
    """
    if where is None or callable(where):
        return where
    conditions = [parse_where(text) for text in ([where] if isinstance(where, str) else where)]
    return (lambda document: all(condition(document) for condition in conditions)) if conditions else None


def _value(text: str, name: str) -> Any:
    if not text:
        raise ParameterError(f"{name} needs a value; {EXAMPLES}")
    if name == "~" and text[0] != '"':
        return text
    if text[0] in "=!<>~":
        raise ParameterError(f"{name}{text[0]} is no operator; put the value in quotes if it begins so")
    try:
        value = json.loads(text, parse_constant=str)
    except (ValueError, RecursionError) as error:
        if text[0] in '"[{':
            raise ParameterError(f"the value is no JSON: {error}") from None
        return text
    if isinstance(value, dict | list):
        raise ParameterError("a value is a text, a number, true, false or null, not an object or array")
    return value


def _test(name: str, value: Any) -> Callable[[Any], bool]:
    if name in WORDS:
        return lambda held: True
    kind = _kind(value)
    if name in ("=", "!="):
        return lambda held: _kind(held) == kind and bool(held == value)
    if name == "~":
        return _pattern(value)
    if kind not in ("text", "number"):
        raise ParameterError(f"{name} compares numbers or texts, not {json.dumps(value)}")
    compare = COMPARISONS[name]
    return lambda held: _kind(held) == kind and compare(held, value)


def _pattern(text: Any) -> Callable[[Any], bool]:
    try:
        pattern = re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ParameterError(f"{text!r} is no regular expression: {error}") from None
    return lambda held: isinstance(held, str) and pattern.search(held) is not None


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int | float):
        return "number"
    return "null" if value is None else "container"
