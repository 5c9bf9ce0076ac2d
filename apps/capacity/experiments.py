"""Run experiments: grids of points in parallel, resumable, each point a function of its parameters and seed."""

import itertools
import os
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

import hdc
from hdc import atoms
from hdc.apps.capacity.draws import MEMORY, Codebook, Draws, Ints, canonical
from hdc.apps.capacity.protocols import MATRICES, PROTOCOLS, Answers, Batch, Parameters, Protocol, protocol
from hdc.apps.capacity.results import Point, Points, Results
from hdc.apps.cluster import joblib_backend
from hdc.apps.progress import tracked
from hdc.bounds.question import SHAPES
from hdc.checks import choice, flag, integer, mapping, text, texts
from hdc.errors import ParameterError
from hdc.registry import model_class

DEEPEST = 1 << 16
"""Most levels of a nested bundle, and most binds in a row."""

LARGEST = 2**31 - 1
"""Most of anything else, because symbols are drawn by scaling 32 random bits."""

MOST_PROCESSES = 1 << 12

WHOLE = ("dim", "items", "universe", "other", "depth", "factors", "ones", "load")
"""Parameters that are always whole numbers of at least 1."""


@dataclass(frozen=True)
class Experiment:
    """An experiment at one setting: a protocol, its parameters, and a model.

    Parameters
    ----------
    name : str
        One of :func:`names`.
    parameters : mapping
        ``model``, ``dim``, ``backend`` (``"auto"``), ``device`` (``"cpu"``), the protocol's, and those of the model.
    seed : int

    Raises
    ------
    UnknownNameError, ParameterError
        If the setting is invalid; the message says what is allowed.
    """

    name: str
    parameters: Mapping[str, Any]
    seed: int = 0

    def __post_init__(self) -> None:
        plan = protocol(self.name)
        given = {"backend": "auto", **plan.defaults, **mapping(self.parameters, "parameters")}
        missing = [name for name in ("model", "dim", *plan.needs) if name not in given]
        if missing:
            raise ParameterError(f"{self.name} needs {', '.join(missing)}; its parameters are {_parameter_names(plan)}")
        if self.name == "intersection" and given["other"] is None:
            given["other"] = given["items"]
        for name in WHOLE:
            if name in given:
                given[name] = integer(given[name], name, 1, DEEPEST if name == "depth" else LARGEST)
        object.__setattr__(self, "parameters", given)
        object.__setattr__(self, "seed", atoms.check_seed(self.seed))
        text(given["model"], "model")
        self._check_range(plan)
        self.model()

    def _check_range(self, plan: Protocol) -> None:
        p = self.parameters
        if self.name == "intersection":
            integer(p["overlap"], "overlap", 0, min(p["items"], p["other"]))
        choice(p.get("shape", "tree"), "shape", SHAPES)
        if plan.distinct(p) > p["universe"]:
            raise ParameterError(
                f"{self.name} draws {plan.distinct(p)} different symbols from a universe of only {p['universe']}"
            )

    def model(self) -> hdc.VSA:
        """Return the model at this setting; for a matrix memory, the MAP-I of its atoms."""
        kind, parameters = self._made_by()
        return kind.from_parameters(dim=self.parameters["dim"], **parameters)

    def next_dim(self, least: int) -> int:
        """Return the least dimension, of at least one, that the model of this setting takes."""
        kind, parameters = self._made_by()
        return kind.next_dim(least, **parameters)

    def _made_by(self) -> tuple[type[hdc.VSA], dict[str, Any]]:
        plan, p = protocol(self.name), self.parameters
        place = {name: p[name] for name in ("backend", "device") if name in p}
        extra = {k: v for k, v in p.items() if k not in {"model", "dim", *place, *plan.needs, *plan.defaults}}
        if p["model"] in MATRICES and self.name not in ("membership", "intersection"):
            raise ParameterError(f"{p['model']} takes part in membership and intersection, not in {self.name}")
        sparse = p["model"] in ("Bloom", "CountingBloom") and not {"ones", "load"} & set(extra)
        if sparse and plan.load(p):
            extra["load"] = plan.load(p)
        kind = hdc.MAPI if p["model"] in MATRICES else model_class(p["model"])
        return kind, {**place, "seed": self.seed, **extra}

    @property
    def stored(self) -> str:
        """The parameters as canonical JSON."""
        return canonical(self.parameters)

    @property
    def asked(self) -> int:
        """Questions in each trial."""
        return protocol(self.name).asked(self.parameters)

    def answers(self, start: int, stop: int) -> Iterator[Answers]:
        """Yield the answers of trials ``start`` to ``stop - 1``, in batches that fit the memory limit.

        A trial's answers depend on nothing but the setting, the seed and its number.
        """
        plan, vsa = protocol(self.name), self.model()
        algebra = canonical({k: v for k, v in self.parameters.items() if k not in ("backend", "device")})
        draws = Draws(vsa, self.name, algebra, self.seed)
        bytes_each = 8 * vsa.dim * max(1, plan.vectors(self.parameters))
        step = max(1, MEMORY // bytes_each)
        for block in range(start // plan.block, -(-stop // plan.block)):
            codebook = Codebook(draws, block, self.parameters["universe"])
            first, last = max(start, block * plan.block), min(stop, (block + 1) * plan.block)
            for low in range(first, last, step):
                trials: Ints = np.arange(low, min(last, low + step), dtype=np.int64)
                yield plan.answer(Batch(draws, codebook, self.parameters, trials))

    def measure(self, trials: int) -> Point:
        """Return the point of the first ``trials`` trials."""
        batches = list(self.answers(0, trials))
        right = np.concatenate([batch.right for batch in batches])
        values = [batch.value for batch in batches if batch.value is not None]
        return Point(
            self.name,
            self.stored,
            self.seed,
            trials,
            asked=trials * self.asked,
            right=int(right.sum()),
            perfect=int((right == self.asked).sum()),
            value=float(f"{np.concatenate(values).mean():.6g}") if values else None,
        )


def names() -> tuple[str, ...]:
    """Return the names of the experiments."""
    return tuple(PROTOCOLS)


def expand(grid: Mapping[str, Any]) -> list[Parameters]:
    """Return the settings of a grid: every combination of the values of entries that are lists or tuples."""
    names_given = texts(mapping(grid, "grid").keys(), "the names of parameters")
    values = [value if isinstance(value, list | tuple) else [value] for value in grid.values()]
    axes = [[(name, one) for one in axis] for name, axis in zip(names_given, values, strict=True)]
    if not all(axes):
        raise ParameterError("every parameter of a grid needs at least one value")
    return [dict(combination) for combination in itertools.product(*axes)]


def run(
    experiment: str,
    grid: Mapping[str, Any],
    trials: int = 1000,
    seed: int = 0,
    n_jobs: int = 1,
    progress: bool = True,
    results: str | os.PathLike[str] | None = None,
    cluster: Any = None,
) -> Points:
    """Measure every point of a grid.

    Points run in parallel by joblib, on a cluster by its Dask backend. With ``results``, each finished point is
    written at once, and points that the file has are not measured again.

    Parameters
    ----------
    experiment : str
        One of :func:`names`.
    grid : mapping
        ``model``, ``dim`` and the other parameters; a list (or tuple) of values is an axis of the grid.
    trials : int
        At each point.
    seed : int
    n_jobs : int
        Processes; -1 is one a core. Results do not depend on it.
    progress : bool
        Show a bar with the time left, if standard error is a terminal.
    results : path, optional
        SQLite file, see :mod:`hdc.apps.capacity.results`.
    cluster : str or distributed.Client, optional
        A Dask cluster that works in the place of processes here, all of it; see :class:`~hdc.apps.cluster.Cluster`.

    Returns
    -------
    Points
        A list of Point, in the order of the grid.

    Raises
    ------
    UnknownNameError, ParameterError
        Before anything runs, if a setting is invalid; the message says what is allowed.
    FileFormatError
        If ``results`` is another kind of file.
    WorkerError
        If the cluster cannot be reached; or if its workers die of a point, or it is lost. The same call goes on.
    """
    from joblib import Parallel, delayed

    trials = integer(trials, "trials", 1)
    seed = integer(seed, "seed", -(1 << 63), (1 << 63) - 1)  # as SQLite returns them
    workers, show = processes(n_jobs), flag(progress, "progress")
    settings = [Experiment(experiment, parameters, seed) for parameters in expand(grid)]
    store = None if results is None else Results(results)
    found = {point.key: point for point in (store.points() if store else ())}
    keys = [(experiment, setting.stored, seed, trials) for setting in settings]
    missing = {key: setting for key, setting in zip(keys, settings, strict=True) if key not in found}
    with nullcontext() if cluster is None else joblib_backend(cluster):
        finished = Parallel(n_jobs=workers if cluster is None else -1, return_as="generator_unordered")(
            delayed(setting.measure)(trials) for setting in missing.values()
        )
        for point in tracked(finished, len(set(keys)), len(set(keys)) - len(missing), show=show):
            found[point.key] = point
            if store:
                store.add(point)
    return Points(found[key] for key in keys)


def processes(n_jobs: Any) -> int:
    """Return a number of processes: at least 1, or -1 for one a core.

    Raises
    ------
    ParameterError
        If it is another.
    """
    if isinstance(n_jobs, int | np.integer) and n_jobs == -1:
        return -1
    return integer(n_jobs, "n_jobs (-1: one a core)", 1, MOST_PROCESSES)


def _parameter_names(plan: Protocol) -> str:
    return ", ".join(("model", "dim", "backend", "device", *plan.needs, *plan.defaults))
