"""Shards: searched, merged and split, they are the index that has all their rows."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc import errors
from hdc.apps.retrieval import (
    EmbeddingIndex,
    RaBitQBinarizer,
    RecurrentBinarizer,
    ScalarBinarizer,
    ShardedIndex,
    SignBinarizer,
)
from hdc.apps.retrieval import merge as merged
from hdc.apps.retrieval import split as cut
from hdc.apps.retrieval.index import shards
from hdc.apps.retrieval.index.reshaping import without
from hdc.search import engine, partition, reshaping
from hdc.search import shards as search_shards

DIM, ROWS = 16, 240
EVERY = 10**6


@cache
def vectors(seed=0, n=ROWS):
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(99).standard_normal((9, DIM)) + 0.2
    x = centers[rng.integers(0, 9, n)] + 0.4 * rng.standard_normal((n, DIM))
    x[n // 2] = x[n // 3]  # a tie, of rows that are in different shards
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


MODELS = {
    "sign": lambda: SignBinarizer(64),
    "tables": lambda: RecurrentBinarizer(64, rounds=2, seed=0),
    "levels": lambda: RecurrentBinarizer(64, loops=1, rounds=0, seed=0),
    "one list": lambda: RaBitQBinarizer(1),
    "lists": lambda: RaBitQBinarizer(6),
    "planes": lambda: RaBitQBinarizer(6, component_bits=4),
}
model = cache(lambda name: MODELS[name]().fit(vectors(1)))
CASES = {
    "sign": ("sign", None, None, {}),
    "sign int8": ("sign", "int8", None, {"candidates": 20}),
    "sign float32": ("sign", "float32", None, {"candidates": 13}),
    "sign ivf": ("sign", None, "ivf", {"probes": 3}),
    "sign ivf int8": ("sign", "int8", "ivf", {"probes": 3, "candidates": 20}),
    "tables": ("tables", None, None, {}),
    "tables float16": ("tables", "float16", None, {"candidates": 20}),
    "levels": ("levels", None, None, {}),
    "one list": ("one list", None, None, {}),
    "one list int8": ("one list", "int8", None, {"candidates": 20}),
    "lists": ("lists", None, None, {"probes": 2}),
    "lists int8": ("lists", "int8", None, {"probes": 2, "candidates": 20}),
    "lists float16": ("lists", "float16", None, {"probes": 2, "candidates": 20}),
}


@pytest.fixture(params=list(CASES))
def case(request):
    return CASES[request.param]


def filled(path, case, rows=ROWS, first=0):
    name, keep, kind, _ = case
    index = EmbeddingIndex.create(path, model(name), kind=kind, keep=keep)
    if kind == "ivf":
        index.train(vectors(1), 6)
    index.add(vectors()[first : first + rows], [f"k{i}" if i % 3 else None for i in range(first, first + rows)])
    return index


def same(found, expected, keep=None):
    """Check that two searches found the same; products of floats are rounded otherwise in batches of other shapes."""
    if keep in ("float16", "float32", "tables"):
        np.testing.assert_allclose(found[0], expected[0], atol=1e-6)
        finite = np.where(np.isfinite(expected[0]), expected[0], -8.0)
        scores = np.pad(finite, ((0, 0), (1, 1)), constant_values=(9, -9))
        apart = (np.diff(scores[:, :-1]) < -1e-5) & (np.diff(scores[:, 1:]) < -1e-5)
        np.testing.assert_array_equal(found[1][apart], expected[1][apart])
        return
    for mine, theirs in zip(found, expected, strict=True):
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.slow), 5])
def test_shards_find_what_one_index_finds(case, n, tmp_path, monkeypatch):
    options, keep = case[3], case[1] or case[0]
    with filled(tmp_path / "i", case) as index:
        index.remove(ids=[0, 7, 100, ROWS - 1])
        index.update([33], vectors(4)[:1])
        paths = cut(tmp_path / "i", n, tmp_path / "s")
        assert paths == [tmp_path / "s" / f"shard-{at}" for at in range(n)]
        queries, live = vectors(2)[:30], index.ids()
        for at_once in (1 << 22, 0):  # one after another, and in threads
            monkeypatch.setattr(shards, "ALONE", at_once)
            monkeypatch.setattr(shards, "threads", lambda: 3)
            with ShardedIndex.open(paths) as many:
                assert (len(many), many.kind) == (len(index), index.kind)
                for k in (1, 9, 500):
                    same(many.search(queries, k, **options), index.search(queries, k, **options), keep)
                    same(many.search(queries[:1], k, **options), index.search(queries[:1], k, **options), keep)
                for allowed in (live[:5], live[::7], live[-1:], live[:0]):
                    found = many.search(queries, 9, among=allowed, **options)
                    same(found, index.search(queries, 9, among=allowed, **options), keep)
                np.testing.assert_array_equal(many.ids(), live)
                assert many.keys(live.reshape(2, -1)) == index.keys(live)
                assert many.keys([-1, 8]) == [None, "k8"]
                assert [many.find(f"k{i}") for i in (1, 8, 100, 236)] == [1, 8, None, 236]
    with EmbeddingIndex.open(tmp_path / "i") as index, ShardedIndex.open(tmp_path / "s") as many:
        monkeypatch.setattr(shards, "QUERY_BLOCK", 7)
        same(many.search(queries, 9, **options), index.search(queries, 9, **options), keep)
        many.verify()


@pytest.mark.parametrize("keep", [None, "int8", "float32"])
@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_prefixes_find_in_shards_what_they_find_in_one_index(metric, keep, tmp_path):
    nested = RecurrentBinarizer(192, prefixes=(64, 128), rounds=1, metric=metric, seed=0).fit(vectors(1))
    rng, queries = np.random.default_rng(0), vectors(2)[:30]
    with EmbeddingIndex.create(tmp_path / "i", nested, keep=keep) as index:
        index.add(vectors() * rng.uniform(0.5, 2, (ROWS, 1)).astype(np.float32))
        index.remove(ids=[0, 7, 100])
        cut(tmp_path / "i", 4, tmp_path / "s")
        with ShardedIndex.open(tmp_path / "s") as many:
            for bits in (64, 128):
                for options in ({}, {"candidates": 6}, {"candidates": 500}, {"among": index.ids()[::5]}):
                    expected = index.search(queries, 3, prefix=bits, **options)
                    same(many.search(queries, 3, prefix=bits, **options), expected, "tables")
            few = index.search(queries, 9, prefix=64, candidates=9)[1]
            assert (few != index.search(queries, 9, candidates=240)[1]).any()  # the prefix has found these
            assert many.search(queries, 3, prefix=64, among=[])[1].shape == (30, 0)
            with pytest.raises(errors.ParameterError, match=r"has \(64, 128\)"):
                many.search(queries, prefix=192)


@pytest.mark.parametrize("kind", ["lists", "sign ivf int8"])
def test_many_allowed_rows_are_restricted_to_the_same_lists(kind, tmp_path, monkeypatch):
    for module in (engine, partition):
        monkeypatch.setattr(module, "FEW_ROWS", 10)
    case = CASES[kind]
    with filled(tmp_path / "i", case) as index:
        cut(tmp_path / "i", 3, tmp_path / "s")
        with ShardedIndex.open(tmp_path / "s") as many:
            allowed = np.arange(0, ROWS, 2)
            queries = vectors(2)[:30]
            same(many.search(queries, 9, among=allowed, **case[3]), index.search(queries, 9, among=allowed, **case[3]))


def test_what_was_split_merges_to_the_same_rows(case, tmp_path, monkeypatch):
    monkeypatch.setattr(reshaping, "BLOCK", 37)
    with filled(tmp_path / "i", case) as index:
        index.remove(ids=[0, 7, 100])
        index.set_defaults(index.defaults)
        index.compact()
        cut(tmp_path / "i", 4, tmp_path / "s")
        assert merged(tmp_path / "s", tmp_path / "m") == len(index)
        with EmbeddingIndex.open(tmp_path / "m") as again:
            np.testing.assert_array_equal(again.ids(), index.ids())
            assert again.store.meta == index.store.meta
            for name in index.store.snapshot.columns:
                np.testing.assert_array_equal(again.store.rows(name), index.store.rows(name))
            assert again.keys(again.ids()) == index.keys(index.ids())
            same(again.search(vectors(2), 5, **case[3]), index.search(vectors(2), 5, **case[3]), case[1])
            again.verify()


def test_a_copy_without_some_rows_is_the_index_that_they_are_removed_from(case, tmp_path):
    gone = [0, 5, 6, 101, ROWS - 1]
    with filled(tmp_path / "i", case) as index:
        copies = [without(index, np.array(gone)), without(index, np.array(gone), tmp_path / "c")]
        index.remove(ids=gone)
        for copied in copies:
            with copied:
                np.testing.assert_array_equal(copied.ids(), index.ids())
                assert copied.keys(copied.ids()) == index.keys(index.ids())
                same(
                    copied.search(vectors(2), 5, **case[3]), index.search(vectors(2), 5, **case[3]), case[1] or case[0]
                )


def test_indexes_made_apart_have_ids_beyond_32_bits(tmp_path):
    case = CASES["lists int8"]
    for at in range(3):
        filled(tmp_path / str(at), case, 80, 80 * at).close()
    whole = filled(None, case)
    paths = [tmp_path / str(at) for at in range(3)]
    with ShardedIndex.open(paths) as many:
        assert many.offsets == (0, 1 << 32, 2 << 32)
        scores, ids = many.search(vectors(2), 9, **case[3])
        expected, local = whole.search(vectors(2), 9, **case[3])
        there = local >= 0
        np.testing.assert_array_equal(ids[there], (local // 80 << 32)[there] + (local % 80)[there])
        np.testing.assert_array_equal(ids[~there], -1)
        np.testing.assert_array_equal(scores, expected)
        assert ids.max() > 2**33
        assert many.keys(ids[there]) == whole.keys(local[there])
        assert many.documents([2 << 32]) == [None]
        assert many.document(1 << 32) is None
        assert many.find("k161") == (2 << 32) + 1
        chosen = np.array([5, (1 << 32) + 7, (2 << 32) + 79])
        assert set(many.search(vectors(2), 9, among=chosen, **case[3])[1].ravel().tolist()) == set(chosen.tolist())
        assert many.filter(lambda document: document is None).tolist() == many.ids().tolist()
        for missing in (80, (1 << 32) - 1, (1 << 32) + 80, 3 << 32, 1 << 62, -2):
            with pytest.raises(errors.ParameterError, match="there is no vector"):
                many.keys([missing])
            with pytest.raises(errors.ParameterError, match="there is no vector"):
                many.search(vectors(2)[:1], among=[missing], **case[3])
    offsets = [1 << 61, 0, 1 << 40]
    with ShardedIndex.open(paths, offsets=offsets) as many:
        found = many.search(vectors(2), 9, **case[3])
        np.testing.assert_array_equal(found[0], expected)
        np.testing.assert_array_equal(np.sort(many.ids()), np.sort([o + i for o in offsets for i in range(80)]))
    assert merged(paths, tmp_path / "m") == ROWS  # too far apart for one index: counted anew
    with EmbeddingIndex.open(tmp_path / "m") as again:
        same(again.search(vectors(2), 9, **case[3]), (expected, local))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_nearest_of_parts_are_the_nearest_of_all(data):
    rows, k = data.draw(st.integers(0, 12)), data.draw(st.integers(0, 9))
    numbers = st.integers(0, 2**62)
    ids = np.array(data.draw(st.lists(numbers, min_size=rows, max_size=rows, unique=True)), dtype=np.int64)
    distances = np.array(data.draw(st.lists(st.integers(0, 4), min_size=rows, max_size=rows)), dtype=np.float32)
    missing = np.array(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), dtype=bool)
    at = data.draw(st.integers(0, rows))
    shown = np.where(missing, -1, ids)
    parts = [(distances[None, p], shown[None, p]) for p in (slice(0, at), slice(at, rows))]
    found = search_shards.nearest(parts, k)
    pairs = sorted(zip(distances[~missing].tolist(), ids[~missing].tolist(), strict=True))[:k]
    pairs += [(np.inf, -1)] * (k - len(pairs))
    assert list(zip(found[0][0].tolist(), found[1][0].tolist(), strict=True)) == pairs


def test_shards_that_grow_are_seen_after_a_refresh(tmp_path):
    case = CASES["sign"]
    for at in range(2):
        filled(tmp_path / str(at), case, 80, 80 * at).close()
    with ShardedIndex.open([tmp_path / "0", tmp_path / "1"], offsets=[0, 90]) as many:
        assert not many.refresh()
        before = many.search(vectors(2), 5)
        with EmbeddingIndex.open(tmp_path / "0", writable=True) as writer:
            writer.add(vectors(2)[:10])
            same(many.search(vectors(2), 5), before)
            assert many.refresh()
            assert many.search(vectors(2)[:10], 1)[1].ravel().tolist() == list(range(80, 90))
            writer.add(vectors(3)[:1])
        with pytest.raises(errors.ConflictError, match=r"offsets= that keep them apart since rows were added"):
            many.refresh()


def test_what_is_no_shard_is_told(tmp_path):
    filled(tmp_path / "a", CASES["sign"]).close()
    filled(tmp_path / "b", CASES["sign int8"]).close()
    filled(tmp_path / "c", CASES["lists"]).close()
    filled(tmp_path / "d", CASES["sign ivf"]).close()
    a, b, c, d = (tmp_path / name for name in "abcd")
    for paths, text in (
        ([], "at least"),
        ([a, a], "twice"),
        ([a, b], "originals"),
        ([a, c], "another model"),
        ([a, d], "another kind"),
    ):
        with pytest.raises(errors.ParameterError, match=text):
            ShardedIndex.open(paths)
    with pytest.raises(errors.FileFormatError):
        ShardedIndex.open([a, tmp_path])
    with pytest.raises(errors.FileFormatError):
        ShardedIndex.open(tmp_path / "a" / "codes")
    with pytest.raises(errors.ParameterError, match="no shard"):
        ShardedIndex([])
    with EmbeddingIndex.open(a) as one, EmbeddingIndex.open(a) as other:
        for offsets, text in (([0], "1 offsets for 2"), ([0, ROWS - 1], "keep them apart"), ([0, -1], "an offset")):
            with pytest.raises(errors.ParameterError, match=text):
                ShardedIndex([one, other], offsets)
        assert len(ShardedIndex([one, other], [ROWS, 0])) == 2 * ROWS
    with ShardedIndex.open([a], offsets=[5]) as many:
        for wrong in ({"k": 0}, {"probes": 3}, {"candidates": 0}):
            with pytest.raises(errors.ParameterError):
                many.search(vectors(2), **wrong)
        with pytest.raises(errors.ParameterError, match="row 1 of queries"):
            many.search(np.where(np.arange(3)[:, None] == 1, np.nan, vectors(2)[:3]))
        assert [found.shape for found in many.search(vectors(2)[:0])] == [(0, 10), (0, 10)]
        assert repr(many) == "ShardedIndex(1 shards, 240 vectors)"
    assert repr(many) == "ShardedIndex(1 shards, closed)"


def test_what_cannot_be_merged_or_split_is_told_and_leaves_nothing(tmp_path):
    filled(tmp_path / "a", CASES["sign"]).close()
    filled(tmp_path / "b", CASES["sign"]).close()
    with pytest.raises(errors.ParameterError, match="the key 'k1' already exists"):
        merged([tmp_path / "a", tmp_path / "b"], tmp_path / "m")
    for at, seed in enumerate((1, 2)):
        with EmbeddingIndex.create(tmp_path / f"ivf{at}", model("sign"), kind="ivf") as index:
            index.train(vectors(seed), 6)
    with pytest.raises(errors.ParameterError, match="differ in lists"):
        merged([tmp_path / "ivf0", tmp_path / "ivf1"], tmp_path / "m")
    for n, text in ((0, "n must"), (ROWS + 1, "n must"), (2, "exists")):
        with pytest.raises(errors.ParameterError, match=text):
            cut(tmp_path / "a", n, tmp_path / ("b" if n == 2 else "s"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "ivf0", "ivf1"]


def test_a_merge_that_was_interrupted_goes_on(tmp_path, monkeypatch):
    case = CASES["lists int8"]
    filled(tmp_path / "i", case).close()
    cut(tmp_path / "i", 3, tmp_path / "s")
    monkeypatch.setattr(reshaping, "BLOCK", 50)
    own, calls = reshaping.copy_block, []

    def counted(*args):
        calls.append(len(args[1]))
        if len(calls) == 4:
            raise KeyboardInterrupt
        own(*args)

    monkeypatch.setattr(reshaping, "copy_block", counted)
    with pytest.raises(KeyboardInterrupt):
        merged(tmp_path / "s", tmp_path / "m")
    assert merged(tmp_path / "s", tmp_path / "m") == ROWS
    assert sum(calls) == ROWS + calls[3]  # what was copied was not copied again
    with EmbeddingIndex.open(tmp_path / "m") as again, EmbeddingIndex.open(tmp_path / "i") as index:
        np.testing.assert_array_equal(again.store.rows("codes"), index.store.rows("codes"))
        assert again.keys(again.ids()) == index.keys(index.ids())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["i", "m", "s"]


def test_a_damaged_shard_is_named(tmp_path):
    filled(tmp_path / "i", CASES["sign"]).close()
    paths = cut(tmp_path / "i", 3, tmp_path / "s")
    column = paths[1] / "codes" / "0" / "codes"
    content = bytearray(column.read_bytes())
    content[100] ^= 8
    column.write_bytes(content)
    with ShardedIndex.open(tmp_path / "s") as many:
        with pytest.raises(errors.FileFormatError, match="shard 1"):
            many.verify()
        with pytest.raises(errors.FileFormatError, match="damaged"):
            many.search(vectors(2), 3)
    with pytest.raises(errors.FileFormatError, match="damaged"):
        merged(tmp_path / "s", tmp_path / "m")


def test_shards_without_rows(tmp_path):
    case = CASES["lists int8"]
    filled(tmp_path / "none", case, 0).close()
    filled(tmp_path / "some", case, 40).close()
    assert cut(tmp_path / "none", 1, tmp_path / "s") == [tmp_path / "s" / "shard-0"]
    with ShardedIndex.open(tmp_path / "s") as many:
        assert (len(many), many.ids().tolist(), many.find("k1")) == (0, [], None)
        assert [found.shape for found in many.search(vectors(2)[:3])] == [(3, 0), (3, 0)]
    # Those without rows take no ids, so that all may begin at 0.
    paths = [tmp_path / "some", tmp_path / "none"]
    with ShardedIndex.open(paths, offsets=[0, 0]) as many, EmbeddingIndex.open(tmp_path / "some") as one:
        same(many.search(vectors(2), 5, **case[3]), one.search(vectors(2), 5, **case[3]))
        assert many.keys([1, 39]) == one.keys([1, 39])
    assert merged(paths, tmp_path / "m") == 40


def test_shards_of_several_planes_find_at_least_as_good_rows(tmp_path):
    case = "planes", None, None, {"probes": 3}
    with filled(tmp_path / "i", case) as index:
        cut(tmp_path / "i", 4, tmp_path / "s")
        with ShardedIndex.open(tmp_path / "s") as many:
            for options in ({"candidates": 12}, {}):
                scores, ids = many.search(vectors(2), 9, probes=3, **options)
                expected, _ = index.search(vectors(2), 9, probes=3, **options)
                there = ids >= 0
                assert (scores[there] >= expected[there] - 1e-6).all()
                np.testing.assert_array_equal(np.isfinite(scores), there)
            # With all rows as candidates there is nothing more to find.
            every = {"probes": 6, "candidates": ROWS}
            found, expected = many.search(vectors(2), 9, **every), index.search(vectors(2), 9, **every)
            np.testing.assert_allclose(found[0], expected[0], atol=1e-6)


BY_METRIC = {
    "lists": (lambda metric: RaBitQBinarizer(6, metric=metric), {"probes": 3, "candidates": 40}),
    "scalar": (lambda metric: ScalarBinarizer(16, metric=metric), {"candidates": 40}),
    "sign": (lambda metric: SignBinarizer(64, metric=metric), {"candidates": 40}),
}


@pytest.mark.slow
@pytest.mark.parametrize("keep", [None, "int8", "float32"])
@pytest.mark.parametrize("name", list(BY_METRIC))
@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_shards_of_every_metric_find_what_one_index_finds(metric, name, keep, tmp_path):
    make, options = BY_METRIC[name]
    lengths = np.random.default_rng(5).uniform(0.3, 4, (ROWS, 1)).astype(np.float32)
    x, queries = vectors() * lengths + 0.5, 2 * vectors(2)[:70] + 0.5
    fitted = make(metric).fit(x)
    with EmbeddingIndex.create(tmp_path / "i", fitted, keep=keep) as index:
        index.add(x)
        assert index.metric == metric
        index.remove(ids=[3, 200])
        few, many = queries[:5], queries
        expected = {len(asked): index.search(asked, 7, **options) for asked in (few, many)}
        among = index.search(many, 7, among=index.ids()[::3], **options)
        cut(tmp_path / "i", 3, tmp_path / "s")
    check = same if (metric, name, keep) == ("cosine", "sign", None) else close  # these scores are of counts of bits
    with ShardedIndex.open(tmp_path / "s") as whole:
        for asked in (few, many):
            check(whole.search(asked, 7, **options), expected[len(asked)])
        check(whole.search(many, 7, among=whole.ids()[::3], **options), among)


def close(found, expected):
    """Check that two searches found the same, but for rounding: scores to 1e-5 of the greatest, and ids that are apart.

    Scores of ``l2`` and ``ip`` are differences of squares of lengths, which round with these.
    """
    least = 1e-5 * max(1.0, float(np.abs(expected[0][np.isfinite(expected[0])]).max()))
    np.testing.assert_allclose(found[0], expected[0], rtol=0, atol=least)
    scores = np.pad(np.where(np.isfinite(expected[0]), expected[0], -1e6), ((0, 0), (1, 0)), constant_values=1e6)
    apart = (np.diff(scores, axis=1) < -2 * least)[:, :-1] & (np.diff(scores[:, 1:], axis=1) < -2 * least)
    assert apart.mean() > 0.5
    np.testing.assert_array_equal(found[1][:, :-1][apart], expected[1][:, :-1][apart])


@pytest.mark.parametrize("keep", [None, "int8"])
def test_graphs_of_shards_find_at_least_what_one_graph_finds(keep, tmp_path):
    flat, graph = ("sign", keep, None, {}), ("sign", keep, "hnsw", {})
    best, _ = filled(None, flat).search(vectors(2), 5, candidates=ROWS)
    with filled(tmp_path / "i", graph) as index:
        index.remove(ids=[ROWS - 1])
        cut(tmp_path / "i", 4, tmp_path / "s")
        with ShardedIndex.open(tmp_path / "s") as many:
            for effort, least in ((10, 0.7), (200, 0.99)):
                options = {"effort": effort, "candidates": effort}
                parts = [found.search(vectors(2), 5, **options) for found in (index, many)]
                one, several = ((scores >= best[:, -1:] - 1e-6).mean() for scores, _ in parts)
                assert several >= max(least, one - 0.01)
                assert all(len(set(ids)) == 5 for ids in parts[1][1].tolist())
            among = index.ids()[::9]
            same(many.search(vectors(2), 5, among=among), index.search(vectors(2), 5, among=among))
            np.testing.assert_array_equal(many.ids(), index.ids())
        assert merged(tmp_path / "s", tmp_path / "m") == ROWS - 1
    with EmbeddingIndex.open(tmp_path / "m") as again:
        assert again.kind == "hnsw"
        assert (again.search(vectors(2), 5, effort=200, candidates=200)[0] >= best[:, -1:] - 1e-6).mean() > 0.99


def test_rows_are_removed_from_shards_and_shards_compacted(tmp_path):
    case = CASES["lists int8"]
    index = filled(tmp_path / "i", case)
    cut(tmp_path / "i", 3, tmp_path / "s")
    with ShardedIndex.open(tmp_path / "s") as reader, ShardedIndex.open(tmp_path / "s", writable=True) as many:
        with pytest.raises(errors.UnsupportedError, match="open for reading"):
            reader.remove(ids=[1])
        with pytest.raises(errors.UnsupportedError, match="open for reading"):
            reader.compact()
        with pytest.raises(errors.ParameterError, match="there is no vector 240"):
            many.remove(ids=[1, ROWS])
        with pytest.raises(errors.ParameterError, match="no row with key 'nobody'"):
            many.remove(ids=[1], keys=["nobody"])
        assert len(many) == ROWS
        for changed in (many, index):
            assert changed.remove(ids=[0, 100, 101], keys=["k238", "k100"]) == 4
        same(many.search(vectors(2), 9, **case[3]), index.search(vectors(2), 9, **case[3]))
        assert len(reader) == ROWS
        assert reader.refresh()
        many.compact()
        assert all(shard.store.alive() is None for shard in many.shards)
        assert reader.refresh()
        for changed in (many, reader):
            same(changed.search(vectors(2), 9, **case[3]), index.search(vectors(2), 9, **case[3]))
            np.testing.assert_array_equal(changed.ids(), index.ids())
        many.save(tmp_path / "copy")
    with ShardedIndex.open(tmp_path / "copy") as many:
        same(many.search(vectors(2), 9, **case[3]), index.search(vectors(2), 9, **case[3]))
    with pytest.raises(errors.ParameterError, match="exists"), ShardedIndex.open(tmp_path / "copy") as many:
        many.save(tmp_path / "s")


def test_ids_of_removed_rows_are_not_given_again(tmp_path):
    with filled(tmp_path / "i", CASES["sign"]) as index:
        index.remove(ids=[ROWS - 1])
    cut(tmp_path / "i", 2, tmp_path / "s")
    merged(tmp_path / "s", tmp_path / "m")
    with EmbeddingIndex.open(tmp_path / "m", writable=True) as again:
        assert again.add(vectors(3)[:1]).tolist() == [ROWS]
    with EmbeddingIndex.open(tmp_path / "s" / "shard-1", writable=True) as last:
        last.add(vectors(3)[:1])
    with ShardedIndex.open(tmp_path / "s") as many:
        assert many.ids()[-1] == ROWS


def test_vectors_are_added_to_the_smallest_shard_with_room(tmp_path):
    for at, rows in enumerate((80, 30, 50)):
        with EmbeddingIndex.create(tmp_path / str(at), model("sign")) as shard:
            shard.add(vectors()[:rows], [f"{at}.{row}" for row in range(rows)])
    new = vectors(2)
    with ShardedIndex.open([tmp_path / "0", tmp_path / "1", tmp_path / "2"], writable=True) as many:
        assert many.add(new[:30], [f"new {row}" for row in range(30)])[0] == 2**32 + 30  # of 80, 30 and 50
        assert many.add(new[30:31]).tolist() == [2 * 2**32 + 50]
        assert many.add(new[31:32]).tolist() == [2 * 2**32 + 51]
        assert [len(shard) for shard in many.shards] == [80, 60, 52]
        assert many.keys(many.search(new[:5], 1)[1]) == [f"new {row}" for row in range(5)]
        before = many.ids()
        for keys, text in ((["0.7"], "'0.7' already exists; remove"), ([None, None], "2 keys")):
            with pytest.raises((errors.ParameterError, errors.DimensionError), match=text):
                many.add(new[:1], keys)
        with pytest.raises(errors.DimensionError):
            many.add(new[:1, :-1])
        np.testing.assert_array_equal(many.ids(), before)
    with (
        ShardedIndex.open([tmp_path / "0", tmp_path / "1"]) as many,
        pytest.raises(errors.UnsupportedError, match="open for reading"),
    ):
        many.add(new[:1])


def test_only_the_last_of_split_shards_has_ids_left(tmp_path):
    filled(tmp_path / "i", CASES["lists int8"]).close()
    cut(tmp_path / "i", 3, tmp_path / "s")
    with ShardedIndex.open(tmp_path / "s", writable=True) as many:
        next_id = many.store.snapshot.state.next_id
        assert many.add(vectors(2)[:5]).tolist() == list(range(next_id, next_id + 5))
        assert len(many.shards[2]) == len(many.shards[1]) + 5
        np.testing.assert_array_equal(many.search(vectors(2)[:5], 1)[1][:, 0], range(next_id, next_id + 5))
    with ShardedIndex.open(tmp_path / "s", offsets=[0, 200, 2**32], writable=True) as many:
        assert many.add(vectors(3)[:130])[0] == 280  # shard 0 has as few rows, and ids for 120
        assert many.add(vectors(3)[:100])[0] == 80


def test_a_folder_that_lost_its_last_shard_is_told(tmp_path):
    filled(tmp_path / "i", CASES["sign"]).close()
    cut(tmp_path / "i", 3, tmp_path / "s")
    (tmp_path / "s" / "shard-2").rename(tmp_path / "lost")
    with pytest.raises(errors.FileFormatError, match="lacks shard-2 of 3 shards; restore it"):
        ShardedIndex.open(tmp_path / "s")
    with pytest.raises(errors.FileFormatError, match="lacks shard-2"):
        merged(tmp_path / "s", tmp_path / "m")
    with ShardedIndex.open([tmp_path / "s" / "shard-0", tmp_path / "s" / "shard-1"]) as many:
        many.save(tmp_path / "copy")
        merged([tmp_path / "s" / "shard-0", tmp_path / "s" / "shard-1"], tmp_path / "m")
    with ShardedIndex.open(tmp_path / "copy") as copy:
        assert len(copy) == 160
    cut(tmp_path / "m", 2, tmp_path / "again")
    assert len(ShardedIndex.open(tmp_path / "again")) == 160


def test_a_server_adds_to_shards(tmp_path):
    pytest.importorskip("pydantic", reason="pydantic is not installed", exc_type=ImportError)
    pytest.importorskip("fastapi", reason="fastapi is not installed", exc_type=ImportError)
    from hdc.apps.serve import models
    from hdc.apps.serve.kinds.embeddings import Embeddings
    from hdc.apps.serve.opening import opened

    filled(tmp_path / "i", CASES["sign"]).close()
    cut(tmp_path / "i", 2, tmp_path / "s")
    with opened(str(tmp_path / "s"), writable=True) as many:
        ways, rows = Embeddings(many), vectors(2)[:2].tolist()
        assert ways.add(models.Write(vectors=rows, keys=["a", "b"])).tolist() == [ROWS, ROWS + 1]
        assert many.find("b") == ROWS + 1
        with pytest.raises(errors.UnsupportedError, match="cannot be replaced; remove them"):
            ways.add(models.Write(vectors=rows, keys=["a", "b"], replace=True))
