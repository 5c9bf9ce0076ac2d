"""Graphs over RaBitQ codes: kernels against lists that are searched whole and naive walks, and indexes of the kind."""

import math
import shutil
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hdc
from hdc import errors
from hdc.apps.cli import main
from hdc.apps.retrieval import (
    EmbeddingIndex,
    GraphOptions,
    IVFOptions,
    RaBitQBinarizer,
    ShardedIndex,
    SignBinarizer,
    split,
)
from hdc.backends.numba_kernels.graph_search import IN_ORDER, PROBED
from hdc.backends.numba_kernels.walk import WANTED, most_seen
from hdc.kernels import MOST_LINKS, Compared, GraphPlan, Links
from hdc.search import graph, graph_build
from tests import naive
from tests.bridge import backend_of
from tests.test_one_query import Model, model_of

NUMPY, NUMBA = backend_of("numpy"), backend_of("numba")
GRAPHS = NUMBA.graphs
DIMS = (1, 63, 64, 65, 384, 1000)


def links_of(lists):
    starts = np.concatenate([[0], np.cumsum([len(own) for own in lists], dtype=np.int64)])
    return Links(starts, np.array([node for own in lists for node in own], dtype=np.uint32))


def lists_of(links):
    return [links.nodes[a:b].tolist() for a, b in zip(links.starts[:-1], links.starts[1:], strict=True)]


def random_links(rng, n, entries, most=6):
    """Draw a few links for each node, none of them its own, and connect them."""
    lists = [sorted({*rng.integers(0, n, rng.integers(0, most)).tolist()} - {node}) for node in range(n)]
    return GRAPHS.connected(links_of(lists), entries[entries >= 0])


def entries_of(rng, sizes):
    """Draw a node of each list, -1 where there is none."""
    starts = np.cumsum([0, *sizes])
    return np.array([start + rng.integers(size) if size else -1 for start, size in zip(starts, sizes, strict=False)])


def plan_of(model, links, entries):
    """Return the plan of the only part of a model, with a graph."""
    part = model.parts[0]
    cells = np.repeat(np.arange(len(model.lengths)), np.diff(part.starts))
    nodes = GRAPHS.nodes(part.signs, part.scale, part.offset, cells, links, entries)
    own = model.rotation, model.directions, model.lengths, nodes, part.rows, part.ids, model.originals
    return GraphPlan(*own, model.own_lengths, model.by_distance)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(DIMS), st.integers(0, 2**32), st.booleans(), st.sampled_from(["cosine", "ip", "l2"]))
def test_a_walk_that_sees_all_finds_what_all_lists_hold(dim, seed, ties, metric):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(0, 30, rng.integers(2, PROBED + 1)).tolist()
    n = sum(sizes)
    if n == 0:
        return
    model = model_of(rng, dim, [sizes], ties=ties)
    queries = rng.standard_normal((3, dim)).astype(np.float32)
    compared = None
    if metric != "cosine":
        lengths = rng.uniform(0, 2, n).astype(np.float32)
        model = Model(**{**vars(model), "own_lengths": lengths, "by_distance": metric == "l2"})
        compared = Compared(queries, (queries.astype(np.float64) ** 2).sum(axis=1))
    entries = entries_of(rng, sizes)
    walked = GRAPHS.graph_search(plan_of(model, random_links(rng, n, entries), entries))
    listed = NUMPY.lists.estimate_search(model.plan(NUMPY.lists))
    k, candidates = int(rng.integers(1, n + 3)), n + 3
    reads = np.full((2, 3, candidates), -9)
    found = walked.search(queries, k, n, candidates, reads[0], compared)
    expected = listed.search(queries, k, len(sizes), candidates, None, reads[1], compared)
    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(np.sort(reads[0]), np.sort(reads[1]))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 400), st.integers(1, 30))
def test_walks_go_where_the_oracle_goes(seed, n, effort):
    rng = np.random.default_rng(seed)
    sizes = [n // 2, n - n // 2]
    model, entries = model_of(rng, 65, [sizes], dead=0), entries_of(rng, sizes)
    links = random_links(rng, n, entries)
    search = GRAPHS.graph_search(plan_of(model, links, entries)).search
    query = rng.standard_normal((1, 65)).astype(np.float32)
    # With an effort of all, everything is estimated: that tells the estimates.
    scores, ids = search(query, n, n, n, exact=False)
    of_id = dict(zip(ids[0].tolist(), scores[0].tolist(), strict=True))
    estimates = [of_id[i] for i in model.parts[0].ids.tolist()]
    seen = naive.walk(estimates, lists_of(links), entries[entries >= 0].tolist(), effort, WANTED, most_seen(effort, n))
    k = min(effort, len(seen))
    expected = sorted((-estimates[node], model.parts[0].ids[node]) for node in seen)[:k]
    scores, ids = search(query, k, effort, k, exact=False)
    assert ids[0].tolist() == [i for _, i in expected]
    assert scores[0].tolist() == [-minus for minus, _ in expected]
    for candidates in (
        effort + 3,
        IN_ORDER + effort,
    ):  # in order at the end of the walk, and chosen from all it has seen
        read = np.full((1, candidates), -9)
        search(query, 1, effort, candidates, read)
        best = sorted((-estimates[node], node) for node in seen)[:candidates]
        compared = [model.parts[0].rows[node] for _, node in best]
        assert sorted(read[0].tolist()) == sorted(compared + [-1] * (candidates - len(best)))


def test_a_walk_that_sees_too_much_ends():
    n, k = 9000, 3
    rng = np.random.default_rng(0)
    model = model_of(rng, 64, [[n // 2, n - n // 2]], dead=0)
    model.parts[0].ids[:] = -1
    model.parts[0].ids[-k:] = np.arange(k)  # the last ones are reached only by a walk without end
    links = links_of([[(node + at + 1) % n for at in range(200)] for node in range(n)])
    search = GRAPHS.graph_search(plan_of(model, links, np.array([0, -1]))).search
    query = rng.standard_normal((1, 64)).astype(np.float32)
    assert search(query, k, k, k)[1].tolist() == [[-1] * k]
    assert np.sort(search(query, k, n, k)[1]).tolist() == [[*range(k)]]


def test_queries_without_numbers_are_named():
    rng = np.random.default_rng(1)
    model = model_of(rng, 10, [[3, 4]])
    entries = np.array([0, 5])
    search = GRAPHS.graph_search(plan_of(model, random_links(rng, 7, entries), entries)).search
    queries = np.ones((3, 10), dtype=np.float32)
    queries[1, 4] = np.nan
    with pytest.raises(errors.ParameterError, match="row 1 of queries"):
        search(queries, 1, 5, 1)


@pytest.mark.parametrize("count", [0, 7, 8, 9, 17])
def test_a_batch_finds_what_its_queries_find_alone(count):
    rng = np.random.default_rng(count)
    sizes = [40, 60, 3]
    model, entries = model_of(rng, 65, [sizes], dead=5), entries_of(rng, sizes)
    search = GRAPHS.graph_search(plan_of(model, random_links(rng, 103, entries), entries)).search
    queries = rng.standard_normal((count, 65)).astype(np.float32)
    scores, ids = search(queries, 5, 9, 12)
    assert scores.shape == ids.shape == (count, 5)
    for q in range(count):
        alone = search(queries[q : q + 1], 5, 9, 12)
        np.testing.assert_array_equal(ids[q], alone[1][0])
        np.testing.assert_array_equal(scores[q], alone[0][0])
    if count:
        queries[-1, 3] = np.inf
        with pytest.raises(errors.ParameterError, match=f"row {count - 1} of queries"):
            search(queries, 5, 9, 12)


# ---------------------------------------------------------------------- links


def squares_of(items, rows, lengths):
    x = items[rows].astype(np.float64)
    norms = np.linalg.norm(x, axis=1)
    x *= (np.where(norms > 0, 1 / np.where(norms > 0, norms, 1), 0) * (1 if lengths is None else lengths[rows]))[
        :, None
    ]
    return ((x[:, None] - x[None]) ** 2).sum(axis=2)


@pytest.mark.parametrize("dim", [1, 63, 64, 65, 130])
@pytest.mark.parametrize("with_lengths", [False, True])
def test_links_are_those_of_the_oracle(dim, with_lengths):
    rng = np.random.default_rng(dim)
    n = 40
    items = rng.integers(-127, 128, (n + 5, dim)).astype(np.int8)
    items[items == 0] = 1
    rows = rng.permutation(n + 5)[:n]
    items[rows[7]] = items[rows[8]]
    lengths = rng.uniform(0.5, 2, n + 5).astype(np.float32) if with_lengths else None
    linked, squares = GRAPHS.linked(items, rows, lengths), squares_of(items, rows, lengths)
    squares[squares < 1e-7] = 0
    candidates = [rng.permutation(n)[: rng.integers(0, 20)].tolist() for _ in range(n)]

    def expected(node, own):
        return naive.chosen_links(lambda a, b: squares[node if a is None else a, b], {*own} - {node}, 5, 1.2)

    links = linked.chosen(links_of(candidates), 5, 1.2)
    if dim > 1:  # where all distances are equal, the last bit decides
        assert lists_of(links) == [expected(node, own) for node, own in enumerate(candidates)]
        own = lists_of(links)
        both = [[*own[node], *(other for other in range(n) if node in own[other])] for node in range(n)]
        assert lists_of(linked.both_ways(links, 5, 1.2)) == [expected(node, own) for node, own in enumerate(both)]
        deep = [[*mine, *(other for link in mine for other in own[link])] for mine in own]
        assert lists_of(linked.chosen(links, 5, 1.2, 2)) == [expected(node, own) for node, own in enumerate(deep)]
    assert all(len(own) <= 5 and node not in own for node, own in enumerate(lists_of(links)))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 700), st.integers(0, 2**32))
def test_all_nodes_are_reached(n, seed):
    rng = np.random.default_rng(seed)
    lists = [sorted({*rng.integers(0, n, rng.integers(0, 2)).tolist()} - {node}) for node in range(n)]
    entries = np.unique(rng.integers(0, n, 2))
    links = GRAPHS.connected(links_of(lists), entries)
    found, edge = {*entries.tolist()}, [*entries.tolist()]
    while edge:
        new = {*(other for node in edge for other in lists_of_node(links, node))} - found
        found |= new
        edge = [*new]
    assert len(found) == n
    assert np.diff(links.starts).max() <= MOST_LINKS
    assert all({*own} <= {*lists_of_node(links, node)} for node, own in enumerate(lists))


def lists_of_node(links, node):
    return links.nodes[links.starts[node] : links.starts[node + 1]].tolist()


def test_links_do_not_depend_on_threads(monkeypatch):
    monkeypatch.setattr("hdc.backends.numba_kernels.parallel.GRAIN", 1.0)
    rng = np.random.default_rng(3)
    items = rng.integers(-127, 128, (900, 40)).astype(np.int8)
    vectors = graph_build.NodeVectors(items, np.arange(900), None)
    near = links_of([rng.permutation(900)[:40].tolist() for _ in range(900)])
    before, made, cells = hdc.threads(), [], np.repeat(np.arange(9), 100)
    for threads in (1, 2, 3):
        hdc.threads(threads)
        links, entries = graph_build.build_links(GRAPHS, vectors, near, cells, 10)
        made.append((links.starts.tolist(), links.nodes.tolist(), entries.tolist()))
    hdc.threads(before)
    assert made[0] == made[1] == made[2]


def test_arrays_that_do_not_belong_together_are_refused():
    rng = np.random.default_rng(5)
    model, entries = model_of(rng, 70, [[30, 20]]), np.array([4, 33])
    nodes = plan_of(model, random_links(rng, 50, entries), entries).nodes
    whole = {name: np.array(array) for name, array in nodes.arrays.items()}
    assert {name: array.tolist() for name, array in GRAPHS.restored(whole).arrays.items()} == {
        name: array.tolist() for name, array in whole.items()
    }
    far, begun = whole["links"].copy(), whole["records"].copy()
    far[1] = 50
    begun.view(np.uint32)[-1] += 1
    changes = [
        {"links": far},
        {"links": whole["links"][:-1]},
        {"records": begun},
        {"records": whole["records"][:-8]},
        {"records": whole["records"].astype(np.int64)},
        {"entries": np.array([50])},
        {"entries": np.array([-1])},
        {"entries": np.array([-2, 3])},
        {"entries": np.empty(0, np.int64)},
        {"count": np.array([0])},
        {"count": np.array([51])},
    ]
    for change in changes:
        with pytest.raises(errors.FileFormatError):
            GRAPHS.restored(whole | change)
    with pytest.raises(errors.FileFormatError):
        GRAPHS.restored({})
    plan = plan_of(model, random_links(rng, 50, entries), np.array([4, 33, -1]))
    with pytest.raises(errors.FileFormatError, match="other lists"):
        GRAPHS.graph_search(plan)


# ---------------------------------------------------------------------- indexes

D, N = 48, 3000


@cache
def vectors(metric, n=N, seed=0):
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(77).standard_normal((60, D))
    x = centers[rng.integers(0, 60, n)] + 0.6 * rng.standard_normal((n, D))
    if metric != "cosine":
        x *= rng.uniform(0.7, 1.4, (n, 1))
    return (x + (metric == "l2")).astype(np.float32)


@cache
def model(metric="cosine", lists=12):
    return RaBitQBinarizer(lists, metric=metric).fit(vectors(metric))


def made(metric="cosine", path=None):
    index = EmbeddingIndex.create(path, model(metric), kind="graph", keep="int8")
    index.add(vectors(metric))
    return index


@cache
def ready(metric="cosine"):
    return made(metric)


def truth(metric, k=10, rows=None, queries=None):
    x = vectors(metric).astype(np.float64) if rows is None else rows.astype(np.float64)
    q = vectors(metric, 60, 1) if queries is None else queries
    return naive_order(x, q.astype(np.float64), metric)[:, :k]


def naive_order(x, q, metric):
    products = q @ x.T
    if metric == "cosine":
        products /= np.linalg.norm(x, axis=1)
    if metric == "l2":
        products = 2 * products - (x**2).sum(axis=1)
    return np.argsort(-products, axis=1, kind="stable")


def shared(found, expected):
    return np.mean([len({*a} & {*b}) / len(b) for a, b in zip(found.tolist(), expected.tolist(), strict=True)])


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_near_vectors_are_found(metric):
    index, queries = ready(metric), vectors(metric, 60, 1)
    assert (index.kind, index.prepare()) == ("graph", None)
    assert index.pipeline.engine.prepared().walks is not None
    scores, ids = index.search(queries, 10)
    assert shared(ids, truth(metric)) > 0.95
    assert (np.diff(scores) <= 0).all()
    low = shared(index.search(queries, 10, effort=1, candidates=10)[1], truth(metric))
    assert low < shared(ids, truth(metric))
    alone = [index.search(queries[at : at + 1], 10) for at in range(60)]
    np.testing.assert_array_equal(np.concatenate([one[0] for one in alone]), scores)
    np.testing.assert_array_equal(np.concatenate([one[1] for one in alone]), ids)
    np.testing.assert_array_equal(index.search(np.tile(queries, (3, 1)), 10)[1][60:120], ids)  # more than a few


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_late_and_removed_rows(metric):
    index, queries = made(metric), vectors(metric, 60, 1)
    index.prepare()
    first = index.pipeline.engine.prepared()
    late = index.add(vectors(metric, 200, 2))
    gone = np.unique(index.search(queries, 3)[1])[:100]
    index.remove(ids=gone)
    prepared = index.pipeline.engine.prepared()
    assert prepared.nodes is first.nodes
    assert prepared.tail is not None
    every = np.concatenate([vectors(metric), vectors(metric, 200, 2)])
    left = np.setdiff1d(np.arange(len(every)), gone)
    for asked in (queries, queries[:2]):
        ids = index.search(asked, 10)[1]
        assert not np.isin(ids, gone).any()
        assert np.isin(ids, late).any() or len(asked) < 60
        assert shared(ids, left[truth(metric, rows=every[left], queries=asked)]) > 0.93
    index.compact()
    assert index.pipeline.engine.prepared().tail is None
    assert shared(index.search(queries, 10)[1], left[truth(metric, rows=every[left], queries=queries)]) > 0.93


def test_many_late_rows_are_linked():
    index = made()
    index.prepare()
    first = index.pipeline.engine.prepared()
    index.add(vectors("cosine", 600, 2))
    assert index.pipeline.engine.prepared().nodes is not first.nodes
    assert len(index.pipeline.engine.prepared().nodes) == N + 600


def test_some_rows_are_allowed():
    index, queries = ready(), vectors("cosine", 60, 1)
    few = np.arange(0, N, 7)
    expected = few[naive_order(vectors("cosine")[few].astype(np.float64), queries.astype(np.float64), "cosine")]
    ids = index.search(queries, 5, among=few, candidates=400)[1]
    assert np.isin(ids, few).all()
    assert shared(ids, expected[:, :5]) > 0.99


def test_many_allowed_rows_are_found_in_lists(monkeypatch):
    monkeypatch.setattr("hdc.search.partition.FEW_ROWS", 10)
    monkeypatch.setattr("hdc.search.engine.FEW_ROWS", 10)
    index, queries = ready(), vectors("cosine", 60, 1)
    few = np.arange(0, N, 3)
    for asked in (queries, queries[:2], np.tile(queries, (2, 1))):
        ids = index.search(asked, 5, among=few)[1]
        expected = few[naive_order(vectors("cosine")[few].astype(np.float64), asked.astype(np.float64), "cosine")]
        assert np.isin(ids, few).all()
        assert shared(ids, expected[:, :5]) > 0.97


def test_all_rows_can_be_asked_for():
    index = ready()
    ids = index.search(vectors("cosine", 3, 1), N + 50, effort=1)[1]
    assert np.array_equal(np.sort(ids), np.tile(np.arange(N), (3, 1)))


def test_copies_of_a_vector_are_all_found():
    x = np.concatenate([vectors("cosine", 1200), np.tile(vectors("cosine", 1, 9), (900, 1))])
    index = EmbeddingIndex.create(None, model(), kind="graph", keep="int8")
    index.add(x)
    ids = index.search(vectors("cosine", 1, 9), 900, effort=900)[1]
    assert np.array_equal(np.sort(ids[0]), np.arange(1200, 2100))


def test_few_rows_and_none():
    index = EmbeddingIndex.create(None, model(), kind="graph", keep="int8")
    assert index.search(vectors("cosine", 2, 1), 3)[1].shape == (2, 0)
    index.add(vectors("cosine")[:50])
    assert index.pipeline.engine.prepared().nodes is None
    expected = truth("cosine", 50, rows=vectors("cosine")[:50])
    for queries in (vectors("cosine", 60, 1), vectors("cosine", 60, 1)[:1]):
        ids = index.search(queries, 50)[1]
        assert shared(ids[:, :10], expected[: len(queries), :10]) > 0.99
        assert np.array_equal(np.sort(ids), np.tile(np.arange(50), (len(queries), 1)))


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_graphs_are_kept_in_files(tmp_path, monkeypatch, metric):
    with made(metric, tmp_path / "index") as index:
        expected = index.search(vectors(metric, 60, 1), 10)
    file = tmp_path / "index" / "codes" / "lists.graph-1"
    assert file.exists()
    shutil.copytree(tmp_path / "index", tmp_path / "damaged")
    with EmbeddingIndex.open(tmp_path / "index") as index, monkeypatch.context() as patch:
        patch.setattr(graph, "build_links", None)
        found = index.search(vectors(metric, 60, 1), 10)
        index.verify()
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    with EmbeddingIndex.open(tmp_path / "index", writable=True) as index:
        late = index.add(vectors(metric, 30, 4))
    with EmbeddingIndex.open(tmp_path / "index") as index, monkeypatch.context() as patch:
        patch.setattr(graph, "build_links", None)
        assert index.search(vectors(metric, 30, 4), 1)[1].ravel().tolist() == late.tolist()
    damaged = tmp_path / "damaged" / "codes" / file.name
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(bytes(content))
    with EmbeddingIndex.open(tmp_path / "damaged") as index:
        with pytest.raises(errors.FileFormatError):
            index.verify()
        np.testing.assert_array_equal(index.search(vectors(metric, 60, 1), 10)[1], expected[1])


def test_what_is_no_graph_is_refused():
    x = vectors("cosine")
    for own, keep, text in (
        (SignBinarizer(64).fit(x), "int8", "RaBitQBinarizer"),
        (RaBitQBinarizer(1).fit(x), "int8", "lists"),
        (model(), None, "keep='int8'"),
        (model(), "float32", "keep='int8'"),
        (RaBitQBinarizer(12, backend="numpy").fit(x), "int8", "numba"),
    ):
        with pytest.raises(errors.UnsupportedError, match=text):
            EmbeddingIndex.create(None, own, kind="graph", keep=keep)
    index = ready()
    for wrong in ({"probes": 3}, {"options": IVFOptions()}, {"effort": 0}, {"options": GraphOptions(), "effort": 3}):
        with pytest.raises(errors.ParameterError):
            index.search(x[:1], 3, **wrong)
    assert index.search(x[:1], 3, options=GraphOptions(effort=30, candidates=40))[1].shape == (1, 3)


def test_threads_find_the_same():
    index, queries = ready(), vectors("cosine", 60, 1)
    expected = index.search(queries, 10)[1]
    with ThreadPoolExecutor(4) as pool:
        for ids in pool.map(lambda _: index.search(queries, 10)[1], range(12)):
            np.testing.assert_array_equal(ids, expected)


@pytest.mark.parametrize("dim", [2, 63, 64, 65, 1000])
def test_dimensions(dim):
    x = np.random.default_rng(dim).standard_normal((1100, dim)).astype(np.float32)
    index = EmbeddingIndex.create(None, RaBitQBinarizer(4).fit(x), kind="graph", keep="int8")
    index.add(x)
    found = index.search(x[:40], 1, effort=200, candidates=1000)[1].ravel()
    assert (found == np.arange(40)).mean() > (0.5 if dim == 2 else 0.95)
    assert math.isfinite(index.search(x[:1], 1)[0][0, 0])


def test_graphs_of_shards_are_searched_together(tmp_path):
    queries = vectors("cosine", 60, 1)
    with made(path=tmp_path / "index") as index:
        expected = index.search(queries, 10)[1]
    split(tmp_path / "index", 2, tmp_path / "shards")
    with ShardedIndex.open(tmp_path / "shards") as shards:
        assert shards.kind == "graph"
        assert shared(shards.search(queries, 10)[1], expected) > 0.97
        assert shared(shards.search(queries[:2], 10, effort=200)[1], expected[:2]) > 0.97


def test_the_command_builds_and_walks(tmp_path, capsys):
    np.save(tmp_path / "v.npy", vectors("cosine"))
    model().save(tmp_path / "model")
    made_of = ("index", tmp_path / "v.npy", "--model", tmp_path / "model", "-o", tmp_path / "index")
    for words in (
        (*made_of, "--kind", "graph", "--keep", "int8"),
        ("search", tmp_path / "index", tmp_path / "v.npy", "-k", "1", "--effort", "80"),
    ):
        assert main(["embed", *map(str, words)]) == 0
    assert "0" in capsys.readouterr().out
    assert (tmp_path / "index" / "codes" / "lists.graph-1").exists()


def test_more_effort_than_there_are_rows_is_all_of_them():
    index, queries = ready(), vectors("cosine", 60, 1)
    ids = index.search(queries[:3], 10, effort=10**15, candidates=10**15)[1]
    assert shared(ids, truth("cosine")[:3]) > 0.95  # int8 swaps neighbors now and then
