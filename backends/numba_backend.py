"""The compiled backend: the NumPy reference with its kernels replaced by Numba's, on all processors."""

import dataclasses

import numpy as np

from hdc.backends import numpy_backend
from hdc.backends.numba_kernels import (
    accumulate,
    bitwise,
    bundle,
    classes,
    codes,
    estimates,
    floats,
    fourier,
    gather,
    graph_links,
    graph_nodes,
    graph_search,
    int8,
    learning,
    level_rows,
    levels,
    lists,
    metric,
    nearest,
    one_query,
    orders,
    permute,
    plane_dots,
    planes,
    postings,
    prototypes,
    records,
    rounding,
    scan,
    spelling,
    streams,
    sums,
    tables,
    texts,
    tokens,
    transform,
)
from hdc.backends.numba_kernels.parallel import share, threads
from hdc.kernels import (
    BUNDLE,
    NO_ITEM,
    POSTING_GROUP,
    POSTING_LIST,
    ClassKernels,
    EstimatePart,
    EstimatePlan,
    FeatureKernels,
    GraphKernels,
    GraphPlan,
    LearnKernels,
    LevelRun,
    Links,
    ListKernels,
    PerceptronState,
    PostingKernels,
    PostingQuery,
    PostingSegment,
    Rotation,
    SearchKernels,
    TableKernels,
    TextKernels,
    TextTable,
    TokenKernels,
)

__all__ = ["BACKEND", "threads", "warmup"]


def warmup() -> None:
    """Compile every kernel, or load it from the cache on disk, by calling it on small inputs."""
    bits, dense, search = BACKEND.bits, BACKEND.dense, SEARCH
    dim = 65
    x = bits.random_words(np.zeros((16, 2), dtype=np.uint64), 2)
    x[:, 1] &= 1
    index = np.arange(dim)
    weights = np.ones(16, dtype=np.int64)
    bits.xor(x, x)
    many = np.broadcast_to(x[0], (bitwise.SMALL, 2))
    bits.or_reduce(many)
    bits.popcount(x)
    bits.hamming(x, x)
    bits.shared_ones(x, x)
    search.top_k(x[:1], x, 1)
    search.top_k(x, x, 1)
    search.search_index(2).extended(np.repeat(x, 33, axis=0)).search(x, 1)
    bits.majority(x, None, x[0], dim)
    bits.majority(x, weights, x[0], dim)
    wide = np.zeros((2, bundle.SPAN + 1), dtype=np.uint64)
    bits.majority(wide, None, wide[0], 64 * wide.shape[1])
    bits.signed_sums(x, None, dim)
    bits.signed_sums(x, weights, dim)
    bits.rotate(x, 1, dim)
    bits.gather(x[0], index, dim)
    bits.gather(x, index, dim)
    bits.pack(bits.unpack(x, dim))
    codes = np.zeros((1, 1), dtype=np.uint8)
    one = np.ones(1, dtype=np.float32)
    tables.table_top_k(np.zeros((1, 1, 256), dtype=np.float32), codes, one, one, 1)
    entries = np.zeros((1, 16), dtype=np.float32)
    tables.refine(entries, entries[:, None], np.zeros((16, 16), dtype=np.float32), codes, 1)
    runs = [LevelRun(1, bits, np.zeros(2**bits, dtype=np.uint8)) for bits in (2, 8)]
    numbers = level_rows.LevelRows(x, runs, np.ones(16, dtype=np.float32), np.ones(16, dtype=np.float32))
    asked = np.ones((5, 40), np.int8), np.zeros((5, 2), np.uint8), np.ones((5, 2), np.float32)
    numbers.search(*asked, index[:16], 1)
    search.code_top_k(x[:, None], x[:, None], dim, np.ones(16, dtype=np.float32), 1)
    search.top_k_lists(x, x, index[:16], index[:17], index[:16, None], 1)
    search.plane_sums(x, x[:, None])
    search.gather_dots(np.ones((1, 8), dtype=np.int16), np.ones((1, 8), dtype=np.int8), index[:1, None])
    search.gather_planes(np.ones((1, dim), dtype=np.int16), x, index[:1, None], 1)
    few, floats = np.ones((1, dim), dtype=np.int8), np.ones(16, dtype=np.float32)
    search.rounded(floats[None], 127)
    search.units(floats[None])
    places = nearest.Centroids(few).nearest(few, 1)[1]
    rows = estimates.CodeLists(x, floats, floats, np.array([0, 16]))
    rows.search(few, floats[:2, None].T, places, floats[:1, None], index[:16], 1)
    signs, both = np.ones(dim, dtype=np.int8), np.ones((2, dim), dtype=np.int8)
    lists_of_two = nearest.Centroids(both), floats[:2], (np.ones(dim, dtype=np.int16), 1.0)
    part = EstimatePart(estimates.CodeLists(x, floats, floats, np.array([0, 8, 16])), index[:16], index[:16])
    plan = EstimatePlan(Rotation(signs, signs, index, signs, 1), *lists_of_two, [part], both.repeat(8, axis=0))
    one_query.EstimateSearch(plan).search(np.ones((1, dim), dtype=np.float32), 1, 1, 1)
    _warm_graphs()
    for width in (np.int8, np.int16, np.int32, np.int64):
        dense.sign_product(signs, signs.astype(width))
    dense.byte_dots(few, few)
    dense.byte_sums(few)
    moves = bits.signed_orders(x[:2], 8)
    dense.signed_products(moves, index[:1], index[:1])
    for dtype in (np.float32, np.float64):
        y = np.ones((2, 8), dtype=dtype)
        ones = np.ones(8, dtype=np.int8)
        dense.signed_gather(y, index[:8], ones)
        dense.signed_gathers(y, moves, index[:2], index[:2])
        dense.row_sums(y)
        transform.hadamard(y, ones, ones, index[:8], ones, 1)
        dense.csr_matmul(np.ones(1, dtype=dtype), np.zeros(1, dtype=np.int64), np.array([0, 1]), y)
    classes.best(x, x[:, None], index[:16], index[:16, None].T, index[2:3], np.empty((0, 16, 16), np.int64), dim)
    _warm_levels()
    _warm_postings()
    bounds, both_ends = np.array([0, 16]), np.array([[0, 16]])
    for chosen in (None, index[:1, None]):
        tokens.chamfer(x, index[:16], bounds, x, both_ends, chosen)
        looked_up = np.zeros((16, 1, 256), dtype=np.float32), floats, bounds, np.zeros((16, 1), dtype=np.uint8)
        tokens.max_sim(*looked_up, floats, floats, both_ends, chosen)
    state = PerceptronState(few.astype(np.float32), few.astype(np.float32), np.ones(1), np.zeros(2), 0)
    learning.dots(few.astype(np.float32), few.astype(np.float32))
    learning.perceptron(few.astype(np.float32), index[:1], floats[:1], state, BUNDLE, 1.0, 0.0)
    prototypes.attract(few.astype(np.float32), index[:1], floats[:1], few.astype(np.float32), index[:1], 1.0, 1.0)
    for most in (1, 200):
        records.record_sums(x, x, np.full((1, 16), 7), most, dim)
    records.record_majority(x, x, np.full((1, 16), 7), x[0], dim)
    fourier.phase_signs(np.zeros((1, dim)), 4)
    fourier.fourier_signs(np.ones((1, 5)), np.ones((2, 5, 64)), np.ones((1, dim)), 4)
    room = TextTable(np.full(4, -1), np.zeros((2, 4), np.int64), np.zeros(2, np.uint8), np.array([1, 0, 0]))
    texts.walk_texts(np.frombuffer(b"1", np.uint8), np.array([0, 1]), 0, 0, 0, 0, room)


def _warm_levels() -> None:
    """Bundle bytes by every method, and longer integers by both of theirs."""
    for dtype, count in ((np.uint8, 2), (np.uint8, 400), (np.int16, 300)):
        x, tie, ones = np.zeros((3, 2), dtype), np.zeros(2, np.int64), np.ones(3, np.int64)
        BACKEND.levels.moved(x, x, 1, 200)
        BACKEND.levels.counts(x, None, 3)
        BACKEND.levels.sums(x, None, np.ones((1, 2), np.int64))
        for weights in (None, ones):
            BACKEND.levels.plurality(x, weights, tie, count)
        BACKEND.levels.equal(x, x)
    table, turns = np.ones((2, 4), np.int64), np.ones((2, 4))
    for weights in (None, np.ones(3, np.int64)):
        BACKEND.levels.phases(np.zeros((3, 2), np.uint8), weights, tie, table, turns)
    BACKEND.levels.differences(np.zeros((1, 2), np.uint8), np.zeros((1, 2), np.uint8), np.ones(4, np.int32))


def _warm_graphs() -> None:
    index, floats, both = np.arange(4), np.ones(4, dtype=np.float32), np.ones((2, 65), dtype=np.int8)
    linked = graph_links.Linked(both.repeat(2, axis=0), index, None)
    links = linked.both_ways(Links(2 * np.arange(5), np.tile(np.arange(2, dtype=np.uint32), 4)), 2, 1.0)
    links = graph_links.connected(links, index[:1])
    nodes = graph_nodes.GraphNodes(np.ones((4, 2), np.uint64), floats, floats, index // 2, links, index[:2])
    rotation = Rotation(both[0], both[0], np.arange(65), both[0], 1)
    plan = GraphPlan(rotation, both, floats[:2], nodes, index, index, both.repeat(2, axis=0))
    graph_search.GraphSearch(plan).search(np.ones((1, 65), dtype=np.float32), 1, 1, 1)


def _warm_postings() -> None:
    """Search one document of one item; arrays of segments are read-only, those of queries are not."""
    marks, none, whole = np.zeros(1, np.uint32), np.full(1, NO_ITEM, np.uint32), np.array([0, 1])
    floats, hashes = np.zeros(1), np.ones(1, np.uint64)
    items = whole, marks, none, marks
    segment = PostingSegment(marks, *items, marks, floats, floats, marks, floats, hashes, hashes, whole, hashes, whole)
    lists = np.array([(0, 1, 1, 0, 1, 1.0, 0.0, 0.0, 0.0, (1.0, 0.5, 0.25))], POSTING_LIST)
    groups = np.array([(1, 1, 0, 0), (1, 0, 0, 0)], POSTING_GROUP)
    query = PostingQuery(lists, groups, marks[:0], np.zeros(1, np.int64), 8, False, 1.0, 1.0, 1.0)
    postings.Postings([segment], np.empty(0, np.int64)).best(query, 1, np.empty(0, np.bool_))
    spelling.near_words(np.arange(4, dtype=np.uint32), np.array([0, 2]), np.array([1, 0], dtype=np.uint32), 2)


SEARCH = SearchKernels(
    top_k=scan.top_k,
    search_index=planes.PlaneIndex,
    top_k_lists=lists.top_k_lists,
    plane_sums=sums.plane_sums,
    code_dots=codes.code_dots,
    code_top_k=codes.code_top_k,
    gather_dots=gather.gather_dots,
    gather_planes=plane_dots.gather_planes,
    rounded=rounding.rounded,
    units=rounding.units,
    hamming_pointer=metric.hamming_pointer,
)

BACKEND = dataclasses.replace(
    numpy_backend.BACKEND,
    name="numba",
    bits=dataclasses.replace(
        numpy_backend.BACKEND.bits,
        random_words=streams.random_words,
        signed_orders=orders.signed_orders,
        xor=bitwise.xor,
        or_reduce=bitwise.or_reduce,
        popcount=scan.popcount,
        hamming=scan.hamming,
        shared_ones=scan.shared_ones,
        majority=bundle.majority,
        signed_sums=bundle.signed_sums,
        rotate=permute.rotate,
        gather=permute.gather,
        pack=bitwise.pack,
        unpack=bitwise.unpack,
    ),
    dense=dataclasses.replace(
        numpy_backend.BACKEND.dense,
        signed_gather=transform.signed_gather,
        signed_gathers=orders.signed_gathers,
        signed_products=orders.signed_products,
        hadamard=transform.hadamard,
        csr_matmul=accumulate.csr_matmul,
        sign_product=int8.sign_product,
        byte_dots=int8.byte_dots,
        byte_sums=int8.byte_sums,
        convolve=floats.convolve,
        row_sums=floats.row_sums,
    ),
    levels=dataclasses.replace(
        numpy_backend.BACKEND.levels,
        moved=levels.moved,
        sums=levels.sums,
        counts=levels.counts,
        plurality=levels.plurality,
        phases=levels.phases,
        equal=levels.equal,
        differences=levels.differences,
    ),
    threads=threads,
    share=share,
    warmup=warmup,
    search=SEARCH,
    tables=TableKernels(top_k=tables.table_top_k, refine=tables.refine, level_rows=level_rows.LevelRows),
    lists=ListKernels(
        nearest.Centroids,
        estimates.CodeLists,
        one_query.EstimateSearch,
        estimates.CodeLists.restored,
        estimates.CodeLists.LAYOUT,
    ),
    graphs=GraphKernels(
        graph_links.Linked,
        graph_links.connected,
        graph_nodes.GraphNodes,
        graph_search.GraphSearch,
        graph_nodes.GraphNodes.restored,
        graph_nodes.GraphNodes.LAYOUT,
    ),
    postings=PostingKernels(postings.Postings, spelling.near_words),
    texts=TextKernels(texts.walk_texts),
    learn=LearnKernels(learning.dots, learning.perceptron, prototypes.attract),
    features=FeatureKernels(records.record_majority, records.record_sums, fourier.phase_signs, fourier.fourier_signs),
    classes=ClassKernels(classes.best),
    tokens=TokenKernels(tokens.chamfer, tokens.max_sim),
)
