"""Filters on documents: ``age >= 30``, ``findings[].label = Seizure``, ``$.note missing``."""

import json
import operator
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from hdc.apps.json.document.paths import Path, parse_path, values_at
from hdc.checks import choice, listed, shown, wrong
from hdc.checks import text as checked
from hdc.errors import ParameterError

Filter: TypeAlias = Callable[[Any], bool]
"""Function that returns whether a document may be found."""

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

WORDS = ("exists", "missing")
"""Operators without a value."""

OPERATORS = ("=", "!=", *COMPARISONS, "~", *WORDS)

EXAMPLES = "expected 'PATH OPERATOR VALUE' such as 'age >= 30', 'tags[] = red', 'name ~ ^A' or 'note missing'"

_CONDITION = re.compile(
    r"""\s*(?P<path>(?:\[\s*(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\s*\]|[^\s=!<>~'"])+)
        \s*(?:(?P<operator>!=|<=|>=|=|<|>|~)(?P<value>.*)|(?<=\s)(?P<word>exists|missing)\s*)""",
    re.VERBOSE | re.DOTALL,
)

_BEYOND = re.compile(r"\\[1-9k]|\(\?(?:P=|<?[=!])")
"""Backreferences and lookaround, which RE2 lacks."""


@dataclass(frozen=True)
class Condition:
    r"""One condition on the values of a document at a path; an empty bracket in the path means any item.

    Attributes
    ----------
    path : Path
    operator : str
        ``=``, ``<``, ``<=``, ``>``, ``>=`` and ``~`` are met if one of the values at the path is; ``!=`` if there
        is a value and none is equal; ``exists`` if there is one, be it null; ``missing`` if there is none.
        Values are compared within their type: no text, number, truth value or null equals or exceeds another.
        Texts are ordered by code point; ``~`` searches a text for a regular expression of RE2's syntax, in time
        linear in the text: no backreferences and no lookaround; ``\w``, ``\d``, ``\s`` and ``\b`` match ASCII only
        (``\pL`` is any letter).
    value : str, int, float, bool or None

    Raises
    ------
    ParameterError
        If the path is invalid, the operator is unknown, or the value does not suit it.
    """

    path: Path
    operator: str
    value: Any = None
    _holds: Callable[[Any], bool] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.path, tuple):
            raise wrong(self.path, "path", "a tuple, as parse_path returns")
        choice(self.operator, "operator", OPERATORS)
        object.__setattr__(self, "_holds", _test(self.operator, self.value))

    def __call__(self, document: Any) -> bool:
        """Return whether a document meets the condition."""
        found = values_at(document, self.path)
        if self.operator == "missing":
            return next(found, _NOTHING) is _NOTHING
        if self.operator == "!=":
            held = list(found)
            return bool(held) and not any(map(self._holds, held))
        return any(map(self._holds, found))


_NOTHING = object()


@dataclass(frozen=True)
class Conditions:
    """Conditions that must all be met."""

    every: tuple[Condition, ...]

    def __call__(self, document: Any) -> bool:
        """Return whether a document meets all conditions."""
        return all(condition(document) for condition in self.every)


def parse_where(text: str) -> Condition:
    """Read one condition.

    A value is a JSON scalar, or else the text as written: ``name = Ada`` asks for ``"Ada"``, ``zip = "10115"`` for a
    text of digits. The pattern of ``~`` is the text as written, or a JSON string. Write a key that contains a blank, a
    quote or one of ``=!<>~`` as ``['key']``.

    Raises
    ------
    ParameterError
        If the text is not a condition, its path is invalid, or the value does not suit the operator.
    """
    match = _CONDITION.fullmatch(checked(text, "a condition"))
    if match is None:
        raise ParameterError(f"condition {shown(text)} cannot be read; {EXAMPLES}")
    path = parse_path(match["path"])
    if match["word"]:
        return Condition(path, match["word"])
    try:
        return Condition(path, match["operator"], _value(match["value"].strip(), match["operator"]))
    except ParameterError as error:
        raise ParameterError(f"condition {shown(text)}: {error}") from None


def as_filter(where: str | Iterable[str] | Filter | None) -> Filter | None:
    """Return a filter that accepts documents that meet all conditions; None without conditions.

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
    conditions = tuple(parse_where(text) for text in ([where] if isinstance(where, str) else listed(where, "where")))
    return Conditions(conditions) if conditions else None


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
    if kind == "container":
        raise ParameterError(f"a value is a text, a number, true, false or null, not {shown(value)}")
    if name in ("=", "!="):
        return lambda held: _kind(held) == kind and bool(held == value)
    if name == "~":
        return _pattern(value)
    if kind not in ("text", "number"):
        raise ParameterError(f"{name} compares numbers or texts, not {json.dumps(value)}")
    compare = COMPARISONS[name]
    return lambda held: _kind(held) == kind and compare(held, value)


def _pattern(pattern: Any) -> Callable[[Any], bool]:
    """Return the search of a regular expression, compiled once."""
    import re2

    options = re2.Options()
    options.log_errors, options.never_capture = False, True
    try:
        expression = re2.compile(checked(pattern, "a regular expression").encode(), options)
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else error
        hint = "; RE2 searches in linear time, without backreferences and lookaround" if _BEYOND.search(pattern) else ""
        raise ParameterError(f"{shown(pattern)} is no regular expression of RE2: {reason}{hint}") from None
    return lambda held: isinstance(held, str) and expression.search(held.encode("utf-8", "replace")) is not None


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int | float):
        return "number"
    return "null" if value is None else "container"
