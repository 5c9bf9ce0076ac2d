"""Running bundles: in whatever parts and order members come, the vector is that of one bundle."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hdc
from hdc import accumulator, errors, files, similarity, testing
from hdc.backends import numpy_int8
from hdc.vsa import VSA
from tests import models, naive
from tests.models import BACKENDS, FAMILIES, host, make

INTEGERS = [family for family in FAMILIES if "MBAT" not in family]
DIM = 66


class Plain(hdc.MAPI):
    """MAP-I as a third party writes it, which knows nothing of running bundles."""

    model = "Plain"
    tally, join_tallies, read_tally = VSA.tally, VSA.join_tallies, VSA.read_tally


class Majority(hdc.MAPB):
    """A bundle of bundles that is not the bundle of all members, by a model that does not say so."""

    model = "Majority"
    tally, join_tallies, read_tally = VSA.tally, VSA.join_tallies, VSA.read_tally


def members_of(vsa, n, seed=0):
    return vsa.random(n, seed=seed)


def on(vsa, weights):
    """Return NumPy weights as an array of the model's backend."""
    return vsa.kernels.arrays.from_numpy(np.asarray(weights))


def assert_bundle(vsa, vector, expected):
    assert vector.dtype == expected.dtype
    if host(expected).dtype.kind == "f":
        rounding = max(1e-5, 2e-7 * float(abs(host(expected)).max()))  # sums of float32 round like their largest terms
        np.testing.assert_allclose(host(vector), host(expected), rtol=1e-5, atol=rounding)
    else:
        np.testing.assert_array_equal(host(vector), host(expected))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_parts_in_any_order_are_one_bundle(family, backend, data):
    vsa = make(family, DIM, backend)
    n = data.draw(st.integers(1, 24))
    least = 0 if family.startswith("Bloom") else -3
    weights = data.draw(st.none() | st.lists(st.integers(least, 3), min_size=n, max_size=n).map(np.array))
    order = np.array(data.draw(st.permutations(range(n))))
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=4)))
    homes = data.draw(st.lists(st.integers(0, 1), min_size=len(cuts) + 1, max_size=len(cuts) + 1))
    x = members_of(vsa, n)
    both = [hdc.Accumulator(vsa), hdc.Accumulator(vsa)]
    for home, part in zip(homes, np.split(order, cuts), strict=True):
        both[home].add(x[part.tolist()], None if weights is None else on(vsa, weights[part]))
    both[0].merge(both[1])
    assert len(both[0]) == n
    expected = vsa.bundle(x) if weights is None else vsa.bundle(x, on(vsa, weights))
    assert_bundle(vsa, both[0].vector(), expected)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("family", [family for family in FAMILIES if not family.startswith("Bloom")])
def test_subtract_undoes_add(family, backend):
    vsa = make(family, DIM, backend)
    x, y, weights = members_of(vsa, 6), members_of(vsa, 9, seed=1), on(vsa, [3, -1, 4, 1, -5, 9, 2, 6, 5])
    running = hdc.Accumulator(vsa)
    running.add(y, weights)
    running.add(x)
    before = running.vector()
    running.subtract(y, weights)
    assert len(running) == 6
    assert_bundle(vsa, running.vector(), vsa.bundle(x))
    running.add(y, weights)
    assert_bundle(vsa, running.vector(), before)
    running.subtract(y, weights)
    running.subtract(x)
    with pytest.raises(errors.EmptyBundleError):
        running.vector()


@pytest.mark.parametrize("family", ["Bloom-shift", "Bloom-segment"])
def test_bloom_cannot_subtract_and_says_what_can(family):
    vsa = make(family, DIM)
    running = hdc.Accumulator(vsa)
    running.add(vsa.symbols(["abc"]))
    with pytest.raises(errors.UnsupportedError, match="use CountingBloom"):
        running.subtract(vsa.symbol("abc"))
    with pytest.raises(errors.ParameterError, match="cannot subtract"):
        running.add(vsa.symbol("d"), weights=-1)
    assert len(running) == 1


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_bloom_filter_fills_up(backend):
    vsa = hdc.Bloom(65, **models.place(backend))
    running = hdc.Accumulator(vsa)
    for seed in range(20):
        running.add(vsa.random(50, seed=seed))
    ones = vsa.from_numpy(naive.words([1] * 65))
    np.testing.assert_array_equal(host(running.vector()), host(ones))


@pytest.mark.parametrize("backend", BACKENDS)
def test_majorities_are_those_of_plain_python(backend):
    vsa = hdc.MAPB(DIM, **models.place(backend))
    rng = np.random.default_rng(0)
    rows, weights = rng.integers(0, 2, (9, DIM)).astype(bool), rng.integers(-4, 5, 9)
    running = hdc.Accumulator(vsa)
    for row, weight in zip(rows, weights, strict=True):
        running.add(vsa.from_numpy(naive.words(row)), weights=int(weight))
    tie = naive.bits(vsa.to_numpy(vsa.tie), DIM)
    expected = naive.words(naive.majority(rows.astype(int).tolist(), weights.tolist(), tie))
    np.testing.assert_array_equal(vsa.to_numpy(running.vector()), expected)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("family", FAMILIES)
def test_leading_axes_are_members(family, backend):
    vsa = make(family, DIM, backend)
    x, weights = members_of(vsa, 12).reshape(2, 2, 3, -1), on(vsa, [[1, 2, 3], [0, 1, 4]])
    running = hdc.Accumulator(vsa)
    running.add(x, weights)
    running.add(x[:, :, :0])
    assert len(running) == 12
    every = vsa.xp.reshape(vsa.xp.broadcast_to(weights, (2, 2, 3)), (-1,))
    assert_bundle(vsa, running.vector(), vsa.bundle(x.reshape(12, -1), every))


@pytest.mark.parametrize("family", FAMILIES)
def test_blocks_and_mapped_files_change_nothing(family, monkeypatch, tmp_path):
    vsa = make(family, DIM)
    x, weights = members_of(vsa, 100), np.arange(100)
    np.save(tmp_path / "x.npy", x)
    expected = vsa.bundle(x, weights)
    monkeypatch.setattr(accumulator, "BLOCK_BYTES", 700)
    running = hdc.Accumulator(vsa)
    running.add(np.load(tmp_path / "x.npy", mmap_mode="r"), weights)
    assert_bundle(vsa, running.vector(), expected)


@pytest.mark.parametrize("model", [Plain, *(hdc.MAPI, hdc.CountingBloom)])
def test_a_model_whose_bundles_add_needs_to_know_nothing(model):
    vsa = model(200)
    outcome = testing.check_law(vsa, "running-bundle")
    assert outcome.outcome == "held"


def test_the_law_finds_a_model_whose_bundles_do_not_add():
    with pytest.raises(testing.LawError, match="running bundle"):
        testing.check_law(Majority(200), "running-bundle")


def test_the_dtype_is_that_of_the_bundle():
    vsa = hdc.MAPI(DIM)
    x = vsa.random(4, seed=0)
    for weights in (None, [2**24] * 4, [0.5, 1, 2, 3], np.array([1, 2, 3, 4], dtype=np.float32)):
        running = hdc.Accumulator(vsa)
        for i in range(4):
            running.add(x[i], None if weights is None else weights[i])
        assert_bundle(vsa, running.vector(), vsa.bundle(x, weights))
    mixed = hdc.Accumulator(vsa)
    mixed.add(x)
    mixed.add(x.astype(np.float32))
    assert mixed.vector().dtype == np.float32
    mixed.add(x.astype(np.float64))
    assert mixed.vector().dtype == np.float64
    np.testing.assert_array_equal(mixed.vector(), 3 * vsa.bundle(x))


@pytest.mark.skipif(bool(models.NO_TORCH), reason=models.NO_TORCH)
@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision_counts_on(precision, tmp_path):
    vsa = hdc.MAPI(DIM, backend="torch", precision=precision)
    atom = vsa.symbol("a")
    running = hdc.Accumulator(vsa)
    for _ in range(3):
        running.add(vsa.xp.broadcast_to(atom, (5000, DIM)))
    assert running.vector().dtype == atom.dtype
    np.testing.assert_array_equal(host(running._state[1].arrays["sums"]), 15_000 * host(atom.float()))
    running.save(tmp_path / "a.hdc")
    loaded = hdc.Accumulator.load(tmp_path / "a.hdc", backend="torch")
    assert loaded.vector().dtype == atom.dtype


@pytest.mark.skipif(bool(models.NO_TORCH), reason=models.NO_TORCH)
def test_no_graph_of_gradients_grows():
    vsa = hdc.MBAT(DIM, backend="torch")
    running = hdc.Accumulator(vsa)
    running.add(vsa.random(3, seed=0).requires_grad_())
    assert not running.vector().requires_grad


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=40, deadline=None)
@given(st.integers(1, 2000), st.integers(1, 9), st.integers(0, 3), st.sampled_from([1, 60, 4000]), st.integers(0, 9))
def test_many_short_rows_add_up(backend, n, dim, batch, tile, seed):
    """The least and greatest of int8 too: whatever is added in int16 fits, in tiles of any size."""
    rows = np.random.default_rng(seed).choice(
        np.array([-128, -1, 1, 127], np.int8), (batch, n, dim), p=[0.9, 0, 0, 0.1]
    )
    kernels = make("MAP-I", DIM, backend).kernels
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(numpy_int8, "TILE", tile)
        for dtype in (kernels.xp.int32, kernels.xp.int64):
            found = similarity.weighted_sum(kernels, kernels.arrays.from_numpy(rows), None, dtype, 0.0)
            assert found.dtype == dtype
            np.testing.assert_array_equal(host(found), rows.sum(axis=1, dtype=np.int64))


def test_sums_of_short_rows_stay_in_int16():
    assert numpy_int8.SHORT * 128 < 2**15


class TestOverflow:
    """The greatest sums are right, one more is an error, and after it nothing has changed."""

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_map_i(self, backend):
        vsa = hdc.MAPI(3, **models.place(backend))
        most = 2**63 - 1
        one = vsa.from_numpy(np.array([most // 2, -(most // 2), 1]))
        running = hdc.Accumulator(vsa)
        running.add(one)
        running.add(one)
        assert host(running.vector()).tolist() == [most - 1, 1 - most, 2]
        running.add(vsa.from_numpy(np.array([1, -2, 0])))
        assert host(running.vector()).tolist() == [most, -most - 1, 2]
        for more in ([1, 0, 0], [0, -1, 0]):
            with pytest.raises(errors.WideningError, match="leave int64"):
                running.add(vsa.from_numpy(np.array(more)))
        with pytest.raises(errors.WideningError, match="leave int64"):
            running.subtract(vsa.from_numpy(np.array([0, 1, 0])))
        with pytest.raises(errors.WideningError, match="leave int64"):
            running.merge(running)
        assert host(running.vector()).tolist() == [most, -most - 1, 2]
        assert len(running) == 3

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_map_b(self, backend):
        vsa = hdc.MAPB(DIM, **models.place(backend))
        running, a = hdc.Accumulator(vsa), vsa.symbol("a")
        for weight in (2**61, 2**61, 2**61, 2**61 - 1):
            running.add(a, weights=weight)
        with pytest.raises(errors.WideningError, match="leave int64"):
            running.add(a)
        with pytest.raises(errors.ParameterError, match=r"below 2\^62"):
            running.add(a, weights=2**62)
        assert len(running) == 4
        np.testing.assert_array_equal(host(running.vector()), host(a))

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_counting_bloom(self, backend):
        vsa = hdc.CountingBloom(DIM, **models.place(backend))
        running, a = hdc.Accumulator(vsa), vsa.symbol("a")
        running.add(a, weights=2**62)
        running.add(a, weights=2**62 - 1)
        assert host(running.vector()).max() == 2**63 - 1
        with pytest.raises(errors.WideningError, match="leave int64"):
            running.add(a)
        assert host(running.vector()).max() == 2**63 - 1

    def test_blocks_are_added_all_or_none(self, monkeypatch):
        monkeypatch.setattr(accumulator, "BLOCK_BYTES", 8)
        vsa = hdc.MAPI(1)
        running = hdc.Accumulator(vsa)
        with pytest.raises(errors.WideningError):
            running.add(np.array([[2**62], [2**62]]))
        assert len(running) == 0


class TestErrors:
    def test_members(self):
        vsa = hdc.MAPB(DIM)
        running = hdc.Accumulator(vsa)
        x = vsa.random(3, seed=0)
        with pytest.raises(errors.EmptyBundleError, match="no members"):
            running.vector()
        with pytest.raises(errors.DTypeError):
            running.add([1, 2])
        with pytest.raises(errors.DTypeError):
            running.add(x.astype(np.int8))
        with pytest.raises(errors.DimensionError):
            running.add(x[:, :1])
        with pytest.raises(errors.DimensionError):
            running.add(x[:0, :1])
        with pytest.raises(errors.PaddingError):
            running.add(~x)
        with pytest.raises(errors.DTypeError, match="integer weights"):
            running.add(x, weights=[0.5, 1, 2])
        with pytest.raises(errors.DimensionError, match="broadcast"):
            running.add(x, weights=[1, 2])
        assert len(running) == 0
        running.add(x)
        with pytest.raises(errors.ParameterError, match=r"4 members cannot be taken out of 3; .* weights=-1"):
            running.subtract(vsa.random(4, seed=0))

    def test_models(self):
        with pytest.raises(errors.ParameterError, match="vsa must be a VSA, not 'MAP-B'"):
            hdc.Accumulator("MAP-B")
        running = hdc.Accumulator(hdc.MAPB(DIM))
        with pytest.raises(errors.MismatchError, match="two different models"):
            running.merge(hdc.Accumulator(hdc.MAPB(DIM, seed=1)))
        with pytest.raises(errors.MismatchError, match="takes another accumulator"):
            running.merge(hdc.MAPB(DIM).symbol("a"))

    @pytest.mark.skipif(bool(models.NO_TORCH), reason=models.NO_TORCH)
    def test_backends(self):
        vsa = hdc.MAPB(DIM)
        running, other = hdc.Accumulator(vsa), hdc.Accumulator(vsa.with_backend("torch"))
        with pytest.raises(errors.MismatchError, match="save one and load it"):
            running.merge(other)
        running.merge(hdc.Accumulator(vsa.with_backend("numpy")))


def test_warns_beyond_capacity():
    vsa = hdc.MAPB(64)
    running = hdc.Accumulator(vsa)
    for seed in range(500):
        running.add(vsa.random(1, seed=seed))
    before = hdc.warn_beyond_capacity()
    try:
        with pytest.warns(hdc.CapacityWarning, match="500 members in one MAP-B") as caught:
            running.vector()
        assert caught[0].filename == __file__
    finally:
        hdc.warn_beyond_capacity(before)


class TestFiles:
    @pytest.mark.parametrize("reader", BACKENDS)
    @pytest.mark.parametrize("writer", BACKENDS)
    @pytest.mark.parametrize("family", FAMILIES)
    def test_what_is_saved_goes_on_anywhere(self, family, writer, reader, tmp_path):
        vsa = make(family, DIM, writer)
        running = hdc.Accumulator(vsa)
        running.add(members_of(vsa, 7))
        running.save(tmp_path / "running.hdc")
        loaded = hdc.Accumulator.load(tmp_path / "running.hdc", **models.place(reader))
        assert len(loaded) == 7
        other = loaded.vsa
        loaded.add(members_of(other, 4, seed=1))
        every = other.xp.concat([members_of(other, 7), members_of(other, 4, seed=1)])
        assert_bundle(other, loaded.vector(), other.bundle(every))

    def test_nothing_is_saved_as_nothing(self, tmp_path):
        hdc.Accumulator(hdc.MAPB(DIM)).save(tmp_path / "a")
        loaded = hdc.Accumulator.load(tmp_path / "a")
        assert len(loaded) == 0
        assert repr(loaded) == f"Accumulator({hdc.MAPB(DIM)!r}, 0 members)"

    def test_pickles(self):
        vsa = hdc.MAPB(DIM)
        running = hdc.Accumulator(vsa)
        running.add(vsa.random(5, seed=0))
        copy = pickle.loads(pickle.dumps(running))
        np.testing.assert_array_equal(copy.vector(), running.vector())

    def test_every_flipped_byte_is_told(self, tmp_path):
        vsa = hdc.MAPB(65)
        running = hdc.Accumulator(vsa)
        running.add(vsa.random(5, seed=0))
        running.save(tmp_path / "a")
        content = (tmp_path / "a").read_bytes()
        for i in range(len(content)):
            (tmp_path / "b").write_bytes(content[:i] + bytes([content[i] ^ 1 << i % 8]) + content[i + 1 :])
            with pytest.raises(errors.FileFormatError):
                hdc.Accumulator.load(tmp_path / "b")

    @pytest.mark.parametrize(
        "broken",
        [
            {"count": -1},
            {"count": 2.5},
            {"count": 5, "arrays": {}},
            {"arrays": {"sums": np.zeros(3, np.int64)}},
            {"arrays": {"sums": np.zeros(DIM, np.int32)}},
            {"arrays": {"sums": np.zeros(DIM, np.int64), "more": np.zeros(1)}},
            {"arrays": {"totals": np.zeros(DIM, np.int64)}},
            {"facts": {"dtype": "float32"}},
            {"facts": []},
            {"spec": {"model": "nobody's", "dim": DIM}},
            {"spec": 7},
        ],
    )
    def test_contents_that_are_not_the_models_are_told(self, broken, tmp_path):
        whole = {
            "spec": hdc.MAPB(DIM).algebra(), "count": 5, "facts": {}, "arrays": {"sums": np.zeros(DIM, np.int64)},
        } | broken  # fmt: skip
        arrays = whole.pop("arrays")
        files.save(tmp_path / "a", accumulator.KIND, whole, arrays)
        with pytest.raises(errors.FileFormatError, match="does not hold a usable accumulator"):
            hdc.Accumulator.load(tmp_path / "a")

    def test_padding_of_a_file_is_checked(self, tmp_path):
        meta = {"spec": hdc.Bloom(65).algebra(), "count": 1, "facts": {}}
        files.save(tmp_path / "a", accumulator.KIND, meta, {"bundle": np.full(2, 2**64 - 1, np.uint64)})
        with pytest.raises(errors.FileFormatError, match="beyond component 64"):
            hdc.Accumulator.load(tmp_path / "a")
