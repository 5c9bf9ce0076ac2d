"""Indexes by inner product and Euclidean distance: every kind, every way to keep vectors, against brute force."""

import numpy as np
import pytest

from hdc.apps.retrieval import EmbeddingIndex
from hdc.apps.retrieval.binarizers import RaBitQBinarizer, RecurrentBinarizer, ScalarBinarizer, SignBinarizer
from hdc.apps.retrieval.engines.arrow_table import from_arrow, to_arrow
from hdc.apps.retrieval.files.exporting import export
from hdc.apps.retrieval.index import pipeline
from hdc.errors import FileFormatError, ParameterError
from hdc.search import estimates
from tests import naive
from tests.test_metrics import QUERIES, log_normal, recall

N = 800
X = log_normal(N)
MODELS = {
    "sign": (lambda metric: SignBinarizer(512, metric=metric), "flat"),
    "sign, ivf": (lambda metric: SignBinarizer(512, metric=metric), "ivf"),
    "sign, hnsw": (lambda metric: SignBinarizer(512, metric=metric), "hnsw"),
    "rabitq": (lambda metric: RaBitQBinarizer(metric=metric), "flat"),
    "rabitq, lists": (lambda metric: RaBitQBinarizer(lists=8, metric=metric), "ivf"),
    "rabitq, 4 bits": (lambda metric: RaBitQBinarizer(component_bits=4, metric=metric), "flat"),
    "rabitq, lists, 4 bits": (lambda metric: RaBitQBinarizer(lists=8, component_bits=4, metric=metric), "ivf"),
    "scalar": (lambda metric: ScalarBinarizer(metric=metric), "flat"),
    "bebr": (lambda metric: RecurrentBinarizer(128, rounds=0, metric=metric), "flat"),
    "refined": (lambda metric: RecurrentBinarizer(128, rounds=1, steps=20, metric=metric), "flat"),
}
NAMES = [pytest.param(name, marks=() if name in ("sign", "rabitq, lists") else pytest.mark.slow) for name in MODELS]
FITTED = {}


def fitted(name, metric):
    if (name, metric) not in FITTED:
        FITTED[name, metric] = MODELS[name][0](metric).fit(X)
    return FITTED[name, metric]


def made(name, metric, keep, path=None, rows=X):
    if "hnsw" in name:
        pytest.importorskip("usearch", reason="usearch is not installed: no graphs")
    index = EmbeddingIndex.create(path, fitted(name, metric), kind=MODELS[name][1], keep=keep)
    if not index.trained:
        index.train(X, 8)
    index.add(rows)
    return index


def everything(index):
    """Return options with which all rows are compared."""
    more = {"flat": {}, "ivf": {"probes": 8}, "hnsw": {"effort": 2 * N}}[index.kind]
    return {"candidates": N, **more}


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("name", NAMES)
def test_kept_vectors_give_the_exact_order_and_scores(name, metric):
    index, truth = made(name, metric, "float32"), naive.similarities(QUERIES, X, metric)
    assert index.metric == metric
    for queries in (slice(0, 3), slice(None)):  # few ones are searched for in another way
        scores, ids = index.search(QUERIES[queries], 10, **everything(index))
        best = -np.sort(-truth[queries], axis=1)[:, :10]
        np.testing.assert_allclose(np.take_along_axis(truth[queries], ids, axis=1), best, rtol=1e-5, atol=1e-4)
        np.testing.assert_allclose(scores, best, rtol=1e-5, atol=1e-3)


def mapped_sizes(model, ids):
    """Return the products of lengths of mapped queries and mapped vectors, in units of scores."""
    space, kernels = model.space_, model.kernels.search
    queries = np.linalg.norm(space.queries(kernels, QUERIES), axis=1)
    vectors = np.linalg.norm(space.vectors(kernels, X), axis=1)
    return (space.slope(QUERIES) * queries)[:, None] * vectors[ids]


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("keep", [None, "int8", "float16"])
@pytest.mark.parametrize("name", NAMES)
def test_scores_are_in_the_units_of_the_metric(name, keep, metric):
    index, truth = made(name, metric, keep), naive.similarities(QUERIES, X, metric)
    scores, ids = index.search(QUERIES, 10, **everything(index))
    found = np.take_along_axis(truth, ids, axis=1)
    assert (np.diff(scores, axis=1) <= 0).all()
    middle = X.mean(axis=0) * (metric == "l2")
    size = np.linalg.norm(QUERIES - middle, axis=1)[:, None] * np.linalg.norm(X - middle, axis=1)[ids]
    if keep is None:
        codes = index.model.transform(X)
        told = np.take_along_axis(index.model.scores(QUERIES, codes), ids, axis=1)
        # estimates are of queries of four bits, and levels of queries of a byte, with all components that are mapped
        rounded = 0.2 if "rabitq" in name else 0.02 if name == "scalar" else 1e-3
        size = mapped_sizes(index.model, ids) if name == "scalar" else size
        assert (np.abs(scores - told) < rounded * size + 0.05).all()
        assert recall(ids, truth) > (0.6 if metric == "ip" else 0.4)
    else:
        assert (np.abs(scores - found) < (0.02 if keep == "int8" else 0.002) * size + 1e-3).all()
        assert recall(ids, truth) > (0.95 if keep == "int8" else 0.99)


@pytest.mark.parametrize("at_once", [0, estimates.CHECKED_AT_ONCE])
@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("name", ["rabitq", "rabitq, lists", "rabitq, lists, 4 bits"])
def test_queries_in_one_call_and_in_batches_find_the_same(name, metric, at_once, monkeypatch):
    monkeypatch.setattr(estimates, "CHECKED_AT_ONCE", at_once)
    index = made(name, metric, "int8")
    index.remove(range(0, N, 9))
    for options in ({}, {"candidates": 30}, {"candidates": 200, "among": index.ids()[::2]}):
        few = index.search(QUERIES, 7, **options)
        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "FEW_QUERIES", 0)
            batch = index.search(QUERIES, 7, **options)
        for one, other in zip(few, batch, strict=True):
            np.testing.assert_array_equal(one, other)
    with pytest.raises(ParameterError, match="row 1 of queries contains NaN or infinity"):
        index.search(np.stack([QUERIES[0], np.nan * QUERIES[1]]), 3)


@pytest.mark.parametrize("metric", ["ip", "l2"])
@pytest.mark.parametrize("name", ["sign", "rabitq, lists", pytest.param("refined", marks=pytest.mark.slow)])
def test_changes_and_files_keep_the_metric(name, metric, tmp_path):
    index = made(name, metric, "int8", tmp_path / "a", X[:700])
    longer = np.concatenate([3 * X[:5], X[5:700]])
    index.update(np.arange(5), 3 * X[:5])
    index.put(X[700:710], [f"key {i}" for i in range(10)])
    index.remove(ids=[7])
    index.compact()
    index.save(tmp_path / "b")
    rows = np.concatenate([longer, X[700:710]])
    expected = index.search(QUERIES, 5, **{**everything(index), "candidates": 709})
    truth = naive.similarities(QUERIES, rows, metric)
    truth[:, 7] = -np.inf
    assert recall(expected[1], truth, 5) > 0.9
    few = [0, 3, 9, 704]
    ids = index.search(QUERIES, 4, among=few)[1]
    assert (np.sort(ids, axis=1) == few).all()
    best = np.array(few)[np.argsort(-truth[:, few], axis=1)]
    assert (ids == best).mean() > 0.97
    index.close()
    for folder in ("a", "b"):
        with EmbeddingIndex.open(tmp_path / folder) as again:
            again.verify()
            assert again.metric == metric
            found = again.search(QUERIES, 5, **{**everything(again), "candidates": 709})
            np.testing.assert_array_equal(found[1], expected[1])
            np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)


@pytest.mark.parametrize("metric", ["ip", "l2"])
def test_exports_give_vectors_back_at_their_lengths(metric, tmp_path):
    index = made("sign", metric, "float32", rows=X[:50])
    center = index.model.space_.center if metric == "l2" else None
    export(index.codes, str(tmp_path / "x.npz"), center)
    with np.load(tmp_path / "x.npz") as content:
        np.testing.assert_allclose(content["vectors"], X[:50], rtol=1e-4, atol=1e-4)
    pytest.importorskip("pyarrow", reason="pyarrow is not installed: no Arrow tables")
    again = from_arrow(to_arrow(index.codes))
    for column in ("originals", "lengths"):
        np.testing.assert_allclose(again.store.rows(column), index.store.rows(column), rtol=1e-5)


def test_a_model_of_another_metric_is_told(tmp_path):
    made("rabitq", "ip", "int8", tmp_path / "a", X[:20]).close()
    fitted("rabitq", "cosine").save(tmp_path / "a" / "model")
    with pytest.raises(FileFormatError, match="the originals have others"):
        EmbeddingIndex.open(tmp_path / "a")


def test_an_index_of_cosines_has_the_columns_that_it_had(tmp_path):
    index = made("sign", "cosine", "int8", tmp_path / "a", X[:20])
    assert set(index.store.snapshot.state.columns) == {"codes", "originals"}
    assert index.store.meta["originals"] == ["int8", 64]
    assert index.bytes_per_vector == 64 + 64
    assert made("sign", "ip", "int8", rows=X[:20]).bytes_per_vector == 64 + 64 + 4


def test_no_rows():
    for metric in ("ip", "l2"):
        for name in ("sign", "rabitq", "refined"):
            index = made(name, metric, "float32", rows=X[:0])
            assert index.search(QUERIES, 3)[1].shape == (len(QUERIES), 0)
