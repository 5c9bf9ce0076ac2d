"""The models and backends that the suite runs over, and the way from their arrays to NumPy's."""

import numpy as np
import pytest

import hdc
from hdc import registry

FAMILIES = {
    "MAP-I": ("MAP-I", {}),
    "MAP-I-float32": ("MAP-I", {"precision": "float32"}),
    "MAP-B": ("MAP-B", {}),
    "Bloom-shift": ("Bloom", {}),
    "Bloom-segment": ("Bloom", {"binding": "segment"}),
    "CountingBloom-shift": ("CountingBloom", {}),
    "CountingBloom-segment": ("CountingBloom", {"binding": "segment"}),
    "MBAT-permutation": ("MBAT", {"matrix": "permutation"}),
    "MBAT-hadamard": ("MBAT", {"matrix": "hadamard"}),
    "MBAT-haar": ("MBAT", {"matrix": "haar"}),
    "MBAT-hadamard-float64": ("MBAT", {"matrix": "hadamard", "precision": "float64"}),
    "HRR": ("HRR", {}),
    "HRR-gaussian": ("HRR", {"roles": "gaussian"}),
    "FHRR": ("FHRR", {}),
    "FHRR-phase": ("FHRR", {"bundles": "phase"}),
    "MCR": ("MCR", {}),
    "MCR-256": ("MCR", {"levels": 256}),
    "CGR": ("CGR", {"levels": 8}),
    "VTB": ("VTB", {}),
    "VTB-gaussian": ("VTB", {"roles": "gaussian"}),
    "TVTB": ("TVTB", {}),
    "TVTB-gaussian": ("TVTB", {"roles": "gaussian"}),
    "MAP-C": ("MAP-C", {}),
    "MAP-C-uniform": ("MAP-C", {"roles": "uniform"}),
    "HLB": ("HLB", {}),
    "GHRR": ("GHRR", {}),
    "SBC": ("SBC", {"length": 8}),
    "GSBC": ("GSBC", {"length": 8}),
    "GSBC-share": ("GSBC", {"length": 8, "bundles": "share"}),
    "MAP-T": ("MAP-T", {}),
    "MAP-T-zone": ("MAP-T", {"zone": 0.6}),
}
VARIANTS = (
    "MAP-I-float32", "MBAT-hadamard-float64", "HRR-gaussian", "FHRR-phase", "MCR-256", "VTB-gaussian", "TVTB-gaussian",
    "MAP-C-uniform", "GSBC-share", "MAP-T-zone",
)  # fmt: skip
"""Families that run the code of another one, with another parameter."""
GENERIC = ("HRR", "FHRR", "MCR", "CGR", "VTB", "TVTB", "MAP-C", "HLB", "GHRR", "SBC", "GSBC", "MAP-T")
"""Families whose own code is the same on all backends; kernels that they call have tests on torch."""
NUMPY_BACKENDS = ("numpy", "numba")
"""Backends whose arrays are NumPy's."""


def _without_torch():
    return "" if "torch" in hdc.list_backends() else "torch is not installed"


def _without_cuda():
    if _without_torch():
        return _without_torch()
    import torch

    return "" if torch.cuda.is_available() else "there is no CUDA GPU"


NO_TORCH, NO_CUDA = _without_torch(), _without_cuda()
TORCH_BACKENDS = (
    pytest.param("torch", marks=pytest.mark.skipif(bool(NO_TORCH), reason=NO_TORCH)),
    *([] if NO_CUDA else [pytest.param("torch-cuda")]),
)
"""Torch is skipped with the reason where it is not installed; 700 skipped cases of CUDA would say no more than one."""
BACKENDS = (*NUMPY_BACKENDS, *TORCH_BACKENDS)


def place(backend: str) -> dict[str, str]:
    """Return the parameters of a model on a backend of this suite: ``"torch-cuda"`` names its device too."""
    name, _, device = backend.partition("-")
    return {"backend": name, "device": device or "cpu"}


def make(family: str, dim: int, backend: str = "numpy", **parameters: object) -> hdc.VSA:
    """Create the model of a family name, of the least dimension from ``dim`` on that it takes."""
    model, fixed = FAMILIES[family]
    parameters = {**place(backend), **fixed, **parameters}
    return hdc.create(model, registry.model_class(model).next_dim(dim, **parameters), **parameters)


def host(x):
    """Return an array of any backend as NumPy's, tensors without a copy where they allow it."""
    return x.detach().cpu().numpy() if hasattr(x, "detach") else np.asarray(x)
