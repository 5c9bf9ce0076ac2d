"""The folder of an index, with its codes and the model that made them."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hdc import checks
from hdc.apps.retrieval.binarizers import Binarizer, load
from hdc.apps.retrieval.binarizers.files import digest
from hdc.errors import FileFormatError

MODEL_FOLDER, CODES_FOLDER = "model", "codes"
"""Folders of the binarizer and of the codes."""

MODEL = "model"
"""Entry of the meta of the codes: the digest of the model that made them."""


def index_folder(path: str | os.PathLike[str], maker: str) -> Path:
    """Return the folder of an index; if it is none, raises FileFormatError, which says to call ``maker``."""
    folder = checks.path(path)
    if not (folder / CODES_FOLDER).is_dir() or not (folder / MODEL_FOLDER).is_dir():
        raise FileFormatError(f"{folder} is not an index; build one with {maker}")
    return folder


def made_by(folder: Path, meta: Mapping[str, Any], backend: str) -> Binarizer:
    """Return the model in the folder of an index, checked against the digest in the meta of the codes.

    Raises
    ------
    FileFormatError
        If the model is damaged, or did not make the codes.
    OSError
        If it cannot be read.
    """
    model = load(folder / MODEL_FOLDER, backend)
    if meta.get(MODEL, own := digest(folder / MODEL_FOLDER)) != own:
        raise FileFormatError(f"{folder}: another model made the codes; if the index was just rebuilt, open it again")
    return model
