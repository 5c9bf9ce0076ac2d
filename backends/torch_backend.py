"""The torch backend: tensors on the CPU or on a GPU, gradients through the dense models.

On a GPU, the kernels of :mod:`hdc.backends.torch_kernels` compute everything. CPU tensors share their memory with
NumPy, so the packed kernels on the CPU are Numba's: every torch program measured was far slower
(``benchmarks/bench_torch.py``). The dense kernels are torch's, for the gradients.
"""

import dataclasses
import functools
import re
from collections.abc import Callable
from typing import Any

import array_api_compat.torch
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hdc.backends import array_levels, numba_backend
from hdc.backends.torch_kernels import bundling, codes, int8, lists, search, transform, words
from hdc.errors import BackendUnavailableError, DeviceError, DimensionError, DTypeError, PaddingError, ParameterError
from hdc.kernels import Arrays, Backend, BitKernels, DenseKernels, LevelKernels, SearchKernels
from hdc.words import WORD_BITS, word_count

FLOATS = ("float32", "float64", "float16", "bfloat16")

EXACT_INTEGERS = {"highest": 1 << 24, "high": 1 << 11, "medium": 1 << 8}
"""Integers that float32 products keep exactly, by ``torch.get_float32_matmul_precision()``."""


# ---------------------------------------------------------------------- arrays


def dtype(name: str) -> torch.dtype:
    """Return torch's dtype for a NumPy name; packed words are int64, because torch hardly supports uint64."""
    found: torch.dtype = torch.int64 if name == "uint64" else getattr(torch, name)
    return found


def from_numpy(x: npt.NDArray[Any], device: torch.device) -> Tensor:
    """Share the memory of a NumPy array on the CPU if torch can (native, writeable, not reversed), else copy."""
    native = x.astype(x.dtype.newbyteorder("="), copy=False)
    if native.dtype == np.uint64:
        native = native.view(np.int64)
    if not native.flags.writeable or any(stride < 0 for stride in native.strides):
        native = native.copy()
    return torch.from_numpy(native).to(device)


def to_numpy(x: Tensor) -> npt.NDArray[Any]:
    """Return the values on the host, without a copy from the CPU; bfloat16, which NumPy lacks, becomes float32."""
    host = x.detach().cpu()
    return np.asarray((host.float() if host.dtype == torch.bfloat16 else host).numpy())


def check(x: Any, what: str, device: torch.device) -> Tensor:
    """Return ``x`` if it is a tensor on the device; raise DTypeError or DeviceError otherwise."""
    if not isinstance(x, Tensor):
        advice = "; bring it over with vsa.from_numpy" if isinstance(x, np.ndarray) else ""
        raise DTypeError(f"{what} must be a torch tensor, not {type(x).__module__}.{type(x).__qualname__}{advice}")
    if x.device != device:
        raise DeviceError(
            f"{what} is on device {x.device}, and the model on {device}; move it with x.to({str(device)!r}), "
            f"or take a model there, vsa.with_backend('torch', {str(x.device)!r})"
        )
    return x


def check_words(x: Any, dim: int, what: str, device: torch.device) -> Tensor:
    """Return ``x`` if it has packed words on the device with clear padding; raise otherwise."""
    if not isinstance(x, Tensor) or x.dtype != torch.int64:
        given = f"dtype {x.dtype}" if isinstance(x, Tensor | np.ndarray) else type(x).__name__
        kind = "a NumPy array" if isinstance(x, np.ndarray) else "what was given"
        raise DTypeError(
            f"{what} must be a packed torch int64 tensor, and {kind} has {given}; "
            "pack components with vsa.kernels.bits.pack, or bring NumPy words over with vsa.from_numpy"
        )
    check(x, what, device)
    if x.ndim == 0 or x.shape[-1] != word_count(dim):
        raise DimensionError(
            f"{what} has shape {tuple(x.shape)}; dim={dim} needs {word_count(dim)} words on the last axis"
        )
    if dim % WORD_BITS and bool((x[..., -1] & -(1 << dim % WORD_BITS)).any()):
        raise PaddingError(
            f"{what} has bits set beyond component {dim - 1}; clear them: x[..., -1] &= {(1 << dim % WORD_BITS) - 1}"
        )
    return x


def exact_integers() -> int:
    """Return the bound for torch's current float32 products: unrounded, or rounded to TF32, bfloat16 or half."""
    if torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda"):
        return 0
    return EXACT_INTEGERS[torch.get_float32_matmul_precision()]


def lasting(make: Callable[[], Any]) -> Any:
    """Call outside inference mode, because tensors made there cannot carry gradients."""
    with torch.inference_mode(False):
        return make()


# ---------------------------------------------------------------------- kernels


def random_words(keys: npt.NDArray[np.uint64], count: int) -> npt.NDArray[np.uint64]:
    """Draw on the host, as every backend does."""
    drawn: npt.NDArray[np.uint64] = numba_backend.BACKEND.bits.random_words(keys, count)
    return drawn


def signed_orders(keys: npt.NDArray[np.uint64], dim: int) -> npt.NDArray[np.int32]:
    """Draw on the host, as every backend does."""
    drawn: npt.NDArray[np.int32] = numba_backend.BACKEND.bits.signed_orders(keys, dim)
    return drawn


def xor(a: Tensor, b: Tensor) -> Tensor:
    """Bind packed bipolar vectors: exclusive or."""
    return torch.bitwise_xor(a, b).contiguous()


PORTABLE = BitKernels(
    random_words=random_words,
    signed_orders=signed_orders,
    xor=xor,
    or_reduce=words.or_reduce,
    popcount=words.popcount,
    hamming=search.hamming,
    shared_ones=search.shared_ones,
    majority=bundling.majority,
    signed_sums=bundling.signed_sums,
    rotate=words.rotate,
    gather=words.gather,
    pack=words.pack,
    unpack=words.unpack,
)
"""Kernels for a GPU."""

PORTABLE_DENSE = DenseKernels(
    signed_gather=transform.signed_gather,
    signed_gathers=transform.signed_gathers,
    signed_products=transform.signed_products,
    hadamard=transform.hadamard,
    csr_matmul=transform.csr_matmul,
    sign_product=int8.sign_product,
    byte_dots=functools.partial(int8.byte_dots, exact_integers=exact_integers),
    byte_sums=int8.byte_sums,
    phasor_product=transform.phasor_product,
    convolve=transform.convolve,
    row_sums=transform.row_sums,
    smallest=search.smallest,
    exact_integers=exact_integers,
)
"""Kernels for a GPU; gradients flow through those of floats."""

PORTABLE_SEARCH = SearchKernels(
    top_k=search.top_k,
    search_index=functools.partial(search.RowIndex, device=torch.device("cpu")),
    top_k_lists=lists.top_k_lists,
    plane_sums=codes.plane_sums,
    code_dots=codes.code_dots,
    code_top_k=codes.code_top_k,
    gather_dots=codes.gather_dots,
    gather_planes=codes.gather_planes,
    rounded=codes.rounded,
    units=codes.units,
)
"""Kernels for a GPU, here with an index on the CPU."""

PORTABLE_LEVELS = array_levels.kernels(array_api_compat.torch)


def on_host(record: str, name: str, *packed: int) -> Callable[..., Any]:
    """Return a Numba kernel that works on CPU tensors in place.

    While torch compiles, the portable kernel is used instead, because torch can trace that one.

    Parameters
    ----------
    record : {"bits", "dense", "search", "levels"}
    name : str
    *packed : int
        Positions of the arguments that are packed words.
    """
    compiled = getattr(getattr(numba_backend.BACKEND, record), name)
    portables = {"bits": PORTABLE, "dense": PORTABLE_DENSE, "search": PORTABLE_SEARCH, "levels": PORTABLE_LEVELS}
    portable = getattr(portables[record], name)

    def view(position: int, argument: Any) -> Any:
        if not isinstance(argument, Tensor):
            return argument
        host = argument.numpy()
        return host.view(np.uint64) if position in packed else host

    @functools.wraps(compiled)
    def call(*arguments: Any) -> Any:
        if torch.compiler.is_compiling():
            return portable(*arguments)
        result = compiled(*(view(i, argument) for i, argument in enumerate(arguments)))
        return tuple(map(_tensor, result)) if isinstance(result, tuple) else _tensor(result)

    return call


def _tensor(x: Any) -> Tensor:
    host = np.ascontiguousarray(x) if np.ndim(x) else np.asarray(x)
    return torch.from_numpy(host.view(np.int64) if host.dtype == np.uint64 else host)


class HostIndex:
    """Numba's search index for CPU tensors."""

    def __init__(self, count: int) -> None:
        self._index = numba_backend.SEARCH.search_index(count)

    def __len__(self) -> int:
        return len(self._index)

    def extended(self, items: Tensor) -> "HostIndex":
        """Return an index of these rows and more."""
        made = HostIndex(0)
        made._index = self._index.extended(items.numpy().view(np.uint64))
        return made

    def search(self, queries: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Find the k nearest rows of each query."""
        distances, ids = self._index.search(queries.numpy().view(np.uint64), k)
        return torch.from_numpy(distances), torch.from_numpy(ids)


HOST = BitKernels(
    random_words=random_words,
    signed_orders=signed_orders,
    xor=xor,
    or_reduce=on_host("bits", "or_reduce", 0),
    popcount=on_host("bits", "popcount", 0),
    hamming=on_host("bits", "hamming", 0, 1),
    shared_ones=on_host("bits", "shared_ones", 0, 1),
    majority=on_host("bits", "majority", 0, 2),
    signed_sums=on_host("bits", "signed_sums", 0),
    rotate=on_host("bits", "rotate", 0),
    gather=on_host("bits", "gather", 0),
    pack=on_host("bits", "pack"),
    unpack=on_host("bits", "unpack", 0),
)

HOST_DENSE = dataclasses.replace(
    PORTABLE_DENSE,
    sign_product=on_host("dense", "sign_product"),
    byte_dots=on_host("dense", "byte_dots"),
    byte_sums=on_host("dense", "byte_sums"),
)
"""Integers have no gradients, so Numba's kernels are used for them."""

HOST_SEARCH = SearchKernels(
    top_k=on_host("search", "top_k", 0, 1),
    search_index=HostIndex,
    top_k_lists=on_host("search", "top_k_lists", 0, 1),
    plane_sums=on_host("search", "plane_sums", 0, 1),
    code_dots=on_host("search", "code_dots", 0, 1),
    code_top_k=on_host("search", "code_top_k", 0, 1),
    gather_dots=on_host("search", "gather_dots"),
    gather_planes=on_host("search", "gather_planes", 1),
    rounded=on_host("search", "rounded"),
    units=on_host("search", "units"),
)

HOST_LEVELS = dataclasses.replace(
    PORTABLE_LEVELS,
    moved=on_host("levels", "moved"),
    sums=on_host("levels", "sums"),
    counts=on_host("levels", "counts"),
    plurality=on_host("levels", "plurality"),
    phases=on_host("levels", "phases"),
    equal=on_host("levels", "equal"),
    differences=on_host("levels", "differences"),
)


def threads(n: int | None = None) -> int:
    """Return how many threads the compiled kernels and torch may use on the CPU; set both to ``n`` if given."""
    limit = numba_backend.threads(n)
    if n is not None:
        torch.set_num_threads(limit)
    return limit


# ---------------------------------------------------------------------- devices


def on(device: str) -> Backend:
    """Return the backend on ``"cpu"``, ``"cuda"`` (the current card) or ``"cuda:1"``.

    Raises
    ------
    ParameterError
        If the name has another form.
    BackendUnavailableError
        If the card does not exist.
    """
    if device == "cpu":
        return BACKEND
    name = re.fullmatch(r"cuda(?::(\d+))?", device)
    if name is None:
        raise ParameterError(f"device must be 'cpu', 'cuda' or 'cuda:' and a number, not {device!r}")
    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if cards == 0:
        raise BackendUnavailableError(
            f"device {device!r} needs a CUDA GPU and a torch built for it, but torch {torch.__version__} finds none; "
            "use device='cpu'"
        )
    number = int(name[1]) if name[1] else torch.cuda.current_device()
    if number >= cards:
        raise BackendUnavailableError(f"there is no device {device!r}; torch finds cuda:0 to cuda:{cards - 1}")
    return placed(torch.device("cuda", number), PORTABLE, PORTABLE_SEARCH)


@functools.cache
def placed(
    device: torch.device,
    bits: BitKernels,
    searches: SearchKernels,
    dense: DenseKernels = PORTABLE_DENSE,
    levels: LevelKernels = PORTABLE_LEVELS,
) -> Backend:
    """Return the backend on an existing device."""
    if device.type != "cpu":
        searches = dataclasses.replace(searches, search_index=functools.partial(search.RowIndex, device=device))
    return Backend(
        name="torch",
        xp=array_api_compat.torch,
        arrays=Arrays(
            floats=FLOATS,
            dtype=dtype,
            check=functools.partial(check, device=device),
            check_words=functools.partial(check_words, device=device),
            from_numpy=functools.partial(from_numpy, device=device),
            to_numpy=to_numpy,
            read_only=torch.clone,
            lasting=lasting,
        ),
        bits=bits,
        dense=dense,
        levels=levels,
        threads=threads,
        share=numba_backend.BACKEND.share,
        warmup=numba_backend.warmup,
        search=searches,
        device=str(device),
        on=on,
    )


BACKEND = placed(torch.device("cpu"), HOST, HOST_SEARCH, HOST_DENSE, HOST_LEVELS)
