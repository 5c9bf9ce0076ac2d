"""JSONEncoder among scikit-learn's estimators: their own checks, clones, pipelines, searches, containers."""

import json
import pickle

import numpy as np
import pytest

from hdc.apps.json import JSONEncoder
from hdc.errors import ParameterError

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn is not installed")

from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from tests.sklearn_checks import failures

KINDS = ["cat", "dog", "newt"]
PETS = [{"kind": KINDS[i % 3], "legs": [4, 4, 4], "name": f"pet {i}", "age": i % 11} for i in range(60)]
LABELS = [KINDS[i % 3] for i in range(60)]


class Rows(JSONEncoder):
    """The adapter for scikit-learn's checks, which give tables of numbers: each row is a document, an array."""

    def fit(self, X, y=None):
        return super().fit(np.asarray(X).tolist())

    def transform(self, X):
        return super().transform(np.asarray(X).tolist())

    def fit_transform(self, X, y=None):
        return super().fit_transform(np.asarray(X).tolist())

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array, tags.input_tags.two_d_array = False, True
        return tags


TABLES_ONLY = {
    "check_n_features_in": "documents have no columns to count",
    "check_n_features_in_after_fitting": "documents have no columns to count",
    "check_fit1d": "a list of scalars is a list of documents",
    "check_fit2d_predict1d": "a list of scalars is a list of documents",
    "check_estimators_empty_data_messages": "an empty object or array is a document",
    "check_complex_data": "refused as no JSON value, in other words than check_array's",
    "check_estimators_nan_inf": "refused as no JSON value, in other words than check_array's",
    "check_estimator_sparse_tag": "refused as a table, in other words than check_array's",
    "check_estimator_sparse_array": "refused as a table, in other words than check_array's",
    "check_estimator_sparse_matrix": "refused as a table, in other words than check_array's",
    "check_dataframe_column_names_consistency": "documents have no columns to name",
    "check_transformer_get_feature_names_out": "documents have no columns to name",
    "check_transformer_get_feature_names_out_pandas": "documents have no columns to name",
    "check_set_output_transform_pandas": "the adapter makes lists of frames, which have no index",
    "check_global_output_transform_pandas": "the adapter makes lists of frames, which have no index",
}
"""Checks that do not apply to documents, and why."""


def test_scikit_learns_checks():
    assert failures(Rows(64), TABLES_ONLY) == []


def test_tags_say_what_is_taken_and_given():
    tags = get_tags(JSONEncoder())
    assert tags.estimator_type == "transformer"
    assert (tags.input_tags.two_d_array, tags.input_tags.dict, tags.requires_fit) == (False, True, False)
    assert not tags.target_tags.required
    assert tags.transformer_tags.preserves_dtype == []
    check_is_fitted(JSONEncoder())


def test_a_clone_has_the_parameters_and_not_what_was_learned():
    def encode(texts):
        return np.ones((len(texts), 2))

    encoder = JSONEncoder(64, weights={"name": 2}, string_encoder=encode).set_output(transform="default").fit(PETS)
    copy = clone(encoder)
    assert copy.get_params() == encoder.get_params()
    assert copy.weights is not encoder.weights
    assert copy.string_encoder is encode
    assert (encoder.profile_.documents, copy.profile_.documents) == (60, 0)


def test_a_pipeline_parses_encodes_and_classifies():
    parse = FunctionTransformer(lambda lines: [json.loads(line) for line in lines])
    pipeline = make_pipeline(parse, JSONEncoder(256), LogisticRegression())
    lines = [json.dumps(pet) for pet in PETS]
    assert pipeline.fit(lines, LABELS).score(lines, LABELS) == 1
    assert pipeline[1].get_feature_names_out()[:2].tolist() == ["jsonencoder0", "jsonencoder1"]
    assert "JSONEncoder(dim=256" in repr(pipeline)
    assert len(make_union(JSONEncoder(8), JSONEncoder(8, seed=1)).fit_transform(PETS)[0]) == 16
    assert cross_val_score(pipeline, lines, LABELS, cv=3).min() > 0.9


@pytest.mark.slow
def test_a_grid_search_in_two_processes():
    pipeline = Pipeline([("encode", JSONEncoder()), ("classify", LogisticRegression())])
    grid = {
        "encode__dim": [64, 128],
        "encode__arrays": ["bag", {"legs": "sequence"}],
        "encode__balance": [0.0, 0.5],
        "classify__C": [1.0, 10.0],
    }
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(PETS, LABELS)
    assert len(search.cv_results_["params"]) == 16
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.score(PETS, LABELS) == 1


def test_a_column_of_a_table_of_documents():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"document": PETS, "price": np.arange(60.0)}, index=np.arange(60) + 100)
    columns = ColumnTransformer([("json", JSONEncoder(16), "document")], remainder="passthrough")
    assert columns.fit_transform(table).shape == (60, 17)
    named = columns.set_output(transform="pandas").fit_transform(table)
    assert named.columns[[0, -1]].tolist() == ["json__jsonencoder0", "remainder__price"]
    assert named.index.equals(table.index)
    rows = JSONEncoder(16).fit_transform(table[["document"]])  # a frame of documents is one whose rows are such
    assert np.array_equal(rows, JSONEncoder(16).fit_transform([{"document": pet} for pet in PETS]))
    with pytest.raises(ParameterError, match="take a column of it by its name"):
        JSONEncoder(16).fit(np.array([[pet] for pet in PETS], dtype=object))


def test_output_containers():
    pandas = pytest.importorskip("pandas")
    encoder = JSONEncoder(100, output="packed").set_output(transform="pandas")
    frame = clone(encoder).fit(PETS).transform(PETS)
    assert isinstance(frame, pandas.DataFrame)
    assert frame.columns.tolist() == ["jsonencoder0", "jsonencoder1"]
    assert np.array_equal(frame.to_numpy(), JSONEncoder(100, output="packed").fit_transform(PETS))
    assert isinstance(encoder.set_output().transform(PETS), pandas.DataFrame)
    assert isinstance(encoder.set_output(transform="default").transform(PETS), np.ndarray)
    with pytest.raises(ParameterError, match="transform must be one of default, pandas, polars"):
        encoder.set_output(transform="excel")


def test_pickled_encoders_give_the_same_vectors():
    encoder = JSONEncoder(128, output="packed").fit(PETS)
    again = pickle.loads(pickle.dumps(encoder))
    assert np.array_equal(again.transform(PETS), encoder.transform(PETS))
    assert again.profile_ == encoder.profile_
