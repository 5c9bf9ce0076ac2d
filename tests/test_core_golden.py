"""Golden values of atoms, operators, bundles and structures of every model, and what is decided at exact edges.

What a name, a role, a record or an n-gram becomes may never change within a major version: stored vectors hold it.
``python -m tests.test_core_golden`` writes the file anew, which breaks every stored vector.
"""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

import hdc
from hdc import errors
from hdc.models.operators import ByteCache
from tests.models import FAMILIES, host, make

GOLDEN = Path(__file__).parent / "golden" / "core.json"
DIMS = {"MBAT-haar": (9,)}
"""Dimensions of a family; ``OTHERS`` for the rest: no word, a word and a part, and sparse atoms of every density."""
OTHERS = (36, 100)


def mark(x):
    """Return what a vector is, in short: a digest of integers and bits, two sums with fixed weights of floats."""
    x = np.ascontiguousarray(host(x))
    if x.dtype.kind == "f":
        places = np.arange(x.shape[-1])
        weights = np.stack([np.cos(places), np.sin(1.7 * places * places)]).T
        return np.round(x.astype(np.float64) @ weights, 6).ravel().tolist()
    return hashlib.sha256(str(x.dtype).encode() + x.tobytes()).hexdigest()[:16]


def made(vsa):
    """Return the marks of all that a model makes of names."""
    x = vsa.symbols(["a", "b", ("c", 1), 2.5])
    role = vsa.role("r")
    found = {
        "symbols": x,
        "roles": vsa.bind(role, x),
        "unbound": vsa.unbind(vsa.role(("s", 2)), x),
        "anonymous": vsa.random(3, seed=7),
        "permuted": vsa.permute(x, 3),
        "back": vsa.permute(x, -1),
        "bundle": vsa.bundle(x),
        "even": vsa.bundle(x[:2]),
        "weighted": vsa.bundle(x[:3], [3, 1, 0]),
        "record": hdc.Record(vsa).encode({"name": "a", "kind": "b", ("n", 1): "c"}),
        "multiset": hdc.Multiset(vsa).encode({"a": 2, "b": 1}),
        "sequence": hdc.Sequence(vsa).encode("abca"),
        "similarity": vsa.similarity(vsa.bundle(x), x),
    }
    if vsa.binds_vectors:
        found |= {f"{n}-grams": hdc.NGrams(vsa, n).encode("abcab") for n in (1, 2, 3)}
        found["two vectors"] = vsa.bind(x[0], x[1])
    if vsa.model == "MBAT":
        found["powers"] = vsa.bind(role**3 @ vsa.role("s") ** -2, x)
    return {name: mark(x) for name, x in found.items()}


def models():
    for family in FAMILIES:
        for dim in DIMS.get(family, OTHERS):
            yield f"{family} {dim}", make(family, dim)
    for model in (hdc.Bloom, hdc.CountingBloom):
        for ones in (18, 20):
            yield f"{model.__name__} 36, {ones} ones", model(36, ones=ones)
        yield f"{model.__name__} 36, segments", model(36, ones=9, binding="segment")
    yield "MAP-B seed 3", hdc.MAPB(100, seed=3)


def written():
    return {name: made(vsa) for name, vsa in models()}


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize(("name", "vsa"), [pytest.param(*model, id=model[0]) for model in models()])
def test_what_models_make(golden, name, vsa):
    found = made(vsa)
    assert sorted(found) == sorted(golden[name])
    for part, expected in golden[name].items():
        if isinstance(expected, str):
            assert found[part] == expected, part
        else:
            np.testing.assert_allclose(found[part], expected, atol=2e-5, err_msg=part)


def test_what_models_say_of_their_algebra():
    """The laws check what a model declares; that it declares it is checked here."""
    declared = {
        family: (vsa.exact_unbind, vsa.self_inverse, vsa.binds_vectors, vsa.commutative)
        for family, vsa in ((family, make(family, 36)) for family in FAMILIES)
    }
    expected = {"MAP": (True, True, True, True), "MBAT": (True, False, False, False)}
    expected |= {"shift": (True, False, True, False), "segment": (True, False, True, True)}
    expected |= {"FHRR": (True, False, True, True), "CGR": (True, False, True, True), "MCR": (True, False, True, True)}
    expected |= {"GHRR": (True, False, True, False), "HLB": (True, True, True, True)}
    for family, says in declared.items():
        if family.startswith(("HRR", "VTB", "TVTB")):
            assert says == (family in ("HRR", "VTB", "TVTB"), False, True, family.startswith("HRR"))
        elif family.startswith(("SBC", "GSBC")):
            assert says == (True, False, True, True)
        elif family.startswith("MAP-C"):
            assert says == (family == "MAP-C", family == "MAP-C", True, True)
        else:
            kind = family.split("-")[0] if "Bloom" not in family else family.split("-")[1]
            assert says == expected[kind], family
    assert hdc.create("MCR", 36, levels=2).self_inverse


def test_a_structure_takes_vectors_for_names():
    vsa = hdc.MAPI(50)
    for structure in (hdc.Multiset(vsa), hdc.Sequence(vsa), hdc.NGrams(vsa, 2)):
        assert np.array_equal(structure.encode(vsa.symbols(["a", "b", "c"])), structure.encode(["a", "b", "c"]))
        with pytest.raises(errors.DimensionError, match="put it in a list"):
            structure.encode(vsa.symbol("a"))


# ---------------------------------------------------------------------- the parameters of sparse atoms


@pytest.mark.parametrize("model", [hdc.Bloom, hdc.CountingBloom])
def test_how_many_ones_are_chosen(model):
    assert [model(dim).ones for dim in (2, 3, 100, 101, 1000)] == [1, 2, 10, 11, 32]
    assert [model(1000, load=load).ones for load in (1, 20, 1000)] == [693, 35, 1]
    assert model(4, load=1).ones == 3
    assert [model(1000, binding="segment").ones, model(1000, load=30, binding="segment").ones] == [40, 25]
    assert model(1000, binding="segment").segment == 25
    assert [model(10, ones=ones).ones for ones in (1, 9)] == [1, 9]
    for ones in (10, 11):
        with pytest.raises(errors.ParameterError, match="between 1 and dim - 1 = 9"):
            model(10, ones=ones)
    with pytest.raises(errors.ParameterError, match="take dim=98 or ones=10"):
        model(100, ones=7 * 2, binding="segment")
    with pytest.raises(errors.ParameterError, match="dim of at least 2, not 1"):
        model(1)
    assert model(2, ones=1).ones == 1


# ---------------------------------------------------------------------- sums at the edge of their integers


def test_sums_of_map_i_widen_exactly_where_they_must():
    vsa = hdc.MAPI(2)
    for most, count, dtype in ((2**30 - 1, 2, np.int32), (2**30, 2, np.int64), (2**31 - 1, 1, np.int32)):
        bundle = vsa.bundle(np.full((count, 2), most, np.int64))
        assert (bundle.dtype, bundle[0]) == (dtype, most * count)
        assert vsa.bundle(np.full((count, 2), -most, np.int64))[0] == -most * count
    for members, weight, dtype in (
        (np.int8, 2**24 - 1, np.int32),
        (np.int8, 2**24, np.int64),
        (np.int16, 2**16 - 1, np.int32),
        (np.int16, 2**16, np.int64),
        (np.int32, 2**31 - 1, np.int32),
        (np.int32, 2**31, np.int64),
    ):
        bundle = vsa.bundle(np.ones((1, 2), members), [weight])
        assert (bundle.dtype, bundle[0]) == (dtype, weight)
        running = hdc.Accumulator(vsa)
        running.add(np.ones((1, 2), members), [weight])
        assert (running.vector().dtype, running.vector()[0]) == (dtype, weight)


def test_sums_of_map_i_and_of_counters_end_at_int64():
    for vsa in (hdc.MAPI(2), hdc.CountingBloom(2)):
        below = 2**62 - 2**10
        assert vsa.bundle(np.full((2, 2), below, np.int64))[0] == 2 * below
        assert vsa.bundle(np.full((1, 2), below, np.int64), [2])[0] == 2 * below
        with pytest.raises(errors.WideningError, match="can leave int64"):
            vsa.bundle(np.full((2, 2), 2**62, np.int64))
        with pytest.raises(errors.WideningError, match="can leave int64"):
            vsa.bundle(np.full((2, 2), 2**62, np.int64), [1, 1])


def test_sums_that_no_float_holds_are_exact():
    """Products with weights run in float32 to 2^24, float64 to 2^53, and integers beyond."""
    vsa = hdc.MAPI(1)
    for most in (2**12 + 1, 2**24 + 1, 2**53 + 1, 2**61 + 1):
        x = np.array([[most], [1], [-most]], np.int64)
        assert vsa.bundle(x[:2], [1, 1])[0] == most + 1
        assert vsa.bundle(x, [1, 1, 1])[0] == 1
        assert vsa.bundle(x[:1], [2])[0] == 2 * most


def test_products_of_bundles_end_at_int64():
    vsa = hdc.MAPI(2)
    a, b = np.full(2, 2**31 - 2**10, np.int64), np.full(2, -(2**32), np.int64)
    assert vsa.bind(a, b)[0] == -(2**31 - 2**10) * 2**32
    assert vsa.bind(np.full(2, 3, np.int32), np.full(2, 2**30, np.int32))[0] == 3 * 2**30
    with pytest.raises(errors.WideningError, match="can leave int64"):
        vsa.bind(np.full(2, 2**31, np.int64), b)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.int64])
def test_the_least_integer_has_no_negative(dtype):
    vsa, least = hdc.MAPI(2), np.iinfo(dtype).min
    atom = np.array([-1, 1], np.int8)
    assert vsa.bind(atom, np.array([least + 1, 1], dtype)).tolist() == [-(least + 1), 1]
    for pair in ((atom, np.array([1, least], dtype)), (np.array([least, 1], dtype), atom)):
        with pytest.raises(errors.WideningError, match="widen it first"):
            vsa.bind(*pair)


def test_int8_components_are_signs():
    vsa = hdc.MAPI(3)
    signs = np.array([1, -1, 1], np.int8)
    assert vsa.bind(signs, signs).tolist() == [1, 1, 1]
    for wrong in ([1, 0, 1], [1, 2, -1], [-128, 1, 1], [0, 0, 0]):
        with pytest.raises(errors.DTypeError, match="±1"):
            vsa.bind(signs, np.array(wrong, np.int8))
    assert vsa.bind(signs, np.zeros((0, 3), np.int8)).shape == (0, 3)


def test_unsigned_weights_that_fit():
    vsa = hdc.MAPI(2)
    x = np.ones((1, 2), np.int8)
    assert vsa.bundle(x, np.array([2**55 + 2**4], np.uint64))[0] == 2**55 + 2**4
    with pytest.raises(errors.WideningError):
        vsa.bundle(x, np.array([2**63 - 1], np.uint64))
    with pytest.raises(errors.ParameterError, match="does not fit a signed 64-bit integer"):
        vsa.bundle(x, np.array([2**63], np.uint64))


def test_a_cache_keeps_what_it_has_room_for():
    cache, made = ByteCache(10), []

    def ask(key, size):
        return cache.get(key, lambda: made.append(key) or key, lambda _: size)

    assert [ask("a", 4), ask("b", 6), ask("a", 4), ask("b", 6)] == ["a", "b", "a", "b"]
    assert (made, cache.held) == (["a", "b"], 10)
    ask("c", 1)  # a was used before b
    assert (list(cache._entries), cache.held) == (["b", "c"], 7)
    assert [ask("too large", 11), ask("too large", 11)] == ["too large"] * 2
    assert (made, cache.held) == (["a", "b", "c", "too large", "too large"], 7)


@pytest.mark.parametrize("matrix", ["permutation", "hadamard", "haar"])
def test_operators_say_what_they_hold(matrix):
    vsa = hdc.MBAT(36, matrix=matrix)
    (operator,) = vsa.operator(vsa.role("r"))
    held = {"permutation": 36 * 9, "hadamard": 36 * 2 + 2 * 36 * 9, "haar": 36 * 36 * 4}
    assert operator.nbytes == held[matrix]  # indices of 8 bytes, signs of 1, float32


@pytest.mark.parametrize("k", [1, 3])
def test_nearest_without_a_search_of_the_backend(monkeypatch, k):
    vsa = hdc.MAPB(100)
    items, queries = vsa.random(9, seed=1), vsa.random(2, seed=2)
    expected = vsa.nearest(queries, items, k)
    monkeypatch.setattr(hdc.MAPB, "kernels", dataclasses.replace(vsa.kernels, search=None))
    for found, other in zip(vsa.nearest(queries, items, k), expected, strict=True):
        np.testing.assert_array_equal(found, other)


# ---------------------------------------------------------------------- decisions at their threshold


def test_members_at_the_threshold():
    signs = np.ones(8, np.int8)
    half, less = np.array([3, 1, 0, 0, 0, 0, 0, 0], np.int32), np.array([3, 0, 0, 0, 0, 0, 0, 0], np.int32)
    assert [bool(hdc.MAPI(8).contains(x, signs)) for x in (half, less)] == [True, False]
    atom = np.full(4, 0.5, np.float32)
    values = [np.array([c, 0, 0, 0], np.float32) for c in (1.0, 0.999)]
    assert [bool(hdc.MBAT(4).contains(x, atom)) for x in values] == [True, False]
    vsa = hdc.MAPB(8)  # of three members the threshold is a similarity of 1/4: three of eight bits differ
    item = hdc.words.pack(np.zeros(8, bool))
    bundles = [hdc.words.pack(np.arange(8) < n) for n in (3, 4)]
    assert [bool(vsa.contains(x, item, 3)) for x in bundles] == [True, False]
    assert [bool(vsa.contains(x, item, 1)) for x in (bundles[0], hdc.words.pack(np.arange(8) < 2))] == [False, True]
    counters = hdc.CountingBloom(6, ones=2)
    item = np.array([1, 1, 0, 0, 0, 0])
    assert [bool(counters.contains(np.array(x), item)) for x in ([1, 1, 0, 0, 0, 0], [5, 0, 9, 0, 0, 0])] == [
        True,
        False,
    ]
    bloom = hdc.Bloom(6, ones=2)
    packed = [hdc.words.pack(np.array(x, bool)) for x in ([1, 1, 0, 1, 0, 0], [1, 0, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0])]
    assert [bool(bloom.contains(x, packed[2])) for x in packed[:2]] == [True, False]


def test_sizes_are_those_of_the_formulas():
    x, y = np.array([3, 1, 0, 2]), np.array([1, 1, 1, 0])
    counters = hdc.CountingBloom(4, ones=2)
    assert counters.set_size(x) == 3
    assert counters.intersection_size(x, y) == pytest.approx((4 - 6 * 3 / 4) / (2 - 4 / 4))
    bloom, bits = hdc.Bloom(8, ones=2), [hdc.words.pack(np.arange(8) < n) for n in (2, 8, 0)]
    assert bloom.set_size(bits[0]) == pytest.approx(-8 / 2 * np.log(6 / 8))
    assert [bloom.set_size(x) for x in bits[1:]] == [np.inf, 0]
    assert not np.signbit(bloom.set_size(bits[2]))
    other = hdc.words.pack((np.arange(8) > 0) & (np.arange(8) < 5))
    assert bloom.intersection_size(bits[0], other) == pytest.approx(-4 * np.log((6 / 8) * (4 / 8) / (3 / 8)))
    mapi = hdc.MAPI(4)
    assert mapi.intersection_size(x, y) == 1.0
    assert hdc.MBAT(4).intersection_size(x.astype(np.float32), y.astype(np.float32)) == 4.0
    mapb, one = hdc.MAPB(8), hdc.words.pack(np.arange(8) < 2)
    same = mapb.intersection_size(one, bits[2], sizes=(3, 12))
    assert same == pytest.approx(6 * np.sin(np.pi / 2 * 0.5))
    for wrong in (None, (3,), (3, 4, 5), (0, 1)):
        with pytest.raises(errors.ParameterError, match="sizes"):
            mapb.intersection_size(one, one, sizes=wrong)


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(written(), separators=(",", ":")) + "\n", encoding="utf-8")
