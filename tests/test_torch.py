"""What only the torch backend promises: devices, gradients, half precision, compilation, no copies.

Where there is no GPU, torch's ``meta`` device stands for a second one: tensors without data, which refuse to mix with
those of the CPU as a GPU's do.
"""

import subprocess
import sys

import numpy as np
import pytest

import hdc
from hdc import dispatch, errors
from hdc.apps.retrieval import BinaryIndex
from tests import models
from tests.bridge import portable
from tests.models import FAMILIES, host, make

torch = pytest.importorskip("torch", reason=models.NO_TORCH)
from hdc.backends import torch_backend  # noqa: E402
from hdc.backends.torch_kernels import bundling, search, transform, words  # noqa: E402

FLOAT_FAMILIES = ("MAP-I", "MBAT-permutation", "MBAT-hadamard", "MBAT-haar")
CUDA = pytest.mark.skipif(bool(models.NO_CUDA), reason=models.NO_CUDA)


@pytest.fixture
def meta(monkeypatch):
    """Let models be created on the device ``meta``, with the kernels that GPUs run."""

    def on(name, device="cpu"):
        if device == "meta":
            return torch_backend.placed(torch.device("meta"), torch_backend.PORTABLE, torch_backend.PORTABLE_SEARCH)
        return dispatch.backend(name, device)

    monkeypatch.setattr("hdc.vsa.find_backend", on)


class TestDevice:
    def test_is_part_of_the_model(self):
        vsa = hdc.MAPB(100, backend="torch")
        assert vsa.spec()["device"] == "cpu"
        assert "device='cpu'" in repr(vsa)
        assert "device" not in vsa.algebra()
        assert hdc.from_spec(vsa.spec()) == vsa
        assert str(vsa.symbol("a").device) == "cpu"

    @pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "CUDA", "", "mps"])
    def test_other_names_are_refused(self, name):
        with pytest.raises(errors.ParameterError, match="device must be 'cpu', 'cuda'"):
            hdc.MAPI(100, backend="torch", device=name)

    @pytest.mark.parametrize("device", ["cuda", "cuda:0", 0, None])
    def test_other_backends_have_one_device(self, device):
        for backend in ("numpy", "numba", "auto"):
            with pytest.raises(errors.ParameterError, match=r"backend='torch', device='cuda'|device must be a text"):
                hdc.MAPI(100, backend=backend, device=device)

    def test_missing_cuda_is_told(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        with pytest.raises(errors.BackendUnavailableError, match=r"needs a CUDA GPU .* use device='cpu'"):
            hdc.MAPI(100, backend="torch", device="cuda")

    def test_missing_card_is_told_and_the_current_one_is_named(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
        with pytest.raises(errors.BackendUnavailableError, match="torch finds cuda:0 to cuda:1"):
            hdc.MAPI(100, backend="torch", device="cuda:2")
        assert hdc.MAPI(100, backend="torch", device="cuda").device == "cuda:1"
        assert hash(hdc.MAPI(100, backend="torch", device="cuda:0")) != hash(hdc.MAPI(100, backend="torch"))

    @CUDA
    def test_results_stay_on_the_cuda_device(self):
        for family in FAMILIES:
            vsa = make(family, 65, "torch-cuda")
            for result in operations(vsa).values():
                assert str(result.device) == vsa.device


def operations(vsa):
    x, role = vsa.random(6, seed=0), vsa.role("r")
    scores, indices = vsa.nearest(x, x, 3)
    return {
        "symbols": vsa.symbols(["a", "b"]),
        "bind": vsa.bind(role, x),
        "unbind": vsa.unbind(role, x),
        "bundle": vsa.bundle(x),
        "bundle of batches": vsa.bundle(x.reshape(2, 3, -1)),
        "permute": vsa.permute(x, 3),
        "similarity": vsa.similarity(x, x),
        "scores": scores,
        "indices": indices,
        "memory": hdc.ItemMemory(vsa, "abc").vectors,
        "record": hdc.Record(vsa).encode({"a": "b", "c": vsa.symbols(["d", "e"])}),
    }


class TestWrongArrays:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_other_devices_are_refused(self, family):
        vsa = make(family, 64, "torch")
        x, far = vsa.random(3, seed=0), vsa.random(3, seed=0).to("meta")
        calls = [
            lambda: vsa.bind(vsa.role("r"), far),
            lambda: vsa.bundle(far),
            lambda: vsa.bundle(x, torch.ones(3, dtype=torch.int64, device="meta")),
            lambda: vsa.permute(far),
            lambda: vsa.similarity(x, far),
            lambda: vsa.similarity(far, x),
            lambda: vsa.nearest(far, x),
            lambda: vsa.contains(x, far, 3),
            lambda: hdc.ItemMemory(vsa).add("abc", far),
            lambda: hdc.Record(vsa).encode({"f": far}),
        ]
        for call in calls:
            with pytest.raises(errors.DeviceError, match=r"on device meta, and the model on cpu; move it with x.to"):
                call()

    @pytest.mark.parametrize("family", FAMILIES)
    def test_numpy_arrays_and_lists_are_refused(self, family):
        vsa = make(family, 64, "torch")
        x = vsa.random(3, seed=0)
        for call in (
            lambda y: vsa.bundle(y),
            lambda y: vsa.similarity(x, y),
            lambda y: vsa.bind(vsa.role("r"), y),
            lambda y: hdc.Multiset(vsa).encode(y),
        ):
            with pytest.raises(errors.DTypeError, match=r"vsa\.from_numpy"):
                call(host(x))
        with pytest.raises(errors.DTypeError, match="tensor"):
            vsa.permute([1, 2])
        with pytest.raises(errors.DTypeError, match="weights must be a torch tensor"):
            vsa.bundle(x, np.ones(3, dtype=np.int64))

    def test_tensors_are_refused_by_numpy(self):
        x = hdc.MAPI(64, backend="torch").random(3, seed=0)
        with pytest.raises(errors.DTypeError, match="must be a NumPy array, not Tensor"):
            hdc.MAPI(64, backend="numpy").bundle(x)

    def test_packed_words(self):
        vsa = hdc.MAPB(100, backend="torch")
        with pytest.raises(errors.DTypeError, match="int64 tensor"):
            vsa.permute(torch.zeros(2, dtype=torch.uint8))
        with pytest.raises(errors.DimensionError, match="needs 2 words"):
            vsa.permute(torch.zeros(3, dtype=torch.int64))
        with pytest.raises(errors.PaddingError, match="beyond component 99"):
            vsa.permute(torch.full((2,), -1))

    def test_from_numpy_checks(self):
        vsa = hdc.MAPB(100, backend="torch")
        with pytest.raises(errors.DTypeError, match="takes a NumPy array"):
            vsa.from_numpy(vsa.symbol("a"))
        with pytest.raises(errors.DimensionError):
            vsa.from_numpy(np.zeros(3, np.uint64))


class TestBridge:
    @pytest.mark.parametrize("family", FAMILIES)
    def test_memory_is_shared_both_ways(self, family):
        vsa, reference = make(family, 100, "torch"), make(family, 100)
        given = reference.random(3, seed=0)
        x = vsa.from_numpy(given)
        assert x.data_ptr() == given.ctypes.data
        back = vsa.to_numpy(x)
        assert back.ctypes.data == given.ctypes.data
        assert back.dtype == given.dtype
        np.testing.assert_array_equal(back, given)

    def test_what_torch_cannot_share_is_copied(self):
        vsa, given = hdc.MAPI(100, backend="torch"), hdc.MAPI(100).random(4, seed=0)
        frozen = given.copy()
        frozen.flags.writeable = False
        for odd in (frozen, given[::-1], np.asfortranarray(given)):
            np.testing.assert_array_equal(vsa.to_numpy(vsa.from_numpy(odd)), odd)

    def test_gradients_are_cut_off(self):
        vsa = hdc.MBAT(64, backend="torch")
        assert vsa.to_numpy(vsa.symbol("a").requires_grad_()).dtype == np.float32

    def test_tie_vector_and_memory_cannot_be_changed_from_outside(self):
        vsa = hdc.MAPB(64, backend="torch")
        before, memory = vsa.bundle(vsa.symbols(list("ab"))), hdc.ItemMemory(vsa, "ab")
        vsa.tie[:] = 0
        memory.vectors[:] = 0
        memory["a"][:] = 0
        assert torch.equal(vsa.bundle(vsa.symbols(list("ab"))), before)
        assert torch.equal(memory.vectors, vsa.symbols(list("ab")))

    def test_a_memory_of_bfloat16_is_saved_exactly(self, tmp_path):
        vsa = hdc.MBAT(64, backend="torch", precision="bfloat16")
        memory = hdc.ItemMemory(vsa, "abc")
        memory.save(tmp_path / "memory.hdc")
        loaded = hdc.ItemMemory.load(tmp_path / "memory.hdc", backend="torch")
        assert torch.equal(loaded.vectors, memory.vectors.float())


def test_binary_index_takes_codes_through_numpy():
    vsa, index = hdc.MAPB(100, backend="torch"), BinaryIndex(100)
    rows = vsa.random(50, seed=0)
    assert index.add(vsa.to_numpy(rows)).tolist() == list(range(50))
    found = index.search(vsa.to_numpy(rows[:5]), 3)
    for ours, expected in zip(found, vsa.kernels.search.top_k(rows[:5], rows, 3), strict=True):
        np.testing.assert_array_equal(ours, host(expected))
    with pytest.raises(
        errors.UnsupportedError, match=r"keeps NumPy arrays, .* 'torch' has others; take backend='auto'"
    ):
        BinaryIndex(100, backend="torch")
    with pytest.raises(errors.DTypeError, match="codes must be"):
        index.add(rows)


def test_hopfield_draws_on_torch():
    names = list("abcd")
    drawn, reference = (hdc.Hopfield(64, names, backend=backend) for backend in ("torch", "numpy"))
    np.testing.assert_array_equal(drawn.scores(names), reference.scores(names))


class TestNothingLeavesTheDevice:
    """Kernels and models on ``meta``: a tensor made on the CPU on the way would be refused by torch."""

    @pytest.mark.parametrize("family", ["MAP-I-float32", "MAP-B", "Bloom-shift"])
    def test_models(self, family, meta):
        vsa = make(family, 128).with_backend("torch", "meta")
        x = vsa.random(6, seed=0)
        calls = {
            "permute": lambda: vsa.permute(x, 3),
            "bundle": lambda: vsa.bundle(x.reshape(2, 3, -1)),
            "similarity": lambda: vsa.similarity(x, x[:2]),
            "nearest": lambda: vsa.nearest(x, x, 3)[0],
            "indices": lambda: vsa.nearest(x, x, 3)[1],
        }
        if family != "Bloom-shift":  # which reads how far to shift off the data
            calls["bind"] = lambda: vsa.bind(vsa.role("r"), x)
            calls["contains"] = lambda: vsa.contains(x, x, 3)
        for name, call in calls.items():
            assert str(call().device) == "meta", name

    @pytest.mark.parametrize("family", [f for f in FAMILIES if "MBAT" in f])
    def test_mbat(self, family, meta):
        vsa = make(family, 96).with_backend("torch", "meta")
        role = vsa.role("a") @ vsa.role("b") ** 3
        for result in operations(vsa).values():
            assert str(result.device) == "meta"
        assert str(vsa.unbind(role, vsa.bind(role, vsa.symbol("x"))).device) == "meta"

    def test_kernels(self):
        x, bits = torch.empty(20, 3, dtype=torch.int64, device="meta"), torch_backend.PORTABLE
        kernels = torch_backend.placed(torch.device("meta"), bits, torch_backend.PORTABLE_SEARCH).search
        rows = kernels.search_index(3).extended(x)
        index = torch.empty(190, dtype=torch.int64, device="meta")
        shifts = torch.empty(20, dtype=torch.int64, device="meta")
        results = [
            bits.popcount(x), bits.or_reduce(x), bits.hamming(x, x), bits.shared_ones(x, x),
            *kernels.top_k(x, x, 5), *rows.search(x, 5), bits.majority(x, None, x[0], 64 * len(x[0])),
            bits.rotate(x, 7, 130), bits.rotate(x, shifts, 130), bits.gather(x, index[:130], 130),
            bits.signed_sums(x, None, 190), bits.pack(bits.unpack(x, 130)),
            kernels.code_dots(x[:, None], x[:, None], 192),
            *kernels.code_top_k(x[:, None], x[:, None], 192, torch.empty(20, device="meta"), 5),
        ]  # fmt: skip
        assert {str(result.device) for result in results} == {"meta"}


@pytest.mark.parametrize("operation", ["bind", "unbind", "bundle", "weights", "permute", "similarity"])
@pytest.mark.parametrize("family", FLOAT_FAMILIES)
@pytest.mark.parametrize("dim", [16, 23])
def test_gradients_flow(family, operation, dim):
    vsa = make(family, dim, "torch", precision="float64")
    role, x, y = vsa.role("r"), vsa.random(3, seed=0) * 1.5, vsa.random(2, seed=1)
    calls = {
        "bind": lambda x: vsa.bind(role, x),
        "unbind": lambda x: vsa.unbind(role, x),
        "bundle": vsa.bundle,
        "weights": lambda x: vsa.bundle(x, x[:, 0]),
        "permute": lambda x: vsa.permute(x, -2),
        "similarity": lambda x: vsa.similarity(x, y),
    }
    assert torch.autograd.gradcheck(calls[operation], x.requires_grad_())


def test_gradients_of_a_role_and_of_a_zero_vector():
    vsa = hdc.MAPI(16, backend="torch", precision="float64")
    role = vsa.role("r").requires_grad_()
    vsa.bind(role, vsa.symbol("a")).sum().backward()
    assert torch.equal(role.grad, vsa.symbol("a"))
    zero = torch.zeros(16, dtype=torch.float64, requires_grad=True)
    vsa.similarity(zero, vsa.symbol("a")).backward()
    assert bool(torch.isfinite(zero.grad).all())


HALVES = {"float16": 2e-3, "bfloat16": 2e-2}
"""Tolerances of a few rounded operations on entries of at most 1."""


@pytest.mark.parametrize("precision", HALVES)
@pytest.mark.parametrize("family", FLOAT_FAMILIES)
def test_half_precision(family, precision):
    half = make(family, 256, "torch", precision=precision)
    full = make(family, 256, "torch", precision="float32")
    x, y = half.symbols(list("abc")), full.symbols(list("abc"))
    assert half.dtype is x.dtype is getattr(torch, precision)
    for name in ("bind", "unbind"):
        found = getattr(half, name)(half.role("r"), x)
        assert found.dtype is half.dtype
        torch.testing.assert_close(
            found.float(), getattr(full, name)(full.role("r"), y), atol=HALVES[precision], rtol=0
        )
    bundle = half.bundle(x)
    assert bundle.dtype is half.permute(x).dtype is half.dtype
    similarity = half.similarity(bundle, x)
    assert similarity.dtype is torch.float32
    expected = full.similarity(full.bundle(y), y)
    torch.testing.assert_close(similarity, expected, atol=HALVES[precision], rtol=0)


def test_precisions_that_the_backend_lacks_are_refused():
    for model in (hdc.MAPI, hdc.MBAT):
        with pytest.raises(errors.ParameterError, match=r"precision must be one of .*float32, float64, not 'bfloat16'"):
            model(64, precision="bfloat16", backend="numpy")
    with pytest.raises(errors.DTypeError, match="float32, float64, float16 or bfloat16, not"):
        hdc.MAPI(64, backend="torch").permute(torch.zeros(64, dtype=torch.float8_e5m2))


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
def test_integers_are_exact_however_torch_rounds_products(precision):
    vsa = hdc.MAPI(64, backend="torch")
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision(precision)
        x = torch.full((1, 64), 257, dtype=torch.int32)
        assert float(vsa.intersection_size(x, x)) == 257**2
        members = vsa.random(3, seed=0).to(torch.int32) * 511
        assert torch.equal(vsa.bundle(members, [257, 1, 1]), 257 * members[0] + members[1] + members[2])
    finally:
        torch.set_float32_matmul_precision(before)


def test_integers_are_exact_under_autocast():
    vsa = hdc.MAPI(1000, backend="torch")
    x = vsa.bundle(vsa.random(999, seed=0))
    expected = vsa.intersection_size(x, x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(vsa.intersection_size(x, x), expected)


@pytest.mark.parametrize("matrix", ["permutation", "hadamard", "haar"])
def test_what_is_kept_from_inference_mode_lets_gradients_flow(matrix):
    vsa = hdc.MBAT(33, backend="torch", matrix=matrix, seed=5)
    role = vsa.role("a") @ vsa.role("b") ** -2
    transform._MATRICES.clear()
    with torch.inference_mode():
        vsa.bind(role, vsa.symbol("x"))
    x = vsa.symbol("x").requires_grad_()
    vsa.bind(role, x).sum().backward()
    assert x.grad.shape == (33,)


@pytest.mark.parametrize("rows", [1, 7, 20])
def test_blocks_change_nothing(rows, monkeypatch):
    bits, kernels, rng = portable().bits, portable().search, np.random.default_rng(0)
    x, y = (torch.from_numpy(rng.integers(-(2**63), 2**63 - 1, (n, 3))) for n in (9, 61))
    index = torch.from_numpy(rng.permuted(np.tile(np.arange(190), (9, 1)), axis=1))
    scale = torch.from_numpy(rng.random(61, dtype=np.float32)) + 1
    lists = x, y, torch.arange(61), torch.tensor([0, 20, 20, 61]), torch.tensor([[0, 1, 2]]).repeat(9, 1)
    calls = {
        "hamming": lambda: bits.hamming(x, y),
        "shared_ones": lambda: bits.shared_ones(x, y),
        "distances": lambda: kernels.top_k(x, y, 17)[0],
        "ids": lambda: kernels.top_k(x, y, 17)[1],
        "distances in lists": lambda: kernels.top_k_lists(*lists, 17)[0],
        "ids in lists": lambda: kernels.top_k_lists(*lists, 17)[1],
        "scores of codes": lambda: kernels.code_top_k(x[:, None], y[:, None], 192, scale, 17)[0],
        "ids of codes": lambda: kernels.code_top_k(x[:, None], y[:, None], 192, scale, 17)[1],
        "gathered dots": lambda: kernels.gather_dots(x.to(torch.int16), y.to(torch.int8), index[:, :40] % 61)[0],
        "gather": lambda: bits.gather(x, index, 190),
        "sums": lambda: bits.signed_sums(y, None, 190),
    }
    whole = {name: call() for name, call in calls.items()}
    monkeypatch.setattr(words, "BUDGET", 4 * 192 * rows)
    monkeypatch.setattr(search, "QUERIES", 4)
    for name, call in calls.items():
        assert torch.equal(call(), whole[name]), name


def test_walsh_hadamard_uses_small_matrices_only():
    x = torch.randn(2, 2**15)
    torch.testing.assert_close(transform.fwht(transform.fwht(x)), x)
    assert max(len(matrix) for matrix in transform._MATRICES.values()) <= 2**transform.FACTOR


def test_counting_agrees_however_it_is_done():
    """Carry-save adders, which count unweighted rows, against sums with weights of one."""
    rng = np.random.default_rng(2)
    for n in (*range(1, 20), 100, 1001):
        x = torch.from_numpy(rng.integers(-(2**63), 2**63 - 1, (2, n, 2)))
        ones = torch.ones(n, dtype=torch.int64)
        assert torch.equal(bundling.majority(x, None, x[0, 0], 128), bundling.majority(x, ones, x[0, 0], 128))


COMPILED = {
    "MAP-I-float32": ("bind", "bundle", "permute", "similarity", "nearest"),
    "MBAT-hadamard": ("bundle", "permute", "similarity", "nearest"),
    "MAP-B": ("bind", "bundle", "permute", "similarity", "nearest"),
}
"""Methods that are compiled into one graph; the others are compiled around what they read off the data or look up."""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("family", ["MAP-I-float32", "MBAT-hadamard", "MAP-B"])
def test_methods_compile(family):
    vsa = make(family, 64, "torch")
    x, role = vsa.symbols(list("abcd")), vsa.role("r")
    calls = {
        "bind": lambda x: vsa.bind(role, x),
        "bundle": vsa.bundle,
        "permute": lambda x: vsa.permute(x, 3),
        "similarity": lambda x: vsa.similarity(x, x),
        "nearest": lambda x: vsa.nearest(x, x, 2)[0],
    }
    for name, call in calls.items():
        torch._dynamo.reset()
        expected = call(x)  # which makes what is made on first use: operators, the tie vector
        compiled = torch.compile(call, fullgraph=name in COMPILED[family], backend="eager")
        torch.testing.assert_close(compiled(x), expected)


def test_threads_are_set_for_both_libraries():
    vsa, before, torch_before = hdc.MAPB(64, backend="torch"), hdc.threads(), torch.get_num_threads()
    try:
        assert vsa.kernels.threads(1) == torch.get_num_threads() == hdc.threads() == 1
    finally:
        hdc.threads(before)
        torch.set_num_threads(torch_before)


class TestRegistry:
    @pytest.mark.slow
    def test_torch_is_listed_but_not_loaded(self):
        code = (
            "import sys, hdc; assert 'torch' in hdc.list_backends(); hdc.MAPB(64).symbol('a');"
            "print({'torch', 'array_api_compat'} & set(sys.modules))"
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert run.stdout.strip() == "set()"

    def test_absent_torch_is_not_listed_and_told(self, monkeypatch):
        monkeypatch.setattr(dispatch.importlib.util, "find_spec", lambda name: None)
        assert "torch" not in hdc.list_backends()
        for name in ("torch", "hdc.backends.torch_backend"):
            monkeypatch.setitem(sys.modules, name, None)
        dispatch._load.cache_clear()
        try:
            with pytest.raises(errors.BackendUnavailableError, match=r"pip install 'hdc-toolkit\[torch\]'"):
                hdc.MAPI(64, backend="torch")
        finally:
            dispatch._load.cache_clear()
