"""Structures over every model that has what they need."""

import numpy as np
import pytest

import hdc
from hdc import errors
from tests.models import BACKENDS, FAMILIES, host, make

VALUES = [f"value {i}" for i in range(50)]
BINDS_VECTORS = [family for family in FAMILIES if "MBAT" not in family]


def dim(family):
    """Return a dimension at which all answers are right: dense operators are costly to draw, so less for haar."""
    return 300 if "haar" in family else 2000


@pytest.fixture(params=BACKENDS)
def backend(request):
    return request.param


@pytest.mark.parametrize("family", FAMILIES)
class TestAnyModel:
    def test_record_gives_its_fields_back(self, family, backend):
        vsa = make(family, dim(family), backend)
        record, memory = hdc.Record(vsa), hdc.ItemMemory(vsa, VALUES)
        fields = {f"field {i}": f"value {i}" for i in range(7)}
        vector = record.encode(fields)
        assert {f: m.name for f, m in record.decode(vector, list(fields), memory).items()} == fields
        assert record.get(vector, "field 0", memory).similarity > record.get(vector, "no field", memory).similarity

    def test_field_equal_to_its_value_is_kept(self, family, backend):
        vsa = make(family, dim(family), backend)
        vector = hdc.Record(vsa).encode({"red": "red", "a": "b"})
        assert hdc.Record(vsa).get(vector, "red", hdc.ItemMemory(vsa, ["blue", "red", "b"])).name == "red"

    def test_swapped_values_make_another_record(self, family, backend):
        vsa = make(family, dim(family), backend)
        record = hdc.Record(vsa)
        one, other = (record.encode(dict(zip("xyz", values, strict=True))) for values in ("abc", "bca"))
        assert float(vsa.similarity(one, other)) < 0.3

    def test_multiset_contains_and_decodes(self, family, backend):
        vsa = make(family, dim(family), backend)
        multiset = hdc.Multiset(vsa)
        bundle = multiset.encode(VALUES[:7])
        assert multiset.contains(bundle, VALUES, size=7) == [True] * 7 + [False] * 43
        found = multiset.decode(bundle, hdc.ItemMemory(vsa, VALUES), 7)
        assert {match.name for match in found} == set(VALUES[:7])

    def test_multiset_of_counts_is_multiset_of_repetitions(self, family, backend):
        vsa = make(family, dim(family) // 2, backend)
        counted = hdc.Multiset(vsa).encode({"a": 3, "b": 1, "c": 1})
        listed = hdc.Multiset(vsa).encode(["b", "a", "a", "c", "a"])
        np.testing.assert_allclose(host(counted), host(listed), atol=1e-6)

    def test_sequence_gives_its_elements_back_in_order(self, family, backend):
        vsa = make(family, dim(family), backend)
        sequence, letters = hdc.Sequence(vsa), hdc.ItemMemory(vsa, "abcdefgh")
        vector = sequence.encode("deadbe")
        assert "".join(m.name for m in sequence.decode(vector, letters, 6)) == "deadbe"
        assert sequence.get(vector, 3, letters).name == "d"

    def test_vectors_are_values_too_and_batches_broadcast(self, family, backend):
        vsa = make(family, dim(family) // 2, backend)
        record = hdc.Record(vsa)
        inner = record.encode({"a": "b"})
        batch = record.encode({"x": vsa.symbols(["p", "q"]), "y": inner})
        assert batch.shape == (2, vsa.storage)
        np.testing.assert_allclose(host(batch[1]), host(record.encode({"x": "q", "y": inner})), atol=1e-6)

    def test_empty_structures_are_refused(self, family, backend):
        vsa = make(family, 100, backend)
        for structure, empty in ((hdc.Record, {}), (hdc.Multiset, []), (hdc.Multiset, {}), (hdc.Sequence, [])):
            with pytest.raises(errors.EmptyBundleError, match=structure.__name__):
                structure(vsa).encode(empty)


@pytest.mark.parametrize("family", BINDS_VECTORS)
def test_ngrams_know_their_runs_in_order(family, backend):
    vsa = make(family, 10_000, backend)
    trigrams = hdc.NGrams(vsa, 3)
    text = trigrams.encode("abracad")
    assert [trigrams.contains(text, gram, size=5) for gram in ("abr", "bra", "rac", "aca", "cad")] == [True] * 5
    assert [trigrams.contains(text, gram, size=5) for gram in ("bar", "rba", "arb", "dac", "caa")] == [False] * 5


@pytest.mark.parametrize("family", BINDS_VECTORS)
def test_ngrams_of_one_are_a_multiset(family, backend):
    vsa = make(family, 300, backend)
    assert np.array_equal(host(hdc.NGrams(vsa, 1).encode("hello")), host(hdc.Multiset(vsa).encode("hello")))


def test_errors():
    mbat, mapi = hdc.MBAT(100), hdc.MAPI(100)
    with pytest.raises(errors.UnsupportedError, match="use Sequence"):
        hdc.NGrams(mbat, 2)
    with pytest.raises(errors.ParameterError, match="n must be"):
        hdc.NGrams(mapi, 0)
    with pytest.raises(errors.EmptyBundleError, match="3-grams need at least 3"):
        hdc.NGrams(mapi, 3).encode("ab")
    with pytest.raises(errors.ParameterError, match="n=3 elements, and 2"):
        hdc.NGrams(mapi, 3).contains(mapi.symbol("x"), "ab")
    with pytest.raises(errors.ParameterError, match="position must be"):
        hdc.Sequence(mapi).get(mapi.symbol("x"), -1, hdc.ItemMemory(mapi, ["x"]))
    with pytest.raises(errors.MismatchError, match="two different models"):
        hdc.Record(mapi).get(mapi.symbol("x"), "f", hdc.ItemMemory(mbat, ["x"]))


def test_structures_say_what_they_give():
    for structure in (hdc.Record, hdc.Multiset, hdc.Sequence, hdc.NGrams):
        assert all(callable(getattr(structure, method)) for method in structure.gives)


def test_an_array_is_one_element_a_row():
    vsa = hdc.MAPI(100)
    stacked = vsa.symbols(list("abc"))
    for structure in (hdc.Multiset(vsa), hdc.Sequence(vsa), hdc.NGrams(vsa, 2)):
        assert np.array_equal(structure.encode(stacked), structure.encode("abc"))
        with pytest.raises(errors.DimensionError, match="takes several elements"):
            structure.encode(stacked[0])
