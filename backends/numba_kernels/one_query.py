"""A whole search among estimates in one compiled call: what a server that asks one query at a time waits for.

The steps are those of a batch, one query after the other, with the same roundings, so that both find the same: unit
length, rotation, nearest lists (:mod:`nearest`), integers of four bits, estimates in those lists (:mod:`estimates`),
exact cosines with the originals of what they find (:mod:`gather`). A batch goes list by list, so that queries share
what is read. Here nothing is shared, and a list is asked for from memory while the one before is in hand.

All that does not depend on the query was prepared, and is read by address (:mod:`addresses`).
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.addresses import Record, array_at, record
from hdc.backends.numba_kernels.arrays import AnyArray, frozen
from hdc.backends.numba_kernels.jit import kernel
from hdc.backends.numba_kernels.query_steps import LINE, compare, find_lists, mean_product, round_query, scan
from hdc.backends.numba_kernels.rounding import unit_row
from hdc.backends.numba_kernels.simd import LANES
from hdc.backends.numba_kernels.topk import ID_BITS, key_score, select_pairs, sort_pairs
from hdc.backends.numba_kernels.transform import apply_steps
from hdc.errors import ParameterError
from hdc.kernels import ESTIMATE_BITS, EstimatePlan
from hdc.words import WORD_BITS, word_count

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

LOW = (1 << ID_BITS) - 1
EVERY = frozen(np.empty(0, np.bool_), np.bool_, 0)
"""The mask that stands for all rows."""


@kernel
def _lines(count: int, size: int) -> int:
    """Return the bytes of whole cache lines that hold so many elements."""
    return (count * size + LINE - 1) // LINE * LINE


@kernel
def _search(
    models: Any, parts: Any, queries: Any, mask: Any, candidates: int, probes: int, scores: Any, ids: Any, read: Any
) -> int:
    """Search for all queries; return -1, or the number of the first one that holds NaN or infinity."""
    model = models[0]
    dim, words, lists, k = model["dim"], model["words"], model["lists"], ids.shape[1]
    kept = model["compares"] != 0
    wanted = candidates if kept else k
    room = wanted + wanted // 2 + 3 * LANES
    size, quads, groups = model["transform"], (dim + 3) // 4, model["groups"]
    first = array_at(model["first"], dim, np.float32)
    middle = array_at(model["middle"], dim, np.float32)
    index = array_at(model["index"], dim, np.int64)
    sign = array_at(model["sign"], dim, np.float32)
    # One allocation is cut into what the steps work in; an array that is seen as two types is two arrays.
    lines = 4 * LINE + 3 * _lines(dim, 4) + 2 * _lines(size, 4) + _lines(dim, 2) + 2 * _lines(dim, 1)
    lines += _lines(words * WORD_BITS, 1) + ESTIMATE_BITS * _lines(words, 8) + _lines(quads, 4) + _lines(groups * LANES, 8)
    lines += _lines(lists + 1, 8) + _lines(probes, 8) + _lines(probes, 4) + 2 * _lines(room, 8)
    space = np.empty(lines // 8 + LANES, np.uint64)
    at = (space.ctypes.data + LINE - 1) // LINE * LINE
    unit = array_at(at, 1, np.float32)
    factors, least = array_at(at + 4, 2, np.float32), array_at(at + 12, 1, np.float32)
    at += LINE
    eight, eight_bits = array_at(at, LANES, np.float32), array_at(at, LANES, np.int32)
    at += LINE
    x, bits = array_at(at, dim, np.float32), array_at(at, dim, np.int32)
    at += _lines(dim, 4)
    rotated, rotated_bits = array_at(at, dim, np.float32), array_at(at, dim, np.int32)
    at += _lines(dim, 4)
    moved = array_at(at, dim, np.float32)
    at += _lines(dim, 4)
    scratch = array_at(at, 2 * size, np.float32).reshape(2, size)
    at += 2 * _lines(size, 4)
    integers = array_at(at, dim, np.int16)
    at += _lines(dim, 2)
    low = array_at(at, dim, np.uint8)
    at += _lines(dim, 1)
    high = array_at(at, dim, np.int8)
    at += _lines(dim, 1)
    small = array_at(at, words * WORD_BITS, np.int8)
    numbers = array_at(at, words * LANES, np.uint64).reshape(1, words * LANES)
    at += _lines(words * WORD_BITS, 1)
    planes = array_at(at, ESTIMATE_BITS * words, np.uint64).reshape(1, ESTIMATE_BITS, words)
    at += ESTIMATE_BITS * _lines(words, 8)
    asked, bytes_asked = array_at(at, quads, np.int32), array_at(at, 4 * quads, np.int8)
    at += _lines(quads, 4)
    products, dots = array_at(at, groups * LANES, np.uint64), array_at(at, groups * LANES * 2, np.int32)
    at += _lines(groups * LANES, 8)
    near = array_at(at, lists + 1, np.int64)
    at += _lines(lists + 1, 8)
    chosen = array_at(at, probes, np.int64)
    at += _lines(probes, 8)
    base = array_at(at, probes, np.float32)
    at += _lines(probes, 4)
    pairs = array_at(at, room, np.int64)
    at += _lines(room, 8)
    places = array_at(at, room, np.int64)
    for j in range(words * WORD_BITS):
        small[j] = 0
    for j in range(4 * quads):
        bytes_asked[j] = 0
    wrong = -1
    for q in range(len(queries)):
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
        held = np.int64(0)
        least[0] = -np.inf
        for part in range(len(parts)):
            held = scan(
                parts[part], chosen, base, planes, factors, mask, wanted, held, least, eight, eight_bits, pairs, places
            )
        if held > wanted:
            select_pairs(pairs, places, held, wanted)
            held = wanted
        for row in range(read.shape[1]):
            read[q, row] = places[row] if row < held else -1
        if kept:
            compare(model, x, bits, unit, integers, low, high, eight, eight_bits, pairs, places, held)
            if held > k:
                select_pairs(pairs, places, held, k)
                held = k
        sort_pairs(pairs, places, held)
        for place in range(k):
            if place < held:
                eight_bits[0] = key_score(pairs[place] >> ID_BITS)
                scores[q, place] = np.float32(1) + eight[0] if kept else np.float32(1) - (np.float32(1) - eight[0])
                ids[q, place] = pairs[place] & LOW
            else:
                scores[q, place] = -np.inf
                ids[q, place] = -1
    space[0] = 0  # what is used to the end is not freed before it
    return wrong


class EstimateSearch:
    """Whole searches among estimates; see :class:`hdc.kernels.EstimateSearch`."""

    def __init__(self, plan: EstimatePlan) -> None:
        dim, self._lists, self._compares = len(plan.rotation.first), len(plan.lengths), plan.originals is not None
        centroids = plan.centroids if self._lists > 1 else None
        rounds = dim.bit_length() - 1
        originals = np.empty(0, np.int8) if plan.originals is None else plan.originals
        integers, unit = plan.mean
        arrays: dict[str, AnyArray] = {
            "first": frozen(plan.rotation.first, np.float32, dim),
            "middle": frozen(plan.rotation.middle, np.float32, dim),
            "index": frozen(plan.rotation.index, np.int64, dim),
            "sign": frozen(plan.rotation.sign, np.float32, dim),
            "lengths": frozen(plan.lengths, np.float32, self._lists),
            "table": np.empty(0, np.uint64) if centroids is None else centroids.table,
            "mean": frozen(integers, np.int16, len(integers)),
            "originals": frozen(originals, np.int8, *originals.shape),
        }
        numbers = {
            "dim": dim,
            "words": word_count(dim),
            "lists": self._lists,
            "compares": int(self._compares),
            "groups": 0 if centroids is None else centroids.groups,
            "steps": plan.rotation.steps,
            "transform": 1 << rounds,
            "scale": float(np.float32(2.0 ** (-rounds / 2))),
            "root": float(np.float32(math.sqrt(dim))),
            "mean_unit": float(unit),
        }
        parts = [part.lists.arrays | {"ids": part.ids, "rows": part.rows} for part in plan.parts]
        self._model, self._parts = record(numbers, arrays), np.concatenate([record({}, part) for part in parts])
        self._kept = arrays, parts
        """What the records have the addresses of."""

    def search(
        self,
        queries: Floats,
        k: int,
        probes: int,
        candidates: int,
        allowed: Mask | None = None,
    ) -> tuple[Floats, Ints, Ints]:
        """Find the k best rows of each query; see :class:`hdc.kernels.EstimateSearch`."""
        q = len(queries)
        scores, ids = np.empty((q, k), np.float32), np.empty((q, k), np.int64)
        read = np.empty((q, candidates), np.int64) if self._compares else np.empty((q, 0), np.int64)
        mask = EVERY if allowed is None else allowed
        wrong = _search(
            self._model, self._parts, queries, mask, candidates, min(probes, self._lists), scores, ids, read
        )
        if wrong >= 0:
            raise ParameterError(f"row {wrong} of queries holds NaN or infinity; remove such rows first")
        return scores, ids, read
