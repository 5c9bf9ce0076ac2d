"""What a leaf's value becomes: weighted tokens, their vectors, and how much of one value another holds."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

import hdc
from hdc.apps.json.document.paths import Path, any_position, scale_path
from hdc.apps.json.values.conversion import CONVERSIONS, convert
from hdc.apps.json.values.embedding import Embeddings, StringEncoder
from hdc.apps.json.values.number_scale import Scale
from hdc.apps.json.values.numbers import (
    DECADE_WIDTHS,
    NUMBER,
    QUANTILE_WIDTHS,
    SMOOTH,
    WINDOW,
    Quantities,
    grid_tokens,
    grid_windows,
    kernel,
    smooth_tokens,
    smooth_vectors,
    unfitted_place,
    window_vectors,
)
from hdc.apps.json.values.parts import Number, Parts
from hdc.apps.json.values.statistics import Profile
from hdc.apps.json.values.strings import CODE, Shares, ngrams_of, words_of
from hdc.apps.json.values.tokens import Token, Tokens, constant_tokens
from hdc.checks import choice, flag, function, listed, number
from hdc.errors import ParameterError

Numbers: TypeAlias = Literal["grid", "smooth"]

NUMBERS: tuple[Numbers, ...] = ("grid", "smooth")
"""How numbers are soft: by the cells of grids that they share, or by a smooth kernel."""

BANDWIDTHS = (1e-6, 1e6)
"""Least and greatest bandwidth."""

EXACT_TEXT = 0.1
"""Share of the squared weight that the text has of a string that was converted to a number."""

CONTAINED = 0.9
"""What a string gets that holds every word of the query's string and is not equal to it."""

EMBEDDED = 1 << 13
"""Strings that are embedded at a time before documents are compared."""

CACHE = 1 << 14
"""Values of queries and candidates whose tokens are held, paths whose profile is, frequencies whose rarity is."""


Grid: TypeAlias = Callable[[Quantities, int | float, float, tuple[float, ...]], Tokens]
"""How the cells of numbers are given: each, or those of a scale as one."""

_COMPUTED = {SMOOTH, WINDOW}
"""What opens the kinds of tokens that are no atoms, beside ``"encoder"``."""


@dataclass(frozen=True)
class ValueOptions:
    """How values become tokens; the parameters of :class:`JSONEncoder` of the same names.

    Raises
    ------
    ParameterError
        If one is out of range.
    """

    numbers: Numbers = "grid"
    bandwidth: float = 0.1
    convert: Collection[str] = ()
    strings: Mapping[str, float] | None = None
    string_encoder: StringEncoder | None = None
    rarity: bool = True

    def __post_init__(self) -> None:
        choice(self.numbers, "numbers", NUMBERS)
        number(self.bandwidth, "bandwidth", *BANDWIDTHS)
        for name in listed(self.convert, "convert"):
            choice(name, "each of convert", CONVERSIONS)
        if self.string_encoder is not None:
            function(self.string_encoder, "string_encoder")
        flag(self.rarity, "rarity")
        _ = self.shares

    @property
    def shares(self) -> Shares:
        """How the weight of a string that is no identifier is divided."""
        return Shares.of(self.strings, self.string_encoder is not None)


class Values:
    """Turn the values of leaves into tokens and vectors.

    Parameters
    ----------
    profile : Profile
        What ``fit`` learned; an empty one weighs all tokens alike.
    options : ValueOptions
    embeddings : Embeddings, optional
        Of ``options.string_encoder``, to go on with what they hold.
    """

    def __init__(
        self, profile: Profile, options: ValueOptions | None = None, embeddings: Embeddings | None = None
    ) -> None:
        self.profile = profile
        self.options = options or ValueOptions()
        self._shares = self.options.shares
        self._conversions = tuple(name for name in CONVERSIONS if name in self.options.convert)
        weighed = profile.documents and self.options.rarity
        self._weigh: Callable[[float], float] = lru_cache(CACHE)(profile.rarity) if weighed else _alike
        self._embeddings = embeddings
        if embeddings is None and self.options.string_encoder is not None:
            self._embeddings = Embeddings(self.options.string_encoder)
        self._cached: dict[tuple[Path, Any], Tokens] = {}
        self._places: dict[Path, tuple[Mapping[Token, int], Shares]] = {}

    # ------------------------------------------------------------------ tokens

    def tokens(self, path: Path, value: Any) -> Tokens:
        """Return the tokens of a leaf, each weighted by what it is and by how rare it is."""
        return self._tokens_with(path, value, grid_tokens)

    def windows(self, path: Path, value: Any) -> Tokens:
        """Return the tokens of a leaf, with the cells that a number covers on a scale as one: the same vector."""
        return self._tokens_with(path, value, grid_windows)

    def _tokens_with(self, path: Path, value: Any, grid: Grid) -> Tokens:
        if isinstance(value, str):
            converted = convert(value, self._conversions) if self._conversions else None
            return self._text(path, value) if converted is None else self._converted(path, value, *converted, grid)
        if isinstance(value, int | float):
            return self._number(path, NUMBER, value, grid)
        tokens = constant_tokens(value)
        seen, _ = self._place(path)
        return {token: weight * self._weigh(seen.get(token, 1)) for token, weight in tokens.items()}

    def _number(self, path: Path, kind: Quantities, value: int | float, grid: Grid) -> Tokens:
        profile = self.profile
        scale, place = self._placed(path, kind, value)
        if self.options.numbers == "smooth":
            tokens = smooth_tokens(kind, value, place, self.options.bandwidth)
        else:
            tokens = grid(kind, value, place, DECADE_WIDTHS if scale is None else QUANTILE_WIDTHS)
        if scale is None:
            return tokens
        rarity = self._weigh(max(1.0, scale.share * profile.documents))
        return {token: weight * rarity for token, weight in tokens.items()}

    def has_scale(self, path: Path, kind: Quantities) -> bool:
        """Whether :meth:`fit` learned how the numbers of a path spread."""
        return (scale_path(path), kind) in self.profile.scales

    def _placed(self, path: Path, kind: Quantities, value: int | float) -> tuple[Scale | None, float]:
        """Return the scale of a path's numbers, if it has one, and where a number lies."""
        scale = self.profile.scales.get((scale_path(path), kind))
        return scale, unfitted_place(kind, value) if scale is None else scale.position(value)

    def _converted(self, path: Path, text: str, kind: Quantities, value: int | float, grid: Grid) -> Tokens:
        tokens = self._number(path, kind, value, grid)
        whole = math.sqrt(sum(weight * weight for weight in tokens.values()))
        kept = math.sqrt(1 - EXACT_TEXT)
        return {("=", text): math.sqrt(EXACT_TEXT) * whole, **{token: kept * w for token, w in tokens.items()}}

    def _text(self, path: Path, text: str) -> Tokens:
        """Return the parts of a string; n-grams are as rare as the rarest word that has them."""
        seen, shares = self._place(path)
        words = words_of(text) if shares.exact < 1 else []
        exact = ("=", text)
        named = [("~", word) for word in words]
        weigh = self._weigh
        rarities = [weigh(seen.get(word, 1)) for word in named] if seen else [weigh(1)] * len(words)
        whole = max(rarities) if words and exact not in seen else self._weigh(seen.get(exact, 1))
        if not words:
            return {exact: whole}
        tokens: Tokens = {}
        if shares.exact:
            tokens[exact] = math.sqrt(shares.exact) * whole
        if shares.words:
            weight = math.sqrt(shares.words / len(words))
            tokens.update(zip(named, [weight * rarity for rarity in rarities], strict=True))
        if shares.ngrams:
            grams = ngrams_of(words)
            weight = math.sqrt(shares.ngrams / len(grams))
            tokens.update({("%", g): weight * max(rarities[i] for i in owners) for g, owners in grams.items()})
        if shares.encoder:
            tokens["encoder", text] = math.sqrt(shares.encoder) * whole
        return tokens

    def _place(self, path: Path) -> tuple[Mapping[Token, int], Shares]:
        """Return the token frequencies at a path and how its strings are divided."""
        found = self._places.get(path)
        if found is None:
            place = any_position(path)
            shares = CODE if self.options.strings is None and place in self.profile.codes else self._shares
            found = self.profile.frequencies.get(place, {}), shares
            if len(self._places) >= CACHE:
                self._places.clear()
            self._places[path] = found
        return found

    # ------------------------------------------------------------------ parts

    def parts(self, path: Path, value: Any) -> Parts:
        """Return what a value is asked for and found by.

        A string that holds every word of another one, and is not equal to it, has ``CONTAINED`` of its weight.
        """
        if isinstance(value, str):
            converted = convert(value, self._conversions)
            return self._parts_of_text(path, value) if converted is None else self._parts_of(path, value, *converted)
        if isinstance(value, int | float):
            return Parts([], self._number_part(path, NUMBER, value, 1.0))
        ((token, weight),) = self.tokens(path, value).items()
        return Parts([(token[0], token[1], weight * weight)], None)

    def _parts_of(self, path: Path, text: str, kind: Quantities, value: int | float) -> Parts:
        number = self._number_part(path, kind, value, 1 - EXACT_TEXT)
        return Parts([("=", text, number.weight * EXACT_TEXT / (1 - EXACT_TEXT))], number)

    def _number_part(self, path: Path, kind: Quantities, value: int | float, share: float) -> Number:
        scale, place = self._placed(path, kind, value)
        rarity = 1.0 if scale is None else self._weigh(max(1.0, scale.share * self.profile.documents))
        if self.options.numbers == "smooth":
            place /= self.options.bandwidth
        return Number(kind, value, place, share * rarity**2)

    def _parts_of_text(self, path: Path, text: str) -> Parts:
        squares = {token: weight * weight for token, weight in self._text(path, text).items()}
        whole = sum(squares.values())
        others = whole - squares.pop(("=", text), 0.0)
        contained = CONTAINED * whole / others if squares else 0.0
        terms = [(kind, content, contained * square) for (kind, content), square in squares.items()]
        return Parts([("=", text, whole - contained * others), *terms], None)

    # ------------------------------------------------------------------ vectors

    def vectors(self, vsa: hdc.VSA, tokens: Sequence[Token]) -> npt.NDArray[np.float32]:
        """Return the vector of each token, of expected norm 1: ``(n, dim)`` float32.

        Raises
        ------
        ParameterError
            If the string encoder's output is no ``(n, e)`` array of finite floats.
        """
        computed: dict[str, list[int]] = {}
        atoms: list[int] = []
        for row, (kind, _) in enumerate(tokens):
            (computed.setdefault(kind, []) if kind[0] in _COMPUTED or kind == "encoder" else atoms).append(row)
        if not computed:
            return np.asarray(vsa.symbols(tokens), dtype=np.float32)
        vectors = np.empty((len(tokens), vsa.dim), dtype=np.float32)
        vectors[atoms] = vsa.symbols([tokens[row] for row in atoms])
        for kind, rows in computed.items():
            contents = [tokens[row][1] for row in rows]
            if kind == "encoder":
                vectors[rows] = self._embedded.vectors(vsa, contents)
            elif kind[0] == WINDOW:
                vectors[rows] = window_vectors(vsa, kind, contents)
            else:
                vectors[rows] = smooth_vectors(vsa, kind, contents)
        return vectors

    @property
    def _embedded(self) -> Embeddings:
        if self._embeddings is None:
            raise ParameterError("these tokens need a string encoder; give string_encoder=...")
        return self._embeddings

    # ------------------------------------------------------------------ comparison

    def prepare(self, documents: Iterable[Any]) -> None:
        """Embed the strings of documents that are going to be compared, in batches rather than one by one."""
        if self._shares.encoder:
            texts = list(_strings(documents))
            for start in range(0, len(texts), EMBEDDED):
                self._embedded(texts[start : start + EMBEDDED])

    def shared(self, path: Path, asked: Any, held: Any) -> float:
        """Return the part of the squared weight of the value ``asked`` that ``held`` shares.

        Equal values share all of it. A string that holds all words of another shares ``CONTAINED``.
        """
        return self.sharing(path, asked)(held)

    def sharing(self, path: Path, asked: Any) -> Callable[[Any], float]:
        """Return the function of ``held`` that :meth:`shared` is, for one value that many are compared with."""
        squares = {token: weight * weight for token, weight in self._tokens_of(path, asked).items()}
        whole, tokens = sum(squares.values()), squares.items()
        soft = any(kind == "encoder" or kind[0] == SMOOTH for kind, _ in squares)
        contained = 1.0
        if isinstance(asked, str) and not self._is_converted(asked):
            contained = CONTAINED * whole / (whole - squares.get(("=", asked), 0.0) or whole)

        def shared(held: Any) -> float:
            others = self._tokens_of(path, held)
            if soft:
                part = sum(square * self._similarity(token, others) for token, square in tokens)
            else:
                part = sum([square for token, square in tokens if token in others])
            return part * contained if isinstance(held, str) and held != asked else part

        return shared

    def _similarity(self, token: Token, others: Tokens) -> float:
        if token in others:
            return 1.0
        kind, content = token
        if kind == "encoder":
            return max((max(0.0, self._embedded.cosine(content, c)) for c in _of_kind(kind, others)), default=0.0)
        if kind[0] == SMOOTH:
            return max((kernel(content, c) for c in _of_kind(kind, others)), default=0.0)
        return 0.0

    def _is_converted(self, text: str) -> bool:
        return convert(text, self._conversions) is not None

    def _tokens_of(self, path: Path, value: Any) -> Tokens:
        key = (path, value)
        tokens = self._cached.get(key)
        if tokens is None:
            if len(self._cached) >= CACHE:
                self._cached.clear()
            tokens = self._cached[key] = self.tokens(path, value)
        return tokens


def _strings(documents: Iterable[Any]) -> Iterator[str]:
    stack = list(documents)
    while stack:
        value = stack.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            stack += value.values()
        elif isinstance(value, list | tuple):
            stack += value


def _of_kind(kind: str, tokens: Tokens) -> Iterable[Any]:
    return (content for other, content in tokens if other == kind)


def _alike(frequency: float) -> float:
    return 1.0
