"""One record per (task, model, bound): all known bounds as data."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from hdc.bounds import formulas as f
from hdc.bounds.question import Question, Real, check_task
from hdc.checks import known, shown
from hdc.errors import UnknownNameError, UnsupportedError

KINDS = ("rigorous", "gaussian", "paper")
"""``rigorous`` is proved to be enough; ``gaussian`` is the sharp size; ``paper`` is the published constant."""

SUMS = ("MAP-I", "MBAT")
SPARSE = ("Bloom", "CountingBloom")
MODELS = ("MAP-I", "MAP-B", "Bloom", "CountingBloom", "MBAT", "Hopfield", "Hopfield±")

Size = Callable[[Question], Real]

LogError = Callable[[Question, Real], Real]


@dataclass(frozen=True)
class Bound:
    """A bound: what it says, where it comes from, and the functions that evaluate it.

    ``size`` returns the dimension that an error needs. ``log_error`` is its inverse, the logarithm of the least error
    that a dimension is enough for, whatever error is asked for; None where that is found by bisection.

    ``statement``, ``source`` and ``standing`` are read from the function's docstring.
    """

    task: str
    model: str
    kind: str
    size: Size
    log_error: LogError | None = None

    @property
    def statement(self) -> str:
        """The rule and the sufficient dimension."""
        return self._docstring.statement

    @property
    def source(self) -> str:
        """The theorem or argument behind it."""
        return self._docstring.source

    @property
    def standing(self) -> str:
        """``theorem``, ``derived`` or ``approximation``, with what limits it."""
        return self._docstring.standing

    @property
    def _docstring(self) -> "_Docstring":
        return _read_docstring(self.size)


class _Docstring(NamedTuple):
    statement: str
    source: str
    standing: str


def _read_docstring(function: Size) -> _Docstring:
    text = " ".join((inspect.getdoc(function) or "").split())
    statement, _, rest = text.partition(" Source: ")
    source, _, standing = rest.partition(" Standing: ")
    return _Docstring(statement, source, standing)


def _leafwise(size: Size) -> Size:
    """Turn a membership bound into one for nested bundles, for a model whose bundle of bundles is a bundle."""

    def nested(q: Question) -> Real:
        return size(replace(q, items=q.leaves))

    nested.__doc__ = "Bundling is associative: the leaves' " + (inspect.getdoc(size) or "")
    return nested


_ROWS: tuple[tuple[str, tuple[str, ...], str, Size], ...] = (
    ("membership", SUMS, "rigorous", f.sum_membership),
    ("membership", SUMS, "gaussian", f.sum_membership_gaussian),
    ("membership", ("MAP-B",), "rigorous", f.majority_membership),
    ("membership", ("MAP-B",), "gaussian", f.majority_membership_gaussian),
    ("membership", ("MAP-B",), "paper", f.majority_membership_paper),
    ("membership", SPARSE, "rigorous", f.bloom_membership),
    ("membership", SPARSE, "gaussian", f.bloom_membership_classic),
    ("membership", ("Hopfield",), "rigorous", f.hopfield_membership),
    ("membership", ("Hopfield",), "gaussian", f.hopfield_membership_gaussian),
    ("membership", ("Hopfield±",), "rigorous", f.hopfield_signed_membership),
    ("membership", ("Hopfield±",), "gaussian", f.hopfield_signed_membership_gaussian),
    ("intersection", SUMS, "rigorous", f.sum_intersection),
    ("intersection", SUMS, "gaussian", f.sum_intersection_gaussian),
    ("intersection", ("MAP-B",), "rigorous", f.majority_intersection),
    ("intersection", ("MAP-B",), "gaussian", f.majority_intersection_gaussian),
    ("intersection", ("Bloom",), "rigorous", f.bloom_intersection),
    ("intersection", ("CountingBloom",), "rigorous", f.counting_intersection),
    ("intersection", ("CountingBloom",), "gaussian", f.counting_intersection_gaussian),
    ("intersection", ("Hopfield",), "rigorous", f.hopfield_intersection),
    ("intersection", ("Hopfield",), "gaussian", f.hopfield_intersection_gaussian),
    ("intersection", ("Hopfield±",), "rigorous", f.hopfield_signed_intersection),
    ("intersection", ("Hopfield±",), "gaussian", f.hopfield_signed_intersection_gaussian),
    ("key-value", SUMS, "rigorous", f.sum_key_value),
    ("key-value", SUMS, "gaussian", f.sum_key_value_gaussian),
    ("key-value", ("MAP-B",), "rigorous", f.majority_key_value),
    ("key-value", ("MAP-B",), "gaussian", f.majority_key_value_gaussian),
    ("bindings", ("MAP-I",), "rigorous", f.sum_bindings),
    ("bindings", ("MAP-I",), "gaussian", f.sum_membership_gaussian),
    ("bindings", ("MAP-B",), "rigorous", f.majority_bindings),
    ("bindings", ("MAP-B",), "gaussian", f.majority_membership_gaussian),
    ("sequence", SUMS, "rigorous", f.sum_sequence),
    ("sequence", SUMS, "gaussian", f.sum_key_value_gaussian),
    ("sequence", ("MAP-B",), "gaussian", f.majority_key_value_gaussian),
    ("nested", SUMS, "rigorous", _leafwise(f.sum_membership)),
    ("nested", SUMS, "gaussian", _leafwise(f.sum_membership_gaussian)),
    ("nested", ("MAP-B",), "rigorous", f.majority_nested),
    ("nested", ("MAP-B",), "gaussian", f.majority_nested_gaussian),
    ("nested", SPARSE, "rigorous", _leafwise(f.bloom_membership)),
    ("nested", SPARSE, "gaussian", _leafwise(f.bloom_membership_classic)),
)

_LOG_ERRORS: dict[Size, LogError] = {
    f.sum_key_value_gaussian: f.sum_key_value_log_error,
    f.majority_key_value_gaussian: f.majority_key_value_log_error,
}
"""Inverses of sizes that are found by bisection themselves: bisecting these takes a thousand times as long."""

_TABLE = {
    (task, model, kind): Bound(task, model, kind, size, _LOG_ERRORS.get(size))
    for task, models, kind, size in _ROWS
    for model in models
}

PUBLISHED = {
    ("bindings", "MAP-I"): "Theorem 12 and Corollary 13: the norm is preserved for m = O(ε⁻² log³(n/(εδ))), k = 2",
    ("sequence", "MAP-I"): "Theorem 10: the norm is preserved for m = O(K² ε⁻² log(K/(εδ)))",
    ("nested", "MAP-B"): "Lemma 17: reliability falls as 1/2^depth",
}
"""Published results of Clarkson, Ubaru and Yang without a constant, from which no size follows."""


def table() -> tuple[Bound, ...]:
    """Return every bound there is."""
    return tuple(_TABLE.values())


def find(task: str, model: str, kind: str) -> Bound:
    """Return the bound of a kind for a task on a model.

    Raises
    ------
    UnknownNameError
        If there is no such task, model or kind.
    UnsupportedError
        If no such bound is known; the message says which are.
    """
    check_task(task)
    known(kind, "bound", KINDS)
    if not isinstance(model, str) or model not in MODELS:
        raise UnknownNameError(f"no bounds are known for model {shown(model)}; they are for {', '.join(MODELS)}")
    if (task, model, kind) in _TABLE:
        return _TABLE[task, model, kind]
    others = [f"{k} for {m}" for t, m, k in _TABLE if t == task and (m == model or k == kind)]
    stated = PUBLISHED.get((task, model)) if kind == "paper" else None
    reason = f" ({stated}; without a constant no size follows)" if stated else ""
    raise UnsupportedError(f"no {kind} bound is known for {task} on {model}{reason}; known: {', '.join(others)}")
