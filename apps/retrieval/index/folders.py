"""The folder of an index: its codes, the model that made them, and how it comes to be as a whole or not at all."""

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hdc import checks
from hdc.apps.retrieval.binarisers import Binarizer, load
from hdc.apps.retrieval.binarisers.files import digest
from hdc.errors import FileFormatError, ParameterError
from hdc.files import sync_folder

MODEL_FOLDER, CODES_FOLDER = "model", "codes"
"""Folders of the binariser and of the codes."""

MODEL = "model"
"""Entry of the meta of the codes: the digest of the model that made them."""


def index_folder(path: str | os.PathLike[str], maker: str) -> Path:
    """Return the folder of an index; raises FileFormatError, which names the call that makes one, if it is none."""
    folder = checks.path(path)
    if not (folder / CODES_FOLDER).is_dir() or not (folder / MODEL_FOLDER).is_dir():
        raise FileFormatError(f"{folder} is no index; make one with {maker}")
    return folder


def made_by(folder: Path, meta: Mapping[str, Any], backend: str) -> Binarizer:
    """Return the model in the folder of an index, whose codes say in their meta which one made them.

    Raises
    ------
    FileFormatError
        If it is damaged, or another one.
    OSError
        If it cannot be read.
    """
    model = load(folder / MODEL_FOLDER, backend)
    if meta.get(MODEL, own := digest(folder / MODEL_FOLDER)) != own:
        raise FileFormatError(
            f"{folder}: the codes were made with another model; if the index was just built anew, open it again"
        )
    return model


def new_folder(path: str | os.PathLike[str]) -> Path:
    """Return a path to a folder that is not there, or is empty.

    Raises
    ------
    ParameterError
        If it is something else.
    """
    folder = checks.path(path)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ParameterError(f"{folder} exists; name a new folder")
    return folder


@contextmanager
def made_aside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a folder to fill, which is renamed to ``path`` at the end, or removed after an error.

    Raises
    ------
    ParameterError
        As :func:`new_folder`.
    OSError
        If the folder cannot be written.
    """
    folder = Path(os.path.abspath(new_folder(path)))
    aside = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.new")
    try:
        aside.mkdir(parents=True)
        yield aside
        sync_folder(aside)
        if folder.exists():
            folder.rmdir()
        os.rename(aside, folder)
        aside = folder  # which goes again if its name cannot be made durable
        sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
