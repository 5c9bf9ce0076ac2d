"""Paths of leaves: format them for people, parse them, and look up rules that apply to everything below a path."""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any, Generic, TypeAlias, TypeVar

from hdc.checks import shown, wrong
from hdc.errors import ParameterError

Step: TypeAlias = str | int | None
"""A key, a position in an array (from 0), or None for any position."""

Path: TypeAlias = tuple[Step, ...]

T = TypeVar("T")

_PLAIN = r"[^\s.\[\]\"]+"
_ESCAPE = r"\\(?:[\\'\"nrt]|x[0-9a-f]{2}|u[0-9a-f]{4}|U000[0-9a-f]{5}|U0010[0-9a-f]{4})"
_PLAIN_KEY = re.compile(rf"(?!\$\Z){_PLAIN}")
_STEP = re.compile(
    rf"\.(?P<key>{_PLAIN})"
    r"|\[(?P<position>[0-9]{0,9})\]"
    rf"|\[(?P<quoted>'(?:[^'\\\n\r\0]|{_ESCAPE})*'|\"(?:[^\"\\\n\r\0]|{_ESCAPE})*\")\]"
)
_ROOT = re.compile(r"\$(?=[.\[]|\Z)")


def show_path(path: Path) -> str:
    """Write a path for people: ``phenotypicFeatures[].type.label``, ``coordinates[0]``; the root is ``$``."""
    text = ""
    for step in path:
        if not isinstance(step, str):
            text += "[]" if step is None else f"[{step}]"
        elif _PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            text += f"[{step!r}]"
    return text or "$"


def parse_path(text: str) -> Path:
    """Read a path as :func:`show_path` writes it, with or without ``$`` or ``$.`` before it.

    Raises
    ------
    ParameterError
        If ``text`` is not a path.
    """
    if not isinstance(text, str):
        raise wrong(text, "a path", "a string such as 'type.label'")
    root = _ROOT.match(text)
    rest = text[1:] if root else text if text[:1] in ("", "[") else f".{text}"
    steps: list[Step] = []
    place = 0
    while place < len(rest):
        found = _STEP.match(rest, place)
        if found is None:
            raise ParameterError(
                f"{shown(text)} is no path: a step cannot begin with {rest[place : place + 20]!r}; "
                "write paths as results show them: label, type.label, tags[].name, coordinates[0], ['odd key']"
            )
        key, position, quoted = found.group("key", "position", "quoted")
        if position is not None:
            steps.append(int(position) if position else None)
        else:
            steps.append(ast.literal_eval(quoted) if key is None else key)
        place = found.end()
    return tuple(steps)


class PathRules(Generic[T]):
    """Values that apply to a path and everything below it; the longest matching rule wins.

    Parameters
    ----------
    rules : mapping of path to value
        Paths as :func:`parse_path` reads them; ``""`` and ``"$"`` are the root, so a rule for everything.
        ``tags[]`` applies to every item of an array, ``tags[3]`` to the item at position 3, where it takes precedence.
    default : value
        Value where no rule applies.

    Raises
    ------
    ParameterError
        If a path is invalid, or given twice in two spellings.
    """

    def __init__(self, rules: Mapping[str, T], default: T) -> None:
        read: dict[Path, T] = {}
        for text, value in rules.items():
            path = parse_path(text)
            if path in read:
                raise ParameterError(f"there are two rules for {show_path(path)}; give one")
            read[path] = value
        self._default = read.pop((), default)
        self._rules = sorted(read.items(), key=lambda rule: _specificity(rule[0]), reverse=True)

    def values(self) -> list[T]:
        """Return all values that there are."""
        return [self._default, *(value for _, value in self._rules)]

    def to_json(self) -> list[Any]:
        """Return paths and their values, whatever their spelling and order were."""
        return [[[], self._default], *sorted(([list(path), value] for path, value in self._rules), key=repr)]

    def __getitem__(self, path: Path) -> T:
        """Return the value for a path."""
        if not self._rules:  # the most frequent case
            return self._default
        return next((value for rule, value in self._rules if _is_prefix(rule, path)), self._default)


def _specificity(rule: Path) -> tuple[int, list[bool]]:
    return len(rule), [step is not None for step in rule]


def _is_prefix(rule: Path, path: Path) -> bool:
    return len(rule) <= len(path) and all(
        asked == step or (asked is None and not isinstance(step, str)) for asked, step in zip(rule, path, strict=False)
    )


def values_at(document: Any, path: Path) -> Iterator[Any]:
    """Yield all values that a document has at a path, in its order."""
    if not path:
        yield document
        return
    step, rest = path[0], path[1:]
    if isinstance(step, str):
        if isinstance(document, dict) and step in document:
            yield from values_at(document[step], rest)
    elif isinstance(document, list | tuple):
        for item in document if step is None else document[step : step + 1]:
            yield from values_at(item, rest)


MAX_POSITION = 16
"""Positions of an array that have their own distribution; later ones share one."""


def any_position(path: Path) -> Path:
    """Return the path without array positions."""
    if int not in map(type, path):
        return path
    return tuple([None if isinstance(step, int) else step for step in path])


def scale_path(path: Path) -> Path:
    """Return the path whose distribution a number belongs to."""
    if int not in map(type, path):
        return path
    return tuple([None if isinstance(step, int) and step >= MAX_POSITION else step for step in path])
