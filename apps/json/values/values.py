"""Turn a leaf's value into weighted tokens and their vectors, and measure how much of one value another has."""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, pairwise, repeat
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
    EXACT_NUMBER,
    NUMBER,
    QUANTILE_WIDTHS,
    SMOOTH,
    WINDOW,
    Quantities,
    grid_tokens,
    grid_windows,
    kernel,
    shared_cells,
    smooth_tokens,
    smooth_vectors,
    unfitted_place,
    window_vectors,
)
from hdc.apps.json.values.parts import Held, Number, Parts, Spell, Term
from hdc.apps.json.values.statistics import Profile
from hdc.apps.json.values.strings import CODE, MAX_WORDS, Shares, ngrams_of, word_sequence, word_tokens
from hdc.apps.json.values.tokens import Token, Tokens, constant_tokens
from hdc.checks import choice, flag, function, listed, number
from hdc.errors import ParameterError

Numbers: TypeAlias = Literal["grid", "smooth"]

NUMBERS: tuple[Numbers, ...] = ("grid", "smooth")
"""How numbers are softened: by the grid cells that they share, or by a smooth kernel."""

BANDWIDTHS = (1e-6, 1e6)
"""Least and greatest bandwidth."""

EXACT_TEXT = 0.1
"""Share of the squared weight of the text, for a string converted to a number."""

CONTAINED = 0.9
"""Score of a string that has the words of the query's string in their order, among others."""

ORDER = 0.1
"""Share of the score for words that follow each other as in the query's string."""

SAME_WORDS = 0.05
"""Extra score of a string that has only these words; equal strings get the whole."""

EMBEDDED = 1 << 13
"""Strings to embed per block before documents are compared."""

CACHE = 1 << 14
"""Cache sizes: values of queries and candidates with tokens, paths with profiles, frequencies with rarities."""


Grid: TypeAlias = Callable[[Quantities, int | float, float, tuple[float, ...]], Tokens]
"""How the cells of numbers are listed: one by one, or those of a scale as one."""

_COMPUTED = {SMOOTH, WINDOW}
"""Prefixes of the kinds of tokens that are not atoms, besides ``"encoder"``."""


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
        """How the weight of a string that is not an identifier is divided."""
        return Shares.of(self.strings, self.string_encoder is not None)


@dataclass(frozen=True)
class Sharing:
    """How much of one value others share: its squared weight, and the function of another value."""

    whole: float
    of: Callable[[Any], float]


class Values:
    """Turn the values of leaves into tokens and vectors.

    Parameters
    ----------
    profile : Profile
        What ``fit`` learned; an empty one weighs all tokens alike.
    options : ValueOptions
    embeddings : Embeddings, optional
        Cached embeddings of ``options.string_encoder``, to continue with.
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
        self._known: dict[tuple[Path, Any], tuple[set[tuple[str, str]], Number | None]] = {}
        self._places: dict[Path, tuple[Mapping[Token, int], Shares]] = {}

    # ------------------------------------------------------------------ tokens

    def tokens(self, path: Path, value: Any) -> Tokens:
        """Return the tokens of a leaf, each weighted by its kind and its rarity."""
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
        scale, place = self._placed(path, kind, value)
        if self.options.numbers == "smooth":
            tokens = smooth_tokens(kind, value, place, self.options.bandwidth)
        else:
            tokens = grid(kind, value, place, DECADE_WIDTHS if scale is None else QUANTILE_WIDTHS)
        if scale is None:
            return tokens
        rarity = self._rarity(scale)
        return {token: weight * rarity for token, weight in tokens.items()}

    def _rarity(self, scale: Scale) -> float:
        return self._weigh(max(1.0, scale.share * self.profile.documents))

    def has_scale(self, path: Path, kind: Quantities) -> bool:
        """Whether :meth:`fit` learned how the numbers of a path spread."""
        return (scale_path(path), kind) in self.profile.scales

    def _placed(self, path: Path, kind: Quantities, value: int | float) -> tuple[Scale | None, float]:
        """Return the scale of a path's numbers, if any, and the place of a number."""
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
        exact, words = ("=", text), word_tokens(text) if shares.exact < 1 else ()
        weigh = self._weigh
        rarities = list(map(weigh, map(seen.get, words, repeat(1)))) if seen else [weigh(1)] * len(words)
        whole = max(rarities) if words and exact not in seen else weigh(seen.get(exact, 1))
        if not words:
            return {exact: whole}
        tokens: Tokens = {}
        if shares.exact:
            tokens[exact] = math.sqrt(shares.exact) * whole
        if shares.words:
            weight = math.sqrt(shares.words / len(words))
            tokens.update(zip(words, [weight * rarity for rarity in rarities], strict=True))
        if shares.ngrams:
            grams = ngrams_of([word for _, word in words])
            weight = math.sqrt(shares.ngrams / len(grams))
            tokens.update({("%", g): weight * max(rarities[i] for i in owners) for g, owners in grams.items()})
        if shares.encoder:
            tokens["encoder", text] = math.sqrt(shares.encoder) * whole
        return tokens

    def _place(self, path: Path) -> tuple[Mapping[Token, int], Shares]:
        """Return the token frequencies at a path, and how its strings are divided."""
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

    def parts(self, path: Path, value: Any, spell: Spell | None = None) -> Parts:
        """Return the search parts of a value.

        Of the weight of a string another one has ``CONTAINED`` that has all of its words, each after the same one;
        less by up to ``ORDER`` where they are elsewhere, more by ``SAME_WORDS`` where there are no others.

        Parameters
        ----------
        path : Path
        value : as in leaves
        spell : function, optional
            For words that are asked for.
        """
        if isinstance(value, str):
            converted = convert(value, self._conversions)
            if converted is None:
                if self._shares.encoder:
                    return self._parts_with_encoder(path, value)
                return self._parts_of_text(path, value, spell)
            number = self._number_part(path, *converted, 1 - EXACT_TEXT)
            text = number.weight * EXACT_TEXT / (1 - EXACT_TEXT)
            return Parts([Term("=", (value,), text)], number, text + number.weight)
        if isinstance(value, int | float):
            number = self._number_part(path, NUMBER, value, 1.0)
            return Parts([], number, number.weight)
        ((token, weight),) = self.tokens(path, value).items()
        return Parts([Term(token[0], (token[1],), weight * weight)], None, weight * weight)

    def held(self, path: Path, value: Any) -> Held:
        """Return the :meth:`parts` of a document's value, without the weights of parts."""
        if not isinstance(value, str) or convert(value, self._conversions) is not None:
            parts = self.parts(path, value)
            return Held([(term.kind, term.contents[0]) for term in parts.terms], parts.number, parts.whole)
        seen, shares = self._place(path)
        sequence = word_sequence(value) if shares.exact < 1 else []
        words = list(dict.fromkeys(sequence))[:MAX_WORDS]
        weigh, known = self._weigh, seen.get
        named = [("~", word) for word in words]
        rarities = [weigh(known(word, 1)) for word in named]
        exact = max(rarities) if words and ("=", value) not in seen else weigh(known(("=", value), 1))
        if not words or not shares.words + shares.ngrams:
            return Held([("=", value)], None, exact**2)
        grams = ngrams_of(words) if shares.ngrams else {}
        squares, gram_squares = _squares(shares, rarities, grams.values())
        whole = (shares.exact + shares.encoder) * exact**2 + (sum(squares) + sum(gram_squares))
        pairs = dict.fromkeys(pairwise(sequence))
        terms = [("=", value), ("≡", " ".join(sequence)), *named]
        terms += [("&", f"{one} {other}") for one, other in islice(pairs, MAX_WORDS)]
        return Held([*terms, *(("%", gram) for gram in grams)], None, whole)

    def _number_part(self, path: Path, kind: Quantities, value: int | float, share: float) -> Number:
        scale, place = self._placed(path, kind, value)
        rarity = 1.0 if scale is None else self._rarity(scale)
        if self.options.numbers == "smooth":
            place /= self.options.bandwidth
        return Number(kind, value, place, share * rarity**2)

    def _parts_with_encoder(self, path: Path, text: str) -> Parts:
        """Return the parts of a string if an encoder compares strings: words count at any position."""
        squares = {token: weight * weight for token, weight in self._text(path, text).items()}
        whole = sum(squares.values())
        exact, likened = squares.pop(("=", text), 0.0), squares.pop(("encoder", text), 0.0)
        contained = CONTAINED * whole / (whole - exact or whole)
        terms = [Term("=", (text,), whole - contained * (whole - exact))]
        terms += [Term(kind, (content,), contained * square) for (kind, content), square in squares.items()]
        return Parts(terms, None, whole, contained * likened)

    def _parts_of_text(self, path: Path, text: str, spell: Spell | None) -> Parts:
        seen, shares = self._place(path)
        sequence = word_sequence(text) if shares.exact < 1 else []
        words = list(dict.fromkeys(sequence))[:MAX_WORDS]
        spelled = {word: found for word in words if spell and (found := spell(path, word)) is not None}
        held = {word: spelled[word].words if word in spelled else (word,) for word in words}
        rarities = [self._weigh(max(seen.get(("~", like), 1) for like in held[word])) for word in words]
        exact = max(rarities) if words and ("=", text) not in seen else self._weigh(seen.get(("=", text), 1))
        if not words or not shares.words + shares.ngrams:
            return Parts([Term("=", (text,), exact**2)], None, exact**2)
        grams = ngrams_of(words) if shares.ngrams else {}
        squares, gram_squares = _squares(shares, rarities, grams.values())
        others = sum(squares) + sum(gram_squares)
        whole = (shares.exact + shares.encoder) * exact**2 + others
        pairs = list(dict.fromkeys(pairwise(sequence)))[:MAX_WORDS]
        ordered = ORDER if pairs else 0.0
        share = (CONTAINED - ordered) * whole / others
        terms = [Term("=", (text,), (1 - CONTAINED - SAME_WORDS) * whole)]
        terms.append(Term("≡", (" ".join(_first_of(held, word) for word in sequence),), SAME_WORDS * whole))
        for word, square in zip(words, squares, strict=True):
            likeness = spelled[word].likeness if word in spelled else 1.0
            terms.append(Term("~", held[word], likeness * share * square))
        for one, other in pairs:
            pair = f"{_first_of(held, one)} {_first_of(held, other)}"
            terms.append(Term("&", (pair,), ordered * whole / len(pairs)))
        terms += [Term("%", (gram,), share * square) for gram, square in zip(grams, gram_squares, strict=True)]
        return Parts(terms, None, whole)

    # ------------------------------------------------------------------ vectors

    def vectors(self, vsa: hdc.VSA, tokens: Sequence[Token]) -> npt.NDArray[np.float32]:
        """Return the vector of each token, of expected norm 1: ``(n, dim)`` float32.

        Raises
        ------
        ParameterError
            If the string encoder's output is not an ``(n, e)`` array of finite floats.
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
            raise ParameterError("these tokens need a string encoder; pass string_encoder=...")
        return self._embeddings

    # ------------------------------------------------------------------ comparison

    def prepare(self, documents: Iterable[Any]) -> None:
        """Embed the strings of documents that are going to be compared, in batches rather than one by one."""
        if self._shares.encoder:
            texts = list(_strings(documents))
            for start in range(0, len(texts), EMBEDDED):
                self._embedded(texts[start : start + EMBEDDED])

    def shared(self, path: Path, asked: Any, held: Any) -> float:
        """Return the part of the squared weight of the value ``asked`` that ``held`` shares; see :meth:`parts`."""
        return self.sharing(path, asked).of(held)

    def sharing(self, path: Path, asked: Any, spell: Spell | None = None, stand: Path | None = None) -> "Sharing":
        """Return how much of one value others share, for one that many are compared with.

        Numbers are compared on the scale of the path where the others stand, if that is another one.
        """
        parts = self.parts(path, asked, spell)
        terms = [({(term.kind, content) for content in term.contents}, term.weight) for term in parts.terms]
        stand, sought = path if stand is None else stand, parts.number
        if sought is not None and stand != path:
            sought = sought._replace(place=self._number_part(stand, sought.kind, sought.value, 1.0).place)

        def shared(held: Any) -> float:
            own, number = self._held(stand, held)
            part = sum([weight for contents, weight in terms if not own.isdisjoint(contents)])
            if sought is not None and number is not None:
                part += sought.weight * self._closeness(stand, sought, number)
            if parts.likened:
                part += parts.likened * self._likeness(stand, asked, held)
            return part

        return Sharing(parts.whole, shared)

    def _held(self, path: Path, value: Any) -> tuple[set[tuple[str, str]], Number | None]:
        """Return the terms of a value, and its number."""
        key = path, value
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= CACHE:
                self._known.clear()
            parts = self.parts(path, value)
            found = {(term.kind, term.contents[0]) for term in parts.terms}, parts.number
            self._known[key] = found
        return found

    def _closeness(self, path: Path, asked: Number, held: Number) -> float:
        """Return the share of a number's weight that another number gets."""
        if asked.kind != held.kind:
            return 0.0
        equal = EXACT_NUMBER if asked.value == held.value else 0.0
        if self.options.numbers == "smooth":
            return equal + (1 - EXACT_NUMBER) * kernel(asked.place, held.place)
        widths = QUANTILE_WIDTHS if self.has_scale(path, asked.kind) else DECADE_WIDTHS
        return equal + (1 - EXACT_NUMBER) * shared_cells(asked.place, held.place, widths)

    def _likeness(self, path: Path, asked: str, held: Any) -> float:
        """Return the similarity of two strings by a string encoder, 0 to 1."""
        if asked == held:
            return 1.0
        if not isinstance(held, str) or not self.is_embedded(path, held):
            return 0.0
        return min(1.0, max(0.0, self._embedded.cosine(asked, held)))

    def is_embedded(self, path: Path, value: Any) -> bool:
        """Whether a value is a string that the string encoder also embeds."""
        if not self._shares.encoder or not isinstance(value, str) or convert(value, self._conversions) is not None:
            return False
        shares = self._place(path)[1]
        return bool(shares.encoder and shares.exact < 1 and word_tokens(value))

    def embedded(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return the string encoder's unit vectors of strings: ``(n, e)`` float32."""
        return self._embedded(texts)


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


def _squares(shares: Shares, rarities: list[float], owners: Collection[list[int]]) -> tuple[list[float], list[float]]:
    """Return the squared weights of words, and of n-grams by the words that have each."""
    each = shares.words / len(rarities)
    grams = [shares.ngrams / len(owners) * max([rarities[i] for i in words]) ** 2 for words in owners]
    return [each * rarity**2 for rarity in rarities], grams


def _first_of(held: Mapping[str, tuple[str, ...]], word: str) -> str:
    """Return the word to look for in place of another."""
    return held[word][0] if word in held else word


def _alike(frequency: float) -> float:
    return 1.0
