"""Whole searches in a graph over RaBitQ codes: one compiled call for all queries, each from floats to its finds.

The steps are those of :mod:`one_query`, with the same roundings, but for the one between: a walk (:mod:`walk`) instead
of lists. Eight queries of a batch are multiplied with the centers of lists at a time.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from hdc.backends.numba_kernels.addresses import LINE, array_at, laid_out, record, record_type, with_arrays
from hdc.backends.numba_kernels.arrays import NOTHING, AnyArray, frozen
from hdc.backends.numba_kernels.graph_nodes import GraphNodes
from hdc.backends.numba_kernels.jit import kernel
from hdc.backends.numba_kernels.nearest import TOGETHER, Centroids, dots_of_eight
from hdc.backends.numba_kernels.query_steps import compare, dots_of_one, round_query, write_found
from hdc.backends.numba_kernels.rounding import round_row, unit_row
from hdc.backends.numba_kernels.simd import LANES, pointer
from hdc.backends.numba_kernels.topk import ID_BITS, least_pairs
from hdc.backends.numba_kernels.transform import apply_steps
from hdc.backends.numba_kernels.walk import STEP_NODES, hand_size, most_seen, node_of, walk
from hdc.errors import FileFormatError, ParameterError
from hdc.kernels import ESTIMATE_BITS, Compared, GraphPlan
from hdc.words import WORD_BITS, Words, word_count

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

FLOAT, INT = np.dtype(np.float32), np.dtype(np.int64)
"""Types that NumPy need not look up in each call."""

PROBED = 4
"""Lists whose entries a walk begins with: the nearest."""

IN_ORDER = 128
"""Up to so many of the best nodes a walk keeps in order; more are chosen from all that it has seen."""

OF_A_SEARCH = ("read", "compared", "squares")
"""Arrays of the record that are a search's, if it has them."""

STEPS = (
    "x", "units", "zeros", "rotated", "moved", "scratch", "integers", "low", "high", "small", "asked", "products",
    "planes", "spread", "base", "beyond", "near", "sums", "estimates", "space",
)  # fmt: skip
"""Where each step works."""

MODEL = record_type(
    ("dim", "words", "lists", "width", "quads", "groups", "dead", "by_distance", "steps", "transform", *STEPS),
    ("scale", "root"),
    (
        "records", "links", "entries", "first", "middle", "index", "sign", "lengths", "table", "beside", "originals",
        "lengths_of_originals", "rows", "ids", *OF_A_SEARCH,
    ),
)  # fmt: skip
"""What is known of all, and of a search."""


@kernel
def _nearest_lists(base: Any, beside: Any, near: Any, best: Any, chosen: Any) -> int:
    """Write the lists of the greatest ``base + beside`` to ``chosen``, nearest first; return how many.

    ``near`` is as long as ``base``, and ``best`` as ``chosen``.
    """
    held, most = 0, len(chosen)
    for one in range(len(base)):
        near[one] = base[one] + beside[one]
    least = np.float32(-np.inf)
    for one in range(len(base)):
        if near[one] > least:
            held = min(held + 1, most)
            place = held - 1
            while place > 0 and best[place - 1] < near[one]:
                best[place], chosen[place] = best[place - 1], chosen[place - 1]
                place -= 1
            best[place], chosen[place] = near[one], one
            if held == most:
                least = best[most - 1]
    return held


@kernel
def _best(pool: Any, found: int, wanted: int, numbers: Any) -> int:
    """Bring the best pairs whose nodes are alive to the front of ``pool``, in any order; return how many they are."""
    alive = 0
    for at in range(found):
        pair = pool[at]
        pool[alive] = pair
        alive += numbers[node_of(pair)] >= 0
    if alive > wanted:
        least_pairs(pool, alive, wanted)
    return int(min(alive, wanted))


@kernel
def _begin(
    queries: Any, mapped: bool, xs: Any, bits: Any, unit: Any, units: Any, integers: Any, asked: Any, zeros: Any
) -> int:  # fmt: skip
    """Write queries of length 1 to ``xs``, rounded to ``asked``, times ``units``; return -1, or the first wrong one.

    ``zeros`` are what 128 more of each byte of a direction amount to.
    """
    for q in range(len(queries)):
        x = xs[q]
        if not unit_row(queries[q], x):
            return q
        if mapped:
            for j in range(len(x)):
                x[j] = queries[q, j]
        round_row(x, bits[q], np.float32(127), unit, integers)
        units[q], zero = unit[0], np.int64(0)
        for j in range(len(x)):
            asked[q, j] = integers[j]
            zero += 128 * np.int64(integers[j])
        zeros[q] = zero
    return -1


@kernel
def _search(
    address: int,
    queries: Any,
    seen: Any,
    effort: int,
    candidates: int,
    mapped: bool,
    exact: bool,
    scores: Any,
    ids: Any,
) -> int:
    """Search for all queries; return -1, or the number of the first one with NaN or infinity."""
    model = array_at(address, 1, MODEL)[0]
    dim, words, lists, k, width = model["dim"], model["words"], model["lists"], ids.shape[1], model["width"]
    records = array_at(model["records"], model["records_size"], np.uint64)
    floats = array_at(model["records"], 2 * model["records_size"], np.float32)
    halves = array_at(model["records"], 2 * model["records_size"], np.uint32)
    links = array_at(model["links"], model["links_size"], np.uint32)
    entries = array_at(model["entries"], model["entries_size"], np.int64)
    table = array_at(model["table"], model["table_size"], np.uint64)
    beside = array_at(model["beside"], lists, np.float32)
    lengths = array_at(model["lengths"], lists, np.float32)
    rows = array_at(model["rows"], model["rows_size"], np.int64)
    numbers = array_at(model["ids"], model["ids_size"], np.int64)
    read = array_at(model["read"], model["read_size"], np.int64)
    row_asked = array_at(model["compared"], model["compared_size"], np.float32)
    squares = array_at(model["squares"], model["squares_size"], np.float64)
    first, middle = array_at(model["first"], dim, np.float32), array_at(model["middle"], dim, np.float32)
    index, sign = array_at(model["index"], dim, np.int64), array_at(model["sign"], dim, np.float32)
    size, wanted, effort = model["transform"], candidates if exact else k, min(max(effort, k), len(rows))
    room = max(effort, min(wanted, IN_ORDER))
    most, hands = most_seen(effort, len(rows)), hand_size(room)
    # One allocation is cut into what the steps work in; an array that is seen as two types is two arrays.
    space = np.empty(model["space"] // 8 + LANES + hands + most + STEP_NODES + 2 * wanted, np.uint64)
    at = (space.ctypes.data + LINE - 1) // LINE * LINE
    unit, factors = array_at(at, 1, np.float32), array_at(at + 4, 2, np.float32)
    nearest, chosen = array_at(at + 16, PROBED, np.float32), array_at(at + 32, PROBED, np.int64)
    eight, eight_bits = array_at(at + LINE, LANES, np.float32), array_at(at + LINE, LANES, np.int32)
    xs = array_at(at + model["x"], TOGETHER * dim, np.float32).reshape(TOGETHER, dim)
    xs_bits = array_at(at + model["x"], TOGETHER * dim, np.int32).reshape(TOGETHER, dim)
    units, zeros = (
        array_at(at + model["units"], TOGETHER, np.float32),
        array_at(at + model["zeros"], TOGETHER, np.int64),
    )
    rotated = array_at(at + model["rotated"], dim, np.float32)
    rotated_bits = array_at(at + model["rotated"], dim, np.int32)
    moved = array_at(at + model["moved"], dim, np.float32)
    scratch = array_at(at + model["scratch"], 2 * size, np.float32).reshape(2, size)
    integers = array_at(at + model["integers"], dim, np.int16)
    low, high = array_at(at + model["low"], dim, np.uint8), array_at(at + model["high"], dim, np.int8)
    small = array_at(at + model["small"], words * WORD_BITS, np.int8)
    words_of_small = array_at(at + model["small"], words * LANES, np.uint64).reshape(1, words * LANES)
    quads, groups = model["quads"], model["groups"]
    asked = array_at(at + model["asked"], TOGETHER * quads * 4, np.int8).reshape(TOGETHER, quads * 4)
    asked_quads = array_at(at + model["asked"], TOGETHER * quads, np.int32)
    products = array_at(at + model["products"], TOGETHER * groups * LANES, np.uint64)
    dots = array_at(at + model["products"], 2 * TOGETHER * groups * LANES, np.int32).reshape(TOGETHER, -1)
    planes = array_at(at + model["planes"], ESTIMATE_BITS * words, np.uint64).reshape(1, ESTIMATE_BITS, words)
    spread = array_at(at + model["spread"], ESTIMATE_BITS * width, np.uint64)
    base, beyond = array_at(at + model["base"], lists, np.float32), array_at(at + model["beyond"], lists, np.float32)
    near = array_at(at + model["near"], 2 * STEP_NODES, np.int64)
    sums = array_at(at + model["sums"], STEP_NODES, np.int64)
    estimates = array_at(at + model["estimates"], STEP_NODES, np.float32)
    estimate_bits = array_at(at + model["estimates"], STEP_NODES, np.int32)
    at += model["space"]
    hand, pool = array_at(at, hands, np.int64), array_at(at + 8 * hands, most + STEP_NODES, np.int64)
    at += 8 * (hands + most + STEP_NODES)
    pairs, places = array_at(at, wanted, np.int64), array_at(at + 8 * wanted, wanted, np.int64)
    asked[:, dim:] = 0
    for j in range(words * WORD_BITS):
        small[j] = 0
    for w in range(ESTIMATE_BITS * width):
        spread[w] = 0
    more = np.float32(exact and len(squares) == 0)
    wrong = -1
    for q in range(len(ids)):
        turn = q % TOGETHER
        if turn == 0:
            some = min(TOGETHER, len(ids) - q)
            wrong = _begin(queries[q : q + some], mapped, xs, xs_bits, unit, units, integers, asked, zeros)
            if wrong >= 0:
                wrong += q
                break
            if some > 1:  # the centers of a thousand lists are 400 KB, which are read once for all
                dots_of_eight(pointer(table), quads, groups, pointer(asked_quads), 0, some - 1, pointer(products))
            else:
                dots_of_one(pointer(table), quads, groups, pointer(asked_quads), pointer(products))
        x, x_bits, dots_of_x, beyond_zero, own_unit = xs[turn], xs_bits[turn], dots[turn], zeros[turn], units[turn]
        for one in range(lists):
            base[one] = np.float32(np.int64(dots_of_x[one]) - beyond_zero) * own_unit * lengths[one]
        begun = _nearest_lists(base, beside, beyond, nearest, chosen)
        for at in range(begun):
            chosen[at] = entries[chosen[at]]
        for j in range(dim):
            rotated[j] = x[j]
        apply_steps(rotated, moved, scratch, first, middle, index, sign, model["steps"], np.float32(model["scale"]))
        round_query(
            rotated, rotated_bits, np.float32(model["root"]), unit, small[:dim], words_of_small, planes, factors
        )
        for plane in range(ESTIMATE_BITS):
            for w in range(words):
                spread[plane * width + w] = planes[0, plane, w]
        found = walk(
            records, floats, halves, links, chosen[:begun], spread, factors, base, effort, room, most, seen, hand, near,
            sums, estimates, estimate_bits, pool,
        )  # fmt: skip
        if model["dead"] or wanted > room:
            found = _best(pool, found, wanted, numbers)
        else:
            found = min(found, wanted)
            for at in range(found):
                pool[at] = hand[LANES + at]
        for at in range(found):
            node = node_of(pool[at])
            pairs[at], places[at] = (pool[at] >> ID_BITS) << ID_BITS | numbers[node], rows[node]
        for at in range(candidates if len(read) else 0):
            read[q * candidates + at] = places[at] if at < found else -1
        if exact:
            if len(squares):
                for j in range(dim):
                    x[j] = row_asked[q * dim + j]
            square = squares[q] if len(squares) else np.float64(0)
            compare(model, x, x_bits, unit, integers, low, high, square, eight, eight_bits, pairs, places, found)
        write_found(pairs, places, found, np.float32(0), more, eight, eight_bits, q, scores, ids)
    space[0] = 0  # what is used to the end is not freed before it
    return wrong


class GraphSearch:
    """Whole searches in a graph; see :class:`hdc.kernels.GraphSearch`."""

    def __init__(self, plan: GraphPlan) -> None:
        assert isinstance(plan.nodes, GraphNodes)
        dim, lists, n = len(plan.rotation.first), len(plan.lengths), len(plan.nodes)
        if int(plan.nodes.cells.max()) >= lists or len(plan.nodes.arrays["entries"]) != lists:
            raise FileFormatError(f"the graph is of other lists than the {lists} that there are")
        rounds, words = dim.bit_length() - 1, word_count(dim)
        centroids = Centroids(frozen(plan.directions, np.int8, lists, dim))
        beside = np.zeros(lists, np.float32)
        if plan.by_distance:
            squares = np.einsum("ld,ld->l", plan.directions, plan.directions, dtype=np.float32)
            beside -= squares * plan.lengths**2 / 2
        beside[plan.nodes.arrays["entries"] < 0] = -np.inf
        own_lengths = np.empty(0, np.float32) if plan.lengths_of_originals is None else plan.lengths_of_originals
        arrays: dict[str, AnyArray] = {
            **plan.nodes.arrays,
            "first": frozen(plan.rotation.first, np.float32, dim),
            "middle": frozen(plan.rotation.middle, np.float32, dim),
            "index": frozen(plan.rotation.index, np.int64, dim),
            "sign": frozen(plan.rotation.sign, np.float32, dim),
            "lengths": frozen(plan.lengths, np.float32, lists),
            "table": centroids.table,
            "beside": frozen(beside, np.float32, lists),
            "originals": frozen(plan.originals, np.int8, *plan.originals.shape),
            "lengths_of_originals": frozen(own_lengths, np.float32, len(own_lengths)),
            "rows": frozen(plan.rows[:n], np.int64, n),
            "ids": frozen(plan.ids[:n], np.int64, n),
        }
        numbers: dict[str, float] = {
            "dim": dim,
            "words": words,
            "lists": lists,
            "width": plan.nodes.width,
            "quads": -(-dim // 4),
            "groups": centroids.groups,
            "dead": int((plan.ids[:n] < 0).any()),
            "by_distance": int(plan.by_distance),
            "steps": plan.rotation.steps,
            "transform": 1 << rounds,
            "scale": float(np.float32(2.0 ** (-rounds / 2))),
            "root": float(np.float32(math.sqrt(dim))),
        }
        sizes = {
            "x": 4 * dim * TOGETHER,
            "units": 4 * TOGETHER,
            "zeros": 8 * TOGETHER,
            "rotated": 4 * dim,
            "moved": 4 * dim,
            "scratch": 8 << rounds,
            "integers": 2 * dim,
        }
        sizes |= {"low": dim, "high": dim, "small": words * WORD_BITS, "asked": -(-dim // 4) * 4 * TOGETHER}
        sizes |= {"products": 8 * centroids.groups * LANES * TOGETHER, "planes": 8 * ESTIMATE_BITS * words}
        sizes |= {"spread": 8 * ESTIMATE_BITS * plan.nodes.width, "base": 4 * lists, "beyond": 4 * lists}
        sizes |= {"near": 16 * STEP_NODES, "sums": 8 * STEP_NODES, "estimates": 4 * STEP_NODES}
        numbers |= laid_out(sizes, 2 * LINE)
        arrays |= dict.fromkeys(OF_A_SEARCH, NOTHING)
        self._model, self._arrays, self._nodes = record(MODEL, numbers, arrays), arrays, n
        self._address = self._model.ctypes.data
        self._unseen: list[Words] = []
        """Bits of the nodes, all 0, that no search is using: each takes one, and puts it back."""

    def search(
        self,
        queries: Floats,
        k: int,
        effort: int,
        candidates: int,
        read: Ints | None = None,
        compared: Compared | None = None,
        *,
        mapped: bool = False,
        exact: bool = True,
    ) -> tuple[Floats, Ints]:
        """Find about the k best nodes of each query; see :class:`hdc.kernels.GraphSearch`."""
        asked = np.ascontiguousarray(queries, FLOAT)
        if not asked.flags.writeable:
            asked = asked.copy()  # one compiled form
        shape = len(asked), k
        scores, ids = np.empty(shape, FLOAT), np.empty(shape, INT)
        given = {} if read is None and compared is None else _given(read, compared)
        model = with_arrays(self._model, given) if given else self._model
        address = model.ctypes.data if given else self._address
        try:
            seen = self._unseen.pop()
        except IndexError:
            seen = np.zeros(word_count(self._nodes), np.uint64)
        wrong = _search(address, asked, seen, effort, candidates, mapped, exact, scores, ids)
        self._unseen.append(seen)
        if wrong >= 0:
            raise ParameterError(f"row {wrong} of queries contains NaN or infinity; remove it first")
        return scores, ids


def _given(read: Ints | None, compared: Compared | None) -> dict[str, AnyArray]:
    """Return what a search has and others have not, by the names of :data:`OF_A_SEARCH`."""
    given: dict[str, AnyArray] = {} if read is None else {"read": read}
    if compared is not None:
        given["compared"] = np.ascontiguousarray(compared.queries, np.float32)
        given["squares"] = np.ascontiguousarray(compared.squares, np.float64)
    return given
