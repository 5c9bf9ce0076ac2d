"""The JSON encoder on every backend: the vectors of NumPy's, to rounding, as NumPy arrays."""

import numpy as np
import pytest

from hdc import errors
from hdc.apps.json import JSONEncoder, JSONIndex
from hdc.apps.json.encoder import leaf_vectors
from tests import models
from tests.generated_patients import patients
from tests.models import TORCH_BACKENDS, place

DOCUMENTS = list(patients(60))
ENCODED = {
    "numbers": "smooth",
    "strings": {"words": 1, "encoder": 1},
    "string_encoder": lambda texts: np.ones((len(texts), 3)),
}
ROUNDING = 2e-6
"""Of sums of at most a few hundred float32 terms whose squares sum to 1."""


@pytest.fixture(params=TORCH_BACKENDS)
def torch_place(request):
    return place(request.param)


@pytest.mark.parametrize("matrix", ["permutation", "hadamard", "haar"])
@pytest.mark.parametrize("parameters", [{}, {"arrays": "soft"}, ENCODED])
def test_vectors_agree_with_numpy(matrix, parameters, torch_place):
    expected = JSONEncoder(256, matrix=matrix, backend="numpy", **parameters).fit_transform(DOCUMENTS)
    encoder = JSONEncoder(256, matrix=matrix, **torch_place, **parameters)
    for found in (encoder.fit_transform(DOCUMENTS), encoder.transform(DOCUMENTS)):
        assert (type(found), found.dtype) == (np.ndarray, np.float32)
        np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING)


def test_little_room_changes_nothing(monkeypatch, torch_place):
    expected = JSONEncoder(64, backend="numpy").fit_transform(DOCUMENTS)
    monkeypatch.setattr(leaf_vectors, "HELD_BYTES", 4 * 64 * 5)
    monkeypatch.setattr(leaf_vectors, "HELD_TOKENS", 3)
    found = JSONEncoder(64, **torch_place).fit_transform(DOCUMENTS)
    np.testing.assert_allclose(found, expected, rtol=0, atol=ROUNDING)


def test_decoding_and_capacity(torch_place):
    documents = [{"sex": sex, "age": age} for sex in ("FEMALE", "MALE") for age in (1, 30, 80)]
    encoder = JSONEncoder(2048, **torch_place).fit(documents)
    found = encoder.decode(encoder.transform(documents), "sex")
    assert [first.value for (first,) in found] == [document["sex"] for document in documents]
    reference = JSONEncoder(2048, backend="numpy").fit(documents)
    assert encoder.capacity(documents).to_json() == reference.capacity(documents).to_json()


def test_kept_vectors_outlive_inference_mode(torch_place):
    torch = pytest.importorskip("torch")
    encoder = JSONEncoder(64, **torch_place)
    with torch.inference_mode():
        before = encoder.transform(DOCUMENTS[:5])
    np.testing.assert_array_equal(encoder.transform(DOCUMENTS)[:5], before)


def test_a_saved_state_says_nothing_of_the_backend(torch_place):
    encoder = JSONEncoder(64, **torch_place).fit(DOCUMENTS)
    state = encoder.to_json()
    assert state == JSONEncoder(64, backend="numpy").fit(DOCUMENTS).to_json()
    assert JSONEncoder.from_json(state).backend == "auto"
    again = JSONEncoder.from_json(state, **torch_place)
    np.testing.assert_array_equal(again.transform(DOCUMENTS), encoder.transform(DOCUMENTS))
    index = JSONIndex(encoder)
    index.add(DOCUMENTS[:9])
    assert index.search(DOCUMENTS[4], 1)[0].id == 4


@pytest.mark.skipif(bool(models.NO_TORCH), reason=models.NO_TORCH)
def test_a_missing_device_is_told_when_it_is_used():
    encoder = JSONEncoder(64, backend="torch", device="gpu")
    with pytest.raises(errors.ParameterError, match="device must be"):
        encoder.transform([])
