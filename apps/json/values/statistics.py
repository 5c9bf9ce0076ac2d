"""Statistics that ``fit`` learns about a collection: the rarity of each token, and the spread of the numbers per path.

A token in every document carries little information, a token in few documents much. Its weight is
``ln((1 + n) / (1 + df)) + 0.1`` for n documents of which df have it on that path (Spärck Jones 1972, smoothed). The df
of an unseen token is 1. A string not seen as a whole is as rare as its rarest word.
"""

import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Self, TypeAlias, get_args

from hdc.apps.json.document.constant import Constant
from hdc.apps.json.document.paths import Path, any_position, scale_path
from hdc.apps.json.values.number_scale import Scale
from hdc.apps.json.values.numbers import Quantities
from hdc.apps.json.values.tokens import Token
from hdc.checks import integer, number

FLOOR = 0.1
"""Weight of a token that every document has: it still counts if nothing else distinguishes documents."""


Quantity: TypeAlias = tuple[Path, Quantities]
"""What has its own scale: the numbers of a path that measure the same thing; see :data:`Quantities`."""


@dataclass(frozen=True)
class Profile:
    """The frozen result of ``fit``; an empty one weighs all tokens alike.

    Attributes
    ----------
    documents : int
        How many documents were seen.
    frequencies : dict of path to dict of token to int
        Documents that have the token on the path; the path has no array positions.
    scales : dict of (path, kind) to Scale
    numbers : dict of path to dict of number to int
        Numbers seen and how often, ascending: all, or some spread evenly over their order.
    codes : frozenset of path
        Paths whose strings are identifiers, without array positions.
    """

    documents: int = 0
    frequencies: dict[Path, dict[Token, int]] = field(default_factory=dict)
    scales: dict[Quantity, Scale] = field(default_factory=dict)
    numbers: dict[Path, dict[int | float, int]] = field(default_factory=dict)
    codes: frozenset[Path] = frozenset()

    def rarity(self, frequency: float) -> float:
        """Return the weight of a token that this many documents have."""
        return math.log((1 + self.documents) / (1 + frequency)) + FLOOR

    def values(self, path: Path) -> list[tuple[Any, int]]:
        """Return the values seen at a path, as in leaves, and how many documents had them: most frequent first.

        Bounded: the frequent strings of at most ``MAX_TOKEN_LENGTH`` characters, and at most ``NUMBERS`` numbers,
        whose counts are estimates where many were seen (see :mod:`hdc.apps.json.values.learning`).
        """
        found: list[tuple[Any, int]] = list(self.numbers.get(scale_path(path), {}).items())
        for (kind, content), count in self.frequencies.get(any_position(path), {}).items():
            if kind == "=":
                found.append((content, count))
            elif kind == "constant":
                found.append((None if content == "null" else Constant(content), count))
        return sorted(found, key=lambda value: -value[1])

    def to_json(self) -> dict[str, Any]:
        """Return the profile as a JSON-able dict."""
        frequencies = [
            [list(path), [[*token, count] for token, count in counts.items()]]
            for path, counts in self.frequencies.items()
        ]
        scales = [[list(path), kind, s.knots, s.quantiles, s.share] for (path, kind), s in self.scales.items()]
        numbers = [[list(path), list(counts.items())] for path, counts in self.numbers.items()]
        return {
            "documents": self.documents,
            "frequencies": frequencies,
            "scales": scales,
            "numbers": numbers,
            "codes": [list(path) for path in self.frequencies if path in self.codes],
        }

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Self:
        """Return the profile that :meth:`to_json` wrote.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is not such.
        """
        frequencies = {read_path(path): _counted(counts) for path, counts in state["frequencies"]}
        scales = {
            (read_path(path), read_quantity(kind)): _scale(knots, quantiles, share)
            for path, kind, knots, quantiles, share in state["scales"]
        }
        numbers = {
            read_path(path): {_number(value): read_count(count) for value, count in counts}
            for path, counts in state["numbers"]
        }
        return cls(
            read_count(state["documents"]), frequencies, scales, numbers, frozenset(map(read_path, state["codes"]))
        )


def _counted(counts: Any) -> dict[Token, int]:
    """Read the frequencies of a path's tokens; nearly all are valid, which one check shows."""
    found: dict[Token, int] = {}
    for kind, content, count in counts:
        if type(kind) is type(content) is str and kind and type(count) is int and count >= 0:
            found[kind, content] = count
        else:
            found[_token(kind, content)] = read_count(count)
    return found


def read_count(value: Any) -> int:
    """Return a count that was read from a file; raises ParameterError."""
    return integer(value, "a count", 0)


def _number(value: Any) -> int | float:
    if type(value) is not int and not (type(value) is float and math.isfinite(value)):
        raise ValueError(f"{value!r:.50} is no number")
    return value


def _token(kind: Any, content: Any) -> Token:
    if not isinstance(kind, str) or not kind or not isinstance(content, str | int | float):
        raise ValueError(f"{kind!r:.50} and {content!r:.50} are no token")
    return kind, content


def read_path(steps: Any) -> Path:
    """Return a path that was read from a file; raises ValueError."""
    if not isinstance(steps, list) or not all(step is None or type(step) in (str, int) for step in steps):
        raise ValueError(f"{steps!r:.50} is no path")
    return tuple(steps)


def read_quantity(kind: Any) -> Quantities:
    """Return what numbers count, read from a file; raises ValueError."""
    if kind not in get_args(Quantities):
        raise ValueError(f"{kind!r:.50} is not among {get_args(Quantities)}")
    return kind  # type: ignore[no-any-return]


def _scale(knots: Any, quantiles: Any, share: Any) -> Scale:
    x, y = (tuple(map(_number, values)) for values in (knots, quantiles))
    if not x or len(x) != len(y) or any(a >= b for a, b in pairwise(x)) or any(a > b for a, b in pairwise(y)):
        raise ValueError("a scale has knots and quantiles that ascend")
    return Scale(x, y, number(share, "a share", 0, 1))
