"""The one switch that makes bundles beyond a model's capacity warn."""

import warnings
from functools import lru_cache
from typing import Any

from hdc.bounds.solve import capacity
from hdc.checks import flag
from hdc.errors import HDCError

UNIVERSE, ERROR = 1000, 0.5
"""A bundle is far beyond capacity if, of 1000 symbols, it decides all rightly less than every other time."""

_warns = False


class CapacityWarning(UserWarning):
    """A bundle holds more members than can be told from others."""


def warn_beyond_capacity(enabled: bool = True) -> bool:
    """Switch warnings about overfull bundles on or off for the process, and return what was set before.

    Off by default. A bundle warns if among 1000 symbols its members can no longer be told from the others every
    other time (membership, Gaussian size, error 1/2); models without known bounds never warn.
    """
    global _warns
    before, _warns = _warns, flag(enabled, "enabled")
    return before


def check_load(model: str, dim: int, members: int, options: dict[str, Any]) -> None:
    """Warn, if that is switched on, when ``members`` is more than the model can hold."""
    if not _warns:
        return
    most = _most_members(model, dim, tuple(sorted(options.items())))
    if most is not None and members > most:
        warnings.warn(
            f"{members} members in one {model} bundle of dim {dim}: beyond {most}, members are told from other "
            f"symbols less than every other time (see hdc.bounds)",
            CapacityWarning,
            stacklevel=4,
        )


@lru_cache(maxsize=1024)
def _most_members(model: str, dim: int, options: tuple[tuple[str, Any], ...]) -> int | None:
    try:
        most: int = capacity(
            "membership", model, dim=dim, universe=UNIVERSE, error=ERROR, bound="gaussian", **dict(options)
        )
    except HDCError:
        return None
    return most
