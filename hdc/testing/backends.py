"""Every kernel of a backend against the NumPy reference, on edge shapes and awkward memory."""

from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.dispatch import backend as find_backend
from hdc.kernels import (
    ADAPT,
    BUNDLE,
    MARGIN,
    ONLINE,
    PLANE_QUERY,
    REFINE,
    Array,
    AskedOfLists,
    Backend,
    CodeLists,
    Compared,
    EstimatePart,
    EstimatePlan,
    LevelRun,
    ListKernels,
    PerceptronState,
    Rotation,
    WholeCodes,
)
from hdc.testing.graphs import check_graphs
from hdc.testing.laws import assert_same
from hdc.testing.posting_cases import Form, posting_case
from hdc.words import mask_tail, word_count

DIMS = (1, 63, 64, 65, 1000)
"""Dimensions on which the packed kernels are compared."""

RECORDS = (
    "bits",
    "dense",
    "levels",
    "search",
    "tables",
    "lists",
    "graphs",
    "postings",
    "learn",
    "classes",
    "features",
    "tokens",
)
"""Records of kernels of a :class:`hdc.kernels.Backend`; it may lack the last eight."""

Arguments = tuple[Any, ...]


class KernelError(AssertionError):
    """A kernel that does not do what the reference does; the text names the kernel and the case."""


def _packed(rng: np.random.Generator, dim: int, *shape: int) -> Array:
    return mask_tail(rng.integers(0, 2**64, (*shape, word_count(dim)), dtype=np.uint64), dim)


def _planes(rng: np.random.Generator, dim: int, levels: int) -> Arguments:
    """Return queries, codes of so many planes with something behind them, and rows."""
    queries = rng.integers(-PLANE_QUERY, PLANE_QUERY + 1, (4, dim), dtype=np.int16)
    codes = np.hstack([*(_packed(rng, dim, 9) for _ in range(levels)), _packed(rng, 100, 9)])
    return queries, codes, rng.integers(-1, 9, (4, 5)), levels


def _codes(rng: np.random.Generator, dim: int) -> Arguments:
    return _packed(rng, dim, 4, 3), _packed(rng, dim, 5, 3), dim


def _lists(rng: np.random.Generator, dim: int) -> Arguments:
    """Return lists of 0 to 40 rows, a tenth of them left out, and three lists for each query."""
    starts = np.concatenate([[0], np.cumsum(rng.integers(0, 41, 8))])
    ids = np.where(rng.random(starts[-1]) < 0.1, -1, rng.permutation(starts[-1]))
    probes = rng.permuted(np.tile(np.arange(8), (5, 1)), axis=1)[:, :3]
    return _packed(rng, dim, 5), _packed(rng, dim, int(starts[-1])), ids, starts, probes, 30


def _classes(rng: np.random.Generator, dim: int, stages: int) -> Arguments:
    """Return rows and prototypes of two planes; up to three prefixes of which a third of leads are enough to stop."""
    words = word_count(dim)
    stops = np.unique(np.append(rng.integers(1, words + 1, stages), words))
    spans = rng.integers(-(1 << 20), 1 << 20, (len(stops) - 1, 7, 7)) * dim
    factors, biases = rng.integers(1, 1 << 24, 7), rng.integers(-(1 << 30), 1 << 30, (len(stops), 7))
    return _packed(rng, dim, 40), _packed(rng, dim, 7, 2), factors, biases, stops, spans, dim


BIT_CASES: dict[str, list[Callable[[np.random.Generator, int], Arguments]]] = {
    "random_words": [lambda rng, dim: (rng.integers(0, 2**64, (5, 2), dtype=np.uint64), word_count(dim))],
    "signed_orders": [lambda rng, dim: (rng.integers(0, 2**64, (5, 2), dtype=np.uint64), dim)],
    "xor": [lambda rng, dim: (_packed(rng, dim, 3, 1), _packed(rng, dim, 4))],
    "or_reduce": [lambda rng, dim: (_packed(rng, dim, 2, 5),)],
    "popcount": [lambda rng, dim: (_packed(rng, dim, 2, 5),), lambda rng, dim: (_packed(rng, dim, 0),)],
    "hamming": [lambda rng, dim: (_packed(rng, dim, 3), _packed(rng, dim, 70))],
    "shared_ones": [lambda rng, dim: (_packed(rng, dim, 3), _packed(rng, dim, 70))],
    "majority": [
        lambda rng, dim: (_packed(rng, dim, 2, 9), None, _packed(rng, dim), dim),
        lambda rng, dim: (_packed(rng, dim, 3, 2), None, _packed(rng, dim), dim),
        lambda rng, dim: (_packed(rng, dim, 2, 40), None, _packed(rng, dim), dim),
        lambda rng, dim: (_packed(rng, dim, 2, 9), rng.integers(-9, 9, (2, 9)), _packed(rng, dim), dim),
    ],
    "signed_sums": [
        lambda rng, dim: (_packed(rng, dim, 2, 40), None, dim),
        lambda rng, dim: (_packed(rng, dim, 9), rng.integers(-9, 9, (2, 9)), dim),
    ],
    "rotate": [
        lambda rng, dim: (_packed(rng, dim, 3), 777, dim),
        lambda rng, dim: (_packed(rng, dim, 3), rng.integers(-dim, dim, 3), dim),
    ],
    "gather": [
        lambda rng, dim: (_packed(rng, dim, 70), rng.permutation(dim), dim),
        lambda rng, dim: (_packed(rng, dim, 3), rng.integers(0, dim, (3, dim)), dim),
    ],
    "pack": [lambda rng, dim: (rng.integers(0, 2, (3, dim)).astype(np.bool_),)],
    "unpack": [lambda rng, dim: (_packed(rng, dim, 3), dim)],
}
"""Arguments of each kernel on packed words, by dimension; results are compared exactly."""

CLASS_CASES: dict[str, list[Callable[[np.random.Generator, int], Arguments]]] = {
    "best": [lambda rng, dim: _classes(rng, dim, 0), lambda rng, dim: _classes(rng, dim, 3)],
}
"""Arguments of each kernel of classifiers, likewise."""


def _sets(rng: np.random.Generator) -> tuple[Array, Array, int]:
    """Return bounds of three queries, spans of nine documents among more items, and the number of items."""
    lengths = rng.integers(1, 20, 9)
    stops = np.cumsum(lengths + 2)
    return np.array([0, 5, 6, 40]), np.stack([stops - lengths, stops], axis=1), int(stops[-1])


def _token_rows(rng: np.random.Generator, dim: int, chosen: Array | None) -> Arguments:
    bounds, spans, items = _sets(rng)
    queries, weights = _packed(rng, dim, int(bounds[-1])), rng.integers(0, 2**15, int(bounds[-1]))
    return queries, weights, bounds, _packed(rng, dim, items), spans, chosen


def _token_tables(rng: np.random.Generator, groups: int, chosen: Array | None) -> Arguments:
    bounds, spans, items = _sets(rng)
    tables = rng.standard_normal((int(bounds[-1]), groups, 256), dtype=np.float32)
    codes = rng.integers(0, 256, (items, groups), dtype=np.uint8)
    scale, offset = rng.standard_normal((2, items), dtype=np.float32)
    weights = rng.random(len(tables), dtype=np.float32)
    return tables, weights, bounds, codes, scale, offset, spans, chosen


CHOSEN = np.array([[0, 8], [3, 3], [7, 1]])
"""Two documents of :func:`_sets` for each query."""

TOKEN_CASES: dict[str, list[Callable[[np.random.Generator, int], Arguments]]] = {
    "chamfer": [
        lambda rng, dim: _token_rows(rng, dim, None),
        lambda rng, dim: _token_rows(rng, dim, CHOSEN.copy()),
    ],
    "max_sim": [
        lambda rng, dim: _token_tables(rng, -(-dim // 512), None),
        lambda rng, dim: _token_tables(rng, -(-dim // 512), CHOSEN.copy()),
    ],
}
"""Arguments of each kernel on sets of rows, likewise."""

SEARCH_CASES: dict[str, list[Callable[[np.random.Generator, int], Arguments]]] = {
    "top_k": [
        lambda rng, dim: (_packed(rng, dim, 3), _packed(rng, dim, 60).repeat(2, axis=0), 9),
        lambda rng, dim: (_packed(rng, dim, 40), _packed(rng, dim, 600), 600),
    ],
    "top_k_lists": [_lists],
    "plane_sums": [lambda rng, dim: (_packed(rng, dim, 7), _packed(rng, dim, 11, 5))],
    "code_dots": [_codes],
    "code_top_k": [
        lambda rng, dim: (*_codes(rng, dim), rng.random(5, dtype=np.float32) + 1, 3),
        lambda rng, dim: (*(x.repeat(99, axis=0) for x in _codes(rng, dim)[:2]), dim, np.ones(495, np.float32), 400),
    ],
    "gather_dots": [
        lambda rng, dim: (
            rng.integers(-(2**15), 2**15, (4, dim), dtype=np.int16),
            rng.integers(-128, 128, (9, dim), dtype=np.int8),
            rng.integers(-1, 9, (4, 5)),
        )
    ],
    "gather_planes": [
        lambda rng, dim: _planes(rng, dim, 1),
        lambda rng, dim: _planes(rng, dim, 8),
        lambda rng, dim: _planes(rng, dim, 16),
    ],
    "rounded": [
        lambda rng, dim: (rng.standard_normal((4, dim), dtype=np.float32), 7),
        lambda rng, dim: (rng.standard_normal((4, dim), dtype=np.float32) * np.float32(1e-39), 32767),
    ],
    "units": [
        lambda rng, dim: (rng.standard_normal((4, dim), dtype=np.float32),),
        lambda rng, dim: (rng.standard_normal((4, dim), dtype=np.float32) * np.float32(1e-39),),
    ],
}
"""Arguments of each search kernel, likewise."""


def _entries(rng: np.random.Generator, rows: int, dim: int) -> npt.NDArray[np.int32]:
    """Return signed permutations as entries, one in each row."""
    orders = rng.permuted(np.tile(np.arange(dim), (rows, 1)), axis=1)
    return (2 * orders + rng.integers(0, 2, (rows, dim))).astype(np.int32)


def _hadamard(rng: np.random.Generator, dtype: Any, dim: int, steps: int) -> Arguments:
    first, middle, sign = rng.choice(np.array([-1, 1], dtype=np.int8), (3, dim))
    return rng.standard_normal((3, dim)).astype(dtype), first, middle, rng.permutation(dim), sign, steps


def _signs(rng: np.random.Generator, *shape: int) -> npt.NDArray[np.int8]:
    return rng.choice(np.array([-1, 1], dtype=np.int8), shape)


def _bytes(rng: np.random.Generator, *shape: int) -> npt.NDArray[np.int8]:
    return rng.integers(-128, 128, shape).astype(np.int8)


DENSE_CASES: dict[str, list[Callable[[np.random.Generator, Any], Arguments]]] = {
    "signed_gather": [
        lambda rng, dtype: (
            rng.standard_normal((3, 65)).astype(dtype),
            rng.permutation(65),
            rng.choice(np.array([-1, 1], dtype=np.int8), 65),
        )
    ],
    "signed_gathers": [
        lambda rng, dtype: (
            rng.standard_normal((3, 65)).astype(dtype),
            _entries(rng, 2, 65),
            np.array([1, 0, 1]),
            np.array([0, 0, 1]),
        )
    ],
    "signed_products": [lambda rng, dtype: (_entries(rng, 4, 65), np.array([3, 1, 0]), np.array([2, 1, 3]))],
    "hadamard": [
        lambda rng, dtype: _hadamard(rng, dtype, 1, 2),
        lambda rng, dtype: _hadamard(rng, dtype, 64, -1),
        lambda rng, dtype: _hadamard(rng, dtype, 65, 2),
        lambda rng, dtype: _hadamard(rng, dtype, 1000, -3),
    ],
    "csr_matmul": [
        lambda rng, dtype: (
            rng.standard_normal(6).astype(dtype),
            rng.integers(0, 4, 6),
            np.array([0, 2, 2, 6]),
            rng.standard_normal((4, 65)).astype(dtype),
        )
    ],
    "sign_product": [
        lambda rng, dtype: (_signs(rng, 3, 1, 65), _signs(rng, 4, 65)),
        lambda rng, dtype: (_signs(rng, 70), _signs(rng, 3, 70) * np.int32(2**31 - 1)),
    ],
    "byte_dots": [
        lambda rng, dtype: (_bytes(rng, 7, 65), _bytes(rng, 9, 65)),
        lambda rng, dtype: (rng.integers(1 - 2**23, 2**23, (2, 1000)), _bytes(rng, 5, 1000)),
    ],
    "byte_sums": [lambda rng, dtype: (_bytes(rng, 2, 7, 65),), lambda rng, dtype: (_bytes(rng, 700, 3),)],
    "phasor_product": [
        lambda rng, dtype: (*rng.standard_normal((2, 3, 130)).astype(dtype), False),
        lambda rng, dtype: (
            rng.standard_normal((3, 1, 130)).astype(dtype),
            rng.standard_normal(130).astype(dtype),
            True,
        ),
    ],
    "convolve": [
        lambda rng, dtype: (*rng.standard_normal((2, 3, 65)).astype(dtype), False),
        lambda rng, dtype: (rng.standard_normal((2, 1, 64)).astype(dtype), rng.standard_normal(64).astype(dtype), True),
        lambda rng, dtype: (*rng.standard_normal((2, 0, 5)).astype(dtype), True),
    ],
    "row_sums": [
        lambda rng, dtype: (rng.standard_normal((2, 11, 65)).astype(dtype),),
        lambda rng, dtype: (rng.standard_normal((1, 3)).astype(dtype),),
    ],
    "smallest": [lambda rng, dtype: (rng.integers(-(2**62), 2**62, (3, 70)), 9)],
}
"""Arguments of each kernel on floats, by dtype; results are compared within ``TOLERANCE``."""


def _quadratic(rng: np.random.Generator, groups: int, terms: int, steps: int) -> Arguments:
    linear = rng.standard_normal((7, 16 * groups)).astype(np.float32)
    side = rng.standard_normal((7, terms, 16 * groups)).astype(np.float32)
    pair = rng.standard_normal((16 * groups, 16 * groups)).astype(np.float32)
    return linear, side, pair + pair.T, rng.integers(0, 16, (7, groups)).astype(np.uint8), steps


def _looked_up(rng: np.random.Generator, items: int, k: int) -> Arguments:
    tables = rng.integers(-9, 9, (3, 5, 256)).astype(np.float32)
    codes = rng.integers(0, 256, (items, 5)).astype(np.uint8)
    return tables, codes, *rng.integers(1, 3, (2, items)).astype(np.float32), k


TABLE_CASES: dict[str, list[Callable[[np.random.Generator], Arguments]]] = {
    "top_k": [lambda rng: _looked_up(rng, 1, 1), lambda rng: _looked_up(rng, 77, 9), lambda rng: _looked_up(rng, 8, 8)],
    "refine": [
        lambda rng: _quadratic(rng, 1, 1, 5),
        lambda rng: _quadratic(rng, 9, 2, 0),
        lambda rng: _quadratic(rng, 16, 3, 40),
    ],
}
"""Arguments of each kernel on tables; results are compared exactly."""


def _levels(rng: np.random.Generator, levels: int, *shape: int) -> npt.NDArray[Any]:
    return rng.integers(0, levels, shape).astype(np.uint8 if levels <= 256 else np.int16)


def _turns(levels: int) -> npt.NDArray[np.float64]:
    angles = 2 * np.pi * np.arange(levels) / levels
    return np.stack([np.cos(angles), np.sin(angles)])


def _phasors(rng: np.random.Generator, levels: int, n: int, weights: Any) -> Arguments:
    turns = _turns(levels)
    tie = rng.integers(0, levels, 65)
    return _levels(rng, levels, 3, n, 65), weights, tie, np.rint(2.0**31 * turns).astype(np.int64), turns


LEVELS = (2, 5, 16, 200, 256)
"""Numbers of levels on which kernels are compared, and ``MANY`` where they fit int16."""
MANY = 1000

LEVEL_CASES: dict[str, list[Callable[[np.random.Generator, int], Arguments]]] = {
    "moved": [
        lambda rng, r: (_levels(rng, r, 65), _levels(rng, r, 3, 4, 65), 1, r),
        lambda rng, r: (_levels(rng, r, 3, 1, 65), _levels(rng, r, 4, 65), -1, r),
    ],
    "sums": [
        lambda rng, r: (_levels(rng, r, 2, 5, 65), None, rng.integers(-(2**31), 2**31, (2, r))),
        lambda rng, r: (_levels(rng, r, 2, 5, 65), rng.integers(-9, 9, (2, 5)), rng.integers(-99, 99, (1, r))),
    ],
    "counts": [
        lambda rng, r: (_levels(rng, r, 2, 5, 65), None, r),
        lambda rng, r: (_levels(rng, r, 2, 5, 65), rng.integers(-9, 9, (2, 5)), r),
    ],
    "leading": [lambda rng, r: (rng.integers(-2, 3, (3, r, 65)), rng.integers(0, r, (3, 65)))],
    "nearest": [
        lambda rng, r: (*rng.integers(-2, 3, (2, 3, 65)), rng.integers(0, r, (3, 65)), _turns(r)),
        lambda rng, r: (*rng.integers(-(2**50), 2**50, (2, 3, 65)), rng.integers(0, r, (3, 65)), _turns(r)),
    ],
    "plurality": [
        lambda rng, r: (_levels(rng, r, 2, 4, 65), None, rng.integers(0, r, 65), r),
        lambda rng, r: (_levels(rng, r, 2, 300, 65), None, rng.integers(0, r, 65), r),
        lambda rng, r: (_levels(rng, r, 2, 4, 65), rng.integers(-3, 3, (2, 4)), rng.integers(0, r, 65), r),
    ],
    "phases": [
        lambda rng, r: _phasors(rng, min(r, 256), 4, None),
        lambda rng, r: _phasors(rng, min(r, 256), 300, None),
        lambda rng, r: _phasors(rng, min(r, 256), 5, rng.integers(-3, 3, (3, 5))),
    ],
    "equal": [lambda rng, r: (_levels(rng, r, 3, 1000), _levels(rng, r, 7, 1000))],
    "differences": [
        lambda rng, r: (
            _levels(rng, min(r, 256), 3, 1000),
            _levels(rng, min(r, 256), 7, 1000),
            rng.integers(-(2**22), 2**22, min(r, 256)).astype(np.int32),
        )
    ],
}
"""Arguments of each kernel on levels, by their number; results are compared exactly."""


def check_backend(name: str, device: str = "cpu") -> tuple[str, ...]:
    """Compare every kernel of a backend with the NumPy reference.

    Parameters
    ----------
    name : str
        One of :func:`hdc.backends`, which may come from any package.
    device : str
        Of the backend.

    Returns
    -------
    tuple of str
        The kernels that were compared, as ``"bits.xor"``: those of all records that the backend has, but for
        ``exact_integers`` and ``hamming_pointer``, which are no kernels.

    Raises
    ------
    KernelError
        If a kernel's result differs in value or shape, or a kernel writes to an input.
    """
    backend, reference = find_backend(name, device), find_backend("numpy")
    for owner, kernel, arguments in _calls():
        if getattr(backend, owner) is None:
            continue
        expected = getattr(getattr(reference, owner), kernel)(*arguments)
        forms = {"plain": _frozen(arguments), "strided": _apart(arguments), "byte-swapped": _swapped(arguments)}
        for form, given in forms.items():
            try:
                _compare(_result(backend, getattr(backend, owner), kernel, given), expected)
            except Exception as error:
                raise KernelError(f"kernel {kernel!r} of backend {name!r}, {form} input: {error}") from error
    _check_signs(backend)
    _check_search_index(backend, reference)
    _check_lists(backend, reference)
    _check_graphs(backend, reference)
    _check_level_rows(backend, reference)
    _check_postings(backend, reference)
    _check_near(backend, reference)
    _check_learning(backend, reference)
    records = {name: getattr(backend, name) for name in RECORDS}
    return tuple(
        f"{name}.{field.name}"
        for name, record in records.items()
        if record is not None
        for field in fields(record)
        if field.name not in ("exact_integers", "hamming_pointer", "layout")
    )


def _check_signs(backend: Backend) -> None:
    """Ask whether products are signs of which one component is none; the product itself may then be anything."""
    given, good = backend.arrays.from_numpy, np.ones((2, 70), dtype=np.int8)
    for dtype in (np.int8, np.int16, np.int32, np.int64):
        for byte in (-128, -2, 0, 3, 127):
            odd = good.copy()
            odd[1, 69] = byte
            _, fine = backend.dense.sign_product(given(odd), given(good.astype(dtype)))
            if bool(fine):
                raise KernelError(f"kernel 'sign_product' of backend {backend.name!r} takes {byte} of int8 for a sign")
        other = good.astype(dtype)
        other[1, 69] = np.iinfo(dtype).min
        if bool(backend.dense.sign_product(given(good), given(other))[1]):
            raise KernelError(f"kernel 'sign_product' of backend {backend.name!r} takes the least {dtype.__name__}")


def _record(rng: np.random.Generator, dim: int, columns: int = 9) -> Arguments:
    """Return the two vectors of some columns, and marks of rows, some negative; one row has no member."""
    marks = rng.integers(-2, dim + 1, (6, columns), dtype=np.int32)
    marks[0] = -1
    return _packed(rng, dim, columns), _packed(rng, dim, columns), marks


def _whole(rng: np.random.Generator, columns: int, rows: int, dim: int) -> Arguments:
    """Return rows and frequencies whose products leave 32 bits."""
    return tuple(
        rng.integers(-(2**30), 2**30, shape, dtype=np.int32)
        for shape in ((rows, columns), (-(-dim // 128), columns, 128))
    )


FEATURE_CASES: dict[str, list[Callable[[np.random.Generator, int], Arguments]]] = {
    "record_majority": [
        lambda rng, dim: (*_record(rng, dim), _packed(rng, dim), dim),
        lambda rng, dim: (*_record(rng, dim, 70), _packed(rng, dim), dim),
    ],
    "record_sums": [
        lambda rng, dim: (*_record(rng, dim), 3, dim),
        lambda rng, dim: (*_record(rng, dim, 300), 300, dim),
    ],
    "fourier_signs": [
        lambda rng, dim: (*_whole(rng, 9, 5, dim), rng.integers(-(2**31), 2**31, (1, dim), dtype=np.int32), 2**32),
        lambda rng, dim: (*_whole(rng, 70, 9, dim), rng.integers(-(2**31), 2**31, (9, dim), dtype=np.int32), 2**20),
    ],
    "phase_signs": [lambda rng, dim: (np.rint(rng.standard_normal((4, dim)) * 2.0**40), 2**24)],
}
"""Arguments of each kernel of features, likewise."""


def _calls() -> Iterator[tuple[str, str, Arguments]]:
    rng = np.random.default_rng(0)
    by_dim = {
        "bits": BIT_CASES,
        "search": SEARCH_CASES,
        "classes": CLASS_CASES,
        "features": FEATURE_CASES,
        "tokens": TOKEN_CASES,
    }
    for owner, cases in by_dim.items():
        for kernel, makers in cases.items():
            yield from ((owner, kernel, make(rng, dim)) for make in makers for dim in DIMS)
    for kernel, makers in LEVEL_CASES.items():
        yield from (("levels", kernel, make(rng, levels)) for make in makers for levels in (*LEVELS, MANY))
    for kernel, dense_makers in DENSE_CASES.items():
        yield from (("dense", kernel, make(rng, dtype)) for make in dense_makers for dtype in (np.float32, np.float64))
    for kernel, table_makers in TABLE_CASES.items():
        yield from (("tables", kernel, make(rng)) for make in table_makers)


def _frozen(arguments: Arguments) -> Arguments:
    """Return the arguments read-only, so that a kernel which writes to an input fails."""
    for argument in arguments:
        if isinstance(argument, np.ndarray):
            argument.flags.writeable = False
    return arguments


def _apart(arguments: Arguments) -> Arguments:
    """Return the arguments with gaps between the rows of arrays."""
    return tuple(np.repeat(a, 2, axis=0)[::2] if isinstance(a, np.ndarray) else a for a in arguments)


def _swapped(arguments: Arguments) -> Arguments:
    """Return the arguments with arrays in foreign byte order."""
    return tuple(a.astype(a.dtype.newbyteorder()) if isinstance(a, np.ndarray) else a for a in arguments)


def _result(backend: Backend, kernels: Any, kernel: str, arguments: Arguments) -> Any:
    """Call a kernel on the backend's arrays, see that it leaves them as they are, and bring the result back."""
    if kernel in ("random_words", "signed_orders"):  # NumPy on every backend
        return getattr(kernels, kernel)(*arguments)
    to_numpy = backend.arrays.to_numpy
    given = tuple(backend.arrays.from_numpy(a) if isinstance(a, np.ndarray) else a for a in arguments)
    result = getattr(kernels, kernel)(*given)
    for mine, argument in zip(given, arguments, strict=True):
        if isinstance(argument, np.ndarray):
            assert np.array_equal(_words(to_numpy(mine), argument), argument), "an input was changed"
    return tuple(map(to_numpy, result)) if isinstance(result, tuple) else to_numpy(result)


def _words(x: Any, like: Any) -> Any:
    """Return packed words as uint64 where the reference has them so."""
    return x.view(np.uint64) if like.dtype.str[1:] == "u8" and x.dtype == np.int64 else x


def _compare(result: Any, expected: Any) -> None:
    pairs = zip(result, expected, strict=True) if isinstance(expected, tuple) else [(result, expected)]
    for found, theirs in pairs:
        mine = _words(found, theirs)
        assert_same(mine, theirs, "result")
        assert mine.dtype == theirs.dtype, f"dtype {mine.dtype}, expected {theirs.dtype}"


def _check_search_index(backend: Backend, reference: Backend) -> None:
    if backend.search is None or reference.search is None:
        return
    rng = np.random.default_rng(1)
    for dim in DIMS:
        rows, queries = _packed(rng, dim, 700), _packed(rng, dim, 20)
        index = backend.search.search_index(word_count(dim))
        for part in np.split(rows, [5, 5, 600]):
            before, count = index, len(index)
            index = index.extended(backend.arrays.from_numpy(part))
            assert len(before) == count, "an index was changed by its extension"
        try:
            assert len(index) == 700, f"length {len(index)} after extending by 700 rows"
            for indexed, some in ((index, rows), (before, rows[:600])):
                found = tuple(map(backend.arrays.to_numpy, indexed.search(backend.arrays.from_numpy(queries), 9)))
                _compare(found, reference.search.top_k(queries, some, 9))
        except AssertionError as error:
            raise KernelError(f"search_index of backend {backend.name!r}, dim {dim}: {error}") from error


def _check_lists(backend: Backend, reference: Backend) -> None:
    if backend.lists is None or reference.lists is None:
        return
    rng = np.random.default_rng(2)
    for dim in DIMS:
        queries, centroids = (rng.integers(-128, 128, (n, dim)).astype(np.int8) for n in (20, 33))
        _, rows, ids, starts, lists, k = _lists(rng, dim)
        numbers = rng.integers(-8, 8, (5, dim)).astype(np.int8)
        scale, offset = rng.standard_normal((2, len(ids)), dtype=np.float32)
        factors, base = rng.standard_normal((5, 2), dtype=np.float32), rng.standard_normal((5, 3), dtype=np.float32)
        try:
            found = backend.lists.centroids(centroids).nearest(queries, 7)
            _compare(found, reference.lists.centroids(centroids).nearest(queries, 7))
            held, known = (b.code_lists(rows, scale, offset, starts) for b in (backend.lists, reference.lists))
            assert len(held) == len(ids), f"length {len(held)} of {len(ids)} rows"
            asked = numbers, factors, lists, base, ids, k
            _compare(held.search(*asked), known.search(*asked))
            again = backend.lists.restored({name: array.copy() for name, array in held.arrays.items()})
            assert len(again) == len(held), f"length {len(again)} of {len(held)} rows that were restored"
            _compare(again.search(*asked), known.search(*asked))
            whole = _whole_searches(np.random.default_rng(dim), dim, centroids, ids)
            _compare(whole(backend.lists, held), whole(reference.lists, known))
        except AssertionError as error:
            raise KernelError(f"lists of backend {backend.name!r}, dim {dim}: {error}") from error


def _check_graphs(backend: Backend, reference: Backend) -> None:
    if backend.graphs is None or reference.lists is None:
        return
    for dim in DIMS:
        try:
            check_graphs(backend.graphs, reference.lists, dim, _compare)
        except AssertionError as error:
            raise KernelError(f"graphs of backend {backend.name!r}, dim {dim}: {error}") from error


def _check_level_rows(backend: Backend, reference: Backend) -> None:
    if backend.tables is None or reference.tables is None:
        return
    rng = np.random.default_rng(3)
    for form in ((1, 8), (3, 4), (1, 2)), ((1, 1),), ((5, 8), (2, 1)):
        runs = [LevelRun(words, bits, rng.integers(0, 256, 2**bits).astype(np.uint8)) for words, bits in form]
        rows = rng.integers(0, 2**64, (70, sum(words for words, _ in form)), dtype=np.uint64)
        scale, offset = np.abs(rng.standard_normal((2, 70), dtype=np.float32))
        queries = rng.integers(-128, 128, (9, sum(words * 64 // bits for words, bits in form))).astype(np.int8)
        raises = rng.integers(0, 3, (9, len(form))).astype(np.uint8)
        ids = np.where(rng.random(70) < 0.1, -1, rng.permutation(70))
        asked = queries, raises, rng.standard_normal((9, 2), dtype=np.float32), ids, 11
        try:
            held, known = (b.level_rows(rows, runs, scale, offset) for b in (backend.tables, reference.tables))
            assert len(held) == 70, f"length {len(held)} of 70 rows"
            _compare(held.search(*asked), known.search(*asked))
        except AssertionError as error:
            raise KernelError(f"level_rows of backend {backend.name!r}, runs {form}: {error}") from error


def _whole_searches(rng: np.random.Generator, dim: int, centroids: Array, ids: Array) -> Callable[..., Any]:
    """Return what searches rows in eight lists with the kernels of a backend, with originals and without."""
    signs, order = rng.choice(np.array([-1, 1], dtype=np.int8), (3, dim)), rng.permutation(dim)
    rotation = Rotation(signs[0], signs[1], order, signs[2], 2)
    originals = rng.integers(-127, 128, (len(ids), dim)).astype(np.int8)
    mean = rng.integers(-99, 99, dim).astype(np.int16), 1e-4
    factors = rng.standard_normal((len(ids), 2), dtype=np.float32).view("<u8").astype(np.uint64)
    cells = rng.integers(0, 8, (len(ids), 1)).astype(np.uint64)
    planes = np.hstack([_packed(rng, dim, len(ids)), _packed(rng, dim, len(ids)), cells, factors, cells])
    lengths, queries = np.ones(8, np.float32), rng.standard_normal((5, dim), dtype=np.float32)
    own, far = Compared(queries, np.arange(5.0)), rng.random(len(ids), dtype=np.float32)
    given = rng.standard_normal((5, 2), dtype=np.float32), np.tile(np.array([6, 1]), (5, 1))
    asked = AskedOfLists(rng.integers(-7, 8, (5, dim)).astype(np.int8), *given, given[0])

    def whole(kernels: ListKernels, codes: CodeLists) -> tuple[Array, ...]:
        directions, part = kernels.centroids(centroids[:8]), EstimatePart(codes, np.arange(len(ids)), ids)
        ends = (originals, None), (None, None), (None, WholeCodes(planes, 2, centroids[:8]))
        plans = (EstimatePlan(rotation, directions, lengths, mean, [part], *end) for end in ends)
        compared, estimated, ordered = (kernels.estimate_search(plan) for plan in plans)
        read = np.empty((5, 9), dtype=np.int64)
        found = [*compared.search(queries, 3, 6, 9, None, read), *estimated.search(queries, 3, 6, 9)]
        for by_distance in (False, True):
            plan = EstimatePlan(rotation, directions, lengths, mean, [part], originals, None, far, by_distance)
            search = kernels.estimate_search(plan).search
            found += *search(queries, 3, 6, 9, None, None, own), *search(asked, 3, 6, 9, None, None, own)
        return *found, *ordered.search(queries, 3, 6, 9), np.sort(read, axis=1)

    return whole


POSTING_FORMS = (
    Form(),
    Form(documents=1, giant=200),
    Form(documents=300, segments=2, weight=2**20, overlap=True),
    Form(documents=40, segments=2, smooth=True, overlap=True),
)


def _check_near(backend: Backend, reference: Backend) -> None:
    """Compare which of some words are near to one."""
    if backend.postings is None or reference.postings is None:
        return
    for seed in range(20):
        rng = np.random.default_rng(seed)
        starts = np.concatenate([[0], np.cumsum(rng.integers(0, 7, 40))])
        points = rng.integers(97, 100, starts[-1]).astype(np.uint32)
        word = rng.integers(97, 100, seed % 7).astype(np.uint32)
        for most in (1, 2):
            try:
                _compare(
                    backend.postings.near(points, starts, word, most),
                    reference.postings.near(points, starts, word, most),
                )
            except Exception as error:
                text = f"kernel 'near' of postings of backend {backend.name!r}, seed {seed}, most {most}: {error}"
                raise KernelError(text) from error


def _check_learning(backend: Backend, reference: Backend) -> None:
    """Compare what is learned, to the rounding of floats."""
    if backend.learn is None or reference.learn is None:
        return
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((60, 65)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    labels, weights = rng.integers(0, 4, 60), rng.integers(0, 3, 60).astype(np.float32)
    zeros = np.zeros((4, 65), dtype=np.float32)
    if not np.allclose(backend.learn.dots(rows, rows[:7]), reference.learn.dots(rows, rows[:7]), atol=1e-5):
        raise KernelError(f"kernel 'dots' of learn of backend {backend.name!r} differs")
    for steepness in (0.0, 20.0):
        one, other = (
            own.attract(rows, labels, weights, rows[:7], labels[:7], steepness, 0.05)
            for own in (backend.learn, reference.learn)
        )
        if not np.allclose(one, other, atol=1e-4):
            raise KernelError(f"kernel 'attract' of learn of backend {backend.name!r} differs")
    for rule in (BUNDLE, ADAPT, ONLINE, MARGIN, REFINE):
        state = PerceptronState(zeros, zeros, np.zeros(4), np.zeros(2), 0)
        found = [
            own.perceptron(rows, labels, weights, state, rule, 0.5, 0.1) for own in (backend.learn, reference.learn)
        ]
        for name, one, other in zip(PerceptronState._fields, found[0][0], found[1][0], strict=True):
            if not np.allclose(one, other, atol=1e-3):
                text = f"kernel 'perceptron' of learn of backend {backend.name!r}, rule {rule}: {name} differs"
                raise KernelError(text)


def _check_postings(backend: Backend, reference: Backend) -> None:
    if backend.postings is None or reference.postings is None:
        return
    for form in POSTING_FORMS:
        for seed in range(5):
            rng = np.random.default_rng(seed)
            segments, query = posting_case(rng, form)
            before = [np.array(part).tobytes() for part in query]
            documents = form.documents * form.segments
            some, rank = rng.random(documents) < 0.5, rng.permutation(documents)
            for k, allowed, order in ((1, some[:0], rank[:0]), (9, some, rank), (999, some, rank)):
                try:
                    one, other = (own.prepare(segments, order) for own in (backend.postings, reference.postings))
                    _compare(one.best(query, k, allowed), other.best(query, k, allowed))
                    assert before == [np.array(part).tobytes() for part in query], "a query was changed"
                except Exception as error:
                    text = f"kernel 'best' of postings of backend {backend.name!r}, seed {seed} of {form}: {error}"
                    raise KernelError(text) from error
