"""Parts of strings: the exact value, its words, the n-grams of its words, and the vector of a string encoder."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Self

from hdc.apps.json.values.tokens import Token
from hdc.checks import choice, mapping, number
from hdc.errors import ParameterError

MAX_WORDS = 1024
"""Most distinct words of a string; further ones count only in the exact value."""

MAX_GRAMS = 1024
"""Most distinct n-grams of a string."""

MAX_GRAM_WORD = 64
"""Most characters of a word, from its beginning, with n-grams."""

SHORT = 64
"""Most characters of a text whose tokens are cached."""

TEXTS = 1 << 14
"""Texts whose tokens are cached: some 4 MiB, or 40 MiB if all have the most words."""

GRAMS = (3, 4)
"""Lengths of n-grams."""

LEAST_CODES = 8
"""Distinct strings of a path from which codes are distinguished from text."""

EXCEPTIONS = 0.1
"""Share of a path's distinct strings that may be unlike codes, or share words."""

_WORD = re.compile(r"[^\W_]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_HAS_HUMP = re.compile(r"[a-z0-9][A-Z]")
_FOLDED = bytes(ord(chr(code).lower()) if code < 128 and chr(code).isalnum() else 32 for code in range(256))
_CODE = re.compile(r"(?=\D*\d)\S+")


class Shares(NamedTuple):
    """How the squared weight of a string is divided among its parts; they sum to one."""

    exact: float = 0.5
    words: float = 0.5
    ngrams: float = 0.0
    encoder: float = 0.0

    @classmethod
    def of(cls, weights: Mapping[str, Any] | None, encoded: bool) -> Self:
        """Return the shares that a user's weights ask for: parts not named keep their weight.

        Parameters
        ----------
        weights : mapping of part to weight, or None
        encoded : bool
            Whether there is a string encoder; by default it has as much as the other parts together.

        Raises
        ------
        ParameterError
            If a part is unknown, a weight is not a number from 0 on, all are 0, or a missing encoder has a weight.
        """
        parts: dict[str, Any] = cls(encoder=float(encoded))._asdict()
        for part, weight in ({} if weights is None else mapping(weights, "strings")).items():
            choice(part, "each part of strings", parts)
            parts[part] = number(weight, f"strings[{part!r}]", 0)
        if parts["encoder"] and not encoded:
            raise ParameterError('strings weighs "encoder", and there is none; pass string_encoder=...')
        total = sum(parts.values())
        if not total:
            raise ParameterError("the weights in strings are all zero; one must be above")
        return cls(*(weight / total for weight in parts.values()))


CODE = Shares(1.0, 0.0, 0.0, 0.0)
"""Identifiers count as wholes."""


def words_of(text: str) -> list[str]:
    """Return the distinct words, case-folded.

    Examples
    --------
    >>> words_of("sendMessage_v2: send it")
    ['send', 'message', 'v2', 'it']
    """
    return list(dict.fromkeys(word_sequence(text)))[:MAX_WORDS]


def word_tokens(text: str) -> tuple[Token, ...]:
    """Return the tokens of the distinct words; those of short texts, which often come again, are held.

    Examples
    --------
    >>> word_tokens("send it")
    (('~', 'send'), ('~', 'it'))
    """
    return _held_tokens(text) if len(text) <= SHORT else _word_tokens(text)


def _word_tokens(text: str) -> tuple[Token, ...]:
    return tuple([("~", word) for word in words_of(text)])


_held_tokens = lru_cache(TEXTS)(_word_tokens)


def word_sequence(text: str) -> list[str]:
    """Return the words as they follow each other, case-folded."""
    if _HAS_HUMP.search(text):
        text = _HUMP.sub(" ", text)
    if text.isascii():  # the same, by a table
        return text.encode().translate(_FOLDED).decode().split()
    return [word.casefold() for word in _WORD.findall(text)]


def ngrams_of(words: Sequence[str]) -> dict[str, list[int]]:
    """Return the distinct n-grams of words between borders, with the positions of the words that have them.

    Examples
    --------
    >>> ngrams_of(["ox", "box"])
    {'^ox': [0], 'ox$': [0, 1], '^ox$': [0], '^bo': [1], 'box': [1], '^box': [1], 'box$': [1]}
    """
    grams: dict[str, list[int]] = {}
    for position, word in enumerate(words):
        bordered = f"^{word[:MAX_GRAM_WORD]}$"
        for size in GRAMS:
            for start in range(len(bordered) - size + 1):
                owners = grams.setdefault(bordered[start : start + size], [])
                if position not in owners[-1:]:
                    owners.append(position)
        if len(grams) >= MAX_GRAMS:
            break
    return grams


def are_codes(texts: Sequence[str]) -> bool:
    """Say whether the distinct strings of a path are identifiers rather than text.

    They are if hardly any has a space or lacks a digit, and hardly any shares a word with some of the others:
    a word that most have, such as a prefix, says nothing, and one that none has says what the whole says.

    Examples
    --------
    >>> are_codes([f"HP:{n:07}" for n in range(20)]), are_codes([f"/v2/{n % 5}/items/{n}" for n in range(20)])
    (True, False)
    """
    allowed = EXCEPTIONS * len(texts)
    if len(texts) < LEAST_CODES or sum(not _CODE.fullmatch(text) for text in texts) > allowed:
        return False
    words = [words_of(text) for text in texts]
    spread = Counter(word for content in words for word in content)
    sharing = sum(any(1 < spread[word] <= len(texts) / 2 for word in content) for content in words)
    return sharing <= allowed
