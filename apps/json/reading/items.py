"""Documents inside other documents: the items at a path, the values of an object keyed by id."""

from collections.abc import Iterator
from enum import Enum
from typing import Any, TypeAlias

from hdc.apps.json.document.paths import Step, parse_path, show_path
from hdc.apps.json.reading.records import Record
from hdc.apps.json.reading.strict import DocumentError
from hdc.checks import text as checked


class Members(Enum):
    """The step that stands for every value of an object."""

    ALL = "{}"


ItemStep: TypeAlias = Step | Members
ItemPath: TypeAlias = tuple[ItemStep, ...]


def parse_items(text: str | None) -> ItemPath:
    """Read where documents are: ``features[]``, ``data.patients[]``, or ``patients{}``, the values of an object.

    Raises
    ------
    ParameterError
        If ``text`` is no path.
    """
    if text is None:
        return ()
    if checked(text, "items").endswith(Members.ALL.value):
        return (*parse_path(text.removesuffix(Members.ALL.value)), Members.ALL)
    return parse_path(text)


def show_items(steps: ItemPath) -> str:
    """Write it as it was given."""
    if steps and steps[-1] is Members.ALL:
        plain = show_path(steps[:-1])  # type: ignore[arg-type]  # such a step is the last or absent
        return ("" if plain == "$" else plain) + Members.ALL.value
    return show_path(steps)  # type: ignore[arg-type]


def source_at(name: str, path: tuple[str | int, ...]) -> str:
    """Return the source of a document: ``file[3]``, ``file:features[3]``."""
    text = show_path(path)
    return f"{name}{text}" if text[0] == "[" else f"{name}:{text}"


def mismatch(step: ItemStep, kind: str) -> str:
    """Say that a step asks for another container than there is."""
    wanted = "an object" if isinstance(step, str | Members) else "an array"
    return f"expected {wanted} here, found {kind}"


def absent(source: str, steps: ItemPath) -> DocumentError:
    """Return the error for a document that holds nothing at the path."""
    return DocumentError(f"{source}: holds nothing at {show_items(steps)}; check the path of the items")


def inside(document: Any, steps: ItemPath, source: str) -> Iterator[Record]:
    """Yield what a document holds at a path, as records of their own.

    Raises
    ------
    DocumentError
        If a step of the path asks for another container than there is, or nothing is there.
    """
    found = list(_walk(document, steps, (), source))
    if not found:
        raise absent(source, steps)
    yield from found


def _walk(value: Any, steps: ItemPath, path: tuple[str | int, ...], source: str) -> Iterator[Record]:
    if not steps:
        yield Record(value, source_at(source, path))
        return
    step, rest = steps[0], steps[1:]
    if isinstance(value, dict) and isinstance(step, str | Members):
        if step is Members.ALL:
            yield from (Record(item, source_at(source, (*path, key)), key) for key, item in value.items())
        elif step in value:
            yield from _walk(value[step], rest, (*path, step), source)
    elif isinstance(value, list) and not isinstance(step, str | Members):
        for position, item in enumerate(value):
            if step is None or step == position:
                yield from _walk(item, rest, (*path, position), source)
    else:
        kind = "an object" if isinstance(value, dict) else "an array" if isinstance(value, list) else "neither"
        raise DocumentError(f"{source_at(source, path) if path else source}: {mismatch(step, kind)}")
