"""RaBitQ codes and float vectors in FAISS: the same estimates and scores, and vectors that come back."""

import numpy as np
import pytest

from hdc import errors
from hdc.apps.retrieval import EmbeddingIndex, RaBitQBinarizer, SignBinarizer
from hdc.apps.retrieval.engines.faiss_index import from_faiss, to_faiss
from hdc.apps.retrieval.engines.faiss_vectors import vectors_from_faiss, vectors_to_faiss
from tests import naive

faiss = pytest.importorskip("faiss", reason="FAISS is not installed", exc_type=ImportError)

METRICS = pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
N, D = 700, 60


def vectors(n, seed=0):
    """Return vectors of several lengths around a center, so that offsets count."""
    rng = np.random.default_rng(seed)
    scales = np.linspace(2, 0.3, D)
    return (rng.standard_normal((n, D)) * scales * rng.uniform(0.5, 1.5, (n, 1)) + 0.3 * scales).astype(np.float32)


X, QUERIES = vectors(N), vectors(30, seed=1)


def made(model, **options):
    index = EmbeddingIndex.create(None, model, **options)
    index.add(X)
    index.remove(ids=[3])
    return index


def estimated(index, queries):
    """Return what the codes of an index say with queries as floats: products of length 1 for cosine and ip."""
    model, codes = index.model, index.codes.codes(index.ids())
    asked = model._asked(queries)
    products = model.products(asked, codes)
    if index.metric == "cosine":
        products = products + asked @ model.mean_[:, None]
    scores = model.space_.from_products(products, queries)
    return scores / np.linalg.norm(queries, axis=1, keepdims=True) if index.metric == "ip" else scores


@METRICS
@pytest.mark.parametrize("lists", [1, 8])
@pytest.mark.parametrize("bits", [1, 2, 4, pytest.param(7, marks=pytest.mark.slow), 9])
def test_rabitq_codes_are_estimated_alike(metric, lists, bits):
    index = made(RaBitQBinarizer(lists=lists, component_bits=bits, metric=metric).fit(X))
    theirs = to_faiss(index)
    inner = faiss.downcast_index(faiss.extract_index_ivf(theirs))
    assert (type(inner), inner.nlist, inner.ntotal) == (faiss.IndexIVFRaBitQ, lists, N - 1)
    found, ids = theirs.search(QUERIES, 10)
    expected = estimated(index, QUERIES)
    if metric == "l2":
        expected = np.maximum(0, -expected)  # FAISS lets no squared distance be negative
    at = np.searchsorted(index.ids(), ids)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, np.take_along_axis(expected, at, axis=1), atol=1e-5 * scale)
    if bits == 1:  # with more, FAISS drops what the first bits and a bound of its own rule out
        nearest = np.sort(expected if metric == "l2" else -expected, axis=1)[:, :10]
        np.testing.assert_allclose(np.abs(found), np.abs(nearest), atol=1e-5 * scale)


@METRICS
def test_rabitq_answers_are_those_of_the_index(metric):
    index = made(RaBitQBinarizer(lists=8, component_bits=4, metric=metric).fit(X))
    theirs = to_faiss(index)
    faiss.extract_index_ivf(theirs).nprobe = 8
    found, expected = theirs.search(QUERIES, 10)[1], index.search(QUERIES, 10, probes=8, candidates=N)[1]
    same = [len(set(a) & set(b)) for a, b in zip(found, expected, strict=True)]
    assert np.mean(same) > 9.7  # queries have 16 bits a component here, and 32 there


def decided(model, queries, probes):
    """Return for which queries the nearest lists are beyond doubt: ours are found with components of 7 bits."""
    asked, directions = model._asked(queries), model.directions_.astype(np.float32)
    products = -np.sort(-(asked @ directions.T), axis=1)
    error = np.abs(asked).max(axis=1) / 127 * np.linalg.norm(directions, axis=1).max()
    return products[:, probes - 1] - products[:, probes] > error


@METRICS
@pytest.mark.parametrize("probes", [1, 3])
def test_lists_are_asked_alike(metric, probes):
    """Of codes and of vectors, and with ids that only 64 bits have."""
    model, queries = RaBitQBinarizer(lists=8, component_bits=4, metric=metric), vectors(300, seed=1)
    index = made(model.fit(X), keep="float32")
    queries = queries[decided(index.model, queries, probes)]
    assert len(queries) > 200
    exact, codes = vectors_to_faiss(index, lists=True), to_faiss(index, ids=index.ids() + 2**40)
    for theirs in (exact, codes):
        faiss.extract_index_ivf(theirs).nprobe = probes
    expected = index.search(queries, 10, candidates=N, probes=probes)[1]
    assert np.mean(exact.search(queries, 10)[1] == expected) > 0.999
    found = codes.search(queries, 10)[1] - 2**40
    assert np.mean([len(set(a) & set(b)) for a, b in zip(found, expected, strict=True)]) > 9


def test_rabitq_in_a_file_and_refused_on_the_way_back(tmp_path):
    theirs = to_faiss(made(RaBitQBinarizer(lists=4).fit(X)))
    faiss.write_index(theirs, str(tmp_path / "codes.faiss"))
    read = faiss.read_index(str(tmp_path / "codes.faiss"))
    np.testing.assert_array_equal(read.search(QUERIES, 5), theirs.search(QUERIES, 5))
    empty = to_faiss(EmbeddingIndex.create(None, RaBitQBinarizer(lists=4).fit(X)))
    assert empty.search(QUERIES[:1], 2)[1].tolist() == [[-1, -1]]
    with pytest.raises(errors.UnsupportedError, match="IndexPreTransform has changed"):
        vectors_from_faiss(theirs, SignBinarizer().fit(X))
    with pytest.raises(errors.UnsupportedError, match="IndexIVFRaBitQ has no float vectors"):
        vectors_from_faiss(faiss.downcast_index(theirs.index), SignBinarizer().fit(X))
    with pytest.raises(errors.UnsupportedError, match="is not a binary FAISS index"):
        from_faiss(theirs, bitorder="little")


@METRICS
@pytest.mark.parametrize("lists", [False, True])
@pytest.mark.parametrize("keep", ["float32", "float16", "int8"])
def test_vectors_there_and_back(metric, lists, keep):
    index = made(RaBitQBinarizer(lists=8, metric=metric).fit(X), keep=keep)
    theirs = vectors_to_faiss(index, lists=lists)
    if lists:
        faiss.extract_index_ivf(theirs).nprobe = 8
    found, ids = theirs.search(QUERIES, 10)
    scores, expected = index.search(QUERIES, 10, candidates=N, probes=8)
    close = {"rtol": 1e-4 if keep == "int8" else 2e-5, "atol": 2e-5}  # with bytes, our queries have 16 bits
    np.testing.assert_allclose(-found if metric == "l2" else found, scores, **close)
    assert np.mean(ids == expected) > 0.99
    back = vectors_from_faiss(theirs, index.model, keep="float32")
    np.testing.assert_array_equal(back.ids(), index.ids())
    again, same = back.search(QUERIES, 10, candidates=N, probes=8)
    np.testing.assert_allclose(again, scores, **close)
    assert np.mean(same == expected) > 0.99


def test_vectors_of_others():
    x = X / np.linalg.norm(X, axis=1, keepdims=True)
    model = SignBinarizer(128).fit(x)
    lists = faiss.IndexIVFScalarQuantizer(faiss.IndexFlatL2(D), D, 8, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_L2)
    scalar = faiss.IndexScalarQuantizer(D, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    graph = faiss.IndexHNSWFlat(D, 8)
    refined = faiss.IndexRefineFlat(faiss.IndexPQ(D, 4, 4))
    for theirs in (lists, scalar, graph, refined):
        theirs.train(x)
        theirs.add(x)
        index = vectors_from_faiss(theirs, model, keep="float32")
        scores, ids = index.search(x[:5], 1, candidates=N)
        np.testing.assert_array_equal(ids[:, 0], range(5))
        np.testing.assert_allclose(scores, 1, atol=1e-3)


def test_ids_and_keys_of_vectors(tmp_path):
    theirs = faiss.IndexIDMap2(faiss.IndexFlatL2(D))
    theirs.add_with_ids(X[:4], np.array([2**62, 5, -7, 1]))
    model = SignBinarizer(128, metric="l2").fit(X)
    with vectors_from_faiss(theirs, model, path=tmp_path / "index", keys={5: "five"}) as index:
        assert index.keys(index.ids()) == [str(2**62), "five", "-7", "1"]
    with EmbeddingIndex.open(tmp_path / "index") as index:
        assert len(index) == 4
    with pytest.raises(errors.MismatchError, match="metric l2, and the model is for 60 and 'ip'"):
        vectors_from_faiss(theirs, SignBinarizer(metric="ip").fit(X))
    with pytest.raises(errors.MismatchError, match="60 components"):
        vectors_from_faiss(theirs, SignBinarizer().fit(X[:, :30]))
    with pytest.raises(errors.UnsupportedError, match="keeps no vectors"):
        vectors_to_faiss(index)
    with pytest.raises(errors.UnsupportedError, match="of several lists"):
        vectors_to_faiss(made(model, keep="int8"), lists=True)


@METRICS
def test_exact_scores_are_those_of_brute_force(metric):
    index = made(SignBinarizer(128, metric=metric).fit(X), keep="float32")
    found, ids = vectors_to_faiss(index).search(QUERIES, 10)
    truth = naive.similarities(QUERIES, X[index.ids()], metric)
    nearest = np.argsort(-truth, axis=1)[:, :10]
    np.testing.assert_allclose(
        -found if metric == "l2" else found, np.take_along_axis(truth, nearest, axis=1), rtol=1e-4, atol=1e-4
    )
    assert np.mean(ids == index.ids()[nearest]) > 0.99
