"""Capacity experiments of a server: one at a time, within limits, with points that you can watch as they grow."""

import threading
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from hdc import bounds
from hdc.apps.capacity import Experiment
from hdc.apps.capacity.intervals import wilson
from hdc.apps.capacity.protocols import protocol
from hdc.apps.serve.background import Job
from hdc.apps.serve.capacity import Setting, failures
from hdc.apps.serve.models import MOST_TRIALS
from hdc.checks import integer
from hdc.errors import ConflictError, HDCError, ParameterError

MOST_ITEMS = 2000
MOST_UNIVERSE = 20_000
MOST_DIM = 60_000
SECONDS = 60.0
"""Time limit of an experiment; points keep the trials done until then."""

ROUND = 32
"""Trials of a point per turn."""

DIMS = 8
EASY, HARD = 0.01, 0.9
"""Error rates at the greatest and the least dimension of an experiment."""

SPARSE = ("Bloom", "CountingBloom")

ALPHABET = 1000
"""Symbols of each factor of a binding."""


@dataclass
class Tried:
    """A point of an experiment that gains trials.

    Attributes
    ----------
    dim : int
    trials, failures : int
    """

    dim: int
    trials: int = 0
    failures: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the point with its interval."""
        point: dict[str, Any] = {"dim": self.dim, "trials": self.trials, "failures": self.failures}
        if self.trials:
            share = self.failures / self.trials
            low, high = wilson(share, self.trials)
            point |= {"failure": share, "low": low, "high": high}
        return point


class Run(Job):
    """A running or finished experiment.

    Attributes
    ----------
    number : int
        Number of the run, counted per server.
    setting : Setting
        The setting, with the universe that symbols are drawn from.
    trials : int
        Trials of each point when finished.
    points : list of Tried
    late : bool
        Whether time ran out before all trials were done.
    """

    def __init__(self, number: int, setting: Setting, trials: int, points: list[Tried]) -> None:
        super().__init__()
        self.number, self.setting, self.trials, self.points = number, setting, trials, points
        self.late, self._began, self._seconds = False, time.monotonic(), 0.0

    def measure(self) -> None:
        """Run the trials of all points in turns until they are done or time runs out."""
        experiments = [experiment_of(self.setting, point.dim) for point in self.points]
        for start in range(0, self.trials, ROUND):
            stop = min(start + ROUND, self.trials)
            for point, experiment in zip(self.points, experiments, strict=True):
                self.check()
                if time.monotonic() - self._began > SECONDS:
                    self.late = True
                    return
                batches = list(experiment.answers(start, stop))
                point.failures += sum(int((batch.right < experiment.asked).sum()) for batch in batches)
                point.trials += stop - start

    def ended(self) -> None:
        """Record the duration."""
        self._seconds = time.monotonic() - self._began

    def to_json(self) -> dict[str, Any]:
        """Return the state of the run as JSON."""
        working = self.state == "working"
        return {
            "number": self.number,
            "setting": self.setting.to_json(),
            "state": self.state,
            "late": self.late,
            "error": self.error,
            "trials": self.trials,
            "part": sum(point.trials for point in self.points) / (self.trials * len(self.points)),
            "seconds": round(time.monotonic() - self._began if working else self._seconds, 2),
            "points": [point.to_json() for point in self.points],
            "curves": _curves(self.setting),
        }


def _curves(setting: Setting) -> list[dict[str, Any]]:
    """Return the error rates that bounds guarantee in the setting of an experiment."""
    found = []
    for kind in ("rigorous", "gaussian"):
        try:
            found.append(failures(setting, kind))
        except HDCError:
            continue
    return found


def tried_setting(setting: Setting) -> Setting:
    """Return the setting of an experiment for a question.

    Intersections need no universe, and bindings are tested in pairs, as in :mod:`hdc.apps.capacity.protocols`.

    Raises
    ------
    ParameterError
        If it exceeds the limits of a server, which the message names.
    """
    integer(setting.items, "items of an experiment", 1, MOST_ITEMS)
    universe = {"intersection": 4 * setting.items, "bindings": 2}.get(setting.task, setting.universe)
    if universe > MOST_UNIVERSE:
        raise ParameterError(
            f"an experiment on this server draws from at most {MOST_UNIVERSE:,} symbols, not {universe:,}; take a "
            "smaller universe here, or run hdc capacity run on your machine"
        )
    plan = protocol(setting.task)
    taken = (*plan.needs, *plan.defaults, *(["ones"] if setting.model in SPARSE else []))
    options = tuple((name, value) for name, value in setting.options if name in taken)
    return Setting(setting.task, setting.model, setting.items, universe, setting.error, options)


def dimensions_of(setting: Setting) -> list[int]:
    """Return the dimensions to try, from one where most trials fail to one where hardly any does.

    Raises
    ------
    UnsupportedError
        If no bound predicts them.
    ParameterError
        If they exceed the limit of a server.
    """
    kind = "gaussian" if _has(setting, "gaussian") else "rigorous"
    low, high = (int(setting.dimension(kind, instead={"error": error})) for error in (HARD, EASY))
    if high > MOST_DIM:
        raise ParameterError(
            f"this experiment needs vectors of some {high:,} components, and a server tries up to {MOST_DIM:,}; "
            "take fewer items, or run hdc capacity run on your machine"
        )
    asked = np.unique(np.round(np.geomspace(max(2, 0.6 * low), max(3, 1.15 * high), DIMS)).astype(int)).tolist()
    return sorted({experiment_of(setting, dim).parameters["dim"] for dim in asked})


def _has(setting: Setting, kind: str) -> bool:
    return any((b.task, b.model, b.kind) == (setting.task, setting.model, kind) for b in bounds.table())


def experiment_of(setting: Setting, dim: int) -> Experiment:
    """Return the experiment of a setting at the lowest dimension from ``dim`` on that the model allows."""
    universe = ALPHABET if setting.task == "bindings" else setting.universe
    parameters = {"model": setting.model, "items": setting.items, "universe": universe, **dict(setting.options)}
    first = Experiment(setting.task, {**parameters, "dim": dim})
    return Experiment(setting.task, {**parameters, "dim": first.next_dim(dim)})


class Trials:
    """The experiments of a server, one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._run: Run | None = None

    def start(self, setting: Setting, trials: int = 256) -> Run:
        """Start an experiment.

        Raises
        ------
        ConflictError
            If one is running.
        ParameterError, UnsupportedError
            If it exceeds the limits of a server, or no bound predicts the dimensions to try.
        """
        trials = integer(trials, "trials", 1, MOST_TRIALS)
        tried = tried_setting(setting)
        dims = dimensions_of(tried)
        with self._lock:
            if self._run is not None and self._run.state == "working":
                raise ConflictError("an experiment is running; wait for it, or cancel it")
            number = 1 if self._run is None else self._run.number + 1
            run = self._run = Run(number, tried, trials, [Tried(dim) for dim in dims])
            run.begin(run.measure, run.ended)
        return run

    def latest(self) -> Run | None:
        """Return the latest run."""
        return self._run

    def cancel(self) -> None:
        """Cancel the running experiment, if any, and wait until it has stopped."""
        if self._run is not None:
            self._run.cancel()
