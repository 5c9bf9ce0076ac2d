"""Options of searches: one value per kind of index, and errors that name the right one."""

import dataclasses

import numpy as np
import pytest

from hdc import errors, words
from hdc.apps.retrieval import BinaryIndex, EmbeddingIndex, RaBitQBinarizer, SignBinarizer
from hdc.search.options import OPTIONS, FlatOptions, HNSWOptions, IVFOptions, options_of

DIM = 40


def vectors(n, seed=0):
    x = np.random.default_rng(seed).standard_normal((n, DIM)).astype(np.float32)
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def of_codes(kind):
    rows = words.pack(vectors(200) > 0)
    index = BinaryIndex(DIM, kind=kind)
    if kind == "ivf":
        index.train(rows, 5)
    index.add(rows)
    return index, rows[:3]


def of_embeddings(kind):
    model = RaBitQBinarizer(lists=5) if kind in ("ivf", "graph") else SignBinarizer()
    index = EmbeddingIndex.create(None, model.fit(vectors(200)), kind=kind, keep="int8")
    index.add(vectors(200))
    return index, vectors(3)


INDEXES = pytest.mark.parametrize("make", [of_codes, of_embeddings])
KINDS = pytest.mark.parametrize("kind", list(OPTIONS))


def made(make, kind):
    if kind == "hnsw":
        pytest.importorskip("usearch", exc_type=ImportError)
    if kind == "graph" and make is of_codes:
        pytest.skip("graphs are of vectors")
    return make(kind)


@INDEXES
@KINDS
def test_options_by_value_and_by_name_are_the_same(make, kind):
    index, queries = made(make, kind)
    own = {"ivf": {"probes": 3}, "hnsw": {"effort": 70}, "graph": {"effort": 70}}.get(kind, {}) | {"candidates": 20}
    by_name = index.search(queries, 4, **own)
    by_value = index.search(queries, 4, options=OPTIONS[kind](**own))
    for mine, theirs in zip(by_name, by_value, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    plain = index.search(queries, 4), index.search(queries, 4, options=OPTIONS[kind]())
    np.testing.assert_array_equal(*(ids for _, ids in plain))
    with pytest.raises(errors.ParameterError, match="not both"):
        index.search(queries, 4, options=OPTIONS[kind](), candidates=9)


@INDEXES
@KINDS
def test_options_of_another_kind_are_told(make, kind):
    index, queries = made(make, kind)
    for other, options in OPTIONS.items():
        if other == kind:
            continue
        with pytest.raises(errors.ParameterError, match=f"kind '{kind}' is searched with {OPTIONS[kind].__name__}"):
            index.search(queries, options=options())
        own = {field.name for field in dataclasses.fields(OPTIONS[kind])}
        for name in {field.name for field in dataclasses.fields(options)} - own:
            with pytest.raises(errors.ParameterError, match=f"{name}= is an option of kind .*'{other}'.*'{kind}'"):
                index.search(queries, **{name: 7})
    with pytest.raises(errors.ParameterError, match=r"not \{'probes': 3\}"):
        index.search(queries, options={"probes": 3})


@pytest.mark.parametrize("wrong", [0, -1, 1.0, True, "3", [3], None])
def test_options_are_integers_of_at_least_1(wrong):
    for options, name in ((IVFOptions, "probes"), (HNSWOptions, "effort"), (FlatOptions, "candidates")):
        if wrong is None and name == "candidates":
            assert FlatOptions(candidates=None).candidates is None
            continue
        with pytest.raises(errors.ParameterError, match=f"{name} must be an integer of at least 1, not"):
            options(**{name: wrong})
        if wrong is not None:
            kind = next(kind for kind, own in OPTIONS.items() if own is options)
            with pytest.raises(errors.ParameterError, match=f"{name} must be an integer of at least 1, not"):
                options_of(kind, **{name: wrong})


def test_options_are_values():
    assert options_of("ivf", probes=np.int32(4)) == IVFOptions(4) == options_of("ivf", probes=4, candidates=None)
    assert type(options_of("ivf", probes=np.int64(4)).probes) is int
    assert options_of("ivf") == IVFOptions(16)
    assert options_of("hnsw") == HNSWOptions(64)
    assert len({IVFOptions(3), IVFOptions(3), IVFOptions(4)}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        IVFOptions(3).probes = 4
    with pytest.raises(errors.ParameterError, match="probes must be"):  # 1 == True, which is no integer here
        [options_of("ivf", probes=value) for value in (1, True)]


# ---------------------------------------------------------------------- among


@INDEXES
@KINDS
def test_among_is_what_is_found(make, kind):
    index, queries = made(make, kind)
    among = np.arange(3, 200, 7)
    index.remove([10])
    among = np.setdiff1d(among, [10])
    found, ids = index.search(queries, 5, among=among[::-1].tolist())
    assert set(ids.ravel().tolist()) <= set(among.tolist())
    whole, everything = index.search(queries, len(among) + 9, among=among)
    assert (np.sort(everything, axis=1) == among).all()  # few are found wherever they are
    np.testing.assert_array_equal(everything[:, :5], ids)
    np.testing.assert_array_equal(whole[:, :5], found)
    assert index.search(queries, 5, among=[])[1].shape == (3, 0)
    with pytest.raises(errors.ParameterError, match="no row with id 10"):
        index.search(queries, 5, among=[3, 10])


@pytest.mark.parametrize("make", [of_codes, of_embeddings])
def test_many_among_are_looked_for_in_the_lists(make, monkeypatch):
    from hdc.search import ivf, partition

    index, queries = make("ivf")
    among = np.arange(0, 200, 2)
    few = index.search(queries, 100, among=among)
    monkeypatch.setattr(partition, "FEW_ROWS", 10)
    monkeypatch.setattr(ivf, "FEW_ROWS", 10)
    for mine, theirs in zip(index.search(queries, 100, among=among, probes=5), few, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    ids = index.search(queries, 100, among=among, probes=1)[1]
    assert set(ids.ravel().tolist()) <= {-1, *among.tolist()}
    assert (ids == -1).any()
