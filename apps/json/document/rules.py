"""User settings per path: how array items are bound, and the weight of each path."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeAlias

from hdc.apps.json.document.paths import PathRules, parse_path, show_path
from hdc.checks import choice, mapping, number, shown
from hdc.errors import ParameterError

Mode: TypeAlias = Literal["auto", "bag", "sequence", "soft", "both"]

Arrays: TypeAlias = Mode | Mapping[str, Mode]

Weights: TypeAlias = Mapping[str, float] | None

MODES: tuple[Mode, ...] = ("auto", "bag", "sequence", "soft", "both")
"""How array items are bound.

``"bag"``: all alike, so order is lost. ``"sequence"``: by position. ``"soft"``: by the ``WINDOW`` positions from its
own, so an item that moved by fewer places still matches in part. ``"both"``: half as a bag, half by position.
``"auto"``: by position if the items are numbers (coordinates, ranges, measurements), otherwise as a bag.
"""

WINDOW = 3
"""Positions that an item of a soft array covers; moved by one place it matches two thirds, by two places one third."""

LARGEST_WEIGHT = 1e6

_NEVER = frozenset({dict, str, list})
"""Types of items that are not numbers."""


@dataclass(frozen=True)
class Layout:
    """Rules for the leaves of documents and their weights.

    Attributes
    ----------
    arrays : PathRules of str
    weights : PathRules of float
    """

    arrays: PathRules[Mode]
    weights: PathRules[float]

    @classmethod
    def of(cls, arrays: Arrays = "auto", weights: Weights = None) -> Self:
        """Read the parameters of :class:`JSONEncoder`.

        Raises
        ------
        ParameterError
            If a mode, a path or a weight is invalid, or a rule is for one position of an array without positions.
        """
        modes: Mapping[str, Mode] = arrays if isinstance(arrays, Mapping) else {"": arrays}
        for path, mode in modes.items():
            choice(mode, f"arrays[{shown(path)}]" if path else "arrays", MODES)
        factors = {} if weights is None else mapping(weights, "weights")
        for path, factor in factors.items():
            number(factor, f"weights[{shown(path)}]", 0, LARGEST_WEIGHT)
        layout = cls(PathRules(modes, "auto"), PathRules(factors, 1.0))
        for path in (*modes, *factors):
            layout._check_positions(path)
        return layout

    @property
    def leaves_out(self) -> bool:
        """Whether leaves at some path weigh nothing."""
        return 0 in self.weights.values()

    def to_json(self) -> dict[str, Any]:
        """Return JSON values that are the same if and only if the rules are."""
        return {"arrays": self.arrays.to_json(), "weights": self.weights.to_json()}

    def _check_positions(self, rule: str) -> None:
        path = parse_path(rule)
        for length, step in enumerate(path):
            mode = self.arrays[path[:length]]
            if isinstance(step, int) and mode not in ("auto", "sequence"):
                array = show_path(path[:length])
                raise ParameterError(
                    f"a rule for {rule} cannot hold: the items of {array} have no position of their own, as it is "
                    f"bound as {mode!r}; write [] for all items, or bind {array} as 'sequence'"
                )


def by_position(items: Sequence[object]) -> bool:
    """Say whether ``"auto"`` binds the items of an array by position: whether all are numbers."""
    if items and type(items[0]) in _NEVER:  # the most frequent case of arrays without numbers
        return False
    return all(issubclass(kind, int | float) and kind is not bool for kind in set(map(type, items)))


def resolved(mode: Mode, items: Sequence[object]) -> Mode:
    """Resolve ``"auto"`` for the items of an array; return other modes unchanged."""
    if mode != "auto":
        return mode
    return "sequence" if by_position(items) else "bag"


def steps(position: int, mode: Mode) -> list[tuple[int | None, float]]:
    """Return the steps that bind an item by position, and their weights, whose squares sum to one."""
    if mode == "soft":
        return [(place, WINDOW**-0.5) for place in range(position, position + WINDOW)]
    if mode == "both":
        return [(None, math.sqrt(0.5)), (position, math.sqrt(0.5))]
    return [(position, 1.0)]


def overlap(query: int, place: int, mode: Mode) -> float:
    """Return the share of an item's match that remains if its position differs from that in the query.

    It is the dot product of the outputs of :func:`steps` for the two positions.
    """
    if mode == "soft":
        return max(0.0, 1 - abs(query - place) / WINDOW)
    if mode == "both":
        return 1.0 if query == place else 0.5
    return 1.0
