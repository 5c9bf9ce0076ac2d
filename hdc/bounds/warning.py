"""The switch for warnings about bundles beyond a model's capacity."""

import warnings
from collections.abc import Hashable
from functools import lru_cache
from typing import ClassVar, Protocol

from hdc.checks import flag
from hdc.errors import HDCError

UNIVERSE, ERROR = 1000, 0.5
"""A bundle is far beyond capacity if it decides all of 1000 symbols correctly in less than half of the cases."""

_warns = False


class CapacityWarning(UserWarning):
    """A bundle has more members than can be distinguished from other symbols."""


def warn_beyond_capacity(enabled: bool = True) -> bool:
    """Switch warnings about overfull bundles on or off for the process, and return the previous setting.

    Off by default. A bundle warns if its members can no longer be distinguished from the others of 1000 symbols every
    other time (membership, Gaussian size, error 1/2). Models that do not state their scores never warn.
    """
    global _warns
    before, _warns = _warns, flag(enabled, "enabled")
    return before


class HasCapacity(Hashable, Protocol):
    """A model, as far as the warning needs one: hashable, and with a capacity."""

    model: ClassVar[str]

    @property
    def dim(self) -> int:
        """Number of components."""

    def capacity(self, task: str, *, universe: int, error: float, bound: str) -> int:
        """Return how many members fit into a bundle."""


def check_load(vsa: HasCapacity, members: int) -> None:
    """Warn, if warnings are on, when ``members`` exceeds the model's capacity."""
    if not _warns:
        return
    most = _most_members(vsa)
    if most is not None and members > most:
        warnings.warn(
            f"{members} members in one {vsa.model} bundle of dim {vsa.dim}: beyond {most}, members are told from other "
            f"symbols less than every other time (see hdc.bounds)",
            CapacityWarning,
            stacklevel=4,
        )


@lru_cache(maxsize=1024)
def _most_members(vsa: HasCapacity) -> int | None:
    try:
        return vsa.capacity("membership", universe=UNIVERSE, error=ERROR, bound="gaussian")
    except HDCError:
        return None
