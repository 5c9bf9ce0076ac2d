"""A whole search among estimates in one compiled call: what a server that asks one query at a time waits for.

The steps are those of a batch, one query after the other, with the same roundings, so that both find the same: unit
length, rotation, nearest lists (:mod:`nearest`), integers of four bits, estimates in those lists (:mod:`estimates`),
and, for what they find, exact cosines with the originals (:mod:`gather`) or all
planes of the codes (:mod:`query_planes`). A batch goes list by list, so that queries share
what is read. Here nothing is shared, and a list is asked for from memory while the one before is in hand.

All that does not depend on the query was prepared, and is read by address (:mod:`addresses`).
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.addresses import LINE, array_at, laid_out, record, record_type, with_arrays
from hdc.backends.numba_kernels.arrays import NOTHING, AnyArray, frozen
from hdc.backends.numba_kernels.estimates import CodeLists
from hdc.backends.numba_kernels.jit import kernel
from hdc.backends.numba_kernels.nearest import Centroids
from hdc.backends.numba_kernels.query_planes import compare_planes
from hdc.backends.numba_kernels.query_steps import (
    compare,
    find_lists,
    mean_product,
    round_query,
    scan,
    take_asked,
    write_found,
)
from hdc.backends.numba_kernels.rounding import unit_row
from hdc.backends.numba_kernels.simd import LANES
from hdc.backends.numba_kernels.topk import select_pairs
from hdc.backends.numba_kernels.transform import apply_steps
from hdc.errors import ParameterError
from hdc.kernels import ESTIMATE_BITS, AskedOfLists, Compared, EstimatePart, EstimatePlan, WholeCodes
from hdc.words import WORD_BITS, word_count

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

FLOAT, INT = np.dtype(np.float32), np.dtype(np.int64)
"""Types that NumPy need not look up in each call."""

NO_CODES, NO_DIRECTIONS = np.empty((0, 1), np.uint64), np.empty((0, 1), np.int8)
NO_LENGTHS, NO_QUERIES = np.empty(0, np.float32), np.empty((0, 1), np.float32)

STEPS = (
    "x", "rotated", "moved", "scratch", "integers", "low", "high", "small", "planes", "lows", "highs", "asked",
    "products", "near", "space",
)  # fmt: skip
"""Where each step works."""

OF_A_SEARCH = ("mask", "read", "compared", "squares", "given", "given_factors", "given_lists", "given_base")
"""Arrays of the record that are a search's, if it has them."""

PART = record_type(arrays=("block", "begins", "starts", "scale", "offset", "ids", "rows"))
"""What is known of a part."""

MODEL = record_type(
    (
        "dim", "words", "lists", "quads", "groups", "compares", "by_distance", "levels", "width", "steps", "transform",
        *STEPS,
    ),
    ("scale", "root", "mean_unit"),
    (
        "first", "middle", "index", "sign", "lengths", "table", "mean", "originals", "lengths_of_originals", "codes",
        "directions", "parts", *OF_A_SEARCH,
    ),
)  # fmt: skip
"""What is known of all, and of a search."""


@kernel
def _lines(count: int) -> int:
    """Return the bytes of whole cache lines that hold so many numbers of 8 bytes."""
    return (count + LANES - 1) // LANES * LINE


@kernel
def _search(address: int, queries: Any, candidates: int, probes: int, scores: Any, ids: Any) -> int:
    """Search for all queries; return -1, or the number of the first one with NaN or infinity."""
    model = array_at(address, 1, MODEL)[0]
    dim, words, lists, kept, k = model["dim"], model["words"], model["lists"], model["compares"] != 0, ids.shape[1]
    given, row_asked = model["given_size"] != 0, array_at(model["compared"], model["compared_size"], np.float32)
    squares = array_at(model["squares"], model["squares_size"], np.float64)
    parts = array_at(model["parts"], model["parts_size"], PART)
    mask = array_at(model["mask"], model["mask_size"], np.bool_)
    read = array_at(model["read"], model["read_size"], np.int64)
    whole = model["levels"] != 0 and not kept
    wanted = candidates if kept or whole else k
    room = wanted + wanted // 2 + 3 * LANES
    size, groups = model["transform"], model["groups"]
    first = array_at(model["first"], dim, np.float32)
    middle = array_at(model["middle"], dim, np.float32)
    index = array_at(model["index"], dim, np.int64)
    sign = array_at(model["sign"], dim, np.float32)
    # One allocation is cut into what the steps work in; an array that is seen as two types is two arrays.
    space = np.empty((model["space"] + _lines(probes) * 2 + _lines(room) * 2) // 8 + LANES, np.uint64)
    at = (space.ctypes.data + LINE - 1) // LINE * LINE
    unit = array_at(at, 1, np.float32)
    factors, least = array_at(at + 4, 2, np.float32), array_at(at + 12, 1, np.float32)
    eight, eight_bits = array_at(at + LINE, LANES, np.float32), array_at(at + LINE, LANES, np.int32)
    x, bits = array_at(at + model["x"], dim, np.float32), array_at(at + model["x"], dim, np.int32)
    rotated = array_at(at + model["rotated"], dim, np.float32)
    rotated_bits = array_at(at + model["rotated"], dim, np.int32)
    moved = array_at(at + model["moved"], dim, np.float32)
    scratch = array_at(at + model["scratch"], 2 * size, np.float32).reshape(2, size)
    integers = array_at(at + model["integers"], dim, np.int16)
    low, high = array_at(at + model["low"], dim, np.uint8), array_at(at + model["high"], dim, np.int8)
    small = array_at(at + model["small"], words * WORD_BITS, np.int8)
    numbers = array_at(at + model["small"], words * LANES, np.uint64).reshape(1, words * LANES)
    planes = array_at(at + model["planes"], ESTIMATE_BITS * words, np.uint64).reshape(1, ESTIMATE_BITS, words)
    lows = array_at(at + model["lows"], words * WORD_BITS, np.int8)
    highs = array_at(at + model["highs"], words * WORD_BITS, np.int8)
    quads = model["quads"]
    asked = array_at(at + model["asked"], quads, np.int32)
    bytes_asked = array_at(at + model["asked"], 4 * quads, np.int8)
    products = array_at(at + model["products"], groups * LANES, np.uint64)
    dots = array_at(at + model["products"], groups * LANES * 2, np.int32)
    near = array_at(at + model["near"], lists + 1, np.int64)
    at += model["space"]
    chosen, base = array_at(at, probes, np.int64), array_at(at + _lines(probes), probes, np.float32)
    at += 2 * _lines(probes)
    pairs, places = array_at(at, room, np.int64), array_at(at + _lines(room), room, np.int64)
    for j in range(words * WORD_BITS):
        small[j] = 0
    for j in range(quads):
        asked[j] = 0
    # Scores are one less their distance, rounded as distances are; lengths make them what they are.
    less, more = np.float32(not kept and len(squares) == 0), np.float32(len(squares) == 0)
    wrong = -1
    for q in range(len(ids)):
        if given:
            take_asked(model, q, small, numbers, planes, factors, chosen, base)
        else:
            if not unit_row(queries[q], x):
                wrong = q
                break
            if lists > 1:
                find_lists(model, x, bits, unit, asked, bytes_asked, products, dots, near, chosen, base)
            else:
                chosen[0] = 0
                base[0] = mean_product(model, x, bits, unit, integers)
            for j in range(dim):
                rotated[j] = x[j]
            apply_steps(rotated, moved, scratch, first, middle, index, sign, model["steps"], np.float32(model["scale"]))
            round_query(rotated, rotated_bits, np.float32(model["root"]), unit, small, numbers, planes, factors)
        held: Any = np.int64(0)
        least[0] = -np.inf
        for part in range(len(parts)):
            held = scan(
                parts[part], chosen, base, planes, factors, mask, wanted, held, least, eight, eight_bits, pairs, places
            )
        if held > wanted:
            select_pairs(pairs, places, held, wanted)
            held = wanted
        for at in range(candidates if len(read) else 0):
            read[q * candidates + at] = places[at] if at < held else -1
        if whole:
            compare_planes(
                model, x, bits, rotated, rotated_bits, unit, integers, low, high, lows, highs, base, eight, eight_bits,
                pairs, places, held,
            )  # fmt: skip
        if len(squares):
            for j in range(dim):
                x[j] = row_asked[q * dim + j]
        if kept:
            square = squares[q] if len(squares) else np.float64(0)
            compare(model, x, bits, unit, integers, low, high, square, eight, eight_bits, pairs, places, held)
        write_found(pairs, places, held, less, more, eight, eight_bits, q, scores, ids)
    space[0] = 0  # what is used to the end is not freed before it
    return wrong


class EstimateSearch:
    """Whole searches among estimates; see :class:`hdc.kernels.EstimateSearch`."""

    def __init__(self, plan: EstimatePlan) -> None:
        dim, lists = len(plan.rotation.first), len(plan.lengths)
        rounds, words, quads = dim.bit_length() - 1, word_count(dim), -(-dim // 4)
        groups, table = 0, np.empty(0, np.uint64)
        if lists > 1:
            assert isinstance(plan.centroids, Centroids)
            groups, table = plan.centroids.groups, plan.centroids.table
        originals = np.empty((0, dim), np.int8) if plan.originals is None else plan.originals
        own_lengths = NO_LENGTHS if plan.lengths_of_originals is None else plan.lengths_of_originals
        whole = WholeCodes(NO_CODES, 0, NO_DIRECTIONS) if plan.whole is None else plan.whole
        integers, unit = plan.mean
        self._lists = lists
        arrays: dict[str, AnyArray] = {
            "first": frozen(plan.rotation.first, np.float32, dim),
            "middle": frozen(plan.rotation.middle, np.float32, dim),
            "index": frozen(plan.rotation.index, np.int64, dim),
            "sign": frozen(plan.rotation.sign, np.float32, dim),
            "lengths": frozen(plan.lengths, np.float32, lists),
            "table": table,
            "mean": frozen(integers, np.int16, len(integers)),
            "originals": frozen(originals, np.int8, *originals.shape),
            "lengths_of_originals": frozen(own_lengths, np.float32, len(own_lengths)),
            "codes": frozen(whole.codes, np.uint64, *whole.codes.shape),
            "directions": frozen(whole.directions, np.int8, *whole.directions.shape),
        }
        numbers: dict[str, float] = {
            "dim": dim,
            "words": words,
            "lists": lists,
            "quads": quads,
            "groups": groups,
            "compares": int(plan.originals is not None),
            "by_distance": int(plan.by_distance),
            "levels": whole.levels,
            "width": whole.codes.shape[1],
            "steps": plan.rotation.steps,
            "transform": 1 << rounds,
            "scale": float(np.float32(2.0 ** (-rounds / 2))),
            "root": float(np.float32(math.sqrt(dim))),
            "mean_unit": float(unit),
        }
        sizes = {"x": 4 * dim, "rotated": 4 * dim, "moved": 4 * dim, "scratch": 8 << rounds, "integers": 2 * dim}
        sizes |= {"low": dim, "high": dim, "small": words * WORD_BITS, "planes": 8 * ESTIMATE_BITS * words}
        sizes |= {"lows": words * WORD_BITS, "highs": words * WORD_BITS}
        sizes |= {"asked": 4 * quads, "products": 8 * groups * LANES, "near": 8 * (lists + 1)}
        numbers |= laid_out(sizes, 2 * LINE)
        self._parts = [_arrays_of(part) for part in plan.parts]
        arrays["parts"] = np.concatenate([record(PART, {}, part) for part in self._parts])
        arrays |= dict.fromkeys(OF_A_SEARCH, NOTHING)
        self._model = record(MODEL, numbers, arrays)
        self._address = self._model.ctypes.data
        self._arrays = arrays
        """What the record has the addresses of."""

    def search(
        self,
        queries: Floats | AskedOfLists,
        k: int,
        probes: int,
        candidates: int,
        allowed: Mask | None = None,
        read: Ints | None = None,
        compared: Compared | None = None,
    ) -> tuple[Floats, Ints]:
        """Find the k best rows of each query; see :class:`hdc.kernels.EstimateSearch`."""
        given = _given(queries, allowed, read, compared)
        if isinstance(queries, AskedOfLists):
            asked, count, probes = NO_QUERIES, len(queries.lists), queries.lists.shape[1]
        else:
            asked, probes = np.ascontiguousarray(queries, FLOAT), min(probes, self._lists)
            if not asked.flags.writeable:
                asked = asked.copy()  # one compiled form
            count = len(asked)
        scores, ids = np.empty((count, k), FLOAT), np.empty((count, k), INT)
        model = with_arrays(self._model, given) if given else self._model
        address = model.ctypes.data if given else self._address
        wrong = _search(address, asked, candidates, probes, scores, ids)
        if wrong >= 0:
            raise ParameterError(f"row {wrong} of queries contains NaN or infinity; remove it first")
        return scores, ids


def _given(
    queries: Floats | AskedOfLists, allowed: Mask | None, read: Ints | None, compared: Compared | None
) -> dict[str, AnyArray]:
    """Return what a search has and others have not, by the names of :data:`OF_A_SEARCH`."""
    given: dict[str, AnyArray] = {}
    if allowed is not None:
        given["mask"] = np.ascontiguousarray(allowed, np.bool_)
    if read is not None:
        given["read"] = read
    if compared is not None:
        given["compared"] = np.ascontiguousarray(compared.queries, np.float32)
        given["squares"] = np.ascontiguousarray(compared.squares, np.float64)
    if isinstance(queries, AskedOfLists):
        given["given"] = np.ascontiguousarray(queries.integers, np.int8)
        given["given_factors"] = np.ascontiguousarray(queries.factors, np.float32)
        given["given_lists"] = np.ascontiguousarray(queries.lists, np.int64)
        given["given_base"] = np.ascontiguousarray(queries.base, np.float32)
    return given


def _arrays_of(part: EstimatePart) -> dict[str, AnyArray]:
    assert isinstance(part.lists, CodeLists)
    ids = _spared(part.ids, len(part.lists))
    # Where ids are positions, one array in the cache serves for both.
    same = part.ids is part.rows or bool(((part.ids < 0) | (part.ids == part.rows)).all())
    rows = ids if same else _spared(part.rows, len(part.lists))
    return part.lists.arrays | {"ids": ids, "rows": rows}


def _spared(numbers: AnyArray, count: int) -> Ints:
    """Return numbers with eight more behind them, which are read and not used."""
    if len(numbers) < count + LANES:
        numbers = np.concatenate([np.asarray(numbers[:count], np.int64), np.full(LANES, -1)])
    return frozen(numbers, np.int64, len(numbers))
