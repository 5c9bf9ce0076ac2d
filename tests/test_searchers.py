"""The small steps of searches against sorting in plain Python: nearest hits, joined results, tables, options."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc import errors, words
from hdc.apps.retrieval import EmbeddingIndex, RaBitQBinarizer, SignBinarizer
from hdc.dispatch import backend
from hdc.search import tables as tables_module
from hdc.search.codes import CodeRows, candidates_of, joined, mask
from hdc.search.estimates import Estimates
from hdc.search.flat import Flat
from hdc.search.ivf import Coarse
from hdc.search.live import alive, live, positions_of
from hdc.search.measures import Hamming, measure_of, nearest_of
from hdc.search.options import FlatOptions, IVFOptions
from hdc.search.partition import Part
from hdc.search.reranking import Originals
from hdc.search.tables import Tables
from hdc.store import Store

KERNELS = backend("numpy").search
GREATEST = np.iinfo(np.int32).max
FOUND = st.lists(st.tuples(st.integers(-3, 3), st.integers(-1, 9)), min_size=1, max_size=8)


@given(FOUND, st.integers(1, 9), st.booleans())
def test_nearest_and_joined(found, k, floats):
    dtype = np.float32 if floats else np.int32
    farthest = np.inf if floats else GREATEST
    found = [(distance if floats else distance + 3, number) for distance, number in found]
    best = sorted((distance, number) for distance, number in found if number >= 0)[:k]
    distances, ids = np.array([[d for d, _ in found]], dtype), np.array([[number for _, number in found]])
    for wanted, (near, numbers) in (
        (min(k, len(found)), nearest_of(distances, ids, k)),
        (k, joined([(distances[:, :2], ids[:, :2]), (distances[:, 2:], ids[:, 2:])], k)),
    ):
        missing = wanted - len(best)
        assert numbers.tolist() == [[number for _, number in best] + [-1] * missing]
        assert near.tolist() == [[distance for distance, _ in best] + [farthest] * missing]
        assert (near.dtype, numbers.dtype) == (dtype, np.int64)


def test_how_many_candidates_there_are():
    for options, expected in ((FlatOptions(), 30), (FlatOptions(candidates=7), 7), (FlatOptions(candidates=2), 3),
                              (IVFOptions(candidates=50), 40)):  # fmt: skip
        assert candidates_of(options, 3, 40) == expected
    assert candidates_of(FlatOptions(), 3, 29) == 29
    assert mask(np.array([0, 2]), 4).tolist() == [True, False, True, False]


def test_rows_that_count():
    with Store.create(None, "thing", {"codes": ("u8", 1)}) as store:
        store.append({"codes": np.arange(5, dtype=np.uint64)[:, None]})
        assert live(store.snapshot, 2).tolist() == [2, 3, 4]
        assert alive(store.snapshot).tolist() == [True] * 5
        store.remove([1, 3])
        assert live(store.snapshot).tolist() == [0, 2, 4]
        assert live(store.snapshot, 2).tolist() == [2, 4]
        assert alive(store.snapshot).tolist() == [True, False, True, False, True]
        store.compact()
        ids = np.array([[4, -1], [0, 2]])
        assert positions_of(store.snapshot, ids).tolist() == [[2, -1], [0, 1]]
        assert positions_of(store.snapshot, ids[1]).tolist() == [0, 1]


def test_some_rows_are_scanned():
    store = Store.create(None, "thing", {"codes": ("u8", 1)})
    store.append({"codes": np.array([[7], [0], [3], [1]], np.uint64)}, ids=[0, 5, 6, 9])
    rows = CodeRows.of(store.snapshot, Hamming(KERNELS, 8, 1))
    for k, ids, distances in ((1, [[5]], [[0]]), (2, [[5, 6]], [[0, 2]]), (9, [[5, 6, 0]], [[0, 2, 3]])):
        found = rows.scan(np.zeros((1, 1, 1), np.uint64), np.array([2, 0, 1]), k)
        assert (found[1].tolist(), found[0].tolist()) == (ids, distances)
    assert rows.scan(np.zeros((2, 1, 1), np.uint64), np.empty(0, np.int64), 3)[1].shape == (2, 0)


@pytest.mark.parametrize("levels", [1, 2])
def test_candidates_are_compared_by_all_planes(levels):
    rng = np.random.default_rng(levels)
    codes, queries = (rng.integers(0, 256, (n, levels, 1), np.uint64) for n in (9, 3))
    measure = measure_of(KERNELS, 8, levels)
    store = Store.create(None, "thing", {"codes": ("u8", levels)} | ({"scale": ("f4", 1)} if levels > 1 else {}))
    columns = {"codes": codes[:, :, 0]} | ({"scale": measure.scale(codes)[:, None]} if levels > 1 else {})
    store.append(columns)
    found = CodeRows.of(store.snapshot, measure).compare(queries, np.array([[8, -1, 3], [-1, -1, -1], [0, 5, 1]]), 2)
    for q, own in enumerate(([3, 8], [], [0, 1, 5])):
        distances, order = measure.top_k(queries[q : q + 1], codes[own], None, 2) if own else (np.empty((1, 0)),) * 2
        assert found[0][q].tolist() == [*distances[0].tolist(), *[measure.farthest] * (2 - len(order[0]))]
        assert found[1][q].tolist() == [*(own[i] for i in order[0].astype(int)), *[-1] * (2 - len(order[0]))]


def test_distances_of_several_levels():
    for levels in (1, 2, 3):
        measure = measure_of(KERNELS, 8, levels)
        assert (measure.planes, isinstance(measure, Hamming)) == (levels, levels == 1)
    ones = np.full((1, 2, 1), 255, np.uint64)
    measure = measure_of(KERNELS, 8, 2)
    assert measure.scale(ones) == pytest.approx(1 / (3 * 8**0.5))  # of components of 2 + 1
    distances, rows = measure.top_k(ones, np.concatenate([0 * ones, ones]), None, 2)
    assert rows.tolist() == [[1, 0]]
    np.testing.assert_allclose(distances, [[0, 2]], atol=1e-6)


class ByteModel:
    """A score that is the sum of the query's components times the code's bytes."""

    def tables(self, queries):
        return (queries[:, :, None] * np.arange(256, dtype=np.float32)).astype(np.float32)

    def sign_bytes(self, codes):
        return codes.view(np.uint8)[:, :2]

    def scale(self, codes):
        return np.float32([0.5, 1, 2])[np.arange(len(codes)) % 3]

    def offset(self, codes):
        return np.arange(len(codes), dtype=np.float32)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 9), st.integers(1, 6), st.sampled_from([1, 8192, 1 << 26]), st.integers(0, 99))
def test_tables(n, q, held, seed):
    rng = np.random.default_rng(seed)
    codes, queries = rng.integers(0, 2**64, (n, 1), np.uint64), rng.integers(-3, 4, (q, 2)).astype(np.float32)
    store = Store.create(None, "thing", {"codes": ("u8", 1)})
    store.append({"codes": codes}, ids=np.arange(n))
    store.replace([0], {"codes": codes[:1]})  # the first id is at the last place now
    searcher = Tables(ByteModel(), backend("numba").tables)
    rows = searcher.prepared(store.snapshot, None)
    model = ByteModel()
    scores = queries @ model.sign_bytes(codes).T.astype(np.float32) * model.scale(codes) + model.offset(codes)
    allowed_ids = np.flatnonzero(rng.random(n) < 0.7)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tables_module, "TABLE_BYTES", held)
        for chosen in (None, allowed_ids):
            own = np.arange(n) if chosen is None else chosen
            k = min(3, len(own))
            if not k:
                continue
            allowed = None if chosen is None else np.sort(store.positions(chosen))
            if chosen is None:
                expected = [sorted((-score, number) for number, score in enumerate(row))[:k] for row in scores]
                distances, ids = rows.search(queries, k, FlatOptions())
                assert ids.tolist() == [[number for _, number in row] for row in expected]
                np.testing.assert_allclose(distances, [[1 + less for less, _ in row] for row in expected], rtol=1e-5)
            else:
                found = rows.search(queries, k, FlatOptions(), allowed)[1]
                assert set(found.ravel().tolist()) <= set(own.tolist())


def test_exact_search_follows_rows_that_move():
    """Prepared rows are taken over while few are worn, and made anew when more than an eighth are."""
    flat = Flat(Hamming(KERNELS, 64, 1))
    store = Store.create(None, "thing", {"codes": ("u8", 1)})
    store.append({"codes": np.arange(80, dtype=np.uint64)[:, None]})
    first = flat.prepared(store.snapshot, None)
    assert (len(first.main), len(first.odd)) == (80, 0)
    store.replace(np.arange(5), {"codes": np.arange(5, dtype=np.uint64)[:, None]})
    second = flat.prepared(store.snapshot, first)
    assert (len(second.main), second.odd.tolist()) == (80, [80, 81, 82, 83, 84])
    store.append({"codes": np.zeros((2, 1), np.uint64)})
    assert len(flat.prepared(store.snapshot, second).main) == 82
    store.remove([10])
    third = flat.prepared(store.snapshot, second)  # 5 out of order and 6 dead of 82: too many
    assert (len(third.main), len(third.odd)) == (81, 0)
    assert store.snapshot.ids[third.main].tolist() == [i for i in range(82) if i != 10]


@pytest.mark.parametrize("dtype", ["int8", "float16", "float32"])
def test_originals(dtype):
    kept = Originals(dtype, 3)
    assert Originals.of((dtype, 3)) == kept == Originals.of([dtype, 3])
    assert Originals(dtype, 1).width == 1
    vectors = np.array([[3, -4, 0], [0, 0, 0], [0.5, 0.25, -0.5]], np.float64)
    encoded = kept.encoded(kept.checked(vectors, 3))
    scaled = np.array([[0.75, -1, 0], [0, 0, 0], [1, 0.5, -1]])
    expected = np.rint(scaled * 127) if dtype == "int8" else scaled
    assert encoded.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(encoded, expected)
    for pair in (dtype, (dtype,), (dtype, 3, 1), None, {dtype, 3}):
        with pytest.raises(errors.ParameterError, match="originals must be a dtype and a width"):
            Originals.of(pair)
    for wrong in (("int16", 3), (dtype, 0), (dtype, True)):
        with pytest.raises(errors.ParameterError):
            Originals.of(wrong)
    with pytest.raises(errors.DTypeError, match="originals must be floats, not int64"):
        kept.checked(np.ones((3, 3), np.int64), 3)
    for shape in ((2, 3), (3, 2), (9,)):
        with pytest.raises(errors.DimensionError, match=r"originals must have shape \(3, 3\)"):
            kept.checked(np.ones(shape), 3)
    vectors[2, 1] = np.nan
    with pytest.raises(errors.ParameterError, match="original 2 contains NaN or infinity"):
        kept.checked(vectors, 3)


@given(st.integers(1, 9), st.integers(1, 90), st.integers(0, 99))
def test_the_nearest_centroids_are_those_of_the_greatest_products(lists, dim, seed):
    rng = np.random.default_rng(seed)
    coarse = Coarse(KERNELS, rng.integers(-20, 20, (lists, dim)).astype(np.int8))
    signs = rng.choice([-1, 1], (4, dim))
    dots = signs @ coarse.centroids.astype(np.int64).T
    expected = np.argsort(-dots, axis=1, kind="stable")
    for count in {1, max(1, lists // 2), lists}:
        assert coarse.nearest(words.pack(signs > 0), count).tolist() == expected[:, :count].tolist()


def test_codes_of_several_planes_are_compared_by_all_of_them_and_their_lengths():
    measure, rng = measure_of(KERNELS, 70, 2), np.random.default_rng(0)
    codes = np.stack([words.pack(rng.random((2, 70)) < 0.5) for _ in range(12)])
    with Store.create(None, "codes", {"codes": ("u8", 4), "scale": ("f4", 1)}) as store:
        store.append({"codes": codes.reshape(12, 4), "scale": measure.scale(codes)[:, None]})
        rows = CodeRows.of(store.snapshot, measure)
        every = np.arange(12)
        distances, ids = rows.scan(codes[:3], every, 5)
        asked = np.stack([np.concatenate([rng.permutation(every), [-1]]) for _ in range(3)])
        found = rows.compare(codes[:3], asked, 5)
    np.testing.assert_allclose(found[0], distances, rtol=1e-6)
    assert found[1].tolist() == ids.tolist()
    assert ids[:, 0].tolist() == [0, 1, 2]


def test_rows_that_are_not_allowed_have_no_id():
    part = Part(np.array([2, 0, 1]), np.array([7, 8, 9]), np.array([0, 3]), None)
    assert part.only(np.array([True, False, True])).tolist() == [7, 8, -1]


def test_one_list_is_searched_as_flat():
    for lists, kind in ((1, "flat"), (2, "ivf")):
        assert Estimates(SimpleNamespace(lists_=lists), None).kind == kind


def test_estimates_find_what_was_added_after_the_first_search():
    rng = np.random.default_rng(0)
    every = rng.standard_normal((305, 128)).astype(np.float32)
    every /= np.linalg.norm(every, axis=1, keepdims=True)
    vectors, later = every[:300], every[300:]
    index = EmbeddingIndex.create(None, RaBitQBinarizer(lists=3, backend="numpy").fit(vectors), keep=None)
    index.add(vectors)
    index.search(vectors[:40], 1, probes=3)
    index.add(later)
    _, ids = index.search(np.repeat(later, 8, axis=0), 1, probes=3)
    assert ids[::8, 0].tolist() == [300, 301, 302, 303, 304]
    _, ids = index.pipeline.engine.prepared().search(later, 1, IVFOptions(3))
    assert ids[:, 0].tolist() == [300, 301, 302, 303, 304]


def test_an_embedding_index_is_made_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    model = SignBinarizer(64, backend="numpy").fit(np.eye(8, dtype=np.float32))

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(SignBinarizer, "save", fail)
        with pytest.raises(OSError, match="No space"):
            EmbeddingIndex.create(tmp_path / "index", model)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "index").mkdir()
    with EmbeddingIndex.create(tmp_path / "index", model) as index:
        index.add(np.eye(8, dtype=np.float32), list("abcdefgh"))
    assert [path.name for path in tmp_path.iterdir()] == ["index"]
    with EmbeddingIndex.open(tmp_path / "index") as index:
        assert len(index) == 8
