"""What a backend supplies: frozen records of functions, each with one signature.

The docstring of a field is the contract. Kernels trust their inputs: the models check dtype, shape and
padding before they call. Packed arrays follow :mod:`hdc.words`; a kernel takes any strides, any byte order
and read-only memory, never writes to an input, and returns a fresh C-contiguous array.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Array = Any
"""A NumPy array, or the backend's own tensor type."""

NumPyArray = npt.NDArray[Any]


@dataclass(frozen=True)
class BitKernels:
    """Kernels on packed words: what the packed models need, and nothing else.

    Attributes
    ----------
    random_words : (keys (n, 2) uint64, words int) -> (n, words) uint64
        Row i is the first ``words`` outputs of the Philox4x64-10 stream with key ``keys[i]``, counter starting at
        one (Salmon et al. 2011; NumPy's ``np.random.Philox(key=...).random_raw``). NumPy arrays on every backend:
        atoms are drawn on the host and handed over.
    signed_orders : (keys (n, 2) uint64, dim int) -> (n, dim) int32
        Random signed permutations, one of each stream, drawn on the host as ``random_words`` are. With w the first
        ``dim`` words of a stream, entry j of its row is ``2 * order[j] + w[j] % 2``: ``order`` is the stable order of
        w, and an odd entry says that the sign is -1. ``dim`` is at most 2^30.
    xor : (a (..., words), b (..., words)) -> (..., words)
        Elementwise exclusive or; batch axes broadcast.
    or_reduce : (x (..., n, words)) -> (..., words)
        Bitwise or along axis -2; ``n >= 1``.
    popcount : (x (..., words)) -> (...) int64
        Number of set bits of each row.
    hamming : (queries (q, words), items (n, words)) -> (q, n) int32
        Number of differing bits of every pair.
    shared_ones : (queries (q, words), items (n, words)) -> (q, n) int32
        Number of bits set in both, of every pair.
    majority : (x (..., n, words), weights (..., n) int64 or None, tie (words,), dim) -> (..., words)
        Bit j is set where component j of ``signed_sums`` is positive, cleared where it is negative. Where it is zero,
        bit j is ``tie``'s, exclusive or whether half of component ``(j - 1) mod dim`` is odd: sums that share nothing
        then fall alike half of the time. Weights may be negative; weights of one set whose magnitudes sum to 2^62 or
        more raise :class:`~hdc.errors.ParameterError`. Padding is clear.
    signed_sums : (x (..., n, words), weights as majority, dim) -> (..., dim) int64
        Component j is the weights of rows with bit j set (1 each for None), less those of the others; raises as
        ``majority``, and batch axes broadcast.
    rotate : (x (..., words), shifts int or (...) int64, dim) -> (..., words)
        Component ``(j + shift) mod dim`` of the result is component j of ``x``; ``shifts`` broadcasts
        against the batch axes.
    gather : (x (..., words), index (..., dim) int64, dim) -> (..., words)
        Component j of the result is component ``index[j]`` of ``x``; batch axes broadcast.
    pack : (bits (..., dim) bool) -> (..., words)
        As :func:`hdc.words.pack`.
    unpack : (x (..., words), dim) -> (..., dim) bool
        As :func:`hdc.words.unpack`.
    """

    random_words: Callable[[Array, int], Array]
    signed_orders: Callable[[Array, int], Array]
    xor: Callable[[Array, Array], Array]
    or_reduce: Callable[[Array], Array]
    popcount: Callable[[Array], Array]
    hamming: Callable[[Array, Array], Array]
    shared_ones: Callable[[Array, Array], Array]
    majority: Callable[[Array, Array | None, Array, int], Array]
    signed_sums: Callable[[Array, Array | None, int], Array]
    rotate: Callable[[Array, Any, int], Array]
    gather: Callable[[Array, Array, int], Array]
    pack: Callable[[Array], Array]
    unpack: Callable[[Array, int], Array]


@dataclass(frozen=True)
class DenseKernels:
    """Kernels on unpacked arrays; the result has the dtype of ``x``, where nothing else is said.

    Attributes
    ----------
    signed_gather : (x (..., dim), index (dim,) int64, sign (dim,) int8) -> (..., dim)
        Component j of the result is ``sign[j] * x[index[j]]``.
    signed_gathers : (x (n, dim), entries (m, dim) int32, outer (n,) int64, inner (n,) int64) -> (n, dim)
        As ``signed_gather``, each row by a product of its own, as ``signed_products`` makes it: component j of row i of
        the result is ``x[i, e // 2]``, or its negative where e is odd, with e the entry j of the product.
    signed_products : (entries (m, dim) int32, outer (n,) int64, inner (n,) int64) -> (n, dim) int32
        Row i is the signed permutation that applies ``entries[inner[i]]``, and then ``entries[outer[i]]``.
    hadamard : (x (..., dim), first (dim,) int8, middle (dim,) int8, index (dim,) int64, sign (dim,) int8, steps int)
               -> (..., dim)
        A step forward, with 2**p the greatest power of two up to dim: times ``first``; transform the leading 2**p
        components by the orthonormal fast Walsh-Hadamard transform in natural (Sylvester) order; if dim is greater,
        times ``middle``, and transform the trailing 2**p; then ``signed_gather``. A step backward, for negative
        ``steps``: ``signed_gather``; transform the trailing 2**p; if dim is greater, times ``middle``, and transform
        the leading 2**p; times ``first``. ``steps`` is not 0.
    csr_matmul : (data (nnz,), indices (nnz,) int, indptr (docs + 1,) int, x (tokens, dim)) -> (docs, dim)
        Row i of the result is the sum of ``data[t] * x[indices[t]]`` for t from ``indptr[i]`` to
        ``indptr[i + 1] - 1``: a sparse matrix in compressed rows times a dense one.
    sign_product : (a (..., dim) int8, b (..., dim) int8 to int64) -> ((..., dim) of b's dtype, () bool)
        The product, batch axes broadcast, and whether it is one that MAP-I has: all of ``a``, and of ``b`` if that is
        int8, is ±1, and no component of a wider ``b`` is the least of its dtype, which lacks its negative. Where it is
        not, the product is any array.
    byte_dots : (queries (q, dim) int8 to int64, items (n, dim) int8) -> ((q, n) int64, (n,) int64)
        Dot products of all pairs, and of each item with itself. Queries are of magnitudes below 2^23.
    byte_sums : (x (..., n, dim) int8) -> (..., dim) int32
        Sum along axis -2; ``n`` is below 2^24.
    phasor_product : (a (..., 2 * dim), b (..., 2 * dim), conjugate bool) -> (..., 2 * dim)
        Product of complex numbers, real and imaginary part in turn, of floats of one dtype; ``conjugate`` of those of
        ``a``. Batch axes broadcast.
    convolve : (a (..., dim), b (..., dim), back bool) -> (..., dim)
        Circular convolution of floats of one dtype: component k of the result is the sum of ``a[j] * b[(k - j) % dim]``
        over j; for ``back``, which undoes it where ``a`` is unitary, of ``a[j] * b[(k + j) % dim]``. Batch axes
        broadcast.
    row_sums : (x (..., n, dim)) -> (..., dim)
        Sum of floats along axis -2, in any order.
    smallest : (keys (q, n) int64, k) -> (q, k) int64
        The k least of each row, ascending; ``k <= n``.
    exact_integers : () -> int
        Integers up to this magnitude are not rounded by a float32 matrix product, as the library is set now.
    """

    signed_gather: Callable[[Array, Array, Array], Array]
    signed_gathers: Callable[[Array, Array, Array, Array], Array]
    signed_products: Callable[[Array, Array, Array], Array]
    hadamard: Callable[[Array, Array, Array, Array, Array, int], Array]
    csr_matmul: Callable[[Array, Array, Array, Array], Array]
    sign_product: Callable[[Array, Array], tuple[Array, Array]]
    byte_dots: Callable[[Array, Array], tuple[Array, Array]]
    byte_sums: Callable[[Array], Array]
    phasor_product: Callable[[Array, Array, bool], Array]
    convolve: Callable[[Array, Array, bool], Array]
    row_sums: Callable[[Array], Array]
    smallest: Callable[[Array, int], Array]
    exact_integers: Callable[[], int]


@dataclass(frozen=True)
class LevelKernels:
    """Kernels on integers below a number of levels: uint8 for up to 256 of them, else int16; results have the dtype.

    Members of a bundle have weights ``(..., n)`` int64, or None for ones; sums of magnitudes of weights times levels,
    or times what a table has, are below 2^53. The *lot* of component j is ``tie[j]`` and the weighted sum of the
    members' components j - 1 (of 0, the last one), modulo ``levels``: what decides between equals.

    Attributes
    ----------
    moved : (a (..., dim), x (..., dim), sign int, levels int) -> (..., dim)
        ``x + sign * a`` modulo ``levels``, for signs 1 and -1; batch axes broadcast.
    sums : (x (..., n, dim), weights, table (parts, levels) int64) -> (..., parts, dim) int64
        The weighted sum, for each row of the table, of what it has for the components.
    counts : (x (..., n, dim), weights, levels int) -> (..., levels, dim) int64
        The sum of the weights of the members with each level.
    leading : (counts (..., levels, dim) int64, lot (..., dim) int64) -> (..., dim) int64
        The level of the greatest count; of equal ones the first from the lot on.
    nearest : (across (..., dim) int64, up (..., dim) int64, lot (..., dim) int64, turns (2, levels) float64)
              -> (..., dim) int64
        The level l of the greatest ``turns[0, l] * across + turns[1, l] * up``, every step rounded; turns are cosines
        and sines of ``2 pi l / levels``. Of two equal ones that of the greater angle if the lot is odd, else the
        other; the lot, where both sums are zero.
    plurality : (x (..., n, dim), weights, tie (dim,) int64, levels int) -> (..., dim)
        ``leading`` of ``counts``.
    phases : (x (..., n, dim) uint8, weights, tie (dim,) int64, table (2, levels) int64, turns as nearest) -> (..., dim)
        ``nearest`` of ``sums``.
    equal : (queries (q, dim), items (n, dim)) -> (q, n) int32
        Number of equal components of every pair.
    differences : (queries (q, dim) uint8, items (n, dim) uint8, table (levels,) int32) -> (q, n) int64
        The sum, over the components of every pair, of what a table has for their difference modulo ``levels``;
        entries are up to 2^22 in magnitude.
    """

    moved: Callable[[Array, Array, int, int], Array]
    sums: Callable[[Array, Array | None, Array], Array]
    counts: Callable[[Array, Array | None, int], Array]
    leading: Callable[[Array, Array], Array]
    nearest: Callable[[Array, Array, Array, Array], Array]
    plurality: Callable[[Array, Array | None, Array, int], Array]
    phases: Callable[[Array, Array | None, Array, Array, Array], Array]
    equal: Callable[[Array, Array], Array]
    differences: Callable[[Array, Array, Array], Array]


@dataclass(frozen=True)
class Arrays:
    """What a backend computes with, and the way there from NumPy and back.

    Attributes
    ----------
    floats : tuple of str
        Names of the floating-point dtypes that dense models may have.
    dtype : (name str) -> dtype
        The library's dtype of NumPy's name. ``"uint64"`` is the dtype of packed words, which may be signed: the
        bits count.
    check : (x, what str) -> Array
        ``x`` in native byte order; raises :class:`~hdc.errors.DTypeError` unless it is an array of the library,
        :class:`~hdc.errors.DeviceError` if it is on another device. ``what`` names it in the message.
    check_words : (x, dim int, what str) -> (..., words) Array
        As :func:`hdc.words.as_words`, for the library's arrays.
    from_numpy : (x NumPy array) -> Array
        The array on the backend's device, sharing memory where it can; uint64 becomes the dtype of packed words.
    to_numpy : (x Array) -> NumPy array
        The array on the host, sharing memory where it can, cut off from gradients; packed words keep their dtype.
    read_only : (x Array) -> Array
        A view that cannot be written through, or else a copy.
    lasting : (make () -> T) -> T
        What ``make`` returns, made so that its arrays can be kept for any later use.
    """

    floats: tuple[str, ...]
    dtype: Callable[[str], Any]
    check: Callable[[Any, str], Array]
    check_words: Callable[[Any, int, str], Array]
    from_numpy: Callable[[NumPyArray], Array]
    to_numpy: Callable[[Array], NumPyArray]
    read_only: Callable[[Array], Array]
    lasting: Callable[[Callable[[], Any]], Any]


class SearchIndex(Protocol):
    """Packed rows in the layout that a backend searches fastest. It never changes, so that threads may share it."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def extended(self, items: Array) -> "SearchIndex":
        """Return an index of these rows and ``(n, words)`` more, while this one may be searched.

        Extensions of indexes that come from one another are made one after another.
        """

    def search(self, queries: Array, k: int) -> tuple[Array, Array]:
        """Return what ``top_k`` returns for the same rows, with working memory of a bounded number of queries."""


@dataclass(frozen=True)
class SearchKernels:
    """Kernels that search packed rows, and some on the small integers that floats become beside them.

    Attributes
    ----------
    top_k : (queries (q, words), items (n, words), k) -> ((q, k) int32 distances, (q, k) int64 ids)
        The k items of least Hamming distance, in order of (distance, id); ``1 <= k <= n``.
    search_index : (words int) -> SearchIndex
        An empty index of rows of ``words`` words, for many searches of the same rows.
    top_k_lists : (queries (q, words), items (n, words), ids (n,) int64, starts (lists + 1,) int64, probes (q, p)
                   int64, k) -> ((q, k) int32 distances, (q, k) int64 ids)
        List l is the items ``starts[l]`` to ``starts[l + 1] - 1``. The items nearest to each query in the lists
        ``probes[query]``, all of them different, in order of (distance, id): item i counts as ``ids[i]``, which
        is below 2**32, and not at all if that is negative. Places beyond the last item hold the greatest int32
        and -1.
    plane_sums : (queries (q, words), items (n, planes, words)) -> (q, n) int64
        An item is ``64 * words`` integers in two's complement: bit j of plane i is of integer j, the heaviest plane,
        whose bits count as negative, first. The sum of the integers of each item where the query's bits are set.
    code_dots : (queries (q, planes, words), items (n, planes, words), dim) -> (q, n) int32 or int64
        Dot products of multi-level codes. A component of a code with u planes is ``sum_i 2**(u-1-i) s_i``,
        s_i being +1 where its bit of plane i is set, else -1: 2**(u-1) times BEBR's ``sum_i 2**-i s_i``
        (Gan et al. 2023). The result is int64 where int32 could not hold ``dim * (2**u - 1)**2``.
    code_top_k : (queries (q, planes, words), items (n, planes, words), dim, scale (n,) float32, k)
                 -> ((q, k) float32 scores, (q, k) int64 ids)
        The score of an item is the dot product of ``code_dots``, rounded to float32, times the item's scale, which
        is positive and finite. The k greatest, in order of (descending score, id); ``1 <= k <= n``.
    gather_dots : (queries (q, width) int16, items (n, width) int8, rows (q, c) int64)
                  -> ((q, c) int64 dots, (q, c) int64 squares)
        The dot product of each query with the items ``rows[query]``, and of these items with themselves; 0 where a
        row is negative. ``width`` is below 2**31.
    gather_planes : (queries (q, dim) int16, codes (n, width) uint64, rows (q, c) int64, levels int) -> (q, c) int64
        The dot product of each query with the codes ``rows[query]``, 0 where a row is negative. The first words of a
        code are its ``levels`` planes, at most 16 of them, whose components are those of ``code_dots``; what follows
        is not looked at. Integers of queries are at most ``PLANE_QUERY`` in magnitude.
    rounded : (x (n, d) float32, most int) -> ((n, d) int16, (n,) float32)
        ``rint(x / unit)``, and the unit of each row: its greatest magnitude by ``most``, or 1 where that is less than
        ``LEAST_UNIT``, in float32. ``x`` is finite, and ``most`` from 1 to 32767.
    units : (x (n, d) float32) -> (n, d) float32
        Rows at length 1, in float64 but for the last rounding; a zero row stays zero, one that is not finite becomes
        NaN. With 2**e the least power of two above a row's greatest magnitude and b half the digits that a sum of d
        squares leaves of 53, ``(53 - d.bit_length()) // 2``, the length is ``2**(e - b)`` times the root of the sum
        of ``rint(x * 2**(b - e))**2``: exact whatever the order, so that all backends agree to the last bit.
    hamming_pointer : () -> int, or None
        The address of ``float hamming(const uint64_t *a, const uint64_t *b, uint64_t bytes)``, a C function that stays
        for the process, for libraries that call one; the number of bytes is a multiple of 8. None if there is none.
    """

    top_k: Callable[[Array, Array, int], tuple[Array, Array]]
    search_index: Callable[[int], SearchIndex]
    top_k_lists: Callable[[Array, Array, Array, Array, Array, int], tuple[Array, Array]]
    plane_sums: Callable[[Array, Array], Array]
    code_dots: Callable[[Array, Array, int], Array]
    code_top_k: Callable[[Array, Array, int, Array, int], tuple[Array, Array]]
    gather_dots: Callable[[Array, Array, Array], tuple[Array, Array]]
    gather_planes: Callable[[Array, Array, Array, int], Array]
    rounded: Callable[[Array, int], tuple[Array, Array]]
    units: Callable[[Array], Array]
    hamming_pointer: Callable[[], int] | None = None


LEVEL_ENTRIES = 16
"""Levels that a run of numbers of up to four bits chooses from."""

MOST_RAISE = 24
"""Greatest power of two that the sum of the runs before one is multiplied by."""


class LevelRun(NamedTuple):
    """Words of a row whose numbers have equally many bits.

    Attributes
    ----------
    words : int
    bits : int
        1, 2, 4 or 8: number j of a word is its bits ``bits * j`` to ``bits * (j + 1) - 1``.
    levels : (2**bits,) uint8 array
        The value of each number. Numbers of 8 bits are their own values, and this is not read.
    """

    words: int
    bits: int
    levels: Array


class LevelRows(Protocol):
    """Rows of small numbers that stand for levels, in the layout that a backend searches fastest."""

    def __len__(self) -> int:
        """Return the number of rows."""

    def search(self, queries: Array, raises: Array, factors: Array, ids: Array, k: int) -> tuple[Array, Array]:
        """Find the k greatest scores of each query.

        T begins as 0, and run by run it is multiplied by ``2**raise``, and the dot product of the row's levels with the
        query's integers for that run is added; rounded to float32, it gives the score ``(T * a + b) * scale + offset``
        in float32, every step rounded: a and b are the query's factors, scale and offset the row's. All are finite.

        Parameters
        ----------
        queries : (q, numbers) int8 array
            An integer for each number of a row, run by run and word by word. T must not reach 2**31 if all levels are
            255 and all integers positive.
        raises : (q, runs) uint8 array
            At most ``MOST_RAISE``.
        factors : (q, 2) float32 array
        ids : (n,) int64 array
            What each row counts as, below 2**32; negative ones are not found.
        k : int
            At least 1.

        Returns
        -------
        scores : (q, k) float32 array
            Descending; -inf beyond the last row.
        ids : (q, k) int64 array
            Of equal scores the lower id comes first; -1 beyond the last row.
        """


@dataclass(frozen=True)
class TableKernels:
    """Kernels that read codes through tables: sums of one looked-up number for each group of bits.

    Attributes
    ----------
    top_k : (tables (q, groups, 256) float32, codes (n, groups) uint8, scale (n,) float32, offset (n,) float32, k)
            -> ((q, k) float32 scores, (q, k) int64 ids)
        The score of an item is ``sum_g tables[query, g, codes[item, g]]``, added in the order of the groups in
        float32, times the item's scale, plus its offset, every step rounded. The k greatest, in order of
        (descending score, id); ``1 <= k <= n``; scores are finite.
    refine : (linear (n, 16 * groups) float32, side (n, terms, 16 * groups) float32, with a term at least,
              pair (16 * groups, 16 * groups) float32 symmetric, codes (n, groups) uint8, steps int)
            -> (n, groups) uint8
        Local search, for each row, for a code of low cost. With ``k = value * groups + g`` for each group g, the
        cost of a code is ``sum_k linear[k] + sum over pairs k < l of pair[k, l] + sum_t side[t, k] * side[t, l]``.
        A step changes the group whose best change costs least, lowering the cost or not; a changed group rests
        for ``groups // 8`` steps (tabu search). The best code met is returned, the given one among them.
    level_rows : (rows (n, words) uint64, runs sequence of LevelRun, scale (n,) float32, offset (n,) float32)
                 -> LevelRows
        The runs have all words of a row, at least one in all.
    """

    top_k: Callable[[Array, Array, Array, Array, int], tuple[Array, Array]]
    refine: Callable[[Array, Array, Array, Array, int], Array]
    level_rows: Callable[[Array, Sequence[LevelRun], Array, Array], LevelRows]


LEAST_UNIT = 2.0**-126
"""Least float32 that is as exact as greater ones."""

PLANE_QUERY = 127 * 256 + 127
"""Greatest integer of a query of ``gather_planes``: 256 times one signed byte and another one."""

ESTIMATE_BITS = 4
"""Bits of a query's integers in :class:`CodeLists` (Gao & Long 2024, section 3.3)."""


class Centroids(Protocol):
    """Byte vectors in the layout that a backend searches fastest."""

    def nearest(self, queries: Array, p: int) -> tuple[Array, Array]:
        """Find the p greatest dot products of each query.

        Parameters
        ----------
        queries : (q, width) int8 array
        p : int
            From 1 to the number of centroids.

        Returns
        -------
        dots : (q, p) int32 array
            Descending.
        lists : (q, p) int64 array
            Numbers of the centroids; of equal products the lower one comes first.
        """


class CodeLists(Protocol):
    """Rows of signs, in lists, in the layout that a backend searches fastest."""

    def __len__(self) -> int:
        """Return the number of rows."""

    @property
    def arrays(self) -> Mapping[str, Array]:
        """What it is made of: arrays of numbers, which :attr:`ListKernels.restored` takes back from a file."""

    def search(
        self, queries: Array, factors: Array, lists: Array, base: Array, ids: Array, k: int
    ) -> tuple[Array, Array]:
        """Find the k greatest scores of each query in its lists.

        With T the sum of the query's integers where the row's bits are set, the score is
        ``((T * a + b) * scale + offset) + base`` in float32, every step rounded: a and b are the query's factors, scale
        and offset the row's, and base the list's for this query. All are finite.

        Parameters
        ----------
        queries : (q, dim) int8 array
            From ``-2**(ESTIMATE_BITS - 1)`` to ``2**(ESTIMATE_BITS - 1) - 1``.
        factors : (q, 2) float32 array
        lists : (q, p) int64 array
            All different in a row.
        base : (q, p) float32 array
        ids : (n,) int64 array
            What each row counts as, below 2**32; negative ones are not found.
        k : int
            At least 1.

        Returns
        -------
        scores : (q, k) float32 array
            Descending; -inf beyond the last row.
        ids : (q, k) int64 array
            Of equal scores the lower id comes first; -1 beyond the last row.
        """


@dataclass(frozen=True, eq=False)
class Rotation:
    """An operator: what :attr:`DenseKernels.hadamard` is given after the rows."""

    first: Array
    middle: Array
    index: Array
    sign: Array
    steps: int


@dataclass(frozen=True, eq=False)
class EstimatePart:
    """Rows in lists, as a part of an :class:`EstimatePlan`.

    Attributes
    ----------
    lists : CodeLists
        Of the same backend.
    rows : (n,) int64 array
        Where each row is in the originals and in the mask of a search.
    ids : (n,) int64 array
        What each row counts as, below 2**32; negative ones are not found.

    Both may go on with -1 beyond the n rows: eight more spare kernels that read eight at a time a copy.
    """

    lists: CodeLists
    rows: Array
    ids: Array


@dataclass(frozen=True, eq=False)
class WholeCodes:
    """Codes of several planes, as a part of an :class:`EstimatePlan`, by all of which finds are put in order.

    Attributes
    ----------
    codes : (n, width) uint64 array
        C-contiguous. The planes, the heaviest first; a word that is not looked at; one of two float32, scale (in its
        low half) and offset; and, where there are several lists, the number of the code's.
    levels : int
        Planes.
    directions : (lists, d) int8 array
        What :attr:`EstimatePlan.centroids` was made of; of any length where there is one list.
    """

    codes: Array
    levels: int
    directions: Array


@dataclass(frozen=True, eq=False)
class EstimatePlan:
    """All that searches among estimates read beside their queries.

    Attributes
    ----------
    rotation : Rotation
        Of d components: what queries go through before their signs are compared.
    centroids : Centroids or None
        Of the same backend: directions of the centers, rounded to bytes; None where there is one list.
    lengths : (lists,) float32 array
        What the product of a query with such a direction is multiplied by to be the product with the center.
    mean : ((d,) int16 array, float)
        The center where there is one list: integers, and the unit they count.
    parts : sequence of EstimatePart
        At least one.
    originals : (n, d) int8 array or None
        What finds are compared with.
    whole : WholeCodes, optional
        By what finds are put in order, where there are no originals.
    lengths_of_originals : (n,) float32 array, optional
        Given where finds are put in order by inner product or distance, for which lengths count.
    by_distance : bool
        Which of both.
    """

    rotation: Rotation
    centroids: Centroids | None
    lengths: Array
    mean: tuple[Array, float]
    parts: Sequence[EstimatePart]
    originals: Array | None
    whole: WholeCodes | None = None
    lengths_of_originals: Array | None = None
    by_distance: bool = False


class AskedOfLists(NamedTuple):
    """Queries as :meth:`CodeLists.search` takes them: what is found before whole searches begin, where it is given.

    Attributes
    ----------
    integers : (q, d) int8 array
    factors : (q, 2) float32 array
    lists : (q, p) int64 array
    base : (q, p) float32 array
    """

    integers: Array
    factors: Array
    lists: Array
    base: Array


class Compared(NamedTuple):
    """What originals are compared with, where their lengths count.

    Attributes
    ----------
    queries : (q, d) float32 array
    squares : (q,) float64 array
        Of the lengths of the queries.
    """

    queries: Array
    squares: Array


class EstimateSearch(Protocol):
    """Searches among estimates, each from the query to its finds in one go; several threads may search at once."""

    def search(
        self,
        queries: Array | AskedOfLists,
        k: int,
        probes: int,
        candidates: int,
        allowed: Array | None = None,
        read: Array | None = None,
        compared: Compared | None = None,
    ) -> tuple[Array, Array]:
        """Find the k best rows of each query.

        What the other kernels find, put together as follows, to the last bit of the reference: the rotation adds in its
        order too. A query is brought to length 1 (``units``),
        rounded to 127 for the nearest ``probes`` centroids, and rotated; what comes out is rounded to
        ``2**(ESTIMATE_BITS - 1) - 1``. Its factors are ``2 u`` and ``-u T``, u being the unit by the root of d, and T
        the sum of the integers. The base of a list is the product with its centroid times the unit of the query, times
        the length, each step rounded to float32; of the only list, the product with the mean of the query rounded to
        32767, in float64. Then the best estimates of all parts are found. Where there are originals, the
        ``candidates`` best are put in order of ``1 - cosine`` with the query rounded to 32767, from exact integers, in
        float64, rounded to float32, and then by id.

        Where there are lengths of originals, the order is that of greatest scores instead. With c the float32 cosine of
        the query that is ``compared`` and an original, ``c' = 1 - (1 - c)`` in float32, l the original's length and s
        the query's square, the inner product is ``(c' l) sqrt(s)``, and the score by distance ``(2 (c' l) sqrt(s) -
        l^2) - s``; every step is rounded to float64, and the score to float32.

        Where there are whole codes, and no originals, the ``candidates`` best are put in order of the score
        ``((D * u * scale + offset) + base) + 0`` in float32, every step rounded from the left, and then by id: D is the
        product of ``gather_planes`` with the rotated query rounded to ``PLANE_QUERY``, u its unit, scale and offset the
        code's. The base is the product of the query, rounded to 32767, with the direction of the code's list, times the
        unit, times the length; of the only list, as above.

        Parameters
        ----------
        queries : (q, d) float32 array, or AskedOfLists
            The latter only of a plan without whole codes; what it has of queries is taken as it is.
        k, probes, candidates : int
            At least 1; ``candidates`` is at least k.
        allowed : (n,) bool array, optional
            The rows that may be found; all if left out.
        read : (q, candidates) int64 array, optional
            Filled with the rows whose originals are compared, in any order; -1 beyond the last one. C-contiguous; only
            of a plan with originals.
        compared : Compared, optional
            Of a plan with lengths of originals, and only of that.

        Returns
        -------
        scores : (q, k) float32 array
            One minus the distance, in float32, or scores by originals' lengths: descending; -inf beyond the last find.
        ids : (q, k) int64 array
            Of equal distances the lower id comes first; -1 beyond the last find.

        Raises
        ------
        ParameterError
            If a query has NaN or infinity.
        """


@dataclass(frozen=True)
class ListKernels:
    """Kernels of inverted files of float vectors: the nearest lists, and estimates in them.

    Attributes
    ----------
    centroids : (centroids (lists, width) int8) -> Centroids
        ``lists`` is at least 1 and ``width`` at most 2**16.
    code_lists : (signs (n, words) uint64, scale (n,) float32, offset (n,) float32, starts (lists + 1,) int64)
                 -> CodeLists
        List l is the rows ``starts[l]`` to ``starts[l + 1] - 1``. Padding is clear.
    estimate_search : (plan EstimatePlan) -> EstimateSearch
        What few queries are searched with: a call of a kernel for each step costs more than the steps. The plan's
        arrays stay as they are.
    restored : (arrays mapping of names to arrays) -> CodeLists
        Of the ``arrays`` of one of the same layout, which may be mapped from a file and are not copied. Raises
        FileFormatError where they do not belong together, before anything is read beyond their ends.
    layout : str
        Name of that layout, for names of files: another one for every change of it.
    """

    centroids: Callable[[Array], Centroids]
    code_lists: Callable[[Array, Array, Array, Array], CodeLists]
    estimate_search: Callable[[EstimatePlan], EstimateSearch]
    restored: Callable[[Mapping[str, Array]], CodeLists]
    layout: str


MOST_LINKS = 256
"""Links of a node of a graph, at most."""

Done: TypeAlias = Callable[[int], object]
"""Is told how much more of a long work is done."""


class Links(NamedTuple):
    """Which nodes of a graph lead to which.

    Attributes
    ----------
    starts : (n + 1,) int64 array
    nodes : (links,) uint32 array
        Those of node i are ``nodes[starts[i] : starts[i + 1]]``.
    """

    starts: Array
    nodes: Array


class LinkedVectors(Protocol):
    """Vectors among which the links of a graph are chosen.

    Of a node's candidates, the nearest first, one is chosen unless ``slack`` times the square of its distance to one
    that was chosen before is at most the square of its distance to the node; ``most`` at most, which is below
    MOST_LINKS. What is chosen does not depend on the number of threads.

    ``done``, if given, is called with a number of nodes whenever the links of so many more are chosen; what it raises
    ends the work.
    """

    def chosen(self, candidates: Links, most: int, slack: float, steps: int = 1, done: Done | None = None) -> Links:
        """Choose among candidates, or, with two steps, among these and their own."""

    def both_ways(self, links: Links, most: int, slack: float, done: Done | None = None) -> Links:
        """Choose among the links of a node and the nodes that it is a link of."""


class GraphNodes(Protocol):
    """Nodes of signs, and their links, in the layout that a backend walks fastest."""

    def __len__(self) -> int:
        """Return the number of nodes."""

    @property
    def arrays(self) -> Mapping[str, Array]:
        """What it is made of: arrays of numbers, which :attr:`GraphKernels.restored` takes back from a file."""


@dataclass(frozen=True, eq=False)
class GraphPlan:
    """All that searches in a graph read beside their queries; what is not said here is as in :class:`EstimatePlan`.

    Attributes
    ----------
    rotation : Rotation
    directions : (lists, d) int8 array
    lengths : (lists,) float32 array
    nodes : GraphNodes
    rows, ids : (n,) int64 arrays
        As those of :class:`EstimatePart`.
    originals : (rows, d) int8 array
    lengths_of_originals : (rows,) float32 array, optional
    by_distance : bool
    """

    rotation: Rotation
    directions: Array
    lengths: Array
    nodes: GraphNodes
    rows: Array
    ids: Array
    originals: Array
    lengths_of_originals: Array | None = None
    by_distance: bool = False


class GraphSearch(Protocol):
    """Searches in a graph, each from the query to its finds in one go; several threads may search at once."""

    def search(
        self,
        queries: Array,
        k: int,
        effort: int,
        candidates: int,
        read: Array | None = None,
        compared: Compared | None = None,
        *,
        mapped: bool = False,
        exact: bool = True,
    ) -> tuple[Array, Array]:
        """Find about the k best nodes of each query.

        A walk begins at the entries of the lists that are nearest to the query. It takes the node of the best estimate,
        among the ``effort`` best, that was not taken yet, and estimates its links, until none is left. The
        ``candidates`` best of all that were estimated are put in exact order, as :meth:`EstimateSearch.search` does.

        Parameters
        ----------
        queries : (q, d) float32 array
        k, effort, candidates : int
            At least 1; ``candidates`` is at least k. An effort below k counts as k.
        read, compared
            As :meth:`EstimateSearch.search`.
        mapped : bool
            Whether queries are taken as they are, and not brought to length 1.
        exact : bool
            False leaves out the exact order: scores are estimates.

        Returns
        -------
        scores : (q, k) float32 array
            Descending; -inf beyond the last find.
        ids : (q, k) int64 array
            Of equal scores the lower id comes first; -1 beyond the last find.

        Raises
        ------
        ParameterError
            If a query has NaN or infinity.
        """


@dataclass(frozen=True)
class GraphKernels:
    """Kernels of graphs over signs, whose links are chosen by exact distances.

    Attributes
    ----------
    linked : (items (rows, d) int8, rows (n,) int64, lengths (rows,) float32 or None) -> LinkedVectors
        Node i is the vector of row ``rows[i]``: at length 1, or at its own.
    connected : (links Links, entries (m,) int64) -> Links
        Links, and as many more as it takes to reach every node from the entries.
    nodes : (signs (n, words) uint64, scale (n,) float32, offset (n,) float32, cells (n,) int64, links Links,
             entries (lists,) int64) -> GraphNodes
        All factors are finite; entries are a node of each list, -1 of one that has none.
    graph_search : (plan GraphPlan) -> GraphSearch
    restored : (arrays mapping of names to arrays) -> GraphNodes
        As :attr:`ListKernels.restored`; what is read as a list is below ``2**24``.
    layout : str
        As :attr:`ListKernels.layout`.
    """

    linked: Callable[[Array, Array, Array | None], LinkedVectors]
    connected: Callable[[Links, Array], Links]
    nodes: Callable[[Array, Array, Array, Array, Links, Array], GraphNodes]
    graph_search: Callable[[GraphPlan], GraphSearch]
    restored: Callable[[Mapping[str, Array]], GraphNodes]
    layout: str


NO_ITEM = 0xFFFFFFFF
"""Parent of an item of an array at the top of its document."""


class PostingSegment(NamedTuple):
    """Documents and their items, as lists of where what occurs.

    A *spot* is a document, by its number, or, of what is inside an array, an item. Items are numbered in the order of
    their documents.

    Attributes
    ----------
    postings : (p,) uint32 array
        Spots, list after list, ascending in each.
    item_start : (n + 1,) int64 array
        Where the items of each document begin.
    item_document, item_parent, item_place : (items,) uint32 arrays
        The document of each item, the item that its array is in, or ``NO_ITEM``, and its place in the array, from 0.
    number_spot : (m,) uint32 array
        Spots of numbers, column after column.
    number_place, number_value : (m,) float64 arrays
        Where each number lies on its scale, ascending in each column, and what it is; NaN for one that no double is.
    number_order : (m,) uint32 array
        The numbers of each column in the order of their spots.
    masses : (n,) float64 array
        What each document weighs as a whole.
    terms, paths : (t,) uint64 arrays
        Hashes of what each list is of, and of where; ascending, by term and then by path. That of a path is odd if its
        spots are items.
    starts : (t + 1,) int64 array
        Where each list begins.
    columns : (c,) uint64 array
        Hashes of the columns of numbers, ascending; odd if their spots are items.
    column_starts : (c + 1,) int64 array
        Where each column begins.
    """

    postings: Array
    item_start: Array
    item_document: Array
    item_parent: Array
    item_place: Array
    number_spot: Array
    number_place: Array
    number_value: Array
    number_order: Array
    masses: Array
    terms: Array
    paths: Array
    starts: Array
    columns: Array
    column_starts: Array


POSTING_LIST = np.dtype(
    [
        ("kind", np.int64),
        ("hash", np.uint64),
        ("path", np.uint64),
        ("within", np.int64),
        ("counted", np.int64),
        ("weight", np.float64),
        ("place", np.float64),
        ("value", np.float64),
        ("exact", np.float64),
        ("widths", np.float64, 3),
    ]
)
"""A list that a query asks for.

kind
    0: a list of each segment; 1: one that the query brings along for each; 2: a column of numbers.
hash, path
    Of the term and its path; which of those that are brought along, and odd if its spots are items; of the column.
within
    0, or how many lists before this one is one whose spots this one has all of, in the same group.
counted
    Whether the weight is counted in that of the query: 0 no, 1 yes, 2 yes, beyond ``asked``.
weight
    What a spot of the list gets, in units that ``PostingQuery.unit`` makes integers of; of numbers, what an equal one
    does.
place, value, exact
    Of numbers: as in the segment, and the part of the weight for equal values. Equal ones are at one place.
widths
    Of each scale: the distance at which nothing is left of its part, at most half of the one before; 0 for a Gaussian
    of deviation 1, of which nothing is left at 9.
"""

POSTING_GROUP = np.dtype([("behind", np.int64), ("depth", np.int64), ("mode", np.int64), ("position", np.int64)])
"""An item that a query asks for: the number of the list behind its own, how deep it is, whether places count (0 bag,
1 sequence, 2 soft, 3 both: see :data:`hdc.apps.json.document.rules.MODES`), and the place asked for."""


class PostingQuery(NamedTuple):
    """What segments are asked: lists with weights, in groups.

    A group asks for one item of an array; its parent's spots are those of the item around it, or the document. Groups
    come after those inside them, and the last one, of depth 0, is the document itself.

    Attributes
    ----------
    lists : (l,) array of POSTING_LIST
        Those of the first group, then those of the next one.
    groups : (g,) array of POSTING_GROUP
    extra : (e,) uint32 array
        Lists that the query brings along, those for the first segment first.
    extra_starts : (segments * x + 1,) int64 array
        Where each begins.
    cells : int
        Steps in which what numbers get falls.
    overlap : bool
        Whether what a document has beyond the query lowers its score.
    asked : float
        Weight of the query, but for lists beyond it; what no list counts of it is asked for and not found.
    unit : float
        What weights are multiplied by to be integers, the nearest ones; all together they must be below 2**62.
    mass_unit : float
        The same for masses.
    """

    lists: Array
    groups: Array
    extra: Array
    extra_starts: Array
    cells: int
    overlap: bool
    asked: float
    unit: float
    mass_unit: float


class PostingSearch(Protocol):
    """Segments prepared for search."""

    def best(self, query: PostingQuery, k: int, allowed: Array) -> tuple[Array, Array]:
        """Return the best documents; see :attr:`PostingKernels.prepare`."""


@dataclass(frozen=True)
class PostingKernels:
    """Kernels of search by postings.

    Attributes
    ----------
    prepare : (sequence of PostingSegment, rank (n,) or (0,) int64) -> PostingSearch
        Its ``best`` takes (query PostingQuery, k int, allowed (n,) or (0,) bool) and returns (scores (m,) float64,
        positions (m,) int64): the at most k documents of the greatest scores above 0, in order of (score descending,
        rank). Positions count the documents of all segments; an empty ``allowed`` means all, an empty ``rank``
        the positions. The score is the sum of the weights of the lists that a document is in, as a part of the
        query's; of a group, the best item's sum, less where places count. With ``overlap`` it is multiplied by whole /
        (whole + what the document weighs beyond it).
    near : (points (p,) uint32, starts (n + 1,) int64, word (m,) uint32, most int) -> (which (c,) int64, (c,) int64)
        The words, ascending numbers, that at most so many changes make of another one, and how many: a letter put in,
        left out or replaced, or two neighbors exchanged (no letter twice; optimal string alignment).
    """

    prepare: Callable[[Sequence[PostingSegment], Array], PostingSearch]
    near: Callable[[Array, Array, Array, int], tuple[Array, Array]]


class TextTable(NamedTuple):
    """Paths and values of JSON texts, numbered; 0 is the root. Arrays are written to, and have room for more.

    Attributes
    ----------
    slots : (a power of two, at least twice the room) int64 array
        Numbers by digest, -1 where there is none: a hash table with linear probing.
    rows : (room, 4) int64 array
        Of each number its digest, of 63 bits; four times the path that it is a step from or the value of, plus 0 for
        a key, 1 for any item, 2 for the item at a position, 3 for a value; where the text of a key, with its quotation
        marks, or of a value is in ``content``, or the position; and the length of the text.
    content : uint8 array
    used : (3,) int64 array
        Numbers and bytes of ``content`` in use, and what every digest begins with.
    """

    slots: Array
    rows: Array
    content: Array
    used: Array


@dataclass(frozen=True)
class TextKernels:
    """Kernels of JSON texts.

    Attributes
    ----------
    walk : (texts uint8, bounds (n + 1,) int64, first int, documents int, items int, mode int, table TextTable)
           -> (leaves (2, m) int64, items (3, p) int64, stops (d,) int64)
        Take texts apart, from ``first`` on, all or as many as the table has room for. They must be sound and compact,
        as orjson writes them, of less than 1024 levels. Of each value its number and spot: the number of its document,
        counted from ``documents``, or of the innermost item around it, counted from ``items``. Of each item its
        document, the item around it or ``NO_ITEM``, and its place. Of each document where its values end. Items are
        told apart by position in mode 2, in mode 0 where all are numbers, in mode 1 nowhere.
    """

    walk: Callable[[Array, Array, int, int, int, int, TextTable], tuple[Array, Array, Array]]


BUNDLE, ADAPT, ONLINE, MARGIN, REFINE = range(5)
"""Rules of :attr:`LearnKernels.perceptron`."""


class PerceptronState(NamedTuple):
    """What is known after some rows.

    Attributes
    ----------
    prototypes : (classes, dim) float32
    drift : (classes, dim) float32
        Each change of a prototype times the number of rows before it: ``prototypes - drift / step`` is the mean of the
        prototypes over all rows.
    squares : (classes,) float64
        Squared length of each prototype.
    means : (2,) float64
        Running means of how much nearer the own class is than its rival, of rows that were right and wrong.
    step : int
        Number of rows so far.
    """

    prototypes: Array
    drift: Array
    squares: Array
    means: Array
    step: int


@dataclass(frozen=True)
class LearnKernels:
    """Kernels that learn from rows of unit length, and score them.

    Attributes
    ----------
    dots : (rows (n, dim) float32, vectors (p, dim) float32) -> (n, p) float32
        Dot products of all pairs; those of a row are the same bits whatever other rows there are.
    perceptron : (rows (n, dim) float32, labels (n,) int64, weights (n,) float32, state PerceptronState, rule int,
                  rate float, margin float) -> (PerceptronState, (n,) int64)
        Take rows one after another. With s the cosines of a row and the prototypes (0 for a prototype of zeros), t its
        class and r the other class of greatest s, the first of equal ones: ``ADAPT`` adds ``rate * weight`` times the
        row to t, and takes it from r, if ``s[t] <= s[r]``; ``MARGIN`` if ``s[t] <= s[r] + margin``. ``ONLINE`` does as
        ``ADAPT``, with the steps times ``1 - s[t]`` and ``1 - s[r]``; ``REFINE`` as ``ONLINE``, where ``s[t] - s[r]``
        is at most ``margin`` times the difference of the running means, and of 0. ``BUNDLE`` does as
        ``ONLINE``, and where ``s[t] > s[r]`` adds ``1 - s[t]`` times the row to t. A class alone has no rival, and
        only ``BUNDLE`` changes it. Also returns the class that each row was nearest to when it came: t if
        ``s[t] > s[r]``, or else r.
    attract : (rows (n, dim) float32, labels (n,) int64, weights (n,) float32, prototypes (m, dim) float32,
               owners (m,) int64, steepness float, rate float) -> (m, dim) float32
        Take rows one after another; prototypes, of length 1, are moved by multiples of rows and brought back to that
        length. With p the prototype of greatest cosine among those of the row's class, q among the others, the first
        of equal ones, and a, b one less these cosines: p moves by ``slope * b`` times the row, q by ``-slope * a``,
        where ``slope = 2 * rate * weight * steepness * f * (1 - f) / (a + b)**2`` and f is the logistic function of
        ``steepness * (a - b) / (a + b)``. No row moves anything where p or q is missing, or a + b is less than 1e-9.
        Where ``steepness`` is 0, the nearer of p and q moves by ``rate * weight``: p, also where both are as near, to
        the row, q away from it. No step is longer than half a prototype.
    """

    dots: Callable[[Array, Array], Array]
    perceptron: Callable[[Array, Array, Array, PerceptronState, int, float, float], tuple[PerceptronState, Array]]
    attract: Callable[[Array, Array, Array, Array, Array, float, float], Array]


@dataclass(frozen=True)
class FeatureKernels:
    """Kernels that encode rows of numbers.

    A *record* of d columns has two vectors for each. Component j of the member of column f is that of ``first[f]``
    where j is below the row's mark, and that of ``second[f]`` from there on; a negative mark leaves the member out.

    Attributes
    ----------
    record_majority : (first (d, words), second (d, words), marks (n, d) int32, tie (words,), dim) -> (n, words)
        The majority of each row's members, and where their number is even, ties as in :attr:`BitKernels.majority`; of
        no members the tie vector. Marks are at most ``dim``.
    record_sums : (first (d, words), second (d, words), marks (n, d) int32, most int, dim) -> (n, dim) int8 or int32
        The sum of each row's members, a set bit being -1, clipped to magnitudes of ``most``, which is at least 1:
        int8 if it is at most 127.
    phase_signs : (phases (n, dim) float64, turn int) -> (n, words)
        Bit j is set where the cosine of angle j is negative, counting from a quarter of a turn to just before three
        quarters. Angles are whole numbers of magnitudes up to 2^52, of which ``turn``, a power of two from 4 to 2^32,
        are a full turn.
    fourier_signs : (rows (n, d) int32, frequencies (spans, d, width) int32, offsets (m, dim) int32, turn int)
                    -> (n, words)
        ``phase_signs`` of ``rows @ F + offsets``, where m is 1 or n, and integers are those modulo 2^32. Column
        ``s * width + j`` of F is ``frequencies[s, :, j]``: it is read span by span. The width is a multiple of 64, and
        what the last span has beyond ``dim`` counts for nothing.
    """

    record_majority: Callable[[Array, Array, Array, Array, int], Array]
    record_sums: Callable[[Array, Array, Array, int, int], Array]
    phase_signs: Callable[[Array, int], Array]
    fourier_signs: Callable[[Array, Array, Array, int], Array]


@dataclass(frozen=True)
class ClassKernels:
    """Kernels of classifiers whose class vectors are bit planes.

    Attributes
    ----------
    best : (rows (n, words), planes (p, u, words), factors (p,) int64, biases (c, p) int64, stops (c,) int64,
            spans (c - 1, p, p) int64, dim) -> ((n,) int64, (n,) int64)
        The prototype of the greatest score for each row, the first of equal ones, and the words that were read. A
        component of a prototype is ``sum_i 2**(u-1-i) s_i``, s_i being -1 where its bit of plane i is set, else +1, as
        components of rows are. After ``stops[k]`` words, which ascend to all of them, the score of a prototype is
        ``factors`` times its dot product with what was read, plus ``biases[k]``. A row is read no further where, for
        the leader i, the scores of all others j are at least ``spans[k, i, j]`` less; i itself is not looked at. Scores
        are below 2^62.
    """

    best: Callable[[Array, Array, Array, Array, Array, Array, int], tuple[Array, Array]]


@dataclass(frozen=True)
class TokenKernels:
    """Kernels that compare sets of rows: several vectors per query, several per document.

    ``bounds`` (q + 1,) int64 ascend strictly from 0: query i is the rows ``bounds[i]`` to ``bounds[i + 1] - 1``.
    ``spans`` (m, 2) int64: document j is the items ``spans[j, 0]`` to ``spans[j, 1] - 1``, at least one. ``chosen``
    (q, c) int64 are the documents that each query is compared with, or None: with all m of them, in order.

    Attributes
    ----------
    chamfer : (queries (t, words), weights (t,) int64, bounds, items (n, words), spans, chosen)
              -> (q, c) or (q, m) int64
        The sum, over the rows of a query, of the least Hamming distance to an item of a document, times the row's
        weight. Sums are below 2^63 in magnitude.
    max_sim : (tables (t, groups, 256) float32, weights (t,) float32, bounds, codes (n, groups) uint8, scale (n,)
               float32, offset (n,) float32, spans, chosen) -> (q, c) or (q, m) float32
        The sum, over the rows of a query, of the greatest score of an item of a document times the row's weight, each
        product rounded, added in order. Scores are
        those of :attr:`TableKernels.top_k`: the sum of what is looked up, in the order of the groups, times the item's
        scale, plus its offset; every step is rounded to float32, and all are finite.
    """

    chamfer: Callable[[Array, Array, Array, Array, Array, Array | None], Array]
    max_sim: Callable[[Array, Array, Array, Array, Array, Array, Array, Array | None], Array]


@dataclass(frozen=True)
class Backend:
    """A named set of kernels and the array namespace that dense models compute in.

    Attributes
    ----------
    name : str
        What users write in ``backend=``.
    xp : module
        Array API namespace: NumPy itself, or array-api-compat's torch.
    arrays : Arrays
    bits : BitKernels
    dense : DenseKernels
    levels : LevelKernels
    threads : (n int or None) -> int
        The number of threads a kernel may use, after setting it to n if that is given.
    share : (work (start int, stop int) -> None, rows int, nanoseconds float) -> None
        Call ``work`` for consecutive slices that make up the rows, in as many threads as pay if a row takes so long;
        the kernels that it calls then stay in their thread.
    warmup : () -> None
        Compile, or load from a cache on disk, whatever the first calls of the kernels would otherwise.
    search : SearchKernels or None
        None where the backend has none, as for the next two: the models need no search kernels, and what needs them
        asks :func:`hdc.dispatch.search_kernels` and its siblings, which say what to do.
    tables : TableKernels or None
    lists : ListKernels or None
    graphs : GraphKernels or None
    postings : PostingKernels or None
    texts : TextKernels or None
        None where texts are better parsed, and values taken apart.
    learn : LearnKernels or None
    features : FeatureKernels or None
        None where rows of numbers are better encoded on the host.
    classes : ClassKernels or None
    tokens : TokenKernels or None
    device : str
        Where it computes, by its full name.
    on : (device str) -> Backend, or None
        The same backend on another device; raises :class:`~hdc.errors.ParameterError` for a name that no device
        has, :class:`~hdc.errors.BackendUnavailableError` for one that is not there. None if there is one only.
    """

    name: str
    xp: Any
    arrays: Arrays
    bits: BitKernels
    dense: DenseKernels
    levels: LevelKernels
    threads: Callable[[int | None], int]
    share: Callable[[Callable[[int, int], None], int, float], None]
    warmup: Callable[[], None]
    search: SearchKernels | None = None
    tables: TableKernels | None = None
    lists: ListKernels | None = None
    graphs: GraphKernels | None = None
    postings: PostingKernels | None = None
    texts: TextKernels | None = None
    learn: LearnKernels | None = None
    features: FeatureKernels | None = None
    classes: ClassKernels | None = None
    tokens: TokenKernels | None = None
    device: str = "cpu"
    on: "Callable[[str], Backend] | None" = None
