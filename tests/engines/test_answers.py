"""Every engine finds what our indexes find: the same ids with the same distances."""

import uuid

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hdc import errors, words
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, RaBitQBinarizer, ShardedIndex, SignBinarizer
from hdc.apps.retrieval.engines import tables
from hdc.store import Snapshot

CLOSE = 2e-5
"""Cosines of vectors in 32 bits, or of queries in 16, differ by less."""


def codes(n, dim, seed=0):
    return words.pack(np.random.default_rng(seed).random((n, dim)) < 0.5)


def filled(dim, n=120):
    """Return an index with a removed and an updated row, so that ids are no positions."""
    index, rows = BinaryIndex(dim), codes(n, dim)
    index.add(rows, keys=[f"ké{i}" if i % 3 else None for i in range(n)])
    index.remove(ids=[5])
    index.update([9], rows[:1])
    return index


def vectors(n, d=24, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, d)) + 1) * rng.uniform(0.5, 2, (n, 1))


def embedded(metric, keep, n=150):
    x = vectors(n).astype(np.float32)
    index = EmbeddingIndex.create(None, SignBinarizer(100, metric=metric).fit(x), keep=keep)
    index.add(x, keys=[f"item {i}" for i in range(n)])
    return index


@pytest.fixture
def table(engine, request):
    """Return a name that no other test takes."""
    return f"t{abs(hash(request.node.nodeid))}"


@pytest.mark.parametrize("dim", [3, 64, 70, 256])
@pytest.mark.parametrize("k", [1, 10, 300])
def test_differing_bits(engine, table, dim, k):
    """Codes of three bits are all at the same few distances: the lower id comes first."""
    index, asked = filled(dim), codes(7, dim, seed=1)
    assert engine.write(index, table) == len(index)
    distances, ids = engine.search(table, asked, k)
    expected = index.search(asked, k)
    np.testing.assert_array_equal(ids, expected[1])
    np.testing.assert_array_equal(distances, expected[0])
    assert (distances.dtype, ids.dtype) == (np.int32, np.int64)


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), dim=st.integers(1, 130), rows=st.integers(0, 20), k=st.integers(1, 12))
def test_any_codes_removals_and_ids(engine, data, dim, rows, k):
    """Of few values, so that most distances are the same."""
    few = codes(3, dim)
    index, name = BinaryIndex(dim), f"t{uuid.uuid4().hex}"
    index.add(few[data.draw(st.lists(st.integers(0, 2), min_size=rows, max_size=rows))].reshape(rows, few.shape[1]))
    index.remove(ids=data.draw(st.lists(st.integers(0, rows - 1), unique=True)) if rows else [])
    assert engine.write(index, name) == len(index)
    distances, ids = engine.search(name, few, k)
    np.testing.assert_array_equal((distances, ids), index.search(few, k))


def test_rows_come_in_blocks(engine, table, monkeypatch):
    monkeypatch.setattr(tables, "BLOCK_ROWS", 7)
    index, asked = filled(70), codes(3, 70, seed=1)
    assert engine.write(index, table) == len(index)
    np.testing.assert_array_equal(engine.search(table, asked, 10), index.search(asked, 10))


def test_queries_come_in_parts(engine, table):
    index, asked = filled(64, 40), codes(1100, 64, seed=1)
    engine.write(index, table)
    np.testing.assert_array_equal(engine.search(table, asked, 2), index.search(asked, 2))
    distances, ids = engine.search(table, asked[:0], 2)
    assert distances.shape[0] == ids.shape[0] == 0


def same(answer, expected):
    """Compare scores; ids may change places where these are as good as equal."""
    np.testing.assert_allclose(answer[0], expected[0], atol=CLOSE * max(1, np.abs(expected[0]).max()))
    differs = answer[1] != expected[1]
    neighbors = np.abs(np.diff(expected[0], axis=1, append=-np.inf))
    before = np.abs(np.diff(expected[0], axis=1, prepend=np.inf))
    assert (np.minimum(neighbors, before)[differs] < 2 * CLOSE).all()


@pytest.mark.parametrize("keep", [None, "int8", "float16", "float32"])
def test_vectors_by_cosine(engine, table, keep):
    index, asked = embedded("cosine", keep), vectors(9, seed=1)
    engine.write(index, table)
    for options in ({"k": 10}, {"k": 3, "candidates": 40}, {"k": 200}):
        same(engine.search(table, asked, model=index.model, **options), index.search(asked, **options))


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("keep", ["int8", "float32"])
def test_vectors_by_other_metrics(engine, table, metric, keep):
    index, asked = embedded(metric, keep), vectors(9, seed=1)
    engine.write(index, table)
    same(engine.search(table, asked, 10, model=index.model), index.search(asked, 10))


def test_codes_with_originals(engine, table):
    """A vector of zeros has no direction: its distance is 1 here and there."""
    index, x = BinaryIndex(64, originals=("int8", 24)), vectors(80).astype(np.float32)
    x[3] = 0
    index.add(codes(80, 64), originals=x)
    engine.write(index, table)
    asked, floats = codes(5, 64, seed=1), x[:5]
    same(
        engine.search(table, asked, 10, originals=floats, candidates=80),
        index.search(asked, 10, originals=floats, candidates=80),
    )
    np.testing.assert_array_equal(engine.search(table, asked, 10), index.search(asked, 10))


@pytest.mark.parametrize("keep", [None, "int8"])
def test_a_condition_narrows_the_search(engine, table, keep):
    index, asked = embedded("cosine", keep), vectors(9, seed=1)
    engine.write(index, table)
    some = list(range(1, 150, 3))
    for key, ids, among in ((None, some, some), ("item 7", [8, 9], [7, 8, 9])):
        answer = engine.search(table, asked, 10, model=index.model, where=engine.condition(key, ids))
        same(answer, index.search(asked, 10, among=among))
    assert engine.search(table, asked, 10, model=index.model, where=engine.condition(None, [999]))[1].size == 0


def test_ids_of_64_bits(engine, table):
    x = vectors(60).astype(np.float32)
    shards = [EmbeddingIndex.create(None, SignBinarizer(64).fit(x), keep="int8") for _ in range(2)]
    for shard, rows in zip(shards, (x[:30], x[30:]), strict=True):
        shard.add(rows)
    with ShardedIndex(shards, [0, 1 << 61]) as index:
        assert engine.write(index, table) == 60
        answer = engine.search(table, x, 5, model=index.model)
        same(answer, index.search(x, 5))
        assert (answer[1] >= 1 << 61).any()


def test_no_rows(engine, table):
    engine.write(BinaryIndex(64), table)
    distances, ids = engine.search(table, codes(2, 64), 3)
    assert distances.shape == ids.shape == (2, 0)


def test_what_is_not_compared_by_bits_is_refused(engine, table):
    x = vectors(9).astype(np.float32)
    with pytest.raises(errors.UnsupportedError, match="compared by estimates"):
        engine.write(EmbeddingIndex.create(None, RaBitQBinarizer().fit(x)), table)
    with pytest.raises(errors.UnsupportedError, match="2 bits per component"):
        engine.write(BinaryIndex(64, levels=2), table)
    with pytest.raises(errors.UnsupportedError, match="keep='int8'"):
        engine.write(embedded("ip", None), table)
    with pytest.raises(errors.ParameterError, match="index must be a BinaryIndex"):
        engine.write(x, table)
    assert table not in engine.tables()


def test_nothing_is_half_written(engine, table, monkeypatch):
    """The index turns out to be damaged when most of it is written."""
    monkeypatch.setattr(tables, "BLOCK_ROWS", 50)
    entries, read = Snapshot.entries, []

    def damaged(self, positions):
        read.append(positions)
        if len(positions) and 119 in positions:
            raise errors.FileFormatError("the block is damaged")
        return entries(self, positions)

    with monkeypatch.context() as patch:
        patch.setattr(Snapshot, "entries", damaged)
        with pytest.raises(errors.FileFormatError, match="the block is damaged"):
            engine.write(filled(64), table)
    assert len(read) > 2
    assert table not in engine.tables()
    assert engine.write(filled(64), table) == 119


def test_a_table_that_is_there_stays(engine, table):
    index = filled(64)
    engine.write(index, table)
    with pytest.raises(errors.ParameterError, match=r"table|collection"):
        engine.write(BinaryIndex(64), table)
    assert engine.search(table, codes(1, 64), 10)[1].shape == (1, 10)


def test_wrong_questions_are_told(engine, table):
    index, asked = embedded("cosine", None), vectors(2, seed=1)
    engine.write(index, table)
    with pytest.raises(errors.ParameterError, match=r"(table|collection) .* does not exist"):
        engine.search("missing", codes(1, 64), 3)
    with pytest.raises(errors.DimensionError):
        engine.search(table, codes(1, 64), 3)
    with pytest.raises(errors.DTypeError):
        engine.search(table, asked, 3)
    with pytest.raises(errors.PaddingError):
        engine.search(table, np.full((1, 2), 2**64 - 1, dtype=np.uint64), 3)
    with pytest.raises(errors.ParameterError, match="k must be"):
        engine.search(table, codes(1, 100), 0)
    with pytest.raises(errors.ParameterError, match="candidates must be"):
        engine.search(table, codes(1, 100), candidates=0)
    with pytest.raises(errors.UnsupportedError, match="no originals"):
        engine.search(table, codes(1, 100), 3, originals=asked[:1])
    with pytest.raises(errors.MismatchError, match="codes of 64 bits"):
        engine.search(table, asked, 3, model=SignBinarizer(64).fit(vectors(9)))
    with pytest.raises(errors.UnsupportedError, match="by estimates"):
        engine.search(table, asked, 3, model=RaBitQBinarizer().fit(vectors(9)))
    with pytest.raises(errors.ParameterError, match="NaN"):
        engine.search(table, np.full((1, 24), np.nan), 3, model=index.model)
