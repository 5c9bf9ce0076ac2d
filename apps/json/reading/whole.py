"""Read one large JSON value as a stream: its items, the items at a path in it, or the value itself."""

import json
from collections.abc import Iterator

from hdc.apps.json.reading.items import Held, ItemPath, ItemStep, Members, absent, mismatch, record, source_at
from hdc.apps.json.reading.limits import KEY_BYTES, KEYS_BYTES
from hdc.apps.json.reading.records import Record, Rejects
from hdc.apps.json.reading.scanner import Scanner
from hdc.apps.json.reading.strict import DocumentError, Fault

Place = tuple[str | int, ...]

_KINDS = {"[": "an array", "{": "an object", '"': "a string"}


class _LostError(Exception):
    """The start of the next document cannot be found; the rest has been rejected."""


def read_whole(scanner: Scanner, name: str, items: ItemPath, rejects: Rejects) -> Iterator[Record]:
    """Yield the documents of a text that is one JSON value.

    Parameters
    ----------
    scanner : Scanner
    name : str
        Of the file.
    items : path
        Where the documents are; empty for the items of an array, or a value that is not an array.
    rejects : Rejects
        A bad item is rejected and the next one looked for, if it is safe to say where that begins; else, and for
        faults around the items, all that follows is rejected as one.
    """
    yield from _Whole(scanner, name, items, rejects).records()


class _Whole:
    def __init__(self, scanner: Scanner, name: str, items: ItemPath, rejects: Rejects) -> None:
        self._scanner, self._name, self._items, self._rejects = scanner, name, items, rejects
        self._found = self._resumed = False

    def records(self) -> Iterator[Record]:
        scanner, first = self._scanner, self._scanner.peek()
        line = scanner.line()
        try:
            if self._items:
                yield from self._walk(self._items, (), ())
            elif first == "[":
                yield from self._array(None, (), (), ())
            else:
                yield Record(self._alone(), f"{self._name}:{line}")
                return
            self._expect("", "Extra data")
        except Fault as fault:
            self._reject_rest(scanner.error(fault))
        except _LostError:
            pass
        else:
            if not self._found:
                empty = DocumentError(f"{self._name}:{line}: an empty array; expected documents in it")
                self._rejects.add(
                    absent(self._name, self._items) if self._items else empty, f"{self._name}:{line}", b""
                )

    def _alone(self) -> object:
        value = self._scanner.value(0)
        self._expect("", "Extra data")
        return value

    def _walk(self, steps: ItemPath, place: Place, held: Held) -> Iterator[Record]:
        """Yield the documents at ``steps`` below the next value, and move past that value."""
        step, rest = steps[0], steps[1:]
        found = self._scanner.peek()
        if found != ("{" if isinstance(step, str | Members) else "["):
            self._scanner.value(len(place))  # if it is not JSON at all, that error is reported instead
            raise self._fault(mismatch(step, _KINDS.get(found, "a number or constant")), self._scanner.began)
        if isinstance(step, str | Members):
            yield from self._object(step, rest, place, held)
        else:
            yield from self._array(step, rest, place, held)

    def _array(self, step: ItemStep, rest: ItemPath, place: Place, held: Held) -> Iterator[Record]:
        scanner = self._scanner
        scanner.at += 1
        if scanner.peek() == "]":
            scanner.at += 1
            return
        position = 0
        while True:
            if step is None or step == position:
                yield from self._member(rest, (*place, position), held, False)
            else:
                scanner.peek()
                scanner.value(len(place) + 1)
            position += 1
            if self._ends("]"):
                return

    def _object(self, step: ItemStep, rest: ItemPath, place: Place, held: Held) -> Iterator[Record]:
        scanner = self._scanner
        scanner.at += 1
        if scanner.peek() == "}":
            scanner.at += 1
            return
        seen: set[str] = set()
        size = 0
        while True:
            key = self._key(seen, len(place))
            size += len(key) + KEY_BYTES
            if size > KEYS_BYTES:
                raise self._fault(f"an object of more than {len(seen) - 1:,} keys, which are too many to hold")
            scanner.peek()
            if isinstance(step, Members):
                yield from self._member(rest, (*place, key), (*held, (step, key)), True)
            elif step == key:
                yield from self._member(rest, (*place, key), held, False)
            else:
                scanner.value(len(place) + 1)
            if self._ends("}"):
                return

    def _key(self, seen: set[str], outer: int) -> str:
        scanner = self._scanner
        if scanner.peek() != '"':
            raise self._fault("Expecting property name enclosed in double quotes")
        key = scanner.value(outer)
        if key in seen:
            raise self._fault(f"the key {json.dumps(key)} occurs twice in one object", scanner.began)
        seen.add(key)
        self._expect(":", "Expecting ':' delimiter")
        scanner.at += 1
        return str(key)

    def _member(self, rest: ItemPath, place: Place, held: Held, by_key: bool) -> Iterator[Record]:
        """Yield the documents in a value on the path, or the value itself at the path's end."""
        self._found = True
        if rest:
            yield from self._walk(rest, place, held)
            return
        indent = self._scanner.peek() and self._scanner.indent
        try:
            value = self._scanner.value(len(place))
        except Fault as fault:
            self._reject_item(fault, source_at(self._name, place), None if by_key else indent)
            return
        try:
            found = record(value, source_at(self._name, place), held)
        except DocumentError as error:
            self._rejects.add(error, source_at(self._name, place), json.dumps(value).encode())
        else:
            yield found

    def _ends(self, closing: str) -> bool:
        """Move past what follows a member; return whether the container ends there."""
        scanner, resumed = self._scanner, self._resumed
        self._resumed = False
        found = scanner.peek()
        if resumed and not found:
            raise _LostError
        if found == closing:
            scanner.at += 1
            return True
        if found == "," and not resumed:
            scanner.at += 1
        elif not resumed:
            missing = self._fault("Expecting ',' delimiter")
            if closing == "}" or found not in ("{", "[") or not self._rejects.skips:
                raise missing
            self._rejects.add(scanner.error(missing), self._name, b"")
        return False

    def _expect(self, character: str, reason: str) -> None:
        if self._scanner.peek() != character:
            raise self._fault(reason)

    def _fault(self, reason: str, at: int | None = None) -> Fault:
        place = self._scanner.at if at is None else at
        return Fault(place, place, reason)

    # ------------------------------------------------------------------ bad records

    def _reject_item(self, fault: Fault, source: str, indent: str | None) -> None:
        """Reject an item, and move to the start of the next one or to what follows the bad one."""
        scanner, error = self._scanner, self._scanner.error(fault)
        if not self._rejects.skips:
            raise error
        passed = scanner.pass_value() if fault.grammatical else None
        if passed is None and indent is not None:
            passed = scanner.pass_line(indent)
            self._resumed = passed is not None
        if passed is None:
            passed = scanner.pass_balanced()
        if passed is None:
            self._reject_rest(error)
            raise _LostError
        self._rejects.add(error, source, passed)

    def _reject_rest(self, error: DocumentError) -> None:
        if self._rejects.skips:
            error = DocumentError(f"{error}; where the next document begins is not certain, so the rest is left out")
        self._rejects.add(error, self._name, self._scanner.pass_rest())
