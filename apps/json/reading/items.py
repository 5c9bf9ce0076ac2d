"""Documents inside other documents: the items at a path, or the values of an object keyed by id."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from hdc.apps.json.document.paths import Path, Step, parse_path, show_path
from hdc.apps.json.reading.records import Record
from hdc.apps.json.reading.strict import DocumentError
from hdc.checks import shown
from hdc.checks import text as checked
from hdc.errors import ParameterError


@dataclass(frozen=True)
class Members:
    """The step to every value of an object.

    Attributes
    ----------
    name : str or None
        Under which name a document gets its key; None if it does not.
    """

    name: str | None = None


ItemStep: TypeAlias = Step | Members
ItemPath: TypeAlias = tuple[ItemStep, ...]

Held: TypeAlias = tuple[tuple[Members, str], ...]
"""The objects that contain a document as a value, and its key in each."""

_MEMBERS = re.compile(r"""\['(?:[^'\\]|\\.)*'\]|\["(?:[^"\\]|\\.)*"\]|\{(?P<name>[^{}\s.\[\]"']*)\}""")
"""Quoted keys, which may contain braces, and braces."""


def parse_items(text: str | None) -> ItemPath:
    """Read where documents are: ``features[]``, ``data.patients[]``, ``{}.entries[]``.

    ``patients{}`` are the values of an object, ``patients{id}`` each with its key as ``id``.

    Raises
    ------
    ParameterError
        If ``text`` is not a path, or two keys have one name.
    """
    if text is None:
        return ()
    steps: list[ItemStep] = []
    done = 0
    for found in _MEMBERS.finditer(checked(text, "items")):
        if found["name"] is not None:
            steps += [*_plain(text, text[done : found.start()], done), Members(found["name"] or None)]
            done = found.end()
    steps += _plain(text, text[done:], done)
    names = [step.name for step in steps if isinstance(step, Members) and step.name is not None]
    if len(set(names)) < len(names):
        raise ParameterError(f"items {shown(text)} put two keys under one name; name each differently")
    return tuple(steps)


def _plain(text: str, part: str, start: int) -> Path:
    """Read the steps between braces; steps after another one start with a dot or bracket."""
    if not part or not start or part[0] == "[":
        return parse_path(part)
    if part[0] != "." or len(part) == 1 or part[1] == "[":
        raise ParameterError(f"{shown(text)} is no path: after }} comes .key, [] or {{}}, not {part[:20]!r}")
    return parse_path(part[1:])


def show_items(steps: ItemPath) -> str:
    """Write it as it was given."""
    text = ""
    for step in steps:
        if isinstance(step, Members):
            text += f"{{{step.name or ''}}}"
        elif isinstance(step, str) and ("{" in step or "}" in step):
            text += f"[{step!r}]"
        else:
            shown_step = show_path((step,))
            text += shown_step if shown_step[0] == "[" or not text else f".{shown_step}"
    return text or "$"


def source_at(name: str, path: tuple[str | int, ...]) -> str:
    """Return the source of a document: ``file[3]``, ``file:features[3]``."""
    text = show_path(path)
    return f"{name}{text}" if text[0] == "[" else f"{name}:{text}"


def mismatch(step: ItemStep, kind: str) -> str:
    """Say that a step asks for another container than there is."""
    wanted = "an object" if isinstance(step, str | Members) else "an array"
    return f"expected {wanted} here, found {kind}"


def absent(source: str, steps: ItemPath) -> DocumentError:
    """Return the error for a document with nothing at the path."""
    return DocumentError(f"{source}: has nothing at {show_items(steps)}; check the path of the items")


def record(value: Any, source: str, held: Held) -> Record:
    """Return a document with its source and key: of several the keys from without, with slashes between them.

    Raises
    ------
    DocumentError
        If a key that has a name cannot be put into it.
    """
    named = {members.name: key for members, key in held if members.name is not None}
    if named and not isinstance(value, dict):
        raise DocumentError(f"{source}: its key needs an object to be put into; write {{}} without a name")
    for name, key in named.items():
        if value.get(name, key) != key:
            raise DocumentError(f"{source}: already has {show_path((name,))}; write another name in the braces")
    keys = [key for _, key in held]
    return Record({**named, **value} if named else value, source, "/".join(keys) if keys else None)


def inside(document: Any, steps: ItemPath, source: str) -> Iterator[Record]:
    """Yield a document's values at a path as separate records.

    Raises
    ------
    DocumentError
        If a step of the path asks for another container than there is, nothing is there, or a key cannot be put into
        a document.
    """
    found = list(_walk(document, steps, (), source, ()))
    if not found:
        raise absent(source, steps)
    yield from found


def _walk(value: Any, steps: ItemPath, path: tuple[str | int, ...], source: str, held: Held) -> Iterator[Record]:
    if not steps:
        yield record(value, source_at(source, path), held)
        return
    step, rest = steps[0], steps[1:]
    if isinstance(value, dict) and isinstance(step, str | Members):
        if isinstance(step, Members):
            for key, item in value.items():
                yield from _walk(item, rest, (*path, key), source, (*held, (step, key)))
        elif step in value:
            yield from _walk(value[step], rest, (*path, step), source, held)
    elif isinstance(value, list) and not isinstance(step, str | Members):
        for position, item in enumerate(value):
            if step is None or step == position:
                yield from _walk(item, rest, (*path, position), source, held)
    else:
        raise DocumentError(f"{source_at(source, path) if path else source}: {mismatch(step, _kind(value))}")


def _kind(value: Any) -> str:
    return "an object" if isinstance(value, dict) else "an array" if isinstance(value, list) else "neither"
