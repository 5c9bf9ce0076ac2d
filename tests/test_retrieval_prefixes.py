"""Codes whose prefixes are codes: what a cut code says, what training keeps, and files."""

import json
import math

import numpy as np
import pytest

from hdc.apps.retrieval import EmbeddingIndex
from hdc.apps.retrieval.binarizers import RecurrentBinarizer, load
from hdc.apps.retrieval.binarizers.bebr import nested
from hdc.apps.retrieval.binarizers.bebr.decoder import TableDecoder, metric_of
from hdc.apps.retrieval.binarizers.bebr.recurrence import unit
from hdc.apps.retrieval.binarizers.bebr.signs import groups_of
from hdc.apps.retrieval.binarizers.bebr.starts import STARTS, Starts
from hdc.apps.retrieval.binarizers.bebr.validation import Validation, not_worse
from hdc.errors import FileFormatError, ParameterError
from tests import models

SETTINGS = {"dim": 192, "prefixes": (64, 128), "rounds": 2, "seed": 3}


def vectors(n, d=24, seed=0):
    """Return unit vectors around 40 centers, on axes of falling variance."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((40, d))[rng.integers(0, 40, n)] + 0.7 * rng.standard_normal((n, d))
    x *= 0.93 ** np.arange(d)
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


X = vectors(600)


@pytest.fixture(scope="module")
def model():
    return RecurrentBinarizer(**SETTINGS).fit(X)


def recall(ids, queries, base):
    truth = np.argsort(-(queries @ base.T), axis=1)[:, : ids.shape[1]]
    return np.mean([len(set(a) & set(b)) for a, b in zip(ids.tolist(), truth.tolist(), strict=True)]) / ids.shape[1]


def test_a_prefix_encodes_as_the_whole_model_and_cuts(model):
    codes = model.transform(X[:50])
    assert model.sizes == (64, 128, 192)
    for bits in model.sizes:
        prefix = model.prefix(bits)
        assert (prefix.dim_, prefix.bits, prefix.words, prefix.bytes_per_vector) == (bits, bits, bits // 64, bits // 8)
        assert np.array_equal(prefix.transform(X[:50]), codes[:, : bits // 64])
        assert np.array_equal(model.cut(codes, bits), codes[:, : bits // 64])
        assert prefix.sizes == tuple(size for size in model.sizes if size <= bits)
    shortest = model.prefix(128).prefix(64)
    assert np.array_equal(shortest.transform(X[:50]), codes[:, :1])
    assert model.dim_ == 192


def test_scores_of_a_prefix_are_products_with_what_its_own_tables_decode(model):
    codes, queries = model.transform(X[:60]), vectors(5, seed=1)
    for bits in model.sizes:
        prefix, cut = model.prefix(bits), model.cut(codes, bits)
        scores = prefix.scores(queries, cut)
        order = np.argsort(-scores, axis=1, kind="stable")
        assert np.array_equal(prefix.search(queries, cut, 7)[1], order[:, :7])
        equal = 1 - 2 * np.bitwise_count(cut[:, None] ^ cut[None, :]).sum(axis=2) / bits
        np.testing.assert_allclose(prefix.scores(cut, cut), equal, atol=1e-6)
    errors = [((X[:60] - model.prefix(bits).decode(model.cut(codes, bits))) ** 2).sum() for bits in model.sizes]
    assert errors[0] > 1.2 * errors[1] > 1.2 * errors[2]


@pytest.mark.parametrize("bits", [0, 32, 63, 192 + 64, 100])
def test_a_size_that_was_not_trained_for_is_refused(model, bits):
    with pytest.raises(ParameterError, match=r"\(64, 128, 192\)"):
        model.prefix(bits)
    with pytest.raises(ParameterError, match=r"\(64, 128, 192\)"):
        model.cut(model.transform(X[:2]), bits)


@pytest.mark.parametrize("prefixes", [(128, 64), (64, 64), (192,), (0,), (32,), (100,), "64", 64, (64.5,)])
def test_prefixes_ascend_in_words_below_dim(prefixes):
    with pytest.raises(ParameterError, match="prefix"):
        RecurrentBinarizer(dim=192, prefixes=prefixes).fit(X)
    with pytest.raises(ParameterError, match="several levels"):
        RecurrentBinarizer(dim=192, prefixes=(64,), loops=1).fit(X)


def test_saved_models_and_saved_prefixes_open_as_they_were(model, tmp_path):
    codes, queries = model.transform(X[:40]), vectors(3, seed=2)
    for bits in model.sizes:
        prefix, cut = model.prefix(bits), model.cut(codes, bits)
        prefix.save(tmp_path / str(bits))
        again = load(tmp_path / str(bits))
        assert (again.sizes, again.dim_, again.recall_) == (prefix.sizes, bits, prefix.recall_)
        assert np.array_equal(again.transform(X[:40]), cut)
        assert np.array_equal(again.scores(queries, cut), prefix.scores(queries, cut))
    again = load(tmp_path / "192").prefix(64)
    assert np.array_equal(again.scores(queries, codes[:, :1]), model.prefix(64).scores(queries, codes[:, :1]))


@pytest.mark.parametrize("backend", models.NUMPY_BACKENDS)
def test_backends_make_the_same_codes(model, backend):
    other = RecurrentBinarizer(**SETTINGS)
    other.set_params(backend=backend)
    other._set_state({name: array.copy() for name, array in model._state().items()})
    other._prepare()
    differing = np.bitwise_count(other.transform(X[:40]) ^ model.transform(X[:40])).mean()
    assert differing < 0.5  # of 64: products may differ in the last bit, and a search go another way


def losses(x, codes, decoder, begin=0):
    error = x - decoder.decode(np.ascontiguousarray(codes[:, : decoder.groups]))
    seen, centered = error @ decoder.metric, x - decoder.mean
    return (seen**2).sum(axis=1) + decoder.parallel * (error * centered).sum(axis=1) ** 2


@pytest.mark.parametrize(("begin", "weights"), [(0, (0.25, 1.0)), (2, (0.25, 1.0)), (2, (2.0, 0.5))])
def test_the_search_lowers_the_weighted_sum_of_losses_until_no_change_of_one_group_helps(begin, weights):
    rng, x = np.random.default_rng(5), X[:20]
    mean = x.mean(axis=0)
    metric = metric_of(x - mean, 0.5)
    decoders = [
        TableDecoder(mean, metric, 2.0, (0.2 * rng.standard_normal((16 * g, 24))).astype(np.float32), "numpy")
        for g in (4, 6)
    ]
    codes = rng.integers(0, 16, (20, 6)).astype(np.uint8)

    def loss(of):
        return sum(w * losses(x, of, d) for w, d in zip(weights, decoders, strict=True))

    found = nested.search_codes(x, codes, decoders, weights, begin, 200)
    assert np.array_equal(found[:, :begin], codes[:, :begin])
    assert (loss(found) <= loss(codes) + 1e-4).all()
    assert loss(found).mean() < 0.8 * loss(codes).mean()
    for group in range(begin, 6):
        for value in range(16):
            other = found.copy()
            other[:, group] = value
            assert (loss(other) >= loss(found) - 1e-3).all()


def test_plain_prefixes_are_those_of_cut_codes_with_tables_of_their_own():
    plain = RecurrentBinarizer(dim=128, prefixes=(64,), rounds=0).fit(X)
    alone = RecurrentBinarizer(dim=64, rounds=0).fit(X)
    assert np.array_equal(plain.prefix(64).transform(X), alone.transform(X))  # the first block is a model of 64 bits
    codes = alone.transform(X)
    np.testing.assert_allclose(plain.prefix(64).decode(codes), alone.decode(codes), atol=1e-4)


@pytest.mark.parametrize("start", STARTS)
def test_prefixes_have_any_start(start, monkeypatch, tmp_path):
    """Seen: .83 from signs and .88 from residuals at 64 bits, .94 and .97 at 128."""
    monkeypatch.setattr(Starts, "chosen", lambda *_: start)
    queries, one = vectors(100, seed=7), RecurrentBinarizer(**SETTINGS).fit(X)
    assert one.start_ == start
    one.save(tmp_path / "model")
    codes, again = one.transform(X), load(tmp_path / "model")
    assert again.start_ == start
    assert np.array_equal(again.transform(X), codes)
    for bits, least in ((64, 0.75), (128, 0.85)):
        alone = RecurrentBinarizer(dim=bits, rounds=2, seed=3).fit(X)
        found = recall(one.prefix(bits).search(queries, one.cut(codes, bits), 10)[1], queries, X)
        assert found > max(least, recall(alone.search(queries, alone.transform(X), 10)[1], queries, X) - 0.05)


def test_a_fit_goes_on_from_its_checkpoint_to_the_same_result(model, tmp_path, monkeypatch):
    calls, search = [], nested.search_codes

    def interrupted(*args):
        calls.append(1)
        if len(calls) == 6:
            raise KeyboardInterrupt
        return search(*args)

    monkeypatch.setattr(nested, "search_codes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        RecurrentBinarizer(**SETTINGS).fit(X, checkpoint=tmp_path)
    stages = sorted(path.name for path in tmp_path.iterdir())
    assert stages == ["prefix-128", "prefix-64"]
    assert json.loads((tmp_path / "prefix-128" / "model.json").read_text())["parameters"]["done"] == 1
    calls.clear()
    monkeypatch.setattr(nested, "search_codes", lambda *args: (calls.append(1), search(*args))[1])
    again = RecurrentBinarizer(**SETTINGS).fit(X, checkpoint=tmp_path)
    # The second round of 128 bits, two rounds of the whole code, and the codes whose recall is reported.
    assert len(calls) == 2 + 2 * 2 + (1 + 2 + 2)
    for name, array in model._state().items():
        assert np.array_equal(array, again._state()[name]), name
    with pytest.raises(FileFormatError, match="other data or parameters"):
        RecurrentBinarizer(**{**SETTINGS, "prefixes": (64,)}).fit(X, checkpoint=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("start", STARTS)
def test_prefixes_find_nearly_what_models_of_their_size_find(start, monkeypatch):
    """One seed: the recall of 3,000 true neighbors has a deviation below .01, and that of a difference below .014."""
    monkeypatch.setattr(Starts, "chosen", lambda *_: start)
    base, queries = vectors(4000, 48), vectors(300, 48, seed=9)
    one = RecurrentBinarizer(dim=256, prefixes=(64, 128)).fit(base)
    codes, whole = one.transform(base), RecurrentBinarizer(dim=256).fit(base)
    truncated = whole.transform(base)
    for bits, margin in ((64, 0.03), (128, 0.04), (256, 0.03)):
        alone = RecurrentBinarizer(dim=bits).fit(base)
        expected = recall(alone.search(queries, alone.transform(base), 10)[1], queries, base)
        found = recall(one.prefix(bits).search(queries, one.cut(codes, bits), 10)[1], queries, base)
        assert found > expected - margin
        if bits < 256:
            tables = whole.decoder_.tables.reshape(16, 64, -1)[:, : bits // 4].reshape(-1, base.shape[1])
            reader = TableDecoder(whole.mean_, whole.decoder_.metric, 1.0, tables, "auto")
            decoded = reader.decode(groups_of(whole._as_signs(truncated)[..., :bits]))
            ids = np.argsort(-(queries @ unit(decoded).T), axis=1)[:, :10]
            cut = recall(
                ids, queries, base
            )  # of another training; tables found group after group are nested as they are
            assert found > (cut + 0.02 if start == "signs" else cut - 0.01)


@pytest.mark.parametrize("keep", [None, "int8", "float32"])
def test_a_search_through_a_prefix_orders_its_candidates_by_whole_codes_and_originals(model, keep, tmp_path):
    index = EmbeddingIndex.create(tmp_path / "index", model, keep=keep)
    index.add(X)
    index.remove(range(0, 600, 7))
    queries, left = vectors(9, seed=4), index.ids()
    whole = index.search(queries, 5, candidates=30)
    for bits in (64, 128):  # all rows are candidates: nothing is lost
        scores, ids = index.search(queries, 5, candidates=600, prefix=bits)
        everything = index.search(queries, 5, candidates=600)
        assert np.array_equal(ids, everything[1])
        np.testing.assert_allclose(scores, everything[0], atol=1e-5)
    codes = model.transform(X)
    candidates = 12 if keep is None else 4 * 12
    found = left[model.prefix(64).search(queries, model.cut(codes, 64)[left], candidates)[1]]
    of_whole, units = model.scores(queries, codes), queries @ X.T
    for q, ids in enumerate(index.search(queries, 5, candidates=12, prefix=64)[1]):
        order = sorted(found[q].tolist(), key=lambda i: (-of_whole[q, i], i))[:12]
        if keep is not None:
            order.sort(key=lambda i: -units[q, i])
        assert len(set(ids.tolist()) & set(order[:5])) >= (5 if keep is None else 4)  # bytes are rounded
    among = index.search(queries, 5, prefix=64, among=left[:40])[1]
    assert set(among.ravel().tolist()) <= set(left[:40].tolist())
    assert whole[1].shape == (9, 5)
    index.close()
    with EmbeddingIndex.open(tmp_path / "index") as again:
        assert np.array_equal(again.search(queries, 5, candidates=600, prefix=64)[1], everything[1])


@pytest.mark.parametrize("keep", [None, "float32"])
@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_a_search_through_a_prefix_scores_by_every_metric_as_whole_codes_or_originals(metric, keep):
    x = X * np.random.default_rng(9).uniform(0.5, 2, (600, 1)).astype(np.float32)
    index = EmbeddingIndex.create(None, RecurrentBinarizer(**SETTINGS, metric=metric).fit(x), keep=keep)
    index.add(x)
    queries = vectors(80, seed=4)  # more than are looked up at a time
    scores, ids = index.search(queries, 5, candidates=600, prefix=64)
    expected = index.search(queries, 5, candidates=600)
    assert np.array_equal(ids, expected[1])
    np.testing.assert_allclose(scores, expected[0], atol=1e-5)


def test_whole_codes_order_what_a_prefix_found_before_the_index_changed(model):
    index = EmbeddingIndex.create(None, model)
    index.add(X[:50])
    asked, snapshot = index.pipeline.encoding.queries(X[:4]), index.pipeline.engine_of(64).prepared().snapshot
    positions = np.tile(np.arange(49, -1, -1), (4, 1))
    positions[:, 3] = -1
    before = index.pipeline._by_whole(snapshot)(asked, snapshot, positions)
    index.remove([7])
    index.add(X[50:60])
    assert np.array_equal(index.pipeline._by_whole(snapshot)(asked, snapshot, positions), before)
    expected = 1 - model.scores(X[:4], model.transform(X[:50]))[:, ::-1]
    expected[:, 3] = np.inf
    np.testing.assert_allclose(before, expected, atol=1e-5)


def test_an_index_follows_changes_and_refuses_prefixes_that_it_does_not_have(model):
    index = EmbeddingIndex.create(None, model)
    assert index.search(X[:2], 3, prefix=64)[1].shape == (2, 0)
    index.add(X[:50])
    assert index.search(X[:2], 1, prefix=64)[1].tolist() == [[0], [1]]
    index.remove([0])
    assert 0 not in index.search(X[:2], 49, prefix=64)[1]
    for bits in (32, 192):
        with pytest.raises(ParameterError, match=r"has \(64, 128\)"):
            index.search(X[:2], prefix=bits)
    other = EmbeddingIndex.create(None, RecurrentBinarizer(dim=64, rounds=0).fit(X))
    with pytest.raises(ParameterError, match="has none: fit"):
        other.search(X[:2], prefix=64)
    graph = EmbeddingIndex.create(None, model, kind="ivf")
    graph.train(X, 4)
    graph.add(X)
    with pytest.raises(ParameterError, match="kind='flat'"):
        graph.search(X[:2], prefix=64)
    scores, ids = graph.search(X[:3], 4, candidates=600, probes=4)  # here whole codes order what lists found
    expected = model.search(X[:3], model.transform(X), 4)
    assert np.array_equal(ids, expected[1])
    np.testing.assert_allclose(scores, expected[0], atol=1e-5)


def test_a_round_counts_as_a_gain_unless_it_loses_more_than_a_standard_error():
    validation = Validation.draw(X, np.random.default_rng(0))  # 12 queries: .046 at a recall of .5
    assert not_worse(0.6, 0.5, validation) == 0.6
    assert 0.5 < not_worse(0.46, 0.5, validation) < 0.5 + 1e-9
    assert not_worse(0.45, 0.5, validation) == 0.45
    assert not_worse(0.1, -1.0, validation) == 0.1
    assert np.isnan(not_worse(math.nan, -1.0, validation))


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_prefixes_score_by_every_metric_with_lengths_of_their_own(metric, tmp_path):
    """Half of what neighbors by the metric are, at the least: those at random are a fiftieth."""
    rng = np.random.default_rng(8)
    x, queries = X[:500] * rng.uniform(0.5, 2, (500, 1)).astype(np.float32), vectors(30, seed=6)
    one = RecurrentBinarizer(**SETTINGS, metric=metric).fit(x)
    codes, products = one.transform(x), queries @ x.T
    truth = {
        "cosine": products / np.linalg.norm(x, axis=1),
        "ip": products,
        "l2": 2 * products - np.einsum("nd,nd->n", x, x),
    }[metric]
    for place, bits in enumerate(one.sizes):
        prefix, cut = one.prefix(bits), one.cut(codes, bits)
        assert prefix.space_ is one.space_
        assert prefix.recall_ == one.recalls_[place]
        decoded = prefix.decode(cut)
        lengths = np.linalg.norm(decoded, axis=1)
        np.testing.assert_allclose(prefix.scale(cut), 1 / lengths if one._of_one_length else np.ones(500), rtol=1e-4)
        found, nearest = prefix.search(queries, cut, 10)[1], np.argsort(-truth, axis=1)[:, :10]
        shared = [len(set(a) & set(b)) for a, b in zip(found.tolist(), nearest.tolist(), strict=True)]
        assert np.mean(shared) > 5
        prefix.save(tmp_path / str(bits))
        assert np.array_equal(load(tmp_path / str(bits)).scores(queries, cut), prefix.scores(queries, cut))
