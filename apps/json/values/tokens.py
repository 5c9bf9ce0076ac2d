"""Tokens of a leaf's value: names with weights, whose squares sum to one.

Two values are as similar as the weights of the tokens they share: strings share words, numbers share cells of
a grid, and everything else is equal or not. Most tokens are atoms; the vectors of some are computed.
"""

from typing import Any, TypeAlias

from hdc.apps.json.document.constant import Constant

Token: TypeAlias = tuple[str, Any]
"""Kind and content: ``("=", string)``, ``("~", word)``, ``("%", n-gram)``, ``("number", value)``,
``("#0", cell)`` for a cell of scale 0 and so on, ``("date#0", cell)`` for dates, ``("constant", "true")``. Computed are
``("≈number", place)`` and ``("encoder", string)``. Kinds separate types: 1, ``"1"`` and true share nothing."""

Tokens: TypeAlias = dict[Token, float]


def constant_tokens(value: Constant | None) -> Tokens:
    """Return the one atom of true, false, null, ``{}`` or ``[]``."""
    text = "null" if value is None else value.value
    return {("constant", text): 1.0}
