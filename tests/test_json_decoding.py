import math

import numpy as np
import pytest

from hdc import words
from hdc.apps.json import JSONEncoder
from hdc.apps.json.encoder import decoder
from hdc.errors import DimensionError, DTypeError, ParameterError
from tests.generated_patients import patients

TRAIN, HELD_OUT = patients(600), patients(400, seed=1)


@pytest.fixture(scope="module")
def encoder():
    return JSONEncoder(4096).fit(TRAIN)


@pytest.fixture(scope="module")
def vectors(encoder):
    return encoder.transform(HELD_OUT)


def right(decoded, truths):
    return np.mean([found.value == truth for (found,), truth in zip(decoded, truths, strict=True)])


def test_values_come_back(encoder, vectors):
    assert right(encoder.decode(vectors, "city"), [patient["city"] for patient in HELD_OUT]) > 0.97
    sexes = [patient["subject"]["sex"] for patient in HELD_OUT]
    assert right(encoder.decode(vectors, ("subject", "sex")), sexes) > 0.97


def test_one_vector_or_many_alike(encoder, vectors):
    many = encoder.decode(vectors[:3], "city", k=4)
    assert [len(found) for found in many] == [4, 4, 4]
    one = encoder.decode(vectors[1], "city", k=4)
    assert [found.value for found in one] == [found.value for found in many[1]]
    assert [found.confidence for found in one] == pytest.approx([found.confidence for found in many[1]], rel=1e-3)
    assert one[0].confidence == max(found.confidence for found in one)
    assert encoder.decode(vectors[:0], "city") == []


def test_the_similarity_is_the_cosine_with_the_value_alone(encoder, vectors):
    (found,) = encoder.decode(vectors[0], "city")
    alone = encoder.transform([{"city": found.value}])[0]
    cosine = vectors[0] @ alone / np.linalg.norm(vectors[0]) / np.linalg.norm(alone)
    assert found.similarity == pytest.approx(cosine, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("dim", "output"), [(512, "float"), (2048, "float"), (8192, "packed"), (1024, "packed")])
@pytest.mark.parametrize("path", ["city", "status", "subject.sex", "findings[].label"])
def test_confidence_is_the_share_of_right_answers(dim, output, path):
    """Of the answers given with a confidence of at least .9, at most a tenth is wrong; and so for other bounds."""
    encoder = JSONEncoder(dim, output=output).fit(TRAIN)
    decoded = encoder.decode(encoder.transform(HELD_OUT), path)
    truths = [values_at(patient, path) for patient in HELD_OUT]
    confidence = np.array([found.confidence for (found,) in decoded])
    hits = np.array([found.value in truth for (found,), truth in zip(decoded, truths, strict=True)])
    for low in (0.5, 0.9, 0.99):
        sure = confidence >= low
        wrong = np.count_nonzero(~hits[sure])
        expected = (1 - low) * np.count_nonzero(sure)
        assert wrong <= expected + 3 * np.sqrt(expected) + 1
    assert abs(confidence.mean() - hits.mean()) < 0.1


def values_at(patient, path):
    if path == "findings[].label":
        return [finding["label"] for finding in patient["findings"]]
    for key in path.split("."):
        patient = patient.get(key, {})
    return [patient]


@pytest.mark.parametrize("output", ["float", "packed"])
def test_false_alarms_are_rare(output):
    """Where there is no value at the path, or one that was never seen, under 5 % have a confidence of .95 or more."""
    encoder = JSONEncoder(2048, output=output).fit(TRAIN)
    without = [{key: value for key, value in patient.items() if key != "status"} for patient in HELD_OUT]
    strange = [{**patient, "city": f"town {number}"} for number, patient in enumerate(HELD_OUT)]
    for documents, path in ((without, "status"), (strange, "city")):
        decoded = encoder.decode(encoder.transform(documents), path)
        assert np.mean([found.confidence >= 0.95 for (found,) in decoded]) < 0.05


def test_several_values_of_an_array_are_found_one_after_another(encoder, vectors):
    shares = []
    for patient, decoded in zip(HELD_OUT, encoder.decode(vectors, "findings[].label", k=14), strict=True):
        truth = {finding["label"] for finding in patient["findings"]}
        sure = {found.value for found in decoded if found.confidence > 0.5}
        shares.append((len(truth & sure) / len(truth), len(truth & sure) / max(1, len(sure))))
    assert np.mean(shares, axis=0) == pytest.approx([1, 1], abs=0.05)


@pytest.mark.parametrize("numbers", ["grid", "smooth"])
def test_numbers_come_with_an_interval_that_holds_them(numbers):
    encoder = JSONEncoder(4096, numbers=numbers).fit(TRAIN)
    decoded = encoder.decode(encoder.transform(HELD_OUT), "subject.age")
    ages = np.array([patient["subject"]["age"] for patient in HELD_OUT])
    bounds = np.array([found.interval for (found,) in decoded])
    assert ((bounds[:, 0] <= ages) & (ages <= bounds[:, 1])).mean() > 0.93
    assert np.median(bounds[:, 1] - bounds[:, 0]) < 20
    assert np.median(np.abs([found.value for (found,) in decoded] - ages)) <= 3


def test_constants_nulls_and_positions():
    documents = [{"flag": i % 3 == 0, "none": None if i % 2 else {}, "at": [i % 5, 7 * (i % 4)]} for i in range(200)]
    encoder = JSONEncoder(4096, matrix="hadamard").fit(documents)
    vectors = encoder.transform(documents[:20])
    for path, get in (("flag", lambda d: d["flag"]), ("none", lambda d: d["none"]), ("at[1]", lambda d: d["at"][1])):
        assert right(encoder.decode(vectors, path), [get(document) for document in documents[:20]]) == 1


def test_nothing_at_all_and_what_cannot_be():
    """A vector of zeros holds no value for sure; a number beside a certain string has no probability, and a bound."""
    documents = [{"v": "text" if i % 2 else i} for i in range(40)]
    encoder = JSONEncoder(4096).fit(documents)
    nothing = encoder.decode(np.zeros(4096, np.float32), "v", k=3)
    assert all(answer.similarity == 0 and 0 <= answer.confidence <= 1 for answer in nothing)
    found = encoder.decode(encoder.transform(documents[1:2])[0], "v", k=21)
    assert (found[0].value, found[0].confidence) == ("text", pytest.approx(1))
    assert [answer.confidence for answer in found[1:]] == [0] * 20
    assert all(answer.interval[0] <= answer.value <= answer.interval[1] for answer in found[1:])


def test_the_typical_norm_is_the_root_mean_square_of_norms():
    documents = [{"a": "ox box"}, {"a": "ox", "b": "cat"}, {"b": "cat"}, {"b": None}]
    for weights in (None, {"a": 3}):
        encoder = JSONEncoder(64, weights=weights).fit(documents)
        ((_, norms),) = encoder.encode(documents)
        expected = math.sqrt(np.mean(norms**2))
        assert decoder.typical_norm(encoder.values, encoder.layout) == pytest.approx(expected, rel=1e-12)


def test_bad_input(encoder, vectors):
    with pytest.raises(ParameterError, match=r"saw no value at subject.sexx; there are subject.sex"):
        encoder.decode(vectors, "subject.sexx")
    with pytest.raises(ParameterError, match="call fit first"):
        JSONEncoder(4096).decode(vectors, "city")
    with pytest.raises(ParameterError, match="k must be an integer of at least 1"):
        encoder.decode(vectors, "city", k=0)
    with pytest.raises(DimensionError):
        encoder.decode(vectors[:, :100], "city")
    with pytest.raises(DTypeError):
        encoder.decode(vectors.astype(int), "city")
    with pytest.raises(DimensionError):
        encoder.decode(words.pack(vectors[:, :64] > 0), "city")
