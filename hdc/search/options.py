"""Options of a search: one class per kind of index, so that an option of one kind never reaches another."""

from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any, TypeAlias

from hdc.checks import integer
from hdc.errors import ParameterError

PER_HIT = 10
"""Candidates per hit for the exact step, unless ``candidates`` is given."""


def _check(options: Any) -> None:
    """Check that every option is an integer of at least 1, or None if that is its default."""
    for field in fields(options):
        value = getattr(options, field.name)
        if value is not None or field.default is not None:
            object.__setattr__(options, field.name, integer(value, field.name, 1))


@dataclass(frozen=True)
class FlatOptions:
    """Options of a search that compares every row.

    Attributes
    ----------
    candidates : int, optional
        Rows found by their codes and then compared exactly, if the index can; ``10 * k`` by default.
    """

    candidates: int | None = None

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True)
class IVFOptions:
    """Options of a search in IVF lists.

    Attributes
    ----------
    probes : int
        Number of lists to search: those nearest to the query.
    candidates : int, optional
        As :class:`FlatOptions`.
    """

    probes: int = 16
    candidates: int | None = None

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True)
class HNSWOptions:
    """Options of a search in an HNSW graph.

    Attributes
    ----------
    effort : int
        Candidates in hand during the walk; more give better recall and take longer.
    candidates : int, optional
        As :class:`FlatOptions`.
    """

    effort: int = 64
    candidates: int | None = None

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True)
class GraphOptions:
    """Options of a search in a graph over estimates.

    Attributes
    ----------
    effort : int
        Best nodes that a walk keeps and expands; more give better recall and take longer.
    candidates : int, optional
        As :class:`FlatOptions`; every row that a walk estimates can be a candidate.
    """

    effort: int = 64
    candidates: int | None = None

    def __post_init__(self) -> None:
        _check(self)


Options: TypeAlias = FlatOptions | IVFOptions | HNSWOptions | GraphOptions

OPTIONS: dict[str, type[Options]] = {
    "flat": FlatOptions,
    "ivf": IVFOptions,
    "hnsw": HNSWOptions,
    "graph": GraphOptions,
}
"""Options class of each kind of index."""


def options_of(kind: str, options: Options | None = None, **given: Any) -> Options:
    """Return the checked options of a search in an index of a kind.

    Parameters
    ----------
    kind : str
        One of :data:`OPTIONS`.
    options : options of that kind, optional
    given : int or None
        Options by name instead; None uses the default.

    Raises
    ------
    ParameterError
        If an option belongs to another kind or is out of range, or ``options`` and options by name are both given.

    Examples
    --------
    >>> options_of("ivf", probes=4, effort=None)
    IVFOptions(probes=4, candidates=None)
    """
    try:
        return _kept(kind, options, **given)
    except TypeError:  # a value that cannot be hashed, such as a list, is not an integer
        return _checked(kind, options, **given)


def _checked(kind: str, options: Options | None, **given: Any) -> Options:
    named = {name: value for name, value in given.items() if value is not None}
    if options is None:
        return _of_kind(kind, named)
    expected = OPTIONS[kind]
    if type(options) is not expected:
        raise ParameterError(f"an index of kind {kind!r} is searched with {expected.__name__}, not {options!r}")
    if named:
        name = next(iter(named))
        raise ParameterError(f"pass {name}= or options=, not both; options={options!r} sets all of them")
    return options


_kept = lru_cache(maxsize=256, typed=True)(_checked)
"""Caches repeated options: a server gets the same ones again and again."""


def _of_kind(kind: str, named: dict[str, Any]) -> Options:
    own = [field.name for field in fields(OPTIONS[kind])]
    for name in named:
        if name not in own:
            kinds = [repr(other) for other, options in OPTIONS.items() if name in {f.name for f in fields(options)}]
            raise ParameterError(
                f"{name}= is an option of kind {' and '.join(kinds)}; the index is of kind {kind!r}, which has "
                + " and ".join(f"{option}=" for option in own)
            )
    return OPTIONS[kind](**named)
