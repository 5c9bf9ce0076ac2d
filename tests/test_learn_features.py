"""Features: tables to hypervectors, against the algebra itself, on every backend, among scikit-learn's estimators."""

import json
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn is not installed")

import scipy.sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import estimator_checks_generator

import hdc
from hdc.apps.json import JSONEncoder
from hdc.apps.learn import Features
from hdc.apps.learn.features.members import bundled
from hdc.apps.learn.features.series import filled
from hdc.apps.learn.features.texts import grams
from hdc.errors import DTypeError, FileFormatError, ParameterError, UnsupportedError
from hdc.words import pack, unpack
from tests import models

BACKENDS = [*models.NUMPY_BACKENDS, *(["torch"] if not models.NO_TORCH else [])]
SIGNS = ("MAP-B", "MAP-I")


def table(rows=40, columns=5, seed=0):
    """Return normal numbers, one of them missing, and a row of nothing."""
    X = np.random.default_rng(seed).normal(size=(rows, columns))
    X[1, 2] = X[3] = np.nan
    return X


def on_host(features, rows):
    return features.vsa.to_numpy(rows)


# ------------------------------------------------------------------ scikit-learn


CODES = {
    "fourier": Features(64),
    "density": Features(64, model="MAP-I", numeric="density", kappa=3),
    "level": Features(64, numeric="level"),
    "float": Features(32, model="FHRR"),
    "stateless": Features(64, ranges=(-3, 3)),
}


def checks(*names):
    """Return scikit-learn's checks of transformers: none is left out."""
    found = [(name, check) for name in names for _, check in estimator_checks_generator(clone(CODES[name]))]
    return [pytest.param(name, check, id=f"{name}-{getattr(check, 'func', check).__name__}") for name, check in found]


@pytest.mark.parametrize(("name", "check"), checks("fourier"))
def test_scikit_learns_checks(name, check):
    check(clone(CODES[name]))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "check"), checks("density", "level", "float", "stateless"))
def test_scikit_learns_checks_of_other_codes(name, check):
    check(clone(CODES[name]))


def test_tags():
    tags = get_tags(Features())
    assert (tags.requires_fit, tags.input_tags.allow_nan, tags.input_tags.string, tags.input_tags.sparse) == (
        True, True, True, False,
    )  # fmt: skip
    assert not get_tags(Features(ranges=(0, 1))).requires_fit
    assert get_tags(Features(ranges={"age": (0, 1)})).requires_fit
    assert get_tags(Features(ranges=(0, 1), columns={"doc": "json"})).requires_fit
    assert get_tags(Features(numeric="series")).input_tags.three_d_array


def test_in_a_pipeline_with_names_and_frames():
    pandas = pytest.importorskip("pandas")
    X = pandas.DataFrame(table(), columns=list("abcde"), index=np.arange(40) + 7)
    features = Features(130).fit(X)
    assert features.feature_names_in_.tolist() == list("abcde")
    assert features.get_feature_names_out().tolist() == ["features0", "features1", "features2"]
    framed = clone(features).set_output(transform="pandas").fit_transform(X)
    assert framed.index.equals(X.index)
    np.testing.assert_array_equal(framed.to_numpy(), features.transform(X))
    y = X["a"].fillna(0) > 0
    assert make_pipeline(Features(500, model="FHRR"), RidgeClassifier()).fit(X, y).score(X, y) > 0.9
    with pytest.raises(ValueError, match="feature names"):
        features.transform(X[["b", "a", "c", "d", "e"]])


def test_without_scikit_learn_the_error_names_the_extra():
    code = "import sys; sys.modules['sklearn'] = None; sys.modules['sklearn.base'] = None; import hdc.apps.learn as l\n"
    code += "try: l.Features\nexcept ImportError as error: print(error)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "pip install 'hdc-toolkit[learn]'" in out


# ------------------------------------------------------------------ the codes


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kappa", [None, 1, 3])
@pytest.mark.parametrize("numeric", ["density", "level"])
@pytest.mark.parametrize("model", SIGNS)
def test_records_are_bundles_of_roles_times_codes(model, numeric, kappa, backend):
    if model == "MAP-B" and kappa:
        pytest.skip("kappa is of MAP-I")
    X = table()
    features = Features(300, model=model, numeric=numeric, kappa=kappa, backend=backend).fit(X)
    code = {"density": hdc.Thermometer, "level": hdc.Level}[numeric](features.vsa, "share", 0, 1)
    shares = (X - np.nanmin(X, axis=0)) / (np.nanmax(X, axis=0) - np.nanmin(X, axis=0))
    found = on_host(features, features.transform(X))
    for row, share in zip(found, shares, strict=True):
        known = [c for c in range(5) if not math.isnan(share[c])]
        pairs = [
            features.vsa.bind(features.vsa.role(("column", c)), code.encode(min(max(share[c], 0), 1))) for c in known
        ]
        pairs = np.array([on_host(features, pair) for pair in pairs])
        signs = 1 - 2 * unpack(pairs, 300).astype(int) if model == "MAP-B" and known else pairs.astype(int)
        sums = signs.sum(axis=0) if known else np.zeros(300, int)
        if model == "MAP-I":
            np.testing.assert_array_equal(row, np.clip(sums, -(kappa or 9), kappa or 9))
        else:
            agree = unpack(row, 300) == (sums < 0)
            assert agree[sums != 0].all()


def test_ties_of_density_codes_fall_as_those_of_the_model():
    X = table(columns=4)
    features = Features(1000, numeric="density").fit(X)
    encoding = features._encoding([0, 1, 2, 3]).numbers
    np.testing.assert_array_equal(features.transform(X), bundled(features.vsa, encoding.members(X), None))


@pytest.mark.parametrize("numeric", ["fourier", "density", "level"])
@pytest.mark.parametrize("model", SIGNS)
def test_bits_are_the_same_on_every_backend_and_in_every_batch(model, numeric):
    X = table(columns=70, rows=30)
    expected = None
    for backend in BACKENDS:
        features = Features(257, model=model, numeric=numeric, backend=backend).fit(X)
        found = on_host(features, features.transform(X))
        expected = found if expected is None else expected
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
    alone = np.concatenate([on_host(features, features.transform(X[i : i + 1])) for i in range(30)])
    np.testing.assert_array_equal(alone, expected)
    np.testing.assert_array_equal(on_host(features, features.transform(np.asfortranarray(X))), expected)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 6).flatmap(
        lambda d: st.lists(
            st.lists(st.floats(-1e9, 1e9) | st.just(math.nan), min_size=d, max_size=d), min_size=1, max_size=5
        )
    )
)
def test_signs_are_those_of_whole_angles(rows):
    X = np.array(rows)
    features = Features(70, backend="numba", ranges=(-4, 4), bandwidth=0.7)
    fourier = hdc.RandomFourier(features.vsa, "features", X.shape[1], bandwidth=0.7)
    unit = 8 / math.sqrt(12)
    turn = 2 ** min(24, 36 - X.shape[1].bit_length())
    found = unpack(features.transform(X), 70)
    for row, bits in zip(X.tolist(), found.tolist(), strict=True):
        whole = [0 if math.isnan(v) else max(-(2**16), min(2**16, round(v / unit * 1024))) for v in row]
        for j, bit in enumerate(bits):
            parts = [round(fourier.frequencies[c, j] / (2 * math.pi) * (turn / 1024)) for c in range(len(row))]
            angle = sum(a * b for a, b in zip(whole, parts, strict=True)) + round(
                fourier.offsets[j] / (2 * math.pi) * turn
            )
            assert bit == (turn // 4 <= angle % turn < 3 * turn // 4)


@pytest.mark.parametrize("model", SIGNS)
@pytest.mark.parametrize("kernel", ["gaussian", "laplace"])
def test_fourier_signs_are_nearly_those_of_the_encoder(model, kernel):
    X = table(columns=8)
    features = Features(20_000, model=model, kernel=kernel, bandwidth=2.0).fit(X)
    encoder = hdc.RandomFourier(features.vsa, "features", 8, kernel=kernel, bandwidth=2.0)
    expected = encoder.encode(features.scaling_.standardized(X))
    found = features.transform(X)
    if model == "MAP-B":
        found, expected = unpack(found, 20_000), unpack(expected, 20_000)
    assert (found != expected).mean() < 2e-3
    assert found.dtype == expected.dtype


def test_similarity_of_fourier_codes_is_the_kernel():
    """Six deviations of a similarity of 20,000 components: a false alarm once in 10^8 runs; the seed is fixed."""
    X = table(columns=6)
    X = X[~np.isnan(X).any(axis=1)]
    for model in ("MAP-B", "FHRR"):
        features = Features(20_000, model=model).fit(X)
        Z, codes = features.scaling_.standardized(X), features.transform(X)
        encoder = hdc.RandomFourier(features.vsa, "features", 6, bandwidth=features.bandwidth_)
        expected = encoder.expected_similarity(Z[:1], Z)
        assert np.abs(features.vsa.similarity(codes[0], codes) - expected).max() < 6 / math.sqrt(20_000)


def test_the_bandwidth_is_of_the_median_distance():
    X = table(rows=300, columns=3)[4:]
    features = Features().fit(X)
    Z = (X - X.mean(axis=0)) / X.std(axis=0)
    apart = np.sqrt(((Z[:, None] - Z) ** 2).sum(axis=2))[np.triu_indices(len(Z), 1)]
    assert features.bandwidth_ == pytest.approx(0.7 * np.median(apart))
    assert Features(bandwidth=3).fit(X).bandwidth_ == 3
    assert Features(ranges=(0, 1)).fit(X).bandwidth_ == pytest.approx(math.sqrt(3))
    assert Features().fit(np.ones((5, 2))).bandwidth_ == 1


def test_missing_numbers_are_left_out():
    X = table()
    features = Features(2000, model="FHRR").fit(X)
    row = np.where(np.isnan(X[1]), np.nanmean(X, axis=0), X[1])
    np.testing.assert_allclose(features.transform(X[1:2]), features.transform([row]), atol=1e-5)
    density = Features(2000, model="MAP-I", numeric="density").fit(X)
    assert (density.transform(X)[3] == 0).all()
    assert (np.abs(density.transform(X)[1]) <= 4).all()


@pytest.mark.parametrize("model", hdc.list_models())
def test_every_model_takes_level_records_and_categories(model):
    rows = np.array([[1.0, "a"], [2.0, "a"], [9.0, "b"]], dtype=object)
    features = Features(1024, model=model, numeric="level").fit(rows)
    found = features.transform(rows)
    assert features.kinds_ == ["numeric", "category"]
    assert found.shape == (3, features.vsa.storage)
    similarity = np.asarray(features.vsa.similarity(found[0], found), dtype=float)
    assert similarity[1] > similarity[2] + 0.1


# ------------------------------------------------------------------ scaling


def test_what_needs_no_fit():
    X = table()
    features = Features(128, ranges=(-2, 2), numeric="density")
    rows = features.transform(X)
    np.testing.assert_array_equal(rows, clone(features).fit(X * 3).transform(X))
    assert not hasattr(features, "n_features_in_")
    np.testing.assert_array_equal(features.transform(np.clip(X, -2, 2)), rows)
    with pytest.raises(NotFittedError, match="call fit first, or give ranges"):
        Features(128).transform(X)
    with pytest.raises(NotFittedError):
        Features(128, ranges={0: (0, 1)}).transform(X)


def test_ranges_of_some_columns():
    X = table(columns=3)
    features = Features(64, numeric="density", ranges={1: (-10, 10)}).fit(X)
    assert (features.scaling_.low[1], features.scaling_.high[1]) == (-10, 10)
    assert features.scaling_.unit[1] == pytest.approx(20 / math.sqrt(12))
    assert features.scaling_.low[0] == np.nanmin(X[:, 0])
    for wrong in ((1, 0), (0, math.inf), 3, "ab", {0: (1, 1)}):
        with pytest.raises(ParameterError, match="range"):
            Features(64, ranges=wrong).fit(X)


def test_a_stream_keeps_the_scaling_of_its_first_batch():
    first, second = table(seed=1), 100 * table(seed=2)
    features = Features(64).partial_fit(first)
    rows = features.transform(second)
    np.testing.assert_array_equal(features.partial_fit(second).transform(second), rows)
    np.testing.assert_array_equal(Features(64).fit(first).transform(second), rows)
    with pytest.raises(ValueError, match="features"):
        features.partial_fit(second[:, :2])


def test_hostile_numbers():
    X = np.array([[1e308, 5.0, math.nan], [-1e308, 5.0, math.nan], [0.0, 5.0, math.nan]])
    for numeric in ("fourier", "density", "level", "projection"):
        rows = Features(64, numeric=numeric).fit_transform(X)
        assert rows.shape == (3, 1)
        assert (rows[0] != rows[1]).any()
    with pytest.raises(ValueError, match="infinity"):
        Features(64).fit([[1.0], [math.inf]])
    with pytest.raises(TypeError, match=r"[Ss]parse"):
        Features(64).fit(scipy.sparse.csr_matrix(np.eye(3)))


# ------------------------------------------------------------------ columns


def people():
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame(
        {
            "age": [30.0, math.nan, 50, 41],
            "town": ["Bern", "Basel", None, "Bern"],
            "group": pandas.Categorical([1, 2, 1, 1]),
            "member": [True, False, True, True],
            "notes": ["likes tea", "hates tea", "", None],
            "steps": [[1, 2, 3, 2, 1], [3, 2, 1, 2], None, [1.0, 1, 1]],
            "doc": [{"a": 1}, {"b": [1, 2]}, None, '{"a": 1}'],
            "id": [1, 2, 3, 4],
        }
    )


KINDS = {"notes": "text", "steps": "series", "doc": "json", "id": "drop"}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_row_is_the_bundle_of_its_columns(backend):
    frame = people()
    features = Features(1000, numeric="density", columns=KINDS, backend=backend).fit(frame)
    assert features.kinds_ == ["numeric", "category", "category", "category", "text", "series", "json", "drop"]
    vsa, row = features.vsa, frame.iloc[1]
    ngrams, levels = hdc.NGrams(vsa, 3), hdc.Level(vsa, "series", 0, 1).encode(np.linspace(0, 1, 16))
    words = vsa.symbols(list(counts := grams(row["notes"])))
    documents = JSONEncoder(1000, output="packed").fit([{"a": 1}, {"b": [1, 2]}, {}, {"a": 1}])
    places = [min(15, int((value - 1) / 2 * 16)) for value in row["steps"]]
    members = [
        vsa.bind(vsa.role(("column", "town")), vsa.symbol(("str", "Basel"))),
        vsa.bind(vsa.role(("column", "group")), vsa.symbol(("int", 2))),
        vsa.bind(vsa.role(("column", "member")), vsa.symbol(("bool", False))),
        vsa.bind(vsa.role(("column", "notes")), vsa.bundle(words, list(counts.values()))),
        vsa.bind(vsa.role(("channel", "steps")), ngrams.encode(vsa.xp.stack([levels[place] for place in places]))),
        vsa.bind(vsa.role(("column", "doc")), vsa.from_numpy(documents.transform([row["doc"]]))[0]),
    ]
    expected = vsa.bundle(vsa.xp.stack(members))
    np.testing.assert_array_equal(on_host(features, features.transform(frame))[1], on_host(features, expected))


def test_columns_of_arrays_lists_and_frames_agree():
    frame = people()[["age", "town", "member"]]
    plain = [[None if value != value else value for value in row] for row in frame.to_numpy(dtype=object)]
    rows = Features(500, numeric="level").fit_transform(np.array(plain, dtype=object))
    named = Features(500, numeric="level").fit(frame.set_axis([0, 1, 2], axis=1))
    np.testing.assert_array_equal(named.transform(frame.set_axis([0, 1, 2], axis=1)), rows)
    assert (Features(500, numeric="level").fit_transform(frame) != rows).any()  # other names, other roles


def test_frames_of_polars():
    polars = pytest.importorskip("polars", reason="polars is not installed")
    frame = people()[["age", "town", "member", "notes"]]
    other = polars.DataFrame({name: [None if v != v else v for v in frame[name]] for name in frame.columns})
    features = Features(500, columns={"notes": "text"})
    np.testing.assert_array_equal(features.fit_transform(other), clone(features).fit_transform(frame))


def test_a_transformer_of_ones_own():
    class Words(TransformerMixin, BaseEstimator):
        def fit(self, values, y=None):
            self.seen_ = len(values)
            return self

        def transform(self, values):
            return hdc.create("MAP-B", 100).symbols([str(value) for value in values])

    frame = people()[["age", "town"]]
    features = Features(100, columns={"town": Words()}).fit(frame)
    assert features.transformers_["town"].seen_ == 4
    assert features.transform(frame).shape == (4, 2)
    with pytest.raises(UnsupportedError, match="JSON can say nothing"):
        features.to_json()
    with pytest.raises(ParameterError, match=r"columns\['town'\] must be one of numeric, category"):
        Features(100, columns={"town": "color"}).fit(frame)
    with pytest.raises(ParameterError, match="columns has 'city'"):
        Features(100, columns={"city": "category"}).fit(frame)


def test_wrong_columns_are_named():
    frame = people()
    with pytest.raises(DTypeError, match="column 'town' is not of numbers"):
        Features(100, columns={"town": "numeric"}).fit(frame[["town"]])
    with pytest.raises(DTypeError, match=r"column 'age' has 30\.0, and its kind is 'text'"):
        Features(100, columns={"age": "text"}).fit_transform(frame[["age"]])
    with pytest.raises(DTypeError, match=r"column 'doc' has \{'a': 1\}"):
        Features(100).fit_transform(frame[["doc"]])
    with pytest.raises(ParameterError, match="is no JSON"):
        Features(100, columns={"town": "json"}).fit(frame[["town"]])
    with pytest.raises(UnsupportedError, match="'json' are for MAP-B and MBAT"):
        Features(100, model="MAP-I", columns={"doc": "json"}).fit(frame[["doc"]])
    with pytest.raises(ParameterError, match="all are of kind 'drop'"):
        Features(100, columns={"id": "drop"}).fit(frame[["id"]]).transform(frame[["id"]])
    dates = frame[["id"]].assign(day=np.array(["2020-01-01"] * 4, dtype="datetime64[s]"))
    with pytest.raises(DTypeError, match="turn them into numbers"):
        Features(100).fit(dates)


def test_texts_that_share_words_are_similar():
    texts = np.array([["a green tree"], ["the green trees"], ["quite another one"]], dtype=object)
    features = Features(4096, columns={0: "text"})
    similarity = features.vsa.similarity(rows := features.fit_transform(texts), rows)
    assert similarity[0, 1] > 0.2 > 0.1 > abs(similarity[0, 2])
    assert grams("Ab ab") == {("word", "ab"): 2, ("run", " ab"): 2, ("run", "ab "): 2}


# ------------------------------------------------------------------ series


def test_series_are_bags_of_windows():
    X = np.random.default_rng(0).normal(size=(6, 2, 12))
    X[0, 1], X[1, 0, 3] = np.nan, np.nan
    features = Features(600, model="MAP-I", numeric="series", window=(1, 2), levels=4).fit(X)
    vsa, low, high = features.vsa, np.nanmin(X, axis=(0, 2)), np.nanmax(X, axis=(0, 2))
    table, grams_ = hdc.Level(vsa, "series", 0, 1).encode(np.linspace(0, 1, 4)), hdc.NGrams(vsa, (1, 2))
    found = features.transform(X)
    for i in range(1, 6):
        sums = 0
        for c in range(2):
            series = X[i, c].copy()
            series[3] = series[2] if np.isnan(series[3]) else series[3]
            places = np.minimum(3, ((series - low[c]) / (high[c] - low[c]) * 4).astype(int))
            sums = sums + vsa.bind(vsa.role(("channel", c)), vsa.normalize(grams_.encode(table[places])))
        np.testing.assert_array_equal(found[i], sums)
    assert set(np.unique(found[0])) <= {-1, 1}
    np.testing.assert_array_equal(
        Features(600, numeric="series", ranges=(-3, 3)).transform(X[:, 1]),
        Features(600, numeric="series", ranges=(-3, 3)).transform(X[:, 1:]),
    )


def test_series_that_are_wrong():
    X = np.zeros((3, 2, 5))
    for wrong, message in (
        (Features(64, numeric="series", window=9), "take a smaller window"),
        (Features(64, numeric="series", columns={0: "text"}), "leave columns out"),
        (Features(64, numeric="series", levels=1), "levels"),
        (Features(64, numeric="series", model="MBAT"), "n-grams bind"),
    ):
        with pytest.raises((ParameterError, UnsupportedError), match=message):
            wrong.fit(X).transform(X)
    with pytest.raises(ParameterError, match=r"\(n, channels, length\)"):
        Features(64, numeric="series").fit(X[None])


def test_missing_numbers_of_series():
    nan = math.nan
    X = np.array([[[nan, 1, nan, nan, 2], [nan] * 5]])
    assert filled(X, np.isnan(X)).tolist() == [[[1, 1, 1, 1, 2], [0] * 5]]


# ------------------------------------------------------------------ files


@pytest.mark.parametrize("numeric", ["fourier", "density", "level", "projection"])
def test_json_keeps_everything(numeric):
    frame = people()
    features = Features(300, numeric=numeric, columns=KINDS, ranges={"age": (0, 99)}).fit(frame)
    again = Features.from_json(json.loads(json.dumps(features.to_json())), backend="numpy")
    np.testing.assert_array_equal(again.transform(frame), features.transform(frame))
    assert again.get_params()["columns"] == KINDS
    assert again.backend == "numpy"
    assert again.n_features_in_ == 8
    assert pickle.loads(pickle.dumps(features)).to_json() == features.to_json() == again.to_json()


def test_json_of_arrays_series_models_and_what_is_not_fitted():
    X = np.random.default_rng(0).normal(size=(4, 2, 6))
    model = hdc.create("FHRR", 50, seed=3)
    for features, rows in (
        (Features(64, numeric="series", window=(2, 3)).fit(X), X),
        (Features(model=model, columns={1: "category"}).fit(X[:, 0]), X[:, 0]),
        (Features(64, ranges=(0, 1)), X[:, 0]),
    ):
        again = Features.from_json(json.loads(json.dumps(features.to_json())))
        np.testing.assert_array_equal(again.transform(rows), features.transform(rows))
    assert Features.from_json(Features(model=model).to_json()).vsa == model


def test_json_that_is_damaged():
    good = Features(64).fit(table()).to_json()
    for damaged, message in (
        ({}, "'format' is missing"),
        (None, "'format' is missing"),
        ({**good, "version": 2}, "version 2"),
        ({**good, "fitted": {}}, "damaged"),
        ({**good, "parameters": {"color": 1}}, "damaged"),
        ({key: good[key] for key in ("format", "version")}, "damaged"),
    ):
        with pytest.raises(FileFormatError, match=message):
            Features.from_json(damaged)


# ------------------------------------------------------------------ parameters


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"numeric": "sinus"}, "numeric must be one of"),
        ({"kernel": "cosine"}, "kernel must be one of"),
        ({"bandwidth": 0}, "bandwidth must be 'auto' or a number above 0"),
        ({"bandwidth": "wide"}, "bandwidth must be 'auto' or a number above 0"),
        ({"model": 3}, "model must be the name of a model"),
        ({"model": "MAP-Z"}, "unknown model"),
        ({"kappa": 3}, "kappa clips sums of MAP-I"),
        ({"kappa": 0, "model": "MAP-I"}, "kappa must be"),
        ({"dim": 0}, "dim"),
        ({"columns": "age"}, "columns must be a mapping"),
        ({"model": "Bloom"}, "RandomFourier"),
        ({"model": "HRR", "numeric": "density"}, "no opposite"),
    ],
)
def test_wrong_parameters(parameters, message):
    with pytest.raises((ParameterError, UnsupportedError), match=message):
        Features(**parameters).fit(table())


def test_parameters_may_change_between_calls():
    X = table()
    features = Features(64).fit(X)
    before = features.transform(X)
    features.set_params(numeric="density")
    np.testing.assert_array_equal(features.transform(X), Features(64, numeric="density").fit_transform(X))
    features.set_params(numeric="fourier").fit(2 * X)
    np.testing.assert_array_equal(features.transform(2 * X), before)
    assert pack(unpack(before, 64)).tolist() == before.tolist()


def test_frames_without_rows_or_columns_are_refused_as_arrays_are():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    features = Features(64).fit(frame)
    with pytest.raises(ParameterError, match=r"0 sample\(s\), shape \(0, 2\)"):
        features.transform(frame[:0])
    with pytest.raises(ParameterError, match=r"0 feature\(s\), shape \(2, 0\)"):
        Features(64).fit(frame[[]])
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        Features(64).fit(np.empty((0, 2)))


def test_whole_numbers_are_one_category_as_integers_and_as_floats():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame({"code": rng.integers(0, 5, 60), "size": rng.normal(size=60)})
    features = Features(512, columns={"code": "category"}).fit(frame)
    floats = frame.astype({"code": float})
    assert np.array_equal(features.transform(floats), features.transform(frame))
    floats.loc[0, "code"] = np.nan
    assert np.array_equal(features.transform(floats)[1:], features.transform(frame)[1:])


def test_infinity_in_a_frame_is_refused():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame({"a": [1.0, np.inf, 2.0], "b": ["x", "y", "x"]})
    with pytest.raises(ParameterError, match="column 'a' contains infinity"):
        Features(64).fit(frame)
    features = Features(64).fit(frame.replace(np.inf, 0.0))
    with pytest.raises(ParameterError, match="infinity"):
        features.transform(frame)


def test_two_columns_of_one_name_are_refused():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame([[1.0, 2.0], [2.0, 1.0]], columns=["a", "a"])
    with pytest.raises(ParameterError, match="two columns have the name 'a'"):
        Features(64).fit(frame)


def test_an_array_of_the_same_columns_is_taken_after_a_frame():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame({"a": [1.0, 3.0, 2.0], "b": ["x", "y", "x"]})
    features = Features(256).fit(frame)
    with pytest.warns(UserWarning, match="valid feature names"):
        found = features.transform(frame.to_numpy(dtype=object))
    assert np.array_equal(found, features.transform(frame))
