"""What ``fit`` learns about a collection: how rare each token is, and how the numbers of each path spread.

A token in every document says little, one in few says much: its weight is ``ln((1 + n) / (1 + df)) + 0.1`` for
n documents of which df have it on that path (Spärck Jones 1972, smoothed); df is 1 for tokens not seen, and a
string not seen as a whole is as rare as its rarest word. A number's place is its quantile among the
numbers of its path, so that years, prices and latitudes are each soft on their own scale.
"""

import math
import sys
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Self

from hdc.apps.json.leaves import LeafTable
from hdc.apps.json.paths import Path
from hdc.apps.json.tokens import (
    DECADE_WIDTHS,
    QUANTILE_WIDTHS,
    Token,
    Tokens,
    constant_tokens,
    decades,
    number_tokens,
    string_tokens,
)

FLOOR = 0.1
"""Weight of a token that every document has: it still counts when nothing else tells documents apart."""

NUMBER_SHARE = QUANTILE_WIDTHS[1]
"""A number is as rare as a token which this share of the documents has: those within the middle scale's width."""

SAMPLE = 4096
"""Numbers of a path that are kept to learn its quantiles: a uniform sample."""

PRIOR = 16
"""Numbers that the even spread over a path's range counts for: quantiles of few numbers say little."""

KNOTS = 64
"""Quantiles of a path that are kept."""

LARGEST = sys.float_info.max

MAX_TOKENS = 100_000
"""Tokens whose frequency is kept, the most frequent ones; the others count as seen once."""

MAX_TOKEN_LENGTH = 256
"""Characters above which a string's frequency is not kept."""

MAX_POSITION = 16
"""Positions of an array that have a distribution of their own; the rest share one."""


@dataclass(frozen=True)
class Scale:
    """The spread of a path's numbers: quantiles between knots, decades beyond them.

    Attributes
    ----------
    knots : tuple of float
        Ascending.
    quantiles : tuple of float
        Place of each knot, ascending, in 0 … 1.
    share : float
        Share of the documents that a number is taken to be common to: more where one value prevails.
    """

    knots: tuple[float, ...]
    quantiles: tuple[float, ...]
    share: float

    @classmethod
    def learn(cls, numbers: Iterable[float]) -> Self:
        """Learn from a sample of at least one number."""
        counts = sorted(Counter(numbers).items())
        total = sum(count for _, count in counts)
        below, middles = 0, []
        for value, count in counts:
            middles.append((value, (below + count / 2) / total))
            below += count
        (first, _), (last, _) = middles[0], middles[-1]
        if last > first:
            middles = [(v, (total * q + PRIOR * _part(v, first, last)) / (total + PRIOR)) for v, q in middles]
        if len(middles) > KNOTS:
            middles = [middles[round(i * (len(middles) - 1) / (KNOTS - 1))] for i in range(KNOTS)]
        prevailing = max(count for _, count in counts) / total
        return cls(tuple(v for v, _ in middles), tuple(q for _, q in middles), max(NUMBER_SHARE, prevailing))

    def position(self, value: int | float) -> float:
        """Return the quantile of a number, by linear interpolation; it rises with the number everywhere."""
        x, first, last = clamped(value), self.knots[0], self.knots[-1]
        if first < x < last:
            right = bisect_right(self.knots, x)
            low, high = self.quantiles[right - 1], self.quantiles[right]
            return low + _part(x, self.knots[right - 1], self.knots[right]) * (high - low)
        unit = last if last > first else first + max(1.0, abs(first))
        if x <= first:
            return self.quantiles[0] + decades(_part(x, first, unit))
        return self.quantiles[-1] + decades(_part(x, first, unit) - (last > first))


@dataclass(frozen=True)
class Profile:
    """The frozen result of ``fit``; an empty one weighs all tokens alike.

    Attributes
    ----------
    documents : int
        How many documents were seen.
    frequencies : dict of path to dict of token to int
        Documents that have the token on the path; array positions are left out of the path.
    scales : dict of path to Scale
    """

    documents: int = 0
    frequencies: dict[Path, dict[Token, int]] = field(default_factory=dict)
    scales: dict[Path, Scale] = field(default_factory=dict)

    def tokens(self, path: Path, value: Any) -> Tokens:
        """Return the atoms of a leaf, each weighted by what it is and by how rare it is."""
        if isinstance(value, int | float):
            scale = self.scales.get(scale_path(path))
            if scale is None:
                return number_tokens(value, decades(value), DECADE_WIDTHS)
            tokens = number_tokens(value, scale.position(value), QUANTILE_WIDTHS)
            rarity = self.rarity(max(1.0, scale.share * self.documents))
            return {token: weight * rarity for token, weight in tokens.items()}
        tokens = string_tokens(value) if isinstance(value, str) else constant_tokens(value)
        if not self.documents:
            return tokens
        seen = self.frequencies.get(any_position(path), {})
        rarities = {token: self.rarity(seen.get(token, 1)) for token in tokens}
        exact, *words = tokens
        if words and exact not in seen:
            rarities[exact] = max(rarities[word] for word in words)
        return {token: weight * rarities[token] for token, weight in tokens.items()}

    def rarity(self, frequency: float) -> float:
        """Return the weight of a token that so many documents have."""
        return math.log((1 + self.documents) / (1 + frequency)) + FLOOR

    def to_json(self) -> dict[str, Any]:
        """Return the profile as a JSON-able dict."""
        frequencies = [
            [list(path), [[*token, count] for token, count in counts.items()]]
            for path, counts in self.frequencies.items()
        ]
        scales = [[list(path), s.knots, s.quantiles, s.share] for path, s in self.scales.items()]
        return {"documents": self.documents, "frequencies": frequencies, "scales": scales}

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Self:
        """Return the profile that :meth:`to_json` wrote."""
        frequencies = {
            tuple(path): {(kind, content): count for kind, content, count in counts}
            for path, counts in state["frequencies"]
        }
        scales = {
            tuple(path): Scale(tuple(knots), tuple(quantiles), share)
            for path, knots, quantiles, share in state["scales"]
        }
        return cls(state["documents"], frequencies, scales)


class ProfileBuilder:
    """Counts over a stream of batches; memory grows with the distinct tokens, not with the documents."""

    def __init__(self) -> None:
        self.documents = 0
        self._counts: defaultdict[Path, Counter[Token]] = defaultdict(Counter)
        self._samples: defaultdict[Path, _Sample] = defaultdict(_Sample)

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
                    self._samples[scale_path(paths[leaf])].add(value)
                else:
                    seen[places[leaf]].update(tokens[leaf])
            for path, present in seen.items():
                self._counts[path].update(present)
        self.documents += len(documents)

    def build(self) -> Profile:
        """Return the profile of all documents so far."""
        every = ((count, path, token) for path, counts in self._counts.items() for token, count in counts.items())
        kept = sorted(every, key=lambda entry: (-entry[0], repr(entry[1:])))[:MAX_TOKENS]
        frequencies: dict[Path, dict[Token, int]] = {}
        for count, path, token in kept:
            frequencies.setdefault(path, {})[token] = count
        scales = {path: Scale.learn(sample.values) for path, sample in self._samples.items()}
        return Profile(self.documents, frequencies, scales)


class _Sample:
    """A uniform sample of a stream of numbers (reservoir; Vitter 1985), the same on every run."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self._seen, self._random = 0, Random(0)

    def add(self, value: int | float) -> None:
        self._seen += 1
        if len(self.values) < SAMPLE:
            self.values.append(clamped(value))
        elif (slot := self._random.randrange(self._seen)) < SAMPLE:
            self.values[slot] = clamped(value)


def _part(x: float, low: float, high: float) -> float:
    """Return (x - low) / (high - low), kept finite; halved where a difference overflows, and only there."""
    half = 0.5 if math.isinf(x - low) or math.isinf(high - low) else 1.0
    part = (half * x - half * low) / (half * high - half * low)
    return max(-LARGEST, min(LARGEST, part))


def clamped(value: int | float) -> float:
    """Return the nearest double, for integers beyond the range the largest one."""
    try:
        return float(value)
    except OverflowError:
        return LARGEST if value > 0 else -LARGEST


def any_position(path: Path) -> Path:
    """Return the path with array positions left out."""
    return tuple(None if isinstance(step, int) else step for step in path)


def scale_path(path: Path) -> Path:
    """Return the path whose distribution a number belongs to."""
    return tuple(None if isinstance(step, int) and step >= MAX_POSITION else step for step in path)


def _countable(value: Any) -> list[Token]:
    if isinstance(value, int | float):
        return []
    tokens = string_tokens(value) if isinstance(value, str) else constant_tokens(value)
    return [token for token in tokens if not isinstance(token[1], str) or len(token[1]) <= MAX_TOKEN_LENGTH]
