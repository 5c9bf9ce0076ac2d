"""The yardstick of Schlegel, Neubert and Protzel (2022): the smallest dimension for 99 % accuracy, model by model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import hdc
from hdc.apps.capacity.accuracy import dimension_for
from hdc.apps.capacity.experiments import Experiment, processes
from hdc.apps.capacity.search import Minimum, minimum_dimension
from hdc.apps.progress import tracked
from hdc.checks import flag, texts
from hdc.errors import UnknownNameError, UnsupportedError

PROTOCOLS = ("bundle", "pairs")


@dataclass(frozen=True)
class Row:
    """One model under one protocol: what was measured, and what the formula says (None where there is none)."""

    model: str
    protocol: str
    measured: Minimum
    predicted: int | None


def table(
    models: Sequence[str] | None = None,
    *,
    items: int = 15,
    universe: int = 1000,
    target: float = 0.99,
    seed: int = 0,
    backend: str = "auto",
    device: str = "cpu",
    n_jobs: int = 1,
    progress: bool = True,
) -> list[Row]:
    """Search the smallest dimension for each model under both protocols.

    Parameters
    ----------
    models : sequence of str, optional
        All registered ones if not given.
    items, universe : int
        Bundled vectors (or pairs), and the symbols to tell them from.
    target : float
        Share of right answers.
    seed, backend, device, n_jobs, progress
        As :func:`hdc.apps.capacity.experiments.run`.

    Returns
    -------
    list of Row, models in the order given, bundle before pairs

    Raises
    ------
    UnknownNameError, ParameterError
        What is wrong, and what is allowed.
    """
    from joblib import Parallel, delayed

    names = tuple(texts(models, "models")) if models is not None else hdc.list_models()
    shared: dict[str, Any] = {"items": items, "universe": universe, "backend": backend, "device": device}
    for model in names:
        Experiment("pairs", {**shared, "model": model, "dim": 256}, seed)

    def search(model: str, protocol: str) -> Row:
        measured = minimum_dimension(protocol, model, target=target, seed=seed, **shared)
        return Row(model, protocol, measured, _predicted(protocol, model, items, universe, target))

    tasks = [(model, protocol) for model in names for protocol in PROTOCOLS]
    rows = Parallel(n_jobs=processes(n_jobs), return_as="generator_unordered")(delayed(search)(*task) for task in tasks)
    found = {(row.model, row.protocol): row for row in tracked(rows, len(tasks), show=flag(progress, "progress"))}
    return [found[task] for task in tasks]


def _predicted(protocol: str, model: str, items: int, universe: int, target: float) -> int | None:
    try:
        return dimension_for(protocol, model, items=items, universe=universe, target=target)
    except (UnknownNameError, UnsupportedError):
        return None
