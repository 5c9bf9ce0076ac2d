"""RaBitQ codes that FAISS made, taken over: the same lists, bits and scores, and what is refused."""

import numpy as np
import pytest

from hdc import errors
from hdc.apps.retrieval import EmbeddingIndex, RaBitQBinarizer
from hdc.apps.retrieval.binarizers import GivenRaBitQBinarizer, load
from hdc.apps.retrieval.engines.faiss_given import rabitq_from_faiss
from hdc.apps.retrieval.engines.faiss_index import from_faiss, to_faiss
from hdc.apps.retrieval.engines.faiss_vectors import vectors_from_faiss
from hdc.words import from_bytes
from tests.engines.test_faiss_vectors import QUERIES, D, N, X

faiss = pytest.importorskip("faiss", reason="FAISS is not installed", exc_type=ImportError)

METRICS = pytest.mark.parametrize("metric", ["l2", "ip"])
CLOSE = 4e-5
"""Of the greatest score: queries have 16 bits a component here, and sums of float32 come in another order."""


def theirs_of(factory, metric="l2", x=X, ids=None):
    """Return a FAISS index whose searches take queries as floats, as ours do."""
    made = faiss.index_factory(D, factory, faiss.METRIC_L2 if metric == "l2" else faiss.METRIC_INNER_PRODUCT)
    made.train(X)
    inner(made).qb = 0
    made.add(x) if ids is None else made.add_with_ids(x, ids)
    return made


def inner(made):
    while hasattr(made := faiss.downcast_index(made), "index"):
        made = made.index
    return made


def answers(index, metric, **options):
    """Return scores as FAISS has them, and ids."""
    scores, ids = index.search(QUERIES, 10, **options)
    if metric == "l2":
        scores = np.maximum(0, 2 - 2 * scores if index.metric == "cosine" else -scores)
    return scores, ids


def shared(one, other):
    return np.mean([len(set(a) & set(b)) / len(a) for a, b in zip(one, other, strict=True)])


@METRICS
@pytest.mark.parametrize("factory", ["RR60,IVF9,RaBitQ", "IVF9,RaBitQ", "RaBitQ", "L2norm,RR60,IVF9_HNSW,RaBitQ"])
def test_codes_of_a_bit_find_what_they_find_there(factory, metric):
    theirs = theirs_of(factory, metric)
    index = rabitq_from_faiss(theirs)
    assert index.metric == ("cosine" if "L2norm" in factory else metric)
    for probes in (1, 3, 9) if "IVF" in factory else (None,):
        if probes is not None:
            faiss.extract_index_ivf(theirs).nprobe = probes
        found, ids = theirs.search(QUERIES, 10)
        scores, own = answers(index, metric, probes=probes)
        np.testing.assert_allclose(scores, found, atol=CLOSE * np.abs(found).max())
        assert shared(own, ids) > 0.99


@METRICS
@pytest.mark.parametrize("bits", [2, 4, pytest.param(7, marks=pytest.mark.slow), 9])
@pytest.mark.parametrize("factory", ["RR60,IVF9,RaBitQ", "RaBitQ"])
def test_codes_of_several_bits_have_their_scores(factory, bits, metric):
    """FAISS drops what its first bits and a bound rule out; we find at least what it finds."""
    theirs = theirs_of(f"{factory}{bits}", metric)
    index = rabitq_from_faiss(theirs)
    if "IVF" in factory:
        faiss.extract_index_ivf(theirs).nprobe = 9
    found, ids = theirs.search(QUERIES, 10)
    best, own = answers(index, metric, candidates=N, **({"probes": 9} if "IVF" in factory else {}))
    scores = index.model.scores(QUERIES, index.codes.codes(index.ids()))
    close = CLOSE * np.abs(found).max()
    expected = np.maximum(0, -scores) if metric == "l2" else scores
    np.testing.assert_allclose(np.take_along_axis(expected, ids, axis=1), found, atol=close)
    assert ((best <= found + close) if metric == "l2" else (best >= found - close)).all()
    assert shared(own, ids) > 0.9


def test_lists_and_bits_are_the_same():
    theirs = theirs_of("RR60,IVF9,RaBitQ3")
    index, lists = rabitq_from_faiss(theirs), faiss.extract_index_ivf(theirs)
    codes = index.codes.codes(index.ids())
    cells, signs = index.model.cells(codes), index.model.signs(codes)
    for number in range(9):
        size = lists.invlists.list_size(number)
        ids = faiss.rev_swig_ptr(lists.invlists.get_ids(number), size)
        assert (cells[ids] == number).all()
        held = faiss.rev_swig_ptr(lists.invlists.get_codes(number), size * lists.code_size).reshape(size, -1)
        np.testing.assert_array_equal(signs[ids], from_bytes(held[:, :8], D, bitorder="little"))
    assert np.bincount(cells, minlength=9).sum() == N


@METRICS
@pytest.mark.parametrize("factory", ["RR60,IVF9,RaBitQ", "L2norm,IVF9,RaBitQ", "RaBitQ"])
def test_vectors_that_are_added_get_the_codes_that_faiss_would_make(factory, metric):
    half = theirs_of(factory, metric, X[: N // 2])
    index = rabitq_from_faiss(half)
    index.add(X[N // 2 :])
    half.add(X[N // 2 :])
    whole = rabitq_from_faiss(half)
    own, expected = index.codes.codes(index.ids()), whole.codes.codes(whole.ids())
    model = index.model
    assert (model.cells(own) == model.cells(expected)).mean() > 0.995
    assert (model.signs(own) == model.signs(expected)).all(axis=1).mean() > 0.98
    np.testing.assert_allclose(
        np.sort(answers(index, metric)[0]), np.sort(answers(whole, metric)[0]), atol=1e-3 * np.abs(X).max() ** 2
    )


@METRICS
@pytest.mark.parametrize("factory", ["RR60,IVF9,RaBitQ", "L2norm,RR60,IVF9,RaBitQ4", "RaBitQ4"])
def test_there_and_back(factory, metric):
    theirs = theirs_of(factory, metric)
    index = rabitq_from_faiss(theirs)
    again = to_faiss(index, ids=index.ids() + 2**40)
    lists = [faiss.extract_index_ivf(again)] + ([faiss.extract_index_ivf(theirs)] if "IVF" in factory else [])
    for one in lists:
        one.nprobe = min(3, one.nlist)
    found, ids = theirs.search(QUERIES, 10)
    distances, same = again.search(QUERIES, 10)
    if index.metric == "cosine" and metric == "l2":
        distances = 2 - 2 * distances
    np.testing.assert_allclose(distances, found, atol=CLOSE * np.abs(found).max(), rtol=1e-2 if "4" in factory else 0)
    assert shared(same - 2**40, ids) > (0.9 if "4" in factory else 0.99)


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
@pytest.mark.parametrize("bits", [1, 4])
def test_our_codes_come_back_from_faiss(metric, bits):
    ours = EmbeddingIndex.create(None, RaBitQBinarizer(lists=8, component_bits=bits, metric=metric).fit(X))
    ours.add(X)
    back = rabitq_from_faiss(to_faiss(ours))
    codes = (ours.codes.codes(ours.ids()), back.codes.codes(back.ids()))
    assert (ours.model.cells(codes[0]) == back.model.cells(codes[1])).all()
    assert (ours.model.signs(codes[0]) == back.model.signs(codes[1])).all()
    found, expected = back.search(QUERIES, 10, probes=3)[1], ours.search(QUERIES, 10, probes=3)[1]
    assert shared(found, expected) > (0.85 if bits == 1 else 0.97)  # ours are asked with 4 bits where it is one


def test_ids_keys_and_a_folder(tmp_path):
    ids = np.arange(N) + 2**50
    theirs = theirs_of("IDMap2,RR60,IVF9,RaBitQ", ids=ids)
    with rabitq_from_faiss(theirs, keys={2**50: "first"}, path=tmp_path / "index") as index:
        assert index.keys([0, 1]) == ["first", str(2**50 + 1)]
        found = index.keys(index.search(QUERIES, 5, probes=9)[1])
        before = index.search(QUERIES, 5)
    faiss.extract_index_ivf(theirs).nprobe = 9
    expected = theirs.search(QUERIES, 5)[1].ravel()
    same = [key == ("first" if number == 2**50 else str(number)) for key, number in zip(found, expected, strict=True)]
    assert np.mean(same) > 0.98
    with EmbeddingIndex.open(tmp_path / "index", writable=True) as index:
        np.testing.assert_array_equal(index.search(QUERIES, 5), before)
        index.remove(keys=["first"])
        index.add(X[:1], ["again"])
        index.compact()
        index.verify()
        assert index.keys(index.search(X[:1], 1, among=[0 + N])[1]) == ["again"]
        assert (len(index), index.kind, index.lists) == (N, "ivf", 9)
    with pytest.raises(errors.ParameterError, match="exists"):
        rabitq_from_faiss(theirs, path=tmp_path / "index")
    assert load(tmp_path / "index" / "model").lists_ == 9


def test_removed_rows_and_empty_lists():
    theirs = theirs_of("RR60,IVF9,RaBitQ", ids=np.arange(N) * 2)
    lists = faiss.extract_index_ivf(theirs)
    gone = faiss.rev_swig_ptr(lists.invlists.get_ids(4), lists.invlists.list_size(4)).copy()
    lists.remove_ids(gone)
    index = rabitq_from_faiss(theirs)
    np.testing.assert_array_equal(index.ids(), np.setdiff1d(np.arange(N) * 2, gone))
    lists.nprobe = 2
    ids = theirs.search(QUERIES, 10)[1]
    assert shared(index.search(QUERIES, 10, probes=2)[1], ids) > 0.99
    empty = rabitq_from_faiss(theirs_of("IVF9,RaBitQ", x=X[:0]))
    assert (len(empty), empty.search(QUERIES, 3)[1].shape) == (0, (len(QUERIES), 0))
    assert empty.add(X[:2]).tolist() == [0, 1]


def test_many_and_few_queries_find_the_same():
    index = rabitq_from_faiss(theirs_of("RR60,IVF9,RaBitQ2"))
    together = index.search(np.tile(QUERIES, (4, 1)), 5)
    scores, ids = (np.concatenate(found) for found in zip(*(index.search(q[None], 5) for q in QUERIES), strict=True))
    np.testing.assert_allclose(scores, together[0][: len(QUERIES)], rtol=1e-4)
    assert shared(ids, together[1][: len(QUERIES)]) > 0.99


def test_a_center_and_another_order_of_steps():
    theirs = theirs_of("RR60,IVF9,RaBitQ")
    centering = faiss.CenteringTransform(D)
    centering.train(X)
    theirs.prepend_transform(centering)
    centering.this.disown()  # theirs frees it
    theirs.reset()
    theirs.add(X)
    faiss.extract_index_ivf(theirs).nprobe = 9
    found, ids = theirs.search(QUERIES, 10)
    scores, own = answers(rabitq_from_faiss(theirs), "l2")
    np.testing.assert_allclose(scores, found, atol=CLOSE * np.abs(found).max())
    assert shared(own, ids) > 0.99


def test_bounds_of_errors():
    truth = -((QUERIES[:, None] - X) ** 2).sum(axis=2)
    for bits in (1, 3):
        index = rabitq_from_faiss(theirs_of(f"RR60,IVF9,RaBitQ{bits if bits > 1 else ''}"))
        codes = index.codes.codes(index.ids())
        inside = np.abs(index.model.scores(QUERIES, codes) - truth) <= index.model.error_bound(QUERIES, codes)
        assert 0.9 < inside.mean() < 0.99
    index = rabitq_from_faiss(theirs_of("IVF9,RaBitQ", "ip"))
    with pytest.raises(errors.UnsupportedError, match="but not their lengths"):
        index.model.error_bound(QUERIES, index.codes.codes(index.ids()))


def stretched():
    step = faiss.LinearTransform(D, D, False)
    faiss.copy_array_to_vector(2 * np.eye(D, dtype=np.float32).ravel(), step.A)
    step.is_trained = True
    return faiss.IndexPreTransform(step, theirs_of("RaBitQ"))


def rounded_centers():
    quantizer = faiss.IndexScalarQuantizer(D, faiss.ScalarQuantizer.QT_fp16)
    made = faiss.IndexIVFRaBitQ(quantizer, D, 9)
    made.train(X)
    return made


def whole_codes():
    made = theirs_of("IVF9,RaBitQ")
    made.by_residual = False
    return made


def not_finite():
    made = theirs_of("RaBitQ")
    content = faiss.vector_to_array(made.codes)
    content.reshape(N, -1)[7, -4:] = 255
    faiss.copy_array_to_vector(content, made.codes)
    return made


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: theirs_of("IVF9,RaBitQfs"), errors.UnsupportedError, "not IndexIVFRaBitQFastScan"),
        (lambda: faiss.index_factory(D, "IVF9,Flat"), errors.UnsupportedError, "not IndexIVFFlat"),
        (lambda: theirs_of("PCAR32,IVF9,RaBitQ"), errors.UnsupportedError, "a PCAMatrix from 60 to 32 components"),
        (rounded_centers, errors.UnsupportedError, "not IndexScalarQuantizer"),
        (stretched, errors.UnsupportedError, "in front of the codes is not a rotation"),
        (lambda: faiss.IndexBinaryFlat(64), errors.UnsupportedError, "with RaBitQ codes, not IndexBinaryFlat"),
        (whole_codes, errors.UnsupportedError, "by_residual=False"),
        (lambda: faiss.index_factory(D, "RaBitQ"), errors.ParameterError, "is not trained; train it"),
        (not_finite, errors.ParameterError, "is not finite; the FAISS index is damaged"),
    ],
)
def test_what_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        rabitq_from_faiss(make())


def test_centers_of_products_are_refused_and_others_name_the_way():
    theirs = theirs_of("IVF9,RaBitQ", "ip")
    centering = faiss.CenteringTransform(D)
    centering.train(X)
    with pytest.raises(errors.UnsupportedError, match="centering is supported for distances, not for metric='ip'"):
        rabitq_from_faiss(faiss.IndexPreTransform(centering, theirs))
    with pytest.raises(errors.UnsupportedError, match="rabitq_from_faiss takes RaBitQ codes"):
        vectors_from_faiss(theirs, RaBitQBinarizer(metric="ip").fit(X))
    with pytest.raises(errors.UnsupportedError, match="rabitq_from_faiss for RaBitQ codes"):
        from_faiss(theirs, bitorder="little")
    with pytest.raises(errors.UnsupportedError, match="codes of a GivenRaBitQBinarizer"):
        to_faiss(rabitq_from_faiss(theirs).codes)


def test_models_that_are_given_are_checked(tmp_path):
    eye, of = np.eye(4, dtype=np.float32), GivenRaBitQBinarizer.of
    for options, message in (
        ({"centers": eye[0], "metric": "ip"}, r"centers must have shape \(lists, d\)"),
        ({"centers": eye * np.nan, "metric": "ip"}, "centers must be finite"),
        ({"centers": eye, "metric": "ip", "rotation": 2 * eye}, "rotation must be orthogonal"),
        ({"centers": eye, "metric": "ip", "rotation": eye[:2]}, r"of shape \(4, 4\), not float32 of \(2, 4\)"),
        ({"centers": eye, "metric": "ip", "nearest": eye}, r"nearest must be finite float32 of shape \(4, 5\)"),
        ({"centers": eye, "metric": "ip", "origin": eye[0]}, "must be 4 numbers for metric='l2'"),
        ({"centers": [["a"]], "metric": "ip"}, "centers must be an array of numbers"),
        ({"centers": eye, "metric": "cos"}, "metric"),
        ({"centers": eye, "metric": "ip", "component_bits": 10}, "component_bits"),
    ):
        with pytest.raises(errors.ParameterError, match=message):
            of(**options)
    with pytest.raises(errors.UnsupportedError, match="created by its method of"):
        GivenRaBitQBinarizer().fit(X)
    model = of(eye, metric="l2", origin=eye[1], rotation=eye[::-1], component_bits=2)
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    x = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    np.testing.assert_array_equal(again.transform(x), model.transform(x))
    np.testing.assert_array_equal(again.scores(x, model.transform(x)), model.scores(x, model.transform(x)))
    model._centers = eye[:, :3]
    model.save(tmp_path / "model")
    with pytest.raises(errors.FileFormatError, match="cannot have these arrays: nearest must be"):
        load(tmp_path / "model")
