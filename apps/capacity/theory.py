"""Capacity as formulas: dimension, error rate, capacity, accuracy, and all models side by side.

``dimension``, ``error_rate`` and ``capacity`` are the closed forms of :mod:`hdc.bounds`, where the statement, source
and standing of each is found (``table``, ``find``).

>>> from hdc.apps.capacity import theory
>>> theory.dimension("membership", "MAP-B", items=200, universe=1_000_000, error=1e-3)
52214
>>> theory.best("membership", items=200, universe=1_000_000, error=1e-3)[0].model
'Bloom'
"""

from dataclasses import dataclass
from typing import Any

from hdc.apps.capacity.accuracy import (
    accuracy,
    cleanup_error,
    dimension_for,
    error,
    recall,
    unbinding_similarity,
)
from hdc.bounds import KINDS, MODELS, TASKS, Bound, best_ones, capacity, dimension, error_rate, find, table
from hdc.checks import fraction, integer, known
from hdc.errors import UnsupportedError

__all__ = [
    "KINDS",
    "MODELS",
    "TASKS",
    "Bound",
    "Choice",
    "accuracy",
    "best",
    "best_ones",
    "capacity",
    "cleanup_error",
    "dimension",
    "dimension_for",
    "error",
    "error_rate",
    "find",
    "recall",
    "storage_bits",
    "table",
    "unbinding_similarity",
]


@dataclass(frozen=True)
class Choice:
    """One model's answer to a question.

    Attributes
    ----------
    model : str
    dim : int
        Sufficient dimension.
    bits : int
        Storage of one vector (or matrix) with components as narrow as its values allow.
    bound : Bound
        What promises it.
    """

    model: str
    dim: int
    bits: int
    bound: Bound


def best(
    task: str,
    items: int,
    universe: int | None = None,
    error: float = 0.01,
    *,
    bound: str = "rigorous",
    **options: Any,
) -> list[Choice]:
    """Return every model that has a bound for the task, the least storage first.

    Parameters
    ----------
    task, items, universe, error, bound, **options
        As :func:`dimension`.

    Raises
    ------
    UnknownNameError, ParameterError, UnsupportedError
        As :func:`dimension`; UnsupportedError only if no model has such a bound.
    """
    items, error = integer(items, "items", 1), fraction(error, "error")
    universe = None if universe is None else integer(universe, "universe", 1)
    choices, refusals = [], []
    for model in MODELS:
        try:
            dim = dimension(task, model, items=items, universe=universe, error=error, bound=bound, **options)
        except UnsupportedError as refusal:
            refusals.append(str(refusal))
            continue
        choices.append(Choice(model, dim, storage_bits(model, dim, items), find(task, model, bound)))
    if not choices:
        raise UnsupportedError(refusals[0])
    return sorted(choices, key=lambda choice: (choice.bits, choice.model))


def storage_bits(model: str, dim: int, items: int) -> int:
    """Return the bits that one memory of ``items`` unit-weight members needs, with fixed-width components.

    MAP-B and Bloom take one bit per component; a sum of n signs has n + 1 possible values, as has a counter of n;
    MBAT is float32; a Hopfield matrix is symmetric with a known diagonal, so ``m (m - 1) / 2`` sums are kept.

    Raises
    ------
    UnknownNameError
        If the model is not one of ``MODELS``.
    """
    known(model, "model", MODELS)
    dim, items = integer(dim, "dim", 1), integer(items, "items", 1)
    components = dim * (dim - 1) // 2 if model.startswith("Hopfield") else dim
    width = {"MAP-B": 1, "Bloom": 1, "MBAT": 32}.get(model, items.bit_length())
    return components * width
