import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdc import words
from hdc.apps.json import JSONEncoder
from hdc.apps.json.encoder.sign_bits import TIE, sign_bits, signs
from hdc.errors import ParameterError

DOCUMENTS = [{"name": f"document {i}", "size": i * i, "tags": ["a", "b", "c"][: i % 4]} for i in range(40)]


def naive_bits(vector):
    """Return the signs of one vector, a tie taking the sign of the next component that is none."""
    least = TIE * np.sqrt(np.mean(vector**2))
    clear = [i for i in range(len(vector)) if abs(vector[i]) > least]
    if not clear:
        return [False] * len(vector)
    ahead = [next((j for j in clear if j >= i), clear[0]) for i in range(len(vector))]
    return [vector[j] > 0 for j in ahead]


@pytest.mark.parametrize("dim", [64, 100, 1000])
def test_packed_output_is_the_sign_of_the_float_output(dim):
    floats = JSONEncoder(dim).fit(DOCUMENTS).transform(DOCUMENTS)
    packed = JSONEncoder(dim, output="packed").fit(DOCUMENTS).transform(DOCUMENTS)
    assert packed.dtype == np.uint64
    assert packed.shape == (40, words.word_count(dim))
    clear = np.abs(floats) > TIE
    assert clear.mean() > 0.9
    assert np.array_equal(words.unpack(packed, dim)[clear], (floats > 0)[clear])
    assert np.array_equal(packed, JSONEncoder(dim, output="packed").fit_transform(DOCUMENTS))


@given(st.lists(st.sampled_from([-2.0, -1e-9, 0.0, 1e-9, 3.0]), min_size=1, max_size=70))
def test_ties_take_the_next_sign(components):
    vector = np.array(components, dtype=np.float32)
    assert words.unpack(sign_bits(vector[None]), len(vector))[0].tolist() == naive_bits(vector)


def test_documents_whose_atoms_cancel_are_not_alike():
    documents = [{"name": name} for name in ("Ada", "Grace", "Alan", "Barbara")]
    floats = JSONEncoder(8192).transform(documents)
    assert (np.abs(floats) < 1e-6).mean() > 0.3
    bits = signs(JSONEncoder(8192, output="packed").transform(documents), 8192)
    assert np.abs(bits @ bits.T / 8192 - np.eye(4)).max() < 0.05


def test_a_batch_has_the_bits_of_each_document_alone():
    encoder = JSONEncoder(512, output="packed").fit(DOCUMENTS)
    alone = np.concatenate([encoder.transform([document]) for document in DOCUMENTS])
    assert np.array_equal(encoder.transform(DOCUMENTS), alone)


def test_blocks_do_not_show(monkeypatch):
    vectors = JSONEncoder(128).transform(DOCUMENTS)
    whole = sign_bits(vectors)
    monkeypatch.setattr("hdc.apps.json.encoder.sign_bits.BLOCK", 300)
    assert np.array_equal(sign_bits(vectors), whole)


def test_vectors_are_floats_whatever_the_output():
    floats = JSONEncoder(100).transform(DOCUMENTS)
    assert np.array_equal(JSONEncoder(100, output="packed").vectors(DOCUMENTS), floats)
    assert JSONEncoder(100, output="packed").transform([]).shape == (0, 2)


def test_unknown_output():
    with pytest.raises(ParameterError, match="output must be one of float, packed, not 'bits'"):
        JSONEncoder(output="bits").transform(DOCUMENTS)
