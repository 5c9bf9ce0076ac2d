"""Binarizers: the recurrence against plain Python, scores against floats, damaged files, scikit-learn's habits."""

import itertools
import json
import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.apps.retrieval import binarizers
from hdc.apps.retrieval.binarizers import RaBitQBinarizer, RecurrentBinarizer, SignBinarizer, base
from hdc.apps.retrieval.binarizers.bebr.checkpoint import Checkpoint
from hdc.apps.retrieval.binarizers.bebr.decoder import TableDecoder, fit_tables, metric_of
from hdc.apps.retrieval.binarizers.bebr.recurrence import initial, unit
from hdc.apps.retrieval.binarizers.files import write_model
from hdc.apps.retrieval.binarizers.symmetric import code_norms, symmetric_scores, symmetric_search
from hdc.dispatch import backend
from hdc.errors import (
    BackendUnavailableError,
    DimensionError,
    DTypeError,
    FileFormatError,
    MismatchError,
    ParameterError,
    UnsupportedError,
)
from hdc.words import pack, unpack
from tests import naive

KERNELS = backend("auto")


def clustered(n=700, d=32, seed=0, clusters=40):
    rng = np.random.default_rng(seed)
    centers = rng.standard_normal((clusters, d)) * 0.97 ** np.arange(d)
    x = centers[rng.integers(0, clusters, n)] + 0.6 * rng.standard_normal((n, d)) * 0.97 ** np.arange(d)
    return (x + 0.3).astype(np.float32)


def recall(found, x, queries, k=10):
    norms = np.linalg.norm(x, axis=1)
    truth = np.argsort(-(queries @ x.T) / norms, axis=1)[:, :k]
    return np.mean([len(np.intersect1d(a, b)) for a, b in zip(found[:, :k], truth, strict=True)]) / k


MODELS = {
    "sign": lambda: SignBinarizer(dim=128),
    "sign, odd": lambda: SignBinarizer(dim=37, center=False),
    "sign, plain": lambda: SignBinarizer(rotate=False),
    "rabitq": lambda: RaBitQBinarizer(),
    "rabitq, lists": lambda: RaBitQBinarizer(lists=5),
    "rabitq, bits": lambda: RaBitQBinarizer(component_bits=4),
    "rabitq, lists and bits": lambda: RaBitQBinarizer(lists=5, component_bits=3),
    "hash": lambda: RecurrentBinarizer(dim=64, rounds=0),
    "recurrent": lambda: RecurrentBinarizer(dim=64, loops=2, rounds=0),
    "refined": lambda: RecurrentBinarizer(dim=64, loops=1, rounds=2),
}


@pytest.fixture(params=MODELS)
def fitted(request):
    return MODELS[request.param]().fit(clustered())


# The recurrence


@pytest.mark.parametrize("loops", [0, 1, 3])
def test_recurrence_follows_its_definition(loops):
    x = clustered(600, 48)
    maps = initial(x, 64, loops, seed=3)
    expected = [naive.recurrence(row, maps) for row in x[:20]]
    assert np.array_equal(maps.signs(x[:20]), np.array(expected))


@given(st.integers(1, 3), st.integers(1, 130), st.integers(0, 2**32))
@settings(max_examples=25, deadline=None)
def test_symmetric_score_is_the_exact_dot_product_over_the_norms(levels, dim, seed):
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (9, levels, dim))
    components = np.einsum("nld,l->nd", signs, 2.0 ** np.arange(levels)[::-1])
    codes = pack(signs > 0).reshape(9, -1)
    norms = code_norms(codes, dim, levels)
    assert np.array_equal(norms, np.sqrt((components**2).sum(axis=1)))
    expected = ((components[:4] @ components.T) / (norms[:4, None] * norms)).astype(np.float32)
    assert np.array_equal(symmetric_scores(KERNELS, codes[:4], codes, dim, levels), expected)


@pytest.mark.parametrize("levels", [1, 2])
def test_symmetric_search_sorts_and_breaks_ties_by_id(levels, monkeypatch):
    monkeypatch.setattr("hdc.apps.retrieval.binarizers.symmetric.SCORES", 49)  # seven queries by seven codes
    codes = np.random.default_rng(0).integers(0, 4, (60, levels)).astype(np.uint64)
    queries = codes[::9]
    scores, ids = symmetric_search(KERNELS, queries, codes, 2, levels, 11)
    every = symmetric_scores(KERNELS, queries, codes, 2, levels)
    expected = np.argsort(-every, axis=1, kind="stable")[:, :11]
    assert np.array_equal(ids, expected)
    assert np.allclose(scores, np.take_along_axis(every, expected, axis=1))


# All models


def test_asymmetric_scores_are_dot_products_with_what_codes_stand_for(fitted):
    x, queries = unit(clustered()), unit(clustered(5, seed=1))
    codes = fitted.transform(x)
    assert codes.shape == (len(x), fitted.words)
    assert fitted.bytes_per_vector == codes.nbytes // len(x)
    signs = codes[:, : fitted.levels * -(-fitted.dim_ // 64)].reshape(len(x), fitted.levels, -1)
    values = 2.0 * unpack(signs, fitted.dim_).reshape(len(x), -1) - 1
    if isinstance(fitted, RaBitQBinarizer):
        weights = 2.0 ** np.arange(fitted.levels)[::-1]
        values = np.einsum("nld,l->nd", values.reshape(len(x), fitted.levels, -1), weights)
    if isinstance(fitted, RecurrentBinarizer):
        expected = queries @ unit(fitted.decode(codes)).T
    elif isinstance(fitted, SignBinarizer):
        expected = fitted._project(queries - fitted.mean_) * fitted._unit @ values.T * fitted.scale(codes)
    else:  # (q - c) . r as estimated, and exactly r . c and q . (c - mean)
        q, rows = fitted._rotate(queries), fitted._rotate(x)
        centers = fitted._centers[fitted.factors(codes).cells]
        residuals = rows - centers
        scale = (residuals**2).sum(axis=1) / (residuals * values).sum(axis=1)  # |r| over the cosine and |values|
        estimates = np.einsum("qnd,nd->qn", q[:, None] - centers, values) * scale
        known = (residuals * centers).sum(axis=1) + q @ (centers - fitted._of_mean).T
        expected = estimates + known
    assert np.allclose(fitted.scores(queries, codes), expected, atol=5e-3, rtol=1e-3)


@pytest.mark.parametrize("asymmetric", [True, False])
def test_search_returns_the_greatest_scores(fitted, asymmetric):
    if not asymmetric and not fitted.symmetric:
        with pytest.raises(UnsupportedError, match="pass floats"):
            fitted.scores(clustered(3), fitted.transform(clustered()), asymmetric=False)
        return
    x, queries = clustered(), clustered(6, seed=1)
    codes = fitted.transform(np.concatenate([x, x[:50]]))
    every = fitted.scores(queries, codes, asymmetric=asymmetric)
    scores, ids = fitted.search(queries, codes, 20, asymmetric=asymmetric)
    expected = np.argsort(-every, axis=1, kind="stable")[:, :20]
    assert np.array_equal(ids, expected)
    assert np.allclose(scores, np.take_along_axis(every, ids, axis=1))


def test_queries_may_be_codes(fitted):
    codes = fitted.transform(clustered())
    if not fitted.symmetric:
        with pytest.raises(UnsupportedError, match="pass floats"):
            fitted.search(codes[:4], codes, 3)
        return
    assert np.array_equal(
        fitted.search(codes[:4], codes, 3)[1], fitted.search(clustered()[:4], codes, 3, asymmetric=False)[1]
    )


def test_blocks_and_mapped_files_change_nothing(fitted, tmp_path, monkeypatch):
    x = clustered()
    codes = fitted.transform(x)
    np.save(tmp_path / "x.npy", x.astype(np.float16))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    whole = fitted.transform(np.asarray(mapped))
    monkeypatch.setattr(base, "BLOCK_BYTES", 1 << 17)
    assert len(list(base.blocks(len(x), 16 * (x.shape[1] + fitted.bits)))) > 1
    differing = np.bitwise_count(fitted.transform(mapped) ^ whole)[:, : fitted.bits // 64].sum()
    assert differing <= 2e-3 * len(x) * fitted.bits  # a matrix product rounds differently in blocks of other sizes
    assert np.array_equal(fitted.search(x[:90], codes, 5)[1][:10], fitted.search(x[:10], codes, 5)[1])


def test_fits_are_deterministic(fitted):
    x = clustered()
    again = type(fitted)(**fitted.get_params()).fit(x)
    assert np.array_equal(again.transform(x), fitted.transform(x))


def test_no_vectors_no_codes(fitted):
    codes = fitted.transform(np.empty((0, 32), dtype=np.float32))
    assert codes.shape == (0, fitted.words)
    for asymmetric in (True, False) if fitted.symmetric else (True,):
        scores, ids = fitted.search(clustered(3), codes, 5, asymmetric=asymmetric)
        assert scores.shape == ids.shape == (3, 0)


def test_bad_input_is_told(fitted):
    x = clustered(20)
    codes = fitted.transform(x)
    x[7, 3] = np.nan
    with pytest.raises(ParameterError, match="row 7 of X"):
        fitted.transform(x)
    with pytest.raises(ParameterError, match="row 7 of X"):
        type(fitted)(**fitted.get_params()).fit(x)
    with pytest.raises(DimensionError, match=r"\(n, 32\)"):
        fitted.transform(x[:, :31])
    with pytest.raises(DTypeError, match="packed codes"):
        fitted.transform(np.ones((2, 32), dtype=np.uint64))
    with pytest.raises(DTypeError, match="uint64"):
        fitted.search(x[:1], codes.astype(np.int64))
    with pytest.raises(DimensionError, match="codes must have shape"):
        fitted.search(x[:1], codes[:, :0])
    with pytest.raises(ParameterError, match="k must be"):
        fitted.search(x[:1], codes, 0)
    with pytest.raises(ParameterError, match="not fitted"):
        type(fitted)().transform(x)
    with pytest.raises(ParameterError, match="at least one vector"):
        type(fitted)().fit(x[:0])
    with pytest.raises(ParameterError, match="no parameter 'bitz'"):
        fitted.set_params(bitz=3)


@pytest.mark.parametrize(
    "parameters", [{"dim": 65}, {"dim": 0}, {"loops": -1}, {"rounds": 1.5}, {"steps": -1}, {"patience": 0}]
)
def test_bad_parameters_of_the_recurrent_binarizer(parameters):
    with pytest.raises(ParameterError, match=next(iter(parameters))):
        RecurrentBinarizer(**parameters).fit(clustered(20))


def test_more_bits_than_components_need_rotation():
    with pytest.raises(ParameterError, match="rotate=True"):
        SignBinarizer(dim=64, rotate=False).fit(clustered(20))


@pytest.mark.parametrize("x", [np.ones((30, 4), dtype=np.float32), np.zeros((1, 4), dtype=np.float32)])
@pytest.mark.parametrize("model", MODELS)
def test_vectors_without_variance(model, x):
    binarizer = MODELS[model]()
    if getattr(binarizer, "lists", 1) > len(x):
        pytest.skip("fewer vectors than lists")
    codes = binarizer.fit(x).transform(x)
    assert np.isfinite(binarizer.scores(x, codes)).all()


# Quality


def test_refined_codes_find_more_than_signs_of_the_same_size():
    vectors = unit(clustered(3100, 64))
    x, queries = vectors[:3000], vectors[3000:]
    signs, refined = SignBinarizer(dim=64).fit(x), RecurrentBinarizer(dim=64, rounds=4).fit(x)
    found = {m: recall(m.search(queries, m.transform(x))[1], x, queries) for m in (signs, refined)}
    assert found[refined] > found[signs] + 0.1
    assert refined.recall_ > 0.3


@pytest.mark.parametrize("model", [SignBinarizer(256), RecurrentBinarizer(64, rounds=1)], ids=["sign", "recurrent"])
def test_a_large_mean_hides_nobody(model):
    """Vectors about a mean of 3 are all alike, and what they differ by is what a search is about."""
    vectors = clustered(2100, 64) + np.float32(3)
    x, queries = unit(vectors[:2000]), unit(vectors[2000:])
    codes = model.fit(x).transform(x)
    assert recall(model.search(queries, codes)[1], x, queries) > 0.5


def test_the_scores_of_signs_are_those_of_centered_queries():
    x = unit(clustered(300, 48) + np.float32(3))
    model = SignBinarizer(192).fit(x)
    about_none = SignBinarizer(192, center=False).fit(x - model.mean_)
    codes, moved = model.transform(x), x - model.mean_
    lengths = np.linalg.norm(moved[:9], axis=1, keepdims=True)
    np.testing.assert_allclose(model.scores(x[:9], codes), about_none.scores(moved[:9], codes) * lengths, atol=1e-5)


def test_codes_of_unequal_lengths_are_compared_by_cosine():
    """Lengths that the codes make up for unit vectors about a long mean do not drown who is near."""
    vectors = unit(clustered(2200, 48) + np.float32(4))
    x, queries = vectors[:2000], vectors[2000:]
    model = RecurrentBinarizer(64, rounds=3).fit(x)
    codes = model.transform(x)
    decoded = model.decode(codes)
    by_product = np.argsort(-(queries @ decoded.T), axis=1, kind="stable")[:, :10]
    found = model.search(queries, codes)[1]
    assert recall(found, x, queries) > recall(by_product, x, queries) + 0.1
    np.testing.assert_allclose(model.scale(codes), 1 / np.linalg.norm(decoded, axis=1), rtol=1e-5)


def test_refining_lowers_the_stated_error():
    x = clustered(200, 16)
    mean, metric = x.mean(axis=0), metric_of(x - x.mean(axis=0), 0.5)
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 16, (200, 6)).astype(np.uint8)
    tables = rng.standard_normal((96, 16)).astype(np.float32)

    def errors(decoder, codes):
        e = decoder.decode(codes) - x
        return ((e @ metric) ** 2).sum(axis=1) + decoder.parallel * (e * (x - mean)).sum(axis=1) ** 2

    decoder = TableDecoder(mean, metric, 0.1, tables, "auto")
    before = errors(decoder, codes)
    after = errors(decoder, decoder.refine(x, codes, 20))
    assert (after <= before + 1e-2).all()
    assert after.sum() < 0.5 * before.sum()
    fitted = fit_tables(x, codes, decoder)
    assert errors(fitted, codes).sum() < before.sum()
    assert np.array_equal(decoder.refine(x, codes, 0), codes)


# RaBitQ


@pytest.mark.parametrize("lists", [1, 4])
def test_rabitq_estimates_without_bias(lists):
    x = clustered(40, 64, seed=2) * np.linspace(0.2, 3, 40, dtype=np.float32)[:, None]
    query = x[:1] + 0.5
    estimates = []
    for seed in range(300):
        model = RaBitQBinarizer(lists, seed=seed, metric="ip").fit(x)
        estimates.append(model.scores(query, model.transform(x))[0])
    truth = (query @ x.T)[0]
    standard_error = np.std(estimates, axis=0) / math.sqrt(300)
    # forty z-scores: the largest exceeds 4.5 by chance in fewer than 1 of 3 000 choices of seeds
    assert (np.abs(np.mean(estimates, axis=0) - truth) < 4.5 * standard_error).all()


@pytest.mark.parametrize("lists", [1, 8])
def test_rabitq_bound_holds_as_often_as_stated(lists):
    rng = np.random.default_rng(0)
    x, queries = rng.standard_normal((400, 256)), rng.standard_normal((100, 256))
    model = RaBitQBinarizer(lists, metric="ip").fit(x.astype(np.float32))
    codes = model.transform(x.astype(np.float32))
    q = queries.astype(np.float32)
    error = np.abs(model.scores(q, codes) - queries @ x.T)
    # unrelated queries fall outside 1.9 standard deviations in 2 (1 - Phi(1.9)) = 5.7 % of all cases
    assert 0.045 < (error > model.error_bound(q, codes)).mean() < 0.07
    near = (x[:100] + 0.1 * rng.standard_normal((100, 256))).astype(np.float32)
    own = np.abs(model.scores(near, codes) - near @ x.T)[np.arange(100), np.arange(100)]
    assert (own > model.error_bound(near, codes)[np.arange(100), np.arange(100)]).mean() <= 0.02
    known = model.factors(codes)
    centers = model.mean_ if lists == 1 else (model.directions_ * model.lengths_[:, None])[known.cells]
    assert np.allclose(known.norm, np.linalg.norm(x * model.space_.scale - centers, axis=1), rtol=1e-5)
    assert abs(known.fit.mean() - 0.799) < 0.005


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_rabitq_of_vectors_of_any_length(metric):
    """Estimates are as good as stated, and better where many lists make residuals short."""
    rng = np.random.default_rng(1)
    x = 50 + (clustered(600, 64) - 0.3) * rng.uniform(0.1, 20, (600, 1)).astype(np.float32)
    queries = 50 + 10 * clustered(30, 64, seed=3)
    errors = []
    for lists in (1, 100):
        model = RaBitQBinarizer(lists, metric=metric).fit(x)
        codes = model.transform(x)
        error = np.abs(model.scores(queries, codes) - naive.similarities(queries, x, metric))
        assert (error > model.error_bound(queries, codes)).mean() < 0.07
        errors.append(error.mean())
    assert errors[1] < 0.8 * errors[0]


def test_rabitq_lists_are_of_nearly_parallel_vectors():
    x = unit(clustered(500, 32))
    model = RaBitQBinarizer(lists=10).fit(x)
    known = model.factors(model.transform(x))
    cosines = x @ unit(model.directions_.astype(np.float32)).T
    assert (cosines.max(axis=1) - cosines[np.arange(500), known.cells] < 0.02).all()  # both are rounded to bytes
    assert known.norm.mean() < np.linalg.norm(x - x.mean(axis=0), axis=1).mean()


def test_lists_of_a_fitted_model_do_not_change():
    model = RaBitQBinarizer(lists=5).fit(clustered())
    codes = model.transform(clustered())
    scores = model.scores(clustered(3), codes)
    model.set_params(lists=9)
    np.testing.assert_array_equal(model.transform(clustered()), codes)
    np.testing.assert_array_equal(model.scores(clustered(3), codes), scores)


def test_lists_need_vectors_that_bytes_can_compare():
    with pytest.raises(ParameterError, match="at most 65536 components"):
        RaBitQBinarizer(lists=2).fit(np.ones((3, 65537), dtype=np.float32))


# Files


def test_parameters_may_be_integers_of_numpy(tmp_path):
    RaBitQBinarizer(lists=np.int64(3)).fit(clustered()).save(tmp_path)
    assert RaBitQBinarizer.load(tmp_path).lists == 3


@pytest.mark.parametrize("name", ["mean", "directions", "lengths"])
def test_models_of_wrong_arrays_are_told(name, tmp_path):
    model = RaBitQBinarizer(lists=5).fit(clustered())
    right = model._state()
    for wrong in ({name: right[name][:-1]}, {name: right[name][None]}, {"directions": right["directions"] * 1.0}):
        write_model(tmp_path, "RaBitQBinarizer", model.get_params(), right | wrong)
        with pytest.raises(FileFormatError, match="cannot have arrays of shapes"):
            RaBitQBinarizer.load(tmp_path)
    write_model(tmp_path, "RaBitQBinarizer", model.get_params(), {k: v for k, v in right.items() if k != name})
    with pytest.raises(FileFormatError, match=f"lacks '{name}'"):
        RaBitQBinarizer.load(tmp_path)


def test_saved_models_encode_the_same(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    loaded = binarizers.load(tmp_path / "model")
    assert type(loaded) is type(fitted)
    assert loaded.get_params() == fitted.get_params()
    codes = fitted.transform(clustered())
    assert np.array_equal(loaded.transform(clustered()), codes)
    assert np.array_equal(loaded.scores(clustered(3), codes), fitted.scores(clustered(3), codes))


def test_damaged_models_are_told(tmp_path):
    SignBinarizer(dim=8).fit(clustered(20, 4)).save(tmp_path)
    for name in ("model.json", "model.safetensors"):
        whole = (tmp_path / name).read_bytes()
        damaged = [whole[:-1], whole + b" x", b""] + [
            whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in range(len(whole))
        ]
        for content in damaged:
            (tmp_path / name).write_bytes(content)
            with pytest.raises(FileFormatError, match="damaged"):
                binarizers.load(tmp_path)
        (tmp_path / name).write_bytes(whole)
    assert binarizers.load(tmp_path).dim == 8
    with pytest.raises(FileFormatError, match="contains a SignBinarizer"):
        RaBitQBinarizer.load(tmp_path)
    with pytest.raises(FileNotFoundError):
        binarizers.load(tmp_path / "nothing")
    with pytest.raises(ParameterError, match="not fitted"):
        SignBinarizer().save(tmp_path)


# Habits of scikit-learn


def test_clone_pipeline_and_estimator_conventions():
    sklearn = pytest.importorskip("sklearn.base", reason="scikit-learn is not installed")
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer

    x = clustered(100)
    for make in MODELS.values():
        model = make()
        copy = sklearn.clone(model)
        assert copy is not model
        assert copy.get_params() == model.get_params()
        codes = make_pipeline(Normalizer(), copy).fit_transform(x)
        assert codes.dtype == np.uint64
        assert not hasattr(model, "n_features_in_")


# Interruptions


class StoppedError(Exception):
    pass


def interrupt_after(monkeypatch, saves):
    count = itertools.count(1)
    save = Checkpoint.save

    def saving(self, *args):
        save(self, *args)
        if next(count) == saves:
            raise StoppedError

    monkeypatch.setattr(Checkpoint, "save", saving)


def test_an_interrupted_fit_goes_on_to_the_same_codes(tmp_path, monkeypatch):
    x = clustered()
    whole = RecurrentBinarizer(dim=64, rounds=4, patience=4).fit(x)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        with pytest.raises(StoppedError):
            RecurrentBinarizer(dim=64, rounds=4, patience=4).fit(x, checkpoint=tmp_path)
    resumed = RecurrentBinarizer(dim=64, rounds=4, patience=4).fit(x, checkpoint=tmp_path)
    assert np.array_equal(resumed.transform(x), whole.transform(x))
    with pytest.raises(FileFormatError, match="other data or parameters"):
        RecurrentBinarizer(dim=64, rounds=4, patience=4).fit(x + 1, checkpoint=tmp_path)


# Gradient training


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="torch is not installed: gradient training cannot be tested")


@pytest.mark.slow
@pytest.mark.parametrize("loops", [0, 1])
def test_training_with_torch_is_deterministic_and_does_no_harm(torch, loops, tmp_path, monkeypatch):
    x = clustered(1200)
    parameters = {"dim": 64, "loops": loops, "rounds": 0, "learning_rate": 3e-3, "patience": 9}
    plain = RecurrentBinarizer(**parameters).fit(x)
    trained = RecurrentBinarizer(**parameters, epochs=4).fit(x)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        with pytest.raises(StoppedError):
            RecurrentBinarizer(**parameters, epochs=4).fit(x, checkpoint=tmp_path)
    resumed = RecurrentBinarizer(**parameters, epochs=4).fit(x, checkpoint=tmp_path)
    assert np.array_equal(resumed.transform(x), trained.transform(x))
    queries = clustered(200, seed=5)
    found = [recall(m.search(queries, m.transform(x), asymmetric=False)[1], x, queries) for m in (plain, trained)]
    assert found[1] >= found[0]
    assert loops or found[1] > found[0]


@pytest.mark.slow
def test_compatible_codes_by_torch_answer_on_an_old_index(torch):
    x = clustered(1500, 48)
    weaker = x[:, :24] + np.float32(0.1)
    old = RecurrentBinarizer(dim=64, rounds=0).fit(weaker)
    old_codes = old.transform(weaker)
    parameters = {"dim": 64, "rounds": 0, "epochs": 6, "learning_rate": 1e-2, "patience": 6, "seed": 1}
    new = RecurrentBinarizer(**parameters).fit(x, old_codes=old_codes)
    apart = RecurrentBinarizer(**parameters).fit(x)
    found = {m: recall(m.search(m.transform(x[:100]), old_codes)[1], x, x[:100]) for m in (new, apart)}
    assert found[new] > 0.2
    assert found[new] > 4 * found[apart]


def test_old_codes_for_torch_of_another_shape_or_mode(torch):
    x = clustered(60)
    with pytest.raises(MismatchError, match=r"\(60, 1\)"):
        RecurrentBinarizer(dim=64, rounds=0, epochs=1).fit(x, old_codes=np.zeros((59, 1), dtype=np.uint64))
    with pytest.raises(ParameterError, match="rounds=0"):
        RecurrentBinarizer(dim=64).fit(x, old_codes=np.zeros((60, 1), dtype=np.uint64))


def test_without_torch_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(BackendUnavailableError, match=r"hdc-toolkit\[torch\]"):
        RecurrentBinarizer(dim=64, epochs=1).fit(clustered(60))


def test_the_description_is_plain_json(tmp_path):
    RecurrentBinarizer(dim=64, rounds=1).fit(clustered(100)).save(tmp_path)
    assert json.loads((tmp_path / "model.json").read_text())["parameters"]["dim"] == 64
