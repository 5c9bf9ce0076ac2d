"""Learn a :class:`Profile` from a stream of documents, or from parts of it in several processes.

Memory does not grow with the stream: a summary that drops rare tokens counts the frequent ones
(:class:`~hdc.apps.json.values.sketches.Counts`), and numbers are sampled.
"""

from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from hdc import files
from hdc.apps.garbage import uncollected
from hdc.apps.json.document.batches import Batch, distinct
from hdc.apps.json.document.leaves import LeafTable, Node
from hdc.apps.json.document.paths import Path, any_position, scale_path
from hdc.apps.json.document.rules import Layout
from hdc.apps.json.values.conversion import convert
from hdc.apps.json.values.number_scale import Scale, clamped
from hdc.apps.json.values.numbers import NUMBER, Quantities
from hdc.apps.json.values.sketches import Counts, Sample, Samples
from hdc.apps.json.values.statistics import Profile, Quantity, read_count, read_path, read_quantity
from hdc.apps.json.values.strings import are_codes, word_tokens
from hdc.apps.json.values.tokens import Token, constant_tokens
from hdc.errors import FileFormatError, MismatchError
from hdc.search.postings.names import runs

MAX_TOKENS = 100_000
"""Tokens whose frequency a profile stores, the most frequent ones; others count as seen once."""

MAX_TOKEN_LENGTH = 256
"""Most characters of a string whose frequency is stored."""

NUMBERS = 256
"""Numbers per path that a profile stores."""

INT64 = 1 << 63

KIND = "json-counts"

STATE = 625
"""Integers that store the state of a sample's random numbers."""


class ProfileBuilder:
    """Count the tokens and sample the numbers of documents.

    Holds at most ``2 KEPT`` counters and ``SAMPLED`` numbers (see
    :mod:`hdc.apps.json.values.sketches`), whatever comes.
    Parts of a collection are counted in other processes and merged: :meth:`to_bytes` and :meth:`from_bytes` carry a
    builder over, without pickle, and so that it goes on as if it had stayed.

    Parameters
    ----------
    conversions : collection of str
        Strings that count as numbers, as in :class:`JSONEncoder`.
    layout : Layout, optional
        Rules for taking documents apart; by default those of an encoder without options.

    Attributes
    ----------
    documents : int
        Documents so far.
    settings : dict of JSON values
        Settings that the counts depend on. Only builders of equal settings can be merged.
    """

    def __init__(self, conversions: Collection[str] = (), layout: Layout | None = None) -> None:
        self.documents = 0
        self.settings = {"convert": sorted(set(conversions)), **(layout or Layout.of()).to_json()}
        self._conversions = tuple(conversions)
        self._counts: Counts[Path, Token] = Counts()
        self._samples: Samples[Quantity] = Samples()
        self._contents: _Contents | None = None

    @property
    def error(self) -> int:
        """How much too low a token's document frequency may be; 0 as long as all tokens could be held."""
        return self._counts.error

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_contents": None}

    def add(self, batch: Batch) -> None:
        """Count the documents of a batch."""
        if self._contents is None or self._contents.table is not batch.table:
            self._contents = _Contents(batch.table, self._conversions)
        contents = self._contents
        leaves = batch.leaves
        contents.extend(int(leaves.max()) + 1 if len(leaves) else 0)
        rows = np.repeat(np.arange(len(batch)), np.diff(batch.starts))
        starts, tokens = np.frombuffer(contents.starts, np.int64), np.frombuffer(contents.tokens, np.int64)
        first, counts = starts[leaves], starts[leaves + 1] - starts[leaves]
        several = max(1, len(contents.names))
        present = distinct(np.repeat(rows, counts) * several + tokens[runs(first, counts)]) % several
        del starts, tokens  # otherwise the arrays could not grow
        self._count(contents, present)
        numbers = contents.numbers
        if numbers:
            add = self._samples.add
            for leaf in leaves[np.isin(leaves, list(numbers))].tolist():
                add(*numbers[leaf])
        self.documents += len(batch)

    def rest(self) -> Self:
        """Free the caches for further batches of the same table; return this builder."""
        self._contents = None
        return self

    def _count(self, contents: "_Contents", present: npt.NDArray[np.int64]) -> None:
        """Count tokens as often as they occur among those present."""
        frequencies = np.bincount(present)
        found = np.flatnonzero(frequencies)
        counts: dict[int, dict[Token, int]] = {}
        names, owners = contents.names, contents.owners
        for token, count in zip(found.tolist(), frequencies[found].tolist(), strict=True):
            counts.setdefault(owners[token], {})[names[token]] = count
        for owner, counted in counts.items():
            self._counts.count(contents.places[owner], counted)

    def merge(self, other: "ProfileBuilder") -> Self:
        """Add what another builder counted, as if its documents had followed; return this builder.

        Counts add up and so do their errors; where more numbers were seen than are kept, the sample is another
        one of the same distribution.

        Raises
        ------
        MismatchError
            If the other one counted with other settings.
        """
        self.check_settings(other.settings)
        self._counts.merge(other._counts)
        self._samples.merge(other._samples)
        self.documents += other.documents
        return self

    def check_settings(self, settings: Mapping[str, Any]) -> None:
        """Raise MismatchError if other settings are given than these counts were made with."""
        differ = [name for name in self.settings if self.settings[name] != settings.get(name)]
        if differ:
            name = differ[0]
            raise MismatchError(
                f"counted with {name}={self.settings[name]} and with {name}={settings.get(name)}; count all parts of "
                "a collection with one encoder"
            )

    def to_bytes(self) -> bytes:
        """Return the builder as bytes: versioned, checksummed, and without pickle."""
        samples = list(self._samples)
        groups = [(path, list(counts), list(counts.values())) for path, counts in self._counts.groups()]
        tokens = [token for _, own, _ in groups for token in own]
        kinds = {kind: number for number, kind in enumerate(dict.fromkeys(kind for kind, _ in tokens))}
        meta = {
            "documents": self.documents,
            "settings": self.settings,
            "error": self.error,
            "kinds": list(kinds),
            "tokens": [[list(path), [content for _, content in own]] for path, own, _ in groups],
            "samples": [
                [list(path), kind, sample.seen, len(sample.values), sample.state is not None]
                for (path, kind), sample in samples
            ],
        }
        arrays: dict[str, npt.NDArray[Any]] = {
            "kinds": np.array([kinds[kind] for kind, _ in tokens], np.uint8),
            "counts": np.array([count for _, _, counts in groups for count in counts], np.int64),
        }
        arrays |= _sample_arrays([sample for _, sample in samples])
        return files.pack(KIND, meta, arrays, quick=True)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return the builder that :meth:`to_bytes` wrote.

        Raises
        ------
        FileFormatError
            If the bytes are damaged, something else, or of a newer version.
        """
        meta, arrays = files.unpack(data, KIND, name="the builder")
        builder = cls()
        try:
            builder._restore(meta, arrays)
        except (IndexError, KeyError, TypeError, ValueError, OverflowError, StopIteration) as error:
            raise FileFormatError(f"the builder is damaged ({error!r}); count again") from error
        return builder

    def _restore(self, meta: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self.documents, self.settings = read_count(meta["documents"]), dict(meta["settings"])
        self._conversions = tuple(self.settings["convert"])
        self._counts.restore(read_count(meta["error"]), _groups_of(meta, arrays["kinds"], arrays["counts"]))
        numbers, states = _numbers_of(arrays["words"], arrays["real"]), iter(arrays["random"].tolist())
        for path, kind, seen, length, drawn in meta["samples"]:
            own = list(islice(numbers, read_count(length)))
            if len(own) != length:
                raise ValueError("numbers are missing")
            sample = Sample().restore(own, read_count(seen), next(states) if drawn else None)
            self._samples.restore((read_path(path), read_quantity(kind)), sample)

    def build(self) -> Profile:
        """Return the profile of all documents so far."""
        with uncollected():
            return self._built()

    def _built(self) -> Profile:
        frequencies = self._most_frequent()
        scales = {quantity: Scale.learn(map(clamped, sample.values)) for quantity, sample in self._samples}
        numbers = {path: _codebook(sample) for (path, kind), sample in self._samples if kind == NUMBER}
        codes = frozenset(path for path, tokens in frequencies.items() if are_codes(_texts(tokens)))
        return Profile(self.documents, frequencies, scales, numbers, codes)

    def _most_frequent(self) -> dict[Path, dict[Token, int]]:
        """Return the tokens with the highest counts, in this order; ties by the text of path and token.

        No path's text is a prefix of another's, so paths are sorted by their text alone. Most tokens of a large
        collection have low counts and are not formatted at all.
        """
        counts = np.fromiter(chain.from_iterable(counted.values() for _, counted in self._counts.groups()), np.int64)
        least = int(np.partition(counts, -MAX_TOKENS)[-MAX_TOKENS]) if len(counts) > MAX_TOKENS else 0
        room = MAX_TOKENS - int(np.count_nonzero(counts > least))
        tokens, owners, ranks = list[Token](), array("q"), array("q")
        groups = sorted((repr(path), path, counted) for path, counted in self._counts.groups())
        for owner, (_, _, counted) in enumerate(groups):
            own = sorted([token for token, count in counted.items() if count >= least], key=repr)
            ranked = list(map(counted.__getitem__, own))
            tokens += own
            ranks.extend(ranked)
            owners.extend([owner] * len(own))
            room -= ranked.count(least)
            if room <= 0:  # there are enough with the least count
                least, room = least + 1, len(counts)
        found: dict[int, dict[Token, int]] = {}
        for place in np.argsort(-np.array(ranks), kind="stable")[:MAX_TOKENS].tolist():
            found.setdefault(owners[place], {})[tokens[place]] = ranks[place]
        return {groups[owner][1]: counted for owner, counted in found.items()}


class _Contents:
    """What the leaves of a table count, computed once per leaf: tokens, and numbers with their scales.

    Attributes
    ----------
    table : LeafTable
    names, owners : list of Token, array of int
        Each token, and the number of its path in ``places``.
    places : list of Path
    starts, tokens : arrays of int
        The tokens of leaf i are ``tokens[starts[i] : starts[i + 1]]``.
    numbers : dict of leaf to (quantity, number)
    """

    def __init__(self, table: LeafTable, conversions: Collection[str]) -> None:
        self.table, self.names, self.owners, self.places = table, list[Token](), array("q"), list[Path]()
        self.starts, self.tokens = array("q", [0]), array("q")
        self.numbers: dict[int, tuple[Quantity, int | float]] = {}
        self._conversions = conversions
        self._paths: dict[Path, tuple[int, dict[Token, int]]] = {}
        self._nodes: dict[Node, tuple[int, dict[Token, int]]] = {}

    def extend(self, leaves: int) -> None:
        """Process the leaves up to a number."""
        nodes, values, found = self.table.nodes, self.table.values, self._nodes
        names, owners, tokens, starts = self.names, self.owners, self.tokens, self.starts
        for leaf in range(len(starts) - 1, leaves):
            node, value = nodes[leaf], values[leaf]
            number = self._number(value)
            if number is not None:
                self.numbers[leaf] = ((scale_path(node.path()), number[0]), number[1])
            countable = _countable(value, number is None)
            if countable:
                owner, own = found.get(node) or self._found(node)
                for token in countable:
                    which = own.get(token)
                    if which is None:
                        which = own[token] = len(names)
                        names.append(token)
                        owners.append(owner)
                    tokens.append(which)
            starts.append(len(tokens))

    def _found(self, node: Node) -> tuple[int, dict[Token, int]]:
        """Return the number of a node's path without array positions, and the numbers of its tokens."""
        place = any_position(node.path())
        if place not in self._paths:
            self._paths[place] = len(self.places), {}
            self.places.append(place)
        self._nodes[node] = self._paths[place]
        return self._paths[place]

    def _number(self, value: Any) -> tuple[Quantities, int | float] | None:
        """Return what a value measures, and its number, or the nearest double of an integer beyond 64 bits."""
        if isinstance(value, str):
            number = convert(value, self._conversions) if self._conversions else None
        else:
            number = (NUMBER, value) if isinstance(value, int | float) else None
        if number is None or -INT64 <= number[1] < INT64:
            return number
        return number[0], clamped(number[1])


def _groups_of(
    meta: Mapping[str, Any], kinds: npt.NDArray[Any], counts: npt.NDArray[Any]
) -> Iterator[tuple[Path, dict[Token, int]]]:
    """Yield paths and the counts of their tokens from the output of :meth:`ProfileBuilder.to_bytes`."""
    names, begin = list(map(meta["kinds"].__getitem__, kinds.tolist())), 0
    numbers = counts.tolist()
    if len(names) != len(numbers) or not {*map(type, names)} <= {str} or (counts < 1).any():
        raise ValueError("counts are missing, or are none")
    for path, contents in meta["tokens"]:
        mine = slice(begin, begin + len(contents))
        if not {*map(type, contents)} <= {str}:
            raise ValueError("a token is no text")
        yield read_path(path), dict(zip(zip(names[mine], contents, strict=True), numbers[mine], strict=True))
        begin += len(contents)


def _sample_arrays(samples: Collection[Sample]) -> dict[str, npt.NDArray[Any]]:
    """Return the numbers of samples as 64 bits each, a mask of floats, and the states of their random numbers."""
    numbers = [number for sample in samples for number in sample.values]
    real = np.fromiter((isinstance(number, float) for number in numbers), np.bool_, len(numbers))
    words = np.zeros(len(numbers), np.int64)
    words[real] = np.array([number for number in numbers if isinstance(number, float)], np.float64).view(np.int64)
    words[~real] = [number for number in numbers if isinstance(number, int)]
    states = [sample.state for sample in samples if sample.state is not None]
    return {"words": words, "real": real, "random": np.array(states, np.uint32).reshape(len(states), STATE)}


def _numbers_of(words: npt.NDArray[Any], real: npt.NDArray[Any]) -> Iterator[int | float]:
    floats = words.view(np.float64)
    if not np.isfinite(floats[real]).all():
        raise ValueError("a number is not finite")
    for number, word, is_real in zip(floats.tolist(), words.tolist(), real.tolist(), strict=True):
        yield number if is_real else word


def _codebook(sample: Sample) -> dict[int | float, int]:
    """Return some of the numbers seen, evenly spaced in their order, and how often each was seen."""
    counts = sorted(Counter(sample.values).items())
    if len(counts) > NUMBERS:
        counts = [counts[round(i * (len(counts) - 1) / (NUMBERS - 1))] for i in range(NUMBERS)]
    return {number: round(count * sample.seen / len(sample.values)) for number, count in counts}


def _texts(tokens: Iterable[Token]) -> list[str]:
    return [content for kind, content in tokens if kind == "="]


def _countable(value: Any, has_words: bool) -> list[Token]:
    """Return the tokens of a value to count: none of a number, the whole of a converted string."""
    if isinstance(value, int | float):
        return []
    if not isinstance(value, str):
        return list(constant_tokens(value))
    tokens = [("=", value)]
    if has_words:
        tokens += word_tokens(value)
    if len(value) <= MAX_TOKEN_LENGTH and value.isascii():  # other letters may fold to several
        return tokens
    return [token for token in tokens if len(token[1]) <= MAX_TOKEN_LENGTH]
