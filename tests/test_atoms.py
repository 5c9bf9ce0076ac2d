"""Names, streams and draws."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hdc
from hdc import atoms
from hdc.dispatch import backend
from tests import models

BITS = backend("numpy").bits
NAMES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.binary(max_size=6),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=6,
)


def typed(name):
    """Spell a name out so that equal spellings mean the same name."""
    if isinstance(name, tuple):
        return ("tuple", *map(typed, name))
    if isinstance(name, float):
        return ("float", "nan" if name != name else (name + 0.0).hex())
    return (type(name).__name__, name)


@given(NAMES, NAMES)
def test_names_are_written_unambiguously(a, b):
    assert (atoms.encode_name(a) == atoms.encode_name(b)) == (typed(a) == typed(b))


def test_numpy_scalars_are_the_value_they_hold():
    pairs = [(np.int32(5), 5), (np.float64(2.5), 2.5), (np.str_("x"), "x"), (np.bool_(True), True), (-0.0, 0.0)]
    for given_name, plain in pairs:
        assert atoms.encode_name(given_name) == atoms.encode_name(plain)


@pytest.mark.parametrize("name", [object(), [1], {"a": 1}, 1j, ("a", [1])])
def test_other_types_are_refused(name):
    with pytest.raises(hdc.errors.DTypeError, match="a name must be"):
        hdc.MAPI(10).symbol(name)


def test_lone_surrogates_are_names():
    assert atoms.encode_name("\ud800") != atoms.encode_name("\ud801")


@pytest.mark.parametrize("seed", [1.5, "1", None, True])
def test_seeds_are_integers(seed):
    with pytest.raises(hdc.errors.ParameterError, match="seed must be an integer"):
        hdc.MAPI(10, seed=seed)


@pytest.mark.slow
def test_same_atoms_in_another_process_with_another_hash_seed():
    code = "import hdc; print(hdc.MAPB(128).symbols(['x', ('y', 1)]).tolist())"
    other = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    run = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": other}, capture_output=True, text=True, check=True
    )
    assert run.stdout == f"{hdc.MAPB(128).symbols(['x', ('y', 1)]).tolist()}\n"


@pytest.mark.parametrize(("count", "size"), [(1, 2), (3, 3), (10, 20), (100, 10_000)])
def test_distinct_draws_are_the_first_of_the_stream(count, size):
    keys = atoms.stream_keys(0, "test", range(20))
    drawn = atoms.sample_distinct(BITS, keys, count, size)
    for row, key in zip(drawn, keys, strict=True):
        stream = (int(w) >> 32 for w in np.random.Philox(key=key).random_raw(40 * count))
        first = list(dict.fromkeys((w * size) >> 32 for w in stream))[:count]
        assert sorted(first) == row.tolist()


def test_positions_are_uniform():
    """Chi-square over 50 bins against its 1 - 1e-6 quantile (105.0 at 49 degrees of freedom)."""
    keys = atoms.stream_keys(0, "uniform", range(2000))
    counts = np.bincount(atoms.sample_distinct(BITS, keys, 5, 50).ravel(), minlength=50)
    expected, inflation = counts.sum() / 50, 1 - 4 / 49  # draws of one row are without replacement
    assert ((counts - expected) ** 2 / expected).sum() / inflation < 105.0


def test_normals_are_standard():
    """Kolmogorov-Smirnov distance against its 1e-6 critical value, 2.69 / sqrt(n)."""
    from scipy.stats import kstest

    draws = atoms.normals(BITS, atoms.stream_keys(0, "normal", [0]), 20_001)
    assert draws.shape == (20_001,)
    assert kstest(draws, "norm").statistic < 2.69 / np.sqrt(20_001)


def test_permutation_is_one():
    drawn = atoms.permutation(BITS, atoms.stream_keys(0, "permutation", [0]), 1000)
    assert np.array_equal(np.sort(drawn), np.arange(1000))


@pytest.mark.parametrize("backend", models.BACKENDS)
@pytest.mark.parametrize("family", ["MAP-I", "MAP-B", "FHRR"])
def test_repeated_names_are_drawn_once(monkeypatch, family, backend):
    vsa = models.make(family, 100, backend)
    names = [*range(5), "a", 1.0, True, None, ("a", 1)] * 9
    expected, drawn = [models.host(vsa.symbol(name)) for name in names], []
    atoms_of = type(vsa).atoms_of

    def counted(self, keys):
        drawn.append(len(keys))
        return atoms_of(self, keys)

    monkeypatch.setattr(type(vsa), "atoms_of", counted)
    np.testing.assert_array_equal(models.host(vsa.symbols(names)), expected)
    np.testing.assert_array_equal(models.host(vsa.symbols(names[:20])), expected[:20])
    assert drawn == [10, 20]
