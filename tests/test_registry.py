"""The registry: built-in names, and a real third-party package on the path."""

import sys
from pathlib import Path

import numpy as np
import pytest

import hdc
from hdc import dispatch, errors, plugins, registry, testing


@pytest.fixture
def plugin(monkeypatch):
    """Put the plugin's folder, metadata and all, on the path as an installed package would be."""
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "plugin"))
    plugins.points.cache_clear()
    dispatch._load.cache_clear()
    yield
    sys.modules.pop("hdc_plugin", None)
    plugins.points.cache_clear()
    dispatch._load.cache_clear()


def test_builtin_names():
    assert hdc.list_models()[:5] == ("MAP-I", "MAP-B", "Bloom", "CountingBloom", "MBAT")
    assert "numpy" in hdc.list_backends()


def test_names_stay_callable_once_their_packages_are_imported():
    import hdc.backends.numpy_backend
    import hdc.models.map

    assert hdc.models.map.MAPI is hdc.MAPI
    assert hdc.list_models() == registry.list_models()
    assert hdc.list_backends() == dispatch.list_backends()


def test_third_party_model(plugin):
    assert "Doubled" in hdc.list_models()
    vsa = hdc.create("Doubled", 1000)
    assert np.array_equal(vsa.symbol("a"), hdc.MAPI(1000).symbol(("a", "a")))
    assert hdc.from_spec(vsa.spec()) == vsa
    skipped = {o.law for o in testing.check_model(vsa) if o.outcome != "held"}
    assert skipped == {"phases", *(["agrees-with-numpy"] if vsa.kernels.name == "numpy" else [])}


def test_third_party_backend(plugin):
    assert {"swapped", "absent", "wrong"} <= set(hdc.list_backends())
    vsa = hdc.create("MAP-B", 1000, backend="swapped")
    assert vsa.kernels.name == "swapped"
    assert {o.law for o in testing.check_model(vsa) if o.outcome != "held"} == {"phases"}  # MAP-B makes none of angles
    compared = testing.check_backend("swapped")
    assert "bits.xor" in compared
    assert {name.partition(".")[0] for name in compared} == {
        "bits",
        "dense",
        "levels",
    }  # but not search, which it lacks


@pytest.mark.parametrize(
    "record",
    [
        dispatch.search_kernels,
        dispatch.table_kernels,
        dispatch.list_kernels,
        dispatch.posting_kernels,
        dispatch.learn_kernels,
        dispatch.feature_kernels,
        dispatch.class_kernels,
        dispatch.token_kernels,
    ],
)
def test_a_backend_without_a_record_says_which_have_it(plugin, record):
    assert record(dispatch.backend("auto")) is not None
    with pytest.raises(errors.UnsupportedError, match=r"'swapped' has no kernels .* take backend='auto', 'numba' or"):
        record(dispatch.backend("swapped"))


def test_backends_that_do_not_load_say_why(plugin):
    with pytest.raises(errors.BackendUnavailableError, match=r"'absent' needs a library .* use backend='numpy'"):
        hdc.create("MAP-B", 10, backend="absent")
    with pytest.raises(errors.ParameterError, match=r"must be a hdc\.kernels\.Backend"):
        hdc.create("MAP-B", 10, backend="wrong")


def test_public_names_are_all_there():
    for name in hdc.__all__:
        assert getattr(hdc, name) is not None
    assert set(hdc.__all__) <= set(dir(hdc))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        hdc.nothing  # noqa: B018
