"""An index of scalar codes: its scan against the model's own scores, and what changes, is saved, or does not go."""

import numpy as np
import pytest

from hdc.apps.retrieval import EmbeddingIndex, ScalarBinarizer
from hdc.errors import FileFormatError, UnsupportedError
from hdc.kernels import MOST_RAISE
from tests.models import NUMPY_BACKENDS


def units(n, d, seed=0, decay=0.95, mean=0.4):
    rng = np.random.default_rng(seed)
    centers = np.random.default_rng(5).standard_normal((30, d))
    x = (centers[rng.integers(0, 30, n)] + rng.standard_normal((n, d))) * decay ** np.arange(d) + mean
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def scores_of(model, queries, codes):
    """Return what the index estimates: the scores, and the product with the mean."""
    return model.scores(queries, codes) + (queries @ model.mean_)[:, None]


@pytest.mark.parametrize("rotation", ["principal", "random"])
@pytest.mark.parametrize(("d", "size"), [(2, 8), (63, 24), (64, 16), (65, 64), (200, 104)])
def test_a_scan_finds_what_the_models_scores_do(rotation, d, size):
    x, queries = units(400, d), units(20, d, seed=1)
    model = ScalarBinarizer(min(size, -(-(8 * d + 32) // 64) * 8), rotation).fit(x)
    expected = scores_of(model, queries, model.transform(x))
    for backend in NUMPY_BACKENDS:
        index = EmbeddingIndex.create(None, ScalarBinarizer.set_params(model, backend=backend))
        index.add(x)
        scores, ids = index.search(queries, 400)
        found = np.take_along_axis(scores, np.argsort(ids, axis=1), axis=1)
        assert np.abs(found - expected).max() < 0.02  # of a query rounded to bytes
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.9995
        alone = [index.search(queries[i : i + 1], 5) for i in range(3)]
        assert np.array_equal(np.concatenate([ids for _, ids in alone]), ids[:3, :5])


@pytest.mark.parametrize("d", [64, pytest.param(3000, marks=pytest.mark.slow)])
def test_integers_of_queries_stand_for_their_components(d):
    x = units(300, d, decay=0.9 if d == 64 else 0.998)
    model = ScalarBinarizer(64 if d == 64 else 768).fit(x)
    asked = model.level_queries(x[:50])
    assert asked.raises.max() <= MOST_RAISE
    runs, rotated = model.level_runs, model._project(x[:50])
    values = np.zeros((50, model.dim_))
    for row, (integers, raises) in enumerate(zip(asked.integers, asked.raises, strict=True)):
        first = at = 0
        total = 0
        for number, run in enumerate(runs):
            width, count = run.words * 64 // run.bits, model._runs[number][0].stop - at
            power = 2.0 ** raises[number + 1 :].sum()
            step = 2 * float(model._runs[number][1].values[-1]) / 255
            own = integers[first : first + count] * power * float(asked.factors[row, 0])
            values[row, at : at + count] = own / step / model.spreads_[at : at + count]
            assert not integers[first + count : first + width].any()
            total = total * 2 ** int(raises[number]) + 255 * int(np.abs(integers[first : first + width]).sum())
            first, at = first + width, at + count
        assert total < 2**31
    error = np.abs(values - rotated) * model.spreads_[: model.dim_]
    assert error.max() < 0.02 * (np.abs(rotated) * model.spreads_[: model.dim_]).max()
    zero = model.level_queries(np.zeros((1, d), dtype=np.float32))
    assert not zero.integers.any()
    assert np.isfinite(zero.factors).all()


def test_an_index_changes_and_comes_back(tmp_path):
    x = units(300, 48)
    model = ScalarBinarizer(24).fit(x)
    with EmbeddingIndex.create(tmp_path / "index", model, keep="int8") as index:
        index.add(x[:200], keys=[f"v{i}" for i in range(200)])
        assert index.search(x[:5], k=1)[1].ravel().tolist() == [0, 1, 2, 3, 4]
        index.add(x[200:])
        index.remove([1])
        assert index.search(x[[1, 250]], k=1)[1][1, 0] == 250
        assert 1 not in index.search(x[1:2], k=20)[1]
        expected = index.search(x[:30], 7)
    with EmbeddingIndex.open(tmp_path / "index") as index:
        assert (index.kind, index.bytes_per_vector) == ("flat", 24 + 48)
        for one, other in zip(index.search(x[:30], 7), expected, strict=True):
            assert np.array_equal(one, other)
        scores, ids = index.search(x[:4], 3, among=[0, 3, 9, 250])
        assert set(ids.ravel().tolist()) <= {0, 3, 9, 250}
        assert ids[0, 0] == 0
        assert scores[0, 0] == pytest.approx(1, abs=1e-3)  # by the originals
        index.verify()


def test_what_does_not_go_is_told():
    x = units(50, 16)
    model = ScalarBinarizer(16).fit(x)
    for kind in ("ivf", "hnsw"):
        with pytest.raises(UnsupportedError, match=f"scalar codes need kind='flat'; kind='{kind}' compares"):
            EmbeddingIndex.create(None, model, kind=kind)
    index = EmbeddingIndex.create(None, model)
    codes = model.transform(x)
    codes[3, -1] |= np.uint64(0x7C00 << 48)  # a scale that is infinite
    index.codes.add(codes)
    with pytest.raises(FileFormatError, match="contains NaN or infinity"):
        index.search(x[:1])
