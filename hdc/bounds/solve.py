"""From a bound to an answer: the dimension, and its two inverses by bisection."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.bounds.question import Question, Real, whole
from hdc.bounds.table import Bound, find
from hdc.checks import integers, shape_of
from hdc.errors import ParameterError, UnsupportedError

LARGEST = 2.0**62
"""Larger dimensions are an error."""
MOST_ITEMS = 2.0**53
"""Largest capacity to report."""
SMALLEST_LOG_ERROR = -745.0
"""Logarithm of the smallest positive float, the least error rate to report."""


def dimension(
    task: str,
    model: str,
    *,
    items: npt.ArrayLike,
    universe: npt.ArrayLike | None = None,
    error: npt.ArrayLike,
    bound: str = "rigorous",
    **options: Any,
) -> Any:
    """Return the dimension at which a task succeeds with probability ``1 - error``.

    Parameters
    ----------
    task : str
        ``membership``, ``intersection``, ``key-value``, ``bindings``, ``sequence`` or ``nested``.
    model : str
        ``MAP-I``, ``MAP-B``, ``Bloom``, ``CountingBloom``, ``MBAT``, ``Hopfield`` or ``Hopfield±``.
    items, universe, error : number or array
        See :class:`hdc.bounds.Question`; arrays broadcast. intersection needs no universe.
    bound : {"rigorous", "gaussian", "paper"}
    **options
        Those of the task: ``tolerance``, ``other``, ``overlap``; ``factors``, ``own``; ``repeats``; ``shape``,
        ``depth``; ``ones``. See :class:`hdc.bounds.Question`.

    Returns
    -------
    int, or int64 array
        ``find(task, model, bound)`` gives the statement, its source and its standing.

    Raises
    ------
    UnknownNameError
        If the task, model or bound is unknown.
    UnsupportedError
        If no such bound is known for this task and model.
    ParameterError
        If a number is outside what is allowed, or no dimension below 2^62 is enough.

    Examples
    --------
    >>> from hdc import bounds
    >>> bounds.dimension("membership", "MAP-B", items=50, universe=1000, error=0.01)
    7307
    """
    record = find(task, model, bound)
    size = _evaluate(record, Question.ask(task, items=items, universe=universe, error=error, options=options))
    if np.any(size >= LARGEST):
        raise ParameterError(f"no dimension below 2^62 is enough for {task} on {model} with these numbers")
    return _as_int(np.maximum(np.ceil(size), 1))


def error_rate(
    task: str,
    model: str,
    *,
    dim: npt.ArrayLike,
    items: npt.ArrayLike,
    universe: npt.ArrayLike | None = None,
    bound: str = "rigorous",
    **options: Any,
) -> Any:
    """Return the least error for which ``dim`` is enough: the inverse of :func:`dimension` in its error.

    Returns
    -------
    float, or float64 array
        1.0 where the bound promises nothing.

    Raises
    ------
    UnknownNameError, UnsupportedError, ParameterError
        As :func:`dimension`.
    """
    record, dims = find(task, model, bound), whole("dim", dim)
    question = Question.ask(task, items=items, universe=universe, error=0.5, options=options)
    if record.log_error is None:
        log_error = _bisected(record, question, dims)
    else:
        shape_of(dim=dims, items=question.items, universe=question.universe)
        log_error = np.clip(record.log_error(question, dims), SMALLEST_LOG_ERROR, 0.0)
    rate = np.exp(log_error)
    return float(rate) if rate.ndim == 0 else rate


def _bisected(record: Bound, question: Question, dims: Real) -> Real:
    """Return the logarithm of the least error for which dimensions are enough, by bisection of the size."""
    shape = shape_of(dim=dims, others=_evaluate(record, question))
    low, high = np.full(shape, SMALLEST_LOG_ERROR), np.zeros(shape)
    for _ in range(64):
        middle = (low + high) / 2
        reached = _evaluate(record, replace(question, log_error=middle)) <= dims
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return high


def capacity(
    task: str,
    model: str,
    *,
    dim: npt.ArrayLike,
    universe: npt.ArrayLike | None = None,
    error: npt.ArrayLike,
    bound: str = "rigorous",
    **options: Any,
) -> Any:
    """Return the largest number of items for which ``dim`` is enough: the inverse of :func:`dimension` in its items.

    Returns
    -------
    int, or int64 array
        0 where not even one item is promised; at most the universe allows.

    Raises
    ------
    UnknownNameError, UnsupportedError, ParameterError
        As :func:`dimension`.
    """
    record, dims = find(task, model, bound), whole("dim", dim)
    least = np.maximum(integers(options.get("overlap", 1), "overlap", 0), 1)
    question = Question.ask(task, items=least, universe=universe, error=error, options=options)
    limit = _most_items(task, question)

    def enough(items: Real) -> npt.NDArray[np.bool_]:
        asked = replace(question, items=np.maximum(items, least))
        if record.log_error is None:
            return np.asarray((items == 0) | (_evaluate(record, asked) <= dims))
        return np.asarray((items == 0) | (record.log_error(asked, dims) <= question.log_error))

    shape = shape_of(dim=dims, others=_evaluate(record, question))
    return _as_int(_last_true(enough, np.zeros(shape), np.broadcast_to(limit, shape)))


def _most_items(task: str, question: Question) -> Real:
    """Return the most items possible: the size of the universe."""
    limit = np.asarray(MOST_ITEMS)
    if task in ("membership", "sequence") or question.shape == "chain":
        limit = np.minimum(limit, question.universe * question.number("repeats", 1))
    elif task == "nested":
        limit = np.minimum(limit, np.floor(question.universe ** (1 / question.number("depth", 1)) + 1e-9))
    return limit


def _last_true(test: Callable[[Real], npt.NDArray[np.bool_]], low: Real, high: Real) -> Real:
    """Return the largest whole number from ``low`` to ``high`` that passes; ``low`` must pass."""
    while np.any(low < high):
        middle = np.ceil((low + high) / 2)
        passed = test(middle)
        low, high = np.where(passed, middle, low), np.where(passed, high, np.minimum(middle - 1, high))
    return low


def _evaluate(record: Bound, question: Question) -> Real:
    if record.task == "bindings" and record.model == "MAP-B" and record.kind == "rigorous" and not question.own:
        raise UnsupportedError(
            "no rigorous bound is known for bindings on MAP-B whose factors are shared; "
            "with distinct keys give own=True, or take bound='gaussian'"
        )
    with np.errstate(over="ignore"):
        return record.size(question)


def _as_int(value: Real) -> Any:
    return int(value) if np.ndim(value) == 0 else np.asarray(value).astype(np.int64)
