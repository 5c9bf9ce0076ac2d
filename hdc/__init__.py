"""Hyperdimensional computing and vector symbolic architectures: one exact algebra on every backend.

``hdc.create("MAP-B", 10_000)`` returns a model. Its methods accept and return plain arrays. The README lists the
applications (``hdc.apps.json``); ``hdc.testing`` has the laws every model obeys.
"""

import importlib

TYPE_CHECKING = False  # the typing module would slow down the import
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "create": "hdc.registry",
    "from_spec": "hdc.registry",
    "list_models": "hdc.registry",
    "list_backends": "hdc.dispatch",
    "threads": "hdc.dispatch",
    "VSA": "hdc.vsa",
    "Role": "hdc.vsa",
    "MAPI": "hdc.models.map",
    "MAPB": "hdc.models.map",
    "Bloom": "hdc.models.sparse",
    "CountingBloom": "hdc.models.sparse",
    "MBAT": "hdc.models.mbat",
    "HRR": "hdc.models.hrr",
    "FHRR": "hdc.models.fhrr",
    "MCR": "hdc.models.cyclic",
    "CGR": "hdc.models.cyclic",
    "SBC": "hdc.models.blocks",
    "VTB": "hdc.models.vtb",
    "TVTB": "hdc.models.vtb",
    "MAPC": "hdc.models.products",
    "HLB": "hdc.models.products",
    "GHRR": "hdc.models.ghrr",
    "GSBC": "hdc.models.blocks",
    "MAPT": "hdc.models.ternary",
    "Accumulator": "hdc.accumulator",
    "ItemMemory": "hdc.memory",
    "Hopfield": "hdc.hopfield",
    "Factorizer": "hdc.factorizer",
    "Cleanup": "hdc.cleanup",
    "SparseDistributedMemory": "hdc.distributed",
    "CapacityWarning": "hdc.bounds",
    "warn_beyond_capacity": "hdc.bounds",
    "Record": "hdc.structures",
    "Multiset": "hdc.structures",
    "Sequence": "hdc.structures",
    "NGrams": "hdc.structures",
    "Graph": "hdc.structures",
    "Tree": "hdc.structures",
    "Automaton": "hdc.structures",
    "Stack": "hdc.structures",
    "Circular": "hdc.values",
    "Integer": "hdc.values",
    "Level": "hdc.values",
    "Point": "hdc.values",
    "RandomFourier": "hdc.values",
    "RandomProjection": "hdc.values",
    "Scalar": "hdc.values",
    "Scatter": "hdc.values",
    "SparseProjection": "hdc.values",
    "Thermometer": "hdc.values",
    "HDCError": "hdc.errors",
}
_MODULES = (
    "accumulator",
    "atoms",
    "backends",
    "bounds",
    "checks",
    "dispatch",
    "distinct",
    "errors",
    "files",
    "markup",
    "kernels",
    "memory",
    "models",
    "registry",
    "search",
    "store",
    "structures",
    "tally",
    "testing",
    "topk",
    "values",
    "words",
)

__all__ = [
    "CGR",
    "FHRR",
    "GHRR",
    "GSBC",
    "HLB",
    "HRR",
    "MAPB",
    "MAPC",
    "MAPI",
    "MAPT",
    "MBAT",
    "MCR",
    "SBC",
    "TVTB",
    "VSA",
    "VTB",
    "Accumulator",
    "Automaton",
    "Bloom",
    "CapacityWarning",
    "Circular",
    "Cleanup",
    "CountingBloom",
    "Factorizer",
    "Graph",
    "HDCError",
    "Hopfield",
    "Integer",
    "ItemMemory",
    "Level",
    "Multiset",
    "NGrams",
    "Point",
    "RandomFourier",
    "RandomProjection",
    "Record",
    "Role",
    "Scalar",
    "Scatter",
    "Sequence",
    "SparseDistributedMemory",
    "SparseProjection",
    "Stack",
    "Thermometer",
    "Tree",
    "__version__",
    "accumulator",
    "atoms",
    "backends",
    "bounds",
    "checks",
    "create",
    "dispatch",
    "distinct",
    "errors",
    "files",
    "from_spec",
    "kernels",
    "list_backends",
    "list_models",
    "markup",
    "memory",
    "models",
    "registry",
    "search",
    "store",
    "structures",
    "tally",
    "testing",
    "threads",
    "topk",
    "values",
    "warn_beyond_capacity",
    "words",
]

if TYPE_CHECKING:
    from hdc import (
        accumulator,
        atoms,
        backends,
        bounds,
        checks,
        dispatch,
        distinct,
        errors,
        files,
        kernels,
        markup,
        memory,
        models,
        registry,
        search,
        store,
        structures,
        tally,
        testing,
        topk,
        values,
        words,
    )
    from hdc.accumulator import Accumulator
    from hdc.bounds import CapacityWarning, warn_beyond_capacity
    from hdc.cleanup import Cleanup
    from hdc.dispatch import list_backends, threads
    from hdc.distributed import SparseDistributedMemory
    from hdc.errors import HDCError
    from hdc.factorizer import Factorizer
    from hdc.hopfield import Hopfield
    from hdc.memory import ItemMemory
    from hdc.models.blocks import GSBC, SBC
    from hdc.models.cyclic import CGR, MCR
    from hdc.models.fhrr import FHRR
    from hdc.models.ghrr import GHRR
    from hdc.models.hrr import HRR
    from hdc.models.map import MAPB, MAPI
    from hdc.models.mbat import MBAT
    from hdc.models.products import HLB, MAPC
    from hdc.models.sparse import Bloom, CountingBloom
    from hdc.models.ternary import MAPT
    from hdc.models.vtb import TVTB, VTB
    from hdc.registry import create, from_spec, list_models
    from hdc.structures import Automaton, Graph, Multiset, NGrams, Record, Sequence, Stack, Tree
    from hdc.values import (
        Circular,
        Integer,
        Level,
        Point,
        RandomFourier,
        RandomProjection,
        Scalar,
        Scatter,
        SparseProjection,
        Thermometer,
    )
    from hdc.vsa import VSA, Role


def __getattr__(name: str) -> "Any":
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"hdc.{name}")
    raise AttributeError(f"module 'hdc' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC, *_MODULES})
