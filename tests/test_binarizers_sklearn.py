"""Binarizers among scikit-learn's estimators: their own checks, column names, containers, pipelines."""

import pickle
import warnings

import numpy as np
import pytest

from hdc.apps.retrieval import EmbeddingIndex, binarizers
from hdc.apps.retrieval.binarizers import (
    OrthoHashBinarizer,
    RaBitQBinarizer,
    RecurrentBinarizer,
    ScalarBinarizer,
    SignBinarizer,
)
from hdc.errors import DTypeError, ParameterError

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn is not installed")
from sklearn.base import BaseEstimator, TransformerMixin, clone, config_context
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_union
from sklearn.utils import get_tags

from tests.sklearn_checks import checks, failures

MODELS = {
    "sign": SignBinarizer(),
    "sign, 100 bits": SignBinarizer(dim=100),
    "rabitq": RaBitQBinarizer(),
    "rabitq, lists": RaBitQBinarizer(lists=2),
    "rabitq, four bits": RaBitQBinarizer(component_bits=4),
    "scalar": ScalarBinarizer(),
    "scalar, random": ScalarBinarizer(rotation="random"),
    "recurrent": RecurrentBinarizer(dim=64, rounds=0),
    # of this seed no choice is so near that the product of one row, rounded otherwise than in a block, changes it
    "recurrent, refined": RecurrentBinarizer(dim=64, loops=1, rounds=1, seed=4),
    "orthohash": OrthoHashBinarizer(hidden=(8,), epochs=2),
}
EXCEPTIONS = {
    "rabitq, lists": {"check_fit2d_1sample": "two lists need two vectors; the error says so in words of its own"},
}
"""Checks that do not apply, and why."""
X = np.random.default_rng(0).standard_normal((40, 6)).astype(np.float32)


@pytest.mark.parametrize("model", [pytest.param(m, marks=pytest.mark.slow if "," in m else ()) for m in MODELS])
def test_scikit_learns_checks(model):
    if model == "orthohash":
        pytest.importorskip("torch", reason="torch is not installed: OrthoHashBinarizer cannot be fitted")
    assert len(checks(MODELS[model])) > 45
    assert failures(MODELS[model], EXCEPTIONS.get(model)) == []


def test_the_checks_see_what_is_wrong():
    class Forgetful(TransformerMixin, BaseEstimator):
        def fit(self, X, y=None):
            return self

        def transform(self, X):
            return np.zeros((len(X), 2))

    found = failures(Forgetful(), {"check_n_features_in": "", "check_transformers_unfitted_stateless": "no reason"})
    assert any(line.startswith("check_complex_data: ") for line in found)
    assert not any(line.startswith("check_n_features_in:") for line in found)
    assert found[-1].endswith("is expected to fail (no reason), and does not")


def test_tags_say_that_codes_are_words_whatever_the_numbers():
    tags = get_tags(SignBinarizer())
    assert tags.transformer_tags.preserves_dtype == []
    assert (tags.requires_fit, tags.target_tags.required, tags.input_tags.sparse) == (True, False, False)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.float16, np.float64, bool, object])
def test_numbers_of_any_kind_are_read_as_floats(dtype):
    x = np.rint(4 * np.abs(X)).astype(dtype)
    of_floats = SignBinarizer(dim=70).fit_transform(x.astype(np.float32))
    assert np.array_equal(SignBinarizer(dim=70).fit_transform(x), of_floats)
    assert np.array_equal(SignBinarizer(dim=70).fit_transform(x.tolist()), of_floats)


def test_what_holds_no_numbers_is_told():
    sparse = pytest.importorskip("scipy.sparse").csr_array(X)
    for wrong, error, words in [
        (sparse, DTypeError, r"sparse data; pass the dense x.toarray\(\)"),
        (X.astype("U8"), DTypeError, "numbers, not <U8"),
        (np.full((3, 2), "a", dtype=object), ParameterError, "must contain numbers: could not convert"),
        (np.full((3, 2), {}), DTypeError, "must contain numbers: float"),
        (np.zeros((3, 2), np.uint64), DTypeError, "packed codes"),
    ]:
        with pytest.raises(error, match=words):
            SignBinarizer().fit(wrong)


def test_names_of_columns_are_kept_checked_and_saved(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcdef"))
    model = RaBitQBinarizer().fit(frame)
    model.save(tmp_path)
    for one in (model, pickle.loads(pickle.dumps(model)), binarizers.load(tmp_path)):
        assert one.feature_names_in_.tolist() == list("abcdef")
        with pytest.raises(ParameterError, match="same order"):
            one.transform(frame[list("fedcba")])
        with pytest.warns(UserWarning, match="does not have valid feature names"):
            one.transform(X)
    with pytest.warns(UserWarning, match="fitted without feature names"):
        model.fit(X).transform(frame)
    with pytest.raises(DTypeError, match="only some column names"):
        model.fit(pandas.DataFrame(X, columns=["a", 1, 2, 3, 4, 5]))


def test_output_containers_do_not_reach_the_index(tmp_path):
    pandas = pytest.importorskip("pandas")
    model = SignBinarizer(dim=128).set_output(transform="pandas").fit(X)
    codes = model.encode(X)
    assert isinstance(codes, np.ndarray)
    frame = clone(model).fit(X).transform(pandas.DataFrame(X, index=range(100, 140)))
    assert frame.columns.tolist() == ["signbinarizer0", "signbinarizer1"]
    assert frame.index[0] == 100
    assert np.array_equal(frame.to_numpy(), codes)
    with config_context(transform_output="pandas"):
        assert isinstance(SignBinarizer().fit_transform(X), pandas.DataFrame)
        assert isinstance(clone(model).set_output(transform="default").fit_transform(X), np.ndarray)
        assert model.search(X[:3], codes, 1, asymmetric=False)[1].ravel().tolist() == [0, 1, 2]
        with EmbeddingIndex.create(tmp_path / "index", model) as index:
            index.add(X)
            assert index.search(X[:2], k=1)[1].ravel().tolist() == [0, 1]


def test_in_unions_and_columns():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcdef"))
    both = make_union(SignBinarizer(dim=64), RaBitQBinarizer()).fit(frame)
    assert both.transform(frame).shape == (40, 3)
    columns = ColumnTransformer([("codes", SignBinarizer(dim=64), list("abc"))], remainder="passthrough")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        named = columns.set_output(transform="pandas").fit_transform(frame)
    assert named.columns.tolist() == ["codes__signbinarizer0", *(f"remainder__{c}" for c in "def")]
