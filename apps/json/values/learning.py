"""Learn a :class:`Profile` from a stream of documents, or from its parts in several processes.

Memory does not grow with the stream: tokens are counted by a summary that drops the rare ones
(:class:`~hdc.apps.json.values.sketches.Counts`), numbers are sampled.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hdc.apps.json.document.batches import Batch
from hdc.apps.json.document.leaves import LeafTable
from hdc.apps.json.document.paths import Path, any_position, scale_path
from hdc.apps.json.values.conversion import convert
from hdc.apps.json.values.number_scale import Scale, clamped
from hdc.apps.json.values.numbers import NUMBER, Quantities
from hdc.apps.json.values.sketches import Counts, Sample, Samples
from hdc.apps.json.values.statistics import Profile, Quantity
from hdc.apps.json.values.strings import are_codes, words_of
from hdc.apps.json.values.tokens import Token, constant_tokens

MAX_TOKENS = 100_000
"""Tokens whose frequency a profile keeps, the most frequent ones; the others count as seen once."""

MAX_TOKEN_LENGTH = 256
"""Characters above which a string's frequency is not kept."""

NUMBERS = 256
"""Numbers of a path that a profile keeps."""

INT64 = 1 << 63


class ProfileBuilder:
    """Count the tokens and sample the numbers of documents.

    Holds at most ``2 KEPT`` counters and ``SAMPLED`` numbers (see
    :mod:`hdc.apps.json.values.sketches`), whatever comes.
    A builder can be pickled, so that parts of a collection are counted in other processes and merged.

    Parameters
    ----------
    conversions : collection of str
        Strings that count as numbers, as in :class:`JSONEncoder`.

    Attributes
    ----------
    documents : int
        Documents so far.
    """

    def __init__(self, conversions: Collection[str] = ()) -> None:
        self.documents = 0
        self._conversions = tuple(conversions)
        self._counts: Counts[Path, Token] = Counts()
        self._samples: Samples[Quantity] = Samples()
        self._contents: _Contents | None = None

    @property
    def error(self) -> int:
        """How much too low a token's document frequency may be; 0 as long as all tokens could be held."""
        return self._counts.error

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_contents": None}

    def add(self, batch: Batch) -> None:
        """Count the documents of a batch."""
        from scipy.sparse import csr_matrix

        if self._contents is None or self._contents.table is not batch.table:
            self._contents = _Contents(batch.table, self._conversions)
        contents = self._contents
        leaves, places = np.unique(batch.leaves, return_inverse=True)
        tokens, numbers = zip(*(contents[leaf] for leaf in leaves.tolist()), strict=True) if len(leaves) else ((), ())
        columns, starts = [token for own in tokens for token in own], np.cumsum([0, *map(len, tokens)])
        shape = len(batch), len(leaves), len(contents.names)
        documents = csr_matrix((np.ones(len(places)), places, batch.starts), shape[:2])
        present = documents @ csr_matrix((np.ones(len(columns)), columns, starts), shape[1:])
        self._count(contents, np.bincount(present.indices))
        has_number = np.array([number is not None for number in numbers], dtype=np.bool_)
        for place in places[has_number[places]].tolist():
            self._samples.add(*numbers[place])
        self.documents += len(batch)

    def rest(self) -> Self:
        """Give back what is held for further batches of the same table; return this builder."""
        self._contents = None
        return self

    def _count(self, contents: "_Contents", frequencies: npt.NDArray[np.int64]) -> None:
        """Count tokens as often as documents of a batch have them."""
        counts: defaultdict[Path, dict[Token, int]] = defaultdict(dict)
        for token in np.flatnonzero(frequencies).tolist():
            path, name = contents.names[token]
            counts[path][name] = int(frequencies[token])
        for path, counted in counts.items():
            self._counts.count(path, counted)

    def merge(self, other: "ProfileBuilder") -> Self:
        """Add what another builder counted, as if its documents had followed; return this builder.

        Counts add up and so do their errors; where more numbers were seen than are kept, the sample is another
        one of the same distribution.
        """
        self._counts.merge(other._counts)
        self._samples.merge(other._samples)
        self.documents += other.documents
        return self

    def build(self) -> Profile:
        """Return the profile of all documents so far."""
        every = sorted(self._counts, key=lambda entry: (-entry[2], repr(entry[:2])))
        frequencies: dict[Path, dict[Token, int]] = {}
        for path, token, count in every[:MAX_TOKENS]:
            frequencies.setdefault(path, {})[token] = count
        scales = {quantity: Scale.learn(map(clamped, sample.values)) for quantity, sample in self._samples}
        numbers = {path: _codebook(sample) for (path, kind), sample in self._samples if kind == NUMBER}
        codes = frozenset(path for path, tokens in frequencies.items() if are_codes(_texts(tokens)))
        return Profile(self.documents, frequencies, scales, numbers, codes)


class _Contents(dict[int, tuple[list[int], tuple[Quantity, int | float] | None]]):
    """What the leaves of a table count, each looked into once: numbers of tokens, and a number with its scale."""

    def __init__(self, table: LeafTable, conversions: Collection[str]) -> None:
        self.table, self.names = table, list[tuple[Path, Token]]()
        self._conversions = conversions
        self._numbers: dict[tuple[Path, Token], int] = {}

    def __missing__(self, leaf: int) -> tuple[list[int], tuple[Quantity, int | float] | None]:
        path, value = self.table.nodes[leaf].path(), self.table.values[leaf]
        number, place = self._number(value), any_position(path)
        tokens = [self._token((place, token)) for token in _countable(value, number is None)]
        quantity = None if number is None else ((scale_path(path), number[0]), number[1])
        content = self[leaf] = (tokens, quantity)
        return content

    def _token(self, name: tuple[Path, Token]) -> int:
        found = self._numbers.setdefault(name, len(self.names))
        if found == len(self.names):
            self.names.append(name)
        return found

    def _number(self, value: Any) -> tuple[Quantities, int | float] | None:
        """Return what a value counts, and its number or the nearest double of one of more than 64 bits."""
        if isinstance(value, str):
            number = convert(value, self._conversions)
        else:
            number = (NUMBER, value) if isinstance(value, int | float) else None
        if number is None or -INT64 <= number[1] < INT64:
            return number
        return number[0], clamped(number[1])


def _codebook(sample: Sample) -> dict[int | float, int]:
    """Return some of the numbers seen, spread evenly over their order, and how often each was seen."""
    counts = sorted(Counter(sample.values).items())
    if len(counts) > NUMBERS:
        counts = [counts[round(i * (len(counts) - 1) / (NUMBERS - 1))] for i in range(NUMBERS)]
    return {number: round(count * sample.seen / len(sample.values)) for number, count in counts}


def _texts(tokens: Iterable[Token]) -> list[str]:
    return [content for kind, content in tokens if kind == "="]


def _countable(value: Any, has_words: bool) -> list[Token]:
    """Return the tokens of a value that are counted: none of a number, of a converted string the whole."""
    if isinstance(value, int | float):
        return []
    if not isinstance(value, str):
        return list(constant_tokens(value))
    words = words_of(value) if has_words else []
    tokens = [("=", value), *(("~", word) for word in words)]
    return [token for token in tokens if len(token[1]) <= MAX_TOKEN_LENGTH]
