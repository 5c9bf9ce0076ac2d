"""RaBitQ codes of several bits a component: their levels, estimates, bounds, files and searches."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.apps.retrieval import EmbeddingIndex, RaBitQBinarizer
from hdc.apps.retrieval.binarizers import rabitq_whole
from hdc.apps.retrieval.binarizers.rabitq_levels import grid_planes, grid_vectors
from hdc.apps.retrieval.index import pipeline
from hdc.errors import FileFormatError, ParameterError
from hdc.search.estimates import EstimateRows
from hdc.words import unpack, word_count

EVERY = 10**6


def clustered(n, dim, seed=0, clusters=12):
    """Return vectors of many lengths around some centers, the same for every seed."""
    centers = np.random.default_rng(7).standard_normal((clusters, dim)) + 0.3
    rng = np.random.default_rng(seed)
    x = centers[rng.integers(0, clusters, n)] + 0.5 * rng.standard_normal((n, dim))
    return (x * rng.uniform(0.5, 2, (n, 1))).astype(np.float32)


def unit(x):
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def cosine(a, b):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def best_cosine(row, bits):
    """Try every step at which a component changes its level, as the paper does."""
    half, a = 1 << (bits - 1), np.abs(row.astype(float))
    steps = np.array([0.0] + [m / v for v in a for m in range(1, half)])
    grids = 2 * np.minimum(np.floor(np.outer(steps, a) + 1e-9), half - 1) + 1
    return (grids @ a / np.sqrt((grids**2).sum(axis=1) * (a @ a))).max()


# ---------------------------------------------------------------------- levels


@pytest.mark.parametrize("bits", [1, 2, 3, 5, 8])
def test_grid_vectors_are_nearly_the_best_ones(bits):
    """The step is not looked for at every change of a level, and its angle is hardly greater for that."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((12, 64)).astype(np.float32)
    y = grid_vectors(x, bits)
    ours = 1 - np.array([cosine(*pair) for pair in zip(x, y, strict=True)])
    best = 1 - np.array([best_cosine(row, bits) for row in x])
    assert (ours >= best - 1e-9).all()
    assert ours.mean() <= (1.05 if bits < 8 else 1.1) * best.mean()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.sampled_from([1, 2, 63, 64, 65, 1000]), st.integers(0, 2**32), st.booleans())
def test_planes_hold_odd_integers_of_the_signs_of_the_vectors(bits, dim, seed, spiked):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((5, dim)).astype(np.float32) * np.float32([[1e-18], [1], [0], [1e18], [1]])
    if spiked:
        x[:, 0] *= 1e6
    y = grid_vectors(x, bits)
    assert (np.abs(y) < 2**bits).all()
    assert (y % 2 == 1).all()
    np.testing.assert_array_equal(y > 0, x > 0)
    planes = unpack(grid_planes(y, bits).reshape(5, bits, word_count(dim)), dim)
    weights = 2 ** np.arange(bits - 1, -1, -1)
    np.testing.assert_array_equal(np.einsum("npd,p->nd", 2 * planes.astype(int) - 1, weights), y)
    for row, grid in zip(x[[1, 3, 4]], y[[1, 3, 4]], strict=True):
        assert cosine(row, grid) >= cosine(row, np.where(row > 0, 1, -1)) - 1e-6


@pytest.mark.parametrize("lists", [1, 4])
def test_the_first_plane_and_its_factors_are_the_code_of_one_bit(lists):
    x = clustered(100, 70)
    one, many = (RaBitQBinarizer(lists, component_bits=bits).fit(x) for bits in (1, 6))
    less, more = one.transform(x), many.transform(x)
    assert more.shape[1] == many.words == 6 * 2 + 2 + (lists > 1)
    assert many.bytes_per_vector == 8 * many.words
    assert many.bits == 6 * 70
    np.testing.assert_array_equal(more[:, :2], less[:, :2])
    np.testing.assert_array_equal(more[:, 12], less[:, 2])
    np.testing.assert_array_equal(many.cells(more), one.cells(less))


# ---------------------------------------------------------------------- estimates


@pytest.mark.parametrize("lists", [1, 4])
@pytest.mark.parametrize("bits", [2, 5])
def test_estimates_without_bias(lists, bits):
    x = clustered(30, 32, seed=2)
    query = x[:1] + 0.5
    estimates = []
    for seed in range(200):
        model = RaBitQBinarizer(lists, seed=seed, component_bits=bits, metric="ip").fit(x)
        estimates.append(model.scores(query, model.transform(x))[0])
    truth = (query @ x.T)[0]
    standard_error = np.std(estimates, axis=0) / math.sqrt(200)
    # 30 z-scores: the largest exceeds 4.5 by chance in fewer than 1 of 4 000 choices of seeds
    assert (np.abs(np.mean(estimates, axis=0) - truth) < 4.5 * standard_error + 1e-5).all()


@pytest.mark.parametrize("bits", [1, 2, 4, 7, 9])
@pytest.mark.parametrize("lists", [1, 8])
def test_the_bound_holds_as_often_as_stated(lists, bits):
    rng = np.random.default_rng(bits)
    x, queries = rng.standard_normal((200, 128)), rng.standard_normal((100, 128))
    model = RaBitQBinarizer(lists, component_bits=bits, metric="ip").fit(x.astype(np.float32))
    codes, q = model.transform(x.astype(np.float32)), queries.astype(np.float32)
    error = np.abs(model.scores(q, codes) - queries @ x.T)
    bound = model.error_bound(q, codes)
    # unrelated queries fall outside 1.9 standard deviations in 2 (1 - Phi(1.9)) = 5.7 % of all cases; of nine bits,
    # the bound is a little wider, for the rounding of what it is computed from
    assert 0.025 < (error > bound).mean() < 0.075
    assert bound.mean() < 1.9 * 1.3 * 2.0 ** (1 - bits) * np.linalg.norm(q, axis=1).mean()


def test_each_bit_halves_the_error():
    x, queries = clustered(500, 96), clustered(20, 96, seed=3)
    truth, errors = queries.astype(float) @ x.astype(float).T, []
    for bits in range(1, 9):
        model = RaBitQBinarizer(component_bits=bits, metric="ip").fit(x)
        estimates = model.scores(queries, model.transform(x))
        errors.append(np.abs(estimates - truth).mean())
    ratios = [more / less for more, less in itertools.pairwise(errors)]
    assert all(1.7 < ratio < 3 for ratio in ratios)


def test_codes_are_compared_by_all_their_bits():
    x = unit(clustered(300, 80))
    errors = []
    for bits in (1, 3, 6):
        model = RaBitQBinarizer(component_bits=bits).fit(x)
        codes = model.transform(x[:50])
        rows = x[:50] - model.mean_
        truth = unit(rows) @ unit(rows).T
        errors.append(np.abs(model.scores(codes, codes) - truth).mean())
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


@pytest.mark.parametrize("bits", [2, 9])
def test_a_vector_that_is_the_center_is_estimated_exactly(bits):
    x = unit(clustered(60, 40))
    model = RaBitQBinarizer(component_bits=bits).fit(x)
    codes = model._encode(model.mean_[None])  # transform makes it longer
    assert model.whole(codes) == (0, 0)
    assert (model.scores(x[:3], codes) == 0).all()
    assert (model.error_bound(x[:3], codes) == 0).all()


def test_bits_that_there_are_not():
    for bits in (0, 10, 2.5, "4", None):
        with pytest.raises(ParameterError, match="component_bits"):
            RaBitQBinarizer(component_bits=bits).fit(clustered(20, 8))


# ---------------------------------------------------------------------- files


def test_models_are_saved_with_their_bits_and_those_of_one_bit_as_before(tmp_path):
    x = clustered(60, 40)
    for bits in (1, 5):
        model = RaBitQBinarizer(component_bits=bits).fit(x)
        model.save(tmp_path / str(bits))
        loaded = RaBitQBinarizer.load(tmp_path / str(bits))
        assert loaded.component_bits == loaded.levels == bits
        np.testing.assert_array_equal(loaded.transform(x), model.transform(x))
    assert "component_bits" not in (tmp_path / "1" / "model.json").read_text()


def test_bits_of_a_fitted_model_do_not_change():
    x = clustered(60, 40)
    model = RaBitQBinarizer(component_bits=3).fit(x)
    codes = model.transform(x)
    model.set_params(component_bits=5, backend="numpy")
    np.testing.assert_array_equal(model.transform(x), codes)
    assert model.levels == 3
    assert model.fit(x).levels == 5


@pytest.mark.parametrize("lists", [1, 3])
def test_factors_that_are_no_numbers_are_told(lists):
    x = unit(clustered(60, 24))
    index = EmbeddingIndex.create(None, RaBitQBinarizer(lists, component_bits=2).fit(x))
    index.add(x)
    codes = index.codes.codes(np.arange(60))
    codes[7, 3] = np.array([np.nan, 1], "<f4").view("<u8")[0]
    index.codes.update(np.arange(60), codes)
    with pytest.raises(FileFormatError, match="contains NaN or infinity"):
        index.search(x[:1])


# ---------------------------------------------------------------------- searches


def searched(index, queries, k, **options):
    """Search in one go, and in batches: the same, to the last bit."""
    options = options if index.kind == "ivf" else {name: v for name, v in options.items() if name != "probes"}
    scores, ids = index.search(queries, k, **options)
    for alone in (EstimateRows.alone, property(lambda rows: False)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pipeline, "FEW_QUERIES", 0)
            patch.setattr(EstimateRows, "alone", alone)
            again = index.search(queries, k, **options)
        np.testing.assert_array_equal(again[1], ids)
        np.testing.assert_array_equal(again[0], scores)
    return scores, ids


@pytest.mark.parametrize("lists", [1, 7])
@pytest.mark.parametrize("bits", [2, 4, 9])
@pytest.mark.parametrize("dim", [2, 24, 65])
def test_indexes_order_by_all_bits(lists, bits, dim):
    x, queries, alive = clustered(500, dim), clustered(30, dim, seed=3), np.setdiff1d(np.arange(500), [3, 5])
    model = RaBitQBinarizer(lists, component_bits=bits).fit(unit(x))
    index = EmbeddingIndex.create(None, model)
    index.add(x)
    index.remove([3, 5])
    assert index.bytes_per_vector == model.bytes_per_vector
    scores, ids = searched(index, queries, 10, probes=EVERY, candidates=EVERY)
    shift = unit(queries) @ model.mean_
    codes = np.zeros((500, model.words), np.uint64)
    codes[alive] = index.codes.codes(alive)
    estimates = model.scores(unit(queries), codes) + shift[:, None]
    # queries are rounded to 16 bits here, and are not there
    np.testing.assert_allclose(scores, -np.sort(-estimates[:, alive], axis=1)[:, :10], atol=2e-4)
    np.testing.assert_allclose(np.take_along_axis(estimates, ids, axis=1), scores, atol=2e-4)
    few = searched(index, queries, 5, probes=2, candidates=40)
    among = searched(index, queries, 5, probes=2, candidates=40, among=np.arange(0, 500, 2)[3:])
    for found in (few, among):
        there = found[1] >= 0
        assert (found[0][there] <= scores[:, :1].repeat(5, axis=1)[there]).all()
        assert (np.diff(found[0], axis=1)[there[:, 1:]] <= 0).all()
    assert (among[1][among[1] >= 0] % 2 == 0).all()


def test_more_bits_find_more():
    x, queries = clustered(2000, 64, clusters=3), clustered(50, 64, seed=3, clusters=3)
    truth = np.argsort(-(unit(queries) @ unit(x).T), axis=1)[:, :10]
    recalls = []
    for bits in (1, 2, 4, 8):
        index = EmbeddingIndex.create(None, RaBitQBinarizer(component_bits=bits).fit(unit(x)))
        index.add(x)
        ids = searched(index, queries, 10, candidates=500)[1]
        recalls.append(np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(ids, truth, strict=True)]))
    assert recalls == sorted(recalls)
    assert recalls[-1] > 0.95


@pytest.mark.parametrize("keep", ["int8", "float32"])
def test_originals_come_before_all_bits(keep):
    x, queries = clustered(300, 24), clustered(20, 24, seed=3)
    one, many = (
        EmbeddingIndex.create(None, RaBitQBinarizer(3, component_bits=bits).fit(unit(x)), keep=keep) for bits in (1, 4)
    )
    one.add(x), many.add(x)
    for found, other in zip(*(searched(index, queries, 5, probes=2) for index in (one, many)), strict=True):
        np.testing.assert_array_equal(found, other)


@pytest.mark.parametrize("lists", [1, 4])
def test_files_and_later_rows(lists, tmp_path):
    x, queries = clustered(400, 40), clustered(10, 40, seed=3)
    index = EmbeddingIndex.create(tmp_path / "index", RaBitQBinarizer(lists, component_bits=3).fit(unit(x)))
    index.add(x[:380])
    searched(index, queries, 5, probes=2)
    index.add(x[380:])  # a tail that is grouped by itself
    expected = searched(index, queries, 5, probes=2)
    index.close()
    with EmbeddingIndex.open(tmp_path / "index") as again:
        again.verify()
        for found, other in zip(searched(again, queries, 5, probes=2), expected, strict=True):
            np.testing.assert_array_equal(found, other)


def test_no_rows_and_no_queries():
    x = unit(clustered(40, 24))
    index = EmbeddingIndex.create(None, RaBitQBinarizer(2, component_bits=3).fit(x))
    assert index.search(x[:3], 5)[1].shape == (3, 0)
    index.add(x)
    assert searched(index, x[:0], 5, probes=1)[1].shape == (0, 5)


def test_candidates_are_compared_in_blocks(monkeypatch):
    x, queries = clustered(300, 24), clustered(40, 24, seed=3)
    index = EmbeddingIndex.create(None, RaBitQBinarizer(4, component_bits=3).fit(unit(x)))
    index.add(x)
    monkeypatch.setattr(pipeline, "FEW_QUERIES", 0)
    monkeypatch.setattr(EstimateRows, "alone", False)
    expected = index.search(queries, 5, probes=2)
    monkeypatch.setattr(rabitq_whole, "PAIRS", 70)
    for found, other in zip(index.search(queries, 5, probes=2), expected, strict=True):
        np.testing.assert_array_equal(found, other)


def test_queries_that_are_no_numbers_are_told_by_their_rows(monkeypatch):
    x = unit(clustered(100, 24))
    index = EmbeddingIndex.create(None, RaBitQBinarizer(4, component_bits=3).fit(x))
    index.add(x)
    monkeypatch.setattr(pipeline, "QUERY_BLOCK", 7)
    x[90, 3] = np.nan
    with pytest.raises(ParameterError, match="row 90 of queries"):
        index.search(x)
    with pytest.raises(ParameterError, match="row 2 of queries"):
        index.search(x[88:91])


def test_arrays_of_any_kind_of_memory():
    x = clustered(60, 40)
    model = RaBitQBinarizer(2, component_bits=3).fit(x)
    codes, scores = model.transform(x), model.scores(x[:4], model.transform(x))
    fixed, apart = x.copy(), np.repeat(x, 2, axis=0)[::2]
    fixed.flags.writeable = False
    for other in (fixed, apart, x.astype(">f4"), np.asfortranarray(x), x.astype(np.float64)):
        np.testing.assert_array_equal(model.transform(other), codes)
    for other in (codes[:, ::-1].copy()[:, ::-1], codes.astype(">u8"), np.asfortranarray(codes)):
        np.testing.assert_array_equal(model.scores(x[:4], other), scores)
        np.testing.assert_array_equal(model.error_bound(x[:4], other), model.error_bound(x[:4], codes))
