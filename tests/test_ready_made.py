"""Ready-made codes: bits and bytes that others packed, searched with float queries, and semantic_search over all."""

from pathlib import Path

import numpy as np
import pytest

from hdc import errors, words
from hdc.apps.cli import main
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, RaBitQBinarizer, SignBinarizer, semantic_search
from hdc.apps.retrieval.command import PRECISIONS
from hdc.apps.retrieval.index import building_quantized, packed
from hdc.apps.retrieval.vectors import quantized as quantized_module
from hdc.apps.retrieval.vectors.quantized import Quantized
from tests import naive


def vectors(n, seed=0):
    """Return unit vectors of 64 components that lie in a space of eight dimensions."""
    plane = np.random.default_rng(9).standard_normal((8, 64))
    rows = np.random.default_rng(seed).standard_normal((n, 8)) @ plane
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


X = vectors(400)
QUERIES = vectors(20, seed=1)
TRUTH = np.argsort(-(QUERIES @ X.T), axis=1)[:, :10]


def recall(ids):
    return float(np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(ids, TRUTH, strict=True)]))


def quantized(rows, precision, ranges=None):
    """Return rows as sentence-transformers' documentation says that they are quantized."""
    if precision in ("int8", "uint8"):
        least, greatest = (rows.min(axis=0), rows.max(axis=0)) if ranges is None else ranges
        places = np.clip(np.floor((rows - least) / ((greatest - least) / 255)), 0, 255)
        return places.astype(np.uint8) if precision == "uint8" else (places - 128).astype(np.int8)
    bits = np.packbits(rows > 0, axis=1)
    return bits if precision == "ubinary" else (bits.astype(int) - 128).astype(np.int8)


RANGES = np.stack([X.min(axis=0), X.max(axis=0)])


@pytest.mark.parametrize("order", words.BITORDERS)
@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
def test_bytes_become_an_index_of_codes(order, kind, monkeypatch):
    monkeypatch.setattr(packed, "BLOCK", 150)  # several blocks
    rows = np.packbits(X > 0, axis=1, bitorder=order)
    index = BinaryIndex.from_packed(rows, bitorder=order, kind=kind, keys=[f"k{i}" for i in range(400)])
    np.testing.assert_array_equal(index.codes(range(400)), words.pack(X > 0))
    assert index.keys([151]) == ["k151"]
    options = {"flat": {}, "ivf": {"probes": 10**6}, "hnsw": {"effort": 400}}[kind]
    asked = words.from_bytes(np.packbits(QUERIES > 0, axis=1, bitorder=order), bitorder=order)
    distances, _ = index.search(asked, 5, **options)
    expected = np.sort([[naive.hamming(q, x) for x in words.pack(X > 0)] for q in asked], axis=1)[:, :5]
    np.testing.assert_array_equal(distances, expected)


def test_bits_beyond_the_dimension():
    rows = np.packbits(X[:, :50] > 0, axis=1)
    index = BinaryIndex.from_packed(rows, 50, bitorder="big")
    np.testing.assert_array_equal(index.codes(range(400)), words.pack(X[:, :50] > 0))
    assert BinaryIndex.from_packed(rows, bitorder="big").dim == 56
    with pytest.raises(errors.PaddingError, match="beyond component 48"):
        BinaryIndex.from_packed(rows, 49, bitorder="big")
    found = EmbeddingIndex.from_packed(rows, 50, bitorder="big")
    assert found.search(X[:9, :50], 1)[1].ravel().tolist() == list(range(9))


def test_the_wrong_order_finds_nothing():
    rows = np.packbits(X > 0, axis=1)
    asked = words.pack(QUERIES > 0)
    assert recall(BinaryIndex.from_packed(rows, bitorder="big").search(asked, 10)[1]) > 0.5
    assert recall(BinaryIndex.from_packed(rows, bitorder="little").search(asked, 10)[1]) < 0.2
    with pytest.raises(TypeError, match="bitorder"):
        BinaryIndex.from_packed(rows)


@pytest.mark.parametrize("made", [BinaryIndex.from_packed, EmbeddingIndex.from_packed], ids=["codes", "embeddings"])
def test_a_folder_is_there_as_a_whole_or_not_at_all(tmp_path, monkeypatch, made):
    monkeypatch.setattr(packed, "BLOCK", 100)
    rows, keys = np.packbits(X > 0, axis=1), [str(i) for i in range(400)]
    with pytest.raises(errors.ParameterError, match="key"):
        made(rows, bitorder="big", keys=[*keys[:-1], "0"], path=tmp_path / "index")
    with pytest.raises(errors.MismatchError, match="3 keys for 400 rows"):
        made(rows, bitorder="big", keys=keys[:3], path=tmp_path / "index")
    rows[399, 0] |= 1
    with pytest.raises(errors.PaddingError):
        made(rows[:, :1], 7, bitorder="big", path=tmp_path / "index")
    assert list(tmp_path.iterdir()) == []
    index = made(rows, bitorder="big", keys=keys, path=tmp_path / "index")
    assert (len(index), index.writable, index.keys([7])) == (400, True, ["7"])
    index.close()
    with pytest.raises(errors.ParameterError, match="exists"):
        made(rows, bitorder="big", path=tmp_path / "index")


@pytest.mark.parametrize(
    ("rows", "error", "text"),
    [
        (np.zeros((3, 2), np.int8), errors.DTypeError, "int8 may be bytes less 128"),
        (np.zeros((3, 2), np.float32), errors.DTypeError, "must be uint8"),
        (np.zeros(3, np.uint8), errors.DimensionError, r"\(n, bytes\)"),
        (np.zeros((3, 0), np.uint8), errors.DimensionError, r"\(n, bytes\)"),
    ],
)
def test_what_is_no_packed_bytes(rows, error, text):
    for made in (BinaryIndex.from_packed, EmbeddingIndex.from_packed):
        with pytest.raises(error, match=text):
            made(rows, bitorder="big")
    with pytest.raises(errors.ParameterError, match="one of little, big"):
        EmbeddingIndex.from_packed(np.zeros((3, 2), np.uint8), bitorder="msb")


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw"])
def test_float_queries_order_what_signs_find(kind):
    index = EmbeddingIndex.from_packed(np.packbits(X > 0, axis=1), bitorder="big", kind=kind)
    options = {"flat": {}, "ivf": {"probes": 10**6}, "hnsw": {"effort": 400}}[kind]
    scores, ids = index.search(QUERIES, 10, candidates=400, **options)
    products = QUERIES @ np.where(X > 0, np.float32(1), np.float32(-1)).T
    expected = -np.sort(-products, axis=1)[:, :10]
    np.testing.assert_allclose(np.take_along_axis(products, ids, axis=1), expected, rtol=1e-5)
    np.testing.assert_allclose(scores, expected * np.sqrt(np.pi * 64 / 2) / 64, rtol=1e-4)  # estimates of cosines
    plain = EmbeddingIndex.create(None, SignBinarizer(center=False, rotate=False).fit(X))
    plain.add(X)
    assert recall(ids) > recall(plain.search(QUERIES, 10)[1]) + 0.05
    assert recall(index.search(QUERIES, 10, among=range(0, 400, 2))[1]) < recall(ids)


def test_rescoring_is_that_of_sentence_transformers():
    """Their steps: the nearest by differing bits, then the products of the float query with these bits."""
    codes, asked = np.packbits(X > 0, axis=1), np.packbits(QUERIES > 0, axis=1)
    differing = np.unpackbits(asked[:, None] ^ codes[None], axis=2).sum(axis=2)
    near = np.argsort(differing, axis=1, kind="stable")[:, :40]
    products = np.einsum("qd,qcd->qc", QUERIES, np.unpackbits(codes[near], axis=2).astype(np.float32))
    theirs = np.take_along_axis(near, np.argsort(-products, axis=1, kind="stable")[:, :10], axis=1)
    ours = EmbeddingIndex.from_packed(codes, bitorder="big").search(QUERIES, 10, candidates=40)[1]
    np.testing.assert_array_equal(ours, theirs)


def test_asymmetric_models_are_saved_and_take_more_vectors(tmp_path):
    model = SignBinarizer(128, asymmetric=True).fit(X)
    with EmbeddingIndex.create(tmp_path / "a", model) as index:
        index.add(X)
        found = index.search(QUERIES, 10)
    with EmbeddingIndex.open(tmp_path / "a") as index:
        assert index.model.asymmetric
        np.testing.assert_array_equal(index.search(QUERIES, 10), found)
    one_by_one = [index_of(model).search(QUERIES[i : i + 1], 10)[1][0] for i in range(20)]
    np.testing.assert_array_equal(one_by_one, found[1])
    symmetric = EmbeddingIndex.create(None, SignBinarizer(128).fit(X))
    symmetric.add(X)
    assert recall(found[1]) > recall(symmetric.search(QUERIES, 10)[1])
    ready = EmbeddingIndex.from_packed(np.packbits(X > 0, axis=1), bitorder="big")
    assert ready.add(QUERIES).tolist() == list(range(400, 420))
    assert ready.search(QUERIES, 1)[1].ravel().tolist() == list(range(400, 420))
    ready.remove(ids=range(420))
    assert ready.search(QUERIES, 3)[1].shape == (20, 0)
    with pytest.raises(errors.ParameterError, match="asymmetric"):
        SignBinarizer(asymmetric=1).fit(X)


def test_candidates_are_compared_in_parts(monkeypatch):
    from hdc.apps.retrieval.binarizers import sign
    from hdc.apps.retrieval.index import pipeline

    index = EmbeddingIndex.from_packed(np.packbits(X > 0, axis=1), bitorder="big")
    whole = index.search(QUERIES, 10)
    monkeypatch.setattr(pipeline, "CANDIDATE_WORDS", 250)
    monkeypatch.setattr(sign, "CANDIDATE_FLOATS", 1)
    np.testing.assert_array_equal(index.search(QUERIES, 10), whole)


def index_of(model):
    index = EmbeddingIndex.create(None, model)
    index.add(X)
    return index


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_products_of_candidates_are_those_of_all(metric):
    model = SignBinarizer(100, metric=metric, asymmetric=True).fit(3 * X)
    codes = model.transform(3 * X)
    asked = model.space_.queries(model._search_kernels, QUERIES)
    chosen = np.random.default_rng(0).integers(0, 400, (20, 7))
    found = model.candidate_products(asked, codes[chosen])
    whole = model.products(asked, codes)
    np.testing.assert_allclose(found, np.take_along_axis(whole, chosen, axis=1), atol=2e-5)


@pytest.mark.parametrize("precision", ["int8", "uint8"])
def test_numbers_of_eight_bits(precision, tmp_path):
    rows = quantized(X, precision)
    index = EmbeddingIndex.from_quantized(
        rows, precision, ranges=RANGES, path=tmp_path / "i", keys=map(str, range(400))
    )
    assert recall(index.search(QUERIES, 10)[1]) > 0.95
    assert isinstance(index.model, RaBitQBinarizer)
    assert index.keys([3]) == ["3"]
    scores, ids = index.search(X[:5], 1)
    assert ids.ravel().tolist() == list(range(5))
    np.testing.assert_allclose(scores, 1, atol=2e-3)
    steps = (RANGES[1] - RANGES[0]) / 255
    decoded = Quantized.of(rows, precision, RANGES).floats(slice(None))
    assert (np.abs(decoded - X) <= steps * 0.51).all()
    assert abs((decoded - X).mean() / steps.mean()) < 0.02


def test_numbers_without_ranges_are_the_components():
    rows = np.rint(127 * X / np.abs(X).max()).astype(np.int8)
    index = EmbeddingIndex.from_quantized(rows, "int8")
    assert recall(index.search(QUERIES, 10)[1]) > 0.9


@pytest.mark.parametrize("precision", ["binary", "ubinary"])
def test_bits_by_the_names_of_others(precision):
    index = EmbeddingIndex.from_quantized(quantized(X, precision), precision)
    ours = EmbeddingIndex.from_packed(np.packbits(X > 0, axis=1), bitorder="big")
    np.testing.assert_array_equal(index.search(QUERIES, 10), ours.search(QUERIES, 10))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("precision", ["int8", "uint8", "binary", "ubinary"])
def test_the_library_itself_makes_such_codes(precision):
    library = pytest.importorskip("sentence_transformers.quantization", reason="compared where it is installed")
    ranges = RANGES if precision.endswith("int8") else None
    theirs = library.quantize_embeddings(X, precision=precision, ranges=ranges)
    np.testing.assert_array_equal(theirs, quantized(X, precision))
    if precision == "ubinary":
        hits, _ = library.semantic_search_faiss(QUERIES, theirs, corpus_precision=precision, rescore_multiplier=4)
        ours = semantic_search(QUERIES, theirs, precision=precision, candidates=40)
        same = [
            {a["corpus_id"] for a in one} == {b["corpus_id"] for b in two} for one, two in zip(hits, ours, strict=True)
        ]
        assert np.mean(same) > 0.5  # which of equal distances are candidates is another matter


def test_lists_as_services_send_them():
    for precision in ("binary", "ubinary", "int8"):
        rows, ranges = quantized(X, precision), RANGES if precision == "int8" else None
        expected = EmbeddingIndex.from_quantized(rows, precision, ranges=ranges).search(QUERIES, 10)
        index = EmbeddingIndex.from_quantized(rows.tolist(), precision, ranges=ranges)
        np.testing.assert_array_equal(index.search(QUERIES, 10), expected)
    bits = np.packbits(X > 0, axis=1)
    assert len(BinaryIndex.from_packed(bits.tolist(), bitorder="big")) == 400
    with pytest.raises(errors.DTypeError, match="not int64"):
        BinaryIndex.from_packed([[256, 1]], bitorder="big")
    with pytest.raises(errors.DTypeError, match="not int64"):
        EmbeddingIndex.from_quantized([[-129, 1]], "int8")
    with pytest.raises(errors.DTypeError, match="not int64"):
        BinaryIndex.from_packed(bits.astype(np.int64), bitorder="big")


@pytest.mark.parametrize(
    ("rows", "precision", "ranges", "error", "text"),
    [
        (np.zeros((3, 4), np.uint8), "int8", None, errors.DTypeError, "'int8' must be int8, not uint8"),
        (np.zeros((3, 4), np.float32), "ubinary", None, errors.DTypeError, "not float32"),
        (np.zeros((3, 4), np.uint8), "uint8", None, errors.ParameterError, "pass the ranges"),
        (np.zeros((3, 4), np.uint8), "ubinary", np.zeros((2, 4)), errors.ParameterError, "ranges are for int8"),
        (np.zeros((3, 4), np.int8), "int8", np.zeros((4, 2)), errors.DimensionError, r"\(2, 4\)"),
        (np.zeros((3, 4), np.int8), "int8", np.ones((2, 4)) * [[1], [0]], errors.ParameterError, "minimum of each"),
        (np.zeros((3, 4), np.int8), "int8", np.full((2, 4), np.nan), errors.ParameterError, "finite"),
        (np.zeros((3, 4), np.int8), "int8", [["a"] * 4] * 2, errors.DTypeError, "numbers"),
        (np.zeros((3, 4), np.int8), "float32", None, errors.ParameterError, "precision must be one of"),
        (np.zeros(4, np.int8), "int8", None, errors.DimensionError, "must have shape"),
    ],
)
def test_forms_that_are_not_so(rows, precision, ranges, error, text):
    with pytest.raises(error, match=text):
        EmbeddingIndex.from_quantized(rows, precision, ranges=ranges)
    with pytest.raises(errors.UnsupportedError, match="RaBitQ"):
        EmbeddingIndex.from_quantized(quantized(X, "int8"), "int8", ranges=RANGES, kind="hnsw")


# ---------------------------------------------------------------------- semantic_search


def numbers(texts):
    """Return the vector that a text names."""
    return X[[int(text) for text in texts]]


class Model:
    """A model in the manner of sentence-transformers', whose call is no encoding."""

    def __call__(self, texts):
        raise AssertionError("forward was called")

    def encode(self, texts):
        return numbers(texts).tolist()


def test_one_call_over_everything():
    texts = [str(i) for i in range(400)]
    expected = [[{"corpus_id": i, "score": pytest.approx(1)}] for i in (3, 5)]
    for encoder in (numbers, Model(), Model().encode):
        assert semantic_search(["3", "5"], texts, 1, encoder=encoder) == expected
        assert semantic_search("3", X, 1, encoder=encoder) == expected[:1]
        assert semantic_search(X[[3, 5]], texts, 1, encoder=encoder) == expected
    hits = semantic_search(QUERIES, X)
    assert [[hit["corpus_id"] for hit in row] for row in hits] == TRUTH.tolist()
    assert [hit["score"] for hit in hits[0]] == pytest.approx((QUERIES[0] @ X[TRUTH[0]].T).tolist(), abs=1e-6)
    assert semantic_search(X[3], X.astype(np.float64), 1) == expected[:1]
    assert len(semantic_search(X[3], X[:4], 9)[0]) == 4


@pytest.mark.parametrize("precision", ["int8", "uint8", "binary", "ubinary"])
def test_one_call_over_quantized_embeddings(precision):
    ranges = RANGES if precision.endswith("int8") else None
    rows = quantized(X, precision)
    hits = semantic_search(QUERIES, rows, precision=precision, ranges=ranges, candidates=400)
    assert recall([[hit["corpus_id"] for hit in row] for row in hits]) > (0.5 if "binary" in precision else 0.95)
    index = EmbeddingIndex.from_quantized(rows, precision, ranges=ranges)
    assert semantic_search(QUERIES, index, candidates=400) == hits
    index.remove(ids=[hits[0][0]["corpus_id"]])
    assert semantic_search(QUERIES, index)[0][0] != hits[0][0]


@pytest.mark.parametrize(
    ("queries", "corpus", "options", "error", "text"),
    [
        ("3", X, {}, errors.ParameterError, "queries are texts; pass encoder"),
        (X[:2], ["3"], {}, errors.ParameterError, "corpus are texts; pass encoder"),
        (X[:2], quantized(X, "ubinary"), {}, errors.DTypeError, "pass their precision"),
        (quantized(X, "ubinary"), X, {}, errors.DTypeError, "pass floats"),
        (X[:2], X[:, :9], {}, errors.DimensionError, "64"),
        (X[:2], X, {"candidates": 5}, errors.ParameterError, "compared exactly"),
        (X[:2], X, {"ranges": RANGES}, errors.ParameterError, "compared exactly"),
        (X[:2], X, {"k": 0}, errors.ParameterError, "k must be"),
        (X[:2], X[:0], {}, errors.ParameterError, "has no vectors"),
        (np.full((1, 64), np.nan, np.float32), X, {}, errors.ParameterError, "queries contains NaN"),
        (X[:2], np.full((3, 64), np.nan, np.float32), {}, errors.ParameterError, "NaN"),
        (["3"], X, {"encoder": 3}, errors.ParameterError, "must be a function"),
    ],
)
def test_what_one_call_refuses(queries, corpus, options, error, text):
    with pytest.raises(error, match=text):
        semantic_search(queries, corpus, **options)


def test_an_index_knows_its_own_form():
    with pytest.raises(errors.ParameterError, match="an index stores its own"):
        semantic_search(X[:1], EmbeddingIndex.from_packed(np.packbits(X > 0, axis=1), bitorder="big"), precision="int8")


@pytest.mark.parametrize("precision", ["int8", "uint8", "binary", "ubinary"])
def test_the_command_makes_the_same_index(precision, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    ranges = RANGES if precision in ("int8", "uint8") else None
    rows, keys = quantized(X, precision, ranges), [f"k{i}" for i in range(len(X))]
    np.save("rows.npy", rows)
    Path("keys.txt").write_text("\n".join(keys))
    options = ["--precision", precision, "--keys", "keys.txt", "-o", "made"]
    if ranges is not None:
        np.save("ranges.npy", ranges)
        options += ["--ranges", "ranges.npy"]
    monkeypatch.setattr(packed, "BLOCK", 150)
    taken, add = [], building_quantized.add_quantized

    def interrupted(index, given, names, start):
        taken.append(start)
        if len(taken) == 1:
            add(index, Quantized(given.rows[:150], given.precision, given.ranges), names[:150], start)
            raise OSError("the disk is full")
        add(index, given, names, start)

    monkeypatch.setattr(building_quantized, "add_quantized", interrupted)
    assert main(["embed", "index", "rows.npy", *options]) != 0
    assert main(["embed", "index", "rows.npy", *options]) == 0
    assert taken == [0, 150]
    assert f"{len(X)} vectors in made (" in capsys.readouterr().out
    expected = EmbeddingIndex.from_quantized(rows, precision, ranges=ranges, keys=keys)
    with EmbeddingIndex.open("made") as index:
        for found, own in zip(index.search(QUERIES, 5), expected.search(QUERIES, 5), strict=True):
            np.testing.assert_array_equal(found, own)
        assert index.keys([0, 1]) == ["k0", "k1"]


def test_what_the_command_refuses_of_ready_made_codes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("rows.npy", quantized(X, "ubinary"))
    np.save("none.npy", quantized(X, "ubinary")[:0])
    for words_of, message in (
        (["rows.npy"], "pass --model, or --precision"),
        (["rows.npy", "--precision", "ubinary", "--model", "m"], "leave --model out"),
        (["rows.npy", "--precision", "ubinary", "--workers", "2"], "leave --workers out"),
        (["rows.npy", "--precision", "ubinary", "--keep", "int8", "--seed", "1"], "leave --keep, --seed out"),
        (["rows.npy", "--precision", "int8"], "of precision 'int8' must be int8, not uint8"),
        (["rows.npy", "--precision", "uint8"], "pass the ranges"),
        (["rows.npy", "--model", "m", "--ranges", "r.npy"], "--ranges needs --precision"),
        (["none.npy", "--precision", "ubinary"], "has no rows"),
    ):
        assert main(["embed", "index", *words_of, "-o", "made"]) != 0
        assert message in capsys.readouterr().err
    assert not (tmp_path / "made").exists()
    assert PRECISIONS == quantized_module.PRECISIONS
