"""The models of other libraries: the same vectors in their form, their operations, and what has to come out the same.

A library that is not installed is left out, and the reason is in :data:`ABSENT`.
"""

import importlib
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torchhd

import hdc

ABSENT: dict[str, str] = {}
"""Why a library is left out, by its name."""

VERSIONS: dict[str, str] = {}
"""Of the libraries beside torchhd that are there."""


def optional(module: str, distribution: str) -> Any:
    """Import a library, or note why it is left out."""
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        ABSENT[distribution] = f"{error}; install it with pip install {distribution}"
        return None
    VERSIONS[distribution] = importlib.metadata.version(distribution)
    return found


holovec, nengo_spa = optional("holovec", "holovec"), optional("nengo_spa", "nengo_spa")

Convert = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Torchhd:
    """A model of torchhd.

    Attributes
    ----------
    name : str
    convert : (vsa, hypervectors) -> tensor of the same algebra
    agree : mapping of an operation to the least share of components that are the same, 1 if it is not listed
        Where ties are broken at random, less; 0 where the algebra is another and nothing is compared.
    pairs_at_once : bool
        Whether it compares all pairs without an array of pairs times components.
    turned : bool
        Whether its first factor is our second one.
    """

    name: str
    convert: Convert
    agree: dict[str, float] = field(default_factory=dict)
    pairs_at_once: bool = True
    turned: bool = False

    def bind(self, a: Any, b: Any) -> Any:
        """Bind as we do."""
        return torchhd.bind(b, a) if self.turned else torchhd.bind(a, b)


def _of_class(tensor: str) -> Convert:
    def convert(vsa: Any, x: Any) -> Any:
        return torch.from_numpy(np.asarray(x, dtype=np.float32)).as_subclass(getattr(torchhd, tensor))

    return convert


def _bits(vsa: Any, x: Any) -> Any:
    return torch.from_numpy(hdc.words.unpack(x, vsa.dim)).as_subclass(torchhd.BSCTensor)


def _phasors(vsa: Any, x: Any) -> Any:
    parts = np.ascontiguousarray(x, dtype=np.float32)
    return torch.from_numpy(parts.view(np.complex64)).as_subclass(torchhd.FHRRTensor)


def _levels(tensor: str) -> Convert:
    def convert(vsa: Any, x: Any) -> Any:
        numbers = torch.from_numpy(np.asarray(x, dtype=np.int64)).as_subclass(getattr(torchhd, tensor))
        numbers.block_size = vsa.levels
        return numbers

    return convert


TORCHHD = {
    "MAP-I": Torchhd("MAP", _of_class("MAPTensor")),
    "MAP-B": Torchhd("BSC", _bits, {"records": 0.85, "text": 0.9}),
    "HRR": Torchhd("HRR", _of_class("HRRTensor"), {"text": 0}),  # it permutes by a rotation
    "FHRR": Torchhd("FHRR", _phasors),
    "MCR": Torchhd(  # ties are broken in other ways; it compares by distances along the circle, not by cosines
        "MCR",
        _levels("MCRTensor"),
        {"bundle": 0.99, "records": 0.95, "text": 0.99, "similarity": 0},
        pairs_at_once=False,
    ),
    "CGR": Torchhd(
        "CGR",
        _levels("CGRTensor"),
        {"bundle": 0, "similarity": 0, "records": 0, "text": 0},  # ties at random; similarities from 1 / levels on
        pairs_at_once=False,
    ),
    "SBC": Torchhd(
        "BSBC",
        _levels("BSBCTensor"),
        {"bundle": 0, "similarity": 0, "records": 0, "text": 0},  # likewise
        pairs_at_once=False,
    ),
    "VTB": Torchhd("VTB", _of_class("VTBTensor"), {"text": 0}, turned=True),
}
"""The same algebra in torchhd, by our name; a new model of ours needs a line here."""


def same_vectors(peer: Torchhd, operation: str, vsa: Any) -> Callable[[Any, Any], bool]:
    """Return what says whether a result of ours is that of torchhd."""
    share = peer.agree.get(operation, 1.0)

    def same(ours: Any, theirs: Any) -> bool:
        if share == 0:
            return True
        a, b = peer.convert(vsa, ours).as_subclass(torch.Tensor), theirs.as_subclass(torch.Tensor)
        if a.is_floating_point() or a.is_complex():
            return bool((a - b).abs().max() <= 1e-4 * b.abs().max())
        return float((a == b).double().mean()) >= share

    return same


def same_numbers(peer: Torchhd, operation: str, vsa: Any) -> Callable[[Any, Any], bool]:
    """Return what says whether similarities of ours are those of torchhd."""
    return lambda ours, theirs: peer.agree.get(operation) == 0 or np.allclose(ours, theirs, atol=1e-3)


HOLOVEC = {"MAP-I": "map", "MAP-B": "bsc", "HRR": "hrr", "FHRR": "fhrr", "VTB": "vtb"}
"""Our names to those of HoloVec, on NumPy; it binds two vectors, bundles a list and compares two vectors."""


def holovec_model(name: str, dim: int) -> Any:
    """Return the model of HoloVec, or None."""
    return holovec.VSA.create(HOLOVEC[name], dim=dim, backend="numpy") if holovec and name in HOLOVEC else None


def nengo_algebra(name: str) -> Any:
    """Return the algebra of nengo_spa, or None; it binds two vectors."""
    algebras = {"HRR": "HrrAlgebra", "VTB": "VtbAlgebra", "TVTB": "TvtbAlgebra"}
    return getattr(nengo_spa.algebras, algebras[name])() if nengo_spa and name in algebras else None
