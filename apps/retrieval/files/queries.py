"""Queries on the command line: files of vectors, a single vector, an array in an archive, or texts and an encoder."""

import importlib
import os
import sys
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from hdc.apps.retrieval.files.npy import archived, mapped
from hdc.apps.retrieval.files.vectors import NUMPY, Rows, VectorFile, key_lines, open_vectors
from hdc.apps.retrieval.vectors.texts import Encoder, encoded
from hdc.errors import ParameterError


def open_queries(path: str | os.PathLike[str], column: str | None = None) -> VectorFile:
    """Open a file of queries.

    Parameters
    ----------
    path : path
        As :func:`hdc.apps.retrieval.files.vectors.open_vectors`, or a ``.npy`` file of one vector, or a ``.npz`` file.
    column : str, optional
        Column of a Parquet file, or array name in a ``.npz`` file; by default the only one.

    Raises
    ------
    FileFormatError, DTypeError, DimensionError, ParameterError, BackendUnavailableError, OSError
        As :func:`open_vectors`, and if the array is missing.
    """
    name = os.fspath(path)
    if zipfile.is_zipfile(name):
        return Rows(np.atleast_2d(archived(name, column)), name)
    with open(name, "rb") as file:
        plain = file.read(len(NUMPY)) == NUMPY and not column
    if plain and (array := mapped(name)).ndim == 1:
        return Rows(array[None], name)
    return open_vectors(name, column=column)


def encode_lines(path: str | os.PathLike[str], encoder: str) -> VectorFile:
    """Return the vectors of the lines of a text file; ``encoder`` is a name for :func:`encoder_of`."""
    return encode_texts(list(key_lines(path)), encoder, os.fspath(path))


def encode_texts(texts: Sequence[str], encoder: str, what: str = "texts") -> VectorFile:
    """Return the vectors of texts; ``encoder`` is a name for :func:`encoder_of`."""
    return Rows(encoded(texts, encoder_of(encoder)), what)


def encoder_of(name: str) -> Encoder:
    """Return the encoder with this name; see :func:`imported`.

    Raises
    ------
    ParameterError
        As :func:`imported`, or if it is not callable.
    """
    found = imported(name)
    if not callable(found):
        raise ParameterError(f"the encoder {name!r} is a {type(found).__name__}, which is not callable")
    return found  # type: ignore[no-any-return]


def imported(name: str) -> Any:
    """Import an encoder by name; modules are also searched for in the current folder.

    Parameters
    ----------
    name : str
        ``"module:function"``, or ``"module:object.method"``.

    Raises
    ------
    ParameterError
        If the name has another form, or cannot be imported.
    """
    module, _, path = name.partition(":")
    if not module or not path:
        raise ParameterError(f"name an encoder as module:function, not {name!r}")
    sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ParameterError(f"there is no encoder {name!r}: {error}") from error
    finally:
        sys.path.pop(0)
    return found
