"""Metrics of binarizers: cosine, inner product and Euclidean distance, of vectors of all lengths."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdc.apps.retrieval.binarizers import (
    OrthoHashBinarizer,
    RaBitQBinarizer,
    RecurrentBinarizer,
    ScalarBinarizer,
    SignBinarizer,
    load,
)
from hdc.apps.retrieval.vectors.space import METRICS, Mapped, Space
from hdc.dispatch import backend, search_kernels
from hdc.errors import FileFormatError, ParameterError
from tests import naive

KERNELS = search_kernels(backend("auto"))

MODELS = {
    "sign": lambda metric: SignBinarizer(512, metric=metric),
    "rabitq": lambda metric: RaBitQBinarizer(metric=metric),
    "rabitq, lists": lambda metric: RaBitQBinarizer(lists=8, metric=metric),
    "rabitq, 4 bits": lambda metric: RaBitQBinarizer(metric=metric, component_bits=4),
    "rabitq, 4 bits, lists": lambda metric: RaBitQBinarizer(lists=8, metric=metric, component_bits=4),
    "scalar": lambda metric: ScalarBinarizer(code_size=40, metric=metric),
    "scalar, random": lambda metric: ScalarBinarizer(rotation="random", metric=metric),
    "recurrent": lambda metric: RecurrentBinarizer(128, rounds=0, metric=metric),
    "recurrent, refined": lambda metric: RecurrentBinarizer(128, rounds=3, metric=metric),
}


NAMES = [pytest.param(name, marks=pytest.mark.slow if "refined" in name else ()) for name in MODELS]


def log_normal(n=2000, d=64, seed=0, center=0.0):
    """Return clustered vectors whose lengths are log-normal, the longest about thirty times the shortest."""
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(99).standard_normal((40, d))
    x = centers[rng.integers(0, 40, n)] + 0.7 * rng.standard_normal((n, d))
    return (x * np.exp(0.5 * rng.standard_normal((n, 1))) + center).astype(np.float32)


X, QUERIES = log_normal(), log_normal(100, seed=1)


def recall(found, truth, k=10):
    exact = np.argsort(-truth, axis=1, kind="stable")[:, :k]
    return np.mean([np.isin(right, own).mean() for own, right in zip(found, exact, strict=True)])


# The space


@given(
    metric=st.sampled_from(METRICS),
    d=st.integers(1, 9),
    n=st.integers(1, 12),
    lifted=st.booleans(),
    centered=st.booleans(),
    exponent=st.integers(-12, 12),
    seed=st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=50)
def test_products_of_mapped_vectors_are_scores(metric, d, n, lifted, centered, exponent, seed):
    """Exactly so, but for rounding, of all vectors that are no longer than the radius."""
    rng = np.random.default_rng(seed)
    x = (10.0**exponent * rng.standard_normal((n, d)) * rng.lognormal(size=(n, 1))).astype(np.float32)
    q = (10.0**exponent * rng.standard_normal((3, d))).astype(np.float32)
    space = Space.fit(metric, x, lifted=lifted, centered=centered)
    mapped, asked = space.vectors(KERNELS, x), space.queries(KERNELS, q)
    assert mapped.shape == (n, d + space.added) == Mapped(space, KERNELS, x).shape
    assert asked.shape == (3, d + space.added)
    assert mapped.dtype == asked.dtype == np.float32
    scores, truth = space.from_products(asked @ mapped.T, q), naive.similarities(q, x, metric)
    lengths = np.linalg.norm(mapped, axis=1)
    if space.radius:
        assert np.allclose(lengths, 1, atol=1e-5)
        whole = mapped[:, -1] > 0
    else:
        whole = np.ones(n, dtype=bool)
    size = np.abs(space.slope(q))[:, None] * np.linalg.norm(asked, axis=1)[:, None] * np.maximum(1, lengths)
    size = size + np.abs(naive.similarities(q, x, metric))
    if metric != "cosine":
        middle = np.zeros(d) if space.center is None else space.center
        size = size + naive.similarities(q, [middle], "ip").__abs__() - naive.similarities(q, [middle], "l2")
    assert (np.abs(scores - truth) <= 2e-5 * size)[:, whole].all()


@pytest.mark.parametrize(("metric", "share"), [("ip", 0.97), ("l2", 0.65)])
def test_the_radius_leaves_the_stated_part_whole(metric, share):
    mapped = Space.fit(metric, X).vectors(KERNELS, X)
    assert (mapped[:, -1] > 0).mean() == pytest.approx(share, abs=2 / len(X))


@pytest.mark.parametrize("metric", METRICS)
def test_what_an_index_keeps_tells_the_scores(metric):
    x, q = log_normal(200, 8, center=5.0), log_normal(20, 8, seed=1, center=5.0)
    space = Space.fit(metric, x)
    kept, asked = space.kept(KERNELS, x), space.kept(KERNELS, q)
    lengths = np.tile(np.linalg.norm(kept, axis=1), (len(q), 1))
    found = space.from_cosines(naive.similarities(asked, kept, "cosine").astype(np.float32), lengths, q)
    assert np.allclose(found, naive.similarities(q, x, metric), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("x", [np.zeros((4, 3)), np.ones((4, 3)), np.eye(3), np.full((1, 3), 1e-30)])
def test_vectors_that_do_not_vary(metric, x):
    x = x.astype(np.float32)
    space = Space.fit(metric, x)
    scores = space.from_products(space.queries(KERNELS, x) @ space.vectors(KERNELS, x).T, x)
    assert np.allclose(scores, naive.similarities(x, x, metric), atol=1e-5)


def test_vectors_far_outside_are_told_and_longer_ones_are_not_wrong():
    model = RaBitQBinarizer(metric="l2").fit(X)
    far = 1000 * X[:50]
    truth = naive.similarities(far, far, "l2")
    assert recall(model.search(far, model.transform(far), 1)[1], truth, 1) == 1.0
    with pytest.raises(ParameterError, match="times as long as those that the model was fitted to"):
        model.transform(np.full((1, 64), 1e30, dtype=np.float32))


# Binarizers

FOUND = {
    ("sign", "ip"): 0.83,
    ("sign", "l2"): 0.58,
    ("rabitq", "ip"): 0.75,
    ("rabitq", "l2"): 0.6,
    ("rabitq, lists", "ip"): 0.76,
    ("rabitq, lists", "l2"): 0.6,
    ("rabitq, 4 bits", "ip"): 0.92,
    ("rabitq, 4 bits", "l2"): 0.89,
    ("rabitq, 4 bits, lists", "ip"): 0.92,
    ("rabitq, 4 bits, lists", "l2"): 0.89,
    ("scalar", "ip"): 0.93,
    ("scalar", "l2"): 0.89,
    ("scalar, random", "ip"): 0.88,
    ("scalar, random", "l2"): 0.71,
    ("recurrent", "ip"): 0.78,
    ("recurrent", "l2"): 0.5,
    ("recurrent, refined", "ip"): 0.86,
    ("recurrent, refined", "l2"): 0.59,
}
"""Least recall@10 of codes alone: about .05 less than the least that was measured with seeds 0 to 4."""


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("name", NAMES)
def test_codes_find_by_the_metric(name, metric, tmp_path):
    model, blind = MODELS[name](metric).fit(X), MODELS[name]("cosine").fit(X)
    codes, truth = model.transform(X), naive.similarities(QUERIES, X, metric)
    assert (model.n_features_in_, model.space_.metric) == (64, metric)
    scores, ids = model.search(QUERIES, codes)
    found = recall(ids, truth)
    assert found > FOUND[name, metric]
    assert found > recall(blind.search(QUERIES, blind.transform(X))[1], truth) + 0.1
    assert np.allclose(scores, np.take_along_axis(model.scores(QUERIES, codes), ids, axis=1), rtol=1e-3, atol=1e-2)
    assert (np.diff(scores, axis=1) <= 0).all()
    model.save(tmp_path)
    again = load(tmp_path)
    assert np.array_equal(again.transform(X[:50]), model.transform(X[:50]))
    assert np.array_equal(again.search(QUERIES, codes)[0], scores)
    assert again.get_params()["metric"] == metric


@pytest.mark.parametrize("name", NAMES)
def test_cosines_do_not_depend_on_lengths(name):
    longer = X * np.exp2(
        np.random.default_rng(0).integers(-3, 4, (len(X), 1)), dtype=np.float32
    )  # which rounds nothing
    model = MODELS[name]("cosine").fit(X)
    codes = model.transform(X)
    assert np.array_equal(codes, MODELS[name]("cosine").fit(longer).transform(longer))
    a, b = model.scores(QUERIES[:5], codes[:9]), model.scores(7 * QUERIES[:5], codes[:9])
    assert np.allclose(a, b, atol=1e-5)


def test_symmetric_codes_of_queries_find_too():
    for metric, least in (("ip", 0.7), ("l2", 0.35)):
        model = SignBinarizer(512, metric=metric).fit(X)
        found = model.search(QUERIES, model.transform(X), asymmetric=False)[1]
        assert recall(found, naive.similarities(QUERIES, X, metric)) > least


def test_what_does_not_apply_is_told():
    for make in MODELS.values():
        with pytest.raises(ParameterError, match="metric must be one of"):
            make("euclid").fit(X[:20])
    with pytest.raises(ParameterError, match="needs rotate=True"):
        SignBinarizer(rotate=False, metric="ip").fit(X)
    with pytest.raises(TypeError, match="metric"):
        OrthoHashBinarizer(metric="ip")


def test_models_without_a_space_take_vectors_as_they_are(tmp_path):
    """Saved again, they are byte for byte what they were, so that indexes know them."""
    model = SignBinarizer(64)
    model._set_state({"mean": X.mean(axis=0)})
    model.save(tmp_path / "old")
    again = load(tmp_path / "old")
    assert again.space_.as_given
    assert again.metric == "cosine"
    again.save(tmp_path / "new")
    for name in ("model.json", "model.safetensors"):
        assert (tmp_path / "old" / name).read_bytes() == (tmp_path / "new" / name).read_bytes()
    centered = SignBinarizer(64, center=False)
    centered._set_state({"mean": np.zeros(64, np.float32)})
    assert np.array_equal(model.transform(X), centered.transform(X - X.mean(axis=0)))


def test_a_space_of_another_metric_is_told():
    arrays = Space.fit("ip", X).to_arrays()
    for metric, wrong in [
        ("cosine", arrays),
        ("l2", {}),
        ("euclid", arrays),
        ("ip", arrays | {"space.numbers": np.array([1.0, np.nan, 1, 1])}),
        ("ip", {"space.numbers": arrays["space.numbers"]}),
    ]:
        with pytest.raises(FileFormatError, match="no valid space of metric"):
            Space.of_arrays(metric, dict(wrong))
