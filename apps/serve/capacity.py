"""The data of the capacity page: bounds as curves, their theorems, and the storage of all models."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc import bounds
from hdc.apps.capacity import theory
from hdc.checks import choice, fraction, integer, known
from hdc.errors import HDCError, ParameterError, UnsupportedError

AXES = ("items", "universe", "error")
"""Possible x-axes of a curve."""

RANGES: Mapping[str, tuple[float, float]] = {"items": (1, 10_000), "universe": (2, 1e9), "error": (1e-9, 0.5)}

POINTS = 41
"""Points of a curve."""

ERRORS = np.geomspace(1e-9, 0.95, 33)
"""Error rates whose dimensions give the curve of the error over the dimension."""

DEFAULTS: Mapping[str, Any] = {"tolerance": 5.0, "factors": 2, "repeats": 1, "shape": "tree", "depth": 2}

ASKED = ("task", "model", "items", "universe", "error")

Real = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Setting:
    """A question: a task on a model, its numbers, and the options of the task.

    Raises
    ------
    UnknownNameError, ParameterError
        If a name is unknown, or a number is out of range.
    """

    task: str
    model: str
    items: int
    universe: int
    error: float
    options: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        known(self.task, "task", tuple(bounds.TASKS))
        known(self.model, "model", bounds.MODELS)
        integer(self.items, "items", 1, 10**9)
        integer(self.universe, "universe", 1, 10**15)
        fraction(self.error, "error")

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "Setting":
        """Read a setting from the texts of a query string; omitted entries have defaults."""
        task = given.get("task", "membership")
        known(task, "task", tuple(bounds.TASKS))
        names = (*bounds.TASKS[task], *ASKED, "axis")
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise ParameterError(f"{task} has no option {unknown[0]!r}; it takes {', '.join(names)}")
        options = {name: DEFAULTS[name] for name in bounds.TASKS[task] if name in DEFAULTS}
        options |= {name: _option(name, given[name]) for name in bounds.TASKS[task] if given.get(name)}
        return cls(
            task,
            given.get("model", "MAP-B"),
            int(_number("items", given.get("items", "200"))),
            int(_number("universe", given.get("universe", "1000000"))),
            _number("error", given.get("error", "0.001")),
            tuple(sorted(options.items())),
        )

    def dimension(self, kind: str, model: str | None = None, *, instead: Mapping[str, Any] | None = None) -> Any:
        """Return the dimension that a bound requires; an array instead of a number returns an array."""
        numbers = {"items": self.items, "universe": self.universe, "error": self.error, **(instead or {})}
        if self.task == "intersection":
            numbers["universe"] = None
        return bounds.dimension(self.task, model or self.model, bound=kind, **numbers, **dict(self.options))

    def to_json(self) -> dict[str, Any]:
        """Return the setting as JSON."""
        numbers = {"items": self.items, "universe": self.universe, "error": self.error}
        return {"task": self.task, "model": self.model, **numbers, "options": dict(self.options)}


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ParameterError(f"{name} must be a number, not {text!r:.50}") from None
    if not np.isfinite(number) or (name in ("items", "universe") and number != int(number)):
        raise ParameterError(f"{name} must be a {'whole ' if name != 'error' else ''}number, not {text!r:.50}")
    return number


def _option(name: str, text: str) -> Any:
    if name == "shape":
        return text
    if name == "own":
        return choice(text, "own", ("true", "false")) == "true"
    number = _number(name, text)
    if name == "tolerance":
        return number
    if number != int(number):
        raise ParameterError(f"{name} must be a whole number, not {text!r:.50}")
    return int(number)


def choices() -> dict[str, Any]:
    """Return the choices for a setting: tasks and their options, models, kinds of bounds, and ranges."""
    there: dict[str, dict[str, list[str]]] = {task: {} for task in bounds.TASKS}
    for bound in bounds.table():
        there[bound.task].setdefault(bound.model, []).append(bound.kind)
    return {
        "tasks": {task: list(options) for task, options in bounds.TASKS.items()},
        "models": list(bounds.MODELS),
        "kinds": list(bounds.KINDS),
        "known": there,
        "ranges": {name: list(ends) for name, ends in RANGES.items()},
        "defaults": dict(DEFAULTS),
    }


@lru_cache(maxsize=256)
def answered(setting: Setting, axis: str = "items") -> dict[str, Any]:
    """Return all data that the page shows for a setting.

    Parameters
    ----------
    setting : Setting
    axis : {"items", "universe", "error"}
        The x-axis of the curves of the dimension.

    Returns
    -------
    dict
        ``answers``: dimension, statement, source and standing of each kind of bound, or why there is none. ``curves``:
        the dimension along the axis. ``failures``: the error over the dimension. ``storage``: dimension and bits of
        each model. All numbers are from :mod:`hdc.bounds`.

    Raises
    ------
    ParameterError
        If the axis is unknown, or the numbers of the setting are incompatible.

    Examples
    --------
    >>> answer = answered(Setting("membership", "MAP-B", 200, 1_000_000, 1e-3))
    >>> [(one["kind"], one["dimension"]) for one in answer["answers"]]
    [('rigorous', 52214), ('gaussian', 45320), ('paper', 239864)]
    """
    choice(axis, "axis", AXES)
    answers = [_answer(setting, kind) for kind in bounds.KINDS]
    kinds = [answer["kind"] for answer in answers if answer["dimension"] is not None]
    places = _places(setting, axis)
    return {
        "setting": setting.to_json(),
        "answers": answers,
        "curves": {
            "axis": axis,
            "x": places.tolist(),
            "series": [{"kind": kind, "y": _along(setting, kind, axis, places)} for kind in kinds],
        },
        "failures": [failures(setting, kind) for kind in kinds],
        "storage": _storage(setting),
    }


def _answer(setting: Setting, kind: str) -> dict[str, Any]:
    answer: dict[str, Any] = {"kind": kind, "dimension": None}
    try:
        bound = bounds.find(setting.task, setting.model, kind)
        answer["dimension"] = setting.dimension(kind)
    except UnsupportedError as error:
        return {**answer, "reason": str(error)}
    return {**answer, "statement": bound.statement, "source": bound.source, "standing": bound.standing}


def _places(setting: Setting, axis: str) -> Real:
    low, high = RANGES[axis]
    own = float(getattr(setting, axis))
    places = np.geomspace(min(low, own), max(high, own), POINTS)
    if axis == "error":
        return np.unique(np.append(places, own))
    return np.unique(np.append(np.round(places), own))


def _along(setting: Setting, kind: str, axis: str, places: Real) -> list[int | None]:
    """Return the dimension at each place; None where the numbers are incompatible."""
    try:
        found: list[int | None] = np.asarray(setting.dimension(kind, instead={axis: places})).tolist()
        return found
    except HDCError:
        pass
    found = []
    for place in places:
        try:
            found.append(int(setting.dimension(kind, instead={axis: place})))
        except HDCError:
            found.append(None)
    return found


def failures(setting: Setting, kind: str) -> dict[str, Any]:
    """Return the error rate that a bound guarantees over the dimension: ascending dimensions and their errors."""
    dimensions = np.asarray(setting.dimension(kind, instead={"error": ERRORS}), dtype=np.float64)
    order = np.argsort(dimensions, kind="stable")
    return {"kind": kind, "x": dimensions[order].astype(np.int64).tolist(), "y": ERRORS[order].tolist()}


def _storage(setting: Setting) -> list[dict[str, Any]]:
    """Return the storage of each model, least first, by its rigorous bound or, if it has none, its Gaussian bound."""
    found = []
    for model in bounds.MODELS:
        for kind in ("rigorous", "gaussian"):
            try:
                dim = setting.dimension(kind, model)
            except HDCError:
                continue
            bits = theory.storage_bits(model, dim, setting.items)
            standing = bounds.find(setting.task, model, kind).standing.split(";")[0].rstrip(".")
            found.append({"model": model, "kind": kind, "dimension": dim, "bits": bits, "standing": standing})
            break
    return sorted(found, key=lambda row: (row["bits"], row["model"]))
