"""N-grams: the runs of a text or any other sequence, at once or as a stream."""

from collections import Counter
from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Seq
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hdc.accumulator import Accumulator
from hdc.atoms import encode_name
from hdc.checks import integer, mapping, wrong
from hdc.dtypes import is_array
from hdc.errors import DTypeError, EmptyBundleError, ParameterError, UnsupportedError
from hdc.kernels import Array
from hdc.structures.base import Structure
from hdc.structures.numbering import numbered_names
from hdc.structures.rows import Numbers, Rows, blocks

READ = 1 << 18
"""Elements to read from a stream at a time."""

DISTINCT = 1 << 17
"""Distinct n-grams to count before they are added to the bundle."""


@dataclass(frozen=True)
class NGrams(Structure):
    """The bundle of all runs of n elements, each run bound into one vector in which order counts.

    A run counts as often as it occurs, unless the model ors. The similarity of two bundles of a model that sums is the
    cosine of the two histograms of runs, to ``1 / sqrt(dim)``.

    Parameters
    ----------
    vsa : VSA
        A model that binds two hypervectors.
    n : int or tuple of int
        Length of a run, at least 1, or several: the runs of all of them are in one bundle.

    Examples
    --------
    >>> import hdc
    >>> trigrams = hdc.NGrams(hdc.create("MAP-B", 10_000), n=3)
    >>> text = trigrams.encode("abracadabra")
    >>> trigrams.contains(text, "bra", size=9), trigrams.contains(text, "rab", size=9)
    (True, False)
    >>> trigrams.count("abracadabra").most_common(1)
    [(('a', 'b', 'r'), 2)]
    >>> bool((trigrams.encode_stream(iter("abracadabra")) == text).all())
    True
    """

    n: Any = 3

    gives: ClassVar[tuple[str, ...]] = ("contains",)
    task: ClassVar[str] = "membership"
    read: ClassVar[str | None] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.n, tuple):
            lengths = tuple(integer(n, "each of n", 1) for n in self.n)
            if not lengths or len(set(lengths)) < len(lengths):
                raise wrong(self.n, "n", "an integer of at least 1, or a tuple of different ones")
            object.__setattr__(self, "n", lengths)
        else:
            object.__setattr__(self, "n", integer(self.n, "n", 1))
        if not self.vsa.binds_vectors:
            raise UnsupportedError(
                f"n-grams bind hypervectors with each other, which {self.vsa.model} does not define; "
                "use Sequence, or another model"
            )

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths of runs."""
        return self.n if isinstance(self.n, tuple) else (self.n,)

    # ------------------------------------------------------------------ encoding

    def encode(self, elements: Seq[Any]) -> Array:
        """Return the bundle of all n-grams of the elements, which are in memory all at once.

        Parameters
        ----------
        elements : sequence of names and hypervectors, or (..., len, storage) array
            The elements of a ``str`` are its characters, those of ``bytes`` integers.

        Returns
        -------
        (..., storage) array

        Raises
        ------
        EmptyBundleError
            If there are fewer than n elements.
        """
        vectors = self.vectors(elements)
        lengths = [n for n in self.lengths if n <= vectors.shape[-2]]
        if not lengths:
            raise self._too_short(f"not {vectors.shape[-2]}")
        runs = [self._runs(vectors, n) for n in lengths]
        return self.vsa.bundle(runs[0] if len(runs) == 1 else self.vsa.xp.concat(runs, axis=-2))

    def count(self, stream: Any) -> "Counter[tuple[Any, ...]]":
        """Return how often each n-gram occurs, as tuples of elements; names that are equal in Python are one here.

        Parameters
        ----------
        stream : file opened for text or bytes, ``str``, ``bytes``, or iterable of names

        Returns
        -------
        collections.Counter

        Raises
        ------
        DTypeError
            As :meth:`encode_stream`.
        """
        counts: Counter[tuple[Any, ...]] = Counter()
        for grams, elements, times in self._counted(stream):
            for gram, often in zip(grams.tolist(), times.tolist(), strict=True):
                counts[tuple(elements[place] for place in gram)] += often
        return counts

    def encode_counts(self, counts: Any) -> Array:
        """Return the bundle of n-grams, each as often as a mapping says: of :meth:`count`, or a selection of it.

        Parameters
        ----------
        counts : mapping of n-grams to weights that the model takes
            An n-gram is a ``str``, ``bytes`` or a tuple of names.

        Raises
        ------
        EmptyBundleError
            If there is none.
        ParameterError
            If an n-gram has another length than n.
        """
        running = Accumulator(self.vsa)
        by_length: dict[int, list[tuple[list[Any], Any]]] = {}
        for gram, weight in mapping(counts, "counts").items():
            if not isinstance(gram, str | bytes | tuple):
                raise wrong(gram, "each n-gram", "a str, bytes or a tuple of names")
            by_length.setdefault(len(gram), []).append((list(gram), weight))
        for length, pairs in by_length.items():
            if length not in self.lengths:
                raise ParameterError(f"an n-gram has n={self.n} elements, and {length} were given")
            numbers, elements = numbered_names(element for gram, _ in pairs for element in gram)
            self._add(running, numbers.reshape(-1, length), elements, [weight for _, weight in pairs])
        return self._vector(running)

    def encode_stream(self, stream: Any) -> Array:
        """Return what :meth:`encode` returns of all elements that a stream yields, in memory that does not grow.

        Runs are counted, and each distinct one is bound once for every 131,072 distinct ones; so a megabyte of text
        takes seconds. Bits and integers are those of :meth:`encode`; floats are added in float64 and agree to rounding.

        Parameters
        ----------
        stream : file opened for text or bytes, ``str``, ``bytes``, or iterable of names

        Returns
        -------
        (storage,) array

        Raises
        ------
        EmptyBundleError
            If it yields fewer than n elements.
        DTypeError
            If it is none of these, or yields hypervectors.
        """
        running = Accumulator(self.vsa)
        for grams, elements, times in self._counted(stream):
            self._add(running, grams, elements, times)
        return self._vector(running)

    def _vector(self, running: Accumulator) -> Array:
        if not len(running):
            raise self._too_short("fewer were given")
        return running.vector()

    def _too_short(self, found: str) -> EmptyBundleError:
        least = min(self.lengths)
        return EmptyBundleError(f"{least}-grams need at least {least} elements, {found}")

    def _counted(self, stream: Any) -> Iterator[tuple[Numbers, list[Any], npt.NDArray[np.int64]]]:
        """Yield distinct n-grams as ``(m, n)`` places in a list of elements, and the count of each."""
        alphabet, tallies = _Alphabet(), [_Tally(n) for n in self.lengths]
        for block in _read_blocks(stream):
            codes = alphabet.codes(block)
            for tally in tallies:
                tally.feed(codes)
            if max(len(alphabet.elements), *(len(tally.keys) for tally in tallies)) > DISTINCT:
                yield from (tally.taken(alphabet.elements) for tally in tallies if len(tally.keys))
                alphabet.forget_but(tallies)
        yield from (tally.taken(alphabet.elements) for tally in tallies if len(tally.keys))

    def _add(self, running: Accumulator, grams: Numbers, elements: list[Any], weights: Any) -> None:
        rows = Rows(self.vsa, len(elements), lambda wanted: self.vectors([elements[i] for i in wanted.tolist()]))
        given = np.asarray(weights)
        for block in blocks(self.vsa, len(grams), grams.shape[1] + 1):
            run = self._bound([rows.take(grams[block, place]) for place in range(grams.shape[1])])
            running.add(run, given[block].tolist())

    # ------------------------------------------------------------------ reading

    def contains(self, bundle: Array, gram: Seq[Any], size: int | None = None) -> Any:
        """Decide whether one n-gram is among the ``size`` of the bundle; see :meth:`hdc.VSA.contains`.

        Returns
        -------
        bool, or nested list of bool for a batch of bundles
        """
        elements = self.vectors(gram)
        if elements.ndim != 2 or elements.shape[0] not in self.lengths:
            raise ParameterError(f"an n-gram has n={self.n} elements, and {elements.shape[-2]} were given")
        (run,) = self._runs(elements, len(elements))
        return self.vsa.contains(bundle, run, size).tolist()

    def _runs(self, vectors: Array, n: int) -> Array:
        """Return the bound runs, ``(..., len - n + 1, storage)``: bind(permute(x0, n-1), … x(n-1))."""
        count = vectors.shape[-2] - n + 1
        return self._bound([vectors[..., place : place + count, :] for place in range(n)])

    def _bound(self, elements: list[Array]) -> Array:
        run = elements[-1]
        for distance, element in enumerate(reversed(elements[:-1]), start=1):
            run = self.vsa.bind(self.vsa.permute(element, distance), run)
        return run


# ---------------------------------------------------------------------- counting


class _Tally:
    """Distinct runs of n codes that were fed, and the count of each."""

    def __init__(self, n: int) -> None:
        self.n, self.tail = n, np.empty(0, np.int64)
        self._clear()

    def _clear(self) -> None:
        self.keys, self.times = np.empty((0, self.n), np.int64), np.empty(0, np.int64)

    def feed(self, codes: Numbers) -> None:
        """Count the runs that end in ``codes``, including those that started earlier."""
        joined = np.concatenate([self.tail, codes])
        if len(joined) >= self.n:
            runs = np.lib.stride_tricks.sliding_window_view(joined, self.n)
            keys, times = _unique_rows(runs, np.ones(len(runs), np.int64))
            self.keys, self.times = _unique_rows(np.concatenate([self.keys, keys]), np.concatenate([self.times, times]))
        self.tail = joined[max(0, len(joined) - self.n + 1) :]

    def taken(self, elements: list[Any]) -> tuple[Numbers, list[Any], npt.NDArray[np.int64]]:
        """Return and forget the runs, as places in a list of their elements."""
        used, places = np.unique(self.keys, return_inverse=True)
        found = places.reshape(self.keys.shape), [elements[i] for i in used.tolist()], self.times
        self._clear()
        return found


def _unique_rows(rows: Numbers, times: npt.NDArray[np.int64]) -> tuple[Numbers, npt.NDArray[np.int64]]:
    """Return distinct rows of codes, and the total count of each."""
    _, firsts, places = np.unique(_packed(rows), return_index=True, return_inverse=True)
    sums = np.zeros(len(firsts), np.int64)
    np.add.at(sums, places.reshape(-1), times)
    return rows[firsts], sums


def _packed(rows: Numbers) -> Numbers:
    """Return one integer per row, equal for equal rows; integers that would exceed int64 are renumbered."""
    packed = rows[:, 0]
    for column in rows.T[1:]:
        width = int(column.max(initial=0)) + 1
        if int(packed.max(initial=0)) >= (1 << 62) // width:
            packed = np.unique(packed, return_inverse=True)[1].reshape(-1)
        packed = packed * width + column
    return packed


class _Alphabet:
    """Codes of the elements of a stream, in order of first occurrence."""

    def __init__(self) -> None:
        self.elements: list[Any] = []
        self._places: dict[bytes, int] = {}

    def codes(self, block: Any) -> Numbers:
        """Return the code of each element of a text, of bytes or of a list of names."""
        if isinstance(block, str):
            points = np.frombuffer(block.encode("utf-32-le", "surrogatepass"), dtype="<u4")
            distinct, codes = np.unique(points, return_inverse=True)
            names: list[Any] = list(map(chr, distinct.tolist()))
        elif isinstance(block, bytes | bytearray | memoryview):
            distinct, codes = np.unique(np.frombuffer(block, dtype=np.uint8), return_inverse=True)
            names = distinct.tolist()
        else:
            if any(map(is_array, block)):
                raise DTypeError("a stream yields names, and hypervectors were given; use encode")
            codes, names = numbered_names(block)
        return np.array([self._place(name) for name in names], dtype=np.int64)[codes.reshape(-1)]

    def _place(self, name: Any) -> int:
        place = self._places.setdefault(encode_name(name), len(self.elements))
        if place == len(self.elements):
            self.elements.append(name)
        return place

    def forget_but(self, tallies: list[_Tally]) -> None:
        """Forget all elements except those of unfinished runs, whose codes change."""
        old, self.elements, self._places = self.elements, [], {}
        for tally in tallies:
            tally.tail = np.array([self._place(old[code]) for code in tally.tail.tolist()], dtype=np.int64)


def _read_blocks(stream: Any) -> Iterator[Any]:
    if hasattr(stream, "read"):
        while block := stream.read(READ):
            yield block
    elif isinstance(stream, str | bytes | bytearray):
        yield from (stream[start : start + READ] for start in range(0, len(stream), READ))
    elif isinstance(stream, Iterable) and not is_array(stream):
        elements = iter(stream)
        while block := list(islice(elements, READ)):
            yield block
    else:
        raise DTypeError(f"a stream is a file, a text, bytes or an iterable of names, not {type(stream).__name__}")
