"""What a leaf's value becomes: weighted tokens, their vectors, and how much of one value another holds."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

import hdc
from hdc.apps.json.paths import Path
from hdc.apps.json.profile import Profile, any_position, scale_path
from hdc.apps.json.tokens import (
    DECADE_WIDTHS,
    QUANTILE_WIDTHS,
    Token,
    Tokens,
    constant_tokens,
    decades,
    number_tokens,
    string_tokens,
)

CONTAINED = 0.9
"""What a string gets that holds every word of the query's string and is not equal to it."""

CACHE = 1 << 14
"""Values of queries and candidates whose tokens are held."""


class Values:
    """Turn the values of leaves into tokens and vectors, as a profile weighs them.

    Parameters
    ----------
    profile : Profile
        What ``fit`` learned; an empty one weighs all tokens alike.
    """

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._cached = lru_cache(CACHE)(self.tokens)

    def tokens(self, path: Path, value: Any) -> Tokens:
        """Return the tokens of a leaf, each weighted by what it is and by how rare it is."""
        if isinstance(value, int | float):
            return self._number(path, value)
        tokens = string_tokens(value) if isinstance(value, str) else constant_tokens(value)
        profile = self._profile
        if not profile.documents:
            return tokens
        seen = profile.frequencies.get(any_position(path), {})
        rarities = {token: profile.rarity(seen.get(token, 1)) for token in tokens}
        exact, *words = tokens
        if words and exact not in seen:
            rarities[exact] = max(rarities[word] for word in words)
        return {token: weight * rarities[token] for token, weight in tokens.items()}

    def vectors(self, vsa: hdc.VSA, tokens: Sequence[Token]) -> npt.NDArray[np.float32]:
        """Return the vector of each token, of expected norm 1: ``(n, dim)`` float32."""
        return np.asarray(vsa.symbols(tokens), dtype=np.float32)

    def shared(self, path: Path, asked: Any, held: Any) -> float:
        """Return the part of the squared weight of the value ``asked`` that ``held`` shares.

        Equal values share all of it. A string that holds all words of another shares ``CONTAINED``.
        """
        tokens, others = self._cached(path, asked), self._cached(path, held)
        shared = sum(weight * weight for token, weight in tokens.items() if token in others)
        if isinstance(asked, str) and isinstance(held, str) and asked != held:
            whole = sum(weight * weight for weight in tokens.values())
            shared *= CONTAINED * whole / (whole - tokens["=", asked] ** 2 or whole)
        return shared

    def _number(self, path: Path, value: int | float) -> Tokens:
        profile = self._profile
        scale = profile.scales.get(scale_path(path))
        if scale is None:
            return number_tokens(value, decades(value), DECADE_WIDTHS)
        tokens = number_tokens(value, scale.position(value), QUANTILE_WIDTHS)
        rarity = profile.rarity(max(1.0, scale.share * profile.documents))
        return {token: weight * rarity for token, weight in tokens.items()}
