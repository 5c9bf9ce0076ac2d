"""K-means on hypervectors: against its definition, on groups that are there, and among scikit-learn's estimators."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hdc
from hdc.errors import FileFormatError, ParameterError, UnsupportedError

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn is not installed")

from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline

from hdc.apps.learn import Features, HDClassifier, HDCluster
from hdc.apps.learn.kmeans import Bundles, Directions, directions, kmeans, lloyd, seeded, summed
from hdc.apps.learn.rows import Rows
from tests import models
from tests.sklearn_checks import failures

VSA = hdc.create("MAP-B", 256)
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "k-means++ draws rows by their order, as that of KMeans does; and "
    "Features scales columns by rows without their weights",
}


def units(rng, n, dim):
    return directions(rng.standard_normal((n, dim)))


def groups(n=60, flipped=0.15, seed=0):
    """Return packed rows around three atoms, with a share of their bits flipped, and the atom of each."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    noise = hdc.words.pack(rng.random((n, VSA.dim)) < flipped)
    return VSA.symbols(["a", "b", "c"])[truth] ^ noise, truth


class TestKMeans:
    @given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 30), k=st.integers(1, 5))
    @settings(max_examples=30, deadline=None)
    def test_it_ends_where_nothing_moves(self, seed, n, k):
        rng = np.random.default_rng(seed)
        data, weights, k = units(rng, n, 7), rng.choice([0.5, 1.0, 2.0], n).astype(np.float32), min(k, n)
        found = kmeans(Directions(Rows(data, 7)), k, weights, rng, starts=2)
        cosines = data @ found.centers.T
        np.testing.assert_allclose(cosines[np.arange(n), found.labels], cosines.max(axis=1), atol=1e-6)
        np.testing.assert_allclose(found.inertia, weights @ (1 - cosines.max(axis=1)), atol=1e-5)
        for place in set(found.labels):
            total = (weights[:, None] * data)[found.labels == place].sum(axis=0)
            np.testing.assert_allclose(found.centers[place], total / np.linalg.norm(total), atol=1e-4)

    def test_rounds_are_those_of_the_definition(self):
        """Lloyd's algorithm in plain Python, from the same start."""
        rng = np.random.default_rng(4)
        data, centers = units(rng, 40, 6), units(rng, 3, 6)
        found = lloyd(Directions(Rows(data, 6)), centers, np.ones(40, np.float32), 100)
        plain, labels = centers.astype(float).tolist(), None
        while True:
            now = [max(range(3), key=lambda c: sum(map(float.__mul__, row, plain[c]))) for row in data.tolist()]
            if now == labels:
                break
            labels = now
            for c in range(3):
                members = [data[i].tolist() for i in range(40) if labels[i] == c]
                total = [sum(row[j] for row in members) for j in range(6)]
                length = sum(x * x for x in total) ** 0.5
                plain[c] = [x / length for x in total]
        assert found.labels.tolist() == labels
        np.testing.assert_allclose(found.centers, plain, atol=1e-5)

    def test_equal_rows_leave_no_center_without_direction(self):
        space = Directions(Rows(np.ones((6, 4), dtype=np.float32), 4))
        found = kmeans(space, 3, np.ones(6, dtype=np.float32), np.random.default_rng(0))
        assert found.inertia == pytest.approx(0, abs=1e-6)
        np.testing.assert_allclose(np.linalg.norm(found.centers, axis=1), 1, rtol=1e-6)

    def test_weights_are_repetitions(self):
        rng = np.random.default_rng(2)
        data, weights, start = units(rng, 20, 5), rng.integers(0, 4, 20), units(rng, 3, 5)
        repeated = np.repeat(data, weights, axis=0)
        labels, distances, sums = summed(Rows(data, 5), start, weights.astype(np.float32))
        again, further, others = summed(Rows(repeated, 5), start, np.ones(len(repeated), np.float32))
        np.testing.assert_array_equal(np.repeat(labels, weights), again)
        np.testing.assert_allclose(sums, others, atol=1e-5)
        np.testing.assert_allclose(distances @ weights, further.sum(), rtol=1e-6)

    def test_bundles_are_those_of_the_model(self):
        data, _ = groups(40)
        weights = np.arange(40) % 3
        found = lloyd(Bundles(VSA, data), data[:4], weights.astype(np.float32), 100)
        distances = [[1 - float(VSA.similarity(row, center)) for center in found.centers] for row in data]
        assert found.labels.tolist() == [row.index(min(row)) for row in distances]
        assert found.inertia == pytest.approx(weights @ np.min(distances, axis=1), rel=1e-6)
        for place in set(found.labels):
            own = found.labels == place
            np.testing.assert_array_equal(found.centers[place], VSA.bundle(data[own], weights[own]))

    def test_starts_are_spread(self):
        """Three tight groups: k-means++ takes one of each; of uniform draws 2 in 9 do, all twenty never (1e-13)."""
        rng = np.random.default_rng(5)
        data = np.repeat(units(rng, 3, 64), 50, axis=0) + rng.standard_normal((150, 64)).astype(np.float32) * 1e-3
        for seed in range(20):
            found = seeded(Directions(Rows(data, 64)), 3, np.ones(150, np.float32), np.random.default_rng(seed))
            assert (found @ found.T).round(1).sum() < 4


@pytest.mark.parametrize("centers", ["sum", "bundle"])
class TestHDCluster:
    def test_scikit_learns_checks(self, centers):
        assert not failures(HDCluster(3, Features(128), centers=centers, n_init=1), EXPECTED)

    def test_groups_are_found(self, centers):
        data, truth = groups()
        found = HDCluster(3, VSA, centers=centers).fit(data)
        assert adjusted_rand_score(truth, found.labels_) == 1
        np.testing.assert_array_equal(found.predict(data), found.labels_)
        np.testing.assert_array_equal(found.fit_predict(data), found.labels_)
        assert found.transform(data).shape == (60, 3)
        assert found.score(data) == pytest.approx(-found.inertia_, rel=1e-5)
        similar = VSA.similarity(VSA.symbols(["a", "b", "c"]), found.bundles_).max(axis=1)
        assert (similar > 0.9).all()  # a majority of twenty rows with 15 % of flipped bits

    def test_centers_of_streams(self, centers):
        """Parts of a stream move centers to the mean of all rows: where groups are apart, what fit finds."""
        data, _ = groups(300)
        stream = HDCluster(3, VSA, centers=centers)
        for part in np.split(data, 10):
            stream.partial_fit(part)
        whole = HDCluster(3, VSA, centers=centers).fit(data)
        assert adjusted_rand_score(stream.predict(data), whole.labels_) == 1
        order = [int(stream.predict(data[whole.labels_ == c][:1])[0]) for c in range(3)]
        same = stream.cluster_centers_[order], whole.cluster_centers_
        np.testing.assert_allclose(*same, atol=1e-5) if centers == "sum" else np.testing.assert_array_equal(*same)
        assert stream.n_iter_ == 10

    def test_fit_goes_on_with_partial_fit(self, centers):
        data, _ = groups(126, flipped=0.3)
        found = HDCluster(3, VSA, centers=centers).fit(data[:60])
        before = np.array(found.cluster_centers_)
        found.partial_fit(data[60:])
        assert not np.array_equal(found.cluster_centers_, before)
        labels = np.concatenate([HDCluster(3, VSA, centers=centers).fit(data[:60]).labels_, found.labels_])
        for place, bundle in enumerate(found.bundles_):
            members = data[labels == place]
            if centers == "bundle" or len(members) % 2:  # signs of even sums have ties
                np.testing.assert_array_equal(bundle, VSA.bundle(members))

    def test_files(self, centers, tmp_path):
        data, _ = groups(120)
        found = HDCluster(3, VSA, centers=centers).fit(data[:60])
        found.save(tmp_path / "model")
        again = HDCluster.load(tmp_path / "model")
        np.testing.assert_array_equal(again.transform(data), found.transform(data))
        assert (again.inertia_, again.n_iter_, again.centers) == (found.inertia_, found.n_iter_, centers)
        if centers == "sum":
            again.partial_fit(data[60:])
            np.testing.assert_array_equal(again.cluster_centers_, found.partial_fit(data[60:]).cluster_centers_)
        else:
            with pytest.raises(ParameterError, match="bundles that come from a file cannot go on"):
                again.partial_fit(data[60:])
        found.cluster_centers_ = found.cluster_centers_[:2]
        found.save(tmp_path / "model")
        with pytest.raises(FileFormatError, match="centers of"):
            HDCluster.load(tmp_path / "model")

    def test_weights_of_zero_are_rows_that_are_not_there(self, centers):
        data, _ = groups(60)
        weights = np.arange(60) % 2
        found = HDCluster(3, VSA, centers=centers).fit(data, sample_weight=weights)
        alone = HDCluster(3, VSA, centers=centers).fit(data[1::2])
        assert adjusted_rand_score(found.predict(data), alone.predict(data)) == 1
        assert found.inertia_ == pytest.approx(alone.inertia_, rel=1e-5)


@pytest.mark.parametrize(("centers", "floor"), [("sum", 0.52), ("bundle", 0.52)])
def test_digits_fall_into_their_classes(centers, floor):
    """Of other encoders .50 to .64; KMeans on the pixels reaches .67, where classes are round already."""
    X, y = load_digits(return_X_y=True)
    found = HDCluster(10, Features(1024), centers=centers, n_init=5).fit(X)
    assert adjusted_rand_score(y, found.labels_) >= floor


def test_wrong_parameters():
    data, _ = groups(10)
    with pytest.raises(ParameterError, match="centers must be one of sum, bundle"):
        HDCluster(3, VSA, centers="mean").fit(data)
    with pytest.raises(ParameterError, match="n_samples=10 should be >= n_clusters=11"):
        HDCluster(11, VSA).fit(data)
    with pytest.raises(ParameterError, match="whole numbers"):
        HDCluster(3, VSA, centers="bundle").fit(data, sample_weight=np.full(10, 0.5))
    vsa = hdc.create("MAP-I", 64)
    with pytest.raises(UnsupportedError, match="not MAP-I; take centers='sum'"):
        HDCluster(2, vsa, centers="bundle").fit(vsa.random(5, seed=0))
    with pytest.raises(UnsupportedError, match="no model"):
        HDCluster(2, None).fit(data).bundles_  # noqa: B018


def test_hypervectors_of_other_models():
    for name in ("MAP-I", "HRR", "FHRR"):
        vsa = hdc.create(name, 256)
        atoms = vsa.random(3, seed=0)
        data = np.concatenate(
            [vsa.bundle(np.stack([atoms[i % 3], one]))[None] for i, one in enumerate(vsa.random(30, seed=1))]
        )
        found = HDCluster(3, vsa).fit(data)
        assert adjusted_rand_score(np.arange(30) % 3, found.labels_) == 1


@pytest.mark.skipif(bool(models.NO_TORCH), reason=models.NO_TORCH)
@pytest.mark.parametrize("centers", ["sum", "bundle"])
def test_hypervectors_of_torch(centers):
    X = load_digits().data[:200]
    found, other = (
        HDCluster(3, Features(model=hdc.create("MAP-B", 256, backend=name)), centers=centers).fit(X)
        for name in ("torch", "numba")
    )
    np.testing.assert_array_equal(found.cluster_centers_, other.cluster_centers_)
    np.testing.assert_array_equal(found.predict(X), other.predict(X))


def test_distances_are_features():
    X, y = load_digits(return_X_y=True)
    pipe = make_pipeline(HDCluster(40, Features(256), n_init=1, max_iter=5), HDClassifier(Features(256), calibration=0))
    assert pipe.fit(X[::3], y[::3]).score(X[1::3], y[1::3]) > 0.85
    names = clone(pipe[0]).fit(X[:50]).get_feature_names_out()
    assert names[:2].tolist() == ["hdcluster0", "hdcluster1"]
