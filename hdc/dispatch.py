"""Map names to backends; nothing is imported until it is used.

Third parties register in the entry-point group ``hdc.backends`` (a :class:`hdc.kernels.Backend`).
"""

import importlib
import importlib.util
from functools import cache
from typing import TypeVar

import numpy as np

from hdc.checks import integer, text
from hdc.errors import BackendUnavailableError, ParameterError, UnsupportedError
from hdc.kernels import (
    Backend,
    ClassKernels,
    FeatureKernels,
    GraphKernels,
    LearnKernels,
    ListKernels,
    PostingKernels,
    SearchKernels,
    TableKernels,
    TokenKernels,
)
from hdc.plugins import find, names

_BACKENDS = {
    "numpy": "hdc.backends.numpy_backend:BACKEND",
    "numba": "hdc.backends.numba_backend:BACKEND",
    "torch": "hdc.backends.torch_backend:BACKEND",
}
_NEEDS = {"torch": ("torch", "array_api_compat")}
"""Libraries of built-in backends that are installed with an extra of the backend's name."""
MOST_THREADS = 256
AUTO = "numba"
"""The backends of ``backend="auto"``."""


def list_backends() -> tuple[str, ...]:
    """Return the names of the backends whose libraries are installed, without loading any; ``"auto"`` picks one."""
    absent = {name for name, needs in _NEEDS.items() if not all(importlib.util.find_spec(library) for library in needs)}
    return tuple(name for name in names(_BACKENDS, "hdc.backends") if name not in absent)


def backend(name: str, device: str = "cpu") -> Backend:
    """Return the backend of a name, or the compiled one, which is the default, for ``"auto"``.

    Parameters
    ----------
    name : str
        ``"auto"`` or one of :func:`list_backends`.
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
    found = _load(AUTO if text(name, "backend") == "auto" else name)
    if text(device, "device") == found.device:
        return found
    if found.on is None:
        raise ParameterError(
            f"backend {found.name!r} computes on device {found.device!r}, not on {device!r}; "
            "for a GPU take backend='torch', device='cuda'"
        )
    return found.on(device)


@cache
def _load(name: str) -> Backend:
    try:
        found = find(_BACKENDS, "hdc.backends", name)
    except ImportError as error:
        advice = f"pip install 'hdc-toolkit[{name}]'" if name in _NEEDS else "install that library"
        raise BackendUnavailableError(
            f"backend {name!r} needs a library that is not installed ({error}); {advice}, or use backend='numpy'"
        ) from error
    if not isinstance(found, Backend):
        raise ParameterError(f"backend {name!r} must be a hdc.kernels.Backend, not {type(found).__name__}")
    return found


def numpy_backend(name: str, what: str) -> Backend:
    """Return the backend of a name, for what computes with NumPy arrays; raises as :func:`backend`.

    Parameters
    ----------
    name : str
        As :func:`backend` takes it.
    what : str
        Who computes: "an index".

    Raises
    ------
    UnsupportedError
        If the backend's arrays are not NumPy's.
    """
    found = backend(name)
    if found.xp is not np:
        raise UnsupportedError(f"{what} keeps NumPy arrays, and backend {name!r} has others; take backend='auto'")
    return found


_Record = TypeVar("_Record")


def search_kernels(of: Backend) -> SearchKernels:
    """Return the kernels that search packed rows, or raise UnsupportedError if the backend has none."""
    return _there(of, of.search, "that search packed rows (Backend.search)")


def table_kernels(of: Backend) -> TableKernels:
    """Return the kernels that read codes through tables, or raise UnsupportedError if the backend has none."""
    return _there(of, of.tables, "that read codes through tables (Backend.tables)")


def list_kernels(of: Backend) -> ListKernels:
    """Return the kernels of inverted files, or raise UnsupportedError if the backend has none."""
    return _there(of, of.lists, "of inverted files (Backend.lists)")


def graph_kernels(of: Backend) -> GraphKernels:
    """Return the kernels of graphs over estimates, or raise UnsupportedError if the backend has none."""
    if of.graphs is None:
        raise UnsupportedError(f"backend {of.name!r} walks no graphs (Backend.graphs); take backend='auto' or 'numba'")
    return of.graphs


def posting_kernels(of: Backend) -> PostingKernels:
    """Return the kernels of search by postings, or raise UnsupportedError if the backend has none."""
    return _there(of, of.postings, "of search by postings (Backend.postings)")


def learn_kernels(of: Backend) -> LearnKernels:
    """Return the kernels that learn, or raise UnsupportedError if the backend has none."""
    return _there(of, of.learn, "that learn (Backend.learn)")


def feature_kernels(of: Backend) -> FeatureKernels:
    """Return the kernels that encode rows of numbers, or raise UnsupportedError if the backend has none."""
    return _there(of, of.features, "that encode rows of numbers (Backend.features)")


def class_kernels(of: Backend) -> ClassKernels:
    """Return the kernels of classifiers on bits, or raise UnsupportedError if the backend has none."""
    return _there(of, of.classes, "of classifiers on bits (Backend.classes)")


def token_kernels(of: Backend) -> TokenKernels:
    """Return the kernels that compare sets of rows, or raise UnsupportedError if the backend has none."""
    return _there(of, of.tokens, "that compare sets of rows (Backend.tokens)")


def _there(of: Backend, record: _Record | None, what: str) -> _Record:
    if record is None:
        raise UnsupportedError(f"backend {of.name!r} has no kernels {what}; take backend='auto', 'numba' or 'numpy'")
    return record


def threads(n: int | None = None) -> int:
    """Return how many threads the kernels of the default backend may use, after setting it to ``n`` if given.

    At first it is the environment variable ``HDC_THREADS``, or else the processors this process may use. Small
    inputs stay in the calling thread whatever the limit.

    Raises
    ------
    ParameterError
        If ``n`` is not an integer from 1 to 256.

    Examples
    --------
    >>> import hdc
    >>> before = hdc.threads()
    >>> hdc.threads(1)
    1
    >>> _ = hdc.threads(before)
    """
    return backend("auto").threads(None if n is None else integer(n, "n", 1, MOST_THREADS))
