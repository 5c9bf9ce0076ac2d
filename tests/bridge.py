"""Backends seen through NumPy arrays, so that one kernel test serves them all."""

import importlib
from dataclasses import fields, replace

import numpy as np

from hdc.dispatch import backend as find_backend

GIVE_WORDS = {
    "xor", "or_reduce", "majority", "rotate", "gather", "pack",
}  # fmt: skip


class BridgedIndex:
    """A search index that is fed and read with NumPy arrays."""

    def __init__(self, backend, index):
        self.backend, self.arrays, self.index = backend, backend.arrays, index

    def __len__(self):
        return len(self.index)

    def extended(self, items):
        return BridgedIndex(self.backend, self.index.extended(self.arrays.from_numpy(items)))

    def search(self, queries, k):
        return tuple(map(self.arrays.to_numpy, self.index.search(self.arrays.from_numpy(queries), k)))


def on_numpy(backend):
    """Return a torch backend whose kernels take and give NumPy arrays; results are on its device, without gaps."""

    def to_numpy(name, x):
        assert str(x.device) == backend.device
        assert x.is_contiguous()
        host = backend.arrays.to_numpy(x)
        return host.view(np.uint64) if name in GIVE_WORDS else host

    def bridged(name, kernel):
        def call(*arguments):
            given = [backend.arrays.from_numpy(a) if isinstance(a, np.ndarray) else a for a in arguments]
            result = kernel(*given)
            if isinstance(result, tuple):
                return tuple(to_numpy(name, x) for x in result)
            return to_numpy(name, result)

        return call

    def record(kernels, kept):
        names = {field.name for field in fields(kernels)} - kept
        return replace(kernels, **{name: bridged(name, getattr(kernels, name)) for name in names})

    search = record(backend.search, {"search_index", "hamming_pointer"})
    return replace(
        backend,
        bits=record(backend.bits, {"random_words", "signed_orders"}),
        search=replace(search, search_index=lambda words: BridgedIndex(backend, backend.search.search_index(words))),
        dense=record(backend.dense, {"exact_integers"}),
    )


def portable():
    """Return the kernels that torch runs on a GPU, here on the CPU."""
    module, torch = (importlib.import_module(name) for name in ("hdc.backends.torch_backend", "torch"))
    return module.placed(torch.device("cpu"), module.PORTABLE, module.PORTABLE_SEARCH)


def backend_of(name):
    """Return a backend of the kernel tests by name."""
    if name in ("numpy", "numba"):
        return find_backend(name)
    return on_numpy(portable() if name == "torch-portable" else find_backend("torch", name.partition("-")[2] or "cpu"))
