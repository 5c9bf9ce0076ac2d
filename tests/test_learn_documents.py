"""Documents: views, weights of sections against the definition, and the transformer among scikit-learn's."""

import itertools
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn is not installed")

from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, LeaveOneOut, cross_val_predict

from hdc.apps.json import JSONEncoder
from hdc.apps.learn import Documents, HDClassifier
from hdc.apps.learn.documents import documents as sections_of
from hdc.apps.learn.documents.section_weights import GAIN, RIDGES, balanced, left_out_error, searched
from hdc.apps.learn.documents.views import GRAMS, LONGEST, MOST_LEAVES, VIEWS, viewed
from hdc.errors import FileFormatError, ParameterError

SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab C.'\"", max_size=5)
JSON = st.recursive(
    SCALARS, lambda held: st.lists(held, max_size=4) | st.dictionaries(st.text("ab.'[", max_size=3), held, max_size=4)
)


def cases(count, seed=0):
    """Return documents in which only the pair of two leaves of an item tells the class, among other keys."""
    rng = np.random.default_rng(seed)
    documents, labels = [], []
    for i in range(count):
        yes, no = rng.permutation(["fever", "cough"]).tolist()
        items = [{"type": {"id": yes}, "excluded": False}, {"type": {"id": no}, "excluded": True}]
        documents.append({"items": items, "noise": [f"n{n}" for n in rng.integers(0, 50, 6)], "at": i})
        labels.append(yes)
    return documents, labels


# ---------------------------------------------------------------------- views


@given(JSON)
def test_words_and_letters_are_those_of_all_strings_each_once(document):
    def strings(value):
        if isinstance(value, str):
            return [value]
        held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return [text for item in held for text in strings(item)]

    words = [w.lower() for s in strings(document) for w in re.findall(r"[^\W_]+", re.sub("([ab])(C)", r"\1 \2", s))]
    shown = viewed(document, VIEWS)
    assert shown["document"] == document
    assert shown["words"] == list(dict.fromkeys(words))
    grams = {f"^{w}$"[i : i + n] for w in words for n in GRAMS for i in range(len(w) + 2 - n + 1)}
    assert set(shown["letters"]) == grams
    assert len(shown["letters"]) == len(grams)
    assert list(viewed(document, ["pairs"])) == ["document", "pairs"]


def test_pairs_are_of_leaves_of_one_item_and_not_through_arrays():
    document = {"a": [{"b": 1, "c": {"d": "x"}, "e": [2]}, {"f": None, "long": "y" * (LONGEST + 1)}], "g": 1, "h": 2}
    assert viewed(document, ["pairs"])["pairs"] == ['b=1 c.d="x"']
    wide = viewed([{f"k{i:02}": i for i in range(100)}], ["pairs"])["pairs"]
    expected = [f"k{i:02}={i} k{j:02}={j}" for i, j in itertools.combinations(range(MOST_LEAVES), 2)]
    assert wide == expected


# ---------------------------------------------------------------------- weights of sections


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, 12), st.integers(1, 6), st.integers(2, 4))
def test_the_error_is_that_of_leaving_each_row_out(seed, n, dim, classes):
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n, dim)).astype(np.float32)
    targets = np.where(rng.integers(0, classes, n)[:, None] == np.arange(classes), 1, -1).astype(np.float32)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    errors = []
    for ridge in RIDGES:
        model = Ridge(alpha=float(ridge), fit_intercept=False)
        left = cross_val_predict(model, unit.astype(float), targets.astype(float), cv=LeaveOneOut())
        errors.append(np.mean((left.reshape(n, -1) - targets) ** 2))
    assert left_out_error(rows, targets) == pytest.approx(min(errors), rel=1e-3)


def test_balanced_sections_have_the_same_mass_and_empty_ones_none():
    parts = np.random.default_rng(0).standard_normal((4, 9, 16)).astype(np.float32)
    parts *= np.array([1, 5, 0, 0.01], dtype=np.float32)[:, None, None]
    weights = balanced(parts)
    masses = np.einsum("s,sid,sid->s", weights**2, parts, parts) / 9
    assert weights[2] == 0
    assert masses[[0, 1, 3]] == pytest.approx(np.ones(3), rel=1e-5)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_searched_weights_are_never_worse_than_where_they_began(seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, 60)
    centers = rng.standard_normal((3, 20))
    parts = rng.standard_normal((4, 60, 20)).astype(np.float32) * np.array([9, 1, 1, 1], np.float32)[:, None, None]
    parts[1] += centers[labels]
    targets = np.where(labels[:, None] == np.arange(3), 1, -1).astype(np.float32)
    weights = searched(parts, targets)
    found, *starts = (
        left_out_error(np.tensordot(w.astype(np.float32), parts, 1), targets)
        for w in (weights, np.ones(4), balanced(parts))
    )
    assert weights.max() == 1
    assert weights.argmax() == 1
    assert found <= min(starts[0], starts[1] / (1 - GAIN)) * (1 + 1e-5)


def test_sections_without_anything_leave_weights_alone():
    targets = np.array([[1, -1], [-1, 1]], np.float32)
    assert searched(np.zeros((2, 2, 3), np.float32), targets).tolist() == [1, 1]


@settings(max_examples=10, deadline=None)
@given(st.lists(st.dictionaries(st.text("ab.'[", max_size=3), JSON, min_size=1, max_size=4) | JSON, min_size=1))
def test_the_vector_of_a_document_is_the_sum_of_its_sections(documents):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sections_of, "SECTIONS", 2)
        seen = [viewed(document, VIEWS) for document in documents]
        sections = sections_of._sections(seen)
        encoder = JSONEncoder(64).fit(seen)
        parts = sum(sections_of._section_vectors(encoder, seen, section, sections) for section in sections)
    whole = np.concatenate([rows * norms[:, None] for rows, norms in encoder.encode(seen)])
    # Empty views and sections are leaves of the whole, [] and {}, and nothing in the parts.
    full = [
        i for i, shown in enumerate(seen) if all(shown[view] for view in VIEWS) and shown["document"] not in ({}, [])
    ]
    assert np.allclose(parts[full], whole[full], atol=1e-3 * max(1.0, float(np.abs(whole).max())))


# ---------------------------------------------------------------------- the transformer


def test_pairs_tell_what_a_sum_of_leaves_cannot():
    """The class is a coin: a learner that sees nothing has 60 right of 120, with a deviation of 5.5."""
    documents, labels = cases(240)
    right = {}
    for views in ((), ("pairs",)):
        model = HDClassifier(Documents(2048, views=views), rule="ridge", calibration=0)
        right[views] = int((model.fit(documents[:120], labels[:120]).predict(documents[120:]) == labels[120:]).sum())
    assert right[()] < 60 + 6 * 5.5
    assert right[("pairs",)] == 120


def test_noise_weighs_less_than_what_tells_the_class():
    documents, labels = cases(120)
    weights = Documents(512, views=VIEWS).fit(documents, labels).section_weights_
    assert weights["pairs"] > weights["document['noise']"]
    assert set(weights) == {*(f"document[{key!r}]" for key in ("items", "noise", "at")), "document", *VIEWS}


def test_without_labels_or_views_it_is_the_json_encoder():
    documents, labels = cases(20)
    wrapped = [{"document": document} for document in documents]
    expected = JSONEncoder(256, seed=3).fit(wrapped).transform(wrapped)
    for encoder, y in (
        (Documents(256, views=(), seed=3), None),
        (Documents(256, views=(), seed=3, weighing="leaves"), labels),
    ):
        assert encoder.fit(documents, y).section_weights_ == {}
        assert np.array_equal(encoder.transform(documents), expected)


def test_a_grid_search_runs_over_it_and_copies_are_equal():
    documents, labels = cases(30)
    grid = GridSearchCV(
        HDClassifier(Documents(128), rule="ridge", calibration=0), {"encoder__views": [(), ("pairs",)]}, cv=2
    )
    assert grid.fit(documents, labels).best_params_ == {"encoder__views": ("pairs",)}
    one = Documents(128, encoder={"numbers": "smooth"}).fit(documents, labels)
    other = clone(one).fit(documents, labels)
    assert np.array_equal(one.transform(documents), other.transform(documents))
    assert one.encoder_.numbers == "smooth"
    assert one.get_feature_names_out().shape == (128,)


def test_a_classifier_of_documents_is_the_same_from_a_file(tmp_path):
    documents, labels = cases(30)
    model = HDClassifier(Documents(128, encoder={"numbers": "smooth"}), rule="ridge", calibration=0).fit(
        documents, labels
    )
    model.save(tmp_path / "model")
    again = HDClassifier.load(tmp_path / "model")
    assert np.array_equal(model.decision_function(documents), again.decision_function(documents))
    assert again.encoder_.section_weights_ == model.encoder_.section_weights_
    with pytest.raises(FileFormatError, match="Documents"):
        Documents.from_json({"parameters": {}})
    with pytest.raises(NotFittedError):
        Documents(64).to_json()


def test_it_encodes_generators_texts_and_documents_of_other_keys():
    encoder = Documents(64).fit(iter(["one two", {"a": 1}, [1, 2], None]), ["x", "y", "x", "y"])
    assert encoder.transform(iter(["two", {"odd key": {"b": 2}}])).shape == (2, 64)
    assert encoder.vsa.dim == 64


@pytest.mark.parametrize(
    ("parameters", "y", "said"),
    [
        ({"views": ["words", "color"]}, None, "views"),
        ({"weighing": "length"}, None, "weighing"),
        ({"dim": 0}, None, "dim"),
        ({"encoder": {"seed": 1}}, None, "'seed'"),
        ({}, ["a"], r"2 documents.*\(1,\)"),
    ],
)
def test_wrong_parameters_are_refused(parameters, y, said):
    with pytest.raises(ParameterError, match=said):
        Documents(**{"dim": 64, **parameters}).fit([{"a": 1}, {"a": 2}], y)


def test_nothing_is_encoded_before_fit_and_nothing_is_fitted_on_nothing():
    with pytest.raises(NotFittedError):
        Documents(64).transform([{}])
    with pytest.raises(ParameterError, match="at least one document"):
        Documents(64).fit([])
