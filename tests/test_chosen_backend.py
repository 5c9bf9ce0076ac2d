"""The backend that was chosen computes everything: here what asks for another one fails."""

import itertools

import numpy as np
import pytest

import hdc
from hdc import dispatch, testing
from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.retrieval import (
    BinaryIndex,
    EmbeddingIndex,
    RaBitQBinarizer,
    RecurrentBinarizer,
    ScalarBinarizer,
    SignBinarizer,
)
from hdc.apps.retrieval.binarizers import load
from hdc.errors import UnknownNameError, UnsupportedError
from tests import models

DOCUMENTS = [{"name": f"n{i % 7}", "size": i, "tags": ["a", "b"][: i % 3]} for i in range(40)]

BINARIZERS = {
    "sign": lambda **options: SignBinarizer(100, **options),
    "rabitq": lambda **options: RaBitQBinarizer(**options),
    "rabitq, lists": lambda **options: RaBitQBinarizer(lists=4, **options),
    "scalar": lambda **options: ScalarBinarizer(**options),
    "scalar, random": lambda **options: ScalarBinarizer(rotation="random", **options),
    "bebr": lambda **options: RecurrentBinarizer(dim=64, loops=1, rounds=2, **options),
    "bebr, plain": lambda **options: RecurrentBinarizer(dim=64, rounds=0, **options),
}
ALL = [pytest.param(name, marks=[pytest.mark.slow] if name == "bebr" else []) for name in BINARIZERS]


@pytest.fixture
def only_numpy(monkeypatch):
    """Let every backend but NumPy's be unknown, ``"auto"`` with them."""
    load_backend = dispatch._load

    def guarded(name):
        if name != "numpy":
            raise UnknownNameError(f"backend {name!r} was asked for, and 'numpy' was chosen")
        return load_backend(name)

    monkeypatch.setattr(dispatch, "_load", guarded)
    with pytest.raises(UnknownNameError, match="was asked for"):
        dispatch.backend("auto")


@pytest.fixture(scope="module")
def vectors():
    x = np.random.default_rng(0).standard_normal((300, 32)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@pytest.mark.parametrize(
    "family",
    [
        pytest.param(family, marks=[pytest.mark.slow] if family in models.GENERIC else [])
        for family in models.FAMILIES
        if family not in models.VARIANTS
    ],
)
def test_models(only_numpy, family):
    testing.check_model(models.make(family, 65 if "haar" in family else 256, "numpy"))


def test_memories_and_structures(only_numpy):
    vsa = hdc.MAPB(256, backend="numpy")
    memory = hdc.ItemMemory(vsa, list("abc"))
    record = hdc.Record(vsa)
    assert record.decode(record.encode({"x": vsa.symbol("a")}), ["x"], memory)["x"].name == "a"
    hdc.Hopfield(64, list("abc"), backend="numpy").scores(list("abc"))


@pytest.mark.parametrize("name", ALL)
def test_binarizers(only_numpy, name, vectors, tmp_path):
    model = BINARIZERS[name](backend="numpy").fit(vectors)
    model.save(tmp_path)
    read = load(tmp_path, backend="numpy")
    codes = read.transform(vectors)
    np.testing.assert_array_equal(codes, model.transform(vectors))
    for asymmetric in (True, False) if model.symmetric else (True,):
        read.scores(vectors[:3], codes, asymmetric=asymmetric)
        scores, ids = read.search(vectors[:3], codes, 4, asymmetric=asymmetric)
        assert (scores.shape, ids.shape) == ((3, 4), (3, 4))
    assert read.get_params() == model.get_params()


@pytest.mark.parametrize("name", BINARIZERS)
def test_another_backend_of_a_fitted_binarizer_computes_at_once(name, vectors, monkeypatch):
    model = BINARIZERS[name]().fit(vectors)
    model.search(vectors[:3], model.transform(vectors))
    model.set_params(backend="numpy")
    monkeypatch.setattr(dispatch, "AUTO", "nobody")
    monkeypatch.setitem(dispatch._BACKENDS, "numba", "nobody:BACKEND")
    dispatch._load.cache_clear()
    try:
        model.search(vectors[:3], model.transform(vectors))
    finally:
        dispatch._load.cache_clear()


@pytest.mark.skipif(bool(models.NO_TORCH), reason=models.NO_TORCH)
@pytest.mark.parametrize("name", BINARIZERS)
def test_binarizers_say_that_they_keep_numpy_arrays(name, vectors):
    with pytest.raises(UnsupportedError, match=r"keeps NumPy arrays, and backend 'torch' has others"):
        BINARIZERS[name](backend="torch").fit(vectors)


@pytest.mark.parametrize("name", ALL)
def test_embedding_index(only_numpy, name, vectors, tmp_path):
    model = BINARIZERS[name](backend="numpy").fit(vectors)
    kinds = {"rabitq": ("flat",), "rabitq, lists": ("ivf",), "scalar": ("flat",), "scalar, random": ("flat",)}
    kinds = kinds.get(name, ("flat", "ivf"))
    for kind, keep in itertools.product(kinds, (None, "int8")):
        path = tmp_path / f"{kind} {keep}"
        with EmbeddingIndex.create(path, model, kind=kind, keep=keep) as index:
            if not index.trained:
                index.train(vectors, 3)
            index.add(vectors)
            expected = index.search(vectors[:5], 3)
        with EmbeddingIndex.open(path, backend="numpy") as index:
            for found, known in zip(index.search(vectors[:5], 3), expected, strict=True):
                np.testing.assert_array_equal(found, known)


@pytest.mark.parametrize("kind", ["flat", "ivf"])
def test_binary_index(only_numpy, kind):
    codes = hdc.MAPB(128, backend="numpy").random(100, seed=0)
    index = BinaryIndex(128, kind=kind, backend="numpy")
    if kind == "ivf":
        index.train(codes, 3)
    index.add(codes)
    assert index.search(codes[:20], 1)[1].ravel().tolist() == list(range(20))


def test_json_index(only_numpy, tmp_path):
    with JSONIndex.create(tmp_path / "index", JSONEncoder(256, backend="numpy").fit(DOCUMENTS)) as index:
        index.add(DOCUMENTS)
        assert index.search(DOCUMENTS[3], 1)[0].id == 3
    with JSONIndex.open(tmp_path / "index", backend="numpy") as index:
        assert index.search(DOCUMENTS[7], 1)[0].id == 7
        assert index.like(7, 1)[0].id != 7


def test_json_encoder(only_numpy):
    encoder = JSONEncoder(256, backend="numpy").fit(DOCUMENTS)
    vectors = encoder.transform(DOCUMENTS)
    assert vectors.shape == (40, 256)
    assert JSONEncoder.from_json(encoder.to_json(), backend="numpy").set_params(output="packed").transform(
        DOCUMENTS
    ).shape == (40, 4)
    encoder.decode(vectors[0], "name")
