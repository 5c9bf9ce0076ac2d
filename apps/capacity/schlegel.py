"""The benchmark of Schlegel, Neubert and Protzel (2022): the smallest dimension for 99 % accuracy, model by model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import hdc
from hdc.apps.capacity.accuracy import dimension_for
from hdc.apps.capacity.experiments import Experiment, processes
from hdc.apps.capacity.search import Minimum, minimum_dimension
from hdc.apps.progress import tracked
from hdc.checks import flag, texts
from hdc.errors import UnsupportedError
from hdc.registry import model_class

PROTOCOLS = ("bundle", "pairs")

START = 256
"""Dimension at which searches start, or the next one that a model allows."""

VARIANTS: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "BSDC-SEG": ("Bloom", {"binding": "segment"}),
        "FHRR-phase": ("FHRR", {"bundles": "phase"}),
        "MCR-4": ("MCR", {"levels": 4}),
        "MCR-256": ("MCR", {"levels": 256}),
        "CGR-8": ("CGR", {"levels": 8}),
    }
)
"""Models with parameters that differ from their defaults, by the names of the literature."""


@dataclass(frozen=True)
class Row:
    """One model under one protocol: the measurement, and the formula's prediction (None if there is none)."""

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
        Registered names, and those of ``VARIANTS``; all of both if not given.
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
        If a parameter is invalid; the message says what is allowed.
    """
    from joblib import Parallel, delayed

    names = tuple(texts(models, "models")) if models is not None else (*hdc.list_models(), *VARIANTS)
    place = {"backend": backend, "device": device}
    shared: dict[str, Any] = {"items": items, "universe": universe, **place}
    for name in names:
        model, fixed = variant(name)
        dim = model_class(model).next_dim(START, **place, **fixed)
        Experiment("pairs", {**shared, **fixed, "model": model, "dim": dim}, seed)

    def search(name: str, protocol: str) -> Row:
        model, fixed = variant(name)
        start = model_class(model).next_dim(START, **place, **fixed)
        measured = minimum_dimension(protocol, model, target=target, seed=seed, start=start, **shared, **fixed)
        return Row(name, protocol, measured, _predicted(protocol, name, items, universe, target))

    tasks = [(model, protocol) for model in names for protocol in PROTOCOLS]
    rows = Parallel(n_jobs=processes(n_jobs), return_as="generator_unordered")(delayed(search)(*task) for task in tasks)
    found = {(row.model, row.protocol): row for row in tracked(rows, len(tasks), show=flag(progress, "progress"))}
    return [found[task] for task in tasks]


def variant(name: str) -> tuple[str, Mapping[str, Any]]:
    """Return the model of a name of the table, and the parameters that are not its own."""
    return VARIANTS.get(name, (name, {}))


def _predicted(protocol: str, name: str, items: int, universe: int, target: float) -> int | None:
    model, fixed = variant(name)
    try:
        return dimension_for(protocol, model, items=items, universe=universe, target=target, **fixed)
    except UnsupportedError:
        return None
