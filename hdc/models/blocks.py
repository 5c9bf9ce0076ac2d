"""SBC: blocks of which one component is 1, stored as positions (Laiho et al. 2015; Frady, Kleyko and Sommer 2021)."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from hdc.checks import integer
from hdc.errors import ParameterError
from hdc.models.cyclic import Plural
from hdc.words import MAX_DIM

LONGEST = 1 << 15
"""Positions that an int16 tells apart."""


@dataclass(frozen=True)
class SBC(Plural):
    """Sparse block codes: one 1 in each block of ``length`` components; positions add modulo it to bind.

    Arrays are ``(..., blocks)``, the positions of the ones: uint8, or int16 in blocks longer than 256. ``dim`` counts
    the components that are 0 or 1, as the papers do, so that unrelated atoms are as unlike as those of other models:
    their similarity has variance ``1 / (blocks (length - 1))``. A bundle has in each block the position of the greatest
    weight; of equal ones the first from a lot on, as in CGR, of which this is the algebra: SBC of ``dim`` components is
    CGR of ``dim / length`` components and ``length`` levels. Sums of the blocks themselves, which say more of their
    members, are those of CountingBloom with ``binding="segment"`` (integers) and GSBC (floats).

    Parameters
    ----------
    dim : int
        Blocks times length.
    length : int
        Components of a block, 2 to 32768; :meth:`next_dim` finds a multiple.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("SBC", 1024, length=16)
    >>> vsa.symbol("a").shape
    (64,)
    >>> pair = vsa.bind(vsa.symbol("a"), vsa.symbol("b"))
    >>> bool((vsa.unbind(vsa.symbol("a"), pair) == vsa.symbol("b")).all())
    True
    """

    _: KW_ONLY
    length: int = 16

    model: ClassVar[str] = "SBC"
    _levels_name: ClassVar[str] = "length"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "length", integer(self.length, "length", 2, LONGEST))
        if self.dim % self.length:
            raise ParameterError(
                f"dim of SBC is a number of blocks times length={self.length}, not {self.dim}; "
                f"take dim={_multiple(self.dim, self.length)}"
            )

    @classmethod
    def next_dim(cls, least: int, **parameters: Any) -> int:
        """Return the least multiple of ``length`` that is at least ``least``; see :meth:`hdc.VSA.next_dim`."""
        length = integer(parameters.get("length", cls.length), "length", 2, LONGEST)
        dim = _multiple(integer(least, "least", 1, MAX_DIM), length)
        return cls.from_parameters(**{**parameters, "dim": dim}).dim

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return self.dim // self.length

    @property
    def storage(self) -> int:
        """One position a block."""
        return self.blocks

    @property
    def levels(self) -> int:
        """Positions in a block."""
        return self.length


def _multiple(least: int, length: int) -> int:
    return -(-least // length) * length
