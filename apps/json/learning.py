"""Learn a :class:`Profile` from a stream of documents, or from its parts in several processes.

Memory does not grow with the stream: tokens are counted by a summary that drops the rare ones
(:class:`~hdc.apps.json.counting.Counts`), numbers are sampled.
"""

from collections import Counter, defaultdict
from typing import Any, Self

from hdc.apps.json.counting import Counts, Sample, Samples
from hdc.apps.json.leaves import LeafTable
from hdc.apps.json.paths import Path
from hdc.apps.json.profile import Profile, Quantity, any_position, scale_path
from hdc.apps.json.scales import Scale, clamped
from hdc.apps.json.tokens import NUMBER, Token, constant_tokens, string_tokens

MAX_TOKENS = 100_000
"""Tokens whose frequency a profile keeps, the most frequent ones; the others count as seen once."""

MAX_TOKEN_LENGTH = 256
"""Characters above which a string's frequency is not kept."""

NUMBERS = 256
"""Numbers of a path that a profile keeps."""

INT64 = 1 << 63


class ProfileBuilder:
    """Count the tokens and sample the numbers of documents.

    Holds at most ``2 KEPT`` counters and ``SAMPLED`` numbers (see :mod:`hdc.apps.json.counting`), whatever comes.
    A builder can be pickled, so that parts of a collection are counted in other processes and merged.

    Attributes
    ----------
    documents : int
        Documents so far.
    """

    def __init__(self) -> None:
        self.documents = 0
        self._counts: Counts[Path, Token] = Counts()
        self._samples: Samples[Quantity] = Samples()

    @property
    def error(self) -> int:
        """How much too low a token's document frequency may be; 0 as long as all tokens could be held."""
        return self._counts.error

    def add(self, table: LeafTable, documents: list[set[int]]) -> None:
        """Count the documents of a batch, given as the numbers of their leaves in ``table``."""
        paths = [node.path() for node in table.nodes]
        places = [any_position(path) for path in paths]
        tokens = [_countable(value) for value in table.values]
        for leaves in documents:
            seen: defaultdict[Path, set[Token]] = defaultdict(set)
            for leaf in sorted(leaves):
                value = table.values[leaf]
                if isinstance(value, int | float):
                    self._samples.add((scale_path(paths[leaf]), NUMBER), _sampled(value))
                else:
                    seen[places[leaf]].update(tokens[leaf])
            for path, present in seen.items():
                self._counts.add(path, present)
        self.documents += len(documents)

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
        return Profile(self.documents, frequencies, scales, numbers)


def _codebook(sample: Sample) -> dict[int | float, int]:
    """Return some of the numbers seen, spread evenly over their order, and how often each was seen."""
    counts = sorted(Counter(sample.values).items())
    if len(counts) > NUMBERS:
        counts = [counts[round(i * (len(counts) - 1) / (NUMBERS - 1))] for i in range(NUMBERS)]
    return {number: round(count * sample.seen / len(sample.values)) for number, count in counts}


def _sampled(value: int | float) -> int | float:
    """Return the number, or the nearest double of an integer of more than 64 bits."""
    return value if -INT64 <= value < INT64 else clamped(value)


def _countable(value: Any) -> list[Token]:
    if isinstance(value, int | float):
        return []
    tokens = string_tokens(value) if isinstance(value, str) else constant_tokens(value)
    return [token for token in tokens if not isinstance(token[1], str) or len(token[1]) <= MAX_TOKEN_LENGTH]
