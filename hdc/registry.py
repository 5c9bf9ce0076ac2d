"""Names to models and backends: the built-in table first, then entry points of other packages.

Third parties add to the groups ``hdc.models`` (a :class:`hdc.VSA` subclass) and ``hdc.backends`` (a
:class:`hdc.kernels.Backend`). Nothing is imported before it is asked for.
"""

import importlib
import importlib.util
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from hdc.errors import BackendUnavailableError, ParameterError, UnknownNameError
from hdc.kernels import Backend

if TYPE_CHECKING:
    from hdc.vsa import VSA

_MODELS = {
    "MAP-I": "hdc.models.map:MAPI",
    "MAP-B": "hdc.models.map:MAPB",
    "Bloom": "hdc.models.sparse:Bloom",
    "CountingBloom": "hdc.models.sparse:CountingBloom",
    "MBAT": "hdc.models.mbat:MBAT",
}
_BACKENDS = {
    "numpy": "hdc.backends.numpy_backend:BACKEND",
    "numba": "hdc.backends.numba_backend:BACKEND",
    "torch": "hdc.backends.torch_backend:BACKEND",
}
_NEEDS = {"torch": ("torch", "array_api_compat")}
"""Libraries of built-in backends that come with an extra of the backend's name."""
AUTO = "numba"
"""What ``backend="auto"`` stands for."""


def _find(table: Mapping[str, str], group: str, name: str) -> Any:
    if not isinstance(name, str):
        raise ParameterError(f"a {group.removeprefix('hdc.').rstrip('s')} is named by a str, not {name!r}")
    if name in table:
        module, _, attribute = table[name].partition(":")
        return getattr(importlib.import_module(module), attribute)
    for point in _points(group):
        if point.name == name:
            return point.load()
    known = ", ".join(_names(table, group))
    raise UnknownNameError(f"unknown {group.removeprefix('hdc.').rstrip('s')} {name!r}; known: {known}")


@cache
def _points(group: str) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=group))


def _names(table: Mapping[str, str], group: str) -> tuple[str, ...]:
    return (*table, *sorted({point.name for point in _points(group)} - set(table)))


def models() -> tuple[str, ...]:
    """Return the names that :func:`create` takes."""
    return _names(_MODELS, "hdc.models")


def backends() -> tuple[str, ...]:
    """Return the names of the backends whose libraries are installed, without loading any; ``"auto"`` picks one."""
    absent = {name for name, needs in _NEEDS.items() if not all(importlib.util.find_spec(library) for library in needs)}
    return tuple(name for name in _names(_BACKENDS, "hdc.backends") if name not in absent)


def model_class(name: str) -> "type[VSA]":
    """Return the class of a model.

    Raises
    ------
    UnknownNameError
        If no model of that name is registered.
    """
    found: type[VSA] = _find(_MODELS, "hdc.models", name)
    return found


def backend(name: str, device: str = "cpu") -> Backend:
    """Return the backend of a name, or the compiled one, which is the default, for ``"auto"``.

    Parameters
    ----------
    name : str
        ``"auto"`` or one of :func:`backends`.
    device : str
        ``"cpu"``; the torch backend also computes on ``"cuda"``, the current card, or ``"cuda:1"``.

    Raises
    ------
    UnknownNameError
        If no backend of that name is registered.
    BackendUnavailableError
        If the library that the backend needs is not installed, or the device is not there.
    ParameterError
        If the backend has no such device.
    """
    found = _load(AUTO if name == "auto" else name)
    if device == found.device:
        return found
    if found.on is None or not isinstance(device, str):
        raise ParameterError(
            f"backend {found.name!r} computes on device {found.device!r}, not on {device!r}; "
            "for a GPU take backend='torch', device='cuda'"
        )
    return found.on(device)


@cache
def _load(name: str) -> Backend:
    try:
        found = _find(_BACKENDS, "hdc.backends", name)
    except ImportError as error:
        advice = f"pip install 'hdc-toolkit[{name}]'" if name in _NEEDS else "install that library"
        raise BackendUnavailableError(
            f"backend {name!r} needs a library that is not installed ({error}); {advice}, or use backend='numpy'"
        ) from error
    if not isinstance(found, Backend):
        raise ParameterError(f"backend {name!r} must be a hdc.kernels.Backend, not {type(found).__name__}")
    return found


def threads(n: int | None = None) -> int:
    """Return how many threads the kernels of the default backend may use, after setting it to ``n`` if given.

    At first it is the environment variable ``HDC_THREADS``, or else the processors this process may use. Small
    inputs stay in the calling thread whatever the limit.

    Raises
    ------
    ParameterError
        If ``n`` is not a whole number from 1 to 256.

    Examples
    --------
    >>> import hdc
    >>> before = hdc.threads()
    >>> hdc.threads(1)
    1
    >>> _ = hdc.threads(before)
    """
    return backend("auto").threads(n)


def create(model: str, dim: int, **parameters: Any) -> "VSA":
    """Create a model by name.

    Parameters
    ----------
    model : str
        One of :func:`models`.
    dim : int
        Number of components, at least 1.
    **parameters
        ``seed`` (int, 0), ``backend`` (str, ``"auto"``), ``device`` (str, ``"cpu"``) and those of the model's class.

    Raises
    ------
    UnknownNameError
        If the model or backend is not registered.
    ParameterError
        If a parameter is unknown to the model or out of range.

    Examples
    --------
    >>> import hdc
    >>> vsa = hdc.create("MAP-B", 1000, seed=1)
    >>> float(vsa.similarity(vsa.symbol("cat"), vsa.symbol("cat")))
    1.0
    """
    return model_class(model).from_parameters(dim=dim, **parameters)


def from_spec(spec: Mapping[str, Any], **changes: Any) -> "VSA":
    """Create the model that ``spec()`` described; ``changes`` replace single entries (``backend="numpy"``).

    Raises
    ------
    UnknownNameError, ParameterError
        As :func:`create`; also if the spec names no model.
    """
    if not isinstance(spec, Mapping) or not isinstance(spec.get("model"), str) or "dim" not in spec:
        raise ParameterError(f"a spec is a mapping with at least 'model' and 'dim', not {spec!r}")
    entries = {**spec, **changes}
    return create(entries.pop("model"), entries.pop("dim"), **entries)
