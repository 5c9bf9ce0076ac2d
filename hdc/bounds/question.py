"""The question to a bound: a task and its numbers, checked once."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hdc.checks import BETWEEN, choice, flag, integers, known, numbers, shape_of, wrong
from hdc.errors import ParameterError

Real = npt.NDArray[np.float64]

SHAPES = ("tree", "chain")

TASKS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "membership": ("ones",),
        "intersection": ("tolerance", "other", "overlap", "ones"),
        "key-value": (),
        "bindings": ("factors", "own"),
        "sequence": ("repeats",),
        "nested": ("shape", "depth", "ones"),
    }
)
"""The options of each task besides items, universe and error."""


@dataclass(frozen=True)
class Question:
    """The numbers of one question, or of many at once: arrays broadcast against each other.

    Parameters
    ----------
    items : array
        Members of the set (of each set, for intersections), pairs, bindings, positions, or vectors bundled at each
        node (``shape="tree"``) or one after another (``shape="chain"``).
    universe : array
        Symbols to distinguish: all of them are decided correctly with probability 1 - error. For bindings, the number
        of named bindings in question.
    log_error : array
        Natural logarithm of the error.
    tolerance : array
        Largest admissible error of an intersection's size.
    other, overlap : array, optional
        Size of the second set (``items``) and of the intersection (the smaller set: the worst case).
    factors : array
        Vectors in each binding.
    own : bool
        Whether each binding has a factor that no other has (distinct keys), which makes the noise independent.
    repeats : array
        Largest number of times that one symbol occurs in the sequence.
    shape : {"tree", "chain"}
        Of a nested bundle.
    depth : array
        Levels of the tree.
    ones : array, optional
        Ones of a sparse atom; the best number if not given.
    """

    items: Real
    universe: Real
    log_error: Real
    tolerance: Real | None = None
    other: Real | None = None
    overlap: Real | None = None
    factors: Real | None = None
    own: bool = False
    repeats: Real | None = None
    shape: str = "tree"
    depth: Real | None = None
    ones: Real | None = None

    @classmethod
    def ask(cls, task: str, *, items: Any, universe: Any, error: Any, options: Mapping[str, Any]) -> Self:
        """Check the numbers of a question.

        Raises
        ------
        UnknownNameError
            If the task is unknown.
        ParameterError
            If a number is out of range, or an option does not belong to the task; the message says what does.
        """
        check_task(task)
        unknown = sorted(set(options) - set(TASKS[task]))
        if unknown:
            takes = ", ".join(("items", "universe", "error", *TASKS[task]))
            raise ParameterError(f"{task} has no option {unknown[0]!r}; it takes {takes}")
        numbers: dict[str, Any] = {name: _whole(name, value) for name, value in options.items() if name in _WHOLE}
        others = {name: value for name, value in options.items() if name not in _WHOLE and name != "tolerance"}
        if task == "intersection":
            numbers["tolerance"] = _positive("tolerance", options.get("tolerance"))
            universe = 1 if universe is None else universe
        if task == "bindings" and universe is None:
            universe = 1
        question = cls(
            _whole("items", items), _whole("universe", universe), log_error(error), **numbers, **_texts(others)
        )
        question.check(task)
        return question

    def check(self, task: str) -> None:
        """Raise :class:`ParameterError` if the universe is too small for the items, DimensionError if shapes differ."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        shape_of(**{name: value for name, value in given.items() if isinstance(value, np.ndarray)})
        needed = {
            "membership": self.items,
            "sequence": np.ceil(self.items / self.number("repeats", 1)),
            "nested": self.leaves,
        }.get(task)
        if needed is not None and np.any(needed > self.universe):
            raise ParameterError(
                f"items must not exceed the universe they are drawn from: {task} needs at least "
                f"{_shown(needed)} different symbols, and universe={_shown(self.universe)}"
            )
        if self.overlap is not None and np.any(self.overlap > np.minimum(*self.sizes)):
            raise ParameterError(f"overlap must not exceed the smaller set, not overlap={_shown(self.overlap)}")

    def number(self, name: str, default: float) -> Real:
        """Return an optional number, or its default."""
        value = getattr(self, name)
        return np.asarray(default, dtype=np.float64) if value is None else value

    @property
    def log_ratio(self) -> Real:
        """``l = ln(d/δ)``."""
        return np.asarray(np.log(self.universe) - self.log_error)

    @property
    def sizes(self) -> tuple[Real, Real]:
        """Sizes a and b of the two sets."""
        return self.items, self.items if self.other is None else self.other

    @property
    def pairs(self) -> Real:
        """``ab + t² - 2t``: the variance of an intersection's estimate in units of 1/m."""
        a, b = self.sizes
        t = np.minimum(a, b) if self.overlap is None else self.overlap
        return np.asarray(np.maximum(a * b + t * t - 2 * t, 0))

    @property
    def leaves(self) -> Real:
        """Number of symbols in a nested bundle."""
        if self.shape == "chain":
            return self.items
        with np.errstate(over="ignore"):
            return np.asarray(self.items ** self.number("depth", 1))


_WHOLE = ("other", "overlap", "factors", "repeats", "depth", "ones")
_MAY_BE_ZERO = ("overlap",)


def check_task(task: str) -> None:
    """Raise :class:`UnknownNameError` unless the task is known."""
    known(task, "task", TASKS)


def log_error(error: Any) -> Real:
    """Return the logarithm of an error rate strictly between 0 and 1."""
    value = numbers(_given("error", error), "error", BETWEEN)
    if not np.all((value > 0) & (value < 1)):
        raise wrong(error, "error", BETWEEN)
    return np.asarray(np.log(value))


def whole(name: str, value: Any) -> Real:
    """Return whole numbers of at least 1, or raise :class:`ParameterError`."""
    return _whole(name, value)


def _whole(name: str, value: Any) -> Real:
    return integers(_given(name, value), name, 0 if name in _MAY_BE_ZERO else 1)


def _positive(name: str, value: Any) -> Real:
    array = numbers(_given(name, value), name, "a number greater than 0")
    if not np.all((array > 0) & np.isfinite(array)):
        raise wrong(value, name, "a number greater than 0")
    return array


def _given(name: str, value: Any) -> Any:
    if value is None:
        raise ParameterError(f"{name} is needed for this task, and none was given")
    return value


def _texts(options: Mapping[str, Any]) -> dict[str, Any]:
    checked = dict(options)
    if "shape" in options:
        checked["shape"] = choice(options["shape"], "shape", SHAPES)
    if "own" in options:
        checked["own"] = flag(options["own"], "own")
    return checked


def _shown(value: Real) -> str:
    return f"{value:g}" if value.ndim == 0 else str(value)
