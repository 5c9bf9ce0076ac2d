"""Predictions of theory for an experiment: the curves that plots draw through measured points."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hdc import bounds
from hdc.apps.capacity import accuracy
from hdc.apps.capacity.experiments import Experiment
from hdc.errors import HDCError, UnsupportedError

Real = npt.NDArray[np.float64]

FAILURE, ACCURACY, VALUE = "failure", "accuracy", "value"

MEASURES: Mapping[str, str] = {"bundle": ACCURACY, "pairs": ACCURACY, "unbinding": VALUE}
"""The quantity that an experiment's points show; by default the failure rate, which bounds limit."""

LABELS = {
    FAILURE: "failure rate (share of trials with a wrong answer)",
    ACCURACY: "accuracy (share of right answers)",
    VALUE: "similarity to the original",
}


class Curve(NamedTuple):
    """A line of theory: ``kind`` is rigorous, gaussian or expected."""

    kind: str
    x: Real
    y: Real


def measure_of(experiment: str) -> str:
    """Return which measure an experiment's points show."""
    return MEASURES.get(experiment, FAILURE)


def curves(experiment: str, settings: Mapping[str, Any], axis: str, x: Sequence[float] | Real) -> list[Curve]:
    """Return the lines that theory has for an experiment along one of its parameters.

    Parameters
    ----------
    experiment : str
    settings : mapping
        Parameters of a point; that of ``axis`` is replaced.
    axis : str
        A whole-number parameter.
    x : sequence of numbers

    Returns
    -------
    list of Curve
        Empty where nothing is known.
    """
    places = np.unique(np.round(np.asarray(x, dtype=np.float64))).astype(int)
    kinds = ("rigorous", "gaussian") if measure_of(experiment) == FAILURE else ("expected",)
    found = []
    for kind in kinds:
        try:
            y = [_predict(experiment, {**settings, axis: int(value)}, kind) for value in places]
        except HDCError:
            continue
        found.append(Curve(kind, places.astype(np.float64), np.asarray(y)))
    return found


def _predict(experiment: str, settings: Mapping[str, Any], kind: str) -> float:
    p = Experiment(experiment, settings)
    if kind == "expected":
        return _expected(experiment, p.parameters)
    return failure_bound(p, kind)


def _expected(experiment: str, p: Mapping[str, Any]) -> float:
    if experiment == "unbinding":
        return float(accuracy.unbinding_similarity(p["model"], p["depth"]))
    sizes = {name: p[name] for name in ("items", "universe", "dim")}
    return float(accuracy.accuracy(experiment, p["model"], **sizes))


def failure_bound(experiment: Experiment, kind: str) -> float:
    """Return the failure rate that a bound promises at an experiment's setting.

    Raises
    ------
    UnsupportedError
        If no such bound is known.
    """
    task, p = experiment.name, experiment.parameters
    if task not in bounds.TASKS:
        raise UnsupportedError(f"bounds are for {', '.join(bounds.TASKS)}, not for {task}")
    options = {name: p[name] for name in bounds.TASKS.get(task, ()) if name in p and name != "own"}
    if "ones" in bounds.TASKS.get(task, ()):
        options.update(experiment.model().bound_options)
    universe = {"intersection": None, "bindings": 2}.get(task, p["universe"])  # a task with two bindings
    return float(
        bounds.error_rate(task, p["model"], dim=p["dim"], items=p["items"], universe=universe, bound=kind, **options)
    )
