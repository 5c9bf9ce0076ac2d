"""Scan a text through a moving window: strict values one at a time, with the places of errors.

The window contains one value and at most as much again. So memory is bounded by the largest value, which is at most as
long as a document may be.
"""

import codecs
import io
import json
import re
from typing import Any

from hdc.apps.json.reading.limits import LIMITS, Limits
from hdc.apps.json.reading.strict import SPACE, DocumentError, Fault, decode, not_utf8
from hdc.apps.unpacking import READ_ERRORS

STEP = 1 << 16
"""Bytes to read per call. Error places are counted in the window, so bad items are slow in a large one."""

RESYNC = 1 << 20
"""Characters to search for the end of a bad value if lines do not show it."""

_MARGIN = 16  # more than a number, literal or escape can be misjudged by at the window's end
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")
_LENIENT = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)
_STRUCTURE = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"[ \t\r\n]*(?=[,:\]}])|["\[\]{},]')
_CLOSING = {"[": "]", "{": "}"}


class Scanner:
    """A window on a stream of text in UTF-8.

    Attributes
    ----------
    text, at : str, int
        The window, and the offset of what comes next.
    began : int
        The offset of the value that :meth:`value` returned last.
    indent : str or None
        The blanks between the last line's begin and what :meth:`peek` found; None if it is not the first of a line.
    """

    def __init__(self, stream: io.BufferedReader, name: str, limits: Limits = LIMITS) -> None:
        self.text, self.at, self.began = "", 0, 0
        self.indent: str | None = None
        self._stream, self._name, self._limits = stream, name, limits
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._has_bad_bytes = False
        self._ended = False
        self._failure: Exception | None = None
        self._line = self._column = 1
        self._peeked = -1  # place of the last peek(); another look there keeps the indent

    # ------------------------------------------------------------------ the window

    def more(self) -> bool:
        """Drop processed text and read on, as much again as remains; False at the end."""
        if self._ended:
            return False
        raw = self._read(len(self.text) - self.at)
        done = self.text[: self.at]
        self._line += done.count("\n")
        self._column = self.at - done.rfind("\n") + (0 if "\n" in done else self._column - 1)
        self._peeked -= self.at
        self.text, self.at = self.text[self.at :] + self._decode(raw), 0
        return True

    def _read(self, least: int) -> bytes:
        pieces: list[bytes] = []
        while not self._ended and (not pieces or least > 0):
            try:
                if self._failure:
                    raise self._failure
                piece = self._stream.read1(STEP)
            except READ_ERRORS as error:  # earlier characters still count
                self._failure = error
                if not pieces:
                    raise
                break
            self._ended = not piece
            pieces.append(piece)
            least -= len(piece)
        return b"".join(pieces)

    def _decode(self, raw: bytes) -> str:
        pending = self._decoder.getstate()[0]
        try:
            return self._decoder.decode(raw, self._ended)
        except UnicodeDecodeError:
            self._has_bad_bytes = True
            self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
            return self._decoder.decode(pending + raw, self._ended)

    def error(self, fault: Fault) -> DocumentError:
        """Return the error with the place of a fault."""
        row = self._line + self.text.count("\n", 0, fault.start)
        column = fault.start - self.text.rfind("\n", 0, fault.start)
        column += self._column - 1 if row == self._line else 0
        return DocumentError(f"{self._name}:{row}:{column}: {fault.reason}")

    def line(self) -> int:
        """Return the line of what comes next."""
        return self._line + self.text.count("\n", 0, self.at)

    # ------------------------------------------------------------------ what comes next

    def peek(self) -> str:
        """Go to the next character that is not blank and return it; empty at the end."""
        blank = ""
        while True:
            end = SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]  # it matches anything
            blank = (blank + self.text[self.at : end])[-RESYNC:]
            self.at = end
            if end < len(self.text) or not self.more():
                break
        if self.at != self._peeked:
            self.indent = blank[blank.rfind("\n") + 1 :] if "\n" in blank else None
            self._peeked = self.at
        return self.text[self.at : self.at + 1]

    def value(self, outer: int) -> Any:
        """Return the value that comes next and go beyond it; ``outer`` as for :func:`strict.decode`.

        Raises
        ------
        Fault
            If there is none, or it is longer than a document may be; the scanner stays where it is.
        """
        while True:
            try:
                value, end = decode(self.text, self.at, outer)
            except Fault as fault:
                if self._may_change(fault) and self._held > self._limits.document_bytes:
                    raise Fault(self.at, self.at + 1, self._limits.too_long) from None
                if self._may_change(fault) and self.more():
                    continue
                end = len(self.text) if _is_unterminated(fault) else fault.start + 1
                raise self._bad_byte(end, grammatical=False) or fault from None
            if self._is_settled(end) or not self.more():
                break
        bad = self._bad_byte(end, grammatical=True)
        if bad:
            raise bad
        if self._is_longer(end):
            raise Fault(self.at, end, self._limits.too_long, grammatical=True)
        self.began, self.at = self.at, end
        return value

    @property
    def _held(self) -> int:
        """Number of unread characters in the window."""
        return len(self.text) - self.at

    def _is_longer(self, end: int) -> bool:
        most, characters = self._limits.document_bytes, end - self.at
        if 4 * characters <= most:
            return False
        return len(self.text[self.at : end].encode("utf-8", "surrogateescape")) > most

    def _may_change(self, fault: Fault) -> bool:
        return fault.end + _MARGIN > len(self.text) or _is_unterminated(fault)

    def _is_settled(self, end: int) -> bool:
        return self.text[end - 1] in '}]"' or end + _MARGIN <= len(self.text)

    def _bad_byte(self, end: int, *, grammatical: bool) -> Fault | None:
        found = _ESCAPED_BYTE.search(self.text, self.at, end) if self._has_bad_bytes else None
        if found is None:
            return None
        try:
            self.text[found.start() : found.start() + 4].encode("utf-8", "surrogateescape").decode("utf-8")
        except UnicodeDecodeError as error:
            return Fault(found.start(), found.end(), not_utf8(error), grammatical=grammatical)
        raise AssertionError("an escaped byte is never valid UTF-8")

    # ------------------------------------------------------------------ beyond what is bad

    def pass_value(self) -> bytes | None:
        """Go beyond a value that is grammatical but refused, and return it; None if it is not grammatical."""
        while True:
            try:
                _, end = _LENIENT.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                changes = self._may_change(Fault(error.pos, error.pos, error.msg))
                if changes and self._held <= self._limits.document_bytes and self.more():
                    continue
                return None
            except RecursionError:
                return None
            if self._is_settled(end) or not self.more():
                return self._take(end)

    def pass_line(self, indent: str) -> bytes | None:
        """Go to the next line that is indented as the bad item is and begins as it does, or ends the array.

        Returns
        -------
        bytes or None
            What was passed, the beginning of it if it is long; None if lines do not show where items begin.
        """
        bracket = self.text[self.at]
        alone = self.text.startswith(("\n", "\r\n"), self.at + 1) or len(self.text) == self.at + 1
        if bracket not in _CLOSING or (alone and not indent) or (bracket == "[" and not indent):
            return None
        less = len(indent) - (bracket == "[")
        begin = re.compile(rf"\n(?:{re.escape(indent)}(?=\{bracket})|[ \t]{{0,{less}}}(?=\]))")
        passed = b""
        while True:
            found = begin.search(self.text, self.at)
            if found:
                return passed + self._take(found.start())
            last = max(self.text.rfind("\n", self.at), self.at)
            if last == self.at and self._held > self._limits.document_bytes:
                last = len(self.text)
            passed = (passed + self._take(last))[: 2 * RESYNC]
            if not self.more():
                return None if not passed else passed + self._take(len(self.text))

    def pass_balanced(self) -> bytes | None:
        """Go to the comma or bracket behind a bad value whose own brackets and strings are in order.

        Returns
        -------
        bytes or None
            What was passed; None if they are not, or no end is in sight.
        """
        while True:
            length, passed = self._held, self._balanced()
            if passed is not None or length >= RESYNC or not self.more():
                return passed

    def _balanced(self) -> bytes | None:
        expected: list[str] = []
        for token in _STRUCTURE.finditer(self.text, self.at, self.at + RESYNC):
            mark = token[0]
            if mark in _CLOSING:
                expected.append(_CLOSING[mark])
            elif mark == '"':
                return None
            elif not expected and mark in ",]}":
                return self._take(token.start())
            elif mark in "]}" and expected.pop() != mark:
                return None
        return None

    def pass_rest(self) -> bytes:
        """Move to the end and return the rest of the window."""
        self._ended = True
        return self._take(len(self.text))

    def _take(self, end: int) -> bytes:
        passed = self.text[self.at : end].encode("utf-8", "surrogateescape")
        self.at = end
        return passed


def _is_unterminated(fault: Fault) -> bool:
    return fault.reason.startswith("Unterminated string")
