"""HDClassifier: scikit-learn's checks, streams, weights, probabilities and files."""

import re

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import hdc
from hdc.apps.learn import BitClassifier, Features, HDClassifier
from hdc.apps.learn.rules.learning import RULES, STREAMING
from hdc.errors import FileFormatError, ParameterError, UnsupportedError
from tests import models
from tests.sklearn_checks import checks, failures

WEIGHTS = "check_sample_weight_equivalence_on_dense_data"
EXCEPTIONS = {
    "margin": {WEIGHTS: "the scale of columns, and the order of steps, do not know of weights"},
    "centroid": {
        WEIGHTS: "the scale of columns, and the folds of the calibration, do not know of weights",
        "check_class_weight_classifiers": "class vectors have unit length: no weight of a class changes one",
    },
    "ridge": {
        WEIGHTS: "the scale of columns, and the folds of the calibration, do not know of weights",
        "check_fit_score_takes_y": "calls partial_fit after fit, which keeps no sums of rows for it",
    },
}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)


@pytest.mark.parametrize(
    "rule", ["margin", pytest.param("centroid", marks=pytest.mark.slow), pytest.param("ridge", marks=pytest.mark.slow)]
)
def test_scikit_learns_checks(rule):
    learner = HDClassifier(Features(256), rule=rule)
    assert len(checks(learner)) > 60
    assert not failures(learner, EXCEPTIONS[rule])


FLOORS = {"centroid": 0.86, "adapt": 0.94, "online": 0.92, "margin": 0.96, "refine": 0.95, "ridge": 0.96}
FLOORS |= {"lvq": 0.93, "glvq": 0.96, "bnn": 0.94}
"""Held-out accuracy on digits with 1024 packed signs, and a fixed seed."""


@pytest.mark.parametrize("rule", FLOORS)
def test_rules_learn_digits(rule, digits):
    if rule == "bnn":
        pytest.importorskip("torch", reason="torch is not installed")
    X, new, y, expected = digits
    assert HDClassifier(Features(1024), rule=rule, calibration=0).fit(X, y).score(new, expected) > FLOORS[rule]


@pytest.mark.parametrize("rule", STREAMING)
def test_a_stream_is_learned_part_by_part(rule, digits):
    X, new, y, expected = digits
    learner = HDClassifier(Features(512, ranges=(0, 16)), rule=rule, random_state=0)
    for start in range(0, len(X), 200):
        learner.partial_fit(X[start : start + 200], y[start : start + 200], classes=range(10))
    assert learner.score(new, expected) > 0.8


def test_order_of_parts_of_a_stream_is_all_that_matters(digits):
    X, new, y, _ = digits
    encoder = Features(256, ranges=(0, 16))
    whole = HDClassifier(encoder).partial_fit(X, y, classes=range(10))
    parts = HDClassifier(encoder)
    for start in range(0, len(X), 97):
        parts.partial_fit(X[start : start + 97], y[start : start + 97], classes=range(10))
    np.testing.assert_allclose(whole.decision_function(new), parts.decision_function(new), atol=1e-4)


@pytest.mark.parametrize("model", ["MAP-B", "MAP-I", "FHRR", "HRR"])
def test_any_model(model, digits):
    X, new, y, expected = digits
    learner = HDClassifier(Features(512, model=model), calibration=0).fit(X, y)
    assert learner.score(new, expected) > 0.93
    vsa = learner.encoder_.vsa
    if model == "MAP-B":
        nearest = vsa.similarity(learner.encoder_.transform(new), learner.prototypes_).argmax(axis=1)
        assert (nearest == expected).mean() > 0.9
    elif model == "MAP-I":
        with pytest.raises(UnsupportedError, match="read weights_"):
            _ = learner.prototypes_
    else:
        assert learner.prototypes_.shape == (10, vsa.storage)


def test_hypervectors_are_taken_as_they_are(digits):
    X, new, y, expected = digits
    encoder = Features(1000)
    codes, new_codes = encoder.fit_transform(X), encoder.transform(new)
    inside = HDClassifier(encoder).fit(X, y).predict(new)
    of_model = HDClassifier(encoder.vsa).fit(codes, y)
    assert np.array_equal(of_model.predict(new_codes), inside)
    of_none = HDClassifier(None).fit(codes, y)  # 24 bits of padding are components, the same in all
    assert abs(of_none.score(new_codes, expected) - (inside == expected).mean()) < 0.02


@pytest.mark.skipif(bool(models.NO_TORCH), reason=models.NO_TORCH)
def test_tensors_of_a_model_on_torch(digits):
    X, new, y, _ = digits
    numpy, torch = (Features(512, backend=backend) for backend in ("numba", "torch"))
    codes = torch.fit_transform(X)
    assert not isinstance(codes, np.ndarray)
    plain = HDClassifier(numpy).fit(X, y).predict(new)
    assert np.array_equal(HDClassifier(torch).fit(X, y).predict(new), plain)
    assert np.array_equal(HDClassifier(torch.vsa).fit(codes, y).predict(torch.transform(new)), plain)


def test_probabilities_are_calibrated(digits):
    X, new, y, expected = digits
    sure = HDClassifier(Features(1024), calibration=0).fit(X, y).predict_proba(new)
    fair = HDClassifier(Features(1024)).fit(X, y).predict_proba(new)
    np.testing.assert_allclose(fair.sum(axis=1), 1)
    assert log_loss(expected, fair) < 0.25
    # mean probability of the answers beside the share of right ones: within 0.04 on 540 rows
    assert abs(fair.max(axis=1).mean() - (fair.argmax(axis=1) == expected).mean()) < 0.04
    assert log_loss(expected, fair) <= log_loss(expected, sure) + 0.02


def test_weights_of_whole_numbers_are_repeated_rows_in_a_stream():
    X, y = load_iris(return_X_y=True)
    weights = np.random.default_rng(0).integers(0, 3, len(X)).astype(float)
    encoder = Features(512, ranges=(0, 8))
    for rule in ("centroid", "ridge"):
        weighted = HDClassifier(encoder, rule=rule, alpha=1.0).partial_fit(X, y, [0, 1, 2], sample_weight=weights)
        repeated = HDClassifier(encoder, rule=rule, alpha=1.0).partial_fit(
            np.repeat(X, weights.astype(int), axis=0), np.repeat(y, weights.astype(int)), [0, 1, 2]
        )
        np.testing.assert_allclose(weighted.weights_, repeated.weights_, atol=1e-5)


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "bnn"])
def test_a_class_of_no_weight_is_not_predicted(rule, tmp_path):
    X, y = load_iris(return_X_y=True)
    learner = HDClassifier(Features(256), rule=rule).fit(X, y, sample_weight=(y != 2).astype(float))
    learner.save(tmp_path / "model")
    chances = HDClassifier.load(tmp_path / "model").predict_proba(X)
    assert np.isfinite(chances).all()
    assert not (learner.predict(X[y != 2]) == 2).any()


def test_weights_beyond_all_measure_are_refused():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ParameterError, match="divide all weights"):
        HDClassifier(Features(64)).fit(X, y, sample_weight=np.full(150, 1e39))


def test_class_weights_move_the_border():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(0, 1, (300, 2)), rng.normal(1.5, 1, (30, 2))])
    y = np.repeat(["many", "few"], [300, 30])
    plain = HDClassifier(Features(512), rule="ridge").fit(X, y)
    fair = HDClassifier(Features(512), rule="ridge", class_weight="balanced").fit(X, y)
    assert (fair.predict(X) == "few").sum() > 2 * (plain.predict(X) == "few").sum()
    given = {"few": 5.5, "many": 0.55}
    same = HDClassifier(Features(512), rule="ridge", class_weight=given).fit(X, y)
    np.testing.assert_allclose(same.weights_, fair.weights_, atol=1e-4)


def test_a_search_over_parameters_and_a_pipeline(digits):
    X, _, y, _ = digits
    search = GridSearchCV(
        HDClassifier(Features(256), calibration=0),
        {"encoder__bandwidth": [0.01, "auto"], "rule": ["centroid", "margin"]},
        cv=2,
    ).fit(X[:400], y[:400])
    assert search.best_params_["encoder__bandwidth"] == "auto"
    pipe = make_pipeline(StandardScaler(), Features(256), HDClassifier(None)).fit(X[:400], y[:400])
    assert pipe.score(X[400:800], y[400:800]) > 0.85
    assert clone(pipe).get_params()["hdclassifier__encoder"] is None


def test_where_the_problem_is_linear_logistic_regression_is_there_too(digits):
    X, new, y, expected = digits
    encoder = Features(1024, model="FHRR")
    logistic = make_pipeline(encoder, LogisticRegression(max_iter=500)).fit(X, y)
    assert HDClassifier(encoder).fit(X, y).score(new, expected) > logistic.score(new, expected) - 0.02


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "bnn"])
def test_one_class_and_texts(rule):
    X = np.random.default_rng(0).normal(size=(8, 3))
    learner = HDClassifier(Features(64), rule=rule).fit(X, ["a"] * 8)
    assert learner.predict(X).tolist() == ["a"] * 8
    assert learner.predict_proba(X).tolist() == [[1.0]] * 8


@pytest.mark.parametrize("by", ["neuralhd", "disthd"])
def test_components_are_exchanged(by, digits, tmp_path):
    X, new, y, expected = digits
    learner = HDClassifier(Features(256), regenerate=by).fit(X, y)
    assert learner.weights_.shape[1] in (126, 127, 128)
    assert learner.components_.max() > 127
    fixed = HDClassifier(Features(128)).fit(X, y)
    assert learner.score(new, expected) > fixed.score(new, expected) - 0.05
    learner.save(tmp_path / "model")
    assert np.array_equal(HDClassifier.load(tmp_path / "model").predict(new), learner.predict(new))
    with pytest.raises(ParameterError, match="all rows at once"):
        HDClassifier(Features(256, ranges=(0, 16)), regenerate=by).partial_fit(X, y, classes=range(10))


def test_components_are_left_out(digits):
    X, new, y, expected = digits
    learner = HDClassifier(Features(1024), sparsity=0.5).fit(X, y)
    assert (learner.weights_ == 0).all(axis=0).sum() == 512
    assert learner.score(new, expected) > 0.93


@pytest.mark.parametrize("rule", ["margin", "ridge", "glvq"])
def test_class_vectors_of_few_bits(rule, digits, tmp_path):
    X, new, y, expected = digits
    learner = HDClassifier(Features(2048), rule=rule, calibration=0).fit(X, y)
    learner.save(tmp_path / "model")
    for bits, lost in ((1, 0.02), (2, 0.01), (4, 0.006)):  # 3, 2 and 1 standard errors of 540 rows
        few = HDClassifier.load(tmp_path / "model").quantized(bits)
        assert (few.predict(new) == expected).mean() > learner.score(new, expected) - lost
    learner.export(tmp_path / "bits", 2, weight_bits=8)
    assert (tmp_path / "bits").stat().st_size < 64 * 2048 + 40_000
    read = BitClassifier.load(tmp_path / "bits")
    assert np.array_equal(read.predict(new), learner.quantized(2, weight_bits=8).predict(new))


def test_what_cannot_be_cut_to_bits(digits):
    X, _, y, _ = digits
    with pytest.raises(UnsupportedError, match="MAP-B"):
        HDClassifier(Features(64, model="FHRR")).fit(X, y).quantized()
    with pytest.raises(UnsupportedError, match="regenerate"):
        HDClassifier(Features(64), regenerate="neuralhd").fit(X, y).quantized()


# ---------------------------------------------------------------------- reasons


def test_reasons_are_what_a_missing_feature_costs():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 4))
    y = np.where(X[:, 2] > 0, "up", "down")
    learner = HDClassifier(Features(2048)).fit(X, y)
    clear = X[np.abs(X[:, 2]) > 1][:20]
    found = learner.explain(clear, k=4)
    assert np.mean([one.reasons[0].feature == 2 for one in found]) > 0.9
    assert [one.label for one in found] == learner.predict(clear).tolist()
    without = clear.copy()
    without[:, 2] = np.nan
    assert found[0].reasons[0].value == clear[0, 2]
    scores, left = learner.decision_function(clear), learner.decision_function(without)
    for i, one in enumerate(found):
        sign = 1 if one.label == "up" else -1
        assert one.lead == pytest.approx(abs(scores[i]), abs=1e-6)
        (reason,) = [reason for reason in one.reasons if reason.feature == 2]
        assert reason.weight == pytest.approx(sign * (scores[i] - left[i]), abs=1e-6)


def test_reasons_of_frames_have_names():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame({"town": rng.choice(["a", "b"], 200), "size": rng.normal(size=200), "n": range(200)})
    learner = HDClassifier(Features(1024)).fit(frame, frame.town == "a")
    (one,) = learner.explain(frame.iloc[[7]], k=1)
    assert (one.reasons[0].feature, one.reasons[0].value) == ("town", frame.town[7])
    assert len(learner.explain(frame[:3], k=9)[0].reasons) == 3


def test_leaves_of_documents_add_up():
    from hdc.apps.json import JSONEncoder

    documents = [{"kind": "a", "size": i} if i % 2 else {"kind": "b", "tags": [i, i + 1]} for i in range(40)]
    learner = HDClassifier(JSONEncoder(512)).fit(documents, [i % 2 for i in range(40)])
    for one in learner.explain(documents[:4], k=99):
        assert sum(reason.weight for reason in one.reasons) == pytest.approx(one.lead, abs=1e-5)
        assert ("kind",) in [reason.feature for reason in one.reasons]


def test_hypervectors_have_no_features_to_explain(digits):
    X, _, y, _ = digits
    with pytest.raises(UnsupportedError, match="give encoder="):
        HDClassifier(None).fit(X, y).explain(X[:1])


# ---------------------------------------------------------------------- files


@pytest.mark.parametrize("rule", ["margin", "ridge", "centroid"])
@pytest.mark.parametrize("names", [False, True])
def test_a_file_holds_the_classifier_and_its_stream(rule, names, digits, tmp_path):
    X, new, y, _ = digits
    y = np.array([f"digit {i}" for i in range(10)])[y] if names else y
    learner = HDClassifier(Features(256), rule=rule, class_weight=dict.fromkeys(np.unique(y).tolist(), 2.0))
    learner.partial_fit(X[:600], y[:600], classes=np.unique(y)).save(tmp_path / "model")
    loaded = HDClassifier.load(tmp_path / "model")
    assert loaded.get_params(deep=False).keys() == learner.get_params(deep=False).keys()
    assert np.array_equal(loaded.predict_proba(new), learner.predict_proba(new))
    for one in (learner, loaded):
        one.partial_fit(X[600:], y[600:])
    assert np.array_equal(loaded.predict_proba(new), learner.predict_proba(new))
    assert loaded.n_features_in_ == 64


def test_other_encoders_in_files(digits, tmp_path):
    X, new, y, _ = digits
    vsa = hdc.create("MAP-B", 512)
    codes = Features(model=vsa, dim=512).fit(X)
    HDClassifier(vsa).fit(codes.transform(X), y).save(tmp_path / "model")
    assert HDClassifier.load(tmp_path / "model").encoder == vsa
    HDClassifier(None).fit(X, y).save(tmp_path / "none")
    assert HDClassifier.load(tmp_path / "none").predict(new).shape == (540,)
    scaled = make_pipeline(StandardScaler(), Features(128))
    learner = HDClassifier(scaled).fit(X, y)
    learner.save(tmp_path / "own")
    with pytest.raises(ParameterError, match="give encoder="):
        HDClassifier.load(tmp_path / "own")
    loaded = HDClassifier.load(tmp_path / "own", encoder=learner.encoder_)
    assert np.array_equal(loaded.predict(new), learner.predict(new))


def test_json_documents_and_their_file(tmp_path):
    from hdc.apps.json import JSONEncoder

    documents = [{"kind": "a", "size": i} if i % 2 else {"kind": "b", "tags": [i, i + 1]} for i in range(40)]
    labels = [i % 2 for i in range(40)]
    learner = HDClassifier(JSONEncoder(512)).fit(documents, labels)
    assert learner.score(documents, labels) == 1
    learner.save(tmp_path / "model")
    loaded = HDClassifier.load(tmp_path / "model")
    np.testing.assert_allclose(loaded.decision_function(documents), learner.decision_function(documents), atol=1e-6)


def test_damaged_and_foreign_files_are_refused(digits, tmp_path):
    X, _, y, _ = digits
    HDClassifier(Features(64)).fit(X, y).save(tmp_path / "model")
    content = (tmp_path / "model").read_bytes()
    rng = np.random.default_rng(0)
    for place in rng.integers(0, len(content), 40):
        damaged = bytearray(content)
        damaged[place] ^= 1
        (tmp_path / "damaged").write_bytes(damaged)
        with pytest.raises(FileFormatError):
            HDClassifier.load(tmp_path / "damaged")
    (tmp_path / "short").write_bytes(content[:-9])
    with pytest.raises(FileFormatError):
        HDClassifier.load(tmp_path / "short")


def test_parts_of_a_file_that_do_not_belong_together(digits, tmp_path):
    from hdc import files

    X, _, y, _ = digits
    HDClassifier(Features(64)).fit(X, y).save(tmp_path / "model")
    meta, arrays = files.load(tmp_path / "model", "learn:HDClassifier")
    for change in (
        {"weights": arrays["weights"][:3]},
        {"intercept": arrays["intercept"].astype(np.float64)},
        {"prototype_classes": np.zeros(10, dtype=np.int64)},
    ):
        files.save(tmp_path / "odd", "learn:HDClassifier", meta, {**arrays, **change})
        with pytest.raises(FileFormatError, match="usable HDClassifier"):
            HDClassifier.load(tmp_path / "odd")
    files.save(tmp_path / "odd", "learn:HDClassifier", {**meta, "parameters": {"rule": "none such"}}, arrays)
    with pytest.raises(FileFormatError, match="rule"):
        HDClassifier.load(tmp_path / "odd")


# ---------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"rule": "perceptron"}, "rule must be one of"),
        ({"epochs": 0}, "epochs"),
        ({"margin": -1}, "margin"),
        ({"rate": "fast"}, "rate"),
        ({"calibration": 1}, "calibration is 0, or"),
        ({"encoder": 3}, "encoder is 'features', a transformer"),
        ({"encoder": "feature"}, "encoder is 'features', a transformer"),
    ],
)
def test_wrong_parameters(parameters, message, digits):
    with pytest.raises(ParameterError, match=re.escape(message)):
        HDClassifier(**parameters).fit(digits[0], digits[2])


def test_wrong_data(digits):
    X, _, y, _ = digits
    learner = HDClassifier(Features(64))
    with pytest.raises(NotFittedError):
        learner.predict(X)
    with pytest.raises(ParameterError, match="classes="):
        learner.partial_fit(X, y)
    with pytest.raises(ParameterError, match="inconsistent"):
        learner.fit(X, y[:-1])
    with pytest.raises(ValueError, match="non-zero"):
        learner.fit(X, y, sample_weight=np.zeros(len(y)))
    learner.partial_fit(X, y, classes=range(10))
    with pytest.raises(ParameterError, match="none of classes"):
        learner.partial_fit(X[:1], [11])
    with pytest.raises(ParameterError, match="since the first call"):
        learner.partial_fit(X, y, classes=range(9))
    with pytest.raises(ParameterError, match="all rows"):
        HDClassifier(Features(64), class_weight="balanced").partial_fit(X, y, classes=range(10))
    learner.set_params(rule="ridge")
    with pytest.raises(ParameterError, match="go on"):
        learner.partial_fit(X, y)
